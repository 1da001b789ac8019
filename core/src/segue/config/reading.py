"""Read files, a mapping and the environment into settings, with everything that is wrong in them.

The environment overrides the user's file (or the file that was named), which overrides the file in the working
directory. A table such as ``[chains]`` is merged by name. With a mapping, neither files nor variables are read.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Mapping
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from ..capabilities import Capabilities
from ..errors import ConfigError
from ..provider.contract import Model
from ..resilience import Breaker, Budget, Hedge, Retry
from ..selection import Preferences
from ..values import dataclass
from .environment import FILE_NAME, keys_file, named_file, read_value, user_file, variables_set
from .settings import ChainConfig, Config, PluginRules, ProviderConfig, TargetConfig, is_loopback

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..transport import Timeout
    from ..transport.downloads import Downloads
    from . import lines, models
    from .secrets import Key

Source: TypeAlias = "bool | str | os.PathLike[str] | Mapping[str, Any]"

MAX_BYTES: Final = 1024 * 1024
"""Maximum size of a configuration file."""

_MOST_DEPTH: Final = 32
_MOST_SHOWN: Final = 200
_SYNTAX: Final = re.compile(r"(.*) \(at (?:line (\d+), column (\d+)|end of document)\)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong and its place (``FILE:LINE`` or a variable), in words without a value."""

    where: str
    text: str

    def __str__(self) -> str:
        return f"{self.where}: {self.text}"


@dataclass(frozen=True, slots=True)
class Reading:
    """The settings of everything that is valid, and the faults of the rest.

    ``origins`` says where each key, or each name in a table, was set; ``variables`` are the variables that
    were read.
    """

    config: Config
    faults: tuple[Fault, ...] = ()
    origins: Mapping[tuple[str, ...], str] = field(default_factory=dict)
    variables: tuple[str, ...] = ()
    places: Mapping[tuple[str, ...], Callable[[lines.Path], str]] = field(default_factory=dict, repr=False)

    def where(self, *path: str | int) -> str:
        """The ``FILE:LINE`` or the variable where this was set, as exactly as possible.

        The targets of a chain are found in both of its forms.
        """
        place = self.places.get(path[:2]) or self.places.get(path[:1])  # type: ignore[arg-type]
        if place is None:
            return "the configuration"
        if path[0] == "chains" and path[2:3] == ("targets",):
            as_list = place((*path[:2], *path[3:]))
            return as_list if as_list != place(path[:2]) else place(path)
        return place(path)


@dataclass(frozen=True, slots=True)
class _Layer:
    """One source, its values plain; ``place`` is where a key of it stands."""

    table: Mapping[str, Any]
    place: Callable[[lines.Path], str]
    name: str = ""


def load(source: Source = True, *, environ: Mapping[str, str] | None = None, directory: Path | None = None) -> Config:
    """The settings of a file, of a mapping with the same keys, or (True) of the usual places; False reads nothing.

    ConfigError has a line for each fault, with its file and line number.
    """
    reading = read(source, environ=environ, directory=directory)
    if reading.faults:
        raise ConfigError("\n".join(map(str, reading.faults)))
    return reading.config


def read(source: Source = True, *, environ: Mapping[str, str] | None = None, directory: Path | None = None) -> Reading:
    """Like `load`, but returns the faults instead of raising them."""
    environ = os.environ if environ is None else environ
    if source is False:
        return Reading(Config())
    reader = _Reader(environ)
    if isinstance(source, Mapping):
        reader.add(_Layer(_plain(source), lambda _: "config", "config"))
        return reader.reading(None)
    named = named_file(environ) if source is True else Path(source)
    if named is not False:
        trusted = user_file(environ) if named is None else named
        reader.add_local(directory, trusted)
        if named is None:
            reader.add_file(trusted, missing_ok=True)
        else:
            reader.add_file(trusted, missing_ok=False)
    reader.add_variables()
    return reader.reading(keys_file(environ))


