"""Every split of a stream gives the same events, and what the wire does not allow is an error of ours."""

from __future__ import annotations

import contextlib
import json
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from short_stream import BODY, read, told

from segue import (
    Finish,
    Notice,
    ProtocolError,
    ProviderError,
    SegueError,
    StreamBrokenError,
    Usage,
)
from segue.wire.openai_chat import Decoder

if TYPE_CHECKING:
    from segue import Event


@given(st.lists(st.integers(0, len(BODY)), max_size=12), st.booleans())
def test_every_split_gives_the_same_events(places: list[int], bom: bool) -> None:
    """However the bytes are cut, in the middle of a character or of a BOM too, the events are the same."""
    body = b"\xef\xbb\xbf" * bom + BODY
    cuts = [0, *sorted(places), len(body)]
    assert read(*(body[a:b] for a, b in pairwise(cuts))) == read(BODY)


def test_every_split_in_two_of_a_whole_answer() -> None:
    """A whole answer reads the same in every split in two, white space before it included."""
    body = (
        b'\n {"id":"1","model":"m","choices":[{"message":{"content":"\xc3\xbc"},"finish_reason":"stop"}],"usage":null}'
    )
    whole = read(body)
    assert told(whole) == "ü"
    assert all(read(body[:place], body[place:]) == whole for place in range(len(body)))


@given(st.lists(st.tuples(st.integers(0, len(BODY) - 1), st.integers(0, 255)), max_size=8))
def test_a_mutated_stream_raises_only_our_errors(changes: list[tuple[int, int]]) -> None:
    """Whatever bytes are changed, there are events or a SegueError, nothing else."""
    body = bytearray(BODY)
    for place, value in changes:
        body[place] = value
    with contextlib.suppress(SegueError):
        read(bytes(body))


def chunk(**fields: object) -> bytes:
    return b"data: " + json.dumps(fields).encode() + b"\n\n"


DONE = b"data: [DONE]\n\n"
STOP = chunk(choices=[{"delta": {}, "finish_reason": "stop"}])


def test_a_finish_without_done_counts_only_where_framing_proves_it() -> None:
    """A finish reason without [DONE] is whole by HTTP's framing, and broken by a connection's end."""
    assert read(STOP)[-1] == Finish("stop", "stop")
    with pytest.raises(StreamBrokenError):
        read(STOP, delimited=False)


def test_done_without_a_reason_is_unknown() -> None:
    """[DONE] without a reason ends as unknown, and a notice says so."""
    events = read(chunk(choices=[{"delta": {"content": "a"}}]), DONE)
    assert events[-1] == Finish("unknown", None)
    assert any(isinstance(event, Notice) for event in events)


def test_the_first_end_wins() -> None:
    """What comes after a finish reason or after [DONE] is not given."""
    late = chunk(choices=[{"delta": {"content": "late"}, "finish_reason": "length"}])
    events = read(STOP, late, DONE, late)
    assert told(events) == ""
    assert events[-1] == Finish("stop", "stop")


@pytest.mark.parametrize(
    ("error", "name"),
    [
        ({"code": "rate_limit_exceeded"}, "RateLimitError"),
        ({"type": "overloaded_error"}, "OverloadedError"),
        ({"code": 503}, "OverloadedError"),
        ({"code": "insufficient_quota"}, "QuotaExhaustedError"),
        ({"code": "context_length_exceeded"}, "ContextLengthError"),
        ({"message": "?"}, "ServerError"),
    ],
)
@pytest.mark.parametrize("before", [0, 2])
def test_an_error_inside_a_stream_is_typed_by_its_fields(error: dict[str, object], name: str, before: int) -> None:
    """An error object in a 200 stream is the error of its code, with status 200, after the text before it."""
    decoder = Decoder()
    events: list[Event] = []

    def consume() -> None:
        body = chunk(choices=[{"delta": {"content": "a"}}]) * before + chunk(error=error)
        events.extend(decoder.feed(b""))
        for event in decoder.feed(body):
            events.append(event)  # noqa: PERF402 - the error comes in the middle

    with pytest.raises(ProviderError) as caught:
        consume()
    assert type(caught.value).__name__ == name
    assert getattr(caught.value, "status", None) == 200
    assert told(events) == "a" * before


@pytest.mark.parametrize(
    "body",
    [
        b"data: [1]\n\n",
        b"data: {nope\n\n",
        b'data: {"a": NaN}\n\n',
        b"data: " + b"[" * 20_000 + b"\n\n",
        chunk(choices={"a": 1}),
        chunk(choices=[1]),
        chunk(choices=[{"delta": "x"}]),
        chunk(choices=[{"delta": {"content": 1}}]),
        chunk(choices=[{"delta": {}, "finish_reason": 1}]),
        chunk(usage=7),
        b"<html>busy</html>",
        b"",
        b"\xef\xbb",
        b"{",
        b'{"choices": []}',
        b'{"choices": [{"message": 1}]}',
        b'{"choices": [{"message": {"content": 1}}]}',
    ],
)
def test_what_the_wire_does_not_allow_is_a_protocol_error(body: bytes) -> None:
    """Wrong JSON, wrong shapes, no answer at all: a ProtocolError whose text shows nothing of the payload."""
    with pytest.raises(ProtocolError) as caught:
        read(body)
    assert "nope" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_odd_but_allowed() -> None:
    """Null choices, invalid UTF-8, negative usage, unread fields and a whole body's error are told as they are."""
    assert told(read(chunk(choices=None), b'data: {"choices":[{"delta":{"content":"a\xffb"}}]}\n\n', DONE)) == "a�b"
    assert Usage() in read(chunk(usage={"prompt_tokens": -1, "completion_tokens": True}), DONE)
    images = chunk(choices=[{"delta": {"content": None, "images": [{}]}}])
    assert [event.subject for event in read(images, images, STOP) if isinstance(event, Notice)] == ["images"]
    assert read(b'{"choices":[{"message":{"content":null}}]}')[-1] == Finish("unknown")
    with pytest.raises(ProviderError, match="model_not_found"):
        read(b'{"error":{"code":"model_not_found"}}')
    with pytest.raises(StreamBrokenError):
        read(b'{"choices":', delimited=False)


def test_an_event_over_the_limit_is_an_error_after_what_came_before() -> None:
    """Events before one that is too large are given; then ProtocolError."""
    decoder = Decoder(max_event_bytes=400)
    body = chunk(choices=[{"delta": {"content": "a"}}]) + b"data: " + b"x" * 1000
    assert told(list(decoder.feed(body))) == "a"
    with pytest.raises(ProtocolError, match="larger"):
        list(decoder.end(delimited=True))
