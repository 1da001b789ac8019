"""The budget of a client for retries and hedges."""

from __future__ import annotations

from typing import Final

from ..constraints import Share, check_fields
from ..values import dataclass

RETRY: Final = 1.0
HEDGE: Final = 1.8
"""The cost of a hedge; a hedge is less important than a retry, so one call in twenty can be hedged."""


@dataclass(frozen=True, slots=True)
class Budget:
    """Limits the additional requests of all calls of a client together.

    Every answer earns ``ratio``; a retry of the same candidate costs 1, a hedge 1.8; at most ``reserve`` is saved, and
    the budget starts with that. So if a host fails for all calls, it gets little more than one request per call,
    because no answer earns anything; with 0.09, a thousand calls or more cause at most 1.10 requests each.
    """

    ratio: Share = 0.09
    reserve: Share = 10.0

    def __post_init__(self) -> None:
        check_fields(self)


BUDGET: Final = Budget()


class Bucket:
    """The rest of a budget."""

    __slots__ = ("_budget", "_left")

    def __init__(self, budget: Budget = BUDGET) -> None:
        self._budget = budget
        self._left = budget.reserve

    @property
    def left(self) -> float:
        """How much can be spent."""
        return self._left

    def earn(self) -> None:
        """Earn for an answer."""
        self._left = min(self._budget.reserve, self._left + self._budget.ratio)

    def spend(self, cost: float) -> bool:
        """Spend this cost, if enough is left; return whether it was."""
        if self._left < cost:
            return False
        self._left -= cost
        return True
