"""A scripted host for code without a loop, and for any number of loops."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from ..constraints import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .loopback import Loopback

Host = TypeVar("Host", bound="Loopback")


@contextmanager
def in_thread(host: Host) -> Iterator[Host]:
    """Open the host in a separate thread and loop, until the ``with`` ends.

    Its script, ``requests`` and counts can be used from any thread; its coroutines cannot.
    An error in a function of the script is raised at the end, unless another error is already raised.
    """
    if isinstance(host, type) or not hasattr(host, "__aenter__"):
        raise TypeError(f"in_thread(host={shown(host)}): host must be a host, such as OpenAIHost()")
    opened: Future[Callable[[], object]] = Future()
    ended: Future[None] = Future()
    thread = threading.Thread(target=_run, args=(host, opened, ended), name="segue-host", daemon=True)
    thread.start()
    stop = opened.result()
    try:
        yield host
    finally:
        stop()
        thread.join()
    ended.result()


def _run(host: Loopback, opened: Future[Callable[[], object]], ended: Future[None]) -> None:
    async def serve() -> None:
        loop, stopped = asyncio.get_running_loop(), asyncio.Event()
        async with host:
            opened.set_result(lambda: loop.call_soon_threadsafe(stopped.set))
            await stopped.wait()

    try:
        asyncio.run(serve())
    except BaseException as error:  # whatever it is, it is for the thread that waits: this one has nobody
        (ended if opened.done() else opened).set_exception(error)
    else:
        ended.set_result(None)
