"""The providers of installed plugins and of code; the error of a broken plugin is kept under its name."""

from __future__ import annotations

import os
from dataclasses import field
from typing import TYPE_CHECKING, ClassVar, Final

from ..config import PluginRules
from ..display import closest, nearest
from ..errors import PluginError
from ..provider.contract import Provider, ProviderSpec, options_model
from ..provider.host import Host
from ..values import dataclass
from . import Entry, Trust, catalogued, cause_of, declared_here, given_as_spec, loaded, packages, told_trace
from .hooks import Hooks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from importlib.metadata import EntryPoint

    from pydantic import BaseModel

    from ..config import ProviderConfig
    from . import Declared


class Installed:
    """A provider and its ``origin``: the distribution, or ``code`` if it was passed to the client."""

    __slots__ = ("_read", "_spec", "origin")

    replacement: ClassVar[Callable[[ProviderSpec], ProviderSpec] | None] = None
    """Replaces each declaration while an application is tested."""

    def __init__(self, spec: ProviderSpec | Callable[[], ProviderSpec], origin: str, *, is_own: bool = False) -> None:
        self.origin: str = origin
        replacement = Installed.replacement
        if replacement is not None and not is_own:
            read = spec
            self._spec: ProviderSpec | None = None
            self._read: ProviderSpec | Callable[[], ProviderSpec] = lambda: replacement(
                read if isinstance(read, ProviderSpec) else read()
            )
            return
        self._spec = spec if isinstance(spec, ProviderSpec) else None
        self._read = spec

    @property
    def spec(self) -> ProviderSpec:
        """Its declaration, read on first use."""
        if self._spec is None:
            assert not isinstance(self._read, ProviderSpec)
            self._spec = self._read()
        return self._spec


@dataclass(frozen=True, slots=True)
class Plugin:
    """An installed entry point: what it provides, why it is broken, or why it is not loaded (``obstacle``).

    ``hooks`` are the hooks that it implements, ``file`` is the path of its module, ``seconds`` is how long its import
    and its declaration took the last time, ``trace`` is the traceback of its error, ``printed`` is what it wrote to
    stdout or stderr meanwhile; ``replaced`` and ``unloadable`` are as in `segue.plugins.Declared`.
    """

    name: str
    distribution: str
    version: str
    providers: tuple[str, ...] = ()
    error: PluginError | None = None
    obstacle: str | None = None
    hooks: tuple[str, ...] = ()
    file: str = ""
    seconds: float = 0.0
    trace: tuple[str, ...] = field(default=(), repr=False)
    printed: str = ""
    replaced: tuple[str, ...] = ()
    unloadable: Mapping[str, tuple[str, Sequence[str]]] = field(default_factory=dict)


