"""``segue models default``: print the default model, or write it into the user's file, or remove it there."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ..client.client import Client
from ..config.editing import remove_default, writable_file, write_default
from ..errors import ConfigError, NoCandidateError
from ..selection import no_candidate
from .terminal import one_line, output, reserved, say, write_json

if TYPE_CHECKING:
    from ..selection import Selection


def show_default(*, config: str | None, as_json: bool) -> None:
    """Print the default, and where it was set; NoCandidateError if there is none."""
    client = _client(config)
    name, where = client.config.default, client.config.default_origin
    if name is None:
        selection = client.select()
        name = next((one.name for one in selection.candidates if one.consent), None)
        if name is None:
            raise no_candidate(selection, "no default is set, and no model can get requests")
    kind = "model" if client.config.default_chain is None else "chain"
    if as_json:
        write_json({"default": name, "kind": kind, "where": where or None})
        return
    output().write(one_line(name) + "\n")
    if where:
        say(one_line(f"set in {where}"))
        _remark_obstacle(client)
    else:
        say("not set: this is the first candidate; `segue models default NAME` sets one")


def set_default(name: str, *, config: str | None) -> None:
    """Write the default into the user's file; ConfigError or NoCandidateError for what cannot be one."""
    if not name or not name.isprintable() or " " in name:
        raise ConfigError(f"{name!r} is not the name of a model or a chain: it is empty, or contains spaces")
    client = _client(config)
    if name not in client.chains or name in client.config.local_chains:
        selection = client.select(model=name)
        if not selection.candidates and not selection.rejected:
            chains = [chain for chain in client.chains if chain not in client.config.local_chains]
            told = f"{name!r} is not a known model" + (f" or one of the chains {', '.join(chains)}" if chains else "")
            raise NoCandidateError(told, explanation=selection.explain())
    path = writable_file(config, os.environ)
    write_default(path, name)
    say(one_line(f"{name} is now the default, in {path}"))
    _remark_obstacle(_client(config))


def unset_default(*, config: str | None) -> None:
    """Remove the default from the user's file; ConfigError if the file cannot be changed."""
    path = writable_file(config, os.environ)
    if remove_default(path):
        say(one_line(f"the default was removed from {path}"))
    else:
        say(one_line(f"no default is set in {path}"))


def _remark_obstacle(client: Client) -> None:
    """Say why the configured default cannot be asked, or what is to be known of it."""
    name = client.config.default
    if name is None or client.config.default_chain is not None:
        return
    selection = client.select(model=name)
    if reasons := _reasons(selection):
        say(one_line(f"note: it cannot get requests: {'; '.join(reasons)}"))
    for note in selection.candidates[0].notes if selection.candidates else ():
        say(one_line(f"note: {note}"))


def _reasons(selection: Selection) -> list[str]:
    if selection.candidates:
        return []
    return list(dict.fromkeys(reason for one in selection.rejected for reason in one.reasons)) or list(selection.hints)


def _client(config: str | None) -> Client:
    with reserved():
        return Client(config=True if config is None else config)
