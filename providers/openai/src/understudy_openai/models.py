"""OpenAI's models and what is known of them.

Context, output limits and prices (USD per million tokens) are written down from memory and not yet
held against platform.openai.com/docs/models; their source says so. What this provider cannot send or
read yet is not claimed.
"""

from __future__ import annotations

from understudy.plugin import Capabilities, Model

_SOURCE = "not yet checked against platform.openai.com/docs/models"


def _model(
    name: str, *, context: int, max_output: int, input_price: float, output_price: float, **flags: bool
) -> Model:
    facts: dict[str, bool | float] = {
        "working": True,
        "context": context,
        "max_output": max_output,
        "input_price": input_price,
        "output_price": output_price,
        **flags,
    }
    return Model(name, Capabilities(facts, source=_SOURCE))


MODELS = (
    _model("gpt-4o-mini", context=128_000, max_output=16_384, input_price=0.15, output_price=0.60),
    _model("gpt-4o", context=128_000, max_output=16_384, input_price=2.50, output_price=10.00),
    _model("gpt-4.1-mini", context=1_047_576, max_output=32_768, input_price=0.40, output_price=1.60),
    _model("gpt-4.1", context=1_047_576, max_output=32_768, input_price=2.00, output_price=8.00),
    _model(
        "gpt-3.5-turbo",
        context=16_385,
        max_output=4_096,
        input_price=0.50,
        output_price=1.50,
        supports_gpt_35_turbo=True,
    ),
)
