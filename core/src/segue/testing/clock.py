"""A loop whose clock jumps, so that hours of waiting pass in no time."""

from __future__ import annotations

import asyncio
import selectors
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine

T = TypeVar("T")


class ImpatientLoop(asyncio.SelectorEventLoop):
    """A loop of which the clock stands still while something runs, and jumps to the next timer where nothing does.

    It begins at 0, so that what is seeded happens at the same times in every run. It is for code without sockets:
    an answer that is still on its way over one would be overtaken by the timers that wait for it.
    """

    def __init__(self) -> None:
        self._virtual = 0.0
        super().__init__(_Selector(self))

    def time(self) -> float:
        """The seconds that have passed, as far as anybody can tell."""
        return self._virtual

    def jump(self, seconds: float) -> None:
        """Move the clock on."""
        self._virtual += seconds


class _Selector(selectors.DefaultSelector):
    """Waits for nothing but what is there already, and moves the clock instead."""

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
    """What `asyncio.run` gives, on an `ImpatientLoop`."""
    with asyncio.Runner(loop_factory=ImpatientLoop) as runner:
        return runner.run(main)
