"""Errors of the network, of a limit and of a wrong response name the address of the request, and keep no body."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from held import errors_of

from segue import Chain, Client, Hedge, Middleware, ProtocolError, ProviderError, Retry, Timeout
from segue.plugin import Host, Model
from segue.testing import Body, Cut, Garbage, OpenAIHost, Stall, Step
from segue_cromicle import Cromicle

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

SHORT = Timeout(first_event=0.2, idle=0.2)
TOTAL = Timeout(total=0.2)
BODY = b'{"data": "the-canary-body"}'
FAULTS: dict[str, tuple[Step, Timeout]] = {
    "silent": (Stall("headers"), SHORT),
    "silent after the headers": (Stall("first_event"), SHORT),
    "silent in the middle": (Stall("middle"), SHORT),
    "the whole call": (Stall("headers"), TOTAL),
    "cut": (Cut(30), Timeout()),
    "not JSON": (Body(b"the-canary-body <", content_type="application/json"), Timeout()),
    "not the wire": (Body(BODY, content_type="application/json"), Timeout()),
    "not HTTP": (Garbage(b"the-canary-body\r\n\r\n"), Timeout()),
}
PATHS = {
    "chat": "chat/completions", "stream": "chat/completions", "hedged": "chat/completions",
    "middleware": "chat/completions", "embed": "embeddings", "live models": "models", "probe": "chat/completions",
}  # fmt: skip


class Layer(Middleware):
    """Changes nothing."""

    async def events(self, events: Any, request: Any) -> AsyncIterator[Any]:
        async for event in events:
            yield event


async def _ask(client: Client, call: str) -> object:
    if call == "embed":
        return await client.embed("hi", model="a/m")
    if call == "live models":
        raise (await client.live_models(provider="a")).failures["a"]
    if call == "probe":
        (attempt,) = await client.probe("a/m", within=0.2)
        assert attempt.error is not None
        raise attempt.error
    if call == "stream":
        return await client.stream("hi", model="a/m").reply()
    return await client.chat("hi", chain=Chain("a/m", hedge=Hedge(after=5) if call == "hedged" else None))


@pytest.mark.parametrize(
    ("fault", "call"),
    [
        (fault, call)
        for fault, (_, timeout) in FAULTS.items()
        for call in PATHS
        if not (call == "live models" and timeout is TOTAL)  # a list has no total
    ],
)
async def test_an_error_names_the_address_of_the_request(fault: str, call: str) -> None:
    """Scheme, host, port and path, whichever way it was asked."""
    step, timeout = FAULTS[fault]
    async with OpenAIHost(script=[step]) as host:
        more = {"middleware": [Layer()]} if call == "middleware" else {}
        async with Client(
            providers=[Host("a", host.url, models=["m"])], plugins=False, config=False, environ={},
            timeout=timeout, retry=Retry(count=0), breaker=None, **more,
        ) as client:  # fmt: skip
            with pytest.raises(ProviderError) as caught:
                await _ask(client, call)
    address = f"{host.url}/{PATHS[call]}"
    assert caught.value.address == address
    assert str(caught.value).endswith(f": {address}")
    for error in errors_of(caught.value):
        assert "canary" not in f"{error!r}{error}{getattr(error, 'doc', '')}{getattr(error, 'object', '')!r}"


async def test_a_generator_with_our_transport_names_it_too() -> None:
    """A provider that sends its call itself, through the client's transport, has the path in its timeout."""
    async with OpenAIHost(script=[Stall("headers")]) as host:
        config = {"providers": {"cromicle": {"base_url": host.url}}}
        async with Client(
            providers=[Cromicle], plugins=False, config=config, environ={}, timeout=SHORT, retry=Retry(count=0)
        ) as client:
            with pytest.raises(ProviderError) as caught:
                await client.chat("hi", model="cromicle/gpt-3.5-turbo")
    assert str(caught.value).startswith("cromicle: no content for 0.2 s (first_event timeout): http://")


async def test_a_providers_own_list_that_is_not_json_keeps_no_body() -> None:
    """A plugin that reads its list with the json module raises an error that has the body; it does not get out."""

    class Lists:
        name = "own"

        def models(self) -> list[Model]:
            return [Model("m")]

        async def stream(self, request: object, context: object) -> Any:
            yield None

        async def list_models(self, context: object) -> list[Model]:
            return list(json.loads("the-canary-body"))

    async with Client(providers=[Lists()], plugins=False, config=False, environ={}) as client:
        error = (await client.live_models(provider="own")).failures["own"]
    assert isinstance(error, ProtocolError)
    assert all(not hasattr(one, "doc") for one in errors_of(error))
