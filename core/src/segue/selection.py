"""Needs, offers and what was observed → ordered candidates, and why each of the others is out. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import field
from functools import cache
from itertools import compress
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, overload

from .capabilities import Capabilities, Fact, Needs
from .constraints import ANY_TEXT, Of, check
from .observation import HealthSnapshot
from .provider import Model
from .values import dataclass, maker

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .capabilities import Need
    from .provider import Access

OrderBy: TypeAlias = Literal["price", "latency", "context", "weight"]


@dataclass(frozen=True, slots=True)
class Offer:
    """One model of one installed provider, as things stand for this user.

    ``obstacle`` is why it cannot be asked at all (no key), None where it can. ``local`` is an address
    on this machine. ``consent`` is whether something may be sent to it without its being named.
    """

    provider: str
    model: Model
    access: Access = "open"
    obstacle: str | None = None
    local: bool = False
    consent: bool = True


@dataclass(frozen=True, slots=True)
class Candidate:
    """A model that can be asked; ``notes`` say what a caller should know of it."""

    provider: str
    model: str
    capabilities: Capabilities
    public: bool = False
    consent: bool = True
    notes: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """``provider/model``, the name that asks it alone."""
        return f"{self.provider}/{self.model}"


@dataclass(frozen=True, slots=True)
class Rejection:
    """A model that is out, and every reason why."""

    provider: str
    model: str
    reasons: tuple[str, ...]

    @property
    def name(self) -> str:
        """``provider/model``."""
        return f"{self.provider}/{self.model}"


@dataclass(frozen=True, slots=True)
class Veto:
    """A candidate that a plugin puts out, and why: `segue_candidates` gives it in the candidate's place."""

    candidate: Candidate
    reason: str

    def __post_init__(self) -> None:
        check("Veto", "candidate", self.candidate, _CANDIDATE)
        check("Veto", "reason", self.reason, ANY_TEXT)


_CANDIDATE: Final = Of(Candidate)


@dataclass(frozen=True, slots=True)
class Selection:
    """The candidates in the order in which they would be asked, and the rest with their reasons."""

    wanted: str
    candidates: tuple[Candidate, ...]
    rejected: Sequence[Rejection]
    hints: tuple[str, ...] = ()

    def explain(self) -> str:
        """The whole decision in plain words, one line a model."""
        lines = [f"wanted: {self.wanted}"]
        if self.candidates:
            lines.append("candidates, in the order in which they are asked:")
            lines += [
                f"  {place}. {candidate.name}" + "".join(f"  [{note}]" for note in candidate.notes)
                for place, candidate in enumerate(self.candidates, 1)
            ]
        else:
            lines.append("candidates: none")
        lines += [f"hint: {hint}" for hint in self.hints]
        if self.rejected:
            lines.append("out:")
            lines += [f"  - {rejection.name}: {'; '.join(rejection.reasons)}" for rejection in self.rejected]
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class Preferences:
    """The user's own order: names of providers or of ``provider/model``, then what to order the rest by.

    ``price`` is input and output together, ``weight`` the heavier first of ``weights`` by those names.
    """

    order: tuple[str, ...] = ()
    order_by: OrderBy | None = None
    weights: tuple[tuple[str, float], ...] = field(default=())


def select(
    offers: Sequence[Offer],
    *,
    needs: Needs = Needs(),  # noqa: B008 - frozen
    model: str | None = None,
    health: HealthSnapshot = HealthSnapshot(),  # noqa: B008 - frozen
    preferences: Preferences = Preferences(),  # noqa: B008 - frozen
    undeclared: Sequence[Offer] = (),
) -> Selection:
    """Order the offers that meet the needs; ``model`` is ``provider/model``, a provider's or a bare model's name."""
    return matched(
        offers, needs=needs, model=model, health=health, preferences=preferences, undeclared=undeclared
    ).selection()


@dataclass(frozen=True, slots=True)
class Matched:
    """The offers that meet the needs, in order, and the others, before anybody else has a say.

    ``alone`` is that only the first of the candidates is meant: of a provider's name, its first model that will do.
    """

    wanted: str
    candidates: tuple[Candidate, ...]
    rejected: Sequence[Rejection]
    hints: tuple[str, ...]
    alone: bool

    def selection(self, candidates: Sequence[Candidate] | None = None, vetoed: Sequence[Rejection] = ()) -> Selection:
        """What comes of it; ``candidates`` are those that are left, in their order, all of them where it is None."""
        left = self.candidates if candidates is None else tuple(candidates)
        if self.alone:
            left = left[:1]
        hints = self.hints
        if left and not any(candidate.consent for candidate in left):
            first = left[0]
            consent = (
                f"{first.provider} is a public host that takes anonymous calls; to send it your messages, "
                f"name it ({first.name}) or add [providers.{first.provider}] to segue.toml"
            )
            hints = (consent, *hints)
        return Selection(self.wanted, left, (*vetoed, *self.rejected) if vetoed else self.rejected, hints)


