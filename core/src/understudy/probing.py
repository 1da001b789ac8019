"""Asking candidates a small question, to see how they do."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Final

from .attempt import Attempting
from .errors import ProviderError
from .messages import Message, Request, Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .attempt import Ready, Run
    from .observation import Attempt

AT_ONCE: Final = 8
QUESTION: Final = Request(
    messages=(Message(role="user", content="Answer with the word ok."),),
    # Sixteen is the least that the Responses wire takes; an answer that ends there is one.
    settings=Settings(max_tokens=16),
)


async def probed(candidates: Sequence[Ready], run: Callable[[], Run], *, within: float | None) -> tuple[Attempt, ...]:
    """How each did, in their order; ``within`` is in seconds, for each."""
    slots = asyncio.Semaphore(AT_ONCE)

    async def one(candidate: Ready) -> Attempt:
        async with slots:
            until = float("inf") if within is None else asyncio.get_running_loop().time() + within
            request = candidate.asked(QUESTION, shared=False)
            # Not through a chain: it is to be asked also where its breaker would have it left alone.
            attempt = Attempting(run(), candidate, request, until, endpoint=candidate.endpoint())
            with contextlib.suppress(ProviderError):  # it stands in the record
                async with contextlib.aclosing(attempt.events()) as events:
                    async for _ in events:
                        pass
            assert attempt.record is not None
            return attempt.record

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(candidate)) for candidate in candidates]
    return tuple(task.result() for task in tasks)
