"""The Responses wire: recorded traffic, the SDK against what we write, calls through the front door, Azure."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any

import openai
import pytest
from corpus import Exchange, cut, exchanges
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr
from pydantic_core import to_json

from segue import (
    AudioPart,
    BadRequestError,
    Client,
    ConfigError,
    Event,
    FilePart,
    Finish,
    HTTPError,
    ImagePart,
    Logprobs,
    Message,
    Notice,
    Output,
    ProtocolError,
    ProviderError,
    QuotaExhaustedError,
    RateLimitError,
    ReasoningDelta,
    ReasoningPart,
    RefusalDelta,
    RefusalPart,
    Reply,
    Request,
    SegueError,
    ServerError,
    Settings,
    Source,
    Start,
    StreamBrokenError,
    TextDelta,
    TextPart,
    TokenLogprob,
    Tool,
    ToolCall,
    ToolCallDelta,
    ToolName,
    UnsupportedError,
    Usage,
)
from segue.events import Collector
from segue.messages import CachePart, NativePart, Policy
from segue.plugin import Context, ProviderSettings
from segue.testing import Body, OpenAIHost
from segue.wire.openai_responses import Decoder, encode
from segue.wire.openai_responses.server import read, render, render_stream
from segue_openai.azure import Azure
from segue_openai.provider import OpenAI

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator

    from segue.wire import Call


def decoded(*pieces: bytes, delimited: bool = True) -> list[Event]:
    decoder = Decoder()
    events = [event for piece in pieces for event in decoder.feed(piece)]
    return [*events, *decoder.end(delimited=delimited)]


def collected(events: list[Event]) -> Reply[Any]:
    collector = Collector()
    for event in events:
        collector.add(event)
    return collector.reply()


# ── recorded requests ────────────────────────────────────────────────────────────────────────────────


def in_one_form(body: dict[str, Any]) -> dict[str, Any]:
    """A request without what makes no difference, or is written otherwise by us; this is the documented list.

    * ``instructions`` are a first system turn, an ``input`` of one text is a user's turn;
    * a message of a single text is that text; ``type``, ``id`` and ``status`` of messages and calls, and the
      annotations and logprobs that an assistant's text came with, are left out, for hosts do not need them;
    * an assistant's message of no text beside its calls is left out;
    * null, ``stream: false``, an empty description of a tool and ``text.format`` of type text say nothing.
    """
    told = {name: value for name, value in body.items() if value is not None}
    turns = told.pop("input")
    turns = [{"role": "user", "content": turns}] if isinstance(turns, str) else turns
    instructions = told.pop("instructions", None)
    if instructions:
        turns = [{"role": "system", "content": instructions}, *turns]
    if not told.get("stream"):
        told.pop("stream", None)
    if told.get("text") == {"format": {"type": "text"}}:
        del told["text"]
    tools = [
        {name: value for name, value in tool.items() if value is not None and (name, value) != ("description", "")}
        for tool in told.pop("tools", [])
    ]
    return {**told, "tools": tools, "input": [turn for turn in map(item_in_one_form, turns) if turn is not None]}


def item_in_one_form(item: dict[str, Any]) -> dict[str, Any] | None:
    kind = item.get("type", "message")
    if kind in {"function_call", "custom_tool_call"}:
        return {name: value for name, value in item.items() if name not in {"id", "status"}}
    if kind != "message":
        return item
    told = {name: value for name, value in item.items() if name not in {"type", "id", "status"}}
    if isinstance(told["content"], list):
        dropped = {"annotations", "logprobs"}
        parts = [{name: value for name, value in part.items() if name not in dropped} for part in told["content"]]
        alone = len(parts) == 1 and parts[0].keys() == {"type", "text"}
        told["content"] = parts[0]["text"] if alone else parts
    return None if told == {"role": "assistant", "content": ""} else told


@pytest.mark.parametrize("exchange", exchanges(lambda exchange: exchange.api == "openai-responses"))
def test_a_recorded_request_is_read_and_written_again(exchange: Exchange) -> None:
    """``encode(read(recorded))`` is the same request but for the documented list, and nothing is left to say."""
    recording = exchange.recording
    asked = recording["request"].get("json")
    if asked is None:
        assert recording["source"]["kind"] == "fixture"  # of these the answer alone was recorded
        return
    model, request = read(to_json(asked))
    call = encode(request, model=model, base_url="https://h.example/v1/", headers={})
    assert call.notices == ()
    assert call.url == "https://h.example/v1/responses"
    assert in_one_form(json.loads(call.body)) == in_one_form(asked)


# ── bytes of our own ─────────────────────────────────────────────────────────────────────────────────


def sse(*events: dict[str, Any]) -> bytes:
    return b"".join(b"event: %b\ndata: %b\n\n" % (event["type"].encode(), to_json(event)) for event in events)


REASONING = {
    "type": "reasoning",
    "id": "rs_1",
    "summary": [{"type": "summary_text", "text": "So."}, {"type": "summary_text", "text": "Then."}],
    "encrypted_content": "c2VhbGVk",
}
SEARCH = {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search", "query": "x"}}
CITED = {"type": "url_citation", "url": "https://a.example", "title": "A", "start_index": 1, "end_index": 3}
FILE = {"type": "file_citation", "file_id": "file-7", "filename": "a.pdf", "index": 3}
LOGPROB = {"token": "Grüße", "logprob": -0.5, "bytes": [], "top_logprobs": [{"token": "Hi", "logprob": -2}]}
MESSAGE = {
    "type": "message",
    "id": "msg_1",
    "role": "assistant",
    "status": "completed",
    "content": [
        {"type": "output_text", "text": "Grüße, ", "annotations": [], "logprobs": [LOGPROB]},
        {"type": "output_text", "text": "世界 🎭", "annotations": [CITED, FILE], "logprobs": []},
    ],
}
CALL = {"type": "function_call", "id": "fc_1", "call_id": "call_a", "name": "look", "arguments": '{"at":"世"}'}
OTHER = {
    "type": "function_call",
    "id": "fc_2",
    "call_id": "call_b",
    "name": "look",
    "arguments": "{}",
    "namespace": "n",
}
CUSTOM = {"type": "custom_tool_call", "id": "ct_1", "call_id": "call_c", "name": "sum", "input": "4 + 4"}
USAGE = {
    "input_tokens": 9,
    "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 1},
    "output_tokens": 7,
    "output_tokens_details": {"reasoning_tokens": 3},
    "total_tokens": 16,
}
ITEMS = [REASONING, SEARCH, MESSAGE, CALL, OTHER, CUSTOM]
RESPONSE = {"id": "resp_1", "object": "response", "model": "m-1", "status": "completed", "error": None, "output": ITEMS}
WHOLE = to_json({**RESPONSE, "usage": USAGE})
BEGUN = {"type": "response.created", "response": {**RESPONSE, "status": "in_progress", "output": []}}
ENDED = {"type": "response.completed", "response": {**RESPONSE, "usage": USAGE}}


def _added(place: int, item: dict[str, Any], **emptied: Any) -> dict[str, Any]:
    return {"type": "response.output_item.added", "output_index": place, "item": {**item, **emptied}}


def _delta(place: int, kind: str, text: str, **more: Any) -> dict[str, Any]:
    return {"type": f"response.{kind}.delta", "output_index": place, "delta": text, **more}


def _done(place: int, item: dict[str, Any]) -> dict[str, Any]:
    return {"type": "response.output_item.done", "output_index": place, "item": item}


STREAM = sse(
    BEGUN,
    {"type": "response.in_progress", "response": BEGUN["response"]},
    _added(0, REASONING, summary=[]),
    _delta(0, "reasoning_summary_text", "S", summary_index=0),
    _delta(0, "reasoning_summary_text", "o.", summary_index=0),
    _delta(0, "reasoning_summary_text", "Then.", summary_index=1),
    _done(0, REASONING),
    _added(1, SEARCH),
    {"type": "response.web_search_call.searching", "output_index": 1, "item_id": "ws_1"},
    _done(1, SEARCH),
    _added(2, MESSAGE, content=[]),
    _delta(2, "output_text", "Grüße, ", content_index=0, logprobs=[LOGPROB]),
    _delta(2, "output_text", "世界 ", content_index=1),
    _delta(2, "output_text", "🎭", content_index=1),
    {"type": "response.output_text.annotation.added", "output_index": 2, "content_index": 1, "annotation": CITED},
    _done(2, MESSAGE),
    _added(3, CALL, arguments=""),
    _added(4, OTHER, arguments=""),
    _delta(3, "function_call_arguments", '{"at"'),
    _delta(4, "function_call_arguments", "{}"),
    _delta(3, "function_call_arguments", ':"世"}'),
    _done(3, CALL),
    _done(4, OTHER),
    _added(5, CUSTOM, input=""),
    _delta(5, "custom_tool_call_input", "4 + 4"),
    _done(5, CUSTOM),
    ENDED,
)


def test_the_events_of_a_stream_come_in_its_order() -> None:
    """Each kind of event of the wire is an event of ours, with what goes back to the host in its place."""
    assert decoded(STREAM) == [
        Start("m-1", "resp_1"),
        ReasoningDelta("S"),
        ReasoningDelta("o."),
        ReasoningDelta("\n\nThen."),
        ReasoningDelta("", to_json(REASONING).decode()),
        Notice("output of type web_search_call", "Segue does not read it, but sends it back with the message"),
        ReasoningDelta("", to_json(SEARCH).decode()),
        TextDelta("Grüße, "),
        Logprobs((TokenLogprob("Grüße", -0.5, (("Hi", -2.0),)),)),
        TextDelta("世界 "),
        TextDelta("🎭"),
        Source("https://a.example", "A", 8, 10),
        Source("file-7", "a.pdf"),
        ToolCallDelta(0, "call_a", "look"),
        ToolCallDelta(1, "call_b", "look", opaque='{"namespace":"n"}'),
        ToolCallDelta(0, None, None, '{"at"'),
        ToolCallDelta(1, None, None, "{}"),
        ToolCallDelta(0, None, None, ':"世"}'),
        ToolCallDelta(2, "call_c", "sum", kind="custom"),
        ToolCallDelta(2, None, None, "4 + 4", kind="custom"),
        Usage(9, 7, 16, cached_tokens=4, reasoning_tokens=3, cache_write_tokens=1),
        Finish("tool_calls", "completed"),
    ]


def test_a_whole_answer_is_the_reply_of_its_stream() -> None:
    """Text, reasoning, calls, sources, logprobs, usage and finish of the whole body are those of the stream."""
    assert collected(decoded(WHOLE)) == collected(decoded(STREAM))


@pytest.mark.parametrize(
    "told",
    [
        pytest.param([BEGUN, ENDED], id="only the end"),
        pytest.param([ENDED], id="not even a beginning"),
        pytest.param([BEGUN, *(_done(place, item) for place, item in enumerate(ITEMS)), ENDED], id="only whole items"),
        pytest.param(
            [
                BEGUN,
                *(_done(place, item) for place, item in enumerate(ITEMS)),
                {**ENDED, "response": {**ENDED["response"], "output": []}},
            ],
            id="an end that tells no items again",
        ),
        pytest.param(
            [
                BEGUN,
                *(_done(place, item) for place, item in enumerate(ITEMS)),
                {**ENDED, "response": {**ENDED["response"], "output": ITEMS[1:]}},
            ],
            id="an end that leaves out an item",
        ),
        pytest.param(
            [BEGUN, _delta(3, "function_call_arguments", '{"at"'), ENDED], id="arguments of a call that had not begun"
        ),
    ],
)
def test_what_a_host_does_not_tell_in_pieces_is_read_where_it_is_told(told: list[dict[str, Any]]) -> None:
    """Without deltas, items or a beginning the reply is the same, and nothing is in it twice."""
    assert collected(decoded(sse(*told))) == collected(decoded(STREAM))


@given(st.lists(st.integers(0, len(STREAM)), max_size=9))
def test_every_split_gives_the_same_events(places: list[int]) -> None:
    """Bytes cut anywhere, inside characters too, are the same events."""
    assert decoded(*cut(STREAM, places)) == decoded(STREAM)


@pytest.mark.parametrize("body", [STREAM, WHOLE], ids=["stream", "whole"])
@pytest.mark.parametrize("head", [b"\xef\xbb\xbf", b" \r\n "])
def test_what_stands_before_an_answer_is_passed_over(body: bytes, head: bytes) -> None:
    """A byte order mark or white space before either form changes nothing, one byte at a time too."""
    data = head + body if body is WHOLE or head.startswith(b"\xef") else b"\r\n" + body
    assert decoded(data) == decoded(body)
    assert decoded(*(data[at : at + 1] for at in range(len(data)))) == decoded(body)


@pytest.mark.parametrize("body", [b"", b": ping\n\n", b"data: 7\n\n", b"<html>\n\n", b"{]"])
def test_what_is_no_answer_is_a_protocol_error(body: bytes) -> None:
    """A whole body that is neither JSON nor events holds no answer."""
    with pytest.raises(ProtocolError):
        decoded(body)


def test_a_namespace_goes_to_the_client_and_back() -> None:
    """The namespace of a call's tool is in what we write, in a stream, and comes back with the call."""
    call = ToolCallDelta(0, "c", "look", "{}", opaque='{"namespace":"n"}')
    data = b"".join(render_stream([Start("m", "r"), call, Finish("tool_calls")]))
    assert next(event for event in decoded(data) if isinstance(event, ToolCallDelta)).opaque == '{"namespace":"n"}'
    (item,) = json.loads(data.rpartition(b"data: ")[2])["response"]["output"]
    _, request = read(to_json({"model": "m", "input": [item]}))
    assert written(request)[0]["input"][0]["namespace"] == "n"


