"""Asking each candidate a small question: how it did, and what follows from it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import segue.sync
from segue import Breaker, Chain, Client, Needs, NoCandidateError, Retry, Target
from segue.testing import OpenAIHost, Stall, Status, in_thread, refused_url


def client_of(hosts: dict[str, str], chains: dict[str, Any] | None = None, **options: Any) -> Client:
    """A client of hosts at these addresses."""
    rows = {
        name: {"wire": "openai_chat", "base_url": url, "models": ["m"], "capabilities": {"tools": True}}
        for name, url in hosts.items()
    }
    config = {"providers": rows, "chains": chains or {}}
    return Client(config=config, plugins=False, environ={}, retry=Retry(count=2), **options)


async def test_each_is_asked_once_and_told_of_in_order() -> None:
    """One that answers, one with a wrong key, one that fails, one that is silent, one that is not there."""
    async with (
        OpenAIHost() as good, OpenAIHost(script=[Status(401)]) as key, OpenAIHost(script=[Status(503)]) as down,
        OpenAIHost(script=[Stall("headers")]) as silent,
    ):  # fmt: skip
        urls = {"good": good.url, "key": key.url, "down": down.url, "silent": silent.url, "dead": f"{refused_url()}/v1"}
        async with client_of(urls) as client:
            told = await client.probe(*(f"{name}/m" for name in urls), within=0.5)
        asked = [len(host.requests) for host in (good, key, down, silent)]
    assert [attempt.provider for attempt in told] == list(urls)
    errors = [None if attempt.error is None else type(attempt.error).__name__ for attempt in told]
    assert errors == [None, "AuthenticationError", "OverloadedError", "PhaseTimeoutError", "ConnectError"]
    assert asked == [1, 1, 1, 1]
    assert good.requests[0].json["max_tokens"] == 16
    assert told[0].first_event is not None


async def test_an_answer_closes_a_breaker() -> None:
    """One that is left alone is asked all the same; when it answers it is asked by everybody again."""
    from segue.testing import Answer

    async with OpenAIHost(script=[Status(500), Answer()]) as host:
        async with client_of({"a": host.url}, breaker=Breaker(failures=1, interval=600, longest=600)) as client:
            await client.probe("a/m")
            health = client.health.of("a", "m")
            assert health is not None
            assert not health.working
            assert not client.select("working").candidates
            (again,) = await client.probe("a/m")
            assert again.outcome == "answered"
            observed = client.health.of("a", "m")
            assert observed is not None
            assert observed.working
            assert client.select("working").candidates


async def test_whom_it_asks() -> None:
    """What is named, each once; else the configured chains; else the first of each provider."""
    async with OpenAIHost() as one, OpenAIHost() as other:
        urls = {"a": one.url, "b": other.url}
        async with client_of(urls) as client:
            named = await client.probe("a/m", Chain("b/m", Chain("a/m")), Needs("tools"))
            first = await client.probe()
        async with client_of(urls, {"main": {"targets": ["b/m"]}}) as client:
            configured = await client.probe()
            assert client.chains == ("main",)
    assert [attempt.provider for attempt in named] == ["a", "b"]
    assert sorted(attempt.provider for attempt in first) == ["a", "b"]
    assert [attempt.provider for attempt in configured] == ["b"]


async def test_nobody_to_probe() -> None:
    """Where no target comes to anybody that is an error, which says why."""
    async with client_of({}) as client:
        with pytest.raises(NoCandidateError):
            await client.probe()
        with pytest.raises(NoCandidateError):
            await client.probe("nobody/m")


async def test_a_target_that_comes_to_nobody_is_told_of() -> None:
    """A wrong name, a missing key and needs that nobody meets are skipped with their reasons, beside who answers."""
    async with OpenAIHost() as good:
        rows: dict[str, Any] = {
            "good": {"wire": "openai_chat", "base_url": good.url, "models": ["m"]},
            "keyless": {"wire": "openai_chat", "base_url": "https://h.invalid/v1", "models": ["m"], "env": "NO_KEY"},
        }
        async with Client(config={"providers": rows}, plugins=False, environ={}) as client:
            told = await client.probe("gooood/m", "good/m", Chain("keyless/m", "good/m"), Needs("vision"))
    named = [("/".join(filter(None, (one.provider, one.model))), one.outcome) for one in told]
    assert named == [("good/m", "answered"), ("gooood/m", "skipped"), ("keyless/m", "skipped"), ("vision", "skipped")]
    errors = [one.error for one in told[1:]]
    assert all(error is not None and error.phase == "skipped" for error in errors)
    assert "NO_KEY" in str(errors[1])
    assert len(good.requests) == 1


async def test_silence_speaks_against_the_host() -> None:
    """Who does not begin in time has failed of its own, as a breaker sees it."""
    async with OpenAIHost(script=[Stall("headers")]) as host:
        async with client_of({"a": host.url}, breaker=Breaker(failures=1)) as client:
            (told,) = await client.probe("a/m", within=0.2)
            health = client.health.of("a", "m")
    assert told.error is not None
    assert told.error.phase == "first_event"
    assert health is not None
    assert not health.working


async def test_a_targets_own_settings_are_sent() -> None:
    """A target is asked as its chain would ask it."""
    async with OpenAIHost() as host, client_of({"a": host.url}) as client:
        await client.probe(Chain(Target("a/m", settings={"temperature": 0.25})))
    assert host.requests[0].json["temperature"] == 0.25


@pytest.mark.parametrize("within", [0, -1, float("nan"), float("inf")])
async def test_a_time_that_is_none_is_refused(within: float) -> None:
    """Nothing, less than nothing, and no number are no time to answer in."""
    async with client_of({"a": "http://127.0.0.1:9/v1"}) as client:
        with pytest.raises(ValueError, match="within must be a number of seconds greater than 0"):
            await client.probe("a/m", within=within)


async def test_whoever_leaves_hangs_up_on_all() -> None:
    """A probe that is cancelled leaves no call behind."""
    async with OpenAIHost(script=[Stall("headers")]) as one, OpenAIHost(script=[Stall("first_event")]) as other:
        async with client_of({"a": one.url, "b": other.url}) as client:
            task = asyncio.create_task(client.probe("a/m", "b/m"))
            await asyncio.wait_for(asyncio.gather(one.until_requests(), other.until_requests()), 30)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            for host in (one, other):
                await asyncio.wait_for(host.closed_by_client(), 30)
            assert not client._fleet.busy


def test_without_a_loop() -> None:
    """The other client has it too."""
    with in_thread(OpenAIHost()) as host:
        rows = {"a": {"wire": "openai_chat", "base_url": host.url, "models": ["m"]}}
        with segue.sync.Client(config={"providers": rows}, plugins=False, environ={}) as client:
            (told,) = client.probe("a/m")
    assert told.outcome == "answered"
