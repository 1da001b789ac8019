"""DESIGN's smallest plugin as a wheel, installed beside broken ones: used, and they are named."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.packaging

ACME = '''"""Acme for Segue."""
from segue.plugin import AsyncGeneratorProvider, hookimpl

class Acme(AsyncGeneratorProvider):
    url = "https://acme.example"
    working = True
    supports_gpt_35_turbo = True
    models = ["acme-1"]

    @classmethod
    async def create_async_generator(cls, model, messages, proxy=None, **kwargs):
        yield "hello "
        yield "from acme"

@hookimpl
def segue_providers():
    return [Acme]
'''

PLUGINS = {
    "acme": ACME,
    "raises": '"""Raises."""\nraise RuntimeError("no such luck")\n',
    "exits": '"""Exits."""\nimport sys\nsys.exit(3)\n',
}

PROJECT = """
[build-system]
requires = ["flit_core"]
build-backend = "flit_core.buildapi"

[project]
name = "segue-{name}"
version = "1.0"
description = "A test's plugin."

[project.entry-points."segue"]
{name} = "segue_{name}"
"""

Run = "Callable[..., subprocess.CompletedProcess[str]]"


@pytest.fixture(scope="module")
def segue(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The command line, with the three plugins built as wheels and installed by pip where it looks."""
    folder = tmp_path_factory.mktemp("wheels")
    site = folder / "site"
    for name, code in PLUGINS.items():
        project = folder / name
        project.mkdir()
        (project / "pyproject.toml").write_text(PROJECT.format(name=name))
        (project / f"segue_{name}.py").write_text(code)
        build = "import flit_core.buildapi as b, sys; print(b.build_wheel(sys.argv[1]))"
        built = subprocess.run(
            [sys.executable, "-c", build, str(folder)], cwd=project, check=True, capture_output=True, text=True
        )
        wheel = folder / built.stdout.split()[-1]
        # uv speaks pip's language, also where an environment was made without pip.
        uv = Path(sys.executable).parent / "uv"
        install = [
            str(uv),
            "pip",
            "install",
            "--quiet",
            "--no-config",
            "--offline",
            "--no-deps",
        ]
        subprocess.run(
            [*install, "--python", sys.executable, "--target", str(site), str(wheel)], check=True, cwd=folder
        )

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        environ = {name: value for name, value in os.environ.items() if not name.endswith(("_API_KEY", "_BASE_URL"))}
        environ |= {"PYTHONPATH": str(site), "HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
        return subprocess.run(
            [sys.executable, "-m", "segue", *words],
            cwd=folder, env=environ, check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60,
        )  # fmt: skip

    return run


def test_it_is_listed(segue: Run) -> None:
    """The plugin is listed with its model, and the listing ends well beside broken ones."""
    done = segue("providers")
    assert done.returncode == 0
    assert "acme" in done.stdout
    assert "acme/acme-1" in segue("models").stdout


def test_it_is_selected_by_its_flags_and_used(segue: Run) -> None:
    """It stands before the public host, and answers a call that names only what it needs."""
    explained = segue("explain", "--needs", "working, supports_gpt_35_turbo").stdout
    assert explained.index("1. acme/acme-1") < explained.index("only with your consent:\n  - cromicle/gpt-3.5-turbo")
    done = segue("chat", "--needs", "working, supports_gpt_35_turbo", "hi")
    assert (done.stdout, done.returncode) == ("hello from acme\n", 0)
    assert segue("chat", "-m", "acme/acme-1", "hi").stdout == "hello from acme\n"


def test_broken_ones_are_named_with_the_cause(segue: Run) -> None:
    """The doctor names both broken plugins and why, and says by its exit code that something is broken."""
    done = segue("doctor")
    assert done.returncode == 1
    told = done.stdout + done.stderr
    assert "segue-raises" in told
    assert "RuntimeError: no such luck" in told
    assert "segue-exits" in told
    assert "SystemExit: 3" in told
