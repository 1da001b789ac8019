"""Facts, needs, the needs expression and the match between them."""

from __future__ import annotations

import contextlib
import copy
import math
import os
import pickle
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from segue.capabilities import UNKNOWN, Capabilities, Fact, Need, Needs, Value, _Parser, contradiction
from segue.errors import NeedsSyntaxError

_names = st.from_regex(r"[a-z][a-z0-9_]{0,12}", fullmatch=True)
_words = st.from_regex(r"[A-Za-z][A-Za-z0-9_./:-]{0,12}", fullmatch=True)
_numbers = (
    st.just(0)
    | st.integers(1, 10**18)
    | st.integers(1, 10**9).map(lambda number: number * 1_000_000)
    | st.floats(1e-18, 1e18)
)
_flags = st.builds(Need, _names, negated=st.booleans(), unknown_ok=st.booleans())
_comparisons = st.builds(
    Need, _names, st.sampled_from([">=", "<=", ">", "<", "=", "!="]), _numbers, unknown_ok=st.booleans()
) | st.builds(Need, _names, st.sampled_from(["=", "!="]), _words, unknown_ok=st.booleans())
_needs = st.lists(_flags | _comparisons, max_size=8).map(Needs)
_facts = st.builds(
    Fact,
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    st.text(max_size=5),
)


# ── facts ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("value", "state"),
    [
        (True, "yes"),
        (False, "no"),
        (None, "unknown"),
        (0, "yes"),
        (0.0, "yes"),
        (8_000, "yes"),
        ("", "yes"),
        ("a", "yes"),
    ],
)
def test_three_states(value: Value | None, state: str) -> None:
    """Only False is no and only None is unknown; any number and any word is yes."""
    assert Fact(value).state == state


def test_facts_carry_their_source() -> None:
    """Plain values become facts of the given source, and a Fact keeps its own."""
    page = Fact(None, "vendor page 2026-11")
    capabilities = Capabilities({"tools": True, "context": 128_000, "audio": None, "vision": page}, source="probed")
    assert dict(capabilities) == {
        "tools": Fact(True, "probed"),
        "context": Fact(128_000, "probed"),
        "audio": Fact(None, "probed"),
        "vision": page,
    }
    assert Capabilities({"tools": True}).fact("tools") == Fact(True, "declared")


def test_what_is_not_stated_is_unknown() -> None:
    """A fact that nobody stated is UNKNOWN and not a member."""
    assert Capabilities().fact("tools") is UNKNOWN
    assert "tools" not in Capabilities()
    assert UNKNOWN.state == "unknown"


def test_merged() -> None:
    """What the other states stands above, also an unknown, and neither of the two changes."""
    below = Capabilities({"tools": True, "vision": True, "context": 8_000})
    above = Capabilities({"tools": False, "vision": None, "audio": True}, source="probed")
    merged = below.merged(above)
    assert merged == Capabilities({**below, **above})
    assert merged.fact("vision") == Fact(None, "probed")
    assert len(below) == 3
    assert len(above) == 3


def test_capabilities_are_values() -> None:
    """Equal facts make equal hashes in any order; copies and pickles are equal; a plain dict is not."""
    one, two = Capabilities({"tools": True, "context": 1}), Capabilities({"context": 1, "tools": True})
    assert one == two
    assert hash(one) == hash(two)
    assert one != Capabilities({"tools": True})
    assert one != dict(one)
    assert pickle.loads(pickle.dumps(one)) == copy.deepcopy(one) == copy.copy(one) == Capabilities(one) == one


def test_capabilities_do_not_change() -> None:
    """Neither the mapping given nor an assignment changes capabilities once built."""
    given_facts = {"tools": True}
    capabilities: Any = Capabilities(given_facts)
    given_facts["vision"] = True
    assert list(capabilities) == ["tools"]
    with pytest.raises(TypeError):
        capabilities["vision"] = Fact(True)
    with pytest.raises(AttributeError):
        capabilities.vision = True


