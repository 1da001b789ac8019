"""Removes the local variables from the frames that an error keeps alive.

Error trackers and ``pytest -l`` print the local variables of every frame of a traceback. Our frames hold keys, headers
and messages. So the code that raises an error to a caller clears the frames that have ended; the lines of the
traceback stay.
"""

from __future__ import annotations

import functools
import gc
from typing import TYPE_CHECKING, Any, Final, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from types import FrameType

P = ParamSpec("P")
R = TypeVar("R")


def forget_locals(error: BaseException, *, of_all: bool = False) -> None:
    """Clear our frames, of this error and of its causes and contexts; with ``of_all`` all frames below the caller.

    Frames that still run keep their variables, so the caller must delete its own secrets. If code further up is
    handling an error, that error is not ours: only our frames in it are cleared.
    """
    pending, seen = [(error, of_all)], set[int]()
    while pending:
        one, everybodys = pending.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        trace = one.__traceback__
        while trace is not None:
            frame = trace.tb_frame
            if (everybodys or _is_ours(frame)) and _is_over(frame):
                frame.clear()
            trace = trace.tb_next
        linked: list[BaseException | None] = [one.__cause__, one.__context__]
        if isinstance(one, BaseExceptionGroup):
            linked += one.exceptions
        linked += (attempt.error for attempt in getattr(one, "attempts", ()))
        for other in linked:
            if other is not None:
                trace = other.__traceback__
                pending.append((other, of_all and (trace is None or _is_over(trace.tb_frame))))


def _is_ours(frame: FrameType) -> bool:
    """Whether it is of this package or of a provider's, which are named after it."""
    name = str(frame.f_globals.get("__name__", "")).partition(".")[0]
    return name == "segue" or name.startswith("segue_")


_MACHINERY: Final = frozenset({"asyncio", "concurrent", "contextlib", "pluggy", "segue", "threading"})


def raised_at(error: BaseException) -> str:
    """Where an error of a plugin was raised: ``" (acme/provider.py:12, in stream)"``; empty if that is unknown.

    It is the deepest frame of the first package outside of Segue's core and of what the core calls it through. The text
    of the error is not shown: it may quote a message.
    """
    found, package = None, ""
    trace = error.__traceback__
    while trace is not None:
        name = str(trace.tb_frame.f_globals.get("__name__", ""))
        top = name.partition(".")[0]
        if found is None or package == top or package in _MACHINERY:
            found, package = (name, trace), top
        trace = trace.tb_next
    if found is None:
        return ""
    name, trace = found
    code = trace.tb_frame.f_code
    parts = code.co_filename.replace("\\", "/").split("/")
    count = 1 + name.count(".") + (parts[-1] == "__init__.py")
    return f" ({'/'.join(parts[-count:])}:{trace.tb_lineno}, in {code.co_name})"


def _is_over(frame: FrameType) -> bool:
    """Whether it neither runs nor waits: until Python 3.13, to clear the frame of a coroutine that waits ends it.

    The interpreter shows the garbage collector what is in a frame only then.
    """
    return any(one is frame.f_code for one in gc.get_referents(frame))


def forgetful(function: Callable[P, R]) -> Callable[P, R]:
    """A function whose errors do not keep its local variables, or those of our functions that it called.

    It costs one more call; in fast paths the same code is written out instead.
    """

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except BaseException as error:  # whatever it is, it is raised again
            del args, kwargs
            forget_locals(error)
            raise

    return call


def forgetful_async(function: Callable[P, Coroutine[Any, Any, R]]) -> Callable[P, Coroutine[Any, Any, R]]:
    """The same for a coroutine function."""

    @functools.wraps(function)
    async def call(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return await function(*args, **kwargs)
        except BaseException as error:  # as above
            del args, kwargs
            forget_locals(error)
            raise

    return call
