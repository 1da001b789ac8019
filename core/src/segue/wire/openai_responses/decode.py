"""Decodes the bytes of an answer into events.

A stream sends everything several times: in deltas, at the end of each part and item, and in the response at the
end. The decoder remembers the deltas, and only new content becomes an event. So it also reads all of an answer
whose host leaves out deltas or the ends of items; and it reads a whole answer like the end of a stream.

Only ``response.completed``, ``response.incomplete`` and ``response.failed`` end a stream.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from ...errors import ProtocolError, StreamBrokenError
from ...events import (
    Finish,
    Logprobs,
    Notice,
    ReasoningDelta,
    RefusalDelta,
    Source,
    Start,
    StopReason,
    TextDelta,
    Usage,
)
from ...json_text import to_json
from ..failures import failure_of
from ..logprobs import token_of
from ..reading import count, json_object, objects, string, table, text_of, usd
from ..sse import SSEDecoder
from ..tool_calls import ToolCallAssembler

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ...events import Event, RateLimits, ToolKind

MAX_BODY_BYTES: Final = 32 * 1024 * 1024
"""The largest whole (not streamed) answer that is read."""

INCOMPLETE: Final[Mapping[str, StopReason]] = {
    "max_output_tokens": "length",
    "content_filter": "content_filter",
}
"""Why an incomplete answer ended, in ``incomplete_details.reason``."""

CALLS: Final[Mapping[str, tuple[ToolKind, str]]] = {
    "function_call": ("function", "arguments"),
    "custom_tool_call": ("custom", "input"),
}
"""The items that are calls of a client's tools, and the field that contains their arguments."""

# What a delta's event is a piece of, and which of its fields numbers that.
_DELTAS: Final = {
    "response.output_text.delta": ("output_text", "content_index"),
    "response.refusal.delta": ("refusal", "content_index"),
    "response.reasoning_summary_text.delta": ("summary_text", "summary_index"),
    "response.reasoning_text.delta": ("reasoning_text", "content_index"),
    "response.function_call_arguments.delta": ("function_call", ""),
    "response.custom_tool_call_input.delta": ("custom_tool_call", ""),
}


class _Part:
    """A part of an item, as far as it has arrived."""

    __slots__ = ("annotations", "offset", "pieces", "tokens")

    def __init__(self, offset: int) -> None:
        self.offset = offset  # where it begins in the answer's text
        self.pieces: list[str] = []
        self.annotations = 0
        self.tokens = 0


