"""The transport on real sockets: what goes wrong, and what a caller sees of it."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import ssl
import zlib
from contextlib import aclosing
from email.utils import formatdate
from typing import TYPE_CHECKING, Any

import pytest
import trustme

from segue import (
    ConfigError,
    ConnectError,
    DNSError,
    HTTPError,
    OverloadedError,
    PhaseTimeoutError,
    ProtocolError,
    ProviderError,
    ProxyError,
    RateLimitError,
    StreamBrokenError,
    TextDelta,
    Timeout,
    TLSError,
)
from segue.testing import Answer, Body, Drop, OpenAIHost, ProxyHost, Raw, Stall, Status, refused_url
from segue.transport import AiohttpTransport, exchange, retry_after
from segue.wire import Call
from segue.wire.openai_chat import Decoder

if TYPE_CHECKING:
    from pathlib import Path

KEY = "canary-0123456789"
ASKED = b'{"model":"m","messages":[{"role":"user","content":"x"}],"stream":true}'


def call(url: str, **headers: str) -> Call:
    return Call(f"{url}/chat/completions", {"authorization": f"Bearer {KEY}", **headers}, ASKED)


async def ask(transport: AiohttpTransport, url: str) -> str:
    async with aclosing(exchange(transport, call(url), Decoder())) as events:
        return "".join([event.text async for event in events if isinstance(event, TextDelta)])


async def failure(url: str, **options: Any) -> BaseException:
    """The error of one call; it never shows the key or aiohttp's exception."""
    async with AiohttpTransport(**options) as transport:
        with pytest.raises((ProviderError, ConfigError)) as caught:
            await ask(transport, url)
    error = caught.value
    assert KEY not in f"{error!r} {error} {error.args} {getattr(error, 'body', '')}"
    assert error.__cause__ is None
    assert "aiohttp" not in type(error.__context__).__module__
    return error


async def test_refused() -> None:
    """A refused connection is ConnectError, in the phase connect."""
    error = await failure(refused_url())
    assert isinstance(error, ConnectError)
    assert (error.phase, error.retryable, error.next_may_help) == ("connect", True, True)


async def test_a_name_that_does_not_resolve() -> None:
    """A name that does not resolve is DNSError."""
    assert isinstance(await failure("http://nowhere.invalid"), DNSError)


@pytest.mark.parametrize("url", ["nonsense", "ftp://127.0.0.1/"])
async def test_an_address_that_is_none(url: str) -> None:
    """An address that cannot be asked is the user's to mend."""
    assert isinstance(await failure(url), ConfigError)


async def test_a_header_with_a_line_break_is_not_sent() -> None:
    """A key with a line break in it never reaches the wire."""
    async with OpenAIHost() as host, AiohttpTransport() as transport:
        with pytest.raises(ConfigError):
            async with transport.open(call(host.url, authorization="Bearer a\r\nx: y")):
                pass
        assert host.requests == []


async def test_statuses_are_typed() -> None:
    """A redirect is an error and not followed; 503 and 429 have types, and 429 its hint."""
    async with OpenAIHost() as other:
        script = [
            Status(302, headers={"location": other.url}),
            Status(503),
            Status(429, retry_after="7"),
            Status(500, message=f"you sent Bearer {KEY}"),
        ]
        async with OpenAIHost(script=script) as host:
            redirect = await failure(host.url)
            assert isinstance(redirect, HTTPError)
            assert redirect.status == 302
            assert isinstance(await failure(host.url), OverloadedError)
            limited = await failure(host.url)
            assert isinstance(limited, RateLimitError)
            assert limited.retry_after == 7
            assert getattr(await failure(host.url), "body", "")
        assert other.requests == []


@pytest.mark.parametrize("coding", ["br", "zstd", "x-unknown"])
async def test_a_coding_that_was_not_asked_for(coding: str) -> None:
    """A content coding that was not asked for is ProtocolError."""
    async with OpenAIHost(script=[Body(b"abc", headers={"content-encoding": coding})]) as host:
        assert isinstance(await failure(host.url), ProtocolError)


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
async def test_asked_codings_are_read(coding: str) -> None:
    """gzip and deflate are read; what is none is an error of ours."""
    body = OpenAIHost.sse_body(["coded"])
    coded = gzip.compress(body) if coding == "gzip" else zlib.compress(body)
    headers = {"content-encoding": coding}
    async with OpenAIHost(script=[Body(coded, headers=headers), Body(b"no" * 40, headers=headers)]) as host:
        async with AiohttpTransport() as transport:
            assert await ask(transport, host.url) == "coded"
        assert isinstance(await failure(host.url), (ProtocolError, StreamBrokenError))


async def test_a_coded_body_that_ends_early_is_no_whole_answer() -> None:
    """A gzip body that ends after the finish reason, in a framing that is whole, is StreamBrokenError."""
    coded = gzip.compress(OpenAIHost.sse_body(["coded"]))[:-30]
    async with OpenAIHost(script=[Body(coded, headers={"content-encoding": "gzip"})]) as host:
        assert isinstance(await failure(host.url), StreamBrokenError)


async def test_a_bomb_is_stopped() -> None:
    """An answer larger than the limit, once decoded, is ProtocolError."""
    bomb = gzip.compress(b": " + b"x" * 4_000_000)
    async with OpenAIHost(script=[Body(bomb, headers={"content-encoding": "gzip"})]) as host:
        assert isinstance(await failure(host.url, max_bytes=1_000_000), ProtocolError)