class Registry:
    """The available providers; made once, read often.

    With ``plugins=False`` no entry points are read; ``providers`` from code override installed ones. ``rules`` decide
    which plugins are imported; ``anew`` reads all declarations again, and checks whether their implementations can be
    imported. ``entries`` are imported in this process, in place of the installed ones. PluginError if the rules are
    strict and a plugin is broken.
    """

    def __init__(
        self,
        *,
        plugins: bool = True,
        providers: Iterable[object] = (),
        entries: Iterable[EntryPoint] | None = None,
        rules: PluginRules | None = None,
        environ: Mapping[str, str] | None = None,
        anew: bool = False,
    ) -> None:
        environ = os.environ if environ is None else environ
        rules = PluginRules() if rules is None else rules
        left_alone: dict[Entry, str] = {}
        declared: list[Declared] = []
        self._environ = environ
        is_off = environ.get("SEGUE_NO_PLUGINS", "0") not in {"", "0"}
        self._looks = plugins and not is_off
        self._switch = "--no-plugins, or SEGUE_NO_PLUGINS" if is_off else ""
        if self._looks:
            declared = _declared(entries, rules, environ, left_alone, anew=anew)
        self.hooks: Hooks = Hooks(declared, time_limit=rules.hook_time_limit)
        """The hooks of the plugins."""
        self.plugins: tuple[Plugin, ...] = _taken(declared, left_alone, self.hooks)
        self.conflicts: dict[str, PluginError] = {}
        self._installed: dict[str, Installed] = {}
        self._settle(declared, rules.prefer)
        if rules.strict:
            self._refuse_broken()
        for place, given in enumerate(providers):
            spec = _given(given, place)
            # A class that an application wrote is what its tests are about; a row of data is a host.
            self._installed[spec.name] = Installed(spec, "code", is_own=not isinstance(given, Host))
            self.conflicts.pop(spec.name, None)
        self._loaded: dict[str, Provider] = {}

    def _refuse_broken(self) -> None:
        errors = [*(plugin.error for plugin in self.plugins if plugin.error is not None), *self.conflicts.values()]
        if errors:
            told = "\n".join(map(str, errors))
            raise PluginError(f"[plugins] strict: a plugin is broken\n{told}", plugin=errors[0].plugin)

    def _settle(self, declared: Iterable[Declared], prefer: Mapping[str, str]) -> None:
        """Who has each name: of several that claim it, or one that looks like it, who is preferred, else nobody."""
        claims: dict[str, list[Installed]] = {}
        alike: dict[str, set[str]] = {}
        for one in declared:
            for name, read in one.providers:
                claims.setdefault(name, []).append(Installed(read, one.entry.distribution))
                alike.setdefault(look_of(name), set()).add(name)
        for name, claimants in claims.items():
            preferred = [one for one in claimants if PluginRules.is_same(one.origin, prefer.get(name, one.origin))]
            others = [
                (other, one.origin)
                for other in sorted(alike[look_of(name)] - {name})
                for one in claims[other]
                if all(not PluginRules.is_same(one.origin, claimant.origin) for claimant in claimants)
            ]
            if len(preferred) == 1 and (name in prefer or not others):
                self._installed[name] = preferred[0]
                continue
            origins = " and ".join(claimant.origin for claimant in claimants)
            if len(preferred) == 1:
                told = f"the provider name {name!r} of {origins} looks like {others[0][0]!r} of {others[0][1]}"
            else:
                told = f"the provider name {name!r} is claimed by {origins}"
            self.conflicts[name] = PluginError(
                f'{told}: uninstall one of them, or choose one with [plugins] prefer = {{ "{name}" = "…" }}',
                plugin=name,
            )

    @property
    def installed(self) -> Mapping[str, Installed]:
        """The usable providers by name."""
        return self._installed

    @property
    def broken(self) -> Sequence[Plugin]:
        """The plugins that cannot be used, each with its error."""
        return [plugin for plugin in self.plugins if plugin.error is not None]

    def provider(self, name: str) -> Provider:
        """The provider with this name; its implementation is imported now; PluginError if that fails."""
        provider = self._loaded.get(name)
        if provider is None:
            provider = self._loaded[name] = self._load(name)
        return provider

    def options(self, name: str) -> type[BaseModel] | None:
        """The pydantic model of an installed provider's options, imported now; PluginError if that fails."""
        try:
            return options_model(self._installed[name].spec)
        except Exception as error:  # as in _load
            raise PluginError(f"the options of {name!r} cannot be loaded: {cause_of(error)}", plugin=name) from error

    # ── what is not there ─────────────────────────────────────────────────────────────────────────────

    def not_installed(self, name: str, known: Iterable[str] = ()) -> str:
        """A message that this provider is not installed, with the package to install, or the nearest name.

        ``known`` are other known names.
        """
        told = f"no provider {name!r} is installed"
        package = packages.package_of(name)
        if package is not None and self._may_install(package):
            return f"{told}: {packages.how_to_install([package])}"
        return told + nearest(name, sorted({*known, *self._names()}))

    def unknown_table(self, name: str, table: ProviderConfig) -> str:
        """A message, with the file and line, about ``[providers.NAME]`` for a provider that does not exist."""
        where = f"{table.where}: [providers.{name}]" if table.where else f"[providers.{name}]"
        if packages.package_of(name) is not None or closest(name, self._names()) is not None:
            return f"{where}: {self.not_installed(name)}"
        lacks = 'wire = "openai_chat"' + (" and base_url" if table.base_url is None else "")
        return f"{where} needs {lacks}, because no provider {name!r} is installed"

    def _names(self) -> list[str]:
        """The names that a provider here has or claims."""
        return sorted({*self._installed, *self.conflicts, *(plugin.name for plugin in self.broken)})

    def what_to_install(self, model: str | None = None, *, lacking: bool = True) -> list[str]:
        """Sentences that say which provider packages to install if there is no candidate.

        ``model`` is the requested model. ``lacking`` is whether no installed model fits, with or without a key.
        """
        has_none = not any(one.spec.access == _OPEN for one in self._installed.values())
        if not self._looks:
            provider = "" if model is None else model.partition("/")[0]
            # By code that gives providers of its own they were switched off for good reason.
            is_missed = self._switch and provider not in self._installed and packages.package_of(provider) is not None
            told = f"plugins are switched off ({self._switch or 'plugins=False'})"
            return [told] if has_none or is_missed else []
        if model is not None:
            return self._with_model(model)
        keys = self.unused_keys()
        others = [package for package in packages.package_names() if self._may_install(package)]
        if has_none:
            unused = self._unused()
            if unused:
                return [unused, *keys]
            return [_NONE, *keys] if keys or not others else [f"{_NONE}: {packages.one_of(others)}"]
        if keys or not lacking or not others:
            return keys
        return [f"another provider package may have a model that fits: {packages.one_of(others)}"]

    def _with_model(self, model: str) -> list[str]:
        """The package that has a model, or the provider that its name begins with."""
        provider = model.partition("/")[0]
        if provider in self._installed or provider in self.conflicts:
            return []
        package = packages.package_of(provider)
        if package is not None:
            return [self.not_installed(provider)] if self._may_install(package) else self._left_alone(package)
        found = {one: names for one, names in packages.packages_with(model).items() if self._may_install(one)}
        if not found:
            return []
        names = " and ".join(name for each in found.values() for name in each)
        return [f"{model} is a model of {names}: {packages.how_to_install(found)}"]

    def _unused(self) -> str:
        """That provider packages are installed, and why none of them is used; empty if there is none or one is used."""
        reasons: dict[str, list[str]] = {}
        for one in self.plugins:
            if not packages.has_hosts(one.distribution):
                continue
            if one.obstacle is not None:
                reasons.setdefault(one.obstacle, []).append(one.distribution)
            elif one.error is not None:
                reasons.setdefault("it is broken, see `segue doctor`", []).append(one.distribution)
        told = "; ".join(f"{', '.join(names)}: {reason}" for reason, names in reasons.items())
        return f"no installed provider package is used: {told}" if told else ""

    def unused_keys(self) -> list[str]:
        """For each key in the environment that no installed package uses: which package uses it."""
        return [
            f"{variable} is set, but no installed package uses it: {packages.how_to_install(those)}"
            for variable, those in packages.unused_keys(self._environ, self._installed).items()
            if self._looks and all(map(self._may_install, those))
        ]

    def _may_install(self, package: str) -> bool:
        """Whether a package is missing; False if plugins are switched off."""
        return self._looks and not any(PluginRules.is_same(one.distribution, package) for one in self.plugins)

    def _left_alone(self, package: str) -> list[str]:
        return [
            f"{one.distribution} is installed, but not used: {one.obstacle}"
            for one in self.plugins
            if one.obstacle is not None and PluginRules.is_same(one.distribution, package)
        ]

    def _load(self, name: str) -> Provider:
        if name in self.conflicts:
            raise self.conflicts[name]
        if name not in self._installed:
            raise PluginError(self.not_installed(name), plugin=name)
        try:
            return loaded(self._installed[name].spec)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # any code may run at a plugin's import, and raise what it likes
            raise PluginError(
                f"the provider {name!r} of {self._installed[name].origin} cannot be loaded: {cause_of(error)}",
                plugin=name,
            ) from error


