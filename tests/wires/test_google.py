"""Google's wire: recorded answers and requests, framings, failures, signatures, and what has no words."""

from __future__ import annotations

import base64
import contextlib
import json
import random
import re
import time
from typing import Any

import pytest
from corpus import Exchange, every, exchanges
from google.genai import types
from hypothesis import given
from hypothesis import strategies as st

import segue_google.decode
from segue import (
    AudioDelta,
    ChoiceFinish,
    Client,
    ConfigError,
    Event,
    Finish,
    Logprobs,
    NoCandidateError,
    Notice,
    OverloadedError,
    ProtocolError,
    Reply,
    SegueError,
    Source,
    Start,
    StreamBrokenError,
    TokenLogprob,
    UnsupportedError,
    Usage,
)
from segue.events import Collector
from segue.messages import (
    AudioPart,
    FilePart,
    ImagePart,
    Message,
    Output,
    Policy,
    ReasoningPart,
    Request,
    Settings,
    TextPart,
    Tool,
    ToolCall,
)
from segue.plugin import Context, ProviderSettings
from segue.testing import Body, ScriptedHost
from segue.transport import AiohttpTransport
from segue_google.decode import Decoder
from segue_google.embedding import decode
from segue_google.encode import NO_SIGNATURE, encode
from segue_google.provider import Google, Vertex

CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
PNG = b"\x89PNG\r\n\x1a\n----"
JSON = "application/json"


def _chunk(*parts: dict[str, Any], finish: str | None = None, index: int = 0, **more: Any) -> dict[str, Any]:
    candidate: dict[str, Any] = {"content": {"role": "model", "parts": list(parts)}, "index": index}
    if finish is not None:
        candidate["finishReason"] = finish
    beside = {name: more.pop(name) for name in list(more) if name.endswith("Metadata") and name != "usageMetadata"}
    return {"candidates": [candidate | beside], "modelVersion": "gemini-x", "responseId": "r-1", **more}


def _sse(*chunks: dict[str, Any]) -> bytes:
    return b"".join(b"data: " + json.dumps(chunk, ensure_ascii=False).encode() + b"\r\n\r\n" for chunk in chunks)


def _array(*chunks: dict[str, Any]) -> bytes:
    return json.dumps(chunks, ensure_ascii=False, indent=2).encode()


USAGE = {
    "promptTokenCount": 10,
    "toolUsePromptTokenCount": 3,
    "candidatesTokenCount": 5,
    "thoughtsTokenCount": 7,
    "totalTokenCount": 25,
    "cachedContentTokenCount": 4,
    "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 8}, {"modality": "AUDIO", "tokenCount": 2}],
}
CHUNKS = (
    _chunk({"text": "hm ", "thought": True}),
    _chunk({"text": "so", "thought": True}, usageMetadata={"trafficType": "ON_DEMAND"}),
    _chunk({"text": 'Grüße, [{"'}, finish="STOP"),
    _chunk({"text": "\\"}, {"text": "世界"}),
    _chunk({"functionCall": {"name": "f", "args": {"x": 1}}, "thoughtSignature": "c2lnMQ=="}),
    _chunk({"functionCall": {"id": "b", "name": "f", "args": {}}}),
    _chunk({"text": "", "thoughtSignature": "c2lnMg=="}, finish="STOP", usageMetadata=USAGE),
)
STREAM, ARRAY = _sse(*CHUNKS), _array(*CHUNKS)
WHOLE = json.dumps(
    _chunk(*(part for chunk in CHUNKS for part in chunk["candidates"][0]["content"]["parts"]),
           finish="STOP", usageMetadata=USAGE), ensure_ascii=False,
).encode()  # fmt: skip


def read(*pieces: bytes, delimited: bool = True) -> list[Event]:
    decoder = Decoder()
    events = [event for piece in pieces for event in decoder.feed(piece)]
    return events + list(decoder.end(delimited=delimited))


def reply_of(events: list[Event], provider: str = "") -> Reply[Any]:
    collector = Collector()
    for event in events:
        collector.add(event)
    return collector.reply(provider=provider)


# ── recorded answers ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "exchange", exchanges(lambda exchange: exchange.api == "gemini-generate" and "stream" in exchange.features)
)
def test_a_recorded_stream_has_its_reason_in_its_last_chunk(exchange: Exchange) -> None:
    """What the end of an answer rests on: no recorded stream ends without a finishReason, or has one before its end."""
    body = exchange.body.decode()
    lines = [line[5:] for line in body.splitlines() if line.startswith("data:")]
    chunks = [json.loads(line) for line in lines] or json.loads(body)
    ended = ["finishReason" in candidate for chunk in chunks for candidate in chunk.get("candidates", ())]
    assert ended == [False] * (len(ended) - 1) + [True]


@pytest.mark.parametrize(
    "exchange", exchanges(lambda exchange: exchange.api == "gemini-generate" and not exchange.failed)
)
def test_a_recorded_answer_that_was_cut_is_never_whole(exchange: Exchange) -> None:
    """Cut anywhere before its last byte that counts, an answer is broken off, whatever HTTP says of its framing."""
    body = exchange.body.rstrip()
    dice = random.Random(exchange.id)
    for place in {0, len(body) - 1, *(dice.randrange(len(body)) for _ in range(8))}:
        for delimited in (False, True):
            with pytest.raises((StreamBrokenError, ProtocolError)):
                read(body[:place], delimited=delimited)


# ── answers of our own making ────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("body", [STREAM, ARRAY, WHOLE], ids=["stream", "array", "whole"])
def test_every_form_gives_the_same_answer(body: bytes) -> None:
    """Thoughts, text, calls, signatures, usage, finish: from each form, at every single cut."""
    events = read(body)
    reply = reply_of(events)
    assert (reply.text, reply.reasoning) == ('Grüße, [{"\\世界', "hm so")
    assert [(call.id, call.name, call.arguments, call.opaque) for call in reply.tool_calls] == [
        ("call_r-1_0", "f", '{"x":1}', '{"thoughtSignature":"c2lnMQ=="}'),
        ("b", "f", "{}", None),
    ]
    assert (reply.finish_reason, reply.raw_finish_reason) == ("tool_calls", "STOP")
    assert reply.usage == Usage(13, 12, 25, cached_tokens=4, reasoning_tokens=7, input_audio_tokens=2)
    assert (events[0], events[-1]) == (Start("gemini-x", "r-1"), Finish("tool_calls", "STOP"))
    for place in range(len(body)):
        assert read(body[:place], body[place:]) == events


