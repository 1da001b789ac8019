"""Cohere's Chat wire, version 2: recorded answers and requests, failures, citations, and what has no words."""

from __future__ import annotations

import base64
import contextlib
import inspect
import json
from typing import Any

import pytest
from corpus import Exchange, cut, exchanges
from hypothesis import given
from hypothesis import strategies as st

from segue import (
    Client,
    ContextLengthError,
    Finish,
    NoCandidateError,
    Notice,
    ProtocolError,
    SegueError,
    ServerError,
    StreamBrokenError,
    UnsupportedError,
)
from segue.events import Collector, Event, Logprobs, ReasoningDelta, Reply, Source, TokenLogprob
from segue.messages import FilePart, Message, Output, Policy, Request, Settings, Tool
from segue.testing import Body, OpenAIHost
from segue_cohere import decode, embedding
from segue_cohere.decode import Decoder
from segue_cohere.encode import PLAN, THINKING, encode
from segue_cohere.models import MODELS
from segue_cohere.provider import prices_of

RECORDED = exchanges(lambda exchange: exchange.api == "cohere-chat-v2" and not exchange.failed)
CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
PNG = b"\x89PNG\r\n\x1a\n----"


def _event(kind: str, index: int | None = None, *, event: dict[str, Any] | None = None, **message: Any) -> bytes:
    told = {"type": kind, **({} if index is None else {"index": index}), **(event or {})}
    if message:
        told["delta"] = {"message": message}
    return f"event: {kind}\ndata: {json.dumps(told, ensure_ascii=False)}\n\n".encode()


def _end(reason: str | None, **more: Any) -> bytes:
    usage = {
        "billed_units": {"input_tokens": 10, "output_tokens": 5},
        "tokens": {"input_tokens": 100, "output_tokens": 20, "reasoning_tokens": 8, "image_tokens": 30},
        "cached_tokens": 60,
    }
    return _event("message-end", event={"delta": {"finish_reason": reason, "usage": usage, **more}})


START = _event("message-start", event={"id": "r1"}, role="assistant", content=[], tool_plan="", citations=[])
STREAM = b"".join(
    [
        START,
        _event("content-start", 0, content={"type": "thinking", "thinking": ""}),
        _event("content-delta", 0, content={"thinking": "hm"}),
        _event("content-end", 0),
        _event("tool-plan-delta", tool_plan="I will "),
        _event("tool-plan-delta", tool_plan="look."),
        _event("content-start", 1, content={"type": "text", "text": ""}),
        _event("content-delta", 1, content={"text": "Grüße, "}),
        _event("content-delta", 1, content={"text": "世界"}),
        _event("content-end", 1),
        _event("tool-call-start", 0, tool_calls={"id": "a", "type": "function", "function": {"name": "f"}}),
        _event("tool-call-delta", 0, tool_calls={"function": {"arguments": '{"x":'}}),
        _event("tool-call-start", 1, tool_calls={"id": "b", "type": "function", "function": {"name": "f"}}),
        _event("tool-call-delta", 0, tool_calls={"function": {"arguments": "1}"}}),
        _event("tool-call-delta", 1, tool_calls={"function": {"arguments": "{}"}}),
        _event("tool-call-end", 0),
        _end("TOOL_CALL"),
        b"data: [DONE]\n\n",
    ]
)
WHOLE = json.dumps(
    {
        "id": "r1",
        "message": {
            "role": "assistant",
            "content": [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "Grüße, 世界"}],
            "citations": [
                {"start": 7, "end": 9, "content_index": 1, "type": "TEXT_CONTENT", "sources": [
                    {"type": "document", "id": "d1", "document": {"id": "d1", "title": "T", "url": "https://a.example"}},
                    {"type": "tool", "id": "t:0", "tool_output": {"content": "x"}},
                ]},
                {"start": 0, "end": 2, "content_index": 0, "type": "THINKING_CONTENT", "sources": [{"id": "d2"}]},
            ],
        },
        "finish_reason": "COMPLETE",
    },
    ensure_ascii=False,
).encode()  # fmt: skip


