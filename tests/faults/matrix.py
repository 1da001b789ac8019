"""The matrix of faults: one fault at one host of a chain, and the six things that are true of every call that meets it.

Outcome; attempts; requests, in their order; delivered text; resources back to the baseline; no key anywhere.
"""

from __future__ import annotations

import asyncio
import logging
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol, Self, TypeAlias, TypeVar

from segue import Client, OverloadedError, Retry, SegueError, TextDelta, Timeout
from segue.chain.targets import Chain
from segue.errors import ProviderError
from segue.testing import OpenAIHost, Received, Status, checked, refused_url, tokens_of
from segue.testing.loopback import Connection, Loopback

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence

    from segue import Attempt, Notice
    from segue.transport import AiohttpTransport

Place: TypeAlias = Literal["first", "middle"]
PLACES: tuple[Place, ...] = ("first", "middle")

WHOLE = "one two three four five"
"""What every host would answer."""

KEYS = {name: f"canary-{name}-0123456789" for name in ("before", "faulty", "last")}
SHORT = Timeout(connect=5.0, first_event=5.0, idle=5.0)
NO_RETRY = Retry(count=0)
LIMIT = 30.0
PAUSE = 6.0
"""Longer than the limits of a fault for one wait."""

T = TypeVar("T")


# ── hosts ────────────────────────────────────────────────────────────────────────────────────────────


class Site(Protocol):
    """Where a fault is: a host, or an address where there is none."""

    journal: list[str]
    name: str

    @property
    def url(self) -> str: ...

    @property
    def seen(self) -> Sequence[Received]: ...

    async def until_closed(self) -> None: ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(self, kind: object, *exc: object) -> None: ...


class Noting(Loopback):
    """A host that writes its name into the journal with each request."""

    journal: list[str] = []  # noqa: RUF012 - replaced by `check`
    name = "faulty"

    @property
    def seen(self) -> Sequence[Received]:
        """The requests that came."""
        return self.requests

    def _record(self, received: Received) -> Received:
        self.journal.append(self.name)
        return super()._record(received)


class Host(Noting, OpenAIHost):
    """A host of the Chat Completions wire that goes through a script."""


class RawHost(Noting):
    """A host whose connections are all served by one function, byte by byte; `read` reads a request and notes it."""

    def __init__(self, serve: Callable[[RawHost, Connection], Awaitable[None]]) -> None:
        super().__init__()
        self._by = serve

    @property
    def url(self) -> str:
        """The address with ``/v1``."""
        return f"{self.address}/v1"

    async def read(self, connection: Connection) -> Received:
        """The next request of a connection, noted."""
        return self._record(await connection.request())

    async def _serve(self, connection: Connection) -> None:
        await self._by(self, connection)


class Elsewhere:
    """An address, with nobody there, or with ``host`` there under another one."""

    def __init__(
        self, url: str | None = None, *, host: Host | RawHost | None = None, say: Callable[[str], str] = str
    ) -> None:
        self._url = f"{refused_url()}/v1" if url is None else url
        self._host = host
        self._say = say
        self.name = "faulty"
        self.journal: list[str] = []

    @property
    def url(self) -> str:
        """What the provider's address is set to."""
        return self._url if self._host is None else self._say(self._host.url)

    @property
    def seen(self) -> Sequence[Received]:
        """The requests that came."""
        return () if self._host is None else self._host.requests

    async def until_closed(self) -> None:
        """Wait until no connection is open."""
        if self._host is not None:
            await self._host.until_closed()

    async def __aenter__(self) -> Self:
        if self._host is not None:
            self._host.journal = self.journal
            await self._host.__aenter__()
        return self

    async def __aexit__(self, kind: object, *exc: object) -> None:
        if self._host is not None:
            await self._host.__aexit__(kind, *exc)


def going_on(received: Received) -> list[str]:
    """The rest of the whole answer after what the assistant is said to have said already."""
    last = received.json["messages"][-1]
    said = last["content"] if last["role"] == "assistant" else ""
    assert WHOLE.startswith(said)
    rest = WHOLE[len(said) :]
    return list(tokens_of(rest)) if rest else []