@pytest.mark.parametrize("body", [STREAM, ARRAY, WHOLE], ids=["stream", "array", "whole"])
def test_no_beginning_of_an_answer_is_whole(body: bytes) -> None:
    """Whatever ends the connection: a stream needs its last event, the other forms their bracket."""
    last = body.rstrip()
    for place in range(len(last)):
        # The third chunk of this stream has a finishReason, as chunks of older models had: framing is asked too.
        with pytest.raises((StreamBrokenError, ProtocolError)):
            read(body[:place], delimited=False)


def test_a_reason_and_framing_together_prove_a_stream() -> None:
    """A finishReason without HTTP's framing is no end, nor is framing without a finishReason."""
    assert read(STREAM)[-1] == Finish("tool_calls", "STOP")
    with pytest.raises(StreamBrokenError):
        read(STREAM, delimited=False)
    with pytest.raises(StreamBrokenError):
        read(_sse(_chunk({"text": "half"})))
    assert read(ARRAY, delimited=False) == read(ARRAY)


def test_an_answer_that_ends_by_its_bracket_needs_no_more() -> None:
    """A whole answer and an array are finished at once; what follows is not read."""
    for body in (ARRAY, WHOLE):
        decoder = Decoder()
        assert list(decoder.feed(body + b"\n{rubbish"))[-1] == Finish("tool_calls", "STOP")
        assert decoder.finished
        assert [*decoder.feed(b"more"), *decoder.end(delimited=False)] == []


def test_a_bom_and_white_space_may_stand_first() -> None:
    """Neither makes a stream of a whole answer, nor the other way round."""
    for body in (STREAM, ARRAY, WHOLE):
        events = read(body)
        assert read(*every(b"\xef\xbb\xbf" + body, 1)) == events
        assert read(*every(b" \r\n" * 500 + body, 1)) == events


def test_arguments_in_pieces_become_one_call() -> None:
    """Streamed arguments are put together by their paths, and given when their call ends, by word or by the answer."""
    pieces = [
        {"name": "f", "args": {"kept": True}, "willContinue": True},
        {"partialArgs": [{"jsonPath": "$.a.b[0].c", "stringValue": "x"}], "willContinue": True},
        {"partialArgs": [{"jsonPath": "$.a.b[0].c", "stringValue": "yz"}], "willContinue": True},
        {"partialArgs": [{"jsonPath": "$['a']['n']", "numberValue": 1.5},
                         {"jsonPath": '$.a["t"]', "boolValue": True},
                         {"jsonPath": "$.a.b[1]", "nullValue": None}], "willContinue": True},
        {},
        {"name": "g", "partialArgs": [{"jsonPath": "$.q", "stringValue": "!"}], "willContinue": True},
    ]  # fmt: skip
    reply = reply_of(read(_sse(*(_chunk({"functionCall": piece}) for piece in pieces), _chunk(finish="STOP"))))
    assert [(call.name, call.args) for call in reply.tool_calls] == [
        ("f", {"kept": True, "a": {"b": [{"c": "xyz"}, None], "n": 1.5, "t": True}}),
        ("g", {"q": "!"}),
    ]


@pytest.mark.parametrize("path", ["a", "$", "$.a[2]", "$[0]", "$.a.b", "$.a[0", "$" + ".a" * 100, "$.s.t"])
def test_a_path_that_leads_nowhere_is_a_protocol_error(path: str) -> None:
    """A list grows by one, a value is of one kind, and nesting has an end."""
    first = [{"jsonPath": "$.a[0]", "numberValue": 1}, {"jsonPath": "$.s", "stringValue": "x"}]
    call = {"name": "f", "partialArgs": [*first, {"jsonPath": path, "numberValue": 1}]}
    with pytest.raises(ProtocolError):
        read(_sse(_chunk({"functionCall": call}, finish="STOP")))


def test_a_value_that_is_told_again_stands() -> None:
    """Of two numbers in one place the last one holds, in a list too."""
    pieces = [{"jsonPath": path, "numberValue": number} for path in ("$.a[0]", "$.b") for number in (1, 2)]
    reply = reply_of(read(_sse(_chunk({"functionCall": {"name": "f", "partialArgs": pieces}}, finish="STOP"))))
    assert reply.tool_calls[0].args == {"a": [2], "b": 2}
    paths = [{"jsonPath": path, "numberValue": number} for number, path in enumerate(("$.a[0]", "$['a'][0]"))]
    reply = reply_of(read(_sse(_chunk({"functionCall": {"name": "f", "partialArgs": paths}}, finish="STOP"))))
    assert reply.tool_calls[0].args == {"a": [1]}


def test_several_candidates_are_choices() -> None:
    """Each candidate is a choice of its own, with its reason; proto leaves an index of 0 out."""
    first = {"candidates": [{"content": {"parts": [{"text": "a"}]}}, {"content": {"parts": [{"text": "b"}]}}]}
    last = {"candidates": [{"index": 1, "finishReason": "MAX_TOKENS"}, {"index": 0, "finishReason": "STOP"}]}
    events = read(_sse(first, last))
    assert [choice.text for choice in reply_of(events).choices] == ["a", "b"]
    assert events[-2:] == [ChoiceFinish(1, "length", "MAX_TOKENS"), Finish("stop", "STOP")]


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ("STOP", "stop"),
        ("MAX_TOKENS", "length"),
        ("SAFETY", "content_filter"),
        ("RECITATION", "content_filter"),
        ("PROHIBITED_CONTENT", "content_filter"),
        ("SPII", "content_filter"),
        ("MALFORMED_FUNCTION_CALL", "unknown"),
        ("OTHER", "unknown"),
        ("NEW", "unknown"),
    ],
)
def test_each_reason_has_one_of_our_words(raw: str, reason: str) -> None:
    """Ours beside Google's own; what Google says of a reason that is no plain end is a notice."""
    chunk = _chunk(finish=raw)
    chunk["candidates"][0]["finishMessage"] = "said so"
    events = read(_sse(chunk))
    assert events[-1] == Finish(reason, raw)  # type: ignore[arg-type]
    assert (Notice("finishReason", "said so") in events) is (raw != "STOP")