def test_capabilities_repr() -> None:
    """The repr has eight facts in needs-like form and the number of the others."""
    facts = Capabilities({"tools": True, "audio": False, "vision": None, "context": 128_000, "family": "llama"})
    assert repr(facts) == "Capabilities(tools, !audio, vision?, context=128k, family=llama)"
    assert repr(Capabilities({f"f{n}": True for n in range(10)})).endswith("f6, f7, 2 more)")


@pytest.mark.parametrize("name", ["", "Tools", "_tools", "1k", "json-schema", "json schema", "tööls", "tools\n"])
def test_bad_names(name: str) -> None:
    """A name that the needs expression could not say is a ValueError, for facts and for needs."""
    with pytest.raises(ValueError, match="not a capability name"):
        Capabilities({name: True})
    with pytest.raises(ValueError, match="not a capability name"):
        Need(name)


def test_bad_values() -> None:
    """A value that cannot be a fact is a TypeError that names its type, and the expected one of a well-known fact."""
    with pytest.raises(TypeError, match=r"speed must be True, False, a finite number, a word or None .*, not <list>"):
        Capabilities({"speed": []})  # type: ignore[dict-item]
    with pytest.raises(TypeError, match=r"tools must be True or False, not <list>"):
        Capabilities({"tools": []})  # type: ignore[dict-item]


# ── matching ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("need", "value"),
    [
        ("tools", True),
        ("context", 8_000),
        ("context", 0),
        ("family", "llama"),
        ("!audio", False),
        ("audio?", None),
        ("!audio?", None),
        ("context>=8k?", None),
        ("family=llama?", None),
        ("context>=8k", 8_000),
        ("context>7.9k", 8_000),
        ("context<8001", 8_000),
        ("input_price<=2", 2.0),
        ("input_price=0.1", 0.1),
        ("input_price!=0.1", 0.2),
        ("family=llama", "llama"),
        ("family!=llama", "qwen"),
    ],
)
def test_needs_that_are_met(need: str, value: Value | None) -> None:
    """A fact that meets its need leaves no reason."""
    needs = Needs(need)
    assert needs.missing(Capabilities({needs.terms[0].name: value})) == ()


@pytest.mark.parametrize(
    ("need", "fact", "reason"),
    [
        ("tools", UNKNOWN, "tools unknown"),
        ("tools", Fact(None), "tools unknown"),
        ("!tools", Fact(None, "vendor page"), "tools unknown (vendor page)"),
        ("context>=8k", UNKNOWN, "context unknown"),
        ("tools", Fact(False), "tools is false (declared), needs true"),
        ("tools?", Fact(False, "probed"), "tools is false (probed), needs true"),
        ("!audio", Fact(True), "audio is true (declared), needs false"),
        ("!context", Fact(8_000), "context is 8k (declared), needs false"),
        ("!family", Fact("llama"), "family is llama (declared), needs false"),
        ("context>=128k", Fact(8_000), "context is 8k, needs >=128k"),
        ("context>=128k", Fact(8_192, "probed"), "context is 8192 (probed), needs >=128k"),
        ("context>8k", Fact(8_000), "context is 8k, needs >8k"),
        ("context<8k", Fact(8_000), "context is 8k, needs <8k"),
        ("context=2m", Fact(-1_000_000), "context is -1m, needs =2m"),
        ("context!=8k", Fact(8_000.0), "context is 8k, needs !=8k"),
        ("input_price<=2", Fact(2.5), "input_price is 2.5, needs <=2"),
        ("input_price>=2", Fact(0), "input_price is 0, needs >=2"),
        ("input_price>=2", Fact(1e-7), "input_price is 0.0000001, needs >=2"),
        ("context>=1", Fact(True), "context is not a number, needs >=1"),
        ("context=1", Fact(True), "context is not a number, needs =1"),
        ("context<=1", Fact(False, "probed"), "context is not a number (probed), needs <=1"),
        ("context!=1", Fact("1"), "context is not a number, needs !=1"),
        ("family=llama", Fact("qwen"), "family is qwen, needs =llama"),
        ("family=llama", Fact("Llama"), "family is Llama, needs =llama"),
        ("family!=llama", Fact("llama", "probed"), "family is llama (probed), needs !=llama"),
        ("family=llama", Fact(True), "family is not a word, needs =llama"),
        ("family!=llama", Fact(3, "probed"), "family is not a word (probed), needs !=llama"),
    ],
)
def test_reasons(need: str, fact: Fact, reason: str) -> None:
    """A need that is not met says why, with the value and who told it."""
    (term,) = Needs(need)
    assert term.judge(fact) == reason


