"""Real servers on loopback that use the wire of a provider and fail as scripted; for tests and rehearsals."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .cassettes import Cassette, RecordedRequest, RecordedResponse, cassettes_of
    from .chat_completions import tokens_of
    from .clock import ImpatientLoop, run_virtually
    from .faults import Answer, Body, Cut, Drop, Garbage, Raw, Stall, Status, Step, refused_url
    from .hosts import CromicleHost, LlamaCppHost, OpenAIHost, ScriptedHost, rehearsed
    from .lifecycle import Lifecycle, LifecycleError, checked
    from .loopback import Received
    from .proxy import ProxyHost
    from .threads import in_thread

__all__ = [
    "Answer",
    "Body",
    "Cassette",
    "CromicleHost",
    "Cut",
    "Drop",
    "Garbage",
    "ImpatientLoop",
    "Lifecycle",
    "LifecycleError",
    "LlamaCppHost",
    "OpenAIHost",
    "ProxyHost",
    "Raw",
    "Received",
    "RecordedRequest",
    "RecordedResponse",
    "ScriptedHost",
    "Stall",
    "Status",
    "Step",
    "cassettes_of",
    "checked",
    "in_thread",
    "refused_url",
    "rehearsed",
    "run_virtually",
    "tokens_of",
]

# Loaded on first use: every run of pytest imports this package for its fixtures.
_HOME = {
    "Answer": "faults",
    "Body": "faults",
    "Cassette": "cassettes",
    "CromicleHost": "hosts",
    "Cut": "faults",
    "Drop": "faults",
    "Garbage": "faults",
    "ImpatientLoop": "clock",
    "Lifecycle": "lifecycle",
    "LifecycleError": "lifecycle",
    "LlamaCppHost": "hosts",
    "OpenAIHost": "hosts",
    "ProxyHost": "proxy",
    "Raw": "faults",
    "Received": "loopback",
    "RecordedRequest": "cassettes",
    "RecordedResponse": "cassettes",
    "ScriptedHost": "hosts",
    "Stall": "faults",
    "Status": "faults",
    "Step": "faults",
    "cassettes_of": "cassettes",
    "checked": "lifecycle",
    "in_thread": "threads",
    "refused_url": "faults",
    "rehearsed": "hosts",
    "run_virtually": "clock",
    "tokens_of": "chat_completions",
}


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f".{_HOME[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
