"""An application that mocks aiohttp with aioresponses mocks Segue's calls too."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from aioresponses import aioresponses

from segue import Client, ConnectError, Finish, Host, OverloadedError, Retry, Start, StreamBrokenError, TextDelta
from segue.testing import OpenAIHost
from segue.transport import AiohttpTransport, Call, exchange
from segue.wire import anthropic_messages, openai_chat, openai_responses
from segue.wire.anthropic_messages.server import render_stream as messages_stream
from segue.wire.openai_responses.server import render_stream as responses_stream
from segue_bedrock import decode as bedrock
from segue_cohere import decode as cohere
from segue_cromicle import Cromicle
from segue_google import decode as google
from segue_mistral import decode as mistral
from segue_ollama import decode as ollama

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from segue.wire import Decoder

URL = "https://llm.mine.example/v1"
CHAT = f"{URL}/chat/completions"
MESSAGES = [{"role": "user", "content": "Hello"}]


@pytest.fixture
def mocked() -> Iterator[Any]:
    with aioresponses() as mock:
        yield mock


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    """A client with a row of data, and Cromicle, which reads plain text."""
    async with Client(
        providers=[Host("mine", URL, models=["m"]), Cromicle], config=False, plugins=False, retry=Retry(count=0)
    ) as made:
        yield made


async def test_a_whole_answer_is_mocked(mocked: Any, client: Client) -> None:
    """The JSON that the mock gives is the reply, and the mock sees the request."""
    message = {"role": "assistant", "content": "mocked"}
    mocked.post(CHAT, payload={"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]})
    assert (await client.chat("Hello", model="mine/m")).text == "mocked"
    ((request,),) = mocked.requests.values()
    assert json.loads(request.kwargs["data"])["messages"] == MESSAGES


async def test_a_stream_is_mocked(mocked: Any, client: Client) -> None:
    """The events that the mock gives are the stream."""
    body = OpenAIHost.sse_body(["one", " two"])
    mocked.post(CHAT, body=body, content_type="text/event-stream")
    async with client.stream("Hello", model="mine/m") as stream:
        assert [text async for text in stream.text()] == ["one", " two"]


def _sse(*values: Any) -> bytes:
    return b"".join(b"data: %b\n\n" % json.dumps(value).encode() for value in values)


_GOOGLE = {"candidates": [{"content": {"parts": [{"text": "mocked"}]}, "finishReason": "STOP"}]}
_MESSAGE = {
    "type": "message", "id": "1", "role": "assistant", "model": "m", "stop_reason": "end_turn",
    "content": [{"type": "text", "text": "mocked"}],
}  # fmt: skip
_RESPONSE = {
    "id": "1", "object": "response", "model": "m", "status": "completed",
    "output": [{"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "mocked"}]}],
}  # fmt: skip
_COHERE = {"id": "1", "finish_reason": "COMPLETE", "message": {"content": [{"type": "text", "text": "mocked"}]}}
_OLLAMA = {"model": "m", "message": {"role": "assistant", "content": "mocked"}, "done": True, "done_reason": "stop"}
_CONVERSE = {"output": {"message": {"role": "assistant", "content": [{"text": "mocked"}]}}, "stopReason": "end_turn"}
_CHOICE = {"index": 0, "message": {"role": "assistant", "content": "mocked"}, "finish_reason": "stop"}
_DELTA = {"index": 0, "delta": {"content": "mocked"}, "finish_reason": "stop"}
WIRES: dict[str, tuple[Callable[[], Decoder], bytes]] = {
    "openai chat, whole": (openai_chat.Decoder, json.dumps({"choices": [_CHOICE]}).encode()),
    "openai chat, streamed": (openai_chat.Decoder, OpenAIHost.sse_body(["mocked"])),
    "openai chat, without [DONE]": (openai_chat.Decoder, _sse({"choices": [_DELTA]})),
    "openai responses, whole": (openai_responses.Decoder, json.dumps(_RESPONSE).encode()),
    "openai responses, streamed": (
        openai_responses.Decoder,
        b"".join(responses_stream([Start("m", "1"), TextDelta("mocked"), Finish("stop")])),
    ),
    "anthropic messages, whole": (anthropic_messages.Decoder, json.dumps(_MESSAGE).encode()),
    "anthropic messages, streamed": (
        anthropic_messages.Decoder,
        b"".join(messages_stream([Start("m", "1"), TextDelta("mocked"), Finish("stop")])),
    ),
    "google, whole": (google.Decoder, json.dumps(_GOOGLE).encode()),
    "google, streamed": (google.Decoder, _sse(_GOOGLE)),
    "google, streamed in a list": (google.Decoder, json.dumps([_GOOGLE]).encode()),
    "bedrock, whole": (bedrock.Decoder, json.dumps(_CONVERSE).encode()),
    "cohere, whole": (cohere.Decoder, json.dumps(_COHERE).encode()),
    "mistral, whole": (mistral.Decoder, json.dumps({"choices": [_CHOICE]}).encode()),
    "mistral, without [DONE]": (mistral.Decoder, _sse({"choices": [_DELTA]})),
    "ollama, whole and streamed": (ollama.Decoder, json.dumps(_OLLAMA).encode() + b"\n"),
}


@pytest.mark.parametrize("wire", WIRES)
async def test_a_mocked_body_is_complete_on_every_wire(wire: str, mocked: Any) -> None:
    """It is whole as it was given to the mock, which knows no length of it and no connection that could break."""
    decoder, body = WIRES[wire]
    mocked.post(CHAT, body=body, content_type="text/event-stream" if body.startswith(b"data:") else "application/json")
    async with AiohttpTransport() as transport:
        events = [event async for event in exchange(transport, Call(CHAT, {}, b"{}"), decoder())]
    assert "".join(event.text for event in events if isinstance(event, TextDelta)) == "mocked"
    assert isinstance(events[-1], Finish)
    assert events[-1].reason == "stop"


@pytest.mark.parametrize("streamed", [False, True])
async def test_google_is_mocked_by_the_addresses_of_its_api(streamed: bool, mocked: Any) -> None:
    """The provider's own client reads what the mock gives, without any header that a user would have to invent."""
    url = "https://generativelanguage.googleapis.com/v1beta/models/gemini-2.5-flash"
    mocked.post(f"{url}:generateContent", payload=_GOOGLE)
    mocked.post(f"{url}:streamGenerateContent?alt=sse", body=_sse(_GOOGLE), content_type="text/event-stream")
    environ = {"GEMINI_API_KEY": "a-key-of-a-test"}
    async with Client(config=False, environ=environ, retry=Retry(count=0)) as client:
        if streamed:
            async with client.stream("Hello", model="google/gemini-2.5-flash") as stream:
                reply = await stream.reply()
        else:
            reply = await client.chat("Hello", model="google/gemini-2.5-flash")
    assert (reply.text, reply.finish_reason) == ("mocked", "stop")


