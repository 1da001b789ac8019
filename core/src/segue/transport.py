"""Sends a `Call` and returns the bytes of the response; the only module that uses aiohttp.

It turns every network error into one of `segue.errors`. aiohttp's own exceptions never reach the caller, not even as
``__context__``: their ``repr`` contains the headers of the request, and so its key.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import io
import json
import math
import os
import re
import socket
import ssl
import time
from contextvars import ContextVar
from dataclasses import replace
from email.utils import parsedate_to_datetime
from ipaddress import IPv4Network, IPv6Address, ip_address
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol, Self, TypeAlias
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary, WeakValueDictionary

import aiohttp
from aiohttp import hdrs
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.client_proto import ResponseHandler
from aiohttp.http_exceptions import ContentEncodingError, HttpProcessingError
from multidict import CIMultiDict
from yarl import URL

from .constraints import NOTHING, SECONDS, Either, Number, Of, Seconds, Text, check, check_fields, shown
from .display import shown_address
from .errors import (
    ConfigError,
    ConnectError,
    DNSError,
    HTTPError,
    PhaseTimeoutError,
    ProtocolError,
    ProviderError,
    ProxyError,
    StreamBrokenError,
    TLSError,
    http_error,
)
from .events import Flow, RateLimits
from .frames import forget_locals
from .limits import TimeIsUpError, again
from .values import dataclass
from .wire import Call, error_body
from .wire.blotting import blot, secrets_of

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
    from contextlib import AbstractAsyncContextManager
    from types import TracebackType

    from aiohttp.client_reqrep import ConnectionKey
    from aiohttp.connector import Connection
    from aiohttp.http import RawResponseMessage
    from aiohttp.tracing import Trace

    from .errors import Phase
    from .events import Event
    from .wire import Decoder

__all__ = [
    "AiohttpTransport",
    "Call",
    "Response",
    "StreamSession",
    "Timeout",
    "Transport",
    "Watchdog",
    "answered",
    "exchange",
    "fetch",
    "foreign_error",
    "get_connector",
    "raise_for_status",
    "retry_after",
]

MAX_ERROR_BYTES: Final = 64 * 1024
"""How much of an error's body is read; the fields of a longer body are unknown."""

_CODINGS: Final = frozenset({"", "identity", "gzip", "deflate"})
_OUT_OF: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL})
_TLS_ALERT: Final = b"\x15\x03"  # RFC 8446 5.1: content type 21, then the version
# What OpenSSL says of a first answer that is not a TLS record.
_NOT_TLS: Final = frozenset({
    "HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG", "RECORD_LAYER_FAILURE", "UNKNOWN_PROTOCOL", "WRONG_VERSION_NUMBER",
})  # fmt: skip
_DRAIN_SECONDS: Final = 0.1
_LARGE_BODY: Final = 1024 * 1024
_HEADERS: Final = {"accept-encoding": "gzip, deflate", "user-agent": "segue"}
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
_NO_NETWORK: Final = "SEGUE_NO_NETWORK"
_LOOPBACK: Final = IPv4Network("127.0.0.0/8")


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeout:
    """Limits in seconds, one for each phase, by name; None means no limit.

    A number alone is a TypeError: other libraries read it in different ways. ``Timeout(total=5)`` limits the whole
    call, as ``timeout=5`` does.

    ``connect``: name resolution, socket and TLS. ``first_event``: from the request to the first content of the answer
    (``chat()`` gets the answer in one piece, so there it is the time until the whole answer).
    ``idle``: the longest time without data after that. ``total``: the whole call, with all its attempts.

    A limit ends a wait for the host, never the code that reads the answer. The time that a reader takes between two
    events counts only for ``total``, which is checked at the next wait: data that arrived before is still delivered.
    """

    connect: Seconds | None = 10.0
    first_event: Seconds | None = 120.0
    idle: Seconds | None = 60.0
    total: Seconds | None = None

    if not TYPE_CHECKING:  # which knows from the decorator that they have no places

        def __new__(cls, *places: object, **_: object) -> Self:
            if places:
                given = ", ".join(map(shown, places))
                wish = shown(places[0])
                raise TypeError(
                    f"Timeout({given}): give each limit by name: Timeout(total={wish}), or timeout={wish}, limits "
                    f"the whole call; the others are connect, first_event and idle"
                )
            return object.__new__(cls)

    def __post_init__(self) -> None:
        check_fields(self)


_TIMEOUT: Final = Of(Timeout)
_MAX_BYTES: Final = Number(ge=1, whole=True)
TIMEOUT: Final = Either(_TIMEOUT, SECONDS, NOTHING)
"""The allowed values of an argument ``timeout``."""


def limits_with(timeout: Timeout | float | None, usual: Timeout) -> Timeout:
    """The timeout that applies: a number changes the total of the default one, None changes nothing."""
    if timeout is None:
        return usual
    return timeout if isinstance(timeout, Timeout) else replace(usual, total=timeout)


NO_TIMEOUT: Final = Timeout(connect=None, first_event=None, idle=None, total=None)


