"""The differences between a request of Mistral and Chat Completions (docs.mistral.ai/api; recorded traffic).

Mistral answers unknown fields with 422. Recorded: random_seed, "any", n, and usage in every stream.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeAlias

from segue.wire import openai_chat

if TYPE_CHECKING:
    from segue.plugin import Omissions

Body: TypeAlias = dict[str, Any]


def _no_names(body: Body, omissions: Omissions) -> None:
    named = [message for message in body["messages"] if "name" in message and message["role"] != "tool"]
    if named and omissions.tuning("name", "Mistral supports names of tools only, not of participants"):
        for message in named:
            del message["name"]


def _parts(body: Body, _omissions: Omissions) -> None:
    for message in body["messages"]:
        details = message.pop("reasoning_details", None)
        content = message["content"]
        if isinstance(content, list):
            content = [_part(part) for part in content]
        if details:
            content = [{"type": "text", "text": content}] if isinstance(content, str) and content else content or []
            content = [*(_thinking(detail) for detail in details), *content]
        message["content"] = content


def _part(part: Body) -> Body:
    if part["type"] == "refusal":
        return {"type": "text", "text": part["refusal"]}
    if part["type"] != "file":
        return part
    file = part["file"]
    if "file_id" in file:
        return {"type": "file", "file_id": file["file_id"]}
    document = {"type": "document_url", "document_url": file["file_data"]}
    return {**document, "document_name": file["filename"]} if "filename" in file else document


def _thinking(detail: Body) -> Body:
    """The reasoning, in the form of the answer, with its signature if it has one."""
    chunk: Body = {"type": "thinking", "thinking": [{"type": "text", "text": detail["text"]}]}
    return {**chunk, "signature": detail["signature"]} if "signature" in detail else chunk


def _prefix(body: Body, _omissions: Omissions) -> None:
    """A last turn of the assistant's is the beginning of the answer; without the mark it is refused."""
    last = body["messages"][-1]
    if last["role"] == "assistant" and not last.get("tool_calls"):
        last["prefix"] = True


_QUIRKS: Final = ("any_for_required", "no_stream_options", "random_seed", "system_for_developer")

MISTRAL: Final = openai_chat.Dialect(
    transforms=(*openai_chat.dialect(_QUIRKS).transforms, _no_names, _parts, _prefix),
    reasoning_field="reasoning_details",  # the one of the fields that keeps the parts apart
    top_k=True,
    file_urls=True,
)
"""The dialect of Chat Completions that Mistral uses."""
