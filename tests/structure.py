"""Prints the structure of core: rooms, floors, arrows between rooms, and cycles.

    python tests/structure.py

A room is a module or a package directly in ``segue``. A floor is the longest way down from a room to one that imports
no other. Imports for type checkers alone are left out. The exit code is 1 if there is a cycle, between rooms or between
the files of a room, or if a limit is exceeded.
"""

from __future__ import annotations

import sys
import tomllib
from collections import defaultdict
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Final

import grimp

ROOT: Final = Path(__file__).parents[1]
MOST_ROOMS: Final = 32
MOST_FLOORS: Final = 16
MOST_LAYERS: Final = 16
FACADES: Final = frozenset({"segue"})


def contracts() -> list[dict[str, object]]:
    """The contracts of import-linter."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]


def layers() -> list[list[str]]:
    """The layers from the top down, each with its rooms."""
    (contract,) = (one for one in contracts() if one["type"] == "layers")
    lines = contract["layers"]
    assert isinstance(lines, list)
    return [[word.strip(" ()") for word in line.replace("|", ":").split(":")] for line in lines]


def layers_page() -> str:
    """The layers as Markdown, for the page on the design."""
    text = []
    for number, rooms in enumerate(layers(), 1):
        text.append(f"{number}. " + ", ".join(f"`{room}`" for room in rooms))
    return "\n".join(text)


def main() -> int:
    """Print the structure; 1 if it has a cycle or exceeds a limit."""
    graph = grimp.build_graph("segue", exclude_type_checking_imports=True, cache_dir=None)
    modules = graph.modules - FACADES - {"segue.__main__"}
    arrows: dict[str, set[str]] = defaultdict(set)
    inside: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for module in sorted(modules):
        here = module.split(".")[1]
        arrows[here] |= set()
        for imported in graph.find_modules_directly_imported_by(module) & modules:
            there = imported.split(".")[1]
            (inside[here][module] if here == there else arrows[here]).add(imported if here == there else there)
    wrong = []
    for what, one in [("rooms", arrows), *((f"files of {room}", files) for room, files in inside.items())]:
        try:
            TopologicalSorter(one).prepare()
        except CycleError as error:
            wrong.append(f"a cycle between {what}: {' → '.join(error.args[1])}")

    @cache
    def floor(room: str) -> int:
        return 1 + max((floor(under) for under in arrows[room]), default=0)

    floors: dict[int, list[str]] = defaultdict(list)
    if not wrong:
        for room in arrows:
            floors[floor(room)].append(room)
    for number in sorted(floors, reverse=True):
        print(f"{number:3}  {'  '.join(sorted(floors[number]))}")
    counts = [
        ("rooms", len(arrows), MOST_ROOMS), ("floors", len(floors), MOST_FLOORS), ("layers", len(layers()), MOST_LAYERS)
    ]  # fmt: skip
    for what, count, most in counts:
        print(f"{what}: {count} (at most {most})")
        if count > most:
            wrong.append(f"there are more than {most} {what}")
    print(f"arrows: {sum(map(len, arrows.values()))}")
    print(f"cycles: {len([one for one in wrong if one.startswith('a cycle')])}")
    for one in wrong:
        print(one, file=sys.stderr)
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