AddressesOf: TypeAlias = "Callable[[str], Awaitable[Sequence[str]]]"


class Response(Protocol):
    """The response to a call; its body is not read yet."""

    @property
    def status(self) -> int: ...

    @property
    def headers(self) -> Mapping[str, str]: ...

    @property
    def delimited(self) -> bool:
        """Whether a length or chunks show the end of the body, and not only the end of the connection."""
        ...

    def chunks(self) -> AsyncGenerator[bytes, None]:
        """The decoded body in pieces, as they arrive; StreamBrokenError if it is cut off."""
        ...


class Transport(Protocol):
    """Anything that can send a call: aiohttp, a recording, a fake."""

    def open(self, call: Call) -> AbstractAsyncContextManager[Response]:
        """Send the call; entered once the answer's headers are there, whatever its status."""
        ...


# ── time ─────────────────────────────────────────────────────────────────────────────────────────────


class _Clock:
    """The watchdogs of one loop whose time is far off: one timer looks after all of them, once in a while.

    Nearly every call is over long before its time; so it costs an entry in a set, and only when its time is near a
    timer of its own, which is exact.
    """

    __slots__ = ("__weakref__", "_handle", "_loop", "watched")

    TICK: Final = 1.0
    """Seconds."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._handle: asyncio.TimerHandle | None = None
        self.watched: set[Watchdog] = set()

    @staticmethod
    def of(loop: asyncio.AbstractEventLoop) -> _Clock:
        """The clock of this loop, which lives as long as the loop has its timer or a watchdog has the clock."""
        clock = _clocks.get(id(loop))
        if clock is None or clock._loop is not loop:  # noqa: SLF001 - an id is given anew
            clock = _clocks[id(loop)] = _Clock(loop)
        return clock

    def watch(self, watchdog: Watchdog) -> None:
        """Watch this one; its deadline is more than a tick away."""
        self.watched.add(watchdog)
        if self._handle is None:
            self._handle = self._loop.call_later(self.TICK, self._tick)

    def _tick(self) -> None:
        self._handle = None
        near = self._loop.time() + self.TICK
        for watchdog in tuple(self.watched):
            if watchdog.deadline <= near:
                self.watched.discard(watchdog)
                watchdog.be_exact()
            elif watchdog.deadline == math.inf:
                self.watched.discard(watchdog)
        if self.watched:
            self._handle = self._loop.call_later(self.TICK, self._tick)


_clocks: Final[WeakValueDictionary[int, _Clock]] = WeakValueDictionary()


class Watchdog:
    """One watch over a whole stream: moving its deadline is an assignment, not a new timer.

    Between `arm` and `disarm` the current task is cancelled when the time is up; the code that armed it
    turns that cancellation into a timeout with `expired`. Both belong around one await, in the task that waits:
    the next event may be read in another task, and until then the task belongs to the reader.

    A timer that fires late shows that something else blocked the loop: nobody read what the host sent, and perhaps
    nothing was sent to it. The wait then gets that time again, but not after the loop time ``latest``.
    """

    __slots__ = (
        "__weakref__", "_clock", "_handle", "_loop", "_task", "_was_late", "cancelling", "deadline", "fired", "latest",
        "phase",
    )  # fmt: skip

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._clock: _Clock | None = None
        self._handle: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[object] | None = None
        self.cancelling: int = 0  # of the watched task, when the watch began
        self._was_late = math.nan  # the deadline that a blocked loop has moved
        self.deadline: float = math.inf
        self.latest: float = math.inf
        self.fired: bool = False
        self.phase: Phase = "total"

    def arm(self, phase: Phase, seconds: float | None, *, until: float = math.inf) -> None:
        """Watch the current task for this number of seconds, but not after the loop time ``until`` (phase total)."""
        now = self._loop.time()
        deadline = math.inf if seconds is None else now + seconds
        if until < deadline:
            deadline, phase = until, "total"
        self.phase = phase
        self.deadline = deadline
        if deadline == math.inf:
            return
        self.see(asyncio.current_task(self._loop))
        if deadline - now <= _Clock.TICK:
            self.be_exact()
        elif self._handle is None:
            if self._clock is None:
                self._clock = _Clock.of(self._loop)
            self._clock.watch(self)

    def resume(self) -> None:
        """Watch the current task until the deadline that was set before."""
        if self.deadline == math.inf:
            return
        self.see(asyncio.current_task(self._loop))
        if self._handle is None and (self._clock is None or self not in self._clock.watched):
            self.be_exact()

    @property
    def is_armed(self) -> bool:
        """Whether a task is watched."""
        return self._task is not None

    def see(self, task: asyncio.Task[object] | None) -> None:
        """Watch this task until the deadline that was set before."""
        assert task is not None
        self._task = task
        self.cancelling = task.cancelling()

    def be_exact(self) -> None:
        """Use a timer for the deadline, or for a time before it."""
        handle = self._handle
        if handle is not None:
            if handle.when() <= self.deadline:
                return
            handle.cancel()
        self._handle = self._loop.call_at(self.deadline, self._ring)

    def disarm(self) -> bool:
        """End the watch; the timer stays for the next one. True if the time was up, and nothing came of it."""
        is_late = self.fired
        if is_late and self._task is not None:
            # What was waited for kept the cancellation to itself; the task goes on as one that nobody cancelled.
            self.fired = False
            self._task.uncancel()
        self._task = None
        return is_late

    def _ring(self) -> None:
        self._handle = None
        if self._task is None:
            return
        now = self._loop.time()
        if now >= self.deadline and self.phase != "total" and self.deadline != self._was_late:
            more = again(now - self.deadline)
            if more and self.latest > now:
                self.deadline = self._was_late = min(now + more, self.latest)
                if self.deadline == self.latest:
                    self.phase = "total"
        if now < self.deadline:
            self._handle = self._loop.call_at(self.deadline, self._ring)
            return
        # What came while the loop was busy with something else is read in the turn that has just begun: it was in time.
        self._loop.call_soon(self._cancel, self._task, self.deadline)

    def _cancel(self, task: asyncio.Task[object], deadline: float) -> None:
        if self._task is task and self.deadline == deadline:
            self.fired = True
            task.cancel()

    def expired(self, task: asyncio.Task[object] | None) -> bool:
        """Whether the last CancelledError came from this watchdog; if so, the task is no longer cancelled."""
        if not self.fired:
            return False
        self.fired = False
        return task is not None and task.uncancel() <= self.cancelling

    def close(self) -> None:
        """Stop watching."""
        self._task = None
        if self._clock is not None:
            self._clock.watched.discard(self)
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None


@contextlib.asynccontextmanager
async def at_most(phase: Phase, seconds: float | None) -> AsyncGenerator[None, None]:
    """Limit a wait for a host, with a watch: `TimeIsUpError` after this number of seconds."""
    watchdog = Watchdog()
    watchdog.arm(phase, seconds)
    try:
        yield
    except asyncio.CancelledError:
        if not watchdog.expired(asyncio.current_task()):
            raise
    else:
        return
    finally:
        watchdog.close()
    raise TimeIsUpError  # outside the except block: the frames of what was cancelled may hold a key


# ── the aiohttp transport ────────────────────────────────────────────────────────────────────────────


class _Use:
    """The state of the connection that a call got."""

    __slots__ = ("fresh", "protocol", "reused")

    def __init__(self) -> None:
        self.fresh = False
        self.reused = False
        self.protocol: _Protocol | None = None


_use: ContextVar[_Use] = ContextVar("segue_connection_use")


class _Protocol(ResponseHandler):
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
        self._factory = lambda: _Protocol(loop)  # type: ignore[assignment]

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
        _taken(connection, _use.get())
        return connection

    async def kept(self, key: ConnectionKey, use: _Use) -> Connection | None:
        """An open connection, if there is one and ``use`` does not require a new one."""
        if use.fresh:
            return None
        connection = await super()._get(key, [])
        if connection is not None:
            _taken(connection, use)
        return connection

    async def _get(self, key: ConnectionKey, traces: list[Trace]) -> Connection | None:
        return None if _use.get().fresh else await super()._get(key, traces)


def _taken(connection: Connection, use: _Use) -> None:
    """Note which connection a call was given."""
    protocol = connection.protocol
    assert isinstance(protocol, _Protocol)
    use.protocol, use.reused = protocol, protocol.used
    protocol.used, protocol.answered, protocol.fell_behind = True, False, False


class AiohttpTransport:
    """One aiohttp session per event loop, made on first use: with keep-alive, without redirects.

    ``proxy`` is a URL; without it, ``environment_proxies=True`` uses ``HTTP_PROXY``, ``HTTPS_PROXY`` and ``NO_PROXY``.
    ``ca_file`` is a PEM file of certificates to trust instead of the system's; ``max_bytes`` limits the decoded size
    of one response. With ``loopback_only``, or if the environment has ``SEGUE_NO_NETWORK=1``, calls may only go to
    127.0.0.0/8, ::1 or localhost (the proxy too); others are a ConfigError. ``addresses_of`` resolves a name in place
    of the system; OSError if it has no address.
    """

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
        self._proxy = _proxy_url(proxy)
        self._environment_proxies = environment_proxies and proxy is None
        self._loopback_only = loopback_only
        self._ca_file = ca_file
        self._addresses_of = addresses_of
        self._aiohttp_timeout = aiohttp.ClientTimeout(total=None)
        self._sessions: WeakKeyDictionary[asyncio.AbstractEventLoop, _Session] = WeakKeyDictionary()

    def open(self, call: Call) -> AbstractAsyncContextManager[Response]:
        """Send the call; entered once the answer's headers are there, whatever its status."""
        return _Exchange(self, call)

    async def aclose(self) -> None:
        """Close this loop's session and its connections."""
        session = self._sessions.pop(asyncio.get_running_loop(), None)
        if session is not None:
            await session.session.close()

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
                headers=_HEADERS,
                timeout=self._aiohttp_timeout,
                trust_env=False,
                proxy=self._proxy,
            )
            session = self._sessions[loop] = _Session(
                made, connector, self._aiohttp_timeout, can_be_passed=self._proxy is None
            )
        return session

    def route(self, url: str) -> URL | None:
        """The proxy of the environment for this address, if it is used; ConfigError if the address is not allowed."""
        proxy = self._environment_proxy(url)
        # Read at each call: a test that sets the variable means the clients that were there before as well.
        if _environment_has(_NO_NETWORK):
            _refuse_network(_NO_NETWORK, url, self._proxy or proxy)
        if self._loopback_only:
            _refuse_network("loopback_only", url, self._proxy or proxy)
        return proxy

    def _environment_proxy(self, url: str) -> URL | None:
        # Not aiohttp's trust_env, which would take passwords from ~/.netrc as well.
        if not self._environment_proxies:
            return None
        from urllib.request import getproxies_environment, proxy_bypass  # only where they are asked for

        parts = urlsplit(url)
        if proxy_bypass(parts.hostname or ""):
            return None
        return _proxy_url(getproxies_environment().get(parts.scheme))

    def _ssl_context(self) -> ssl.SSLContext | None:
        if self._ca_file is None:
            return None
        try:
            return ssl.create_default_context(cafile=self._ca_file)
        except (OSError, ssl.SSLError) as error:
            raise ConfigError(
                f"ca_file {self._ca_file}: {type(error).__name__}: the certificates cannot be read"
            ) from None


