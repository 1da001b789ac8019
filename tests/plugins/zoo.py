"""Bad plugins, each named by what it does; zoo.toml has them, by how one finds out.

``told`` has to stand in what `segue doctor` says of it. ``code`` is its module, after the lines that all have;
``gives`` is what its hook returns, if its code has no hook. ``entry`` is what its entry point names, in place of its
module. ``kit`` names items of the kit that it does not pass.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

_HEAD = """
from segue.plugin import AsyncGeneratorProvider, Finish, Host, Model, ProviderSpec, TextDelta, hookimpl

class Provides(AsyncGeneratorProvider):
    name = {name!r}
    models = ["m"]

    @classmethod
    async def create_async_generator(cls, model, messages, proxy=None, **kwargs):
        yield "fine"

def declared(name={name!r}, **given):
    return ProviderSpec(**{{"name": name, "load": lambda: Provides, "models": ["m"], **given}})

"""

_GIVES = """
@hookimpl
def segue_providers():
    return {given}
"""


@dataclass(frozen=True)
class Bad:
    """A distribution ``zoo-NAME``, or another one, with one plugin."""

    name: str
    told: str = ""
    code: str = ""
    gives: str | None = None
    entry: str | None = None
    distribution: str = ""
    points: str | None = None
    metadata: str | None = None
    kit: tuple[str, ...] = ()

    @property
    def module(self) -> str:
        """The name of its module."""
        return f"zoo_{self.name.replace('-', '_')}"

    @property
    def origin(self) -> str:
        """The distribution."""
        return self.distribution or f"zoo-{self.name}"

    @property
    def known(self) -> str:
        """How doctor calls it: by its entry point, where that can be read."""
        return self.name if self.points is None else self.origin

    def source(self) -> str:
        """Its module."""
        gives = "" if self.gives is None else _GIVES.format(given=self.gives)
        return _HEAD.format(name=self.name) + self.code + gives

    def install(self, folder: Path) -> None:
        """As pip lays it out."""
        if self.entry is None:
            (folder / f"{self.module}.py").write_text(self.source())
        info = folder / f"{self.origin.replace('-', '_')}-1.0.dist-info"
        info.mkdir()
        metadata = f"Metadata-Version: 2.1\nName: {self.origin}\nVersion: 1.0\n"
        (info / "METADATA").write_text(metadata if self.metadata is None else self.metadata)
        points = f"[segue]\n{self.name} = {self.entry or self.module}\n" if self.points is None else self.points
        (info / "entry_points.txt").write_text(points, "latin-1")


def _read() -> dict[str, tuple[Bad, ...]]:
    tables = tomllib.loads(Path(__file__).with_suffix(".toml").read_text("utf-8"))
    return {
        kind: tuple(Bad(name, **{**told, "kit": tuple(told.get("kit", ()))}) for name, told in table.items())
        for kind, table in tables.items()
    }


_KINDS = _read()

BROKEN = (*_KINDS["at-import"], *_KINDS["as-declared"], *_KINDS["in-metadata"])
UNLOADABLE = _KINDS["unloadable"]
"""Their implementation, which is imported when it is asked, and by doctor, cannot be."""

NOTED = _KINDS["noted"]
"""They work; doctor says what else their import does."""

HARMLESS = _KINDS["harmless"]
"""They work; what their import does harms no other."""

LOOK_ALIKES = _KINDS["look-alikes"]
"""Their names are, or look like, another's."""

ASKED = _KINDS["asked"]
"""They are sound until they are asked."""

ALL = (*BROKEN, *UNLOADABLE, *NOTED, *HARMLESS, *LOOK_ALIKES, *ASKED)
