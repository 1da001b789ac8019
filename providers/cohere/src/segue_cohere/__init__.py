"""Cohere, on version 2 of its Chat wire."""

from __future__ import annotations

from segue.plugin import Conformance, ProviderSpec, hookimpl

from .models import MODELS


@hookimpl
def segue_providers() -> list[ProviderSpec]:
    """The declaration of Cohere; its code is imported with the first call."""
    return [
        ProviderSpec(
            name="cohere",
            load="segue_cohere.provider:Cohere",
            models=MODELS,
            env=("COHERE_API_KEY", "CO_API_KEY"),
            base_url_env="CO_API_URL",
            url="https://api.cohere.com",
            key_url="https://dashboard.cohere.com/api-keys",
            options="segue_cohere.options:Options",
            conformance=Conformance(level="full", cassettes=__name__),
        )
    ]
