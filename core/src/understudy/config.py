"""``understudy.toml`` and the environment → settings.

The file in the user's folder (or the one given) holds everything. One in the working directory may
have come with a cloned repository, so it may only say which models are wanted: chains, needs, order.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, TypeAlias, cast, get_args

from .capabilities import Needs
from .errors import ConfigError, NeedsSyntaxError
from .selection import OrderBy, Preferences

if TYPE_CHECKING:
    from pydantic import SecretStr

    from .transport import Timeout

FILE_NAME: Final = "understudy.toml"

ChainTargets: TypeAlias = tuple["str | Needs", ...]
Source: TypeAlias = "bool | str | os.PathLike[str] | Mapping[str, Any]"

_PREFERENCES: Final = ("order", "order_by", "weights")
_WORKING_DIRECTORY_KEYS: Final = frozenset({"chains", "needs", *_PREFERENCES})


@dataclass(frozen=True, slots=True)
class ProviderConfig:
    """One ``[providers.NAME]`` table; ``api_key`` is ``env:NAME`` or the key itself."""

    api_key: SecretStr | None = None
    base_url: str | None = None
    options: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class Config:
    """All settings, read and checked; each field but ``sources`` is a key of the file."""

    providers: Mapping[str, ProviderConfig] = field(default_factory=lambda: MappingProxyType({}))
    chains: Mapping[str, ChainTargets] = field(default_factory=lambda: MappingProxyType({}))
    needs: Mapping[str, Needs] = field(default_factory=lambda: MappingProxyType({}))
    preferences: Preferences = field(default_factory=Preferences)
    proxy: str | None = None
    ca_file: str | None = None
    timeout: Timeout | None = None
    sources: tuple[str, ...] = ()


_KEYS: Final = (
    *(name.name for name in fields(Config) if name.name not in {"sources", "preferences"}),
    *_PREFERENCES,
)


def user_file(environ: Mapping[str, str]) -> Path:
    """Where the user's own file is: ``$XDG_CONFIG_HOME/understudy/``, else ``~/.config/understudy/``."""
    folder = environ.get("XDG_CONFIG_HOME")
    home = Path(folder) if folder else Path(environ.get("HOME") or Path.home()) / ".config"
    return home / "understudy" / FILE_NAME


def load(source: Source = True, *, environ: Mapping[str, str] | None = None, directory: Path | None = None) -> Config:
    """The settings of a file, of a mapping of the same form, or (True) of the usual places; False is none at all."""
    environ = os.environ if environ is None else environ
    if source is False:
        return Config()
    if isinstance(source, Mapping):
        return _read(source, "config", environ)
    if source is not True:
        path = Path(source)
        if not path.is_file():
            raise ConfigError(f"{path}: there is no such file")
        # A file that was named is trusted, also where it is the working directory's own.
        local = Config() if path.resolve() == _local_path(directory).resolve() else _local(directory, environ)
        return _merge(local, _read_file(path, environ))
    path = user_file(environ)
    user = _read_file(path, environ) if path.is_file() else Config()
    return _merge(_local(directory, environ), user)


def _local_path(directory: Path | None) -> Path:
    return (Path.cwd() if directory is None else directory) / FILE_NAME


def _local(directory: Path | None, environ: Mapping[str, str]) -> Config:
    path = _local_path(directory)
    if not path.is_file():
        return Config()
    table = _parse(path)
    for key in table:
        if key not in _WORKING_DIRECTORY_KEYS and key in _KEYS:
            raise ConfigError(
                f"{path}: {key!r} may not stand in a file of the working directory; "
                f"move it to {user_file(environ)} or give the file with --config"
            )
    return _read(table, str(path), environ)


def _merge(under: Config, over: Config) -> Config:
    """The user's own file stands above the working directory's."""
    return replace(
        over,
        chains={**under.chains, **over.chains},
        needs={**under.needs, **over.needs},
        preferences=under.preferences if over.preferences == Preferences() else over.preferences,
        sources=(*under.sources, *over.sources),
    )


