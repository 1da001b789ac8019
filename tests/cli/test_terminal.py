"""What a terminal is shown."""

from __future__ import annotations

import json
import unicodedata
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segue.cli.terminal import Sanitizer, clean, one_line, write_json

if TYPE_CHECKING:
    from pytest import CaptureFixture  # noqa: PT013

# Text that is full of what matters: sequences, their beginnings, their ends.
_HOSTILE = st.lists(
    st.sampled_from([*"ab é\n\r\t\x07\x08\x18\x1a\x1b\x7f\x85\x90\x9b\x9c\x9d[]P(\\;0mK\u202e\u2066\u2069", "\x1b[31m"])
    | st.characters(codec="utf-8")
).map("".join)


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("plain é 漢 🎭\tand\nlines", "plain é 漢 🎭\tand\nlines"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x9b31mred", "red"),
        ("\x1b[1;31;?25lx", "x"),
        ("\x1b]0;a title\x07after", "after"),
        ("\x1b]8;;http://evil.example\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x9d0;a title\x9cafter", "after"),
        ("\x1bPq#0;2\x1b\\after", "after"),
        ("\x1b_app\x1b\\\x1b^pm\x1b\\\x1bXsos\x1b\\after", "after"),
        ("\x1b(Bafter", "after"),
        ("\x1bcafter", "after"),
        ("a\x1b\x1b[31mb", "ab"),
        ("\x1b[3\x1b[31mb", "b"),
        ("\x1b]0;x\x1b[31mred", "red"),
        ("\x1b]0;x\x18after", "after"),
        ("\x1b[31éa", "éa"),
        ("bell\x07 back\x08 del\x7f nul\x00 nel\x85", "bell back del nul nel"),
        ("a\u202eb\u2069", "a\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}"),
    ],
)
def test_control_sequences_are_taken_out(raw: str, shown: str) -> None:
    """Of a control sequence nothing is left, of other text everything."""
    assert clean(raw) == shown


def test_a_carriage_return_cannot_overwrite_a_line() -> None:
    """A carriage return begins a new line; with its newline it is one."""
    assert clean("harmless\rrm -rf\r\nnext\n") == "harmless\nrm -rf\nnext\n"


def test_an_unfinished_sequence_hides_no_more_than_its_line() -> None:
    """A newline ends a sequence that was never closed."""
    assert clean("a\x1b]0;never closed\nb\x1b[12\nc\x1bP\r\nd") == "a\nb\nc\nd"


@given(text=_HOSTILE, cuts=st.lists(st.integers(0, 40)))
def test_where_the_text_is_cut_makes_no_difference(text: str, cuts: list[int]) -> None:
    """The same is shown for every split of the same text."""
    places = sorted({0, len(text), *(cut for cut in cuts if cut <= len(text))})
    sanitizer = Sanitizer()
    pieces = [text[start:end] for start, end in pairwise(places)]
    assert "".join(map(sanitizer.feed, pieces)) == clean(text)


@given(_HOSTILE)
def test_no_control_character_is_ever_shown(text: str) -> None:
    """Newline and tab are the only control characters that come out, whatever went in."""
    shown = clean(text)
    assert {character for character in shown if unicodedata.category(character) == "Cc"} <= {"\n", "\t"}
    assert {unicodedata.bidirectional(character) for character in shown}.isdisjoint(
        {"LRE", "RLE", "PDF", "LRO", "RLO", "LRI", "RLI", "FSI", "PDI"}
    )


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cf"])))
def test_harmless_text_is_left_alone(text: str) -> None:
    """Text without control and format characters comes out as it went in."""
    assert clean(text) == text


def test_a_remark_is_one_line() -> None:
    """What a host says in several lines cannot pass for several remarks."""
    assert one_line("bad\nerror: forged\x1b[2J") == "bad error: forged"


def test_json_holds_no_raw_control_character_and_reads_back_equal(capsys: CaptureFixture[str]) -> None:
    """JSON keeps every character of a text, and shows those that steer a terminal as escapes."""
    text = "é 🎭 \x1b[31m \x7f \x9b \u202e \ud800"
    write_json({"text": text})
    printed = capsys.readouterr().out
    assert json.loads(printed) == {"text": text}
    assert "é" in printed
    assert not set(printed) & set("\x1b\x7f\x9b\u202e\ud800")
