"""Decodes the bytes of an answer into events.

An answer is complete after its ``data: [DONE]``. A ``finish_reason`` without it counts if the framing of HTTP
proves that the body is complete, because some hosts never send the marker. The end of a connection alone
proves nothing.
"""

from __future__ import annotations

import binascii
from typing import TYPE_CHECKING, Any, Final, cast

from ...errors import ProtocolError, StreamBrokenError
from ...events import (
    AudioDelta,
    ChoiceFinish,
    Finish,
    Logprobs,
    Notice,
    ReasoningDelta,
    RefusalDelta,
    Source,
    Start,
    StopReason,
    TextDelta,
    TokenLogprob,
    Usage,
)
from ...json_text import to_json
from ..failures import failure_of
from ..logprobs import token_of
from ..reading import count, json_object, objects, string, text_of, usd
from ..sse import SSEDecoder
from ..tool_calls import ToolCallAssembler

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from ...events import Event, RateLimits

MAX_BODY_BYTES: Final = 32 * 1024 * 1024
"""The largest whole (not streamed) answer that is read."""

FINISH: Final[Mapping[str, StopReason]] = {
    "stop": "stop",
    "eos": "stop",  # Together's word for it
    "length": "length",
    "model_length": "length",  # Mistral's, where the context was full
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
}

# Fields of a message that carry part of an answer and that nobody reads here: said, never dropped in silence.
_UNREAD: Final = ("images", "graph_data")
# Fields that some hosts write beside the choices.
_BESIDE: Final = frozenset({"citations", "search_results", "x_groq"})


