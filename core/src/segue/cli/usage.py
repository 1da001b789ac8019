"""Commands whose usage errors say what to type instead: an option that does not exist, an argument too many."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import click

from .nearness import edits, near_command

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_SHORTEST: Final = 3
"""Letters that must be given of a longer name, so that the beginning of a name counts as near."""

_MOST_OWNERS: Final = 3
_WHOLE: Final = 1000
"""Characters of a short help, which is one sentence."""

_TIMEOUT: Final = "set SEGUE_TIMEOUT_TOTAL=SECONDS, or timeout = SECONDS in segue.toml"
_KEY: Final = "a key is never an option: use `segue keys set NAME`, or set the provider's variable (`segue providers`)"
_ADDRESS: Final = "set base_url in [providers.NAME] of segue.toml, or the provider's variable, such as OPENAI_BASE_URL"
_RETRY: Final = "set SEGUE_RETRY_COUNT=NUMBER, or retry = NUMBER in segue.toml"
_PROXY: Final = "set SEGUE_PROXY=URL, or proxy = URL in segue.toml"
_BEFORE: Final = "write it before the command: segue {option} {command} …"
_REDIRECT: Final = "write the output to a file: > FILE"
_MESSAGE: Final = "write the text without an option: segue {command} TEXT"

_INSTEAD: Final[Mapping[str, Sequence[str]]] = {
    "api-base": (_ADDRESS,), "api-key": (_KEY,), "api-url": (_ADDRESS,), "apikey": (_KEY,),
    "attach": ("--file",), "attachment": ("--file",), "attempts": ("--calls", _RETRY),
    "base-url": ("--url", _ADDRESS), "batch": ("--file",),
    "conversation": ("write `segue chat` without a message: it starts a conversation",),
    "debug": (_BEFORE,), "document": ("--file",),
    "effort": ("--reasoning-effort",), "endpoint": ("--url", _ADDRESS), "engine": ("--model",),
    "fallback": ("--chain", "--model"),
    "format": ("--json",), "host": ("--url", "--provider", _ADDRESS),
    "img": ("--image",), "input": ("--file",),
    "interactive": ("write `segue chat` without a message: it starts a conversation",),
    "json-schema": ("--schema",), "key": (_KEY,), "limit": ("--max-tokens",),
    "max-completion-tokens": ("--max-tokens",), "max-output-tokens": ("--max-tokens",), "max-retries": (_RETRY,),
    "message": ("--prompt", _MESSAGE), "no-plugins": (_BEFORE,), "out": ("--output", _REDIRECT),
    "output": ("--json", _REDIRECT), "picture": ("--image",),
    "prompt": (_MESSAGE,), "provider": ("--model PROVIDER or --model PROVIDER/MODEL",),
    "proxy": (_PROXY,), "requires": ("--needs",), "require": ("--needs",), "capability": ("--needs",),
    "response-format": ("--schema", "--json"), "retries": (_RETRY,), "retry": (_RETRY,),
    "stream": ("an answer is always streamed; --no-stream waits for the whole answer",),
    "system-prompt": ("--system",), "temp": ("--temperature",), "thinking": ("--reasoning-effort", "--reasoning"),
    "timeout": ("--timeout", _TIMEOUT), "token": (_KEY,), "tokens": ("--max-tokens",), "url": ("--url", _ADDRESS),
    "function": ("--tool",), "verbose": ("--trace", "--debug"), "voice": ("--audio",),
}  # fmt: skip
"""Words that are options of other programs, with the options that replace them here, or else a sentence."""
_LETTERS: Final[Mapping[str, str]] = {
    "k": "key", "p": "provider", "t": "temp", "v": "verbose", "o": "output", "f": "input", "i": "interactive",
    "u": "url", "n": "needs", "c": "config", "j": "json",
}  # fmt: skip


class WholeHelp(click.Command):
    """A command whose short help is never cut off in a list of commands; it is wrapped."""

    def get_short_help_str(self, limit: int = 45) -> str:  # noqa: ARG002 - click's own signature
        """The short help, or else the first sentence of the help."""
        return super().get_short_help_str(_WHOLE)


class Command(WholeHelp):
    """A command that says what to type instead of an argument or option that it does not take.

    ``instead`` is what to type in place of an argument too many.
    """

    def __init__(self, *args: Any, instead: str = "", **named: Any) -> None:
        super().__init__(*args, **named)
        self._instead = instead

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the arguments; a UsageError says what to type instead."""
        extra, ctx.allow_extra_args = ctx.allow_extra_args, True
        try:
            left = super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            raise no_such_option(error.option_name, ctx) from None
        if left and not extra and not ctx.resilient_parsing:
            has_arguments = any(isinstance(one, click.Argument) for one in self.params)
            takes = "does not take the argument" if has_arguments else "takes only options, not"
            hint = f": {self._instead}" if self._instead else ""
            raise click.UsageError(f"{ctx.command_path} {takes} {' '.join(left)!r}{hint}", ctx)
        return left


