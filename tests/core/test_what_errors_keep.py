"""What an error keeps of a call: no key and no prompt in the frames of its traceback, whose lines stay."""

from __future__ import annotations

import asyncio
import contextlib
import io
import logging
import traceback
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from held import errors_of, frames_of, held, is_ours
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from pydantic import BaseModel

from segue import Chain, Client, ConfigError, Hedge, HTTPError, Middleware, ProviderError, Retry, SegueError, Timeout
from segue.config.secrets import KeyStore
from segue.plugin import AsyncGeneratorProvider, Host
from segue.sync import Client as SyncClient
from segue.telemetry import Telemetry
from segue.testing import Answer, CromicleHost, Cut, Drop, Garbage, OpenAIHost, Stall, Status
from segue.transport import raise_for_status
from segue_cromicle import Cromicle

if TYPE_CHECKING:
    from pathlib import Path

KEY = "canary-key-0123456789abcdef"
PROMPT = "the-canary-prompt-4711-of-a-patient"
SECRETS = (KEY, PROMPT, KEY.removeprefix("canary-"))
QUOTED = f"Incorrect API key provided: {KEY}. You asked: {PROMPT}"


class Answered(BaseModel):
    """What nobody here answers."""

    number: int


def _clean(error: BaseException) -> None:
    """No frame of ours that the error keeps shows a secret; nor does what it says of itself."""
    shown = [where for where, text in held(error).items() if any(secret in text for secret in SECRETS)]
    assert not shown
    for one in errors_of(error):
        if isinstance(one, SegueError):
            for text in (str(one), repr(one), repr(one.args)):
                assert not any(secret in text for secret in SECRETS)


Ask = Callable[[Client, Mapping[str, Any]], Awaitable[object]]


async def _chat(client: Client, asking: Mapping[str, Any]) -> object:
    return await client.chat(PROMPT, **asking)


async def _with_schema(client: Client, asking: Mapping[str, Any]) -> object:
    return await client.chat([{"role": "user", "content": PROMPT}], schema=Answered, **asking)


async def _stream(client: Client, asking: Mapping[str, Any]) -> object:
    async with client.stream(PROMPT, **asking) as stream:
        return [event async for event in stream]


async def _text(client: Client, asking: Mapping[str, Any]) -> object:
    async with client.stream(PROMPT, **asking) as stream:
        return [piece async for piece in stream.text()]


async def _reply(client: Client, asking: Mapping[str, Any]) -> object:
    async with client.stream(PROMPT, **asking) as stream:
        return await stream.reply()


async def _hedged(client: Client, asking: Mapping[str, Any]) -> object:
    asking = {**asking, "hedge": Hedge(after=0.0)}
    return await client.chat(PROMPT, chain=Chain(asking.pop("model"), "b/m"), **asking)


async def _chain(client: Client, asking: Mapping[str, Any]) -> object:
    asking = dict(asking)
    return await client.chat(PROMPT, chain=Chain(asking.pop("model"), "b/m"), **asking)


async def _embed(client: Client, asking: Mapping[str, Any]) -> object:
    return await client.embed([PROMPT], model="a/m", extra_headers=asking["extra_headers"])


async def _live(client: Client, asking: Mapping[str, Any]) -> object:
    listed = await client.live_models(provider="a")
    if listed.failures:
        raise listed.failures["a"]
    return listed


async def _probe(client: Client, asking: Mapping[str, Any]) -> object:
    (attempt,) = await client.probe("a/m", within=0.3)
    if attempt.error is not None:
        raise attempt.error
    return attempt


WAYS: dict[str, Ask] = {
    "chat": _chat, "schema": _with_schema, "stream": _stream, "text": _text, "reply": _reply, "hedged": _hedged,
    "chain": _chain, "embed": _embed, "live models": _live, "probe": _probe,
}  # fmt: skip
FAULTS: dict[str, Any] = {
    "401": Status(401, code="invalid_api_key", message=QUOTED),
    "500": Status(500, body=QUOTED.encode(), headers={"content-type": "text/plain"}),
    "code": Status(400, code=KEY, message=QUOTED),
    "redirect": Status(302, headers={"location": "http://127.0.0.1:1/"}),
    "cut": Cut(200),
    "garbage": Garbage(QUOTED.encode()),
    "dropped": Drop("request"),
    "stalled": Stall("first_event"),
}


class Layer(Middleware):
    """Changes nothing, but stands in the way of every event."""

    async def events(self, events: Any, request: Any) -> AsyncGenerator[Any, None]:
        async for event in events:
            yield event


