"""A loop whose clock jumps."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from segue.testing import ImpatientLoop, run_virtually


def test_hours_pass_in_no_time() -> None:
    """Sleeping for a day takes none, and the clock has moved by a day."""

    async def main() -> tuple[float, float]:
        loop = asyncio.get_running_loop()
        await asyncio.sleep(86_400)
        return loop.time(), time.monotonic()

    began = time.monotonic()
    virtual, ended = run_virtually(main())
    assert virtual == pytest.approx(86_400)
    assert ended - began < 60


def test_timers_ring_in_their_order() -> None:
    """What is due sooner happens first, whichever was asked for first."""

    async def main() -> list[tuple[str, float]]:
        loop = asyncio.get_running_loop()
        rung: list[tuple[str, float]] = []

        async def ring(name: str, after: float) -> None:
            await asyncio.sleep(after)
            rung.append((name, loop.time()))

        await asyncio.gather(ring("late", 30), ring("soon", 10), ring("first", 0.5))
        return rung

    assert [(name, round(at, 6)) for name, at in run_virtually(main())] == [("first", 0.5), ("soon", 10), ("late", 30)]


def test_a_timeout_is_a_jump() -> None:
    """A limit on what never comes is over at once."""

    async def main() -> float:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(60):
                await asyncio.get_running_loop().create_future()
        return asyncio.get_running_loop().time()

    assert run_virtually(main()) == pytest.approx(60)


def test_the_clock_stands_while_something_runs() -> None:
    """What takes long to compute takes no time of the clock."""

    async def main() -> float:
        for _ in range(1000):
            await asyncio.sleep(0)
        return asyncio.get_running_loop().time()

    assert run_virtually(main()) == 0.0


def test_another_thread_is_waited_for() -> None:
    """Without a timer to jump to, what another thread hands in is waited for."""

    async def main() -> str:
        loop = asyncio.get_running_loop()
        given = loop.create_future()
        threading.Thread(target=lambda: loop.call_soon_threadsafe(given.set_result, "there")).start()
        return str(await given)

    assert run_virtually(main()) == "there"


def test_it_is_a_loop_as_any_other() -> None:
    """It can be given to a runner as it is."""
    with asyncio.Runner(loop_factory=ImpatientLoop) as runner:
        runner.run(asyncio.sleep(5))
        assert runner.get_loop().time() == pytest.approx(5)