def test_one_reason_for_each_need_that_is_missing() -> None:
    """Reasons come in the order of the terms, and only for what is not met."""
    needs = Needs("vision, tools, context>=128k, !audio")
    assert needs.missing(Capabilities({"tools": True, "context": 8_000, "audio": True})) == (
        "audio is true (declared), needs false",
        "context is 8k, needs >=128k",
        "vision unknown",
    )


@given(_flags | _comparisons, _facts)
def test_every_fact_can_be_judged(need: Need, fact: Fact) -> None:
    """Any fact either meets any need or leaves a reason that begins with the name."""
    reason = need.judge(fact)
    assert reason is None or reason.startswith(f"{need.name} ")
    if fact.state == "unknown":
        assert (reason is None) is need.unknown_ok


@given(_names, _numbers, _facts)
def test_opposites(name: str, number: float, fact: Fact) -> None:
    """Of a known number or flag, a need and its opposite are never both met or both missed."""
    number_told = isinstance(fact.value, (int, float)) and not isinstance(fact.value, bool) and fact.value == fact.value
    if fact.state != "unknown":
        assert (Need(name).judge(fact) is None) != (Need(name, negated=True).judge(fact) is None)
    if number_told:
        assert (Need(name, ">=", number).judge(fact) is None) != (Need(name, "<", number).judge(fact) is None)
        assert (Need(name, "<=", number).judge(fact) is None) != (Need(name, ">", number).judge(fact) is None)
        assert (Need(name, "=", number).judge(fact) is None) != (Need(name, "!=", number).judge(fact) is None)


# ── needs ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("text", ["", " ", "\n", " \r\n\t "])
def test_no_needs(text: str) -> None:
    """Blank text is no need: false, equal to Needs(), met by everything."""
    assert not Needs(text)
    assert Needs(text) == Needs()
    assert list(Needs(text)) == []
    assert str(Needs(text)) == ""
    assert Needs(text).missing(Capabilities()) == ()


def test_keywords() -> None:
    """A bool is a flag, a word is "=", and a number is at least, or at most for prices and latency."""
    needs = Needs("tools", working=True, audio=False, context=128_000, input_price=2, latency=0.5, family="llama")
    assert needs == Needs("tools, working, !audio, context>=128k, input_price<=2, latency<=0.5, family=llama")
    assert Needs(text=True, self=True) == Needs("text, self")


@pytest.mark.parametrize("value", [None, -1, float("nan"), float("inf"), 1e-19, 10**19, "", "two words", "4o", "a,b"])
def test_keywords_that_no_text_can_say(value: Any) -> None:
    """A keyword's value that the expression could not say is an error that names the keyword."""
    is_number = isinstance(value, (int, float)) and math.isfinite(value)
    told = "family: a need cannot be" if is_number or isinstance(value, str) else "family must be"
    with pytest.raises(TypeError if value is None else ValueError, match=told):
        Needs(family=value)


@pytest.mark.parametrize(
    ("op", "value", "negated"),
    [
        ("is", False, False),
        ("is", 1, False),
        ("is", "a", False),
        (">=", True, False),
        (">=", "a", False),
        (">=", 1, True),
        ("=", "a", True),
    ],
)
def test_terms_that_no_text_can_say(op: Any, value: Value, negated: bool) -> None:
    """A term that the expression could not say is a ValueError."""
    with pytest.raises(ValueError, match="tools: a need cannot be"):
        Need("tools", op, value, negated=negated)