@pytest.mark.parametrize("body", [STREAM, WHOLE], ids=["stream", "whole"])
def test_a_cut_answer_is_never_whole(body: bytes) -> None:
    """Cut after any byte, an answer has no Finish and is an error, whatever HTTP proved of the body."""
    end = len(body) - (2 if body is STREAM else 0)
    for at in range(1, end, 3):
        with pytest.raises(StreamBrokenError):
            decoded(body[:at], delimited=False)
        with pytest.raises((StreamBrokenError, ProtocolError)):
            decoded(body[:at], delimited=True)


def test_done_marks_no_end() -> None:
    """``[DONE]`` is Chat Completions' end marker; here an answer that has no other is cut."""
    with pytest.raises(StreamBrokenError):
        decoded(sse(BEGUN, _delta(0, "output_text", "a", content_index=0)) + b"data: [DONE]\n\n")


@pytest.mark.parametrize(
    ("response", "finish"),
    [
        ({"status": "completed"}, Finish("stop", "completed")),
        (
            {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}},
            Finish("length", "incomplete"),
        ),
        (
            {"status": "incomplete", "incomplete_details": {"reason": "content_filter"}},
            Finish("content_filter", "incomplete"),
        ),
        ({"status": "incomplete", "incomplete_details": {"reason": "bored"}}, Finish("unknown", "incomplete")),
        ({"status": "queued"}, Finish("unknown", "queued")),
        ({}, Finish("unknown")),
    ],
)
def test_a_status_is_a_finish(response: dict[str, Any], finish: Finish) -> None:
    """The raw word is the status; ours comes of it and of its details, and a notice says what is unknown."""
    events = decoded(to_json({"id": "r", "output": [], **response}))
    assert events[-1] == finish
    assert any(isinstance(event, Notice) for event in events) is (finish.reason == "unknown")


