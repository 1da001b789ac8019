"""Answers that are no answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, cast

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


def rejections(given: Sequence[Rejection] | Rejection) -> tuple[Rejection, ...]:
    """What was given, checked; ValueError for an unknown name."""
    each = cast("Sequence[Rejection]", (given,) if isinstance(given, str) or callable(given) else tuple(given))
    for one in each:
        if not callable(one) and one not in _TESTS:
            raise ValueError(f"reject: there is no test {one!r}; there are {', '.join(_TESTS)}")
    return tuple(each)


def rejected_by(given: Sequence[Rejection], reply: Reply[Any], *, whole: bool) -> str | None:
    """The name of the first that turns the reply down, or None; a beginning is not empty yet."""
    for one in given:
        if isinstance(one, str):
            if (whole or one != "empty") and _TESTS[one](reply):
                return one
        elif one(reply):
            return getattr(one, "__name__", type(one).__name__)
    return None
