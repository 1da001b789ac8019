"""The simulated hosts, and the client that calls them instead of real hosts."""

from __future__ import annotations

import asyncio
import json
import logging
import re
from dataclasses import field, replace
from typing import TYPE_CHECKING, Any, Final

from ..chain.attempt import Run
from ..client.client import Client
from ..errors import (
    AllFailedError,
    ConfigError,
    HTTPError,
    PhaseTimeoutError,
    ProviderError,
    SegueError,
)
from ..events import Finish, Handover, Notice, Start, TextDelta, Usage
from ..observation import Observer
from ..resilience import Endpoint
from ..testing.clock import run_virtually
from ..transport import raise_for_status
from ..values import dataclass
from .record import Call, Lane, Rehearsal, Turn
from .script import FAULTS, Part, Script

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Mapping

    from ..chain.attempt import Ready
    from ..chain.targets import Chain
    from ..events import Event
    from ..messages import Request
    from ..observation import Attempt, AttemptStart, CircuitChange
    from ..selection import Candidate, Offer
    from ..transport import Timeout
    from .script import Step

LONGEST: Final = 86_400.0
"""A call that waits without a limit is stopped after this many seconds of the simulated clock."""

_CHARACTERS_A_TOKEN: Final = 4


def rehearse(
    chain: Chain | str,
    script: Script,
    *,
    prompt: str = "Hello",
    calls: int = 1,
    every: float = 1.0,
    stream: bool = True,
    **options: Any,
) -> Rehearsal:
    """Play a chain ``calls`` times, with ``every`` seconds between two calls; ``options`` are those of a `Client`.

    The clock is simulated, so that a minute of silence takes no time. ConfigError if the script has a part for a
    target that the chain does not have, NoCandidateError if the chain has no candidate.
    """
    logger = logging.getLogger("segue")
    level = logger.level
    logger.setLevel(logging.CRITICAL)  # what the log would tell stands in the record
    try:
        return run_virtually(_rehearse(chain, script, prompt, calls, every, stream=stream, options=options))
    finally:
        logger.setLevel(level)


async def _rehearse(
    chain: Chain | str,
    script: Script,
    prompt: str,
    calls: int,
    every: float,
    *,
    stream: bool,
    options: Mapping[str, Any],
) -> Rehearsal:
    watching = _Watching()
    loop = asyncio.get_running_loop()
    played: list[Call] = []
    async with Stage(script, observers=[watching], **options) as stage:
        chosen = stage.chain(chain) if isinstance(chain, str) else chain
        _check_parts(script, stage, chosen)
        for number in range(1, calls + 1):
            await asyncio.sleep(max(0.0, (number - 1) * every - loop.time()))
            played.append(await _call(stage, chain, prompt, number, watching, stream=stream))
    return Rehearsal(chain if isinstance(chain, str) else " → ".join(map(str, chain.targets)), tuple(played))


def _check_parts(script: Script, stage: Stage, chain: Chain) -> None:
    """ConfigError for a script of an unknown target, which would have no effect."""
    lineup = chain.lineup(resolve=stage.resolve, run=Run()).checked()
    there = {f"{one.provider}/{one.model}" for one in lineup.ready}
    for name in script.targets:
        if not any(target == name or target.partition("/")[0] == name for target in there):
            raise ConfigError(f"the chain has no target {name!r}; expected one of {', '.join(sorted(there))}")


# ── stand-ins ────────────────────────────────────────────────────────────────────────────────────────


