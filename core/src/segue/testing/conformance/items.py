"""The tests of the kit: an item is a name, a sentence that is true for a correct provider, and the test."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Final, TypeAlias, get_args

from ...provider.contract import Level
from ...values import dataclass

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from .bench import Bench

Trial: TypeAlias = "Callable[[Bench], Awaitable[None]] | Callable[[Bench], None]"
"""Raises `FailureError` if the sentence is not true; an async one gets its own loop."""

LEVELS: Final[tuple[Level, ...]] = get_args(Level)
"""The levels, lowest first."""


class FailureError(Exception):
    """The test failed; the message says why, in one line."""


class NotApplicableError(Exception):
    """The test does not apply to this provider; the message says why."""


class UntriedError(NotApplicableError):
    """The test applies, but something that it needs is missing: a failure at the level of the test."""


@dataclass(frozen=True, slots=True)
class Item:
    """One test; ``level`` is the lowest level that includes it."""

    name: str
    level: Level
    sentence: str
    trial: Trial


NAMES: Final[set[str]] = set()
"""The names of all tests whose modules are imported."""


def item(name: str, level: Level = "text") -> Callable[[Trial], Item]:
    """Make an item from a function; its docstring is the sentence."""

    def make(trial: Trial) -> Item:
        sentence = " ".join((inspect.getdoc(trial) or "").split())
        NAMES.add(name)
        return Item(name, level, sentence, trial)

    return make


def holds(condition: object, why: str) -> None:
    """Raise FailureError if the condition is not true."""
    if not condition:
        raise FailureError(why)


def reaches(level: Level, other: Level) -> bool:
    """Whether a level includes another one."""
    return LEVELS.index(level) >= LEVELS.index(other)
