"""Lists of models that hosts give: read, paged, merged with what is declared."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segue import (
    Client,
    ConfigError,
    ConnectError,
    Fact,
    PhaseTimeoutError,
    ProtocolError,
    ProviderError,
    Timeout,
    sync,
)
from segue.client.live import UNDECLARED, UNLISTED
from segue.errors import AuthenticationError
from segue.plugin import Capabilities, Host, Model, ProviderSpec
from segue.testing import Body, ScriptedHost, Stall
from segue.wire.model_lists import openai_models
from segue_anthropic.listing import read_models as anthropic_models
from segue_cohere.listing import read_models as cohere_models
from segue_google.listing import read_models as google_models
from segue_ollama.listing import read_shown, read_tags

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence

    from segue.plugin import Context
    from segue.testing import Step
    from segue.wire.model_lists import Page

READERS = [openai_models, anthropic_models, cohere_models, google_models, read_tags]


def listed(told: Any, **status: int) -> Body:
    return Body(json.dumps(told).encode(), content_type="application/json", **status)


@asynccontextmanager
async def serving(*steps: Step) -> AsyncIterator[ScriptedHost]:
    """A host that does each of these once."""
    async with ScriptedHost() as host:
        host.does(*steps, times=1)
        yield host


def facts_of(entry: Mapping[str, Any]) -> dict[str, Any]:
    """The facts of one entry of a list in OpenAI's form, without that it works."""
    ((model,), following) = openai_models(json.dumps({"object": "list", "data": [{"id": "m", **entry}]}).encode())
    assert following is None
    assert model.name == "m"
    return {name: value for name, value in model.facts.items() if (name, value) != ("working", True)}


def today() -> str:
    return str(dt.datetime.now(dt.UTC).date())


def client_of(*hosts: Host, config: Mapping[str, Any] | None = None, **more: Any) -> Client:
    return Client(config=config or {}, plugins=False, providers=[host.spec() for host in hosts], environ={}, **more)


