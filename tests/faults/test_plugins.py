"""Plugins that fail, hang, lie or meddle, F59 to F64 of the catalogue."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import itertools
import sys
import warnings
from importlib.metadata import EntryPoint
from types import ModuleType
from typing import TYPE_CHECKING, Any, cast

import pytest
from matrix import LIMIT, NO_RETRY, WHOLE, Elsewhere, Fault, Host, check

from segue import Client, Finish, PhaseTimeoutError, PluginError, ProtocolError, TextDelta, Timeout
from segue.chain.targets import Chain
from segue.errors import ProviderError, SegueError
from segue.plugin import AsyncGeneratorProvider, Model, ProviderSpec, Start, hookimpl
from segue.plugin import Host as Row
from segue.plugins import Entry, declared_here
from segue.plugins.registry import Registry

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from pathlib import Path

    from segue import Attempt
    from segue.plugin import Context, Event, Request

both = pytest.mark.parametrize("stream", [True, False], ids=["stream", "chat"])
places = pytest.mark.parametrize("place", ["first", "middle"])

QUICK = Timeout(connect=5.0, first_event=0.5, idle=0.5)


class Good(AsyncGeneratorProvider):
    """Answers."""

    models = ("m",)

    @classmethod
    async def create_async_generator(cls, *_: Any, **__: Any) -> AsyncIterator[str]:  # type: ignore[override]
        for piece in ("one two", " three", " four five"):
            yield piece


class Before(AsyncGeneratorProvider):
    """Fails."""

    models = ("m",)

    @classmethod
    async def create_async_generator(cls, *_: Any, **__: Any) -> AsyncIterator[str]:  # type: ignore[override]
        raise OSError("not today")
        yield ""


# ── a menagerie ──────────────────────────────────────────────────────────────────────────────────────


class _Distribution:
    version = "2.5"

    def __init__(self, name: str) -> None:
        self.name = name


def entry_to(name: str, module: str, distribution: str | None = None) -> EntryPoint:
    """An entry point of the distribution ``dist-NAME``, or of another one."""
    found = EntryPoint(name, module, "segue")
    vars(found).update(dist=_Distribution(distribution or f"dist-{name}"))
    return found


class Menagerie:
    """Plugins as they would be installed."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._folder = folder
        self._patch = monkeypatch
        self.entries: list[EntryPoint] = []
        monkeypatch.syspath_prepend(folder)
        monkeypatch.setattr(
            "segue.plugins.registry.catalogued", lambda *_, **__: list(declared_here(map(Entry.of, self.entries)))
        )

    def module(self, name: str, code: str) -> str:
        """A module on disk; it is forgotten after the test."""
        (self._folder / f"{name}.py").write_text(code)
        self._patch.setitem(sys.modules, name, ModuleType(name))
        del sys.modules[name]
        return name

    def written(self, name: str, code: str) -> None:
        """A plugin of this code."""
        self.entries.append(entry_to(name, self.module(f"zoo_{name}", code)))

    def gives(self, name: str, gives: Callable[[], object], *, distribution: str | None = None) -> None:
        """A plugin whose hook does this."""
        module = ModuleType(f"zoo_{name}_{len(self.entries)}")

        @hookimpl
        def segue_providers() -> object:
            return gives()

        vars(module).update(segue_providers=segue_providers)
        self._patch.setitem(sys.modules, module.__name__, module)
        self.entries.append(entry_to(name, module.__name__, distribution))

    def client(self, **options: Any) -> Client:
        """A client that finds them."""
        return Client(config=False, environ={}, retry=NO_RETRY, timeout=QUICK, **options)


@pytest.fixture
def zoo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Menagerie:
    """An empty one."""
    return Menagerie(tmp_path, monkeypatch)


async def ask(client: Client, targets: Sequence[str], *, stream: bool) -> tuple[str, Sequence[Attempt]]:
    """The text and the attempts of an answer."""
    chain = Chain(*targets)
    if not stream:
        reply = await client.chat("hi", chain=chain)
        return reply.text, reply.attempts
    async with client.stream("hi", chain=chain) as events:
        text = "".join([piece async for piece in events.text()])
        reply = await events.reply()
    assert text == reply.text
    return text, reply.attempts


def told(attempts: Sequence[Attempt]) -> list[tuple[str, str, str | None]]:
    """Who was asked, and what it came to."""
    return [(one.provider, one.outcome, None if one.error is None else type(one.error).__name__) for one in attempts]


# ── F59: at import ───────────────────────────────────────────────────────────────────────────────────

IMPORTS = {
    "raises": ('raise RuntimeError("no such luck")', "RuntimeError: no such luck"),
    "exits": ("import sys; sys.exit(3)", "SystemExit: 3"),
    "syntax": ("def (", "SyntaxError"),
    "missing": ("import zoo_of_nobody", "zoo_of_nobody"),
    "recursion": ("def f(): f()\nf()", "RecursionError"),
    "memory": ("raise MemoryError", "MemoryError"),
    "group": ('raise ExceptionGroup("many", [ValueError(1)])', "ExceptionGroup"),
    "ours": ('from segue import ConfigError\nraise ConfigError("mine")', "ConfigError: mine"),
}


