"""What the child process does: imports plugin after plugin, and tells of each what it declares.

A line of JSON for each that is begun and for each that is done goes to what was stdout; what plugins print goes
elsewhere, and is told of. Whoever reads it knows which plugin hung, or ended the process.
"""

from __future__ import annotations

import importlib.util
import json
import os
import sys
import tempfile
from typing import TYPE_CHECKING, Any, Final

from .declarations import to_plain
from .entries import Entry, Stamp, stamp
from .loading import Late, broken, cause_of, loaded, told_trace

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_MOST_FILES: Final = 2000
_MOST_PRINTED: Final = 200


def main(told: Mapping[str, Any]) -> None:
    """Inspect each of the entries, and end the process whatever they left running."""
    from .. import host, listing  # noqa: F401 - so that the first plugin's time is its own

    channel = os.fdopen(os.dup(1), "w", encoding="utf-8")
    nowhere = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nowhere, 0)
    with tempfile.TemporaryFile() as printed:
        os.dup2(printed.fileno(), 1)
        os.dup2(printed.fileno(), 2)
        _say(channel, {"ready": True})
        for place, entry in enumerate(told["entries"]):
            _say(channel, {"begun": place})
            before = os.fstat(printed.fileno()).st_size
            result = inspected(Entry(*entry), load=told["load"])
            for stream in (sys.stdout, sys.stderr):
                stream.flush()
            if os.fstat(printed.fileno()).st_size > before:
                result["printed"] = os.pread(printed.fileno(), _MOST_PRINTED, before).decode(errors="replace")
            _say(channel, {"done": place, **result})
    os._exit(0)  # whatever threads and tasks are left


def _say(channel: Any, value: object) -> None:
    channel.write(json.dumps(value) + "\n")
    channel.flush()


def inspected(entry: Entry, *, load: bool = False) -> dict[str, Any]:
    """What a plugin declares, or why it is broken, as plain data; it is imported now.

    ``load`` imports its implementations too, and tells which of them cannot be.
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
        told |= {"providers": [json.dumps(one, allow_nan=False) for one in given], "hooks": hooks}
        told["names"] = list(late.given())
        if load:
            told["unloadable"] = dict(_unloadable(late))
    except BaseException as error:
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
    except (ImportError, ValueError, AttributeError):
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
