"""Readers that pause, and that read each event in a task of its own, F65 of the catalogue."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import pytest
from matrix import LIMIT, NO_RETRY, WHOLE, Clock, Host, read

import segue.sync
from segue import (
    AllFailedError,
    Breaker,
    Chain,
    Client,
    Hedge,
    PhaseTimeoutError,
    ProviderError,
    StreamBrokenError,
    TextDelta,
    Timeout,
)
from segue.chain.targets import Target
from segue.plugin import AsyncGeneratorProvider, Event
from segue.plugins.middleware import Middleware
from segue.testing import CromicleHost, ImpatientLoop, Stall, run_virtually
from segue.transport import AiohttpTransport, Call, answered, exchange
from segue.wire.openai_chat import Decoder
from segue_cromicle import Cromicle, _create_header, _create_payload

if TYPE_CHECKING:
    from matrix import Reading

T = TypeVar("T")
Read: TypeAlias = Callable[[AsyncIterator[T]], AsyncGenerator[T, None]]

WORDS = ("one", " two", " three", " four", " five")
LIMITS = Timeout(first_event=1.0, idle=1.0)
PAUSE = 10.0


# ── who answers ──────────────────────────────────────────────────────────────────────────────────────


class Paced(AsyncGeneratorProvider):
    """Answers, a piece at a time."""

    models = ("m",)

    @classmethod
    async def create_async_generator(cls, *_: Any, messages: Any = (), **__: Any) -> AsyncIterator[str]:
        for word in WORDS:
            await asyncio.sleep(0.05)
            yield word


class Other(Paced):
    """Another one."""


class Broken(Paced):
    """Breaks before a word."""

    @classmethod
    async def create_async_generator(cls, *_: Any, **__: Any) -> AsyncIterator[str]:
        await asyncio.sleep(0.05)
        yield "\n"
        raise StreamBrokenError("broken")


class Silent(Paced):
    """Says one word, and then nothing more."""

    @classmethod
    async def create_async_generator(cls, *_: Any, **__: Any) -> AsyncIterator[str]:
        yield "one"
        await asyncio.sleep(1e6)


class Mute(Paced):
    """Says nothing."""

    @classmethod
    async def create_async_generator(cls, *_: Any, **__: Any) -> AsyncIterator[str]:
        await asyncio.sleep(1e6)
        yield ""


class Stubborn(Paced):
    """Keeps the first cancellation to itself, and goes on."""

    @classmethod
    async def create_async_generator(cls, *_: Any, **__: Any) -> AsyncIterator[str]:
        yield "one"
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(1e6)
        yield " two"
        await asyncio.sleep(0.5)
        yield " three"


class Suicidal(Paced):
    """Cancels the task that it runs in, after so many words."""

    words = 0

    @classmethod
    async def create_async_generator(cls, *_: Any, **__: Any) -> AsyncIterator[str]:
        for word in WORDS[: cls.words]:
            yield word
        task = asyncio.current_task()
        assert task is not None
        asyncio.get_running_loop().call_later(0.01, task.cancel)
        await asyncio.sleep(1e6)


class Plain(Middleware):
    """Reads, and gives."""

    async def events(self, events: AsyncIterator[Event], request: object, /) -> AsyncIterator[Event]:
        async for event in events:
            yield event


PROVIDERS = (Paced, Other, Broken, Silent, Mute, Stubborn, Suicidal)


def client_of(**options: Any) -> Client:
    """A client of all of them, who take a prefill."""
    facts = {f"{one.__name__.lower()}/m": {"prefill": True} for one in PROVIDERS}
    given = {"plugins": False, "environ": {}, "timeout": LIMITS, "retry": NO_RETRY, "config": {"models": facts}}
    return Client(providers=PROVIDERS, **{**given, **options})


FORMS: dict[str, Callable[[str], dict[str, Any]]] = {
    "model": lambda name: {"model": f"{name}/m"},
    "chain": lambda name: {"chain": Chain(f"{name}/m", "other/m")},
    "hedged": lambda name: {"chain": Chain(f"{name}/m", "other/m", hedge=Hedge(after=5.0))},
    "hedged at once": lambda name: {"chain": Chain(f"{name}/m", "mute/m", hedge=Hedge(after=0.0))},
    "gone on with": lambda name: {"chain": Chain("broken/m", f"{name}/m")},
    "held back": lambda name: {"model": f"{name}/m", "hold_back": 2},
    "rejecting": lambda name: {"model": f"{name}/m", "reject": "empty"},
    "target's own limits": lambda name: {"chain": Chain(Target(f"{name}/m", timeout=LIMITS)), "timeout": Timeout()},
    "limited": lambda name: {"chain": Chain(Target(f"{name}/m", concurrency=1))},
    "a far total": lambda name: {"model": f"{name}/m", "timeout": Timeout(first_event=1.0, idle=1.0, total=1e5)},
    "middleware": lambda name: {"model": f"{name}/m"},
}
"""How a stream is asked for, given the provider's name."""

