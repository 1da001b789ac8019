"""A value that cannot be made: its error keeps nothing that it was given, and its repr does not raise."""

from __future__ import annotations

import dataclasses
import inspect
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from held import held

import segue
import segue.config
import segue.plugin
import segue.sync
import segue.transport
import segue.wire
from segue.validation import Value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CANARY = "canary-0123456789abcdef"


class Odd:
    """Nothing that any field takes; it shows what it has, as a dict of headers or a message does."""

    def __repr__(self) -> str:
        return CANARY


def _values() -> Iterator[tuple[str, type[Any]]]:
    """Every public class that is made with arguments."""
    seen: set[object] = set()
    for module in (segue, segue.plugin, segue.sync, segue.transport, segue.wire, segue.config):
        for name in getattr(module, "__all__", ()):
            kind = getattr(module, name)
            if not isinstance(kind, type) or kind in seen or issubclass(kind, BaseException):
                continue
            if getattr(kind, "_is_protocol", False) or not inspect.signature(kind).parameters:
                continue
            seen.add(kind)
            yield f"{module.__name__}.{name}", kind


VALUES = dict(_values())


def _wrong_ways(kind: Any) -> Iterator[Callable[[], object]]:
    """Calls that give the canary in each field, and in all, in several forms."""
    parameters = inspect.signature(kind).parameters.values()
    if issubclass(kind, Value):
        names = [field.name for field in dataclasses.fields(kind)]
        places: list[str] = []
    else:
        named = (inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
        names = [one.name for one in parameters if one.kind in named]
        places = [one.name for one in parameters if one.kind is inspect.Parameter.VAR_POSITIONAL]
    for wrong in (Odd(), {CANARY: Odd()}, [{"role": CANARY, "content": Odd()}], CANARY, {"authorization": [CANARY]}):
        for name in names:
            yield partial(kind, **{name: wrong})
        yield partial(kind, **dict.fromkeys(names, wrong))
        if places:
            yield partial(kind, wrong)


@pytest.mark.parametrize("name", VALUES)
def test_a_value_that_cannot_be_made_keeps_nothing(name: str) -> None:
    """No frame of ours that the error keeps shows what was given, be it the first value of its class or a later one."""
    for make in _wrong_ways(VALUES[name]):
        refused: Exception | None = None
        try:
            make()
        except Exception as error:  # whatever it is, it is looked at
            refused = error
        if refused is not None:
            shown = [where for where, text in held(refused).items() if CANARY in text]
            assert not shown, repr(refused)


@pytest.mark.parametrize(
    "name",
    [
        name
        for name, kind in VALUES.items()
        # These are never half made, or pydantic makes them.
        if not (issubclass(kind, (tuple, str)) or kind.__module__.startswith("segue.config"))
    ],
)
def test_the_repr_of_a_half_made_value_does_not_raise(name: str) -> None:
    """A debugger or an error tracker may print a value before its fields are set."""
    kind = VALUES[name]
    assert kind.__name__ in repr(object.__new__(kind))
