"""Two parallel attempts; the one with the first content is kept."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Self

from ..errors import ProviderError
from ..transport.deadlines import again

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from ..events import Event
    from .attempt import Attempting


class _Racer:
    """One attempt in a task of its own for as long as it lives: what a provider opened is closed where it was opened.

    ``decided`` is done with its first content, or with its end.
    """

    def __init__(self, attempt: Attempting) -> None:
        self.attempt = attempt
        self.decided: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.error: BaseException | None = None
        self._events: asyncio.Queue[Event | BaseException | None] = asyncio.Queue()
        self._room = asyncio.Semaphore(1)
        attempt.on_content = self._decide
        self.task = asyncio.create_task(self._run())

    def _decide(self) -> None:
        if not self.decided.done():
            self.decided.set_result(None)

    async def _run(self) -> None:
        end: BaseException | None = None
        try:
            async with contextlib.aclosing(self.attempt.events()) as events:
                async for event in events:
                    await self._room.acquire()
                    self._events.put_nowait(event)
        except Exception as error:  # handed on, to be raised where the events are read
            end = error
        except asyncio.CancelledError:
            # Of one that the race leaves nobody reads this. Nobody else has this task but the provider's own code.
            one = self.attempt.candidate
            end = ProviderError("the provider was cancelled from within", phase="plugin")
            end.provider, end.model = one.provider, one.model
            raise
        finally:
            if not self.decided.done():
                self.error = end
            self._decide()
            # Without waiting for room: whatever ended it, who reads is not left to wait for more.
            self._events.put_nowait(end)

    async def next(self) -> Event | None:
        """The next event; None after the last one; raises the error that ended it."""
        event = await self._events.get()
        if isinstance(event, BaseException):
            raise event
        self._room.release()
        return event


async def _stop(racers: Sequence[_Racer]) -> None:
    """End these, and wait until all that they opened is closed."""
    tasks = {racer.task for racer in racers}
    for task in tasks:
        task.cancel()
    cancelled = False
    while running := {task for task in tasks if not task.done()}:
        try:
            await asyncio.wait(running)
        except asyncio.CancelledError:
            cancelled = True  # but first, nothing is left behind
    if cancelled:
        raise asyncio.CancelledError


class Race:
    """Parallel attempts; leaving the ``async with`` block stops those that still run."""

    def __init__(self, first: Attempting) -> None:
        self._first = _Racer(first)
        self._racers = [self._first]

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await _stop(self._racers)

    def add(self, attempt: Attempting) -> None:
        """Start another attempt."""
        self._racers.append(_Racer(attempt))

    async def decided(self, *, within: float) -> bool:
        """Whether an attempt got its first content, or failed, ``within`` this number of seconds."""
        decided, loop = {racer.decided for racer in self._racers}, asyncio.get_running_loop()
        due = loop.time() + within
        done, _ = await asyncio.wait(decided, timeout=within)
        if not done and within and (more := again(loop.time() - due)):
            done, _ = await asyncio.wait(decided, timeout=more)
        return bool(done)

    @property
    def is_over(self) -> bool:
        """Whether no attempt is left."""
        return not self._racers

    async def failure(self) -> tuple[Attempting, ProviderError] | None:
        """The next attempt that failed before its first content, and is removed; None if one has content."""
        await asyncio.wait({racer.decided for racer in self._racers}, return_when=asyncio.FIRST_COMPLETED)
        decided = [racer for racer in self._racers if racer.decided.done()]
        if any(racer.error is None for racer in decided):
            return None
        failed = decided[0]
        self._racers.remove(failed)
        assert failed.error is not None
        if not isinstance(failed.error, ProviderError):
            raise failed.error  # a fault of configuration, which no other cures
        return failed.attempt, failed.error

    async def winner(self) -> Attempting:
        """The attempt that has content; the others are stopped."""
        won = next(racer for racer in self._racers if racer.decided.done() and racer.error is None)
        others = [racer for racer in self._racers if racer is not won]
        for racer in others:
            # Late is who was asked first and came second; of the second it says nothing.
            racer.attempt.is_late = racer is self._first
        await _stop(others)
        self._racers = [won]
        return won.attempt

    async def events(self) -> AsyncGenerator[Event, None]:
        """The events of the remaining attempt."""
        (racer,) = self._racers
        while (event := await racer.next()) is not None:
            yield event
