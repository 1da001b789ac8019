"""Tests of the life of a stream: its events, its end, and what remains after it."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import random
import signal
import socket
import sys
import threading
import time
import warnings
from collections.abc import AsyncGenerator
from dataclasses import field
from typing import TYPE_CHECKING, Any, Final

from ...events import is_content
from ...values import dataclass
from ..faults import Cut, Stall, Status
from ..lifecycle import LifecycleError, check
from .bench import PATIENCE, asking, told
from .items import FailureError, NotApplicableError, holds, item

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from ...events import Event
    from ..faults import Split
    from .bench import Bench, SceneHost
    from .items import Item

_AT_ONCE: Final = 2.0
"""Seconds: on a busy machine, even immediate work can take a while."""

_TURNS: Final = 200
"""How many times to wait 5 ms for something to close."""


# ── events ───────────────────────────────────────────────────────────────────────────────────────────


@item("lifecycle")
async def lifecycle(bench: Bench) -> None:
    """The events of an answer are a valid stream: at most one Start, one Finish at the end, and only valid events."""
    await bench.answers()
    async with bench.stage() as host:
        met = await bench.ask(host)
    if met.error is not None:
        raise FailureError(f"the answer failed: {told(met.error)}")
    _judge("", met.events)
    if not bench.has_wire:
        return
    for name in _SCENES:
        with contextlib.suppress(NotApplicableError):
            model = bench.model(name)
            async with bench.host(bench.scene(name)) as host:
                met = await bench.ask(host, model=model)
            _judge(f"{name}: ", met.events, whole=met.error is None)
    async with bench.stage(Cut(len(bench.scene().body) // 2)) as host:
        met = await bench.ask(host)
    _judge("cut: ", met.events, whole=met.error is None)


_SCENES: Final = ("tools", "parallel_tools", "reasoning", "logprobs", "choices", "json_schema")


def _judge(where: str, events: Sequence[Event], *, whole: bool = True) -> None:
    """FailureError if these events are not a valid stream; a failed one need not be ``whole``."""
    try:
        check(events, whole=whole)
    except LifecycleError as error:
        raise FailureError(f"{where}{error}") from error


@item("output")
async def output(bench: Bench) -> None:
    """It prints nothing while it answers or fails."""
    await bench.answers()
    printed = bench.printed
    sys.stdout.flush()
    sys.stderr.flush()
    before = printed()
    async with bench.stage() as host:
        await bench.ask(host)
    if bench.has_wire:
        async with bench.stage(Status(500)) as host:
            await bench.ask(host)
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    shown = printed()[len(before) :]
    holds(not shown, f"it printed {shown[:200].decode(errors='replace')!r}")


@item("request unchanged")
async def request_unchanged(bench: Bench) -> None:
    """It does not change the request and the settings."""
    await bench.answers()
    request = asking(
        options={bench.spec.name: dict(bench.conformance.options)},
        extra_body={"segue_extra": {"deep": [1, 2, 3]}},
        extra_headers={"x-segue-extra": "1"},
        policy={"meaning": "notice", "tuning": "notice"},
    )
    before = request.model_dump_json()
    async with bench.stage() as host:
        await bench.ask(host, request)
    holds(request.model_dump_json() == before, "it changed the request")
    given = bench.given
    assert given is not None
    holds(dict(given.options) == dict(bench.conformance.options), "it changed the options")
    holds(dict(given.headers) == {"x-segue-given": "1"}, "it changed the headers")


# ── cancelling ───────────────────────────────────────────────────────────────────────────────────────


@item("cancellation")
async def cancellation(bench: Bench) -> None:
    """A cancelled answer stops: it does not continue, and does not end like a complete one."""
    await bench.answers()
    await _cancelled_between(bench)
    if bench.has_wire:
        await _cancelled_waiting(bench)


async def _cancelled_between(bench: Bench) -> None:
    """Cancelled where it had given an event."""
    async with bench.stage() as host, bench.events(None if host is None else host.url, asking()) as events:
        if not isinstance(events, AsyncGenerator):
            return
        async for _ in events:
            break
        else:
            return
        try:
            event = await asyncio.wait_for(events.athrow(asyncio.CancelledError()), PATIENCE)
        except (asyncio.CancelledError, StopAsyncIteration) as ended:
            holds(isinstance(ended, asyncio.CancelledError), "it ended like a complete answer when it was cancelled")
            return
        except Exception as error:  # whatever it makes of a cancellation
            raise FailureError(f"it turned a cancellation into {told(error)}") from error
        raise FailureError(f"it continued with {type(event).__name__} when it was cancelled")


async def _cancelled_waiting(bench: Bench) -> None:
    """Cancelled where it waits for its host."""
    for where in ("first_event", "middle"):
        async with bench.stage(Stall(where)) as host:
            assert host is not None
            task = asyncio.create_task(_read(bench, host))
            await bench.backstage.run(host.until_requests())
            await asyncio.sleep(0.02)  # until it waits for what does not come
            task.cancel()
            done, _ = await asyncio.wait([task], timeout=PATIENCE)
            if not done:
                task.cancel()
                raise FailureError("it did not end when it was cancelled")
            if task.cancelled():
                continue
            error = task.exception()
            ended = "ended like a complete answer" if error is None else f"raised {told(error)}"
            raise FailureError(f"it {ended} when it was cancelled")


async def _read(bench: Bench, host: SceneHost) -> None:
    async with bench.events(host.url, asking()) as events:
        async for _ in events:
            pass


# ── closing ──────────────────────────────────────────────────────────────────────────────────────────


@item("close early", "wire")
async def close_early(bench: Bench) -> None:
    """A stream that is closed after the first event, or cancelled in the middle, closes its connection immediately."""
    await bench.asks()
    for how in ("left", "cancelled"):
        async with bench.stage(Stall("middle", after_tokens=3)) as host:
            assert host is not None
            await _leave(bench, host, how)
            try:
                await bench.backstage.run(host.until_closed(), _AT_ONCE)
            except TimeoutError:
                raise FailureError(f"the connection to the host stays open after the stream was {how}") from None


async def _leave(bench: Bench, host: SceneHost, how: str) -> None:
    transport = bench.transport()
    # It stays open until the item is over: to close the connection is what leaving a stream is for.
    bench.later(transport)
    began = asyncio.Event()

    async def read() -> None:
        events = bench.provider.stream(asking(), bench.context(host.url, transport))
        try:
            async for _ in events:
                began.set()
                if how == "left":
                    return
        finally:
            if isinstance(events, AsyncGenerator):
                await events.aclose()

    task = asyncio.create_task(read())
    waiting = asyncio.create_task(began.wait())
    await asyncio.wait([task, waiting], timeout=PATIENCE, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    if not began.is_set():
        task.cancel()
        await asyncio.wait([task], timeout=PATIENCE)
        raise FailureError("no event arrived after the host had sent half of its answer")
    if how == "cancelled":
        task.cancel()
    await asyncio.wait([task], timeout=PATIENCE)


# ── chunks ───────────────────────────────────────────────────────────────────────────────────────────


def _split_item(name: str, what: str, split: Callable[[int], Split], *, pace: float = 0.0) -> Item:
    async def trial(bench: Bench) -> None:
        await bench.asks()
        scenes = [bench.scene()]
        with contextlib.suppress(NotApplicableError):
            bench.model("tools")
            scenes.append(bench.scene("tools"))
        for scene in scenes:
            async with bench.host(scene, _whole_body(scene)) as host:
                plain = await bench.ask(host)
            async with bench.host(scene, _whole_body(scene, split(len(scene.body))), pace=pace) as host:
                met = await bench.ask(host, within=2 * PATIENCE)
            for one in (plain, met):
                if one.error is not None:
                    raise FailureError(f"{scene.name}: {told(one.error)}")
            same = joined(met.events) == joined(plain.events)
            holds(same, f"{scene.name}: the events differ from those of the same bytes in one piece")

    trial.__doc__ = f"The same bytes give the same events if they arrive {what}."
    return item(f"chunks {name}", "wire")(trial)


def _whole_body(scene: Any, split: Split = None) -> Any:
    from ..faults import Body

    return Body(
        scene.body, content_type=scene.content_type, status=scene.status, headers=scene.headers,
        split=len(scene.body) or 1 if split is None else split,
    )  # fmt: skip


def joined(events: Sequence[Event]) -> list[object]:
    """Events with their pieces joined: plain text may be cut at any byte."""
    from dataclasses import replace

    from ...events import TextDelta

    told_so_far: list[object] = []
    for event in events:
        last = told_so_far[-1] if told_so_far else None
        if isinstance(event, TextDelta) and isinstance(last, TextDelta) and event.choice == last.choice:
            told_so_far[-1] = replace(last, text=last.text + event.text)
        else:
            told_so_far.append(event)
    return told_so_far


def _at_random(size: int) -> list[int]:
    dice = random.Random(size)  # noqa: S311 - the same cuts each time
    return sorted(dice.sample(range(1, size), min(size - 1, 40))) if size > 1 else []


CHUNKS: Final = (
    _split_item("bytes", "byte by byte", lambda _: 1),
    _split_item("sevens", "in pieces of seven bytes", lambda _: 7),
    _split_item("random", "cut at random", _at_random),
    _split_item("halves", "in two halves", lambda size: [size // 2], pace=0.05),
)


# ── what is left behind ──────────────────────────────────────────────────────────────────────────────


@dataclass(slots=True)
class Left:
    """What exists after all rounds and did not exist before."""

    tasks: list[str] = field(default_factory=list)
    timers: list[str] = field(default_factory=list)
    threads: list[str] = field(default_factory=list)
    descriptors: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    slow: list[str] = field(default_factory=list)


def left(bench: Bench) -> Left:
    """What remains after complete, failed, closed and cancelled answers; measured once."""
    return bench.kept("left", lambda: _left(bench))


def _left(bench: Bench) -> Left:
    _ = bench.backstage  # whose thread is no leak
    with asyncio.Runner() as runner:
        runner.run(bench.answers())  # and what is loaded on first use is there
        runner.run(_rounds(bench))
    found = Left()
    threads, before = set(threading.enumerate()), _descriptors()
    state = _state()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        hook, sys.unraisablehook = (
            sys.unraisablehook,
            lambda raised: found.warnings.append(told(raised.exc_value or ResourceWarning(str(raised.err_msg)))),
        )
        try:
            with asyncio.Runner() as runner:
                runner.get_loop().set_exception_handler(lambda _, context: found.warnings.append(_complaint(context)))
                runner.run(_looked_after(bench, found))
            gc.collect()
        finally:
            sys.unraisablehook = hook
    found.warnings += [f"{one.category.__name__}: {one.message}"[:200] for one in caught if _counts(one)]
    found.changed += [f"{name}: {what}" for name, what in _changes(state, _state())]
    for _ in range(_TURNS):  # what the hosts' thread is just about to close is not the provider's
        found.threads = [thread.name for thread in set(threading.enumerate()) - threads if thread.is_alive()]
        found.descriptors = [
            f"{number} → {what}" for number, what in _descriptors().items() if before.get(number) != what
        ]
        if not found.threads and not found.descriptors:
            break
        time.sleep(0.005)
    return found


def _counts(one: warnings.WarningMessage) -> bool:
    return issubclass(one.category, (ResourceWarning, RuntimeWarning))


def _complaint(context: dict[str, Any]) -> str:
    error = context.get("exception")
    return str(context.get("message")) + ("" if error is None else f" ({told(error)})")


async def _looked_after(bench: Bench, found: Left) -> None:
    loop: Any = asyncio.get_running_loop()
    before = asyncio.all_tasks()
    await _rounds(bench)
    gc.collect()
    remaining, timers = set[Any](), list[Any]()
    for _ in range(_TURNS):
        remaining = asyncio.all_tasks() - before
        timers = [handle for handle in loop._scheduled if not handle.cancelled() and _is_own(handle)]  # noqa: SLF001 - nothing public tells
        if not remaining and not timers:
            break
        await asyncio.sleep(0.005)
    found.tasks += [_short(task.get_coro()) for task in remaining]
    found.timers += [repr(handle)[:200] for handle in timers]
    await bench.close()


def _short(coroutine: object) -> str:
    return str(getattr(coroutine, "__qualname__", coroutine))


def _is_own(handle: Any) -> bool:
    """Whether a timer is neither that of the sleep in which it is looked at nor the one clock that a loop has here."""
    return not any(name in repr(handle._callback) for name in ("_set_result_unless_cancelled", "_Clock._tick"))  # noqa: SLF001 - nothing public tells


async def _rounds(bench: Bench) -> None:
    """An answer read whole, one left early, one cancelled, and one that fails."""
    async with bench.stage() as host:
        await bench.ask(host)
    async with bench.stage() as host, bench.events(None if host is None else host.url, asking()) as events:
        await _some(events)
    async with bench.stage() as host:
        task = asyncio.create_task(bench.ask(host))
        await asyncio.sleep(0.01)  # somewhere in the middle of it
        task.cancel()
        await asyncio.wait([task], timeout=PATIENCE)
    if bench.has_wire:
        async with bench.stage(Status(500)) as host:
            await bench.ask(host)
        async with bench.stage(Stall("middle")) as host:
            assert host is not None
            with contextlib.suppress(FailureError):
                await _leave(bench, host, "left")
            await bench.close()


async def _some(events: AsyncIterator[Event]) -> None:
    async for event in events:
        if is_content(event):
            return


def _descriptors() -> dict[int, str]:
    """Those that are open, and to what."""
    found = {}
    folder = "/proc/self/fd" if os.path.isdir("/proc/self/fd") else "/dev/fd"  # noqa: PTH112 - numbers, no paths
    for name in os.listdir(folder):  # noqa: PTH208 - as above
        with contextlib.suppress(OSError, ValueError):
            found[int(name)] = os.readlink(f"{folder}/{name}")  # noqa: PTH115 - as above
    return found


def _state() -> dict[str, object]:
    """What of the process a provider has no business with."""
    root = logging.getLogger()
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    return {
        "the environment": dict(os.environ),
        "the working directory": os.getcwd(),  # noqa: PTH109 - compared only
        "the root logger": (root.level, list(root.handlers), logging.root.manager.disable),
        "the handlers of signals": handlers,
        "sys.path": list(sys.path),
        "stdout or stderr": (sys.stdout, sys.stderr),
        "the default timeout of sockets": socket.getdefaulttimeout(),
        "the recursion limit": sys.getrecursionlimit(),
        "sys.excepthook": sys.excepthook,
    }


def _changes(before: dict[str, object], after: dict[str, object]) -> list[tuple[str, str]]:
    return [(name, _change(before[name], after[name])) for name in before if before[name] != after[name]]


def _change(before: object, after: object) -> str:
    if isinstance(before, dict) and isinstance(after, dict):
        return ", ".join(sorted(str(key) for key in before.keys() | after.keys() if before.get(key) != after.get(key)))
    return "it was replaced"


def _leak(name: str, sentence: str, what: Callable[[Left], list[str]]) -> Item:
    def trial(bench: Bench) -> None:
        lines = what(left(bench))
        holds(not lines, "; ".join(dict.fromkeys(lines))[:300])

    trial.__doc__ = sentence
    return item(name)(trial)


LEAKS: Final = (
    _leak(
        "leak tasks",
        "No task remains after an answer, whether it is complete, closed early, cancelled or failed.",
        lambda one: one.tasks,
    ),
    _leak("leak timers", "No timer remains after an answer.", lambda one: one.timers),
    _leak("leak threads", "No thread remains after an answer.", lambda one: one.threads),
    _leak("leak descriptors", "No socket or other file descriptor stays open.", lambda one: one.descriptors),
    _leak(
        "leak warnings", "No warning reports an object that was not closed or not awaited.", lambda one: one.warnings
    ),
    _leak(
        "process unchanged",
        "It does not change the environment, the working directory, logging, signals and other state of the process.",
        lambda one: one.changed,
    ),
)


# ── the loop ─────────────────────────────────────────────────────────────────────────────────────────

_SLOW: Final = 0.1


@item("loop")
def loop(bench: Bench) -> None:
    """No step of an answer blocks the loop for 0.1 s or more; of three answers the best counts."""
    with asyncio.Runner() as runner:
        runner.run(bench.answers())
    slow: list[str] = []
    for _ in range(3):
        slow = _slow(bench)
        if not slow:
            return
    raise FailureError("; ".join(slow)[:300])


def _slow(bench: Bench) -> list[str]:
    lines: list[str] = []

    class Slow(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if str(record.msg).startswith("Executing"):
                lines.append(_without_addresses(record.getMessage()))

    logger, handler = logging.getLogger("asyncio"), Slow(logging.WARNING)
    level, logger.level = logger.level, logging.WARNING
    logger.addHandler(handler)
    try:
        with asyncio.Runner(debug=True) as runner:
            runner.get_loop().slow_callback_duration = _SLOW

            async def once() -> None:
                async with bench.stage() as host:
                    await bench.ask(host, within=2 * PATIENCE)

            runner.run(once())
    finally:
        logger.removeHandler(handler)
        logger.level = level
    return lines


def _without_addresses(line: str) -> str:
    found = line.rpartition(" took ")[2]
    return f"a step took {found}" if found else line


ITEMS: Final = (lifecycle, output, request_unchanged, cancellation, loop, *LEAKS)
NETWORK: Final = (close_early, *CHUNKS)
