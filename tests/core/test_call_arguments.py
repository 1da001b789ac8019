"""The front door: whom a call goes to, what happens when one fails, and what is told of it."""

from __future__ import annotations

import ast
import asyncio
import copy
import importlib
import json
import os
import pickle
import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, cast

import pytest

import segue
import segue.plugins
import segue.testing
import segue.testing.conformance
from segue import (
    AllFailedError,
    Attempt,
    BadRequestError,
    Capabilities,
    Chain,
    Client,
    ConfigError,
    ConnectError,
    Finish,
    Message,
    Needs,
    NoCandidateError,
    OverloadedError,
    PhaseTimeoutError,
    PluginError,
    ProtocolError,
    ProviderError,
    RateLimitError,
    Retry,
    ServerError,
    StreamBrokenError,
    TextDelta,
    TextPart,
    Timeout,
    plugin,
)
from segue.events import Collector, collect
from segue.messages import NO_SETTINGS, read_messages, request_with
from segue.observation import AttemptStart, Health, HealthSnapshot, Observer
from segue.plugin import AsyncGeneratorProvider, Model, ProviderSpec, hookimpl
from segue.plugins.registry import Registry
from segue.selection import Offer, Preferences, select
from segue.testing import Answer, Cut, OpenAIHost, Stall, Status, refused_url

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from segue.plugin import Context, Event, Request
    from segue.selection import Selection


class Told(AsyncGeneratorProvider):
    """Answers with what it was given."""

    working = True
    supports_gpt_35_turbo = True

    @classmethod
    async def create_async_generator(  # type: ignore[override]
        cls, model: str, messages: Any, proxy: str | None = None, temperature: float = 0.0
    ) -> AsyncIterator[str]:
        yield f"{model} {temperature} "
        yield ""
        yield json.dumps(messages)


class Odd:
    """A provider that does as its events say."""

    name = "odd"

    def __init__(self, *events: Any) -> None:
        self._events = events

    def models(self) -> Sequence[Model]:
        return [Model("odd-1", Capabilities({"context": 1000}))]

    async def stream(self, request: Request, context: Context) -> AsyncIterator[Event]:
        for event in self._events:
            if isinstance(event, BaseException):
                raise event
            yield event


def hermetic(*providers: object, **options: Any) -> Client:
    options.setdefault("retry", Retry(count=0))
    return Client(providers=providers, config=options.pop("config", False), plugins=False, environ={}, **options)


def openai_at(url: str, **options: Any) -> Client:
    options.setdefault("retry", Retry(count=0))
    return Client(
        config={"providers": {"openai": {"base_url": url}}}, api_keys={"openai": "sk-test-test"}, environ={}, **options
    )


# ── who is asked ─────────────────────────────────────────────────────────────────────────────────────


async def test_a_generator_provider_gets_what_it_takes() -> None:
    """A class is asked with model, messages and the settings that it takes; the others become notices."""
    async with hermetic(Told) as client:
        reply = await client.chat(
            Message(role="user", content=(TextPart(text="hi"),)), model="told", temperature=0.5, seed=1
        )
    assert reply.text == 'gpt-3.5-turbo 0.5 [{"role": "user", "content": "hi"}]'
    assert (reply.provider, reply.model, reply.finish_reason) == ("told", "gpt-3.5-turbo", "stop")
    assert [notice.subject for notice in reply.notices] == ["seed"]
    assert reply.message == Message(role="assistant", content=reply.text)
    assert reply.cost is None


async def test_names() -> None:
    """A bare model, a provider's name and provider/model find it; an undeclared model is asked with a notice."""
    async with hermetic(Told) as client:
        for name in ("gpt-3.5-turbo", "told", "told/gpt-3.5-turbo"):
            assert (await client.chat("x", model=name)).provider == "told"
        reply = await client.chat("x", model="told/other/model")
        assert reply.model == "other/model"
        assert [notice.subject for notice in reply.notices] == ["model"]
        with pytest.raises(NoCandidateError, match=r"nearest are .*gpt-3\.5-turbo"):
            await client.chat("x", model="gpt-3.5-turbi")
        with pytest.raises(NoCandidateError, match="did you mean 'working'"):
            await client.chat("x", needs="workin")