class _Reader:
    """Reads one source after the other; each overrides those before it."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.environ = environ
        self.faults: list[Fault] = []
        self.merged: dict[str, Any] = {}
        self.origins: dict[tuple[str, ...], str] = {}
        self.places: dict[tuple[str, ...], Callable[[lines.Path], str]] = {}
        self.sources: list[str] = []
        self.variables: tuple[str, ...] = ()
        self.local_chains: frozenset[str] = frozenset()
        self.rules_unread = False

    # ── sources ──────────────────────────────────────────────────────────────────────────────────────

    def add_file(self, path: Path, *, missing_ok: bool) -> None:
        """The user's own file, or the one that was named: trusted with everything."""
        try:
            text = _read_text(path, follow=True)
        except FileNotFoundError:
            if not missing_ok:
                self.faults.append(Fault(str(path), "the file does not exist"))
                self.rules_unread = True
            return
        except (OSError, ValueError) as error:
            self.faults.append(_unreadable(path, error))
            self.rules_unread = True
            return
        layer = self.parse(path, text)
        if layer is None:
            self.rules_unread = True
        else:
            if isinstance(authorities := layer.table.get("ca_file"), str):
                # Not of the working directory, where anybody's file may be.
                located = str(path.parent.absolute() / Path(authorities).expanduser()) if authorities else ""
                layer = _Layer({**layer.table, "ca_file": located}, layer.place, layer.name)
            self.add(layer)

    def add_local(self, directory: Path | None, trusted: Path) -> None:
        """The working directory's file, which may have come with a cloned repository."""
        path = (Path() if directory is None else directory) / FILE_NAME
        try:
            path = path.absolute()
            mode = path.lstat().st_mode
            if trusted.exists() and path.samefile(trusted):
                return
            if stat.S_ISLNK(mode):
                self.faults.append(
                    Fault(str(path), "it is a link, and links in the working directory are not followed; remove it")
                )
            if not stat.S_ISREG(mode):
                return
            text = _read_text(path, follow=False)
        except (FileNotFoundError, NotADirectoryError):
            return  # nothing there, or the working directory itself is gone
        except (OSError, ValueError) as error:
            self.faults.append(_unreadable(path, error))
            return
        layer = self.parse(path, text)
        if layer is None:
            return
        from . import models

        for key in layer.table:
            if key in models.KEYS and key not in models.LOCAL_KEYS:
                self.faults.append(
                    Fault(
                        layer.place((key,)),
                        f"{key!r} is not allowed in a file in the working directory; "
                        f"move it to {user_file(self.environ)} or give the file with --config",
                    )
                )
        allowed = {
            key: value for key, value in layer.table.items() if key in models.LOCAL_KEYS or key not in models.KEYS
        }
        for name, chain in _tables(allowed.get("chains")):
            targets = chain.get("targets") if isinstance(chain, Mapping) else chain
            for target in targets if isinstance(targets, list) else ():
                if isinstance(target, dict) and target.pop("options", None) is not None:
                    # What a provider's options may do is its own to know: to name a host, to spend money.
                    told = "options of a target are not allowed in a file in the working directory"
                    self.faults.append(Fault(layer.place(("chains", name)), told))
        if self.add(_Layer(allowed, layer.place, layer.name)):
            self.local_chains = frozenset(allowed.get("chains", ()))

    def add_variables(self) -> None:
        """The variables ``SEGUE_…`` that override a key."""
        table: dict[str, Any] = {}
        names: dict[lines.Path, str] = {}
        found = variables_set(self.environ)
        for variable in found:
            try:
                value = read_value(variable, self.environ[variable.name])
            except ValueError as error:
                self.faults.append(Fault(variable.name, str(error)))
                continue
            *tables, key = variable.key
            inner = table
            for name in tables:
                inner = inner.setdefault(name, {})
            inner[key] = value
            names[variable.key] = variable.name
        self.variables = tuple(variable.name for variable in found)
        self.add(_Layer(table, lambda path: names.get(path) or names.get(path[:1]) or "the environment"))

    def parse(self, path: Path, text: str) -> _Layer | None:
        """A file's text as a layer that knows its lines; None, and a fault, if it is not valid TOML."""
        import tomllib  # with this and the next only where there is a file

        from .lines import DepthError, key_lines

        try:
            # First this, for it refuses what is nested so deeply that the parser would break or take long.
            known = key_lines(text)
            table = tomllib.loads(text)
        except DepthError as error:
            fault = Fault(f"{path}:{error.line}", str(error))
        except (tomllib.TOMLDecodeError, RecursionError) as error:
            fault = _syntax_fault(path, text, error)
        except ValueError:  # a number of thousands of digits
            fault = Fault(str(path), "it contains a number that is too long")
        else:
            return _Layer(table, lambda place: _located(path, place, known), str(path))
        self.faults.append(fault)
        return None

    # ── putting together ─────────────────────────────────────────────────────────────────────────────

    def add(self, layer: _Layer) -> bool:
        """Put a layer above what there is; False, and its faults, if it is not sound."""
        if layer.name:
            self.sources.append(layer.name)
        if not layer.table:
            return True
        from . import models  # and with it pydantic, which nothing needs where no table is read

        _, faults = models.check(layer.table)
        # In the order of the file, as one who mends it goes through it.
        told = [Fault(layer.place(path), text) for path, text in faults]
        self.faults += sorted(told, key=lambda fault: _line(fault.where))
        if faults:
            self._keep_rules(layer)
            return False
        for key, given in layer.table.items():
            # As a table, so that one source may set another key of it than the next.
            is_short = key in models.SHORT and not isinstance(given, Mapping)
            value = {models.SHORT[key]: given} if is_short else given
            if isinstance(value, Mapping):
                self.merged.setdefault(key, {}).update(value)
                for name in value:
                    self.origins[key, name] = layer.place((key, name))
                    self.places[key, name] = layer.place
            else:
                self.merged[key] = value
                self.origins[(key,)] = layer.place((key,))
                self.places[(key,)] = layer.place
        return True

    def _keep_rules(self, layer: _Layer) -> None:
        """What is denied stays denied where something else in the file is wrong."""
        from . import models

        table = {"plugins": layer.table["plugins"]} if "plugins" in layer.table else {}
        _, faults = models.check(table)
        if faults:
            self.rules_unread = True
        elif table:
            self.merged.setdefault("plugins", {}).update(table["plugins"])

    def reading(self, keys: Path | None) -> Reading:
        """All of it."""
        if not self.merged:
            # A test holds it equal to what comes of no table in the way below.
            plugins = PluginRules(unread=self.rules_unread)
            config = Config(
                sources=tuple(self.sources), keys_file=keys, local_chains=self.local_chains, plugins=plugins
            )
            return Reading(config, tuple(self.faults), self.origins, self.variables, self.places)
        from . import models

        file, faults = models.check(self.merged)
        assert file is not None, faults  # each layer was sound
        config = Config(
            providers={name: self.provider(name, table) for name, table in file.providers.items()},
            chains={name: _chain(table) for name, table in file.chains.items()},
            needs=file.needs,
            preferences=Preferences(order=file.order, order_by=file.order_by, weights=tuple(file.weights.items())),
            proxy=file.proxy,
            ca_file=file.ca_file,
            timeout=_timeout(file.timeout),
            sources=tuple(self.sources),
            models={
                name: Capabilities(facts, source=self.origins["models", name]) for name, facts in file.models.items()
            },
            environment_proxies=file.environment_proxies,
            retry=Retry(file.retry.count, file.retry.base, file.retry.cap),
            budget=Budget(file.retry.ratio, file.retry.reserve),
            breaker=Breaker(**file.breaker.model_dump(exclude={"enabled"})) if file.breaker.enabled else None,
            concurrency=file.concurrency,
            keys_file=keys,
            local_chains=self.local_chains,
            downloads=_downloads(file.downloads),
            host_messages=file.host_messages,
            plugins=PluginRules(
                **{name: getattr(file.plugins, name) for name in type(file.plugins).model_fields},
                unread=self.rules_unread,
            ),
            default=file.default.model,
            default_origin=self.origins.get(("default", "model"), ""),
        )
        return Reading(config, tuple(self.faults), self.origins, self.variables, self.places)

    def provider(self, name: str, table: models.ProviderTable) -> ProviderConfig:
        from . import models
        from .secrets import Reference

        place = self.places["providers", name]
        where = self.origins["providers", name]
        key = None
        if table.api_key is not None:
            at: lines.Path = ("providers", name, "api_key")
            key = Reference(
                table.api_key.get_secret_value(),
                where=f"{place(at)}: {models.shown(at)}",
                environ=self.environ,
            )
        return ProviderConfig(
            key=key,
            base_url=table.base_url,
            options=table.options,
            headers=table.headers,
            proxy=table.proxy,
            concurrency=table.concurrency,
            wire=table.wire,
            models=tuple(_model(model, where) for model in table.models),
            capabilities=Capabilities(table.capabilities, source=where),
            quirks=table.quirks,
            env=_variables(name, table),
            where=where,
        )


