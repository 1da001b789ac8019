"""What happened and how things stand: plain values that others look at."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .errors import ProviderError
    from .events import Usage

Outcome: TypeAlias = Literal["answered", "failed", "abandoned"]
"""``abandoned``: the caller left before the end; no fault of the provider."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try at one candidate; times are in seconds."""

    provider: str
    model: str
    outcome: Outcome
    duration: float
    first_event: float | None = None
    """Time until the first content event, None where none came."""
    error: ProviderError | None = None
    usage: Usage | None = None

    def __str__(self) -> str:
        line = f"{self.provider}/{self.model} {self.outcome}"
        if self.error is not None:
            line += f" at {self.error.phase}: {type(self.error).__name__}: {self.error.args[0]}"
        if self.first_event is not None:
            line += f", first event after {self.first_event * 1000:.0f} ms"
        return f"{line}, {self.duration * 1000:.0f} ms"


class Observer(Protocol):
    """Is told of attempts as they begin and end; called in the loop, so it must not block."""

    def attempt_started(self, provider: str, model: str) -> None: ...

    def attempt_ended(self, attempt: Attempt) -> None: ...


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
