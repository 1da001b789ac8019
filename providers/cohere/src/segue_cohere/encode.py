"""Encodes a request as a call of version 2 of Cohere's chat (docs.cohere.com/reference/chat)."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from segue.plugin import CachePart, NativePart, Notice, Omissions
from segue.wire import Call, from_json, to_json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from segue.plugin import FilePart, Message, Request, Tool, ToolCall

Body: TypeAlias = dict[str, Any]

PLAN: Final = '{"type":"tool_plan"}'
"""The opaque part of a plan: reasoning with a separate field on this wire."""
THINKING: Final = '{"type":"thinking"}'
"""The opaque part of the reasoning, which marks its end before a plan."""

_SETTINGS: Final[Mapping[str, str]] = {
    "frequency_penalty": "frequency_penalty",
    "logprobs": "logprobs",
    "max_tokens": "max_tokens",
    "presence_penalty": "presence_penalty",
    "seed": "seed",
    "stop": "stop_sequences",
    "temperature": "temperature",
    "top_k": "k",
    "top_p": "p",
}


def encode(
    request: Request, *, model: str, base_url: str, headers: Mapping[str, str], options: Mapping[str, object]
) -> Call:
    """The call that requests an answer from ``model`` at ``base_url`` (without the version).

    ``options`` are those of `Options`. What this wire does not support is left out with a notice, or raises
    UnsupportedError, as the policy of the request says.
    """
    omissions = Omissions(request.policy)
    documents: list[Body] = []
    body: Body = {
        "model": model,
        "messages": [_message(message, documents, omissions) for message in request.messages],
        "stream": request.stream,
    }
    if any(message.name is not None for message in request.messages):
        omissions.tuning("name", "Cohere does not support names of participants")
    _tools(request, body, omissions)
    _settings(request, body, omissions)
    body.update(options)
    if documents:
        body["documents"] = [*(body.get("documents") or ()), *documents]
    if request.output is not None:
        _output(request, body, omissions)
    body.update(request.extra_body)
    return Call(
        url=f"{base_url.rstrip('/')}/v2/chat",
        headers={"content-type": "application/json", **headers, **request.extra_headers},
        body=to_json(body),
        notices=tuple(omissions.notices),
    )


def _settings(request: Request, body: Body, omissions: Omissions) -> None:
    for name, value in request.settings.given().items():
        if name in _SETTINGS:
            body[_SETTINGS[name]] = value
        elif name == "reasoning_effort":
            body["thinking"] = {"type": "disabled" if value == "none" else "enabled"}
            if value != "none":
                omissions.tuning(name, "Cohere supports only thinking on or off, without an effort: thinking is on")
        elif name == "n":
            # A wish for the one answer that there is needs no words.
            if value > 1:
                omissions.meaning("n", "Cohere gives only one answer per call")
        elif name == "top_logprobs":
            omissions.meaning(name, "Cohere returns log probabilities only for the tokens of the answer")
        else:
            omissions.tuning(name, "Cohere does not support this setting")


def _output(request: Request, body: Body, omissions: Omissions) -> None:
    assert request.output is not None
    # «Not supported when used in combinations with the documents or tools parameters».
    beside = next((name for name in ("tools", "documents") if name in body), None)
    if beside is not None and omissions.meaning("schema", f"Cohere does not support a schema together with {beside}"):
        return
    written: Body = {"type": "json_object"}
    if request.output.json_schema is not None:
        written["json_schema"] = request.output.json_schema
    body["response_format"] = written


def _tools(request: Request, body: Body, omissions: Omissions) -> None:
    if not request.tools:
        return
    tools, choice = request.tools, request.tool_choice
    if choice is None or isinstance(choice, str):
        if choice in {"none", "required"}:
            body["tool_choice"] = choice.upper() if choice else choice
    else:
        tools = tuple(tool for tool in tools if tool.name == choice.name)
        body["tool_choice"] = "REQUIRED"
        if len(request.tools) > 1:
            omissions.notices.append(
                Notice(
                    "tool_choice",
                    "Cohere cannot be forced to call one tool: only this tool was sent, and a call is required",
                )
            )
    body["tools"] = [_tool(tool) for tool in tools]
    if all(tool.strict for tool in tools):
        body["strict_tools"] = True
    elif any(tool.strict for tool in tools):
        omissions.tuning("strict", "Cohere enforces the schemas of all tools or of none")


def _tool(tool: Tool) -> Body:
    function: Body = {"name": tool.name, "parameters": tool.parameters}
    if tool.description:
        function["description"] = tool.description
    return {"type": "function", "function": function}


def _message(message: Message, documents: list[Body], omissions: Omissions) -> Body:
    written: Body = {"role": "system" if message.role == "developer" else message.role}
    omissions.no_mark(message)
    if isinstance(message.content, str):
        content: str | list[Body] = message.content
    else:
        content = _parts(message, written, documents, omissions)
    if content or not message.tool_calls:
        written["content"] = content or ""  # a turn of files alone has none
    if message.tool_calls:
        written["tool_calls"] = [_tool_call(call) for call in message.tool_calls]
    if message.tool_call_id is not None:
        written["tool_call_id"] = message.tool_call_id
    return written


def _parts(message: Message, written: Body, documents: list[Body], omissions: Omissions) -> list[Body]:
    content: list[Body] = []
    for part in message.parts:
        if part.type == "text":
            content.append({"type": "text", "text": part.text})
        elif part.type == "refusal":
            content.append({"type": "text", "text": part.refusal})
        elif part.type == "reasoning":
            if part.opaque is not None and _is_plan(part.opaque):
                written["tool_plan"] = written.get("tool_plan", "") + part.text
            else:
                content.append({"type": "thinking", "thinking": part.text})
        elif part.type == "image":
            url = part.url
            if part.data is not None:
                url = f"data:{part.media_type};base64,{base64.b64encode(part.data).decode('ascii')}"
            image: Body = {"url": url}
            if part.detail is not None:
                image["detail"] = part.detail
            content.append({"type": "image_url", "image_url": image})
        elif part.type == "file":
            document = _document(part, omissions)
            if document is not None and message.role == "tool":
                content.append({"type": "document", "document": document})
            elif document is not None:
                documents.append({"id": f"file:{len(documents)}", **document})
        elif isinstance(part, CachePart | NativePart):
            omissions.no_words(part)
        else:
            omissions.meaning(part.type, f"Cohere does not support {part.type}")
    return content


def _is_plan(opaque: str) -> bool:
    try:
        told = from_json(opaque)
    except ValueError:
        return False
    return isinstance(told, dict) and told.get("type") == "tool_plan"


def _document(part: FilePart, omissions: Omissions) -> Body | None:
    """A file of text as a document, which an answer may cite by its id; None for any other file."""
    if part.url is not None:
        omissions.no_address("file", "Cohere")
    elif part.data is None or not (part.media_type or "").startswith("text/"):
        omissions.meaning("file", "Cohere supports only text files, and no file ids")
    else:
        told = {"text": part.data.decode("utf-8", "replace")}
        return {"data": told if part.name is None else {"title": part.name, **told}}
    return None


def _tool_call(call: ToolCall) -> Body:
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments or "{}"}}
