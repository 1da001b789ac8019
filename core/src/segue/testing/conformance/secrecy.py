"""Tests of secrets: a canary key is sent to the host in a header, and appears nowhere else."""

from __future__ import annotations

import base64
import io
import logging
import pickle
import traceback
from contextlib import contextmanager, suppress
from dataclasses import field
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote_plus

from ...values import dataclass
from ..faults import Cut, Garbage, Stall, Status
from .bench import CANARY, SOON, Met
from .items import NotApplicableError, holds, item

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ..faults import Step
    from ..loopback import Received
    from .bench import Bench

FORMS: Final = tuple(
    {
        CANARY,
        CANARY[::-1],
        base64.b64encode(CANARY.encode()).decode().rstrip("="),
        CANARY.encode().hex(),
    }
)
"""The key, and its other encodings."""

QUOTED: Final = f"Incorrect API key provided: {CANARY}"
"""The message of some hosts."""


def shows(text: str) -> bool:
    """Whether a text contains the key, in any encoding."""
    return any(form in text for form in FORMS)


@dataclass(slots=True)
class Heard:
    """Everything that became visible during an answer and every fault."""

    logged: str = ""
    printed: bytes = b""
    met: list[tuple[str, Met]] = field(default_factory=list)
    requests: list[Received] = field(default_factory=list)


async def heard(bench: Bench) -> Heard:
    """Request an answer and several faults; done once for all tests of secrets."""
    await bench.answers()
    found: Heard | None = bench.heard
    if found is None:
        found = bench.heard = Heard()
        before = len(bench.printed())
        with _listening() as said:
            await _asked(bench, found)
        found.logged, found.printed = said.getvalue(), bench.printed()[before:]
    return found


async def _asked(bench: Bench, found: Heard) -> None:
    async with bench.stage() as host:
        found.met.append(("an answer", await bench.ask(host)))
        found.requests += () if host is None else host.requests
    if not bench.has_wire:
        return
    # A host can only say again what it was sent.
    quoting = QUOTED.encode() if bench.spec.env else b"Incorrect API key provided"
    steps: dict[str, Step] = {
        "401 that quotes the key": Status(401, code="invalid_api_key", body=quoting),
        "500 that quotes the key": Status(500, body=quoting),
        "redirect": Status(307, headers={"location": "http://127.0.0.1:9/"}),
        "an invalid body that quotes the key": Garbage(quoting),
        "a cut body": Cut(max(len(bench.scene().body) // 2, 1)),
        "silence": Stall("first_event"),
    }
    for name, step in steps.items():
        within = SOON if name == "silence" else 5.0
        async with bench.stage(step) as host:
            assert host is not None
            found.met.append((name, await bench.ask(host, within=within)))
            found.requests += host.requests
        if name == "silence":
            continue
        async with bench.stage(step) as host:
            assert host is not None
            for stream in (True, False):
                found.met.append((f"{name}, through a client", await bench.call(host.url, stream=stream)))
            found.requests += host.requests


@contextmanager
def _listening() -> Iterator[io.StringIO]:
    """Everything that any logger writes, at level DEBUG."""
    said, root = io.StringIO(), logging.getLogger()
    handler, level, disabled = logging.StreamHandler(said), root.level, logging.root.manager.disable
    handler.setFormatter(logging.Formatter("%(name)s %(message)s %(args)r"))
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    logging.disable(logging.NOTSET)
    try:
        yield said
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
        logging.disable(disabled)


def texts_of(thing: object) -> Iterator[str]:
    """Every text that an object returns about itself, and its pickle."""
    yield str(thing)
    yield repr(thing)
    with suppress(Exception):  # what cannot be pickled, for whatever reason, leaks nothing so
        yield pickle.dumps(thing).decode("latin-1")
    if isinstance(thing, BaseException):
        yield from (repr(thing.args), repr(vars(thing)))
        yield "".join(traceback.format_exception(thing))
        for other in (thing.__cause__, thing.__context__):
            if other is not None:
                yield from texts_of(other)


def _shown_in(things: Iterable[tuple[str, object]]) -> list[str]:
    return [f"{type(thing).__name__} after {name}" for name, thing in things if any(map(shows, texts_of(thing)))]


@item("secret request", "wire")
async def secret_request(bench: Bench) -> None:
    """The key is sent in a header: not in the address, which servers log, and not in the body."""
    await bench.asks()
    for received in (await heard(bench)).requests:
        holds(not shows(unquote_plus(received.path)), "the address of a request contains the key")
        holds(not shows(received.body.decode("latin-1")), "the body of a request contains the key")
    if not bench.spec.env:
        raise NotApplicableError("it needs no key")
    for received in (await heard(bench)).requests:
        values = [value for _, value in received.headers]
        arrived = any(shows(value) for value in values) or _in_basic(values)
        holds(arrived, "a request did not contain the key")


def _in_basic(values: Iterable[str]) -> bool:
    """Whether the key is in a header of the basic kind, or signed with."""
    for value in values:
        kind, _, rest = value.partition(" ")
        if kind.lower() == "basic":
            try:
                return CANARY.encode() in base64.b64decode(rest)
            except ValueError:
                continue
        if kind.lower().startswith("aws4"):
            return True
    return False


@item("secret logs")
async def secret_logs(bench: Bench) -> None:
    """No log line contains the key, at level DEBUG, during an answer and its faults."""
    lines = [line for line in (await heard(bench)).logged.splitlines() if shows(line)]
    holds(
        not lines,
        f"{len(lines)} log lines contain the key, the first from {lines[0].partition(' ')[0] if lines else ''!r}",
    )


@item("secret output")
async def secret_output(bench: Bench) -> None:
    """The key is not printed."""
    holds(not shows((await heard(bench)).printed.decode("latin-1")), "the key was printed")


@item("secret errors")
async def secret_errors(bench: Bench) -> None:
    """No text, field, cause, pickle or traceback of an error contains the key."""
    shown = _shown_in((name, met.error) for name, met in (await heard(bench)).met if met.error is not None)
    holds(not shown, "; ".join(shown))


@item("secret events")
async def secret_events(bench: Bench) -> None:
    """No event, no notice, and no text of the provider or its declaration contains the key."""
    found = await heard(bench)
    own = [(name, event) for name, met in found.met if "quotes" not in name for event in met.events]
    things: list[tuple[str, object]] = [*own, ("all answers", bench.provider), ("all answers", bench.spec)]
    things += [("all answers", vars(bench.provider))] if hasattr(bench.provider, "__dict__") else []
    shown = _shown_in(things)
    holds(not shown, "; ".join(shown))


ITEMS: Final = (secret_request, secret_logs, secret_output, secret_errors, secret_events)
