"""Bedrock's wire: recorded answers, the framing of its streams, failures, requests, signatures, credentials."""

from __future__ import annotations

import base64
import contextlib
import datetime as dt
import json
import logging
import random
import sys
import time
import zlib
from struct import pack
from typing import TYPE_CHECKING, Any

import botocore.auth
import botocore.loaders
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials, RefreshableCredentials
from botocore.eventstream import EventStreamBuffer
from botocore.model import ServiceModel
from botocore.validate import ParamValidator
from corpus import Exchange, cut, every, exchanges
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from segue import (
    AuthenticationError,
    BadRequestError,
    Client,
    ConfigError,
    Event,
    Finish,
    HTTPError,
    NoCandidateError,
    Notice,
    OverloadedError,
    PermissionDeniedError,
    ProtocolError,
    ProviderError,
    RateLimitError,
    ReasoningDelta,
    Reply,
    Retry,
    SegueError,
    ServerError,
    Source,
    Start,
    StreamBrokenError,
    TextDelta,
    ToolCallDelta,
    UnsupportedError,
    Usage,
)
from segue.events import Collector
from segue.messages import (
    AudioPart,
    CachePart,
    FilePart,
    ImagePart,
    Message,
    Output,
    Policy,
    ReasoningPart,
    RefusalPart,
    Request,
    Settings,
    TextPart,
    Tool,
    ToolCall,
)
from segue.testing import Body, ScriptedHost
from segue.wire import Call
from segue_bedrock import ambient, decode, signing
from segue_bedrock.decode import FINISH, STATUSES, Decoder
from segue_bedrock.encode import answer_tool, encode
from segue_bedrock.event_stream import MAX_HEADERS_BYTES, EventStreamDecoder, Frame
from segue_bedrock.families import takes_forms
from segue_bedrock.models import MODELS
from segue_bedrock.signing import Signer

if TYPE_CHECKING:
    from pathlib import Path

STREAM_TYPE, JSON = "application/vnd.amazon.eventstream", "application/json"
CLAUDE, OLD_CLAUDE = "us.anthropic.claude-sonnet-4-6", "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
NOVA, NOVA_2 = "amazon.nova-lite-v1:0", "us.amazon.nova-2-lite-v1:0"
PNG = b"\x89PNG\r\n\x1a\n----"
CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
ID, SECRET, TOKEN = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "session-token-of-a-test"


# ── bytes of our own making, written without the decoder ─────────────────────────────────────────────


def message(payload: bytes, headers: bytes = b"") -> bytes:
    prelude = pack(">II", 16 + len(headers) + len(payload), len(headers))
    prelude += pack(">I", zlib.crc32(prelude))
    body = prelude + headers + payload
    return body + pack(">I", zlib.crc32(body))


def header(name: str, value: bytes, kind: int) -> bytes:
    return bytes([len(name)]) + name.encode() + bytes([kind]) + value


def words(**headers: str) -> bytes:
    told = {":" + name.replace("_", "-"): value.encode() for name, value in headers.items()}
    return b"".join(header(name, pack(">H", len(value)) + value, 7) for name, value in told.items())


def event(kind: str, **fields: Any) -> bytes:
    payload = json.dumps({**fields, "p": "abcdef"}, ensure_ascii=False).encode()
    return message(payload, words(event_type=kind, content_type=JSON, message_type="event"))


def delta(index: int, **fields: Any) -> bytes:
    return event("contentBlockDelta", contentBlockIndex=index, delta=fields)


def begun(index: int, **fields: Any) -> bytes:
    return event("contentBlockStart", contentBlockIndex=index, start=fields)


def ended(index: int) -> bytes:
    return event("contentBlockStop", contentBlockIndex=index)


def exception(kind: str, **fields: Any) -> bytes:
    return message(json.dumps(fields).encode(), words(exception_type=kind, content_type=JSON, message_type="exception"))


USAGE = {
    "inputTokens": 5, "outputTokens": 7, "totalTokens": 22, "cacheReadInputTokens": 4, "cacheWriteInputTokens": 6,
}  # fmt: skip
METADATA = event("metadata", usage=USAGE, metrics={"latencyMs": 9})
STARTED = event("messageStart", role="assistant")
FRAMES = [
    STARTED,
    delta(0, reasoningContent={"text": "hm "}),
    delta(0, reasoningContent={"text": "so"}),
    delta(0, reasoningContent={"signature": "c2ln"}),
    ended(0),
    delta(1, reasoningContent={"redactedContent": "aGlk"}),
    ended(1),
    delta(2, text="Grüße, "),
    delta(2, text="世界"),
    delta(2, citation={"title": "T", "location": {"web": {"url": "https://a.example/", "domain": "a.example"}}}),
    ended(2),
    begun(3, toolUse={"toolUseId": "t-1", "name": "f"}),
    begun(4, toolUse={"toolUseId": "t-2", "name": "g"}),
    delta(3, toolUse={"input": '{"x":'}),
    delta(4, toolUse={"input": ""}),
    delta(3, toolUse={"input": "1}"}),
    ended(3),
    ended(4),
    event("messageStop", stopReason="tool_use"),
    METADATA,
]
STREAM = b"".join(FRAMES)
CITED = {
    "content": [{"text": "Grüße, "}, {"text": "世界"}],
    "citations": [{"title": "T", "location": {"web": {"url": "https://a.example/"}}}],
}
CONTENT = [
    {"reasoningContent": {"reasoningText": {"text": "hm so", "signature": "c2ln"}}},
    {"reasoningContent": {"redactedContent": "aGlk"}},
    {"citationsContent": CITED},
    {"toolUse": {"toolUseId": "t-1", "name": "f", "input": {"x": 1}, "type": "tool_use"}},
    {"toolUse": {"toolUseId": "t-2", "name": "g", "input": {}}},
]


def whole(*content: dict[str, Any], stop: str | None = "end_turn", **more: Any) -> bytes:
    output = {"message": {"role": "assistant", "content": list(content)}}
    answer = {"output": output, "stopReason": stop, "usage": USAGE, "metrics": {"latencyMs": 9}, **more}
    return json.dumps(answer, ensure_ascii=False).encode()


WHOLE = whole(*CONTENT, stop="tool_use")


def read(*pieces: bytes, delimited: bool = True, tool: str | None = None) -> list[Event]:
    decoder = Decoder(answer_tool=tool)
    events = [event for piece in pieces for event in decoder.feed(piece)]
    return events + list(decoder.end(delimited=delimited))


def reply_of(events: list[Event], provider: str = "") -> Reply[Any]:
    collector = Collector()
    for one in events:
        collector.add(one)
    return collector.reply(provider=provider)


def notices(events: list[Event]) -> dict[str, str]:
    return {one.subject: one.message for one in events if isinstance(one, Notice)}


# ── recorded answers ─────────────────────────────────────────────────────────────────────────────────


def recorded(*, failed: bool = False) -> list[Any]:
    return exchanges(lambda one: one.api == "bedrock-converse" and one.failed is failed)


def facts(events: list[Event]) -> dict[str, Any]:
    """What an answer says, in the words of `expected`; what was cached is counted beside the input there."""
    reply = reply_of(events)
    usage = reply.usage or Usage()
    cached, written = usage.cached_tokens or 0, usage.cache_write_tokens or 0
    kept = [json.loads(part.opaque) for part in reply.choices[0].reasoning_parts if part.opaque]
    return {
        "text": reply.text,
        "reasoning_text": "".join(reply.reasoning.split()),
        "tool_calls": [(call.id, call.name, call.args) for call in reply.tool_calls],
        "finish_reason": reply.raw_finish_reason,
        "input_tokens": (usage.input_tokens or 0) - cached - written,
        "output_tokens": usage.output_tokens,
        "total_tokens": usage.total_tokens,
        "cached_tokens": cached,
        "cache_write_tokens": written,
        "n_citations": len(reply.sources),
        "server_items": [name for block in kept for name in block if name != "reasoningContent"],
    }


def expected(told: dict[str, Any]) -> dict[str, Any]:
    return {
        **{name: told[name] for name in ("finish_reason", "input_tokens", "output_tokens", "total_tokens")},
        **{name: told.get(name) or 0 for name in ("cached_tokens", "cache_write_tokens", "n_citations")},
        "text": told["text"] or "",
        "reasoning_text": "".join((told["reasoning_text"] or "").split()),
        "tool_calls": [(call["id"], call["name"], call["arguments"]) for call in told["tool_calls"]],
        "server_items": told.get("server_items") or [],
    }


@pytest.mark.parametrize("exchange", recorded())
def test_a_recorded_answer_is_read_as_the_sdk_reads_it(exchange: Exchange) -> None:
    """Text, thoughts, calls, reason, usage, sources are the SDK's; the same however the bytes are cut."""
    body = exchange.body
    events = read(body)
    assert facts(events) == expected(exchange.expected)
    assert FINISH[exchange.expected["finish_reason"]] == reply_of(events).finish_reason
    dice = random.Random(exchange.id)
    assert read(*every(body, 7)) == events
    assert read(*cut(body, [dice.randrange(len(body) + 1) for _ in range(20)])) == events
    if len(body) < 60_000:
        assert read(*every(body, 1)) == events


