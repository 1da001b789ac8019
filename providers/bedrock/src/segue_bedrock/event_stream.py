"""The framing ``application/vnd.amazon.eventstream``, for a stream that may be split anywhere.

A message is a prelude (its length, the length of its headers, the CRC-32 of both), headers, a payload, and the CRC-32
of all of it; numbers are big-endian. Sources: smithy.io/2.0/aws/amazon-eventstream; the limits are from botocore
1.44.5.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from struct import Struct
from typing import TYPE_CHECKING, Final, TypeAlias
from zlib import crc32

from segue.plugin import ProtocolError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

HeaderValue: TypeAlias = bool | int | bytes | str

MAX_HEADERS_BYTES: Final = 128 * 1024
MAX_PAYLOAD_BYTES: Final = 24 * 1024 * 1024

_PRELUDE: Final = Struct(">III")
_CRC: Final = Struct(">I")
_LENGTH: Final = Struct(">H")
_LEAST: Final = _PRELUDE.size + _CRC.size

# Of a header's value, by its type: 2 to 5 are integers, 8 is milliseconds since 1970.
_INTEGERS: Final = {2: 1, 3: 2, 4: 4, 5: 8, 8: 8}
_BYTES, _STRING, _UUID = 6, 7, 9


@dataclass(frozen=True, slots=True)
class Frame:
    """One message: its headers by name, and its payload."""

    headers: Mapping[str, HeaderValue]
    payload: bytes = field(repr=False)

    def text(self, name: str) -> str:
        """A header that is a string; empty if there is none."""
        value = self.headers.get(name)
        return value if isinstance(value, str) else ""


class EventStreamDecoder:
    """Turns the bytes of a stream into messages: the same messages, wherever the bytes are split.

    Raises ProtocolError for an impossible length, a payload of more than ``max_payload_bytes``, a wrong checksum, or
    headers that are not valid; no message comes after it.
    """

    __slots__ = ("_held", "_limit", "_prelude")

    def __init__(self, *, max_payload_bytes: int = MAX_PAYLOAD_BYTES) -> None:
        self._limit = max_payload_bytes
        self._held = bytearray()
        self._prelude: tuple[int, int] | None = None  # of the message that has begun, checked: its length, its headers'

    @property
    def pending(self) -> bool:
        """Whether a message has started and has not ended."""
        return bool(self._held)

    def feed(self, data: bytes) -> Iterator[Frame]:
        """The messages that these bytes complete."""
        held = self._held
        held += data
        start = 0
        try:
            while True:
                if self._prelude is None:
                    if len(held) - start < _PRELUDE.size:
                        return
                    self._prelude = self._lengths(held, start)
                length, headers = self._prelude
                if len(held) - start < length:
                    return
                message = bytes(memoryview(held)[start : start + length])
                start += length
                self._prelude = None
                yield _frame(message, headers)
        finally:
            # Once a feed: what is left moves to the front, so that each byte is moved no more than once a message.
            del held[:start]

    def _lengths(self, held: bytearray, start: int) -> tuple[int, int]:
        length, headers, told = _PRELUDE.unpack_from(held, start)
        if crc32(memoryview(held)[start : start + 8]) != told:
            raise ProtocolError(
                "the checksum of the prelude of a message is wrong: this is not an event stream, or it is damaged"
            )
        if headers > MAX_HEADERS_BYTES:
            raise ProtocolError(f"the headers of a message are larger than {MAX_HEADERS_BYTES:,} bytes")
        payload = length - headers - _LEAST
        if payload < 0:
            raise ProtocolError("a message is shorter than its headers and payload")
        if payload > self._limit:
            raise ProtocolError(f"a message is larger than {self._limit:,} bytes")
        return length, headers


def _frame(message: bytes, headers: int) -> Frame:
    end = len(message) - _CRC.size
    if crc32(memoryview(message)[:end]) != _CRC.unpack_from(message, end)[0]:
        raise ProtocolError("the checksum of a message is wrong")
    split = _PRELUDE.size + headers
    return Frame(_headers(message[_PRELUDE.size : split]), message[split:end])


def _headers(data: bytes) -> dict[str, HeaderValue]:
    headers: dict[str, HeaderValue] = {}
    place = 0
    while place < len(data):
        raw, place = _take(data, place + 1, data[place])
        kind, place = _take(data, place, 1)
        name = None
        value: HeaderValue = ""
        with contextlib.suppress(UnicodeDecodeError):
            value, place = _value(data, place, kind[0])
            name = raw.decode()
        if name is None:  # raised here, because the other error has the bytes
            raise ProtocolError("a header of a message is not UTF-8")
        if name in headers:
            raise ProtocolError("a message has a header twice")
        headers[name] = value
    return headers


def _value(data: bytes, place: int, kind: int) -> tuple[HeaderValue, int]:
    if kind in {0, 1}:
        return kind == 0, place
    if kind in _INTEGERS:
        raw, place = _take(data, place, _INTEGERS[kind])
        return int.from_bytes(raw, "big", signed=True), place
    if kind == _UUID:
        return _take(data, place, 16)
    if kind not in {_BYTES, _STRING}:
        raise ProtocolError(f"a header of a message has the unknown type {kind}")
    size, place = _take(data, place, _LENGTH.size)
    raw, place = _take(data, place, _LENGTH.unpack(size)[0])
    return (raw if kind == _BYTES else raw.decode()), place


def _take(data: bytes, place: int, size: int) -> tuple[bytes, int]:
    if place + size > len(data):
        raise ProtocolError("a header of a message is longer than all headers together")
    return data[place : place + size], place + size
