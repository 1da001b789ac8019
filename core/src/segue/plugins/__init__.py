"""Installed plugins: found, inspected in another process, cached, and imported only for their first request."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from .entries import COMMANDS, PROVIDERS, Entry

if TYPE_CHECKING:
    from .catalogue import catalogue_file, catalogued, installed
    from .loading import Declared, Late, cause_of, declared_here, given_as_spec, loaded, told_trace
    from .trust import Trust, record_of

__all__ = [
    "COMMANDS",
    "PROVIDERS",
    "Declared",
    "Entry",
    "Late",
    "Trust",
    "catalogue_file",
    "catalogued",
    "cause_of",
    "declared_here",
    "given_as_spec",
    "installed",
    "loaded",
    "record_of",
    "told_trace",
]

# Loaded on first use: the names of what is installed, which ``--help`` shows, cost neither providers nor configuration.
_HOME = {
    "Declared": "loading",
    "Late": "loading",
    "Trust": "trust",
    "catalogue_file": "catalogue",
    "catalogued": "catalogue",
    "cause_of": "loading",
    "declared_here": "loading",
    "given_as_spec": "loading",
    "installed": "catalogue",
    "loaded": "loading",
    "record_of": "trust",
    "told_trace": "loading",
}


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f".{_HOME[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
