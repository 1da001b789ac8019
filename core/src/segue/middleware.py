"""What changes requests before they are asked, and answers before they are seen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from .events import Event
    from .messages import Request


CHANGES: Final = ("request", "events")
"""The methods of a middleware."""


class Middleware(Protocol):
    """Changes what is asked and what is answered; one object for all calls of a client, which may run side by side.

    Inherit from it and write what is wanted: the rest changes nothing. What it is given is read-only and without
    ``options``, ``extra_body`` and ``extra_headers``, which are put back afterwards; what it adds to them stands below
    what the caller gave.
    """

    def request(self, request: Request, /) -> Request:
        """The request as it is to be asked; called once a call, before anything is chosen. No I/O."""
        return request

    def events(self, events: AsyncIterator[Event], request: Request, /) -> AsyncIterator[Event]:  # noqa: ARG002 - for those who inherit
        """The answer as it is to be seen: an async generator over ``events``, the one `Finish` last.

        ``request`` is as its own `request` was given it.
        """
        return events
