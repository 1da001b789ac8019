"""``segue chat --tool``."""

from __future__ import annotations

import json
import signal
from typing import TYPE_CHECKING

import pytest

from segue.testing import Answer, OpenAIHost

if TYPE_CHECKING:
    from .conftest import CommandLine

_CODE = '''
"""Tools."""
import asyncio, datetime
from collections.abc import Callable
from typing import Annotated

def weather(city: Annotated[str, "Where."]) -> dict:
    """The weather in a city."""
    open("called", "a").write(city)
    return {"city": city, "sky": "clear"}

async def later(day: datetime.date) -> str:
    """A day later."""
    await asyncio.sleep(0)
    return f"after {day.year}"

def broken() -> str:
    """Fails."""
    raise RuntimeError("no \\x1b[31mluck")

def odd(callback: "Callable[[], int]") -> str:
    """Takes what has no schema."""

def untyped(city):
    """Has no types."""

NOT_A_FUNCTION = 3
'''
_ASKED = "run it? [y/N, a = always run this tool] "


def _calls(*calls: tuple[str, dict[str, object] | str]) -> Answer:
    return Answer(tool_calls=calls)


def _options(cli: CommandLine, host: OpenAIHost, *tools: str) -> list[str]:
    (cli.folder / "handy.py").write_text(_CODE)
    config = cli.config(f'[providers.openai]\napi_key = "k-secret"\nbase_url = "{host.url}"\n')
    named = [option for tool in tools for option in ("--tool", f"handy:{tool}")]
    return ["chat", "--config", config, "-m", "openai/gpt-5.4", *named, "Hi"]


async def test_a_tool_runs_and_its_result_goes_back(cli: CommandLine) -> None:
    """The model is told the result as JSON in a tool's turn, and its next answer is printed."""
    script = [_calls(("weather", {"city": "Rome"})), Answer("It is clear.")]
    async with OpenAIHost(script=script) as host:
        ended = await cli(*_options(cli, host, "weather"), "--yes")
    assert (ended.code, ended.out) == (0, "It is clear.\n")
    assert ended.err == 'tool weather(city="Rome")\n'
    declared = host.requests[0].json["tools"][0]["function"]
    assert (declared["name"], declared["description"]) == ("weather", "The weather in a city.")
    _, asked, told = host.requests[1].json["messages"]
    assert asked["tool_calls"][0]["function"]["name"] == "weather"
    assert (told["role"], told["tool_call_id"]) == ("tool", asked["tool_calls"][0]["id"])
    assert json.loads(told["content"]) == {"city": "Rome", "sky": "clear"}


async def test_an_async_tool_is_awaited_and_its_arguments_have_their_types(cli: CommandLine) -> None:
    """A date is a date to the function, and a string goes back as it is."""
    async with OpenAIHost(script=[_calls(("later", {"day": "2026-03-01"})), Answer("Yes.")]) as host:
        ended = await cli(*_options(cli, host, "later"), "--yes", "--no-stream")
    assert (ended.code, ended.out) == (0, "Yes.\n")
    assert host.requests[1].json["messages"][-1]["content"] == "after 2026"


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (("broken", {}), "Error: RuntimeError: no luck"),
        (("weather", {"town": "Rome"}), "Error: ValidationError: city: Missing required argument"),
        (
            ("weather", "no JSON"),
            "Error: InvalidOutputError: the arguments for the tool 'weather' are not a JSON object",
        ),
        (("wether", {}), "Error: InvalidOutputError: unknown tool 'wether'; expected one of weather, broken"),
    ],
)
async def test_what_goes_wrong_in_a_tool_is_told_to_the_model(
    cli: CommandLine, call: tuple[str, dict[str, object]], told: str
) -> None:
    """The model hears of it and may answer all the same; the user sees it without a traceback."""
    async with OpenAIHost(script=[_calls(call), Answer("Sorry.")]) as host:
        ended = await cli(*_options(cli, host, "weather", "broken"), "--yes")
    assert (ended.code, ended.out) == (0, "Sorry.\n")
    assert host.requests[1].json["messages"][-1]["content"].startswith(told)
    assert told.removeprefix("Error: ") in ended.err
    assert "Traceback" not in ended.err


async def test_on_a_terminal_each_call_is_shown_and_asked_for(cli: CommandLine) -> None:
    """Only a yes runs it; a no is told to the model; what would steer the terminal is shown as an escape."""
    script = [_calls(("weather", {"city": "Rome"}), ("weather", {"city": "Oslo\x1b[2J\u202e"})), Answer("Well.")]
    async with OpenAIHost(script=script) as host:
        ended = await cli.on_terminal(*_options(cli, host, "weather"), steps=[(_ASKED, "y\n"), (_ASKED, "\n")])
    assert ended.code == 0
    assert 'tool weather(city="Oslo\\u001b[2J\\u202e")' in ended.out
    assert (cli.folder / "called").read_text() == "Rome"
    assert host.requests[1].json["messages"][-1]["content"] == "The user did not allow this call."


