"""The line of each key of a TOML document, which Python's own parser does not report.

It reads valid TOML according to the specification, and stops at text that it cannot read: there
the parser finds an error too. Its effort depends only on the length of the text, so it can check
a document before the parser does, and refuse one that is nested deeply.
"""

from __future__ import annotations

import contextlib
import re
import tomllib
from bisect import bisect_right
from dataclasses import field
from typing import Final, TypeAlias

from ..values import dataclass

Path: TypeAlias = tuple["str | int", ...]
"""Keys and, in arrays, indexes from 0."""

MAX_DEPTH: Final = 16

_BLANK: Final = re.compile(r"[ \t]*")
_GAP: Final = re.compile(r"(?:[ \t\r\n]+|#[^\n]*)*")
_STRING: Final = re.compile(
    r'"""(?:[^"\\]++|\\[\s\S]|""?(?!"))*+"{3,5}'
    r"|'''(?:[^']++|''?(?!'))*+'{3,5}"
    r'|"[^"\\\n]*(?:\\.[^"\\\n]*)*"'
    r"|'[^'\n]*'"
)
_QUOTED_KEY: Final = re.compile(r'"[^"\\\n]*(?:\\.[^"\\\n]*)*"' + r"|'[^'\n]*'")
_BARE_KEY: Final = re.compile(r"[A-Za-z0-9_-]+")
_SCALAR: Final = re.compile(r"[^,\[\]{}#\n=\"']+")


class DepthError(ValueError):
    """A document is nested deeper than `MAX_DEPTH`, at ``line``."""

    def __init__(self, line: int) -> None:
        super().__init__(f"nested deeper than {MAX_DEPTH}")
        self.line = line


@dataclass(frozen=True, slots=True)
class Spans:
    """Places in a document by key: the start and end of its value, and the end of its table's header."""

    values: dict[Path, tuple[int, int]] = field(default_factory=dict)
    headers: dict[Path, int] = field(default_factory=dict)


class _LostError(Exception):
    """The next characters are not valid TOML."""


def key_lines(text: str) -> dict[Path, int]:
    """The first line, from 1, of each key and each element of an array; DepthError."""
    scanner = _Scanner(text)
    with contextlib.suppress(_LostError):  # the parser will say what is wrong there
        scanner.document()
    return scanner.lines


def spans_of(text: str) -> Spans:
    """The places of the values and headers of a document; DepthError."""
    scanner = _Scanner(text)
    with contextlib.suppress(_LostError):
        scanner.document()
    return scanner.spans


class _Scanner:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.lines: dict[Path, int] = {}
        self.counts: dict[Path, int] = {}
        self.spans = Spans()
        self.newlines = [found.start() for found in re.finditer("\n", text)]

    def document(self) -> None:
        base: Path = ()
        while True:
            self.skip(_GAP)
            if self.at >= len(self.text):
                return
            if self.text[self.at] == "[":
                base = self.header()
            else:
                self.pair(base)
            self.skip(_BLANK)
            if self.at < len(self.text) and self.text[self.at] not in "\r\n#":
                raise _LostError

    def header(self) -> Path:
        line = self.line
        is_array = self.text.startswith("[[", self.at)
        self.at += 2 if is_array else 1
        parts = self.key()
        self.expect("]]" if is_array else "]")
        path: Path = ()
        for place, part in enumerate(parts, 1):
            path = self.step(path, part, line)
            if place == len(parts) and is_array:
                self.counts[path] = self.counts.get(path, 0) + 1
            if path in self.counts:
                path = self.step(path, self.counts[path] - 1, line)
        self.spans.headers[path] = self.at
        return path

    def pair(self, base: Path) -> None:
        line = self.line
        for part in self.key():
            base = self.step(base, part, line)
        self.expect("=")
        self.skip(_BLANK)
        self.value(base)

    def value(self, path: Path) -> None:
        start = self.at
        self.skip_value(path)
        self.spans.values[path] = (start, start + len(self.text[start : self.at].rstrip()))

    def skip_value(self, path: Path) -> None:
        match self.text[self.at : self.at + 1]:
            case "[":
                self.at += 1
                self.array(path)
            case "{":
                self.at += 1
                self.inline_table(path)
            case '"' | "'":
                self.take(_STRING)
            case _:
                self.take(_SCALAR)

    def array(self, path: Path) -> None:
        place = 0
        while not self.ends("]"):
            self.value(self.step(path, place, self.line))
            place += 1
            self.separated("]")

    def inline_table(self, path: Path) -> None:
        while not self.ends("}"):
            self.pair(path)
            self.separated("}")

    def ends(self, mark: str) -> bool:
        self.skip(_GAP)
        if not self.text.startswith(mark, self.at):
            return False
        self.at += 1
        return True

    def separated(self, mark: str) -> None:
        self.skip(_GAP)
        if self.text.startswith(",", self.at):
            self.at += 1
        elif not self.text.startswith(mark, self.at):
            raise _LostError

    def key(self) -> list[str]:
        parts = []
        while True:
            self.skip(_BLANK)
            if self.text[self.at : self.at + 1] in {'"', "'"}:
                parts.append(_unquoted(self.take(_QUOTED_KEY)))
            else:
                parts.append(self.take(_BARE_KEY))
            if len(parts) > MAX_DEPTH:
                raise DepthError(self.line)
            self.skip(_BLANK)
            if not self.text.startswith(".", self.at):
                return parts
            self.at += 1

    def step(self, path: Path, part: str | int, line: int) -> Path:
        if len(path) >= MAX_DEPTH:
            raise DepthError(line)
        path = (*path, part)
        self.lines.setdefault(path, line)
        return path

    def skip(self, pattern: re.Pattern[str]) -> None:
        found = pattern.match(self.text, self.at)
        assert found is not None  # both match nothing as well
        self.at = found.end()

    def take(self, pattern: re.Pattern[str]) -> str:
        found = pattern.match(self.text, self.at)
        if found is None:
            raise _LostError
        self.at = found.end()
        return found[0]

    def expect(self, mark: str) -> None:
        self.skip(_BLANK)
        if not self.text.startswith(mark, self.at):
            raise _LostError
        self.at += len(mark)

    @property
    def line(self) -> int:
        return bisect_right(self.newlines, self.at - 1) + 1


def _unquoted(key: str) -> str:
    if key[0] == "'" or "\\" not in key:
        return key[1:-1]
    try:
        text = tomllib.loads(f"key = {key}")["key"]
    except tomllib.TOMLDecodeError:
        raise _LostError from None
    assert isinstance(text, str)
    return text
