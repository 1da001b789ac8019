"""The ways down a chain that are not «the next one»: hedging, starting over, turning down, leaving alone."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING, Any

import pytest
from matrix import NO_RETRY, WHOLE, Host, client_of, going_on

from segue import Client, sync
from segue.capabilities import Capabilities
from segue.chain.attempt import Attempting, Ready, Run
from segue.chain.race import Race
from segue.chain.targets import Chain, Target
from segue.errors import ConnectError, OverloadedError, RejectedError, StreamBrokenError
from segue.events import Event, Finish, Handover, TextDelta, Usage
from segue.messages import Request
from segue.observation import Attempt
from segue.pricing import Pricing, SharedPricing
from segue.resilience import Breaker, Endpoint, Fleet, Hedge
from segue.testing import Answer, Cut, Stall, Status

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

ASKED = Request(messages=())
HERE = Endpoint("a", "", "", "m")


@pytest.mark.parametrize("stream", [True, False])
async def test_a_late_host_is_overtaken(stream: bool) -> None:
    """The second is asked when the first is late, answers alone, and the first one's connection is closed."""
    late = Stall("first_event" if stream else "headers")
    async with Host(script=[late]) as first, Host(answer=WHOLE) as second:
        async with client_of({"faulty": first.url, "last": second.url}) as client:
            chain = Chain("faulty/m", "last/m", hedge=Hedge(after=0.05))
            if stream:
                async with client.stream("hi", chain=chain) as answer:
                    reply = await answer.reply()
            else:
                reply = await client.chat("hi", chain=chain)
            await first.until_closed()
    assert (reply.text, reply.provider) == (WHOLE, "last")
    assert [(one.provider, one.outcome, one.way) for one in reply.attempts] == [
        ("faulty", "lost", None),
        ("last", "answered", "hedge"),
    ]
    assert (len(first.requests), len(second.requests)) == (1, 1)


async def test_a_race_that_all_lose_is_a_failure_of_both() -> None:
    """A first that fails while the second runs is no end; the error of each is told when both have failed."""
    async with Host(script=[Stall("headers")]) as first, Host(script=[Status(503)]) as second:
        async with Host(answer=WHOLE) as third:
            urls = {"faulty": first.url, "before": second.url, "last": third.url}
            async with client_of(urls) as client:
                chain = Chain("faulty/m", "before/m", "last/m", hedge=Hedge(after=0.05))
                asking = asyncio.create_task(client.chat("hi", chain=chain))
                await second.until_requests()
                await asyncio.wait({asking}, timeout=0.2)
                assert not asking.done()  # the first is still waited for
                asking.cancel()
                await asyncio.wait({asking})
                await first.until_closed()
                await second.until_closed(1)  # kept for the next call
    assert asking.cancelled()
    assert not third.requests


async def test_a_race_that_is_cancelled_while_it_ends_leaves_nobody() -> None:
    """All racers are closed before the cancellation is passed on, also when it comes while they are being closed."""
    closed: list[str] = []
    closing = asyncio.Event()

    def slow(name: str) -> Ready:
        async def events(request: Request, deadline: float | None) -> AsyncGenerator[Event, None]:
            try:
                await asyncio.Event().wait()
                yield TextDelta("never")
            finally:
                closing.set()
                for _ in range(10):
                    await asyncio.sleep(0)
                closed.append(name)

        return Ready(name, "m", events)

    async def race() -> None:
        run = Run()
        one, other = (Attempting(run, slow(name), ASKED, math.inf, endpoint=HERE) for name in "ab")
        async with Race(one) as racing:
            racing.add(other)
            await racing.decided(within=0.0)

    running = asyncio.create_task(race())
    await closing.wait()
    running.cancel()
    await asyncio.wait({running})
    assert (sorted(closed), running.cancelled()) == (["a", "b"], True)
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_starting_over_is_told_and_its_text_refused() -> None:
    """With restart the events say where all before is to be thrown away, and the reply has the new answer alone."""
    async with Host(answer=WHOLE, script=[Cut(700)]) as first, Host(script=[Answer("another")]) as second:
        async with client_of({"faulty": first.url, "last": second.url}) as client:
            chain = Chain("faulty/m", "last/m", mid_stream="restart")
            text = ""
            async with client.stream("hi", chain=chain) as stream:
                async for event in stream:
                    if isinstance(event, Handover):
                        assert (event.mode, event.text_length, len(text) > 0) == ("restart", len(text), True)
                        text = ""
                    text += event.text if isinstance(event, TextDelta) else ""
                reply = await stream.reply()
            assert text == reply.text == "another"
            async with client.stream("hi", chain=chain) as stream:
                with pytest.raises(TypeError, match="iterate over the events"):
                    await anext(stream.text())