@pytest.mark.parametrize("exchange", recorded())
def test_a_recorded_answer_that_was_cut_is_never_whole(exchange: Exchange) -> None:
    """Cut anywhere before its end, an answer is broken off, whatever became of the connection."""
    body = exchange.body.rstrip()
    dice = random.Random(exchange.id)
    for place in {0, len(body) - 1, *(dice.randrange(len(body)) for _ in range(8))}:
        with pytest.raises((StreamBrokenError, ProtocolError)):
            read(body[:place], delimited=False)


@pytest.mark.parametrize("exchange", recorded())
def test_recorded_frames_are_those_that_botocore_finds(exchange: Exchange) -> None:
    """Headers and payloads, of each stream; it ends with messageStop and then metadata."""
    if exchange.recording["response"]["framing"] is None:
        return
    theirs = EventStreamBuffer()
    theirs.add_data(exchange.body)
    found = list(EventStreamDecoder().feed(exchange.body))
    assert [(dict(one.headers), one.payload) for one in found] == [(one.headers, one.payload) for one in theirs]
    assert [one.text(":event-type") for one in found[-2:]] == ["messageStop", "metadata"]
    assert len(found) == exchange.expected["n_events"]


@pytest.mark.parametrize("exchange", recorded(failed=True))
async def test_a_recorded_failure_has_its_type(exchange: Exchange) -> None:
    """Class, status, code and request id; the type may stand in a header alone. None of them may be tried again."""
    told, response = exchange.expected["error"], exchange.recording["response"]
    named = {name: value for name, value in response["headers"].items() if name.startswith("x-amzn-")}
    step = Body(exchange.body, content_type=JSON, status=exchange.status, headers=named)
    async with ScriptedHost(script=[step]) as host, asked(host) as client:
        with pytest.raises(HTTPError) as caught:
            await client.chat("x", model="bedrock/m")
    error = caught.value
    assert isinstance(error, BadRequestError if exchange.status == 400 else PermissionDeniedError | AuthenticationError)
    assert (error.status, error.code) == (exchange.status, None if told["code"].isdecimal() else told["code"])
    assert error.request_id == named.get("x-amzn-requestid")
    assert not error.retryable


# ── the framing ──────────────────────────────────────────────────────────────────────────────────────

HEADERS = (
    header("t", b"", 0) + header("f", b"", 1) + header("byte", b"\xff", 2) + header("short", b"\xff\xfe", 3)
    + header("int", b"\x00\x00\x01\x00", 4) + header("long", b"\xff" * 8, 5) + header("bytes", b"\x00\x02\x00\x01", 6)
    + header("string", b"\x00\x03\xe4\xb8\x96", 7) + header("time", b"\x00" * 7 + b"\x05", 8)
    + header("uuid", bytes(range(16)), 9)
)  # fmt: skip


def test_a_header_of_every_type_is_read() -> None:
    """Truth, integers of four sizes, bytes, text, a time and a UUID."""
    (frame,) = EventStreamDecoder().feed(message(b"payload", HEADERS))
    assert frame == Frame(
        {
            "t": True, "f": False, "byte": -1, "short": -2, "int": 256, "long": -1, "bytes": b"\x00\x01",
            "string": "世", "time": 5, "uuid": bytes(range(16)),
        },
        b"payload",
    )  # fmt: skip
    assert (frame.text("string"), frame.text("int"), frame.text("gone")) == ("世", "", "")


@given(st.lists(st.binary(max_size=40), max_size=5), st.lists(st.integers(0, 300), max_size=6))
def test_the_split_of_messages_changes_nothing(payloads: list[bytes], places: list[int]) -> None:
    """However they are cut, the same messages come, and nothing is held at their end."""
    data = b"".join(message(payload, HEADERS) for payload in payloads)
    decoder = EventStreamDecoder()
    pieces = cut(data, [min(place, len(data)) for place in places])
    assert [frame.payload for piece in pieces for frame in decoder.feed(piece)] == payloads
    assert not decoder.pending


BAD = {
    "prelude": lambda data: data[:9] + bytes([data[9] ^ 1]) + data[10:],
    "payload": lambda data: data[:-6] + bytes([data[-6] ^ 1]) + data[-5:],
    "checksum": lambda data: data[:-1] + bytes([data[-1] ^ 1]),
}


@pytest.mark.parametrize("part", BAD)
def test_a_wrong_checksum_is_a_protocol_error(part: str) -> None:
    """Of the prelude and of the message; what came before it was given."""
    frames = EventStreamDecoder().feed(message(b"first") + BAD[part](message(b"second")))
    assert next(frames).payload == b"first"
    with pytest.raises(ProtocolError, match="checksum"):
        next(frames)


def sized(length: int, headers: int) -> bytes:
    prelude = pack(">II", length, headers)
    return prelude + pack(">I", zlib.crc32(prelude))


@pytest.mark.parametrize(
    ("prelude", "told"),
    [
        (sized(15, 0), "shorter"),
        (sized(20, 5), "shorter"),
        (sized(2**31, 0), "larger"),
        (sized(2**31, MAX_HEADERS_BYTES + 1), "larger"),
    ],
)
def test_a_length_that_cannot_be_is_a_protocol_error(prelude: bytes, told: str) -> None:
    """It is raised by the prelude alone: nothing is waited for, or kept."""
    with pytest.raises(ProtocolError, match=told):
        list(EventStreamDecoder().feed(prelude))


@pytest.mark.parametrize(
    "headers",
    [
        b"\x05ab", b"\x01a", header("a", b"", 10), header("a", b"\x00", 3), header("a", b"\x00\x09abc", 7),
        header("a", b"\x00\x01\xff", 7), header("a", b"", 0) * 2, b"\x01\xff\x00",
    ],
)  # fmt: skip
def test_headers_that_cannot_be_read_are_a_protocol_error(headers: bytes) -> None:
    """Cut off, of an unknown type, no UTF-8, or there twice."""
    with pytest.raises(ProtocolError, match="header"):
        list(EventStreamDecoder().feed(message(b"", headers)))


def test_many_small_pieces_take_linear_time() -> None:
    """Four times the bytes of one message, byte by byte, take no sixteen times as long."""

    def seconds(size: int) -> float:
        data, decoder = message(b"x" * size), EventStreamDecoder()
        start = time.process_time()
        for piece in every(data, 1):
            for _ in decoder.feed(piece):
                pass
        return time.process_time() - start

    seconds(1_000)
    assert seconds(200_000) < 10 * seconds(50_000) + 0.1


@given(st.integers(0, len(STREAM)), st.binary(max_size=6), st.integers(0, 6))
def test_a_mutated_stream_gives_events_or_an_error_of_ours(at: int, junk: bytes, gone: int) -> None:
    """Bytes changed, put in or taken out anywhere: never another exception, and no whole answer."""
    data = STREAM[:at] + junk + STREAM[at + gone :]
    try:
        events = read(data)
    except SegueError:
        return
    assert data.startswith(STREAM)
    assert events == read(STREAM)


PIECES = st.sampled_from([
    *FRAMES, begun(0, image={"format": "png"}), begun(0, toolResult={"toolUseId": "s"}), delta(0, toolResult=[{}]),
    delta(1, reasoningContent={"redactedContent": "!"}), exception("throttlingException", message="slow"),
    event("new"), event("contentBlockDelta", delta=1), event("contentBlockStart", contentBlockIndex=-1, start={}),
    delta(3, toolUse={"input": 5}), delta(3, toolUse=[]), event("metadata", usage=3),
    message(b"[]", words(message_type="event")),
    message(b"{}"), begun(1, toolUse={"type": "server_tool_use", "name": "n", "toolUseId": "s"}), begun(1, toolUse=1),
    delta(1, toolUse={"input": "{"}), event("metadata", trace={"guardrail": [{"action": "BLOCKED"}, 3]}),
])  # fmt: skip


