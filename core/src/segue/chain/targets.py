"""What a chain is: its targets, and the candidates that they stand for."""

from __future__ import annotations

import math
from dataclasses import field, replace
from typing import TYPE_CHECKING, Any, Final, TypeAlias, get_args

from ..capabilities import Needs
from ..constraints import NAME, Anything, Either, Items, Number, Of, Table, Word, check, known_arguments, shown
from ..errors import NoCandidateError, PluginError
from ..events import Notice
from ..frames import forgetful
from ..json_text import JSON
from ..messages import SETTING_NAMES, Request, Settings
from ..observation import MidStream
from ..resilience import CONCURRENCY, Balance, Share, arranged, hedge_of, rejections
from ..transport.deadlines import TIMEOUT, limits_with
from ..validation import refusal_of
from ..values import dataclass
from .attempt import Run
from .walk import MOST_NOTICES, in_turn

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping, Sequence

    from ..constraints import Constraint
    from ..events import Flow
    from ..resilience import Hedge, Rejection
    from ..selection import Selection
    from ..transport import Timeout
    from .attempt import Ready


_MOST_ADVICE: Final = 3


@dataclass(frozen=True, slots=True, eq=False)
class Target:
    """One target of a chain, with settings for this target only.

    ``what`` is ``"provider/model"``, a model's name, `Needs`, or another chain. ``weight`` is for
    ``balance="weight"``. ``timeout`` overrides the call's timeout, except for ``connect``; its ``total``, or a number,
    limits one attempt. ``settings`` and ``options`` (for its provider) apply if the call does not set them.
    ``concurrency`` limits how many calls to this target one client makes at the same time, even if each call has a
    new chain.
    """

    what: str | Needs | Chain
    weight: float = 1.0
    timeout: Timeout | float | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    concurrency: int | None = None

    def __post_init__(self) -> None:
        for name, constraint in _TARGET.items():
            check("Target", name, getattr(self, name), constraint)
        if self.settings:
            self._check_settings()

    def _check_settings(self) -> None:
        for name in self.settings:
            if name not in SETTING_NAMES:
                raise ValueError(f"Target(settings=<dict>): unknown setting {name!r}; {_settings_there_are()}")
        try:
            Settings.model_validate(dict(self.settings))
        except ValueError as error:
            refusal = refusal_of(error, "Target(settings=<dict>)", "settings")
        else:
            return
        raise refusal

    @property
    def key(self) -> Hashable:
        """A key for what it names; equal for all targets that name the same."""
        return self.what.key if isinstance(self.what, Chain) else self.what

    def asked(self, one: Ready, run: Run) -> Ready:
        """The candidate with this target's own settings."""
        if not (self.options or self.settings) and self.timeout is None and self.concurrency is None:
            return one
        options = self.options
        if options and one.check_options is not None:
            options = one.check_options(options)
        limits = one.limits
        if self.concurrency is not None:
            limits = (*limits, run.fleet.limit(self.key, self.concurrency))
        return replace(
            one,
            timeout=one.timeout or _limits(self.timeout, run),
            settings={**self.settings, **one.settings},
            options={**options, **one.options},
            limits=limits,
        )

    def __str__(self) -> str:
        return str(self.what)


def _limits(timeout: Timeout | float | None, run: Run) -> Timeout | None:
    return None if timeout is None else limits_with(timeout, run.timeout)


def _settings_there_are() -> str:
    return f"the settings are {', '.join(SETTING_NAMES)}"


