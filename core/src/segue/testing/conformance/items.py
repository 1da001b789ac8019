"""What the kit tries: an item is a name, a sentence that is true of a sound provider, and a trial of it."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Final, TypeAlias, get_args

from ...provider import Level
from ...values import dataclass

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from .bench import Bench

Trial: TypeAlias = "Callable[[Bench], Awaitable[None]] | Callable[[Bench], None]"
"""Raises `FailureError` where the sentence does not hold; an async one gets a loop of its own."""

LEVELS: Final[tuple[Level, ...]] = get_args(Level)
"""From the least to the most."""


class FailureError(Exception):
    """The item does not hold; the message says why, in one line."""


class NotApplicableError(Exception):
    """The item says nothing of this provider; the message says why."""


class UntriedError(NotApplicableError):
    """The item would say something, but there is nothing to try it with: a failure at the item's level."""


@dataclass(frozen=True, slots=True)
class Item:
    """One thing that is tried; ``level`` is the least that promises it."""

    name: str
    level: Level
    sentence: str
    trial: Trial


def item(name: str, level: Level = "text") -> Callable[[Trial], Item]:
    """Make an item of a trial; its docstring is the sentence."""

    def make(trial: Trial) -> Item:
        sentence = " ".join((inspect.getdoc(trial) or "").split())
        return Item(name, level, sentence, trial)

    return make


def holds(condition: object, why: str) -> None:
    """FailureError where the condition does not hold."""
    if not condition:
        raise FailureError(why)


def reaches(level: Level, other: Level) -> bool:
    """Whether a level promises what another one does."""
    return LEVELS.index(level) >= LEVELS.index(other)
