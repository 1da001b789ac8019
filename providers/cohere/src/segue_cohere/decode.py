"""Decodes an answer of Cohere into events (docs.cohere.com/v2/docs/streaming).

A stream ends with its ``message-end``; a ``[DONE]`` after it is ignored.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from segue.plugin import (
    Finish,
    Logprobs,
    Notice,
    ProtocolError,
    ReasoningDelta,
    Source,
    Start,
    StreamBrokenError,
    TextDelta,
    Usage,
)
from segue.wire.failures import failure_of
from segue.wire.logprobs import token_of
from segue.wire.reading import count, json_object, objects, string, table, text_of
from segue.wire.sse import SSEDecoder
from segue.wire.tool_calls import ToolCallAssembler

from .encode import PLAN, THINKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from segue.plugin import Event, RateLimits, StopReason

MAX_BODY_BYTES: Final = 32 * 1024 * 1024
"""The largest whole (not streamed) answer that is read."""

_FINISH: Final[Mapping[str, StopReason]] = {
    "COMPLETE": "stop",
    "STOP_SEQUENCE": "stop",
    "MAX_TOKENS": "length",
    "TOOL_CALL": "tool_calls",
}
_FAILED: Final = frozenset({"ERROR", "TIMEOUT"})
_READ: Final = frozenset({"role", "content", "tool_plan", "tool_calls", "citations"})
_SILENT: Final = frozenset({"content-end", "tool-call-end", "citation-end"})
_OPAQUE: Final = {"thinking": THINKING, "tool_plan": PLAN}


class Decoder:
    """Reads a streamed or a whole answer; the first byte shows which one it is.

    ``prices`` of input and output, in USD per million, give the cost of the billed units, which are fewer than
    the counted tokens.
    """

    __slots__ = (
        "_body", "_calls", "_places", "_prices", "_said", "_sse", "_started", "_thinks", "_told", "_whole",
        "finished", "limits", "request_id",
    )  # fmt: skip

    def __init__(self, *, prices: tuple[float, float] | None = None, max_event_bytes: int = 8 * 1024 * 1024) -> None:
        self.request_id: str | None = None
        self.limits: RateLimits | None = None
        self.finished: bool = False
        self._prices = prices
        self._sse = SSEDecoder(max_event_bytes=max_event_bytes)
        self._whole: bool | None = None  # None until a byte shows which
        self._body = bytearray()
        self._calls = ToolCallAssembler()
        self._started = False
        self._thinks: str | None = None  # the kind of reasoning that is open
        self._said = 0  # characters of text
        self._places: dict[int, int] = {}  # where in the text each block of the content begins
        self._told: set[str] = set()

    def feed(self, data: bytes) -> Iterator[Event]:
        """The events that these bytes complete; raises ProtocolError, or the HTTPError that they contain."""
        if self._whole is None:
            data = data.lstrip()
            if not data:
                return
            # A stream's lines never begin with a brace, a whole answer always does.
            self._whole = data.startswith(b"{")
        if self._whole:
            self._body += data
            if len(self._body) > MAX_BODY_BYTES:
                raise ProtocolError(f"the answer is larger than {MAX_BODY_BYTES:,} bytes")
            return
        for _, payload in self._sse.feed(data):
            if self.finished:  # what follows the end marker is not read
                return
            if payload != b"[DONE]":
                yield from self._event(json_object(payload))

    def end(self, *, delimited: bool) -> Iterator[Event]:
        """The events that the end of the body completes; raises StreamBrokenError if it came too early."""
        if self.finished:
            return
        if self._whole:
            try:
                value = json_object(bytes(self._body))
            except ProtocolError:
                if delimited:
                    raise
                raise StreamBrokenError("the connection ended inside the answer") from None
            yield from self._answer(value)
        elif not self._started and delimited:
            raise ProtocolError("the body does not contain an answer: it is neither JSON nor an event stream")
        else:
            self._sse.feed(b"")  # raises where the last event was too large
            raise StreamBrokenError("the stream ended before its end marker (message-end)")

    # ── a stream ──────────────────────────────────────────────────────────────────────────────────────

    def _event(self, event: Mapping[str, Any]) -> Iterator[Event]:
        kind = string(event.get("type"))
        if kind in _SILENT:
            return
        delta = table(event.get("delta") or {}, "delta")
        message = table(delta.get("message") or {}, "delta.message")
        index = _index(event.get("index"))
        match kind:
            case "content-delta" | "content-start":
                yield from self._block(table(message.get("content") or {}, "content"), index)
            case "tool-plan-delta":
                yield from self._reasoning("tool_plan", text_of(message.get("tool_plan") or "", "tool_plan"))
            case "tool-call-start" | "tool-call-delta":
                yield from self._tool_call(table(message.get("tool_calls") or {}, "tool_calls"), index)
            case "citation-start":
                yield from self._citation(table(message.get("citations") or {}, "citations"))
            case "message-start":
                self._started = True
                yield self._start(event)
                yield from self._message(message)
            case "message-end":
                yield from self._end(delta)
            case _:
                yield from self._unread(f"event of type {kind!s:.40}")
        if event.get("logprobs"):
            yield _logprobs(event["logprobs"])

    # ── a whole answer ────────────────────────────────────────────────────────────────────────────────

    def _answer(self, value: Mapping[str, Any]) -> Iterator[Event]:
        if "message" not in value or not isinstance(value["message"], dict):
            if value.get("error_type") or value.get("error"):
                raise failure_of(value, request_id=self.request_id)
            raise ProtocolError("the answer has no message")
        yield self._start(value)
        yield from self._message(value["message"])
        if value.get("logprobs"):
            yield _logprobs(value["logprobs"])
        yield from self._end(value)

    # ── what both have ────────────────────────────────────────────────────────────────────────────────

    def _start(self, value: Mapping[str, Any]) -> Start:
        return Start(response_id=string(value.get("id")), request_id=self.request_id, limits=self.limits)

    def _message(self, message: Mapping[str, Any]) -> Iterator[Event]:
        content = message.get("content") or []
        if isinstance(content, str):
            content = [{"type": "text", "text": content}]
        for index, block in enumerate(objects(content, "content")):
            yield from self._block(block, index)
        if message.get("tool_plan"):
            yield from self._reasoning("tool_plan", text_of(message["tool_plan"], "tool_plan"))
        for index, call in enumerate(objects(message.get("tool_calls") or [], "tool_calls")):
            yield from self._tool_call(call, index)
        for citation in objects(message.get("citations") or [], "citations"):
            yield from self._citation(citation)
        for name in message.keys() - _READ:
            if message[name]:
                yield from self._unread(name)

    def _block(self, block: Mapping[str, Any], index: int) -> Iterator[Event]:
        """A block of the content, or the next piece of one, which has no type."""
        kind = block.get("type")
        if kind is not None and string(kind) not in {"text", "thinking"}:
            yield from self._unread(f"content of type {kind!s:.40}")
        if block.get("thinking"):
            yield from self._reasoning("thinking", text_of(block["thinking"], "content.thinking"))
        if block.get("text"):
            yield from self._close()
            text = text_of(block["text"], "content.text")
            self._places.setdefault(index, self._said)
            self._said += len(text)
            yield TextDelta(text)

    def _reasoning(self, kind: str, text: str) -> Iterator[Event]:
        if self._thinks != kind:
            yield from self._close()
        if text:
            self._thinks = kind
            yield ReasoningDelta(text)

    def _close(self) -> Iterator[Event]:
        """Ends the open reasoning with its kind, for each goes back in a field of its own."""
        if self._thinks is not None:
            yield ReasoningDelta("", _OPAQUE[self._thinks])
            self._thinks = None

    def _tool_call(self, call: Mapping[str, Any], index: int) -> Iterator[Event]:
        yield from self._close()
        function = table(call.get("function") or {}, "tool_calls[].function")
        delta = self._calls.take(
            index=index,
            call_id=string(call.get("id")),
            name=text_of(function.get("name") or "", "tool_calls[].function.name"),
            arguments=text_of(function.get("arguments") or "", "tool_calls[].function.arguments"),
        )
        if delta is not None:
            yield delta

    def _citation(self, citation: Mapping[str, Any]) -> Iterator[Event]:
        """A source for each thing that is cited: its address, or else the id under which it was given."""
        start, end = count(citation.get("start")), count(citation.get("end"))
        if string(citation.get("type")) in {"THINKING_CONTENT", "PLAN"}:
            start = end = None  # they are places in what was thought, not in the text
        before = self._places.get(_index(citation.get("content_index")), 0)
        for source in objects(citation.get("sources") or [], "citations[].sources"):
            told = source.get("document") or source.get("tool_output")
            told = told if isinstance(told, dict) else {}
            yield Source(
                string(told.get("url")) or string(source.get("id")) or "",
                string(told.get("title")),
                None if start is None else before + start,
                None if end is None else before + end,
            )

    def _unread(self, subject: str) -> Iterator[Notice]:
        if subject not in self._told:
            self._told.add(subject)
            yield Notice(subject, "the answer contains this, but Segue does not read it")

    def _end(self, told: Mapping[str, Any]) -> Iterator[Event]:
        yield from self._close()
        raw = string(told.get("finish_reason"))
        if raw in _FAILED:
            raise failure_of({"error_type": raw, **told}, request_id=self.request_id)
        if told.get("usage"):
            yield self._usage(table(told["usage"], "usage"))
        if raw is None:
            yield Notice("finish_reason", "the host gave no reason for the end of the answer")
        self.finished = True
        yield Finish(_FINISH.get(raw or "", "unknown"), raw)

    def _usage(self, usage: Mapping[str, Any]) -> Usage:
        """Images are counted beside the other tokens here: 259 of an image where all others were 34 were recorded."""
        tokens = table(usage.get("tokens") or {}, "usage.tokens")
        billed = table(usage.get("billed_units") or {}, "usage.billed_units")
        read, written = count(tokens.get("input_tokens")), count(tokens.get("output_tokens"))
        if read is not None:
            read += count(tokens.get("image_tokens")) or 0
        bill = [count(billed.get(name)) for name in ("input_tokens", "output_tokens")]
        cost = None
        if self._prices is not None and None not in bill:
            cost = sum(price * (units or 0) / 1_000_000 for price, units in zip(self._prices, bill, strict=True))
        return Usage(
            input_tokens=read,
            output_tokens=written,
            total_tokens=None if read is None or written is None else read + written,
            cached_tokens=count(usage.get("cached_tokens")),
            reasoning_tokens=count(tokens.get("reasoning_tokens")),
            cost=cost,
        )


def _index(value: object) -> int:
    return count(value) or 0


def _logprobs(value: object) -> Logprobs:
    """Cohere tells several tokens of one text at times: then their joint probability."""
    items = objects(value if isinstance(value, list) else [value], "logprobs")
    return Logprobs(
        tuple(
            token_of({"token": item.get("text") or "", "logprob": float(sum(_numbers(item.get("logprobs"))))})
            for item in items
        )
    )


def _numbers(value: object) -> list[float]:
    if not isinstance(value, list) or not all(isinstance(number, (int, float)) for number in value):
        raise ProtocolError("logprobs[].logprobs is not a list of numbers")
    return value
