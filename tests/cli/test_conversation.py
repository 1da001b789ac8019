"""``segue chat`` without a message: the prompt loop."""

from __future__ import annotations

import json
import signal
import stat
from typing import TYPE_CHECKING

import pytest

from segue.cli.history import History, history_file
from segue.testing import Answer, OpenAIHost, Stall, Status

if TYPE_CHECKING:
    from pathlib import Path

    from .conftest import CommandLine

_QUIT = ("\r\n> ", "/quit\n")


def _config(cli: CommandLine, host: OpenAIHost) -> list[str]:
    return ["--config", cli.config(f'[providers.openai]\napi_key = "k-secret"\nbase_url = "{host.url}"\n')]


def _history(cli: CommandLine) -> Path:
    return cli.folder / ".local" / "state" / "segue" / "history"


async def test_each_turn_is_sent_with_those_before_it(cli: CommandLine) -> None:
    """The second request has the first question and its answer, after what the model was told."""
    async with OpenAIHost(answer=lambda received: [f"answer {received.number}"]) as host:
        ended = await cli.on_terminal(
            "chat", *_config(cli, host), "-m", "openai/gpt-4o", "--system", "Be brief.",
            steps=[("> ", "one\n"), ("answer 1\r\n", ""), ("> ", "two\n"), ("answer 2\r\n", ""), _QUIT],
        )  # fmt: skip
    assert ended.code == 0
    assert [(turn["role"], turn["content"]) for turn in host.requests[1].json["messages"]] == [
        ("system", "Be brief."), ("user", "one"), ("assistant", "answer 1"), ("user", "two"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["-m", "openai/gpt-4o"], "openai has no key: set OPENAI_API_KEY"),
        (["-m", "opnai/gpt-4o"], "no provider 'opnai'; did you mean 'openai'?"),
        (["-m", "rehearsal", "--schema", '{"type": "object"}', "--needs", "vision"], "vision unknown"),
        (["-m", "openai/gpt-4o", "-m", "mistral/x"], "  2. mistral/x: no key: set MISTRAL_API_KEY"),
        (["--needs", "context>=100m"], "context>=100m"),
    ],
)
async def test_a_conversation_with_nobody_is_refused_before_the_prompt(
    cli: CommandLine, options: list[str], told: str
) -> None:
    """Nothing has to be typed first; the exit code is that of a question."""
    ended = await cli.on_terminal("chat", *options)
    assert ended.code == 2
    assert "\r\n> " not in ended.out
    assert not ended.out.startswith("> ")
    assert told in ended.out


async def test_another_model_that_cannot_be_asked_is_refused(cli: CommandLine) -> None:
    """The conversation goes on with the one before."""
    ended = await cli.on_terminal(
        "chat", "-m", "rehearsal",
        steps=[
            ("> ", "/model openai/gpt-4o\n"), ("set OPENAI_API_KEY", ""), ("> ", "/model\n"),
            ("talking to rehearsal", ""), _QUIT,
        ],
    )  # fmt: skip
    assert ended.code == 0


async def test_a_failed_turn_is_told_and_left_out(cli: CommandLine) -> None:
    """An error is one line; the next turn goes on from before it."""
    async with OpenAIHost(script=[Status(400), Answer("fine")]) as host:
        ended = await cli.on_terminal(
            "chat", *_config(cli, host), "-m", "openai/gpt-4o",
            steps=[("> ", "one\n"), ("error: openai: HTTP 400", ""), ("> ", "two\n"), ("fine\r\n", ""), _QUIT],
        )  # fmt: skip
    assert ended.code == 0
    assert "Traceback" not in ended.out
    assert host.requests[-1].json["messages"] == [{"role": "user", "content": "two"}]


async def test_ctrl_c_stops_an_answer_and_what_came_stays_in_the_conversation(cli: CommandLine) -> None:
    """The prompt is back, the host is left, and the words that were read can be talked about."""
    async with OpenAIHost(answer="one two three", script=[Stall("middle", after_tokens=1), Answer("fine")]) as host:
        ended = await cli.on_terminal(
            "chat", *_config(cli, host), "-m", "openai/gpt-4o",
            steps=[
                ("> ", "count\n"), ("\r\none", signal.SIGINT), ("stopped", ""), ("> ", "go on\n"),
                ("fine\r\n", ""), _QUIT,
            ],
        )  # fmt: skip
        assert ended.code == 0
        sent = host.requests[1].json["messages"]
        assert [turn["content"] for turn in sent] == ["count", "one", "go on"]


async def test_ctrl_c_at_an_empty_prompt_leaves_only_when_pressed_twice(cli: CommandLine) -> None:
    """The first one says so, the second exits with 130."""
    ended = await cli.on_terminal(
        "chat", "-m", "rehearsal", steps=[("> ", signal.SIGINT), ("again to end the conversation\r\n> ", signal.SIGINT)]
    )
    assert ended.code == 130
    assert "Traceback" not in ended.out


async def test_ctrl_d_leaves(cli: CommandLine) -> None:
    """The end of input is the end of the conversation."""
    ended = await cli.on_terminal("chat", "-m", "rehearsal", wait_for="> ", then="\x04")
    assert ended.code == 0


