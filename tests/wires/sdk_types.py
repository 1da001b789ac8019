"""Whether a body fits the types that a vendor's SDK has for it: each field known, none missing that is required."""

from __future__ import annotations

import functools
import types
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, Literal, NotRequired, Required, Union, get_args, get_origin

from typing_extensions import get_type_hints, is_typeddict


@functools.cache
def _fields(table: Any) -> dict[str, Any]:
    return get_type_hints(table, include_extras=True)


def misfits(hint: Any, value: object, where: str = "body") -> list[str]:
    """Where the value does not fit the type; nothing where it does. Of a union, what its best member says."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in {Required, NotRequired, Annotated}:
        return misfits(arguments[0], value, where)
    if origin in {Union, types.UnionType}:
        return min((misfits(member, value, where) for member in arguments), key=lambda found: (len(found), found))
    if origin is Literal:
        return [] if value in arguments else [f"{where}: {value!r} is none of {arguments}"]
    if is_typeddict(hint):
        return _in_table(hint, value, where)
    if origin in {list, Iterable, Sequence}:
        if not isinstance(value, list):
            return [f"{where}: no list"]
        return [line for place, item in enumerate(value) for line in misfits(arguments[0], item, f"{where}[{place}]")]
    if origin in {dict, Mapping}:
        return [] if isinstance(value, dict) else [f"{where}: no object"]
    if hint in {Any, object}:
        return []
    if hint is None or hint is types.NoneType:
        return [] if value is None else [f"{where}: not null"]
    if not isinstance(hint, type):  # an open file, a path: nothing that JSON has
        return [f"{where}: {type(value).__name__} is no {hint}"]
    wanted = (int, float) if hint is float else hint
    fits = isinstance(value, wanted) and (hint is bool or not isinstance(value, bool))
    return [] if fits else [f"{where}: {type(value).__name__} is no {getattr(hint, '__name__', hint)}"]


def _in_table(hint: Any, value: object, where: str) -> list[str]:
    if not isinstance(value, dict):
        return [f"{where}: no object"]
    fields = _fields(hint)
    found = [f"{where}.{name}: not known to {hint.__name__}" for name in value.keys() - fields.keys()]
    found += [f"{where}.{name}: missing" for name in hint.__required_keys__ - value.keys()]
    for name in fields.keys() & value.keys():
        inside = misfits(fields[name], value[name], f"{where}.{name}")
        # A wrong ``type`` says that it is another member of the union altogether.
        found += inside * 100 if name in {"type", "role"} else inside
    return found
