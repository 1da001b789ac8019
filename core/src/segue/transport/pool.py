"""Connections of aiohttp: how they are made, and the state of the one that a call got."""

from __future__ import annotations

import socket
from contextvars import ContextVar
from typing import TYPE_CHECKING, Final

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.client_proto import ResponseHandler

from ..errors import TimeIsUpError
from .deadlines import at_most

if TYPE_CHECKING:
    import asyncio
    import ssl

    from aiohttp.client_reqrep import ConnectionKey
    from aiohttp.connector import Connection
    from aiohttp.tracing import Trace

    from .seam import AddressesOf


_TLS_ALERT: Final = b"\x15\x03"  # RFC 8446 5.1: content type 21, then the version


class _Use:
    """The state of the connection that a call got."""

    __slots__ = ("fresh", "protocol", "reused")

    def __init__(self) -> None:
        self.fresh = False
        self.reused = False
        self.protocol: _ConnectionProtocol | None = None


current_use: ContextVar[_Use] = ContextVar("segue_connection_use")


class _ConnectionProtocol(ResponseHandler):
    """Knows whether a byte of the current answer came: what has begun is never sent again."""

    answered = False
    speaks_tls = False
    """Whether its first bytes are a TLS alert, which is how a TLS port answers plain HTTP."""
    used = False
    fell_behind = False
    """Whether more of the current answer came than was let in."""

    def pause_reading(self) -> None:
        self.fell_behind = True
        super().pause_reading()

    def data_received(self, data: bytes) -> None:
        if not self.answered:
            self.answered = True
            self.speaks_tls = data.startswith(_TLS_ALERT)
        super().data_received(data)


class _Resolver(aiohttp.ThreadedResolver):
    """The system's, which is not asked for localhost: that is this machine, whatever a hosts file or a server says."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        if host != "localhost":
            return await super().resolve(host, port, family)
        return [
            ResolveResult(hostname=host, host=address, port=port, family=kind, proto=0, flags=socket.AI_NUMERICHOST)
            for address, kind in (("127.0.0.1", socket.AF_INET), ("::1", socket.AF_INET6))
            if family in {socket.AF_UNSPEC, kind}
        ]


class _Given(AbstractResolver):
    """Looks names up in the way that the transport was given."""

    def __init__(self, addresses_of: AddressesOf) -> None:
        self._addresses_of = addresses_of

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        kinds = [
            (address, socket.AF_INET6 if ":" in address else socket.AF_INET)
            for address in await self._addresses_of(host)
        ]
        if not kinds:
            raise OSError("the name has no address")
        return [
            ResolveResult(hostname=host, host=address, port=port, family=kind, proto=0, flags=socket.AI_NUMERICHOST)
            for address, kind in kinds
            if family in {socket.AF_UNSPEC, kind}
        ]

    async def close(self) -> None:
        """Nothing to close."""


class _Connector(aiohttp.TCPConnector):
    """Tells which connection a call got, and gives it a new one where it asks for that.

    aiohttp repeats only idempotent requests on a stale connection; whether a POST may be repeated
    depends on two facts that it does not tell: that the connection was an old one, and that no byte
    of an answer came. ``_factory`` and ``_get`` are private; the tests of stale connections fail
    loudly should aiohttp change them.
    """

    def __init__(
        self,
        *,
        loop: asyncio.AbstractEventLoop,
        context: ssl.SSLContext | None,
        addresses_of: AddressesOf | None,
        seconds: float | None,
    ) -> None:
        self._seconds = seconds
        resolver = _Resolver(loop) if addresses_of is None else _Given(addresses_of)
        super().__init__(limit=0, ssl=True if context is None else context, ttl_dns_cache=30, resolver=resolver)
        self._factory = lambda: _ConnectionProtocol(loop)  # type: ignore[assignment]

    async def connect(
        self,
        req: aiohttp.ClientRequest,
        traces: list[Trace],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - aiohttp's own signature
    ) -> Connection:
        # aiohttp's own limit cancels at once where the loop was blocked, also if the connection is there.
        try:
            async with at_most("connect", self._seconds):
                connection = await super().connect(req, traces, timeout)
        except TimeIsUpError:
            raise aiohttp.ConnectionTimeoutError from None
        _taken(connection, current_use.get())
        return connection

    async def kept(self, key: ConnectionKey, use: _Use) -> Connection | None:
        """An open connection, if there is one and ``use`` does not require a new one."""
        if use.fresh:
            return None
        connection = await super()._get(key, [])
        if connection is not None:
            _taken(connection, use)
        return connection

    def drop(self) -> None:
        """Close all connections, without waiting for their end; also where the loop is closed."""
        self._close()

    async def _get(self, key: ConnectionKey, traces: list[Trace]) -> Connection | None:
        return None if current_use.get().fresh else await super()._get(key, traces)


def _taken(connection: Connection, use: _Use) -> None:
    """Note which connection a call was given."""
    protocol = connection.protocol
    assert isinstance(protocol, _ConnectionProtocol)
    use.protocol, use.reused = protocol, protocol.used
    protocol.used, protocol.answered, protocol.fell_behind = True, False, False
