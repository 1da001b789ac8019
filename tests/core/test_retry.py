"""Asking again: who, how often, after which wait, and what the caller is told in the end."""

from __future__ import annotations

import asyncio
import itertools
import math
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from segue import (
    AllFailedError,
    BadRequestError,
    ConnectError,
    Finish,
    HTTPError,
    OverloadedError,
    PhaseTimeoutError,
    ProviderError,
    QuotaExhaustedError,
    RateLimitError,
    SegueError,
    StreamBrokenError,
    TextDelta,
    Timeout,
)
from segue.chain.attempt import Ready, Run
from segue.chain.walk import in_turn
from segue.messages import Message, Request
from segue.observation import Observer, Observers, Wait
from segue.resilience import NO_RETRY, Budget, Fleet, Retry
from segue.testing import Answer, Cut, Drop, OpenAIHost, Raw, Stall, Status, refused_url
from segue.transport import AiohttpTransport, exchange
from segue.wire import openai_chat

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence

    from segue.events import Event, Reply
    from segue.testing import Step

ASKED = Request(messages=(Message(role="user", content="x"),))


class Waits(list[float]):
    """Stands in for sleeping: keeps what was asked for, and is over at once."""

    async def __call__(self, seconds: float) -> None:
        self.append(seconds)


# ── against a plain model, on a clock that only moves when it is told to ────────────────────────────────


class SteppedLoop(asyncio.SelectorEventLoop):
    """A loop whose time stands still."""

    now = 0.0

    def time(self) -> float:
        return self.now


@dataclass(frozen=True)
class Outcome:
    """What an attempt comes to: an answer (``error`` is None), or an error, after so many seconds."""

    error: Callable[[], ProviderError] | None
    retryable: bool = False
    fatal: bool = False
    hint: float | None = None
    takes: float = 0.0


def again(hint: float | None, takes: float) -> Outcome:
    return Outcome(lambda: RateLimitError("x", status=429, retry_after=hint), True, False, hint, takes)


# Quarters and eighths are exact in binary: the model's sums and the engine's are the same to the last bit.
TAKES = st.sampled_from([0.0, 0.25, 3.0])
OUTCOMES = st.one_of(
    st.builds(again, st.sampled_from([None, -1.0, 0.0, 0.5, 2.0, 4.0, 31.0]), TAKES),
    st.builds(again, st.none(), TAKES),
    st.just(Outcome(None)),
    st.builds(lambda takes: Outcome(lambda: QuotaExhaustedError("x", status=429), takes=takes), TAKES),
    st.just(Outcome(lambda: BadRequestError("x", status=400), fatal=True)),
)
SCRIPTS = st.lists(st.lists(OUTCOMES, min_size=1, max_size=5), min_size=1, max_size=4)
RETRIES = st.builds(
    Retry, st.integers(0, 4), base=st.sampled_from([0.0, 0.5, 4.0]), cap=st.sampled_from([0.0, 1.0, 4.0, 30.0])
)
FRACTIONS = st.lists(st.sampled_from([0.0, 0.125, 0.5, 0.875]), min_size=1, max_size=7)
TOTALS = st.sampled_from([math.inf, math.inf, 2.0, 8.0])


@dataclass
class Walk:
    """What happened: who was asked at which time, the waits and when each was over, and how it ended."""

    asked: list[tuple[int, float]]
    waits: list[tuple[float, float]]
    end: str = ""


def foreseen(script: Sequence[Sequence[Outcome]], retry: Retry, total: float, fractions: Sequence[float]) -> Walk:
    """The walk as the rules say it, in one piece and without a loop, a generator or an exception."""
    walk, draw, now = Walk([], []), itertools.cycle(fractions), 0.0
    tries = [0] * len(script)
    due: dict[int, float] = {}
    turn = list(range(len(script)))
    while turn:
        unhinted = []
        for one in turn:
            if now >= total:
                continue  # what cannot be in time is not begun
            outcome = script[one][min(tries[one], len(script[one]) - 1)]
            walk.asked.append((one, now))
            tries[one] += 1
            now += outcome.takes
            if outcome.error is None or outcome.fatal:
                walk.end = "answered" if outcome.error is None else "fatal"
                return walk
            if not outcome.retryable or tries[one] > retry.count:
                continue
            if outcome.hint is None:
                unhinted.append(one)
            elif outcome.hint <= retry.cap:
                due[one] = now + max(0.0, outcome.hint) + next(draw) * retry.base
        if unhinted:
            fraction = next(draw)
            due.update({one: now + fraction * min(retry.cap, retry.base * 2 ** (tries[one] - 1)) for one in unhinted})
        at = max([now, min(due.values())]) if due else math.inf
        if at >= total:
            break
        if at > now:
            walk.waits.append((at - now, at))
            now = at
        turn = [one for one in range(len(script)) if due.get(one, math.inf) <= at]
        for one in turn:
            del due[one]
    walk.end = "failed"
    return walk