def test_starting_over_is_no_text_in_sync_either() -> None:
    """The client without a loop refuses the text of a stream that may start over, too."""
    rows = {"a": {"wire": "openai_chat", "base_url": "http://127.0.0.1:9/v1", "models": ["m"]}}
    with sync.Client(config={"providers": rows}, plugins=False, environ={}) as client:
        with client.stream("hi", model="a/m", mid_stream="restart") as stream:
            with pytest.raises(TypeError, match="iterate over the events"):
                next(stream.text())


@pytest.mark.parametrize("wrong", [{"mid_stream": "resume"}, {"balance": "fair"}])
def test_a_word_that_is_none_is_refused(wrong: dict[str, Any]) -> None:
    """A chain of a manner that there is not is an error where it is written, with those that there are."""
    with pytest.raises(ValueError, match=f"{next(iter(wrong))} must be "):
        Chain("a/m", **wrong)


@pytest.mark.parametrize(
    ("reject", "answer"),
    [
        ("empty", Answer("")),
        ("refusal", Answer(refusal="no")),
        ("truncated", Answer("cut", finish_reason="length")),
        (lambda reply: "sorry" in reply.text, Answer("sorry, no")),
    ],
)
async def test_an_answer_that_is_none_is_turned_down(reject: Any, answer: Answer) -> None:
    """The next is asked, nothing of the first is in the answer, and the host is not blamed for it."""
    async with Host(script=[answer]) as first, Host(answer=WHOLE) as second:
        async with client_of({"faulty": first.url, "last": second.url}) as client:
            for _ in range(3):
                reply = await client.chat("hi", chain=Chain("faulty/m", "last/m", reject=reject))
                assert (reply.text, type(reply.attempts[0].error)) == (WHOLE, RejectedError)
    assert len(first.requests) == 3


async def test_what_is_held_back_can_be_turned_down() -> None:
    """A stream that keeps so many characters back asks the next one, and gives no letter of the first."""
    async with Host(script=[Answer("I am sorry, but no")]) as first, Host(answer=WHOLE) as second:
        async with client_of({"faulty": first.url, "last": second.url}) as client:
            chain = Chain("faulty/m", "last/m", reject=lambda reply: "sorry" in reply.text)
            async with client.stream("hi", chain=chain, hold_back=12) as stream:
                assert "".join([piece async for piece in stream.text()]) == WHOLE


async def test_each_has_its_turn() -> None:
    """Round robin asks each first in its turn, over the calls of one client."""
    async with Host(answer="one") as first, Host(answer="two") as second:
        async with client_of({"faulty": first.url, "last": second.url}) as client:
            chain = Chain("faulty/m", Chain("last/m"), balance="round_robin")
            assert [(await client.chat("hi", chain=chain)).text for _ in range(4)] == ["one", "two", "one", "two"]


async def test_a_target_fills_in_what_the_call_left_open() -> None:
    """Its settings are sent where the call has none of its own."""
    async with Host(answer=WHOLE) as host, client_of({"faulty": host.url}) as client:
        chain = Chain(Target("faulty/m", settings={"temperature": 0.25, "seed": 7}))
        await client.chat("hi", chain=chain, seed=1)
    assert (host.requests[0].json["temperature"], host.requests[0].json["seed"]) == (0.25, 1)


