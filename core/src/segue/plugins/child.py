"""The process that imports plugins to read their declarations, with a time limit for each."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from typing import IO, TYPE_CHECKING, Any, Final, TypeAlias, cast

from .inspection import inspected

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from .entries import Entry

READY_WITHIN: Final = 20.0
"""Seconds in which the process must start; until then it imports only Segue."""

_GONE_WITHIN: Final = 1.0

_BOOT: Final = (
    "import sys, json; told = json.loads(sys.stdin.buffer.readline()); sys.path[:] = told['path']; "
    "from segue.plugins.inspection import main; main(told)"
)


class _NoChildError(Exception):
    """This process cannot start an interpreter."""


Read: TypeAlias = "tuple[Mapping[str, Any], Sequence[str]]"
"""What was read of a plugin, and the declarations of its providers as JSON."""


def inspect(entries: Sequence[Entry], time_limit: float, *, load: bool = False) -> dict[Entry, Read]:
    """The declarations of each plugin; if one hangs or ends the process, the others are still read.

    ``load`` imports the implementations of its providers too.
    """
    told: dict[Entry, Read] = {}
    left = list(entries)
    while left:
        try:
            for place, result in _one_run(left, time_limit, load=load):
                told[left[place]] = _told(result)
            if left[0] not in told:
                raise _NoChildError
        except _NoChildError:
            # A frozen program, an interpreter inside another one, no right to start any: then here, without a limit.
            told.update((entry, _told(inspected(entry, load=load))) for entry in left if entry not in told)
        left = [entry for entry in left if entry not in told]
    return told


def _told(result: dict[str, Any]) -> Read:
    lines = result.pop("providers", [])
    head = {"names": [], "hooks": [], "trace": [], "printed": "", "replaced": [], "file": "", "stamps": [], **result}
    return json.loads(json.dumps(head)), lines  # as it will be once it was kept


def _one_run(entries: Sequence[Entry], time_limit: float, *, load: bool) -> Iterator[tuple[int, dict[str, Any]]]:
    """The results of one process; it ends early after a plugin that took it along, where each had none of its own."""
    process = _started(entries, time_limit, load=load)
    lines: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
    assert process.stdout is not None
    reader = threading.Thread(target=_forward, args=(process.stdout, lines), daemon=True)
    reader.start()
    begun: int | None = None
    group: int | None = None
    since, limit = time.monotonic(), READY_WITHIN
    try:
        while True:
            try:
                line = lines.get(timeout=limit)
            except queue.Empty:
                if begun is None:
                    return
                yield begun, {"seconds": limit, "error": _of(entries[begun], f"took more than {limit:g} s")}
                if group is None:
                    return
                _kill(group)  # its own process tells that, and goes on
                begun = None
                continue
            limit = time_limit
            match read_line(line):
                case {"ready": _}:
                    continue
                case {"begun": int(begun), "group": group}:
                    since = time.monotonic()
                    continue
                case {"done": int(place), **result}:
                    yield place, cast("dict[str, Any]", result)
                    begun = None
                case {"ended": int(place), "code": int(code)}:
                    if begun is not None:
                        yield begun, _ended(entries[begun], code, since)
                    begun = group = None
                case _:
                    if begun is not None:
                        yield begun, _broken_off(entries[begun], line, process, since)
                    return
            if group is None and place == len(entries) - 1:
                return
    finally:
        _end(process, group)
        reader.join(_GONE_WITHIN)
        if not reader.is_alive():  # else a process that the plugin made a daemon holds the other end
            process.stdout.close()


def _started(entries: Sequence[Entry], time_limit: float, *, load: bool) -> subprocess.Popen[bytes]:
    if not sys.executable or getattr(sys, "frozen", False):
        raise _NoChildError
    told = {
        "path": sys.path,
        "load": load,
        "time_limit": time_limit,
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


def read_line(line: bytes | None) -> object:
    """The JSON value of a line; None at the end, and for a line that is not from our code."""
    try:
        return None if line is None else json.loads(line)
    except ValueError:
        return None


def _of(entry: Entry, what: str) -> str:
    return f"plugin {entry}: its import {what}"


def _ended(entry: Entry, code: int, since: float) -> dict[str, Any]:
    return {"seconds": time.monotonic() - since, "error": _of(entry, f"ended the process with {ending(code)}")}


def ending(code: int) -> str:
    """How a process ended, by its return code."""
    if code >= 0:
        return f"exit code {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"


def _broken_off(entry: Entry, line: bytes | None, process: subprocess.Popen[bytes], since: float) -> dict[str, Any]:
    """The error for a plugin after which the process printed nothing, or something that is not ours."""
    if line is None:
        return _ended(entry, _code(process), since)
    what = "wrote to a descriptor that is none of its own"
    return {"seconds": time.monotonic() - since, "error": _of(entry, what)}


def _code(process: subprocess.Popen[bytes]) -> int:
    try:
        return process.wait(_GONE_WITHIN)
    except subprocess.TimeoutExpired:  # it lives, and says nothing
        process.kill()
        return process.wait()


def _end(process: subprocess.Popen[bytes], group: int | None) -> None:
    """Whatever it does, and what it started."""
    if process.returncode is None:  # else its number may be another's by now
        _kill(process.pid)
    if group is not None:
        _kill(group)
    process.kill()
    process.wait()


def _kill(group: int) -> None:
    if hasattr(os, "killpg"):
        with contextlib.suppress(ProcessLookupError, PermissionError):  # it ended by itself
            os.killpg(group, signal.SIGKILL)
