"""HTTP/1.1 on loopback without a library, with control of every byte, every write and every end of a connection."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from dataclasses import field, replace
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Self

from ..values import dataclass

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Sequence

    from .faults import End, Framing

MAX_HEAD_BYTES = 1024 * 1024
MAX_BODY_BYTES = 64 * 1024 * 1024

_REASONS = {status.value: status.phrase for status in HTTPStatus}


@dataclass(frozen=True, slots=True)
class Received:
    """A received request; ``number`` and the number of its ``connection`` are counted from 1."""

    method: str
    path: str
    headers: Sequence[tuple[str, str]] = field(repr=False)
    """Names and values as they were sent, in their order."""
    body: bytes = field(repr=False)
    connection: int
    number: int = 0

    @property
    def header(self) -> dict[str, str]:
        """The headers by their names in lower case; the last value of a repeated header."""
        return {name.lower(): value for name, value in self.headers}

    @property
    def closes(self) -> bool:
        """Whether the client wants to close the connection after the answer."""
        return self.header.get("connection", "").lower() == "close"

    @property
    def json(self) -> Any:
        """The body, parsed as JSON."""
        return json.loads(self.body)


class ClientLeftError(Exception):
    """The client ended the connection."""


class HostEndsError(Exception):
    """This side ends the connection."""


@dataclass(frozen=True, slots=True)
class Connection:
    """An accepted connection, and the operations on it."""

    number: int
    sock: socket.socket
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def request(self) -> Received:
        """The next request with its whole body; if it is not valid, sends a 400 and raises HostEndsError."""
        try:
            return await self._request()
        except (ValueError, asyncio.LimitOverrunError) as error:
            await self.refuse(400)
            raise HostEndsError from error

    async def _request(self) -> Received:
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        line, *fields = head.split("\r\n")[:-2]
        method, path, version = line.split(" ")
        if version != "HTTP/1.1":
            raise ValueError(version)
        headers = []
        for one in fields:
            name, colon, value = one.partition(":")
            if not colon or not name or name != name.strip():
                raise ValueError(one)
            headers.append((name, value.strip()))
        received = Received(method, path, tuple(headers), b"", self.number)
        if received.header.get("expect", "").lower() == "100-continue":
            await self.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        return Received(method, path, received.headers, await self._body(received.header), self.number)

    async def _body(self, header: dict[str, str]) -> bytes:
        if header.get("transfer-encoding", "").lower() != "chunked":
            return await self.reader.readexactly(_size(header.get("content-length", "0"), 10))
        body = bytearray()
        while size := _size((await self._line()).partition(b";")[0].decode("latin-1"), 16):
            _size(str(len(body) + size), 10)
            body += await self.reader.readexactly(size)
            if await self._line():
                raise ValueError("a chunk is longer than it says")
        while await self._line():
            pass  # trailers
        return bytes(body)

    async def _line(self) -> bytes:
        return (await self.reader.readuntil(b"\r\n"))[:-2]

    async def write(self, data: bytes) -> None:
        """Write these bytes in one piece, and let other tasks run."""
        self.writer.write(data)
        await self.writer.drain()
        await asyncio.sleep(0)

    async def write_head(self, status: int, headers: dict[str, str]) -> None:
        """Write the status line and the headers."""
        lines = [f"HTTP/1.1 {status} {_REASONS.get(status, 'Scripted')}", *map(": ".join, headers.items())]
        await self.write("".join(f"{line}\r\n" for line in [*lines, ""]).encode("latin-1"))

    async def refuse(self, status: int) -> None:
        """Write a response without a body, the last one of this connection."""
        await self.write_head(status, {"content-length": "0", "connection": "close"})

    async def write_body(self, pieces: Sequence[bytes], framing: Framing, *, pace: float = 0.0) -> None:
        """Write the pieces of a body, each in a separate write and ``pace`` seconds apart, without the end."""
        for place, piece in enumerate(piece for piece in pieces if piece):
            if place and pace:
                await asyncio.sleep(pace)
            await self.write(b"%x\r\n%b\r\n" % (len(piece), piece) if framing == "chunked" else piece)

    async def until_client_leaves(self) -> None:
        """Read until the client disconnects; ignore what it sends."""
        while await self.reader.read(65536):
            pass
        raise ClientLeftError

    async def end(self, how: End) -> None:
        """End the connection from this side."""
        if how == "reset":
            # A reset overtakes what is still unread: a client on the same loop gets some turns to read it.
            for _ in range(10):
                await asyncio.sleep(0)
            _reset_on_close(self.sock)
            self.writer.transport.abort()
        self.writer.close()


class Loopback:
    """A server on 127.0.0.1, on a free port; its connections end with its ``async with``."""

    def __init__(self, *, ssl: ssl.SSLContext | None = None) -> None:
        self._ssl = ssl
        self._port = 0
        self._closing = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._listening: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._errors: list[BaseException] = []
        self._changed = asyncio.Event()
        self.requests: list[Received] = []
        self.connections: int = 0
        self.open_connections: int = 0
        self.clients_gone: int = 0

    @property
    def address(self) -> str:
        """Scheme, host and port; after the host is closed, connections to it are refused."""
        if not self._port:
            raise RuntimeError("the host has no address yet: open it with `async with`")
        return f"{'https' if self._ssl else 'http'}://127.0.0.1:{self._port}"

    async def __aenter__(self) -> Self:
        listener = socket.create_server(("127.0.0.1", 0))
        listener.settimeout(0)
        self._loop = asyncio.get_running_loop()
        self._port = listener.getsockname()[1]
        self._listening = asyncio.create_task(self._listen(listener))
        self._tasks.add(self._listening)
        self._listening.add_done_callback(self._tasks.discard)
        return self

    async def __aexit__(self, kind: object, *exc: object) -> None:
        self._closing = True
        for task in self._tasks - {self._listening}:
            task.cancel()
        cancelled = False
        # A connection of our own ends the listening: to cancel `sock_accept` may lose a socket just accepted.
        with socket.create_connection(("127.0.0.1", self._port)):
            while self._tasks:
                try:
                    await asyncio.wait(self._tasks)
                except asyncio.CancelledError:
                    cancelled = True  # but first, nothing is left behind
        if cancelled:
            raise asyncio.CancelledError
        if self._errors and kind is None:
            raise self._errors[0]  # of a script's own function: a connection that just ended would hide it

    async def until_requests(self, n: int = 1) -> None:
        """Wait until the host has received this many requests."""
        await self._until(lambda: len(self.requests) >= n)

    async def closed_by_client(self, n: int = 1) -> None:
        """Wait until the client has ended this many connections, in the middle of an answer or after one."""
        await self._until(lambda: self.clients_gone >= n)

    async def until_closed(self, open_connections: int = 0) -> None:
        """Wait until at most this many connections are open, whichever side ended the others."""
        await self._until(lambda: self.open_connections <= open_connections)

    async def _until(self, reached: Callable[[], bool]) -> None:
        if self._loop not in {None, asyncio.get_running_loop()}:
            raise RuntimeError("the host runs in another event loop; wait for it in that loop")
        while not reached():
            await self._changed.wait()

    def _notify(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    def _record(self, received: Received) -> Received:
        self.requests.append(replace(received, number=len(self.requests) + 1))
        self._notify()
        return self.requests[-1]

    async def _listen(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        with listener:
            while True:
                sock, _ = await loop.sock_accept(listener)
                if self._closing:
                    sock.close()
                    return
                self.connections += 1
                self.open_connections += 1
                task = asyncio.create_task(self._carry(sock, self.connections))
                self._tasks.add(task)
                task.add_done_callback(partial(self._ended, sock))
                self._notify()

    def _ended(self, sock: socket.socket, task: asyncio.Task[None]) -> None:
        sock.close()  # of a task that was cancelled before its first step, or in a TLS handshake
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            self._errors.append(error)
        self.open_connections -= 1
        self._notify()

    async def _carry(self, sock: socket.socket, number: int) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if (how := self._dropped()) is not None:
            if how == "reset":
                _reset_on_close(sock)
            return
        try:
            connection = await _opened(sock, self._ssl, number)
        except OSError:
            self.clients_gone += 1  # in the TLS handshake, because it left or does not trust us
            return
        writer = connection.writer
        try:
            await self._serve(connection)
        except (ClientLeftError, OSError, asyncio.IncompleteReadError):
            self.clients_gone += 1  # to leave early is what clients do here; the tests look at the count
        except asyncio.CancelledError:
            writer.transport.abort()
            raise
        except HostEndsError:
            pass  # the answer has said why
        finally:
            try:
                writer.close()
                await writer.wait_closed()
            except OSError:
                pass  # a reset, or TLS that was not closed in order: it is closed all the same
            finally:
                writer.transport.abort()  # for a host that ends while a client does not read

    def _dropped(self) -> End | None:
        """How to end a new connection at once; None if it is served."""
        return None

    async def _serve(self, connection: Connection) -> None:
        """Answer on this connection until this side ends it."""
        raise NotImplementedError


def _reset_on_close(sock: socket.socket) -> None:
    """Let a socket's close send RST: that is what a linger of 0 seconds does."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def _size(digits: str, base: int) -> int:
    size = int(digits, base)
    if not 0 <= size <= MAX_BODY_BYTES:
        raise ValueError(digits)
    return size


async def _opened(sock: socket.socket, context: ssl.SSLContext | None, number: int) -> Connection:
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=MAX_HEAD_BYTES, loop=loop)
    protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
    transport, _ = await loop.connect_accepted_socket(lambda: protocol, sock, ssl=context)
    return Connection(number, sock, reader, asyncio.StreamWriter(transport, protocol, reader, loop))
