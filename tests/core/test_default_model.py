"""Who is asked where nothing is named, in which order the others follow, and what is asked only by its name."""

from __future__ import annotations

import dataclasses
import stat
import tomllib
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from segue import Chain, Client, Host, Needs, NoCandidateError
from segue.config import load
from segue.config.editing import with_default, without_default, write_default
from segue.errors import ConfigError, ServerError
from segue.events import Embeddings, Finish, TextDelta
from segue.generator import AsyncGeneratorProvider, ProviderModelMixin
from segue.observation import Health, HealthSnapshot
from segue.plugin import Capabilities, Model, ProviderSpec
from segue.selection import Offer, Offers, Preferences, as_of, offers_like, select
from segue.testing import OpenAIHost, Status

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence
    from pathlib import Path

    from segue import Event, Reply
    from segue.plugin import Context, EmbedRequest, Request

_PAST, _FUTURE = "2001-01-01", "2999-01-01"


class Says:
    """A provider that says who was asked; a spec of it may be given facts, variables and an address."""

    name = "says"

    def models(self) -> Sequence[Model]:
        return ()

    async def stream(self, request: Request, context: Context) -> AsyncIterator[Event]:
        yield TextDelta(f"{context.provider}/{context.model}")
        yield Finish("stop")


def says(name: str, *models: str | Model, **more: Any) -> ProviderSpec:
    return ProviderSpec(name, load=Says, models=models, **more)


def model(name: str, **facts: Any) -> Model:
    return Model(name, Capabilities(facts))


def client(*specs: object, **more: Any) -> Client:
    return Client(providers=specs, plugins=False, config=more.pop("config", False), environ=more.pop("environ", {}))


async def asked(*specs: object, **more: Any) -> Reply[Any]:
    async with client(*specs, **more) as one:
        return await one.chat("hi")


# ── the order ────────────────────────────────────────────────────────────────────────────────────────


def _plain_order(offers: Sequence[Offer], preferences: Preferences) -> list[str]:
    """The order as the design has it, in plain words: one criterion after the other, the last one sorted by first."""

    def name(offer: Offer) -> str:
        return f"{offer.provider}/{offer.model.name}"

    def value(offer: Offer, fact: str) -> Any:
        return offer.model.capabilities.fact(fact).value

    found = [
        offer
        for offer in offers
        if offer.obstacle is None and offer.ambient is None and offer.access != "offline"
        if not (value(offer, "working") is False and (value(offer, "deprecated") or value(offer, "retires")))
        if value(offer, "chat") is not False
    ]
    found.sort(key=name)
    tables = preferences.tables
    found.sort(key=lambda offer: tables.index(offer.provider) if offer.provider in tables else len(tables))
    found.sort(key=lambda offer: offer.rank)
    if preferences.order_by == "price":

        def price(offer: Offer) -> float:
            prices = value(offer, "input_price"), value(offer, "output_price")
            return float("inf") if None in prices else sum(prices)

        found.sort(key=price)
    order = preferences.order
    found.sort(
        key=lambda offer: next(
            (place for place, one in enumerate(order) if one in (name(offer), offer.provider)), len(order)
        )
    )
    found.sort(key=lambda offer: value(offer, "working") is False and name(offer) not in order)
    found.sort(
        key=lambda offer: bool(value(offer, "deprecated") or value(offer, "retires")) and name(offer) not in order
    )
    found.sort(key=lambda offer: offer.access == "public" and not offer.local)
    return list(map(name, found))


_FACTS = st.fixed_dictionaries(
    {},
    optional={
        "working": st.booleans(),
        "deprecated": st.just(True),
        "retires": st.just(_FUTURE),
        "chat": st.booleans(),
        "input_price": st.sampled_from([1, 2]),
        "output_price": st.sampled_from([1, 2]),
    },
)
_NAMES = st.sampled_from(["ant", "bee", "cow", "dog"])
_PROVIDERS = st.lists(
    st.tuples(
        _NAMES,
        st.sampled_from(["open", "open", "public", "offline"]),
        st.sampled_from([None, None, None, "no key"]),
        st.booleans(),
        st.sampled_from([None, None, None, "A_TOKEN"]),
        st.lists(st.tuples(st.sampled_from("xyz"), _FACTS), max_size=4, unique_by=lambda one: one[0]),
    ),
    max_size=4,
    unique_by=lambda one: one[0],
)


