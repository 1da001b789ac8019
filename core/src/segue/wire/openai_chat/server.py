"""The server side of this wire: decodes the body of a client, and encodes a reply."""

from __future__ import annotations

import base64
from dataclasses import fields
from typing import TYPE_CHECKING, Any, Final, assert_never, get_args

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
    SETTING_NAMES,
    Message,
    NativePart,
    Output,
    ReasoningEffort,
    ReasoningPart,
    Request,
    Settings,
    TextPart,
    Tool,
    ToolName,
    cache_mark,
)
from ...validation import faults_of
from ..reading import value_errors
from .decode import FINISH
from .encode import WIRE, reasoning_detail, tool_calls

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from ...events import Choice, Event, Reply, StopReason, TokenLogprob

_KNOWN: Final = frozenset(
    {
        "model", "messages", "tools", "tool_choice", "response_format", "stream", "stream_options",
        "max_completion_tokens", *SETTING_NAMES,
    }
)  # fmt: skip


# ── a client's body → request ────────────────────────────────────────────────────────────────────────


@value_errors
def read(body: bytes, *, model: str | None = None) -> tuple[str, Request]:
    """The name of the model and the request in the body of a client; ValueError if the body is not a request.

    ``model`` is the name in the address, used if the body has none. ``extra_body`` of the request gets the
    fields that this wire does not know, and the fields that a request cannot express completely (tools of the
    host or with cache marks, an effort of the host). A part without an equivalent becomes a `NativePart`.
    Fields that an SDK adds to an answer for its user, such as ``parsed``, are not read.
    """
    try:
        given = from_json(body, allow_inf_nan=False)
    except ValueError:
        raise ValueError("the body is not JSON") from None
    if not isinstance(given, dict):
        raise ValueError("the body is not a JSON object")
    model = given.get("model") or model
    if not isinstance(model, str) or not model:
        raise ValueError("model is missing")
    messages = given.get("messages")
    if not isinstance(messages, list) or not messages:
        raise ValueError("messages is not a list, or is empty")
    more = {name: value for name, value in given.items() if name not in _KNOWN}
    settings = {name: given[name] for name in SETTING_NAMES if given.get(name) is not None}
    if given.get("max_completion_tokens") is not None:
        settings["max_tokens"] = given["max_completion_tokens"]
    if settings.get("reasoning_effort") not in {None, *get_args(ReasoningEffort)}:
        more["reasoning_effort"] = settings.pop("reasoning_effort")
    tools = _read_tools(given, more)
    try:
        return model, Request(
            messages=tuple(_read_message(message) for message in messages),
            tools=tools,
            tool_choice=_read_tool_choice(given, more, tools),
            output=_read_output(given.get("response_format")),
            settings=Settings.model_validate(settings),
            stream=given.get("stream") or False,
            extra_body=more,
        )
    except ValueError as error:
        told = faults_of(error)
    raise ValueError(told)  # beside the clause: pydantic's own page shows what stands in the body


def _read_tools(given: dict[str, Any], more: dict[str, Any]) -> tuple[Tool, ...]:
    tools = given.get("tools") or []
    if not isinstance(tools, list) or not all(isinstance(tool, dict) for tool in tools):
        raise ValueError("tools is not a list of objects")
    own = [tool for tool in tools if tool.get("type") == "function" and isinstance(tool.get("function"), dict)]
    if len(own) < len(tools) or any(tool.keys() - _TOOL or tool["function"].keys() - _FUNCTION for tool in own):
        more["tools"] = tools
    known = [{name: value for name, value in tool["function"].items() if name in _FUNCTION} for tool in own]
    return tuple(Tool.model_validate({"type": "function", "function": function}) for function in known)


_TOOL: Final = frozenset({"type", "function"})
_FUNCTION: Final = frozenset(each.name for each in fields(Tool))


def _read_tool_choice(given: dict[str, Any], more: dict[str, Any], tools: tuple[Tool, ...]) -> Any:
    """The choice; one that is not among the decoded tools is unchanged."""
    choice = given.get("tool_choice")
    match choice:
        case None | "auto" | "none":
            return choice
        case "required" if tools:
            return choice
        case {"function": {"name": str(name)}} if any(tool.name == name for tool in tools):
            return ToolName(name=name)
        case _:
            more["tool_choice"] = choice
            return None


def _read_message(value: object) -> Message:
    if not isinstance(value, dict):
        raise ValueError("messages contains an item that is not an object")
    given: dict[str, Any] = dict(value)
    given.pop("parsed", None)
    reasoning = _read_reasoning(given)
    # OpenRouter and Vercel take marks of the cache beside the content, and at the last of the calls, too.
    calls = [call for call in given.get("tool_calls") or () if isinstance(call, dict)]
    marks = [mark for mark in (given.pop("cache_control", None), *(c.get("cache_control") for c in calls)) if mark]
    if reasoning or marks or isinstance(given.get("content"), list):
        content = given.get("content")
        rest = [TextPart(text=content)] if isinstance(content, str) and content else content or []
        given["content"] = (*reasoning, *map(_read_part, rest), *map(cache_mark, marks[-1:]))
    return Message.model_validate(given)


