"""``segue doctor``: the state of this installation, with the cause of each problem."""

from __future__ import annotations

import json
import os
import platform
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

from .. import __version__
from .. import config as configuration
from ..plugins import COMMANDS, PROVIDERS, Trust, installed, record_of
from ..plugins.registry import Registry
from .progress import PROGRESS
from .terminal import clean, one_line, output, reserved

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..config import Config
    from ..plugins.registry import Installed, Plugin


def print_pins(*, config: str | None) -> None:
    """Print each distribution with plugins in the form of `[plugins] allow`, with its version and hash."""
    rules = replace(configuration.read(True if config is None else config).config.plugins, allow=None)
    trust = Trust(rules, os.environ)
    pins = {}
    for entry in (*installed(PROVIDERS), *installed(COMMANDS)):
        record = record_of(entry) if trust.allows(entry) else None
        pins[entry.distribution] = f"{entry.distribution}=={entry.version}" + (f"@sha256:{record}" if record else "")
    lines = "".join(f"    {json.dumps(pin)},\n" for _, pin in sorted(pins.items()))
    output().write(f"[plugins]\nallow = [\n{lines}]\n")


def examine(*, config: str | None) -> bool:
    """Print the state of the installation; True if nothing is broken."""
    report = _Report()
    report.line(f"segue {__version__}, Python {platform.python_version()} ({sys.executable})")
    report.line(f"on {platform.platform()}")
    report.head("configuration")
    settings, is_valid = _configuration(report, config)
    with reserved(), PROGRESS.during("importing each plugin in a separate process"):
        registry = Registry(rules=replace(settings.plugins, strict=False), anew=True)
    report.head("plugins")
    if not registry.plugins:
        report.line("no plugin is installed, or plugins are switched off")
    for plugin in registry.plugins:
        _plugin(report, plugin)
    for error in registry.conflicts.values():
        report.wrong(str(error))
    for name, configured in settings.providers.items():
        if configured.wire is None and name not in registry.installed and name not in registry.conflicts:
            report.wrong(registry.unknown_table(name, configured))
    if (
        # A file that is not valid may describe a host, and decides which plugins are loaded.
        is_valid
        and all(one.spec.access != "open" for one in registry.installed.values())
        and not any(configured.wire is not None for configured in settings.providers.values())
    ):
        report.wrong("; ".join(registry.what_to_install()) or "there is no provider: plugins are switched off")
    report.head("keys")
    for text in registry.unused_keys():
        report.line(text)
    keyed = [(name, one) for name, one in sorted(registry.installed.items()) if one.spec.env]
    if not keyed:
        report.line("no provider needs one" if is_valid else "not checked: the configuration is not valid")
    for name, one in keyed:
        _keys(report, name, one, settings)
    report.head("")
    report.line("no problems found" if not report.found else f"problems found: {report.found}, see 'broken:' above")
    return not report.found


class _Report:
    """Lines on stdout; counts what is wrong."""

    def __init__(self) -> None:
        self.found = 0

    def line(self, text: str) -> None:
        output().write(f"  {one_line(text)}\n")

    def head(self, text: str) -> None:
        output().write(f"{text}\n")

    def detail(self, text: str) -> None:
        output().write(f"    {one_line(text)}\n")

    def trace(self, lines: Sequence[str]) -> None:
        output().writelines(f"    {clean(line)}\n" for line in lines)

    def wrong(self, text: str) -> None:
        self.found += 1
        # Of several lines, as those that point at a place in needs, the first one carries the mark.
        output().write("\n".join(f"  {line}" for line in f"broken: {clean(text)}".splitlines()) + "\n")


def _configuration(report: _Report, config: str | None) -> tuple[Config, bool]:
    """The settings, and whether all of them are valid."""
    reading = configuration.read(True if config is None else config)
    if reading.faults:
        for fault in reading.faults:
            report.wrong(str(fault))
        return configuration.Config(plugins=reading.config.plugins), False  # what is denied stays denied
    settings = reading.config
    for source in settings.sources:
        report.line(f"read: {source}")
    if not settings.sources:
        report.line(f"there is no file; yours would be {configuration.user_file(os.environ)}")
    return settings, True


def _plugin(report: _Report, plugin: Plugin) -> None:
    of = f"{plugin.name} of {plugin.distribution} {plugin.version}".rstrip()
    if plugin.obstacle is not None:
        report.line(f"{of}: not loaded: {plugin.obstacle}")
        return
    if plugin.error is None:
        provides = [*plugin.providers, *(name for name in plugin.hooks if name != "segue_providers")]
        report.line(f"{of}: {', '.join(provides) or 'nothing'}")
    else:
        report.wrong(f"{of}: {str(plugin.error).removeprefix(f'plugin {plugin.name!r} of {plugin.distribution}: ')}")
    report.detail(f"{plugin.file or 'file not found'}, imported in {plugin.seconds * 1000:.0f} ms")
    report.trace(plugin.trace)
    if plugin.printed:
        report.detail(f"its import prints {plugin.printed!r}")
    if plugin.replaced:
        report.detail(f"its import replaces {', '.join(plugin.replaced)}")
    for name, (cause, trace) in plugin.unloadable.items():
        report.wrong(f"the provider {name!r} of {plugin.distribution} cannot be loaded: {cause}")
        report.trace(trace)


def _keys(report: _Report, name: str, one: Installed, settings: Config) -> None:
    source = configuration.find_key(settings, name, one.spec.env, environ=os.environ)
    if source is None and one.spec.without_key is not None:
        table = settings.providers.get(name)
        told = one.spec.keyless(os.environ, {} if table is None else table.options)
        report.line(f"{name}: {told or 'its credentials are not a key'}")
    elif source is None:
        where = f" (get one at {one.spec.key_url})" if one.spec.key_url else ""
        report.line(f"{name}: {' or '.join(one.spec.env)} is not set{where}")
    elif source.obstacle is not None:
        report.wrong(f"{name}: {source.obstacle}")
    elif source.kind == "environment":
        report.line(f"{name}: {source.where} is set")
    elif source.kind == "store":
        report.line(f"{name}: stored in {source.where}")
    else:
        report.line(f"{name}: set in the configuration")
