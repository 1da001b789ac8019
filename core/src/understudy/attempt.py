"""One try at one candidate: from asking to its end, which is always put on record."""

from __future__ import annotations

import asyncio
import bisect
import copy
import itertools
import logging
import math
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import random as _random
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from .capabilities import Capabilities
from .errors import (
    PhaseTimeoutError,
    ProtocolError,
    ProviderError,
    RejectedError,
    StreamBrokenError,
    UnderstudyError,
)
from .events import Collector, Event, Finish, Handover, Notice, Reply, TextDelta, is_content
from .observation import Attempt, AttemptStart, Observers
from .pricing import SharedPricing
from .resilience import NO_RETRY, Concurrency, Endpoint, Fleet, Hedge, Rejection, Retry, rejected_by
from .transport import Timeout, Watchdog, foreign_error
from .views import shown

if TYPE_CHECKING:
    from .messages import Request
    from .observation import MidStream, Outcome, Way
    from .output import Parse
    from .pricing import Pricing
    from .resilience.resume import Resumption

Ask: TypeAlias = "Callable[[Request, float | None], AsyncIterator[Event]]"
_log = logging.getLogger("understudy")
NO_FACTS: Final = Capabilities()
_calls: Final = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Ready:
    """A candidate with all that it takes to ask it; ``stream`` is given the loop time of the deadline, or None.

    ``endpoint()`` is that under which its health is kept, just now: a key may change. ``timeout``, where it is set,
    stands in place of the call's, but for ``connect``; ``settings`` and ``options`` fill in what the call left open.
    """

    provider: str
    model: str
    stream: Ask
    notices: tuple[Notice, ...] = ()
    pricing: Pricing | None = None
    facts: Capabilities = NO_FACTS
    endpoint_now: Callable[[], Endpoint] | None = None
    check_options: Callable[[Mapping[str, Any]], Mapping[str, Any]] | None = None
    timeout: Timeout | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)

    def endpoint(self) -> Endpoint:
        """Under what its health is kept."""
        return Endpoint(self.provider, "", "", self.model) if self.endpoint_now is None else self.endpoint_now()

    def asked(self, request: Request, *, shared: bool) -> Request:
        """The request as this target is asked it.

        One that is ``shared`` with others comes with tables of its own: another would send what this one writes there.
        """
        changed: dict[str, Any] = {}
        if shared:
            changed["options"] = copy.deepcopy(request.options) if request.options else {}
            changed["extra_body"] = copy.deepcopy(request.extra_body) if request.extra_body else {}
            changed["extra_headers"] = dict(request.extra_headers)
        if self.settings:
            given = request.settings.given()
            changed["settings"] = request.settings.model_copy(update={**self.settings, **given})
        if self.options:
            said = request.options.get(self.provider, {})
            changed["options"] = {**changed.get("options", request.options), self.provider: {**self.options, **said}}
        return request.model_copy(update=changed) if changed else request


def limited(stream: Ask, limit: Concurrency) -> Ask:
    """What asks a candidate, once a slot is free, which it keeps to the end."""

    async def events(request: Request, deadline: float | None) -> AsyncGenerator[Event, None]:
        with await limit.slot(math.inf if deadline is None else deadline):
            source = stream(request, deadline)
            try:
                async for event in source:
                    yield event
            finally:
                if isinstance(source, AsyncGenerator):
                    await source.aclose()

    return events


@dataclass(slots=True)
class Run:
    """One walk down a chain: how it is to be made, and what happened.

    ``hold_back`` is how many characters of text are kept back before the first event is given, so that any failure
    until then may be followed by the next candidate; infinite for a whole answer. ``parse`` reads the whole answer
    into ``parsed``; an answer that it cannot read is a failed attempt. ``sleep`` and ``random`` (0 to 1) are
    what the waits of ``retry`` are made of.
    """

    timeout: Timeout = field(default_factory=Timeout)
    retry: Retry = NO_RETRY
    concurrency: Concurrency = field(default_factory=Concurrency)
    fleet: Fleet = field(default_factory=lambda: Fleet(breaker=None))
    observers: Observers = field(default_factory=Observers)
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep
    random: Callable[[], float] = _random
    hold_back: float = 0.0
    mid_stream: MidStream = "continue"
    reject: tuple[Rejection, ...] = ()
    hedge: Hedge | None = None
    parse: Parse | None = None
    parsed: Any = None
    attempts: list[Attempt] = field(default_factory=list)
    """Those that have ended, as they began."""
    answering: Ready | None = None
    collector: Collector | None = None
    parts: list[Attempt] = field(default_factory=list)
    """Those that wrote something of the answer, in order."""
    call: int = field(default_factory=lambda: next(_calls))
    begun: int = 0
    """How many attempts have begun."""

    def reply(self) -> Reply[Any]:
        """The whole answer; ValueError before its end."""
        if self.answering is None or self.collector is None:
            raise ValueError("the answer has not ended")
        pricing: Pricing | SharedPricing | None = self.answering.pricing
        if len(self.parts) > 1:
            pricing = SharedPricing(tuple(self.parts))
        return self.collector.reply(
            provider=self.answering.provider,
            model=self.answering.model,
            attempts=tuple(self.attempts),
            parsed=self.parsed,
            pricing=pricing,
        )


