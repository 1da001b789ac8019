"""Selects and orders candidates by needs, offers and observed health; gives a reason for each other model. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import field, replace
from itertools import count
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, overload

from .capabilities import KNOWN_FACTS, Capabilities, Fact, Needs, contradiction
from .constraints import ANY_TEXT, Of, check
from .display import closest, several_close
from .errors import NoCandidateError
from .observation import HealthSnapshot
from .provider.contract import Model
from .values import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .provider.contract import Access

OrderBy: TypeAlias = Literal["price", "latency", "context", "weight"]
NO_HEALTH: Final = HealthSnapshot()


@dataclass(frozen=True, slots=True)
class Offer:
    """One model of one installed provider, with what decides whether this user can call it.

    ``obstacle`` is the reason why it cannot be called at all (no key), or None; ``short`` is the same in a few words.
    ``local`` is whether its address is on this machine. ``consent`` is whether it may get a request without being
    named. ``rank`` is its place in its provider's own recommended order, from 0. ``ambient`` is the credential that may
    be set for another purpose, so that the model is used only if it is named; None if its key is meant for it.
    ``keyless`` is whether an installed plugin sends it to another machine without a key or settings of the user's.
    ``placeholder`` is its address, if nobody can have this address yet, so that the model is used only if it is named.
    ``address`` is the address that the user gave it, which several providers may share.
    """

    provider: str
    model: Model
    access: Access = "open"
    obstacle: str | None = None
    local: bool = False
    consent: bool = True
    rank: int = 0
    ambient: str | None = None
    short: str | None = None
    keyless: bool = False
    placeholder: str | None = None
    address: str | None = None


@dataclass(frozen=True, slots=True)
class Candidate:
    """A model that can get a request now; ``notes`` are remarks about it for the caller."""

    provider: str
    model: str
    capabilities: Capabilities
    public: bool = False
    consent: bool = True
    notes: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """``provider/model``, its full name."""
        return f"{self.provider}/{self.model}"


@dataclass(frozen=True, slots=True)
class Rejection:
    """A model that is not a candidate, with every reason.

    ``short`` has each reason in a few words, which are equal for all models with the same reason. ``lacks`` is what the
    user must set, if nothing else is in the way: ``no key: set …``. ``address`` is the one that the user gave its
    provider: those with the same address are explained together.
    """

    provider: str
    model: str
    reasons: tuple[str, ...]
    short: tuple[str, ...] = field(default=(), repr=False, compare=False)
    lacks: str | None = field(default=None, repr=False, compare=False)
    address: str | None = field(default=None, repr=False, compare=False)

    @property
    def name(self) -> str:
        """``provider/model``."""
        return f"{self.provider}/{self.model}"


@dataclass(frozen=True, slots=True)
class Veto:
    """A candidate that a plugin rejects, and the reason: `segue_candidates` returns it in place of the candidate."""

    candidate: Candidate
    reason: str

    def __post_init__(self) -> None:
        check("Veto", "candidate", self.candidate, _CANDIDATE)
        check("Veto", "reason", self.reason, ANY_TEXT)


_CANDIDATE: Final = Of(Candidate)


@dataclass(frozen=True, slots=True)
class Selection:
    """The candidates in order, and the other models with the reasons why they are not candidates."""

    wanted: str
    candidates: tuple[Candidate, ...]
    rejected: Sequence[Rejection]
    hints: tuple[str, ...] = ()

    def explain(self, *, full: bool = False, lines: int = 24) -> str:
        """The selection as text that fits a screen, with a line for each provider without a candidate.

        ``full`` gives a line for each model; without it there are at most this number of ``lines``.
        """
        told = [f"wanted: {self.wanted}", *self._asked(full=full), *(f"hint: {hint}" for hint in self.hints)]
        if not self.rejected:
            return "\n".join(told)
        told.append("not candidates:")
        if full or len(self.rejected) <= _FEW:
            return "\n".join([*told, *(f"  - {_told(rejection)}" for rejection in self.rejected)])
        room = max(2, lines - len(told) - 1)
        told += [f"  - {line}" for line in _folded(self._by_nearness(), room)]
        return "\n".join([*told, _MORE if self.reason == "" else f"{_MORE}; {_KEYS}"])

    def _by_nearness(self) -> Sequence[Rejection]:
        """What is out, the models of providers that can be asked first: there no key is missing."""
        asked = {candidate.provider for candidate in self.candidates}
        return sorted(self.rejected, key=lambda rejection: rejection.provider not in asked)

    def _asked(self, *, full: bool) -> list[str]:
        """The candidates, numbered; then the public hosts that get nothing without the user's consent."""
        asked = [candidate for candidate in self.candidates if candidate.consent]
        public = [f"- {_noted(candidate)}" for candidate in self.candidates if not candidate.consent]
        told = ["candidates, in order:" if asked else "candidates: none"]
        told += _listed([f"{place}. {_noted(candidate)}" for place, candidate in enumerate(asked, 1)], full=full)
        if public:
            told += ["only with your consent:", *_listed(public, full=full)]
        return told

    @property
    def reason(self) -> str:
        """The reason why there is no candidate, in one line; empty if there is one."""
        if any(candidate.consent for candidate in self.candidates):
            return ""
        if self.hints:
            return self.hints[0]
        if len(self.rejected) == 1:
            return _told(self.rejected[0])
        return "; ".join(_folded(self.rejected, 2)) or "no provider is installed"

    @property
    def advice(self) -> str:
        """What to set first to get a candidate, in one line; empty if there is one, or if setting cannot help."""
        hints = self.hints[1:] if self.candidates else self.hints  # the first one is then about public hosts
        if hints or any(candidate.consent for candidate in self.candidates):
            return ""
        lacking: dict[str, Rejection] = {}
        for rejection in self.rejected:
            if rejection.lacks is not None:
                lacking.setdefault(rejection.provider, rejection)
        if not lacking:
            return ""
        variables = [
            one.lacks.removeprefix(_NO_KEY).split(" ", 1)[0]
            for one in lacking.values()
            if one.lacks is not None and one.lacks.startswith(_NO_KEY)
        ]
        if len(lacking) == 1 or not variables:
            return _advice(next(iter(lacking.values())))
        more = ", …" if len(variables) > _KEYS_NAMED else ""
        return f"no key is set for a model that fits: set one of {', '.join(variables[:_KEYS_NAMED])}{more}"


