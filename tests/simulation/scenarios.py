"""What is simulated, each with the figures that it came to."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from world import Deed, Host, answer_to, quantile, question

from segue import (
    AllFailedError,
    Attempt,
    Breaker,
    Chain,
    Client,
    Handover,
    Hedge,
    ProviderError,
    Retry,
    TextDelta,
    Timeout,
)
from segue.errors import RejectedError
from segue.observation import Observer
from segue.resilience.breaker import BREAKER
from segue.testing.clock import run_virtually

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence

    from segue import Event
    from segue.observation import CircuitChange, Fallback

Points = list[tuple[float, float]]


@dataclass(frozen=True)
class Figure:
    """One figure, and the most that it may be."""

    name: str
    value: float
    limit: float

    @property
    def is_kept(self) -> bool:
        """Whether it is within its limit."""
        return self.value <= self.limit


@dataclass
class Result:
    """What a scenario came to; ``wrong`` are calls that broke a rule, ``curves`` what may be drawn."""

    figures: list[Figure] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    told: dict[str, object] = field(default_factory=dict)
    curves: dict[str, dict[str, Points]] = field(default_factory=dict)

    @property
    def is_kept(self) -> bool:
        """Whether every limit is."""
        return not self.wrong and all(figure.is_kept for figure in self.figures)


class Watching(Observer):
    """Keeps what calls came to."""

    def __init__(self) -> None:
        self.ways: Counter[str] = Counter()
        self.hedged: list[float] = []
        self.changes: list[tuple[float, CircuitChange]] = []
        self.first_failure: float | None = None

    def fell_back(self, fallback: Fallback, /) -> None:
        """Count it."""
        self.ways[fallback.way] += 1
        if fallback.way == "hedge":
            self.hedged.append(asyncio.get_running_loop().time())

    def attempt_ended(self, attempt: Attempt, /) -> None:
        """Note the first failure."""
        if attempt.outcome == "failed" and self.first_failure is None:
            self.first_failure = asyncio.get_running_loop().time()

    def circuit_changed(self, change: CircuitChange, /) -> None:
        """Note it."""
        self.changes.append((asyncio.get_running_loop().time(), change))


def client_of(hosts: Sequence[Host], seed: int, **options: Any) -> Client:
    """A client of these hosts, all of which take a prefill, with draws of its own."""

    class Seeded(Client):
        def _run(self, *, whole: bool) -> Any:
            run = super()._run(whole=whole)
            run.random = draws.random
            return run

    draws = random.Random(f"{seed}:client")
    facts = {f"{host.name}/m": {"prefill": True, "context": 100_000} for host in hosts}
    return Seeded(providers=list(hosts), config={"models": facts}, plugins=False, environ={}, **options)


async def arrivals(count: int, rate: float, seed: int, call: Callable[[int], Awaitable[None]]) -> None:
    """Start so many calls a second, at random times, and wait for all."""
    draw = random.Random(f"{seed}:arrivals")
    tasks: set[asyncio.Task[None]] = set()
    for number in range(count):
        await asyncio.sleep(draw.expovariate(rate))
        task: asyncio.Task[None] = asyncio.ensure_future(call(number))  # type: ignore[arg-type]
        tasks.add(task)
        task.add_done_callback(tasks.discard)
    while tasks:
        await asyncio.wait(tasks)


# ── chaos ────────────────────────────────────────────────────────────────────────────────────────────

TOTAL: Final = 30.0
HANGS: Final = 1000.0
RATE: Final = 50
LIMITS: Final = Timeout(connect=5, first_event=2, idle=1, total=TOTAL)
KINDS: Final = (
    "refused", "server", "overloaded", "limit", "key", "plugin", "silent", "empty", "cut", "hangs", "thinks", "endless",
)  # fmt: skip
PAUSES: Final = (0.0, 0.5, 1.5, 5.0, 12.0)
"""For how long a reader may do something else between two events: less than `idle`, more, more than all in sum."""
WAYS: Final = ("chat", "chat, rejecting", "continue", "fail", "restart", "hedged", "raced chat")


def moody(down: Sequence[tuple[float, float]]) -> Callable[[random.Random, float], Deed]:
    """A host that fails one time in five, and nearly always while it is down."""

    def behave(draw: random.Random, now: float) -> Deed:
        is_down = any(start <= now < end for start, end in down)
        delay = draw.lognormvariate(-2.3, 0.6)
        if draw.random() >= (0.95 if is_down else 0.2):
            return Deed("answer", delay)
        kind = draw.choice(KINDS)
        after = draw.randrange(6)
        # Hints are rare: all calls keep to one, so that a host which gave them freely would hardly be asked.
        hint = draw.choice([0.2, 1.0, 10.0]) if draw.random() < 0.03 else None
        return Deed(kind, delay if draw.random() < 0.5 else 0.0, after=after, hint=hint)

    return behave


class Reader:
    """How one call's events are read: with pauses at random, and each in a task of its own or all in one."""

    def __init__(self, seed: str) -> None:
        draw = self._draw = random.Random(seed)
        self._pauses = draw.random() < 0.2
        self._in_tasks = draw.random() < 0.3
        self.paused = 0.0
        """For how long it did something else, in all."""
        self.late = 0.0
        """How much longer than the call's time it waited for an event."""

    async def read(self, events: AsyncIterator[Event]) -> AsyncGenerator[Event, None]:
        """The events."""
        now = asyncio.get_running_loop().time
        until = now() + TOTAL
        while True:
            begun = now()
            try:
                event = await (asyncio.ensure_future(anext(events)) if self._in_tasks else anext(events))
            except StopAsyncIteration:
                return
            finally:
                self.late = max(self.late, now() - max(begun, until))
            yield event
            if self._pauses:
                seconds = self._draw.choice(PAUSES)
                self.paused += seconds
                await asyncio.sleep(seconds)


