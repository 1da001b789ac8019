"""What a shell is told when Tab is pressed, and the script that makes it ask."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

import click
from click.shell_completion import get_completion_class, shell_complete

from ..errors import SegueError
from .terminal import output

if TYPE_CHECKING:
    from collections.abc import Iterable

PROGRAM: Final = "segue"
SHELLS: Final = ("bash", "zsh", "fish")
_VARIABLE: Final = "_SEGUE_COMPLETE"


def completing() -> bool:
    """Whether it is a shell that asks what could be typed next."""
    return bool(os.environ.get(_VARIABLE))


def complete(command: click.Command) -> int:
    """Answer the shell."""
    return shell_complete(command, {}, PROGRAM, _VARIABLE, os.environ[_VARIABLE])


def print_script(command: click.Command, shell: str) -> None:
    """The script that the user's shell is to read."""
    shape = get_completion_class(shell)
    if shape is None:
        raise click.UsageError(f"there is no completion for {shell!r}")
    output().write(shape(command, {}, PROGRAM, _VARIABLE).source() + "\n")


def chains(context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    """The configured chains whose names begin so."""
    from ..config import read  # reads files, which only this moment wants

    try:
        return _beginning(incomplete, read(context.params.get("config") or True).config.chains)
    except SegueError:  # a shell's line is no place to tell of it
        return []


def models(context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    """The installed providers and their models whose names begin so."""
    from ..config import read  # reads files, and the next one plugins, which only this moment wants
    from ..registry import Registry

    try:
        registry = Registry(rules=read(context.params.get("config") or True).config.plugins)
    except SegueError:  # as above
        return []
    offered = {name: [offer.name for offer in one.spec.offers()] for name, one in registry.installed.items()}
    if not incomplete:
        return sorted(offered)  # a first look; all the models would be a wall
    bare = (model for names in offered.values() for model in names)
    return _beginning(
        incomplete, [*offered, *bare, *(f"{name}/{model}" for name in offered for model in offered[name])]
    )


def _beginning(incomplete: str, names: Iterable[str]) -> list[str]:
    return sorted({name for name in names if name.startswith(incomplete)})
