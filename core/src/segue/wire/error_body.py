"""What the body of an answered failure says, by field; and how much of it may be kept."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from ..errors import ErrorFields
from ..json_text import from_json
from .blotting import blotted

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

KEPT_CHARACTERS: Final = 2000

# What looks like a credential: hosts quote (parts of) the key they were sent, as in "Incorrect API key
# provided: sk-…". The forms are the documented prefixes of OpenAI, Anthropic, Google, Groq and xAI keys.
_LOOKS_SECRET: Final = re.compile(r"(?:sk|pk|gsk|xai|rk)-[\w*.-]{6,}|AIza[\w-]{10,}|(?i:bearer)\s+[\w.~+/=-]{6,}")


# The one place where prose decides: of a prompt that is too long some hosts tell in words alone. Each is anchored at
# the beginning of the message, and was recorded: deepseek-chat-a39ddecf58, openrouter-chat-2464a7b40b.
_CONTEXT_LENGTH: Final = re.compile(r"This (?:model|endpoint)'s maximum context length is \d+ tokens\.")


def read(body: bytes, *, kind: str | None = None) -> ErrorFields:
    """The fields of a JSON error body; empty ones where it is no JSON object.

    ``kind`` is what AWS says of the type in a header, ``ValidationException:http://…``; it may stand there alone.
    """
    try:
        fields = fields_of(from_json(body))
    except ValueError:
        fields = ErrorFields()
    return fields if kind is None else replace(fields, type=_name_of(kind))


def fields_of(value: object) -> ErrorFields:
    """The fields of a decoded error body: an ``error`` object, or the object itself.

    OpenAI has ``error.code`` and ``error.type``, Anthropic ``error.type``, Google a number in
    ``error.code``, a word in ``error.status`` and a finer one in ``error.details[].reason``, Cohere
    ``error_type``, AWS ``__type``. Google answers a stream that is a list with the failure as the list's one element.
    """
    if isinstance(value, list) and value:
        value = value[0]
    if not isinstance(value, dict):
        return ErrorFields()
    error: Mapping[str, object] = value["error"] if isinstance(value.get("error"), dict) else value
    code, kind, word = error.get("code"), error.get("type"), error.get("status") or error.get("error_type")
    message = error.get("message")
    if kind is None and isinstance(error.get("__type"), str):
        kind = _name_of(str(error["__type"]))
    if isinstance(code, str) and len(code) == 3 and code.isdecimal():
        code = int(code)
    return ErrorFields(
        code=code if isinstance(code, str) else word if isinstance(word, str) else None,
        type=kind if isinstance(kind, str) else None,
        status=code if isinstance(code, int) and 400 <= code <= 599 else None,
        reason=_reason(error.get("details")),
        context_length=isinstance(message, str) and _CONTEXT_LENGTH.match(message) is not None,
    )


def _name_of(kind: str) -> str:
    """The name in a type of AWS, whose namespace may stand before it and an address behind."""
    return kind.partition(":")[0].rpartition("#")[2]


def _reason(details: object) -> str | None:
    if not isinstance(details, list):
        return None
    reasons = (detail.get("reason") for detail in details if isinstance(detail, dict))
    return next((reason for reason in reasons if isinstance(reason, str)), None)


def shown(body: bytes, *, secrets: Iterable[str] = ()) -> str:
    """The body as an error may keep it: capped, and without what is or looks like a credential."""
    text = body[: 4 * KEPT_CHARACTERS].decode("utf-8", "replace")
    return _LOOKS_SECRET.sub("…", blotted(text, secrets))[:KEPT_CHARACTERS]
