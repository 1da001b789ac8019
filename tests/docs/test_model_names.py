"""The models that examples name: none that our own facts end within a year of their day."""

from __future__ import annotations

import ast
import datetime as dt
import importlib
import json
import re
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from segue.plugin import Host

if TYPE_CHECKING:
    from collections.abc import Iterator

    from segue.plugin import Model, ProviderSpec

_ROOT = Path(__file__).parents[2]
_TOKEN = re.compile(r"[A-Za-z0-9][\w.:/-]*")
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_FOLDERS = ("cassettes", "performance", "decisions")
"""What is kept as it was on its day: recordings, figures, decisions."""


@cache
def _specs() -> dict[str, ProviderSpec]:
    """What the providers of this repository declare."""
    entries = {entry.value: entry for entry in entry_points(group="segue") if entry.value.startswith("segue_")}
    found: dict[str, ProviderSpec] = {}
    for source in sorted((_ROOT / "providers").glob("*/src/*/__init__.py")):
        assert source.parent.name in {value.partition(":")[0] for value in entries}, source
        for given in importlib.import_module(source.parent.name).segue_providers():
            spec = given.spec() if isinstance(given, Host) else given
            if not isinstance(spec, type):
                found[spec.name] = spec
    return found


@cache
def _days() -> dict[str, dt.date]:
    """By provider the last day on which its facts were read."""
    days: dict[str, dt.date] = {}
    for file in (_ROOT / "providers").glob("*/src/*/models.json"):
        text = file.read_text("utf-8")
        names = {name for model in json.loads(text)["models"] for name in model["at"]}
        day = max(map(dt.date.fromisoformat, re.findall(r"read (\d{4}-\d\d-\d\d)", text)))
        days |= dict.fromkeys(names, day)
    return days


def _end(provider: str, model: Model) -> str | None:
    """Why an example should not name it; None where it may."""
    working, deprecated, retires = (model.capabilities.fact(name) for name in ("working", "deprecated", "retires"))
    if working.value is False:
        return "does not work any more"
    if isinstance(retires.value, str):
        told = _DAY.search(retires.source)
        read = dt.date.fromisoformat(told[0]) if told else _days()[provider]
        if dt.date.fromisoformat(retires.value) <= read + dt.timedelta(days=365):
            return f"retires on {retires.value}"
    return "is deprecated" if deprecated.value is True else None


@cache
def _ended() -> dict[str, str]:
    """The names, alone and with their provider, that no example may have; one that some provider keeps may stand."""
    bad: dict[str, str] = {}
    good: set[str] = set()
    for name, spec in _specs().items():
        for model in spec.offers():
            end = _end(name, model)
            if end is None:
                good.add(model.name)
            else:
                bad[f"{name}/{model.name}"] = bad[model.name] = end
    return {name: end for name, end in bad.items() if name not in good}


def _examples() -> Iterator[tuple[str, str]]:
    """Where a reader finds names of models: pages, docstrings, help, templates; each text with its place."""
    pages = [_ROOT / "README.md", *(_ROOT / "docs").rglob("*"), *(_ROOT / "providers").glob("*/README.md")]
    for page in pages:
        if page.suffix in {".md", ".py", ".toml", ".svg"} and not set(_FOLDERS) & set(page.parts):
            yield str(page.relative_to(_ROOT)), page.read_text("utf-8")
    for source in [*(_ROOT / "core" / "src").rglob("*.py"), *(_ROOT / "providers").glob("*/src/**/*.py")]:
        place = str(source.relative_to(_ROOT))
        for node in ast.walk(ast.parse(source.read_text("utf-8"))):
            # Help and templates are strings too; what a provider's code compares names with is shorter than an example.
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value:
                yield f"{place}:{node.lineno}", node.value
    for template in (_ROOT / "core" / "src").rglob("*"):
        # The table of packages lists every model of theirs; nobody takes it for an example.
        if template.is_file() and template.suffix not in {".py", ".pyc", ".typed"} and template.name != "packages.json":
            yield str(template.relative_to(_ROOT)), template.read_text("utf-8")


def _faults(text: str) -> list[str]:
    tokens = {token.rstrip(".:/-") for token in _TOKEN.findall(text)}
    return [f"{token} {_ended()[token]}" for token in sorted(tokens) if token in _ended()]


def test_examples_name_no_model_that_ends_soon() -> None:
    """README, docs, docstrings, help and templates name models that last a year from the day of our facts."""
    assert [f"{place}: {fault}" for place, text in _examples() for fault in _faults(text)] == []


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('model="gpt-4o-mini".', "gpt-4o-mini retires on 2027-01-14"),
        ("ask `openai/gpt-4.1`: it", "openai/gpt-4.1 retires on 2027-01-14"),
        ("[cerebras/zai-glm-4.7]", "cerebras/zai-glm-4.7 does not work any more"),
        ("mistral/devstral-2512", "mistral/devstral-2512 is deprecated"),
        ("gpt-5.4-mini, acme/gpt-4o-mini-next, anthropic/claude-sonnet-5", None),
    ],
)
def test_a_name_that_ends_soon_is_found(text: str, fault: str | None) -> None:
    """A whole name is found wherever it stands, with its provider or without; a longer one is another."""
    assert _faults(text) == ([] if fault is None else [fault])


def test_the_places_of_examples_are_read() -> None:
    """Pages, help of commands, docstrings and templates are among what is looked at."""
    places = [place for place, _ in _examples()]
    for wanted in ("README.md", "docs/recipes/", "core/src/segue/cli/commands.py", "core/src/segue/client/client.py"):
        assert any(place.startswith(wanted) for place in places), wanted


def _recommending() -> list[Any]:
    return [pytest.param(name, id=name) for name, spec in sorted(_specs().items()) if spec.models]


@pytest.mark.parametrize("name", _recommending())
def test_the_first_model_of_a_provider_is_one_to_recommend(name: str) -> None:
    """It talks, works, takes tools, and our facts do not end it within a year of their day."""
    spec = _specs()[name]
    first = spec.offers()[0]
    assert _end(name, first) is None
    assert first.capabilities.fact("working").value is True
    assert first.capabilities.fact("chat").value is not False
    if spec.access == "open":
        assert first.capabilities.fact("tools").value is True


@pytest.mark.parametrize("file", sorted((_ROOT / "providers").glob("*/src/*/models.json")), ids=lambda f: f.parent.name)
def test_every_provider_of_a_file_recommends_and_says_why(file: Path) -> None:
    """A file has for each of its providers the models that are asked first, a reason and a day, and they come first."""
    told = json.loads(file.read_text("utf-8"))
    assert set(told["recommended"]) == {name for model in told["models"] for name in model["at"]}
    for name, one in told["recommended"].items():
        assert one["models"]
        assert one["why"]
        assert dt.date.fromisoformat(one["checked"])
        offered = _specs()[name].offers()
        assert [model.name for model in offered[: len(one["models"])]] == one["models"]
        assert not [model for model in offered[: len(one["models"])] if _end(name, model)]
