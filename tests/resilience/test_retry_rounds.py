"""The rounds of asking again: who is due when, on a clock that is an argument."""

from __future__ import annotations

import math
from typing import Any

import pytest

from segue.errors import BadRequestError, ConnectError, PhaseTimeoutError, RateLimitError
from segue.resilience import NO_RETRY, Retry, Round, Rounds

FAULT = ConnectError("x")


def rounds(retry: Retry, fraction: float = 0.5) -> Rounds:
    return Rounds(retry, lambda: fraction)


def limited(hint: float) -> RateLimitError:
    return RateLimitError("x", status=429, retry_after=hint)


def test_the_defaults() -> None:
    """Twice, from half a second on, up to thirty; NO_RETRY is never."""
    assert (Retry().count, Retry().base, Retry().cap, NO_RETRY.count) == (2, 0.5, 30.0, 0)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"count": -1}, r"^Retry\(count=-1\): count must be a whole number of at least 0$"),
        ({"base": -0.5}, r"^Retry\(base=-0.5\): base must be a number of seconds of at least 0$"),
        ({"base": math.inf}, ": base must"),
        ({"cap": math.nan}, ": cap must be a number of seconds of at least 0$"),
    ],
)
def test_what_is_no_retry_is_refused(wrong: dict[str, Any], told: str) -> None:
    """A wrong field is named where it is written."""
    with pytest.raises(ValueError, match=told):
        Retry(**wrong)


def test_nothing_is_a_retry_too() -> None:
    """No retry, no wait and no cap are allowed."""
    assert Retry(count=0, base=0.0, cap=0.0).longest(0) == 0.0


def test_waits_double() -> None:
    """The longest wait doubles from the base up to the cap, and does not overflow."""
    retry = Retry(count=9_999, base=0.5, cap=1e30)
    assert [retry.longest(number) for number in (0, 1, 2, 64, 65, 9_999)] == [0.5, 1.0, 2.0, *[0.5 * 2.0**64] * 3]
    assert Retry().longest(6) == 30.0


@pytest.mark.parametrize(
    ("error", "helps"),
    [
        (FAULT, True),
        (limited(30.0), True),
        (limited(30.5), False),
        (PhaseTimeoutError("x", phase="connect"), False),
        (BadRequestError("x", status=400), False),
    ],
)
def test_whom_another_try_helps(error: Any, helps: bool) -> None:
    """What may pass within the cap is tried again; a limit waited out and a wrong request are not."""
    assert Retry().helps(error) is helps


def test_nobody_failed() -> None:
    """Without a failure there is no round."""
    assert rounds(Retry()).next(0.0) is None


def test_those_without_a_hint_share_a_draw() -> None:
    """They come together, in the user's order, after the fraction drawn of the longest wait."""
    tries = rounds(Retry(base=4.0))
    tries.failed(1, FAULT, 1.0)
    tries.failed(0, FAULT, 2.0)
    assert tries.next(3.0) == Round(5.0, (0, 1))
    assert tries.next(5.0) is None


def test_the_count_is_per_candidate() -> None:
    """Each is asked again so often, with growing waits, and then no more."""
    tries = rounds(Retry(count=2, base=4.0))
    waits = []
    for _ in range(3):
        tries.failed(0, FAULT, 10.0)
        waits.append(tries.next(10.0))
    tries.failed(1, FAULT, 10.0)
    assert waits == [Round(12.0, (0,)), Round(14.0, (0,)), None]
    assert tries.next(10.0) == Round(12.0, (1,))


def test_a_hint_is_kept_with_jitter() -> None:
    """Who named a time comes when it is over and up to ``base`` more, which the others do not wait for."""
    tries = rounds(Retry(base=4.0))
    tries.failed(0, limited(8.0), 1.0)
    tries.failed(1, FAULT, 1.0)
    assert tries.next(1.0) == Round(3.0, (1,))
    assert tries.next(3.0) == Round(11.0, (0,))


@pytest.mark.parametrize(("hint", "at"), [(-3.0, 3.0), (0.0, 3.0), (0.5, 3.5)])
def test_a_hint_of_the_past_is_none(hint: float, at: float) -> None:
    """A time below 0 is as 0."""
    tries = rounds(Retry(base=4.0))
    tries.failed(0, limited(hint), 1.0)
    assert tries.next(1.0) == Round(at, (0,))


def test_who_is_due_already_comes_now() -> None:
    """A time that passed meanwhile is no time to go back to, and all who are due by then come together."""
    tries = rounds(Retry(base=0.0))
    tries.failed(1, limited(1.0), 0.0)
    tries.failed(0, limited(2.0), 0.0)
    assert tries.next(2.0) == Round(2.0, (0, 1))


def test_nothing_is_drawn_for_nobody() -> None:
    """A round of those who named their times draws no number."""
    drawn: list[int] = []

    def draw() -> float:
        drawn.append(1)
        return 0.0

    tries = Rounds(Retry(), draw)
    tries.failed(0, limited(1.0), 0.0)
    tries.next(0.0)
    assert len(drawn) == 1