def test_a_blocked_prompt_is_an_answer_that_was_filtered() -> None:
    """Without a candidate there is no finishReason; the reason of the block is told in a notice."""
    feedback = {"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {"promptTokenCount": 4}}
    for body in (_sse(feedback), json.dumps(feedback).encode()):
        events = read(body)
        assert events[1:] == [
            Notice("promptFeedback", "SAFETY: the prompt was blocked"),
            Usage(input_tokens=4),
            Finish("content_filter"),
        ]


def test_grounding_becomes_sources_with_places_in_characters() -> None:
    """Google counts bytes, at times a few too many; a chunk that supports nothing is a source without a place."""
    grounding = {
        "groundingChunks": [
            {"web": {"uri": "https://a.example", "title": "A"}},
            {"retrievedContext": {"fileSearchStore": "stores/s"}},
            {"maps": {"uri": "https://c.example"}},
        ],
        "groundingSupports": [
            {"segment": {"startIndex": 8, "endIndex": 15, "text": "über so"}, "groundingChunkIndices": [0, 1, 9]},
            {"segment": {"startIndex": 20, "endIndex": 21, "text": "x"}, "groundingChunkIndices": [0]},
            {"segment": {"endIndex": 6}, "groundingChunkIndices": [0]},
        ],
    }
    pages = {"urlMetadata": [
        {"retrievedUrl": url, "urlRetrievalStatus": f"URL_RETRIEVAL_STATUS_{status}"}
        for url, status in zip(("https://a.example", "https://d.example", "https://e.example"),
                               ("SUCCESS", "SUCCESS", "ERROR"), strict=True)
    ]}  # fmt: skip
    cited = {"citationSources": [{"startIndex": 2, "endIndex": 6, "uri": "https://f.example"}, {"license": "MIT"}]}
    last = _chunk({"text": "über so"}, finish="STOP", groundingMetadata=grounding, urlContextMetadata=pages,
                  citationMetadata=cited)  # fmt: skip
    repeated = _chunk(finish="STOP", groundingMetadata=grounding)
    reply = reply_of(read(_sse(_chunk({"text": "Grüße "}), last, repeated)))
    assert reply.text == "Grüße über so"
    assert list(reply.sources) == [
        Source("https://a.example", "A", 6, 13),
        Source("stores/s", None, 6, 13),
        Source("https://a.example", "A"),
        Source("https://a.example", "A", 0, 4),
        Source("https://c.example"),
        Source("https://f.example", None, 2, 4),
        Source("https://d.example"),
    ]


def test_logprobs_stand_with_the_likeliest_in_their_place() -> None:
    """A token that is empty, or surely right, is left out by proto."""
    result = {
        "chosenCandidates": [{"token": "a", "logProbability": -0.5}, {}],
        "topCandidates": [
            {"candidates": [{"token": "a", "logProbability": -0.5}, {"token": "b", "logProbability": -2}]}
        ],
    }
    chunk = _chunk({"text": "a"}, finish="STOP")
    chunk["candidates"][0]["logprobsResult"] = result
    assert Logprobs((TokenLogprob("a", -0.5, (("a", -0.5), ("b", -2.0))), TokenLogprob("", 0.0))) in read(_sse(chunk))


def test_sound_is_read_and_an_image_is_told_of() -> None:
    """Inline data of an answer is sound, or a notice, once."""
    image = {"inlineData": {"mimeType": "image/png", "data": "AAAA"}}
    sound = {"inlineData": {"mimeType": "audio/L16;rate=24000", "data": "AQI="}}
    events = read(_sse(_chunk(image, sound), _chunk(image, sound, finish="STOP")))
    assert events[1:] == [
        Notice("inlineData of type image/png", "the answer contains this, but Segue does not read it"),
        AudioDelta(b"\x01\x02"),
        AudioDelta(b"\x01\x02"),
        Finish("stop", "STOP"),
    ]


def test_googles_own_tools_are_told_of_once_and_kept_for_the_next_turn() -> None:
    """Parts of code and of searches go back as they came."""
    parts = [
        {"executableCode": {"language": "PYTHON", "code": "1"}, "thoughtSignature": "YQ=="},
        {"codeExecutionResult": {"outcome": "OUTCOME_OK"}},
        {"executableCode": {"language": "PYTHON", "code": "2"}},
        {"text": "two", "thoughtSignature": "Yg=="},
    ]
    events = read(_sse(_chunk(*parts, finish="STOP")))
    assert [event.subject for event in events if isinstance(event, Notice)] == ["executableCode", "codeExecutionResult"]
    message = reply_of(events, "google").message
    assert body_of(request(message))["contents"] == [{"role": "model", "parts": parts}]


FAILURE = {"error": {"code": 503, "message": "secret words", "status": "UNAVAILABLE"}}


@pytest.mark.parametrize(
    "body",
    [
        json.dumps(FAILURE).encode(),
        json.dumps([FAILURE]).encode(),
        _sse(FAILURE),
        _sse(CHUNKS[0], FAILURE),
        _array(CHUNKS[0], FAILURE),
        _sse(CHUNKS[0]) + json.dumps(FAILURE, indent=2).encode(),
        _sse(CHUNKS[0]) + json.dumps(FAILURE).encode() + b"\n",
    ],
)
@pytest.mark.parametrize("delimited", [True, False])
def test_a_failure_inside_an_answer_is_raised(body: bytes, *, delimited: bool) -> None:
    """As an event, an element, the whole, or bare lines behind the events, as Google's SDK expects it too."""
    for pieces in ([body], every(body, 1)):
        with pytest.raises(OverloadedError) as caught:
            read(*pieces, delimited=delimited)
        error = caught.value
        assert (error.status, error.code, error.phase, error.retryable) == (200, "UNAVAILABLE", "stream", True)
        assert "secret" not in str(error)


@pytest.mark.parametrize("rest", [b'{"error": {"co', b'{"other": 1}', b"{rubbish}"])
def test_bare_lines_that_are_no_failure_are_none(rest: bytes) -> None:
    """What stands behind the events and tells no error makes none; the answer is broken off, or whole as it was."""
    with pytest.raises(StreamBrokenError):
        read(_sse(CHUNKS[0]) + rest)
    assert read(STREAM + rest) == read(STREAM)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"[]",
        b"[1]",
        b"[[]]",
        b'[{}"x"]',
        b'{"candidates":1}',
        b'{"candidates":[{"index":-1}]}',
        b'{"candidates":[{"index":5000}]}',
        b'{"candidates":[{"content":{"parts":[{"text":1}]}}]}',
        b'{"candidates":[{"content":{"parts":[{"functionCall":{}}]}}]}',
        b'{"candidates":[{"content":{"parts":[{"functionCall":{"name":"f","args":[1]}}]}}]}',
        b'{"candidates":[{"content":{"parts":[{"functionCall":{"name":"f","partialArgs":[{"jsonPath":"$.a","stringValue":{}}]}}]}}]}',
        b'{"candidates":[{"content":{"parts":[{"inlineData":{"mimeType":"audio/wav","data":"?"}}]}}]}',
        b'{"candidates":[{"groundingMetadata":{"groundingSupports":[{"groundingChunkIndices":["a"]}]}}]}',
        b'{"candidates":[{"logprobsResult":{"chosenCandidates":[{"token":1}]}}]}',
        b'{"candidates":[{"finishReason":1}]}',
        b"data: 1\n\n",
        b": nothing\n\n",
        b"<html>",
    ],
)
def test_what_the_wire_does_not_allow_is_a_protocol_error(body: bytes) -> None:
    """A body that holds no answer, or something else where a part belongs, is a ProtocolError."""
    with pytest.raises(ProtocolError):
        read(body)


