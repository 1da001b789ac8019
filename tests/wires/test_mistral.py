"""Mistral's own wire, where it has more than Chat Completions: thoughts, references, documents, beginnings."""

from __future__ import annotations

import base64
import contextlib
import json
from typing import Any

import pytest
from corpus import Exchange, cut, exchanges, index
from hypothesis import given
from hypothesis import strategies as st

from segue import (
    BadRequestError,
    Client,
    NoCandidateError,
    ProtocolError,
    SegueError,
    StreamBrokenError,
)
from segue.events import Collector, Event, Reply, Source
from segue.messages import FilePart, Message, Output, Request, Settings, Tool
from segue.testing import Body, OpenAIHost
from segue.wire import openai_chat
from segue_mistral.decode import Decoder
from segue_mistral.encode import MISTRAL
from segue_mistral.models import MODELS

RECORDED = exchanges(lambda exchange: exchange.api == "mistral-chat" and not exchange.failed)
CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
PDF = b"%PDF-1.7"
PDF_URL = f"data:application/pdf;base64,{base64.b64encode(PDF).decode()}"
SIGNED = '{"type":"thinking","signature":"c2ln"}'
PARTS = [
    {
        "type": "thinking",
        "thinking": [{"type": "text", "text": "hm"}, {"type": "reference", "reference_ids": ["t1"]}],
        "signature": "c2ln",
    },
    {"type": "text", "text": "Paris"},
    {"type": "reference", "reference_ids": [0, "d7"]},
    {"type": "tool_reference", "tool": "web_search", "title": "Page", "url": "https://a.example"},
]


def _chunk(content: Any, reason: str | None = None) -> bytes:
    choice = {"index": 0, "delta": {"role": "assistant", "content": content}, "finish_reason": reason}
    return f"data: {json.dumps({'id': 'r', 'model': 'm', 'choices': [choice]})}\n\n".encode()


STREAM = b"".join([*(_chunk([part]) for part in PARTS), _chunk("", "stop"), b"data: [DONE]\n\n"])
WHOLE = json.dumps(
    {
        "id": "r",
        "model": "m",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": PARTS}, "finish_reason": "stop"}],
    }
).encode()


def read(*pieces: bytes) -> list[Event]:
    decoder = Decoder()
    events = [event for piece in pieces for event in decoder.feed(piece)]
    return events + list(decoder.end(delimited=True))


def reply_of(events: list[Event]) -> Reply[Any]:
    collector = Collector()
    for event in events:
        collector.add(event)
    return collector.reply()


def body_of(request: Request, **options: Any) -> dict[str, Any]:
    call = openai_chat.encode(
        request, model="m", base_url="http://127.0.0.1:1/v1", headers={}, dialect=MISTRAL, options=options
    )
    value: dict[str, Any] = json.loads(call.body)
    return value


def notices_of(request: Request) -> set[str]:
    call = openai_chat.encode(request, model="m", base_url="http://127.0.0.1:1/v1", headers={}, dialect=MISTRAL)
    return {notice.subject for notice in call.notices}


def asking(*messages: dict[str, Any], **fields: Any) -> Request:
    told = messages or ({"role": "user", "content": "hi"},)
    return Request(messages=tuple(Message.model_validate(message) for message in told), **fields)


# ── answers ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("body", [STREAM, WHOLE], ids=["stream", "whole"])
def test_thoughts_keep_their_signature_and_references_are_sources(body: bytes) -> None:
    """Both forms give the same: ids where the caller gave documents, addresses where a tool did."""
    reply = reply_of(read(body))
    assert [(part.text, part.opaque) for part in reply.choices[0].reasoning_parts] == [("hm", SIGNED)]
    assert reply.text == "Paris"
    assert reply.sources == (Source("t1"), Source("0"), Source("d7"), Source("https://a.example", "Page"))
    assert reply.notices == ()


@pytest.mark.parametrize(
    "part",
    [
        {"type": "thinking", "thinking": 1},
        {"type": "thinking", "thinking": [{"text": 1}]},
        {"type": "thinking", "thinking": [], "signature": 1},
        {"type": "reference", "reference_ids": 1},
    ],
)
def test_what_the_wire_does_not_allow_is_a_protocol_error(part: dict[str, Any]) -> None:
    """Something else where a part belongs is a ProtocolError."""
    with pytest.raises(ProtocolError):
        read(_chunk([part]))


