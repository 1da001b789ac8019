"""Encodes a request as a call of generateContent or streamGenerateContent (ai.google.dev/api/generate-content).

JSON schemas are sent unchanged: ``parametersJsonSchema`` and ``responseJsonSchema`` accept them, also on Vertex
(recorded), and ignore unknown keywords.
"""

from __future__ import annotations

import base64
import mimetypes
from typing import TYPE_CHECKING, Any, Final, TypeAlias
from urllib.parse import quote, urlsplit

from segue.plugin import Notice, Omissions
from segue.wire import Call, from_json, to_json

from .thinking import is_before_3, thinking_config

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from segue.plugin import FilePart, ImagePart, Message, Output, Part, Request, Tool, ToolCall, ToolChoice

Body: TypeAlias = dict[str, Any]

# Our settings that generationConfig has, by their names there.
_SETTINGS: Final[Mapping[str, str]] = {
    "frequency_penalty": "frequencyPenalty",
    "logprobs": "responseLogprobs",
    "max_tokens": "maxOutputTokens",
    "n": "candidateCount",
    "presence_penalty": "presencePenalty",
    "seed": "seed",
    "stop": "stopSequences",
    "temperature": "temperature",
    "top_k": "topK",
    "top_logprobs": "logprobs",
    "top_p": "topP",
}

# Google's own, of `Options`, by where they stand.
_OF_CALLS: Final[Mapping[str, str]] = {
    "cached_content": "cachedContent",
    "labels": "labels",
    "safety_settings": "safetySettings",
    "service_tier": "serviceTier",
}
_OF_GENERATION: Final[Mapping[str, str]] = {
    "image_config": "imageConfig",
    "media_resolution": "mediaResolution",
    "response_modalities": "responseModalities",
    "speech_config": "speechConfig",
}
_OF_THINKING: Final[Mapping[str, str]] = {"include_thoughts": "includeThoughts", "thinking_budget": "thinkingBudget"}
_OF_TOOLS: Final[Mapping[str, str]] = {
    "include_server_side_tool_invocations": "includeServerSideToolInvocations",
    "retrieval_config": "retrievalConfig",
}

# From Gemini 3 on a call without its signature is refused; of a call that another model made, Google takes this
# (ai.google.dev/gemini-api/docs/thought-signatures: "skip_thought_signature_validator"; bytes, so in base64: recorded).
NO_SIGNATURE: Final = base64.b64encode(b"skip_thought_signature_validator").decode("ascii")


def encode(
    request: Request, *, model: str, base_url: str, headers: Mapping[str, str], options: Mapping[str, Any]
) -> Call:
    """The call that requests an answer from ``model`` at ``base_url`` (which ends in a version or a Vertex location).

    A model can be a path (``tunedModels/…``, ``publishers/…``). ``options`` are those of `Options`. What this wire
    does not support is left out with a notice, or raises UnsupportedError, as the policy of the request says.
    """
    omissions = Omissions(request.policy)
    base_url = base_url.rstrip("/")
    name = model.rpartition("/")[2]
    writer = _Writer(omissions, base_url=base_url, model=model, signed=not is_before_3(name))
    for message in request.messages:
        writer.write(message)
    body: Body = {"contents": writer.contents}
    if writer.system:
        body["systemInstruction"] = {"parts": writer.system}
    _tools(request, options, body, omissions)
    generation = _generation(request, name, options, omissions)
    if request.output is not None and not _lacks_form(request, name, omissions):
        generation |= _form(request.output)
    if generation:
        body["generationConfig"] = generation
    body |= _renamed(options, _OF_CALLS)
    body.update(request.extra_body)
    path = quote(model if "/" in model else f"models/{model}", safe="/@")
    method = "streamGenerateContent?alt=sse" if request.stream else "generateContent"
    return Call(
        url=f"{base_url}/{path}:{method}",
        headers={"content-type": "application/json", **headers, **request.extra_headers},
        body=to_json(body),
        notices=tuple(omissions.notices),
    )


def _renamed(given: Mapping[str, Any], names: Mapping[str, str]) -> Body:
    return {name: given[ours] for ours, name in names.items() if given.get(ours) is not None}


def _generation(request: Request, model: str, options: Mapping[str, Any], omissions: Omissions) -> Body:
    settings = request.settings.given()
    if settings.get("parallel_tool_calls") is False:
        omissions.tuning("parallel_tool_calls", "Google lets the model decide how many tools it calls at once")
    if settings.get("top_logprobs") is not None:
        settings["logprobs"] = True
    generation = {**_renamed(settings, _SETTINGS), **_renamed(options, _OF_GENERATION)}
    thinking = {
        **thinking_config(settings.get("reasoning_effort"), model, omissions),
        **_renamed(options, _OF_THINKING),
    }
    if "thinkingBudget" in thinking:
        thinking.pop("thinkingLevel", None)  # either of them, never both
    if thinking:
        generation["thinkingConfig"] = thinking
    return generation


