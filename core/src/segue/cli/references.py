"""Check the names in a configuration: chains, models, facts, providers and distributions must exist."""

from __future__ import annotations

import re
from importlib.metadata import distributions
from typing import TYPE_CHECKING, Final, NamedTuple

from pydantic import ValidationError

from ..capabilities import FLAGS, KNOWN_FACTS, PRICES, SIZES, Needs
from ..config import PluginRules
from ..display import closest
from ..errors import PluginError
from .keys import known_providers

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pydantic import BaseModel
    from pydantic_core import ErrorDetails

    from ..capabilities import Capabilities, Need
    from ..config import Config, Reading
    from ..config.settings import ChainConfig
    from ..plugins.registry import Registry

_OURS: Final = "segue-"

_AS_CHAIN: Final = re.compile(r"(?:chains?\s*[:./= ]|@)\s*(?P<name>.+)")
"""What people write for a chain in place of its table: ``chain:main``, ``chains.main``, ``@main``."""


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
    checking.facts()
    checking.options()
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
        described: list[Capabilities] = [*self._config.models.values()]
        for provider in self._config.providers.values():
            described += [provider.capabilities, *(model.capabilities for model in provider.models)]
        self._facts = KNOWN_FACTS | {
            fact for one in registry.installed.values() for model in one.spec.offers() for fact in model.capabilities
        }
        self._every_fact = self._facts.union(*described)
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
                elif isinstance(target.what, Needs):
                    self._needs(target.what, where)
                elif not self._is_meant_as_chain(target.what, where, '{{ chain = "{}" }}'):
                    self._target(target.what, where)
        seen: set[str] = set()
        for name in self._config.chains:
            ring = _ring(name, self._config.chains)
            if ring and not seen & {*ring}:
                seen |= {*ring}
                where = self._reading.where("chains", ring[0])
                self.faults.append(f"{where}: the chain {ring[0]!r} contains itself: {' → '.join((*ring, ring[0]))}")

    def default(self) -> None:
        """The model or chain of calls that name nothing."""
        name: str | None = getattr(self._config, "default", None)
        where = self._reading.where("default", "model")
        if name is not None and name not in self._config.chains and not self._is_meant_as_chain(name, where, '"{}"'):
            self._target(name, where)

    def lists(self) -> None:
        """What orders, weighs or describes models; a name that nobody offers there changes nothing."""
        for place, name in enumerate(self._config.preferences.order):
            self._named(name, self._reading.where("order", place))
        for name, _ in self._config.preferences.weights:
            self._named(name, self._reading.where("weights", name))
        for name in self._config.models:
            self._named(name, self._reading.where("models", name), describes=True)

    def facts(self) -> None:
        """The facts of configured needs, and of the models and hosts that the configuration describes."""
        for name, needs in self._config.needs.items():
            self._needs(needs, self._reading.where("needs", name))
        for name, facts in self._config.models.items():
            self._stated(facts, "models", name)
        for name, provider in self._config.providers.items():
            self._stated(provider.capabilities, "providers", name, "capabilities")
            if provider.wire is not None:
                for place, model in enumerate(provider.models):
                    own = [fact for fact in model.capabilities if fact not in provider.capabilities]
                    self._stated(own, "providers", name, "models", place)

    def _stated(self, facts: Iterable[str], *path: str | int) -> None:
        """Note facts in the configuration with nearly a known name; any other name may be intended."""
        for fact in facts:
            if fact not in self._facts and (near := closest(fact, sorted(self._facts), sure=True)):
                where = self._reading.where(*path, fact)
                self.notes.append(f"{where}: no installed model has the fact {fact!r}; did you mean {near!r}?")

    def _needs(self, needs: Needs, where: str) -> None:
        for need in needs:
            fault = _wrong_type(need)
            if fault is not None:
                self.faults.append(f"{where}: the need {str(need)!r} is never satisfied: {fault}")
            elif need.name in self._config.needs and need.name not in self._every_fact:
                told = f"{need.name!r} is the name of needs, which other needs and chains cannot use"
                self.faults.append(f"{where}: {told}: write {str(self._config.needs[need.name])!r} instead")
            elif need.name not in self._every_fact:
                # A name of the configuration's own may have the same typing error.
                every = sorted(self._facts), sorted(self._every_fact)
                near = next((found for names in every if (found := closest(need.name, names, sure=True))), None)
                told = f"{where}: no model has the fact {need.name!r}"
                if near and not need.unknown_ok:
                    self.faults.append(f"{told}; did you mean {near!r}?")
                else:
                    self.notes.append(told + (f"; did you mean {near!r}?" if near else ""))

    def _is_meant_as_chain(self, name: str, where: str, form: str) -> bool:
        """Whether a name has a form that other tools use for a chain; then it is a fault that says what to write."""
        found = _AS_CHAIN.fullmatch(name)
        if found is None or name.partition("/")[0] in self._providers or name in self._every_model:
            return False
        chain = found["name"]
        near = "" if chain in self._config.chains else f"; no chain {chain!r} is configured"
        if near:
            near += _near(chain, self._config.chains, "expected one of")
        self.faults.append(f"{where}: {name!r} does not name a chain; write {form.format(chain)}{near}")
        return True

    def options(self) -> None:
        """The options of providers and targets, as the providers' own models read them; their plugins are imported."""
        for name, provider in self._config.providers.items():
            if provider.options:
                self._options(name, provider.options, ("providers", name, "options"))
        for name, chain in self._config.chains.items():
            for place, target in enumerate(chain.targets):
                whose = target.what.partition("/")[0] if isinstance(target.what, str) else ""
                if target.options:
                    self._options(whose, target.options, ("chains", name, "targets", place, "options"))

    def _options(self, provider: str, options: Mapping[str, object], path: tuple[str | int, ...]) -> None:
        if provider not in self._registry.installed:
            return  # of an unknown one another fault tells; needs may select any provider
        try:
            model = self._registry.options(provider)
        except PluginError as error:
            self.faults.append(f"{self._reading.where(*path)}: {error}")
            return
        if model is None:
            return
        try:
            model.model_validate(dict(options))
        except ValidationError as error:
            for fault in error.errors(include_url=False, include_input=False):
                place = fault["loc"][0] if fault["loc"] else ""
                where = self._reading.where(*path, place)
                self.faults.append(f"{where}: the option {str(place)!r} of {provider} {_wrong_option(fault, model)}")

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
        with_plugins = {plugin.distribution for plugin in self._registry.plugins}
        if any(PluginRules.is_same(name, one) for one in with_plugins):
            return
        installed = {one.name for one in distributions()}
        has_none = any(PluginRules.is_same(name, one) for one in installed)
        told = f"the distribution {name!r} has no plugin" if has_none else f"no distribution {name!r} is installed"
        whose = self._registry.installed.get(name)
        owner = next((one.distribution for one in self._registry.plugins if name in {one.name, *one.providers}), None)
        if whose is not None and whose.origin != "code":
            owner = whose.origin
        if owner is not None:
            near = f"; {name!r} is a provider of the distribution {owner!r}"
        else:
            # Of names that all begin alike only the rest is compared.
            tails = {one.removeprefix(_OURS): one for one in with_plugins}
            meant = closest(name.removeprefix(_OURS), sorted(tails))
            near = f"; did you mean {tails[meant]!r}?" if meant else "" if has_none else _near(name, installed)
        self.notes.append(f"{where}: {told}{near}")

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
        near = closest(model, sorted(known), sure=describes)
        if near or not describes:
            hint = f"; did you mean {near!r}?" if near else "; its facts are unknown"
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