# ── what hosts of OpenAI's wire add ──────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("entry", "facts"),
    [
        pytest.param({"object": "model", "created": 1, "owned_by": "o"}, {}, id="nothing"),
        pytest.param(
            {"context_window": 131072, "max_completion_tokens": 65536, "active": True},
            {"context": 131_072, "max_output": 65_536},
            id="groq",
        ),
        pytest.param({"active": False}, {"working": False}, id="groq-inactive"),
        pytest.param(
            {
                "context_length": 1000000,
                "architecture": {"input_modalities": ["text", "image", "file"], "output_modalities": ["text"]},
                "pricing": {"prompt": "0.000005", "completion": "0.000025", "input_cache_read": "0.0000005"},
                "top_provider": {"context_length": 1000000, "max_completion_tokens": 128000},
                "supported_parameters": [
                    "tools", "structured_outputs", "response_format", "reasoning", "stop", "seed", "top_k",
                    "frequency_penalty", "presence_penalty", "max_tokens",
                ],
                "expiration_date": "2027-01-31",
            },
            {
                "context": 1_000_000, "max_output": 128_000, "vision": True, "files": True, "audio": False,
                "input_price": 5.0, "output_price": 25.0, "cached_input_price": 0.5,
                "tools": True, "json_schema": True, "json_object": True, "reasoning": True, "logprobs": False,
                "temperature": False, "top_p": False, "deprecated": True, "retires": "2027-01-31",
            },
            id="openrouter",
        ),
        pytest.param(
            {"type": "chat", "context_length": 8192, "pricing": {"hourly": 0, "input": 0.3, "output": 0.6, "base": 0}},
            {"context": 8_192, "input_price": 0.3, "output_price": 0.6},
            id="together",
        ),
        pytest.param({"type": "embedding"}, {"chat": False, "embeddings": True}, id="together-vectors"),
        pytest.param({"type": "image"}, {"chat": False, "embeddings": False}, id="together-images"),
        pytest.param(
            {
                "type": "base",
                "max_context_length": 262144,
                "capabilities": {"completion_chat": True, "function_calling": True, "vision": False, "reasoning": True},
                "deprecation": "2027-02-01T00:00:00Z",
            },
            {
                "context": 262_144, "chat": True, "tools": True, "vision": False, "reasoning": True,
                "deprecated": True, "retires": "2027-02-01",
            },
            id="mistral",
        ),
        pytest.param(
            {"prompt_text_token_price": 20000, "completion_text_token_price": 60000, "input_modalities": ["text"]},
            {"input_price": 2.0, "output_price": 6.0, "vision": False, "audio": False, "files": False},
            id="xai",
        ),
        pytest.param(
            {
                "context_window": 200000,
                "max_tokens": 64000,
                "type": "language",
                "tags": ["tool-use", "vision"],
                "pricing": {"input": "0.0000006", "output": "0.0000022"},
            },
            {
                "context": 200_000, "max_output": 64_000, "tools": True, "vision": True,
                "input_price": 0.6, "output_price": 2.2,
            },
            id="vercel-gateway",
        ),
        pytest.param(
            {"context_length": 4096, "supports_chat": True, "supports_image_input": False, "supports_tools": True},
            {"context": 4_096, "chat": True, "vision": False, "tools": True},
            id="fireworks",
        ),
        pytest.param(
            {
                "providers": [
                    {"status": "live", "context_length": 131072, "supports_tools": True, "pricing": {"input": 0.1}},
                    {"status": "live", "context_length": 65536, "supports_tools": True, "pricing": {"input": 0.2}},
                    {"status": "error", "supports_tools": False},
                ]
            },
            {"tools": True},
            id="huggingface-only-what-all-agree-on",
        ),
        pytest.param({"max_model_len": 32768}, {"context": 32_768}, id="vllm"),
        pytest.param({"meta": {"n_ctx": 4096, "n_ctx_train": 131072}}, {"context": 4_096}, id="llamacpp"),
        pytest.param({"shutdown_date": "2027-01-14"}, {"deprecated": True, "retires": "2027-01-14"}, id="openai"),
        pytest.param(
            {
                "context_length": -1,
                "max_tokens": "many",
                "pricing": {"prompt": "-1", "completion": "free"},
                "capabilities": 7,
                "supported_parameters": [],
                "expiration_date": "soon",
            },
            {},
            id="nonsense",
        ),
    ],
)  # fmt: skip
def test_the_fields_of_an_entry_are_facts(entry: dict[str, Any], facts: dict[str, Any]) -> None:
    """What a host tells of a model becomes facts, sizes in tokens and prices for a million; nonsense none."""
    assert facts_of(entry) == facts


def test_a_list_may_stand_alone() -> None:
    """Together gives a list without an object around it."""
    models, _ = openai_models(b'[{"id": "a"}, {"id": "b"}]')
    assert [model.name for model in models] == ["a", "b"]


# ── the lists of other wires ─────────────────────────────────────────────────────────────────────────


def test_anthropic_tells_capabilities_and_life() -> None:
    """A retired model does not work; one that is deprecated does, until its day."""
    yes, no = {"supported": True}, {"supported": False}
    page = {
        "data": [
            {
                "type": "model",
                "id": "claude-a",
                "max_input_tokens": 1000000,
                "max_tokens": 128000,
                "lifecycle": "active",
                "capabilities": {"image_input": yes, "pdf_input": no, "structured_outputs": yes, "thinking": yes},
            },
            {"id": "claude-b", "lifecycle": "deprecated", "retires_at": "2027-03-01T00:00:00Z", "capabilities": None},
            {"id": "claude-c", "lifecycle": "retired", "retires_at": "2026-01-05T00:00:00Z"},
        ],
        "has_more": True,
        "last_id": "claude-c",
    }
    models, following = anthropic_models(json.dumps(page).encode())
    assert following == "claude-c"
    assert [dict(model.facts) for model in models] == [
        {
            "working": True, "context": 1_000_000, "max_output": 128_000,
            "vision": True, "files": False, "json_schema": True, "reasoning": True,
        },
        {"working": True, "deprecated": True, "retires": "2027-03-01"},
        {"working": False, "deprecated": True, "retires": "2026-01-05"},
    ]  # fmt: skip


