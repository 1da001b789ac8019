"""Completion in shells."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .conftest import CommandLine


async def _completed(cli: CommandLine, line: str) -> list[str]:
    """What bash would be offered at the end of a line."""
    words = line.split(" ")
    cli.environ |= {
        "_SEGUE_COMPLETE": "bash_complete", "COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1),
    }  # fmt: skip
    ended = await cli()
    assert (ended.code, ended.err) == (0, "")
    return [offered.partition(",")[2] for offered in ended.out.splitlines() if offered]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
async def test_the_script_of_each_shell_is_one_that_it_reads(cli: CommandLine, shell: str) -> None:
    """It completes the program by its name, and the shell finds no fault in it."""
    ended = await cli("completion", shell)
    assert (ended.code, ended.err) == (0, "")
    assert "_SEGUE_COMPLETE" in ended.out
    if shutil.which(shell):
        (cli.folder / "script").write_text(ended.out)
        assert (await cli.shell(f"{shell} -n script")).code == 0


async def test_commands_are_completed(cli: CommandLine) -> None:
    """The names of the commands are offered."""
    assert await _completed(cli, "segue exp") == ["explain"]


async def test_chains_of_the_configuration_are_completed(cli: CommandLine) -> None:
    """Those of the file that the line names."""
    config = cli.config("[chains]\nmain = ['rehearsal']\nmore = ['rehearsal']\nother = ['rehearsal']\n")
    assert await _completed(cli, f"segue chat --config {config} --chain m") == ["main", "more"]


@pytest.mark.parametrize(
    "line", ["segue chat --chain ", "segue --chain ", "segue embed --chain ", "segue rehearse ", "segue chat --chain=m"]
)
async def test_the_chains_of_the_users_file_are_completed_wherever_a_chain_is_named(
    cli: CommandLine, line: str
) -> None:
    """Also before anything of a name was typed, and without the command."""
    cli.environ["SEGUE_CONFIG"] = cli.config("[chains]\nmain = ['rehearsal']\nmore = ['rehearsal']\n")
    assert await _completed(cli, line) == ["main", "more"]


@pytest.mark.parametrize("line", ["segue probe rehea", "segue models default rehea"])
async def test_a_target_is_completed_with_chains_and_models(cli: CommandLine, line: str) -> None:
    """A probe and the default take both."""
    cli.environ["SEGUE_CONFIG"] = cli.config("[chains]\nrehearsals = ['rehearsal']\n")
    assert await _completed(cli, line) == ["rehearsal", "rehearsal/rehearsal", "rehearsals"]


async def test_a_broken_configuration_completes_nothing(cli: CommandLine) -> None:
    """The line that is being typed is not written over."""
    config = cli.config("[chains\n")
    assert await _completed(cli, f"segue chat --config {config} --chain m") == []


@pytest.mark.parametrize(
    ("begun", "offered"),
    [("rehea", ["rehearsal", "rehearsal/rehearsal"]), ("openai/gpt-3", ["openai/gpt-3.5-turbo"])],
)
async def test_providers_and_models_are_completed(cli: CommandLine, begun: str, offered: list[str]) -> None:
    """By provider, model, or both, also those without a key."""
    assert await _completed(cli, f"segue chat -m {begun}") == offered


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("segue explain --needs visi", ["vision"]),
        ("segue models --needs tools,!visi", ["tools,!vision"]),
        ("segue chat --needs contex", ["context"]),
        ("segue models --provider rehea", ["rehearsal"]),
        ("segue keys set opena", ["openai"]),
        ("segue conform rehea", ["rehearsal"]),
    ],
)
async def test_facts_and_providers_are_completed(cli: CommandLine, line: str, offered: list[str]) -> None:
    """What is known of models where needs are written, after those that stand there; providers where one is named."""
    assert await _completed(cli, line) == offered


async def test_needs_and_rows_of_the_configuration_are_completed(cli: CommandLine) -> None:
    """By the names that they have there."""
    row = "wire = 'openai_chat'\nbase_url = 'http://127.0.0.1:9'\nmodels = [{name = 'm', myfact = true}]\n"
    config = cli.config(f"[needs]\nmyneeds = 'tools'\n[providers.mine]\n{row}")
    assert await _completed(cli, f"segue explain --config {config} --needs my") == ["myfact", "myneeds"]
    assert await _completed(cli, f"segue explain --config {config} -m mine/") == ["mine/m"]


async def test_completion_loads_no_network(cli: CommandLine) -> None:
    """Who presses Tab waits for it."""
    cli.environ |= {
        "_SEGUE_COMPLETE": "bash_complete", "COMP_WORDS": "segue chat -m r", "COMP_CWORD": "3",
    }  # fmt: skip
    ended = await cli.python(
        "import sys\nfrom segue.cli import main\n"
        "try: main([])\nfinally: print('loaded:', sorted({'aiohttp', 'rich'} & set(sys.modules)))"
    )
    assert ended.out.splitlines()[-1] == "loaded: []"