def _read_part(part: object) -> object:
    """A part unchanged, because `Message` reads it; an unknown kind as a part of this wire only."""
    if isinstance(part, dict) and isinstance(part.get("type"), str) and part["type"] not in _PARTS:
        return NativePart(wire=WIRE, block=part)
    return part


_PARTS: Final = frozenset({"text", "image_url", "input_audio", "file", "refusal"})


def _read_reasoning(given: dict[str, Any]) -> list[ReasoningPart]:
    """The reasoning, in any of the fields in which clients send it back; removed from the message."""
    details = given.pop("reasoning_details", None)
    plain = [given.pop(name, None) for name in ("reasoning_content", "reasoning")]
    if not isinstance(details, list):
        return [ReasoningPart(text=text) for text in plain if text][:1]
    parts = []
    for detail in details:
        field = "summary" if "summary" in detail else "text"
        text = detail.pop(field, None) or ""
        bare = detail == {"type": "reasoning.text"}
        parts.append(ReasoningPart(text=text, opaque=None if bare else to_json(detail).decode()))
    return parts


def _read_output(value: object) -> Output | None:
    match value:
        case None | {"type": "text"}:
            return None
        case {"type": "json_object"}:
            return Output()
        case {"type": "json_schema", "json_schema": {"schema": schema, **rest}}:
            return Output.model_validate({"json_schema": schema, **rest})
        case _:
            raise ValueError(
                "response_format is not valid; expected type text, json_object, or json_schema with its schema"
            )


# ── events → a stream ────────────────────────────────────────────────────────────────────────────────

_WORDS: Final[Mapping[StopReason, str]] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "content_filter": "content_filter",
}


