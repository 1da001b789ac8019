"""What a plugin may implement.

`docs/hooks.md` has a chapter for each: when it is called, why it is there, what follows when it fails, an example.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from .capabilities import Capabilities, Fact, Needs, Value
    from .generator import AsyncGeneratorProvider
    from .host import Host
    from .messages import Request
    from .middleware import Middleware
    from .observation import Observer
    from .provider import Model, Provider, ProviderSpec
    from .selection import Candidate, Veto

PROJECT = "segue"
API_VERSION = 1
"""The version that a plugin may state as ``segue_api``; absent means 1."""

hookspec: pluggy.HookspecMarker = pluggy.HookspecMarker(PROJECT)
hookimpl: pluggy.HookimplMarker = pluggy.HookimplMarker(PROJECT)


@hookspec
def segue_providers() -> Sequence[type[AsyncGeneratorProvider | Provider] | ProviderSpec | Host | Provider]:
    """The providers of this plugin; called once, when providers are first listed.

    Give `ProviderSpec` values where the implementation is costly to import: nothing of it is imported
    until it is asked. A `Host` is a host of a known wire. An `AsyncGeneratorProvider` class, a `Provider`
    class or an object will do too.
    """
    raise NotImplementedError  # a specification; pluggy never calls it


@hookspec(firstresult=True)
def segue_facts(
    provider: str, models: Sequence[Model]
) -> Mapping[str, Capabilities | Mapping[str, Fact | Value | None]] | None:
    """What this plugin knows of another one's models, by their names; called once for each provider of a client.

    It stands above what the provider declares, and below what its host lists, what the user configured and what was
    observed. Names that are not among the ``models`` are passed over.
    """
    raise NotImplementedError  # as above


@hookspec(firstresult=True)
def segue_candidates(
    candidates: Sequence[Candidate], needs: Needs, request: Request | None
) -> Iterable[Candidate | Veto] | None:
    """The candidates in the order in which they are to be asked, with a `Veto` in place of each that may not be.

    Called with each selection, after our own order. Each candidate has to come back, once and unchanged, itself or
    in a veto; None leaves them as they are. ``request`` is None where somebody only looks, or wants vectors. Where it
    fails nobody is asked.
    """
    raise NotImplementedError  # as above


@hookspec
def segue_middleware() -> Sequence[Middleware]:
    """What changes requests and answers; called once for each client, when it is made.

    The first is the outermost. Where it fails the client makes no calls.
    """
    raise NotImplementedError  # as above


@hookspec
def segue_observers() -> Sequence[Observer]:
    """Who is told what calls come to; called once for each client, when it is made.

    An `Observer` is called in the loop and must not block. One that raises is told in the log and costs nobody the
    answer; one that takes too long is told there too, and not called any more.
    """
    raise NotImplementedError  # as above
