"""The project has one name, and what it writes leads to nobody else's packages."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OLD_NAME = "under" + "study"
MENTIONS = {"CHANGELOG.md", "docs/versions.md"}
"""Where the project says what it was called before: the changelog, and one sentence of the docs."""


def tracked() -> list[str]:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode != 0:
        pytest.skip("this is not a git checkout")
    return listed.stdout.splitlines()


def test_the_old_name_is_gone() -> None:
    """No file or path has the project's old name, but for the changelog and one sentence of the docs."""
    for path in tracked():
        assert OLD_NAME not in path.lower()
        text = (ROOT / path).read_bytes().lower() if (ROOT / path).is_file() else b""
        if path not in MENTIONS:
            assert OLD_NAME.encode() not in text, path
    lines = (ROOT / "docs" / "versions.md").read_text("utf-8").lower().splitlines()
    assert sum(OLD_NAME in line for line in lines) == 1
