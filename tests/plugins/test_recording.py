"""What passes through a transport is noted, to the body's end, and the reader of it notices nothing."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest

from segue import Client, ConfigError, HTTPError, StreamBrokenError
from segue.testing import Body, Cassette, Cut, OpenAIHost, ScriptedHost, cassettes_of, recording
from segue.testing.recording import Reading, RecordingClient, RecordingTransport, Take, cassette_of
from segue.testing.scrubbing import Scrubber
from segue.transport import AiohttpTransport
from segue.wire import Call

KEY = "canary-of-a-test-0123456789"
ANSWER = b'data: {"choices":[{"index":0,"delta":{"content":"hello"},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
AFTER = b": goodbye\n\n"


async def asked(url: str, takes: list[Take]) -> str:
    config = {"providers": {"acme": {"wire": "openai_chat", "base_url": url}}}
    async with AiohttpTransport() as inner:
        transport = RecordingTransport(inner, takes)
        async with Client(config=config, environ={}, plugins=False, transport=transport) as client:
            async with client.stream("hi", model="acme/m") as stream:
                return (await stream.reply()).text


async def test_what_follows_the_end_marker_is_noted_too() -> None:
    """The reader stops at the end marker; the record has the body to its last byte."""
    takes: list[Take] = []
    async with ScriptedHost(script=[Body(ANSWER + AFTER, split=[len(ANSWER)])]) as host:
        assert await asked(host.url, takes) == "hello"
    (take,) = takes
    assert (bytes(take.body), take.is_whole, take.status) == (ANSWER + AFTER, True, 200)


async def test_a_host_that_stays_behind_the_end_marker_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection that is left open after the end marker holds nobody up, and the record is whole."""
    monkeypatch.setattr(recording, "_REST_SECONDS", 0.05)
    takes: list[Take] = []
    gone = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
        writer.write(head + f"{len(ANSWER):x}\r\n".encode() + ANSWER + b"\r\n")
        while await reader.read(65536):
            pass
        writer.close()
        gone.set()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        async with asyncio.timeout(5):
            assert await asked(f"http://127.0.0.1:{port}", takes) == "hello"
            await gone.wait()
    assert (bytes(takes[0].body), takes[0].is_whole) == (ANSWER, True)


async def test_an_error_inside_the_stream_is_noted_whole() -> None:
    """What the host says behind an error that ended the reading is part of the record."""
    takes: list[Take] = []
    body = b'data: {"error":{"message":"broken","code":"server_error"}}\n\n'
    async with ScriptedHost(script=[Body(body + AFTER, split=[len(body)])]) as host:
        with pytest.raises(HTTPError):
            await asked(host.url, takes)
    assert (bytes(takes[0].body), takes[0].is_whole) == (body + AFTER, True)


async def test_a_body_that_breaks_is_not_whole() -> None:
    """A cut body breaks as it would without a record, which knows that it is not whole."""
    takes: list[Take] = []
    async with OpenAIHost(script=[Cut(100)]) as host:
        with pytest.raises(StreamBrokenError):
            await asked(host.url, takes)
    assert (len(takes[0].body), takes[0].is_whole) == (100, False)


# ── what is made of it ───────────────────────────────────────────────────────────────────────────────

PACKAGES = ("segue_bedrock", "segue_cohere", "segue_google", "segue_mistral", "segue_ollama")
SHIPPED = [pytest.param(cassette, id=cassette.id) for package in PACKAGES for cassette in cassettes_of(package)]
ASKED = {"images_in", "reasoning_requested", "structured_output", "tools_offered"}
"""Features that are of the request."""


async def recorded(cassette: Cassette, *, streams: bool) -> Cassette:
    """The cassette that is made where a host plays this one."""
    provider = cassette.provider
    async with ScriptedHost(script=[cassette.step()]) as host:
        table: dict[str, Any] = {"base_url": host.url, "api_key": KEY}
        if provider == "bedrock":
            table["options"] = {"region": "us-east-1"}
        asked = cassette.features & ASKED
        async with RecordingClient(config={"providers": {provider: table}}, environ={}) as client:
            reading = Reading(asked=asked, streams=streams)
            try:
                if "embeddings" in cassette.features:
                    reading = replace(reading, vectors=await client.embed("Hello", model=f"{provider}/m"))
                elif streams:
                    async with client.stream("Hello", model=f"{provider}/m") as stream:
                        reading = replace(reading, reply=await stream.reply())
                else:
                    reading = replace(reading, reply=await client.chat("Hello", model=f"{provider}/m"))
            except HTTPError as error:
                reading = replace(reading, error=error)
            take = client.takes[-1]
            return cassette_of(
                take, reading, client.scrubber(provider, take), provider=provider, api=cassette.api,
                url=client.address(provider, take),
            )  # fmt: skip


