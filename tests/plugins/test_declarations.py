"""What a plugin declares comes out of the catalogue as it went in; what is code in it is imported when it is needed."""

from __future__ import annotations

import json
import sys
from importlib.metadata import EntryPoint
from typing import TYPE_CHECKING, Any

import pytest

from segue import PluginError
from segue.capabilities import Capabilities, Fact
from segue.plugins import Entry
from segue.plugins.declarations import from_plain, to_plain
from segue.plugins.entries import find
from segue.plugins.loading import Late
from segue.provider.contract import Conformance, Model, ProviderSpec
from segue.provider.host import Host

if TYPE_CHECKING:
    from sites import Site

FACTS = Capabilities(
    {
        "tools": Fact(value=True, source="the vendor's page, 2026-11-01"),
        "vision": Fact(value=False, source="the vendor's page, 2026-11-01"),
        "context": Fact(value=128_000, source="a table"),
        "input_price": Fact(value=0.25, source="a table"),
        "family": Fact(value="acme", source="a table"),
        "audio": Fact(value=None, source="nobody knows"),
    }
)


def again(given: ProviderSpec | Host, late: Any = None) -> ProviderSpec:
    """Through JSON and back."""
    return from_plain(json.loads(json.dumps(to_plain(given), allow_nan=False)), late)


def test_a_declaration_is_the_same_afterwards() -> None:
    """Every field, every fact with its source, and models that are names alone."""
    given = ProviderSpec(
        name="acme",
        load="acme.provider:Acme",
        models=("plain", Model("told", FACTS)),
        capabilities={"working": True},
        env=["ACME_API_KEY", "ACME_KEY"],
        base_url_env="ACME_URL",
        url="https://acme.example",
        key_url="https://acme.example/keys",
        access="public",
        options="acme.options:Options",
        conformance=Conformance(
            "full", wire="openai_chat", options={"account": "a"}, expected_failures={"fault F13": "no marker"}
        ),
    )
    found = again(given)
    assert found.offers() == given.offers()
    assert found.shared() == given.shared()
    assert (found.load, found.options, found.conformance) == (given.load, given.options, given.conformance)
    for name in ("name", "base_url_env", "url", "key_url", "access"):
        assert getattr(found, name) == getattr(given, name)
    assert list(found.env) == list(given.env)
    assert found.without_key is None


def test_a_row_is_the_same_afterwards() -> None:
    """Its wires, quirks and headers with it, for it is asked by them."""
    given = Host(
        "acme",
        "https://acme.example/v1",
        env=("ACME_API_KEY",),
        models=(Model("told", FACTS), "plain"),
        capabilities={"working": True},
        wire="openai_responses",
        wires=("openai_chat",),
        quirks=("max_completion_tokens",),
        headers={"x-acme": "1"},
        base_url_env="ACME_URL",
        key_url="https://acme.example/keys",
        options="acme.options:Options",
        source="the vendor's page",
        checked="2026-11-01",
        expected_failures={"fault F13": "no marker"},
    )
    found = again(given)
    expected = given.spec()
    assert found.offers() == expected.offers()
    assert (found.conformance, found.options, found.url) == (expected.conformance, expected.options, expected.url)
    row = found.load()._host  # type: ignore[operator]
    for name in ("wire", "wires", "quirks", "headers", "source", "checked", "base_url_env"):
        kept = getattr(row, name)
        assert (tuple(kept) if isinstance(kept, list) else kept) == getattr(given, name), name


LATE = """
from pydantic import BaseModel
from segue.plugin import AsyncGeneratorProvider, Host, ProviderSpec, hookimpl

class Options(BaseModel):
    account: str = "mine"

class Acme(AsyncGeneratorProvider):
    models = ["m"]

    @classmethod
    async def create_async_generator(cls, model, messages, proxy=None, **kwargs):
        yield "hello"

GIVEN = ["zoo-late", "zoo-row"]

@hookimpl
def segue_providers():
    given = {
        "zoo-late": ProviderSpec(
            name="zoo-late", load=lambda: Acme, models=["m"], env=["ZOO_KEY"], options=lambda: Options,
            without_key=lambda environ, options: None if "ZOO_LOGIN" in environ else f"log in as {options['account']}",
        ),
        "zoo-row": Host("zoo-row", "https://acme.example/v1"),
    }
    return [given[name] for name in GIVEN]
"""


