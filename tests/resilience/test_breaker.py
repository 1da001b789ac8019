"""The breaker against a plain model, and its rules one by one."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from segue.errors import (
    AuthenticationError,
    BadRequestError,
    ConnectError,
    DownloadError,
    HTTPError,
    ModelNotFoundError,
    OverloadedError,
    PermissionDeniedError,
    PhaseTimeoutError,
    ProtocolError,
    ProviderError,
    QuotaExhaustedError,
    RateLimitError,
    ServerError,
    StreamBrokenError,
)
from segue.resilience import CLOSED, Breaker, Circuit, blame_of

FAULT = ConnectError("x")
BREAKER = Breaker(failures=3, silence=4.0, interval=2.0, longest=16.0)
HINTS = st.sampled_from([None, 0.0, 0.5, 3.0, 32.0])


def opened(times: int = 1) -> Circuit:
    """A circuit whose wait has come up so often, the last time at 0."""
    circuit = Circuit(in_row=2, since=0.0)
    for number in range(times):
        circuit = BREAKER.failed(circuit.asked(circuit.until) if number else circuit, FAULT, 0.0, probe=number > 0)
    return circuit


class AgainstTheRules(RuleBasedStateMachine):
    """What Breaker's docstring says, re-told with a list of what happened since the last answer."""

    def __init__(self) -> None:
        super().__init__()
        self.circuit, self.now = CLOSED, 0.0
        self.faults: list[float] = []
        self.heard: float | None = None
        self.waits: list[float] = []
        self.until = self.hint = -math.inf
        self.under_way: list[bool] = []  # whether each call is the probe

    @rule(seconds=st.sampled_from([0.25, 1.0, 2.0, 4.0, 8.0, 32.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @precondition(lambda self: self.circuit.wait(self.now) == 0)
    @rule()
    def asked(self) -> None:
        assert self.now >= max(self.until, self.hint)
        assert not any(self.under_way)
        self.circuit = self.circuit.asked(self.now)
        self.under_way.append(bool(self.waits))
        assert self.circuit.probing == bool(self.waits)

    @precondition(lambda self: self.under_way)
    @rule(which=st.integers(0, 9))
    def answered(self, which: int) -> None:
        self.under_way.pop(which % len(self.under_way))
        self.circuit = BREAKER.answered(self.circuit, self.now)
        self.under_way = [False for _ in self.under_way]
        self.faults, self.waits, self.heard, self.until = [], [], self.now, -math.inf
        assert self.circuit.state(self.now) == "closed"

    @precondition(lambda self: self.under_way)
    @rule(which=st.integers(0, 9), hint=HINTS, limit=st.booleans())
    def failed(self, which: int, hint: float | None, limit: bool) -> None:
        probe = self.under_way.pop(which % len(self.under_way))
        error = RateLimitError("x", status=429) if limit else ServerError("x", status=500)
        error.retry_after = hint
        self.circuit = BREAKER.failed(self.circuit, error, self.now, probe=probe)
        if not limit:
            self.faults.append(self.now)
            first = self.faults[0] if self.heard is None else self.heard
            many = len(self.faults) >= 3 or (len(self.faults) >= 2 and self.now - first >= 4.0)
            if probe or (many and not self.waits):
                self.waits.append(min(16.0, 2.0 * 4 ** len(self.waits)))
                self.until = self.now + self.waits[-1]
        if hint:
            self.hint = max(self.hint, self.now + hint)

    @precondition(lambda self: self.under_way)
    @rule(which=st.integers(0, 9), wrong=st.booleans())
    def left(self, which: int, wrong: bool) -> None:
        probe = self.under_way.pop(which % len(self.under_way))
        if wrong:
            self.circuit = BREAKER.failed(self.circuit, BadRequestError("x", status=400), self.now, probe=probe)
        else:
            self.circuit = self.circuit.left(probe=probe)

    @invariant()
    def waits_as_the_model(self) -> None:
        assert self.circuit.interval == (self.waits[-1] if self.waits else 0.0)
        assert self.circuit.in_row == len(self.faults)
        rest = max(self.until, self.hint) - self.now
        assert self.circuit.wait(self.now) == (rest if rest > 0 else math.inf if any(self.under_way) else 0.0)

    @invariant()
    def never_stuck(self) -> None:
        assert self.circuit.left(probe=True).wait(self.now + 3600) == 0.0


AgainstTheRules.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestBreaker = AgainstTheRules.TestCase


def test_the_defaults() -> None:
    """Five in a row or five seconds of silence, then fifteen seconds, at most two minutes."""
    breaker = Breaker()
    assert (breaker.failures, breaker.silence, breaker.interval, breaker.longest) == (5, 5.0, 15.0, 120.0)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"failures": 0}, r"^Breaker\(failures=0\): failures must be a whole number of at least 1$"),
        ({"silence": -0.5}, r"^Breaker\(silence=-0.5\): silence must be a number of seconds of at least 0$"),
        ({"silence": math.inf}, r": silence must"),
        ({"interval": math.nan}, r": interval must"),
        ({"longest": math.inf}, r": longest must be a number"),
        (
            {"interval": 2, "longest": 1},
            r"longest=1\): longest must not be less than interval \(2 seconds\)$",
        ),
    ],
)
def test_what_is_no_breaker_is_refused(wrong: dict[str, Any], told: str) -> None:
    """A breaker of no failures, of no length of time, or with a longest wait below the first is an error."""
    with pytest.raises(ValueError, match=told):
        Breaker(**wrong)