def matched(
    offers: Sequence[Offer],
    *,
    needs: Needs,
    model: str | None,
    health: HealthSnapshot,
    preferences: Preferences,
    undeclared: Sequence[Offer],
) -> Matched:
    """The first half of `select`, which is the same for every call of this model and these needs."""
    provider, bare = _read_name(model, [*offers, *undeclared])
    named = provider is not None
    if provider is not None and bare is not None and not any(_is(offer, provider, bare) for offer in offers):
        # The provider may well have a model that nobody declared: it is asked, its facts unknown.
        like = next(offer for offer in [*offers, *undeclared] if offer.provider == provider)
        offers = [Offer(provider, Model(bare, _shared(like)), like.access, like.obstacle, like.local, like.consent)]
        unlisted = True
    else:
        unlisted = False
    candidates: list[Candidate] = []
    rejected: list[Rejection] = []
    for offer in offers:
        if provider is not None and offer.provider != provider:
            continue
        if bare is not None and offer.model.name != bare:
            continue
        capabilities = _observed(offer, health)
        reasons = _reasons(offer, capabilities, needs, named=named)
        if reasons:
            rejected.append(Rejection(offer.provider, offer.model.name, tuple(reasons)))
        else:
            candidates.append(_candidate(offer, capabilities, named=named, unlisted=unlisted))
    alone = provider is not None and bare is None
    if not alone:
        candidates.sort(key=lambda candidate: _rank(candidate, preferences))
    wanted = _wanted(model, needs)
    hints = () if candidates else tuple(_hints(model, needs, bare, offers, rejected))
    return Matched(wanted, tuple(candidates), tuple(rejected), hints, alone)


def _wanted(model: str | None, needs: Needs) -> str:
    return " ".join(part for part in (model, f"({needs})" if model and needs else str(needs)) if part) or "anything"


def _reasons(offer: Offer, capabilities: Capabilities, needs: Needs, *, named: bool) -> list[str]:
    """Every reason why an offer is out."""
    reasons = list(needs.missing(capabilities))
    if not named and _is_retired(capabilities):
        reasons.append(f"retired ({capabilities.fact('working').source})")
    if offer.access == "offline" and not named:
        reasons.append("offline: answers only when named")
    if offer.obstacle is not None:
        reasons.append(offer.obstacle)
    return reasons


def _candidate(offer: Offer, capabilities: Capabilities, *, named: bool, unlisted: bool = False) -> Candidate:
    public = _is_public(offer)
    consent = offer.consent or not public or named
    notes = _notes(public, consent, unlisted) if public or unlisted else ()
    return Candidate(offer.provider, offer.model.name, capabilities, public, consent, notes)


_MANY = 50  # from which it pays to write a function that makes them


@cache
def _quick_offer() -> Callable[..., Offer]:
    return maker(Offer)


@cache
def _quick_candidate() -> Callable[..., Candidate]:
    return maker(Candidate)


def offers_like(like: Offer, models: Sequence[Model]) -> list[Offer]:
    """The offers of these models, which differ from one that is given in nothing but the model."""
    made = _quick_offer() if len(models) >= _MANY else Offer
    return [made(like.provider, one, like.access, like.obstacle, like.local, like.consent) for one in models]


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