def no_candidate(
    selection: Selection | None, message: str = "no model can get this request", *, explanation: str = ""
) -> NoCandidateError:
    """The error for a selection without candidates: what to do first, if known, the message, and why each model is out.

    The first line is not repeated for each model of that provider. ``explanation`` is the selection's, with more at its
    end where there is more to say; it is enough alone.
    """
    advice = "" if selection is None else selection.advice
    if selection is None or not advice:
        shown = explanation if selection is None else _beside(selection, selection, explanation)
        return NoCandidateError(message, explanation=shown)
    others = [one for one in selection.rejected if one.lacks is None or _advice(one) != advice]
    shown = _beside(selection, replace(selection, rejected=others), explanation)
    return NoCandidateError(f"{advice}\n{message}", explanation=shown)


def _beside(selection: Selection, told: Selection, explanation: str) -> str:
    """The explanation of a selection for a screen that shows the error too, with what was added to it."""
    return told.explain(lines=LINES_OF_ERROR) + explanation.removeprefix(selection.explain(lines=LINES_OF_ERROR))


def _advice(rejection: Rejection) -> str:
    lacks = rejection.lacks or ""
    if lacks.startswith(_NO_KEY):
        return f"{rejection.provider} has {lacks}"
    return f"{rejection.provider}: {lacks}"


_NO_KEY: Final = "no key: set "
_KEYS_NAMED: Final = 3
_FEW: Final = 4
"""Up to this many models are explained one by one, each with all its reasons."""
LINES_OF_ERROR: Final = 22
"""Lines of an explanation that fit a screen together with its error."""
_FIRST: Final = 5
_NAMED: Final = 8
_MORE: Final = "to list each model: `segue explain --all`"
_KEYS: Final = "to find where to get a key: `segue providers`; to store a key: `segue keys set NAME`"


