"""Runs the kit in a child process, so that a provider that hangs or crashes affects nothing else."""

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
from dataclasses import field
from typing import IO, TYPE_CHECKING, Any, Final

from ...plugins.child import ending, read_line
from ...values import dataclass
from .report import Report, Result, with_expected
from .trying import names_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ...provider.contract import Level
    from .origin import Origin

TIMEOUT: Final = 120.0
"""Seconds that all tests of a provider may take together."""

READY_WITHIN: Final = 30.0
"""Seconds that the child may take to import the provider and what it needs."""

ITEM_WITHIN: Final = 30.0
"""Seconds that one test may take; more than the limit of the test itself."""

_MOST_HANGS: Final = 2

_BOOT: Final = (
    "import sys, json; task = json.loads(sys.stdin.buffer.readline()); sys.path[:] = task['path']; "
    "from segue.testing.conformance.trying import main; main(task)"
)


@dataclass(slots=True)
class _Trial:
    """A provider while it is tested."""

    origin: Origin
    level: Level | None
    left: list[str]
    declared: str | None = None
    name: str = ""
    expected: dict[str, str] = field(default_factory=dict)
    results: list[Result] = field(default_factory=list)


def conform(
    origin: Origin,
    *,
    items: Sequence[str] = (),
    level: Level | None = None,
    timeout: float = TIMEOUT,
    item_timeout: float = ITEM_WITHIN,
    on_result: Callable[[Result], object] | None = None,
) -> Report:
    """Test a provider in a separate process, and return the report.

    ``items`` are patterns of names; ``level`` tests for another level than the one that the provider declares.
    ``on_result`` is called with each result as soon as it is known.
    """
    began = time.monotonic()
    until = began + timeout
    trial = _Trial(origin, level, names_of(items), name=origin.name or origin.module)
    hangs = 0

    def add(item: str, outcome: Any, reason: str, seconds: float = 0.0) -> None:
        trial.left.remove(item)
        result = with_expected(Result(item, outcome, reason, seconds), trial.expected)
        trial.results.append(result)
        if on_result is not None:
            on_result(result)

    while trial.left:
        ended, why = _one_run(trial, add, until, item_timeout)
        if ended is None:
            for item in list(trial.left):
                add(item, "failed", why)
            break
        add(ended, "failed", why)
        hangs += 1
        if hangs >= _MOST_HANGS:
            for item in list(trial.left):
                add(item, "failed", f"not tested: {ended!r} was the second test that {_short(why)}")
    return Report(
        trial.name,
        origin.distribution,
        origin.version,
        trial.declared,  # type: ignore[arg-type]  # as it was declared, whatever that is
        level or (trial.declared or "text"),  # type: ignore[arg-type]  # as above
        tuple(trial.results),
        time.monotonic() - began,
    )


def _short(why: str) -> str:
    return "hung" if why.startswith("it took") else "ended the process"


def _one_run(trial: _Trial, add: Callable[..., None], until: float, item_timeout: float) -> tuple[str | None, str]:
    """Try what is left; the item at which it ended, if it was at one, and why."""
    lines: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
    with _child(trial) as process:
        assert process.stdout is not None
        reader = threading.Thread(target=_forward, args=(process.stdout, lines), daemon=True)
        reader.start()
        begun: str | None = None
        limit = READY_WITHIN
        while True:
            left = min(limit, until - time.monotonic())
            try:
                line = lines.get(timeout=max(left, 0.01))
            except queue.Empty:
                if time.monotonic() >= until:
                    return None, "not tested: the time for all tests was over" if begun is None else "the time was over"
                return begun, f"it took more than {limit:g} s"
            limit = item_timeout
            match read_line(line):
                case {"ready": _, "name": name, "declared": declared, "expected": expected}:
                    trial.name, trial.declared, trial.expected = name, declared, expected
                case {"broken": why}:
                    if "import" in trial.left:
                        add("import", "failed", why)
                    return None, f"not tested: it cannot be imported ({why})"
                case {"begun": str(begun)}:
                    pass
                case {"done": str(item), "outcome": outcome, "reason": reason, "seconds": seconds}:
                    begun = None
                    add(item, outcome, reason, seconds)
                case {"end": _}:
                    for item in list(trial.left):
                        add(item, "failed", "it was not tested")
                    return None, ""
                case _:
                    if line is not None:
                        return begun, "it wrote to a file descriptor that does not belong to it"
                    process.wait()
                    told = f"it ended the process with {ending(process.returncode)}"
                    return begun, told if begun is not None else f"not tested: the process {told.removeprefix('it ')}"


@contextlib.contextmanager
def _child(trial: _Trial) -> Iterator[subprocess.Popen[bytes]]:
    task = {"path": sys.path, "origin": trial.origin.plain(), "items": trial.left, "level": trial.level}
    process = subprocess.Popen(  # noqa: S603 - our own interpreter, and a program of ours
        [sys.executable, "-P", "-c", _BOOT],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONASYNCIODEBUG": ""},
        start_new_session=True,  # so that what it starts ends with it
    )
    try:
        assert process.stdin is not None
        with contextlib.suppress(OSError), process.stdin as pipe:  # it is gone already, which its silence tells
            pipe.write(json.dumps(task).encode() + b"\n")
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError, PermissionError):  # it ended by itself
            if hasattr(os, "killpg"):
                os.killpg(process.pid, signal.SIGKILL)
            else:
                process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def _forward(pipe: IO[bytes], lines: queue.SimpleQueue[bytes | None]) -> None:
    with contextlib.suppress(ValueError):  # closed while it was read: nobody waits any more
        for line in pipe:
            lines.put(line)
    lines.put(None)
