"""Google's Gemini, at the Gemini API with a key or on Vertex AI with a token."""

from __future__ import annotations

from segue.plugin import Conformance, ProviderSpec, hookimpl

from .models import MODELS, VERTEX_MODELS


@hookimpl
def segue_providers() -> list[ProviderSpec]:
    """The declarations of both; their code is imported with the first call."""
    return [
        ProviderSpec(
            name="google",
            load="segue_google.provider:Google",
            models=MODELS,
            env=("GEMINI_API_KEY", "GOOGLE_API_KEY"),
            url="https://generativelanguage.googleapis.com/v1beta",
            key_url="https://aistudio.google.com/apikey",
            options="segue_google.options:Options",
            conformance=Conformance(level="full", cassettes=__name__),
        ),
        ProviderSpec(
            name="vertex",
            load="segue_google.provider:Vertex",
            models=VERTEX_MODELS,
            env=("GOOGLE_OAUTH_ACCESS_TOKEN", "CLOUDSDK_AUTH_ACCESS_TOKEN"),
            ambient=("GOOGLE_OAUTH_ACCESS_TOKEN", "CLOUDSDK_AUTH_ACCESS_TOKEN"),
            url="https://aiplatform.googleapis.com/v1",
            key_url="https://console.cloud.google.com/vertex-ai",
            options="segue_google.options:VertexOptions",
            conformance=Conformance(level="full", cassettes=__name__, options={"project": "example-project"}),
        ),
    ]
