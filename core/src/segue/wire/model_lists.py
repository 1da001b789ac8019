"""Reads the lists of models that hosts send: pages of a list, as names and facts.

Unknown fields of an entry are ignored; an entry without a name is a ProtocolError.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from ..errors import ProtocolError
from ..values import dataclass

if TYPE_CHECKING:
    from ..capabilities import Value

Facts: TypeAlias = "dict[str, Value]"


@dataclass(frozen=True, slots=True)
class Listed:
    """A model that a host lists, and the facts in the list."""

    name: str
    facts: Mapping[str, Value]


Page: TypeAlias = tuple[Sequence[Listed], str | None]
"""The models of one page, and the token of the next page; None at the end."""


def entries(body: bytes, key: str) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The objects of the list under this key, or of a plain list; and the object around it."""
    is_json = True
    told: Any = None
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        is_json = False
    if not is_json:  # outside the except block: the other error has the body
        raise ProtocolError("the list of models is not JSON")
    beside: dict[str, Any] = told if isinstance(told, dict) else {}
    found = beside.get(key) if isinstance(told, dict) else told
    if not isinstance(found, list) or not all(isinstance(entry, dict) for entry in found):
        raise ProtocolError("the response is not a list of models")
    return found, beside


def listed(entry: Mapping[str, Any], facts: Mapping[str, Value | None], *, key: str = "id") -> Listed:
    """The model of an entry, with the facts that are not None. A listed model works."""
    name = entry.get(key)
    if not isinstance(name, str) or not name:
        raise ProtocolError(f"a model in the list has no {key}")
    told = {fact: value for fact, value in facts.items() if value is not None}
    return Listed(name, {"working": True, **told})


def whole(number: object) -> int | None:
    """A plausible size: a whole number above 0; else None."""
    if isinstance(number, bool) or not isinstance(number, (int, float)) or not 0 < number < math.inf:
        return None
    return int(number) if number == int(number) else None


def flag(value: object) -> bool | None:
    """True or false; None for any other value."""
    return value if isinstance(value, bool) else None


def day(value: object) -> str | None:
    """The day of a date or a time in ISO 8601; else None."""
    if not isinstance(value, str):
        return None
    try:
        return date.fromisoformat(value[:10]).isoformat()
    except ValueError:
        return None


def words(value: object) -> frozenset[str] | None:
    """The words of a list; None if it is not a list."""
    return frozenset(word for word in value if isinstance(word, str)) if isinstance(value, list) else None


def openai_models(body: bytes) -> Page:
    """The models of a list in the format of OpenAI, with the facts that hosts of its wire add.

    It reads fields of api.groq.com, openrouter.ai, api.together.ai, api.mistral.ai, api.x.ai,
    api.fireworks.ai, router.huggingface.co, ai-gateway.vercel.sh, vLLM, llama.cpp and LM Studio.
    """
    found, _ = entries(body, "data")
    return [listed(entry, _openai_facts(entry)) for entry in found], None


def _openai_facts(entry: Mapping[str, Any]) -> dict[str, Value | None]:
    return {
        **_agreed(entry.get("providers")),
        **_sizes(entry),
        **_kind(entry),
        **_modalities(entry),
        **_flags(entry),
        **_parameters(entry),
        **_prices(entry),
        **_life(entry),
    }