def _parse(path: Path) -> Mapping[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise ConfigError(f"{path}: {error}") from None


def _read_file(path: Path, environ: Mapping[str, str]) -> Config:
    return _read(_parse(path), str(path), environ)


def _read(table: Mapping[str, Any], where: str, environ: Mapping[str, str]) -> Config:
    _known(table, _KEYS, where)
    return Config(
        providers={
            name: _provider(_table(value, f"{where}: providers.{name}"), f"{where}: providers.{name}", environ)
            for name, value in _table(table.get("providers", {}), f"{where}: providers").items()
        },
        chains={
            name: _targets(value, f"{where}: chains.{name}")
            for name, value in _table(table.get("chains", {}), f"{where}: chains").items()
        },
        needs={
            name: _needs(value, f"{where}: needs.{name}")
            for name, value in _table(table.get("needs", {}), f"{where}: needs").items()
        },
        preferences=_preferences(table, where),
        proxy=_optional_text(table, "proxy", where),
        ca_file=_optional_text(table, "ca_file", where),
        timeout=_timeout(_table(table["timeout"], f"{where}: timeout"), f"{where}: timeout")
        if "timeout" in table
        else None,
        sources=(where,),
    )


def _preferences(table: Mapping[str, Any], where: str) -> Preferences:
    order_by = table.get("order_by")
    if order_by is not None and order_by not in get_args(OrderBy):
        raise ConfigError(f"{where}: order_by must be one of {', '.join(get_args(OrderBy))}")
    weights = _table(table.get("weights", {}), f"{where}: weights")
    for name, value in weights.items():
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise ConfigError(f"{where}: weights.{name} must be a number")
    return Preferences(
        order=tuple(_text(name, f"{where}: order") for name in _list(table.get("order", []), f"{where}: order")),
        order_by=order_by,
        weights=tuple(weights.items()),
    )


def _provider(table: Mapping[str, Any], where: str, environ: Mapping[str, str]) -> ProviderConfig:
    _known(table, ("api_key", "base_url", "options"), where)
    key = _optional_text(table, "api_key", where)
    if key is not None and key.startswith("env:"):
        name = key.removeprefix("env:")
        key = environ.get(name)
        if not key:
            raise ConfigError(f"{where}: api_key names the variable {name}, which is not set")
    return ProviderConfig(
        api_key=secret(key) if key is not None else None,
        base_url=_optional_text(table, "base_url", where),
        options=_table(table.get("options", {}), f"{where}: options"),
    )


def secret(value: str) -> SecretStr:
    """A value that no log, repr or error shows."""
    from pydantic import SecretStr  # pydantic is loaded only where there is a secret to hold

    return SecretStr(value)


def _targets(value: object, where: str) -> ChainTargets:
    table = {"targets": value} if isinstance(value, list) else _table(value, where)
    _known(table, ("targets",), where)
    targets = _list(table.get("targets", []), where)
    if not targets:
        raise ConfigError(f"{where}: a chain needs at least one target")
    return tuple(_target(target, where) for target in targets)


def _target(value: object, where: str) -> str | Needs:
    if isinstance(value, Mapping):
        _known(value, ("needs",), where)
        return _needs(value.get("needs", ""), where)
    return _text(value, where)


def _needs(value: object, where: str) -> Needs:
    try:
        return Needs(_text(value, where))
    except NeedsSyntaxError as error:
        raise ConfigError(f"{where}: {error}") from None


def _timeout(table: Mapping[str, Any], where: str) -> Timeout:
    from .transport import Timeout  # aiohttp is loaded only where a limit is set

    names = tuple(name.name for name in fields(Timeout))
    _known(table, names, where)
    for name, value in table.items():
        if isinstance(value, bool) or not isinstance(value, (int, float)) or value <= 0:
            raise ConfigError(f"{where}: {name} must be a number of seconds above 0")
    return Timeout(**table)


def _known(table: Mapping[str, Any], names: tuple[str, ...], where: str) -> None:
    for key in table:
        if key not in names:
            near = difflib.get_close_matches(key, names, n=1)
            raise ConfigError(
                f"{where}: unknown key {key!r}"
                + (f"; did you mean {near[0]!r}?" if near else f"; known are {', '.join(names)}")
            )


def _table(value: object, where: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ConfigError(f"{where} must be a table")
    return cast("Mapping[str, Any]", value)


def _list(value: object, where: str) -> list[object]:
    if not isinstance(value, (list, tuple)):
        raise ConfigError(f"{where} must be a list")
    return list(value)


def _text(value: object, where: str) -> str:
    if not isinstance(value, str) or not value:
        raise ConfigError(f"{where} must be text")
    return value


def _optional_text(table: Mapping[str, Any], key: str, where: str) -> str | None:
    return _text(table[key], f"{where}: {key}") if key in table else None
