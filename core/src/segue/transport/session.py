"""The transport that uses aiohttp.

It turns every network error into one of `segue.errors`. aiohttp's own exceptions never reach the caller, not even as
``__context__``: their ``repr`` contains the headers of the request, and so its key.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import ssl
import warnings
import weakref
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

import aiohttp
from aiohttp.http_exceptions import HttpProcessingError

from ..constraints import Number, check
from ..display import shown_address
from ..errors import ConfigError, ProtocolError, ProviderError
from ..frames import forget_locals, forgetful
from .addresses import NO_NETWORK, environment_has, proxy_url, refuse_network
from .deadlines import _TIMEOUT, Timeout, Watchdog, note_address
from .error_table import _add_hint, _is_stale, broken, too_late, translated
from .pool import _Connector, _Use, current_use
from .shortcut import HEADERS, LARGE_BODY, _Session, all_there, is_mocked

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping
    from contextlib import AbstractAsyncContextManager
    from types import TracebackType
    from typing import Final, Self

    from yarl import URL

    from ..errors import Phase
    from ..wire import Call
    from .seam import AddressesOf, Response
    from .shortcut import _Answer


_CODINGS: Final = frozenset({"", "identity", "gzip", "deflate"})


_DRAIN_SECONDS: Final = 0.1


_MAX_BYTES: Final = Number(ge=1, whole=True)


class AiohttpTransport:
    """One aiohttp session per event loop, made on first use: with keep-alive, without redirects.

    ``proxy`` is a URL; without it, ``environment_proxies=True`` uses ``HTTP_PROXY``, ``HTTPS_PROXY`` and ``NO_PROXY``.
    ``ca_file`` is a PEM file of certificates to trust instead of the system's; ``max_bytes`` limits the decoded size
    of one response. With ``loopback_only``, or if the environment has ``SEGUE_NO_NETWORK=1``, calls may only go to
    127.0.0.0/8, ::1 or localhost (the proxy too); others are a ConfigError. ``addresses_of`` resolves a name in place
    of the system; OSError if it has no address.
    """

    @forgetful
    def __init__(
        self,
        *,
        timeout: Timeout = Timeout(),  # noqa: B008 - frozen
        proxy: str | None = None,
        ca_file: str | None = None,
        environment_proxies: bool = False,
        loopback_only: bool = False,
        max_bytes: int = 256 * 1024 * 1024,
        addresses_of: AddressesOf | None = None,
    ) -> None:
        check("AiohttpTransport", "timeout", timeout, _TIMEOUT)
        check("AiohttpTransport", "max_bytes", max_bytes, _MAX_BYTES)
        self.timeout = timeout
        self.max_bytes = max_bytes
        self._proxy = proxy_url(proxy)
        self._environment_proxies = environment_proxies and proxy is None
        self._loopback_only = loopback_only
        self._ca_file = ca_file
        self._addresses_of = addresses_of
        self._aiohttp_timeout = aiohttp.ClientTimeout(total=None)
        self.owner: str = type(self).__name__
        """What a user has to close, by its name, to close this."""
        self._unclosed: weakref.finalize[..., AiohttpTransport] | None = None
        self._sessions: WeakKeyDictionary[asyncio.AbstractEventLoop, _Session] = WeakKeyDictionary()

    def open(self, call: Call) -> AbstractAsyncContextManager[Response]:
        """Send the call; entered once the answer's headers are there, whatever its status."""
        return _Exchange(self, call)

    async def aclose(self) -> None:
        """Close this loop's session and its connections."""
        session = self._sessions.pop(asyncio.get_running_loop(), None)
        if session is not None:
            await session.session.close()
        for loop in [loop for loop in self._sessions if loop.is_closed()]:
            self._sessions.pop(loop).drop()
        if self._unclosed is not None and not self._sessions:
            self._unclosed.detach()
            self._unclosed = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.aclose()

    def _session(self) -> _Session:
        """The session of the running loop."""
        loop = asyncio.get_running_loop()
        session = self._sessions.get(loop)
        if session is None:
            connector = _Connector(
                loop=loop,
                context=self._ssl_context(),
                addresses_of=self._addresses_of,
                seconds=self.timeout.connect,
            )
            made = aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                headers=HEADERS,
                timeout=self._aiohttp_timeout,
                trust_env=False,
                proxy=self._proxy,
            )
            session = self._sessions[loop] = _Session(
                made, connector, self._aiohttp_timeout, can_be_passed=self._proxy is None
            )
            if self._unclosed is None:
                # Not with __del__: where the client is in a cycle, aiohttp's own would speak first.
                self._unclosed = weakref.finalize(
                    self, _left_open, weakref.ref(self), self._sessions, self.owner, os.getpid()
                )
        return session

    def route(self, url: str) -> URL | None:
        """The proxy of the environment for this address, if it is used; ConfigError if the address is not allowed."""
        proxy = self._environment_proxy(url)
        # Read at each call: a test that sets the variable means the clients that were there before as well.
        if environment_has(NO_NETWORK):
            refuse_network(NO_NETWORK, url, self._proxy or proxy)
        if self._loopback_only:
            refuse_network("loopback_only", url, self._proxy or proxy)
        return proxy

    def _environment_proxy(self, url: str) -> URL | None:
        # Not aiohttp's trust_env, which would take passwords from ~/.netrc as well.
        if not self._environment_proxies:
            return None
        from urllib.request import getproxies_environment, proxy_bypass  # only where they are asked for

        parts = urlsplit(url)
        if proxy_bypass(parts.hostname or ""):
            return None
        return proxy_url(getproxies_environment().get(parts.scheme))

    def _ssl_context(self) -> ssl.SSLContext | None:
        if self._ca_file is None:
            return None
        try:
            return ssl.create_default_context(cafile=self._ca_file)
        except (OSError, ssl.SSLError) as error:
            raise ConfigError(
                f"ca_file {self._ca_file}: {type(error).__name__}: the certificates cannot be read"
            ) from None