async def test_a_mocked_plain_text_is_complete(mocked: Any, client: Client) -> None:
    """It ends as a text with a length does: without a notice that it may not be whole."""
    mocked.post("https://cromicle.top/chat", body="hello there")
    reply = await client.chat("Hello", model="cromicle/gpt-3.5-turbo")
    assert (reply.finish_reason, reply.notices) == ("stop", ())


async def test_half_a_mocked_answer_is_half_an_answer(mocked: Any, client: Client) -> None:
    """What lacks its finish is not complete: so a test of an application can break an answer."""
    mocked.post(CHAT, body=_sse({"choices": [{"index": 0, "delta": {"content": "half"}}]}))
    with pytest.raises(StreamBrokenError):
        await client.chat("Hello", model="mine/m")


async def test_an_error_is_mocked(mocked: Any, client: Client) -> None:
    """A status that the mock gives becomes the error of that status."""
    mocked.post(CHAT, status=503, payload={"error": {"message": "no", "type": "overloaded_error"}})
    with pytest.raises(OverloadedError):
        await client.chat("Hello", model="mine/m")


async def test_cromicle_is_mocked_through_a_client(mocked: Any, client: Client) -> None:
    """Cromicle's plain text is mocked, whole and streamed."""
    mocked.post("https://cromicle.top/chat", body="hello there", repeat=True)
    assert (await client.chat("Hello", model="cromicle/gpt-3.5-turbo")).text == "hello there"
    async with client.stream("Hello", model="cromicle/gpt-3.5-turbo") as stream:
        assert "".join([text async for text in stream.text()]) == "hello there"


async def test_cromicle_is_mocked_without_a_client(mocked: Any) -> None:
    """The class itself is mocked too."""
    mocked.post("https://cromicle.top/chat", body="hello there")
    pieces = [piece async for piece in Cromicle.create_async_generator("gpt-3.5-turbo", MESSAGES)]
    assert "".join(pieces) == "hello there"


@pytest.mark.usefixtures("mocked")
async def test_what_is_not_mocked_is_not_sent(client: Client) -> None:
    """A call that the mock does not know ends as aioresponses ends it, without a connection."""
    with pytest.raises(ConnectError):
        await client.chat("Hello", model="mine/m")


async def test_after_the_mock_calls_are_real() -> None:
    """Once the mock is gone, the same client asks real hosts."""
    async with (
        OpenAIHost() as host,
        Client(providers=[Host("mine", host.url, models=["m"])], config=False, plugins=False) as client,
    ):
        host.answers("real")
        with aioresponses() as mock:
            mock.post(f"{host.url}/chat/completions", body=OpenAIHost.sse_body(["mocked"]))
            async with client.stream("Hello", model="mine/m") as stream:
                assert (await stream.reply()).text == "mocked"
        assert (await client.chat("Hello", model="mine/m")).text == "real"


FIRST_IMPORT = """
import asyncio, inspect
import aiohttp
from unittest.mock import Mock
from aioresponses import aioresponses, core

class Response(aiohttp.ClientResponse):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, stream_writer=Mock(), **kwargs)

core.ClientResponse = Response

async def main():
    with aioresponses() as mock:
        from segue import Client, Host
        message = {"role": "assistant", "content": "mocked"}
        answer = {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
        mock.post("https://llm.mine.example/v1/chat/completions", payload=answer)
        rows = [Host("mine", "https://llm.mine.example/v1", models=["m"])]
        async with Client(providers=rows, config=False, plugins=False) as client:
            print((await client.chat("Hello", model="mine/m")).text)

asyncio.run(main())
"""


def test_it_holds_where_segue_is_first_imported_under_the_mock() -> None:
    """What is imported while the mock is in place does not take the mock for aiohttp's own."""
    done = subprocess.run([sys.executable, "-c", FIRST_IMPORT], capture_output=True, text=True, check=False, timeout=60)
    assert (done.stdout, done.stderr) == ("mocked\n", "")
