"""JSON values as they arrive: the elements of one array, or one object, split anywhere."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from segue.plugin import ProtocolError

if TYPE_CHECKING:
    from collections.abc import Iterator

_OUTSIDE: Final = re.compile(rb'["{}\[\]]')
_INSIDE: Final = re.compile(rb'["\\]')
_BETWEEN: Final = b", \t\r\n"


class JSONStream:
    """Splits a body that is an array, or one object, into the texts of its objects, in linear time.

    It checks only brackets and strings; the texts are not parsed yet. ``closed`` is true after the last bracket:
    the bytes after it are ignored.
    """

    __slots__ = ("_base", "_depth", "_escaped", "_held", "_in_string", "_limit", "closed")

    def __init__(self, *, max_bytes: int) -> None:
        self.closed = False
        self._limit = max_bytes
        self._base = -1  # how deep an object of ours stands; known with the first bracket
        self._depth = 0
        self._held = bytearray()  # the unfinished object
        self._in_string = False
        self._escaped = False  # the last piece ended with a backslash in a string

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The objects that these bytes complete; ProtocolError for one that is too large, or for other data."""
        start = place = 0
        if self._escaped and data:
            self._escaped, place = False, 1
        while not self.closed:
            match = (_INSIDE if self._in_string else _OUTSIDE).search(data, place)
            if match is None:
                break
            place, mark = match.end(), match[0]
            if mark == b'"':
                self._in_string = not self._in_string
            elif mark == b"\\":
                place += 1
                self._escaped = place > len(data)
            elif mark in b"{[":
                if self._base < 0:
                    self._base = int(mark == b"[")
                    start = place if self._base else match.start()
                self._depth += 1
            else:
                self._depth -= 1
                if self._depth == self._base:
                    yield self._take(data[start:place])
                    start = place
                self.closed = self._depth == 0
        if self.closed and self._base and (self._held + data[start : place - 1]).strip(_BETWEEN):
            raise ProtocolError("the answer is an array that contains other values than objects")
        self._held += data[start:]
        if len(self._held) > self._limit and not self.closed:
            raise self._too_large()

    def _take(self, rest: bytes) -> bytes:
        text = bytes(self._held + rest).lstrip(_BETWEEN)
        self._held.clear()
        if len(text) > self._limit:
            raise self._too_large()
        return text

    def _too_large(self) -> ProtocolError:
        return ProtocolError(f"an object of the answer is larger than {self._limit:,} bytes")
