"""Entry points as values, and the places where they are searched."""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Final, TypeAlias

from ..errors import PluginError
from ..values import dataclass

if TYPE_CHECKING:
    from importlib.metadata import Distribution, EntryPoint

PROVIDERS: Final = "segue"
"""The entry point group of plugins with hooks."""

COMMANDS: Final = "segue.commands"
"""The entry point group of commands for the command line; each is a click command."""

_OWN: Final = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120 - as below

Stamp: TypeAlias = list[str | int]
"""A file or folder, the time of its last change (ns) and its size; 0 and 0 if it does not exist. A list for JSON."""


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry point: its name, the object that it imports, and its distribution.

    ``place`` is the folder of the installed distribution; ``fault`` is why its metadata could not be read.
    """

    group: str
    name: str
    value: str
    distribution: str
    version: str
    place: str = ""
    fault: str = ""

    @classmethod
    def of(cls, point: EntryPoint) -> Entry:
        """From an entry point of the standard library."""
        dist = point.dist
        name, version = (dist.name, dist.version) if dist is not None else ("unknown distribution", "")
        return cls(point.group, point.name, point.value, name or "", version or "")

    def plain(self) -> list[str]:
        """The entry as a list for JSON; ``Entry(*plain)`` makes it again."""
        return [self.group, self.name, self.value, self.distribution, self.version, self.place, self.fault]

    @property
    def top(self) -> str:
        """The top-level module or package of what it imports."""
        return self.value.partition(":")[0].partition(".")[0].strip()

    def load(self) -> object:
        """Import it now; raises whatever its code raises."""
        if self.fault:
            raise PluginError(self.fault, plugin=self.name)
        module, _, attribute = (part.strip() for part in self.value.partition("[")[0].partition(":"))
        loaded: object = importlib.import_module(module)
        for name in filter(None, attribute.split(".")):
            loaded = getattr(loaded, name)
        return loaded

    def __str__(self) -> str:
        return f"{self.name!r} of {self.distribution}"


def find() -> list[Entry]:
    """Every installed entry point of Segue's groups, by group and name.

    If the entry points of a distribution cannot be read, there is one that raises that error when it is loaded; if
    two places have a distribution with the same name, the first counts.
    """
    from importlib.metadata import distributions  # slow to import: only where nothing is kept of an earlier time

    found: list[Entry] = []
    seen: set[str] = set()
    for distribution in distributions():
        name = _name(distribution)
        if name in seen or name.startswith("~"):  # as pip calls what it could not take away
            continue
        seen.add(name)
        try:
            if PROVIDERS in (distribution.read_text("entry_points.txt") or ""):  # most have nothing to do with us
                found += _entries(distribution, name)
        except Exception as error:  # whatever is in the files: one distribution is not to hide the others
            if _names_us(distribution):
                fault = f"its metadata cannot be read ({type(error).__name__})"
                shown = name.replace("_", "-")
                found.append(Entry(PROVIDERS, shown, "", shown, "", str(distribution.locate_file("")), fault))
    return sorted(found, key=lambda entry: (entry.group, entry.name, entry.distribution))


def _entries(distribution: Distribution, name: str) -> list[Entry]:
    points = [Entry.of(point) for point in distribution.entry_points if point.group in {PROVIDERS, COMMANDS}]
    place = str(distribution.locate_file(""))
    return [replace(one, distribution=one.distribution or name.replace("_", "-"), place=place) for one in points]


def _name(distribution: Distribution) -> str:
    """By its folder, as Python's own library tells two apart: not every one has metadata that can be read."""
    try:
        return str(distribution._normalized_name)  # type: ignore[attr-defined] # noqa: SLF001 - nothing public is as cheap
    except Exception:  # as above
        return f"unknown distribution {id(distribution)}"


def _names_us(distribution: Distribution) -> bool:
    """Whether a list that cannot be read is about us at all."""
    try:
        return b"[segue" in distribution._path.joinpath("entry_points.txt").read_bytes()  # type: ignore[attr-defined] # noqa: SLF001 - as above
    except Exception:  # as above
        return False


def stamp(path: str) -> Stamp:
    """The current stamp of a file."""
    try:
        status = os.stat(path)  # noqa: PTH116 - thousands of them
    except OSError:
        return [path, 0, 0]
    return [path, status.st_mtime_ns, status.st_size]


def path_stamps() -> list[Stamp]:
    """The stamps of the folders where Python finds packages: installing or removing a package changes its folder.

    If the first one is the folder of the running program, and contains no distribution, it is omitted: it differs
    between programs, but the installed packages do not.
    """
    places: list[str] = []
    for place in sys.path:
        with contextlib.suppress(OSError):  # a working directory that was taken away
            places.append(place or os.getcwd())  # noqa: PTH109 - pathlib is not needed for this
    if places and not sys.flags.safe_path and _has_no_distribution(places[0]):
        del places[0]
    return [stamp(place) for place in places]


def own_stamps() -> list[Stamp]:
    """The stamps of the code that reads plugins, if it is a source tree; otherwise its version is enough."""
    if "site-packages" in __file__:
        return []
    here = os.path.dirname(__file__)  # noqa: PTH120 - as above
    names = [os.path.join(here, name) for name in sorted(os.listdir(here)) if name.endswith(".py")]  # noqa: PTH118, PTH208
    names += [os.path.join(_OWN, name) for name in ("capabilities.py", "provider/contract.py", "provider/host.py")]  # noqa: PTH118
    return [stamp(name) for name in names]


def _has_no_distribution(folder: str) -> bool:
    try:
        with os.scandir(folder) as found:
            return not any(each.name.lower().endswith((".dist-info", ".egg-info", ".egg")) for each in found)
    except NotADirectoryError:
        return False  # a zip file may have some
    except OSError:
        return True
