"""When a second candidate is asked beside one that is late."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ..values import dataclass

if TYPE_CHECKING:
    from .latency import Latencies


@dataclass(frozen=True, slots=True)
class Hedge:
    """Ask the next candidate too when the first content is late; the one that is first answers, the other is left.

    Late is ``after`` seconds; or, learned from the latest answers of the candidate, ``factor`` times the time within
    which the share ``quantile`` of them began; nothing is hedged before twenty of them.
    """

    after: float | None = None
    quantile: float = 0.9
    factor: float = 1.5

    def __post_init__(self) -> None:
        if self.after is not None and not 0 <= self.after < math.inf:
            raise ValueError(f"after must be 0 or more seconds, not {self.after:g}")
        if not 0 < self.quantile <= 1:
            raise ValueError(f"quantile must be above 0 and at most 1, not {self.quantile:g}")
        if not 1 <= self.factor < math.inf:
            raise ValueError(f"factor must be 1 or more, not {self.factor:g}")

    def delay(self, latencies: Latencies) -> float | None:
        """After how many seconds the candidate is late; None where that is not known."""
        if self.after is not None:
            return self.after
        usual = latencies.quantile(self.quantile)
        return None if usual is None else usual * self.factor