def test_a_public_host_is_selected_last_and_sent_nothing_unasked() -> None:
    """A public host stands last and is not sent to, unless it was named, configured or is on this machine."""
    public = ProviderSpec("host", load="no.module:x", models=["m"], access="public", url="https://host.example")
    other = ProviderSpec("zebra", load="no.module:x", models=["m"])
    client = hermetic(public, other)
    assert [candidate.name for candidate in client.select(model="m").candidates] == ["zebra/m", "host/m"]
    with pytest.raises(NoCandidateError, match=r"name it \(host/m\) or add \[providers\.host\]"):
        hermetic(public).stream("x", model="m")
    assert hermetic(public).select(model="host/m").candidates[0].consent
    assert hermetic(public, config={"providers": {"host": {}}}).select(model="m").candidates[0].consent
    local = {"providers": {"host": {"base_url": "http://127.0.0.2:1"}}}
    assert not hermetic(public, config=local).select(model="m").candidates[0].public


def test_keys_make_ready() -> None:
    """A provider whose key is missing is out, and said which variable to set; the key may come from three places."""
    spec = ProviderSpec(
        "acme", load="no.module:x", models=["m"], env=("ACME_KEY", "ACME_TOKEN"), key_url="acme.example"
    )
    (rejection,) = hermetic(spec).select().rejected
    assert rejection.reasons == ("no key: set ACME_KEY or ACME_TOKEN (get one at acme.example)",)
    assert hermetic(spec, api_keys={"acme": "k"}).select().candidates
    assert hermetic(spec, config={"providers": {"acme": {"api_key": "k"}}}).select().candidates
    assert Client(providers=[spec], plugins=False, config=False, environ={"ACME_TOKEN": "k"}).select().candidates
    with pytest.raises(ConfigError, match="did you mean 'acme'"):
        hermetic(spec, api_keys={"acne": "k"})


def test_order() -> None:
    """The user's order comes first, then the fact to order by, then the name; what was observed stands above."""
    offers = [
        Offer("a", Model("m", Capabilities({"working": True, "input_price": 3, "output_price": 1, "context": 9}))),
        Offer("b", Model("m", Capabilities({"working": True, "input_price": 1, "output_price": 1, "latency": 2}))),
        Offer("c", Model("m", Capabilities({"working": True, "context": 99, "latency": 1}))),
    ]

    def names(**preferences: Any) -> str:
        return "".join(one.provider for one in select(offers, preferences=Preferences(**preferences)).candidates)

    assert names() == "abc"
    assert names(order=("c", "b/m")) == "cba"
    assert names(order_by="price") == "bac"
    assert names(order_by="context") == "cab"
    assert names(order_by="latency") == "cba"
    assert names(order_by="weight", weights=(("b", 2.0), ("c/m", 1.0))) == "bca"
    seen = HealthSnapshot({("b", "*"): Health(working=False, source="probe"), ("a", "m"): Health(True, "probe")})
    selection = select(offers, needs=Needs("working"), health=seen)
    assert [one.provider for one in selection.candidates] == ["a", "c"]
    assert "probe" in selection.explain()


def test_the_configured_order_is_the_clients() -> None:
    """order_by and weights of the configuration order what the client selects."""
    specs = [
        ProviderSpec("a", load="x:y", models=["m"], capabilities={"context": 10}),
        ProviderSpec("b", load="x:y", models=["m"], capabilities={"context": 20}),
        ProviderSpec("c", load="x:y", models=["m"]),
    ]

    def names(config: Any) -> str:
        return "".join(one.provider for one in hermetic(*specs, config=config).select(model="m").candidates)

    assert names({"order_by": "context"}) == "bac"
    assert names({"order_by": "weight", "weights": {"c": 2, "b/m": 1}}) == "cba"
    assert names({"order": ["c"]}) == "cab"


async def test_a_provider_is_told_the_deadline() -> None:
    """The total timeout reaches a provider as a time of the loop; without one there is none."""
    deadlines: list[float | None] = []

    class Timed(Odd):
        async def stream(self, request: Request, context: Context) -> AsyncIterator[Event]:
            deadlines.append(context.deadline)
            yield Finish("stop")

    now = asyncio.get_running_loop().time()
    for timeout in (Timeout(total=60), Timeout()):
        async with hermetic(Timed(), timeout=timeout) as client:
            await client.chat("x", model="odd")
    first, second = deadlines
    assert first is not None
    assert 0 < first - now - 59 < 30
    assert second is None


