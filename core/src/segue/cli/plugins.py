"""Commands that plugins add: found through the entry points ``segue.commands``, imported when they are run."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import click

from ..errors import PluginError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..installation import Entry


class Commands(click.Group):
    """The commands of the house, which no plugin's can stand for, and those of plugins."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names; nothing of a plugin is imported."""
        return [*super().list_commands(ctx), *sorted(_installed().keys() - self.commands.keys())]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of this name; None where there is none."""
        own = super().get_command(ctx, cmd_name)
        if own is not None:
            return own
        entries = _installed().get(cmd_name)
        return None if entries is None else _PluginCommand(cmd_name, entries)


class _PluginCommand(click.Command):
    """Stands for a plugin's command until it is run."""

    def __init__(self, name: str, entries: list[Entry]) -> None:
        of = " and ".join(entry.distribution for entry in entries)
        super().__init__(name, short_help=f"A command of {of}.")
        self._entries = entries

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        return _imported(self._entries).make_context(info_name, args, parent, **extra)


def _installed() -> Mapping[str, list[Entry]]:
    if os.environ.get("SEGUE_NO_PLUGINS", "0") not in {"", "0"}:
        return {}
    from ..installation import COMMANDS, installed  # reads what is installed: not for a command of the house

    found: dict[str, list[Entry]] = {}
    for entry in installed(COMMANDS):
        found.setdefault(entry.name, []).append(entry)
    return found


def _imported(entries: list[Entry]) -> click.Command:
    """The one that may be imported and counts; PluginError where there is none."""
    from ..config import PluginRules, read
    from ..installation import Trust, cause_of

    rules = read().config.plugins
    trust = Trust(rules, os.environ)
    allowed = [entry for entry in entries if trust.allows(entry)]
    if not allowed:
        raise PluginError(
            f"the command {entries[0]} is left alone: {trust.obstacle(entries[0])}", plugin=entries[0].name
        )
    preferred = rules.prefer.get(entries[0].name)
    counting = [one for one in allowed if preferred is None or PluginRules.is_same(one.distribution, preferred)]
    if len(counting) != 1:
        origins = " and ".join(entry.distribution for entry in allowed)
        raise PluginError(
            f"the command {entries[0].name!r} is claimed by {origins}: say which one counts with [plugins] prefer",
            plugin=entries[0].name,
        )
    try:
        command = counting[0].load()
    except (Exception, SystemExit) as error:  # a plugin's import may do anything
        raise PluginError(
            f"the command {counting[0]} cannot be loaded: {cause_of(error)}", plugin=entries[0].name
        ) from error
    if not isinstance(command, click.Command):
        raise PluginError(
            f"the command {counting[0]} is no click command but {type(command).__name__}", plugin=entries[0].name
        )
    return command
