"""A folder of wheels that stands in for a package index: this repository's, built, and what they need, packed again."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import os
import subprocess
import sys
import zipfile
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

ROOT = Path(__file__).parents[2]
PROJECTS = [ROOT / "core", *sorted(path.parent for path in (ROOT / "providers").glob("*/pyproject.toml"))]


def made(folder: Path) -> Path:
    """The folder, filled: with it and no network ``pip install segue`` and its like work as they stand."""
    folder.mkdir(parents=True)
    names = {canonicalize_name(project_name(project)) for project in PROJECTS}
    # As a person builds them: the session of nox is what the docs name.
    nox = [sys.executable, "-m", "nox", "-f", str(ROOT / "noxfile.py"), "-s", "wheels", "--", str(folder)]
    subprocess.run(nox, check=True, capture_output=True, env={**os.environ, "NOX_DEFAULT_VENV_BACKEND": "none"})
    for distribution in needed(["pytest", "flit-core"], names, *PROJECTS):
        pack(distribution, folder)
    return folder


def with_strangers(index: Path, folder: Path) -> Path:
    """What the index has, but with strangers' packages of all our names, newer and in our own ranges of versions."""
    folder.mkdir(parents=True, exist_ok=True)
    for wheel in index.glob("*.whl"):
        if not wheel.name.startswith("segue"):
            (folder / wheel.name).symlink_to(wheel)
    for name in (*map(project_name, PROJECTS), "segue-acme", "segue-nine"):
        stem = f"{name.replace('-', '_')}-0.2.999"
        info = f"{stem}.dist-info"
        with zipfile.ZipFile(folder / f"{stem}-py3-none-any.whl", "w") as archive:
            archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 0.2.999\n")
            archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
            archive.writestr(f"{info}/RECORD", "")
    return folder


def project_name(project: Path) -> str:
    return "segue" if project.name == "core" else f"segue-{project.name}"


def needed(more: Iterable[str], ours: set[str], *projects: Path) -> Iterator[metadata.Distribution]:
    """What the projects and these need, and what that needs, as it is installed here."""
    seen = set(ours)
    waiting = [*more, *(line for project in projects for line in metadata.requires(project_name(project)) or ())]
    while waiting:
        requirement = Requirement(waiting.pop())
        name = canonicalize_name(requirement.name)
        wanted = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
        if name in seen or not wanted:
            continue
        seen.add(name)
        distribution = metadata.distribution(name)
        waiting += distribution.requires or ()
        yield distribution


def pack(distribution: metadata.Distribution, folder: Path) -> None:
    """An installed distribution as the wheel that it came from, but for its scripts."""
    told = distribution.read_text("WHEEL") or ""
    tags = [line.partition(": ")[2].split("-") for line in told.splitlines() if line.startswith("Tag: ")]
    tag = "-".join(".".join(dict.fromkeys(part)) for part in zip(*tags, strict=True))
    name = distribution.metadata["Name"].replace("-", "_").replace(".", "_").lower()
    kept = {"METADATA", "WHEEL", "entry_points.txt", "top_level.txt"}
    rows: list[tuple[str, str, str]] = []
    place = ""
    with zipfile.ZipFile(folder / f"{name}-{distribution.version}-{tag}.whl", "w") as wheel:
        for file in distribution.files or ():
            path = file.as_posix()
            in_info = file.parts[0].endswith(".dist-info")
            if path.startswith("..") or path.endswith(".pyc") or (in_info and file.name not in kept):
                continue
            place = file.parts[0] if in_info else place
            data = Path(os.fspath(distribution.locate_file(file))).read_bytes()
            digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
            rows.append((path, f"sha256={digest}", str(len(data))))
            wheel.writestr(path, data)
        record = f"{place}/RECORD"
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([*rows, (record, "", "")])
        wheel.writestr(record, text.getvalue())


def index_only(index: Path) -> dict[str, str]:
    """Variables with which pip knows these wheels alone: also what builds a package is taken from there."""
    return {
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_FIND_LINKS": str(index),
        "PIP_NO_INDEX": "1",
    }


class Environment:
    """A virtual environment outside the repository; ``index`` is all that pip can install there."""

    def __init__(self, folder: Path, index: Path) -> None:
        self.folder = folder
        self.home = folder / "home"
        self.home.mkdir(parents=True)
        self.bin = folder / "venv" / ("Scripts" if os.name == "nt" else "bin")
        self.environ = {
            **index_only(index),
            "HOME": str(self.home),
            "PATH": f"{self.bin}{os.pathsep}{os.defpath}",
            "LANG": "C.UTF-8",
        }
        subprocess.run([sys.executable, "-m", "venv", str(folder / "venv")], check=True)

    def run(self, *words: str, cwd: Path | None = None, **environ: str) -> subprocess.CompletedProcess[str]:
        """Run a command of the environment; its failure is the test's."""
        done = subprocess.run(
            words, cwd=cwd or self.home, env={**self.environ, **environ}, check=False, capture_output=True, text=True,
            stdin=subprocess.DEVNULL, timeout=300,
        )  # fmt: skip
        assert done.returncode == 0, f"{' '.join(words)}\n{done.stdout}\n{done.stderr}"
        return done


if __name__ == "__main__":  # the names of all that our distributions need, for `nox -s wheels -- --dependencies`
    ours = {canonicalize_name(project_name(project)) for project in PROJECTS}
    print("\n".join(sorted(canonicalize_name(one.metadata["Name"]) for one in needed([], ours, *PROJECTS))))