@given(
    providers=_PROVIDERS,
    order=st.lists(st.one_of(_NAMES, st.sampled_from(["ant/x", "bee/y", "cow/z"])), max_size=3, unique=True),
    order_by=st.sampled_from([None, "price"]),
    tables=st.lists(_NAMES, max_size=4, unique=True),
)
@settings(deadline=None)
def test_the_order_is_the_one_that_is_written_down(
    providers: Sequence[Any], order: list[str], order_by: Any, tables: list[str]
) -> None:
    """Ready before public, deprecated last, then the user's order, its fact, the provider's rank, tables, and names."""
    offers = [
        offer
        for name, access, obstacle, local, ambient, models in providers
        for offer in offers_like(
            Offer(name, Model(""), access, obstacle, local, True, 0, ambient),
            [model(one, **facts) for one, facts in models],
        )
    ]
    preferences = Preferences(order=tuple(order), order_by=order_by, tables=tuple(tables))
    ready = Offers(offers, preferences).matched(Needs())
    assert [candidate.name for candidate in ready.candidates] == _plain_order(offers, preferences)
    talking = [offer for offer in offers if offer.model.capabilities.fact("chat").value is not False]
    found = select(talking, preferences=preferences)
    assert [candidate.name for candidate in found.candidates] == _plain_order(offers, preferences)


def test_every_first_recommendation_comes_before_every_second() -> None:
    """Two providers' first models stand before their second ones, whatever the names are."""
    one = client(says("bee", "z", "a"), says("ant", "y", "b"))
    assert [candidate.name for candidate in one.select().candidates] == ["ant/y", "bee/z", "ant/b", "bee/a"]


def test_a_bare_model_is_asked_of_who_recommends_it_most() -> None:
    """The rank is the model's place in each provider's own list."""
    one = client(says("ant", "big", "m"), says("bee", "m"))
    assert [candidate.name for candidate in one.select(model="m").candidates] == ["bee/m", "ant/m"]


def test_the_order_of_the_files_tables_decides_between_equals() -> None:
    """Where two are of one rank, the table that stands first in the configuration is asked first."""
    config = {"providers": {"bee": {"base_url": "http://127.0.0.1:1"}, "ant": {"base_url": "http://127.0.0.1:1"}}}
    one = client(says("ant", "m"), says("bee", "m"), says("aaa", "m"), config=config)
    assert [candidate.provider for candidate in one.select().candidates] == ["bee", "ant", "aaa"]


@pytest.mark.parametrize(
    ("facts", "note"),
    [
        ({"deprecated": True}, "deprecated (declared)"),
        ({"retires": _FUTURE}, f"deprecated, retires on {_FUTURE} (declared)"),
        ({"deprecated": True, "retires": _FUTURE}, f"deprecated, retires on {_FUTURE} (declared)"),
    ],
)
async def test_a_deprecated_model_comes_last_and_says_so(facts: dict[str, Any], note: str) -> None:
    """It is asked after all others, and who asks it is told in a notice."""
    old = says("ant", model("old", **facts))
    one = client(old, says("bee", "m"))
    assert [candidate.name for candidate in one.select().candidates] == ["bee/m", "ant/old"]
    reply = await asked(old)
    assert (reply.text, [str(notice) for notice in reply.notices]) == ("ant/old", [f"model: {note}"])


@pytest.mark.parametrize("facts", [{"working": False, "deprecated": True}, {"retires": _PAST}])
async def test_a_retired_model_is_asked_only_by_its_full_name(facts: dict[str, Any]) -> None:
    """Neither needs, a bare name nor the default lead to it; its own name does, with a notice."""
    async with client(says("ant", model("old", tools=True, **facts), model("new", tools=True))) as one:
        for reached in (one.select(), one.select("tools"), one.select(model="ant")):
            assert [candidate.name for candidate in reached.candidates] == ["ant/new"]
        assert one.select(model="old").candidates == ()
        assert "retired" in one.select(model="old").rejected[0].reasons[0]
        assert (await one.chat("hi", model="ant")).text == "ant/new"
        reply = await one.chat("hi", model="ant/old")
    assert reply.text == "ant/old"
    assert "retired" in reply.notices[0].message


