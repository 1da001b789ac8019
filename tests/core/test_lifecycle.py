"""The validator of streams: what is a stream, and each way in which events are none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from segue.events import (
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
    TokenLogprob,
    ToolCallDelta,
    Usage,
)
from segue.testing import Lifecycle, LifecycleError, checked
from segue.testing.lifecycle import EVENTS, check

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

END = Finish("stop")
TEXT = TextDelta("hello")

WHOLE: dict[str, Sequence[object]] = {
    "the least": [END],
    "a text": [Start("m"), TEXT, TextDelta(" again"), Usage(1, 2, 3), END],
    "notices before the start": [Notice("seed", "it was not sent"), Start("m"), TEXT, END],
    "a call in pieces": [ToolCallDelta(0, "c", "f"), ToolCallDelta(0, arguments="{}"), Finish("tool_calls")],
    "calls in turns": [ToolCallDelta(0, "a", "f"), ToolCallDelta(1, "b", "g"), ToolCallDelta(0, arguments="{}"), END],
    "a call whose id comes late": [ToolCallDelta(0, None, "f"), ToolCallDelta(0, "c"), END],
    "two choices": [TEXT, TextDelta("other", 1), ChoiceFinish(1, "stop"), TEXT, END],
    "what was thought and refused": [ReasoningDelta("hm", "sealed"), RefusalDelta("no"), Finish("content_filter")],
    "everything else": [
        AudioDelta(b"\0", "la"), Source("https://a.example", start=0, end=3),
        Logprobs((TokenLogprob("a", -0.1),)), Usage(cost=0.1), END,
    ],
    "one that another goes on with": [
        Start("a"), TEXT, Handover("continue", "b", "m", 5, "ServerError"), Start("b"), END,
    ],
    "one that another starts again": [
        ToolCallDelta(0, "c", "f"), Handover("restart", "b", "m", 0, "ServerError"), ToolCallDelta(0, "d", "g"), END,
    ],
}  # fmt: skip

BROKEN: dict[str, tuple[Sequence[object], str]] = {
    "no end": ([TEXT], "without a Finish"),
    "nothing": ([], "without a Finish"),
    "two ends": ([END, END], "event 2: Finish comes after the Finish"),
    "text after the end": ([END, TEXT], "after the Finish"),
    "no event": (["hello"], "str is not an event"),
    "nothing at all": ([None], "NoneType is not an event"),
    "two starts": ([Start(), Start()], "second Start"),
    "a late start": ([TEXT, Start()], "not the first"),
    "a start that is numbered": ([Start(response_id=7)], "Start.response_id is of type int"),  # type: ignore[arg-type]
    "an empty text": ([TextDelta("")], "TextDelta.text is empty"),
    "text in bytes": ([TextDelta(b"x")], "of type bytes"),  # type: ignore[arg-type]
    "a choice below none": ([TextDelta("x", -1)], "choice is -1"),
    "a call without a beginning": ([ToolCallDelta(0, arguments="{}")], "has no name"),
    "a call with an empty id": ([ToolCallDelta(0, "", "f")], "id is empty"),
    "a call that changes its id": ([ToolCallDelta(0, "a", "f"), ToolCallDelta(0, "b")], "changes its id"),
    "a call that changes its kind": (
        [ToolCallDelta(0, "a", "f"), ToolCallDelta(0, kind="custom")], "changes its kind",
    ),
    "a call of an odd kind": ([ToolCallDelta(0, "a", "f", kind="magic")], "not a kind"),  # type: ignore[arg-type]
    "a call whose arguments are a table": ([ToolCallDelta(0, "a", "f", {})], "arguments is of type dict"),  # type: ignore[arg-type]
    "a call by a name": ([ToolCallDelta("0", "a", "f")], "index is of type str"),  # type: ignore[arg-type]
    "sound as text": ([AudioDelta("la")], "not bytes"),  # type: ignore[arg-type]
    "a source that ends before it starts": ([Source("u", start=3, end=1)], "before it starts"),
    "a log probability that is none": ([Logprobs((TokenLogprob("a", float("nan")),))], "logprob is nan"),
    "an empty notice": ([Notice("", "it was not sent")], "subject is empty"),
    "tokens below none": ([Usage(-1)], "input_tokens is -1"),
    "half a token": ([Usage(1.5)], "of type float"),  # type: ignore[arg-type]
    "true tokens": ([Usage(True)], "of type bool"),
    "a cost without end": ([Usage(cost=float("inf"))], "cost is inf"),
    "a choice that ends twice": ([ChoiceFinish(1, "stop"), ChoiceFinish(1, "stop")], "after its ChoiceFinish"),
    "a choice that goes on": ([ChoiceFinish(1, "stop"), TextDelta("x", 1)], "after its ChoiceFinish"),
    "an end of the first choice": ([ChoiceFinish(0, "stop")], "which only the Finish ends"),
    "an odd reason": ([Finish("done")], "'done' is not a finish reason"),  # type: ignore[arg-type]
    "an odd handover": ([Handover("again", "b", "m", 0, "x")], "not a mode"),  # type: ignore[arg-type]
}  # fmt: skip


@pytest.mark.parametrize("what", WHOLE)
def test_a_stream_is_one(what: str) -> None:
    """What providers may give passes."""
    check(WHOLE[what])


@pytest.mark.parametrize("what", BROKEN)
def test_events_that_are_no_stream(what: str) -> None:
    """Each way of being none is told by itself, with the number of the event."""
    events, told = BROKEN[what]
    with pytest.raises(LifecycleError, match=told.replace(".", r"\.")):
        check(events)


def test_every_event_of_the_union_is_known() -> None:
    """An event that is added to the union has to be told to the validator."""
    seen = {type(event) for events in WHOLE.values() for event in events}
    assert seen == set(EVENTS)


async def test_a_stream_is_given_on_as_it_comes() -> None:
    """Each event is checked and then given, and the source is closed with the stream."""
    closed: list[bool] = []

    async def events() -> AsyncIterator[Any]:
        try:
            yield TEXT
            yield END
            yield TEXT
        finally:
            closed.append(True)

    given: list[object] = []

    async def read() -> None:
        async for event in checked(events()):
            given.append(event)

    with pytest.raises(LifecycleError):
        await read()
    assert given == [TEXT, END]
    assert closed == [True]


async def test_a_stream_that_raises_need_not_end() -> None:
    """An error is the end of a stream that has none of its own."""

    async def events() -> AsyncIterator[Any]:
        yield TEXT
        raise OSError("not today")

    with pytest.raises(OSError, match="not today"):
        [event async for event in checked(events())]


def test_what_came_does_not_stand_in_the_error() -> None:
    """The text of an answer is not told on."""
    life = Lifecycle()
    life.feed(END)
    with pytest.raises(LifecycleError) as caught:
        life.feed(TextDelta("a secret"))
    assert "secret" not in str(caught.value)