def _model(model: str | models.ModelTable, where: str) -> Model:
    if isinstance(model, str):
        return Model(model)
    return Model(model.name, Capabilities(model.__pydantic_extra__, source=where))


def _variables(name: str, table: models.ProviderTable) -> tuple[str, ...]:
    """The variables that may hold the key of the user's own host; empty if it needs no key."""
    if table.wire is None:
        return ()
    required = table.key_required
    if required is None:
        required = table.env is not None or not is_loopback(table.base_url)
    if not required:
        return ()
    return (table.env or f"{re.sub('[.-]', '_', name).upper()}_API_KEY",)


def _tables(value: object) -> Iterator[tuple[str, object]]:
    return iter(value.items() if isinstance(value, Mapping) else ())


def _chain(table: models.ChainTable) -> ChainConfig:
    return ChainConfig(
        targets=tuple(_target(target) for target in table.targets),
        balance=table.balance,
        mid_stream=table.mid_stream,
        hedge=None if table.hedge is None else Hedge(**table.hedge.model_dump()),
        reject=table.reject,
        timeout=_limits(table.timeout),
    )


def _target(target: str | models.TargetTable) -> TargetConfig:
    if isinstance(target, str):
        return TargetConfig(target)
    what = target.model or target.chain or target.needs
    assert what is not None
    return TargetConfig(
        what,
        chain=target.chain,
        weight=target.weight,
        timeout=_limits(target.timeout),
        settings=target.settings,
        options=target.options,
        concurrency=target.concurrency,
    )


