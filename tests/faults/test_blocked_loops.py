"""Code of the application that blocks the event loop while a call waits: the host is not blamed for it."""

from __future__ import annotations

import asyncio
import json
import threading
from typing import TYPE_CHECKING, Any

import pytest
from matrix import LIMIT, NO_RETRY, Clock, Noting

import segue.sync
from segue import Breaker, Chain, Client, Hedge, StreamBrokenError, Timeout
from segue.chain.targets import Target
from segue.plugin import AsyncGeneratorProvider
from segue.testing import OpenAIHost
from segue.testing.threads import in_thread
from segue.transport import AiohttpTransport, Call, exchange
from segue.wire.openai_chat import Decoder

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from segue.testing.loopback import Connection

LIMITS = Timeout(connect=5.0, first_event=5.0, idle=5.0)
BLOCKED = 10.0
"""Seconds; longer than each limit."""
LARGE = "x" * 1_500_000
"""More than a loop reads of a socket in one turn."""
WHOLE = "one" + LARGE


class Gated(Noting):
    """Answers in two parts, the second one after ``go`` is set; ``reached`` is set in between."""

    def __init__(self, *, begins: bool) -> None:
        super().__init__()
        self._begins = begins
        self.reached, self.go = threading.Event(), threading.Event()

    @property
    def url(self) -> str:
        """The address with ``/v1``."""
        return f"{self.address}/v1"

    async def _serve(self, connection: Connection) -> None:
        received = self._record(await connection.request())
        body = _answer(received.path, streamed=bool(received.body) and received.json.get("stream") is True)
        kept = body.index(LARGE.encode()) if LARGE.encode() in body else 1
        await connection.write_head(200, {"content-length": str(len(body)), "connection": "close"})
        if self._begins:
            await connection.write(body[:kept])
        self.reached.set()
        await asyncio.to_thread(self.go.wait, LIMIT)
        await connection.write(body[kept:] if self._begins else body)


