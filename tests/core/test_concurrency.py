"""How many calls run at the same time: the limit, the order, and that every slot comes back."""

from __future__ import annotations

import asyncio
import gc
import math
import threading
import weakref
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from segue import Finish, OverloadedError, PhaseTimeoutError, ProviderError, TextDelta, Timeout
from segue.chain.attempt import Ready, Run
from segue.chain.walk import in_turn
from segue.messages import Message, Request
from segue.observation import Observer, Observers, Wait
from segue.resilience import Concurrency, Retry

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from segue.events import Event

ASKED = Request(messages=(Message(role="user", content="x"),))


class Gate:
    """A provider whose answers wait until they are let through; knows who is inside, and who ever was."""

    def __init__(self, *, error: ProviderError | None = None) -> None:
        self.inside = 0
        self.most = 0
        self.came: list[str] = []
        self._error = error
        self._open = asyncio.Event()
        self._changed = asyncio.Event()

    def open(self) -> None:
        self._open.set()

    async def until_inside(self, count: int) -> None:
        while self.inside != count:
            self._changed.clear()
            await self._changed.wait()

    def ready(self, name: str = "gate") -> Ready:
        return Ready(name, "m", lambda request, deadline: self._events(name))

    async def _events(self, name: str) -> AsyncIterator[Event]:
        self.inside += 1
        self.most = max(self.most, self.inside)
        self.came.append(name)
        self._changed.set()
        try:
            yield TextDelta("one ")
            await self._open.wait()
            if self._error is not None:
                raise self._error
            yield Finish("stop")
        finally:
            self.inside -= 1
            self._changed.set()


async def ask(ready: Ready | Sequence[Ready], run: Run) -> str:
    async for _ in in_turn([ready] if isinstance(ready, Ready) else ready, ASKED, run):
        pass
    return run.reply().text


async def settle() -> None:
    """Let every task go as far as it can."""
    for _ in range(20):
        await asyncio.sleep(0)


async def free(limit: Concurrency, count: int) -> bool:
    """Whether so many slots can be had at once, and no more."""
    loop = asyncio.get_running_loop()
    held = [await limit.slot(loop.time() + 60.0) for _ in range(count)]
    for slot in held:
        slot.__enter__()
    try:
        with pytest.raises(PhaseTimeoutError):
            await limit.slot(loop.time())
    finally:
        for slot in held:
            slot.__exit__(None, None, None)
    return True


async def test_never_more_than_the_limit() -> None:
    """Of ten calls two run at a time, and all are answered."""
    gate, limit = Gate(), Concurrency(2)
    tasks = [asyncio.create_task(ask(gate.ready(), Run(concurrency=limit))) for _ in range(10)]
    await gate.until_inside(2)
    await settle()
    assert gate.inside == 2
    gate.open()
    assert await asyncio.gather(*tasks) == ["one "] * 10
    assert gate.most == 2
    assert await free(limit, 2)


async def test_without_a_limit_all_run_at_once() -> None:
    """None, the default, is no limit."""
    gate = Gate()
    tasks = [asyncio.create_task(ask(gate.ready(), Run())) for _ in range(10)]
    await gate.until_inside(10)
    gate.open()
    await asyncio.gather(*tasks)


@pytest.mark.parametrize("wrong", [0, -1])
def test_a_limit_that_lets_nobody_in_is_refused(wrong: int) -> None:
    """A limit below one would wait for ever: it is an error where it is written."""
    with pytest.raises(ValueError, match="most must be a whole number of at least 1, or None"):
        Concurrency(wrong)


async def test_first_come_first_served() -> None:
    """Calls get their slots in the order in which they came, also those that came while one was handed on."""
    gate, limit = Gate(), Concurrency(1)
    tasks = []
    for name in "abcdef":
        tasks.append(asyncio.create_task(ask(gate.ready(name), Run(concurrency=limit))))
        await asyncio.sleep(0)
    gate.open()
    tasks.append(asyncio.create_task(ask(gate.ready("late"), Run(concurrency=limit))))
    await asyncio.gather(*tasks)
    assert gate.came == [*"abcdef", "late"]


async def test_who_leaves_the_queue_takes_no_slot_along() -> None:
    """A call cancelled while it waits is passed over, and asked nobody."""
    gate, limit = Gate(), Concurrency(1)
    first, second, third = (
        asyncio.create_task(ask(gate.ready(name), Run(concurrency=limit))) for name in ("a", "b", "c")
    )
    await gate.until_inside(1)
    await settle()
    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second
    gate.open()
    await asyncio.gather(first, third)
    assert gate.came == ["a", "c"]
    assert await free(limit, 1)


