"""The record of a rehearsal: plain values; times are in seconds from its beginning, costs in USD."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..values import dataclass

if TYPE_CHECKING:
    from ..observation import Outcome, Way


@dataclass(frozen=True, slots=True)
class Lane:
    """One attempt; ``first`` is the time of its first content, ``error`` the name of the error's class."""

    provider: str
    model: str
    outcome: Outcome
    way: Way | None
    started: float
    first: float | None
    ended: float
    error: str | None = None
    phase: str | None = None
    message: str = ""
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost: float | None = None


@dataclass(frozen=True, slots=True)
class Turn:
    """An event at one moment: ``first text``, ``handover``, ``notice`` or ``breaker``."""

    at: float
    what: str
    about: str


@dataclass(frozen=True, slots=True)
class Call:
    """One call, and what its caller saw; ``error`` is None if the answer is whole."""

    number: int
    started: float
    ended: float
    lanes: tuple[Lane, ...]
    turns: tuple[Turn, ...]
    text: str
    whole: bool
    error: str | None = None
    message: str = ""
    cost: float | None = None


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """All calls of a rehearsal, in order."""

    chain: str
    calls: tuple[Call, ...]

    @property
    def is_whole(self) -> bool:
        """Whether every caller got a whole answer."""
        return all(call.whole for call in self.calls)
