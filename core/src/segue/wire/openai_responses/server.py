"""The server side of this wire: decodes the body of a client, and encodes a reply."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any, Final, assert_never

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
    AudioPart,
    CachePart,
    FilePart,
    ImagePart,
    Message,
    NativePart,
    Output,
    ReasoningPart,
    RefusalPart,
    Request,
    Settings,
    TextPart,
    Tool,
    ToolCall,
    ToolName,
)
from ..reading import value_errors
from .decode import CALLS, INCOMPLETE
from .encode import LOGPROBS, WIRE, Body, namespace_of, opaque_item

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from ...events import Event, Reply, TokenLogprob
    from ...messages import Part

# The settings of this wire by their names here; and all that is read, of which a request holds nothing more.
_SETTINGS: Final = {
    "temperature": "temperature",
    "top_p": "top_p",
    "top_logprobs": "top_logprobs",
    "max_output_tokens": "max_tokens",
    "parallel_tool_calls": "parallel_tool_calls",
}
_KNOWN: Final = frozenset({"model", "input", "instructions", "stream", *_SETTINGS})


# ── a client's body → request ────────────────────────────────────────────────────────────────────────


@value_errors
def read(body: bytes) -> tuple[str, Request]:
    """The name of the model and the request in the body of a client; ValueError if the body is not a request.

    ``instructions`` become a first system message. ``extra_body`` of the request gets the fields that this wire
    does not know, and the fields that a request cannot express completely (tools of the host, a summary of the
    reasoning).
    """
    try:
        given = from_json(body, allow_inf_nan=False)
    except ValueError:
        raise ValueError("the body is not JSON") from None
    given = _table(given, "the body")
    model = given.get("model")
    if not isinstance(model, str) or not model:
        raise ValueError("model is missing")
    turns = _Turns()
    if given.get("instructions"):
        turns.messages.append(Message(role="system", content=given["instructions"]))
    if isinstance(given.get("input"), str):
        turns.messages.append(Message(role="user", content=given["input"]))
    else:
        for item in _list(given.get("input"), "input"):
            turns.take(_table(item, "input[]"))
        turns.close()
    if not turns.messages:
        raise ValueError("input is empty")
    more = {name: value for name, value in given.items() if name not in _KNOWN and value is not None}
    settings = {ours: given[name] for name, ours in _SETTINGS.items() if given.get(name) is not None}
    tools = _read_tools(more)
    return model, Request(
        messages=tuple(turns.messages),
        tools=tools,
        tool_choice=_read_tool_choice(more, tools),
        output=_read_text(more),
        settings=Settings.model_validate({**settings, **_read_reasoning(more), **_read_include(more)}),
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


class _Turns:
    """Puts items together as messages: what an assistant thought, said and called is one turn."""

    __slots__ = ("_calls", "_parts", "messages")

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self._parts: list[Part] = []
        self._calls: list[ToolCall] = []

    def take(self, item: dict[str, Any]) -> None:
        """Take the next item."""
        kind = item.get("type") or "message"
        if not isinstance(kind, str):
            raise ValueError("input[].type is not a string")
        if kind == "message":
            self._message(item)
        elif kind in {"function_call_output", "custom_tool_call_output"}:
            self.close()
            content = _read_content(item.get("output"))
            self.messages.append(Message(role="tool", content=content, tool_call_id=item.get("call_id")))
        elif kind in CALLS:
            of, field = CALLS[kind]
            namespace = item.get("namespace")
            opaque = None if namespace is None else to_json({"namespace": namespace}).decode()
            call = {"id": item.get("call_id"), "name": item.get("name"), "arguments": item.get(field) or ""}
            self._calls.append(ToolCall.model_validate({**call, "kind": of, "opaque": opaque}))
        else:
            if self._calls:
                self.close()
            self._parts.append(_read_opaque(item))

    def _message(self, item: dict[str, Any]) -> None:
        role, content = item.get("role"), _read_content(item.get("content"))
        if role != "assistant":
            self.close()
            self.messages.append(Message.model_validate({"role": role, "content": content}))
            return
        if self._calls or any(not isinstance(part, ReasoningPart) for part in self._parts):
            self.close()
        if item.get("phase"):
            told = {"type": "message", "role": "assistant", "phase": item["phase"]}
            self._parts.append(ReasoningPart(opaque=to_json(told).decode()))
        self._parts += (TextPart(text=content),) if isinstance(content, str) else content

    def close(self) -> None:
        """End the assistant's turn, if there is one."""
        if not (self._parts or self._calls):
            return
        parts = tuple(self._parts)
        content = parts[0].text if len(parts) == 1 and isinstance(parts[0], TextPart) else parts or ""
        self.messages.append(Message(role="assistant", content=content, tool_calls=tuple(self._calls)))
        self._parts, self._calls = [], []


