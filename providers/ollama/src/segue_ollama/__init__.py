"""Ollama on this machine, or at ``OLLAMA_HOST``, on its own wire."""

from __future__ import annotations

from segue.plugin import Conformance, ProviderSpec, hookimpl


@hookimpl
def segue_providers() -> list[ProviderSpec]:
    """The declaration of Ollama, without models; its code is imported with the first call."""
    return [
        ProviderSpec(
            name="ollama",
            load="segue_ollama.provider:Ollama",
            base_url_env="OLLAMA_HOST",
            bare_base_url=True,
            url="http://127.0.0.1:11434",
            start="`ollama serve`",
            options="segue_ollama.options:Options",
            conformance=Conformance(level="full", cassettes=__name__),
        )
    ]