def _client(host: OpenAIHost, kind: Any = Client, **given: Any) -> Any:
    rows = [Host(name, host.url, models=["m"], env=[f"{name.upper()}_KEY"]) for name in ("a", "b")]
    given = {"api_keys": {"a": KEY, "b": KEY}, "retry": Retry(count=0), "timeout": Timeout(first_event=0.2), **given}
    return kind(providers=rows, plugins=False, config=False, breaker=None, **given)


ASKING: Mapping[str, Any] = {"model": "a/m", "extra_headers": {"x-acme": KEY}, "extra_body": {"user_token": KEY}}


@contextlib.contextmanager
def _listening() -> Any:
    """Everything that any logger says at DEBUG."""
    said, root = io.StringIO(), logging.getLogger()
    handler, level = logging.StreamHandler(said), root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield said
    root.removeHandler(handler)
    root.setLevel(level)


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("layers", [(), (Layer(),)], ids=["plain", "middleware"])
async def test_no_key_and_no_prompt_is_in_a_frame_a_log_or_a_span(way: str, fault: str, layers: Any) -> None:
    """However a call is made and however it fails, what is kept and told of it shows neither."""
    spans = InMemorySpanExporter()
    tracer = TracerProvider()
    tracer.add_span_processor(SimpleSpanProcessor(spans))
    telemetry = Telemetry(tracer_provider=tracer, meter_provider=MeterProvider())
    async with OpenAIHost() as host:
        host.does(FAULTS[fault], times=None)
        async with _client(host, middleware=layers, observers=[telemetry]) as client:
            with _listening() as said:
                with pytest.raises(SegueError) as caught:
                    await WAYS[way](client, ASKING)
    _clean(caught.value)
    assert any(is_ours(frame) for frame in frames_of(caught.value))  # the lines are still there
    told = [said.getvalue(), *(span.to_json() for span in spans.get_finished_spans())]
    assert not [text for text in told if any(secret in text for secret in SECRETS)]


@pytest.mark.parametrize("fault", ["401", "code", "cut", "stalled"])
@pytest.mark.parametrize("streamed", [False, True], ids=["chat", "stream"])
async def test_the_sync_client_keeps_no_more(fault: str, streamed: bool) -> None:
    """Neither the thread that waits nor the loop's has a secret in a frame."""
    async with OpenAIHost() as host:
        host.does(FAULTS[fault], times=None)

        def ask() -> None:
            with _client(host, SyncClient) as client:
                if not streamed:
                    client.chat(PROMPT, **ASKING)
                with client.stream(PROMPT, **ASKING) as stream:
                    list(stream)

        with pytest.raises(SegueError) as caught:
            await asyncio.to_thread(ask)
        _clean(caught.value)


@pytest.mark.parametrize("way", ["chat", "stream", "hedged", "chain", "embed"])
async def test_a_call_that_is_cancelled_keeps_nothing(way: str) -> None:
    """The caller's own limit of time cancels it, whose frames reach down into aiohttp: none shows a header."""
    async with OpenAIHost() as host:
        host.does(Stall("headers"), times=None)
        async with _client(host, timeout=Timeout()) as client:
            with pytest.raises(TimeoutError) as caught:
                async with asyncio.timeout(0.1):
                    await WAYS[way](client, ASKING)
            _clean(caught.value)
            below = [frame for frame in frames_of(caught.value) if frame.f_globals["__name__"] != __name__]
            assert below
            assert not [frame for frame in below if KEY in repr(frame.f_locals)]


class Acme(AsyncGeneratorProvider):
    """A provider of somebody's that is given the key in clear, and fails."""

    needs_auth = True
    models = ("m",)

    @classmethod
    async def create_async_generator(cls, model: str, messages: Any, *, api_key: str = "", **kwargs: Any) -> Any:  # type: ignore[override]
        headers = {"authorization": f"Bearer {api_key}"}
        yield "a"
        raise KeyError(min(headers))


async def test_a_providers_own_frames_are_emptied_too() -> None:
    """It was given the key by us: its lines are in the traceback of the cause, its variables are not."""
    async with Client(providers=[Acme], plugins=False, config=False, api_keys={"acme": KEY}) as client:
        with pytest.raises(ProviderError) as caught:
            await client.chat(PROMPT, model="acme/m")
    _clean(caught.value)
    assert caught.value.__cause__ is not None
    lines = "".join(traceback.format_exception(caught.value))
    assert "create_async_generator" in lines
    assert "raise KeyError(min(headers))" in lines
    frames = [frame for frame in frames_of(caught.value) if frame.f_code.co_name == "create_async_generator"]
    assert [frame.f_locals for frame in frames] == [{}]


