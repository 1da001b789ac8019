"""Images and files are downloaded where the caller allows it, for hosts that want the bytes, from public places."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import gzip
import json
import socket
import ssl
import tracemalloc
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

import pytest
import trustme
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic_core import to_json
from yarl import URL

from segue import (
    AllFailedError,
    Chain,
    Client,
    ConfigError,
    ConnectError,
    DownloadError,
    Downloads,
    FilePart,
    ImagePart,
    Message,
    Policy,
    Request,
    Retry,
    TextPart,
    UnsupportedError,
)
from segue.config import load
from segue.plugin import Context, TakesAddresses
from segue.sync import Client as SyncClient
from segue.testing import Body, OpenAIHost, Raw, Stall, Step
from segue.transport import downloads
from segue.transport.downloads import (
    Budget,
    Downloading,
    Fetcher,
    checked,
    file_type,
    is_public,
    sniffed,
    system_addresses,
)
from segue.wire.anthropic_messages import server as anthropic_messages
from segue.wire.openai_responses import server as openai_responses

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from segue.transport import Call, Response

PNG = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGP4DwABAQEAsTjW4QAAAABJRU5ErkJggg==")
PDF = b"%PDF-1.4\n%%EOF\n"
LIMITS = Downloads()
WHOLE: Step = Body(PNG, content_type="image/png", framing="length")
SAID = Body(
    b'{"model":"m","message":{"role":"assistant","content":"A dot."},"done":true,"done_reason":"stop"}',
    content_type="application/json",
)
TOLD = Body(
    b'{"candidates":[{"content":{"role":"model","parts":[{"text":"A dot."}]},"finishReason":"STOP"}]}',
    content_type="application/json",
)


# ── which addresses ──────────────────────────────────────────────────────────────────────────────────

HOSTILE = {
    "another scheme": ["http://a.example/", "ftp://a.example/", "file:///etc/passwd", "gopher://a.example/", "a.png"],
    "no host": ["https:", "https://", "https:///a", "https:/a.example/", "//a.example/", "https:a.example", ""],
    "another port": ["https://a.example:80/", "https://a.example:8443/", "https://a.example:0/", "https://a.example:22/"],
    "no port": ["https://a.example:99999/", "https://a.example:x/", "https://a.example:-1/"],
    "a user": ["https://u@a.example/", "https://u:p@a.example/", "https://:@a.example/", "https://a.example;@127.0.0.1/"],
    "two readings": [
        "https://a.example\\@127.0.0.1/",
        "https://127.0.0.1\\@a.example/",
        "https:\\\\a.example\\",
        "https://a.example\t/",
        "https://a.exam\nple/",
        "https://a.example/\r\nHost: b.example",
        " https://a.example/",
        "https://a.example/a b",
        "https://a.example/\x00",
        "https://a.example/\x7f",
        "https://a.example\u00a0/",
    ],
    "local": ["https://localhost/", "https://LOCALHOST/", "https://a/", "https://127.0.0.1/", "https://[::1]/"],
    "private": ["https://10.0.0.1/", "https://172.16.0.1/", "https://192.168.1.1/", "https://100.64.0.1/"],
    "nowhere": ["https://0.0.0.0/", "https://255.255.255.255/", "https://224.0.1.1/", "https://240.0.0.1/", "https://[::]/"],
    "metadata": [
        "https://169.254.169.254/latest/meta-data/",
        "https://168.63.129.16/",
        "https://100.100.100.200/",
        "https://192.0.0.192/",
        "https://[fd00:ec2::254]/",
    ],
    "other notations": [
        "https://2130706433/",
        "https://0x7f000001/",
        "https://0x7f.0.0.1/",
        "https://0177.0.0.1/",
        "https://017700000001/",
        "https://127.1/",
        "https://127.0.1/",
        "https://127.0.0.0x1/",
        "https://1.1.1.1.1/",
        "https://256.1.1.1/",
        "https://%31%32%37.0.0.1/",
        "https://\uff11\uff12\uff17.0.0.1/",
        "https://127\u30020\u30020\u30021/",
        "https://\u2460\u2461\u2466.0.0.1/",
        "https://\u24db\u24de\u24d2\u24d0\u24db\u24d7\u24de\u24e2\u24e3/",
    ],
    "dots": ["https://127.0.0.1./", "https://a.example./", "https://localhost./", "https://a..example/", "https://.example/"],
    "wrapped": [
        "https://[::ffff:127.0.0.1]/",
        "https://[::ffff:7f00:1]/",
        "https://[::127.0.0.1]/",
        "https://[::ffff:0:127.0.0.1]/",
        "https://[64:ff9b::127.0.0.1]/",
        "https://[64:ff9b::a9fe:a9fe]/",
        "https://[64:ff9b:1::127.0.0.1]/",
        "https://[2002:7f00:1::]/",
        "https://[2001:0:4136:e378:8000:63bf:80ff:fffe]/",
        "https://[2600::5efe:127.0.0.1]/",
        "https://[2600::200:5efe:127.0.0.1]/",
    ],
    "IPv6": [
        "https://[fe80::1]/",
        "https://[fe80::1%eth0]/",
        "https://[fe80::1%25eth0]/",
        "https://[2600::1%25eth0]/",
        "https://[fc00::1]/",
        "https://[ff02::1]/",
        "https://[2001:db8::1]/",
        "https://[3fff::1]/",
        "https://[::1/",
    ],
    "names": ["https://xn--a.example/", "https://-a.example/", f"https://{'a' * 64}.a/", f"https://{'a.' * 130}a/"],
    "length": [f"https://a.example/{'a' * 9000}"],
}  # fmt: skip


@pytest.mark.parametrize(
    "address", [pytest.param(one, id=ascii(one)[:60]) for many in HOSTILE.values() for one in many]
)
async def test_a_hostile_address_is_refused_unasked(address: str) -> None:
    """No name is looked up and nothing connected to; what is said of it does not repeat it."""
    site = Site(names={})
    with pytest.raises(DownloadError) as caught:
        checked(address, LIMITS)
    assert len(address) < 12 or address not in str(caught.value)
    with pytest.raises(DownloadError):
        await site.get(Fetcher(LIMITS, addresses_of=site.addresses_of), address)
    assert site.looked_up == []
    assert (caught.value.phase, caught.value.retryable, caught.value.next_may_help) == ("download", False, True)


SPELLINGS = (
    "https://{host}", "https://{host}/a.png", "HTTPS://{host}:443/", "https://{host}:443/?@a.example", "https://{host}#.a.b",
    "https://{host}?.a.example", "https://{host}/@a.example/", "https://{host}//a.example/", "https://{host}/%2e%2e/",
    "https://a.example@{host}/", "https://a.example:443@{host}/",
)  # fmt: skip


def test_an_inner_host_is_refused_in_every_spelling() -> None:
    """Whatever stands around it: of some 500 addresses none is let through."""
    kinds = ("local", "private", "nowhere", "metadata", "other notations", "dots", "wrapped", "IPv6")
    hosts = {one.removeprefix("https://").partition("/")[0] for kind in kinds for one in HOSTILE[kind]}
    addresses = [spelling.format(host=host) for host in hosts for spelling in SPELLINGS]
    let_through = []
    for address in addresses:
        with contextlib.suppress(DownloadError):
            let_through.append(checked(address, LIMITS))
    assert len(addresses) > 500
    assert let_through == []


def test_an_address_that_reads_otherwise_once_it_was_written_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """No such one is known; should the parser come to have one, it is not asked."""
    readings = iter([URL("https://a.example/"), URL("https://b.example/")])
    monkeypatch.setattr(downloads, "_read", lambda _: next(readings))
    with pytest.raises(DownloadError, match="ambiguous"):
        checked("https://a.example/", LIMITS)


@pytest.mark.parametrize(
    ("address", "asked"),
    [
        ("https://a.example", "https://a.example"),
        ("HTTPS://A.Example:443/a.png?b=c#d", "https://a.example/a.png?b=c"),
        ("https://m\u00fcnchen.example/\u00fc", "https://xn--mnchen-3ya.example/%C3%BC"),
        ("https://my_bucket.s3.example/a%2Fb", "https://my_bucket.s3.example/a%2Fb"),
        ("https://8.8.8.8/", "https://8.8.8.8/"),
        ("https://[2600::1]/", "https://[2600::1]/"),
        ("https://[64:ff9b::8.8.8.8]/", "https://[64:ff9b::808:808]/"),
    ],
)
def test_a_public_address_is_asked_as_it_was_read(address: str, asked: str) -> None:
    """Names are in their ASCII form, the fragment is left away, and the rest stays as it is."""
    assert str(checked(address, LIMITS)) == asked


PIECES = st.sampled_from(
    ["https://", "http://", "a.example", "127.0.0.1", "localhost", "@", ":", "443", "/", "\\", "?", "#", "[::1]", "%2e",
     ".", "%00", "\t", " ", "\u3002", "\u00fc", "[", "]", "0x7f000001", ";", "%40", "\u2028", "//", "&"]
)  # fmt: skip


@given(st.lists(PIECES | st.text(max_size=3), max_size=8).map("".join).map("https://a.example".__add__) | st.text())
@example("https://a.example\u2028@127.0.0.1/")
def test_what_was_checked_is_read_alike_by_others(address: str) -> None:
    """Whatever is let through is written so that another parser finds the same host and port."""
    try:
        url = checked(address, LIMITS)
    except DownloadError:
        return
    parts = urlsplit(str(url))
    assert (parts.scheme, parts.hostname, parts.port or 443) == ("https", url.raw_host, 443)
    assert parts.username is None
    assert parts.password is None
    assert checked(str(url), LIMITS) == url


NOT_PUBLIC = [
    "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "168.63.129.16/32", "169.254.0.0/16", "172.16.0.0/12",
    "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24",
    "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
]  # fmt: skip
inner = st.sampled_from(NOT_PUBLIC).flatmap(lambda network: st.ip_addresses(network=network))
anywhere = st.integers(0x2600 << 48, (0x2C00 << 48) - 1)  # the first half of an address of a provider's


def wrapped(address: IPv4Address, site: int, noise: int) -> dict[str, IPv6Address]:
    """Every form in which IPv6 carries an IPv4 address."""
    v4, flag = int(address), noise & 0x0200_0000
    return {
        "mapped": IPv6Address(0xFFFF << 32 | v4),
        "compatible": IPv6Address(v4),
        "translated": IPv6Address(0xFFFF << 48 | v4),
        "NAT64": IPv6Address((0x0064_FF9B << 96) | v4),
        "local NAT64": IPv6Address((0x0064_FF9B_0001 << 80) | (noise & 0xFFFF) << 32 | v4),
        "6to4": IPv6Address(0x2002 << 112 | v4 << 80 | noise),
        "Teredo": IPv6Address(0x2001_0000 << 96 | noise << 32 | v4 ^ 0xFFFF_FFFF),
        "ISATAP": IPv6Address(site << 64 | (0x0000_5EFE | flag) << 32 | v4),
    }  # fmt: skip


@given(inner, anywhere, st.integers(0, 2**64 - 1))
def test_no_wrapping_makes_an_inner_address_public(address: IPv4Address, site: int, noise: int) -> None:
    """Neither as it is nor in any of the forms that IPv6 has for it."""
    assert not is_public(address)
    public = [name for name, form in wrapped(address, site, noise).items() if is_public(form)]
    assert public == []


@given(st.ip_addresses(v=4), anywhere, st.integers(0, 2**64 - 1))
def test_a_wrapped_address_is_never_more_public_than_what_is_in_it(address: Any, site: int, noise: int) -> None:
    """What DNS64 makes of a public address is public, so that machines without IPv4 can download as well."""
    forms = wrapped(address, site, noise)
    assert is_public(forms.pop("mapped")) is is_public(forms.pop("NAT64")) is is_public(address)
    assert not any(is_public(form) for form in forms.values())


@given(st.ip_addresses(v=6))
def test_of_ipv6_what_was_given_to_networks_is_public(address: Any) -> None:
    """All else (local, link-local, multicast, yet unused) is not, whatever Python's version thinks of it."""
    known = address in IPv6Network("2000::/3") or address in IPv6Network("64:ff9b::/96") or address.ipv4_mapped
    assert known or not is_public(address)
    assert not is_public(IPv6Address(f"{address}%eth0"))