def _left_open(
    transport: weakref.ref[AiohttpTransport],
    sessions: WeakKeyDictionary[asyncio.AbstractEventLoop, _Session],
    owner: str,
    process: int,
) -> None:
    """Close the connections of a transport that nobody closed, and warn; in place of aiohttp, which names its own."""
    if process != os.getpid():
        return  # they belong to the process that was forked
    here, is_at_exit, warns = asyncio._get_running_loop(), transport() is not None, False  # noqa: SLF001 - documented
    for loop, session in list(sessions.items()):
        if loop is here or not loop.is_running():
            session.drop()
        elif is_at_exit:
            continue  # its thread still works with it, and may close it in time
        else:
            with contextlib.suppress(RuntimeError):  # it was closed just now
                loop.call_soon_threadsafe(session.drop)
        warns = True
    if warns:
        name = "client" if owner == "Client" else "transport"
        warnings.warn(
            f"a {owner} was not closed: use `async with {owner}(…) as {name}:`, or call `await {name}.aclose()`",
            ResourceWarning,
            stacklevel=2,
        )


class _Exchange:
    """One call on its way: entering sends it, leaving gives the connection back or closes it."""

    __slots__ = ("_call", "_response", "_transport", "_watchdog")

    def __init__(self, transport: AiohttpTransport, call: Call) -> None:
        self._transport = transport
        self._call = call

    async def __aenter__(self) -> _BodyReader:
        timeout = self._transport.timeout
        # Where nothing is to be watched nobody watches: the calls of a client are watched further up, by events.
        watchdog = None if timeout.first_event is None and timeout.idle is None else Watchdog()
        self._watchdog = watchdog
        try:
            response = await self._send(watchdog)
            return _BodyReader(response, watchdog, self._transport)
        except BaseException as error:
            if watchdog is not None:
                watchdog.close()
            if isinstance(error, asyncio.CancelledError):
                note_address(error, self._call.url)
            forget_locals(error, of_all=True)  # of aiohttp's too, where the call was cancelled: they hold the headers
            raise

    async def _send(self, watchdog: Watchdog | None) -> aiohttp.ClientResponse | _Answer:
        call, transport = self._call, self._transport
        session = transport._session()  # noqa: SLF001 - one of this module
        use = _Use()
        token = current_use.set(use)
        try:
            while True:
                if watchdog is not None:
                    watchdog.arm("first_event", transport.timeout.first_event)
                try:
                    proxy = transport.route(call.url)
                    ready = session.prepared(call) if proxy is None else None
                    if ready is not None:
                        response: aiohttp.ClientResponse | _Answer = await session.answer(ready, call.body, use)
                    else:
                        response = await session.session.request(
                            call.method,
                            call.url,
                            data=_payload(call.body),
                            headers=call.headers,
                            allow_redirects=False,
                            proxy=proxy,
                        )
                except asyncio.CancelledError:
                    if watchdog is not None and watchdog.expired(asyncio.current_task()):
                        failure: ProviderError | ConfigError = too_late("first_event", transport.timeout.first_event)
                    else:
                        raise
                except (aiohttp.ClientError, HttpProcessingError, OSError, ValueError) as error:
                    # ValueError: a header or address that cannot be written down.
                    if _is_stale(error, use):
                        use.fresh = True
                        continue
                    failure = translated(error, transport.timeout, sent=use.protocol is not None)
                    _add_hint(failure, call.url, use, error)
                else:
                    self._response = response
                    return response
                finally:
                    if watchdog is not None:
                        watchdog.disarm()
                if isinstance(failure, ProviderError):
                    failure.address = shown_address(call.url)
                # Outside the except block, so that aiohttp's exception is not even the context.
                raise failure
        finally:
            current_use.reset(token)

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._watchdog is not None:
            self._watchdog.close()
        if isinstance(exc, ProviderError) and exc.address is None:
            exc.address = shown_address(self._call.url)
        elif isinstance(exc, asyncio.CancelledError):
            note_address(exc, self._call.url)
        response = self._response
        content = response.content
        if kind is None and not content.is_eof():
            # The end marker came; let the last bytes of the framing come too, so that the connection
            # can be used again. Whoever waits for them longer than this gets a new one instead.
            with contextlib.suppress(TimeoutError, aiohttp.ClientError, OSError):
                async with asyncio.timeout(_DRAIN_SECONDS):
                    await content.readany()
        response.release() if content.at_eof() else response.close()


