"""Facts of models and needs of calls: facts with three states, needs as text, and how they are compared.

::

    needs  = "" | term { ("," | newline) term }
    term   = ["!"] name ["?"]  |  name op number ["?"]  |  name ("=" | "!=") word ["?"]
    op     = ">=" | "<=" | ">" | "<" | "=" | "!="
    number = digits ["." digits] ["k" | "m"]          k = 1,000; m = 1,000,000; "_" is allowed between digits

Spaces are allowed between all of these, a newline only between terms. An unknown fact does not satisfy a need,
unless the need ends in ``?``. Prices are in USD per million tokens.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Final, Literal, NoReturn, TypeAlias, cast, get_args

from .constraints import ANY_TEXT, FLAG, NOTHING, Anything, Either, Items, Number, Of, Table, Text, Word, check, shown
from .errors import NeedsSyntaxError
from .frames import forgetful
from .values import dataclass, maker

if TYPE_CHECKING:
    from .constraints import Constraint

Value: TypeAlias = bool | int | float | str
"""The value of a fact or a need: a flag, a number, or a word."""

Op: TypeAlias = Literal["is", ">=", "<=", ">", "<", "=", "!="]
"""The comparison of a need; ``is`` is for flags."""

_LETTERS: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
_DIGITS: Final = frozenset("0123456789")
_NAME: Final = _LETTERS | _DIGITS | {"_"}
_WORD: Final = _NAME | frozenset("-./:")
_NEWLINES: Final = frozenset("\n\r")
_UNITS: Final[Mapping[str, int]] = {"": 1, "k": 1_000, "m": 1_000_000}
_COMPARISONS: Final[tuple[Literal[">=", "<=", "!=", ">", "<", "="], ...]] = (">=", "<=", "!=", ">", "<", "=")
# Between these every number has a fixed-point text of at most _MAX_DIGITS digits that reads back equal.
_SMALLEST: Final = 1e-18
_LARGEST: Final = 10**18
_MAX_DIGITS: Final = 60
_SHOWN: Final = 8
_PLAIN: Final = frozenset({bool, int, str, type(None)})
_VALUE: Final = Either(
    FLAG, Number(), ANY_TEXT, NOTHING, wanted="True, False, a finite number, a word or None (unknown)"
)


# ── facts ────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Fact:
    """One property of a model (``value`` None: unknown), and its source."""

    value: Value | None
    source: str = "declared"

    def __post_init__(self) -> None:
        if self.value.__class__ not in _PLAIN or self.source.__class__ is not str:
            check("Fact", "value", self.value, _VALUE)
            check("Fact", "source", self.source, ANY_TEXT)

    @property
    def state(self) -> Literal["yes", "no", "unknown"]:
        """``no`` only for False: every number, also 0, and every word is ``yes``."""
        if self.value is None:
            return "unknown"
        return "no" if self.value is False else "yes"


known_fact: Final = maker(Fact)
"""Makes a fact from a value and a source that are already checked; there are thousands of these."""

UNKNOWN: Final[Fact] = Fact(None, "")
"""A fact without a value and without a source."""


class Capabilities(Mapping[str, Fact]):
    """The facts of one model, by name; immutable and hashable.

    Plain values become facts with this ``source``; None becomes an unknown fact. Names have lower-case letters, digits
    and ``_``, and begin with a letter; any other name is a ValueError.
    """

    __slots__ = ("_facts",)

    @forgetful
    def __init__(self, facts: Mapping[str, Fact | Value | None] | None = None, *, source: str = "declared") -> None:
        self._facts: dict[str, Fact]
        if source.__class__ is not str:
            check("Capabilities", "source", source, ANY_TEXT)
        if isinstance(facts, Capabilities):
            self._facts = facts._facts  # noqa: SLF001 - its own kind
            return
        self._facts = {}
        if facts is None:
            return
        if facts.__class__ is not dict:
            check("Capabilities", "facts", facts, _FACTS)
        for name, value in facts.items():
            _check_name(name)
            if isinstance(value, Fact):
                self._facts[name] = value
            elif (fault := _VALUE.fault(value)) is None:
                self._facts[name] = Fact(value, source)
            else:
                wanted = fact_fault(name, value) or fault.wanted
                raise fault.kind(f"Capabilities(facts=<dict>): {name} must be {wanted}, not {shown(value)}")

    def __reduce__(self) -> tuple[type[Capabilities], tuple[dict[str, Fact]]]:
        return Capabilities, (self._facts,)  # the older protocols of pickle do not know slots

    def __getitem__(self, name: str) -> Fact:
        return self._facts[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._facts)

    def __len__(self) -> int:
        return len(self._facts)

    def __eq__(self, other: object) -> bool:
        return self._facts == other._facts if isinstance(other, Capabilities) else NotImplemented

    def __hash__(self) -> int:
        return hash(frozenset(self._facts.items()))

    def __repr__(self) -> str:
        facts = getattr(self, "_facts", {})
        shown = [_short(name, fact) for name, fact in list(facts.items())[:_SHOWN]]
        if len(facts) > _SHOWN:
            shown.append(f"{len(facts) - _SHOWN} more")
        return f"Capabilities({', '.join(shown)})"

    def fact(self, name: str) -> Fact:
        """The fact with this name; ``UNKNOWN`` if there is none."""
        return self._facts.get(name, UNKNOWN)

    @staticmethod
    def stating(names: frozenset[str], many: Iterable[Capabilities]) -> list[int]:
        """The places of those that state a fact of one of these names; one look at each, where most state none."""
        disjoint = names.isdisjoint
        return [place for place, one in enumerate(many) if not disjoint(one._facts)]  # noqa: SLF001 - as above

    def merged(self, other: Capabilities) -> Capabilities:
        """The facts of both; a fact of ``other`` overrides a fact of this one, even if it is unknown."""
        merged = Capabilities()
        merged._facts = self._facts | other._facts
        return merged


# ── needs ────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Need:
    """One term of a needs expression; ``str()`` returns its canonical text."""

    name: str
    op: Op = "is"
    value: Value = True
    negated: bool = False
    unknown_ok: bool = False

    def __post_init__(self) -> None:
        _check_name(self.name)
        for name, constraint in _NEED.items():
            check("Need", name, getattr(self, name), constraint)
        match self.value:
            case bool():
                fits = self.value and self.op == "is"
            case str():
                fits = self.op in {"=", "!="} and _is_word(self.value)
            case _:
                fits = self.op != "is" and _is_in_range(self.value)
        if not fits or (self.negated and self.op != "is"):
            raise ValueError(f"{self.name}: a need cannot be {'not ' if self.negated else ''}{self.op} {self.value!r}")
        if isinstance(self.value, float) and self.value.is_integer():
            object.__setattr__(self, "value", int(self.value))

    def __str__(self) -> str:
        text = f"!{self.name}" if self.negated else self.name
        if self.op != "is":
            text += f"{self.op}{_show(self.value)}"
        return f"{text}?" if self.unknown_ok else text

    def is_met(self, fact: Fact) -> bool:
        """Whether the fact satisfies this need."""
        value = fact.value
        if value is None:
            return self.unknown_ok
        if self.op == "is":
            return (value is not False) is not self.negated
        if isinstance(self.value, str):
            return isinstance(value, str) and (value == self.value) is (self.op == "=")
        return not isinstance(value, (bool, str)) and _compare(value, self.op, self.value)

    def judge(self, fact: Fact) -> str | None:
        """None if the fact satisfies this need, or else the reason in a few words."""
        if self.is_met(fact):
            return None
        value = fact.value
        source = f" ({fact.source})" if fact.source not in {"", "declared"} else ""
        if value is None:
            return f"{self.name} unknown{source}"
        if self.op == "is":
            return f"{self.name} is {_show(value)} ({fact.source}), needs {'false' if self.negated else 'true'}"
        wanted = f"needs {self.op}{_show(self.value)}"
        if isinstance(self.value, str) and not isinstance(value, str):
            return f"{self.name} is not a word{source}, {wanted}"
        if not isinstance(self.value, str) and isinstance(value, (bool, str)):
            return f"{self.name} is not a number{source}, {wanted}"
        return f"{self.name} is {_show(value)}{source}, {wanted}"


@dataclass(frozen=True, slots=True, init=False, repr=False)
class Needs:
    """Conditions on the facts of a model: ``Needs("tools, context>=128k", working=True)``.

    A list contains expressions and `Need` values; a dict is read like keywords. In a keyword a bool is a flag
    (``audio=False`` is ``!audio``), a word means ``=``, and a number means "at least", or "at most" for ``latency`` and
    names that end in ``_price``. Text that cannot be parsed is a NeedsSyntaxError; a keyword that is not a valid need
    is a ValueError. Needs with the same terms in any order are equal. Needs without terms are satisfied by every model;
    their truth value is False.
    """

    terms: tuple[Need, ...]
    """Each once, in canonical order: by name."""

    @forgetful
    def __init__(self, needs: NeedsInput = "", /, **flags: Value) -> None:
        terms: set[Need]
        if isinstance(needs, str) and not flags:
            object.__setattr__(self, "terms", _parsed(needs))
            return
        if isinstance(needs, str):
            terms = set(_Parser(needs).terms())
        elif isinstance(needs, Needs):
            terms = set(needs.terms)
        else:
            check("Needs", "needs", needs, NEEDS)
            if isinstance(needs, Mapping):
                named = cast("Mapping[str, Value]", needs)
                terms = {_keyword(name, value) for name, value in named.items()}
            else:
                terms = {term for one in needs for term in ((one,) if isinstance(one, Need) else _Parser(one).terms())}
        terms.update(_keyword(name, value) for name, value in flags.items())
        object.__setattr__(self, "terms", _in_order(terms))

    def __iter__(self) -> Iterator[Need]:
        return iter(self.terms)

    def __len__(self) -> int:
        return len(self.terms)

    def __str__(self) -> str:
        return ", ".join(map(str, getattr(self, "terms", ())))

    def __repr__(self) -> str:
        return f"Needs({str(self)!r})"

    def __and__(self, other: Needs) -> Needs:
        return Needs((*self.terms, *other.terms)) if isinstance(other, Needs) else NotImplemented

    def with_(self, other: NeedsInput) -> Needs:
        """These needs together with the others."""
        return self & needs_of("with_", "other", other)

    def missing(self, capabilities: Capabilities) -> tuple[str, ...]:
        """A reason for each need that these capabilities do not satisfy; empty if they satisfy all."""
        if capabilities.__class__ is not Capabilities:
            check("missing", "capabilities", capabilities, CAPABILITIES)
        reasons = (term.judge(capabilities.fact(term.name)) for term in self.terms)
        return tuple(reason for reason in reasons if reason is not None)


NeedsInput: TypeAlias = "str | Needs | Iterable[str | Need] | Mapping[str, Value]"
"""Needs, or a value to make them from: an expression, a list of expressions, or flags and values by name."""

_FACTS: Final = Table(Anything(), "a dict of facts by name", key=ANY_TEXT)
_NEED: Final[Mapping[str, Constraint]] = {
    "op": Word(*get_args(Op)),
    "value": Either(FLAG, Number(), ANY_TEXT, wanted="True, a finite number or a word"),
    "negated": FLAG,
    "unknown_ok": FLAG,
}
_KEYWORD: Final = Either(FLAG, Number(), ANY_TEXT, wanted="True, False, a finite number or a word")
CAPABILITIES: Final = Of(Capabilities, "a Capabilities, such as Capabilities({'tools': True})")
_EXPRESSION: Final = "an expression such as 'tools, context>=128k'"
PRICES: Final = frozenset({"input_price", "output_price", "cached_input_price", "cache_write_price"})
SIZES: Final = frozenset({"context", "max_output"})
FLAGS: Final = frozenset({
    "audio", "chat", "choices", "deprecated", "embeddings", "files", "frequency_penalty", "json_object", "json_schema",
    "logprobs", "parallel_tools", "prefill", "presence_penalty", "reasoning", "seed", "stop", "stop_sequences",
    "streaming", "temperature", "tools", "top_k", "top_p", "vision", "working",
})  # fmt: skip
KNOWN_FACTS: Final = FLAGS | SIZES | PRICES | {"latency", "retires"}
"""The names of the facts that Segue itself knows."""
_PRICE: Final = Number(ge=0)
_SIZE: Final = Number(ge=1, whole=True)
_LATENCY: Final = Number(ge=0)
_DAY: Final = re.compile(r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])")
_RETIRES: Final = Text("a day such as '2026-01-31'", empty=True, fits=lambda text: _DAY.fullmatch(text) is not None)


def fact_fault(name: str, value: object) -> str | None:
    """The expected type of a well-known fact if this value does not have it; None if it is valid or unknown."""
    if value is None:
        return None
    constraint: Constraint
    if name in FLAGS or name.startswith("supports_"):
        constraint = FLAG
    elif name in SIZES:
        constraint = _SIZE
    elif name in PRICES:
        constraint = _PRICE
    elif name == "latency":
        constraint = _LATENCY
    elif name == "retires":
        constraint = _RETIRES
    else:
        return None
    return None if constraint.fault(value) is None else constraint.wanted


NEEDS: Final = Either(
    Of(Needs, "a Needs"),
    ANY_TEXT,
    Table(_KEYWORD, key=ANY_TEXT),
    Items(Either(Of(Need), ANY_TEXT, wanted=_EXPRESSION)),
    wanted=f"a Needs, {_EXPRESSION}, a list of these, or a dict such as {{'tools': True}}",
)
"""The allowed values of an argument ``needs``."""


def needs_of(where: str, name: str, given: NeedsInput) -> Needs:
    """The needs of an argument; TypeError or ValueError if it is not valid."""
    if isinstance(given, Needs):
        return given
    check(where, name, given, NEEDS)
    return Needs(given)


def contradiction(needs: Needs) -> tuple[Need, Need] | None:
    """Two of the needs that no model can satisfy together, whatever its facts are; None if there are none."""
    terms = needs.terms
    for place, one in enumerate(terms):
        for other in terms[place + 1 :]:
            if one.name == other.name and not (one.unknown_ok and other.unknown_ok) and _clash(one, other):
                return one, other
    return None


def _clash(one: Need, other: Need) -> bool:
    """Whether no known value satisfies both; every range of numbers has values at or beside its ends."""
    values = [need.value for need in (one, other)]
    tried: list[Value] = [True, False, "a-word-that-no-model-has"]
    for value in values:
        if isinstance(value, str):
            tried.append(value)
        elif not isinstance(value, bool):
            tried += [value, value / 2 if value else -1.0, value * 2 + 1]
    numbers = [value for value in values if isinstance(value, (int, float)) and not isinstance(value, bool)]
    if len(numbers) == 2:
        tried.append(sum(numbers) / 2)
    return all(one.judge(Fact(value)) is not None or other.judge(Fact(value)) is not None for value in tried)


# ── the parser ───────────────────────────────────────────────────────────────────────────────────────


@lru_cache(maxsize=256)  # a program repeats the few expressions that it has
def _parsed(text: str) -> tuple[Need, ...]:
    return _in_order(set(_Parser(text).terms()))


def _in_order(terms: Iterable[Need]) -> tuple[Need, ...]:
    return tuple(sorted(terms, key=lambda term: (term.name, str(term))))


class _Parser:
    """One pass over the text, never backwards."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def terms(self) -> Iterator[Need]:
        self.skip_space(newlines=True)
        if not self.here:
            return
        while True:
            yield self.term()
            self.skip_space()
            if self.here and self.here != "," and self.here not in _NEWLINES:
                self.fail(f"expected ',' before {self.next_token()}")
            self.skip_space(newlines=True)
            if not self.here:
                return
            if self.here == ",":
                comma = self.at
                self.at += 1
                self.skip_space(newlines=True)
                if not self.here:
                    self.fail("expected a need after ','", comma)

    def term(self) -> Need:
        if self.here == ",":
            self.fail("expected a need before ','")
        negated = self.take("!")
        self.skip_space()
        name = self.name(after="!" if negated else "")
        self.skip_space()
        op = next((op for op in _COMPARISONS if self.text.startswith(op, self.at)), None)
        if op is None:
            return Need(name, negated=negated, unknown_ok=self.take("?"))
        if negated:
            self.fail(f"'!' is only for a name, not for a comparison with {op!r}")
        start = self.at
        self.at += len(op)
        if op == "=" and self.here in {"=", ">", "<"}:
            self.fail(f"use {'=' if self.here == '=' else self.here + '='!r}, not '={self.here}'", start)
        self.skip_space()
        value: int | float | str
        if self.here in _DIGITS:
            value = self.number()
        elif op in {"=", "!="} and self.here in _LETTERS:
            value = self.run(_WORD)
        else:
            self.fail(f"expected a number{' or a word' if op in {'=', '!='} else ''} after {op!r}")
        self.skip_space()
        return Need(name, cast("Op", op), value, unknown_ok=self.take("?"))

    def name(self, *, after: str) -> str:
        start = self.at
        if self.here not in _LETTERS:
            where = f" after {after!r}" if after else ""
            self.fail(f"expected a name{where}, not {self.next_token()}" if self.here else f"expected a name{where}")
        name = self.run(_NAME)
        if name != name.lower():
            self.fail(f"use {name.lower()!r} (lower case)", start)
        return name

    def number(self) -> int | float:
        start = self.at
        digits = self.digits()
        decimals = ""
        if self.take("."):
            if self.here not in _DIGITS:
                self.fail("expected a digit after '.'")
            decimals = self.digits()
        unit_at = self.at
        unit = self.run(_NAME)
        if unit.lower() not in _UNITS:
            self.fail(f"unknown unit {unit!r} (k = 1,000, m = 1,000,000)", unit_at)
        if len(digits) + len(decimals) > _MAX_DIGITS:
            self.fail(f"a number has at most {_MAX_DIGITS} digits", start)
        # In whole numbers, so that 0.07k is 70; a division of ints is rounded once, as float() does.
        numerator, denominator = int(digits + decimals) * _UNITS[unit.lower()], int("1" + "0" * len(decimals))
        whole, rest = divmod(numerator, denominator)
        value = numerator / denominator if rest else whole
        if not _is_in_range(value):
            self.fail(f"a number is 0 or between {_SMALLEST:g} and {_LARGEST:g}", start)
        return value

    def digits(self) -> str:
        digits = self.run(_DIGITS)
        groups = [digits]
        while self.here == "_":
            if self.text[self.at + 1 : self.at + 2] not in _DIGITS:
                self.fail("'_' is only allowed between digits")
            self.at += 1
            groups.append(self.run(_DIGITS))
        return "".join(groups)

    @property
    def here(self) -> str:
        """The next character; empty at the end of the text."""
        return self.text[self.at : self.at + 1]

    def take(self, character: str) -> bool:
        taken = self.here == character
        self.at += taken
        return taken

    def run(self, characters: frozenset[str]) -> str:
        start = self.at
        while self.here in characters:
            self.at += 1
        return self.text[start : self.at]

    def skip_space(self, *, newlines: bool = False) -> None:
        while self.here.isspace() and (newlines or self.here not in _NEWLINES):
            self.at += 1

    def next_token(self) -> str:
        start = self.at
        token = self.run(_NAME) or self.here
        self.at = start
        return ascii(token)

    def fail(self, reason: str, position: int | None = None) -> NoReturn:
        # One line and as long as the text was, so that the caret stands under the place.
        line = "".join(character if character.isprintable() else " " for character in self.text)
        raise NeedsSyntaxError(reason, text=line, position=self.at if position is None else position)


