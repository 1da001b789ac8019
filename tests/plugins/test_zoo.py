"""A hundred bad plugins, all installed at once: every command works, and each of them is named."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import pytest
import zoo
from command_line import CommandLine

from segue.testing import OpenAIHost

if TYPE_CHECKING:
    from pathlib import Path

    from command_line import Ended

LIMIT = 3
"""Seconds that a plugin may take here; zoo.py says so too."""


def home(folder: Path) -> CommandLine:
    """The command line in a home of its own, with a catalogue of its own."""
    folder.mkdir()
    cli = CommandLine(folder)
    cli.environ |= {"SEGUE_CACHE": str(folder / "cache"), "XDG_CONFIG_HOME": str(folder / "config")}
    (folder / "config" / "segue").mkdir(parents=True)
    (folder / "config" / "segue" / "segue.toml").write_text(f"[plugins]\ntime_limit = {LIMIT}\n")
    cli.plugins.mkdir()
    return cli


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> CommandLine:
    """The repository's own providers, and no other."""
    return home(tmp_path_factory.mktemp("alone") / "home")


@pytest.fixture(scope="module")
def beside(tmp_path_factory: pytest.TempPathFactory) -> CommandLine:
    """The whole zoo beside them."""
    cli = home(tmp_path_factory.mktemp("zoo") / "home")
    for bad in zoo.ALL:
        bad.install(cli.plugins)
    return cli


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
    assert "problems found" in examined.out.splitlines()[-1]
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
    prefer = 'prefer = { cromicle = "segue-cromicle", zoo_twin = "zoo-with-underscores" }'
    config = beside.config(f"[plugins]\ntime_limit = {LIMIT}\n{prefer}\n")
    told = json.loads((await beside("providers", "--json", "--config", config)).out)
    names = {one["name"]: one["distribution"] for one in told["providers"]}
    assert (names["cromicle"], names["zoo_twin"]) == ("segue-cromicle", "zoo-with-underscores")
    assert {"cro-micle", "zoo-twin", "mistral"} <= {one["name"] for one in told["conflicts"]}
    assert not {"cro-micle", "zoo-twin", "mistral"} & set(names)


# ── what only asking finds out ────────────────────────────────────────────────────────────────────────

NOT_BAD = {
    "cannot-tell-whether-it-wants-a-key", "changes-the-process", "has-options-that-are-missing", "imports-much",
    "raises-in-its-repr", "starts-a-thread", "starts-a-thread-that-stays", "stops-collecting", "yields-its-providers",
    "yields-nothing",
}  # fmt: skip
"""What their import does is over with the process in which it was inspected, or is told where it is met."""

BY_KIT = tuple(bad for bad in (*zoo.ASKED, *zoo.NOTED, *zoo.HARMLESS) if bad.kit)

_ASK_ALL = """
import asyncio, json, sys
from segue import Client, Timeout

async def asked(client, name, way):
    try:
        async with client.stream("Hello", model=f"{name}/m") as stream:
            return (await stream.reply()).text
    except BaseException as error:
        return f"{type(error).__name__}: {error}"

async def main():
    async with Client(timeout=Timeout(first_event=1.0, idle=1.0)) as client:
        return {name: await asked(client, name, "stream") for name in sys.argv[1:]}

told = asyncio.run(main())
print("\\n" + json.dumps(told))
"""


@pytest.fixture(scope="module")
def answered(beside: CommandLine) -> dict[str, str]:
    """What a client comes to that asks each of them, one after the other, in one process."""
    cli = CommandLine(beside.folder)
    # With damaged metadata somewhere pydantic, which looks for plugins of its own, cannot be imported.
    cli.environ = beside.environ | {"PYDANTIC_DISABLE_PLUGINS": "1"}
    ended = asyncio.run(cli.python(_ASK_ALL, *(bad.name for bad in zoo.ASKED)))
    assert ended.code == 0, ended.err
    told: dict[str, str] = json.loads(ended.out.splitlines()[-1])
    return told