def _read_opaque(item: dict[str, Any]) -> ReasoningPart:
    """An item that goes back to its host unchanged; one that `Renderer` made around a foreign part is that part."""
    texts: list[str] = []
    if item.get("type") == "reasoning":
        sealed = item.get("encrypted_content")
        parts = [part for field in ("summary", "content") for part in _list(item.get(field) or [], field)]
        texts = [TextPart.model_validate({"text": _table(part, "summary[]").get("text")}).text for part in parts]
        if isinstance(sealed, str) and sealed.startswith("{"):
            return ReasoningPart(text="\n\n".join(texts), opaque=sealed)
    return ReasoningPart(text="\n\n".join(texts), opaque=to_json(item).decode())


def _read_content(content: object) -> str | tuple[Part, ...]:
    if isinstance(content, str):
        return content
    parts: list[Part] = []
    for part in _list(content, "content"):
        mark = _table(part, "content[]").get("prompt_cache_breakpoint")
        parts.append(_read_part({name: value for name, value in part.items() if name != "prompt_cache_breakpoint"}))
        if mark is not None:
            parts.append(CachePart.model_validate({"ttl": _table(mark, "prompt_cache_breakpoint").get("ttl")}))
    return tuple(parts)


def _read_part(part: dict[str, Any]) -> Part:
    match part.get("type"):
        case "input_text" | "output_text" | "text":
            return TextPart.model_validate({"text": part.get("text")})
        case "input_image" if isinstance(part.get("image_url"), str):
            return ImagePart.model_validate({"url": part["image_url"], "detail": part.get("detail")})
        case "input_audio":
            return AudioPart.model_validate({"input_audio": part.get("input_audio")})
        case "input_file":
            given = {ours: part[name] for name, ours in _FILE.items() if part.get(name)}
            if part.get("file_data") and part.get("file_url"):
                raise ValueError("input_file has both file_data and file_url")
            return FilePart.model_validate(given)
        case "refusal":
            return RefusalPart.model_validate({"refusal": part.get("refusal")})
        case str():  # one of the host's own images among them
            return NativePart(wire=WIRE, block=part)
        case _:
            raise ValueError("content[] contains a part without a type")


def _read_tools(more: dict[str, Any]) -> tuple[Tool, ...]:
    given = [_table(tool, "tools[]") for tool in _list(more.get("tools") or [], "tools")]
    tools = tuple(
        Tool.model_validate({name: value for name, value in tool.items() if name in _TOOL and value is not None})
        for tool in given
        if tool.get("type") == "function"
    )
    if all(tool.get("type") == "function" and not tool.keys() - _TOOL - {"type"} for tool in given):
        more.pop("tools", None)
    return tools


_TOOL: Final = frozenset(each.name for each in fields(Tool))
_FILE: Final = {"file_data": "url", "file_url": "url", "file_id": "id", "filename": "name"}


def _read_tool_choice(more: dict[str, Any], tools: tuple[Tool, ...]) -> Any:
    match more.get("tool_choice"):
        case "required" if not tools:
            return None  # of the host's tools one
        case "auto" | "none" | "required":
            return more.pop("tool_choice")
        case {"type": "function", "name": str(name)}:
            del more["tool_choice"]
            return ToolName(name=name)
        case _:
            return None


def _read_text(more: dict[str, Any]) -> Output | None:
    text = _table(more.get("text") or {}, "text")
    if not text.keys() - {"format"}:
        more.pop("text", None)
    match text.get("format"):
        case None | {"type": "text"}:
            return None
        case {"type": "json_object"}:
            return Output()
        case {"type": "json_schema", "schema": schema, **rest}:
            return Output.model_validate({"json_schema": schema, **rest})
        case _:
            raise ValueError(
                "text.format is not valid; expected type text, json_object, or json_schema with its schema"
            )


def _read_reasoning(more: dict[str, Any]) -> Mapping[str, Any]:
    reasoning = _table(more.get("reasoning") or {}, "reasoning")
    if not reasoning.keys() - {"effort"}:
        more.pop("reasoning", None)
    return {"reasoning_effort": reasoning.get("effort")}


