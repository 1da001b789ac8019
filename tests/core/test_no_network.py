"""With SEGUE_NO_NETWORK set no call leaves this machine: no socket is opened for it and no name looked up."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

import pytest

from segue import Chain, Client, ConfigError, ConnectError, DNSError
from segue.testing import OpenAIHost, ProxyHost, refused_url
from segue.transport import AiohttpTransport, Call

if TYPE_CHECKING:
    from collections.abc import Sequence

KEYS = {"openai": "sk-canary-no-network"}

ELSEWHERE = [
    "https://api.openai.com/v1",
    "http://192.0.2.1/v1",
    "http://10.0.0.1/v1",
    "http://0.0.0.0/v1",
    "http://[2001:db8::1]/v1",
    "http://[::ffff:127.0.0.1]/v1",
    "http://[::]/v1",
    "http://2130706433/v1",
    "http://0x7f000001/v1",
    "http://0x7f.0.0.1/v1",
    "http://0177.0.0.1/v1",
    "http://127.1/v1",
    "http://127.0.0.1.evil.example/v1",
    "http://127.0.0.1./v1",
    "http://localhost./v1",
    "http://localhost.evil.example/v1",
    "http://app.localhost/v1",
    "http://127.0.0.1@evil.example/v1",
    "http://127.0.0.1:80@evil.example/v1",
    "http://evil.example#@127.0.0.1/v1",
    "http://evil.example\\@127.0.0.1/v1",
]


@pytest.fixture(autouse=True)
def attempts(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What went to the system's resolver or to a socket's connect, literal loopback addresses left out."""
    seen: list[str] = []
    look_up, connect = socket.getaddrinfo, socket.socket.connect

    def looking_up(host: Any, *args: Any, **kwargs: Any) -> Any:
        if host not in {"127.0.0.1", "::1"}:
            seen.append(f"look up {host}")
        return look_up(host, *args, **kwargs)

    def connecting(self: socket.socket, address: Any) -> Any:
        if address[0] not in {"127.0.0.1", "::1"}:
            seen.append(f"connect to {address}")
        return connect(self, address)

    monkeypatch.setattr(socket, "getaddrinfo", looking_up)
    monkeypatch.setattr(socket.socket, "connect", connecting)
    return seen


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """The switch as a user sets it."""
    monkeypatch.setenv("SEGUE_NO_NETWORK", "1")


def calling(url: str) -> Call:
    return Call(f"{url}/chat/completions", headers={"content-type": "application/json"}, body=b'{"messages":[]}')


async def status(transport: AiohttpTransport, url: str) -> int:
    async with transport.open(calling(url)) as response:
        async for _ in response.chunks():
            pass
        return response.status


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize("url", ELSEWHERE)
async def test_what_is_not_written_as_loopback_is_refused(url: str, attempts: Sequence[str]) -> None:
    """Only literal loopback addresses and localhost pass; the rest is refused before a socket or a look-up."""
    async with AiohttpTransport() as transport:
        with pytest.raises(ConfigError):
            await status(transport, url)
    assert attempts == []


@pytest.mark.usefixtures("no_network")
async def test_the_refusal_names_the_switch_and_the_host() -> None:
    """The message says what was set and where the call would have gone, without the rest of the address."""
    async with AiohttpTransport() as transport:
        with pytest.raises(ConfigError) as caught:
            await status(transport, "https://user:sk-canary-url@api.openai.com/v1")
    assert str(caught.value) == "SEGUE_NO_NETWORK is set: api.openai.com is not on this machine"


@pytest.mark.usefixtures("no_network")
async def test_loopback_is_asked_as_ever(attempts: Sequence[str]) -> None:
    """Every way of writing loopback still reaches a host on this machine, without a look-up."""
    async with OpenAIHost() as host, AiohttpTransport() as transport:
        for name in ("127.0.0.1", "localhost", "LOCALHOST"):
            assert await status(transport, host.url.replace("127.0.0.1", name)) == 200
    assert attempts == []


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize("address", ["127.8.9.10", "[::1]"])
async def test_the_whole_of_loopback_passes(address: str) -> None:
    """All of 127.0.0.0/8 and ::1 are this machine: not refused, though nobody listens there."""
    async with AiohttpTransport() as transport:
        with pytest.raises(ConnectError):
            await status(transport, refused_url().replace("127.0.0.1", address))