class Decoder:
    """Reads a streamed or a whole answer; the first bytes show which one it is."""

    __slots__ = (
        "_body", "_calls", "_events_seen", "_finish", "_first", "_size", "_sse", "_started", "_told", "_urls",
        "finished", "limits", "request_id",
    )  # fmt: skip

    def __init__(self, *, max_event_bytes: int = 8 * 1024 * 1024) -> None:
        self.request_id: str | None = None
        self.limits: RateLimits | None = None
        self.finished: bool = False
        self._sse = SSEDecoder(max_event_bytes=max_event_bytes)
        self._body: list[bytes] | None = None  # the pieces of a whole answer
        self._size = 0
        self._first = b""  # what came before the form was known: white space, half a BOM
        self._started = False
        self._events_seen = 0
        self._finish: Finish | None = None
        self._calls: dict[int, ToolCallAssembler] = {}
        self._urls: set[str] = set()
        self._told: set[str] = set()

    def feed(self, data: bytes) -> Iterator[Event]:
        """The events that these bytes complete; raises ProtocolError, or the HTTPError that they contain."""
        if self._body is not None:
            self._keep(data)
            return
        if not self._events_seen:
            # A stream's lines never begin with a brace, a whole answer always does.
            head = (self._first + data).removeprefix(b"\xef\xbb\xbf").lstrip()
            if not head:
                self._first = (self._first + data)[-1024:]
                return
            if head.startswith(b"{"):
                self._body = []
                self._keep(head)
                return
            if len(head) < 3 and b"\xef\xbb\xbf".startswith(head):
                self._first += data
                return
            data, self._first = self._first + data, b""
            self._events_seen = 1
        for _, payload in self._sse.feed(data):
            if self.finished:  # the first end marker wins
                return
            if payload == b"[DONE]":
                yield from self._done()
                continue
            chunk = json_object(payload)
            if self._started and self._finish is None:
                text = _text_alone(chunk)
                if text is not None:
                    yield TextDelta(text)
                    continue
            yield from self._chunk(chunk)

    def end(self, *, delimited: bool) -> Iterable[Event]:
        """The events that the end of the body completes; raises StreamBrokenError if it came too early."""
        if self.finished:
            return ()
        if self._body is not None:
            return self._whole(b"".join(self._body), delimited=delimited)
        if self._finish is not None and delimited:
            self.finished = True
            return (self._finish,)
        if not self._started and delimited:
            raise ProtocolError("the body does not contain an answer: it is neither JSON nor an event stream")
        self._sse.feed(b"")  # raises where the last event was too large
        raise StreamBrokenError("the stream ended before its end marker ([DONE])")

    # ── a stream ──────────────────────────────────────────────────────────────────────────────────────

    def _done(self) -> Iterator[Event]:
        self.finished = True
        if self._finish is None:
            yield Notice("finish_reason", "the host gave no reason for the end of the answer")
            self._finish = Finish("unknown")
        yield self._finish

    def _chunk(self, chunk: Mapping[str, Any]) -> Iterator[Event]:
        if not self._started:
            if chunk.get("error"):
                raise failure_of(chunk, request_id=self.request_id)
            if chunk.get("id") or chunk.get("choices"):  # Azure's first chunk tells of its filter alone
                self._started = True
                yield self._start(chunk)
        choices = chunk.get("choices")
        if choices:
            yield from self._choices(choices)
        elif chunk.get("error"):
            raise failure_of(chunk, request_id=self.request_id)
        usage = chunk.get("usage")
        if usage:
            yield _usage(usage)
        if not _BESIDE.isdisjoint(chunk):
            yield from self._beside(chunk)

    def _choices(self, choices: object) -> Iterator[Event]:
        for choice in objects(choices, "choices"):
            delta = choice.get("delta")
            if delta:
                if not isinstance(delta, dict):
                    raise ProtocolError("choices[].delta is not an object")
                index = _index(choice.get("index") or 0)
                if self._finish is None or index > 0:  # the first terminal wins
                    yield from self._message(choice, delta, index)
            reason = choice.get("finish_reason")
            if reason:
                yield from self._end_of(choice, reason)

    def _end_of(self, choice: Mapping[str, Any], reason: object) -> Iterator[Event]:
        """The finish of one answer: of the first it is kept until the end, of others told at once."""
        if reason == "error":
            raise failure_of(choice, request_id=self.request_id)
        index = _index(choice.get("index") or 0)
        finish = self._finish_of(reason, index)
        if index > 0:
            yield ChoiceFinish(index, finish.reason, finish.raw)
        elif self._finish is None:
            self._finish = finish

    def _finish_of(self, reason: object, index: int) -> Finish:
        if not isinstance(reason, str):
            raise ProtocolError("choices[].finish_reason is not a string")
        ours: StopReason = FINISH.get(reason, "unknown")
        if ours == "stop" and index in self._calls:
            ours = "tool_calls"  # where a tool was forced OpenAI says "stop", and others say it after any call
        return Finish(ours, reason)

    def _start(self, value: Mapping[str, Any]) -> Start:
        model, response_id = value.get("model"), value.get("id")
        return Start(
            model=model if isinstance(model, str) and model else None,
            response_id=response_id if isinstance(response_id, str) and response_id else None,
            request_id=self.request_id,
            limits=self.limits,
        )

    # ── what a delta and a whole message have in common ───────────────────────────────────────────────

    def _message(self, choice: Mapping[str, Any], message: Mapping[str, Any], index: int) -> Iterator[Event]:
        """The parts of an answer, reasoning first, as they are thought before they are said."""
        yield from _reasoning(message, index)
        content = message.get("content")
        if content:
            yield from self._content(content, index)
        refusal = message.get("refusal")
        if refusal:
            yield RefusalDelta(text_of(refusal, "refusal"), index)
        if message.get("tool_calls") or message.get("function_call"):
            yield from self._tool_calls(message, index, whole="delta" not in choice)
        if message.get("audio"):
            yield from _audio(message["audio"], index)
        if message.get("annotations"):
            yield from self._annotations(message["annotations"], index)
        if choice.get("logprobs"):
            yield from _logprobs(choice["logprobs"], index)
        for name in _UNREAD:
            if message.get(name):
                yield from self._unread(name)

    def _unread(self, subject: str) -> Iterator[Notice]:
        if subject not in self._told:
            self._told.add(subject)
            yield Notice(subject, "the answer contains this, but Segue does not read it")

    def _content(self, content: object, index: int) -> Iterator[Event]:
        if isinstance(content, str):
            yield TextDelta(content, index)
            return
        if isinstance(content, dict):  # Cloudflare's, where JSON was asked for
            yield TextDelta(to_json(content).decode(), index)
            return
        # Mistral's reasoning models give a list of parts (docs.mistral.ai, "Reasoning").
        for part in objects(content, "content"):
            match part.get("type"):
                case "text":
                    if part.get("text"):
                        yield TextDelta(text_of(part["text"], "content[].text"), index)
                case "thinking":
                    for piece in objects(part.get("thinking"), "content[].thinking"):
                        if piece.get("text"):
                            yield ReasoningDelta(text_of(piece["text"], "content[].thinking[].text"), None, index)
                case kind:
                    yield from self._unread(f"content of type {kind!s:.40}")

    def _tool_calls(self, message: Mapping[str, Any], index: int, *, whole: bool) -> Iterator[Event]:
        assembler = self._calls.get(index)
        if assembler is None:
            assembler = self._calls[index] = ToolCallAssembler(index)
        legacy = message.get("function_call")
        if legacy:  # of OpenAI's models before tools, and of hosts that kept it
            if not isinstance(legacy, dict):
                raise ProtocolError("function_call is not an object")
            delta = assembler.take(
                index=0,
                call_id=None,
                name=text_of(legacy.get("name") or "", "function_call.name"),
                arguments=text_of(legacy.get("arguments") or "", "function_call.arguments"),
            )
            if delta is not None:
                yield delta
        for place, call in enumerate(objects(message.get("tool_calls") or [], "tool_calls")):
            custom = call.get("type") == "custom"
            inner = call.get("custom" if custom else "function") or {}
            if not isinstance(inner, dict):
                raise ProtocolError("tool_calls[].function is not an object")
            told = call.get("index")
            arguments = inner.get("input" if custom else "arguments")
            if isinstance(arguments, dict):  # Ollama's and Gemini's kin, at times
                arguments = to_json(arguments).decode()
            call_id = call.get("id")
            delta = assembler.take(
                # In a whole message each is a call of its own, whatever index it may have.
                index=place if whole else told if isinstance(told, int) else None,
                call_id=call_id if isinstance(call_id, str) and call_id else None,
                name=text_of(inner.get("name") or "", "tool_calls[].function.name"),
                arguments=text_of(arguments or "", "tool_calls[].function.arguments"),
                kind="custom" if custom else "function",
            )
            if delta is not None:
                yield delta

    def _annotations(self, annotations: object, index: int) -> Iterator[Event]:
        for annotation in objects(annotations, "annotations"):
            citation = annotation.get("url_citation")
            if isinstance(citation, dict) and isinstance(citation.get("url"), str):
                yield Source(
                    citation["url"],
                    string(citation.get("title")),
                    _place(citation.get("start_index")),
                    _place(citation.get("end_index")),
                    index,
                )
            else:
                yield from self._unread(f"annotation of type {annotation.get('type')!s:.40}")

    def _beside(self, value: Mapping[str, Any]) -> Iterator[Event]:
        """What some hosts write beside the choices: Perplexity its sources, Groq a usage."""
        results, citations = value.get("search_results"), value.get("citations")
        if isinstance(results, list) and results:
            for result in objects(results, "search_results"):
                yield from self._source(result.get("url"), string(result.get("title")))
        elif isinstance(citations, list):
            for url in citations:
                yield from self._source(url, None)
        groq = value.get("x_groq")
        if isinstance(groq, dict) and groq.get("usage") and not value.get("usage"):
            yield _usage(groq["usage"])

    def _source(self, url: object, title: str | None) -> Iterator[Event]:
        """A source, once: the list comes again with each chunk."""
        if isinstance(url, str) and url not in self._urls:
            self._urls.add(url)
            yield Source(url, title)

    # ── a whole answer ────────────────────────────────────────────────────────────────────────────────

    def _keep(self, data: bytes) -> None:
        assert self._body is not None
        self._size += len(data)
        if self._size > MAX_BODY_BYTES:
            raise ProtocolError(f"the answer is larger than {MAX_BODY_BYTES:,} bytes")
        self._body.append(data)

    def _whole(self, body: bytes, *, delimited: bool) -> Iterable[Event]:
        try:
            value = json_object(body)
        except ProtocolError:
            if delimited:
                raise
            raise StreamBrokenError("the connection ended inside the answer") from None
        told = _told_alone(value)
        if told is None:
            return self._parts(value)
        text, reason, usage = told
        self.finished = True
        finish = Finish(FINISH.get(reason, "unknown"), reason)
        if usage is None:
            return (self._start(value), TextDelta(text), finish)
        return (self._start(value), TextDelta(text), _usage(usage), finish)

    def _parts(self, value: Mapping[str, Any]) -> Iterator[Event]:
        if value.get("error"):
            raise failure_of(value, request_id=self.request_id)
        choices = value.get("choices")
        if not choices:
            raise ProtocolError("the answer has no choices")
        yield self._start(value)
        finish: Finish | None = None
        for place, choice in enumerate(objects(choices, "choices")):
            reason = choice.get("finish_reason")
            message = choice.get("message")
            if message is None and reason == "content_filter":
                message = {}  # so Azure tells of an answer that it filtered whole
            if not isinstance(message, dict):
                raise ProtocolError("choices[].message is not an object")
            yield from self._message(choice, message, place)
            if reason == "error":
                raise failure_of(choice, request_id=self.request_id)
            if reason and place > 0:
                told = self._finish_of(reason, place)
                yield ChoiceFinish(place, told.reason, told.raw)
            elif reason:
                finish = self._finish_of(reason, place)
        if value.get("usage"):
            yield _usage(value["usage"])
        yield from self._beside(value)
        if finish is None:
            yield Notice("finish_reason", "the host gave no reason for the end of the answer")
        self.finished = True
        yield finish or Finish("unknown")


