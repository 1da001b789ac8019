"""When the same candidates are tried again, and after which wait: plain values in, plain values out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..constraints import NOTHING, Count, Either, Number, Of, Pause, check, check_fields
from ..errors import PhaseTimeoutError, ProviderError
from ..values import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable

_MOST_DOUBLINGS: Final = 64
"""More of them would change nothing below a sensible cap, and finally overflow."""


@dataclass(frozen=True, slots=True)
class Retry:
    """How often the candidates are tried again after all of them failed; ``count=0`` means no retries.

    ``count`` is per candidate. The wait before its n-th retry (from 0) is random, from 0 to ``min(cap, base * 2**n)``
    seconds. If the host sent a time to wait, the wait is that time plus up to ``base``; if that time is longer than
    ``cap``, the host is not tried again. No wait is longer than ``Timeout.total`` allows. Answers that broke off, wrong
    requests or keys, and timeouts are never retried.
    """

    count: Count = 2
    base: Pause = 0.5
    cap: Pause = 30.0

    def __post_init__(self) -> None:
        check_fields(self)

    def longest(self, retry: int) -> float:
        """The longest wait, in seconds, before a candidate's retry of this number, counted from 0."""
        return min(self.cap, self.base * 2.0 ** min(retry, _MOST_DOUBLINGS))

    def helps(self, error: ProviderError) -> bool:
        """Whether another try of the candidate within the same call may help after this error."""
        # A host that was silent until its limit has had the caller's patience already: the same call may
        # work later, hence ``retryable``, but waiting out the same limit again only multiplies it.
        if isinstance(error, PhaseTimeoutError) or not error.retryable:
            return False
        return error.retry_after is None or error.retry_after <= self.cap


NO_RETRY: Final = Retry(count=0)
_RETRY: Final = Either(Of(Retry), Number(ge=0, whole=True), NOTHING)


def retry_of(where: str, given: Retry | int | None) -> Retry | None:
    """Read an argument ``retry``: a number is the count; TypeError or ValueError if it is not valid."""
    check(where, "retry", given, _RETRY)
    return Retry(count=given) if isinstance(given, int) else given


@dataclass(frozen=True, slots=True)
class Round:
    """The candidates to try again, as indices in the user's order, and the loop time from which on."""

    at: float
    candidates: tuple[int, ...]


class Rounds:
    """The retries of one call: it records failures, and returns the next round.

    Candidates without a time to wait from their host share one random wait, so that a round keeps the user's order. A
    candidate with such a time is in no round before that time, and the others do not wait for it.
    """

    __slots__ = ("_due", "_failures", "_random", "_retry")

    def __init__(self, retry: Retry, random: Callable[[], float]) -> None:
        self._retry = retry
        self._random = random
        self._failures: dict[int, int] = {}
        self._due: dict[int, float | None] = {}  # None: to be drawn when the round under way is over

    def failed(self, candidate: int, error: ProviderError, now: float) -> None:
        """Note that an attempt at a candidate failed at the loop time ``now``."""
        failures = self._failures[candidate] = self._failures.get(candidate, 0) + 1
        if failures > self._retry.count or not self._retry.helps(error):
            return
        hint = error.retry_after
        # Clients that were turned away together were told the same: jitter keeps them from coming back together.
        self._due[candidate] = None if hint is None else now + max(0.0, hint) + self._random() * self._retry.base

    def next(self, now: float) -> Round | None:
        """The next round, whose candidates then no longer wait; None if no candidate is tried again."""
        if not self._due:
            return None
        due = self._drawn(now)
        at = max(now, min(due.values()))
        candidates = tuple(sorted(candidate for candidate, when in due.items() if when <= at))
        self._due = {candidate: when for candidate, when in due.items() if when > at}
        return Round(at, candidates)

    def _drawn(self, now: float) -> dict[int, float]:
        """When each one is due, also those whose wait only begins now."""
        fraction = self._random() if None in self._due.values() else 0.0
        return {
            candidate: now + fraction * self._retry.longest(self._failures[candidate] - 1) if when is None else when
            for candidate, when in self._due.items()
        }
