"""What a terminal shows while a command waits, and that nothing of it stays."""

from __future__ import annotations

import asyncio
import io
import re
import signal
from asyncio.subprocess import DEVNULL, PIPE
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from segue.cli.progress import QUIET, SETTLED, Progress
from segue.cli.waiting import Waiting, observing
from segue.observation import Attempt, AttemptStart, Wait
from segue.testing import OpenAIHost, Status

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from pytest import MonkeyPatch  # noqa: PT013

    from .conftest import CommandLine

_WIDTH, _HEIGHT = 60, 5


class Clock:
    """Time that passes when it is told to."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


class Screen(io.StringIO):
    """A terminal: what was written to it, as a person sees it."""

    encoding = "utf-8"

    def __init__(self) -> None:
        super().__init__()
        self.rows = [" " * _WIDTH for _ in range(_HEIGHT)]
        self.row = self.column = 0
        self._kept = (0, 0)
        self.raw = ""

    def isatty(self) -> bool:
        return True

    @property
    def shown(self) -> list[str]:
        return [row.rstrip() for row in self.rows if row.strip()]

    def write(self, text: str) -> int:
        self.raw += text
        for found in re.finditer(r"\x1b\[?[A-Z78]|.|\n", text):
            self._take(found[0])
        return len(text)

    def _take(self, what: str) -> None:
        match what:
            case "\r":
                self.column = 0
            case "\n":
                self._down()
                self.column = 0
            case "\x1bD":
                self._down()
            case "\x1b[A":
                self.row = max(0, self.row - 1)
            case "\x1b[B":
                self.row = min(_HEIGHT - 1, self.row + 1)
            case "\x1b[K":
                self.rows[self.row] = self.rows[self.row][: self.column].ljust(_WIDTH)
            case "\x1b7":
                self._kept = self.row, self.column
            case "\x1b8":
                self.row, self.column = self._kept
            case _:
                assert not what.startswith("\x1b"), f"the test's terminal does not know {what!r}"
                if self.column == _WIDTH:
                    self._down()
                    self.column = 0
                line = self.rows[self.row]
                self.rows[self.row] = line[: self.column] + what + line[self.column + 1 :]
                self.column += 1

    def _down(self) -> None:
        if self.row == _HEIGHT - 1:
            self.rows = [*self.rows[1:], " " * _WIDTH]
        else:
            self.row += 1


@pytest.fixture(autouse=True)
def _terminal(monkeypatch: MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")


def _made(quiet: float = QUIET) -> tuple[Progress, Screen, Clock]:
    screen, clock = Screen(), Clock()
    return Progress(screen, clock=clock, quiet=quiet), screen, clock


def test_a_command_that_is_quick_shows_nothing() -> None:
    """Before its time the line is not there, and after its end neither."""
    progress, screen, clock = _made()
    with progress.during("waiting for a/m"):
        clock.now += QUIET - 0.01
        progress.tick()
    assert screen.raw == ""


def test_the_line_comes_before_two_seconds_of_silence_are_over() -> None:
    """Nothing on a terminal is silent for longer."""
    assert QUIET + SETTLED <= 2


def test_the_line_is_written_over_itself_and_erased() -> None:
    """There is one line with the seconds, and none once the command goes on."""
    progress, screen, clock = _made()
    with progress.during("waiting for a/m"):
        clock.now += 2
        progress.tick()
        assert screen.shown == ["waiting for a/m … 2 s (Ctrl-C stops)"]
        clock.now += 9
        progress.tick()
        assert screen.shown == ["waiting for a/m … 11 s (Ctrl-C stops)"]
    assert screen.shown == []
    assert (screen.row, screen.column) == (0, 0)


@pytest.mark.parametrize("lines_before", [0, 2, _HEIGHT - 1, _HEIGHT + 3])
def test_an_answer_that_pauses_in_mid_line_is_not_touched(lines_before: int) -> None:
    """The line stands below the answer, which goes on where it was; in the last row of the screen too."""
    progress, screen, clock = _made()
    plain = Screen()

    def write(text: str) -> None:
        progress.clear()
        screen.write(text)
        plain.write(text)
        progress.wrote(text)

    with progress.during("waiting for more"):
        for number in range(lines_before):
            write(f"line {number}\n")
        write("The beginning of ")
        for seconds in (3, 4):
            clock.now += 3
            progress.tick()
            assert f"waiting for more … {(seconds - 2) * 3} s (Ctrl-C stops)" in screen.shown
            assert "The beginning of" in screen.shown
        write("a line.")
        assert not [row for row in screen.shown if "waiting" in row]
        clock.now += 3
        progress.tick()
        write("\nThe next one.\n")
    assert screen.shown[-2:] == plain.shown[-2:] == ["The beginning of a line.", "The next one."]


def test_what_was_written_begins_the_silence_anew() -> None:
    """A stream that gives a piece now and then shows no line."""
    progress, screen, clock = _made()
    with progress.during("waiting"):
        for _ in range(5):
            clock.now += QUIET - 0.1
            progress.tick()
            progress.clear()
    assert screen.raw == ""


@pytest.mark.parametrize("term", ["dumb", ""])
def test_a_terminal_that_cannot_erase_gets_no_status_line(monkeypatch: MonkeyPatch, term: str) -> None:
    """A line that stays would end up inside the answer."""
    monkeypatch.setenv("TERM", term)
    progress, screen, clock = _made()
    waiting = Waiting(progress, clock=clock)
    with progress.during(waiting):
        for number, name in enumerate(("one", "other"), 1):
            waiting.attempt_started(AttemptStart(1, number, name, "m"))
            for _ in range(4):
                clock.now += 2
                progress.tick()
            waiting.attempt_ended(Attempt(name, "m", "failed", 8.0, number=number, call=1))
    assert screen.raw == ""


def test_without_control_sequences_what_must_be_said_is_said_once(monkeypatch: MonkeyPatch) -> None:
    """A pipe that stays open is named once, on a plain line."""
    monkeypatch.setenv("TERM", "dumb")
    progress, screen, clock = _made()
    with progress.during("reading", always=True):
        for _ in range(4):
            clock.now += 2
            progress.tick()
    assert screen.raw == "reading … 2 s (Ctrl-C stops)\n"


def test_what_is_not_a_terminal_gets_nothing() -> None:
    """A log file or a pipe holds no status lines."""
    clock, file = Clock(), io.StringIO()
    progress = Progress(file, clock=clock)
    with progress.during("waiting"):
        clock.now += 60
        progress.tick()
    assert file.getvalue() == ""


def test_ctrl_c_is_not_named_where_it_is_ignored() -> None:
    """A parent may have had SIGINT ignored: then it stops nothing."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        progress, screen, clock = _made()
        with progress.during("waiting"):
            clock.now += 2
            progress.tick()
            assert screen.shown == ["waiting … 2 s"]
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_long_line_is_cut_before_how_to_stop() -> None:
    """The line fits one row, or it could not be erased."""
    progress, screen, clock = _made()
    with progress.during("waiting for " + "漢" * 100):
        clock.now += 2
        progress.tick()
    (line,) = re.findall(r"\r([^\r\x1b]+)", screen.raw)
    assert line.endswith("… (Ctrl-C stops)")
    assert sum(2 if letter == "漢" else 1 for letter in line) < 80