forms = pytest.mark.parametrize("form", FORMS)


def options_of(form: str) -> dict[str, Any]:
    """What the client of this form is given."""
    return {"middleware": [Plain()]} if form == "middleware" else {}


# ── how it is read ───────────────────────────────────────────────────────────────────────────────────


async def in_one_task(taking: AsyncIterator[T]) -> AsyncGenerator[T, None]:
    """As an async for reads."""
    async for one in taking:
        yield one


async def in_a_task_each(taking: AsyncIterator[T]) -> AsyncGenerator[T, None]:
    """Each in a task of its own."""
    while True:
        try:
            yield await asyncio.ensure_future(anext(taking))
        except StopAsyncIteration:
            return


async def with_a_heartbeat(taking: AsyncIterator[T]) -> AsyncGenerator[T, None]:
    """As servers read who send a sign of life while they wait."""
    while True:
        task = asyncio.ensure_future(anext(taking))
        try:
            while not (await asyncio.wait({task}, timeout=0.3))[0]:
                pass
            yield task.result()
        except StopAsyncIteration:
            return
        finally:
            task.cancel()
            await asyncio.wait({task})


async def within_a_limit(taking: AsyncIterator[T]) -> AsyncGenerator[T, None]:
    """Each within a limit of the reader's own, which is longer than ours."""
    while True:
        try:
            async with asyncio.timeout(60):
                one = await anext(taking)
        except StopAsyncIteration:
            return
        yield one


READERS: dict[str, Read[Any]] = {
    "in one task": in_one_task,
    "in a task each": in_a_task_each,
    "with a heartbeat": with_a_heartbeat,
    "within a limit": within_a_limit,
}
readers = pytest.mark.parametrize("reader", READERS)


def now() -> float:
    """The loop's time."""
    return asyncio.get_running_loop().time()


# ── a reader that pauses ─────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("as_text", [False, True], ids=["events", "text"])
@forms
@readers
def test_f65_a_reader_that_pauses_gets_the_whole_answer(form: str, reader: str, as_text: bool) -> None:
    """F65: who does something else for longer than every limit after each event reads the whole answer."""

    async def main() -> None:
        async with client_of(breaker=Breaker(failures=1), **options_of(form)) as client:
            async with client.stream("hi", **FORMS[form]("paced")) as stream:
                heard = ""
                taking: AsyncIterator[Any] = stream.text() if as_text else aiter(stream)
                async for one in READERS[reader](taking):
                    heard += one if as_text else one.text if isinstance(one, TextDelta) else ""
                    await asyncio.sleep(PAUSE)
                reply = await stream.reply()
            assert heard.lstrip() == reply.text.lstrip() == WHOLE
            assert reply.provider == "paced"
            assert not client._fleet.busy
            task = asyncio.current_task()
            assert task is not None
            assert not task.cancelling()

    run_virtually(main())


@forms
@readers
@pytest.mark.parametrize("pause", [0.0, PAUSE], ids=["at once", "pausing"])
def test_f65_silence_is_found_out_however_it_is_read(form: str, reader: str, pause: float) -> None:
    """F65: a host that falls silent is found out by idle, counted from when it is waited for."""

    async def main() -> None:
        caught: ProviderError | AllFailedError | None = None
        async with client_of(**options_of(form)) as client:
            async with client.stream("hi", **FORMS[form]("silent")) as stream:
                try:
                    async for _ in READERS[reader](aiter(stream)):
                        await asyncio.sleep(pause)
                except (ProviderError, AllFailedError) as error:
                    caught = error
        assert (caught is None) is (form in {"chain", "hedged"})  # there another one went on with it
        (silent,) = [one for one in stream.attempts if one.provider == "silent"]
        assert isinstance(silent.error, PhaseTimeoutError)
        assert silent.error.phase == "idle"
        # A race reads ahead in a task of its own: there it is found out in the pause.
        pauses = 0 if "hedged" in form or not pause else 2 if form == "gone on with" else 1
        assert silent.duration == pytest.approx(pauses * pause + 1.0)

    run_virtually(main())


