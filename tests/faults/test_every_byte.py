"""Answers cut at every byte, F12 and F13 of the catalogue: a part of what `cuts.py` cuts in full."""

from __future__ import annotations

import json
import random

import cuts
import pytest
from continuing_hosts import WRITERS, RefusedError, Wire, beginning, rest
from cuts import Cut, InProcess, Tally

STREAMS = {stream.name: stream for stream in cuts.written()}
SEED = 20_261_124
SAMPLE = 120
"""How many offsets of each stream are cut beside its events' boundaries."""


@pytest.mark.parametrize("name", STREAMS)
async def test_no_cut_is_silent_and_each_is_gone_on_with(name: str) -> None:
    """In process: cut anywhere, an answer is an error with its exact text; a second host makes text and usage whole."""
    stream = STREAMS[name]
    near = [at + by for at in stream.boundaries for by in (-2, -1, 0, 1)]
    drawn = random.Random(SEED).sample(range(len(stream.body)), SAMPLE)
    offsets = sorted({at for at in (*near, *drawn) if 0 <= at < len(stream.body)})
    tally = Tally()
    await cuts.in_process([stream], {name: offsets}, tally)
    assert tally.wrong == []
    assert sum(tally.counts.values()) == 4 * len(offsets)
    assert tally.counts["in process", stream.wire, "continued", "continued"] > len(offsets)


@pytest.mark.parametrize("name", STREAMS)
async def test_on_sockets(name: str) -> None:
    """On sockets the same, in each framing, by a close and by a reset."""
    stream = STREAMS[name]
    offsets = [*stream.boundaries[1:-1:6], *random.Random(SEED).sample(range(len(stream.body)), 6)]
    tally = Tally()
    await cuts.on_sockets([stream], {name: offsets}, tally)
    assert tally.wrong == []
    assert sum(tally.counts.values()) == 12 * len(offsets)


@pytest.mark.parametrize("name", STREAMS)
async def test_uncut_it_is_whole(name: str) -> None:
    """The same answer uncut, its framing whole, comes from the first host alone."""
    stream = STREAMS[name]
    transport = InProcess()
    transport.cut = Cut(stream, len(stream.body) + 1, "close", "close")
    async with cuts.client_of(stream.wire, 9, transport) as client:
        outcome = await cuts.continued(client, transport.cut)
    # Gemini's wire has no end marker: a body without a framing is never known to be whole, and is gone on with.
    assert outcome == ("continued" if stream.wire == "gemini" else "whole")
    assert transport.requests == (2 if stream.wire == "gemini" else 1)


class Silent(InProcess):
    """A host whose lies look whole: its cut bodies end as if nothing were missing."""

    def lie(self, cut: Cut) -> None:
        """Serve the cut body with an end of its own."""
        stream = cut.stream
        reached = stream.reached(cut.at)[0]
        body = stream.body[: reached.offset] + b"".join(WRITERS[stream.wire]([]))
        self.cut = Cut(cuts.Stream(stream.name, stream.wire, body, stream.marks), len(body), "close", "close")


@pytest.mark.parametrize("wire", ["chat", "messages"])
async def test_a_truncation_would_be_seen(wire: Wire) -> None:
    """The check itself fails where a cut answer ends as if it were whole."""
    stream = STREAMS[f"{wire}: plain words"]
    cut = Cut(stream, stream.boundaries[8], "close", "close")
    transport = Silent()
    transport.lie(cut)
    async with cuts.client_of(wire, 9, transport) as client:
        with pytest.raises(AssertionError, match="silently"):
            await cuts.alone(client, cut)


def test_the_continuing_host_refuses_what_the_real_one_does() -> None:
    """The second host takes no beginning that ends in white space on Anthropic's wire, and none that is not its own."""
    asked = {"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "one "}]}
    assert beginning("chat", asked) == "one "
    with pytest.raises(RefusedError, match="white"):
        rest("messages", asked, "one two")
    with pytest.raises(RefusedError, match="no beginning"):
        rest("chat", asked, "another answer")
    assert json.dumps("two").encode() not in rest("chat", asked, "one ")
