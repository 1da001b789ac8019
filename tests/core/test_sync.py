"""The front door for code without a loop: threads, running loops, forks, Ctrl-C, and what is left behind."""

from __future__ import annotations

import asyncio
import gc
import inspect
import os
import signal
import subprocess
import sys
import textwrap
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, get_overloads

import pytest

import segue
from segue import (
    AllFailedError,
    ClosedError,
    Event,
    Finish,
    NoCandidateError,
    OverloadedError,
    ProviderError,
    RateLimitError,
    Retry,
    StreamBrokenError,
    TextDelta,
)
from segue.plugin import AsyncGeneratorProvider, Model
from segue.sync import Client, Stream
from segue.testing import Answer, Cut, OpenAIHost, Stall, Status
from segue.transport import AiohttpTransport

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine, Iterator, Sequence

    from segue.plugin import Context, Request
    from segue.testing import Received

MODEL = "openai/gpt-4o-mini"
SECONDS = 30
"""For what must happen, and is given up where it does not."""


class Served:
    """A host in a thread and loop of its own, and how to wait for what it sees."""

    def __init__(self, **options: Any) -> None:
        self._options = options
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name="host")

    async def _serve(self) -> None:
        async with OpenAIHost(**self._options) as self.host:
            self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
            self._ready.set()
            await self._stop.wait()

    def start(self) -> None:
        self._thread.start()
        assert self._ready.wait(SECONDS)

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(SECONDS)

    def wait(self, seen: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(asyncio.wait_for(seen, SECONDS), self._loop).result()

    @property
    def environ(self) -> dict[str, str]:
        return {"OPENAI_API_KEY": "sk-test-test", "OPENAI_BASE_URL": self.host.url}

    def client(self, **options: Any) -> Client:
        return Client(config=False, environ=self.environ, retry=Retry(count=0), **options)


@contextmanager
def served(**options: Any) -> Iterator[Served]:
    host = Served(**options)
    host.start()
    try:
        yield host
    finally:
        host.stop()


def said(received: Received) -> list[str]:
    """An answer that says what was asked."""
    return [received.json["messages"][-1]["content"]]


class Scripted:
    """A provider that gives these events, or raises those of them that are errors."""

    name = "scripted"

    def __init__(self, *events: Event | BaseException) -> None:
        self._events = events
        self.given = 0

    def models(self) -> Sequence[Model]:
        return [Model("m")]

    async def stream(self, request: Request, context: Context) -> AsyncIterator[Event]:
        for event in self._events:
            if isinstance(event, BaseException):
                raise event
            self.given += 1
            yield event


def hermetic(*providers: object) -> Client:
    return Client(providers=providers, config=False, plugins=False, environ={}, retry=Retry(count=0))


def script(code: str) -> list[str]:
    return [sys.executable, "-W", "error", "-X", "dev", "-c", textwrap.dedent(code)]


def run(code: str, host: Served, **environ: str) -> str:
    """What a script prints; it ends well and says nothing on stderr, every warning being an error."""
    inherited = dict(os.environ)
    if "os.fork" in code:
        # coverage's collector has a lock that no fork lets go of: held by another thread just then, it stays with
        # the child for good (seen in Collector.lock_data of coverage 7). What a fork costs us is not its business.
        inherited = {name: value for name, value in inherited.items() if not name.startswith("COVERAGE_")}
    done = subprocess.run(
        script(code),
        check=False,
        env={**inherited, **host.environ, **environ},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


# ── threads ──────────────────────────────────────────────────────────────────────────────────────────


def test_many_threads_share_a_client() -> None:
    """200 calls from 8 threads each get their own answer, on few connections, and no thread is left."""
    with served(answer=said) as host:
        before = threading.active_count()
        with host.client() as client, ThreadPoolExecutor(8) as pool:
            texts = pool.map(lambda n: client.chat(f"call {n}", model=MODEL).text, range(200))
            assert list(texts) == [f"call {n}" for n in range(200)]
        assert threading.active_count() == before
        assert host.host.connections <= 8
        host.wait(host.host.until_closed())


def test_many_threads_stream() -> None:
    """Streams of several threads at the same time do not get into each other."""
    with served(answer=lambda received: said(received) * 100) as host, host.client() as client:

        def read(n: int) -> str:
            with client.stream(str(n), model=MODEL) as stream:
                return "".join(stream.text())

        with ThreadPoolExecutor(8) as pool:
            assert list(pool.map(read, range(24))) == [str(n) * 100 for n in range(24)]


async def test_inside_a_running_loop() -> None:
    """Code with a loop of its own may call it: it waits, and nothing complains of the running loop."""
    with served(answer="hello world") as host, host.client() as client:
        assert client.chat("x", model=MODEL).text == "hello world"
        with client.stream("x", model=MODEL) as stream:
            assert list(stream.text()) == ["hello", " world"]


def test_the_callers_context_is_seen() -> None:
    """A context variable of the caller has its value in the provider, in both forms of asking."""
    trace = ContextVar("trace", default="none")

    class Traced(AsyncGeneratorProvider):
        models = ("m",)

        @classmethod
        async def create_async_generator(cls, *_: Any, **__: Any) -> AsyncIterator[str]:
            yield trace.get()

    with hermetic(Traced) as client:
        trace.set("mine")
        assert client.chat("x", model="m").text == "mine"
        with client.stream("x", model="m") as stream:
            assert stream.reply().text == "mine"


def test_its_own_loop_cannot_call_it() -> None:
    """A provider that calls the client which asks it gets an error, where it would wait for ever."""

    class Circular(AsyncGeneratorProvider):
        models = ("m",)

        @classmethod
        async def create_async_generator(cls, *_: Any, **__: Any) -> AsyncIterator[str]:
            client.chat("x", model="m")
            yield "x"

    with hermetic(Circular) as client:
        with pytest.raises(ProviderError) as caught:
            client.chat("x", model="m")
        assert isinstance(caught.value.__cause__, RuntimeError)


# ── streams ──────────────────────────────────────────────────────────────────────────────────────────


def test_a_stream_is_read_in_order_and_folds_into_its_reply() -> None:
    """All events come, and the reply, the attempts and who answered agree with them."""
    with served(answer="one two three") as host, host.client() as client:
        with client.stream("x", model=MODEL) as stream:
            assert (stream.provider, stream.model, stream.attempts) == (None, None, ())
            events = list(stream)
            reply = stream.reply()
            assert (stream.provider, stream.model) == ("openai", "gpt-4o-mini")
        assert "".join(event.text for event in events if isinstance(event, TextDelta)) == reply.text == "one two three"
        assert isinstance(events[-1], Finish)
        assert stream.attempts == reply.attempts
        assert [attempt.outcome for attempt in reply.attempts] == ["answered"]
        with client.stream("x", model=MODEL) as stream:
            assert stream.reply().text == "one two three"


def test_leaving_early_closes_the_connection() -> None:
    """Whoever leaves the ``with`` before the end has closed the connection, and cannot read on."""
    with served(script=[Stall("middle")]) as host, host.client() as client:
        with client.stream("x", model=MODEL) as stream:
            next(stream.text())
        host.wait(host.host.closed_by_client())
        with pytest.raises(ClosedError):
            list(stream)
        with pytest.raises(ClosedError):
            stream.reply()


def test_a_stream_that_is_dropped_closes_the_connection() -> None:
    """Also without ``with``: a stream that nobody holds any more is left."""
    with served(script=[Stall("middle")]) as host, host.client() as client:
        for _ in client.stream("x", model=MODEL):
            break
        gc.collect()
        host.wait(host.host.closed_by_client())


def test_a_stream_that_is_not_read_asks_for_nothing() -> None:
    """Nothing is sent before the first event is wanted."""
    with served() as host, host.client() as client:
        with client.stream("x", model=MODEL):
            pass
        assert host.host.connections == 0


def test_the_provider_does_not_run_ahead() -> None:
    """However slowly it is read, only so many events are fetched ahead."""
    provider = Scripted(*[TextDelta("x")] * 5_000, Finish("stop"))
    with hermetic(provider) as client, client.stream("x", model="m") as stream:
        ahead = [provider.given - taken for taken, _ in enumerate(stream)]
    assert len(ahead) == 5_001
    assert max(ahead) <= 66  # 64 that wait, one in hand on each side


# ── errors ───────────────────────────────────────────────────────────────────────────────────────────


def test_errors_keep_their_type() -> None:
    """An error is the same one as in code with a loop, with its fields and attempts."""
    steps = [Status(429, retry_after="7"), Status(503)]
    with served(script=steps) as host, host.client(breaker=None) as client:
        with pytest.raises(RateLimitError) as limited:
            client.chat("x", model=MODEL)
        assert (limited.value.retry_after, len(limited.value.attempts)) == (7, 1)
        with pytest.raises(OverloadedError) as overloaded, client.stream("x", model=MODEL) as stream:
            next(stream)
        assert overloaded.value.attempts == stream.attempts
        with pytest.raises(AllFailedError) as all_failed:
            client.chat("x", chain=segue.Chain(MODEL, "openai/gpt-4o"))
        assert len(all_failed.value.attempts) == 2


def test_an_error_comes_after_the_events_before_it() -> None:
    """What came before a cut is read first; the error is raised once, and then the stream has ended."""
    body = OpenAIHost.sse_body(["hello", " from", " the", " host"])
    with served(script=[Cut(body.index(b" the"))]) as host, host.client() as client:
        with client.stream("x", model=MODEL) as stream:
            text = stream.text()
            assert (next(text), next(text)) == ("hello", " from")
            with pytest.raises(StreamBrokenError) as caught:
                next(text)
            assert list(stream) == []
        assert caught.value.text == "hello from"


def test_wrong_arguments_are_told_at_once() -> None:
    """stream() raises before it is entered where it could ask nobody."""
    with hermetic() as client:
        with pytest.raises(NoCandidateError):
            client.stream("x")
        with pytest.raises(NoCandidateError):
            client.chat("x")


def test_a_provider_that_exits_ends_its_call_alone() -> None:
    """SystemExit in a provider is raised where the call was made; the loop goes on."""
    with hermetic(Scripted(SystemExit(3))) as client:
        for _ in range(2):
            with pytest.raises(SystemExit):
                client.chat("x", model="m")
            with pytest.raises(SystemExit), client.stream("x", model="m") as stream:
                next(stream)


# ── closing ──────────────────────────────────────────────────────────────────────────────────────────


def test_a_closed_client_leaves_nothing_behind() -> None:
    """Closing leaves no thread and no connection, and closing again does nothing."""
    with served() as host:
        client, before = host.client(), threading.active_count()
        client.chat("x", model=MODEL)
        assert threading.active_count() > before
        for _ in range(2):
            client.close()
            assert threading.active_count() == before
            host.wait(host.host.until_closed())


def test_closing_gives_up_the_calls_under_way() -> None:
    """A call or stream of another thread ends at once, with an error that says why."""
    with served(script=[Stall("headers"), Stall("middle")]) as host, ThreadPoolExecutor(2) as pool:
        client = host.client()

        def read() -> list[Event]:
            with client.stream("x", model=MODEL) as stream:
                return list(stream)

        call = pool.submit(client.chat, "x", model=MODEL)
        host.wait(host.host.until_requests(1))
        stream = pool.submit(read)
        host.wait(host.host.until_requests(2))
        client.close()
        for waiting in (call, stream):
            with pytest.raises(ClosedError, match="closed"):
                waiting.result(SECONDS)
        host.wait(host.host.until_closed())


def test_the_callers_own_transport_is_closed_in_this_loop() -> None:
    """A transport that was given has connections in the client's loop that nobody else could close."""
    with served() as host:
        with host.client(transport=AiohttpTransport()) as client:
            client.chat("x", model=MODEL)
        host.wait(host.host.until_closed())


def test_a_client_that_is_dropped_ends_its_thread() -> None:
    """Without close() too: once nobody holds the client its thread and connections end."""
    with served() as host:
        client, before = host.client(), set(threading.enumerate())
        client.chat("x", model=MODEL)
        (thread,) = (one for one in threading.enumerate() if one not in before and one.daemon)
        del client
        gc.collect()
        thread.join(SECONDS)
        assert not thread.is_alive()
        host.wait(host.host.until_closed())


def test_a_script_that_never_closes_ends_without_a_word() -> None:
    """Its end gives up a stream left in the middle, as closing does, and makes no warning."""
    code = """
        from segue.observation import Observer
        from segue.sync import Client

        class Watch(Observer):
            def attempt_ended(self, attempt): print(attempt.outcome)

        client = Client(config=False, observers=[Watch()])
        print(client.chat("x", model="openai/gpt-4o-mini").text)
        stream = client.stream("x", model="openai/gpt-4o-mini")
        print(next(stream.text()))
    """
    with served(script=[Answer("whole"), Stall("middle")]) as host:
        named = host.host.url.replace("127.0.0.1", "localhost")  # a name is looked up in a thread, which ends too
        assert run(code, host, OPENAI_BASE_URL=named).split() == ["answered", "whole", "hello", "abandoned"]
        host.wait(host.host.until_closed())


def test_a_client_dropped_at_the_very_end_is_stopped_once() -> None:
    """A thread that is ending already is waited for at exit, not stopped again in the midst of its closing."""
    code = """
        import gc
        from segue.sync import Client
        for _ in range(10):
            client = Client(config=False)
            client.chat("x", model="openai/gpt-4o-mini")
        del client
        gc.collect()
    """
    with served() as host:
        assert run(code, host) == ""
        host.wait(host.host.until_closed())


def test_the_import_is_light() -> None:
    """Importing it starts no thread and loads no package that the async client does not."""
    code = """
        import sys, threading
        import segue.client.client
        before = set(sys.modules)
        import segue.sync
        print({name.partition(".")[0] for name in set(sys.modules) - before} - sys.stdlib_module_names)
        print(threading.active_count())
    """
    with served() as host:
        assert run(code, host).split() == ["{'segue'}", "1"]


# ── processes and signals ────────────────────────────────────────────────────────────────────────────

posix = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")

FORK = """
        import contextlib, gc, os, signal, socket, sys, threading, warnings
        from segue.sync import Client

        MODEL = "openai/gpt-4o-mini"

        def fork():
            with warnings.catch_warnings():
                # Python 3.12 and later warn of every fork in a process with threads: that the child may
                # deadlock. That it does not is what this is about.
                warnings.filterwarnings("ignore", "This process .* is multi-threaded", DeprecationWarning)
                return os.fork()

        def connections():
            for fd in map(int, os.listdir("/proc/self/fd")):
                with contextlib.suppress(OSError), socket.socket(fileno=os.dup(fd)) as sock:
                    if sock.family != socket.AF_UNIX:  # such a pair wakes a loop
                        yield sock.getpeername()
"""


@posix
def test_a_forked_child_has_connections_of_its_own() -> None:
    """Parent and child go on after a fork, each on its own connections, also in the middle of a stream."""
    code = """
        client = Client(config=False)
        stream = client.stream("parent streams", model=MODEL)
        first = next(stream.text())
        client.chat("parent before", model=MODEL)
        idle = client.stream("never asked", model=MODEL)
        child = fork()
        if not child:
            signal.alarm(30)
            if sys.platform == "linux":
                assert list(connections()) == []
            try:
                next(stream)
            except RuntimeError as error:
                assert "fork" in str(error)
            else:
                raise AssertionError("read the parent's stream")
            stream.close()
            for n in range(2):
                assert client.chat(f"child {n}", model=MODEL).text.startswith("child")
            before = threading.active_count()
            client.close()
            assert threading.active_count() == before - 1
            client = Client(config=False)
            client.chat("child again", model=MODEL)
            del stream, idle, client
            gc.collect()
            sys.exit()
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        client.chat("parent after", model=MODEL)
        print(len(first) + sum(map(len, stream.text())))
        client.close()
    """
    with served(answer=lambda received: said(received) * 4_000) as host:
        assert run(FORK + code, host) == f"{len('parent streams') * 4_000}\n"
        carried = {said(received)[0]: received.connection for received in host.host.requests}
        host.wait(host.host.until_closed())
    assert carried == {
        "parent streams": 1,
        "parent before": 2,
        "child 0": 3,
        "child 1": 3,
        "child again": 4,
        "parent after": 2,
    }


@posix
def test_forks_amid_the_calls_of_other_threads() -> None:
    """Children forked while other threads begin calls and clients do not deadlock, nor do they disturb these calls."""
    code = """
        shared, stop, failed = Client(config=False), threading.Event(), []

        def busy():
            try:
                while not stop.is_set():
                    with Client(config=False) as own:
                        for client in (own, shared):
                            assert client.chat("parent", model=MODEL).text == "parent"
            except BaseException as error:
                failed.append(error)

        threads = [threading.Thread(target=busy) for _ in range(3)]
        for thread in threads:
            thread.start()
        for _ in range(6):
            shared.chat("parent", model=MODEL)
            child = fork()
            if not child:
                signal.alarm(30)
                ok = shared.chat("child", model=MODEL).text == "child"
                shared.close()
                os._exit(not ok)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        stop.set()
        for thread in threads:
            thread.join()
        shared.close()
        print(failed, threading.active_count())
    """
    with served(answer=said) as host:
        assert run(FORK + code, host) == "[] 1\n"
        assert Counter(said(received)[0] for received in host.host.requests)["child"] == 6
        host.wait(host.host.until_closed())


@posix
@pytest.mark.parametrize(
    ("where", "ask"),
    [
        ("headers", 'client.chat("x", model="openai/gpt-4o-mini")'),
        ("middle", 'with client.stream("x", model="openai/gpt-4o-mini") as stream: list(stream)'),
    ],
)
def test_ctrl_c_ends_the_call(where: Any, ask: str) -> None:
    """Ctrl-C is raised where the call waits, and closes the connection while the script goes on."""
    code = f"""
        import signal
        from segue.sync import Client
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
        client = Client(config=False)
        try:
            {ask}
        except KeyboardInterrupt:
            print("interrupted", flush=True)
        input()
        print(client.chat("y", model="openai/gpt-4o-mini").text)
    """
    with served(script=[Stall(where), Answer("goes on")]) as host:
        process = subprocess.Popen(
            script(code),
            env={**os.environ, **host.environ},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        with process:
            try:
                host.wait(host.host.until_requests())
                process.send_signal(signal.SIGINT)
                host.wait(host.host.closed_by_client())
                assert process.poll() is None
                assert process.communicate("\n", timeout=SECONDS) == ("interrupted\ngoes on\n", "")
            finally:
                process.kill()


# ── the same front door ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", ["__init__", "chat", "stream", "embed", "select", "models"])
def test_the_signatures_are_the_async_clients(name: str) -> None:
    """Every argument of the async client is one here, in every overload, with the same type."""
    here, there = getattr(Client, name), getattr(segue.Client, name)
    assert inspect.signature(here) == inspect.signature(there)
    assert list(map(inspect.signature, get_overloads(here))) == list(map(inspect.signature, get_overloads(there)))


def test_nothing_that_a_stream_has_is_missing() -> None:
    """A stream of one kind has all that one of the other has."""

    def public(cls: type) -> set[str]:
        return {name for name in dir(cls) if not name.startswith("_")}

    assert public(Stream) == {name.removeprefix("a") if name == "aclose" else name for name in public(segue.Stream)}


def test_choosing_needs_no_thread() -> None:
    """What is known without asking anybody is the async client's own answer, given in the calling thread."""
    before = threading.active_count()
    client = hermetic(Scripted())
    assert [candidate.provider for candidate in client.select(model="m").candidates] == ["scripted"]
    assert [candidate.model for candidate in client.models()] == ["m"]
    assert list(client.registry.installed) == ["scripted"]
    assert client.config.chains == {}
    assert threading.active_count() == before
