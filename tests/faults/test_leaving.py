"""Callers who leave, F49, and cancellation at every await point, F57 of the catalogue."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import random
import types
from typing import TYPE_CHECKING, Any, TypeVar

import pytest
from matrix import KEYS, LIMIT, NO_RETRY, PLACES, WHOLE, Host, going_on

from segue import Breaker, Chain, Client, Hedge, Retry, TextDelta, Timeout
from segue.testing import Answer, Cut, Stall, Status

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Generator, Mapping, Sequence

    from matrix import Place

    from segue import Attempt
    from segue.observation import Fallback
    from segue.testing import Step

T = TypeVar("T")

both = pytest.mark.parametrize("stream", [True, False], ids=["stream", "chat"])
places = pytest.mark.parametrize("place", PLACES)

PATIENT = Timeout(connect=None, first_event=None, idle=None)


class Record:
    """Keeps how each attempt ended."""

    def __init__(self) -> None:
        self.started = 0
        self.ended: list[tuple[str, str]] = []

    def attempt_started(self, start: object, /) -> None:
        """One more has begun."""
        self.started += 1

    def attempt_ended(self, attempt: Attempt, /) -> None:
        """One more."""
        self.ended.append((attempt.provider, attempt.outcome))

    def fell_back(self, fallback: Fallback, /) -> None:
        """Is not looked at."""

    def circuit_changed(self, change: object, /) -> None:
        """Is not looked at."""


def client_of(urls: Mapping[str, str], **options: Any) -> Client:
    """A client of these hosts that waits for ever and runs one call at a time."""
    rows = {
        name: {
            "wire": "openai_chat",
            "base_url": url,
            "models": ["m"],
            "api_key": KEYS[name],
            "concurrency": 1,
            "capabilities": {"prefill": True},
        }
        for name, url in urls.items()
    }
    settings: dict[str, Any] = {"timeout": PATIENT, "retry": NO_RETRY, "concurrency": 1, **options}
    return Client(config={"providers": rows}, plugins=False, environ={}, **settings)


async def ask(client: Client, targets: Sequence[str], *, stream: bool, **asking: Any) -> str:
    """The text of the answer."""
    chain = Chain(*(f"{name}/m" for name in targets))
    if not stream:
        return (await client.chat("hi", chain=chain, **asking)).text
    pieces: list[str] = []
    async with client.stream("hi", chain=chain, **asking) as events:
        async for event in events:
            pieces.append(event.text if isinstance(event, TextDelta) else "")
    return "".join(pieces)


async def left(task: asyncio.Task[Any]) -> None:
    """The caller leaves, and waits until it is out."""
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, LIMIT)


def nothing_is_busy(client: Client) -> bool:
    """Whether no endpoint counts as asked."""
    return not client._fleet.busy


@contextlib.asynccontextmanager
async def targets_of(host: Host, place: Place) -> AsyncIterator[dict[str, str]]:
    """The addresses of a chain with this host first, or after one that fails."""
    async with Host(script=[Status(503)]) as before, host:
        urls = {"before": before.url, "faulty": host.url}
        if place == "first":
            del urls["before"]
        yield urls


# ── F49: the caller leaves ───────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("where", ["headers", "first_event", "middle"])
@both
@places
async def test_f49_a_cancelled_call_hangs_up_at_once(where: Any, stream: bool, place: Place) -> None:
    """F49: whoever is cancelled while a host is silent hangs up at once, and gives back what it had."""
    record = Record()
    host = Host(answer=WHOLE, script=[Stall(where), Answer()])
    async with targets_of(host, place) as urls:
        async with client_of(urls, observers=[record], breaker=None) as client:
            events: asyncio.Queue[str] = asyncio.Queue()
            task = asyncio.create_task(_told(client, list(urls), events, stream=stream))
            if where == "middle" and stream:
                assert await asyncio.wait_for(events.get(), LIMIT) == "one"
            else:
                await asyncio.wait_for(host.until_requests(), LIMIT)
            await left(task)
            assert record.ended[-1] == ("faulty", "abandoned")
            assert nothing_is_busy(client)
            # The one slot of the client, and the host's, is free, and the host is still well thought of.
            assert await asyncio.wait_for(ask(client, ["faulty"], stream=stream), LIMIT) == WHOLE


async def _told(client: Client, targets: Sequence[str], to: asyncio.Queue[str], *, stream: bool) -> None:
    chain = Chain(*(f"{name}/m" for name in targets))
    if not stream:
        await client.chat("hi", chain=chain)
        return
    async with client.stream("hi", chain=chain) as events:
        async for text in events.text():
            await to.put(text)


async def _until(reached: Callable[[], bool]) -> None:
    async with asyncio.timeout(LIMIT):
        while not reached():  # noqa: ASYNC110 - what is waited for tells nobody
            await asyncio.sleep(0)


@pytest.mark.parametrize("where", ["headers", "first_event", "middle"])
@both
@places
async def test_f49_the_host_sees_it(where: Any, stream: bool, place: Place) -> None:
    """F49: the host sees the connection end while the client lives on, without a further request."""
    host = Host(answer=WHOLE, script=[Stall(where)])
    async with targets_of(host, place) as urls, client_of(urls) as client:
        task = asyncio.create_task(ask(client, list(urls), stream=stream))
        await asyncio.wait_for(host.until_requests(), LIMIT)
        await left(task)
        await asyncio.wait_for(host.closed_by_client(), LIMIT)
        await asyncio.wait_for(host.until_closed(), LIMIT)
        assert (len(host.requests), nothing_is_busy(client)) == (1, True)


@pytest.mark.parametrize("after", [1, 2, 3])
@places
async def test_f49_leaving_the_loop_hangs_up(after: int, place: Place) -> None:
    """F49: leaving a stream early by break ends its connection before the async with is over."""
    record = Record()
    host = Host(answer=WHOLE, script=[Stall("middle", after_tokens=4)])
    async with targets_of(host, place) as urls, client_of(urls, observers=[record]) as client:
        chain = Chain(*(f"{name}/m" for name in urls))
        got: list[str] = []
        async with client.stream("hi", chain=chain) as stream:
            async for text in stream.text():
                got.append(text)
                if len(got) == after:
                    break
        assert record.ended[-1] == ("faulty", "abandoned")
        assert [attempt.outcome for attempt in stream.attempts][-1] == "abandoned"
        await asyncio.wait_for(host.closed_by_client(), LIMIT)
        assert WHOLE.startswith("".join(got))
        assert nothing_is_busy(client)


async def test_f49_a_stream_that_was_never_read_asks_nobody() -> None:
    """F49: a stream that is opened and left is no call."""
    async with Host() as host, client_of({"faulty": host.url}) as client:
        async with client.stream("hi", model="faulty/m"):
            pass
        assert (host.connections, nothing_is_busy(client)) == (0, True)


@both
@places
async def test_f49_leaving_in_a_wait_between_tries(stream: bool, place: Place) -> None:
    """F49: whoever leaves while a host is waited for leaves no timer, no slot and no request behind."""
    host = Host(answer=WHOLE, script=[Status(429, retry_after="20"), Answer()])
    async with targets_of(host, place) as urls:
        retry = Retry(count=1, base=0.0, cap=30.0)
        async with client_of(urls, retry=retry, breaker=None, observers=[record := Record()]) as client:
            task = asyncio.create_task(ask(client, ["faulty"], stream=stream))
            await _until(lambda: len(_pauses()) == 1)
            assert record.ended == [("faulty", "failed")]
            await left(task)
            assert _pauses() == []
            assert (len(host.requests), nothing_is_busy(client)) == (1, True)
            assert await asyncio.wait_for(ask(client, ["faulty"], stream=stream), LIMIT) == WHOLE


@both
async def test_f49_leaving_the_queue(stream: bool) -> None:
    """F49: whoever leaves while it waits for a slot never asks, and the next in the queue gets the slot."""
    async with Host(answer=WHOLE, script=[Stall("headers"), Answer()]) as host:
        async with client_of({"faulty": host.url}) as client:
            tasks = [asyncio.create_task(ask(client, ["faulty"], stream=stream)) for _ in range(3)]
            await asyncio.wait_for(host.until_requests(), LIMIT)
            await left(tasks[1])
            await left(tasks[0])
            assert await asyncio.wait_for(tasks[2], LIMIT) == WHOLE
            assert (len(host.requests), nothing_is_busy(client)) == (2, True)


@both
async def test_f49_a_probe_that_was_left_is_tried_by_the_next_call(stream: bool, monkeypatch: Any) -> None:
    """F49: whoever leaves while it tries a host whose breaker was open gives the try to the next call."""
    loop = asyncio.get_running_loop()
    real, ahead = loop.time, [0.0]
    monkeypatch.setattr(loop, "time", lambda: real() + ahead[0])
    script: list[Step] = [Status(500), Stall("headers"), Answer()]
    async with Host(answer=WHOLE, script=script) as host:
        breaker = Breaker(failures=1, interval=15.0)
        async with client_of({"faulty": host.url}, breaker=breaker) as client:
            with pytest.raises(Exception, match="500"):
                await ask(client, ["faulty"], stream=stream)
            with pytest.raises(Exception, match="not tried"):
                await ask(client, ["faulty"], stream=stream)
            ahead[0] += 16.0
            task = asyncio.create_task(ask(client, ["faulty"], stream=stream))
            await asyncio.wait_for(host.until_requests(2), LIMIT)
            await left(task)
            assert await asyncio.wait_for(ask(client, ["faulty"], stream=stream), LIMIT) == WHOLE
        assert len(host.requests) == 3


@both
async def test_f49_leaving_a_race_hangs_up_on_both(stream: bool) -> None:
    """F49: whoever leaves while two hosts race hangs up on both."""
    record = Record()
    async with Host(script=[Stall("headers")]) as one, Host(script=[Stall("first_event")]) as other:
        urls = {"faulty": one.url, "last": other.url}
        async with client_of(urls, observers=[record]) as client:
            task = asyncio.create_task(ask(client, list(urls), stream=stream, hedge=Hedge(after=0.0)))
            await asyncio.wait_for(other.until_requests(), LIMIT)
            await left(task)
            for host in (one, other):
                await asyncio.wait_for(host.closed_by_client(), LIMIT)
            assert sorted(record.ended) == [("faulty", "abandoned"), ("last", "abandoned")]
            assert nothing_is_busy(client)


def _pauses() -> list[str]:
    """The pauses of asyncio.sleep that are waited for."""
    loop: Any = asyncio.get_running_loop()  # nothing public tells what it has scheduled
    waiting = [repr(handle) for handle in loop._scheduled if not handle.cancelled()]
    return [shown for shown in waiting if "_set_result_unless_cancelled" in shown]


# ── F57: cancelled at every await point ──────────────────────────────────────────────────────────────


class Steps:
    """Counts the await points of a call, and cancels its task at those that it is told.

    After each one everybody else has as many turns as the seed draws: so hosts and call meet in other orders.
    """

    def __init__(self, at: Sequence[int], seed: int) -> None:
        self.at = at
        self._draw = random.Random(seed)
        self.count = 0
        self.cancelled = 0

    @types.coroutine
    def run(self, coroutine: Coroutine[Any, Any, T]) -> Generator[Any, Any, T]:
        """The coroutine's result; a cancellation is delivered at the very await point that it was asked for."""
        step: Callable[[], Any] = lambda: coroutine.send(None)  # noqa: E731 - replaced below
        while True:
            try:
                waited = step()
            except StopIteration as ended:
                value: T = ended.value
                return value
            self.count += 1
            if self.count in self.at:
                task = asyncio.current_task()
                assert task is not None
                self.cancelled += 1
                task.cancel()
            try:
                sent = yield waited
            except BaseException as error:  # whatever comes in is for the coroutine to see
                step = lambda raised=error: coroutine.throw(raised)  # type: ignore[misc]  # noqa: E731
            else:
                step = lambda given=sent: coroutine.send(given)  # type: ignore[misc]  # noqa: E731
                for _ in range(self._draw.randint(0, 3)):
                    yield