@forms
@readers
def test_f65_a_host_that_says_nothing_is_found_out_however_it_is_read(form: str, reader: str) -> None:
    """F65: a host that does not begin is found out by first_event, and the next one is asked where there is one."""

    async def main() -> None:
        begun = now()
        async with client_of(**options_of(form)) as client:
            async with client.stream("hi", **FORMS[form]("mute")) as stream:
                caught: ProviderError | AllFailedError | None = None
                try:
                    async for _ in READERS[reader](aiter(stream)):
                        pass
                except (ProviderError, AllFailedError) as error:
                    caught = error
            failed = [one.error for one in stream.attempts if one.provider == "mute" and one.outcome == "failed"]
        assert failed
        assert {getattr(error, "phase", None) for error in failed} == {"first_event"}
        assert (caught is None) is (form in {"chain", "hedged"})
        assert now() - begun < 3.0

    run_virtually(main())


# ── the total ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("form", [form for form in FORMS if form not in {"a far total", "target's own limits"}])
@readers
def test_f65_a_total_that_ends_in_a_pause_is_told_at_the_next_wait(form: str, reader: str) -> None:
    """F65: the reader is not cancelled, the error comes when more is wanted of the host, and nobody is blamed."""
    limits = Timeout(first_event=None, idle=None, total=5.0)

    async def main() -> None:
        async with client_of(breaker=Breaker(failures=1), **options_of(form)) as client:
            async with client.stream("hi", timeout=limits, **FORMS[form]("silent")) as stream:
                heard, paused = "", 0.0
                caught: ProviderError | AllFailedError | None = None
                try:
                    async for event in READERS[reader](aiter(stream)):
                        heard += event.text if isinstance(event, TextDelta) else ""
                        await asyncio.sleep(PAUSE if event != TextDelta("\n") else 0)
                        paused = now()
                except (ProviderError, AllFailedError) as error:
                    caught = error
                assert now() == pytest.approx(paused)
            last = caught.exceptions[-1] if isinstance(caught, AllFailedError) else caught
            assert heard.strip() == "one"
            assert isinstance(last, PhaseTimeoutError)
            assert last.phase == "total"
            assert caught is not None
            assert caught.text.strip() == "one"
            assert client.health.states.keys() <= {("broken", "m")}

    run_virtually(main())


@pytest.mark.parametrize("reading", ["pausing", "tasks"])
async def test_f65_what_came_in_the_pause_is_given_though_the_total_ended_in_it(reading: Reading) -> None:
    """F65: the host was in time: what it had sent before the next wait is the answer."""
    async with Host(answer=WHOLE) as host, AiohttpTransport() as transport:
        rows = {"faulty": {"wire": "openai_chat", "base_url": host.url, "models": ["m"]}}
        limits = Timeout(first_event=5.0, idle=5.0, total=5.0)
        async with Client(
            config={"providers": rows}, plugins=False, environ={}, timeout=limits, transport=transport
        ) as client:
            with Clock() as clock:
                async with client.stream("hi", model="faulty/m") as stream:
                    taking = read(stream.text(), clock, reading, PAUSE)
                    assert "".join([text async for text in taking]) == WHOLE


# ── whose cancellation it is ─────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("form", [form for form in FORMS if form != "target's own limits"])
@readers
@pytest.mark.parametrize("pausing", [False, True], ids=["in a wait", "in a pause"])
def test_f65_who_cancels_the_reader_cancels_it(form: str, reader: str, pausing: bool) -> None:
    """F65: a cancellation from outside stays one, and what was open is closed: also after pauses."""

    async def main() -> None:
        async with client_of(**options_of(form)) as client:
            waiting = asyncio.Event()

            async def ask() -> None:
                limits = Timeout(first_event=None, idle=None)
                given = {**FORMS[form]("silent"), "timeout": limits}
                async with client.stream("hi", **given) as stream:
                    async with contextlib.aclosing(READERS[reader](aiter(stream))) as events:
                        async for event in events:
                            if isinstance(event, TextDelta) and event.text.strip():
                                await asyncio.sleep(PAUSE)
                                waiting.set()
                                await asyncio.sleep(PAUSE if pausing else 0)

            own = asyncio.all_tasks()
            task = asyncio.create_task(ask())
            await waiting.wait()
            await asyncio.sleep(0.5)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await asyncio.sleep(0)
            assert asyncio.all_tasks() == own
            assert not client._fleet.busy

    run_virtually(main())