def _lacks_form(request: Request, model: str, omissions: Omissions) -> bool:
    """Whether the form of the answer cannot be asked for: beside tools models know it from Gemini 3 on (recorded)."""
    return (
        bool(request.tools)
        and is_before_3(model)
        and omissions.meaning("schema", "before Gemini 3, Google does not support a schema together with tools")
    )


def _form(output: Output) -> Body:
    form: Body = {"responseMimeType": "application/json"}
    if output.json_schema is not None:
        schema = dict(output.json_schema)
        if output.description is not None:
            schema.setdefault("description", output.description)
        form["responseJsonSchema"] = schema
    return form


# ── tools ────────────────────────────────────────────────────────────────────────────────────────────


def _tools(request: Request, options: Mapping[str, Any], body: Body, omissions: Omissions) -> None:
    tools: list[Body] = [dict(tool) for tool in options.get("tools") or ()]
    if request.tools:
        tools.append({"functionDeclarations": [_declaration(tool) for tool in request.tools]})
    if tools:
        body["tools"] = tools
    config = _renamed(options, _OF_TOOLS)
    calling = _calling(request.tools, request.tool_choice, omissions)
    if calling:
        config["functionCallingConfig"] = calling
    if config:
        body["toolConfig"] = config


def _declaration(tool: Tool) -> Body:
    declaration: Body = {"name": tool.name, "parametersJsonSchema": tool.parameters}
    if tool.description:
        declaration["description"] = tool.description
    return declaration


def _calling(tools: Sequence[Tool], choice: ToolChoice | None, omissions: Omissions) -> Body:
    """Whether functions are called; one that must be called is held to its schema, others where all shall be."""
    if not tools:
        return {}
    if choice == "none":
        return {"mode": "NONE"}
    if choice == "required":
        return {"mode": "ANY"}
    if choice is not None and choice != "auto":
        return {"mode": "ANY", "allowedFunctionNames": [choice.name]}
    strict = [tool.strict for tool in tools]
    if all(strict):
        return {"mode": "VALIDATED"}
    if any(strict):
        omissions.tuning("strict", "Google enforces the schemas of all functions or of none")
    return {} if choice is None else {"mode": "AUTO"}


# ── messages ─────────────────────────────────────────────────────────────────────────────────────────