def _is_proxy(proxy: str) -> bool:
    try:
        _proxy_url(proxy)
    except ConfigError:
        return False
    return True


PROXY: Final = Text("an address such as http://127.0.0.1:3128", fits=_is_proxy)
"""The allowed values of an argument ``proxy``."""


def _proxy_url(proxy: str | None) -> URL | None:
    if proxy is None:
        return None
    try:
        url = URL(proxy)
    except ValueError:
        url = URL()
    if url.scheme not in {"http", "https"} or not url.host:
        raise ConfigError("proxy must be a URL like http://127.0.0.1:3128")  # the value may hold a password
    return url


def _environment_has(name: str) -> bool:
    """Whether a variable is set, to something else than 0.

    For a missing variable ``os.environ`` raises an exception, which costs as much as a TCP write.
    """
    if _VARIABLES is not None and os.environ is _ENVIRON and _ENVIRON.encodekey(name) not in _VARIABLES:
        return False
    return os.environ.get(name, "0") not in {"", "0"}


_ENVIRON: Final = os.environ
_VARIABLES: Final[Mapping[Any, Any] | None] = getattr(_ENVIRON, "_data", None)


def _refuse_network(switch: str, url: str, proxy: URL | None) -> None:
    """ConfigError, not ProviderError: for a chain it must not be an outage that its next candidate can survive."""
    for what, goal in (("", URL(url)), ("the proxy ", proxy)):
        if goal is not None and not _is_here(goal):
            raise ConfigError(f"{switch} is set: {what}{goal.raw_host or 'the address'} is not on this machine")


