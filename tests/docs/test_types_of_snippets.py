"""The code of README and docs is typed as its readers' own would be."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(r'^```python(?: title="([^"]+)")?\n(.*?)^```$', re.MULTILINE | re.DOTALL)
SCRIPTS = sorted((ROOT / "docs").glob("*.py"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Each snippet that stands by itself as a file, named for its page and place."""
    made = tmp_path_factory.mktemp("snippets")
    for page in PAGES:
        for match in FENCE.finditer(page.read_text("utf-8")):
            if match[1] is None:  # a file with a title belongs to a package of its own, which its page builds
                line = page.read_text("utf-8").count("\n", 0, match.start()) + 2
                stem = "_".join(page.relative_to(ROOT).with_suffix("").parts).replace("-", "_")
                (made / f"{stem}_line_{line}.py").write_text(match[2], "utf-8")
    assert len(list(made.iterdir())) > 30
    return made


def test_mypy_finds_no_error(folder: Path) -> None:
    """mypy finds no error in the programs of docs, nor in the snippets of its pages."""
    programs = [str(path) for path in (*SCRIPTS, *sorted(folder.glob("*.py")))]
    checked("mypy", "--config-file=", "--check-untyped-defs", "--cache-dir=.mypy", *programs, folder=folder)


def test_pyright_finds_no_error(folder: Path) -> None:
    """pyright finds no error in the programs of docs, nor in the snippets of its pages."""
    paths = {"include": [".", *map(str, SCRIPTS)], "extraPaths": [str(ROOT / "docs")]}
    (folder / "pyrightconfig.json").write_text(json.dumps({**paths, "typeCheckingMode": "standard"}))
    checked("pyright", "--project", str(folder), "--pythonpath", sys.executable, folder=folder)


def checked(*words: str, folder: Path) -> None:
    done = subprocess.run([sys.executable, "-m", *words], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
