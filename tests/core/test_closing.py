"""The end of a client: later calls, calls under way, and a client that nobody closed."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import textwrap
import warnings
from typing import TYPE_CHECKING, Any

import pytest

from segue import Breaker, Chain, Client, ClosedError, Hedge, Middleware, Observer, Retry, Timeout
from segue.plugin import AsyncGeneratorProvider, Host
from segue.sync import Client as SyncClient
from segue.testing import OpenAIHost, Stall, Status
from segue.transport import AiohttpTransport

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

    from segue import Attempt

LIMIT = 10
PATIENT = Timeout(connect=None, first_event=None, idle=None)


def client_of(*hosts: OpenAIHost, kind: Any = Client, **given: Any) -> Any:
    """A client of these hosts, which are called a, b, …; it waits for ever."""
    rows = [Host(name, host.url, models=["m"]) for name, host in zip("abc", hosts, strict=False)]
    given = {"timeout": PATIENT, "retry": Retry(count=0), **given}
    return kind(providers=rows, plugins=False, config=False, environ={}, **given)


async def _chat(client: Client, **asking: Any) -> None:
    await client.chat("hi", chain=Chain("a/m", "b/m"), **asking)


async def _stream(client: Client, **asking: Any) -> None:
    async with client.stream("hi", chain=Chain("a/m", "b/m"), **asking) as stream:
        async for _ in stream:
            pass


async def _text(client: Client, **asking: Any) -> None:
    async with client.stream("hi", chain=Chain("a/m", "b/m"), **asking) as stream:
        async for _ in stream.text():
            pass


async def _reply(client: Client, **asking: Any) -> None:
    async with client.stream("hi", chain=Chain("a/m", "b/m"), **asking) as stream:
        await stream.reply()


async def _embed(client: Client, **asking: Any) -> None:
    await client.embed("hi", chain=Chain("a/m", "b/m"), **asking)


async def _live(client: Client) -> None:
    await client.live_models(provider="a")


async def _probe(client: Client) -> None:
    await client.probe("a/m", within=LIMIT)


CALLS: dict[str, Callable[..., Awaitable[None]]] = {
    "chat": _chat, "stream": _stream, "text": _text, "reply": _reply, "embed": _embed, "live models": _live,
    "probe": _probe,
}  # fmt: skip


@pytest.mark.parametrize("call", CALLS)
async def test_a_closed_client_refuses_every_call(call: str) -> None:
    """After the end of the client a call is a ClosedError, and no host gets a connection."""
    async with OpenAIHost() as host, OpenAIHost() as other:
        async with client_of(host, other) as client:
            pass
        with pytest.raises(ClosedError, match="the client is closed"):
            await CALLS[call](client)
        with pytest.raises(ClosedError):
            await client.__aenter__()
        assert (host.connections, other.connections) == (0, 0)
        assert client.select(model="a/m").candidates


SYNC_CALLS: dict[str, Callable[[SyncClient], object]] = {
    "chat": lambda client: client.chat("hi", model="a/m"),
    "stream": lambda client: list(client.stream("hi", model="a/m")),
    "embed": lambda client: client.embed("hi", model="a/m"),
    "live models": lambda client: client.live_models(),
    "probe": lambda client: client.probe("a/m"),
    "with": lambda client: client.__enter__(),
}


@pytest.mark.parametrize("call", SYNC_CALLS)
@pytest.mark.parametrize("used", [False, True], ids=["unused", "used"])
async def test_a_closed_sync_client_refuses_every_call(call: str, used: bool) -> None:
    """The sync client does the same, whether it sent a request before or not."""
    async with OpenAIHost() as host:

        def refused() -> None:
            with client_of(host, kind=SyncClient) as client:
                if used:
                    client.chat("hi", model="a/m")
            with pytest.raises(ClosedError, match="the client is closed"):
                SYNC_CALLS[call](client)

        await asyncio.to_thread(refused)
        assert host.connections == int(used)


async def test_a_stream_that_was_not_read_is_closed_too() -> None:
    """A stream that was made before the client closed, and is read afterwards, opens nothing."""
    async with OpenAIHost() as host:
        async with client_of(host) as client:
            stream = client.stream("hi", model="a/m")
        with pytest.raises(ClosedError):
            await stream.reply()
        assert host.connections == 0


async def test_a_whole_answer_outlives_its_client() -> None:
    """What was read to its end before the client closed is still there."""
    async with OpenAIHost() as host:
        async with client_of(host) as client:
            stream = client.stream("hi", model="a/m")
            text = (await stream.reply()).text
        assert (await stream.reply()).text == text
        assert [event async for event in stream] == []


class Ends(Observer):
    """Keeps how each attempt ended."""

    def __init__(self) -> None:
        self.outcomes: list[str] = []

    def attempt_ended(self, attempt: Attempt, /) -> None:
        """One more."""
        self.outcomes.append(attempt.outcome)


class Layer(Middleware):
    """Changes nothing, but every event passes through it."""

    async def events(self, events: Any, request: Any) -> AsyncGenerator[Any, None]:
        async for event in events:
            yield event


WAITS: dict[str, tuple[Any, dict[str, Any], dict[str, Any]]] = {
    "headers": (Stall("headers"), {}, {}),
    "first event": (Stall("first_event"), {}, {}),
    "middle": (Stall("middle"), {}, {}),
    "with timeouts": (Stall("headers"), {"timeout": Timeout(first_event=LIMIT)}, {}),
    "through middleware": (Stall("middle"), {"middleware": [Layer()]}, {}),
    "between attempts": (Status(429, retry_after="9"), {"retry": Retry(count=3, cap=30)}, {"chain": Chain("a/m")}),
    "in a race": (Stall("headers"), {}, {"hedge": Hedge(after=LIMIT)}),
    "behind another call": (Stall("headers"), {"concurrency": 1}, {}),
}


CALLS_AND_WAITS = [
    (call, wait)
    for wait, (_, _, asking) in WAITS.items()
    for call in ("chat", "stream", "text", "reply", *(() if asking else ("embed", "live models", "probe")))
]


@pytest.mark.parametrize(("call", "wait"), CALLS_AND_WAITS)
async def test_closing_ends_the_calls_under_way(call: str, wait: str) -> None:
    """A call that waits for a host gets ClosedError at once, no other host is asked, and none is blamed."""
    step, given, asking = WAITS[wait]
    ends = Ends()
    given = {"breaker": Breaker(failures=1), **given, "observers": [ends]}
    async with OpenAIHost(script=[step]) as host, OpenAIHost() as other:
        client = client_of(host, other, **given)
        calls = 2 if wait == "behind another call" else 1
        if "chain" in asking:
            tasks = [asyncio.create_task(_of_one(client, call))]
        else:
            tasks = [asyncio.create_task(_awaited(CALLS[call](client, **asking))) for _ in range(calls)]
        await asyncio.wait_for(host.until_requests(), LIMIT)
        await asyncio.sleep(0)
        if wait == "between attempts":
            await asyncio.wait_for(_until(lambda: bool(ends.outcomes)), LIMIT)
        await asyncio.wait_for(client.aclose(), LIMIT)
        for task in tasks:
            with pytest.raises(ClosedError):
                await asyncio.wait_for(task, LIMIT)
            assert task.cancelling() == 0
        assert (len(other.requests), client.health.states) == (0, {})
        assert set(ends.outcomes) <= ({"failed"} if wait == "between attempts" else {"abandoned"})
        await asyncio.wait_for(host.until_closed(), LIMIT)


async def _awaited(call: Awaitable[None]) -> None:
    await call


async def _of_one(client: Client, call: str) -> None:
    if call == "chat":
        await client.chat("hi", model="a/m")
    else:
        async with client.stream("hi", model="a/m") as stream:
            await stream.reply()


async def _until(reached: Callable[[], bool]) -> None:
    while not reached():  # noqa: ASYNC110 - what is waited for tells nobody
        await asyncio.sleep(0)


async def test_closing_does_not_cancel_the_code_of_a_reader() -> None:
    """A reader that is busy when the client closes gets ClosedError when it reads on, and its connection is closed."""
    ends = Ends()
    async with OpenAIHost(script=[Stall("middle", after_tokens=1)]) as host, OpenAIHost() as other:
        client = client_of(host, other, observers=[ends])
        async with client.stream("hi", chain=Chain("a/m", "b/m")) as stream:
            events = aiter(stream)
            await anext(events)
            await client.aclose()
            await asyncio.wait_for(host.until_closed(), LIMIT)
            with pytest.raises(ClosedError):
                [event async for event in events]
        assert (ends.outcomes, len(other.requests)) == (["abandoned"], 0)


async def test_a_cancelled_caller_stays_cancelled() -> None:
    """A task that its owner cancels while the client closes is cancelled, and does not go on with a ClosedError."""
    async with OpenAIHost(script=[Stall("headers")]) as host:
        client = client_of(host)
        task = asyncio.create_task(_of_one(client, "chat"))
        await asyncio.wait_for(host.until_requests(), LIMIT)
        task.cancel()
        await client.aclose()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(task, LIMIT)


@pytest.mark.parametrize("reaction", ["raises", "goes on"])
async def test_a_provider_that_does_not_heed_the_end(reaction: str) -> None:
    """A provider that makes an error, or an answer, of its cancellation is neither blamed nor believed."""
    waits = asyncio.Event()

    class Stubborn(AsyncGeneratorProvider):
        models = ("m",)

        @classmethod
        async def create_async_generator(cls, model: str, messages: object, **kwargs: object) -> Any:
            yield "one "
            try:
                waits.set()
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                if reaction == "raises":
                    raise OSError("not today") from None
            yield "two"

    ends = Ends()
    client = Client(providers=[Stubborn], plugins=False, config=False, environ={}, breaker=Breaker(failures=1),
                    observers=[ends])  # fmt: skip
    task = asyncio.create_task(_of_stubborn(client))
    await asyncio.wait_for(waits.wait(), LIMIT)
    await client.aclose()
    with pytest.raises(ClosedError):
        await asyncio.wait_for(task, LIMIT)
    assert (task.cancelling(), client.health.states, len(ends.outcomes)) == (0, {}, 1)


async def _of_stubborn(client: Client) -> None:
    async with client.stream("hi", model="stubborn/m") as stream:
        async for _ in stream:
            pass


async def test_closing_twice_is_closing_once() -> None:
    """A second aclose() does nothing."""
    async with OpenAIHost() as host:
        client = client_of(host)
        await client.chat("hi", model="a/m")
        await client.aclose()
        await client.aclose()
        await asyncio.wait_for(host.until_closed(), LIMIT)


# ── a client that nobody closed ──────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("kind", ["client", "transport"])
async def test_a_client_that_nobody_closed_warns_by_its_own_name(kind: str) -> None:
    """The warning says what was not closed and names `async with`; aiohttp's own does not appear."""
    told: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
    async with OpenAIHost() as host:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            transport = AiohttpTransport() if kind == "transport" else None
            client = client_of(host, transport=transport)
            await client.chat("hi", model="a/m")
            del client, transport
            gc.collect()
        (one,) = caught
        assert one.category is ResourceWarning
        what = "Client" if kind == "client" else "AiohttpTransport"
        assert str(one.message).startswith(f"a {what} was not closed: use `async with {what}(…)")
        assert told == []
        await asyncio.wait_for(host.until_closed(), LIMIT)


