"""Encodes a request as a call of Converse or ConverseStream, which is not signed yet."""

from __future__ import annotations

import base64
import hashlib
import mimetypes
import re
from typing import TYPE_CHECKING, Any, Final, TypeAlias
from urllib.parse import quote

from segue.plugin import InvalidOutputError, Notice, Omissions
from segue.wire import Call, to_json

from .decode import opaque_block
from .families import takes_forms, with_effort, with_top_k

if TYPE_CHECKING:
    from collections.abc import Mapping

    from segue.plugin import (
        AudioPart,
        FilePart,
        ImagePart,
        Message,
        Output,
        Part,
        ReasoningPart,
        Request,
        Tool,
        ToolCall,
    )

Body: TypeAlias = dict[str, Any]

FIELDS: Final = {
    "max_tokens": "maxTokens",
    "temperature": "temperature",
    "top_p": "topP",
    "stop": "stopSequences",
}
"""Settings that this wire supports, by their names in Segue."""

OPTIONS: Final = {
    "additional_model_request_fields": "additionalModelRequestFields",
    "additional_model_response_field_paths": "additionalModelResponseFieldPaths",
    "guardrail": "guardrailConfig",
    "request_metadata": "requestMetadata",
}
"""Options that become a field of the body unchanged."""

_CHOICES: Final = {"auto": "auto", "required": "any"}
_MEANINGFUL: Final = frozenset({"n", "logprobs", "top_logprobs"})
_ELSEWHERE: Final = frozenset({"reasoning_effort", "top_k"})

_S3: Final = "s3://"

_IMAGES: Final = {"image/png": "png", "image/jpeg": "jpeg", "image/gif": "gif", "image/webp": "webp"}
_DOCUMENTS: Final = {
    "application/pdf": "pdf",
    "application/msword": "doc",
    "application/vnd.ms-excel": "xls",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "application/json": "txt",
    "text/csv": "csv",
    "text/html": "html",
    "text/markdown": "md",
}
_VIDEOS: Final = {
    "video/3gpp": "three_gp",
    "video/mp4": "mp4",
    "video/mpeg": "mpeg",
    "video/quicktime": "mov",
    "video/webm": "webm",
    "video/x-flv": "flv",
    "video/x-matroska": "mkv",
    "video/x-ms-wmv": "wmv",
}
_SOUNDS: Final = frozenset({
    "aac", "flac", "m4a", "mka", "mkv", "mp3", "mp4", "mpeg", "mpga", "ogg", "opus", "pcm", "wav", "webm", "x-aac",
})  # fmt: skip

# What a path takes as it is (RFC 3986, 3.3), but for the dot-free rest of it: anything more would be written
# differently by whoever sends it, and then not be what was signed.
_PATH_SAFE: Final = "!$&'()*+,;=:@"

# What a tool call's id may be made of, and how long it may be; another wire's may be more.
_NOT_OF_IDS: Final = re.compile(r"[^a-zA-Z0-9_.:-]")
_LONGEST_ID: Final = 64


def encode(
    request: Request, *, model: str, base_url: str, headers: Mapping[str, str], options: Mapping[str, Any]
) -> Call:
    """The call that requests an answer from ``model``, an id or an ARN, at ``base_url``.

    What the wire does not support is left out with a notice, or raises UnsupportedError, as the policy of the
    request says.
    """
    omissions = Omissions(request.policy)
    writer = _Writer(omissions, cites=bool(options.get("document_citations")))
    for message in request.messages:
        writer.take(message)
    body: Body = {"messages": [{"role": role, "content": blocks} for role, blocks in writer.turns]}
    own: Body = {}  # fields of the model itself
    _settings(request.settings.given(), model, body, own, omissions)
    if tools := _tools(request, options, omissions, used=writer.uses_tools):
        body["toolConfig"] = tools
    if request.output is not None:
        _form(request.output, model, body, writer.system, omissions)
    if writer.system:
        body["system"] = writer.system
    _options(options, body, own, stream=request.stream)
    body.update(request.extra_body)
    streamed = request.stream
    return Call(
        url=f"{base_url.rstrip('/')}/model/{quote(model, safe=_PATH_SAFE)}/converse{'-stream' if streamed else ''}",
        headers={
            "accept": "application/vnd.amazon.eventstream" if streamed else "application/json",
            "content-type": "application/json",
            **headers,
            **request.extra_headers,
        },
        body=to_json(body),
        notices=tuple(omissions.notices),
    )


