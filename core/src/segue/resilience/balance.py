"""In which order equals are asked: plain values in, plain values out."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal, TypeAlias, assert_never

from ..values import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Balance: TypeAlias = Literal["order", "weight", "round_robin", "least_busy", "latency", "price"]
"""``order``: as they stand. ``weight``: at random, by their weights. ``round_robin``: each first in its turn.
``least_busy``: who has the fewest calls under way. ``latency``: who began its latest answers soonest. ``price``: who
costs least. Those of whom it is not known: of the latency first, so that it becomes known; of the price last."""


@dataclass(frozen=True, slots=True)
class Share:
    """What balancing looks at in one of them; ``price`` is USD per million tokens, in and out together."""

    weight: float = 1.0
    busy: int = 0
    latency: float | None = None
    price: float | None = None


def arranged(balance: Balance, shares: Sequence[Share], *, turn: int, random: Callable[[], float]) -> list[int]:
    """The indices of ``shares`` in the order in which they are to be asked; equals keep their order.

    ``turn`` counts the calls so far, ``random`` gives numbers from 0 to 1.
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
