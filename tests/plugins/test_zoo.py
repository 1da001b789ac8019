"""A hundred bad plugins, all installed at once: every command works, and each of them is named."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import pytest
import zoo
from command_line import CommandLine

from understudy.testing import OpenAIHost

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from command_line import Ended

LIMIT = 3
"""Seconds that a plugin may take here; zoo.py says so too."""


def home(folder: Path) -> CommandLine:
    """The command line in a home of its own, with a catalogue of its own."""
    folder.mkdir()
    cli = CommandLine(folder)
    cli.environ |= {"UNDERSTUDY_CACHE": str(folder / "cache"), "XDG_CONFIG_HOME": str(folder / "config")}
    (folder / "config" / "understudy").mkdir(parents=True)
    (folder / "config" / "understudy" / "understudy.toml").write_text(f"[plugins]\ntime_limit = {LIMIT}\n")
    cli.plugins.mkdir()
    return cli


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> CommandLine:
    """The repository's own providers, and no other."""
    return home(tmp_path_factory.mktemp("alone") / "home")


@pytest.fixture(scope="module")
def beside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CommandLine]:
    """The whole zoo beside them."""
    cli = home(tmp_path_factory.mktemp("zoo") / "home")
    tree = cli.plugins / "zoo_tree"
    tree.mkdir()
    (tree / "__init__.py").write_text("".join(f"from . import part_{number}\n" for number in range(30)))
    for number in range(30):
        (tree / f"part_{number}.py").write_text("import re\nWORDS = [re.compile(f'{n}+') for n in range(50)]\n")
    for bad in zoo.ALL:
        bad.install(cli.plugins)
    yield cli
    assert not (cli.folder / "core").exists()


@pytest.fixture(scope="module")
def examined(beside: CommandLine) -> Ended:
    """What doctor says of it."""
    return asyncio.run(beside("doctor"))


# ── commands ─────────────────────────────────────────────────────────────────────────────────────────

COMMANDS = (
    ("--help",),
    ("--version",),
    ("chat", "--help"),
    ("providers",),
    ("providers", "--json"),
    ("models",),
    ("models", "--json"),
    ("models", "--needs", "tools"),
    ("explain",),
    ("explain", "--json"),
    ("explain", "-m", "openai/gpt-4o"),
    ("chat", "-m", "rehearsal", "Hello"),
    ("chat", "-m", "rehearsal", "--json", "Hello"),
    ("chat", "-m", "openai/gpt-4o", "Hello"),
    ("rehearse", "-m", "openai/gpt-4o", "-m", "anthropic/claude-sonnet-4-5"),
    ("rehearse", "-m", "openai/gpt-4o", "--json"),
    ("config", "check"),
    ("config", "show"),
    ("config", "show", "--json"),
    ("keys", "list"),
    ("keys", "list", "--json"),
    ("completion", "bash"),
    ("no-such-command",),
)


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
async def test_every_command_works_beside_it(
    alone: CommandLine, beside: CommandLine, arguments: tuple[str, ...]
) -> None:
    """The exit code is that without the zoo, nothing that a plugin prints is in the output, and JSON is JSON."""
    without, ended = await asyncio.gather(alone(*arguments), beside(*arguments))
    assert ended.code == without.code, ended.err
    assert not [line for line in ended.out.splitlines() if line.strip() in {"hello", "hello from the zoo"}]
    assert "Traceback" not in ended.out + ended.err
    assert "\x1b" not in ended.out + ended.err
    if "--json" in arguments:
        json.loads(ended.out)
    elif arguments[0] not in {"providers", "models", "explain", "chat", "rehearse"}:
        assert ended.out == without.out.replace(str(alone.folder), str(beside.folder))


@pytest.mark.parametrize("more", [(), ("--json",)], ids=["text", "json"])
async def test_a_host_is_probed_beside_it(beside: CommandLine, more: tuple[str, ...]) -> None:
    """As ever."""
    async with OpenAIHost() as host:
        cli = CommandLine(beside.folder)
        cli.environ = beside.environ | {"OPENAI_API_KEY": "canary-of-the-zoo", "OPENAI_BASE_URL": f"{host.url}/v1"}
        ended = await cli("probe", "openai/gpt-4o", *more)
    assert ended.code == 0, ended.err
    assert "openai/gpt-4o" in ended.out or json.loads(ended.out)


async def test_of_the_others_everything_is_there(alone: CommandLine, beside: CommandLine, examined: Ended) -> None:
    """All providers of the repository but those whose names are claimed twice, with all their models."""
    without = {one["name"]: one for one in json.loads((await alone("providers", "--json")).out)["providers"]}
    there = {one["name"]: one for one in json.loads((await beside("providers", "--json")).out)["providers"]}
    assert set(without) - set(there) == {"mistral", "google", "cromicle"}
    assert all(there[name] == one for name, one in without.items() if name in there)


