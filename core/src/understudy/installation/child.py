"""The process in which plugins are imported to be asked what they declare, and how long each may take."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
from typing import IO, TYPE_CHECKING, Any, Final, cast

from .catalogue import Told
from .inspection import inspected

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .entries import Entry

READY_WITHIN: Final = 20.0
"""Seconds in which the process has to be there; it imports nothing but our own until then."""

_BOOT: Final = (
    "import sys, json; told = json.loads(sys.stdin.buffer.readline()); sys.path[:] = told['path']; "
    "from understudy.installation.inspection import main; main(told)"
)


class _NoChildError(Exception):
    """This process cannot start an interpreter."""


def inspect(entries: Sequence[Entry], time_limit: float, *, load: bool = False) -> dict[Entry, Told]:
    """What each tells of itself; one that hangs or ends the process costs the others nothing but the time.

    ``load`` imports the implementations of its providers too.
    """
    told: dict[Entry, Told] = {}
    left = list(entries)
    while left:
        try:
            for place, result in _one_run(left, time_limit, load=load):
                told[left[place]] = _told(result)
        except _NoChildError:
            # A frozen program, an interpreter inside another one, no right to start any: then here, without a limit.
            told.update((entry, _told(inspected(entry, load=load))) for entry in left if entry not in told)
        left = [entry for entry in left if entry not in told]
    return told


def _told(result: dict[str, Any]) -> Told:
    lines = result.pop("providers", [])
    head = {"names": [], "hooks": [], "trace": [], "printed": "", "file": "", "stamps": [], **result}
    return Told(json.loads(json.dumps(head)), lines)  # as it will be once it was kept


def _one_run(entries: Sequence[Entry], time_limit: float, *, load: bool) -> Iterator[tuple[int, dict[str, Any]]]:
    """The results of one process; it ends early after one that hung, or that took the process with it."""
    process = _started(entries, load=load)
    lines: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
    assert process.stdout is not None
    reader = threading.Thread(target=_forward, args=(process.stdout, lines), daemon=True)
    reader.start()
    begun: int | None = None
    try:
        limit = READY_WITHIN
        while True:
            try:
                line = lines.get(timeout=limit)
            except queue.Empty:
                if begun is None:
                    raise _NoChildError from None
                yield begun, {"seconds": limit, "error": _of(entries[begun], f"took more than {limit:g} s")}
                return
            limit = time_limit
            match None if line is None else json.loads(line):
                case {"ready": _}:
                    pass
                case {"begun": int(begun)}:
                    pass
                case {"done": int(place), **result}:
                    begun = None
                    yield place, cast("dict[str, Any]", result)
                    if place == len(entries) - 1:
                        return
                case _:
                    if begun is None:
                        raise _NoChildError
                    process.wait()
                    yield begun, {"seconds": 0.0, "error": _of(entries[begun], _ending(process.returncode))}
                    return
    finally:
        _end(process)
        reader.join()
        process.stdout.close()


def _started(entries: Sequence[Entry], *, load: bool) -> subprocess.Popen[bytes]:
    if not sys.executable or getattr(sys, "frozen", False):
        raise _NoChildError
    told = {
        "path": sys.path,
        "load": load,
        "entries": [entry.plain() for entry in entries],
    }
    try:
        # -P: the working directory, where anybody's files may be, is not looked into before the path is set.
        process = subprocess.Popen(  # noqa: S603 - our own interpreter, and a program of ours
            [sys.executable, "-P", "-c", _BOOT],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is ours to tell it of
        )
    except OSError:
        raise _NoChildError from None
    assert process.stdin is not None
    with contextlib.suppress(OSError), process.stdin as pipe:  # it is gone already, which its silence tells
        pipe.write(json.dumps(told).encode() + b"\n")
    return process


def _forward(pipe: IO[bytes], lines: queue.SimpleQueue[bytes | None]) -> None:
    for line in pipe:
        lines.put(line)
    lines.put(None)


def _of(entry: Entry, what: str) -> str:
    return f"plugin {entry}: its import {what}"


def _ending(code: int) -> str:
    if code < 0:
        try:
            return f"ended the process with {signal.Signals(-code).name}"
        except ValueError:
            return f"ended the process with signal {-code}"
    return f"ended the process with exit code {code}"


def _end(process: subprocess.Popen[bytes]) -> None:
    """Whatever it does, and what it started."""
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError, PermissionError):  # it ended by itself
            if hasattr(os, "killpg"):
                os.killpg(process.pid, signal.SIGKILL)
            else:
                process.kill()
    process.wait()
