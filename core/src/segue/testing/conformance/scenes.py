"""Scenes: an answer of a host in pieces, and the expected result of decoding it.

Segue makes the answers of the wires that it has as a server, and those of plain text; for any other wire the
package of the provider has cassettes.
"""

from __future__ import annotations

import base64
import json
import struct
from dataclasses import field
from typing import TYPE_CHECKING, Any, Final, Protocol

from ...errors import ConfigError
from ...events import (
    ChoiceFinish,
    Collector,
    Finish,
    Logprobs,
    ReasoningDelta,
    Start,
    TextDelta,
    TokenLogprob,
    ToolCallDelta,
    Usage,
)
from ...values import dataclass
from .items import UntriedError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ...events import Event
    from ...provider.contract import Conformance
    from ..cassettes import Cassette

PIECES: Final = ("Grüße", ", 世界", " \N{EM DASH} \N{GRINNING FACE}", " one\u2028two", " three", " four", " the end.")
"""The text of an answer, with characters of two, three and four bytes, and one that some treat as a line end."""

TEXT: Final = "".join(PIECES)
OBJECT: Final = '{"segue_field": "yes"}'
CALLS: Final = (
    ("look_up_weather", '{"place": "Zürich", "days": 3}'),
    ("look_up_time", '{"place": "\\u6771\\u4eac"}'),
)
THOUGHT: Final = ("First ", "this, ", "then that.")
VECTORS: Final = ((0.5, -0.25, 0.125), (-1.0, 0.75, 0.0))


@dataclass(frozen=True, slots=True)
class Meant:
    """The expected content of an answer; None is not checked."""

    text: str | None = None
    reasoning: str | None = None
    calls: Sequence[tuple[str, Any]] | None = None
    finish: str | None = None
    raw_finish: str | None = None
    input_tokens: frozenset[int] | None = None
    """Any of these numbers: wires count cached tokens as a part of the input, or separately."""
    output_tokens: frozenset[int] | None = None
    choices: Sequence[str] | None = None
    logprobs: bool = False
    vectors: Sequence[Sequence[float]] | None = None
    error: bool = False
    """Whether it is an error and not an answer."""


@dataclass(frozen=True, slots=True)
class Scene:
    """An answer: ``pieces`` of the stream, ``whole`` as one body if its wire has that; and its expected content."""

    name: str
    pieces: Sequence[bytes] = field(repr=False)
    meant: Meant
    content_type: str = "text/event-stream"
    whole: bytes | None = field(default=None, repr=False)
    whole_type: str = "application/json"
    status: int = 200
    lead: int = 0
    """The number of pieces before the content of the answer."""
    streams: bool = True
    headers: Mapping[str, str] = field(default_factory=dict)
    model: str | None = None

    @property
    def body(self) -> bytes:
        """All pieces."""
        return b"".join(self.pieces)


class Wire(Protocol):
    """The scenes that a wire can express."""

    name: str
    marked: bool
    """Whether the wire marks the end of an answer, so that a missing end is noticed."""
    framing: str | None
    """How a stream is split into events; None if it is not."""

    def scene(self, name: str) -> Scene:
        """The scene with this name; UntriedError if there is none."""
        ...

    def error(self, status: int, code: str | None = None) -> tuple[bytes, str]:
        """The body of an error and its content type."""
        ...


# ── wires of core ────────────────────────────────────────────────────────────────────────────────────


