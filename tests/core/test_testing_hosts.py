"""Scripted hosts do what their scripts say, seen by a client that reads its bytes by hand."""

from __future__ import annotations

import asyncio
import gc
import json
import socket
import ssl
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Self
from urllib.parse import urlsplit

import openai
import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st

import segue.testing
from segue.testing import (
    Answer,
    Body,
    CromicleHost,
    Cut,
    Drop,
    Garbage,
    LlamaCppHost,
    OpenAIHost,
    ProxyHost,
    Raw,
    ScriptedHost,
    Stall,
    Status,
    Step,
    refused_url,
    rehearsed,
    tokens_of,
)

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

CHAT = {"model": "m", "messages": [{"role": "user", "content": "Hello"}]}
STREAM = {**CHAT, "stream": True, "stream_options": {"include_usage": True}}
PROMPT = {"message": "Hello", "token": "abc", "hash": "0"}
TOKENS = ["hello", " from", " the", " host"]
SSE = OpenAIHost.sse_body(TOKENS, model="m")


def asking(path: str, body: object, *headers: str, method: str = "POST") -> bytes:
    data = b"" if body is None else json.dumps(body).encode()
    lines = [f"{method} {path} HTTP/1.1", "Host: x", *headers, f"Content-Length: {len(data)}", "", ""]
    return "\r\n".join(lines).encode() + data


CHATTING = asking("/v1/chat/completions", CHAT)
STREAMING = asking("/v1/chat/completions", STREAM)
PROMPTING = asking("/chat", PROMPT)


@dataclass
class Seen:
    status: int
    headers: dict[str, str]
    body: bytes
    chunks: Sequence[bytes] = ()
    whole: bool = True


class Caller:
    """A client on one connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def to(cls, url: str, context: ssl.SSLContext | None = None) -> Caller:
        goal = urlsplit(url)
        return cls(*await asyncio.open_connection(goal.hostname, goal.port, ssl=context))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        self.writer.transport.abort()
        with suppress(ConnectionError):  # a reset that the test has looked at
            await self.writer.wait_closed()

    async def head(self) -> tuple[int, dict[str, str]]:
        line, *fields = (await self.reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")[:-2]
        return int(line.split()[1]), dict(field.split(": ", 1) for field in fields)

    async def chunk(self) -> bytes:
        size = int((await self.reader.readuntil(b"\r\n"))[:-2], 16)
        return (await self.reader.readexactly(size + 2))[:-2]

    async def ask(self, data: bytes) -> Seen:
        self.writer.write(data)
        status, headers = await self.head()
        if "content-length" in headers:
            try:
                return Seen(status, headers, await self.reader.readexactly(int(headers["content-length"])))
            except asyncio.IncompleteReadError as error:
                return Seen(status, headers, error.partial, whole=False)
        if "transfer-encoding" not in headers:
            return Seen(status, headers, await self.reader.read())
        chunks: list[bytes] = []
        try:
            while chunk := await self.chunk():
                chunks.append(chunk)
        except asyncio.IncompleteReadError:
            return Seen(status, headers, b"".join(chunks), chunks, whole=False)
        return Seen(status, headers, b"".join(chunks), chunks)


async def asked(host: ScriptedHost, data: bytes) -> Seen:
    async with await Caller.to(host.url) as caller:
        return await caller.ask(data)


def events(body: bytes) -> list[dict[str, object]]:
    *told, done = body.decode().split("\n\n")[:-1]
    assert done == "data: [DONE]"
    return [json.loads(one.removeprefix("data: ")) for one in told]


# ── what the wires say ────────────────────────────────────────────────────────────────────────────────────


async def test_a_cromicle_answer_is_its_tokens_a_chunk_each() -> None:
    """A Cromicle host answers in plain text, a token a chunk."""
    async with CromicleHost() as host:
        seen = await asked(host, PROMPTING)
    assert (seen.status, seen.headers["content-type"]) == (200, "text/plain; charset=utf-8")
    assert seen.chunks == [token.encode() for token in TOKENS]


async def test_a_streamed_openai_answer_is_role_tokens_finish_usage_and_done() -> None:
    """A streamed chat answer has a role chunk, one a token, a finish, the usage, and the end marker."""
    async with OpenAIHost() as host:
        seen = await asked(host, STREAMING)
    role, *tokens, finish, usage = events(seen.body)
    assert seen.headers["content-type"].startswith("text/event-stream")
    assert seen.headers["x-request-id"] == "req_1"
    assert role["choices"][0]["delta"] == {"role": "assistant", "content": "", "refusal": None}
    assert [chunk["choices"][0]["delta"]["content"] for chunk in tokens] == TOKENS
    assert finish["choices"][0]["finish_reason"] == "stop"
    assert usage["choices"] == []
    assert usage["usage"] == {"prompt_tokens": 1, "completion_tokens": 4, "total_tokens": 5}
    assert {chunk["object"] for chunk in (role, *tokens, finish, usage)} == {"chat.completion.chunk"}


async def test_usage_comes_in_a_stream_only_when_asked_for() -> None:
    """Without include_usage the last chunk is the finish."""
    async with OpenAIHost() as host:
        seen = await asked(host, asking("/v1/chat/completions", {**CHAT, "stream": True}))
    assert events(seen.body)[-1]["choices"][0]["finish_reason"] == "stop"
    assert seen.body == OpenAIHost.sse_body(TOKENS, model="m", usage=False)


async def test_a_whole_openai_answer_is_one_completion() -> None:
    """Without "stream": true the answer is a JSON completion with its usage."""
    async with OpenAIHost() as host:
        seen = await asked(host, CHATTING)
    told = json.loads(seen.body)
    assert seen.headers["content-type"] == "application/json"
    assert (told["object"], told["model"]) == ("chat.completion", "m")
    assert told["choices"][0]["message"]["content"] == "hello from the host"
    assert told["choices"][0]["finish_reason"] == "stop"
    assert told["usage"]["total_tokens"] == 5


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
async def test_a_limit_ends_the_answer_with_length(name: str) -> None:
    """A limit of tokens is kept, and told as finish_reason "length"."""
    async with OpenAIHost() as host:
        seen = await asked(host, asking("/v1/chat/completions", {**STREAM, name: 2}))
    assert seen.body == OpenAIHost.sse_body(TOKENS[:2], model="m", finish_reason="length")


async def test_models_are_listed_under_any_prefix() -> None:
    """GET …/models gives a list, and any prefix is right."""
    async with OpenAIHost() as host, await Caller.to(host.url) as caller:
        listed = await caller.ask(asking("/openai/deep/models", None, method="GET"))
        chatted = await caller.ask(asking("/openai/deep/chat/completions", CHAT))
    assert json.loads(listed.body)["data"][0]["id"] == "scripted"
    assert chatted.status == 200


@pytest.mark.parametrize(
    ("host", "method", "path"),
    [
        (OpenAIHost(), "POST", "/v1/nothing"),
        (OpenAIHost(), "GET", "/v1/chat/completions"),
        (CromicleHost(), "POST", "/v1/chat/completions"),
        (CromicleHost(), "GET", "/chat"),
    ],
)
async def test_an_unknown_path_or_method_is_404(host: ScriptedHost, method: str, path: str) -> None:
    """What the wire does not know is a 404 in the wire's own form."""
    async with host:
        seen = await asked(host, asking(path, CHAT, method=method))
    assert seen.status == 404
    if isinstance(host, OpenAIHost):
        assert json.loads(seen.body)["error"]["code"] == "unknown_url"


