"""What a command line means: a built-in command, a command of a plugin, or a question.

Plugins' commands are found through the entry points ``segue.commands``, and imported when they are run.
"""

from __future__ import annotations

import os
import re
import shlex
import stat
import sys
from typing import TYPE_CHECKING, Any, Final

import click

from ..errors import PluginError
from .nearness import near_command
from .usage import Command, Group, WholeHelp, instead_of, near_option, no_such_option, owners

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..plugins import Entry


_QUESTION: Final = "chat"
_IS_QUESTION: Final = "segue.question"
_HELP: Final = frozenset({"-h", "--help"})
_ENDING: Final = _HELP | {"--version"}
_SHOWN: Final = 60
_LIKE_A_COMMAND: Final = re.compile("[a-z]+(-[a-z]+)+")
_OPTIONS: Final = {"help": "--help", "version": "--version"}
"""Words that are commands in other programs, and the option that replaces them here."""


class Commands(click.Group):
    """The built-in commands, which a plugin cannot replace, and those of plugins; anything else is a question.

    A word that is close to a command is refused: a typing error must never become a question that costs money.
    """

    command_class: type[click.Command] | None = Command
    group_class: type[click.Group | type] | None = Group

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        own = {name for parameter in self.get_params(ctx) for name in parameter.opts}
        place = next((place for place, arg in enumerate(args) if arg not in own), len(args))
        first = next(iter(args[place:]), None)
        if first is None:
            is_question = not ctx.resilient_parsing and not _ENDING.intersection(args) and _is_piped()
        else:
            is_question = first.startswith("-") and first != "-"
        if is_question:
            ctx.meta[_IS_QUESTION] = "piped" if first is None else "given"
            args = [*args[:place], _QUESTION, *args[place:]]
        return super().parse_args(ctx, args)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command and its arguments; a question goes to ``chat``."""
        if not ctx.meta.get(_IS_QUESTION):
            command = self.get_command(ctx, args[0])
            if command is not None:
                return args[0], command, args[1:]
            if ctx.resilient_parsing:
                return None, None, args
        else:
            args = args[1:]
        question = self.commands[_QUESTION]
        if args == ["-"]:  # what is piped in
            args = []
        elif not ctx.resilient_parsing and args[:1] != ["--"]:
            self._refuse_mistakes(ctx, question, args)
        return _QUESTION, question, args

    def _refuse_mistakes(self, ctx: click.Context, question: click.Command, args: list[str]) -> None:
        """Refuse what was meant as a command, or as an option of one."""
        inner = click.Context(question, ctx, _QUESTION, ignore_unknown_options=True)
        try:
            parsed = question.make_parser(inner).parse_args(list(args))[0]["message"]
        except click.UsageError:  # an option without its value, of which chat itself tells
            parsed = args
        given = [word for word in parsed if isinstance(word, str)] if isinstance(parsed, (list, tuple)) else []
        words = [word for word in given if word and not word.startswith("-")]
        first = words[0].strip() if words else ""
        if first and not any(map(str.isspace, first)):
            asked = shlex.join(words) if len(shlex.join(words)) <= _SHOWN else f"{shlex.quote(first)} …"
            anyway = f"to send it as a question: segue {_QUESTION} {asked}"
            names = [*self.commands, *_of_plugins()]
            if first in names and self.get_command(ctx, first) is None:
                raise click.UsageError(
                    f"No such command {first!r}: it belongs to a plugin, and plugins are switched off", ctx
                )
            if first in names:
                raise click.UsageError(
                    f"{first!r} is a command, and its options must follow it: segue {first} …; or, {anyway}", ctx
                )
            near = near_command(words, names) or (_OPTIONS.get(first.lower()) if len(words) == 1 else None)
            if near is not None:
                meant = f"No such command {first!r}; did you mean 'segue {near}'?"
                raise click.UsageError(f"{meant} Or, {anyway}", ctx)
            if _HELP.intersection(args):
                hint = (
                    f"'--{first}' is an option of 'segue {_QUESTION}'; "
                    if f"--{first}" in _options_of(question)
                    else ""
                )
                raise click.UsageError(f"No such command {first!r}; {hint}'segue --help' lists the commands", ctx)
            if len(words) == 1 and _LIKE_A_COMMAND.fullmatch(first):
                raise click.UsageError(f"No such command {first!r}; 'segue --help' lists them. Or, {anyway}", ctx)
        own = _options_of(question)
        for option in (word.partition("=")[0] for word in given if word.startswith("--")):
            have = owners(option, self.commands)
            if _QUESTION in have:
                continue
            if near_option(option, own) is not None or instead_of(option, question, _QUESTION) is not None:
                raise no_such_option(option, inner)
            if have:
                shown = " or ".join(f"'segue {name}'" for name in have)
                raise click.UsageError(f"segue chat has no option {option!r}: it is an option of {shown}", ctx)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of all commands; no plugin is imported."""
        return [*super().list_commands(ctx), *sorted(_installed().keys() - self.commands.keys())]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of this name, or None."""
        own = super().get_command(ctx, cmd_name)
        if own is not None:
            return own
        entries = _installed().get(cmd_name)
        return None if entries is None else _PluginCommand(cmd_name, entries)


def _options_of(command: click.Command) -> list[str]:
    return [name for parameter in command.params for name in parameter.opts]


def is_only_piped() -> bool:
    """Whether only ``segue`` was typed: piped input is then the question, if there is any."""
    return click.get_current_context().meta.get(_IS_QUESTION) == "piped"


def _is_piped() -> bool:
    """Whether a pipe or file is there to be read; a terminal or ``/dev/null`` is not."""
    try:
        mode = os.fstat(sys.stdin.fileno()).st_mode
    except (AttributeError, OSError, ValueError):  # closed
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISREG(mode) or stat.S_ISSOCK(mode)


class _PluginCommand(WholeHelp):
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
    return {} if os.environ.get("SEGUE_NO_PLUGINS", "0") not in {"", "0"} else _of_plugins()


def _of_plugins() -> Mapping[str, list[Entry]]:
    """What is installed, left out or not."""
    from ..plugins import COMMANDS, installed  # reads what is installed: not for a command of the house

    found: dict[str, list[Entry]] = {}
    for entry in installed(COMMANDS):
        found.setdefault(entry.name, []).append(entry)
    return found


def _imported(entries: list[Entry]) -> click.Command:
    """The command that may be imported and is preferred; PluginError if there is none."""
    from ..config import PluginRules, read
    from ..plugins import Trust, cause_of

    rules = read().config.plugins
    trust = Trust(rules, os.environ)
    allowed = [entry for entry in entries if trust.allows(entry)]
    if not allowed:
        raise PluginError(
            f"the command {entries[0]} is not loaded: {trust.obstacle(entries[0])}", plugin=entries[0].name
        )
    preferred = rules.prefer.get(entries[0].name)
    counting = [one for one in allowed if preferred is None or PluginRules.is_same(one.distribution, preferred)]
    if len(counting) != 1:
        origins = " and ".join(entry.distribution for entry in allowed)
        raise PluginError(
            f"the command {entries[0].name!r} is claimed by {origins}: choose one with [plugins] prefer",
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
            f"the command {counting[0]} is not a click command but of type {type(command).__name__}",
            plugin=entries[0].name,
        )
    return command
