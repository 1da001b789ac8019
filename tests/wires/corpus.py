"""Recorded traffic of model hosts: where it is, what reads it, and what each reading must say.

The corpus lies in ``../shared/wire`` or where ``SEGUE_WIRE`` points; its README says what the fields of
``expected`` mean. A reading of ours is spelt here in those words: usage, which is counted in one way on every
wire, is taken apart again, and text is compared as the README has it.
"""

from __future__ import annotations

import base64
import contextlib
import functools
import json
import os
import random
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from segue import Client, HTTPError, InvalidOutputError, ProtocolError, Retry, ToolCall, Usage
from segue.errors import (
    AuthenticationError,
    BadRequestError,
    ContextLengthError,
    ModelNotFoundError,
    OverloadedError,
    PermissionDeniedError,
    QuotaExhaustedError,
    RateLimitError,
    RequestTooLargeError,
    SegueError,
    ServerError,
)
from segue.events import Collector, Embeddings, Event, Notice, Reply
from segue.testing import Body, ScriptedHost
from segue.testing.lifecycle import check
from segue.wire import Decoder, anthropic_messages, openai_chat, openai_embeddings, openai_responses
from segue.wire.sse import SSEDecoder
from segue_bedrock import decode as bedrock
from segue_cohere import decode as cohere
from segue_cohere import embedding as cohere_embedding
from segue_google import decode as google
from segue_google import embedding as google_embedding
from segue_mistral import decode as mistral
from segue_ollama import decode as ollama

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

FOLDER = Path(os.environ.get("SEGUE_WIRE", Path(__file__).parents[3] / "shared" / "wire"))
BYTE_BY_BYTE = 60_000
"""Bodies below this many bytes are read byte by byte too."""

DECODERS: Mapping[str, Callable[[], Decoder]] = {
    "anthropic-messages": anthropic_messages.Decoder,
    "bedrock-converse": bedrock.Decoder,
    "cohere-chat-v2": cohere.Decoder,
    "gemini-generate": google.Decoder,
    "mistral-chat": mistral.Decoder,
    "ollama-chat": ollama.Decoder,
    "openai-chat": openai_chat.Decoder,
    "openai-responses": openai_responses.Decoder,
}
EMBEDDINGS: Mapping[str, Callable[..., Embeddings]] = {
    "cohere-embed": cohere_embedding.decode,
    "gemini-embeddings": google_embedding.decode,
    "openai-embeddings": openai_embeddings.decode,
}
APIS = frozenset(DECODERS) | frozenset(EMBEDDINGS)
"""The wires that are read."""


# ── exchanges ────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Exchange:
    """One line of the corpus's index; the recording is read when it is asked for."""

    id: str
    provider: str
    api: str
    status: int
    features: tuple[str, ...]
    file: Path

    @functools.cached_property
    def recording(self) -> dict[str, Any]:
        value: dict[str, Any] = json.loads(self.file.read_text("utf-8"))
        return value

    @property
    def expected(self) -> dict[str, Any]:
        value: dict[str, Any] = self.recording["expected"]
        return value

    @property
    def body(self) -> bytes:
        response = self.recording["response"]
        if response["body_encoding"] == "base64":
            return base64.b64decode(response["body"])
        return str(response["body"]).encode()

    @property
    def failed(self) -> bool:
        return not 200 <= self.status <= 299


@functools.cache
def index(folder: Path = FOLDER) -> tuple[Exchange, ...]:
    """All that is recorded; nothing where there is no corpus."""
    path = folder / "index.jsonl"
    if not path.is_file():
        return ()
    return tuple(
        Exchange(
            entry["id"], entry["provider"], entry["api"], entry["status"], tuple(entry["features"]),
            folder / entry["file"],
        )
        for entry in map(json.loads, path.read_text("utf-8").splitlines())
    )  # fmt: skip