def _text_alone(chunk: Mapping[str, Any]) -> str | None:
    """The text of a chunk that says nothing else, as in nearly all chunks; None if there is more to read."""
    choices: Any = chunk.get("choices")
    if choices.__class__ is not list or len(choices) != 1 or chunk.get("usage") or not _BESIDE.isdisjoint(chunk):
        return None
    choice = choices[0]
    if choice.__class__ is not dict or choice.get("finish_reason") or choice.get("logprobs") or choice.get("index"):
        return None
    delta = choice.get("delta")
    if delta.__class__ is not dict or len(delta) != 1:
        return None
    content = delta.get("content")
    return content if content.__class__ is str and content else None


def _told_alone(value: Mapping[str, Any]) -> tuple[str, str, dict[str, Any] | None] | None:
    """Text, reason to end and usage of a whole answer that says nothing else; None if there is more to read."""
    choices: Any = value.get("choices")
    if choices.__class__ is not list or len(choices) != 1 or value.get("error") or not _BESIDE.isdisjoint(value):
        return None
    choice = choices[0]
    if choice.__class__ is not dict or choice.get("logprobs"):
        return None
    message, reason, usage = choice.get("message"), choice.get("finish_reason"), value.get("usage") or None
    if message.__class__ is not dict or reason.__class__ is not str or not reason or reason == "error":
        return None
    if usage is not None and usage.__class__ is not dict:
        return None
    for name, told in message.items():
        if told and name not in {"role", "content"}:
            return None
    content = message.get("content")
    return (content, reason, usage) if content.__class__ is str and content else None


