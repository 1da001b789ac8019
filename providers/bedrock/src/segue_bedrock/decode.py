"""Decodes a Converse answer into events: the event stream of ConverseStream, or the JSON of Converse.

An answer is a list of blocks; a whole answer is read like a stream in which the start of each block has all of its
content. Sources: the service model of botocore 1.44.5, and recorded answers.

A stream ends with two events: ``messageStop`` with the reason, then ``metadata`` with the usage and the actions of a
guardrail. Only both together end it. Without ``metadata`` the text is complete, but unknown usage must not look like
an answer that cost nothing: then the framing of HTTP must prove that nothing more was sent, and a notice says what is
missing.
"""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Any, Final

from segue.plugin import (
    Finish,
    Notice,
    ProtocolError,
    ReasoningDelta,
    Source,
    Start,
    StreamBrokenError,
    TextDelta,
    Usage,
)
from segue.wire import from_json, to_json
from segue.wire.failures import failure_of
from segue.wire.reading import count, json_object, objects, string, table, text_of
from segue.wire.tool_calls import ToolCallAssembler

from .event_stream import MAX_PAYLOAD_BYTES, EventStreamDecoder

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from segue.plugin import Event, RateLimits, StopReason

    from .event_stream import Frame

MAX_BODY_BYTES: Final = 32 * 1024 * 1024
"""The largest whole (not streamed) answer that is read."""

FINISH: Final[Mapping[str, StopReason]] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "content_filtered": "content_filter",
    "guardrail_intervened": "content_filter",
    "malformed_model_output": "unknown",
    "malformed_tool_use": "unknown",
}
"""Why an answer ended: the values of this wire."""

STATUSES: Final[Mapping[str, int]] = {
    "internalServerException": 500,
    "modelErrorException": 500,
    "modelNotReadyException": 503,
    "modelStreamErrorException": 500,
    "modelTimeoutException": 408,
    "serviceUnavailableException": 503,
    "throttlingException": 429,
    "validationException": 400,
}
"""The status of an exception inside a stream.

The service model has 424 for an exception of the model. That number means an error in the request, but the description
says "Retry your request". It has 429 for a model that is not ready, which is not a rate limit.
"""

_MALFORMED: Final = frozenset({"malformed_model_output", "malformed_tool_use"})
_UNREAD: Final = "the answer contains this, but Segue does not read it"
_JSON_BEGINS: Final = frozenset(b"{ \t\r\n\xef")


def opaque_block(opaque: str | None) -> dict[str, Any] | None:
    """The block of this wire that an opaque part contains; None if it contains none."""
    try:
        block = from_json(opaque or "")
    except ValueError:
        return None
    if not isinstance(block, dict) or len(block) != 1:
        return None
    kind, told = next(iter(block.items()))
    return block if kind in {"reasoningContent", "toolUse", "toolResult"} and isinstance(told, dict) else None


class _Block:
    """A block that has begun; ``kind`` is the name of its member of the union."""

    __slots__ = ("citations", "kind", "offset", "pieces", "redacted", "signature", "told")

    def __init__(self, kind: str, told: dict[str, Any], offset: int) -> None:
        self.kind = kind
        self.told = told
        self.offset = offset  # where it begins in the answer's text
        self.pieces: list[str] = []  # of its input
        self.signature = ""
        self.redacted: list[str] = []
        self.citations: list[dict[str, Any]] = []


