"""What plugins have a say in: each hook, what it is given, and what follows where it fails."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import json
import logging
import re
import sys
import threading
from dataclasses import FrozenInstanceError, replace
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest
from matrix import Clock, read
from pydantic import BaseModel

import segue.sync
from segue import (
    AllFailedError,
    Attempt,
    AttemptStart,
    Candidate,
    Chain,
    Client,
    Fact,
    Finish,
    Handover,
    InvalidOutputError,
    Message,
    Middleware,
    Needs,
    NoCandidateError,
    Notice,
    Observer,
    PluginError,
    ProviderError,
    Request,
    ServerError,
    Settings,
    StreamBrokenError,
    TextDelta,
    Tool,
    Veto,
    hookspecs,
)
from segue.plugin import Host, Model, hookimpl
from segue.plugins.registry import Registry
from segue.testing import Answer, Body, OpenAIHost, Status
from segue.validation import Value

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence

    from command_line import CommandLine
    from matrix import Reading

    from segue import Event

    Install = Callable[..., None]

HOOKS = [name for name in vars(hookspecs) if name.startswith("segue_")]
PAGE = Path(__file__).parents[2] / "docs" / "hooks.md"
TIGHT = {"hook_time_limit": 0.05}


HALF = Body(
    b"".join(
        b"data: " + json.dumps({"choices": [{"index": 0, "delta": {"content": text}}]}).encode() + b"\n\n"
        for text in ("one ", "two ")
    ),
    content_type="text/event-stream",
)
"""An answer that breaks off."""


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch, plugins_here: Any) -> Install:
    """Installs a plugin of a name with these hooks, beside those that were installed before."""
    entries: list[EntryPoint] = []

    def put(name: str, **hooks: Callable[..., object]) -> None:
        module = ModuleType(f"hooked_{name}")
        vars(module).update({hook: hookimpl(function) for hook, function in hooks.items()})
        monkeypatch.setitem(sys.modules, module.__name__, module)
        entries.append(EntryPoint(name, module.__name__, "segue"))
        plugins_here(entries)

    return put


@pytest.fixture
def blocked() -> Iterator[Callable[..., None]]:
    """A function that does not return before the test is over."""
    over = threading.Event()
    begun: list[int] = []

    def block(*_: object, **__: object) -> None:
        begun.append(1)
        over.wait()

    block.begun = begun  # type: ignore[attr-defined]
    yield block
    over.set()


def client_of(hosts: Mapping[str, OpenAIHost], *, plugins: Mapping[str, object] | None = None, **given: Any) -> Client:
    """A client of these hosts, each with a model ``m``, and of what is installed."""
    rows = {
        name: {"wire": "openai_chat", "base_url": host.url, "models": ["m"], "api_key": f"sk-canary-{name}"}
        for name, host in hosts.items()
    }
    capabilities = given.pop("capabilities", {})
    config = {
        "providers": {name: {**row, **capabilities.get(name, {})} for name, row in rows.items()},
        "plugins": dict(plugins or {}),
        "retry": {"count": 0},
        **given.pop("config", {}),
    }
    return Client(config=config, environ={}, **given)


def names(candidates: Sequence[Candidate]) -> list[str]:
    return [candidate.name for candidate in candidates]


# ── what holds for all ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("hook", HOOKS)
def test_every_hook_has_a_chapter_and_a_test(hook: str) -> None:
    """Each hook of the specification has its heading with its signature in the page, and a test by its name."""
    page = PAGE.read_text("utf-8")
    chapter = re.search(rf"^## {hook}$(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL)
    assert chapter, f"docs/hooks.md has no heading {hook}"
    signature = f"def {hook}{inspect.signature(getattr(hookspecs, hook))}".replace("'", "")
    written = re.sub(r"(?<=[(\[]) | (?=[)\]])", "", " ".join(chapter[1].split()))
    assert signature in written, signature
    for wanted in ("**When**", "**Why**", "**When it fails**", "```python\n"):
        assert wanted in chapter[1], f"{hook}: {wanted}"
    assert any(name.startswith(f"test_{hook}") for name in globals()), f"no test of {hook}"


async def test_a_client_without_hooks_starts_no_thread(
    monkeypatch: pytest.MonkeyPatch, plugins_here: Any, install: Install
) -> None:
    """Where no plugin implements any, nothing is watched, wrapped or kept beside the answer."""
    install("plain", segue_providers=lambda: [])  # noqa: PIE807 - a class takes no mark

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a hook was called")

    monkeypatch.setattr("segue.plugins.hooks.within", refuse)
    monkeypatch.setattr("segue.plugins.layers.within", refuse)
    monkeypatch.setattr("segue.client.client.shown", refuse)
    monkeypatch.setattr("segue.chain.attempt.shown", refuse)
    async with OpenAIHost() as host, client_of({"a": host}) as client:
        async with client.stream("Hello", model="a/m") as stream:
            assert type(stream._events).__name__ == "_Walk"
            assert (await stream.reply()).text == "hello from the host"


def test_two_implementations_of_a_hook_for_one_answer_are_refused(install: Install) -> None:
    """Of a hook whose one answer counts a plugin cannot have two: the second one's vetoes would be lost."""
    entries = []
    module = ModuleType("hooked_twice")

    @hookimpl(specname="segue_candidates")
    def one(candidates: Any) -> None: ...

    @hookimpl(specname="segue_candidates")
    def another(candidates: Any) -> None: ...

    vars(module).update(one=one, another=another)
    sys.modules[module.__name__] = module
    try:
        entries.append(EntryPoint("twice", module.__name__, "segue"))
        (broken,) = Registry(entries=entries).broken
    finally:
        del sys.modules[module.__name__]
    assert "implements segue_candidates twice" in str(broken.error)


# ── candidates ───────────────────────────────────────────────────────────────────────────────────────


async def test_segue_candidates_reorders(install: Install) -> None:
    """Who is asked first is whom the last plugin put first, each given what the one before it left."""
    seen: list[tuple[str, list[str]]] = []

    def putting(name: str, first: str) -> Callable[..., object]:
        def arrange(candidates: Sequence[Candidate]) -> object:
            seen.append((name, names(candidates)))
            return sorted(candidates, key=lambda candidate: candidate.provider != first)

        return arrange

    install("zeta", segue_candidates=putting("zeta", "c"))
    install("alpha", segue_candidates=putting("alpha", "b"))
    async with OpenAIHost() as a, OpenAIHost() as b, OpenAIHost() as c:
        async with client_of({"a": a, "b": b, "c": c}) as client:
            assert names(client.select().candidates) == ["c/m", "b/m", "a/m"]
            reply = await client.chat("Hello", model="m")
    assert seen[:2] == [("alpha", ["a/m", "b/m", "c/m"]), ("zeta", ["b/m", "a/m", "c/m"])]
    assert reply.provider == "c"
    assert not a.requests
    assert not b.requests


