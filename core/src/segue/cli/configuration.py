"""``segue config``: whether the configuration is valid, and the settings that it results in; no secret is shown."""

from __future__ import annotations

import os
import ssl
import stat
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from ..config import ChainConfig, is_loopback, read, unknown_variables
from ..config.secrets import KeyStore
from ..errors import ConfigError
from ..plugins.registry import Registry
from ..resilience import Breaker
from .keys import known_providers
from .progress import PROGRESS
from .references import check_references
from .terminal import one_line, output, reserved, say, write_json

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..config import Config, ProviderConfig, Reading

_PLAIN: Final = ChainConfig(())  # of which only the targets are shown


# ── check ────────────────────────────────────────────────────────────────────────────────────────────


def check_configuration(*, config: str | None) -> bool:
    """Read everything, look up every key, print each problem; True if there was none."""
    reading = read(True if config is None else config)
    with reserved(), PROGRESS.during("loading plugins and looking up keys"):
        registry = Registry(rules=reading.config.plugins)
        references = check_references(reading, registry)
        faults = [*_faults(reading, registry), *references.faults]
    for note in (*_notes(reading.config), *references.notes):
        say(f"note: {one_line(note)}")
    lines = faults or list(_what_was_read(reading))
    out = output()
    for line in lines:
        out.write(one_line(line) + "\n")
    return not faults


def _what_was_read(reading: Reading) -> Iterator[str]:
    config = reading.config
    yield from (f"read: {source}" for source in config.sources)
    yield from (f"read: {variable}" for variable in reading.variables)
    if config.keys_file is not None and config.keys_file.exists():
        yield f"read: {config.keys_file}"
    yield "no problems found"


def _faults(reading: Reading, registry: Registry) -> Iterator[str]:
    yield from map(str, reading.faults)
    config = reading.config
    known = known_providers(config, registry)
    for name, provider in config.providers.items():
        if name not in known:
            yield registry.unknown_table(name, provider)
        try:
            _ = provider.api_key
        except ConfigError as error:
            yield str(error)
    yield from _faults_of_store(config)
    if config.ca_file is not None:
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(config.ca_file)
        except (OSError, ssl.SSLError) as error:
            reason = "it contains no certificates" if isinstance(error, ssl.SSLError) else error.strerror
            yield f"{reading.origins.get(('ca_file',), 'ca_file')}: ca_file cannot be used: {reason}"


def _faults_of_store(config: Config) -> Iterator[str]:
    if config.keys_file is None:
        return
    store = KeyStore(config.keys_file)
    try:
        names = store.names()
    except ConfigError as error:
        yield str(error)
        return
    for name in names:
        try:
            reference = store.get(name)
            if reference is not None:
                reference.resolve()
        except ConfigError as error:
            yield str(error)


def _notes(config: Config) -> Iterator[str]:
    for name, near in unknown_variables(os.environ):
        yield f"{name} is not a variable of Segue" + (f"; did you mean {near}?" if near else "")
    holds_keys = any(one.key is not None and one.key.kind == "given" for one in config.providers.values())
    for source in config.sources:
        # The working directory's own can hold no key: it was refused.
        if holds_keys and _readable_by_others(Path(source)):
            yield f"{source} contains a key, and other users may read it: run chmod 600, or use `segue keys set`"
    for name, provider in config.providers.items():
        if (provider.base_url or "").startswith("http:") and not is_loopback(provider.base_url):
            yield f"{provider.where}: requests to {name} are not encrypted: others can read its key and messages"


def _readable_by_others(path: Path) -> bool:
    return os.name == "posix" and bool(path.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH))


# ── show ─────────────────────────────────────────────────────────────────────────────────────────────


def show_configuration(*, config: str | None, as_json: bool) -> None:
    """Print each effective setting, and where it was set; ConfigError if something is wrong."""
    reading = read(True if config is None else config)
    if reading.faults:
        raise ConfigError("\n".join(map(str, reading.faults)))
    entries = [
        {"key": key, "value": value, "source": _origin(reading, place)}
        for key, value, place in _settings(reading.config)
    ]
    if as_json:
        write_json(entries)
        return
    out = output()
    for entry in entries:
        out.write(one_line(f"{entry['key']} = {_text(entry['value'])}  ({entry['source']})") + "\n")


def _origin(reading: Reading, place: tuple[str, ...]) -> str:
    return reading.origins.get(place, "default")


def _text(value: Any) -> str:
    match value:
        case None:
            return "not set"
        case bool():
            return "true" if value else "false"
        case list():
            return ", ".join(map(_text, value)) or "none"
        case _:
            return str(value)


def _settings(config: Config) -> Iterator[tuple[str, Any, tuple[str, ...]]]:
    """Key, value, and place in the file, of everything; of a possible secret, only the kind is shown."""
    from ..config import models
    from ..transport import Timeout

    yield "default.model", config.default, ("default", "model")
    for name, provider in config.providers.items():
        for place, value in _of_provider(provider):
            yield models.shown(("providers", name, *place)), value, ("providers", name)
    for name, chain in config.chains.items():
        yield models.shown(("chains", name)), [str(target) for target in chain.targets], ("chains", name)
        for key in ("balance", "mid_stream", "reject", "hedge", "timeout"):
            value = getattr(chain, key)
            if value != getattr(_PLAIN, key):
                shown = list(value) if isinstance(value, tuple) else value if isinstance(value, str) else repr(value)
                yield models.shown(("chains", name, key)), shown, ("chains", name)
    for name, needs in config.needs.items():
        yield models.shown(("needs", name)), str(needs), ("needs", name)
    for name, facts in config.models.items():
        for fact in facts:
            yield models.shown(("models", name, fact)), facts[fact].value, ("models", name)
    yield "order", list(config.preferences.order), ("order",)
    yield "order_by", config.preferences.order_by, ("order_by",)
    for name, weight in config.preferences.weights:
        yield models.shown(("weights", name)), weight, ("weights", name)
    yield "proxy", _address(config.proxy), ("proxy",)
    yield "ca_file", config.ca_file, ("ca_file",)
    yield "environment_proxies", config.environment_proxies, ("environment_proxies",)
    yield "concurrency", config.concurrency, ("concurrency",)
    tables = (("timeout", config.timeout or Timeout()), ("retry", config.retry), ("retry", config.budget))
    yield "breaker.enabled", config.breaker is not None, ("breaker", "enabled")
    for table, values in (*tables, ("breaker", config.breaker or Breaker())):
        for one in fields(values):
            yield f"{table}.{one.name}", getattr(values, one.name), (table, one.name)


def _of_provider(provider: ProviderConfig) -> Iterator[tuple[tuple[str, ...], Any]]:
    given: dict[str, Any] = {
        "api_key": None if provider.key is None else provider.key.shown,
        "base_url": provider.base_url,
        "proxy": _address(provider.proxy),
        "concurrency": provider.concurrency,
        "wire": provider.wire,
        "models": [model.name for model in provider.models],
        "quirks": list(provider.quirks),
        "env": list(provider.env),
        # Their values may be secret, and are nobody's to tell apart.
        "options": sorted(provider.options),
        "headers": sorted(provider.headers),
    }
    yield from (((key,), value) for key, value in given.items() if value not in (None, []))
    for name, fact in provider.capabilities.items():
        yield ("capabilities", name), fact.value


def _address(url: str | None) -> str | None:
    """An address without user and password."""
    if url is None:
        return None
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
