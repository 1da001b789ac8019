"""The latest response times of endpoints."""

from __future__ import annotations

import math
from collections import deque
from typing import Final

_KEPT: Final = 100
_FEWEST: Final = 20
_WEIGHT: Final = 0.2


class Latencies:
    """The latest times of one endpoint, in seconds: until its first content, and until its end."""

    __slots__ = ("_firsts", "_mean", "_sorted", "_wholes")

    def __init__(self) -> None:
        self._firsts: deque[float] = deque(maxlen=_KEPT)
        self._wholes: deque[float] = deque(maxlen=_KEPT)
        self._sorted: list[float] | None = None
        self._mean: float | None = None

    def add(self, first: float | None, whole: float) -> None:
        """Add the times of an answer; without content the time until its end is used for both."""
        first = whole if first is None else first
        self._firsts.append(first)
        self._wholes.append(whole)
        self._sorted = None
        self._mean = first if self._mean is None else self._mean + _WEIGHT * (first - self._mean)

    @property
    def mean(self) -> float | None:
        """The mean time until the first content, weighted to the latest answers; None before the first answer."""
        return self._mean

    def quantile(self, share: float) -> float | None:
        """The time within which this share of the latest answers began; None if there are too few of them."""
        if len(self._firsts) < _FEWEST:
            return None
        if self._sorted is None:
            self._sorted = sorted(self._firsts)
        return self._sorted[max(0, math.ceil(share * len(self._sorted)) - 1)]

    def least(self, *, whole: bool) -> float:
        """The shortest time of the latest answers, until their end or start; 0 if there are too few of them."""
        times = self._wholes if whole else self._firsts
        return min(times) if len(times) >= _FEWEST else 0.0
