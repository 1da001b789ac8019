"""What is configured reaches the calls: rows, facts, keys, proxies, limits; and what a cloned file may not do."""

from __future__ import annotations

import asyncio
import functools
import threading
from typing import TYPE_CHECKING, Any

import keyring
import pytest
from keyring.backend import KeyringBackend

from segue import (
    AllFailedError,
    Chain,
    Client,
    ConfigError,
    Host,
    NoCandidateError,
    ProviderError,
    Retry,
    StreamBrokenError,
    UnsupportedError,
)
from segue.config import address_fault
from segue.plugin import AsyncGeneratorProvider
from segue.plugins.registry import Registry
from segue.testing import Answer, Cut, OpenAIHost, ProxyHost, Status

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
    from pathlib import Path

ROW = {"wire": "openai_chat", "models": ["m"]}


def client_with(config: dict[str, Any], **more: Any) -> Client:
    return Client(config=config, plugins=False, environ=more.pop("environ", {}), retry=Retry(count=0), **more)


def row(host: OpenAIHost, **more: Any) -> dict[str, Any]:
    return {**ROW, "base_url": host.url, **more}


async def test_a_row_of_the_file_is_a_provider() -> None:
    """A host of the user's own is selected by its facts, asked with its key, headers and quirks."""
    async with OpenAIHost() as host:
        table = row(
            host,
            api_key="env:MY_KEY",
            headers={"X-Team": "a"},
            quirks=["max_completion_tokens"],
            models=[{"name": "m", "tools": True, "context": 9000}],
        )
        async with client_with({"providers": {"mine": table}}, environ={"MY_KEY": "sk-canary-mine"}) as client:
            reply = await client.chat("x", needs="tools, context>=8k", max_tokens=3)
    assert reply.provider == "mine"
    headers = {name.lower(): value for name, value in host.requests[0].headers}
    assert (headers["authorization"], headers["x-team"]) == ("Bearer sk-canary-mine", "a")
    assert host.requests[0].json["max_completion_tokens"] == 3


async def test_declared_facts_stand_above_advertised_ones() -> None:
    """What the user says of a model counts for selection, for what is left out, and for its price."""
    async with OpenAIHost() as host:
        facts = {"mine/m": {"tools": False, "input_price": 1, "output_price": 2}, "mine/other": {"context": 5000}}
        async with client_with({"providers": {"mine": row(host)}, "models": facts}) as client:
            assert [candidate.name for candidate in client.select("context>=5k").candidates] == ["mine/other"]
            reply = await client.chat("x", model="mine/m")
            assert reply.usage is not None
            assert reply.usage.input_tokens is not None
            assert reply.usage.output_tokens is not None
            assert reply.cost == pytest.approx((reply.usage.input_tokens + 2 * reply.usage.output_tokens) / 1e6)
            with pytest.raises(NoCandidateError, match="tools is false"):
                await client.chat("x", model="mine/m", tools=[{"type": "function", "function": {"name": "f"}}])


class ThreadedRing(KeyringBackend):
    """Tells in which thread it was asked, and how often."""

    priority = 1  # type: ignore[assignment]  # a plain number, as the backends have it

    def __init__(self) -> None:
        self.threads: list[threading.Thread] = []

    def get_password(self, service: str, username: str) -> str | None:
        self.threads.append(threading.current_thread())
        return "sk-canary-ring" if username == "mine" else None

    def set_password(self, service: str, username: str, password: str) -> None:
        raise NotImplementedError

    def delete_password(self, service: str, username: str) -> None:
        raise NotImplementedError


@pytest.fixture
def ring() -> Iterator[ThreadedRing]:
    before, ring = keyring.get_keyring(), ThreadedRing()
    keyring.set_keyring(ring)
    yield ring
    keyring.set_keyring(before)


async def test_the_keyring_is_asked_once_and_not_in_the_loop(ring: ThreadedRing) -> None:
    """A keyring may ask its user: it is looked up in another thread, once a client."""
    async with OpenAIHost() as host:
        async with client_with({"providers": {"mine": row(host, api_key="keyring:mine")}}) as client:
            await client.chat("x", model="mine/m")
            await client.chat("x", model="mine/m")
    assert len(ring.threads) == 1
    assert ring.threads[0] is not threading.main_thread()
    assert {name.lower(): value for name, value in host.requests[1].headers}["authorization"] == "Bearer sk-canary-ring"