def _is_here(url: URL) -> bool:
    """Whether an address is written as one of this machine's; nothing else is believed, and no name looked up."""
    # As aiohttp reads it: another reader's idea of where the host stands would be a way out.
    host = url.raw_host or ""
    try:
        address = ip_address(host)
    except ValueError:
        return host == "localhost"
    return address == IPv6Address("::1") or address in _LOOPBACK


def _is_genuine(request: object) -> bool:
    """Whether this is the original ``_request`` of aiohttp's session, and not a mock in its place."""
    # By its code: this module may be imported while a mock is in place, and a mock copies names.
    code = getattr(request, "__code__", None)
    return code is not None and code.co_filename == aiohttp.ClientSession.__init__.__code__.co_filename


class _Prepared(NamedTuple):
    """What calls to one address share: how to connect, and the head that is sent before each body."""

    headers: Mapping[str, str]
    request: aiohttp.ClientRequest
    key: ConnectionKey
    before: bytes
    after: bytes

    def __repr__(self) -> str:
        return "_Prepared(…)"  # the head holds a key

    def message(self, body: bytes) -> bytes:
        """The bytes of the request: the head, with the length of this body, and the body."""
        return b"%b%d%b%b" % (self.before, len(body), self.after, body)


def prepared(call: Call, session: aiohttp.ClientSession) -> _Prepared | None:
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
    headers = CIMultiDict(_HEADERS)
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
    return _Prepared(dict(call.headers), request, request.connection_key, before, after)


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
        self._prepared: dict[str, _Prepared] = {}

    def prepared(self, call: Call) -> _Prepared | None:
        """The call prepared for the shorter way; None if it must go through aiohttp's session."""
        if not (self._is_open and call.method == "POST" and 0 < len(call.body) < _LARGE_BODY):
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

    async def answer(self, ready: _Prepared, body: bytes, use: _Use) -> _Answer:
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