async def test_segue_candidates_vetoes_with_a_reason(install: Install) -> None:
    """Whom a plugin puts out is not asked, and the explanation says which plugin did, and why."""
    install(
        "law",
        segue_candidates=lambda candidates: (
            Veto(one, "not in\nthe EU") if one.provider == "a" else one for one in candidates
        ),
    )
    async with OpenAIHost() as a, OpenAIHost() as b, client_of({"a": a, "b": b}) as client:
        selection = client.select()
        reply = await client.chat("Hello", model="m")
    assert names(selection.candidates) == ["b/m"]
    assert selection.rejected[0].name == "a/m"
    assert selection.rejected[0].reasons == ("plugin law: not in the EU",)
    assert "  - a/m: plugin law: not in the EU" in selection.explain().splitlines()
    assert reply.provider == "b"
    assert not a.requests


async def test_segue_candidates_binds_who_names_a_model(install: Install) -> None:
    """A veto holds for a model that is named, in a call, a chain, a probe and where vectors are wanted."""
    install("law", segue_candidates=lambda candidates: [Veto(one, "closed") for one in candidates])
    async with OpenAIHost() as host, client_of({"a": host}) as client:
        for ask in (
            lambda: client.chat("Hello", model="a/m"),
            lambda: client.chat("Hello", model="a"),
            lambda: client.chat("Hello", chain=Chain("a/m")),
            lambda: client.embed("Hello", model="a/m"),
            lambda: client.probe("a/m"),
        ):
            with pytest.raises(NoCandidateError, match="a/m: plugin law: closed"):
                await ask()
        with pytest.raises(NoCandidateError, match="closed"):
            client.stream("Hello", model="a/m")
    assert not host.requests


async def test_segue_candidates_leaves_a_target_of_a_chain_out_with_a_notice(install: Install) -> None:
    """A chain goes on with its other targets, and the reply says whose veto left one out."""
    install(
        "law",
        segue_candidates=lambda candidates: [Veto(one, "closed") if one.provider == "a" else one for one in candidates],
    )
    async with OpenAIHost() as a, OpenAIHost() as b, client_of({"a": a, "b": b}) as client:
        reply = await client.chat("Hello", chain=Chain("a/m", "b/m"))
    assert reply.provider == "b"
    assert any("plugin law: closed" in str(notice) for notice in reply.notices)


async def test_segue_candidates_gives_a_provider_its_next_model(install: Install) -> None:
    """Of a provider that is named alone the first model is asked that no plugin puts out."""
    install(
        "law",
        segue_candidates=lambda candidates: [Veto(one, "old") if one.model == "m" else one for one in candidates],
    )
    async with OpenAIHost() as host:
        models = {"a": {"models": ["m", "n", "o"]}}
        async with client_of({"a": host}, capabilities=models) as client:
            assert names(client.select(model="a").candidates) == ["a/n"]


async def test_segue_candidates_sees_needs_and_request(install: Install) -> None:
    """It is told what is needed and what is asked, the latter only where something is: None for who looks."""
    seen: list[tuple[str, Request | None]] = []

    def look(needs: Needs, request: Request | None) -> None:
        seen.append((str(needs), request))

    install("watch", segue_candidates=look)
    async with OpenAIHost() as host, client_of({"a": host}) as client:
        client.select("working?")
        for text in ("first", "second"):
            await client.chat(text, model="a/m", temperature=0.5)
    assert seen[0] == ("working?", None)
    asked = [request for _, request in seen[1:] if request is not None]
    assert [request.messages[0].text for request in asked] == ["first", "second"]
    assert asked[0].settings.temperature == 0.5


async def test_segue_candidates_runs_in_the_callers_context(install: Install) -> None:
    """A context variable of the caller's is there: a policy may be that of one tenant."""
    tenant: contextvars.ContextVar[str] = contextvars.ContextVar("tenant")
    seen: list[str] = []
    install("tenants", segue_candidates=lambda: seen.append(tenant.get()))
    async with OpenAIHost() as host, client_of({"a": host}) as client:
        tenant.set("acme")
        await client.chat("Hello", model="a/m")
    assert seen == ["acme"]


def _raises(candidates: object) -> object:
    raise ValueError("what was asked stands here")


def _without_place(error: PluginError) -> str:
    """The message without the line of this file that raised."""
    return re.sub(r" \(tests/plugins/test_hooks\.py:\d+, in \S+\)$", "", str(error))


@pytest.mark.parametrize(
    ("hook", "told"),
    [
        (_raises, "raised ValueError"),
        (lambda candidates: sys.exit(3), "raised SystemExit"),
        (lambda candidates: 7, "returned int, not candidates and vetoes"),
        (lambda candidates: "a/m", "returned str, not candidates and vetoes"),
        (lambda candidates: [*candidates, "b/m"], "returned str among candidates and vetoes"),
        (lambda candidates: candidates[:0], "omitted a/m: to reject a candidate, return a Veto with the reason"),
        (lambda candidates: [*candidates, *candidates], "returned a/m twice, or it was not among the candidates"),
        (
            lambda candidates: [*candidates, replace(candidates[0], model="x")],
            "returned a/x twice, or it was not among the candidates",
        ),
        (lambda candidates: [replace(one, consent=not one.consent) for one in candidates], "changed a/m"),
        (lambda candidates: [Veto(one, " ") for one in candidates], "returned a veto of a/m without a reason"),
        (lambda candidates: [Veto(one, None) for one in candidates], "raised TypeError"),
    ],
)
async def test_segue_candidates_that_fails_lets_nobody_be_asked(
    hook: Callable[..., object], told: str, install: Install
) -> None:
    """Closed, not open: a call is a PluginError that names plugin and hook, and whoever only looks is told."""
    install("law", segue_candidates=hook)
    async with OpenAIHost() as host, client_of({"a": host}) as client:
        for _ in range(2):
            with pytest.raises(PluginError) as caught:
                await client.chat("Hello", model="a/m")
        with pytest.raises(PluginError):
            await client.chat("Hello", chain=Chain("a/m"))
        explained = client.select().explain()
        assert client.models()
    assert not host.requests
    assert (caught.value.plugin, caught.value.hook) == ("law", "segue_candidates")
    assert _without_place(caught.value) == f"plugin 'law' of unknown distribution: its hook segue_candidates {told}"
    assert f"  - a/m: {caught.value}" in explained
    assert "what was asked" not in explained