@pytest.mark.parametrize(
    ("host", "path", "body"),
    [
        (OpenAIHost(), "/v1/chat/completions", ["no object"]),
        (OpenAIHost(), "/v1/chat/completions", {"model": "m"}),
        (OpenAIHost(), "/v1/chat/completions", {**CHAT, "max_tokens": "two"}),
        (OpenAIHost(), "/v1/embeddings", {"model": "m"}),
        (OpenAIHost(), "/v1/embeddings", {"model": "m", "input": []}),
        (OpenAIHost(), "/v1/embeddings", {"model": "m", "input": "x", "dimensions": 0}),
        (CromicleHost(), "/chat", {"message": "no hash"}),
        (CromicleHost(), "/chat", None),
    ],
)
async def test_a_body_the_wire_does_not_allow_is_400(host: ScriptedHost, path: str, body: object) -> None:
    """A request whose body is not the wire's is a 400."""
    async with host:
        assert (await asked(host, asking(path, body))).status == 400


async def test_an_answer_may_depend_on_the_request() -> None:
    """A callable answer is given the request and makes the tokens."""
    async with CromicleHost(answer=lambda received: ["you said ", received.json["message"]]) as host:
        assert (await asked(host, PROMPTING)).body == b"you said Hello"


async def test_an_error_in_a_script_comes_out_where_the_host_ends() -> None:
    """An exception of the answer's own function is raised by the host's end, not hidden."""

    def broken(_: object) -> list[str]:
        raise LookupError("in the test's own function")

    host = await CromicleHost(answer=broken).__aenter__()
    with pytest.raises(asyncio.IncompleteReadError):
        await asked(host, PROMPTING)
    with pytest.raises(LookupError, match="own function"):
        await host.__aexit__(None, None, None)


@given(st.text())
def test_tokens_joined_are_the_text(text: str) -> None:
    """No text loses a character as tokens, and no token is empty."""
    assert "".join(tokens_of(text)) == text
    assert all(tokens_of(text))


def test_a_rehearsal_says_what_it_is() -> None:
    """The rehearsed answer says that no model was asked, and what it was told."""
    assert "".join(rehearsed("to be, or not")) == "This is a rehearsal: no model was asked. You said: to be, or not"
    assert rehearsed("a")[:2] == ["This", " is"]


# ── what the Chat Completions wire has besides ────────────────────────────────────────────────────────────


CALLS = [("get_weather", {"city": "Köln"}), ("get_time", '{"zone": "CET"}'), ("ping", {})]
ARGUMENTS = ['{"city":"Köln"}', '{"zone": "CET"}', "{}"]

ANSWERS: dict[str, Answer] = {
    "text": Answer("Grüße, Welt 🎭"),
    "no text": Answer(""),
    "a tool call": Answer(tool_calls=CALLS[:1]),
    "tool calls after a text": Answer("I shall look.", tool_calls=CALLS),
    "tool calls in turn": Answer(tool_calls=CALLS, interleaved=True),
    "broken arguments": Answer(tool_calls=[("get_weather", '{"city": ')]),
    "refusal": Answer(refusal="I had rather not"),
    "reasoning": Answer("yes", reasoning="hm, so be it"),
    "reasoning elsewhere": Answer("yes", reasoning="hm", reasoning_field="reasoning"),
    "filtered": Answer("G", finish_reason="content_filter"),
    "usage": Answer("yes", cached_tokens=3, reasoning_tokens=5),
}


def sdk(host: OpenAIHost) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(api_key="sk-test", base_url=host.url, max_retries=0)


async def read_by_sdk(host: OpenAIHost, *, streamed: bool, **asked: Any) -> Any:
    """The completion as OpenAI's own SDK reads it whole, or puts it together from a stream."""
    question: Any = {"model": "m", "messages": [{"role": "user", "content": "Hello"}], **asked}
    async with sdk(host) as client:
        if not streamed:
            return await client.chat.completions.create(**question)
        question["stream_options"] = {"include_usage": True}
        async with client.chat.completions.stream(**question) as stream:
            async for _ in stream:
                pass
            return stream.current_completion_snapshot