# ── what happens when one fails ──────────────────────────────────────────────────────────────────────


async def test_a_chain_goes_on_and_keeps_the_record() -> None:
    """After a refused connection and a 503 the third target answers; attempts, notices and observers tell of it."""
    seen: list[object] = []

    class Watch(Observer):
        def attempt_started(self, start: AttemptStart) -> None:
            seen.append(f"{start.provider}/{start.model}")

        def attempt_ended(self, attempt: Attempt) -> None:
            seen.append(attempt)

    async with OpenAIHost(script=[Status(503), Answer("done")]) as host:
        config = {"providers": {"openai": {"base_url": host.url}, "cromicle": {"base_url": refused_url()}}}
        keys = {"openai": "sk-test-test"}
        async with Client(config=config, api_keys=keys, environ={}, observers=[Watch()]) as client:
            chain = Chain("cromicle", Chain("openai/a", Needs("impossible")), "openai/b", "openai/a")
            reply = await client.chat("x", chain=chain)
    assert (reply.text, reply.model) == ("done", "b")
    assert [type(attempt.error) for attempt in reply.attempts] == [ConnectError, OverloadedError, type(None)]
    assert seen[::2] == ["cromicle/gpt-3.5-turbo", "openai/a", "openai/b"]
    assert seen[1::2] == list(reply.attempts)
    assert "openai/a failed at headers: OverloadedError: HTTP 503" in str(reply.attempts[1])
    assert any("left out" in str(notice) for notice in reply.notices)


async def test_observers_are_told_the_selection_that_was_made() -> None:
    """Once a call, of a chain once a target, with what the request needs by itself; also where nobody is left."""
    seen: list[str] = []

    class Watch(Observer):
        def selected(self, selection: Selection) -> None:
            who = ", ".join(candidate.name for candidate in selection.candidates)
            seen.append(f"{selection.wanted}: {who or selection.reason}")

    class Older:
        """Knows nothing of it, and is left in peace."""

        def attempt_started(self, _: object) -> None: ...
        def attempt_ended(self, _: object) -> None: ...

    picture = [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}]}]
    async with hermetic(Told, observers=[cast("Observer", Older()), Watch()]) as client:
        await client.chat("x", model="told")
        async with client.stream("x", chain=Chain("nobody", "told")) as stream:
            await stream.reply()
        with pytest.raises(NoCandidateError):
            client.stream(picture, needs="working")
        with pytest.raises(NoCandidateError):
            await client.embed("x")
    assert seen == [
        "told: told/gpt-3.5-turbo",
        "nobody: no provider has a model 'nobody'",
        "told: told/gpt-3.5-turbo",
        "vision, working: no installed model has the fact 'vision'",
        "embeddings: no installed model has the fact 'embeddings'",
    ]


async def test_a_selection_counts_what_a_request_needs() -> None:
    """As the call with this request does."""
    part = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}
    said = read_messages([{"role": "user", "content": [part]}])
    request = request_with(said, NO_SETTINGS, stream=True)
    async with hermetic(Told) as client:
        assert client.select("working", request=request).wanted == "vision, working"
        assert client.select(model="told", request=request).wanted == "told (vision?)"


async def test_all_failed_is_a_group_that_except_star_takes_apart() -> None:
    """From two failures on it is AllFailedError, a group that keeps its type and attempts."""
    async with OpenAIHost(script=[Status(429), Status(500)]) as host, openai_at(host.url) as client:
        with pytest.raises(AllFailedError) as caught:
            await client.chat("x", chain=Chain("openai/a", "openai/b"))
    group = caught.value
    assert [type(error) for error in group.exceptions] == [RateLimitError, ServerError]
    assert len(group.attempts) == 2
    matched, rest = group.split(RateLimitError)
    assert isinstance(matched, AllFailedError)
    assert isinstance(rest, AllFailedError)
    assert matched.attempts == group.attempts
    assert "HTTP 429" in str(group)
    again = pickle.loads(pickle.dumps(group))
    assert [type(error) for error in again.exceptions] == [RateLimitError, ServerError]


async def test_what_the_next_cannot_cure_ends_the_chain() -> None:
    """A 400 is raised as it is; the next target is not asked."""
    async with OpenAIHost(script=[Status(400), Answer()]) as host, openai_at(host.url) as client:
        with pytest.raises(BadRequestError) as caught:
            await client.chat("x", chain=Chain("openai/a", "openai/b"))
        assert len(host.requests) == len(caught.value.attempts) == 1
    copied = copy.copy(caught.value)
    assert (copied.status, copied.provider, str(copied)) == (400, "openai", str(caught.value))