def walked(
    script: Sequence[Sequence[Outcome]], retry: Retry, total: float, fractions: Sequence[float]
) -> tuple[Walk, SegueError | None, Run]:
    """The walk as it is."""
    walk, draw = Walk([], []), itertools.cycle(fractions)
    tries = [0] * len(script)

    async def sleep(seconds: float) -> None:
        loop.now += seconds
        walk.waits.append((seconds, loop.now))

    async def events(index: int) -> AsyncIterator[Event]:
        outcome = script[index][min(tries[index], len(script[index]) - 1)]
        walk.asked.append((index, loop.now))
        tries[index] += 1
        loop.now += outcome.takes
        if outcome.error is not None:
            raise outcome.error()
        yield TextDelta("whole")
        yield Finish("stop")

    def ready(index: int) -> Ready:
        return Ready(f"p{index}", "m", lambda request, deadline: events(index))

    async def go() -> SegueError | None:
        try:
            async for _ in in_turn([ready(index) for index in range(len(script))], ASKED, run):
                pass
        except SegueError as error:
            return error
        return None

    timeout = Timeout(first_event=None, idle=None, total=None if total == math.inf else total)
    fleet = Fleet(breaker=None, budget=Budget(reserve=1000.0))
    run = Run(timeout=timeout, retry=retry, sleep=sleep, random=lambda: next(draw), fleet=fleet)
    loop = SteppedLoop()
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        error = runner.run(go())
    fatal = isinstance(error, BadRequestError)
    walk.end = "answered" if error is None else "fatal" if fatal else "failed"
    return walk, error, run


@given(SCRIPTS, RETRIES, TOTALS, FRACTIONS)
@example([[again(2.0, 0.0)]], Retry(base=0.0), 2.0, [0.5])  # due at the deadline
@example([[again(2.5, 0.0)]], Retry(base=0.0), 2.0, [0.5])  # due after it
@example([[again(-1.0, 0.0)]], Retry(base=4.0), math.inf, [0.5])  # a hint that says nothing
@example([[again(None, 3.0)], [again(0.5, 0.0)]], Retry(base=4.0), math.inf, [0.875])  # nobody waits for a hint
def test_who_is_asked_when_is_what_the_model_says(
    script: list[list[Outcome]], retry: Retry, total: float, fractions: list[float]
) -> None:
    """For any outcomes the attempts, their times, the waits and the end are those of the plain model."""
    assert walked(script, retry, total, fractions)[0] == foreseen(script, retry, total, fractions)


@given(SCRIPTS, RETRIES, TOTALS, FRACTIONS)
def test_the_bounds_of_asking_again(
    script: list[list[Outcome]], retry: Retry, total: float, fractions: list[float]
) -> None:
    """Each is asked once before any is again, 1 + count times at most, never too early; no wait passes the deadline."""
    walk, _, _ = walked(script, retry, total, fractions)
    order = [index for index, _ in walk.asked]
    assert order[: len(script)] == list(range(min(len(script), len(order))))
    assert all(order.count(index) <= 1 + retry.count for index in order)
    assert all(0 < wait <= retry.cap + retry.base for wait, _ in walk.waits)
    assert all(over < total for _, over in walk.waits)
    for index, outcomes in enumerate(script):
        times = [when for asked, when in walk.asked if asked == index]
        for number, (before, after) in enumerate(itertools.pairwise(times)):
            failed = outcomes[min(number, len(outcomes) - 1)]
            assert after - before >= failed.takes + max(0.0, failed.hint or 0.0)