@pytest.mark.parametrize(
    ("body", "cls", "code"),
    [
        (sse(BEGUN, {"type": "error", "code": "rate_limit_exceeded", "message": "x"}), RateLimitError, None),
        (sse({"type": "error", "error": {"type": "insufficient_quota"}}), QuotaExhaustedError, "insufficient_quota"),
        (
            sse({"type": "response.failed", "response": {"status": "failed", "error": {"code": "server_error"}}}),
            HTTPError,
            "server_error",
        ),
        (to_json({"status": "failed", "error": {"code": "invalid_request_error"}}), BadRequestError, None),
        (to_json({"error": {"type": "invalid_request_error"}}), BadRequestError, None),
        (to_json({"status": "failed", "output": [], "instructions": "the prompt"}), ServerError, None),
        (b'data: {"error":{"code":"rate_limit_exceeded"}}\n\n', RateLimitError, None),
    ],
)
def test_an_error_inside_a_200_is_typed(body: bytes, cls: type[HTTPError], code: str | None) -> None:
    """An error event, in either of its forms, and a response that failed raise what a status would."""
    with pytest.raises(cls) as caught:
        decoded(body)
    assert caught.value.status == 200
    assert caught.value.phase == "stream"
    assert code is None or caught.value.code == code
    assert "prompt" not in caught.value.body


def test_cost_is_told_in_usd() -> None:
    """OpenRouter's cost is USD, xAI's ticks are 10^10 to the dollar; a cost that is none is not known."""

    def cost(**told: object) -> float | None:
        return next(
            event.cost
            for event in decoded(to_json({"status": "completed", "output": [], "usage": told}))
            if isinstance(event, Usage)
        )

    assert cost(cost=0.25) == 0.25
    assert cost(cost_in_usd_ticks=8_384_000) == pytest.approx(0.0008384)
    assert cost(cost="much") is None
    assert cost(input_tokens=1) is None


def test_what_is_not_read_is_said_once() -> None:
    """Contents and annotations of an unknown kind are a notice each."""
    content = [{"type": "hologram"}, {"type": "hologram"}, {"type": "output_text", "annotations": [{"type": "smell"}]}]
    events = decoded(to_json({"status": "completed", "output": [{"type": "message", "content": content}]}))
    assert [event.subject for event in events if isinstance(event, Notice)] == [
        "content of type hologram",
        "annotation of type smell",
    ]


# ── what is no answer ────────────────────────────────────────────────────────────────────────────────

values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2**70) | st.text(max_size=3) | st.floats(allow_nan=False),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=3,
)