def test_an_array_without_a_reason_ends_unknown() -> None:
    """Its bracket proves it whole; a reason is not invented."""
    assert read(_array(_chunk({"text": "a"})), delimited=False)[-2:] == [
        Notice("finishReason", "the host gave no reason for the end of the answer"),
        Finish("unknown"),
    ]


def test_an_object_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A chunk of each framing is kept up to a limit."""
    monkeypatch.setattr(segue_google.decode, "MAX_CHUNK_BYTES", 50)
    for head in (b"{", b"[{", b"[", b"data: "):
        with pytest.raises(ProtocolError, match="larger than"):
            read(head, b" " * 30, b"x" * 30)
    with pytest.raises(ProtocolError, match="larger than"):
        read(b'[{"a": "' + b"x" * 60 + b'"}]')


def test_reading_takes_time_in_proportion() -> None:
    """Twice the answer, in single bytes or full of places, takes about twice as long."""

    def seconds(count: int) -> float:
        support = {"segment": {"startIndex": 3 * count, "text": "ü"}, "groundingChunkIndices": [0]}
        grounding = {"groundingChunks": [{"web": {"uri": "u"}}], "groundingSupports": [support] * count}
        call = {"name": "f", "partialArgs": [{"jsonPath": "$.a", "stringValue": "x"}] * count}
        body = _array(_chunk({"text": "ü" * count}, {"functionCall": call}, finish="STOP", groundingMetadata=grounding))
        began = time.process_time()
        read(*every(body, 3))
        return time.process_time() - began

    small, large = min(seconds(500) for _ in range(3)), min(seconds(4000) for _ in range(2))
    assert large < 32 * small


@given(st.data())
def test_mutated_bytes_raise_our_errors_alone(data: st.DataObject) -> None:
    """Whatever comes, it is events or a SegueError."""
    body = bytearray(data.draw(st.sampled_from([STREAM, ARRAY, WHOLE, PARTIAL])))
    for _ in range(data.draw(st.integers(1, 6))):
        place = data.draw(st.integers(0, max(0, len(body) - 1)))
        body[place : place + data.draw(st.integers(0, 9))] = data.draw(
            st.binary(max_size=6) | st.sampled_from([b"null", b"[]", b"{}", b"-1", b'"', b"\n", b"1e999", b"\\"])
        )
    with contextlib.suppress(SegueError):
        read(bytes(body), delimited=data.draw(st.booleans()))


PARTIAL = _sse(
    _chunk({"functionCall": {"name": "f", "willContinue": True}}),
    _chunk({"functionCall": {"partialArgs": [{"jsonPath": "$.a[0].b", "stringValue": "x"}], "willContinue": True}}),
    _chunk({"functionCall": {}}, finish="STOP", groundingMetadata={"groundingChunks": [{"web": {"uri": "u"}}]}),
)


@given(st.data())
def test_mutated_values_raise_our_errors_alone(data: st.DataObject) -> None:
    """A value of any kind in any place is events or a SegueError."""
    value = data.draw(st.sampled_from([json.loads(ARRAY), json.loads(WHOLE)]))
    places = [found.start() for found in re.finditer(r'(?<=: )["\d\[{]', json.dumps(value))]
    place = data.draw(st.sampled_from(places))
    text = json.dumps(value)
    _, end = json.JSONDecoder().raw_decode(text, place)
    other = data.draw(st.sampled_from(["null", "1", '"x"', "[]", "{}", "[1]", '[{"a":1}]', "true", "-1.5", "{}"]))
    with contextlib.suppress(SegueError):
        read((text[:place] + other + text[end:]).encode())


# ── requests ─────────────────────────────────────────────────────────────────────────────────────────


def request(*messages: Any, **more: Any) -> Request:
    return Request(messages=tuple(Message.model_validate(message) for message in messages), **more)


def body_of(asked: Request, model: str = "gemini-3.8-flash", **options: Any) -> dict[str, Any]:
    call = encode(asked, model=model, base_url="https://host.example/v1beta/", headers={}, options=options)
    body: dict[str, Any] = json.loads(call.body)
    accepted(body)
    return body


def notices_of(asked: Request, model: str = "gemini-3.8-flash", **options: Any) -> list[str]:
    call = encode(asked, model=model, base_url="https://host.example", headers={}, options=options)
    return [notice.subject for notice in call.notices]


def accepted(body: dict[str, Any]) -> None:
    """Google's SDK has a type for each part of a request, and takes no field that it does not know."""
    for content in (*body["contents"], *filter(None, [body.get("systemInstruction")])):
        types.Content.model_validate(content)
    for tool in body.get("tools", ()):
        types.Tool.model_validate(tool)
    types.ToolConfig.model_validate(body.get("toolConfig", {}))
    types.GenerationConfig.model_validate(body.get("generationConfig", {}))
    for setting in body.get("safetySettings", ()):
        types.SafetySetting.model_validate(setting)
    known = {"contents", "systemInstruction", "tools", "toolConfig", "generationConfig", "safetySettings"}
    assert body.keys() <= known | {"cachedContent", "labels", "serviceTier"}


