"""``segue conform``: the conformance kit on the command line."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from ..config import load
from ..errors import ConfigError
from ..testing.conformance import all_items, conform, installed_origins, origins_of
from .importing import check_reference
from .progress import PROGRESS, takes_escapes
from .terminal import one_line, output, reserved, say, write_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..provider.contract import Level
    from ..provider.host import Host
    from ..testing.conformance import Origin, Outcome, Report, Result

_LONGEST: Final = 60
_STYLES = {"passed": "green", "failed": "red", "expected": "yellow", "not applicable": "dim"}
_MARKS = {"passed": "ok", "failed": "FAILED", "expected": "expected", "not applicable": "n/a"}


def list_items(patterns: Sequence[str], *, as_json: bool) -> None:
    """Print every test with its level and its promise."""
    chosen = [one for one in all_items() if one.name in set(_chosen(patterns))]
    if as_json:
        write_json([{"item": one.name, "level": one.level, "sentence": one.sentence} for one in chosen])
        return
    width = max(len(one.name) for one in chosen)
    for one in chosen:
        output().write(f"{one.name:<{width}}  {one.level:<4}  {one.sentence}\n")


def _chosen(patterns: Sequence[str]) -> list[str]:
    from ..testing.conformance.trying import names_of

    names = names_of(patterns)
    if not names:
        raise ConfigError(f"no test is named {' or '.join(patterns)}: `segue conform --list` lists the names")
    return names


def try_providers(
    targets: Sequence[str],
    *,
    everything: bool,
    patterns: Sequence[str],
    level: Level | None,
    timeout: float,
    config: str | None,
    as_json: bool,
) -> bool:
    """Test each of the providers, and show the results; True if nothing failed."""
    _chosen(patterns)
    origins: list[Origin] = []
    if everything:
        with reserved(), PROGRESS.during("loading plugins"):
            origins += installed_origins()
        if not origins:
            raise ConfigError("no provider is installed")
    rows = configured_rows(config) if targets else ()
    for target in targets:
        if ":" in target:
            check_reference("conform", target.rpartition("=")[2])
        with reserved(), PROGRESS.during(f"loading {one_line(target)}"):
            origins += origins_of(target, rows)
    reports: list[Report] = []
    drawn = takes_escapes(output())
    for origin in origins:
        if not as_json:
            of = f" of {origin.distribution} {origin.version}" if origin.distribution else ""
            output().write(one_line(f"{origin.name or origin.module}{of}") + "\n")

        seen = Counter[str]()

        def show(result: Result, seen: Counter[str] = seen) -> None:
            if as_json:
                return
            seen[result.reason] += 1
            if result.outcome == "not applicable" and not patterns:
                return  # in one line below
            if result.outcome != "failed" or not result.reason or seen[result.reason] == 1:
                _line(result, drawn=drawn, alone=len(origins) == 1)

        with PROGRESS.during(f"testing {one_line(origin.name or origin.module)}"):
            report = conform(origin, items=patterns, level=level, timeout=timeout, on_result=show)
        reports.append(report)
        if not as_json:
            _fold(report, drawn=drawn, alone=len(origins) == 1 and not patterns)
            output().write(f"  {_summary(report)}\n")
    if as_json:
        write_json({"providers": [report.plain() for report in reports], "passed": not any(r.failed for r in reports)})
    failed = [report.provider for report in reports if report.failed]
    if failed and len(reports) > 1 and not as_json:
        say(f"{len(failed)} of {len(reports)} failed: {', '.join(map(one_line, failed))}")
    return not failed


def configured_rows(config: str | None) -> tuple[Host, ...]:
    """The hosts that the configuration describes as rows."""
    tables = load(True if config is None else config).providers
    return tuple(row for name, table in tables.items() if (row := table.host(name)) is not None)


def _fold(report: Report, *, drawn: bool, alone: bool) -> None:
    """What was not shown item by item: failures of a reason that was shown, and what does not apply."""
    reasons = Counter(result.reason for result in report.failed if result.reason)
    for reason, count in reasons.items():
        if count > 1:
            _say("failed", f"and {count - 1} more for the same reason: {_shortened(reason)}", drawn=drawn)
    count = report.counts["not applicable"]
    if count and alone:
        _say("not applicable", f"{count} tests; `--json` and `--item` show the reasons", drawn=drawn)


def _shortened(reason: str) -> str:
    return reason if len(reason) <= _LONGEST else f"{reason[:_LONGEST]}…"


def _line(result: Result, *, drawn: bool, alone: bool) -> None:
    """A line an item; of several providers those that simply passed have none."""
    if not alone and result.outcome in {"passed", "not applicable"}:
        return
    _say(result.outcome, f"{result.item}: {result.reason}" if result.reason else result.item, drawn=drawn)


def _say(outcome: Outcome, text: str, *, drawn: bool) -> None:
    mark = f"{_MARKS[outcome]:<8}"
    if drawn:
        import click

        style = _STYLES[outcome]
        mark = click.style(mark, dim=True) if style == "dim" else click.style(mark, fg=style)
    out = output()
    out.write(f"  {mark} {one_line(text)}\n")
    out.flush()


def _summary(report: Report) -> str:
    counts = ", ".join(f"{number} {outcome}" for outcome, number in report.counts.items() if number)
    level: str = report.declared or "none, tested for text"
    if report.declared and report.level != report.declared:
        level = f"{report.declared}, tested for {report.level}"
    return f"{counts} in {report.seconds:.1f} s; level {level}"
