"""The order of the targets of a chain: plain values in, plain values out."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal, TypeAlias, assert_never

from ..values import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Balance: TypeAlias = Literal["order", "weight", "round_robin", "least_busy", "latency", "price"]
"""``order``: the order of the chain. ``weight``: random, by their weights. ``round_robin``: each target is first in
turn. ``least_busy``: the fewest running calls first. ``latency``: the fastest first, by their latest answers.
``price``: the cheapest first. Targets with an unknown latency come first, so that it becomes known; targets with an
unknown price come last."""


@dataclass(frozen=True, slots=True)
class Share:
    """The values of one target for balancing; ``price`` is USD per million tokens, input plus output."""

    weight: float = 1.0
    busy: int = 0
    latency: float | None = None
    price: float | None = None


def arranged(balance: Balance, shares: Sequence[Share], *, turn: int, random: Callable[[], float]) -> list[int]:
    """The indices of ``shares`` in the order for this call; equal ones keep their order.

    ``turn`` counts the calls so far, ``random`` returns numbers from 0 to 1.
    """
    count = len(shares)
    match balance:
        case "order":
            return list(range(count))
        case "round_robin":
            return [(turn + place) % count for place in range(count)]
        case "weight":
            # Each draws when it would come up: exponential times of these rates give the order without putting
            # back (Efraimidis and Spirakis, 2006).
            times = [-math.log(1.0 - random()) / share.weight if share.weight else math.inf for share in shares]
            return sorted(range(count), key=times.__getitem__)
        case "least_busy":
            return sorted(range(count), key=lambda place: shares[place].busy)
        case "latency":
            return sorted(range(count), key=lambda place: shares[place].latency or 0.0)
        case "price":
            prices = [math.inf if share.price is None else share.price for share in shares]
            return sorted(range(count), key=prices.__getitem__)
        case _:
            assert_never(balance)