def _answer(path: str, *, streamed: bool) -> bytes:
    if path.endswith("/models"):
        return json.dumps({"object": "list", "data": [{"id": f"m{number}"} for number in range(15_000)]}).encode()
    if path.endswith("/embeddings"):
        data = [{"index": 0, "object": "embedding", "embedding": [0.25] * 200_000}]
        return json.dumps({"object": "list", "model": "m", "data": data, "usage": {"prompt_tokens": 1}}).encode()
    if streamed:
        return OpenAIHost.sse_body(["one", LARGE])
    message = {"role": "assistant", "content": WHOLE}
    return json.dumps({"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}).encode()


class Broken(AsyncGeneratorProvider):
    """Breaks after a word."""

    models = ("m",)

    @classmethod
    async def create_async_generator(cls, *_: Any, **__: Any) -> AsyncIterator[str]:
        yield "\n"
        raise StreamBrokenError("broken")


def options_of(url: str) -> dict[str, Any]:
    """A client of this host, which is there twice."""
    row = {"wire": "openai_chat", "base_url": url, "models": ["m"], "capabilities": {"prefill": True}}
    return {
        "providers": [Broken], "config": {"providers": {"faulty": row, "other": row}}, "plugins": False, "environ": {},
        "timeout": LIMITS, "retry": NO_RETRY, "breaker": Breaker(failures=1),
    }  # fmt: skip


async def streamed(client: Client, **target: Any) -> str:
    async with client.stream("hi", **target) as stream:
        return "".join([text async for text in stream.text()])


async def in_a_task_each(client: Client) -> str:
    async with client.stream("hi", model="faulty/m") as stream:
        texts, heard = stream.text(), ""
        while (text := await asyncio.ensure_future(anext(texts, None))) is not None:
            heard += text
        return heard


async def without_a_client(client: Client) -> str:
    url = client.config.providers["faulty"].base_url
    call = Call(f"{url}/chat/completions", {"content-type": "application/json"}, b'{"stream": true, "messages": []}')
    async with AiohttpTransport(timeout=LIMITS) as transport:
        return "".join([getattr(event, "text", "") async for event in exchange(transport, call, Decoder())])


async def embedded(client: Client) -> str:
    reply = await client.embed("hi", model="faulty/m")
    return WHOLE if len(reply.vectors[0]) == 200_000 else ""


async def listed(client: Client) -> str:
    return WHOLE if len((await client.live_models(provider="faulty")).models) >= 15_000 else ""


CHAIN = Chain("faulty/m", "other/m")
HEDGED = Chain("faulty/m", "other/m", hedge=Hedge(after=3.0))
PATHS: dict[str, Callable[[Client], Awaitable[str]]] = {
    "a model": lambda client: streamed(client, model="faulty/m"),
    "a chain": lambda client: streamed(client, chain=CHAIN),
    "a hedge": lambda client: streamed(client, chain=HEDGED),
    "continuing": lambda client: streamed(client, chain=Chain("broken/m", "faulty/m")),
    "a target's own limits": lambda client: streamed(client, chain=Chain(Target("faulty/m", timeout=LIMITS))),
    "held back": lambda client: streamed(client, model="faulty/m", hold_back=2),
    "a task for each event": in_a_task_each,
    "without a client": without_a_client,
    "whole": lambda client: _text(client.chat("hi", model="faulty/m")),
    "whole with a hedge": lambda client: _text(client.chat("hi", chain=HEDGED)),
    "embeddings": embedded,
    "the list of models": listed,
}
"""The ways to ask; of each the text of the answer."""


def blamed(client: Client) -> set[tuple[str, str]]:
    """Whose breaker is open."""
    return {name for name, state in client.health.states.items() if not state.working}


async def _text(asking: Awaitable[Any]) -> str:
    text: str = (await asking).text
    return text


@pytest.mark.parametrize(
    "when", ["before the name is known", "before it is sent", "before the answer", "in the middle"]
)
@pytest.mark.parametrize("path", PATHS)
async def test_no_host_is_blamed_for_a_blocked_loop(path: str, when: str) -> None:
    """What was sent, or can only now be sent, gets its time again: no limit ends the call and no hedge starts."""
    with in_thread(Gated(begins=when == "in the middle")) as host, Clock() as clock:
        url = host.url.replace("127.0.0.1", "localhost") if when == "before the name is known" else host.url
        async with Client(**options_of(url)) as client:
            asking = asyncio.ensure_future(PATHS[path](client))
            if when in {"before the answer", "in the middle"}:
                await asyncio.to_thread(host.reached.wait, LIMIT)
                await clock.turns()
            else:
                await asyncio.sleep(0)
            clock.block(BLOCKED)
            host.go.set()
            async with asyncio.timeout(LIMIT):
                text = await asking
            assert text.lstrip("\n") == WHOLE
            assert blamed(client) <= {("broken", "m")}
        assert len(host.requests) == 1


@pytest.mark.parametrize("path", ["a model", "a hedge", "whole", "embeddings"])
async def test_a_silent_host_is_found_out_after_the_loop_was_blocked(path: str) -> None:
    """The time is given again once: a host that stays silent for it is blamed."""
    with in_thread(Gated(begins=False)) as host, Clock() as clock:
        async with Client(**options_of(host.url)) as client:
            asking = asyncio.ensure_future(PATHS[path](client))
            await asyncio.to_thread(host.reached.wait, LIMIT)
            await clock.turns()
            clock.block(BLOCKED)
            await clock.turns()
            assert not asking.done()
            clock.block(BLOCKED)
            async with asyncio.timeout(LIMIT):
                (failure,) = await asyncio.gather(asking, return_exceptions=True)
            assert getattr(failure, "phase", "first_event") == "first_event"
            assert ("faulty", "m") in blamed(client)
        host.go.set()


async def test_a_total_is_not_moved_by_a_blocked_loop() -> None:
    """It is the caller's limit of the whole call on the clock."""
    with in_thread(Gated(begins=False)) as host, Clock() as clock:
        async with Client(**options_of(host.url)) as client:
            limits = Timeout(first_event=5.0, total=12.0)
            asking = asyncio.ensure_future(client.chat("hi", model="faulty/m", timeout=limits))
            await asyncio.to_thread(host.reached.wait, LIMIT)
            await clock.turns()
            clock.block(BLOCKED)
            await clock.turns()
            clock.block(2.5)
            async with asyncio.timeout(LIMIT):
                (failure,) = await asyncio.gather(asking, return_exceptions=True)
            assert getattr(failure, "phase", None) == "total"
            assert not blamed(client)
        host.go.set()


def test_no_host_is_blamed_for_the_blocked_loop_of_a_sync_client() -> None:
    """The loop of a sync client is in a thread of its own, and other code of the process may block it too."""
    with in_thread(Gated(begins=True)) as host, segue.sync.Client(**options_of(host.url)) as client:
        with client.stream("hi", model="faulty/m") as stream:
            texts = stream.text()
            heard = next(texts)
            clock = Clock()

            async def block() -> None:
                clock.__enter__()
                await clock.turns()
                clock.block(BLOCKED)
                host.go.set()

            client._call(block())
            heard += "".join(texts)
            assert stream.reply().text == heard == WHOLE