async def test_a_cut_answer() -> None:
    """chat() starts again at the next target; a stream that has given text ends in StreamBrokenError with it."""
    # A whole answer that is cut is no JSON; of the stream the first token's event came, and no more.
    first = OpenAIHost.sse_body(["one"], number=3, model="a").index(b"one") + 80
    async with OpenAIHost(answer="one two", script=[Cut(60), Answer("whole"), Cut(first)]) as host:
        async with openai_at(host.url) as client:
            chain = Chain("openai/a", "openai/b")
            assert (await client.chat("x", chain=chain)).text == "whole"
            text = ""
            stream = client.stream("x", chain=chain)
            with pytest.raises(StreamBrokenError) as caught:  # noqa: PT012 - what came before it counts too
                async with stream:
                    async for piece in stream.text():
                        text += piece
            assert caught.value.text == text == "one"
            assert (stream.provider, stream.model) == ("openai", "a")
            # The second is not known to take a prefill.
            assert [attempt.outcome for attempt in stream.attempts] == ["failed", "skipped"]
        assert len(host.requests) == 3


@pytest.mark.parametrize(
    ("timeout", "phase"), [(Timeout(first_event=0.05), "first_event"), (Timeout(total=0.05), "total")]
)
async def test_pings_do_not_hold_a_timeout_off(timeout: Timeout, phase: str) -> None:
    """Headers and a chunk that says nothing are no first event."""
    async with OpenAIHost(script=[Stall("first_event")]) as host, openai_at(host.url, timeout=timeout) as client:
        with pytest.raises(PhaseTimeoutError) as caught:
            async with client.stream("x", model="openai/a") as stream:
                await stream.reply()
    assert caught.value.phase == phase
    assert caught.value.next_may_help is (phase != "total")


async def test_silence_between_events_is_the_idle_timeout() -> None:
    """A provider of any kind that falls silent after its first text runs into the idle timeout."""

    class Silent(Odd):
        async def stream(self, request: Request, context: Context) -> AsyncIterator[Event]:
            yield TextDelta("a")
            await asyncio.Event().wait()

    async with hermetic(Silent(), timeout=Timeout(idle=0.05)) as client:
        with pytest.raises(PhaseTimeoutError) as caught:
            async with client.stream("x", model="odd") as stream:
                await stream.reply()
        assert caught.value.phase == "idle"


@pytest.mark.parametrize(
    ("events", "error"),
    [
        ((TextDelta("a"),), ProtocolError),
        ((ValueError("x"),), ProviderError),
        ((TextDelta("a"), KeyError("x")), ProviderError),
        ((RateLimitError("x", status=429),), RateLimitError),
        ((ConfigError("mine"),), ConfigError),
    ],
)
async def test_whatever_a_provider_does_ours_is_raised(events: tuple[Any, ...], error: type[Exception]) -> None:
    """No Finish, or any exception: the caller sees one of our types."""
    async with hermetic(Odd(*events)) as client:
        with pytest.raises(error) as caught:
            await client.chat("x", model="odd/odd-1")
        assert type(caught.value) is error


async def test_pieces_that_are_no_text_are_refused() -> None:
    """A generator that yields bytes is told so."""

    class Bytes(AsyncGeneratorProvider):
        models = ("m",)

        @classmethod
        async def create_async_generator(cls, *_: Any, **__: Any) -> AsyncIterator[Any]:  # type: ignore[override]
            yield b"x"

    async with hermetic(Bytes) as client:
        with pytest.raises(ProtocolError, match="yielded bytes"):
            await client.chat("x", model="m")


async def test_leaving_early_is_an_abandoned_attempt() -> None:
    """A stream that is left early puts an abandoned attempt on record."""
    async with hermetic(Odd(TextDelta("a"), TextDelta("b"), Finish("stop"))) as client:
        stream = client.stream("x", model="odd")
        assert stream.provider is stream.model is None
        async with stream:
            async for _ in stream:
                break
    assert [attempt.outcome for attempt in stream.attempts] == ["abandoned"]


