"""Cassettes: exchanges with a real host, one JSON file each, which a scripted host replays.

A file has the fields ``id``, ``provider``, ``api``, ``source``, ``recorded``, ``request``, ``response``, ``features``
and ``expected``; the documentation of ``segue record`` explains each. Unknown fields are not kept. Reading a
cassette imports only the standard library.
"""

from __future__ import annotations

import base64
import binascii
import importlib.resources
import json
import re
from dataclasses import field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Literal, Self, TypeAlias
from urllib.parse import urlsplit

from ..errors import ConfigError
from ..values import dataclass
from .faults import Body

if TYPE_CHECKING:
    from collections.abc import Mapping
    from importlib.resources.abc import Traversable
    from pathlib import Path

    from .faults import Split

StreamFraming: TypeAlias = Literal["sse", "ndjson", "aws-eventstream", "json-array"]
"""How a stream is split into events; a plain body and a stream of plain text have none."""

FOLDER: Final = "cassettes"
"""The folder of a package that contains its cassettes."""

CREDENTIAL_HEADERS: Final = frozenset({
    "authorization", "proxy-authorization", "x-api-key", "api-key", "x-goog-api-key", "x-amz-security-token",
    "cookie", "set-cookie",
})  # fmt: skip
"""Headers that are never in a cassette."""

_FRAMINGS: Final = ("sse", "ndjson", "aws-eventstream", "json-array")
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_DATE: Final = re.compile(r"\d{4}-\d{2}-\d{2}")
_SURROGATE: Final = re.compile(r"[\ud800-\udfff]")
# Told of the connection that was recorded, not of the one on which it is played.
_HOP_HEADERS: Final = frozenset({
    "connection", "content-encoding", "content-length", "content-type", "keep-alive", "transfer-encoding",
})  # fmt: skip


def _nothing() -> Mapping[str, Any]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True)
class RecordedRequest:
    """The request: ``json`` is its parsed body; ``body`` is its text if that is not JSON.

    ``fidelity`` says how exact the recording is; it is None for a request that was not recorded.
    """

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=_nothing)
    json: Any = None
    body: str | None = None
    fidelity: str | None = "exact"
    recorded: bool = True