def _events(name: str) -> tuple[Sequence[Event], Meant]:
    """The events of a scene, and what they say."""
    start, usage = Start("conformance-model", "resp-1"), Usage(11, 7, 18)
    text: list[Event] = [TextDelta(piece) for piece in PIECES]
    counts: dict[str, Any] = {"input_tokens": frozenset({11}), "output_tokens": frozenset({7})}
    stop: dict[str, Any] = {"finish": "stop", **counts}
    match name:
        case "text":
            return [start, *text, usage, Finish("stop")], Meant(text=TEXT, calls=(), **stop)
        case "reasoning":
            thought = [ReasoningDelta(piece) for piece in THOUGHT]
            return [start, *thought, *text, usage, Finish("stop")], Meant(TEXT, reasoning="".join(THOUGHT), **stop)
        case "tools" | "parallel_tools":
            named = CALLS if name == "parallel_tools" else CALLS[:1]
            calls: list[Event] = []
            for index, (tool, arguments) in enumerate(named):
                calls.append(ToolCallDelta(index, f"call_{index}", tool))
                calls += [ToolCallDelta(index, arguments=arguments[at : at + 7]) for at in range(0, len(arguments), 7)]
            told = Meant(
                calls=[(tool, json.loads(arguments)) for tool, arguments in named], finish="tool_calls", **counts
            )
            return [start, *calls, usage, Finish("tool_calls")], told
        case "json_schema" | "json_object":
            halves = (OBJECT[:9], OBJECT[9:])
            return [start, *map(TextDelta, halves), usage, Finish("stop")], Meant(text=OBJECT, **stop)
        case "logprobs":
            tokens: list[Event] = []
            for piece in PIECES:
                tokens += [TextDelta(piece), Logprobs((TokenLogprob(piece, -0.25, ((piece, -0.25),)),))]
            return [start, *tokens, usage, Finish("stop")], Meant(TEXT, logprobs=True, **stop)
        case "choices":
            other: list[Event] = [TextDelta(piece.upper(), 1) for piece in PIECES]
            both = [event for pair in zip(text, other, strict=True) for event in pair]
            events = [start, *both, ChoiceFinish(1, "stop"), usage, Finish("stop")]
            return events, Meant(choices=[TEXT, TEXT.upper()], **stop)
        case "tools in turns":
            turns: list[Event] = [ToolCallDelta(index, f"call_{index}", tool) for index, (tool, _) in enumerate(CALLS)]
            for at in range(0, max(len(arguments) for _, arguments in CALLS), 5):
                turns += [
                    ToolCallDelta(index, arguments=arguments[at : at + 5])
                    for index, (_, arguments) in enumerate(CALLS)
                    if arguments[at:]
                ]
            told = Meant(calls=[(tool, json.loads(arguments)) for tool, arguments in CALLS], finish="tool_calls")
            return [start, *turns, usage, Finish("tool_calls")], told
        case "no usage":
            return [start, *text, Finish("stop")], Meant(text=TEXT, finish="stop")
        case "filtered":
            return [start, *text, usage, Finish("content_filter")], Meant(text=TEXT, finish="content_filter")
        case _:
            raise UntriedError(f"the kit has no scene for {name}")


_ONLY_ON: Final = {
    "choices": {"openai_chat"},
    "logprobs": {"openai_chat", "openai_responses"},
    "json_object": {"openai_chat", "openai_responses"},
    "embeddings": {"openai_chat", "openai_responses"},
}


class CoreWire:
    """A wire that Segue also has as a server."""

    framing: str | None = "sse"
    marked = True

    def __init__(self, name: str) -> None:
        self.name: str = name

    def scene(self, name: str) -> Scene:
        """The scene, encoded again each time."""
        if self.name not in _ONLY_ON.get(name, {self.name}):
            raise UntriedError(f"the wire {self.name} does not support {name}")
        if name == "embeddings":
            return Scene(name, [_vectors()], Meant(vectors=VECTORS), "application/json", streams=False)
        if name == "in-stream error":
            return Scene(name, [_in_stream(self.name)], Meant(error=True))
        events, meant = _events(name)
        pieces = self._told(events)
        collector = Collector()
        for event in events:
            collector.add(event)
        whole = self._server().render(collector.reply(model="conformance-model"))
        return Scene(name, pieces, meant, whole=whole, lead=1)

    def _told(self, events: Sequence[Event]) -> list[bytes]:
        renderer = self._server().Renderer(model="conformance-model")
        return [piece for event in events if (piece := renderer.feed(event))]

    def _server(self) -> Any:
        from importlib import import_module

        return import_module(f"segue.wire.{self.name}.server")

    def error(self, status: int, code: str | None = None) -> tuple[bytes, str]:  # noqa: ARG002 - as the protocol has it
        """The error in the format of these wires."""
        kind = code or "scripted"
        told: dict[str, Any] = {"error": {"message": "scripted", "type": kind, "param": None, "code": code}}
        if self.name == "anthropic_messages":
            told = {"type": "error", "error": {"type": kind, "message": "scripted"}}
        return json.dumps(told).encode(), "application/json"


