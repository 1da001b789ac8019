"""Many calls of one client: what is left of them afterwards, and how much memory they took on the way.

Half of them are streams, one in ten meets a fault (503, refused, cut), some streams are left in the middle. The hosts
are in another process. Descriptors, sockets, tasks and threads must be as before once the client is closed, and what
the process holds in memory must not grow by 2 MiB from the first fifth of the calls to the last.

Run: ``python3 noxfile.py -s soak``
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging
import os
import random
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import hosts

from segue import AllFailedError, Chain, Client, ProviderError, Retry, TextDelta
from segue.testing import refused_url

GROWTH = 2 * 1024 * 1024
AT_ONCE = 32


@dataclass(frozen=True)
class Held:
    """What a process holds."""

    descriptors: int
    sockets: int
    tasks: int
    threads: int

    @classmethod
    def now(cls) -> Held:
        """What it holds just now."""
        gc.collect()
        names = []
        for one in Path("/proc/self/fd").iterdir():
            try:
                names.append(str(one.readlink()))
            except FileNotFoundError:
                continue  # the one of the listing itself
        sockets = sum(name.startswith("socket:") for name in names)
        return cls(len(names), sockets, len(asyncio.all_tasks()), threading.active_count())


def resident() -> int:
    """Bytes of memory."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def client_of(address: str) -> Client:
    """A client of hosts of every kind."""
    urls = {name: f"{address}/{name}/v1" for name in ("good", "long", "down", "cut")} | {"dead": f"{refused_url()}/v1"}
    rows: dict[str, Any] = {
        name: {"wire": "openai_chat", "base_url": url, "models": ["m"]} for name, url in urls.items()
    }
    return Client(
        config={"providers": rows}, plugins=False, environ={}, breaker=None, retry=Retry(count=0), concurrency=AT_ONCE
    )


async def one(client: Client, number: int, seed: int) -> str:
    """One call, as its number draws it: how it ended."""
    draw = random.Random(f"{seed}:{number}")
    first = draw.choice(["down", "dead", "cut"]) if draw.random() < 0.1 else "good"
    chain = Chain(*dict.fromkeys([f"{first}/m", "good/m"]))
    try:
        if number % 2:
            await client.chat(f"question {number}", chain=chain)
            return "answered"
        is_left = draw.random() < 0.05
        chain = Chain("long/m") if is_left else chain
        async with client.stream(f"question {number}", chain=chain) as stream:
            words = 0
            async for event in stream:
                words += isinstance(event, TextDelta)
                if is_left and words > 3:
                    return "left"
        return "streamed"
    except (ProviderError, AllFailedError) as error:
        return type(error).__name__


async def soak(address: str, calls: int, seed: int, *, every: int) -> tuple[Counter[str], list[int], Held, Held]:
    """How the calls ended, the memory at each ``every`` of them, and what was held before and after."""
    before = Held.now()
    ended: Counter[str] = Counter()
    memory: list[int] = []
    async with client_of(address) as client:
        numbers = iter(range(calls))

        async def worker() -> None:
            for number in numbers:
                ended[await one(client, number, seed)] += 1
                if (number + 1) % every == 0:
                    memory.append(resident())

        await asyncio.gather(*(worker() for _ in range(AT_ONCE)))
        assert not client._fleet.busy, client._fleet.busy
    await asyncio.sleep(0)
    return ended, memory, before, Held.now()


def main() -> int:
    """The exit status."""
    parser = argparse.ArgumentParser(description="Make many calls, and look at what is left of them.")
    parser.add_argument("--calls", type=int, default=50_000)
    parser.add_argument("--seed", type=int, default=20_261_124)
    given = parser.parse_args()
    logging.getLogger("segue").setLevel(logging.ERROR)
    started = time.perf_counter()
    with hosts.running() as address:
        every = given.calls // 5
        ended, memory, before, after = asyncio.run(soak(address, given.calls, given.seed, every=every))
    print(f"{given.calls:,} calls in {time.perf_counter() - started:.0f} s: {dict(ended)}")
    print("memory, MiB: " + ", ".join(f"{each / 1024 / 1024:.2f}" for each in memory))
    growth = memory[-1] - memory[0]
    print(f"growth from call {every:,} on: {growth / 1024 / 1024:.2f} MiB   limit 2   {_word(growth < GROWTH)}")
    print(f"before {before}\nafter  {after}   {_word(before == after)}")
    return 0 if growth < GROWTH and before == after else 1


def _word(is_kept: bool) -> str:
    return "ok" if is_kept else "BROKEN"


if __name__ == "__main__":
    sys.exit(main())
