"""``segue new-provider``: what it writes, what it refuses, and what it says."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from segue import DNSError
from segue.cli.new_provider import NewProvider
from segue.client.hints import Asked, add_hints
from segue.plugin import ProviderSpec
from segue.testing import Cassette

if TYPE_CHECKING:
    from command_line import CommandLine

ROOT = Path(__file__).parents[2]
KINDS = ("text", "host", "wire")


def source(cli: CommandLine, name: str) -> str:
    module = f"segue_{name.replace('-', '_').replace('.', '_')}"
    return (cli.folder / f"segue-{name}" / "src" / module / "__init__.py").read_text()


@pytest.mark.parametrize("kind", KINDS)
async def test_it_writes_a_package(cli: CommandLine, kind: str) -> None:
    """Each kind has an entry point, one source file with the four places in their order, a test, README and CI."""
    done = await cli("new-provider", "acme", "--kind", kind, "--url", "https://llm.acme.test/api/")
    assert (done.code, done.err) == (0, "")
    folder = cli.folder / "segue-acme"
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    assert project["name"] == "segue-acme"
    assert project["entry-points"]["segue"] == {"acme": "segue_acme"}
    assert project["dependencies"] == ["segue>=0.2.0,<0.3"]
    text = source(cli, "acme")
    places = [
        text.index(f"# {number}. {word}: ") for number, word in enumerate(("Where", "What", "Encode", "Decode"), 1)
    ]
    assert places == sorted(places)
    assert '"https://llm.acme.test/api"' in text
    assert [path.name for path in (folder / "src").rglob("*.py")] == ["__init__.py"]
    for path in ("README.md", ".gitignore", "tests/test_acme.py", "src/segue_acme/py.typed"):
        assert (folder / path).is_file()
    workflow = (folder / ".github" / "workflows" / "check.yml").read_text()
    assert "segue conform acme" in workflow
    assert "python-version: ${{ matrix.python }}" in workflow
    for path in (folder / "src" / "segue_acme" / "cassettes").iterdir():
        assert Cassette.read(path).source["kind"] == "scripted"
    assert not [path for path in folder.rglob("*") if path.is_file() and ("$" in path.read_text().replace("${{", ""))]


async def test_it_says_what_to_do_next(cli: CommandLine) -> None:
    """Every file is named, then the three commands that come next."""
    done = await cli("new-provider", "acme", "--folder", "my work/acme")
    lines = done.out.splitlines()
    written = [str(path.relative_to(cli.folder)) for path in (cli.folder / "my work").rglob("*") if path.is_file()]
    assert {line.strip() for line in lines} >= set(written)
    after = [line.strip() for line in lines[lines.index("next:") + 1 :]]
    assert after[:3] == [
        "pip install -e 'my work/acme[test]'", "segue conform acme", "python -m pytest 'my work/acme'",
    ]  # fmt: skip


@pytest.mark.parametrize("kind", ["text", "host", "wire"])
async def test_the_readme_begins_with_what_to_do_first(cli: CommandLine, kind: str) -> None:
    """First the host is edited, then the package is installed, then tested; all that before it is used."""
    assert (await cli("new-provider", "acme", "--kind", kind, "--url", "https://llm.acme.example/v1")).code == 0
    readme = (cli.folder / "segue-acme" / "README.md").read_text()
    steps = ["1. Edit** `src/segue_acme/__init__.py`", "https://llm.acme.example/v1", "2. Install**", "pip install -e",
             "3. Test**", "segue conform acme", "python -m pytest", "segue chat -m acme/acme-1"]  # fmt: skip
    assert sorted(steps, key=readme.index) == steps


async def test_a_host_speaks_the_wire_that_is_named(cli: CommandLine) -> None:
    """A host has the wire that --wire names, and recorded bytes of it; for another kind there is none to name."""
    assert (await cli("new-provider", "acme", "--kind", "host", "--wire", "openai_responses")).code == 0
    assert 'wire="openai_responses"' in source(cli, "acme")
    (path,) = (cli.folder / "segue-acme" / "src" / "segue_acme" / "cassettes").iterdir()
    assert json.loads(path.read_text())["api"] == "openai-responses"
    refused = await cli("new-provider", "acme2", "--wire", "openai_chat")
    assert refused.code == 2
    assert "--kind host" in refused.err
    assert not (cli.folder / "segue-acme2").exists()


async def test_nothing_that_is_there_is_changed(cli: CommandLine) -> None:
    """A folder with a file in it is refused, whatever the file is; an empty one is filled."""
    folder = cli.folder / "segue-acme"
    folder.mkdir()
    assert (await cli("new-provider", "acme")).code == 0
    kept = folder / "README.md"
    kept.write_text("mine")
    refused = await cli("new-provider", "acme")
    assert (refused.code, kept.read_text()) == (2, "mine")
    assert "already exists: give another folder with --folder" in refused.err
    assert [path.name for path in cli.folder.iterdir() if path.name.startswith(".segue")] == []


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("Acme", "is not a provider name"),
        ("acme_", "is not a provider name"),
        ("-acme", "No such option"),
        ("ac/me", "is not a provider name"),
        ("../acme", "is not a provider name"),
        ("äcme", "is not a provider name"),
        ("acme acme", "is not a provider name"),
        ("segue-acme", "give the name of the provider without 'segue-': acme"),
        ("openai", "'openai' already exists: it belongs to segue-openai, which is installed"),
        ("hosts", "'hosts' already exists: it belongs to segue-hosts, which is installed"),
        ("mine", "'mine' already exists: it is in your configuration"),
        ("broken", "'broken' already exists: it belongs to broken-dist, which is installed"),
        ("0pena1", "looks like 'openai' of segue-openai"),
        ("testing-it", "'segue_testing_it' already"),
    ],
)
async def test_a_name_is_checked(cli: CommandLine, name: str, why: str) -> None:
    """What is no name, or somebody's already, is refused with the reason, and nothing is written."""
    cli.plugin("broken", "raise RuntimeError('x')")
    (cli.plugins / "segue_testing_it.py").write_text("")
    config = cli.config('[providers.mine]\nwire = "openai_chat"\nbase_url = "https://a.example/v1"\nmodels = ["a"]\n')
    refused = await cli("new-provider", name, "--config", config)
    assert refused.code == 2, refused.out
    assert why in " ".join(refused.err.split())
    assert not [path for path in cli.folder.iterdir() if path.name.startswith("segue-")]