class Renderer:
    """Encodes events, one by one, as a stream of this wire.

    ``model`` and ``response_id`` are used if the events have none. ``created`` is in seconds since 1970.
    ``include_usage`` is the value in the client's ``stream_options``. This wire does not support notices: they
    are left out.
    """

    def __init__(self, *, model: str, response_id: str = "", created: int = 0, include_usage: bool = True) -> None:
        self._head: dict[str, Any] = {
            "id": response_id,
            "object": "chat.completion.chunk",
            "created": created,
            "model": model,
        }
        self._include_usage = include_usage
        self._usage: Usage | None = None
        self._begun = False

    def feed(self, event: Event) -> bytes:  # noqa: C901, PLR0912 - a case for each event
        """The bytes of this event; empty if it has none yet."""
        match event:
            case Start() if self._begun:
                return b""  # of a host that took over: an answer has one beginning
            case Start():
                self._head["id"] = event.response_id or self._head["id"]
                self._head["model"] = event.model or self._head["model"]
                return self._begin()
            case TextDelta():
                return self._delta({"content": event.text}, event.choice)
            case ReasoningDelta():
                return self._delta(_reasoning(event), event.choice)
            case RefusalDelta():
                return self._delta({"refusal": event.text}, event.choice)
            case ToolCallDelta():
                return self._delta({"tool_calls": [_fragment(event)]}, event.choice)
            case AudioDelta():
                return self._delta({"audio": _audio(event.data, event.transcript, event.id)}, event.choice)
            case Source():
                return self._delta({"annotations": [_annotation(event)]}, event.choice)
            case Logprobs():
                return self._delta({"content": ""}, event.choice, logprobs=_logprobs(event.tokens))
            case Notice() | Handover(mode="continue"):
                return b""
            case Handover():
                raise ValueError("this wire cannot express an answer that starts again")
            case Usage():
                self._usage = event
                return b""
            case ChoiceFinish():
                return self._delta({}, event.choice, finish_reason=_word(event.reason, event.raw))
            case Finish():
                end = self._delta({}, 0, finish_reason=_word(event.reason, event.raw))
                if self._usage is not None and self._include_usage:
                    end += _event({**self._head, "choices": [], "usage": _usage(self._usage)})
                return end + b"data: [DONE]\n\n"
            case _:
                assert_never(event)

    def _begin(self) -> bytes:
        self._begun = True
        choice = {"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}
        return _event({**self._head, "choices": [choice]})

    def _delta(
        self, delta: Mapping[str, Any], index: int, *, finish_reason: str | None = None, logprobs: object = None
    ) -> bytes:
        choice: dict[str, Any] = {"index": index, "delta": delta, "finish_reason": finish_reason}
        if logprobs is not None:
            choice["logprobs"] = logprobs
        begin = b"" if self._begun else self._begin()
        return begin + _event({**self._head, "choices": [choice]})


def render_stream(events: Iterable[Event], *, model: str = "", include_usage: bool = True) -> Iterator[bytes]:
    """These events, from ``Start`` to ``Finish``, as pieces of a stream of this wire."""
    renderer = Renderer(model=model, include_usage=include_usage)
    for event in events:
        if data := renderer.feed(event):
            yield data


def _event(value: object) -> bytes:
    return b"data: %b\n\n" % to_json(value)


# ── a reply → a whole answer ─────────────────────────────────────────────────────────────────────────


def render(reply: Reply[Any], *, created: int = 0) -> bytes:
    """A whole answer as a body of this wire; ``created`` is in seconds since 1970."""
    value: dict[str, Any] = {
        "id": reply.response_id or "",
        "object": "chat.completion",
        "created": created,
        "model": reply.response_model or reply.model,
        "choices": [_choice(choice, place, reply) for place, choice in enumerate(reply.choices)],
    }
    if reply.usage is not None:
        value["usage"] = _usage(reply.usage)
    return to_json(value)


def _choice(choice: Choice, place: int, reply: Reply[Any]) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": choice.text or None, "refusal": choice.refusal}
    if choice.reasoning_parts:
        message["reasoning_content"] = choice.reasoning
        if any(part.opaque is not None for part in choice.reasoning_parts):
            message["reasoning_details"] = [reasoning_detail(part.text, part.opaque) for part in choice.reasoning_parts]
    if choice.tool_calls:
        message["tool_calls"] = tool_calls(choice.tool_calls)
    if choice.audio is not None:
        message["audio"] = _audio(choice.audio.data, choice.audio.transcript, choice.audio.id)
    annotations = [_annotation(source) for source in reply.sources if source.choice == place]
    if annotations:
        message["annotations"] = annotations
    return {
        "index": place,
        "message": message,
        "logprobs": None if choice.logprobs is None else _logprobs(choice.logprobs),
        "finish_reason": _word(choice.finish_reason, choice.raw_finish_reason),
    }


# ── what both have ───────────────────────────────────────────────────────────────────────────────────


def _word(reason: StopReason, raw: str | None) -> str | None:
    """The wire's word for a reason; of an unknown one the host's own, for a finish is never invented."""
    if raw is not None and FINISH.get(raw, "unknown") == reason:
        return raw  # the host spoke this wire
    return _WORDS.get(reason, raw)


def _reasoning(event: ReasoningDelta) -> dict[str, Any]:
    told: dict[str, Any] = {"reasoning_content": event.text} if event.text else {}
    if event.opaque is not None:
        told["reasoning_details"] = [reasoning_detail(event.text, event.opaque)]
    return told


def _fragment(event: ToolCallDelta) -> dict[str, Any]:
    inner: dict[str, Any] = {} if event.name is None else {"name": event.name}
    inner["arguments" if event.kind == "function" else "input"] = event.arguments
    told: dict[str, Any] = {"index": event.index}
    if event.id is not None:
        told["id"] = event.id
    if event.id is not None or event.kind == "custom":
        told["type"] = event.kind
    return {**told, event.kind: inner}


def _audio(data: bytes, transcript: str, audio_id: str | None) -> dict[str, Any]:
    told = {"id": audio_id, "data": base64.b64encode(data).decode("ascii"), "transcript": transcript}
    return {name: value for name, value in told.items() if value}


def _annotation(source: Source) -> dict[str, Any]:
    citation: dict[str, Any] = {"url": source.url, "title": source.title}
    if source.start is not None:
        citation["start_index"] = source.start
    if source.end is not None:
        citation["end_index"] = source.end
    return {"type": "url_citation", "url_citation": citation}


def _logprobs(tokens: Iterable[TokenLogprob]) -> dict[str, Any]:
    return {
        "content": [
            {
                "token": token.token,
                "logprob": token.logprob,
                "bytes": list(token.token.encode()),
                "top_logprobs": [
                    {"token": other, "logprob": number, "bytes": list(other.encode())} for other, number in token.top
                ],
            }
            for token in tokens
        ],
        "refusal": None,
    }


def _usage(usage: Usage) -> dict[str, Any]:
    """The known counts of the usage; an unknown total is the sum, because clients expect it."""
    known = usage.input_tokens, usage.output_tokens
    total = usage.total_tokens
    if total is None and None not in known:
        total = sum(count for count in known if count is not None)
    told: dict[str, Any] = {"prompt_tokens": known[0], "completion_tokens": known[1], "total_tokens": total}
    of_input = {
        "cached_tokens": usage.cached_tokens,
        "cache_write_tokens": usage.cache_write_tokens,
        "audio_tokens": usage.input_audio_tokens,
    }
    of_output = {"reasoning_tokens": usage.reasoning_tokens, "audio_tokens": usage.output_audio_tokens}
    for name, details in (("prompt_tokens_details", of_input), ("completion_tokens_details", of_output)):
        if any(count is not None for count in details.values()):
            told[name] = {key: count for key, count in details.items() if count is not None}
    if usage.cost is not None:
        told["cost"] = usage.cost
    return told
