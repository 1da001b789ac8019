"""The table from aiohttp's errors, and the system's, to ours."""

from __future__ import annotations

import errno
import json
import os
import socket
import ssl
from typing import TYPE_CHECKING, Final

import aiohttp
from aiohttp.http_exceptions import ContentEncodingError, HttpProcessingError
from yarl import URL

from ..errors import (
    ConfigError,
    ConnectError,
    DNSError,
    PhaseTimeoutError,
    ProtocolError,
    ProviderError,
    ProxyError,
    StreamBrokenError,
    TLSError,
    http_error,
)
from .deadlines import NO_TIMEOUT
from .headers import retry_after, says_page

if TYPE_CHECKING:
    from ..errors import Phase
    from .deadlines import Timeout
    from .pool import _Use


_OUT_OF: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL})


# What OpenSSL says of a first answer that is not a TLS record.
_NOT_TLS: Final = frozenset({
    "HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG", "RECORD_LAYER_FAILURE", "UNKNOWN_PROTOCOL", "WRONG_VERSION_NUMBER",
})  # fmt: skip


def too_late(phase: Phase, limit: float | None) -> PhaseTimeoutError:
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


def translated(error: Exception, timeout: Timeout, *, sent: bool) -> ProviderError | ConfigError:
    """The error of a call that got no headers, by aiohttp's type."""
    match error:
        case aiohttp.ConnectionTimeoutError() | TimeoutError():
            return too_late("connect", timeout.connect)
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


def _add_hint(failure: ProviderError | ConfigError, url: str, use: _Use, error: Exception) -> None:
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


def broken(error: Exception) -> ProviderError:
    """The error of a body that could not be read to its end."""
    if isinstance(error.__cause__, ContentEncodingError):
        return ProtocolError("the content encoding of the body is wrong")
    return StreamBrokenError("the connection broke in the middle of the answer")


def foreign_error(error: Exception, *, begun: bool) -> ProviderError | None:  # noqa: C901, PLR0912 - a table
    """Translate an error of aiohttp, a socket or a timer that a provider raised, by its type; None for other errors.

    ``begun`` is whether content had arrived. The result does not hold objects of aiohttp.
    """
    match error:
        case aiohttp.InvalidURL() | aiohttp.NonHttpUrlClientError() | PermissionError() | FileNotFoundError():
            return None  # its own doing
        case aiohttp.ContentTypeError():
            wrong = ProtocolError("the answer does not have the content type that the provider expects")
            wrong.is_page = says_page(error.headers or {})
            return wrong
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
            return broken(error)
        case aiohttp.ClientError() | ConnectionError() | ssl.SSLError() if begun:
            return StreamBrokenError("the connection broke in the middle of the answer")
        case aiohttp.ClientError() | ConnectionError() | ssl.SSLError():
            failed = translated(error, NO_TIMEOUT, sent=isinstance(error, aiohttp.ServerDisconnectedError))
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