async def test_who_is_cancelled_as_the_slot_comes_hands_it_on() -> None:
    """A cancellation in the very turn in which a slot was given does not lose it."""
    limit = Concurrency(1)
    with await limit.slot():
        waiting = asyncio.create_task(limit.slot())
        await settle()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert await free(limit, 1)


@pytest.mark.parametrize("how", ["left", "cancelled", "failed"])
async def test_the_slot_comes_back_however_a_call_ends(how: str) -> None:
    """An early leave, a cancellation and an error give the slot back as an answer's end does."""
    gate, limit = Gate(error=OverloadedError("x", status=503)), Concurrency(1)
    run = Run(concurrency=limit, hold_back=0.0 if how == "left" else math.inf)
    if how == "left":
        async with aclosing(in_turn([gate.ready()], ASKED, run)) as events:
            assert await anext(events) == TextDelta("one ")
            assert gate.inside == 1
    else:
        task = asyncio.create_task(ask(gate.ready(), run))
        await gate.until_inside(1)
        if how == "cancelled":
            task.cancel()
        gate.open()
        with pytest.raises((asyncio.CancelledError, OverloadedError)):
            await task
    assert gate.inside == 0
    assert await free(limit, 1)


async def test_an_open_stream_has_its_slot_until_it_is_closed() -> None:
    """A call counts until its answer's end, not only until its first text."""
    gate, limit = Gate(), Concurrency(1)
    stream = in_turn([gate.ready("a")], ASKED, Run(concurrency=limit))
    await anext(stream)
    other = asyncio.create_task(ask(gate.ready("b"), Run(concurrency=limit)))
    await settle()
    assert gate.came == ["a"]
    gate.open()
    await stream.aclose()
    await other
    assert gate.came == ["a", "b"]


async def test_waiting_for_a_slot_is_in_the_total_limit() -> None:
    """A call whose time is up before a slot is free fails in the phase total, and asked nobody."""
    gate, limit = Gate(), Concurrency(1)
    holder = asyncio.create_task(ask(gate.ready("a"), Run(concurrency=limit)))
    await gate.until_inside(1)
    run = Run(timeout=Timeout(total=0.02), concurrency=limit)
    with pytest.raises(PhaseTimeoutError) as caught:
        await ask(gate.ready("b"), run)
    assert (caught.value.phase, caught.value.next_may_help, run.attempts, gate.came) == ("total", False, [], ["a"])
    gate.open()
    await holder
    assert await free(limit, 1)


async def test_waiting_for_a_slot_is_not_in_the_first_event_limit() -> None:
    """How long a host took for its first event is counted from when it was asked."""
    gate, limit = Gate(), Concurrency(1)
    holder = asyncio.create_task(ask(gate.ready("a"), Run(concurrency=limit)))
    await gate.until_inside(1)
    run = Run(timeout=Timeout(first_event=0.05), concurrency=limit)
    waiting = asyncio.create_task(ask(gate.ready("b"), run))
    loop = asyncio.get_running_loop()
    passed = asyncio.Event()
    loop.call_later(0.1, passed.set)  # twice the limit, while the call is in the queue
    await passed.wait()
    gate.open()
    await holder
    assert await waiting == "one "
    assert [attempt.provider for attempt in run.attempts] == ["b"]


async def test_a_wait_between_tries_holds_no_slot() -> None:
    """While one call waits to try again another one is asked and answered."""
    limit, waiting, over = Concurrency(1), asyncio.Event(), asyncio.Event()

    async def sleep(seconds: float) -> None:
        waiting.set()
        await over.wait()

    failing, gate = Gate(error=OverloadedError("x", status=503)), Gate()
    failing.open()
    gate.open()
    run = Run(retry=Retry(count=1), concurrency=limit, sleep=sleep, random=lambda: 0.5, hold_back=math.inf)
    first = asyncio.create_task(ask(failing.ready(), run))
    await waiting.wait()
    assert await ask(gate.ready(), Run(concurrency=limit)) == "one "
    over.set()
    with pytest.raises(OverloadedError):
        await first
    assert await free(limit, 1)


