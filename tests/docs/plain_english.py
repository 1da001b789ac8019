"""Find phrases in user-facing text that a reader with average English stops at.

    python tests/docs/plain_english.py [--all] [PATH …]

Each finding is a line: file:line, the words, and what to write instead. The exit code is 1 if there is one. A PATH
is a file or a folder: Markdown, or Python. Without a PATH it reads what the tests check. In Python it reads messages of
errors, notices, log lines, help texts and public docstrings; with --all every string of several words.

The phrases are in idioms.toml beside this file.
"""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from bisect import bisect_right
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

ROOT = Path(__file__).parents[2]
IDIOMS = Path(__file__).with_name("idioms.toml")

DOCUMENTATION = ("README.md", "SECURITY.md", "CHANGELOG.md", "core/README.md", "providers/*/README.md", "docs")
CODE: tuple[str, ...] = ("core/src", "providers", "noxfile.py")
"""The code whose strings users read."""
ROOTS = (*DOCUMENTATION, *CODE)
"""What the tests check: files, folders and patterns below the repository."""

HELP = {"help", "short_help", "epilog", "metavar", "description", "prompt", "message", "reason", "hint", "meaning"}
"""Keyword arguments whose strings users read: click's, pydantic's and our own."""
SPEAKING = {
    "debug", "info", "warning", "error", "exception", "critical", "log", "warn", "echo", "secho", "print", "fail",
    "Notice", "notice", "Veto", "add_note", "UsageError", "BadParameter", "ClickException", "style", "say", "write",
    "setting", "meaning", "tuning", "deprecated", "skip",
}  # fmt: skip
"""Functions and classes whose strings users read."""


@dataclass(frozen=True)
class Idiom:
    pattern: re.Pattern[str]
    why: str
    instead: str
    wrong: tuple[str, ...]
    right: tuple[str, ...]


@dataclass(frozen=True)
class Text:
    """A piece of text, and the line of each place in it."""

    path: Path
    text: str
    starts: tuple[int, ...]
    lines: tuple[int, ...]

    def line_at(self, place: int) -> int:
        return self.lines[bisect_right(self.starts, place) - 1]


@dataclass(frozen=True)
class Finding:
    path: Path
    line: int
    words: str
    idiom: Idiom

    def __str__(self) -> str:
        path = self.path.relative_to(ROOT) if self.path.is_relative_to(ROOT) else self.path
        return f"{path}:{self.line}: «{self.words}»: {self.idiom.why}; write: {self.idiom.instead}"


def idioms() -> list[Idiom]:
    """The idioms of the file."""
    return [
        Idiom(re.compile(pattern, re.IGNORECASE), wrong=tuple(wrong), right=tuple(right), **words)
        for row in tomllib.loads(IDIOMS.read_text("utf-8"))["idiom"]
        for pattern, wrong, right, words in [(row.pop("pattern"), row.pop("wrong"), row.pop("right"), row)]
    ]


def joined(path: Path, lines: Iterable[tuple[int, str]]) -> Text:
    """Lines as one text with single blanks."""
    text = ""
    starts: list[int] = []
    numbers: list[int] = []
    for number, line in lines:
        words = " ".join(line.split())
        if not words:
            continue
        if text:
            text += " "
        starts.append(len(text))
        numbers.append(number)
        text += words
    return Text(path, text, tuple(starts), tuple(numbers))


# ── Markdown ─────────────────────────────────────────────────────────────────────────────────────────


def without_code(line: str) -> str:
    """A line of prose: code is a word, a link its text."""
    line = re.sub(r"`+[^`]+`+", "CODE", line)
    line = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", line)
    line = re.sub(r"<[^>]+>", "", line)
    return re.sub(r"[*_]{1,2}(?=\S)|(?<=\S)[*_]{1,2}", "", line)


def of_markdown(path: Path) -> Iterator[Text]:
    """Each paragraph, item, heading and cell; of code blocks the comments."""
    block: list[tuple[int, str]] = []
    fence = ""
    for number, line in enumerate([*path.read_text("utf-8").splitlines(), ""], 1):
        bare = line.strip()
        mark = re.match(r"`{3,}|~{3,}", bare)
        if fence:
            if mark and bare == fence:
                fence = ""
            elif comment := re.search(r"(?:^|\s)(?:#|//) +(.+)", line):
                yield joined(path, [(number, without_code(comment[1]))])
            continue
        ends = not bare or mark or bare.startswith("|") or re.match(r"#|[-*+] |\d+\. |<!--", bare)
        if ends and block:
            yield joined(path, block)
            block = []
        if mark:
            fence = mark[0]
        elif bare.startswith("|"):
            for cell in without_code(bare).strip("|").split("|"):
                yield joined(path, [(number, cell)])
        elif bare and not bare.startswith("<!--"):
            block.append((number, without_code(bare)))


