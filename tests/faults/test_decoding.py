"""Faults of what an answer says, F21 to F25 of the catalogue."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from matrix import PLACES, WHOLE, Fault, Host, check, check_continued, check_retried

from segue import ProtocolError
from segue.testing import Body

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matrix import Place

both = pytest.mark.parametrize("stream", [True, False], ids=["stream", "chat"])
places = pytest.mark.parametrize("place", PLACES)

TOKENS = ["one", " two", " three", " four", " five"]


def chunk(content: str) -> bytes:
    """A token's payload, written by hand."""
    return json.dumps({"id": "c1", "choices": [{"index": 0, "delta": {"content": content}}]}).encode()


END = [b'{"id":"c1","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}', b"[DONE]"]


def sse(events: Sequence[bytes]) -> bytes:
    """Events, each one data line."""
    return b"".join(b"data: " + event + b"\n\n" for event in events)


def whole(message: bytes) -> bytes:
    """A whole answer around a message's content, written as JSON."""
    return (
        b'{"id":"c1","choices":[{"index":0,"message":{"role":"assistant","content":'
        + message
        + b'},"finish_reason":"stop"}]}'
    )


def body(stream: bool, event: bytes, instead: bytes, *, at: int) -> Body:
    """A stream with this event after so many tokens, or this in place of a whole answer."""
    if not stream:
        return Body(instead, content_type="application/json")
    tokens = [chunk(one) for one in TOKENS]
    return Body(sse([*tokens[:at], event, *tokens[at:], *END]))


def wrong(event: bytes, instead: bytes | None = None, *, at: int) -> Fault:
    """What cannot be read, as an event of a stream or as a whole answer."""
    return Fault(
        "wrong",
        lambda stream: Host(script=[body(stream, event, event if instead is None else instead, at=at)]),
        ProtocolError,
        "decode",
        text="".join(TOKENS[:at]),
    )


def ignored(event: bytes, instead: bytes, answer: str = WHOLE) -> Fault:
    """What is to be passed over in the middle of a stream, or in a whole answer."""
    return Fault("ignored", lambda stream: Host(script=[body(stream, event, instead, at=2)]), None, answer=answer)


@both
@places
async def test_f21_invalid_utf8(stream: bool, place: Place) -> None:
    """F21: bytes that are no UTF-8 become U+FFFD in the text, and never an error of Python's own."""
    content = b'"on\xffe"'
    event = b'{"id":"c1","choices":[{"index":0,"delta":{"content":' + content + b"}}]}"
    step = Body(sse([event, *END])) if stream else Body(whole(content), content_type="application/json")
    await check(Fault("F21", lambda _: Host(script=[step]), None, answer="on\ufffde"), stream=stream, place=place)


DEEP = b"[" * 20_000
BROKEN: dict[str, bytes] = {
    "F22 half an object": b'{"id":"c1","choices":[{"index":0,',
    "F22 no JSON": b"{what is this}",
    "F23 an array": b"[1,2]",
    "F23 a number": b"17",
    "F23 choices are a text": b'{"id":"c1","choices":"none"}',
    "F23 choices of numbers": b'{"id":"c1","choices":[1]}',
    "F23 a delta is a list": b'{"id":"c1","choices":[{"index":0,"delta":[1],"message":[1]}]}',
    "F23 content is a number": b'{"id":"c1","choices":[{"index":0,"delta":{"content":5},"message":{"content":5}}]}',
    "F24 nested": b'{"a":' + DEEP + b"]" * 20_000 + b"}",
    "F24 nested, no end": b'{"a":' + DEEP,
    "F25 NaN": b'{"id":"c1","created":NaN,"choices":[]}',
    "F25 Infinity": b'{"id":"c1","created":-Infinity,"choices":[]}',
}


@pytest.mark.parametrize("what", list(BROKEN))
@both
@places
async def test_f22_to_f25_before_anything_was_given(what: str, stream: bool, place: Place) -> None:
    """F22-F25: what cannot be read is ProtocolError, and the next target answers where nothing was given."""
    await check(wrong(BROKEN[what], at=0), stream=stream, place=place)


@pytest.mark.parametrize("what", list(BROKEN))
@places
async def test_f22_to_f25_in_the_middle(what: str, place: Place) -> None:
    """F22-F25: after something was given it is ProtocolError with the exact text, or the next goes on with it."""
    fault = wrong(BROKEN[what], at=2)
    await check(fault, stream=True, place=place)
    await check_continued(fault, place=place)


@pytest.mark.parametrize("what", list(BROKEN))
@both
async def test_f22_to_f25_are_not_retried(what: str, stream: bool) -> None:
    """F22-F25: what cannot be read is not asked for again, as ProtocolError has it (the catalogue would for F22)."""
    await check_retried(wrong(BROKEN[what], at=0), stream=stream)


@pytest.mark.parametrize("choices", [b"null", b"[]"], ids=bytes.decode)
@places
async def test_f23_null_choices(choices: bytes, place: Place) -> None:
    """F23: an event without choices is passed over."""
    event = b'{"id":"c1","choices":' + choices + b"}"
    await check(ignored(event, whole(b'"x"')), stream=True, place=place)


def _numbered(value: bytes) -> tuple[bytes, bytes]:
    event = b'{"id":"c1","created":' + value + b',"choices":[]}'
    return event, whole(b'"one two three four five"').replace(b'{"id"', b'{"created":' + value + b',"id"', 1)


@both
@places
async def test_f25_a_long_integer(stream: bool, place: Place) -> None:
    """F25: an integer of 10,000 digits is ProtocolError, and never an error of Python's own."""
    event, instead = _numbered(b"9" * 10_000)
    await check(wrong(event, instead, at=0), stream=stream, place=place)


@both
@places
async def test_f25_repeated_keys(stream: bool, place: Place) -> None:
    """F25: of a key that is repeated the last value counts."""
    event = b'{"id":"c1","choices":[{"index":0,"delta":{"content":"no","content":"yes"}}]}'
    step: Any = Body(sse([event, *END]))
    if not stream:
        step = Body(whole(b'"no","content":"yes"'), content_type="application/json")
    await check(Fault("F25", lambda _: Host(script=[step]), None, answer="yes"), stream=stream, place=place)
