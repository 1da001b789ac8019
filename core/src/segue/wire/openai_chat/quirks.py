"""Quirks: the differences between a host of this wire and OpenAI, as named changes of the body."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, TypeAlias

from ...adaptation.omissions import Omissions
from ...display import closest
from ...values import dataclass

Body: TypeAlias = dict[str, Any]
Transform: TypeAlias = Callable[[Body, Omissions], None]


def _renamed(old: str, new: str) -> Transform:
    def rename(body: Body, _omissions: Omissions) -> None:
        if old in body:
            body[new] = body.pop(old)

    return rename


def _without(*names: str, meaning: bool = False) -> Transform:
    def leave_out(body: Body, omissions: Omissions) -> None:
        for name in names:
            if name in body and (omissions.meaning if meaning else omissions.tuning)(
                name, "this host does not support it"
            ):
                del body[name]

    return leave_out


def _system_for_developer(body: Body, _omissions: Omissions) -> None:
    for message in body["messages"]:
        if message["role"] == "developer":
            message["role"] = "system"


def _no_stream_options(body: Body, _omissions: Omissions) -> None:
    body.pop("stream_options", None)


def _any_for_required(body: Body, _omissions: Omissions) -> None:
    if body.get("tool_choice") == "required":
        body["tool_choice"] = "any"


def _auto_for_required(body: Body, omissions: Omissions) -> None:
    if (body.get("tool_choice") or "auto") not in ("auto", "none") and omissions.meaning(
        "tool_choice", "this host lets the model choose whether it calls a tool"
    ):
        body["tool_choice"] = "auto"


def _no_names(body: Body, omissions: Omissions) -> None:
    named = [message for message in body["messages"] if "name" in message]
    if named and omissions.tuning("name", "this host does not support names of participants"):
        for message in named:
            del message["name"]


def _no_json_object(body: Body, omissions: Omissions) -> None:
    if body.get("response_format", {}).get("type") == "json_object" and omissions.meaning(
        "schema", "this host supports JSON only with a schema"
    ):
        del body["response_format"]


def _no_strict_tools(body: Body, omissions: Omissions) -> None:
    for tool in body.get("tools", ()):
        # It asks the host to hold the model to the schema; without, the schema is still sent.
        if tool["function"].pop("strict", None) and "strict" not in {notice.subject for notice in omissions.notices}:
            omissions.tuning("strict", "this host does not enforce the schemas of tools")


def _json_object_only(body: Body, omissions: Omissions) -> None:
    if body.get("response_format", {}).get("type") == "json_schema" and omissions.meaning(
        "schema", "this host has only a JSON mode, without schemas: JSON mode was requested"
    ):
        body["response_format"] = {"type": "json_object"}


def _no_n(body: Body, omissions: Omissions) -> None:
    if body.get("n") == 1:
        del body["n"]
    _without("n", meaning=True)(body, omissions)


def _reasoning_object(body: Body, _omissions: Omissions) -> None:
    if "reasoning_effort" in body:
        body["reasoning"] = {"effort": body.pop("reasoning_effort")}


def _begun(body: Body) -> Body | None:
    """The last turn, where it is the beginning of the answer that is wanted."""
    last: Body = body["messages"][-1]
    return last if last["role"] == "assistant" and not last.get("tool_calls") else None


def _marked(name: str) -> Transform:
    def mark(body: Body, _omissions: Omissions) -> None:
        begun = _begun(body)
        if begun is not None:
            begun[name] = True

    return mark


def _continue_final_message(body: Body, _omissions: Omissions) -> None:
    if _begun(body) is not None:
        body |= {"continue_final_message": True, "add_generation_prompt": False}


def _nothing(_body: Body, _omissions: Omissions) -> None:
    """Of those that `Dialect` has a field for."""


QUIRKS: Final[Mapping[str, tuple[str, Transform]]] = {
    "any_for_required": ('`tool_choice` "required" is sent as "any"', _any_for_required),
    "auto_for_required": ('`tool_choice` is always "auto" or "none": tools cannot be forced', _auto_for_required),
    "cache_control": ("cache marks are supported, in the format of Anthropic", _nothing),
    "file_urls": ("file URLs are supported", _nothing),
    "json_object_only": ("JSON schemas are not supported, only JSON mode", _json_object_only),
    "max_completion_tokens": (
        "`max_tokens` is sent as `max_completion_tokens`",
        _renamed("max_tokens", "max_completion_tokens"),
    ),
    "no_image_urls": ("image URLs are not supported, only bytes", _nothing),
    "no_json_object": ("JSON output is supported only with a schema", _no_json_object),
    "no_logprobs": ("log probabilities are not supported", _without("logprobs", "top_logprobs", meaning=True)),
    "no_names": ("names of participants are not supported", _no_names),
    "no_n": ("one answer per call", _no_n),
    "no_parallel_tool_calls": ("`parallel_tool_calls` is not supported", _without("parallel_tool_calls")),
    "no_penalties": (
        "`frequency_penalty` and `presence_penalty` are not supported",
        _without("frequency_penalty", "presence_penalty"),
    ),
    "no_reasoning_effort": ("`reasoning_effort` is not supported", _without("reasoning_effort")),
    "no_seed": ("`seed` is not supported", _without("seed")),
    "no_stop": ("`stop` is not supported", _without("stop", meaning=True)),
    "no_stream_options": ("`stream_options` is an error; usage is always sent", _no_stream_options),
    "no_strict_tools": ("`strict` of a tool is not supported", _no_strict_tools),
    # A turn of the model's at the end is the beginning of the answer that is wanted (a prefill).
    "prefill_continue": (
        "the model continues a last assistant message with `continue_final_message` (vLLM)",
        _continue_final_message,
    ),
    "prefill_partial": ("the model continues a last assistant message with `partial`", _marked("partial")),
    "prefill_prefix": ("the model continues a last assistant message with `prefix`", _marked("prefix")),
    "random_seed": ("`seed` is sent as `random_seed`", _renamed("seed", "random_seed")),
    "reasoning_back": ("earlier reasoning is sent back as `reasoning`", _nothing),
    "reasoning_content_back": ("earlier reasoning is sent back as `reasoning_content`", _nothing),
    "reasoning_details_back": ("earlier reasoning is sent back as `reasoning_details`", _nothing),
    "reasoning_object": ('`reasoning_effort` is sent as `reasoning: {"effort": …}`', _reasoning_object),
    "short_path": ("the address ends in `/chat`, without `/completions`", _nothing),
    "system_for_developer": ("developer messages are sent as system messages", _system_for_developer),
    "top_k": ("`top_k` is supported", _nothing),
}
"""Each quirk by name: its meaning, and how it changes a body."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """The quirks of one host, prepared once."""

    transforms: tuple[Transform, ...] = ()
    reasoning_field: str | None = None
    top_k: bool = False
    image_urls: bool = True
    file_urls: bool = False
    cache_control: bool = False
    path: str = "chat/completions"


PLAIN: Final = Dialect()


def dialect(quirks: Iterable[str]) -> Dialect:
    """The dialect of a host with these quirks; ValueError for an unknown one."""
    names = tuple(quirks)
    for name in names:
        if name not in QUIRKS:
            near = closest(name, QUIRKS)
            raise ValueError(
                f"there is no quirk {name!r}"
                + (f"; did you mean {near!r}?" if near else f"; there are {', '.join(QUIRKS)}")
            )
    backs = [name for name in names if name.endswith("_back")]
    if len(backs) > 1:
        raise ValueError(f"the quirks {' and '.join(backs)} exclude each other")
    return Dialect(
        transforms=tuple(QUIRKS[name][1] for name in names if QUIRKS[name][1] is not _nothing),
        reasoning_field=backs[0].removesuffix("_back") if backs else None,
        top_k="top_k" in names,
        cache_control="cache_control" in names,
        path="chat" if "short_path" in names else PLAIN.path,
        image_urls="no_image_urls" not in names,
        file_urls="file_urls" in names,
    )
