"""What comes back: a closed union of events, and the reply that they fold into."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias, assert_never

if TYPE_CHECKING:
    from collections.abc import AsyncIterable

    from .messages import Message
    from .observation import Attempt

FinishReason: TypeAlias = Literal["stop", "length", "tool_calls", "content_filter", "unknown"]


@dataclass(frozen=True, slots=True)
class Start:
    """The host began to answer; each field is None where it did not say."""

    model: str | None = None
    response_id: str | None = None
    request_id: str | None = None


@dataclass(frozen=True, slots=True)
class TextDelta:
    """The next piece of the answer's text; never empty."""

    text: str


@dataclass(frozen=True, slots=True)
class Notice:
    """Something was left out or could not be known; ``subject`` is the setting or field it is about."""

    subject: str
    message: str

    def __str__(self) -> str:
        return f"{self.subject}: {self.message}"


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens as the host counts them; None where it did not say. The last one of a stream holds."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    total_tokens: int | None = None
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Finish:
    """The answer is whole; ``raw`` is the host's own word for the reason, None where it gave none."""

    reason: FinishReason
    raw: str | None = None


Event: TypeAlias = Start | TextDelta | Notice | Usage | Finish


def is_content(event: Event) -> bool:
    """Whether a caller has seen something of the answer with this event: the commit point."""
    return isinstance(event, TextDelta)


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole answer.

    ``model`` is the model that was asked, ``response_model`` the one that the host says answered.
    ``cost`` is in USD, None where it is unknown.
    """

    text: str
    finish_reason: FinishReason
    raw_finish_reason: str | None = None
    usage: Usage | None = None
    notices: tuple[Notice, ...] = ()
    provider: str = ""
    model: str = ""
    response_model: str | None = None
    response_id: str | None = None
    request_id: str | None = None
    attempts: tuple[Attempt, ...] = ()
    cost: float | None = None

    @property
    def message(self) -> Message:
        """The answer as a message, to go on with."""
        from .messages import Message  # keeps pydantic out of the import of events

        return Message(role="assistant", content=self.text)


class Collector:
    """Folds events into a reply, one by one."""

    __slots__ = ("_finish", "_notices", "_start", "_text", "_usage")

    def __init__(self) -> None:
        self._text: list[str] = []
        self._notices: list[Notice] = []
        self._start = Start()
        self._usage: Usage | None = None
        self._finish: Finish | None = None

    def add(self, event: Event) -> None:
        """Take the next event."""
        match event:
            case TextDelta():
                self._text.append(event.text)
            case Notice():
                self._notices.append(event)
            case Start():
                self._start = event
            case Usage():
                self._usage = event
            case Finish():
                self._finish = event
            case _:
                assert_never(event)

    @property
    def text(self) -> str:
        """The text so far."""
        return "".join(self._text)

    @property
    def usage(self) -> Usage | None:
        """The usage as last told."""
        return self._usage

    @property
    def finish(self) -> Finish | None:
        """The end, once it came."""
        return self._finish

    def reply(self, *, provider: str = "", model: str = "", attempts: tuple[Attempt, ...] = ()) -> Reply:
        """The whole answer; ValueError where no ``Finish`` came, for then it is not whole."""
        if self._finish is None:
            raise ValueError("the answer has not ended: no Finish event came")
        return Reply(
            text=self.text,
            finish_reason=self._finish.reason,
            raw_finish_reason=self._finish.raw,
            usage=self._usage,
            notices=tuple(self._notices),
            provider=provider,
            model=model,
            response_model=self._start.model,
            response_id=self._start.response_id,
            request_id=self._start.request_id,
            attempts=attempts,
        )


async def collect(events: AsyncIterable[Event]) -> Reply:
    """Fold a stream of events into a reply; ValueError where it ends without a ``Finish``."""
    collector = Collector()
    async for event in events:
        collector.add(event)
    return collector.reply()
