"""Ollama's own wire: recorded answers, what is asked, failures, and where its server is."""

from __future__ import annotations

import base64
import contextlib
import json
from typing import Any

import pytest
from corpus import Exchange, cut, exchanges
from hypothesis import given
from hypothesis import strategies as st

from segue import (
    Client,
    ConfigError,
    Finish,
    ModelNotFoundError,
    Notice,
    ProtocolError,
    SegueError,
    ServerError,
    Start,
    StreamBrokenError,
    TextDelta,
    UnsupportedError,
    Usage,
)
from segue.events import Collector, Event, Logprobs, Reply, TokenLogprob, ToolCallDelta
from segue.messages import ImagePart, Message, Output, Policy, Request, Settings, Tool
from segue.testing import Body, OpenAIHost
from segue_ollama import decode
from segue_ollama.decode import Decoder
from segue_ollama.encode import encode
from segue_ollama.provider import address

RECORDED = exchanges(lambda exchange: exchange.api == "ollama-chat" and not exchange.failed)
CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
PNG = b"\x89PNG\r\n\x1a\n----"


def _line(**fields: Any) -> bytes:
    return json.dumps({"model": "m", **fields}, ensure_ascii=False).encode() + b"\n"


def _said(**message: Any) -> bytes:
    return _line(message={"role": "assistant", "content": "", **message}, done=False)


END = _line(
    message={"role": "assistant", "content": ""}, done=True, done_reason="stop", prompt_eval_count=5, eval_count=7
)
CALL = {"function": {"name": "weather", "arguments": {"city": "Łódź"}}}
STREAM = b"".join(
    [_said(thinking="hm, "), _said(thinking="well"), _said(content="Grüße, "), _said(content="世界"),
     _said(tool_calls=[CALL]), _said(tool_calls=[CALL]), END]
)  # fmt: skip


def read(*pieces: bytes, delimited: bool = True) -> list[Event]:
    decoder = Decoder()
    events = [event for piece in pieces for event in decoder.feed(piece)]
    return events + list(decoder.end(delimited=delimited))


def reply_of(events: list[Event]) -> Reply[Any]:
    collector = Collector()
    for event in events:
        collector.add(event)
    return collector.reply()


def body_of(request: Request, **options: Any) -> dict[str, Any]:
    call = encode(request, model="m", base_url="http://127.0.0.1:1", headers={}, options=options)
    value: dict[str, Any] = json.loads(call.body)
    return value


def notices_of(request: Request) -> set[str]:
    call = encode(request, model="m", base_url="http://127.0.0.1:1", headers={}, options={})
    return {notice.subject for notice in call.notices}


def asking(*messages: dict[str, Any], **fields: Any) -> Request:
    told = messages or ({"role": "user", "content": "hi"},)
    return Request(messages=tuple(Message.model_validate(message) for message in told), **fields)


# ── answers ──────────────────────────────────────────────────────────────────────────────────────────


@given(st.lists(st.integers(0, len(STREAM)), max_size=8))
def test_every_split_gives_the_same_events(places: list[int]) -> None:
    """Pieces cut anywhere, also inside a character, give what the whole gives."""
    assert read(*cut(STREAM, places)) == read(STREAM)


def test_calls_without_ids_are_calls_of_their_own() -> None:
    """Each call comes whole and gets an id; its arguments are JSON text again."""
    reply = reply_of(read(STREAM))
    assert [(call.id, call.name, call.args) for call in reply.tool_calls] == [
        ("call_0", "weather", {"city": "Łódź"}),
        ("call_1", "weather", {"city": "Łódź"}),
    ]
    assert (reply.reasoning, reply.text) == ("hm, well", "Grüße, 世界")
    assert (reply.finish_reason, reply.raw_finish_reason) == ("tool_calls", "stop")
    assert reply.usage == Usage(input_tokens=5, output_tokens=7, total_tokens=12)


