"""A short stream of Chat Completions with characters of every length, and what its decoder makes of pieces of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from segue import TextDelta
from segue.testing import OpenAIHost
from segue.wire.openai_chat import Decoder

if TYPE_CHECKING:
    from segue import Event

TOKENS = ["Grüße", ", ", "世界", "! ", "🎭", " That", " is", " all", "."]
TEXT = "".join(TOKENS)
BODY = OpenAIHost.sse_body(TOKENS, model="m")


def read(*pieces: bytes, delimited: bool = True) -> list[Event]:
    """The events of a body that came in these pieces."""
    decoder = Decoder()
    events = [event for piece in pieces for event in decoder.feed(piece)]
    return events + list(decoder.end(delimited=delimited))


def told(events: list[Event]) -> str:
    """The text of events."""
    return "".join(event.text for event in events if isinstance(event, TextDelta))