class Attempting:
    """One try at one candidate, while it is made.

    ``until`` is the loop time of the call's deadline. ``resumption`` is given where it goes on with a text,
    ``collector`` then holds what was given of it, and ``handover`` is what tells of it.
    """

    __slots__ = (
        "_handover", "_notices", "_resumption", "_run", "_until", "candidate", "collector", "endpoint", "failure",
        "first", "index", "is_late", "number", "on_content", "probe", "record", "request", "way",
    )  # fmt: skip

    def __init__(
        self,
        run: Run,
        candidate: Ready,
        request: Request,
        until: float,
        *,
        endpoint: Endpoint,
        index: int = 0,
        notices: Sequence[Notice] = (),
        way: Way | None = None,
        handover: Handover | None = None,
        resumption: Resumption | None = None,
        collector: Collector | None = None,
    ) -> None:
        self._run = run
        self.candidate: Ready = candidate
        self.request: Request = request
        self._until = until
        self.index: int = index
        self._notices = notices
        self.way: Way | None = way
        self._handover = handover
        self._resumption = resumption
        self.collector: Collector = Collector() if collector is None else collector
        self.endpoint: Endpoint = endpoint
        self.probe: bool = False
        """Whether this is the one call that tries an endpoint which was left alone."""
        run.begun += 1
        self.number: int = run.begun
        self.first: float | None = None
        self.failure: ProviderError | None = None
        self.is_late: bool | None = None
        """Set before it is left for a faster one: whether that is because it came late itself."""
        self.on_content: Callable[[], object] | None = None
        self.record: Attempt | None = None

    async def events(self) -> AsyncGenerator[Event, None]:  # noqa: C901, PLR0912, PLR0915 - read from top to bottom
        """The candidate's events, given from its first content event on, or once what is held back has come."""
        run, candidate, collector = self._run, self.candidate, self.collector
        loop = asyncio.get_running_loop()
        started = loop.time()
        timeout = run.timeout if candidate.timeout is None else candidate.timeout
        until = self._until
        if candidate.timeout is not None and candidate.timeout.total is not None:
            until = min(until, started + candidate.timeout.total)
        held: list[Event] = [] if self._handover is None else [self._handover]
        held += [*self._notices, *candidate.notices, *(() if self._resumption is None else self._resumption.notices)]
        for event in held:
            collector.add(event)
        run.observers.started(self._start)
        self.probe, change = run.fleet.asked(self.endpoint, started)
        run.observers.changed(change)
        watchdog = Watchdog()
        holding = run.hold_back
        characters = 0
        idle = timeout.idle
        source: AsyncIterator[Event] | None = None
        try:
            source = candidate.stream(self.request, None if until == math.inf else until)
            if self._resumption is not None:
                source = self._resumption.joined(source)
            watchdog.arm("first_event", timeout.first_event, until=until)
            async for event in source:
                watchdog.disarm()
                collector.add(event)
                if isinstance(event, Finish):
                    if self._resumption is not None and self._resumption.is_silent:
                        self._doubt(held)
                    if held and run.reject:
                        self._check(whole=True)
                    if run.parse is not None:
                        run.parsed = run.parse(collector.reply().choices[0])
                    # On record before the caller sees the end, whose reply tells of it.
                    self._recorded("answered", loop.time() - started)
                    if self.on_content is not None:
                        self.on_content()
                    for kept in held:
                        yield kept
                    yield event
                    return
                if self.first is None:
                    if not is_content(event):
                        held.append(event)
                        watchdog.resume()
                        continue
                    self.first = loop.time() - started
                    if not holding and run.reject:
                        self._check(whole=False)
                    if self.on_content is not None:
                        self.on_content()
                    held.append(event)
                elif holding:
                    held.append(event)
                else:
                    yield event
                if holding:
                    characters += len(event.text) if isinstance(event, TextDelta) else 0
                    if characters >= holding:
                        if run.reject:
                            self._check(whole=False)
                        holding = 0.0
                if held and not holding:
                    for kept in held:
                        yield kept
                    held.clear()
                watchdog.arm("idle", idle, until=until)
            self.failure = ProtocolError("the provider's events ended without a Finish", phase="plugin")
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if watchdog.expired(task):
                self.failure = _timed_out(watchdog, timeout, is_last=loop.time() >= self._until)
            elif task is not None and not task.cancelling():
                # Nobody cancelled this task: something inside the provider was, and it let that out.
                self.failure = ProviderError("the provider was cancelled from within", phase="plugin")
            else:
                raise
        except ProviderError as error:
            self.failure = error
        except UnderstudyError:
            raise  # a fault of configuration: not this provider's, and no other cures it
        except Exception as error:  # a provider's code may raise anything; the caller is promised our types
            # One of aiohttp's is nobody's cause: its repr may hold the headers of the call.
            translated = foreign_error(error, begun=self.first is not None)
            self.failure = translated or ProviderError(f"the provider raised {type(error).__name__}", phase="plugin")
            if watchdog.expired(asyncio.current_task()):
                # It answered the end of its time with an error of its own: late is what it was.
                self.failure = _timed_out(watchdog, timeout, is_last=loop.time() >= self._until)
            if translated is None:
                self.failure.__cause__ = error
        finally:
            watchdog.expired(asyncio.current_task())  # of a provider that kept its cancellation to itself
            watchdog.close()
            try:
                if isinstance(source, AsyncGenerator):
                    await source.aclose()
            except Exception as error:  # a provider's clean-up may raise anything; what the try came to is known
                _log.warning("%s/%s raised %s as it closed", candidate.provider, candidate.model, type(error).__name__)
            finally:
                if self.record is None:
                    self._recorded(self._outcome(), loop.time() - started)
        # Outside the except block: the cause is what the error says it is, nothing that was on the way.
        if self.failure is not None:
            raise self.failure

    def _doubt(self, held: list[Event]) -> None:
        """Of who was asked to go on and said nothing more nobody can tell whether the text was whole."""
        if "empty" in self._run.reject:
            raise RejectedError("who was asked to go on said nothing more (empty)", reason="empty")
        notice = Notice("continue", "who was asked to go on said nothing more: the text may not be whole")
        self.collector.add(notice)
        held.append(notice)

    def _check(self, *, whole: bool) -> None:
        """Turn the answer down where the caller's tests do."""
        reply = self.collector.reply() if whole else self.collector.beginning()
        reason = rejected_by(self._run.reject, reply, whole=whole)
        if reason is not None:
            raise RejectedError(f"the answer was turned down ({reason})", reason=reason, text=reply.text)

    def _start(self) -> AttemptStart:
        one = self.candidate
        address = self.endpoint.address or None
        request = shown(self.request)
        return AttemptStart(self._run.call, self.number, one.provider, one.model, address, self.way, request)

    def _outcome(self) -> Outcome:
        if self.failure is not None:
            return "failed"
        return "abandoned" if self.is_late is None else "lost"

    def _recorded(self, outcome: Outcome, duration: float) -> None:
        run, one, now = self._run, self.candidate, asyncio.get_running_loop().time()
        error = self.failure
        if error is not None:
            error.provider = error.provider or one.provider
            error.model = error.model or one.model
            if isinstance(error, StreamBrokenError):
                error.text = self.collector.text
        usage = self.collector.usage if self._resumption is None else self._resumption.usage
        attempt = self.record = Attempt(
            one.provider, one.model, outcome, duration, self.first, error, usage,
            self.number, run.call, self.way, one.pricing,
        )  # fmt: skip
        bisect.insort(run.attempts, attempt, key=lambda one: one.number)
        fleet = run.fleet
        match outcome:
            case "answered":
                run.answering, run.collector = one, self.collector
                run.parts.append(attempt)
                whole = not self.request.stream
                change = fleet.answered(self.endpoint, now, first=self.first, duration=duration, whole=whole)
            case "failed":
                assert error is not None
                change = fleet.failed(self.endpoint, error, now, probe=self.probe)
            case "lost" if self.is_late:
                late = PhaseTimeoutError("another one was faster", phase="first_event")
                change = fleet.failed(self.endpoint, late, now, probe=self.probe)
            case _:
                change = fleet.left(self.endpoint, now, probe=self.probe)
        run.observers.ended(attempt)
        run.observers.changed(change)


def _timed_out(watchdog: Watchdog, timeout: Timeout, *, is_last: bool) -> PhaseTimeoutError:
    phase = watchdog.phase
    limit = {"first_event": timeout.first_event, "idle": timeout.idle}.get(phase, timeout.total)
    what = {"first_event": "no content", "idle": "silence in the middle of the answer"}.get(phase, "no whole answer")
    shown = "" if limit is None else f" for {limit:g} s"
    return PhaseTimeoutError(f"{what}{shown} ({phase} timeout)", phase=phase, next_may_help=not is_last)
