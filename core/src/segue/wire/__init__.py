"""Wires: the HTTP APIs of hosts, as codecs without I/O that know no provider.

The ``encode`` of a wire makes a `Call`; its decoder turns the bytes of the response, split anywhere, into
events. This module has what all wires share.
"""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, Protocol

from ..display import shown_address
from ..json_text import from_json, to_json
from ..values import dataclass

__all__ = ["Call", "Decoder", "from_json", "to_json"]

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ..events import Event, Notice, RateLimits


@dataclass(frozen=True, slots=True)
class Call:
    """One HTTP request, ready to be sent; its ``repr`` shows neither headers, body, query nor user.

    ``notices`` say which parts of the request the wire does not support; they come before the events of the answer.
    """

    url: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    method: str = "POST"
    notices: tuple[Notice, ...] = ()

    def __repr__(self) -> str:
        return f"Call({getattr(self, 'method', '')} {shown_address(getattr(self, 'url', None))})"


class Decoder(Protocol):
    """Turns the bytes of one answer into events: the same events, wherever the bytes are split."""

    request_id: str | None
    limits: RateLimits | None
    """Both are set before the first bytes, from the headers of the response."""

    @property
    def finished(self) -> bool:
        """Whether the end marker of the wire has been read; the bytes after it are ignored."""
        ...

    def feed(self, data: bytes) -> Iterable[Event]:
        """The events that these bytes complete; raises a ProviderError if they contain an error or are not valid."""
        ...

    def end(self, *, delimited: bool) -> Iterable[Event]:
        """The events that the end of the body completes; raises StreamBrokenError if it came too early.

        ``delimited`` is whether the framing of HTTP proved that the body is complete (its length, or a last
        chunk); the end of a connection alone proves nothing.
        """
        ...
