"""Rejects answers that are empty, refused, filtered, cut off, or unwanted by the caller."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, cast

from ..constraints import Either, Function, Items, Word, check

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ..events import Reply

    Test: TypeAlias = Callable[[Reply[Any]], bool]

Rejection: TypeAlias = "Literal['empty', 'refusal', 'content_filter', 'truncated'] | Callable[[Reply[Any]], bool]"
"""Which answers to reject: a name, or a function that gets the reply and returns True to reject it.

In a stream the function gets the beginning of the answer, before the first content is delivered; its ``finish_reason``
is ``unknown`` then; ``hold_back`` makes the beginning longer. ``empty``: without text, tool calls and audio.
``refusal``: the model refused. ``content_filter``: the host filtered the request or the answer. ``truncated``: cut off
by the limit of its length.
"""


def _empty(reply: Reply[Any]) -> bool:
    choice = reply.choices[0]
    return not (choice.text.strip() or choice.tool_calls or choice.audio or choice.refusal)


_TESTS: Final[Mapping[str, Test]] = {
    "empty": _empty,
    "refusal": lambda reply: reply.refusal is not None,
    "content_filter": lambda reply: reply.finish_reason == "content_filter",
    "truncated": lambda reply: reply.finish_reason == "length",
}
NAMES: Final = tuple(_TESTS)


_WANTED: Final = f"{', '.join(map(repr, NAMES))}, or a function (not async) that takes a Reply and returns a bool"
_ONE: Final = Either(Word(*NAMES), Function(_WANTED), wanted=_WANTED)
_EACH: Final = Items(_ONE, f"one or a list of: {_WANTED}")


def rejections(where: str, given: Sequence[Rejection] | Rejection) -> tuple[Rejection, ...]:
    """Read an argument ``reject``; TypeError or ValueError if it is not valid."""
    one = isinstance(given, str) or callable(given)
    check(where, "reject", given, _ONE if one else _EACH)
    return cast("tuple[Rejection, ...]", (given,) if one else tuple(cast("Sequence[Rejection]", given)))


def rejected_by(given: Sequence[Rejection], reply: Reply[Any], *, whole: bool) -> str | None:
    """The name of the first one that rejects the reply, or None; a beginning is never ``empty``."""
    for one in given:
        if isinstance(one, str):
            if (whole or one != "empty") and _TESTS[one](reply):
                return one
        elif one(reply):
            return getattr(one, "__name__", type(one).__name__)
    return None
