"""The conformance kit: a good provider passes every item, and for every item there is one that does not."""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # for this process, and for the children that inherit the path

import conformance_subjects as subjects

from segue.plugins import loaded
from segue.testing.conformance import Origin, all_items, conform
from segue.testing.conformance.bench import Bench, Guard
from segue.testing.conformance.importing import Imported
from segue.testing.conformance.trying import tried

if TYPE_CHECKING:
    from segue.plugin import ProviderSpec

ITEMS = {one.name: one for one in all_items()}

ELSEWHERE = {
    "import", "import network", "import files", "import processes", "import output", "import time",
    "models offline", "models constant", "cassettes",
}  # fmt: skip
"""Items whose bad providers stand in test_conformance_imports.py: they are made of files."""

NEIGHBOURS = (
    "declaration", "lifecycle", "request unchanged", "cancellation", "leak tasks", "chunks sevens", "close early",
    "fault F12 chunked", "fault F37 401", "capability text", "capability tools",
)  # fmt: skip
"""Items that are tried on every bad provider, beside its own."""


def bench_of(spec: ProviderSpec) -> Bench:
    """A bench in this process."""
    assert spec.conformance is not None
    return Bench(
        spec, level=spec.conformance.level, guard=Guard(), load=lambda: loaded(spec), imported=Imported
    )  # fmt: skip


def outcomes(spec: ProviderSpec, names: set[str]) -> dict[str, tuple[str, str]]:
    """What comes of these items; in a thread, for a trial has a loop of its own."""
    bench = bench_of(spec)
    found: dict[str, tuple[str, str]] = {}

    def run() -> None:
        for name, item in ITEMS.items():
            if name in names:
                found[name] = tried(item, bench)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return found


def subject(name: str) -> Origin:
    """A provider of the subjects, by its name there."""
    return Origin("", module=f"conformance_subjects:{name}")


def test_a_good_provider_passes_every_item() -> None:
    """A provider that asks its host by hand, and well, fails nothing, and nearly everything is tried on it."""
    report = conform(subject("GOOD"))
    assert report.failed == ()
    assert [one.item for one in report.results] == list(ITEMS)
    assert {one.item for one in report.results if one.outcome != "passed"} == {"cassettes"}
    assert (report.declared, report.level, report.provider) == ("full", "full", "subject")


@pytest.mark.parametrize("item", [name for name, one in subjects.BAD.items() if not one.alone])
def test_a_bad_provider_fails_its_item(item: str) -> None:
    """A provider that is spoilt in one respect fails the item of it, and of all others only those of the same fault."""
    spoilt = subjects.BAD[item]
    found = outcomes(subjects.spec_of(spoilt.cls), {*NEIGHBOURS, *spoilt.fails})
    failed = {name for name, (outcome, _) in found.items() if outcome == "failed"}
    assert failed <= spoilt.fails, {name: found[name] for name in failed}
    assert item in failed, found[item]


@pytest.mark.parametrize("item", [name for name, one in subjects.BAD.items() if one.alone])
def test_a_bad_provider_fails_its_item_in_a_process_of_its_own(item: str) -> None:
    """The same of providers whose fault shows only there: what they print, log and reach for."""
    spoilt = subjects.BAD[item]
    report = conform(
        subject(f"ALONE_{item.replace(' ', '_')}"), items=[*NEIGHBOURS, *spoilt.fails, "secret *", "output", "address"]
    )
    assert {one.item for one in report.failed} == spoilt.fails, report.failed


def test_every_item_has_a_bad_provider() -> None:
    """No item passes that cannot fail."""
    assert set(subjects.BAD) | ELSEWHERE == set(ITEMS)
    assert not set(subjects.BAD) & ELSEWHERE
