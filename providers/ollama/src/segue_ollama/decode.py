"""Decodes an answer of Ollama into events.

A stream has one JSON object per line, a whole answer is one object; ``done: true`` marks the end of both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from segue.plugin import (
    Finish,
    Logprobs,
    Notice,
    ProtocolError,
    ReasoningDelta,
    Start,
    StreamBrokenError,
    TextDelta,
    Usage,
)
from segue.wire import to_json
from segue.wire.failures import failure_of
from segue.wire.logprobs import token_of
from segue.wire.reading import count, json_object, objects, string, table, text_of
from segue.wire.tool_calls import ToolCallAssembler

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from segue.plugin import Event, RateLimits, StopReason

MAX_LINE_BYTES: Final = 32 * 1024 * 1024
"""The largest object that is read; a whole answer is one."""

_FINISH: Final[Mapping[str, StopReason]] = {"stop": "stop", "length": "length"}
_READ: Final = frozenset({"role", "content", "thinking", "tool_calls", "tool_name"})


class Decoder:
    """Reads a streamed answer, or a whole one, which is a stream of one object."""

    __slots__ = (
        "_assembler", "_calls", "_line", "_started", "_told", "finished", "limits", "request_id",
    )  # fmt: skip

    def __init__(self) -> None:
        self.request_id: str | None = None
        self.limits: RateLimits | None = None
        self.finished: bool = False
        self._line = bytearray()  # the unfinished one
        self._started = False
        self._assembler = ToolCallAssembler()
        self._calls = 0
        self._told: set[str] = set()

    def feed(self, data: bytes) -> Iterator[Event]:
        """The events of the lines that these bytes complete; raises ProtocolError, or the HTTPError in them."""
        lines = data.split(b"\n")
        rest = lines.pop()
        if lines and self._line:
            lines[0] = bytes(self._line) + lines[0]
            self._line.clear()
        for line in lines:
            if self.finished:  # what follows the end marker is not read
                return
            if len(line) > MAX_LINE_BYTES:
                raise _too_large()
            if line and not line.isspace():
                yield from self._object(json_object(line))
        self._line += rest
        if len(self._line) > MAX_LINE_BYTES:
            raise _too_large()

    def end(self, *, delimited: bool) -> Iterator[Event]:
        """The events of a last line without a line end; raises StreamBrokenError if there was no end marker."""
        if self.finished:
            return
        last = bytes(self._line).strip()
        if last:
            try:
                value = json_object(last)
            except ProtocolError:
                if delimited and not self._started:
                    raise
                raise StreamBrokenError("the answer ended inside an object") from None
            yield from self._object(value)
        if not self.finished:
            if delimited and not self._started:
                raise ProtocolError("the body does not contain an answer")
            raise StreamBrokenError("the answer ended before its end marker (done)")

    def _object(self, value: Mapping[str, Any]) -> Iterator[Event]:
        if value.get("error"):
            raise failure_of(value, request_id=self.request_id)
        if not self._started:
            self._started = True
            yield Start(model=string(value.get("model")), request_id=self.request_id, limits=self.limits)
        message = value.get("message")
        if message:
            yield from self._message(table(message, "message"))
        if value.get("logprobs"):
            yield Logprobs(tuple(token_of(token) for token in objects(value["logprobs"], "logprobs")))
        if value.get("done") is True:
            yield from self._end(value)

    def _message(self, message: Mapping[str, Any]) -> Iterator[Event]:
        if message.get("thinking"):
            yield ReasoningDelta(text_of(message["thinking"], "message.thinking"))
        if message.get("content"):
            yield TextDelta(text_of(message["content"], "message.content"))
        for call in objects(message.get("tool_calls") or [], "message.tool_calls"):
            yield from self._tool_call(call)
        for name in message.keys() - _READ:
            if message[name] and name not in self._told:
                self._told.add(name)
                yield Notice(name, "the answer contains this, but Segue does not read it")

    def _tool_call(self, call: Mapping[str, Any]) -> Iterator[Event]:
        """A call, which always comes whole; older servers give it no id."""
        function = table(call.get("function"), "tool_calls[].function")
        arguments = table(function.get("arguments") or {}, "tool_calls[].function.arguments")
        delta = self._assembler.take(
            index=self._calls,
            call_id=string(call.get("id")),
            name=text_of(function.get("name"), "tool_calls[].function.name"),
            arguments=to_json(arguments).decode(),
        )
        self._calls += 1
        if delta is not None:
            yield delta

    def _end(self, value: Mapping[str, Any]) -> Iterator[Event]:
        read, written = count(value.get("prompt_eval_count")), count(value.get("eval_count"))
        if read is not None or written is not None:
            total = None if read is None or written is None else read + written
            yield Usage(input_tokens=read, output_tokens=written, total_tokens=total)
        raw = string(value.get("done_reason"))
        if raw is None:
            yield Notice("done_reason", "the host gave no reason for the end of the answer")
        reason: StopReason = _FINISH.get(raw or "", "unknown")
        if reason == "stop" and self._calls:
            reason = "tool_calls"  # Ollama has no word of its own for it
        self.finished = True
        yield Finish(reason, raw)


def _too_large() -> ProtocolError:
    return ProtocolError(f"an object of the answer is larger than {MAX_LINE_BYTES:,} bytes")
