"""When a second candidate gets the request because the first one is slow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..constraints import FLAG, NOTHING, Either, Factor, Number, Of, Pause, Quantile, check, check_fields
from ..values import dataclass

if TYPE_CHECKING:
    from .latency import Latencies


@dataclass(frozen=True, slots=True)
class Hedge:
    """Send a second request, to the next candidate, if the first content is late; the faster one answers.

    Late means after ``after`` seconds; without ``after`` it is learned from the candidate's latest answers: ``factor``
    times the time within which the share ``quantile`` of them began. It needs at least twenty answers for that.
    """

    after: Pause | None = None
    quantile: Quantile = 0.9
    factor: Factor = 1.5

    def __post_init__(self) -> None:
        check_fields(self)

    def delay(self, latencies: Latencies) -> float | None:
        """The seconds after which the candidate is late; None if they are unknown."""
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
    """Read an argument ``hedge``: a number is the delay, True is the default delay, False and None mean no hedge.

    TypeError or ValueError for anything else.
    """
    if given is None or isinstance(given, Hedge):
        return given
    check(where, "hedge", given, _HEDGE)
    if isinstance(given, bool):
        return Hedge() if given else None
    return Hedge(after=given)
