"""Removes secrets and account names from a recording, and says where one is left.

It finds a secret in plain form, and encoded in JSON, in an address, in base64 (also inside other bytes) or in hex.
"""

from __future__ import annotations

import base64
import html
import json
import re
from functools import partial
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, quote, quote_plus, unquote, urlencode, urlsplit, urlunsplit

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

SHORTEST: Final = 8
"""Shorter text is not a secret: it would be found in any text."""

PLACEHOLDER: Final = "example-secret"

_ASKING: Final = frozenset({
    "accept", "anthropic-beta", "anthropic-version", "content-type", "openai-beta", "x-amzn-bedrock-accept",
    "x-amzn-bedrock-content-type", "x-amzn-bedrock-trace",
})  # fmt: skip
_ANSWERING: Final = re.compile(
    r"content-type|date|retry-after(-ms)?|x-should-retry"
    r"|(x-|anthropic-)?ratelimit\w*(?!-key)(-[\w-]+)?|x-(trial-)?endpoint-[\w-]+"
    r"|(x-|apim-)?request-id|x-amzn-requestid|mistral-correlation-id|x-generation-id"
    r"|openai-processing-ms|openai-version|x-ms-region|x-amzn-errortype|x-amzn-bedrock-[\w-]+"
)
_QUERY: Final = frozenset({"alt", "api-version", "beta"})

# Header and parameter names, so that no regular expression has to know what a key looks like.
_SECRET_NAME: Final = re.compile(r"auth|cookie|credential|key|passw|secret|session|sig|token", re.IGNORECASE)
_ACCOUNT_NAME: Final = re.compile(r"account|deployment|org|project|resource|team|tenant|user|workspace", re.IGNORECASE)
_ACCOUNT_IN_PATH: Final = re.compile(r"(?<=/)(account|organization|project|team|tenant|workspace)(s?)/[^/:]+")
# arn:aws:bedrock:us-east-1:123456789012:…, in an address too
_ARN: Final = re.compile(r"(?<=arn)((?::|%3A)aws[\w-]*(?::|%3A)[\w-]*(?::|%3A)[\w-]*(?::|%3A))\d{12}(?!\d)")
# Hosts quote a key with its middle blotted out: sk-abcd****wxyz.
_MASK: Final = r"([\w-]*)(?:\*{2,}|•{2,}|…|\.{3})([\w-]*)"
_ID_IN_PATH: Final = re.compile(r"(?<=/)(?:[0-9a-fA-F-]{16,}|\d{6,})(?=/|$)")
_NO_ACCOUNT: Final = "0" * 12
_ESCAPE: Final = re.compile(r"\\u([0-9a-fA-F]{4})|\\(.)", re.DOTALL)


def kept_headers(headers: Iterable[tuple[str, str]], *, asking: bool) -> dict[str, str]:
    """The headers of a cassette: those that describe the exchange, and not the person who made it."""
    return {name: value for name, value in headers if is_kept(name, asking=asking)}


def is_kept(name: str, *, asking: bool) -> bool:
    """Whether a cassette keeps the header with this name, in lower case."""
    return name in _ASKING if asking else _ANSWERING.fullmatch(name) is not None


def secrets_in(headers: Iterable[tuple[str, str]]) -> Iterator[str]:
    """The credentials in the headers of either side; names in lower case."""
    for name, value in headers:
        if is_kept(name, asking=False) or not names_secret(name):
            continue
        match name:
            case "authorization" | "proxy-authorization":
                yield from _authorization(value)
            case "set-cookie":  # what follows the first pair is where it holds
                yield value.partition(";")[0].partition("=")[2]
            case "cookie":
                yield from (pair.partition("=")[2] for pair in value.split(";"))
            case _:
                yield from (value, value.rpartition(" ")[2])


def names_secret(name: str) -> bool:
    """Whether a value with this name is a credential, by a word in the name."""
    return _SECRET_NAME.search(name) is not None and not name.endswith("-authenticate")  # that asks for one


def _authorization(value: str) -> Iterator[str]:
    scheme, _, credentials = value.partition(" ")
    match scheme.lower():
        case "aws4-hmac-sha256":
            yield from re.findall(r"(?:Credential|Signature)=(\w+)", credentials)
        case "basic":
            yield credentials
            try:
                yield base64.b64decode(credentials, validate=True).decode().partition(":")[2]
            except ValueError:
                return  # no form of Basic that anybody reads
        case _:
            yield from (value, value.rpartition(" ")[2])


def accounts_in(names: Iterable[tuple[str, object]]) -> Iterator[tuple[str, str]]:
    """The values among these that identify the account, each with its replacement."""
    for name, value in names:
        found = _ACCOUNT_NAME.search(name)
        if found is not None and isinstance(value, str) and value and name != "user-agent":
            word = {"org": "organization"}.get(found[0].lower(), found[0].lower())
            yield value, f"example-{word}"