class _Exchange:
    """One call on its way: entering sends it, leaving gives the connection back or closes it."""

    __slots__ = ("_call", "_response", "_transport", "_watchdog")

    def __init__(self, transport: AiohttpTransport, call: Call) -> None:
        self._transport = transport
        self._call = call

    async def __aenter__(self) -> _Response:
        timeout = self._transport.timeout
        # Where nothing is to be watched nobody watches: the calls of a client are watched further up, by events.
        watchdog = None if timeout.first_event is None and timeout.idle is None else Watchdog()
        self._watchdog = watchdog
        try:
            response = await self._send(watchdog)
            return _Response(response, watchdog, self._transport)
        except BaseException as error:
            if watchdog is not None:
                watchdog.close()
            forget_locals(error, of_all=True)  # of aiohttp's too, where the call was cancelled: they hold the headers
            raise

    async def _send(self, watchdog: Watchdog | None) -> aiohttp.ClientResponse | _Answer:
        call, transport = self._call, self._transport
        session = transport._session()  # noqa: SLF001 - one of this module
        use = _Use()
        token = _use.set(use)
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
                        failure: ProviderError | ConfigError = _too_late("first_event", transport.timeout.first_event)
                    else:
                        raise
                except (aiohttp.ClientError, HttpProcessingError, OSError, ValueError) as error:
                    # ValueError: a header or address that cannot be written down.
                    if _is_stale(error, use):
                        use.fresh = True
                        continue
                    failure = _translated(error, transport.timeout, sent=use.protocol is not None)
                    _hint(failure, call.url, use, error)
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
            _use.reset(token)

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._watchdog is not None:
            self._watchdog.close()
        if isinstance(exc, ProviderError) and exc.address is None:
            exc.address = shown_address(self._call.url)
        response = self._response
        content = response.content
        if kind is None and not content.is_eof():
            # The end marker came; let the last bytes of the framing come too, so that the connection
            # can be used again. Whoever waits for them longer than this gets a new one instead.
            with contextlib.suppress(TimeoutError, aiohttp.ClientError, OSError):
                async with asyncio.timeout(_DRAIN_SECONDS):
                    await content.readany()
        response.release() if content.at_eof() else response.close()


class _Response:
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
            "content-length" in response.headers or "transfer-encoding" in response.headers or _is_mocked(self._content)
        ) and self._coding in {"", "identity"}

    async def read(self) -> bytes:
        """The next decoded bytes of the body; empty at its end."""
        if self._coding not in _CODINGS:
            raise ProtocolError(f"the answer has a content encoding that was not requested: {self._coding[:40]!r}")
        watchdog = self._watchdog
        if watchdog is not None:
            watchdog.arm(self._phase, self._limit)
        try:
            data = await _all_there(self._content)
        except asyncio.CancelledError:
            if watchdog is not None and watchdog.expired(asyncio.current_task()):
                failure: ProviderError = _too_late(self._phase, self._limit)
            else:
                raise
        except (aiohttp.ClientError, OSError) as error:
            failure = _broken(error)
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


def _is_mocked(content: object) -> bool:
    """Whether a body comes from a mock of aiohttp and not from a connection; then it is complete."""
    return content.__class__ is aiohttp.StreamReader and not isinstance(getattr(content, "_protocol", None), _Protocol)


async def _all_there(content: aiohttp.StreamReader) -> bytes:
    """All that has come of a body; nothing at its end.

    As ``readany()``, which asks the protocol to go on, and so its parser, once for each piece that it takes: of a
    stream each event is a piece.
    """
    if not _IS_AS_KNOWN or content.__class__ is not aiohttp.StreamReader:
        return await content.readany()
    protocol: Any = content._protocol  # noqa: SLF001
    if protocol.__class__ is not _Protocol:
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


def _too_late(phase: Phase, limit: float | None) -> PhaseTimeoutError:
    what = {"first_event": "no answer", "idle": "no data in the middle of the answer", "connect": "no connection"}
    return PhaseTimeoutError(f"{what[phase]} for {limit:g} s ({phase} timeout)", phase=phase)


def _is_stale(error: Exception, use: _Use) -> bool:
    """Whether a pooled connection was closed under us before any byte of an answer: safe to send again, once."""
    return (
        isinstance(error, (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError))
        and not isinstance(error, aiohttp.ClientConnectorError)
        and use.reused
        and not use.fresh
        and use.protocol is not None
        and not use.protocol.answered
    )


def _payload(body: bytes) -> bytes | io.BytesIO | None:
    """The body as aiohttp wants it: an empty one it would describe, and of a large one it warns (from 1 MiB on)."""
    if len(body) < _LARGE_BODY:
        return body or None
    return io.BytesIO(body)


