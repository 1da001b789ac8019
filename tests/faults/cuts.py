"""Answers cut at every byte: what a caller gets alone, and what with a second host that knows the whole answer.

``python3 noxfile.py -s cuts`` cuts every stream at every byte in process, and on sockets 5 % of the offsets and each
event's boundary, and prints the counts. The streams are written here or recorded (``../shared/wire``, where it is).
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import re
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, get_args

sys.path.insert(0, str(Path(__file__).parent))

from continuing_hosts import INPUT, OUTPUT, End, Framing, RefusedError, Sockets, Wire, is_for_the_cut_one, rest

from segue import Chain, Client, Handover, Retry, StreamBrokenError, TextDelta, Usage

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Sequence

    from segue.wire import Call

WIRES: Final[tuple[Wire, ...]] = get_args(Wire)
FRAMINGS: Final[tuple[Framing, ...]] = get_args(Framing)
ENDS: Final[tuple[End, ...]] = get_args(End)
RECORDINGS: Final = Path(os.environ.get("SEGUE_WIRE", Path(__file__).parents[3] / "shared" / "wire"))
RECORDED: Final = 8
"""How many recorded streams are taken."""

APIS: Final[dict[str, Wire]] = {"openai-chat": "chat", "anthropic-messages": "messages", "gemini-generate": "gemini"}
PROVIDERS: Final[dict[Wire, str]] = {"chat": "chat", "messages": "anthropic", "gemini": "google"}

Counts = tuple[int | None, int | None]
"""Tokens in and out, as last told."""


# ── streams ──────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Mark:
    """The end of an event: its offset, and what has come of the answer by then."""

    offset: int
    text: str
    counts: Counts
    is_last: bool


@dataclass(frozen=True)
class Stream:
    """A whole answer as it goes over the wire, and what stands in it; read without the library."""

    name: str
    wire: Wire
    body: bytes
    marks: tuple[Mark, ...] = field(repr=False)

    @property
    def whole(self) -> str:
        """The text of the answer."""
        return self.marks[-1].text

    @property
    def boundaries(self) -> tuple[int, ...]:
        """The offsets at which an event ends."""
        return tuple(mark.offset for mark in self.marks)

    def reached(self, at: int) -> tuple[Mark, ...]:
        """What may have come of the first ``at`` bytes: two where it turns on the last bytes of an event."""
        before = Mark(0, "", (None, None), is_last=False)
        for mark in self.marks:
            if mark.offset > at:
                # Its empty line may be read as ended before the last byte or two of it.
                return (before, mark) if at >= mark.offset - 2 else (before,)
            before = mark
        return (before,)


def stream_of(name: str, wire: Wire, body: bytes) -> Stream:
    """Read a body with the standard library alone."""
    marks: list[Mark] = []
    text = ""
    counts: Counts = (None, None)
    start = 0
    for end in re.finditer(rb"\r\n\r\n|\n\n|\r\r", body):
        lines = re.split(r"\r\n|\n|\r", body[start : end.end()].decode())
        start = end.end()
        data = "\n".join(line.removeprefix("data:").removeprefix(" ") for line in lines if line.startswith("data:"))
        is_last = data == "[DONE]"
        if data and not is_last:
            event = json.loads(data)
            is_last = event.get("type") == "message_stop"
            text += _text(wire, event)
            told = _counts(wire, event)
            counts = (counts[0] if told[0] is None else told[0], counts[1] if told[1] is None else told[1])
        marks.append(Mark(end.end(), text, counts, is_last))
        if is_last:
            break
    return Stream(name, wire, body, tuple(marks))


def _text(wire: Wire, event: dict[str, Any]) -> str:
    match wire:
        case "chat":
            return "".join(choice.get("delta", {}).get("content") or "" for choice in event["choices"])
        case "messages":
            return str(event["delta"]["text"]) if event["type"] == "content_block_delta" else ""
        case "gemini":
            parts = [part for one in event["candidates"] for part in one.get("content", {}).get("parts", ())]
            return "".join(part["text"] for part in parts)


def _counts(wire: Wire, event: dict[str, Any]) -> Counts:
    match wire:
        case "chat":
            usage = event.get("usage") or {}
            return usage.get("prompt_tokens"), usage.get("completion_tokens")
        case "messages":
            usage = event.get("usage") or event.get("message", {}).get("usage") or {}
            return usage.get("input_tokens"), usage.get("output_tokens")
        case "gemini":
            usage = event.get("usageMetadata") or {}
            return usage.get("promptTokenCount"), usage.get("candidatesTokenCount")


TEXTS: Final[dict[str, list[str]]] = {
    "plain words": [f"{word} " for word in (2 * "The quick brown fox jumps over the lazy dog, nobody minds. ").split()],
    "of four bytes each": 2 * [
        *"🦊🐕𝄞🏳️‍🌈", " naïve ", "日本語", "の", "テキスト", "。", "Ω≈ç√", "\u2028", "\u0085", "👩‍👩‍👧‍👦", " end",
    ],
    "white space": 2 * [
        "  \n", "\n", "one", " ", " ", "two", "\n\n", "\t", "three ", " four", "  ", "\n", "five", "\n\n",
    ],
    "a line of code": 2 * [
        "```py", "\n", "if x", ' == "', "\\n", '":\n', "    ", "return", " {", '"a"', ": [1, 2]}", "\n", "```", "\n",
    ],
}  # fmt: skip


def written() -> list[Stream]:
    """Four streams on each of three wires: also with pings, comments, other line ends, escapes and odd fields."""
    streams = []
    for wire in WIRES:
        for number, (name, pieces) in enumerate(TEXTS.items()):
            end = b"\r\n" if number == 1 else b"\n"
            events = _WRITERS[wire](pieces, ascii_only=number % 2 == 0)
            body = b"".join(event.replace(b"\n", end) for event in events)
            streams.append(stream_of(f"{wire}: {name}", wire, body))
    return streams


def _line(payload: object, name: str = "", *, ascii_only: bool) -> bytes:
    named = f"event: {name}\n" if name else ""
    return f"{named}data: {json.dumps(payload, ensure_ascii=ascii_only)}\n\n".encode()


def _chat(pieces: Sequence[str], *, ascii_only: bool) -> Iterable[bytes]:
    def chunk(delta: dict[str, Any], finish: str | None = None, **beside: Any) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return _line({"id": "c1", "model": "cut", "choices": [choice], **beside}, ascii_only=ascii_only)

    yield b": OPENROUTER PROCESSING\n\n"
    yield chunk({"role": "assistant", "content": ""})
    for number, piece in enumerate(pieces):
        yield chunk({"content": piece}, **({"usage": None} if number % 5 == 0 else {}))
        if number % 9 == 4:
            yield b":\n\n"
    yield chunk({}, "stop")
    usage = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}
    yield _line({"id": "c1", "choices": [], "usage": usage}, ascii_only=ascii_only)
    yield b"data: [DONE]\n\n"


def _messages(pieces: Sequence[str], *, ascii_only: bool) -> Iterable[bytes]:
    def named(event: dict[str, Any]) -> bytes:
        return _line(event, event["type"], ascii_only=ascii_only)

    message = {
        "id": "m1", "type": "message", "role": "assistant", "model": "cut", "content": [], "stop_reason": None,
        "stop_sequence": None, "usage": {"input_tokens": 11, "output_tokens": 1},
    }  # fmt: skip
    yield named({"type": "message_start", "message": message})
    yield named({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}})
    yield named({"type": "ping"})
    for number, piece in enumerate(pieces):
        yield named({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": piece}})
        if number % 9 == 4:
            yield named({"type": "ping"})
    yield named({"type": "content_block_stop", "index": 0})
    delta = {"stop_reason": "end_turn", "stop_sequence": None}
    yield named({"type": "message_delta", "delta": delta, "usage": {"output_tokens": 7}})
    yield named({"type": "message_stop"})


def _gemini(pieces: Sequence[str], *, ascii_only: bool) -> Iterable[bytes]:
    for number, piece in enumerate(pieces, 1):
        candidate: dict[str, Any] = {"content": {"parts": [{"text": piece}], "role": "model"}, "index": 0}
        if number == len(pieces):
            candidate["finishReason"] = "STOP"
        counts = {"promptTokenCount": 11, "candidatesTokenCount": number, "totalTokenCount": 11 + number}
        payload = {"candidates": [candidate], "usageMetadata": counts, "modelVersion": "cut", "responseId": "g1"}
        yield _line(payload, ascii_only=ascii_only)


_WRITERS: Final = {"chat": _chat, "messages": _messages, "gemini": _gemini}


def recorded() -> list[Stream]:
    """Recorded streams of plain text; none where there is no corpus."""
    index = RECORDINGS / "index.jsonl"
    if not index.is_file():
        return []
    plain = {"usage", "text", "stream", "system_prompt", "multi_turn"}
    found: dict[str, list[Stream]] = {api: [] for api in APIS}
    for line in index.read_text().splitlines():
        row = json.loads(line)
        api = row["api"]
        if api not in APIS or (row["framing"], row["status"]) != ("sse", 200) or len(found[api]) >= RECORDED // 2:
            continue
        if not {"text"} <= set(row["features"]) <= plain:
            continue
        body = json.loads((RECORDINGS / row["file"]).read_text())["response"]["body"].encode()
        stream = stream_of(row["id"], APIS[api], body)
        if 600 <= len(body) <= 8_000 and len(stream.whole) > 20:
            found[api].append(stream)
    return [stream for streams in found.values() for stream in streams][:RECORDED]


# ── one cut ──────────────────────────────────────────────────────────────────────────────────────────


@dataclass
class Cut:
    """Where an answer is cut, and how its end is told."""

    stream: Stream
    at: int
    framing: Framing
    end: End

    def __str__(self) -> str:
        return f"{self.stream.name} at {self.at} of {len(self.stream.body)}, {self.framing}, {self.end}"


class InProcess:
    """A transport without sockets: the model ``cut`` is cut, and ``whole`` goes on with it."""

    def __init__(self) -> None:
        self.cut: Cut | None = None
        self.requests = 0
        self.refused: str | None = None

    @contextlib.asynccontextmanager
    async def open(self, call: Call) -> AsyncIterator[_Answer]:
        """The answer to a call."""
        assert self.cut is not None
        stream = self.cut.stream
        self.requests += 1
        asked = json.loads(call.body)
        if is_for_the_cut_one(call.url, asked):
            cut = self.cut
            # Only a body without a framing can end early without a sign.
            yield _Answer(stream.body[: cut.at], delimited=cut.framing != "close", is_broken=cut.framing != "close")
            return
        try:
            yield _Answer(rest(stream.wire, asked, stream.whole))
        except RefusedError as refused:
            self.refused = str(refused)
            yield _Answer(b"{}", status=400)


@dataclass
class _Answer:
    body: bytes
    status: int = 200
    delimited: bool = True
    is_broken: bool = False
    headers: dict[str, str] = field(default_factory=dict)

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """The body, and its end."""
        if self.body:
            yield self.body
        if self.is_broken:
            raise StreamBrokenError("the connection broke in the middle of the answer")


def client_of(wire: Wire, port: int, transport: InProcess | None = None) -> Client:
    """A client of both models at one address."""
    address = f"http://127.0.0.1:{port}"
    provider = PROVIDERS[wire]
    row: dict[str, Any] = {"base_url": address}
    if wire == "chat":
        row |= {"wire": "openai_chat", "base_url": f"{address}/v1", "models": ["cut", "whole"]}
    return Client(
        config={"providers": {provider: row}, "models": {f"{provider}/whole": {"prefill": True}}},
        api_keys={provider: "canary-key"},
        environ={},
        breaker=None,
        retry=Retry(count=0),
        transport=transport,
    )


def total(counts: Counts, other: Counts) -> Counts:
    """The sum, of what was told."""
    one, two = (
        (a + b if a is not None and b is not None else (b if a is None else a))
        for a, b in zip(counts, other, strict=True)
    )
    return one, two


def counts_of(usage: Usage | None) -> Counts:
    """Tokens in and out."""
    return (None, None) if usage is None else (usage.input_tokens, usage.output_tokens)


async def alone(client: Client, cut: Cut) -> str:
    """Ask the host that is cut alone: what came of it, ``whole`` or ``broken``; AssertionError where that is wrong."""
    stream = cut.stream
    text = ""
    reached = stream.reached(cut.at)
    try:
        async with client.stream("hi", model=f"{PROVIDERS[stream.wire]}/cut", max_tokens=4_000) as events:
            async for event in events:
                text += event.text if isinstance(event, TextDelta) else ""
            reply = await events.reply()
    except StreamBrokenError as error:
        broken = error
    else:
        assert (text, reply.text) == (stream.whole, stream.whole), f"{cut}: silently {text!r}"
        assert any(mark.is_last for mark in reached), f"{cut}: whole without its end marker"
        return "whole"
    assert broken.text == text, f"{cut}: the error has {broken.text!r}, the caller {text!r}"
    if cut.end == "reset":  # what was on its way may be lost with it
        assert any(text == mark.text for mark in (*stream.marks, *reached)), f"{cut}: {text!r}"
        assert len(text) <= len(reached[-1].text), f"{cut}: {text!r}"
    else:
        assert text in {mark.text for mark in reached}, f"{cut}: {text!r}"
        assert not reached[0].is_last, f"{cut}: its end marker came, and it is broken"
    return "broken"


async def continued(client: Client, cut: Cut) -> str:
    """Ask with a second host behind it: ``whole``, ``continued`` or ``anew``; AssertionError where that is wrong."""
    stream = cut.stream
    provider = PROVIDERS[stream.wire]
    text = ""
    handovers: list[Handover] = []
    chain = Chain(f"{provider}/cut", f"{provider}/whole")
    async with client.stream("hi", chain=chain, max_tokens=4_000) as events:
        async for event in events:
            text += event.text if isinstance(event, TextDelta) else ""
            if isinstance(event, Handover):
                assert event.text_length == len(text), f"{cut}: handed over at {event.text_length} of {len(text)}"
                handovers.append(event)
        reply = await events.reply()
    assert (text, reply.text) == (stream.whole, stream.whole), f"{cut}: {text!r}"
    outcomes = [attempt.outcome for attempt in reply.attempts]
    first = counts_of(reply.attempts[0].usage)
    if outcomes == ["answered"]:
        assert counts_of(reply.usage) == stream.marks[-1].counts, f"{cut}: {reply.usage}"
        return "whole"
    assert outcomes == ["failed", "answered"], f"{cut}: {outcomes}"
    reached = stream.marks if cut.end == "reset" else stream.reached(cut.at)
    told = {(None, None), *(mark.counts for mark in reached)} if cut.end == "reset" else {m.counts for m in reached}
    assert first in told, f"{cut}: it was told {first}"
    if not handovers:
        assert counts_of(reply.usage) == (INPUT, OUTPUT), f"{cut}: {reply.usage}"
        return "anew"
    assert len(handovers) == 1, f"{cut}: {handovers}"
    assert counts_of(reply.usage) == total(first, (INPUT, OUTPUT)), f"{cut}: {reply.usage}"
    return "continued"


# ── many cuts ────────────────────────────────────────────────────────────────────────────────────────


@dataclass
class Tally:
    """What was counted."""

    counts: Counter[tuple[str, ...]] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    async def take(self, client: Client, cut: Cut, where: str, host: InProcess | Sockets) -> None:
        """One cut, alone and with a second host."""
        for ask in (alone, continued):
            try:
                outcome = await ask(client, cut)
                assert host.refused is None, f"{cut}: {host.refused}"
            except Exception as error:  # whatever is wrong is one line of the list
                self.wrong.append(f"{ask.__name__}: {type(error).__name__}: {error}")
                host.refused = None
                outcome = "wrong"
            self.counts[where, cut.stream.wire, ask.__name__, outcome] += 1


async def in_process(streams: Iterable[Stream], offsets: dict[str, Sequence[int]], tally: Tally) -> None:
    """Cut without sockets: by an end that shows nothing, and by one that framing or reset shows."""
    for stream in streams:
        transport = InProcess()
        async with client_of(stream.wire, 9, transport) as client:
            for at in offsets[stream.name]:
                for framing in ("close", "length"):
                    transport.cut = Cut(stream, at, framing, "close")
                    await tally.take(client, transport.cut, "in process", transport)


async def on_sockets(streams: Iterable[Stream], offsets: dict[str, Sequence[int]], tally: Tally) -> None:
    """Cut on sockets, in each framing, by each end."""
    for stream in streams:
        async with Sockets(stream.wire, stream.whole, stream.body) as host:
            async with client_of(stream.wire, host.port) as client:
                for at in offsets[stream.name]:
                    for framing in FRAMINGS:
                        for end in ENDS:
                            host.at, host.framing, host.end = at, framing, end
                            await tally.take(client, Cut(stream, at, framing, end), f"{framing}, {end}", host)


def every(streams: Iterable[Stream]) -> dict[str, Sequence[int]]:
    """Every offset of each stream, but for its very end."""
    return {stream.name: range(len(stream.body)) for stream in streams}


def some(streams: Iterable[Stream], *, share: int) -> dict[str, Sequence[int]]:
    """One offset in so many of each stream, and each event's boundary with the bytes beside it."""
    chosen = {}
    for number, stream in enumerate(streams):
        near = {at + by for at in stream.boundaries for by in (-1, 0, 1)}
        offsets = {*range(number % share, len(stream.body), share), *near}
        chosen[stream.name] = sorted(at for at in offsets if 0 <= at < len(stream.body))
    return chosen


