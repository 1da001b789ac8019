"""The shorter way past aiohttp's session, which costs half as much."""

from __future__ import annotations

import asyncio
import errno
import re
from typing import TYPE_CHECKING, NamedTuple

import aiohttp
from aiohttp import hdrs
from aiohttp.client_proto import ResponseHandler
from multidict import CIMultiDict
from yarl import URL

from .pool import _ConnectionProtocol

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, Final

    from aiohttp.client_reqrep import ConnectionKey
    from aiohttp.connector import Connection
    from aiohttp.http import RawResponseMessage

    from ..wire import Call
    from .pool import _Connector, _Use


LARGE_BODY: Final = 1024 * 1024


HEADERS: Final = {"accept-encoding": "gzip, deflate", "user-agent": "segue"}


_MOST_PREPARED: Final = 256


# Headers that say how a message is framed or sent: of those aiohttp's session makes what it likes.
_OWN_WAYS: Final = frozenset({
    "connection", "content-encoding", "content-length", "cookie", "expect", "host", "te", "trailer",
    "transfer-encoding", "upgrade",
})  # fmt: skip


_CONTROLS: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")  # those that aiohttp lets into no head (RFC 9110 5.5)


# The insides of aiohttp that the shorter way stands on. Where one is missing every call goes through its session, which
# costs twice as much; a test holds them all.
_IS_AS_KNOWN: Final = {"_buffer", "_buffer_offset", "_cursor", "_http_chunk_splits", "_protocol", "_size"}.issubset(
    aiohttp.StreamReader.__slots__
) and all(
    hasattr(owner, name)
    for owner, name in (
        (aiohttp.StreamReader, "_wait"),
        (aiohttp.BaseConnector, "_get"),
        (ResponseHandler, "set_response_params"),
        (ResponseHandler, "read"),
    )
)


def _is_genuine(request: object) -> bool:
    """Whether this is the original ``_request`` of aiohttp's session, and not a mock in its place."""
    # By its code: this module may be imported while a mock is in place, and a mock copies names.
    code = getattr(request, "__code__", None)
    return code is not None and code.co_filename == aiohttp.ClientSession.__init__.__code__.co_filename


class Prepared(NamedTuple):
    """What calls to one address share: how to connect, and the head that is sent before each body."""

    headers: Mapping[str, str]
    request: aiohttp.ClientRequest
    key: ConnectionKey
    before: bytes
    after: bytes

    def __repr__(self) -> str:
        return "Prepared(…)"  # the head holds a key

    def message(self, body: bytes) -> bytes:
        """The bytes of the request: the head, with the length of this body, and the body."""
        return b"%b%d%b%b" % (self.before, len(body), self.after, body)


