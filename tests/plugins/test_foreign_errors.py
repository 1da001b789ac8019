"""What a plugin lets out of aiohttp, a socket or a clock is one of our errors, by its type and fields alone."""

from __future__ import annotations

import errno
import json
import socket
import ssl
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from segue import (
    Client,
    ConfigError,
    ConnectError,
    DNSError,
    PhaseTimeoutError,
    ProtocolError,
    ProviderError,
    ProxyError,
    RateLimitError,
    Retry,
    SegueError,
    StreamBrokenError,
    TLSError,
)
from segue.plugin import AsyncGeneratorProvider, raise_for_status
from segue.testing import CromicleHost, Status
from segue.transport import foreign_error, get_connector

if TYPE_CHECKING:
    from collections.abc import Mapping

SECRET = "sk-canary-1234567890"


def asked() -> aiohttp.RequestInfo:
    headers = CIMultiDictProxy(CIMultiDict({"authorization": f"Bearer {SECRET}"}))
    return aiohttp.RequestInfo(URL("http://a.example/x"), "POST", headers, URL("http://a.example/x"))


def answered(status: int, headers: Mapping[str, str] | None = None) -> aiohttp.ClientResponseError:
    told = None if headers is None else CIMultiDict(headers)
    return aiohttp.ClientResponseError(asked(), (), status=status, message="no", headers=told)


def caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


KEY = aiohttp.client_reqrep.ConnectionKey(
    "a.example", 443, is_ssl=True, ssl=True, proxy=None, proxy_auth=None, proxy_headers_hash=None
)
OUT = OSError(errno.EMFILE, "x")

# What is raised, before content and after it, and what it becomes.
TABLE: list[tuple[Exception, type[ProviderError] | None, type[ProviderError] | None]] = [
    (answered(429, {"retry-after": "3"}), RateLimitError, RateLimitError),
    (caused(answered(400), aiohttp.http_exceptions.BadStatusLine("x")), ProtocolError, StreamBrokenError),
    (aiohttp.ContentTypeError(asked(), (), status=200), ProtocolError, ProtocolError),
    (aiohttp.TooManyRedirects(asked(), ()), ProtocolError, ProtocolError),
    (aiohttp.ClientHttpProxyError(asked(), (), status=407), ProxyError, ProxyError),
    (aiohttp.ClientProxyConnectionError(KEY, OSError(111, "x")), ProxyError, StreamBrokenError),
    (aiohttp.ClientConnectorDNSError(KEY, OSError(1, "x")), DNSError, StreamBrokenError),
    (aiohttp.ClientConnectorCertificateError(KEY, ssl.SSLCertVerificationError("x")), TLSError, StreamBrokenError),
    (aiohttp.ClientConnectorError(KEY, OSError(111, "x")), ConnectError, StreamBrokenError),
    (aiohttp.ServerDisconnectedError(), ConnectError, StreamBrokenError),
    (aiohttp.ClientOSError(104, "x"), ConnectError, StreamBrokenError),
    (aiohttp.ClientPayloadError("x"), StreamBrokenError, StreamBrokenError),
    (aiohttp.ConnectionTimeoutError(), PhaseTimeoutError, PhaseTimeoutError),
    (aiohttp.SocketTimeoutError(), PhaseTimeoutError, PhaseTimeoutError),
    (TimeoutError(), PhaseTimeoutError, PhaseTimeoutError),
    (ConnectionRefusedError(111, "x"), ConnectError, StreamBrokenError),
    (ssl.SSLError("x"), TLSError, StreamBrokenError),
    (socket.gaierror(-2, "x"), DNSError, DNSError),
    (OUT, ConnectError, ConnectError),
    (OSError(errno.ENETUNREACH, "x"), ConnectError, ConnectError),
    (json.JSONDecodeError("x", SECRET, 0), ProtocolError, ProtocolError),
    (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "x"), ProtocolError, ProtocolError),
    (aiohttp.InvalidURL("x"), None, None),
    (FileNotFoundError(2, "x"), None, None),
    (OSError(errno.EIO, "x"), None, None),
    (KeyError("x"), None, None),
]


@pytest.mark.parametrize(("raised", "before", "after"), TABLE, ids=lambda one: type(one).__name__)
async def test_by_type_before_and_after_content(
    raised: Exception, before: type[ProviderError] | None, after: type[ProviderError] | None
) -> None:
    """What a generator raises becomes this type, another one once it has given text, and shows no key."""

    class Raises(AsyncGeneratorProvider):
        models = ("a", "b")

        @classmethod
        async def create_async_generator(
            cls, model: str, messages: Any, proxy: str | None = None, **kwargs: Any
        ) -> Any:
            if model == "b":
                yield "text"
            raise raised

    async with Client(providers=[Raises], config=False, plugins=False, retry=Retry(count=0)) as client:
        for model, wanted in (("a", before), ("b", after)):
            with pytest.raises(ProviderError) as caught:
                await client.chat("Hello", model=f"raises/{model}")
            error = caught.value
            assert type(error) is (wanted or ProviderError)
            if wanted is None:
                assert (error.phase, error.__cause__) == ("plugin", raised)
                continue
            assert error.__cause__ is error.__context__ is None
            assert SECRET not in repr(error) + str(error) + repr(vars(error))


def test_the_fields_count() -> None:
    """The wait is in the headers, the phase in what had come, and whether it is this machine in the number."""
    limited = foreign_error(answered(429, {"retry-after": "3"}), begun=False)
    assert isinstance(limited, RateLimitError)
    assert limited.retry_after == 3
    phases = [getattr(foreign_error(TimeoutError(), begun=begun), "phase", "") for begun in (False, True)]
    assert phases == ["first_event", "idle"]
    local = foreign_error(OUT, begun=False)
    assert isinstance(local, ConnectError)
    assert local.is_local


async def test_the_status_of_somebodys_session() -> None:
    """`raise_for_status` types the answer of an aiohttp session, keeps its body without the key, and takes words."""
    body = f'{{"error": {{"message": "{SECRET}", "code": "insufficient_quota"}}}}'.encode()
    steps = [Status(429, body=body), Status(418)]
    async with CromicleHost(script=steps) as host, aiohttp.ClientSession() as session:
        headers = {"authorization": f"Bearer {SECRET}"}
        async with session.post(f"{host.url}/chat", headers=headers) as response:
            with pytest.raises(RateLimitError) as caught:
                await raise_for_status(response)
        assert (caught.value.code, caught.value.retryable) == ("insufficient_quota", False)
        assert SECRET not in caught.value.body
        async with session.post(f"{host.url}/chat") as response:
            with pytest.raises(SegueError, match="a teapot"):
                await raise_for_status(response, "a teapot")


def test_a_connector_is_for_a_proxy() -> None:
    """Without a proxy there is no connector, a given one stays, and a SOCKS address is refused."""
    assert get_connector() is None
    assert get_connector(None, "") is None
    with pytest.raises(ConfigError, match="proxy must be"):
        get_connector(proxy="socks5://127.0.0.1:1")