def _listed(lines: Sequence[str], *, full: bool) -> list[str]:
    """These lines, indented; without ``full`` only the first ones of many, and how many follow."""
    count = len(lines)
    first = lines if full or count <= _FIRST + 1 else lines[:_FIRST]
    told = [f"  {line}" for line in first]
    return told if len(first) == count else [*told, f"  and {count - len(first)} more"]


def _noted(candidate: Candidate) -> str:
    return candidate.name + "".join(f"  [{note}]" for note in candidate.notes)


def _told(rejection: Rejection) -> str:
    return f"{rejection.name}: {'; '.join(rejection.reasons)}"


def _folded(rejected: Sequence[Rejection], room: int) -> list[str]:
    """The rejected models, a line for each provider or address of several, in at most ``room`` lines."""
    groups: dict[str, list[Rejection]] = {}
    for rejection in rejected:
        groups.setdefault(rejection.address or rejection.provider, []).append(rejection)
    names = list(groups)
    told = names if len(names) <= room else names[: room - 1]
    lines = [_group(groups[name], full=len(names) <= _FEW) for name in told]
    left = list(dict.fromkeys(rejection.provider for name in names[len(told) :] for rejection in groups[name]))
    if left:
        others = "" if len(left) <= _NAMED else ", …"
        lines.append(f"and {len(left)} more providers: {', '.join(left[:_NAMED])}{others}")
    return lines


def _group(rejections: Sequence[Rejection], *, full: bool) -> str:
    """Why these models are out: what holds for all of them first, then for how many what else does."""
    counts: dict[str, int] = {}
    texts: dict[str, set[str]] = {}
    for rejection in rejections:
        for short, text in zip(rejection.short or rejection.reasons, rejection.reasons, strict=True):
            counts[short] = counts.get(short, 0) + 1
            texts.setdefault(short, set()).add(text)
    if full:  # there is room for what is said of all of them alike
        counts = {(min(texts[short]) if len(texts[short]) == 1 else short): count for short, count in counts.items()}
    number = len(rejections)
    reasons = [reason for reason, count in counts.items() if count == number]
    others = sorted((item for item in counts.items() if item[1] < number), key=lambda item: -item[1])
    reasons += [f"{reason} ({count})" for reason, count in others[:_FEW]]
    if len(others) > _FEW:
        reasons.append("…")
    providers = list(dict.fromkeys(rejection.provider for rejection in rejections))
    who = providers[0]
    if len(providers) > 1:
        who += f" and {len(providers) - 1} more with the address {rejections[0].address}"
    name = rejections[0].name if number == 1 else f"{who} ({number} models)"
    return f"{name}: {'; '.join(reasons)}"


@dataclass(frozen=True, slots=True)
class Preferences:
    """The user's own order: names of providers or ``provider/model``, then the key to sort the others by.

    ``price`` is the sum of the input and output price; ``weight`` puts the highest of ``weights`` first. ``tables`` are
    the providers in the order of the configuration; it decides between models with the same rank.
    """

    order: tuple[str, ...] = ()
    order_by: OrderBy | None = None
    weights: tuple[tuple[str, float], ...] = field(default=())
    tables: tuple[str, ...] = ()


def select(
    offers: Sequence[Offer],
    *,
    needs: Needs = Needs(),  # noqa: B008 - frozen
    model: str | None = None,
    health: HealthSnapshot = NO_HEALTH,
    preferences: Preferences = Preferences(),  # noqa: B008 - frozen
    undeclared: Sequence[Offer] = (),
) -> Selection:
    """Order the offers that satisfy the needs; ``model`` is ``provider/model``, a provider's or a model's name.

    ``undeclared`` has an offer without a model's name for each provider that does not declare models. Models that only
    support embeddings are considered only if the needs contain ``embeddings``.
    """
    return Offers(offers, preferences, undeclared).matched(needs, model, health=health).selection()