async def test_commands(cli: CommandLine) -> None:
    """Help lists every command, clear forgets, an unknown one names the nearest, two slashes are a message."""
    async with OpenAIHost(answer=lambda received: [f"answer {received.number}"]) as host:
        ended = await cli.on_terminal(
            "chat", *_config(cli, host), "-m", "openai/gpt-4o",
            steps=[
                ("> ", "/help\n"), ("twice at the prompt", ""), ("> ", "one\n"), ("answer 1\r\n", ""),
                ("> ", "/claer\n"), ("did you mean /clear?", ""), ("> ", "/clear\n"), ("new conversation", ""),
                ("> ", "//two\n"), ("answer 2\r\n", ""), _QUIT,
            ],
        )  # fmt: skip
    assert ended.code == 0
    assert all(command in ended.out for command in ("/help", "/model NAME", "/clear", "/quit"))
    assert host.requests[1].json["messages"] == [{"role": "user", "content": "/two"}]


async def test_another_model_goes_on_with_the_conversation(cli: CommandLine) -> None:
    """The model is changed where it can be asked, and kept where not."""
    async with OpenAIHost(answer="fine") as host:
        ended = await cli.on_terminal(
            "chat", *_config(cli, host), "-m", "openai/gpt-4o",
            steps=[
                ("> ", "/model gpt-5.4-nanox\n"), ("the nearest are", ""), ("> ", "/model\n"),
                ("talking to openai/gpt-4o\r\n", ""), ("> ", "/model gpt-5.4-nano\n"),
                ("talking to openai/gpt-5.4-nano\r\n", ""), ("> ", "one\n"), ("fine\r\n", ""), _QUIT,
            ],
        )  # fmt: skip
    assert ended.code == 0
    assert [received.json["model"] for received in host.requests] == ["gpt-5.4-nano"]


async def test_a_rehearsal_is_told_once(cli: CommandLine) -> None:
    """With no provider configured the loop rehearses, and says so before it begins."""
    ended = await cli.on_terminal("chat", steps=[("> ", "one\n"), ("You said: one\r\n", ""), _QUIT])
    assert ended.code == 0
    assert ended.out.count("this is a rehearsal, no model got the request (") == 1


async def test_a_file_goes_with_the_first_message_alone(cli: CommandLine) -> None:
    """What was attached on the command line stands in the turn that it came with."""
    (cli.folder / "a.txt").write_text("text")
    async with OpenAIHost(answer=lambda received: [f"answer {received.number}"]) as host:
        await cli.on_terminal(
            "chat", *_config(cli, host), "-m", "openai/gpt-4o", "--file", "a.txt",
            steps=[("> ", "one\n"), ("answer 1\r\n", ""), ("> ", "two\n"), ("answer 2\r\n", ""), _QUIT],
        )  # fmt: skip
    sent = host.requests[1].json["messages"]
    assert [part["type"] for part in sent[0]["content"]] == ["text", "file"]
    assert sent[2]["content"] == "two"


# ── history ──────────────────────────────────────────────────────────────────────────────────────────


async def test_what_was_typed_is_kept_for_its_owner_alone(cli: CommandLine) -> None:
    """The history has the lines that were typed, no answers, and can be read by nobody else."""
    await cli.on_terminal("chat", "-m", "rehearsal", steps=[("> ", "secret plans\n"), ("plans\r\n", ""), _QUIT])
    path = _history(cli)
    assert [json.loads(line) for line in path.read_text().splitlines()] == ["secret plans", "/quit"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


async def test_an_arrow_key_brings_back_the_last_line(cli: CommandLine) -> None:
    """A line of an earlier run is there again."""
    _history(cli).parent.mkdir(parents=True)
    _history(cli).write_text('"from before"\nbroken\n')
    ended = await cli.on_terminal(
        "chat", "-m", "rehearsal", steps=[("> ", "\x1b[A\n"), ("You said: from before\r\n", ""), _QUIT]
    )
    assert ended.code == 0


async def test_without_history_nothing_is_kept(cli: CommandLine) -> None:
    """``--no-history`` leaves no file."""
    await cli.on_terminal(
        "chat", "--no-history", "-m", "rehearsal", steps=[("> ", "one\n"), ("You said: one\r\n", ""), _QUIT]
    )
    assert not _history(cli).exists()


async def test_a_history_that_cannot_be_kept_is_a_note(cli: CommandLine) -> None:
    """The conversation goes on without it, and it is said once."""
    (cli.folder / ".local").write_text("in the way")
    ended = await cli.on_terminal("chat", "-m", "rehearsal", steps=[("> ", "one\n"), ("You said: one\r\n", ""), _QUIT])
    assert ended.code == 0
    assert ended.out.count("note: the history cannot be saved") == 1


def test_a_relative_state_folder_counts_as_none() -> None:
    """The history is never in the working directory."""
    environ = {"XDG_STATE_HOME": "here", "HOME": "/home/ann"}
    assert str(history_file(environ)) == "/home/ann/.local/state/segue/history"
    assert str(history_file({"XDG_STATE_HOME": "/state"})) == "/state/segue/history"


def test_a_long_history_is_shortened(tmp_path: Path) -> None:
    """Beyond twice a thousand lines the last thousand stay, for their owner alone."""
    path = tmp_path / "history"
    path.write_text("".join(f'"{number}"\n' for number in range(2001)))
    History(path)
    lines = path.read_text().splitlines()
    assert (len(lines), lines[0], lines[-1]) == (1000, '"1001"', '"2000"')
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
