"""The server side of this wire: decodes the body of a client, and encodes a reply."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, get_args

from ...events import (
    AudioDelta,
    ChoiceFinish,
    Finish,
    Handover,
    Logprobs,
    Notice,
    ReasoningDelta,
    RefusalDelta,
    Source,
    Start,
    TextDelta,
    ToolCallDelta,
    Usage,
)
from ...json_text import from_json, to_json
from ...messages import (
    FilePart,
    ImagePart,
    Message,
    NativePart,
    Output,
    ReasoningEffort,
    ReasoningPart,
    Request,
    Settings,
    TextPart,
    Tool,
    ToolCall,
    ToolName,
    cache_mark,
)
from ..reading import value_errors
from .decode import FINISH, opaque_block, opaque_caller
from .encode import FIELDS, WIRE, Body, caller_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from ...events import Event, Reply
    from ...messages import Part

_SETTINGS: Final = {theirs: ours for ours, theirs in FIELDS.items()}
_KNOWN: Final = frozenset({"model", "messages", "stream", *_SETTINGS})


# ── a client's body → request ────────────────────────────────────────────────────────────────────────


@value_errors
def read(body: bytes, *, model: str | None = None) -> tuple[str, Request]:
    """The name of the model and the request in the body of a client; ValueError if the body is not a request.

    ``model`` is the name in the address, used if the body has none. ``extra_body`` of the request gets the
    fields that this wire does not know, and the fields that a request cannot express completely (tools of the
    host or with cache marks, a budget for thinking). A block without an equivalent part becomes a `NativePart`.
    The citations of an assistant's text are not read.
    """
    try:
        given = from_json(body, allow_inf_nan=False)
    except ValueError:
        raise ValueError("the body is not JSON") from None
    given = _table(given, "the body")
    model = given.get("model") or model
    if not isinstance(model, str) or not model:
        raise ValueError("model is missing")
    more = {name: value for name, value in given.items() if name not in _KNOWN and value is not None}
    messages = _read_system(more)
    for turn in _list(given.get("messages"), "messages"):
        messages += _read_turn(_table(turn, "messages[]"))
    if not messages:
        raise ValueError("messages is empty")
    tools = _read_tools(more)
    settings = {ours: given[name] for name, ours in _SETTINGS.items() if given.get(name) is not None}
    choice, parallel = _read_tool_choice(more, tools)
    output = _read_output(more)  # before the effort, which stands beside it
    return model, Request(
        messages=tuple(messages),
        tools=tools,
        tool_choice=choice,
        output=output,
        settings=Settings.model_validate({**settings, **parallel, **_read_effort(more)}),
        stream=given.get("stream") or False,
        extra_body=more,
    )


def _table(value: object, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{where} is not a JSON object")
    return value


def _list(value: object, where: str) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError(f"{where} is not a list")
    return value


def _read_system(more: dict[str, Any]) -> list[Message]:
    system = more.get("system")
    if not system:
        more.pop("system", None)
        return []
    blocks = [] if isinstance(system, str) else [_table(block, "system[]") for block in _list(system, "system")]
    if all(block.keys() <= {"type", "text", "cache_control"} for block in blocks):
        del more["system"]
    return [Message(role="system", content=system if isinstance(system, str) else _read_parts(blocks))]


def _read_turn(turn: dict[str, Any]) -> Iterator[Message]:
    """The messages of a turn: results of tools are messages of their own, and so is what follows a call."""
    role, content = turn.get("role"), turn.get("content")
    if isinstance(content, str):
        yield Message.model_validate({"role": role, "content": content})
        return
    said: list[Body] = []
    calls: list[Body] = []
    blocks = [_table(block, "content[]") for block in _list(content, "content")]
    for block in blocks:
        kind = block.get("type")
        if kind == "tool_use":
            calls.append(block)
            continue
        if calls or (kind == "tool_result" and said):
            yield _turn(role, said, calls)
            said, calls = [], []
        if kind == "tool_result":
            yield _read_result(block)
        else:
            said.append(block)
    if said or calls or not blocks:
        yield _turn(role, said, calls)


def _turn(role: object, said: list[Body], calls: list[Body]) -> Message:
    """A turn; a mark of the cache at one of its calls is one of the whole turn."""
    marks = [call["cache_control"] for call in calls if call.get("cache_control")]
    content = (*_read_parts(said), *map(cache_mark, marks[-1:]))
    return Message.model_validate({"role": role, "content": content or "", "tool_calls": tuple(map(_read_call, calls))})


def _read_result(block: Body) -> Message:
    content = block.get("content") or ""
    if not isinstance(content, str):
        content = _read_parts([_table(part, "tool_result.content[]") for part in _list(content, "tool_result.content")])
    if block.get("cache_control"):
        said = (TextPart(text=content),) if isinstance(content, str) else content
        content = (*said, cache_mark(block["cache_control"]))
    told = {"role": "tool", "content": content, "tool_call_id": block.get("tool_use_id")}
    return Message.model_validate({**told, "is_error": block.get("is_error") or False})


def _read_call(block: Body) -> ToolCall:
    return ToolCall.model_validate(
        {
            "id": block.get("id"),
            "name": block.get("name"),
            "arguments": to_json(_table(block.get("input"), "tool_use.input")).decode(),
            "opaque": opaque_caller(block.get("caller")),
        }
    )


def _read_parts(blocks: list[Body]) -> tuple[Part, ...]:
    parts: list[Part] = []
    for block in blocks:
        mark = block.get("cache_control")
        parts.append(_read_part({name: value for name, value in block.items() if name != "cache_control"}))
        if mark is not None:
            parts.append(cache_mark(mark))
    return tuple(parts)


def _read_part(block: Body) -> Part:
    match block.get("type"):
        case "text":
            return TextPart.model_validate({"text": block.get("text")})
        case "image" | "document" as kind:
            source = _read_source(kind, block)
            if source is None or not block.keys() <= _OF[kind]:
                return NativePart(wire=WIRE, block=block)
            if kind == "image":
                return ImagePart.model_validate(source)
            cited = _table(block.get("citations") or {}, "document.citations").get("enabled") or False
            return FilePart.model_validate({**source, "name": block.get("title"), "citations": cited})
        case "thinking":
            return _read_thinking(block)
        case str(kind):
            written = to_json(block).decode()
            if opaque_block(written) is None or kind == "container_upload":
                return NativePart(wire=WIRE, block=block)
            return ReasoningPart(opaque=written)
        case _:
            raise ValueError("content[] contains a block without a type")


# The fields of a block that its part has words for.
_OF: Final = {
    "image": frozenset({"type", "source"}),
    "document": frozenset({"type", "source", "title", "citations"}),
}


def _read_source(kind: str, block: Body) -> Mapping[str, Any] | None:
    """Where the bytes of a block are; None for a source that no part can express."""
    source = _table(block.get("source"), f"{kind}.source")
    match {**source, "of": kind}:
        case {"type": "base64", "media_type": str(media_type), "data": str(data)}:
            return {"url": f"data:{media_type};base64,{data}"}
        case {"type": "url", "url": str(url)}:
            return {"url": url}
        case {"type": "file", "of": "document", "file_id": str(file_id)}:
            return {"id": file_id}
        case {"type": "text", "of": "document", "data": str(text)}:
            return {"data": text.encode(), "media_type": "text/plain"}
        case {"type": "base64" | "url" | "text" | "file" as of} if (kind, of) != ("image", "file"):
            raise ValueError(f"{kind}.source of type {of} is not complete")
        case _:
            return None


def _read_thinking(block: Body) -> ReasoningPart:
    """The reasoning; if `Renderer` made it from another wire, the signature is the opaque part of that wire."""
    signature = block.get("signature") or ""
    foreign = isinstance(signature, str) and signature.startswith("{")
    opaque = signature if foreign else to_json({"type": "thinking", "signature": signature}).decode()
    return ReasoningPart.model_validate({"text": block.get("thinking"), "opaque": opaque})


def _read_tools(more: dict[str, Any]) -> tuple[Tool, ...]:
    given = [_table(tool, "tools[]") for tool in _list(more.get("tools") or [], "tools")]
    own = [tool for tool in given if tool.get("type") in {None, "custom"}]
    if len(own) == len(given) and all(tool.keys() <= _TOOL for tool in own):
        more.pop("tools", None)
    return tuple(
        Tool.model_validate(
            {
                "name": tool.get("name"),
                "description": tool.get("description") or "",
                "parameters": tool.get("input_schema"),
                "strict": tool.get("strict"),
            }
        )
        for tool in own
    )


_TOOL: Final = frozenset({"type", "name", "description", "input_schema", "strict"})


def _read_tool_choice(more: dict[str, Any], tools: tuple[Tool, ...]) -> tuple[Any, Mapping[str, bool]]:
    """The choice, and whether several tools may be called at once; one of the host's tools stays where it is."""
    given = _table(more.get("tool_choice") or {}, "tool_choice")
    match given:
        case {"type": "tool", "name": name} if any(tool.name == name for tool in tools):
            choice: Any = ToolName(name=name)
        case {"type": "auto" | "any" | "none" as kind} if tools:
            choice = {"any": "required"}.get(kind, kind)
        case _:
            return None, {}
    del more["tool_choice"]
    alone = given.get("disable_parallel_tool_use")
    return choice, {} if alone is None else {"parallel_tool_calls": not alone}