def _given(given: object, place: int) -> ProviderSpec:
    """The declaration of a provider that code gave; TypeError or ValueError with its place among all of them."""
    try:
        return given_as_spec(given)
    except (TypeError, ValueError) as error:
        kind = ValueError if isinstance(error, ValueError) else TypeError
        told = " ".join(str(error).split())
    raise kind(f"Client(providers=…): providers[{place}]: {told}")


_OPEN: Final = "open"
_NONE: Final = "no provider package is installed"
_CONFUSED: Final = str.maketrans("015i", "olsl", "-_.")


def look_of(name: str) -> str:
    """A key that is equal for names that look alike: without separators, and with similar characters made equal."""
    return name.translate(_CONFUSED).replace("rn", "m").replace("vv", "w")


def _declared(
    entries: Iterable[EntryPoint] | None,
    rules: PluginRules,
    environ: Mapping[str, str],
    left_alone: dict[Entry, str],
    *,
    anew: bool,
) -> list[Declared]:
    """What the plugins that may be imported declare; of the others why not."""
    trust = Trust(rules, environ)

    def allowed(entry: Entry) -> bool:
        obstacle = trust.obstacle(entry)
        if obstacle is not None:
            left_alone[entry] = obstacle
        return obstacle is None

    if entries is not None:
        return list(declared_here(entry for entry in map(Entry.of, entries) if allowed(entry)))
    return catalogued(allowed, time_limit=rules.time_limit, anew=anew)


def _taken(declared: Iterable[Declared], left_alone: Mapping[Entry, str], hooks: Hooks) -> tuple[Plugin, ...]:
    """The plugins as they were found."""
    plugins = [
        Plugin(entry.name, entry.distribution, entry.version, obstacle=obstacle)
        for entry, obstacle in left_alone.items()
    ]
    for one in declared:
        error, trace = one.error, one.trace
        if error is None and (failed := hooks.errors.get(one.late)) is not None:
            error, trace = failed, told_trace(failed.__cause__ or failed)
        entry = one.entry
        names = tuple(name for name, _ in one.providers)
        plugins.append(
            Plugin(
                entry.name, entry.distribution, entry.version, names, error, None,
                one.hooks, one.file, one.seconds, trace, one.printed, one.replaced, one.unloadable,
            )
        )  # fmt: skip
    plugins.sort(key=lambda plugin: (plugin.name, plugin.distribution))
    return tuple(plugins)