def _camel(value: Any) -> Any:
    """proto takes names of both kinds; some recorded clients write the other one."""
    if isinstance(value, dict):
        return {re.sub(r"_([a-z])", lambda m: m[1].upper(), name): _camel(item) for name, item in value.items()}
    return [_camel(item) for item in value] if isinstance(value, list) else value


class _Conversation:
    """A recorded request's contents as messages; a call without an id gets one, that its result finds by order."""

    def __init__(self, contents: list[dict[str, Any]]) -> None:
        self.messages: list[Message] = []
        self._waiting: list[tuple[str, str]] = []  # (name, made id) of calls without their results
        for content in contents:
            self._take(content)

    def _take(self, content: dict[str, Any]) -> None:
        parts: list[Any] = []
        calls: list[ToolCall] = []
        for part in content["parts"]:
            if "functionResponse" in part:
                self._result(part["functionResponse"])
            elif "functionCall" in part:
                calls.append(self._call(part))
            elif part.get("thought"):
                opaque = {name: value for name, value in part.items() if name != "text"}
                signed = "thoughtSignature" in part
                parts.append(ReasoningPart(text=part["text"], opaque=json.dumps(opaque) if signed else None))
            else:
                if "thoughtSignature" in part:
                    parts.append(ReasoningPart(opaque=json.dumps({"thoughtSignature": part["thoughtSignature"]})))
                parts.append(_part(part))
        if parts or calls:
            role = "assistant" if content["role"] == "model" else "user"
            self.messages.append(Message(role=role, content=tuple(parts), tool_calls=tuple(calls)))

    def _call(self, part: dict[str, Any]) -> ToolCall:
        call = part["functionCall"]
        call_id = call.get("id") or f"made_{len(self.messages)}_{len(self._waiting)}"
        self._waiting.append((call["name"], call_id))
        signature = part.get("thoughtSignature")
        return ToolCall(
            id=call_id,
            name=call["name"],
            arguments=json.dumps(call.get("args", {})),
            opaque=None if signature is None else json.dumps({"thoughtSignature": signature}),
        )

    def _result(self, result: dict[str, Any]) -> None:
        found = next(
            pair for pair in self._waiting if pair[0] == result["name"] and result.get("id") in {None, pair[1]}
        )
        self._waiting.remove(found)
        beside = [_part(part) for part in result.get("parts", ())]
        content = (TextPart(text=json.dumps(result["response"])), *beside)
        self.messages.append(Message(role="tool", tool_call_id=found[1], content=content))


def _part(part: dict[str, Any]) -> Any:
    if "text" in part:
        return TextPart(text=part["text"])
    kind = next(value["mimeType"] for value in part.values() if isinstance(value, dict) and "mimeType" in value)
    if "fileData" in part:
        uri = part["fileData"]["fileUri"]
        image = kind.startswith("image/")
        return ImagePart(url=uri, media_type=kind) if image else FilePart(id=uri, media_type=kind)
    data = base64.b64decode(part["inlineData"]["data"].translate(str.maketrans("-_", "+/")))
    return ImagePart(data=data, media_type=kind) if kind.startswith("image/") else FilePart(data=data, media_type=kind)


