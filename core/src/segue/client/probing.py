"""Sends a short question to candidates, to see whether they work."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from ..chain.attempt import Attempting
from ..errors import ProviderError
from ..messages import NO_SETTINGS, read_messages, request_with
from ..observation import Attempt
from ..validation import like

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..chain.attempt import Ready, Run
    from ..chain.targets import Lineup

AT_ONCE: Final = 8
QUESTION: Final = request_with(
    read_messages("Answer with the word ok."),
    # Sixteen is the least that the Responses wire takes; an answer that ends there is one.
    like(NO_SETTINGS, {"max_tokens": 16}),
    stream=True,
)


async def probed(lineup: Lineup, run_of: Callable[[], Run], *, within: float) -> tuple[Attempt, ...]:
    """The attempt of each candidate, in order, then the skipped targets; ``within`` as in `Client.probe`."""
    slots = asyncio.Semaphore(AT_ONCE)

    async def one(candidate: Ready) -> Attempt:
        async with slots:
            run = run_of()
            # Its own limits, so that silence is the host's: a total would be the caller's, which speaks against nobody.
            run.timeout = replace(run.timeout, first_event=within, idle=within, total=None)
            run.usual = None  # what a probe finds out counts, whatever its limit is
            until = asyncio.get_running_loop().time() + 2 * within
            request = candidate.asked(QUESTION, shared=False)
            # Not down the chain: it is to be asked also where its breaker would have it left alone.
            attempt = Attempting(run, candidate, request, until, endpoint=candidate.endpoint())
            with contextlib.suppress(ProviderError):  # it stands in the record
                async with contextlib.aclosing(attempt.events()) as events:
                    async for _ in events:
                        pass
            assert attempt.record is not None
            return attempt.record

    tasks = [asyncio.ensure_future(one(candidate)) for candidate in lineup.ready]
    try:
        told = await asyncio.gather(*tasks)
    finally:
        # Whoever leaves, and an error of configuration, leave nobody behind.
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return (*told, *(_skipped(name, reason) for name, reason in lineup.reasons()))


def _skipped(name: str, reason: str) -> Attempt:
    provider, _, model = name.partition("/")
    return Attempt(provider, model, "skipped", 0.0, error=ProviderError(reason, phase="skipped"))
