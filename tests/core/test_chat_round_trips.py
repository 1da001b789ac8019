"""Both sides of the Chat Completions wire say the same: what one writes the other reads, whole or cut anywhere."""

from __future__ import annotations

import contextlib
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic_core import to_json

from segue import (
    Audio,
    AudioDelta,
    AudioPart,
    Choice,
    ChoiceFinish,
    FilePart,
    Finish,
    ImagePart,
    Logprobs,
    Message,
    Notice,
    Output,
    Reasoning,
    ReasoningDelta,
    ReasoningPart,
    RefusalDelta,
    RefusalPart,
    Reply,
    Request,
    Settings,
    Source,
    Start,
    TextDelta,
    TextPart,
    TokenLogprob,
    Tool,
    ToolCall,
    ToolCallDelta,
    ToolName,
    Usage,
)
from segue.events import Collector, Event
from segue.wire.openai_chat import PLAIN, Decoder, Dialect, dialect, encode
from segue.wire.openai_chat.server import read, render, render_stream

# ── requests ─────────────────────────────────────────────────────────────────────────────────────────

texts = st.text(st.characters(codec="utf-8"), max_size=12)
words = st.text(st.characters(codec="utf-8"), min_size=1, max_size=12)
names = st.from_regex(r"[a-z][a-z0-9_-]{0,8}", fullmatch=True)
numbers = st.integers(-(2**40), 2**40)
json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(texts, inner, max_size=2),
    max_leaves=4,
)
objects = st.dictionaries(names, json_values, max_size=3)
images = st.builds(
    ImagePart,
    url=names.map(lambda name: f"https://{name}.example/a.png"),
    detail=st.sampled_from([None, "low", "high"]),
) | st.builds(ImagePart, data=st.binary(max_size=9), media_type=st.sampled_from(["image/png", "image/webp"]))
files = st.builds(
    FilePart, data=st.binary(max_size=9), media_type=st.just("application/pdf"), name=st.none() | words
) | st.builds(FilePart, id=words)
parts = (
    st.builds(TextPart, text=texts)
    | images
    | st.builds(AudioPart, data=st.binary(max_size=9), format=st.sampled_from(["wav", "mp3"]))
    | files
)
tool_calls = st.builds(ToolCall, id=words, name=names, arguments=texts, kind=st.sampled_from(["function", "custom"]))
plain_turns = st.one_of(
    st.builds(Message, role=st.sampled_from(["system", "developer"]), content=texts),
    st.builds(
        Message, role=st.just("user"), content=texts | st.lists(parts, max_size=4).map(tuple), name=st.none() | names
    ),
    st.builds(Message, role=st.just("tool"), content=texts, tool_call_id=words),
    st.builds(
        Message, role=st.just("assistant"), content=texts, tool_calls=st.lists(tool_calls, max_size=3).map(tuple)
    ),
    st.builds(
        Message,
        role=st.just("assistant"),
        content=st.lists(
            st.builds(TextPart, text=texts) | st.builds(RefusalPart, refusal=words), min_size=1, max_size=3
        ).map(tuple),
    ),
)
tools = st.lists(
    st.builds(Tool, name=names, description=texts, parameters=objects, strict=st.none() | st.booleans()),
    min_size=1,
    max_size=3,
    unique_by=lambda tool: tool.name,
).map(tuple)
outputs = st.just(Output()) | st.builds(
    Output, name=names, json_schema=objects, description=st.none() | texts, strict=st.none() | st.booleans()
)
settings = st.builds(
    Settings,
    temperature=st.none() | st.floats(0, 2),
    top_p=st.none() | st.floats(0, 1),
    max_tokens=st.none() | st.integers(1, 10**6),
    stop=st.none() | st.lists(words, max_size=3).map(tuple),
    seed=st.none() | numbers,
    frequency_penalty=st.none() | st.floats(-2, 2),
    presence_penalty=st.none() | st.floats(-2, 2),
    n=st.none() | st.integers(1, 4),
    logprobs=st.none() | st.booleans(),
    top_logprobs=st.none() | st.integers(0, 20),
    reasoning_effort=st.sampled_from([None, "none", "minimal", "low", "medium", "high", "xhigh"]),
)
extras = st.dictionaries(names.map(lambda name: f"x_{name}"), json_values, max_size=2)


@st.composite
def requests(draw: st.DrawFn, turns: st.SearchStrategy[Message] = plain_turns) -> Request:
    given_tools = draw(st.just(()) | tools)
    choices = st.none() | st.sampled_from(["auto", "none"])
    if given_tools:
        choices |= st.just("required") | st.sampled_from(given_tools).map(lambda tool: ToolName(name=tool.name))
    given_settings = draw(settings)
    if given_tools:
        given_settings = given_settings.model_copy(update={"parallel_tool_calls": draw(st.none() | st.booleans())})
    return Request(
        messages=tuple(draw(st.lists(turns, min_size=1, max_size=4))),
        tools=given_tools,
        tool_choice=draw(choices),
        output=draw(st.none() | outputs),
        settings=given_settings,
        stream=draw(st.booleans()),
        extra_body=draw(extras),
    )


