"""Encodes a request as a call of this wire."""

from __future__ import annotations

import base64
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, assert_never

from ...adaptation.omissions import Omissions
from ...json_text import from_json, to_json
from ...messages import (
    AudioPart,
    CachePart,
    FilePart,
    ImagePart,
    NativePart,
    ReasoningPart,
    RefusalPart,
    TextPart,
    ToolName,
)
from .. import Call
from .quirks import PLAIN

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ...messages import Message, Output, Part, Request, Tool, ToolCall
    from .quirks import Body, Dialect

WIRE: Final = "openai_chat"
"""The name of this wire, as in a `NativePart`."""

NO_OPTIONS: Final[Mapping[str, object]] = MappingProxyType({})


def encode(
    request: Request,
    *,
    model: str,
    base_url: str,
    headers: Mapping[str, str],
    dialect: Dialect = PLAIN,
    options: Mapping[str, object] = NO_OPTIONS,
) -> Call:
    """The call that requests an answer from ``model`` at ``base_url`` (which ends in ``/v1`` or a similar path).

    ``options`` are fields of the body that only this host has.
    What the wire or the host does not support is left out with a notice, or raises UnsupportedError, as the
    policy of the request says.
    """
    omissions = Omissions(request.policy)
    writer = _Writer(dialect, omissions)
    body: Body = {"model": model, "messages": [writer.message(message) for message in request.messages]}
    if request.tools:
        body["tools"] = [_tool(tool) for tool in request.tools]
    if (choice := request.tool_choice) is not None:
        body["tool_choice"] = (
            {"type": "function", "function": {"name": choice.name}} if isinstance(choice, ToolName) else choice
        )
    if (output := request.output) is not None:
        body["response_format"] = _response_format(output)
    for name, value in request.settings.given().items():
        if name == "top_k" and not dialect.top_k and omissions.tuning(name, "this wire does not support this setting"):
            continue
        if name == "parallel_tool_calls" and not request.tools and omissions.tuning(name, "the request has no tools"):
            continue
        body[name] = value
    if request.stream:
        body["stream"] = True
        body["stream_options"] = {"include_usage": True}
    for transform in dialect.transforms:
        transform(body, omissions)
    body.update(options)
    body.update(request.extra_body)
    return Call(
        url=f"{base_url.rstrip('/')}/{dialect.path}",
        headers={"content-type": "application/json", **headers, **request.extra_headers},
        body=to_json(body),
        notices=tuple(omissions.notices),
    )


def takes_address(part: ImagePart | FilePart, dialect: Dialect = PLAIN) -> bool:
    """Whether the host downloads an image or file itself."""
    return dialect.image_urls if isinstance(part, ImagePart) else dialect.file_urls


class _Writer:
    """Encodes messages; reports reasoning that is not sent, once for each request."""

    __slots__ = ("_dialect", "_field", "_omissions", "_told")

    def __init__(self, dialect: Dialect, omissions: Omissions) -> None:
        self._dialect = dialect
        self._field = dialect.reasoning_field
        self._omissions = omissions
        self._told = False

    def message(self, message: Message) -> Body:
        parts = message.content
        written: Body = {"role": message.role, "content": parts}
        if isinstance(parts, str) and not message.tool_calls and message.tool_call_id is None and message.name is None:
            return written
        if message.tool_calls:
            written["tool_calls"] = [_tool_call(call) for call in message.tool_calls]
            if self._dialect.cache_control and isinstance(parts, tuple) and isinstance(parts[-1], CachePart):
                written["tool_calls"][-1]["cache_control"] = _cache_control(parts[-1])
                parts = parts[:-1]
        if isinstance(parts, tuple):
            self._parts(parts, written)
        if message.tool_calls:
            written["content"] = written["content"] or None
        if message.tool_call_id is not None:
            written["tool_call_id"] = message.tool_call_id
            self._omissions.no_mark(message)
        if message.name is not None:
            written["name"] = message.name
        return written

    def _lacking(self, part: Part) -> bool:
        lacking = (
            isinstance(part, ImagePart | FilePart) and part.url is not None and not takes_address(part, self._dialect)
        )
        if lacking:
            self._omissions.no_address(part.type, "this host")
        self._omissions.no_citations(part)
        return lacking

    def _parts(self, parts: tuple[Part, ...], written: Body) -> None:
        reasoning = [part for part in parts if isinstance(part, ReasoningPart)]
        rest = [part for part in parts if not isinstance(part, ReasoningPart) and not self._lacking(part)]
        if reasoning and len(rest) < 2 and all(isinstance(part, TextPart) for part in rest):
            # Beside its reasoning an answer's text is text alone, as hosts give it.
            written["content"] = "".join(part.text for part in rest if isinstance(part, TextPart))
        else:
            written["content"] = self._content(rest)
        if not reasoning:
            return
        match self._field:
            case None:
                if not self._told:
                    self._told = True
                    self._omissions.without_reasoning("this host does not take it back")
            case "reasoning_details":
                written["reasoning_details"] = [_detail(part) for part in reasoning]
            case name:
                written[name] = "".join(part.text for part in reasoning)

    def _content(self, parts: Sequence[Part]) -> list[Body]:
        content: list[Body] = []
        for part in parts:
            if isinstance(part, CachePart) and self._dialect.cache_control and content:
                content[-1]["cache_control"] = _cache_control(part)
            elif isinstance(part, CachePart) or (isinstance(part, NativePart) and part.wire != WIRE):
                self._omissions.no_words(part)
            else:
                content.append(_part(part))
        return content


