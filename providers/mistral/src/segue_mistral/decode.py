"""The parts of an answer that only Mistral has, in addition to Chat Completions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from segue.plugin import ProtocolError, ReasoningDelta, Source
from segue.wire import openai_chat, to_json
from segue.wire.reading import objects, string, text_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from segue.plugin import Event


class Decoder(openai_chat.Decoder):
    """Reads reasoning with its signature, and references as sources."""

    __slots__ = ()

    def _content(self, content: object, index: int) -> Iterator[Event]:
        if not isinstance(content, list):
            yield from super()._content(content, index)
            return
        for part in objects(content, "content"):
            match part.get("type"):
                case "thinking":
                    yield from _thinking(part, index)
                case "reference" | "tool_reference":
                    yield from _sources(part, index)
                case _:
                    yield from super()._content([part], index)


def _thinking(part: Mapping[str, Any], index: int) -> Iterator[Event]:
    for piece in objects(part.get("thinking") or [], "content[].thinking"):
        if piece.get("text"):
            yield ReasoningDelta(text_of(piece["text"], "content[].thinking[].text"), None, index)
        else:
            yield from _sources(piece, index)
    if part.get("signature"):
        signature = text_of(part["signature"], "content[].signature")
        yield ReasoningDelta("", to_json({"type": "thinking", "signature": signature}).decode(), index)


def _sources(part: Mapping[str, Any], index: int) -> Iterator[Event]:
    """What the text just given rests on: a tool's page, or the ids under which the caller gave documents."""
    url, title = string(part.get("url")), string(part.get("title"))
    if url or title:
        yield Source(url or title or "", title, choice=index)
    references = part.get("reference_ids") or []
    if not isinstance(references, list):
        raise ProtocolError("content[].reference_ids is not a list")
    for reference in references:
        if isinstance(reference, (str, int)):
            yield Source(str(reference), choice=index)
