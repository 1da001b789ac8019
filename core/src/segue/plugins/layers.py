"""The layers of middleware that requests and answers pass through, around the whole call.

Everything that `Client` does is inside these layers: selection, the chain, its attempts and continuing an answer
mid-stream work with the request from the innermost layer, and with the hosts' original text. So a host that continues
an answer gets the original text, and a layer sees one answer, even if several hosts wrote it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import field
from typing import TYPE_CHECKING, Final, get_args

from ..errors import PluginError, ProviderError, TimeIsUpError
from ..events import Collector, Event, Finish, TextDelta
from ..frames import raised_at
from ..redaction import given_back, shown
from ..transport import Watchdog
from ..values import dataclass
from .limits import within
from .middleware import Middleware

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from ..messages import Request

_log = logging.getLogger("segue")
_EVENTS: Final = get_args(Event)


@dataclass(slots=True, eq=False)
class Layer:
    """One middleware and its ``plugin``, which is empty if the middleware was passed to the client.

    ``time_limit`` is in seconds, for each piece of its own work; None means that it is unlimited.
    """

    middleware: Middleware
    plugin: str = ""
    time_limit: float | None = None
    hangs: bool = field(default=False, init=False)

    @property
    def name(self) -> str:
        """The middleware in a few words."""
        kind = type(self.middleware).__name__
        return f"the middleware {kind} of plugin {self.plugin!r}" if self.plugin else f"the middleware {kind}"

    def failed(self, what: str) -> PluginError:
        """The error that says how it failed."""
        return PluginError(f"{self.name} {what}", plugin=self.plugin, hook="segue_middleware")

    def changes(self, method: str) -> bool:
        """Whether it overrides this method."""
        own = getattr(self.middleware, method, None)  # one of both is enough
        return own is not None and getattr(own, "__func__", None) is not getattr(Middleware, method)

    def asked(self, view: Request) -> object:
        """Its request; PluginError if a plugin's middleware fails; the caller's own can raise anything."""
        if not self.plugin or self.time_limit is None:
            return self.middleware.request(view)
        if self.hangs:
            raise self.failed("takes too long in request, and is not called again")

        def call() -> tuple[object, BaseException | None]:
            try:
                return self.middleware.request(view), None
            except BaseException as error:  # a plugin's code may raise anything, and in its thread it is its own
                return None, error

        try:
            changed, error = within(self.time_limit, call, name=f"segue {self.plugin} request")
        except TimeIsUpError:
            self.hangs = True
            raise self.failed(f"took more than {self.time_limit:g} s in request") from None
        if error is not None:
            raise self.failed(f"raised {type(error).__name__} in request{raised_at(error)}") from error
        return changed


class Layers:
    """The middleware of a client, the outermost first; ``refusal`` is the reason why no call can be made, or None."""

    def __init__(self, layers: Sequence[Layer], refusal: PluginError | None = None) -> None:
        self._layers = tuple(layers)
        self._refusal = refusal

    def __bool__(self) -> bool:
        return bool(self._layers) or self._refusal is not None

    def asked(self, request: Request) -> tuple[Request, Crossing | None]:
        """The request to send, and the layers for its answer; None if no middleware changes answers."""
        if self._refusal is not None:
            raise PluginError(str(self._refusal), plugin=self._refusal.plugin, hook=self._refusal.hook)
        crossed: list[tuple[Layer, Request]] = []
        for layer in self._layers:
            view = shown(request)
            if layer.changes("events"):
                crossed.append((layer, view))
            if layer.changes("request"):
                changed = layer.asked(view)
                if changed is not view:
                    try:
                        request = given_back(request, changed)
                    except ValueError as error:
                        raise layer.failed(str(error)) from None
        return request, Crossing(tuple(crossed)) if crossed else None


@dataclass(frozen=True, slots=True)
class Crossing:
    """The layers that one answer passes through, the outermost first, each with the request that it got."""

    layers: tuple[tuple[Layer, Request], ...]

    @property
    def names(self) -> str:
        """The layers in a few words."""
        return ", ".join(layer.name for layer, _ in self.layers)

    async def events(
        self, source: AsyncGenerator[Event, None], ended: Callable[[Collector], None], *, given: bool
    ) -> AsyncGenerator[Event, None]:
        """The events for the caller; ``ended`` is called with the whole answer before its `Finish` is delivered.

        ``given`` is whether events are delivered as they arrive: then an error's text is the text that was delivered.
        """
        collector = Collector()
        async with contextlib.AsyncExitStack() as opened:
            stream = await opened.enter_async_context(contextlib.aclosing(source))
            for layer, request in reversed(self.layers):
                stream = await opened.enter_async_context(contextlib.aclosing(_crossed(layer, request, stream)))
            try:
                async for event in stream:
                    collector.add(event)
                    if isinstance(event, Finish):
                        ended(collector)
                    yield event
            except ProviderError as error:
                if given:
                    error.text = collector.text
                raise


class _Border:
    """One layer while an answer goes through it: whose turn it is, for how long, and what went wrong."""

    def __init__(self, layer: Layer) -> None:
        self._layer = layer
        self._loop = asyncio.get_running_loop()
        self._since = 0.0
        self._watchdog = None if layer.time_limit is None else Watchdog()
        self._task: asyncio.Task[object] | None = None
        self._reading = 0
        self._failure: PluginError | None = None
        self.raised: BaseException | None = None
        """The error that the inner layer raised."""
        self.is_whole: bool = False
        """Whether the answer of the inner layer is whole."""

    # ── its time ──────────────────────────────────────────────────────────────────────────────────────

    def _enter(self) -> None:
        """Its own work begins, where it is asked for an event and does not wait for one itself.

        It may read ahead in a task of its own, also while nobody asks it for an event: then nothing is watched.
        """
        if self._watchdog is not None and self._task is not None and not self._reading:
            self._since = self._loop.time()
            self._watchdog.arm("total", self._layer.time_limit)
            self._watchdog.see(self._task)

    def _leave(self) -> None:
        """Its own work is done, for now."""
        watchdog = self._watchdog
        if watchdog is not None and watchdog.is_armed:
            watchdog.disarm()
            limit = self._layer.time_limit
            if limit is not None and self._loop.time() - self._since > limit:
                self.fail(f"took more than {limit:g} s in events")

    def close(self) -> None:
        """Stop watching."""
        if self._watchdog is not None:
            self._watchdog.close()

    def fail(self, what: str) -> PluginError:
        """Record that it failed, if it has not failed before."""
        if self._failure is None:
            self._failure = self._layer.failed(what)
        return self._failure

    # ── both of its sides ─────────────────────────────────────────────────────────────────────────────

    async def inside(self, source: AsyncGenerator[Event, None]) -> Event:
        """The next event from the inner layer."""
        self._leave()
        if self._failure is not None:
            raise self._failure
        self._reading += 1
        try:
            event = await source.__anext__()
        except StopAsyncIteration:
            raise
        except BaseException as error:  # only looked at, and raised again
            self.raised = error
            raise
        finally:
            self._reading -= 1
            self._enter()
        self.is_whole = isinstance(event, Finish)
        return event

    async def outside(self, read: Callable[[], Awaitable[Event]]) -> Event | None:
        """The next event that it yields, or None; raises the inner error, or PluginError if it failed itself."""
        event: Event | None = None
        self._task = task = asyncio.current_task()
        self._enter()
        try:
            event = await read()
        except StopAsyncIteration:
            pass
        except asyncio.CancelledError as error:
            if self._watchdog is not None and self._watchdog.expired(task):
                self.fail(f"took more than {self._layer.time_limit:g} s in events")
            elif error is self.raised or (task is not None and task.cancelling()):
                raise
            else:
                self.fail("was cancelled from within")
        except Exception as error:  # a layer of a plugin may raise anything; the caller is promised our types
            if self._failure is None:
                if error is self.raised or not self._layer.plugin:
                    raise
                told = f"raised {type(error).__name__} in events{raised_at(error)}"
                self._failure = self._layer.failed(told)
                self._failure.__cause__ = error
        finally:
            self._leave()
            self._task = None
        if self._failure is not None:
            raise self._failure
        return event


class _Inside(AsyncIterator[Event]):
    """What a layer reads: the events from inside of it."""

    def __init__(self, source: AsyncGenerator[Event, None], border: _Border) -> None:
        self._source = source
        self._border = border

    def __aiter__(self) -> _Inside:
        return self

    async def __anext__(self) -> Event:
        return await self._border.inside(self._source)

    async def aclose(self) -> None:
        """Close it, for readers that close their source."""
        await self._source.aclose()


async def _crossed(layer: Layer, request: Request, source: AsyncGenerator[Event, None]) -> AsyncGenerator[Event, None]:
    """The events as one layer changes them, checked: events alone, and one Finish, last, if that came inside too."""
    border = _Border(layer)
    changed: AsyncIterator[Event] | None = None
    finish: Finish | None = None

    async def read() -> Event:
        nonlocal changed
        if changed is None:
            changed = layer.middleware.events(_Inside(source, border), request)
            if not hasattr(changed, "__anext__"):
                raise border.fail(f"returned {type(changed).__name__} for events, not an async generator")
        return await changed.__anext__()

    try:
        while (event := await border.outside(read)) is not None:
            if finish is not None:
                raise layer.failed(f"yielded {type(event).__name__} after the Finish")
            if isinstance(event, Finish):
                if not border.is_whole:
                    raise layer.failed("yielded a Finish before the answer was whole")
                finish = event  # given once it is known to be the last
            elif _is_event(layer, event):
                yield event
        if finish is None:
            raise layer.failed("did not yield the Finish") from border.raised
        yield finish
    finally:
        border.close()
        await _close(layer, changed)


def _is_event(layer: Layer, event: object) -> bool:
    """Whether to pass it on: not if its text is empty; PluginError if it is not an event."""
    if isinstance(event, TextDelta):
        if not isinstance(event.text, str):
            raise layer.failed(f"yielded a text of type {type(event.text).__name__}")
        return bool(event.text)
    if not isinstance(event, _EVENTS):
        raise layer.failed(f"yielded {type(event).__name__}, which is not an event")
    return True


async def _close(layer: Layer, changed: object) -> None:
    """Close what a layer has open; if that fails, it is logged, since no caller waits for it."""
    close = getattr(changed, "aclose", None)
    if close is None:
        return
    try:
        async with asyncio.timeout(layer.time_limit):
            await close()
    except Exception as error:  # its clean-up may raise anything; what the answer came to is known
        _log.warning("%s raised %s when it was closed", layer.name, type(error).__name__)
