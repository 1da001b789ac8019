"""Vectors on OpenAI's wire: recorded answers, wrong ones, and a call through the front door."""

from __future__ import annotations

import base64
import contextlib
import json
import struct
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segue import (
    AllFailedError,
    Capabilities,
    Chain,
    Client,
    ModelNotFoundError,
    NoCandidateError,
    ProtocolError,
    Retry,
    SegueError,
    UnsupportedError,
)
from segue.plugin import AsyncGeneratorProvider, Host, Model
from segue.testing import Body, OpenAIHost, Status
from segue.wire.openai_embeddings import decode

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


def body_of(*vectors: list[float], encoded: bool = False) -> bytes:
    def written(vector: list[float]) -> Any:
        return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode() if encoded else vector

    data = [{"index": index, "embedding": written(vector)} for index, vector in enumerate(vectors)]
    return json.dumps(
        {"data": list(reversed(data)), "model": "e-1", "usage": {"prompt_tokens": 4, "total_tokens": 4}}
    ).encode()


@given(st.lists(st.lists(st.floats(-1, 1, width=32), min_size=1, max_size=5), min_size=1, max_size=4), st.booleans())
def test_vectors_come_in_the_order_of_the_inputs(vectors: list[list[float]], encoded: Any) -> None:
    """Whatever order they were written in, as numbers or as base64."""
    assert decode(body_of(*vectors, encoded=encoded)).vectors == vectors


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"<html>", "not JSON"),
        (b"{}", "data"),
        (b'{"data":[{"embedding":[]}]}', "not a list of numbers"),
        (b'{"data":[{"embedding":["a"]}]}', "not a list of numbers"),
        (b'{"data":[{"embedding":"AAA="}]}', "in the middle of a number"),
        (b'{"data":[{"index":1,"embedding":[1]}]}', "index"),
        (b'{"data":[{"index":0,"embedding":[1]},{"index":0,"embedding":[1]}]}', "index"),
    ],
)
def test_what_is_no_answer_is_a_protocol_error(body: bytes, told: str) -> None:
    """A wrong shape is ProtocolError that names the place."""
    with pytest.raises(ProtocolError, match=told):
        decode(body)


@given(st.binary(max_size=80))
def test_only_our_errors_are_raised(body: bytes) -> None:
    """Whatever comes, there are vectors or a SegueError."""
    with contextlib.suppress(SegueError):
        decode(body)


def answer(*vectors: list[float]) -> Body:
    return Body(body_of(*vectors), content_type="application/json")


def row(host: OpenAIHost, name: str = "acme") -> Host:
    facts = Capabilities({"embeddings": True, "chat": False, "input_price": 2, "output_price": 0})
    return Host(name, host.url, models=[Model("e", facts), "talks"])


def client_of(*rows: object) -> Client:
    return Client(config=False, plugins=False, providers=rows, environ={}, retry=Retry(count=0))


async def test_vectors_are_asked_for_through_the_front_door() -> None:
    """Selected by the fact, sent as the wire has it, with usage and price; the next candidate steps in."""
    async with OpenAIHost(script=[Status(503)]) as one, OpenAIHost(script=[answer([1.0, 2.0], [3.0, 4.0])]) as two:
        async with client_of(row(one), row(two, "other")) as client:
            reply = await client.embed(["a", "b"], needs="embeddings", dimensions=2)
    assert reply.vectors == [[1.0, 2.0], [3.0, 4.0]]
    assert (reply.provider, reply.model, reply.response_model) == ("other", "e", "e-1")
    assert [attempt.outcome for attempt in reply.attempts] == ["failed", "answered"]
    assert reply.cost == pytest.approx(8e-6)
    assert two.requests[0].path == "/v1/embeddings"
    assert two.requests[0].json == {"model": "e", "input": ["a", "b"], "dimensions": 2}


async def test_a_model_of_vectors_is_never_asked_to_talk() -> None:
    """A chat looks past models that only give vectors, and a call for vectors past those that only talk."""
    async with OpenAIHost(script=[answer([1.0])]) as host, client_of(row(host)) as client:
        assert [candidate.name for candidate in client.select().candidates] == ["acme/talks"]
        assert [candidate.name for candidate in client.select("embeddings").candidates] == ["acme/e"]
        assert (await client.embed("a", model="acme/e")).vectors == [[1.0]]
        with pytest.raises(NoCandidateError):
            await client.embed("a", needs="context>=1m")


class Talker(AsyncGeneratorProvider):
    """Gives no vectors."""

    name = "talker"
    models = ("m",)

    @classmethod
    async def create_async_generator(cls, *_: Any, **__: Any) -> AsyncIterator[str]:  # type: ignore[override]
        yield "a"


async def test_a_provider_without_vectors_says_so() -> None:
    """Named all the same it is UnsupportedError; in a chain the next one is asked."""
    async with OpenAIHost(script=[answer([1.0])]) as host, client_of(Talker, row(host)) as client:
        with pytest.raises(UnsupportedError, match="does not support embeddings"):
            await client.embed("a", model="talker/m")
        assert (await client.embed("a", chain=Chain("talker/m", "acme/e"))).provider == "acme"


async def test_failures_are_those_of_any_call() -> None:
    """An error's type, and a group from two candidates on."""
    async with OpenAIHost(script=[Status(404, code="model_not_found")]) as host:
        async with client_of(row(host), row(host, "other")) as client:
            with pytest.raises(ModelNotFoundError):
                await client.embed("a", model="acme/e")
            with pytest.raises(AllFailedError):
                await client.embed("a", needs="embeddings")
            with pytest.raises(ValueError, match="inputs"):
                await client.embed([])
