"""The pulled models, and the capabilities that Ollama reports for each.

Source: github.com/ollama/ollama/blob/main/docs/api.md, /api/tags and /api/show.
"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Final

from segue.plugin import Capabilities, HTTPError, Model, list_pages
from segue.transport import fetch
from segue.wire import Call
from segue.wire.model_lists import entries, listed, words
from segue.wire.reading import json_object

if TYPE_CHECKING:
    from collections.abc import Mapping

    from segue.plugin import Context
    from segue.wire.model_lists import Page

_MOST_AT_ONCE: Final = 8
_MAX_BYTES: Final = 16 * 1024 * 1024  # a template and a licence stand in it, and of some models every tensor


def read_tags(body: bytes) -> Page:
    """The names of the models."""
    found, _ = entries(body, "models")
    return [listed(entry, {}, key="name") for entry in found], None


def read_shown(body: bytes) -> dict[str, bool]:
    """The capabilities of one model; empty if the version of Ollama is too old to report them.

    It contains no context: Ollama reports the largest context of the model, but runs it with a smaller one.
    """
    told = words(json_object(body).get("capabilities"))
    if told is None:
        return {}
    facts = {"tools": "tools" in told, "vision": "vision" in told, "reasoning": "thinking" in told}
    return facts if "completion" in told else {"chat": False, "embeddings": "embedding" in told}


async def list_pulled(context: Context, base_url: str, headers: Mapping[str, str]) -> tuple[Model, ...]:
    """Every model with its facts."""
    models = await list_pages(context, f"{base_url}/api/tags", headers, read_tags)
    turn = asyncio.Semaphore(_MOST_AT_ONCE)

    async def shown(model: Model) -> Model:
        body = json.dumps({"model": model.name}).encode()
        call = Call(f"{base_url}/api/show", {**headers, "content-type": "application/json"}, body)
        try:
            async with turn:
                facts = read_shown(await fetch(context.transport, call, max_bytes=_MAX_BYTES))
        except HTTPError:
            return model  # gone or broken since: it was listed, and nothing is known of it
        return Model(model.name, model.capabilities.merged(Capabilities(facts)))

    return tuple(await asyncio.gather(*map(shown, models)))