def places_of(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if path:
        yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in inner:
        yield from places_of(item, (*path, key))


EVENTS = [json.loads(line[6:]) for line in STREAM.decode().split("\n") if line.startswith("data: ")]
PLACES = list(places_of(EVENTS))


def replaced(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    if not path:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = replaced(value[path[0]], path[1:], new)
    return copy


@given(st.sampled_from(PLACES), values)
def test_a_changed_value_gives_events_or_an_error_of_ours(path: tuple[Any, ...], new: Any) -> None:
    """With any value in any place of any event, a stream and a whole body raise nothing but a SegueError."""
    events = replaced(EVENTS, path, new)
    with contextlib.suppress(SegueError):
        decoded(b"".join(b"data: %b\n\n" % to_json(event) for event in events))
    with contextlib.suppress(SegueError):
        last = events[-1]
        decoded(to_json(last.get("response", last) if isinstance(last, dict) else last))


@given(st.integers(0, len(STREAM)), st.integers(0, 40), st.binary(max_size=9), st.booleans())
def test_changed_bytes_give_events_or_an_error_of_ours(at: int, length: int, new: bytes, whole: Any) -> None:
    """With some bytes replaced the decoder raises nothing but a SegueError."""
    body = WHOLE if whole else STREAM
    with contextlib.suppress(SegueError):
        decoded(body[:at] + new + body[at + length :])


@given(
    st.sampled_from(["model", "input", "tools", "text", "reasoning", "include", "tool_choice", "instructions"]), values
)
def test_reading_a_body_raises_value_errors_only(name: str, value: Any) -> None:
    """Whatever a client sends in a field, reading it gives a request or a ValueError."""
    with contextlib.suppress(ValueError):
        read(to_json({"model": "m", "input": "x", name: value}))


@given(st.sampled_from(list(places_of(ITEMS))), values)
def test_reading_wrong_items_raises_value_errors_only(path: tuple[Any, ...], value: Any) -> None:
    """Whatever stands in an item, reading it gives a request or a ValueError."""
    with contextlib.suppress(ValueError):
        read(to_json({"model": "m", "input": replaced(ITEMS, path, value)}))


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"{", "not JSON"),
        (b"[]", "not a JSON object"),
        (b'{"input":"x"}', "model is missing"),
        (b'{"model":"m"}', "input is not a list"),
        (b'{"model":"m","input":[]}', "input is empty"),
        (b'{"model":"m","input":[{"type":7}]}', "type is not a string"),
        (b'{"model":"m","input":[{"role":"robot","content":"x"}]}', "role"),
        (b'{"model":"m","input":[{"role":"user","content":[{"type":7}]}]}', "part without a type"),
        (b'{"model":"m","input":"x","text":{"format":{"type":"grammar"}}}', "text.format"),
        (b'{"model":"m","input":"x","temperature":"hot"}', "temperature"),
    ],
)
def test_a_body_that_holds_no_request_is_a_value_error(body: bytes, told: str) -> None:
    """What is no request is a ValueError that names the field."""
    with pytest.raises(ValueError, match=told):
        read(body)


# ── requests ─────────────────────────────────────────────────────────────────────────────────────────


def written(request: Request, **options: object) -> tuple[dict[str, Any], list[str]]:
    call = encode(request, model="m", base_url="https://h.example/v1", headers={"x": "y"}, options=options)
    assert call.headers == {"content-type": "application/json", "x": "y"}
    return json.loads(call.body), [notice.subject for notice in call.notices]


EVERYTHING = Request(
    messages=(
        Message(role="system", content="Be kind."),
        Message(role="developer", content="Be brief."),
        Message(
            role="user",
            content=(
                TextPart(text="What are these?"),
                ImagePart(url="https://h.example/a.png", detail="low"),
                ImagePart(data=b"x", media_type="image/png"),
                FilePart(data=b"y", media_type="application/pdf", name="a.pdf"),
                FilePart(id="file-1"),
                AudioPart(data=b"z", format="wav"),
            ),
        ),
        Message(
            role="assistant",
            content=(
                ReasoningPart(text="So.\n\nThen.", opaque=to_json(REASONING).decode()),
                ReasoningPart(opaque=to_json(SEARCH).decode()),
                ReasoningPart(opaque='{"type":"message","role":"assistant","phase":"commentary"}'),
                TextPart(text="I shall look."),
            ),
            tool_calls=(
                ToolCall(id="a", name="look", arguments="{}", opaque='{"namespace":"n"}'),
                ToolCall(id="b", name="sum", arguments="4 + 4", kind="custom"),
            ),
        ),
        Message(role="tool", content="a cat", tool_call_id="a"),
        Message(role="tool", content=(TextPart(text="8"), ImagePart(url="https://h.example/8.png")), tool_call_id="b"),
        Message(role="assistant", content=(TextPart(text="A cat."), RefusalPart(refusal="No dog."))),
    ),
    tools=(Tool(name="look", description="looks", strict=True), Tool(name="sum")),
    tool_choice=ToolName(name="look"),
    output=Output(name="animal", json_schema={"type": "object"}, description="which", strict=True),
    settings=Settings(
        temperature=0.5,
        top_p=0.9,
        max_tokens=9,
        logprobs=True,
        top_logprobs=2,
        parallel_tool_calls=False,
        reasoning_effort="low",
    ),
    stream=True,
    extra_body={"safety_identifier": "u"},
)


def test_a_request_with_everything_is_written_in_the_words_of_the_wire() -> None:
    """Turns, parts, items that go back, tools, forced tool, schema and settings stand where the wire has them."""
    body, notices = written(EVERYTHING)
    assert notices == []
    assert body == {
        "model": "m",
        "input": [
            {"role": "system", "content": "Be kind."},
            {"role": "developer", "content": "Be brief."},
            {
                "role": "user",
                "content": [
                    {"type": "input_text", "text": "What are these?"},
                    {"type": "input_image", "image_url": "https://h.example/a.png", "detail": "low"},
                    {"type": "input_image", "image_url": "data:image/png;base64,eA=="},
                    {"type": "input_file", "file_data": "data:application/pdf;base64,eQ==", "filename": "a.pdf"},
                    {"type": "input_file", "file_id": "file-1"},
                    {"type": "input_audio", "input_audio": {"data": "eg==", "format": "wav"}},
                ],
            },
            REASONING,
            SEARCH,
            {"type": "message", "role": "assistant", "phase": "commentary", "content": "I shall look."},
            {"type": "function_call", "call_id": "a", "name": "look", "arguments": "{}", "namespace": "n"},
            {"type": "custom_tool_call", "call_id": "b", "name": "sum", "input": "4 + 4"},
            {"type": "function_call_output", "call_id": "a", "output": "a cat"},
            {
                "type": "custom_tool_call_output",
                "call_id": "b",
                "output": [
                    {"type": "input_text", "text": "8"},
                    {"type": "input_image", "image_url": "https://h.example/8.png"},
                ],
            },
            {
                "role": "assistant",
                "content": [{"type": "output_text", "text": "A cat."}, {"type": "refusal", "refusal": "No dog."}],
            },
        ],
        "tools": [
            {
                "type": "function",
                "name": "look",
                "description": "looks",
                "parameters": {"type": "object", "properties": {}},
                "strict": True,
            },
            {"type": "function", "name": "sum", "parameters": {"type": "object", "properties": {}}},
        ],
        "tool_choice": {"type": "function", "name": "look"},
        "text": {
            "format": {
                "type": "json_schema",
                "name": "animal",
                "schema": {"type": "object"},
                "description": "which",
                "strict": True,
            }
        },
        "temperature": 0.5,
        "top_p": 0.9,
        "max_output_tokens": 9,
        "include": ["message.output_text.logprobs"],
        "top_logprobs": 2,
        "parallel_tool_calls": False,
        "reasoning": {"effort": "low"},
        "stream": True,
        "safety_identifier": "u",
    }