class Decoder:
    """Reads a streamed or a whole answer; the first byte shows which one it is.

    ``answer_tool`` names the tool whose input is the answer, if the schema was sent in that way.
    """

    __slots__ = (
        "_answer_tool", "_assembler", "_blocks", "_body", "_called", "_characters", "_counted", "_frames", "_started",
        "_stop_reason", "_stopped", "_told", "finished", "limits", "request_id",
    )  # fmt: skip

    def __init__(self, *, answer_tool: str | None = None, max_payload_bytes: int = MAX_PAYLOAD_BYTES) -> None:
        self.request_id: str | None = None
        self.limits: RateLimits | None = None
        self.finished: bool = False
        self._frames = EventStreamDecoder(max_payload_bytes=max_payload_bytes)
        self._body: bytearray | None = None  # a whole answer
        self._started = False
        self._answer_tool = answer_tool
        self._assembler = ToolCallAssembler()
        self._blocks: dict[int, _Block] = {}
        self._called = False  # whether a tool other than that of the answer was
        self._characters = 0
        self._stopped = False  # messageStop came
        self._stop_reason: str | None = None
        self._counted = False  # metadata came
        self._told: set[str] = set()

    def feed(self, data: bytes) -> Iterator[Event]:
        """The events that these bytes complete; raises ProtocolError, or the HTTPError that they contain."""
        if not data:
            return
        if self._body is None and not self._started and not self._frames.pending and data[0] in _JSON_BEGINS:
            # As the first byte of a message these would say that it has 150 MB or more.
            self._body = bytearray()
        if self._body is not None:
            self._body += data
            if len(self._body) > MAX_BODY_BYTES:
                raise ProtocolError(f"the answer is larger than {MAX_BODY_BYTES:,} bytes")
            return
        for frame in self._frames.feed(data):
            if self.finished:  # the first end wins
                return
            yield from self._frame(frame)

    def end(self, *, delimited: bool) -> Iterator[Event]:
        """The events that the end of the body completes; raises StreamBrokenError if it came too early."""
        if self.finished:
            return
        if self._body is not None:
            try:
                value = json_object(bytes(self._body).removeprefix(b"\xef\xbb\xbf"))
            except ProtocolError:
                if delimited:
                    raise
                raise StreamBrokenError("the connection ended inside the answer") from None
            yield from self._whole(value)
        elif self._stopped and delimited and not self._frames.pending:
            yield Notice("usage", "the stream ended without its metadata: usage and cost are unknown")
            yield from self._finish()
        elif not self._started and delimited and not self._frames.pending:
            raise ProtocolError("the body does not contain an answer: it is neither JSON nor an event stream")
        else:
            raise StreamBrokenError("the stream ended before its end (messageStop and metadata)")

    # ── a stream ──────────────────────────────────────────────────────────────────────────────────────

    def _frame(self, frame: Frame) -> Iterator[Event]:
        match frame.text(":message-type"):
            case "event":
                yield from self._event(frame.text(":event-type"), json_object(frame.payload))
            case "exception":
                raise self._failure(frame.text(":exception-type"), frame.payload)
            case "error":
                raise self._failure(frame.text(":error-code"), frame.text(":error-message").encode())
            case kind:
                raise ProtocolError(f"a message is neither an event nor an exception, but {kind!r:.40}")

    def _failure(self, code: str, payload: bytes) -> Exception:
        try:
            message = string(json_object(payload).get("message"))
        except ProtocolError:  # of a failure its type is enough
            message = payload[:2000].decode("utf-8", "replace")
        status = STATUSES.get(code[:1].lower() + code[1:], 500)
        told = {"code": status, "type": code, "message": message}
        return failure_of({"error": told}, request_id=self.request_id)

    def _event(self, kind: str, event: dict[str, Any]) -> Iterator[Event]:
        match kind:
            case "contentBlockDelta":
                yield from self._delta(_index(event), table(event.get("delta"), "delta"))
            case "contentBlockStart":
                yield from self._begin(_index(event), table(event.get("start"), "start"))
            case "contentBlockStop":
                yield from self._stop(_index(event))
            case "messageStart":
                yield from self._start()
            case "messageStop":
                for index in list(self._blocks):
                    yield from self._stop(index)
                yield from self._end(event)
            case "metadata":
                yield from self._metadata(event)
            case _:
                yield from self._notice(f"event of type {kind:.40}", _UNREAD)
        if self._stopped and self._counted:
            yield from self._finish()

    def _start(self) -> Iterator[Event]:
        if not self._started:
            self._started = True
            yield Start(request_id=self.request_id, limits=self.limits)

    def _notice(self, subject: str, message: str) -> Iterator[Notice]:
        """A notice, once of each subject."""
        if subject not in self._told:
            self._told.add(subject)
            yield Notice(subject, message)

    # ── a whole answer ────────────────────────────────────────────────────────────────────────────────

    def _whole(self, answer: dict[str, Any]) -> Iterator[Event]:
        yield from self._start()
        output = table(answer.get("output") or {}, "output")
        if "message" not in output:
            yield from self._notice("output", "the response is not in the format of the Converse wire")
        message = table(output.get("message") or {}, "output.message")
        for index, block in enumerate(objects(message.get("content") or [], "content")):
            yield from self._block(index, block)
        yield from self._end(answer)
        yield from self._metadata(answer)
        yield from self._finish()

    def _block(self, index: int, block: dict[str, Any]) -> Iterator[Event]:
        for kind, told in block.items():
            match kind:
                case "text":
                    yield from self._delta(index, block)
                case "citationsContent":
                    cited = table(told, kind)
                    for part in objects(cited.get("content") or [], f"{kind}.content"):
                        yield from self._delta(index, part)
                    for citation in objects(cited.get("citations") or [], f"{kind}.citations"):
                        yield from self._delta(index, {"citation": citation})
                case "reasoningContent":
                    thought = table(told, kind)
                    for part in (table(thought.get("reasoningText") or {}, "reasoningText"), thought):
                        named = {name: part[name] for name in _THOUGHT if name in part}
                        if named:
                            yield from self._delta(index, {kind: named})
                case _:
                    yield from self._begin(index, {kind: told})
        yield from self._stop(index)

    # ── blocks ────────────────────────────────────────────────────────────────────────────────────────

    def _begin(self, index: int, start: dict[str, Any]) -> Iterator[Event]:
        yield from self._start()
        yield from self._stop(index)
        for kind, value in start.items():
            if kind not in {"toolUse", "toolResult"}:
                yield from self._notice(f"content of type {kind:.60}", _UNREAD)
                continue
            told = table(value, kind)
            block = self._blocks[index] = _Block(kind, told, self._characters)
            name = string(told.get("name")) or ""
            if kind == "toolResult" or told.get("type") == "server_tool_use":
                message = "Segue does not read it, but sends it back with the message"
                yield from self._notice(f"content of type {string(told.get('type')) or kind:.60}", message)
            elif name == self._answer_tool:
                block.kind = "answer"
            else:
                block.kind = "call"
                self._called = True
                call_id = string(told.get("toolUseId"))
                delta = self._assembler.take(index=index, call_id=call_id, name=name, arguments="")
                if delta is not None:
                    yield delta

    def _delta(self, index: int, delta: dict[str, Any]) -> Iterator[Event]:
        yield from self._start()
        for kind, value in delta.items():
            block = self._blocks.get(index)
            match kind:
                case "text":
                    self._of(index, "text")
                    yield from self._text(text_of(value, kind))
                case "citation":
                    self._of(index, "text").citations.append(table(value, kind))
                case "reasoningContent":
                    yield from self._thought(self._of(index, kind), table(value, kind))
                case "toolUse" if block is not None and block.kind in {"call", "answer", "toolUse"}:
                    yield from self._input(index, block, text_of(table(value, kind).get("input") or "", "input"))
                case "toolResult" if block is not None and block.kind == kind:
                    block.told.setdefault("content", []).extend(objects(value, kind))
                case "toolUse" | "toolResult":
                    raise ProtocolError("contentBlockDelta belongs to a tool that has not started or has ended")
                case _:
                    yield from self._notice(f"delta of type {kind:.40}", _UNREAD)

    def _of(self, index: int, kind: str) -> _Block:
        """The block, begun now where it is not yet: those of text and of thoughts have no start."""
        block = self._blocks.get(index)
        if block is None:
            block = self._blocks[index] = _Block(kind, {}, self._characters)
        elif block.kind != kind:
            raise ProtocolError(f"contentBlockDelta of type {kind} belongs to a block of another type")
        return block

    def _text(self, text: str) -> Iterator[Event]:
        if text:
            self._characters += len(text)
            yield TextDelta(text)

    def _input(self, index: int, block: _Block, piece: str) -> Iterator[Event]:
        block.pieces.append(piece)
        match block.kind:
            case "answer":
                yield from self._text(piece)
            case "call":
                delta = self._assembler.take(index=index, call_id=None, name="", arguments=piece)
                if delta is not None:
                    yield delta
            case _:
                pass

    def _thought(self, block: _Block, thought: dict[str, Any]) -> Iterator[Event]:
        for kind, value in thought.items():
            match kind:
                case "text":
                    if text := text_of(value, kind):
                        yield ReasoningDelta(text)
                case "signature":
                    block.signature += text_of(value, kind)
                case "redactedContent":
                    block.redacted.append(text_of(value, kind))
                case _:
                    yield from self._notice(f"reasoning of type {kind:.40}", _UNREAD)

    def _stop(self, index: int) -> Iterator[Event]:
        block = self._blocks.pop(index, None)
        if block is None:
            return
        match block.kind:
            case "text":
                for citation in block.citations:
                    yield _source(citation, block.offset, self._characters)
            case "reasoningContent":
                yield from _opaque(block)
            case "call" | "answer":
                if not any(block.pieces):  # a whole answer has its input in its beginning
                    told = block.told.get("input")
                    yield from self._input(index, block, to_json({} if told is None else told).decode())
            case kind:
                if any(block.pieces):
                    block.told["input"] = json_object("".join(block.pieces))
                elif kind == "toolUse":
                    block.told.setdefault("input", {})
                else:
                    block.told.setdefault("content", [])
                yield ReasoningDelta("", to_json({kind: block.told}).decode())

    # ── the end ───────────────────────────────────────────────────────────────────────────────────────

    def _end(self, told: Mapping[str, Any]) -> Iterator[Event]:
        self._stopped = True
        self._stop_reason = string(told.get("stopReason"))
        raw = self._stop_reason
        if raw in _MALFORMED:
            yield Notice("stop_reason", f"the host could not read the output of the model ({raw})")
        elif raw not in FINISH:
            yield Notice("stop_reason", "the answer has no stopReason" if raw is None else f"unknown value {raw:.40}")
        fields = told.get("additionalModelResponseFields")
        if fields:
            yield Notice("additional_model_response_fields", to_json(fields).decode("utf-8", "replace")[:2000])

    def _metadata(self, told: Mapping[str, Any]) -> Iterator[Event]:
        self._counted = True
        trace = table(told.get("trace") or {}, "trace")
        acted = dict.fromkeys(_acted(trace.get("guardrail")))
        if acted:
            yield Notice("guardrail", f"a guardrail changed or blocked the call: {', '.join(acted):.500}")
        router = trace.get("promptRouter")
        if isinstance(router, dict) and string(router.get("invokedModelId")):
            yield Notice("model", f"the router chose {router['invokedModelId']:.200}")
        if told.get("usage"):
            yield _usage(table(told["usage"], "usage"))

    def _finish(self) -> Iterator[Event]:
        raw = self._stop_reason
        ours: StopReason = FINISH.get(raw or "", "unknown")
        if ours == "tool_calls" and self._answer_tool is not None and not self._called:
            ours = "stop"  # the one tool was the answer
        self.finished = True
        yield Finish(ours, raw)