def said(choice: Any) -> dict[str, object]:
    message = choice.message
    return {
        "text": message.content or "",
        "refusal": message.refusal,
        "calls": [(call.function.name, call.function.arguments) for call in message.tool_calls or ()],
        "finish": choice.finish_reason,
    }


def meant(answer: Answer) -> dict[str, object]:
    arguments = dict(zip([name for name, _ in CALLS], ARGUMENTS, strict=True))
    return {
        "text": answer.text or "",
        "refusal": answer.refusal,
        "calls": [
            (name, raw if answer is ANSWERS["broken arguments"] else arguments[name]) for name, raw in answer.tool_calls
        ],
        "finish": answer.finish_reason or ("tool_calls" if answer.tool_calls else "stop"),
    }


@pytest.mark.parametrize("like", [OpenAIHost, LlamaCppHost])
@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("name", ANSWERS)
async def test_the_vendors_sdk_reads_what_was_scripted(name: str, streamed: bool, like: type[OpenAIHost]) -> None:
    """OpenAI's own SDK reads text, refusal, tool calls and finish as the script has them, whole and streamed."""
    answer = ANSWERS[name]
    async with like(script=[answer], split=7) as host:
        told = await read_by_sdk(host, streamed=streamed)
    assert [said(choice) for choice in told.choices] == [meant(answer)]
    calls = told.choices[0].message.tool_calls or []
    assert len({call.id for call in calls}) == len(calls)
    assert told.usage.total_tokens == told.usage.prompt_tokens + told.usage.completion_tokens


@pytest.mark.parametrize("encoding", ["float", "base64"])
async def test_the_vendors_sdk_reads_embeddings(encoding: Literal["float", "base64"]) -> None:
    """As numbers, and in base64, which the SDK asks for by itself."""
    more = {"encoding_format": encoding} if encoding == "float" else {}
    async with OpenAIHost() as host, sdk(host) as client:
        told = await client.embeddings.create(model="m", input=["a b", "c"], **more)  # type: ignore[arg-type]
        (one,) = (await client.embeddings.create(model="m", input="c", dimensions=8)).data
    assert [len(item.embedding) for item in told.data] == [8, 8]
    assert told.data[1].embedding == pytest.approx(one.embedding)
    assert (told.model, told.usage.prompt_tokens) == ("m", 3)


@pytest.mark.parametrize("streamed", [False, True])
async def test_reasoning_is_told_in_the_field_that_was_named(streamed: bool) -> None:
    """Reasoning stands in ``reasoning_content``, or where the script says, and counts as tokens."""
    async with OpenAIHost(script=[ANSWERS["reasoning"], ANSWERS["reasoning elsewhere"]]) as host:
        one = await read_by_sdk(host, streamed=streamed)
        other = await read_by_sdk(host, streamed=streamed)
    assert one.choices[0].message.reasoning_content == "hm, so be it"
    assert other.choices[0].message.reasoning == "hm"
    assert (one.usage.completion_tokens, one.usage.completion_tokens_details) == (5, None)


@pytest.mark.parametrize("streamed", [False, True])
async def test_usage_has_the_details_that_were_given(streamed: bool) -> None:
    """Cached and reasoning tokens are told where the script has them."""
    async with OpenAIHost(script=[ANSWERS["usage"]]) as host:
        usage = (await read_by_sdk(host, streamed=streamed)).usage
    assert (usage.prompt_tokens_details.cached_tokens, usage.completion_tokens_details.reasoning_tokens) == (3, 5)
    assert (usage.prompt_tokens, usage.completion_tokens) == (1, 6)


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("name", ["text", "tool calls in turn"])
async def test_as_many_choices_come_as_were_asked_for(name: str, streamed: bool) -> None:
    """Each of ``n`` choices has the whole answer, and all of them count."""
    async with OpenAIHost(script=[ANSWERS[name]]) as host:
        one = await read_by_sdk(host, streamed=streamed)
        told = await read_by_sdk(host, streamed=streamed, n=3)
    assert [choice.index for choice in told.choices] == [0, 1, 2]
    assert [said(choice) for choice in told.choices] == [meant(ANSWERS[name])] * 3
    assert told.usage.completion_tokens == 3 * one.usage.completion_tokens
    ids = [call.id for choice in told.choices for call in choice.message.tool_calls or ()]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("like", [OpenAIHost, LlamaCppHost])
@pytest.mark.parametrize("streamed", [False, True])
async def test_logprobs_come_when_they_are_asked_for(streamed: bool, like: type[OpenAIHost]) -> None:
    """Each token has its logprob and as many alternatives as were asked for, itself the first; else there are none."""
    async with like() as host:
        told = await read_by_sdk(host, streamed=streamed, logprobs=True, top_logprobs=2)
        bare = await read_by_sdk(host, streamed=streamed, logprobs=True)
        without = await read_by_sdk(host, streamed=streamed)
    tokens = told.choices[0].logprobs.content
    assert [token.token for token in tokens] == TOKENS
    assert [bytes(token.bytes).decode() for token in tokens] == TOKENS
    assert [[other.token for other in token.top_logprobs] for token in tokens] == [[t, f"{t}~1"] for t in TOKENS]
    assert all(one.logprob > other.logprob for one, other in (token.top_logprobs for token in tokens))
    assert [token.top_logprobs for token in bare.choices[0].logprobs.content] == [[]] * 4
    assert without.choices[0].logprobs is None