@given(st.lists(PIECES, max_size=12))
def test_events_out_of_order_give_events_or_an_error_of_ours(frames: list[bytes]) -> None:
    """Whatever follows whatever, with values of the wrong type among them."""
    try:
        events = read(*frames)
    except SegueError:
        return
    assert [one for one in events if isinstance(one, Finish)] == events[-1:]


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | st.sampled_from(["", "x", "toolUse", "text"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(
        st.sampled_from([
            "message", "content", "text", "toolUse", "toolResult", "reasoningContent", "reasoningText",
            "citationsContent", "citations", "location",
            "input", "name", "type", "signature", "redactedContent", "web", "x",
        ]), inner, max_size=3,
    ),
    max_leaves=8,
)  # fmt: skip


@given(VALUES, VALUES, VALUES, VALUES)
def test_a_whole_answer_of_any_shape_gives_events_or_an_error_of_ours(
    output: object, stop: object, usage: object, trace: object
) -> None:
    """Every place may hold anything."""
    body = json.dumps({"output": output, "stopReason": stop, "usage": usage, "trace": trace}).encode()
    with contextlib.suppress(SegueError):
        assert isinstance(read(body)[-1], Finish)


# ── answers of our own making ────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("body", [STREAM, WHOLE], ids=["stream", "whole"])
def test_both_forms_give_the_same_answer(body: bytes) -> None:
    """Thoughts, text, sources, calls, usage, finish: from each form, at every single cut."""
    events = read(body)
    reply = reply_of(events)
    assert (reply.text, reply.reasoning) == ("Grüße, 世界", "hm so")
    assert [(call.id, call.name, call.arguments) for call in reply.tool_calls] == [
        ("t-1", "f", '{"x":1}'), ("t-2", "g", "{}"),
    ]  # fmt: skip
    assert [part.opaque for part in reply.choices[0].reasoning_parts] == [
        '{"reasoningContent":{"reasoningText":{"signature":"c2ln"}}}',
        '{"reasoningContent":{"redactedContent":"aGlk"}}',
    ]
    assert reply.sources == (Source("https://a.example/", "T", 0, 9),)
    assert reply.usage == Usage(15, 7, 22, cached_tokens=4, cache_write_tokens=6)
    assert (events[0], events[-1]) == (Start(), Finish("tool_calls", "tool_use"))
    for place in range(0, len(body), 3):
        assert read(body[:place], body[place:]) == events


@pytest.mark.parametrize("body", [STREAM, WHOLE], ids=["stream", "whole"])
def test_no_beginning_of_an_answer_is_whole(body: bytes) -> None:
    """Cut at each offset, it is broken off; one that HTTP's framing proves ended is so from messageStop on."""
    stop = len(STREAM) - len(METADATA)
    for place in range(len(body)):
        with pytest.raises((StreamBrokenError, ProtocolError)):
            read(body[:place], delimited=False)
        if body is not STREAM or place != stop:
            with pytest.raises((StreamBrokenError, ProtocolError)):
                read(body[:place])


def test_without_its_metadata_a_stream_needs_framing() -> None:
    """What it cost is not known then, and a notice says so; a connection that just ended proves nothing."""
    events = read(*FRAMES[:-1])
    assert events[-1] == Finish("tool_calls", "tool_use")
    assert "usage" in notices(events)
    assert not [one for one in events if isinstance(one, Usage)]
    with pytest.raises(StreamBrokenError):
        read(*FRAMES[:-1], delimited=False)
    with pytest.raises(StreamBrokenError):
        read(*FRAMES[:-2], METADATA)


def test_what_follows_the_end_is_not_read() -> None:
    """The first end counts."""
    decoder = Decoder()
    events = list(decoder.feed(STREAM + exception("throttlingException") + STREAM))
    assert decoder.finished
    assert [*decoder.feed(STREAM), *decoder.end(delimited=False)] == []
    assert events == read(STREAM)


@pytest.mark.parametrize("body", [b"", b"<html>", b"not json", b"{", b"\xef\xbb\xbf[1]", b"\0" * 12])
def test_what_is_no_answer_is_a_protocol_error(body: bytes) -> None:
    """Neither JSON nor an event stream."""
    with pytest.raises(ProtocolError):
        read(body + b" " * 12 if body else body)


def test_an_answer_of_another_form_says_so() -> None:
    """JSON without a message ends for no known reason, with notices."""
    told = notices(read(b'{"ok": true}'))
    assert set(told) == {"output", "stop_reason"}


@pytest.mark.parametrize(("raw", "reason"), FINISH.items())
def test_a_stop_reason_is_one_of_ours(raw: str, reason: str) -> None:
    """Each word that the service model has; of what is malformed a notice tells."""
    events = read(whole({"text": "x"}, stop=raw))
    assert events[-1] == Finish(reason, raw)  # type: ignore[arg-type]
    assert ("stop_reason" in notices(events)) is raw.startswith("malformed")


def test_an_unknown_stop_reason_is_told() -> None:
    """It is not guessed at."""
    events = read(whole({"text": "x"}, stop="bored"))
    assert events[-1] == Finish("unknown", "bored")
    assert notices(events) == {"stop_reason": "unknown value bored"}


def test_every_reason_of_the_service_model_is_known() -> None:
    """botocore's enumeration and ours are the same."""
    assert set(FINISH) == set(service().shape_for("StopReason").enum)  # type: ignore[attr-defined]


def test_a_guardrail_is_told_of_without_what_it_matched() -> None:
    """Its names and actions, never the words that must not be seen."""
    entity = {"match": "Main Street 1", "type": "ADDRESS", "action": "ANONYMIZED"}
    rule = {"match": "12345", "regex": "[0-9]+", "name": "Account", "action": "BLOCKED"}
    quiet = {"type": "GROUNDING", "score": 1, "action": "NONE"}
    trace = {"guardrail": {
        "modelOutput": ["Main Street 1"],
        "inputAssessment": {"g": {"wordPolicy": {"customWords": [{"action": "BLOCKED"}]}}},
        "outputAssessments": {"g": [{"p": [entity, entity, quiet]}, {"r": [rule]}]},
    }}  # fmt: skip
    told = "a guardrail changed or blocked the call: word BLOCKED, ADDRESS ANONYMIZED, Account BLOCKED"
    assert notices(read(whole({"text": "x"}, trace=trace))) == {"guardrail": told}
    streamed = read(STARTED, event("messageStop", stopReason="guardrail_intervened"), event("metadata", trace=trace))
    assert notices(streamed) == {"guardrail": told}
    assert streamed[-1] == Finish("content_filter", "guardrail_intervened")


def test_a_router_says_whom_it_chose_and_fields_that_were_asked_for_are_told() -> None:
    """Both have no place in a reply but a notice."""
    trace = {"promptRouter": {"invokedModelId": "arn:x"}}
    told = notices(read(whole({"text": "x"}, trace=trace, additionalModelResponseFields={"stop_sequence": "."})))
    assert told["model"] == "the router chose arn:x"
    assert told["additional_model_response_fields"] == '{"stop_sequence":"."}'


def test_tools_of_the_hosts_own_go_back_and_are_no_calls() -> None:
    """A search of Nova's: its call and its result come as they were, in both forms."""
    call = {"toolUseId": "s", "name": "nova_grounding", "type": "server_tool_use"}
    result = {"toolUseId": "s", "type": "nova_grounding_result", "status": "success"}
    parts = [
        {"toolUse": {**call, "input": {"query": "q"}}}, {"toolResult": {**result, "content": [{"text": "[HIDDEN]"}]}},
    ]  # fmt: skip
    streamed = read(
        begun(0, toolUse=call), delta(0, toolUse={"input": '{"query":'}), delta(0, toolUse={"input": '"q"}'}), ended(0),
        begun(1, toolResult=result), delta(1, toolResult=[{"text": "[HIDDEN]"}]), ended(1),
        event("messageStop", stopReason="end_turn"), METADATA,
    )  # fmt: skip
    for events in (streamed, read(whole(*parts))):
        kept = [one.opaque for one in events if isinstance(one, ReasoningDelta)]
        assert [json.loads(opaque or "") for opaque in kept] == parts
        assert not [one for one in events if isinstance(one, ToolCallDelta)]
        assert len(notices(events)) == 2


@pytest.mark.parametrize(
    ("citation", "url"),
    [
        ({"location": {"documentChar": {"documentIndex": 2, "start": 0, "end": 9}}}, "document_2"),
        ({"location": {"documentPage": {"start": 0, "end": 9}}, "source": "name"}, "name"),
        ({"location": {"searchResultLocation": {"searchResultIndex": 1}}}, "search_result_1"),
        ({"location": {"searchResultLocation": {}}, "source": "https://s.example/"}, "https://s.example/"),
        ({}, "document_0"),
    ],
)
def test_a_citation_names_what_the_text_rests_on(citation: dict[str, Any], url: str) -> None:
    """A page, a search result by its source, a document by its place in the request."""
    body = whole({"text": "one "}, {"citationsContent": {"content": [{"text": "two"}], "citations": [citation]}})
    assert [one for one in read(body) if isinstance(one, Source)] == [Source(url, None, 4, 7)]


def test_what_is_hidden_in_pieces_is_put_together() -> None:
    """Each piece is base64 of its own; the host gets the whole back."""
    frames = [delta(0, reasoningContent={"redactedContent": base64.b64encode(part).decode()}) for part in (b"a", b"bc")]
    events = read(*frames, ended(0), event("messageStop", stopReason="end_turn"), METADATA)
    (kept,) = [one.opaque for one in events if isinstance(one, ReasoningDelta)]
    assert json.loads(kept or "") == {"reasoningContent": {"redactedContent": base64.b64encode(b"abc").decode()}}

    broken = [delta(0, reasoningContent={"redactedContent": part}) for part in ("YQ==", "!")]
    with pytest.raises(ProtocolError, match="base64"):
        read(*broken, ended(0))


def test_an_answer_larger_than_its_limit_is_a_protocol_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """A whole one is not kept beyond it, nor is a message of a stream."""
    monkeypatch.setattr(decode, "MAX_BODY_BYTES", 100)
    with pytest.raises(ProtocolError, match="larger than 100 bytes"):
        list(Decoder().feed(WHOLE))
    with pytest.raises(ProtocolError, match="larger than 10 bytes"):
        list(Decoder(max_payload_bytes=10).feed(STREAM))


def test_thoughts_that_nobody_signed_have_nothing_to_go_back() -> None:
    """Their text is told, and no opaque part."""
    events = read(whole({"reasoningContent": {"reasoningText": {"text": "hm"}}}, {"text": "x"}))
    assert [one for one in events if isinstance(one, ReasoningDelta)] == [ReasoningDelta("hm")]


def test_what_is_not_known_is_told_once() -> None:
    """An event, a block, a delta, a thought of a new type: a notice each, and the answer goes on."""
    frames = [event("new"), event("new"), begun(7, image={"format": "png"}), begun(8, image={}), delta(9, sound={}),
              delta(5, reasoningContent={"mood": 1}), ended(5)]  # fmt: skip
    events = read(STARTED, *frames, delta(0, text="x"), event("messageStop", stopReason="end_turn"), METADATA)
    assert len(notices(events)) == len([one for one in events if isinstance(one, Notice)]) == 4
    assert reply_of(events).text == "x"
    assert "content of type video" in notices(read(whole({"video": {}}, {"text": "x"})))


def test_a_tool_that_is_the_answer_is_its_text() -> None:
    """Where the form was asked for by a tool: its input is text, and the end is no call of a tool."""
    use = {"toolUseId": "t", "name": "answer"}
    streamed = [
        STARTED, begun(0, toolUse=use), delta(0, toolUse={"input": '{"city":'}), delta(0, toolUse={"input": '"P"}'}),
        ended(0), event("messageStop", stopReason="tool_use"), METADATA,
    ]  # fmt: skip
    for body in (b"".join(streamed), whole({"toolUse": {**use, "input": {"city": "P"}}}, stop="tool_use")):
        reply = reply_of(read(body, tool="answer"))
        assert (reply.text, reply.tool_calls, reply.finish_reason) == ('{"city":"P"}', (), "stop")
        assert reply_of(read(body)).finish_reason == "tool_calls"
    both = whole({"toolUse": {**use, "input": {}}}, {"toolUse": {**use, "name": "f", "input": {}}}, stop="tool_use")
    assert reply_of(read(both, tool="answer")).finish_reason == "tool_calls"


# ── failures inside a stream ─────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("kind", "cls", "passing"),
    [
        ("internalServerException", ServerError, True),
        ("modelStreamErrorException", ServerError, True),
        ("modelTimeoutException", HTTPError, True),
        ("serviceUnavailableException", OverloadedError, True),
        ("throttlingException", RateLimitError, True),
        ("validationException", BadRequestError, False),
        ("newException", ServerError, True),
    ],
)
def test_an_exception_inside_a_stream_has_its_type(kind: str, cls: type[HTTPError], passing: bool) -> None:
    """Its status is 200, its code the exception's type; what came before it was given."""
    events = Decoder().feed(STARTED + delta(0, text="x") + exception(kind, message="no", originalStatusCode=424))
    assert [next(events), next(events)] == [Start(), TextDelta("x")]
    with pytest.raises(cls) as caught:
        next(events)
    error = caught.value
    assert (error.status, error.code, error.phase, error.retryable) == (200, kind, "stream", passing)
    assert error.next_may_help is (cls is not BadRequestError)
    assert "no" in error.body


