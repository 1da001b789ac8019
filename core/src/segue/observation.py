"""Attempts, waits and the state of hosts as plain values, and observers, which get them."""

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
# An application that did not set up logging prints warnings all the same. Of a host that is down it gets errors anyway.
_breakers = logging.getLogger("segue.breaker")
_breakers.addHandler(logging.NullHandler())

Outcome: TypeAlias = Literal["answered", "failed", "abandoned", "lost", "skipped"]
"""``abandoned``: the caller left before the end; the provider did not fail. ``lost``: another attempt was faster.
``skipped``: no request was sent; the error gives the reason."""

Way: TypeAlias = Literal["next", "continue", "restart", "hedge", "retry"]
"""How an attempt follows another one. ``next``: the next target. ``continue``: it continues the text of a broken
answer. ``restart``: it begins a broken answer again. ``hedge``: next to a slow attempt. ``retry``: the same target
again."""

MidStream: TypeAlias = Literal["continue", "fail", "restart"]
"""What follows if an answer breaks off after the caller got a part of it. ``continue``: the next target that supports
prefill continues in the same stream, if only plain text was delivered; otherwise the same as ``fail``. ``fail``: an
error, with the text so far. ``restart``: the next target answers from the start, after a `Handover` event."""

CircuitState: TypeAlias = Literal["closed", "open", "half_open"]

WaitReason: TypeAlias = Literal["retry", "retry_after", "slot"]
"""What a call waits for before it sends a request: the pause before a retry, the time from the host's Retry-After
header, or a slot, because ``concurrency`` limits the calls."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One request to one candidate; times are in seconds.

    ``number`` counts the attempts of a call from 1, ``call`` counts the calls of the process.
    """

    provider: str
    model: str
    outcome: Outcome
    duration: float
    first_event: float | None = None
    """Time until the first content event; None if there was none."""
    error: ProviderError | None = None
    usage: Usage | None = None
    number: int = 1
    call: int = 0
    way: Way | None = None
    """How it follows the attempt before; None for the first one."""
    pricing: Pricing | None = field(default=None, repr=False, compare=False)

    @property
    def cost(self) -> float | None:
        """The cost in USD, from the usage that the host sent; None if it is unknown."""
        if self.pricing is not None:
            return self.pricing.cost(self.usage)
        return None if self.usage is None else self.usage.cost

    def __str__(self) -> str:
        line = f"{self.provider}/{self.model} {self.outcome}"
        if self.error is not None:
            where = "" if self.error.phase == self.outcome else f" at {self.error.phase}"
            line += f"{where}: {type(self.error).__name__}: {message_of(self.error)}"
        if self.first_event is not None:
            line += f", first event after {self.first_event * 1000:.0f} ms"
        return f"{line}, {self.duration * 1000:.0f} ms"