class Scene:
    """A call to be cancelled: its hosts' scripts, and how it is made."""

    def __init__(self, scripts: Sequence[Sequence[Step]], *, stream: bool, **asking: Any) -> None:
        self.scripts = scripts
        self.stream = stream
        self.asking = asking

    async def play(self, *at: int, seed: int = 0) -> tuple[Steps, asyncio.Task[Any]]:
        """Make the call, cancelled at these await points; afterwards all is as before."""
        tasks, descriptors = asyncio.all_tasks(), len(os.listdir("/proc/self/fd"))  # noqa: PTH208
        names = ["before", "faulty", "last"][-len(self.scripts) :]
        async with contextlib.AsyncExitStack() as stack:
            hosts = [await stack.enter_async_context(Host(answer=going_on, script=script)) for script in self.scripts]
            own = asyncio.all_tasks()
            record = Record()
            urls = {name: host.url for name, host in zip(names, hosts, strict=True)}
            retry = Retry(count=1, base=0.0)
            async with client_of(urls, retry=retry, observers=[record], breaker=None) as client:
                steps = Steps(at, seed)
                called = ask(client, names, stream=self.stream, **self.asking)
                task = asyncio.create_task(self._stepped(steps, called))
                await asyncio.wait_for(asyncio.wait({task}), LIMIT)
                assert task.done()
                assert nothing_is_busy(client)
                # Each attempt that began has ended, and no host was asked more often.
                assert len(record.ended) == record.started
                assert sum(len(host.requests) for host in hosts) <= record.started
                # The one slot of the client and of each host is free.
                limits = [client._concurrency, *client._limits.values()]
                for limit in limits:
                    with await limit.slot(asyncio.get_running_loop().time() + LIMIT):
                        pass
            for host in hosts:
                await asyncio.wait_for(host.until_closed(), LIMIT)
            await _until(lambda: not {one for one in asyncio.all_tasks() - own if one.get_coro() is not None})
        await _until(lambda: len(os.listdir("/proc/self/fd")) <= descriptors)  # noqa: PTH208
        assert asyncio.all_tasks() == tasks
        return steps, task

    @staticmethod
    async def _stepped(steps: Steps, called: Coroutine[Any, Any, str]) -> str:
        return await steps.run(called)


