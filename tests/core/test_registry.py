"""What is installed: plugins that fail in their own way, and implementations that wait until they are asked."""

from __future__ import annotations

import sys
from importlib.metadata import EntryPoint
from types import ModuleType
from typing import TYPE_CHECKING

import pytest

from segue import Client, PluginError
from segue.plugin import AsyncGeneratorProvider, ProviderSpec, hookimpl
from segue.plugins.registry import Registry

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path
    from typing import Any

LAZY = """
from segue.plugin import AsyncGeneratorProvider

class Lazy(AsyncGeneratorProvider):
    @classmethod
    async def create_async_generator(cls, model, messages, proxy=None, **kwargs):
        yield "awake"
"""


class Good(AsyncGeneratorProvider):
    """Answers."""

    models = ("good-1",)

    @classmethod
    async def create_async_generator(cls, *_: Any, **__: Any) -> AsyncIterator[str]:  # type: ignore[override]
        yield "good"


class _Distribution:
    version = "2.5"

    def __init__(self, name: str) -> None:
        self.name = name


def entry_to(name: str, module: str) -> EntryPoint:
    """An entry point of the distribution ``dist-NAME``."""
    found = EntryPoint(name, module, "segue")
    vars(found).update(dist=_Distribution(f"dist-{name}"))
    return found


@pytest.fixture
def plugin(monkeypatch: pytest.MonkeyPatch) -> Callable[..., EntryPoint]:
    """Makes an entry point to a module whose hook gives what it is told to."""

    def make(name: str, gives: Callable[[], object], **attributes: object) -> EntryPoint:
        module = ModuleType(f"menagerie_{name}")

        @hookimpl
        def segue_providers() -> object:
            return gives()

        vars(module).update(attributes, segue_providers=segue_providers)
        monkeypatch.setitem(sys.modules, module.__name__, module)
        return entry_to(name, module.__name__)

    return make


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], str]:
    """Writes a module that can be imported; it is forgotten after the test."""
    monkeypatch.syspath_prepend(tmp_path)

    def write(name: str, code: str) -> str:
        (tmp_path / f"{name}.py").write_text(code)
        # As if it were there before: what the test imports is then taken out with the rest.
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
        del sys.modules[name]
        return name

    return write


@pytest.mark.parametrize(
    ("code", "cause", "told"),
    [
        ('raise RuntimeError("no such luck")', RuntimeError, "RuntimeError: no such luck"),
        ("import sys; sys.exit(3)", SystemExit, "SystemExit: 3"),
        ("def (", SyntaxError, "SyntaxError"),
        ("import menagerie_of_nobody", ImportError, "menagerie_of_nobody"),
    ],
)
def test_a_module_that_fails_at_its_import_is_kept_with_the_cause(
    code: str, cause: type[BaseException], told: str, written: Callable[[str, str], str], plugin: Any
) -> None:
    """Whatever an import raises, exit included, stands under the entry point's name, and the next plugin loads."""
    broken = entry_to("bad", written("menagerie_bad_import", code))
    registry = Registry(entries=[broken, plugin("good", lambda: [Good])])
    (bad,) = registry.broken
    assert (bad.name, bad.distribution, bad.version, bad.providers) == ("bad", "dist-bad", "2.5", ())
    assert bad.error is not None
    assert told in str(bad.error)
    assert "dist-bad" in str(bad.error)
    assert bad.error.plugin == "bad"
    assert isinstance(bad.error.__cause__, cause)
    assert list(registry.installed) == ["good"]


@pytest.mark.parametrize("garbage", [3, "text", [None], [object()], [object], [Good, 3], [{"name": "x"}]])
def test_what_is_no_provider_breaks_the_whole_plugin(garbage: object, plugin: Any) -> None:
    """A hook that gives something else is broken, also where one of what it gives would do."""
    registry = Registry(entries=[plugin("bad", lambda: garbage)])
    assert [one.name for one in registry.broken] == ["bad"]
    assert not registry.installed


def test_a_hook_that_forgets_its_return_is_broken(plugin: Any) -> None:
    """To pluggy None is no answer; here its author meant one. An empty list provides nothing, and says so."""
    registry = Registry(entries=[plugin("mute", lambda: None), plugin("none", list)])
    (broken,) = registry.broken
    assert "segue_providers returned None, not a list" in str(broken.error)
    assert (broken.name, dict(registry.installed)) == ("mute", {})