def _sent_and_read(request: Request, spoken: Dialect = PLAIN) -> Request:
    call = encode(request, model="m", base_url="http://127.0.0.1/v1", headers={}, dialect=spoken)
    assert call.notices == ()
    model, again = read(call.body)
    assert model == "m"
    return again


@given(requests())
def test_a_request_that_was_written_is_read_back(request_: Request) -> None:
    """``read(encode(request)) == request`` for messages of every part, tools, schemas, settings and extra fields."""
    assert _sent_and_read(request_) == request_


@given(requests())
def test_a_request_is_read_back_where_the_limit_has_its_new_name(request_: Request) -> None:
    """Of ``max_completion_tokens`` the same setting is read as of ``max_tokens``."""
    assert _sent_and_read(request_, dialect(["max_completion_tokens"])) == request_


opaques = st.builds(
    lambda kind, more: to_json({"type": kind, **more}).decode(),
    st.sampled_from(["reasoning.text", "reasoning.encrypted"]),
    st.dictionaries(st.sampled_from(["signature", "data", "id", "format"]), words, min_size=1),
)


def _thinking(reasoning: st.SearchStrategy[tuple[ReasoningPart, ...]]) -> st.SearchStrategy[Message]:
    rest = (
        st.just(())
        | st.builds(TextPart, text=words).map(lambda part: (part,))
        | st.lists(st.builds(TextPart, text=words), min_size=2, max_size=3).map(tuple)
    )
    return st.builds(
        lambda thought, said, calls: Message(role="assistant", content=(*thought, *said), tool_calls=calls),
        reasoning,
        rest,
        st.lists(tool_calls, max_size=2).map(tuple),
    )


one_thought = st.builds(ReasoningPart, text=words).map(lambda part: (part,))
thoughts = st.lists(st.builds(ReasoningPart, text=words, opaque=st.none() | opaques), min_size=1, max_size=3).map(tuple)


@pytest.mark.parametrize(
    ("quirk", "thought"),
    [("reasoning_back", one_thought), ("reasoning_content_back", one_thought), ("reasoning_details_back", thoughts)],
)
def test_reasoning_that_a_host_wants_back_is_read_back(quirk: str, thought: Any) -> None:
    """What was thought comes back in each of the three forms; with its opaque parts where the form has them."""

    @given(requests(turns=_thinking(thought)))
    def check(request_: Request) -> None:
        assert _sent_and_read(request_, dialect([quirk])) == request_

    check()


def test_reasoning_that_a_host_does_not_want_is_left_out_with_one_notice() -> None:
    """Without such a quirk earlier reasoning is not sent, and a single notice says so."""
    turn = Message(role="assistant", content=(ReasoningPart(text="hm"), TextPart(text="yes")))
    call = encode(Request(messages=(turn, turn)), model="m", base_url="http://127.0.0.1", headers={})
    assert [notice.subject for notice in call.notices] == ["reasoning"]
    assert b"hm" not in call.body
    assert b'{"role":"assistant","content":"yes"}' in call.body


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"{", "not JSON"),
        (b"[]", "not a JSON object"),
        (b'{"messages":[{"role":"user","content":"x"}]}', "model is missing"),
        (b'{"model":"m","messages":[]}', "messages"),
        (b'{"model":"m","messages":[1]}', "not an object"),
        (
            b'{"model":"m","messages":[{"role":"user","content":"x"}],"response_format":{"type":"grammar"}}',
            "response_format",
        ),
        (b'{"model":"m","messages":[{"role":"robot","content":"x"}]}', "role"),
        (
            b'{"model":"m","messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:x"}}]}]}',
            "data:",
        ),
        (b'{"model":"m","messages":[{"role":"user","content":"x"}],"temperature":"hot"}', "temperature"),
        (b'{"model":"m","messages":[{"role":"user","content":"x"}],"n":0}', "n"),
    ],
)
def test_a_body_that_holds_no_request_is_a_value_error(body: bytes, told: str) -> None:
    """What is no request is a ValueError that names the field, and nothing else is raised."""
    with pytest.raises(ValueError, match=told):
        read(body)


@given(
    st.binary(max_size=60)
    | st.builds(
        to_json,
        st.dictionaries(
            st.sampled_from(["model", "messages", "tools", "n", "stop", "stream", "response_format", "tool_choice"]),
            json_values,
        ),
    )
)
def test_reading_a_body_raises_value_errors_only(body: bytes) -> None:
    """Whatever a client sends, reading it gives a request or a ValueError."""
    with contextlib.suppress(ValueError):
        read(body)


# ── answers ──────────────────────────────────────────────────────────────────────────────────────────