async def test_a_key_that_is_not_to_be_had_fails_that_provider_alone(ring: ThreadedRing) -> None:
    """A broken reference of one provider is a failed attempt in a chain; on its own it says what to mend."""
    async with OpenAIHost() as host:
        providers = {"broken": row(host, api_key="keyring:absent"), "mine": row(host)}
        async with client_with({"providers": providers}) as client:
            reply = await client.chat("x", chain=Chain("broken/m", "mine/m"))
            assert reply.provider == "mine"
            with pytest.raises(ProviderError, match="does not exist in the keyring") as caught:
                await client.chat("x", model="broken/m")
    assert isinstance(caught.value.__cause__, ConfigError)


async def test_a_variable_is_read_anew_with_each_call() -> None:
    """A key that was exchanged in the environment counts from the next call on."""
    environ = {"MY_KEY": "sk-canary-one"}
    async with OpenAIHost() as host:
        table = {"providers": {"mine": row(host, api_key="env:MY_KEY")}}
        async with client_with(table, environ=environ) as client:
            await client.chat("x", model="mine/m")
            environ["MY_KEY"] = "sk-canary-two"
            await client.chat("x", model="mine/m")
    sent = [{name.lower(): value for name, value in received.headers}["authorization"] for received in host.requests]
    assert sent == ["Bearer sk-canary-one", "Bearer sk-canary-two"]


async def test_a_provider_may_have_a_proxy_of_its_own() -> None:
    """One provider's calls go through its proxy, the others' go straight."""
    async with OpenAIHost() as host, ProxyHost() as proxy:
        providers = {"far": row(host, proxy=proxy.url), "near": row(host)}
        async with client_with({"providers": providers}) as client:
            await client.chat("x", model="near/m")
            assert not proxy.requests
            await client.chat("x", model="far/m")
            assert len(proxy.requests) == 1