@both
@places
async def test_f59_an_import_that_fails(stream: bool, place: str, zoo: Menagerie) -> None:
    """F59: with every kind of broken import installed at once each is kept by name, and a chain goes on past it."""
    for name, (code, _) in IMPORTS.items():
        zoo.written(name, code)
    zoo.gives("good", lambda: [Before, Good])
    async with zoo.client() as client:
        broken = {plugin.name: str(plugin.error) for plugin in client.registry.broken}
        assert broken.keys() == IMPORTS.keys()
        assert all(cause in broken[name] for name, (_, cause) in IMPORTS.items())
        assert list(client.registry.installed) == ["before", "good"]
        targets = ["before/m", "good/m"] if place == "middle" else ["good/m"]
        text, attempts = await ask(client, targets, stream=stream)
    assert text == WHOLE
    assert [one.provider for one in attempts] == [target.partition("/")[0] for target in targets]


@both
async def test_f59_a_call_that_names_a_broken_plugin(stream: bool, zoo: Menagerie) -> None:
    """F59: a call that names nothing but a broken plugin raises that plugin's own error, with the cause."""
    zoo.written("bad", IMPORTS["raises"][0])
    async with zoo.client() as client:
        with pytest.raises(PluginError, match="RuntimeError: no such luck") as caught:
            await ask(client, ["bad/m"], stream=stream)
    assert caught.value.plugin == "bad"
    assert isinstance(caught.value.__cause__, RuntimeError)


@both
@places
async def test_f59_a_chain_goes_on_past_a_broken_plugin(stream: bool, place: str, zoo: Menagerie) -> None:
    """F59: a chain leaves the target of a broken plugin out, and its other targets answer."""
    zoo.written("bad", IMPORTS["raises"][0])
    zoo.gives("good", lambda: [Before, Good])
    async with zoo.client() as client:
        text, _ = await ask(client, ["before/m", "bad/m", "good/m"][place == "first" :], stream=stream)
    assert text == WHOLE


@both
@places
async def test_f62_a_chain_goes_on_past_a_name_claimed_twice(stream: bool, place: str, zoo: Menagerie) -> None:
    """F62: a chain leaves a target out whose name two distributions claim, and its other targets answer."""
    for name in ("one", "two"):
        zoo.gives(name, lambda: [ProviderSpec("twin", load="a:b", models=["m"])])
    zoo.gives("good", lambda: [Before, Good])
    async with zoo.client() as client:
        text, _ = await ask(client, ["before/m", "twin/m", "good/m"][place == "first" :], stream=stream)
    assert text == WHOLE


LAZY = ProviderSpec("lazy", load="zoo_lazy:Lazy", models=["m"])


@pytest.mark.parametrize("kind", IMPORTS)
@both
@places
async def test_f59_an_implementation_whose_import_fails(kind: str, stream: bool, place: str, zoo: Menagerie) -> None:
    """F59: an implementation that cannot be imported when it is first asked is one more failed target."""
    code, cause = IMPORTS[kind]
    zoo.module("zoo_lazy", code)
    zoo.gives("lazy", lambda: [LAZY, Before, Good])
    targets = ["before/m", "lazy/m", "good/m"][place == "first" :]
    async with zoo.client() as client:
        text, attempts = await ask(client, targets, stream=stream)
        assert text == WHOLE
        assert [one.outcome for one in attempts] == ["failed"] * (len(targets) - 1) + ["answered"]
        error = attempts[-2].error
        assert error is not None
        assert (error.provider, error.phase) == ("lazy", "plugin")
        assert cause in str(error)


