"""The event stream decoder against a plain reference, cut everywhere."""

from __future__ import annotations

import re
import tracemalloc
from collections import deque
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segue.errors import ProtocolError
from segue.wire import sse
from segue.wire.sse import SSEDecoder

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Events = list[tuple[bytes, bytes]]


def reference(stream: bytes) -> Events:
    """The whole stream at once, step by step as the standard tells it."""
    if stream[:3] == b"\xef\xbb\xbf":
        stream = stream[3:]
    lines = re.split(rb"\r\n|\r|\n", stream)[:-1]  # what follows the last line end is no line
    events: Events = []
    data, name = b"", b""
    for line in lines:
        if line == b"":
            if data != b"":
                events.append((name, data[:-1]))
            data, name = b"", b""
            continue
        field, colon, value = line.partition(b":")
        if colon and not field:
            continue
        if value[:1] == b" ":
            value = value[1:]
        if field == b"data":
            data += value + b"\n"
        elif field == b"event":
            name = value
    return events


def decode(chunks: Iterable[bytes]) -> Events:
    decoder = SSEDecoder()
    return [event for chunk in chunks for event in decoder.feed(chunk)]


def cut(stream: bytes, places: Iterable[int]) -> list[bytes]:
    edges = [0, *sorted(min(place, len(stream)) for place in places), len(stream)]
    return [stream[start:end] for start, end in pairwise(edges)]


EVERYTHING = (
    b"\xef\xbb\xbf: hello\r\n\r\ndata: one\n\ndata:two\r\rdata\r\n\r\n"
    b"event: named\r\ndata:  spaced\ndata: \xe2\x82\xac\n\nevent: lost\n\nid: 7\nretry: 10\ndata: after\n\n"
    b"other\ndata: a\r\ndata\rdata: c\n\n\n\ndata: end\n\n\xef\xbb\xbfdata: x\n\n"
    b"event: p\ndata: 1\n\nevent: q\ndata: 2\n\ndata: unfinished\n"
)

_line_ends = st.sampled_from([b"\n", b"\r", b"\r\n", b"\n\n", b"\r\n\r\n"])
_bits = st.sampled_from(
    [b"data", b"data:", b"event", b"event:", b":", b" ", b"x", b"\xef\xbb\xbf", b"\xef", b"\xe2\x80\xa8"]
)
_lines = st.sampled_from(
    [b"data: \n", b"data:  a\n", b"event: e\n", b"event: \n", b": note\n", b"id: 1\n", b"datax: 1\n"]
)
_blocks = st.sampled_from([b"data: {}\n\n", b"data: a\n\ndata: b\n\n", b"event: e\ndata: {}\n\n", b"event: e\nx\n\n"])
_piece = _line_ends | _bits | _lines | _blocks | st.binary(max_size=3)
_stream = st.lists(_piece, max_size=24).map(b"".join)


@given(_stream, st.lists(st.integers(0, 100), max_size=12))
def test_same_as_the_reference_for_any_split(stream: bytes, places: list[int]) -> None:
    """Any bytes, cut anywhere, give the events that the standard gives for the whole."""
    assert decode(cut(stream, places)) == reference(stream)


@given(st.lists(st.sampled_from([b"data: {}\n\n", b"event: e\ndata: {}\n\n", b"data: \n\n", b": ping\n\n", b"\n"])))
def test_the_fast_way_gives_the_same_events(blocks: list[bytes]) -> None:
    """Streams shaped for the fast way, or nearly so, give what they give byte by byte."""
    stream = b"".join(blocks)
    assert decode([stream]) == decode(cut(stream, range(len(stream)))) == reference(stream)


def test_every_single_and_double_cut() -> None:
    """One stream with everything in it gives the same events for each pair of cuts."""
    expected = reference(EVERYTHING)
    assert len(expected) == 9
    for first in range(len(EVERYTHING) + 1):
        for second in range(first, min(first + 6, len(EVERYTHING) + 1)):
            assert decode(cut(EVERYTHING, [first, second])) == expected, (first, second)


def test_one_byte_at_a_time() -> None:
    """Bytes that come one by one, with empty reads between, give the same events."""
    chunks = [piece for byte in EVERYTHING for piece in (bytes([byte]), b"")]
    assert decode(chunks) == reference(EVERYTHING)


