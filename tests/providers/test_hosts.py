"""The rows of hosts: well formed, cheap to read, at the addresses where traffic was recorded."""

from __future__ import annotations

import dataclasses
import datetime as dt
import ipaddress
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

import segue_hosts
from segue import Client
from segue.messages import SETTING_NAMES
from segue.testing import OpenAIHost
from segue.wire.openai_chat import QUIRKS, dialect
from segue_cohere.models import MODELS as COHERE_MODELS
from segue_hosts import HOSTS
from segue_mistral.models import MODELS as MISTRAL_MODELS
from segue_openai.models import MODELS as OPENAI_MODELS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from segue.plugin import Host, Model

_ROOT = Path(__file__).parents[2]
_CORPUS = Path(os.environ.get("SEGUE_WIRE", _ROOT.parent / "shared" / "wire"))

# Where a host's recordings are, by its row's name, and the addresses that only some of them have.
_RECORDED = {
    "cerebras": ("cerebras-chat", set[str]()),
    "deepseek": ("deepseek-chat", {"https://api.deepseek.com/v1", "https://api.deepseek.com/beta"}),
    "groq": ("groq-chat", set[str]()),
    "openrouter": ("openrouter-chat", set[str]()),
    "perplexity": ("perplexity-chat", set[str]()),
    "together": ("together-chat", {"https://api.together.xyz/v1"}),
    "xai": ("xai-chat", set[str]()),
}
_LOCAL = {"llamacpp", "lmstudio", "vllm"}
_PRICES = {"input_price", "output_price", "cached_input_price"}
_SIZES = {"context", "max_output"}
_FLAGS = {
    "audio", "chat", "choices", "deprecated", "embeddings", "files",
    "json_object", "json_schema", "logprobs", "parallel_tools", "reasoning",
    "supports_gpt_35_turbo", "tools", "vision", "working",
}  # fmt: skip

each_host = pytest.mark.parametrize("host", HOSTS, ids=lambda host: host.name)


def _named(models: Iterable[Model], prefix: str) -> list[object]:
    return [pytest.param(model, id=f"{prefix}/{model.name}") for model in models]


each_model = pytest.mark.parametrize(
    "model",
    [
        *_named(COHERE_MODELS, "cohere"),
        *_named(MISTRAL_MODELS, "mistral"),
        *_named(OPENAI_MODELS, "openai"),
        *(one for spec in segue_hosts.segue_providers() for one in _named(spec.offers(), spec.name)),
    ],
)


def _is_loopback(host: Host) -> bool:
    try:
        return ipaddress.ip_address(urlsplit(host.url).hostname or "").is_loopback
    except ValueError:
        return False


def test_the_rows_are_sorted_and_each_name_stands_once() -> None:
    """The names of the rows are in order, without a second of any."""
    names = [host.name for host in HOSTS]
    assert names == sorted(set(names))


def test_the_hook_gives_a_provider_for_each_row() -> None:
    """What the hook returns are the rows, by name and address."""
    specs = segue_hosts.segue_providers()
    assert [(spec.name, spec.url) for spec in specs] == [(host.name, host.url) for host in HOSTS]


@each_host
def test_an_address_is_encrypted_or_on_this_machine(host: Host) -> None:
    """A base address is https, or http to a loopback address, and ends without a slash."""
    assert urlsplit(host.url).scheme == ("http" if _is_loopback(host) else "https")
    assert not host.url.endswith("/")
    assert _is_loopback(host) is (host.name in _LOCAL)


@each_host
def test_a_remote_host_needs_a_key_and_a_local_one_none(host: Host) -> None:
    """Variables that hold keys are in capitals, and only hosts of this machine have none."""
    assert bool(host.env) is (host.name not in _LOCAL)
    assert all(re.fullmatch(r"[A-Z][A-Z0-9_]*", name) for name in host.env)


@each_host
def test_a_key_is_got_over_https(host: Host) -> None:
    """Where a key is to be got is an https address."""
    assert host.key_url is None or urlsplit(host.key_url).scheme == "https"


@each_host
def test_a_row_says_who_says_so_and_when(host: Host) -> None:
    """A source is an https page, the day of the check is a day that was."""
    assert urlsplit(host.source).scheme == "https"
    assert urlsplit(host.source).hostname
    checked = dt.date.fromisoformat(host.checked)
    assert dt.date(2026, 1, 1) <= checked <= dt.datetime.now(dt.UTC).date()


@each_host
def test_the_quirks_are_those_of_the_wire(host: Host) -> None:
    """The wire knows each quirk, takes them together, and each stands once, in order."""
    assert set(host.quirks) <= set(QUIRKS)
    assert list(host.quirks) == sorted(set(host.quirks))
    dialect(host.quirks)