@given(st.sampled_from(NOT_PUBLIC))
def test_the_ends_of_a_network_are_in_it(network: str) -> None:
    """The first and the last address are as little public as the rest."""
    assert not is_public(IPv4Network(network)[0])
    assert not is_public(IPv4Network(network)[-1])


# ── fetching ─────────────────────────────────────────────────────────────────────────────────────────


@dataclass
class Site:
    """A TLS host on this machine under a public name, and what was looked up to find it."""

    names: dict[str, list[list[str]]]
    host: OpenAIHost | None = None
    ca_file: str | None = None
    looked_up: list[str] = field(default_factory=list)

    async def addresses_of(self, name: str) -> Sequence[str]:
        """What the name resolves to; each time the next of its answers."""
        self.looked_up.append(name)
        answers = self.names.get(name)
        if answers is None:
            raise socket.gaierror(socket.EAI_NONAME, "none")
        return answers.pop(0) if len(answers) > 1 else answers[0]

    @property
    def port(self) -> int:
        assert self.host is not None
        return int(self.host.address.rpartition(":")[2])

    def address(self, name: str = "files.example", path: str = "/a.png") -> str:
        return f"https://{name}:{self.port}{path}"

    def fetcher(self, **limits: Any) -> Fetcher:
        """A fetcher to which this machine is public, for it is where the tests have to be."""
        return Fetcher(
            Downloads(ports=(self.port,), **limits),
            ca_file=self.ca_file,
            addresses_of=self.addresses_of,
            allowed=lambda address: address == ip_address("127.0.0.1") or is_public(address),
        )

    async def get(self, fetcher: Fetcher, address: str) -> bytes:
        async with fetcher.transport() as transport:
            return (await fetcher.fetch(transport, address, Budget(fetcher.limits.total_bytes))).data


