"""Encodes a request as a call of Ollama's chat (docs.ollama.com/api/chat)."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from segue.plugin import CachePart, NativePart, Omissions
from segue.wire import Call, from_json, to_json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from segue.plugin import Message, Request, Tool, ToolCall

Body: TypeAlias = dict[str, Any]

# Our settings that the table ``options`` has, by their names there.
_OPTIONS: Final[Mapping[str, str]] = {
    "frequency_penalty": "frequency_penalty",
    "max_tokens": "num_predict",
    "presence_penalty": "presence_penalty",
    "seed": "seed",
    "stop": "stop",
    "temperature": "temperature",
    "top_k": "top_k",
    "top_p": "top_p",
}
_OF_CALLS: Final = ("logprobs", "top_logprobs")
# Options that stand in the call itself; the others are for the model, in its table ``options``.
_OF_THE_CALL: Final = frozenset({"keep_alive", "shift", "think", "truncate"})


def encode(
    request: Request, *, model: str, base_url: str, headers: Mapping[str, str], options: Mapping[str, object]
) -> Call:
    """The call that requests an answer from ``model`` of the Ollama at ``base_url``.

    ``options`` are those of `Options`. What this wire does not support is left out with a notice, or raises
    UnsupportedError, as the policy of the request says.
    """
    omissions = Omissions(request.policy)
    body: Body = {
        "model": model,
        "messages": _messages(request.messages, omissions),
        "stream": request.stream,  # it would stream unasked
    }
    tools = _tools(request, omissions)
    if tools:
        body["tools"] = tools
    if request.output is not None:
        schema = request.output.json_schema
        body["format"] = "json" if schema is None else schema
    table = _settings(request, body, omissions)
    for name, value in options.items():
        (body if name in _OF_THE_CALL else table)[name] = value
    if table:
        body["options"] = table
    body.update(request.extra_body)
    return Call(
        url=f"{base_url}/api/chat",
        headers={"content-type": "application/json", **headers, **request.extra_headers},
        body=to_json(body),
        notices=tuple(omissions.notices),
    )


def _settings(request: Request, body: Body, omissions: Omissions) -> Body:
    """The table ``options``; fields of the call itself go into the body."""
    table: Body = {}
    for name, value in request.settings.given().items():
        if name in _OPTIONS:
            table[_OPTIONS[name]] = value
        elif name in _OF_CALLS:
            body[name] = value
        elif name == "reasoning_effort":
            body["think"] = False if value == "none" else value  # each model names its own levels
        elif name == "n":
            # A wish for the one answer that there is needs no words.
            if value > 1:
                omissions.meaning("n", "Ollama gives only one answer per call")
        else:
            omissions.tuning(name, "Ollama does not support this setting")
    return table


def _tools(request: Request, omissions: Omissions) -> list[Body]:
    if request.tool_choice == "none":
        return []  # as if there were none: the only way in which Ollama calls none
    if request.tool_choice not in {None, "auto"}:
        omissions.meaning("tool_choice", "Ollama lets the model decide whether it calls a tool")
    if any(tool.strict for tool in request.tools):
        omissions.tuning("strict", "Ollama does not enforce the schemas of tools")
    return [_tool(tool) for tool in request.tools]


def _tool(tool: Tool) -> Body:
    function: Body = {"name": tool.name, "parameters": tool.parameters}
    if tool.description:
        function["description"] = tool.description
    return {"type": "function", "function": function}


def _messages(messages: tuple[Message, ...], omissions: Omissions) -> list[Body]:
    written: list[Body] = []
    names: dict[str, str] = {}  # of the tools that were called, by the id of the call
    if any(message.name is not None for message in messages):
        omissions.tuning("name", "Ollama does not support names of participants")
    for message in messages:
        omissions.no_mark(message)
        role = "system" if message.role == "developer" else message.role
        turn: Body = {"role": role, "content": "", **_content(message, omissions)}
        if message.tool_calls:
            turn["tool_calls"] = [_tool_call(call, omissions) for call in message.tool_calls]
            names.update((call.id, call.name) for call in message.tool_calls)
        if message.tool_call_id is not None:
            # Servers before the ids of calls know a result by the name of its tool alone.
            turn["tool_call_id"] = message.tool_call_id
            if message.tool_call_id in names:
                turn["tool_name"] = names[message.tool_call_id]
        written.append(turn)
    return written


def _content(message: Message, omissions: Omissions) -> Body:
    """Text, images and reasoning are in separate fields here, without a common order."""
    if isinstance(message.content, str):
        return {"content": message.content}
    texts: list[str] = []
    thoughts: list[str] = []
    images: list[str] = []
    for part in message.content:
        if part.type == "text":
            texts.append(part.text)
        elif part.type == "refusal":
            texts.append(part.refusal)
        elif part.type == "reasoning":
            thoughts.append(part.text)
        elif part.type == "image" and part.data is not None:
            if part.detail is not None:
                omissions.tuning("detail", "Ollama has no setting for the detail of images")
            images.append(base64.b64encode(part.data).decode("ascii"))
        elif part.type == "image":
            omissions.no_address("image", "Ollama")
        elif isinstance(part, CachePart | NativePart):
            omissions.no_words(part)
        else:
            omissions.meaning(part.type, f"Ollama does not support {part.type}")
    told = {"content": "".join(texts), "thinking": "".join(thoughts), "images": images}
    return {name: value for name, value in told.items() if value}


def _tool_call(call: ToolCall, omissions: Omissions) -> Body:
    """A call of an earlier turn; its arguments are an object here, not its JSON text."""
    arguments: object = {}
    if call.arguments.strip():
        try:
            arguments = from_json(call.arguments)
        except ValueError:
            arguments = None
    if not isinstance(arguments, dict):
        omissions.meaning("tool_calls", "Ollama supports only a JSON object as the arguments of a call")
        arguments = {}
    return {"id": call.id, "function": {"name": call.name, "arguments": arguments}}