def exchanges(wanted: Callable[[Exchange], bool]) -> list[Any]:
    """Exchanges as parameters of a test; where there is none, one that is skipped by name."""
    found = [pytest.param(exchange, id=exchange.id) for exchange in index() if wanted(exchange)]
    if index():
        return found
    return [pytest.param(None, id="corpus", marks=pytest.mark.skip(reason="no corpus in ../shared/wire"))]


# ── reading ──────────────────────────────────────────────────────────────────────────────────────────


class Reading:
    """The events of a body, and the error that it holds."""

    def __init__(self, decoder: Decoder, pieces: Iterator[bytes] | list[bytes]) -> None:
        self.events: list[Event] = []
        self.error: SegueError | None = None
        try:
            for piece in pieces:
                self.events.extend(decoder.feed(piece))
            self.events.extend(decoder.end(delimited=True))
        except SegueError as error:
            self.error = error

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Reading) and (self.events, repr(self.error)) == (other.events, repr(other.error))

    __hash__ = None  # type: ignore[assignment]

    def reply(self) -> Reply[Any]:
        collector = Collector()
        for event in self.events:
            collector.add(event)
        if collector.finish is None:  # of an answer that failed: what had come before
            from segue import Finish

            collector.add(Finish("unknown"))
        return collector.reply()


def cut(data: bytes, places: list[int]) -> list[bytes]:
    """The bytes in pieces that begin at these places."""
    return [data[start:end] for start, end in pairwise([0, *sorted(places), len(data)])]


def every(data: bytes, size: int) -> Iterator[bytes]:
    """The bytes in pieces of this size."""
    return (data[start : start + size] for start in range(0, len(data), size))


def splits(exchange: Exchange, body: bytes) -> Iterator[tuple[str, Any]]:
    """The splits under which a reading may not change: by event, at random, in sevens, byte by byte."""
    yield "by event", body.replace(b"\n\n", b"\n\n\0").split(b"\0") if b"\0" not in body else [body]
    dice = random.Random(exchange.id)  # the same cuts each time
    for number in range(3):
        places = [dice.randrange(len(body) + 1) for _ in range(3 + number * 20)]
        yield f"cut at {sorted(places)}", cut(body, places)
    yield "in sevens", every(body, 7)
    if len(body) < BYTE_BY_BYTE:
        yield "byte by byte", every(body, 1)


def read(exchange: Exchange) -> Reading:
    """The whole body, read at once; its events are a stream."""
    reading = Reading(DECODERS[exchange.api](), [exchange.body])
    check(reading.events, whole=reading.error is None)
    return reading


def differences(exchange: Exchange) -> list[str]:
    """What an answer is read as otherwise than ``expected``, one line a field; and each split that changes it."""
    if exchange.api in EMBEDDINGS:
        return _compared(*_vectors(exchange))
    reading, body = read(exchange), exchange.body
    found = _failure(exchange, reading) + _compared(*_said(exchange, reading))
    if exchange.recording["response"]["framing"] == "sse" and b"\0" not in body:
        events = [data for _, data in SSEDecoder().feed(body) if data.strip() != b"[DONE]"]
        if len(events) != exchange.expected["n_events"]:
            found.append(f"n_events: {len(events)} instead of {exchange.expected['n_events']}")
    for name, pieces in splits(exchange, body):
        if Reading(DECODERS[exchange.api](), pieces) != reading:
            found.append(f"another reading {name}")
    return found


Fields = dict[str, object]


def _compared(told: Fields, meant: Fields) -> list[str]:
    return [
        f"{name}: {told.get(name)!r} instead of {value!r}" for name, value in meant.items() if told.get(name) != value
    ]


def _squeezed(*texts: str | None) -> str:
    return "".join("".join((text or "").split()) for text in texts)


