"""The status line on stderr: what a command waits for, if a terminal has shown nothing for a while."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
import unicodedata
from typing import TYPE_CHECKING, Any, Final, TextIO

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator

QUIET: Final = 1.5
"""Seconds without output before the line appears."""
SETTLED: Final = 0.5
"""Further seconds that it waits if a state has only begun: a short state needs no line."""

_WIDTH: Final = 80

State = tuple["Hashable", str]
"""What a command waits for: an identity that separates it from other states, and its words."""


def takes_escapes(stream: TextIO | None) -> bool:
    """Whether this is a terminal that understands control sequences."""
    if stream is None or not stream.isatty():
        return False
    # A console of Windows sets no TERM; only the newer ones understand them.
    return os.environ.get("TERM", "") not in {"", "dumb"} or "WT_SESSION" in os.environ


class Progress:
    """One line on stderr that says what the command waits for, after `QUIET` seconds without output.

    It overwrites itself, and is erased before anything else is written. Where it cannot be erased, it is not shown: on
    a terminal without control sequences, in a file, in a pipe.
    """

    def __init__(
        self, stream: TextIO | None = None, *, clock: Callable[[], float] = time.monotonic, quiet: float = QUIET
    ) -> None:
        self._given = stream
        self._clock = clock
        self._quiet = quiet
        self._lock = threading.Condition(threading.RLock())
        self._stream: TextIO | None = None
        self._escapes = False
        self._state: Callable[[float], State] | None = None
        self._since: float | None = None
        """When something was written or typed for the last time, or when the first wait began."""
        self._changed = 0.0
        self._drawn = ""
        self._is_below = False
        self._told: set[Hashable] = set()
        self.in_line: bool = False
        """Whether the cursor is inside a line of the answer."""

    @contextlib.contextmanager
    def during(self, state: Callable[[float], State] | str, *, always: bool = False) -> Iterator[None]:
        """Say what the command waits for inside the ``with``: words, or a function that makes them from the time.

        ``always`` prints a plain line, once, where no line can be erased: a terminal without control sequences, a
        file, a pipe.
        """
        stream = sys.stderr if self._given is None else self._given
        if self._state is not None or stream is None or not (always or takes_escapes(stream)):
            yield  # inside another one, that says it already
            return
        self._escapes = takes_escapes(stream)
        self._stream = stream
        self._told = set()
        self._changed = now = self._clock()
        if self._since is None:
            # What was imported until now was silent too, and took as much time as this process had of a processor.
            self._since = now - (time.process_time() if self._given is None else 0.0)
        self._state = _constant(state, now) if isinstance(state, str) else state
        watched = contextlib.nullcontext() if self._given else contextlib.redirect_stderr(_Watched(stream, self))
        thread = threading.Thread(target=self._watch, args=(self._state,), name="segue status line", daemon=True)
        try:
            with watched:
                if self._given is None:
                    thread.start()
                yield
        finally:
            with self._lock:
                if self._drawn:
                    self._erase()
                    self._since = self._clock()
                self._state = None
                self._lock.notify_all()
            if thread.ident is not None:
                thread.join()

    def clear(self) -> None:
        """Erase the line because something is about to be written, or was typed; show it again only after a wait."""
        if self._state is None:
            self._since = self._clock()
            return
        with self._lock:
            self._erase()
            self._since = self._clock()

    def wrote(self, text: str) -> None:
        """Note that something was written."""
        if text:
            self.in_line = not text.endswith("\n")

    def tick(self) -> float:
        """Draw the line if it is due; return the seconds until the next check."""
        with self._lock:
            if self._state is None:
                return 0.0
            now = self._clock()
            since = now if self._since is None else self._since
            due = since + self._quiet
            left = due + max(0.0, min(self._changed - due, 0.0) + SETTLED) - now
            if left > 0 and not self._drawn:
                return left
            key, text = self._state(now)
            if self._escapes:
                self._draw(text)
            elif key not in self._told:
                self._told.add(key)
                self._write(("\n" if self.in_line else "") + self._fitting(text, cut=False) + "\n")
                self.in_line = False
            return 1.0 - (now - since) % 1.0

    @contextlib.contextmanager
    def changing(self) -> Iterator[None]:
        """Change inside the ``with`` what the command waits for; the line is updated after it."""
        with self._lock:
            yield
            self._changed = self._clock()
            self._lock.notify_all()

    def _watch(self, state: Callable[[float], State]) -> None:
        with self._lock:
            while self._state is state:
                self._lock.wait(self.tick())

    # ── drawing ───────────────────────────────────────────────────────────────────────────────────────

    def _draw(self, text: str) -> None:
        text = self._fitting(text, cut=True)
        if text == self._drawn:
            return
        if not self._drawn:
            self._is_below = self.in_line
        if self._is_below:
            # In the row below: make sure that there is one, and leave the cursor where the answer goes on.
            room = "" if self._drawn else "\x1bD\x1b[A"
            self._write(f"{room}\x1b7\x1b[B\r{text}\x1b[K\x1b8")
        else:
            self._write(f"\r{text}\x1b[K")
        self._drawn = text

    def _erase(self) -> None:
        if self._drawn:
            self._write("\x1b7\x1b[B\r\x1b[K\x1b8" if self._is_below else "\r\x1b[K")
            self._drawn = ""

    def _fitting(self, text: str, *, cut: bool) -> str:
        """The words with how to stop, in one row where they are to be written over."""
        stops = "" if signal.getsignal(signal.SIGINT) is signal.SIG_IGN else " (Ctrl-C stops)"
        if cut:
            room = self._width() - 1 - len(stops)
            if _cells(text) > room:
                while text and _cells(text) > room - 1:
                    text = text[:-1]
                text += "…"
        return text + stops

    def _width(self) -> int:
        try:
            assert self._stream is not None
            return os.get_terminal_size(self._stream.fileno()).columns or _WIDTH
        except (OSError, ValueError):
            return _WIDTH

    def _write(self, text: str) -> None:
        stream = self._stream
        assert stream is not None
        # An encoding that lacks the ellipsis lacks nothing else of ours.
        if not (stream.encoding or "").lower().startswith("utf"):
            text = text.replace("…", "...")
        with contextlib.suppress(OSError, ValueError):  # the terminal is gone: there is nobody to tell
            stream.write(text)
            stream.flush()


class _Watched:
    """Stderr while there may be a status line, which is erased before a log or a plugin writes."""

    def __init__(self, stream: TextIO, progress: Progress) -> None:
        self._stream = stream
        self._progress = progress

    def write(self, text: str) -> int:
        self._progress.clear()
        written = self._stream.write(text)
        self._progress.wrote(text)
        return written

    def flush(self) -> None:
        self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _constant(text: str, began: float) -> Callable[[float], State]:
    return lambda now: (text, f"{text} … {now - began:.0f} s")


def _cells(text: str) -> int:
    """How many columns of a terminal a text takes."""
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)


PROGRESS: Final = Progress()
"""The status line of this process, which has one stderr."""
