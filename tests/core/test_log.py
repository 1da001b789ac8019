"""The log: plain words, and nothing on stderr of an application that did not set up logging."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import textwrap

from segue import CircuitChange
from segue.testing import OpenAIHost, Status

SCRIPT = textwrap.dedent("""
    import asyncio, logging, sys
    from segue import Breaker, Client, Host, Retry, SegueError

    if "set up" in sys.argv:
        logging.basicConfig()

    async def main():
        row = Host("a", sys.argv[1], models=["m"])
        client = Client(providers=[row], plugins=False, config=False, environ={}, retry=Retry(count=0),
                        breaker=Breaker(failures=2))
        async with client:
            for _ in range(3):
                try:
                    await client.chat("hi", model="a/m")
                except SegueError:
                    pass

    asyncio.run(main())
""")


async def _stderr(*arguments: str) -> str:
    async with OpenAIHost(script=[Status(500)] * 3) as host:
        command = [sys.executable, "-c", SCRIPT, host.url, *arguments]
        ran = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=True, timeout=60)
    return ran.stderr


async def test_an_open_breaker_prints_nothing_by_default() -> None:
    """An application without logging gets its errors, and no line of ours beside them."""
    assert await _stderr() == ""


async def test_an_application_with_logging_reads_it_in_plain_words() -> None:
    """With logging set up, a host that is skipped is a warning that says for how long, and why."""
    assert await _stderr("set up") == "WARNING:segue.breaker:a/m is skipped for 15 s after 2 failures\n"


def test_every_change_has_its_words() -> None:
    """Opening, a probe, a probe without a result, and closing are each said without arrows and state names."""

    def told(before: str, after: str, **more: object) -> str:
        return str(CircuitChange("a", "m", None, before, after, **more))  # type: ignore[arg-type]

    assert told("closed", "open", wait=15.0, failures=1) == "a/m is skipped for 15 s after 1 failure"
    assert told("half_open", "open", wait=7.25, failures=6) == "a/m is skipped for 7.25 s after 6 failures"
    assert told("open", "half_open") == "a/m was skipped, and can be tried again"
    assert told("half_open", "open") == "a/m was skipped, and can be tried again"
    assert told("half_open", "closed") == "a/m answered, and is not skipped any more"
