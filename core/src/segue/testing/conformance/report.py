"""What came of it: a result an item, and the report of a provider."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, get_args

from ...values import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ...provider import Level

Outcome: TypeAlias = Literal["passed", "failed", "expected", "not applicable"]
"""``expected`` is a failure that the provider declares, with its reason."""

OUTCOMES: Final[tuple[Outcome, ...]] = get_args(Outcome)


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one item; ``reason`` says why where it did not simply pass."""

    item: str
    outcome: Outcome
    reason: str = ""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Report:
    """What came of all items that were tried on a provider; ``declared`` is the level that it claims, or None.

    ``level`` is the one that it was held to.
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
        """The items that failed."""
        return tuple(result for result in self.results if result.outcome == "failed")

    @property
    def counts(self) -> dict[Outcome, int]:
        """How many items came to each outcome."""
        counted = Counter(result.outcome for result in self.results)
        return {outcome: counted[outcome] for outcome in OUTCOMES}

    def plain(self) -> dict[str, Any]:
        """As JSON has it."""
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
    """The result, where the provider declares that the item fails: expected if it does, and a failure if it passes."""
    reason = expected.get(result.item)
    if reason is None:
        return result
    if result.outcome == "failed":
        return replace(result, outcome="expected", reason=f"{reason} ({result.reason})")
    if result.outcome == "passed":
        return replace(result, outcome="failed", reason="it passes: take it out of expected_failures")
    told = f"{result.reason}: take it out of expected_failures"
    return replace(result, outcome="failed", reason=told)