@pytest.mark.parametrize(
    ("name", "package"),
    [("openai", "openai"), ("groq", "hosts"), ("hosts", "hosts"), ("m1stral", "mistral"), ("rehearsal", "rehearsal")],
)
async def test_a_name_of_our_own_packages_is_refused_where_they_are_not_installed(
    cli: CommandLine, name: str, package: str
) -> None:
    """A provider of another author would else be called as one of Segue's, or as its package."""
    refused = await cli("--no-plugins", "new-provider", name)
    told = f"error: the name {name!r} belongs to segue-{package}, a package of Segue; take another name\n"
    assert (refused.code, refused.out, refused.err) == (2, "", told)
    assert not [path for path in cli.folder.iterdir() if path.name.startswith("segue-")]


@pytest.mark.parametrize("kind", ["text", "host", "wire"])
async def test_a_provider_without_an_address_is_not_selected(cli: CommandLine, kind: str) -> None:
    """Until its address is set, in its code or in the configuration, only its name selects it; the line is named."""
    assert (await cli("new-provider", "acme", "--kind", kind)).code == 0
    code = (cli.folder / "segue-acme" / "src" / "segue_acme" / "__init__.py").read_text()
    cli.plugin("acme", code, module="segue_acme")
    cli.environ["ACME_API_KEY"] = "canary-acme-key"
    file, address = (
        cli.plugins / "segue_acme.py",
        "https://acme.placeholder.invalid" + ("/v1" if kind == "host" else ""),
    )
    line = next(number for number, line in enumerate(code.splitlines(), 1) if "acme.placeholder.invalid" in line)
    asked = await cli("Hello")
    assert (asked.code, asked.out) == (2, "")
    assert asked.err == f"error: acme: its address {address} is a placeholder: set it in {file}:{line}\n"
    selected = await cli("explain", "--needs", "working", "--all")
    told = f"its address {address} is a placeholder: set it in its code, or base_url in [providers.acme]"
    assert f"  - acme/acme-1: {told}\n" in selected.out
    assert (await cli("explain", "-m", "acme")).out.startswith("wanted: acme\ncandidates, in order:\n  1. acme/acme-1")
    config = cli.config('[providers.acme]\nbase_url = "http://127.0.0.1:9/v1"\n')
    assert "1. acme/acme-1" in (await cli("explain", "--needs", "working", "--config", config)).out


