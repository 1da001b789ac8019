"""The command line before any command."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest

import segue
from segue.cli import commands

if TYPE_CHECKING:
    from .conftest import CommandLine

_HEAVY = {"aiohttp", "pydantic", "rich", "pluggy"}


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["chat", "--help"]])
async def test_help_and_version_load_nothing_heavy(cli: CommandLine, arguments: list[str]) -> None:
    """What needs no provider pays for none."""
    ended = await cli.python(
        "import sys\n"
        "from segue.cli import main\n"
        f"try: main({arguments!r})\n"
        f"finally: print('loaded:', sorted({_HEAVY!r} & set(sys.modules)))"
    )
    assert (ended.code, ended.out.splitlines()[-1]) == (0, "loaded: []")


async def test_the_module_tells_its_version(cli: CommandLine) -> None:
    """``python -m segue`` is the command line."""
    ended = await cli("--version")
    assert (ended.code, ended.out) == (0, f"segue, version {segue.__version__}\n")


async def test_help_names_the_exit_codes(cli: CommandLine) -> None:
    """Each exit code stands in the help."""
    ended = await cli("--help")
    codes = {line.split()[0] for line in ended.out.partition("Exit codes:")[2].splitlines() if line.strip()}
    assert {"0", "1", "2", "130", "141"} <= codes


@pytest.mark.parametrize("arguments", [["--no-such-option"], ["no-such-command"], ["models", "--nedes", "x"]])
async def test_a_wrong_argument_exits_2(cli: CommandLine, arguments: list[str]) -> None:
    """Wrong usage is told on stderr, with exit code 2."""
    ended = await cli(*arguments)
    assert (ended.code, ended.out) == (2, "")
    assert "Error:" in ended.err


@pytest.mark.parametrize("width", [50, 80])
def test_no_list_of_commands_cuts_a_line_off(width: int) -> None:
    """What a command does is one sentence, which is wrapped."""
    root = commands.segue
    groups = [("segue", root), *((name, one) for name, one in root.commands.items() if isinstance(one, click.Group))]
    for name, group in groups:
        told = group.get_help(click.Context(group, info_name=name, terminal_width=width))
        listed = " ".join(told.partition("\nCommands:\n")[2].split())
        assert "..." not in listed
        for command in group.commands.values():
            assert " ".join(command.get_short_help_str().split()) in listed


def test_a_command_says_that_its_code_is_imported() -> None:
    """The first time Python compiles it, which takes seconds: no import is outside of the wait."""
    tree = ast.parse(Path(commands.__file__).read_text("utf-8"))
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.decorator_list]
    imports = (ast.Import, ast.ImportFrom)
    outside = [one.name for one in functions for node in one.body if isinstance(node, imports)]
    inside = [
        ast.unparse(block.items[0].context_expr)
        for function in functions
        for block in ast.walk(function)
        if isinstance(block, ast.With) and any(isinstance(node, ast.ImportFrom) for node in block.body)
    ]
    assert outside == []
    assert len(inside) > 10
    assert set(inside) == {"_loading()"}
