"""Writes into core which provider package brings what: ``python providers/list_packages.py``, all of them installed.

Core knows no provider; of a package that is not installed it knows what stands in this table, for one purpose: to say
which one to install. A test holds the table equal to what the packages declare.
"""

from __future__ import annotations

import json
from importlib.metadata import distributions
from pathlib import Path
from typing import Any, Final

from segue.registry import Registry

ROOT: Final = Path(__file__).parent.parent
FILE: Final = ROOT / "core" / "src" / "segue" / "installation" / "packages.json"


def packages() -> dict[str, dict[str, Any]]:
    """By distribution and provider: the variables of keys that are meant for it alone, and the names of its models."""
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
    """The table with a line for each provider."""
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
