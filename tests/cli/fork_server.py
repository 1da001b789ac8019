"""Starts ``python -m segue`` in a tenth of the time: a process that has imported what a command needs, and forks.

A command of the tests is a process of its own, with descriptors, folder, environment and end of its own. What it does
not do again is start Python and import aiohttp, click, pydantic and Segue's client, which is nearly all that it would
do. Only the command line itself, and the plugins, are imported by each command anew.

Run as a program with the number of a socket's descriptor, this file is the server. Each message on the socket is a
command as JSON, with four descriptors: stdin, stdout, stderr and a pipe, on which the server writes the process's
number, and, once it has ended, its exit code.
"""

from __future__ import annotations

import array
import asyncio
import atexit
import contextlib
import gc
import json
import os
import runpy
import selectors
import signal
import socket
import subprocess
import sys
import threading
import time
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_SECONDS = 30
_WATCHED = ("PYTHON", "LC_", "LANG", "SSL_", "MALLOC")
"""Variables that Python, or a library when it is imported, reads once at its start."""


class Forked:
    """A command that was started by the server."""

    def __init__(self, pid: int, report: asyncio.StreamReader, transport: asyncio.ReadTransport) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._report = report
        self._transport = transport

    async def wait(self) -> int:
        """Wait for its end; its exit code, or the negative number of the signal that ended it."""
        if self.returncode is None:
            line = await self._report.readline()
            self._transport.close()
            self.returncode = int(line)
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended: the server still holds its number until it has reported the end."""
        if self.returncode is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """End it."""
        self.send_signal(signal.SIGKILL)


class ForkServer:
    """The server of this process, started with the first command."""

    _process: subprocess.Popen[bytes] | None = None
    _socket: socket.socket
    _environ: Mapping[str, str]

    def serves(self, environ: Mapping[str, str]) -> bool:
        """Whether a process with this environment would start as the server did."""
        self._start(environ)
        return _start_of(environ) == _start_of(self._environ)

    async def run(
        self, arguments: Sequence[str], folder: Path, environ: Mapping[str, str], descriptors: Sequence[int]
    ) -> Forked:
        """Run a command with stdin, stdout and stderr."""
        self._start(environ)
        ours, its = os.pipe()
        report = asyncio.StreamReader()
        loop = asyncio.get_running_loop()
        transport, _ = await loop.connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(report), os.fdopen(ours, "rb", 0)
        )
        message = json.dumps({"arguments": [*arguments], "folder": str(folder), "environ": {**environ}}).encode()
        passed = array.array("i", [*descriptors, its])
        self._socket.sendmsg([message], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, passed)])
        os.close(its)
        return Forked(int(await report.readline()), report, transport)

    def _start(self, environ: Mapping[str, str]) -> None:
        if self._process is not None:
            return
        ForkServer._environ = {name: value for name, value in environ.items() if name != "PYTHONPATH"}
        ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        # Coverage is measured in what is forked, not here.
        clean = {name: value for name, value in self._environ.items() if not name.startswith("COVERAGE_")}
        command = [sys.executable, __file__, *(["coverage"] if clean != self._environ else []), str(its.fileno())]
        ForkServer._process = subprocess.Popen(command, env=clean, pass_fds=[its.fileno()], stdin=subprocess.DEVNULL)
        ForkServer._socket = ours
        its.close()
        atexit.register(self._stop)

    def _stop(self) -> None:
        self._socket.close()
        if self._process is not None:
            self._process.wait(_SECONDS)


def _start_of(environ: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environ.items() if name.startswith(_WATCHED) and name != "PYTHONPATH"}


# ── the server ───────────────────────────────────────────────────────────────────────────────────────


def _next(commands: socket.socket) -> tuple[dict[str, object], list[int]] | None:
    """The next command and its descriptors, in a process of its own; None once there are no more."""
    woken, wake = socket.socketpair()
    for each in (woken, wake):
        each.setblocking(False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake.fileno(), warn_on_full_buffer=False)
    running: dict[int, int] = {}
    with selectors.DefaultSelector() as selector:
        selector.register(commands, selectors.EVENT_READ)
        selector.register(woken, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fileobj is woken:
                    woken.recv(4096)
                    _report(running)
                    continue
                message, passed, _, _ = socket.recv_fds(commands, 1 << 20, 4)
                if not message:
                    return None
                pid = os.fork()
                if not pid:
                    signal.set_wakeup_fd(-1)
                    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                    for each in (woken, wake, commands):
                        each.close()
                    for report in (passed.pop(), *running.values()):
                        os.close(report)
                    return json.loads(message), passed
                for descriptor in passed[:3]:
                    os.close(descriptor)
                running[pid] = passed[3]
                os.write(passed[3], b"%d\n" % pid)


def _report(running: dict[int, int]) -> None:
    """Say of each process that has ended how it did."""
    while running:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if not pid:
            return
        report = running.pop(pid)
        with contextlib.suppress(BrokenPipeError):  # nobody waits for it any more
            os.write(report, b"%d\n" % os.waitstatus_to_exitcode(status))
        os.close(report)


def _become(command: dict[str, object], passed: Sequence[int]) -> None:
    """Make this process what ``python -m segue`` would be."""
    for wanted, descriptor in enumerate(passed):
        os.dup2(descriptor, wanted)
        os.close(descriptor)
    match command:
        case {"arguments": list(arguments), "folder": str(folder), "environ": dict(environ)}:
            os.chdir(folder)
            os.environ.clear()
            os.environ.update(environ)
            sys.argv[1:] = arguments
        case _:
            raise ValueError("a command has arguments, a folder and an environment")
    time.tzset()
    sys.path[:1] = [folder, *filter(None, environ.get("PYTHONPATH", "").split(os.pathsep))]
    sys.stdin = sys.__stdin__ = _text(0, "r", sys.stdin)  # type: ignore[misc]
    sys.stdout = sys.__stdout__ = _text(1, "w", sys.stdout)  # type: ignore[misc]
    sys.stderr = sys.__stderr__ = _text(2, "w", sys.stderr)  # type: ignore[misc]
    if "COVERAGE_PROCESS_START" in environ or "COVERAGE_PROCESS_CONFIG" in environ:
        import coverage

        coverage.process_startup()


def _text(descriptor: int, mode: str, like: IO[str]) -> IO[str]:
    terminal = os.isatty(descriptor)
    return open(
        descriptor, mode, encoding=like.encoding, errors=like.errors, closefd=False,
        buffering=1 if terminal or descriptor == 2 else -1,
    )  # fmt: skip


def _exit(code: int) -> None:
    """End as Python does, without taking apart the modules, which takes as long as a short command."""
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    gc.collect()
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:
        return  # Python has its own way with what it cannot write
    os._exit(code)


if __name__ == "__main__":
    import importlib.metadata  # noqa: F401

    import aiohttp  # noqa: F401
    import click  # noqa: F401
    import jiter  # noqa: F401
    import orjson  # noqa: F401
    import pluggy  # noqa: F401
    import pydantic.main

    import segue.client.client
    import segue.config.models
    import segue.plugins.inspection
    import segue.testing.hosts  # noqa: F401

    # What pydantic imports with its first class.
    type("First", (pydantic.main.BaseModel,), {})
    if "coverage" in sys.argv:
        import coverage.sqldata
        import coverage.tracer

        coverage.Coverage(data_file=None).start()  # imports what it needs
        coverage.Coverage.current().stop()
    gc.collect()
    gc.freeze()  # else each process would copy all that is here when it looks for what is left
    with socket.socket(fileno=int(sys.argv.pop())) as _commands:
        _forked = _next(_commands)
    if _forked is not None:
        _become(*_forked)
        try:
            runpy._run_module_as_main("segue")  # type: ignore[attr-defined]
        except SystemExit as _end:
            if isinstance(_end.code, int):
                _exit(_end.code)
            raise