async def test_wrong_arguments_are_told_at_once() -> None:
    """Unknown settings, empty messages, two ways to choose and unknown chains are errors of the call."""
    async with hermetic(Told, config={"chains": {"main": ["told"]}, "needs": {"mine": "working"}}) as client:
        with pytest.raises(TypeError, match="did you mean 'temperature'"):
            client.stream("x", temprature=1)
        with pytest.raises(ValueError, match="empty"):
            client.stream([])
        with pytest.raises(ValueError, match="role"):
            client.stream([{"role": "robot", "content": "canary"}])
        with pytest.raises(TypeError, match="either chain="):
            client.stream("x", chain="main", model="told")
        with pytest.raises(ConfigError, match="did you mean 'main'"):
            client.stream("x", chain="mian")
        with pytest.raises(NoCandidateError, match=r"1\. nothing: no provider has a model .nothing.\n  2\. tools: "):
            client.stream("x", chain=Chain("nothing", Needs("tools")))
        with pytest.raises(ValueError, match="at least one"):
            Chain()
        assert (await client.chat("x", chain="main")).provider == "told"
        assert (await client.chat("x", needs="mine")).provider == "told"
        assert [model.name for model in client.models("working")] == ["told/gpt-3.5-turbo"]


async def test_collect_wants_an_end() -> None:
    """Events without a Finish are no whole answer."""

    async def events() -> AsyncIterator[Event]:
        yield TextDelta("a")

    with pytest.raises(ValueError, match="no Finish"):
        await collect(events())
    collector = Collector()
    collector.add(Finish("stop"))
    assert collector.finish == Finish("stop")


# ── plugins ──────────────────────────────────────────────────────────────────────────────────────────


class _Distribution:
    version = "1.0"

    def __init__(self, name: str) -> None:
        self.name = name


def entry(name: str, content: object, monkeypatch: pytest.MonkeyPatch, **attributes: object) -> EntryPoint:
    """An entry point to a module made here, of a distribution by its name."""
    module = ModuleType(f"zoo_{name}")
    if content is not None:
        module.segue_providers = hookimpl(lambda: content() if callable(content) else content)  # type: ignore[attr-defined]
        module.segue_providers.__name__ = "segue_providers"  # type: ignore[attr-defined]
    vars(module).update(attributes)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    found = EntryPoint(name, module.__name__, "segue")
    vars(found).update(dist=_Distribution(f"dist-{name}"))
    return found


def test_broken_plugins_break_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each broken plugin is kept under its name with the cause; the good ones are there."""

    def raises() -> object:
        raise RuntimeError("boom")

    def exits() -> object:
        sys.exit(3)

    missing = EntryPoint("missing", "zoo_that_is_not_there", "segue")
    entries = [
        entry("raises", raises, monkeypatch),
        entry("exits", exits, monkeypatch),
        entry("future", [Told], monkeypatch, segue_api=2),
        entry("garbage", [42], monkeypatch),
        entry("named", [ProviderSpec("Bad Name", load="x:y")], monkeypatch),
        entry("facts", [ProviderSpec("facts", load="x:y", models=["m"], capabilities={"NO": True})], monkeypatch),
        entry("good", [Told, Odd()], monkeypatch),
        entry("nothing", None, monkeypatch),
        missing,
    ]
    registry = Registry(entries=entries)
    assert set(registry.installed) == {"told", "odd"}
    causes = {one.name: str(one.error) for one in registry.broken}
    assert set(causes) == {"raises", "exits", "future", "garbage", "named", "facts", "missing"}
    assert "RuntimeError: boom" in causes["raises"]
    assert "SystemExit: 3" in causes["exits"]
    assert "segue_api 2" in causes["future"]
    assert registry.provider("odd").models()[0].name == "odd-1"


def test_a_name_claimed_twice_is_an_error_for_that_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two distributions with one name: both are named, the others go on, and code given stands above."""
    entries = [entry("one", [Told], monkeypatch), entry("two", [Told, Odd()], monkeypatch)]
    registry = Registry(entries=entries)
    assert list(registry.installed) == ["odd"]
    with pytest.raises(PluginError, match="dist-one and dist-two"):
        registry.provider("told")
    assert Registry(entries=entries, providers=[Told]).provider("told").name == "told"