def _read_include(more: dict[str, Any]) -> Mapping[str, Any]:
    include = _list(more.get("include") or [], "include")
    if include == [LOGPROBS]:
        del more["include"]
    return {"logprobs": True} if LOGPROBS in include else {}


# ── events → a stream ────────────────────────────────────────────────────────────────────────────────

_STATUS: Final[Mapping[str, tuple[str, str | None]]] = {
    "stop": ("completed", None),
    "tool_calls": ("completed", None),
    **{ours: ("incomplete", reason) for reason, ours in INCOMPLETE.items()},
}

# Of each kind of part: the item it stands in, and where; the field of its text; the names in its events.
_PARTS: Final = {
    "output_text": ("message", "content", "text", "output_text", "content_part"),
    "refusal": ("message", "content", "refusal", "refusal", "content_part"),
    "summary_text": ("reasoning", "summary", "text", "reasoning_summary_text", "reasoning_summary_part"),
}


class _Open:
    """An open item: its place, and the pieces of its part or its arguments."""

    __slots__ = ("item", "offset", "part", "pieces", "place")

    def __init__(self, item: Body, place: int) -> None:
        self.item = item
        self.place = place
        self.part: Body | None = None
        self.pieces: list[str] = []
        self.offset = 0  # where the part begins in the answer's text


