"""An application that mocks aiohttp with aioresponses mocks Segue's calls too."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from aioresponses import aioresponses

from segue import Client, ConnectError, Host, OverloadedError, Retry
from segue.testing import OpenAIHost
from segue_cromicle import Cromicle

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

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
