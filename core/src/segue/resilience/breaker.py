"""When an endpoint that keeps failing is left alone, and when it is tried again: plain values in, plain values out."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, TypeAlias

from ..constraints import FLAG, NOTHING, Either, Of, Pause, Positive, Word, check, check_fields
from ..errors import (
    AuthenticationError,
    ConnectError,
    HTTPError,
    ModelNotFoundError,
    OverloadedError,
    PermissionDeniedError,
    PhaseTimeoutError,
    ProtocolError,
    QuotaExhaustedError,
    RateLimitError,
    ServerError,
    StreamBrokenError,
)
from ..values import dataclass

if TYPE_CHECKING:
    from ..errors import ProviderError
    from ..observation import CircuitState

Blame: TypeAlias = Literal["fault", "limit", "refusal", "none"]
"""Whom an error speaks against: the endpoint (``fault``); the rate of calls (``limit``); this key or model, which
no waiting mends (``refusal``); or not the endpoint at all."""

_FEW: Final = 2
_LONGEST_HINT: Final = 3600.0
_REFUSED: Final = 60.0
_LIMITED: Final = 5.0


class Endpoint(NamedTuple):
    """What a breaker stands for. ``credential`` tells keys apart and is no key, nor can one be made of it."""

    provider: str
    address: str
    credential: str
    model: str


@dataclass(frozen=True, slots=True)
class Breaker:
    """When an endpoint is left alone because it fails.

    It is after ``failures`` failures in a row, or from two on where ``silence`` seconds have passed since its last
    answer, or since the first failure. Then it is asked nothing for ``interval`` seconds; after that one call tries
    it, while all others still go past. Where that one fails too, the next wait is four times as long, up to
    ``longest`` seconds. Any answer ends it. Only what is the host's own fault counts.
    """

    failures: Positive = 5
    silence: Pause = 5.0
    interval: Pause = 15.0
    longest: Pause = 120.0

    def __post_init__(self) -> None:
        check_fields(self)
        if self.longest < self.interval:
            told = f"longest must not be less than interval ({self.interval:g} seconds)"
            raise ValueError(f"Breaker(longest={self.longest!r}): {told}")

    def answered(self, circuit: Circuit, now: float) -> Circuit:
        """The circuit after an answer, whenever it was asked for."""
        return Circuit(since=now, hint_until=circuit.hint_until, error=circuit.error)

    def failed(self, circuit: Circuit, error: ProviderError, now: float, *, probe: bool) -> Circuit:
        """The circuit after an attempt that failed so, and whether that was the one that tried it (`Circuit.asked`).

        What says nothing of the endpoint only ends a probe.
        """
        hint = _hint(error)
        left = circuit.left(probe=probe)
        match blame_of(error):
            case "none":
                return left
            case "refusal":
                return replace(left, last_until=now + _REFUSED, error=error)
            case "limit" if hint is None:
                return replace(left, last_until=now + _LIMITED, error=error)
            case "limit":
                failed = left
            case "fault":
                failed = self._fault(circuit, now, probe=probe)
        hint_until = circuit.hint_until if hint is None else max(circuit.hint_until, now + hint)
        return replace(failed, hint_until=hint_until, error=error)

    def _fault(self, circuit: Circuit, now: float, *, probe: bool) -> Circuit:
        in_row = circuit.in_row + 1
        since = now if circuit.since is None else circuit.since
        failed = replace(circuit, in_row=in_row, since=since)
        if circuit.interval:
            # Of a call from before it opened it is known already.
            return self._opened(failed, now, min(self.longest, circuit.interval * 4)) if probe else failed
        if in_row >= self.failures or (in_row >= _FEW and now - since >= self.silence):
            return self._opened(failed, now, self.interval)
        return failed

    @staticmethod
    def _opened(circuit: Circuit, now: float, interval: float) -> Circuit:
        return replace(circuit, interval=interval, until=now + interval, probing=False)


@dataclass(frozen=True, slots=True)
class Circuit:
    """What is known of one endpoint; times are the loop's.

    ``interval`` is the wait in force, 0 while it is closed. Nothing is asked of it before ``until``, nor before
    ``hint_until``, for which the host itself asked. Before ``last_until`` it is asked after all others.
    ``since`` is when it last answered, or else first failed.
    """

    in_row: int = 0
    since: float | None = None
    interval: float = 0.0
    until: float = -math.inf
    hint_until: float = -math.inf
    probing: bool = False
    last_until: float = -math.inf
    error: ProviderError | None = None

    def state(self, now: float) -> CircuitState:
        """Closed, open, or half open: its wait is over, and one call may try it."""
        if not self.interval:
            return "closed"
        return "open" if now < self.until else "half_open"

    def wait(self, now: float) -> float:
        """The seconds for which nothing is to be asked of it; infinite while another call is trying it."""
        until = max(self.until, self.hint_until)
        if now < until:
            return until - now
        return math.inf if self.probing else 0.0

    def asked(self, now: float) -> Circuit:
        """The circuit once a call goes to it; where it is probing from then on, that call is its probe."""
        return self if self.probing or self.state(now) != "half_open" else replace(self, probing=True)

    def left(self, *, probe: bool) -> Circuit:
        """The circuit once a call left it without a word: where that was its probe, it is to be tried again."""
        return replace(self, probing=False) if probe and self.probing else self


BREAKER: Final = Breaker()
_BREAKER: Final = Either(
    Of(Breaker), FLAG, Word("configured"), NOTHING, wanted="a Breaker, True, False, None or 'configured'"
)


def breaker_of(
    where: str, given: Breaker | bool | Literal["configured"] | None, configured: Breaker | None
) -> Breaker | None:
    """What an argument ``breaker`` says: True is the default one, False and None are none.

    TypeError or ValueError for anything else.
    """
    check(where, "breaker", given, _BREAKER)
    if isinstance(given, str):
        return configured
    if isinstance(given, bool):
        return BREAKER if given else None
    return given


CLOSED: Final = Circuit()


def blame_of(error: ProviderError) -> Blame:
    """Whom an error speaks against, by its type and phase."""
    if error.phase in {"download", "skipped"}:
        return "none"
    match error:
        case QuotaExhaustedError() | AuthenticationError() | PermissionDeniedError() | ModelNotFoundError():
            return "refusal"
        case RateLimitError():
            return "limit"
        case ConnectError(is_local=True):
            return "none"
        case ConnectError() | StreamBrokenError() | ProtocolError() | ServerError() | OverloadedError():
            return "fault"
        case PhaseTimeoutError():
            return "none" if error.phase == "total" else "fault"  # the caller's own limit speaks against nobody
        case HTTPError():
            return "fault" if error.status >= 500 else "none"
        case _:
            return "fault" if error.phase == "plugin" else "none"


def _hint(error: ProviderError) -> float | None:
    """How long the host wants to be left alone; nonsense is kept within an hour."""
    hint = error.retry_after
    return None if hint is None or not hint > 0 else min(hint, _LONGEST_HINT)