class Offers:
    """Offers that are chosen from again and again, made ready once: what `select` gives of them, in less time.

    Of each need it is kept, once it was asked for, which offers meet it, as a number with a byte for each offer in the
    order in which they are asked: needs together are an ``&``.
    """

    def __init__(self, offers: Sequence[Offer], preferences: Preferences) -> None:
        self.all: tuple[Offer, ...] = tuple(offers)
        self.providers: frozenset[str] = frozenset(offer.provider for offer in self.all)
        """Who offers something."""
        self._preferences = preferences
        self._names: tuple[dict[str, list[Offer]], dict[str, list[Offer]]] | None = None
        self._ranked: tuple[list[Offer], list[Candidate]] | None = None
        self._facts: list[Capabilities] = []
        self._open: dict[bool, int] = {}
        self._meeting: dict[Need, int] = {}

    def matched(
        self, needs: Needs, model: str | None, *, health: HealthSnapshot, undeclared: Sequence[Offer]
    ) -> Matched:
        """What the function of this name gives, of those that talk, or of all where the needs name ``embeddings``."""
        vectors = any(need.name == "embeddings" for need in needs)
        if model is None:
            match = self._unnamed(needs, health, vectors=vectors)
        else:
            match = matched(
                _meant(self._named(model, undeclared), vectors=vectors),
                needs=needs, model=model, health=health, preferences=self._preferences, undeclared=undeclared,
            )  # fmt: skip
        if match is not None and match.candidates:
            return match
        offers = _meant(self.all, vectors=vectors)  # nothing does: of all of them there may be a hint
        return matched(
            offers, needs=needs, model=model, health=health, preferences=self._preferences, undeclared=undeclared
        )

    def _named(self, model: str, undeclared: Sequence[Offer]) -> Sequence[Offer]:
        """The offers that a name can mean, as `_read_name` reads it."""
        if self._names is None:
            self._names = ({}, {})
            for offer in self.all:
                self._names[0].setdefault(offer.provider, []).append(offer)
                self._names[1].setdefault(offer.model.name, []).append(offer)
        others = {offer.provider for offer in undeclared}
        first, slash, rest = model.partition("/")
        for provider in (model, first) if slash and rest else (model,):
            if provider in self.providers or provider in others:
                return self._names[0].get(provider, ())
        return self._names[1].get(model, ())

    def _unnamed(self, needs: Needs, health: HealthSnapshot, *, vectors: bool) -> Matched | None:
        """What meets the needs of all; None where nothing does, for then there is more to tell."""
        ranked, pool = self._ready()
        left = self._permitted(vectors=vectors)
        for need in needs:
            left &= self._meet(need)
        chosen = left.to_bytes(len(ranked), "little")
        if health.states:
            chosen, pool = self._seen(chosen, pool, needs, health, vectors=vectors)
        candidates = tuple(compress(pool, chosen))
        if not candidates:
            return None

        def rejected() -> tuple[Rejection, ...]:
            offers = _meant(self.all, vectors=vectors)
            reasons = ((offer, _reasons(offer, _observed(offer, health), needs, named=False)) for offer in offers)
            return tuple(Rejection(offer.provider, offer.model.name, tuple(each)) for offer, each in reasons if each)

        return Matched(_wanted(None, needs), candidates, _Later(rejected), (), alone=False)

    def _ready(self) -> tuple[list[Offer], list[Candidate]]:
        """The offers in the order in which they are asked, and each as a candidate."""
        if self._ranked is None:
            preferences = self._preferences
            if preferences.order or preferences.order_by is not None:
                ranks: list[tuple[object, ...]] = [
                    _rank(_candidate(offer, offer.model.capabilities, named=False), preferences) for offer in self.all
                ]
            else:
                # What `_rank` comes to without preferences.
                ranks = [(_is_public(offer), f"{offer.provider}/{offer.model.name}") for offer in self.all]
            ranked = [self.all[place] for place in sorted(range(len(ranks)), key=ranks.__getitem__)]
            self._facts = [offer.model.capabilities for offer in ranked]
            # `_candidate` of each, but that what it makes of a provider is not made for each of its models.
            alike: dict[tuple[Access, bool, bool], Candidate] = {}
            pool: list[Candidate] = []
            made = _quick_candidate() if len(ranked) >= _MANY else Candidate
            for offer, facts in zip(ranked, self._facts, strict=True):
                kind = (offer.access, offer.local, offer.consent)
                like = alike.get(kind)
                if like is None:
                    like = alike[kind] = _candidate(offer, facts, named=False)
                pool.append(made(offer.provider, offer.model.name, facts, like.public, like.consent, like.notes))
            self._ranked = (ranked, pool)
        return self._ranked

    def _permitted(self, *, vectors: bool) -> int:
        """The offers that nothing but needs speaks against."""
        found = self._open.get(vectors)
        if found is None:
            ranked = self._ready()[0]
            can = [offer.obstacle is None and offer.access != "offline" for offer in ranked]
            ended = [fact.value is False for fact in Capabilities.each("working", self._facts)]
            if True in ended:
                can = [
                    one and not (gone and _is_retired(facts))
                    for one, gone, facts in zip(can, ended, self._facts, strict=True)
                ]
            if not vectors:
                chats = Capabilities.each("chat", self._facts)
                can = [one and fact.value is not False for one, fact in zip(can, chats, strict=True)]
            found = self._open[vectors] = int.from_bytes(bytes(can), "little")
        return found

    def _meet(self, need: Need) -> int:
        """The offers that meet a need."""
        found = self._meeting.get(need)
        if found is None:
            if len(self._meeting) >= _MOST_NEEDS:
                self._meeting.clear()
            self._ready()
            facts = Capabilities.each(need.name, self._facts)
            kinds = [(fact.value.__class__, fact.value, fact.source) for fact in facts]
            judged = {kind: need.judge(fact) is None for kind, fact in dict(zip(kinds, facts, strict=True)).items()}
            found = self._meeting[need] = int.from_bytes(bytes([judged[kind] for kind in kinds]), "little")
        return found

    def _seen(
        self, chosen: bytes, pool: list[Candidate], needs: Needs, health: HealthSnapshot, *, vectors: bool
    ) -> tuple[bytes, list[Candidate]]:
        """The same with what was observed of those of which there is something."""
        seen = {provider for provider, _ in health.states}
        corrected, pool = bytearray(chosen), list(pool)
        for place, offer in enumerate(self._ready()[0]):
            if offer.provider not in seen or health.of(offer.provider, offer.model.name) is None:
                continue
            if not vectors and offer.model.capabilities.fact("chat").value is False:
                continue
            capabilities = _observed(offer, health)
            corrected[place] = not _reasons(offer, capabilities, needs, named=False)
            pool[place] = _candidate(offer, capabilities, named=False)
        return bytes(corrected), pool


