"""Encodes a request as a call of this wire."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, TypeAlias, assert_never

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
from .decode import CALLS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ...messages import Message, Output, Part, Request, Tool, ToolCall

WIRE: Final = "openai_responses"
"""The name of this wire, as in a `NativePart`."""

Body: TypeAlias = dict[str, Any]

NO_OPTIONS: Final[Mapping[str, object]] = MappingProxyType({})

LOGPROBS: Final = "message.output_text.logprobs"
"""The value of ``include`` that requests log probabilities."""

# Settings that this wire has, by our name.
_FIELDS: Final = {
    "temperature": "temperature",
    "top_p": "top_p",
    "top_logprobs": "top_logprobs",
    "max_tokens": "max_output_tokens",
    "parallel_tool_calls": "parallel_tool_calls",
}
_MEANINGFUL: Final = frozenset({"n", "stop"})

# The types of items that this wire's hosts give and take back. An opaque part of another wire is of none of them.
_ITEM: Final = re.compile(r"reasoning|message|compaction|[a-z_]+_(?:call|output|tools|request|response)")


def encode(
    request: Request,
    *,
    model: str,
    base_url: str,
    headers: Mapping[str, str],
    options: Mapping[str, object] = NO_OPTIONS,
) -> Call:
    """The call that requests an answer from ``model`` at ``base_url`` (which ends in ``/v1`` or a similar path).

    ``options`` are fields of the body that only this host has; a table or a list among them is added to the
    value of the request in that field: ``{"tools": [{"type": "web_search"}], "reasoning": {"summary": "auto"}}``.
    With ``previous_response_id`` among them, the messages are only the new ones.
    What the wire does not support is left out with a notice, or raises UnsupportedError, as the policy of the
    request says.
    """
    omissions = Omissions(request.policy)
    stored = {**options, **request.extra_body}.get("store") is not False
    writer = _Writer(omissions, stored=stored)
    body: Body = {"model": model, "input": [item for message in request.messages for item in writer.items(message)]}
    if request.tools:
        body["tools"] = [_tool(tool) for tool in request.tools]
    if request.tool_choice is not None:
        choice = request.tool_choice
        body["tool_choice"] = {"type": "function", "name": choice.name} if isinstance(choice, ToolName) else choice
    if request.output is not None:
        body["text"] = {"format": _format(request.output)}
    _settings(request.settings.given(), body, omissions)
    if request.stream:
        body["stream"] = True
    for name, value in options.items():
        body[name] = _added(body.get(name), value)
    body.update(request.extra_body)
    return Call(
        url=f"{base_url.rstrip('/')}/responses",
        headers={"content-type": "application/json", **headers, **request.extra_headers},
        body=to_json(body),
        notices=tuple(omissions.notices),
    )


def _added(given: object, value: object) -> object:
    if isinstance(given, dict) and isinstance(value, Mapping):
        return {**given, **value}
    if isinstance(given, list) and isinstance(value, Sequence) and not isinstance(value, str):
        return [*given, *value]
    return value


def _settings(settings: Mapping[str, Any], body: Body, omissions: Omissions) -> None:
    for name, value in settings.items():
        if name in _FIELDS:
            body[_FIELDS[name]] = value
        elif name == "reasoning_effort":
            body["reasoning"] = {"effort": value}
        elif name == "logprobs":
            if value:
                body["include"] = [LOGPROBS]
        elif name != "n" or value != 1:
            leave_out = omissions.meaning if name in _MEANINGFUL else omissions.tuning
            if not leave_out(name, "this wire does not support this setting"):
                body[name] = value


class _Writer:
    """Writes messages down as items; tells once a request of what is not sent."""

    __slots__ = ("_custom", "_omissions", "_stored", "_told")

    def __init__(self, omissions: Omissions, *, stored: bool) -> None:
        self._omissions = omissions
        self._stored = stored
        self._custom: set[str] = set()  # ids of calls of custom tools, whose results have a type of their own
        self._told: set[str] = set()

    def items(self, message: Message) -> Iterator[Body]:
        """The items of one message: its reasoning, its text, its calls."""
        if message.name is not None and "name" not in self._told:
            self._told.add("name")
            self._omissions.tuning("name", "this wire does not support names of participants")
        if message.role == "tool":
            self._omissions.no_mark(message)
            kind = "custom_tool_call_output" if message.tool_call_id in self._custom else "function_call_output"
            yield {"type": kind, "call_id": message.tool_call_id, "output": self._content(message.parts, "tool")}
            return
        turn: Body = {"role": message.role}
        said: list[Part] = []
        parts = message.parts
        for part in parts:
            if not isinstance(part, ReasoningPart):
                said.append(part)
                continue
            if said:
                yield {**turn, "content": self._content(said, message.role)}
                said, turn = [], {"role": message.role}
            item = self._item(part)
            if item is None:
                continue
            if item["type"] == "message":
                turn = item  # what its host wants back with the text that follows
            else:
                yield item
        if said or not (parts or message.tool_calls):
            yield {**turn, "content": self._content(said, message.role)}
        for call in message.tool_calls:
            if call.kind == "custom":
                self._custom.add(call.id)
            yield _tool_call(call)

    def _item(self, part: ReasoningPart) -> Body | None:
        """The host's reasoning or tool result, unchanged; None if the host would not accept it."""
        item = opaque_item(part.opaque)
        if item is None:
            why = "hosts of this wire take back only their own reasoning"
        elif item["type"] == "reasoning" and not (self._stored or item.get("encrypted_content") or item.get("content")):
            # «Item with id 'rs_…' not found. Items are not persisted when `store` is set to false.»
            why = "the host neither stored it nor sent all of it"
        else:
            return item
        self._omissions.without_reasoning_once(self._told, why)
        return None

    def _content(self, parts: Sequence[Part], role: str) -> str | list[Body]:
        if not parts:
            return ""
        if len(parts) == 1 and isinstance(parts[0], TextPart):
            return parts[0].text
        written: list[Body] = []
        for part in parts:
            self._omissions.no_citations(part)
            if isinstance(part, CachePart):
                self._mark(written, part)
            elif isinstance(part, NativePart) and part.wire != WIRE:
                self._omissions.no_words(part)
            elif not isinstance(part, ReasoningPart):
                written.append(_part(part, role))
        return written

    def _mark(self, written: list[Body], mark: CachePart) -> None:
        """Mark what was written last, which an assistant's text cannot be."""
        if not written or written[-1]["type"] == "output_text":
            self._omissions.no_words(mark)
            return
        if mark.ttl in {"5m", "1h"}:
            self._omissions.tuning("ttl", f"this wire supports 30m and 12h, not {mark.ttl}: its default was used")
        ttl = {"ttl": mark.ttl} if mark.ttl in {"30m", "12h"} else {}
        written[-1]["prompt_cache_breakpoint"] = {"mode": "explicit", **ttl}


