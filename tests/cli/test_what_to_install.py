"""What a person is told where no provider package is installed, or none that has what was asked."""

from __future__ import annotations

import importlib.util
import json
import sys
import sysconfig
import tomllib
from importlib.metadata import distributions
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from command_line import CommandLine

import segue
from segue import Host
from segue.sync import Client

if TYPE_CHECKING:
    from command_line import Ended

_ROOT = Path(__file__).parent.parent.parent


class Bare(CommandLine):
    """Commands with core alone installed, and the packages that are added."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._installed = folder / "installed"
        self._installed.mkdir()
        self._path = [str(self._installed), str(Path(segue.__file__).parent.parent)]
        site = Path(sysconfig.get_path("purelib"))
        for one in site.iterdir():
            if not one.name.startswith("segue") and one.suffix != ".pth":
                (self._installed / one.name).symlink_to(one)
        self.add("segue")

    def add(self, name: str) -> None:
        """Install a distribution of ours."""
        (found,) = (one for one in distributions(name=name))
        info = f"{name.replace('-', '_')}-{found.version}.dist-info"
        (self._installed / info).symlink_to(Path(sysconfig.get_path("purelib")) / info)
        module = importlib.import_module(name.replace("-", "_"))
        assert module.__file__ is not None
        self._path.append(str(Path(module.__file__).parent.parent))

    async def __call__(self, *arguments: str, stdin: bytes = b"") -> Ended:
        self.environ["PYTHONPATH"] = ":".join(self._path)
        return await self._ended([sys.executable, "-S", "-m", "segue", *arguments], stdin)


@pytest.fixture
def bare(tmp_path: Path) -> Bare:
    """Core alone, in a home of its own."""
    return Bare(tmp_path)


_NONE = (
    "no provider package is installed: install one, for example segue-openai "
    "(in a checkout of Segue: pip install ./providers/openai; "
    "others: anthropic, bedrock, cohere, google, hosts, mistral, ollama)"
)
_OPENAI = "install segue-openai (in a checkout of Segue: pip install ./providers/openai)"
_HOSTS = "install segue-hosts (in a checkout of Segue: pip install ./providers/hosts)"
_NOBODY = "wanted: anything\ncandidates: none\n"
_KEY = f"GROQ_API_KEY is set, but no installed package uses it: {_HOSTS}"


@pytest.mark.parametrize(
    ("arguments", "code", "out", "err"),
    [
        (["chat", "Hi"], 2, "", f"error: no model can get this request\n{_NOBODY}hint: {_NONE}\n"),
        (["explain"], 2, f"{_NOBODY}hint: {_NONE}\n", ""),
        (
            ["models"], 0, "",
            f"note: no model satisfies these needs; `segue explain --needs …` shows why\nnote: {_NONE}\n",
        ),
        (["models", "--live"], 2, "", f"note: {_NONE}\nerror: no host could get a request\n"),
        (["providers"], 0, "provider  access  models  level  state  from\n", f"note: {_NONE}\n"),
        (["models", "--provider", "groq"], 2, "", f"error: no provider 'groq' is installed: {_HOSTS}\n"),
        (["conform", "groq"], 2, "", f"error: no provider 'groq' is installed: {_HOSTS}\n"),
        (
            ["keys", "set", "groq"], 2, "",
            f"error: no provider 'groq' is installed: {_HOSTS} (--force stores its key anyway)\n",
        ),
        (
            ["explain", "-m", "openai/gpt-5.4-mini"], 2,
            f"wanted: openai/gpt-5.4-mini\ncandidates: none\nhint: no provider 'openai' is installed: {_OPENAI}\n", "",
        ),
        (
            ["explain", "-m", "gpt-5.4-mini"], 2,
            f"wanted: gpt-5.4-mini\ncandidates: none\nhint: gpt-5.4-mini is a model of openai: {_OPENAI}\n", "",
        ),
        (
            ["chat", "-m", "openai/gpt-5.4-mini", "-m", "groq/x", "Hi"], 2, "",
            (
                "error: no target has a candidate\n"
                f"  1. openai/gpt-5.4-mini: no provider 'openai' is installed: {_OPENAI}\n"
                f"  2. groq/x: no provider 'groq' is installed: {_HOSTS}\n"
            ),
        ),
    ],
)  # fmt: skip
async def test_without_a_provider_package_each_command_says_which_one_to_install(
    bare: Bare, arguments: list[str], code: int, out: str, err: str
) -> None:
    """The whole output, and the exit code."""
    ended = await bare(*arguments)
    assert (ended.code, ended.out, ended.err) == (code, out, err)


async def test_doctor_is_not_well_without_a_provider_package(bare: Bare) -> None:
    """It says which one to install; with one that can be asked it is well."""
    ended = await bare("doctor")
    assert ended.code == 1
    assert f"  broken: {_NONE}\n" in ended.out
    bare.add("segue-rehearsal")
    assert (await bare("doctor")).code == 1  # which asks no model
    bare.add("segue-ollama")
    ended = await bare("doctor")
    assert (ended.code, "broken" in ended.out) == (0, False)


async def test_a_key_that_no_installed_package_uses_is_told(bare: Bare) -> None:
    """By its variable, with the package that uses it; one that is often set for another purpose is not."""
    bare.environ |= {"GROQ_API_KEY": "gsk-0123456", "GITHUB_TOKEN": "ghp-0123456"}
    ended = await bare("explain")
    hints = f"hint: no provider package is installed\nhint: {_KEY}\n"
    assert ended.out == f"{_NOBODY}{hints}"
    bare.add("segue-ollama")
    assert f"  {_KEY}\n" in (await bare("doctor")).out
    bare.add("segue-hosts")
    assert "no installed package uses it" not in (await bare("doctor")).out


async def test_needs_that_no_installed_model_meets_name_other_packages(bare: Bare) -> None:
    """Those that are not installed."""
    bare.add("segue-cohere")
    ended = await bare("explain", "--needs", "context>=1m")
    assert "hint: another provider package may have a model that fits: install one, for example segue-" in ended.out
    assert "[cohere]" not in ended.out
    for needs, hint in (
        ("tolos", "no installed model has the fact 'tolos'; did you mean 'tools'?"),
        ("context>=2m, context<=1k", "no model can satisfy both context<=1k and context>=2m"),
    ):
        wrong = await bare("explain", "--needs", needs)  # which no package can help
        assert f"hint: {hint}\n" in wrong.out
        assert "another provider package" not in wrong.out
    some = await bare("explain", "--needs", "tools")  # which a key is enough for
    assert "install" not in some.out


def test_the_table_of_packages_is_what_they_declare() -> None:
    """`python providers/list_packages.py` writes it."""
    file = importlib.util.spec_from_file_location("list_packages", _ROOT / "providers" / "list_packages.py")
    assert file is not None
    assert file.loader is not None
    module = importlib.util.module_from_spec(file)
    file.loader.exec_module(module)
    assert module.FILE.read_text("utf-8") == module.as_json(module.packages())


def test_each_package_of_the_table_is_one_of_this_repository() -> None:
    """None of the names that a person is told to install is anybody else's."""
    named = json.loads((_ROOT / "core" / "src" / "segue" / "plugins" / "packages.json").read_text("utf-8"))
    ours = {
        tomllib.loads(file.read_text("utf-8"))["project"]["name"] for file in _ROOT.glob("providers/*/pyproject.toml")
    }
    assert set(named) == ours