class _BodyReader:
    __slots__ = (
        "_coding", "_content", "_left", "_limit", "_phase", "_transport", "_watchdog", "delimited", "headers", "status",
    )  # fmt: skip

    def __init__(
        self, response: aiohttp.ClientResponse | _Answer, watchdog: Watchdog | None, transport: AiohttpTransport
    ) -> None:
        self._content = response.content
        self._watchdog = watchdog
        self._transport = transport
        self._left = transport.max_bytes
        self._phase: Phase = "first_event"
        self._limit = transport.timeout.first_event
        self.status = response.status
        self.headers: Mapping[str, str] = response.headers
        coding = response.headers.get("content-encoding")
        self._coding = "" if coding is None else coding.strip().lower()
        # A coded body may end early inside a framing that is whole, and aiohttp tells that of deflate only.
        self.delimited = (
            "content-length" in response.headers or "transfer-encoding" in response.headers or is_mocked(self._content)
        ) and self._coding in {"", "identity"}

    async def read(self) -> bytes:
        """The next decoded bytes of the body; empty at its end."""
        if self._coding not in _CODINGS:
            raise ProtocolError(f"the answer has a content encoding that was not requested: {self._coding[:40]!r}")
        watchdog = self._watchdog
        if watchdog is not None:
            watchdog.arm(self._phase, self._limit)
        try:
            data = await all_there(self._content)
        except asyncio.CancelledError:
            if watchdog is not None and watchdog.expired(asyncio.current_task()):
                failure: ProviderError = too_late(self._phase, self._limit)
            else:
                raise
        except (aiohttp.ClientError, OSError) as error:
            failure = broken(error)
        else:
            self._left -= len(data)
            if self._left < 0:
                raise ProtocolError(f"the answer is larger than {self._transport.max_bytes} bytes")
            self._phase, self._limit = "idle", self._transport.timeout.idle
            return data
        finally:
            if watchdog is not None:
                watchdog.disarm()
        raise failure

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        while data := await self.read():
            yield data


def _payload(body: bytes) -> bytes | io.BytesIO | None:
    """The body as aiohttp wants it: an empty one it would describe, and of a large one it warns (from 1 MiB on)."""
    if len(body) < LARGE_BODY:
        return body or None
    return io.BytesIO(body)