async def test_segue_candidates_that_hangs_is_called_once(
    install: Install, blocked: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After its time the call fails and no thread more is left behind: it is not called again."""
    install("slow", segue_candidates=lambda candidates: blocked())
    async with OpenAIHost() as host, client_of({"a": host}, plugins=TIGHT) as client:
        with pytest.raises(PluginError, match=r"'slow'.* segue_candidates took more than 0.05 s"):
            await client.chat("Hello", model="a/m")
        with pytest.raises(PluginError, match="takes too long, and is not called again"):
            await client.chat("Hello", model="a/m")
        assert "takes too long" in client.select().explain()
    assert len(blocked.begun) == 1
    assert not host.requests


async def test_segue_candidates_of_one_that_never_ends_is_cut(install: Install) -> None:
    """A generator without an end is read as far as there are candidates, and no further."""

    def endless(candidates: Sequence[Candidate]) -> Iterator[Candidate]:
        while True:
            yield from candidates

    install("endless", segue_candidates=endless)
    async with OpenAIHost() as host, client_of({"a": host}) as client:
        with pytest.raises(PluginError, match="returned a/m twice"):
            await client.chat("Hello", model="a/m")


async def test_explain_shows_vetoes(cli: CommandLine) -> None:
    """`segue explain` says whose veto it was, as text and as JSON."""
    cli.plugin(
        "law",
        "from segue.plugin import Veto, hookimpl\n"
        "@hookimpl\n"
        "def segue_candidates(candidates):\n"
        "    return [Veto(one, 'not today') for one in candidates]\n",
    )
    config = cli.config('[providers.a]\nwire = "openai_chat"\nbase_url = "http://localhost:1"\nmodels = ["m"]\n')
    told = await cli("explain", "--model", "a/m", "--config", config)
    assert "a/m: plugin law: not today" in told.out
    told = await cli("explain", "--model", "a/m", "--config", config, "--json")
    (rejected,) = json.loads(told.out)["rejected"]
    assert rejected["reasons"] == ["plugin law: not today"]


# ── facts ────────────────────────────────────────────────────────────────────────────────────────────


async def test_segue_facts_stand_between_declared_and_configured(install: Install) -> None:
    """What a plugin knows is above what is declared and below what the user says; its source names the plugin."""
    asked: list[tuple[str, list[str]]] = []

    def know(provider: str, models: Sequence[Model]) -> object:
        asked.append((provider, [model.name for model in models]))
        if provider == "a":
            return {"m": {"context": 64000, "tools": True, "vision": None}, "unheard-of": {"tools": True}}
        return None

    install("atlas", segue_facts=know)
    declared = {"a": {"capabilities": {"context": 8000, "tools": False, "vision": True, "audio": True}}}
    config = {"models": {"a/m": {"tools": False}}}
    async with OpenAIHost() as a, OpenAIHost() as b:
        async with client_of({"a": a, "b": b}, capabilities=declared, config=config) as client:
            (model,) = client.models(provider="a")
            selection = client.select("context>=64k")
            client.select("vision")
    assert asked == [("a", ["m"]), ("b", ["m"])]
    assert model.capabilities["context"] == Fact(64000, "plugin atlas")
    assert model.capabilities["vision"] == Fact(None, "plugin atlas")
    assert model.capabilities["tools"].value is False
    assert "plugin" not in model.capabilities["tools"].source
    assert model.capabilities["audio"].value is True
    assert names(selection.candidates) == ["a/m"]


async def test_segue_facts_stand_below_what_was_observed(install: Install) -> None:
    """A host that fails does not work, whatever a plugin says."""
    install("atlas", segue_facts=lambda models: {one.name: {"working": True} for one in models})
    async with OpenAIHost(script=[Status(500)]) as host, client_of({"a": host}) as client:
        assert client.select("working").candidates
        with pytest.raises(ServerError):
            await client.chat("Hello", model="a/m")
        for _ in range(9):
            if not client.select("working").candidates:
                break
            with pytest.raises(ProviderError):
                await client.chat("Hello", model="a/m")
        assert "working" in client.select("working").explain()
        assert not client.select("working").candidates


async def test_segue_facts_of_two_plugins_are_both_known(install: Install) -> None:
    """What only one knows is kept; of what both know the later name's stands."""
    install("zeta", segue_facts=lambda: {"m": {"context": 2, "tools": Fact(True, "its own tests")}})
    install("alpha", segue_facts=lambda: {"m": {"context": 1, "audio": True}})
    async with OpenAIHost() as host, client_of({"a": host}) as client:
        facts = client.models()[0].capabilities
    assert facts["context"] == Fact(2, "plugin zeta")
    assert facts["audio"] == Fact(True, "plugin alpha")
    assert facts["tools"] == Fact(True, "plugin zeta: its own tests")


def _cannot() -> object:
    raise LookupError("no such file")


@pytest.mark.parametrize(
    ("hook", "told"),
    [
        (_cannot, "raised LookupError: no such file"),
        (lambda: [1], "returned list, not facts by the names of models"),
        (lambda: {"m": 3}, "returned a value that is not facts by the names of models"),
        (lambda: {3: {}}, "returned a value that is not facts by the names of models"),
        (lambda: {"m": {"Tools": True}}, "returned a wrong fact of 'm'"),
        (lambda: {"m": {"tools": ["yes"]}}, "returned a wrong fact of 'm'"),
        (
            lambda: {"m": {"context": float("inf")}},
            "returned a wrong fact of 'm': context must be a whole number of at least 1, not inf",
        ),
        (lambda: {"m": {"vision": "yes"}}, "returned a wrong fact of 'm': vision must be True or False, not 'yes'"),
    ],
)
async def test_segue_facts_that_fail_are_not_known(
    hook: Callable[..., object], told: str, install: Install, caplog: pytest.LogCaptureFixture
) -> None:
    """Open, not closed: the others' facts hold, and the log and every reply say what is not known."""
    install("atlas", segue_facts=hook)
    install("beside", segue_facts=lambda: {"m": {"audio": True}})
    async with OpenAIHost() as host, client_of({"a": host}) as client:
        reply = await client.chat("Hello", model="a/m")
        assert client.models()[0].capabilities["audio"].value is True
    (notice,) = reply.notices
    assert notice.subject == "plugin"
    assert f"plugin 'atlas' of unknown distribution: its hook segue_facts {told}" in notice.message
    assert notice.message.endswith(": its facts of a are not used")
    assert "its hook segue_facts" in caplog.text


async def test_segue_facts_that_hang_cost_one_wait(install: Install, blocked: Any) -> None:
    """It is waited for once, for the first of many providers, and one notice says of whom it is not known."""
    install("slow", segue_facts=blocked)
    async with OpenAIHost() as host:
        async with client_of({f"host{number}": host for number in range(9)}, plugins=TIGHT) as client:
            assert len(client.models()) == 9
            reply = await client.chat("Hello", model="host3/m")
    assert len(blocked.begun) == 1
    (notice,) = reply.notices
    assert notice.message.endswith("took more than 0.05 s: its facts of host0, host1, host2 and 6 more are not used")


# ── middleware ───────────────────────────────────────────────────────────────────────────────────────


class Marking(Middleware):
    """Puts its mark around what is asked and on each piece of what is answered."""

    def __init__(self, mark: str) -> None:
        self.mark = mark

    def request(self, request: Request, /) -> Request:
        last = request.messages[-1]
        said = last.model_copy(update={"content": f"{self.mark}({last.text})"})
        return request.model_copy(update={"messages": (*request.messages[:-1], said)})

    async def events(self, events: AsyncIterator[Event], request: Request, /) -> AsyncIterator[Event]:
        async for event in events:
            yield replace(event, text=f"{self.mark}{event.text}") if isinstance(event, TextDelta) else event


class Shouting(Middleware):
    """Answers in capitals."""

    async def events(self, events: AsyncIterator[Event], request: Request, /) -> AsyncIterator[Event]:
        async for event in events:
            yield replace(event, text=event.text.upper()) if isinstance(event, TextDelta) else event


class Steps(Middleware):
    """Does with events what a function does."""

    def __init__(self, changes: Callable[[AsyncIterator[Event]], AsyncIterator[Event]]) -> None:
        self.changes = changes

    def events(self, events: AsyncIterator[Event], request: Request, /) -> AsyncIterator[Event]:
        return self.changes(events)


async def test_segue_middleware_is_an_onion(install: Install) -> None:
    """A request goes from the client's own layers through the plugins' by name, an answer the other way round."""
    install("zeta", segue_middleware=lambda: [Marking("z")])
    install("alpha", segue_middleware=lambda: [Marking("a"), Marking("b")])
    async with OpenAIHost(answer=["one"]) as host:
        async with client_of({"h": host}, middleware=[Marking("x"), Marking("y")]) as client:
            whole = await client.chat("q", model="h/m")
            async with client.stream("q", model="h/m") as stream:
                pieces = [text async for text in stream.text()]
                streamed = await stream.reply()
    assert host.requests[0].json["messages"][-1]["content"] == "z(b(a(y(x(q)))))"
    assert whole.text == streamed.text == "".join(pieces) == "xyabzone"
    assert (whole.provider, whole.usage, whole.finish_reason) == ("h", streamed.usage, "stop")
    assert whole.usage is not None


async def test_segue_middleware_is_asked_for_once_a_client(install: Install) -> None:
    """The same objects serve all calls of a client; another client has its own."""
    given: list[Marking] = []

    def give() -> list[Marking]:
        given.append(Marking("m"))
        return given[-1:]

    install("once", segue_middleware=give)
    async with OpenAIHost() as host:
        for _ in range(2):
            async with client_of({"a": host}) as client:
                await client.chat("Hello", model="a/m")
                await client.chat("Hello", model="a/m")
    assert len(given) == 2


async def test_segue_middleware_in_a_client_without_a_loop(install: Install) -> None:
    """The client for code without a loop takes the same ones."""
    install("loud", segue_middleware=lambda: [Shouting()])

    def ask(url: str) -> str:
        rows = {"a": {"wire": "openai_chat", "base_url": url, "models": ["m"]}}
        with segue.sync.Client(config={"providers": rows}, environ={}, middleware=[Marking("x")]) as client:
            return client.chat("Hello", model="a/m").text

    async with OpenAIHost(answer=["one"]) as host:
        assert await asyncio.to_thread(ask, host.url) == "xONE"


class Equipping(Middleware):
    """Gives every request a tool."""

    def request(self, request: Request, /) -> Request:
        return request.model_copy(update={"tools": (*request.tools, Tool(name="clock"))})


async def test_segue_middleware_adds_needs(install: Install) -> None:
    """A tool that a plugin adds needs a model with tools, as one of the caller's does."""
    install("clock", segue_middleware=lambda: [Equipping()])
    abilities = {"a": {"capabilities": {"tools": False}}, "b": {"capabilities": {"tools": True}}}
    async with OpenAIHost() as a, OpenAIHost() as b:
        async with client_of({"a": a, "b": b}, capabilities=abilities) as client:
            reply = await client.chat("Hello", model="m")
    assert reply.provider == "b"
    assert [tool["function"]["name"] for tool in b.requests[0].json["tools"]] == ["clock"]
    assert not a.requests


async def test_segue_middleware_may_give_messages_as_the_openai_form(install: Install) -> None:
    """What it gives is read and checked as what a caller gives: dictionaries become messages."""

    class Prefacing(Middleware):
        def request(self, request: Request, /) -> Request:
            messages = ({"role": "system", "content": "Be brief."}, *request.messages)
            return request.model_copy(update={"messages": messages})

    install("preface", segue_middleware=lambda: [Prefacing()])
    async with OpenAIHost() as host, client_of({"a": host}) as client:
        await client.chat("Hello", model="a/m")
    assert host.requests[0].json["messages"][0] == {"role": "system", "content": "Be brief."}


async def test_segue_middleware_changes_what_is_parsed() -> None:
    """A schema is read from the answer as the caller sees it."""

    class City(BaseModel):
        name: str

    class Unmasking(Middleware):
        async def events(self, events: AsyncIterator[Event], request: Request, /) -> AsyncIterator[Event]:
            async for event in events:
                yield (
                    replace(event, text=event.text.replace("CITY", "Aachen")) if isinstance(event, TextDelta) else event
                )

    async with OpenAIHost(answer=['{"name": "CITY"}']) as host:
        async with client_of({"a": host}, middleware=[Unmasking()]) as client:
            reply = await client.chat("Where?", model="a/m", schema=City)
    assert reply.parsed == City(name="Aachen")


async def test_segue_middleware_that_breaks_the_form_is_told() -> None:
    """An answer that no longer fits is an error with a note that says what it went through."""

    class City(BaseModel):
        name: str

    async with OpenAIHost(answer=['{"name": "x"}']) as host:
        async with client_of({"a": host}, middleware=[Marking("!")]) as client:
            with pytest.raises(InvalidOutputError) as caught:
                await client.chat("Where?", model="a/m", schema=City)
    assert caught.value.__notes__ == ["the host's own output fits; middleware changed it: the middleware Marking"]


async def test_segue_middleware_lets_an_answer_go_on_in_the_hosts_own_words(install: Install) -> None:
    """Mid-stream the next host is handed what the first one said, and the caller sees one changed answer."""
    install("loud", segue_middleware=lambda: [Shouting()])
    prefill = {"b": {"capabilities": {"prefill": True}}}
    async with OpenAIHost(script=[HALF]) as a:
        async with OpenAIHost(answer=["and ", "on"]) as b:
            async with client_of({"a": a, "b": b}, capabilities=prefill) as client:
                async with client.stream("Count", chain=Chain("a/m", "b/m")) as stream:
                    events = [event async for event in stream]
                    reply = await stream.reply()
    assert b.requests[0].json["messages"][-1] == {"role": "assistant", "content": "one two"}
    assert reply.text == "ONE TWO AND ON"
    assert "".join(event.text for event in events if isinstance(event, TextDelta)) == reply.text
    assert [handover.mode for handover in reply.handovers] == ["continue"]
    assert any(isinstance(event, Handover) for event in events)


async def test_segue_middleware_sees_text_as_an_errors_text() -> None:
    """The text of an error of a stream is what the caller had of it."""
    async with OpenAIHost(script=[HALF]) as host:
        async with client_of({"a": host}, middleware=[Shouting()]) as client:
            async with client.stream("Count", model="a/m") as stream:
                with pytest.raises(StreamBrokenError) as caught:
                    async for _ in stream:
                        pass
    assert caught.value.text == "ONE TWO "


async def test_segue_middleware_lets_errors_pass(install: Install) -> None:
    """What fails inside comes out as it is, with its attempts."""
    install("loud", segue_middleware=lambda: [Shouting()])
    async with OpenAIHost(script=[Status(500)]) as a, OpenAIHost(script=[Status(503)]) as b:
        async with client_of({"a": a, "b": b}) as client:
            with pytest.raises(AllFailedError) as caught:
                await client.chat("Hello", model="m")
            with pytest.raises(ServerError):
                await client.chat("Hello", model="a/m")
    assert len(caught.value.attempts) == 2


async def test_segue_middleware_left_early_closes_the_socket(install: Install) -> None:
    """Leaving the stream ends the layers, the outermost first, and the connection before the `async with` ends."""
    closed: list[str] = []

    class Closing(Marking):
        async def events(self, events: AsyncIterator[Event], request: Request, /) -> AsyncIterator[Event]:
            try:
                async for event in events:
                    yield event
            finally:
                closed.append(self.mark)

    install("plugin", segue_middleware=lambda: [Closing("inner")])
    async with OpenAIHost(script=[Answer(tokens=["x"] * 10_000)], pace=0.001) as host:
        async with client_of({"a": host}, middleware=[Closing("outer")]) as client:
            async with client.stream("Count", model="a/m") as stream:
                async for event in stream:
                    if isinstance(event, TextDelta):
                        break
                assert not closed
            assert closed == ["outer", "inner"]
            assert stream.attempts[0].outcome == "abandoned"
            await host.closed_by_client()


async def _nothing(events: AsyncIterator[Event]) -> AsyncIterator[Event]:
    async for event in events:
        if not isinstance(event, Finish):
            yield event


async def _more(events: AsyncIterator[Event]) -> AsyncIterator[Event]:
    async for event in events:
        yield event
    yield TextDelta("more")


async def _twice(events: AsyncIterator[Event]) -> AsyncIterator[Event]:
    async for event in events:
        yield event
    yield Finish("stop")


async def _at_once(events: AsyncIterator[Event]) -> AsyncIterator[Event]:
    yield Finish("stop")


async def _early(events: AsyncIterator[Event]) -> AsyncIterator[Event]:
    async for event in events:
        yield event
        if isinstance(event, TextDelta):
            yield Finish("stop")


async def _words(events: AsyncIterator[Event]) -> AsyncIterator[Any]:
    async for event in events:
        yield event.text if isinstance(event, TextDelta) else event


async def _bytes(events: AsyncIterator[Event]) -> AsyncIterator[Any]:
    async for event in events:
        yield TextDelta(b"x") if isinstance(event, TextDelta) else event  # type: ignore[arg-type]


async def _raising(events: AsyncIterator[Event]) -> AsyncIterator[Event]:
    async for event in events:
        if isinstance(event, TextDelta):
            raise KeyError("what was answered stands here")
        yield event


async def _cancelled(events: AsyncIterator[Event]) -> AsyncIterator[Event]:
    async for event in events:
        yield event
        raise asyncio.CancelledError


async def _hanging(events: AsyncIterator[Event]) -> AsyncIterator[Event]:
    async for event in events:
        yield event
        await asyncio.Event().wait()


async def _hanging_on(events: AsyncIterator[Event]) -> AsyncIterator[Event]:
    async for event in events:
        yield event
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            continue


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (_nothing, "did not yield the Finish"),
        (_more, "yielded TextDelta after the Finish"),
        (_twice, "yielded Finish after the Finish"),
        (_at_once, "yielded a Finish before the answer was whole"),
        (_early, "yielded a Finish before the answer was whole"),
        (_words, "yielded str, which is not an event"),
        (_bytes, "yielded a text of type bytes"),
        (_raising, "raised KeyError in events"),
        (_cancelled, "was cancelled from within"),
        (_hanging, "took more than 0.05 s in events"),
        (_hanging_on, "took more than 0.05 s in events"),
        (lambda events: [1], "returned list for events, not an async generator"),
    ],
)
@pytest.mark.parametrize("whole", [True, False])
async def test_segue_middleware_that_fails_is_named(changes: Any, told: str, whole: bool, install: Install) -> None:
    """A plugin that spoils an answer is a PluginError of its name, never a wrong answer; the task goes on."""
    install("spoiler", segue_middleware=lambda: [Steps(changes)])
    async with OpenAIHost() as host, client_of({"a": host}, plugins=TIGHT, middleware=[Shouting()]) as client:

        async def ask() -> None:
            if whole:
                await client.chat("Hello", model="a/m")
            async with client.stream("Hello", model="a/m") as stream:
                async for event in stream:
                    assert not isinstance(event, Finish)

        with pytest.raises(PluginError) as caught:
            await ask()
        task = asyncio.current_task()
        assert task is not None
        assert not task.cancelling()
        await asyncio.sleep(0)
        assert host.open_connections <= 1
    assert _without_place(caught.value) == f"the middleware Steps of plugin 'spoiler' {told}"
    assert (caught.value.plugin, caught.value.hook) == ("spoiler", "segue_middleware")


