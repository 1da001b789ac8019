"""The rules for every stream of events: one validator, for the tests of Segue and for the kit.

- Every event is of a type of the union, and its fields have the declared types.
- ``Start`` comes at most once, with only notices before it; one more may follow a ``Handover``.
- A piece of text is never empty. The first piece of a tool call has the name of the tool; no later piece changes its id
  or kind.
- Counts of tokens are whole numbers from 0 on. (A part may be larger than the total: several hosts count reasoning or
  cached tokens separately.)
- ``ChoiceFinish`` ends a further choice, once; ``Finish`` ends the answer, once, and nothing follows it.
"""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING, Any, Final, get_args

from ..events import (
    AudioDelta,
    ChoiceFinish,
    Event,
    Finish,
    Handover,
    Logprobs,
    Notice,
    ReasoningDelta,
    RefusalDelta,
    Source,
    Start,
    StopReason,
    TextDelta,
    ToolCallDelta,
    ToolKind,
    Usage,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Iterable

EVENTS: Final[tuple[type, ...]] = get_args(Event)
"""The types of the union."""

_REASONS: Final = frozenset(get_args(StopReason))
_KINDS: Final = frozenset(get_args(ToolKind))
_COUNTS: Final = (
    "input_tokens", "output_tokens", "total_tokens", "cached_tokens", "reasoning_tokens", "cache_write_tokens",
    "input_audio_tokens", "output_audio_tokens",
)  # fmt: skip


class LifecycleError(AssertionError):
    """A stream of events is not valid; the message says at which event, and why."""


class Lifecycle:
    """Checks the events of one answer, one by one."""

    def __init__(self) -> None:
        self._number = 0
        self._begun = False  # something other than a notice came
        self._started = False
        self._finished = False
        self._calls: dict[tuple[int, int], ToolCallDelta] = {}
        self._ended: set[int] = set()  # choices

    def feed(self, event: object) -> None:
        """Check the next event; LifecycleError if it is not allowed here, or is not an event."""
        self._number += 1
        if type(event) not in EVENTS:
            self._fail(f"{type(event).__name__} is not an event")
        if self._finished:
            self._fail(f"{type(event).__name__} comes after the Finish")
        self._take(event)
        self._begun = self._begun or not isinstance(event, (Notice, Handover))

    def end(self) -> None:
        """Check the end of the stream; LifecycleError if there was no Finish."""
        if not self._finished:
            raise LifecycleError(f"the stream ended after {self._number} events without a Finish")

    def _fail(self, why: str) -> None:
        raise LifecycleError(f"event {self._number}: {why}")

    def _check(self, holds: object, why: str) -> None:
        if not holds:
            self._fail(why)

    def _text(self, name: str, value: object, *, optional: bool = False, empty: bool = True) -> None:
        if value is None and optional:
            return
        self._check(isinstance(value, str), f"{name} is of type {type(value).__name__}; expected str")
        self._check(empty or value, f"{name} is empty")

    def _whole(self, name: str, value: object, *, least: int = 0) -> None:
        is_whole = isinstance(value, int) and not isinstance(value, bool)
        self._check(is_whole, f"{name} is of type {type(value).__name__}; expected int")
        self._check(isinstance(value, int) and value >= least, f"{name} is {value!r}; expected at least {least}")

    def _choice(self, choice: object) -> None:
        self._whole("choice", choice)
        self._check(choice not in self._ended, f"a piece of choice {choice} comes after its ChoiceFinish")

    def _take(self, event: object) -> None:  # noqa: C901, PLR0912 - a case for each event
        match event:
            case Start():
                self._check(not self._started, "a second Start")
                self._check(not self._begun, "the Start is not the first event")
                self._started = True
                for name in ("model", "response_id", "request_id"):
                    self._text(f"Start.{name}", getattr(event, name), optional=True)
            case TextDelta():
                self._choice(event.choice)
                self._text("TextDelta.text", event.text, empty=False)
            case ReasoningDelta():
                self._choice(event.choice)
                self._text("ReasoningDelta.text", event.text)
                self._text("ReasoningDelta.opaque", event.opaque, optional=True)
            case RefusalDelta():
                self._choice(event.choice)
                self._text("RefusalDelta.text", event.text)
            case ToolCallDelta():
                self._choice(event.choice)
                self._call(event)
            case AudioDelta():
                self._choice(event.choice)
                self._check(isinstance(event.data, bytes), "AudioDelta.data is not bytes")
                self._text("AudioDelta.transcript", event.transcript)
            case Source():
                self._whole("choice", event.choice)
                self._text("Source.url", event.url)
                self._place(event)
            case Logprobs():
                self._whole("choice", event.choice)
                self._logprobs(event)
            case Notice():
                self._text("Notice.subject", event.subject, empty=False)
                self._text("Notice.message", event.message, empty=False)
            case Handover():
                self._handover(event)
            case Usage():
                self._usage(event)
            case ChoiceFinish():
                self._choice(event.choice)
                self._check(event.choice > 0, "a ChoiceFinish for the first choice, which only the Finish ends")
                self._check(event.reason in _REASONS, f"{event.reason!r} is not a finish reason")
                self._text("ChoiceFinish.raw", event.raw, optional=True)
                self._ended.add(event.choice)
            case Finish():
                self._check(event.reason in _REASONS, f"{event.reason!r} is not a finish reason")
                self._text("Finish.raw", event.raw, optional=True)
                self._finished = True
            case _:
                self._fail(f"{type(event).__name__} is not an event")

    def _call(self, event: ToolCallDelta) -> None:
        self._whole("ToolCallDelta.index", event.index)
        self._text("ToolCallDelta.id", event.id, optional=True, empty=False)
        self._text("ToolCallDelta.name", event.name, optional=True)
        self._text("ToolCallDelta.arguments", event.arguments)
        self._text("ToolCallDelta.opaque", event.opaque, optional=True)
        self._check(event.kind in _KINDS, f"{event.kind!r} is not a kind of tool call")
        first = self._calls.setdefault((event.choice, event.index), event)
        self._check(first.name, f"the first piece of tool call {event.index} has no name")
        self._check(event.kind == first.kind, f"tool call {event.index} changes its kind")
        self._check(event.id in {None, first.id} or first.id is None, f"tool call {event.index} changes its id")

    def _place(self, event: Source) -> None:
        for name in ("start", "end"):
            place = getattr(event, name)
            if place is not None:
                self._whole(f"Source.{name}", place)
        if event.start is not None and event.end is not None:
            self._check(event.start <= event.end, "a Source ends before it starts")

    def _logprobs(self, event: Logprobs) -> None:
        for token in event.tokens:
            self._text("TokenLogprob.token", token.token)
            self._number_of("TokenLogprob.logprob", token.logprob)

    def _number_of(self, name: str, value: Any) -> None:
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        self._check(is_number and not math.isnan(value), f"{name} is {value!r}; expected a number")

    def _handover(self, event: Handover) -> None:
        self._check(event.mode in {"continue", "restart"}, f"{event.mode!r} is not a mode of a Handover")
        self._whole("Handover.text_length", event.text_length)
        self._started, self._begun = False, False
        if event.mode == "restart":
            self._calls.clear()
            self._ended.clear()

    def _usage(self, event: Usage) -> None:
        for name in _COUNTS:
            count = getattr(event, name)
            if count is not None:
                self._whole(f"Usage.{name}", count)
        if event.cost is not None:
            self._number_of("Usage.cost", event.cost)
            self._check(
                0 <= event.cost < math.inf, f"Usage.cost is {event.cost!r}; expected a finite number of at least 0"
            )


def check(events: Iterable[object], *, whole: bool = True) -> None:
    """Check all of these events; ``whole`` is whether they must end with a Finish."""
    lifecycle = Lifecycle()
    for event in events:
        lifecycle.feed(event)
    if whole:
        lifecycle.end()


async def checked(events: AsyncIterable[Event]) -> AsyncGenerator[Event, None]:
    """The same events, each checked before it is passed on; LifecycleError if they are not a valid stream.

    A stream that raises does not need a Finish.
    """
    lifecycle = Lifecycle()
    try:
        async for event in events:
            lifecycle.feed(event)
            yield event
        lifecycle.end()
    finally:
        if isinstance(events, AsyncGenerator):
            await events.aclose()