class Chain:
    """Targets to try one after the other: ``"provider/model"``, a model's name, `Needs`, a `Target` or another chain.

    ``balance`` decides the order of the targets for each call; a chain inside another chain has its own.
    ``mid_stream``, ``hedge`` (a number is the delay in seconds, True is the default delay), ``reject`` and ``timeout``
    (a number is the total) apply to the call. ``timeout`` overrides the client's, except for ``connect``. In a chain
    inside another chain only ``timeout`` is used; it then applies to the targets of the inner chain.
    """

    __slots__ = ("__weakref__", "_key", "balance", "hedge", "mid_stream", "permitted", "reject", "targets", "timeout")

    @forgetful
    @known_arguments("Chain")
    def __init__(
        self,
        *targets: str | Needs | Chain | Target,
        balance: Balance = "order",
        mid_stream: MidStream = "continue",
        hedge: Hedge | float | bool | None = None,
        reject: Sequence[Rejection] | Rejection = (),
        timeout: Timeout | float | None = None,
    ) -> None:
        if not targets:
            raise ValueError(f"Chain(): a chain needs at least one target: {_EACH}")
        first: object = targets[0]
        if isinstance(first, (list, tuple)):
            told = f"targets[0] must be {_EACH}, not {shown(first)}"
            raise TypeError(f"Chain({shown(first)}): {told}; give the targets one by one: Chain(*targets)")
        check("Chain", "targets", targets, _TARGETS)
        check("Chain", "balance", balance, _BALANCE)
        check("Chain", "mid_stream", mid_stream, MID_STREAM)
        check("Chain", "timeout", timeout, TIMEOUT)
        self.targets: tuple[Target, ...] = tuple(
            target if isinstance(target, Target) else Target(target) for target in targets
        )
        self.balance: Balance = balance
        self.mid_stream: MidStream = mid_stream
        self.hedge: Hedge | None = hedge_of("Chain", hedge)
        self.reject: tuple[Rejection, ...] = rejections("Chain", reject)
        self.timeout: Timeout | float | None = timeout
        self.permitted: Callable[[Resolution], Resolution] | None = None
        """Removes the candidates that must not get a request from those of a target; None keeps all."""
        self._key: Hashable = None

    @property
    def key(self) -> Hashable:
        """A key for its targets; equal for all chains with the same targets, as each call may make a new chain."""
        if self._key is None:
            self._key = tuple(target.key for target in self.targets)
        return self._key

    def __repr__(self) -> str:
        return f"Chain({', '.join(repr(target.what) for target in getattr(self, 'targets', ()))})"

    def leaves(self) -> list[str | Needs]:
        """The targets that are not chains, in order, including those of chains inside this one."""
        found: list[str | Needs] = []
        for target in self.targets:
            found += target.what.leaves() if isinstance(target.what, Chain) else [target.what]
        return found

    def lineup(self, *, resolve: Resolve, run: Run) -> Lineup:
        """The candidates of its targets, in the order for this call."""
        resolving = _Resolving(resolve, run)
        ready: dict[tuple[str, str], Ready] = {}
        for one in resolving.chain(self):
            # A candidate that two targets name is asked once: another try is not another target.
            ready.setdefault((one.provider, one.model), one)
        return Lineup(tuple(ready.values()), tuple(resolving.left_out), tuple(resolving.broken))

    def stream(self, request: Request, *, resolve: Resolve, run: Run | None = None) -> Flow:
        """The events of the first target that answers; ``run`` records what happens on the way."""
        check("Chain.stream", "request", request, _REQUEST)
        run = Run() if run is None else run
        lineup = self.lineup(resolve=resolve, run=run).checked()
        return in_turn(lineup.ready, request, run, lineup.notices())


_WHAT: Final = Either(NAME, Of((Needs, Chain)), wanted="'provider/model', a model's name, a Needs or a Chain")


_TARGET: Final[Mapping[str, Constraint]] = {
    "what": _WHAT,
    "weight": Number(ge=0),
    "timeout": TIMEOUT,
    "settings": Table(Anything(), "a dict of settings by name"),
    "options": Table(JSON, "a dict of options by name"),
    "concurrency": CONCURRENCY,
}


_EACH: Final = "'provider/model', a model's name, a Needs, a Target or a Chain"


_TARGETS: Final = Items(Either(NAME, Of((Target, Needs, Chain)), wanted=_EACH), f"one or more of: {_EACH}", empty=False)


PROBED: Final = Items(Either(NAME, Of((Target, Needs, Chain)), wanted=_EACH), f"any of: {_EACH}")
"""The allowed targets of a probe."""


_BALANCE: Final = Word(*get_args(Balance))


_REQUEST: Final = Of(Request)


MID_STREAM: Final = Word(*get_args(MidStream))


_CHAIN: Final = Either(
    Of(Chain), NAME, _TARGETS, wanted=f"a Chain, the name of a configured chain, or a list of: {_EACH}"
)