def _read_output(more: dict[str, Any]) -> Output | None:
    """The form of the answer, by its newer name or the one of the beta."""
    config = dict(_table(more.get("output_config") or {}, "output_config"))
    form = config.pop("format", None) or more.pop("output_format", None)
    if form is None:
        return None
    match form:
        case {"type": "json_schema", "schema": schema}:
            if config:
                more["output_config"] = config
            else:
                more.pop("output_config", None)
            return Output.model_validate({"json_schema": schema})
        case _:
            raise ValueError("the output format is not valid; expected type json_schema, with its schema")


def _read_effort(more: dict[str, Any]) -> Mapping[str, Any]:
    """The reasoning effort, in the form that `encode` writes; a budget, or an effort alone, is unchanged."""
    match more.get("thinking"), more.get("output_config"):
        case {"type": "disabled"}, _:
            del more["thinking"]
            return {"reasoning_effort": "none"}
        case {"type": "adaptive", **shown}, {"effort": effort, **config} if not (shown or config):
            if effort in get_args(ReasoningEffort):
                del more["thinking"], more["output_config"]
                return {"reasoning_effort": effort}
        case _:
            pass
    return {}


# ── events → a stream ────────────────────────────────────────────────────────────────────────────────

_REASONS: Final = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use", "content_filter": "refusal"}