async def test_an_address_that_was_not_set_is_named_with_its_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A provider that was named fails to resolve its address: the hint says in which line to set it."""
    info = tmp_path / "segue_lama-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: segue-lama\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[segue]\nlama = segue_lama\n")
    code = tmp_path / "segue_lama" / "__init__.py"
    code.parent.mkdir()
    code.write_text(NewProvider("lama").files()["src/segue_lama/__init__.py"])
    monkeypatch.syspath_prepend(str(tmp_path))
    error = DNSError("the host's name does not resolve")
    error.address = "https://lama.placeholder.invalid/chat"
    spec = ProviderSpec("lama", load="segue_lama:Lama", url="https://lama.placeholder.invalid")
    add_hints(error, Asked("lama", spec, origin="segue-lama"))
    line = next(
        n for n, text in enumerate(code.read_text().splitlines(), 1) if "https://lama.placeholder.invalid" in text
    )
    assert error.__notes__ == [
        f"hint: https://lama.placeholder.invalid is a placeholder: set the address of the host in {code}:{line}"
    ]


async def test_a_name_like_another_is_remarked(cli: CommandLine) -> None:
    """A name that is easily taken for an installed one is written, with a warning; another one has none."""
    done = await cli("new-provider", "open-ai2")
    assert done.code == 0
    assert "open-ai2 is easily confused with openai, which is installed (segue-openai)" in done.err
    assert (await cli("new-provider", "zebra")).err == ""


@pytest.mark.parametrize(
    "url", ["acme.example", "ftp://acme.example", "https://", "https://a:b@acme.example", "https://a.example/?key=1",
            "https://a.example/#x", 'https://a.example/"', "https://a.example:99999", "https://a.example/a b"],
)  # fmt: skip
async def test_an_address_is_checked(cli: CommandLine, url: str) -> None:
    """What is no address of a host is refused."""
    refused = await cli("new-provider", "acme", "--url", url)
    assert refused.code == 2
    assert "--url must" in refused.err
    assert not (cli.folder / "segue-acme").exists()


@pytest.mark.packaging
def test_what_it_writes_is_clean(tmp_path: Path) -> None:
    """Ruff, by the rules of this repository, and mypy have nothing to say of it, however long the name is."""
    names = {"a": "text", "acme": "text", "9.lives": "host", "b": "wire", "quite-a-long-name-of-a-provider": "wire"}
    for name, kind in names.items():
        new = NewProvider(name, kind, None, None, str(tmp_path / name))  # type: ignore[arg-type]
        for path, text in new.files().items():
            file = new.place / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
    lint = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["ruff"]["lint"]
    ruff = [sys.executable, "-m", "ruff"]
    options = ["--isolated", "--line-length", "120", "--target-version", "py311"]
    rules = ["--select", ",".join(lint["select"]), "--ignore", ",".join(lint["ignore"])]
    tests = [
        "--config",
        'lint.per-file-ignores={"tests/*"=["S","INP"]}',
        "--config",
        'lint.pydocstyle.convention="pep257"',
    ]
    mypy = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(tmp_path / "cache")]
    folders = [tmp_path / name for name in names]
    commands = [
        [*ruff, "check", *options, *rules, *tests, "--no-cache", "."],
        [*ruff, "format", *options, "--no-cache", "--diff", "."],
    ]
    environ = {**os.environ, "MYPYPATH": os.pathsep.join(str(path) for path in [ROOT / "core" / "src"])}
    for folder in folders:
        for command in commands:
            done = subprocess.run(command, cwd=folder, check=False, capture_output=True, text=True)
            assert done.returncode == 0, f"{folder.name}: {done.stdout}{done.stderr}"
    sources = [str(path) for folder in folders for path in (folder / "src", folder / "tests")]
    done = subprocess.run([*mypy, *sources], cwd=tmp_path, env=environ, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