def takes_address(part: ImagePart | FilePart) -> bool:
    """Whether the host downloads it: only from S3, if the model supports that."""
    return (part.url or "").startswith(_S3)


def answer_tool(request: Request, model: str) -> str | None:
    """The tool whose input is the answer, if the request of the model has no field for a schema."""
    output = request.output
    return None if output is None or output.json_schema is None or takes_forms(model) else output.name


# ── settings ─────────────────────────────────────────────────────────────────────────────────────────


def _settings(given: Mapping[str, Any], model: str, body: Body, own: Body, omissions: Omissions) -> None:
    inference: Body = {}
    for name, value in given.items():
        if name in FIELDS:
            inference[FIELDS[name]] = value
        elif name in _ELSEWHERE or (name == "n" and value == 1) or (name == "logprobs" and not value):
            continue
        else:
            leave_out = omissions.meaning if name in _MEANINGFUL else omissions.tuning
            if not leave_out(name, "this wire does not support this setting"):
                own[name] = value
    if inference:
        body["inferenceConfig"] = inference
    if "top_k" in given:
        own.update(with_top_k(given["top_k"], model, omissions))
    if "reasoning_effort" in given:
        fields, effort = with_effort(given["reasoning_effort"], model, given.get("max_tokens"), omissions)
        own.update(fields)
        if effort is not None:
            body["outputConfig"] = {"effort": effort}


def _tools(request: Request, options: Mapping[str, Any], omissions: Omissions, *, used: bool) -> Body | None:
    tools = [_tool(tool) for tool in request.tools]
    if request.tool_choice == "none" and tools:
        if not used:
            return None
        # The wire has no such choice, and with calls in the conversation it must be told of the tools.
        omissions.meaning("tool_choice", "this wire cannot forbid tools that the conversation has used")
    tools += [{"systemTool": {"name": name}} for name in options.get("system_tools") or ()]
    if not tools:
        return None
    if point := _cache_point("tools", options):
        tools.append(point)
    config: Body = {"tools": tools}
    choice = request.tool_choice
    if isinstance(choice, str):
        if choice != "none":
            config["toolChoice"] = {_CHOICES[choice]: {}}
    elif choice is not None:
        config["toolChoice"] = {"tool": {"name": choice.name}}
    return config


def _tool(tool: Tool) -> Body:
    written: Body = {"name": tool.name, "inputSchema": {"json": tool.parameters}}
    if tool.description:
        written["description"] = tool.description
    if tool.strict is not None:
        written["strict"] = tool.strict
    return {"toolSpec": written}


def _form(output: Output, model: str, body: Body, system: list[Body], omissions: Omissions) -> None:
    """Ask for the form of the answer: by its field, by a tool, or in words."""
    if output.json_schema is None:
        omissions.notices.append(
            Notice("output", "this wire has JSON output only with a schema: the prompt asks for JSON")
        )
        system.append({"text": "Answer with one JSON object and nothing else."})
        return
    described = {} if output.description is None else {"description": output.description}
    if takes_forms(model):
        schema = {"name": output.name, "schema": to_json(output.json_schema).decode(), **described}
        form = {"type": "json_schema", "structure": {"jsonSchema": schema}}
        body["outputConfig"] = {**body.get("outputConfig", {}), "textFormat": form}
        return
    told = "this model does not support a schema for the answer: it was sent as the schema of a tool"
    omissions.notices.append(Notice("output", told))
    spec = {"name": output.name, "inputSchema": {"json": output.json_schema}, **described}
    config = body.setdefault("toolConfig", {"tools": []})
    config["toolChoice"] = {"any": {}} if config["tools"] else {"tool": {"name": output.name}}
    config["tools"] = [{"toolSpec": spec}, *config["tools"]]