async def test_segue_middleware_that_blocks_the_loop_is_named(install: Install) -> None:
    """Nobody can stop what blocks the loop, but it is told once it is over."""

    async def blocking(events: AsyncIterator[Event]) -> AsyncIterator[Event]:
        async for event in events:
            threading.Event().wait(0.06)
            yield event

    install("blocker", segue_middleware=lambda: [Steps(blocking)])
    async with OpenAIHost() as host, client_of({"a": host}, plugins=TIGHT) as client:
        with pytest.raises(PluginError, match=r"'blocker' took more than 0.05 s in events"):
            await client.chat("Hello", model="a/m")


async def test_segue_middleware_is_not_timed_while_it_waits_for_the_host(install: Install) -> None:
    """Its time is its own work's: a host, and a caller, may take longer."""
    install("loud", segue_middleware=lambda: [Shouting()])
    async with OpenAIHost(script=[Answer(tokens=["a", "b", "c"])], pace=0.02) as host:
        async with client_of({"a": host}, plugins={"hook_time_limit": 0.01}) as client:
            async with client.stream("Hello", model="a/m") as stream:
                text = ""
                async for event in stream:
                    if isinstance(event, TextDelta):
                        text += event.text
                        threading.Event().wait(0.015)
    assert text == "ABC"


