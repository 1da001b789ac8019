"""What happened and how things stand: plain values that others look at."""

from __future__ import annotations

import contextlib
import logging
import math
import time
from dataclasses import field
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Literal, Protocol, TypeAlias

from .errors import message_of
from .values import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from .errors import ProviderError
    from .events import Usage
    from .messages import Request
    from .pricing import Pricing
    from .selection import Selection

_log = logging.getLogger("segue")

Outcome: TypeAlias = Literal["answered", "failed", "abandoned", "lost", "skipped"]
"""``abandoned``: the caller left before the end; no fault of the provider. ``lost``: another one was faster.
``skipped``: it was not asked, for what is known of it."""

Way: TypeAlias = Literal["next", "continue", "restart", "hedge", "retry"]
"""How one attempt follows another: at the next target, after text that was delivered (gone on with, or all over
again), beside one that is late, or at the same target once more."""

MidStream: TypeAlias = Literal["continue", "fail", "restart"]
"""What follows when an answer breaks off after something of it was given. ``continue``: the next target that takes
a prefill goes on in the same stream, where only plain text was given; else as ``fail``. ``fail``: the error, with
the text so far. ``restart``: the next target answers from the start, after a `Handover` that says so."""

CircuitState: TypeAlias = Literal["closed", "open", "half_open"]

WaitReason: TypeAlias = Literal["retry", "retry_after", "slot"]
"""What a call waits for before it asks: the pause before a retry, the time that a host asked for (Retry-After), or a
slot, as ``concurrency`` limits the calls."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try at one candidate; times are in seconds.

    ``number`` counts the attempts of a call from 1, ``call`` the calls of the process.
    """

    provider: str
    model: str
    outcome: Outcome
    duration: float
    first_event: float | None = None
    """Time until the first content event, None where none came."""
    error: ProviderError | None = None
    usage: Usage | None = None
    number: int = 1
    call: int = 0
    way: Way | None = None
    """How it came after the one before; None of the first."""
    pricing: Pricing | None = field(default=None, repr=False, compare=False)

    @property
    def cost(self) -> float | None:
        """What it cost in USD, as far as the host told its usage; None where that is not known."""
        if self.pricing is not None:
            return self.pricing.cost(self.usage)
        return None if self.usage is None else self.usage.cost

    def __str__(self) -> str:
        line = f"{self.provider}/{self.model} {self.outcome}"
        if self.error is not None:
            line += f" at {self.error.phase}: {type(self.error).__name__}: {message_of(self.error)}"
        if self.first_event is not None:
            line += f", first event after {self.first_event * 1000:.0f} ms"
        return f"{line}, {self.duration * 1000:.0f} ms"


@dataclass(frozen=True, slots=True)
class AttemptStart:
    """An attempt begins; ``call`` and ``number`` are those of the `Attempt` that will tell its end.

    ``address`` is that of the host, without a query, None where the provider declares none. ``request`` is without
    ``options``, ``extra_body`` and ``extra_headers``, which may hold credentials.
    """

    call: int
    number: int
    provider: str
    model: str
    address: str | None = None
    way: Way | None = None
    request: Request | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Fallback:
    """One attempt follows another: from which candidate to which, how, and why.

    ``error`` is what became of the first; None where it is only late (``way`` is ``hedge``).
    """

    call: int
    way: Way
    provider: str
    model: str
    to_provider: str
    to_model: str
    error: ProviderError | None = None
    text_length: int = 0
    """How many characters of the answer the caller already has."""


@dataclass(frozen=True, slots=True)
class Wait:
    """A call waits before it asks ``provider`` and ``model``.

    ``seconds`` is how long, None for a slot, which nobody can know. A slot of one provider or target is waited for
    inside its attempt, every other wait between attempts.
    """

    call: int
    reason: WaitReason
    provider: str
    model: str
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class CircuitChange:
    """A breaker opened, let a probe through, or closed; ``wait`` is in seconds, until the next probe."""

    provider: str
    model: str
    address: str | None
    before: CircuitState
    after: CircuitState
    reason: str = ""
    wait: float = 0.0


