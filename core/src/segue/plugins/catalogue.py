"""A cache on disk of what the installed plugins declare, read once by a child process.

The first line of the file is a checksum of the rest, the second has the places of the plugins and when they changed,
and each line after it is the declaration of one provider, parsed when it is needed. If nothing is new, a start only
checks when the folders of ``sys.path`` and the plugins' own files changed, and imports no plugin. A file with any
fault is ignored; if two processes write it at the same time, each writes a whole file.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sys
import time
from dataclasses import field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ..values import dataclass
from .entries import PROVIDERS, Entry, Stamp, find, own_stamps, path_stamps, stamp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from ..provider.contract import ProviderSpec
    from .loading import Declared, Late

FORMAT: Final = 1
_TICK: Final = 100_000_000  # ns; more than the steps in which the times of files grow
_MOST_KEPT: Final = 32


@dataclass(frozen=True, slots=True)
class Told:
    """The cached data of a plugin; ``lines`` are its providers' declarations as JSON, in the order of their names."""

    head: Mapping[str, Any]
    lines: Sequence[str] = ()

    def holds(self, path: Sequence[Stamp]) -> bool:
        """Whether it is still valid: its files did not change, and what it lacked cannot have been installed since."""
        if "path" in self.head and self.head["path"] != path:
            return False
        return all(stamp(one[0]) == one for one in self.head["stamps"])

    def settled(self, now: int) -> bool:
        """Whether its files had been unchanged for long enough at ``now``, before they were read."""
        return _settled([*self.head["stamps"], *self.head.get("path", ())], now)

    def declared(self, entry: Entry) -> Declared:
        """The same as a value for the registry."""
        from ..errors import PluginError  # as `installation` has it: not for the names alone
        from .loading import Declared, Late

        late, head = Late(entry), self.head
        error = PluginError(head["error"], plugin=entry.name) if "error" in head else None
        return Declared(
            entry,
            late,
            tuple((name, _reader(line, late)) for name, line in zip(head["names"], self.lines, strict=True)),
            tuple(head["hooks"]),
            error,
            head["seconds"],
            head["file"],
            tuple(head["trace"]),
            head["printed"],
            tuple(head["replaced"]),
            head.get("unloadable", {}),
        )


def _reader(line: str, late: Late) -> Callable[[], ProviderSpec]:
    from .declarations import from_plain  # as above

    return lambda: from_plain(json.loads(line), late)


@dataclass(frozen=True, slots=True)
class _Kept:
    """All that the file holds; ``path`` is empty where it may have changed since."""

    path: Sequence[Stamp] = ()
    entries: Sequence[Entry] = ()
    told: Mapping[Entry, Told] = field(default_factory=dict[Entry, Told])


# ── what is installed ────────────────────────────────────────────────────────────────────────────────


def installed(group: str) -> list[Entry]:
    """The entry points of a group; no plugin is imported."""
    file = catalogue_file()
    kept = _Kept() if file is None else _read(file)
    began, stamps = time.time_ns(), path_stamps()
    if kept.path == stamps:
        return [entry for entry in kept.entries if entry.group == group]
    entries = find()
    if file is not None:
        _write(file, _Kept(stamps if _settled(stamps, began) else (), entries, _still(kept, entries, stamps)))
    return [entry for entry in entries if entry.group == group]


def catalogued(allowed: Callable[[Entry], bool], *, time_limit: float, anew: bool = False) -> list[Declared]:
    """The declarations of each ``allowed`` plugin; the others are not imported, in no process.

    ``anew`` inspects all of them again, and imports their implementations too. A plugin that takes longer than
    ``time_limit`` seconds is broken.
    """
    file = catalogue_file()
    kept = _Kept() if file is None else _read(file)
    began, stamps = time.time_ns(), path_stamps()
    moved = kept.path != stamps
    entries = find() if moved else kept.entries
    told = _still(kept, entries, stamps)
    wanted = [entry for entry in entries if entry.group == PROVIDERS and allowed(entry)]
    new = [entry for entry in wanted if anew or entry not in told]
    if new:
        from .child import inspect  # and with it subprocess: only where something is new

        for entry, read in inspect(new, time_limit, load=anew).items():
            one = Told(*read)
            lasts = "error" not in one.head and one.head["stamps"]
            told[entry] = one if lasts else replace(one, head={**one.head, "path": stamps})
    if file is not None and (new or moved):
        asked = set(new)
        lasting = {entry: one for entry, one in told.items() if entry not in asked or one.settled(began)}
        _write(file, _Kept(stamps if _settled(stamps, began) else (), entries, lasting))
    return [told[entry].declared(entry) for entry in wanted]