async def _ahead(events: AsyncIterator[Event]) -> AsyncIterator[Event]:
    """Reads ahead in a task of its own."""
    read: asyncio.Queue[Event | None] = asyncio.Queue(1)

    async def reading() -> None:
        async for event in events:
            await read.put(event)
        await read.put(None)

    task = asyncio.create_task(reading())
    try:
        while (event := await read.get()) is not None:
            yield event
    finally:
        task.cancel()
        await asyncio.wait({task})


async def _in_tasks(events: AsyncIterator[Event]) -> AsyncIterator[Event]:
    """Reads each event in a task of its own."""
    while True:
        try:
            yield await asyncio.ensure_future(anext(events))
        except StopAsyncIteration:
            return


@pytest.mark.parametrize("changes", [_ahead, _in_tasks])
@pytest.mark.parametrize("reading", ["pausing", "tasks"])
async def test_segue_middleware_is_not_timed_while_the_reader_pauses(
    install: Install, changes: Any, reading: Reading
) -> None:
    """However it reads and however it is read: what passes while nobody wants an event of it is not its time."""
    install("reader", segue_middleware=lambda: [Steps(changes)])
    words = [f"{number} " for number in range(10)]
    async with OpenAIHost(script=[Answer(tokens=words)], pace=0.01) as host:
        async with client_of({"a": host}, plugins=TIGHT) as client:
            with Clock() as clock:
                async with client.stream("Hello", model="a/m") as stream:
                    heard = [text async for text in read(stream.text(), clock, reading, 10.0)]
    assert heard == words


