"""The snippets of README and docs do what they say."""

from __future__ import annotations

import html
import importlib.util
import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from test_plain_english import CODE_WIDTH

import segue

if TYPE_CHECKING:
    from types import ModuleType

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(r'^```(\w*)(?: title="[^"]+")?\n(.*?)^```$', re.MULTILINE | re.DOTALL)
FOLLOWED = "write-a-provider.md"
"""Its commands go together: see test_write_a_provider."""


def snippets(language: str) -> list[object]:
    return [
        pytest.param(code, id=f"{page.relative_to(ROOT)}:{number}")
        for page in PAGES
        if page.parent.name != "recipes" or language == "toml"  # recipes want hosts: see test_recipes
        if page.name != FOLLOWED or language != "console"
        for number, (kind, code) in enumerate(FENCE.findall(page.read_text("utf-8")))
        if kind == language
    ]


def run(command: list[str], home: Path) -> subprocess.CompletedProcess[str]:
    environ = {name: value for name, value in os.environ.items() if not name.endswith(("_API_KEY", "_BASE_URL"))}
    environ |= {"HOME": str(home), "XDG_CONFIG_HOME": str(home), "PATH": f"{Path(sys.executable).parent}:{os.defpath}"}
    return subprocess.run(
        command,
        check=False,
        cwd=home,
        env=environ,
        capture_output=True,
        text=True,
        timeout=60,
        stdin=subprocess.DEVNULL,
    )


@pytest.mark.parametrize("code", snippets("python"))
def test_python_snippet_runs(code: str, tmp_path: Path) -> None:
    """A Python snippet runs as it stands, warnings being errors, with no key and no configuration."""
    done = run([sys.executable, "-W", "error", "-c", code], tmp_path)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("code", snippets("toml"))
def test_toml_snippet_is_read(code: str, tmp_path: Path) -> None:
    """A configuration snippet is read without an error."""
    table = tomllib.loads(code)
    if "project" in table:
        assert table["project"]["entry-points"]["segue"]
        return
    path = tmp_path / "segue.toml"
    path.write_text(code)
    load = f"from segue.config import load; load({str(path)!r}, environ={{'MY_KEY': 'sk-test'}})"
    done = run([sys.executable, "-c", load], tmp_path)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("code", snippets("console"))
def test_commands_run(code: str, tmp_path: Path) -> None:
    """Each `segue` command of a page ends with 0; the README's two are tasks that nox knows.

    What pip installs is resolved by tests/packaging/test_wheels.py.
    """
    for line in code.splitlines():
        words = shlex.split(line)
        if words[0] == "segue":
            done = run([sys.executable, "-m", *words], tmp_path)
            assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
        elif words[:2] != ["pip", "install"]:
            assert words[:2] == ["python3", "noxfile.py"], line
            listed = run([sys.executable, "-m", "nox", "-f", str(ROOT / "noxfile.py"), "-l"], tmp_path).stdout
            assert len(words) == 2 or f"- {words[3]} " in listed


