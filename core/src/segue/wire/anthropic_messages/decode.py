"""Decodes the bytes of an answer into events.

An answer is a list of blocks; a stream sends them one by one, each with a start, deltas and an end. A whole
answer is read like a stream in which the start of each block has all of its content.

Only ``message_stop`` ends a stream.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from ...errors import ProtocolError, StreamBrokenError
from ...events import Finish, Notice, ReasoningDelta, RefusalDelta, Source, Start, StopReason, TextDelta, Usage
from ...json_text import from_json, to_json
from ..failures import failure_of
from ..reading import count, json_object, objects, string, table, text_of
from ..sse import SSEDecoder
from ..tool_calls import ToolCallAssembler

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ...events import Event, RateLimits

MAX_BODY_BYTES: Final = 32 * 1024 * 1024
"""The largest whole (not streamed) answer that is read."""

FINISH: Final[Mapping[str, StopReason]] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}
"""Why an answer ended: the values of this wire."""

# Ends that are none: the message goes back as it is, and the host goes on with it.
_PAUSED: Final = frozenset({"pause_turn", "compaction"})

# The blocks that go back to the host as it gave them. An opaque part of another wire is of none of these types, but
# for the compaction of the Responses wire, which has no content in the open.
_RETURNED: Final = re.compile(
    r"(?:redacted_)?thinking|compaction|fallback|container_upload|[a-z_]+_tool_(?:use|result|listing)"
)

_BOM: Final = b"\xef\xbb\xbf"


def opaque_block(opaque: str | None) -> dict[str, Any] | None:
    """The block of this wire that an opaque part contains; None if it contains none."""
    try:
        block = from_json(opaque or "")
    except ValueError:
        return None
    kind = block.get("type") if isinstance(block, dict) else None
    if not isinstance(kind, str) or not _RETURNED.fullmatch(kind):
        return None
    return block if kind != "compaction" or "content" in block else None


class _Block:
    """A block that has begun."""

    __slots__ = ("citations", "offset", "pieces", "told", "type")

    def __init__(self, told: dict[str, Any], kind: str, offset: int) -> None:
        self.told = told
        self.type = kind
        self.offset = offset  # where it begins in the answer's text
        self.pieces: list[str] = []  # of its input
        self.citations: list[dict[str, Any]] = []


class Decoder:
    """Reads a streamed or a whole answer; the first bytes show which one it is."""

    __slots__ = (
        "_assembler", "_blocks", "_body", "_characters", "_end", "_first", "_is_counted", "_sse", "_started", "_told",
        "_usage", "finished", "limits", "request_id",
    )  # fmt: skip

    def __init__(self, *, max_event_bytes: int = 8 * 1024 * 1024) -> None:
        self.request_id: str | None = None
        self.limits: RateLimits | None = None
        self.finished: bool = False
        self._sse = SSEDecoder(max_event_bytes=max_event_bytes)
        self._body: bytearray | None = None  # a whole answer
        self._first: bytes | None = b""  # what came before the form was known
        self._started = False
        self._assembler = ToolCallAssembler()
        self._blocks: dict[int, _Block] = {}
        self._characters = 0
        self._usage: dict[str, Any] = {}
        self._is_counted: bool = True
        self._end: dict[str, Any] = {}  # what was told of the end
        self._told: set[str] = set()

    def feed(self, data: bytes) -> Iterator[Event]:
        """The events that these bytes complete; raises ProtocolError, or the HTTPError that they contain."""
        if self._first is not None:
            # A stream's lines never begin with a brace, a whole answer always does.
            data = self._first + data
            head = data.removeprefix(_BOM).lstrip()
            if not head or (len(head) < len(_BOM) and _BOM.startswith(head)):
                self._first = data[-1024:]
                return
            self._first = None
            if head.startswith(b"{"):
                self._body, data = bytearray(), head
        if self._body is not None:
            self._body += data
            if len(self._body) > MAX_BODY_BYTES:
                raise ProtocolError(f"the answer is larger than {MAX_BODY_BYTES:,} bytes")
            return
        for _, payload in self._sse.feed(data):
            if self.finished:  # the first end marker wins
                return
            yield from self._event(json_object(payload))

    def end(self, *, delimited: bool) -> Iterator[Event]:
        """The events that the end of the body completes; raises StreamBrokenError if it came too early."""
        if self.finished:
            return
        if self._body is not None:
            try:
                value = json_object(bytes(self._body))
            except ProtocolError:
                if delimited:
                    raise
                raise StreamBrokenError("the connection ended inside the answer") from None
            yield from self._whole(value)
        elif not self._started and delimited:
            raise ProtocolError("the body does not contain an answer: it is neither JSON nor an event stream")
        else:
            self._sse.feed(b"")  # raises where the last event was too large
            raise StreamBrokenError("the stream ended before its end marker (message_stop)")

    def _whole(self, message: dict[str, Any]) -> Iterator[Event]:
        if message.get("type") == "error" or "error" in message:
            raise self._failure(message)
        yield from self._start(message)
        if "content" not in message:
            yield from self._notice("content", "the response is not in the format of the Messages wire")
        for index, block in enumerate(objects(message.get("content") or [], "content")):
            yield from self._begin(index, block)
            yield from self._stop(index)
        yield from self._finish(message)

    # ── a stream ──────────────────────────────────────────────────────────────────────────────────────

    def _event(self, event: dict[str, Any]) -> Iterator[Event]:
        match event.get("type"):
            case "content_block_delta":
                yield from self._delta(_index(event), table(event.get("delta"), "delta"))
            case "content_block_start":
                yield from self._begin(_index(event), table(event.get("content_block"), "content_block"))
            case "content_block_stop":
                yield from self._stop(_index(event))
            case "message_start":
                if not self._started:
                    yield from self._start(table(event.get("message"), "message"))
                    yield from self._counts()
            case "message_delta":
                self._end |= table(event.get("delta") or {}, "delta")
                self._count(event.get("usage"))
                yield from self._counts()
            case "message_stop":
                for index in list(self._blocks):  # of a host that does not end them
                    yield from self._stop(index)
                yield from self._finish(self._end)
            case "ping":
                pass
            case "error":
                raise self._failure(event)
            case kind:
                yield from self._notice(f"event of type {kind!s:.40}", _UNREAD)

    def _failure(self, told: dict[str, Any]) -> Exception:
        return failure_of(told, request_id=string(told.get("request_id")) or self.request_id)

    def _start(self, message: Mapping[str, Any]) -> Iterator[Event]:
        self._started = True
        self._count(message.get("usage"))
        yield Start(
            model=string(message.get("model")),
            response_id=string(message.get("id")),
            request_id=self.request_id,
            limits=self.limits,
        )

    def _count(self, usage: object) -> None:
        """Counts are cumulative: the last one told holds, and what is not told again stays."""
        told = {name: value for name, value in table(usage or {}, "usage").items() if value is not None}
        self._usage |= told
        self._is_counted = self._is_counted and not told

    def _counts(self) -> Iterator[Usage]:
        """What was counted so far, where it was not given yet: an answer that breaks off has cost something too."""
        if not self._is_counted:
            self._is_counted = True
            yield _usage(self._usage)

    def _finish(self, message: Mapping[str, Any]) -> Iterator[Event]:
        raw = string(message.get("stop_reason"))
        ours: StopReason = FINISH.get(raw or "", "unknown")
        details = message.get("stop_details")
        if isinstance(details, dict) and string(details.get("explanation")):
            yield RefusalDelta(details["explanation"])
        container = message.get("container")
        if isinstance(container, dict) and string(container.get("id")):
            name = container["id"]
            yield Notice(
                "container",
                f"the tools of the host ran in {name:.80}; set the option container to it to continue there",
            )
        if string(message.get("stop_sequence")):
            yield Notice("stop_sequence", f"the answer ended at the stop sequence {message['stop_sequence']!r:.80}")
        if raw in _PAUSED:
            yield Notice("stop_reason", f"the host paused ({raw}): send the message back to continue")
        elif ours == "unknown":
            yield Notice("stop_reason", "the answer has no stop_reason" if raw is None else f"unknown value {raw:.40}")
        yield from self._counts()
        self.finished = True
        yield Finish(ours, raw)

    def _notice(self, subject: str, message: str) -> Iterator[Notice]:
        """A notice, once of each subject."""
        if subject not in self._told:
            self._told.add(subject)
            yield Notice(subject, message)

    # ── blocks ────────────────────────────────────────────────────────────────────────────────────────

    def _begin(self, index: int, told: dict[str, Any]) -> Iterator[Event]:
        if not self._started:
            yield from self._start({})
        yield from self._stop(index)
        kind = text_of(told.get("type"), "content_block.type")
        block = self._blocks[index] = _Block(told, kind, self._characters)
        match kind:
            case "text":
                yield from self._text(told.get("text"))
                block.citations += objects(told.get("citations") or [], "citations")
            case "thinking":
                yield from _thought(told.get("thinking"))
            case "tool_use":
                name = text_of(told.get("name") or "", "name")
                call_id = string(told.get("id"))
                delta = self._assembler.take(index=index, call_id=call_id, name=name, arguments="")
                if delta is not None:
                    caller = opaque_caller(told.get("caller"))
                    yield delta if caller is None else replace(delta, opaque=caller)
            case "redacted_thinking":
                pass
            case _ if _RETURNED.fullmatch(kind):
                yield from self._notice(
                    f"content of type {kind:.60}", "Segue does not read it, but sends it back with the message"
                )
            case _:
                yield from self._notice(f"content of type {kind:.60}", _UNREAD)

    def _text(self, text: object) -> Iterator[Event]:
        if text:
            told = text_of(text, "text")
            self._characters += len(told)
            yield TextDelta(told)

    def _delta(self, index: int, delta: dict[str, Any]) -> Iterator[Event]:
        block = self._blocks.get(index)
        if block is None:
            raise ProtocolError("content_block_delta belongs to a block that has not started or has ended")
        kind = delta.get("type")
        match kind, block.type:
            case "text_delta", "text":
                yield from self._text(delta.get("text"))
            case "thinking_delta", "thinking":
                yield from _thought(delta.get("thinking"))
            case "signature_delta", "thinking":
                block.told["signature"] = text_of(delta.get("signature"), "signature")
            case "citations_delta", "text":
                block.citations.append(table(delta.get("citation"), "citation"))
            case "input_json_delta", of:
                piece = text_of(delta.get("partial_json") or "", "partial_json")
                block.pieces.append(piece)
                if of == "tool_use":
                    told = self._assembler.take(index=index, call_id=None, name="", arguments=piece)
                    if told is not None:
                        yield told
            case "compaction_delta", "compaction":
                block.told |= {name: value for name, value in delta.items() if name != "type"}
            case _:
                yield from self._notice(f"delta of type {kind!s:.40}", _UNREAD)

    def _stop(self, index: int) -> Iterator[Event]:
        block = self._blocks.pop(index, None)
        if block is None:
            return
        told = block.told
        match block.type:
            case "text":
                for citation in block.citations:
                    yield _source(citation, block.offset, self._characters)
            case "thinking":
                signature = text_of(told.get("signature") or "", "signature")
                yield ReasoningDelta("", to_json({"type": "thinking", "signature": signature}).decode())
            case "tool_use":
                if not any(block.pieces):  # a whole answer, or a host that tells the input at once
                    written = to_json(told.get("input") or {}).decode()
                    delta = self._assembler.take(index=index, call_id=None, name="", arguments=written)
                    if delta is not None:
                        yield delta
            case kind if _RETURNED.fullmatch(kind):
                if any(block.pieces):
                    told["input"] = json_object("".join(block.pieces))
                yield ReasoningDelta("", to_json(told).decode())
            case _:
                pass


_UNREAD: Final = "the answer contains this, but Segue does not read it"


def opaque_caller(caller: object) -> str | None:
    """Who called a tool, if it was not the model itself but its code: the host needs it back."""
    if not isinstance(caller, dict) or caller.get("type") == "direct":
        return None
    return to_json({"caller": caller}).decode()


def _thought(text: object) -> Iterator[Event]:
    if text:
        yield ReasoningDelta(text_of(text, "thinking"))


def _index(event: Mapping[str, Any]) -> int:
    index = count(event.get("index"))
    if index is None:
        raise ProtocolError("index is not a whole number of at least 0")
    return index


def _source(citation: Mapping[str, Any], start: int, end: int) -> Source:
    """What a block of text rests on: a page, a search result, or a document of the request."""
    url = string(citation.get("url")) or string(citation.get("source")) or string(citation.get("file_id"))
    title = string(citation.get("title")) or string(citation.get("document_title"))
    return Source(url or f"document_{count(citation.get('document_index')) or 0}", title, start, end)


def _usage(usage: Mapping[str, Any]) -> Usage:
    """The counts, with cached tokens as part of the input; on the wire they are separate."""
    cached, written = count(usage.get("cache_read_input_tokens")), count(usage.get("cache_creation_input_tokens"))
    fresh, output = count(usage.get("input_tokens")), count(usage.get("output_tokens"))
    inputs = None if fresh is None else fresh + (cached or 0) + (written or 0)
    details = usage.get("output_tokens_details")
    return Usage(
        input_tokens=inputs,
        output_tokens=output,
        total_tokens=None if inputs is None or output is None else inputs + output,
        cached_tokens=cached,
        cache_write_tokens=written,
        reasoning_tokens=count(details.get("thinking_tokens")) if isinstance(details, dict) else None,
    )