@dataclass(frozen=True, slots=True)
class Matched:
    """The offers that satisfy the needs, in order, and the others, before plugins can change them.

    ``alone`` keeps only the first candidate: for a provider's name, its first model that satisfies the needs.
    """

    wanted: str
    candidates: tuple[Candidate, ...]
    rejected: Sequence[Rejection]
    hints: tuple[str, ...]
    alone: bool

    def selection(self, candidates: Sequence[Candidate] | None = None, vetoed: Sequence[Rejection] = ()) -> Selection:
        """The selection; ``candidates`` are those that are left, in order; None keeps all."""
        left = self.candidates if candidates is None else tuple(candidates)
        if self.alone:
            left = left[:1]
        hints = self.hints
        if left and not any(candidate.consent for candidate in left):
            first = left[0]
            consent = (
                f"a public host gets a request only if you name it ({first.name}) "
                f"or add [providers.{first.provider}] to segue.toml"
            )
            hints = (consent, *hints)
        return Selection(self.wanted, left, (*vetoed, *self.rejected) if vetoed else self.rejected, hints)


class Offers:
    """The offers of one user: a filter over them for each selection, whose results are kept."""

    def __init__(self, offers: Sequence[Offer], preferences: Preferences, undeclared: Sequence[Offer] = ()) -> None:
        self.all: tuple[Offer, ...] = tuple(offers)
        self._preferences = preferences
        self._undeclared = tuple(undeclared)
        self._everything: dict[bool, _Scope] = {}
        self._kept: dict[tuple[str | None, Needs], tuple[_Scope, Matched]] = {}

    def matched(self, needs: Needs, model: str | None = None, *, health: HealthSnapshot = NO_HEALTH) -> Matched:
        """The offers that satisfy the needs, of those that ``model`` can mean; what was observed of hosts counts.

        Models that only support embeddings are considered only if the needs contain ``embeddings``.
        """
        kept = self._kept.get((model, needs))
        if kept is None:
            scope = self._scope(model, vectors=any(need.name == "embeddings" for need in needs))
            if len(self._kept) >= _MOST_KEPT:
                self._kept.clear()
            kept = self._kept[model, needs] = (scope, self._match(scope, needs, model, NO_HEALTH))
        scope, match = kept
        seen = scope.seen(health) if health.states else ()
        if not seen:
            return match
        return _corrected(scope, match, needs, health, seen) or self._match(scope, needs, model, health)

    def _scope(self, model: str | None, *, vectors: bool) -> _Scope:
        """The offers that a name can mean, or all, in the order in which they are asked."""
        if model is None:
            every = self._everything.get(vectors)
            if every is None:
                every = self._everything[vectors] = _Scope(_for(self.all, vectors=vectors), self._preferences)
            return every
        provider, bare = _read_name(model, [*self.all, *self._undeclared])
        offers = _for(self.all, vectors=vectors)
        if provider is None:
            return _Scope([one for one in offers if one.model.name == bare], self._preferences, bare=bare)
        own = [one for one in offers if one.provider == provider]
        if bare is None:
            return _Scope(own, self._preferences, provider=provider)
        chosen = [one for one in own if one.model.name == bare]
        unlisted = None
        if not chosen:
            # The provider may well have a model that nobody declared: it is asked, its facts unknown.
            like = next(one for one in [*own, *self.all, *self._undeclared] if one.provider == provider)
            meant = nearest_model(bare, [one.model.name for one in own])
            chosen = [replace(like, model=Model(bare, _shared(like)))]
            unlisted = f"{provider} does not declare the model {bare!r}: its facts are unknown"
            if meant is not None:
                unlisted += f"; did you mean {f'{provider}/{meant}'!r}?"
        return _Scope(chosen, self._preferences, provider=provider, bare=bare, unlisted=unlisted)

    def _match(self, scope: _Scope, needs: Needs, model: str | None, health: HealthSnapshot) -> Matched:
        candidates = tuple(one for one in (scope.candidate(each, needs, health) for each in scope.ranked) if one)
        rejected = scope.rejected(needs, health)
        hints: list[str] = []
        if not candidates:
            hints = [f"{one.provider}: {one.reasons[0]}" for one in scope.by_name_only(rejected)]
            if scope.alone and not rejected:
                hints += _hints_without_models(scope.provider, self._undeclared)
            else:
                hints += _hints(model, needs, scope.bare, [*self.all, *self._undeclared], rejected)
        return Matched(_wanted(model, needs), candidates, rejected, tuple(dict.fromkeys(hints)), scope.alone)


