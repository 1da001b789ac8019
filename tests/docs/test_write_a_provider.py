"""The page for authors, followed literally: its files written, its commands run, in their order, in one shell."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import wheelhouse

pytestmark = pytest.mark.packaging

PAGE = Path(__file__).parents[2] / "docs" / "write-a-provider.md"
FENCE = re.compile(r'^```(\w*)(?: title="([^"]+)")?\n(.*?)^```$', re.MULTILINE | re.DOTALL)
MARK = "--- a command of the page: "


@dataclass(frozen=True)
class Ran:
    """A command of the page, what it printed, and what the page says that it prints."""

    command: str
    printed: str
    told: str | None


def script_of(page: str) -> tuple[str, dict[str, str]]:
    """The page as a script that tells on stdout which command is next, and what the page says that each prints."""
    lines = ["set -e"]
    told: dict[str, str] = {}
    last = ""
    for kind, title, code in FENCE.findall(page):
        if title:
            folder = shlex.quote(str(Path(title).parent))
            lines += [f"mkdir -p {folder}", f"cat > {shlex.quote(title)} <<'END OF FILE'\n{code}END OF FILE"]
        elif kind == "console":
            for command in code.splitlines():
                lines += [f"echo {shlex.quote(MARK + command)}", command]
                last = command
        elif kind == "text" and last:
            told[last] = code
        if kind != "console":
            last = ""
    return "\n".join(lines) + "\n", told


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> list[Ran]:
    """Every command of the page and what came of it, in a folder and a home of their own."""
    folder = tmp_path_factory.mktemp("page")
    index = wheelhouse.made(folder / "index")
    work = folder / "work"
    (work / "dist").mkdir(parents=True)
    for wheel in index.glob("segue*.whl"):
        (work / "dist" / wheel.name).symlink_to(wheel)
    # The page must never take a package of a stranger's, so strangers own all our names on its index.
    index = wheelhouse.with_strangers(index, folder / "strangers")
    # The page begins with an environment of its own; what made this one is all that it has from here.
    path = os.pathsep.join([str(Path(sys.base_prefix) / "bin"), os.defpath])
    environ = {**wheelhouse.index_only(index), "HOME": str(folder), "LANG": "C.UTF-8", "PATH": path}
    script, told = script_of(PAGE.read_text("utf-8"))
    done = subprocess.run(
        ["sh", "-c", script], cwd=work, env=environ, check=False, capture_output=True, text=True,
        stdin=subprocess.DEVNULL, timeout=600,
    )  # fmt: skip
    pieces = done.stdout.split(MARK)[1:]
    commands = [piece.partition("\n") for piece in pieces]
    assert done.returncode == 0, f"{commands[-1][0]}\n{commands[-1][2]}\n{done.stderr}"
    return [Ran(command, printed, told.get(command)) for command, _, printed in commands]


def test_each_command_ends_well(ran: list[Ran]) -> None:
    """Every command of the page was run, and none failed."""
    written = [
        line
        for kind, _, code in FENCE.findall(PAGE.read_text("utf-8"))
        if kind == "console"
        for line in code.splitlines()
    ]
    assert [one.command for one in ran] == written
    assert len(written) >= 20
    assert not [one.command for one in ran if "Traceback" in one.printed]


def test_what_is_told_to_be_printed_is(ran: list[Ran]) -> None:
    """Where the page shows what a command prints, it prints that."""
    shown = {one.command: (one.printed, one.told) for one in ran if one.told is not None}
    assert len(shown) >= 2
    for command, (printed, told) in shown.items():
        assert printed == told, command


def test_what_is_conforming_conforms(ran: list[Ran]) -> None:
    """Each `conform` of the page passes, those of new-provider's packages at the highest level."""
    conforming = {one.command.split()[-1]: one.printed for one in ran if " conform " in f"{one.command} "}
    assert conforming.keys() == {"script:Acme", "acme", "acme-cloud", "acme-lines", "quokka:Quokka"}
    for target, printed in conforming.items():
        assert " passed" in printed
        assert "FAILED" not in printed, target
        if target.startswith("acme"):
            assert "level full" in printed


def test_what_the_page_adds_is_there(ran: list[Ran]) -> None:
    """The row, the plugin and the packages are listed, and selected by what they declare."""
    printed = {one.command: one.printed for one in ran}
    assert "acme/acme-1" in printed['segue models --config acme.toml --needs "tools, context>=32k"']
    assert "nine" in printed["segue providers"]
    assert "acme/acme-1" in printed['segue explain --needs "working, supports_message_history"']
    (explained,) = (text for command, text in printed.items() if command == "python look.py")
    assert "1. quokka/quokka" in explained
