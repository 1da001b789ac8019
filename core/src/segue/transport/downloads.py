"""Downloads images and files for hosts that do not accept URLs; off unless the caller allows it.

A URL may come from anyone who can add text to a conversation, and this machine may reach hosts that they cannot
reach. So a download uses https, goes only to public addresses, and connects to exactly the addresses that were
checked: `checked` parses a URL once, in the same way as aiohttp, and its result is what is requested. Each redirect
is checked again. A download sends no cookie, key or referrer, and uses no proxy.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import TYPE_CHECKING, Final, TypeAlias

from yarl import URL

from ..constraints import Count, Port, Positive, Seconds, check_fields
from ..errors import DownloadError, ProviderError, TimeIsUpError
from ..messages import FilePart, ImagePart, image_type
from ..values import dataclass
from . import NO_TIMEOUT, AiohttpTransport, Call, at_most

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from ..messages import Message, Part, Request
    from . import Response

IPAddress: TypeAlias = IPv4Address | IPv6Address
Addressed: TypeAlias = ImagePart | FilePart
"""A part that may have a URL."""

MEBIBYTE: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Downloads:
    """Limits of downloads: ``max_bytes`` for each and ``total_bytes`` for a call, both decoded.

    ``timeout`` is in seconds, for all downloads of one candidate; ``hops`` is how many redirects are followed;
    ``ports`` are the allowed ports. ValueError if a limit is not valid.
    """

    max_bytes: Positive = 20 * MEBIBYTE
    total_bytes: Positive = 50 * MEBIBYTE
    timeout: Seconds = 10.0
    hops: Count = 3
    ports: tuple[Port, ...] = (443,)

    def __post_init__(self) -> None:
        check_fields(self)


# ── which addresses ──────────────────────────────────────────────────────────────────────────────────

# Beside what Python calls not global: Azure's host of virtual machines, which answers from a public address;
# 6to4's relays (RFC 7526); IETF protocol assignments, in which newer Pythons see exceptions.
_NOT_V4: Final = (
    IPv4Network("168.63.129.16/32"),
    IPv4Network("192.88.99.0/24"),
    IPv4Network("192.0.0.0/24"),
)
# All of IPv6 that is given to networks today (RFC 4291 2.4). Outside are, beside loopback, link-local, local
# (fd00:ec2::254 is Amazon's metadata) and multicast: IPv4-compatible and -translated ones, NAT64's local prefix.
_GLOBAL_V6: Final = IPv6Network("2000::/3")
# Teredo and other IETF assignments, documentation, 6to4: inside of them are other addresses, or nobody.
_NOT_V6: Final = (
    IPv6Network("2001::/23"),
    IPv6Network("2001:db8::/32"),
    IPv6Network("2002::/16"),
    IPv6Network("3fff::/20"),
)
# What DNS64 makes of the addresses of hosts that have IPv4 alone (RFC 6052): the one inside counts.
_NAT64: Final = IPv6Network("64:ff9b::/96")
# The last half of an ISATAP address: this, with one bit either way, and an IPv4 address (RFC 5214 6.1).
_ISATAP: Final = 0x0000_5EFE

_MOST_CHARACTERS: Final = 8192
# What URL parsers disagree about, so that none is to see it.
_AMBIGUOUS: Final = re.compile(r"[\x00-\x20\x7f-\xa0\\]")
# With a dot in it; the last label begins with a letter, as a name's does and a number's in no notation.
_NAME: Final = re.compile(
    r"(?=.{1,253}\Z)(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)+[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?"
)


def is_public(address: IPAddress) -> bool:
    """Whether the address is public: not local, reserved or internal, also if it is embedded in another address."""
    match address:
        case IPv4Address():
            return address.is_global and not address.is_multicast and not any(address in net for net in _NOT_V4)
        case IPv6Address():
            if address.scope_id is not None:
                return False
            inner = address.ipv4_mapped or (IPv4Address(int(address) & 0xFFFF_FFFF) if address in _NAT64 else None)
            if inner is not None:
                return is_public(inner)
            is_isatap = (int(address) >> 32) & 0xFDFF_FFFF == _ISATAP
            return address in _GLOBAL_V6 and not is_isatap and not any(address in net for net in _NOT_V6)


def checked(address: str, limits: Downloads, allowed: Callable[[IPAddress], bool] = is_public) -> URL:
    """The URL to request for an allowed address; DownloadError for any other.

    If its host is a name, the addresses of that name still have to be checked.
    """
    if len(address) > _MOST_CHARACTERS:
        raise DownloadError(f"the address to download is longer than {_MOST_CHARACTERS} characters")
    if _AMBIGUOUS.search(address):
        raise DownloadError("the address to download contains spaces, control characters or backslashes")
    url = _read(address)
    host, port = url.raw_host, url.port
    if url.scheme != "https" or not host:
        raise DownloadError("the address to download does not start with https://")
    if url.raw_user is not None or url.raw_password is not None or "@" in url.raw_authority:
        raise DownloadError("the address to download contains a user or a password")
    if port not in limits.ports:
        raise DownloadError(f"the address to download has a port other than {', '.join(map(str, limits.ports))}")
    again = _read(str(url))
    if (again.scheme, again.raw_host, again.port) != (url.scheme, host, port):
        raise DownloadError("the address to download is ambiguous")
    try:
        literal = ip_address(host)
    except ValueError:
        if not _NAME.fullmatch(host):
            raise DownloadError("the address to download does not have a public host name") from None
    else:
        _check_all([literal], allowed)
    return url


def _read(address: str) -> URL:
    try:
        url = URL(address).with_fragment(None)
        _ = url.host, url.port  # both are read when they are asked for, and may be wrong
    except ValueError:  # with UnicodeError, of a name that IDNA does not know
        pass
    else:
        return url
    raise DownloadError("the address to download is not valid")


def _check_all(addresses: Sequence[IPAddress], allowed: Callable[[IPAddress], bool]) -> None:
    if not addresses or not all(map(allowed, addresses)):
        # Which ones they are is not told: the answer would map a network for whoever wrote the address.
        raise DownloadError("the address to download is not on the public internet")


async def system_addresses(host: str) -> Sequence[str]:
    """All IPv4 and IPv6 addresses of a name, from the system; OSError if there are none."""
    found = await asyncio.get_running_loop().getaddrinfo(host, 443, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found))


# ── what it is ───────────────────────────────────────────────────────────────────────────────────────

_SIGNATURES: Final = (
    (b"%PDF-", "application/pdf"),
    (b"PK\x03\x04", "application/zip"),
    (b"ID3", "audio/mpeg"),
    (b"\xff\xfb", "audio/mpeg"),
    (b"\xff\xf3", "audio/mpeg"),
    (b"\xff\xf2", "audio/mpeg"),
    (b"fLaC", "audio/flac"),
    (b"OggS", "audio/ogg"),
)
_NOTHING_SAID: Final = frozenset({"", "application/octet-stream", "binary/octet-stream"})
_TEXTUAL: Final = frozenset({"application/json", "application/xml", "application/yaml", "application/x-yaml"})
_CONTROLS: Final = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")


def sniffed(data: bytes) -> str | None:
    """The media type by the content; None if it is unknown."""
    image = image_type(data)
    if image is not None:
        return image
    if data[:4] == b"RIFF" and data[8:12] == b"WAVE":
        return "audio/wav"
    for signature, media_type in _SIGNATURES:
        if data.startswith(signature):
            return media_type
    if not data or _CONTROLS.search(data):
        return None
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return None
    return "text/plain"


def file_type(data: bytes, declared: str | None) -> str:
    """The media type of a file; DownloadError if its content and the ``declared`` type do not agree."""
    shown = sniffed(data)
    if shown is None:
        raise DownloadError("the type of the downloaded file is unknown by its content")
    said = (declared or "").partition(";")[0].strip().lower()
    if said in _NOTHING_SAID or said == shown:
        return shown
    match shown:
        case "text/plain" if said.startswith("text/") or said in _TEXTUAL:
            return said
        case "application/zip" if said.startswith("application/vnd.") or said == "application/epub+zip":
            return said  # the documents of offices are archives
        case _ if shown.startswith("audio/") and said.startswith("audio/"):
            return shown
        case _:
            raise DownloadError(f"the downloaded file is {shown}, but it was declared as another type")


# ── fetching ─────────────────────────────────────────────────────────────────────────────────────────

_HEADERS: Final = {"accept": "*/*", "accept-encoding": "gzip"}
_CODINGS: Final = frozenset({"", "identity", "gzip"})
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_AT_ONCE: Final = 8


@dataclass(frozen=True, slots=True)
class File:
    """A downloaded file, and the media type that its host declared."""

    data: bytes
    declared: str | None


class Fetcher:
    """Downloads files within the limits.

    ``addresses_of`` resolves a name; ``allowed`` decides which of the addresses it may connect to.
    """

    def __init__(
        self,
        limits: Downloads,
        *,
        ca_file: str | None = None,
        loopback_only: bool = False,
        addresses_of: Callable[[str], Awaitable[Sequence[str]]] = system_addresses,
        allowed: Callable[[IPAddress], bool] = is_public,
    ) -> None:
        self.limits = limits
        self._ca_file = ca_file
        self._loopback_only = loopback_only
        self._addresses_of = addresses_of
        self._allowed = allowed

    def downloading(self, request: Request) -> Downloading | None:
        """The downloads of one call; None if no part of it has a URL."""
        addressed = any(_is_addressed(part) for message in request.messages for part in message.parts)
        return Downloading(self) if addressed else None

    def transport(self) -> AiohttpTransport:
        """A transport without a proxy, which connects only to checked addresses."""
        return AiohttpTransport(
            timeout=NO_TIMEOUT,  # one limit stands above all of it
            ca_file=self._ca_file,
            loopback_only=self._loopback_only,
            addresses_of=self._looked_up,
        )

    async def fetch(self, transport: AiohttpTransport, address: str, budget: Budget) -> File:
        """Download a file, with up to ``hops`` redirects; DownloadError if that fails or is not allowed."""
        for _ in range(self.limits.hops + 1):
            url = checked(address, self.limits, self._allowed)
            try:
                async with transport.open(Call(str(url), _HEADERS, b"", method="GET")) as response:
                    if response.status not in _REDIRECTS:
                        return await self._read(response, budget)
                    address = _onward(url, response)
            except DownloadError as error:
                failure = DownloadError(f"{url.raw_host}: {error}", status=error.status)
            except ProviderError as error:
                failure = DownloadError(f"{url.raw_host}: {error}")
            else:
                continue
            raise failure
        raise DownloadError(f"the download was redirected more than {self.limits.hops} times")

    async def _looked_up(self, host: str) -> Sequence[str]:
        """The addresses of a name, if all of them are allowed: a name with one forbidden address is refused."""
        addresses = await self._addresses_of(host)
        _check_all([ip_address(address) for address in addresses], self._allowed)
        return addresses

    async def _read(self, response: Response, budget: Budget) -> File:
        headers = response.headers
        if response.status != 200:
            raise DownloadError(f"HTTP {response.status}", status=response.status)
        if headers.get("content-encoding", "").strip().lower() not in _CODINGS:
            raise DownloadError("the response has a content encoding other than gzip", status=200)
        length = headers.get("content-length")
        if length is None and "transfer-encoding" not in headers:
            raise DownloadError("the response has neither a length nor chunks", status=200)
        most = self.limits.max_bytes
        if length is not None and length.isdecimal() and int(length[:20]) > most:
            raise DownloadError(f"the file is larger than {most} bytes", status=200)
        body = bytearray()
        async with contextlib.aclosing(response.chunks()) as chunks:
            async for data in chunks:
                body += data
                if len(body) > most:
                    raise DownloadError(f"the file is larger than {most} bytes", status=200)
                budget.take(len(data))
        return File(bytes(body), headers.get("content-type"))


def _onward(url: URL, response: Response) -> str:
    """Where a redirect leads."""
    location = response.headers.get("location")
    if location is None or _AMBIGUOUS.search(location):
        raise DownloadError("the redirect does not have an address", status=response.status)
    try:
        return str(url.join(URL(location)))
    except ValueError:
        raise DownloadError("the redirect does not have a valid address", status=response.status) from None


class Budget:
    """The bytes that a call may still download."""

    __slots__ = ("_left", "_total")

    def __init__(self, total: int) -> None:
        self._left = self._total = total

    def take(self, size: int) -> None:
        """Count these bytes; DownloadError if they are too many."""
        self._left -= size
        if self._left < 0:
            raise DownloadError(f"the downloads of one call are larger than {self._total} bytes in total")


# ── for a call ───────────────────────────────────────────────────────────────────────────────────────


def _is_addressed(part: Part) -> bool:
    return isinstance(part, Addressed) and part.url is not None


class Downloading:
    """The downloads of one call: each URL is downloaded once for all candidates, even if it fails."""

    def __init__(self, fetcher: Fetcher) -> None:
        self._fetcher = fetcher
        self._budget = Budget(fetcher.limits.total_bytes)
        self._files: dict[str, File] = {}
        self._failures: dict[str, DownloadError] = {}
        self._lock = asyncio.Lock()

    async def filled(self, request: Request, wanted: Callable[[Addressed], bool]) -> Request:
        """The request with bytes in place of the URLs of the ``wanted`` parts.

        DownloadError if a download fails or is not allowed.
        """
        parts = [
            part
            for message in request.messages
            for part in message.parts
            if isinstance(part, Addressed) and part.url is not None and wanted(part)
        ]
        if not parts:
            return request
        addresses = list(dict.fromkeys(part.url for part in parts if part.url is not None))
        async with self._lock:
            self._raise_failure(addresses)
            await self._fetch([address for address in addresses if address not in self._files])
            self._raise_failure(addresses)
        filled = {id(part): _with(part, self._files[part.url]) for part in parts if part.url is not None}
        return request.model_copy(
            update={"messages": tuple(_replaced(message, filled) for message in request.messages)}
        )

    def _raise_failure(self, addresses: Sequence[str]) -> None:
        for address in addresses:
            if address in self._failures:
                failure = self._failures[address]
                # Another one than is kept: the chain notes in each whose it is.
                raise DownloadError(str(failure), status=failure.status)

    async def _fetch(self, addresses: Sequence[str]) -> None:
        """Note how each download ended; the first failure cancels the others, which are not noted."""
        if not addresses:
            return
        limit = self._fetcher.limits.timeout
        failures: Sequence[Exception] = ()
        try:
            async with at_most("download", limit), self._fetcher.transport() as transport, asyncio.TaskGroup() as group:
                slots = asyncio.Semaphore(_AT_ONCE)
                for address in addresses:
                    group.create_task(self._fetch_one(transport, address, slots))
        except TimeIsUpError:
            late = DownloadError(f"the downloads took longer than {limit:g} s")
            self._failures |= {address: late for address in addresses if address not in self._files}
        except ExceptionGroup as group_of_failures:
            failures = group_of_failures.exceptions
        for failure in failures:
            if not isinstance(failure, DownloadError):
                raise failure  # ConfigError: no network at all, which the next candidate does not get over

    async def _fetch_one(self, transport: AiohttpTransport, address: str, slots: asyncio.Semaphore) -> None:
        async with slots:
            try:
                self._files[address] = await self._fetcher.fetch(transport, address, self._budget)
            except DownloadError as error:
                self._failures[address] = error
                raise


def _with(part: Addressed, file: File) -> Addressed:
    """A part with its bytes."""
    match part:
        case ImagePart():
            shown = image_type(file.data)
            if shown is None:
                raise DownloadError("the downloaded file is not a PNG, JPEG, GIF or WebP image")
            return part.model_copy(update={"url": None, "data": file.data, "media_type": shown})
        case FilePart():
            kind = file_type(file.data, part.media_type or file.declared)
            name = part.name or _name_of(part.url or "")
            return part.model_copy(update={"url": None, "data": file.data, "media_type": kind, "name": name})


def _name_of(address: str) -> str:
    """The last part of an address's path, as a file may be named; some hosts take no file without a name."""
    return re.sub(r"[^\w.-]+", "_", URL(address).name)[-100:] or "file"


def _replaced(message: Message, filled: dict[int, Addressed]) -> Message:
    if isinstance(message.content, str) or not any(id(part) in filled for part in message.content):
        return message
    return message.model_copy(update={"content": tuple(filled.get(id(part), part) for part in message.content)})