_THOUGHT: Final = ("text", "signature", "redactedContent")


def _index(event: Mapping[str, Any]) -> int:
    index = count(event.get("contentBlockIndex"))
    if index is None:
        raise ProtocolError("contentBlockIndex is not a whole number of at least 0")
    return index


def _opaque(block: _Block) -> Iterator[Event]:
    """The reasoning that the host wants back: only signed or hidden reasoning."""
    if block.redacted:
        told: dict[str, Any] = {"redactedContent": _joined(block.redacted)}
    elif block.signature:
        told = {"reasoningText": {"signature": block.signature}}
    else:
        return
    yield ReasoningDelta("", to_json({"reasoningContent": told}).decode())


def _joined(pieces: list[str]) -> str:
    """Pieces of base64, each of bytes of its own, as one."""
    if len(pieces) == 1:
        return pieces[0]
    try:
        return base64.b64encode(b"".join(base64.b64decode(piece, validate=True) for piece in pieces)).decode("ascii")
    except (binascii.Error, ValueError):
        raise ProtocolError("redactedContent is not base64") from None


def _source(citation: Mapping[str, Any], start: int, end: int) -> Source:
    """What a block of text rests on: a page, a search result, or a document of the request by its place there."""
    location = table(citation.get("location") or {}, "location")
    kind, place = next(((name, value) for name, value in location.items() if isinstance(value, dict)), ("", {}))
    index = count(place.get("searchResultIndex" if kind == "searchResultLocation" else "documentIndex")) or 0
    known = string(place.get("url")) or string(citation.get("source"))
    name = "search_result" if kind == "searchResultLocation" else "document"
    return Source(known or f"{name}_{index}", string(citation.get("title")), start, end)


def _acted(trace: object) -> Iterator[str]:
    """What a guardrail did, by its names: never what it matched, which is what must not be seen."""
    if isinstance(trace, list):
        for item in trace:
            yield from _acted(item)
    elif isinstance(trace, dict):
        action = trace.get("action")
        if isinstance(action, str) and action != "NONE":
            what = string(trace.get("type")) or string(trace.get("name")) or "word"
            yield f"{what} {action}"
        for value in trace.values():
            yield from _acted(value)


def _usage(usage: Mapping[str, Any]) -> Usage:
    """The counts, with cached tokens as part of the input; on the wire they are separate."""
    cached, written = count(usage.get("cacheReadInputTokens")), count(usage.get("cacheWriteInputTokens"))
    fresh = count(usage.get("inputTokens"))
    return Usage(
        input_tokens=None if fresh is None else fresh + (cached or 0) + (written or 0),
        output_tokens=count(usage.get("outputTokens")),
        total_tokens=count(usage.get("totalTokens")),
        cached_tokens=cached,
        cache_write_tokens=written,
    )