def read(*pieces: bytes, delimited: bool = True, decoder: Decoder | None = None) -> list[Event]:
    decoder = decoder or Decoder()
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


def _plans(reply: Reply[Any]) -> list[Any]:
    return [part for part in reply.choices[0].reasoning_parts if part.opaque == PLAN]


@pytest.mark.parametrize("exchange", RECORDED)
def test_a_citation_s_place_is_that_of_its_words(exchange: Exchange) -> None:
    """What the place of a source points at in the text is what Cohere says is cited."""
    body = exchange.body.decode()
    if '"citations":{"start"' not in body and '"citations":[{' not in body:
        return
    reply = reply_of(read(body.encode()))
    for source in reply.sources:
        assert source.url
        assert json.dumps(reply.text[source.start : source.end], ensure_ascii=False)[1:-1] in body


@given(st.lists(st.integers(0, len(STREAM)), max_size=8))
def test_every_split_gives_the_same_events(places: list[int]) -> None:
    """Pieces cut anywhere, also inside a character, give what the whole gives."""
    assert read(*cut(STREAM, places)) == read(STREAM)


def test_a_stream_has_its_parts_in_order() -> None:
    """What was thought and what is planned are parts of their own; interleaved calls are told apart."""
    reply = reply_of(read(STREAM))
    assert [(part.text, part.opaque) for part in reply.choices[0].reasoning_parts] == [
        ("hm", THINKING),
        ("I will look.", PLAN),
    ]
    assert reply.text == "Grüße, 世界"
    assert [(call.id, call.name, call.arguments) for call in reply.tool_calls] == [
        ("a", "f", '{"x":1}'),
        ("b", "f", "{}"),
    ]
    assert (reply.finish_reason, reply.raw_finish_reason, reply.response_id) == ("tool_calls", "TOOL_CALL", "r1")


def test_the_cost_is_that_of_the_units_that_are_billed() -> None:
    """Cohere counts more tokens than it bills: with a price the host's units tell the cost, without one nothing."""
    priced = reply_of(read(STREAM, decoder=Decoder(prices=(2.0, 10.0))))
    assert priced.usage is not None
    assert (priced.usage.input_tokens, priced.usage.output_tokens, priced.usage.total_tokens) == (130, 20, 150)
    assert (priced.usage.cached_tokens, priced.usage.reasoning_tokens) == (60, 8)
    assert priced.cost == pytest.approx(7e-05)
    assert reply_of(read(STREAM)).cost is None
    assert prices_of("command-a-03-2025") == (2.5, 10.0)
    assert prices_of("command-a-vision-07-2025") is None
    assert prices_of("unknown") is None


def test_sources_have_addresses_or_ids() -> None:
    """A document's address where it has one, else its id; a place in thoughts is none in the text."""
    reply = reply_of(read(WHOLE))
    assert reply.sources == (
        Source("https://a.example", "T", 7, 9),
        Source("t:0", None, 7, 9),
        Source("d2"),
    )
    assert reply.text[7:9] == "世界"


def test_places_in_a_later_block_are_places_in_the_text() -> None:
    """Where the content has two blocks of text the second one's places begin after the first."""
    message = {
        "content": [{"type": "text", "text": "one "}, {"type": "text", "text": "two"}],
        "citations": [{"start": 0, "end": 3, "content_index": 1, "sources": [{"id": "d"}]}],
    }
    reply = reply_of(read(json.dumps({"message": message, "finish_reason": "COMPLETE"}).encode()))
    (source,) = reply.sources
    assert reply.text[source.start : source.end] == "two"


def test_log_probabilities_are_told_in_both_forms() -> None:
    """A text of several tokens has their joint probability."""
    item = {"text": "ab", "token_ids": [1, 2], "logprobs": [-0.25, -0.5]}
    streamed = _event("content-delta", 0, event={"logprobs": item}, content={"text": "ab"})
    whole = {"message": {"content": [{"type": "text", "text": "ab"}]}, "logprobs": [item], "finish_reason": "COMPLETE"}
    for body in (START + streamed + _end("COMPLETE"), json.dumps(whole).encode()):
        assert Logprobs((TokenLogprob("ab", -0.75),)) in read(body)