def test_who_looks_at_no_plugin_is_told_of_none() -> None:
    """A client of its own providers alone is not told to install others."""
    with Client(plugins=False, config=False, providers=[Host("one", "http://127.0.0.1:9/v1", models=["m"])]) as client:
        assert client.select(model="openai/gpt-5.4-mini").hints == ("no provider has a model 'openai/gpt-5.4-mini'",)


async def test_a_key_whose_package_is_missing_is_not_answered_by_a_rehearsal(bare: Bare) -> None:
    """The error says which package to install."""
    bare.add("segue-rehearsal")
    bare.environ["GROQ_API_KEY"] = "gsk-0123456789"
    ended = await bare("chat", "Hi")
    assert (ended.code, ended.out, ended.err) == (2, "", f"error: {_KEY}\n")


async def test_a_stored_key_whose_package_is_missing_is_not_answered_by_a_rehearsal(bare: Bare) -> None:
    """The error says which package to install."""
    bare.add("segue-rehearsal")
    store = bare.folder / "keys.toml"
    store.write_text('groq = "gsk-0123456789"\n')
    store.chmod(0o600)
    bare.environ["SEGUE_KEYS"] = str(store)
    ended = await bare("chat", "Hi")
    told = f"{store} has a key for groq, but no provider 'groq' is installed: {_HOSTS}"
    assert (ended.code, ended.out, ended.err) == (2, "", f"error: {told}\n")
