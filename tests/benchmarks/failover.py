"""What it costs that the first target is dead: the time until the first content that a fallback adds, on loopback.

Streams are asked in turn: of a host that works alone; with one before it that refuses connections, answers 503 at
once, or whose breaker is open. Added is the difference of the two 99th percentiles. Then of an address that takes no
connection: by how much its limit is overrun.

Run: ``python3 noxfile.py -s failover``
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import logging
import math
import socket
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import hosts

from segue import Breaker, Chain, Client, Retry, TextDelta, Timeout
from segue.testing import refused_url

LIMITS = {"refused": 5.0, "503": 20.0, "breaker open": 1.0}
BLACK_HOLE = 50.0
CONNECT = 0.2
"""Milliseconds."""


def quantile(times: list[float], share: float) -> float:
    """The time within which this share of all lies."""
    return sorted(times)[math.ceil(share * len(times)) - 1]


def client_of(address: str, dead: str, **options: Any) -> Client:
    """A client of a host that works, one that is down, and one that is not there."""
    urls = {"good": f"{address}/good/v1", "down": f"{address}/down/v1", "dead": f"{dead}/v1"}
    rows = {name: {"wire": "openai_chat", "base_url": url, "models": ["m"]} for name, url in urls.items()}
    return Client(config={"providers": rows}, plugins=False, environ={}, retry=Retry(count=0), **options)


async def first_content(client: Client, chain: Chain, attempts: int) -> float:
    """The milliseconds until it came, of a stream that is then read to its end."""
    began, first = time.perf_counter(), None
    async with client.stream("hi", chain=chain) as stream:
        async for event in stream:
            if first is None and isinstance(event, TextDelta):
                first = time.perf_counter() - began
        outcomes = [attempt.outcome for attempt in stream.attempts]
    assert outcomes[-1] == "answered"
    assert len(outcomes) == attempts, outcomes
    assert first is not None
    return first * 1000


async def measure(address: str, calls: int) -> bool:
    """Print a line for each; whether every limit holds."""
    dead = refused_url()
    alone = Chain("good/m")
    async with (
        client_of(address, dead, breaker=None) as asking,
        client_of(address, dead, breaker=Breaker(failures=1, interval=3600, longest=3600)) as leaving,
    ):
        ways = {
            "alone": (asking, alone, 1),
            "refused": (asking, Chain("dead/m", "good/m"), 2),
            "503": (asking, Chain("down/m", "good/m"), 2),
            "alone, with breakers": (leaving, alone, 1),
            "breaker open": (leaving, Chain("down/m", "good/m"), 2),
        }
        times: dict[str, list[float]] = {name: [] for name in ways}
        for name, (client, chain, attempts) in ways.items():
            for _ in range(50):
                await first_content(client, chain, attempts)
            assert name != "breaker open" or client.health.of("down", "m") is not None
        gc.collect()
        gc.freeze()
        for _ in range(calls):
            for name, (client, chain, attempts) in ways.items():
                times[name].append(await first_content(client, chain, attempts))
    for name, each in times.items():
        line = f"{name:<22} p50 {quantile(each, 0.5):6.2f} ms   p99 {quantile(each, 0.99):6.2f} ms"
        if name in LIMITS:
            line += f"   added: p50 {_added(times, name, 0.5):5.2f}, p99 {_added(times, name, 0.99):5.2f} ms"
            line += f"   limit {LIMITS[name]:g} ms   {'ok' if _is_kept(times, name) else 'MISSED'}"
        print(line, flush=True)
    return await _black_hole(address, calls // 40) and all(_is_kept(times, name) for name in LIMITS)


async def _black_hole(address: str, calls: int) -> bool:
    """How much later than its limit a connection is given up that nobody takes; whether that is soon enough."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):  # the queue is full, so that the kernel answers nobody
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        silent = f"http://127.0.0.1:{listener.getsockname()[1]}"
        async with client_of(address, silent, breaker=None, timeout=Timeout(connect=CONNECT)) as client:
            times = [await first_content(client, Chain("dead/m", "good/m"), 2) for _ in range(calls)]
    late = quantile(times, 0.99) - CONNECT * 1000
    line = f"a connection that nobody takes: p99 {late:.2f} ms after its limit of {CONNECT * 1000:g} ms"
    print(f"{line}   limit {BLACK_HOLE:g} ms   {'ok' if late <= BLACK_HOLE else 'MISSED'}", flush=True)
    return late <= BLACK_HOLE


def _added(times: dict[str, list[float]], name: str, share: float) -> float:
    floor = times["alone, with breakers" if name == "breaker open" else "alone"]
    return quantile(times[name], share) - quantile(floor, share)


def _is_kept(times: dict[str, list[float]], name: str) -> bool:
    return _added(times, name, 0.99) <= LIMITS[name]


def main() -> int:
    """The exit status."""
    parser = argparse.ArgumentParser(description="Measure what a fallback adds until the first content.")
    parser.add_argument("--calls", type=int, default=2000, help="how many of each")
    given = parser.parse_args()
    logging.getLogger("segue").setLevel(logging.ERROR)  # the one warning of the breaker that opens
    print(f"Python {sys.version.split()[0]}, {given.calls} streams of each, in turn, on loopback", flush=True)
    with hosts.running() as address:
        return 0 if asyncio.run(measure(address, given.calls)) else 1


if __name__ == "__main__":
    sys.exit(main())
