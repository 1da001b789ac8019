"""What a generator can yield besides text.

Each piece is a string too, most of them an empty one: code that reads the pieces as text gets only the answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Self

from .. import events

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

# The words that hosts have for the reasons of ours.
_REASONS: Final[Mapping[str, events.StopReason]] = {
    "stop": "stop",
    "length": "length",
    "max_tokens": "length",
    "content_filter": "content_filter",
}


class Piece(str):  # noqa: SLOT000 - what files of this form make of it has attributes of its own
    """A piece that is not text of the answer; with any arguments it is an empty string."""

    def __new__(cls, *args: object, **kwargs: object) -> Self:  # noqa: ARG004 - they are __init__'s
        return super().__new__(cls)

    def __init__(self, *args: object, **kwargs: object) -> None:  # noqa: ARG002 - a subclass may give them on
        """Keyword arguments become attributes."""
        self.__dict__.update(kwargs)

    def events(self) -> Iterable[events.Event]:
        """The piece as events."""
        return ()


class FinishReason(Piece):
    """The reason why the answer ended, as sent by the host; the default is ``stop``.

    ``unknown`` means that the answer may not be whole, for example if the body ended with the connection.
    """

    reason: str

    def __init__(self, reason: str) -> None:
        super().__init__(reason=reason)

    def finish(self) -> events.Finish:
        """The finish event; a reason that Segue does not have becomes ``unknown``."""
        reason: events.StopReason = _REASONS.get(self.reason, "unknown")
        return events.Finish(reason, None if self.reason == "unknown" else self.reason)

    def events(self) -> Iterable[events.Event]:
        """A notice if the answer may not be whole."""
        if self.reason == "unknown":
            yield events.Notice("finish_reason", "the answer may not be whole: the host did not send an end marker")


class Usage(Piece):
    """The host's token counts, by the names of any wire; the last one counts."""

    def events(self) -> Iterable[events.Event]:
        """The counts by Segue's names."""
        inside, outside = self._count("prompt"), self._count("completion")
        total = self._first("total_tokens", "totalTokenCount")
        if total is None and inside is not None and outside is not None:
            total = inside + outside
        yield events.Usage(
            inside,
            outside,
            total,
            cached_tokens=self._detail("prompt_tokens_details", "cached_tokens"),
            reasoning_tokens=self._detail("completion_tokens_details", "reasoning_tokens"),
        )

    def _count(self, kind: str) -> int | None:
        other = {
            "prompt": ("input_tokens", "promptTokenCount"),
            "completion": ("output_tokens", "candidatesTokenCount"),
        }
        return self._first(f"{kind}_tokens", f"{kind}Tokens", *other[kind], kind)

    def _first(self, *names: str) -> int | None:
        counts = (self.__dict__.get(name) for name in names)
        return next((count for count in counts if isinstance(count, int) and not isinstance(count, bool)), None)

    def _detail(self, where: str, name: str) -> int | None:
        details = self.__dict__.get(where)
        count = details.get(name) if isinstance(details, dict) else None
        return count if isinstance(count, int) and not isinstance(count, bool) else None


class Reasoning(Piece):
    """A piece of the model's reasoning, or a line about its progress (``status``)."""

    token: str | None
    status: str | None

    def __init__(
        self,
        token: str | None = None,
        label: str | None = None,
        status: str | None = None,
        is_thinking: str | None = None,
    ) -> None:
        """``is_thinking`` only marks the start or the end of the reasoning."""
        super().__init__(token=token, label=label, status=status, is_thinking=is_thinking)

    def events(self) -> Iterable[events.Event]:
        """Its text as reasoning."""
        told = self.token or (f"{self.status}\n" if self.status else "")
        if told:
            yield events.ReasoningDelta(told)


class Sources(Piece):
    """The sources of the answer: URLs, or dictionaries with ``url`` and ``title``."""

    list: tuple[Mapping[str, Any], ...]

    def __init__(self, sources: Iterable[Mapping[str, Any] | str]) -> None:
        super().__init__(list=tuple({"url": one} if isinstance(one, str) else one for one in sources))

    def events(self) -> Iterable[events.Event]:
        """One event for each source; sources without a URL are ignored."""
        for one in self.list:
            url, title = one.get("url", one.get("link")), one.get("title", one.get("name"))
            if isinstance(url, str):
                yield events.Source(url, title if isinstance(title, str) else None)


class ImageResponse(Piece):
    """Images at URLs; they become text in Markdown."""

    def __new__(cls, images: str | Sequence[str], alt: str = "", *args: object, **kwargs: object) -> Self:  # noqa: ARG004
        """One line for each image."""
        told = [f"![{alt}]({image})" for image in ([images] if isinstance(images, str) else images)]
        return str.__new__(cls, "\n".join(told))

    def events(self) -> Iterable[events.Event]:
        """The lines as text."""
        if self:
            yield events.TextDelta(str(self))


class TitleGeneration(Piece):
    """A title for the conversation; Segue ignores it."""

    def __init__(self, title: str) -> None:
        super().__init__(title=title)


class JsonConversation(Piece):
    """The state of a conversation for the next request; Segue does not need it: every call has all messages."""

    def get_dict(self) -> dict[str, Any]:
        """Its attributes."""
        return dict(self.__dict__)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """One with these attributes."""
        return cls(**data)
