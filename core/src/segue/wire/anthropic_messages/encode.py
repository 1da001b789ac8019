"""Encodes a request as a call of this wire."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, TypeAlias, assert_never
from urllib.parse import quote

from ...adaptation.omissions import Omissions
from ...errors import InvalidOutputError
from ...events import Notice
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
from .decode import opaque_block

if TYPE_CHECKING:
    from ...messages import Message, Output, Part, Request, Tool, ToolCall

Body: TypeAlias = dict[str, Any]

NO_OPTIONS: Final[Mapping[str, object]] = MappingProxyType({})

WIRE: Final = "anthropic_messages"
"""The name of this wire, as in a `NativePart`."""

MAX_TOKENS: Final = 4096
"""The limit that is sent if the request has none and the limit of the model is unknown; the wire requires one."""

FIELDS: Final = {
    "max_tokens": "max_tokens",
    "temperature": "temperature",
    "top_p": "top_p",
    "top_k": "top_k",
    "stop": "stop_sequences",
}
"""Settings that this wire supports, by their names in Segue."""

_MEANINGFUL: Final = frozenset({"n", "logprobs", "top_logprobs"})
_ELSEWHERE: Final = frozenset({"parallel_tool_calls", "reasoning_effort"})

# Of the tokens of the answer so much may go to thinking, on models that are told a budget of it.
_SHARE: Final = {"minimal": 0.1, "low": 0.2, "medium": 0.5, "high": 0.8, "xhigh": 0.9}
_LEAST_BUDGET: Final = 1024

_CHOICES: Final = {"auto": "auto", "required": "any", "none": "none"}

# What a request must say beside the id of a file (docs.anthropic.com/en/docs/build-with-claude/files).
_FILES_BETA: Final = "files-api-2025-04-14"

# What was thought cannot be marked to be kept (docs.anthropic.com/en/docs/build-with-claude/prompt-caching).
_UNMARKED: Final = frozenset({"thinking", "redacted_thinking"})

# What a tool call's id may be made of; another wire's may have more.
_NOT_OF_IDS: Final = re.compile(r"[^a-zA-Z0-9_-]")


def encode(
    request: Request,
    *,
    model: str,
    base_url: str,
    headers: Mapping[str, str],
    options: Mapping[str, object] = NO_OPTIONS,
    max_tokens: int | None = None,
    budgets: bool = False,
    system_turns: bool = False,
    vertex: bool = False,
) -> Call:
    """The call that requests an answer from ``model`` at ``base_url`` (which ends before ``/v1``).

    ``options`` are fields of the body that only this host has; a table or a list among them is added to
    the value of the request in that field, ``betas`` go into their header. About the model: ``max_tokens`` is
    the most that it writes, sent if the request has no limit; ``budgets`` is whether it takes a budget for
    thinking (up to 4.5) and not an effort; ``system_turns`` is whether it takes system text in the middle of a
    conversation (since Opus 4.8). With ``vertex`` the address is Google's (``base_url`` ends in
    ``/publishers/anthropic``).
    What the wire does not support is left out with a notice, or raises UnsupportedError, as the policy of the
    request says.
    """
    omissions = Omissions(request.policy)
    writer = _Writer(omissions, system_turns=system_turns, vertex=vertex)
    for message in request.messages:
        writer.take(message)
    body: Body = {} if vertex else {"model": model}
    body["messages"] = [{"role": role, "content": _plain(blocks)} for role, blocks in writer.turns]
    if request.output is not None and (asked := _format(request.output, body, omissions)):
        writer.system.append({"type": "text", "text": asked})
    if writer.system:
        body["system"] = _plain(writer.system)
    if request.tools:
        body["tools"] = [_tool(tool) for tool in request.tools]
    given = request.settings.given()
    _settings(given, body, omissions)
    if "max_tokens" not in {**body, **request.extra_body}:
        body["max_tokens"] = _limit(max_tokens, omissions)
    _tool_choice(request, body)
    if "reasoning_effort" in given:
        _thinking(given["reasoning_effort"], body, omissions, budgets=budgets)
    if request.stream:
        body["stream"] = True
    if vertex:
        body["anthropic_version"] = "vertex-2023-10-16"
    betas = [_FILES_BETA] if writer.files else []
    for name, value in options.items():
        if name == "betas" and isinstance(value, Sequence):
            betas += [beta for beta in value if beta not in betas]
        else:
            body[name] = _added(body.get(name), value)
    body.update(request.extra_body)
    return Call(
        url=_address(base_url, model, vertex=vertex, stream=request.stream),
        headers={
            "content-type": "application/json",
            **({} if vertex else {"anthropic-version": "2023-06-01"}),
            **({"anthropic-beta": ",".join(betas)} if betas else {}),
            **headers,
            **request.extra_headers,
        },
        body=to_json(body),
        notices=tuple(omissions.notices),
    )


def _address(base_url: str, model: str, *, vertex: bool, stream: bool) -> str:
    root = base_url.rstrip("/")
    if vertex:
        return f"{root}/models/{quote(model, safe='@')}:{'streamRawPredict' if stream else 'rawPredict'}"
    return f"{root.removesuffix('/v1')}/v1/messages"


def _added(given: object, value: object) -> object:
    if isinstance(given, dict) and isinstance(value, Mapping):
        return {**given, **value}
    if isinstance(given, list) and isinstance(value, Sequence) and not isinstance(value, str):
        return [*given, *value]
    return value


# ── settings ─────────────────────────────────────────────────────────────────────────────────────────


def _settings(settings: Mapping[str, Any], body: Body, omissions: Omissions) -> None:
    for name, value in settings.items():
        if name in FIELDS:
            body[FIELDS[name]] = value
        elif name in _ELSEWHERE or (name == "n" and value == 1) or (name == "logprobs" and not value):
            continue
        else:
            leave_out = omissions.meaning if name in _MEANINGFUL else omissions.tuning
            if not leave_out(name, "this wire does not support this setting"):
                body[name] = value


def _limit(most: int | None, omissions: Omissions) -> int:
    if most is None:
        told = f"this wire requires a limit, and the limit of the model is unknown: {MAX_TOKENS} was sent"
        omissions.notices.append(Notice("max_tokens", told))
    return most or MAX_TOKENS


def _tool_choice(request: Request, body: Body) -> None:
    choice, parallel = request.tool_choice, request.settings.parallel_tool_calls
    if not request.tools or (choice is None and parallel is None):
        return
    if isinstance(choice, ToolName):
        told: Body = {"type": "tool", "name": choice.name}
    else:
        told = {"type": _CHOICES[choice or "auto"]}
    if parallel is not None and choice != "none":
        told["disable_parallel_tool_use"] = not parallel
    body["tool_choice"] = told


def _thinking(effort: str, body: Body, omissions: Omissions, *, budgets: bool) -> None:
    if effort == "none":
        body["thinking"] = {"type": "disabled"}
    elif not budgets:
        if effort == "minimal":
            effort = "low"
            omissions.notices.append(Notice("reasoning_effort", "low is the lowest value of this wire: low was sent"))
        body["thinking"] = {"type": "adaptive"}
        body["output_config"] = {**body.get("output_config", {}), "effort": effort}
    elif (most := body.get("max_tokens", 0)) > _LEAST_BUDGET:
        body["thinking"] = {"type": "enabled", "budget_tokens": max(_LEAST_BUDGET, int(most * _SHARE[effort]))}
    else:
        omissions.tuning(
            "reasoning_effort", f"max_tokens is too small for thinking, which needs at least {_LEAST_BUDGET} tokens"
        )


def _format(output: Output, body: Body, omissions: Omissions) -> str | None:
    """Ask for the form of the answer; gives the words that ask for it where the wire has no field."""
    if output.json_schema is None:
        omissions.notices.append(
            Notice("output", "this wire has JSON output only with a schema: the prompt asks for JSON")
        )
        return "Answer with one JSON object and nothing else."
    schema = dict(output.json_schema)
    if output.description is not None:
        schema.setdefault("description", output.description)
    body["output_config"] = {"format": {"type": "json_schema", "schema": schema}}
    return None


def _tool(tool: Tool) -> Body:
    written: Body = {"name": tool.name, "input_schema": tool.parameters}
    if tool.description:
        written["description"] = tool.description
    if tool.strict is not None:
        written["strict"] = tool.strict
    return written


# ── messages ─────────────────────────────────────────────────────────────────────────────────────────


class _Writer:
    """Writes messages down as turns of blocks; tells once a request of what is not sent."""

    __slots__ = ("_omissions", "_system_turns", "_told", "_vertex", "files", "system", "turns")

    def __init__(self, omissions: Omissions, *, system_turns: bool, vertex: bool) -> None:
        self._omissions = omissions
        self._system_turns = system_turns
        self._vertex = vertex
        self._told: set[str] = set()
        self.files: bool = False  # whether one is told by its id
        self.system: list[Body] = []
        self.turns: list[tuple[str, list[Body]]] = []

    def take(self, message: Message) -> None:
        """Take the next message; those of one side in a row, results of tools among them, are one turn."""
        if message.name is not None and "name" not in self._told:
            self._told.add("name")
            self._omissions.tuning("name", "this wire does not support names of participants")
        match message.role:
            case "system" | "developer":
                self._take_system(message)
            case "tool":
                self._add("user", [self._result(message)])
            case role:
                parts, mark = _and_mark(message)
                blocks = [*self._blocks(parts), *map(_tool_use, message.tool_calls)]
                if mark is not None:
                    self._mark(blocks, mark)
                self._add(role, blocks)

    def _result(self, message: Message) -> Body:
        parts, mark = _and_mark(message)
        call_id = _call_id(message.tool_call_id or "")
        result: Body = {"type": "tool_result", "tool_use_id": call_id, "content": _plain(self._blocks(parts))}
        if message.is_error:
            result["is_error"] = True
        if mark is not None:
            self._mark([result], mark)
        return result

    def _take_system(self, message: Message) -> None:
        if self.turns and self._system_turns:
            self._add("system", self._blocks(message.parts))
            return
        if self.turns and "system" not in self._told:
            self._told.add("system")
            told = "this model takes system text only before the conversation: later system text was moved there"
            self._omissions.notices.append(Notice("system", told))
        self.system += self._blocks(message.parts)

    def _add(self, role: str, blocks: list[Body]) -> None:
        if self.turns and self.turns[-1][0] == role:
            self.turns[-1][1].extend(blocks)
        else:
            self.turns.append((role, blocks))

    def _blocks(self, parts: Sequence[Part]) -> list[Body]:
        blocks: list[Body] = []
        for part in parts:
            if part.type == "cache":
                self._mark(blocks, part)
            elif (block := self._block(part)) is not None:
                blocks.append(block)
        return blocks

    def _mark(self, blocks: list[Body], mark: CachePart) -> None:
        """Mark the last of the blocks, or the one before them; thinking blocks cannot be marked."""
        before = (*(block for _, turn in self.turns for block in turn), *blocks)
        marked = next((block for block in reversed(before) if block["type"] not in _UNMARKED), None)
        if marked is None:
            self._omissions.tuning("cache", "there is nothing to cache before the mark")
            return
        if mark.ttl in {"30m", "12h"}:
            self._omissions.tuning("ttl", f"this wire supports 5m and 1h, not {mark.ttl}: its default was used")
        marked["cache_control"] = {"type": "ephemeral", **({"ttl": mark.ttl} if mark.ttl in {"5m", "1h"} else {})}

    def _block(self, part: Part) -> Body | None:
        match part:
            case ImagePart() | FilePart() if part.url is not None and not takes_address(part, vertex=self._vertex):
                self._omissions.no_address(part.type, "this host")
                return None
            case TextPart():
                return {"type": "text", "text": part.text}
            case RefusalPart():
                return {"type": "text", "text": part.refusal}
            case ImagePart():
                source = {"type": "url", "url": part.url} if part.data is None else _base64(part.media_type, part.data)
                return {"type": "image", "source": source}
            case FilePart():
                return self._document(part)
            case AudioPart():
                self._lack("audio", "this wire does not support audio")
                return None
            case ReasoningPart():
                return self._thought(part)
            case NativePart() if part.wire == WIRE:
                return dict(part.block)
            case CachePart() | NativePart():
                self._omissions.no_words(part)
                return None
            case _:
                assert_never(part)

    def _document(self, part: FilePart) -> Body | None:
        title: Body = {} if part.name is None else {"title": part.name}
        if part.citations:
            title["citations"] = {"enabled": True}
        if part.url is not None:
            return {"type": "document", "source": {"type": "url", "url": part.url}, **title}
        if part.data is None:
            self.files = True
            return {"type": "document", "source": {"type": "file", "file_id": part.id}, **title}
        if part.media_type == "application/pdf":
            return {"type": "document", "source": _base64(part.media_type, part.data), **title}
        if (part.media_type or "").startswith("text/"):
            text = part.data.decode("utf-8", "replace")
            return {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": text}, **title}
        self._lack("file", f"this wire supports PDF and text, not {part.media_type}")
        return None

    def _lack(self, subject: str, reason: str) -> None:
        """Leave a part out; one that the policy would have sent has no words here either."""
        if not self._omissions.meaning(subject, reason):
            self._omissions.notices.append(Notice(subject, f"{reason}; it was not sent"))

    def _thought(self, part: ReasoningPart) -> Body | None:
        """The host's reasoning or tool result, unchanged; None if the host would not accept it."""
        block = opaque_block(part.opaque)
        if block is None:
            self._omissions.without_reasoning_once(self._told, "hosts of this wire take back only their own reasoning")
            return None
        if block["type"] == "thinking":
            return {"type": "thinking", "thinking": part.text, "signature": block.get("signature", "")}
        return block


