"""One attempt at one candidate, from the request to its end, which is always recorded."""

from __future__ import annotations

import asyncio
import bisect
import contextlib
import copy
import itertools
import logging
import math
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import field
from random import random as _random
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from ..capabilities import Capabilities
from ..display import shown_address
from ..errors import PhaseTimeoutError, ProtocolError, ProviderError, RejectedError, SegueError, StreamBrokenError
from ..events import Collector, Event, Finish, Flow, Handover, Notice, Reply, TextDelta, flow_of, is_content
from ..frames import forget_locals, raised_at
from ..json_text import NotUnicodeError
from ..observation import Attempt, AttemptStart, Observers, Wait
from ..pricing import SharedPricing
from ..redaction import shown
from ..resilience import NO_RETRY, Concurrency, Endpoint, Fleet, Hedge, Rejection, Retry, rejected_by
from ..transport import Timeout, Watchdog, foreign_error
from ..transport.deadlines import address_of
from ..validation import like
from ..values import dataclass
from ..wire.blotting import blot
from .calls import Calls

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from ..adaptation.output import Parse
    from ..messages import Request
    from ..observation import MidStream, Outcome, Way
    from ..pricing import Pricing
    from ..resilience.resume import Resumption

Ask: TypeAlias = "Callable[[Request, float | None], AsyncIterator[Event]]"
_log = logging.getLogger("segue")
NO_FACTS: Final = Capabilities()
_calls: Final = itertools.count(1)


def next_number() -> int:
    """The number of the next call in this process."""
    return next(_calls)


@dataclass(frozen=True, slots=True)
class Ready:
    """A candidate with everything to call it; ``stream`` gets the loop time of the deadline, or None.

    ``endpoint()`` is the current endpoint for its health: the key may change. ``timeout``, if it is set, overrides the
    call's, except for ``connect``; ``settings`` and ``options`` apply if the call does not set them.
    ``explain`` adds advice for the user to its errors. ``limits`` are those of its provider and targets; an attempt
    holds a slot of each until it ends.
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
    secrets: Callable[[Request], Sequence[str]] | None = field(default=None, repr=False)
    """The credentials for its requests, which no error may show."""
    explain: Callable[[ProviderError, Request], object] | None = field(default=None, repr=False)
    """Adds to an error how the user can fix it."""
    limits: tuple[Concurrency, ...] = ()

    def endpoint(self) -> Endpoint:
        """The endpoint under which its health is kept."""
        return Endpoint(self.provider, "", "", self.model) if self.endpoint_now is None else self.endpoint_now()

    def asked(self, request: Request, *, shared: bool) -> Request:
        """The request for this target.

        If it is ``shared`` with other attempts, it gets its own dicts, so that changes do not reach the other ones.
        """
        changed: dict[str, Any] = {}
        if shared:
            changed["options"] = copy.deepcopy(request.options) if request.options else {}
            changed["extra_body"] = copy.deepcopy(request.extra_body) if request.extra_body else {}
            changed["extra_headers"] = dict(request.extra_headers)
        if self.settings:
            given = request.settings.given()
            changed["settings"] = like(request.settings, {**self.settings, **given})
        if self.options:
            said = request.options.get(self.provider, {})
            changed["options"] = {**changed.get("options", request.options), self.provider: {**self.options, **said}}
        return like(request, changed) if changed else request


def limited(stream: Ask, limit: Concurrency, waits: Callable[[], AbstractContextManager[None]]) -> Ask:
    """A ``stream`` that first waits for a slot, and holds it until the end; the wait is inside ``waits()``."""

    async def events(request: Request, deadline: float | None) -> AsyncGenerator[Event, None]:
        with await limit.slot(math.inf if deadline is None else deadline, waits):
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
    """The settings and the results of one call through a chain.

    ``hold_back`` is how many characters of text are held back before the first event is delivered, so that after any
    failure until then the next candidate can answer; infinite for a whole answer. ``parse`` parses the whole answer
    into ``parsed``; an answer that it cannot parse is a failed attempt. ``sleep`` and ``random`` (0 to 1) are for the
    waits of ``retry``.
    """

    timeout: Timeout = field(default_factory=Timeout)
    usual: Timeout | None = None
    """The limits without those of the call itself; None if a call's shorter limits count against a host too."""
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
    """The attempts that have ended, in the order in which they began."""
    answering: Ready | None = None
    collector: Collector | None = None
    parts: list[Attempt] = field(default_factory=list)
    """The attempts that wrote a part of the answer, in order."""
    calls: Calls = field(default_factory=Calls)
    """The calls of the client that this one belongs to."""
    call: int = field(default_factory=next_number)
    begun: int = 0
    """The number of attempts that have begun."""

    @property
    def is_whole(self) -> bool:
        """Whether the answer has ended."""
        return self.answering is not None and self.collector is not None

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


