"""The provider openai, over real sockets."""

from __future__ import annotations

import pytest

from segue import AuthenticationError, Client, NoCandidateError
from segue.testing import OpenAIHost, Status


async def test_key_and_address_come_from_the_environment() -> None:
    """OPENAI_API_KEY and OPENAI_BASE_URL are read; the key goes in the header, the settings in the body."""
    async with OpenAIHost(answer="hello world") as host:
        environ = {"OPENAI_API_KEY": "sk-from-environment", "OPENAI_BASE_URL": host.url}
        async with Client(config=False, environ=environ) as client:
            reply = await client.chat("hi", model="openai/gpt-5.4-mini", max_tokens=1, stop="x", seed=3, top_p=0.5)
        (request,) = host.requests
    assert (reply.text, reply.finish_reason, reply.raw_finish_reason) == ("hello", "length", "length")
    assert reply.usage is not None
    assert reply.usage.output_tokens == 1
    assert request.path == "/v1/chat/completions"
    assert request.header["authorization"] == "Bearer sk-from-environment"
    assert request.json == {
        "model": "gpt-5.4-mini",
        "messages": [{"role": "user", "content": "hi"}],
        "max_tokens": 1,
        "stop": ["x"],
        "seed": 3,
        "top_p": 0.5,
    }


async def test_a_stream_asks_for_usage() -> None:
    """A stream asks for usage, and its reply has it."""
    async with OpenAIHost() as host:
        environ = {"OPENAI_API_KEY": "sk-test-test", "OPENAI_BASE_URL": host.url}
        async with Client(config=False, environ=environ) as client, client.stream("hi", model="gpt-5.4-mini") as stream:
            assert [text async for text in stream.text()] == ["hello", " from", " the", " host"]
            reply = await stream.reply()
        assert host.requests[0].json["stream_options"] == {"include_usage": True}
    assert reply.usage is not None
    assert reply.usage.output_tokens == 4


async def test_without_a_key_the_variable_is_named() -> None:
    """Without a key the error names the variable and where to get a key."""
    async with Client(config=False, environ={}) as client:
        with pytest.raises(NoCandidateError, match="OPENAI_API_KEY") as caught:
            await client.chat("hi", model="openai/gpt-5.4-mini")
    assert "platform.openai.com/api-keys" in str(caught.value)


async def test_an_echoed_key_is_not_kept() -> None:
    """A host that quotes the key in its error does not bring it into ours."""
    async with OpenAIHost(script=[Status(401, code="invalid_api_key", message="bad key canary-12345678")]) as host:
        environ = {"OPENAI_API_KEY": "canary-12345678", "OPENAI_BASE_URL": host.url}
        async with Client(config=False, environ=environ) as client:
            with pytest.raises(AuthenticationError) as caught:
                await client.chat("hi", model="openai/gpt-5.4-mini")
    error = caught.value
    assert "canary" not in f"{error!r} {error} {error.args} {error.body} {error.attempts}"
    assert "bad key" in error.body
