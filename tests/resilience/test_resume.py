"""Going on where another host stopped: never a character lost or doubled."""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING, Any, Literal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from segue.errors import ProtocolError
from segue.events import (
    Collector,
    Finish,
    Logprobs,
    ReasoningDelta,
    RefusalDelta,
    Source,
    TextDelta,
    ToolCallDelta,
    Usage,
)
from segue.messages import Message, Output, Request, Settings, ToolCall
from segue.resilience.resume import Resumption, obstacle

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from segue.events import Event

Host = Literal["with the white space", "without it", "echoing"]
ASKED = Request(messages=(Message(role="user", content="x"),))


def resumption(
    text: str = "one ", *, request: Request = ASKED, usage: Usage | None = None, takes: Any = True
) -> Resumption:
    return Resumption(request, text=text, usage=usage, takes=takes)


def joined(resumed: Resumption, events: Sequence[Event]) -> list[Event]:
    async def given() -> AsyncIterator[Event]:
        for event in events:
            yield event

    async def all_of() -> list[Event]:
        return [event async for event in resumed.joined(given())]

    return asyncio.run(all_of())


def text_of(resumed: Resumption, *pieces: str) -> str:
    return "".join(event.text for event in joined(resumed, [TextDelta(piece) for piece in pieces if piece])
                   if isinstance(event, TextDelta))  # fmt: skip


def settings_of(resumed: Resumption) -> int | None:
    return resumed.request.settings.max_tokens


@given(
    st.text(alphabet="ab \n\t", max_size=20),
    st.integers(0, 20),
    st.lists(st.integers(0, 20), max_size=6),
    st.sampled_from(["with the white space", "without it", "echoing"]),
)
@example("a  b", 2, [3], "without it")
@example("a  b", 2, [2], "with the white space")
@example("aa", 1, [1], "echoing")
def test_the_text_is_whole(whole: str, cut: int, cuts: list[int], host: Host) -> None:
    """For any text, cut and pieces, what the caller had and what comes are the text, no more and no less."""
    sofar = whole[:cut]
    said = sofar.rstrip()
    white = len(sofar) - len(said)
    # A host that trims: the words that follow. White space of the answer after the cut belongs to it as well.
    rest = whole[len(said) :]
    if host == "without it" and rest[white : white + 1].isspace():
        rest = whole[len(said) :]
    elif host == "without it":
        rest = whole[cut:]
    elif host == "echoing":
        rest = whole
    edges = sorted({0, len(rest), *(min(each, len(rest)) for each in cuts)})
    pieces = [rest[start:end] for start, end in itertools.pairwise(edges)]
    resumed = resumption(sofar, takes="echoes" if host == "echoing" else True)
    assert sofar + text_of(resumed, *pieces) == whole


def test_what_the_next_host_is_asked() -> None:
    """The text so far is the model's last turn, without white space at its end."""
    resumed = resumption("one two \n")
    assert resumed.request.messages == (*ASKED.messages, Message(role="assistant", content="one two"))
    assert (resumed.text_length, resumed.notices, resumed.usage) == (9, (), None)


def test_a_prefill_of_the_callers_own_grows() -> None:
    """Where the conversation ended in the model's words they go on in the same turn."""
    request = Request(messages=(*ASKED.messages, Message(role="assistant", content="zero ")))
    assert resumption(request=request).request.messages == (
        *ASKED.messages,
        Message(role="assistant", content="zero one"),
    )


@pytest.mark.parametrize("text", ["", " \n"])
def test_without_words_it_is_asked_the_same(text: str) -> None:
    """An answer that began with white space alone is asked for as it was."""
    assert resumption(text).request is ASKED


@pytest.mark.parametrize(
    ("limit", "text", "told", "left", "notice"),
    [
        (10, "x" * 20, Usage(output_tokens=3), 7, "3 of 10 tokens were used; 7 are left"),
        (10, "x" * 20, Usage(output_tokens=0), 10, "0 of 10 tokens were used; 10 are left"),
        (10, "x" * 20, Usage(output_tokens=10), 1, "10 of 10 tokens were used; 1 are left"),
        (10, "x" * 20, None, 5, "5 of 10 tokens were used (estimated from its length); 5 are left"),
        (10, "x" * 21, Usage(), 4, "6 of 10 tokens were used (estimated from its length); 4 are left"),
    ],
)
def test_the_limit_is_what_is_left(limit: int, text: str, told: Usage | None, left: int, notice: str) -> None:
    """Of max_tokens goes what was used, as the host told it or else four characters a token; one is always left."""
    resumed = resumption(text, request=ASKED.model_copy(update={"settings": Settings(max_tokens=limit)}), usage=told)
    assert settings_of(resumed) == left
    assert [str(each) for each in resumed.notices] == [f"max_tokens: {notice}"]


def test_usage_is_summed() -> None:
    """The caller is told of both attempts together, the resumption of this one alone."""
    resumed = resumption(usage=Usage(input_tokens=1, output_tokens=2))
    own = Usage(input_tokens=10, output_tokens=20)
    assert joined(resumed, [own]) == [Usage(input_tokens=11, output_tokens=22)]
    assert resumed.usage == own


def test_usage_alone_is_as_it_is() -> None:
    """Where the first host told nothing, what the second tells is all."""
    assert joined(resumption(), [Usage(output_tokens=2)]) == [Usage(output_tokens=2)]


