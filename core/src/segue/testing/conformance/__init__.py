"""The conformance kit: tests that every provider must pass, without a line of test code.

``segue conform NAME`` runs it as a command, ``pytest --segue-conform NAME`` as tests.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .catalogue import all_items
    from .items import Item
    from .origin import Origin, installed_origins, origins_of
    from .report import Outcome, Report, Result
    from .running import conform

__all__ = ["Item", "Origin", "Outcome", "Report", "Result", "all_items", "conform", "installed_origins", "origins_of"]

# Loaded on first use: the child that looks at an import must not have the whole kit loaded before it.
_HOME = {
    "Item": "items",
    "Origin": "origin",
    "Outcome": "report",
    "Report": "report",
    "Result": "report",
    "conform": "running",
    "installed_origins": "origin",
    "all_items": "catalogue",
    "origins_of": "origin",
}


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_HOME[name]}", __name__), name)


def __dir__() -> list[str]:
    return __all__