@pytest.mark.parametrize("bad", zoo.ASKED, ids=lambda bad: bad.name)
def test_a_caller_gets_an_answer_or_an_error_of_ours(answered: dict[str, str], bad: zoo.Bad) -> None:
    """The next one is asked as ever. What calls ``sys.exit`` means the program, whoever it is."""
    assert answered[bad.name].startswith(bad.told or "hello") or bad.name == "goes-on-after-its-end"


@pytest.fixture(scope="module")
def tried(beside: CommandLine) -> dict[tuple[str, str], dict[str, str]]:
    """What the kit says of each that it names, by provider and item: those items, and that of its declaration."""

    async def try_all() -> list[Ended]:
        wanted: dict[tuple[str, ...], list[str]] = {}
        for bad in BY_KIT:
            wanted.setdefault(bad.kit, []).append(bad.name)
        limit = asyncio.Semaphore(2)

        async def conform(items: tuple[str, ...], names: list[str]) -> Ended:
            chosen = [word for item in (*items, "declaration") for word in ("--item", item)]
            async with limit:
                return await beside("conform", *names, "--json", *chosen)

        return await asyncio.gather(*(conform(items, names) for items, names in wanted.items()))

    told = {}
    for ended in asyncio.run(try_all()):
        assert ended.code == 1, ended.err
        for report in json.loads(ended.out)["providers"]:
            told |= {(report["provider"], one["item"]): one for one in report["items"]}
    return told


@pytest.mark.parametrize("bad", BY_KIT, ids=lambda bad: bad.name)
def test_the_kit_names_what_it_does(tried: dict[tuple[str, str], dict[str, str]], bad: zoo.Bad) -> None:
    """By the item that it fails, with the reason; its declaration is sound."""
    for item in bad.kit:
        one = tried[bad.name, item]
        assert one["outcome"] == "failed"
        assert one["reason"]
    assert tried[bad.name, "declaration"]["outcome"] == "passed"


def test_each_of_the_zoo_is_named_by_doctor_or_by_the_kit() -> None:
    """But for those that do nothing bad once their import is over, and that it was in a process of its own."""
    unnamed = {bad.name for bad in zoo.ALL if not bad.told and not bad.kit}
    assert unnamed == NOT_BAD


# ── and harms nobody ─────────────────────────────────────────────────────────────────────────────────


async def test_what_cannot_tell_whether_it_wants_a_key_is_not_asked(beside: CommandLine) -> None:
    """That is the reason which stands beside it."""
    told = json.loads((await beside("providers", "--json")).out)["providers"]
    (one,) = [one for one in told if one["name"] == "cannot-tell-whether-it-wants-a-key"]
    assert one["ready"] is False
    assert one["missing"] == "no key, and the check for other credentials failed (LookupError)"


async def test_options_that_cannot_be_loaded_fail_the_call_that_has_some(beside: CommandLine) -> None:
    """As an error of the plugin."""
    cli = CommandLine(beside.folder)
    cli.environ = beside.environ | {"PYDANTIC_DISABLE_PLUGINS": "1"}
    ended = await cli.python(
        "import asyncio\nfrom segue import Client, PluginError\n"
        "try:\n    asyncio.run(Client().chat('Hi', options={'has-options-that-are-missing': {'a': 1}}))\n"
        "except PluginError as error:\n    print(error)"
    )
    assert "the options of 'has-options-that-are-missing' cannot be loaded: ModuleNotFoundError" in ended.out


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
    code += "from segue.plugin import hookimpl\n@hookimpl\ndef segue_providers():\n    return []\n"
    cli.plugin("zoo-deletes", code, module="zoo_deletes")
    first = await cli("doctor")
    assert "  zoo-deletes of zoo_deletes-dist 1.0: nothing\n" in first.out
    second = await cli("doctor")
    assert second.code == 0
    assert "zoo-deletes" not in second.out