def _failure(exchange: Exchange, reading: Reading) -> list[str]:
    """Whether an answer failed as it must."""
    wanted, error = exchange.expected["error"], reading.error
    if wanted is None:
        return [] if error is None else [f"{type(error).__name__}: {error}"]
    if not isinstance(error, HTTPError):
        return [f"error: {error!r} instead of {wanted}"]
    return _compared(error_told(error), error_meant(exchange))


# ── replies ──────────────────────────────────────────────────────────────────────────────────────────


def _said(exchange: Exchange, reading: Reading) -> tuple[Fields, Fields]:
    """What a reading says and what it must say, in the words of ``expected``."""
    reply, wanted, api = reading.reply(), exchange.expected, exchange.api
    blocks = _opaque(reply)
    told: Fields = {
        "text": reply.text,
        "reasoning_text": _squeezed(reply.reasoning),
        "refusal": reply.refusal,
        "finish_reason": reply.raw_finish_reason,
        "model": reply.response_model,
        "response_id": reply.response_id,
        "tool_calls": [_call(call) for call in reply.tool_calls],
        "ids": [call.id for call in reply.tool_calls],
        "n_choices": len(reply.choices),
        "choice_texts": [choice.text for choice in reply.choices],
        "n_logprobs": len(reply.logprobs or ()),
        "n_citations": _citations(api, reply),
        "server_items": _server_items(api, blocks),
        "n_signatures": _signatures(blocks, reply),
        "n_redacted_thinking": sum(1 for block in blocks if block.get("type") == "redacted_thinking"),
        "finish_detail": _finish_detail(api, reply),
        **_tokens(exchange, reply.usage or Usage()),
    }
    meant: Fields = {
        "text": wanted["text"] or "",
        "finish_reason": wanted["finish_reason"] or None,
        **{name: wanted[name] for name in ("model", "response_id", "refusal") if wanted.get(name)},
        **{name: wanted[name] for name in _NUMBERS if wanted.get(name) is not None},
        "n_citations": wanted.get("n_citations") or 0,
        "server_items": wanted.get("server_items") or [],
        "n_redacted_thinking": wanted.get("n_redacted_thinking") or 0,
        "n_logprobs": wanted.get("n_logprobs") or 0,
        "finish_detail": wanted.get("finish_detail"),
    }
    if api != "openai-chat":  # of this wire the oracle knows two names alone, and hosts have more
        meant["reasoning_text"] = _squeezed(wanted["reasoning_text"], wanted.get("tool_plan"))
    elif wanted["reasoning_text"]:
        meant["reasoning_text"] = _squeezed(wanted["reasoning_text"])
    if api in {"anthropic-messages", "gemini-generate"}:  # elsewhere the oracle does not count them
        meant["n_signatures"] = wanted.get("n_signatures") or 0
    if wanted["error"] is not None:  # it ends with its error, not with a reason
        meant.pop("finish_reason")
    if wanted.get("n_choices"):
        meant |= {"n_choices": wanted["n_choices"], "choice_texts": [text or "" for text in wanted["choice_texts"]]}
    calls = wanted["tool_calls"]
    if calls is not None:
        meant["tool_calls"] = [_call_meant(call) for call in calls]
        if all(call.get("id") for call in calls):
            meant["ids"] = [call["id"] for call in calls]
    return told, _corrected(exchange, reading, told, meant)


_NUMBERS = (
    "input_tokens", "output_tokens", "total_tokens", "cached_tokens", "cache_write_tokens", "reasoning_tokens",
)  # fmt: skip


def _call(call: ToolCall) -> tuple[str, object]:
    if call.kind == "custom":
        return call.name, call.arguments
    with contextlib.suppress(InvalidOutputError):
        return call.name, call.args
    return call.name, call.arguments


def _call_meant(call: dict[str, Any]) -> tuple[str, object]:
    if call.get("kind") == "custom" or (call.get("arguments_unparseable") and call.get("arguments_raw")):
        return call["name"], call["arguments_raw"]
    return call["name"], call["arguments"] or {}  # what was not written at all is no argument


