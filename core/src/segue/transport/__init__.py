"""Sends a `Call` and returns the bytes of the response; the only package that uses aiohttp."""

from __future__ import annotations

from ..wire import Call
from .deadlines import NO_TIMEOUT, Timeout, Watchdog, at_most, limits_with
from .error_table import foreign_error
from .exchange import answered, exchange, fetch
from .headers import rate_limits, retry_after
from .own_sessions import StreamSession, get_connector
from .seam import AddressesOf, Response, Transport
from .session import AiohttpTransport
from .statuses import raise_for_status

__all__ = [
    "NO_TIMEOUT",
    "AddressesOf",
    "AiohttpTransport",
    "Call",
    "Response",
    "StreamSession",
    "Timeout",
    "Transport",
    "Watchdog",
    "answered",
    "at_most",
    "exchange",
    "fetch",
    "foreign_error",
    "get_connector",
    "limits_with",
    "raise_for_status",
    "rate_limits",
    "retry_after",
]
