"""Limits how many calls run at the same time."""

from __future__ import annotations

import asyncio
import math
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Final
from weakref import WeakValueDictionary

from ..constraints import NOTHING, Either, Number, check
from ..errors import PhaseTimeoutError
from ..frames import forgetful

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

CONCURRENCY: Final = Either(Number(ge=1, whole=True), NOTHING)
"""The allowed values of an argument ``concurrency``."""


class Concurrency:
    """Limits the calls at the same time in each event loop, first come, first served; None means unlimited.

    A call made while a stream of the same client is still open needs a slot of its own.
    """

    @forgetful
    def __init__(self, most: int | None = None) -> None:
        check("Concurrency", "most", most, CONCURRENCY)
        self._most = most
        # A semaphore belongs to one loop, and lives only while somebody has or waits for a slot of it: one that
        # was waited for refers to its loop, so that values kept for longer would keep closed loops with them.
        self._semaphores: WeakValueDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = WeakValueDictionary()

    async def slot(
        self,
        until: float = math.inf,
        waits: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> AbstractContextManager[None]:
        """Wait for a slot, and use it at once in a ``with`` block, which releases it at its end.

        If no slot is free yet, the wait is inside ``waits()``. Raises PhaseTimeoutError (phase total) if no slot is
        free before the loop time ``until``.
        """
        if self._most is None:
            return nullcontext()
        loop = asyncio.get_running_loop()
        semaphore = self._semaphores.get(loop)
        if semaphore is None:
            semaphore = self._semaphores[loop] = asyncio.Semaphore(self._most)
        with waits() if semaphore.locked() else nullcontext():
            acquired = await _acquired(semaphore, until)
        if not acquired:
            raise PhaseTimeoutError("no slot was free in time (total timeout)", phase="total", next_may_help=False)
        return _held(semaphore)


async def _acquired(semaphore: asyncio.Semaphore, until: float) -> bool:
    try:
        async with asyncio.timeout_at(None if until == math.inf else until):
            return await semaphore.acquire()
    except TimeoutError:
        return False


@contextmanager
def _held(semaphore: asyncio.Semaphore) -> Iterator[None]:
    try:
        yield
    finally:
        semaphore.release()