def test_other_parts_are_those_of_chat_completions() -> None:
    """What is not Mistral's own is read, or told as unread, as on any host of the wire."""
    reply = reply_of(read(_chunk([{"type": "new"}]), _chunk("a"), _chunk("", "stop"), b"data: [DONE]\n\n"))
    assert (reply.text, [notice.subject for notice in reply.notices]) == ("a", ["content of type new"])


# ── requests ─────────────────────────────────────────────────────────────────────────────────────────


def _normalised(body: dict[str, Any]) -> dict[str, Any]:
    """Without what recorded clients write in other ways than ours.

    `prefix` and `index` where they say nothing, n = 1 and false beside stream; text alone as a part, no
    content and no calls as an empty list; an image's address without its table; thoughts in several texts; empty
    descriptions, and the type of calls and tools, which is left away at times.
    """
    messages = []
    for message in body["messages"]:
        content = message.get("content") or None
        if isinstance(content, list):
            content = [_part_normalised(part) for part in content]
            if all(part["type"] == "text" for part in content):
                content = "".join(part["text"] for part in content)
        told = {**message, "content": content, "prefix": message.get("prefix") or None}
        if told.get("tool_calls"):
            told["tool_calls"] = [
                {"id": call["id"], "type": "function", "function": call["function"]} for call in told["tool_calls"]
            ]
        messages.append({name: value for name, value in told.items() if value not in (None, [])})
    tools = json.loads(json.dumps(body.get("tools") or []))
    for tool in tools:
        tool["type"] = "function"
        for name in ("description", "strict"):
            if not tool["function"].get(name):
                tool["function"].pop(name, None)
    form = json.loads(json.dumps(body.get("response_format")))
    if form and not form.get("json_schema", {}).get("description"):
        form.get("json_schema", {}).pop("description", None)
    told = {**body, "model": "m", "messages": messages, "tools": tools, "response_format": form}
    return {name: value for name, value in told.items() if value and (name, value) != ("n", 1)}


def _part_normalised(part: dict[str, Any]) -> dict[str, Any]:
    if part["type"] == "image_url" and isinstance(part["image_url"], str):
        return {"type": "image_url", "image_url": {"url": part["image_url"]}}
    if part["type"] == "thinking":
        return {
            "type": "thinking",
            "thinking": [{"type": "text", "text": "".join(p["text"] for p in part["thinking"])}],
        }
    return part


_SETTINGS = (
    "temperature", "top_p", "max_tokens", "stop", "n", "presence_penalty", "frequency_penalty", "parallel_tool_calls",
    "reasoning_effort",
)  # fmt: skip


def _recorded_request(body: dict[str, Any]) -> Request:
    messages = []
    for message in body["messages"]:
        told = {name: value for name, value in message.items() if name != "prefix"}
        if isinstance(told.get("content"), list):
            told["content"] = [_part(part) for part in told["content"]]
        messages.append(Message.model_validate(told))
    choice, form = body.get("tool_choice"), body.get("response_format")
    given = {name: body[name] for name in _SETTINGS if name in body}
    return Request(
        messages=tuple(messages),
        tools=tuple(Tool.model_validate(_filled(tool["function"])) for tool in body.get("tools") or ()),
        tool_choice="required" if choice == "any" and body.get("tools") else None if not body.get("tools") else choice,
        output=None if form is None else Output(json_schema=form["json_schema"]["schema"],
                                                name=form["json_schema"]["name"],
                                                description=form["json_schema"].get("description"), strict=True),
        settings=Settings(seed=body.get("random_seed"), **given),
        stream=body.get("stream", False),
    )  # fmt: skip


def _filled(table: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in table.items() if value is not None}


def _part(part: dict[str, Any]) -> Any:
    if part["type"] == "thinking":
        return {"type": "reasoning", "text": "".join(piece["text"] for piece in part["thinking"])}
    if part["type"] == "document_url":
        return FilePart(data=PDF, media_type="application/pdf")
    return part


@pytest.mark.parametrize("exchange", RECORDED)
def test_a_recorded_request_is_asked_in_the_same_words(exchange: Exchange) -> None:
    """Read as a request and written again, a recorded body is the same but for what is listed above."""
    # A document by its address has no form in a message yet: it is asked for by its bytes.
    if exchange.recording["request"]["json"] is None:
        return  # the answer alone was recorded
    told = json.dumps(exchange.recording["request"]["json"]).replace("https://pdfobject.com/pdf/sample.pdf", PDF_URL)
    recorded = json.loads(told)
    got = body_of(_recorded_request(recorded), **{n: recorded[n] for n in ("safe_prompt",) if n in recorded})
    if not recorded.get("tools"):
        recorded.pop("tool_choice", None)  # some clients send one without tools
    assert _normalised(got) == _normalised(recorded)


