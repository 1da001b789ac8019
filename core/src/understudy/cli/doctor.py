"""``understudy doctor``: how this installation stands, with the cause of what is broken."""

from __future__ import annotations

import os
import platform
import sys
import sysconfig
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

from .. import __version__
from .. import config as configuration
from ..errors import ConfigError, PluginError
from ..registry import Registry
from .terminal import clean, one_line, output

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..config import Config
    from ..registry import Installed, Plugin

_OWN = Path(__file__).resolve().parents[1]
_LIBRARY = sysconfig.get_path("stdlib")
_FRAMES = 5


def examine(*, config: str | None) -> bool:
    """Print what there is; whether all of it is well."""
    report = _Report()
    report.line(f"understudy {__version__}, Python {platform.python_version()} ({sys.executable})")
    report.line(f"on {platform.platform()}")
    report.head("configuration")
    settings = _configuration(report, config)
    registry = Registry()
    report.head("plugins")
    if not registry.plugins:
        report.line("none is installed")
    for plugin in registry.plugins:
        _plugin(report, registry, plugin)
    for error in registry.conflicts.values():
        report.wrong(str(error))
    for name, configured in settings.providers.items():
        if configured.wire is None and name not in registry.installed and name not in registry.conflicts:
            report.wrong(f"[providers.{name}] is configured, but no provider of that name is installed")
    report.head("keys")
    keyed = [(name, one) for name, one in sorted(registry.installed.items()) if one.spec.env]
    if not keyed:
        report.line("no provider wants one")
    for name, one in keyed:
        _keys(report, name, one, settings)
    report.head("")
    report.line("all is well" if not report.found else f"{report.found} found broken: see 'broken:' above")
    return not report.found


class _Report:
    """Lines on stdout; counts what is wrong."""

    def __init__(self) -> None:
        self._out = output()
        self.found = 0

    def line(self, text: str) -> None:
        self._out.write(f"  {one_line(text)}\n")

    def head(self, text: str) -> None:
        self._out.write(f"{text}\n")

    def wrong(self, text: str) -> None:
        self.found += 1
        # Of several lines, as those that point at a place in needs, the first one carries the mark.
        self._out.write("\n".join(f"  {line}" for line in f"broken: {clean(text)}".splitlines()) + "\n")


def _configuration(report: _Report, config: str | None) -> Config:
    try:
        settings = configuration.load(True if config is None else config)
    except ConfigError as error:
        report.wrong(str(error))
        return configuration.Config()
    for source in settings.sources:
        report.line(f"read: {source}")
    if not settings.sources:
        report.line(f"no file; the user's would be {configuration.user_file(os.environ)}")
    return settings


def _plugin(report: _Report, registry: Registry, plugin: Plugin) -> None:
    of = f"{plugin.name} of {plugin.distribution} {plugin.version}"
    if plugin.error is not None:
        report.wrong(f"{of}: {_reason(plugin.error)}")
        _places(report, plugin.error)
        return
    report.line(f"{of}: {', '.join(plugin.providers) or 'no provider'}")
    for name in plugin.providers:
        if name in registry.conflicts:
            continue
        try:
            registry.provider(name)  # a declaration may be well where the code behind it is not
        except PluginError as error:
            report.wrong(str(error))
            _places(report, error)


def _reason(error: PluginError) -> str:
    """What happened, without the plugin's name that stands before it."""
    cause = error.__cause__
    return str(error) if cause is None else "".join(traceback.format_exception_only(cause)).strip().splitlines()[-1]


def _places(report: _Report, error: PluginError) -> None:
    for place in _frames(error.__cause__):
        report.line(f"  at {place}")


def _frames(error: BaseException | None) -> Iterator[str]:
    """Where it happened: the last places in the plugin's code, and in what it calls."""
    if error is None:
        return
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not _is_machinery(frame.filename)]
    for frame in frames[-_FRAMES:]:
        yield f"{frame.filename}:{frame.lineno} in {frame.name}"
    if isinstance(error, SyntaxError) and error.filename is not None:
        yield f"{error.filename}:{error.lineno}"


def _is_machinery(filename: str) -> bool:
    """Whether a frame is of what loads and calls plugins, or of Python's own library."""
    path = Path(filename)
    installed = {"site-packages", "dist-packages"} & set(path.parts)
    return filename.startswith("<") or path.is_relative_to(_OWN) or "pluggy" in path.parts or (
        path.is_relative_to(_LIBRARY) and not installed
    )  # fmt: skip


def _keys(report: _Report, name: str, one: Installed, settings: Config) -> None:
    source = configuration.find_key(settings, name, one.spec.env, environ=os.environ)
    if source is None and one.spec.without_key is not None:
        table = settings.providers.get(name)
        told = one.spec.without_key(os.environ, {} if table is None else table.options)
        report.line(f"{name}: {told or 'it has credentials of another kind than a key'}")
    elif source is None:
        where = f" (get one at {one.spec.key_url})" if one.spec.key_url else ""
        report.line(f"{name}: {' or '.join(one.spec.env)} is not set{where}")
    elif source.obstacle is not None:
        report.wrong(f"{name}: {source.obstacle}")
    elif source.kind == "environment":
        report.line(f"{name}: {source.where} is set")
    elif source.kind == "store":
        report.line(f"{name}: kept in {source.where}")
    else:
        report.line(f"{name}: set in the configuration")
