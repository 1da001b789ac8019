"""Google's models and what is known of them.

Each fact names who says so; none was tried with a key. Prices are in USD per million tokens of text, of prompts
up to 200,000 tokens where they grow with the length. Of Gemini 4 Argon none stands: it doubles on 2026-12-01.

Sources: the facts and prices of genai-prices 0.2.3 of 2026-11; ai.google.dev (models, deprecations, "What's
new in Gemini 3.6", "Using the latest Gemini models") and docs.cloud.google.com (developer's guides to Gemini
3.8 Flash and 4 Argon), as stored by public indexes up to 2026-11-24; recorded traffic of both hosts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from understudy.plugin import Capabilities, Fact, Model

if TYPE_CHECKING:
    from collections.abc import Sequence

_SOURCE: Final = "genai-prices 0.2.3, ai.google.dev; 2026-11"

# «Candidate count is unsupported in Gemini 3.x»
_SINCE_3: Final = ("choices",)
# «deprecated and ignored», of these and all later models
_SINCE_3_5: Final = (*_SINCE_3, "temperature", "top_p", "top_k")


def _until_2027(price: float) -> Fact:
    """A price that doubles then."""
    return Fact(price, source="genai-prices 0.2.3: until 2026-12-31")


def _model(name: str, *, lacks: Sequence[str], context: int = 1_048_576, **facts: Fact | bool | float) -> Model:
    shared = {
        "working": True,
        "context": context,
        "max_output": 65_536,
        "tools": True,
        "parallel_tools": True,
        "vision": True,
        "audio": True,
        "files": True,
        "json_object": True,
        "json_schema": True,
        "reasoning": True,
    }
    return Model(name, Capabilities({**shared, **facts, **dict.fromkeys(lacks, False)}, source=_SOURCE))


def _embedding(name: str, **facts: float) -> Model:
    return Model(name, Capabilities({"chat": False, "embeddings": True, **facts}, source=_SOURCE))


VERTEX_MODELS: Final = (
    _model("gemini-4-argon", lacks=_SINCE_3_5, audio=Fact(value=None, source="no source says it")),
    _model(
        "gemini-3.8-flash",
        lacks=_SINCE_3_5,
        input_price=_until_2027(0.75),
        output_price=_until_2027(3.75),
        cached_input_price=_until_2027(0.075),
    ),
    _model(
        "gemini-3.6-flash",
        lacks=_SINCE_3_5,
        input_price=_until_2027(0.75),
        output_price=_until_2027(3.75),
        cached_input_price=_until_2027(0.075),
    ),
    _model("gemini-3.5-flash-lite", lacks=_SINCE_3_5, input_price=0.30, output_price=2.50, cached_input_price=0.03),
    _model("gemini-3.1-pro-preview", lacks=_SINCE_3, input_price=2.00, output_price=12.00, cached_input_price=0.20),
    _model("gemini-3.1-flash-lite", lacks=_SINCE_3, input_price=0.25, output_price=1.50, cached_input_price=0.025),
    _model("gemini-3-flash-preview", lacks=_SINCE_3, input_price=0.50, output_price=3.00, cached_input_price=0.05),
    # From 2026-12-01 on the Gemini API answers the next two with 3.8 Flash and 3.5 Flash-Lite.
    _model("gemini-2.5-pro", lacks=(), input_price=1.25, output_price=10.00, cached_input_price=0.125),
    _model("gemini-2.5-flash", lacks=(), input_price=0.30, output_price=2.50, cached_input_price=0.03),
    _model("gemini-2.5-flash-lite", lacks=(), input_price=0.10, output_price=0.40, cached_input_price=0.01),
)
"""The models that answer at both hosts, the newest first."""

MODELS: Final = (
    *VERTEX_MODELS,
    _embedding("gemini-embedding-2", context=8_192, input_price=0.20),
    _embedding("gemini-embedding-001", input_price=0.15),
)
"""The models of the Gemini API."""