@forms
def test_f65_a_readers_own_limit_stays_its_own(form: str) -> None:
    """F65: where a reader's own asyncio.timeout ends a wait, that is what it gets, at its own time."""

    async def main() -> None:
        async with client_of(**options_of(form)) as client:
            async with client.stream("hi", **FORMS[form]("silent")) as stream:
                taking = aiter(stream)
                while True:
                    event = await anext(taking)
                    if isinstance(event, TextDelta) and event.text.strip():
                        break
                begun = now()
                with pytest.raises(TimeoutError) as caught:
                    async with asyncio.timeout(0.4):
                        await anext(taking)
        assert type(caught.value) is TimeoutError
        assert now() - begun == pytest.approx(0.4)

    run_virtually(main())


@readers
def test_f65_a_kept_cancellation_is_taken_back(reader: str) -> None:
    """F65: a provider that keeps the watch's cancellation to itself leaves the reader's task uncancelled."""

    async def main() -> None:
        async with client_of() as client:
            async with client.stream("hi", model="stubborn/m") as stream:
                heard = ""
                async for text in READERS[reader](stream.text()):
                    heard += text
                    task = asyncio.current_task()
                    assert task is not None
                    assert not task.cancelling()
        assert heard == "one two three"

    run_virtually(main())


def test_f65_who_cancels_a_reader_of_a_stubborn_provider_cancels_it() -> None:
    """F65: after a cancellation that a provider kept to itself, the caller's own is still the caller's."""

    async def main() -> None:
        async with client_of() as client:

            async def ask() -> None:
                async with client.stream("hi", model="stubborn/m") as stream:
                    async for text in stream.text():
                        if text == " two":
                            asyncio.get_running_loop().call_later(0.1, task.cancel)

            task = asyncio.create_task(ask())
            with pytest.raises(asyncio.CancelledError):
                await task

    run_virtually(main())


