"""Mutation testing of the resilience modules with cosmic-ray: each small change of the code must make a test fail.

``python3 noxfile.py -s mutants`` prints what was killed of each module and every survivor, and fails where fewer than
90 % of a module's mutants are. ``-- breaker budget`` takes these alone. It works in copies of the tree.

Left out are changes that say nothing: of ``|`` in annotations, which are never run; and of arithmetic into shifts, bits
and the like, which floats refuse at once and any test kills.
"""

from __future__ import annotations

import ast
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).resolve().parents[1]
FOLDER = "core/src/segue/resilience"
MODULES = ("breaker", "budget", "retry", "resume")
SHARE = 0.9
LIMIT = 60.0
"""Seconds for the tests of one mutant; they take three."""
COPIED = ("core", "providers", "tests", "pyproject.toml")
TESTS = ("tests/resilience", "tests/core/test_retry.py")
LEFT_OUT = (
    "core/ReplaceBinaryOperator_BitOr_.*",
    "core/ReplaceBinaryOperator_.*_(RShift|LShift|BitAnd|BitOr|BitXor|FloorDiv|Mod|Pow)",
    "core/ReplaceComparisonOperator_.*_(Is|IsNot)$",
)


@dataclass(frozen=True)
class Outcome:
    """What became of a module's mutants."""

    module: str
    killed: int
    survived: tuple[str, ...]

    @property
    def share(self) -> float:
        """How many of them were killed, of 1."""
        return self.killed / (self.killed + len(self.survived))


def configuration(module: str, python: str) -> str:
    """The tool's configuration."""
    options = "-x -q -p no:cacheprovider -p no:xdist -p no:randomly"
    return f"""
[cosmic-ray]
module-path = "{FOLDER}/{module}.py"
timeout = {LIMIT}
excluded-modules = []
test-command = "{python} -m pytest {options} {" ".join(TESTS)}"

[cosmic-ray.distributor]
name = "local"

[cosmic-ray.filters.operators-filter]
exclude-operators = [{", ".join(f'"{pattern}"' for pattern in LEFT_OUT)}]
"""


def tested(module: str) -> Outcome:
    """All mutants of a module, in a copy of the tree."""
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        copy = Path(folder)
        for name in COPIED:
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(source, copy / name)
        (copy / "cosmic.toml").write_text(configuration(module, sys.executable))
        environ = {**os.environ, "PYTHONPATH": str(copy / "core" / "src"), "PYTHONDONTWRITEBYTECODE": "1", "CI": "true"}
        tools = Path(sys.executable).parent
        for command in (
            [tools / "cosmic-ray", "init", "cosmic.toml", "session.sqlite"],
            [tools / "cr-filter-operators", "session.sqlite", "cosmic.toml"],
            [tools / "cosmic-ray", "baseline", "cosmic.toml"],
            [tools / "cosmic-ray", "exec", "cosmic.toml", "session.sqlite"],
        ):
            subprocess.run(
                [str(part) for part in command], cwd=copy, env=environ, check=True, stdout=subprocess.DEVNULL
            )
        return outcome_of(module, copy / "session.sqlite")


def outcome_of(module: str, session: Path) -> Outcome:
    """Read a session."""
    rows = sqlite3.connect(session).execute(
        "select results.worker_outcome, results.test_outcome, specs.operator_name, specs.start_pos_row, results.diff "
        "from mutation_specs specs join work_results results on specs.job_id = results.job_id "
        "order by specs.start_pos_row"
    )
    killed = 0
    survived = []
    for worker, test, operator, row, diff in rows:
        if worker.endswith("SKIPPED"):
            continue
        if test is not None and test.endswith("SURVIVED"):
            survived.append(f"{module}.py:{row} {operator.removeprefix('core/')}: {_change(diff)}")
        else:
            killed += 1
    return Outcome(module, killed, tuple(survived))


def _change(diff: str) -> str:
    lines = [line for line in diff.splitlines() if line[:1] in {"+", "-"} and line[:3] not in {"+++", "---"}]
    return "  ".join(" ".join(line.split()) for line in lines)


def main(arguments: Sequence[str]) -> int:
    """The exit status."""
    modules = arguments or MODULES
    unknown = [module for module in modules if module not in MODULES]
    if unknown:
        print(f"there is no module {unknown[0]!r}; there are {', '.join(MODULES)}")
        return 2
    for module in modules:
        ast.parse((ROOT / FOLDER / f"{module}.py").read_text())  # a broken one would count as killed
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        outcomes = list(pool.map(tested, modules))
    for outcome in outcomes:
        total = outcome.killed + len(outcome.survived)
        print(f"{outcome.module:<8} {outcome.killed} of {total} killed, {outcome.share:.1%}")
        for line in outcome.survived:
            print(f"    {line}")
    return 0 if all(outcome.share >= SHARE for outcome in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