def table(streams: Sequence[Stream], tally: Tally) -> list[str]:
    """The counts, as Markdown."""
    lines = [
        "| where | wire | cuts | whole | broken, alone | continued | asked anew | wrong |",
        "|---|---|---|---|---|---|---|---|",
    ]
    places = dict.fromkeys((where, wire) for where, wire, _, _ in tally.counts)
    for where, wire in places:

        def count(ask: str, outcome: str, where: str = where, wire: str = wire) -> int:
            return tally.counts[where, wire, ask, outcome]

        whole, broken = count("alone", "whole"), count("alone", "broken")
        wrong = count("alone", "wrong") + count("continued", "wrong")
        row = (
            whole + broken + count("alone", "wrong"),
            whole,
            broken,
            count("continued", "continued"),
            count("continued", "anew"),
            wrong,
        )
        lines.append(f"| {where} | {wire} | " + " | ".join(f"{number:,}" for number in row) + " |")
    return lines


async def run(streams: Sequence[Stream], *, sockets_only: bool = False) -> Tally:
    """All that the command cuts."""
    tally = Tally()
    if not sockets_only:
        await in_process(streams, every(streams), tally)
    await on_sockets(streams, some(streams, share=20), tally)
    return tally


def main() -> int:
    """Cut everything; the exit status."""
    parser = argparse.ArgumentParser(description="Cut answers at every byte, and print what came of it.")
    parser.add_argument("--sockets-only", action="store_true")
    given = parser.parse_args()
    streams = [*written(), *recorded()]
    offsets = sum(len(stream.body) for stream in streams)
    print(
        f"{len(streams)} streams, {len(written())} written and {len(recorded())} recorded; {offsets:,} offsets",
        flush=True,
    )
    started = time.perf_counter()
    tally = asyncio.run(run(streams, sockets_only=given.sockets_only))
    print("\n".join(table(streams, tally)))
    print(f"{sum(tally.counts.values()):,} answers in {time.perf_counter() - started:.0f} s; wrong: {len(tally.wrong)}")
    for line in tally.wrong[:20]:
        print(line)
    return 1 if tally.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