class _Scope:
    """The offers that a name can mean, and the order in which they are asked.

    ``provider`` and ``bare`` are the parts of the name. ``unlisted`` is a note on a model that nobody declared.
    """

    def __init__(
        self,
        offers: Sequence[Offer],
        preferences: Preferences,
        *,
        provider: str | None = None,
        bare: str | None = None,
        unlisted: str | None = None,
    ) -> None:
        self.offers = offers
        self.ranked: Sequence[Offer] = sorted(offers, key=lambda offer: _rank(offer, preferences))
        self.places: dict[tuple[str, str], int] = {
            (offer.provider, offer.model.name): place for place, offer in enumerate(self.ranked)
        }
        self.provider = provider
        self.bare = bare
        self.alone: bool = provider is not None and bare is None
        self._named = provider is not None
        self._unlisted = unlisted

    def seen(self, health: HealthSnapshot) -> Sequence[Offer]:
        """The offers of which something was observed."""
        places = (self.places.get(name) for name in health.states)
        found = {place: self.ranked[place] for place in places if place is not None}
        whole = {provider for provider, model in health.states if model == "*"}
        if whole:
            found |= {place: one for place, one in enumerate(self.ranked) if one.provider in whole}
        return list(found.values())

    def candidate(self, offer: Offer, needs: Needs, health: HealthSnapshot) -> Candidate | None:
        """The offer as a candidate; None if there is a reason why it is not one."""
        capabilities = _observed(offer, health)
        for need in needs:
            if not need.is_met(capabilities.fact(need.name)):
                return None
        if offer.obstacle is not None:
            return None
        if not self._named:
            if offer.access == "offline" or offer.ambient is not None or offer.placeholder is not None:
                return None
            if _is_retired(offer, capabilities):
                return None
        return _candidate(offer, capabilities, named=self._named, unlisted=self._unlisted)

    def rejected(self, needs: Needs, health: HealthSnapshot) -> Sequence[Rejection]:
        """The other offers, with every reason."""

        def rejections() -> tuple[Rejection, ...]:
            every = ((one, _reasons(one, _observed(one, health), needs, named=self._named)) for one in self.offers)
            return tuple(_rejection(one, reasons) for one, reasons in every if reasons)

        return _Later(rejections)

    def by_name_only(self, rejected: Sequence[Rejection]) -> Sequence[Rejection]:
        """Of each provider whose credential may be set for another purpose, the last model without another reason."""
        if self._named:
            return ()
        ambient = {offer.provider for offer in self.offers if offer.ambient is not None}
        return list(
            {one.provider: one for one in rejected if one.provider in ambient and len(one.reasons) == 1}.values()
        )


def _corrected(
    scope: _Scope, match: Matched, needs: Needs, health: HealthSnapshot, seen: Sequence[Offer]
) -> Matched | None:
    """The match with what was observed of these offers; None if no candidate is left."""
    names = {(one.provider, one.model.name) for one in seen}
    candidates = [one for one in match.candidates if (one.provider, one.model) not in names]
    candidates += [one for one in (scope.candidate(each, needs, health) for each in seen) if one]
    candidates.sort(key=lambda one: scope.places[one.provider, one.model])
    if not candidates:
        return None
    return replace(match, candidates=tuple(candidates), rejected=scope.rejected(needs, health), hints=())


def _for(offers: Sequence[Offer], *, vectors: bool) -> Sequence[Offer]:
    """The offers for a call: models that only support embeddings are included only if embeddings are wanted."""
    if vectors:
        return offers
    return [offer for offer in offers if offer.model.capabilities.fact("chat").value is not False]


def _wanted(model: str | None, needs: Needs) -> str:
    return " ".join(part for part in (model, f"({needs})" if model and needs else str(needs)) if part) or "anything"