def test_the_smallest_breaker() -> None:
    """One failure, no silence, and no growth are allowed."""
    assert Breaker(failures=1, silence=0.0, interval=0.0, longest=0.0).failures == 1


def test_the_waits() -> None:
    """Each wait is four times the one before, up to the longest."""
    assert [opened(times).interval for times in (1, 2, 3, 4)] == [2.0, 8.0, 16.0, 16.0]


def test_one_failure_is_not_enough_after_silence() -> None:
    """A single failure opens nothing however long ago the last answer was."""
    assert BREAKER.failed(Circuit(since=0.0), FAULT, 100.0, probe=False).state(100.0) == "closed"


def test_two_failures_are_enough_after_silence() -> None:
    """The second opens it when ``silence`` is just over, and not a moment before."""
    one = Circuit(in_row=1, since=0.0)
    assert [BREAKER.failed(one, FAULT, now, probe=False).state(now) for now in (3.75, 4.0)] == ["closed", "open"]


def test_the_edges_of_a_wait() -> None:
    """It is open until its time, half open from then on."""
    circuit = opened()
    assert [circuit.state(now) for now in (1.75, 2.0)] == ["open", "half_open"]
    assert [circuit.wait(now) for now in (1.75, 2.0)] == [0.25, 0.0]


def test_a_late_failure_does_not_lengthen_the_wait() -> None:
    """A call from before it opened tells nothing new."""
    circuit = BREAKER.failed(opened(), FAULT, 1.0, probe=False)
    assert (circuit.until, circuit.interval, circuit.in_row) == (2.0, 2.0, 4)


def test_a_probe_without_a_word_is_tried_again() -> None:
    """A probe that the caller left gives its place to the next call."""
    probe = opened().asked(2.0)
    assert (probe.wait(2.0), probe.left(probe=True).wait(2.0)) == (math.inf, 0.0)


def test_who_is_no_probe_ends_none() -> None:
    """A call from before that is left, is wrong, is limited or fails lets no second call through beside the probe."""
    probe = opened().asked(2.0)
    errors = [BadRequestError("x", status=400), RateLimitError("x", status=429), AuthenticationError("x", status=401)]
    after = [BREAKER.failed(probe, error, 2.0, probe=False) for error in (*errors, FAULT)]
    assert [circuit.wait(2.0) for circuit in (*after, probe.left(probe=False))] == [math.inf] * 5
    assert after[-1].interval == probe.interval


