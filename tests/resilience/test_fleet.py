"""What a client knows of its endpoints, and the order in which a chain asks them by it."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from segue import Breaker, Capabilities, Chain, Hedge, ServerError
from segue.chain.attempt import Ready, Run
from segue.chain.targets import Resolution, Target, _Resolving
from segue.errors import AuthenticationError, BadRequestError, RateLimitError
from segue.resilience import CLOSED, Endpoint, Fleet
from segue.resilience.latency import Latencies

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from segue import Needs

BALANCES = ["order", "weight", "round_robin", "least_busy", "latency", "price"]
WEIGHTS = {"a": 1.0, "b": 0.0, "c": 3.0, "d": 2.0, "e": 2.0}
PRICES: dict[str, float | None] = {"a": 3.0, "b": None, "c": 1.0, "d": 0.0, "e": 1.0}


def nobody(*_: object) -> AsyncIterator[Any]:
    """Is never asked."""
    raise AssertionError


def ready(name: str) -> Ready:
    """A candidate with the price of its name."""
    price = PRICES[name]
    facts = Capabilities() if price is None else Capabilities({"input_price": price, "output_price": 0.0})
    return Ready(name, "m", nobody, facts=facts)


def endpoint(name: str) -> Endpoint:
    """Where its health is kept."""
    return Endpoint(name, "", "", "m")


def resolve(target: str | Needs) -> Resolution:
    """The one candidate of that name."""
    return Resolution((ready(str(target).partition("/")[0]),))


class Balancing(RuleBasedStateMachine):
    """The order of a chain with another inside it, against a model of plain dictionaries.

    The chain has a, then those of the inner one (b, c, d), then e; calls begin, are answered, fail and are left.
    """

    @initialize(outer=st.sampled_from(BALANCES), inner=st.sampled_from(BALANCES))
    def begin(self, outer: Any, inner: Any) -> None:
        self.outer, self.inner = outer, inner
        inside = Chain(*(Target(f"{name}/m", weight=WEIGHTS[name]) for name in "bcd"), balance=inner)
        self.chain = Chain(
            Target("a/m", weight=WEIGHTS["a"]), Target(inside, weight=4.0), Target("e/m", weight=WEIGHTS["e"]),
            balance=outer,
        )  # fmt: skip
        self.fleet = Fleet()
        self.under_way: list[str] = []
        self.busy = dict.fromkeys("abcde", 0)
        self.mean: dict[str, float | None] = dict.fromkeys("abcde")
        self.turns = 0
        self.now = 0.0

    @rule(name=st.sampled_from("abcde"))
    def asked(self, name: str) -> None:
        self.fleet.asked(endpoint(name), self.now)
        self.under_way.append(name)
        self.busy[name] += 1

    @precondition(lambda self: self.under_way)
    @rule(
        which=st.integers(0, 9),
        first=st.sampled_from([0.1, 0.2, 0.4]),
        end=st.sampled_from(["answered", "left", "failed"]),
    )
    def ended(self, which: int, first: float, end: str) -> None:
        name = self.under_way.pop(which % len(self.under_way))
        self.busy[name] -= 1
        self.now += 1.0
        if end == "answered":
            self.fleet.answered(endpoint(name), self.now, first=first, duration=1.0, whole=False)
            before = self.mean[name]
            self.mean[name] = first if before is None else before + 0.2 * (first - before)
        elif end == "left":
            self.fleet.left(endpoint(name), self.now, probe=False)
        else:
            self.fleet.failed(endpoint(name), BadRequestError("x", status=400), self.now, probe=False)

    @rule()
    def order(self) -> None:
        run = Run(fleet=self.fleet, random=lambda: 0.5)
        order = [one.provider for one in _Resolving(resolve, run).chain(self.chain)]
        inside = self.arranged(self.inner, {name: [name] for name in "bcd"}, WEIGHTS)
        groups = {"a": ["a"], "inner": inside, "e": ["e"]}
        assert order == self.arranged(self.outer, groups, {**WEIGHTS, "inner": 4.0})
        self.turns += 1

    def arranged(self, balance: str, groups: dict[str, list[str]], weights: dict[str, float]) -> list[str]:
        """The members in order: groups by what is known of their first member."""
        keys: dict[str, float] = {}
        for place, (name, members) in enumerate(groups.items()):
            first = members[0]
            mean, price = self.mean[first], PRICES[first]
            keys[name] = {
                "order": 0.0,
                "weight": 1 / weights[name] if weights[name] else math.inf,  # with the same draw heavier comes first
                "round_robin": (place - self.turns) % len(groups),
                "least_busy": self.busy[first],
                "latency": 0.0 if mean is None else mean,
                "price": math.inf if price is None else price,
            }[balance]
        return [member for name in sorted(groups, key=lambda name: keys[name]) for member in groups[name]]

    @invariant()
    def counts_calls(self) -> None:
        if hasattr(self, "fleet"):
            assert self.fleet.busy == {endpoint(name): count for name, count in self.busy.items() if count}


Balancing.TestCase.settings = settings(max_examples=80, stateful_step_count=25, deadline=None)
TestBalancing = Balancing.TestCase

HERE, THERE = endpoint("a"), endpoint("b")
DOWN = ServerError("down", status=500)


def test_what_is_left_alone_says_its_own_error_again() -> None:
    """A refusal is a copy of the last error: for how long, that another may help, and not to be retried."""
    fleet = Fleet(breaker=Breaker(failures=1, interval=15.0))
    fleet.asked(HERE, 0.0)
    fleet.failed(HERE, DOWN, 0.0, probe=False)
    error = fleet.refusal(HERE, 5.0)
    assert isinstance(error, ServerError)
    assert error is not DOWN
    assert (str(error), error.phase, error.retry_after) == ("not tried for another 10 s: down", "skipped", 10.0)
    assert (error.next_may_help, error.retryable) == (True, False)
    assert fleet.refusal(THERE, 5.0) is None
    assert fleet.refusal(HERE, 15.0) is None


def test_a_host_that_said_for_how_long_is_waited_for() -> None:
    """A hint may be waited for; while a call tries an endpoint it has none."""
    fleet = Fleet(breaker=Breaker(failures=1, interval=15.0))
    limit = RateLimitError("slow", status=429, retry_after=4.0)
    fleet.asked(HERE, 0.0)
    fleet.failed(HERE, limit, 0.0, probe=False)
    error = fleet.refusal(HERE, 1.0)
    assert error is not None
    assert (error.retryable, error.retry_after) == (True, 3.0)
    fleet.asked(THERE, 0.0)
    fleet.failed(THERE, DOWN, 0.0, probe=False)
    probe, change = fleet.asked(THERE, 20.0)
    assert probe
    assert change is not None
    assert (change.before, change.after) == ("open", "half_open")
    busy = fleet.refusal(THERE, 20.0)
    assert busy is not None
    assert (str(busy), busy.retry_after) == ("not tried while another call is trying it: down", None)


def test_a_refused_key_comes_last_for_a_minute() -> None:
    """It is asked after the others, and still asked."""
    fleet = Fleet()
    assert not fleet.any_comes_last(0.0)
    fleet.asked(HERE, 0.0)
    fleet.failed(HERE, AuthenticationError("who", status=401), 0.0, probe=False)
    assert (fleet.any_comes_last(59.0), fleet.comes_last(HERE, 59.0), fleet.comes_last(THERE, 59.0)) == (
        True,
        True,
        False,
    )
    assert fleet.refusal(HERE, 1.0) is None
    assert not fleet.any_comes_last(60.0)


def test_what_is_asked_beside_another_is_sound() -> None:
    """A single failure speaks against a second; an answer takes that back; without a breaker nothing does."""
    fleet, careless = Fleet(), Fleet(breaker=None)
    assert fleet.is_sound(HERE, 0.0)
    for one in (fleet, careless):
        one.asked(HERE, 0.0)
        one.failed(HERE, DOWN, 0.0, probe=False)
    assert (fleet.is_sound(HERE, 1.0), careless.is_sound(HERE, 1.0)) == (False, True)
    fleet.asked(HERE, 2.0)
    fleet.answered(HERE, 2.0, first=0.1, duration=0.2, whole=False)
    assert fleet.is_sound(HERE, 2.0)


def test_the_snapshot_names_who_is_left_alone() -> None:
    """A model stands there while every endpoint of it is; another key that works keeps it in."""
    fleet = Fleet(breaker=Breaker(failures=1, interval=15.0))
    other = HERE._replace(credential="another")
    fleet.asked(HERE, 0.0)
    fleet.failed(HERE, DOWN, 0.0, probe=False)
    health = fleet.snapshot(1.0).of("a", "m")
    assert health is not None
    assert not health.working
    assert health.source == "1 failures in a row, the last one ServerError; tried again in 14 s"
    fleet.asked(other, 1.0)
    fleet.answered(other, 1.0, first=0.1, duration=0.1, whole=True)
    observed = fleet.snapshot(3.0).of("a", "m")
    assert observed is not None
    assert (observed.working, observed.source) == (True, "it answered 2 s ago")
    assert Fleet(breaker=None).snapshot(0.0).states == {}


def test_what_is_kept_of_an_error_holds_nothing_of_its_call() -> None:
    """Neither attempts nor text nor frames live on in a circuit."""
    fleet = Fleet()
    error = ServerError("down", status=500)
    error.text = "so far"
    error.attempts = ("something",)  # type: ignore[assignment]  # pyright: ignore[reportAttributeAccessIssue]
    fleet.asked(HERE, 0.0)
    fleet.failed(HERE, error, 0.0, probe=False)
    kept = fleet.store.get(HERE).error
    assert kept is not None
    assert kept is not error
    assert (kept.text, kept.attempts, kept.__traceback__) == ("", (), None)


def test_turns_are_counted_of_each() -> None:
    """Each chain has turns of its own."""
    fleet, one, other = Fleet(), Chain("a/m"), Chain("a/m")
    assert [fleet.turn(one), fleet.turn(one), fleet.turn(other), fleet.turn(one)] == [0, 1, 0, 2]


def test_a_store_of_ones_own_is_used() -> None:
    """Circuits are read from and written to the store that is given, and from nowhere else."""

    class Store(dict[Endpoint, Any]):
        def put(self, endpoint: Endpoint, circuit: object) -> None:
            self[endpoint] = circuit

        def get(self, endpoint: Endpoint) -> Any:  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]
            return super().get(endpoint, CLOSED)

    store = Store()
    fleet = Fleet(breaker=Breaker(failures=1), store=store)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    fleet.asked(HERE, 0.0)
    fleet.failed(HERE, DOWN, 0.0, probe=False)
    assert store[HERE].state(1.0) == "open"
    store.clear()
    assert fleet.refusal(HERE, 1.0) is None


# ── times, and when to hedge ─────────────────────────────────────────────────────────────────────────


def times(*firsts: float) -> Latencies:
    """Answers that began so late."""
    latencies = Latencies()
    for first in firsts:
        latencies.add(first, first + 1.0)
    return latencies


def test_few_times_tell_nothing() -> None:
    """Below twenty there is no quantile, and no least time."""
    few, enough = times(*[0.1] * 19), times(*[0.1] * 20)
    assert (few.quantile(0.9), few.least(whole=False)) == (None, 0.0)
    assert (enough.quantile(0.9), enough.least(whole=False), enough.least(whole=True)) == (0.1, 0.1, 1.1)


def test_the_quantile_is_that_of_the_latest_hundred() -> None:
    """What came before the latest hundred is forgotten."""
    latencies = times(*[9.0] * 50, *[n / 100 for n in range(1, 101)])
    assert [latencies.quantile(share) for share in (0.01, 0.5, 0.9, 1.0)] == [0.01, 0.5, 0.9, 1.0]


def test_an_answer_without_content_is_waited_for_to_its_end() -> None:
    """Its whole time counts as that until its first content."""
    latencies = Latencies()
    latencies.add(None, 3.0)
    assert latencies.mean == 3.0


def test_when_a_candidate_is_late() -> None:
    """After a time that was given; or 1.5 times the 90th percentile; never where nothing is known."""
    assert Hedge(after=0.5).delay(Latencies()) == 0.5
    assert Hedge().delay(times(*[0.1] * 19)) is None
    assert Hedge().delay(times(*[0.1] * 19, 2.0)) == pytest.approx(0.15)
    assert Hedge(quantile=0.5, factor=2.0).delay(times(*[0.1] * 10, *[0.2] * 10)) == pytest.approx(0.2)


@pytest.mark.parametrize(
    "wrong", [{"after": -1}, {"after": math.inf}, {"quantile": 0}, {"quantile": 1.1}, {"factor": 0.9}]
)
def test_what_is_no_hedge_is_refused(wrong: dict[str, Any]) -> None:
    """Times below nothing, shares beyond all, and factors that make it sooner than usual are errors."""
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Hedge(**wrong)


def test_nothing_here_needs_a_loop() -> None:
    """Every time is handed in: no test of these waits for one."""
    with pytest.raises(RuntimeError):
        asyncio.get_running_loop()