def test_the_walk_shows_each_step(tmp_path: Path) -> None:
    """README's first command shows the choice, each failure, the continued answer and who gave it, in 40 lines."""
    done = run([sys.executable, "-W", "error", str(ROOT / "docs" / "walk.py")], tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert len(lines) <= 40
    expected = (
        "wanted: context>=100k, tools", "1. alto/m-1", "flute/m-1: context is 8k, needs >=100k", "→ alto/m-1 at http://",
        "✗ ConnectError: cannot connect", "→ bass/m-1 at http://", "✗ StreamBrokenError: ", "→ cello/m-1 at http://",
        "⤷ cello continues after 40 characters", "from cello/m-1 after 3 attempts",
        "When one provider cannot go on, the next one does: without a pause, in mid-sentence if need be.",
    )  # fmt: skip
    found = iter(lines)
    for part in expected:
        assert any(part in line for line in found), f"{part!r} is missing, or in the wrong place:\n{done.stdout}"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The documentation's site, built strictly: a wrong link or name fails it."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "-d", str(folder)]
    done = subprocess.run(
        command,
        check=False,
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        | {"NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_the_site_holds_no_program(site: Path) -> None:
    """What makes the pages is in docs too, and its compiled form; neither is published."""
    assert not [path for path in site.rglob("*") if path.suffix in {".py", ".pyc"} or path.name == "__pycache__"]


def test_the_site_asks_nothing_of_the_network(site: Path) -> None:
    """No page loads a script, style, font or image from anywhere but the site itself."""
    loaded = re.compile(r"<(?:script|link|img|iframe)[^>]+(?:src|href)=\"?(https?:[^\" >]+)")
    pages = list(site.rglob("*.html"))
    assert len(pages) > 20
    found = {url for page in pages for url in loaded.findall(page.read_text("utf-8")) if 'rel="canonical' not in url}
    assert not found


def test_every_page_is_in_the_navigation(site: Path) -> None:
    """Each page of docs became a page of the site that the first page leads to."""
    index = (site / "index.html").read_text("utf-8")
    for page in (ROOT / "docs").rglob("*.md"):
        path = page.relative_to(ROOT / "docs").with_suffix(".html")
        assert (site / path).is_file()
        assert f'href="{path}"' in index or path.name == "index.html", path


def _reference() -> ModuleType:
    """The program that makes pages from the code."""
    spec = importlib.util.spec_from_file_location("reference", ROOT / "docs" / "reference.py")
    assert spec is not None
    assert spec.loader is not None
    reference = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(reference)
    return reference


def test_code_of_generated_pages_fits_the_page() -> None:
    """No line of code in a page that is made from the code of Segue is wider than the page at 1280 px."""
    reference = _reference()
    blocks = FENCE.findall(reference.commands_page() + "\n" + reference.errors_page() + "\n")
    lines = [line for _, block in blocks for line in block.splitlines()]
    assert len(lines) > 100
    assert [line for line in lines if len(line) > CODE_WIDTH] == []


def test_every_page_has_its_own_description(site: Path) -> None:
    """Search engines get a title and a description of at most 160 characters, different for each page."""
    found: dict[str, str] = {}
    for page in sorted(site.rglob("*.html")):
        text = page.read_text("utf-8")
        match = re.search(r'<meta name="?description"? content="([^"]+)"', text)
        assert match is not None, page
        assert len(html.unescape(match[1])) <= 160, page
        if page.name != "404.html":
            assert match[1] not in found, (page, found[match[1]])
            found[match[1]] = page.name


def test_commands_are_not_shown_as_output(site: Path) -> None:
    """A block of commands has the colors of a shell: the lexer of consoles shows commands without prompts in grey."""
    text = (site / "install.html").read_text("utf-8")
    assert "pip" in text
    assert "language-console" not in text
    assert 'class="go"' not in text


def _wrong_arguments() -> list[object]:
    """Each example of the table of wrong arguments, with the error that the table names."""
    page = (ROOT / "docs" / "retries-and-timeouts.md").read_text("utf-8")
    rows = re.findall(r"^\|[^|]+\| `(\w+Error)` \| (`.*`) \|$", page, re.MULTILINE)
    return [pytest.param(code, error, id=code) for error, cell in rows for code in re.findall(r"`([^`]+)`", cell)]


@pytest.mark.parametrize(("code", "error"), _wrong_arguments())
async def test_a_wrong_argument_raises_the_error_of_the_table(code: str, error: str) -> None:
    """Each example raises the error of its row, and not a class below it."""
    call = code if re.match(r"\w+\(", code) else f"chat('x', {code})"
    async with segue.Client(config=False, plugins=False) as client:
        names = {name: getattr(segue, name) for name in segue.__all__}

        async def asked() -> None:
            await eval(call.replace("…", "1"), {**names, "chat": client.chat})

        with pytest.raises((TypeError, ValueError)) as raised:
            await asked()
    assert raised.type.__name__ == error
    assert "await" not in str(raised.value)  # as what was accepted would raise here


def test_every_error_says_what_to_do() -> None:
    """The page of errors has an entry for each that is exported, and for no other."""
    reference = _reference()
    assert {cls.__name__ for cls in reference.exported_errors()} == reference.ADVICE.keys()


def test_links_lead_somewhere() -> None:
    """Every relative link of a page names a file that is there, or a page that is made from the code."""
    made = {"errors.md", "configuration.md", "commands.md", "conformance.md", "supported-apis.md"}
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", FENCE.sub("", page.read_text("utf-8"))):
            assert (page.parent / target).exists() or Path(target).name in made, f"{page.name}: {target}"


def test_the_page_of_wires_is_made_from_their_encoders() -> None:
    """Each wire has its column, each wish its row; what is refused or left out says why."""
    sys.path.insert(0, str(ROOT / "docs"))
    try:
        wires = importlib.import_module("wires")
    finally:
        sys.path.remove(str(ROOT / "docs"))
    page = wires.wires_page()
    table = page.partition("## What each API supports")[2]
    rows = [line for line in table.splitlines() if line.startswith("| ")][1:]
    assert len(rows) == len(wires.PROBES)
    assert all(line.count("|") == len(wires.WIRES) + 2 for line in rows)
    assert "| `seed` | yes | *notice* |" in page
    for line in rows:
        name = line.split("|")[1].strip()
        assert ("*notice*" in line or "*refused*" in line) is (f"- **{name}**" in page)


def test_the_layers_in_the_docs_are_those_of_the_contract() -> None:
    """The page on the design has every layer with its modules, and each module says in a sentence what it is."""
    reference = _reference()
    assert reference.LAYERS in (ROOT / "docs" / "design.md").read_text()
    told = re.findall(r"`(\w+)`: (\S)", reference.layers_section())
    package = ROOT / "core" / "src" / "segue"
    modules = {path.stem for path in package.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    assert {name for name, _ in told} == modules - {"__init__", "__main__"}