def prepared(call: Call, session: aiohttp.ClientSession) -> Prepared | None:
    """A call prepared for sending without aiohttp's session; None if only the session can send it.

    The bytes are the same as those of the session. Calls without a body, with a key in the address, or with headers
    that control the framing, need the session.
    """
    names = {name.lower() for name in call.headers}
    if len(names) < len(call.headers) or not _OWN_WAYS.isdisjoint(names):
        return None
    try:
        url = URL(call.url)
    except ValueError:
        return None
    if url.scheme not in {"http", "https"} or not url.raw_host or url.raw_user or url.raw_password:
        return None
    headers = CIMultiDict(HEADERS)
    headers.update(call.headers)
    # With a body that is none of the call's: what is prepared is kept, and no prompt is to be kept with it.
    request = aiohttp.ClientRequest(
        call.method, url, headers=headers, data=b"-", loop=asyncio.get_running_loop(), session=session
    )
    lines = [f"{call.method} {request.url.raw_path_qs} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in request.headers.items() if name != hdrs.CONTENT_LENGTH]
    if any(map(_CONTROLS.search, lines)):
        return None
    place = 1 + list(request.headers).index(hdrs.CONTENT_LENGTH)
    before = "\r\n".join([*lines[:place], "Content-Length: "]).encode()
    after = "\r\n".join(["", *lines[place:], "", ""]).encode()
    return Prepared(dict(call.headers), request, request.connection_key, before, after)


class _Answer:
    """The answer to a call that went past aiohttp's session; its connection is given back with its last byte."""

    __slots__ = ("_connection", "content", "headers", "status")

    def __init__(self, message: RawResponseMessage, content: aiohttp.StreamReader, connection: Connection) -> None:
        self._connection: Connection | None = connection
        self.status: int = message.code
        self.headers: Mapping[str, str] = message.headers
        self.content = content
        content.on_eof(self._ended)

    def _ended(self) -> None:
        connection, self._connection = self._connection, None
        if connection is None:
            return
        stream = connection.transport
        if stream is not None and stream.get_write_buffer_size():
            connection.close()  # it came before all was sent, and the host may never read the rest
        else:
            connection.release()

    def release(self) -> None:
        """Release it: a connection that is still in use cannot be used for another call."""
        self.close()

    def close(self) -> None:
        """Close the connection, if the answer has not ended."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


class _Session:
    """aiohttp's session of one loop, and the shorter way past it.

    Of what a call costs aiohttp's session is the largest part: it merges headers, parses the address, looks for
    cookies, redirects and proxies, and sends the body in a task of its own. Calls differ in their body alone, so that
    the rest is made once. Its connector, its connections and its parser do the work on both ways. Where somebody put
    their own in place of the session's request (mocks do), or traces it, and for all that only the session can do,
    calls go through it.
    """

    __slots__ = ("_connector", "_is_open", "_prepared", "_timeout", "session")

    def __init__(
        self,
        session: aiohttp.ClientSession,
        connector: _Connector,
        timeout: aiohttp.ClientTimeout,
        *,
        can_be_passed: bool,
    ) -> None:
        self.session = session
        self._connector = connector
        self._timeout = timeout
        self._is_open = can_be_passed and _IS_AS_KNOWN and not session.trace_configs
        self._prepared: dict[str, Prepared] = {}

    def drop(self) -> None:
        """Close its connections, without waiting for their end."""
        self._connector.drop()

    def prepared(self, call: Call) -> Prepared | None:
        """The call prepared for the shorter way; None if it must go through aiohttp's session."""
        if not (self._is_open and call.method == "POST" and 0 < len(call.body) < LARGE_BODY):
            return None
        if not _is_genuine(aiohttp.ClientSession._request):  # noqa: SLF001 - a mock: it answers, not the network
            return None
        ready = self._prepared.get(call.url)
        if ready is None or ready.headers != call.headers:
            ready = prepared(call, self.session)
            if ready is not None:
                if len(self._prepared) >= _MOST_PREPARED:
                    self._prepared.clear()
                self._prepared[call.url] = ready
        return ready

    async def answer(self, ready: Prepared, body: bytes, use: _Use) -> _Answer:
        """The response to a prepared call, after its headers arrived."""
        connector = self._connector
        connection = await connector.kept(ready.key, use) or await connector.connect(ready.request, [], self._timeout)
        try:
            protocol = connection.protocol
            stream = None if protocol is None else protocol.transport
            if protocol is None or stream is None or stream.is_closing():
                raise aiohttp.ClientOSError(errno.ECONNRESET, "the connection was closed before anything was sent")
            protocol.set_response_params(read_until_eof=True)
            stream.write(ready.message(body))
            while True:
                message, content = await protocol.read()
                if not 100 <= message.code <= 199 or message.code == 101:
                    return _Answer(message, content, connection)
        except BaseException:
            connection.close()
            raise


def is_mocked(content: object) -> bool:
    """Whether a body comes from a mock of aiohttp and not from a connection; then it is complete."""
    return content.__class__ is aiohttp.StreamReader and not isinstance(
        getattr(content, "_protocol", None), _ConnectionProtocol
    )


async def all_there(content: aiohttp.StreamReader) -> bytes:
    """All that has come of a body; nothing at its end.

    As ``readany()``, which asks the protocol to go on, and so its parser, once for each piece that it takes: of a
    stream each event is a piece.
    """
    if not _IS_AS_KNOWN or content.__class__ is not aiohttp.StreamReader:
        return await content.readany()
    protocol: Any = content._protocol  # noqa: SLF001
    if protocol.__class__ is not _ConnectionProtocol:
        return await content.readany()  # of a mocked response
    pieces = content._buffer  # noqa: SLF001
    error = content.exception()
    if error is not None and not pieces:  # what came before it is given first, as to a reader who was there in time
        raise error
    while not pieces and not content.is_eof():
        await content._wait("readany")  # noqa: SLF001
    if not pieces:
        return b""
    if content._buffer_offset:  # noqa: SLF001
        return content.read_nowait()
    data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
    pieces.clear()
    content._cursor += content._size  # noqa: SLF001
    content._size = 0  # noqa: SLF001
    splits = content._http_chunk_splits  # noqa: SLF001
    while splits and splits[0] < content._cursor:  # noqa: SLF001
        splits.popleft()
    if protocol.fell_behind:
        # From then on each time: the parser may stop once more than the protocol, with what it did not read yet.
        protocol.resume_reading()
    return data