def _part(part: Part) -> Body:
    match part:
        case TextPart():
            return {"type": "text", "text": part.text}
        case ImagePart():
            image: Body = {"url": part.url if part.data is None else _data_url(part.media_type, part.data)}
            if part.detail is not None:
                image["detail"] = part.detail
            return {"type": "image_url", "image_url": image}
        case AudioPart():
            return {"type": "input_audio", "input_audio": {"data": _base64(part.data), "format": part.format}}
        case FilePart():
            file: Body = {"file_id": part.id} if part.id is not None else {"file_data": part.url}
            if part.data is not None:
                file = {"file_data": _data_url(part.media_type, part.data)}
            if part.name is not None:
                file["filename"] = part.name
            return {"type": "file", "file": file}
        case RefusalPart():
            return {"type": "refusal", "refusal": part.refusal}
        case NativePart():
            return dict(part.block)
        case ReasoningPart() | CachePart():
            raise AssertionError(f"{part.type} is not a part of the content on this wire")
        case _:
            assert_never(part)


def _cache_control(mark: CachePart) -> Body:
    return {"type": "ephemeral", **({} if mark.ttl is None else {"ttl": mark.ttl})}


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _data_url(media_type: str | None, data: bytes) -> str:
    return f"data:{media_type};base64,{_base64(data)}"


def _detail(part: ReasoningPart) -> Body:
    """An entry of OpenRouter's ``reasoning_details``, as it was given."""
    return reasoning_detail(part.text, part.opaque)


def reasoning_detail(text: str, opaque: str | None) -> Body:
    """A piece of reasoning as an entry of ``reasoning_details``; a foreign opaque part is its signature."""
    if opaque is None:
        return {"type": "reasoning.text", "text": text}
    try:
        given = from_json(opaque)
    except ValueError:
        given = None
    if not isinstance(given, dict) or not isinstance(given.get("type"), str):
        return {"type": "reasoning.text", "text": text, "signature": opaque}
    kind = given["type"]
    field = "summary" if kind == "reasoning.summary" else "text"
    return {**given, field: text} if text or kind == "reasoning.text" else given


def _tool(tool: Tool) -> Body:
    function: Body = {"name": tool.name, "parameters": tool.parameters}
    if tool.description:
        function["description"] = tool.description
    if tool.strict is not None:
        function["strict"] = tool.strict
    return {"type": "function", "function": function}


def _tool_call(call: ToolCall) -> Body:
    inner = {"name": call.name, "arguments" if call.kind == "function" else "input": call.arguments}
    return {"id": call.id, "type": call.kind, call.kind: inner}


def tool_calls(calls: Sequence[ToolCall]) -> list[Body]:
    """Complete tool calls in the format of a message."""
    return [_tool_call(call) for call in calls]


def _response_format(output: Output) -> Body:
    if output.json_schema is None:
        return {"type": "json_object"}
    schema: dict[str, Any] = {"name": output.name, "schema": output.json_schema}
    if output.description is not None:
        schema["description"] = output.description
    if output.strict is not None:
        schema["strict"] = output.strict
    return {"type": "json_schema", "json_schema": schema}
