"""The zoo of bad plugins as wheels, installed by pip beside everything of this repository."""

from __future__ import annotations

import json
import zipfile
from typing import TYPE_CHECKING

import pytest
import zoo
from wheelhouse import PROJECTS, Environment, project_name

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.packaging

# Metadata that are damaged no installer takes.
SHIPPED = tuple(bad for bad in zoo.ALL if bad.points is None and bad.metadata is None)


def wheel(bad: zoo.Bad, folder: Path) -> Path:
    """One as it would come from an index."""
    name = bad.origin.replace("-", "_")
    info, path = f"{name}-1.0.dist-info", folder / f"{name}-1.0-py3-none-any.whl"
    files = {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {bad.origin}\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: zoo\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": f"[segue]\n{bad.name} = {bad.entry or bad.module}\n",
    }
    if bad.entry is None:
        files[f"{bad.module}.py"] = bad.source()
    record = "".join(f"{file},,\n" for file in [*files, f"{info}/RECORD"])
    with zipfile.ZipFile(path, "w") as archive:
        for file, text in {**files, f"{info}/RECORD": record}.items():
            archive.writestr(file, text)
    return path


@pytest.fixture(scope="module")
def environment(index: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """Segue, its providers and the zoo, from wheels."""
    made = Environment(tmp_path_factory.mktemp("zoo"), index)
    folder = tmp_path_factory.mktemp("wheels")
    wheels = [str(wheel(bad, folder)) for bad in SHIPPED]
    made.run("pip", "install", *(project_name(one) for one in PROJECTS if one.name != "bedrock"))  # without botocore
    made.run("pip", "install", "--no-compile", "--no-deps", *wheels)
    config = made.home / ".config" / "segue" / "segue.toml"
    config.parent.mkdir(parents=True)
    config.write_text("[plugins]\ntime_limit = 3\n")
    return made


def test_doctor_names_each_that_is_broken(environment: Environment) -> None:
    """With its distribution and its cause."""
    told = environment.run("sh", "-c", "segue doctor || echo ended with $?").stdout
    assert told.endswith("ended with 1\n")
    for bad in SHIPPED:
        line = next(line for line in told.splitlines() if f"{bad.name} of {bad.origin} 1.0: " in line)
        if bad in zoo.BROKEN:
            assert line.startswith("  broken: ")
            assert bad.told in line


def test_everything_else_works(environment: Environment) -> None:
    """Lists, selection and an answer, with nothing of the zoo in the output; a second start imports none of it."""
    assert "anthropic/claude-sonnet-4-5" in environment.run("segue", "models").stdout
    there = json.loads(environment.run("segue", "providers", "--json").stdout)
    assert {"anthropic", "openai", "yields-bytes"} <= {one["name"] for one in there["providers"]}
    (site,) = (environment.folder / "venv").glob("lib/python*/site-packages")
    (site / "zoo_writes_a_file.written").unlink()
    assert environment.run("segue", "chat", "-m", "rehearsal", "Hello").stdout.strip()
    assert "anthropic/" in environment.run("segue", "models", "--needs", "tools").stdout
    assert not (site / "zoo_writes_a_file.written").exists()