@given(SCRIPTS, RETRIES, FRACTIONS)
def test_the_error_of_each_is_its_last(script: list[list[Outcome]], retry: Retry, fractions: list[float]) -> None:
    """Of failed calls one candidate raises its own last error, more of them a group of the last of each."""
    walk, error, run = walked(script, retry, math.inf, fractions)
    if walk.end != "failed":
        return
    last = {attempt.provider: attempt.error for attempt in run.attempts}
    errors = list(error.exceptions) if isinstance(error, AllFailedError) else [error]
    assert isinstance(error, AllFailedError) == (len(script) > 1)
    assert [id(one) for one in errors] == [id(last[f"p{index}"]) for index in range(len(script))]
    assert isinstance(error, AllFailedError | ProviderError)
    assert len(error.attempts) == len(walk.asked)


# ── the values ──────────────────────────────────────────────────────────────────────────────────────────


def test_waits_double_up_to_the_cap() -> None:
    """The longest wait doubles from base and stays at the cap, however many retries there are."""
    retry = Retry(count=10_000)
    assert [retry.longest(number) for number in (0, 1, 2, 5, 6, 9_999)] == [0.5, 1.0, 2.0, 16.0, 30.0, 30.0]


@pytest.mark.parametrize("wrong", [{"count": -1}, {"base": -0.5}, {"base": math.nan}, {"cap": math.inf}, {"cap": -1}])
def test_what_is_no_retry_is_refused(wrong: dict[str, Any]) -> None:
    """A count below 0 and waits that are no length of time are errors where they are written."""
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Retry(**wrong)


@pytest.mark.parametrize(
    "error",
    [
        PhaseTimeoutError("x", phase="connect"),
        PhaseTimeoutError("x", phase="first_event"),
        PhaseTimeoutError("x", phase="idle"),
        RateLimitError("x", status=429, retry_after=30.5),
        RateLimitError("x", status=429, retry_after=math.nan),
        QuotaExhaustedError("x", status=429, retry_after=1.0),
    ],
)
def test_what_another_try_does_not_mend(error: ProviderError) -> None:
    """A limit waited out, a host that asks for more than the cap or for nonsense, and an empty account stay as is."""
    assert not Retry().helps(error)


@pytest.mark.parametrize(
    "error", [ConnectError("x"), StreamBrokenError("x"), RateLimitError("x", status=429, retry_after=30.0)]
)
def test_what_another_try_may_mend(error: ProviderError) -> None:
    """No connection, a cut answer, and a host that asks for no more than the cap are worth another try."""
    assert Retry().helps(error)


# ── on sockets ──────────────────────────────────────────────────────────────────────────────────────────


@asynccontextmanager
async def hosts(*scripts: Sequence[Step]) -> AsyncGenerator[tuple[list[Ready], list[OpenAIHost]], None]:
    """Hosts with these scripts, and candidates a, b, … that ask them."""
    async with AsyncExitStack() as stack:
        opened = [
            await stack.enter_async_context(OpenAIHost(answer="one two three", script=script)) for script in scripts
        ]
        transport = await stack.enter_async_context(AiohttpTransport())
        yield [asks(transport, host.url, name) for host, name in zip(opened, "abc", strict=False)], opened


def asks(transport: AiohttpTransport, url: str, name: str = "a") -> Ready:
    def stream(request: Request, deadline: float | None) -> AsyncIterator[Event]:
        call = openai_chat.encode(request, model="m", base_url=url, headers={})
        return exchange(transport, call, openai_chat.Decoder())

    return Ready(name, "m", stream)


USUAL = Retry()


def run_of(retry: Retry = USUAL, *, fraction: float = 0.5, **options: Any) -> tuple[Run, Waits]:
    waits = Waits()
    return Run(retry=retry, sleep=waits, random=lambda: fraction, hold_back=math.inf, **options), waits


async def reply_of(candidates: Sequence[Ready], run: Run) -> Reply[Any]:
    async for _ in in_turn(candidates, ASKED, run):
        pass
    return run.reply()


async def test_a_rate_limit_is_waited_out() -> None:
    """After a 429 with Retry-After 2 there is one wait of 2 to 2.5 seconds, then the answer."""
    run, waits = run_of()
    async with hosts([Status(429, retry_after="2"), Answer()]) as (candidates, (host,)):
        reply = await reply_of(candidates, run)
    assert (reply.text, len(host.requests), len(waits)) == ("one two three", 2, 1)
    assert 2.0 <= waits[0] <= 2.5
    assert [attempt.outcome for attempt in reply.attempts] == ["failed", "answered"]