@pytest.mark.parametrize("body", [STREAM, WHOLE], ids=["stream", "whole"])
@pytest.mark.parametrize("delimited", [True, False])
def test_a_cut_answer_is_never_whole(body: bytes, delimited: bool) -> None:
    """At no byte before the end of message-end, or of the whole object, does an answer end."""
    end = len(body) - len(b"\ndata: [DONE]\n\n") if body is STREAM else len(body)
    for place in range(end):
        with pytest.raises((StreamBrokenError, ProtocolError)):
            read(body[:place], delimited=delimited)
    assert isinstance(read(body[: end + 1], delimited=delimited)[-1], Finish)


def test_what_follows_the_end_is_not_read() -> None:
    """message-end is the end marker; not even a second one counts."""
    body = START + _end("COMPLETE")
    assert read(body + _end("ERROR") + b"data: nonsense\n\n") == read(body)


@pytest.mark.parametrize("reason", ["ERROR", "TIMEOUT"])
@pytest.mark.parametrize("whole", [True, False])
def test_an_answer_that_failed_at_the_host_is_an_error(reason: str, whole: bool) -> None:
    """What ends with ERROR or TIMEOUT is no answer; trying again may help."""
    body = START + _end(reason)
    if whole:
        body = json.dumps({"message": {"content": []}, "finish_reason": reason}).encode()
    with pytest.raises(ServerError) as caught:
        read(body)
    assert (caught.value.status, caught.value.code, caught.value.retryable) == (200, reason, True)


def test_the_code_of_an_error_in_the_stream_decides() -> None:
    """A prompt that is too long is that also inside a stream, and its words are no part of the message."""
    with pytest.raises(ContextLengthError) as caught:
        read(START + _end("ERROR", error="secret words", error_type="TOO_MANY_TOKENS"))
    assert "secret" not in str(caught.value)
    assert "secret" in caught.value.body


def test_what_is_not_known_is_told_once() -> None:
    """Unknown events, blocks and fields become a notice each; a missing reason too."""
    body = b"".join(
        [START, _event("debug"), _event("debug"), _event("content-start", 0, content={"type": "image"}), _end(None)]
    )
    events = read(body)
    assert [event.subject for event in events if isinstance(event, Notice)] == [
        "event of type debug",
        "content of type image",
        "finish_reason",
    ]
    assert events[-1] == Finish("unknown", None)
    new = {"message": {"role": "assistant", "content": "x", "new": 1}, "finish_reason": "NEW"}
    events = read(json.dumps(new).encode())
    assert [event.subject for event in events if isinstance(event, Notice)] == ["new"]
    assert events[-1] == Finish("unknown", "NEW")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b'{"message":1}',
        b'{"message":{"content":1}}',
        b'{"message":{"content":[{"type":"text","text":1}]}}',
        b'{"message":{"tool_calls":[{"function":1}]}}',
        b'{"message":{},"logprobs":[{"text":"a","logprobs":"x"}]}',
        b"data: 1\n\n",
        b'data: {"type":"content-delta","delta":1}\n\n',
        b": nothing\n\n",
    ],
)
def test_what_the_wire_does_not_allow_is_a_protocol_error(body: bytes) -> None:
    """A body that holds no answer, or something else where a part belongs, is a ProtocolError."""
    with pytest.raises(ProtocolError):
        read(body)