def test_anthropics_own_types_read_the_same_list() -> None:
    """The page of the test before is one that the vendor's package takes."""
    types = pytest.importorskip("anthropic.types")
    no = {"supported": False}
    capabilities = dict.fromkeys(types.ModelCapabilities.model_fields, no)
    info = types.ModelInfo.model_construct(
        id="claude-a", max_input_tokens=5, max_tokens=7, lifecycle="active", capabilities=capabilities, type="model"
    )
    ((model,), _) = anthropic_models(json.dumps({"data": [info.model_dump(warnings=False)]}).encode())
    assert (model.facts["context"], model.facts["max_output"], model.facts["vision"]) == (5, 7, False)


def test_google_tells_limits_and_methods() -> None:
    """The prefix of a name is no part of it; what cannot be asked for content is no chat model."""
    page = {
        "models": [
            {
                "name": "models/gemini-a",
                "inputTokenLimit": 1048576,
                "outputTokenLimit": 65536,
                "supportedGenerationMethods": ["generateContent", "countTokens"],
                "thinking": True,
            },
            {"name": "models/embed-a", "inputTokenLimit": 8192, "supportedGenerationMethods": ["embedContent"]},
        ],
        "nextPageToken": "n",
    }
    models, following = google_models(json.dumps(page).encode())
    assert following == "n"
    assert {model.name: dict(model.facts) for model in models} == {
        "gemini-a": {"working": True, "context": 1_048_576, "max_output": 65_536, "reasoning": True},
        "embed-a": {"working": True, "context": 8_192, "chat": False, "embeddings": True},
    }


def test_cohere_tells_features_and_endpoints() -> None:
    """What stands among the features is there; what has no endpoint of chat is no chat model."""
    page = {
        "models": [
            {"name": "c", "endpoints": ["chat"], "context_length": 256000.0, "features": ["tools", "json_schema"]},
            {"name": "e", "endpoints": ["embed"], "is_deprecated": True},
        ]
    }
    models, following = cohere_models(json.dumps(page).encode())
    assert following is None
    assert {model.name: dict(model.facts) for model in models} == {
        "c": {"working": True, "context": 256_000, "tools": True, "json_schema": True},
        "e": {"working": True, "chat": False, "embeddings": True, "deprecated": True},
    }


def test_ollama_tells_what_it_found_in_a_model() -> None:
    """Capabilities are all that a model has; an old Ollama tells none."""
    assert read_shown(b'{"capabilities": ["completion", "tools"]}') == {
        "tools": True, "vision": False, "reasoning": False,
    }  # fmt: skip
    assert read_shown(b'{"capabilities": ["embedding"]}') == {"chat": False, "embeddings": True}
    assert read_shown(b"{}") == {}


# ── what is no list ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b"{}", b"[1]", b'{"data": 1, "models": 1}', b'{"data": [{}], "models": [{}]}', b"[" * 100_000],
)
def test_what_is_no_list_is_a_protocol_error(read: Callable[[bytes], Page], body: bytes) -> None:
    """Also an entry without a name."""
    with pytest.raises(ProtocolError):
        read(body)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
FIELDS = [
    "id", "name", "context_length", "pricing", "prompt", "architecture", "input_modalities", "supported_parameters",
    "capabilities", "providers", "type", "tags", "features", "endpoints", "lifecycle", "retires_at", "meta",
    "inputTokenLimit", "supportedGenerationMethods", "has_more", "last_id", "prompt_text_token_price", "deprecation",
]  # fmt: skip
fields = st.dictionaries(st.sampled_from(FIELDS), json_values | st.dictionaries(st.sampled_from(FIELDS), json_values))


@given(st.lists(fields, max_size=3))
def test_any_json_is_a_list_or_a_protocol_error(found: list[dict[str, Any]]) -> None:
    """Whatever stands in the fields, each reader gives models with facts of plain values, or refuses."""
    body = json.dumps({"data": found, "models": found}).encode()
    for read in READERS:
        try:
            models, _ = read(body)
        except ProtocolError:
            continue
        for model in models:
            Capabilities(model.facts)


# ── asked and merged ─────────────────────────────────────────────────────────────────────────────────


