"""Records an exchange with a real host through a transport, and makes a cassette from it."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import hashlib
import json
from contextlib import asynccontextmanager
from dataclasses import field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from .. import __version__
from ..client.client import Client
from ..errors import ConfigError, HTTPError, InvalidOutputError, ProviderError
from ..values import dataclass
from ..wire import error_body
from ..wire.sse import SSEDecoder
from .cassettes import Cassette, RecordedRequest, RecordedResponse
from .scrubbing import Scrubber, accounts_in, kept_headers, names_secret, query_secrets, secrets_in, without_place

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Collection, Iterator, Mapping, Sequence
    from contextlib import AbstractAsyncContextManager

    from ..events import EmbedReply, Reply
    from ..messages import ToolCall
    from ..transport import Call, Response, Transport
    from .cassettes import StreamFraming

_WIRES: Final[Mapping[str, str]] = {
    "/chat/completions": "openai-chat", "/embeddings": "openai-embeddings", "/messages": "anthropic-messages",
    "/responses": "openai-responses",
}  # fmt: skip
_REST_SECONDS: Final = 2.0


@dataclass(slots=True)
class Take:
    """One recorded exchange; ``is_whole`` is true after the end of the body."""

    call: Call
    status: int = 0
    headers: Sequence[tuple[str, str]] = ()
    """Names in lower case, with values, in their order."""
    body: bytearray = field(default_factory=bytearray)
    is_whole: bool = False

    @property
    def succeeded(self) -> bool:
        """Whether the status is 2xx; the answer can still be an error."""
        return 200 <= self.status <= 299

    @property
    def sent(self) -> Sequence[tuple[str, str]]:
        """The headers of the call in the same form."""
        return _lowered(self.call.headers)

    @property
    def content_type(self) -> str:
        """The type of the body, without its parameters."""
        return dict(self.headers).get("content-type", "").partition(";")[0].strip().lower()


def _lowered(headers: Mapping[str, str]) -> Sequence[tuple[str, str]]:
    return [(name.lower(), value) for name, value in headers.items()]


class RecordingTransport:
    """A transport that sends calls through another one, and records the exchanges in ``takes``."""

    def __init__(self, inner: Transport, takes: list[Take]) -> None:
        self._inner = inner
        self._takes = takes

    def open(self, call: Call) -> AbstractAsyncContextManager[Response]:
        """Send the call through the other transport."""
        return self._opened(call)

    @asynccontextmanager
    async def _opened(self, call: Call) -> AsyncGenerator[Response, None]:
        take = Take(call)
        async with self._inner.open(call) as response:
            take.status, take.headers = response.status, _lowered(response.headers)
            self._takes.append(take)
            yield _Taken(response, take)


class _Taken:
    """An answer whose bytes are noted as they are read."""

    def __init__(self, response: Response, take: Take) -> None:
        self._response = response
        self._take = take
        self.status = response.status
        self.headers = response.headers
        self.delimited = response.delimited

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        take = self._take
        async with contextlib.aclosing(self._response.chunks()) as chunks:
            try:
                async for data in chunks:
                    take.body += data
                    yield data
            except GeneratorExit:
                # Its reader has seen enough, as at an end marker; what follows belongs to the record. A host that
                # keeps the connection open behind the marker says no more, so the take is whole then too.
                with contextlib.suppress(TimeoutError, ProviderError):
                    async with asyncio.timeout(_REST_SECONDS):
                        async for data in chunks:
                            take.body += data
                take.is_whole = True
                raise
        take.is_whole = True


class RecordingClient(Client):
    """A client that records its exchanges with hosts in ``takes``."""

    def __init__(self, **given: Any) -> None:
        self.takes: list[Take] = []
        super().__init__(**given)

    def _transport(self, proxy: str | None) -> Transport:
        return RecordingTransport(super()._transport(proxy), self.takes)

    def scrubber(self, provider: str, take: Take) -> Scrubber:
        """Removes from a recording every secret that was known at the time of the call."""
        settings = self._settings(provider)
        spec = self._registry.installed[provider].spec
        secrets = [
            *secrets_in([*take.sent, *take.headers]),
            *query_secrets(take.call.url),
            *query_secrets(settings.base_url or ""),
            *query_secrets(settings.proxy or ""),
            *(value for own in settings.headers.values() for value in (own, own.rpartition(" ")[2])),
            *(value for name, value in settings.options.items() if isinstance(value, str) and names_secret(name)),
            *(self._environ.get(variable, "") for variable in spec.env),
        ]
        if settings.api_key is not None:
            secrets.append(settings.api_key.get_secret_value())
        own_accounts = [(name, value) for name, value in settings.options.items() if not names_secret(name)]
        return Scrubber(secrets, accounts_in([*own_accounts, *take.headers, *take.sent]))

    def address(self, provider: str, take: Take) -> str:
        """The address of the call; a configured address that its provider does not declare becomes an example."""
        base_url = self._base_url(provider)
        declared = self._registry.installed[provider].spec.url
        if base_url is None or (declared and _host(declared) == _host(take.call.url)):
            return take.call.url  # one that it makes itself has the region in it
        return without_place(take.call.url, base_url, declared)

    def wire_of(self, provider: str, take: Take) -> str:
        """The wire that a provider declares, or else the name of the provider."""
        conformance = self._registry.installed[provider].spec.conformance
        wire = None if conformance is None else conformance.wire
        if wire is None:
            return provider
        # It may speak another one of core's besides, which the end of the address tells.
        path = urlsplit(take.call.url).path
        return next((name for end, name in _WIRES.items() if path.endswith(end)), wire.replace("_", "-"))


def _host(url: str) -> str:
    return urlsplit(url).netloc.rpartition("@")[2].lower()


# ── the cassette ─────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Reading:
    """The result of decoding an answer: a reply, embeddings or an error; and what the request ``asked`` for.

    ``streams`` is whether the request asked for a stream.
    """

    reply: Reply[Any] | None = None
    vectors: EmbedReply | None = None
    error: HTTPError | None = None
    asked: Collection[str] = ()
    streams: bool = False


def cassette_of(take: Take, reading: Reading, scrubber: Scrubber, *, provider: str, api: str, url: str) -> Cassette:
    """The exchange without its secrets; ConfigError, with the place, if one is left or the exchange cannot be kept.

    ``url`` is the address without secrets.
    """
    if not take.is_whole:
        raise ConfigError("the answer is not complete: a cassette needs a complete answer")
    response = _response(take, reading, scrubber)
    request = _request(take, scrubber, url)
    expected = _expected(response, reading)
    features = frozenset(_features(response, reading, expected))
    cassette = Cassette(
        id=f"{provider}-{hashlib.sha256(response.body).hexdigest()[:10]}",
        provider=provider,
        api=api,
        request=request,
        response=response,
        features=features,
        expected=MappingProxyType(_without_secrets(expected, reading, scrubber)),
        source=MappingProxyType({"kind": "cassette", "recorder": f"segue {__version__}"}),
        recorded=dt.datetime.now(dt.UTC).date().isoformat(),
    )
    _refuse_secrets(cassette, scrubber)
    return cassette


def _without_secrets(expected: dict[str, Any], reading: Reading, scrubber: Scrubber) -> dict[str, Any]:
    """What the host itself said is cleaned as its body was.

    What a model streamed is not: its pieces are apart in the body, so a search would not find it.
    """
    said = {"text", "reasoning_text", "refusal", "tool_calls"} if reading.streams else set()
    return {
        name: value if name in said else scrubber.clean_json(value, f"expected.{name}")
        for name, value in expected.items()
    }


def _refuse_secrets(cassette: Cassette, scrubber: Scrubber) -> None:
    text = cassette.write()
    places = list(scrubber.places(json.loads(text)))
    if not places and (scrubber.holds(cassette.response.body.decode("latin-1")) or scrubber.holds(text)):
        places = ["response.body"]
    if places:
        shown = ", ".join(dict.fromkeys(places))
        raise ConfigError(f"the recording still contains a secret, at {shown}: nothing was written")


def _request(take: Take, scrubber: Scrubber, url: str) -> RecordedRequest:
    call = take.call
    if url != call.url:
        scrubber.touched.append("request.url")
    url = scrubber.clean_url(url)
    headers = {
        name: scrubber.clean(value, f"request.headers.{name}")
        for name, value in kept_headers(take.sent, asking=True).items()
    }
    before = len(scrubber.touched)
    try:
        text = call.body.decode()
    except UnicodeDecodeError:
        raise ConfigError("the body of the request is not text: a cassette cannot contain it") from None
    parsed: Any = None
    body: str | None = None
    try:
        parsed = json.loads(text) if text else None
    except ValueError:
        body = scrubber.clean(text, "request.body")
    else:
        parsed = scrubber.clean_json(parsed, "request.json")
    fidelity = "exact" if len(scrubber.touched) == before else "scrubbed"
    return RecordedRequest(call.method, url, MappingProxyType(headers), parsed, body, fidelity)


def _response(take: Take, reading: Reading, scrubber: Scrubber) -> RecordedResponse:
    headers = {
        name: scrubber.clean(value, f"response.headers.{name}")
        for name, value in kept_headers(take.headers, asking=False).items()
    }
    body, framing = bytes(take.body), _framing(take, reading)
    try:
        text = body.decode()
    except UnicodeDecodeError:
        cleaned = body  # lengths and checksums stand in it: one that holds a secret is refused
    else:
        cleaned = body if framing == "aws-eventstream" else scrubber.clean(text, "response.body").encode()
    plain = reading.streams and take.content_type == "text/plain"
    return RecordedResponse(
        status=take.status,
        headers=MappingProxyType(headers),
        body=cleaned,
        is_stream=framing is not None or (plain and take.succeeded),
        framing=framing,
        fidelity="exact" if cleaned == body else "scrubbed",
    )


def _framing(take: Take, reading: Reading) -> StreamFraming | None:
    """How the body is cut into events, by its type, and by its first bytes where a host says another one."""
    kind = take.content_type
    start = bytes(take.body[:64]).lstrip(b"\xef\xbb\xbf\r\n ")
    if kind == "application/vnd.amazon.eventstream":
        return "aws-eventstream"
    if kind == "text/event-stream" or start.startswith((b"data:", b"event:", b"id:", b":")):
        return "sse"
    if not reading.streams or not take.succeeded:
        return None
    if kind in {"application/x-ndjson", "application/jsonl", "application/x-jsonlines"}:
        return "ndjson"
    return "json-array" if start.startswith(b"[") else None


# ── what is expected ─────────────────────────────────────────────────────────────────────────────────


def _expected(response: RecordedResponse, reading: Reading) -> dict[str, Any]:
    """The reading in the words of the format; it is Segue's own, and says so."""
    expected: dict[str, Any] = {"oracle": f"segue {__version__}"}
    if reading.vectors is not None:
        vectors = reading.vectors.vectors
        first = vectors[0] if vectors else []
        expected |= {
            "text": None, "tool_calls": [], "finish_reason": None, "error": None,
            "embeddings": {"count": len(vectors), "dims": len(first), "first8": list(first[:8])},
        }  # fmt: skip
        expected |= _tokens(reading.vectors)
    elif reading.reply is not None:
        reply = reading.reply
        expected |= {
            "text": reply.text,
            "reasoning_text": reply.reasoning or None,
            "tool_calls": [_called(call) for call in reply.tool_calls],
            "finish_reason": reply.raw_finish_reason,
            "model": reply.response_model,
            "response_id": reply.response_id,
            **_tokens(reply),
            "error": None,
        }
        if reply.refusal is not None:
            expected["refusal"] = reply.refusal
        if len(reply.choices) > 1:
            expected |= {"n_choices": len(reply.choices), "choice_texts": [choice.text for choice in reply.choices]}
        if reply.sources:
            expected["n_citations"] = len(reply.sources)
        expected["notes"] = "tokens are counted as Segue counts them: input_tokens are all of the input"
    else:
        assert reading.error is not None
        expected |= {
            "text": reading.error.text or None,
            "tool_calls": [],
            "finish_reason": None,
            "error": _failure(response, reading.error),
        }
    expected["n_events"] = _count(response) if response.framing is not None else None
    return expected


