"""What a transport is: it sends a call and returns the bytes of the response."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
    from contextlib import AbstractAsyncContextManager
    from typing import TypeAlias

    from ..wire import Call


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
