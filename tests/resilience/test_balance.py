"""In which order equals are asked."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from segue.resilience import Share, arranged

BALANCES = ["order", "weight", "round_robin", "least_busy", "latency", "price"]
SHARES = st.lists(
    st.builds(
        Share,
        weight=st.sampled_from([0.0, 0.5, 1.0, 3.0]),
        busy=st.integers(0, 3),
        latency=st.sampled_from([None, 0.1, 0.2]),
        price=st.sampled_from([None, 0.0, 1.0]),
    ),
    max_size=6,
)


@given(st.sampled_from(BALANCES), SHARES, st.integers(0, 20), st.integers(0, 99))
def test_each_once(balance: Any, shares: list[Share], turn: int, seed: int) -> None:
    """Whatever the balance, everybody is asked, and nobody twice."""
    order = arranged(balance, shares, turn=turn, random=random.Random(seed).random)
    assert sorted(order) == list(range(len(shares)))


@given(SHARES, st.sampled_from(["order", "least_busy", "latency", "price"]))
def test_ties_keep_their_order(shares: list[Share], balance: Any) -> None:
    """The order is that of a plain selection: the first of the least comes next."""
    keys: dict[str, list[float]] = {
        "order": [0.0] * len(shares),
        "least_busy": [share.busy for share in shares],
        "latency": [-1.0 if share.latency is None else share.latency for share in shares],
        "price": [9e9 if share.price is None else share.price for share in shares],
    }
    left, expected = list(range(len(shares))), []
    while left:
        least = min(keys[balance][place] for place in left)
        first = next(place for place in left if keys[balance][place] == least)
        left.remove(first)
        expected.append(first)
    assert arranged(balance, shares, turn=0, random=lambda: 0.5) == expected


def test_round_robin_is_fair() -> None:
    """In as many calls each is first once, and the others follow as they stand."""
    orders = [arranged("round_robin", [Share()] * 3, turn=turn, random=lambda: 0.0) for turn in range(4)]
    assert orders == [[0, 1, 2], [1, 2, 0], [2, 0, 1], [0, 1, 2]]


def test_weights_are_frequencies() -> None:
    """Of many calls each is first as often as its weight's share, and second as without putting back."""
    draw = random.Random(5).random
    shares = [Share(weight=6.0), Share(weight=3.0), Share(weight=1.0)]
    orders = Counter(tuple(arranged("weight", shares, turn=0, random=draw)) for _ in range(20_000))
    total = 10.0
    for order, count in orders.items():
        first, second = shares[order[0]].weight, shares[order[1]].weight
        assert abs(count / 20_000 - first / total * second / (total - first)) < 0.015


def test_no_weight_is_last() -> None:
    """Who weighs nothing is asked only after all others, and those in their order."""
    shares = [Share(weight=0.0), Share(), Share(weight=0.0)]
    assert arranged("weight", shares, turn=0, random=lambda: 0.99) == [1, 0, 2]


def test_what_is_not_known() -> None:
    """An unknown latency comes first, an unknown price last."""
    shares = [Share(latency=0.1, price=5.0), Share()]
    assert arranged("latency", shares, turn=0, random=lambda: 0.0) == [1, 0]
    assert arranged("price", shares, turn=0, random=lambda: 0.0) == [0, 1]
