"""The Chat Completions wire: what is written, and what every kind of answer comes to."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from segue.errors import (
    ContextLengthError,
    HTTPError,
    OverloadedError,
    ProtocolError,
    RateLimitError,
    SegueError,
    ServerError,
    StreamBrokenError,
)
from segue.events import Event, Finish, Notice, Start, TextDelta, Usage
from segue.messages import Message, Request, Settings, TextPart, read_messages
from segue.testing import OpenAIHost
from segue.wire.openai_chat import Decoder, dialect, encode

BODY = OpenAIHost.sse_body(["Grüße", " 東京", " 🎭"])


def _read(*pieces: bytes, delimited: bool = True) -> list[Event]:
    decoder = Decoder()
    events = [event for piece in pieces for event in decoder.feed(piece)]
    return [*events, *decoder.end(delimited=delimited)]


def _sse(*chunks: object, done: bool = True) -> bytes:
    told = [chunk if isinstance(chunk, bytes) else json.dumps(chunk).encode() for chunk in chunks]
    return b"".join(b"data: %b\n\n" % one for one in [*told, *([b"[DONE]"] if done else [])])


def _chunk(content: object = None, reason: object = None, **more: Any) -> dict[str, Any]:
    delta = {} if content is None else {"content": content}
    return {"id": "c1", "model": "m", "choices": [{"index": 0, "delta": delta, "finish_reason": reason}], **more}


def _text(events: list[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


def _sent(request: Request, **more: Any) -> Any:
    return json.loads(encode(request, model="m", base_url="http://127.0.0.1/v1", headers={}, **more).body)


# ── what is written ──────────────────────────────────────────────────────────────────────────────────


def test_a_request_is_written_as_the_wire_has_it() -> None:
    """The call's address, headers and JSON are exactly these, and nothing that was not asked for."""
    call = encode(
        Request(messages=read_messages("Grüße"), stream=False),
        model="m",
        base_url="http://127.0.0.1:1/v1/",
        headers={"authorization": "Bearer k"},
    )
    assert (call.method, call.url) == ("POST", "http://127.0.0.1:1/v1/chat/completions")
    assert call.headers == {"content-type": "application/json", "authorization": "Bearer k"}
    assert call.body == '{"model":"m","messages":[{"role":"user","content":"Grüße"}]}'.encode()


def test_a_stream_is_asked_for_with_its_usage() -> None:
    """A streamed request says so, and asks for the usage that a stream else leaves out."""
    sent = _sent(Request(messages=read_messages("hi")))
    assert sent["stream"] is True
    assert sent["stream_options"] == {"include_usage": True}


def test_settings_are_written_by_their_names() -> None:
    """Each setting that was given is in the JSON, a zero too, and one stop string as a list."""
    settings = Settings(temperature=0, top_p=0.5, max_tokens=7, stop="END", seed=0)  # type: ignore[arg-type]
    sent = _sent(Request(messages=read_messages("hi"), settings=settings, stream=False))
    del sent["model"], sent["messages"]
    assert sent == {"temperature": 0, "top_p": 0.5, "max_tokens": 7, "stop": ["END"], "seed": 0}


def test_a_host_may_have_its_own_name_for_max_tokens() -> None:
    """The field of the token limit is the one that the provider names, and the other one is not sent."""
    request = Request(messages=read_messages("hi"), settings=Settings(max_tokens=7))
    sent = _sent(request, dialect=dialect(["max_completion_tokens"]))
    assert sent["max_completion_tokens"] == 7
    assert "max_tokens" not in sent