@pytest.mark.parametrize(
    ("stream", "expected"),
    [
        (b"data: a\n\n", [(b"", b"a")]),
        (b"data:a\n\n", [(b"", b"a")]),
        (b"data:  a\n\n", [(b"", b" a")]),
        (b"data\n\n", [(b"", b"")]),
        (b"data: \n\n", [(b"", b"")]),
        (b"data\ndata\n\n", [(b"", b"\n")]),
        (b"data: a\ndata: b\ndata: c\n\n", [(b"", b"a\nb\nc")]),
        (b"data: a\r\rdata: b\r\n\r\n", [(b"", b"a"), (b"", b"b")]),
        (b"data: a\n\r\n", [(b"", b"a")]),
        (b"event: e\ndata: a\n\ndata: b\n\n", [(b"e", b"a"), (b"", b"b")]),
        (b"data: a\nevent: e\n\n", [(b"e", b"a")]),
        (b"event: e\nevent: f\ndata: a\n\n", [(b"f", b"a")]),
        (b"event: e\n\ndata: a\n\n", [(b"", b"a")]),
        (b"event: e\nid: 1\n\nevent: f\ndata: a\n\n", [(b"f", b"a")]),
        (b": note\n\n:\n\ndata: a\n\n", [(b"", b"a")]),
        (b"id: 1\nretry: 5\nfoo: b\nfoo\ndata: a\n\n", [(b"", b"a")]),
        (b"Data: a\n\n data: b\n\n", []),
        (b"\xef\xbb\xbfdata: a\n\n\xef\xbb\xbfdata: b\n\n", [(b"", b"a")]),
        (b"\xef\xbb\xbf\xef\xbb\xbfdata: a\n\n", []),
        (b"\xef\xbbdata: a\n\n", []),
        ("data: a\u2028b\u2029c\x85d\v\f\x1ce\n\n".encode(), [(b"", "a\u2028b\u2029c\x85d\v\f\x1ce".encode())]),
        (b"data: a\n", []),
        (b"data: a", []),
        (b"", []),
    ],
)
def test_shapes(stream: bytes, expected: Events) -> None:
    """Each shape of line and event is read as the standard says, whole and byte by byte."""
    assert decode([stream]) == expected
    assert decode(cut(stream, range(len(stream)))) == expected


def test_a_cr_ends_its_line_at_once() -> None:
    """An event that ends in CR CR is given before it is known whether an LF follows."""
    decoder = SSEDecoder()
    assert decoder.feed(b"data: a\r\r") == [(b"", b"a")]
    assert decoder.feed(b"\ndata: b\n\n") == [(b"", b"b")]


@pytest.mark.parametrize("held", [b"\xef", b"d", b": not", b"data: a", b"data: a\n", b"event: e\n", b"data\r"])
def test_pending(held: bytes) -> None:
    """Bytes or an event that are held back count as pending, and no longer once a blank line came."""
    decoder = SSEDecoder()
    assert not decoder.pending
    assert decoder.feed(held) == []
    assert decoder.pending
    decoder.feed(b"\n\n\n")
    assert not decoder.pending


@pytest.mark.parametrize("done", [b"", b"data: a\n\n", b"event: e\n\n", b"data: a\r\r", b": note\n", b"id: 1\n"])
def test_not_pending(done: bytes) -> None:
    """Nothing is pending where all bytes were read and no event is open."""
    decoder = SSEDecoder()
    decoder.feed(done)
    assert not decoder.pending


TOO_LARGE = [
    b"data: " + b"x" * 15,
    b"data: " + b"x" * 15 + b"\n\n",
    b"data: " + b"x" * 15 + b"\n\ndata: b\n\n",
    b"event: " + b"x" * 14 + b"\ndata: b\n\n",
    b": " + b"x" * 19 + b"\n\n",
    b"data: aaaa\ndata: bbbb\n\n",
    b"event: aa\n" * 3,
    b"data\n" * 5 + b"\n",
]


@pytest.mark.parametrize("stream", TOO_LARGE)
@pytest.mark.parametrize("step", [1, 3, 7, 1000])
def test_too_large(stream: bytes, step: int) -> None:
    """A line or an event over the limit is a ProtocolError in phase decode, however it is cut."""
    decoder = SSEDecoder(max_event_bytes=20)
    with pytest.raises(ProtocolError, match="larger than 20 bytes") as caught:
        deque(map(decoder.feed, cut(stream, range(0, len(stream), step))))
    assert caught.value.phase == "decode"
    with pytest.raises(ProtocolError):
        decoder.feed(b"data: a\n\n")


@pytest.mark.parametrize(
    "stream",
    [
        b"data: " + b"x" * 14 + b"\n\n",
        b"event: " + b"x" * 3 + b"\ndata: bb\n\n",
        b"data: aaaa\ndata: bbb\n\n",
        b"data: a\n\n" * 9,
    ],
)
@pytest.mark.parametrize("step", [1, 3, 7, 1000])
def test_just_small_enough(stream: bytes, step: int) -> None:
    """What is just within the limit is read, and the limit is each event's own, not the stream's."""
    decoder = SSEDecoder(max_event_bytes=20)
    chunks = cut(stream, range(0, len(stream), step))
    assert [event for chunk in chunks for event in decoder.feed(chunk)] == reference(stream)