def test_what_is_code_is_imported_when_it_is_needed(site: Site) -> None:
    """The implementation, the model of the options, and what can be said without a key."""
    site.install("zoo-late", LATE)
    specs = {name: read() for name, read in site.read()["zoo-late"].providers}
    site.imported()
    spec = specs["zoo-late"]
    assert "zoo_late" not in sys.modules
    assert callable(spec.load)
    assert callable(spec.options)
    assert spec.without_key is not None
    assert spec.without_key({}, {"account": "me"}) == "log in as me"
    assert site.imported() == ["zoo_late"]
    assert spec.without_key({"ZOO_LOGIN": "1"}, {}) is None
    assert spec.load().__name__ == "Acme"  # type: ignore[attr-defined]
    model = spec.options()  # type: ignore[call-arg, misc]
    assert model is not None
    assert model.__name__ == "Options"
    assert site.imported() == []


def test_what_it_does_not_give_any_more_is_an_error_of_the_plugin(site: Site) -> None:
    """The catalogue may be older than what is imported by a moment."""
    site.install("zoo-late", LATE)
    declared = site.read()["zoo-late"]
    late = declared.late
    late.load()
    vars(sys.modules["zoo_late"])["GIVEN"][:] = ["zoo-row"]
    assert late.spec("zoo-row").url == "https://acme.example/v1"
    assert late.obstacle("zoo-row", {}, {}) is None
    with pytest.raises(
        PluginError, match="plugin 'zoo-late' of zoo-late-dist does not have the provider 'zoo-late' any more"
    ):
        late.implementation("zoo-late")


# ── entry points ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("value", "top", "expected"),
    [
        ("json", "json", json),
        ("json:dumps", "json", json.dumps),
        ("json.decoder : JSONDecoder.decode", "json", json.JSONDecoder.decode),
        ("json:loads [extra]", "json", json.loads),
    ],
)
def test_an_entry_point_names_a_module_or_something_in_it(value: str, top: str, expected: object) -> None:
    """As Python's own library reads it."""
    entry = Entry("segue", "acme", value, "acme-dist", "1.0")
    assert entry.load() is expected
    assert entry.top == top
    assert Entry(*entry.plain()) == entry


def test_an_entry_point_that_is_nobodys_says_so() -> None:
    """Made in code, it has no distribution."""
    entry = Entry.of(EntryPoint("acme", "json", "segue"))
    assert (entry.distribution, entry.version, str(entry)) == (
        "unknown distribution", "", "'acme' of unknown distribution",
    )  # fmt: skip


def test_a_plugin_of_another_api_is_refused(site: Site) -> None:
    """Its author and its user are told what to do."""
    site.install("zoo-old", "segue_api = 2\n")
    with pytest.raises(PluginError, match="it is made for segue_api 2, but this is 1: update one of the two"):
        Late(site.read()["zoo-old"].entry).load()


def test_what_pip_could_not_take_away_is_not_installed(site: Site) -> None:
    """A folder ``~NAME`` is what an interrupted uninstallation leaves."""
    site.install("zoo-light")
    (info,) = site.folder.glob("*.dist-info")
    info.rename(site.folder / "~oo_light_dist-1.0.dist-info")
    assert not [entry for entry in find() if entry.name == "zoo-light"]


def test_of_a_distribution_in_two_places_the_first_counts(site: Site, tmp_path: Any, monkeypatch: Any) -> None:
    """As for Python's own import; the second is not told of, not even with another version."""
    other = type(site)(tmp_path / "other")
    site.install("zoo-light", version="1.0")
    other.install("zoo-light", version="2.0")
    monkeypatch.setattr(sys, "path", [*sys.path, str(other.folder)])
    (entry,) = [entry for entry in find() if entry.name == "zoo-light"]
    assert (entry.version, entry.place) == ("1.0", str(site.folder))


def test_damaged_metadata_of_others_are_nobodys_business_here(site: Site) -> None:
    """Only where a list names us, it is told that it cannot be read."""
    for name, points in {"zoo_other": b"[console_scripts]\n\xff", "zoo_ours": b"[segue]\nx = \xff"}.items():
        info = site.folder / f"{name}-1.0.dist-info"
        info.mkdir()
        (info / "entry_points.txt").write_bytes(points)
    (broken,) = [entry for entry in find() if entry.fault]
    assert (broken.name, broken.fault) == ("zoo-ours", "its metadata cannot be read (UnicodeDecodeError)")
    with pytest.raises(PluginError, match="its metadata cannot be read"):
        broken.load()
