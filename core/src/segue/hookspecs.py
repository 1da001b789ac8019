"""The hooks that a plugin can implement.

`docs/hooks.md` has a section for each hook: when it is called, its purpose, what happens if it fails, and an example.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from .capabilities import Capabilities, Fact, Needs, Value
    from .generator import AsyncGeneratorProvider
    from .messages import Request
    from .observation import Observer
    from .plugins.middleware import Middleware
    from .provider.contract import Model, Provider, ProviderSpec
    from .provider.host import Host
    from .selection import Candidate, Veto

PROJECT = "segue"
API_VERSION = 1
"""The version that a plugin may declare as ``segue_api``; the default is 1."""

hookspec: pluggy.HookspecMarker = pluggy.HookspecMarker(PROJECT)
hookimpl: pluggy.HookimplMarker = pluggy.HookimplMarker(PROJECT)


@hookspec
def segue_providers() -> Sequence[type[AsyncGeneratorProvider | Provider] | ProviderSpec | Host | Provider]:
    """Return the providers of this plugin; called once, when providers are first listed.

    Return a `ProviderSpec` if the implementation is slow to import: it is imported only for the first request.
    A `Host` describes a host of a known wire. An `AsyncGeneratorProvider` class, a `Provider` class or a `Provider`
    object is accepted too.
    """
    raise NotImplementedError  # a specification; pluggy never calls it


@hookspec(firstresult=True)
def segue_facts(
    provider: str, models: Sequence[Model]
) -> Mapping[str, Capabilities | Mapping[str, Fact | Value | None]] | None:
    """Return facts of another plugin's models, by the models' names; called once for each provider of a client.

    They override the facts that the provider declares. Facts from the host's list, from the configuration and from
    observation override them. Names that are not among the ``models`` are ignored.
    """
    raise NotImplementedError  # as above


@hookspec(firstresult=True)
def segue_candidates(
    candidates: Sequence[Candidate], needs: Needs, request: Request | None
) -> Iterable[Candidate | Veto] | None:
    """Return the candidates in the order that you want, with a `Veto` in place of each one to reject.

    Called for each selection, after Segue has ordered the candidates. Return each candidate exactly once and unchanged,
    itself or in a veto; None means no change. ``request`` is None if there is only a selection, or for embeddings. If
    the hook fails, no candidate gets the request.
    """
    raise NotImplementedError  # as above


@hookspec
def segue_middleware() -> Sequence[Middleware]:
    """Return middleware, which changes requests and answers; called once for each client, when it is made.

    The first one is the outermost. If the hook fails, the client makes no calls.
    """
    raise NotImplementedError  # as above


@hookspec
def segue_observers() -> Sequence[Observer]:
    """Return observers, which get the attempts of calls; called once for each client, when it is made.

    An `Observer` is called in the event loop and must not block. If an observer raises, the exception is logged and the
    call continues; if it takes too long, that is logged too, and it is not called again.
    """
    raise NotImplementedError  # as above
