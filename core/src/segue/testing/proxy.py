"""A forward proxy on loopback that records requests, to prove that a client used it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from .loopback import ClientLeftError, Connection, Loopback, Received

if TYPE_CHECKING:
    import ssl

_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_NOT_FORWARDED = frozenset({"connection", "content-length", "expect", "proxy-connection", "transfer-encoding"})


class ProxyHost(Loopback):
    """Forwards absolute-form requests and CONNECT tunnels, one per connection, and records the requests.

    With a ``target`` (a loopback address) everything goes there, for every requested host; without it, the answer
    for a host that is not on loopback is 403.
    """

    def __init__(self, *, target: str | None = None, ssl: ssl.SSLContext | None = None) -> None:
        super().__init__(ssl=ssl)
        self._target = target

    @property
    def url(self) -> str:
        """The value for ``proxy`` of a client."""
        return self.address

    async def _serve(self, connection: Connection) -> None:
        received = await connection.request()
        self._record(received)
        tunnel = received.method == "CONNECT"
        asked = urlsplit(f"//{received.path}" if tunnel else received.path)
        goal = asked if self._target is None else urlsplit(self._target)
        if goal.hostname not in _LOOPBACK:
            await connection.refuse(403)
            return
        try:
            upstream_reader, upstream = await asyncio.open_connection(goal.hostname, goal.port or 80)
        except OSError:
            await connection.refuse(502)
            return
        try:
            if tunnel:
                await connection.write_head(200, {})
            else:
                upstream.write(_forwarded(received, asked.path, asked.query))
            await _relay(connection, upstream_reader, upstream)
        finally:
            upstream.transport.abort()


def _forwarded(received: Received, path: str, query: str) -> bytes:
    lines = [f"{received.method} {path or '/'}{'?' if query else ''}{query} HTTP/1.1"]
    for name, value in received.headers:
        if name.lower() not in _NOT_FORWARDED and name.lower() != "proxy-authorization":
            lines.append(f"{name}: {value}")
    lines += [f"Content-Length: {len(received.body)}", "Connection: close", "", ""]
    return "\r\n".join(lines).encode("latin-1") + received.body


async def _relay(connection: Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Carry bytes both ways until either side ends; ClientLeftError if it was the client."""
    down = asyncio.create_task(_pump(reader, connection.writer))
    up = asyncio.create_task(_pump(connection.reader, writer))
    try:
        await asyncio.wait({down, up}, return_when=asyncio.FIRST_COMPLETED)
        if not down.done():
            raise ClientLeftError
    finally:
        down.cancel()
        up.cancel()
        await asyncio.gather(down, up, return_exceptions=True)


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    while data := await source.read(65536):
        sink.write(data)
        await sink.drain()
