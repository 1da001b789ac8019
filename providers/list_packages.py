"""Writes the table of provider packages in core: ``python providers/list_packages.py``, with all of them installed.

Core knows no provider. It uses this table only to say which package to install. A test checks that the table is the
same as the declarations of the packages.
"""

from __future__ import annotations

import json
from importlib.metadata import distributions
from pathlib import Path
from typing import Any, Final

from segue.plugins.registry import Registry

ROOT: Final = Path(__file__).parent.parent
FILE: Final = ROOT / "core" / "src" / "segue" / "plugins" / "packages.json"


def packages() -> dict[str, dict[str, Any]]:
    """By distribution and provider: the variables of keys that only this provider uses, and the names of its models."""
    registry = Registry()
    folders = {f"segue-{folder.parent.name}" for folder in (ROOT / "providers").glob("*/pyproject.toml")}
    missing = folders - {one.metadata["Name"] for one in distributions()}
    if missing or registry.broken:
        raise SystemExit(f"not installed: {', '.join(sorted(missing))}; broken: {registry.broken}")
    table: dict[str, dict[str, Any]] = {}
    for name, one in sorted(registry.installed.items(), key=lambda item: (item[1].origin, item[0])):
        if one.origin not in folders:
            continue
        table.setdefault(one.origin, {})[name] = {
            "access": one.spec.access,
            "keys": [variable for variable in one.spec.env if variable not in one.spec.ambient],
            "models": sorted(model.name for model in one.spec.offers()),
        }
    return table


def as_json(table: dict[str, dict[str, Any]]) -> str:
    """The table as text, one line per provider."""
    return (
        "{\n"
        + ",\n".join(
            f"{json.dumps(distribution)}: {{\n"
            + ",\n".join(f"  {json.dumps(name)}: {json.dumps(entry)}" for name, entry in providers.items())
            + "\n}"
            for distribution, providers in table.items()
        )
        + "\n}\n"
    )


if __name__ == "__main__":
    FILE.write_text(as_json(packages()), "utf-8")