def test_the_exceptions_of_the_service_model_are_known() -> None:
    """Each that may come inside a stream has a status here."""
    stream = service().shape_for("ConverseStreamOutput")
    named = {name for name, shape in stream.members.items() if shape.metadata.get("exception")}  # type: ignore[attr-defined]
    assert len(named) == 5
    assert named <= set(STATUSES)


def test_an_error_message_and_a_broken_payload_have_a_type_too() -> None:
    """``error`` tells all in its headers; a payload that is no JSON leaves the type."""
    for frame in (
        message(b"", words(message_type="error", error_code="ThrottlingException", error_message="slow")),
        message(b"<slow>", words(message_type="exception", exception_type="throttlingException")),
    ):
        with pytest.raises(RateLimitError) as caught:
            read(STARTED, frame)
        assert "slow" in caught.value.body
    with pytest.raises(ProtocolError, match="neither an event nor an exception"):
        read(message(b"{}", words(message_type="news")))


# ── requests ─────────────────────────────────────────────────────────────────────────────────────────


def service() -> ServiceModel:
    return ServiceModel(botocore.loaders.Loader().load_service_model("bedrock-runtime", "service-2"), "bedrock-runtime")


SERVICE = service()


def with_bytes(value: Any) -> Any:
    """The JSON of a request as a caller of botocore would have it: blobs are bytes."""
    if isinstance(value, list):
        return [with_bytes(item) for item in value]
    if not isinstance(value, dict):
        return value
    blobs = {"bytes", "redactedContent"}
    return {name: base64.b64decode(item) if name in blobs else with_bytes(item) for name, item in value.items()}


def body_of(request: Request, model: str = CLAUDE, **options: Any) -> dict[str, Any]:
    """The body of a call; botocore's own validator takes it."""
    return checked(call_of(request, model, **options), stream=request.stream)


def checked(call: Call, *, stream: bool = True) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(call.body)
    shape = SERVICE.operation_model("ConverseStream" if stream else "Converse").input_shape
    report = ParamValidator().validate(with_bytes({**body, "modelId": "m"}), shape)
    assert not report.has_errors(), report.generate_report()
    return body


def call_of(request: Request, model: str = CLAUDE, **options: Any) -> Call:
    return encode(request, model=model, base_url="https://b.example/", headers={"x": "1"}, options=options)


def asking(*messages: Any, **more: Any) -> Request:
    return Request(messages=tuple(map(Message.model_validate, messages)) or (user("hi"),), **more)


def user(*content: Any) -> Message:
    return Message(role="user", content=content[0] if isinstance(content[0], str) else content)


TOOL = Tool(name="f", description="does f", parameters=CITY, strict=True)
OPAQUE = '{"reasoningContent":{"reasoningText":{"signature":"c2ln"}}}'
LENIENT = Policy(meaning="notice")


def test_a_conversation_is_written_as_turns_of_blocks() -> None:
    """System apart, thoughts as they were signed, results in one turn of the user with what follows them."""
    hidden = '{"reasoningContent":{"redactedContent":"aGlk"}}'
    served = '{"toolUse":{"toolUseId":"s","name":"n","type":"server_tool_use","input":{}}}'
    request = asking(
        {"role": "system", "content": "be brief"},
        user(TextPart(text="look"), ImagePart(data=PNG)),
        Message(
            role="assistant",
            content=(
                ReasoningPart(text="hm", opaque=OPAQUE), ReasoningPart(opaque=hidden), ReasoningPart(opaque=served),
                TextPart(text="so"), RefusalPart(refusal="no"),
            ),
            tool_calls=(ToolCall(id="a", name="f", arguments='{"x":1}'), ToolCall(id="b", name="f")),
        ),
        {"role": "tool", "tool_call_id": "a", "content": "1"},
        Message(role="tool", tool_call_id="b", content=(ImagePart(data=PNG),)),
        user("and?"),
        tools=(TOOL,),
    )  # fmt: skip
    image = {"image": {"format": "png", "source": {"bytes": base64.b64encode(PNG).decode()}}}
    assert body_of(request) == {
        "system": [{"text": "be brief"}],
        "messages": [
            {"role": "user", "content": [{"text": "look"}, image]},
            {"role": "assistant", "content": [
                {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "c2ln"}}},
                json.loads(hidden), json.loads(served), {"text": "so"}, {"text": "no"},
                {"toolUse": {"toolUseId": "a", "name": "f", "input": {"x": 1}}},
                {"toolUse": {"toolUseId": "b", "name": "f", "input": {}}},
            ]},
            {"role": "user", "content": [
                {"toolResult": {"toolUseId": "a", "content": [{"text": "1"}]}},
                {"toolResult": {"toolUseId": "b", "content": [image]}},
                {"text": "and?"},
            ]},
        ],
        "toolConfig": {"tools": [
            {"toolSpec": {"name": "f", "description": "does f", "inputSchema": {"json": CITY}, "strict": True}}
        ]},
    }  # fmt: skip


@pytest.mark.parametrize("stream", [True, False])
def test_a_call_has_the_address_of_its_form(stream: bool) -> None:
    """ConverseStream or Converse; the body says neither which, nor the model."""
    call = call_of(asking(stream=stream, extra_headers={"y": "2"}))
    assert call.url == f"https://b.example/model/{CLAUDE}/converse{'-stream' if stream else ''}"
    assert call.headers == {
        "accept": STREAM_TYPE if stream else JSON, "content-type": JSON, "x": "1", "y": "2",
    }  # fmt: skip
    assert json.loads(call.body) == {"messages": [{"role": "user", "content": [{"text": "hi"}]}]}


ARN = "arn:aws:bedrock:us-east-1:000000000000:application-inference-profile/1arbu5hu2sjr"


@pytest.mark.parametrize(
    ("model", "written"), [(ARN, ARN.replace("/", "%2F")), ("a b?c#d%é", "a%20b%3Fc%23d%25%C3%A9")]
)
def test_a_models_name_is_one_segment_of_the_path(model: str, written: str) -> None:
    """An ARN's slash and whatever else leads nowhere."""
    assert call_of(asking(), model).url == f"https://b.example/model/{written}/converse-stream"


@given(st.text(st.characters(codec="utf-8"), min_size=1).filter(lambda text: text not in {".", ".."}))
def test_an_address_is_sent_as_it_was_signed(model: str) -> None:
    """What sends the call writes the path no other way; the signature would be of another one."""
    url = call_of(asking(), model).url
    assert str(URL(url)) == url


