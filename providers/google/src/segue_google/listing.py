"""The list of models of the Gemini API.

Source: ai.google.dev/api/models, the resource Model.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from segue.wire.model_lists import entries, flag, listed, whole, words

if TYPE_CHECKING:
    from segue.wire.model_lists import Page

_PREFIX = "models/"


def read_models(body: bytes) -> Page:
    """A page of the list."""
    found, beside = entries(body, "models")
    models = []
    for entry in found:
        name = entry.get("name")
        if isinstance(name, str):
            entry["name"] = name.removeprefix(_PREFIX)
        facts: dict[str, bool | int | None] = {
            "context": whole(entry.get("inputTokenLimit")),
            "max_output": whole(entry.get("outputTokenLimit")),
            "reasoning": flag(entry.get("thinking")),
        }
        methods = words(entry.get("supportedGenerationMethods"))
        if methods is not None and "generateContent" not in methods:
            facts |= {"chat": False, "embeddings": "embedContent" in methods, "max_output": None}
        models.append(listed(entry, facts, key="name"))
    following = beside.get("nextPageToken")
    return models, following if isinstance(following, str) and following else None
