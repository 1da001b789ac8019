"""Reads the body of an error response: its fields, and as much of its text as may be kept."""

from __future__ import annotations

import contextlib
import re
from codecs import BOM_UTF8, getincrementaldecoder
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from ..display import single_line
from ..errors import ErrorFields
from ..json_text import from_json
from .blotting import blotted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

KEPT_CHARACTERS: Final = 2000

# What looks like a credential: hosts quote (parts of) the key they were sent, as in "Incorrect API key
# provided: sk-…". The forms are the documented prefixes of OpenAI, Anthropic, Google, Groq and xAI keys.
_LOOKS_SECRET: Final = re.compile(r"(?:sk|pk|gsk|xai|rk)-[\w*.-]{6,}|AIza[\w-]{10,}|(?i:bearer)\s+[\w.~+/=-]{6,}")


# The one place where prose decides: of a prompt that is too long some hosts tell in words alone. Each is anchored at
# the beginning of the message, and was recorded: deepseek-chat-a39ddecf58, openrouter-chat-2464a7b40b.
_CONTEXT_LENGTH: Final = re.compile(r"This (?:model|endpoint)'s maximum context length is \d+ tokens\.")


# Of a page its title or heading, of an XML answer its message is what it says; of its markup a person has nothing.
_OF_MARKUP: Final = re.compile(r"<(title|message|h1)\b[^>]*>([^<]+)</\1\s*>", re.IGNORECASE)
_EVENT: Final = re.compile(r"^data:(.*)$", re.MULTILINE)
_IS_STREAM: Final = re.compile(r"(?:data|event|id|retry)?:")
_IS_ERROR: Final = re.compile(r"^event: *error\b", re.MULTILINE)
_OF_CUT_JSON: Final = re.compile(r'"(?:message|Message|detail)"\s*:\s*("(?:[^"\\]|\\.)*")')


def read(body: bytes, *, kind: str | None = None, secrets: Sequence[str] = ()) -> ErrorFields:
    """The fields of a JSON error body; for any other body, its text as the message.

    ``kind`` is the type in a header of AWS, ``ValidationException:http://…``; the body may have none.
    ``secrets`` are removed from the message.
    """
    try:
        fields = fields_of(from_json(body), secrets=secrets)
    except ValueError:
        fields = _of_text(body, secrets)
    return fields if kind is None else replace(fields, type=_name_of(kind))


def _decoded(body: bytes) -> str | None:
    """The text of a body: UTF-8, UTF-16 with a mark, or else Latin-1; None if it is not text."""
    if body.startswith((b"\xff\xfe", b"\xfe\xff")):
        text = body.decode("utf-16", "replace")
    else:
        try:
            # Of a body that was cut in the middle of a character the rest is read. Not utf-8-sig, whose module would
            # be imported only here, where the process may have no file descriptor left.
            return getincrementaldecoder("utf-8")().decode(body.removeprefix(BOM_UTF8))
        except UnicodeDecodeError:
            text = body.decode("latin-1")
    is_text = 4 * sum(map(str.isascii, text)) > 3 * len(text) and not _CONTROLS.search(text)
    return text if is_text else None


_CONTROLS: Final = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f]")


def _of_text(body: bytes, secrets: Sequence[str]) -> ErrorFields:
    """What a body says that is not JSON in UTF-8: text, a page, events of a stream, JSON of another form."""
    text = _decoded(body)
    if text is None:
        return ErrorFields()
    with contextlib.suppress(ValueError):
        return fields_of(from_json(text), secrets=secrets)
    text = text[: 4 * KEPT_CHARACTERS].replace("\r\n", "\n").strip()
    events: list[str] = []
    if _IS_STREAM.match(text):
        events = _EVENT.findall(text)
    elif text.startswith("{"):
        events = text.split("\n")
    told = [fields for event in events if (fields := _of_event(event, secrets)) is not None]
    if told:
        return next((fields for fields in told if fields.message), told[0])
    if events and _IS_ERROR.search(text):
        text = events[0]
    elif (cut := _OF_CUT_JSON.search(text)) is not None and text.startswith(("{", "[")):
        with contextlib.suppress(ValueError):
            text = from_json(cut[1])
    elif text.startswith("<"):
        from html import unescape  # only where a host answers with a page

        found = _OF_MARKUP.search(text)
        text = "" if found is None else unescape(found[2])
    return ErrorFields(message=_shown(text, secrets))


def _of_event(text: str, secrets: Sequence[str]) -> ErrorFields | None:
    """The fields of an event of a stream, or of a line; None if it is not a JSON object."""
    try:
        value = from_json(text)
    except ValueError:
        return None
    return fields_of(value, secrets=secrets) if isinstance(value, dict) else None