async def test_an_overloaded_host_is_asked_again_with_growing_waits() -> None:
    """Two 503 cost two waits, drawn from 0.5 and from 1 second."""
    run, waits = run_of(fraction=0.5)
    async with hosts([Status(503), Status(503), Answer()]) as (candidates, _):
        reply = await reply_of(candidates, run)
    assert reply.text == "one two three"
    assert waits == pytest.approx([0.25, 0.5])


async def test_the_other_candidate_comes_before_a_second_try() -> None:
    """Both are asked before either is again; then the first in order, and no more once it answers."""
    run, waits = run_of()
    async with hosts([Status(503), Answer()], [Status(503)]) as (candidates, (_, second)):
        reply = await reply_of(candidates, run)
    assert [attempt.provider for attempt in reply.attempts] == ["a", "b", "a"]
    assert (reply.provider, len(second.requests), len(waits)) == ("a", 1, 1)


async def test_who_asked_for_time_is_not_asked_before_it() -> None:
    """While a host's Retry-After runs the others have their retries; it comes when its time is there."""
    run, waits = run_of(Retry(count=1), fraction=0.5)
    async with hosts([Status(429, retry_after="20"), Answer()], [Status(503)]) as (candidates, _):
        reply = await reply_of(candidates, run)
    assert [attempt.provider for attempt in reply.attempts] == ["a", "b", "b", "a"]
    assert waits[0] == pytest.approx(0.25)
    assert 19.0 < waits[1] <= 20.25


@pytest.mark.parametrize(
    "step",
    [
        *(Status(status) for status in (400, 401, 403, 404)),
        Status(429, code="insufficient_quota", retry_after="1"),
        Status(429, retry_after="31"),
    ],
)
async def test_what_is_asked_once_only(step: Status) -> None:
    """A wrong request, key or model, an empty account, a wait beyond the cap: one request, no wait, the hint kept."""
    run, waits = run_of()
    async with hosts([step]) as (candidates, (host,)):
        with pytest.raises(HTTPError) as caught:
            await reply_of(candidates, run)
    assert (caught.value.status, len(host.requests), waits) == (step.status, 1, [])
    assert caught.value.retry_after == (float(step.retry_after) if step.retry_after else None)


async def test_silence_is_waited_out_once() -> None:
    """A host that says nothing until its limit is not asked a second time."""
    run, waits = run_of(timeout=Timeout(first_event=0.05))
    async with hosts([Stall("headers")]) as (candidates, (host,)):
        with pytest.raises(PhaseTimeoutError) as caught:
            await reply_of(candidates, run)
    assert (caught.value.phase, len(host.requests), waits) == ("first_event", 1, [])


async def test_a_count_is_an_end() -> None:
    """A host that stays overloaded is asked 1 + count times; its own last error has every attempt."""
    run, waits = run_of(Retry(count=3))
    async with hosts([Status(503)]) as (candidates, (host,)):
        with pytest.raises(OverloadedError) as caught:
            await reply_of(candidates, run)
    assert (len(host.requests), len(waits), len(caught.value.attempts)) == (4, 3, 4)
    assert caught.value.attempts[-1].error is caught.value


async def test_without_retries_each_is_asked_once() -> None:
    """NO_RETRY, which is a run's default, asks every candidate once."""
    async with hosts([Status(503)], [Status(503)]) as (candidates, opened):
        for run in (Run(), run_of(NO_RETRY)[0]):
            with pytest.raises(AllFailedError, match="all 2 candidates failed") as caught:
                await reply_of(candidates, run)
            assert len(caught.value.attempts) == 2
        assert [len(host.requests) for host in opened] == [2, 2]


async def test_no_wait_passes_the_deadline() -> None:
    """Where the wait would end after the call's time the call fails at once, with the error at hand."""
    run, waits = run_of(timeout=Timeout(total=20.0))
    async with hosts([Status(429, retry_after="25"), Answer()]) as (candidates, (host,)):
        with pytest.raises(RateLimitError) as caught:
            await reply_of(candidates, run)
    assert (caught.value.retry_after, len(host.requests), waits) == (25.0, 1, [])


