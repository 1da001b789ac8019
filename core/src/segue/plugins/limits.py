"""A time limit for the code of a plugin, which may not return."""

from __future__ import annotations

import contextvars
import threading
from typing import TYPE_CHECKING, TypeVar

from ..errors import TimeIsUpError

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


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