class Scrubber:
    """Removes known secrets, and replaces known names of accounts.

    ``touched`` are the places where something was removed, in order.
    """

    def __init__(self, secrets: Iterable[str], accounts: Iterable[tuple[str, str]] = ()) -> None:
        self._secrets = sorted({secret for secret in secrets if len(secret) >= SHORTEST}, key=len, reverse=True)
        self._accounts = {value: instead for value, instead in accounts if len(value) > 2}
        forms = sorted({form for secret in self._secrets for form in _forms(secret)}, key=len, reverse=True)
        self._forms = re.compile("|".join(map(re.escape, forms))) if forms else None
        named = sorted((name for name in self._accounts if len(name) >= SHORTEST - 2), key=len, reverse=True)
        self._named = re.compile("|".join(rf"(?<!\w){re.escape(name)}(?!\w)" for name in named)) if named else None
        self._masked = [(secret, re.compile(re.escape(secret[:3]) + _MASK)) for secret in self._secrets]
        self.touched: list[str] = []

    def clean(self, text: str, where: str) -> str:
        """The text with every known secret and name replaced."""
        cleaned = text if self._forms is None else self._forms.sub(PLACEHOLDER, text)
        for secret, masked in self._masked:
            cleaned = masked.sub(partial(_unmasked, secret), cleaned)
        cleaned = _ARN.sub(rf"\g<1>{_NO_ACCOUNT}", cleaned)
        if self._named is not None:
            cleaned = self._named.sub(lambda found: self._accounts[found[0]], cleaned)
        if cleaned != text:
            self.touched.append(where)
        return cleaned

    def clean_json(self, value: Any, where: str) -> Any:
        """A JSON value with every known secret and name replaced, in names of fields too."""
        match value:
            case str():
                return self.clean(value, where)
            case list():
                return [self.clean_json(item, f"{where}[{place}]") for place, item in enumerate(value)]
            case dict():
                return {
                    self.clean(name, where): self.clean_json(item, f"{where}.{self.shown(name)}")
                    for name, item in value.items()
                }
            case _:
                return value

    def shown(self, name: str) -> str:
        """The name of a field, safe to show in a place."""
        return "…" if self.holds(name) else name

    def clean_url(self, url: str) -> str:
        """An address without credentials and names of accounts."""
        parts = urlsplit(url)
        labels, port, number = parts.netloc.rpartition("@")[2].partition(":")
        place = ".".join(self._accounts.get(label, label) for label in labels.split(".")) + port + number
        path = "/".join(self._accounts.get(unquote(segment), segment) for segment in parts.path.split("/"))
        path = _ACCOUNT_IN_PATH.sub(r"\1\2/example-\1", path)
        kept = [(name, value) for name, value in parse_qsl(parts.query, keep_blank_values=True) if name in _QUERY]
        cleaned = urlunsplit((parts.scheme, place, path, urlencode(kept), ""))
        if cleaned != url:
            self.touched.append("request.url")
        return self.clean(cleaned, "request.url")

    # ── what is left ──────────────────────────────────────────────────────────────────────────────────

    def holds(self, text: str) -> bool:
        """Whether a text contains a known secret, in any form."""
        if not self._secrets:
            return False
        if self._forms is not None and self._forms.search(text):
            return True
        readings = {text, html.unescape(text), unquote(text)}
        for _ in range(3):  # JSON inside of JSON, as in the arguments of a tool
            readings |= {_unescaped(reading) for reading in readings}
        return any(secret in reading for secret in self._secrets for reading in readings)

    def places(self, value: Any, where: str = "") -> Iterator[str]:
        """The places in a JSON value where a known secret is left."""
        match value:
            case str():
                if self.holds(value):
                    yield where or "the file"
            case list():
                for place, item in enumerate(value):
                    yield from self.places(item, f"{where}[{place}]")
            case dict():
                for name, item in value.items():
                    if self.holds(name):
                        yield f"a name in {where or 'the file'}"
                    yield from self.places(item, f"{where}.{self.shown(name)}".lstrip("."))
            case _:
                pass


def without_place(url: str, base_url: str, declared: str | None) -> str:
    """An address at the user's own host, changed to the same address at an example host.

    The beginning of the path is the one that the provider declares; without one, ids in the path are replaced.
    """
    parts = urlsplit(url)
    base = urlsplit(base_url).path.rstrip("/")
    front, path = (base, parts.path[len(base) :]) if parts.path.startswith(base) else ("", parts.path)
    front = urlsplit(declared).path.rstrip("/") if declared else _ID_IN_PATH.sub("example-id", front)
    return urlunsplit((parts.scheme, "example-host", front + path, parts.query, ""))


def query_secrets(url: str) -> Iterator[str]:
    """The credentials in an address: user name and password, and parameters such as ``key``."""
    parts = urlsplit(url)
    yield unquote(parts.password or "")
    for name, value in parse_qsl(parts.query):
        if name not in _QUERY and names_secret(name):
            yield value


def _forms(secret: str) -> Iterator[str]:
    """A secret unchanged, and escaped as in JSON, URLs and other kinds of text."""
    yield secret
    for escaped in (json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]):
        yield escaped
        yield escaped.replace("/", "\\/")
    yield from {quote(secret), quote(secret, safe=""), quote_plus(secret)}
    yield re.sub("%..", lambda found: found[0].lower(), quote(secret, safe=""))
    data = secret.encode()
    yield from (data.hex(), data.hex().upper())
    for before in range(3):  # where in a group of three bytes it begins
        for encoded in (base64.b64encode, base64.urlsafe_b64encode):
            text = encoded(b"\0" * before + data).decode()
            yield text[-(-before * 8 // 6) : (before + len(data)) * 8 // 6]


def _unmasked(secret: str, found: re.Match[str]) -> str:
    """What stands for a secret with its middle blotted out; for anything else itself."""
    is_it = secret.startswith(secret[:3] + found[1]) and secret.endswith(found[2])
    return PLACEHOLDER if is_it else found[0]


def _unescaped(text: str) -> str:
    return _ESCAPE.sub(lambda found: chr(int(found[1], 16)) if found[1] else found[2], text)