async def test_a_host_that_fails_is_left_alone() -> None:
    """After two failures in a row it is not asked, its own error is said again, and the next answers."""
    async with Host(script=[Status(503)]) as first, Host(answer=WHOLE) as second:
        breaker = Breaker(failures=2, interval=60)
        async with client_of({"faulty": first.url, "last": second.url}, options={"breaker": breaker}) as client:
            replies = [await client.chat("hi", chain=Chain("faulty/m", "last/m")) for _ in range(3)]
            reply = replies[-1]
            assert [one.outcome for one in reply.attempts] == ["skipped", "answered"]
            error = reply.attempts[0].error
            assert isinstance(error, OverloadedError)
            assert (error.phase, error.next_may_help) == ("skipped", True)
            assert client.health.of("faulty", "m") is not None
            with pytest.raises(OverloadedError, match="not tried for another"):
                await client.chat("hi", chain=Chain("faulty/m"))
    assert (len(first.requests), len(second.requests)) == (2, 3)


def test_one_probe_at_a_time() -> None:
    """A call from before the probe that is left, or fails, lets no other through beside it."""
    fleet = Fleet(breaker=Breaker(failures=1, interval=2.0))
    for _ in range(4):
        fleet.asked(HERE, 0.0)
    fleet.failed(HERE, ConnectError("x"), 0.0, probe=False)
    probe, change = fleet.asked(HERE, 2.0)
    assert (probe, change is not None and change.after) == (True, "half_open")
    fleet.left(HERE, 2.0, probe=False)
    fleet.failed(HERE, ConnectError("x"), 2.0, probe=False)
    assert fleet.wait(HERE, 2.0) == math.inf
    fleet.left(HERE, 2.0, probe=True)
    assert fleet.wait(HERE, 2.0) == 0.0


def test_a_hint_outlives_an_answer_with_its_reason() -> None:
    """An answer of an earlier call while the host's own time runs: who asks is told why not, and for how long."""
    fleet = Fleet()
    for _ in range(2):
        fleet.asked(HERE, 0.0)
    error = OverloadedError("busy", status=503, retry_after=9.0)
    fleet.failed(HERE, error, 0.0, probe=False)
    fleet.answered(HERE, 1.0, first=0.5, duration=1.0, whole=True)
    refusal = fleet.refusal(HERE, 1.0)
    assert isinstance(refusal, OverloadedError)
    assert refusal.retry_after == 8.0


def test_a_part_without_a_price_makes_the_whole_unknown() -> None:
    """The cost of an answer of several is none where one of them is not known, never the rest."""
    priced = Pricing(Capabilities({"input_price": 1, "output_price": 1}), "m", None)
    used = Usage(input_tokens=1_000_000, output_tokens=0)
    known = Attempt("a", "m", "failed", 1.0, usage=used, pricing=priced)
    unknown = Attempt("b", "m", "answered", 1.0, usage=used)
    assert SharedPricing((known, known)).cost(None) == 2.0
    assert SharedPricing((known, unknown)).cost(None) is None


async def test_a_long_prompt_is_sent_without_a_warning() -> None:
    """A body of more than a mebibyte comes whole, with its length and the type that its wire gave it."""
    async with Host(answer=WHOLE) as host, client_of({"faulty": host.url}, retry=NO_RETRY) as client:
        await client.chat("x" * 2_000_000, chain=Chain("faulty/m"))
    (received,) = host.requests
    assert received.json["messages"][0]["content"] == "x" * 2_000_000
    assert received.header["content-type"] == "application/json"
    assert received.header["content-length"] == str(len(received.body))


async def test_a_finish_alone_is_an_answer() -> None:
    """Nothing held back, nothing turned down: a run without tests gives what came."""

    async def events(request: Request, deadline: float | None) -> AsyncGenerator[Event, None]:
        yield Finish("stop")

    run = Run()
    attempt = Attempting(run, Ready("a", "m", events), ASKED, math.inf, endpoint=HERE)
    assert [event async for event in attempt.events()] == [Finish("stop")]
    assert run.reply().text == ""