def _translated(error: Exception, timeout: Timeout, *, sent: bool) -> ProviderError | ConfigError:
    """The error of a call that got no headers, by aiohttp's type."""
    match error:
        case aiohttp.ConnectionTimeoutError() | TimeoutError():
            return _too_late("connect", timeout.connect)
        case aiohttp.ClientProxyConnectionError() | aiohttp.ClientHttpProxyError():
            return ProxyError("the proxy could not be used")
        case aiohttp.ClientConnectorDNSError():
            return DNSError("the host's name does not resolve")
        case aiohttp.ClientConnectorCertificateError() | aiohttp.ClientSSLError() | ssl.SSLError():
            return TLSError(f"no trusted TLS connection ({_tls_reason(error)})")
        case aiohttp.ClientConnectorError():
            failed = ConnectError(f"cannot connect ({_os_reason(error.os_error)})")
            failed.is_refused = isinstance(error.os_error, ConnectionRefusedError)
            if error.os_error.errno in _OUT_OF:
                failed = ConnectError(f"this machine cannot connect: {os.strerror(error.os_error.errno)}")
                failed.is_local = True
            return failed
        case aiohttp.InvalidURL() | aiohttp.NonHttpUrlClientError() | ValueError():
            return ConfigError("the address or a header of the request cannot be sent: check base_url and the key")
        case aiohttp.ClientResponseError() | HttpProcessingError() if isinstance(error.__cause__, ContentEncodingError):
            return ProtocolError("the answer has a content encoding that was not requested")
        case aiohttp.ClientResponseError() | HttpProcessingError():
            return ProtocolError("the answer is not HTTP", phase="headers")
        case _:
            phase: Phase = "headers" if sent else "connect"
            return ConnectError("the host closed the connection without an answer", phase=phase)


def _os_reason(error: OSError) -> str:
    # Not its own text, which holds the addresses that were tried.
    return os.strerror(error.errno).lower() if error.errno and error.errno > 0 else type(error).__name__


def _hint(failure: ProviderError | ConfigError, url: str, use: _Use, error: Exception) -> None:
    """Say so where one side speaks TLS and the other plain HTTP."""
    protocol = use.protocol
    if isinstance(failure, TLSError):
        if getattr(_tls_cause(error), "reason", None) in _NOT_TLS:
            failure.add_note("hint: the host uses plain HTTP at this port: write http:// in place of https://")
    elif url.startswith("https://"):
        is_silent = isinstance(failure, PhaseTimeoutError) or (type(failure) is ConnectError and not failure.is_refused)
        if is_silent and protocol is None and URL(url).port != 443:
            failure.add_note("hint: if the host uses plain HTTP at this port, write http:// in place of https://")
    elif url.startswith("http://") and protocol is not None and not isinstance(failure, ProxyError):
        if protocol.speaks_tls:
            failure.add_note("hint: the host uses TLS at this port: write https:// in place of http://")
        elif not (protocol.answered or use.reused):
            # So a TLS port of OpenSSL's answers plain HTTP, but not it alone.
            failure.add_note("hint: if the host uses TLS at this port, write https:// in place of http://")


def _tls_cause(error: object) -> object:
    return getattr(error, "certificate_error", None) or getattr(error, "os_error", None) or error


def _tls_reason(error: object) -> str:
    inner = _tls_cause(error)
    if isinstance(inner, ssl.SSLCertVerificationError) and hasattr(inner, "verify_message"):
        return inner.verify_message  # it has none where Python code made it
    reason = getattr(inner, "reason", None)
    return reason if isinstance(reason, str) else type(inner).__name__


def _broken(error: Exception) -> ProviderError:
    """The error of a body that could not be read to its end."""
    if isinstance(error.__cause__, ContentEncodingError):
        return ProtocolError("the content encoding of the body is wrong")
    return StreamBrokenError("the connection broke in the middle of the answer")


# ── from a call to events ────────────────────────────────────────────────────────────────────────────


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
            if isinstance(error, ProviderError):
                error.request_id = error.request_id or self._request_id
                if isinstance(error, HTTPError):
                    blot(error, secrets_of(url=self._call.url, headers=self._call.headers))
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
        self._request_id = _request_id(headers)
        if not 200 <= response.status <= 299:
            await raise_for_status(response, self._call)
        decoder.request_id, decoder.limits = self._request_id, rate_limits(headers)

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
        if isinstance(response, _Response):
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
    async with transport.open(call) as response:
        if not 200 <= response.status <= 299:
            await raise_for_status(response, call)
        body = bytearray()
        async with contextlib.aclosing(response.chunks()) as chunks:
            async for data in chunks:
                body += data
                if len(body) > max_bytes:
                    raise ProtocolError(f"the answer is larger than {max_bytes} bytes")
        return bytes(body)


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


async def raise_for_status(response: Response | aiohttp.ClientResponse, call: Call | str | None = None) -> None:
    """Raise the HTTPError for a status outside 200-299; status and body fields decide its type.

    A text in place of the call becomes the message of the error.
    """
    if 200 <= response.status <= 299:
        return
    # An error keeps the frame in which it is raised, so that holds no header and no body, and nothing that shows them.
    try:
        raise await _error_of(response, call)
    finally:
        del response, call