def test_parts_are_written_as_parts() -> None:
    """A message of parts stays one, in its order, after a system message."""
    parts = (TextPart(text="a"), TextPart(text="b"))
    messages = (Message(role="system", content="s"), Message(role="user", content=parts))
    assert _sent(Request(messages=messages))["messages"] == [
        {"role": "system", "content": "s"},
        {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
    ]


# ── whole answers ────────────────────────────────────────────────────────────────────────────────────

WHOLE: dict[str, Any] = {
    "id": "c1",
    "model": "m-1",
    "choices": [{"message": {"role": "assistant", "content": "Grüße"}, "finish_reason": "length"}],
    "usage": {
        "prompt_tokens": 3,
        "completion_tokens": 2,
        "total_tokens": 5,
        "prompt_tokens_details": {"cached_tokens": 1},
        "completion_tokens_details": {"reasoning_tokens": 0},
    },
}


@pytest.mark.parametrize("before", [b"", b"\xef\xbb\xbf", b"\r\n \n", b"\xef\xbb\xbf\n"])
def test_a_whole_answer_gives_the_events_of_a_stream(before: bytes) -> None:
    """One JSON body, with a byte order mark or white space before it and in any pieces, is read as an answer."""
    body = before + json.dumps(WHOLE).encode()
    expected = [Start("m-1", "c1"), TextDelta("Grüße"), Usage(3, 2, 5, 1, 0), Finish("length", "length")]
    assert _read(body) == expected
    assert _read(*(body[place : place + 1] for place in range(len(body)))) == expected


def test_a_whole_answer_that_is_all_there_needs_no_framing() -> None:
    """A JSON body proves itself whole: its last brace came."""
    assert _read(json.dumps(WHOLE).encode(), delimited=False)[-1] == Finish("length", "length")


def test_a_cut_whole_answer_is_broken_at_every_byte() -> None:
    """A JSON body cut anywhere by the connection's end is StreamBrokenError, and gives no event."""
    body = json.dumps(WHOLE).encode()
    for offset in range(len(body)):
        with pytest.raises(StreamBrokenError):
            _read(body[:offset], delimited=False)


def test_a_whole_answer_without_a_reason_says_so() -> None:
    """A body without a finish_reason ends as unknown, with a notice."""
    events = _read(json.dumps({"choices": [{"message": {"content": "a"}}]}).encode())
    assert [type(event) for event in events] == [Start, TextDelta, Notice, Finish]
    assert events[-1] == Finish("unknown")


# ── streams ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "body",
    [
        b"\xef\xbb\xbf" + BODY,
        BODY.replace(b"\n", b"\r\n"),
        BODY.replace(b"\n", b"\r"),
        b": ping\n\n" + BODY.replace(b"data: ", b": keep-alive\n\ndata: "),
        BODY.replace(b"data: ", b"id: 1\nretry: 5\nevent: x\ndata:"),
    ],
    ids=["bom", "crlf", "cr", "comments", "fields"],
)
def test_the_forms_of_an_event_stream_are_one(body: bytes) -> None:
    """A byte order mark, other line ends, comments and other fields change nothing, whole or byte by byte."""
    expected = _read(BODY)
    assert _read(body) == expected
    assert _read(*(body[place : place + 1] for place in range(len(body)))) == expected


@pytest.mark.parametrize("nothing", [{"choices": None}, {"choices": []}, {}, {"choices": [{"delta": None}]}])
def test_a_chunk_without_content_is_passed_over(nothing: dict[str, Any]) -> None:
    """Chunks with no choices, null ones or a null delta give nothing."""
    events = _read(_sse(_chunk("a"), nothing, _chunk("b", "stop")))
    assert events == [Start("m", "c1"), TextDelta("a"), TextDelta("b"), Finish("stop", "stop")]


def test_a_reason_is_an_end_where_the_framing_proves_it() -> None:
    """Without [DONE] a finish_reason ends the answer if the body is whole by its framing."""
    assert _read(_sse(_chunk("a", "stop"), done=False))[-1] == Finish("stop", "stop")


def test_a_reason_is_no_end_where_the_connection_just_ended() -> None:
    """Without [DONE] and without framing a finish_reason proves nothing."""
    with pytest.raises(StreamBrokenError):
        _read(_sse(_chunk("a", "stop"), done=False), delimited=False)


