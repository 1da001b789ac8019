"""Mistral's models and what is known of them.

Each fact names who says so. Where sources disagree on a size the smaller stands; a price on which they
disagree is left out. Held against a stored copy of docs.mistral.ai on 2026-11-24; none was tried with a key.
"""

from __future__ import annotations

from typing import Final

from understudy.plugin import Capabilities, Model

_BOTH: Final = "litellm 1.109.1, genai-prices 0.2.3; 2026-11"

FACTS: Final = Capabilities({"tools": True, "json_schema": True}, source="litellm 1.109.1, 2026-11")
"""What holds for every model."""


def _model(name: str, **facts: bool | float) -> Model:
    return Model(name, Capabilities({"working": True, **facts}, source=_BOTH))


MODELS: Final = (
    _model("codestral-2508", context=128_000, input_price=0.30, output_price=0.90, cached_input_price=0.03),
    _model(
        "ministral-14b-2512",
        context=262_144,
        input_price=0.20,
        output_price=0.20,
        cached_input_price=0.02,
        vision=True,
    ),
    _model(
        "mistral-large-2512",
        context=262_144,
        input_price=0.50,
        output_price=1.50,
        cached_input_price=0.05,
        vision=True,
    ),
    # Its price changed twice in a month, and the sources stopped at different days.
    _model("mistral-large-4", context=1_048_576, reasoning=True, vision=True),
    _model(
        "mistral-medium-3-5",
        context=262_144,
        input_price=1.50,
        output_price=7.50,
        cached_input_price=0.15,
        reasoning=True,
        vision=True,
    ),
    _model(
        "mistral-small-latest",
        context=262_144,
        input_price=0.15,
        output_price=0.60,
        cached_input_price=0.015,
        reasoning=True,
        vision=True,
    ),
    _model(
        "voxtral-small-2507",
        context=32_768,
        input_price=0.10,
        output_price=0.40,
        cached_input_price=0.01,
        audio=True,
    ),
)
"""The models, by name."""
