"""The simulation in small: each scenario keeps its limits, and one that is broken is seen."""

from __future__ import annotations

import logging
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING

import pytest
import scenarios
import simulate
from scenarios import Chaos

from segue.resilience.resume import Resumption

if TYPE_CHECKING:
    from collections.abc import Iterator

    from segue import AllFailedError, ProviderError

SEED = 7


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Thousands of lines about breakers are nobody's."""
    logger = logging.getLogger("segue")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    yield
    logger.setLevel(level)


def test_no_answer_is_lost_doubled_or_wrong() -> None:
    """In a chaos of faults, cancellations and pauses a call ends in its answer, an error with its text, or is left."""
    result = Chaos(2000, SEED).run()
    assert result.wrong == []
    assert {"answered", "failed", "left"} <= result.told.keys()
    assert int(str(result.told["read with pauses"])) > 130
    assert sum(int(str(result.told[way])) for way in ("way: continue", "way: restart", "way: hedge")) > 20


def test_a_seed_gives_the_same_again() -> None:
    """Two runs of one seed come to the same in every count, and those of another seed do not."""
    assert Chaos(500, SEED).run().told == Chaos(500, SEED).run().told
    assert Chaos(500, SEED).run().told != Chaos(500, SEED + 1).run().told


def test_a_wrong_answer_is_seen_and_replayed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where an answer is gone on with wrongly the chaos says which call, and that call alone can be shown."""
    monkeypatch.setattr(Resumption, "_new", lambda self, text: text + text)
    wrong = Chaos(2000, SEED).run().wrong
    assert wrong
    number = int(wrong[0].partition(" ")[0].partition(":")[2])
    chaos = Chaos(2000, SEED, only=number)
    chaos.run()
    assert any("continue" in line or "hedged" in line for line in chaos.shown)
    assert "wrong" in chaos.shown[-1]


def test_a_replay_tells_whom_a_failed_call_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a call that failed the replay shows each host that was asked, and what came of each attempt."""
    failed: list[tuple[int, int]] = []
    judge = Chaos._failed

    def noted(self: Chaos, error: ProviderError | AllFailedError, heard: str, number: int, way: str) -> str:
        failed.append((number, len(error.attempts)))
        return judge(self, error, heard, number, way)

    monkeypatch.setattr(Chaos, "_failed", noted)
    Chaos(500, SEED).run()
    number, attempts = max(failed, key=lambda one: one[1])
    chaos = Chaos(500, SEED, only=number)
    chaos.run()
    assert attempts > 1
    assert [line for line in chaos.shown if "/m failed" in line or "/m skipped" in line] == list(
        map(str, chaos.attempts)
    )
    assert len(chaos.attempts) == attempts
    asked = sum("was asked" in line for line in chaos.shown)
    assert asked == sum(one.outcome == "failed" for one in chaos.attempts)


def test_a_replay_needs_no_call_that_comes_after() -> None:
    """Calls that begin long after the one that is shown has ended are not made, and it is the same call."""
    early, all_of_them = Chaos(3200, SEED, only=10), Chaos(3200, SEED, only=10)
    all_of_them._count = 3200
    early.run()
    all_of_them.run()
    assert early.shown == all_of_them.shown
    assert sum(early.ended.values()) < sum(all_of_them.ended.values())


def test_a_broken_limit_says_how_to_see_it_again(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where a figure breaks its limit the program fails, and prints the options of the same run."""
    broken = scenarios.Result([scenarios.Figure("calls", 4, 3)])
    monkeypatch.setattr(scenarios, "rare_calls", lambda seed: broken)
    monkeypatch.setattr("sys.argv", ["simulate", "--seed", "3", "--only", "rare calls"])
    assert simulate.main() == 1
    assert "again: --requests 100000 --seed 3 --only 'rare calls'" in capsys.readouterr().out


def test_an_outage_is_not_made_worse() -> None:
    """With every host down each target is asked at most 1.10 times a call, and hardly ever once its breaker is open."""
    result = scenarios.outage(1000, SEED)
    assert [figure for figure in result.figures if not figure.is_kept] == []
    assert len(result.figures) == 3


def test_a_host_that_is_asked_rarely_is_left_alone_too() -> None:
    """With one call in four seconds a dead host costs three calls of a minute."""
    assert scenarios.rare_calls(SEED).is_kept


def test_a_hedge_cuts_off_the_slow_ones() -> None:
    """At a host that is slow one time in twenty hedges bring the 99th percentile below 350 ms for 5 % more calls."""
    result = scenarios.hedging(1500, SEED, seeds=1)
    assert result.is_kept
    assert result.told["p99 without a hedge, ms"] == 2000.0


def test_nothing_is_hedged_in_an_outage() -> None:
    """Where both hosts fail none is asked as a second."""
    assert scenarios.hedging_in_outages(SEED, count=1800).is_kept


def test_a_host_that_is_back_has_its_traffic_again() -> None:
    """After an outage a host is tried by one call at a time, and has its traffic again within two probe intervals."""
    result = scenarios.recovery(SEED, outages=(60.0,))
    assert result.is_kept
    assert len(result.figures) == 3


def test_the_plots_are_pictures() -> None:
    """Each curve of a result is drawn in a picture that stands for itself."""
    results = {"outage": scenarios.outage(200, SEED), "hedging": scenarios.hedging(200, SEED, seeds=1)}
    drawn = simulate.pictures(results)
    assert drawn.keys() == results.keys()
    for picture in drawn.values():
        paths = ET.fromstring(picture).findall('.//{http://www.w3.org/2000/svg}path[@stroke-width="2"]')
        assert len(paths) == 2
