"""What a scripted host does with a request: answer it, or fail in one of the ways that hosts fail."""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, field
from types import MappingProxyType
from typing import Any, Literal, TypeAlias

from ..values import dataclass

Framing: TypeAlias = Literal["chunked", "length", "close"]
"""How a body's end is told: chunks, a Content-Length, or nothing but the connection's end."""

End: TypeAlias = Literal["close", "reset"]
"""How a connection ends: in order (FIN), or torn down (RST)."""

Split: TypeAlias = int | Sequence[int] | None
"""How a body is cut into writes: so many bytes each, at these offsets, or one event each."""


def _no_headers() -> Mapping[str, str]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer; ``text``, or else ``tokens``, stands for the host's own where given.

    The rest is for a wire that has it (Chat Completions); with ``tool_calls`` or ``refusal`` and no text there is
    none. A tool call is a name with its arguments, which may be any text; ``interleaved`` ones are streamed piece
    by piece in turn. ``finish_reason`` stands for the one that follows from the rest. ``cached_tokens`` and
    ``reasoning_tokens`` are told as details of the usage where given.
    """

    text: str | None = None
    _: KW_ONLY
    tokens: Sequence[str] | None = None
    framing: Framing | None = None
    tool_calls: Sequence[tuple[str, Mapping[str, Any] | str]] = ()
    interleaved: bool = False
    reasoning: str | None = None
    reasoning_field: str = "reasoning_content"
    refusal: str | None = None
    finish_reason: str | None = None
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None
    headers: Mapping[str, str] = field(default_factory=_no_headers)


@dataclass(frozen=True, slots=True)
class Status:
    """An answer with this status and an error in the wire's own form, or these bytes, as its body."""

    status: int
    _: KW_ONLY
    code: str | None = None
    type: str | None = None
    message: str = "scripted"
    retry_after: str | None = None
    headers: Mapping[str, str] = field(default_factory=_no_headers)
    body: bytes | None = None


@dataclass(frozen=True, slots=True)
class Stall:
    """Nothing more comes until the client leaves: no byte at all, headers without a token, or so many tokens.

    The last piece of an answer is always kept back.
    """

    where: Literal["headers", "first_event", "middle"]
    _: KW_ONLY
    after_tokens: int = 2


@dataclass(frozen=True, slots=True)
class Cut:
    """The body, counted before its framing, ends after so many bytes, and the connection with it."""

    after: int
    _: KW_ONLY
    how: End = "close"


@dataclass(frozen=True, slots=True)
class Drop:
    """The connection ends with no byte of an answer: as soon as it is accepted, or once the request was read.

    On accept no request is recorded, and a request already under way turns the close into a reset.
    """

    when: Literal["accept", "request"] = "request"
    _: KW_ONLY
    how: End = "close"


@dataclass(frozen=True, slots=True)
class Garbage:
    """A success whose body is no answer."""

    body: bytes = bytes(number * 167 % 256 for number in range(512))
    _: KW_ONLY
    content_type: str = "text/event-stream"


@dataclass(frozen=True, slots=True)
class Raw:
    """These very bytes as the whole answer, status line and headers included; then the connection ends."""

    data: bytes
    _: KW_ONLY
    how: End = "close"


@dataclass(frozen=True, slots=True)
class Body:
    """These very bytes as a body, as of recorded traffic."""

    body: bytes
    _: KW_ONLY
    content_type: str = "text/event-stream"
    status: int = 200
    framing: Framing | None = None
    headers: Mapping[str, str] = field(default_factory=_no_headers)
    split: Split = None


Step: TypeAlias = Answer | Status | Stall | Cut | Drop | Garbage | Raw | Body


def refused_url() -> str:
    """An address on this machine where nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"