def _in_stream(wire: str) -> bytes:
    error: dict[str, Any] = {"code": "rate_limit_exceeded", "message": "scripted"}
    match wire:
        case "openai_chat":
            return b"data: " + json.dumps({"error": {"type": "requests", **error}}).encode() + b"\n\n"
        case "anthropic_messages":
            told: dict[str, Any] = {"type": "error", "error": {"type": "rate_limit_error", "message": "scripted"}}
        case _:
            told = {"type": "error", "sequence_number": 0, "param": None, **error}
    return b"event: error\ndata: " + json.dumps(told).encode() + b"\n\n"


def _vectors(*, as_base64: bool = False) -> bytes:
    data = [
        {
            "object": "embedding",
            "index": index,
            "embedding": base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
            if as_base64
            else list(vector),
        }
        for index, vector in enumerate(VECTORS)
    ]
    usage = {"prompt_tokens": 2, "total_tokens": 2}
    return json.dumps({"object": "list", "data": data, "model": "conformance-model", "usage": usage}).encode()


class TextWire:
    """Plain text, one piece per token; the framing of HTTP is its end."""

    name = "text"
    marked = False
    framing: str | None = None

    def scene(self, name: str) -> Scene:
        """The text; plain text supports nothing else."""
        if name != "text":
            raise UntriedError(f"plain text does not support {name}")
        plain = "text/plain; charset=utf-8"
        pieces = [piece.encode() for piece in PIECES]
        return Scene(name, pieces, Meant(TEXT), plain, b"".join(pieces), plain)

    def error(self, status: int, code: str | None = None) -> tuple[bytes, str]:  # noqa: ARG002 - as the protocol has it
        """A line of text."""
        return b"scripted", "text/plain; charset=utf-8"


# ── cassettes ────────────────────────────────────────────────────────────────────────────────────────

_FEATURE: Final = {
    "text": "text",
    "tools": "tool_calls",
    "parallel_tools": "parallel_tool_calls",
    "vision": "images_in",
    "files": "files",
    "audio": "audio",
    "json_schema": "structured_output",
    "json_object": "structured_output",
    "reasoning": "reasoning_text",
    "logprobs": "logprobs",
    "choices": "multi_choice",
    "embeddings": "embeddings",
    "in-stream error": "in_stream_error",
}
"""The feature that the cassette of a scene has."""


class CassetteWire:
    """The provider's own wire, as recorded in its cassettes."""

    def __init__(self, package: str) -> None:
        from ..cassettes import cassettes_of  # only where there are some

        self.name: str = f"the cassettes of {package}"
        self.cassettes: Sequence[Cassette] = cassettes_of(package)
        if not self.cassettes:
            raise ConfigError(f"{package} has no cassettes")
        text = self._found("text")
        self.framing: str | None = None if text is None else text.response.framing
        # Where no reading tells why the answer ended, nothing on the wire does.
        self.marked: bool = text is None or text.expected.get("finish_reason") is not None

    def scene(self, name: str) -> Scene:
        """The scene of the first cassette with the feature; a streamed one is preferred."""
        found = self._found(name)
        if found is None:
            raise UntriedError(f"no cassette has the feature {_FEATURE.get(name, name)}")
        whole = None
        if found.response.is_stream:
            other = self._found(name, streams=False)
            whole = None if other is None or meant_by(other) != meant_by(found) else other.response.body
        return scene_of(found, name, whole=whole)

    def _found(self, name: str, *, streams: bool = True) -> Cassette | None:
        feature = _FEATURE.get(name, name)
        fitting = [one for one in self.cassettes if feature in one.features and (self._is_fit(one, name))]
        fitting.sort(key=lambda one: (one.response.is_stream != streams, len(one.response.body)))
        return next((one for one in fitting if streams or not one.response.is_stream), None)

    @staticmethod
    def _is_fit(one: Cassette, name: str) -> bool:
        if name == "in-stream error":
            return True
        if one.response.status != 200 or one.expected.get("error"):
            return False
        if name == "text":
            return not {"tool_calls", "structured_output", "multi_choice", "truncated"} & one.features
        return True

    def error(self, status: int, code: str | None = None) -> tuple[bytes, str]:
        """The error of a cassette with this status, or a plain one."""
        for one in self.cassettes:
            if one.response.status == status and code is None:
                return one.response.body, one.response.content_type
        return json.dumps({"message": "scripted", "code": code}).encode(), "application/json"


