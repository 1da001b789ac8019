"""`Client` and `Stream` for code without an event loop.

Each client runs one loop in its own daemon thread, from its first call until its `close`. Clients do not share a
thread: a provider that blocks delays only its own client, closing one client does not affect another one, and no
thread outlives the last client. Observers are called in this thread.
"""

from __future__ import annotations

import asyncio
import atexit
import concurrent.futures
import contextlib
import math
import os
import selectors
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Final, Generic, Literal, Self, Unpack, cast, overload

from typing_extensions import TypeVar

from .chain.calls import closed
from .client.arguments import NOTHING_SAID
from .client.client import EXHAUSTED
from .client.client import Client as AsyncClient
from .client.misnamed import known_arguments, mark_client, mark_stream, refused
from .errors import ClosedError
from .events import TextDelta
from .frames import forgetful
from .transport import AiohttpTransport
from .values import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping, Sequence

    from pydantic import BaseModel

    from .capabilities import Needs, NeedsInput
    from .chain.targets import Chain
    from .client.arguments import Asking, SchemaInput
    from .client.client import ChainInput
    from .client.client import Stream as AsyncStream
    from .client.live import LiveModels
    from .config import Config, Source
    from .events import EmbedReply, Event, Reply
    from .messages import MessagesInput, Policy, Request
    from .observation import Attempt, Observer
    from .plugins.middleware import Middleware
    from .plugins.registry import Registry
    from .provider.contract import Secret
    from .resilience import Breaker, Budget, HealthStore, Retry
    from .selection import Candidate, Selection
    from .transport import Timeout, Transport
    from .transport.downloads import Downloads

__all__ = ["Client", "Stream"]

R = TypeVar("R")
T = TypeVar("T", default=None)
M = TypeVar("M", bound="BaseModel")

_AHEAD: Final = 64
"""Number of unread events of a stream; with more, Segue stops reading from the host."""

_EXIT_SECONDS: Final = 5.0
"""How long the exit of the interpreter waits for a loop that a provider blocks."""