@pytest.mark.parametrize("reading", ["pausing", "tasks"])
async def test_segue_middleware_that_hangs_after_a_task_of_its_own_is_found_out(
    install: Install, reading: Reading
) -> None:
    """It is watched in the task that waits for it, whichever of its tasks read last."""

    async def hanging(events: AsyncIterator[Event]) -> AsyncIterator[Event]:
        yield await asyncio.ensure_future(anext(events))
        await asyncio.ensure_future(anext(events))
        await asyncio.Event().wait()

    install("hanger", segue_middleware=lambda: [Steps(hanging)])
    async with OpenAIHost() as host, client_of({"a": host}, plugins=TIGHT) as client:
        with Clock() as clock:
            async with client.stream("Hello", model="a/m") as stream:
                taking = read(aiter(stream), clock, reading, 10.0)
                await anext(taking)
                async with asyncio.timeout(30.0) as limit:
                    with pytest.raises(PluginError, match=r"'hanger' took more than 0.05 s in events"):
                        await anext(taking)
                assert not limit.expired()


async def test_segue_middleware_of_the_callers_own_raises_what_it_raises() -> None:
    """What the client was given is the caller's code: its errors are not ours to wrap, and it may take its time."""
    async with OpenAIHost() as host:
        async with client_of({"a": host}, middleware=[Steps(_raising)], plugins=TIGHT) as client:
            with pytest.raises(KeyError):
                await client.chat("Hello", model="a/m")

        async def slow(events: AsyncIterator[Event]) -> AsyncIterator[Event]:
            threading.Event().wait(0.06)
            async for event in events:
                yield event

        async with client_of({"a": host}, middleware=[Steps(slow)], plugins=TIGHT) as client:
            assert (await client.chat("Hello", model="a/m")).text


class Making(Middleware):
    """Makes of a request what a function makes of it."""

    def __init__(self, makes: Callable[[Request], object]) -> None:
        self.makes = makes

    def request(self, request: Request, /) -> Any:
        return self.makes(request)


@pytest.mark.parametrize(
    ("makes", "told"),
    [
        (lambda request: None, "returned NoneType, not a Request"),
        (lambda request: {"messages": []}, "returned dict, not a Request"),
        (lambda request: request.model_copy(update={"stream": not request.stream}), "changed stream"),
        (lambda request: request.model_copy(update={"messages": "Hello"}), "returned a wrong Request (messages"),
        (lambda request: request.model_copy(update={"settings": 3}), "returned a wrong Request (settings"),
        (lambda request: 1 / 0, "raised ZeroDivisionError in request"),
        (lambda request: sys.exit(1), "raised SystemExit in request"),
    ],
)
async def test_segue_middleware_that_spoils_a_request_is_named(
    makes: Callable[[Request], object], told: str, install: Install
) -> None:
    """A request that is none is never sent: the call is a PluginError at once."""
    install("spoiler", segue_middleware=lambda: [Making(makes)])
    async with OpenAIHost() as host, client_of({"a": host}) as client:
        with pytest.raises(PluginError) as caught:
            client.stream("Hello", model="a/m")
    assert str(caught.value).startswith(f"the middleware Making of plugin 'spoiler' {told}")
    assert not host.requests


async def test_segue_middleware_that_hangs_in_a_request_is_called_once(install: Install, blocked: Any) -> None:
    """After its time the call fails, and so do later ones, without another thread."""
    install("slow", segue_middleware=lambda: [Making(blocked)])
    async with OpenAIHost() as host, client_of({"a": host}, plugins=TIGHT) as client:
        for told in ("took more than 0.05 s in request", "takes too long in request, and is not called again"):
            with pytest.raises(PluginError, match=told):
                await client.chat("Hello", model="a/m")
    assert len(blocked.begun) == 1
    assert not host.requests


@pytest.mark.parametrize(
    ("give", "told"),
    [
        (lambda: [object()], "which is not middleware: it has no request (inherit from segue.Middleware)"),
        (lambda: [Shouting], "which is not middleware"),
        (lambda: 3, "raised TypeError"),
        (lambda: None, "returned None, not a list of middleware"),
        (lambda: 1 / 0, "raised ZeroDivisionError: division by zero"),
    ],
)
async def test_segue_middleware_that_is_not_to_be_had_stops_every_call(
    give: Callable[[], object], told: str, install: Install
) -> None:
    """Closed, not open: what was to be taken out of requests would be sent. Listing goes on."""
    install("scrubber", segue_middleware=give)
    async with OpenAIHost() as host, client_of({"a": host}) as client:
        for ask in (
            lambda: client.stream("Hello", model="a/m"),
            lambda: client.stream("Hello", chain=Chain("a/m")),
        ):
            with pytest.raises(PluginError) as caught:
                ask()
        assert client.models()
        assert client.select().candidates
        (broken,) = client.registry.broken
    assert told in str(caught.value)
    assert (caught.value.plugin, caught.value.hook) == ("scrubber", "segue_middleware")
    assert str(broken.error) == str(caught.value)
    assert not host.requests