def test_an_id_that_a_server_gives_is_kept() -> None:
    """Newer servers give calls ids, and all of them the index 0 where they come apart."""
    calls = [_said(tool_calls=[{"id": f"call_{name}", "function": {"index": 0, "name": "f"}}]) for name in "ab"]
    deltas = [event for event in read(*calls, END) if isinstance(event, ToolCallDelta)]
    assert [(delta.id, delta.arguments) for delta in deltas] == [("call_a", "{}"), ("call_b", "{}")]


def test_the_log_probabilities_of_tokens_are_told() -> None:
    """They stand beside the message, with those of other tokens."""
    told = [{"token": "a", "logprob": -0.5, "bytes": [97], "top_logprobs": [{"token": "b", "logprob": -1}]}]
    events = read(_line(message={"content": "a"}, logprobs=told), END)
    assert Logprobs((TokenLogprob("a", -0.5, (("b", -1.0),)),)) in events


@pytest.mark.parametrize("body", [STREAM, END, END.rstrip()], ids=["stream", "whole", "whole without a newline"])
@pytest.mark.parametrize("delimited", [True, False])
def test_a_cut_answer_is_never_whole(body: bytes, delimited: bool) -> None:
    """At no byte before the end of its last object does an answer end, whatever HTTP's framing says."""
    for place in range(len(body.rstrip())):
        with pytest.raises((StreamBrokenError, ProtocolError)):
            read(body[:place], delimited=delimited)
    assert isinstance(read(body, delimited=delimited)[-1], Finish)


def test_what_follows_the_end_is_not_read() -> None:
    """The first end marker is the end."""
    assert read(END + b"nonsense\n") == read(END)


def test_an_end_without_a_reason_is_told() -> None:
    """Old servers say no reason: it is unknown, and a notice says so."""
    events = read(_line(message={"content": "a"}, done=True))
    assert events[-1] == Finish("unknown", None)
    assert isinstance(events[-2], Notice)
    assert not any(isinstance(event, Usage) for event in events)


def test_a_part_that_nobody_reads_is_told_once() -> None:
    """What the message has beyond our events becomes one notice."""
    notices = [e for e in read(_said(images=["x"]), _said(images=["y"]), END) if isinstance(e, Notice)]
    assert [notice.subject for notice in notices] == ["images"]


def test_an_error_inside_the_stream_is_raised_after_what_came() -> None:
    """The text before it is given; the error is the host's, status 200."""
    decoder = Decoder()
    events = decoder.feed(_said(content="a") + b'{"error":"the model runner has stopped"}\n')
    assert next(events) == Start("m")
    assert next(events) == TextDelta("a")
    with pytest.raises(ServerError) as caught:
        next(events)
    assert (caught.value.status, caught.value.phase, caught.value.retryable) == (200, "stream", True)
    assert "runner has stopped" in caught.value.body
    assert "runner" not in str(caught.value)


@pytest.mark.parametrize(
    "line",
    [
        b"[]",
        b"{",
        b'{"message":1}',
        b'{"message":{"content":1}}',
        b'{"message":{"tool_calls":[{"function":1}]}}',
        b'{"message":{"tool_calls":[{"function":{"name":"f","arguments":"x"}}]}}',
        b'{"logprobs":[{}]}',
    ],
)
def test_what_the_wire_does_not_allow_is_a_protocol_error(line: bytes) -> None:
    """A line that is no object, or has something else where a part belongs, ends the reading."""
    with pytest.raises(ProtocolError):
        read(line + b"\n", END)


def test_an_object_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """What grows without a newline is not kept for ever."""
    monkeypatch.setattr(decode, "MAX_LINE_BYTES", 50)
    decoder = Decoder()
    assert list(decoder.feed(b" " * 50)) == []
    with pytest.raises(ProtocolError, match="larger than"):
        list(decoder.feed(b" "))
    with pytest.raises(ProtocolError, match="larger than"):
        list(Decoder().feed(b" " * 51 + b"\n"))