def test_a_request_that_was_written_is_read_back() -> None:
    """``read(encode(request)) == request`` for turns of every part, tools, schema, settings and other fields."""
    call = encode(EVERYTHING, model="m", base_url="https://h.example/v1", headers={})
    assert read(call.body) == ("m", EVERYTHING)


def test_a_field_that_says_more_than_a_request_can_goes_on_whole() -> None:
    """Tools of the host, a summary, verbosity and other includes are sent on as they came, beside what is read."""
    asked = {
        "model": "m",
        "input": [{"role": "user", "content": "x"}],
        "tools": [{"type": "web_search"}, {"type": "function", "name": "f", "parameters": {}, "strict": False}],
        "tool_choice": {"type": "web_search"},
        "reasoning": {"effort": "low", "summary": "auto"},
        "text": {"format": {"type": "json_object"}, "verbosity": "low"},
        "include": ["message.output_text.logprobs", "reasoning.encrypted_content"],
        "previous_response_id": "resp_0",
    }
    model, request = read(to_json(asked))
    assert [tool.name for tool in request.tools] == ["f"]
    assert request.settings.given() == {"reasoning_effort": "low", "logprobs": True}
    assert request.output == Output()
    assert written(request) == (asked, [])
    assert model == "m"


def test_options_add_to_what_the_request_has() -> None:
    """Tables and lists are added to, other fields are set; ``extra_body`` stands above all."""
    request = Request(
        messages=(Message(role="user", content="x"),),
        tools=(Tool(name="f"),),
        settings=Settings(reasoning_effort="low", logprobs=True),
        stream=False,
        extra_body={"store": True},
    )
    body, notices = written(
        request,
        tools=[{"type": "web_search"}],
        reasoning={"summary": "auto"},
        include=["reasoning.encrypted_content"],
        previous_response_id="resp_0",
        store=False,
    )
    assert [tool["type"] for tool in body["tools"]] == ["function", "web_search"]
    assert body["reasoning"] == {"effort": "low", "summary": "auto"}
    assert body["include"] == ["message.output_text.logprobs", "reasoning.encrypted_content"]
    assert (body["previous_response_id"], body["store"], notices) == ("resp_0", True, [])
    assert "stream" not in body


def test_settings_without_words_are_left_out_and_said() -> None:
    """seed, penalties, top_k and speakers' names are noticed; n and stop make another answer and are refused."""
    message = Message(role="user", content="x", name="anna")
    tuning = Settings(seed=1, top_k=2, frequency_penalty=0.5, presence_penalty=0.5, n=1)
    body, notices = written(Request(messages=(message, message), settings=tuning, stream=False))
    assert body == {"model": "m", "input": [{"role": "user", "content": "x"}] * 2}
    assert sorted(notices) == ["frequency_penalty", "name", "presence_penalty", "seed", "top_k"]
    for settings in (Settings(n=2), Settings(stop=("END",))):
        with pytest.raises(UnsupportedError):
            written(Request(messages=(message,), settings=settings))
    body, notices = written(
        Request(messages=(message,), settings=Settings(stop=("END",)), policy=Policy(meaning="send"), stream=False)
    )
    assert body["stop"] == ["END"]


@pytest.mark.parametrize(
    ("opaque", "stored", "sent"),
    [
        (to_json(REASONING).decode(), False, True),
        ('{"type":"reasoning","id":"rs_1","summary":[]}', True, True),
        ('{"type":"reasoning","id":"rs_1","summary":[]}', False, False),
        ('{"type":"thinking","signature":"s"}', True, False),
        ('{"type":"reasoning.text","signature":"s"}', True, False),
        ("no JSON", True, False),
        (None, True, False),
    ],
)
def test_reasoning_goes_back_only_where_its_host_would_know_it(opaque: str | None, stored: bool, sent: bool) -> None:
    """Items of this wire go back unchanged; one that was neither stored nor encrypted, or is foreign, does not."""
    turn = Message(role="assistant", content=(ReasoningPart(text="hm", opaque=opaque), TextPart(text="yes")))
    body, notices = written(Request(messages=(turn, turn)), store=stored)
    said = {"role": "assistant", "content": "yes"}
    assert body["input"] == ([json.loads(opaque or ""), said] * 2 if sent else [said, said])
    assert notices == ([] if sent else ["reasoning"])


def test_an_answer_goes_back_as_it_came() -> None:
    """The message of a reply, sent back, has the reasoning and the host's items unchanged before text and calls."""
    message = collected(decoded(STREAM)).message
    body, notices = written(Request(messages=(message,)))
    kinds = [item.get("type", "message") for item in body["input"]]
    assert kinds == ["reasoning", "web_search_call", "message", "function_call", "function_call", "custom_tool_call"]
    assert body["input"][:2] == [REASONING, SEARCH]
    assert notices == []


# ── what we write, read by us and by the SDK ─────────────────────────────────────────────────────────