@pytest.mark.parametrize("delimited", [True, False])
def test_text_without_any_end_is_broken(delimited: bool) -> None:
    """With neither reason nor [DONE] even a framed body is no whole answer."""
    with pytest.raises(StreamBrokenError):
        _read(_sse(_chunk("a"), done=False), delimited=delimited)


def test_a_marker_without_a_reason_ends_as_unknown() -> None:
    """[DONE] ends an answer whose reason never came, with a notice of that."""
    events = _read(_sse(_chunk("a")))
    assert isinstance(events[-2], Notice)
    assert events[-2].subject == "finish_reason"
    assert events[-1] == Finish("unknown")


@pytest.mark.parametrize(
    ("raw", "reason"),
    [("stop", "stop"), ("function_call", "tool_calls"), ("content_filter", "content_filter"), ("odd", "unknown")],
)
def test_reasons_keep_the_hosts_word(raw: str, reason: str) -> None:
    """A reason is one of ours, and the host's own word stands beside it."""
    finish = _read(_sse(_chunk("a", raw)))[-1]
    assert isinstance(finish, Finish)
    assert (finish.reason, finish.raw) == (reason, raw)


def test_content_after_the_reason_is_dropped() -> None:
    """The first terminal wins: later text and a later reason count no more."""
    events = _read(_sse(_chunk("a", "stop"), _chunk("b", "length")) + _sse(_chunk("c")))
    assert _text(events) == "a"
    assert events.count(Finish("stop", "stop")) == 1
    assert events[-1] == Finish("stop", "stop")


@pytest.mark.parametrize("before", [0, 1, 3])
@pytest.mark.parametrize(
    ("error", "cls"),
    [
        ({"code": "rate_limit_exceeded"}, RateLimitError),
        ({"type": "server_error", "code": None}, ServerError),
        ({"code": "context_length_exceeded"}, ContextLengthError),
        ({"code": 503}, OverloadedError),
        ({"message": "no code at all"}, ServerError),
    ],
)
def test_an_error_inside_a_stream_is_typed_by_its_code(
    error: dict[str, Any], cls: type[HTTPError], before: int
) -> None:
    """First event or a later one, an error raises its own type with status 200, after the text before it."""
    decoder = Decoder()
    decoder.request_id = "r1"
    events: list[Event] = []
    with pytest.raises(HTTPError) as caught:
        events.extend(decoder.feed(_sse(*[_chunk("a")] * before, {"error": error})))
    assert type(caught.value) is cls
    assert (caught.value.status, caught.value.phase, caught.value.request_id) == (200, "stream", "r1")
    assert _text(events) == "a" * before
    assert not decoder.finished


def test_a_whole_body_that_is_an_error_raises_it() -> None:
    """An error object with status 200 is no answer."""
    with pytest.raises(RateLimitError):
        _read(b'{"error":{"code":"rate_limit_exceeded"}}')


@pytest.mark.parametrize(
    ("chunk", "path"),
    [
        ({"choices": {"a": 1}}, "choices"),
        ({"choices": ["a"]}, "choices"),
        ({"choices": [{"delta": ["a"]}]}, "choices[].delta"),
        ({"choices": [{"delta": {"content": ["a"]}}]}, "content"),
        ({"choices": [{"delta": {}, "finish_reason": 7}]}, "choices[].finish_reason"),
        ({"usage": [1]}, "usage"),
        ([1], "object"),
        ("text", "object"),
        (b"{not json", "JSON"),
        (b'{"choices":[],"usage":{"total_tokens":NaN}}', "JSON"),
        (b"[" * 20_000, "JSON"),
        (b'{"a":' * 20_000, "JSON"),
    ],
)
def test_a_wrong_chunk_is_a_protocol_error_that_names_the_place(chunk: object, path: str) -> None:
    """What the wire does not allow is ProtocolError with the path of the field, as first event or as second."""
    for told in (_sse(chunk), _sse(_chunk("a"), chunk)):
        with pytest.raises(ProtocolError) as caught:
            _read(told)
        assert path in str(caught.value)


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"choices": []}, "choices"),
        ({"choices": [{"message": None}]}, "choices[].message"),
        ({"choices": [{"message": {"content": 1}}]}, "content"),
        ({"choices": [{"message": {}, "finish_reason": {}, "a": 1}], "usage": 3}, "usage"),
        ({"choices": [{"message": {}, "finish_reason": ["a"]}]}, "choices[].finish_reason"),
    ],
)
def test_a_wrong_body_is_a_protocol_error_that_names_the_place(body: object, path: str) -> None:
    """A whole answer of the wrong shape is ProtocolError with the path of the field."""
    with pytest.raises(ProtocolError) as caught:
        _read(json.dumps(body).encode())
    assert path in str(caught.value)


