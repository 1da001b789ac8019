"""The child process of the kit: it runs the tests one by one, and reports each result.

It writes a line of JSON to the original stdout when a test starts and when it ends; output of a provider goes
elsewhere. So the parent process knows which test hung, or ended the process.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
import traceback
from json import dumps  # by itself: a plugin may replace what the module has under the name
from os import _exit, getpid  # as dumps
from typing import TYPE_CHECKING, Any, Final

from ...plugins import loaded
from ...provider.contract import Conformance
from .bench import Bench, Guard, told
from .catalogue import all_items
from .importing import imported
from .items import LEVELS, FailureError, Item, NotApplicableError, UntriedError, reaches
from .origin import Origin

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import TextIO

    from ...provider.contract import Level, ProviderSpec
    from .report import Outcome

ITEM_WITHIN: Final = 20.0
"""Seconds after which a test that waits for something is stopped."""


def main(task: Mapping[str, Any]) -> None:
    """Run each test of the task on its provider, and end the process even if something still runs."""
    channel, process = os.fdopen(os.dup(1), "w", encoding="utf-8"), getpid()
    nowhere = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nowhere, 0)
    with tempfile.TemporaryFile() as printed:
        os.dup2(printed.fileno(), 1)
        os.dup2(printed.fileno(), 2)
        guard = Guard()
        guard.install()
        try:
            bench = _bench(task, guard, printed.fileno())
        except BaseException as error:  # a plugin's import may raise anything
            _say(channel, {"broken": _cause(error)})
            _exit(0)
        if getpid() != process:
            _exit(0)  # it forked while it was imported: this is its other half
        _say(channel, {"ready": True, **_head(bench.spec)})
        named = set(task["items"])
        for one in all_items():
            if one.name in named:
                _say(channel, {"begun": one.name})
                began = time.perf_counter()
                outcome, reason = tried(one, bench)
                seconds = time.perf_counter() - began
                _say(channel, {"done": one.name, "outcome": outcome, "reason": reason, "seconds": seconds})
        _say(channel, {"end": True})
    _exit(0)  # whatever threads and tasks are left


def _say(channel: TextIO, value: object) -> None:
    channel.write(dumps(value) + "\n")
    channel.flush()


def _cause(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:300]


def _head(spec: ProviderSpec) -> dict[str, Any]:
    conformance = spec.conformance or Conformance()
    expected = conformance.expected_failures
    return {
        "name": spec.name,
        "declared": None if spec.conformance is None else str(conformance.level),
        "expected": {str(name): str(reason) for name, reason in dict(expected).items()},
    }


def _bench(task: Mapping[str, Any], guard: Guard, printed: int) -> Bench:
    origin = Origin.of_plain(task["origin"])
    spec = origin.spec()
    claimed = (spec.conformance or Conformance()).level
    level: Level = task["level"] or (claimed if claimed in LEVELS else "text")
    bench = Bench(
        spec,
        level=level,
        guard=guard,
        load=lambda: loaded(spec),
        imported=lambda: imported(origin),
        printed=lambda: os.pread(printed, 1_000_000, 0),
    )
    _ = bench.provider
    return bench


def tried(one: Item, bench: Bench) -> tuple[Outcome, str]:
    """The outcome of a test, and the reason."""
    try:
        result = one.trial(bench)
        if result is not None:
            asyncio.run(_within(result, bench))
    except UntriedError as why:
        needed = reaches(bench.level, one.level)
        return ("failed" if needed else "not applicable"), f"{why}"
    except NotApplicableError as why:
        return "not applicable", str(why)
    except FailureError as why:
        return "failed", str(why)
    except BaseException as error:  # whatever a provider's code raises where nobody looked for it
        return "failed", f"{told(error)}{_place(error)}"
    return "passed", ""


async def _within(trial: Any, bench: Bench) -> None:
    try:
        async with asyncio.timeout(ITEM_WITHIN):
            await trial
    finally:
        await bench.close()


def _place(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    if not frames:
        return ""
    last = frames[-1]
    return f" (at {last.filename.rpartition('/')[2]}:{last.lineno} in {last.name})"


def names_of(patterns: Sequence[str]) -> list[str]:
    """The names of the tests that match one of these patterns; all without patterns."""
    from fnmatch import fnmatchcase  # only where patterns are given

    names = [one.name for one in all_items()]
    if not patterns:
        return names
    return [name for name in names if any(fnmatchcase(name, pattern) for pattern in patterns)]
