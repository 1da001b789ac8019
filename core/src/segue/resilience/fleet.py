"""The state of all endpoints of one client, and its budget for retries and hedges."""

from __future__ import annotations

import copy
import math
from typing import TYPE_CHECKING, Final, Protocol
from weakref import WeakValueDictionary

from ..errors import HTTPError
from ..observation import CircuitChange, Health, HealthSnapshot
from .breaker import BREAKER, CLOSED, Breaker, Circuit, Endpoint
from .budget import BUDGET, Bucket, Budget
from .concurrency import Concurrency
from .latency import Latencies

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator

    from ..errors import ProviderError
    from ..observation import CircuitState


_MOST_TURNS: Final = 1024


class HealthStore(Protocol):
    """Stores a circuit for each endpoint; the default is in memory; another one can share them between processes."""

    def get(self, endpoint: Endpoint) -> Circuit:
        """The circuit of this endpoint; a closed one if there is none."""
        ...

    def put(self, endpoint: Endpoint, circuit: Circuit) -> None:
        """Keep this circuit."""
        ...

    def items(self) -> Iterator[tuple[Endpoint, Circuit]]:
        """All that are kept."""
        ...


class MemoryHealth:
    """Stores circuits in this process, as long as the client lives."""

    __slots__ = ("_circuits",)

    def __init__(self) -> None:
        self._circuits: dict[Endpoint, Circuit] = {}

    def get(self, endpoint: Endpoint) -> Circuit:
        """The circuit of this endpoint; a closed one if there is none."""
        return self._circuits.get(endpoint, CLOSED)

    def put(self, endpoint: Endpoint, circuit: Circuit) -> None:
        """Keep this circuit."""
        self._circuits[endpoint] = circuit

    def items(self) -> Iterator[tuple[Endpoint, Circuit]]:
        """All that are kept."""
        return iter(tuple(self._circuits.items()))