def scene_of(cassette: Cassette, name: str = "", *, whole: bytes | None = None) -> Scene:
    """The scene that a cassette recorded."""
    response = cassette.response
    asked = cassette.request.json
    model = asked.get("model") if isinstance(asked, dict) else None
    return Scene(
        name or cassette.id,
        events_in(response.body, response.framing),
        meant_by(cassette),
        response.content_type,
        whole,
        response.content_type if whole is None else "application/json",
        response.status,
        streams=response.is_stream,
        headers=cassette.step().headers,
        model=model if isinstance(model, str) else None,
    )


def events_in(body: bytes, framing: str | None) -> list[bytes]:
    """A body in pieces: one per event if it is split into events, else halves."""
    match framing:
        case "sse":
            mark = b"\r\n\r\n" if b"\r\n\r\n" in body else b"\n\n"
            return [piece + mark for piece in body.split(mark)[:-1]] + [body.rpartition(mark)[2]]
        case "ndjson":
            return body.splitlines(keepends=True)
        case "aws-eventstream":
            frames, at = [], 0
            while at + 4 <= len(body):
                size = max(int.from_bytes(body[at : at + 4], "big"), 4)
                frames.append(body[at : at + size])
                at += size
            return frames + ([body[at:]] if at < len(body) else [])
        case _:
            step = max(len(body) // 6, 1)
            return [body[at : at + step] for at in range(0, len(body), step)]


def meant_by(cassette: Cassette) -> Meant:
    """The expected content in the cassette."""
    told = cassette.expected
    if told.get("error"):
        return Meant(error=True)
    embeddings = told.get("embeddings")
    if embeddings is not None:
        first = embeddings.get("first8")
        return Meant(vectors=None if first is None else _table(first))
    calls = told.get("tool_calls")
    return Meant(
        text=told.get("text") or "",
        reasoning=told.get("reasoning_text"),
        calls=None
        if calls is None
        else [(call["name"], call.get("arguments")) for call in calls if not call.get("arguments_unparseable")],
        raw_finish=told.get("finish_reason"),
        input_tokens=_counts(told, "input_tokens", "cached_tokens", "cache_write_tokens"),
        output_tokens=_counts(told, "output_tokens", "reasoning_tokens"),
    )


def _table(first: Any) -> Sequence[Sequence[float]]:
    rows = first if first and isinstance(first[0], list) else [first]
    return [[float(number) for number in row] for row in rows]


def _counts(told: Mapping[str, Any], name: str, *beside: str) -> frozenset[int] | None:
    """The number of tokens, with and without each of what some wires count beside it."""
    count = told.get(name)
    if count is None:
        return None
    sums = {count}
    for other in beside:
        more = told.get(other)
        if more:
            sums |= {one + more for one in sums}
    return frozenset(sums)


def wire_of(conformance: Conformance) -> Wire | None:
    """The wire that a provider declares; None if it declares none; ConfigError for an unknown one."""
    if conformance.wire is not None:
        if conformance.wire == "text":
            return TextWire()
        if conformance.wire not in CORE_WIRES:
            raise ConfigError(f"{conformance.wire!r} is not a wire of the kit; expected {', '.join(WIRES)}")
        return CoreWire(conformance.wire)
    return None if conformance.cassettes is None else CassetteWire(conformance.cassettes)


CORE_WIRES: Final = ("openai_chat", "openai_responses", "anthropic_messages")
WIRES: Final = (*CORE_WIRES, "text")
"""The wires for which a provider needs no cassettes."""
