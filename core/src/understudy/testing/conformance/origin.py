"""Where a provider comes from: the entry point of an installed plugin, or an import string."""

from __future__ import annotations

import importlib
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from ...errors import ConfigError, PluginError
from ...generator.provider import as_provider
from ...installation import PROVIDERS, Entry, Late, given_as_spec, installed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ...provider import Provider, ProviderSpec


@dataclass(frozen=True, slots=True)
class Origin:
    """A provider by name and the place where it is declared; ``module`` is an import string, or ``entry`` is given."""

    name: str
    entry: Entry | None = None
    module: str = ""
    distribution: str = ""
    version: str = ""

    def plain(self) -> dict[str, Any]:
        """As JSON has it."""
        return asdict(self)

    @classmethod
    def of_plain(cls, plain: Mapping[str, Any]) -> Origin:
        """From JSON."""
        entry = plain["entry"]
        return cls(**{**plain, "entry": None if entry is None else Entry(**entry)})

    def specs(self) -> Mapping[str, ProviderSpec]:
        """All that is declared there, imported now; whatever its code raises."""
        if self.entry is not None:
            late = Late(self.entry)
            return {name: late.spec(name) for name in late.given()}
        module, _, attribute = self.module.partition(":")
        given: object = importlib.import_module(module)
        for part in filter(None, attribute.split(".")):
            given = getattr(given, part)
        if not attribute:
            given = given.understudy_providers()  # type: ignore[attr-defined]  # a module of a plugin
        each = given if isinstance(given, (list, tuple)) else [given]
        specs = [given_as_spec(one) for one in each]
        return {spec.name: spec for spec in specs}

    def spec(self) -> ProviderSpec:
        """Its declaration; whatever its code raises, PluginError where it is not there."""
        specs = self.specs()
        if self.name:
            if self.name not in specs:
                raise PluginError(f"it declares no provider {self.name!r}", plugin=self.name)
            return specs[self.name]
        if len(specs) != 1:
            raise ConfigError(
                f"{self.module} declares {', '.join(specs) or 'no provider'}: name one as NAME={self.module}"
            )
        return next(iter(specs.values()))


def loaded(spec: ProviderSpec) -> Provider:
    """Its implementation, imported now; whatever its code raises."""
    if callable(spec.load):
        return as_provider(spec.load(), spec.name)
    module, _, attribute = spec.load.partition(":")
    return as_provider(getattr(importlib.import_module(module), attribute), spec.name)


def origins_of(target: str) -> tuple[Origin, ...]:
    """The providers that a name or an import string (``module:attribute``) stands for.

    The name of a broken plugin stands for itself. ConfigError where nothing is installed under the name.
    """
    if ":" in target:
        name, _, module = target.rpartition("=")
        return (Origin(name, module=module),)
    known = {origin.name: origin for origin in installed_origins()}
    if target in known:
        return (known[target],)
    import difflib  # only for the nearest name

    near = difflib.get_close_matches(target, known, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    raise ConfigError(f"no provider {target!r} is installed{hint}")


def installed_origins() -> tuple[Origin, ...]:
    """Every installed provider by name, and every broken plugin under its own."""
    from ...registry import Registry

    registry = Registry()
    entries = {(entry.name, entry.distribution): entry for entry in installed(PROVIDERS)}
    found: list[Origin] = []
    for plugin in registry.plugins:
        if plugin.obstacle is not None:
            continue
        entry = entries.get((plugin.name, plugin.distribution))
        names = plugin.providers if plugin.error is None else (plugin.name,)
        found += [
            Origin(name, entry, distribution=plugin.distribution, version=plugin.version)
            for name in names
            # A name that several claim is whose the configuration says, or else each one's.
            if name not in registry.installed or registry.installed[name].origin == plugin.distribution
        ]
    return tuple(sorted(found, key=lambda origin: (origin.name, origin.distribution)))