def opaque_item(opaque: str | None) -> Body | None:
    """The item of this wire that an opaque part contains; None if it contains none."""
    try:
        item = from_json(opaque or "")
    except ValueError:
        return None
    kind = item.get("type") if isinstance(item, dict) else None
    return item if isinstance(kind, str) and _ITEM.fullmatch(kind) else None


def _part(part: Part, role: str) -> Body:
    match part:
        case TextPart():
            return {"type": "output_text" if role == "assistant" else "input_text", "text": part.text}
        case ImagePart():
            url = part.url if part.data is None else _data_url(part.media_type, part.data)
            detail = {} if part.detail is None else {"detail": part.detail}
            return {"type": "input_image", "image_url": url, **detail}
        case AudioPart():
            audio = {"data": base64.b64encode(part.data).decode("ascii"), "format": part.format}
            return {"type": "input_audio", "input_audio": audio}
        case FilePart():
            name = {} if part.name is None else {"filename": part.name}
            if part.url is not None:
                return {"type": "input_file", "file_url": part.url, **name}
            if part.data is None:
                return {"type": "input_file", "file_id": part.id, **name}
            return {"type": "input_file", "file_data": _data_url(part.media_type, part.data), **name}
        case RefusalPart():
            return {"type": "refusal", "refusal": part.refusal}
        case NativePart():
            return dict(part.block)
        case ReasoningPart() | CachePart():
            raise AssertionError(f"{part.type} is not a part of a message on this wire")
        case _:
            assert_never(part)


def _data_url(media_type: str | None, data: bytes) -> str:
    return f"data:{media_type};base64,{base64.b64encode(data).decode('ascii')}"


def _tool(tool: Tool) -> Body:
    """A tool; one that does not say whether it is strict is so on this wire, and OpenAI then requires every parameter.

    Recorded: openai-responses-17babde26e.
    """
    written: Body = {"type": "function", "name": tool.name, "parameters": tool.parameters}
    if tool.description:
        written["description"] = tool.description
    if tool.strict is not None:
        written["strict"] = tool.strict
    return written


def _tool_call(call: ToolCall) -> Body:
    item = "function_call" if call.kind == "function" else "custom_tool_call"
    written: Body = {"type": item, "call_id": call.id, "name": call.name, CALLS[item][1]: call.arguments}
    return {**written, **namespace_of(call.opaque)}


def namespace_of(opaque: str | None) -> Body:
    """What the host of a call needs back with it: the namespace of its tool, if it has one."""
    try:
        item = from_json(opaque or "")
    except ValueError:
        return {}
    return {"namespace": item["namespace"]} if isinstance(item, dict) and "namespace" in item else {}


def _format(output: Output) -> Body:
    if output.json_schema is None:
        return {"type": "json_object"}
    written: Body = {"type": "json_schema", "name": output.name, "schema": output.json_schema}
    if output.description is not None:
        written["description"] = output.description
    if output.strict is not None:
        written["strict"] = output.strict
    return written