def _wrong_option(fault: ErrorDetails, model: type[BaseModel]) -> str:
    """What is wrong with an option, without its value."""
    match fault["type"]:
        case "extra_forbidden":
            return "does not exist" + _near(str(fault["loc"][0]), model.model_fields, "expected one of")
        case "missing":
            return "is missing"
        case "value_error" | "assertion_error":  # a text of the provider's own, which may hold the value
            return "has an invalid value"
        case _:
            told = fault["msg"].replace("Input should be", "must be")
            inner = ".".join(map(str, fault["loc"][1:]))
            return f"{told} (at {inner})" if inner else told


def _wrong_type(need: Need) -> str | None:
    """Why no fact of the right type satisfies a need; None if one can."""
    if need.name in FLAGS or need.name.startswith("supports_"):
        return None if need.op == "is" else f"{need.name} is true or false, so write {need.name!r} or '!{need.name}'"
    if need.name in SIZES | PRICES and (need.negated or isinstance(need.value, str)):
        example = f"{need.name}<=2" if need.name in PRICES else f"{need.name}>=128k"
        return f"{need.name} is a number, so compare it: {example!r}"
    return None


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
    near = closest(name, names)
    if near:
        return f"; did you mean {near!r}?"
    return f"; {listing} {', '.join(names)}" if listing and names else ""