# ── small things of both ─────────────────────────────────────────────────────────────────────────────


def _keyword(name: str, value: Value) -> Need:
    _check_name(name)
    check("Needs", name, value, _KEYWORD)
    match value:
        case bool():
            return Need(name, negated=not value)
        case str():
            return Need(name, "=", value)
        case _:
            return Need(name, "<=" if name == "latency" or name.endswith("_price") else ">=", value)


def _compare(told: float, op: Op, wanted: float) -> bool:
    match op:
        case ">=":
            return told >= wanted
        case "<=":
            return told <= wanted
        case ">":
            return told > wanted
        case "<":
            return told < wanted
        case "=":
            return told == wanted
        case _:
            return told != wanted


def _check_name(name: str) -> None:
    if not isinstance(name, str):
        raise TypeError(f"the names of facts and needs must be text, not {shown(name)}")
    if not (name.isascii() and name.isidentifier() and name == name.lower() and name[0] != "_"):
        raise ValueError(f"{name!r} is not a capability name (lower-case letters, digits and '_', a letter first)")


def _is_word(text: str) -> bool:
    return text[:1] in _LETTERS and _WORD.issuperset(text)


def _is_in_range(number: object) -> bool:
    return isinstance(number, (int, float)) and (number == 0 or _SMALLEST <= number <= _LARGEST)


def _short(name: str, fact: Fact) -> str:
    match fact.value:
        case None:
            return f"{name}?"
        case bool():
            return name if fact.value else f"!{name}"
        case value:
            return f"{name}={_show(value)}"


def _show(value: Value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value
    if isinstance(value, float) and not value.is_integer():
        text = repr(value)
        if "e" in text:
            from decimal import Decimal

            text = format(Decimal(text), "f")
        return text
    number = int(value)
    if number and number % 1_000_000 == 0:
        return f"{number // 1_000_000}m"
    if number and number % 1_000 == 0:
        return f"{number // 1_000}k"
    return str(number)
