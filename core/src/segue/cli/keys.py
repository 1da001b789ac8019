"""``segue keys``: the key store, and every other place where a key comes from; a key is never shown."""

from __future__ import annotations

import getpass
import os
import re
import sys
import warnings
from typing import TYPE_CHECKING, Any, Final

import click

from ..config import key_sources, read
from ..config.secrets import MAX_BYTES, Key, KeyStore, Reference, put_in_keyring
from ..display import closest
from ..errors import ConfigError
from ..plugins.registry import Registry
from .progress import PROGRESS
from .terminal import is_terminal, one_line, output, reserved, say, write_json

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..config import Config, KeySource, Reading

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_.-]*")


def set_key(name: str, *, in_keyring: bool, force: bool) -> None:
    """Ask for a key, or read it from stdin, and store it in the key store or the keyring."""
    reading = _read()
    with reserved():
        registry = Registry(rules=reading.config.plugins)
    _check_name(name, reading.config, registry, force=force)
    store = _store(reading.config)
    store.names()  # whether it can be used is told before the key is asked for
    key = _ask(name)
    if in_keyring:
        with PROGRESS.during("waiting for the keyring"):
            put_in_keyring(name, key)
        store.set(name, f"keyring:{name}")
        say(f"{name}: stored in the keyring; {store.path} refers to it")
    else:
        previous = store.get(name)
        store.set(name, key.get_secret_value())
        if previous is not None:
            previous.forget()
        say(f"{name}: stored in {store.path}")
    for source in _sources(reading.config, name, registry):
        if source.kind != "store":
            say(f"note: {one_line(source.where)} overrides it")


def list_keys(*, as_json: bool) -> None:
    """Print the name of each key and where it comes from; the first one of a name is used."""
    config = _read().config
    with reserved():
        registry = Registry(rules=config.plugins)
    entries = [
        _entry(name, source, used=place == 0)
        for name in _names(config, registry)
        for place, source in enumerate(_sources(config, name, registry))
    ]
    if as_json:
        write_json(entries)
        return
    out = output()
    for entry in entries:
        text = f"{entry['name']}: {entry['where']} ({entry['source']})"
        if not entry["used"]:
            text += ", not used: the one above overrides it"
        if entry["fault"] is not None:
            text += f", broken: {entry['fault']}"
        out.write(one_line(text) + "\n")
    if not entries:
        say("note: there is no key; `segue keys set PROVIDER` stores one")


def remove_key(name: str) -> None:
    """Remove a key from the key store, and from the keyring if it is stored there."""
    store = _store(_read().config)
    names = store.names()
    if name not in names:
        near = closest(name, names)
        told = "" if near is None else f"; did you mean {near!r}?"
        raise ConfigError(f"{store.path} has no key for {name!r}{told}")
    try:
        reference = store.get(name)
    except ConfigError:
        reference = None  # a line that cannot be a key can be removed as well
    if reference is not None:
        reference.forget()
    store.remove(name)
    say(f"{name}: removed from {store.path}")


def variables_of(name: str, config: Config, registry: Registry) -> tuple[str, ...]:
    """The variables that may contain the key of a provider, either installed or the user's own host."""
    configured = config.providers.get(name)
    if configured is not None and configured.wire is not None:
        return configured.env
    installed = registry.installed.get(name)
    return () if installed is None else tuple(installed.spec.env)


def known_providers(config: Config, registry: Registry) -> set[str]:
    """Every name that a key or a table can refer to."""
    broken = {plugin.name for plugin in registry.broken}
    own = {name for name, provider in config.providers.items() if provider.wire is not None}
    return {*registry.installed, *registry.conflicts, *broken, *own}


def nearest(name: str, known: Iterable[str]) -> str:
    """The end of a sentence that says that a name is unknown."""
    names = sorted(known)
    near = closest(name, names)
    return f"; did you mean {near!r}?" if near is not None else f"; expected one of {', '.join(names)}" if names else ""


def _read() -> Reading:
    reading = read()
    if reading.faults:
        say("note: the configuration has problems, see `segue config check`")
    return reading


def _store(config: Config) -> KeyStore:
    if config.keys_file is None:
        raise ConfigError("there is no key store: SEGUE_KEYS switches it off")
    return KeyStore(config.keys_file)


def _check_name(name: str, config: Config, registry: Registry, *, force: bool) -> None:
    if not _NAME.fullmatch(name):
        raise ConfigError(f"{name!r} is not a provider name: use lower-case letters, digits, '-', '_' and '.'")
    if name not in known_providers(config, registry) and not force:
        raise ConfigError(f"{registry.not_installed(name)} (--force stores its key anyway)")


def _ask(name: str) -> Key:
    """The key from a prompt that shows nothing, or from stdin; ConfigError if it can be none."""
    if sys.stdin is None:
        raise ConfigError("stdin is closed: the key cannot be read")
    text = _prompt(name) if is_terminal(sys.stdin) else _piped()
    try:
        Reference(text)
    except ValueError as error:
        fault = str(error)
    else:
        return Key(text)
    raise ConfigError(f"the input {fault}")


def _prompt(name: str) -> str:
    with warnings.catch_warnings():
        # Where typing cannot be hidden, getpass would only warn and show it.
        warnings.simplefilter("error", getpass.GetPassWarning)
        try:
            return getpass.getpass(f"The key of {name} (it is not shown): ").strip()
        except getpass.GetPassWarning:
            fault = "the terminal cannot hide what you type; pipe the key in"
        except EOFError:
            raise click.Abort from None
    raise ConfigError(fault)


def _piped() -> str:
    data = sys.stdin.buffer.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise ConfigError("the input is not a valid key: it is too long")
    return data.decode("utf-8", "replace").strip()


def _names(config: Config, registry: Registry) -> list[str]:
    names = {name for name, provider in config.providers.items() if provider.key is not None}
    names |= {
        name
        for name in known_providers(config, registry)
        if any(os.environ.get(variable) for variable in variables_of(name, config, registry))
    }
    return sorted(names.union(_store(config).names() if config.keys_file is not None else ()))


def _sources(config: Config, name: str, registry: Registry) -> list[KeySource]:
    variables = variables_of(name, config, registry)
    return list(key_sources(config, name, variables, environ=os.environ))


def _entry(name: str, source: KeySource, *, used: bool) -> dict[str, Any]:
    kind = "keyring" if source.kind == "store" and source.shown == "keyring" else source.kind
    return {"name": name, "source": kind, "where": source.where, "used": used, "fault": source.obstacle}