class Attempting(Flow):
    """A running attempt at one candidate: its events.

    ``until`` is the loop time of the call's deadline. If the attempt continues a text, ``resumption`` is set,
    ``collector`` holds the text that was delivered, and ``handover`` is the event that announces it.
    """

    __slots__ = (
        "_characters", "_deadline", "_end", "_handover", "_held", "_holding", "_is_asked", "_is_over", "_notices",
        "_of_caller", "_resumption", "_run", "_source", "_started", "_timeout", "_until", "_watchdog", "candidate",
        "collector", "endpoint", "failure", "first", "index", "is_late", "number", "on_content", "probe", "record",
        "request", "way",
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
        super().__init__()
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
        """Whether this call is the probe of an endpoint whose breaker is open."""
        run.begun += 1
        self.number: int = run.begun
        self.first: float | None = None
        self.failure: ProviderError | None = None
        self.is_late: bool | None = None
        """Set before it is stopped for a faster attempt: whether it was slow itself."""
        self.on_content: Callable[[], object] | None = None
        self.record: Attempt | None = None
        self._timeout: Timeout = run.timeout
        self._deadline = until
        self._started = 0.0
        self._holding = run.hold_back
        self._characters = 0
        self._held: list[Event] = []
        self._source: Flow | None = None
        self._watchdog: Watchdog | None = None
        self._end: Event | None = None
        self._of_caller: Exception | None = None
        self._is_asked = False
        self._is_over = False

    def events(self) -> Flow:
        """The candidate's events, delivered from its first content event on, or after the text that is held back."""
        return self

    async def batch(self) -> Sequence[Event]:  # noqa: C901, PLR0912 - every way in which a try can end
        if self._is_over:
            return ()
        task = asyncio.current_task()
        is_over = True
        try:
            if self._source is None:
                self._begin()
            if self._end is None:
                given = await self._next()
            else:
                given = self._ended(self._end) if self.record is None else ()
            if given:
                is_over = False
                return given
        except asyncio.CancelledError as error:
            if self._expired(task):
                self.failure = self._timed_out()
                self.failure.address = address_of(error)
            elif task is not None and not task.cancelling():
                # Nobody cancelled this task: something inside the provider was, and it let that out.
                self.failure = ProviderError("the provider was cancelled from within", phase="plugin")
            else:
                raise
        except ProviderError as error:
            self.failure = error
        except (SegueError, NotUnicodeError):
            raise  # a fault of configuration, or of the request: not this provider's, and no other cures it
        except Exception as error:  # a provider's code may raise anything; the caller is promised our types
            if error is self._of_caller:
                raise
            # One of aiohttp's is nobody's cause: its repr may hold the headers of the call.
            translated = foreign_error(error, begun=self.first is not None)
            self.failure = translated or ProviderError(
                f"the provider raised {type(error).__name__}{raised_at(error)}", phase="plugin"
            )
            if self._expired(task):
                # It answered the end of its time with an error of its own: late is what it was.
                self.failure = self._timed_out()
            if translated is None:
                self.failure.__cause__ = error
        finally:
            if is_over:
                await self.close()
        # Outside the except block: the cause is what the error says it is, nothing that was on the way.
        if self.failure is not None:
            raise self.failure
        return ()

    def _begin(self) -> None:
        """Ask the candidate."""
        run, candidate = self._run, self.candidate
        timeout = self._timeout = run.timeout if candidate.timeout is None else candidate.timeout
        self._started = asyncio.get_running_loop().time()
        if candidate.timeout is not None and candidate.timeout.total is not None:
            self._deadline = min(self._until, self._started + candidate.timeout.total)
        if self._handover is not None:
            self._held.append(self._handover)
        self._held += self._notices
        self._held += candidate.notices
        if self._resumption is not None:
            self._held += self._resumption.notices
        for event in self._held:
            self.collector.add(event)
        run.observers.started(self._start)
        self.probe, change = run.fleet.asked(self.endpoint, self._started)
        self._is_asked = True
        run.observers.changed(change)
        self._watchdog = watchdog = Watchdog()
        watchdog.latest = self._deadline
        ask = candidate.stream
        for limit in candidate.limits:
            ask = limited(ask, limit, self._waits)
        try:
            source = ask(self.request, None if self._deadline == math.inf else self._deadline)
        except BaseException as error:  # only looked at: a provider's frames hold keys and messages
            forget_locals(error, of_all=True)
            raise
        self._source = flow_of(source if self._resumption is None else self._resumption.joined(source))
        watchdog.arm("first_event", timeout.first_event, until=self._deadline)

    async def _next(self) -> Sequence[Event]:
        """The next events for the caller. The end comes alone, after everything before it was taken."""
        source, watchdog = self._source, self._watchdog
        assert source is not None
        assert watchdog is not None
        while True:
            if self.first is not None:
                # Only now, in the task that waits now: what the reader did since the last event is not the host's time.
                watchdog.arm("idle", self._timeout.idle, until=self._deadline)
            try:
                batch = await source.batch()
            except BaseException as error:  # as above
                forget_locals(error, of_all=True)
                raise
            is_late = watchdog.disarm()
            if not batch:
                raise ProtocolError("the provider's events ended without a Finish", phase="plugin")
            begun = self.first is not None
            given = self._took(batch) if self._holding or not begun else self._passed_on(batch)
            if self._end is not None:
                self._refuse_end(is_late=is_late)
                return given or self._ended(self._end)
            if given:
                return given
            if self.first is None:
                watchdog.resume()

    def _refuse_end(self, *, is_late: bool) -> None:
        """An end that the provider made of a cancellation, which it kept to itself, does not make an answer whole."""
        task, watchdog = asyncio.current_task(), self._watchdog
        assert watchdog is not None
        if is_late:
            raise self._timed_out()
        if task is not None and task.cancelling() > watchdog.cancelling:
            raise asyncio.CancelledError

    def _passed_on(self, batch: Sequence[Event]) -> Sequence[Event]:
        """The events of a batch for the caller if nothing is held back any more: all of them, up to the end."""
        count = self.collector.take(batch)
        if count < len(batch) or isinstance(batch[-1], Finish):
            if count == len(batch):
                count -= 1
            self._end = batch[count]
            return batch[:count]
        return batch

    def _took(self, batch: Sequence[Event]) -> Sequence[Event]:
        """What is given of a batch while some is held back: what is held, once that is over."""
        run, collector, held = self._run, self.collector, self._held
        for place, event in enumerate(batch, 1):
            collector.add(event)
            if isinstance(event, Finish):
                self._end = event
                return ()
            held.append(event)
            if self.first is None:
                if not is_content(event):
                    continue
                self.first = asyncio.get_running_loop().time() - self._started
                if not self._holding and run.reject:
                    self._check(whole=False)
                if self.on_content is not None:
                    self.on_content()
            if self._holding:
                self._characters += len(event.text) if isinstance(event, TextDelta) else 0
                if self._characters < self._holding:
                    continue
                if run.reject:
                    self._check(whole=False)
                self._holding = 0.0
            self._held = []
            return [*held, *self._passed_on(batch[place:])] if place < len(batch) else held
        return ()

    def _ended(self, end: Event) -> Sequence[Event]:
        """The end, with what was held back until then."""
        run = self._run
        if self._resumption is not None and self._resumption.is_silent:
            self._doubt(self._held)
        if self._held and run.reject:
            self._check(whole=True)
        if run.parse is not None:
            with self._callers_code():
                run.parsed = run.parse(self.collector.reply().choices[0])
        # On record before the caller sees the end, whose reply tells of it.
        self._recorded("answered", asyncio.get_running_loop().time() - self._started)
        if self.on_content is not None:
            self.on_content()
        return [*self._held, end]

    async def close(self) -> None:
        """Stop it, and record its end."""
        if self._is_over:
            return
        self._is_over = True
        candidate = self.candidate
        self._expired(asyncio.current_task())  # of a provider that kept its cancellation to itself
        if self._watchdog is not None:
            self._watchdog.close()
        try:
            if self._source is not None:
                await self._source.aclose()
        except Exception as error:  # a provider's clean-up may raise anything; what the try came to is known
            _log.warning(
                "%s/%s raised %s when it was closed", candidate.provider, candidate.model, type(error).__name__
            )
        finally:
            if self.record is None and self._is_asked:
                self._recorded(self._outcome(), asyncio.get_running_loop().time() - self._started)

    def _expired(self, task: asyncio.Task[object] | None) -> bool:
        return self._watchdog is not None and self._watchdog.expired(task)

    def _timed_out(self) -> PhaseTimeoutError:
        assert self._watchdog is not None
        is_last = asyncio.get_running_loop().time() >= self._until
        return _timed_out(self._watchdog, self._timeout, is_last=is_last)

    def _doubt(self, held: list[Event]) -> None:
        """If a host had to continue a text and added nothing, we cannot know whether the text was whole."""
        if "empty" in self._run.reject:
            raise RejectedError("the next model added no text to the answer (empty)", reason="empty")
        notice = Notice("continue", "the next model added no text: the answer may not be whole")
        self.collector.add(notice)
        held.append(notice)

    def _check(self, *, whole: bool) -> None:
        """Turn the answer down where the caller's tests do."""
        reply = self.collector.reply() if whole else self.collector.beginning()
        with self._callers_code():
            reason = rejected_by(self._run.reject, reply, whole=whole)
        if reason is not None:
            raise RejectedError(f"the answer was rejected ({reason})", reason=reason, text=reply.text)

    @contextlib.contextmanager
    def _callers_code(self) -> Iterator[None]:
        """Code of the caller runs: what it raises is not an error of the provider and reaches the caller unchanged."""
        try:
            yield
        except SegueError:
            raise
        except Exception as error:  # only looked at, and raised again
            self._of_caller = error
            raise

    def _start(self) -> AttemptStart:
        one = self.candidate
        address = self.endpoint.address or None
        request = shown(self.request)
        return AttemptStart(self._run.call, self.number, one.provider, one.model, address, self.way, request)

    def _waits(self) -> AbstractContextManager[None]:
        run, one = self._run, self.candidate
        return run.observers.waiting(lambda: Wait(run.call, "slot", one.provider, one.model))

    def _is_impatient(self) -> bool:
        """Whether it failed only by a limit of the call that is shorter than the usual one: that says nothing of it."""
        run, error = self._run, self.failure
        if run.usual is None or self._timeout is not run.timeout or not isinstance(error, PhaseTimeoutError):
            return False
        given, usual = (getattr(limits, error.phase, None) for limits in (run.timeout, run.usual))
        return given is not None and (usual is None or given < usual)

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
            error.address = error.address or shown_address(self.endpoint.address)
            if one.explain is not None:
                one.explain(error, self.request)
            if one.secrets is not None:
                blot(error, one.secrets(self.request))
        usage = self.collector.usage if self._resumption is None else self._resumption.usage
        attempt = self.record = Attempt(
            one.provider, one.model, outcome, duration, self.first, error, usage,
            self.number, run.call, self.way, one.pricing,
        )  # fmt: skip
        if run.attempts and run.attempts[-1].number > attempt.number:
            bisect.insort(run.attempts, attempt, key=lambda one: one.number)
        else:
            run.attempts.append(attempt)
        fleet = run.fleet
        match outcome:
            case "answered":
                run.answering, run.collector = one, self.collector
                run.parts.append(attempt)
                whole = not self.request.stream
                change = fleet.answered(self.endpoint, now, first=self.first, duration=duration, whole=whole)
            case "failed" if run.calls.is_closed or self._is_impatient():
                change = fleet.left(self.endpoint, now, probe=self.probe)
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
    what = {"first_event": "no content", "idle": "no data in the middle of the answer"}.get(phase, "no whole answer")
    shown = "" if limit is None else f" for {limit:g} s"
    return PhaseTimeoutError(f"{what}{shown} ({phase} timeout)", phase=phase, next_may_help=not is_last)
