"""The command line before any command."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import segue

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