@pytest.mark.parametrize(
    ("day", "today", "works"),
    [
        ("2026-12-11", "2026-12-10", True),
        ("2026-12-11", "2026-12-11", False),
        ("2026-12-11", "2027-01-01", False),
        ("soon", "2027-01-01", True),
    ],
)
def test_a_model_ends_on_the_day_on_which_it_retires(day: str, today: str, works: bool) -> None:
    """Until then it works; what is not a day ends nothing."""
    (one,) = as_of([model("m", retires=day)], today)
    assert (one.capabilities.fact("working").value is not False) is works


def test_a_failure_of_just_now_retires_nothing() -> None:
    """A deprecated model whose breaker is open is still a candidate."""
    offers = offers_like(Offer("ant", Model("")), [model("m", deprecated=True)])
    health = HealthSnapshot({("ant", "m"): Health(False, "breaker")})
    assert [one.name for one in select(offers, health=health).candidates] == ["ant/m"]


# ── the default ──────────────────────────────────────────────────────────────────────────────────────


async def test_with_nothing_named_one_model_is_asked() -> None:
    """The first of the order alone: where it fails its own error is raised, and nobody else is asked."""
    async with OpenAIHost(script=[Status(500)]) as failing, OpenAIHost() as other:
        rows = Host("ant", failing.url, models=["m"]), Host("bee", other.url, models=["m"])
        async with Client(providers=rows, plugins=False, config=False, environ={}, retry=None) as one:
            with pytest.raises(ServerError):
                await one.chat("hi")
            with pytest.raises(ServerError):
                async with one.stream("hi") as stream:
                    await stream.reply()
        assert other.requests == []


async def test_a_notice_names_the_others_that_could_be_asked() -> None:
    """Who answered is in the reply, and the other configured providers in a notice; without others there is none."""
    reply = await asked(says("ant", "m"), says("bee", "m"), says("cow", env=("COW_KEY",)))
    assert (reply.provider, reply.model) == ("ant", "m")
    (notice,) = reply.notices
    assert str(notice).startswith("default: ant/m is used; also configured: bee; ")
    assert (await asked(says("ant", "m"))).notices == ()


async def test_the_configured_default_is_asked() -> None:
    """A model or a chain of the file, and no notice: the user chose."""
    specs = says("ant", "m"), says("bee", "m", "n")
    for default in ("bee/n", "n", "main"):
        config = {"default": {"model": default}, "chains": {"main": ["bee/n", "ant/m"]}}
        reply = await asked(*specs, config=config)
        assert (reply.text, reply.notices) == ("bee/n", ())
    assert (await asked(*specs, config={"default": {"model": "bee"}})).text == "bee/m"


async def test_a_chain_that_is_the_default_falls_back() -> None:
    """As a chain that is named does."""
    async with OpenAIHost(script=[Status(500)]) as failing:
        config = {"default": {"model": "main"}, "chains": {"main": ["ant/m", "bee/m"]}}
        reply = await asked(Host("ant", failing.url, models=["m"]), says("bee", "m"), config=config)
    assert reply.text == "bee/m"


async def test_what_is_named_stands_above_the_default() -> None:
    """Neither needs, a model nor a chain look at it."""
    config = {"default": {"model": "bee/m"}}
    async with client(says("ant", model("m", tools=True)), says("bee", "m"), config=config) as one:
        assert (await one.chat("hi", model="ant/m")).text == "ant/m"
        assert (await one.chat("hi", needs="tools")).text == "ant/m"
        assert (await one.chat("hi", chain=Chain("ant/m"))).text == "ant/m"


