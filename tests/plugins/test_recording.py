"""What passes through a transport is noted, to the body's end, and the reader of it notices nothing."""

from __future__ import annotations

import asyncio

import pytest

from understudy import Client, HTTPError, StreamBrokenError
from understudy.testing import Body, Cut, OpenAIHost, ScriptedHost, recording
from understudy.testing.recording import RecordingTransport, Take
from understudy.transport import AiohttpTransport

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
