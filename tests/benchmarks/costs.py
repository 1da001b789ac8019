"""What one thing costs in a process of its own, which `bench.py` starts: it is told what on the command line.

``memory floor|ours URL COUNT``: kibibytes that each of so many open streams holds. ``first floor|ours|configured URL``:
the first answer of a process. ``select COUNT``: the first selection of a client of so many models, and the next one.
``count URL CALLS CHUNKS``: calls and streams between calls of ``getloadavg``, at which callgrind writes its counts.
"""

from __future__ import annotations

import sys


def floor_of() -> object:
    """The module ``floor.py``, whose path is the last argument."""
    import importlib.util

    spec = importlib.util.spec_from_file_location("floor", sys.argv[-1])
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def client_of(base: str, *, configured: bool = False) -> object:
    """The client that is measured: as it is without any setting, but for where the host is.

    That is told by a variable, or by a file in the user's folder.
    """
    import os

    from segue import Client

    os.environ["OPENAI_API_KEY"] = "sk-bench"
    if configured:
        return Client(config=f"{os.environ['HOME']}/bench.toml")
    os.environ["OPENAI_BASE_URL"] = base
    return Client()


def resident() -> float:
    """Kibibytes of this process that are in memory."""
    import resource
    from pathlib import Path

    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 1024


async def memory(who: str, base: str, count: int) -> None:
    """Open one, then all the others, and print what each of those holds."""
    import asyncio
    import gc

    opened, enough, leave = 0, asyncio.Event(), asyncio.Event()
    wanted = 1

    async def gate() -> None:
        nonlocal opened
        opened += 1
        if opened >= wanted:
            enough.set()
        await leave.wait()

    if who == "floor":
        _, stream, _ = await floor_of().make(base)  # type: ignore[attr-defined]

        async def one() -> None:
            await stream("hold", 2, gate)
    else:
        from segue import TextDelta

        client = client_of(base)

        async def one() -> None:
            async with client.stream("Say something short.", model="openai/hold", max_tokens=2) as events:  # type: ignore[attr-defined]
                async for event in events:
                    if isinstance(event, TextDelta):
                        await gate()
                        return

    tasks = [asyncio.ensure_future(one())]
    await enough.wait()
    gc.collect()
    before = resident()
    enough.clear()
    wanted = count
    tasks += [asyncio.ensure_future(one()) for _ in range(count - 1)]
    await enough.wait()
    gc.collect()
    print((resident() - before) / (count - 1), flush=True)
    for task in tasks:
        task.cancel()


async def first(who: str, base: str) -> None:
    """One answer."""
    if who == "floor":
        call, _, _ = await floor_of().make(base)  # type: ignore[attr-defined]
        await call()
    else:
        async with client_of(base, configured=who == "configured") as client:  # type: ignore[attr-defined]
            await client.chat("Say something short.", model="openai/bench")


def select(count: int) -> None:
    """Print the milliseconds of the first selection, and the microseconds of the same selection afterwards."""
    import gc
    import statistics
    import time

    from segue import Client
    from segue.plugin import Capabilities, Model, ProviderSpec

    contexts, prices = (8_000, 32_000, 128_000, 200_000, 1_000_000), [place * 0.05 for place in range(1, 200)]

    def facts(place: int) -> dict[str, bool | float | str]:
        return {
            "tools": place % 3 == 0, "vision": place % 5 == 0, "json_schema": place % 2 == 0,
            "context": contexts[place // 5 % 5],
            "input_price": prices[place % 199], "output_price": prices[place % 193],
        }  # fmt: skip

    models = [Model(f"m{place}", Capabilities(facts(place))) for place in range(count)]
    size = count // 100
    specs = [ProviderSpec(f"p{each}", "x:Y", models=models[each * size : (each + 1) * size]) for each in range(100)]
    client = Client(config=False, plugins=False, providers=specs, environ={})
    gc.collect()
    gc.freeze()
    needs = "vision, context>=128k, json_schema, input_price<=3, output_price<=5"
    began = time.process_time()
    assert client.select(needs).candidates
    first = (time.process_time() - began) * 1e3
    times = []
    for _ in range(20):
        began = time.process_time()
        client.select(needs)
        times.append((time.process_time() - began) * 1e6)
    print(first, statistics.median(times))


async def count(base: str, calls: int, chunks: int) -> None:
    """Each work twice, so that all is warm, and then once between two marks."""
    import gc
    import os

    from segue import TextDelta

    call, stream, _ = await floor_of().make(base)  # type: ignore[attr-defined]
    client = client_of(base)

    async def floor_calls() -> None:
        for _ in range(calls):
            await call()

    async def our_calls() -> None:
        for _ in range(calls):
            await client.chat("Say something short.", model="openai/bench")  # type: ignore[attr-defined]

    async def floor_chunks() -> None:
        await stream("bench", chunks)

    async def our_chunks() -> None:
        async with client.stream("Say something short.", model="openai/bench", max_tokens=chunks) as events:  # type: ignore[attr-defined]
            assert [isinstance(event, TextDelta) async for event in events].count(True) == chunks

    for work in (floor_calls, our_calls, floor_chunks, our_chunks):
        await work()
        await work()
        gc.collect()
        gc.disable()
        os.getloadavg()
        await work()
        os.getloadavg()
        gc.enable()
    await client.aclose()  # type: ignore[attr-defined]


if __name__ == "__main__":
    import asyncio

    match sys.argv[1:]:
        case ["memory", who, base, number, _]:
            asyncio.run(memory(who, base, int(number)))
        case ["first", who, base, _]:
            asyncio.run(first(who, base))
        case ["select", number]:
            select(int(number))
        case ["count", base, calls, chunks, _]:
            asyncio.run(count(base, int(calls), int(chunks)))