def _limits(given: float | models.TimeoutTable | None) -> Timeout | float | None:
    return given if given is None or isinstance(given, (int, float)) else _timeout(given)


def _timeout(table: models.TimeoutTable) -> Timeout | None:
    given = table.model_dump(exclude_unset=True)
    if not given:
        return None
    from ..transport import Timeout  # aiohttp is loaded only where a limit is set

    return Timeout(**given)


def _downloads(table: models.DownloadsTable) -> Downloads | None:
    if not table.enabled:
        return None
    from ..transport.downloads import Downloads  # and with it aiohttp: only where they are allowed

    return Downloads(**table.model_dump(exclude_unset=True, exclude={"enabled"}))


def secret(value: str) -> Key:
    """A value that never appears in a log, repr, pickle or error."""
    from .secrets import Key  # only where there is a secret to hold

    return Key(value)


# ── text ─────────────────────────────────────────────────────────────────────────────────────────────


def _read_text(path: Path, *, follow: bool) -> str:
    """The text of a regular file; OSError, or ValueError with the reason."""
    # Without O_NONBLOCK a pipe by that name would be waited for.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
    if not follow:
        flags |= getattr(os, "O_NOFOLLOW", 0)
    descriptor = os.open(path, flags)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ValueError("it is not a regular file")
        with open(descriptor, "rb", closefd=False) as file:
            data = file.read(MAX_BYTES + 1)
    finally:
        os.close(descriptor)
    if len(data) > MAX_BYTES:
        raise ValueError(f"it is larger than {MAX_BYTES // 1024} KiB")
    return data.decode("utf-8-sig")  # some editors put a mark first


def _unreadable(path: Path, error: OSError | ValueError) -> Fault:
    match error:
        case OSError():
            return Fault(str(path), error.strerror or type(error).__name__)
        case UnicodeDecodeError():
            line = bytes(error.object).count(b"\n", 0, error.start) + 1
            return Fault(f"{path}:{line}", "it is not UTF-8 text")
        case _:
            return Fault(str(path), str(error))


def _syntax_fault(path: Path, text: str, error: Exception) -> Fault:
    """What the parser found; its sentence names keys and single characters, never a value."""
    found = _SYNTAX.fullmatch(str(error))
    if found is None:
        return Fault(str(path), "it is not valid TOML")
    line = int(found[2]) if found[2] else text.count("\n") + 1
    column = f", column {found[3]}" if found[3] else ""
    return Fault(f"{path}:{line}", f"it is not valid TOML: {found[1][:_MOST_SHOWN]}{column}")


def _line(place: str) -> int:
    """The line that a place names; 0 where it names none."""
    number = place.rpartition(":")[2]
    return int(number) if number.isdecimal() else 0


def _located(path: Path, place: lines.Path, known: Mapping[lines.Path, int]) -> str:
    for length in range(len(place), 0, -1):
        if place[:length] in known:
            return f"{path}:{known[place[:length]]}"
    return str(path)


def _plain(value: Any, depth: int = 0) -> Any:
    """A mapping of any kind as TOML would have given it."""
    if depth > _MOST_DEPTH:
        raise ConfigError("config: nested too deeply")
    if isinstance(value, Mapping):
        return {str(key): _plain(inner, depth + 1) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(inner, depth + 1) for inner in value]
    return value
