"""The error of a response whose status is not a success."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Final

import aiohttp

from ..errors import PermissionDeniedError, ProviderError, http_error
from ..wire import error_body
from ..wire.blotting import blot, credentials_of, secrets_of
from .error_table import broken
from .headers import request_id_of, retry_after

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

    from ..errors import HTTPError
    from ..wire import Call
    from .seam import Response


MAX_ERROR_BYTES: Final = 64 * 1024
"""How much of an error's body is read; the fields of a longer body are unknown."""


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
    url, headers = ("", {}) if call is None or isinstance(call, str) else (call.url, call.headers)
    secrets = secrets_of(url=url, headers=headers)
    if isinstance(response, aiohttp.ClientResponse):
        url, headers = str(response.request_info.real_url), response.request_info.headers
        secrets += secrets_of(url=url, headers=headers)
        response = ForeignResponse(response)
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
        request_id=request_id_of(response.headers),
    )
    if isinstance(call, str):
        error.args = (call,)
    if response.headers.get("x-should-retry", "").lower() == "false":
        error.retryable = False  # OpenAI and Anthropic say so where the status alone would mislead
    blot(error, secrets, is_read=True)
    note_credentials(error, url, headers)
    return error


def note_credentials(error: HTTPError, url: str, headers: Mapping[str, str]) -> None:
    """Note in the error of a refused credential where the request had one."""
    if error.refuses_credential or isinstance(error, PermissionDeniedError):
        error.sent_credentials = credentials_of(url=url, headers=headers)


class ForeignResponse:
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
            failure = broken(error)
        else:
            return
        raise failure  # outside the except block, as above