def _normalised(contents: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Without what recorded clients write in other ways than ours.

    An id that was made; the form of a function's result, which each client makes of its own; results and text of one
    turn of the user's, which are two messages here; an empty text, here before calls and there behind them; base64 of
    the other alphabet; what of a video is looked at.
    """
    told: list[dict[str, Any]] = []
    for content in contents:
        parts: list[dict[str, Any]] = []
        for given_part in content["parts"]:
            part = {name: value for name, value in given_part.items() if name != "videoMetadata"}
            for name in ("functionCall", "functionResponse"):
                if name in part:
                    made = str(part[name].get("id", "made")).startswith("made")
                    part[name] = {
                        field: value for field, value in {"args": {}, **part[name]}.items()
                        if field not in {"response", "parts"} and not (field == "id" and made)
                    }  # fmt: skip
            if "inlineData" in part:
                part["inlineData"] = {**part["inlineData"], "data": part["inlineData"]["data"].translate(
                    str.maketrans("-_", "+/"))}  # fmt: skip
            if part != {"text": ""}:
                parts.append(part)
        if told and told[-1]["role"] == content["role"] == "user":
            told[-1]["parts"] += parts
        else:
            told.append({"role": content["role"], "parts": parts})
    return told


@pytest.mark.parametrize(
    "exchange", exchanges(lambda exchange: exchange.api == "gemini-generate" and not exchange.failed)
)
def test_a_recorded_conversation_is_asked_in_the_same_words(exchange: Exchange) -> None:
    """Read as messages and written again, recorded contents are the same but for what is listed above."""
    if not (exchange.recording["request"].get("json") or {}).get("contents"):
        return  # the answer alone was recorded
    recorded = _camel(exchange.recording["request"]["json"])["contents"]
    contents = [
        {"role": content.get("role", "user"), "parts": content["parts"]}
        if isinstance(content, dict) else {"role": "user", "parts": [{"text": content}]}
        for content in (recorded if isinstance(recorded, list) else [recorded])
    ]  # fmt: skip
    asked = Request(messages=tuple(_Conversation(contents).messages))
    written = body_of(asked, "gemini-2.5-flash")["contents"]
    assert _normalised(written) == _normalised(contents)


def test_what_an_answer_said_goes_back_where_it_was() -> None:
    """Thoughts, and the signatures of a thought, a text, an empty text and a call, each at its own part."""
    parts = [
        {"text": "hm", "thought": True, "thoughtSignature": "YQ=="},
        {"text": "so", "thought": True},
        {"text": "Hello", "thoughtSignature": "Yg=="},
        {"text": "", "thoughtSignature": "Yw=="},
        {"functionCall": {"id": "a", "name": "f", "args": {"x": 1}}, "thoughtSignature": "ZA=="},
        {"functionCall": {"id": "b", "name": "f", "args": {}}},
    ]
    message = reply_of(read(_sse(_chunk(*parts, finish="STOP"))), "google").message
    assert body_of(request(message))["contents"] == [{"role": "model", "parts": parts}]


def test_a_request_with_everything_is_written_down() -> None:
    """Each thing has its place, under Google's name."""
    asked = request(
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [
            {"type": "text", "text": "What is this?"},
            {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{base64.b64encode(PNG).decode()}"}},
            ImagePart(url="https://a.example/b.jpg?x=1"),
            ImagePart(url="https://youtu.be/x"),
            ImagePart(url="https://a.example/c"),
            AudioPart(data=b"RIFF", format="wav"),
            FilePart(data=b"%PDF", media_type="application/pdf", name="a.pdf"),
            FilePart(id="files/abc"),
            FilePart(id="gs://bucket/a.pdf"),
        ]},
        {"role": "assistant", "content": [{"type": "refusal", "refusal": "No."}], "tool_calls": [
            {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"city":"x"}'}},
            {"id": "c2", "type": "function", "function": {"name": "f", "arguments": ""}},
        ]},
        {"role": "tool", "tool_call_id": "c1", "content": "218922995834555169026"},
        {"role": "tool", "tool_call_id": "c2", "content": [{"type": "text", "text": "ok"}, ImagePart(data=PNG)]},
        {"role": "user", "content": ""},
        tools=(Tool(name="f", description="F.", parameters=CITY), Tool(name="g")),
        tool_choice="f",
        output=Output(json_schema=CITY, description="A city."),
        settings=Settings(temperature=0.5, top_p=0.9, top_k=3, max_tokens=9, stop=("x",), seed=1, n=2, top_logprobs=4,
                          frequency_penalty=0.1, presence_penalty=0.2, reasoning_effort="low",
                          parallel_tool_calls=True),
        extra_body={"labels": {"a": "b"}},
    )  # fmt: skip
    safety = [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}]
    inline = {"mimeType": "image/png", "data": base64.b64encode(PNG).decode()}
    assert body_of(
        asked,
        cached_content="cachedContents/x",
        include_server_side_tool_invocations=True,
        response_modalities=["TEXT"],
        safety_settings=safety,
        tools=[{"googleSearch": {}}],
    ) == {
        "systemInstruction": {"parts": [{"text": "Be brief."}]},
        "contents": [
            {"role": "user", "parts": [
                {"text": "What is this?"},
                {"inlineData": inline},
                {"fileData": {"fileUri": "https://a.example/b.jpg?x=1", "mimeType": "image/jpeg"}},
                {"fileData": {"fileUri": "https://youtu.be/x", "mimeType": "video/mp4"}},
                {"fileData": {"fileUri": "https://a.example/c"}},
                {"inlineData": {"mimeType": "audio/wav", "data": "UklGRg=="}},
                {"inlineData": {"mimeType": "application/pdf", "data": "JVBERg=="}},
                {"fileData": {"fileUri": "https://host.example/v1beta/files/abc"}},
                {"fileData": {"fileUri": "gs://bucket/a.pdf", "mimeType": "application/pdf"}},
            ]},
            {"role": "model", "parts": [
                {"text": "No."},
                {"functionCall": {"id": "c1", "name": "f", "args": {"city": "x"}}, "thoughtSignature": NO_SIGNATURE},
                {"functionCall": {"id": "c2", "name": "f", "args": {}}},
            ]},
            {"role": "user", "parts": [
                {"functionResponse": {"id": "c1", "name": "f", "response": {"output": "218922995834555169026"}}},
                {"functionResponse": {"id": "c2", "name": "f", "response": {"output": "ok"},
                                      "parts": [{"inlineData": inline}]}},
            ]},
            {"role": "user", "parts": [{"text": ""}]},
        ],
        "tools": [
            {"googleSearch": {}},
            {"functionDeclarations": [
                {"name": "f", "description": "F.", "parametersJsonSchema": CITY},
                {"name": "g", "parametersJsonSchema": {"type": "object", "properties": {}}},
            ]},
        ],
        "toolConfig": {
            "includeServerSideToolInvocations": True,
            "functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["f"]},
        },
        "generationConfig": {
            "temperature": 0.5, "topP": 0.9, "topK": 3, "maxOutputTokens": 9, "stopSequences": ["x"], "seed": 1,
            "candidateCount": 2, "responseLogprobs": True, "logprobs": 4, "frequencyPenalty": 0.1,
            "presencePenalty": 0.2, "responseModalities": ["TEXT"],
            "thinkingConfig": {"thinkingLevel": "low", "includeThoughts": True},
            "responseMimeType": "application/json", "responseJsonSchema": {**CITY, "description": "A city."},
        },
        "safetySettings": safety,
        "cachedContent": "cachedContents/x",
        "labels": {"a": "b"},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("stream", "model", "url"),
    [
        (True, "gemini-x", "https://host.example/v1beta/models/gemini-x:streamGenerateContent?alt=sse"),
        (False, "gemini-x", "https://host.example/v1beta/models/gemini-x:generateContent"),
        (False, "tunedModels/a", "https://host.example/v1beta/tunedModels/a:generateContent"),
        (False, "a?b#c", "https://host.example/v1beta/models/a%3Fb%23c:generateContent"),
    ],
)
def test_the_address_names_model_and_method(stream: bool, model: str, url: str) -> None:
    """A stream is always asked for as events; a model's name leads nowhere else."""
    asked = request({"role": "user", "content": "x"}, stream=stream)
    call = encode(asked, model=model, base_url="https://host.example/v1beta", headers={}, options={})
    assert call.url == url


@pytest.mark.parametrize(
    ("choice", "strict", "config"),
    [
        (None, (None, None), None),
        ("auto", (None, None), {"mode": "AUTO"}),
        ("none", (True, True), {"mode": "NONE"}),
        ("required", (None, None), {"mode": "ANY"}),
        (None, (True, True), {"mode": "VALIDATED"}),
        ("auto", (True, False), {"mode": "AUTO"}),
    ],
)
def test_whether_functions_are_called_is_a_mode(
    choice: Any, strict: tuple[bool | None, ...], config: dict[str, Any] | None
) -> None:
    """Strict ones are validated where all are; where some are a notice says that they are not."""
    tools = tuple(Tool(name=f"t{place}", strict=value) for place, value in enumerate(strict))
    asked = request({"role": "user", "content": "x"}, tools=tools, tool_choice=choice)
    assert body_of(asked).get("toolConfig", {}).get("functionCallingConfig") == config
    assert notices_of(asked) == (["strict"] if strict == (True, False) else [])


