"""Some hundred calls as the soak makes fifty thousand: nothing of them is left."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from types import ModuleType

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture
def soak(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The program, as it stands."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    spec = importlib.util.spec_from_file_location("soak", BENCHMARKS / "soak.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "soak", module)
    spec.loader.exec_module(module)
    return module


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="only Linux tells what a process holds in /proc")
async def test_nothing_is_left_of_many_calls(soak: ModuleType) -> None:
    """After calls that were answered, failed, fell back or were left the process holds what it held before."""
    with soak.hosts.running() as address:
        ended, memory, before, after = await soak.soak(address, 800, 7, every=400)
    assert sum(ended.values()) == 800
    assert {"answered", "streamed", "left", "StreamBrokenError"} <= ended.keys()
    assert len(memory) == 2
    assert after == before
