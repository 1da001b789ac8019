"""Models that can be used with Converse, and their facts.

Names that begin with ``global.`` are inference profiles that answer from any commercial region, at the price of that
region; ``us.``, ``eu.`` and similar prefixes keep a call in their part of the world, and cost 10 % more. Any other id
or ARN can also be used by its name. Prices are in USD per million tokens of text.

Sources: genai-prices 0.2.3 of 2026-11 (contexts, prices); the user guide of docs.aws.amazon.com/bedrock, as stored by
public indexes up to 2026-11-24 (ids, structured output, reasoning); platform.claude.com (limits of Claude); recorded
answers. None was tried with a key.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from segue.plugin import Capabilities, Model

if TYPE_CHECKING:
    from collections.abc import Sequence

_SOURCE: Final = "genai-prices 0.2.3, docs.aws.amazon.com/bedrock; 2026-11"

# The wire has no such settings, whatever the model.
_NOT_HERE: Final = (
    "choices", "frequency_penalty", "logprobs", "presence_penalty", "seed",
)  # fmt: skip
# «Setting sampling parameters to non-default values returns a 400 error» (platform.claude.com, of Sonnet 5).
_SAMPLING: Final = ("temperature", "top_p", "top_k")


def _model(
    name: str,
    context: int,
    prices: tuple[float, float],
    *,
    has: Sequence[str],
    lacks: Sequence[str] = (),
    cached: float | None = None,
    max_output: int | None = None,
) -> Model:
    """A model with its prices of input and output, and of what is read from the cache."""
    facts: dict[str, bool | float] = {
        "working": True,
        "context": context,
        "input_price": prices[0],
        "output_price": prices[1],
        **dict.fromkeys(has, True),
        **dict.fromkeys((*_NOT_HERE, *lacks), False),
    }
    if cached is not None:
        facts["cached_input_price"] = cached
    if max_output is not None:
        facts["max_output"] = max_output
    return Model(name, Capabilities(facts, source=_SOURCE))


_CLAUDE: Final = ("tools", "parallel_tools", "vision", "files", "json_schema", "reasoning")
_NOVA: Final = ("tools", "parallel_tools", "vision", "files", "json_schema")
_OPEN: Final = ("tools", "json_schema")
_NO_EYES: Final = ("vision", "audio")

MODELS: Final = (
    # Recommended, 2026-11-30: the newest model of the middle size; then cheaper ones of two makers.
    _model(
        "global.anthropic.claude-sonnet-5", 1_000_000, (2.00, 10.00),
        has=_CLAUDE, lacks=("audio", *_SAMPLING), cached=0.20, max_output=128_000,
    ),
    _model(
        "global.amazon.nova-2-lite-v1:0", 1_000_000, (0.30, 2.50), has=(*_NOVA, "reasoning"), cached=0.075,
    ),
    _model(
        "global.anthropic.claude-haiku-4-5-20251001-v1:0", 200_000, (1.00, 5.00),
        has=_CLAUDE, lacks=("audio",), cached=0.10, max_output=64_000,
    ),
    # The others, by their makers, the newest first.
    _model(
        "global.anthropic.claude-fable-5-1", 1_000_000, (10.00, 50.00),
        has=_CLAUDE, lacks=("audio", *_SAMPLING), cached=0.25, max_output=128_000,
    ),
    _model(
        "global.anthropic.claude-opus-5", 1_000_000, (5.00, 25.00),
        has=_CLAUDE, lacks=("audio",), cached=0.50, max_output=128_000,
    ),
    _model(
        "global.anthropic.claude-sonnet-4-6", 1_000_000, (3.00, 15.00),
        has=_CLAUDE, lacks=("audio",), cached=0.30, max_output=64_000,
    ),
    _model(
        "global.anthropic.claude-sonnet-4-5-20250929-v1:0", 200_000, (3.00, 15.00),
        has=_CLAUDE, lacks=("audio",), cached=0.30, max_output=64_000,
    ),
    _model("amazon.nova-pro-v1:0", 300_000, (0.80, 3.20), has=_NOVA, lacks=("audio", "reasoning"), cached=0.20),
    _model("amazon.nova-lite-v1:0", 300_000, (0.06, 0.24), has=_NOVA, lacks=("audio", "reasoning"), cached=0.015),
    _model(
        "amazon.nova-micro-v1:0", 128_000, (0.035, 0.14),
        has=_OPEN, lacks=(*_NO_EYES, "files", "reasoning"), cached=0.00875,
    ),
    _model("openai.gpt-oss-120b-1:0", 128_000, (0.15, 0.60), has=(*_OPEN, "reasoning"), lacks=_NO_EYES),
    _model("openai.gpt-oss-20b-1:0", 128_000, (0.07, 0.30), has=(*_OPEN, "reasoning"), lacks=_NO_EYES),
    _model("qwen.qwen3-32b-v1:0", 32_000, (0.15, 0.60), has=_OPEN, lacks=_NO_EYES),
    _model("mistral.mistral-large-3-675b-instruct", 256_000, (0.50, 1.50), has=_OPEN, lacks=("audio",)),
)  # fmt: skip
"""The models, recommended ones first."""