async def test_the_callers_own_frames_keep_what_is_in_them() -> None:
    """A test of the caller's that raises can be looked at, and so can the error that the caller was handling."""

    def turned_down(reply: Any) -> bool:
        seen_by_me = reply.text
        raise ZeroDivisionError(len(seen_by_me))

    def before() -> None:
        of_mine = "mine"
        raise LookupError(of_mine)

    async with OpenAIHost() as host:
        host.does(Answer("hello"), Status(500))
        async with _client(host) as client:
            try:
                before()
            except LookupError:
                with pytest.raises((SegueError, ZeroDivisionError)) as caught:
                    await client.chat(PROMPT, model="a/m", reject=[turned_down])
    variables = [frame.f_locals for frame in frames_of(caught.value)]
    assert any(one.get("seen_by_me") == "hello" for one in variables)
    assert any(one.get("of_mine") == "mine" for one in variables)
    _clean(caught.value)


async def test_cromicle_alone_keeps_no_prompt() -> None:
    """Asked without a client, its own frames hold neither the messages nor the proxy."""
    async with CromicleHost() as host:
        host.does(Status(500, message=QUOTED))

        class Moved(Cromicle):
            url = host.url

        with pytest.raises(HTTPError) as caught:
            async for _ in Moved.create_async_generator("m", [{"role": "user", "content": PROMPT}]):
                pass
    _clean(caught.value)


async def test_a_session_of_a_providers_own_is_not_shown() -> None:
    """The answer of its aiohttp session prints the address, and so the key in it; our frame does not hold it."""
    async with OpenAIHost(script=[Status(401, message=QUOTED)]) as host, aiohttp.ClientSession() as session:
        async with session.post(f"{host.url}/chat/completions?key={KEY}", headers={"x-acme": KEY}) as response:
            with pytest.raises(HTTPError) as caught:
                await raise_for_status(response)
    _clean(caught.value)
    assert KEY not in repr(vars(caught.value))


def test_a_key_store_that_cannot_be_written_keeps_no_key(tmp_path: Path) -> None:
    """What was to be kept in it is in no frame of the error."""
    folder = tmp_path / "open"
    folder.mkdir()
    store = KeyStore(folder / "keys.toml")
    store.set("a", KEY)
    folder.chmod(0o777)
    with pytest.raises(ConfigError) as caught:
        store.set("b", KEY)
    _clean(caught.value)
    (folder / "keys.toml").chmod(0o644)
    with pytest.raises(ConfigError) as caught:
        store.get("a")
    _clean(caught.value)


WRONG: dict[str, Callable[[], object]] = {
    "key of nobody": lambda: Client(api_keys={"nobody": KEY}, plugins=False, config=False),
    "key in the environment": lambda: Client(
        config={"providers": {"x": {}}}, environ={"OPENAI_API_KEY": KEY}, plugins=False
    ),
    "key in the file": lambda: Client(config={"providers": {"x": {"api_key": KEY, "y": 1}}}, plugins=False),
    "proxy": lambda: Client(proxy=f"ftp://me:{KEY}@127.0.0.1", plugins=False, config=False),
    "sync": lambda: SyncClient(api_keys={"nobody": KEY}, plugins=False, config=False),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_client_that_cannot_be_made_keeps_no_key(what: str) -> None:
    """What was given to it is in no frame of the error."""
    with pytest.raises((ConfigError, ValueError)) as caught:
        WRONG[what]()
    _clean(caught.value)


@pytest.mark.parametrize(
    "wrong",
    [{"model": "a/m", "temprature": 1}, {"model": "nobody"}, {"chain": "none"}, {"options": {"nobody": {}}}],
    ids=["setting", "model", "chain", "options"],
)
@pytest.mark.parametrize("kind", [Client, SyncClient])
async def test_a_call_that_is_refused_keeps_nothing(wrong: Mapping[str, Any], kind: Any) -> None:
    """An argument that is wrong is told without the others."""
    async with OpenAIHost() as host:
        client = _client(host, kind)
        for ask in (client.chat, client.stream):
            with pytest.raises((TypeError, ValueError, SegueError)) as caught:  # noqa: PT012 - of either client
                result = ask(PROMPT, extra_headers={"x-acme": KEY}, **wrong)
                if asyncio.iscoroutine(result):
                    await result
            shown = [where for where, text in held(caught.value).items() if any(secret in text for secret in SECRETS)]
            assert not shown
