"""Answers that are no answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, cast

from ..constraints import Either, Function, Items, Word, check

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ..events import Reply

    Test: TypeAlias = Callable[[Reply[Any]], bool]

Rejection: TypeAlias = "Literal['empty', 'refusal', 'content_filter', 'truncated'] | Callable[[Reply[Any]], bool]"
"""What turns an answer down: a name, or a function that is given the reply and says whether to.

In a stream the function is given what there is before the first content is handed on, and ``finish_reason`` is
``unknown`` then; ``hold_back`` lets it see more. ``empty``: neither text nor a tool call nor audio. ``refusal``: the
model's own. ``content_filter``: the host's, of the question too. ``truncated``: ended by the limit of its length.
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
    """What an argument ``reject`` says; TypeError or ValueError for what cannot reject a reply."""
    one = isinstance(given, str) or callable(given)
    check(where, "reject", given, _ONE if one else _EACH)
    return cast("tuple[Rejection, ...]", (given,) if one else tuple(cast("Sequence[Rejection]", given)))


def rejected_by(given: Sequence[Rejection], reply: Reply[Any], *, whole: bool) -> str | None:
    """The name of the first that turns the reply down, or None; a beginning is not empty yet."""
    for one in given:
        if isinstance(one, str):
            if (whole or one != "empty") and _TESTS[one](reply):
                return one
        elif one(reply):
            return getattr(one, "__name__", type(one).__name__)
    return None