@given(st.data())
def test_mutated_bytes_raise_our_errors_alone(data: st.DataObject) -> None:
    """Whatever comes, it is events or a SegueError."""
    body = bytearray(STREAM)
    for _ in range(data.draw(st.integers(1, 6))):
        place = data.draw(st.integers(0, len(body) - 1))
        body[place : place + data.draw(st.integers(0, 9))] = data.draw(
            st.binary(max_size=6) | st.sampled_from([b"null", b"[]", b"{}", b"-1", b'"', b"\n", b"1e999"])
        )
        body = body or bytearray(b" ")
    with contextlib.suppress(SegueError):
        read(bytes(body), delimited=data.draw(st.booleans()))


# ── requests ─────────────────────────────────────────────────────────────────────────────────────────

# What recorded requests hold beyond ours: empty fields of their clients, and a temperature beside the table
# ``options``, where Ollama does not look for it.
_EMPTY: tuple[Any, ...] = ("", None, [], {})


def _recorded_request(body: dict[str, Any]) -> tuple[Request, dict[str, Any]]:
    """A recorded body as a request, and its options that no setting stands for."""
    table = dict(body.get("options") or {})
    ours = {name: table.pop(name) for name in ("temperature", "seed", "top_p", "top_k", "stop") if name in table}
    return (
        Request(
            messages=tuple(Message.model_validate(message) for message in body["messages"]),
            tools=tuple(Tool.model_validate(tool) for tool in body.get("tools") or ()),
            output=Output() if body.get("format") == "json" else None,
            settings=Settings(**ours),
            stream=body["stream"],
        ),
        table,
    )


@pytest.mark.parametrize("exchange", RECORDED)
def test_a_recorded_request_is_asked_in_the_same_words(exchange: Exchange) -> None:
    """Read as a request and written again, a recorded body is the same but for what is listed above."""
    recorded = exchange.recording["request"]["json"]
    if recorded is None:
        return  # the answer alone was recorded
    request, options = _recorded_request(recorded)
    wanted = {name: value for name, value in recorded.items() if value not in _EMPTY and name != "temperature"}
    assert body_of(request, **options) == {**wanted, "model": "m"}


FULL = asking(
    {"role": "developer", "content": "Be brief."},
    {
        "role": "user",
        "content": [
            {"type": "text", "text": "What is this?"},
            {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{base64.b64encode(PNG).decode()}"}},
        ],
    },
    {
        "role": "assistant",
        "content": [{"type": "reasoning", "text": "hm"}, {"type": "text", "text": "Let me see."}],
        "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"city":"x"}'}}],
    },
    {"role": "tool", "tool_call_id": "c1", "content": "sunny"},
    {"role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]},
    {"role": "user", "content": "Go on."},
    tools=(Tool(name="f", description="F.", parameters=CITY),),
    output=Output(json_schema=CITY),
    settings=Settings(
        temperature=0.5, top_p=0.9, top_k=3, max_tokens=9, stop=("x",), seed=1, frequency_penalty=0.1,
        presence_penalty=0.2, logprobs=True, top_logprobs=2, reasoning_effort="high", n=1,
    ),
)  # fmt: skip


def test_a_request_with_everything_is_written_down() -> None:
    """Each thing has its place: images beside the text, arguments as an object, settings in their table."""
    assert body_of(FULL, num_ctx=8192, keep_alive="10m") == {
        "model": "m",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "What is this?", "images": [base64.b64encode(PNG).decode()]},
            {
                "role": "assistant",
                "content": "Let me see.",
                "thinking": "hm",
                "tool_calls": [{"id": "c1", "function": {"name": "f", "arguments": {"city": "x"}}}],
            },
            {"role": "tool", "content": "sunny", "tool_call_id": "c1", "tool_name": "f"},
            {"role": "assistant", "content": "No."},
            {"role": "user", "content": "Go on."},
        ],
        "stream": True,
        "tools": [{"type": "function", "function": {"name": "f", "description": "F.", "parameters": CITY}}],
        "format": CITY,
        "logprobs": True,
        "top_logprobs": 2,
        "think": "high",
        "keep_alive": "10m",
        "options": {
            "temperature": 0.5,
            "top_p": 0.9,
            "top_k": 3,
            "num_predict": 9,
            "stop": ["x"],
            "seed": 1,
            "frequency_penalty": 0.1,
            "presence_penalty": 0.2,
            "num_ctx": 8192,
        },
    }
    assert notices_of(FULL) == set()