def _tokens(reply: Reply[Any] | EmbedReply) -> dict[str, int | None]:
    names = ("input_tokens", "output_tokens", "cached_tokens", "cache_write_tokens", "reasoning_tokens", "total_tokens")
    return {name: None if reply.usage is None else getattr(reply.usage, name) for name in names}


def _called(call: ToolCall) -> dict[str, Any]:
    told: dict[str, Any] = {"name": call.name, "id": call.id, "arguments_raw": call.arguments}
    if call.kind != "function":
        return {**told, "kind": call.kind, "arguments": None}
    try:
        return {**told, "arguments": call.args}
    except InvalidOutputError:
        return {**told, "arguments": None, "arguments_unparseable": True}


def _failure(response: RecordedResponse, error: HTTPError) -> dict[str, Any]:
    fields = error_body.read(response.body, kind=response.headers.get("x-amzn-errortype"))
    told: dict[str, Any] = {"status": error.status, "type": fields.type, "code": fields.code or error.code}
    told["class"] = type(error).__name__
    return {**told, "in_stream": True} if response.status < 300 else told


def _count(response: RecordedResponse) -> int:
    body = response.body
    match response.framing:
        case "sse":
            return sum(1 for _, data in _events(body) if data.strip() != b"[DONE]")
        case "ndjson":
            return sum(1 for line in body.splitlines() if line.strip())
        case "json-array":
            return len(json.loads(body))
        case _:
            return _frames(body)