def _options(options: Mapping[str, Any], body: Body, own: Body, *, stream: bool) -> None:
    for name, field in OPTIONS.items():
        if options.get(name):
            body[field] = options[name]
    if fields := {**own, **body.get("additionalModelRequestFields", {})}:
        body["additionalModelRequestFields"] = fields
    if "guardrailConfig" in body and not stream:
        kept = {name: value for name, value in body["guardrailConfig"].items() if name != "streamProcessingMode"}
        body["guardrailConfig"] = kept
    if options.get("latency"):
        body["performanceConfig"] = {"latency": options["latency"]}
    if options.get("service_tier"):
        body["serviceTier"] = {"type": options["service_tier"]}
    if options.get("prompt_variables"):
        body["promptVariables"] = {name: {"text": text} for name, text in options["prompt_variables"].items()}
    if body.get("system") and (point := _cache_point("system", options)):
        body["system"] = [*body["system"], point]
    if body["messages"] and (point := _cache_point("messages", options)):
        body["messages"][-1]["content"].append(point)


def _cache_point(place: str, options: Mapping[str, Any]) -> Body | None:
    if place not in (options.get("cache") or ()):
        return None
    return _point(options.get("cache_ttl"))


def _point(ttl: str | None) -> Body:
    """A mark of the cache, for as long as the model likes where the time is none of the two that it can choose."""
    return {"cachePoint": {"type": "default", **({"ttl": ttl} if ttl in {"5m", "1h"} else {})}}


def _and_mark(message: Message) -> tuple[tuple[Part, ...], list[Body]]:
    """The parts of a message without the mark that they end with, which is one of all of it; and that mark."""
    last = message.parts[-1] if message.parts else None
    if last is None or last.type != "cache":
        return message.parts, []
    return message.parts[:-1], [_point(last.ttl)]


# ── messages ─────────────────────────────────────────────────────────────────────────────────────────


