"""What an error keeps alive beside itself: the local variables of our frames, as error trackers print them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

_DEEP = 4


def errors_of(error: BaseException) -> list[BaseException]:
    """The error with all that hang on it: causes, contexts, those of a group, those of attempts."""
    found: list[BaseException] = []
    pending: list[BaseException | None] = [error]
    while pending:
        one = pending.pop()
        if one is None or any(one is other for other in found):
            continue
        found.append(one)
        pending += [one.__cause__, one.__context__, *getattr(one, "exceptions", ())]
        pending += [attempt.error for attempt in getattr(one, "attempts", ())]
    return found


def frames_of(error: BaseException) -> Iterator[Any]:
    """The frames that these keep."""
    for one in errors_of(error):
        trace = one.__traceback__
        while trace is not None:
            yield trace.tb_frame
            trace = trace.tb_next


def is_ours(frame: Any) -> bool:
    """Whether it is of core or of a provider's package."""
    return str(frame.f_globals["__name__"]).partition(".")[0].partition("_")[0] == "segue"


def held(error: BaseException) -> dict[str, str]:
    """What is in our frames, each variable as it is printed, with what is in its tables and lists."""
    return {
        f"{frame.f_code.co_qualname}: {name}": "\n".join(_printed(value))
        for frame in frames_of(error)
        if is_ours(frame)
        for name, value in frame.f_locals.items()
    }


def _printed(value: object, deep: int = _DEEP) -> Iterator[str]:
    yield repr(value)
    yield str(value)
    if deep and isinstance(value, Mapping):
        for name, item in value.items():
            yield from _printed(name, deep - 1)
            yield from _printed(item, deep - 1)
    elif deep and isinstance(value, (list, tuple, set, frozenset)):
        for item in value:
            yield from _printed(item, deep - 1)
