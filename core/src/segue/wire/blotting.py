"""Finds the credentials that a call was sent with, and removes them from the text of a host."""

from __future__ import annotations

import binascii
import re
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from ..errors import ProviderError

# Headers that say how something is sent, by whom and of which account. All others may hold a key: no list of the names
# that hold one is ever complete.
_PUBLIC: Final = re.compile(
    r"accept(-.*)?|content-.*|connection|date|host|user-agent|referer|http-referer|x-title|idempotency-key"
    r"|(x-)?(client-)?request-id|traceparent|tracestate|x-stainless-.*|anthropic-(version|beta|dangerous-.*)"
    r"|openai-(beta|organization|project)|x-goog-(user-project|api-client)|x-amz-(date|content-sha256|target)"
)
_SOUNDS_SECRET: Final = re.compile(
    r"key|token|secret|passw|pwd|auth|credential|sig|cookie|session|bearer", re.IGNORECASE
)
_OPAQUE: Final = re.compile(r"(?=.*\d)(?=.*[A-Za-z])[\w+/=.~-]{20,}")
_PARTS: Final = re.compile(r"[\s,;]+")
_LEAST: Final = 4
"""Shorter text is not a secret: it is part of many words."""
_LEAST_ELSE: Final = 8
"""The same, for a name that does not look like the name of a secret, and for messages of Segue."""
_MAY_BE_CUT: Final = 200


def secrets_of(*, url: str = "", headers: Mapping[str, str] | None = None) -> list[str]:
    """The credentials in an address and in headers: the whole values, and the parts that a host may quote."""
    return [*_of_url(url), *(secret for name, value in (headers or {}).items() for secret in _of_header(name, value))]


def secrets_in(table: Mapping[str, Any]) -> list[str]:
    """The texts of a table, and of its inner tables, whose names look like the name of a credential."""
    found: list[str] = []
    for name, value in table.items():
        if isinstance(value, str):
            if len(value) >= _LEAST and _SOUNDS_SECRET.search(name):
                found.append(value)
        elif isinstance(value, dict):
            found += secrets_in(value)
    return found


def _of_url(url: str) -> Iterator[str]:
    try:
        parts = urlsplit(url)
        pairs = parse_qsl(parts.query)
        password = parts.password
    except ValueError:
        return
    if password is not None and len(password) >= _LEAST:
        yield from {password, unquote(password)}
    for name, value in pairs:
        if len(value) >= _LEAST and (_SOUNDS_SECRET.search(name) or _OPAQUE.fullmatch(value)):
            yield value


def _of_header(name: str, value: str) -> Iterator[str]:
    name = name.lower()
    if _PUBLIC.fullmatch(name):
        return
    sounds_secret = _SOUNDS_SECRET.search(name) is not None
    least = _LEAST if sounds_secret else _LEAST_ELSE
    value = value.strip()
    if len(value) >= least:
        yield value
    scheme, *rest = _PARTS.split(value)
    words = rest if rest and "=" not in scheme else [scheme, *rest]
    if not sounds_secret and len(words) > 1:
        return  # a sentence
    if scheme.lower() == "basic" and rest:
        yield from _of_pair(rest[0])
    for word in words:
        # As in ``Signature=…`` and in cookies; of base64 only padding follows the sign.
        for part in (word, word.partition("=")[2].strip('"')):
            if len(part.strip("=")) >= least:
                yield part


def _of_pair(text: str) -> Iterator[str]:
    """User and password of Basic authentication (RFC 7617)."""
    try:
        pair = binascii.a2b_base64(text).decode("utf-8", "replace")
    except ValueError:
        return
    for part in (pair, pair.partition(":")[2]):
        if len(part) >= _LEAST:
            yield part


def blotted(text: str, secrets: Iterable[str]) -> str:
    """The text without these secrets, also in the form that they have in JSON, HTML or an address.

    A long text may have been cut in the middle of a secret: a part of a secret at its end is removed too.
    """
    if not text:
        return text
    is_escaped = any(sign in text for sign in "\\%&")
    for secret in sorted(set(secrets), key=len, reverse=True):
        if len(secret) < _LEAST:
            continue
        text = text.replace(secret, "…")
        if is_escaped and not secret.isalnum():
            text = re.sub("".join(map(_written, secret)), "…", text)
        if len(text) >= _MAY_BE_CUT:
            text = _without_beginning(text, secret)
    return text


def _without_beginning(text: str, secret: str) -> str:
    end = text.rstrip("…")
    for length in range(len(secret) - 1, _LEAST - 1, -1):
        if end.endswith(secret[:length]):
            return end[:-length] + "…"
    return text


def _written(character: str) -> str:
    """The forms of a character, as a pattern: PHP puts a backslash before ``/``, .NET writes ``+`` by its number."""
    code = ord(character)
    encoded = "".join(f"%{byte:02x}" for byte in character.encode())
    forms = [rf"\\*{re.escape(character)}", rf"(?i:\\+u{code:04x})", f"(?i:{encoded})", rf"(?i:&#x0*{code:x};)"]
    forms += [f"&#0*{code};", *({"&": ["&amp;"], "<": ["&lt;"], ">": ["&gt;"], '"': ["&quot;"]}.get(character, []))]
    return f"(?:{'|'.join(forms)})"


def blot(error: ProviderError, secrets: Iterable[str]) -> None:
    """Remove these secrets from everything in an error that the host wrote."""
    secrets = [secret for secret in secrets if len(secret) >= _LEAST]
    if not secrets:
        return
    for name in ("body", "host_message"):
        value = getattr(error, name, None)
        if isinstance(value, str) and value:
            setattr(error, name, blotted(value, secrets))
    notes = getattr(error, "__notes__", None)
    if notes:
        error.__notes__ = [blotted(note, secrets) if isinstance(note, str) else note for note in notes]
    secrets = [secret for secret in secrets if len(secret) >= _LEAST_ELSE]
    code = getattr(error, "code", None)
    if isinstance(code, str):
        error.code = blotted(code, secrets)  # type: ignore[attr-defined]
    error.args = tuple(blotted(arg, secrets) if isinstance(arg, str) else arg for arg in error.args)
