"""A time limit for code that may not return, and for a wait in a loop that was blocked."""

from __future__ import annotations

import contextvars
import threading
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

_ON_TIME: Final = 0.01
"""Seconds; a timer that is not later than this is on time."""
_LONGEST: Final = 10.0
"""Seconds; a clock may also jump, as after the computer was suspended."""


def again(late: float) -> float:
    """How many seconds more to wait where a timer fired this number of seconds late; 0 if it was on time.

    A timer is late if other code blocked the event loop: for that time at least, nothing was sent or read.
    """
    return min(late, _LONGEST) if late > _ON_TIME else 0.0


class TimeIsUpError(Exception):
    """The code did not return within its time limit; it is still running in its thread."""


def within(seconds: float, function: Callable[[], T], *, name: str) -> T:
    """Call the function in a thread; TimeIsUpError after this number of seconds.

    A thread cannot be stopped from outside: it then continues to run, and the caller must not call the same function
    again. It is a daemon thread, so that the interpreter can exit, and has a copy of the caller's context.
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