def _opaque(reply: Reply[Any]) -> list[dict[str, Any]]:
    """What goes back to the host as it came, as objects."""
    found = []
    for part in reply.choices[0].reasoning_parts:
        with contextlib.suppress(ValueError):
            value = json.loads(part.opaque or "")
            if isinstance(value, dict):
                found.append(value)
    return found


def _server_items(api: str, blocks: list[dict[str, Any]]) -> list[str]:
    """The kinds of what the host's own tools did."""
    if api == "gemini-generate":  # toolCall and toolResponse are kept too; the oracle counts code alone
        return [name for block in blocks for name in block if name in {"executableCode", "codeExecutionResult"}]
    if api == "bedrock-converse":
        return [name for block in blocks for name in ("toolUse", "toolResult") if name in block]
    thought = {"thinking", "redacted_thinking", "reasoning", "message"}
    return [block["type"] for block in blocks if block.get("type") not in thought and api in _TYPED and "type" in block]


_TYPED = {"anthropic-messages", "openai-responses"}


def _signatures(blocks: list[dict[str, Any]], reply: Reply[Any]) -> int:
    signed = [block for block in blocks if block.get("signature") or "thoughtSignature" in block]
    return len(signed) + sum(1 for call in reply.tool_calls if call.opaque and "thoughtSignature" in call.opaque)


def _citations(api: str, reply: Reply[Any]) -> int:
    match api:
        case "gemini-generate":  # one source may support several places
            return len({source.url for source in reply.sources})
        case "cohere-chat-v2":  # one place may have several sources
            return len({(source.start, source.end) for source in reply.sources})
        case _:
            return len(reply.sources)


def _finish_detail(api: str, reply: Reply[Any]) -> str | None:
    """What more is told of an end: the stop sequence, why it is incomplete, why it was blocked."""
    told = {notice.subject: notice.message for notice in reply.notices}
    match api:
        case "anthropic-messages" if "stop_sequence" in told:
            return told["stop_sequence"].removeprefix("the answer ended at the stop sequence ").strip("'\"")
        case "openai-responses" if reply.raw_finish_reason == "incomplete":
            return {"length": "max_output_tokens"}.get(reply.finish_reason, reply.finish_reason)
        case "gemini-generate" if reply.raw_finish_reason is None and reply.finish_reason == "content_filter":
            return next((f"promptFeedback.blockReason={word}" for word in _words(told)), None)
    return None


def _words(told: Mapping[str, str]) -> Iterator[str]:
    return (word.strip("().,:;") for text in told.values() for word in text.split() if word.isupper())


def _tokens(exchange: Exchange, usage: Usage) -> Fields:
    """The counts as the wire has them; a field that the wire does not tell apart is left out."""
    told: Fields = {name: getattr(usage, name) for name in _NUMBERS}
    cached, written = usage.cached_tokens or 0, usage.cache_write_tokens or 0
    match exchange.api:
        case "anthropic-messages" | "bedrock-converse":
            told["input_tokens"] = None if usage.input_tokens is None else usage.input_tokens - cached - written
        case "gemini-generate":
            extra = exchange.expected.get("tool_use_input_tokens") or 0
            told["input_tokens"] = None if usage.input_tokens is None else usage.input_tokens - extra
            told["output_tokens"] = (usage.output_tokens or 0) - (usage.reasoning_tokens or 0)
        case "cohere-chat-v2":  # images are counted beside the input
            usage_told = _last(exchange.body, b'"image_tokens":')
            told["input_tokens"] = None if usage.input_tokens is None else usage.input_tokens - usage_told
    return told


def _last(body: bytes, name: bytes) -> int:
    """The number that stands behind the last such name; 0 where none does."""
    _, found, rest = body.rpartition(name)
    digits = rest.lstrip()[:20].split(b"}")[0].split(b",")[0].strip()
    return int(digits) if found and digits.isdigit() else 0