class Client:
    """`segue.Client` for code without an event loop: the same arguments and answers, from any thread.

    It can be called inside a running loop too, which it blocks. After ``os.fork`` the next call in the child
    starts a new thread with new connections; those of the parent are not affected. After `close`, every call raises
    ClosedError. Ctrl-C stops a call and closes its connection.
    """

    @forgetful
    @known_arguments("Client")
    def __init__(
        self,
        *,
        config: Source = True,
        plugins: bool = True,
        providers: Iterable[object] = (),
        api_keys: Mapping[str, str | Secret] | None = None,
        timeout: Timeout | float | None = None,
        retry: Retry | int | None = None,
        breaker: Breaker | bool | Literal["configured"] | None = "configured",
        budget: Budget | None = None,
        health: HealthStore | None = None,
        concurrency: int | None = None,
        proxy: str | None = None,
        ca_file: str | os.PathLike[str] | None = None,
        environment_proxies: bool | None = None,
        downloads: Downloads | bool | None = None,
        host_messages: bool | None = None,
        observers: Sequence[Observer] = (),
        middleware: Sequence[Middleware] = (),
        transport: Transport | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self._client = AsyncClient(
            config=config,
            plugins=plugins,
            providers=providers,
            api_keys=api_keys,
            timeout=timeout,
            retry=retry,
            breaker=breaker,
            budget=budget,
            health=health,
            concurrency=concurrency,
            proxy=proxy,
            ca_file=ca_file,
            environment_proxies=environment_proxies,
            downloads=downloads,
            host_messages=host_messages,
            observers=observers,
            middleware=middleware,
            transport=transport,
            environ=environ,
        )
        self._transport = transport
        self._thread: _LoopThread | None = None

    def __enter__(self) -> Self:
        self._client._calls.check()  # noqa: SLF001 - the two classes are one thing
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    if not TYPE_CHECKING:  # which knows it
        __aenter__ = __aexit__ = refused("sync.Client: write `with Client() as client`; with async use segue.Client")

    def close(self) -> None:
        """Close the connections and end the thread; calls in other threads, and all later ones, raise ClosedError."""
        with _lock:
            thread = self._thread
            if thread is not None:
                thread.refuse_itself()
            self._thread = None
            self._client._calls.is_closed = True  # noqa: SLF001 - as above
        if thread is not None:
            thread.stop()
            thread.join()

    @property
    def registry(self) -> Registry:
        """The installed providers and plugins, and the ones that cannot be loaded."""
        return self._client.registry

    @property
    def config(self) -> Config:
        """The settings from the configuration and the environment."""
        return self._client.config

    @overload
    def chat(
        self,
        messages: MessagesInput,
        *,
        model: str | None = None,
        needs: NeedsInput | None = None,
        chain: ChainInput | None = None,
        schema: None = None,
        **asking: Unpack[Asking],
    ) -> Reply[None]: ...

    @overload
    def chat(
        self,
        messages: MessagesInput,
        *,
        model: str | None = None,
        needs: NeedsInput | None = None,
        chain: ChainInput | None = None,
        schema: type[M],
        **asking: Unpack[Asking],
    ) -> Reply[M]: ...

    @overload
    def chat(
        self,
        messages: MessagesInput,
        *,
        model: str | None = None,
        needs: NeedsInput | None = None,
        chain: ChainInput | None = None,
        schema: Mapping[str, Any] | Literal["json"],
        **asking: Unpack[Asking],
    ) -> Reply[Any]: ...

    @forgetful
    def chat(
        self,
        messages: MessagesInput = NOTHING_SAID,
        *,
        model: str | None = None,
        needs: NeedsInput | None = None,
        chain: ChainInput | None = None,
        schema: SchemaInput | None = None,
        **asking: Unpack[Asking],
    ) -> Reply[Any]:
        """Return the whole answer; if an answer breaks off, the next candidate gets the request.

        ``schema`` is the required form of the answer: a pydantic model, a JSON schema (the answer is parsed as JSON,
        but not validated), or ``"json"`` for any JSON object. The parsed answer is in ``reply.parsed``.
        Raises the candidate's error if there is only one candidate, AllFailedError if two or more fail,
        NoCandidateError if no model can get the request.
        """
        form = cast("Any", schema)  # which of the three forms it is, the overloads have said
        return self._call(self._client.chat(messages, model=model, needs=needs, chain=chain, schema=form, **asking))

    @overload
    def stream(
        self,
        messages: MessagesInput,
        *,
        model: str | None = None,
        needs: NeedsInput | None = None,
        chain: ChainInput | None = None,
        schema: None = None,
        **asking: Unpack[Asking],
    ) -> Stream[None]: ...

    @overload
    def stream(
        self,
        messages: MessagesInput,
        *,
        model: str | None = None,
        needs: NeedsInput | None = None,
        chain: ChainInput | None = None,
        schema: type[M],
        **asking: Unpack[Asking],
    ) -> Stream[M]: ...

    @overload
    def stream(
        self,
        messages: MessagesInput,
        *,
        model: str | None = None,
        needs: NeedsInput | None = None,
        chain: ChainInput | None = None,
        schema: Mapping[str, Any] | Literal["json"],
        **asking: Unpack[Asking],
    ) -> Stream[Any]: ...

    @forgetful
    def stream(
        self,
        messages: MessagesInput = NOTHING_SAID,
        *,
        model: str | None = None,
        needs: NeedsInput | None = None,
        chain: ChainInput | None = None,
        schema: SchemaInput | None = None,
        **asking: Unpack[Asking],
    ) -> Stream[Any]:
        """Return a stream of events: ``with client.stream(…) as stream``, then iterate over it.

        Wrong arguments raise at once; all other errors are raised during the iteration.
        """
        form = cast("Any", schema)  # as in chat()
        stream = self._client.stream(messages, model=model, needs=needs, chain=chain, schema=form, **asking)
        return Stream(self, stream)

    @forgetful
    @known_arguments("embed")
    def embed(
        self,
        inputs: str | Sequence[str],
        *,
        model: str | None = None,
        needs: NeedsInput | None = None,
        chain: ChainInput | None = None,
        dimensions: int | None = None,
        purpose: Literal["query", "document"] | None = None,
        options: Mapping[str, Mapping[str, Any]] | None = None,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        policy: Policy | None = None,
        timeout: Timeout | float | None = None,
    ) -> EmbedReply:
        """Return an embedding (a vector) for each input, in order, from the first candidate that answers.

        Embeddings of two models cannot be compared: name one model, or a chain of hosts with the same model.
        ``timeout`` overrides the chain's and the client's; a number is the total in seconds.
        """
        return self._call(
            self._client.embed(
                inputs,
                model=model,
                needs=needs,
                chain=chain,
                dimensions=dimensions,
                purpose=purpose,
                options=options,
                extra_body=extra_body,
                extra_headers=extra_headers,
                policy=policy,
                timeout=timeout,
            )
        )

    def select(
        self, needs: NeedsInput | None = None, *, model: str | None = None, request: Request | None = None
    ) -> Selection:
        """Return the candidates for a call, in order, and the reason for each model that is not a candidate. No I/O.

        A ``request`` adds the needs that it implies: an image needs ``vision``.
        """
        return self._client.select(needs, model=model, request=request)

    def models(self, needs: NeedsInput | None = None, *, provider: str | None = None) -> list[Candidate]:
        """Every model (of this provider) that satisfies the needs, whether it can be called now or not.

        ConfigError if the provider is not installed.
        """
        return self._client.models(needs, provider=provider)

    @forgetful
    def live_models(self, needs: NeedsInput | None = None, *, provider: str | None = None) -> LiveModels:
        """Request the current model lists of all hosts (or of this provider); return models that satisfy the needs.

        If a host fails, its error is in the result, next to the models of the other hosts. Public hosts get a request
        only if they are named or configured. ConfigError if the provider is not installed.
        """
        return self._call(self._client.live_models(needs, provider=provider))

    @forgetful
    def probe(self, *targets: str | Needs | Chain, within: float = 30.0) -> tuple[Attempt, ...]:
        """Send a short question to every candidate of these targets, in parallel, and return how each attempt ended.

        Without targets the targets of the configured chains are used; without chains the first candidate of each
        provider that is ready. Each candidate gets one request, even if its breaker is open; an answer closes the
        breaker. The cost is that of a short answer. ``within`` is the limit in seconds for the first event, and again
        for the rest of the answer. A target without candidates is ``skipped``, with the reason; NoCandidateError if
        no target has a candidate.
        """
        return self._call(self._client.probe(*targets, within=within))

    # ── to the loop and back ──────────────────────────────────────────────────────────────────────────

    def _call(self, work: Coroutine[Any, Any, R]) -> R:
        """Run this in the loop and wait for its end."""
        _, future = self._submit(work)
        try:
            return future.result()
        except concurrent.futures.CancelledError:
            raise closed() from None
        finally:
            future.cancel()  # where a KeyboardInterrupt ended the waiting; of one that is done nothing comes of it
            del future  # its exception would hold this frame, and the frame it

    def _submit(self, work: Coroutine[Any, Any, R]) -> tuple[_LoopThread, concurrent.futures.Future[R]]:
        # Under the lock no other thread can end the loop between here and there.
        with _lock:
            try:
                self._client._calls.check()  # noqa: SLF001 - as above
                thread = self._thread
                if thread is None or thread.forked:
                    thread = _LoopThread(self._closing())
                    thread.start()
                    self._thread = thread
                    weakref.finalize(self, thread.stop).atexit = False
                thread.refuse_itself()
                return thread, thread.submit(work)
            except BaseException:
                work.close()  # else it would warn that nobody awaited it
                raise

    def _closing(self) -> Callable[[], Coroutine[Any, Any, None]]:
        """What closes the connections of a loop; it holds the client that asks, not this one."""
        client, given = self._client, self._transport

        async def close() -> None:
            await client.aclose()
            # The caller's own transport has a session in this loop, which the caller cannot reach.
            if isinstance(given, AiohttpTransport):
                await given.aclose()

        return close


class Stream(Generic[T]):
    """A streamed answer; leaving the ``with`` block early closes the connection to the host.

    Up to 64 events are fetched ahead of the reader; `attempts`, `provider` and `model` already include
    them. Only one thread at a time may read it, in the process that began it.
    """

    def __init__(self, client: Client, stream: AsyncStream[T]) -> None:
        self._client = client
        self._stream = stream
        self._relay: _Relay | None = None
        self._is_closed = False

    def __enter__(self) -> Self:
        self._check_open()
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    if not TYPE_CHECKING:  # which knows it
        __aenter__ = __aexit__ = refused("stream: write `with client.stream(…) as stream`; with async use segue.Client")
        __aiter__ = refused("stream: write `for event in stream`; with async use segue.Client")

    def close(self) -> None:
        """Stop the stream; the rest of the answer is not read."""
        self._is_closed = True
        if self._relay is not None:
            self._relay.close()
        elif not self._client._client._calls.is_closed:  # noqa: SLF001 - as above
            self._client._call(self._stream.aclose())  # noqa: SLF001 - as above

    def _check_open(self) -> None:
        if self._is_closed:
            raise ClosedError("the stream is closed: read it inside its `with` block")

    def __iter__(self) -> Iterator[Event]:
        self._check_open()
        return self

    def __next__(self) -> Event:
        relay = self._relay
        if relay is None:
            relay = self._begin()
        return relay.take()

    def _begin(self) -> _Relay:
        relay = _Relay(self._stream)
        relay.thread, _ = self._client._submit(relay.run())  # noqa: SLF001 - as above
        self._relay = relay
        weakref.finalize(self, relay.leave).atexit = False
        return relay

    def text(self) -> Iterator[str]:
        """The pieces of text as they arrive; RuntimeError if the stream was already read to its end."""
        self._stream._refuse_text()  # noqa: SLF001 - as above
        event: Event | None = None
        for event in self:
            if isinstance(event, TextDelta) and event.choice == 0:
                yield event.text
        if event is None:
            raise RuntimeError(EXHAUSTED)

    def reply(self) -> Reply[T]:
        """Read the rest of the stream and return the whole answer."""
        if self._is_closed and not self._stream._run.is_whole:  # noqa: SLF001 - as above
            self._check_open()
        if self._relay is not None:
            if not self._is_closed:
                for _ in self:
                    pass
            return cast("Reply[T]", self._stream._run.reply())  # noqa: SLF001 - as above
        return self._client._call(self._stream.reply())  # noqa: SLF001 - as above

    @property
    def attempts(self) -> tuple[Attempt, ...]:
        """The attempts that have ended, in the order in which they began."""
        return self._stream.attempts

    @property
    def provider(self) -> str | None:
        """The provider that is answering; None before the first attempt."""
        return self._stream.provider

    @property
    def model(self) -> str | None:
        """The model that is answering; None before the first attempt."""
        return self._stream.model


@dataclass(frozen=True, slots=True)
class _End:
    """Marks the end of a relay's queue, after the last event."""

    error: BaseException | None = None


mark_client(Client)
mark_stream(Stream)


class _Relay:
    """Carries a stream's events to the thread that reads them.

    One task reads the whole stream, as in code with a loop: what a provider keeps by task (a timeout
    around several events, a context variable) would not survive a task for each event.
    """

    thread: _LoopThread

    def __init__(self, stream: AsyncStream[Any]) -> None:
        self._stream = stream
        self._queue: SimpleQueue[Event | _End] = SimpleQueue()
        self._room = asyncio.Semaphore(_AHEAD)
        self._task: asyncio.Task[object] | None = None
        self._taken = 0
        self._left = False

    # in the loop

    async def run(self) -> None:
        """Hand over every event, and then, with the connection closed, how it ended."""
        self._task = asyncio.current_task()
        error: BaseException | None = None
        try:
            async with contextlib.aclosing(self._stream):
                async for event in self._stream:
                    await self._room.acquire()
                    self._queue.put(event)
        except asyncio.CancelledError:
            error = None if self._left else closed()
        except BaseException as raised:  # whatever it is, it is the reader's: this task has nobody who would see it
            error = raised
        finally:
            self._queue.put(_End(error))
            del error

    def _cancel(self) -> None:
        self._left = True
        if self._task is not None:
            self._task.cancel()

    def _make_room(self) -> None:
        for _ in range(_AHEAD // 2):
            self._room.release()

    # in the thread that reads

    def take(self) -> Event:
        """The next event, waited for; StopIteration at the end, or the error that ended it, once."""
        if self.thread.forked:
            raise RuntimeError("this stream began before the fork: its connection belongs to the parent process")
        taken = self._queue.get()
        if isinstance(taken, _End):
            self._queue.put(_End())  # for whoever asks again
            try:
                raise StopIteration if taken.error is None else taken.error
            finally:
                del taken  # it holds the error, whose traceback holds this frame
        self._taken += 1
        if self._taken % (_AHEAD // 2) == 0:
            self.thread.soon(self._make_room)
        return taken

    def leave(self) -> None:
        """End early without waiting."""
        self.thread.soon(self._cancel)

    def close(self) -> None:
        """End early, and forget what was not read; in a forked child there is nothing to end."""
        if self.thread.forked:
            return
        self.leave()
        while not isinstance(self._queue.get(), _End):
            pass
        self._queue.put(_End())


# ── the loop in its thread ───────────────────────────────────────────────────────────────────────────


class _Loop(asyncio.SelectorEventLoop):
    """Knows its sockets, to let go of them in a forked child."""

    def __init__(self) -> None:
        self._watched = selectors.DefaultSelector()
        super().__init__(self._watched)
        self._connections: weakref.WeakSet[asyncio.BaseTransport] = weakref.WeakSet()
        # Debugging loops report slow steps for the sake of the other tasks; here the others are as much our own.
        self.slow_callback_duration = math.inf

    async def create_connection(self, *args: Any, **kwargs: Any) -> Any:
        """As any loop does; a connection that is not read from at the moment is not among the watched."""
        transport, protocol = await super().create_connection(*args, **kwargs)
        self._connections.add(transport)
        return transport, protocol

    def let_go(self) -> None:
        """Close the inherited sockets in a forked child; the other side gets no data.

        Neither the loop nor its transports may do it: they would take the sockets out of the epoll that
        both processes share, and TLS would say goodbye. Something harmless takes each number instead of
        nothing, so that no object closes a file that came to the same number later.
        """
        numbers = {key.fd for key in self._watched.get_map().values()}
        for transport in list(self._connections):
            sock = transport.get_extra_info("socket")
            if sock is not None:
                numbers.add(sock.fileno())
        if hasattr(self._watched, "fileno"):  # an epoll or a kqueue
            numbers.add(self._watched.fileno())
        null = os.open(os.devnull, os.O_RDWR)
        for number in numbers - {-1}:
            os.dup2(null, number, inheritable=False)
        os.close(null)


class _LoopThread:
    """A loop in a daemon thread, until it is stopped."""

    def __init__(self, close: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._close = close
        self._loop = _Loop()
        # Its own, as `shutdown_default_executor` starts a thread, which from Python 3.12 on is refused at exit.
        self._executor = ThreadPoolExecutor(thread_name_prefix="segue-sync")
        self._loop.set_default_executor(self._executor)
        self._thread = threading.Thread(target=self._run, name="segue-sync", daemon=True)
        self._calls: set[concurrent.futures.Future[Any]] = set()
        self._stopping = False
        self.forked = False

    def start(self) -> None:
        """Start it; only under the lock."""
        _running.add(self)
        try:
            self._thread.start()
        except RuntimeError:  # no thread can be had
            _running.discard(self)
            self._loop.close()
            raise

    def submit(self, work: Coroutine[Any, Any, R]) -> concurrent.futures.Future[R]:
        """Begin this as a task, in a copy of the caller's context (`call_soon_threadsafe` makes it)."""
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        self._calls.add(future)  # a loop holds its tasks weakly
        future.add_done_callback(self._calls.discard)
        return future

    def soon(self, callback: Callable[[], object]) -> None:
        """Call this in the loop, if it is still there; it takes no lock, for the garbage collector may call it."""
        if not self.forked:
            with contextlib.suppress(RuntimeError):  # the loop is closed
                self._loop.call_soon_threadsafe(callback)

    def stop(self) -> None:
        """Let it end, and do not wait."""
        self.soon(self._stop)

    def join(self, seconds: float | None = None) -> None:
        """Wait for its end."""
        if not self.forked:
            self._thread.join(seconds)

    def refuse_itself(self) -> None:
        """RuntimeError in the loop's own thread, which would wait for itself."""
        if threading.current_thread() is self._thread:
            raise RuntimeError("a sync client was called from its own loop: a provider or observer must not do that")

    def leave_to_parent(self) -> None:
        """In a forked child: this loop is the other process's.

        The thread vanished without unwinding, so that what its frames hold (the loop, the calls, the
        session) lives on for ever here, and nothing of it warns that it was not closed.
        """
        self.forked = True
        self._loop.let_go()

    def _stop(self) -> None:
        if not self._stopping:  # the second to ask must not stop the winding up
            self._stopping = True
            self._loop.stop()

    def _run(self) -> None:
        loop = self._loop
        try:
            while not self._stopping:
                # Both leave the loop after they were noted as the call's own, whose waiting thread is to have them.
                with contextlib.suppress(KeyboardInterrupt, SystemExit):
                    loop.run_forever()
            loop.run_until_complete(self._wind_up())
        finally:
            for call in list(self._calls):
                call.cancel()  # whatever went wrong just now, nobody is left waiting
            self._executor.shutdown()
            loop.close()
            _running.discard(self)

    async def _wind_up(self) -> None:
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._close()
        await self._loop.shutdown_asyncgens()


_running: set[_LoopThread] = set()
_lock = threading.RLock()
"""Guards the start of threads; re-entrant, because a signal handler may make a call while it is held."""


@atexit.register
def _at_exit() -> None:
    threads = list(_running)
    for thread in threads:
        thread.stop()
    for thread in threads:
        thread.join(_EXIT_SECONDS)


def _in_child() -> None:
    for thread in _running:
        thread.leave_to_parent()
    _running.clear()
    _lock.release()


if hasattr(os, "register_at_fork"):
    # Held over the fork, so that the child finds no lock of a thread that it has not, and no half-begun loop.
    os.register_at_fork(before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_in_child)