async def test_a_client_that_sent_nothing_needs_no_end() -> None:
    """Without a connection there is nothing to close, and no warning."""
    async with OpenAIHost() as host:
        client = client_of(host)
        client.select(model="a/m")
        del client
        gc.collect()


@pytest.mark.parametrize("place", ["local", "global"])
async def test_a_script_that_never_closes_its_client(place: str) -> None:
    """By default such a script prints nothing; with -X dev it names the client, once, and not aiohttp."""
    keep = "global client" if place == "global" else "pass"
    script = textwrap.dedent(f"""
        import asyncio, sys
        from segue import Client, Host

        async def main():
            {keep}
            client = Client(providers=[Host("a", sys.argv[1], models=["m"])], plugins=False, config=False, environ={{}})
            await client.chat("hi", model="a/m")

        asyncio.run(main())
    """)

    def said(*options: str) -> str:
        ran = subprocess.run(
            [sys.executable, *options, "-c", script, host.url], capture_output=True, text=True, check=True, timeout=60
        )
        return ran.stderr

    async with OpenAIHost() as host:
        assert await asyncio.to_thread(said) == ""
        told = await asyncio.to_thread(said, "-X", "dev")
        assert told.count("a Client was not closed") == 1
        assert "aiohttp" not in told
        assert "Unclosed" not in told