def _corrected(exchange: Exchange, reading: Reading, told: Fields, meant: Fields) -> Fields:
    """What must be said, where the SDK and the bytes disagree: each case with its reason."""
    wanted, notices = exchange.expected, [event for event in reading.events if isinstance(event, Notice)]
    if wanted.get("content_object") is not None:
        # Cloudflare: the content is an object; the SDK, which knows strings alone, has none. Ours is its JSON.
        with contextlib.suppress(ValueError):
            if json.loads(str(told["text"])) == wanted["content_object"]:
                meant = {**meant, "text": told["text"]}
    if exchange.api == "openai-chat":
        # OpenRouter: what it made of a file stands among the annotations. It is no source of the answer, but a notice.
        files = sum(1 for annotation in _annotations(exchange.body) if annotation.get("type") == "file")
        if files and any(notice.subject == "annotation of type file" for notice in notices):
            meant = {**meant, "n_citations": (wanted.get("n_citations") or 0) - files}
    differs = "delta concatenation differs from terminal text" in (wanted.get("notes") or ())
    if differs and any(notice.subject == "output_text" for notice in notices):
        # The SDK takes the text of the terminal event, a stream's reader has read the deltas by then: it is told.
        meant = {name: value for name, value in meant.items() if name != "text"}
    return meant


def _annotations(body: bytes) -> Iterator[dict[str, Any]]:
    """The annotations of a Chat answer, whole or streamed."""
    text = body.decode("utf-8", "replace").strip()
    lines = [text] if text.startswith("{") else [line[5:] for line in text.splitlines() if line.startswith("data:")]
    for line in lines:
        with contextlib.suppress(ValueError):
            for choice in json.loads(line).get("choices") or ():
                yield from (choice.get("message") or choice.get("delta") or {}).get("annotations") or ()


# ── failures ─────────────────────────────────────────────────────────────────────────────────────────

BY_STATUS: Mapping[int, type[HTTPError]] = {
    400: BadRequestError,
    401: AuthenticationError,
    403: PermissionDeniedError,
    404: ModelNotFoundError,
    413: RequestTooLargeError,
    422: BadRequestError,
    429: RateLimitError,
    500: ServerError,
    502: ServerError,
    503: OverloadedError,
    529: OverloadedError,
}
# Where a field, or one of the two phrases, says more than the status; inside a stream the status says nothing.
BY_MARK: Mapping[str, type[HTTPError]] = {
    "API_KEY_INVALID": AuthenticationError,
    "ExpiredTokenException": AuthenticationError,
    "TOO_MANY_TOKENS": ContextLengthError,
    "context_length_exceeded": ContextLengthError,
    "insufficient_quota": QuotaExhaustedError,
    "maximum context length is": ContextLengthError,
    "model_not_found": ModelNotFoundError,
    "too_many_prompt_tokens": ContextLengthError,
}


def error_told(error: HTTPError) -> Fields:
    """An error in the words of `error_meant`."""
    return {
        "class": type(error).__name__,
        "status": error.status,
        "code": error.code,
        "retryable": error.retryable,
        "next_may_help": error.next_may_help,
    }


def error_meant(exchange: Exchange) -> Fields:
    """What the error of an exchange must be: by its status and fields, as the vendor's SDK reads them."""
    wanted, body = exchange.expected["error"], exchange.recording["response"]["body"]
    status = wanted["status"]
    cls = next((cls for mark, cls in BY_MARK.items() if mark in body or mark == wanted["type"]), None) or BY_STATUS.get(
        status
    )
    if cls is None:  # inside a stream
        cls = BadRequestError if wanted["type"] == "invalid_request_error" else ServerError
    words = [word for word in (wanted["code"], wanted["type"]) if isinstance(word, str) and not word.isdecimal()]
    with contextlib.suppress(ValueError, AttributeError, TypeError):
        words += filter(None, [json.loads(body).get("error_type")])  # Cohere has a word that its SDK does not read
    headers = {name.lower(): value for name, value in exchange.recording["response"]["headers"].items()}
    passing = issubclass(cls, RateLimitError | ServerError | OverloadedError) and cls is not QuotaExhaustedError
    return {
        "class": cls.__name__,
        "status": status,
        "code": words[0] if words else None,
        "retryable": passing and headers.get("x-should-retry") != "false",
        "next_may_help": cls is not BadRequestError or wanted["code"] in {"tool_use_failed", "json_validate_failed"},
    }


