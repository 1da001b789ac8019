"""Which hosts the calls of a client wait for, in the words of the status line."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Final

from ..observation import Observer
from .progress import PROGRESS, takes_escapes
from .terminal import one_line, say

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..observation import Attempt, AttemptStart, Wait
    from .progress import Progress, State

_NAMED: Final = 2
_LONG: Final = 2.0
"""Seconds from which a wait is shown on a line of its own."""


class Waiting(Observer):
    """What the calls of a client wait for now, in words."""

    def __init__(
        self, progress: Progress = PROGRESS, *, clock: Callable[[], float] = time.monotonic, idle: str = "working"
    ) -> None:
        self._progress = progress
        self._clock = clock
        self._idle = idle
        self._began = clock()
        self._attempts: dict[tuple[int, int], tuple[str, float]] = {}
        self._waits: list[tuple[Wait, float]] = []
        self._came: tuple[str, float] | None = None

    def __call__(self, now: float) -> State:
        """What is waited for at this time."""
        if self._waits:
            wait, since = self._waits[0]
            return id(wait), _wait_in_words(wait, now - since)
        if not self._attempts:
            return self._idle, f"{self._idle} … {now - self._began:.0f} s"
        names = list(dict.fromkeys(name for name, _ in self._attempts.values()))
        since = min(since for _, since in self._attempts.values())
        verb = "waiting for"
        if self._came is not None and len(names) == 1:
            verb, since = self._came
        more = len(names) - _NAMED
        told = f"{', '.join(names[:_NAMED])} and {more} more" if more > 0 else " and ".join(names)
        return (verb, tuple(self._attempts)), f"{verb} {told} … {now - since:.0f} s"

    def begin(self) -> None:
        """Start again, for the next question."""
        with self._progress.changing():
            self._began, self._came = self._clock(), None
            self._attempts.clear()
            self._waits.clear()

    def came(self, *, reasoning: bool) -> None:
        """A piece of the answer arrived, or of the reasoning, which is not shown."""
        verb = "reading the reasoning of" if reasoning else "waiting for more from"
        if self._came is None or not reasoning or self._came[0] != verb:
            self._came = verb, self._clock()

    # ── as an observer ────────────────────────────────────────────────────────────────────────────────

    def attempt_started(self, start: AttemptStart, /) -> None:
        with self._progress.changing():
            self._came = None
            self._attempts[start.call, start.number] = _name(start.provider, start.model), self._clock()

    def attempt_ended(self, attempt: Attempt, /) -> None:
        with self._progress.changing():
            self._attempts.pop((attempt.call, attempt.number), None)

    def wait_started(self, wait: Wait, /) -> None:
        with self._progress.changing():
            self._waits.append((wait, self._clock()))

    def wait_ended(self, wait: Wait, /) -> None:
        with self._progress.changing():
            self._waits = [entry for entry in self._waits if entry[0] is not wait]


class _PlainWaits(Observer):
    """Says on a plain line that a call waits for long, where no status line can be shown."""

    def wait_started(self, wait: Wait, /) -> None:
        seconds = wait.seconds or 0.0
        if seconds < _LONG:
            return
        if wait.reason == "retry_after":
            say(f"note: {one_line(wait.provider)} asked to wait {seconds:.0f} s (Retry-After)")
        else:
            say(f"note: waiting {seconds:.0f} s before a retry of {_name(wait.provider, wait.model)}")


def observing(waiting: Waiting) -> Observer:
    """What tells a person for what a client waits: the status line, or else a line for each long wait."""
    return waiting if takes_escapes(sys.stderr) else _PlainWaits()


def _name(provider: str, model: str) -> str:
    return one_line(f"{provider}/{model}" if model else provider)


def _wait_in_words(wait: Wait, passed: float) -> str:
    name, provider = _name(wait.provider, wait.model), one_line(wait.provider)
    left = max(0.0, (wait.seconds or 0.0) - passed)
    match wait.reason:
        case "slot":
            return f"waiting for a free slot for {name} … {passed:.0f} s"
        case "retry_after":
            return f"{provider} asked to wait {wait.seconds or 0:.0f} s (Retry-After) … {left:.0f} s left"
        case _:
            return f"waiting before a retry of {name} … {left:.0f} s left"