async def _error_of(response: Response | aiohttp.ClientResponse, call: Call | str | None) -> HTTPError:
    """The error of an answer whose status is none of success."""
    secrets = [] if call is None or isinstance(call, str) else secrets_of(url=call.url, headers=call.headers)
    if isinstance(response, aiohttp.ClientResponse):
        sent = response.request_info
        secrets += secrets_of(url=str(sent.real_url), headers=sent.headers)
        response = _Read(response)
    body = bytearray()
    try:
        async with contextlib.aclosing(response.chunks()) as chunks:
            async for data in chunks:
                body += data
                if len(body) > MAX_ERROR_BYTES:
                    break
    except ProviderError:
        pass  # the status is known; what is missing of the body only explains it
    error = http_error(
        response.status,
        error_body.read(bytes(body), kind=response.headers.get("x-amzn-errortype"), secrets=secrets),
        body=error_body.shown(bytes(body), secrets=secrets),
        retry_after=retry_after(response.headers),
        request_id=_request_id(response.headers),
    )
    if isinstance(call, str):
        error.args = (call,)
    if response.headers.get("x-should-retry", "").lower() == "false":
        error.retryable = False  # OpenAI and Anthropic say so where the status alone would mislead
    blot(error, secrets)
    return error


def _request_id(headers: Mapping[str, str]) -> str | None:
    for name in _REQUEST_IDS:
        if value := headers.get(name):
            return value
    return None


_REQUEST_IDS: Final = ("x-request-id", "request-id", "x-amzn-requestid")

_DURATION: Final = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m(?!s))?(?:(\d+(?:\.\d+)?)s)?(?:(\d+(?:\.\d+)?)ms)?")


def retry_after(headers: Mapping[str, str], *, now: Callable[[], float] = time.time) -> float | None:
    """The time to wait that the host sent, in seconds from now; None if it did not, or if the value is not valid.

    Read in this order: ``retry-after-ms`` (OpenAI, Azure), ``retry-after`` as seconds or as an HTTP date
    (RFC 9110 10.2.3), ``x-ratelimit-reset-requests`` and ``-tokens`` as durations like ``6m0s``
    (OpenAI), the longer of the two whose ``remaining`` is 0. A past date is 0; negative, infinite and
    unreadable values are ignored.
    """
    value = headers.get("retry-after-ms")
    if value is not None and (milliseconds := _number(value)) is not None:
        return milliseconds / 1000
    value = headers.get("retry-after")
    if value is not None:
        if (seconds := _number(value)) is not None:
            return seconds
        try:
            return max(0.0, parsedate_to_datetime(value).timestamp() - now())
        except (ValueError, OverflowError):
            pass
    waits = [
        wait
        for kind in ("requests", "tokens")
        if headers.get(f"x-ratelimit-remaining-{kind}") == "0"
        and (wait := _duration(headers.get(f"x-ratelimit-reset-{kind}", ""))) is not None
    ]
    return max(waits, default=None)


def rate_limits(headers: Mapping[str, str]) -> RateLimits | None:
    """The key's rate limits from the ``x-ratelimit-`` headers of OpenAI and similar hosts; None if there are none."""
    if "x-ratelimit-limit-requests" not in headers and "x-ratelimit-limit-tokens" not in headers:
        return None
    counts = [
        _count(headers.get(f"x-ratelimit-{what}-{kind}"))
        for kind in ("requests", "tokens")
        for what in ("limit", "remaining")
    ]
    resets = [_reset(headers.get(f"x-ratelimit-reset-{kind}")) for kind in ("requests", "tokens")]
    return RateLimits(counts[0], counts[1], resets[0], counts[2], counts[3], resets[1])


def _count(text: str | None) -> int | None:
    return int(text) if text is not None and text.isascii() and text.isdecimal() and len(text) < 16 else None


def _reset(text: str | None) -> float | None:
    """Seconds, as a duration like ``6m0s`` (OpenAI, Groq) or as a number."""
    if text is None:
        return None
    duration = _duration(text)
    return _number(text) if duration is None else duration


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if 0 <= number < math.inf else None


def _duration(text: str) -> float | None:
    match = _DURATION.fullmatch(text)
    if not text or match is None:
        return None
    parts = (float(part) if part else 0.0 for part in match.groups())
    return sum(part * unit for part, unit in zip(parts, (86_400, 3_600, 60, 1, 0.001), strict=True))


# ── for providers that hold a session of their own ───────────────────────────────────────────────────