async def failure(exchange: Exchange) -> list[str]:
    """What the error of a failed call is otherwise than meant, asked through the provider of its wire over a socket."""
    response = exchange.recording["response"]
    headers = {name: value for name, value in response["headers"].items() if name.lower() in _TELLING}
    kind = next((v for k, v in response["headers"].items() if k.lower() == "content-type"), "application/json")
    step = Body(exchange.body, content_type=kind, status=exchange.status, headers=headers)
    name, options = PROVIDERS[exchange.api]
    async with ScriptedHost(script=[step]) as host:
        config = {"providers": {name: {"base_url": host.url, "api_key": "key-of-a-test-0123456789", **options}}}
        async with Client(config=config, environ={}, retry=Retry(count=0)) as client:
            try:
                if exchange.api in EMBEDDINGS:
                    await client.embed(["x"], model=f"{name}/m")
                else:
                    await client.chat("x", model=f"{name}/m")
            except HTTPError as error:
                return _compared(error_told(error), error_meant(exchange))
            except SegueError as error:
                return [f"{type(error).__name__}: {error}"]
    return ["no error"]


_TELLING = {"retry-after", "x-amzn-errortype", "x-should-retry"}
PROVIDERS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "anthropic-messages": ("anthropic", {}),
    "bedrock-converse": ("bedrock", {"options": {"region": "eu-west-1"}}),
    "cohere-chat-v2": ("cohere", {}),
    "cohere-embed": ("cohere", {}),
    "gemini-embeddings": ("google", {}),
    "gemini-generate": ("google", {}),
    "mistral-chat": ("mistral", {}),
    "ollama-chat": ("ollama", {}),
    "openai-chat": ("openai", {}),
    "openai-embeddings": ("openai", {}),
    "openai-responses": ("openai", {"options": {"wire": "responses"}}),
}
"""Who speaks a wire, and what is configured beside its address and key."""


# ── vectors ──────────────────────────────────────────────────────────────────────────────────────────


def _vectors(exchange: Exchange) -> tuple[Fields, Fields]:
    wanted, body = exchange.expected, exchange.body
    int8 = {"int8": True} if wanted.get("embedding_wire") == "base64_int8" else {}
    try:
        given = EMBEDDINGS[exchange.api](body, **int8)
    except ProtocolError as error:
        return {"error": repr(error)}, {"error": None}
    usage = given.usage or Usage()
    meant = wanted["embeddings"]
    if not meant["count"]:  # the SDK reads vectors of floats alone, these are of whole numbers
        vectors = next(iter(json.loads(body)["embeddings"].values()))
        meant = {"count": len(vectors), "dims": len(vectors[0]), "first8": vectors[0][:8]}
    told: Fields = {
        "count": len(given.vectors),
        "dims": [len(vector) for vector in given.vectors],
        "first8": [round(number, 8) for number in given.vectors[0][:8]],
        "model": given.model,
        "input_tokens": usage.input_tokens,
        "total_tokens": usage.total_tokens,
    }
    return told, {
        "count": meant["count"],
        "dims": [meant["dims"]] * meant["count"],
        "first8": meant["first8"],
        **{name: wanted[name] for name in ("model", "input_tokens", "total_tokens") if wanted.get(name) is not None},
    }
