"""What is written in code is checked like what is written in ``segue.toml``: addresses, headers, keys, proxies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from pydantic import SecretStr

import segue.sync
from segue import Client, ConfigError, Host, Message, Request
from segue.plugin import EmbedRequest
from segue.testing import OpenAIHost
from segue.transport import AiohttpTransport

if TYPE_CHECKING:
    from collections.abc import Callable

ADDRESSES = [
    "", "canary.example/v1", "127.0.0.1:1", "ftp://h.example", "http://", "http://:80", "http://[::1", "file:///etc",
    "http://h.example:99999/v1", "http://h.example:port/v1", "http://h.example/v 1", " http://h.example",
    "http://h.example/v1\n", "http://h.example/\x00",
]  # fmt: skip
BASE_URLS = [
    *ADDRESSES, "http://user:canary@h.example/v1", "http://canary@h.example", "http://h.example/v1?key=canary",
    "http://h.example/v1#canary", "http://h.example/v1?",
]  # fmt: skip
HEADERS: list[dict[Any, Any]] = [
    {"x-a": "canary\nx-b: 1"}, {"x-a": "canary\r"}, {"x-a": "canary \u20ac"}, {"x-a": "canary\x00"}, {"x a": "canary"},
    {"x-a:": "canary"}, {"": "canary"}, {"x-\u00e4": "canary"}, {"x-a": 5}, {"x-a": b"canary"}, {"x-a": None},
    {5: "canary"},
]  # fmt: skip
KEYS = ["sk-canary key", "sk-canary\n", "sk-\tcanary", "sk-canary\u20ac", "env:", "file:canary", "keyring:"]


def _refuses(make: Callable[[], object], name: str) -> None:
    """One line, with the name of the argument, without what may be secret."""
    with pytest.raises((TypeError, ValueError), match=name) as caught:
        make()
    assert "\n" not in str(caught.value)
    if "canary.example" not in str(caught.value):
        assert "canary" not in str(caught.value)


def _file_refuses(table: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        Client(config={"providers": {"a": table}}, plugins=False)


@pytest.mark.parametrize("url", BASE_URLS)
def test_an_address_that_the_file_refuses_is_refused_in_code(url: str) -> None:
    """Of a host; credentials in it are not shown."""
    _file_refuses({"base_url": url, "wire": "openai_chat"})
    _refuses(lambda: Host("a", url), "url must be a URL that starts with http")


@pytest.mark.parametrize("proxy", ADDRESSES)
@pytest.mark.parametrize("kind", [Client, segue.sync.Client])
def test_a_proxy_that_the_file_refuses_is_refused_in_code(proxy: str, kind: Any) -> None:
    """Of both clients, and of the transport, where it is a ConfigError."""
    _file_refuses({"proxy": proxy})
    _refuses(lambda: kind(config=False, plugins=False, proxy=proxy), r"proxy=<str>\): proxy must be an address such as")
    with pytest.raises(ConfigError, match="proxy must be a URL"):
        AiohttpTransport(proxy=proxy)


@pytest.mark.parametrize("headers", HEADERS, ids=repr)
async def test_headers_that_the_file_refuses_are_refused_in_code(headers: dict[Any, Any]) -> None:
    """Of a host, a request and each call; nothing is sent, and no host is blamed."""
    _file_refuses({"headers": headers} if 5 not in headers else {"headers": {"": "canary"}})
    _refuses(lambda: Host("a", "http://127.0.0.1:1", headers=headers), "headers")
    said = (Message(role="user", content="x"),)
    _refuses(lambda: Request(messages=said, extra_headers=headers), "extra_headers")
    _refuses(lambda: EmbedRequest(inputs=("x",), extra_headers=headers), "extra_headers")
    async with OpenAIHost() as host:
        row = Host("a", host.url, models=["m"])
        async with Client(config=False, plugins=False, providers=[row]) as client:
            _refuses(lambda: client.stream("x", model="a/m", extra_headers=headers), r"^stream\(extra_headers=<dict>\)")
            for call in (client.chat, client.embed):
                with pytest.raises((TypeError, ValueError), match=rf"^{call.__name__}\(extra_headers=<dict>\)"):
                    await call("x", model="a/m", extra_headers=headers)
            assert not client.health.states
        assert not host.requests


@pytest.mark.parametrize("kind", [Client, segue.sync.Client])
@pytest.mark.parametrize("wrap", [str, SecretStr])
@pytest.mark.parametrize("key", KEYS)
def test_a_key_that_the_file_refuses_is_refused_in_code(key: str, wrap: Any, kind: Any) -> None:
    """At construction, without the key; a reference such as env:NAME is checked too."""
    _file_refuses({"api_key": key})
    row = Host("a", "http://127.0.0.1:1", env=["A_KEY"])
    make = lambda: kind(config=False, plugins=False, providers=[row], api_keys={"a": wrap(key)})  # noqa: E731
    _refuses(make, r"^Client\(api_keys=<dict>\): api_keys\['a'\] (is not a valid key|must have)")


def test_what_the_file_accepts_is_accepted_in_code() -> None:
    """Text in Latin-1, a port, a path, a placeholder; a password in the address of a proxy."""
    for url in ("http://h.example:8080/v1", "https://[::1]:1/v1", "https://{account}.example/v1"):
        assert Host("a", url, headers={"x-a": "caf\u00e9", "x-b": ""}).url == url
    row = Host("a", "http://127.0.0.1:1", env=["A_KEY"])
    Client(
        config=False, plugins=False, providers=[row], proxy="http://user:pw@127.0.0.1:3128", api_keys={"a": "env:A_KEY"}
    )