def _events(body: bytes) -> Iterator[tuple[Any, bytes]]:
    # A last event without its empty line was read by nobody: it does not count.
    yield from SSEDecoder().feed(body)


def _frames(body: bytes) -> int:
    """The messages of an AWS event stream, each of which begins with its length."""
    count = place = 0
    while place + 4 <= len(body) and (length := int.from_bytes(body[place : place + 4], "big")) > 0:
        place += length
        count += 1
    return count


# ── features ─────────────────────────────────────────────────────────────────────────────────────────


def _features(response: RecordedResponse, reading: Reading, expected: Mapping[str, Any]) -> Iterator[str]:
    """The words for what is in the exchange."""
    yield from reading.asked
    if response.is_stream:
        yield "stream"
    # Of a binary body the bytes tell nothing, but what was read of it does.
    said = json.dumps(dict(expected)).encode() if response.framing == "aws-eventstream" else response.body
    if not said.isascii() or b"\\u" in said:
        yield "non_ascii"
    if response.framing == "sse":
        if b"\r\n" in response.body:
            yield "sse_crlf"
        if b"\n:" in response.body or response.body.startswith(b":"):
            yield "sse_comments"
    if reading.vectors is not None:
        yield "embeddings"
    if any(expected.get(name) is not None for name in ("input_tokens", "output_tokens")):
        yield "usage"
    if b'"signature"' in response.body or b'"thoughtSignature"' in response.body:
        yield "reasoning_signature"
    if reading.error is not None:
        yield from ["text"] if expected.get("text") else []
        yield from _of_failure(response)
    if reading.reply is not None:
        yield from _of_reply(reading.reply)


