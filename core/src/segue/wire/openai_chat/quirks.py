"""In what a host of this wire differs from OpenAI, as named transforms of the body that is sent."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, TypeAlias

from ...omissions import Omissions
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
                name, "this host does not take it"
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
    if named and omissions.tuning("name", "this host takes no names of speakers"):
        for message in named:
            del message["name"]


def _no_json_object(body: Body, omissions: Omissions) -> None:
    if body.get("response_format", {}).get("type") == "json_object" and omissions.meaning(
        "schema", "this host has no JSON mode without a schema"
    ):
        del body["response_format"]


def _no_strict_tools(body: Body, omissions: Omissions) -> None:
    for tool in body.get("tools", ()):
        # It asks the host to hold the model to the schema; without, the schema is still sent.
        if tool["function"].pop("strict", None) and "strict" not in {notice.subject for notice in omissions.notices}:
            omissions.tuning("strict", "this host does not hold tools to their schema")


def _json_object_only(body: Body, omissions: Omissions) -> None:
    if body.get("response_format", {}).get("type") == "json_schema" and omissions.meaning(
        "schema", "this host has no JSON schema, only a JSON mode, which was asked for"
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
    "auto_for_required": ("tools cannot be forced, only offered", _auto_for_required),
    "cache_control": ("marks of the cache are taken, in the form that Anthropic has for them", _nothing),
    "file_urls": ("files are taken by their addresses too", _nothing),
    "json_object_only": ("JSON schemas are not taken, only the JSON mode", _json_object_only),
    "max_completion_tokens": (
        "`max_tokens` is sent as `max_completion_tokens`",
        _renamed("max_tokens", "max_completion_tokens"),
    ),
    "no_image_urls": ("images are taken by their bytes alone", _nothing),
    "no_json_object": ("JSON is only taken with a schema", _no_json_object),
    "no_logprobs": ("log probabilities are not told", _without("logprobs", "top_logprobs", meaning=True)),
    "no_names": ("speakers have no names", _no_names),
    "no_n": ("one answer a call", _no_n),
    "no_parallel_tool_calls": ("`parallel_tool_calls` is not taken", _without("parallel_tool_calls")),
    "no_penalties": (
        "`frequency_penalty` and `presence_penalty` are not taken",
        _without("frequency_penalty", "presence_penalty"),
    ),
    "no_reasoning_effort": ("`reasoning_effort` is not taken", _without("reasoning_effort")),
    "no_seed": ("`seed` is not taken", _without("seed")),
    "no_stop": ("`stop` is not taken", _without("stop", meaning=True)),
    "no_stream_options": ("`stream_options` is refused; usage comes unasked", _no_stream_options),
    "no_strict_tools": ("`strict` of a tool is not taken", _no_strict_tools),
    # A turn of the model's at the end is the beginning of the answer that is wanted (a prefill).
    "prefill_continue": (
        "a last turn of the model's is gone on with where `continue_final_message` says so (vLLM)",
        _continue_final_message,
    ),
    "prefill_partial": ("a last turn of the model's is gone on with where `partial` marks it", _marked("partial")),
    "prefill_prefix": ("a last turn of the model's is gone on with where `prefix` marks it", _marked("prefix")),
    "random_seed": ("`seed` is sent as `random_seed`", _renamed("seed", "random_seed")),
    "reasoning_back": ("earlier reasoning is sent back as `reasoning`", _nothing),
    "reasoning_content_back": ("earlier reasoning is sent back as `reasoning_content`", _nothing),
    "reasoning_details_back": ("earlier reasoning is sent back as `reasoning_details`", _nothing),
    "reasoning_object": ('`reasoning_effort` is sent as `reasoning: {"effort": …}`', _reasoning_object),
    "short_path": ("the address ends in `/chat`, without `/completions`", _nothing),
    "system_for_developer": ("developer turns are sent as system turns", _system_for_developer),
    "top_k": ("`top_k` is taken", _nothing),
}
"""Each quirk by name: what it says of the host, and what it does to a body."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """The quirks of one host, made ready once."""

    transforms: tuple[Transform, ...] = ()
    reasoning_field: str | None = None
    top_k: bool = False
    image_urls: bool = True
    file_urls: bool = False
    cache_control: bool = False
    path: str = "chat/completions"


PLAIN: Final = Dialect()


def dialect(quirks: Iterable[str]) -> Dialect:
    """The dialect of a host with these quirks; ValueError for one that is not known."""
    names = tuple(quirks)
    for name in names:
        if name not in QUIRKS:
            import difflib  # slow to import: only where something is wrong

            near = difflib.get_close_matches(name, QUIRKS, n=1)
            raise ValueError(
                f"there is no quirk {name!r}"
                + (f"; did you mean {near[0]!r}?" if near else f"; there are {', '.join(QUIRKS)}")
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