# ── what is expected ─────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Fault:
    """A fault and what is to come of it.

    ``inject`` makes the host, told whether the call streams. ``error`` is the class of the failure, None where
    nothing is to be seen and ``answer`` comes. ``text`` is what a stream gives before it. ``requests`` is how many
    requests the host is to see, ``goes_on`` whether the next target is asked. ``retried`` says whether another try
    at the same target follows where one is configured. ``in_code`` says that the target is no host but a provider that
    ``options`` give, ``left_out`` that its plugin is not to be had.
    """

    id: str
    inject: Callable[[bool], Site]
    error: type[ProviderError] | None
    phase: str = ""
    text: str = ""
    answer: str = WHOLE
    requests: int = 1
    goes_on: bool = True
    retried: bool = False
    timeout: Timeout = SHORT
    prompt: str = "hi"
    options: Mapping[str, Any] = field(default_factory=dict)
    transport: Callable[[], AiohttpTransport] | None = None
    in_code: bool = False
    left_out: bool = False

    def __str__(self) -> str:
        return self.id


@dataclass(slots=True)
class Met:
    """What a call came to."""

    text: str = ""
    whole: str | None = None
    error: SegueError | None = None
    attempts: Sequence[Attempt] = ()
    notices: Sequence[Notice] = ()
    handovers: int = 0


