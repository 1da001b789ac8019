"""Cromicle's contract, over real sockets."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from contextlib import aclosing
from typing import Any

import pytest

from segue import Client, ConnectError, HTTPError, StreamBrokenError
from segue.testing import Answer, Body, CromicleHost, Cut, ProxyHost, Status, refused_url
from segue_cromicle import Cromicle, _create_header, _create_payload, format_prompt

MESSAGES = [
    {"role": "user", "content": "Hello, how are you?"},
    {"role": "assistant", "content": "I am doing well, thank you."},
]

PROGRAM = """
import asyncio
from segue_cromicle import Cromicle

async def main():
    messages = [
        {'role': 'user', 'content': 'Hello, how are you?'},
        {'role': 'assistant', 'content': 'I am doing well, thank you.'},
    ]
    async for stream in Cromicle.create_async_generator(model='gpt-3.5-turbo', messages=messages):
        print(stream)

if __name__ == "__main__":
    Cromicle.url = %r
    asyncio.run(main())
"""


def at(url: str) -> type[Cromicle]:
    return type("Cromicle", (Cromicle,), {"url": url})


async def pieces(cls: type[Cromicle], **kwargs: Any) -> list[str]:
    return [piece async for piece in cls.create_async_generator("gpt-3.5-turbo", MESSAGES, **kwargs)]


async def test_the_program_prints_the_pieces() -> None:
    """The contract's program prints each piece, and the host saw exactly what the contract says."""
    async with CromicleHost(answer=["Hello", " ", "world"]) as host:
        command = [sys.executable, "-W", "error", "-c", PROGRAM % host.url]
        done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=False, timeout=60)
        assert (done.stderr, done.returncode) == ("", 0)
        assert "".join(done.stdout.split("\n")) == "Hello world"
        (request,) = host.requests
    assert (request.method, request.path) == ("POST", "/chat")
    assert request.header["accept"] == "*/*"
    assert request.header["content-type"] == "application/json"
    message = "User: Hello, how are you?\nAssistant: I am doing well, thank you.\nAssistant:"
    assert request.json == {
        "message": message,
        "token": "abc",
        "hash": "8772ba9fff49feeef51ca36b9a540cd3e3c65f4a5f010decc43b2ad4dd006033",
    }


def test_the_hash_is_the_contracts() -> None:
    """The header and the hash are those of the contract."""
    assert _create_header() == {"accept": "*/*", "content-type": "application/json"}
    expected = "be3c4b673d226b46742593cd467f3532504905d2e30236d18228f17c3940eb3e"
    assert _create_payload("Hello, world!") == {"message": "Hello, world!", "token": "abc", "hash": expected}


def test_prompts() -> None:
    """One message is its content; several are lines with a last one for the answer; none is a ValueError."""
    assert format_prompt([{"role": "user", "content": "Hello"}]) == "Hello"
    turns = [{"role": "system", "content": ""}, {"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    assert format_prompt(turns) == "User: a\nAssistant: b\nAssistant:"
    with pytest.raises(ValueError, match="empty"):
        format_prompt([])


@pytest.mark.parametrize("split", [1, 2, 3, 5])
async def test_a_cut_character_arrives_whole(split: int) -> None:
    """A character cut between two chunks arrives whole, and no piece is empty."""
    async with CromicleHost(answer="grüße 世界 🎭", split=split) as host:
        got = await pieces(at(host.url))
    assert "".join(got) == "grüße 世界 🎭"
    assert all(got)


@pytest.mark.parametrize("status", [302, 400, 429, 503])
async def test_a_status_beyond_success_raises(status: int) -> None:
    """A status outside 200-299 raises HTTPError with it; a redirect is not followed."""
    async with CromicleHost() as other, CromicleHost(script=[Status(status, headers={"location": other.url})]) as host:
        with pytest.raises(HTTPError) as caught:
            await pieces(at(host.url))
        assert caught.value.status == status
        assert other.requests == []


async def test_no_connection() -> None:
    """No connection is ConnectError."""
    with pytest.raises(ConnectError):
        await pieces(at(refused_url()))


async def test_the_proxy_is_used() -> None:
    """The request goes through the proxy when one is given."""
    async with CromicleHost(answer="through") as host, ProxyHost() as proxy:
        assert "".join(await pieces(at(host.url), proxy=proxy.url)) == "through"
        assert len(proxy.requests) == 1


@pytest.mark.parametrize("framing", ["chunked", "length"])
async def test_a_short_body_is_broken(framing: Any) -> None:
    """A framed body cut short raises StreamBrokenError, after the pieces that came."""
    async with CromicleHost(answer="hello world", script=[Cut(5)], framing=framing) as host:
        got = []
        with pytest.raises(StreamBrokenError):  # noqa: PT012 - what came before it is asserted too
            async for piece in at(host.url).create_async_generator("m", MESSAGES):
                got.append(piece)
        assert "".join(got) == "hello"


async def test_leaving_early_closes_the_connection() -> None:
    """Closing the generator closes the connection to the host."""
    async with CromicleHost(answer="a b c d") as host:
        async with aclosing(at(host.url).create_async_generator("m", MESSAGES)) as stream:  # type: ignore[type-var]
            await anext(stream)
        await asyncio.wait_for(host.until_closed(), 5)


async def test_through_the_framework_the_class_stays_as_it_is() -> None:
    """A configured address makes a subclass; settings become notices; the end is proven by the framing."""
    async with (
        CromicleHost(answer="hello") as host,
        Client(config={"providers": {"cromicle": {"base_url": host.url}}}, environ={}) as client,
    ):
        reply = await client.chat(MESSAGES, model="cromicle/gpt-3.5-turbo", temperature=1)
        assert (reply.text, reply.finish_reason, reply.provider) == ("hello", "stop", "cromicle")
        assert [notice.subject for notice in reply.notices] == ["temperature"]
    assert Cromicle.url == "https://cromicle.top"


async def test_an_end_by_connection_is_unknown() -> None:
    """A body that ended with its connection finishes as unknown, with a notice."""
    async with (
        CromicleHost(answer="hello", framing="close") as host,
        Client(config={"providers": {"cromicle": {"base_url": host.url}}}, environ={}) as client,
    ):
        reply = await client.chat("hi", model="cromicle")
        assert (reply.text, reply.finish_reason) == ("hello", "unknown")
        assert [notice.subject for notice in reply.notices] == ["finish_reason"]


async def test_invalid_bytes_become_replacement_characters() -> None:
    """Bytes that are no UTF-8 become U+FFFD; a character that never ended too."""
    async with CromicleHost(script=[Body(b"a\xff\xe4\xb8", content_type="text/plain"), Answer()]) as host:
        assert "".join(await pieces(at(host.url))) == "a��"
