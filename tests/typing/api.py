"""The public API as users use it; never run, checked by mypy and pyright."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, assert_type

from pydantic import BaseModel

from segue import (
    Attempt,
    Breaker,
    Candidate,
    Chain,
    Choice,
    Client,
    EmbedReply,
    Event,
    FilePart,
    Hedge,
    ImagePart,
    Message,
    Middleware,
    Needs,
    Notice,
    Observer,
    Policy,
    RateLimits,
    Reply,
    Request,
    Retry,
    Selection,
    Source,
    Stream,
    Target,
    TextPart,
    Timeout,
    TokenLogprob,
    Tool,
    ToolCall,
    Usage,
    Veto,
    sync,
)
from segue.plugin import hookimpl

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Sequence


class Invoice(BaseModel):
    """A form for answers."""

    number: str
    total: float


def weather(city: Annotated[str, "where"]) -> str:
    """Tell the weather."""
    return city


async def ask() -> None:
    async with Client(config=False, plugins=False, timeout=Timeout(first_event=10)) as client:
        reply = await client.chat("Hello", model="openai/gpt-4o-mini", temperature=0.5)
        assert_type(reply, Reply[None])
        assert_type(reply.text, str)
        assert_type(reply.parsed, None)
        assert_type(reply.usage, Usage | None)
        assert_type(reply.cost, float | None)
        assert_type(reply.notices, tuple[Notice, ...])
        assert_type(reply.attempts, tuple[Attempt, ...])
        assert_type(reply.tool_calls, tuple[ToolCall, ...])
        assert_type(reply.choices, tuple[Choice, ...])
        assert_type(reply.sources, tuple[Source, ...])
        assert_type(reply.limits, RateLimits | None)
        assert_type(reply.logprobs, tuple[TokenLogprob, ...] | None)
        assert_type(reply.message, Message)
        assert_type(client.select(Needs("tools", working=True)), Selection)
        stream = client.stream([{"role": "user", "content": "Hello"}], chain=Chain("a/b", Needs("tools")))
        assert_type(stream, Stream[None])
        async with stream:
            async for event in stream:
                assert_type(event, Event)
            async for text in stream.text():
                assert_type(text, str)
            assert_type(await stream.reply(), Reply[None])


async def ask_for_a_form(client: Client) -> None:
    reply = await client.chat("Read it.", schema=Invoice, stop=["END"], max_tokens=9)
    assert_type(reply, Reply[Invoice])
    assert_type(reply.parsed, Invoice)
    assert_type(reply.parsed.total, float)
    assert_type((await client.chat("Read it.", schema={"type": "object"})).parsed, Any)
    assert_type((await client.chat("Read it.", schema="json")).parsed, Any)
    async with client.stream("Read it.", schema=Invoice) as stream:
        assert_type((await stream.reply()).parsed, Invoice)


async def converse(client: Client) -> None:
    content = (TextPart(text="What is it?"), ImagePart.from_file("a.png"), FilePart.from_file("a.pdf"))
    messages = [Message(role="user", content=content)]
    reply = await client.chat(messages, needs="tools, vision", tools=[weather, Tool(name="look")], tool_choice="auto")
    messages.append(reply.message)
    for call in reply.tool_calls:
        assert_type(call.args, dict[str, Any])
        messages.append(Message(role="tool", tool_call_id=call.id, content=weather(**call.args)))
    await client.chat(messages, policy=Policy(tuning="error"), options={"openai": {"store": True}}, extra_body={"a": 1})


async def go_wrong(client: Client) -> None:
    await client.chat("x", temperature="hot")  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
    await client.chat("x", temprature=1)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
    await client.chat("x", reasoning_effort="much")  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]


async def plain_values(client: Client, observer: Observer) -> None:
    made = Client(timeout=5, retry=3, breaker=False, ca_file=Path("ca.pem"), observers=[observer], downloads=True)
    assert_type(made, Client)
    Client(timeout=Timeout(total=5), retry=Retry(count=1), breaker=True)
    Client(breaker=Breaker())
    chain = Chain("a/m", Target("b/m", timeout=2.5), Needs(["tools", "vision"]), timeout=30, hedge=0.5)
    Chain("a/m", hedge=True)
    Chain(chain, hedge=Hedge(after=1), reject=["empty", "refusal"])
    assert_type(await client.chat("x", chain=["a/m", Needs("tools"), Target("b/m"), chain]), Reply[None])
    assert_type(await client.chat("x", chain=("a/m", "b/m"), timeout=30, hedge=0.5), Reply[None])
    assert_type(await client.chat("x", needs=["tools", "context>=128k"], hedge=False, timeout=None), Reply[None])
    assert_type(await client.chat("x", needs={"tools": True, "context": 128_000}, schema=Invoice), Reply[Invoice])
    assert_type(client.stream("x", chain=["a/m"], timeout=Timeout(idle=5), hedge=Hedge()), Stream[None])
    assert_type(await client.embed(["x"], model="a/m", timeout=5), EmbedReply)
    assert_type(client.select({"tools": True}), Selection)
    with sync.Client(timeout=5, retry=0, breaker=True) as other:
        assert_type(other.chat("x", chain=["a/m"], timeout=5, hedge=True), Reply[None])
        assert_type(other.embed("x", timeout=5), EmbedReply)
    Client(retry="3")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Client(observers=print)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await client.chat("x", timeout="5")  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
    await client.chat("x", chain=5)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]


def without_a_loop() -> None:
    with sync.Client(config=False, plugins=False) as client:
        assert_type(client.chat("Hello", model="openai/gpt-4o-mini"), Reply[None])
        assert_type(client.chat("Hello", schema=Invoice).parsed, Invoice)
        with client.stream("Hello", needs="tools") as stream:
            assert_type(stream, sync.Stream[None])
            for event in stream:
                assert_type(event, Event)
            for text in stream.text():
                assert_type(text, str)
            assert_type(stream.reply(), Reply[None])


class Passing(Middleware):
    """Changes nothing, in both of its ways."""

    def request(self, request: Request, /) -> Request:
        return request

    async def events(self, events: AsyncIterator[Event], request: Request, /) -> AsyncIterator[Event]:
        async for event in events:
            assert_type(event, Event)
            yield event


@hookimpl
def segue_candidates(candidates: Sequence[Candidate]) -> Iterable[Candidate | Veto]:
    return [Veto(one, "public") if one.public else one for one in candidates]


@hookimpl
def segue_middleware() -> Sequence[Middleware]:
    return [Passing()]


def with_layers() -> Client:
    return Client(middleware=[Passing(), *segue_middleware()])
