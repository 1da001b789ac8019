"""Calls the hooks of plugins: each hook by itself, with a time limit; an error names the hook.

Hooks that decide where a request goes, or what it contains (candidates, middleware), fail closed: if one fails, no
request is sent. Hooks that only add facts or observe fail open, with a log line and a notice in the replies.
"""

from __future__ import annotations

import functools
import itertools
import logging
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, TypeVar

from ..capabilities import Capabilities, Fact, fact_fault
from ..constraints import shown
from ..errors import PluginError, TimeIsUpError
from ..events import Notice
from ..frames import raised_at
from ..selection import Candidate, Rejection, Veto
from . import cause_of
from .limits import within

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from ..capabilities import Needs
    from ..messages import Request
    from ..observation import Observer
    from ..provider.contract import Model
    from ..selection import Matched, Selection
    from . import Declared, Late
    from .middleware import Middleware

T = TypeVar("T")

_log = logging.getLogger("segue")
_MOST: Final = 1000
_SHOWN: Final = 3
_LONGEST_REASON: Final = 300
_TOLD: Final = ("attempt_started", "attempt_ended", "fell_back", "circuit_changed")
_CHANGES: Final = ("request", "events")
_OF_CAPABILITIES: Final = "Capabilities(facts=<dict>): "


class _WrongResultError(Exception):
    """A hook returned an invalid value; the message is our own, without any text of the request."""


class _RaisedError(Exception):
    """Its ``__cause__`` was raised by a hook: any kind of error, and certainly the plugin's."""


class _Hook:
    """One hook of one plugin."""

    __slots__ = ("_late", "_limit", "_name", "hangs")

    def __init__(self, late: Late, name: str, limit: float) -> None:
        self._late = late
        self._name = name
        self._limit = limit
        self.hangs: bool = False
        """Whether it once took too long; then it is not called again, because it may still be running."""

    @property
    def plugin(self) -> str:
        """The plugin's name."""
        return self._late.entry.name

    def __call__(self, read: Callable[[Any], T], *, tells: bool = True, **arguments: object) -> T:
        """Call the hook and ``read`` its result, both within the time limit; PluginError if one fails.

        ``tells`` is whether the messages of its own errors are shown: they may contain its arguments.
        """
        late, name = self._late, self._name

        def call() -> T:
            try:
                given = late.result(name, **arguments)
                return read(given)  # here too its code runs, where it is a generator
            except _WrongResultError:
                raise
            except BaseException as error:  # a plugin's code may raise anything
                raise _RaisedError from error

        if self.hangs:
            raise self._failed("takes too long, and is not called again")
        try:
            late.load()  # not in its time: an import has a limit of its own
        except (Exception, SystemExit) as error:  # as above
            raise self._failed(f"cannot be imported: {cause_of(error)}") from error
        try:
            return within(self._limit, call, name=f"segue {self.plugin} {name}")
        except TimeIsUpError:
            self.hangs = True
            raise self._failed(f"took more than {self._limit:g} s") from None
        except _WrongResultError as error:
            raise self._failed(str(error)) from None
        except _RaisedError as raised:
            cause = raised.__cause__
            assert cause is not None
            what = cause_of(cause) if tells else type(cause).__name__
            raise self._failed(f"raised {what}{raised_at(cause)}") from cause

    def _failed(self, what: str) -> PluginError:
        entry = self._late.entry
        return PluginError(f"plugin {entry}: its hook {self._name} {what}", plugin=entry.name, hook=self._name)


class Hooks:
    """The hooks of the plugins of one client, in the order of the plugins' names."""

    def __init__(self, declared: Iterable[Declared] = (), *, time_limit: float = math.inf) -> None:
        self._time_limit = time_limit
        self._sorted = sorted(
            (one for one in declared if one.error is None),
            key=lambda one: (one.entry.name, one.entry.distribution),
        )
        self._candidates = self._of("segue_candidates")
        self._facts = self._of("segue_facts")
        self._unknown: dict[str, tuple[PluginError, list[str]]] = {}  # by plugin, with the providers
        self.errors: dict[Late, PluginError] = {}
        """The plugins whose observers or middleware cannot be used."""
        self.refusal: PluginError | None = None
        """Why no call can be made; None if calls can be made."""
        self.observers: tuple[tuple[str, Observer], ...] = tuple(self._given("segue_observers", _observer))
        """The observers of plugins, each with the plugin's name."""
        self.middleware: tuple[tuple[str, Middleware], ...] = tuple(self._given("segue_middleware", _middleware))
        """The middleware of plugins, each with the plugin's name."""

    def _of(self, name: str) -> tuple[_Hook, ...]:
        return tuple(_Hook(one.late, name, self._time_limit) for one in self._sorted if name in one.hooks)

    def _given(self, name: str, check: Callable[[object], T]) -> Iterable[tuple[str, T]]:
        for one in self._sorted:
            if name not in one.hooks:
                continue
            hook = _Hook(one.late, name, self._time_limit)
            try:
                for each in hook(lambda given: _each(given, check)):
                    yield hook.plugin, each
            except PluginError as error:
                self.errors.setdefault(one.late, error)
                if check is _middleware:
                    self.refusal = self.refusal or error

    # ── facts ─────────────────────────────────────────────────────────────────────────────────────────

    def facts(self, provider: str, models: Sequence[Model]) -> Mapping[str, Capabilities]:
        """The facts that plugins have of these models, by name; the later plugin overrides the earlier one."""
        told: dict[str, Capabilities] = {}
        for hook in self._facts:
            read = functools.partial(_facts, source=f"plugin {hook.plugin}")
            try:
                given = hook(read, provider=provider, models=tuple(models))
            except PluginError as error:
                if hook.plugin not in self._unknown:
                    _log.warning("%s: its facts of %s are not used", error, provider)
                self._unknown.setdefault(hook.plugin, (error, []))[1].append(provider)
                continue
            for model, facts in given.items():
                told[model] = told[model].merged(facts) if model in told else facts
        return told

    def notices(self) -> list[Notice]:
        """A notice for each plugin whose hook failed, if calls continue without it."""
        return [
            Notice("plugin", f"{error}: its facts of {_some(providers)} are not used")
            for error, providers in self._unknown.values()
        ]

    # ── candidates ────────────────────────────────────────────────────────────────────────────────────

    @property
    def choose(self) -> bool:
        """Whether any plugin can change the candidates."""
        return bool(self._candidates)

    def chosen(self, matched: Matched, needs: Needs, request: Request | None) -> Selection:
        """The selection after all plugins, each given the result of the one before; PluginError if one fails."""
        candidates = matched.candidates
        vetoed: list[Rejection] = []
        for hook in self._candidates:
            if not candidates:
                break
            read = functools.partial(_arranged, candidates=candidates)
            candidates, vetoes = hook(read, tells=False, candidates=candidates, needs=needs, request=request)
            vetoed += [
                Rejection(one.candidate.provider, one.candidate.model, (f"plugin {hook.plugin}: {_line(one.reason)}",))
                for one in vetoes
            ]
        return matched.selection(candidates, vetoed)