@each_host
def test_a_model_stands_once_in_its_row(host: Host) -> None:
    """No row has two models of one name."""
    names = [model.name for model in host.spec().offers()]
    assert len(names) == len(set(names))


@each_host
def test_a_host_that_has_ended_offers_no_model(host: Host) -> None:
    """What is not working is never chosen by what its models can do, for it has none."""
    working = host.spec().capabilities.get("working")
    assert working is None or not host.models


@each_model
def test_the_facts_of_a_model_are_of_known_names_and_kinds(model: Model) -> None:
    """Prices are positive, sizes whole, flags yes, no or unknown; a setting stands there only as refused."""
    for name, fact in model.capabilities.items():
        if name in _PRICES:
            assert fact.value is None or (isinstance(fact.value, float) and fact.value > 0)
        elif name in _SIZES:
            assert type(fact.value) is int
            assert fact.value > 0
        elif name in _FLAGS:
            assert fact.value is None or isinstance(fact.value, bool)
        elif name == "retires":
            assert dt.date.fromisoformat(str(fact.value))
        else:
            assert name in SETTING_NAMES
            assert fact.value is False


@each_model
def test_every_fact_says_who_says_so(model: Model) -> None:
    """No fact of a model is merely declared."""
    assert model.capabilities
    assert all(fact.source not in {"", "declared"} for fact in model.capabilities.values())


@each_model
def test_the_prices_of_a_model_agree_with_each_other(model: Model) -> None:
    """Who tells a price tells that of input and, unless there is none, output; what is cached costs less."""
    price = {name: model.capabilities.fact(name).value for name in _PRICES}
    if model.capabilities.fact("chat").value is not False:
        assert (price["input_price"] is None) is (price["output_price"] is None)
    cached, full = price["cached_input_price"], price["input_price"]
    if cached is not None:
        assert isinstance(cached, float)
        assert isinstance(full, float)
        assert cached < full


@each_model
def test_an_answer_is_not_longer_than_the_context(model: Model) -> None:
    """The longest answer fits the context."""
    context, longest = model.capabilities.fact("context").value, model.capabilities.fact("max_output").value
    if isinstance(context, int) and isinstance(longest, int):
        assert longest <= context


@pytest.mark.parametrize("name", sorted(_RECORDED))
def test_the_address_is_where_traffic_was_recorded(name: str) -> None:
    """Every recorded request of a host went to its row's address, or to one that is known as its other."""
    folder, others = _RECORDED[name]
    recordings = sorted((_CORPUS / folder).glob("*.json"))
    if not recordings:
        pytest.skip(f"no {folder} in ../shared/wire")
    (host,) = (host for host in HOSTS if host.name == name)
    recorded = {
        json.loads(path.read_bytes())["request"]["url"].removesuffix("/chat/completions") for path in recordings
    }
    assert host.url in recorded
    assert recorded - {host.url} == others


def test_openai_s_models_stand_once_and_have_the_oldest_name() -> None:
    """No name comes twice, and gpt-3.5-turbo is the one that supports_gpt_35_turbo."""
    names = [model.name for model in OPENAI_MODELS]
    assert len(names) == len(set(names))
    oldest = [model.name for model in OPENAI_MODELS if model.capabilities.fact("supports_gpt_35_turbo").value is True]
    assert oldest == ["gpt-3.5-turbo"]


def test_the_readme_lists_each_host_and_its_key() -> None:
    """Who reads the README finds every row with its variable, and no other row."""
    text = (_ROOT / "providers" / "hosts" / "README.md").read_text("utf-8")
    rows = dict(re.findall(r"^\| `([\w-]+)` \| .* \|(.*)\|$", text, re.MULTILINE))
    assert {name: re.findall(r"`(\w+)`", key) for name, key in rows.items()} == {
        host.name: list(host.env) for host in HOSTS
    }


def test_the_rows_load_neither_pydantic_nor_aiohttp() -> None:
    """Reading every row costs none of the heavy libraries."""
    code = (
        "import sys, segue_hosts\nsegue_hosts.segue_providers()\n"
        "print([name for name in ('pydantic', 'aiohttp', 'segue.wire') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


async def test_a_model_that_no_row_declares_is_asked_for_by_name() -> None:
    """A host of this machine is asked without a key, in its row's dialect, for whatever model is named."""
    (row,) = (row for row in HOSTS if row.name == "vllm")
    async with OpenAIHost(answer="hello") as host:
        spec = dataclasses.replace(row, url=host.url).spec()
        async with Client(providers=[spec], config=False, plugins=False, environ={}) as client:
            reply = await client.chat([{"role": "developer", "content": "hi"}], model="vllm/qwen3:8b")
        (request,) = host.requests
    assert reply.text == "hello"
    assert "authorization" not in request.header
    assert (request.json["model"], request.json["messages"]) == ("qwen3:8b", [{"role": "system", "content": "hi"}])
