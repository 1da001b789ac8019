"""Sessions of aiohttp that a provider holds itself, as files of other projects do."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import aiohttp

from ..frames import forgetful
from .addresses import proxy_url

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping
    from typing import Any

    from aiohttp.connector import Connection
    from aiohttp.tracing import Trace
    from yarl import URL


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


@forgetful
def get_connector(
    connector: aiohttp.BaseConnector | None = None, proxy: str | None = None, rdns: bool = False
) -> aiohttp.BaseConnector | None:
    """The connector for a session with a proxy: the given one; None without a proxy.

    ConfigError if the proxy is not an HTTP proxy. ``rdns`` is only for SOCKS, and is ignored.
    """
    del rdns
    url = proxy_url(proxy or None)
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

    @forgetful
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