def _reasons(offer: Offer, capabilities: Capabilities, needs: Needs, *, named: bool) -> list[tuple[str, str]]:
    """Every reason why an offer is out, each with its short form."""
    reasons: list[tuple[str, str]] = []
    for need in needs:
        fact = capabilities.fact(need.name)
        reason = need.judge(fact)
        if reason is not None:
            reasons.append((reason, f"{need.name} unknown" if fact.value is None else f"{need} not met"))
    if not named:
        if _is_retired(offer, capabilities):
            reasons.append((_end(capabilities), "retired"))
        if offer.access == "offline":
            reasons.append((_OFFLINE, _OFFLINE))
        if offer.ambient is not None and offer.obstacle is None:
            ambient = (
                f"{offer.ambient} may be set for another purpose: name {offer.provider}/MODEL, "
                f"or add [providers.{offer.provider}] to segue.toml"
            )
            reasons.append((ambient, ambient))
        if offer.placeholder is not None:
            unset = (
                f"its address {offer.placeholder} is a placeholder: set it in its code, "
                f"or base_url in [providers.{offer.provider}]"
            )
            reasons.append((unset, unset))
    if offer.obstacle is not None:
        reasons.append((offer.obstacle, offer.short or offer.obstacle))
    return reasons


def _rejection(offer: Offer, reasons: Sequence[tuple[str, str]]) -> Rejection:
    return Rejection(
        offer.provider,
        offer.model.name,
        tuple(reason for reason, _ in reasons),
        tuple(short for _, short in reasons),
        offer.obstacle if len(reasons) == 1 else None,
        offer.address,
    )


def _candidate(offer: Offer, capabilities: Capabilities, *, named: bool, unlisted: str | None = None) -> Candidate:
    public = _is_public(offer)
    consent = offer.consent or not public or named
    notes = _notes(public, consent, unlisted) if public or unlisted else ()
    # A failure of just now is not the end of a model.
    declared = offer.model.capabilities if capabilities.fact("working").value is False else capabilities
    if _ending(declared) >= _DEPRECATED:
        notes = (*notes, _end(declared))
    return Candidate(offer.provider, offer.model.name, capabilities, public, consent, notes)


_OFFLINE: Final = "offline: used only if it is named"


def offers_like(like: Offer, models: Sequence[Model]) -> list[Offer]:
    """The offers of these models, which differ from ``like`` only in the model."""
    # Models that give vectors alone are never meant together with the others, so each kind has a first one.
    ranks: Sequence[int] = range(len(models))
    if Capabilities.stating(_CHAT, [one.capabilities for one in models]):
        kinds = [one.capabilities.fact("chat").value is False for one in models]
        places = {True: count(), False: count()}
        ranks = [next(places[kind]) for kind in kinds]
    return [
        Offer(
            like.provider, one, like.access, like.obstacle, like.local, like.consent, rank, like.ambient, like.short,
            like.keyless, like.placeholder, like.address,
        )
        for one, rank in zip(models, ranks, strict=True)
    ]  # fmt: skip


_CHAT: Final = frozenset({"chat"})
_RETIRES: Final = frozenset({"retires"})
_DAY = re.compile(r"\d{4}-\d\d-\d\d")


def as_of(models: Sequence[Model], today: str) -> Sequence[Model]:
    """The models on a day, YYYY-MM-DD: a model whose retirement date has passed does not work any more."""
    ending = Capabilities.stating(_RETIRES, [one.capabilities for one in models])
    if not ending:
        return models
    changed = list(models)
    for place in ending:
        one, day = models[place], models[place].capabilities.fact("retires")
        if isinstance(day.value, str) and _DAY.fullmatch(day.value) and day.value <= today:
            gone = Capabilities({"working": False, "deprecated": True}, source=day.source)
            changed[place] = Model(one.name, one.capabilities.merged(gone))
    return changed


def _is_public(offer: Offer) -> bool:
    return offer.access == "public" and not offer.local


class _Later(Sequence[Rejection]):
    """What is out, told once somebody asks: of ten thousand models nearly all are."""

    def __init__(self, tell: Callable[[], tuple[Rejection, ...]]) -> None:
        self._tell: Callable[[], tuple[Rejection, ...]] | None = tell
        self._told: tuple[Rejection, ...] = ()

    def _all(self) -> tuple[Rejection, ...]:
        if self._tell is not None:
            self._told, self._tell = self._tell(), None
        return self._told

    @overload
    def __getitem__(self, index: int) -> Rejection: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Rejection]: ...

    def __getitem__(self, index: int | slice) -> Rejection | Sequence[Rejection]:
        return self._all()[index]

    def __len__(self) -> int:
        return len(self._all())

    def __iter__(self) -> Iterator[Rejection]:
        return iter(self._all())

    def __eq__(self, other: object) -> bool:
        if isinstance(other, _Later):
            other = other._all()
        return self._all() == other if isinstance(other, tuple) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._all())

    def __repr__(self) -> str:
        return repr(self._all())

    def __reduce__(self) -> tuple[Callable[[Sequence[Rejection]], tuple[Rejection, ...]], tuple[Sequence[Rejection]]]:
        return tuple, (self._all(),)