class Renderer:
    """Encodes events, one by one, as a stream of this wire.

    ``model`` and ``response_id`` are used if the events have none. This wire does not support notices, audio,
    log probabilities and further choices: they are left out. The text of a refusal becomes the explanation of
    the end, and a source belongs to the block of text before it. What the host of another wire needs back is
    sent as the signature of a thinking block; `read` reads it from there.
    """

    def __init__(self, *, model: str, response_id: str = "") -> None:
        self.message: Body = {
            "id": response_id,
            "type": "message",
            "role": "assistant",
            "model": model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": {"input_tokens": 0, "output_tokens": 0},
        }
        self._begun = False
        self._open: str | None = None  # the kind of the block that is being told, the last one
        self._pieces: list[str] = []  # of its text
        self._calls: dict[int, tuple[int, list[str]]] = {}  # the places of calls, and their arguments
        self._refusal: list[str] = []

    def feed(self, event: Event) -> bytes:
        """The bytes of this event; empty if it has none."""
        return b"".join(self._told(event))

    def _told(self, event: Event) -> Iterator[bytes]:  # noqa: C901 - a case for each event
        match event:
            case Start() if self._begun:
                pass  # of a host that took over: an answer has one beginning
            case Start():
                self.message["id"] = event.response_id or self.message["id"]
                self.message["model"] = event.model or self.message["model"]
                yield from self._begin()
            case Usage():
                self.message["usage"] = _usage(event)
            case Finish():
                yield from self._begin()
                yield from self._end(event)
            case Notice() | AudioDelta() | ChoiceFinish() | Logprobs() | Handover(mode="continue"):
                pass
            case Handover():
                raise ValueError("this wire cannot express an answer that starts again")
            case _ if event.choice:
                pass
            case RefusalDelta():
                self._refusal.append(event.text)
            case TextDelta():
                yield from self._piece("text", "text_delta", event.text)
            case ReasoningDelta():
                if event.text:
                    yield from self._piece("thinking", "thinking_delta", event.text)
                if event.opaque is not None:
                    yield from self._seal(event.opaque)
            case ToolCallDelta():
                yield from self._call(event)
            case Source():
                yield from self._source(event)

    def _begin(self) -> Iterator[bytes]:
        if not self._begun:
            self._begun = True
            yield _event("message_start", message=self.message)

    # ── blocks ────────────────────────────────────────────────────────────────────────────────────────

    @property
    def _place(self) -> int:
        return len(self.message["content"]) - 1

    def _start(self, kind: str, block: Body) -> Iterator[bytes]:
        yield from self._begin()
        yield from self._stop()
        self.message["content"].append(block)
        self._open, self._pieces = kind, []
        yield _event("content_block_start", index=self._place, content_block=block)

    def _stop(self) -> Iterator[bytes]:
        """The end of the open block, if there is one; calls end with the answer."""
        kind, self._open = self._open, None
        if kind in {"text", "thinking"}:
            self.message["content"][self._place][kind] = "".join(self._pieces)
        if kind is not None:
            yield _event("content_block_stop", index=self._place)

    def _delta(self, kind: str, field: str, value: object, place: int | None = None) -> bytes:
        delta = {"type": kind, field: value}
        return _event("content_block_delta", index=self._place if place is None else place, delta=delta)

    def _speak(self, kind: str) -> Iterator[bytes]:
        """Begin a block of this kind, unless one is open."""
        if self._open != kind:
            signature = {"signature": ""} if kind == "thinking" else {}
            yield from self._start(kind, {"type": kind, kind: "", **signature})

    def _piece(self, kind: str, delta: str, text: str) -> Iterator[bytes]:
        yield from self._speak(kind)
        self._pieces.append(text)
        yield self._delta(delta, kind, text)

    def _seal(self, opaque: str) -> Iterator[bytes]:
        """The end of a block of thinking, with its signature; another block of this wire is unchanged."""
        block = opaque_block(opaque)
        if block is None or block["type"] == "thinking":
            yield from self._speak("thinking")
            signature = opaque if block is None else block.get("signature", "")
            self.message["content"][-1]["signature"] = signature
            yield self._delta("signature_delta", "signature", signature)
        elif "input" in block:
            yield from self._start(block["type"], {**block, "input": {}})
            self.message["content"][-1] = block
            yield self._delta("input_json_delta", "partial_json", to_json(block["input"]).decode())
        else:
            yield from self._start(block["type"], block)
        yield from self._stop()

    def _source(self, source: Source) -> Iterator[bytes]:
        yield from self._speak("text")
        citation = _citation(source)
        self.message["content"][-1].setdefault("citations", []).append(citation)
        yield self._delta("citations_delta", "citation", citation)

    def _call(self, event: ToolCallDelta) -> Iterator[bytes]:
        if event.index not in self._calls:
            block = {"type": "tool_use", "id": event.id, "name": event.name, "input": {}, **caller_of(event.opaque)}
            yield from self._start("tool_use", block)
            self._open = None  # pieces of several calls may come in turns
            self._calls[event.index] = (self._place, [])
        elif event.name:
            self.message["content"][self._calls[event.index][0]]["name"] += event.name
        place, pieces = self._calls[event.index]
        if event.arguments:
            pieces.append(event.arguments)
            yield self._delta("input_json_delta", "partial_json", event.arguments, place)

    def _end(self, finish: Finish) -> Iterator[bytes]:
        yield from self._stop()
        for place, pieces in self._calls.values():
            self.message["content"][place]["input"] = _input("".join(pieces))
            yield _event("content_block_stop", index=place)
        end: Body = {"stop_reason": _stop_reason(finish), "stop_sequence": None}
        if self._refusal:
            explanation = "".join(self._refusal)
            end["stop_reason"] = "refusal"
            end["stop_details"] = {"type": "refusal", "category": None, "explanation": explanation}
        self.message |= end
        yield _event("message_delta", delta=end, usage=self.message["usage"])
        yield _event("message_stop")