def test_settings_have_their_names_here() -> None:
    """Four are of the wire, ``top_k`` is the model's own; what there is no word for is told."""
    settings = Settings(max_tokens=9, temperature=0.5, top_p=0.9, stop=("x",), top_k=3, seed=1, n=1, logprobs=False)
    call = call_of(asking(settings=settings))
    body = checked(call)
    assert body["inferenceConfig"] == {"maxTokens": 9, "temperature": 0.5, "topP": 0.9, "stopSequences": ["x"]}
    assert body["additionalModelRequestFields"] == {"top_k": 3}
    assert [notice.subject for notice in call.notices] == ["seed"]
    nova = body_of(asking(settings=Settings(top_k=3)), NOVA)
    assert nova["additionalModelRequestFields"] == {"inferenceConfig": {"topK": 3}}
    assert [one.subject for one in call_of(asking(settings=Settings(top_k=3)), "qwen.qwen3-32b-v1:0").notices] == [
        "top_k"
    ]
    with pytest.raises(UnsupportedError):
        call_of(asking(settings=Settings(n=2)))
    sent = body_of(asking(settings=Settings(seed=1), policy=Policy(tuning="send")))
    assert sent["additionalModelRequestFields"] == {"seed": 1}


@pytest.mark.parametrize(
    ("model", "effort", "fields", "level", "told"),
    [
        (CLAUDE, "high", {"thinking": {"type": "adaptive"}}, "high", False),
        (CLAUDE, "minimal", {"thinking": {"type": "adaptive"}}, "low", True),
        (CLAUDE, "none", {"thinking": {"type": "disabled"}}, None, False),
        (OLD_CLAUDE, "medium", {"thinking": {"type": "enabled", "budget_tokens": 16000}}, None, False),
        (OLD_CLAUDE, "none", None, None, False),
        ("anthropic.claude-3-5-sonnet-20240620-v1:0", "low", None, None, True),
        ("anthropic.claude-v2", "low", None, None, True),
        (NOVA_2, "xhigh", {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "high"}}, None, True),
        (NOVA_2, "none", {"reasoningConfig": {"type": "disabled"}}, None, False),
        (NOVA, "low", None, None, True),
        ("openai.gpt-oss-120b-1:0", "high", {"reasoning_effort": "high"}, None, False),
        ("openai.gpt-oss-120b-1:0", "none", None, None, True),
        ("global.openai.gpt-6-sol", "none", {"reasoning_effort": "none"}, None, False),
        (ARN, "low", None, None, True),
    ],
)
def test_an_effort_has_the_form_of_its_model(
    model: str, effort: Any, fields: dict[str, Any] | None, level: str | None, told: bool
) -> None:
    """An effort, a budget, a field of the model's own; where none is known a notice says so."""
    call = call_of(asking(settings=Settings(reasoning_effort=effort)), model)
    body = checked(call)
    assert body.get("additionalModelRequestFields") == fields
    assert body.get("outputConfig", {}).get("effort") == level
    assert [notice.subject for notice in call.notices] == ["reasoning_effort"] * told


@pytest.mark.parametrize(("limit", "budget"), [(10_000, 8_000), (1_200, 1_024), (1_024, None)])
def test_a_budget_fits_into_its_limit(limit: int, budget: int | None) -> None:
    """Never less than the least, and none where that leaves no room."""
    call = call_of(asking(settings=Settings(reasoning_effort="high", max_tokens=limit)), OLD_CLAUDE)
    thinking = checked(call).get("additionalModelRequestFields", {}).get("thinking", {})
    assert thinking.get("budget_tokens") == budget
    assert bool(call.notices) is (budget is None)


@pytest.mark.parametrize(
    ("choice", "told"),
    [("auto", {"auto": {}}), ("required", {"any": {}}), ("f", {"tool": {"name": "f"}}), (None, None)],
)
def test_a_choice_of_tools_has_its_form(choice: Any, told: Any) -> None:
    """As it likes, any, or that one."""
    assert body_of(asking(tools=(TOOL,), tool_choice=choice))["toolConfig"].get("toolChoice") == told


def test_no_tool_means_none_are_told() -> None:
    """The wire has no such choice; amid calls the tools must be told, and it is refused or noticed."""
    assert "toolConfig" not in body_of(asking(tools=(TOOL,), tool_choice="none"))
    turns = (user("x"), Message(role="assistant", tool_calls=(ToolCall(id="a", name="f"),)),
             Message(role="tool", tool_call_id="a", content=""))  # fmt: skip
    with pytest.raises(UnsupportedError):
        call_of(asking(*turns, tools=(TOOL,), tool_choice="none"))
    call = call_of(asking(*turns, tools=(TOOL,), tool_choice="none", policy=LENIENT))
    assert [notice.subject for notice in call.notices] == ["tool_choice"]
    body = checked(call)
    assert "toolChoice" not in body["toolConfig"]
    assert body["messages"][-1]["content"] == [{"toolResult": {"toolUseId": "a", "content": [{"text": ""}]}}]


def test_the_form_of_an_answer_is_a_field_where_the_model_takes_it() -> None:
    """It shares its place with the effort."""
    output = Output(name="City", json_schema=CITY, description="a city")
    body = body_of(asking(output=output, settings=Settings(reasoning_effort="low")))
    form = {"name": "City", "schema": json.dumps(CITY, separators=(",", ":")), "description": "a city"}
    assert body["outputConfig"] == {
        "effort": "low", "textFormat": {"type": "json_schema", "structure": {"jsonSchema": form}},
    }  # fmt: skip
    assert answer_tool(asking(output=output), CLAUDE) is None


def test_the_form_of_an_answer_is_a_tool_where_the_model_takes_none() -> None:
    """It is forced; beside other tools any of them may be called. A notice says so."""
    output = Output(name="City", json_schema=CITY)
    call = call_of(asking(output=output), NOVA)
    spec = {"toolSpec": {"name": "City", "inputSchema": {"json": CITY}}}
    assert checked(call)["toolConfig"] == {"tools": [spec], "toolChoice": {"tool": {"name": "City"}}}
    assert [notice.subject for notice in call.notices] == ["output"]
    assert answer_tool(asking(output=output), NOVA) == "City"
    config = body_of(asking(output=output, tools=(TOOL,)), NOVA)["toolConfig"]
    assert config["toolChoice"] == {"any": {}}
    assert [tool["toolSpec"]["name"] for tool in config["tools"]] == ["City", "f"]


@pytest.mark.parametrize(
    ("model", "taken"),
    [
        (CLAUDE, True), (OLD_CLAUDE, True), ("minimax.minimax-m2", True), ("global.anthropic.claude-opus-5", True),
        ("anthropic.claude-3-5-sonnet-20240620-v1:0", False), ("anthropic.claude-instant-v1", False), (NOVA_2, False),
        ("us.meta.llama4-maverick-17b-instruct-v1:0", False), ("us.deepseek.r1-v1:0", False),
        ("deepseek.v3-v1:0", True),
        ("mistral.mistral-large-2402-v1:0", False), ("mistral.mistral-large-3-675b-instruct", True), (ARN, True),
    ],
)  # fmt: skip
def test_a_models_name_tells_whether_it_takes_a_form(model: str, taken: bool) -> None:
    """Recorded of Claude 4.5 and MiniMax; the rest as AWS's guide lists them, and what is not known is tried."""
    assert takes_forms(model) is taken


def test_json_without_a_schema_is_asked_for_in_words() -> None:
    """After what else the system says."""
    call = call_of(asking({"role": "system", "content": "s"}, user("hi"), output=Output()))
    assert len(checked(call)["system"]) == 2
    assert [notice.subject for notice in call.notices] == ["output"]
    assert answer_tool(asking(output=Output()), NOVA) is None


def test_documents_videos_and_sounds_have_their_formats() -> None:
    """By their media types; documents under neutral names, of which one notice tells, and cited where asked for."""
    parts = [
        FilePart(data=b"%PDF", media_type="application/pdf", name="ignore all.pdf"),
        FilePart(data=b"a,b", name="b.csv"),
        FilePart(data=b"x", media_type="text/x-python"),
        FilePart(data=b"x", media_type="video/quicktime"),
        FilePart(url="s3://bucket/a/film.mp4"),
        FilePart(id="s3://bucket/a/paper.pdf"),
        AudioPart(data=b"x", format="wav"),
        ImagePart(url="s3://bucket/kiwi.jpg"),
        ImagePart(url="s3://bucket/kiwi", media_type="image/webp"),
    ]
    call = call_of(asking(user(*parts)), document_citations=True)
    blocks = checked(call)["messages"][0]["content"]
    told = [next(iter(block.items())) for block in blocks]
    assert [(kind, block["format"]) for kind, block in told] == [
        ("document", "pdf"), ("document", "csv"), ("document", "txt"), ("video", "mov"), ("video", "mp4"),
        ("document", "pdf"), ("audio", "wav"), ("image", "jpeg"), ("image", "webp"),
    ]  # fmt: skip
    names = [block["name"] for kind, block in told if kind == "document"]
    assert names == ["Document 1", "Document 2", "Document 3", "Document 4"]
    assert told[5][1]["source"] == {"s3Location": {"uri": "s3://bucket/a/paper.pdf"}}
    assert told[0][1]["citations"] == {"enabled": True}
    assert [notice.subject for notice in call.notices] == ["file name"]


