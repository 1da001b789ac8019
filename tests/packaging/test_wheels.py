"""Installing from wheels alone, and never a stranger's package of one of our names."""

from __future__ import annotations

import http.server
import json
import re
import shlex
import threading
import zipfile
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
import wheelhouse
from wheelhouse import PROJECTS, ROOT, Environment, project_name

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.packaging

OURS = [project_name(project) for project in PROJECTS]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), *sorted(ROOT.glob("*/**/README.md"))]


@pytest.fixture(scope="module")
def environment(index: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """An empty environment that can install from the wheels alone."""
    return Environment(tmp_path_factory.mktemp("wheels"), index)


@pytest.fixture(scope="module")
def strangers(index: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index on which strangers own all our names, with a newer version that our own ranges accept."""
    return wheelhouse.with_strangers(index, tmp_path_factory.mktemp("strangers"))


class _Answering(http.server.BaseHTTPRequestHandler):
    """A host of the Chat Completions wire that answers everything with the name of the model that it was asked for."""

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        chunk = {"choices": [{"index": 0, "delta": {"content": asked["model"]}, "finish_reason": "stop"}]}
        body = f"data: {json.dumps(chunk)}\n\ndata: [DONE]\n\n".encode()
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        pass


@contextmanager
def answering() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Answering) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/v1"
        finally:
            server.shutdown()
            thread.join()


def test_a_question_is_answered_from_wheels_alone(environment: Environment, index: Path) -> None:
    """`pip install --no-index --find-links dist 'segue[openai,anthropic]'` is enough for a first answer."""
    environment.run("pip", "install", "--no-index", "--find-links", str(index), "segue[openai,anthropic]")
    with answering() as url:
        key = {"OPENAI_API_KEY": "sk-loopback-only", "OPENAI_BASE_URL": url}
        done = environment.run("segue", "chat", "Hello", **key)
    recommended = environment.run("python", "-c", "import segue_openai.models as m; print(m.MODELS[0].name)")
    assert done.stdout == recommended.stdout
    installed = {one["name"] for one in json.loads(environment.run("pip", "list", "--format", "json").stdout)}
    assert {name for name in installed if name.startswith("segue")} == {"segue", "segue-openai", "segue-anthropic"}


def resolved(environment: Environment, line: str, cwd: Path, known: Path) -> dict[str, str]:
    """Where pip would take each of our names from, by name, with this folder as its index."""
    words = shlex.split(line)
    words = words[words.index("install") + 1 :]
    words = [str(found) for word in words for found in (sorted(cwd.glob(word)) if "*" in word else [word])]
    dry = ["pip", "install", "--dry-run", "--quiet", "--report", "-", *words]
    told = environment.run(*dry, cwd=cwd, PIP_FIND_LINKS=str(known)).stdout
    report: dict[str, Any] = json.loads(told[told.index("{") :])
    found = ((one["metadata"]["name"], one["download_info"]["url"]) for one in report["install"])
    return {name: url for name, url in found if name.startswith("segue")}


def installs(text: str) -> list[str]:
    """The commands of a page that install something."""
    blocks = re.findall(r"^```(?:console|sh)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if "pip install" in line]


LINES = sorted(
    {
        line
        for page in PAGES
        if page.name != "write-a-provider.md"  # its lines go together: tests/docs/test_write_a_provider.py runs them
        for line in installs(page.read_text("utf-8"))
    }
)


@pytest.fixture(scope="module")
def checkout(index: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout in which the wheels were built."""
    folder = tmp_path_factory.mktemp("checkout")
    for name in ("core", "providers"):
        (folder / name).symlink_to(ROOT / name)
    (folder / "dist").mkdir()
    for wheel in index.glob("segue*.whl"):
        (folder / "dist" / wheel.name).symlink_to(wheel)
    return folder


@pytest.fixture(scope="module")
def offline(index: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose ``dist`` has the wheels and all that they need."""
    folder = tmp_path_factory.mktemp("offline")
    (folder / "dist").symlink_to(index)
    return folder


@pytest.fixture(scope="module")
def empty(index: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    return Environment(tmp_path_factory.mktemp("empty"), index)


@pytest.mark.parametrize("line", LINES)
def test_what_pages_install_is_ours(
    line: str, empty: Environment, strangers: Path, checkout: Path, offline: Path
) -> None:
    """A line that a page shows takes our wheels or folders, also where strangers own our names on the index."""
    if "--no-index" in line:
        told = resolved(empty, line, offline, offline / "dist")
    else:
        told = resolved(empty, line, checkout, strangers)
    assert told
    assert all(strangers.as_uri() not in url for url in told.values()), told


def test_what_a_scaffolded_package_installs_is_ours(environment: Environment, strangers: Path, index: Path) -> None:
    """Each line that `segue new-provider` writes or prints takes no package of a stranger's."""
    environment.run("pip", "install", "segue")
    printed = environment.run("segue", "new-provider", "acme").stdout
    package = environment.home / "segue-acme"
    (package / "wheels").mkdir()
    (wheel,) = index.glob("segue-0*.whl")
    (package / "wheels" / wheel.name).symlink_to(wheel)
    workflow = re.findall(r"- run: (.* install .*)", (package / ".github" / "workflows" / "check.yml").read_text())
    here = installs((package / "README.md").read_text())
    lines = [(line, package) for line in (*workflow, *here)]
    lines += [(line.strip(), environment.home) for line in printed.splitlines() if "pip install" in line]
    assert (len(workflow), len(here), len(lines)) == (1, 2, 4)
    for line, cwd in lines:
        told = resolved(environment, line, cwd, strangers)
        assert "segue-acme" in told
        assert all(strangers.as_uri() not in url for url in told.values()), told


def test_every_extra_is_a_provider_of_ours(empty: Environment, index: Path) -> None:
    """There is an extra for each first-party provider, and `all` is all of them and nothing else."""
    (wheel,) = index.glob("segue-0*.whl")
    with zipfile.ZipFile(wheel) as archive:
        told = archive.read(f"{wheel.name.removesuffix('-py3-none-any.whl')}.dist-info/METADATA").decode()
    wanted = re.findall(r"^Requires-Dist: (segue-\S+?)>=0.2.0,<0.3 ; extra == ['\"](\S+)['\"]$", told, re.MULTILINE)
    providers = OURS[1:]
    assert {name for name, extra in wanted if extra == "all"} == set(providers)
    assert {extra: name for name, extra in wanted if extra != "all"} == {
        name[len("segue-") :]: name for name in providers
    }
    sources = resolved(empty, "pip install segue[all]", empty.home, index)
    assert sorted(sources) == sorted(OURS)
    assert all(index.as_uri() in url for url in sources.values())
