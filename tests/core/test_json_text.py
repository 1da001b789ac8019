"""JSON text is read and written as pydantic does it, but for numbers that JSON has no words for."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import math
from typing import Any

import pydantic_core
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from segue.json_text import from_json, to_json

_scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
_values = st.recursive(
    _scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4), max_leaves=12
)


@given(_values)
def test_what_is_written_is_read_again(value: Any) -> None:
    """Whole numbers of any length too, and it is what Python's own library reads."""
    written = to_json(value)
    assert from_json(written) == from_json(written.decode()) == json.loads(written) == value


@given(_values)
def test_it_is_what_pydantic_reads_and_writes(value: Any) -> None:
    """Byte for byte where no number is a float, whose shortest form is not the only one."""
    written = pydantic_core.to_json(value)
    assert from_json(written) == pydantic_core.from_json(written)
    assert json.loads(to_json(value)) == json.loads(written)
    if not any(mark in repr(value) for mark in ".e"):
        assert to_json(value) == written


@given(st.binary(max_size=40) | st.text(max_size=40))
def test_what_is_no_json_is_a_value_error(text: bytes | str) -> None:
    """The same texts as pydantic refuses, whatever they are."""
    try:
        expected = pydantic_core.from_json(text)
    except ValueError:
        with pytest.raises(ValueError):  # noqa: PT011 - of whichever words
            from_json(text)
    else:
        assert repr(from_json(text)) == repr(expected)


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize(
    "form", [lambda x: x, lambda x: [None, x], lambda x: {"a": (x, 2**70)}, lambda x: {1: {"b": x}}]
)
def test_a_number_that_is_not_finite_is_refused(wrong: float, form: Any) -> None:
    """It is neither sent as text that is no JSON, nor as a null that nobody meant."""
    with pytest.raises(ValueError, match="not finite"):
        to_json(form(wrong))
    assert to_json(form(1.5))


class City(BaseModel):
    name: str


@dataclasses.dataclass(frozen=True)
class Place:
    x: int


def test_more_than_json_has_is_written_in_its_words() -> None:
    """Models, dataclasses, dates, keys that are numbers; what has no words is a ValueError."""
    value = {"a": City(name="Oslo"), "b": Place(1), "c": dt.date(2026, 1, 2), "d": {1: 2}, "e": 2**80, "f": None}
    told = {"a": {"name": "Oslo"}, "b": {"x": 1}, "c": "2026-01-02", "d": {"1": 2}, "e": 2**80, "f": None}
    assert from_json(to_json(value)) == told
    for wrong in (object(), "\ud800"):
        with pytest.raises(ValueError):  # noqa: PT011 - of whichever words
            to_json(wrong)