def fields_of(value: object, *, secrets: Sequence[str] = ()) -> ErrorFields:
    """The fields of a decoded error body: an ``error`` object, or the object itself.

    OpenAI has ``error.code`` and ``error.type``, Anthropic ``error.type``, Google a number in
    ``error.code``, a word in ``error.status`` and a more exact one in ``error.details[].reason``, Cohere
    ``error_type``, AWS ``__type``. If the stream is a list, Google sends the error as its only element.
    """
    if isinstance(value, list) and value:
        value = value[0]
    if not isinstance(value, dict):
        return ErrorFields(message=_shown(_sentence(value), secrets))
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
        message=_shown(_sentence(value), secrets),
        context_length=isinstance(message, str) and _CONTEXT_LENGTH.match(message) is not None,
    )


# Where hosts have their sentence, the surest first. An object under ``error`` counts more than a message beside it, a
# text less: there it may be a mere word ("Not Found", "invalid_grant").
_OBJECTS: Final = ("error", "Error", "fault")
_SENTENCES: Final = (
    "faultstring",
    "message",
    "Message",
    "error_message",
    "errorMessage",
    "error_msg",
    "detail",
    "error_description",
    "msg",
    "status_msg",
    "errors",
    "details",
    "fieldViolations",
    "error",
    "Error",
    "description",
    "reason",
    "title",
)
_BY_FIELD: Final = frozenset({"message", "detail", "errors"})
"""Where an object may have the texts by the name of the field that is wrong."""
_NAMELESS: Final = frozenset({"text", "content", "value"})
_DEEPEST: Final = 5
_MOST_OF_A_LIST: Final = 3


def _sentence(value: object, depth: int = 0) -> str | None:
    """What an error body says in words, wherever in it the host has them."""
    if isinstance(value, str):
        return (_raw(value, depth + 1) if value.lstrip().startswith(("{", "[")) else value).strip() or None
    if depth > _DEEPEST:
        return None
    if isinstance(value, list):
        each = [text for one in value[:_MOST_OF_A_LIST] if (text := _sentence(one, depth + 1))]
        return "; ".join(each) or None
    if not isinstance(value, dict):
        return None
    said = next(filter(None, _sentences(value, depth)), None)
    if said is None:
        return None
    place, metadata = value.get("loc") or value.get("field"), value.get("metadata")
    if isinstance(place, list):  # FastAPI tells of each wrong field where it stands
        said = f"{'.'.join(str(part) for part in place)}: {said}"
    elif isinstance(place, str):
        said = f"{place}: {said}"
    if isinstance(metadata, dict) and isinstance(metadata.get("raw"), str):  # a router, of the host behind it
        said = f"{said}: {_raw(metadata['raw'], depth + 1)}"
    return said


def _sentences(value: Mapping[str, object], depth: int) -> Iterator[str | None]:
    for name in _OBJECTS:
        if isinstance(value.get(name), (dict, list)):
            yield _sentence(value[name], depth + 1)
    for name in _SENTENCES:
        inner = value.get(name)
        yield _sentence(inner, depth + 1)
        if name in _BY_FIELD and isinstance(inner, dict):
            yield _by_field(inner)
    yield _sentence(value.get("base_resp"), depth + 1)


def _by_field(value: Mapping[str, object]) -> str | None:
    """The texts of an object of texts and lists of texts; None for another one, and for a message of a chat."""
    if "role" in value:
        return None
    each: list[str] = []
    for name, told in value.items():
        given: list[object] = told if isinstance(told, list) else [told]
        texts = [text for text in given if isinstance(text, str)]
        if not texts or len(texts) < len(given):
            return None
        text = ", ".join(texts[:_MOST_OF_A_LIST])
        each.append(text if name in _NAMELESS else f"{name}: {text}")
    return "; ".join(each[:_MOST_OF_A_LIST]) or None


def _raw(text: str, depth: int) -> str:
    try:
        return _sentence(from_json(text), depth) or text
    except ValueError:
        return text


def _shown(text: str | None, secrets: Sequence[str]) -> str | None:
    """The sentence on one line, without what is or looks like a key."""
    if not text:
        return None
    line = _LOOKS_SECRET.sub("…", blotted(single_line(text, most=KEPT_CHARACTERS), secrets))
    return single_line(line) or None


def _name_of(kind: str) -> str:
    """The name in a type of AWS, which may have a namespace before it and an address after it."""
    return kind.partition(":")[0].rpartition("#")[2]


def _reason(details: object) -> str | None:
    if not isinstance(details, list):
        return None
    reasons = (detail.get("reason") for detail in details if isinstance(detail, dict))
    return next((reason for reason in reasons if isinstance(reason, str)), None)


def shown(body: bytes, *, secrets: Iterable[str] = ()) -> str:
    """The body as an error may keep it: limited in length, without anything that is or looks like a credential."""
    body = body[: 4 * KEPT_CHARACTERS]
    text = _decoded(body)
    if text is None:
        text = body.decode("utf-8", "replace").replace("\0", "")  # as UTF-16 without a mark, which parts a key
    return _LOOKS_SECRET.sub("…", blotted(text, secrets))[:KEPT_CHARACTERS]