async def test_what_is_no_http() -> None:
    """An answer that is not HTTP is ProtocolError; half a head is ConnectError in the phase headers."""
    async with OpenAIHost(script=[Raw(b"garbage\r\n\r\n"), Raw(b"HTTP/1.1 200 OK\r\ncontent-")]) as host:
        assert isinstance(await failure(host.url), ProtocolError)
        half = await failure(host.url)
        assert isinstance(half, ProviderError)
        assert half.phase == "headers"


async def test_tls(tmp_path: Path) -> None:
    """A certificate that is not trusted is TLSError; with its authority as ca_file it is; plain text is TLSError."""
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    async with OpenAIHost(answer="secure", ssl=context) as host:
        assert isinstance(await failure(host.url), TLSError)
        async with AiohttpTransport(ca_file=str(tmp_path / "ca.pem")) as transport:
            assert await ask(transport, host.url) == "secure"

    def say(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(say, "127.0.0.1", 0) as plain:
        port = plain.sockets[0].getsockname()[1]
        assert isinstance(await failure(f"https://127.0.0.1:{port}"), TLSError)
    missing = await failure("https://127.0.0.1:1", ca_file=str(tmp_path / "none.pem"))
    assert "none.pem" in str(missing)


async def test_the_proxy() -> None:
    """A proxy is used when given; a dead one is ProxyError; what is no URL is refused without showing it."""
    async with OpenAIHost(answer="hi") as host, ProxyHost() as proxy:
        async with AiohttpTransport(proxy=proxy.url) as transport:
            assert await ask(transport, host.url) == "hi"
        assert len(proxy.requests) == 1
        assert isinstance(await failure(host.url, proxy=refused_url()), ProxyError)
    for wrong in ("user:secret@host", "http://[", "socks5://127.0.0.1:1"):
        with pytest.raises(ConfigError) as caught:
            AiohttpTransport(proxy=wrong)
        assert "secret" not in str(caught.value)


async def test_connections_are_kept() -> None:
    """Calls one after the other share a connection."""
    async with OpenAIHost() as host, AiohttpTransport() as transport:
        for _ in range(3):
            await ask(transport, host.url)
        assert (len(host.requests), host.connections) == (3, 1)


@pytest.mark.parametrize("how", ["close", "reset"])
async def test_a_stale_connection_is_replaced_once(how: Any) -> None:
    """A kept connection that was closed under us is replaced without a word; a second one is an error."""
    script = [Answer("one"), Drop(how=how), Answer("two"), Drop(how=how), Drop(how=how)]
    async with OpenAIHost(script=script) as host, AiohttpTransport() as transport:
        assert await ask(transport, host.url) == "one"
        assert await ask(transport, host.url) == "two"
        with pytest.raises(ConnectError):
            await ask(transport, host.url)
        assert len(host.requests) == 5


async def test_what_was_answered_in_part_is_not_sent_again() -> None:
    """A fresh connection that drops, and a kept one that had begun to answer, are errors: nothing is sent twice."""
    script = [Drop(), Answer("one"), Raw(b"HTTP/1.1 2")]
    async with OpenAIHost(script=script) as host, AiohttpTransport() as transport:
        with pytest.raises(ConnectError):
            await ask(transport, host.url)
        assert await ask(transport, host.url) == "one"
        with pytest.raises(ProviderError):
            await ask(transport, host.url)
        assert len(host.requests) == 3


@pytest.mark.parametrize(
    ("where", "framing", "phase"),
    [("headers", "chunked", "first_event"), ("middle", "chunked", "idle"), ("middle", "close", "idle")],
)
async def test_stalls_are_timeouts_by_phase(where: Any, framing: Any, phase: str) -> None:
    """A stall ends in the time of its phase, as a TimeoutError too."""
    async with OpenAIHost(script=[Stall(where)], framing=framing) as host:
        error = await failure(host.url, timeout=Timeout(first_event=0.05, idle=0.05))
        assert isinstance(error, PhaseTimeoutError)
        assert isinstance(error, TimeoutError)
        assert error.phase == phase


async def test_leaving_and_cancelling_close_the_connection() -> None:
    """Whoever leaves a stream early, or is cancelled, has closed the connection to the host."""
    async with OpenAIHost(script=[Stall("middle")]) as host, AiohttpTransport() as transport:
        async with aclosing(exchange(transport, call(host.url), Decoder())) as events:
            await anext(events)
        await asyncio.wait_for(host.until_closed(), 5)
        task = asyncio.create_task(ask(transport, host.url))
        await host.until_requests(2)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        assert task.cancelled()
        await asyncio.wait_for(host.until_closed(), 5)


NOW = 1_790_000_000.0


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "3"}, 3),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after": "0"}, 0),
        ({"retry-after": "1e9"}, 1e9),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": formatdate(NOW + 30, usegmt=True)}, 30),
        ({"retry-after": formatdate(NOW - 30, usegmt=True)}, 0),
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
        ({"retry-after-ms": "x", "retry-after": "9"}, 9),
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "6m0s"}, 360),
        ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "1d2h3.5s"}, 93_603.5),
        ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "20ms"}, 0.02),
        ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "later"}, None),
        ({"x-ratelimit-remaining-tokens": "5", "x-ratelimit-reset-tokens": "1s"}, None),
        ({}, None),
    ],
)
def test_retry_after_in_all_forms(headers: dict[str, str], seconds: float | None) -> None:
    """Each form of the hint gives its seconds; nonsense gives none."""
    assert retry_after(headers, now=lambda: NOW) == seconds