# ── whom it waits for ────────────────────────────────────────────────────────────────────────────────


def _waits(reason: str, seconds: float | None) -> Wait:
    return Wait(1, reason, "a", "m", seconds)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("wait", "words"),
    [
        (_waits("slot", None), "waiting for a free slot for a/m … 3 s"),
        (_waits("retry_after", 30.0), "a asked to wait 30 s (Retry-After) … 27 s left"),
        (_waits("retry", 5.0), "waiting before a retry of a/m … 2 s left"),
    ],
)
def test_a_wait_is_named_until_it_is_over(wait: Wait, words: str) -> None:
    """Each reason has its words, with the seconds that passed or are left."""
    clock = Clock()
    waiting = Waiting(Progress(io.StringIO()), clock=clock)
    waiting.wait_started(wait)
    clock.now += 3
    assert waiting(clock.now)[1] == words
    waiting.wait_ended(wait)
    assert waiting(clock.now)[1] == "working … 3 s"


def test_attempts_are_named_while_they_are_made() -> None:
    """Of many only two are, so that the line stays a line; what thinks, and what pauses, is said."""
    clock = Clock()
    waiting = Waiting(Progress(io.StringIO()), clock=clock)
    shown = []
    for number in range(1, 5):
        waiting.attempt_started(AttemptStart(1, number, f"p{number}", "m"))
        clock.now += 1
        shown.append(waiting(clock.now)[1])
    for number in range(1, 4):
        waiting.attempt_ended(Attempt(f"p{number}", "m", "failed", 1.0, number=number, call=1))
    waiting.came(reasoning=True)
    clock.now += 5
    waiting.came(reasoning=True)
    shown.append(waiting(clock.now)[1])
    waiting.came(reasoning=False)
    clock.now += 2
    shown.append(waiting(clock.now)[1])
    assert shown == [
        "waiting for p1/m … 1 s",
        "waiting for p1/m and p2/m … 2 s",
        "waiting for p1/m, p2/m and 1 more … 3 s",
        "waiting for p1/m, p2/m and 2 more … 4 s",
        "reading the reasoning of p4/m … 5 s",
        "waiting for more from p4/m … 2 s",
    ]


# ── in a process ─────────────────────────────────────────────────────────────────────────────────────


