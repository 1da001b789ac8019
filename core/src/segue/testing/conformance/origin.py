"""Where a provider comes from: an installed plugin, an import string, or a row of the configuration."""

from __future__ import annotations

import importlib
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any

from ...errors import ConfigError, PluginError
from ...plugins import PROVIDERS, Entry, Late, given_as_spec, installed
from ...plugins.declarations import row_of, to_plain
from ...values import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ...provider.contract import ProviderSpec
    from ...provider.host import Host


@dataclass(frozen=True, slots=True)
class Origin:
    """A provider by name and the place where it is declared.

    That is ``entry``, or else ``module``, an import string, or else ``row``, the plain data of a `Host`.
    """

    name: str
    entry: Entry | None = None
    module: str = ""
    distribution: str = ""
    version: str = ""
    row: Mapping[str, Any] | None = None

    def plain(self) -> dict[str, Any]:
        """As plain data for JSON."""
        return {field.name: getattr(self, field.name) for field in fields(self)} | {
            "entry": None if self.entry is None else asdict(self.entry)
        }

    @classmethod
    def of_plain(cls, plain: Mapping[str, Any]) -> Origin:
        """The origin in such data."""
        entry = plain["entry"]
        return cls(**{**plain, "entry": None if entry is None else Entry(**entry)})

    def specs(self) -> Mapping[str, ProviderSpec]:
        """All providers that are declared there, imported now; raises any error of their code."""
        if self.entry is not None:
            late = Late(self.entry)
            return {name: late.spec(name) for name in late.given()}
        if self.row is not None:
            return {self.name: row_of(self.row).spec()}
        module, _, attribute = self.module.partition(":")
        given: object = importlib.import_module(module)
        for part in filter(None, attribute.split(".")):
            given = getattr(given, part)
        if not attribute:
            given = given.segue_providers()  # type: ignore[attr-defined]  # a module of a plugin
        each = given if isinstance(given, (list, tuple)) else [given]
        specs = [given_as_spec(one) for one in each]
        return {spec.name: spec for spec in specs}

    def spec(self) -> ProviderSpec:
        """Its declaration; raises any error of its code, and PluginError if it does not exist."""
        specs = self.specs()
        if self.name:
            if self.name not in specs:
                raise PluginError(f"it declares no provider {self.name!r}", plugin=self.name)
            return specs[self.name]
        if len(specs) != 1:
            raise ConfigError(
                f"{self.module} declares {', '.join(specs) or 'no provider'}: select one with NAME={self.module}"
            )
        return next(iter(specs.values()))


def origins_of(target: str, rows: Iterable[Host] = ()) -> tuple[Origin, ...]:
    """The providers for a name or an import string (``module:attribute``).

    ``rows`` are those of the configuration. The name can also be that of a broken plugin. Raises ConfigError if
    nothing with the name is installed.
    """
    if ":" in target:
        name, _, module = target.rpartition("=")
        return (Origin(name, module=module),)
    known = {origin.name: origin for origin in (*installed_origins(), *map(_of_row, rows))}
    if target in known:
        return (known[target],)
    from ...plugins.registry import Registry

    raise ConfigError(Registry().not_installed(target, known))


def _of_row(row: Host) -> Origin:
    return Origin(row.name, row=to_plain(row))


def installed_origins() -> tuple[Origin, ...]:
    """Every installed provider by its name, and every broken plugin by the name of the plugin."""
    from ...plugins.registry import Registry

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