@dataclass(frozen=True, slots=True)
class AttemptStart:
    """The start of an attempt; ``call`` and ``number`` are the same as in the `Attempt` at its end.

    ``address`` is the host's address without a query; None if the provider does not declare one. ``request`` does not
    contain ``options``, ``extra_body`` and ``extra_headers``, because they may hold credentials.
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
    """One attempt follows another: from which candidate, to which candidate, how, and why.

    ``error`` is the error of the first one; None if it is only slow (``way`` is ``hedge``).
    """

    call: int
    way: Way
    provider: str
    model: str
    to_provider: str
    to_model: str
    error: ProviderError | None = None
    text_length: int = 0
    """The number of characters of the answer that the caller already has."""


@dataclass(frozen=True, slots=True)
class Wait:
    """A call waits before it sends a request to this ``provider`` and ``model``.

    ``seconds`` is the time to wait; None for a slot, because it is unknown. The wait for a slot of a provider or target
    is inside its attempt; every other wait is between attempts.
    """

    call: int
    reason: WaitReason
    provider: str
    model: str
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class CircuitChange:
    """A breaker opened, allowed a probe, or closed; ``wait`` is the time in seconds until the next probe.

    ``failures`` is the number of failures in a row. ``str()`` says it in words, without the address and the reason.
    """

    provider: str
    model: str
    address: str | None
    before: CircuitState
    after: CircuitState
    reason: str = ""
    wait: float = 0.0
    failures: int = 0

    def __str__(self) -> str:
        name = f"{self.provider}/{self.model}"
        if self.after == "closed":
            return f"{name} answered, and is not skipped any more"
        if self.after == "half_open" or not self.wait:
            return f"{name} was skipped, and can be tried again"
        times = "1 failure" if self.failures == 1 else f"{self.failures} failures"
        return f"{name} is skipped for {self.wait:.3g} s after {times}"


class Observer(Protocol):
    """Gets attempts, waits and other steps of calls; it is called in the event loop, so it must not block.

    Inherit from it and override the methods that you need; the others do nothing. If an observer raises, the exception
    is logged, and the call continues.
    """

    def selected(self, selection: Selection, /) -> None:  # noqa: ARG002 - for those who inherit
        """The candidates of a call are selected; called once for each target of a chain, even without a candidate."""
        return

    def attempt_started(self, start: AttemptStart, /) -> None:  # noqa: ARG002 - for those who inherit
        """An attempt begins."""
        return

    def attempt_ended(self, attempt: Attempt, /) -> None:  # noqa: ARG002 - for those who inherit
        """An attempt ended, or a candidate was skipped; a skipped one did not start."""
        return

    def fell_back(self, fallback: Fallback, /) -> None:  # noqa: ARG002 - for those who inherit
        """One attempt follows another."""
        return

    def wait_started(self, wait: Wait, /) -> None:  # noqa: ARG002 - for those who inherit
        """A call begins to wait before it sends a request."""
        return

    def wait_ended(self, wait: Wait, /) -> None:  # noqa: ARG002 - for those who inherit
        """The wait ended, or was cancelled."""
        return

    def circuit_changed(self, change: CircuitChange, /) -> None:  # noqa: ARG002 - for those who inherit
        """A breaker changed its state."""
        return


TOLD: Final = tuple(name for name in vars(Observer) if not name.startswith("_"))
"""The methods of an observer."""


@dataclass(frozen=True, slots=True)
class Health:
    """The observed state of one model; it overrides what the provider declares."""

    working: bool
    source: str


@dataclass(frozen=True, slots=True)
class HealthSnapshot:
    """Observed state by (provider, model); the model ``*`` is for all models of the provider."""

    states: Mapping[tuple[str, str], Health] = field(default_factory=lambda: MappingProxyType({}))

    def of(self, provider: str, model: str) -> Health | None:
        """The observed state of this model, or else of its provider, or None."""
        return self.states.get((provider, model)) or self.states.get((provider, "*"))


class Observers:
    """Notifies observers, and writes to the log ``segue``, without any text of requests or answers.

    A failed attempt and the next one are logged at INFO, the opening of a breaker at WARNING.
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
        """The candidates of a call are selected."""
        if self._observers:
            self._tell("selected", selection)

    def started(self, start: Callable[[], AttemptStart]) -> None:
        """An attempt begins; the value is made only if there is an observer."""
        if self._observers:
            value = start()
            self._tell("attempt_started", value)

    def ended(self, attempt: Attempt) -> None:
        """An attempt ended."""
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
        """A call waits inside the ``with`` block; the value is made only if there is an observer."""
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
        _breakers.log(level, "%s", change)
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
        """Do not call it again: it runs in the loop, and cannot be stopped while it blocks."""
        plugin = self._plugins.get(id(observer))
        if plugin is not None:
            self._observers = tuple(one for one in self._observers if one is not observer)
            told = "the observer %s of plugin %s took more than %g s in %s, and is not called any more"
            _log.warning(told, type(observer).__name__, plugin, self._time_limit, method)