@pytest.mark.parametrize("words", [0, 1, 3])
@readers
def test_f65_a_provider_that_cancels_itself_in_a_race_leaves_nobody_waiting(
    words: int, reader: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """F65: before its first word the next one answers; after it the error says so, and the stream does not hang."""
    monkeypatch.setattr(Suicidal, "words", words)

    async def main() -> None:
        async with client_of() as client:
            chain = Chain("suicidal/m", "other/m", hedge=Hedge(after=5.0), mid_stream="fail")
            async with client.stream("hi", chain=chain) as stream:
                heard, caught = "", None
                try:
                    async for text in READERS[reader](stream.text()):
                        heard += text
                        await asyncio.sleep(PAUSE)
                except ProviderError as error:
                    caught = error
        if words:
            assert heard == "".join(WORDS[:words])
            assert caught is not None
            assert (str(caught.args[0]), caught.phase) == ("the provider was cancelled from within", "plugin")
        else:
            assert (heard, caught) == (WHOLE, None)

    run_virtually(main())


# ── without a client ─────────────────────────────────────────────────────────────────────────────────


def sent(host: Host) -> Call:
    """A call of the Chat Completions wire."""
    body = b'{"model":"m","stream":true,"messages":[{"role":"user","content":"hi"}]}'
    return Call(f"{host.url}/chat/completions", {"content-type": "application/json"}, body)


class Written(AsyncGeneratorProvider):
    """Gives what its host sends, over a transport of its own with the usual limits."""

    @classmethod
    async def create_async_generator(cls, model: str, messages: Any, **_: Any) -> AsyncIterator[str]:
        call = Call(f"{cls.url}/chat", _create_header(), json.dumps(_create_payload("hi")).encode())
        async with answered(call) as response, contextlib.aclosing(response.chunks()) as chunks:
            async for data in chunks:
                yield data.decode()


def moved(cls: type[AsyncGeneratorProvider], url: str) -> type[AsyncGeneratorProvider]:
    """The provider at another address."""
    return type(cls.__name__, (cls,), {"url": url})


async def in_order(clock: Clock, task: asyncio.Task[T], seconds: float) -> T:
    """What a task comes to that waits for so long."""
    await clock.turns()
    assert not task.done()
    await clock.pause(seconds)
    async with asyncio.timeout(LIMIT):
        return await task


@pytest.mark.parametrize("reading", ["pausing", "tasks"])
async def test_f65_an_exchange_is_read_with_pauses(reading: Reading) -> None:
    """F65: the transport's own watch stands around its own waits as well."""
    async with Host(answer=WHOLE) as host, AiohttpTransport(timeout=LIMITS) as transport:
        with Clock() as clock:
            taking = read(exchange(transport, sent(host), Decoder()), clock, reading, PAUSE)
            text = "".join([event.text async for event in taking if isinstance(event, TextDelta)])
    assert text == WHOLE


async def test_f65_an_exchange_read_in_tasks_finds_silence_out() -> None:
    """F65: with a task for each event the transport finds silence out by idle."""
    host = Host(answer=WHOLE, script=[Stall("middle")])
    async with host, AiohttpTransport(timeout=Timeout(idle=5.0)) as transport:
        flow = exchange(transport, sent(host), Decoder())
        with Clock() as clock:
            heard = ""
            while not heard.endswith("two"):
                event = await asyncio.create_task(flow.__anext__())
                heard += event.text if isinstance(event, TextDelta) else ""
                await clock.pause(PAUSE)
            with pytest.raises(PhaseTimeoutError, match="idle"):
                await in_order(clock, asyncio.create_task(flow.__anext__()), PAUSE)
        await flow.aclose()


@pytest.mark.parametrize("kind", [Cromicle, Written])
@pytest.mark.parametrize("reading", ["pausing", "tasks"])
async def test_f65_a_generator_is_read_with_pauses(reading: Reading, kind: type[AsyncGeneratorProvider]) -> None:
    """F65: so it is where a provider of the generator form is used without a client."""
    async with CromicleHost(answer=list(WORDS), framing="chunked") as host:
        cls = moved(kind, host.url)
        with Clock() as clock:
            pieces = cls.create_async_generator("m", [{"role": "user", "content": "hi"}])
            text = "".join([piece async for piece in read(aiter(pieces), clock, reading, 1000.0)])
    assert text == WHOLE


async def test_f65_a_generator_read_in_tasks_finds_silence_out() -> None:
    """F65: and with a task for each piece its host's silence is found out by the transport's own limit."""
    async with CromicleHost(answer=list(WORDS), script=[Stall("middle", after_tokens=1)]) as host:
        cls = moved(Written, host.url)
        with Clock() as clock:
            pieces: Any = cls.create_async_generator("m", [])
            assert await asyncio.create_task(pieces.__anext__()) == "one"
            await clock.pause(1000.0)
            with pytest.raises(PhaseTimeoutError, match="idle"):
                await in_order(clock, asyncio.create_task(pieces.__anext__()), 61.0)


# ── without a loop ───────────────────────────────────────────────────────────────────────────────────


def test_f65_a_reader_in_a_thread_may_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """F65: what is fetched ahead of a reader in a thread waits for room, and nobody's limit runs meanwhile."""
    waits = threading.Event()
    ahead = segue.sync._AHEAD

    class Long(AsyncGeneratorProvider):
        models = ("m",)

        @classmethod
        async def create_async_generator(cls, *_: Any, **__: Any) -> AsyncIterator[str]:
            for number in range(3 * ahead):
                if number == ahead:
                    waits.set()
                yield f"{number} "
                await asyncio.sleep(0.01)

    monkeypatch.setattr(segue.sync, "_Loop", ImpatientLoop)
    given: dict[str, Any] = {"plugins": False, "environ": {}, "config": False, "timeout": LIMITS, "retry": NO_RETRY}
    with segue.sync.Client(providers=[Long], **given) as client:
        with client.stream("hi", model="long/m") as stream:
            pieces = stream.text()
            heard = [next(pieces)]
            assert waits.wait(LIMIT)
            client._call(asyncio.sleep(3600))  # an hour of its loop's time
            heard += pieces
            assert stream.reply().text == "".join(heard)
    assert heard == [f"{number} " for number in range(3 * ahead)]