async def test_a_default_that_cannot_be_asked_says_where_it_is_set() -> None:
    """Nobody else is asked in its place."""
    config = {"default": {"model": "bee/m"}}
    with pytest.raises(NoCandidateError, match=r"bee/m is the default model of config"):
        await asked(says("ant", "m"), says("bee", "m", env=("BEE_KEY",)), config=config)


_IMAGE = [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0K"}}]}]


@pytest.mark.parametrize("config", [{"model": "ant/blind"}, {"model": "main"}, {}])
async def test_the_default_meets_what_the_request_implies(config: dict[str, str]) -> None:
    """With an image the first that sees is asked in place of a default that does not, which is said."""
    specs = says("ant", model("blind", vision=False)), says("bee", model("eye", vision=True))
    table: dict[str, Any] = {"default": config, "chains": {"main": ["ant/blind"]}}
    async with client(*specs, config=table) as one:
        reply = await one.chat(_IMAGE)
    assert reply.text == "bee/eye"
    told = [str(notice) for notice in reply.notices]
    if config:
        assert told == [f"default: {config['model']} does not support vision, so bee/eye is used"]


async def test_the_default_is_not_read_from_the_working_directory(tmp_path: Path) -> None:
    """A cloned repository says neither the default nor what chain it is."""
    home, here = tmp_path / "home", tmp_path / "here"
    (home / "segue").mkdir(parents=True)
    here.mkdir()
    (here / "segue.toml").write_text('[default]\nmodel = "ant/m"\n')
    environ = {"XDG_CONFIG_HOME": str(home)}
    with pytest.raises(ConfigError, match="'default' is not allowed in a file in the working directory"):
        load(True, environ=environ, directory=here)
    (here / "segue.toml").write_text('[chains]\nmain = ["ant/m"]\n')
    (home / "segue" / "segue.toml").write_text('[default]\nmodel = "main"\n')
    config = load(True, environ=environ, directory=here)
    assert (config.default, config.default_chain) == ("main", None)
    assert config.default_origin == f"{home}/segue/segue.toml:2"


class Vectors(Says):
    """The same that gives vectors, and counts how often."""

    asked: ClassVar[list[str]] = []

    async def embed(self, request: EmbedRequest, context: Context) -> Embeddings:
        self.asked.append(f"{context.provider}/{context.model}")
        return Embeddings([[0.0] for _ in request.inputs])


async def test_with_nothing_named_the_first_model_of_vectors_gives_them() -> None:
    """Each provider's first model of vectors is its recommendation of those; the default of talk does not count."""
    talk = [model(name, chat=True) for name in ("a", "b", "c")]
    specs = (
        says("ant", *talk, model("v1", chat=False, embeddings=True)),
        says("bee", model("v2", chat=False, embeddings=True)),
    )
    Vectors.asked.clear()
    made = [dataclasses.replace(spec, load=Vectors) for spec in specs]
    async with client(*made, config={"default": {"model": "bee/x"}}) as one:
        reply = await one.embed("hi")
    assert (reply.provider, reply.model) == ("ant", "v1")
    assert Vectors.asked == ["ant/v1"]


# ── ambient credentials ──────────────────────────────────────────────────────────────────────────────

_AMBIENT: list[tuple[str, Callable[[], ProviderSpec], dict[str, str]]] = [
    ("variable", lambda: says("hub", "m", env=("HUB_TOKEN",), ambient=("HUB_TOKEN",)), {"HUB_TOKEN": "k"}),
    ("account", lambda: says("hub", "m", env=("HUB_KEY",), without_key=lambda _environ, _options: None), {}),
    (
        "row",
        lambda: dataclasses.replace(
            Host("hub", "http://127.0.0.1:1", models=["m"], env=("HUB_TOKEN",), ambient=("HUB_TOKEN",)).spec(),
            load=Says,
            url="https://hub.example",
        ),
        {"HUB_TOKEN": "k"},
    ),
]


@pytest.mark.parametrize(("made", "environ"), [one[1:] for one in _AMBIENT], ids=[one[0] for one in _AMBIENT])
async def test_an_ambient_credential_is_used_only_by_name_or_table(
    made: Callable[[], ProviderSpec], environ: Mapping[str, str]
) -> None:
    """Neither the default, needs nor a bare model lead to it, and the error says how it is asked."""
    async with client(made(), environ=environ) as one:
        for name, needs in ((None, None), ("m", None), (None, "working?")):
            with pytest.raises(NoCandidateError, match=r"name hub/MODEL, or add \[providers\.hub\] to segue\.toml"):
                await one.chat("hi", model=name, needs=needs)
        assert (await one.chat("hi", model="hub")).text == "hub/m"
        assert (await one.chat("hi", model="hub/m")).text == "hub/m"
        assert (await one.chat("hi", chain=Chain("hub/m"))).text == "hub/m"
        assert "used only if it is named" in (await one.live_models()).skipped["hub"]
    reply = await asked(made(), environ=environ, config={"providers": {"hub": {}}})
    assert reply.text == "hub/m"


async def test_a_key_that_is_meant_for_the_provider_is_not_ambient(tmp_path: Path) -> None:
    """One in code, in the key store, or in another of its variables."""
    spec = says("hub", "m", env=("HUB_TOKEN", "HUB_KEY"), ambient=("HUB_TOKEN",))
    assert client(spec, environ={"HUB_TOKEN": "k", "HUB_KEY": "k"}).select().candidates
    assert client(spec, environ={"HUB_TOKEN": "k"}).select().candidates == ()
    one = Client(providers=[spec], plugins=False, config=False, environ={"HUB_TOKEN": "k"}, api_keys={"hub": "k"})
    assert one.select().candidates
    store = tmp_path / "keys.toml"
    store.write_text('hub = "k"\n')
    store.chmod(0o600)
    kept = {"HUB_TOKEN": "k", "SEGUE_KEYS": str(store), "HOME": str(tmp_path)}
    assert Client(providers=[spec], plugins=False, environ=kept).select().candidates


def test_an_ambient_variable_is_one_of_the_providers() -> None:
    """A misspelled one is refused where it is declared, not used as if it had been set for this."""
    with pytest.raises(ValueError, match="ambient has 'HUB_TOKN', which is not one of env"):
        client(says("hub", "m", env=("HUB_TOKEN",), ambient=("HUB_TOKN",)))


@pytest.mark.parametrize("name", ["github", "huggingface", "vertex", "cloudflare", "databricks"])
def test_tokens_of_accounts_are_declared_ambient(name: str) -> None:
    """With the token of such an account alone the provider is never chosen unnamed."""
    spec = Client(config=False, environ={}).registry.installed[name].spec
    assert set(spec.ambient) == set(spec.env)
    one = Client(config=False, environ={spec.env[0]: "k"})
    assert one.is_ambient(name)
    assert one.select().candidates == () or not any(each.consent for each in one.select().candidates)


def test_an_aws_account_is_ambient() -> None:
    """Its variables are set for other purposes; a key of Bedrock's own is not."""
    account = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}
    assert Client(config=False, environ=account).is_ambient("bedrock")
    own = Client(config=False, environ={"AWS_BEARER_TOKEN_BEDROCK": "k"})
    assert next(one.provider for one in own.select().candidates) == "bedrock"


