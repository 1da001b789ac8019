"""Tries candidates in order, until one returns a whole answer."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from typing import TYPE_CHECKING

from ..errors import AllFailedError, ContentFilterError, ContextLengthError, PhaseTimeoutError, ProviderError
from ..events import Flow, Handover, flow_of
from ..observation import Attempt, Fallback, Wait
from ..resilience import HEDGE, RETRY, Rounds
from ..resilience.resume import Resumption, obstacle
from .attempt import Attempting
from .calls import Reader, closed
from .race import Race

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence
    from contextlib import AbstractContextManager
    from typing import Final, Literal

    from ..errors import SegueError
    from ..events import Collector, Event, Notice
    from ..messages import Request
    from ..observation import WaitReason, Way
    from ..resilience import Endpoint
    from .attempt import Ready, Run


MOST_NOTICES: Final = 20


def in_turn(candidates: Sequence[Ready], request: Request, run: Run, notices: Sequence[Notice] = ()) -> Flow:
    """The events of the first candidate that answers.

    Each candidate gets one request, in order. Then, if ``run.retry`` and the budget allow it, the candidates whose
    error is retryable are tried again, in rounds with a wait before each. After a credential was refused, or its
    account has no credit left, no other candidate is tried with it. A single candidate raises its own last error;
    two or more raise AllFailedError, with the last error of each. If an answer breaks off after the caller got a
    part of it, ``run.mid_stream`` decides what follows. ``attempts`` holds the result of every attempt.
    """
    return _Walk(candidates, request, run, notices)


class _Walk(Flow):
    """One call on its way down its candidates."""

    __slots__ = (
        "__weakref__", "_asked", "_before", "_broken", "_candidates", "_current", "_events", "_failures", "_final",
        "_given", "_held_slot", "_is_begun", "_is_given", "_is_over", "_kept_out", "_notices", "_reader", "_refused",
        "_request", "_rounds", "_run", "_turn", "_unasked", "_until", "_window", "number",
    )  # fmt: skip

    def __init__(self, candidates: Sequence[Ready], request: Request, run: Run, notices: Sequence[Notice]) -> None:
        super().__init__()
        self._candidates = candidates
        self._request = request
        self._run = run
        self.number: int = run.call
        self._reader = Reader()
        self._notices = notices
        self._until = math.inf
        self._turn: deque[int] = deque()
        self._asked: set[int] = set()
        self._rounds = Rounds(run.retry, run.random)
        self._failures: dict[int, ProviderError] = {}  # the last one of each
        self._final: ProviderError | None = None  # after which nobody else is asked
        self._before: tuple[Ready, ProviderError] | None = None  # who failed last, and how
        self._refused: dict[tuple[str, ...], ProviderError] = {}  # by credential
        self._unasked: set[int] = set()  # because of those
        self._window = -math.inf  # the context that was too small
        self._given: Collector | None = None  # what the caller has, once something was given
        self._broken: list[ProviderError] = []  # what went wrong from then on
        self._kept_out: list[str] = []  # who was not tried from then on, and why
        self._current: Attempting | None = None
        self._events: Flow | None = None  # of the current one, or of the race that it is in
        self._is_given = False  # whether they gave something
        self._held_slot: AbstractContextManager[None] | None = None
        self._is_begun = False
        self._is_over = False

    async def batch(self) -> Sequence[Event]:
        reader = self._reader
        if self._is_over:
            if reader.is_stopped:
                raise closed()
            return ()
        is_over = True
        reader.task = asyncio.current_task()
        try:
            while await self._ask():
                assert self._current is not None
                assert self._events is not None
                try:
                    batch = await self._events.batch()
                except ProviderError as error:
                    if reader.is_stopped:  # the provider made an error of its own out of that
                        raise asyncio.CancelledError from None
                    events, self._events = self._events, None
                    await events.aclose()
                    self._note(self._current, error, given=self._is_given)
                    continue
                if reader.is_stopped:  # the provider kept it to itself
                    raise asyncio.CancelledError
                if batch:
                    self._is_given = True
                    is_over = False
                    return batch
                self._let_go()
                return ()
            raise self._failed()
        except asyncio.CancelledError:
            if not reader.was_stopped():
                raise
        finally:
            reader.task = None
            if is_over:
                await self.close()
        # Outside the except block: the cancellation is not the cause.
        raise closed()

    async def stop(self) -> None:
        """End it because its client is closed: who waits gets ClosedError now, or else who reads on."""
        if not self._reader.stop():
            await self.close()

    async def close(self) -> None:
        """Stop the current attempt, and release the slot."""
        self._is_over = True
        self._run.calls.end(self)
        events, self._events = self._events, None
        try:
            if events is not None:
                await events.aclose()
        finally:
            self._leave_slot()

    async def _ask(self) -> bool:
        """Ask the next candidate, unless one is answering; whether there is one."""
        if self._events is not None:
            return True
        if not self._is_begun:
            self._is_begun = True
            self._run.calls.begin(self)
            self._reader.begin()
            if self._run.timeout.total is not None:
                self._until = _now() + self._run.timeout.total
            self._turn.extend(self._those_who_refused_last(range(len(self._candidates))))
        while True:
            # A slot is held through a round, so that a call that goes on to its next candidate is not sent to the
            # back of the queue, and none is held through a wait, when this call asks nothing of any host.
            while self._turn:
                if self._held_slot is None:
                    slot = await self._slot()
                    slot.__enter__()
                    self._held_slot = slot
                attempt = self._next()
                if attempt is not None:
                    self._current = attempt
                    self._is_given = False
                    self._events = self._events_of(attempt)
                    return True
            self._leave_slot()
            self._turn.extend(await self._next_round())
            if not self._turn:
                return False

    def _leave_slot(self) -> None:
        slot, self._held_slot = self._held_slot, None
        if slot is not None:
            slot.__exit__(None, None, None)

    def _those_who_refused_last(self, indices: Sequence[int]) -> list[int]:
        fleet, now = self._run.fleet, _now()
        if not fleet.any_comes_last(now):
            return list(indices)
        return sorted(indices, key=lambda index: fleet.comes_last(self._candidates[index].endpoint(), now))

    async def _slot(self) -> AbstractContextManager[None]:
        try:
            return await self._run.concurrency.slot(self._until, self._waits_for_slot)
        except PhaseTimeoutError as error:
            error.attempts = tuple(self._run.attempts)
            raise

    def _waits_for_slot(self) -> AbstractContextManager[None]:
        run, one = self._run, self._candidates[self._turn[0]]
        return run.observers.waiting(lambda: Wait(run.call, "slot", one.provider, one.model))

    async def _next_round(self) -> Sequence[int]:
        """Wait for the next round; it is empty if there is no other round, or none before the deadline."""
        if self._final is not None or self._given is not None:
            return ()
        now = _now()
        following = self._rounds.next(now)
        if following is None or following.at >= self._until:
            return ()
        if self._run.fleet.bucket.left < RETRY and self._asked.issuperset(following.candidates):
            return ()
        if following.at > now:
            with self._pause(following.candidates[0], following.at - now):
                await self._run.sleep(following.at - now)
        return following.candidates

    def _pause(self, index: int, seconds: float) -> AbstractContextManager[None]:
        run, one, error = self._run, self._candidates[index], self._failures.get(index)
        reason: WaitReason = "retry" if error is None or error.retry_after is None else "retry_after"
        return run.observers.waiting(lambda: Wait(run.call, reason, one.provider, one.model, seconds))

    # ── whom to ask ───────────────────────────────────────────────────────────────────────────────────

    def _next(self) -> Attempting | None:
        """The next attempt; None if the next candidate is skipped."""
        index = self._turn.popleft()
        candidate = self._candidates[index]
        refusal = self._refusal_of(candidate)
        if refusal is not None:
            is_other = refusal.provider != candidate.provider
            who = f"{refusal.provider}/{refusal.model} at the same address" if is_other else refusal.model
            told = f"not tried: its key was refused for {who} ({refusal.args[0]})"
            error = ProviderError(told, phase="skipped")
            error.refused_for, error.refused_by = refusal.model, refusal.provider
            self._skip(candidate, error)
            self._unasked.add(index)
            return None
        passed = self._passed_by(candidate)
        if passed is not None:
            # It cannot help, which is no failure of its own.
            self._skip(candidate, ProviderError(f"not tried: {passed}", phase="skipped"))
            return None
        endpoint, now = candidate.endpoint(), _now()
        late = self._too_late(endpoint, now) or self._run.fleet.refusal(endpoint, now)
        if late is not None:
            self._skip(candidate, late)
            self._failures.setdefault(index, late)
            self._rounds.failed(index, late, now)
            if self._given is not None:
                self._broken.append(late)
            return None
        if index in self._asked and not self._run.fleet.bucket.spend(RETRY):
            return None  # its own error stands already
        return self._attempt(index, endpoint, self._way(index))

    def _refusal_of(self, candidate: Ready) -> ProviderError | None:
        """The refusal of this candidate's credential in this call; None if it was not refused."""
        return self._refused.get(_credential(candidate.endpoint())) if self._refused else None

    def _passed_by(self, candidate: Ready) -> str | None:
        if self._window > -math.inf and _number(candidate, "context") <= self._window:
            return "its context is not declared as larger than the one that was too small"
        if self._given is not None and self._run.mid_stream == "continue" and self._given.text.strip():
            takes = candidate.facts.fact("prefill").value
            if takes is not True and takes != "echoes":
                return "it does not declare that it can continue the text of another model (prefill)"
        return None

    def _too_late(self, endpoint: Endpoint, now: float) -> PhaseTimeoutError | None:
        if self._until == math.inf:
            return None
        whole = self._run.hold_back == math.inf
        least = self._run.fleet.latencies(endpoint, whole=not self._request.stream).least(whole=whole)
        left = self._until - now
        if left > least:
            return None
        told = f"only {max(0.0, left):.3g} s are left, and its fastest recent answer took {least:.3g} s"
        return PhaseTimeoutError(f"not tried: {told}", phase="total", next_may_help=True)

    def _skip(self, candidate: Ready, error: ProviderError) -> None:
        run = self._run
        run.begun += 1
        error.provider, error.model = candidate.provider, candidate.model
        if self._given is not None:
            self._kept_out.append(f"{candidate.provider}/{candidate.model} was {error.args[0]}")
        attempt = Attempt(
            candidate.provider, candidate.model, "skipped", 0.0, error=error, number=run.begun, call=run.call
        )
        run.attempts.append(attempt)
        run.observers.ended(attempt)
        self._before = (candidate, error)

    def _way(self, index: int) -> Way | None:
        if self._given is not None:
            return "restart" if self._run.mid_stream == "restart" else "continue"
        if index in self._asked:
            return "retry"
        return None if self._before is None else "next"

    def _attempt(self, index: int, endpoint: Endpoint, way: Way | None) -> Attempting:
        run, candidate = self._run, self._candidates[index]
        self._asked.add(index)
        self._tell(candidate, way)
        if way != "hedge":
            run.answering = candidate
        request = candidate.asked(self._request, shared=len(self._candidates) > 1)
        given = self._given
        if given is None:
            return Attempting(
                run, candidate, request, self._until, endpoint=endpoint, index=index, way=way, notices=self._notices
            )
        cause = type(self._broken[-1]).__name__
        mode: Literal["continue", "restart"] = "restart" if way == "restart" else "continue"
        handover = Handover(mode, candidate.provider, candidate.model, len(given.text), cause)
        resumption = collector = None
        if mode == "continue":
            takes = candidate.facts.fact("prefill").value or False
            resumption = Resumption(request, text=given.text, usage=given.usage, takes=takes)
            request, collector = resumption.request, given.resumed()
        return Attempting(
            run, candidate, request, self._until, endpoint=endpoint, index=index, way=way,
            handover=handover, resumption=resumption, collector=collector,
        )  # fmt: skip

    def _tell(self, candidate: Ready, way: Way | None) -> None:
        if way is None:
            return
        error: ProviderError | None = None
        if self._before is not None:
            before, error = self._before
        else:
            assert self._current is not None
            before = self._current.candidate
        fallback = Fallback(
            call=self._run.call,
            way=way,
            provider=before.provider,
            model=before.model,
            to_provider=candidate.provider,
            to_model=candidate.model,
            error=None if way == "hedge" else error,
            text_length=0 if self._given is None else len(self._given.text),
        )
        self._run.observers.fell_back(fallback)

    # ── hedging ───────────────────────────────────────────────────────────────────────────────────────

    def _events_of(self, attempt: Attempting) -> Flow:
        hedge = self._run.hedge
        if hedge is None or self._given is not None or not self._turn:
            return attempt
        delay = hedge.delay(self._run.fleet.latencies(attempt.endpoint, whole=not self._request.stream))
        if delay is None:
            return attempt
        return flow_of(self._raced(attempt, delay))

    async def _raced(self, attempt: Attempting, delay: float) -> AsyncGenerator[Event, None]:
        """The events of whichever has its first content sooner: this one, or another asked after the delay."""
        async with Race(attempt) as race:
            if not await race.decided(within=delay):
                second = self._second()
                if second is not None:
                    race.add(second)
            while (failed := await race.failure()) is not None:
                self._current, error = failed
                if race.is_over or not self._next_may_help(error):
                    raise error
                self._note(self._current, error, given=False)
            self._current = await race.winner()
            self._run.answering = self._current.candidate
            async for event in race.events():
                yield event

    def _second(self) -> Attempting | None:
        fleet, now = self._run.fleet, _now()
        for index in self._turn:
            candidate = self._candidates[index]
            if index in self._asked or self._refusal_of(candidate) or self._passed_by(candidate) is not None:
                continue
            endpoint = candidate.endpoint()
            if fleet.is_sound(endpoint, now) and self._too_late(endpoint, now) is None:
                if not fleet.bucket.spend(HEDGE):
                    return None
                self._turn.remove(index)
                return self._attempt(index, endpoint, "hedge")
        return None

    # ── what went wrong ───────────────────────────────────────────────────────────────────────────────

    def _note(self, attempt: Attempting, error: ProviderError, *, given: bool) -> None:
        """Keep what went wrong, and decide whether anybody else is to be asked."""
        run = self._run
        error.attempts = tuple(run.attempts)
        self._before = (attempt.candidate, error)
        self._failures[attempt.index] = error
        if error.refuses_credential:
            # Of a key that is looked up late nothing is known before it was used.
            endpoint = attempt.endpoint if attempt.endpoint.address else attempt.candidate.endpoint()
            self._refused[_credential(endpoint)] = error
        if given:
            self._note_broken(attempt, error)
        elif self._given is not None:
            # Whatever it was, what it was asked is not what the caller asked: the first error stands.
            self._broken.append(error)
        elif isinstance(error, ContextLengthError):
            self._window = max(self._window, _number(attempt.candidate, "context"))
        elif not self._next_may_help(error):
            self._stop(error)
        else:
            self._rounds.failed(attempt.index, error, _now())

    def _next_may_help(self, error: ProviderError) -> bool:
        if isinstance(error, ContentFilterError):
            return "content_filter" in self._run.reject
        return error.next_may_help

    def _note_broken(self, attempt: Attempting, error: ProviderError) -> None:
        run = self._run
        self._given = attempt.collector
        self._broken.append(error)
        if run.mid_stream != "restart":
            assert attempt.record is not None
            run.parts.append(attempt.record)
        if run.mid_stream == "fail":
            if len(self._candidates) > 1:
                error.add_note("no candidate was tried after the answer began: mid_stream is 'fail'")
            self._stop(error)
        elif not self._next_may_help(error):
            self._stop(error)
        elif run.mid_stream == "continue":
            reason = obstacle(self._request, self._given)
            if reason is not None:
                error.add_note(f"no candidate could continue the answer: {reason}")
                self._stop(error)

    def _stop(self, error: ProviderError) -> None:
        self._final = error
        self._turn.clear()

    def _failed(self) -> SegueError:
        run = self._run
        text = "" if self._given is None else self._given.text
        errors = [self._failures[index] for index in sorted(self._failures)]
        alike = 0
        if self._broken:
            errors = self._broken
        elif self._final is not None:
            errors = [self._final]
        else:
            alike = len(self._unasked.difference(self._failures))
        self._let_go(but=errors)
        for error in errors:
            error.attempts = tuple(run.attempts)
        if self._broken and self._kept_out:
            told = "; ".join(self._kept_out[:MOST_NOTICES])
            self._broken[-1].add_note(f"no candidate could continue the answer: {told}")
        count = len(errors) + alike
        if count == 1:
            errors[0].text = errors[0].text or text
            return errors[0]
        failed = AllFailedError(f"all {count} candidates failed", errors)
        failed.attempts, failed.text = tuple(run.attempts), text
        return failed

    def _let_go(self, *, but: Sequence[ProviderError] = ()) -> None:
        """Drop the frames of errors that nobody will see raised: they hold the messages, and records live on."""
        for attempt in self._run.attempts:
            error: BaseException | None = attempt.error
            if any(error is kept for kept in but):
                continue
            while error is not None and error.__traceback__ is not None:
                error.__traceback__ = None
                error = error.__cause__ or error.__context__


def _credential(endpoint: Endpoint) -> tuple[str, ...]:
    """The key at an address, whichever provider's name it has.

    Without a known key the name counts too: the credential may be in headers, or be looked up by the provider.
    """
    address = endpoint.address.rstrip("/")
    return (address, endpoint.credential) if endpoint.credential else (address, "", endpoint.provider)


def _now() -> float:
    return asyncio.get_running_loop().time()


def _number(candidate: Ready, name: str) -> float:
    """A fact that is a number; less than any where it is not known."""
    value = candidate.facts.fact(name).value
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else -math.inf