@pytest.mark.parametrize("name", ["", "Upper", "with space", "a/b", "-a", "ä"])
def test_a_name_that_could_not_be_asked_for_breaks_its_plugin(name: str, plugin: Any) -> None:
    """A provider's name has to be one that ``provider/model`` can hold."""
    registry = Registry(entries=[plugin("bad", lambda: [ProviderSpec(name, load="a:b")])])
    told = "is not a valid provider name" if name else "name must be the name of a provider, not empty"
    assert told in str(registry.broken[0].error)


@pytest.mark.parametrize("version", [0, 2, "1", None])
def test_another_api_version_is_refused(version: object, plugin: Any) -> None:
    """Only the version that is served is loaded, and the error names both."""
    registry = Registry(entries=[plugin("other", lambda: [Good], segue_api=version)])
    assert f"segue_api {version!r}, but this is 1" in str(registry.broken[0].error)
    assert Registry(entries=[plugin("same", lambda: [Good], segue_api=1)]).installed


def test_an_interrupt_is_no_broken_plugin(plugin: Any) -> None:
    """Ctrl-C while plugins load ends the program."""

    def interrupted() -> object:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Registry(entries=[plugin("slow", interrupted)])


async def test_a_conflict_is_told_to_who_asks_for_that_name(plugin: Any, plugins_here: Any) -> None:
    """Of three that claim one name all are named; only a call that names it fails."""

    class Other(Good):
        models = ("other-1",)

    entries = [plugin(name, lambda: [Good]) for name in ("one", "two")]
    entries.append(plugin("three", lambda: [Good, Other]))
    plugins_here(entries)
    async with Client(config=False, environ={}) as client:
        assert not client.registry.broken
        for model in ("good", "good/good-1"):
            with pytest.raises(PluginError, match="'good' is claimed by dist-one and dist-two and dist-three"):
                client.stream("x", model=model)
        assert (await client.chat("x", model="other-1")).provider == "other"
        assert (await client.chat("x")).provider == "other"


def test_given_in_code_stands_above_installed(plugin: Any) -> None:
    """A provider given in code replaces the installed one of its name; plugins=False looks at none."""
    entries = [plugin("good", lambda: [ProviderSpec("good", load="menagerie_of_nobody:X")])]
    assert Registry(entries=entries).installed["good"].origin == "dist-good"
    above = Registry(entries=entries, providers=[Good])
    assert above.installed["good"].origin == "code"
    assert above.provider("good").name == "good"
    twice = [plugin("one", lambda: [Good]), plugin("two", lambda: [Good])]
    assert not Registry(entries=twice, providers=[Good]).conflicts
    assert Registry(entries=entries, plugins=False).plugins == ()


async def test_an_implementation_is_imported_when_it_is_first_asked(written: Callable[[str, str], str]) -> None:
    """Listing and selecting do not import it; the first call does."""
    name = written("menagerie_lazy", LAZY)
    spec = ProviderSpec("lazy", load=f"{name}:Lazy", models=["m"])
    async with Client(providers=[spec], plugins=False, config=False, environ={}) as client:
        assert [one.name for one in client.models()] == ["lazy/m"]
        assert client.select(model="lazy/m").candidates
        assert name not in sys.modules
        assert (await client.chat("x", model="lazy/m")).text == "awake"
        assert name in sys.modules
        assert client.registry.provider("lazy") is client.registry.provider("lazy")


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("import sys; sys.exit(3)", "SystemExit: 3"),
        ("", "AttributeError"),
        ("Lazy = 3", "is not a provider"),
        ("class Lazy:\n    def __init__(self): raise OSError('disk')", "OSError: disk"),
    ],
)
def test_what_cannot_be_loaded_is_a_plugin_error(code: str, told: str, written: Callable[[str, str], str]) -> None:
    """A provider whose import string leads nowhere says whose it is and why."""
    name = written("menagerie_unloadable", code)
    registry = Registry(plugins=False, providers=[ProviderSpec("lazy", load=f"{name}:Lazy")])
    with pytest.raises(PluginError, match=r"'lazy' of code cannot be loaded") as caught:
        registry.provider("lazy")
    assert told in str(caught.value)
    assert caught.value.plugin == "lazy"
    assert caught.value.__cause__ is not None


def test_a_setting_for_a_broken_plugin_tells_why_it_is_broken(plugin: Any, plugins_here: Any) -> None:
    """A key for a plugin that is there but broken is not «no such provider»."""

    def boom() -> object:
        raise RuntimeError("boom")

    broken = plugin("bad", boom)
    plugins_here([broken])
    with pytest.raises(PluginError, match="RuntimeError: boom"):
        Client(api_keys={"bad": "k"}, config=False, environ={})
