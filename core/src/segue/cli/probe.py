"""``segue probe``: whether the models of the configuration answer now."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from ..client.client import Client
from ..errors import message_of
from ..pricing import rounded
from .progress import PROGRESS
from .terminal import is_terminal, one_line, output, reserved, say, write_json
from .waiting import Waiting, observing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..observation import Attempt

_HEAD = ("model", "outcome", "first content", "total", "cost", "what is wrong")
_STYLES = {"answered": "green", "failed": "red", "skipped": "red"}


def probe(targets: Sequence[str], timeout: float, *, config: str | None, as_json: bool) -> bool:
    """Send a request to each, and show the results; True if all answered."""
    waiting = Waiting()
    observers = (observing(waiting),)

    async def ask() -> tuple[Attempt, ...]:
        with reserved():
            made = Client(config=True if config is None else config, observers=observers)
        async with made as client:
            # The name of a chain stands for its targets.
            named = [client.chain(name) if name in client.chains else name for name in targets]
            return await client.probe(*named, within=timeout)

    output()  # nobody is asked where no answer could be shown
    with PROGRESS.during(waiting):
        told = asyncio.run(ask())
    if as_json:
        write_json([_entry(attempt) for attempt in told])
    elif is_terminal(output()):
        _draw(told)
    else:
        for cells in (_HEAD, *map(_cells, told)):
            output().write("\t".join(cells) + "\n")
    failed = sum(attempt.outcome != "answered" for attempt in told)
    if failed and not as_json:
        say(f"{failed} of {len(told)} did not answer")
    return not failed


def _entry(attempt: Attempt) -> dict[str, Any]:
    error = attempt.error
    return {
        "provider": attempt.provider,
        "model": attempt.model,
        "outcome": attempt.outcome,
        "first_event": attempt.first_event,
        "duration": attempt.duration,
        "cost": rounded(attempt.cost),
        "error": None if error is None else type(error).__name__,
        "phase": None if error is None else error.phase,
        "status": getattr(error, "status", None),  # of an HTTPError alone
        "code": getattr(error, "code", None),
        "message": None if error is None else message_of(error),
        "host_message": None if error is None else error.host_message,
    }


def _cells(attempt: Attempt) -> tuple[str, ...]:
    first = "" if attempt.first_event is None else f"{attempt.first_event * 1000:.0f} ms"
    cost = "" if attempt.cost is None else f"${attempt.cost:.6f}"
    wrong = ""
    if attempt.error is not None:
        where = "" if attempt.error.phase == attempt.outcome else f" at {attempt.error.phase}"
        wrong = one_line(f"{type(attempt.error).__name__}{where}: {message_of(attempt.error)}")
        if attempt.error.host_message:
            wrong = f"{wrong}; the host says: {attempt.error.host_message}"
    name = one_line("/".join(part for part in (attempt.provider, attempt.model) if part))
    return (name, attempt.outcome, first, f"{attempt.duration * 1000:.0f} ms", cost, wrong)


def _draw(told: Sequence[Attempt]) -> None:
    from rich import box  # only here: it is slow to import
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in _HEAD:
        table.add_column(heading, overflow="fold")
    for attempt in told:
        name, outcome, *rest = _cells(attempt)
        # As Text: a name with brackets is no markup.
        table.add_row(Text(name), Text(outcome, style=_STYLES.get(attempt.outcome, "")), *map(Text, rest))
    Console(file=output()).print(table)
