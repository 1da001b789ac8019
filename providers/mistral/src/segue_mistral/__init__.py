"""Mistral, on the Chat Completions wire with its own additions."""

from __future__ import annotations

from segue.plugin import Conformance, ProviderSpec, hookimpl

from .models import FACTS, MODELS


@hookimpl
def segue_providers() -> list[ProviderSpec]:
    """The declaration of Mistral; its code is imported with the first call."""
    return [
        ProviderSpec(
            name="mistral",
            load="segue_mistral.provider:Mistral",
            models=MODELS,
            capabilities=FACTS,
            env=("MISTRAL_API_KEY",),
            url="https://api.mistral.ai/v1",
            key_url="https://console.mistral.ai/api-keys",
            options="segue_mistral.options:Options",
            conformance=Conformance(level="full", cassettes=__name__),
        )
    ]
