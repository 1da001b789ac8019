"""Two of the six truths hold after every test here: nothing is left behind, and no key was logged."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

import pytest
from matrix import KEYS, LIMIT, Lines, descriptors

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest.fixture(autouse=True)
async def nothing_is_left() -> AsyncIterator[None]:
    """Tasks and descriptors are as before the test, and no key stands in any line of any log."""
    logged, root = Lines(), logging.getLogger()
    level, tasks, held = root.level, asyncio.all_tasks(), descriptors()
    root.addHandler(logged)
    root.setLevel(logging.DEBUG)
    yield
    root.removeHandler(logged)
    root.setLevel(level)
    async with asyncio.timeout(LIMIT):
        # What a transport closes is closed in the loop's next turns.
        while asyncio.all_tasks() - tasks - {asyncio.current_task()} or descriptors() > held:  # noqa: ASYNC110
            await asyncio.sleep(0)
    assert [line for line in logged.lines if any(key in line for key in KEYS.values())] == []
