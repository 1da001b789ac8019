"""``segue new-provider``: write a package for one provider that passes the conformance kit without changes."""

from __future__ import annotations

import difflib
import importlib.metadata
import importlib.resources
import importlib.util
import keyword
import os
import re
import shlex
import tempfile
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Final, Literal, TypeAlias
from urllib.parse import urlsplit

from .. import __version__
from ..client.client import Client
from ..config import PLACEHOLDER
from ..errors import ConfigError
from ..plugins import packages
from ..plugins.registry import look_of
from ..values import dataclass
from .terminal import one_line, output, say

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ..plugins.registry import Registry
    from ..provider.host import Wire

Kind: TypeAlias = Literal["text", "host", "wire"]
"""A generator of text, a host with a known wire, or a host with its own wire."""

_NAME: Final = re.compile(r"[a-z0-9]([a-z0-9._-]*[a-z0-9])?")
"""A provider name that is also valid in a distribution name, which must end with a letter or a digit."""

_PATHS: Final[Mapping[Kind, str]] = {"text": "", "host": "/v1", "wire": ""}
_WHAT: Final[Mapping[Kind, str]] = {
    "text": "a host that answers with plain text",
    "host": "a host with the wire {wire}",
    "wire": "a host with its own wire",
}
_ENCODE: Final[Mapping[Kind, str]] = {
    "text": "messages and settings in the form that the host expects",
    "host": "its wire, and in what the host differs from it",
    "wire": "the call of a request; what the host does not support becomes a notice or an error",
}
_DECODE: Final[Mapping[Kind, str]] = {
    "text": "the bytes of its answer, cut anywhere, into pieces of text",
    "host": "nothing to write, the wire reads the answer",
    "wire": "the bytes of its answer, cut anywhere, into events; whole only with its own end marker",
}


@dataclass(frozen=True, slots=True)
class NewProvider:
    """The package to write; ``url`` and ``folder`` are None if they follow from the name."""

    name: str
    kind: Kind = "text"
    url: str | None = None
    wire: Wire | None = None
    folder: str | None = None

    @property
    def distribution(self) -> str:
        """The name of the distribution."""
        return f"segue-{self.name}"

    @property
    def module(self) -> str:
        """The name of the module."""
        return "segue_" + re.sub("[.-]", "_", self.name)

    @property
    def place(self) -> Path:
        """The folder of the package."""
        return Path(self.folder or self.distribution)

    def address(self) -> str:
        """The host's address, checked; ConfigError if it is not valid."""
        if self.url is None:
            return f"https://{re.sub('[._]', '-', self.name)}{PLACEHOLDER}{_PATHS[self.kind]}"
        try:
            parts = urlsplit(self.url)
            whole = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
        except ValueError:
            parts, whole = urlsplit(""), False
        if not whole or not re.fullmatch(r"[!-~]+", self.url) or set('"\\$') & set(self.url):
            raise ConfigError("--url must be an address like https://llm.acme.example/v1")
        if parts.username is not None or parts.query or parts.fragment:
            raise ConfigError("--url must not contain a user, password, query or fragment")
        return self.url.rstrip("/")

    def texts(self) -> dict[str, str]:
        """The values of the names in the templates."""
        words = [word for word in re.split("[._-]", self.name) if word]
        class_name = "".join(word[0].upper() + word[1:] for word in words)
        variable = f"{re.sub('[.-]', '_', self.name).upper()}_API_KEY"
        wire: Wire = self.wire or "openai_chat"
        return {
            "name": self.name,
            "title": " ".join(word[0].upper() + word[1:] for word in words),
            "distribution": self.distribution,
            "module": self.module,
            # A name of Python's begins with no digit.
            "class_name": class_name if class_name.isidentifier() else f"The{class_name}",
            "url": self.address(),
            "model": f"{self.name}-1",
            "variable": variable if variable.isidentifier() else f"_{variable}",
            "key": f'"{self.name}"' if "." in self.name else self.name,  # as TOML wants it
            "key_line": "" if self.kind == "text" else f"segue keys set {self.name}\n",
            "wire": wire,
            "what": _WHAT[self.kind].format(wire=wire),
            "encode": _ENCODE[self.kind],
            "decode": _DECODE[self.kind],
            "imports": "Client, Retry, ServerError" if self.kind == "wire" else "Client, Retry",
            "versions": _versions(__version__),
        }

    def files(self) -> dict[str, str]:
        """The text of each file of the package, by its path."""
        texts = self.texts()
        source = f"src/{self.module}"
        told = "text" if self.kind != "host" else texts["wire"]
        made = {
            "pyproject.toml": ["common/pyproject.toml"],
            "README.md": ["common/README.md"],
            ".gitignore": ["common/gitignore"],
            ".github/workflows/check.yml": ["common/check.yml"],
            f"{source}/__init__.py": [f"{self.kind}/init.py"],
            f"{source}/py.typed": [],
            f"{source}/cassettes/{self.name}-text.json": [f"{self.kind}/{told}.json"],
            f"tests/test_{self.module.removeprefix('segue_')}.py": ["common/test.py"],
        }
        if self.kind == "wire":
            made[f"{source}/cassettes/{self.name}-error.json"] = ["wire/error.json"]
            made[f"tests/test_{self.module.removeprefix('segue_')}.py"] += ["wire/more_tests.py"]
        return {path: "".join(_filled(template, texts) for template in parts) for path, parts in made.items()}


