"""What a plugin may implement."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .generator import AsyncGeneratorProvider
    from .host import Host
    from .observation import Observer
    from .provider import Provider, ProviderSpec

PROJECT = "understudy"
API_VERSION = 1
"""The version that a plugin may state as ``understudy_api``; absent means 1."""

hookspec: pluggy.HookspecMarker = pluggy.HookspecMarker(PROJECT)
hookimpl: pluggy.HookimplMarker = pluggy.HookimplMarker(PROJECT)


@hookspec
def understudy_providers() -> Sequence[type[AsyncGeneratorProvider | Provider] | ProviderSpec | Host | Provider]:
    """The providers of this plugin; called once, when providers are first listed.

    Give `ProviderSpec` values where the implementation is costly to import: nothing of it is imported
    until it is asked. A `Host` is a host of a known wire. An `AsyncGeneratorProvider` class, a `Provider`
    class or an object will do too.
    """
    raise NotImplementedError  # a specification; pluggy never calls it


@hookspec
def understudy_observers() -> Sequence[Observer]:
    """Who is told what calls come to; called once for each client, when it is made.

    An `Observer` is called in the loop and must not block. One that raises is told in the log and costs nobody the
    answer.
    """
    raise NotImplementedError  # as above
