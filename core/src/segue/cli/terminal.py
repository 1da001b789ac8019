"""What reaches a terminal: text without control sequences, the answer as it comes, remarks beside it."""

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
    """Takes control sequences out of text that comes in pieces cut anywhere.

    Nothing is held back. A newline ends whatever sequence is open, so that an unfinished one hides no
    more than its line; a carriage return becomes a newline, so that no text is overwritten.
    """

    __slots__ = ("_state",)

    def __init__(self) -> None:
        self._state = _State.TEXT

    def feed(self, piece: str) -> str:
        """What may be shown of the next piece."""
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
    """A text as a terminal may be shown it."""
    return Sanitizer().feed(text)


def one_line(text: str) -> str:
    """A text as a terminal may be shown it, on one line."""
    return " ".join(clean(text).split())


def say(text: str) -> None:
    """A line on stderr; ``text`` is clean already."""
    _to_stderr(f"{text}\n")


def tell_interrupt(*, after_prompt: bool = False) -> None:
    """Say that it was interrupted, in a line of its own: a terminal shows ^C where the cursor is."""
    beginning = ""
    if is_terminal(sys.stderr):
        beginning = "\r\x1b[K" if takes_escapes(sys.stderr) and not after_prompt else "\n"
    _to_stderr(f"{beginning}interrupted\n")


def is_terminal(stream: TextIO | None) -> bool:
    """Whether a person looks at this stream; None is a stream that was closed."""
    return stream is not None and stream.isatty()


def output() -> TextIO:
    """Stdout, to be written to at once; a character that its encoding lacks is shown as another.

    OSError where it is closed, as after ``>&-``: what asks hosts calls this first, so that no answer is paid for
    that nobody can see.
    """
    if sys.stdout is None:
        raise OSError("stdout is closed, so nobody would see the output (>/dev/null discards it)")
    PROGRESS.clear()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    return sys.stdout


@contextlib.contextmanager
def reserved() -> Iterator[None]:
    """Keep stdout for us while plugins may be imported: what they print goes to stderr."""
    with contextlib.redirect_stdout(sys.stderr):
        yield


def ask(question: str) -> str | None:
    """What is typed in answer to a question on stderr; None for Ctrl-D, and where nobody can be asked."""
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
    """Whether somebody sees stderr and can type an answer."""
    return is_terminal(sys.stdin) and is_terminal(sys.stderr)


def dim(text: str, stream: TextIO | None = None) -> str:
    """Clean text in a fainter type, where the terminal (stderr, if none is given) has one."""
    return click.style(text, dim=True) if takes_escapes(sys.stderr if stream is None else stream) else text


def json_line(value: Any, *, ascii_only: bool = False, indent: int | None = None) -> str:
    """A value as JSON; whatever steers a terminal stands in it as an escape, so that nothing is hidden."""
    text = json.dumps(value, ensure_ascii=ascii_only, indent=indent)
    return _JSON_ESCAPED.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def write_json(value: Any) -> None:
    """A value as JSON on stdout, with no character that steers a terminal or that the encoding lacks."""
    out = output()
    as_is = (out.encoding or "").lower().replace("-", "") == "utf8"
    out.write(json_line(value, ascii_only=not as_is, indent=2 if is_terminal(out) else None) + "\n")
    out.flush()


class Page:
    """Answers on stdout as they come, and remarks on stderr that never stand inside one of their lines.

    On a terminal the text is made clean; into a pipe or file it goes as it is. What a model thinks is
    dimmed on a terminal, and goes to stderr where stdout is none.
    """

    def __init__(self) -> None:
        self._out = output()
        self._is_terminal = is_terminal(self._out)
        self._shown = Sanitizer()
        self._thought = Sanitizer()
        self._in_line = False
        self._thinks = False

    def write(self, piece: str) -> None:
        """The next piece of the answer, out at once."""
        if self._thinks:
            self._end_thinking()
        if self._is_terminal:
            piece = self._shown.feed(piece)
        if piece:
            self._put(piece)
            self._in_line = not piece.endswith("\n")

    def think(self, piece: str) -> None:
        """The next piece of what the model thinks."""
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
        """A line of its own, and an empty one, between what was thought and what is said."""
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
        """Begin a new line, unless one has just begun."""
        thinks, self._thinks = self._thinks, False
        if not self._in_line:
            return
        self._in_line = False
        if thinks and not self._is_terminal:
            _to_stderr("\n")
        else:
            self._put("\n")

    def end(self) -> None:
        """End the answer: the next one begins on a line of its own, with no control sequence open."""
        self.end_line()
        self._shown, self._thought = Sanitizer(), Sanitizer()

    def remark(self, text: str, *, faint: bool = False) -> None:
        """Lines on stderr."""
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