@pytest.mark.parametrize(
    ("part", "subject"),
    [
        (ImagePart(url="https://a.example/a.png"), "image"),
        (ImagePart(url="s3://bucket/kiwi"), "image"),
        (ImagePart(data=b"x", media_type="image/tiff"), "image"),
        (FilePart(url="https://a.example/a.pdf"), "file"),
        (FilePart(id="file-1"), "file"),
        (FilePart(data=b"x", media_type="application/zip"), "file"),
        (AudioPart(data=b"x", format="midi"), "audio"),
    ],
)
@pytest.mark.parametrize("role", ["user", "system", "tool"])
def test_what_the_wire_cannot_take_is_refused_or_told(part: Any, subject: str, role: Any) -> None:
    """Anywhere in the conversation; where the policy is to send it, there are still no words for it."""
    said = Message(role=role, content=(TextPart(text="x"), part), tool_call_id="t" if role == "tool" else None)
    with pytest.raises(UnsupportedError):
        call_of(asking(said))
    for meaning in ("notice", "send"):
        call = call_of(asking(said, policy=Policy(meaning=meaning)))  # type: ignore[arg-type]
        assert [notice.subject for notice in call.notices] == [subject]
        checked(call)


@pytest.mark.parametrize("opaque", [None, "x", "[]", "{}", '{"type":"thinking","signature":"s"}', '{"text":"x"}'])
def test_what_another_wire_thought_is_not_sent(opaque: str | None) -> None:
    """Only what this host signed or hid goes back; one notice says so."""
    thought = ReasoningPart(text="hm", opaque=opaque)
    turn = Message(role="assistant", content=(thought, thought, TextPart(text="x")))
    call = call_of(asking(user("hi"), turn, user("on")))
    assert checked(call)["messages"][1]["content"] == [{"text": "x"}]
    assert [notice.subject for notice in call.notices] == ["reasoning"]


def test_a_turn_that_says_nothing_is_not_sent_and_the_next_joins_the_last() -> None:
    """The wire refuses turns without content, and two of one side in a row."""
    body = body_of(asking(user("a"), Message(role="assistant", content=""), user("b")))
    assert body["messages"] == [{"role": "user", "content": [{"text": "a"}, {"text": "b"}]}]


def test_what_the_system_says_late_is_moved_and_names_are_told() -> None:
    """A notice each."""
    request = asking(user("a"), {"role": "system", "content": "s"}, {"role": "user", "name": "Ann", "content": "b"})
    call = call_of(request)
    assert checked(call)["system"] == [{"text": "s"}]
    assert [notice.subject for notice in call.notices] == ["system", "name"]


def test_calls_of_other_wires_get_a_form_that_this_one_takes() -> None:
    """Ids of its letters and its length, the same of call and result; inputs that are objects."""
    calls = (
        ToolCall(id="call|1", name="f", arguments="[1]"),
        ToolCall(id="x" * 90, name="f", arguments="raw", kind="custom"),
    )  # fmt: skip
    turns = [Message(role="tool", tool_call_id=call.id, content="r") for call in calls]
    body = body_of(asking(user("a"), Message(role="assistant", tool_calls=calls), *turns, tools=(TOOL,)))
    used = [block["toolUse"] for block in body["messages"][1]["content"]]
    assert [call["input"] for call in used] == [{"INVALID_JSON": "[1]"}, {"input": "raw"}]
    ids = [call["toolUseId"] for call in used]
    assert ids == [block["toolResult"]["toolUseId"] for block in body["messages"][2]["content"]]
    assert ids[0] == "call_1"
    assert len(ids[1]) == 64


def test_options_are_fields_of_the_body() -> None:
    """Each as the service model has it; a field of the model stands above what a setting makes of it."""
    guardrail = {"guardrailIdentifier": "g", "guardrailVersion": "1", "streamProcessingMode": "async"}
    options = {
        "additional_model_request_fields": {"top_k": 5, "a": 1}, "additional_model_response_field_paths": ["/x"],
        "cache": ["system", "tools", "messages"], "cache_ttl": "1h", "guardrail": guardrail, "latency": "optimized",
        "prompt_variables": {"who": "Ann"}, "request_metadata": {"team": "x"}, "service_tier": "flex",
        "system_tools": ["nova_grounding"],
    }  # fmt: skip
    turns = ({"role": "system", "content": "s"}, user("hi"))
    body = body_of(asking(*turns, tools=(TOOL,), settings=Settings(top_k=3)), **options)
    point = {"cachePoint": {"type": "default", "ttl": "1h"}}
    assert body["additionalModelRequestFields"] == {"top_k": 5, "a": 1}
    assert body["additionalModelResponseFieldPaths"] == ["/x"]
    assert (body["system"][-1], body["messages"][-1]["content"][-1], body["toolConfig"]["tools"][-1]) == (point,) * 3
    assert body["toolConfig"]["tools"][1] == {"systemTool": {"name": "nova_grounding"}}
    assert body["guardrailConfig"] == guardrail
    assert body["performanceConfig"] == {"latency": "optimized"}
    assert body["promptVariables"] == {"who": {"text": "Ann"}}
    assert body["requestMetadata"] == {"team": "x"}
    assert body["serviceTier"] == {"type": "flex"}
    whole_body = body_of(asking(stream=False), guardrail=guardrail, cache=["system", "tools"])
    assert whole_body["guardrailConfig"] == {"guardrailIdentifier": "g", "guardrailVersion": "1"}
    assert set(whole_body) == {"messages", "guardrailConfig"}


def test_extra_fields_stand_above_all() -> None:
    """As the caller wrote them."""
    assert body_of(asking(extra_body={"serviceTier": {"type": "flex"}}), service_tier="priority")["serviceTier"] == {
        "type": "flex"
    }


@pytest.mark.parametrize("exchange", recorded())
def test_a_recorded_request_and_ours_say_the_same(exchange: Exchange) -> None:
    """What tools answered and users asked in text, written from our messages, is what was sent and accepted."""
    asked_for = exchange.recording["request"]["json"]
    messages, comparable = [], True
    for turn in (asked_for or {}).get("messages", ()):
        for block in turn["content"]:
            if turn["role"] == "user" and block.keys() == {"text"}:
                messages.append(user(block["text"]))
            elif set(block) == {"toolUse"}:
                use = block["toolUse"]
                call = ToolCall(id=use["toolUseId"], name=use["name"], arguments=json.dumps(use["input"]))
                messages.append(Message(role="assistant", tool_calls=(call,)))
            elif set(block) == {"text"}:
                messages.append(Message(role="assistant", content=block["text"]))
            else:
                comparable = False
    if not messages or not comparable:
        return
    merged: list[dict[str, Any]] = []
    for turn in asked_for["messages"]:
        if merged and merged[-1]["role"] == turn["role"]:
            merged[-1]["content"] += turn["content"]
        else:
            merged.append({"role": turn["role"], "content": list(turn["content"])})
    assert body_of(asking(*messages))["messages"] == merged


# ── over a socket ────────────────────────────────────────────────────────────────────────────────────


def asked(host: ScriptedHost, *, environ: dict[str, str] | None = None, **table: Any) -> Client:
    table = {"base_url": host.url, "api_key": "key-of-a-test", "options": {"region": "eu-west-1"}, **table}
    return Client(config={"providers": {"bedrock": table}}, environ=environ or {}, retry=Retry(count=0))


async def test_a_stream_and_a_whole_answer_are_asked_for_and_read() -> None:
    """With a key, which goes as a bearer; what was signed goes back with the next turn."""
    async with (
        ScriptedHost(script=[Body(STREAM, content_type=STREAM_TYPE, split=5), Body(WHOLE, content_type=JSON)]) as host,
        asked(host) as client,
    ):
        async with client.stream("hi", model=f"bedrock/{CLAUDE}", tools=[TOOL]) as stream:
            assert "".join([piece async for piece in stream.text()]) == "Grüße, 世界"
            first = await stream.reply()
        results = [Message(role="tool", tool_call_id=call.id, content="1") for call in first.tool_calls]
        again = await client.chat([user("hi"), first.message, *results], model=f"bedrock/{CLAUDE}", tools=[TOOL])
    assert (again.text, again.usage, again.finish_reason) == (first.text, first.usage, "tool_calls")
    streamed, sent = host.requests
    assert (streamed.path, sent.path) == (f"/model/{CLAUDE}/converse-stream", f"/model/{CLAUDE}/converse")
    assert sent.header["authorization"] == "Bearer key-of-a-test"
    turn = json.loads(sent.body)["messages"][1]["content"]
    assert turn[:2] == [CONTENT[0], CONTENT[1]]
    assert [block["toolUse"]["toolUseId"] for block in turn if "toolUse" in block] == ["t-1", "t-2"]


async def test_a_schema_is_answered_through_a_tool_where_the_model_has_none() -> None:
    """What the tool was called with is the reply's text, and parsed."""
    answer = whole({"toolUse": {"toolUseId": "t", "name": "answer", "input": {"city": "Paris"}}}, stop="tool_use")
    async with ScriptedHost(script=[Body(answer, content_type=JSON)]) as host, asked(host) as client:
        reply = await client.chat("x", model=f"bedrock/{NOVA}", schema=CITY)
    assert reply.parsed == {"city": "Paris"}
    assert reply.finish_reason == "stop"


