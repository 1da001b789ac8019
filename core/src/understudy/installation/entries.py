"""Entry points as values, and the places where they are looked for."""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

PROVIDERS: Final = "understudy"
"""The entry point group of plugins with hooks."""

COMMANDS: Final = "understudy.commands"
"""The entry point group of commands for the command line: a click command each."""

_OWN: Final = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120 - as below
_READ_BY: Final = [os.path.join(_OWN, name) for name in ("installation", "capabilities.py", "host.py", "provider.py")]  # noqa: PTH118

Stamp: TypeAlias = list[str | int]
"""A file or folder, when it was changed (ns) and its size; 0 and 0 where it is not there. A list, as JSON has it."""


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry point: where the thing of this name is imported from, and whose it is.

    ``place`` is the folder in which the distribution is installed.
    """

    group: str
    name: str
    value: str
    distribution: str
    version: str
    place: str = ""

    @classmethod
    def of(cls, point: EntryPoint) -> Entry:
        """Of what Python's own library gives."""
        dist = point.dist
        name, version = (dist.name, dist.version) if dist is not None else ("unknown distribution", "")
        return cls(point.group, point.name, point.value, name, version)

    def plain(self) -> list[str]:
        """As JSON has it; ``Entry(*plain)`` is it again."""
        return [self.group, self.name, self.value, self.distribution, self.version, self.place]

    @property
    def top(self) -> str:
        """The module or package at the top of what it imports."""
        return self.value.partition(":")[0].partition(".")[0].strip()

    def load(self) -> object:
        """Import it now; whatever its code raises."""
        module, _, attribute = (part.strip() for part in self.value.partition("[")[0].partition(":"))
        loaded: object = importlib.import_module(module)
        for name in filter(None, attribute.split(".")):
            loaded = getattr(loaded, name)
        return loaded

    def __str__(self) -> str:
        return f"{self.name!r} of {self.distribution}"


def find() -> list[Entry]:
    """Every entry point of ours that is installed, by group and name."""
    from importlib.metadata import entry_points  # slow to import: only where nothing is kept of an earlier time

    found = [
        replace(Entry.of(point), place=str(point.dist.locate_file("")))
        for group in (PROVIDERS, COMMANDS)
        for point in entry_points(group=group)
        if point.dist is not None  # always so for what was found; the type is wider
    ]
    return sorted(found, key=lambda entry: (entry.group, entry.name, entry.distribution))


def stamp(path: str) -> Stamp:
    """How a file stands now."""
    try:
        status = os.stat(path)  # noqa: PTH116 - thousands of them
    except OSError:
        return [path, 0, 0]
    return [path, status.st_mtime_ns, status.st_size]


def path_stamps() -> list[Stamp]:
    """How the folders stand in which Python looks for packages: to install or remove one changes its folder.

    Where the first is the folder of the program that runs, and has no distribution in it, it is left out: it differs
    from program to program, and what is installed does not.
    """
    places: list[str] = []
    for place in sys.path:
        with contextlib.suppress(OSError):  # a working directory that was taken away
            places.append(place or os.getcwd())  # noqa: PTH109 - pathlib is not needed for this
    if places and not sys.flags.safe_path and _has_no_distribution(places[0]):
        del places[0]
    if "site-packages" not in __file__:
        places += _READ_BY  # our own source tree, where what reads them may change
    return [stamp(place) for place in places]


def _has_no_distribution(folder: str) -> bool:
    try:
        with os.scandir(folder) as found:
            return not any(each.name.lower().endswith((".dist-info", ".egg-info", ".egg")) for each in found)
    except NotADirectoryError:
        return False  # a zip file may have some
    except OSError:
        return True
