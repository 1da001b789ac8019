"""Public names of a module from one table, imported on first use."""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


def attach(module: str, table: Mapping[str, str]) -> None:
    """Give a module its ``__all__``, and a ``__getattr__`` that imports a name when it is first used.

    ``table`` has the names of each place, such as ``{".errors": "HTTPError ServerError"}``. Type checkers read the
    imports under ``TYPE_CHECKING``; a test compares the two.
    """
    this = sys.modules[module]
    package = module if hasattr(this, "__path__") else module.rpartition(".")[0]
    places = {name: place for place, names in table.items() for name in names.split()}
    public = sorted(places)

    def get(name: str) -> object:
        if name not in places:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        value = getattr(importlib.import_module(places[name], package), name)
        setattr(this, name, value)
        return value

    vars(this).update(__getattr__=get, __dir__=lambda: public, __all__=public)
