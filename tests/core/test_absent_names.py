"""What is written for other libraries is an AttributeError that says what to write here."""

from __future__ import annotations

import asyncio
import copy
import pickle
from typing import TYPE_CHECKING, Any, get_args

import pytest

from segue import Client, sync
from segue.events import Choice, EmbedReply, Event, Finish, Notice, Reply, Start, TextDelta, Usage
from segue.testing import OpenAIHost

if TYPE_CHECKING:
    from collections.abc import Iterator

REPLY: Reply[None] = Reply((Choice("said", "stop"),), usage=Usage(input_tokens=1), response_id="r")


@pytest.fixture
def clients() -> Iterator[dict[str, Any]]:
    """Both clients, and what a call of each returns."""
    config = {"providers": {"a": {"wire": "openai_chat", "base_url": "http://127.0.0.1:9/v1"}}}
    with sync.Client(config=config, plugins=False) as client:
        asynchronous = Client(config=config, plugins=False)
        yield {
            "reply": REPLY,
            "embedded": EmbedReply([[1.0]]),
            "event": Start(),
            "delta": TextDelta("a"),
            "client": client,
            "async_client": asynchronous,
            "stream": client.stream("Hi", model="a/b"),
            "async_stream": asynchronous.stream("Hi", model="a/b"),
        }


@pytest.mark.parametrize(
    ("written", "instead"),
    [
        ("reply.content", "use reply.text"),
        ("reply.output_text", "use reply.text"),
        ("reply.choices[0].message.content", "use choice.text"),
        ("reply.choices[0].delta", "use choice.text"),
        ("reply.id", "use reply.response_id"),
        ("reply.stop_reason", "use reply.finish_reason"),
        ("reply.output_parsed", "use reply.parsed"),
        ("reply.usage.prompt_tokens", "use usage.input_tokens"),
        ("reply.usage.completion_tokens", "use usage.output_tokens"),
        ("reply.usage.prompt_tokens_details.cached_tokens", "use usage.cached_tokens"),
        ("reply.model_dump()", "dataclasses.asdict(reply)"),
        ("embedded.data[0].embedding", "use reply.vectors"),
        ("event.choices[0].delta.content", "stream.text()"),
        ("event.text", "only a TextDelta has text"),
        ("delta.content", "use event.text"),
        ("delta.type", "isinstance(event, TextDelta)"),
        ("client.chat.completions.create(model='m')", "call client.chat(messages, model=…)"),
        ("async_client.chat.completions.create(model='m')", "call client.chat(messages, model=…)"),
        ("client.responses.create()", "call client.chat("),
        ("client.messages.create()", "call client.chat("),
        ("client.embeddings.create()", "call client.embed("),
        ("client.models.list()", "call client.models()"),
        ("client.aclose()", "client.close()"),
        ("async_client.close()", "await client.aclose()"),
        ("stream.text_stream", "use stream.text()"),
        ("async_stream.get_final_message()", "use stream.reply()"),
        ("async_stream.usage", "stream.reply()"),
    ],
)
def test_a_name_of_another_library_says_what_to_write(clients: dict[str, Any], written: str, instead: str) -> None:
    """The AttributeError ends with the name that this library has."""
    with pytest.raises(AttributeError) as caught:
        eval(written, {}, clients)
    assert instead in str(caught.value)


@pytest.mark.parametrize("kind", get_args(Event))
def test_every_event_says_where_the_text_is(kind: Any) -> None:
    """Events are told apart by their type, and have no `choices`."""
    with pytest.raises(AttributeError, match="TextDelta"):
        _ = kind.__new__(kind).choices


def test_such_a_name_is_not_there_for_code_that_looks() -> None:
    """It is not listed, ``hasattr`` and ``getattr`` do not find it, and a copy is equal."""
    assert not hasattr(REPLY, "content")
    assert getattr(REPLY, "content", None) is None
    assert {"content", "output_text", "id"}.isdisjoint(dir(REPLY))
    assert {"text", "choices", "usage"} <= set(dir(REPLY))
    assert {"prompt_tokens", "choices"}.isdisjoint(dir(REPLY.usage))
    assert pickle.loads(pickle.dumps(REPLY)) == copy.deepcopy(REPLY) == REPLY
    with pytest.raises(AttributeError, match=r"^'Reply' object has no attribute 'nonsense'$"):
        _ = REPLY.nonsense  # type: ignore[attr-defined]


def test_a_subclass_may_have_such_a_name() -> None:
    """What an application adds to a client counts."""

    class Mine(Client):
        messages = "mine"

        def __init__(self) -> None:
            super().__init__(config=False, plugins=False)
            self.responses = "mine"

    assert (Mine().messages, Mine().responses) == ("mine", "mine")


async def test_the_text_of_a_stream_that_was_read_is_an_error() -> None:
    """Text that was expected is not silently missing; what is left of a stream that was read in part comes."""
    async with OpenAIHost(answer=["one", "two"]) as host:
        config = {"providers": {"own": {"wire": "openai_chat", "base_url": host.url}}}
        async with Client(config=config) as client:
            async with client.stream("Hi", model="own/m") as stream:
                assert [event async for event in stream if isinstance(event, Finish)]
                with pytest.raises(RuntimeError, match=r"stream.reply\(\) returns the whole answer"):
                    _ = [piece async for piece in stream.text()]
                assert (await stream.reply()).text == "onetwo"
            async with client.stream("Hi", model="own/m") as stream:
                async for event in stream:
                    if not isinstance(event, (Start, Notice)):
                        break
                assert "".join([piece async for piece in stream.text()]) == "two"
                with pytest.raises(RuntimeError, match="already read"):
                    _ = [piece async for piece in stream.text()]


async def test_the_text_of_a_stream_that_was_read_is_an_error_without_a_loop() -> None:
    """The same for the synchronous client."""
    async with OpenAIHost(answer="one") as host:
        config = {"providers": {"own": {"wire": "openai_chat", "base_url": host.url}}}

        def read() -> str:
            with sync.Client(config=config) as client, client.stream("Hi", model="own/m") as stream:
                assert "".join(stream.text()) == "one"
                with pytest.raises(RuntimeError, match="already read"):
                    list(stream.text())
                return stream.reply().text

        assert await asyncio.to_thread(read) == "one"
