"""Check the names in a configuration: chains, models, providers and distributions must exist."""

from __future__ import annotations

import difflib
from importlib.metadata import distributions
from typing import TYPE_CHECKING, Final, NamedTuple

from ..config import PluginRules
from .keys import known_providers

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ..config import Config, Reading
    from ..config.settings import ChainConfig
    from ..registry import Registry

_NEAR: Final = 0.8
"""How close a model's name must be to a declared one to count as a typing error."""


class References(NamedTuple):
    """Names that do not exist: ``faults`` fail in every call that uses them, ``notes`` may be intended."""

    faults: list[str]
    notes: list[str]


def check_references(reading: Reading, registry: Registry) -> References:
    """Look up every name in the configuration."""
    checking = _Checking(reading, registry)
    checking.chains()
    checking.default()
    checking.lists()
    checking.plugins()
    return References(checking.faults, checking.notes)


class _Checking:
    def __init__(self, reading: Reading, registry: Registry) -> None:
        self.faults: list[str] = []
        self.notes: list[str] = []
        self._reading = reading
        self._config: Config = reading.config
        self._registry = registry
        self._providers = known_providers(self._config, registry)
        self._declared = _declared(self._config, registry)
        self._models = _described(self._declared, self._config)
        self._every_model = {model for models in self._models.values() for model in models}

    def chains(self) -> None:
        """Their targets, and that none is inside itself."""
        for name, chain in self._config.chains.items():
            for place, target in enumerate(chain.targets):
                where = self._reading.where("chains", name, "targets", place)
                if target.chain is not None:
                    if target.chain not in self._config.chains:
                        near = _near(target.chain, self._config.chains, "expected one of")
                        self.faults.append(f"{where}: no chain {target.chain!r} is configured{near}")
                elif isinstance(target.what, str):
                    self._target(target.what, where)
        seen: set[str] = set()
        for name in self._config.chains:
            ring = _ring(name, self._config.chains)
            if ring and not seen & {*ring}:
                seen |= {*ring}
                where = self._reading.where("chains", ring[0])
                self.faults.append(f"{where}: the chain {ring[0]!r} contains itself: {' → '.join((*ring, ring[0]))}")

    def default(self) -> None:
        """The model or chain that is asked where nothing is named."""
        name: str | None = getattr(self._config, "default", None)
        if name is not None and name not in self._config.chains:
            self._target(name, self._reading.where("default", "model"))

    def lists(self) -> None:
        """What orders, weighs or describes models; a name that nobody offers there changes nothing."""
        for place, name in enumerate(self._config.preferences.order):
            self._named(name, self._reading.where("order", place))
        for name, _ in self._config.preferences.weights:
            self._named(name, self._reading.where("weights", name))
        for name in self._config.models:
            self._named(name, self._reading.where("models", name), describes=True)

    def plugins(self) -> None:
        """Names of distributions, and of the providers that several claim."""
        rules = self._config.plugins
        for key, listed in (("allow", rules.allow or ()), ("deny", rules.deny)):
            for place, rule in enumerate(listed):
                self._distribution(rule.distribution, self._reading.where("plugins", key, place))
        for provider, distribution in rules.prefer.items():
            where = self._reading.where("plugins", "prefer", provider)
            self._distribution(distribution, where)
            if provider not in self._providers:
                self.notes.append(f"{where}: no provider {provider!r} is installed{_near(provider, self._providers)}")

    def _distribution(self, name: str, where: str) -> None:
        installed = {one.name for one in distributions()}
        if not any(PluginRules.is_same(name, one) for one in installed):
            with_plugins = {plugin.distribution for plugin in self._registry.plugins}
            near = _near(name, with_plugins) or _near(name, installed)
            self.notes.append(f"{where}: no distribution {name!r} is installed{near}")

    def _target(self, name: str, where: str) -> None:
        """One that is asked: a provider, a model of one, or a model by its bare name."""
        provider, _, model = name.partition("/")
        if name in self._providers or name in self._every_model:
            return
        if provider in self._providers and model:
            self._model(provider, model, where)
        elif model:
            told = f"{where}: {name!r} names a provider that is not installed, {provider!r}"
            self.faults.append(f"{told}{_near(provider, self._providers)}")
        else:
            near = _near(name, {*self._every_model, *self._providers, *self._config.chains})
            hint = f'; a chain is written as {{ chain = "{name}" }}' if name in self._config.chains else near
            self.faults.append(f"{where}: {name!r} is not the name of a provider or a model{hint}")

    def _named(self, name: str, where: str, *, describes: bool = False) -> None:
        """One that is only spoken of: that it does not exist may be meant."""
        provider, _, model = name.partition("/")
        if name in self._providers or (name in self._every_model and not describes):
            return
        if provider in self._providers and model:
            self._model(provider, model, where, describes=describes)
        else:
            known = self._providers if describes or model else {*self._providers, *self._every_model}
            self.notes.append(f"{where}: no provider {provider!r} is installed{_near(provider, known)}")

    def _model(self, provider: str, model: str, where: str, *, describes: bool = False) -> None:
        """A model that its provider may have without declaring it: only noted, with the nearest that it declares."""
        known = (self._declared if describes else self._models).get(provider)
        if not known or model in known:
            return
        near = difflib.get_close_matches(model, sorted(known), n=1, cutoff=_NEAR if describes else 0.6)
        if near or not describes:
            hint = f"; did you mean {near[0]!r}?" if near else "; its facts are unknown"
            self.notes.append(f"{where}: {provider} does not declare the model {model!r}{hint}")


def _declared(config: Config, registry: Registry) -> dict[str, set[str]]:
    """The models that each provider declares, and each host of the user's own has."""
    models = {name: {model.name for model in one.spec.offers()} for name, one in registry.installed.items()}
    for name, provider in config.providers.items():
        if provider.wire is not None:
            models[name] = {model.name for model in provider.models}
    return models


def _described(declared: Mapping[str, set[str]], config: Config) -> dict[str, set[str]]:
    """These, and the models whose facts the configuration has."""
    models = {name: {*names} for name, names in declared.items()}
    for name in config.models:
        provider, _, model = name.partition("/")
        models.setdefault(provider, set()).add(model)
    return models


def _ring(name: str, chains: Mapping[str, ChainConfig]) -> list[str]:
    """The chains by which this one leads back to itself, itself first; empty where it does not."""
    paths = [[name]]
    seen = {name}
    while paths:
        path = paths.pop()
        for target in chains[path[-1]].targets:
            inner = target.chain
            if inner == name:
                return path
            if inner is not None and inner in chains and inner not in seen:
                seen.add(inner)
                paths.append([*path, inner])
    return []


def _near(name: str, known: Iterable[str], listing: str = "") -> str:
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1)
    if near:
        return f"; did you mean {near[0]!r}?"
    return f"; {listing} {', '.join(names)}" if listing and names else ""
