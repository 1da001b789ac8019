"""The history of the prompt, for its arrow keys: one JSON string per line, in a file that only its owner can read."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from .terminal import one_line, say

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_KEPT: Final = 1000


def history_file(environ: Mapping[str, str]) -> Path:
    """``$XDG_STATE_HOME/segue/history``, else ``~/.local/state/segue/history``."""
    folder = Path(environ.get("XDG_STATE_HOME") or "")
    # A relative folder counts as none (XDG base directories): it would be the working directory's.
    home = folder if folder.is_absolute() else Path(environ.get("HOME") or Path.home()) / ".local" / "state"
    return home / "segue" / "history"


class History:
    """The lines before this one; ``path`` None keeps them for this run only. Without readline there are none."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._last = ""
        try:
            import readline  # a Python may be built without it
        except ImportError:
            self._readline = None
            return
        self._readline = readline
        readline.set_auto_history(False)  # the answers to questions are no lines of it
        readline.clear_history()
        for line in self._read():
            self._remember(line)

    def add(self, line: str) -> None:
        """Save a line that was typed."""
        if line == self._last:
            return
        self._remember(line)
        if self._path is None:
            return
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            with open(descriptor, "ab") as file:  # noqa: PTH123 - it is open already, with its mode
                os.fchmod(descriptor, 0o600)
                file.write(_written(line))
        except OSError as error:
            say(f"note: the history cannot be saved: {one_line(str(error))}")
            self._path = None

    def typed(self) -> bool:
        """Whether the line that is being typed is not empty."""
        return self._readline is not None and bool(self._readline.get_line_buffer())

    def _remember(self, line: str) -> None:
        self._last = line
        if self._readline is not None:
            self._readline.add_history(line)

    def _read(self) -> list[str]:
        if self._path is None:
            return []
        try:
            written = self._path.read_bytes().splitlines()
        except OSError:  # there is none yet; if it is another reason, it is told when a line is to be kept
            return []
        lines = [line for line in map(_line, written) if line]
        if len(written) > 2 * _KEPT:
            self._shorten(lines[-_KEPT:])
        return lines[-_KEPT:]

    def _shorten(self, lines: Sequence[str]) -> None:
        if self._path is None:
            return
        try:
            descriptor, name = tempfile.mkstemp(dir=self._path.parent)  # readable by its owner alone
            with open(descriptor, "wb") as file:  # noqa: PTH123 - it is open already
                file.writelines(map(_written, lines))
            Path(name).replace(self._path)
        except OSError as error:
            say(f"note: the history cannot be shortened: {one_line(str(error))}")


def _written(line: str) -> bytes:
    return json.dumps(line).encode() + b"\n"  # ASCII: a line break in it is an escape


def _line(written: bytes) -> str:
    """A line as it was typed; empty where the file was changed by something else."""
    try:
        line = json.loads(written)
    except ValueError:
        return ""
    return line if isinstance(line, str) and "\0" not in line else ""
