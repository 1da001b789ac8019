"""Limits of time: the timeout of each phase, and the watch over a wait for a host."""

from __future__ import annotations

import asyncio
import contextlib
import math
from dataclasses import replace
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

from ..constraints import (
    NOTHING,
    SECONDS,
    Either,
    Of,
    Seconds,
    check_fields,
    shown,
)
from ..display import shown_address
from ..errors import TimeIsUpError
from ..values import dataclass

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from typing import Final, Self

    from ..errors import Phase


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeout:
    """Limits in seconds, one for each phase, by name; None means no limit.

    A number alone is a TypeError: other libraries read it in different ways. ``Timeout(total=5)`` limits the whole
    call, as ``timeout=5`` does.

    ``connect``: name resolution, socket and TLS. ``first_event``: from the request to the first content of the answer
    (``chat()`` gets the answer in one piece, so there it is the time until the whole answer).
    ``idle``: the longest time without data after that. ``total``: the whole call, with all its attempts.

    A limit ends a wait for the host, never the code that reads the answer. The time that a reader takes between two
    events counts only for ``total``, which is checked at the next wait: data that arrived before is still delivered.
    """

    connect: Seconds | None = 10.0
    first_event: Seconds | None = 120.0
    idle: Seconds | None = 60.0
    total: Seconds | None = None

    if not TYPE_CHECKING:  # which knows from the decorator that they have no places

        def __new__(cls, *places: object, **_: object) -> Self:
            if places:
                given = ", ".join(map(shown, places))
                wish = shown(places[0])
                raise TypeError(
                    f"Timeout({given}): give each limit by name: Timeout(total={wish}), or timeout={wish}, limits "
                    f"the whole call; the others are connect, first_event and idle"
                )
            return object.__new__(cls)

    def __post_init__(self) -> None:
        check_fields(self)


_TIMEOUT: Final = Of(Timeout)


TIMEOUT: Final = Either(_TIMEOUT, SECONDS, NOTHING)
"""The allowed values of an argument ``timeout``."""


def limits_with(timeout: Timeout | float | None, usual: Timeout) -> Timeout:
    """The timeout that applies: a number changes the total of the default one, None changes nothing."""
    if timeout is None:
        return usual
    return timeout if isinstance(timeout, Timeout) else replace(usual, total=timeout)


NO_TIMEOUT: Final = Timeout(connect=None, first_event=None, idle=None, total=None)