def _each(given: Any, check: Callable[[object], T]) -> list[T]:
    """What a hook gave one by one; of several implementations all."""
    if not given and check is _middleware:
        raise _WrongResultError("returned None, not a list of middleware")  # a return that was forgotten, maybe
    return [check(one) for one in itertools.islice(itertools.chain.from_iterable(given), _MOST)]


def _some(names: Sequence[str]) -> str:
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _line(text: str) -> str:
    return " ".join(text.split())[:_LONGEST_REASON]


def _facts(given: object, source: str) -> dict[str, Capabilities]:
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise _WrongResultError(f"returned {type(given).__name__}, not facts by the names of models")
    read: dict[str, Capabilities] = {}
    for model, facts in given.items():
        if not isinstance(model, str) or not isinstance(facts, Mapping):
            raise _WrongResultError("returned a value that is not facts by the names of models")
        try:
            plain = Capabilities(facts, source="")
        except (TypeError, ValueError) as error:
            told = f"{error!s:.300}".removeprefix(_OF_CAPABILITIES)  # the plugin did not call it
            raise _WrongResultError(f"returned a wrong fact of {model!r:.100}: {told}") from None
        for name, fact in plain.items():
            wanted = fact_fault(name, fact.value)
            if wanted is not None:
                told = f"{name} must be {wanted}, not {shown(fact.value)}"
                raise _WrongResultError(f"returned a wrong fact of {model!r:.100}: {told}")
        read[model] = Capabilities(
            {
                name: Fact(fact.value, f"{source}: {fact.source}" if fact.source else source)
                for name, fact in plain.items()
            }
        )
    return read


def _arranged(given: Any, candidates: Sequence[Candidate]) -> tuple[tuple[Candidate, ...], list[Veto]]:
    if given is None:
        return tuple(candidates), []
    if isinstance(given, (str, bytes, Mapping)) or not hasattr(given, "__iter__"):
        raise _WrongResultError(f"returned {type(given).__name__}, not candidates and vetoes")
    left = {candidate.name: candidate for candidate in candidates}
    kept: list[Candidate] = []
    vetoes: list[Veto] = []
    for one in itertools.islice(given, len(candidates) + 1):
        match one:
            case Candidate():
                kept.append(_own(one, left))
            case Veto(candidate=Candidate() as candidate, reason=str() as reason):
                if not reason.strip():
                    raise _WrongResultError(f"returned a veto of {candidate.name:.100} without a reason")
                _own(candidate, left)
                vetoes.append(one)
            case _:
                raise _WrongResultError(f"returned {type(one).__name__} among candidates and vetoes")
    if left:
        raise _WrongResultError(f"omitted {next(iter(left))}: to reject a candidate, return a Veto with the reason")
    return tuple(kept), vetoes


def _own(candidate: Candidate, left: dict[str, Candidate]) -> Candidate:
    own = left.pop(candidate.name, None)
    if own is None:
        raise _WrongResultError(f"returned {candidate.name:.100} twice, or it was not among the candidates")
    if own is not candidate and own != candidate:
        raise _WrongResultError(f"changed {candidate.name:.100}")
    return own


def _observer(given: object) -> Any:
    """The given object, if it has every method of an observer."""
    _has(given, _TOLD, "an observer", "Observer")
    return given


def _middleware(given: object) -> Any:
    """What was given, if it can change both requests and answers."""
    _has(given, _CHANGES, "middleware", "Middleware")
    return given


def _has(given: object, methods: Iterable[str], kind: str, parent: str) -> None:
    for name in methods:
        if isinstance(given, type) or not callable(getattr(given, name, None)):
            raise _WrongResultError(
                f"returned {given!r:.80}, which is not {kind}: it has no {name} (inherit from segue.{parent})"
            )