def test_ollama_s_own_types_take_the_request() -> None:
    """The types of its SDK, which the server's are written after, find nothing wrong in it."""
    from ollama import _types as types

    body = body_of(FULL, num_ctx=8192, keep_alive="10m")
    types.ChatRequest.model_validate(body)
    assert types.Options.model_validate(body["options"]).num_predict == 9
    turn = types.Message.model_validate(body["messages"][2])
    assert (turn.thinking, turn.tool_calls[0].function.arguments) == ("hm", {"city": "x"})


def test_no_thinking_is_false() -> None:
    """`none` is the one word that Ollama has no level for."""
    assert body_of(asking(settings=Settings(reasoning_effort="none")))["think"] is False


def test_no_tools_are_offered_where_none_shall_be_called() -> None:
    """Ollama has no other way to be told so."""
    assert "tools" not in body_of(asking(tools=(Tool(name="f"),), tool_choice="none"))


LACKING: list[tuple[str, Request]] = [
    ("n", asking(settings=Settings(n=2))),
    ("tool_choice", asking(tools=(Tool(name="f"),), tool_choice="required")),
    ("tool_choice", asking(tools=(Tool(name="f"),), tool_choice="f")),
    (
        "image",
        asking({"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://a.example/b.png"}}]}),
    ),
    (
        "audio",
        asking(
            {"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "eA==", "format": "wav"}}]}
        ),
    ),
    ("file", asking({"role": "user", "content": [{"type": "file", "file": {"file_id": "x"}}]})),
    (
        "tool_calls",
        asking({"role": "assistant", "tool_calls": [{"id": "c", "name": "f", "arguments": "[1"}]}),
    ),
]


@pytest.mark.parametrize(("subject", "request_"), LACKING)
def test_what_makes_another_answer_is_refused(subject: str, request_: Request) -> None:
    """What Ollama has no words for is refused, or left out with a notice where the policy says so."""
    with pytest.raises(UnsupportedError) as caught:
        body_of(request_)
    assert caught.value.subject == subject
    assert notices_of(request_.model_copy(update={"policy": Policy(meaning="notice")})) == {subject}


def test_what_only_tunes_is_left_out_with_a_notice() -> None:
    """Names of speakers, details of images, strictness and parallel calls have no words here."""
    request = asking(
        {"role": "user", "name": "ann", "content": [ImagePart(data=PNG, detail="low")]},
        tools=(Tool(name="f", strict=True),),
        settings=Settings(parallel_tool_calls=False),
    )
    assert notices_of(request) == {"name", "detail", "strict", "parallel_tool_calls"}


# ── where its server is ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("told", "meant"),
    [
        (None, "http://127.0.0.1:11434"),
        ("", "http://127.0.0.1:11434"),
        ("1.2.3.4", "http://1.2.3.4:11434"),
        (":56789", "http://127.0.0.1:56789"),
        ("1.2.3.4:56789", "http://1.2.3.4:56789"),
        ("'example.com:56789/'", "http://example.com:56789"),
        ("example.com/path/", "http://example.com:11434/path"),
        ("http://1.2.3.4", "http://1.2.3.4"),
        ("https://example.com", "https://example.com"),
        ("https://example.com:56789/path", "https://example.com:56789/path"),
        ("[::1]", "http://[::1]:11434"),
        ("http://[::1]:56789", "http://[::1]:56789"),
        ("0.0.0.0", "http://127.0.0.1:11434"),
        ("0.0.0.0:8080", "http://127.0.0.1:8080"),
        ("http://[::]:8080", "http://[::1]:8080"),
        ("http://127.0.0.1:11434/v1", "http://127.0.0.1:11434"),
    ],
)
def test_an_address_is_read_as_ollama_s_clients_read_it(told: str | None, meant: str) -> None:
    """A host, a port, both or a URL; what a server listens at everywhere is this machine."""
    assert address(told) == meant


