"""Faults in the middle of streams, F10 to F20 of the catalogue."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest
from matrix import PLACES, WHOLE, Fault, Host, RawHost, check, check_continued, check_retried

from segue import PhaseTimeoutError, ProtocolError, StreamBrokenError, Timeout
from segue.testing import Body, Cut, Raw, Stall

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from matrix import Place

    from segue.testing.loopback import Connection

both = pytest.mark.parametrize("stream", [True, False], ids=["stream", "chat"])
places = pytest.mark.parametrize("place", PLACES)
ends = pytest.mark.parametrize("how", ["close", "reset"])

TOKENS = ["one", " two", " three", " four", " five"]
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"


def chunk(delta: Any, finish: str | None = None) -> bytes:
    """An event's payload, written by hand."""
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return json.dumps({"id": "c1", "object": "chat.completion.chunk", "choices": [choice]}, ensure_ascii=False).encode()


def payloads(tokens: Sequence[str] = TOKENS) -> list[bytes]:
    """The payloads of a whole stream."""
    return [chunk({"role": "assistant"}), *(chunk({"content": one}) for one in tokens), chunk({}, "stop"), b"[DONE]"]


def sse(events: Sequence[bytes], end: bytes = b"\n") -> bytes:
    """Events, each one data line."""
    return b"".join(b"data: " + event + end + end for event in events)


def answered(body: bytes, split: Any = None, **fields: Any) -> Fault:
    """A stream that is odd and yet an answer: nothing is to be seen."""
    return Fault("odd", lambda _: Host(script=[Body(body, split=split)]), None, **fields)


# ── silence ──────────────────────────────────────────────────────────────────────────────────────────


def stalled(stream: bool) -> Host:
    return Host(answer=WHOLE, script=[Stall("middle" if stream else "first_event")])


def _silent(stream: bool, inject: Callable[[bool], Any]) -> Fault:
    limits = Timeout(first_event=5.0, idle=0.2) if stream else Timeout(first_event=0.3)
    phase = "idle" if stream else "first_event"
    return Fault("F10", inject, PhaseTimeoutError, phase, text="one two", timeout=limits)


async def comments(host: RawHost, connection: Connection) -> None:
    """Two tokens, then comments until the client leaves."""
    received = await host.read(connection)
    await connection.write(HEAD + b"\r\n")
    if received.json.get("stream"):
        await connection.write(sse(payloads()[:3]))
    while True:
        await connection.write(b": keep-alive\n\n")
        await asyncio.sleep(0.005)


@pytest.mark.parametrize("inject", [stalled, lambda _: RawHost(comments)], ids=["silence", "comments"])
@both
@places
async def test_f10_stall(inject: Any, stream: bool, place: Place) -> None:
    """F10: silence in the middle, or comments alone, is PhaseTimeoutError of the phase idle, with the exact text."""
    fault = _silent(stream, inject)
    await check(fault, stream=stream, place=place)
    if stream:
        await check_continued(fault, place=place)


@both
async def test_f10_is_not_retried(stream: bool) -> None:
    """F10: a stall is not tried again within the call."""
    await check_retried(_silent(stream, stalled), stream=stream)


async def drip(host: RawHost, connection: Connection) -> None:
    """Two tokens, then one byte of a token at a time, without end."""
    received = await host.read(connection)
    await connection.write(HEAD + b"\r\n")
    if received.json.get("stream"):
        await connection.write(sse(payloads()[:3]))
    while True:
        await connection.write(b"\r\n: x\n\ndata: " + chunk({"role": "assistant"}) + b"\n\n")
        await asyncio.sleep(0.005)


@both
@places
async def test_f11_drip(stream: bool, place: Place) -> None:
    """F11: a stream that is never silent and never ends is PhaseTimeoutError of the phase total, at the deadline."""
    limits = Timeout(total=0.6)
    text = "one two" if stream else ""
    fault = Fault("F11", lambda _: RawHost(drip), PhaseTimeoutError, "total", text=text, goes_on=False, timeout=limits)
    await check(fault, stream=stream, place=place)


# ── cuts ─────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("framing", ["chunked", "length"])
@ends
@both
@places
async def test_f12_cut_in_a_framing(framing: Any, how: Any, stream: bool, place: Place) -> None:
    """F12: a body that its framing shows to be cut is StreamBrokenError, with the exact text so far."""
    await check(_cut(framing, how, stream=stream), stream=stream, place=place)


@pytest.mark.parametrize("framing", ["chunked", "length", "close"])
@ends
@places
async def test_f12_f13_cut_and_gone_on_with(framing: Any, how: Any, place: Place) -> None:
    """F12, F13: where the next target takes a prefill the text of a cut stream comes out whole."""
    await check_continued(_cut(framing, how, stream=True), place=place)


@ends
@both
@places
async def test_f13_cut_without_a_framing(how: Any, stream: bool, place: Place) -> None:
    """F13: a body whose end is the connection's is StreamBrokenError without its end marker, by FIN as by RST."""
    await check(_cut("close", how, stream=stream), stream=stream, place=place)


@pytest.mark.parametrize("framing", ["chunked", "length", "close"])
@both
async def test_f12_f13_retries(framing: Any, stream: bool) -> None:
    """F12, F13: a cut is tried again before anything was given, and never after."""
    await check_retried(_cut(framing, "close", stream=stream), stream=stream)
    early = Fault("early", lambda _: _sliced(30, framing, "close"), StreamBrokenError, "stream", retried=True)
    await check_retried(early, stream=True)