async def test_a_streamed_call_is_named_first_and_then_comes_in_pieces() -> None:
    """A call begins with id, type and name, and its arguments follow in chunks without them, one call after another."""
    async with OpenAIHost(script=[Answer(tool_calls=CALLS[:2])]) as host:
        role, *chunks, finish, _ = events((await asked(host, STREAMING)).body)
    fragments = [chunk["choices"][0]["delta"]["tool_calls"][0] for chunk in chunks]
    assert role["choices"][0]["delta"]["content"] is None
    assert fragments[0] == {
        "index": 0,
        "id": "call_1_0_0",
        "type": "function",
        "function": {"name": "get_weather", "arguments": ""},
    }
    assert fragments[1] == {"index": 0, "function": {"arguments": '{"city'}}
    assert [fragment["index"] for fragment in fragments] == [0, 0, 0, 0, 1, 1, 1, 1]
    assert finish["choices"][0]["finish_reason"] == "tool_calls"


async def test_interleaved_calls_come_in_turn() -> None:
    """Parallel calls may be streamed piece by piece in turn, each to its own end."""
    async with OpenAIHost(script=[ANSWERS["tool calls in turn"]]) as host:
        _, *chunks, _, _ = events((await asked(host, STREAMING)).body)
    fragments = [chunk["choices"][0]["delta"]["tool_calls"][0] for chunk in chunks]
    assert [fragment["index"] for fragment in fragments] == [0, 1, 2, 0, 1, 2, 0, 1, 0, 1]


async def test_an_answer_may_have_headers_of_its_own() -> None:
    """Headers of an answer, as of rate limits, come with it."""
    async with OpenAIHost(script=[Answer(headers={"X-RateLimit-Remaining-Requests": "7"})]) as host:
        seen = await asked(host, STREAMING)
    assert seen.headers["x-ratelimit-remaining-requests"] == "7"


async def test_messages_in_parts_are_read() -> None:
    """Of a message in parts the words of its texts count; parts of another kind, and odd ones, do no harm."""
    parts = [{"type": "text", "text": "two words"}, {"type": "image_url", "image_url": {"url": "data:,"}}, "odd", None]
    messages = [{"role": "system", "content": "one"}, {"role": "user", "content": parts}, {"role": "assistant"}, 7]
    async with OpenAIHost() as host:
        seen = await asked(host, asking("/v1/chat/completions", {"model": "m", "messages": messages}))
    assert json.loads(seen.body)["usage"]["prompt_tokens"] == 3


@pytest.mark.parametrize(
    "wrong", [{"n": 0}, {"n": "two"}, {"top_logprobs": 2}, {"logprobs": True, "top_logprobs": 21}, {"max_tokens": 0}]
)
async def test_a_setting_that_the_wire_does_not_take_is_400(wrong: dict[str, object]) -> None:
    """What the vendor refuses is refused here as well."""
    async with OpenAIHost() as host:
        assert (await asked(host, asking("/v1/chat/completions", {**CHAT, **wrong}))).status == 400


@pytest.mark.parametrize("streamed", [False, True])
async def test_the_sdk_reads_structured_output(streamed: bool) -> None:
    """A request for a JSON schema gets the text as it is scripted."""
    schema = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object"}}}
    async with OpenAIHost(answer='{"a": 1}') as host:
        told = await read_by_sdk(host, streamed=streamed, response_format=schema)
    assert json.loads(told.choices[0].message.content) == {"a": 1}


async def test_llama_cpp_tells_its_own_model_and_its_timings() -> None:
    """Whatever model is asked for, its own answers; timings are in the last chunk, usage only where asked for."""
    async with LlamaCppHost() as host:
        first, *_, finish = events((await asked(host, asking("/v1/chat/completions", {**CHAT, "stream": True}))).body)
        *_, usage = events((await asked(host, STREAMING)).body)
        whole = json.loads((await asked(host, CHATTING)).body)
        listed = json.loads((await asked(host, asking("/v1/models", None, method="GET"))).body)
    assert first["model"] == whole["model"] == listed["data"][0]["id"] == "scripted.gguf"
    assert first["choices"] == [{"index": 0, "delta": {"role": "assistant", "content": None}, "finish_reason": None}]
    assert "usage" not in finish
    assert finish["timings"]["predicted_n"] == 4
    assert usage["choices"] == []
    assert usage["timings"] == whole["timings"]
    assert "refusal" not in whole["choices"][0]["message"]


# ── the script ────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_script_goes_step_by_step_and_stays_at_its_last() -> None:
    """Each request takes a step, the last step serves all later ones, all on one kept connection."""
    async with (
        CromicleHost(script=[Status(503), Answer("one"), Answer(tokens=["t", "wo"])]) as host,
        await Caller.to(host.url) as caller,
    ):
        seen = [await caller.ask(PROMPTING) for _ in range(4)]
    assert [one.status for one in seen] == [503, 200, 200, 200]
    assert [one.body for one in seen[1:]] == [b"one", b"two", b"two"]
    assert host.connections == 1
    assert [received.connection for received in host.requests] == [1] * 4


def test_an_empty_script_is_refused() -> None:
    """A script without steps is an error when it is written."""
    with pytest.raises(ValueError, match="at least one step"):
        CromicleHost(script=[])


async def test_what_came_is_recorded_as_it_was_written() -> None:
    """A recorded request keeps its headers' own case and order, and can be looked up in lower case."""
    async with OpenAIHost() as host, await Caller.to(host.url) as one, await Caller.to(host.url) as two:
        await one.ask(CHATTING)
        await two.ask(asking("/v1/chat/completions?a=1", CHAT, "X-Odd: a: b", "x-odd: c"))
    first, second = host.requests
    assert (first.method, first.path, first.json) == ("POST", "/v1/chat/completions", CHAT)
    assert second.path == "/v1/chat/completions?a=1"
    assert second.headers[1:3] == (("X-Odd", "a: b"), ("x-odd", "c"))
    assert second.header["x-odd"] == "c"
    assert (first.number, second.number) == (1, 2)
    assert first.connection != second.connection