def test_a_wrong_request_ends_a_probe_only() -> None:
    """An error of the caller's neither closes nor lengthens."""
    probe = opened().asked(2.0)
    assert BREAKER.failed(probe, BadRequestError("x", status=400), 2.0, probe=True) == probe.left(probe=True)


def test_what_changes_nothing_gives_the_same() -> None:
    """A call at a closed circuit, and leaving it, keep the very value."""
    circuit = Circuit(since=1.0)
    assert circuit.asked(2.0) is circuit
    assert circuit.left(probe=True) is circuit


@pytest.mark.parametrize("error", [AuthenticationError("x", status=401), QuotaExhaustedError("x", status=429)])
def test_a_refusal_puts_it_last(error: ProviderError) -> None:
    """A key or account that is refused is asked after all others for a minute, and probes no more."""
    circuit = BREAKER.failed(Circuit(probing=True, interval=1.0, in_row=2), error, 10.0, probe=True)
    assert circuit == Circuit(in_row=2, interval=1.0, last_until=70.0, error=error)


def test_a_limit_without_a_hint_puts_it_last() -> None:
    """A rate limit that names no time is asked after all others for five seconds."""
    error = RateLimitError("x", status=429)
    assert BREAKER.failed(Circuit(probing=True), error, 10.0, probe=True) == Circuit(last_until=15.0, error=error)


def test_a_limit_with_a_hint_benches_it() -> None:
    """A rate limit that names a time is not asked before it, and counts as no failure."""
    error = RateLimitError("x", status=429, retry_after=3.0)
    circuit = BREAKER.failed(Circuit(probing=True), error, 10.0, probe=True)
    assert circuit == Circuit(hint_until=13.0, error=error)


@pytest.mark.parametrize(
    ("hint", "until"), [(1.0, 2.0), (9.0, 9.0), (3600.5, 3600.0), (-1.0, 2.0), (0.0, 2.0), (math.nan, 2.0), (0.5, 2.0)]
)
def test_a_hint_is_a_floor(hint: float, until: float) -> None:
    """The longer of the wait and the hint holds; nonsense says nothing, and nobody is benched above an hour."""
    error = OverloadedError("x", status=503)
    error.retry_after = hint
    assert BREAKER.failed(Circuit(in_row=2, since=0.0), error, 0.0, probe=False).wait(0.0) == until


def test_a_hint_outlives_an_opening_and_an_answer() -> None:
    """Neither a shorter wait nor another call's answer lets anybody ask before the host's own time."""
    hinted = Circuit(in_row=2, since=0.0, hint_until=50.0)
    assert BREAKER.failed(hinted, FAULT, 1.0, probe=False).wait(1.0) == 49.0
    assert BREAKER.answered(hinted, 1.0) == Circuit(since=1.0, hint_until=50.0)


def test_an_answer_leaves_the_hint_alone() -> None:
    """After an answer only the time that the host itself named is waited for, not the breaker's longer one."""
    error = ServerError("x", status=500)
    error.retry_after = 1.0
    circuit = BREAKER.failed(Circuit(in_row=2, since=0.0), error, 0.0, probe=False)
    assert BREAKER.answered(circuit, 0.5).wait(0.5) == 0.5


def test_a_hint_is_used_up() -> None:
    """Once it was waited for it holds no more, and a closed circuit needs no probe."""
    circuit = Circuit(hint_until=5.0)
    assert (circuit.wait(5.0), circuit.asked(5.0)) == (0.0, circuit)


def test_silence_is_counted_from_the_last_answer() -> None:
    """Two failures soon after an answer open nothing, however late on the clock."""
    assert BREAKER.failed(Circuit(in_row=1, since=100.0), FAULT, 101.0, probe=False).interval == 0.0


