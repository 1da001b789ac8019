"""What reaches a terminal: text without control sequences, the answer as it arrives, and remarks."""

from __future__ import annotations

import contextlib
import io
import json
import re
import sys
from enum import Enum, auto
from typing import TYPE_CHECKING, Any, Final, TextIO

import click

from .progress import PROGRESS, takes_escapes

if TYPE_CHECKING:
    from collections.abc import Iterator

_REPLACEMENT: Final = "\N{REPLACEMENT CHARACTER}"

# C0 but tab and newline, DEL, C1; and the bidirectional overrides, which make text read other than it is.
_SPECIAL: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_BIDI: Final = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
# These are no control characters to json.dumps with ensure_ascii=False, but they are to a terminal or an encoder.
_JSON_ESCAPED: Final = re.compile("[\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


class _State(Enum):
    TEXT = auto()
    AFTER_CR = auto()
    ESCAPE = auto()
    ESCAPE_INTERMEDIATE = auto()
    CSI = auto()
    STRING = auto()


# ECMA-48: what follows ESC as its 7-bit form, and as one C1 character.
_OPENERS: Final = {"[": _State.CSI} | dict.fromkeys("]PX^_", _State.STRING)
_C1_OPENERS: Final = {"\x9b": _State.CSI} | dict.fromkeys("\x9d\x90\x98\x9e\x9f", _State.STRING)


class Sanitizer:
    """Removes control sequences from text that arrives in pieces cut anywhere.

    Nothing is held back. A newline ends any open sequence, so that an unfinished one hides no
    more than its line; a carriage return becomes a newline, so that no text is overwritten.
    """

    __slots__ = ("_state",)

    def __init__(self) -> None:
        self._state = _State.TEXT

    def feed(self, piece: str) -> str:
        """The part of the next piece that may be shown."""
        if self._state is _State.TEXT and _SPECIAL.search(piece) is None:
            return piece
        return "".join([self._take(character) for character in piece])

    def _take(self, character: str) -> str:
        match self._state:
            case _State.ESCAPE if character in _OPENERS:
                self._state = _OPENERS[character]
                return ""
            case _State.ESCAPE | _State.ESCAPE_INTERMEDIATE if " " <= character <= "/":
                self._state = _State.ESCAPE_INTERMEDIATE
                return ""
            case _State.ESCAPE | _State.ESCAPE_INTERMEDIATE if "0" <= character <= "~":
                self._state = _State.TEXT
                return ""
            case _State.CSI if " " <= character <= "?":
                return ""
            case _State.CSI if "@" <= character <= "~":
                self._state = _State.TEXT
                return ""
            case _State.STRING if character in "\x07\x9c":
                self._state = _State.TEXT
                return ""
            case _State.STRING if character not in "\n\r\x18\x1a\x1b":
                return ""
            case _State.AFTER_CR if character == "\n":
                self._state = _State.TEXT
                return ""
            case _:
                return self._take_text(character)

    def _take_text(self, character: str) -> str:
        self._state = _State.TEXT
        if character == "\r":
            self._state = _State.AFTER_CR
            return "\n"
        if character == "\x1b":
            self._state = _State.ESCAPE
        elif character in _C1_OPENERS:
            self._state = _C1_OPENERS[character]
        if _SPECIAL.match(character) is None:
            return character
        return _REPLACEMENT if character in _BIDI else ""


def clean(text: str) -> str:
    """A text without control sequences."""
    return Sanitizer().feed(text)


def one_line(text: str) -> str:
    """A text without control sequences, on one line."""
    return " ".join(clean(text).split())


def say(text: str) -> None:
    """Print a line on stderr; ``text`` is already clean."""
    _to_stderr(f"{text}\n")


def tell_interrupt(*, after_prompt: bool = False) -> None:
    """Print that the command was interrupted, on a separate line: a terminal shows ^C at the cursor."""
    beginning = ""
    if is_terminal(sys.stderr):
        beginning = "\r\x1b[K" if takes_escapes(sys.stderr) and not after_prompt else "\n"
    _to_stderr(f"{beginning}interrupted\n")


def is_terminal(stream: TextIO | None) -> bool:
    """Whether this stream is a terminal; None is a closed stream."""
    return stream is not None and stream.isatty()


def output() -> TextIO:
    """Stdout; a character that its encoding lacks is replaced.

    OSError if it is closed, such as after ``>&-``. Code that sends requests calls this first, so that no one pays
    for an answer that cannot be shown.
    """
    if sys.stdout is None:
        raise OSError("stdout is closed, so the output cannot be shown (>/dev/null discards it)")
    PROGRESS.clear()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    return sys.stdout


@contextlib.contextmanager
def reserved() -> Iterator[None]:
    """Reserve stdout while plugins may be imported: their output goes to stderr."""
    with contextlib.redirect_stdout(sys.stderr):
        yield


def ask(question: str) -> str | None:
    """Ask a question on stderr and read a line; None for Ctrl-D, and if there is no terminal."""
    if not can_ask():
        return None
    _to_stderr(f"{question} ")
    # Not input(): with readline it would not know of the question, and wipe it when it draws the line anew.
    line = ""
    try:
        line = sys.stdin.readline()
    finally:
        PROGRESS.clear()
        if not line:
            say("")  # the question's line is open, after Ctrl-D and Ctrl-C too
    if not line:
        return None
    return line.strip()


def can_ask() -> bool:
    """Whether a user sees stderr and can type an answer."""
    return is_terminal(sys.stdin) and is_terminal(sys.stderr)


def dim(text: str, stream: TextIO | None = None) -> str:
    """Clean text in a fainter style, if the terminal (stderr, if none is given) supports it."""
    return click.style(text, dim=True) if takes_escapes(sys.stderr if stream is None else stream) else text


def json_line(value: Any, *, ascii_only: bool = False, indent: int | None = None) -> str:
    """A value as JSON; control characters are escaped, so that nothing is hidden."""
    text = json.dumps(value, ensure_ascii=ascii_only, indent=indent)
    return _JSON_ESCAPED.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def write_json(value: Any) -> None:
    """Print a value as JSON on stdout, without control characters and characters that the encoding lacks."""
    out = output()
    as_is = (out.encoding or "").lower().replace("-", "") == "utf8"
    out.write(json_line(value, ascii_only=not as_is, indent=2 if is_terminal(out) else None) + "\n")
    out.flush()


class Page:
    """Answers on stdout as they arrive, and remarks on stderr that never interrupt a line of an answer.

    On a terminal, control sequences are removed; a pipe or a file gets the text unchanged. Reasoning is
    dimmed on a terminal, and goes to stderr if stdout is not a terminal.
    """

    def __init__(self) -> None:
        self._out = output()
        self._is_terminal = is_terminal(self._out)
        self._shown = Sanitizer()
        self._thought = Sanitizer()
        self._in_line = False
        self._thinks = False

    def write(self, piece: str) -> None:
        """Print the next piece of the answer immediately."""
        if self._thinks:
            self._end_thinking()
        if self._is_terminal:
            piece = self._shown.feed(piece)
        if piece:
            self._put(piece)
            self._in_line = not piece.endswith("\n")

    def think(self, piece: str) -> None:
        """Print the next piece of the reasoning."""
        piece = self._thought.feed(piece)
        if not piece:
            return
        if self._is_terminal:
            if not self._thinks:
                self.end_line()
            self._put(dim(piece, self._out), piece)
        else:
            _to_stderr(piece)
        self._thinks = True
        self._in_line = not piece.endswith("\n")

    def _end_thinking(self) -> None:
        """End the line, and print an empty one, between the reasoning and the answer."""
        self.end_line()
        if self._is_terminal:
            self._put("\n")

    def _put(self, text: str, shown: str = "") -> None:
        """Write to stdout at once; ``shown`` is the text without control sequences, where it has some."""
        PROGRESS.clear()
        self._out.write(text)
        self._out.flush()
        PROGRESS.wrote(shown or text)

    def end_line(self) -> None:
        """Begin a new line, unless the current one is empty."""
        thinks, self._thinks = self._thinks, False
        if not self._in_line:
            return
        self._in_line = False
        if thinks and not self._is_terminal:
            _to_stderr("\n")
        else:
            self._put("\n")

    def end(self) -> None:
        """End the answer: the next one begins on a new line, and no control sequence is open."""
        self.end_line()
        self._shown, self._thought = Sanitizer(), Sanitizer()

    def remark(self, text: str, *, faint: bool = False) -> None:
        """Print lines on stderr."""
        if self._is_terminal or self._thinks:
            self.end_line()
        text = clean(text)
        say(dim(text) if faint else text)


def _to_stderr(text: str) -> None:
    # With stderr gone there is nobody to tell, and the answer goes on.
    PROGRESS.clear()
    with contextlib.suppress(OSError, AttributeError):
        sys.stderr.write(text)
        sys.stderr.flush()
