"""From a call to its events."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Final

from ..display import shown_address
from ..errors import HTTPError, ProtocolError, ProviderError
from ..events import Flow
from ..wire import error_body
from ..wire.blotting import blot, secrets_of
from .deadlines import note_address
from .headers import rate_limits, request_id_of, says_page
from .session import AiohttpTransport, _BodyReader
from .statuses import note_credentials, raise_for_status

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping, Sequence
    from contextlib import AbstractAsyncContextManager

    from ..events import Event
    from ..wire import Call, Decoder
    from .seam import Response, Transport


def exchange(transport: Transport, call: Call, decoder: Decoder) -> Flow:
    """Send a call and return the events of its answer; a status outside 200-299 raises its HTTPError."""
    return _Exchanged(transport, call, decoder)


class _Exchanged(Flow):
    """The events of one exchange, each batch those that one read of the body completes."""

    __slots__ = (
        "_call", "_chunks", "_decoder", "_failure", "_is_over", "_is_read", "_opened", "_request_id", "_response",
        "_transport",
    )  # fmt: skip

    def __init__(self, transport: Transport, call: Call, decoder: Decoder) -> None:
        super().__init__()
        self._transport = transport
        self._call = call
        self._decoder = decoder
        self._opened: AbstractAsyncContextManager[Response] | None = None
        self._response: Response | None = None
        self._chunks: AsyncGenerator[bytes, None] | None = None
        self._request_id: str | None = None
        self._failure: ProviderError | None = None
        self._is_read = False
        self._is_over = False

    async def batch(self) -> Sequence[Event]:
        if self._is_over:
            return ()
        try:
            if self._failure is not None:
                raise self._failure
            if self._response is None:
                await self._open()
                if self._call.notices:
                    return self._call.notices
            if not (self._decoder.finished or self._is_read):
                events = await self._next()
                if events:
                    return events
        except BaseException as error:
            if isinstance(error, asyncio.CancelledError):
                note_address(error, self._call.url)
            elif isinstance(error, ProviderError):
                error.address = error.address or shown_address(self._call.url)
                error.request_id = error.request_id or self._request_id
                if isinstance(error, HTTPError) and self._is_answered():  # else it was done with the body
                    blot(error, secrets_of(url=self._call.url, headers=self._call.headers))
                    note_credentials(error, self._call.url, self._call.headers)
            await self._leave(error)
            raise
        await self._leave(None)
        return ()

    async def _open(self) -> None:
        opened = self._transport.open(self._call)
        response = await opened.__aenter__()
        self._opened, self._response = opened, response
        decoder = self._decoder
        headers = response.headers
        self._request_id = request_id_of(headers)
        if not self._is_answered():
            await raise_for_status(response, self._call)
        if says_page(headers):
            self._response = await _without_page(response, self._call)
        decoder.request_id, decoder.limits = self._request_id, rate_limits(headers)

    def _is_answered(self) -> bool:
        return self._response is not None and 200 <= self._response.status <= 299

    async def _next(self) -> list[Event]:
        """The events of the next bytes that complete any; none at the end."""
        events: list[Event] = []
        decoder, response = self._decoder, self._response
        assert response is not None
        try:
            while not events:
                data = await self._read(response)
                if not data:
                    self._is_read = True
                    events += decoder.end(delimited=response.delimited)
                    break
                events += decoder.feed(data)
                if decoder.finished:
                    break
        except ProviderError as error:
            if not events:
                raise
            self._failure = error  # told once what came before it was taken
        return events

    async def _read(self, response: Response) -> bytes:
        if isinstance(response, _BodyReader):
            return await response.read()
        if self._chunks is None:
            self._chunks = response.chunks()
        async for data in self._chunks:
            if data:
                return data
        return b""

    async def _leave(self, error: BaseException | None) -> None:
        self._is_over = True
        opened, self._opened = self._opened, None
        if opened is None:
            return
        try:
            if self._chunks is not None:
                await self._chunks.aclose()
        finally:
            await opened.__aexit__(None if error is None else type(error), error, None)

    async def close(self) -> None:
        if not self._is_over:
            # Who reads may stop at the end marker: the answer is whole, and its connection is given back.
            await self._leave(None if self._decoder.finished else GeneratorExit())


async def fetch(transport: Transport, call: Call, *, max_bytes: int = 64 * 1024 * 1024) -> bytes:
    """Send a call and return the whole body of the response; a status outside 200-299 raises its HTTPError."""
    async with transport.open(call) as opened:
        if not 200 <= opened.status <= 299:
            await raise_for_status(opened, call)
        response = await _without_page(opened, call) if says_page(opened.headers) else opened
        body = bytearray()
        async with contextlib.aclosing(response.chunks()) as chunks:
            async for data in chunks:
                body += data
                if len(body) > max_bytes:
                    raise ProtocolError(f"the answer is larger than {max_bytes} bytes")
        return bytes(body)


async def _without_page(response: Response, call: Call) -> Response:
    """The response, if its body is not a page in spite of its content type; else a ProtocolError.

    Some hosts send JSON or events as text/html. A page is what a login, a proxy or a wrong address answers with.
    """
    first, head = b"", b""
    chunks = response.chunks()
    async for data in chunks:
        first += data
        head = first.removeprefix(b"\xef\xbb\xbf").lstrip()
        if head or len(first) > _MOST_BLANK:
            break
    if not head.startswith(b"<"):
        return _Begun(response, first, chunks)
    await chunks.aclose()
    error = ProtocolError("the host sent a web page (HTML) instead of JSON")
    error.is_page = True
    error.address = shown_address(call.url)
    error.request_id = request_id_of(response.headers)
    error.host_message = error_body.read(first, secrets=secrets_of(url=call.url, headers=call.headers)).message
    raise error


_MOST_BLANK: Final = 1024


class _Begun:
    """A response whose first bytes were read."""

    def __init__(self, response: Response, first: bytes, rest: AsyncGenerator[bytes, None]) -> None:
        self._first = first
        self._rest = rest
        self.status: int = response.status
        self.headers: Mapping[str, str] = response.headers
        self.delimited: bool = response.delimited

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        async with contextlib.aclosing(self._rest):
            yield self._first
            async for data in self._rest:
                yield data


@contextlib.asynccontextmanager
async def answered(
    call: Call, *, transport: Transport | None = None, proxy: str | None = None
) -> AsyncGenerator[Response, None]:
    """The response to a call with a status of success; any other status raises its HTTPError.

    Without a ``transport`` the call uses its own one, with the ``proxy`` if that is given.
    """
    async with contextlib.AsyncExitStack() as stack:
        if transport is None:
            transport = await stack.enter_async_context(AiohttpTransport(proxy=proxy))
        response = await stack.enter_async_context(transport.open(call))
        await raise_for_status(response, call)
        yield response
