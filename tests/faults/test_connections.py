"""Faults of connections, F01 to F09 of the catalogue."""

from __future__ import annotations

import asyncio
import datetime as dt
import socket
import ssl
from typing import TYPE_CHECKING, Any, Self

import pytest
import trustme
from matrix import PLACES, WHOLE, Elsewhere, Fault, Host, RawHost, check, check_retried, client_of, meet

from segue import ConnectError, DNSError, PhaseTimeoutError, ProtocolError, Retry, Timeout, TLSError
from segue.testing import Answer, Drop, Raw, Stall
from segue.transport import AiohttpTransport

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from matrix import Place

    from segue.testing.loopback import Connection

both = pytest.mark.parametrize("stream", [True, False], ids=["stream", "chat"])
places = pytest.mark.parametrize("place", PLACES)

REFUSED = Fault("F01", lambda _: Elsewhere(), ConnectError, "connect", requests=0, retried=True)


@both
@places
async def test_f01_refused(stream: bool, place: Place) -> None:
    """F01: where nothing listens it is ConnectError, and the next target answers."""
    await check(REFUSED, stream=stream, place=place)


@both
async def test_f01_is_retried(stream: bool) -> None:
    """F01: a refused connection is tried again where a retry is allowed."""
    await check_retried(REFUSED, stream=stream)


class _BlackHole(Elsewhere):
    """A listener whose backlog is full: the kernel answers no further SYN."""

    def __init__(self) -> None:
        super().__init__("")
        self._sockets: list[socket.socket] = []

    async def __aenter__(self) -> Self:
        listener = socket.socket()
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        self._sockets.append(listener)
        for _ in range(4):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
            self._sockets.append(filler)
        self._url = f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        return self

    async def __aexit__(self, kind: object, *exc: object) -> None:
        for one in self._sockets:
            one.close()


BLACK_HOLE = Fault(
    "F02", lambda _: _BlackHole(), PhaseTimeoutError, "connect", requests=0, timeout=Timeout(connect=0.3)
)


@both
@places
async def test_f02_black_hole(stream: bool, place: Place) -> None:
    """F02: an address that never answers is PhaseTimeoutError of the phase connect (the catalogue's ConnectTimeout)."""
    await check(BLACK_HOLE, stream=stream, place=place)


@both
async def test_f02_is_not_retried(stream: bool) -> None:
    """F02: a connection that took too long is not tried again within the call."""
    await check_retried(BLACK_HOLE, stream=stream)


# ── names ────────────────────────────────────────────────────────────────────────────────────────────


async def _nxdomain(_: str) -> Sequence[str]:
    raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")


async def _servfail(_: str) -> Sequence[str]:
    raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")


async def _empty(_: str) -> Sequence[str]:
    return ()


async def _never(_: str) -> Sequence[str]:
    await asyncio.Event().wait()
    return ()


def _unnamed(addresses_of: Any, error: Any = DNSError, *, retried: bool = True) -> Fault:
    return Fault(
        "F03",
        lambda _: Elsewhere("http://faulty.localhost.example:9/v1"),
        error,
        "connect",
        requests=0,
        retried=retried,
        transport=lambda: AiohttpTransport(addresses_of=addresses_of, timeout=Timeout(connect=0.3)),
    )


NAMES = [
    pytest.param(_unnamed(_nxdomain), id="nxdomain"),
    pytest.param(_unnamed(_servfail), id="servfail"),
    pytest.param(
        _unnamed(_empty),
        id="empty",
    ),
    pytest.param(_unnamed(_never, PhaseTimeoutError, retried=False), id="slow"),
]


@pytest.mark.parametrize("fault", NAMES)
@both
@places
async def test_f03_names(fault: Fault, stream: bool, place: Place) -> None:
    """F03: a name without an address is DNSError; one that takes too long is PhaseTimeoutError of the phase connect."""
    await check(fault, stream=stream, place=place)


