"""Cohere's models and what is known of them.

Prices are in USD per million of the units that Cohere bills, which are fewer than the tokens it counts. Of
Command A Reasoning and Vision its pages say that they are free up to a rate limit, and lists a price: none stands.

Sources: models.dev@f3fc692 of 2026-07 and ruby_llm@fb5a49b of 2026-08, which agree, and docs.cohere.com as
stored by public indexes up to 2026-11-24, of the form of answers.
"""

from __future__ import annotations

from typing import Final

from understudy.plugin import Capabilities, Fact, Model

_SOURCE: Final = "models.dev@f3fc692, 2026-07; ruby_llm@fb5a49b, 2026-08"
# «Supported on Command R, Command R+ and newer models»
_SCHEMA: Final = Fact(value=True, source="docs.cohere.com/reference/chat, response_format")


def _model(name: str, **facts: Fact | bool | float) -> Model:
    return Model(name, Capabilities({"working": True, **facts}, source=_SOURCE))


MODELS: Final = (
    _model(
        "command-a-plus-05-2026",
        context=128_000,
        max_output=64_000,
        input_price=2.50,
        output_price=10.00,
        tools=True,
        vision=True,
        json_schema=_SCHEMA,
        reasoning=True,
    ),
    _model(
        "command-a-reasoning-08-2025",
        context=256_000,
        max_output=32_000,
        tools=True,
        vision=False,
        json_schema=_SCHEMA,
        reasoning=True,
    ),
    _model(
        "command-a-vision-07-2025",
        context=128_000,
        max_output=8_000,
        tools=False,
        vision=True,
        reasoning=False,
    ),
    _model(
        "command-a-03-2025",
        context=256_000,
        max_output=8_000,
        input_price=2.50,
        output_price=10.00,
        tools=True,
        vision=False,
        json_schema=_SCHEMA,
        reasoning=False,
    ),
    _model(
        "command-r7b-12-2024",
        context=128_000,
        max_output=4_000,
        input_price=0.0375,
        output_price=0.15,
        tools=True,
        vision=False,
        json_schema=_SCHEMA,
        reasoning=False,
    ),
    _model(
        "command-r-plus-08-2024",
        context=128_000,
        max_output=4_000,
        input_price=2.50,
        output_price=10.00,
        tools=True,
        vision=False,
        json_schema=_SCHEMA,
        reasoning=False,
    ),
    _model(
        "command-r-08-2024",
        context=128_000,
        max_output=4_000,
        input_price=0.15,
        output_price=0.60,
        tools=True,
        vision=False,
        json_schema=_SCHEMA,
        reasoning=False,
    ),
    Model(
        "embed-v4.0",
        Capabilities(
            {"working": True, "chat": False, "embeddings": True, "context": 128_000, "input_price": 0.12},
            source="genai-prices 0.2.3, 2026-11",
        ),
    ),
)
"""The models, the newest first."""
