"""Imports plugins in this process, each on its own, because pluggy's bulk load stops at a broken one."""

from __future__ import annotations

import importlib
import inspect
import math
import os
import re
import time
import traceback
import unicodedata
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ..constraints import shown
from ..errors import PluginError
from ..generator.provider import USE_YIELD, AsyncGeneratorProvider, as_provider, spec_of
from ..provider.contract import Model, ProviderSpec, options_model
from ..provider.host import Host
from ..values import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pluggy
    from pydantic import BaseModel

    from ..capabilities import Capabilities
    from ..provider.contract import Provider
    from .entries import Entry

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_.-]*")
_OWN: Final = str(Path(__file__).resolve().parents[1])
_MOST_LINES: Final = 60

MOST_MODELS: Final = 5000
"""How many models a provider may declare: each one slows every start; the largest router has about a thousand."""


@dataclass(frozen=True, slots=True)
class Declared:
    """The declarations of an entry point, or its error.

    ``providers`` are the declarations by name, parsed when they are needed; ``hooks`` are the names of the hooks that
    it implements; ``seconds`` is how long its import and its declarations took; ``file`` is the path of its module;
    ``trace`` is the traceback without the frames of the loader; ``printed`` is what it wrote to stdout or stderr
    meanwhile; ``replaced`` are functions of other modules that its import replaced; ``unloadable`` are the providers
    whose implementation cannot be imported, if that was checked, each with the cause and the traceback.
    """

    entry: Entry
    late: Late
    providers: tuple[tuple[str, Callable[[], ProviderSpec]], ...] = ()
    hooks: tuple[str, ...] = ()
    error: PluginError | None = None
    seconds: float = 0.0
    file: str = ""
    trace: tuple[str, ...] = ()
    printed: str = ""
    replaced: tuple[str, ...] = ()
    unloadable: Mapping[str, tuple[str, Sequence[str]]] = field(default_factory=dict)


class Late:
    """A plugin that is imported when it is needed."""

    def __init__(self, entry: Entry) -> None:
        self.entry = entry
        self._manager: pluggy.PluginManager | None = None
        self._given: dict[str, ProviderSpec | Host] | None = None

    def load(self) -> None:
        """Import it now; raises whatever its code raises, and PluginError for another API version."""
        self._registered()

    def _registered(self) -> pluggy.PluginManager:
        """Manages this plugin alone, so that its hook's failure is its own."""
        if self._manager is None:
            import pluggy  # not for who only lists what is declared

            from .. import hookspecs

            manager = pluggy.PluginManager(hookspecs.PROJECT)
            manager.add_hookspecs(hookspecs)
            plugin = self.entry.load()
            api = getattr(plugin, "segue_api", 1)
            if api != hookspecs.API_VERSION:
                raise PluginError(
                    f"it is made for segue_api {api!r}, but this is {hookspecs.API_VERSION}: update one of the two",
                    plugin=self.entry.name,
                )
            manager.register(plugin, f"{self.entry.distribution}:{self.entry.name}")
            self._manager = manager
        return self._manager

    def hooks(self) -> tuple[str, ...]:
        """The names of the hooks that it implements; PluginError for a hook that does not exist."""
        manager = self._registered()
        manager.check_pending()
        (plugin,) = manager.get_plugins()
        callers = manager.get_hookcallers(plugin) or ()
        for caller in callers:
            if caller.spec is not None and caller.spec.opts.get("firstresult") and len(caller.get_hookimpls()) > 1:
                raise PluginError(f"it implements {caller.name} twice, and one of them would not be called")
        return tuple(sorted(caller.name for caller in callers))

    def result(self, hook: str, **arguments: Any) -> Any:
        """The result of one of its hooks: a single result if the hook returns only the first one, otherwise a list."""
        return getattr(self._registered().hook, hook)(**arguments)

    def _listed(self, hook: str) -> Iterator[object]:
        """What a hook that gives a list has in it; TypeError for another thing."""
        results = self.result(hook)
        if not results and getattr(self._registered().hook, hook).get_hookimpls():
            results = [None]  # which pluggy takes for no answer
        for result in results:
            if isinstance(result, (str, bytes, Mapping)) or not isinstance(result, Iterable):
                if isinstance(result, Coroutine):
                    result.close()
                raise TypeError(f"{hook} returned {'None' if result is None else type(result).__name__}, not a list")
            yield from result

    def given(self) -> Mapping[str, ProviderSpec | Host]:
        """The declarations of its providers by name, checked; raises whatever its code raises."""
        if self._given is None:
            given = {}
            for one in self._listed("segue_providers"):
                spec = given_as_spec(one)
                if spec.name in given:
                    raise ValueError(f"it has two providers with the name {spec.name!r}")
                given[spec.name] = one if isinstance(one, Host) else spec
            self._given = given
        return self._given

    def spec(self, name: str) -> ProviderSpec:
        """The current declaration of one of its providers."""
        given = self.given().get(name)
        if given is None:
            raise PluginError(
                f"plugin {self.entry} does not have the provider {name!r} any more", plugin=self.entry.name
            )
        return given.spec() if isinstance(given, Host) else given

    def implementation(self, name: str) -> object:
        """The provider with this name."""
        load = self.spec(name).load
        assert callable(load)
        return load()

    def options(self, name: str) -> type[BaseModel] | None:
        """The pydantic model of its options."""
        return options_model(self.spec(name))

    def obstacle(self, name: str, environ: Mapping[str, str], options: Mapping[str, object]) -> str | None:
        """Why it cannot be called without a key."""
        without_key = self.spec(name).without_key
        return None if without_key is None else without_key(environ, options)


