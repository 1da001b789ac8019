"""Middleware: it changes requests before they are sent, and answers before the caller gets them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from ..events import Event
    from ..messages import Request


CHANGES: Final = ("request", "events")
"""The methods of a middleware."""


class Middleware(Protocol):
    """Changes requests and answers; one object serves all calls of a client, which may run in parallel.

    Inherit from it and override the methods that you need; the others change nothing. The request is read-only and does
    not contain ``options``, ``extra_body`` and ``extra_headers``, which are restored afterwards; the caller's values in
    them override those that a middleware adds.
    """

    def request(self, request: Request, /) -> Request:
        """Return the request to send; called once per call, before the selection. No I/O."""
        return request

    def events(self, events: AsyncIterator[Event], request: Request, /) -> AsyncIterator[Event]:  # noqa: ARG002 - for those who inherit
        """Return the events for the caller: an async generator over ``events``, with the one `Finish` at the end.

        ``request`` is the same request that its own method `request` got.
        """
        return events