async def test_proxies_of_the_environment_are_used_only_when_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """HTTP_PROXY is left alone, used with environment_proxies, and not for what NO_PROXY names."""
    async with OpenAIHost() as host, ProxyHost() as proxy:
        for name in ("HTTP_PROXY", "NO_PROXY", "no_proxy"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("http_proxy", proxy.url)
        used = []
        for asked_for, exception in ((False, ""), (True, ""), (True, "127.0.0.1")):
            monkeypatch.setenv("no_proxy", exception)
            async with client_with({"providers": {"mine": row(host)}}, environment_proxies=asked_for) as client:
                await client.chat("x", model="mine/m")
            used.append(len(proxy.requests))
    assert used == [0, 1, 1]


async def test_no_more_calls_than_allowed_run_at_the_same_time() -> None:
    """With concurrency=2 a third call waits until one has ended."""
    async with OpenAIHost(answer=["a", "b"], pace=0.0) as host:
        async with client_with({"providers": {"mine": row(host)}}, concurrency=2) as client:
            first, second = client.stream("x", model="mine/m"), client.stream("x", model="mine/m")
            async with first, second:
                await anext(aiter(first))
                await anext(aiter(second))
                third = asyncio.ensure_future(client.chat("x", model="mine/m"))
                for _ in range(20):
                    await asyncio.sleep(0)
                assert len(host.requests) == 2
            assert (await third).text == "ab"
    assert len(host.requests) == 3


async def test_a_provider_may_have_a_limit_of_its_own() -> None:
    """With concurrency=1 for one provider its second call waits, and another provider's does not."""
    async with OpenAIHost(answer=["a", "b"]) as host:
        providers = {"slow": row(host, concurrency=1), "free": row(host)}
        async with client_with({"providers": providers}) as client:
            async with client.stream("x", model="slow/m") as first:
                await anext(aiter(first))
                second = asyncio.ensure_future(client.chat("x", model="slow/m"))
                assert (await client.chat("x", model="free/m")).text == "ab"
                assert len(host.requests) == 2
            assert (await second).text == "ab"
    assert len(host.requests) == 3


def test_a_limit_of_no_calls_is_refused() -> None:
    """Zero is no limit one could mean."""
    with pytest.raises(ValueError, match="concurrency"):
        Client(config=False, plugins=False, concurrency=0)


async def test_a_client_asks_again_where_nobody_else_is_left() -> None:
    """A single candidate that was overloaded once answers in the end, and both attempts are on record."""
    async with OpenAIHost(script=[Status(503), Answer("hi")]) as host:
        config = {"providers": {"mine": row(host)}, "retry": {"count": 1, "base": 0.001}}
        async with Client(config=config, plugins=False, environ={}) as client:
            reply = await client.chat("x", model="mine/m")
    assert [attempt.outcome for attempt in reply.attempts] == ["failed", "answered"]


async def test_a_stream_that_showed_something_is_never_asked_again() -> None:
    """What a caller has seen cannot be taken back: a cut stream raises, whatever may be retried."""
    async with OpenAIHost(answer=["one ", "two ", "three"], script=[Cut(800)]) as host:
        config = {"providers": {"mine": row(host)}, "retry": {"count": 3, "base": 0.001}}
        async with Client(config=config, plugins=False, environ={}) as client:
            with pytest.raises(StreamBrokenError) as caught:
                async with client.stream("x", model="mine/m") as stream:
                    await stream.reply()
    assert caught.value.text
    assert len(host.requests) == 1


def test_plugins_are_left_alone_where_the_environment_says_so() -> None:
    """With SEGUE_NO_PLUGINS nothing that is installed is loaded."""
    assert not Client(environ={"SEGUE_NO_PLUGINS": "1", "HOME": "/nowhere"}).registry.installed
    assert Client(environ={"SEGUE_NO_PLUGINS": "0", "HOME": "/nowhere"}).registry.installed


async def test_a_chain_of_the_working_directory_is_no_consent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cloned file that names a public host sends it nothing; the same chain in the user's own file does."""
    chain = '[chains.main]\ntargets = ["cromicle/gpt-3.5-turbo"]\n'
    (tmp_path / "segue.toml").write_text(chain)
    monkeypatch.chdir(tmp_path)
    environ = {"XDG_CONFIG_HOME": str(tmp_path / "home"), "SEGUE_NO_NETWORK": "1"}
    async with Client(environ=environ) as client:
        with pytest.raises(NoCandidateError, match="does not permit requests to a public host"):
            await client.chat("x", chain="main")


async def test_a_chain_that_holds_one_of_the_working_directory_is_no_consent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The user's own chain does not lend its consent to a chain inside it that a cloned file has rewritten."""
    (tmp_path / "segue.toml").write_text('[chains.inner]\ntargets = ["cromicle/gpt-3.5-turbo"]\n')
    home = tmp_path / "home" / "segue"
    home.mkdir(parents=True)
    (home / "segue.toml").write_text('[chains.main]\ntargets = [{ chain = "inner" }]\n')
    monkeypatch.chdir(tmp_path)
    environ = {"XDG_CONFIG_HOME": str(tmp_path / "home"), "SEGUE_NO_NETWORK": "1"}
    async with Client(environ=environ) as client:
        with pytest.raises(NoCandidateError, match="does not permit requests to a public host"):
            await client.chat("x", chain="main")


WAYS: dict[str, Callable[[Client], Awaitable[object]]] = {
    "chat, the chain itself": lambda client: client.chat("x", chain=client.chain("main")),
    "chat, inside another": lambda client: client.chat("x", chain=Chain(client.chain("main"))),
    "stream": lambda client: client.stream("x", chain="main").reply(),
    "probe": lambda client: client.probe(client.chain("main")),
    "embed": lambda client: client.embed("x", chain="main"),
}


@pytest.mark.parametrize("way", WAYS)
async def test_no_way_of_asking_takes_it_for_consent(way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whichever way a chain of the working directory is asked, it asks no public host that it alone names."""
    (tmp_path / "segue.toml").write_text('[chains.main]\ntargets = ["cromicle/gpt-3.5-turbo"]\n')
    monkeypatch.chdir(tmp_path)
    environ = {"XDG_CONFIG_HOME": str(tmp_path / "home"), "SEGUE_NO_NETWORK": "1"}
    async with Client(environ=environ) as client:
        with pytest.raises(NoCandidateError, match="does not permit requests to a public host"):
            await WAYS[way](client)


async def test_what_stands_beside_it_keeps_its_own_consent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A public host that the program itself names is asked, with a chain of the working directory beside it."""
    (tmp_path / "segue.toml").write_text('[chains.main]\ntargets = ["cromicle/gpt-3.5-turbo"]\n')
    monkeypatch.chdir(tmp_path)

    class Commons(AsyncGeneratorProvider):
        public = True
        models = ("m",)

        @classmethod
        async def create_async_generator(cls, *_: Any, **__: Any) -> AsyncIterator[str]:  # type: ignore[override]
            yield "from the commons"

    environ = {"XDG_CONFIG_HOME": str(tmp_path / "home"), "SEGUE_NO_NETWORK": "1"}
    async with Client(environ=environ, providers=[Commons]) as client:
        reply = await client.chat("x", chain=Chain(client.chain("main"), "commons/m"))
    assert (reply.text, [attempt.provider for attempt in reply.attempts]) == ("from the commons", ["commons"])
    assert any("does not permit requests to a public host" in notice.message for notice in reply.notices)


async def test_a_host_that_is_refused_is_the_chains_business() -> None:
    """Candidates that each lack something are told together."""
    async with OpenAIHost() as host:
        config = {"providers": {"a": row(host), "b": row(host)}, "models": {n: {"stop": False} for n in ("a/m", "b/m")}}
        async with client_with(config) as client:
            with pytest.raises(AllFailedError) as caught:
                await client.chat("x", model="m", stop="END")
    assert {type(error) for error in caught.value.exceptions} == {UnsupportedError}
    assert not host.requests


# ── an address in a variable ─────────────────────────────────────────────────────────────────────────

WITH_VARIABLE = Host("row", "http://127.0.0.1:1/v1", base_url_env="ROW_URL")
URL_OF = {
    name: installed.spec
    for name, installed in Registry(providers=[WITH_VARIABLE]).installed.items()
    if installed.spec.base_url_env is not None
}


@pytest.mark.parametrize("way", ["chat", "stream", "embed", "live_models"])
@pytest.mark.parametrize("name", URL_OF)
async def test_an_address_without_a_scheme_is_told_in_one_line(name: str, way: str) -> None:
    """For every provider that reads its address from a variable, unless it completes the address itself."""
    spec = URL_OF[name]
    assert spec.base_url_env is not None
    environ = {**dict.fromkeys(spec.env, "canary"), spec.base_url_env: "127.0.0.1:1/v1", "SEGUE_NO_NETWORK": "1"}
    async with Client(config=False, providers=[WITH_VARIABLE], environ=environ, retry=0) as client:
        if way == "live_models":
            live = await client.live_models(provider=name)
            if name in live.skipped:  # it has no list of models
                return
            told = f"{name}: {live.failures[name]}".replace(f"{name}: {name}: ", f"{name}: ")
        else:
            call = functools.partial(getattr(client, way), "x", model=f"{name}/m")
            with pytest.raises(ProviderError) as caught:
                await (call().reply() if way == "stream" else call())
            told = str(caught.value)
    if spec.bare_base_url:
        assert spec.base_url_env not in told.partition("\n")[0]
    else:
        assert told == (
            f"{name}: {spec.base_url_env} in the environment must be a URL such as http://127.0.0.1:8080/v1, "
            "not '127.0.0.1:1/v1': set it to http://127.0.0.1:1/v1"
        )


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("localhost:8080/v1", "not 'localhost:8080/v1': set it to http://localhost:8080/v1"),
        ("api.acme.example/v1", "not 'api.acme.example/v1': set it to https://api.acme.example/v1"),
        ("me:canary@acme.example/v1", "not 'acme.example/v1'"),
        ("ftp://me:canary@acme.example/v1", "not 'ftp://acme.example/v1'"),
        ("https://acme.example:99999/v1?key=canary", "not 'https://acme.example:99999/v1'"),
        ("me:canary?canary@acme.example", "its value is not shown"),
        ("sk-canary", "its value is not shown"),
        ("http://", "its value is not shown"),
        (" https://acme.example/v1\n", "has spaces or line breaks around its URL: remove them"),
        ("https://acme.example/a b", "not 'https://acme.example/a b'"),
    ],
)
def test_a_wrong_address_is_shown_without_its_secrets(address: str, told: str) -> None:
    """In one line that names the variable."""
    fault = address_fault("ACME_URL", address)
    assert fault is not None
    assert fault.startswith("ACME_URL in the environment ")
    assert fault.endswith(told)
    assert "canary" not in fault
    assert "\n" not in fault


@pytest.mark.parametrize("address", ["http://h/v1", "https://me:pw@h:1/v1", "http://[::1]:8080", "https://{a}.example"])
def test_a_right_address_has_no_fault(address: str) -> None:
    """With a user or a port too."""
    assert address_fault("ACME_URL", address) is None
