"""The retry budget against a plain model, and its numbers."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from segue.resilience import HEDGE, RETRY, Bucket, Budget


class AgainstTheLedger(RuleBasedStateMachine):
    """Quarters are exact in binary: the ledger's sums and the bucket's are the same."""

    @initialize(ratio=st.sampled_from([0.0, 0.25, 1.0, 3.0]), reserve=st.sampled_from([0.0, 1.0, 2.5, 10.0]))
    def begin(self, ratio: float, reserve: float) -> None:
        self.ratio, self.reserve = ratio, reserve
        self.bucket = Bucket(Budget(ratio=ratio, reserve=reserve))
        self.left, self.spent, self.answers = reserve, 0.0, 0

    @rule()
    def earn(self) -> None:
        self.bucket.earn()
        self.answers += 1
        self.left = min(self.left + self.ratio, self.reserve)

    @rule(cost=st.sampled_from([RETRY, HEDGE]))
    def spend(self, cost: float) -> None:
        allowed = self.bucket.spend(cost)
        assert allowed == (self.left >= cost)
        if allowed:
            self.left -= cost
            self.spent += cost

    @invariant()
    def bounds(self) -> None:
        assert self.bucket.left == self.left
        assert 0 <= self.bucket.left <= self.reserve
        assert self.spent <= self.reserve + self.ratio * self.answers


AgainstTheLedger.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestBucket = AgainstTheLedger.TestCase


def test_the_defaults() -> None:
    """Ten are there at the start, and an answer earns 0.09."""
    bucket = Bucket()
    assert (bucket.left, bucket.spend(1.0)) == (10.0, True)
    bucket.earn()
    assert bucket.left == pytest.approx(9.09)


def test_one_call_in_twenty_may_be_hedged() -> None:
    """A retry costs one; a hedge so much that what twenty answers earn pays for it."""
    assert RETRY == 1.0
    assert Budget().ratio * 20 / HEDGE == pytest.approx(1.0)


@pytest.mark.parametrize("name", ["ratio", "reserve"])
@pytest.mark.parametrize("wrong", [-0.5, math.inf, math.nan])
def test_what_is_no_budget_is_refused(name: str, wrong: float) -> None:
    """A budget below nothing, or without end, is an error that names its field."""
    given: dict[str, Any] = {name: wrong}
    with pytest.raises(ValueError, match=rf"^Budget\({name}={wrong!r}\): {name} must be a number of at least 0$"):
        Budget(**given)


def test_a_budget_of_nothing() -> None:
    """Nothing to spend is a budget too, and stays nothing."""
    bucket = Bucket(Budget(ratio=0.0, reserve=0.0))
    bucket.earn()
    assert not bucket.spend(RETRY)