def acme(url: str, *models: Model | str, **more: Any) -> Host:
    return Host(name=more.pop("name", "acme"), url=url, models=models, **more)


async def test_what_a_host_tells_stands_above_what_is_declared() -> None:
    """And says who said it, and when; what it does not tell stays as declared."""
    declared = Model("m", Capabilities({"context": 8_000, "tools": True}, source="the page"))
    async with serving(listed({"data": [{"id": "m", "context_window": 16000}]})) as host:
        async with client_of(acme(f"{host.address}/v1", declared)) as client:
            told = await client.live_models()
    ((model,), received) = told.models, host.requests[0]
    assert (received.method, received.path, received.body) == ("GET", "/v1/models", b"")
    assert model.capabilities.fact("context") == Fact(16_000, f"listed by acme, {today()}")
    assert model.capabilities.fact("working").value is True
    assert model.capabilities.fact("tools") == Fact(value=True, source="the page")
    assert (model.notes, told.answered, dict(told.skipped), dict(told.failures)) == ((), ("acme",), {}, {})


async def test_what_stands_on_one_side_alone_is_marked() -> None:
    """A declared model may be an alias that the host does not list; one that nobody declared has what all have."""
    async with serving(listed({"data": [{"id": "new"}]})) as host:
        row = acme(f"{host.address}/v1", "alias", capabilities=Capabilities({"logprobs": False}))
        async with client_of(row) as client:
            alias, new = (await client.live_models()).models
    assert (alias.name, alias.notes) == ("acme/alias", (UNLISTED,))
    assert "working" not in alias.capabilities
    assert (new.name, new.notes, sorted(new.capabilities)) == ("acme/new", (UNDECLARED,), ["logprobs", "working"])


async def test_the_users_word_stands_above_the_hosts() -> None:
    """What is configured of a model is not overruled by a list."""
    async with serving(listed({"data": [{"id": "m", "context_window": 16000}]})) as host:
        config = {"models": {"acme/m": {"context": 4000}}}
        async with client_of(acme(f"{host.address}/v1"), config=config) as client:
            (model,) = (await client.live_models()).models
    assert model.capabilities.fact("context").value == 4_000


async def test_needs_are_held_against_the_merged_facts() -> None:
    """A model that meets them only by what its host tells is there."""
    data = [{"id": "small", "context_window": 8000}, {"id": "large", "context_window": 900000}]
    async with serving(listed({"data": data})) as host:
        async with client_of(acme(f"{host.address}/v1")) as client:
            told = await client.live_models("context>=500k")
    assert [model.model for model in told.models] == ["large"]


async def test_one_failure_does_not_hide_the_others() -> None:
    """Each error is kept under its provider's name, typed as ever."""
    async with serving(listed({"data": [{"id": "m"}]})) as good, serving(listed({}, status=401)) as bad:
        rows = [acme(good.address, name="good"), acme(bad.address, name="bad")]
        async with client_of(*rows) as client:
            told = await client.live_models()
    assert [model.name for model in told.models] == ["good/m"]
    assert isinstance(told.failures["bad"], AuthenticationError)
    assert str(told.failures["bad"]).startswith("bad: ")


async def test_hosts_without_a_key_are_not_asked() -> None:
    """The reason is that of a selection; nothing is sent."""
    async with ScriptedHost() as host:
        async with client_of(acme(host.address, env=("ACME_API_KEY",))) as client:
            told = await client.live_models()
    assert dict(told.skipped) == {"acme": "no key: set ACME_API_KEY"}
    assert not host.requests


async def test_a_public_host_is_asked_only_by_name() -> None:
    """A list of everything is no consent; it is also no error that somebody's host is not on this machine."""

    class Public:
        name = "crowd"

        def models(self) -> Sequence[Model]:
            return ()

        def stream(self, request: object, context: object) -> Any:
            raise NotImplementedError

        async def list_models(self, context: Context) -> Sequence[Model]:
            return [Model("m")]

    spec = ProviderSpec(name="crowd", load=Public, url="https://crowd.example", access="public")
    async with Client(config={}, plugins=False, providers=[spec], environ={}) as client:
        everywhere, named = await client.live_models(), await client.live_models(provider="crowd")
    assert "public" in everywhere.skipped["crowd"]
    assert [model.name for model in named.models] == ["crowd/m"]