@pytest.mark.parametrize("load", ["no.such.module:X", "json:nothing", "json:JSONDecoder", lambda: 1 / 0])
async def test_a_provider_that_cannot_be_loaded_is_a_failed_attempt(load: Any) -> None:
    """Its spec is listed and selected without a look at it; asked, it fails, and a chain goes on."""
    spec = ProviderSpec("lazy", load=load, models=["m"])
    async with hermetic(spec, Told) as client:
        assert client.select(model="m").candidates
        reply = await client.chat("x", chain=Chain("lazy", "told"))
        assert [attempt.outcome for attempt in reply.attempts] == ["failed", "answered"]
        with pytest.raises(PluginError):
            client.registry.provider("lazy")


async def test_a_provider_without_declared_models_is_asked_by_name() -> None:
    """provider/model is sent also where the provider declares no model at all."""

    class Bare(AsyncGeneratorProvider):
        @classmethod
        async def create_async_generator(cls, model: str, *_: Any, **__: Any) -> AsyncIterator[str]:  # type: ignore[override]
            yield model

    async with hermetic(Bare) as client:
        assert (await client.chat("x", model="bare/any")).text == "any"


def test_one_name_is_no_list_of_names() -> None:
    """A string where names are meant is refused, not read letter by letter."""

    class Slip(AsyncGeneratorProvider):
        models = "acme-1"

    with pytest.raises(TypeError, match="models must be a list of names"):
        hermetic(Slip)
    for wrong in ({"models": "m"}, {"env": "KEY"}):
        with pytest.raises(TypeError, match="must be a list"):
            ProviderSpec("x", load="x:y", **wrong)  # type: ignore[arg-type]
    with pytest.raises(PluginError, match="no provider 'nobody'"):
        hermetic().registry.provider("nobody")


async def test_a_provider_that_cancels_itself_is_a_failed_attempt() -> None:
    """A CancelledError that nobody sent this task is the provider's fault, and the chain goes on."""
    async with hermetic(Odd(asyncio.CancelledError()), Told) as client:
        reply = await client.chat("x", chain=Chain("odd", "told"))
    assert [attempt.outcome for attempt in reply.attempts] == ["failed", "answered"]


def test_a_broken_plugin_that_is_named_says_why(monkeypatch: pytest.MonkeyPatch, plugins_here: Any) -> None:
    """Asking a plugin that is broken raises its own error, in configuration as in a call."""
    entries = [entry("bad", [42], monkeypatch)]
    plugins_here(entries)
    with pytest.raises(PluginError, match="dist-bad"):
        Client(config=False, environ={}).stream("x", model="bad/m")
    with pytest.raises(PluginError, match="dist-bad"):
        Client(config={"providers": {"bad": {}}}, environ={})


# ── promises of the package ──────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("module", [segue, plugin])
def test_exports(module: ModuleType) -> None:
    """The public names are one sorted list; each is there, and nothing else is given out."""
    names = list(module.__all__)
    assert names == sorted(names)
    assert dir(module) == names
    assert all(getattr(importlib.import_module(module.__name__), name) is not None for name in names)
    with pytest.raises(AttributeError):
        module.nothing_by_that_name  # noqa: B018 - the access is the test


@pytest.mark.parametrize("module", [segue, plugin, segue.testing, segue.plugins, segue.testing.conformance])
def test_type_checkers_see_the_names_that_are_there(module: ModuleType) -> None:
    """The imports for type checkers are the names of the table, each from the same place."""
    assert module.__file__ is not None
    tree = ast.parse(Path(module.__file__).read_text("utf-8"))
    (block,) = (one for one in tree.body if isinstance(one, ast.If))
    (call,) = (one.value for one in tree.body if isinstance(one, ast.Expr) and isinstance(one.value, ast.Call))
    table = ast.literal_eval(call.args[1])
    seen = {
        (f".{one.module}", alias.name) for one in block.body if isinstance(one, ast.ImportFrom) for alias in one.names
    }
    assert seen == {(place, name) for place, names in table.items() for name in names.split()}


@pytest.mark.parametrize("code", ["from segue import Needs", "import segue_openai, segue_cromicle"])
def test_imports_are_cheap(code: str) -> None:
    """Needs and a plugin's declaration load neither aiohttp nor pydantic."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
    check = f"{code}\nimport sys; print(sorted({{'aiohttp', 'pydantic'}} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", check], env=environ, check=True, capture_output=True, text=True)
    assert done.stdout == "[]\n"