class Chaos:
    """Calls of every kind at hosts that fail in every way; some are left by their callers, some read with pauses."""

    def __init__(self, requests: int, seed: int, only: int | None = None) -> None:
        self.requests, self.seed, self.only = requests, seed, only
        self.wrong: list[str] = []
        self.ended: Counter[str] = Counter()
        self.shown: list[str] = []
        self.attempts: Sequence[Attempt] = ()
        # Of one that is shown no call is made that begins after it has ended.
        self._count = requests if only is None else min(requests, only + int(2 * RATE * TOTAL))
        weather = random.Random(f"{seed}:weather")
        self.hosts = []
        for name in ("one", "two", "three", "four"):
            starts = sorted(weather.uniform(0, requests / RATE) for _ in range(max(1, requests // 8000)))
            down = [(start, start + weather.uniform(5, 60)) for start in starts]
            self.hosts.append(Host(name, moody(down), seed, watched=only))

    def run(self) -> Result:
        """All of them."""
        return run_virtually(self._run())

    async def _run(self) -> Result:
        watching = Watching()
        own = asyncio.all_tasks()
        retry = Retry(count=2, base=0.5)
        async with client_of(self.hosts, self.seed, timeout=LIMITS, retry=retry, observers=[watching]) as client:
            self.client = client
            await arrivals(self._count, RATE, self.seed, self.call)
            if client._fleet.busy:
                self.wrong.append(f"still busy: {client._fleet.busy}")
        if asyncio.all_tasks() - own:
            self.wrong.append(f"tasks are left: {len(asyncio.all_tasks() - own)}")
        if any(host.busy for host in self.hosts):
            self.wrong.append("requests are left at hosts")
        asked = sum(len(host.requests) for host in self.hosts)
        ways = {f"way: {way}": count for way, count in watching.ways.items()}
        told: dict[str, object] = {**self.ended, "upstream calls": asked, **ways}
        told["breakers opened"] = sum(change.after == "open" for _, change in watching.changes)
        return Result([Figure("lost, doubled or wrong answers", len(self.wrong), 0)], self.wrong, told)

    async def call(self, number: int) -> None:
        """One call, of a kind and with a fate that its own number draws."""
        draw = random.Random(f"{self.seed}:call:{number}")
        way = draw.choice(WAYS)
        order = draw.sample([host.name for host in self.hosts], draw.randint(1, 4))
        fate = draw.expovariate(1.0) if draw.random() < 0.07 else None
        began = asyncio.get_running_loop().time()
        heard: list[str] = []
        reader = Reader(f"{self.seed}:reader:{number}")
        task = asyncio.ensure_future(self._ask(number, way, [f"{name}/m" for name in order], heard, reader))
        if fate is not None:
            asyncio.get_running_loop().call_later(fate, task.cancel)
        clock = asyncio.timeout(HANGS)
        try:
            async with clock:
                outcome = await task
        except asyncio.CancelledError:
            outcome = "left" if fate is not None else "wrong: cancelled by nobody"
        except (ProviderError, AllFailedError) as error:
            outcome = self._failed(error, "".join(heard), number, way)
        except TimeoutError:
            outcome = "wrong: it hangs" if clock.expired() else "wrong: TimeoutError"
        except Exception as error:  # whatever else comes out is what is looked for
            outcome = f"wrong: {type(error).__name__}: {error}"
        lasted = asyncio.get_running_loop().time() - began
        if reader.late > 0.001 or (not reader.paused and lasted > TOTAL + 0.001):
            outcome = f"wrong: it took {lasted:.3f} s, {reader.late:.3f} s too long"
        if reader.paused:
            self.ended["read with pauses"] += 1
        self.ended[outcome.partition(":")[0]] += 1
        if outcome.startswith("wrong"):
            self.wrong.append(f"{self.seed}:{number} ({way} at {', '.join(order)}): {outcome}")
        if number == self.only:
            self._show(f"call {number}: {way} at {', '.join(order)}", began, fate, [f"heard {heard}", outcome])

    async def _ask(self, number: int, way: str, targets: Sequence[str], heard: list[str], reader: Reader) -> str:
        whole = "".join(answer_to(number))
        hedge = Hedge() if way in {"hedged", "raced chat"} else None
        reject = ("empty",) if way in {"chat, rejecting", "hedged"} else ()
        mid_stream: Any = way if way in {"continue", "fail", "restart"} else "continue"
        chain = Chain(*targets, hedge=hedge, reject=reject, mid_stream=mid_stream)
        if "chat" in way:
            reply = await self.client.chat(question(number), chain=chain)
        else:
            async with self.client.stream(question(number), chain=chain) as stream:
                async for event in reader.read(aiter(stream)):
                    if isinstance(event, Handover) and event.mode == "restart":
                        heard.clear()
                    elif isinstance(event, TextDelta):
                        heard.append(event.text)
                reply = await stream.reply()
        if number == self.only:
            self.attempts = reply.attempts
        if "chat" not in way and "".join(heard) != reply.text:
            return f"wrong: it heard {heard}, and the reply is {reply.text!r}"
        if not reply.text and not reject:
            return "empty"  # a host said so, and nobody asked to turn that down
        doubted = any(notice.subject == "continue" for notice in reply.notices)
        if doubted and not reject and whole.startswith(reply.text):
            return "doubted"  # who was asked to go on said nothing more, and the reply says so
        if doubted or reply.text != whole:
            return f"wrong: {reply.text!r}"
        if [one.outcome for one in reply.attempts].count("answered") != 1:
            return f"wrong: {[str(one) for one in reply.attempts]}"
        return "answered"

    def _show(self, call: str, began: float, fate: float | None, ended: Sequence[str]) -> None:
        """Note whom a call asked when, what each was to do, what the client says of it, and how it ended."""
        left = "" if fate is None else f", to be left after {fate:.3f} s"
        asked = sorted((at, host.name, deed) for host in self.hosts for at, deed in host.seen)
        self.shown += [f"{call}{left}", *(f"{at - began:.3f} s: {name} was asked: {deed}" for at, name, deed in asked)]
        self.shown += [*map(str, self.attempts), *ended]

    def _failed(self, error: ProviderError | AllFailedError, heard: str, number: int, way: str) -> str:
        if number == self.only:
            self.attempts = error.attempts
        whole = "".join(answer_to(number))
        if not whole.startswith(heard):
            return f"wrong: it heard {heard!r}"
        if "chat" not in way and error.text != heard and not isinstance(error, RejectedError):
            return f"wrong: it heard {heard!r}, and the error has {error.text!r}"
        if not error.attempts:
            return f"wrong: {type(error).__name__} without attempts"
        return "failed, after text" if heard else "failed"


# ── outages ──────────────────────────────────────────────────────────────────────────────────────────


def always(deed: Deed) -> Callable[[random.Random, float], Deed]:
    """A host that always does so."""
    return lambda draw, now: deed


async def ignoring(asked: Awaitable[object]) -> None:
    """Wait for a call that may fail."""
    with contextlib.suppress(ProviderError, AllFailedError):
        await asked


def outage(requests: int, seed: int) -> Result:
    """Three hosts that are all down: how often each is asked for one call, without a breaker and with one."""
    result = Result()
    run_virtually(_outage(result, requests, seed, None))
    run_virtually(_outage(result, requests, seed, BREAKER))
    return result


async def _outage(result: Result, requests: int, seed: int, breaker: Breaker | None) -> None:
    deeds = [Deed("refused", 0.001), Deed("overloaded", 0.02), Deed("cut", 0.05)]
    hosts = [Host(name, always(deed), seed) for name, deed in zip(("one", "two", "three"), deeds, strict=True)]
    watching = Watching()
    started: list[float] = []
    options = {"breaker": breaker, "retry": Retry(count=2, base=0.1), "observers": [watching]}
    async with client_of(hosts, seed, **options) as client:
        chain = Chain(*(f"{host.name}/m" for host in hosts))

        async def call(number: int) -> None:
            started.append(asyncio.get_running_loop().time())
            await ignoring(client.chat(question(number), chain=chain))

        await arrivals(requests, 10, seed, call)
    named = "without a breaker" if breaker is None else "with breakers"
    most = max(len(host.requests) for host in hosts)
    result.figures.append(Figure(f"{named}: upstream calls a target and call", most / requests, 1.10))
    result.curves.setdefault("outage", {})[named] = running(min(hosts, key=lambda host: host.name).requests)
    if breaker is not None:
        opened = max(at for at, change in watching.changes[: len(hosts)])
        asked = max(sum(at > opened for at in host.requests) for host in hosts)
        share = asked / sum(at > opened for at in started)
        result.figures.append(Figure("once they are open: upstream calls a target and call", share, 0.01))


def running(times: Sequence[float]) -> Points:
    """How many there were by then."""
    return [(at, float(number)) for number, at in enumerate(times, 1)]


def rare_calls(seed: int) -> Result:
    """One call each four seconds, and a host that is down for sixty: how often it is asked in that time."""
    return run_virtually(_rare_calls(seed))


async def _rare_calls(seed: int) -> Result:
    def behave(draw: random.Random, now: float) -> Deed:
        del draw
        return Deed("silent" if 40 <= now < 100 else "answer", 0.1)

    dead, well = Host("dead", behave, seed), Host("well", always(Deed("answer", 0.1)), seed)
    async with client_of([dead, well], seed, timeout=Timeout(first_event=2.0)) as client:
        for number in range(50):
            await asyncio.sleep(number * 4.0 - asyncio.get_running_loop().time())
            await client.chat(question(number), chain=Chain("dead/m", "well/m"))
    during = sum(40 <= at < 100 for at in dead.requests)
    return Result([Figure("calls to a dead host in 60 s, one call in 4 s", during, 3)])


# ── hedging ──────────────────────────────────────────────────────────────────────────────────────────


def bimodal(draw: random.Random, now: float) -> Deed:
    """First content after 100 ms, and after 2 s one time in twenty."""
    del now
    slow = draw.random() < 0.05
    return Deed("answer", 2.0 if slow else draw.uniform(0.09, 0.11))


def hedging(requests: int, seed: int, *, seeds: int = 5) -> Result:
    """Streams at a host that is slow one time in twenty, with and without a hedge; the worst of some seeds counts."""
    result = Result()
    worst, most = 0.0, 0.0
    for number in range(seeds):
        times, extra = run_virtually(_hedging(requests, seed + number, Hedge()))
        worst, most = max(worst, quantile(times, 0.99) * 1000), max(most, extra * 100)
    result.figures.append(Figure(f"p99 of the first content, the worst of {seeds} seeds, ms", worst, 350))
    result.figures.append(Figure(f"further calls, the most of {seeds} seeds, %", most, 5))
    shares = [*(n / 200 for n in range(1, 190)), *(0.95 + n / 1000 for n in range(51))]
    for named, hedge in (("without a hedge", None), ("with a hedge", Hedge())):
        times, _ = run_virtually(_hedging(requests, seed, hedge))
        result.told[f"p50 {named}, ms"] = round(quantile(times, 0.5) * 1000, 1)
        result.told[f"p99 {named}, ms"] = round(quantile(times, 0.99) * 1000, 1)
        result.told[f"later than 350 ms {named}, %"] = round(100 * sum(time > 0.35 for time in times) / len(times), 2)
        curve = [(quantile(times, share) * 1000, share * 100) for share in shares]
        result.curves.setdefault("hedging", {})[named] = curve
    return result


async def _hedging(requests: int, seed: int, hedge: Hedge | None) -> tuple[list[float], float]:
    """The times until the first content, and the share of further calls."""
    hosts = [Host("one", bimodal, seed), Host("two", bimodal, seed)]
    times: list[float] = []
    async with client_of(hosts, seed) as client:
        chain = Chain("one/m", "two/m", hedge=hedge)

        async def call(number: int) -> None:
            began, first = asyncio.get_running_loop().time(), None
            async with client.stream(question(number), chain=chain) as stream:
                async for event in stream:
                    if first is None and isinstance(event, TextDelta):
                        first = asyncio.get_running_loop().time() - began
            assert first is not None
            times.append(first)

        await arrivals(requests, 20, seed, call)
    return times, sum(len(host.requests) for host in hosts) / requests - 1


def hedging_in_outages(seed: int, count: int = 6000) -> Result:
    """Hedging calls at hosts that worked for a minute: in an outage there are no hedges."""
    result = Result()
    for kind in ("refused", "overloaded", "silent"):
        run_virtually(_hedging_in_outage(result, seed, kind, count))
    return result


async def _hedging_in_outage(result: Result, seed: int, kind: str, count: int) -> None:
    def behave(draw: random.Random, now: float) -> Deed:
        return bimodal(draw, now) if now < 60 else Deed(kind, 0.01)

    hosts = [Host("one", behave, seed), Host("two", behave, seed)]
    watching = Watching()
    async with client_of(hosts, seed, timeout=Timeout(first_event=5.0), observers=[watching]) as client:
        chain = Chain("one/m", "two/m", hedge=Hedge())

        async def call(number: int) -> None:
            await ignoring(client.chat(question(number), chain=chain))

        await arrivals(count, 20, seed, call)
    failed = watching.first_failure
    assert failed is not None
    assert watching.hedged, "nothing was hedged while the hosts were well"
    # Hosts that fall silent are late before they have failed: until the first of them has, nobody can know.
    result.figures.append(Figure(f"hedges in an outage ({kind})", sum(at > failed for at in watching.hedged), 0))
    result.told[f"hedges before the first failure ({kind})"] = sum(60 < at <= failed for at in watching.hedged)


# ── recovery ─────────────────────────────────────────────────────────────────────────────────────────


def recovery(seed: int, outages: Sequence[float] = (20.0, 60.0, 200.0, 600.0)) -> Result:
    """A host that is back after an outage: how soon it has its traffic again, and how many try it at the same time."""
    result = Result()
    for lasts in outages:
        run_virtually(_recovery(result, seed, lasts))
    return result


async def _recovery(result: Result, seed: int, lasts: float) -> None:
    back = 30 + lasts

    def behave(draw: random.Random, now: float) -> Deed:
        return Deed("overloaded" if 30 <= now < back else "answer", draw.uniform(0.05, 0.15))

    first, second = Host("first", behave, seed), Host("second", always(Deed("answer", 0.1)), seed)
    watching = Watching()
    by: list[tuple[float, bool]] = []
    together = 0

    async def watch() -> None:
        nonlocal together
        await asyncio.sleep(31)  # those that were on their way when it went down have ended
        first.most = 0
        await asyncio.sleep(lasts - 1)
        together = first.most

    async with client_of([first, second], seed, observers=[watching]) as client:
        chain = Chain("first/m", "second/m")

        async def call(number: int) -> None:
            began = asyncio.get_running_loop().time()
            reply = await client.chat(question(number), chain=chain)
            by.append((began, reply.provider == "first"))

        await asyncio.gather(watch(), arrivals(int((lasts + 300) * 20), 20, seed, call))
    interval = max(change.wait for at, change in watching.changes if change.after == "open" and at < back)
    later = [(at, own) for at, own in by if at >= back]
    returned = max((at for at, own in later if not own), default=back) - back
    share = [own for at, own in later if at >= back + 2 * interval]
    named = f"outage of {lasts:g} s"
    elsewhere = 100 - 100 * sum(share) / len(share)
    result.figures += [
        Figure(f"{named}: probe intervals until it is back", returned / interval, 2),
        Figure(f"{named}: traffic elsewhere after two intervals, %", elsewhere, 1),
        Figure(f"{named}: calls that try it together", together, 1),
    ]
    result.told[named] = f"interval {interval:g} s, back after {returned:.1f} s"
    result.curves.setdefault("recovery", {})[f"down for {lasts:g} s"] = shares(by)


def shares(by: Sequence[tuple[float, bool]]) -> Points:
    """The share of traffic in each span of five seconds."""
    spans: dict[int, list[bool]] = {}
    for at, own in by:
        spans.setdefault(int(at // 5), []).append(own)
    return [(span * 5.0, 100 * sum(owns) / len(owns)) for span, owns in sorted(spans.items())]