async def test_what_is_not_running_here_is_skipped_unless_it_was_named() -> None:
    """Nobody starts every local server; but who names one wants to know."""
    from segue.testing import refused_url

    async with client_of(acme(refused_url())) as client:
        everywhere, named = await client.live_models(), await client.live_models(provider="acme")
    assert "no server answers" in everywhere.skipped["acme"]
    assert isinstance(named.failures["acme"], ConnectError)


async def test_a_host_that_says_nothing_is_given_up() -> None:
    """The limit is that of the first event, which counts for the whole list."""
    async with serving(Stall("headers")) as host:
        async with client_of(acme(host.address), timeout=Timeout(first_event=0.05)) as client:
            told = await client.live_models()
    failure = told.failures["acme"]
    assert isinstance(failure, PhaseTimeoutError)
    assert failure.provider == "acme"


async def test_a_provider_that_raises_anything_fails_alone() -> None:
    """What its code raises is not passed on as it is, but kept as the cause."""

    class Odd:
        name = "odd"

        def models(self) -> Sequence[Model]:
            return ()

        def stream(self, request: object, context: object) -> Any:
            raise NotImplementedError

        async def list_models(self, context: Context) -> Sequence[Model]:
            raise ZeroDivisionError("k-secret")

    async with Client(config={}, plugins=False, providers=[Odd()], environ={}) as client:
        told = await client.live_models()
    failure = told.failures["odd"]
    assert isinstance(failure, ProviderError)
    assert "ZeroDivisionError" in str(failure)
    assert "k-secret" not in str(failure)


async def test_an_unknown_provider_is_told_with_the_nearest_name() -> None:
    """As everywhere a provider is named."""
    async with client_of(acme("http://127.0.0.1:1")) as client:
        with pytest.raises(ConfigError, match="acme"):
            await client.live_models(provider="acne")
        with pytest.raises(ConfigError, match="acme"):
            client.models(provider="acne")


async def test_the_models_of_one_provider_alone() -> None:
    """`models` takes a provider's name too."""
    rows = [acme("http://127.0.0.1:1", "m", name="one"), acme("http://127.0.0.1:1", "m", name="two")]
    async with client_of(*rows) as client:
        assert [model.name for model in client.models(provider="two")] == ["two/m"]


async def test_the_sync_client_lists_too() -> None:
    """The same answer without a loop of one's own."""
    async with serving(listed({"data": [{"id": "m"}]})) as host:
        with sync.Client(config={}, plugins=False, providers=[acme(host.address).spec()], environ={}) as client:
            told = await asyncio.to_thread(client.live_models, provider="acme")
    assert [model.name for model in told.models] == ["acme/m"]


# ── pages ────────────────────────────────────────────────────────────────────────────────────────────


def config_of(name: str, host: ScriptedHost) -> dict[str, Any]:
    return {"providers": {name: {"base_url": host.address, "api_key": "canary-12345678"}}}


async def live(name: str, *steps: Any) -> tuple[list[str], ScriptedHost]:
    async with serving(*steps) as host:
        async with Client(config=config_of(name, host), environ={}) as client:
            told = await client.live_models(provider=name)
    if told.failures:
        raise told.failures[name]
    return [model.model for model in told.models if UNLISTED not in model.notes], host


async def test_anthropics_pages_are_followed() -> None:
    """Each page is asked with the name that the one before ended with, and with the key in its header."""
    names, host = await live(
        "anthropic",
        listed({"data": [{"id": "b"}], "has_more": True, "last_id": "b"}),
        listed({"data": [{"id": "a"}], "has_more": False, "last_id": "a"}),
    )
    assert names == ["a", "b"]
    assert [request.path for request in host.requests] == [
        "/v1/models?limit=1000", "/v1/models?limit=1000&after_id=b",
    ]  # fmt: skip
    assert {request.header["x-api-key"] for request in host.requests} == {"canary-12345678"}
    assert {request.header["anthropic-version"] for request in host.requests} == {"2023-06-01"}


