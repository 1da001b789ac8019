"""When a failing endpoint is skipped, and when it is tried again: plain values in, plain values out."""

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
"""What an error counts against: the endpoint (``fault``); the rate of calls (``limit``); this key or model, so that
waiting does not help (``refusal``); or not the endpoint (``none``)."""

_FEW: Final = 2
_LONGEST_HINT: Final = 3600.0
_REFUSED: Final = 60.0
_LIMITED: Final = 5.0


class Endpoint(NamedTuple):
    """A model of a provider at an address with a key; ``credential`` identifies the key, which it does not reveal."""

    provider: str
    address: str
    credential: str
    model: str


@dataclass(frozen=True, slots=True)
class Breaker:
    """When an endpoint is skipped because it fails (a circuit breaker).

    The breaker opens after ``failures`` failures in a row; or after two, if ``silence`` seconds have passed since the
    last answer or since the first failure. Then the endpoint gets no requests for ``interval`` seconds. After that one
    call (the probe) tries it, and all others still skip it. If the probe fails too, the next wait is four times as
    long, up to ``longest`` seconds. Any answer closes the breaker. Only the host's own faults count.
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
        """The circuit after an answer, also of a request from before it opened."""
        return Circuit(since=now, hint_until=circuit.hint_until, error=circuit.error)

    def failed(self, circuit: Circuit, error: ProviderError, now: float, *, probe: bool) -> Circuit:
        """The circuit after a failed attempt; ``probe`` is whether that attempt was its probe (`Circuit.asked`).

        An error that does not count against the endpoint only ends a probe.
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
            case kind:
                hint_until = circuit.hint_until if hint is None else max(circuit.hint_until, now + hint)
                if kind == "limit":
                    return replace(left, hint_until=hint_until, error=error)
                return self._fault(circuit, error, hint_until, now, probe=probe)

    def _fault(self, circuit: Circuit, error: ProviderError, hint_until: float, now: float, *, probe: bool) -> Circuit:
        in_row = circuit.in_row + 1
        since = now if circuit.since is None else circuit.since
        failed = replace(circuit, in_row=in_row, since=since, hint_until=hint_until, error=error)
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
    """The state of one endpoint; times are those of the event loop.

    ``interval`` is the current wait, 0 while it is closed. The endpoint gets no requests before ``until`` and before
    ``hint_until``, which the host itself sent. Before ``last_until`` it comes after all others.
    ``since`` is the time of its last answer, or else of its first failure.
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
        """Closed, open, or half open: its wait is over, and one call can try it."""
        if not self.interval:
            return "closed"
        return "open" if now < self.until else "half_open"

    def wait(self, now: float) -> float:
        """The seconds until it can get a request; infinite while another call is trying it."""
        until = max(self.until, self.hint_until)
        if now < until:
            return until - now
        return math.inf if self.probing else 0.0

    def asked(self, now: float) -> Circuit:
        """The circuit after a call goes to it; if it is probing then, that call is its probe."""
        return self if self.probing or self.state(now) != "half_open" else replace(self, probing=True)

    def left(self, *, probe: bool) -> Circuit:
        """The circuit after a call ended without a result; if that was its probe, it can be tried again."""
        return replace(self, probing=False) if probe and self.probing else self


BREAKER: Final = Breaker()
_BREAKER: Final = Either(
    Of(Breaker), FLAG, Word("configured"), NOTHING, wanted="a Breaker, True, False, None or 'configured'"
)


def breaker_of(
    where: str, given: Breaker | bool | Literal["configured"] | None, configured: Breaker | None
) -> Breaker | None:
    """Read an argument ``breaker``: True is the default one, False and None mean no breaker.

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
    """What an error counts against, by its type and phase."""
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
    """How long the host asks to wait, at most one hour."""
    hint = error.retry_after
    return None if hint is None or not hint > 0 else min(hint, _LONGEST_HINT)