def declared_here(entries: Iterable[Entry]) -> Iterator[Declared]:
    """The declarations of each plugin, imported in this process."""
    for entry in entries:
        late = Late(entry)
        began = time.perf_counter()
        try:
            given = late.given()
            hooks = late.hooks()
        except (Exception, SystemExit) as error:  # a plugin's import and hook may do anything
            wrapped = error if isinstance(error, PluginError) and error.__cause__ else broken(entry, error)
            wrapped.__cause__ = wrapped.__cause__ or error
            yield Declared(entry, late, error=wrapped, seconds=time.perf_counter() - began, trace=told_trace(error))
            continue
        providers = tuple((name, _constant(one)) for name, one in given.items())
        yield Declared(entry, late, providers, hooks, seconds=time.perf_counter() - began)


def _constant(given: ProviderSpec | Host) -> Callable[[], ProviderSpec]:
    return given.spec if isinstance(given, Host) else lambda: given


def broken(entry: Entry, error: BaseException) -> PluginError:
    """The error for a plugin that failed."""
    cause = str(error) if isinstance(error, PluginError) else cause_of(error)
    return PluginError(f"plugin {entry}: {cause}", plugin=entry.name)


def cause_of(error: BaseException) -> str:
    """An error in one line."""
    try:
        text = str(error).strip().partition("\n")[0][:200]
    except Exception:  # a plugin's exception may be as broken as the plugin
        text = "(its message cannot be read)"
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def told_trace(error: BaseException) -> tuple[str, ...]:
    """The traceback, without the frames of the loader."""
    import pluggy  # it is loaded: something was called

    # With the separator: beside the folder "segue" are those of plugins, such as "segue_acme".
    folders = (_OWN, str(Path(pluggy.__file__).parent), str(Path(importlib.__file__).parent))
    machinery = ("<frozen ", *(f"{folder}{os.sep}" for folder in folders))
    told = traceback.TracebackException.from_exception(error)
    part: traceback.TracebackException | None = told
    while part is not None:
        kept = [frame for frame in part.stack if not frame.filename.startswith(machinery)]
        part.stack = traceback.StackSummary.from_list(kept)
        part = part.__cause__ or (None if part.__suppress_context__ else part.__context__)
    lines = [line for text in told.format() for line in text.rstrip("\n").splitlines()]
    return tuple(lines[-_MOST_LINES:])


def loaded(spec: ProviderSpec) -> Provider:
    """Import a provider now; raises whatever its code raises, or TypeError if it is not a provider."""
    if callable(spec.load):
        given = spec.load()
    else:
        module, _, attribute = spec.load.partition(":")
        given = getattr(importlib.import_module(module), attribute)
    return as_provider(given, spec.name)


def given_as_spec(given: object) -> ProviderSpec:
    """The declaration from a value of a plugin; TypeError or ValueError if it cannot be a provider."""
    if isinstance(given, ProviderSpec):
        spec = given
    elif isinstance(given, Host):
        given.check_quirks()
        spec = given.spec()
    elif isinstance(given, type) and issubclass(given, AsyncGeneratorProvider):
        spec = spec_of(given)
    else:
        provider = as_provider(given, "")
        if inspect.iscoroutinefunction(provider.stream):
            raise TypeError(f"stream of {type(provider).__name__} {USE_YIELD}")
        models: object = provider.models()
        if isinstance(models, str) or not isinstance(models, Iterable):
            raise TypeError(f"models() must return a list of models, not {shown(models)}")
        spec = ProviderSpec(provider.name, load=lambda: provider, models=tuple(models))
    _check_name(spec.name)
    if isinstance(spec.models, str) or isinstance(spec.env, str):
        # A string would be read letter by letter.
        raise TypeError("models and env must be lists of names, not one name")
    strange = [name for name in spec.ambient if name not in spec.env]
    if strange:  # a misspelled one would be used as if it had been set for this
        raise ValueError(f"ambient has {strange[0]!r:.80}, which is not one of env")
    if not isinstance(spec.models, Sequence):
        # One that can be read once would be empty.
        raise TypeError(f"models must be a list, not {type(spec.models).__name__}")
    if len(spec.models) > MOST_MODELS:
        raise ValueError(
            f"it declares {len(spec.models)} models; the maximum is {MOST_MODELS}; the host can list the others"
        )
    _check_facts("", spec.shared())
    for model in spec.models:
        if isinstance(model, Model):
            _check_facts(f" of {model.name}", model.capabilities)
        elif not isinstance(model, str):
            raise TypeError(f"{model!r:.80} is not a Model")
    return spec


def _check_name(name: object) -> None:
    if isinstance(name, str) and _NAME.fullmatch(name):
        return
    strange = [] if not isinstance(name, str) else [one for one in name if not one.isascii()]
    # Named, for they look like others.
    told = f": it contains {', '.join(unicodedata.name(one, hex(ord(one))) for one in strange)}" if strange else ""
    told = told or ": allowed are lower-case letters, digits, '-', '_' and '.'"
    raise ValueError(f"{name!r:.80} is not a valid provider name{told}")


def _check_facts(of: str, facts: Capabilities) -> None:
    for name, fact in facts.items():
        if isinstance(fact.value, float) and not math.isfinite(fact.value):
            raise ValueError(f"{name}{of} is {fact.value}")
