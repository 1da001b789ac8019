"""Lists of models: from a provider's data file, and from its host."""

from __future__ import annotations

import json
import pkgutil
from typing import TYPE_CHECKING, Any, Final

from ..capabilities import Capabilities, known_fact
from ..constraints import NAME, check
from ..display import shown_address
from ..errors import ProtocolError, ProviderError
from .contract import Model

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ..capabilities import Value
    from ..wire.model_lists import Page
    from .contract import Context

MAX_LIST_BYTES: Final = 16 * 1024 * 1024
"""The largest page that is read; OpenRouter's, with a thousand models, has about 1 MB."""

MAX_PAGES: Final = 50
MAX_MODELS: Final = 20_000


# ── declared ─────────────────────────────────────────────────────────────────────────────────────────


def declared_models(package: str, file: str = "models.json") -> dict[str, tuple[Model, ...]]:
    """The models of a package's data file, by provider: the recommended ones first, the others in the file's order.

    ``sources`` in the file are, by name, where its facts come from and when they were read. Each of ``models`` has
    ``at`` (names of providers), ``name``, and ``facts`` by the name of a source, or by the text of a source.
    ``recommended`` has, by provider, the ``models`` that are used first if no model is named, with ``why`` and
    ``checked`` (YYYY-MM-DD). ValueError for a recommended model that the provider does not have.
    """
    check("declared_models", "package", package, NAME)
    check("declared_models", "file", file, NAME)
    data = pkgutil.get_data(package, file)
    if data is None:
        raise FileNotFoundError(f"{package} does not contain {file}")
    told: dict[str, Any] = json.loads(data)
    sources: dict[str, str] = told["sources"]
    models: dict[str, dict[str, Model]] = {}
    for entry in told["models"]:
        told_by: dict[str, dict[str, Value | None]] = entry["facts"]
        facts = {
            name: known_fact(value, sources.get(source, source))
            for source, values in told_by.items()
            for name, value in values.items()
        }
        model = Model(entry["name"], Capabilities(facts))
        for provider in entry["at"]:
            models.setdefault(provider, {})[model.name] = model
    recommended = told.get("recommended", {})
    return {
        provider: _in_order(listed, recommended.get(provider, {}).get("models", ()), f"{package}/{file}: {provider}")
        for provider, listed in models.items()
    }


def _in_order(listed: Mapping[str, Model], first: Sequence[str], where: str) -> tuple[Model, ...]:
    missing = [name for name in first if name not in listed]
    if missing:
        raise ValueError(f"{where} recommends {missing[0]!r}, which is not one of its models")
    return tuple(listed[name] for name in dict.fromkeys((*first, *listed)))


# ── asked ────────────────────────────────────────────────────────────────────────────────────────────


async def list_pages(
    context: Context, url: str, headers: Mapping[str, str], read: Callable[[bytes], Page], *, token: str = ""
) -> tuple[Model, ...]:
    """The models of every page at a URL; ``token`` is the parameter for the next page.

    Raises a ProviderError, also for more than 50 pages, more than 20,000 models, or a page larger than 16 MiB.
    """
    from urllib.parse import quote

    from ..transport import fetch  # and with it aiohttp, which a declaration must not cost
    from ..wire import Call

    models: dict[str, Model] = {}
    following: str | None = None
    for _ in range(MAX_PAGES):
        joint = "&" if "?" in url else "?"
        address = url if following is None else f"{url}{joint}{token}={quote(following, safe='')}"
        call = Call(address, {**headers, "accept": "application/json"}, b"", "GET")
        body = await fetch(context.transport, call, max_bytes=MAX_LIST_BYTES)
        try:
            page, following = read(body)
        except ProviderError as error:
            error.address = error.address or shown_address(address)
            raise
        models.update((one.name, Model(one.name, Capabilities(one.facts, source="the host's list"))) for one in page)
        if len(models) > MAX_MODELS:
            raise ProtocolError(f"the list has more than {MAX_MODELS} models")
        if following is None:
            return tuple(models.values())
    raise ProtocolError(f"the list has more than {MAX_PAGES} pages")


async def list_openai_models(context: Context, base_url: str, headers: Mapping[str, str]) -> tuple[Model, ...]:
    """The models that a host of one of OpenAI's wires lists at this base URL."""
    from ..wire.model_lists import openai_models

    return await list_pages(context, f"{base_url.rstrip('/')}/models", headers, openai_models)