START = Start("m-1", "resp_7")
COUNTED = Usage(input_tokens=5, output_tokens=7, total_tokens=12, cached_tokens=3, reasoning_tokens=2)
ANSWERS: dict[str, list[Event]] = {
    "text": [START, TextDelta("Grüße, "), TextDelta("Welt 🎭"), COUNTED, Finish("stop", "completed")],
    "nothing": [START, COUNTED, Finish("stop", "completed")],
    "cut": [START, TextDelta("Grü"), COUNTED, Finish("length", "incomplete")],
    "filtered": [START, TextDelta("G"), Finish("content_filter", "incomplete")],
    "reasoning": [
        START,
        ReasoningDelta("hm "),
        ReasoningDelta("so", '{"type":"thinking","signature":"s"}'),
        TextDelta("yes"),
        COUNTED,
        Finish("stop", "completed"),
    ],
    "refusal": [START, RefusalDelta("I had "), RefusalDelta("rather not"), COUNTED, Finish("stop", "completed")],
    "parallel tools": [
        START,
        TextDelta("I shall look."),
        ToolCallDelta(0, "call-a", "weather", ""),
        ToolCallDelta(1, "call-b", "time", '{"zone"'),
        ToolCallDelta(0, None, None, '{"city":"Köln"}'),
        ToolCallDelta(1, None, None, ':"CET"}'),
        COUNTED,
        Finish("tool_calls", "completed"),
    ],
    "logprobs": [
        START,
        TextDelta("yes"),
        Logprobs((TokenLogprob("yes", -0.25, (("yes", -0.25), ("no", -1.5))),)),
        COUNTED,
        Finish("stop", "completed"),
    ],
    "sources": [
        START,
        TextDelta("It is so."),
        Source("https://a.example", "A", 0, 9),
        Source("file-7", "a.pdf"),
        COUNTED,
        Finish("stop", "completed"),
    ],
    "of another wire": [START, TextDelta("a"), COUNTED, Finish("stop", "end_turn")],
}


@pytest.fixture(params=ANSWERS)
def answer(request: pytest.FixtureRequest) -> list[Event]:
    return ANSWERS[request.param]


def without_opaque(reply: Reply[Any]) -> dict[str, Any]:
    return {
        "said": (reply.text, reply.reasoning, reply.refusal, reply.tool_calls, reply.sources, reply.logprobs),
        "end": (reply.finish_reason, reply.raw_finish_reason, reply.usage),
        "who": (reply.response_model, reply.response_id),
    }


@pytest.mark.parametrize("how", ["stream", "whole"])
def test_an_answer_that_was_written_is_read_back(answer: list[Event], how: str) -> None:
    """What `render_stream` and `render` write our decoder reads as it was meant, in pieces of 5 bytes too."""
    reply = collected(answer)
    data = b"".join(render_stream(answer)) if how == "stream" else render(reply)
    again = collected(decoded(data))
    assert collected(decoded(*(data[at : at + 5] for at in range(0, len(data), 5)))) == again
    meant = without_opaque(reply)
    if reply.raw_finish_reason == "end_turn":
        meant["end"] = (reply.finish_reason, "completed", reply.usage)  # in this wire's word
    assert without_opaque(again) == meant


def test_what_a_client_was_given_it_gives_back() -> None:
    """Another wire's opaque part comes back from the client as it was; an item of this wire stays one."""
    foreign = '{"type":"thinking","signature":"s"}'
    events: list[Event] = [START, ReasoningDelta("hm", foreign), ReasoningDelta("", to_json(REASONING).decode())]
    output = json.loads(render(collected([*events, TextDelta("yes"), Finish("stop")])))["output"]
    assert output[1] == REASONING
    _, request = read(to_json({"model": "m", "input": [*output, {"role": "user", "content": "on"}]}))
    assert request.messages[0].parts == (
        ReasoningPart(text="hm", opaque=foreign),
        ReasoningPart(text="So.\n\nThen.", opaque=to_json(REASONING).decode()),
        TextPart(text="yes"),
    )


def sdk(host: OpenAIHost) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(api_key="sk-test", base_url=host.url, max_retries=0)


def is_as_meant(told: Any, reply: Reply[Any]) -> None:
    """Whether the SDK's object says what the reply says."""
    assert (told.id, told.model, told.object) == ("resp_7", "m-1", "response")
    assert told.output_text == reply.text
    contents = [part for item in told.output if item.type == "message" for part in item.content]
    assert "".join(part.refusal for part in contents if part.type == "refusal") == (reply.refusal or "")
    thought = [item for item in told.output if item.type == "reasoning"]
    assert "".join(part.text for item in thought for part in item.summary) == reply.reasoning
    assert [item.encrypted_content for item in thought] == [part.opaque for part in reply.choices[0].reasoning_parts]
    assert [(c.call_id, c.name, c.arguments) for c in told.output if c.type == "function_call"] == [
        (call.id, call.name, call.arguments) for call in reply.tool_calls
    ]
    tokens = [token for part in contents if part.type == "output_text" for token in part.logprobs or ()]
    assert [(t.token, t.logprob, [(o.token, o.logprob) for o in t.top_logprobs]) for t in tokens] == [
        (t.token, t.logprob, list(t.top)) for t in reply.logprobs or ()
    ]
    cited = [note for part in contents if part.type == "output_text" for note in part.annotations]
    assert [note.url if note.type == "url_citation" else note.file_id for note in cited] == [
        source.url for source in reply.sources
    ]
    reasons = {"length": "max_output_tokens", "content_filter": "content_filter"}
    assert told.status == ("incomplete" if reply.finish_reason in reasons else "completed")
    reason = told.incomplete_details.reason if told.incomplete_details else None
    assert reason == reasons.get(reply.finish_reason)
    if reply.usage is None:
        assert told.usage is None
    else:
        assert (told.usage.input_tokens, told.usage.output_tokens, told.usage.total_tokens) == (5, 7, 12)
        assert told.usage.input_tokens_details.cached_tokens == 3
        assert told.usage.output_tokens_details.reasoning_tokens == 2


async def test_the_sdk_reads_a_whole_answer_as_it_was_meant(answer: list[Event]) -> None:
    """Text, refusal, reasoning, tools, usage, status, logprobs and sources of `render` arrive in the SDK's objects."""
    reply = collected(answer)
    body = Body(render(reply, created=1), content_type="application/json")
    async with OpenAIHost(script=[body]) as host, sdk(host) as client:
        told = await client.responses.create(model="m", input="x")
    is_as_meant(told, reply)
    assert told.created_at == 1


