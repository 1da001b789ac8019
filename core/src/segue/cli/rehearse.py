"""``segue rehearse``: play a configured chain against simulated hosts that fail."""

from __future__ import annotations

import random
from dataclasses import asdict
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from ..chain.targets import Chain
from ..rehearsal import FAULTS, Script, read_script, rehearse
from ..rehearsal.script import ANSWERS, with_faults
from ..rehearsal.telling import of_call, of_lane
from ..values import dataclass
from .terminal import json_line, one_line, output, reserved

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console
    from rich.text import Text

    from ..rehearsal import Call, Lane, Rehearsal
    from ..rehearsal.record import Turn

_MARKS: Final = {"answered": "✔", "failed": "✗", "lost": "◦", "abandoned": "◦", "skipped": "⊘"}
_STYLES: Final = {
    "answered": "green", "failed": "red", "lost": "yellow", "abandoned": "yellow", "skipped": "dim",
}  # fmt: skip
_NAME: Final = 34


@dataclass(frozen=True, slots=True)
class Play:
    """The rehearsal that the command line describes."""

    chain: str | None
    models: tuple[str, ...]
    faults: tuple[str, ...]
    script: str | None
    prompt: str
    calls: int
    every: float
    whole: bool
    svg: str | None
    seed: int | None


def list_steps() -> None:
    """Print every step that a simulated host can do."""
    for name, title in ANSWERS.items():
        click.echo(f"{name:<10}{title}", file=output())
    for name, fault in FAULTS.items():
        click.echo(f"{name:<10}{fault.title}", file=output())


def play(given: Play, *, config: str | None, as_json: bool) -> bool:
    """Play it and show what happened; True if every caller got a whole answer."""
    script = Script() if given.script is None else read_script(Path(given.script))
    script = with_faults(script, _steps_of(given.faults))
    if given.seed is not None:
        random.seed(given.seed)  # what the waits of a retry and a balance by weight are drawn from
    chain = given.chain if given.chain is not None else Chain(*given.models)
    options = {} if config is None else {"config": config}
    with reserved():
        rehearsal = rehearse(
            chain, script, prompt=given.prompt, calls=given.calls, every=given.every, stream=not given.whole, **options
        )
    if given.svg is not None:
        from ..rehearsal.picture import svg

        Path(given.svg).write_text(svg(rehearsal), encoding="utf-8")
    if as_json:
        click.echo(json_line(asdict(rehearsal), indent=2), file=output())
    else:
        _show(rehearsal)
    return rehearsal.is_whole


def _steps_of(faults: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Each target's steps: ``openai/gpt-5.4=F43,ok``."""
    steps: dict[str, tuple[str, ...]] = {}
    for said in faults:
        target, separator, names = said.rpartition("=")
        if not separator or not target or not names:
            raise click.UsageError(f"--fault must be TARGET=STEP[,STEP …], not {one_line(said)!r}")
        steps[target] = tuple(names.split(","))
    return steps


# ── shown with rich ──────────────────────────────────────────────────────────────────────────────────


def _show(rehearsal: Rehearsal) -> None:
    from rich.console import Console  # only here: it is slow to import
    from rich.text import Text

    console = Console(file=output(), highlight=False)
    wide = max(20, console.width - _NAME - 4)
    for call in rehearsal.calls:
        console.print(Text(f"call {call.number}, {call.started:.2f} s", style="bold"))
        turns = sorted(call.turns, key=attrgetter("at"))
        for lane in call.lanes:
            line = Text(f"  {_cut(f'{lane.provider}/{lane.model}'):<{_NAME}}")
            console.print(line.append_text(_bar(call, lane, wide)), no_wrap=True, crop=False)
            # In the order of time: what happened before a lane's end is told before it.
            while turns and turns[0].at < lane.ended:
                _show_turn(console, call, turns.pop(0))
            console.print(Text(f"    {one_line(of_lane(lane))}", style=_STYLES[lane.outcome]), soft_wrap=True)
        for turn in turns:
            _show_turn(console, call, turn)
        style = "bold green" if call.whole else "bold red"
        console.print(Text(f"  the caller: {one_line(of_call(call))}", style=style), soft_wrap=True)
        console.print()


def _show_turn(console: Console, call: Call, turn: Turn) -> None:
    from rich.text import Text

    about = f": {one_line(turn.about)}" if turn.about else ""
    console.print(Text(f"  {turn.at - call.started:8.2f} s  {turn.what}{about}", style="dim"), soft_wrap=True)


def _bar(call: Call, lane: Lane, wide: int) -> Text:
    """Dots while it is waited for, a line while it speaks, and a mark at its end."""
    from rich.text import Text

    span = max(call.ended - call.started, 1e-9)

    def along(at: float) -> int:
        return min(wide - 1, round((at - call.started) / span * (wide - 1)))

    start, end = along(lane.started), along(lane.ended)
    first = end if lane.first is None else along(lane.first)
    bar = Text(" " * start)
    bar.append("·" * (first - start), style="dim")
    bar.append("━" * (end - first), style="cyan")
    return bar.append(_MARKS[lane.outcome], style=_STYLES[lane.outcome])


def _cut(name: str) -> str:
    shown = one_line(name)
    return shown if len(shown) < _NAME else f"{shown[: _NAME - 2]}…"