def test_needs_are_values() -> None:
    """Order, spelling and repetition make no difference to equality, hash and text."""
    one, two = Needs("tools, context>=128k,tools"), Needs("context >= 128_000\ntools")
    assert one == two
    assert hash(one) == hash(two)
    assert str(one) == str(two) == "context>=128k, tools"
    assert len(one) == 2
    assert one != Needs("tools")
    assert one != Needs("context>=128k, tools?")
    assert repr(one) == "Needs('context>=128k, tools')"
    assert pickle.loads(pickle.dumps(one)) == copy.deepcopy(one) == copy.copy(one) == one


def test_needs_do_not_change() -> None:
    """A needs value takes no assignment."""
    needs: Any = Needs("tools")
    with pytest.raises(AttributeError):
        needs.terms = ()


def test_union() -> None:
    """Needs are joined with & and with_, which takes text too; & with text is a TypeError."""
    joined = Needs("tools, vision")
    assert Needs("tools") & Needs("vision, tools") == joined
    assert Needs("tools").with_("vision") == joined
    assert Needs("tools").with_(Needs("vision")) == joined
    with pytest.raises(TypeError):
        Needs("tools") & "vision"  # type: ignore[operator]


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("tools", "tools"),
        ("!audio", "!audio"),
        (" ! audio ? ", "!audio?"),
        ("json_schema?", "json_schema?"),
        ("context>=128k", "context>=128k"),
        ("context >= 128_000", "context>=128k"),
        ("context>=0.128M ?", "context>=128k?"),
        ("context>=1_048_576", "context>=1048576"),
        ("context>=2_000k", "context>=2m"),
        ("context>1.5K", "context>1500"),
        ("context>0.07k", "context>70"),
        ("context=0", "context=0"),
        ("input_price<=0.15", "input_price<=0.15"),
        ("input_price<2.0", "input_price<2"),
        ("input_price<0.0000001", "input_price<0.0000001"),
        ("family=llama-3.1", "family=llama-3.1"),
        ("family != Qwen ?", "family!=Qwen?"),
        ("vision,tools", "tools, vision"),
        ("tools\nvision\r\n\r\naudio", "audio, tools, vision"),
        ("\n tools ,\n vision\n,audio\n", "audio, tools, vision"),
        ("tools\u00a0, vision", "tools, vision"),
        ("tools, !tools, tools?", "!tools, tools, tools?"),
        ("supports_gpt_35_turbo, working", "supports_gpt_35_turbo, working"),
    ],
)
def test_texts(text: str, canonical: str) -> None:
    """Each spelling is read, and written in its canonical one."""
    assert str(Needs(text)) == canonical
    assert str(Needs(canonical)) == canonical


@given(_needs)
def test_round_trip(needs: Needs) -> None:
    """The text of any needs reads back as equal needs."""
    assert Needs(str(needs)) == needs


@given(_needs, _needs)
def test_union_is_a_set_union(one: Needs, two: Needs) -> None:
    """The union has exactly the terms of both, in either order."""
    assert set(one & two) == {*one, *two}
    assert one & two == two & one


# ── what cannot be read ──────────────────────────────────────────────────────────────────────────────

DIGITS = "a number has at most 60 digits"
RANGE = "a number is 0 or between 1e-18 and 1e+18"