@dataclass
class _Answer:
    """An answer of HTTP with nothing but what an error is read from."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    delimited: bool = True

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """The body."""
        yield self.body


@dataclass
class StandIn:
    """A simulated host that plays one target: it returns the rest of the answer, and fails where its part says so."""

    part: Part
    text: str
    connect: float | None
    echoes: bool = False
    requests: int = 0

    def stream(self, request: Request, deadline: float | None) -> AsyncIterator[Event]:
        """Play the next step of its part."""
        del deadline
        step = self.part.step(self.requests)
        self.requests += 1
        return self._play(step, request)

    async def _play(self, step: Step, request: Request) -> AsyncGenerator[Event, None]:
        fault = FAULTS.get(step.does)
        at = None if fault is None else fault.at
        if at == "connect":
            await self._fail(step, after=0.01)
        wait = self.part.first * (10 if step.does == "slow" else 1)
        await asyncio.sleep(wait / 2)
        if at == "headers":
            await self._fail(step)
        yield Start("stand-in")
        await asyncio.sleep(wait / 2)
        if at == "first_event":
            await self._fail(step)
        words = self._words(request)
        if step.does in {"empty", "truncated", "filtered"}:
            words = words[: 0 if step.does == "empty" else len(words) // 2]
        for place, word in enumerate(words):
            if at == "middle" and place == min(step.after, len(words) - 1):
                await self._fail(step)
            yield TextDelta(word)
            await asyncio.sleep(self.part.gap)
        if at in {"middle", "end"}:
            await self._fail(step)
        asked = sum(len(message.content) for message in request.messages if isinstance(message.content, str))
        yield Usage(input_tokens=-(-asked // _CHARACTERS_A_TOKEN), output_tokens=len(words))
        match step.does:
            case "truncated":
                yield Finish("length")
            case "filtered":
                yield Finish("content_filter")
            case _:
                yield Finish("stop")

    def _words(self, request: Request) -> list[str]:
        """What is left to say, word by word."""
        last = request.messages[-1]
        said = last.content if last.role == "assistant" and isinstance(last.content, str) else ""
        rest = self.text if self.echoes else self.text.removeprefix(said)
        return re.findall(r"\s*\S+\s*?(?=\s|$)|\s+", rest)

    async def _fail(self, step: Step, *, after: float = 0.0) -> None:
        """Go wrong, or say nothing for as long as anybody waits."""
        fault = FAULTS[step.does]
        await asyncio.sleep(after)
        if fault.status is not None:
            told = {"error": {"message": fault.title, **fault.fields}}
            await raise_for_status(_Answer(fault.status, fault.headers, json.dumps(told).encode()))
        if fault.error is not None:
            raise fault.error()
        if fault.at == "connect" and self.connect is not None:
            await asyncio.sleep(self.connect - after)
            raise PhaseTimeoutError(f"no connection for {self.connect:g} s (connect timeout)", phase="connect")
        await asyncio.get_running_loop().create_future()


class Stage(Client):
    """A client whose candidates are all simulated hosts: it reads no key, and opens no connection."""

    def __init__(self, script: Script, **options: Any) -> None:
        super().__init__(**options)
        self._script = script
        self._stand_ins: dict[str, StandIn] = {}

    def _key(self, name: str) -> None:  # noqa: ARG002 - as the one that it stands for
        return None

    def _offer(self, name: str, model: Any) -> Offer:
        return replace(super()._offer(name, model), obstacle=None, consent=True)

    def _ready(self, candidate: Candidate, *further: Any, **named: Any) -> Ready:
        ready = super()._ready(candidate, *further, **named)
        name = f"{candidate.provider}/{candidate.model}"
        stand_in = self._stand_ins.get(name)
        if stand_in is None:
            parts = self._script.targets
            part = parts.get(name) or parts.get(candidate.provider) or Part()
            echoes = candidate.capabilities.fact("prefill").value == "echoes"
            stand_in = self._stand_ins[name] = StandIn(part, self._script.text, self._limit_of_connect, echoes)
        here = Endpoint(candidate.provider, "", "", candidate.model)
        return replace(ready, stream=stand_in.stream, endpoint_now=lambda: here)

    @property
    def _limit_of_connect(self) -> float | None:
        limits: Timeout = self._timeout
        return limits.connect


# ── what is seen ─────────────────────────────────────────────────────────────────────────────────────


@dataclass
class _Watching(Observer):
    """Notes when what happened."""

    started: dict[int, float] = field(default_factory=dict)
    lanes: list[Lane] = field(default_factory=list)
    turns: list[Turn] = field(default_factory=list)

    def attempt_started(self, start: AttemptStart, /) -> None:
        """Note when."""
        self.started[start.number] = _now()

    def attempt_ended(self, attempt: Attempt, /) -> None:
        """Note what it came to."""
        now = _now()
        began = self.started.pop(attempt.number, now)
        error, usage = attempt.error, attempt.usage
        self.lanes.append(
            Lane(
                attempt.provider, attempt.model, attempt.outcome, attempt.way, began,
                None if attempt.first_event is None else began + attempt.first_event, now,
                None if error is None else type(error).__name__,
                None if error is None else error.phase,
                "" if error is None else str(error.args[0]),
                None if usage is None else usage.input_tokens,
                None if usage is None else usage.output_tokens,
                attempt.cost,
            )
        )  # fmt: skip

    def circuit_changed(self, change: CircuitChange, /) -> None:
        """Note it."""
        wait = f" for {change.wait:g} s" if change.wait else ""
        self.turns.append(Turn(_now(), "breaker", f"{change.provider}/{change.model}: {change.after}{wait}"))


async def _call(
    stage: Stage, chain: Chain | str, prompt: str, number: int, watching: _Watching, *, stream: bool
) -> Call:
    """One call, and what its caller saw."""
    watching.lanes, watching.turns, watching.started = [], [], {}
    started = _now()
    heard: list[str] = []
    error: SegueError | None = None
    whole = False
    try:
        async with asyncio.timeout(LONGEST):
            if stream:
                async with stage.stream(prompt, chain=chain) as events:
                    async for event in events:
                        _hear(event, heard, watching.turns)
            else:
                reply = await stage.chat(prompt, chain=chain)
                heard.append(reply.text)
                watching.turns += [Turn(_now(), "notice", f"{one.subject}: {one.message}") for one in reply.notices]
        whole = True
    except (ProviderError, AllFailedError) as failed:
        error = failed
    except TimeoutError:
        error = PhaseTimeoutError("no timeout ends this call: it was stopped after one day", phase="total")
    lanes = tuple(sorted(watching.lanes, key=lambda lane: lane.started))
    costs = [lane.cost for lane in lanes if lane.cost is not None]
    return Call(
        number, started, _now(), lanes, tuple(watching.turns), "".join(heard), whole,
        None if error is None else type(error).__name__, "" if error is None else _told(error),
        sum(costs) if costs else None,
    )  # fmt: skip


def _hear(event: Event, heard: list[str], turns: list[Turn]) -> None:
    match event:
        case TextDelta():
            if not heard:
                turns.append(Turn(_now(), "first text", ""))
            heard.append(event.text)
        case Handover():
            if event.mode == "restart":
                heard.clear()
            name = f"{event.provider}/{event.model}"
            turns.append(Turn(_now(), "handover", f"{event.mode} at {name} after {event.text_length} characters"))
        case Notice():
            turns.append(Turn(_now(), "notice", f"{event.subject}: {event.message}"))
        case _:
            pass


def _told(error: SegueError) -> str:
    told = str(error.args[0]) if error.args else ""
    notes = getattr(error, "__notes__", ())
    if isinstance(error, HTTPError):
        told = f"status {error.status}: {told}"
    return "; ".join([told, *notes])


def _now() -> float:
    return asyncio.get_running_loop().time()