def _shared(like: Offer) -> Capabilities:
    """The facts of every model of a provider: if it declares no models, its offer has only these."""
    return Capabilities() if like.model.name else like.model.capabilities


def _read_name(model: str | None, offers: Sequence[Offer]) -> tuple[str | None, str | None]:
    """(provider, model): the first segment is a provider only if one of that name is known."""
    if model is None:
        return None, None
    providers = {offer.provider for offer in offers}
    if model in providers:
        return model, None
    first, slash, rest = model.partition("/")
    if slash and rest and first in providers:
        return first, rest
    return None, model


_DEPRECATED = 2
_RETIRED = 3


def _is_retired(offer: Offer, capabilities: Capabilities) -> bool:
    """Whether its host has ended it, as is declared, and nobody saw it work since.

    What does not work for another reason may again.
    """
    return _ending(offer.model.capabilities) == _RETIRED and capabilities.fact("working").value is not True


def _ending(capabilities: Capabilities) -> int:
    """How near its end a model is: more is asked later. 1 is one that does not work, and may again."""
    return _ending_of(capabilities.fact("working"), capabilities.fact("deprecated"), capabilities.fact("retires"))


def _ending_of(working: Fact, deprecated: Fact, retires: Fact) -> int:
    if deprecated.value is True or retires.value.__class__ is str:
        return _RETIRED if working.value is False else _DEPRECATED
    return working.value is False


def _end(capabilities: Capabilities) -> str:
    """That a model was ended or will be, when, and who says so."""
    works, deprecated, retires = (capabilities.fact(name) for name in ("working", "deprecated", "retires"))
    day = retires.value if isinstance(retires.value, str) else None
    if works.value is False:
        return f"retired{'' if day is None else f' on {day}'} ({_as_of(works.source)})"
    when = "" if day is None else f", retires on {day}"
    return f"deprecated{when} ({_as_of((deprecated if deprecated.value is True else retires).source)})"


def _as_of(source: str) -> str:
    """A source, with its day as the day on which it was read: beside another day nobody would know."""
    place, comma, day = source.rpartition(", ")
    return f"{place}, read on {day}" if comma and _DAY.fullmatch(day) else source


def _observed(offer: Offer, health: HealthSnapshot) -> Capabilities:
    """The advertised facts, overridden by what was observed."""
    seen = health.of(offer.provider, offer.model.name)
    if seen is None:
        return offer.model.capabilities
    return offer.model.capabilities.merged(Capabilities({"working": Fact(seen.working, seen.source)}))


def nearest_model(name: str, declared: Sequence[str]) -> str | None:
    """The declared model that was probably meant; None if there is none, or if this one is declared.

    They differ in one place, by at most two characters, which are not a version or a date.
    """
    if name in declared:
        return None
    return next((one for one in declared if _is_slip(name, one)), None)