@pytest.mark.parametrize(
    ("name", "body", "status", "code", "cls"),
    [
        ("ThrottlingException", b'{"message": "slow"}', 429, "ThrottlingException", RateLimitError),
        ("", b'{"__type": "com.amazon#AccessDeniedException"}', 403, "AccessDeniedException", PermissionDeniedError),
        ("InternalServerException:http://x", b"<html>", 500, "InternalServerException", ServerError),
    ],
)
async def test_the_type_of_a_failure_stands_in_a_header_or_in_the_body(
    name: str, body: bytes, status: int, code: str, cls: type[HTTPError]
) -> None:
    """Without the namespace before it and the address behind it."""
    headers = {"x-amzn-requestid": "r-1", **({"x-amzn-errortype": name} if name else {})}
    step = Body(body, content_type=JSON, status=status, headers=headers)
    async with ScriptedHost(script=[step]) as host, asked(host) as client:
        with pytest.raises(cls) as caught:
            await client.chat("x", model="bedrock/m")
    assert (caught.value.code, caught.value.request_id) == (code, "r-1")


async def test_an_answers_request_id_is_that_of_aws() -> None:
    """It stands in a header of its own."""
    step = Body(WHOLE, content_type=JSON, headers={"x-amzn-requestid": "r-2"})
    async with ScriptedHost(script=[step]) as host, asked(host) as client:
        assert (await client.chat("x", model="bedrock/m")).request_id == "r-2"


# ── whose, and where ─────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A machine without AWS credentials, whose ``~/.aws`` is empty."""
    import os

    for name in list(os.environ):
        if name.startswith("AWS_"):
            monkeypatch.delenv(name)
    folder = tmp_path / ".aws"
    folder.mkdir()
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    return folder


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """botocore's clock, stopped."""
    now = dt.datetime(2026, 11, 24, 12, 0, 0)  # noqa: DTZ001 - botocore's own is without a zone
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda *_: now)


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize("model", [CLAUDE, NOVA, ARN])
@pytest.mark.parametrize("token", [None, TOKEN])
async def test_a_call_is_signed_as_botocore_signs_it(
    aws: Path, monkeypatch: pytest.MonkeyPatch, model: str, token: str | None
) -> None:
    """What comes over the socket has the signature that botocore gives to just that request."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ID)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    if token is not None:
        monkeypatch.setenv("AWS_SESSION_TOKEN", token)
    environ = {"AWS_ACCESS_KEY_ID": ID, "AWS_SECRET_ACCESS_KEY": SECRET}
    async with (
        ScriptedHost(script=[Body(WHOLE, content_type=JSON)]) as host,
        asked(host, api_key=None, environ=environ, headers={"x-own": "a  b"}) as client,
    ):
        await client.chat("x", model=f"bedrock/{model}", extra_headers={"X-Other": "1"})
    (sent,) = host.requests
    scope = f"Credential={ID}/20261124/eu-west-1/bedrock/aws4_request"
    signed = sent.header["authorization"]
    assert signed.startswith(f"AWS4-HMAC-SHA256 {scope}, SignedHeaders=")
    assert sent.header.get("x-amz-security-token") == token
    names = signed.partition("SignedHeaders=")[2].partition(",")[0].split(";")
    assert {"host", "content-type", "x-amz-date", "x-own", "x-other"} <= set(names)
    kept = {name: sent.header[name] for name in names if name != "x-amz-security-token"}
    again = AWSRequest("POST", f"http://{sent.header['host']}{sent.path}", headers=kept, data=sent.body)
    SigV4Auth(Credentials(ID, SECRET, token), "bedrock", "eu-west-1").add_auth(again)
    assert again.headers["Authorization"] == signed


@pytest.mark.usefixtures("clock", "aws")
async def test_a_signature_of_known_credentials_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """At a fixed time; computed once with the steps that AWS documents, without botocore."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ID)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    call = Call("https://bedrock-runtime.us-east-1.amazonaws.com/model/a%2Fb:0/converse", {"Content-Type": JSON}, b"{}")
    signed = await Signer().signed(call, region="us-east-1", profile=None, instance_role=False)
    assert signed.headers["x-amz-date"] == "20261124T120000Z"
    assert signed.headers["authorization"].endswith(f"Signature={by_hand(call.body)}")
    assert (signed.url, signed.body) == (call.url, call.body)


def by_hand(body: bytes) -> str:
    import hashlib
    import hmac

    canonical = "\n".join([
        "POST", "/model/a%252Fb%3A0/converse", "", f"content-type:{JSON}",
        "host:bedrock-runtime.us-east-1.amazonaws.com", "x-amz-date:20261124T120000Z", "",
        "content-type;host;x-amz-date", hashlib.sha256(body).hexdigest(),
    ])  # fmt: skip
    scope = "20261124/us-east-1/bedrock/aws4_request"
    text = f"AWS4-HMAC-SHA256\n20261124T120000Z\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    key = f"AWS4{SECRET}".encode()
    for part in (*scope.split("/"), text):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key.hex()


async def test_nothing_secret_is_logged_or_shown(
    aws: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Not at the level DEBUG either, where botocore logs all that it signs; of others it still does."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ID)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_SESSION_TOKEN", TOKEN)
    caplog.set_level(logging.DEBUG)
    signer = Signer()
    call = Call("https://b.example/model/m/converse", {}, b"{}")
    signed = await signer.signed(call, region="us-east-1", profile=None, instance_role=False)
    assert signed.headers["x-amz-security-token"] == TOKEN
    shown = caplog.text + repr(signer) + repr(signed) + repr(vars(signer))
    assert not [secret for secret in (SECRET, TOKEN, signed.headers["authorization"][-64:]) if secret in shown]
    other = AWSRequest("POST", "https://b.example/", headers={}, data=b"")
    SigV4Auth(Credentials(ID, SECRET, TOKEN), "s3", "us-east-1").add_auth(other)
    assert "CanonicalRequest" in caplog.text


async def test_a_token_is_not_quoted_by_an_error(aws: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """AWS quotes what it was sent where a signature does not match."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ID)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_SESSION_TOKEN", TOKEN)
    told = json.dumps({"message": f"should have been x-amz-security-token:{TOKEN}"}).encode()
    environ = {"AWS_ACCESS_KEY_ID": ID, "AWS_SECRET_ACCESS_KEY": SECRET}
    async with (
        ScriptedHost(script=[Body(told, content_type=JSON, status=403)]) as host,
        asked(host, api_key=None, environ=environ) as client,
    ):
        with pytest.raises(PermissionDeniedError) as caught:
            await client.chat("x", model="bedrock/m")
    assert TOKEN not in caught.value.body


CREDENTIALS = f"[default]\naws_access_key_id = {ID}\naws_secret_access_key = {SECRET}\n"


async def test_a_profile_of_the_files_signs_and_names_its_region(aws: Path) -> None:
    """The option, with the credentials from one file and the region from the other."""
    (aws / "credentials").write_text(CREDENTIALS.replace("default", "work"))
    (aws / "config").write_text("[profile work]\nregion = ap-south-1\n")
    async with (
        ScriptedHost(script=[Body(WHOLE, content_type=JSON)]) as host,
        asked(host, api_key=None, environ={"HOME": str(aws.parent)}, options={"profile": "work"}) as client,
    ):
        await client.chat("x", model="bedrock/m")
    assert "/ap-south-1/bedrock/" in host.requests[0].header["authorization"]


async def test_credentials_are_found_once_and_renewed_when_they_expire(
    aws: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The chain is gone through with the first call; those that expire are renewed by themselves."""
    renewed: list[str] = []

    def refresh() -> dict[str, str]:
        renewed.append(f"id-{len(renewed)}")
        expiry = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=5)
        return {"access_key": renewed[-1], "secret_key": "s", "token": "t", "expiry_time": expiry.isoformat()}

    found: list[str] = []

    def find(profile: str | None, instance_role: bool) -> tuple[Any, Any]:
        found.append("once")
        return None, RefreshableCredentials.create_from_metadata(refresh(), refresh, "test")

    monkeypatch.setattr(signing, "_found", find)
    signer = Signer()
    call = Call("https://b.example/model/m/converse", {}, b"{}")
    first = await signer.signed(call, region="us-east-1", profile=None, instance_role=False)
    second = await signer.signed(call, region="us-east-1", profile=None, instance_role=False)
    assert found == ["once"]
    assert "Credential=id-1/" in first.headers["authorization"]
    assert "Credential=id-2/" in second.headers["authorization"]


async def test_credentials_that_were_refused_are_looked_for_again(aws: Path) -> None:
    """What another program has written into the file by then is used for the next call."""
    (aws / "credentials").write_text(CREDENTIALS)
    expired = Body(b"{}", content_type=JSON, status=403, headers={"x-amzn-errortype": "ExpiredTokenException"})
    async with (
        ScriptedHost(script=[Body(WHOLE, content_type=JSON), expired, Body(WHOLE, content_type=JSON)]) as host,
        asked(host, api_key=None, environ={"HOME": str(aws.parent)}) as client,
    ):
        await client.chat("x", model="bedrock/m")
        (aws / "credentials").write_text(CREDENTIALS.replace(ID, "AKIDNEW"))
        with pytest.raises(HTTPError):
            await client.chat("x", model="bedrock/m")
        await client.chat("x", model="bedrock/m")
    used = [request.header["authorization"].partition("Credential=")[2].partition("/")[0] for request in host.requests]
    assert used == [ID, ID, "AKIDNEW"]