def _and_mark(message: Message) -> tuple[Sequence[Part], CachePart | None]:
    """The parts of a message without the mark that they end with, which is one of all of it; and that mark."""
    parts = message.parts
    last = parts[-1] if parts else None
    return (parts[:-1], last) if isinstance(last, CachePart) else (parts, None)


def _plain(blocks: list[Body]) -> str | list[Body]:
    """A text alone as such."""
    if not blocks:
        return ""
    alone = len(blocks) == 1 and blocks[0].keys() == {"type", "text"}
    return blocks[0]["text"] if alone else blocks


def takes_address(part: ImagePart | FilePart, *, vertex: bool = False) -> bool:
    """Whether the host downloads an image or document itself: Anthropic does so for PDFs, Google never.

    Source for Google: platform.claude.com/docs/en/build-with-claude/vision, «base64 image sources only».
    """
    if vertex:
        return False
    return isinstance(part, ImagePart) or part.media_type in {None, "application/pdf"}


def _base64(media_type: str | None, data: bytes) -> Body:
    return {"type": "base64", "media_type": media_type, "data": base64.b64encode(data).decode("ascii")}


def _call_id(call_id: str) -> str:
    return _NOT_OF_IDS.sub("_", call_id)


def _tool_use(call: ToolCall) -> Body:
    known = {"type": "tool_use", "id": _call_id(call.id), "name": call.name, "input": _input(call)}
    return {**known, **caller_of(call.opaque)}


def _input(call: ToolCall) -> Body:
    """The arguments as an object, which is the only form that this wire takes."""
    if call.kind == "custom":
        return {"input": call.arguments}
    try:
        return call.args
    except InvalidOutputError:
        # The wrapper that docs.anthropic.com names for invalid JSON, under fine-grained tool streaming.
        return {"INVALID_JSON": call.arguments}


def caller_of(opaque: str | None) -> Body:
    """What the host of a call needs back with it: who called, if it was not the model itself."""
    try:
        told = from_json(opaque or "")
    except ValueError:
        return {}
    return {"caller": told["caller"]} if isinstance(told, dict) and "caller" in told else {}