_MOST_NEEDS = 512


def _meant(offers: Sequence[Offer], *, vectors: bool) -> Sequence[Offer]:
    """The offers that a call is about: models that give vectors alone only where vectors are wanted."""
    if vectors:
        return offers
    return [offer for offer in offers if offer.model.capabilities.fact("chat").value is not False]


def _shared(like: Offer) -> Capabilities:
    """What holds for every model of a provider: where it declares none, that is all that is known of its offer."""
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


def _is(offer: Offer, provider: str, model: str) -> bool:
    return offer.provider == provider and offer.model.name == model


def _is_retired(capabilities: Capabilities) -> bool:
    """Whether its host has ended it; what does not work for another reason may again."""
    return capabilities.fact("working").value is False and capabilities.fact("deprecated").value is True


def _observed(offer: Offer, health: HealthSnapshot) -> Capabilities:
    """What is advertised is where it starts; what was observed stands above it."""
    seen = health.of(offer.provider, offer.model.name)
    if seen is None:
        return offer.model.capabilities
    return offer.model.capabilities.merged(Capabilities({"working": Fact(seen.working, seen.source)}))


def _notes(public: bool, consent: bool, unlisted: bool) -> tuple[str, ...]:
    notes = []
    if public:
        notes.append("public" if consent else "public: nothing is sent unless it is named or configured")
    if unlisted:
        notes.append("not a declared model: its facts are unknown")
    return tuple(notes)


def _rank(candidate: Candidate, preferences: Preferences) -> tuple[object, ...]:
    order = preferences.order
    places = [place for place, name in enumerate(order) if name in (candidate.name, candidate.provider)]
    return (candidate.public, places[0] if places else len(order), _by_fact(candidate, preferences), candidate.name)


def _by_fact(candidate: Candidate, preferences: Preferences) -> float:
    """Less is earlier; a fact that is not known comes last."""

    def number(name: str) -> float | None:
        value = candidate.capabilities.fact(name).value
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
            return -weights.get(candidate.name, weights.get(candidate.provider, 0.0))
        case "latency":
            latency = number("latency")
            return float("inf") if latency is None else latency


def _hints(
    model: str | None, needs: Needs, bare: str | None, offers: Sequence[Offer], rejected: Iterable[Rejection]
) -> list[str]:
    """What may have been meant, where nothing meets it."""
    import difflib  # slow to import: only where nothing is found

    hints = []
    if bare is not None and not list(rejected):
        names = sorted(
            {name for offer in offers for name in (offer.model.name, f"{offer.provider}/{offer.model.name}")}
        )
        near = difflib.get_close_matches(model or bare, names, n=3, cutoff=0.5)
        hints.append(f"no provider has a model {bare!r}" + (f"; the nearest are {', '.join(near)}" if near else ""))
    known = {name for offer in offers for name in offer.model.capabilities}
    for need in needs:
        if need.name not in known:
            near = difflib.get_close_matches(need.name, sorted(known), n=1, cutoff=0.7)
            hints.append(
                f"no installed model says anything of {need.name!r}" + (f"; did you mean {near[0]!r}?" if near else "")
            )
    return hints
