"""The offline provider: it calls no model, its answer is deterministic, and its sockets are real."""

from __future__ import annotations

from segue.plugin import Capabilities, Conformance, Model, ProviderSpec, hookimpl


@hookimpl
def segue_providers() -> list[ProviderSpec]:
    """The declaration of the rehearsal; it answers only if it is named."""
    capabilities = Capabilities({"working": True}, source="it needs nothing but this machine")
    return [
        ProviderSpec(
            name="rehearsal",
            load="segue_rehearsal.provider:Rehearsal",
            models=[Model("rehearsal", capabilities)],
            access="offline",
            conformance=Conformance("text"),
        )
    ]