def _still(kept: _Kept, entries: Sequence[Entry], path: Sequence[Stamp]) -> dict[Entry, Told]:
    there = set(entries)
    return {entry: told for entry, told in kept.told.items() if entry in there and told.holds(path)}


# ── the file ─────────────────────────────────────────────────────────────────────────────────────────


def cache_folder() -> Path | None:
    """The folder of the cache: ``SEGUE_CACHE`` (empty or 0: no cache), ``$XDG_CACHE_HOME/segue``, ``~/.cache/…``."""
    environ = os.environ  # the process's own: what is installed is the same for every client
    named = environ.get("SEGUE_CACHE")
    if named is not None:
        return None if named in {"", "0"} else Path(named).expanduser().absolute()
    folder = Path(environ.get("XDG_CACHE_HOME") or "")
    if folder.is_absolute():
        return folder / "segue"
    home = environ.get("HOME")
    return (Path(home) if home else Path.home()) / ".cache" / "segue"


def catalogue_file() -> Path | None:
    """The file of this version in this environment; None without a cache."""
    folder = cache_folder()
    if folder is None:
        return None
    from .. import __version__

    of = "\0".join((str(FORMAT), __version__, sys.version, sys.prefix, sys.executable or "", str(own_stamps())))
    return folder / f"plugins-{_digest(of.encode())}.json"


def _digest(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=12).hexdigest()


def _settled(stamps: Sequence[Stamp], began: int) -> bool:
    """Whether none changed since just before ``began``: it could change again and keep its time, or had not been read.

    A time that is yet to come is as good as one that is long over.
    """
    now = time.time_ns()
    return not any(began - _TICK < int(changed) < now + _TICK for _, changed, _ in stamps)


def _read(file: Path) -> _Kept:
    """The content of the file; empty if the file is missing, damaged, or owned by another user."""
    try:
        with open(file, "rb") as opened:  # noqa: PTH123 - a descriptor below, so the same here
            if hasattr(os, "getuid") and os.fstat(opened.fileno()).st_uid != os.getuid():
                return _Kept()  # whoever wrote it would choose what is imported here
            checksum, _, body = opened.read().partition(b"\n")
        if checksum.decode() != _digest(body):
            return _Kept()
        head, *lines = body.decode().splitlines()
    except (OSError, ValueError):
        return _Kept()
    told: dict[str, Any] = json.loads(head)
    entries = [Entry(*one) for one in told["entries"]]
    known: dict[Entry, Told] = {}
    at = 0
    for place, one in told["told"]:
        until = at + len(one["names"])
        known[entries[place]] = Told(one, lines[at:until])
        at = until
    return _Kept(told["path"], entries, known)


def _write(file: Path, kept: _Kept) -> None:
    """Write the whole file; if it cannot be written, the next start reads the plugins again."""
    places = {entry: place for place, entry in enumerate(kept.entries)}
    lines = [
        json.dumps(
            {
                "path": kept.path,
                "entries": [entry.plain() for entry in kept.entries],
                "told": [(places[entry], told.head) for entry, told in kept.told.items()],
            }
        )
    ]
    for told in kept.told.values():
        lines += told.lines
    body = "\n".join(lines).encode()
    beside = file.with_name(f"{file.name}.{os.getpid()}.{time.monotonic_ns()}")
    with contextlib.suppress(OSError):
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as opened:  # noqa: PTH123 - as above
                opened.write(_digest(body).encode() + b"\n" + body)
            os.replace(beside, file)  # noqa: PTH105 - as above
        finally:
            beside.unlink(missing_ok=True)
        _prune(file.parent)


def _prune(folder: Path) -> None:
    """Leave those of the environments that were looked at last."""
    files = sorted(_ages(folder), reverse=True)
    for _, path in files[_MOST_KEPT:]:
        path.unlink(missing_ok=True)


def _ages(folder: Path) -> Iterator[tuple[float, Path]]:
    for path in folder.glob("plugins-*"):
        with contextlib.suppress(OSError):  # somebody else took it away
            yield path.stat().st_mtime, path