@pytest.mark.parametrize(("takes", "shift"), [(True, 3), ("echoes", 0)])
def test_sources_are_shifted(takes: object, shift: int) -> None:
    """Places in the text are counted from its beginning, whatever the second host counts from."""
    events = [Source("u", start=1, end=2), Source("u")]
    assert joined(resumption(takes=takes), events) == [Source("u", start=1 + shift, end=2 + shift), Source("u")]


def test_other_events_pass() -> None:
    """What is neither text nor source nor usage is handed on as it is."""
    assert joined(resumption(), [Finish("stop")]) == [Finish("stop")]


def test_nothing_empty_is_handed_on() -> None:
    """A piece that the caller has already is no event."""
    assert joined(resumption("one", takes="echoes"), [TextDelta("on"), TextDelta("e two")]) == [TextDelta(" two")]


def test_another_echo_is_an_error() -> None:
    """A host that says other words than those it was to repeat is not gone on with."""
    with pytest.raises(ProtocolError, match=r"^the host was expected to repeat the text before continuing it"):
        text_of(resumption("one", takes="echoes"), "onx")


def test_white_space_that_differs_is_not_added_twice() -> None:
    """Where the white space parts, the rest of the old one stands and the new one goes on."""
    assert text_of(resumption("one \n"), " \ttwo") == "\ttwo"
    assert text_of(resumption("one \n"), "two", " \nthree") == "two \nthree"
    assert text_of(resumption("one \n"), " ", "\n two") == " two"


async def test_leaving_closes_the_host() -> None:
    """Who stops reading in the middle closes the events beneath at once."""
    closed = []

    async def events() -> AsyncIterator[Event]:
        try:
            yield TextDelta("x")
            yield TextDelta("y")
        finally:
            closed.append(True)

    stream = resumption().joined(events())
    await anext(stream)
    await stream.aclose()
    assert closed == [True]


def begun(*events: Event) -> Collector:
    collector = Collector()
    for event in (TextDelta("one"), *events):
        collector.add(event)
    return collector


@pytest.mark.parametrize(
    "event",
    [
        ReasoningDelta("x"),
        RefusalDelta("x"),
        ToolCallDelta(0, id="1", name="f"),
        TextDelta("x", choice=1),
        Logprobs((), choice=1),
    ],
)
def test_only_plain_text_is_gone_on_with(event: Event) -> None:
    """Reasoning, refusals, tool calls and further choices are known to their own model alone."""
    assert obstacle(ASKED, begun(event)) == "the answer has more than plain text"


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        (ASKED, None),
        (Request(messages=()), None),
        (ASKED.model_copy(update={"output": Output()}), "the answer has a schema"),
        (ASKED.model_copy(update={"settings": Settings(n=1, logprobs=False)}), None),
        (
            ASKED.model_copy(update={"settings": Settings(n=2)}),
            "the answer has several choices, or log probabilities",
        ),
        (
            ASKED.model_copy(update={"settings": Settings(logprobs=True)}),
            "the answer has several choices, or log probabilities",
        ),
        (Request(messages=(*ASKED.messages, Message(role="assistant", content="x"))), None),
        (
            Request(
                messages=(Message.model_validate({"role": "user", "content": [{"type": "text", "text": "x"}]}),)
            ),
            None,
        ),
        (
            Request(messages=(Message.model_validate(
                {"role": "assistant", "content": [{"type": "text", "text": "x"}]}),)),
            "the last message of the conversation has more than plain text",
        ),
        (
            Request(messages=(Message(role="assistant", tool_calls=(ToolCall(id="1", name="f", arguments="{}"),)),)),
            "the last message of the conversation has more than plain text",
        ),
    ],
)  # fmt: skip
def test_what_stands_in_the_way(request_: Request, reason: str | None) -> None:
    """A form, several choices, probabilities, or a last turn of more than text cannot be gone on with."""
    assert obstacle(request_, begun()) == reason


@pytest.mark.parametrize("said", ["abc", "abe"])
def test_an_echo_that_differs_is_refused_whichever_way(said: str) -> None:
    """Other words are others, whether the alphabet has them before or after those that were to be said again."""
    with pytest.raises(ProtocolError, match="returned another text"):
        text_of(resumption("abd", takes="echoes"), said)


def test_it_is_the_last_turn_that_is_looked_at() -> None:
    """After a plain question a last turn of more than text stands in the way, and an earlier one does not."""
    call = ToolCall(id="a", name="f", arguments="{}")
    acted = Message(role="assistant", content="one", tool_calls=(call,))
    told = Message(role="tool", content="done", tool_call_id="a")
    asked = Message(role="user", content="x")
    reason = "the last message of the conversation has more than plain text"
    assert obstacle(Request(messages=(asked, acted)), begun()) == reason
    assert obstacle(Request(messages=(asked, acted, told, asked)), begun()) is None


def test_white_space_that_will_not_come_is_over_with_the_first_word() -> None:
    """Once the host has said something else the white space of the text so far is looked for no more."""
    assert text_of(resumption("one "), "a", " b") == "a b"
    assert text_of(resumption("one  "), " a", " b") == "a b"


def test_who_says_nothing_more_is_known() -> None:
    """Silent is who gives no new text: also who only says the words again, or the white space that is there already."""
    for pieces, takes, is_silent in (
        ([], True, True), ([" "], True, True), (["two"], True, False), (["one"], "echoes", True),
        (["one", " two"], "echoes", False),
    ):  # fmt: skip
        resumed = resumption("one ", takes=takes)
        text_of(resumed, *pieces)
        assert resumed.is_silent is is_silent, pieces