def test_an_answer_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A whole answer is kept up to a limit."""
    monkeypatch.setattr(decode, "MAX_BODY_BYTES", 50)
    with pytest.raises(ProtocolError, match="larger than"):
        read(b"{" + b" " * 50)


@given(st.data())
def test_mutated_bytes_raise_our_errors_alone(data: st.DataObject) -> None:
    """Whatever comes, it is events or a SegueError."""
    body = bytearray(data.draw(st.sampled_from([STREAM, WHOLE])))
    for _ in range(data.draw(st.integers(1, 6))):
        place = data.draw(st.integers(0, max(0, len(body) - 1)))
        body[place : place + data.draw(st.integers(0, 9))] = data.draw(
            st.binary(max_size=6) | st.sampled_from([b"null", b"[]", b"{}", b"-1", b'"', b"\n", b"1e999"])
        )
    with contextlib.suppress(SegueError):
        read(bytes(body), delimited=data.draw(st.booleans()))


# ── requests ─────────────────────────────────────────────────────────────────────────────────────────


def _text_alone(content: Any) -> Any:
    """One part of text and no content are written in several ways that mean the same."""
    if isinstance(content, list) and all(part["type"] == "text" for part in content):
        return "".join(part["text"] for part in content)
    return content or ""


def _normalised(body: dict[str, Any]) -> dict[str, Any]:
    """Without what recorded clients write in other ways than ours.

    Text alone as a part, and an empty text beside calls; "schema" for "json_schema"; an empty description.
    """
    messages = []
    for message in body["messages"]:
        told = {**message, "content": _text_alone(message.get("content"))}
        messages.append({name: value for name, value in told.items() if value})
    form = body.get("response_format")
    if form and "schema" in form:
        form = {"type": form["type"], "json_schema": form["schema"]}
    for tool in body.get("tools", ()):
        if not tool["function"].get("description"):
            tool["function"].pop("description", None)
    return {**body, "model": "m", "messages": messages, **({"response_format": form} if form else {})}


def _recorded_request(body: dict[str, Any]) -> tuple[Request, dict[str, Any]]:
    """A recorded body as a request, and its options that no setting stands for."""
    messages = []
    for message in body["messages"]:
        told = dict(message)
        plan = told.pop("tool_plan", None)
        if plan:
            told["content"] = [{"type": "reasoning", "text": plan, "opaque": PLAN}]
        if isinstance(told.get("content"), list):
            told["content"] = [_part(part) for part in told["content"]]
        messages.append(Message.model_validate(told))
    form = body.get("response_format")
    schema = (form or {}).get("json_schema") or (form or {}).get("schema")
    return (
        Request(
            messages=tuple(messages),
            tools=tuple(Tool.model_validate(tool) for tool in body.get("tools") or ()),
            tool_choice=body["tool_choice"].lower() if "tool_choice" in body else None,
            output=Output(json_schema=schema) if form else None,
            settings=Settings(temperature=body.get("temperature"), stop=body.get("stop_sequences"),
                              max_tokens=body.get("max_tokens")),
            stream=body.get("stream", False),
        ),
        {name: body[name] for name in ("documents", "thinking") if name in body},
    )  # fmt: skip


def _part(part: dict[str, Any]) -> Any:
    if part["type"] != "document":
        return part
    return FilePart(data=part["document"]["data"]["output"].encode(), media_type="text/plain")


@pytest.mark.parametrize("exchange", RECORDED)
def test_a_recorded_request_is_asked_in_the_same_words(exchange: Exchange) -> None:
    """Read as a request and written again, a recorded body is the same but for what is listed above."""
    recorded = exchange.recording["request"]["json"]
    if recorded is None:
        return  # the answer alone was recorded
    request, options = _recorded_request(recorded)
    wanted = _normalised({"stream": False, **recorded})
    got = _normalised(body_of(request, **options))
    if any(isinstance(message.get("content"), list) for message in wanted["messages"] if message["role"] == "tool"):
        # The recorded client wraps results in documents under a name of its own; ours call it text.
        wanted = json.loads(json.dumps(wanted).replace('"data": {"output":', '"data": {"text":'))
    assert got == wanted


FULL = asking(
    {"role": "developer", "content": "Be brief."},
    {
        "role": "user",
        "content": [
            {"type": "text", "text": "What is this?"},
            {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{base64.b64encode(PNG).decode()}"}},
            {"type": "image_url", "image_url": {"url": "https://a.example/b.png", "detail": "low"}},
            FilePart(data=b"Paris is large.", media_type="text/plain", name="facts.txt"),
        ],
    },
    {
        "role": "assistant",
        "content": [
            {"type": "reasoning", "text": "hm", "opaque": THINKING},
            {"type": "reasoning", "text": "I will look.", "opaque": PLAN},
        ],
        "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"city":"x"}'}}],
    },
    {"role": "tool", "tool_call_id": "c1", "content": "sunny"},
    {"role": "assistant", "content": [{"type": "reasoning", "text": "foreign", "opaque": "no json"},
                                      {"type": "refusal", "refusal": "No."}]},
    {"role": "user", "content": "Go on."},
    tools=(Tool(name="f", description="F.", parameters=CITY, strict=True),),
    tool_choice="required",
    settings=Settings(temperature=0.5, top_p=0.9, top_k=3, max_tokens=9, stop=("x",), seed=1, frequency_penalty=0.1,
                      presence_penalty=0.2, logprobs=True, n=1, reasoning_effort="none"),
)  # fmt: skip


def test_a_request_with_everything_is_written_down() -> None:
    """Each thing has its place: plans and thoughts in fields of their own, settings under Cohere's names."""
    assert body_of(FULL, documents=["given"], safety_mode="STRICT") == {
        "model": "m",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "What is this?"},
                    {
                        "type": "image_url",
                        "image_url": {"url": f"data:image/png;base64,{base64.b64encode(PNG).decode()}"},
                    },
                    {"type": "image_url", "image_url": {"url": "https://a.example/b.png", "detail": "low"}},
                ],
            },
            {
                "role": "assistant",
                "content": [{"type": "thinking", "thinking": "hm"}],
                "tool_plan": "I will look.",
                "tool_calls": [
                    {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"city":"x"}'}}
                ],
            },
            {"role": "tool", "content": "sunny", "tool_call_id": "c1"},
            {
                "role": "assistant",
                "content": [{"type": "thinking", "thinking": "foreign"}, {"type": "text", "text": "No."}],
            },
            {"role": "user", "content": "Go on."},
        ],
        "stream": True,
        "tools": [{"type": "function", "function": {"name": "f", "description": "F.", "parameters": CITY}}],
        "tool_choice": "REQUIRED",
        "strict_tools": True,
        "temperature": 0.5,
        "p": 0.9,
        "k": 3,
        "max_tokens": 9,
        "stop_sequences": ["x"],
        "seed": 1,
        "frequency_penalty": 0.1,
        "presence_penalty": 0.2,
        "logprobs": True,
        "thinking": {"type": "disabled"},
        "safety_mode": "STRICT",
        "documents": ["given", {"id": "file:0", "data": {"title": "facts.txt", "text": "Paris is large."}}],
    }
    assert notices_of(FULL) == set()


