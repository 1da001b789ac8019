"""Who reads a stream: one task, while it is open."""

from __future__ import annotations

import asyncio
import traceback
from typing import TYPE_CHECKING, Any

import pytest

import segue.sync
from segue import Client, ClosedError, Host, ImagePart, Reply, Stream, Timeout
from segue.messages import FilePart
from segue.testing import OpenAIHost, in_thread

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

LIMITS = Timeout(first_event=5, idle=5, total=10)


async def _events(stream: Stream[Any]) -> object:
    return [event async for event in stream]


async def _text(stream: Stream[Any]) -> object:
    return [text async for text in stream.text()]


async def _reply(stream: Stream[Any]) -> object:
    return await stream.reply()


WAYS: dict[str, Callable[[Stream[Any]], Awaitable[object]]] = {"events": _events, "text": _text, "reply": _reply}


def client_of(host: OpenAIHost) -> Client:
    return Client(
        providers=[Host("a", host.url, models=["m"])], plugins=False, config=False, environ={}, timeout=LIMITS
    )


@pytest.mark.parametrize("second", WAYS)
@pytest.mark.parametrize("first", WAYS)
async def test_a_second_reader_is_refused_at_once(first: str, second: str) -> None:
    """The first one gets the whole answer, the second one a RuntimeError, and the host is not blamed."""
    async with OpenAIHost(pace=0.005) as host, client_of(host) as client:
        async with client.stream("hi", model="a/m") as stream:
            whole, refused = await asyncio.gather(WAYS[first](stream), WAYS[second](stream), return_exceptions=True)
        assert not isinstance(whole, BaseException)
        assert isinstance(refused, RuntimeError)
        assert "by another task" in str(refused) or "already running" in str(refused)
        assert (await client.chat("hi", model="a/m")).text
        assert all(health.working for health in client.health.states.values())


@pytest.mark.parametrize("way", WAYS)
async def test_a_closed_stream_is_not_an_empty_answer(way: str) -> None:
    """Reading it after its block is a ClosedError, and so is entering it again."""
    async with OpenAIHost() as host, client_of(host) as client:
        async with client.stream("hi", model="a/m") as stream:
            pass
        with pytest.raises(ClosedError, match="inside its `async with` block"):
            await WAYS[way](stream)
        with pytest.raises(ClosedError):
            await stream.__aenter__()


async def test_a_whole_answer_is_there_after_the_block() -> None:
    """The reply of a stream that was read to its end can be asked for again."""
    async with OpenAIHost() as host, client_of(host) as client:
        async with client.stream("hi", model="a/m") as stream:
            first = await stream.reply()
        again = await stream.reply()
    assert isinstance(again, Reply)
    assert again.text == first.text


def test_a_closed_stream_of_the_client_without_a_loop_is_not_empty() -> None:
    """The same for code without a loop."""
    with in_thread(OpenAIHost()) as host:
        rows = [Host("a", host.url, models=["m"])]
        with segue.sync.Client(providers=rows, plugins=False, config=False, environ={}) as client:
            with client.stream("hi", model="a/m") as stream:
                pass
            with pytest.raises(ClosedError):
                list(stream)
            with pytest.raises(ClosedError):
                stream.reply()


@pytest.mark.parametrize("url", ["nope", "/etc/passwd", "file:///etc/passwd", "iVBORw0KGgo="])
@pytest.mark.parametrize("kind", [ImagePart, FilePart])
def test_a_path_is_not_an_address_of_an_image(kind: type[Any], url: str) -> None:
    """What no host can fetch is refused before anything is sent, with the way to send a file."""
    with pytest.raises(ValueError, match=rf"{kind.__name__}\.from_file"):
        kind(url=url)


@pytest.mark.parametrize("sign", ["?key=canary-0123", "#part"])
async def test_an_address_in_a_variable_has_no_query(sign: str) -> None:
    """The path of a request would be put behind it."""
    environ = {"OPENAI_API_KEY": "sk-x", "OPENAI_BASE_URL": f"http://127.0.0.1:9/v1{sign}"}
    async with Client(config=False, environ=environ) as client:
        with pytest.raises(Exception, match="OPENAI_BASE_URL in the environment must be a URL without a") as caught:
            await client.chat("hi", model="openai/gpt-5.4-mini")
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize("options", [{"zzz": "canary-0123"}, {"user": 5, "service_tier": "canary-0123"}])
async def test_refused_options_are_in_no_frame(options: dict[str, Any]) -> None:
    """Neither an error nor its context keeps the values that a provider's model refused."""
    given = {"openai": options}

    async def ask(client: Client) -> None:
        await client.chat("hi", model="openai/gpt-5.4-mini", options=given)

    async with Client(config=False, environ={"OPENAI_API_KEY": "sk-x"}) as client:
        with pytest.raises(ValueError, match="options") as caught:
            await ask(client)
    assert caught.value.__context__ is None
    shown = "".join(traceback.TracebackException.from_exception(caught.value, capture_locals=True).format())
    frames = [part for part in shown.split("  File ") if "segue" in part.partition(",")[0] and "tests" not in part]
    assert not [part for part in frames if "canary" in part]
