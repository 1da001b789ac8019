"""Anthropic's models and what is known of them.

Prices are USD per million tokens, of prompts up to the first tier where they grow with the length.

Sources: the models' pages of platform.claude.com, as stored by public indexes up to 2026-11-24; the prices of
genai-prices 0.2.3 of 2026-11, which agree with them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from understudy.plugin import Capabilities, Model

if TYPE_CHECKING:
    from collections.abc import Sequence

_SOURCE: Final = "platform.claude.com, genai-prices 0.2.3; 2026-11"

# «Setting sampling parameters to non-default values returns a 400 error» (the pages of Sonnet 5 and of 5.5).
_SAMPLING: Final = ("temperature", "top_p", "top_k")


def _model(
    name: str, context: int, max_output: int, *, prices: tuple[float, float, float], lacks: Sequence[str] = ()
) -> Model:
    """A model with its prices of input, output and what is read from the cache."""
    facts = {
        "working": True,
        "context": context,
        "max_output": max_output,
        "input_price": prices[0],
        "output_price": prices[1],
        "cached_input_price": prices[2],
        "audio": False,
        **dict.fromkeys(("tools", "parallel_tools", "vision", "files", "json_schema", "reasoning"), True),
        **dict.fromkeys(lacks, False),
    }
    return Model(name, Capabilities(facts, source=_SOURCE))


MODELS: Final = (
    _model("claude-fable-5-1", 1_000_000, 128_000, prices=(10.00, 50.00, 0.25), lacks=_SAMPLING),
    _model("claude-opus-5-5", 1_000_000, 128_000, prices=(4.00, 20.00, 0.20), lacks=_SAMPLING),
    _model("claude-sonnet-5-5", 1_000_000, 128_000, prices=(2.00, 10.00, 0.10), lacks=_SAMPLING),
    _model("claude-haiku-5-5", 1_000_000, 128_000, prices=(0.10, 0.50, 0.01), lacks=_SAMPLING),
    _model("claude-opus-5", 1_000_000, 128_000, prices=(5.00, 25.00, 0.50)),
    _model("claude-sonnet-5", 1_000_000, 128_000, prices=(2.00, 10.00, 0.20), lacks=_SAMPLING),
    _model("claude-sonnet-4-6", 1_000_000, 64_000, prices=(3.00, 15.00, 0.30)),
    _model("claude-sonnet-4-5", 200_000, 64_000, prices=(3.00, 15.00, 0.30)),
    _model("claude-haiku-4-5", 200_000, 64_000, prices=(1.00, 5.00, 0.10)),
)
"""The models, the newest first."""