def _cut(framing: Any, how: Any, *, stream: bool) -> Fault:
    def inject(_: bool) -> Any:
        if not stream:
            return Host(answer=WHOLE, script=[Cut(60, how=how)], framing=framing)
        return _sliced(len(sse(payloads()[:4])) + 20, framing, how)

    text = "one two three" if stream else ""
    return Fault("cut", inject, StreamBrokenError, "stream", text=text, retried=True)


def _sliced(at: int, framing: Any, how: Any) -> RawHost:
    """The first bytes of a stream, and the connection's end."""
    body = sse(payloads())

    async def serve(host: RawHost, connection: Connection) -> None:
        await host.read(connection)
        lines = {"chunked": b"transfer-encoding: chunked\r\n", "length": b"content-length: %d\r\n" % len(body)}
        await connection.write(HEAD + lines.get(framing, b"connection: close\r\n") + b"\r\n")
        await connection.write_body([body[:at]], framing)
        await asyncio.sleep(0.02 if how == "reset" else 0)  # a reset overtakes what the client has not read yet
        await connection.end(how)

    return RawHost(serve)


@both
@places
async def test_f14_bytes_after_the_end(stream: bool, place: Place) -> None:
    """F14: bytes after the end marker do not spoil the answer; the connection is not used again."""
    body = sse(payloads())
    head = HEAD + b"content-length: %d\r\n\r\n" % len(body)
    await check(
        Fault("F14", lambda _: Host(script=[Raw(head + body + b"HTTP/1.1 999 what\r\n\r\n")]), None),
        stream=stream, place=place,
    )  # fmt: skip


@both
@places
async def test_f14_wrong_length(stream: bool, place: Place) -> None:
    """F14: a Content-Length that is too large does not spoil an answer that has its end marker."""
    body = sse(payloads())
    head = HEAD + b"content-length: %d\r\n\r\n" % (len(body) + 100)
    await check(Fault("F14", lambda _: Host(script=[Raw(head + body)]), None), stream=stream, place=place)


# ── what is odd and yet right ────────────────────────────────────────────────────────────────────────

MANY_BYTES = "äöü € 😀 ﬁn"


@pytest.mark.parametrize("split", [1, 2, 3, 7], ids=str)
@both
@places
async def test_f15_split_characters(split: int, stream: bool, place: Place) -> None:
    """F15: a character that is split between writes, down to single bytes, comes whole."""
    fault = answered(sse(payloads([MANY_BYTES])), split, answer=MANY_BYTES)
    await check(fault, stream=stream, place=place)


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r", None], ids=["LF", "CRLF", "CR", "mixed"])
@pytest.mark.parametrize("split", [1, None], ids=["bytes", "whole"])
@both
async def test_f16_line_ends(end: bytes | None, split: int | None, stream: bool) -> None:
    """F16: LF, CRLF, CR and all of them mixed end lines, also where a write parts CR and LF."""
    kinds = [b"\n", b"\r\n", b"\r"]
    body = b"".join(sse([one], end or kinds[place % 3]) for place, one in enumerate(payloads()))
    for place in PLACES:
        await check(answered(body, split), stream=stream, place=place)


@pytest.mark.parametrize("split", [1, 2, None], ids=str)
@both
@places
async def test_f17_bom(split: int | None, stream: bool, place: Place) -> None:
    """F17: a byte order mark, whole or split, costs no token."""
    await check(answered(b"\xef\xbb\xbf" + sse(payloads()), split), stream=stream, place=place)


@both
@places
async def test_f18_other_fields(stream: bool, place: Place) -> None:
    """F18: comments, other fields and a colon without a space are passed over."""
    odd = b": ping\n\nid: 7\nretry: 10\nwhat: else\n\n:\n\n"
    body = odd + b"".join(b"id: 1\ndata:" + one + b"\n\n" + odd for one in payloads())
    await check(answered(body), stream=stream, place=place)


@pytest.mark.parametrize("sign", ["\u2028", "\u2029", "\x85", "\x0b", "\x0c"], ids=ascii)
@both
@places
async def test_f19_other_separators(sign: str, stream: bool, place: Place) -> None:
    """F19: what only some call a line's end stays a part of the text."""
    text = f"a{sign}b"
    await check(answered(sse(payloads([text])), answer=text), stream=stream, place=place)


async def endless(host: RawHost, connection: Connection) -> None:
    """Two tokens where it streams, then one line without an end."""
    received = await host.read(connection)
    await connection.write(HEAD + b"\r\n")
    if received.json.get("stream"):
        await connection.write(sse(payloads()[:3]))
    while True:
        await connection.write(b"x" * 1_000_000 if received.json.get("stream") else b"data: " + b"x" * 1_000_000)


@both
@places
async def test_f20_endless_line(stream: bool, place: Place) -> None:
    """F20: a line that never ends is ProtocolError once it is longer than the limit of 8 MiB."""
    fault = Fault("F20", lambda _: RawHost(endless), ProtocolError, "decode", text="one two" if stream else "")
    await check(fault, stream=stream, place=place)
    await check_retried(fault, stream=stream)