def _of_failure(response: RecordedResponse) -> Iterator[str]:
    if response.status < 300:
        yield "in_stream_error"
        return
    yield f"error_{response.status}"
    if response.status >= 500:
        yield "error_5xx"
    try:
        json.loads(response.body)
    except ValueError:
        yield "non_json_error"


def _of_reply(reply: Reply[Any]) -> Iterator[str]:
    calls = reply.tool_calls
    usage = reply.usage
    holds = {
        "text": bool(reply.text),
        "tool_calls": bool(calls),
        "parallel_tool_calls": len(calls) > 1,
        "tool_call_no_args": any(call.arguments.strip() in {"", "{}"} for call in calls),
        "no_text_no_tools": not reply.text and not calls,
        "reasoning": bool(reply.choices[0].reasoning_parts) or bool(usage and usage.reasoning_tokens),
        "reasoning_text": bool(reply.reasoning),
        "citations": bool(reply.sources),
        "refusal": reply.refusal is not None,
        "truncated": reply.finish_reason == "length",
        "content_filter": reply.finish_reason == "content_filter",
        "multi_choice": len(reply.choices) > 1,
        "logprobs": bool(reply.logprobs),
        "audio": reply.choices[0].audio is not None,
        "cached_tokens": bool(usage and usage.cached_tokens),
        "cache_write": bool(usage and usage.cache_write_tokens),
    }
    yield from (name for name, there in holds.items() if there)