def _table(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _sizes(entry: Mapping[str, Any]) -> Facts:
    best = _table(entry.get("top_provider"))
    told = {
        "context": (
            entry.get("context_window"), entry.get("context_length"), entry.get("max_context_length"),
            entry.get("max_model_len"), _table(entry.get("meta")).get("n_ctx"),
        ),
        "max_output": (
            entry.get("max_completion_tokens"), best.get("max_completion_tokens"), entry.get("max_output_tokens"),
            entry.get("max_tokens"),
        ),
    }  # fmt: skip
    sizes: Facts = {}
    for name, candidates in told.items():
        size = next((size for size in map(whole, candidates) if size is not None), None)
        if size is not None:
            sizes[name] = size
    return sizes


# What Together, the gateway of Vercel and LM Studio call a model that answers in a conversation; another
# kind is not for that, and one of vectors is told apart.
_CHAT: Final = frozenset({"model", "base", "fine-tuned", "chat", "language", "code", "llm", "vlm"})
_VECTORS: Final = frozenset({"embedding", "embeddings"})


def _kind(entry: Mapping[str, Any]) -> Facts:
    kind = entry.get("type")
    if not isinstance(kind, str) or kind in _CHAT:
        return {}
    return {"chat": False, "embeddings": kind in _VECTORS}


def _modalities(entry: Mapping[str, Any]) -> Facts:
    architecture = _table(entry.get("architecture"))
    taken = words(architecture.get("input_modalities") or entry.get("input_modalities"))
    given = words(architecture.get("output_modalities") or entry.get("output_modalities"))
    facts: Facts = {}
    if taken is not None:
        facts |= {"vision": "image" in taken, "audio": "audio" in taken, "files": "file" in taken}
    if given is not None and "text" not in given:
        facts["chat"] = False
    return facts


# By the host's word, the fact: booleans of an entry (Fireworks, Hugging Face) or of its capabilities (Mistral).
_BOOLEANS: Final = {
    "supports_tools": "tools",
    "supports_image_input": "vision",
    "supports_structured_output": "json_schema",
    "supports_chat": "chat",
    "function_calling": "tools",
    "vision": "vision",
    "audio": "audio",
    "reasoning": "reasoning",
    "completion_chat": "chat",
}
# What stands in a list of tags is there; of what does not nothing is said (the gateway of Vercel, LM Studio).
_TAGS: Final = {
    "tool-use": "tools",
    "tool_use": "tools",
    "vision": "vision",
    "file-input": "files",
    "reasoning": "reasoning",
}


def _flags(entry: Mapping[str, Any]) -> Facts:
    capabilities = entry.get("capabilities")
    told = {**_table(capabilities), **entry}
    facts: Facts = {fact: told[word] for word, fact in _BOOLEANS.items() if isinstance(told.get(word), bool)}
    tags = (words(entry.get("tags")) or frozenset()) | (words(capabilities) or frozenset())
    return facts | {fact: True for word, fact in _TAGS.items() if word in tags}


# OpenRouter lists every parameter that a model takes.
_PARAMETERS: Final = {
    "tools": "tools",
    "json_schema": "structured_outputs",
    "json_object": "response_format",
    "reasoning": "reasoning",
    "logprobs": "logprobs",
}
_SETTINGS: Final = ("frequency_penalty", "presence_penalty", "seed", "stop", "temperature", "top_k", "top_p")


def _parameters(entry: Mapping[str, Any]) -> Facts:
    taken = words(entry.get("supported_parameters"))
    if not taken:
        return {}
    facts: Facts = {fact: word in taken for fact, word in _PARAMETERS.items()}
    return facts | {setting: False for setting in _SETTINGS if setting not in taken}


# By the names of a table, the fact. OpenRouter and the gateway of Vercel write the price of one token, as text;
# Together and the router of Hugging Face that of a million, as a number.
_PRICED: Final = {
    "prompt": "input_price",
    "completion": "output_price",
    "input_cache_read": "cached_input_price",
    "input": "input_price",
    "output": "output_price",
    "cached_input": "cached_input_price",
}
# xAI writes in its entries how many cents 100 million cost.
_CENTS: Final = {
    "prompt_text_token_price": "input_price",
    "completion_text_token_price": "output_price",
    "cached_prompt_text_token_price": "cached_input_price",
}


def _prices(entry: Mapping[str, Any]) -> Facts:
    pricing = _table(entry.get("pricing"))
    told = {fact: _per_million(pricing.get(word)) for word, fact in _PRICED.items() if word in pricing}
    for word, fact in _CENTS.items():
        if isinstance(entry.get(word), int):
            told[fact] = _price(entry[word] / 10_000)
    return {fact: price for fact, price in told.items() if price is not None}


def _per_million(told: object) -> float | None:
    if isinstance(told, str):
        try:
            return _price(float(told) * 1_000_000)
        except ValueError:
            return None
    return _price(told)


def _price(number: object) -> float | None:
    """A price that can be believed; -1 is OpenRouter's word for one that depends."""
    if isinstance(number, bool) or not isinstance(number, (int, float)) or not 0 <= number < math.inf:
        return None
    return round(float(number), 9)


def _life(entry: Mapping[str, Any]) -> Facts:
    facts: Facts = {}
    ends = day(entry.get("deprecation")) or day(entry.get("expiration_date")) or day(entry.get("shutdown_date"))
    if ends is not None:
        facts |= {"deprecated": True, "retires": ends}
    if entry.get("active") is False:  # Groq
        facts["working"] = False
    return facts


def _agreed(providers: object) -> Facts:
    """What all of those say who may answer for one model (the router of Hugging Face)."""
    told = [
        {**_sizes(one), **_flags(one), **_prices(one)}
        for one in (providers if isinstance(providers, list) else [])
        if isinstance(one, dict) and one.get("status", "live") == "live"
    ]
    if not told:
        return {}
    return {name: value for name, value in told[0].items() if all(one.get(name) == value for one in told)}
