"""The calls of a client that have begun and not ended, which end when the client is closed."""

from __future__ import annotations

import asyncio
import contextlib
import weakref
from typing import TYPE_CHECKING, Protocol

from ..errors import ClosedError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator


class Call(Protocol):
    """A call that can be stopped from another task, in the loop that it runs in."""

    @property
    def number(self) -> int:
        """Its number in this process."""
        ...

    async def stop(self) -> None:
        """End it: who waits for it gets ClosedError now, or else who reads on."""
        ...


class Calls:
    """The calls of one client; after `close` no other call begins.

    It does not keep a call alive: the stream of a reader who dropped it is closed by its loop.
    """

    __slots__ = ("_calls", "is_closed")

    def __init__(self) -> None:
        self._calls: dict[int, tuple[weakref.ref[Call], asyncio.AbstractEventLoop]] = {}
        self.is_closed: bool = False

    def check(self) -> None:
        """ClosedError if the client was closed."""
        if self.is_closed:
            raise ClosedError(
                "the client is closed: make the call inside its `with` block, before close() or aclose(), or make a "
                "new Client"
            )

    def begin(self, call: Call) -> None:
        """A call begins in the running loop; ClosedError if the client was closed."""
        if self.is_closed:
            self.check()
        self._calls[call.number] = weakref.ref(call), asyncio.get_running_loop()

    def end(self, call: Call) -> None:
        """A call has ended."""
        self._calls.pop(call.number, None)

    async def close(self) -> None:
        """Stop all calls, also those in the loops of other threads."""
        self.is_closed = True
        here = asyncio.get_running_loop()
        calls, self._calls = self._calls, {}
        for reference, loop in calls.values():
            call = reference()
            if call is None:
                continue
            if loop is here:
                await call.stop()
            else:
                with contextlib.suppress(RuntimeError):  # that loop is closed, and all that ran in it
                    asyncio.run_coroutine_threadsafe(call.stop(), loop)

    @contextlib.asynccontextmanager
    async def one(self, number: int) -> AsyncGenerator[None, None]:
        """A call that is all in this block, in one task."""
        call = _Block(number)
        self.begin(call)
        call.reader.begin()
        try:
            yield
        except asyncio.CancelledError:
            if not call.reader.was_stopped():
                raise
        else:
            return
        finally:
            self.end(call)
        raise closed()


class Reader:
    """The task that waits for a call; to end the call, the wait is cancelled, and becomes a ClosedError.

    ``task`` is set only while it waits, so that no other code in it is cancelled.
    """

    __slots__ = ("_cancelling", "is_stopped", "task")

    def __init__(self) -> None:
        self.task: asyncio.Task[object] | None = None
        self._cancelling = 0  # of the task, when the call began
        self.is_stopped: bool = False

    def begin(self) -> None:
        """The call begins in this task."""
        self.task = task = asyncio.current_task()
        self._cancelling = 0 if task is None else task.cancelling()

    def stop(self) -> bool:
        """Cancel the wait; False if no task waits."""
        self.is_stopped = True
        if self.task is None:
            return False
        self.task.cancel()
        return True

    def was_stopped(self) -> bool:
        """Whether the last CancelledError came from `stop` alone; if so, the cancellation is withdrawn."""
        task = self.task
        return self.is_stopped and task is not None and task.uncancel() <= self._cancelling


def closed() -> ClosedError:
    """The error of a call under way."""
    return ClosedError("the client was closed during the call")


class _Block:
    """A call that ends with its block."""

    __slots__ = ("__weakref__", "number", "reader")

    def __init__(self, number: int) -> None:
        self.number: int = number
        self.reader = Reader()

    async def stop(self) -> None:
        self.reader.stop()
