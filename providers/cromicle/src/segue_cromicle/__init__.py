"""Cromicle, a public host that accepts anonymous calls; the first provider of Segue."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from segue.plugin import Capabilities, Conformance, Model, ProviderSpec, hookimpl

if TYPE_CHECKING:
    from .provider import Cromicle as Cromicle
    from .provider import _create_header as _create_header
    from .provider import _create_payload as _create_payload
    from .provider import format_prompt as format_prompt

__all__ = ["Cromicle", "format_prompt"]

_SOURCE = "Cromicle's contract in docs/providers/cromicle.md"


@hookimpl
def segue_providers() -> list[ProviderSpec]:
    """The declaration of Cromicle; its code is imported with the first call."""
    capabilities = Capabilities({"working": True, "supports_gpt_35_turbo": True}, source=_SOURCE)
    return [
        ProviderSpec(
            name="cromicle",
            load="segue_cromicle.provider:Cromicle",
            models=[Model("gpt-3.5-turbo", capabilities)],
            url="https://cromicle.top",
            access="public",
            conformance=Conformance("full", wire="text"),
        )
    ]


def __getattr__(name: str) -> object:
    # The class is not part of the plugin's import, which every listing pays for.
    if name not in {"Cromicle", "_create_header", "_create_payload", "format_prompt"}:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(".provider", __name__), name)
