"""Ollama on this machine, or where ``OLLAMA_HOST`` says, asked on its own wire."""

from __future__ import annotations

from segue.plugin import Conformance, ProviderSpec, hookimpl


@hookimpl
def segue_providers() -> list[ProviderSpec]:
    """Ollama as data; its code is imported when it is asked. It has the models that were pulled: none is declared."""
    return [
        ProviderSpec(
            name="ollama",
            load="segue_ollama.provider:Ollama",
            base_url_env="OLLAMA_HOST",
            url="http://127.0.0.1:11434",
            start="`ollama serve`",
            options="segue_ollama.options:Options",
            conformance=Conformance(level="full", cassettes=__name__),
        )
    ]