def render_stream(events: Iterable[Event], *, model: str = "") -> Iterator[bytes]:
    """These events, from ``Start`` to ``Finish``, as pieces of a stream of this wire."""
    renderer = Renderer(model=model)
    for event in events:
        if data := renderer.feed(event):
            yield data


# ── a reply → a whole answer ─────────────────────────────────────────────────────────────────────────


def render(reply: Reply[Any]) -> bytes:
    """A whole answer as a body of this wire."""
    renderer = Renderer(model=reply.response_model or reply.model, response_id=reply.response_id or "")
    for event in _events(reply):
        renderer.feed(event)
    return to_json(renderer.message)


def _events(reply: Reply[Any]) -> Iterator[Event]:
    """The events of the reply's first choice that this wire supports."""
    choice = reply.choices[0]
    for part in choice.reasoning_parts:
        yield ReasoningDelta(part.text, part.opaque)
    if choice.text:
        yield TextDelta(choice.text)
    yield from (source for source in reply.sources if source.choice == 0)
    if choice.refusal:
        yield RefusalDelta(choice.refusal)
    for index, call in enumerate(choice.tool_calls):
        yield ToolCallDelta(index, call.id, call.name, call.arguments, call.kind, opaque=call.opaque)
    if reply.usage is not None:
        yield reply.usage
    yield Finish(choice.finish_reason, choice.raw_finish_reason)