def foreign_error(error: Exception, *, begun: bool) -> ProviderError | None:  # noqa: C901, PLR0912 - a table
    """Translate an error of aiohttp, a socket or a timer that a provider raised, by its type; None for other errors.

    ``begun`` is whether content had arrived. The result does not hold objects of aiohttp.
    """
    match error:
        case aiohttp.InvalidURL() | aiohttp.NonHttpUrlClientError() | PermissionError() | FileNotFoundError():
            return None  # its own doing
        case aiohttp.ContentTypeError():
            return ProtocolError("the answer does not have the content type that the provider expects")
        case aiohttp.TooManyRedirects():
            return ProtocolError("the host redirected too many times", phase="headers")
        case aiohttp.ClientHttpProxyError():
            return ProxyError("the proxy could not be used")
        case aiohttp.ClientResponseError() if error.__cause__ is None:
            return http_error(error.status, retry_after=retry_after(error.headers or {}))
        case aiohttp.ConnectionTimeoutError():
            return PhaseTimeoutError("no connection within the provider's own limit (connect timeout)", phase="connect")
        case TimeoutError():
            phase: Phase = "idle" if begun else "first_event"
            return PhaseTimeoutError(f"longer than the provider's own limit ({phase} timeout)", phase=phase)
        case aiohttp.ClientPayloadError():
            return _broken(error)
        case aiohttp.ClientError() | ConnectionError() | ssl.SSLError() if begun:
            return StreamBrokenError("the connection broke in the middle of the answer")
        case aiohttp.ClientError() | ConnectionError() | ssl.SSLError():
            failed = _translated(error, NO_TIMEOUT, sent=isinstance(error, aiohttp.ServerDisconnectedError))
            assert isinstance(failed, ProviderError)  # the rest are left out above
            return failed
        case socket.gaierror():
            return DNSError("the host's name does not resolve")
        case OSError() if error.errno in _OUT_OF:
            failed = ConnectError(f"this machine cannot connect: {os.strerror(error.errno)}")
            failed.is_local = True
            return failed
        case OSError() if error.errno in {errno.ENETUNREACH, errno.EHOSTUNREACH}:
            return ConnectError(f"cannot connect ({os.strerror(error.errno)})")
        case json.JSONDecodeError() | UnicodeDecodeError():
            return ProtocolError(f"the answer cannot be read ({type(error).__name__})")
        case _:
            return None


class _Read:
    """The response of the caller's aiohttp session, as a response of our transport."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response
        self.status: int = response.status
        self.headers: Mapping[str, str] = response.headers
        self.delimited: bool = "content-length" in response.headers or "transfer-encoding" in response.headers

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        try:
            async for data in self._response.content.iter_any():
                yield data
        except (aiohttp.ClientError, OSError) as error:
            failure = _broken(error)
        else:
            return
        raise failure  # outside the except block, as above


class _Proxied(aiohttp.TCPConnector):
    """Sends every call through one proxy; aiohttp itself needs it as an argument of each call."""

    def __init__(self, proxy: URL) -> None:
        super().__init__()
        self._proxy = proxy

    async def connect(
        self,
        req: aiohttp.ClientRequest,
        traces: list[Trace],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - aiohttp's own signature
    ) -> Connection:
        if req.proxy is None:
            req.update_proxy(self._proxy, None, None)
        return await super().connect(req, traces, timeout)


def get_connector(
    connector: aiohttp.BaseConnector | None = None, proxy: str | None = None, rdns: bool = False
) -> aiohttp.BaseConnector | None:
    """The connector for a session with a proxy: the given one; None without a proxy.

    ConfigError if the proxy is not an HTTP proxy. ``rdns`` is only for SOCKS, and is ignored.
    """
    del rdns
    url = _proxy_url(proxy or None)
    return connector if connector is not None or url is None else _Proxied(url)


class _LineResponse(aiohttp.ClientResponse):
    """An answer that can be read line by line."""

    async def iter_lines(self) -> AsyncGenerator[bytes, None]:
        """The lines of the body, without line ends."""
        async for line in self.content:
            yield line.rstrip(b"\r\n")

    async def iter_content(self) -> AsyncGenerator[bytes, None]:
        """The bytes of the body, as they arrive."""
        async for data in self.content.iter_any():
            yield data

    async def sse(self) -> AsyncGenerator[Any, None]:
        """The JSON of each server-sent event, until ``[DONE]``."""
        async for line in self.content:
            data = line.removeprefix(b"data:").strip()
            if not line.startswith(b"data:") or not data:
                continue
            if data == b"[DONE]":
                return
            yield json.loads(data)

    async def json(self, *, content_type: str | None = None, **options: Any) -> Any:
        """The body as JSON, with any content type."""
        return await super().json(content_type=content_type, **options)


class StreamSession:
    """An aiohttp session whose responses can be read line by line; ``async with`` returns the session itself.

    ``timeout`` is in seconds: the total, or a pair of the connect timeout and the total. ``proxies`` has the proxy
    under ``all`` or ``https``. ``impersonate`` is accepted and ignored: Segue does not pretend to be a browser.
    """

    def __init__(
        self,
        headers: Mapping[str, str] | None = None,
        *,
        timeout: float | tuple[float, float] | None = None,
        connector: aiohttp.BaseConnector | None = None,
        proxy: str | None = None,
        proxies: Mapping[str, str | None] | None = None,
        impersonate: str | None = None,
        **options: Any,
    ) -> None:
        del impersonate
        proxies = proxies or {}
        self._proxy = proxy or proxies.get("all") or proxies.get("https")
        self._connector = connector
        self._options = {"headers": headers, **options}
        if timeout is not None:
            connect, total = timeout if isinstance(timeout, tuple) else (None, timeout)
            self._options["timeout"] = aiohttp.ClientTimeout(total=total, connect=connect)
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> aiohttp.ClientSession:
        self._session = aiohttp.ClientSession(
            response_class=_LineResponse, connector=get_connector(self._connector, self._proxy), **self._options
        )
        return self._session

    async def __aexit__(self, *exc: object) -> None:
        if self._session is not None:
            await self._session.close()
