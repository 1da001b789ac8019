"""A place where distributions are installed for a test, as pip lays them out, and a catalogue of its own."""

from __future__ import annotations

import importlib
import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from segue.plugins import catalogued

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from segue.plugins import Declared, Entry

_LONG_AGO = 1_700_000_000

NOTES = """
import os
with open({log!r}, "a") as log:
    log.write(f"{{__name__}}\\n")
"""

GIVES = """
from segue.plugin import ProviderSpec, hookimpl

@hookimpl
def segue_providers():
    return [ProviderSpec(name={name!r}, load="nowhere:Nothing", models={models!r})]
"""


class Site:
    """Distributions in ``site-packages``; what is imported of them, in whichever process, is noted."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "site-packages"
        self.folder.mkdir(parents=True)
        self._changes = 0
        self.log = folder / "imported"
        self.log.touch()

    def install(
        self,
        name: str,
        code: str | None = None,
        *,
        models: tuple[str, ...] = ("one",),
        version: str = "1.0",
        distribution: str | None = None,
        module: str | None = None,
        entry: str | None = None,
        source: Path | None = None,
    ) -> Path:
        """A distribution ``NAME-dist`` with one plugin in one module; its file."""
        module = module or name.replace("-", "_")
        distribution = distribution or f"{name}-dist"
        file = (source or self.folder) / f"{module}.py"
        # As after pip, which compiles: else the first import would change the folder, and be a change of what is there.
        (file.parent / "__pycache__").mkdir(exist_ok=True)
        gives = GIVES.format(name=name, models=models) if code is None else code
        file.write_text(NOTES.format(log=str(self.log)) + gives)
        info = self.folder / f"{distribution.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n")
        (info / "entry_points.txt").write_text(f"[segue]\n{name} = {entry or module}\n")
        self.settle()
        return file

    def remove(self, distribution: str) -> None:
        """Take one away; its module stays, as if another had it too."""
        for info in self.folder.glob(f"{distribution.replace('-', '_')}-*.dist-info"):
            shutil.rmtree(info)

    def settle(self) -> None:
        """As if the last change were long ago, though after the ones before it."""
        self._changes += 1
        for parent, _, names in os.walk(self.folder.parent):
            for path in (Path(parent, name) for name in ["", *names]):
                if path.stat().st_mtime > _LONG_AGO + self._changes:
                    os.utime(path, (_LONG_AGO + self._changes, _LONG_AGO + self._changes))

    def imported(self) -> list[str]:
        """What was imported since it was last asked."""
        names = self.log.read_text().split()
        self.log.write_text("")
        return names

    def read(self, *, allowed: Callable[[Entry], bool] = lambda entry: True, **options: Any) -> dict[str, Declared]:
        """What these distributions declare, by the names of their plugins; those of the repository are left alone."""
        options.setdefault("time_limit", 30.0)
        ours = str(self.folder.parent)
        found = catalogued(lambda entry: entry.place.startswith(ours) and allowed(entry), **options)
        return {one.entry.name: one for one in found}


def _is_of_tests(place: Path) -> bool:
    root = Path(__file__).parents[2]
    return place == root or place.is_relative_to(root / "tests")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """An empty one, first on the path."""
    site = Site(tmp_path / "installed")
    monkeypatch.setenv("SEGUE_CACHE", str(tmp_path / "cache"))
    # Without the folders of the tests, in which other tests and coverage write meanwhile.
    others = [place for place in sys.path if place and not _is_of_tests(Path(place))]
    monkeypatch.setattr(sys, "path", [str(tmp_path / "scripts"), str(site.folder), *others])
    before = set(sys.modules)
    importlib.invalidate_caches()
    yield site
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[name]