@contextlib.asynccontextmanager
async def site(tmp_path: Path, *script: Step, **kwargs: Any) -> AsyncIterator[Site]:
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("files.example", "other.example", "inside.example", "127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    here = [["127.0.0.1"]]
    async with OpenAIHost(script=script or [WHOLE], ssl=context, **kwargs) as host:
        yield Site({"files.example": here, "other.example": here}, host, str(tmp_path / "ca.pem"))


async def refused(one: Site, address: str | None = None, **limits: Any) -> DownloadError:
    with pytest.raises(DownloadError) as caught:
        await one.get(one.fetcher(**limits), one.address() if address is None else address)
    return caught.value


def redirected(location: str, status: int = 302) -> Body:
    return Body(b"", content_type="text/plain", status=status, framing="length", headers={"location": location})


async def test_a_download_says_nothing_of_us(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No cookie, key or referrer goes along, and proxies of the environment are not asked."""
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:1")
    cookie = Body(PNG, content_type="image/png", headers={"set-cookie": "a=b"})
    async with site(tmp_path, redirected("/b.png", 301), cookie) as one:
        assert await one.get(one.fetcher(), one.address()) == PNG
        assert one.host is not None
        assert [request.path for request in one.host.requests] == ["/a.png", "/b.png"]
        for request in one.host.requests:
            assert (request.method, request.body) == ("GET", b"")
            assert request.header.keys() <= {"host", "accept", "accept-encoding", "user-agent"}
            assert request.header["accept-encoding"] == "gzip"


@pytest.mark.parametrize("framing", ["length", "chunked"])
@pytest.mark.parametrize("coding", ["identity", "gzip"])
async def test_a_file_comes_whole(framing: Any, coding: str, tmp_path: Path) -> None:
    """In either framing, as it is or as gzip."""
    body = PNG if coding == "identity" else gzip.compress(PNG)
    step = Body(body, content_type="image/png", framing=framing, headers={"content-encoding": coding}, split=7)
    async with site(tmp_path, step) as one:
        exactly = one.fetcher(max_bytes=max(len(body), len(PNG)), total_bytes=len(PNG))
        assert await one.get(exactly, one.address()) == PNG


@pytest.mark.parametrize(
    "addresses",
    [
        ["10.0.0.1"],
        ["127.0.0.1", "10.0.0.1"],
        ["10.0.0.1", "127.0.0.1"],
        ["127.0.0.1", "::1"],
        ["127.0.0.1", "fe80::1%eth0"],
        ["127.0.0.1", "64:ff9b::a9fe:a9fe"],
        ["169.254.169.254"],
        ["168.63.129.16"],
        ["fd00:ec2::254"],
        [],
    ],
)
async def test_a_name_with_one_inner_address_is_not_connected_to(addresses: list[str], tmp_path: Path) -> None:
    """One that is not public among several public ones is enough, and the message does not tell which."""
    async with site(tmp_path) as one:
        one.names["inside.example"] = [addresses]
        error = await refused(one, one.address("inside.example"))
        assert one.host is not None
        assert one.host.connections == 0
    assert str(error) == "inside.example: the address to download is not on the public internet"


async def test_a_name_that_changes_its_mind_is_not_followed(tmp_path: Path) -> None:
    """The addresses that were checked are those that are connected to; the next download looks anew, and refuses."""
    async with site(tmp_path, *[Body(PNG, framing="close")] * 2, WHOLE) as one:
        one.names["inside.example"] = [["127.0.0.1"], ["10.0.0.1"], ["127.0.0.1"]]
        error = await refused(one, one.address("inside.example"))
        assert "neither a length nor chunks" in str(error)
        assert one.looked_up == ["inside.example"]
        error = await refused(one, one.address("inside.example"))
        assert "public internet" in str(error)
        assert one.host is not None
        assert one.host.connections == 1


async def test_a_name_that_is_none(tmp_path: Path) -> None:
    """What does not resolve cannot be downloaded."""
    async with site(tmp_path) as one:
        assert str(await refused(one, one.address("none.example"))).startswith("none.example: the host's name")


async def test_a_certificate_that_is_not_trusted(tmp_path: Path) -> None:
    """A host that is not who it says it is gives no files."""
    async with site(tmp_path) as one:
        one.names["fake.example"] = [["127.0.0.1"]]
        assert "TLS" in str(await refused(one, one.address("fake.example")))
        assert one.host is not None
        assert one.host.requests == []


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_followed_by_hand(status: int, tmp_path: Path) -> None:
    """To another host too, whose name is looked up and checked as the first one was."""
    async with site(tmp_path) as one:
        assert one.host is not None
        one.host.does(redirected(one.address("other.example"), status), times=1)
        one.host._script._coming.rotate(1)
        assert await one.get(one.fetcher(), one.address()) == PNG
        assert one.looked_up == ["files.example", "other.example"]


@pytest.mark.parametrize(
    ("location", "told"),
    [
        ("http://files.example/", "https://"),
        ("//10.0.0.1:{port}/", "public internet"),
        ("https://127.0.0.2:{port}/", "public internet"),
        ("https://169.254.169.254:{port}/latest", "public internet"),
        ("https://[::ffff:10.0.0.1]:{port}/", "public internet"),
        ("https://inside.example:{port}/", "public internet"),
        ("https://files.example/", "port"),
        ("https://u:p@files.example:{port}/", "user"),
        ("/\\127.0.0.1/", "does not have an address"),
        ("https://files.example:x/", "does not have a valid address"),
        ("file:///etc/passwd", "https://"),
        ("gopher://files.example/", "https://"),
        ("https://2130706433:{port}/", "public host name"),
    ],
)
async def test_a_redirect_leads_nowhere_else_than_an_address_may(location: str, told: str, tmp_path: Path) -> None:
    """Each hop is checked as the first address was; nothing is asked there."""
    async with site(tmp_path) as one:
        one.names["inside.example"] = [["10.0.0.1"]]
        assert one.host is not None
        one.host.does(redirected(location.replace("{port}", str(one.port))))
        one.host._script._coming.rotate(1)
        assert told in str(await refused(one))
        assert len(one.host.requests) == 1


async def test_redirects_have_an_end(tmp_path: Path) -> None:
    """Three are followed and not a fourth; without a place to go there is none to follow."""
    async with site(tmp_path, redirected("/again")) as one:
        assert "more than 3 times" in str(await refused(one))
        assert one.host is not None
        assert len(one.host.requests) == 4
        assert "more than 0 times" in str(await refused(one, hops=0))
    nowhere = Body(b"", status=302, framing="length")
    async with site(tmp_path, nowhere) as one:
        assert (await refused(one)).status == 302


@pytest.mark.parametrize(
    ("step", "told", "status"),
    [
        (Body(b"gone", status=404), "HTTP 404", 404),
        (Body(b"", status=204, framing="length"), "HTTP 204", 204),
        (Body(PNG, status=206), "HTTP 206", 206),
        (Body(b"no", status=500), "HTTP 500", 500),
        (Body(b"x" * 101, framing="length"), "larger than 100 bytes", 200),
        (Body(b"x" * 101, framing="chunked"), "larger than 100 bytes", 200),
        (Body(b"x" * 9, framing="close"), "neither a length nor chunks", 200),
        (Body(b"x" * 9, headers={"content-encoding": "br"}), "the answer", None),
        (Body(b"x" * 9, headers={"content-encoding": "x-gzip"}), "content encoding", 200),
        (Body(b"x" * 9, headers={"content-encoding": "gzip, gzip"}), "content encoding", 200),
        (Body(b"x" * 9, headers={"content-encoding": "deflate"}), "content encoding", 200),
        (Body(b"x" * 9, headers={"content-encoding": "gzip"}), "coding", None),
        (Raw(b"HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\nshort"), "connection broke", None),
        (Raw(b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999999999999999\r\n\r\n"), "", None),
        (Raw(b"\x00\x01"), "", None),
        (Raw(b""), "closed the connection", None),
    ],
)
async def test_an_answer_that_is_no_file(step: Step, told: str, status: int | None, tmp_path: Path) -> None:
    """What is not there, not whole, too large or coded otherwise is refused, and the host is named."""
    async with site(tmp_path, step) as one:
        error = await refused(one, one.address(path="/a?signature=canary"), max_bytes=100)
    assert told in str(error)
    assert str(error).startswith("files.example: ")
    assert "canary" not in str(error)
    assert status is None or error.status == status


async def test_a_bomb_is_not_blown_up(tmp_path: Path) -> None:
    """Of 64 MiB that are sent as 64 KiB no more is unpacked than the limit and a piece."""
    bomb = gzip.compress(bytes(64 * 1024 * 1024), compresslevel=9)
    async with site(tmp_path, Body(bomb, framing="length", headers={"content-encoding": "gzip"})) as one:
        tracemalloc.start()
        try:
            error = await refused(one, max_bytes=1024 * 1024)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert "larger than" in str(error)
    assert peak < 16 * 1024 * 1024


# ── for a call ───────────────────────────────────────────────────────────────────────────────────────


def asking(*parts: ImagePart | FilePart) -> Request:
    return Request(messages=(Message(role="user", content="?"), Message(role="user", content=parts)))


def everything(_: object) -> bool:
    return True


async def test_each_address_is_fetched_once_and_only_where_it_is_wanted(tmp_path: Path) -> None:
    """However often it stands there and however many candidates need it; what is not wanted stays an address."""
    async with site(tmp_path) as one:
        assert one.host is not None
        downloading = Downloading(one.fetcher())
        image, other = ImagePart(url=one.address(), detail="low"), ImagePart(url=one.address(path="/b.png"))
        request = asking(image, image, other)
        assert await downloading.filled(request, lambda _: False) is request
        for _ in range(2):
            filled = await downloading.filled(request, lambda part: part.url == image.url)
            bytes_of = ImagePart(data=PNG, media_type="image/png", detail="low")
            assert filled.messages[1].content == (bytes_of, bytes_of, other)
            assert filled.messages[0] is request.messages[0]
        assert len(one.host.requests) == 1
        both = await asyncio.gather(downloading.filled(request, everything), downloading.filled(request, everything))
        assert [part.data for each in both for part in each.messages[1].parts if isinstance(part, ImagePart)] == [
            PNG
        ] * 6
        assert len(one.host.requests) == 2


async def test_downloads_of_a_call_run_side_by_side(tmp_path: Path) -> None:
    """A second one is on its way while the first has no answer; a failure ends the rest and is kept."""
    async with site(tmp_path, Stall("headers")) as one:
        assert one.host is not None
        downloading = Downloading(one.fetcher())
        request = asking(*(ImagePart(url=one.address(path=f"/{number}")) for number in range(3)))
        task = asyncio.create_task(downloading.filled(request, everything))
        await one.host.until_requests(3)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        bad = ImagePart(url="https://a.example:1/")
        for _ in range(2):
            with pytest.raises(DownloadError, match="has a port"):
                await downloading.filled(asking(request.messages[1].parts[0], bad), everything)  # type: ignore[arg-type]


async def test_a_slow_file_is_not_waited_for(tmp_path: Path) -> None:
    """One limit holds for name, connection, redirects and body; what comes drop by drop does not move it."""
    step = Body(PNG, content_type="image/png", split=1)
    async with site(tmp_path, step, pace=60) as one:
        downloading = Downloading(one.fetcher(timeout=0.3))
        for _ in range(2):
            with pytest.raises(DownloadError, match=r"longer than 0\.3 s") as caught:
                await downloading.filled(asking(ImagePart(url=one.address())), everything)
            assert caught.value.phase == "download"
        assert one.host is not None
        assert len(one.host.requests) == 1


async def test_the_downloads_of_a_call_share_a_limit(tmp_path: Path) -> None:
    """Two files of which each is small enough may be too much together."""
    async with site(tmp_path) as one:
        downloading = Downloading(one.fetcher(total_bytes=len(PNG) + 1))
        first, second = (ImagePart(url=one.address(path=path)) for path in ("/a", "/b"))
        await downloading.filled(asking(first), everything)
        with pytest.raises(DownloadError, match="downloads of one call"):
            await downloading.filled(asking(second), everything)


OFFICE = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"


@pytest.mark.parametrize(
    ("data", "declared", "kind"),
    [
        (PDF, "application/pdf", "application/pdf"),
        (PDF, "Application/PDF; charset=binary", "application/pdf"),
        (PDF, None, "application/pdf"),
        (PDF, "application/octet-stream", "application/pdf"),
        (PNG, "image/png", "image/png"),
        ("Grüße\n".encode(), "text/markdown; charset=utf-8", "text/markdown"),
        (b"{}", "application/json", "application/json"),
        (b"a", "", "text/plain"),
        (b"PK\x03\x04rest", OFFICE, OFFICE),
        (b"PK\x03\x04rest", None, "application/zip"),
        (b"ID3\x03", "audio/mp3", "audio/mpeg"),
        (b"RIFF\0\0\0\0WAVE", "audio/x-wav", "audio/wav"),
        (b"<html>", "application/pdf", None),
        (PDF, "text/html", None),
        (PNG, "application/pdf", None),
        (b"PK\x03\x04rest", "text/plain", None),
        (b"\x7fELF\x02\x01\x01\x00", "application/pdf", None),
        (b"MZ\x90\x00", None, None),
        (b"a\x00b", "text/plain", None),
        (b"\xff\xfe\xfd", "text/plain", None),
        (b"", "text/plain", None),
    ],
)
def test_what_a_file_is_its_content_tells(data: bytes, declared: str | None, kind: str | None) -> None:
    """What was said of it must agree, or it is refused; an unknown kind is refused whatever was said."""
    if kind is not None:
        assert file_type(data, declared) == kind
        return
    with pytest.raises(DownloadError, match="the downloaded file"):
        file_type(data, declared)


@given(st.binary(max_size=64))
def test_any_bytes_are_of_some_kind_or_none(data: bytes) -> None:
    """Text is only what reads as text."""
    if sniffed(data) == "text/plain":
        assert "\x00" not in data.decode("utf-8")


async def test_an_image_is_what_its_bytes_say(tmp_path: Path) -> None:
    """Hosts often declare images wrongly: the content counts, and what is no image is refused."""
    async with site(tmp_path, Body(PNG, content_type="image/jpeg"), Body(PDF, content_type="image/png")) as one:
        downloading = Downloading(one.fetcher())
        filled = await downloading.filled(asking(ImagePart(url=one.address(), media_type="image/webp")), everything)
        assert filled.messages[1].parts == (ImagePart(data=PNG, media_type="image/png"),)
        with pytest.raises(DownloadError, match="not a PNG"):
            await downloading.filled(asking(ImagePart(url=one.address(path="/b"))), everything)


@pytest.mark.parametrize(
    ("path", "name"), [("/x/a%20b.pdf?c=d#e", "a_b.pdf"), ("/a/%2e%2e%2Fpasswd", ".._passwd"), ("/", "file")]
)
async def test_a_file_has_the_name_of_its_address(path: str, name: str, tmp_path: Path) -> None:
    """Where the caller gives none; some hosts take no file without."""
    async with site(tmp_path, Body(PDF, content_type="application/pdf")) as one:
        downloading = Downloading(one.fetcher())
        given = FilePart(url=one.address(path=path)), FilePart(url=one.address(path=path), name="own.pdf")
        filled = await downloading.filled(asking(*given), everything)
    assert [part.name for part in filled.messages[1].parts if isinstance(part, FilePart)] == [name, "own.pdf"]


# ── through a client ─────────────────────────────────────────────────────────────────────────────────


def client_of(hosts: dict[str, str], fetcher: Fetcher | None, **kwargs: Any) -> Client:
    client = Client(
        config={"providers": {name: {"base_url": address} for name, address in hosts.items()}},
        api_keys={name: "sk-canary-downloads" for name in hosts if name != "ollama"},
        environ={},
        retry=Retry(count=0),
        downloads=fetcher is not None,
        **kwargs,
    )
    if fetcher is not None:
        client._fetcher = fetcher  # one to which this machine is public
    return client


def question(part: ImagePart | FilePart) -> list[Message]:
    return [Message(role="user", content=(TextPart(text="What is it?"), part))]


async def test_without_leave_nothing_is_downloaded(tmp_path: Path) -> None:
    """A host that wants the bytes is not asked, and the error names the ways out; nor is the address."""
    async with site(tmp_path) as one, OpenAIHost(script=[SAID]) as ollama:
        async with client_of({"ollama": ollama.address}, None) as client:
            with pytest.raises(UnsupportedError, match=r"Client\(downloads=True\)") as caught:
                await client.chat(question(ImagePart(url=one.address())), model="ollama/llava")
            reply = await client.chat(
                question(ImagePart(url=one.address())), model="ollama/llava", policy=Policy(meaning="notice")
            )
        assert one.looked_up == []
        assert "images" not in ollama.requests[0].json["messages"][0]
    assert caught.value.subject == "image"
    assert "image" in {notice.subject for notice in reply.notices}


@pytest.mark.parametrize("whole", [True, False])
async def test_who_wants_the_bytes_gets_them(whole: bool, tmp_path: Path) -> None:
    """With leave, Ollama is sent the picture; and none of its host's doing is in what it is sent."""
    async with site(tmp_path) as one, OpenAIHost(script=[SAID]) as ollama:
        async with client_of({"ollama": ollama.address}, one.fetcher()) as client:
            messages = question(ImagePart(url=one.address()))
            if whole:
                reply = await client.chat(messages, model="ollama/llava")
            else:
                async with client.stream(messages, model="ollama/llava") as stream:
                    reply = await stream.reply()
        assert reply.text == "A dot."
        assert ollama.requests[0].json["messages"][0]["images"] == [base64.b64encode(PNG).decode()]
        assert one.host is not None
        assert len(one.host.requests) == 1


async def test_who_takes_the_address_gets_it(tmp_path: Path) -> None:
    """OpenAI fetches images itself: with leave or without, nothing is downloaded here."""
    async with site(tmp_path) as one, OpenAIHost(answer="A dot.") as openai:
        async with client_of({"openai": openai.url}, one.fetcher()) as client:
            await client.chat(question(ImagePart(url=one.address())), model="openai/gpt-4o-mini")
        assert one.looked_up == []
        assert openai.requests[0].json["messages"][0]["content"][1]["image_url"] == {"url": one.address()}


async def test_a_file_goes_as_each_wire_has_it(tmp_path: Path) -> None:
    """Chat Completions has no words for a file's address, so it is sent the bytes; Google fetches it itself."""
    step = Body(PDF, content_type="application/pdf")
    async with site(tmp_path, step) as one, OpenAIHost(answer="A page.") as openai, OpenAIHost(script=[TOLD]) as google:
        async with client_of({"openai": openai.url, "google": google.address}, one.fetcher()) as client:
            messages = question(FilePart(url=one.address(path="/b.pdf")))
            await client.chat(messages, model="openai/gpt-4o-mini")
            await client.chat(messages, model="google/gemini-2.5-flash")
            await client.chat(messages, model="google/gemini-2.0-flash")
        sent = base64.b64encode(PDF).decode()
        assert openai.requests[0].json["messages"][0]["content"][1]["file"] == {
            "file_data": f"data:application/pdf;base64,{sent}",
            "filename": "b.pdf",
        }
        parts = [request.json["contents"][0]["parts"][1] for request in google.requests]
        assert parts == [
            {"fileData": {"fileUri": one.address(path="/b.pdf"), "mimeType": "application/pdf"}},
            {"inlineData": {"mimeType": "application/pdf", "data": sent}},
        ]


async def test_a_chain_downloads_once_and_goes_on_to_who_needs_no_download(tmp_path: Path) -> None:
    """Two targets that want the bytes share them; one that takes the address may do where none could be had."""
    failing = Body(b"{}", content_type="application/json", status=500)
    chain = Chain("ollama/a", "ollama/b", "openai/gpt-4o-mini")
    async with site(tmp_path) as one, OpenAIHost(script=[failing]) as ollama, OpenAIHost() as openai:
        assert one.host is not None
        async with client_of({"ollama": ollama.address, "openai": openai.url}, one.fetcher()) as client:
            reply = await client.chat(question(ImagePart(url=one.address())), chain=chain)
            assert (reply.provider, len(ollama.requests), len(one.host.requests)) == ("openai", 2, 1)
            reply = await client.chat(question(ImagePart(url=one.address("none.example"))), chain=chain)
            assert (reply.provider, len(ollama.requests)) == ("openai", 2)
            assert [type(attempt.error) for attempt in reply.attempts] == [DownloadError, DownloadError, type(None)]
            with pytest.raises(AllFailedError, match="all 2 candidates"):
                await client.chat(
                    question(ImagePart(url=one.address("none.example"))), chain=Chain("ollama/a", "ollama/b")
                )
        assert one.looked_up.count("none.example") == 2  # once a call


async def test_no_network_is_no_outage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With SEGUE_NO_NETWORK a download is a ConfigError, as any call to another machine is."""
    monkeypatch.setenv("SEGUE_NO_NETWORK", "1")
    async with site(tmp_path) as one, OpenAIHost(script=[SAID]) as ollama:
        async with client_of({"ollama": ollama.address}, one.fetcher()) as client:
            with pytest.raises(ConfigError, match=r"files\.example is not on this machine"):
                await client.chat(question(ImagePart(url=one.address())), model="ollama/llava")
        assert one.looked_up == []


class Caught:
    """A transport that keeps the calls, and answers none."""

    def __init__(self) -> None:
        self.calls: list[Call] = []

    def open(self, call: Call) -> contextlib.AbstractAsyncContextManager[Response]:
        self.calls.append(call)
        raise ConnectError("kept")


IMAGE = ImagePart(url="https://a.example/b.png")
PAGE = FilePart(url="https://a.example/b.pdf")
BUCKET = ImagePart(url="gs://bucket/b.png")
FILM = FilePart(url="https://youtu.be/b", media_type="video/mp4")
RESPONSES = {"openai": {"wire": "responses"}}
ON_VERTEX = {"anthropic": {"vertex_project": "p"}}
PROJECT = {"vertex": {"project": "p"}}


@pytest.mark.parametrize(
    ("model", "options", "part", "written"),
    [
        ("openai/gpt-4o-mini", {}, IMAGE, {"url": IMAGE.url}),
        ("openai/gpt-4o-mini", {}, PAGE, None),
        ("openai/gpt-4o-mini", RESPONSES, IMAGE, {"type": "input_image", "image_url": IMAGE.url}),
        ("openai/gpt-4o-mini", RESPONSES, PAGE, {"type": "input_file", "file_url": PAGE.url}),
        ("azure/d", {}, PAGE, None),
        ("azure/d", {"azure": {"wire": "responses"}}, PAGE, {"type": "input_file", "file_url": PAGE.url}),
        ("openrouter/anthropic/claude-sonnet-5", {}, PAGE, {"file_data": PAGE.url}),
        ("groq/m", {}, IMAGE, {"url": IMAGE.url}),
        ("groq/m", {}, PAGE, None),
        ("anthropic/claude-sonnet-4-5", {}, IMAGE, {"type": "url", "url": IMAGE.url}),
        ("anthropic/claude-sonnet-4-5", {}, PAGE, {"type": "url", "url": PAGE.url}),
        ("anthropic/claude-sonnet-4-5", {}, FilePart(url="https://a.example/b", media_type="text/plain"), None),
        ("anthropic/claude-sonnet-4-5", ON_VERTEX, IMAGE, None),
        ("anthropic/claude-sonnet-4-5", ON_VERTEX, PAGE, None),
        ("google/gemini-2.5-flash", {}, IMAGE, {"fileUri": IMAGE.url, "mimeType": "image/png"}),
        ("google/gemini-2.5-flash", {}, PAGE, {"fileUri": PAGE.url, "mimeType": "application/pdf"}),
        ("google/gemini-2.5-flash", {}, ImagePart(url="http://a.example/b.png"), None),
        ("google/gemini-2.5-flash", {}, ImagePart(url="https://[a/b.png"), None),
        ("google/gemini-2.0-flash", {}, PAGE, None),
        ("google/gemini-2.0-flash", {}, FILM, {"fileUri": FILM.url, "mimeType": "video/mp4"}),
        ("google/gemini-2.0-flash", {}, BUCKET, {"fileUri": BUCKET.url, "mimeType": "image/png"}),
        ("vertex/gemini-2.0-flash", PROJECT, IMAGE, {"fileUri": IMAGE.url, "mimeType": "image/png"}),
        ("vertex/gemini-2.0-flash", PROJECT, BUCKET, {"fileUri": BUCKET.url, "mimeType": "image/png"}),
        ("cohere/command-a-vision-07-2025", {}, IMAGE, {"url": IMAGE.url}),
        ("cohere/command-a-vision-07-2025", {}, PAGE, None),
        ("mistral/mistral-small-latest", {}, IMAGE, {"url": IMAGE.url}),
        ("mistral/mistral-small-latest", {}, PAGE, {"type": "document_url", "document_url": PAGE.url}),
        ("ollama/m", {}, IMAGE, None),
    ],
)
async def test_what_a_provider_says_it_takes_is_what_its_wire_writes(
    model: str, options: Any, part: ImagePart | FilePart, written: dict[str, Any] | None
) -> None:
    """An address that is not to be downloaded stands in the request; any other is refused while nothing may be."""
    name = model.partition("/")[0]
    transport = Caught()
    environ = {"AZURE_OPENAI_ENDPOINT": "https://r.openai.azure.com"}
    client = Client(config=False, environ=environ, transport=transport, retry=Retry(count=0), api_keys={name: "k" * 9})
    async with client if name != "ollama" else Client(config=False, environ={}, transport=transport) as client:
        wanted: type[Exception] = UnsupportedError if written is None else ConnectError
        with pytest.raises(wanted):
            await client.chat(question(part), model=model, options=options, max_tokens=9)
        provider = client.registry.provider(name)
        assert isinstance(provider, TakesAddresses)
        context = Context(model.partition("/")[2], transport, client._settings(name), provider=name)
        request = Request(messages=tuple(question(part)), options=options)
        assert provider.takes_address(part, request, context) is (written is not None)
    if written is not None:
        assert json.dumps(written, separators=(",", ":"))[1:-1] in transport.calls[0].body.decode()


def test_leave_is_given_by_the_caller_or_the_users_file(tmp_path: Path) -> None:
    """What the code says stands above the file; a file of the working directory may not say it at all."""
    table = {"downloads": {"enabled": True, "max_bytes": 5, "timeout": 2, "ports": [443, 8443]}}
    told = Downloads(max_bytes=5, timeout=2.0, ports=(443, 8443))
    assert load(table, environ={}).downloads == told
    assert load({"downloads": {"max_bytes": 5}}, environ={}).downloads is None
    environ = {"XDG_CONFIG_HOME": str(tmp_path), "SEGUE_DOWNLOADS": "1"}
    assert load(True, environ=environ, directory=tmp_path).downloads == Downloads()
    limits = [
        getattr(Client(config=config, plugins=False, environ={}, downloads=given)._fetcher, "limits", None)
        for config, given in [(table, None), (table, False), (False, True), (False, None), (False, told)]
    ]
    assert limits == [told, None, Downloads(), None, told]
    (tmp_path / "segue.toml").write_text("[downloads]\nenabled = true\n")
    with pytest.raises(ConfigError, match="'downloads' is not allowed in a file in the working directory"):
        load(True, environ={"XDG_CONFIG_HOME": str(tmp_path / "home")}, directory=tmp_path)
    with SyncClient(config=False, plugins=False, environ={}, downloads=told) as client:
        assert client._client._fetcher is not None


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("max_bytes", 0, "at least 1"),
        ("hops", -1, "at least 0"),
        ("timeout", 0, "greater than 0"),
        ("ports", [], "must not be empty"),
        ("ports", [65536], "at most 65535"),
        ("enabled", "yes", "true or false"),
        ("max_byte", 1, "did you mean 'max_bytes'"),
    ],
)
def test_a_wrong_limit_is_told(key: str, value: object, told: str) -> None:
    """In the file with its place; in code as a ValueError."""
    with pytest.raises(ConfigError, match=told):
        load({"downloads": {key: value}}, environ={})
    if key not in {"enabled", "max_byte"}:
        with pytest.raises(ValueError, match=key):
            Downloads(**{key: cast("Any", tuple(value) if isinstance(value, list) else value)})


def test_downloads_go_through_no_proxy() -> None:
    """Beside a proxy they are refused: it would resolve names where nothing can be checked."""
    with pytest.raises(ConfigError, match="cannot use a proxy"):
        Client(config=False, plugins=False, environ={}, downloads=True, proxy="http://127.0.0.1:1")
    Client(config=False, plugins=False, environ={}, downloads=False, proxy="http://127.0.0.1:1")


async def test_the_system_gives_all_addresses_of_a_name() -> None:
    """Of both families; a name that is reserved to have none raises what the system raises."""
    assert {"127.0.0.1"} <= set(await system_addresses("localhost")) <= {"127.0.0.1", "::1"}
    with pytest.raises(OSError, match="not known"):
        await system_addresses("none.invalid")


def test_the_servers_read_addresses_of_files() -> None:
    """Of Responses and of Messages, as of their own hosts."""
    content = [{"type": "input_file", "file_url": PAGE.url, "filename": "b.pdf"}]
    _, request = openai_responses.read(to_json({"model": "m", "input": [{"role": "user", "content": content}]}))
    assert request.messages[0].parts == (FilePart(url=PAGE.url, name="b.pdf"),)
    both = [{**content[0], "file_data": "data:a/b;base64,"}]
    with pytest.raises(ValueError, match="both"):
        openai_responses.read(to_json({"model": "m", "input": [{"role": "user", "content": both}]}))
    document = {"type": "document", "source": {"type": "url", "url": PAGE.url}, "title": "b.pdf"}
    body = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": [document]}]}
    _, request = anthropic_messages.read(to_json(body))
    assert request.messages[0].parts == (FilePart(url=PAGE.url, name="b.pdf"),)


def test_a_message_in_the_openai_form_may_name_a_file_by_its_address() -> None:
    """As OpenRouter's clients write it."""
    part = {"type": "file", "file": {"file_data": "https://a.example/b.pdf"}}
    message = Message.model_validate({"role": "user", "content": [part]})
    assert message.parts == (FilePart(url="https://a.example/b.pdf"),)
    assert json.loads(message.model_dump_json())["content"][0]["url"] == "https://a.example/b.pdf"
