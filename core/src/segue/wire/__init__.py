"""How to talk: pure codecs, no I/O and no provider known.

A wire's ``encode`` makes a `Call`; its decoder takes the bytes that came back, cut anywhere, and
gives events. What all wires share stands here.
"""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, Protocol

from ..json_text import from_json, to_json
from ..values import dataclass

__all__ = ["Call", "Decoder", "from_json", "to_json"]

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ..events import Event, Notice, RateLimits


@dataclass(frozen=True, slots=True)
class Call:
    """One HTTP request, ready to be sent; its ``repr`` shows neither headers nor body nor query.

    ``notices`` say what of the request its wire has no words for; they come before the answer's events.
    """

    url: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    method: str = "POST"
    notices: tuple[Notice, ...] = ()

    def __repr__(self) -> str:
        return f"Call({self.method} {self.url.partition('?')[0]})"


class Decoder(Protocol):
    """Turns the bytes of one answer into events; the same events for every split of the same bytes."""

    request_id: str | None
    limits: RateLimits | None
    """Both are set before the first bytes, from the answer's headers."""

    @property
    def finished(self) -> bool:
        """Whether the wire's end marker came; what follows it is not read."""
        ...

    def feed(self, data: bytes) -> Iterable[Event]:
        """The events that these bytes complete; raises a ProviderError where they hold or are one."""
        ...

    def end(self, *, delimited: bool) -> Iterable[Event]:
        """The events that the end of the body completes, or StreamBrokenError where it came too soon.

        ``delimited`` is whether HTTP's framing proved the body whole (a length met, a last chunk); a
        connection that just ended proves nothing.
        """
        ...