class Fleet:
    """The endpoints of a client: their circuits, their latest times, how busy they are, and the shared budget.

    Times are those of the event loop. Without a ``breaker`` no endpoint is ever skipped, even if a host asks for that.
    """

    def __init__(
        self, *, breaker: Breaker | None = BREAKER, budget: Budget = BUDGET, store: HealthStore | None = None
    ) -> None:
        self.breaker: Breaker | None = breaker
        self.bucket: Bucket = Bucket(budget)
        self.store: HealthStore = MemoryHealth() if store is None else store
        self.busy: dict[Endpoint, int] = {}
        """The number of running calls at each endpoint that has any."""
        self._latencies: dict[tuple[Endpoint, bool], Latencies] = {}
        self._turns: dict[Hashable, int] = {}  # the latest is the last
        # Only while calls of it are under way or wait is there something to count.
        self._limits: WeakValueDictionary[Hashable, Concurrency] = WeakValueDictionary()
        self._last_until = -math.inf  # the latest of all, so that most calls need not look at any

    def latencies(self, endpoint: Endpoint, *, whole: bool) -> Latencies:
        """The latest times of an endpoint, for whole answers or for streams."""
        kept = self._latencies.get((endpoint, whole))
        if kept is None:
            kept = self._latencies[endpoint, whole] = Latencies()
        return kept

    def turn(self, of: Hashable) -> int:
        """How often this was used before; keys that were not used recently are forgotten."""
        turn = self._turns.pop(of, 0)
        self._turns[of] = turn + 1
        if len(self._turns) > _MOST_TURNS:
            del self._turns[next(iter(self._turns))]
        return turn

    def limit(self, of: Hashable, most: int) -> Concurrency:
        """The limit of calls at the same time for this key; equal keys share it."""
        limit = self._limits.get((of, most))
        if limit is None:
            limit = self._limits[of, most] = Concurrency(most)
        return limit

    def wait(self, endpoint: Endpoint, now: float) -> float:
        """The seconds until this endpoint can get a request; infinite while another call is trying it."""
        return 0.0 if self.breaker is None else self.store.get(endpoint).wait(now)

    def refusal(self, endpoint: Endpoint, now: float) -> ProviderError | None:
        """Why this endpoint must not get a request now: a copy of its last error; None if it may get one."""
        wait = self.wait(endpoint, now)
        if not wait:
            return None
        circuit = self.store.get(endpoint)
        assert circuit.error is not None  # only errors make it wait
        error = copy.copy(circuit.error)
        until = f"for another {wait:.3g} s" if wait < math.inf else "while another call is trying it"
        error.args = (f"not tried {until}: {circuit.error.args[0]}",)
        error.phase = "skipped"
        error.next_may_help = True
        error.host_message = None  # it was said to another call, and may quote what that one asked
        if isinstance(error, HTTPError):
            error.body = ""
        error.retry_after = wait if wait < math.inf else None
        # A host that said for how long is waited for; one that fails is not, until somebody has tried it.
        error.retryable = now < circuit.hint_until and not circuit.interval
        return error

    def any_comes_last(self, now: float) -> bool:
        """Whether there is an endpoint that comes after the others."""
        return now < self._last_until

    def comes_last(self, endpoint: Endpoint, now: float) -> bool:
        """Whether it comes after the others."""
        return now < self.store.get(endpoint).last_until

    def is_sound(self, endpoint: Endpoint, now: float) -> bool:
        """Whether it can get the second request of a hedge: its breaker is closed, and it does not come last."""
        circuit = self.store.get(endpoint)
        return self.breaker is None or not (circuit.in_row or circuit.wait(now) or now < circuit.last_until)

    def asked(self, endpoint: Endpoint, now: float) -> tuple[bool, CircuitChange | None]:
        """Record a call to this endpoint; return whether it is its probe, which the end of the call must report."""
        self.busy[endpoint] = self.busy.get(endpoint, 0) + 1
        was = self.store.get(endpoint)
        circuit = was.asked(now)
        return circuit is not was, self._becomes(endpoint, circuit, now)

    def answered(
        self, endpoint: Endpoint, now: float, *, first: float | None, duration: float, whole: bool
    ) -> CircuitChange | None:
        """Record an answer, with its first content after ``first`` seconds."""
        self._over(endpoint)
        self.bucket.earn()
        self.latencies(endpoint, whole=whole).add(first, duration)
        if self.breaker is None:
            return None
        return self._becomes(endpoint, self.breaker.answered(self.store.get(endpoint), now), now)

    def failed(self, endpoint: Endpoint, error: ProviderError, now: float, *, probe: bool) -> CircuitChange | None:
        """Record a failure."""
        self._over(endpoint)
        if self.breaker is None:
            return None
        kept = copy.copy(error)  # a copy has no frames, which hold the call
        kept.attempts = ()
        kept.text = ""
        circuit = self.breaker.failed(self.store.get(endpoint), kept, now, probe=probe)
        self._last_until = max(self._last_until, circuit.last_until)
        return self._becomes(endpoint, circuit, now)

    def left(self, endpoint: Endpoint, now: float, *, probe: bool) -> CircuitChange | None:
        """Record that the caller left before the end, which counts neither as success nor as failure."""
        self._over(endpoint)
        return self._becomes(endpoint, self.store.get(endpoint).left(probe=probe), now)

    def snapshot(self, now: float) -> HealthSnapshot:
        """The observed state of models: which ones answered last, and which ones are skipped at all their endpoints."""
        if self.breaker is None:
            return HealthSnapshot()
        states: dict[tuple[str, str], Health] = {}
        sound: set[tuple[str, str]] = set()
        for endpoint, circuit in self.store.items():
            name = (endpoint.provider, endpoint.model)
            if circuit.state(now) == "open":
                if name not in sound:
                    reason = "" if circuit.error is None else f", the last one {type(circuit.error).__name__}"
                    wait = f"tried again in {circuit.wait(now):.0f} s"
                    states[name] = Health(working=False, source=f"{circuit.in_row} failures in a row{reason}; {wait}")
                continue
            if name not in sound:
                states.pop(name, None)  # another key of it may be left alone; this one is not
                sound.add(name)
            if circuit.since is not None and not circuit.in_row:
                states[name] = Health(working=True, source=f"it answered {now - circuit.since:.0f} s ago")
        return HealthSnapshot(states)

    def _over(self, endpoint: Endpoint) -> None:
        left = self.busy[endpoint] - 1
        if left:
            self.busy[endpoint] = left
        else:
            del self.busy[endpoint]

    def _becomes(self, endpoint: Endpoint, circuit: Circuit, now: float) -> CircuitChange | None:
        was = self.store.get(endpoint)
        if circuit is was:
            return None
        self.store.put(endpoint, circuit)
        return change(endpoint, was, circuit, now)


def change(endpoint: Endpoint, was: Circuit, circuit: Circuit, now: float) -> CircuitChange | None:
    """The change for observers: opened, probed, closed; None if there is no change for them."""
    if not (was.interval or circuit.interval):
        return None
    before, after = _told(was), _told(circuit)
    if before == after and was.interval == circuit.interval:
        return None
    reason = "" if circuit.error is None or after == "closed" else f"{type(circuit.error).__name__}: {circuit.error}"
    wait = max(0.0, circuit.until - now) if after == "open" else 0.0
    return CircuitChange(
        endpoint.provider, endpoint.model, endpoint.address or None, before, after, reason, wait, circuit.in_row
    )


def _told(circuit: Circuit) -> CircuitState:
    if not circuit.interval:
        return "closed"
    return "half_open" if circuit.probing else "open"