async def test_googles_pages_are_followed() -> None:
    """A token may hold what an address cannot."""
    names, host = await live(
        "google",
        listed({"models": [{"name": "models/b"}], "nextPageToken": "x&y="}),
        listed({"models": [{"name": "models/a"}]}),
    )
    assert names == ["a", "b"]
    assert [request.path for request in host.requests] == [
        "/models?pageSize=1000", "/models?pageSize=1000&pageToken=x%26y%3D",
    ]  # fmt: skip


async def test_coheres_pages_are_followed() -> None:
    """Until there is no token."""
    names, host = await live(
        "cohere", listed({"models": [{"name": "b"}], "next_page_token": "t"}), listed({"models": [{"name": "a"}]})
    )
    assert names == ["a", "b"]
    assert host.requests[1].path == "/v1/models?page_size=1000&page_token=t"


@pytest.mark.parametrize("name", ["openai", "mistral", "groq"])
async def test_hosts_of_openais_form_are_asked_with_their_key(name: str) -> None:
    """At ``models`` below their base address."""
    names, host = await live(name, listed({"data": [{"id": "a"}]}))
    assert names == ["a"]
    assert host.requests[0].path == "/models"
    assert host.requests[0].header["authorization"] == "Bearer canary-12345678"


async def test_a_list_without_an_end_is_given_up() -> None:
    """A host that always has another page is a fault of its own."""
    page = listed({"data": [{"id": "a"}], "has_more": True, "last_id": "a"})
    with pytest.raises(ProtocolError, match="50 pages"):
        await live("anthropic", *([page] * 60))


async def test_a_page_too_large_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is read beyond the limit."""
    monkeypatch.setattr("segue.provider.listing.MAX_LIST_BYTES", 1000)
    with pytest.raises(ProtocolError, match="larger than 1000 bytes"):
        await live("openai", listed({"data": [{"id": "a" * 2000}]}))


async def test_ollama_is_asked_for_each_model_that_was_pulled() -> None:
    """One that is gone meanwhile stays in the list, with nothing known of it."""
    async with serving(
        listed({"models": [{"name": "gone:latest", "model": "gone:latest"}]}),
        listed({}, status=404),
    ) as host:
        async with Client(config={"providers": {"ollama": {"base_url": host.address}}}, environ={}) as client:
            told = await client.live_models(provider="ollama")
    assert [(model.model, sorted(model.capabilities)) for model in told.models] == [("gone:latest", ["working"])]
    assert [(request.method, request.path) for request in host.requests] == [
        ("GET", "/api/tags"), ("POST", "/api/show"),
    ]  # fmt: skip
    assert json.loads(host.requests[1].body) == {"model": "gone:latest"}


async def test_claude_on_vertex_lists_nothing() -> None:
    """Which is said, and is no failure."""
    options = {"vertex_project": "p"}
    config = {"providers": {"anthropic": {"api_key": "canary-12345678", "options": options}}}
    async with Client(config=config, environ={}) as client:
        told = await client.live_models(provider="anthropic")
    assert "Vertex AI" in told.skipped["anthropic"]


# ── retired ──────────────────────────────────────────────────────────────────────────────────────────


def test_a_retired_model_is_a_candidate_only_by_its_full_name() -> None:
    """It meets needs no more, and explains when it ended; another host may have it at a configured address."""
    ended = Capabilities({"working": False, "deprecated": True, "context": 9_000}, source="ended on 2026-10-23")
    client = client_of(acme("http://127.0.0.1:1", Model("old", ended)))
    for selection in (client.select("context>=8k"), client.select(model="old")):
        assert not selection.candidates
        assert "retired (ended on 2026-10-23)" in selection.explain()
    assert [candidate.name for candidate in client.select(model="acme/old").candidates] == ["acme/old"]


def test_what_only_does_not_work_is_not_retired() -> None:
    """Whoever asks for what works says so."""
    client = client_of(acme("http://127.0.0.1:1", Model("ill", Capabilities({"working": False, "context": 9_000}))))
    assert client.select("context>=8k").candidates
    assert not client.select("context>=8k, working").candidates
