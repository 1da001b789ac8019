"""When a second candidate is asked beside one that is late."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..constraints import FLAG, NOTHING, Either, Factor, Number, Of, Pause, Quantile, check, check_fields
from ..values import dataclass

if TYPE_CHECKING:
    from .latency import Latencies


@dataclass(frozen=True, slots=True)
class Hedge:
    """Ask the next candidate too when the first content is late; the one that is first answers, the other is left.

    Late is ``after`` seconds; or, learned from the latest answers of the candidate, ``factor`` times the time within
    which the share ``quantile`` of them began; nothing is hedged before twenty of them.
    """

    after: Pause | None = None
    quantile: Quantile = 0.9
    factor: Factor = 1.5

    def __post_init__(self) -> None:
        check_fields(self)

    def delay(self, latencies: Latencies) -> float | None:
        """After how many seconds the candidate is late; None where that is not known."""
        if self.after is not None:
            return self.after
        usual = latencies.quantile(self.quantile)
        return None if usual is None else usual * self.factor


_HEDGE: Final = Either(
    Of(Hedge),
    Number(ge=0, unit="seconds"),
    FLAG,
    NOTHING,
    wanted="a Hedge, a number of seconds of at least 0 (the delay), True, False or None",
)


def hedge_of(where: str, given: Hedge | float | bool | None) -> Hedge | None:
    """What an argument ``hedge`` says: a number is the delay, True the default one, False and None are none.

    TypeError or ValueError for anything else.
    """
    if given is None or isinstance(given, Hedge):
        return given
    check(where, "hedge", given, _HEDGE)
    if isinstance(given, bool):
        return Hedge() if given else None
    return Hedge(after=given)