@pytest.mark.parametrize(
    ("model", "effort", "config", "noticed"),
    [
        ("gemini-2.5-flash", "none", {"thinkingBudget": 0}, False),
        ("gemini-2.5-flash", "medium", {"thinkingBudget": 8192, "includeThoughts": True}, False),
        ("gemini-2.5-flash", "xhigh", {"thinkingBudget": 24576, "includeThoughts": True}, True),
        ("gemini-2.5-pro", "none", None, True),
        ("gemini-3-flash-preview", "minimal", {"thinkingLevel": "minimal", "includeThoughts": True}, False),
        ("gemini-3.8-flash", "minimal", {"thinkingLevel": "low", "includeThoughts": True}, True),
        ("gemini-4-argon", "xhigh", {"thinkingLevel": "high", "includeThoughts": True}, True),
        ("publishers/google/models/gemini-2.5-flash", "low", {"thinkingBudget": 1024, "includeThoughts": True}, False),
        ("gemini-flash-latest", "none", None, True),
    ],
)
def test_effort_is_a_level_or_a_budget(
    model: str, effort: Any, config: dict[str, Any] | None, noticed: bool
) -> None:  # fmt: skip
    """By the model's generation; what a model cannot do is said."""
    asked = request({"role": "user", "content": "x"}, settings=Settings(reasoning_effort=effort))
    assert body_of(asked, model).get("generationConfig", {}).get("thinkingConfig") == config
    assert notices_of(asked, model) == (["reasoning_effort"] if noticed else [])


def test_a_budget_stands_in_place_of_a_level() -> None:
    """Google takes one of the two; the option says more."""
    asked = request({"role": "user", "content": "x"}, settings=Settings(reasoning_effort="low"))
    written = body_of(asked, thinking_budget=100, include_thoughts=False)["generationConfig"]
    assert written == {"thinkingConfig": {"thinkingBudget": 100, "includeThoughts": False}}


def test_a_call_without_signature_is_excused_where_one_is_wanted() -> None:
    """Of parallel calls the first; before Gemini 3, and where there is a signature, nothing is added."""

    def signatures(model: str, *opaque: str | None) -> list[str | None]:
        calls = tuple(ToolCall(id=f"c{n}", name="f", opaque=text) for n, text in enumerate(opaque))
        parts = body_of(request(Message(role="assistant", tool_calls=calls)), model)["contents"][0]["parts"]
        return [part.get("thoughtSignature") for part in parts]

    assert signatures("gemini-3.8-flash", None, None) == [NO_SIGNATURE, None]
    assert signatures("gemini-2.5-flash", None) == [None]
    assert signatures("gemini-3.8-flash", '{"thoughtSignature":"YQ=="}', None) == ["YQ==", None]
    assert signatures("gemini-3.8-flash", "no json") == [NO_SIGNATURE]
    assert base64.b64decode(NO_SIGNATURE) == b"skip_thought_signature_validator"


def test_what_has_no_words_is_said() -> None:
    """Tuning is left out with a notice, once; meaning is refused."""
    asked = request(
        {"role": "user", "content": [TextPart(text="x"), ImagePart(data=PNG, detail="high")] * 2, "name": "Ann"},
        {"role": "system", "content": "late"},
        {"role": "user", "content": "y", "name": "Bob"},
        {"role": "system", "content": "later"},
        settings=Settings(parallel_tool_calls=False),
    )
    assert notices_of(asked) == ["name", "detail", "system", "parallel_tool_calls"]
    form = {"tools": (Tool(name="f"),), "output": Output(json_schema=CITY)}
    assert body_of(request({"role": "user", "content": "x"}, **form))["generationConfig"]["responseJsonSchema"] == CITY
    refused = [
        request({"role": "user", "content": "x"}, **form),
        request({"role": "system", "content": [ImagePart(data=PNG)]}),
        request({"role": "assistant", "tool_calls": [
            {"id": "a", "type": "function", "function": {"name": "f", "arguments": "[1"}}]}),
    ]  # fmt: skip
    for request_, subject in zip(refused, ["schema", "image", "tool_calls"], strict=True):
        with pytest.raises(UnsupportedError) as caught:
            notices_of(request_, "gemini-2.5-flash")
        assert caught.value.subject == subject
        lenient = request_.model_copy(update={"policy": Policy(meaning="notice")})
        assert notices_of(lenient, "gemini-2.5-flash") == [subject]


# ── over sockets ─────────────────────────────────────────────────────────────────────────────────────


def asked(host: ScriptedHost, **table: Any) -> Client:
    providers = {name: {"base_url": host.url, "api_key": "AIza-test-key", **table} for name in ("google", "vertex")}
    return Client(config={"providers": providers}, environ={})


async def test_a_conversation_goes_on_with_its_signatures() -> None:
    """The key goes in a header, never in the address; what came with the calls goes back with them."""
    async with (
        ScriptedHost(script=[Body(STREAM, split=3), Body(WHOLE, content_type=JSON)]) as host,
        asked(host) as client,
    ):
        async with client.stream("hi", model="google/gemini-3.8-flash", tools=[Tool(name="f")]) as stream:
            async for _ in stream:
                pass
            reply = await stream.reply()
        results = [{"role": "tool", "tool_call_id": call.id, "content": "1"} for call in reply.tool_calls]
        messages: list[Any] = [{"role": "user", "content": "hi"}, reply.message, *results]
        again = await client.chat(messages, model="google/gemini-3.8-flash", max_tokens=5)
    first, second = host.requests
    assert first.path == "/models/gemini-3.8-flash:streamGenerateContent?alt=sse"
    assert second.path == "/models/gemini-3.8-flash:generateContent"
    assert first.header["x-goog-api-key"] == second.header["x-goog-api-key"] == "AIza-test-key"
    assert "authorization" not in first.header
    assert second.json["contents"][1] == {"role": "model", "parts": [
        {"text": "hm so", "thought": True},
        {"text": 'Grüße, [{"\\世界'},
        {"text": "", "thoughtSignature": "c2lnMg=="},
        {"functionCall": {"id": "call_r-1_0", "name": "f", "args": {"x": 1}}, "thoughtSignature": "c2lnMQ=="},
        {"functionCall": {"id": "b", "name": "f", "args": {}}},
    ]}  # fmt: skip
    assert [part["functionResponse"]["id"] for part in second.json["contents"][2]["parts"]] == ["call_r-1_0", "b"]
    assert again.tool_calls == reply.tool_calls
    assert (again.provider, again.finish_reason) == ("google", "tool_calls")


