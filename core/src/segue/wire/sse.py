"""Server-sent events (WHATWG HTML, 9.2.6), for a stream that may be split anywhere."""

from __future__ import annotations

from itertools import repeat
from typing import Final

from ..errors import ProtocolError

_BOM: Final = b"\xef\xbb\xbf"


class SSEDecoder:
    """Turns the bytes of one event stream into events: the same events, wherever the bytes are split.

    An event without a blank line after it is dropped, as the standard says. ``id``, ``retry`` and unknown
    fields are ignored. A line or an event of more than ``max_event_bytes`` is a ProtocolError. It is raised
    after the events before it: immediately if this feed has none, else by the next feed.
    """

    __slots__ = ("_after_cr", "_broken", "_data", "_held", "_limit", "_line", "_name", "_start")

    def __init__(self, *, max_event_bytes: int = 8 * 1024 * 1024) -> None:
        self._limit = max_event_bytes
        self._start: bytes | None = b""  # what may yet become the BOM; None once that is settled
        self._after_cr = False
        self._line = bytearray()  # the unfinished line; a bytearray grows in place, in linear time
        self._name = b""
        self._data: bytes | bytearray | None = None
        self._held = 0  # bytes of the open event's lines, more than 0 as long as there is one
        self._broken = False

    @property
    def pending(self) -> bool:
        """Whether it has bytes, or an event, that no feed has returned yet."""
        return bool(self._start or self._line or self._held or self._broken)

    def feed(self, data: bytes) -> list[tuple[bytes, bytes]]:
        """The events that these bytes complete, each as its name (empty if it has none) and its data."""
        if self._broken:
            raise self._too_large()
        if self._start is not None:
            data = self._start + data
            if len(data) < len(_BOM) and _BOM.startswith(data):
                self._start = data
                return []
            self._start = None
            data = data.removeprefix(_BOM)
        if self._after_cr and data:
            # That CR ended its line at once; an LF after it belongs to it.
            self._after_cr = False
            data = data.removeprefix(b"\n")
        if b"\r" in data:
            self._after_cr = data.endswith(b"\r")
            data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")

        events: list[tuple[bytes, bytes]] = []
        try:
            self._read(data, events)
        except ProtocolError:
            self._broken = True
            self._line, self._name, self._data, self._held = bytearray(), b"", None, 0
            if not events:
                raise
        return events

    def _read(self, data: bytes, events: list[tuple[bytes, bytes]]) -> None:
        if self._line or self._held:
            # First the open event, up to its blank line, so that the rest may go the fast way.
            if data.startswith(b"\n") and not self._line:
                end = 1
            else:
                blank = data.find(b"\n\n")
                end = len(data) if blank < 0 else blank + 2
            self._read_lines(data[:end], events)
            data = data[end:]
        blank = data.rfind(b"\n\n")
        if blank >= 0:
            self._read_events(data[: blank + 2], events)
            data = data[blank + 2 :]
        if data:
            self._read_lines(data, events)

    def _read_events(self, data: bytes, events: list[tuple[bytes, bytes]]) -> None:
        """Read what starts with no event open and ends with a blank line.

        Nearly every event is one data line, or an event line and a data line, and where all of them
        are alike two splits read them, at a fifth of the cost of going line by line. The count of
        LFs proves that no other line stands between.
        """
        if len(data) <= self._limit:
            if data.startswith(b"data: "):
                values = data[6:-2].split(b"\n\ndata: ")
                if data.count(b"\n") == 2 * len(values):
                    events += zip(repeat(b""), values)
                    return
            elif data.startswith(b"event: "):
                pairs = data[7:-2].split(b"\n\nevent: ")
                if data.count(b"\n") == 3 * len(pairs):
                    parted = [pair.partition(b"\ndata: ") for pair in pairs]
                    if all(part[1] for part in parted):
                        events += [(part[0], part[2]) for part in parted]
                        return
        self._read_lines(data, events)

    def _read_lines(self, data: bytes, events: list[tuple[bytes, bytes]]) -> None:
        lines = data.split(b"\n")
        rest = lines.pop()
        if lines and self._line:
            self._line += lines[0]
            lines[0] = bytes(self._line)
            self._line = bytearray()
        limit, name, value, held = self._limit, self._name, self._data, self._held
        for line in lines:
            if not line:
                if value is not None:
                    events.append((name, bytes(value)))
                name, value, held = b"", None, 0
                continue
            size = held + len(line)
            if size > limit:
                raise self._too_large()
            if line.startswith(b"data: "):
                told = line[6:]
            else:
                # A comment is a field without a name.
                field, _, told = line.partition(b":")
                told = told.removeprefix(b" ")
                if field == b"event":
                    name, held = told, size + 1
                    continue
                if field != b"data":
                    continue
            held = size + 1
            value = told if value is None else _joined(value, told)
        self._name, self._data, self._held = name, value, held
        self._line += rest
        if rest and held + len(self._line) > limit:
            raise self._too_large()

    def _too_large(self) -> ProtocolError:
        return ProtocolError(f"an event of the stream is larger than {self._limit:,} bytes")


def _joined(value: bytes | bytearray, told: bytes) -> bytearray:
    """The value with one more data line; grown in place from the third on, so that many take linear time."""
    joined = value if isinstance(value, bytearray) else bytearray(value)
    joined += b"\n" + told
    return joined