@pytest.mark.parametrize("cassette", SHIPPED)
async def test_what_is_played_is_recorded_as_it_was(cassette: Cassette) -> None:
    """Of every wire: the same bytes and framing, the same features, and a reading that says what the SDK's says."""
    made = await recorded(cassette, streams=cassette.response.is_stream)
    response, wanted = made.response, cassette.response
    assert (response.status, response.body, response.is_stream, response.framing) == (
        wanted.status, wanted.body, wanted.is_stream, wanted.framing,
    )  # fmt: skip
    assert response.fidelity == "exact"
    planned = {"reasoning", "reasoning_text"} if "tool_plan" in cassette.expected else set()  # to us it is a thought
    assert made.features == cassette.features | planned
    for name in ("text", "reasoning_text", "finish_reason", "n_events", "embeddings"):
        said = cassette.expected.get(name)
        if name == "reasoning_text" and "tool_plan" in cassette.expected:
            said = cassette.expected["tool_plan"]
        if name == "finish_reason" and cassette.expected["error"]:
            said = None  # the error ends it
        assert (made.expected.get(name) or None) == (said or None), name
    calls = [(call["name"], call["arguments"]) for call in made.expected["tool_calls"]]
    assert calls == [(call["name"], call["arguments"]) for call in cassette.expected["tool_calls"]]
    assert (made.expected["error"] is None) == (cassette.expected["error"] is None)
    assert KEY not in made.write()


async def test_a_list_of_objects_is_a_framing_of_its_own() -> None:
    """Gemini streams a JSON array where no other form is asked for."""
    text = next(one for one in cassettes_of("segue_google") if one.id == "google-text-stream")
    lines = [line[6:] for line in text.response.body.decode().split("\r\n") if line.startswith("data: ")]
    response = replace(
        text.response, body=f"[{','.join(lines)}]".encode(), headers={"content-type": "application/json"}
    )
    made = await recorded(replace(text, response=response), streams=True)
    assert (made.response.framing, made.expected["n_events"]) == ("json-array", len(lines))
    assert made.expected["text"] == text.expected["text"]


async def chat_recorded(message: dict[str, Any], **more: Any) -> Cassette:
    """The cassette of a whole answer on the wire of core's."""
    choice = {"index": 0, "finish_reason": "stop", **more, "message": {"role": "assistant", "content": None, **message}}
    body = json.dumps({"id": "r", "model": "m", "choices": [choice, {**choice, "index": 1}]}).encode()
    async with ScriptedHost(script=[Body(body, content_type="application/json")]) as host:
        config = {"providers": {"acme": {"wire": "openai_chat", "base_url": host.url}}}
        async with RecordingClient(config=config, environ={}, plugins=False) as client:
            reply = await client.chat("Hello", model="acme/m", n=2)
            take = client.takes[-1]
            return cassette_of(
                take, Reading(reply), client.scrubber("acme", take), provider="acme", api=client.wire_of("acme", take),
                url=client.address("acme", take),
            )  # fmt: skip


async def test_what_an_answer_may_hold_besides() -> None:
    """Choices, a refusal, sources, logprobs, the end at a limit, calls that are no JSON: each has its word."""
    refused = await chat_recorded({"refusal": "No."}, finish_reason="content_filter")
    assert (refused.api, refused.expected["refusal"]) == ("openai-chat", "No.")
    assert {"refusal", "content_filter", "multi_choice", "no_text_no_tools"} == refused.features
    cited = await chat_recorded({
        "content": "é", "annotations": [{"type": "url_citation", "url_citation": {
            "url": "https://a.example", "title": "A", "start_index": 0, "end_index": 1}}],
    }, finish_reason="length", logprobs={"content": [{"token": "é", "logprob": -0.5, "top_logprobs": []}]})  # fmt: skip
    assert (cited.expected["n_choices"], cited.expected["choice_texts"]) == (2, ["é", "é"])
    assert cited.expected["n_citations"] == 2
    assert {"citations", "truncated", "logprobs", "multi_choice", "text", "non_ascii"} == cited.features
    called = await chat_recorded({"tool_calls": [
        {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{"}},
        {"id": "b", "type": "custom", "custom": {"name": "g", "input": "free"}},
    ]}, finish_reason="tool_calls")  # fmt: skip
    assert called.expected["tool_calls"] == [
        {"name": "f", "id": "a", "arguments_raw": "{", "arguments": None, "arguments_unparseable": True},
        {"name": "g", "id": "b", "arguments_raw": "free", "kind": "custom", "arguments": None},
    ]


async def test_what_no_cassette_can_hold_is_refused() -> None:
    """An answer that did not come to its end, and a body that is not text, are told in one line."""
    take, reading, scrubber = Take(Call("https://a.example", {}, b"\xff")), Reading(), Scrubber([])
    kept: dict[str, Any] = {"provider": "acme", "api": "acme", "url": "https://a.example"}
    with pytest.raises(ConfigError, match="needs a complete answer"):
        cassette_of(take, reading, scrubber, **kept)
    take.is_whole = True
    with pytest.raises(ConfigError, match="is not text"):
        cassette_of(take, reading, scrubber, **kept)


async def test_a_request_that_is_no_json_is_kept_as_text() -> None:
    """Its secrets go as well."""
    take = Take(Call("https://a.example", {}, b"key=canary-12345678&q=1"), 404, is_whole=True)
    error = HTTPError("no", status=404)
    made = cassette_of(
        take, Reading(error=error), Scrubber(["canary-12345678"]), provider="acme", api="acme", url="https://a.example"
    )
    assert (made.request.json, made.request.body, made.request.fidelity) == (None, "key=example-secret&q=1", "scrubbed")
    assert made.features == {"error_404", "non_json_error"}
