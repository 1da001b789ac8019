"""What holds for every test: nothing leaves this machine, and no example is judged by the clock."""

from __future__ import annotations

import inspect
import ipaddress
import os
import socket
from typing import TYPE_CHECKING, Any
from unittest.mock import Mock

import aiohttp
import hypothesis
import pytest
from aioresponses import core as aioresponses_core

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# No deadline: a shared machine is slow at random. In CI the same examples each time, so that a failure is the change's.
hypothesis.settings.register_profile("here", deadline=None)
hypothesis.settings.register_profile("ci", deadline=None, derandomize=True)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "here")


class _ResponseWithWriter(aiohttp.ClientResponse):
    """The response that aioresponses makes: 0.7.9 leaves out ``stream_writer``, which aiohttp 3.14 requires."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, stream_writer=Mock(), **kwargs)


# The shim expires with the first aioresponses that knows the argument, and says so.
if "stream_writer" in inspect.getsource(aioresponses_core):
    raise RuntimeError("aioresponses passes stream_writer itself now: take the shim out of tests/conftest.py")
aioresponses_core.ClientResponse = _ResponseWithWriter


def _is_here(host: str | bytes) -> bool:
    """Whether an address is this machine's; of names only localhost is, wherever another may lead."""
    name = host.decode() if isinstance(host, bytes) else host
    try:
        return name in ("", "localhost") or ipaddress.ip_address(name.partition("%")[0]).is_loopback
    except ValueError:
        return False


@pytest.fixture(autouse=True)
def _nothing_beyond_loopback(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Fail a test that connects or looks up a name beyond this machine, also where the code under test hides it."""
    attempts: list[str] = []

    def refuse(what: str) -> None:
        attempts.append(what)
        pytest.fail(f"a test tried to {what}, beyond this machine")

    def guarded(original: Callable[..., Any]) -> Callable[..., Any]:
        def connect(self: socket.socket, address: Any) -> Any:
            if self.family in (socket.AF_INET, socket.AF_INET6) and not _is_here(address[0]):
                refuse(f"connect to {address[0]}")
            return original(self, address)

        return connect

    resolve = socket.getaddrinfo

    def getaddrinfo(host: Any, *args: Any, **kwargs: Any) -> Any:
        if isinstance(host, str) and host.endswith(".invalid"):  # reserved to have no address: no need to ask for it
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        if host is not None and not _is_here(host):
            refuse(f"look up {host}")
        return resolve(host, *args, **kwargs)

    # asyncio's loops connect through these two methods as well, and resolve through this function.
    monkeypatch.setattr(socket.socket, "connect", guarded(socket.socket.connect))
    monkeypatch.setattr(socket.socket, "connect_ex", guarded(socket.socket.connect_ex))
    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    yield
    assert not attempts, f"beyond this machine: {attempts}"