async def test_the_repr_of_a_request_has_no_header_and_no_body() -> None:
    """A request's repr, as of a failing test, shows neither its key nor its prompt."""
    async with OpenAIHost() as host:
        await asked(host, asking("/v1/chat/completions", CHAT, "Authorization: Bearer sk-canary"))
    assert "canary" not in repr(host.requests)
    assert "Hello" not in repr(host.requests)


@pytest.mark.parametrize("framing", ["chunked", "length", "close"])
async def test_every_framing_carries_the_same_body(framing: str) -> None:
    """Chunks, a length and the connection's end carry the same payload."""
    async with OpenAIHost(framing=framing) as host, await Caller.to(host.url) as caller:
        seen = await caller.ask(STREAMING)
        assert (seen.body, seen.whole) == (SSE, True)
        assert ("transfer-encoding" in seen.headers) == (framing == "chunked")
        assert ("content-length" in seen.headers) == (framing == "length")
        assert (seen.headers.get("connection") == "close") == (framing == "close")


async def test_a_step_may_have_a_framing_of_its_own() -> None:
    """The framing of a step goes before the host's."""
    async with CromicleHost(script=[Answer(framing="length"), Body(b"x", framing="close")]) as host:
        assert (await asked(host, PROMPTING)).headers["content-length"] == "19"
        assert (await asked(host, PROMPTING)).headers["connection"] == "close"


@pytest.mark.parametrize("size", [1, 2, 7, 10_000])
async def test_a_split_by_size_cuts_anywhere_and_loses_nothing(size: int) -> None:
    """A body split by size comes in pieces of that size, in the middle of a character too."""
    async with CromicleHost(answer="héllo wörld 🎭", split=size) as host:
        seen = await asked(host, PROMPTING)
    assert seen.body.decode() == "héllo wörld 🎭"
    assert {len(chunk) for chunk in seen.chunks[:-1]} <= {size}


async def test_a_split_by_offsets_cuts_there() -> None:
    """A body is cut at the offsets named, those outside of it left aside."""
    async with CromicleHost(answer="abcdefgh", split=[5, 2, 0, 99]) as host:
        assert (await asked(host, PROMPTING)).chunks == [b"ab", b"cde", b"fgh"]


async def test_a_status_is_an_error_in_the_wires_form() -> None:
    """A Status has the wire's error body, its hint, and its own headers."""
    step = Status(429, code="slow_down", type="tokens", message="later", retry_after="7", headers={"X-Left": "0"})
    async with OpenAIHost(script=[step]) as host, await Caller.to(host.url) as caller:
        seen = await caller.ask(STREAMING)
        assert (await caller.ask(STREAMING)).status == 429
    assert (seen.headers["retry-after"], seen.headers["x-left"]) == ("7", "0")
    assert json.loads(seen.body) == {
        "error": {"message": "later", "type": "tokens", "param": None, "code": "slow_down"}
    }


async def test_a_status_of_cromicle_is_plain_text() -> None:
    """Cromicle tells an error by its message alone."""
    async with CromicleHost(script=[Status(500, message="broken")]) as host:
        seen = await asked(host, PROMPTING)
    assert (seen.status, seen.body) == (500, b"broken")


async def test_a_status_may_redirect_and_have_its_own_body() -> None:
    """A Status can be a redirect with a Location, and its body any bytes."""
    step = Status(302, headers={"Location": "http://127.0.0.1:9/"}, body=b"<html>")
    async with OpenAIHost(script=[step]) as host:
        seen = await asked(host, CHATTING)
    assert (seen.status, seen.headers["location"], seen.body) == (302, "http://127.0.0.1:9/", b"<html>")


async def test_garbage_and_body_are_sent_as_they_are() -> None:
    """Garbage is no text at all; a Body is these bytes under this status and type."""
    recorded = Body(b"data: x\n\n", status=201, content_type="a/b", headers={"X-A": "1"}, split=3)
    async with OpenAIHost(script=[Garbage(), recorded]) as host:
        garbage = await asked(host, STREAMING)
        body = await asked(host, asking("/v1/messages", {}))
    assert garbage.headers["content-type"] == "text/event-stream"
    with pytest.raises(UnicodeDecodeError):
        garbage.body.decode()
    assert (body.status, body.headers["content-type"], body.headers["x-a"]) == (201, "a/b", "1")
    assert body.chunks == [b"dat", b"a: ", b"x\n\n"]


async def test_raw_is_the_whole_connection() -> None:
    """Raw bytes are all that comes, then the end."""
    async with OpenAIHost(script=[Raw(b"HTTP/1.1 200\r\nno more")]) as host, await Caller.to(host.url) as caller:
        caller.writer.write(CHATTING)
        assert await caller.reader.read() == b"HTTP/1.1 200\r\nno more"


# ── stalls, cuts, drops ───────────────────────────────────────────────────────────────────────────────────


async def stalled(host: ScriptedHost, data: bytes, bytes_expected: int) -> None:
    """Read what comes, see that no more is there, leave, and wait until the host has seen it."""
    async with host:
        async with await Caller.to(host.url) as caller:
            caller.writer.write(data)
            await host.until_requests(1)
            if bytes_expected:
                await caller.head()
                got = b""
                while len(got) < bytes_expected:
                    got += await caller.chunk()
                assert len(got) == bytes_expected
            for _ in range(20):
                await asyncio.sleep(0)
            assert caller.reader._buffer == b""
            assert not caller.reader.at_eof()
            assert host.open_connections == 1
        await host.closed_by_client(1)
        assert host.clients_gone == 1
        await host.until_closed()
        assert host.open_connections == 0