async def test_signatures_of_others_stay_where_they_came_from() -> None:
    """An opaque part of another provider is not sent, and a notice says so."""
    foreign = Message(
        role="assistant",
        content=(ReasoningPart(text="secret", opaque="x", origin="other"), TextPart(text="a")),
        tool_calls=(ToolCall(id="c", name="f", opaque='{"thoughtSignature":"Zm9yZWlnbg=="}', origin="other"),),
    )
    async with ScriptedHost(script=[Body(WHOLE, content_type=JSON)]) as host, asked(host) as client:
        reply = await client.chat([foreign], model="google/gemini-3.8-flash")
    assert host.requests[0].json["contents"][0]["parts"] == [
        {"text": "a"},
        {"functionCall": {"id": "c", "name": "f", "args": {}}, "thoughtSignature": NO_SIGNATURE},
    ]
    assert "reasoning" in [notice.subject for notice in reply.notices]


@pytest.mark.parametrize("variable", ["GEMINI_API_KEY", "GOOGLE_API_KEY"])
async def test_the_key_comes_from_the_environment(variable: str) -> None:
    """By either of the names that Google's own clients read."""
    async with ScriptedHost(script=[Body(WHOLE, content_type=JSON)]) as host:
        config = {"providers": {"google": {"base_url": host.url}}}
        async with Client(config=config, environ={variable: "AIza-environment"}) as client:
            await client.chat("x", model="google/m")
    assert host.requests[0].header["x-goog-api-key"] == "AIza-environment"


async def test_without_a_key_the_variable_is_named() -> None:
    """The error names the variable and where to get a key."""
    async with Client(config=False, environ={}) as client:
        with pytest.raises(NoCandidateError, match="GEMINI_API_KEY") as caught:
            await client.chat("hi", model="google/gemini-3.8-flash")
    assert "aistudio.google.com" in str(caught.value)


@pytest.mark.parametrize(
    ("provider", "variable"), [(Google(), "GEMINI_API_KEY"), (Vertex(), "GOOGLE_OAUTH_ACCESS_TOKEN")]
)
async def test_a_provider_without_a_key_names_the_variable(provider: Google | Vertex, variable: str) -> None:
    """Also where it is asked without a client."""
    transport = AiohttpTransport()
    settings = ProviderSettings(options={"project": "p"})
    spec = next(spec for spec in segue_google.segue_providers() if spec.name == provider.name)
    with pytest.raises(ConfigError, match=rf"{provider.name} has no key: set {variable}"):
        provider.stream(
            request({"role": "user", "content": "x"}),
            Context("m", transport, settings, provider=provider.name, spec=spec),
        )
    assert {"gemini-3.8-flash", "gemini-4-argon"} < {model.name for model in provider.models()}


async def test_vertex_is_asked_with_a_token_at_a_projects_place() -> None:
    """Project and location come from the configuration, or from the call's options above it."""
    options = {"project": "p-1", "location": "europe-west4"}
    async with ScriptedHost(script=[Body(WHOLE, content_type=JSON)]) as host, asked(host, options=options) as client:
        await client.chat("x", model="vertex/gemini-2.5-flash", options={"vertex": {"labels": {"a": "b"}}})
        await client.chat("x", model="vertex/publishers/x/models/y", options={"vertex": {"location": "global"}})
    first, second = host.requests
    assert (
        first.path == "/projects/p-1/locations/europe-west4/publishers/google/models/gemini-2.5-flash:generateContent"
    )
    assert first.header["authorization"] == "Bearer AIza-test-key"
    assert "x-goog-api-key" not in first.header
    assert first.json["labels"] == {"a": "b"}
    assert second.path == "/projects/p-1/locations/global/publishers/x/models/y:generateContent"


@pytest.mark.parametrize("options", [{}, {"project": "a/b"}, {"project": "p", "location": "evil.example/"}])
async def test_a_place_that_is_none_is_refused(options: dict[str, str]) -> None:
    """Without a project, or with what is no name, nothing is sent."""
    async with ScriptedHost() as host, asked(host, options=options) as client:
        with pytest.raises(ConfigError, match="project"):
            await client.chat("x", model="vertex/gemini-2.5-flash")
    assert not host.requests


async def test_a_configured_place_stands_as_it_is() -> None:
    """An address that names a project needs no option."""
    async with ScriptedHost(script=[Body(WHOLE, content_type=JSON)]) as host:
        table = {"base_url": f"{host.url}/v1/projects/p/locations/us", "api_key": "token"}
        async with Client(config={"providers": {"vertex": table}}, environ={}) as client:
            await client.chat("x", model="vertex/m")
    assert host.requests[0].path == "/v1/projects/p/locations/us/publishers/google/models/m:generateContent"


async def test_an_error_in_the_stream_is_raised_with_its_type() -> None:
    """What came before it was given; the type is that of the status in the body."""
    async with ScriptedHost(script=[Body(_sse(CHUNKS[3], FAILURE))]) as host, asked(host) as client:
        async with client.stream("x", model="google/m") as stream:
            with pytest.raises(OverloadedError):
                async for _ in stream:
                    pass
    assert stream is not None


# ── vectors ──────────────────────────────────────────────────────────────────────────────────────────


async def test_vectors_are_asked_for_in_one_call() -> None:
    """Each input is a request of its own, with what it is for and how long its vector shall be."""
    answer = json.dumps({"embeddings": [{"values": [1, 0.5]}, {"values": [2, 0.5]}]}).encode()
    async with ScriptedHost(script=[Body(answer, content_type=JSON)]) as host, asked(host) as client:
        reply = await client.embed(["a", "b"], model="google/gemini-embedding-001", dimensions=2, purpose="query")
    assert reply.vectors == [[1, 0.5], [2, 0.5]]
    assert host.requests[0].path == "/models/gemini-embedding-001:batchEmbedContents"
    shared = {"model": "models/gemini-embedding-001", "outputDimensionality": 2, "taskType": "RETRIEVAL_QUERY"}
    assert host.requests[0].json == {
        "requests": [{**shared, "content": {"parts": [{"text": text}]}} for text in ("a", "b")]
    }


def test_a_failure_in_place_of_vectors_is_raised() -> None:
    """With status 200 too."""
    with pytest.raises(OverloadedError):
        decode(json.dumps(FAILURE).encode())


@pytest.mark.parametrize("body", [b"{}", b'{"embeddings":[{"values":[]}]}', b'{"embeddings":[{"values":["a"]}]}'])
def test_an_answer_without_vectors_is_a_protocol_error(body: bytes) -> None:
    """What is no list of numbers is no vector."""
    with pytest.raises(ProtocolError):
        decode(body)