@dataclass(frozen=True, slots=True)
class RecordedResponse:
    """The response: ``body`` is decoded, without chunks and compression.

    ``status_recorded`` and ``content_type_inferred`` are for recorders that did not keep these values.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    is_stream: bool = False
    framing: StreamFraming | None = None
    fidelity: str = "exact"
    status_recorded: bool = True
    content_type_inferred: bool = False

    @property
    def content_type(self) -> str:
        """The content type in the headers."""
        return self.headers.get("content-type", "application/octet-stream")


@dataclass(frozen=True, slots=True)
class Cassette:
    """One exchange, its features, and the expected result of decoding it.

    ``provider`` names the host, ``api`` its wire; tests select by ``features``; ``expected`` is the result of
    another program, which its ``oracle`` names.
    """

    id: str
    provider: str
    api: str
    request: RecordedRequest
    response: RecordedResponse
    features: frozenset[str] = frozenset()
    expected: Mapping[str, Any] = field(default_factory=_nothing)
    source: Mapping[str, Any] = field(default_factory=_nothing)
    recorded: str | None = None

    @classmethod
    def read(cls, source: str | bytes | Path | Traversable, *, where: str | None = None) -> Self:
        """The cassette in a text or a file; ConfigError, in one line, if it is not one.

        ``where`` replaces the name of the file in the error.
        """
        if isinstance(source, str | bytes):
            text, where = source, where or "the cassette"
        else:
            where = where or str(source)
            try:
                text = source.read_bytes()
            except OSError as error:
                raise ConfigError(f"{where}: {error.strerror or type(error).__name__}") from None
        return cls._of(_Fields(_parsed(text, where), where))

    @classmethod
    def _of(cls, fields: _Fields) -> Self:
        name = fields.text("id")
        if not _NAME.fullmatch(name):
            raise fields.fault("id", f"must consist of letters, digits, '.', '_' and '-', not {name!r}")
        recorded = fields.text_or_none("recorded")
        if recorded is not None and not _DATE.fullmatch(recorded):
            raise fields.fault("recorded", f"must be a date such as 2026-01-31, not {recorded!r}")
        features = fields.typed("features", list, "a list of words")
        if not all(isinstance(feature, str) for feature in features):
            raise fields.fault("features", "must be a list of words")
        return cls(
            id=name,
            provider=fields.text("provider"),
            api=fields.text("api"),
            request=_request(fields.inside("request")),
            response=_response(fields.inside("response")),
            features=frozenset(features),
            expected=MappingProxyType(fields.mapping("expected")),
            source=MappingProxyType(fields.mapping("source", optional=True)),
            recorded=recorded,
        )

    def write(self) -> str:
        """The text of its file: always the same for the same cassette, with one indented line per field."""
        text = json.dumps(self._as_json(), indent=1, ensure_ascii=False, allow_nan=False)
        # Half of a pair that JSON wrote as an escape is no character, and has no other form in a file.
        return _SURROGATE.sub(lambda half: f"\\u{ord(half[0]):04x}", text) + "\n"

    def _as_json(self) -> dict[str, Any]:
        asked, came = self.request, self.response
        request: dict[str, Any] = {"method": asked.method, "url": asked.url, "headers": dict(asked.headers)}
        if not asked.recorded:
            request["recorded"] = False
        request["json"] = asked.json
        if asked.body is not None:
            request["body"] = asked.body
        if asked.fidelity is not None:
            request["fidelity"] = asked.fidelity
        encoding, body = _encoded(came)
        response: dict[str, Any] = {
            "status": came.status, "headers": dict(came.headers), "is_stream": came.is_stream, "framing": came.framing,
            "fidelity": came.fidelity, "body_encoding": encoding, "body": body,
        }  # fmt: skip
        if not came.status_recorded:
            response["status_recorded"] = False
        if came.content_type_inferred:
            response["content_type_inferred"] = True
        return {
            "id": self.id, "provider": self.provider, "api": self.api, "source": dict(self.source),
            "recorded": self.recorded, "request": request, "response": response, "features": sorted(self.features),
            "expected": dict(self.expected),
        }  # fmt: skip

    def step(self, *, split: Split = None) -> Body:
        """The step with which a host of `segue.testing` sends the recorded response, its writes cut by ``split``.

        A stream is sent in chunks, a plain body with its length.
        """
        came = self.response
        return Body(
            came.body,
            content_type=came.content_type,
            status=came.status,
            framing="chunked" if came.is_stream else "length",
            headers={name: value for name, value in came.headers.items() if name.lower() not in _HOP_HEADERS},
            split=split,
        )


def cassettes_of(package: str) -> tuple[Cassette, ...]:
    """The cassettes in the folder ``cassettes`` of an installed package, ordered by file name.

    Raises ConfigError, in one line, if there is no such package or folder, a file is not a cassette, or two
    cassettes have the same id.
    """
    try:
        folder = importlib.resources.files(package) / FOLDER
    except ModuleNotFoundError as error:
        if error.name != package and not package.startswith(f"{error.name}."):
            raise  # it is there, and lacks what it needs
        raise ConfigError(f"cassettes of {package}: no package with this name is installed") from None
    if not folder.is_dir():
        raise ConfigError(f"cassettes of {package}: the package has no folder {FOLDER!r}")
    files = sorted((file for file in folder.iterdir() if file.name.endswith(".json")), key=lambda file: file.name)
    if not files:
        raise ConfigError(f"cassettes of {package}: its folder {FOLDER!r} contains no *.json file")
    found: dict[str, Cassette] = {}
    for file in files:
        cassette = Cassette.read(file, where=f"cassettes of {package}: {file.name}")
        if cassette.id in found:
            raise ConfigError(f"cassettes of {package}: {file.name}: another file also has the id {cassette.id!r}")
        found[cassette.id] = cassette
    return tuple(found.values())


# ── reading, with the place of what is wrong ─────────────────────────────────────────────────────────


class _Fields:
    """The fields of one object of a file."""

    def __init__(self, values: Mapping[str, Any], where: str, path: str = "") -> None:
        self._values = values
        self._where = where
        self._path = path

    def fault(self, name: str, what: str) -> ConfigError:
        return ConfigError(f"{self._where}: {self._path}{name} {what}")

    def get(self, name: str) -> Any:
        if name not in self._values:
            raise self.fault(name, "is missing")
        return self._values[name]

    def typed(self, name: str, kind: type, called: str, *, default: Any = None) -> Any:
        """The field, of that type exactly; ``default`` where it is given and the field is missing."""
        if default is not None and name not in self._values:
            return default
        value = self.get(name)
        if type(value) is not kind:  # exactly: True is an int too
            raise self.fault(name, f"must be {called}, not {_shown(value)}")
        return value

    def text(self, name: str) -> str:
        value = self.typed(name, str, "text")
        if not value:
            raise self.fault(name, "must not be empty")
        return str(value)

    def text_or_none(self, name: str) -> str | None:
        return None if self._values.get(name) is None else str(self.typed(name, str, "text or null"))

    def mapping(self, name: str, *, optional: bool = False) -> dict[str, Any]:
        value: dict[str, Any] = self.typed(name, dict, "an object", default={} if optional else None)
        return value

    def inside(self, name: str) -> _Fields:
        return _Fields(self.mapping(name), self._where, f"{self._path}{name}.")

    def headers(self) -> Mapping[str, str]:
        values = self.mapping("headers")
        for name, value in values.items():
            if not isinstance(value, str):
                raise self.fault(f"headers.{name}", f"must be text, not {_shown(value)}")
            if name.lower() in CREDENTIAL_HEADERS:
                raise self.fault(f"headers.{name}", "is a credential, which a cassette must not contain")
        return MappingProxyType({name.lower(): value for name, value in values.items()})


def _parsed(text: str | bytes, where: str) -> dict[str, Any]:
    try:
        value = json.loads(text, parse_constant=_refuse)
    except UnicodeDecodeError as error:
        raise ConfigError(f"{where}: byte {error.start} is not UTF-8 text") from None
    except json.JSONDecodeError as error:
        raise ConfigError(f"{where}: line {error.lineno}, column {error.colno}: not JSON ({error.msg})") from None
    except ValueError as error:
        raise ConfigError(f"{where}: not JSON ({error})") from None
    except RecursionError:
        raise ConfigError(f"{where}: the JSON is nested too deeply") from None
    if not isinstance(value, dict):
        raise ConfigError(f"{where}: must be an object, not {_shown(value)}")
    return value


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not a JSON number")


def _request(fields: _Fields) -> RecordedRequest:
    url = fields.text("url")
    try:
        parts = urlsplit(url)
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise fields.fault("url", f"must be an address that begins with http:// or https://, not {url!r}")
    if parts.username is not None or parts.password is not None:
        raise fields.fault("url", "contains a user name or a password, which a cassette must not contain")
    parsed, text = fields.get("json"), fields.text_or_none("body")
    if parsed is not None and text is not None:
        raise fields.fault("body", "must be null if json is set")
    return RecordedRequest(
        method=fields.text("method"),
        url=url,
        headers=fields.headers(),
        json=parsed,
        body=text,
        fidelity=fields.text_or_none("fidelity"),
        recorded=fields.typed("recorded", bool, "true or false", default=True),
    )


def _response(fields: _Fields) -> RecordedResponse:
    status = fields.typed("status", int, "a number")
    if not 200 <= status <= 599:
        raise fields.fault("status", f"must be a number from 200 to 599, not {status}")
    framing = fields.text_or_none("framing")
    if framing is not None and framing not in _FRAMINGS:
        raise fields.fault("framing", f"must be {', '.join(_FRAMINGS)} or null, not {framing!r}")
    is_stream = fields.typed("is_stream", bool, "true or false")
    if framing is not None and not is_stream:
        raise fields.fault("framing", f"must be null if is_stream is false, not {framing!r}")
    return RecordedResponse(
        status=status,
        headers=fields.headers(),
        body=_body(fields),
        is_stream=is_stream,
        framing=framing,  # type: ignore[arg-type]  # looked at above
        fidelity=fields.text("fidelity"),
        status_recorded=fields.typed("status_recorded", bool, "true or false", default=True),
        content_type_inferred=fields.typed("content_type_inferred", bool, "true or false", default=False),
    )


def _body(fields: _Fields) -> bytes:
    text = str(fields.typed("body", str, "text"))
    match fields.text("body_encoding"):
        case "utf-8":
            try:
                return text.encode()
            except UnicodeEncodeError as error:
                raise fields.fault(
                    "body", f"contains half a surrogate pair at character {error.start}, which UTF-8 cannot encode"
                ) from None
        case "base64":
            try:
                return base64.b64decode(text, validate=True)
            except (binascii.Error, ValueError):
                raise fields.fault("body", "is not base64, as body_encoding says") from None
        case encoding:
            raise fields.fault("body_encoding", f"must be utf-8 or base64, not {encoding!r}")


def _encoded(response: RecordedResponse) -> tuple[str, str]:
    if response.framing != "aws-eventstream":  # binary, even where it happens to be text
        try:
            return "utf-8", response.body.decode()
        except UnicodeDecodeError:
            pass
    return "base64", base64.b64encode(response.body).decode()


def _shown(value: object) -> str:
    """A value as an error shows it: its kind, or itself where it is short."""
    match value:
        case None | bool():
            return json.dumps(value)
        case dict():
            return "an object"
        case list():
            return "a list"
        case str() if len(value) > 40:
            return "a text"
        case _:
            return repr(value)