@pytest.mark.parametrize("body", [b"", b" \n", b"<!doctype html><p>hi</p>", b"\x00\xff" * 50, b'{"a":' * 20_000])
def test_a_body_that_is_no_answer_is_a_protocol_error(body: bytes) -> None:
    """A page of HTML, nothing at all, noise, or JSON too deep is ProtocolError where the body is whole."""
    with pytest.raises(ProtocolError):
        _read(body)


def test_bytes_that_are_no_utf8_become_replacement_characters() -> None:
    """Wrong UTF-8 inside a text costs that character, not the answer."""
    events = _read(_sse(b'{"choices":[{"delta":{"content":"a\xffb"},"finish_reason":"stop"}]}'))
    assert _text(events) == "a\ufffdb"


def test_counts_that_cannot_be_are_unknown() -> None:
    """A usage of negative, fractional, boolean or textual counts says nothing rather than something false."""
    counts = {"prompt_tokens": -1, "completion_tokens": True, "total_tokens": "5", "prompt_tokens_details": 1}
    assert Usage() in _read(_sse(_chunk("a", "stop"), {"choices": [], "usage": counts}))


def test_what_is_not_read_is_told_once() -> None:
    """A field that carries part of an answer and is not read is named in one notice, however often it comes."""
    images = {"choices": [{"delta": {"images": [{"type": "image_url"}]}}]}
    events = _read(_sse(images, images, _chunk(None, "stop")))
    assert [event.subject for event in events if isinstance(event, Notice)] == ["images"]
    assert events[-1] == Finish("stop", "stop")


@given(
    st.lists(st.tuples(st.integers(0, len(BODY) - 1), st.integers(0, 2), st.binary(max_size=6)), max_size=12),
    st.integers(1, 400),
    st.booleans(),
)
@example([(6, 0, b"["), (7, 0, b"9")], 400, True)
def test_whatever_comes_only_our_errors_are_raised(
    changes: list[tuple[int, int, bytes]], size: int, delimited: bool
) -> None:
    """A stream with bytes changed, put in or taken out gives an answer or a SegueError, nothing else."""
    body = bytearray(BODY)
    for place, removed, put in changes:
        body[place : place + removed] = put
    pieces = [bytes(body[start : start + size]) for start in range(0, len(body), size)]
    try:
        events = _read(*pieces, delimited=delimited)
    except SegueError:
        return
    assert isinstance(events[-1], Finish)
    assert sum(isinstance(event, Finish) for event in events) == 1


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 600) | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["choices", "delta", "message", "content", "error", "usage", "finish_reason", "code"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(st.lists(_JSON, max_size=4), st.booleans())
def test_whatever_json_comes_only_our_errors_are_raised(values: list[object], whole: bool) -> None:
    """JSON of any shape, as chunks or as a body, gives an answer or a SegueError, nothing else."""
    try:
        events = _read(json.dumps(values[0]).encode() if whole and values else _sse(*values))
    except SegueError:
        return
    assert isinstance(events[-1], Finish)