# ── providers without declared models ────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", ["ollama", "vllm", "llamacpp", "lmstudio", "azure", "huggingface", "mine"])
def test_a_provider_without_models_says_how_to_name_one(name: str) -> None:
    """Of every provider that declares none, whether or not its key is there: its models are named, or listed."""
    config = {"providers": {"mine": {"wire": "openai_chat", "base_url": "http://127.0.0.1:1/v1"}}}
    one = Client(config=config, environ={})
    for needs in (None, "tools"):
        selection = one.select(needs, model=name)
        assert selection.candidates == ()
        assert f"{name} does not declare models: name one as {name}/MODEL; `segue models --live --provider {name}`" in (
            selection.explain()
        )


# ── files of another project ─────────────────────────────────────────────────────────────────────────


def test_a_default_model_is_offered_first() -> None:
    """Wherever it stands among the models, and where they are asked of a host that is away."""

    class Marten(AsyncGeneratorProvider, ProviderModelMixin):
        working = True
        default_model = "large"
        models = ("small", "large")

        @classmethod
        async def create_async_generator(cls, *_: Any, **__: Any) -> AsyncIterator[str]:
            yield ""

    class Otter(Marten):
        @classmethod
        def get_models(cls, **_: Any) -> Sequence[str]:
            raise OSError("the network is away")

    one = client(Marten, Otter)
    assert [model.model for model in one.models(provider="marten")] == ["large", "small"]
    assert [model.model for model in one.models(provider="otter")] == ["large", "small"]
    assert one.select(model="otter").candidates[0].model == "large"