async def test_localhost_is_loopback_whatever_a_hosts_file_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """A resolver that leads localhost elsewhere is not asked."""

    look_up = socket.getaddrinfo

    def elsewhere(host: Any, port: Any, *args: Any, **kwargs: Any) -> Any:
        return look_up("192.0.2.1" if host == "localhost" else host, port, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", elsewhere)
    async with OpenAIHost() as host, AiohttpTransport() as transport:
        assert await status(transport, host.url.replace("127.0.0.1", "localhost")) == 200


@pytest.mark.usefixtures("no_network")
async def test_a_proxy_elsewhere_is_refused() -> None:
    """A proxy that is not on this machine is no way to a host that is."""
    async with OpenAIHost() as host, AiohttpTransport(proxy="http://u:canary@proxy.example:3128") as transport:
        with pytest.raises(ConfigError, match=r"the proxy proxy\.example is not on this machine"):
            await status(transport, host.url)
    assert host.requests == []


@pytest.mark.usefixtures("no_network")
async def test_a_proxy_of_the_environment_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The proxy that the environment names is looked at like one that was given."""
    monkeypatch.setenv("http_proxy", "http://proxy.example:3128")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    async with OpenAIHost() as host, AiohttpTransport(environment_proxies=True) as transport:
        with pytest.raises(ConfigError, match=r"the proxy proxy\.example"):
            await status(transport, host.url)


@pytest.mark.usefixtures("no_network")
async def test_a_proxy_here_is_no_way_out() -> None:
    """A proxy on this machine is used for hosts on this machine, and for no other."""
    async with OpenAIHost() as host, ProxyHost() as proxy, AiohttpTransport(proxy=proxy.url) as transport:
        with pytest.raises(ConfigError, match=r"api\.openai\.com"):
            await status(transport, "http://api.openai.com/v1")
        assert await status(transport, host.url) == 200
    assert [received.path for received in proxy.requests] == [f"{host.url}/chat/completions"]


@pytest.mark.parametrize(("value", "refused"), [("", False), ("0", False), ("1", True), ("yes", True), ("false", True)])
async def test_any_value_but_0_sets_the_switch(value: str, refused: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Empty and 0 leave the network open; any other word closes it."""
    monkeypatch.setenv("SEGUE_NO_NETWORK", value)
    async with AiohttpTransport() as transport:
        with pytest.raises(ConfigError if refused else DNSError):
            await status(transport, "http://nowhere.invalid/v1")


async def test_the_switch_may_be_set_after_the_client_was_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """The variable is read at each call, also over a connection that is kept from before, and can be taken back."""
    async with (
        OpenAIHost() as host,
        ProxyHost(target=host.url) as proxy,
        AiohttpTransport(proxy=proxy.url) as transport,
    ):
        assert await status(transport, "http://provider.example/v1") == 200
        monkeypatch.setenv("SEGUE_NO_NETWORK", "1")
        with pytest.raises(ConfigError):
            await status(transport, "http://provider.example/v1")
        monkeypatch.delenv("SEGUE_NO_NETWORK")
        assert await status(transport, "http://provider.example/v1") == 200


async def test_a_transport_may_be_closed_in_by_an_argument() -> None:
    """``loopback_only`` does for one transport what the variable does for all."""
    async with AiohttpTransport(loopback_only=True) as transport:
        with pytest.raises(ConfigError, match=r"api\.openai\.com"):
            await status(transport, "https://api.openai.com/v1")


@pytest.mark.usefixtures("no_network")
async def test_no_argument_opens_what_the_variable_closed() -> None:
    """``loopback_only=False`` is no way around the switch."""
    async with AiohttpTransport(loopback_only=False) as transport:
        with pytest.raises(ConfigError):
            await status(transport, "https://api.openai.com/v1")


@pytest.mark.usefixtures("no_network")
async def test_a_chain_does_not_go_on_from_a_refusal(attempts: Sequence[str]) -> None:
    """A forbidden host is no outage: the chain ends with the refusal, and its next target is not asked."""
    async with OpenAIHost() as host:
        own = {"wire": "openai_chat", "base_url": host.url, "models": ["here"]}
        async with Client(config={"providers": {"own": own}}, api_keys=KEYS, environ={}) as client:
            with pytest.raises(ConfigError, match=r"api\.openai\.com is not on this machine"):
                await client.chat("Hello", chain=Chain("openai/gpt-4o-mini", "own/here"))
            assert (await client.chat("Hello", model="own/here")).text == "hello from the host"
    assert len(host.requests) == 1
    assert attempts == []