async def test_segue_middleware_is_missed_whatever_else_fails(install: Install) -> None:
    """A plugin whose observers fail too, or which cannot be imported any more, still sends nothing unchanged."""
    install("scrubber", segue_observers=lambda: 1 / 0, segue_middleware=lambda: 1 / 0)
    async with OpenAIHost() as host, client_of({"a": host}) as client:
        with pytest.raises(PluginError, match="segue_middleware raised ZeroDivisionError"):
            await client.chat("Hello", model="a/m")
    assert not host.requests


async def test_segue_middleware_that_cannot_be_imported_here_is_missed(
    cli: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Closed too where the module was sound when it was read, and is not where it is needed."""
    cli.plugin(
        "fickle",
        "import sys\n"
        "if 'segue.client.client' in sys.modules:\n"
        "    raise ImportError('not here')\n"
        "from segue.plugin import Middleware, hookimpl\n"
        "@hookimpl\n"
        "def segue_middleware():\n"
        "    return [Middleware()]\n",
    )
    config = cli.config('[providers.a]\nwire = "openai_chat"\nbase_url = "http://localhost:1"\nmodels = ["m"]\n')
    told = await cli("chat", "Hello", "--model", "a/m", "--config", config)
    assert told.code
    assert "its hook segue_middleware cannot be imported: ImportError: not here" in told.err
    assert not (await cli("models", "--config", config)).code


async def test_segue_middleware_of_one_plugin_does_not_break_anothers(install: Install) -> None:
    """Each plugin is called by itself: what the others observe and know is there beside a broken one."""
    told: list[str] = []

    class Telling(Observer):
        def attempt_ended(self, attempt: Attempt, /) -> None:
            told.append(attempt.outcome)

    install("broken", segue_observers=lambda: 1 / 0, segue_facts=lambda: 1 / 0)
    install("whole", segue_observers=lambda: [Telling()], segue_middleware=lambda: [Shouting()])
    async with OpenAIHost(answer=["one"]) as host, client_of({"a": host}) as client:
        reply = await client.chat("Hello", model="a/m")
        assert [plugin.name for plugin in client.registry.broken] == ["broken"]
    assert (reply.text, told) == ("ONE", ["answered"])


# ── observers ────────────────────────────────────────────────────────────────────────────────────────


class Blocking(Observer):
    """Blocks when an attempt ends."""

    def __init__(self) -> None:
        self.told = 0

    def attempt_ended(self, attempt: Attempt, /) -> None:
        self.told += 1
        threading.Event().wait(0.06)


async def test_segue_observers_that_block_are_not_called_again(
    install: Install, caplog: pytest.LogCaptureFixture
) -> None:
    """A plugin's observer that takes too long is told in the log once, and left out from there on."""
    theirs, mine = Blocking(), Blocking()
    install("slow", segue_observers=lambda: [theirs])
    async with OpenAIHost() as host, client_of({"a": host}, plugins=TIGHT, observers=[mine]) as client:
        with caplog.at_level(logging.WARNING, "segue"):
            await client.chat("Hello", model="a/m")
            reply = await client.chat("Hello", model="a/m")
    assert reply.text
    assert (theirs.told, mine.told) == (1, 2)
    (record,) = [record for record in caplog.records if "observer" in record.getMessage()]
    assert record.getMessage() == (
        "the observer Blocking of plugin slow took more than 0.05 s in attempt_ended, and is not called any more"
    )


async def test_segue_observers_that_hang_when_asked_for_break_their_plugin(install: Install, blocked: Any) -> None:
    """The client is there after the limit, calls go on, and the plugin is broken by its name."""
    install("slow", segue_observers=blocked)
    async with OpenAIHost() as host, client_of({"a": host}, plugins=TIGHT) as client:
        assert (await client.chat("Hello", model="a/m")).text
        (broken,) = client.registry.broken
    assert "its hook segue_observers took more than 0.05 s" in str(broken.error)


# ── what hooks are given ─────────────────────────────────────────────────────────────────────────────


class Kept(Middleware, Observer):
    """Keeps all that it is given, and says nothing."""

    def __init__(self) -> None:
        self.given: list[Any] = []

    def candidates(self, candidates: Any, needs: Any, request: Any) -> None:
        self.given += [candidates, needs, request]

    def facts(self, provider: Any, models: Any) -> None:
        self.given += [provider, models]

    def request(self, request: Request, /) -> Request:
        self.given.append(request)
        return request

    async def events(self, events: AsyncIterator[Event], request: Request, /) -> AsyncIterator[Event]:
        self.given.append(request)
        async for event in events:
            self.given.append(event)
            yield event

    def attempt_started(self, start: AttemptStart, /) -> None:
        self.given.append(start)

    def attempt_ended(self, attempt: Attempt, /) -> None:
        self.given.append(attempt)

    def install(self, install: Install) -> None:
        install(
            "keeper",
            # Functions, for a method takes no mark.
            segue_candidates=lambda candidates, needs, request: self.candidates(candidates, needs, request),  # noqa: PLW0108
            segue_facts=lambda provider, models: self.facts(provider, models),  # noqa: PLW0108
            segue_middleware=lambda: [self],
            segue_observers=lambda: [self],
        )


SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}
SAID: Any = {
    "tools": [Tool(name="look", parameters=SCHEMA)],
    "extra_headers": {"x-key": "sk-canary-header"},
    "extra_body": {"user": {"token": "sk-canary-body"}},
    "options": {"a": {"key": "sk-canary-option"}},
}


async def test_hooks_never_see_credentials(install: Install) -> None:
    """No key of the settings, of headers, of the body or of options is in anything that any hook was given."""
    kept = Kept()
    kept.install(install)
    async with OpenAIHost() as host:
        headers = {"a": {"headers": {"x-account": "sk-canary-account"}}}
        async with client_of({"a": host}, capabilities=headers) as client:
            reply = await client.chat("Hello", model="a/m", **SAID)
            await client.chat("Hello", chain=Chain("a/m"), **SAID)
    assert reply.text
    asked = host.requests[0]
    assert asked.header["x-key"] == "sk-canary-header"
    assert asked.header["authorization"] == "Bearer sk-canary-a"
    assert asked.json["user"] == {"token": "sk-canary-body"}
    assert {type(one).__name__ for one in kept.given} >= {"Request", "AttemptStart", "Attempt", "Finish", "tuple"}
    for given in kept.given:
        for told in (repr(given), str(_opened(given))):
            assert "sk-canary" not in told, type(given)