async def test_f59_an_import_that_kills_the_program_is_said_by_its_end(zoo: Menagerie) -> None:
    """F59: Ctrl-C while a plugin is imported ends the program: it is the user's word, not the plugin's."""
    zoo.written("interrupted", "raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        Registry(entries=zoo.entries)


# ── F60: hangs ───────────────────────────────────────────────────────────────────────────────────────


class _Asked:
    """A provider in code, which is asked by the function of a kind."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.name = "odd"

    def models(self) -> Sequence[Model]:
        """One."""
        return [Model("m")]

    def stream(self, request: Request, context: Context) -> AsyncIterator[Event]:
        """As its kind does."""
        stream: AsyncIterator[Event] = KINDS[self.kind](request, context)
        return stream


async def hangs_at_once(*_: object) -> AsyncIterator[Event]:
    """Waits for ever."""
    await asyncio.get_running_loop().create_future()
    yield TextDelta("never")


async def hangs_after_its_start(*_: object) -> AsyncIterator[Event]:
    """Waits for ever after what is no content."""
    yield Start("m")
    await asyncio.get_running_loop().create_future()


async def only_starts(*_: object) -> AsyncIterator[Event]:
    """Gives events without content for ever."""
    while True:
        yield Start("m")
        await asyncio.sleep(0.001)


async def swallows_a_cancellation(*_: object) -> AsyncIterator[Event]:
    """Waits, is cancelled, and says something all the same."""
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.get_running_loop().create_future()
    raise OSError("I was busy")
    yield TextDelta("never")


async def hangs_in_the_middle(*_: object) -> AsyncIterator[Event]:
    """Waits for ever after some text."""
    yield TextDelta("one two")
    await asyncio.get_running_loop().create_future()


@pytest.mark.parametrize("kind", ["hangs_at_once", "hangs_after_its_start", "only_starts"])
@both
@places
async def test_f60_a_call_that_hangs(kind: str, stream: bool, place: str) -> None:
    """F60: a plugin that hangs in a call is left at the limit until the first event, and the next target answers."""
    providers = [_Asked(kind), Before, Good]
    targets = ["before/m", "odd/m", "good/m"][place == "first" :]
    tasks = asyncio.all_tasks()
    async with Client(
        providers=providers, config=False, plugins=False, environ={}, timeout=QUICK, retry=NO_RETRY
    ) as client:
        text, attempts = await asyncio.wait_for(ask(client, targets, stream=stream), LIMIT)
    assert text == WHOLE
    assert told(attempts)[-2:] == [("odd", "failed", "PhaseTimeoutError"), ("good", "answered", None)]
    error = attempts[-2].error
    assert error is not None
    assert error.phase == "first_event"
    assert asyncio.all_tasks() == tasks


@both
async def test_f60_a_call_that_swallows_its_cancellation(stream: bool) -> None:
    """F60: a plugin that answers its cancellation with an error of its own has failed, and the next target answers."""
    async with Client(
        providers=[_Asked("swallows_a_cancellation"), Good],
        config=False, plugins=False, environ={}, timeout=QUICK, retry=NO_RETRY,
    ) as client:  # fmt: skip
        async with asyncio.timeout(LIMIT):
            text, attempts = await ask(client, ["odd/m", "good/m"], stream=stream)
    assert text == WHOLE
    assert told(attempts) == [("odd", "failed", "PhaseTimeoutError"), ("good", "answered", None)]
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_f60_a_call_that_hangs_in_the_middle() -> None:
    """F60: a plugin that hangs after some text is left at the idle limit, with the exact text."""
    async with Client(
        providers=[_Asked("hangs_in_the_middle"), Good],
        config=False, plugins=False, environ={}, timeout=QUICK, retry=NO_RETRY,
    ) as client:  # fmt: skip
        with pytest.raises(PhaseTimeoutError) as caught:
            await asyncio.wait_for(ask(client, ["odd/m", "good/m"], stream=True), LIMIT)
        assert (caught.value.phase, caught.value.text) == ("idle", "one two")
        assert (await asyncio.wait_for(ask(client, ["odd/m", "good/m"], stream=False), LIMIT))[0] == WHOLE


# ── F61: other things than were promised ─────────────────────────────────────────────────────────────


async def never_ends(*_: object) -> AsyncIterator[Event]:
    """Gives text for ever."""
    for number in itertools.count():
        yield TextDelta(f"{number} ")
        await asyncio.sleep(0)


async def no_finish(*_: object) -> AsyncIterator[Event]:
    """Ends without its end."""
    yield TextDelta("one two")


async def nothing(*_: object) -> AsyncIterator[Event]:
    """Gives nothing at all."""
    return
    yield TextDelta("")


async def no_event(*_: object) -> AsyncIterator[Any]:
    """Gives what is no event."""
    yield {"text": "one"}


async def a_none(*_: object) -> AsyncIterator[Any]:
    """Gives None."""
    yield None


async def an_exception(*_: object) -> AsyncIterator[Any]:
    """Gives an error in place of raising it."""
    yield ValueError("given")


async def raises_stop(*_: object) -> AsyncIterator[Any]:
    """Raises what ends iterations."""
    raise StopAsyncIteration
    yield None


async def raises_a_group(*_: object) -> AsyncIterator[Any]:
    """Raises a group."""
    raise ExceptionGroup("many", [ValueError("one")])
    yield None


async def cancels_itself(*_: object) -> AsyncIterator[Any]:
    """Lets a cancellation out that nobody asked for."""
    raise asyncio.CancelledError
    yield None


async def content_after_its_end(*_: object) -> AsyncIterator[Any]:
    """Goes on after its end."""
    yield TextDelta("one two three four five")
    yield Finish("stop")
    yield TextDelta("six")


async def a_coroutine(*_: object) -> object:
    """Is awaited in place of iterated."""
    return [TextDelta("one")]


KINDS: dict[str, Callable[..., Any]] = {
    "hangs_at_once": hangs_at_once,
    "hangs_after_its_start": hangs_after_its_start,
    "only_starts": only_starts,
    "swallows_a_cancellation": swallows_a_cancellation,
    "hangs_in_the_middle": hangs_in_the_middle,
    "never_ends": never_ends,
    "no_finish": no_finish,
    "nothing": nothing,
    "no_event": no_event,
    "a_none": a_none,
    "an_exception": an_exception,
    "raises_stop": raises_stop,
    "raises_a_group": raises_a_group,
    "cancels_itself": cancels_itself,
    "content_after_its_end": content_after_its_end,
    "a_list": lambda *_: [TextDelta("one"), Finish("stop")],
    "a_text": lambda *_: "one two",
    "none": lambda *_: None,
    "a_sync_generator": lambda *_: (event for event in [TextDelta("one"), Finish("stop")]),
    "raises": lambda *_: 1 / 0,
    "wrong_arguments": lambda: None,
}
WRONG = [
    "nothing", "no_event", "a_none", "an_exception", "raises_stop", "raises_a_group", "cancels_itself",
    "a_list", "a_text", "none", "a_sync_generator", "raises", "wrong_arguments",
]  # fmt: skip


@pytest.mark.parametrize("kind", WRONG)
@both
@places
async def test_f61_what_is_no_stream_of_events(kind: str, stream: bool, place: str) -> None:
    """F61: a plugin that gives something else than events fails in the phase plugin, and the next target answers."""
    targets = ["before/m", "odd/m", "good/m"][place == "first" :]
    async with Client(
        providers=[_Asked(kind), Before, Good], config=False, plugins=False, environ={}, timeout=QUICK, retry=NO_RETRY
    ) as client:
        text, attempts = await asyncio.wait_for(ask(client, targets, stream=stream), LIMIT)
        assert text == WHOLE
        assert [one.outcome for one in attempts] == ["failed"] * (len(targets) - 1) + ["answered"]
        error = attempts[-2].error
        assert isinstance(error, ProviderError)
        assert (error.provider, error.phase) == ("odd", "plugin")
        with pytest.raises(ProviderError) as caught:
            await ask(client, ["odd/m"], stream=stream)
        assert (caught.value.provider, caught.value.phase) == ("odd", "plugin")
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_f61_a_coroutine_in_place_of_a_stream() -> None:
    """F61: a stream that is an async function without yield fails as the others do."""
    KINDS["a_coroutine"] = a_coroutine
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # Python's own, of the coroutine that nobody awaits
            async with Client(
                providers=[_Asked("a_coroutine"), Good], config=False, plugins=False, environ={}, retry=NO_RETRY
            ) as client:
                text, attempts = await ask(client, ["odd/m", "good/m"], stream=True)
            del client
            gc.collect()
    finally:
        del KINDS["a_coroutine"]
    assert text == WHOLE
    assert [one.outcome for one in attempts] == ["failed", "answered"]


async def test_f61_an_end_that_never_comes() -> None:
    """F61: an answer that has no end is left at the total limit, with all that came of it."""
    limits = Timeout(total=0.3)
    async with Client(
        providers=[_Asked("never_ends")], config=False, plugins=False, environ={}, timeout=limits, retry=NO_RETRY
    ) as client:
        got: list[str] = []

        async def read() -> None:
            async with client.stream("hi", model="odd/m") as stream:
                async for piece in stream.text():
                    got.append(piece)

        with pytest.raises(PhaseTimeoutError) as caught:
            await read()
        assert (caught.value.phase, caught.value.text) == ("total", "".join(got))
        with pytest.raises(PhaseTimeoutError):
            await client.chat("hi", model="odd/m")


@pytest.mark.parametrize("kind", ["no_finish", "content_after_its_end"])
async def test_f61_its_end(kind: str) -> None:
    """F61: events without a Finish are no whole answer, and what comes after one is not read."""
    async with Client(
        providers=[_Asked(kind), Good], config=False, plugins=False, environ={}, retry=NO_RETRY
    ) as client:
        if kind == "content_after_its_end":
            assert (await ask(client, ["odd/m"], stream=True))[0] == WHOLE
            return
        with pytest.raises(ProtocolError) as caught:
            await ask(client, ["odd/m", "good/m"], stream=True)
        assert (caught.value.phase, caught.value.text) == ("plugin", "one two")
        text, attempts = await ask(client, ["odd/m", "good/m"], stream=False)
    assert (text, told(attempts)[0]) == (WHOLE, ("odd", "failed", "ProtocolError"))


PIECES: dict[str, Any] = {"bytes": b"one", "a number": 1, "none": None, "a list": ["one"]}


@pytest.mark.parametrize("piece", PIECES)
@both
async def test_f61_a_generator_of_something_else(piece: str, stream: bool) -> None:
    """F61: an AsyncGeneratorProvider that yields no text fails in the phase plugin, and the next target answers."""

    class Odd(Good):
        @classmethod
        async def create_async_generator(cls, *_: Any, **__: Any) -> AsyncIterator[Any]:  # type: ignore[override]
            yield PIECES[piece]

    async with Client(providers=[Odd, Good], config=False, plugins=False, environ={}, retry=NO_RETRY) as client:
        text, attempts = await ask(client, ["odd/m", "good/m"], stream=stream)
    assert text == WHOLE
    assert told(attempts)[0] == ("odd", "failed", "ProtocolError")


HOOKS: dict[str, Callable[[], object]] = {
    "a number": lambda: 3,
    "a text": lambda: "text",
    "none in a list": lambda: [None],
    "a class of something": lambda: [dict],
    "a table": lambda: [{"name": "x"}],
    "a coroutine function": lambda: [a_coroutine],
    "a generator that raises": lambda: (1 / 0 for _ in [1]),
    "an infinite name": lambda: [ProviderSpec("x" * 10 + "/y", load="a:b")],
    "no text for a name": lambda: [ProviderSpec(3, load="a:b")],  # type: ignore[arg-type]
    "models as a text": lambda: [ProviderSpec("x", load="a:b", models="m")],
    "facts of another kind": lambda: [ProviderSpec("x", load="a:b", models=["m"], capabilities={"tools": object()})],  # type: ignore[dict-item]
    "raises": lambda: 1 / 0,
    "exits": lambda: sys.exit(3),
}


@pytest.mark.parametrize("hook", HOOKS)
async def test_f61_a_hook_that_gives_something_else(hook: str, zoo: Menagerie) -> None:
    """F61: a hook that gives something else breaks its own plugin, by name, and no other."""
    zoo.gives("bad", HOOKS[hook])
    zoo.gives("good", lambda: [Good])
    async with zoo.client() as client:
        assert [plugin.name for plugin in client.registry.broken] == ["bad"]
        assert isinstance(client.registry.broken[0].error, PluginError)
        assert (await client.chat("hi", model="good/m")).text == WHOLE


async def test_f61_a_hook_with_another_signature(zoo: Menagerie) -> None:
    """F61: a hook that wants arguments which nobody gives breaks its own plugin alone."""
    module = ModuleType("zoo_signature")

    @hookimpl
    def segue_providers(everything: object) -> object:
        return [everything]

    vars(module).update(segue_providers=segue_providers)
    sys.modules[module.__name__] = module
    try:
        zoo.entries.append(entry_to("bad", module.__name__))
        zoo.gives("good", lambda: [Good])
        async with zoo.client() as client:
            assert [plugin.name for plugin in client.registry.broken] == ["bad"]
            assert (await client.chat("hi", model="good/m")).text == WHOLE
    finally:
        del sys.modules[module.__name__]


# ── F62: names ───────────────────────────────────────────────────────────────────────────────────────


@both
async def test_f62_two_of_one_name(stream: bool, zoo: Menagerie) -> None:
    """F62: a name that two distributions claim is neither's: both are named, and all others answer."""
    zoo.gives("one", lambda: [ProviderSpec("twin", load="a:b", models=["m"])])
    zoo.gives("two", lambda: [ProviderSpec("twin", load="c:d", models=["m"])])
    zoo.gives("good", lambda: [Good])
    async with zoo.client() as client:
        assert "dist-one and dist-two" in str(client.registry.conflicts["twin"])
        assert list(client.registry.installed) == ["good"]
        with pytest.raises(PluginError, match="'twin' is claimed by dist-one and dist-two"):
            await ask(client, ["twin/m"], stream=stream)
        assert (await ask(client, ["good/m"], stream=stream))[0] == WHOLE


async def test_f62_one_entry_point_name_of_two_distributions(zoo: Menagerie) -> None:
    """F62: two distributions may name their entry points alike: what they provide is told by its own name."""

    class Other(Good):
        pass

    zoo.gives("same", lambda: [Good], distribution="dist-one")
    zoo.gives("same", lambda: [Other], distribution="dist-two")
    async with zoo.client() as client:
        origins = {name: one.origin for name, one in client.registry.installed.items()}
        assert origins == {"good": "dist-one", "other": "dist-two"}
        assert [plugin.distribution for plugin in client.registry.plugins] == ["dist-one", "dist-two"]
        for name in origins:
            assert (await client.chat("hi", model=f"{name}/m")).text == WHOLE


@pytest.mark.parametrize(
    "name", ["Good", "GOOD", "gооd", "good\u200b", "ｇｏｏｄ", "good ", "gööd", "good/../x", "\x1b[1m"]
)
async def test_f62_look_alikes(name: str, zoo: Menagerie) -> None:
    """F62: a name that only looks like another one is no name: its plugin is broken, and the real one answers."""
    zoo.gives("fake", lambda: [ProviderSpec(name, load="a:b", models=["m"])])
    zoo.gives("good", lambda: [Good])
    async with zoo.client() as client:
        assert [plugin.name for plugin in client.registry.broken] == ["fake"]
        assert (await client.chat("hi", model="good/m")).text == WHOLE


async def test_f62_a_row_of_ones_own_is_no_shadow(zoo: Menagerie) -> None:
    """F62: what the user gives in code stands above an installed plugin of that name, and takes the conflict away."""
    zoo.gives("one", lambda: [ProviderSpec("good", load="a:b", models=["m"])])
    zoo.gives("two", lambda: [ProviderSpec("good", load="c:d", models=["m"])])
    async with zoo.client(providers=[Good]) as client:
        assert client.registry.installed["good"].origin == "code"
        assert (await client.chat("hi", model="good/m")).text == WHOLE


# ── F63: half of a registration ──────────────────────────────────────────────────────────────────────


def half() -> object:
    """A provider, and then a failure."""
    yield Good
    raise RuntimeError("half way")


@pytest.mark.parametrize("gives", [half, lambda: [Good, 3], lambda: [Good, ProviderSpec("No Name", load="a:b")]])
async def test_f63_half_of_a_plugin_is_none(gives: Callable[[], object], zoo: Menagerie) -> None:
    """F63: of a plugin whose registration fails half way nothing is left, not even a claim to a name."""
    zoo.gives("bad", gives)
    async with zoo.client() as client:
        assert not client.registry.installed
        assert not client.registry.conflicts
        (broken,) = client.registry.broken
        assert (broken.name, broken.providers) == ("bad", ())
    zoo.gives("good", lambda: [Good])
    async with zoo.client() as client:
        assert list(client.registry.installed) == ["good"]
        assert not client.registry.conflicts
        assert (await client.chat("hi", model="good/m")).text == WHOLE


async def test_f63_an_import_that_fails_is_not_half_there(zoo: Menagerie) -> None:
    """F63: an implementation that failed to be imported is tried anew, and is there once it can be."""
    zoo.module("zoo_lazy", "raise RuntimeError('not yet')")
    zoo.gives("lazy", lambda: [LAZY])
    async with zoo.client() as client:
        with pytest.raises(ProviderError, match="not yet"):
            await client.chat("hi", model="lazy/m")
        assert "zoo_lazy" not in sys.modules
        lazy = ModuleType("zoo_lazy")
        vars(lazy).update(Lazy=Good)
        sys.modules["zoo_lazy"] = lazy
        assert (await client.chat("hi", model="lazy/m")).text == WHOLE


# ── F64: meddling ────────────────────────────────────────────────────────────────────────────────────

MEDDLED: list[str] = []


async def meddles(request: Request, context: Context) -> AsyncIterator[Event]:
    """Tries to change all that it is given, and fails as if nothing had been."""
    for target, name, value in (
        (request, "messages", ()),
        (request, "stream", None),
        (request.settings, "temperature", 2.0),
        (request.messages[0], "content", "changed"),
        (context, "model", "other"),
        (context.settings, "api_key", None),
    ):
        try:
            setattr(target, name, value)
        except (AttributeError, TypeError, ValueError):
            continue
        MEDDLED.append(f"{type(target).__name__}.{name}")
    raise OSError("nothing to see here")
    yield TextDelta("")


KINDS["meddles"] = meddles


@both
@places
async def test_f64_a_request_that_is_meddled_with(stream: bool, place: str) -> None:
    """F64: whatever a plugin does to the request, the next target is asked what the caller asked."""
    MEDDLED.clear()
    async with Host(answer=WHOLE) as host:
        row = Row("good", url=host.url, models=["m"])
        async with Client(
            providers=[_Asked("meddles"), Before, row], config=False, plugins=False, environ={}, retry=NO_RETRY
        ) as client:
            targets = ["before/m", "odd/m", "good/m"][place == "first" :]
            chain = Chain(*targets)
            messages = [{"role": "user", "content": "hi"}]
            if stream:
                async with client.stream(messages, chain=chain, temperature=0.5) as events:
                    reply = await events.reply()
            else:
                reply = await client.chat(messages, chain=chain, temperature=0.5)
        assert reply.text == WHOLE
        (received,) = host.requests
    assert received.json["messages"] == [{"role": "user", "content": "hi"}]
    assert (received.json["temperature"], received.json["model"]) == (0.5, "m")
    assert messages == [{"role": "user", "content": "hi"}]
    assert MEDDLED == []


async def writes_into_tables(request: Request, context: Context) -> AsyncIterator[Event]:
    """Puts something into each table that it is given, and fails as if nothing had been."""
    for table in (request.options, request.extra_body, request.extra_headers, context.settings.options):
        with contextlib.suppress(TypeError):
            table["meddled"] = "yes"  # type: ignore[index]  # pyright: ignore[reportIndexIssue]
    raise OSError("nothing to see here")
    yield TextDelta("")


KINDS["writes_into_tables"] = writes_into_tables


@both
@places
async def test_f64_tables_that_are_written_into(stream: bool, place: str) -> None:
    """F64: what a plugin puts into a table of the request is not sent by the next target."""
    async with Host(answer=WHOLE) as host:
        row = Row("good", url=host.url, models=["m"])
        async with Client(
            providers=[_Asked("writes_into_tables"), Before, row],
            config=False,
            plugins=False,
            environ={},
            retry=NO_RETRY,
        ) as client:
            text, _ = await ask(client, ["before/m", "odd/m", "good/m"][place == "first" :], stream=stream)
        (received,) = host.requests
    assert text == WHOLE
    assert "meddled" not in f"{received.headers} {received.body!r}"


class Keeper(AsyncGeneratorProvider):
    """Says its key in every way that it can, and fails."""

    models = ("m",)

    @classmethod
    async def stream_events(cls, request: Request, context: Context) -> AsyncIterator[Event]:  # type: ignore[override]
        """The words of an error and of the log."""
        import logging

        logging.getLogger("keeper").warning("%s %r", context.settings, context)
        raise ValueError(f"{context} {context.settings!r} {request!r}")
        yield Finish("stop")


@both
async def test_f64_a_key_that_a_plugin_shows(stream: bool, caplog: pytest.LogCaptureFixture) -> None:
    """F64: what a plugin is given shows no key, in whatever it writes."""
    key = "canary-keeper-0123456789"
    async with Client(
        providers=[Keeper, Good],
        api_keys={"keeper": key}, config=False, plugins=False, environ={}, retry=NO_RETRY,
    ) as client:  # fmt: skip
        text, attempts = await ask(client, ["keeper/m", "good/m"], stream=stream)
    assert text == WHOLE
    error = attempts[0].error
    assert error is not None
    cause = error.__cause__
    assert isinstance(cause, ValueError)
    assert key not in f"{error} {error!r} {cause} {cause!r} {caplog.text}"


class Shouter:
    """An observer that raises at everything."""

    def __getattr__(self, name: str) -> Any:
        def shout(_: object) -> None:
            raise SystemError(name)

        return shout


@both
async def test_f64_an_observer_that_raises(stream: bool, caplog: pytest.LogCaptureFixture) -> None:
    """F64: an observer that raises costs nobody the answer, and is named in the log."""
    async with Client(
        providers=[Before, Good], observers=[cast("Any", Shouter())],
        config=False, plugins=False, environ={}, retry=NO_RETRY,
    ) as client:  # fmt: skip
        text, _ = await ask(client, ["before/m", "good/m"], stream=stream)
    assert text == WHOLE
    assert "the observer Shouter raised in attempt_started" in caplog.text


async def opens_much(*_: object) -> AsyncIterator[Event]:
    """Has something to close."""
    try:
        OPEN.append("open")
        yield TextDelta("one")
        await asyncio.get_running_loop().create_future()
    finally:
        await asyncio.sleep(0)
        OPEN.clear()


OPEN: list[str] = []
KINDS["opens_much"] = opens_much


async def test_f64_what_a_plugin_opened_is_closed_when_the_caller_leaves() -> None:
    """F64: leaving a stream runs the clean-up of the plugin's generator to its end."""
    async with Client(providers=[_Asked("opens_much")], config=False, plugins=False, environ={}) as client:
        async with client.stream("hi", model="odd/m") as stream:
            async for _ in stream.text():
                break
            assert OPEN == ["open"]
        assert OPEN == []


async def raises_while_it_closes(*_: object) -> AsyncIterator[Event]:
    """Raises in its clean-up."""
    try:
        yield TextDelta("one")
        await asyncio.get_running_loop().create_future()
    finally:
        raise OSError("could not close")


KINDS["raises_while_it_closes"] = raises_while_it_closes


async def test_f64_a_clean_up_that_raises_when_the_caller_leaves() -> None:
    """F64: an error in a plugin's clean-up is at most one of ours to who leaves, and the attempt is on record."""
    async with Client(
        providers=[_Asked("raises_while_it_closes")], config=False, plugins=False, environ={}, timeout=QUICK
    ) as client:
        stream = client.stream("hi", model="odd/m")
        assert await anext(aiter(stream)) == TextDelta("one")
        with contextlib.suppress(SegueError):
            await stream.aclose()
        assert [attempt.outcome for attempt in stream.attempts] == ["abandoned"]
        assert not client._fleet.busy


async def raises_after_its_end(*_: object) -> AsyncIterator[Event]:
    """Gives a whole answer, and raises in its clean-up."""
    try:
        yield TextDelta(WHOLE)
        yield Finish("stop")
    finally:
        raise OSError("could not close")


KINDS["raises_after_its_end"] = raises_after_its_end


@both
async def test_f64_a_clean_up_that_raises_after_the_answer(stream: bool) -> None:
    """F64: an answer that is whole is one, whatever its plugin raises while it is closed."""
    async with Client(
        providers=[_Asked("raises_after_its_end")], config=False, plugins=False, environ={}, timeout=QUICK
    ) as client:
        assert (await ask(client, ["odd/m"], stream=stream))[0] == WHOLE


@both
async def test_f64_a_clean_up_that_raises_at_a_limit(stream: bool) -> None:
    """F64: a plugin that raises while it is left at a limit has failed, and the next target answers."""
    async with Client(
        providers=[_Asked("raises_while_it_hangs"), Good], config=False, plugins=False, environ={}, timeout=QUICK,
        retry=NO_RETRY,
    ) as client:  # fmt: skip
        text, attempts = await asyncio.wait_for(ask(client, ["odd/m", "good/m"], stream=stream), LIMIT)
        assert not client._fleet.busy
    assert text == WHOLE
    assert [one.outcome for one in attempts] == ["failed", "answered"]


async def raises_while_it_hangs(*_: object) -> AsyncIterator[Event]:
    """Hangs, and raises in its clean-up."""
    try:
        await asyncio.get_running_loop().create_future()
    finally:
        raise OSError("could not close")
    yield TextDelta("")


KINDS["raises_while_it_hangs"] = raises_while_it_hangs


# ── the six truths ───────────────────────────────────────────────────────────────────────────────────


def provider(kind: str) -> Fault:
    """The fault of a provider in code that does this."""
    told: dict[str, tuple[type[ProviderError], str, str]] = {
        "hangs_at_once": (PhaseTimeoutError, "first_event", ""),
        "hangs_after_its_start": (PhaseTimeoutError, "first_event", ""),
        "hangs_in_the_middle": (PhaseTimeoutError, "idle", "one two"),
        "raises_while_it_hangs": (PhaseTimeoutError, "first_event", ""),
        "no_finish": (ProtocolError, "plugin", "one two"),
        **dict.fromkeys(("nothing", "no_event", "a_none", "an_exception"), (ProtocolError, "plugin", "")),
    }
    error, phase, text = told.get(kind, (ProviderError, "plugin", ""))
    asked = _Asked(kind)
    asked.name = "faulty"
    options = {"providers": [asked]}
    return Fault(
        kind, lambda _: Elsewhere(), error, phase, text, requests=0, timeout=QUICK, options=options, in_code=True
    )


def gone(kind: str, *, zoo: Menagerie) -> Fault:
    """The fault of a target whose plugin is not to be had."""
    match kind:
        case "broken":
            zoo.written("faulty", IMPORTS["raises"][0])
        case "exits":
            zoo.written("faulty", IMPORTS["exits"][0])
        case "claimed twice":
            for name in ("one", "two"):
                zoo.gives(name, lambda: [ProviderSpec("faulty", load="a:b", models=["m"])])
        case _:
            zoo.gives("faulty", half)
    return Fault(kind, lambda _: Elsewhere(), None, requests=0, options={"plugins": True}, in_code=True, left_out=True)


IN_CODE = {
    "F60": ["hangs_at_once", "hangs_after_its_start", "hangs_in_the_middle"],
    "F61": [*WRONG, "no_finish"],
    "F64": ["meddles", "writes_into_tables", "raises_while_it_hangs"],
}
NOT_THERE = {"F59": ["broken", "exits"], "F62": ["claimed twice"], "F63": ["half"]}


@pytest.mark.parametrize("kind", [kind for kinds in IN_CODE.values() for kind in kinds])
@both
@places
async def test_f60_f61_f64_between_hosts(kind: str, stream: bool, place: Any) -> None:
    """F60, F61, F64: between hosts all six are true of a provider that hangs, lies or meddles."""
    await check(provider(kind), stream=stream, place=place)


@both
@places
async def test_f59_an_implementation_between_hosts(stream: bool, place: Any) -> None:
    """F59: between hosts all six are true of an implementation that cannot be imported."""
    spec = ProviderSpec("faulty", load="zoo_of_nobody:Nobody", models=["m"])
    fault = Fault(
        "F59", lambda _: Elsewhere(), ProviderError, "plugin",
        requests=0, options={"providers": [spec]}, in_code=True,
    )  # fmt: skip
    await check(fault, stream=stream, place=place)


@pytest.mark.parametrize("kind", [kind for kinds in NOT_THERE.values() for kind in kinds])
@both
@places
async def test_f59_f62_f63_between_hosts(kind: str, stream: bool, place: Any, zoo: Menagerie) -> None:
    """F59, F62, F63: between hosts all six are true of a target whose plugin is not to be had: it is left out."""
    await check(gone(kind, zoo=zoo), stream=stream, place=place)
