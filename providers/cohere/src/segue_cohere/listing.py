"""Cohere's list of its models.

Source: docs.cohere.com/reference/list-models, and the types of the package ``cohere`` 7.3, `GetModelResponse`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from segue.wire.model_lists import entries, listed, whole, words

if TYPE_CHECKING:
    from segue.wire.model_lists import Page

# What stands among the features is there; of what does not nothing is said.
_FEATURES: Final = {
    "json_mode": "json_object",
    "json_schema": "json_schema",
    "reasoning": "reasoning",
    "tools": "tools",
    "vision": "vision",
}


def read_models(body: bytes) -> Page:
    """A page of the list."""
    found, beside = entries(body, "models")
    models = []
    for entry in found:
        features = words(entry.get("features")) or frozenset()
        facts: dict[str, bool | int | None] = {fact: True for word, fact in _FEATURES.items() if word in features}
        facts["context"] = whole(entry.get("context_length"))
        facts["deprecated"] = True if entry.get("is_deprecated") is True else None
        endpoints = words(entry.get("endpoints"))
        if endpoints is not None and "chat" not in endpoints:
            facts |= {"chat": False, "embeddings": "embed" in endpoints}
        models.append(listed(entry, facts, key="name"))
    following = beside.get("next_page_token")
    return models, following if isinstance(following, str) and following else None
