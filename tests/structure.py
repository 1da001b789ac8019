"""Prints the structure of core: rooms, floors, arrows between rooms, and cycles.

    python tests/structure.py

A room is a module or a package directly in ``segue``. A floor is the longest way down from a room to one that imports
no other. Imports for type checkers alone are left out. The exit code is 1 if there is a cycle, between rooms or between
the files of a room, if a limit is exceeded, if a provider imports more than what is promised (imports for type checkers
count there), or if core compares the name of a provider.
"""

from __future__ import annotations

import ast
import sys
import tomllib
from collections import defaultdict
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Final

import grimp

from segue.testing.conformance import installed_origins

ROOT: Final = Path(__file__).parents[1]
MOST_ROOMS: Final = 32
MOST_FLOORS: Final = 18
MOST_LAYERS: Final = 16
FACADES: Final = frozenset({"segue", "segue._lazy"})
FOR_PROVIDERS: Final = ("segue.plugin", "segue.wire", "segue.transport")


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


def imported_by_providers() -> list[str]:
    """What is wrong with the imports of this repository's providers, also those for type checkers alone."""
    packages = sorted(path.name for path in ROOT.glob("providers/*/src/segue_*"))
    graph = grimp.build_graph("segue", *packages, exclude_type_checking_imports=False, cache_dir=None)
    wrong = []
    for module in sorted(graph.modules):
        package = module.split(".")[0]
        if package == "segue":
            continue
        promised = (*FOR_PROVIDERS, "segue.testing") if package == "segue_rehearsal" else FOR_PROVIDERS
        for imported in sorted(graph.find_modules_directly_imported_by(module)):
            is_promised = any(imported == one or imported.startswith(f"{one}.") for one in promised)
            if imported.split(".")[0] in {"segue", *packages} - {package} and not is_promised:
                wrong.append(f"{module} imports {imported}, which is not promised to providers")
    return wrong


def compared_names() -> list[str]:
    """Where core compares something with the name of an installed provider."""
    names = {origin.name for origin in installed_origins()} | {"rehearsal"}
    wrong = []
    for path in sorted((ROOT / "core" / "src" / "segue").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            match node:
                case ast.Compare(left, _, others):
                    compared = [left, *others]
                case ast.MatchValue(value):
                    compared = [value]
                case ast.Call(ast.Attribute(_, "startswith" | "endswith" | "removeprefix" | "removesuffix"), given):
                    compared = given
                case _:
                    continue
            constants = [one for each in compared for one in ast.walk(each) if isinstance(one, ast.Constant)]
            for one in constants:
                if isinstance(one.value, str) and one.value.rstrip("/:") in names:
                    where = path.relative_to(ROOT)
                    wrong.append(f"{where}:{one.lineno}: the name of the provider {one.value!r} is compared")
    return wrong


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
    wrong = [*imported_by_providers(), *compared_names()]
    cycles = 0
    for what, one in [("rooms", arrows), *((f"files of {room}", files) for room, files in inside.items())]:
        try:
            TopologicalSorter(one).prepare()
        except CycleError as error:
            cycles += 1
            wrong.append(f"a cycle between {what}: {' → '.join(error.args[1])}")

    @cache
    def floor(room: str) -> int:
        return 1 + max((floor(under) for under in arrows[room]), default=0)

    floors: dict[int, list[str]] = defaultdict(list)
    if not cycles:
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
    print(f"cycles: {cycles}")
    for one in wrong:
        print(one, file=sys.stderr)
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