async def test_a_stall_before_headers_sends_nothing() -> None:
    """Stalled at the headers, not a byte comes."""
    await stalled(OpenAIHost(script=[Stall("headers")]), STREAMING, 0)


async def test_a_stall_before_the_first_event_sends_the_role_alone() -> None:
    """Stalled at the first event, an OpenAI host has said who speaks, and nothing else."""
    await stalled(OpenAIHost(script=[Stall("first_event")]), STREAMING, SSE.index(b"\n\n") + 2)


async def test_a_stall_before_the_first_event_of_plain_text_sends_headers_alone() -> None:
    """Stalled at the first event, a Cromicle host has sent its headers only."""
    async with CromicleHost(script=[Stall("first_event")]) as host, await Caller.to(host.url) as caller:
        caller.writer.write(PROMPTING)
        assert (await caller.head())[0] == 200
        for _ in range(20):
            await asyncio.sleep(0)
        assert caller.reader._buffer == b""


async def test_a_stall_in_the_middle_comes_after_so_many_tokens() -> None:
    """Stalled in the middle, as many tokens have come as the step says."""
    await stalled(CromicleHost(script=[Stall("middle", after_tokens=3)]), PROMPTING, len(b"hello from the"))


async def test_a_stall_never_gives_the_whole_answer() -> None:
    """A stall after more tokens than there are keeps the last piece back."""
    await stalled(OpenAIHost(script=[Stall("middle", after_tokens=99)]), STREAMING, len(SSE) - len(b"data: [DONE]\n\n"))


@pytest.mark.parametrize("framing", ["chunked", "length", "close"])
@pytest.mark.parametrize("after", [0, 1, 100, len(SSE) - 1, len(SSE)])
async def test_a_cut_ends_the_body_after_so_many_bytes(framing: str, after: int) -> None:
    """A cut answer has so many bytes of the payload, and the framing's own end never comes."""
    async with OpenAIHost(script=[Cut(after)], framing=framing) as host:
        seen = await asked(host, STREAMING)
    assert seen.body == SSE[:after]
    if framing == "chunked":
        assert not seen.whole
    if framing == "length":
        assert int(seen.headers["content-length"]) == len(SSE)


@pytest.mark.parametrize("framing", ["chunked", "length", "close"])
async def test_a_cut_by_reset_is_one(framing: str) -> None:
    """A cut by reset reaches the client as ECONNRESET, after the bytes before it."""
    loop = asyncio.get_running_loop()
    async with CromicleHost(script=[Cut(7, how="reset")], framing=framing) as host:
        with socket.create_connection(("127.0.0.1", urlsplit(host.url).port)) as sock:
            sock.setblocking(False)
            await loop.sock_sendall(sock, PROMPTING)
            got, orderly = b"", False
            with suppress(ConnectionResetError):
                while data := await loop.sock_recv(sock, 65536):
                    got += data
                orderly = True
    assert not orderly
    body = got.partition(b"\r\n\r\n")[2]
    assert body == (b"5\r\nhello\r\n2\r\n f\r\n" if framing == "chunked" else b"hello f")


async def test_a_client_on_the_same_loop_sees_the_bytes_before_a_reset() -> None:
    """A stream reader is given what came before the reset, and only then the error."""
    async with (
        CromicleHost(script=[Cut(5, how="reset")], framing="length") as host,
        await Caller.to(host.url) as caller,
    ):
        caller.writer.write(PROMPTING)
        await caller.head()
        for _ in range(5):
            await asyncio.sleep(0)  # a client is some turns behind: a parser, a queue
        assert await caller.reader.readexactly(5) == b"hello"
        with pytest.raises(ConnectionResetError):
            await caller.reader.readexactly(1)


@pytest.mark.parametrize("how", ["close", "reset"])
async def test_a_drop_after_the_request_answers_nothing(how: str) -> None:
    """Dropped after the request, the request is recorded and no byte comes back."""
    async with OpenAIHost(script=[Drop("request", how=how), Answer()]) as host:
        async with await Caller.to(host.url) as caller:
            caller.writer.write(CHATTING)
            if how == "close":
                assert await caller.reader.read() == b""
            else:
                with pytest.raises(ConnectionResetError):
                    await caller.reader.read()
        assert (await asked(host, CHATTING)).status == 200
    assert len(host.requests) == 2


@pytest.mark.parametrize("how", ["close", "reset"])
async def test_a_drop_on_accept_takes_a_step_and_no_request(how: str) -> None:
    """Dropped on accept, no request is recorded, and the next connection has the next step."""
    async with OpenAIHost(script=[Drop("accept", how=how), Answer()]) as host:
        async with await Caller.to(host.url) as caller:
            if how == "close":
                assert await caller.reader.read() == b""
            else:
                with pytest.raises(ConnectionResetError):
                    await caller.reader.read()
        assert host.requests == []
        assert (await asked(host, CHATTING)).status == 200
    assert host.connections == 2


async def test_a_drop_on_a_kept_connection_is_a_stale_one() -> None:
    """A connection that was kept after an answer can end under the next request."""
    async with CromicleHost(script=[Answer(), Drop()]) as host, await Caller.to(host.url) as caller:
        assert (await caller.ask(PROMPTING)).status == 200
        caller.writer.write(PROMPTING)
        assert await caller.reader.read() == b""


async def test_nothing_listens_at_a_refused_url_nor_at_a_closed_host() -> None:
    """A refused address and a host that ended both refuse."""
    async with CromicleHost() as host:
        pass
    for url in (refused_url(), host.url):
        with pytest.raises(ConnectionRefusedError):
            await Caller.to(url)