@pytest.mark.parametrize("told", ["ftp://a.example", "http://me:secret@a.example", "a:b:c", "a:99999", "http://[::1"])
def test_what_is_no_address_is_a_configuration_error(told: str) -> None:
    """The variable is named, and what it holds is shown without a user and a password."""
    with pytest.raises(ConfigError, match=r"OLLAMA_HOST\) must be .* http URL, not '") as caught:
        address(told)
    assert told.replace("me:secret@", "") in str(caught.value)
    assert "secret" not in str(caught.value)


# ── over a socket ────────────────────────────────────────────────────────────────────────────────────


async def test_the_host_of_the_environment_is_asked_without_a_key() -> None:
    """OLLAMA_HOST has no scheme; a stream is asked for as such, and options of the call stand in their table."""
    async with OpenAIHost(script=[Body(STREAM, content_type="application/x-ndjson", split=3)]) as host:
        environ = {"OLLAMA_HOST": host.address.removeprefix("http://")}
        async with (
            Client(config=False, environ=environ) as client,
            client.stream("hi", model="ollama/qwen3:8b", options={"ollama": {"num_ctx": 4096}}) as stream,
        ):
            text = "".join([piece async for piece in stream.text()])
            reply = await stream.reply()
        (request,) = host.requests
    assert text == "Grüße, 世界"
    assert reply.message.tool_calls[0].args == {"city": "Łódź"}
    assert request.path == "/api/chat"
    assert "authorization" not in request.header
    assert request.json == {
        "model": "qwen3:8b",
        "messages": [{"role": "user", "content": "hi"}],
        "stream": True,
        "options": {"num_ctx": 4096},
    }


async def test_a_whole_answer_is_asked_for_as_such() -> None:
    """chat() asks for one object, and a configured key goes along."""
    whole = _line(message={"role": "assistant", "content": "yes"}, done=True, done_reason="length").rstrip()
    async with OpenAIHost(script=[Body(whole, content_type="application/json")]) as host:
        config = {"providers": {"ollama": {"base_url": host.address, "api_key": "canary-12345678"}}}
        async with Client(config=config, environ={}) as client:
            reply = await client.chat("hi", model="ollama/m")
        (request,) = host.requests
    assert (reply.text, reply.finish_reason) == ("yes", "length")
    assert request.json["stream"] is False
    assert request.header["authorization"] == "Bearer canary-12345678"


async def test_a_model_that_was_not_pulled_is_not_found() -> None:
    """Ollama tells that by the status alone."""
    step = Body(b'{"error":"model \\"x\\" not found"}', content_type="application/json", status=404)
    async with OpenAIHost(script=[step]) as host:
        async with Client(config=False, environ={"OLLAMA_HOST": host.address}) as client:
            with pytest.raises(ModelNotFoundError) as caught:
                await client.chat("hi", model="ollama/x")
    assert (caught.value.status, caught.value.next_may_help) == (404, True)


async def test_vectors_are_asked_for_on_the_wire_that_has_them() -> None:
    """Ollama speaks OpenAI's wire too, under /v1."""
    answer = b'{"object":"list","data":[{"index":0,"embedding":[0.5]}],"model":"m","usage":{"prompt_tokens":1}}'
    async with OpenAIHost(script=[Body(answer, content_type="application/json")]) as host:
        async with Client(config=False, environ={"OLLAMA_HOST": host.address}) as client:
            reply = await client.embed("hi", model="ollama/m")
        assert host.requests[0].path == "/v1/embeddings"
    assert reply.vectors == [[0.5]]