class _Writer:
    """Writes messages down as turns of blocks; tells once a request of what is not sent."""

    __slots__ = ("_cites", "_documents", "_omissions", "_told", "system", "turns", "uses_tools")

    def __init__(self, omissions: Omissions, *, cites: bool) -> None:
        self._omissions = omissions
        self._cites = cites
        self._documents = 0
        self._told: set[str] = set()
        self.system: list[Body] = []
        self.turns: list[tuple[str, list[Body]]] = []
        self.uses_tools: bool = False

    def take(self, message: Message) -> None:
        """Take the next message; those of one side in a row, results of tools among them, are one turn."""
        if message.name is not None and self._once("name"):
            self._omissions.tuning("name", "this wire does not support names of participants")
        match message.role:
            case "system" | "developer":
                self._take_system(message)
            case "tool":
                self.uses_tools = True
                self._add("user", self._results(message))
            case role:
                self.uses_tools = self.uses_tools or bool(message.tool_calls)
                parts, mark = _and_mark(message)
                blocks = filter(None, map(self._block, parts))
                self._add(role, [*blocks, *map(_tool_use, message.tool_calls), *mark])

    def _results(self, message: Message) -> list[Body]:
        parts, mark = _and_mark(message)
        told = [block for part in parts if (block := self._result(part)) is not None] or [{"text": ""}]
        result: Body = {"toolUseId": _call_id(message.tool_call_id or ""), "content": told}
        if message.is_error:
            result["status"] = "error"
        return [{"toolResult": result}, *mark]

    def _once(self, subject: str) -> bool:
        first = subject not in self._told
        self._told.add(subject)
        return first

    def _take_system(self, message: Message) -> None:
        if self.turns and self._once("system"):
            told = "this wire takes system text only before the conversation: later system text was moved there"
            self._omissions.notices.append(Notice("system", told))
        for part in message.parts:
            if part.type == "text":
                self.system.append({"text": part.text})
            elif part.type == "cache":
                self.system.append(_point(part.ttl))
            else:
                self._lack(part.type, "this wire supports only text in system messages")

    def _add(self, role: str, blocks: list[Body]) -> None:
        if self.turns and self.turns[-1][0] == role:
            self.turns[-1][1].extend(blocks)
        elif blocks:  # a turn that says nothing is refused
            self.turns.append((role, blocks))

    def _result(self, part: Part) -> Body | None:
        """A part of what a tool gave; it has no sound, no thoughts and no marks."""
        if part.type == "cache":
            self._omissions.no_words(part)
            return None
        if part.type in {"audio", "reasoning"}:
            return self._lack(part.type, "this wire does not support it in the result of a tool")
        return self._block(part)

    def _block(self, part: Part) -> Body | None:
        match part.type:
            case "text":
                return {"text": part.text} if part.text else None
            case "refusal":
                return {"text": part.refusal} if part.refusal else None
            case "image":
                return self._image(part)
            case "file":
                return self._file(part)
            case "audio":
                return self._sound(part)
            case "reasoning":
                return self._thought(part)
            case "cache":
                return _point(part.ttl)
            case "native":
                self._omissions.no_words(part)
                return None

    def _sound(self, part: AudioPart) -> Body | None:
        if part.format not in _SOUNDS:
            return self._lack("audio", f"this wire does not support audio in the format {part.format:.40}")
        return {"audio": {"format": part.format, "source": _bytes(part.data)}}

    def _image(self, part: ImagePart) -> Body | None:
        if part.url is not None and not takes_address(part):
            self._omissions.no_address("image", "Bedrock")
            return None
        media_type = part.media_type or mimetypes.guess_type(part.url or "")[0] or ""
        if media_type not in _IMAGES:
            told = media_type or "a file without a known suffix"
            return self._lack("image", f"this wire supports PNG, JPEG, GIF and WebP, not {told}")
        return {"image": {"format": _IMAGES[media_type], "source": _source(part.data, part.url)}}

    def _file(self, part: FilePart) -> Body | None:
        if part.url is not None and not takes_address(part):
            self._omissions.no_address("file", "Bedrock")
            return None
        place = part.url or part.id
        if part.id is not None and not part.id.startswith(_S3):
            return self._lack("file", "the host of this wire stores no files; use the address of a file in S3, s3://…")
        media_type = part.media_type or mimetypes.guess_type(place or "")[0] or ""
        source = _source(part.data, place)
        if media_type in _VIDEOS:
            return {"video": {"format": _VIDEOS[media_type], "source": source}}
        form = _DOCUMENTS.get(media_type) or ("txt" if media_type.startswith("text/") else None)
        if form is None:
            return self._lack("file", f"this wire does not support {media_type or 'a file without a known suffix'}")
        if part.name is not None and self._once("file name"):
            # «vulnerable to prompt injections …, we recommend that you specify a neutral name» (DocumentBlock)
            self._omissions.notices.append(Notice("file name", "documents are sent with neutral names"))
        self._documents += 1
        document = {"format": form, "name": f"Document {self._documents}", "source": source}
        return {"document": {**document, **({"citations": {"enabled": True}} if self._cites or part.citations else {})}}

    def _lack(self, subject: str, reason: str) -> Body | None:
        """Leave a part out; one that the policy would have sent has no words here either."""
        if not self._omissions.meaning(subject, reason):
            self._omissions.notices.append(Notice(subject, f"{reason}; it was not sent"))
        return None

    def _thought(self, part: ReasoningPart) -> Body | None:
        """The host's reasoning or tool result, unchanged; None if the host would not accept it."""
        block = opaque_block(part.opaque)
        if block is None:
            self._omissions.without_reasoning_once(self._told, "this host takes back only signed reasoning")
            return None
        signed = block.get("reasoningContent", {}).get("reasoningText")
        if isinstance(signed, dict):
            return {"reasoningContent": {"reasoningText": {"text": part.text, **signed}}}
        return block


def _bytes(data: bytes | None) -> Body:
    return {"bytes": base64.b64encode(data or b"").decode("ascii")}


def _source(data: bytes | None, place: str | None) -> Body:
    return _bytes(data) if data is not None else {"s3Location": {"uri": place}}


def _call_id(call_id: str) -> str:
    written = _NOT_OF_IDS.sub("_", call_id) or "_"
    # A hash in hexadecimal has just the length that is allowed, and the result has the same as its call.
    return written if len(written) <= _LONGEST_ID else hashlib.sha256(call_id.encode()).hexdigest()


def _tool_use(call: ToolCall) -> Body:
    return {"toolUse": {"toolUseId": _call_id(call.id), "name": call.name, "input": _input(call)}}


def _input(call: ToolCall) -> Body:
    """The arguments as an object, which is the only form that this wire takes."""
    if call.kind == "custom":
        return {"input": call.arguments}
    try:
        return call.args
    except InvalidOutputError:
        return {"INVALID_JSON": call.arguments}
