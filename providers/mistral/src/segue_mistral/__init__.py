"""Mistral, on the Chat Completions wire with what its own has beyond that."""

from __future__ import annotations

from segue.plugin import Conformance, ProviderSpec, hookimpl

from .models import FACTS, MODELS


@hookimpl
def segue_providers() -> list[ProviderSpec]:
    """Mistral as data; its code is imported when it is asked."""
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
