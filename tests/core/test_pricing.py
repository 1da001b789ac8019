"""What an answer cost: by the host, by the user, by a package, by the provider; else unknown, never 0 for it."""

from __future__ import annotations

import sys
from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from segue import Capabilities, Usage
from segue.observation import Attempt
from segue.pricing import Pricing, SharedPricing

USAGE = Usage(input_tokens=1_000_000, output_tokens=100_000, cached_tokens=400_000)
PRICES = Capabilities({"input_price": 2.0, "output_price": 10.0, "cached_input_price": 0.5})


def priced(facts: Capabilities = PRICES, *, url: str | None = None, declared: bool = False) -> Pricing:
    return Pricing(facts, "gpt-4o-mini", url, declared)


def test_cached_tokens_have_their_own_price() -> None:
    """600,000 at 2, 400,000 at 0.5 and 100,000 at 10 USD a million are 2.40."""
    assert priced().cost(USAGE) == pytest.approx(2.4)


@pytest.mark.parametrize(
    ("facts", "usage"),
    [
        (Capabilities(), USAGE),
        (Capabilities({"input_price": 2.0, "output_price": 10.0}), USAGE),  # what was cached has no known price
        (PRICES, None),
        (PRICES, Usage(output_tokens=3)),
        (PRICES, Usage(input_tokens=3, output_tokens=3, cache_write_tokens=1)),
        (PRICES, Usage(input_tokens=3, output_tokens=3, input_audio_tokens=1)),
        (Capabilities({"input_price": True, "output_price": "much"}), Usage(input_tokens=1, output_tokens=1)),
        (Capabilities(), Usage(input_tokens=0, output_tokens=0)),
    ],
)
def test_what_is_not_known_is_none(facts: Capabilities, usage: Usage | None) -> None:
    """A missing price or count is no 0."""
    assert priced(facts).cost(usage) is None


@given(
    prices=st.tuples(*[st.integers(0, 1_000_000)] * 2),  # in hundredths of a cent for a million tokens
    counts=st.tuples(*[st.integers(0, 100_000)] * 2),
)
@example(prices=(1500, 6000), counts=(300, 125))  # 0.00012000000000000002 in binary
def test_a_cost_has_no_digits_that_nobody_knows(prices: tuple[int, int], counts: tuple[int, int]) -> None:
    """It prints as it would be worked out on paper."""
    facts = Capabilities({"input_price": prices[0] / 10_000, "output_price": prices[1] / 10_000})
    cost = priced(facts).cost(Usage(input_tokens=counts[0], output_tokens=counts[1]))
    paper = sum(Decimal(price) * count for price, count in zip(prices, counts, strict=True)) / Decimal(10**10)
    assert Decimal(repr(cost)) == paper


def test_what_several_attempts_cost_is_added_up_on_paper_too() -> None:
    """0.1 and 0.2 are 0.3."""
    parts = tuple(Attempt("a", "m", "answered", 1.0, usage=Usage(cost=cost)) for cost in (0.1, 0.2))
    assert SharedPricing(parts).cost(None) == 0.3


def test_free_is_free() -> None:
    """Prices of 0 that somebody declared are known."""
    assert priced(Capabilities({"input_price": 0, "output_price": 0})).cost(Usage(input_tokens=5, output_tokens=5)) == 0


def test_what_the_host_tells_stands_first() -> None:
    """Its own figure is above every price."""
    assert priced(declared=True).cost(Usage(input_tokens=1, output_tokens=1, cost=0.25)) == 0.25


def test_the_package_knows_the_host_by_its_address() -> None:
    """At OpenAI's address its price counts; the user's declared one stands above it; elsewhere it says nothing."""
    pytest.importorskip("genai_prices")
    usage = Usage(input_tokens=1_000_000, output_tokens=0)
    known = priced(url="https://api.openai.com/v1").cost(usage)
    assert known is not None
    assert known not in {0, 2.0}
    assert priced(url="https://api.openai.com/v1", declared=True).cost(usage) == pytest.approx(2.0)
    assert priced(url="http://127.0.0.1:1/v1").cost(usage) == pytest.approx(2.0)


def test_without_the_package_declared_prices_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is an extra."""
    monkeypatch.setitem(sys.modules, "genai_prices", None)
    usage = Usage(input_tokens=1_000_000, output_tokens=0)
    assert priced(url="https://api.openai.com/v1").cost(usage) == pytest.approx(2.0)


@pytest.mark.parametrize("usage", [Usage(), USAGE, Usage(output_tokens=0, cost=0.5)])
def test_the_repr_of_usage_has_the_counts_that_were_sent(usage: Usage) -> None:
    """It shows no count that the host did not send, and reads back as the same usage."""
    assert "None" not in repr(usage)
    assert eval(repr(usage)) == usage