FULL = asking(
    {"role": "developer", "content": "Be brief."},
    {
        "role": "user",
        "content": [
            {"type": "text", "text": "Read."},
            FilePart(data=PDF, media_type="application/pdf", name="a.pdf"),
            {"type": "file", "file": {"file_id": "f1"}},
            {"type": "image_url", "image_url": {"url": "https://a.example/b.png", "detail": "low"}},
        ],
    },
    {
        "role": "assistant",
        "content": [{"type": "reasoning", "text": "hm", "opaque": SIGNED}, {"type": "text", "text": "One moment."}],
        "tool_calls": [{"id": "abcdefghi", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
    },
    {"role": "tool", "tool_call_id": "abcdefghi", "content": "sunny", "name": "f"},
    {
        "role": "assistant",
        "content": [{"type": "reasoning", "text": "plain"}, {"type": "refusal", "refusal": "No."}],
    },
    {"role": "user", "content": "Go on."},
    {"role": "assistant", "content": "The weather is"},
    tools=(Tool(name="f", description="F.", parameters=CITY),),
    tool_choice="required",
    output=Output(json_schema=CITY, strict=True),
    settings=Settings(seed=1, top_k=3, logprobs=True, reasoning_effort="high", n=2),
)


def test_a_request_with_everything_is_written_down() -> None:
    """Documents, thoughts and the beginning of the answer have Mistral's own forms, settings its names."""
    assert body_of(FULL, safe_prompt=True) == {
        "model": "m",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "Read."},
                    {"type": "document_url", "document_url": PDF_URL, "document_name": "a.pdf"},
                    {"type": "file", "file_id": "f1"},
                    {"type": "image_url", "image_url": {"url": "https://a.example/b.png", "detail": "low"}},
                ],
            },
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}], "signature": "c2ln"},
                    {"type": "text", "text": "One moment."},
                ],
                "tool_calls": [{"id": "abcdefghi", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
            },
            {"role": "tool", "content": "sunny", "tool_call_id": "abcdefghi", "name": "f"},
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": [{"type": "text", "text": "plain"}]},
                    {"type": "text", "text": "No."},
                ],
            },
            {"role": "user", "content": "Go on."},
            {"role": "assistant", "content": "The weather is", "prefix": True},
        ],
        "stream": True,
        "tools": [{"type": "function", "function": {"name": "f", "description": "F.", "parameters": CITY}}],
        "tool_choice": "any",
        "response_format": {"type": "json_schema", "json_schema": {"name": "answer", "schema": CITY, "strict": True}},
        "random_seed": 1,
        "top_k": 3,
        "logprobs": True,
        "reasoning_effort": "high",
        "n": 2,
        "safe_prompt": True,
    }
    assert notices_of(FULL) == set()


def test_mistral_s_own_types_take_the_request() -> None:
    """The types of its SDK, made of its specification, find nothing wrong in it."""
    from mistralai.client import models

    asked = models.ChatCompletionRequest.model_validate(body_of(FULL, safe_prompt=True))
    assert [type(part).__name__ for part in asked.messages[1].content] == [
        "TextChunk",
        "DocumentURLChunk",
        "FileChunk",
        "ImageURLChunk",
    ]
    assert (asked.messages[2].content[0].signature, asked.messages[-1].prefix) == ("c2ln", True)


def test_a_turn_of_calls_alone_is_no_beginning() -> None:
    """Only text can be gone on with."""
    calls = [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}]
    assert "prefix" not in body_of(asking({"role": "assistant", "tool_calls": calls}))["messages"][0]


def test_names_of_speakers_are_left_out_with_a_notice() -> None:
    """Mistral refuses fields that it does not know; a tool's turn has a name."""
    request = asking({"role": "user", "name": "ann", "content": "hi"})
    assert notices_of(request) == {"name"}
    assert body_of(request)["messages"] == [{"role": "user", "content": "hi"}]


# ── over a socket ────────────────────────────────────────────────────────────────────────────────────