async def test_credentials_that_cannot_be_had_are_a_failed_attempt(aws: Path) -> None:
    """A program that fails, single sign-on that expired: the next provider may help, and nothing of it is quoted."""
    (aws / "config").write_text(
        f"[default]\nregion = us-east-1\ncredential_process = {sys.executable} -c \"raise SystemExit('{SECRET}')\"\n"
    )
    call = Call("https://b.example/model/m/converse", {}, b"{}")
    with pytest.raises(ProviderError) as caught:
        await Signer().signed(call, region="us-east-1", profile=None, instance_role=False)
    assert (caught.value.phase, caught.value.next_may_help) == ("send", True)
    assert str(caught.value) == "the AWS credentials are not available (CredentialRetrievalError)"


@pytest.mark.parametrize("profile", [None, "gone"])
async def test_no_credentials_are_a_config_error(aws: Path, profile: str | None) -> None:
    """It names what to set."""
    call = Call("https://b.example/model/m/converse", {}, b"{}")
    with pytest.raises(ConfigError, match=r"credentials|profile"):
        await Signer().signed(call, region="us-east-1", profile=profile, instance_role=False)


async def test_without_a_network_only_this_machines_credentials_count(
    aws: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A role to be assumed is not asked for; a file is read."""
    monkeypatch.setenv("SEGUE_NO_NETWORK", "1")
    call = Call("http://127.0.0.1/model/m/converse", {}, b"{}")
    (aws / "config").write_text("[default]\nrole_arn = arn:aws:iam::1:role/r\ncredential_source = Environment\n")
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1:9/")
    with pytest.raises(ConfigError):
        await Signer().signed(call, region="us-east-1", profile=None, instance_role=True)
    (aws / "credentials").write_text(CREDENTIALS)
    (aws / "config").unlink()
    signed = await Signer().signed(call, region="us-east-1", profile=None, instance_role=False)
    assert ID in signed.headers["authorization"]


@pytest.mark.parametrize(
    ("options", "variables", "base_url", "region"),
    [
        ({"region": "eu-west-1"}, {"AWS_REGION": "us-east-2"}, None, "eu-west-1"),
        ({}, {"AWS_REGION": "us-east-2", "AWS_DEFAULT_REGION": "us-west-2"}, None, "us-east-2"),
        ({}, {"AWS_DEFAULT_REGION": "us-west-2"}, None, "us-west-2"),
        ({}, {"AWS_REGION": "us-east-2"}, "https://bedrock-runtime-fips.us-west-1.amazonaws.com", "us-west-1"),
        ({}, {}, "https://vpce-1.bedrock-runtime.eu-north-1.vpce.amazonaws.com", "eu-north-1"),
        ({}, {}, None, "sa-east-1"),
    ],
)
async def test_the_region_is_where_it_is_said_first(  # noqa: PLR0917 - a case and where it is set up
    aws: Path,
    monkeypatch: pytest.MonkeyPatch,
    options: dict[str, str],
    variables: dict[str, str],
    base_url: str | None,
    region: str,
) -> None:
    """The option, the address, the variables, the file."""
    (aws / "config").write_text("[default]\nregion = sa-east-1\n")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert (await place(options, base_url))[1] == region


async def place(options: dict[str, str], base_url: str | None = None, key: str | None = None) -> tuple[str, str]:
    from pydantic import SecretStr

    from segue.plugin import Context, ProviderSettings
    from segue.transport import AiohttpTransport
    from segue_bedrock.provider import Bedrock

    settings = ProviderSettings(api_key=None if key is None else SecretStr(key), base_url=base_url)
    return await Bedrock()._place(Context("m", AiohttpTransport(), settings), options)


@pytest.mark.usefixtures("aws")
async def test_an_address_is_that_of_its_region() -> None:
    """China's ends otherwise; a name that is no region leads nowhere, and none at all is told."""
    assert (await place({"region": "eu-west-1"}))[0] == "https://bedrock-runtime.eu-west-1.amazonaws.com"
    assert (await place({"region": "cn-north-1"}))[0] == "https://bedrock-runtime.cn-north-1.amazonaws.com.cn"
    assert await place({}, "http://127.0.0.1:1", key="k") == ("http://127.0.0.1:1", "")
    for options in ({"region": "evil.example/x"}, {"region": "a@b"}, {}):
        with pytest.raises(ConfigError, match="region"):
            await place(options)


# ── what is offered ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "environ",
    [
        {"AWS_BEARER_TOKEN_BEDROCK": "k"},
        {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"},
        {"AWS_WEB_IDENTITY_TOKEN_FILE": "f", "AWS_ROLE_ARN": "r"},
        {"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/x"},
    ],
)
def test_variables_with_credentials_make_it_ready(environ: dict[str, str], tmp_path: Path) -> None:
    """A key, or what botocore would find in them; nothing of it is imported for that."""
    client = Client(config=False, environ={"HOME": str(tmp_path), **environ})
    assert client.select(model="bedrock/m").candidates


@pytest.mark.parametrize(
    ("config", "credentials", "variables", "ready"),
    [
        ("", CREDENTIALS, {}, True),
        ("[default]\nregion = us-east-1\n", "", {}, False),
        ("[default]\nsso_session = s\n[sso-session s]\nsso_region = x\n", "", {}, True),
        ("[profile work]\nrole_arn = r\nsource_profile = default\n", "", {"AWS_PROFILE": "work"}, True),
        ("[profile work]\ncredential_process = p\n", "", {}, False),
        ("", CREDENTIALS, {"AWS_PROFILE": "work"}, False),
        ("", CREDENTIALS, {"AWS_ACCESS_KEY_ID": "a"}, True),
        ("no section", "\xff", {}, False),
        ("", "", {"AWS_ACCESS_KEY_ID": "a"}, False),
    ],
)
def test_profiles_of_the_files_make_it_ready(
    tmp_path: Path, config: str, credentials: str, variables: dict[str, str], ready: bool
) -> None:
    """That which is named, or the default one, if it leads to credentials; else what to set is told."""
    folder = tmp_path / ".aws"
    folder.mkdir()
    (folder / "config").write_bytes(config.encode("latin-1"))
    (folder / "credentials").write_bytes(credentials.encode("latin-1"))
    environ = {"HOME": str(tmp_path), **variables}
    assert (ambient.obstacle(environ, {}) is None) is ready
    client = Client(config=False, environ=environ)
    assert bool(client.select(model="bedrock/m").candidates) is ready


def test_options_lead_to_credentials_too(tmp_path: Path) -> None:
    """A profile by its name, above the variables; the machine's role by word, for it cannot be seen."""
    keys = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "HOME": str(tmp_path)}
    assert "the AWS profile 'work' has no credentials" in (ambient.obstacle(keys, {"profile": "work"}) or "")
    files = {"AWS_CONFIG_FILE": str(tmp_path / "c"), "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "s")}
    (tmp_path / "c").write_text("[profile work]\nlogin_session = x\n")
    assert ambient.obstacle({**keys, **files}, {"profile": "work"}) is None
    assert ambient.obstacle({"HOME": str(tmp_path)}, {"instance_role": True}) is None


async def test_without_credentials_it_is_not_asked(tmp_path: Path) -> None:
    """The error says what to set."""
    async with Client(config=False, environ={"HOME": str(tmp_path)}) as client:
        with pytest.raises(NoCandidateError, match="AWS_BEARER_TOKEN_BEDROCK, or AWS_PROFILE"):
            await client.chat("x", model=f"bedrock/{CLAUDE}")


def test_offering_bedrock_imports_nothing_heavy() -> None:
    """botocore comes with the first call that is signed, its options' model with the first options."""
    import subprocess

    heavy = ("botocore", "pydantic")
    code = f"import sys, segue_bedrock; print([name for name in {heavy} if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_models_have_their_facts() -> None:
    """Names are unique, prices and contexts are there, and who says so."""
    assert len({model.name for model in MODELS}) == len(MODELS)
    for model in MODELS:
        for name in ("context", "input_price", "output_price"):
            fact = model.capabilities.fact(name)
            assert fact.value
            assert "2026-11" in (fact.source or "")


def test_marks_failures_and_citations_have_their_words() -> None:
    """A mark is a block after what it marks; a result says that its tool failed; a document may be cited."""
    conversation = (
        Message(role="system", content=(TextPart(text="Be brief."), CachePart(ttl="1h"))),
        Message(role="user", content=(FilePart(data=b"x", media_type="text/plain", citations=True),)),
        Message(role="assistant", content=(TextPart(text="c"), CachePart()), tool_calls=(ToolCall(id="a", name="f"),)),
        Message(role="tool", tool_call_id="a", content=(TextPart(text="no"), CachePart()), is_error=True),
    )
    call = encode(
        Request(messages=conversation, tools=(Tool(name="f"),)), model="m", base_url="https://h.example", headers={},
        options={},
    )  # fmt: skip
    body = json.loads(call.body)
    point = {"cachePoint": {"type": "default"}}
    assert body["system"][1] == {"cachePoint": {"type": "default", "ttl": "1h"}}
    asked, answered, failed = (message["content"] for message in body["messages"])
    assert asked[0]["document"]["citations"] == {"enabled": True}
    assert list(map(list, answered)) == [["text"], ["toolUse"], ["cachePoint"]]
    result = {"toolUseId": "a", "content": [{"text": "no"}], "status": "error"}
    assert failed == [{"toolResult": result}, point]