@pytest.mark.parametrize("step", [Cut(40), Drop("request"), Drop("request", how="reset")])
async def test_a_whole_answer_is_asked_for_again_after_a_cut(step: Step) -> None:
    """Where the caller has seen nothing, the only candidate is asked again after its connection broke."""
    run, waits = run_of()
    async with hosts([step, Answer()]) as (candidates, (host,)):
        reply = await reply_of(candidates, run)
    assert (reply.text, len(host.requests), len(waits)) == ("one two three", 2, 1)


async def test_a_stream_is_not_asked_for_again_after_its_first_text() -> None:
    """What the caller has seen is never said twice: the cut is the caller's to see."""
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: 4096\r\n\r\n"
    cut = Raw(head + b'data: {"choices":[{"index":0,"delta":{"content":"one"}}]}\n\n')
    run, waits = run_of()
    run.hold_back = 0.0
    async with hosts([cut, Answer()]) as (candidates, (host,)):
        with pytest.raises(StreamBrokenError) as caught:
            await reply_of(candidates, run)
    assert (caught.value.text, len(host.requests), waits) == ("one", 1, [])


async def test_a_stream_is_asked_for_again_before_its_first_text() -> None:
    """Until then the caller has seen nothing, whether the answer comes as a whole or in pieces."""
    run, waits = run_of()
    run.hold_back = 0.0
    async with hosts([Status(503), Answer()]) as (candidates, _):
        reply = await reply_of(candidates, run)
    assert (reply.text, len(waits)) == ("one two three", 1)


async def test_a_refused_connection_is_tried_again() -> None:
    """A host that is just starting refuses connections: that too is worth a wait."""
    run, waits = run_of()
    async with AiohttpTransport() as transport:
        with pytest.raises(ConnectError) as caught:
            await reply_of([asks(transport, refused_url())], run)
    assert (len(waits), len(caught.value.attempts)) == (2, 3)


async def test_errors_that_nobody_sees_let_go_of_their_frames() -> None:
    """The messages are in the frames of a traceback: an overcome error keeps none, a raised one does."""
    run, _ = run_of()
    async with hosts([Status(503), Status(503), Answer()]) as (candidates, _):
        reply = await reply_of(candidates, run)
    assert [attempt.error.__traceback__ for attempt in reply.attempts if attempt.error] == [None, None]

    run, _ = run_of(Retry(count=1))
    async with hosts([Status(503)]) as (candidates, _):
        with pytest.raises(OverloadedError) as caught:
            await reply_of(candidates, run)
    first, last = (attempt.error for attempt in caught.value.attempts)
    assert first is not None
    assert first.__traceback__ is None
    assert last is not None
    assert last.__traceback__ is not None


async def test_a_caller_may_leave_during_a_wait() -> None:
    """A call cancelled between two tries asks nobody any more; what had failed is on record."""
    waiting = asyncio.Event()

    async def sleep(seconds: float) -> None:
        waiting.set()
        await asyncio.Event().wait()

    run = Run(retry=Retry(), sleep=sleep, random=lambda: 0.5)
    async with hosts([Status(503), Answer()]) as (candidates, (host,)):
        task = asyncio.create_task(reply_of(candidates, run))
        await waiting.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert len(host.requests) == 1
    assert [attempt.outcome for attempt in run.attempts] == ["failed"]


@pytest.mark.parametrize(("hint", "reason"), [(None, "retry"), (4.0, "retry_after")])
async def test_an_observer_is_told_why_and_how_long_a_call_waits(hint: float | None, reason: str) -> None:
    """A pause before a retry and the time that a host asked for are told as they begin, and as they end."""
    told: list[tuple[str, Wait]] = []

    class Watching(Observer):
        def wait_started(self, wait: Wait, /) -> None:
            told.append(("started", wait))

        def wait_ended(self, wait: Wait, /) -> None:
            told.append(("ended", wait))

    async def refuse(request: Request, deadline: float | None) -> AsyncIterator[Event]:
        if request is ASKED:
            raise RateLimitError("x", status=429, retry_after=hint)
        yield Finish("stop")

    waits = Waits()
    run = Run(retry=Retry(count=1), sleep=waits, random=lambda: 0.5, observers=Observers([Watching()]))
    with pytest.raises(RateLimitError):
        await in_turn([Ready("slow", "m", refuse)], ASKED, run).rest()
    (_, wait), end = told
    assert end == ("ended", wait)
    assert (wait.reason, wait.provider, wait.model, wait.call) == (reason, "slow", "m", run.call)
    assert wait.seconds == pytest.approx(waits[0])