deltas = st.one_of(
    st.builds(TextDelta, words),
    st.builds(TextDelta, words, st.integers(0, 2)),
    st.builds(ReasoningDelta, words, st.none(), st.integers(0, 1)),
    st.builds(
        ReasoningDelta,
        texts,
        opaques.filter(lambda opaque: '"signature"' in opaque or '"data"' in opaque or '"id"' in opaque),
    ),
    st.builds(RefusalDelta, words),
    st.builds(AudioDelta, st.binary(min_size=1, max_size=9), texts, st.none() | words),
    st.builds(
        Source,
        names.map(lambda name: f"https://{name}.example"),
        st.none() | words,
        st.none() | st.integers(0, 99),
        st.none() | st.integers(0, 99),
    ),
    st.builds(
        Logprobs,
        st.lists(
            st.builds(
                TokenLogprob,
                texts,
                st.floats(-99, 0),
                st.lists(st.tuples(texts, st.floats(-99, 0)), max_size=2).map(tuple),
            ),
            min_size=1,
            max_size=2,
        ).map(tuple),
    ),
)
counts = st.none() | st.integers(0, 10**9)
usages = st.builds(
    Usage,
    input_tokens=counts,
    output_tokens=counts,
    total_tokens=st.integers(0, 10**9),
    cached_tokens=counts,
    reasoning_tokens=counts,
    cache_write_tokens=counts,
    input_audio_tokens=counts,
    output_audio_tokens=counts,
    cost=st.none() | st.floats(0, 100),
)
reasons = st.sampled_from(
    [
        ("stop", "stop"),
        ("stop", "eos"),
        ("length", "length"),
        ("content_filter", "content_filter"),
        ("unknown", "paused"),
    ]
)


@st.composite
def answers(draw: st.DrawFn) -> list[Event]:
    """The events of one answer, in the form in which a decoder gives them."""
    events: list[Event] = [Start(draw(st.none() | words), draw(st.none() | words)), *draw(st.lists(deltas, max_size=6))]
    calls = draw(st.lists(st.tuples(names, st.lists(words, max_size=3)), max_size=3))
    fragments: list[Event] = []
    for index, (name, pieces) in enumerate(calls):
        fragments.append(ToolCallDelta(index, f"call-{index}", name, draw(texts)))
        fragments += [ToolCallDelta(index, None, None, piece) for piece in pieces]
    if draw(st.booleans()):  # interleaved, as parallel calls may come: only the order inside one call holds
        later = [event for event in fragments if isinstance(event, ToolCallDelta) and event.id is None]
        fragments = (
            [event for event in fragments if event not in later] + draw(st.permutations(later))
            if len(calls) > 1
            else fragments
        )
    events += fragments
    for other in sorted({event.choice for event in events if isinstance(event, TextDelta | ReasoningDelta)} - {0}):
        reason, raw = draw(reasons)
        events.append(ChoiceFinish(other, reason, raw))
    if draw(st.booleans()):
        events.append(draw(usages))
    reason, raw = ("tool_calls", "tool_calls") if calls else draw(reasons)
    return [*events, Finish(reason, raw)]


def _decoded(data: bytes, cuts: list[int]) -> list[Event]:
    decoder = Decoder()
    events: list[Event] = []
    places = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    for start, end in pairwise(places):
        events += decoder.feed(data[start:end])
    return [*events, *decoder.end(delimited=True)]


@given(answers(), st.lists(st.integers(0, 10**6), max_size=8))
@example([Start(None, None), Finish("unknown", None)], [])
def test_a_stream_that_was_written_is_read_back_however_it_is_cut(events: list[Event], cuts: list[int]) -> None:
    """``decode(render(events)) == events``: text, reasoning, tools, audio, sources, usage, choices, in any split."""
    data = b"".join(render_stream(events, model=""))
    got = _decoded(data, cuts)
    if events[-1] == Finish("unknown", None):
        assert isinstance(got.pop(-2), Notice)  # that no reason was given
    assert got == events


def _collected(events: list[Event]) -> Reply[Any]:
    collector = Collector()
    for event in events:
        collector.add(event)
    return collector.reply()


@given(answers(), st.lists(st.integers(0, 10**6), max_size=4))
def test_a_whole_answer_that_was_written_is_read_back(events: list[Event], cuts: list[int]) -> None:
    """The reply of a stream, written as one body and read again, is the same reply."""
    reply = _collected(events)
    again = _collected(_decoded(render(reply), cuts))
    assert again == reply


def test_the_words_of_another_wire_become_the_words_of_this_one() -> None:
    """A finish that came in another host's word is told in this wire's, so that its clients know it."""
    data = b"".join(render_stream([Start(), TextDelta("a"), Finish("stop", "end_turn")]))
    assert b'"finish_reason":"stop"' in data
    assert b"end_turn" not in data


def test_a_reply_with_everything_is_one_message_to_go_on_with() -> None:
    """Reasoning with its origin, text and tool calls of a reply stand in its message; what a host wants back too."""
    choice = Choice(
        "yes",
        "tool_calls",
        reasoning_parts=(Reasoning("hm", '{"type":"reasoning.text","signature":"s"}'),),
        tool_calls=(ToolCall(id="c", name="f", arguments="{}"),),
        audio=Audio(b"x", "yes"),
    )
    message = Reply(choices=(choice,), provider="acme").message
    assert message.parts == (
        ReasoningPart(text="hm", opaque='{"type":"reasoning.text","signature":"s"}', origin="acme"),
        TextPart(text="yes"),
    )
    assert message.tool_calls == choice.tool_calls