class _Writer:
    """Writes messages down as contents; the system's stand apart from them."""

    __slots__ = ("_base_url", "_model", "_names", "_omissions", "_results", "_signed", "_told", "contents", "system")

    def __init__(self, omissions: Omissions, *, base_url: str, model: str, signed: bool) -> None:
        self.contents: list[Body] = []
        self.system: list[Body] = []
        self._omissions = omissions
        self._base_url = base_url
        self._model = model
        self._signed = signed
        self._names: dict[str, str] = {}  # of the functions that were called, by the id of the call
        self._results: list[Body] | None = None  # the turn of results that the next one belongs to
        self._told: set[str] = set()

    def write(self, message: Message) -> None:
        """Take the next message."""
        if message.role == "tool":
            self._result(message)
            return
        self._results = None
        if message.name is not None and self._once("name"):
            self._omissions.tuning("name", "Google does not support names of participants")
        if message.role in {"system", "developer"}:
            self._instruct(message)
            return
        parts = self._parts(message.parts)
        if message.tool_calls:
            parts += self._calls(message.tool_calls)
        role = "model" if message.role == "assistant" else "user"
        self.contents.append({"role": role, "parts": parts or [{"text": ""}]})

    def _instruct(self, message: Message) -> None:
        if self.contents and self._once("system"):
            self._omissions.notices.append(
                Notice(
                    "system", "Google takes system text only before the conversation: later system text was moved there"
                )
            )
        for part in message.parts:
            if part.type == "text":
                self.system.append({"text": part.text})
            elif part.type == "cache":
                self._omissions.no_words(part)
            else:
                self._omissions.meaning(part.type, "Google supports only text in system messages")

    def _result(self, message: Message) -> None:
        """What a function gave; Google wants the results of parallel calls in one turn."""
        call_id = message.tool_call_id or ""
        response: Body = {
            "id": call_id,
            "name": self._names.get(call_id) or message.name or call_id,
            # As text: an object would be read as one whose numbers are floats.
            "response": {"error" if message.is_error else "output": message.text},
        }
        beside = self._parts(tuple(part for part in message.parts if part.type != "text"))
        if beside:
            response["parts"] = beside
        if self._results is None:
            self._results = []
            self.contents.append({"role": "user", "parts": self._results})
        self._results.append({"functionResponse": response})

    def _calls(self, calls: Sequence[ToolCall]) -> list[Body]:
        written = [self._call(call) for call in calls]
        if self._signed and not any("thoughtSignature" in part for part in written):
            written[0]["thoughtSignature"] = NO_SIGNATURE  # of parallel calls the first alone has one
        self._names.update((call.id, call.name) for call in calls)
        return written

    def _call(self, call: ToolCall) -> Body:
        arguments: object = {}
        if call.arguments.strip():
            try:
                arguments = from_json(call.arguments)
            except ValueError:
                arguments = None
        if not isinstance(arguments, dict):
            self._omissions.meaning("tool_calls", "Google supports only a JSON object as the arguments of a call")
            arguments = {}
        part: Body = {"functionCall": {"id": call.id, "name": call.name, "args": arguments}}
        return part if call.opaque is None else {**part, **_opaque(call.opaque)}

    def _parts(self, parts: tuple[Part, ...]) -> list[Body]:
        written: list[Body] = []
        signature: Body = {}  # of the text that comes next
        alone: list[Body] = []  # signatures that stood behind the text
        for part in parts:
            if part.type == "reasoning":
                given = {} if part.opaque is None else _opaque(part.opaque)
                if part.text:
                    thought = {"text": part.text, "thought": True}
                    written.append({**thought, **given} if given.get("thought") else thought)
                if given.get("thought"):
                    written += [] if part.text else [{"text": "", **given}]
                elif "text" in given:
                    alone.append(given)
                elif given.keys() == {"thoughtSignature"}:
                    signature = given
                elif given:
                    written.append(given)  # a tool of Google's own, as it came
            elif part.type == "text":
                written.append({"text": part.text, **signature})
                signature = {}
            elif (other := self._part(part)) is not None:
                written.append(other)
        return [*written, *([{"text": "", **signature}] if signature else []), *alone]

    def _part(self, part: Part) -> Body | None:
        self._omissions.no_citations(part)
        match part.type:
            case "image" | "file" if part.url is not None and not takes_address(part, self._model, self._base_url):
                self._omissions.no_address(part.type, "Google")
                return None
            case "refusal":
                return {"text": part.refusal}
            case "image":
                if part.detail in {"low", "high"} and self._once("detail"):
                    self._omissions.tuning(
                        "detail", "Google has one detail for all images: the option media_resolution"
                    )
                if part.data is None:
                    return _file(part.url or "", part.media_type)
                return _inline(part.media_type, part.data)
            case "audio":
                return _inline(f"audio/{part.format}", part.data)
            case "file" if part.data is not None:
                return _inline(part.media_type, part.data)
            case "file":
                place = part.url or part.id or ""
                return _file(f"{self._base_url}/{place}" if place.startswith("files/") else place, part.media_type)
            case "cache" | "native":
                self._omissions.no_words(part)
                return None
            case _:
                raise AssertionError(f"{part.type} is encoded with the parts around it")

    def _once(self, subject: str) -> bool:
        first = subject not in self._told
        self._told.add(subject)
        return first


def _inline(media_type: str | None, data: bytes) -> Body:
    return {"inlineData": {"mimeType": media_type, "data": base64.b64encode(data).decode("ascii")}}


def _file(uri: str, media_type: str | None) -> Body:
    """A file that Google has, or fetches; Vertex needs its type."""
    media_type = media_type or _type_of(uri)
    return {"fileData": {"fileUri": uri, **({} if media_type is None else {"mimeType": media_type})}}


_YOUTUBE: Final = frozenset({"youtu.be", "youtube.com", "www.youtube.com", "m.youtube.com"})


def takes_address(part: ImagePart | FilePart, model: str, base_url: str) -> bool:
    """Whether Google downloads an image or file itself.

    It downloads from buckets and YouTube; from any https address on Vertex (recorded), and on the Gemini API since 2.5
    (ai.google.dev/gemini-api/docs/file-input-methods, of 2026-01; recorded).
    """
    try:
        parts = urlsplit(part.url or "")
        scheme, host = parts.scheme.lower(), parts.hostname
    except ValueError:
        return False
    if scheme == "gs":
        return True
    if scheme != "https":
        return False
    own = urlsplit(base_url).hostname
    known = host in _YOUTUBE or host == own or "/projects/" in base_url
    return known or not model.rpartition("/")[2].startswith(("gemini-1", "gemini-2.0"))


def _type_of(uri: str) -> str | None:
    parts = urlsplit(uri)
    if parts.hostname in _YOUTUBE:
        return "video/mp4"  # as it was recorded of both hosts
    return mimetypes.guess_type(parts.path)[0]


def _opaque(opaque: str) -> Body:
    """The fields that the decoder kept of a part; empty if it is not a JSON object, and so not from our decoder."""
    try:
        given = from_json(opaque)
    except ValueError:
        return {}
    return given if isinstance(given, dict) else {}
