"""The current model lists of hosts, merged with the declared models. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..capabilities import Capabilities, Fact
from ..provider.contract import Model
from ..values import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..errors import SegueError
    from ..selection import Candidate

UNLISTED: Final = "not in the host's list (a list may omit aliases)"
UNDECLARED: Final = "listed, but not declared: only the facts in the host's list are known"


@dataclass(frozen=True, slots=True)
class LiveModels:
    """The models of the hosts that answered, and the reasons why the other hosts did not.

    In ``models`` the host's facts override the declared ones; a model that is only listed, or only declared, has a
    note. ``answered`` are the providers whose hosts returned a list. ``skipped`` has, by provider, the reason why it
    got no request; ``failures`` has the error of each request that failed.
    """

    models: tuple[Candidate, ...]
    answered: tuple[str, ...]
    skipped: Mapping[str, str]
    failures: Mapping[str, SegueError]


def stamped(model: Model, source: str) -> Model:
    """The model with this source for each of its facts."""
    return Model(
        model.name, Capabilities({name: Fact(fact.value, source) for name, fact in model.capabilities.items()})
    )


def merged(
    declared: Sequence[Model], listed: Sequence[Model], *, shared: Capabilities, source: str
) -> list[tuple[Model, tuple[str, ...]]]:
    """Every model of both, with its notes: the declared ones in order, then those that only the host lists.

    The host's facts override the declared ones; ``shared`` are the declared facts of every model.
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
