"""Anthropic, or another host of its Messages wire at ``ANTHROPIC_BASE_URL``."""

from __future__ import annotations

from segue.plugin import Conformance, ProviderSpec, hookimpl

from .models import MODELS


@hookimpl
def segue_providers() -> list[ProviderSpec]:
    """The declaration of Anthropic; its code is imported with the first call."""
    return [
        ProviderSpec(
            name="anthropic",
            load="segue_anthropic.provider:Anthropic",
            models=MODELS,
            env=("ANTHROPIC_API_KEY",),
            base_url_env="ANTHROPIC_BASE_URL",
            url="https://api.anthropic.com",
            key_url="https://platform.claude.com/settings/keys",
            options="segue_anthropic.options:Options",
            conformance=Conformance("full", wire="anthropic_messages"),
        )
    ]
