"""The steps of a scripted host: answer a request, or fail in one of the ways in which hosts fail."""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, get_args

from ..constraints import ANY_TEXT, FLAG, NOTHING, Either, Fault, Items, Number, Of, Table, Word, check
from ..json_text import JSON_TABLE
from ..values import dataclass

if TYPE_CHECKING:
    from ..constraints import Constraint

Framing: TypeAlias = Literal["chunked", "length", "close"]
"""How the end of a body is marked: chunks, a Content-Length, or only the end of the connection."""

End: TypeAlias = Literal["close", "reset"]
"""How a connection ends: closed (FIN), or reset (RST)."""

Split: TypeAlias = int | Sequence[int] | None
"""How a body is split into writes: a number of bytes each, at these offsets, or one event each."""


def _no_headers() -> Mapping[str, str]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete answer; ``text``, or else ``tokens``, replaces the text of the host.

    The other fields are for a wire that supports them (Chat Completions); with ``tool_calls`` or ``refusal`` and
    no text, the answer has no text. A tool call is a name with its arguments, which may be any text;
    ``interleaved`` calls take turns in the stream, piece by piece. ``finish_reason`` replaces the one that follows
    from the other fields. ``cached_tokens`` and ``reasoning_tokens`` become details of the usage.
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

    def __post_init__(self) -> None:
        _check(self)


@dataclass(frozen=True, slots=True)
class Status:
    """A response with this status; its body is an error in the format of the wire, or these bytes."""

    status: int
    _: KW_ONLY
    code: str | None = None
    type: str | None = None
    message: str = "scripted"
    retry_after: str | None = None
    headers: Mapping[str, str] = field(default_factory=_no_headers)
    body: bytes | None = None

    def __post_init__(self) -> None:
        _check(self)


@dataclass(frozen=True, slots=True)
class Stall:
    """The host stops until the client disconnects: before the first byte, after the headers, or after some tokens.

    It never sends the last piece of an answer.
    """

    where: Literal["headers", "first_event", "middle"]
    _: KW_ONLY
    after_tokens: int = 2

    def __post_init__(self) -> None:
        _check(self)


@dataclass(frozen=True, slots=True)
class Cut:
    """The body ends after this many bytes (without framing), and the connection ends with it."""

    after: int
    _: KW_ONLY
    how: End = "close"

    def __post_init__(self) -> None:
        _check(self)


@dataclass(frozen=True, slots=True)
class Drop:
    """The connection ends without a byte of an answer: when it is accepted, or after the request was read.

    On accept, no request is recorded, and a request that the client has already sent turns the close into a reset.
    """

    when: Literal["accept", "request"] = "request"
    _: KW_ONLY
    how: End = "close"

    def __post_init__(self) -> None:
        _check(self)


@dataclass(frozen=True, slots=True)
class Garbage:
    """A response with status 200 whose body is not an answer."""

    body: bytes = bytes(number * 167 % 256 for number in range(512))
    _: KW_ONLY
    content_type: str = "text/event-stream"

    def __post_init__(self) -> None:
        _check(self)


@dataclass(frozen=True, slots=True)
class Raw:
    """Exactly these bytes as the whole response, with status line and headers; then the connection ends."""

    data: bytes
    _: KW_ONLY
    how: End = "close"

    def __post_init__(self) -> None:
        _check(self)


@dataclass(frozen=True, slots=True)
class Body:
    """Exactly these bytes as a body, for example from recorded traffic."""

    body: bytes
    _: KW_ONLY
    content_type: str = "text/event-stream"
    status: int = 200
    framing: Framing | None = None
    headers: Mapping[str, str] = field(default_factory=_no_headers)
    split: Split = None

    def __post_init__(self) -> None:
        _check(self)


_TEXT: Final = Either(ANY_TEXT, NOTHING)
_COUNT: Final = Either(Number(ge=0, whole=True), NOTHING)
_BYTES: Final = Of(bytes, "bytes")
_TEXTS: Final = Table(ANY_TEXT, "a dict of text by name")
_FRAMING: Final = Either(Word(*get_args(Framing)), NOTHING)
_END: Final = Word(*get_args(End))
_STATUS: Final = Number(ge=100, le=999, whole=True)
ARGUMENTS: Final = Either(ANY_TEXT, JSON_TABLE, wanted="text, or a dict of values that JSON can express")
"""The allowed arguments of a tool call."""
SPLIT: Final = Either(
    Number(ge=1, whole=True),
    Items(Number(ge=0, whole=True)),
    NOTHING,
    wanted="a number of bytes, a list of offsets, or None",
)
TOKENS: Final = Items(ANY_TEXT, "a list of texts")


class _Call:
    """A call of a tool: its name and its arguments."""

    wanted: str = "a tuple of the name of a tool and its arguments"

    def fault(self, value: object) -> Fault | None:
        if not isinstance(value, tuple) or len(value) != 2:
            return Fault(TypeError, self.wanted, value)
        parts: Sequence[Constraint] = (ANY_TEXT, ARGUMENTS)
        for place, constraint in enumerate(parts):
            fault = constraint.fault(value[place])
            if fault is not None:
                return fault._replace(place=f"[{place}]{fault.place}")
        return None


_STEPS: Final[Mapping[type[object], Mapping[str, Constraint]]] = {
    Answer: {
        "text": _TEXT, "tokens": Either(TOKENS, NOTHING), "framing": _FRAMING,
        "tool_calls": Items(_Call(), "a list of tool calls, each (name, arguments)"), "interleaved": FLAG,
        "reasoning": _TEXT, "reasoning_field": ANY_TEXT, "refusal": _TEXT, "finish_reason": _TEXT,
        "cached_tokens": _COUNT, "reasoning_tokens": _COUNT, "headers": _TEXTS,
    },
    Status: {
        "status": _STATUS, "code": _TEXT, "type": _TEXT, "message": ANY_TEXT, "retry_after": _TEXT, "headers": _TEXTS,
        "body": Either(_BYTES, NOTHING),
    },
    Stall: {"where": Word("headers", "first_event", "middle"), "after_tokens": Number(ge=0, whole=True)},
    Cut: {"after": Number(ge=0, whole=True), "how": _END},
    Drop: {"when": Word("accept", "request"), "how": _END},
    Garbage: {"body": _BYTES, "content_type": ANY_TEXT},
    Raw: {"data": _BYTES, "how": _END},
    Body: {
        "body": _BYTES, "content_type": ANY_TEXT, "status": _STATUS, "framing": _FRAMING, "headers": _TEXTS,
        "split": SPLIT,
    },
}  # fmt: skip


def _check(step: object) -> None:
    for kind in type(step).__mro__:
        for name, constraint in _STEPS.get(kind, {}).items():
            check(type(step).__name__, name, getattr(step, name), constraint)


STEP: Final = Of(
    tuple(_STEPS), "a step: Answer(…), Status(…), Stall(…), Cut(…), Drop(…), Garbage(…), Raw(…) or Body(…)"
)
Step: TypeAlias = Answer | Status | Stall | Cut | Drop | Garbage | Raw | Body


def refused_url() -> str:
    """An address on this machine where no server listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"