async def test_always_asks_once_for_a_tool(cli: CommandLine) -> None:
    """After ``a`` every call of this tool runs, those of another one are asked for."""
    script = [
        _calls(("weather", {"city": "Rome"}), ("weather", {"city": "Oslo"}), ("later", {"day": "2026-03-01"})),
        Answer("Well."),
    ]
    async with OpenAIHost(script=script) as host:
        ended = await cli.on_terminal(
            *_options(cli, host, "weather", "later"), steps=[(_ASKED, "a\n"), (_ASKED, "\x04")]
        )
    assert ended.code == 0
    assert ended.out.count(_ASKED) == 2
    assert (cli.folder / "called").read_text() == "RomeOslo"
    assert "tool later: not run" in ended.out


async def test_ctrl_c_at_the_question_runs_nothing(cli: CommandLine) -> None:
    """It ends the command with 130."""
    async with OpenAIHost(script=[_calls(("weather", {"city": "Rome"}))]) as host:
        ended = await cli.on_terminal(*_options(cli, host, "weather"), wait_for=_ASKED, then=signal.SIGINT)
    assert ended.code == 130
    assert not (cli.folder / "called").exists()


async def test_where_nobody_can_be_asked_nothing_is_sent(cli: CommandLine) -> None:
    """Without a terminal and without ``--yes`` it is a fault of the arguments."""
    async with OpenAIHost() as host:
        ended = await cli(*_options(cli, host, "weather"))
    assert (ended.code, ended.out, host.requests) == (2, "", [])
    assert ended.err.count("\n") == 1
    assert "give --yes to run tools without asking" in ended.err


async def test_a_model_that_never_stops_calling_is_stopped(cli: CommandLine) -> None:
    """After the rounds that are allowed it is a failure, with exit code 1."""
    async with OpenAIHost(script=[_calls(("weather", {"city": "R"}))]) as host:
        ended = await cli(*_options(cli, host, "weather"), "--yes", "--tool-rounds", "2")
    assert (ended.code, len(host.requests)) == (1, 3)
    assert "error: the model still calls tools after 2 rounds; --tool-rounds N allows more rounds" in ended.err
    assert (cli.folder / "called").read_text() == "RR"


@pytest.mark.parametrize(
    ("reference", "fault"),
    [
        ("handy", "expected module:name"),
        ("nowhere:weather", "the module 'nowhere' is not in the working directory and not installed"),
        ("handy:wether", "the module has no 'wether'; did you mean 'weather'?"),
        ("handy:NOT_A_FUNCTION", "it is not a function"),
        ("handy:untyped", "untyped: the parameter 'city' has no type"),
        ("handy:odd", "Cannot generate a JsonSchema"),
        ("raising:anything", "its import failed with ValueError: bad luck"),
        ("wanting:anything", "wanting needs the module 'nowhere_at_all', which is not installed"),
    ],
)
async def test_a_tool_that_cannot_be_used_is_one_line(cli: CommandLine, reference: str, fault: str) -> None:
    """It names the tool and the fault, with exit code 2, before anything is sent."""
    (cli.folder / "handy.py").write_text(_CODE)
    (cli.folder / "raising.py").write_text("raise ValueError('bad luck')")
    (cli.folder / "wanting.py").write_text("import nowhere_at_all")
    ended = await cli("chat", "-m", "rehearsal", "--yes", "--tool", reference, "Hi")
    assert (ended.code, ended.out, ended.err.count("\n")) == (2, "", 1)
    assert ended.err.startswith("error: --tool ")
    assert fault in ended.err


async def test_a_file_here_cannot_stand_in_for_an_installed_module(cli: CommandLine) -> None:
    """The working directory counts only for a tool that names a module in it."""
    cli.plugins.mkdir()
    (cli.plugins / "installed_tools.py").write_text(
        "import shadowed\ndef which() -> str:\n    'Which.'\n    return shadowed.NAME\n"
    )
    (cli.plugins / "shadowed.py").write_text("NAME = 'installed'")
    (cli.folder / "shadowed.py").write_text("NAME = 'here'")
    program = (
        "from segue.cli.importing import imported\n"
        "import sys; sys.path[:] = [path for path in sys.path if path]\n"
        "print(imported('--tool', 'installed_tools:which')())"
    )
    assert (await cli.python(program)).out == "installed\n"


async def test_two_tools_of_one_name_are_refused(cli: CommandLine) -> None:
    """A model could not tell them apart."""
    async with OpenAIHost() as host:
        ended = await cli(*_options(cli, host, "weather", "weather"), "--yes")
    assert ended.code == 2
    assert "the tool 'weather' is given twice" in ended.err