class Group(WholeHelp, click.Group):
    """A group of such commands."""

    command_class: type[click.Command] | None = Command

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the options of the group; a UsageError says what to type instead."""
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            raise no_such_option(error.option_name, ctx) from None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command and its arguments; a UsageError names the commands that there are."""
        if args and not ctx.resilient_parsing and self.get_command(ctx, args[0]) is None:
            names = self.list_commands(ctx)
            near = near_command([args[0]], names)
            hint = f"did you mean {near!r}?" if near else f"expected {', '.join(names)}, or an option"
            raise click.UsageError(f"{ctx.command_path} has no command {args[0]!r}; {hint}", ctx)
        return super().resolve_command(ctx, args)


def no_such_option(option: str, ctx: click.Context) -> click.NoSuchOption:
    """The error for an option that a command does not have, with the one that was meant, if there is one."""
    hint = _hint(option, ctx)
    text = f"No such option {option!r}" + (f"; {hint}" if hint else ".")
    return click.NoSuchOption(option, text, ctx=ctx)


def instead_of(option: str, command: click.Command, name: str) -> str | None:
    """What to type in place of an option that is known from other programs; None if it is not one of these."""
    word = _word(option)
    has = _options(command)
    for one in _INSTEAD.get(_LETTERS.get(word, word), ()):
        if not one.startswith("--"):
            return one.format(option=option, command=name)
        if one.partition(" ")[0] in has:
            return f"use {one}"
    own = f"--{_LETTERS.get(word, word)}"
    return f"use {own}" if own in has else None


def owners(option: str, commands: Mapping[str, click.Command]) -> list[str]:
    """The commands that have this option."""
    return [name for name, one in commands.items() if any(option in each.opts for each in one.params)]


def _hint(option: str, ctx: click.Context) -> str | None:
    command, name = ctx.command, ctx.info_name or ""
    near = near_option(option, _options(command))
    if near is not None:
        return f"did you mean {near!r}?"
    instead = instead_of(option, command, name)
    if instead is not None:
        return instead
    root = ctx.find_root().command
    if not isinstance(root, click.Group):
        return None
    if option in _options(root) and root is not command:
        return _BEFORE.format(option=option, command=name)
    others = owners(option, root.commands)
    if others and len(others) <= _MOST_OWNERS:
        return f"it is an option of {' and '.join(f'`segue {one}`' for one in others)}"
    meant = near_command([option.lstrip("-")], list(root.commands)) if option.startswith("--") else None
    return None if meant is None else f"did you mean the command `segue {meant}`?"


def near_option(option: str, names: Iterable[str]) -> str | None:
    """The option of which this is the beginning, or which differs in one letter of four; None if there is none."""
    word = _word(option)
    if len(word) < _SHORTEST:
        return None
    found = []
    for name in names:
        other = _word(name)
        distance = 1 if other.startswith(word) else edits(word, other)
        if distance <= max(1, min(len(word), len(other)) // 4):
            found.append((distance, len(other), name))
    return min(found)[2] if found else None


def _options(command: click.Command) -> list[str]:
    long = [name for parameter in command.params for name in parameter.opts if name.startswith("--")]
    return [*long, "--help"]


def _word(option: str) -> str:
    return option.lstrip("-").lower().replace("_", "-")
