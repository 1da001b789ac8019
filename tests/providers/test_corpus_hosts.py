"""Each recorded endpoint of OpenAI's wires has its row or provider; rows speak more than one wire."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from corpus import index

from segue import Client, ConfigError
from segue.plugin import Host, Model
from segue.testing import Body, OpenAIHost
from segue.wire.openai_responses.server import render_stream
from segue_hosts.rows import HOSTS

if TYPE_CHECKING:
    from pathlib import Path

URLS = {host.name: host.url for host in HOSTS} | {
    "mistral": "https://api.mistral.ai/v1",
    "ollama": "http://127.0.0.1:11434/v1",
    "openai": "https://api.openai.com/v1",
}
# Recorded endpoints whose name is another than that of the row or provider.
NAMES = {
    "gpustack": "llamacpp",  # on this machine, at an address of the user's own
    "mistral-embeddings": "mistral",
    "ollama-openai": "ollama",  # the provider ollama speaks the native wire; this one is a row in segue.toml
    "vercel-gateway": "vercel",
}
# Addresses that no row has, and why.
OTHERS = {
    "https://api.perplexity.ai/v1/embeddings": "of another base than Chat Completions had: a row in segue.toml",
    "https://api.deepseek.com/beta/chat/completions": "what is in beta: base_url",
    "https://api.deepseek.com/v1/chat/completions": "the same without its version",
    "https://api.together.xyz/v1/chat/completions": "the older name of api.together.ai",
    "https://api.z.ai/api/coding/paas/v4/chat/completions": "of the coding plan: base_url",
    "https://bedrock-mantle.us-east-1.api.aws/openai/v1/responses": "the same under another path",
    "https://router.huggingface.co/novita/v3/openai/chat/completions": "one host behind the router: base_url",
    "https://router.huggingface.co/together/v1/chat/completions": "one host behind the router: base_url",
}
PATHS = {"openai-chat": "/chat/completions", "openai-responses": "/responses", "openai-embeddings": "/embeddings"}


def _endpoints() -> list[Any]:
    found = sorted({(entry.provider, entry.api, entry.file.parent) for entry in index() if entry.api in PATHS}, key=str)
    marks = [pytest.mark.skip(reason="no corpus in ../shared/wire")]
    return [pytest.param(*one, id=one[0]) for one in found] or [pytest.param("", "", None, id="corpus", marks=marks)]


@pytest.mark.parametrize(("provider", "api", "folder"), _endpoints())
def test_a_recorded_endpoint_has_its_row(provider: str, api: str, folder: Path) -> None:
    """Its requests went to the row's address, account and region aside; Azure's resources are the provider azure's."""
    name = provider.removesuffix(f"-{api.removeprefix('openai-')}")
    if name in {"azure-openai", "azure-foundry"}:
        return  # addresses of a resource, see tests/wires/test_openai_responses.py; /models of Foundry is the older one
    known = URLS[NAMES.get(name, NAMES.get(provider, name))]
    short = any(host.url == known and "short_path" in host.quirks for host in HOSTS)
    path = "/chat" if short and api == "openai-chat" else PATHS[api]
    for file in folder.glob("*.json"):
        url = json.loads(file.read_text("utf-8"))["request"].get("url")
        if not url or url in OTHERS:
            continue
        wanted, asked = urlsplit(known + path), urlsplit(url)
        # {account} stands for one label of a name or path, {workspace} for a whole name.
        assert _shape(wanted.path) == _shape(asked.path.replace("example-account", "{account}"))
        told = asked.hostname or ""
        if "{" not in wanted.netloc:
            assert told == wanted.hostname
        else:
            assert told.endswith(wanted.netloc.partition("}")[2])


def _shape(path: str) -> list[str]:
    return path.split("/")


def client_of(host: Host, **table: Any) -> Client:
    return Client(providers=[host], config={"providers": {host.name: table}}, plugins=False, environ={})


def answer(text: str) -> Body:
    from segue import Finish, Start, TextDelta

    return Body(b"".join(render_stream([Start("m", "r"), TextDelta(text), Finish("stop")])))


async def test_a_row_on_responses_is_asked_there() -> None:
    """By the row's own wire, or by an option where it speaks both."""
    async with OpenAIHost(script=[answer("one"), answer("two")]) as host:
        own = Host("own", host.url, models=["m"], wire="openai_responses")
        both = Host("both", host.url, models=["m"], wires=("openai_responses",))
        async with client_of(own) as client, client.stream("x", model="own/m") as stream:
            assert (await stream.reply()).text == "one"
        async with (
            client_of(both) as client,
            client.stream("x", model="both/m", options={"both": {"wire": "responses"}}) as stream,
        ):
            assert (await stream.reply()).text == "two"
    assert [request.path.rpartition("/")[2] for request in host.requests] == ["responses", "responses"]
    assert all("wire" not in request.json for request in host.requests)


async def test_a_wire_that_a_row_does_not_speak_is_refused() -> None:
    """Before anything is sent, by name."""
    async with OpenAIHost() as host, client_of(Host("acme", host.url, models=["m"])) as client:
        for word in ("responses", "morse", 7):
            with pytest.raises(Exception, match="acme: the option wire must be chat") as caught:
                await client.chat("x", model="acme/m", options={"acme": {"wire": word}})
            assert isinstance(caught.value, ConfigError)
    assert host.requests == []


async def test_a_row_may_want_an_address_of_the_users() -> None:
    """Without it the error says what to write where; with it the host is asked."""
    row = Host("acme", "https://{account}.acme.example/v1", models=["m"])
    async with client_of(row) as client:
        with pytest.raises(ConfigError, match=r'base_url = "https://\{account\}\.acme\.example/v1" in \[providers'):
            await client.chat("x", model="acme/m")
    async with OpenAIHost() as host, client_of(row, base_url=host.url) as client:
        assert (await client.chat("x", model="acme/m")).text


async def test_a_row_in_the_file_may_speak_responses() -> None:
    """``wire = "openai_responses"`` in a table of segue.toml."""
    async with OpenAIHost(script=[answer("hi")]) as host:
        table = {"wire": "openai_responses", "base_url": host.url, "models": ["m"]}
        async with Client(config={"providers": {"mine": table}}, plugins=False, environ={}) as client:
            async with client.stream("x", model="mine/m") as stream:
                assert (await stream.reply()).text == "hi"
    assert host.requests[0].path.endswith("/responses")


async def test_a_row_gives_vectors() -> None:
    """At its own address."""
    body = json.dumps({"data": [{"index": 0, "embedding": [1.0, 2.0]}], "model": "e"}).encode()
    async with OpenAIHost(script=[Body(body, content_type="application/json")]) as host:
        row = Host("acme", host.url, models=[Model("e")])
        async with client_of(row) as client:
            assert (await client.embed("x", model="acme/e")).vectors == [[1.0, 2.0]]
    assert host.requests[0].path.endswith("/embeddings")


def test_ticks_are_dollars() -> None:
    """xAI's are 10^10 to the dollar, on either wire; a cost in USD stands above them."""
    from segue.wire.reading import usd

    assert usd({"cost_in_usd_ticks": 12_345_000}) == pytest.approx(0.0012345)
    assert usd({"cost": {"total_cost": 0.5}, "cost_in_usd_ticks": 1}) == 0.5
    assert usd({"cost": True}) is usd({"cost": -1}) is usd({}) is None
