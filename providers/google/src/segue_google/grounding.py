"""The sources of an answer: Google's grounding, citations and read pages."""

from __future__ import annotations

from bisect import bisect_left
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from segue.plugin import ProtocolError, Source
from segue.wire.reading import count, objects, string, table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Place: TypeAlias = "tuple[int | None, int | None]"

# Places are told in bytes of the text, and drift by a few of them (recorded: vertex-gemini-generate-a7d069ba27).
_DRIFT: Final = 32


class Grounding:
    """The text of one answer and its sources; the places in the text are found when both are complete."""

    __slots__ = ("_candidates", "_texts")

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._candidates: list[Mapping[str, Any]] = []

    def say(self, text: str) -> None:
        """Add the next piece of the text."""
        self._texts.append(text)

    def read(self, candidate: Mapping[str, Any]) -> None:
        """Add the sources of this candidate."""
        if any(name in candidate for name in ("groundingMetadata", "citationMetadata", "urlContextMetadata")):
            self._candidates.append(candidate)

    def sources(self, choice: int) -> Iterator[Source]:
        """Each source with each place that uses it, once; chunks of a stream may repeat a source."""
        if not self._candidates:
            return
        text = _Text("".join(self._texts))
        told: set[Source] = set()
        for candidate in self._candidates:
            for source in _sources(candidate, text, choice):
                if source not in told:
                    told.add(source)
                    yield source


class _Text:
    """A text whose places are counted in bytes of its UTF-8."""

    __slots__ = ("_starts", "_text")

    def __init__(self, text: str) -> None:
        self._text = text
        # Where each character begins; of ASCII the bytes are the characters.
        self._starts = None if text.isascii() else [0, *accumulate(len(letter.encode()) for letter in text)]

    def place(self, segment: Mapping[str, Any]) -> Place:
        """The characters that a segment means; by its words where it has some, for its numbers may be off."""
        start, end = self._character(count(segment.get("startIndex")) or 0), count(segment.get("endIndex"))
        words = string(segment.get("text"))
        if words is None:
            return (None, None) if end is None else (start, self._character(end))
        if not self._text.startswith(words, start):
            start = self._text.find(words, max(0, start - _DRIFT), start + _DRIFT + len(words))
        return (None, None) if start < 0 else (start, start + len(words))

    def _character(self, offset: int) -> int:
        return offset if self._starts is None else bisect_left(self._starts, offset)


def _sources(candidate: Mapping[str, Any], text: _Text, choice: int) -> Iterator[Source]:
    urls: set[str] = set()
    for source in _grounded(table(candidate.get("groundingMetadata") or {}, "groundingMetadata"), text, choice):
        urls.add(source.url)
        yield source
    cited = table(candidate.get("citationMetadata") or {}, "citationMetadata")
    # Vertex has "citations", the Gemini API "citationSources", with the same in them.
    for citation in objects(cited.get("citations") or cited.get("citationSources") or [], "citationMetadata"):
        url, title = string(citation.get("uri")), string(citation.get("title"))
        if url or title:
            yield Source(url or title or "", title, *text.place(citation), choice)
    pages = table(candidate.get("urlContextMetadata") or {}, "urlContextMetadata")
    for page in objects(pages.get("urlMetadata") or [], "urlContextMetadata.urlMetadata"):
        read = page.get("urlRetrievalStatus") == "URL_RETRIEVAL_STATUS_SUCCESS"
        url = string(page.get("retrievedUrl"))
        if read and url and url not in urls:
            yield Source(url, choice=choice)


def _grounded(grounding: Mapping[str, Any], text: _Text, choice: int) -> Iterator[Source]:
    chunks = objects(grounding.get("groundingChunks") or [], "groundingChunks")
    found = [_url_and_title(chunk) for chunk in chunks]
    placed: set[int] = set()
    for support in objects(grounding.get("groundingSupports") or [], "groundingSupports"):
        start, end = text.place(table(support.get("segment") or {}, "groundingSupports[].segment"))
        for number in _numbers(support.get("groundingChunkIndices") or []):
            if number < len(found):
                placed.add(number)
                yield Source(*found[number], start, end, choice)
    for number, (url, title) in enumerate(found):
        if number not in placed:
            yield Source(url, title, choice=choice)


def _numbers(value: object) -> list[int]:
    if not isinstance(value, list) or any(count(number) is None for number in value):
        raise ProtocolError("groundingChunkIndices is not a list of numbers")
    return value


def _url_and_title(chunk: Mapping[str, Any]) -> tuple[str, str | None]:
    """Of a page, a place on a map, or a document, which may have no address but that of its store."""
    inner: Mapping[str, Any] = next((value for value in chunk.values() if isinstance(value, dict)), {})
    title = string(inner.get("title"))
    return string(inner.get("uri")) or string(inner.get("fileSearchStore")) or title or "", title
