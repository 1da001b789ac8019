"""JSON text → values, and back.

jiter is pydantic's JSON parser; it keeps whole numbers of any length, which orjson turns into floats. orjson writes
JSON at a quarter of pydantic's cost; pydantic writes the values that orjson does not support.
"""

from __future__ import annotations

from enum import Enum
from math import isfinite
from typing import TYPE_CHECKING, Any, Final

import jiter
import orjson

from .constraints import Fault, Table, check, shown

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["JSON", "JSON_TABLE", "NotUnicodeError", "check_json", "from_json", "to_json"]

_WANTED: Final = "a value that JSON can express"
_MOST_DEPTH: Final = 200
"""Above what jiter reads, and with the rest of a body below what orjson writes."""
_MOST_BITS: Final = 14_000  # Python writes whole numbers of at most 4,300 digits


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


class Json:
    """A value that JSON can express: also a tuple, a date, a UUID, an enumeration, a dataclass or a pydantic model."""

    wanted: str = _WANTED

    def fault(self, value: object) -> Fault | None:
        fault = _json_fault(value, set())
        # The place of what is nested too deeply would be as long as it is deep.
        return fault._replace(place="") if fault is not None and len(fault.place) > _LONGEST_PLACE else fault


_LONGEST_PLACE: Final = 200
JSON: Final = Json()
JSON_TABLE: Final = Table(JSON, "a dict of values that JSON can express")


def check_json(where: str, name: str, value: object) -> None:
    """Raise a TypeError or ValueError of one line if an argument is not JSON; text in it is not shown."""
    check(where, name, value, JSON, secret=True)


def _json_fault(value: object, around: set[int]) -> Fault | None:
    """What JSON cannot express in a value; ``around`` are the values that contain it."""
    kind = value.__class__
    if value is None or kind is bool:
        return None
    if isinstance(value, str):
        is_text = value.isascii() or _is_unicode(value)
        return None if is_text else Fault(ValueError, "text without lone surrogates", value)
    if isinstance(value, int):
        is_written = abs(value).bit_length() <= _MOST_BITS
        return None if is_written else Fault(ValueError, "a number of at most 4,000 digits", value)
    if isinstance(value, float):
        return None if isfinite(value) else Fault(ValueError, "a number that JSON can express", value)
    if isinstance(value, (dict, list, tuple)):
        return _fault_inside(value, around)
    if isinstance(value, Enum):
        return _json_fault(value.value, around)
    if isinstance(value, type):
        return Fault(TypeError, _WANTED, value)
    return _odd_fault(value, around)


def _fault_inside(value: Any, around: set[int]) -> Fault | None:
    if id(value) in around:
        return Fault(ValueError, "a value that does not contain itself", value)
    if len(around) >= _MOST_DEPTH:
        return Fault(ValueError, f"nested at most {_MOST_DEPTH} levels deep", value)
    around.add(id(value))
    is_dict = isinstance(value, dict)
    items: Iterable[tuple[Any, Any]] = value.items() if is_dict else enumerate(value)
    for name, item in items:
        if is_dict:
            fault = _key_fault(name)
            if fault is not None:
                return fault
        fault = _json_fault(item, around)
        if fault is not None:
            return fault._replace(place=f"[{shown(name)}]{fault.place}")
    around.discard(id(value))
    return None


def _key_fault(name: object) -> Fault | None:
    if not isinstance(name, str):
        return Fault(TypeError, "text", name, " (a key)")
    is_text = name.isascii() or _is_unicode(name)
    return None if is_text else Fault(ValueError, "text without lone surrogates", name, " (a key)")


def _odd_fault(value: Any, around: set[int]) -> Fault | None:
    """The same for a value of a type that is rare in JSON."""
    fields = getattr(value, "__dataclass_fields__", None)
    if fields is not None:
        return _fault_inside({name: getattr(value, name, None) for name in fields}, around)
    if hasattr(value, "__pydantic_serializer__"):
        try:
            written = value.model_dump(mode="json")
        except (AttributeError, TypeError, ValueError):
            return Fault(TypeError, _WANTED, value)
        return _json_fault(written, around)
    try:
        orjson.dumps(value)  # a date, a time, a UUID
    except TypeError:
        return Fault(TypeError, _WANTED, value)
    return None


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