@pytest.mark.parametrize(
    ("text", "position", "reason"),
    [
        (",tools", 0, "expected a need before ','"),
        ("tools,,vision", 6, "expected a need before ','"),
        ("tools, \n ,vision", 9, "expected a need before ','"),
        ("tools,", 5, "expected a need after ','"),
        ("tools , \n", 6, "expected a need after ','"),
        ("tools vision", 6, "expected ',' before 'vision'"),
        ("tools & vision", 6, "expected ',' before '&'"),
        ("tools??", 6, "expected ',' before '?'"),
        ("context>=128 k", 13, "expected ',' before 'k'"),
        ("Tools", 0, "use 'tools' (lower case)"),
        ("vision, !JSON_Schema?", 9, "use 'json_schema' (lower case)"),
        ("!", 1, "expected a name after '!'"),
        ("! ,a", 2, "expected a name after '!', not ','"),
        ("!!a", 1, "expected a name after '!', not '!'"),
        ("?", 0, "expected a name, not '?'"),
        ("4k", 0, "expected a name, not '4k'"),
        ("_a", 0, "expected a name, not '_a'"),
        (">=4k", 0, "expected a name, not '>'"),
        ("töols", 1, "expected ',' before '\\xf6'"),
        ("é", 0, "expected a name, not '\\xe9'"),
        ("context>=", 9, "expected a number after '>='"),
        ("context>= ,tools", 10, "expected a number after '>='"),
        ("context>=\n8k", 9, "expected a number after '>='"),
        ("context<-1", 8, "expected a number after '<'"),
        ("context>=lots", 9, "expected a number after '>='"),
        ("context>=²", 9, "expected a number after '>='"),
        ("family=", 7, "expected a number or a word after '='"),
        ("family!=?", 8, "expected a number or a word after '!='"),
        ("context=>8k", 7, "use '>=', not '=>'"),
        ("context=<8k", 7, "use '<=', not '=<'"),
        ("context==8k", 7, "use '=', not '=='"),
        ("!context>=8k", 8, "'!' is only for a name, not for a comparison with '>='"),
        ("context>=128g", 12, "unknown unit 'g' (k = 1,000, m = 1,000,000)"),
        ("context>=1e5", 10, "unknown unit 'e5' (k = 1,000, m = 1,000,000)"),
        ("family=4o", 8, "unknown unit 'o' (k = 1,000, m = 1,000,000)"),
        ("context>=1_", 10, "'_' is only allowed between digits"),
        ("context>=1__0", 10, "'_' is only allowed between digits"),
        ("context>=1_k", 10, "'_' is only allowed between digits"),
        ("context>=1.", 11, "expected a digit after '.'"),
        ("context>=1._5", 11, "expected a digit after '.'"),
        ("context>=.5", 9, "expected a number after '>='"),
        ("context>=1.5.2", 12, "expected ',' before '.'"),
        ("context>=" + "9" * 61, 9, DIGITS),
        ("context>=0." + "1" * 60, 9, DIGITS),
        ("context>=1" + "0" * 18 + "1", 9, RANGE),
        ("context>=1000000000001m", 9, RANGE),
        ("context>=0." + "0" * 20 + "1", 9, RANGE),
        ("tools\n?", 6, "expected a name, not '?'"),
        ("tools\0", 5, "expected ',' before '\\x00'"),
    ],
)
def test_syntax_errors(text: str, position: int, reason: str) -> None:
    """Each fault is named, and pointed at in its place."""
    with pytest.raises(NeedsSyntaxError) as caught:
        Needs(text)
    assert (caught.value.position, caught.value.reason) == (position, reason)


def test_the_caret_of_a_text_of_many_lines() -> None:
    """Newlines, tabs and what cannot be printed are shown as one space each, so that the caret fits."""
    with pytest.raises(NeedsSyntaxError) as caught:
        Needs("tools,\n\tVision\x1b")
    assert str(caught.value) == "use 'vision' (lower case)\n  tools,  Vision \n          ^"


def fault(text: str) -> NeedsSyntaxError | None:
    """What is wrong with the text, checked to point into it; a text that is read must round-trip."""
    try:
        needs = Needs(text)
    except NeedsSyntaxError as error:
        found = error
    else:
        assert Needs(str(needs)) == needs
        return None
    assert 0 <= found.position <= len(text) == len(found.text)
    assert found.text.isprintable()
    assert found.reason.isprintable()
    return found


@given(st.text())
def test_any_text(text: str) -> None:
    """Any text is read, or is a NeedsSyntaxError that points into it."""
    fault(text)


@given(st.text(alphabet="aAkm_09.,!?<>= \n\r\té²", max_size=20))
def test_any_text_of_these_signs(text: str) -> None:
    """Any mixture of the signs of the expression is read, or is a NeedsSyntaxError that points into it."""
    fault(text)


