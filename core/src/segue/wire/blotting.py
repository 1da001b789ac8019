"""Finds the credentials that a call was sent with, and removes them from the text of a host."""

from __future__ import annotations

import binascii
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, Literal
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
# Public headers whose text an application writes, perhaps with a key in it.
_WRITTEN_BY_USERS: Final = re.compile(r"user-agent|referer|http-referer|x-title")
_PRODUCT: Final = re.compile(r"[A-Za-z][\w.-]*/v?\d[\w.+-]*")
_PARTS: Final = re.compile(r"[\s,;]+")
_LEAST: Final = 4
"""Shorter text is not a secret: it is part of many words."""
_LEAST_ELSE: Final = 8
"""The same, for a name that does not look like the name of a secret, and for messages of Segue.

A shorter secret is removed only as a whole word of letters and digits: keys such as ``none``, ``EMPTY`` and ``1234``
are ordinary text.
"""
_SHORT: Final = re.compile(r"(?=.*\d)(?=.*[A-Za-z])")
_PIECE: Final = 12
"""A part of a key that is as long is removed; hosts show the first eight and the last four characters of one."""
_MAY_BE_CUT: Final = 200
_LOWER: Final = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}


def secrets_of(*, url: str = "", headers: Mapping[str, str] | None = None) -> list[str]:
    """The credentials in an address and in headers: the whole values, and the parts that a host may quote."""
    return [*_of_url(url), *(secret for name, value in (headers or {}).items() for secret in _of_header(name, value))]


def credentials_of(*, url: str = "", headers: Mapping[str, str] | None = None) -> tuple[str, ...]:
    """Where a request has credentials: the names of headers in lower case, and ``url`` for a password in its address.

    It is for a person who looks for the cause of a refusal, so of names and values only those count that look like it.
    """
    names = {
        name.lower(): None
        for name, value in (headers or {}).items()
        if not _PUBLIC.fullmatch(name.lower())
        and (_SOUNDS_SECRET.search(name) or _SCHEME.match(value) or _OPAQUE.fullmatch(value.strip()))
    }
    try:
        parts = urlsplit(url)
        has_password = parts.password is not None
    except ValueError:
        return tuple(names)
    if has_password or any(_SOUNDS_SECRET.search(name) for name, _ in parse_qsl(parts.query)):
        names["url"] = None
    return tuple(names)


_SCHEME: Final = re.compile(r"(bearer|basic|token)\s", re.IGNORECASE)


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
    if "@" not in url and "?" not in url:
        return
    try:
        parts = urlsplit(url)
        pairs = parse_qsl(parts.query)
        user, password = parts.username, parts.password
    except ValueError:
        return
    if password is not None and len(password) >= _LEAST:
        yield from {password, unquote(password)}
        pair = f"{unquote(user or '')}:{unquote(password)}"  # as it is sent (RFC 7617)
        yield binascii.b2a_base64(pair.encode("utf-8", "replace"), newline=False).decode()
    for name, value in pairs:
        if len(value) >= _LEAST and (_SOUNDS_SECRET.search(name) or _OPAQUE.fullmatch(value)):
            yield value


def _of_header(name: str, value: str) -> Iterator[str]:
    kind = _kind_of(name)
    if kind == "public":
        return
    if kind == "written":
        yield from _of_words(value)
        return
    sounds_secret = kind == "secret"
    value = value.strip()
    # A short value counts if it looks like a key; of the text of a host it is then removed as a whole word alone.
    least = _LEAST if sounds_secret or _SHORT.match(value) else _LEAST_ELSE
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


@lru_cache(maxsize=256)
def _kind_of(name: str) -> Literal["public", "written", "secret", "other"]:
    """What a header holds, by its name."""
    name = name.lower()
    if _PUBLIC.fullmatch(name):
        return "written" if _WRITTEN_BY_USERS.fullmatch(name) else "public"
    return "secret" if _SOUNDS_SECRET.search(name) else "other"


def _of_words(text: str) -> Iterator[str]:
    """What looks like a key in a text that holds none as a rule."""
    for word in text.split():
        yield from _of_url(word)
        for part in re.split(r"[\s,;:()<>\"']+", word):
            name, _, value = part.rpartition("=")
            if _OPAQUE.fullmatch(part) and not _PRODUCT.fullmatch(part):
                yield part
            elif len(value) >= _LEAST_ELSE and _SOUNDS_SECRET.search(name):
                yield value


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
    """The text without these secrets, in upper or lower case, and in the form of JSON, HTML or an address.

    A long piece of a random key is removed too. A long text may have been cut in the middle of a secret: then a part
    of it at the end is removed.
    """
    return _blotted(text, _prepared(secrets)) if text else text


def _prepared(secrets: Iterable[str], least: int = _LEAST) -> list[tuple[str, str, int]]:
    """Each secret, the longest first, with its lower case and with the length of a piece that is removed."""
    return [
        (secret, _lower(secret), min(_PIECE, len(secret)) if _OPAQUE.fullmatch(secret) else len(secret))
        for secret in sorted(set(secrets), key=len, reverse=True)
        if len(secret) >= least
    ]


def _lower(text: str) -> str:
    """The text with its ASCII letters in lower case: of others the lower case may be longer."""
    return text.lower() if text.isascii() else text.translate(_LOWER)


