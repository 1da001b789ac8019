"""The cost of an answer in USD; None if it is unknown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from .values import dataclass

if TYPE_CHECKING:
    from .capabilities import Capabilities
    from .events import Usage
    from .observation import Attempt

_PER: Final = 1_000_000
_DIGITS: Final = 12
"""Significant digits of a cost: more than any price or count has, fewer than a float adds by itself."""


def rounded(cost: float | None) -> float | None:
    """A cost without the digits that binary arithmetic adds: 0.00012, not 0.00012000000000000002."""
    return None if cost is None else float(f"{cost:.{_DIGITS}g}")


@dataclass(frozen=True, slots=True)
class Pricing:
    """Calculates the cost of one model's answers, only when it is needed.

    ``url`` is the address of its host; ``declared`` is whether the user declared its prices.
    """

    capabilities: Capabilities
    model: str
    url: str | None
    declared: bool = False

    def cost(self, usage: Usage | None) -> float | None:
        """The cost of an answer with this usage.

        It uses the first of these that exists: the cost that the host sent; the prices that the user configured; the
        prices of the package ``genai-prices``, if it is installed and knows the host; the prices that the provider
        declares. Token prices are USD per million.
        """
        if usage is None:
            return None
        if usage.cost is not None:
            return usage.cost
        by_facts = _by_facts(usage, self.capabilities)
        if self.declared and by_facts is not None:
            return by_facts
        by_package = _by_package(usage, self.model, self.url)
        return by_facts if by_package is None else by_package


@dataclass(frozen=True, slots=True)
class SharedPricing:
    """The cost of an answer that several attempts wrote, each a part of it."""

    parts: tuple[Attempt, ...]

    def cost(self, usage: Usage | None) -> float | None:  # noqa: ARG002 - as Pricing has it; the parts have their own
        """The sum of all parts; None if one is unknown."""
        costs = [attempt.cost for attempt in self.parts]
        return None if None in costs else rounded(sum(cost for cost in costs if cost is not None))


def _by_facts(usage: Usage, capabilities: Capabilities) -> float | None:
    """By the facts ``input_price``, ``output_price``, ``cached_input_price``; None if one that is needed is missing."""

    def price(name: str) -> float | None:
        value = capabilities.fact(name).value
        return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None

    counts = {
        "input_price": usage.input_tokens,
        "output_price": usage.output_tokens,
        "cached_input_price": usage.cached_tokens or 0,
    }
    if usage.cache_write_tokens or usage.input_audio_tokens or usage.output_audio_tokens:
        return None  # they have prices of their own, which no fact tells
    if counts["input_price"] is not None:
        counts["input_price"] -= usage.cached_tokens or 0
    total = 0.0
    for name, count in counts.items():
        if count is None:
            return None
        if count:
            per_million = price(name)
            if per_million is None:
                return None
            total += per_million * count / _PER
    # Without a single price nothing is known, also of an answer that counted no token.
    return rounded(total) if price("input_price") is not None else None


def _by_package(usage: Usage, model: str, url: str | None) -> float | None:
    if url is None or usage.input_tokens is None or usage.output_tokens is None:
        return None
    try:
        import genai_prices  # an optional extra, and its data cost 30 ms to load
    except ImportError:
        return None
    counted = genai_prices.Usage(
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cache_read_tokens=usage.cached_tokens,
        cache_write_tokens=usage.cache_write_tokens,
        input_audio_tokens=usage.input_audio_tokens,
        output_audio_tokens=usage.output_audio_tokens,
    )
    try:
        return float(genai_prices.calc_price(counted, model, provider_api_url=url).total_price)
    except (LookupError, ValueError):  # a host or model that it does not know, counts that contradict themselves
        return None