def _opened(value: Any, depth: int = 0) -> Any:
    """All that hangs on a value, whatever its repr leaves out."""
    if depth > 6 or isinstance(value, (str, bytes, int, float, type(None), BaseException)):
        return value
    if isinstance(value, Value):
        return {name: _opened(item, depth + 1) for name, item in vars(value).items()}
    if hasattr(value, "items"):
        return {str(name): _opened(item, depth + 1) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_opened(item, depth + 1) for item in value]
    slots = [name for cls in type(value).__mro__ for name in getattr(cls, "__slots__", ())]
    return {name: _opened(getattr(value, name, None), depth + 1) for name in slots}


async def test_what_hooks_are_given_is_read_only(install: Install) -> None:
    """Whatever a hook tries to change raises, and what is sent is what the caller said."""
    kept = Kept()
    kept.install(install)
    parameters: Any = json.loads(json.dumps(SCHEMA))
    async with OpenAIHost() as host, client_of({"a": host}) as client:
        await client.chat("Hello", model="a/m", tools=[Tool(name="look", parameters=parameters)])
    views = [one for one in kept.given if isinstance(one, Request)]
    views += [one.request for one in kept.given if isinstance(one, AttemptStart)]
    assert len(views) == 4
    candidates = next(one for one in kept.given if isinstance(one, tuple) and isinstance(one[0], Candidate))
    models = next(one for one in kept.given if isinstance(one, tuple) and isinstance(one[0], Model))
    for view in views:
        with pytest.raises(FrozenInstanceError):
            view.stream = True
        for table in (view.options, view.extra_body, view.extra_headers, view.tools[0].parameters):
            with pytest.raises(TypeError, match="read-only"):
                table["x"] = 1
        schema: Any = view.tools[0].parameters
        with pytest.raises(TypeError, match="read-only"):
            schema["properties"]["a"].update(type="number")
        with pytest.raises(TypeError, match="read-only"):
            schema["required"].append("b")
        assert view.model_dump(mode="json")["tools"][0]["parameters"] == parameters
        changed = view.model_copy(deep=True).tools[0].parameters
        changed["properties"]["a"]["type"] = "number"  # type: ignore[index]
    for value, name in ((candidates[0], "consent"), (models[0], "name"), (next(_events(kept)), "reason")):
        with pytest.raises(FrozenInstanceError):
            setattr(value, name, "x")
    with pytest.raises(TypeError):
        candidates[0].capabilities["tools"] = True
    assert parameters == SCHEMA
    assert host.requests[0].json["tools"][0]["function"]["parameters"] == SCHEMA


def _events(kept: Kept) -> Iterator[Finish]:
    return (one for one in kept.given if isinstance(one, Finish))


async def test_what_hooks_leave_out_is_put_back(install: Install) -> None:
    """What a layer adds to headers, body and options is below the caller's own, and not shown to the next layer."""
    seen: list[Mapping[str, Any]] = []

    def add(request: Request) -> Request:
        seen.append({**request.extra_headers, **request.extra_body, **request.options})
        return request.model_copy(
            update={
                "extra_headers": {"x-trace": "1", "x-key": "plugin's"},
                "extra_body": {"trace": True, "user": "plugin's"},
                "settings": Settings(temperature=0.1),
            }
        )

    install("adds", segue_middleware=lambda: [Making(add), Making(add)])
    async with OpenAIHost() as host, client_of({"a": host}) as client:
        await client.chat("Hello", model="a/m", extra_headers={"x-key": "mine"}, extra_body={"user": "mine"})
    asked = host.requests[0]
    assert (asked.header["x-trace"], asked.header["x-key"]) == ("1", "mine")
    assert (asked.json["trace"], asked.json["user"], asked.json["temperature"]) == (True, "mine", 0.1)
    assert seen == [{}, {}]


async def test_a_layer_sees_the_request_that_it_was_given(install: Install) -> None:
    """Its events are shown what its own request was: so it can undo what it did."""

    class Masking(Middleware):
        def request(self, request: Request, /) -> Request:
            said = Message(role="user", content=request.messages[-1].text.replace("Ada", "NAME"))
            return request.model_copy(update={"messages": (said,)})

        async def events(self, events: AsyncIterator[Event], request: Request, /) -> AsyncIterator[Event]:
            name = request.messages[-1].text.split()[-1]
            async for event in events:
                yield replace(event, text=event.text.replace("NAME", name)) if isinstance(event, TextDelta) else event

    install("mask", segue_middleware=lambda: [Masking()])
    async with OpenAIHost(answer=["Hello NAME"]) as host, client_of({"a": host}) as client:
        reply = await client.chat("I am Ada", model="a/m")
    assert host.requests[0].json["messages"][-1]["content"] == "I am NAME"
    assert reply.text == "Hello Ada"


async def test_an_empty_piece_of_text_is_not_given(install: Install) -> None:
    """Where a layer leaves nothing of a piece there is no event: a text is never empty."""

    async def silent(events: AsyncIterator[Event]) -> AsyncIterator[Event]:
        async for event in events:
            yield replace(event, text="") if isinstance(event, TextDelta) else event
            yield Notice("mute", "left out")

    # After the Finish nothing may come, not even a notice.
    async def until(events: AsyncIterator[Event]) -> AsyncIterator[Event]:
        async for event in silent(events):
            yield event
            if isinstance(event, Finish):
                break

    install("mute", segue_middleware=lambda: [Steps(until)])
    async with OpenAIHost() as host, client_of({"a": host}) as client:
        async with client.stream("Hello", model="a/m") as stream:
            events = [event async for event in stream]
            reply = await stream.reply()
    assert not any(isinstance(event, TextDelta) for event in events)
    assert reply.text == ""
    assert isinstance(events[-1], Finish)


async def test_segue_providers_is_called_once_a_client(install: Install) -> None:
    """What a plugin provides is asked once, when providers are first listed, and is there beside its other hooks."""
    calls: list[int] = []

    def provide() -> list[Host]:
        calls.append(1)
        return [Host("acme", "http://localhost:1", models=["acme-1"])]

    install("acme", segue_providers=provide, segue_facts=lambda provider: {"acme-1": {"tools": True}})
    async with client_of({}) as client:
        assert [candidate.name for candidate in client.models("tools")] == ["acme/acme-1"]
        client.select()
    assert calls == [1]
