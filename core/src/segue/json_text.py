"""JSON text → values, and back.

jiter is pydantic's JSON parser; it keeps whole numbers of any length, which orjson turns into floats. orjson writes
JSON at a quarter of pydantic's cost; pydantic writes the values that orjson does not support.
"""

from __future__ import annotations

from math import isfinite
from typing import Any

import jiter
import orjson

from .constraints import shown

__all__ = ["NotUnicodeError", "check_json", "from_json", "to_json"]


class NotUnicodeError(ValueError):
    """A text cannot be written as JSON, because it has half of a surrogate pair."""


def from_json(text: bytes | str, *, allow_inf_nan: bool = True) -> Any:
    """The value of a JSON text; ValueError if it is not JSON."""
    return jiter.from_json(text.encode() if isinstance(text, str) else text, allow_inf_nan=allow_inf_nan)


def to_json(value: object) -> bytes:
    """The value as JSON text, without white space; ValueError for a value that JSON cannot express.

    Dates, UUIDs, enumerations, dataclasses and pydantic models are accepted too.
    """
    try:
        written = orjson.dumps(value)
    except TypeError:  # longer numbers than 64 bits, keys that are no strings, models …
        from pydantic_core import to_json as written_by_pydantic

        try:
            written = written_by_pydantic(value, inf_nan_mode="constants")
        except ValueError:
            if _is_unicode(value):
                raise
            written = b""
        if not written:  # outside the except block: the other error shows the text
            raise NotUnicodeError(
                "a text of the request has half of a surrogate pair, such as '\\ud83d', which is not valid Unicode:"
                " remove it, or decode the text with errors='replace'"
            ) from None
        if b"NaN" in written or b"Infinity" in written:
            _check(value)
        return written
    if b"null" in written:  # which orjson also writes for a number that is not finite
        _check(value)
    return written


def check_json(where: str, name: str, value: object) -> None:
    """Raise a TypeError or ValueError of one line if an argument is not JSON; its value is not shown."""
    try:
        to_json(value)
    except (TypeError, ValueError) as error:  # pydantic's own error is a ValueError
        kind = ValueError if "finite" in str(error) else TypeError
    else:
        return
    raise kind(f"{where}({name}={shown(value, secret=True)}): {name} must be values that JSON can express")


def _is_unicode(value: object) -> bool:
    match value:
        case str():
            return not any("\ud800" <= character <= "\udfff" for character in value)
        case dict():
            return all(_is_unicode(name) and _is_unicode(item) for name, item in value.items())
        case list() | tuple():
            return all(map(_is_unicode, value))
        case _:
            return True


def _check(value: object) -> None:
    match value:
        case float() if not isfinite(value):
            raise ValueError("JSON cannot express a number that is not finite")
        case dict():
            for item in value.values():
                _check(item)
        case list() | tuple():
            for item in value:
                _check(item)
        case _:
            pass