def test_a_host_that_is_not_open_has_no_address() -> None:
    """The address of a host before its start is an error that says what to do."""
    with pytest.raises(RuntimeError, match="async with"):
        _ = OpenAIHost().url


# ── HTTP ──────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_large_and_a_chunked_request_are_read_whole() -> None:
    """Bodies are read to their end, by length and by chunks, extensions and trailers left aside."""
    long = {**PROMPT, "message": "x" * 3_000_000}
    data = json.dumps(PROMPT).encode()
    chunked = b"POST /chat HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunked += b"5;a=b\r\n%b\r\n%x\r\n%b\r\n0\r\nX-T: 1\r\n\r\n" % (data[:5], len(data) - 5, data[5:])
    async with CromicleHost() as host, await Caller.to(host.url) as caller:
        assert (await caller.ask(asking("/chat", long))).status == 200
        assert (await caller.ask(chunked)).status == 200
        assert (await caller.ask(PROMPTING)).status == 200
    assert host.requests[0].json == long
    assert host.requests[1].body == data


async def test_a_client_that_expects_100_is_told_to_go_on() -> None:
    """The body is asked for before it is waited for."""
    head, body = asking("/chat", PROMPT, "Expect: 100-continue").split(b"\r\n\r\n")
    async with CromicleHost() as host, await Caller.to(host.url) as caller:
        caller.writer.write(head + b"\r\n\r\n")
        assert await caller.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        assert (await caller.ask(body)).body == b"hello from the host"


@pytest.mark.parametrize(
    "data",
    [
        b"nonsense\r\n\r\n",
        b"POST /chat HTTP/2.0\r\n\r\n",
        b"POST /chat HTTP/1.1\r\nno colon\r\n\r\n",
        b"POST /chat HTTP/1.1\r\nname : space\r\n\r\n",
        b"POST /chat HTTP/1.1\r\nContent-Length: many\r\n\r\n",
        b"POST /chat HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST /chat HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n",
        b"POST /chat HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"POST /chat HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n",
        b"x" * (1024 * 1024 + 4),  # a head without an end, and not a byte more than the host reads of one
    ],
)
async def test_what_is_no_request_gets_400_and_the_end(data: bytes) -> None:
    """A malformed request is answered with 400, recorded as none, and the connection ended."""
    async with CromicleHost() as host, await Caller.to(host.url) as caller:
        seen = await caller.ask(data)
        assert (seen.status, seen.headers["connection"]) == (400, "close")
        assert await caller.reader.read() == b""
    assert host.requests == []
    assert host.clients_gone == 0


async def test_a_client_may_ask_for_the_connections_end() -> None:
    """Connection: close in a request ends the connection after its answer, which says so."""
    async with CromicleHost() as host, await Caller.to(host.url) as caller:
        seen = await caller.ask(asking("/chat", PROMPT, "Connection: close"))
        assert seen.headers["connection"] == "close"
        assert await caller.reader.read() == b""


async def test_a_host_speaks_tls() -> None:
    """With a context the host is one of https; a client that does not trust it counts as gone."""
    authority = trustme.CA()
    server, client = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH), ssl.create_default_context()
    authority.issue_cert("127.0.0.1").configure_cert(server)
    authority.configure_trust(client)
    async with CromicleHost(ssl=server) as host:
        assert host.url.startswith("https://")
        with pytest.raises(ssl.SSLCertVerificationError):
            await Caller.to(host.url, ssl.create_default_context())
        await host.closed_by_client(1)
        async with await Caller.to(host.url, client) as caller:
            assert (await caller.ask(PROMPTING)).body == b"hello from the host"
        await host.closed_by_client(2)


async def test_a_host_with_tls_ends_in_the_middle_of_a_handshake() -> None:
    """A client that is silent in the handshake does not keep the host from ending."""
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(server)
    async with CromicleHost(ssl=server) as host, await Caller.to(host.url.replace("https", "http")):
        await host._until(lambda: host.connections == 1)


# ── ends ──────────────────────────────────────────────────────────────────────────────────────────────────


def others() -> set[asyncio.Task[object]]:
    return asyncio.all_tasks() - {asyncio.current_task()}


@pytest.mark.parametrize("turns", range(12))
async def test_a_host_ends_at_any_moment_without_a_trace(turns: int) -> None:
    """Whenever a host ends, no task and no socket of it is left, and its clients see the end."""
    async with CromicleHost(answer="word " * 50, split=1) as host:
        sock = socket.create_connection(("127.0.0.1", urlsplit(host.url).port))
        sock.sendall(PROMPTING)
        for _ in range(turns):
            await asyncio.sleep(0)
    assert others() == set()
    assert host.open_connections == 0
    with sock:
        sock.settimeout(5)
        with suppress(ConnectionResetError):  # an end as well
            while sock.recv(65536):
                pass
    del host
    gc.collect()  # an unclosed socket would warn, and a warning is an error


@pytest.mark.parametrize("turns", range(0, 12, 3))
async def test_a_client_that_aborts_at_any_moment_leaves_no_trace(turns: int) -> None:
    """A client that tears its connection down is counted, and the host serves the next."""
    async with CromicleHost(answer="word " * 50, split=1) as host:
        async with await Caller.to(host.url) as caller:
            caller.writer.write(PROMPTING)
            await host.until_requests(1)
            for _ in range(turns):
                await asyncio.sleep(0)
        await host.closed_by_client(1)
        assert (await asked(host, PROMPTING)).status == 200
    assert others() == set()


async def test_a_host_ends_while_a_client_does_not_read() -> None:
    """An answer that nobody reads does not keep the host from ending."""
    async with CromicleHost(answer=["x" * 1_000_000] * 40) as host:
        sock = socket.create_connection(("127.0.0.1", urlsplit(host.url).port))
        sock.sendall(PROMPTING)
        await host.until_requests(1)
    sock.close()
    assert others() == set()