def _index(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 1024:
        raise ProtocolError("choices[].index is not a whole number from 0 to 1023")
    return value


def _place(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _reasoning(message: Mapping[str, Any], index: int) -> Iterator[Event]:
    """The reasoning: ``reasoning_details`` (OpenRouter and similar hosts), else one of the two plain fields.

    A host that has details repeats their text in the plain field. The other fields of an entry
    go back to the host unchanged, if there is more than the entry's form and place.
    """
    plain = message.get("reasoning_content") or message.get("reasoning")
    details = message.get("reasoning_details")
    told = False
    if details:
        for detail in objects(details, "reasoning_details"):
            field = "summary" if "summary" in detail else "text"
            text = text_of(detail.get(field) or "", f"reasoning_details[].{field}")
            told = told or bool(text)
            opaque = None
            if any(detail.get(name) for name in ("signature", "data", "id")) or field == "summary":
                opaque = to_json({name: value for name, value in detail.items() if name != field}).decode()
            if text or opaque is not None:
                yield ReasoningDelta(text, opaque, index)
    if plain and not told:
        yield ReasoningDelta(text_of(plain, "reasoning"), None, index)


def _audio(audio: object, index: int) -> Iterator[Event]:
    if not isinstance(audio, dict):
        raise ProtocolError("audio is not an object")
    try:
        data = binascii.a2b_base64(text_of(audio.get("data") or "", "audio.data"), strict_mode=True)
    except ValueError:
        raise ProtocolError("audio.data is not base64") from None
    transcript = text_of(audio.get("transcript") or "", "audio.transcript")
    call_id = string(audio.get("id"))
    if data or transcript or call_id:
        yield AudioDelta(data, transcript, call_id, index)


def _logprobs(logprobs: object, index: int) -> Iterator[Event]:
    """OpenAI's form; the older one, parallel lists, is Together's still."""
    if not isinstance(logprobs, dict):
        raise ProtocolError("choices[].logprobs is not an object")
    if isinstance(logprobs.get("tokens"), list):
        pairs = zip(logprobs["tokens"], logprobs.get("token_logprobs") or [], strict=False)
        tokens = tuple(
            TokenLogprob(token, float(number))
            for token, number in pairs
            if isinstance(token, str) and isinstance(number, (int, float))
        )
    else:
        tokens = tuple(token_of(token) for token in objects(logprobs.get("content") or [], "logprobs.content"))
    if tokens:
        yield Logprobs(tokens, index)


def _usage(value: object) -> Usage:
    """Usage as OpenAI counts it; the other names are those of DeepSeek, Mistral, Databricks and Moonshot."""
    if not isinstance(value, dict):
        raise ProtocolError("usage is not an object")
    usage = cast("dict[str, Any]", value)
    of_input = _table(usage.get("prompt_tokens_details"))
    of_output = _table(usage.get("completion_tokens_details"))
    cached = count(of_input.get("cached_tokens"))
    if cached is None:
        cached = next((told for name in _CACHED if (told := count(usage.get(name))) is not None), None)
    written = count(of_input.get("cache_write_tokens"))
    return Usage(
        count(usage.get("prompt_tokens")),
        count(usage.get("completion_tokens")),
        count(usage.get("total_tokens")),
        cached,
        count(of_output.get("reasoning_tokens")),
        count(usage.get("cache_creation_input_tokens")) if written is None else written,
        count(of_input.get("audio_tokens")),
        count(of_output.get("audio_tokens")),
        usd(usage),
    )


_CACHED: Final = ("prompt_cache_hit_tokens", "cache_read_input_tokens", "num_cached_tokens", "cached_tokens")
_EMPTY: Final[dict[str, Any]] = {}


def _table(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else _EMPTY
