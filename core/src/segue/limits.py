"""A limit of time for code that may not return by itself."""

from __future__ import annotations

import contextvars
import threading
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


class TimeIsUpError(Exception):
    """The code has not returned in its time; it still runs in the thread that was left behind."""


def within(seconds: float, function: Callable[[], T], *, name: str) -> T:
    """What the function gives or raises; TimeIsUpError after so many seconds.

    No thread can be ended from outside: the one that it runs in is left behind then, and whoever calls this must not
    call the same function again. It is a daemon, so that it does not hold up the interpreter's end, and has a copy of
    the caller's context.
    """
    context = contextvars.copy_context()
    given: list[T] = []
    raised: list[BaseException] = []

    def run() -> None:
        try:
            given.append(context.run(function))
        except BaseException as error:  # whatever it is, it is for who waits: this thread has nobody
            raised.append(error)

    thread = threading.Thread(target=run, name=name, daemon=True)
    thread.start()
    thread.join(seconds)
    if given:
        return given[0]
    if raised:
        raise raised.pop()  # taken out, for the error's frames hold the list
    raise TimeIsUpError
