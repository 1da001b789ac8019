"""Runs the command line as its users do: as a process of its own, with pipes or with a terminal."""

from __future__ import annotations

import asyncio
import os
import pty
import re
import signal
import sys
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from fork_server import Forked, ForkServer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

_LIMIT = 60
_SERVER = ForkServer()
_AGAIN = 5
_STATUS = re.compile(r"\r[^\r\n\x1b]*\x1b\[K(?!\x1b8)")
_BELOW = re.compile(r"(?:\x1bD\x1b\[A)?\x1b7\x1b\[B\r[^\r\n\x1b]*\x1b\[K\x1b8")


@dataclass(frozen=True)
class Ended:
    """How a command ended; on a terminal ``out`` has both streams."""

    code: int
    out: str
    err: str = ""


class CommandLine:
    """Commands in an empty home and working directory, with no key set."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.plugins = folder / "plugins"
        self.environ = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("OPENAI_", "XDG_", "PYTHON", "LC_", "SEGUE_"))
        }
        self.environ |= {
            "HOME": str(folder),
            "LANG": "C.UTF-8",
            "COLUMNS": "200",
            "TERM": "xterm",
        }
        self.environ["SEGUE_CACHE"] = os.environ["SEGUE_CACHE"]
        self.environ["SEGUE_RETRY_COUNT"] = "0"  # nobody waits here; the retries have tests of their own

    def _environment(self) -> dict[str, str]:
        """With the plugins on the path where there are any: else what is known of all that is installed is kept."""
        return self.environ | ({"PYTHONPATH": str(self.plugins)} if self.plugins.is_dir() else {})

    def config(self, text: str) -> str:
        """A configuration file."""
        path = self.folder / "given.toml"
        path.write_text(text)
        return str(path)

    def plugin(self, name: str, code: str, *, module: str | None = None) -> None:
        """Install a distribution ``NAME-dist`` with one plugin, as pip would lay it out."""
        module = module or name
        self.plugins.mkdir(exist_ok=True)
        (self.plugins / f"{module}.py").write_text(code)
        info = self.plugins / f"{module}_dist-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}-dist\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[segue]\n{name} = {module}\n")

    async def start(self, *arguments: str, **streams: int) -> asyncio.subprocess.Process:
        """A command that is left running, started as a shell would start it."""
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", "segue", *arguments, cwd=self.folder, env=self._environment(), **streams
        )

    async def python(self, code: str, *arguments: str) -> Ended:
        """A program instead of a command."""
        return await self._ended([sys.executable, "-c", code, *arguments], b"")

    async def shell(self, line: str) -> Ended:
        """A line of shell, where ``segue`` is the command."""
        function = f'segue() {{ {sys.executable} -m segue "$@"; }}\n'
        return await self._ended(["/bin/sh", "-c", function + line], b"")

    async def __call__(self, *arguments: str, stdin: bytes = b"") -> Ended:
        """A command with pipes."""
        environ = self._environment()
        if not _SERVER.serves(environ):
            return await self.alone(*arguments, stdin=stdin)
        (read_in, write_in), (read_out, write_out), (read_err, write_err) = (os.pipe() for _ in range(3))
        streams = read_in, write_out, write_err
        try:
            process = await _SERVER.run(arguments, self.folder, environ, streams)
        finally:
            for each in streams:
                os.close(each)
        async with _limited(process), asyncio.TaskGroup() as group:
            out, err = (group.create_task(_all_of(each)) for each in (read_out, read_err))
            await asyncio.to_thread(_put, write_in, stdin)
            code = await process.wait()
        return self._without_secrets(Ended(code, out.result().decode(), err.result().decode()))

    async def alone(self, *arguments: str, stdin: bytes = b"") -> Ended:
        """A command with pipes, started as a shell would start it."""
        return await self._ended([sys.executable, "-m", "segue", *arguments], stdin)

    async def _ended(self, command: Sequence[str], stdin: bytes) -> Ended:
        process = await asyncio.create_subprocess_exec(
            *command,
            cwd=self.folder,
            env=self._environment(),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        async with _limited(process):
            out, err = await process.communicate(stdin)
        assert process.returncode is not None
        return self._without_secrets(Ended(process.returncode, out.decode(), err.decode()))

    async def on_terminal(
        self,
        *arguments: str,
        wait_for: str = "",
        then: str | signal.Signals = "",
        steps: Sequence[tuple[str, str | signal.Signals]] = (),
        status: bool = False,
    ) -> Ended:
        """A command on a terminal; once it shows ``wait_for`` it is typed or signalled ``then``.

        ``steps`` are several such pairs; each waits for what is shown after the step before it. Without ``status``
        the line that says what is waited for, which comes and goes with the machine's speed, is taken out.
        """
        left = list(steps or ([(wait_for, then)] if then else []))
        ours, its = pty.openpty()
        pieces: asyncio.Queue[bytes] = asyncio.Queue()
        loop = asyncio.get_running_loop()
        loop.add_reader(ours, lambda: pieces.put_nowait(_read(ours)))
        shown, seen = b"", 0
        done: str | signal.Signals = ""
        try:
            environ = self._environment()
            process: asyncio.subprocess.Process | Forked
            if _SERVER.serves(environ):
                process = await _SERVER.run(arguments, self.folder, environ, (its, its, its))
            else:
                process = await self.start(*arguments, stdin=its, stdout=its, stderr=its)
            os.close(its)
            async with _limited(process):
                while True:
                    try:
                        data = await asyncio.wait_for(pieces.get(), _AGAIN if done else None)
                    except TimeoutError:
                        # A signal just before input() reads is seen by Python after it: so one presses again.
                        if isinstance(done, signal.Signals):
                            process.send_signal(done)
                        continue
                    if not data:
                        break
                    shown += data
                    while left and (place := shown.find(left[0][0].encode(), seen)) >= 0:
                        seen = place + len(left[0][0].encode())
                        _, done = left.pop(0)
                        if isinstance(done, signal.Signals):
                            process.send_signal(done)
                        else:
                            os.write(ours, done.encode())
                loop.remove_reader(ours)
                code = await process.wait()
        finally:
            loop.remove_reader(ours)
            os.close(ours)
        assert not left, f"never shown: {left[0][0]!r} in {shown[seen:]!r}"
        text = shown.decode()
        if not status:
            text = _BELOW.sub("", _STATUS.sub("", text))
        return self._without_secrets(Ended(code, text))

    def _without_secrets(self, ended: Ended) -> Ended:
        """The same, once it was seen that no key of the environment or of a file stands in it."""
        keys = {value for name, value in self.environ.items() if name.endswith(("_KEY", "_TOKEN")) and len(value) > 6}
        for path in self.folder.rglob("*.toml"):
            keys.update(re.findall(r"sk-[\w-]{6,}|canary[\w-]{6,}", path.read_text("utf-8", "replace")))
        shown = [key for key in keys if key in ended.out + ended.err]
        assert not shown, "a key stands in what was printed"
        return ended


@asynccontextmanager
async def _limited(process: asyncio.subprocess.Process | Forked) -> AsyncIterator[None]:
    """A process that hangs is ended, and is a failure."""
    try:
        async with asyncio.timeout(_LIMIT):
            yield
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def _all_of(descriptor: int) -> bytes:
    reader = asyncio.StreamReader()
    connect = asyncio.get_running_loop().connect_read_pipe
    transport, _ = await connect(lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(descriptor, "rb", 0))
    try:
        return await reader.read()
    finally:
        transport.close()


def _put(descriptor: int, data: bytes) -> None:
    with suppress(BrokenPipeError), os.fdopen(descriptor, "wb") as stream:
        stream.write(data)


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65536)
    except OSError:  # Linux says EIO where the other side of a terminal was closed
        return b""


@pytest.fixture
def cli(tmp_path: Path) -> CommandLine:
    """The command line in a home of its own."""
    return CommandLine(tmp_path)
