"""``segue "a question"``: what is a question, and what is a command that was mistyped."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from segue.cli.commands import segue
from segue.cli.nearness import near_command
from segue.testing import CromicleHost

if TYPE_CHECKING:
    from .conftest import CommandLine

_NAMES = sorted(segue.commands)
_LETTERS = "aeknrstxz"


def _mistyped(name: str) -> set[str]:
    """A name with a letter missing, doubled, added, wrong, or exchanged with the next."""
    found = set()
    for place in range(len(name)):
        before, at, after = name[:place], name[place], name[place + 1 :]
        found |= {before + after, before + at + at + after, before + after[:1] + at + after[1:]}
        found |= {before + letter + after for letter in _LETTERS} | {
            before + letter + at + after for letter in _LETTERS
        }
    return found - {name, ""}


@pytest.mark.parametrize("name", _NAMES)
def test_a_command_with_one_typing_error_is_near_it(name: str) -> None:
    """Alone, before arguments of its own, and in capitals; also where another command is as near."""
    for word in _mistyped(name):
        assert near_command([word], _NAMES) is not None, word
        assert near_command([word.upper(), "openai"], _NAMES) is not None, word


@pytest.mark.parametrize(
    "words",
    [
        "Hello", "Hi", "Thanks!", "Why?", "42", "Translate", "Bonjour", "你好", "What?", "Tell me a joke",
        "what is a segue", "what can you do", "that is not right", "write a poem", "compare tea and coffee",
        "That?", "Plain!",
        "complete the sentence: I am", "provide three examples", "second question: why", "prove that 2 is even",
        "which models are good", "how do I record sound", "in German please",
    ],
)  # fmt: skip
def test_a_question_is_near_no_command(words: str) -> None:
    """Words that begin a sentence are a question, typed with quotes or without."""
    assert near_command(words.split(), _NAMES) is None


@pytest.mark.parametrize(
    ("arguments", "sent"),
    [
        (["What is a segue?"], "What is a segue?"),
        (["Hello"], "Hello"),
        (["tell", "me", "more"], "tell me more"),
        (["models of trains"], "models of trains"),  # in quotes it is a text
        (["-m", "cromicle", "Hello"], "Hello"),
        (["--system", "Be brief", "-m", "cromicle", "Hello"], "System: Be brief\nUser: Hello\nAssistant:"),
        (["-s", "Be brief", "-m", "cromicle", "Hello"], "System: Be brief\nUser: Hello\nAssistant:"),
        (["-mcromicle", "Hello", "there"], "Hello there"),
        (["Hello", "--no-stream"], "Hello"),
        (["--debug", "Hello"], "Hello"),
        (["--", "models"], "models"),
        (["chat", "modles"], "modles"),
    ],
)
async def test_a_question_needs_no_command(cli: CommandLine, arguments: list[str], sent: str) -> None:
    """It is asked as `segue chat` asks it, with the options of `segue chat` before or after it."""
    async with CromicleHost(answer="hello") as host:
        _configure(cli, host)
        ended = await cli(*arguments)
        (request,) = host.requests
    assert (ended.code, ended.out) == (0, "hello\n")
    assert json.loads(request.body)["message"] == sent


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["modles"], "did you mean 'segue models'? Or, to send it as a question: segue chat modles"),
        (["modles", "--live"], "did you mean 'segue models'?"),
        (["modles", "openai"], "did you mean 'segue models'?"),
        (["chta", "hello"], "did you mean 'segue chat'?"),
        (["explian"], "did you mean 'segue explain'?"),
        (["explian", "--needs", "tools"], "did you mean 'segue explain'?"),
        (["Models"], "did you mean 'segue models'?"),
        (["MODELS", "--all"], "did you mean 'segue models'?"),
        (["models?"], "did you mean 'segue models'?"),
        (["Models!"], "did you mean 'segue models'?"),
        (["modles..."], "did you mean 'segue models'?"),
        (["'explain'"], "did you mean 'segue explain'?"),
        (["/chat"], "did you mean 'segue chat'?"),
        (["config.check"], "did you mean 'segue config'?"),
        (["new_Provider!"], "did you mean 'segue new-provider'?"),
        (["--models"], "No such option '--models'; did you mean '--model'?"),
        (["--timeout", "5", "Hello"], "No such option '--timeout'; set SEGUE_TIMEOUT_TOTAL=SECONDS"),
        (["model"], "did you mean 'segue models'?"),
        (["conf", "check"], "did you mean 'segue config'?"),
        (["list-models"], "did you mean 'segue models'?"),
        (["new_provider", "acme"], "did you mean 'segue new-provider'?"),
        (["no-such-command"], "No such command 'no-such-command'; 'segue --help' lists them."),
        ([" modles "], "did you mean 'segue models'?"),
        (["-m", "cromicle", "modles"], "did you mean 'segue models'?"),
        (["-m", "cromicle", "models"], "'models' is a command, and its options must follow it: segue models …"),
        (["--debug", "modles"], "did you mean 'segue models'?"),
        (["greet"], "did you mean 'segue greeting'?"),
        (["help"], "did you mean 'segue --help'?"),
        (["version"], "did you mean 'segue --version'?"),
        (["list", "--live"], "segue chat has no option '--live': it is an option of 'segue models'"),
        (["--live"], "segue chat has no option '--live': it is an option of 'segue models'"),
        (["--no-such-option"], "No such option '--no-such-option'."),
        (["Hello", "--no-such-option"], "No such option '--no-such-option'."),
        (["-m"], "Option '-m' requires an argument."),
        (["modles", "-m"], "did you mean 'segue models'?"),
    ],
)  # fmt: skip
async def test_what_is_close_to_a_command_is_an_error_and_never_a_question(
    cli: CommandLine, arguments: list[str], told: str
) -> None:
    """It names the command, says how to ask it all the same, exits with 2, and nothing is sent."""
    cli.plugin("unused", "")
    info = cli.plugins / "unused_dist-1.0.dist-info" / "entry_points.txt"
    info.write_text("[segue.commands]\ngreeting = unused:command\n")
    async with CromicleHost(answer="hello") as host:
        _configure(cli, host)
        ended = await cli(*arguments)
        assert not host.requests
    assert (ended.code, ended.out) == (2, "")
    line = ended.err.splitlines()[-1]
    assert line.startswith("Error: ")
    assert told in line


async def test_a_command_that_is_left_out_is_not_a_question(cli: CommandLine) -> None:
    """With --no-plugins the command of a plugin is an error that says so."""
    cli.plugin("unused", "")
    info = cli.plugins / "unused_dist-1.0.dist-info" / "entry_points.txt"
    info.write_text("[segue.commands]\ngreeting = unused:command\n")
    ended = await cli("--no-plugins", "greeting")
    assert (ended.code, ended.out) == (2, "")
    assert "No such command 'greeting': it belongs to a plugin, and plugins are switched off" in ended.err


async def test_what_is_piped_in_alone_is_the_question(cli: CommandLine) -> None:
    """`… | segue` asks; with nothing in the pipe it is the help, as without one."""
    async with CromicleHost(answer="hello") as host:
        _configure(cli, host)
        asked = await cli(stdin=b"from a pipe\n")
        dash = await cli("-", stdin=b"from a pipe\n")
        assert [json.loads(request.body)["message"] for request in host.requests] == ["from a pipe\n"] * 2
        empty = await cli(stdin=b"")
        nothing = await cli.shell("segue </dev/null")
        assert len(host.requests) == 2
    assert (asked.code, asked.out) == (dash.code, dash.out) == (0, "hello\n")
    assert (empty.code, empty.err) == (nothing.code, nothing.err)
    assert empty.err.startswith("Usage: segue [OPTIONS] COMMAND")


async def test_on_a_terminal_nothing_is_the_help(cli: CommandLine) -> None:
    """Who types the name alone wants to know what there is."""
    ended = await cli.on_terminal()
    assert "Usage: segue [OPTIONS] COMMAND" in ended.out
    assert "Commands:" in ended.out


def _configure(cli: CommandLine, host: CromicleHost) -> None:
    folder = cli.folder / ".config" / "segue"
    folder.mkdir(parents=True)
    (folder / "segue.toml").write_text(f'[providers.cromicle]\nbase_url = "{host.url}"\n')