def test_a_short_hint_is_one_and_nothing_is_none() -> None:
    """Half a second is waited for; 0 and less are as if the host had said nothing."""
    errors = [RateLimitError("x", status=429, retry_after=hint) for hint in (-0.5, 0.0, 0.5)]
    assert [BREAKER.failed(CLOSED, error, 0.0, probe=False).wait(0.0) for error in errors] == [0.0, 0.0, 0.5]


def test_nobody_is_last_at_first() -> None:
    """An endpoint of which nothing is known is not put behind the others."""
    assert CLOSED.last_until < 0


@pytest.mark.parametrize(
    ("error", "blame"),
    [
        (ConnectError("x"), "fault"),
        (StreamBrokenError("x"), "fault"),
        (ProtocolError("x"), "fault"),
        (ServerError("x", status=500), "fault"),
        (OverloadedError("x", status=503), "fault"),
        (PhaseTimeoutError("x", phase="first_event"), "fault"),
        (PhaseTimeoutError("x", phase="total"), "none"),
        (HTTPError("x", status=500), "fault"),
        (HTTPError("x", status=501), "fault"),
        (HTTPError("x", status=499), "none"),
        (BadRequestError("x", status=400), "none"),
        (ProviderError("x", phase="plugin"), "fault"),
        (ProviderError("x"), "none"),
        (DownloadError("x"), "none"),
        (ProviderError("x", phase="skipped"), "none"),
        (RateLimitError("x", status=429), "limit"),
        (RateLimitError("x", status=429, phase="skipped"), "none"),
        (ServerError("x", status=500, phase="download"), "none"),
        (QuotaExhaustedError("x", status=429), "refusal"),
        (AuthenticationError("x", status=401), "refusal"),
        (PermissionDeniedError("x", status=403), "refusal"),
        (ModelNotFoundError("x", status=404), "refusal"),
    ],
)
def test_whom_an_error_speaks_against(error: ProviderError, blame: str) -> None:
    """The host for its faults, the rate for its limits, the key or model for refusals, else nobody."""
    assert blame_of(error) == blame


def test_an_open_breaker_is_half_open_from_its_time_on() -> None:
    """Before its time it is open; at it, and ever after, one call may try it."""
    circuit = BREAKER.failed(CLOSED, FAULT, 0.0, probe=False)
    for _ in range(4):
        circuit = BREAKER.failed(circuit, FAULT, 0.0, probe=False)
    states = [circuit.state(at) for at in (0.0, circuit.until - 0.1, circuit.until, circuit.until + 100)]
    assert states == ["open", "open", "half_open", "half_open"]


@pytest.mark.parametrize("hint", [0.0, -0.5, -1.0, None])
def test_a_hint_of_no_time_is_none(hint: float | None) -> None:
    """A 429 that says to wait for nothing puts the endpoint last for five seconds, as one without a word does."""
    limit = RateLimitError("x", status=429, retry_after=hint)
    circuit = BREAKER.failed(CLOSED, limit, 100.0, probe=False)
    assert (circuit.wait(100.0), circuit.last_until) == (0.0, 105.0)


def test_nothing_is_waited_for_before_anything_happened() -> None:
    """A new circuit may be asked at any time of a clock, also below zero."""
    assert (CLOSED.wait(-1000.0), CLOSED.last_until < -1000.0) == (0.0, True)


def test_silence_opens_it_whenever_it_is_noticed() -> None:
    """From two failures on it opens as soon as its last answer is long enough ago, be it the third or the fourth."""
    breaker = Breaker(failures=9, silence=5.0)
    circuit = breaker.answered(CLOSED, 0.0)
    for at in (0.5, 1.0, 1.5):
        circuit = breaker.failed(circuit, FAULT, at, probe=False)
        assert circuit.state(at) == "closed"
    assert breaker.failed(circuit, FAULT, 30.0, probe=False).state(30.0) == "open"