class Renderer:
    """Encodes events, one by one, as a stream of this wire.

    ``model`` and ``response_id`` are used if the events have none. ``created`` is in seconds since 1970.
    This wire does not support notices, audio and further choices: they are left out. What the host of another
    wire needs back is sent as the ``encrypted_content`` of an item; `read` reads it from there.
    """

    def __init__(self, *, model: str, response_id: str = "", created: int = 0) -> None:
        self.response: Body = {
            "id": response_id,
            "object": "response",
            "created_at": created,
            "status": "in_progress",
            "error": None,
            "incomplete_details": None,
            "instructions": None,
            "metadata": {},
            "model": model,
            "output": [],
            "parallel_tool_calls": True,
            "temperature": None,
            "tool_choice": "auto",
            "tools": [],
            "top_p": None,
            "usage": None,
        }
        self._sequence = 0
        self._begun = False
        self._speaking: _Open | None = None
        self._calls: dict[int, _Open] = {}
        self._characters = 0

    def feed(self, event: Event) -> bytes:
        """The bytes of this event; empty if it has none."""
        match event:
            case Start() if self._begun:
                return b""  # of a host that took over: an answer has one beginning
            case Start():
                self.response["id"] = event.response_id or self.response["id"]
                self.response["model"] = event.model or self.response["model"]
                return self._begin()
            case Notice() | AudioDelta() | ChoiceFinish() | Handover(mode="continue"):
                return b""
            case Handover():
                raise ValueError("this wire cannot express an answer that starts again")
            case Usage():
                self.response["usage"] = _usage(event)
                return b""
            case Finish():
                return b"".join((self._begin(), *self._end(event)))
            case _:
                return b"" if event.choice else b"".join((self._begin(), *self._told(event)))

    def _begin(self) -> bytes:
        if self._begun:
            return b""
        self._begun = True
        return self._event("response.created", response=self.response) + self._event(
            "response.in_progress", response=self.response
        )

    def _event(self, kind: str, **fields: object) -> bytes:
        value = {"type": kind, "sequence_number": self._sequence, **fields}
        self._sequence += 1
        return b"event: %b\ndata: %b\n\n" % (kind.encode(), to_json(value))

    def _told(
        self, event: TextDelta | ReasoningDelta | RefusalDelta | ToolCallDelta | Source | Logprobs
    ) -> Iterator[bytes]:
        match event:
            case TextDelta():
                yield from self._piece("output_text", event.text, logprobs=[])
                self._characters += len(event.text)
            case RefusalDelta():
                yield from self._piece("refusal", event.text)
            case ReasoningDelta():
                if event.text:
                    yield from self._piece("summary_text", event.text)
                if event.opaque is not None:
                    yield from self._seal(event.opaque)
            case ToolCallDelta():
                yield from self._call(event)
            case Logprobs():
                tokens = [_token(token) for token in event.tokens]
                yield from self._piece("output_text", "", logprobs=tokens)
            case Source():
                yield from self._source(event)
            case _:
                assert_never(event)

    # ── items ─────────────────────────────────────────────────────────────────────────────────────────

    def _opened(self, item: Body) -> tuple[_Open, bytes]:
        opened = _Open(item, len(self.response["output"]))
        self.response["output"].append(item)
        return opened, self._event("response.output_item.added", output_index=opened.place, item=item)

    def _done(self, opened: _Open) -> bytes:
        self.response["output"][opened.place] = opened.item
        return self._event("response.output_item.done", output_index=opened.place, item=opened.item)

    def _new(self, kind: str) -> Body:
        name = f"{kind}_{len(self.response['output'])}"
        if kind == "reasoning":
            return {"type": kind, "id": name, "summary": []}
        return {"type": kind, "id": name, "status": "in_progress", "role": "assistant", "content": []}

    def _speak(self, kind: str) -> Iterator[bytes]:
        """Begin an item of this kind, unless one is open."""
        if self._speaking is None or self._speaking.item["type"] != kind:
            yield from self._silent()
            self._speaking, begin = self._opened(self._new(kind))
            yield begin

    def _place(self, opened: _Open, where: str) -> Body:
        """Where a part stands, as its events say."""
        index = len(opened.item[where]) - 1
        return {"item_id": opened.item["id"], "output_index": opened.place, f"{where}_index": index}

    def _piece(self, kind: str, text: str, **more: list[Body]) -> Iterator[bytes]:
        item, where, field, name, whole = _PARTS[kind]
        yield from self._speak(item)
        speaking = self._speaking
        assert speaking is not None
        part = speaking.part
        if part is None or part["type"] != kind:
            yield from self._end_part(speaking)
            part = speaking.part = {"type": kind, field: "", **({"annotations": [], "logprobs": []} if more else {})}
            speaking.item[where].append(part)
            speaking.offset = self._characters
            yield self._event(f"response.{whole}.added", **self._place(speaking, where), part=part)
        speaking.pieces.append(text)
        if more:
            part["logprobs"] += more["logprobs"]
        yield self._event(f"response.{name}.delta", **self._place(speaking, where), delta=text, **more)

    def _end_part(self, opened: _Open) -> Iterator[bytes]:
        part = opened.part
        if part is None:
            return
        _, where, field, name, whole = _PARTS[part["type"]]
        part[field] = "".join(opened.pieces)
        opened.part, opened.pieces = None, []
        place = self._place(opened, where)
        told = {key: part[key] for key in (field, "logprobs") if key in part}
        yield self._event(f"response.{name}.done", **place, **told)
        yield self._event(f"response.{whole}.done", **place, part=part)

    def _silent(self) -> Iterator[bytes]:
        """The end of the open item, if there is one."""
        speaking, self._speaking = self._speaking, None
        if speaking is None:
            return
        yield from self._end_part(speaking)
        if "status" in speaking.item:
            speaking.item["status"] = "completed"
        yield self._done(speaking)

    def _seal(self, opaque: str) -> Iterator[bytes]:
        """The end of a reasoning item, with what its host wants back; an item of this wire is unchanged."""
        yield from self._speak("reasoning")
        speaking = self._speaking
        assert speaking is not None
        yield from self._end_part(speaking)
        own = opaque_item(opaque)
        if own is not None and own["type"] == "reasoning":
            speaking.item = own
        else:
            speaking.item["encrypted_content"] = opaque
        yield from self._silent()

    def _source(self, source: Source) -> Iterator[bytes]:
        speaking = self._speaking
        if speaking is None or speaking.part is None or speaking.part["type"] != "output_text":
            yield from self._piece("output_text", "", logprobs=[])
            speaking = self._speaking
        assert speaking is not None
        assert speaking.part is not None
        annotations = speaking.part["annotations"]
        annotations.append(_annotation(source, speaking.offset))
        yield self._event(
            "response.output_text.annotation.added",
            **self._place(speaking, "content"),
            annotation_index=len(annotations) - 1,
            annotation=annotations[-1],
        )

    def _call(self, event: ToolCallDelta) -> Iterator[bytes]:
        kind = "function_call" if event.kind == "function" else "custom_tool_call"
        call = self._calls.get(event.index)
        if call is None:
            yield from self._silent()
            item: Body = {
                "type": kind,
                "id": f"{kind}_{len(self.response['output'])}",
                "call_id": event.id,
                "name": event.name,
                CALLS[kind][1]: "",
                "status": "in_progress",
                **namespace_of(event.opaque),
            }
            call, begin = self._opened(item)
            self._calls[event.index] = call
            yield begin
        elif event.name:
            call.item["name"] += event.name
        if event.arguments:
            call.pieces.append(event.arguments)
            name = "function_call_arguments" if event.kind == "function" else "custom_tool_call_input"
            yield self._event(
                f"response.{name}.delta", item_id=call.item["id"], output_index=call.place, delta=event.arguments
            )

    def _end(self, finish: Finish) -> Iterator[bytes]:
        yield from self._silent()
        for call in self._calls.values():
            item = call.item
            field = CALLS[item["type"]][1]
            item |= {field: "".join(call.pieces), "status": "completed"}
            name = "function_call_arguments" if field == "arguments" else "custom_tool_call_input"
            told = {"item_id": item["id"], "output_index": call.place, field: item[field]}
            yield self._event(f"response.{name}.done", **told, name=item["name"])
            yield self._done(call)
        status, reason = _STATUS.get(finish.reason, ("incomplete", finish.raw))
        self.response["status"] = status
        if status == "incomplete":
            self.response["incomplete_details"] = {"reason": reason}
        yield self._event(f"response.{status}", response=self.response)