@pytest.mark.parametrize("fault", NAMES)
async def test_f03_retries(fault: Fault) -> None:
    """F03: a name that does not resolve is looked up again, one that took too long is not."""
    await check_retried(fault, stream=False)


async def test_f03_flapping() -> None:
    """F03: a name that resolves at the second try is answered, with one retry, and one request alone."""
    tries: list[str] = []

    async def flapping(name: str) -> Sequence[str]:
        tries.append(name)
        return ("127.0.0.1",) if len(tries) > 1 else await _servfail(name)

    async with Host(answer=WHOLE) as host, AiohttpTransport(addresses_of=flapping) as transport:
        url = host.url.replace("127.0.0.1", "faulty.localhost.example")
        retry = Retry(count=1, base=0.0)
        async with client_of({"faulty": url}, retry=retry, options={"transport": transport}) as client:
            met = await meet(client, ["faulty"], stream=True)
        assert met.text == WHOLE
        assert [one.outcome for one in met.attempts] == ["failed", "answered"]
        assert (len(tries), len(host.requests)) == (2, 1)


# ── TLS ──────────────────────────────────────────────────────────────────────────────────────────────


def _server(authority: trustme.CA, name: str = "127.0.0.1", expires: dt.datetime | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(name, not_after=expires).configure_cert(context)
    return context


ALERT = bytes([21, 3, 1, 0, 2, 2, 70])
"""The TLS alert of a server that speaks no version of the client's: protocol_version (RFC 8446, 6.2)."""


def _says(data: bytes, how: Any = "close") -> Elsewhere:
    """A host that answers a client's TLS greeting with these bytes and leaves."""

    async def serve(_: RawHost, connection: Connection) -> None:
        await connection.reader.read(65536)
        await connection.write(data)
        await connection.end(how)

    return Elsewhere(host=RawHost(serve), say=_secure)


def _secure(url: str) -> str:
    return url.replace("http://", "https://")


@pytest.mark.parametrize("how", ["untrusted", "expired", "wrong name", "plain text", "old version"])
@both
@places
async def test_f04_tls(how: str, stream: bool, place: Place, tmp_path: Path) -> None:
    """F04: no trusted TLS is TLSError, whatever is wrong with it, and not a byte of the request is sent."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    past = dt.datetime.now(dt.UTC) - dt.timedelta(days=1)
    sites: dict[str, Callable[[], Any]] = {
        "untrusted": lambda: Host(ssl=_server(trustme.CA())),
        "expired": lambda: Host(ssl=_server(authority, expires=past)),
        "wrong name": lambda: Host(ssl=_server(authority, "other.example")),
        "plain text": lambda: _says(b"HTTP/1.1 400 Bad Request\r\n\r\n"),
        "old version": lambda: _says(ALERT),
    }
    fault = Fault(
        f"F04 {how}", lambda _: sites[how](), TLSError, "connect", requests=0,
        options={"ca_file": str(tmp_path / "ca.pem")},
    )  # fmt: skip
    await check(fault, stream=stream, place=place)
    await check_retried(fault, stream=stream)


@pytest.mark.parametrize("how", ["close", "reset"])
@both
@places
async def test_f04_leaving_in_the_handshake(how: Any, stream: bool, place: Place) -> None:
    """F04: a host that leaves in the handshake has said nothing of TLS: that is ConnectError, and tried again."""
    fault = Fault("F04", lambda _: _says(b"", how), ConnectError, "connect", requests=0, retried=True)
    await check(fault, stream=stream, place=place)
    await check_retried(fault, stream=stream)


# ── before the answer ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("how", ["close", "reset"])
@both
@places
async def test_f05_while_sending(how: Any, stream: bool, place: Place) -> None:
    """F05: a host that leaves while the request is sent is ConnectError of the phase headers."""

    async def leave(_: RawHost, connection: Connection) -> None:
        await connection.reader.read(20)
        await connection.end(how)

    long = "x" * 1_000_000  # more than a fresh connection takes at once, so that some of it is still to be sent
    fault = Fault("F05", lambda _: RawHost(leave), ConnectError, "headers", requests=0, retried=True, prompt=long)
    await check(fault, stream=stream, place=place)
    await check_retried(fault, stream=stream)


@pytest.mark.parametrize("how", ["close", "reset"])
@both
async def test_f06_stale(how: Any, stream: bool) -> None:
    """F06: a kept connection that is closed on reuse is replaced once, without an attempt that a caller would see."""
    host = Host(script=[Answer(WHOLE), Drop(how=how), Answer(WHOLE)])
    async with host, client_of({"faulty": host.url}) as client:
        assert (await meet(client, ["faulty"], stream=False)).text == WHOLE
        met = await meet(client, ["faulty"], stream=stream)
        assert met.text == WHOLE
        assert [one.outcome for one in met.attempts] == ["answered"]
        assert (len(host.requests), host.connections) == (3, 2)


async def test_f06_a_streamed_answers_connection_is_kept() -> None:
    """F06: the connection of a streamed answer is used again, as that of a whole one is."""
    async with Host(answer=WHOLE) as host, client_of({"faulty": host.url}) as client:
        for _ in range(3):
            assert (await meet(client, ["faulty"], stream=True)).text == WHOLE
        assert (len(host.requests), host.connections) == (3, 1)


HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


@pytest.mark.parametrize("how", ["close", "reset"])
@pytest.mark.parametrize("at", [0, 1, 4, 9, 12, 16, 17, 18, 30, len(HEAD) - 3, len(HEAD) - 1])
@both
@places
async def test_f07_cut_in_the_head(how: Any, at: int, stream: bool, place: Place) -> None:
    """F07: a head that is cut anywhere is ConnectError of the phase headers."""
    fault = Fault("F07", lambda _: Host(script=[Raw(HEAD[:at], how=how)]), ConnectError, "headers", retried=True)
    await check(fault, stream=stream, place=place)


async def test_f07_every_byte() -> None:
    """F07: a cut of the head, at any byte, is an error of the phase headers, and the next target answers."""
    for at in range(len(HEAD)):
        script = [Raw(HEAD[:at])]
        async with Host(script=script) as host, Host(answer=WHOLE) as last:
            async with client_of({"faulty": host.url, "last": last.url}) as client:
                met = await meet(client, ["faulty", "last"], stream=True)
        assert met.text == WHOLE
        error = met.attempts[0].error
        assert isinstance(error, (ConnectError, ProtocolError)), at
        assert error.phase == "headers"


async def test_f07_is_retried() -> None:
    """F07: half a head is tried again where a retry is allowed."""
    await check_retried(Fault("F07", lambda _: Host(script=[Raw(HEAD[:9])]), ConnectError, retried=True), stream=True)


@pytest.mark.parametrize("where", ["headers", "first_event"])
@both
@places
async def test_f08_f09_silence(where: Any, stream: bool, place: Place) -> None:
    """F08, F09: silence before or after the head is PhaseTimeoutError of the phase first_event, and not tried again."""
    timeout = Timeout(first_event=0.3)
    fault = Fault("F08", lambda _: Host(script=[Stall(where)]), PhaseTimeoutError, "first_event", timeout=timeout)
    # The others have the same limit, so what they do must not take longer than it: they are on loopback.
    await check(fault, stream=stream, place=place)
    await check_retried(fault, stream=stream)


async def pings(host: RawHost, connection: Connection) -> None:
    """Headers, then comments until the client leaves."""
    await host.read(connection)
    await connection.write(HEAD)
    while True:
        await connection.write(b"8\r\n: ping\n\n\r\n")
        await asyncio.sleep(0.005)


@both
@places
async def test_f09_pings(stream: bool, place: Place) -> None:
    """F09: headers and then pings alone are no event: PhaseTimeoutError of the phase first_event."""
    timeout = Timeout(first_event=0.3)
    await check(
        Fault("F09", lambda _: RawHost(pings), PhaseTimeoutError, "first_event", timeout=timeout),
        stream=stream, place=place,
    )  # fmt: skip