SCENES: dict[str, Callable[[], Scene]] = {
    "stream": lambda: Scene([[Answer()]], stream=True),
    "chat": lambda: Scene([[Answer()]], stream=False),
    "fallback, stream": lambda: Scene([[Status(503)], [Status(500)], [Answer()]], stream=True),
    "fallback, chat": lambda: Scene([[Cut(40)], [Answer()]], stream=False),
    "retry": lambda: Scene([[Status(429, retry_after="0"), Answer()]], stream=False),
    "goes on": lambda: Scene([[Cut(600)], [Answer()]], stream=True),
    "race": lambda: Scene([[Stall("headers")], [Answer()]], stream=True, hedge=Hedge(after=0.0)),
    "race, chat": lambda: Scene([[Stall("first_event")], [Answer()]], stream=False, hedge=Hedge(after=0.0)),
}


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", SCENES)
async def test_f57_at_every_await_point(name: str, seed: int) -> None:
    """F57: a call cancelled at its n-th await point, for every n, ends cancelled and leaves nothing behind."""
    for n in itertools.count(1):
        steps, task = await SCENES[name]().play(n, seed=seed)
        if not steps.cancelled:
            assert n > 2
            assert task.result() == WHOLE
            return
        assert task.cancelled(), f"at {n}: {task}"


@pytest.mark.parametrize("gap", [1, 2, 3])
@pytest.mark.parametrize("name", SCENES)
async def test_f57_again_while_it_cleans_up(name: str, gap: int) -> None:
    """F57: a second and third cancellation, while the first one cleans up, leave nothing behind either."""
    for n in itertools.count(1):
        steps, task = await SCENES[name]().play(n, n + gap, n + gap + 1, seed=gap)
        if not steps.cancelled:
            assert task.result() == WHOLE
            return
        assert task.cancelled(), f"at {n} and {n + gap}: {task}"


async def test_f57_a_stream_closed_after_any_number_of_events() -> None:
    """F57: closing a stream after its n-th event, for every n, ends its connection."""
    n, ended = 0, False
    while not ended:
        async with Host(answer=WHOLE) as host, client_of({"faulty": host.url}) as client:
            async with client.stream("hi", model="faulty/m") as stream:
                events = aiter(stream)
                for _ in range(n):
                    if await anext(events, None) is None:
                        ended = True
            assert nothing_is_busy(client)
            if n and not ended:
                await asyncio.wait_for(host.until_closed(1), LIMIT)
        n += 1
    assert n > len(WHOLE.split())