def _blotted(text: str, secrets: Iterable[tuple[str, str, int]]) -> str:
    is_escaped = "\\" in text or "%" in text or "&" in text
    may_be_coded = _BASE64.search(text) is not None
    lower = _lower(text)
    for secret, key, least in secrets:
        before = text
        if len(secret) < _LEAST_ELSE:
            if key in lower and _SHORT.match(secret):
                text = re.sub(rf"(?<!\w){re.escape(secret)}(?!\w)", "…", text)
        else:
            if least < len(key) or key in lower:
                text = _without(text, lower, key, least)
            if may_be_coded:
                text = _without_base64(text, secret)
            if is_escaped and not secret.isalnum():
                text = re.sub("".join(map(_written, secret)), "…", text, flags=re.IGNORECASE)
            if len(text) >= _MAY_BE_CUT:
                text = _without_beginning(text, key)
        if text is not before:
            lower = _lower(text)
    return text


_BASE64: Final = re.compile(r"(?<![\w+/-])(?=[a-z0-9+/_-]*[A-Z])(?=[A-Z0-9+/_-]*[a-z])[\w+/-]{10,}")
"""What base64 of a text looks like: in it upper and lower case are mixed."""


def _without_base64(text: str, secret: str) -> str:
    """The text without the base64 of this secret, alone or inside a longer text, such as ``user:secret``."""
    data = secret.encode("utf-8", "replace")
    for before in range(3):
        # Of the characters at both ends some bits belong to what is before and after it.
        coded = binascii.b2a_base64(b"\0" * before + data, newline=False).decode().rstrip("=")
        first = (0, 2, 3)[before]
        last = len(coded) - (0 if (before + len(data)) % 3 == 0 else 1)
        part = coded[first:last]
        for form in {part, part.replace("+", "-").replace("/", "_")}:
            text = text.replace(form, "…")
    return text


def _without(text: str, lower: str, key: str, least: int) -> str:
    """The text without a secret, and without its pieces that are at least so long."""
    starts = [start for start in range(len(key) - least + 1) if key[start : start + least] in lower]
    if not starts:
        return text
    found = [False] * len(lower)
    for start in starts:
        piece = key[start : start + least]
        at = lower.find(piece)
        while at >= 0:
            found[at : at + least] = [True] * least
            at = lower.find(piece, at + 1)
    kept: list[str] = []
    for place, character in enumerate(text):
        if not found[place]:
            kept.append(character)
        elif not place or not found[place - 1]:
            kept.append("…")
    return "".join(kept)


def _without_beginning(text: str, key: str) -> str:
    end = _lower(text.rstrip("…"))
    if end[-1:] not in key:
        return text
    for length in range(len(key) - 1, _LEAST - 1, -1):
        if end.endswith(key[:length]):
            return text.rstrip("…")[:-length] + "…"
    return text


def _written(character: str) -> str:
    """The forms of a character, as a pattern: PHP puts a backslash before ``/``, .NET writes ``+`` by its number."""
    code = ord(character)
    encoded = "".join(f"%{byte:02x}" for byte in character.encode())
    forms = [rf"\\*{re.escape(character)}", rf"(?i:\\+u{code:04x})", f"(?i:{encoded})", rf"(?i:&#x0*{code:x};)"]
    forms += [f"&#0*{code};", *({"&": ["&amp;"], "<": ["&lt;"], ">": ["&gt;"], '"': ["&quot;"]}.get(character, []))]
    return f"(?:{'|'.join(forms)})"


def blot(error: ProviderError, secrets: Iterable[str], *, is_read: bool = False) -> None:
    """Remove these secrets from everything in an error that the host wrote.

    ``is_read`` means that they were removed from its body and from the host's message when these were read.
    """
    prepared = _prepared(secrets)
    if not prepared:
        return
    names = ("request_id", "address") if is_read else ("body", "host_message", "request_id", "address")
    texts = {name: value for name in names if isinstance(value := getattr(error, name, None), str)}
    notes = () if is_read else getattr(error, "__notes__", ())
    code = getattr(error, "code", None)
    if _are_clean([*texts.values(), *notes, code, *error.args], prepared):
        return
    for name, value in texts.items():
        setattr(error, name, _blotted(value, prepared))
    if notes:
        error.__notes__ = [_blotted(note, prepared) if isinstance(note, str) else note for note in notes]
    prepared = [one for one in prepared if len(one[0]) >= _LEAST_ELSE]
    if isinstance(code, str):
        error.code = _blotted(code, prepared)  # type: ignore[attr-defined]
    error.args = tuple(_blotted(arg, prepared) if isinstance(arg, str) else arg for arg in error.args)


def _are_clean(texts: Iterable[object], prepared: Iterable[tuple[str, str, int]]) -> bool:
    """Whether short texts hold no secret, as nearly all do; False also where that takes a closer look."""
    written = [text for text in texts if isinstance(text, str)]
    whole = "\n".join(written)
    if (
        max(map(len, written), default=0) >= _MAY_BE_CUT
        or "\\" in whole
        or "%" in whole
        or "&" in whole
        or _BASE64.search(whole)
    ):
        return False
    lower = _lower(whole)
    return not any(key in lower if least == len(key) else _has_piece(lower, key, least) for _, key, least in prepared)


def _has_piece(text: str, key: str, least: int) -> bool:
    return any(key[start : start + least] in text for start in range(len(key) - least + 1))
