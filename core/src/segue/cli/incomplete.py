"""What is configured but cannot be used, such as a key that is missing: then nothing is rehearsed."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ..config import find_key
from ..errors import ConfigError
from ..plugins.places import place_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..client.client import Client


def what_is_incomplete(client: Client) -> list[str]:
    """A sentence for each provider that is configured and cannot be used, with what it lacks."""
    found = [told for name in client.registry.installed if (told := _lacking(client, name)) is not None]
    return list(dict.fromkeys([*found, *client.registry.unused_keys(), *_stored(client)]))


def _lacking(client: Client, name: str) -> str | None:
    """What a provider lacks although its user configured it; None if it is complete, or not configured."""
    spec = client.registry.installed[name].spec
    if spec.access == "offline":
        return None
    if (placeholder := client.placeholder(name)) is not None:
        place = place_of(client.registry.installed[name].origin, spec.url or "")
        return f"{name}: its address {placeholder} is a placeholder: set it in {place or 'its code'}"
    source = find_key(client.config, name, spec.env, environ=os.environ)
    if source is not None:
        return None if source.obstacle is None else f"{name} has no key: {source.obstacle}"
    table = client.config.providers.get(name)
    empty = next((variable for variable in spec.env if variable in os.environ), None)
    if empty is not None and (table is not None or empty not in spec.ambient):
        return f"{name} has no key: {empty} is set, but empty"
    place = None if table is None else f"it is configured in {table.where}"
    if place is None and spec.base_url_env and os.environ.get(spec.base_url_env):
        place = f"{spec.base_url_env} is set"
    if place is None:
        return None
    if spec.without_key is not None:
        told = spec.keyless(os.environ, {} if table is None else table.options)
        return None if told is None else f"{name} cannot be used: {told}; {place}"
    if not spec.env:
        return None
    return f"{name} has no key: set {' or '.join(spec.env)}; {place}"


def _stored(client: Client) -> Iterator[str]:
    """The keys of the store whose provider is not installed."""
    from ..config.secrets import KeyStore

    if client.config.keys_file is None:
        return
    store = KeyStore(client.config.keys_file)
    try:
        names = store.names()
    except ConfigError as error:
        yield str(error)
        return
    plugins = client.registry
    known = {*plugins.installed, *plugins.conflicts, *(plugin.name for plugin in plugins.plugins)}
    for name in names:
        if name not in known:
            yield f"{store.path} has a key for {name}, but {plugins.not_installed(name)}"
