"""Hosts that answer and fail as a seed has it, on a clock that jumps: the calls go through the real client."""

from __future__ import annotations

import asyncio
import contextlib
import math
import random
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from segue import (
    AuthenticationError,
    ConnectError,
    OverloadedError,
    RateLimitError,
    ServerError,
    StreamBrokenError,
)
from segue.plugin import Finish, Model, ReasoningDelta, Start, TextDelta, Usage

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence

    from segue.plugin import Context, Event, Request

WORDS = 6
EVER = 1e7
"""As long as no host is waited for."""


def answer_to(call: int) -> list[str]:
    """The pieces of the one right answer to a call: no two calls, and no two places of one, have the same."""
    return [f"c{call}.{place}{' ' if place < WORDS - 1 else '.'}" for place in range(WORDS)]


def question(call: int) -> str:
    """What a call asks."""
    return f"question {call}"


@dataclass(frozen=True, slots=True)
class Deed:
    """What a host does with one request: ``kind`` after ``delay`` seconds, ``pieces`` apart from each other."""

    kind: str = "answer"
    delay: float = 0.1
    gap: float = 0.01
    after: int = 0
    """How many pieces come before it goes wrong."""
    hint: float | None = None


@dataclass
class Host:
    """A provider that does what its behaviour draws, each request from the seed and its own number.

    ``behave`` is given the draw and the time.
    """

    name: str
    behave: Callable[[random.Random, float], Deed]
    seed: int = 0
    requests: list[float] = field(default_factory=list)
    """When each request came."""
    calls: Counter[int] = field(default_factory=Counter)
    """How often it was asked each call."""
    busy: int = 0
    most: int = 0
    """The most requests that were under way together since it was last set."""
    watched: int | None = None
    seen: list[tuple[float, Deed]] = field(default_factory=list)
    """When it was asked the watched call, and what it drew."""

    def models(self) -> Sequence[Model]:
        """One."""
        return [Model("m")]

    async def stream(self, request: Request, context: Context) -> AsyncIterator[Event]:
        """Do the deed."""
        del context
        now = asyncio.get_running_loop().time()
        call, said = _asked(request)
        tries = self.calls[call]
        self.calls[call] += 1
        self.requests.append(now)
        deed = self.behave(random.Random(f"{self.seed}:{self.name}:{call}:{tries}"), now)
        if call == self.watched:
            self.seen.append((now, deed))
        self.busy += 1
        self.most = max(self.most, self.busy)
        try:
            async with contextlib.aclosing(self._events(deed, call, said)) as events:
                async for event in events:
                    yield event
        finally:
            self.busy -= 1

    async def _events(self, deed: Deed, call: int, said: str) -> AsyncGenerator[Event, None]:
        await asyncio.sleep(deed.delay)
        match deed.kind:
            case "refused":
                raise ConnectError("refused")
            case "server":
                raise ServerError("broken", status=500)
            case "overloaded":
                raise OverloadedError("busy", status=503, retry_after=deed.hint)
            case "limit":
                raise RateLimitError("slow down", status=429, retry_after=deed.hint)
            case "key":
                raise AuthenticationError("who are you", status=401)
            case "plugin":
                raise KeyError("choices")
            case "silent":
                await asyncio.sleep(EVER)
            case "empty":
                yield Start("m")
                yield Finish("stop")
                return
            case _:
                pass
        yield Start("m")
        whole = "".join(answer_to(call))
        assert whole.startswith(said), f"{said!r} is no beginning of the answer to {call}"
        rest = re.findall(r"\S+\s?|\s", whole[len(said) :])
        for place, piece in enumerate(rest):
            if place == deed.after and deed.kind in {"cut", "hangs", "thinks"}:
                if deed.kind == "cut":
                    raise StreamBrokenError("the connection broke in the middle of the answer")
                if deed.kind == "thinks":
                    yield ReasoningDelta("hm", "opaque")
                    raise StreamBrokenError("the connection broke in the middle of the answer")
                await asyncio.sleep(EVER)
            yield TextDelta(piece)
            await asyncio.sleep(deed.gap)
        yield Usage(input_tokens=10, output_tokens=len(rest))
        if deed.kind != "endless":
            yield Finish("stop")


def _asked(request: Request) -> tuple[int, str]:
    """The number of the call, and what the assistant is said to have said already."""
    *_, last = request.messages
    said = ""
    if last.role == "assistant":
        assert isinstance(last.content, str)
        said = last.content
    first = request.messages[0].content
    assert isinstance(first, str)
    return int(first.rsplit(" ", 1)[1]), said


def quantile(values: Sequence[float], share: float) -> float:
    """The value within which this share of all lies."""
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]
