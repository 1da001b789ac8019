"""The offline provider: no model is asked, the answer is deterministic, the sockets are real."""

from __future__ import annotations

from segue.plugin import Capabilities, Conformance, Model, ProviderSpec, hookimpl


@hookimpl
def segue_providers() -> list[ProviderSpec]:
    """The rehearsal as data; it answers only when named."""
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
