"""Real loopback servers that speak a provider's wire and fail on cue; for tests, and for rehearsals."""

from __future__ import annotations

from .faults import Answer, Body, Cut, Drop, Garbage, Raw, Stall, Status, Step, refused_url
from .hosts import CromicleHost, OpenAIHost, ScriptedHost, rehearsed, tokens_of
from .loopback import Received
from .proxy import ProxyHost

__all__ = [
    "Answer",
    "Body",
    "CromicleHost",
    "Cut",
    "Drop",
    "Garbage",
    "OpenAIHost",
    "ProxyHost",
    "Raw",
    "Received",
    "ScriptedHost",
    "Stall",
    "Status",
    "Step",
    "refused_url",
    "rehearsed",
    "tokens_of",
]
