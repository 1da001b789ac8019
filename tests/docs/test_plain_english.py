"""User-facing text is in plain English, and the code of the documentation fits the page."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import plain_english
import pytest
from plain_english import ROOTS, Idiom, findings, idioms

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]

CODE_WIDTH = 79
"""Characters of a code line that fit the built page at 1280 px, measured in Chromium: 80 fit, 81 scroll."""


def test_user_facing_text_is_in_plain_english() -> None:
    """No page, README, generated text or checked code contains a phrase of the list."""
    assert not [str(one) for one in findings(ROOTS)]


@pytest.mark.parametrize("idiom", idioms(), ids=lambda idiom: idiom.wrong[0])
def test_an_idiom_is_found_and_correct_english_is_not(idiom: Idiom) -> None:
    """Each entry of the list finds its own examples, and none of the correct sentences next to them."""
    assert idiom.wrong
    assert [text for text in idiom.wrong if not idiom.pattern.search(text)] == []
    assert [text for text in idiom.right if idiom.pattern.search(text)] == []


def test_correct_examples_pass_the_whole_list() -> None:
    """What the list gives as correct is correct for every entry of the list."""
    assert not [
        (text, other.wrong[0])
        for idiom in idioms()
        for text in (*idiom.right, idiom.instead)
        for other in idioms()
        if other.pattern.search(text)
    ]


def test_user_facing_strings_of_code_are_found(tmp_path: Path) -> None:
    """An idiom is found in an error, a help text, a notice, a log line, a docstring and a filled-in string."""
    code = '''"""The file is no JSON."""
import click

NAME = "The wire is no API, but users do not see this string."


@click.command()
@click.option("--one", help="The value is no number.")
def command(one):
    """The file is no folder."""
    _log.info("the host is no host")
    yield Notice("subject", f"{one} is no {one}")
    raise ValueError(
        f"{one}: "
        "the key is no key"
    )


def _private():
    """The reader is no user."""
'''
    path = tmp_path / "code.py"
    path.write_text(code)
    assert [(one.line, one.words) for one in findings([path])] == [
        (1, "is no J"), (8, "is no n"), (10, "is no f"), (11, "is no h"), (12, "is no C"), (14, "is no k"),
    ]  # fmt: skip
    assert {4, 20} <= {one.line for one in findings([path], every=True)}


def test_prose_and_comments_of_a_page_are_found(tmp_path: Path) -> None:
    """An idiom is found in prose, across a line break, in a cell and in a comment of code, but not in code."""
    page = tmp_path / "page.md"
    page.write_text(
        "The answer is\nno JSON.\n\n| a | this is no key |\n\n```python\nx = 'is no y'  # it is no z\n```\n"
    )
    assert [(one.line, one.words) for one in findings([page])] == [(1, "is no J"), (4, "is no k"), (7, "is no z")]


def test_findings_name_the_place(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """The command prints file, line, words and what to write instead, and ends with 1; with 0 if there is nothing."""
    page = tmp_path / "page.md"
    page.write_text("The answer is no JSON.\n")
    assert plain_english.main([str(page)]) == 1
    assert capsys.readouterr().out.startswith(f"{page}:1: «is no J»: ")
    page.write_text("The answer is not JSON.\n")
    assert plain_english.main([str(page)]) == 0
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_code_fits_the_page(page: Path) -> None:
    """No line of code in a page is wider than the page at 1280 px."""
    blocks = re.findall(r"^ *```\w*[^\n]*\n(.*?)^ *```$", page.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    assert [line for block in blocks for line in block.splitlines() if len(line) > CODE_WIDTH] == []


def test_the_code_of_pages_is_formatted_for_their_width() -> None:
    """ruff formats the code of every page in the width that fits it."""
    pages = [str(page) for page in PAGES if page.parent != ROOT]
    command = [sys.executable, "-m", "ruff", "format", "--check", "--line-length", str(CODE_WIDTH), *pages]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
