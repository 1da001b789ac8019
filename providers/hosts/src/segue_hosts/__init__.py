"""Hosts of OpenAI's Chat Completions wire, each a row of data; Segue has the code."""

from __future__ import annotations

from segue.plugin import ProviderSpec, hookimpl

from .rows import HOSTS as HOSTS


@hookimpl
def segue_providers() -> list[ProviderSpec]:
    """One provider for each row."""
    return [host.spec() for host in HOSTS]