# ── writing the default ──────────────────────────────────────────────────────────────────────────────

_FORMS = {
    "none": ("", '[default]\nmodel = "a/b"\n'),
    "another table": ("# mine\n[needs]\nx = 'tools'", '# mine\n[needs]\nx = \'tools\'\n\n[default]\nmodel = "a/b"\n'),
    "there": ('[default]\n  model = \'x\' # old\n', '[default]\n  model = "a/b" # old\n'),
    "quoted": ('["default"]\n"model"="x"\n[needs]\n', '["default"]\n"model"="a/b"\n[needs]\n'),
    "dotted": ('default.model = "x" # c\n', 'default.model = "a/b" # c\n'),
    "inline": ('default = { model = "x" } # c\n', 'default = { model = "a/b" } # c\n'),
    "empty inline": ("default = {}\n", 'default = { model = "a/b" }\n'),
    "empty table": ("[default] # c\n[needs]\n", '[default] # c\nmodel = "a/b"\n[needs]\n'),
    "empty at the end": ("[default]", '[default]\nmodel = "a/b"\n'),
    "inside a text": (
        'x = """\n[default]\nmodel = "x"\n"""\n',
        'x = """\n[default]\nmodel = "x"\n"""\n\n[default]\nmodel = "a/b"\n',
    ),
    "in a comment": ('# [default]\n# model = "x"\n', '# [default]\n# model = "x"\n\n[default]\nmodel = "a/b"\n'),
    "of another table": (
        '[chains.default]\nmodel = "x"\n',
        '[chains.default]\nmodel = "x"\n\n[default]\nmodel = "a/b"\n',
    ),
    "other line ends": ("[needs]\r\n", '[needs]\r\n\r\n[default]\r\nmodel = "a/b"\r\n'),
    "a mark first": ("\ufeff[default]\nmodel = 'x'\n", '\ufeff[default]\nmodel = "a/b"\n'),
    "a long text": ("[default]\nmodel = '''\nx''' # c\n", '[default]\nmodel = "a/b" # c\n'),
}  # fmt: skip


@pytest.mark.parametrize(("before", "after"), _FORMS.values(), ids=_FORMS)
def test_the_default_is_written_and_the_rest_stays(before: str, after: str) -> None:
    """Every character of a file stays but the value, or a table that is added."""
    assert with_default(before, "a/b") == after


@given(
    lines=st.lists(
        st.sampled_from([
            "# c", "", "[needs]", "x = 'y'", "[default]", 'model = "x"', "default = {}", "[chains.a]", "targets = [",
            '"b",', "]", 'default.model = "x"', "[[more]]", 'y = """', '"""', "[default.x]", "[ default ] # d",
        ]),
        max_size=8,
    ),
    name=st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1, max_size=8),
)  # fmt: skip
@example(lines=["[default]", "[default.x]"], name='"')
@settings(deadline=None)
def test_whatever_the_file_only_the_default_changes(lines: list[str], name: str) -> None:
    """What is read afterwards is what was read before, with the default; or the file is refused as it is."""
    text = "\n".join(lines)
    try:
        after = with_default(text, name)
    except ValueError:
        return
    before = tomllib.loads(text)
    assert tomllib.loads(after) == {**before, "default": {**before.get("default", {}), "model": name}}
    assert [line for line in lines if line.startswith("#")] == [
        line for line in after.split("\n") if line.startswith("#")
    ]