def render_stream(events: Iterable[Event], *, model: str = "") -> Iterator[bytes]:
    """These events, from ``Start`` to ``Finish``, as pieces of a stream of this wire."""
    renderer = Renderer(model=model)
    for event in events:
        if data := renderer.feed(event):
            yield data


# ── a reply → a whole answer ─────────────────────────────────────────────────────────────────────────


def render(reply: Reply[Any], *, created: int = 0) -> bytes:
    """A whole answer as a body of this wire; ``created`` is in seconds since 1970."""
    renderer = Renderer(model=reply.response_model or reply.model, response_id=reply.response_id or "", created=created)
    for event in _events(reply):
        renderer.feed(event)
    return to_json(renderer.response)


def _events(reply: Reply[Any]) -> Iterator[Event]:
    """The events of the reply's first choice that this wire supports."""
    choice = reply.choices[0]
    for part in choice.reasoning_parts:
        yield ReasoningDelta(part.text, part.opaque)
    if choice.text:
        yield TextDelta(choice.text)
    if choice.logprobs:
        yield Logprobs(choice.logprobs)
    yield from (source for source in reply.sources if source.choice == 0)
    if choice.refusal:
        yield RefusalDelta(choice.refusal)
    for index, call in enumerate(choice.tool_calls):
        yield ToolCallDelta(index, call.id, call.name, call.arguments, call.kind, opaque=call.opaque)
    if reply.usage is not None:
        yield reply.usage
    yield Finish(choice.finish_reason, choice.raw_finish_reason)


# ── what both have ───────────────────────────────────────────────────────────────────────────────────


def _annotation(source: Source, offset: int) -> Body:
    if ":" not in source.url:  # no address: a file, by its host's id
        return {"type": "file_citation", "file_id": source.url, "filename": source.title or "", "index": 0}
    places = {"start_index": source.start, "end_index": source.end}
    told = {name: max(place - offset, 0) for name, place in places.items() if place is not None}
    return {"type": "url_citation", "url": source.url, "title": source.title or "", **told}


def _token(token: TokenLogprob) -> Body:
    top = [{"token": other, "logprob": number, "bytes": list(other.encode())} for other, number in token.top]
    return {
        "token": token.token,
        "logprob": token.logprob,
        "bytes": list(token.token.encode()),
        "top_logprobs": top,
    }


def _usage(usage: Usage) -> Body:
    """The known counts of the usage; an unknown total is the sum, because clients expect it."""
    known = usage.input_tokens, usage.output_tokens
    total = usage.total_tokens
    if total is None and None not in known:
        total = sum(number for number in known if number is not None)
    of_input = {
        "cached_tokens": usage.cached_tokens,
        "cache_write_tokens": usage.cache_write_tokens,
        "audio_tokens": usage.input_audio_tokens,
    }
    of_output = {"reasoning_tokens": usage.reasoning_tokens, "audio_tokens": usage.output_audio_tokens}
    told: Body = {
        "input_tokens": known[0],
        "input_tokens_details": {name: number for name, number in of_input.items() if number is not None},
        "output_tokens": known[1],
        "output_tokens_details": {name: number for name, number in of_output.items() if number is not None},
        "total_tokens": total,
    }
    if usage.cost is not None:
        told["cost"] = usage.cost
    return told
