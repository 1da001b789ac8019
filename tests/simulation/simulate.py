"""Simulate hundreds of thousands of calls on a clock that jumps, and hold the figures to their limits.

``python3 noxfile.py -s simulate`` prints every figure beside its limit and fails where one is broken. A call that broke
a rule is printed with what replays it: ``-- --replay SEED:CALL``.
"""

from __future__ import annotations

import argparse
import logging
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).parent))

import scenarios
from plots import Axis, plot

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from scenarios import Result

REQUESTS = 100_000
SEED = 20_261_124


def all_of(requests: int, seed: int) -> Mapping[str, Callable[[], Result]]:
    """The scenarios by name."""
    return {
        "chaos": lambda: scenarios.Chaos(requests, seed).run(),
        "outage": lambda: scenarios.outage(max(1, requests // 10), seed),
        "rare calls": lambda: scenarios.rare_calls(seed),
        "hedging": lambda: scenarios.hedging(max(1, requests // 10), seed),
        "hedging in outages": lambda: scenarios.hedging_in_outages(seed),
        "recovery": lambda: scenarios.recovery(seed),
    }


def pictures(results: Mapping[str, Result]) -> dict[str, str]:
    """The plots by name."""
    drawn = {}
    if "outage" in results:
        curves = results["outage"].curves["outage"]
        until = max(points[-1][0] for points in curves.values())
        most = max(points[-1][1] for points in curves.values())
        x = Axis("seconds of an outage, ten calls a second", 0, until, [until * part / 4 for part in range(5)])
        y = Axis("requests to one dead host", 0, most, [most * part / 4 for part in range(5)])
        drawn["outage"] = plot("Requests to a dead host", _rounded(x), _rounded(y), curves, stepped=True)
    if "hedging" in results:
        x = Axis("first content after, ms", 0, 2100, [0, 350, 700, 1050, 1400, 1750, 2100])
        y = Axis("share of calls, %", 0, 100, [0, 25, 50, 75, 95, 99])
        drawn["hedging"] = plot("First content", x, y, results["hedging"].curves["hedging"], stepped=False)
    if "recovery" in results:
        x = Axis("seconds; the host is down from 30 on", 0, 900, list(range(0, 901, 100)))
        y = Axis("share of traffic at the first target, %", 0, 100, [0, 25, 50, 75, 100])
        drawn["recovery"] = plot("Recovery", x, y, results["recovery"].curves["recovery"], stepped=True)
    return drawn


def _rounded(axis: Axis) -> Axis:
    return Axis(axis.title, axis.least, axis.most, [round(tick) for tick in axis.ticks])


def replay(seed: int, call: int, requests: int) -> int:
    """Run until one call of the chaos has ended, and show all of it."""
    chaos = scenarios.Chaos(requests, seed, only=call)
    chaos.run()
    print("\n".join(chaos.shown))
    return 1 if any(line.startswith(f"{seed}:{call} ") for line in chaos.wrong) else 0


def seed_and_call(text: str) -> tuple[int, int]:
    """What ``--replay`` is given."""
    seed, _, call = text.partition(":")
    return int(seed), int(call)


def main() -> int:
    """The exit status."""
    parser = argparse.ArgumentParser(description="Simulate calls on a clock that jumps.")
    parser.add_argument("--requests", type=int, default=REQUESTS, help="how many calls the chaos has")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--only", action="append", choices=list(all_of(0, 0)), help="this scenario alone")
    parser.add_argument("--replay", type=seed_and_call, metavar="SEED:CALL", help="show one call of the chaos")
    parser.add_argument("--plots", type=Path, metavar="FOLDER", help="write the plots there")
    given = parser.parse_args()
    logging.getLogger("segue").setLevel(logging.CRITICAL)  # it tells of each breaker that opens
    if given.replay:
        seed, call = given.replay
        if not 0 <= call < given.requests:
            parser.error(f"there is no call {call} among {given.requests}")
        return replay(seed, call, given.requests)
    results: dict[str, Result] = {}
    for name, scenario in all_of(given.requests, given.seed).items():
        if given.only and name not in given.only:
            continue
        started = time.perf_counter()
        result = results[name] = scenario()
        print(f"{name} ({time.perf_counter() - started:.1f} s)", flush=True)
        for figure in result.figures:
            state = "ok" if figure.is_kept else "BROKEN"
            print(f"  {figure.name:<64} {figure.value:>9.4g}  limit {figure.limit:>6g}  {state}")
        for what, value in result.told.items():
            print(f"  {what}: {value}")
        for line in result.wrong[:20]:
            print(f"  {line}\n    replay: --requests {given.requests} --replay {line.partition(' ')[0]}")
        if not result.is_kept:
            print(f"  again: --requests {given.requests} --seed {given.seed} --only '{name}'")
    if given.plots:
        for name, picture in pictures(results).items():
            (given.plots / f"simulation-{name}.svg").write_text(picture)
    return 0 if all(result.is_kept for result in results.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