_UNSET = {
    "its own table": ('[needs]\n\n[default]\nmodel = "a/b"\n', "[needs]\n"),
    "a table before another": ('[default]\nmodel = "a/b"\n[needs]\n', "[needs]\n"),
    "a table with a comment": ('[default] # c\nmodel = "a/b" # d\n\n[needs]\n', "[default] # c\n\n[needs]\n"),
    "an inline table": ('x = 1\ndefault = { model = "a/b" }\ny = 2\n', "x = 1\ny = 2\n"),
    "a dotted key": ('default.model = "a/b"\n', ""),
    "a long text": ("[default]\nmodel = '''\nx''' # c\n", ""),
    "other line ends": ('[needs]\r\n\r\n[default]\r\nmodel = "a/b"\r\n', "[needs]\r\n"),
    "a mark first": ("\ufeff[default]\nmodel = 'x'", "\ufeff"),
    "nothing": ("[needs]\n", "[needs]\n"),
    "another table's": ('[chains.default]\nmodel = "x"\n', '[chains.default]\nmodel = "x"\n'),
}  # fmt: skip


@pytest.mark.parametrize(("before", "after"), _UNSET.values(), ids=_UNSET)
def test_the_default_is_removed_and_the_rest_stays(before: str, after: str) -> None:
    """Its lines go, and its table if nothing else is in it."""
    assert without_default(before) == after


@given(
    lines=st.lists(
        st.sampled_from([
            "# c", "", "[needs]", "x = 'y'", "[default]", 'model = "x"', "default = { model = 'x' }", "[chains.a]",
            "targets = [", '"b",', "]", 'default.model = "x"', "[[more]]", 'y = """', '"""', "[default.x]",
            "[ default ] # d",
        ]),
        max_size=8,
    )
)  # fmt: skip
@settings(deadline=None)
def test_whatever_the_file_only_the_default_is_removed(lines: list[str]) -> None:
    """What is read afterwards is what was read before, without the default; or the file is refused as it is."""
    text = "\n".join(lines)
    try:
        after = without_default(text)
    except ValueError:
        return
    before = tomllib.loads(text)
    before.get("default", {}).pop("model", None)
    assert {"default": {}, **tomllib.loads(after)} == {"default": {}, **before}
    assert [line for line in lines if line.startswith("#")] == [
        line for line in after.split("\n") if line.startswith("#")
    ]


def test_the_file_keeps_its_rights_and_its_link(tmp_path: Path) -> None:
    """A new file is its owner's alone; one behind a link is changed where it is."""
    new = tmp_path / "a" / "segue.toml"
    write_default(new, "a/b")
    assert stat.S_IMODE(new.stat().st_mode) == 0o600
    new.chmod(0o644)
    link = tmp_path / "link.toml"
    link.symlink_to(new)
    write_default(link, "c/d")
    assert link.is_symlink()
    assert stat.S_IMODE(new.stat().st_mode) == 0o644
    assert tomllib.loads(new.read_text()) == {"default": {"model": "c/d"}}
    assert [one.name for one in new.parent.iterdir()] == ["segue.toml"]


@pytest.mark.parametrize("text", ["default = 3\n", "[default", "[[default]]\n", b"\xff"])
def test_a_file_that_cannot_be_changed_stays_as_it_is(tmp_path: Path, text: str | bytes) -> None:
    """The error names the file, and what to do."""
    file = tmp_path / "segue.toml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    before = file.read_bytes()
    with pytest.raises(ConfigError, match=r"segue\.toml: .*; set model in \[default\] by hand"):
        write_default(file, "a/b")
    assert file.read_bytes() == before


def test_a_host_without_a_key_comes_after_those_with_one() -> None:
    """A plugin that is only installed does not get the requests that a configured key was meant for."""
    installed = Offer("acme", Model("m"), keyless=True)
    keyed = Offer("openai", Model("m"))
    public = Offer("aaa", Model("m"), access="public")
    chosen = select([public, installed, keyed])
    assert [candidate.provider for candidate in chosen.candidates] == ["openai", "acme", "aaa"]
