"""An event loop whose clock jumps, so that a test does not wait."""

from __future__ import annotations

import asyncio
import selectors
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine

T = TypeVar("T")


class ImpatientLoop(asyncio.SelectorEventLoop):
    """A loop whose clock stops while something runs, and jumps to the next timer if nothing does.

    The clock begins at 0, so that seeded events happen at the same times in every run. It is for code without
    sockets: a timer would end before the data on a socket arrives.
    """

    def __init__(self) -> None:
        self._virtual = 0.0
        super().__init__(_Selector(self))

    def time(self) -> float:
        """The seconds that have passed on this clock."""
        return self._virtual

    def jump(self, seconds: float) -> None:
        """Move the clock on."""
        self._virtual += seconds


class _Selector(selectors.DefaultSelector):
    """Waits only for events that are already ready, and moves the clock instead."""

    def __init__(self, loop: ImpatientLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """What is ready; without a timer to jump to it waits for another thread, as any loop does."""
        if timeout is None:
            return super().select(None)
        ready = super().select(0)
        if not ready and timeout > 0:
            self._loop.jump(timeout)
        return ready


def run_virtually(main: Coroutine[Any, Any, T]) -> T:
    """The result of `asyncio.run` on an `ImpatientLoop`."""
    with asyncio.Runner(loop_factory=ImpatientLoop) as runner:
        return runner.run(main)
