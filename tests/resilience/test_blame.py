"""What the caller did, or the caller's code, is not counted against a host, however it is asked."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import BaseModel, field_validator

from segue import Breaker, Chain, Client, Hedge, Host, PhaseTimeoutError, Retry, Timeout
from segue.plugin import AsyncGeneratorProvider
from segue.testing import Answer, OpenAIHost, Stall, run_virtually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

ROWS = ("a", "b")
TARGETS: dict[str, dict[str, Any]] = {
    "model": {"model": "a/m"},
    "chain": {"chain": Chain("a/m", "b/m")},
    "hedged": {"chain": Chain("a/m", "b/m", hedge=Hedge(after=0.0))},
}
WAYS = ("chat", "stream")


def client_of(host: OpenAIHost, **options: Any) -> Client:
    """A client of this host, which is there twice; one failure opens a breaker."""
    given: dict[str, Any] = {"config": False, "plugins": False, "environ": {}, "retry": Retry(count=0), **options}
    return Client(providers=[Host(name, host.url, models=["m"]) for name in ROWS], breaker=Breaker(failures=1), **given)


async def ask(client: Client, way: str, **asking: Any) -> str:
    """The text of the answer."""
    if way == "chat":
        told: str = (await client.chat(**{"messages": "hi", **asking})).text
        return told
    if way == "embed":
        return str((await client.embed(asking.pop("messages"), **asking)).vectors)
    async with client.stream(**{"messages": "hi", **asking}) as stream:
        return (await stream.reply()).text


def blamed(client: Client) -> set[str]:
    """The providers whose breaker is open."""
    return {name for (name, _), state in client.health.states.items() if not state.working}


class Order(BaseModel):
    """A form whose own code fails."""

    number: int

    @field_validator("number")
    @classmethod
    def known(cls, number: int) -> int:
        raise LookupError("the database is down")


def rejects(reply: object) -> bool:
    """A test whose own code fails."""
    raise LookupError("the database is down")


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("code", ["schema", "reject"])
async def test_what_the_callers_code_raises_reaches_the_caller(code: str, target: str, way: str) -> None:
    """As it is: nobody else is asked, and no host is blamed."""
    async with OpenAIHost(script=[Answer('{"number": 1}')]) as host, client_of(host) as client:
        options: dict[str, Any] = {"schema": Order} if code == "schema" else {"reject": rejects}
        with pytest.raises(LookupError, match="the database is down"):
            await ask(client, way, **TARGETS[target], **options)
        assert blamed(client) == set()
        assert len(host.requests) <= (2 if target == "hedged" else 1)
        assert not client._fleet.busy


@pytest.mark.parametrize("way", [*WAYS, "embed"])
@pytest.mark.parametrize("target", ["model", "chain"])
async def test_half_a_surrogate_pair_is_the_callers_fault(target: str, way: str) -> None:
    """It is a ValueError that says so, of whatever text of the request: nothing is sent, and no host is blamed."""
    async with OpenAIHost() as host, client_of(host) as client:
        with pytest.raises(ValueError, match="must be text without lone surrogates") as caught:
            await ask(client, way, messages="an emoji cut in two: \ud83d", **TARGETS[target])
        assert "emoji" not in str(caught.value)
        assert "\n" not in str(caught.value)
        assert (host.requests, blamed(client)) == ([], set())


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("limits", [Timeout(first_event=0.05), Timeout(idle=0.05)], ids=["first_event", "idle"])
async def test_a_shorter_limit_of_a_call_says_nothing_of_a_host(limits: Timeout, way: str) -> None:
    """Others of the same client, who wait as long as usual, are not refused the host."""
    where: Any = "middle" if limits.idle == 0.05 and way == "stream" else "headers"
    if where == "headers":
        limits = Timeout(first_event=0.05)
    async with OpenAIHost(script=[Stall(where), Answer("hello")]) as host, client_of(host) as client:
        with pytest.raises(PhaseTimeoutError):
            await ask(client, way, model="a/m", timeout=limits)
        assert blamed(client) == set()
        assert await ask(client, way, model="a/m") == "hello"


@pytest.mark.parametrize(
    ("usual", "given"),
    [(Timeout(first_event=0.05), None), (Timeout(first_event=0.05), Timeout(first_event=0.1))],
    ids=["the client's", "a longer one"],
)
async def test_a_usual_limit_is_the_hosts_failure(usual: Timeout, given: Timeout | None) -> None:
    """A host that says nothing for as long as the client waits as a rule is blamed, also with a longer limit."""
    async with OpenAIHost(script=[Stall("headers")]) as host, client_of(host, timeout=usual) as client:
        with pytest.raises(PhaseTimeoutError):
            await ask(client, "chat", model="a/m", timeout=given)
        assert blamed(client) == {"a"}


class Swallows(AsyncGeneratorProvider):
    """Keeps its cancellation to itself, and ends as if the answer were whole."""

    models = ("m",)

    @classmethod
    async def create_async_generator(cls, *_: Any, **__: Any) -> AsyncIterator[str]:
        yield "the first half"
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            return


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("limits", [Timeout(idle=1.0), Timeout(total=1.0)], ids=["idle", "total"])
def test_an_end_that_a_provider_made_of_a_limit_is_a_timeout(limits: Timeout, way: str) -> None:
    """Half an answer is not an answer because its provider kept the cancellation to itself."""

    async def main() -> None:
        async with Client(providers=[Swallows], config=False, plugins=False, timeout=limits) as client:
            with pytest.raises(PhaseTimeoutError):
                await ask(client, way, model="swallows/m")

    run_virtually(main())


@pytest.mark.parametrize("way", WAYS)
def test_who_cancels_a_call_of_such_a_provider_cancels_it(way: str) -> None:
    """The caller's task ends as one that was cancelled."""

    async def main() -> None:
        async with Client(providers=[Swallows], config=False, plugins=False) as client:
            task = asyncio.create_task(ask(client, way, model="swallows/m"))
            await asyncio.sleep(1.0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    run_virtually(main())
