"""What Understudy costs above the floor: CPU time of one call and of one streamed chunk, as ratios.

The floor (``shared/bench/floor.py``: aiohttp and orjson by hand, no validation, no types) and its
loopback host (``upstream.py``) are found beside the checkout or in ``UNDERSTUDY_BENCH``. Each of our
figures stands between two of the floor's, taken right before and right after in the same process; the
median of the ratios counts.

Run: ``python3 noxfile.py -s bench``
"""

from __future__ import annotations

import asyncio
import gc
import importlib.util
import os
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from statistics import median

from understudy import Client, TextDelta

ROUNDS = 9
CALLS = 150
CHUNKS = 4000
LIMITS = {"one call": 2.0, "one chunk, many a write": 3.0, "one chunk, one a write": 3.0}

Work = Callable[[], Awaitable[object]]


def bench_folder() -> Path | None:
    """The folder with floor.py and upstream.py, or None."""
    places = [os.environ.get("UNDERSTUDY_BENCH"), Path(__file__).parents[3] / "shared" / "bench"]
    return next((Path(place) for place in places if place and (Path(place) / "floor.py").is_file()), None)


async def cpu(work: Work, count: int) -> float:
    """CPU microseconds of this process a unit of work."""
    gc.collect()
    before = time.process_time()
    await work()
    return (time.process_time() - before) / count * 1e6


async def compare(name: str, floor: Work, ours: Work, count: int) -> bool:
    """Print one row; whether it is within its limit."""
    for warm in (floor, ours):
        await warm()
    floors, figures, ratios = [], [], []
    for _ in range(ROUNDS):
        before = await cpu(floor, count)
        figure = await cpu(ours, count)
        after = await cpu(floor, count)
        floors.append((before + after) / 2)
        figures.append(figure)
        ratios.append(figure / floors[-1])
    ratio, limit = median(ratios), LIMITS[name]
    print(
        f"{name:<26} floor {median(floors):8.2f} us   ours {median(figures):8.2f} us   ratio {ratio:5.2f}"
        f" ({min(ratios):.2f}-{max(ratios):.2f})   limit {limit:.1f}   {'ok' if ratio <= limit else 'MISSED'}",
        flush=True,
    )
    return ratio <= limit


async def measure(folder: Path, base: str) -> bool:
    """All rows against the host at ``base``; whether every limit holds."""
    spec = importlib.util.spec_from_file_location("floor", folder / "floor.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    call, stream, _ = await module.make(base)
    client = Client(config={"providers": {"openai": {"base_url": base}}}, api_keys={"openai": "sk-bench"}, environ={})

    async def floor_calls() -> None:
        for _ in range(CALLS):
            await call()

    async def our_calls() -> None:
        for _ in range(CALLS):
            await client.chat("Say something short.", model="openai/bench")

    def chunks(model: str) -> tuple[Work, Work]:
        async def floor_chunks() -> None:
            assert await stream(model, CHUNKS) == CHUNKS

        async def our_chunks() -> None:
            count = 0
            async with client.stream("Say something short.", model=f"openai/{model}", max_tokens=CHUNKS) as events:
                async for event in events:
                    if isinstance(event, TextDelta):
                        count += 1
            assert count == CHUNKS

        return floor_chunks, our_chunks

    async with client:
        return all(
            [
                await compare("one call", floor_calls, our_calls, CALLS),
                await compare("one chunk, many a write", *chunks("bench"), CHUNKS),
                await compare("one chunk, one a write", *chunks("each"), CHUNKS),
            ]
        )


def main() -> int:
    folder = bench_folder()
    if folder is None:
        print("skipped: no floor.py beside the checkout (../shared/bench) and UNDERSTUDY_BENCH is not set")
        return 0
    host = subprocess.Popen([sys.executable, str(folder / "upstream.py"), "--port", "0"], stdout=subprocess.PIPE)
    try:
        assert host.stdout is not None
        port = host.stdout.readline().decode().split(":")[1].split()[0]
        print(f"Python {sys.version.split()[0]}, {ROUNDS} rounds; CPU time of the client process", flush=True)
        return 0 if asyncio.run(measure(folder, f"http://127.0.0.1:{port}/v1")) else 1
    finally:
        host.kill()
        host.wait()


if __name__ == "__main__":
    sys.exit(main())