@pytest.mark.parametrize("bad", TOO_LARGE)
@given(places=st.lists(st.integers(0, 60), max_size=5))
def test_events_before_the_large_one_are_given(bad: bytes, places: list[int]) -> None:
    """The events before one that is too large are given for every split, and the error comes after them."""
    decoder = SSEDecoder(max_event_bytes=20)
    events: Events = []
    with pytest.raises(ProtocolError):  # noqa: PT012 - which of the feeds raises depends on the split
        for chunk in [*cut(b"data: a\n\nevent: e\ndata: b\n\n" + bad, places), b""]:
            events += decoder.feed(chunk)
    assert events == [(b"", b"a"), (b"e", b"b")]


def test_a_large_event_behind_others_is_pending() -> None:
    """An event that is too large, behind others in one feed, is pending until the next feed raises."""
    decoder = SSEDecoder(max_event_bytes=20)
    assert decoder.feed(b"data: a\n\ndata: " + b"x" * 15 + b"\n\ndata: b\n\n") == [(b"", b"a")]
    assert decoder.pending
    with pytest.raises(ProtocolError):
        decoder.feed(b"")


@pytest.mark.parametrize("endless", [b"x" * 1000, b"data: xxx\n" * 100, b"data\n" * 200, b"event: e\n" * 100])
def test_little_memory_is_held(endless: bytes) -> None:
    """An endless line or event holds no more than the limit, one chunk and slack to grow, in the end nothing."""
    limit = 100_000
    decoder = SSEDecoder(max_event_bytes=limit)
    held = 0
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        with pytest.raises(ProtocolError):  # noqa: PT012 - which of the feeds raises is not the question
            while True:
                decoder.feed(endless)
                held = max(held, tracemalloc.get_traced_memory()[0] - before)
        after = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert held < limit * 5 / 4 + len(endless) + 1000
    assert after < limit / 4  # the caught error's own trace


def test_an_endless_line_is_not_kept_twice() -> None:
    """F20: at the limit that is usual, read as a socket gives it, the most held at once is 1 MiB above the limit."""
    mib = 2**20
    decoder, piece = SSEDecoder(), b"x" * 65536
    tracemalloc.start()
    try:
        with pytest.raises(ProtocolError):  # noqa: PT012 - which of the feeds raises is not the question
            while True:
                decoder.feed(piece)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert 8 * mib < peak < 9 * mib


class Counted(bytearray):
    """A bytearray that counts the bytes which each use of it reads or writes."""

    work = 0

    def __iadd__(self, other: Any) -> Any:
        Counted.work += len(other)
        return super().__iadd__(other)

    def __bytes__(self) -> bytes:
        Counted.work += len(self)
        return memoryview(self).tobytes()

    def __add__(self, other: Any) -> Any:
        Counted.work += len(self) + len(other)
        return super().__add__(other)

    def __contains__(self, item: Any) -> bool:
        Counted.work += len(self)
        return super().__contains__(item)

    def __getitem__(self, key: Any) -> Any:
        Counted.work += len(self)
        return super().__getitem__(key)


for _scan in ("split", "find", "rfind", "index", "count", "partition", "startswith", "endswith", "replace", "join"):

    def _counting(self: Counted, *args: Any, _scan: str = _scan) -> Any:
        Counted.work += len(self)
        return getattr(bytearray, _scan)(self, *args)

    setattr(Counted, _scan, _counting)


def work(monkeypatch: pytest.MonkeyPatch, chunks: Sequence[bytes]) -> int:
    """How many bytes of the held line and event are touched while these chunks are read."""
    monkeypatch.setattr(sse, "bytearray", Counted, raising=False)
    Counted.work = 0
    assert len(decode(chunks)) == 1
    return Counted.work


@pytest.mark.parametrize(
    "stream",
    [b"data: " + b"x" * 20_000 + b"\n\n", b"data: xxx\n" * 2_000 + b"\n"],
    ids=["a long line", "many lines"],
)
@pytest.mark.parametrize("step", [1, 10, 500])
def test_held_bytes_are_touched_a_few_times(monkeypatch: pytest.MonkeyPatch, stream: bytes, step: int) -> None:
    """A long line and an event of many lines cost a few touches a byte, however small the reads are."""
    assert len(stream) / 2 < work(monkeypatch, cut(stream, range(0, len(stream), step))) < 5 * len(stream)