# ── each is named ────────────────────────────────────────────────────────────────────────────────────


def lines_of(bad: zoo.Bad, ended: Ended) -> list[str]:
    """What doctor says of one, its details with it."""
    lines = ended.out.splitlines()
    of = f"{bad.known} of {bad.origin}"
    heads = [line.strip().removeprefix("broken: ") for line in lines]
    (start,) = [place for place, head in enumerate(heads) if head.startswith((f"{of} 1.0: ", f"{of}: "))]
    end = next((place for place in range(start + 1, len(lines)) if not lines[place].startswith("    ")), len(lines))
    return lines[start:end]


def test_doctor_says_that_something_is_broken(examined: Ended) -> None:
    """By its exit code, and how much."""
    assert examined.code == 1
    assert "found broken" in examined.out.splitlines()[-1]
    assert "\x1b" not in examined.out


@pytest.mark.parametrize("bad", zoo.BROKEN, ids=lambda bad: bad.name)
def test_doctor_names_what_is_broken_with_its_cause(examined: Ended, bad: zoo.Bad) -> None:
    """Distribution and cause in one line."""
    line, *_ = lines_of(bad, examined)
    assert line.startswith(f"  broken: {bad.known} of {bad.origin}")
    assert bad.told in line


@pytest.mark.parametrize("bad", zoo.UNLOADABLE, ids=lambda bad: bad.name)
def test_doctor_names_what_cannot_be_loaded_with_its_cause(examined: Ended, bad: zoo.Bad) -> None:
    """Its declaration is sound; its implementation is imported by doctor alone."""
    assert not lines_of(bad, examined)[0].startswith("  broken")
    lines = [line for line in examined.out.splitlines() if f"the provider {bad.name!r} of {bad.origin} cannot" in line]
    assert len(lines) == 1
    assert bad.told in lines[0]


@pytest.mark.parametrize("bad", [*zoo.NOTED, *zoo.HARMLESS, *zoo.ASKED], ids=lambda bad: bad.name)
def test_doctor_lists_what_can_be_used_and_what_else_it_does(examined: Ended, bad: zoo.Bad) -> None:
    """None of those before it has harmed it."""
    lines = lines_of(bad, examined)
    assert lines[0].startswith(f"  {bad.name} of {bad.origin} 1.0: {bad.name}")
    if bad in zoo.NOTED:
        assert bad.told in "\n".join(lines)
    else:
        assert len(lines) == 2, lines


@pytest.mark.parametrize("bad", zoo.LOOK_ALIKES, ids=lambda bad: bad.name)
def test_doctor_names_both_who_claim_a_name_or_one_that_looks_like_it(examined: Ended, bad: zoo.Bad) -> None:
    """Neither is used until the user says which."""
    assert bad.told in examined.out


async def test_a_look_alike_is_used_where_it_is_preferred(beside: CommandLine) -> None:
    """Each name for itself."""
    prefer = 'prefer = { cromicle = "understudy-cromicle", zoo_twin = "zoo-with-underscores" }'
    config = beside.config(f"[plugins]\ntime_limit = {LIMIT}\n{prefer}\n")
    told = json.loads((await beside("providers", "--json", "--config", config)).out)
    names = {one["name"]: one["distribution"] for one in told["providers"]}
    assert (names["cromicle"], names["zoo_twin"]) == ("understudy-cromicle", "zoo-with-underscores")
    assert {"cro-micle", "zoo-twin", "mistral"} <= {one["name"] for one in told["conflicts"]}
    assert not {"cro-micle", "zoo-twin", "mistral"} & set(names)


# ── and harms nobody ─────────────────────────────────────────────────────────────────────────────────


async def test_a_second_start_imports_none_of_it(beside: CommandLine, examined: Ended) -> None:
    """What was told of each is kept: the file that one of them writes at its import is not written again."""
    written = beside.plugins / "zoo_writes_a_file.written"
    written.unlink()
    assert (await beside("models")).code == 0
    assert (await beside("chat", "-m", "rehearsal", "Hello")).code == 0
    assert not written.exists()


async def test_what_deletes_its_own_metadata_is_gone(tmp_path: Path) -> None:
    """Everything else is there; the next start does not know it."""
    cli = home(tmp_path / "home")
    code = "import pathlib, shutil\nshutil.rmtree(next(pathlib.Path(__file__).parent.glob('*info')))\n"
    code += "from understudy.plugin import hookimpl\n@hookimpl\ndef understudy_providers():\n    return []\n"
    cli.plugin("zoo-deletes", code, module="zoo_deletes")
    first = await cli("doctor")
    assert "  zoo-deletes of zoo_deletes-dist 1.0: nothing\n" in first.out
    second = await cli("doctor")
    assert second.code == 0
    assert "zoo-deletes" not in second.out
