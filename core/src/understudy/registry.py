"""What is installed: each entry point loaded on its own, a broken plugin kept as an error under its name."""

from __future__ import annotations

import importlib
import re
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Final, cast

import pluggy

from . import hookspecs
from .errors import PluginError
from .host import Host
from .provider import AsyncGeneratorProvider, Provider, ProviderSpec, as_provider, spec_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from .observation import Observer

ENTRY_POINT_GROUP: Final = "understudy"

_TOLD: Final = ("attempt_started", "attempt_ended", "fell_back", "circuit_changed")
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_.-]*")


@dataclass(frozen=True, slots=True)
class Installed:
    """A provider and where it comes from."""

    spec: ProviderSpec
    origin: str
    """The distribution, or ``code`` where it was given to the client."""


@dataclass(frozen=True, slots=True)
class Plugin:
    """An entry point as it was found: what it provides, or why it is broken."""

    name: str
    distribution: str
    version: str
    providers: tuple[str, ...] = ()
    error: PluginError | None = None


class Registry:
    """The providers that are there; made once, read often.

    ``plugins=False`` looks at no entry point; ``providers`` given in code stand above installed ones.
    """

    def __init__(
        self,
        *,
        plugins: bool = True,
        providers: Iterable[object] = (),
        entries: Iterable[EntryPoint] | None = None,
    ) -> None:
        found = _entry_points() if entries is None else entries
        claims: dict[str, list[Installed]] = {}
        observers: list[Observer] = []
        self.plugins: tuple[Plugin, ...] = tuple(_load_each(found, claims, observers)) if plugins else ()
        self.observers: tuple[Observer, ...] = tuple(observers)
        """Those that plugins give, in the order of their names."""
        self.conflicts: dict[str, PluginError] = {}
        self._installed: dict[str, Installed] = {}
        for name, claimants in claims.items():
            if len(claimants) == 1:
                self._installed[name] = claimants[0]
            else:
                origins = " and ".join(claimant.origin for claimant in claimants)
                self.conflicts[name] = PluginError(
                    f"the provider name {name!r} is claimed by {origins}: uninstall one of them", plugin=name
                )
        for given in providers:
            spec = _spec(given)
            self._installed[spec.name] = Installed(spec, "code")
            self.conflicts.pop(spec.name, None)
        self._loaded: dict[str, Provider] = {}

    @property
    def installed(self) -> Mapping[str, Installed]:
        """The usable providers by name."""
        return self._installed

    @property
    def broken(self) -> Sequence[Plugin]:
        """The plugins that could not be used, each with its error."""
        return [plugin for plugin in self.plugins if plugin.error is not None]

    def provider(self, name: str) -> Provider:
        """The provider of this name, its implementation imported now; PluginError where that fails."""
        provider = self._loaded.get(name)
        if provider is None:
            provider = self._loaded[name] = self._load(name)
        return provider

    def _load(self, name: str) -> Provider:
        if name in self.conflicts:
            raise self.conflicts[name]
        if name not in self._installed:
            raise PluginError(f"no provider {name!r} is installed", plugin=name)
        load = self._installed[name].spec.load
        try:
            if callable(load):
                loaded = load()
            else:
                module, _, attribute = load.partition(":")
                loaded = getattr(importlib.import_module(module), attribute)
            return as_provider(loaded, name)
        except (Exception, SystemExit) as error:  # any code may run at a plugin's import
            raise PluginError(
                f"the provider {name!r} of {self._installed[name].origin} cannot be loaded: {_cause(error)}",
                plugin=name,
            ) from error


def _entry_points() -> list[EntryPoint]:
    return sorted(entry_points(group=ENTRY_POINT_GROUP), key=lambda entry: (entry.name, _distribution(entry)[0]))


def _distribution(entry: EntryPoint) -> tuple[str, str]:
    dist = entry.dist
    return (dist.name, dist.version) if dist is not None else ("unknown distribution", "")


def _load_each(
    entries: Iterable[EntryPoint], claims: dict[str, list[Installed]], observers: list[Observer]
) -> Iterable[Plugin]:
    """Load, register and call each on its own: pluggy's bulk load stops at the first that is broken."""
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    for entry in entries:
        distribution, version = _distribution(entry)
        try:
            specs, watching = _given_by(manager, entry, f"{distribution}:{entry.name}")
        except (Exception, SystemExit) as error:  # a plugin's import and hook may do anything
            wrapped = PluginError(f"plugin {entry.name!r} of {distribution}: {_cause(error)}", plugin=entry.name)
            wrapped.__cause__ = error
            yield Plugin(entry.name, distribution, version, error=wrapped)
            continue
        observers += watching
        for spec in specs:
            claims.setdefault(spec.name, []).append(Installed(spec, distribution))
        yield Plugin(entry.name, distribution, version, tuple(spec.name for spec in specs))


def _given_by(
    manager: pluggy.PluginManager, entry: EntryPoint, unique: str
) -> tuple[list[ProviderSpec], list[Observer]]:
    plugin = entry.load()
    api = getattr(plugin, "understudy_api", 1)
    if api != hookspecs.API_VERSION:
        raise PluginError(
            f"it is made for understudy_api {api!r}, this is {hookspecs.API_VERSION}: update one of the two",
            plugin=entry.name,
        )
    manager.register(plugin, unique)
    try:
        # It is the only one registered, so that its hook's failure is its own.
        specs = [_spec(given) for result in manager.hook.understudy_providers() for given in result]
        return specs, [_observer(given) for result in manager.hook.understudy_observers() for given in result]
    finally:
        manager.unregister(name=unique)


def _observer(given: object) -> Observer:
    """What was given, if it can be told everything; TypeError else."""
    missing = [name for name in _TOLD if isinstance(given, type) or not callable(getattr(given, name, None))]
    if missing:
        raise TypeError(f"{given!r:.80} is no observer: it has no {missing[0]} (inherit from understudy.Observer)")
    return cast("Observer", given)


def _spec(given: object) -> ProviderSpec:
    """What was given as data; TypeError or ValueError where it cannot be a provider."""
    if isinstance(given, ProviderSpec):
        spec = given
    elif isinstance(given, Host):
        spec = given.spec()
    elif isinstance(given, type) and issubclass(given, AsyncGeneratorProvider):
        spec = spec_of(given)
    else:
        provider = as_provider(given, "")
        spec = ProviderSpec(provider.name, load=lambda: provider, models=tuple(provider.models()))
    if not isinstance(spec.name, str) or not _NAME.fullmatch(spec.name):
        raise ValueError(f"{spec.name!r} is no provider name: lower-case letters, digits, '-', '_', '.'")
    if isinstance(spec.models, str) or isinstance(spec.env, str):
        raise TypeError("models and env are lists of names, not one name")  # a string would be read letter by letter
    spec.offers()  # wrong facts are found here, under this plugin's name
    return spec


def _cause(error: BaseException) -> str:
    text = str(error).strip().partition("\n")[0][:200]
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