async def test_a_slot_that_does_not_come_again_in_time_leaves_the_attempts_known() -> None:
    """A call that has to queue for its second try until its time is up still tells of its first."""
    limit, gate = Concurrency(1), Gate()
    holders: list[asyncio.Task[str]] = []

    async def sleep(seconds: float) -> None:
        holders.append(asyncio.create_task(ask(gate.ready(), Run(concurrency=limit))))
        await gate.until_inside(1)

    failing = Gate(error=OverloadedError("x", status=503))
    failing.open()
    timeout = Timeout(total=0.3)
    run = Run(
        timeout=timeout, retry=Retry(base=0.01), concurrency=limit, sleep=sleep, random=lambda: 0.5, hold_back=math.inf
    )
    with pytest.raises(PhaseTimeoutError) as caught:
        await ask(failing.ready(), run)
    assert [attempt.outcome for attempt in caught.value.attempts] == ["failed"]
    gate.open()
    await asyncio.gather(*holders)


async def test_the_next_candidate_is_asked_in_the_same_slot() -> None:
    """A call that goes on to its next candidate does not go back to the end of the queue."""
    limit, gate = Concurrency(1), Gate()
    failing = Gate(error=OverloadedError("x", status=503))
    order: list[str] = []

    async def call(name: str, candidates: Sequence[Ready]) -> None:
        await ask(candidates, Run(concurrency=limit, hold_back=math.inf))
        order.append(name)

    tasks = [asyncio.create_task(call("first", [failing.ready("a"), gate.ready("b")]))]
    await failing.until_inside(1)
    tasks.append(asyncio.create_task(call("second", [gate.ready("c")])))
    await settle()
    gate.open()
    failing.open()
    await asyncio.gather(*tasks)
    assert (order, gate.came) == (["first", "second"], ["b", "c"])


def test_each_loop_has_its_own_slots() -> None:
    """Loops in other threads neither wait for each other nor break on a slot of another loop."""
    limit, met = Concurrency(1), threading.Barrier(3, timeout=30)
    failures: list[BaseException] = []

    async def inside() -> None:
        with await limit.slot():
            queued = asyncio.create_task(limit.slot(asyncio.get_running_loop().time() + 30.0))
            await settle()
            met.wait()  # all three loops have their only slot, and a call that waits for it
        with await queued:
            pass

    def loop() -> None:
        try:
            asyncio.run(inside())
        except BaseException as error:  # an exception in a thread is only seen if it is carried out
            failures.append(error)

    threads = [threading.Thread(target=loop) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_a_loop_that_is_gone_leaves_nothing_behind() -> None:
    """A limit outlives the loops that it was used in, and keeps none of them, also where calls had to wait."""
    limit = Concurrency(1)

    async def contended() -> weakref.ref[asyncio.AbstractEventLoop]:
        with await limit.slot():
            queued = asyncio.create_task(limit.slot())
            await settle()
        with await queued:
            pass
        return weakref.ref(asyncio.get_running_loop())

    loop = asyncio.run(contended())
    gc.collect()
    assert loop() is None


class Watching(Observer):
    """Keeps the waits that began, and those that are over."""

    def __init__(self) -> None:
        self.began: list[Wait] = []
        self.over: list[Wait] = []

    def wait_started(self, wait: Wait, /) -> None:
        self.began.append(wait)

    def wait_ended(self, wait: Wait, /) -> None:
        self.over.append(wait)


@pytest.mark.parametrize("of", ["the client", "a provider"])
async def test_an_observer_is_told_of_a_wait_for_a_slot_and_of_its_end(of: str) -> None:
    """The second of two calls waits for the slot of the first, whoever limits them; the first waits for nothing."""
    gate, limit, watching = Gate(), Concurrency(1), Watching()
    observers = Observers([watching])

    def run() -> Run:
        return Run(concurrency=limit if of == "the client" else Concurrency(), observers=observers)

    ready = gate.ready() if of == "the client" else replace(gate.ready(), limits=(limit,))
    first = asyncio.create_task(ask(ready, run()))
    await gate.until_inside(1)
    assert watching.began == []
    second = asyncio.create_task(ask(ready, run()))
    await settle()
    (wait,) = watching.began
    assert (wait.reason, wait.provider, wait.model, wait.seconds) == ("slot", "gate", "m", None)
    assert watching.over == []
    gate.open()
    await asyncio.gather(first, second)
    assert watching.over == watching.began == [wait]


async def test_a_wait_that_is_cancelled_has_ended() -> None:
    """Whoever leaves the queue for a slot waits no longer."""
    gate, limit, watching = Gate(), Concurrency(1), Watching()
    first = asyncio.create_task(ask(gate.ready(), Run(concurrency=limit)))
    await gate.until_inside(1)
    second = asyncio.create_task(ask(gate.ready(), Run(concurrency=limit, observers=Observers([watching]))))
    await settle()
    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second
    assert watching.over == watching.began
    gate.open()
    await first