async def test_the_sdk_puts_a_stream_together_as_it_was_meant(answer: list[Event]) -> None:
    """The SDK's own accumulator makes of `render_stream` the same reply, and its deltas are the text."""
    reply = collected(answer)
    body = Body(b"".join(render_stream(answer)), split=5)
    text, last = "", None
    seen: list[int] = []
    async with OpenAIHost(script=[body]) as host, sdk(host) as client:
        async with client.responses.stream(model="m", input="x") as stream:
            event: Any
            async for event in stream:
                seen.append(event.sequence_number)
                if event.type == "response.output_text.delta":
                    text += event.delta
                if event.type in {"response.completed", "response.incomplete"}:
                    last = event.response
    assert text == reply.text
    assert seen == list(range(len(seen)))
    is_as_meant(last, reply)


async def test_what_the_sdk_sends_is_read_as_a_request() -> None:
    """A request with tools, an image, a schema and settings, written by the SDK, is read with all of it."""
    body = Body(render(collected(ANSWERS["text"])), content_type="application/json")
    async with OpenAIHost(script=[body]) as host, sdk(host) as client:
        await client.responses.create(
            model="m",
            instructions="Be brief.",
            input=[
                {
                    "role": "user",
                    "content": [
                        {"type": "input_text", "text": "What is it?"},
                        {"type": "input_image", "image_url": "data:image/png;base64,aGFsbG8=", "detail": "low"},
                    ],
                },
                {"type": "function_call", "call_id": "c", "name": "look", "arguments": "{}"},
                {"type": "function_call_output", "call_id": "c", "output": "a cat"},
            ],
            tools=[{"type": "function", "name": "look", "parameters": {"type": "object"}, "strict": False}],
            tool_choice={"type": "function", "name": "look"},
            text={"format": {"type": "json_schema", "name": "a", "schema": {"type": "object"}}},
            max_output_tokens=9,
            temperature=0.5,
        )
        model, request = read(host.requests[0].body)
    assert model == "m"
    assert [message.role for message in request.messages] == ["system", "user", "assistant", "tool"]
    assert [need.name for need in request.implied_needs()] == ["vision", "tools", "json_schema"]
    assert request.settings.given() == {"max_tokens": 9, "temperature": 0.5}
    assert request.extra_body == {}
    assert not request.stream


# ── through the front door ───────────────────────────────────────────────────────────────────────────


def config(url: str, **options: object) -> dict[str, Any]:
    return {"providers": {"openai": {"base_url": url, "options": {"wire": "responses", **options}}}}


async def test_the_option_wire_speaks_responses() -> None:
    """With ``wire = "responses"`` a stream and a whole answer are asked for and read on this wire."""
    script = [Body(STREAM, split=3), Body(WHOLE, content_type="application/json")]
    async with OpenAIHost(script=script) as host:
        async with Client(config=config(host.url), environ={"OPENAI_API_KEY": "sk-test-test"}) as client:
            async with client.stream("hi", model="openai/gpt-4o-mini") as stream:
                assert [text async for text in stream.text()] == ["Grüße, ", "世界 ", "🎭"]
                streamed = await stream.reply()
            whole = await client.chat("hi", model="openai/gpt-4o-mini")
        first, second = host.requests
    assert (first.path, first.json["stream"]) == ("/v1/responses", True)
    assert (second.path, "stream" in second.json) == ("/v1/responses", False)
    assert (streamed.text, streamed.tool_calls, streamed.usage) == (whole.text, whole.tool_calls, whole.usage)


async def test_a_call_may_choose_the_wire_and_its_fields() -> None:
    """Options of a call stand above the configuration's; verbosity has its place on either wire."""
    async with OpenAIHost(script=[Body(WHOLE, content_type="application/json")]) as host:
        environ = {"OPENAI_API_KEY": "sk-test-test", "OPENAI_BASE_URL": host.url}
        async with Client(config=False, environ=environ) as client:
            await client.chat(
                "hi",
                model="openai/gpt-4o-mini",
                options={
                    "openai": {"wire": "responses", "verbosity": "low", "previous_response_id": "resp_0", "store": True}
                },
            )
        (request,) = host.requests
    assert request.path == "/v1/responses"
    assert request.json == {
        "model": "gpt-4o-mini",
        "input": [{"role": "user", "content": "hi"}],
        "text": {"verbosity": "low"},
        "previous_response_id": "resp_0",
        "store": True,
    }


@pytest.mark.parametrize("options", [{"previous_response_id": "resp_0"}, {"wire": "responses", "modalities": ["text"]}])
async def test_an_option_of_the_other_wire_is_refused(options: dict[str, Any]) -> None:
    """What the chosen wire has no field for is not sent and not dropped in silence."""
    async with OpenAIHost() as host:
        environ = {"OPENAI_API_KEY": "sk-test-test", "OPENAI_BASE_URL": host.url}
        async with Client(config=False, environ=environ) as client:
            with pytest.raises(UnsupportedError, match="wire does not support this field"):
                await client.chat("hi", model="openai/gpt-4o-mini", options={"openai": options})
    assert host.requests == []


async def test_a_wrong_wire_in_the_configuration_is_named() -> None:
    """A wire that OpenAI does not speak is a ConfigError with the two that it does."""
    wrong = {"providers": {"openai": {"options": {"wire": "telex"}}}}
    async with Client(config=wrong, environ={"OPENAI_API_KEY": "sk-test-test"}) as client:
        with pytest.raises(ConfigError, match="expected chat or responses"):
            await client.chat("hi", model="openai/gpt-4o-mini")


class CaughtError(Exception):
    """The call that would have been sent."""


class Catching:
    """A transport that sends nothing."""

    def __init__(self) -> None:
        self.calls: list[Call] = []

    @contextlib.asynccontextmanager
    async def open(self, call: Call) -> AsyncGenerator[Any, None]:
        self.calls.append(call)
        raise CaughtError
        yield


async def sent(provider: OpenAI | Azure, model: str, key: str = "sk-test", **settings: Any) -> Call:
    transport = Catching()
    context = Context(
        model=model,
        transport=transport,
        settings=ProviderSettings(api_key=SecretStr(key), **settings),
        provider=provider.name,
    )
    with pytest.raises(CaughtError):
        async for _ in provider.stream(Request(messages=(Message(role="user", content="hi"),)), context):
            pass
    return transport.calls[0]


