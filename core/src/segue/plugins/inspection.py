"""The code of the child process: it imports one plugin after the other, and returns its declarations.

It writes a line of JSON to the original stdout for each plugin that begins and for each that is done; the output of
plugins goes elsewhere, and is reported. So the reader knows which plugin hung, or ended the process. If processes can
be forked, each plugin has its own process, so that no plugin sees changes of another one: a replaced function of the
standard library, a limit, a module under the name of another package.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import signal
import sys
import tempfile
from json import dumps  # by itself: a plugin may replace what the module has under the name
from os import _exit, getpid  # as dumps
from typing import TYPE_CHECKING, Any, Final

from .declarations import to_plain
from .entries import Entry, Stamp, stamp
from .loading import Late, broken, cause_of, loaded, told_trace

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_MOST_FILES: Final = 2000
_MOST_PRINTED: Final = 200
_MOST_REPLACED: Final = 20
_WATCHED: Final = (
    "asyncio", "builtins", "importlib", "json", "logging", "os", "signal", "socket", "subprocess", "sys", "threading",
    "time", "warnings",
)  # fmt: skip
"""Modules with functions that all code calls."""


# On macOS a process that was forked may not use some of the system's libraries.
_FORKS: Final = hasattr(os, "fork") and hasattr(os, "waitid") and sys.platform != "darwin"
_GRACE: Final = 5.0
"""Seconds after the time limit in which the parent ends a plugin that hangs; then the process ends by itself."""


def main(told: Mapping[str, Any]) -> None:
    """Inspect each of the entries, and end the process, even if they left threads running."""
    import asyncio  # noqa: F401 - with it what a plugin could replace is there

    from ..provider import host, listing  # noqa: F401 - so that the first plugin's time is its own

    channel = os.fdopen(os.dup(1), "w", encoding="utf-8")
    nowhere = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nowhere, 0)
    with tempfile.TemporaryFile() as printed:
        os.dup2(printed.fileno(), 1)
        os.dup2(printed.fileno(), 2)
        _say(channel, {"ready": True})
        for place, values in enumerate(told["entries"]):
            child = os.fork() if _FORKS else 0
            if child:
                _say(channel, {"ended": place, "code": _ended(child)})
                continue
            code = 1
            try:
                _tell(channel, place, Entry(*values), told, printed.fileno())
                code = 0
            finally:
                if _FORKS or code:
                    _exit(code)
    _exit(0)  # whatever threads and tasks are left


def _tell(channel: Any, place: int, entry: Entry, told: Mapping[str, Any], printed: int) -> None:
    process = getpid()
    if _FORKS:
        os.setsid()  # to be ended with all that the plugin starts
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_REAL, told["time_limit"] + _GRACE)  # whoever waits may have been ended itself
    _say(channel, {"begun": place, "group": process if _FORKS else None})
    before, functions = os.fstat(printed).st_size, _functions()
    result = inspected(entry, load=told["load"])
    if getpid() != process:
        _exit(0)  # the plugin forked while it was imported: this is its other half
    after = _functions()
    replaced = [name for name, one in functions.items() if after.get(name) is not one]
    result["replaced"] = sorted(replaced)[:_MOST_REPLACED]
    for stream in (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__):
        with contextlib.suppress(Exception):  # a plugin may have put anything there, or closed it
            assert stream is not None
            stream.flush()
    if os.fstat(printed).st_size > before:
        result["printed"] = os.pread(printed, _MOST_PRINTED, before).decode(errors="replace")
    _say(channel, {"done": place, **result})


def _functions() -> dict[str, object]:
    """The functions and classes of the standard library that a plugin has no business to replace, by name."""
    found: dict[str, object] = {"sys.stdout": sys.stdout, "sys.stderr": sys.stderr}
    for module in _WATCHED:
        for name, value in vars(sys.modules[module]).items() if module in sys.modules else ():
            if callable(value):
                found[f"{module}.{name}"] = value
    return found


def _ended(child: int) -> int:
    """How a process ended that was forked, once it has; what it left running ends with it."""
    os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)  # until it is asked for, its number is nobody else's
    with contextlib.suppress(ProcessLookupError, PermissionError):  # it had not come so far, or left nothing
        os.killpg(child, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _say(channel: Any, value: object) -> None:
    channel.write(dumps(value) + "\n")
    channel.flush()


def inspected(entry: Entry, *, load: bool = False) -> dict[str, Any]:
    """The declarations of a plugin, or its error, as plain data; it is imported now.

    ``load`` imports its implementations too, and reports the ones that cannot be imported.
    """
    import time

    late = Late(entry)
    began = time.perf_counter()
    told: dict[str, Any]
    try:
        late.load()
        told = {"seconds": time.perf_counter() - began}
        given = [to_plain(one) for one in late.given().values()]
        hooks = late.hooks()
        told |= {"providers": [dumps(one, allow_nan=False) for one in given], "hooks": hooks}
        told["names"] = list(late.given())
        if load:
            told["unloadable"] = dict(_unloadable(late))
    except BaseException as error:  # of a plugin anything may come, and it is told of
        told = {
            "seconds": time.perf_counter() - began,
            "error": str(broken(entry, error)),
            "trace": told_trace(error),
        }
    told["file"], told["stamps"] = _files(entry)
    return told


def _unloadable(late: Late) -> Iterator[tuple[str, tuple[str, tuple[str, ...]]]]:
    """Those whose implementation cannot be imported, each with the cause and the traceback."""
    for name in late.given():
        try:
            loaded(late.spec(name))
        except BaseException as error:  # as above
            yield name, (cause_of(error), told_trace(error))


def _files(entry: Entry) -> tuple[str, list[Stamp]]:
    """Where its module is, and the files that may change under it: those of a source tree, else that module's alone."""
    try:
        spec = importlib.util.find_spec(entry.top)
    except Exception:  # it asks what is in sys.modules under the name, and a plugin may have put anything there
        return "", []
    if spec is None:
        return "", []
    origin = spec.origin or ""
    folders = list(spec.submodule_search_locations or ())
    if any("site-packages" in place or "dist-packages" in place for place in (origin, *folders)):
        return origin, [stamp(origin)] if origin else []
    files = [origin] if origin else []
    for folder in folders:
        for parent, below, names in os.walk(folder):
            below[:] = [name for name in below if name != "__pycache__"]
            files += [parent, *(os.path.join(parent, name) for name in names)]  # noqa: PTH118 - thousands of them
    return origin, [stamp(path) for path in sorted(set(files))[:_MOST_FILES]]
