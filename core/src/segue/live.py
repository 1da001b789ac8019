"""What hosts list just now, merged with what is declared. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from .capabilities import Capabilities, Fact
from .provider import Model
from .values import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .errors import SegueError
    from .selection import Candidate

UNLISTED: Final = "not in the host's list, where aliases may be missing"
UNDECLARED: Final = "listed, not declared: of its facts only those are known that the host tells"


@dataclass(frozen=True, slots=True)
class LiveModels:
    """The models of the hosts that answered, and of the others why they are not there.

    ``models`` have the host's facts above the declared ones, and a note where they stand on one side alone.
    ``answered`` are the providers whose hosts gave a list. ``skipped`` says by provider why it was not asked,
    ``failures`` which error ended the asking.
    """

    models: tuple[Candidate, ...]
    answered: tuple[str, ...]
    skipped: Mapping[str, str]
    failures: Mapping[str, SegueError]


def stamped(model: Model, source: str) -> Model:
    """The model with this source of each of its facts."""
    return Model(
        model.name, Capabilities({name: Fact(fact.value, source) for name, fact in model.capabilities.items()})
    )


def merged(
    declared: Sequence[Model], listed: Sequence[Model], *, shared: Capabilities, source: str
) -> list[tuple[Model, tuple[str, ...]]]:
    """Every model of both with its notes: the declared ones in their order, then those that only the host has.

    What the host tells stands above what is declared; ``shared`` is what is declared of every model.
    """
    told = {model.name: stamped(model, source) for model in listed}
    both: list[tuple[Model, tuple[str, ...]]] = []
    for model in declared:
        own = told.pop(model.name, None)
        if own is None:
            both.append((model, (UNLISTED,)))
        else:
            both.append((Model(model.name, model.capabilities.merged(own.capabilities)), ()))
    both += [(Model(name, shared.merged(own.capabilities)), (UNDECLARED,)) for name, own in sorted(told.items())]
    return both