class Observer(Protocol):
    """Is told what calls come to; called in the loop, so it must not block.

    Inherit from it and write the methods of interest: the others do nothing. An observer that raises is told in
    the log, and never costs a caller the answer.
    """

    def selected(self, selection: Selection, /) -> None:  # noqa: ARG002 - for those who inherit
        """It is settled whom a call may ask; of a chain once for each target, also where nobody is left."""
        return

    def attempt_started(self, start: AttemptStart, /) -> None:  # noqa: ARG002 - for those who inherit
        """An attempt begins."""
        return

    def attempt_ended(self, attempt: Attempt, /) -> None:  # noqa: ARG002 - for those who inherit
        """An attempt is over, or a candidate was skipped, which had no beginning."""
        return

    def fell_back(self, fallback: Fallback, /) -> None:  # noqa: ARG002 - for those who inherit
        """One attempt follows another."""
        return

    def wait_started(self, wait: Wait, /) -> None:  # noqa: ARG002 - for those who inherit
        """A call begins to wait before it asks."""
        return

    def wait_ended(self, wait: Wait, /) -> None:  # noqa: ARG002 - for those who inherit
        """The wait is over, or was cancelled."""
        return

    def circuit_changed(self, change: CircuitChange, /) -> None:  # noqa: ARG002 - for those who inherit
        """A breaker changed its state."""
        return


TOLD: Final = tuple(name for name in vars(Observer) if not name.startswith("_"))
"""The methods of an observer."""


@dataclass(frozen=True, slots=True)
class Health:
    """What was observed of one provider's model; it stands above what is advertised."""

    working: bool
    source: str


@dataclass(frozen=True, slots=True)
class HealthSnapshot:
    """Observed state by (provider, model); a provider's name alone as model ``*`` speaks for all its models."""

    states: Mapping[tuple[str, str], Health] = field(default_factory=lambda: MappingProxyType({}))

    def of(self, provider: str, model: str) -> Health | None:
        """The observation of this model, or else of its provider, or None."""
        return self.states.get((provider, model)) or self.states.get((provider, "*"))


class Observers:
    """Tells observers, and the log ``segue``, which holds no word of what was asked or answered.

    A failed attempt and what follows it are told at INFO, a breaker's change at WARNING where it opens.
    """

    __slots__ = ("_observers", "_plugins", "_time_limit")

    def __init__(
        self,
        observers: Sequence[Observer] = (),
        *,
        of_plugins: Sequence[tuple[str, Observer]] = (),
        time_limit: float = math.inf,
    ) -> None:
        self._observers = (*observers, *(observer for _, observer in of_plugins))
        self._plugins = {id(observer): plugin for plugin, observer in of_plugins}
        self._time_limit = time_limit

    def selected(self, selection: Selection) -> None:
        """It is settled whom a call may ask."""
        if self._observers:
            self._tell("selected", selection)

    def started(self, start: Callable[[], AttemptStart]) -> None:
        """An attempt begins; the value is made only where somebody is told."""
        if self._observers:
            value = start()
            self._tell("attempt_started", value)

    def ended(self, attempt: Attempt) -> None:
        """An attempt is over."""
        if attempt.error is not None:
            _log.info("call %d: attempt %d: %s", attempt.call, attempt.number, attempt)
        self._tell("attempt_ended", attempt)

    def fell_back(self, fallback: Fallback) -> None:
        """One attempt follows another."""
        to = f"{fallback.to_provider}/{fallback.to_model}"
        _log.info("call %d: %s/%s → %s (%s)", fallback.call, fallback.provider, fallback.model, to, fallback.way)
        self._tell("fell_back", fallback)

    @contextlib.contextmanager
    def waiting(self, wait: Callable[[], Wait]) -> Iterator[None]:
        """A call waits inside the ``with``; the value is made only where somebody is told."""
        value = wait() if self._observers else None
        if value is not None:
            self._tell("wait_started", value)
        try:
            yield
        finally:
            if value is not None:
                self._tell("wait_ended", value)

    def changed(self, change: CircuitChange | None) -> None:
        """A breaker may have changed its state."""
        if change is None:
            return
        level = logging.WARNING if change.after == "open" else logging.INFO
        _log.log(level, "breaker of %s/%s: %s → %s", change.provider, change.model, change.before, change.after)
        self._tell("circuit_changed", change)

    def _tell(self, method: str, value: object) -> None:
        for observer in self._observers:
            tell = getattr(observer, method, None)
            if tell is None:
                continue
            began = time.perf_counter() if self._plugins else 0.0
            try:
                tell(value)
            except Exception:  # whoever looks on may raise anything; the caller's answer does not hang on it
                _log.exception("the observer %s raised in %s", type(observer).__name__, method)
            if self._plugins and time.perf_counter() - began > self._time_limit:
                self._leave(observer, method)

    def _leave(self, observer: Observer, method: str) -> None:
        """Do not call it again: it runs in the loop, where nobody can stop it while it blocks."""
        plugin = self._plugins.get(id(observer))
        if plugin is not None:
            self._observers = tuple(one for one in self._observers if one is not observer)
            told = "the observer %s of plugin %s took more than %g s in %s, and is not called any more"
            _log.warning(told, type(observer).__name__, plugin, self._time_limit, method)