@asynccontextmanager
async def _silent() -> AsyncIterator[str]:
    """The address of a host that takes every request, and never answers."""
    left = asyncio.Event()

    async def hang(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await left.wait()
        writer.close()

    server = await asyncio.start_server(hang, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
        left.set()


def _row(url: str) -> str:
    return (
        f'[providers.row]\nwire = "openai_chat"\nbase_url = "{url}"\nmodels = [{{ name = "m", embeddings = true }}]\n'
    )


_COMMANDS = {
    "chat": ["chat", "-m", "row/m", "Hi"],
    "a question": ["-m", "row/m", "Hi"],
    "chat --no-stream": ["chat", "--no-stream", "-m", "row/m", "Hi"],
    "chat --json": ["chat", "--json", "-m", "row/m", "Hi"],
    "embed": ["embed", "-m", "row/m", "Hi"],
    "models --live": ["models", "--live", "--provider", "row"],
    "probe": ["probe", "row/m"],
    "record": ["record", "-m", "row/m", "Hi"],
}


@pytest.mark.parametrize("command", _COMMANDS)
async def test_every_command_that_waits_for_a_host_says_so_and_how_to_stop(cli: CommandLine, command: str) -> None:
    """It names whom, and Ctrl-C ends it with 130, one line and no traceback; the line of the wait is gone."""
    async with _silent() as url:
        ended = await cli.on_terminal(
            *_COMMANDS[command],
            "--config",
            cli.config(_row(url)),
            steps=[("waiting for ", ""), ("(Ctrl-C stops)", signal.SIGINT)],
            status=True,
        )
    assert ended.code == 130
    assert re.search(r"waiting for .*row", ended.out)
    assert "Traceback" not in ended.out
    screen = Screen()
    screen.write(ended.out)
    assert screen.shown == ["interrupted"]


async def test_a_dumb_terminal_gets_no_escape_from_an_answer(cli: CommandLine) -> None:
    """Whatever a command shows, TERM=dumb is plain text; a status line, which could not be erased, is not shown."""
    cli.environ["TERM"] = "dumb"
    async with _silent() as url:
        ended = await cli.on_terminal(
            "probe",
            "row/m",
            "--timeout",
            "2.5",
            "--config",
            cli.config(_row(url)),
            status=True,
        )
        shown = [ended.out]
        for arguments in (["chat", "-m", "rehearsal", "--trace", "Hi"], ["providers"], ["models"], ["doctor"]):
            shown.append((await cli.on_terminal(*arguments)).out)
    assert "\x1b" not in "".join(shown)
    assert "waiting" not in ended.out
    assert ended.code == 1


@pytest.mark.parametrize(
    ("wait", "line"),
    [
        (_waits("retry_after", 2.0), "note: a asked to wait 2 s (Retry-After)\n"),
        (_waits("retry", 5.0), "note: waiting 5 s before a retry of a/m\n"),
        (_waits("retry_after", 1.9), ""),
        (_waits("slot", None), ""),
    ],
)
def test_a_long_wait_is_a_plain_line_where_no_status_line_can_be_shown(
    wait: Wait, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """In a file or a pipe a wait of two seconds or more is said once, when it begins."""
    observer = observing(Waiting(Progress(io.StringIO())))
    observer.wait_started(wait)
    observer.wait_ended(wait)
    assert capsys.readouterr().err == line


@pytest.mark.parametrize("command", sorted(set(_COMMANDS) - {"models --live", "probe", "record"}))
async def test_without_a_terminal_a_command_says_for_how_long_a_host_asked_to_wait(
    cli: CommandLine, command: str
) -> None:
    """A command whose stderr is a pipe is not silent for half a minute."""
    cli.environ["SEGUE_RETRY_COUNT"] = "1"
    async with OpenAIHost(script=[Status(429, body=b"{}", headers={"retry-after": "30"})]) as host:
        config = cli.config(_row(host.url))
        process = await cli.start(*_COMMANDS[command], "--config", config, stdin=DEVNULL, stdout=PIPE, stderr=PIPE)
        assert process.stderr is not None
        async with asyncio.timeout(60):
            said = await process.stderr.readline()
            process.send_signal(signal.SIGINT)
            _, rest = await process.communicate()
    assert (said, rest) == (b"note: row asked to wait 30 s (Retry-After)\n", b"interrupted\n")
    assert process.returncode == 130


async def test_a_wait_for_the_end_of_stdin_is_said(cli: CommandLine) -> None:
    """A parent that leaves a pipe open would be waited for in silence; what comes at last is part of the message."""
    process = await cli.start("chat", "-m", "rehearsal", "Hello", stdin=PIPE, stdout=PIPE, stderr=PIPE)
    assert process.stdin is not None
    assert process.stderr is not None
    async with asyncio.timeout(60):
        said = await process.stderr.readline()
        out, err = await process.communicate(b"and more")
    assert re.fullmatch(r"reading the message from stdin, up to its end … \d+ s \(Ctrl-C stops\)\n", said.decode())
    assert out.decode().rstrip().endswith("Hello\n\nand more")
    assert (process.returncode, err) == (0, b"")


async def test_an_interrupt_that_is_ignored_interrupts_nothing(cli: CommandLine) -> None:
    """Started with SIGINT ignored, as in the background of a script, a command does its work."""
    ended = await cli.shell("trap '' INT; segue chat -m rehearsal Hi & sleep 0.2; kill -INT $!; wait $!")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.startswith("This is a rehearsal")