@pytest.mark.parametrize(
    ("model", "options", "store", "include"),
    [
        ("gpt-5.4", {}, False, ["reasoning.encrypted_content"]),
        ("gpt-4o", {}, False, None),
        ("gpt-5.4", {"store": True}, True, None),
        ("gpt-5.4", {"previous_response_id": "resp_0"}, None, None),
        ("gpt-5.4", {"store": False, "include": []}, False, []),
    ],
)
async def test_openai_keeps_nothing_unless_it_is_asked_to(
    model: str, options: dict[str, Any], store: bool | None, include: list[str] | None
) -> None:
    """Stateless is the default, with encrypted reasoning of models that think, as Chat Completions keeps nothing."""
    call = await sent(OpenAI(), model, options={"wire": "responses", **options})
    body = json.loads(call.body)
    assert call.url == "https://api.openai.com/v1/responses"
    assert (body.get("store"), body.get("include")) == (store, include)


# ── Azure ────────────────────────────────────────────────────────────────────────────────────────────

RESOURCE = "https://example-resource.openai.azure.com"


@pytest.mark.parametrize("endpoint", [RESOURCE, f"{RESOURCE}/", f"{RESOURCE}/openai", f"{RESOURCE}/openai/v1/"])
@pytest.mark.parametrize(
    ("options", "path"),
    [
        ({}, "/openai/v1/chat/completions"),
        ({"wire": "responses"}, "/openai/v1/responses"),
        ({"api_version": "preview"}, "/openai/v1/chat/completions?api-version=preview"),
        (
            {"api_version": "2024-10-21"},
            "/openai/deployments/my%2Fgpt/chat/completions?api-version=2024-10-21",
        ),
        (
            {"wire": "responses", "api_version": "2025-03-01-preview"},
            "/openai/responses?api-version=2025-03-01-preview",
        ),
    ],
)
async def test_azure_has_its_addresses(endpoint: str, options: dict[str, Any], path: str) -> None:
    """The v1 address, or with a dated version the deployment's; the version is in no repr."""
    call = await sent(Azure(), "my/gpt", base_url=endpoint, options=options)
    assert call.url == RESOURCE + path
    assert json.loads(call.body)["model"] == "my/gpt"
    assert "api-version" not in repr(call)


@pytest.mark.parametrize(
    ("key", "name", "value"),
    [
        ("0123456789abcdef", "api-key", "0123456789abcdef"),
        ("eyJhbGciOi.eyJhdWQi.c2ln", "authorization", "Bearer eyJhbGciOi.eyJhdWQi.c2ln"),
    ],
)
async def test_azure_takes_a_key_or_a_token(key: str, name: str, value: str) -> None:
    """A key goes as ``api-key``, a token of Entra ID as bearer; never both."""
    call = await sent(Azure(), "gpt", key, base_url=RESOURCE)
    assert {header: told for header, told in call.headers.items() if header != "content-type"} == {name: value}


async def test_azure_is_configured_by_its_variables() -> None:
    """AZURE_OPENAI_API_KEY and AZURE_OPENAI_ENDPOINT are read; vectors have the same addresses."""
    vectors = to_json({"data": [{"index": 0, "embedding": [0.5]}], "model": "e"})
    script = [Body(WHOLE, content_type="application/json"), Body(vectors, content_type="application/json")]
    async with OpenAIHost(script=script) as host:
        environ = {"AZURE_OPENAI_API_KEY": "canary-0123", "AZURE_OPENAI_ENDPOINT": host.url.removesuffix("/v1")}
        options = {"azure": {"wire": "responses", "api_version": "2025-03-01-preview"}}
        async with Client(config=False, environ=environ) as client:
            reply = await client.chat("hi", model="azure/mine", options=options)
            await client.embed(["x"], model="azure/embedding", options={"azure": {"api_version": "2024-10-21"}})
        chat, embed = host.requests
    assert reply.text == "Grüße, 世界 🎭"
    assert chat.path == "/openai/responses?api-version=2025-03-01-preview"
    assert embed.path == "/openai/deployments/embedding/embeddings?api-version=2024-10-21"
    assert chat.header["api-key"] == "canary-0123"


async def test_azure_without_an_address_names_the_variable() -> None:
    """A key alone is not enough: the error names AZURE_OPENAI_ENDPOINT."""
    async with Client(config=False, environ={"AZURE_OPENAI_API_KEY": "canary-0123"}) as client:
        with pytest.raises((ConfigError, ProviderError), match="AZURE_OPENAI_ENDPOINT"):
            await client.chat("hi", model="azure/mine")


# ── marks, failed tools, blocks of this wire alone ───────────────────────────────────────────────────


def test_marks_of_the_cache_stand_where_this_wire_takes_them() -> None:
    """At what a user, the system or a tool says; a time of another wire and a mark at an answer are told."""
    conversation = (
        Message(role="user", content=(TextPart(text="a"), CachePart(), TextPart(text="b"), CachePart(ttl="12h"))),
        Message(role="assistant", content=(TextPart(text="c"), CachePart())),
        Message(role="user", content=(TextPart(text="d"), CachePart(ttl="5m"))),
    )
    body, notices = written(Request(messages=conversation))
    first, _, last = body["input"]
    assert [part["prompt_cache_breakpoint"] for part in first["content"]] == [
        {"mode": "explicit"},
        {"mode": "explicit", "ttl": "12h"},
    ]
    assert last["content"][0]["prompt_cache_breakpoint"] == {"mode": "explicit"}
    assert notices == ["cache", "ttl"]
    assert read(to_json({**body, "input": [first]}))[1].messages == conversation[:1]


def test_a_tool_that_failed_says_so_in_its_text_alone() -> None:
    """This wire has no mark for it, and that is told once."""
    failed = tuple(Message(role="tool", tool_call_id=name, content="no", is_error=True) for name in "ab")
    body, notices = written(Request(messages=failed))
    assert [item["output"] for item in body["input"]] == ["no", "no"]
    assert notices == ["is_error"]


def test_a_part_that_no_part_of_ours_stands_for_goes_on_whole() -> None:
    """An image by the host's own id is one."""
    part = {"type": "input_image", "file_id": "file-7", "detail": "low"}
    request = read(to_json({"model": "m", "input": [{"role": "user", "content": [part]}]}))[1]
    assert request.messages[0].parts == (NativePart(wire="openai_responses", block=part),)
    assert written(request)[0]["input"] == [{"role": "user", "content": [part]}]