class _Clock:
    """The watchdogs of one loop whose time is far off: one timer looks after all of them, once in a while.

    Nearly every call is over long before its time; so it costs an entry in a set, and only when its time is near a
    timer of its own, which is exact.
    """

    __slots__ = ("__weakref__", "_handle", "_loop", "watched")

    TICK: Final = 1.0
    """Seconds."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._handle: asyncio.TimerHandle | None = None
        self.watched: set[Watchdog] = set()

    @staticmethod
    def of(loop: asyncio.AbstractEventLoop) -> _Clock:
        """The clock of this loop, which lives as long as the loop has its timer or a watchdog has the clock."""
        clock = _clocks.get(id(loop))
        if clock is None or clock._loop is not loop:  # noqa: SLF001 - an id is given anew
            clock = _clocks[id(loop)] = _Clock(loop)
        return clock

    def watch(self, watchdog: Watchdog) -> None:
        """Watch this one; its deadline is more than a tick away."""
        self.watched.add(watchdog)
        if self._handle is None:
            self._handle = self._loop.call_later(self.TICK, self._tick)

    def _tick(self) -> None:
        self._handle = None
        near = self._loop.time() + self.TICK
        for watchdog in tuple(self.watched):
            if watchdog.deadline <= near:
                self.watched.discard(watchdog)
                watchdog.be_exact()
            elif watchdog.deadline == math.inf:
                self.watched.discard(watchdog)
        if self.watched:
            self._handle = self._loop.call_later(self.TICK, self._tick)


_clocks: Final[WeakValueDictionary[int, _Clock]] = WeakValueDictionary()


class Watchdog:
    """One watch over a whole stream: moving its deadline is an assignment, not a new timer.

    Between `arm` and `disarm` the current task is cancelled when the time is up; the code that armed it
    turns that cancellation into a timeout with `expired`. Both belong around one await, in the task that waits:
    the next event may be read in another task, and until then the task belongs to the reader.

    A timer that fires late shows that something else blocked the loop: nobody read what the host sent, and perhaps
    nothing was sent to it. The wait then gets that time again, but not after the loop time ``latest``.
    """

    __slots__ = (
        "__weakref__", "_clock", "_handle", "_loop", "_task", "_was_late", "cancelling", "deadline", "fired", "latest",
        "phase",
    )  # fmt: skip

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._clock: _Clock | None = None
        self._handle: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[object] | None = None
        self.cancelling: int = 0  # of the watched task, when the watch began
        self._was_late = math.nan  # the deadline that a blocked loop has moved
        self.deadline: float = math.inf
        self.latest: float = math.inf
        self.fired: bool = False
        self.phase: Phase = "total"

    def arm(self, phase: Phase, seconds: float | None, *, until: float = math.inf) -> None:
        """Watch the current task for this number of seconds, but not after the loop time ``until`` (phase total)."""
        now = self._loop.time()
        deadline = math.inf if seconds is None else now + seconds
        if until < deadline:
            deadline, phase = until, "total"
        self.phase = phase
        self.deadline = deadline
        if deadline == math.inf:
            return
        self.see(asyncio.current_task(self._loop))
        if deadline - now <= _Clock.TICK:
            self.be_exact()
        elif self._handle is None:
            if self._clock is None:
                self._clock = _Clock.of(self._loop)
            self._clock.watch(self)

    def resume(self) -> None:
        """Watch the current task until the deadline that was set before."""
        if self.deadline == math.inf:
            return
        self.see(asyncio.current_task(self._loop))
        if self._handle is None and (self._clock is None or self not in self._clock.watched):
            self.be_exact()

    @property
    def is_armed(self) -> bool:
        """Whether a task is watched."""
        return self._task is not None

    def see(self, task: asyncio.Task[object] | None) -> None:
        """Watch this task until the deadline that was set before."""
        assert task is not None
        self._task = task
        self.cancelling = task.cancelling()

    def be_exact(self) -> None:
        """Use a timer for the deadline, or for a time before it."""
        handle = self._handle
        if handle is not None:
            if handle.when() <= self.deadline:
                return
            handle.cancel()
        self._handle = self._loop.call_at(self.deadline, self._ring)

    def disarm(self) -> bool:
        """End the watch; the timer stays for the next one. True if the time was up, and nothing came of it."""
        is_late = self.fired
        if is_late and self._task is not None:
            # What was waited for kept the cancellation to itself; the task goes on as one that nobody cancelled.
            self.fired = False
            self._task.uncancel()
        self._task = None
        return is_late

    def _ring(self) -> None:
        self._handle = None
        if self._task is None:
            return
        now = self._loop.time()
        if now >= self.deadline and self.phase != "total" and self.deadline != self._was_late:
            more = again(now - self.deadline)
            if more and self.latest > now:
                self.deadline = self._was_late = min(now + more, self.latest)
                if self.deadline == self.latest:
                    self.phase = "total"
        if now < self.deadline:
            self._handle = self._loop.call_at(self.deadline, self._ring)
            return
        # What came while the loop was busy with something else is read in the turn that has just begun: it was in time.
        self._loop.call_soon(self._cancel, self._task, self.deadline)

    def _cancel(self, task: asyncio.Task[object], deadline: float) -> None:
        if self._task is task and self.deadline == deadline:
            self.fired = True
            task.cancel()

    def expired(self, task: asyncio.Task[object] | None) -> bool:
        """Whether the last CancelledError came from this watchdog; if so, the task is no longer cancelled."""
        if not self.fired:
            return False
        self.fired = False
        return task is not None and task.uncancel() <= self.cancelling

    def close(self) -> None:
        """Stop watching."""
        self._task = None
        if self._clock is not None:
            self._clock.watched.discard(self)
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None


_ON_TIME: Final = 0.01
"""Seconds; a timer that is not later than this is on time."""
_LONGEST: Final = 10.0
"""Seconds; a clock may also jump, as after the computer was suspended."""


def again(late: float) -> float:
    """How many seconds more to wait where a timer fired this number of seconds late; 0 if it was on time.

    A timer is late if other code blocked the event loop: for that time at least, nothing was sent or read.
    """
    return min(late, _LONGEST) if late > _ON_TIME else 0.0


def note_address(error: asyncio.CancelledError, url: str) -> None:
    """Note in the cancellation of a wait where the request went; it may become a timeout."""
    error.address = shown_address(url)  # type: ignore[attr-defined]


def address_of(error: asyncio.CancelledError) -> str | None:
    """The address, without user and query, of the request whose wait was cancelled; None if it is unknown."""
    return getattr(error, "address", None)


@contextlib.asynccontextmanager
async def at_most(phase: Phase, seconds: float | None) -> AsyncGenerator[None, None]:
    """Limit a wait for a host, with a watch: `TimeIsUpError` after this number of seconds."""
    watchdog = Watchdog()
    watchdog.arm(phase, seconds)
    try:
        yield
    except asyncio.CancelledError:
        if not watchdog.expired(asyncio.current_task()):
            raise
    else:
        return
    finally:
        watchdog.close()
    raise TimeIsUpError  # outside the except block: the frames of what was cancelled may hold a key