class Lines(logging.Handler):
    """Keeps every line that is logged, at any level."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(f"{self.format(record)} {record.args!r}")


def client_of(
    urls: Mapping[str, str],
    *,
    timeout: Timeout = SHORT,
    retry: Retry = NO_RETRY,
    prefill: bool = False,
    options: Mapping[str, Any] | None = None,
) -> Client:
    """A client of these hosts, each with a key of its own; ``prefill`` is the fact of the last one."""
    rows: dict[str, Any] = {
        name: {
            "wire": "openai_chat",
            "base_url": url,
            "models": ["m"],
            "api_key": KEYS[name],
        }
        for name, url in urls.items()
    }
    if prefill:
        rows["last"]["capabilities"] = {"prefill": True}
    given = {"plugins": False, "environ": {}, "timeout": timeout, "retry": retry, **(options or {})}
    return Client(config={"providers": rows}, **given)


class Clock:
    """The running loop's clock, which a test moves on while the code that reads has its turn.

    ``limit`` is the test's own, which is moved with it.
    """

    def __init__(self, limit: asyncio.Timeout | None = None) -> None:
        self._ahead = 0.0
        self._limit = limit

    def __enter__(self) -> Self:
        loop: Any = asyncio.get_running_loop()
        real = loop.time
        loop.time = lambda: real() + self._ahead
        return self

    def __exit__(self, *exc: object) -> None:
        loop: Any = asyncio.get_running_loop()
        del loop.time  # the class has its own

    async def turns(self) -> None:
        """Let everybody else have so many turns that what is on its way arrives."""
        for _ in range(50):
            await asyncio.sleep(0)

    async def pause(self, seconds: float) -> None:
        """Do something else for so long: whatever is due in that time happens."""
        await self.turns()
        if self._limit is not None:
            self._limit.reschedule((self._limit.when() or 0.0) + seconds)
        loop: Any = asyncio.get_running_loop()
        end = loop.time() + seconds
        while (now := loop.time()) < end:
            # From one timer to the next: a clock that jumps past a timer is that of a loop that was blocked.
            due = min((timer.when() for timer in loop._scheduled if not timer.cancelled()), default=end)
            self._ahead += max(min(due, end) - now, 1e-6)
            await self.turns()

    def block(self, seconds: float) -> None:
        """Let this time pass at once, as where code blocks the loop."""
        self._ahead += seconds


Reading: TypeAlias = Literal["at once", "pausing", "tasks"]
"""How a stream is read: as it comes; with a pause after each event; so, and each event in a task of its own."""

PAUSING: Mapping[Place, Reading] = {"first": "pausing", "middle": "tasks"}


async def read(events: AsyncIterator[T], clock: Clock, reading: Reading, seconds: float) -> AsyncGenerator[T, None]:
    """Events as one gets them who reads so, and pauses for so many seconds."""
    while True:
        try:
            event = await (asyncio.create_task(_next(events)) if reading == "tasks" else anext(events))
        except StopAsyncIteration:
            return
        yield event
        await clock.pause(seconds)


async def _next(events: AsyncIterator[T]) -> T:
    return await anext(events)


async def meet(
    client: Client,
    targets: Sequence[str],
    *,
    stream: bool,
    prompt: str = "hi",
    reading: Reading = "at once",
    clock: Clock | None = None,
    **asking: Any,
) -> Met:
    """Ask, and keep everything that a caller sees; one who pauses has a clock."""
    met = Met()
    chain = Chain(*(f"{name}/m" for name in targets))
    try:
        if not stream:
            reply = await client.chat(prompt, chain=chain, **asking)
            met.text = reply.text
        else:
            async with client.stream(prompt, chain=chain, **asking) as events:
                taken = checked(events)
                async for event in taken if clock is None else read(taken, clock, reading, PAUSE):
                    met.text += event.text if isinstance(event, TextDelta) else ""
                reply = await events.reply()
        met.whole, met.attempts, met.notices = reply.text, reply.attempts, reply.notices
        met.handovers = len(reply.handovers)
    except SegueError as error:
        met.error = error
        met.attempts = getattr(error, "attempts", ())
    return met


# ── the six truths ───────────────────────────────────────────────────────────────────────────────────


async def check(fault: Fault, *, stream: bool, place: Place) -> None:
    """Meet the fault at the first of two targets or at the middle one of three, and assert all six.

    They are also true of a reader that pauses for longer than every limit between two events.
    """
    await _check(fault, stream=stream, place=place, prefill=False)
    if stream:
        await _check(fault, stream=stream, place=place, prefill=False, reading=PAUSING[place])


async def check_continued(fault: Fault, *, place: Place) -> None:
    """Meet a fault in the middle of a stream where the next target goes on with the text: it comes out whole."""
    assert fault.text, "nothing to go on with"
    await _check(fault, stream=True, place=place, prefill=True)
    await _check(fault, stream=True, place=place, prefill=True, reading=PAUSING[place])


async def check_retried(fault: Fault, *, stream: bool) -> None:
    """Meet a lasting fault at a single target with one retry allowed: it is asked again where that may help."""
    journal: list[str] = []
    fds = descriptors()
    site = fault.inject(stream)
    site.journal = journal
    transport = None if fault.transport is None else fault.transport()
    async with site:
        options = {**fault.options, **({} if transport is None else {"transport": transport})}
        retry = Retry(count=1, base=0.0)
        async with client_of({"faulty": site.url}, timeout=fault.timeout, retry=retry, options=options) as client:
            met = await asyncio.wait_for(meet(client, ["faulty"], stream=stream, prompt=fault.prompt), LIMIT)
        if transport is not None:
            await transport.aclose()
        await asyncio.wait_for(site.until_closed(), LIMIT)
    tries = 2 if fault.retried and not (stream and fault.text) else 1
    assert type(met.error) is fault.error
    assert [(one.provider, one.outcome) for one in met.attempts] == [("faulty", "failed")] * tries
    assert journal == ["faulty"] * (fault.requests * tries)
    assert descriptors() <= fds


async def _check(fault: Fault, *, stream: bool, place: Place, prefill: bool, reading: Reading = "at once") -> None:
    logged = Lines()
    root = logging.getLogger()
    level = root.level
    root.addHandler(logged)
    root.setLevel(logging.DEBUG)
    journal: list[str] = []
    site = fault.inject(stream)
    site.journal = journal
    before, last = Host(script=[Status(503)]), Host(answer=going_on)
    for host, name in ((before, "before"), (last, "last")):
        host.journal, host.name = journal, name
    try:
        async with before, site, last:
            targets = {"before": before.url, "faulty": site.url, "last": last.url}
            if place == "first":
                del targets["before"]
            sites: dict[str, Site] = {"before": before, "faulty": site, "last": last}
            met = await _asked(fault, targets, list(sites.values()), stream=stream, prefill=prefill, reading=reading)
            for name, where in sites.items():
                _keys_stay_home(name, where.seen)
    finally:
        root.removeHandler(logged)
        root.setLevel(level)
    _check_outcome(fault, met, stream=stream, prefill=prefill)
    _check_attempts(fault, met, journal, stream=stream, place=place, prefill=prefill)
    _check_secrets(met, logged.lines)


async def _asked(
    fault: Fault,
    targets: Mapping[str, str],
    hosts: Sequence[Site],
    *,
    stream: bool,
    prefill: bool,
    reading: Reading,
) -> Met:
    """The call, with nothing of it left behind."""
    tasks, fds = asyncio.all_tasks(), descriptors()
    transport = None if fault.transport is None else fault.transport()
    options = {**fault.options, **({} if transport is None else {"transport": transport})}
    urls = {name: url for name, url in targets.items() if name != "faulty" or not fault.in_code}
    if fault.in_code and not fault.left_out:
        options["api_keys"] = {"faulty": KEYS["faulty"]}
    async with client_of(urls, timeout=fault.timeout, prefill=prefill, options=options) as client:
        async with asyncio.timeout(LIMIT) as limit:
            with Clock(limit) as clock:
                met = await meet(
                    client,
                    list(targets),
                    stream=stream,
                    prompt=fault.prompt,
                    reading=reading,
                    clock=None if reading == "at once" else clock,
                )
        assert _timers() == []
    if transport is not None:
        await transport.aclose()
    for host in hosts:
        await asyncio.wait_for(host.until_closed(), LIMIT)
    assert asyncio.all_tasks() == tasks
    assert descriptors() <= fds
    return met


def _ends_with_error(fault: Fault, *, stream: bool, prefill: bool) -> bool:
    if fault.error is None:
        return False
    return not fault.goes_on or (stream and bool(fault.text) and not prefill)


def _check_outcome(fault: Fault, met: Met, *, stream: bool, prefill: bool) -> None:
    if _ends_with_error(fault, stream=stream, prefill=prefill):
        assert fault.error is not None
        assert isinstance(met.error, ProviderError), met
        assert (type(met.error), met.error.phase) == (fault.error, fault.phase)
        given = fault.text if stream else ""
        assert (met.text, met.error.text) == (given, given)
        assert WHOLE.startswith(met.text)
        return
    assert met.error is None, met
    expected = fault.answer if fault.error is None else WHOLE
    assert (met.text, met.whole) == (expected, expected)
    assert met.handovers == (1 if prefill else 0)


def _check_attempts(
    fault: Fault, met: Met, journal: Sequence[str], *, stream: bool, place: Place, prefill: bool
) -> None:
    expected: list[tuple[str, str, type[ProviderError] | None]] = []
    asked: list[str] = []
    if place == "middle":
        expected.append(("before", "failed", OverloadedError))
        asked.append("before")
    asked += ["faulty"] * fault.requests
    if fault.left_out:
        expected.append(("last", "answered", None))
        asked.append("last")
        assert [notice.subject for notice in met.notices] == ["chain"]
    elif fault.error is None:
        expected.append(("faulty", "answered", None))
    else:
        expected.append(("faulty", "failed", fault.error))
        if fault.goes_on and _ends_with_error(fault, stream=stream, prefill=prefill):
            expected.append(("last", "skipped", ProviderError))  # it is not known to take a prefill
        elif fault.goes_on:
            expected.append(("last", "answered", None))
            asked.append("last")
    told = [(one.provider, one.outcome, None if one.error is None else type(one.error)) for one in met.attempts]
    assert told == expected
    failed = next((one.error for one in met.attempts if one.provider == "faulty"), None)
    assert failed is None or failed.phase == fault.phase
    assert list(journal) == asked


def _keys_stay_home(name: str, requests: Sequence[Received]) -> None:
    """Each host is shown its own key and no other."""
    for request in requests:
        text = repr(request.headers) + request.body.decode("latin-1") + request.path
        assert [owner for owner, key in KEYS.items() if key in text] == [name]


def _check_secrets(met: Met, logged: Sequence[str]) -> None:
    texts = [*logged, *(f"{notice} {notice!r}" for notice in met.notices)]
    errors = [met.error, *getattr(met.error, "exceptions", ())]
    for one in met.attempts:
        texts.append(f"{one} {one!r}")
        errors.append(one.error)
    for error in errors:
        texts.append(f"{error} {error!r} {getattr(error, 'args', '')} {getattr(error, 'body', '')}")
        texts.append(f"{getattr(error, '__cause__', None)!r} {getattr(error, '__context__', None)!r}")
    shown = [text for text in texts if any(key in text for key in KEYS.values())]
    assert shown == []


def descriptors() -> int:
    """How many are open."""
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208


def _owner(handle: asyncio.Handle) -> object:
    return getattr(handle._callback, "__self__", None)  # type: ignore[attr-defined]


def _timers() -> list[str]:
    """Our own timers that still wait; the one that looks after a loop's far deadlines only where there are any."""
    loop: Any = asyncio.get_running_loop()  # nothing public tells what it has scheduled
    waiting = [handle for handle in loop._scheduled if not handle.cancelled()]
    waiting = [handle for handle in waiting if getattr(_owner(handle), "watched", True)]
    homes = [(str(getattr(handle._callback, "__module__", "")), repr(handle)) for handle in waiting]
    return [shown for home, shown in homes if home.startswith("segue") and ".testing" not in home]