# ── what both have ───────────────────────────────────────────────────────────────────────────────────


def _event(kind: str, **fields: object) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), to_json({"type": kind, **fields}))


def _stop_reason(finish: Finish) -> str | None:
    """The reason in a word of this wire; the host's own, where it is one."""
    if finish.raw is not None and FINISH.get(finish.raw, "unknown") == finish.reason:
        return finish.raw
    return _REASONS.get(finish.reason)


def _input(arguments: str) -> object:
    """The arguments of a call, which are an object here; any other value is kept as text."""
    if not arguments.strip():
        return {}
    try:
        value = from_json(arguments)
    except ValueError:
        value = None
    return value if isinstance(value, dict) else {"INVALID_JSON": arguments}


def _citation(source: Source) -> Body:
    if ":" in source.url:
        page = {"type": "web_search_result_location", "url": source.url, "title": source.title}
        return {**page, "cited_text": "", "encrypted_index": ""}
    return {  # no address: a file, by its host's id
        "type": "char_location",
        "cited_text": "",
        "document_index": 0,
        "document_title": source.title,
        "file_id": source.url,
        "start_char_index": 0,
        "end_char_index": 0,
    }


def _usage(usage: Usage) -> Body:
    """The counts, with what was cached beside the input rather than in it."""
    cached, written = usage.cached_tokens, usage.cache_write_tokens
    told: Body = {
        "input_tokens": max((usage.input_tokens or 0) - (cached or 0) - (written or 0), 0),
        "output_tokens": usage.output_tokens or 0,
        "cache_read_input_tokens": cached,
        "cache_creation_input_tokens": written,
    }
    if usage.reasoning_tokens is not None:
        told["output_tokens_details"] = {"thinking_tokens": usage.reasoning_tokens}
    return {name: value for name, value in told.items() if value is not None}
