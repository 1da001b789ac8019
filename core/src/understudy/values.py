"""Frozen values that are quick to make."""

from __future__ import annotations

from dataclasses import MISSING, fields
from typing import Any, TypeVar

T = TypeVar("T")


def quick(kind: type[T]) -> type[T]:
    """Make the values of a frozen dataclass with slots at a third of the cost; nothing else of them changes.

    The ``__init__`` of such a class sets each field through ``object.__setattr__``, which of eight fields costs more
    than all that an answer's event goes through. This one lets the value be of a class that is not frozen for as long
    as it sets them. A test holds both equal for every class that is made so.
    """
    same = {name: vars(kind)[name] for name in ("__slots__", "__orig_bases__") if name in vars(kind)}
    open_kind = type(kind.__name__, kind.__bases__, same)
    names: dict[str, Any] = {"_of": object.__setattr__, "_open": open_kind, "_kind": kind, "_missing": MISSING}
    parameters: list[str] = []
    lines: list[str] = []
    for each in fields(kind):  # type: ignore[arg-type]
        default = f"_default_{each.name}"
        parameter = each.name
        if each.default is not MISSING:
            names[default] = each.default
            parameter = f"{each.name}={default}"
        elif each.default_factory is not MISSING:
            names[default] = each.default_factory
            parameter = f"{each.name}=_missing"
            lines.insert(0, f"if {each.name} is _missing: {each.name} = {default}()")
        parameters.append(parameter)
        lines.append(f"self.{each.name} = {each.name}")
    start = next(place for place, line in enumerate(lines) if line.startswith("self."))
    lines.insert(start, "_of(self, '__class__', _open)")
    lines.append("self.__class__ = _kind")
    body = "\n    ".join(lines)
    exec(f"def __init__(self, {', '.join(parameters)}):\n    {body}\n", names)  # noqa: S102 - as dataclasses makes its own
    made = names["__init__"]
    made.__qualname__ = f"{kind.__qualname__}.__init__"
    made.__module__ = kind.__module__
    made.__annotations__ = kind.__init__.__annotations__
    kind.__init__ = made  # type: ignore[method-assign]
    return kind