# ── Python ───────────────────────────────────────────────────────────────────────────────────────────


def words_of(node: ast.expr) -> str | None:
    """The text of a string, with CODE for what is filled in."""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=parts):
            return "".join(words_of(part) or "CODE" for part in parts)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            both = words_of(left), words_of(right)
            return None if both == (None, None) else "".join(one or "CODE" for one in both)
        case _:
            return None


def called(node: ast.Call) -> str:
    match node.func:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case _:
            return ""


def strings_below(node: ast.AST) -> Iterator[tuple[int, str]]:
    """Every string below a node, whole."""
    if isinstance(node, ast.expr) and (text := words_of(node)) is not None:
        yield node.lineno, text
        return
    for inner in ast.iter_child_nodes(node):
        yield from strings_below(inner)


def docstrings(tree: ast.Module, *, every: bool) -> Iterator[tuple[int, str]]:
    """The docstrings of what is public, and of click's commands, which print theirs."""

    def inside(node: ast.AST, *, public: bool) -> Iterator[tuple[int, str]]:
        for inner in ast.iter_child_nodes(node):
            if isinstance(inner, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                command = any("command" in ast.dump(one) or "group" in ast.dump(one) for one in inner.decorator_list)
                shown = every or command or (public and not inner.name.startswith("_"))
                if shown and (doc := ast.get_docstring(inner, clean=False)) is not None:
                    yield inner.body[0].lineno, doc
                if isinstance(inner, ast.ClassDef):
                    yield from inside(inner, public=public and not inner.name.startswith("_"))

    if (doc := ast.get_docstring(tree, clean=False)) is not None:
        yield tree.body[0].lineno, doc
    yield from inside(tree, public=True)
    # A string behind an assignment is the name's docstring.
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef):
            for before, after in zip(node.body, node.body[1:], strict=False):
                if isinstance(before, ast.Assign | ast.AnnAssign) and isinstance(after, ast.Expr):
                    yield from strings_below(after)


def of_python(path: Path, *, every: bool) -> Iterator[Text]:
    """Messages, notices, log lines, help texts and docstrings; with ``every`` all strings of several words."""
    tree = ast.parse(path.read_text("utf-8"))
    found = list(docstrings(tree, every=every))
    for node in ast.walk(tree):
        if every and isinstance(node, ast.stmt | ast.expr):
            found += [each for each in strings_below(node) if each[1].strip().count(" ") > 1]
        elif isinstance(node, ast.Raise) and node.exc is not None:
            found += strings_below(node.exc)
        elif isinstance(node, ast.Call):
            if called(node) in SPEAKING or called(node).endswith(("Error", "Warning")):
                for argument in node.args:
                    found += strings_below(argument)
            for keyword in node.keywords:
                if keyword.arg in HELP:
                    found += strings_below(keyword.value)
    for line, text in sorted(set(found)):
        # Where a string is written in several pieces the syntax tree knows the line of the first.
        pieces = text.splitlines()
        for paragraph in paragraphs(list(enumerate(pieces, line))):
            yield joined(path, [(number, without_code(piece)) for number, piece in paragraph])


def paragraphs(lines: list[tuple[int, str]]) -> Iterator[list[tuple[int, str]]]:
    block: list[tuple[int, str]] = []
    for number, line in lines:
        if line.strip():
            block.append((number, line))
        elif block:
            yield block
            block = []
    if block:
        yield block


# ── both ─────────────────────────────────────────────────────────────────────────────────────────────


def files(roots: Iterable[str | Path]) -> Iterator[Path]:
    """The Markdown and Python files of some roots: files, folders, or patterns below the repository."""
    for root in roots:
        for path in sorted(ROOT.glob(str(root))) if not Path(root).is_absolute() else [Path(root)]:
            if path.is_dir():
                yield from sorted(one for one in path.rglob("*") if one.suffix in {".md", ".py"})
            elif path.suffix in {".md", ".py"}:
                yield path


def findings(roots: Iterable[str | Path], *, every: bool = False) -> Iterator[Finding]:
    """Every idiom in the user-facing text of some roots."""
    known = idioms()
    for path in files(roots):
        for text in of_markdown(path) if path.suffix == ".md" else of_python(path, every=every):
            for idiom in known:
                for match in idiom.pattern.finditer(text.text):
                    yield Finding(path, text.line_at(match.start()), match[0], idiom)


def main(arguments: list[str]) -> int:
    every = "--all" in arguments
    given = [str(Path(one).resolve()) for one in arguments if one != "--all"]
    found = dict.fromkeys(str(one) for one in findings(given or ROOTS, every=every))
    print("\n".join(found), end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