@given(_needs, st.integers(0, 200), st.sampled_from(",!?<>=~X é\n_."))
def test_a_good_text_with_one_sign_more(needs: Needs, place: int, sign: str) -> None:
    """One sign put into a good text leaves it readable, or is a NeedsSyntaxError at or behind that term's begin."""
    text = str(needs)
    assume(place <= len(text))
    found = fault(text[:place] + sign + text[place:])
    assert found is None or found.position >= text.rfind(",", 0, place)


# ── cost ─────────────────────────────────────────────────────────────────────────────────────────────


class CountingText(str):
    """A text that counts the characters read from it."""

    __slots__ = ("read",)
    read: int

    def __getitem__(self, key: Any) -> str:
        piece = super().__getitem__(key)
        self.read += max(1, len(piece))
        return piece


@pytest.mark.parametrize(
    "text",
    [
        *("tools, " * 3_000 + "tools", "a" * 20_000, " " * 20_000, "a" + " " * 20_000 + "?", "a=" + "b." * 10_000),
        *(
            "a>=" + "1" * 20_000,
            "a>=" + "1_" * 10_000 + "1",
            "a>=1" + "g" * 20_000,
            "a " + "b" * 20_000,
            "a\n" * 10_000,
        ),
    ],
    ids=lambda text: f"{text[:6]!r}…",
)
def test_linear_time(text: str) -> None:
    """Reading costs a few looks at each character, however long the text and wherever it goes wrong."""
    counting = CountingText(text)
    counting.read = 0
    with contextlib.suppress(NeedsSyntaxError):
        list(_Parser(counting).terms())
    assert len(text) / 2 < counting.read < 15 * len(text)


def test_quick_import() -> None:
    """Importing this module brings in neither pydantic, aiohttp nor decimal."""
    code = (
        "import sys, segue.capabilities\n"
        "print(sorted({'pydantic', 'aiohttp', 'pluggy', 'decimal', 'asyncio'} & set(sys.modules)))"
    )
    # Without coverage's own start-up in the child, which imports some of these.
    environ = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, env=environ)
    assert done.stdout.strip() == "[]"


# ── needs that exclude each other ────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("needs", "pair"),
    [
        ("tools, !tools", ("!tools", "tools")),
        ("context>=2m, context<=1k, tools", ("context<=1k", "context>=2m")),
        ("context>1k, context<1k", ("context<1k", "context>1k")),
        ("context=1k, context!=1k", ("context!=1k", "context=1k")),
        ("context=1k, context=2k", ("context=1k", "context=2k")),
        ("context>=1k, context=fast", ("context=fast", "context>=1k")),
        ("!context, context>=1k", ("!context", "context>=1k")),
        ("tools?, !tools", ("!tools", "tools?")),
        ("tools?, !tools?", None),
        ("tools, vision", None),
        ("context>=1k, context<=1k", None),
        ("context>1, context<2", None),
        ("context>=1k, context!=1k", None),
        ("context>=1k, context>=2k", None),
        ("speed!=a, speed!=b", None),
        ("tools, tools=fast", None),
        ("", None),
    ],
)
def test_needs_that_exclude_each_other_are_found(needs: str, pair: tuple[str, str] | None) -> None:
    """Two terms of one name that no value satisfies."""
    found = contradiction(Needs(needs))
    assert (None if found is None else tuple(map(str, found))) == pair


_OPS = st.sampled_from([">=", "<=", ">", "<", "=", "!="])
_TERMS = st.builds(lambda op, number: f"a{op}{number}", _OPS, st.integers(0, 6)) | st.sampled_from(["a", "!a", "a=x"])


@given(
    one=_TERMS, other=_TERMS, value=st.integers(-2, 8) | st.floats(-2, 8) | st.booleans() | st.sampled_from(["x", "y"])
)
def test_no_value_satisfies_needs_that_exclude_each_other(one: str, other: str, value: Value) -> None:
    """Whatever a model's fact is."""
    needs = Needs([one, other])
    assume(contradiction(needs) is not None)
    assert needs.missing(Capabilities({"a": value}))
