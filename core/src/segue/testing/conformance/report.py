"""The results: one per test, and the report of a provider."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, get_args

from ...values import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ...provider.contract import Level

Outcome: TypeAlias = Literal["passed", "failed", "expected", "not applicable"]
"""``expected`` is a failure that the provider declares, with a reason."""

OUTCOMES: Final[tuple[Outcome, ...]] = get_args(Outcome)


@dataclass(frozen=True, slots=True)
class Result:
    """The result of one test; ``reason`` says why if it did not simply pass."""

    item: str
    outcome: Outcome
    reason: str = ""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Report:
    """The results of all tests of a provider; ``declared`` is the level that it declares, or None.

    ``level`` is the level that it was tested for.
    """

    provider: str
    distribution: str
    version: str
    declared: Level | None
    level: Level
    results: Sequence[Result]
    seconds: float = 0.0

    @property
    def failed(self) -> tuple[Result, ...]:
        """The results of the tests that failed."""
        return tuple(result for result in self.results if result.outcome == "failed")

    @property
    def counts(self) -> dict[Outcome, int]:
        """The number of tests with each outcome."""
        counted = Counter(result.outcome for result in self.results)
        return {outcome: counted[outcome] for outcome in OUTCOMES}

    def plain(self) -> dict[str, Any]:
        """As plain data for JSON."""
        return {
            "provider": self.provider,
            "distribution": self.distribution,
            "version": self.version,
            "declared": self.declared,
            "level": self.level,
            "passed": not self.failed,
            "counts": {outcome.replace(" ", "_"): number for outcome, number in self.counts.items()},
            "seconds": round(self.seconds, 3),
            "items": [
                {
                    "item": result.item,
                    "outcome": result.outcome.replace(" ", "_"),
                    "reason": result.reason,
                    "seconds": round(result.seconds, 3),
                }
                for result in self.results
            ],
        }


def with_expected(result: Result, expected: Mapping[str, str]) -> Result:
    """The result for a provider with expected failures: such a failure is expected, and a pass is then a failure."""
    reason = expected.get(result.item)
    if reason is None:
        return result
    if result.outcome == "failed":
        return replace(result, outcome="expected", reason=f"{reason} ({result.reason})")
    if result.outcome == "passed":
        return replace(result, outcome="failed", reason="the test passes: remove it from expected_failures")
    told = f"{result.reason}: remove it from expected_failures"
    return replace(result, outcome="failed", reason=told)