def chain_of(where: str, given: Chain | str | Sequence[str | Needs | Target | Chain]) -> Chain | str:
    """Read an argument ``chain``: a list becomes a chain of its targets, text is the name of a configured chain.

    TypeError or ValueError for anything else.
    """
    if isinstance(given, Chain):
        return given
    check(where, "chain", given, _CHAIN)
    return given if isinstance(given, str) else Chain(*given)


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A target without candidates: the explanation, the reason in one line, and what to set first."""

    name: str
    explanation: str
    reason: str
    advice: str = ""


@dataclass(frozen=True, slots=True)
class Lineup:
    """The candidates of a call, and the targets without candidates; ``broken`` are plugins that cannot be used."""

    ready: tuple[Ready, ...]
    left_out: tuple[LeftOut, ...] = ()
    broken: tuple[PluginError, ...] = ()

    def checked(self) -> Lineup:
        """Itself; PluginError or NoCandidateError if no model can get the request."""
        if self.ready:
            return self
        if len(self.left_out) == len(self.broken) == 1:
            raise self.broken[0]
        if len(self.left_out) == 1:
            explanation = self.left_out[0].explanation
        else:
            reasons = self.reasons()
            told = [f"  {place}. {name}: {reason}" for place, (name, reason) in enumerate(reasons[:MOST_NOTICES], 1)]
            more = len(reasons) - len(told)
            explanation = "\n".join([*told, *([f"  and {more} more targets"] if more else [])])
        advice = list(dict.fromkeys(each.advice for each in self.left_out if each.advice))
        first = f"{'; or '.join(advice[:_MOST_ADVICE])}\n" if advice else ""
        raise NoCandidateError(f"{first}no target has a candidate", explanation=explanation)

    def notices(self) -> list[Notice]:
        """A notice for each target that was left out."""
        return [Notice("chain", f"target {name!r} was left out: {reason}") for name, reason in self.reasons()]

    def reasons(self) -> list[tuple[str, str]]:
        """The targets that were left out, each with its reason in one line."""
        return [(one.name, one.reason.removeprefix(f"{one.name}: ")) for one in self.left_out]


def joined(lineups: Sequence[Lineup]) -> Lineup:
    """The candidates of all, each once."""
    ready: dict[tuple[str, str], Ready] = {}
    for lineup in lineups:
        for one in lineup.ready:
            ready.setdefault((one.provider, one.model), one)
    left_out = dict.fromkeys(each for lineup in lineups for each in lineup.left_out)
    return Lineup(tuple(ready.values()), tuple(left_out), tuple(error for lineup in lineups for error in lineup.broken))


@dataclass(frozen=True, slots=True)
class Resolution:
    """The candidates of a target, in order; or, if there are none, the explanation and the reason in one line.

    ``selection`` is the selection that was made for it, if any.
    """

    ready: tuple[Ready, ...]
    explanation: str = ""
    reason: str = ""
    selection: Selection | None = None


Resolve: TypeAlias = "Callable[[str | Needs], Resolution]"


class _Resolving:
    """Makes candidates of a chain's targets, in the order in which they are to be asked now."""

    def __init__(self, resolve: Resolve, run: Run) -> None:
        self._resolve = resolve
        self._run = run
        self.left_out: list[LeftOut] = []
        self.broken: list[PluginError] = []
        """The errors of plugins that cannot be used."""

    def chain(self, chain: Chain) -> list[Ready]:
        each = [self._target(target, chain) for target in chain.targets]
        if chain.balance == "order":
            return [one for ready in each for one in ready]
        there = [(target, ready) for target, ready in zip(chain.targets, each, strict=True) if ready]
        shares = [self._share(target, ready[0]) for target, ready in there]
        run = self._run
        turn = run.fleet.turn(chain.key) if chain.balance == "round_robin" else 0
        order = arranged(chain.balance, shares, turn=turn, random=run.random)
        return [one for place in order for one in there[place][1]]

    def _target(self, target: Target, chain: Chain) -> list[Ready]:
        if isinstance(target.what, Chain):
            limits = _limits(target.what.timeout, self._run)
            inner = self.chain(target.what)
            if limits is not None:  # of the chain that is asked itself, it is the call's
                inner = [replace(one, timeout=one.timeout or limits) for one in inner]
            return [target.asked(one, self._run) for one in inner]
        try:
            resolution = self._resolve(target.what)
        except PluginError as error:
            self.broken.append(error)
            resolution = Resolution((), str(error), str(error))
        if chain.permitted is not None:
            resolution = chain.permitted(resolution)
        if not resolution.ready:
            advice = "" if resolution.selection is None else resolution.selection.advice
            self.left_out.append(LeftOut(str(target), resolution.explanation, resolution.reason, advice))
        if resolution.selection is not None:
            self._run.observers.selected(resolution.selection)
        return [target.asked(one, self._run) for one in resolution.ready]

    def _share(self, target: Target, first: Ready) -> Share:
        """What balancing looks at: of several candidates it is the first that counts."""
        endpoint, fleet = first.endpoint(), self._run.fleet
        prices = [first.facts.fact(name).value for name in ("input_price", "output_price")]
        known = [price for price in prices if isinstance(price, (int, float)) and not isinstance(price, bool)]
        return Share(
            weight=target.weight,
            busy=fleet.busy.get(endpoint, 0),
            latency=fleet.latencies(endpoint, whole=self._run.hold_back == math.inf).mean,
            price=sum(known) if len(known) == len(prices) else None,
        )