def _filled(template: str, texts: Mapping[str, str]) -> str:
    file = importlib.resources.files("segue.cli") / "templates" / f"{template}.tmpl"
    return Template(file.read_text("utf-8")).substitute(texts)


def _versions(version: str) -> str:
    """The versions of core that a package made with this one may be used with: up to the next that may break it."""
    major, minor, *_ = version.split(".")
    after = f"0.{int(minor) + 1}" if major == "0" else str(int(major) + 1)
    return f">={version},<{after}"


# ── writing ──────────────────────────────────────────────────────────────────────────────────────────


def write_provider(new: NewProvider, *, config: str | None) -> None:
    """Write the package, and print what to do next; existing files are never changed."""
    if new.wire is not None and new.kind != "host":
        raise ConfigError("--wire needs --kind host")
    _check_name(new)
    registry = Client(config=True if config is None else config).registry
    _check_free(new, registry)
    files = new.files()
    _write(new.place, files)
    for other in _like(new.name, registry.installed):
        say(
            f"note: {new.name} is easily confused with {other}, which is installed ({registry.installed[other].origin})"
        )
    out = output()
    out.write(f"{new.distribution}: {new.texts()['what']}\n\n")
    for path in files:
        out.write(f"  {one_line(str(new.place / path))}\n")
    place = shlex.quote(str(new.place))
    out.write(
        "\nnext:\n"
        f"  pip install -e {shlex.quote(f'{new.place}[test]')}\n"
        f"  segue conform {new.name}\n"
        f"  python -m pytest {place}\n"
        f"\nthen edit the four places in {one_line(str(new.place / f'src/{new.module}/__init__.py'))}\n"
    )


def _check_name(new: NewProvider) -> None:
    name = new.name
    if name.startswith(("segue-", "segue_")):
        raise ConfigError(f"give the name of the provider without 'segue-': {name[len('segue-') :] or 'acme'}")
    if not _NAME.fullmatch(name):
        raise ConfigError(
            f"{name!r} is not a provider name: use lower-case letters, digits, and between them '-', '_', '.'"
        )
    assert new.module.isidentifier()  # the name's own letters, behind letters
    assert not keyword.iskeyword(new.module)


def _check_free(new: NewProvider, registry: Registry) -> None:
    """ConfigError if something with this name already exists."""
    name = new.name
    if name in registry.installed:
        origin = registry.installed[name].origin
        where = "it is in your configuration" if origin == "code" else f"it belongs to {origin}, which is installed"
        raise ConfigError(f"the provider {name!r} already exists: {where}; take another name")
    alike = [other for other in registry.installed if look_of(other) == look_of(name)]
    if alike:
        raise ConfigError(
            f"{name!r} looks like {alike[0]!r} of {registry.installed[alike[0]].origin}, which is installed: "
            "neither of them could be used; take another name"
        )
    if name in registry.conflicts:
        raise ConfigError(f"the provider {name!r} already exists: {registry.conflicts[name]}")
    taken = [plugin for plugin in registry.plugins if plugin.name == name]
    if taken:
        raise ConfigError(
            f"the plugin {name!r} already exists: it belongs to {taken[0].distribution}, which is installed"
        )
    ours = packages.owner_of(new.name, same=look_of)
    if ours is not None:
        raise ConfigError(f"the name {name!r} belongs to {ours}, a package of Segue; take another name")
    try:
        importlib.metadata.distribution(new.distribution)
    except importlib.metadata.PackageNotFoundError:
        pass
    else:
        raise ConfigError(f"the distribution {new.distribution!r} is already installed; take another name")
    if importlib.util.find_spec(new.module) is not None:
        raise ConfigError(f"the module {new.module!r} already exists; take another name")


def _like(name: str, names: Iterable[str]) -> list[str]:
    """The names that a person could take for this one."""
    return [other for other in sorted(names) if difflib.SequenceMatcher(None, name, other).ratio() >= 0.8]


def _write(place: Path, files: Mapping[str, str]) -> None:
    """Put the whole folder there, or nothing."""
    if place.exists() and not (place.is_dir() and not any(place.iterdir())):
        raise ConfigError(f"{place} already exists: give another folder with --folder")
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place.parent, prefix=f".{place.name}.") as beside:
        folder = Path(beside) / place.name
        for path, text in files.items():
            file = folder / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, "utf-8", newline="\n")
        os.rename(folder, place)  # noqa: PTH104 - in one step; it fails where somebody else was faster
