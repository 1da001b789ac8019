"""The Chat Completions wire of OpenAI and of the many hosts that speak it: text, streaming, usage.

Source: the recorded streams of OpenAI that the tests read. An answer is whole when its
``data: [DONE]`` came; a ``finish_reason`` without it counts where HTTP's framing proves that the body
is whole, since some hosts never send the marker. A connection that just ended proves nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

from pydantic_core import from_json, to_json

from ..errors import HTTPError, ProtocolError, StreamBrokenError, http_error
from ..events import Finish, FinishReason, Notice, Start, TextDelta, Usage
from . import Call, error_body
from .sse import SSEDecoder

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ..events import Event
    from ..messages import Message, Request

MAX_BODY_BYTES: Final = 32 * 1024 * 1024
"""The largest whole (not streamed) answer that is read."""

_FINISH: Final[Mapping[str, FinishReason]] = {
    "stop": "stop",
    "eos": "stop",  # Together's word for it
    "length": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
}

# Fields of a message or delta that carry what this decoder does not read yet: said, never dropped in silence.
_UNREAD: Final = ("tool_calls", "function_call", "refusal", "reasoning_content", "reasoning", "audio")


def encode(
    request: Request,
    *,
    model: str,
    base_url: str,
    headers: Mapping[str, str],
    max_tokens_field: str = "max_tokens",
) -> Call:
    """The call that asks ``model`` at ``base_url`` (which ends in ``/v1`` or the like) for an answer."""
    body: dict[str, object] = {"model": model, "messages": [_message(message) for message in request.messages]}
    for name, value in request.settings.given().items():
        body[max_tokens_field if name == "max_tokens" else name] = value
    if request.stream:
        body["stream"] = True
        body["stream_options"] = {"include_usage": True}
    return Call(
        url=f"{base_url.rstrip('/')}/chat/completions",
        headers={"content-type": "application/json", **headers},
        body=to_json(body),
    )


def _message(message: Message) -> dict[str, object]:
    if isinstance(message.content, str):
        return {"role": message.role, "content": message.content}
    return {"role": message.role, "content": [{"type": "text", "text": part.text} for part in message.content]}


class Decoder:
    """Reads a streamed answer, or a whole one: whichever the first bytes show."""

    __slots__ = (
        "_body", "_events_seen", "_finish", "_first", "_size", "_sse", "_started", "_told", "finished", "request_id",
    )  # fmt: skip

    def __init__(self, *, max_event_bytes: int = 8 * 1024 * 1024) -> None:
        self.request_id: str | None = None
        self.finished = False
        self._sse = SSEDecoder(max_event_bytes=max_event_bytes)
        self._body: list[bytes] | None = None  # the pieces of a whole answer
        self._size = 0
        self._first = b""  # what came before the form was known: white space, half a BOM
        self._started = False
        self._events_seen = 0
        self._finish: Finish | None = None
        self._told: set[str] = set()

    def feed(self, data: bytes) -> Iterator[Event]:
        """The events that these bytes complete; raises ProtocolError, or the HTTPError that they hold."""
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
            yield from self._chunk(payload)

    def end(self, *, delimited: bool) -> Iterator[Event]:
        """The events that the end of the body completes; StreamBrokenError where it came too soon."""
        if self.finished:
            return
        if self._body is not None:
            yield from self._whole(b"".join(self._body), delimited=delimited)
        elif self._finish is not None and delimited:
            self.finished = True
            yield self._finish
        elif not self._started and delimited:
            raise ProtocolError("the body holds no answer: neither JSON nor an event of a stream")
        else:
            self._sse.feed(b"")  # raises where the last event was too large
            raise StreamBrokenError("the stream ended before its end marker ([DONE])")

    # ── a stream ──────────────────────────────────────────────────────────────────────────────────────

    def _chunk(self, payload: bytes) -> Iterator[Event]:  # noqa: C901 - one chunk, field by field
        if payload == b"[DONE]":
            self.finished = True
            if self._finish is None:
                yield Notice("finish_reason", "the host ended the answer without giving a reason")
                self._finish = Finish("unknown")
            yield self._finish
            return
        chunk = _json_object(payload)
        if not self._started:
            if chunk.get("error"):
                raise self._failure(chunk)
            self._started = True
            yield self._start(chunk)
        choices = chunk.get("choices")
        if choices:
            choice = _first_choice(choices)
            delta = choice.get("delta")
            if delta:
                if not isinstance(delta, dict):
                    raise ProtocolError("choices[0].delta is not an object")
                content = delta.get("content")
                if content:
                    if not isinstance(content, str):
                        raise ProtocolError("choices[0].delta.content is not a string")
                    if self._finish is None:  # the first terminal wins
                        yield TextDelta(content)
                if len(delta) > 1 or content is None:
                    yield from self._unread(delta)
            reason = choice.get("finish_reason")
            if reason and self._finish is None:
                self._finish = _finish(reason)
        elif chunk.get("error"):
            raise self._failure(chunk)
        usage = chunk.get("usage")
        if usage:
            yield _usage(usage)

    def _failure(self, chunk: Mapping[str, object]) -> HTTPError:
        fields = error_body.fields_of(chunk)
        return http_error(
            200, fields, body=error_body.shown(to_json(chunk["error"])), phase="stream", request_id=self.request_id
        )

    def _start(self, value: Mapping[str, object]) -> Start:
        model, response_id = value.get("model"), value.get("id")
        return Start(
            model=model if isinstance(model, str) and model else None,
            response_id=response_id if isinstance(response_id, str) and response_id else None,
            request_id=self.request_id,
        )

    def _unread(self, message: Mapping[str, object]) -> Iterator[Notice]:
        for name in _UNREAD:
            if message.get(name) and name not in self._told:
                self._told.add(name)
                yield Notice(name, "the answer has this field, which is not read yet")

    # ── a whole answer ────────────────────────────────────────────────────────────────────────────────

    def _keep(self, data: bytes) -> None:
        assert self._body is not None
        self._size += len(data)
        if self._size > MAX_BODY_BYTES:
            raise ProtocolError(f"the answer is larger than {MAX_BODY_BYTES} bytes")
        self._body.append(data)

    def _whole(self, body: bytes, *, delimited: bool) -> Iterator[Event]:
        try:
            value = _json_object(body)
        except ProtocolError:
            if delimited:
                raise
            raise StreamBrokenError("the connection ended inside the answer") from None
        if value.get("error"):
            raise self._failure(value)
        choices = value.get("choices")
        if not choices:
            raise ProtocolError("the answer has no choices")
        choice = _first_choice(choices)
        message = choice.get("message")
        if not isinstance(message, dict):
            raise ProtocolError("choices[0].message is not an object")
        yield self._start(value)
        content = message.get("content")
        if content is not None and not isinstance(content, str):
            raise ProtocolError("choices[0].message.content is not a string")
        if content:
            yield TextDelta(content)
        yield from self._unread(message)
        usage = value.get("usage")
        if usage:
            yield _usage(usage)
        reason = choice.get("finish_reason")
        if not reason:
            yield Notice("finish_reason", "the host gave no reason for the end of the answer")
        self.finished = True
        yield _finish(reason) if reason else Finish("unknown")


def _json_object(payload: bytes) -> dict[str, object]:
    try:
        value = from_json(payload, allow_inf_nan=False, cache_strings="keys")
    except ValueError:
        # Bytes that are no UTF-8 become U+FFFD, as the event stream standard has it; what is no JSON
        # then fails for good. The reason is not passed on: it would show the payload.
        try:
            value = from_json(payload.decode("utf-8", "replace"), allow_inf_nan=False)
        except ValueError:
            raise ProtocolError("what came is not JSON") from None
    if not isinstance(value, dict):
        raise ProtocolError("what came is JSON but not an object")
    return cast("dict[str, object]", value)


def _first_choice(choices: object) -> dict[str, object]:
    if not isinstance(choices, list) or not isinstance(choices[0], dict):
        raise ProtocolError("choices is not a list of objects")
    return cast("dict[str, object]", choices[0])


def _finish(reason: object) -> Finish:
    if not isinstance(reason, str):
        raise ProtocolError("choices[0].finish_reason is not a string")
    return Finish(_FINISH.get(reason, "unknown"), reason)


def _usage(value: object) -> Usage:
    if not isinstance(value, dict):
        raise ProtocolError("usage is not an object")
    usage = cast("dict[str, object]", value)
    return Usage(
        input_tokens=_count(usage, "prompt_tokens"),
        output_tokens=_count(usage, "completion_tokens"),
        total_tokens=_count(usage, "total_tokens"),
        cached_tokens=_count(usage.get("prompt_tokens_details"), "cached_tokens"),
        reasoning_tokens=_count(usage.get("completion_tokens_details"), "reasoning_tokens"),
    )


def _count(value: object, name: str) -> int | None:
    """A count that can be believed: not negative, an integer; else unknown."""
    if not isinstance(value, dict):
        return None
    number = cast("dict[str, object]", value).get(name)
    return number if isinstance(number, int) and not isinstance(number, bool) and number >= 0 else None
