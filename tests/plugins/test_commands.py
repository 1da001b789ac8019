"""Commands that plugins add to the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from command_line import CommandLine

_COMMAND = """
import pathlib
pathlib.Path(__file__).with_suffix(".imported").touch()
import click

@click.command()
@click.argument("name")
@click.option("--loud", is_flag=True)
def greet(name, loud):
    "Greet somebody."
    click.echo(f"hello {name}" + "!" * loud)
"""


def command(cli: CommandLine, module: str, code: str = _COMMAND, *, name: str = "greet") -> None:
    """Install a distribution ``MODULE-dist`` with one command."""
    cli.plugin(module, code)
    points = cli.plugins / f"{module}_dist-1.0.dist-info" / "entry_points.txt"
    points.write_text(f"[segue.commands]\n{name} = {module}:greet\n")


async def test_a_plugins_command_runs_with_its_own_options(cli: CommandLine) -> None:
    """It is listed by name and distribution without being imported, and imported when it runs."""
    command(cli, "acme")
    helped = await cli("--help")
    assert "greet" in helped.out
    assert "A command of acme-dist." in helped.out
    assert not (cli.plugins / "acme.imported").exists()
    ran = await cli("greet", "you", "--loud")
    assert (ran.code, ran.out, ran.err) == (0, "hello you!\n", "")
    assert "Greet somebody." in (await cli("greet", "--help")).out
    assert (await cli("greet")).code == 2


async def test_completion_imports_no_plugin(cli: CommandLine) -> None:
    """What a shell offers as commands has the plugin's, which is not imported for it."""
    command(cli, "acme")
    cli.environ |= {"_SEGUE_COMPLETE": "zsh_complete", "COMP_WORDS": "segue g", "COMP_CWORD": "1"}
    assert "greet" in (await cli()).out
    assert not (cli.plugins / "acme.imported").exists()


async def test_no_plugin_stands_for_a_command_of_the_house(cli: CommandLine) -> None:
    """A plugin's `doctor` is never run, and not even imported."""
    command(cli, "acme", name="doctor")
    assert "configuration" in (await cli("doctor")).out
    assert not (cli.plugins / "acme.imported").exists()


async def test_a_denied_command_is_refused_with_the_reason(cli: CommandLine) -> None:
    """``[plugins] deny`` holds for commands too; with --no-plugins there is none of that name."""
    command(cli, "acme")
    folder = cli.folder / ".config" / "segue"
    folder.mkdir(parents=True)
    (folder / "segue.toml").write_text('[plugins]\ndeny = ["acme-dist"]\n')
    denied = await cli("greet", "you")
    assert denied.code == 2
    assert denied.err == "error: the command 'greet' of acme-dist is not loaded: [plugins] deny names it\n"
    assert "No such command 'greet'" in (await cli("--no-plugins", "greet", "you")).err
    assert not (cli.plugins / "acme.imported").exists()


async def test_a_command_that_two_claim_is_run_for_the_preferred(cli: CommandLine) -> None:
    """Without ``prefer`` neither runs."""
    command(cli, "acme")
    command(cli, "other", _COMMAND.replace("hello", "good day"))
    assert "claimed by acme-dist and other-dist" in (await cli("greet", "you")).err
    folder = cli.folder / ".config" / "segue"
    folder.mkdir(parents=True)
    (folder / "segue.toml").write_text('[plugins]\nprefer = { greet = "other-dist" }\n')
    assert (await cli("greet", "you")).out == "good day you\n"


async def test_a_broken_command_is_told_in_one_line(cli: CommandLine) -> None:
    """One that cannot be imported, and one that is not a command, do not affect other commands."""
    command(cli, "acme", "raise RuntimeError('no such luck')\n", name="broken")
    command(cli, "other", "greet = 42\n", name="number")
    broken, number = await cli("broken"), await cli("number")
    assert (broken.code, number.code) == (2, 2)
    told = "error: the command 'broken' of acme-dist cannot be loaded: RuntimeError: no such luck\n"
    assert broken.err == f"{told}  hint: `segue --debug …` shows the traceback of the plugin's error\n"
    assert "is not a click command but of type int" in number.err
    assert (await cli("--version")).code == 0
