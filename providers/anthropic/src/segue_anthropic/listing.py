"""Anthropic's list of its models.

Source: the types of the package ``anthropic`` 2.12, `ModelInfo` and `ModelCapabilities`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from segue.wire.model_lists import day, entries, flag, listed, whole

if TYPE_CHECKING:
    from collections.abc import Mapping

    from segue.wire.model_lists import Page

# By their word, the fact.
_CAPABILITIES: Final = {
    "image_input": "vision",
    "pdf_input": "files",
    "structured_outputs": "json_schema",
    "thinking": "reasoning",
}


def read_models(body: bytes) -> Page:
    """A page of the list."""
    found, beside = entries(body, "data")
    models = [
        listed(
            entry,
            {
                "context": whole(entry.get("max_input_tokens")),
                "max_output": whole(entry.get("max_tokens")),
                **_life(entry),
                **_supported(entry.get("capabilities")),
            },
        )
        for entry in found
    ]
    last = beside.get("last_id")
    return models, last if beside.get("has_more") is True and isinstance(last, str) else None


def _supported(capabilities: Any) -> Mapping[str, bool | None]:
    told = capabilities if isinstance(capabilities, dict) else {}
    return {
        fact: flag(told[word].get("supported"))
        for word, fact in _CAPABILITIES.items()
        if isinstance(told.get(word), dict)
    }


def _life(entry: Mapping[str, Any]) -> Mapping[str, bool | str | None]:
    stage = entry.get("lifecycle")
    if stage not in ("deprecated", "retired"):
        return {}
    return {
        "deprecated": True,
        "retires": day(entry.get("retires_at")),
        "working": False if stage == "retired" else None,
    }