def _is_slip(name: str, other: str) -> bool:
    # Not by difflib, whose import is a tenth of what a first answer costs.
    begin = _same_start(name, other)
    left, right = name[begin:], other[begin:]
    end = _same_start(left[::-1], right[::-1])
    left, right = left[: len(left) - end], right[: len(right) - end]
    count = max(len(left), len(right))
    return count <= min(_MOST_WRONG, (begin + end) // 2) and (left + right).strip("0123456789.") != ""


def _same_start(left: str, right: str) -> int:
    """How many characters both begin with."""
    pairs = enumerate(zip(left, right, strict=False))
    return next((place for place, (one, other) in pairs if one != other), min(len(left), len(right)))


_MOST_WRONG: Final = 2
_MOST_KEPT: Final = 512


def _notes(public: bool, consent: bool, unlisted: str | None) -> tuple[str, ...]:
    notes = []
    if public:
        notes.append("public" if consent else "public: nothing is sent to it without your consent")
    if unlisted:
        notes.append(unlisted)
    return tuple(notes)


def _rank(offer: Offer, preferences: Preferences) -> tuple[object, ...]:
    """Less is asked earlier: hosts with a key, then those without, then public ones; in each deprecated models last."""
    order, tables, provider = preferences.order, preferences.tables, offer.provider
    name = f"{provider}/{offer.model.name}"
    places = [place for place, one in enumerate(order) if one in (name, provider)]
    return (
        2 if _is_public(offer) else int(offer.keyless),
        0 if name in order else _ending(offer.model.capabilities),
        places[0] if places else len(order),
        _by_fact(offer, name, preferences),
        offer.rank,
        tables.index(provider) if provider in tables else len(tables),
        name,
    )


def _by_fact(offer: Offer, name: str, preferences: Preferences) -> float:
    """Less is earlier; a fact that is not known comes last."""

    def number(name: str) -> float | None:
        value = offer.model.capabilities.fact(name).value
        return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None

    match preferences.order_by:
        case None:
            return 0.0
        case "price":
            prices = (number("input_price"), number("output_price"))
            return float("inf") if None in prices else sum(price for price in prices if price is not None)
        case "context":
            context = number("context")
            return float("inf") if context is None else -context
        case "weight":
            weights = dict(preferences.weights)
            return -weights.get(name, weights.get(offer.provider, 0.0))
        case "latency":
            latency = number("latency")
            return float("inf") if latency is None else latency


def _hints_without_models(provider: str | None, undeclared: Sequence[Offer]) -> list[str]:
    """How to ask a provider that declares no models, and what else it lacks; nothing where it declares some."""
    return [
        f"{provider} does not declare models: name one as {provider}/MODEL; "
        f"`segue models --live --provider {provider}` lists the models of its host, if the host supports that"
        + ("" if offer.obstacle is None else f"; {offer.obstacle}")
        for offer in undeclared
        if offer.provider == provider
    ]


def _hints(
    model: str | None, needs: Needs, bare: str | None, offers: Sequence[Offer], rejected: Iterable[Rejection]
) -> list[str]:
    """Suggestions for a selection without a candidate."""
    hints = []
    clash = contradiction(needs)
    if clash is not None:
        hints.append(f"no model can satisfy both {clash[0]} and {clash[1]}")
    if bare is not None and not list(rejected):
        hints.append(_unknown_name(model or bare, bare, offers))
    known = {name for offer in offers for name in offer.model.capabilities}
    for need in needs if offers else ():
        if need.name not in known:
            meant = _meant_fact(need.name, known)
            if need.unknown_ok and meant is None:
                continue
            told = f"no installed model has the fact {need.name!r}"
            hints.append(told if meant is None else f"{told}; did you mean {meant!r}?")
    return list(dict.fromkeys(hints))


def _unknown_name(model: str, bare: str, offers: Sequence[Offer]) -> str:
    """That a model or its provider does not exist, with the nearest names."""
    providers = sorted({offer.provider for offer in offers})
    provider = model.partition("/")[0]
    if provider not in providers:
        meant = closest(provider, providers, sure=True)
        if meant is not None:
            return f"no provider {provider!r}; did you mean {meant!r}?"
    names = sorted(
        {
            name
            for offer in offers
            if offer.model.name
            for name in (offer.model.name, f"{offer.provider}/{offer.model.name}")
        }
    )
    near = several_close(model, names, most=3)
    return f"no provider has a model {bare!r}" + (f"; the nearest are {', '.join(near)}" if near else "")


def _meant_fact(name: str, known: AbstractSet[str]) -> str | None:
    """The known fact whose name is near this one; None if the name is known, or near to none."""
    if name in known or name in KNOWN_FACTS or name.startswith("supports_"):
        return None
    return closest(name, sorted(known | KNOWN_FACTS), sure=True)


def can_be_met(needs: Needs, offers: Sequence[Offer]) -> bool:
    """Whether a model that is not installed may satisfy the needs: they do not clash, and no name looks misspelt."""
    if contradiction(needs) is not None:
        return False
    known = {name for offer in offers for name in offer.model.capabilities}
    return all(_meant_fact(need.name, known) is None for need in needs)