async def test_a_conversation_goes_on_with_its_thoughts() -> None:
    """The key comes from the environment; signed thoughts go back as they came."""
    async with OpenAIHost(script=[Body(STREAM, split=3), Body(WHOLE, content_type="application/json")]) as host:
        config = {"providers": {"mistral": {"base_url": host.url}}}
        async with Client(config=config, environ={"MISTRAL_API_KEY": "canary-12345678"}) as client:
            async with client.stream("hi", model="mistral/mistral-small-latest") as stream:
                first = await stream.reply()
            messages = [Message(role="user", content="hi"), first.message, Message(role="user", content="and?")]
            options = {"mistral": {"safe_prompt": True}}
            reply = await client.chat(messages, model="mistral/mistral-small-latest", options=options)
        asked = host.requests
    assert asked[0].header["authorization"] == "Bearer canary-12345678"
    assert (asked[0].path, asked[0].json["stream"]) == ("/v1/chat/completions", True)
    assert "stream_options" not in asked[0].json
    assert asked[1].json["safe_prompt"] is True
    assert asked[1].json["messages"][1]["content"] == [
        {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}], "signature": "c2ln"},
        {"type": "text", "text": "Paris"},
    ]
    assert reply.text == "Paris"


async def test_vectors_have_the_size_that_was_asked_for() -> None:
    """Mistral's own word for it is output_dimension."""
    answer = b'{"object":"list","data":[{"index":0,"embedding":[0.5]}],"model":"m","usage":{"prompt_tokens":1}}'
    async with OpenAIHost(script=[Body(answer, content_type="application/json")]) as host:
        config = {"providers": {"mistral": {"base_url": host.url, "api_key": "canary-12345678"}}}
        async with Client(config=config, environ={}) as client:
            reply = await client.embed("hi", model="mistral/codestral-embed", dimensions=1)
        (request,) = host.requests
    assert reply.vectors == [[0.5]]
    assert request.json == {"model": "codestral-embed", "input": ["hi"], "output_dimension": 1}


async def test_a_refused_request_is_the_caller_s() -> None:
    """Mistral answers 422 to what it does not know."""
    step = Body(b'{"object":"error","message":{"detail":[]},"type":"invalid_request_error"}', status=422,
                content_type="application/json")  # fmt: skip
    async with OpenAIHost(script=[step]) as host:
        config = {"providers": {"mistral": {"base_url": host.url, "api_key": "canary-12345678"}}}
        async with Client(config=config, environ={}) as client:
            with pytest.raises(BadRequestError) as caught:
                await client.chat("hi", model="mistral/m", extra_body={"unknown": 1})
    assert (caught.value.status, caught.value.code) == (422, "invalid_request_error")


async def test_without_a_key_the_variable_is_named() -> None:
    """Without a key the error names the variable and where to get a key."""
    async with Client(config=False, environ={}) as client:
        with pytest.raises(NoCandidateError, match="MISTRAL_API_KEY") as caught:
            await client.chat("hi", model=f"mistral/{MODELS[0].name}")
    assert "console.mistral.ai" in str(caught.value)


def test_the_address_is_where_traffic_was_recorded() -> None:
    """Every recorded request went to the declared address."""
    from segue_mistral import segue_providers

    (spec,) = segue_providers()
    urls = {exchange.recording["request"]["url"] for exchange in index() if exchange.api == "mistral-chat"}
    assert urls <= {f"{spec.url}/chat/completions"}


@given(st.lists(st.integers(0, len(STREAM)), max_size=8))
def test_every_split_gives_the_same_events(places: list[int]) -> None:
    """Wherever the bytes of a stream are cut."""
    assert read(*cut(STREAM, places)) == read(STREAM)


@pytest.mark.parametrize("body", [STREAM.removesuffix(b"data: [DONE]\n\n"), WHOLE], ids=["stream", "whole"])
def test_a_cut_answer_is_never_whole(body: bytes) -> None:
    """At no place before its end; an end of the connection proves nothing."""
    for place in range(len(body)):
        decoder = Decoder()
        list(decoder.feed(body[:place]))
        with pytest.raises((StreamBrokenError, ProtocolError)):
            list(decoder.end(delimited=False))


@given(st.data())
def test_mutated_bytes_raise_our_errors_alone(data: st.DataObject) -> None:
    """Whatever a host sends, it is events or an error of ours."""
    body = bytearray(data.draw(st.sampled_from([STREAM, WHOLE])))
    for _ in range(data.draw(st.integers(1, 5))):
        at = data.draw(st.integers(0, len(body)))
        body[at : at + data.draw(st.integers(0, 20))] = data.draw(st.binary(max_size=20))
    with contextlib.suppress(SegueError):
        read(*cut(bytes(body), [len(body) // 2]))