class Decoder:
    """Reads a streamed or a whole answer; the first bytes show which one it is."""

    __slots__ = (
        "_assembler", "_begun", "_body", "_characters", "_done", "_first", "_ids", "_items", "_parts", "_size", "_sse",
        "_started", "_thought", "_told", "finished", "limits", "request_id",
    )  # fmt: skip

    def __init__(self, *, max_event_bytes: int = 8 * 1024 * 1024) -> None:
        self.request_id: str | None = None
        self.limits: RateLimits | None = None
        self.finished: bool = False
        self._sse = SSEDecoder(max_event_bytes=max_event_bytes)
        self._body: list[bytes] | None = None  # the pieces of a whole answer
        self._size = 0
        self._first = b""  # what came before the form was known: white space, half a BOM
        self._begun = False
        self._started = False
        self._assembler = ToolCallAssembler()
        self._parts: dict[tuple[int, str, int], _Part] = {}
        self._items: set[int] = set()  # places of messages and calls that have begun
        self._thought: set[int] = set()  # places of items with reasoning that was told
        self._done: set[int] = set()  # places of items that were told whole, and their ids
        self._ids: set[str] = set()
        self._characters = 0
        self._told: set[str] = set()

    def feed(self, data: bytes) -> Iterator[Event]:
        """The events that these bytes complete; raises ProtocolError, or the HTTPError that they contain."""
        if self._body is not None:
            self._keep(data)
            return
        if not self._begun:
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
            self._begun = True
        for _, payload in self._sse.feed(data):
            if self.finished:  # the first end marker wins
                return
            yield from self._event(payload)

    def end(self, *, delimited: bool) -> Iterator[Event]:
        """The events that the end of the body completes; raises StreamBrokenError if it came too early."""
        if self.finished:
            return
        if self._body is not None:
            yield from self._whole(b"".join(self._body), delimited=delimited)
        elif not self._started and delimited:
            raise ProtocolError("the body does not contain an answer: it is neither JSON nor an event stream")
        else:
            self._sse.feed(b"")  # raises where the last event was too large
            raise StreamBrokenError("the stream ended before its end marker (response.completed)")

    def _keep(self, data: bytes) -> None:
        assert self._body is not None
        self._size += len(data)
        if self._size > MAX_BODY_BYTES:
            raise ProtocolError(f"the answer is larger than {MAX_BODY_BYTES:,} bytes")
        self._body.append(data)

    def _whole(self, body: bytes, *, delimited: bool) -> Iterator[Event]:
        try:
            value = json_object(body)
        except ProtocolError:
            if delimited:
                raise
            raise StreamBrokenError("the connection ended inside the answer") from None
        if not value.get("error"):
            yield self._start(value)
        yield from self._response(value)

    # ── a stream ──────────────────────────────────────────────────────────────────────────────────────

    def _event(self, payload: bytes) -> Iterator[Event]:
        if payload == b"[DONE]":  # of hosts that speak Chat Completions too; here it marks nothing
            return
        value = json_object(payload)
        kind = text_of(value.get("type") or "", "type")
        if kind in {"error", ""}:
            if kind or value.get("error"):
                raise failure_of(value, request_id=self.request_id)
            return
        if not self._started:
            yield self._start(table(value.get("response") or {}, "response"))
        piece = _DELTAS.get(kind)
        if piece is not None:
            part, number = piece
            place = _number(value.get("output_index"), "output_index")
            index = _number(value.get(number), number)
            yield from self._piece(place, part, index, text_of(value.get("delta") or "", "delta"))
            if value.get("logprobs"):
                yield from self._logprobs(self._part(place, part, index), value["logprobs"])
            return
        match kind:
            case "response.output_item.added" | "response.output_item.done":
                place = _number(value.get("output_index"), "output_index")
                item = table(value.get("item"), "item")
                yield from self._begin(place, item) if kind.endswith("added") else self._item(place, item)
            case "response.output_text.annotation.added":
                place = _number(value.get("output_index"), "output_index")
                part_of = self._part(place, "output_text", _number(value.get("content_index"), "content_index"))
                yield from self._annotations(part_of, [value.get("annotation")])
            case "response.completed" | "response.incomplete" | "response.failed":
                yield from self._response(table(value.get("response"), "response"))
            case _:  # beginnings, ends of parts, progress of the host's tools: an item's end says it all
                pass

    def _start(self, response: Mapping[str, Any]) -> Start:
        self._started = True
        return Start(
            model=string(response.get("model")),
            response_id=string(response.get("id")),
            request_id=self.request_id,
            limits=self.limits,
        )

    # ── pieces ────────────────────────────────────────────────────────────────────────────────────────

    def _part(self, place: int, kind: str, index: int) -> _Part:
        part = self._parts.get((place, kind, index))
        if part is None:
            part = self._parts[place, kind, index] = _Part(self._characters)
        return part

    def _piece(self, place: int, kind: str, index: int, text: str) -> Iterator[Event]:
        """The next piece of a part."""
        if not text:
            return
        if kind in CALLS:
            if place not in self._items:
                return  # its call is not known yet; the item's end has all of it
            delta = self._assembler.take(index=place, call_id=None, name="", arguments=text, kind=CALLS[kind][0])
            if delta is not None:
                yield delta
        part = self._part(place, kind, index)
        match kind:
            case "output_text":
                self._characters += len(text)
                yield TextDelta(text)
            case "refusal":
                yield RefusalDelta(text)
            case "summary_text" | "reasoning_text":
                # A blank line between the parts of one item, as the SDK's users join them.
                yield ReasoningDelta(f"\n\n{text}" if not part.pieces and place in self._thought else text)
                self._thought.add(place)
            case _:
                pass
        part.pieces.append(text)

    def _settle(self, place: int, kind: str, index: int, whole: object) -> Iterator[Event]:
        """What of a part, now told whole, its pieces had not told."""
        text = text_of(whole or "", kind)
        part = self._part(place, kind, index)
        told = "".join(part.pieces)
        if text.startswith(told):
            yield from self._piece(place, kind, index, text[len(told) :])
        else:
            yield from self._notice(
                kind, "the content at the end of the stream differs from its pieces; Segue keeps the pieces"
            )

    def _notice(self, subject: str, message: str) -> Iterator[Notice]:
        """A notice, once of each subject."""
        if subject not in self._told:
            self._told.add(subject)
            yield Notice(subject, message)

    def _annotations(self, part: _Part, annotations: object) -> Iterator[Event]:
        for annotation in objects(annotations, "annotations"):
            part.annotations += 1
            # A web page has an address; a file, the host's or a container's, an id.
            url = string(annotation.get("url")) or string(annotation.get("file_id"))
            if url is None:
                yield from self._notice(f"annotation of type {annotation.get('type')!s:.40}", _UNREAD)
                continue
            start, end = count(annotation.get("start_index")), count(annotation.get("end_index"))
            yield Source(
                url,
                string(annotation.get("title")) or string(annotation.get("filename")),
                None if start is None else part.offset + start,
                None if end is None else part.offset + end,
            )

    def _logprobs(self, part: _Part, tokens: object) -> Iterator[Event]:
        read = tuple(token_of(token) for token in objects(tokens, "logprobs"))
        part.tokens += len(read)
        if read:
            yield Logprobs(read)

    # ── items ─────────────────────────────────────────────────────────────────────────────────────────

    def _begin(self, place: int, item: Mapping[str, Any]) -> Iterator[Event]:
        """The event of an item before it is whole; given once."""
        if place in self._items:
            return
        kind = item.get("type")
        if kind == "message":
            self._items.add(place)
            if string(item.get("phase")):  # goes back with the message (OpenAI's models from 5.3 on want it)
                told = {name: item[name] for name in ("type", "role", "phase") if name in item}
                yield ReasoningDelta("", to_json(told).decode())
        elif isinstance(kind, str) and kind in CALLS:
            self._items.add(place)
            delta = self._assembler.take(
                index=place,
                call_id=string(item.get("call_id")),
                name=text_of(item.get("name") or "", "name"),
                arguments="",
                kind=CALLS[kind][0],
            )
            if delta is not None:
                namespace = string(item.get("namespace"))
                opaque = None if namespace is None else to_json({"namespace": namespace}).decode()
                yield delta if opaque is None else replace(delta, opaque=opaque)

    def _item(self, place: int, item: Mapping[str, Any]) -> Iterator[Event]:
        """What of a whole item was not told before."""
        item_id = string(item.get("id"))
        if place in self._done or item_id in self._ids:
            return
        self._done.add(place)
        if item_id is not None:
            self._ids.add(item_id)
        yield from self._begin(place, item)
        kind = item.get("type")
        if kind == "message":
            yield from self._message(place, item)
        elif kind == "reasoning":
            for field in ("summary", "content"):
                for index, part in enumerate(objects(item.get(field) or [], field)):
                    what = "summary_text" if field == "summary" else "reasoning_text"
                    yield from self._settle(place, what, index, part.get("text"))
            yield ReasoningDelta("", to_json(item).decode())
        elif isinstance(kind, str) and kind in CALLS:
            yield from self._settle(place, kind, 0, item.get(CALLS[kind][1]))
        else:
            yield from self._notice(
                f"output of type {kind!s:.40}", "Segue does not read it, but sends it back with the message"
            )
            yield ReasoningDelta("", to_json(item).decode())

    def _message(self, place: int, item: Mapping[str, Any]) -> Iterator[Event]:
        for index, content in enumerate(objects(item.get("content") or [], "content")):
            match content.get("type"):
                case "output_text":
                    yield from self._settle(place, "output_text", index, content.get("text"))
                    part = self._part(place, "output_text", index)
                    logprobs = objects(content.get("logprobs") or [], "logprobs")
                    yield from self._logprobs(part, logprobs[part.tokens :])
                    annotations = objects(content.get("annotations") or [], "annotations")
                    yield from self._annotations(part, annotations[part.annotations :])
                case "refusal":
                    yield from self._settle(place, "refusal", index, content.get("refusal"))
                case kind:
                    yield from self._notice(f"content of type {kind!s:.40}", _UNREAD)

    def _response(self, response: Mapping[str, Any]) -> Iterator[Event]:
        """The end of an answer: what of it was not told before, usage and finish."""
        status = response.get("status")
        if response.get("error") or status == "failed":
            error = response.get("error")
            raise failure_of({"error": error or {}}, request_id=self.request_id)
        if "output" not in response:
            yield from self._notice("output", "the response is not in the format of the Responses wire")
        for place, item in enumerate(objects(response.get("output") or [], "output")):
            yield from self._item(place, item)
        if response.get("usage"):
            yield _usage(table(response["usage"], "usage"))
        details = response.get("incomplete_details")
        finish = self._finish(string(status), details.get("reason") if isinstance(details, dict) else None)
        if finish.reason == "unknown":
            told = "has no status" if finish.raw is None else f"has the status {finish.raw:.40}"
            yield Notice("status", f"the answer {told}: it may be empty or not complete")
        self.finished = True
        yield finish

    def _finish(self, status: str | None, reason: object) -> Finish:
        ours: StopReason = "unknown"
        if status == "completed":
            ours = "tool_calls" if any(kind in CALLS for _, kind, _ in self._parts) else "stop"
        elif status == "incomplete" and isinstance(reason, str):
            ours = INCOMPLETE.get(reason, "unknown")
        return Finish(ours, status)


_UNREAD: Final = "the answer contains this, but Segue does not read it"


def _number(value: object, where: str) -> int:
    """An index; a host that leaves it out has one thing to number."""
    if value is None:
        return 0
    number = count(value)
    if number is None:
        raise ProtocolError(f"{where} is not a whole number of at least 0")
    return number


def _usage(usage: dict[str, Any]) -> Usage:
    of_input = usage.get("input_tokens_details")
    of_output = usage.get("output_tokens_details")
    of_input, of_output = (details if isinstance(details, dict) else {} for details in (of_input, of_output))
    return Usage(
        input_tokens=count(usage.get("input_tokens")),
        output_tokens=count(usage.get("output_tokens")),
        total_tokens=count(usage.get("total_tokens")),
        cached_tokens=count(of_input.get("cached_tokens")),
        cache_write_tokens=count(of_input.get("cache_write_tokens")),
        reasoning_tokens=count(of_output.get("reasoning_tokens")),
        input_audio_tokens=count(of_input.get("audio_tokens")),
        output_audio_tokens=count(of_output.get("audio_tokens")),
        cost=usd(usage),
    )