@pytest.mark.parametrize("turns", range(4))
async def test_a_host_ends_when_its_user_is_cancelled(turns: int) -> None:
    """Cancelled inside, and once more while it ends, a host ends all the same and the cancellation goes on."""
    host = CromicleHost(script=[Stall("headers")])
    opened = asyncio.Event()

    async def user() -> None:
        async with host:
            opened.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(user())
    await opened.wait()
    async with await Caller.to(host.url) as caller:
        caller.writer.write(PROMPTING)
        await host.until_requests(1)
        task.cancel()
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert others() == set()
        assert host.open_connections == 0


async def test_a_host_inside_a_generator_ends_with_it() -> None:
    """A generator that is closed early ends the host it has open."""

    async def generator() -> AsyncGenerator[bytes, None]:
        async with CromicleHost() as host, await Caller.to(host.url) as caller:
            caller.writer.write(PROMPTING)
            await caller.head()
            while chunk := await caller.chunk():
                yield chunk

    chunks = generator()
    assert await anext(chunks) == b"hello"
    await chunks.aclose()
    assert others() == set()


async def test_a_pace_keeps_tokens_apart() -> None:
    """Between two writes of a paced answer the pace is waited for."""
    loop = asyncio.get_running_loop()
    async with CromicleHost(pace=0.01) as host:
        started = loop.time()
        assert (await asked(host, PROMPTING)).body == b"hello from the host"
    assert loop.time() - started >= 0.03 - 0.005  # four tokens; the loop's clock may be early by its resolution


def test_every_public_name_is_there() -> None:
    """The names are sorted, each can be had, and no other is there."""
    names = segue.testing.__all__
    assert dir(segue.testing) == names == sorted(names)
    assert all(getattr(segue.testing, name) is not None for name in names)
    with pytest.raises(AttributeError, match="Nothing"):
        segue.testing.Nothing  # noqa: B018


def test_hosts_are_cheap_to_import() -> None:
    """Neither aiohttp nor pydantic comes with the hosts: the offline provider uses them in production."""
    program = (
        "import sys; from segue.testing import *;print(*sorted({'aiohttp', 'pydantic', 'pluggy'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_every_step_is_a_value() -> None:
    """Steps are equal by what they say, and can be kept in a set."""
    steps: list[Step] = [Answer(), Status(503), Stall("headers"), Cut(1), Drop(), Garbage(), Raw(b""), Body(b"")]
    assert [type(step)(*_required(step)) for step in steps] == steps


def _required(step: Step) -> tuple[object, ...]:
    match step:
        case Status(status=value) | Stall(where=value) | Cut(after=value) | Raw(data=value) | Body(body=value):
            return (value,)
        case _:
            return ()


# ── the proxy ─────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_proxy_records_and_forwards() -> None:
    """A request through the proxy reaches its target without the proxy's own header, and its answer comes back."""
    async with CromicleHost() as host, ProxyHost() as proxy, await Caller.to(proxy.url) as caller:
        seen = await caller.ask(asking(f"{host.url}/chat", PROMPT, "Proxy-Authorization: Basic x", "X-A: 1"))
        assert seen.body == b"hello from the host"
        assert await caller.reader.read() == b""
    assert proxy.requests[0].path == f"{host.url}/chat"
    assert proxy.requests[0].header["proxy-authorization"] == "Basic x"
    assert host.requests[0].path == "/chat"
    assert host.requests[0].json == PROMPT
    assert host.requests[0].header["x-a"] == "1"
    assert "proxy-authorization" not in host.requests[0].header


async def test_a_proxy_with_a_target_serves_any_name() -> None:
    """A name that exists nowhere is served by the proxy's target."""
    async with (
        CromicleHost() as host,
        ProxyHost(target=host.url) as proxy,
        await Caller.to(proxy.url) as caller,
    ):
        assert (await caller.ask(asking("http://provider.example/chat?x=1", PROMPT))).status == 404
    assert host.requests[0].path == "/chat?x=1"


async def test_a_proxy_tunnels() -> None:
    """CONNECT opens a tunnel to the target."""
    async with CromicleHost() as host, ProxyHost() as proxy, await Caller.to(proxy.url) as caller:
        caller.writer.write(f"CONNECT {urlsplit(host.url).netloc} HTTP/1.1\r\n\r\n".encode())
        assert (await caller.head())[0] == 200
        assert (await caller.ask(PROMPTING)).body == b"hello from the host"
        assert (await caller.ask(PROMPTING)).body == b"hello from the host"
    assert [received.method for received in proxy.requests] == ["CONNECT"]


@pytest.mark.parametrize(
    ("url", "status"), [("http://192.0.2.1/chat", 403), (f"{refused_url()}/chat", 502)], ids=["403", "502"]
)
async def test_a_proxy_goes_nowhere_beyond_loopback(url: str, status: int) -> None:
    """What is not on loopback is forbidden, and what does not answer is a bad gateway."""
    async with ProxyHost() as proxy, await Caller.to(proxy.url) as caller:
        assert (await caller.ask(asking(url, PROMPT))).status == status


async def test_a_client_that_leaves_a_proxy_leaves_its_target() -> None:
    """A client gone from the proxy is gone from the host behind it."""
    async with CromicleHost(script=[Stall("middle")]) as host, ProxyHost() as proxy:
        async with await Caller.to(proxy.url) as caller:
            caller.writer.write(asking(f"{host.url}/chat", PROMPT))
            await caller.head()
        await proxy.closed_by_client(1)
        await host.closed_by_client(1)
    assert others() == set()
