"""What a client may spend on asking more often than it has to."""

from __future__ import annotations

from typing import Final

from ..constraints import Share, check_fields
from ..values import dataclass

RETRY: Final = 1.0
HEDGE: Final = 1.8
"""A hedge is a wish and a retry a need; so one call in twenty may be hedged."""


@dataclass(frozen=True, slots=True)
class Budget:
    """How many further calls all requests of a client may cause together.

    Every answer earns ``ratio``; asking the same candidate again costs 1, a hedge 1.8; at most ``reserve`` is saved,
    which is there at the start. So a host that fails for all is asked little more than once a call, for nothing
    is earned then, and with 0.09 there are never more than 1.10 calls for one from a thousand on.
    """

    ratio: Share = 0.09
    reserve: Share = 10.0

    def __post_init__(self) -> None:
        check_fields(self)


BUDGET: Final = Budget()


class Bucket:
    """What is left of a budget."""

    __slots__ = ("_budget", "_left")

    def __init__(self, budget: Budget = BUDGET) -> None:
        self._budget = budget
        self._left = budget.reserve

    @property
    def left(self) -> float:
        """How much may be spent."""
        return self._left

    def earn(self) -> None:
        """An answer came."""
        self._left = min(self._budget.reserve, self._left + self._budget.ratio)

    def spend(self, cost: float) -> bool:
        """Take so much, if it is there."""
        if self._left < cost:
            return False
        self._left -= cost
        return True
