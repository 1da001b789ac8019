"""The completions that a shell gets when Tab is pressed, and the script that makes it request them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final, TypeVar

import click
from click.shell_completion import get_completion_class, shell_complete

from ..errors import SegueError
from .terminal import output

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ..config import Config
    from ..provider.contract import Model

T = TypeVar("T")

PROGRAM: Final = "segue"
SHELLS: Final = ("bash", "zsh", "fish")
_VARIABLE: Final = "_SEGUE_COMPLETE"


def completing() -> bool:
    """Whether a shell requests completions."""
    return bool(os.environ.get(_VARIABLE))


def complete(command: click.Command) -> int:
    """Print the completions for the shell."""
    return shell_complete(command, {}, PROGRAM, _VARIABLE, os.environ[_VARIABLE])


def print_script(command: click.Command, shell: str) -> None:
    """Print the script that the user's shell must read."""
    shape = get_completion_class(shell)
    if shape is None:
        raise click.UsageError(f"there is no completion for the shell {shell!r}")
    output().write(shape(command, {}, PROGRAM, _VARIABLE).source() + "\n")


def chains(context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    """The configured chains whose names begin with this text."""
    return _beginning(incomplete, _read(context, lambda config: list(config.chains)) or ())


def models(context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    """The installed providers and their models whose names begin with this text."""
    offered = _offered(context)
    if not incomplete:
        return sorted(offered)  # a first look; all the models would be a wall
    bare = (model for names in offered.values() for model in names)
    return _beginning(
        incomplete, [*offered, *bare, *(f"{name}/{model}" for name in offered for model in offered[name])]
    )


def targets(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """The configured chains, and the providers and models, whose names begin with this text."""
    return sorted({*chains(context, parameter, incomplete), *models(context, parameter, incomplete)})


def providers(context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    """The installed providers whose names begin with this text."""
    return _beginning(incomplete, _offered(context))


def needs(context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    """The names of facts of installed models, and the configured needs; needs that are already typed stay in front."""
    before, comma, last = incomplete.rpartition(",")
    space = last[: len(last) - len(last.lstrip(" !"))]
    own = [] if comma else _read(context, lambda config: list(config.needs)) or []
    known = {fact for models in _offered(context).values() for model in models.values() for fact in model.capabilities}
    return [f"{before}{comma}{space}{name}" for name in _beginning(last[len(space) :], {*known, *own})]


def _offered(context: click.Context) -> dict[str, dict[str, Model]]:
    """The models of each installed provider, or of the configuration."""
    from ..plugins.registry import Registry  # reads plugins, which only this moment wants

    def offers(config: Config) -> dict[str, dict[str, Model]]:
        rows = (table.host(name) for name, table in config.providers.items())
        registry = Registry(rules=config.plugins, providers=[row for row in rows if row is not None])
        return {name: {offer.name: offer for offer in one.spec.offers()} for name, one in registry.installed.items()}

    return _read(context, offers) or {}


def _read(context: click.Context, take: Callable[[Config], T]) -> T | None:
    """The result of ``take`` for the configuration; None if the configuration is not valid."""
    from ..config import read  # reads files, which only this moment wants

    try:
        return take(read(context.params.get("config") or True).config)
    except SegueError:  # completion must not print errors into a shell's line
        return None


def _beginning(incomplete: str, names: Iterable[str]) -> list[str]:
    return sorted({name for name in names if name.startswith(incomplete)})
