"""Which addresses a call may go to, and the proxy between."""

from __future__ import annotations

import os
from ipaddress import IPv4Network, IPv6Address, ip_address
from typing import TYPE_CHECKING

from yarl import URL

from ..constraints import Text, is_address
from ..errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, Final


NO_NETWORK: Final = "SEGUE_NO_NETWORK"


_LOOPBACK: Final = IPv4Network("127.0.0.0/8")


def _is_proxy(proxy: str) -> bool:
    try:
        proxy_url(proxy)
    except ConfigError:
        return False
    return True


PROXY: Final = Text("an address such as http://127.0.0.1:3128", fits=_is_proxy)
"""The allowed values of an argument ``proxy``."""


def proxy_url(proxy: str | None) -> URL | None:
    if proxy is None:
        return None
    try:
        url = URL(proxy)
    except ValueError:
        url = URL()
    if url.scheme not in {"http", "https"} or not url.host or not is_address(proxy):
        raise ConfigError("proxy must be a URL like http://127.0.0.1:3128")  # the value may hold a password
    return url


def environment_has(name: str) -> bool:
    """Whether a variable is set, to something else than 0.

    For a missing variable ``os.environ`` raises an exception, which costs as much as a TCP write.
    """
    if _VARIABLES is not None and os.environ is _ENVIRON and _ENVIRON.encodekey(name) not in _VARIABLES:
        return False
    return os.environ.get(name, "0") not in {"", "0"}


_ENVIRON: Final = os.environ


_VARIABLES: Final[Mapping[Any, Any] | None] = getattr(_ENVIRON, "_data", None)


def refuse_network(switch: str, url: str, proxy: URL | None) -> None:
    """ConfigError, not ProviderError: for a chain it must not be an outage that its next candidate can survive."""
    for what, goal in (("", URL(url)), ("the proxy ", proxy)):
        if goal is not None and not _is_here(goal):
            raise ConfigError(f"{switch} is set: {what}{goal.raw_host or 'the address'} is not on this machine")


def _is_here(url: URL) -> bool:
    """Whether an address is written as one of this machine's; nothing else is believed, and no name looked up."""
    # As aiohttp reads it: another reader's idea of where the host stands would be a way out.
    host = url.raw_host or ""
    try:
        address = ip_address(host)
    except ValueError:
        return host == "localhost"
    return address == IPv6Address("::1") or address in _LOOPBACK
