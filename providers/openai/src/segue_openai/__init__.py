"""OpenAI, other hosts of its wires at ``OPENAI_BASE_URL``, and Azure OpenAI."""

from __future__ import annotations

from segue.plugin import Conformance, ProviderSpec, hookimpl

from .models import MODELS


@hookimpl
def segue_providers() -> list[ProviderSpec]:
    """The declarations of OpenAI and Azure; their code is imported with the first call."""
    return [
        ProviderSpec(
            name="openai",
            load="segue_openai.provider:OpenAI",
            models=MODELS,
            env=("OPENAI_API_KEY",),
            base_url_env="OPENAI_BASE_URL",
            url="https://api.openai.com/v1",
            key_url="https://platform.openai.com/api-keys",
            options="segue_openai.options:Options",
            conformance=Conformance("full", wire="openai_chat"),
        ),
        ProviderSpec(
            name="azure",
            load="segue_openai.azure:Azure",
            env=("AZURE_OPENAI_API_KEY", "AZURE_OPENAI_AD_TOKEN"),
            base_url_env="AZURE_OPENAI_ENDPOINT",
            key_url="https://portal.azure.com",
            options="segue_openai.options:AzureOptions",
            conformance=Conformance("full", wire="openai_chat"),
        ),
    ]