@pytest.mark.parametrize("reject", [(), ("empty",)])
async def test_who_goes_on_without_a_word(reject: Any) -> None:
    """Asked to go on, who says nothing more has answered, with a notice; with reject="empty" the next one goes on."""
    urls: dict[str, str] = {}
    rows: dict[str, Any] = {}
    async with (
        Host(answer=WHOLE, script=[Cut(600)]) as first,
        Host(answer="") as second,
        Host(answer=going_on) as third,
    ):
        for name, host in (("before", first), ("faulty", second), ("last", third)):
            urls[name] = host.url
            rows[name] = {
                "wire": "openai_chat", "base_url": host.url, "models": ["m"], "capabilities": {"prefill": True},
            }  # fmt: skip
        async with Client(config={"providers": rows}, plugins=False, environ={}, retry=NO_RETRY) as client:
            async with client.stream("hi", chain=Chain(*(f"{name}/m" for name in urls)), reject=reject) as stream:
                text = "".join([piece async for piece in stream.text()])
                reply = await stream.reply()
    told = [(one.provider, one.outcome, one.way) for one in reply.attempts]
    assert told[:1] == [("before", "failed", None)]
    assert text == reply.text
    if reject:
        assert text == WHOLE
        assert told[1:] == [("faulty", "failed", "continue"), ("last", "answered", "continue")]
        assert isinstance(reply.attempts[1].error, RejectedError)
        return
    assert WHOLE.startswith(text)
    assert told[1:] == [("faulty", "answered", "continue")]
    assert [notice.message for notice in reply.notices if notice.subject == "continue"] == [
        "the next model added no text: the answer may not be whole"
    ]


@pytest.mark.parametrize(
    ("quirk", "marked"),
    [
        ("prefill_prefix", lambda body: body["messages"][-1]["prefix"]),
        ("prefill_partial", lambda body: body["messages"][-1]["partial"]),
        ("prefill_continue", lambda body: body["continue_final_message"] and not body["add_generation_prompt"]),
    ],
)
async def test_a_host_that_wants_a_mark_goes_on_with_it(quirk: str, marked: Any) -> None:
    """In the middle of a stream each kind of host is asked to go on in its own form, and the text comes out whole."""
    async with Host(answer=WHOLE, script=[Cut(600)]) as first, Host(answer=going_on) as second:
        rows: dict[str, Any] = {
            name: {"wire": "openai_chat", "base_url": host.url, "models": ["m"], "quirks": [quirk]}
            for name, host in (("faulty", first), ("last", second))
        }
        rows["last"]["capabilities"] = {"prefill": True}
        async with Client(config={"providers": rows}, plugins=False, environ={}, retry=NO_RETRY) as client:
            async with client.stream("hi", chain=Chain("faulty/m", "last/m")) as stream:
                text = "".join([piece async for piece in stream.text()])
    assert text == WHOLE
    assert marked(second.requests[0].json)
    assert first.requests[0].json["messages"] == [{"role": "user", "content": "hi"}]


_NOT_CONTINUED = "it does not declare that it can continue the text of another model (prefill)"


@pytest.mark.parametrize("hedge", [None, 5.0])
@pytest.mark.parametrize(
    ("prefill", "mid_stream", "told"),
    [
        (False, "continue", f"no candidate could continue the answer: last/m was not tried: {_NOT_CONTINUED}"),
        (True, "fail", "no candidate was tried after the answer began: mid_stream is 'fail'"),
    ],
)
async def test_a_cut_answer_says_why_nobody_continued_it(
    hedge: float | None, prefill: bool, mid_stream: Any, told: str
) -> None:
    """A note of the error gives the reason, in a chain with and without a hedge."""
    async with Host(answer=WHOLE, script=[Cut(600)]) as first, Host(answer=WHOLE) as second:
        async with client_of({"faulty": first.url, "last": second.url}, prefill=prefill) as client:
            chain = Chain("faulty/m", "last/m", mid_stream=mid_stream, hedge=hedge)
            with pytest.raises(StreamBrokenError) as caught:
                async with client.stream("hi", chain=chain) as stream:
                    await stream.reply()
    assert told in caught.value.__notes__
    assert not second.requests