def test_a_form_of_the_answer_is_a_json_object_with_its_schema() -> None:
    """With a schema and without one."""
    assert body_of(asking(output=Output(json_schema=CITY)))["response_format"] == {
        "type": "json_object",
        "json_schema": CITY,
    }
    assert body_of(asking(output=Output()))["response_format"] == {"type": "json_object"}


def test_one_tool_is_forced_by_offering_it_alone() -> None:
    """Cohere can be made to call a tool, but not a certain one of several; a notice says what was done."""
    request = asking(tools=(Tool(name="f"), Tool(name="g")), tool_choice="g")
    body = body_of(request)
    assert [tool["function"]["name"] for tool in body["tools"]] == ["g"]
    assert body["tool_choice"] == "REQUIRED"
    assert notices_of(request) == {"tool_choice"}


def test_how_much_to_think_is_left_out_with_a_notice() -> None:
    """Cohere knows whether to think; a budget of tokens is an option of its own, which stands above."""
    request = asking(settings=Settings(reasoning_effort="high"))
    assert body_of(request)["thinking"] == {"type": "enabled"}
    assert notices_of(request) == {"reasoning_effort"}
    budget = {"type": "enabled", "token_budget": 100}
    assert body_of(request, thinking=budget)["thinking"] == budget


LACKING: list[tuple[str, Request]] = [
    ("n", asking(settings=Settings(n=2))),
    ("top_logprobs", asking(settings=Settings(top_logprobs=2))),
    ("schema", asking(tools=(Tool(name="f"),), output=Output(json_schema=CITY))),
    ("file", asking({"role": "user", "content": [{"type": "file", "file": {"file_id": "x"}}]})),
    ("file", asking({"role": "user", "content": [FilePart(data=b"%PDF", media_type="application/pdf")]})),
    (
        "audio",
        asking(
            {"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "eA==", "format": "wav"}}]}
        ),
    ),
]


@pytest.mark.parametrize(("subject", "request_"), LACKING)
def test_what_makes_another_answer_is_refused(subject: str, request_: Request) -> None:
    """What Cohere has no words for is refused, or left out with a notice where the policy says so."""
    with pytest.raises(UnsupportedError) as caught:
        body_of(request_)
    assert caught.value.subject == subject
    lenient = request_.model_copy(update={"policy": Policy(meaning="notice")})
    assert notices_of(lenient) == {subject}
    assert "response_format" not in body_of(lenient)


def test_what_only_tunes_is_left_out_with_a_notice() -> None:
    """Names of speakers, parallel calls and strictness of some tools have no words here."""
    request = asking(
        {"role": "user", "name": "ann", "content": "hi"},
        tools=(Tool(name="f", strict=True), Tool(name="g")),
        settings=Settings(parallel_tool_calls=False),
    )
    assert notices_of(request) == {"name", "strict", "parallel_tool_calls"}


# ── over a socket ────────────────────────────────────────────────────────────────────────────────────


def test_coheres_own_types_take_the_request() -> None:
    """Its SDK has a type for each part, and knows each field of each."""
    from cohere import ClientV2
    from cohere.types import ChatMessageV2, ResponseFormatV2, Thinking, ToolV2
    from cohere.v2 import V2ChatRequestDocumentsItem
    from pydantic import BaseModel, TypeAdapter

    def unknown(value: Any) -> list[str]:
        if isinstance(value, BaseModel):
            inside = [line for name in type(value).model_fields for line in unknown(getattr(value, name))]
            return [*(value.model_extra or {}), *inside]
        return [line for item in value for line in unknown(item)] if isinstance(value, list) else []

    body = body_of(FULL)
    types: dict[str, Any] = {
        "messages": list[ChatMessageV2], "tools": list[ToolV2], "response_format": ResponseFormatV2,
        "documents": list[V2ChatRequestDocumentsItem], "thinking": Thinking,
    }  # fmt: skip
    for name in types.keys() & body.keys():
        assert unknown(TypeAdapter(types[name]).validate_python(body[name])) == [], name
    known = set(inspect.signature(ClientV2.chat).parameters) | {"stream"}
    assert body.keys() <= known


async def test_a_conversation_goes_on_with_its_plan() -> None:
    """Key and address come from the environment; what was planned goes back in its own field."""
    async with OpenAIHost(script=[Body(STREAM, split=3), Body(WHOLE, content_type="application/json")]) as host:
        environ = {"CO_API_KEY": "canary-12345678", "CO_API_URL": host.address}
        async with Client(config=False, environ=environ) as client:
            async with client.stream("hi", model="cohere/command-a-03-2025") as stream:
                text = "".join([piece async for piece in stream.text()])
                first = await stream.reply()
            results = [{"role": "tool", "tool_call_id": call.id, "content": "1"} for call in first.tool_calls]
            messages = [Message(role="user", content="hi"), first.message, *map(Message.model_validate, results)]
            reply = await client.chat(messages, model="cohere/command-a-03-2025", options={"cohere": {"priority": 1}})
        asked = host.requests
    assert text == "Grüße, 世界"
    assert first.cost == pytest.approx(10 * 2.5e-6 + 5 * 10e-6)
    assert [request.path for request in asked] == ["/v2/chat", "/v2/chat"]
    assert asked[0].header["authorization"] == "Bearer canary-12345678"
    assert (asked[0].json["stream"], asked[1].json["stream"], asked[1].json["priority"]) == (True, False, 1)
    turn = asked[1].json["messages"][1]
    assert (turn["tool_plan"], [part["type"] for part in turn["content"]]) == ("I will look.", ["thinking", "text"])
    assert [source.url for source in reply.sources] == ["https://a.example", "t:0", "d2"]


async def test_an_error_in_the_stream_is_raised_with_what_came() -> None:
    """Over a socket too it is the host's error, and the provider's name stands before it."""
    failing = _event("message-start", event={"id": "r"}) + _end("ERROR", error_type="INVALID_TOOL_GENERATION")
    async with OpenAIHost(script=[Body(failing)]) as host:
        config = {"providers": {"cohere": {"base_url": host.address, "api_key": "canary-12345678"}}}
        async with Client(config=config, environ={}) as client, client.stream("hi", model="cohere/m") as stream:
            with pytest.raises(ServerError, match=r"^cohere: error inside the stream \(INVALID_TOOL_GENERATION\)$"):
                await stream.reply()


async def test_without_a_key_the_variable_is_named() -> None:
    """Without a key the error names the variable and where to get a key."""
    async with Client(config=False, environ={}) as client:
        with pytest.raises(NoCandidateError, match="COHERE_API_KEY") as caught:
            await client.chat("hi", model=f"cohere/{MODELS[0].name}")
    assert "dashboard.cohere.com" in str(caught.value)


def test_reasoning_ends_with_its_kind() -> None:
    """The kind comes when the next thing begins, so that a stream's parts are those of a whole answer."""
    events = read(STREAM)
    assert [event.opaque for event in events if isinstance(event, ReasoningDelta) and event.opaque] == [THINKING, PLAN]


def test_a_turn_of_files_alone_has_no_content() -> None:
    """Its files are documents of the call; a text of a tool's result stands in the result."""
    file = FilePart(data=b"x", media_type="text/plain")
    body = body_of(asking({"role": "user", "content": [file]}))
    assert body["messages"] == [{"role": "user", "content": ""}]
    assert body["documents"] == [{"id": "file:0", "data": {"text": "x"}}]
    body = body_of(asking({"role": "tool", "tool_call_id": "c", "content": [file]}))
    assert body["messages"][0]["content"] == [{"type": "document", "document": {"data": {"text": "x"}}}]


# ── vectors ──────────────────────────────────────────────────────────────────────────────────────────


async def test_vectors_are_asked_for_with_what_they_are_for() -> None:
    """The purpose has Cohere's word; without one they are made for documents, and that is said."""
    answer = {"id": "e1", "embeddings": {"float": [[1, 0.5], [2, 0.5]]}, "meta": {"billed_units": {"input_tokens": 4}}}
    step = Body(json.dumps(answer).encode(), content_type="application/json")
    async with OpenAIHost(script=[step]) as host:
        config = {"providers": {"cohere": {"base_url": host.url, "api_key": "key-of-a-test-0123456789"}}}
        async with Client(config=config, environ={}) as client:
            query = await client.embed(["a", "b"], model="cohere/embed-v4.0", purpose="query", dimensions=2)
            plain = await client.embed("a", model="cohere/embed-v4.0", options={"cohere": {"truncate": "END"}})
    assert (query.vectors, query.notices) == ([[1, 0.5], [2, 0.5]], ())
    assert query.usage is not None
    assert query.cost == pytest.approx(4 * 0.12 / 1_000_000)
    assert [notice.subject for notice in plain.notices] == ["purpose"]
    first, second = host.requests
    assert first.path.endswith("/v2/embed")
    shared = {"model": "embed-v4.0", "embedding_types": ["float"]}
    assert first.json == {**shared, "texts": ["a", "b"], "input_type": "search_query", "output_dimension": 2}
    assert second.json == {**shared, "texts": ["a"], "input_type": "search_document", "truncate": "END"}


@pytest.mark.parametrize(
    "body", [b"{}", b'{"embeddings":{}}', b'{"embeddings":{"float":[[]]}}', b'{"embeddings":[["a"]]}', b"[]"]
)
def test_an_answer_without_vectors_is_a_protocol_error(body: bytes) -> None:
    """What is no list of numbers is no vector."""
    with pytest.raises(ProtocolError):
        embedding.decode(body)


def test_a_failure_in_place_of_vectors_is_raised() -> None:
    """A message without vectors, with status 200."""
    with pytest.raises(ServerError):
        embedding.decode(b'{"id": "x", "message": "it broke"}')
