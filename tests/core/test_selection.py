"""Whom a name or a need leads to, in which order, and what is said of the others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from segue import Capabilities, Client, Needs, NoCandidateError
from segue.plugin import Model, ProviderSpec
from segue.selection import Offer, Preferences, select

if TYPE_CHECKING:
    from segue import Selection


def offer(name: str, **options: Any) -> Offer:
    """An offer by its ``provider/model``."""
    provider, _, model = name.partition("/")
    return Offer(provider, Model(model, Capabilities(options.pop("facts", {"working": True}))), **options)


def names(selection: Selection) -> list[str]:
    return [candidate.name for candidate in selection.candidates]


OFFERS = [offer("zoo/m"), offer("ant/m"), offer("ant/n"), offer("ant/org/deep")]


@pytest.mark.parametrize(
    ("model", "found"),
    [
        ("m", ["ant/m", "zoo/m"]),
        ("zoo/m", ["zoo/m"]),
        ("zoo", ["zoo/m"]),
        ("ant", ["ant/m"]),
        ("ant/org/deep", ["ant/org/deep"]),
        ("org/deep", ["ant/org/deep"]),
        (None, ["ant/m", "ant/n", "ant/org/deep", "zoo/m"]),
    ],
)
def test_a_name_leads_to(model: str | None, found: list[str]) -> None:
    """The first segment is a provider only if one is called so; a provider alone is its first model."""
    assert names(select(OFFERS, model=model)) == found


def test_an_undeclared_model_is_a_candidate_with_a_note() -> None:
    """Of a model that its provider does not declare nothing is known, so it meets no need."""
    (candidate,) = select(OFFERS, model="zoo/new").candidates
    assert candidate.notes == ("zoo does not declare the model 'new': its facts are unknown",)
    assert names(select(OFFERS, model="zoo/new", needs=Needs("working?"))) == ["zoo/new"]
    assert names(select(OFFERS, model="zoo/new", needs=Needs("working"))) == []


def test_an_undeclared_model_does_not_go_around_a_missing_key() -> None:
    """What keeps its provider from being asked keeps this model from it too."""
    selection = select([offer("zoo/m", obstacle="no key: set ZOO_KEY")], model="zoo/new")
    assert selection.rejected[0].reasons == ("no key: set ZOO_KEY",)


def test_an_unknown_name_is_told_the_nearest() -> None:
    """A bare model that nobody has comes with names that are near; an unlike one with none."""
    near = select([offer("zoo/gpt-4o-mini")], model="gpt-4o-mimi")
    assert near.hints == ("no provider has a model 'gpt-4o-mimi'; the nearest are gpt-4o-mini, zoo/gpt-4o-mini",)
    assert select(OFFERS, model="qqqqqqqq").hints == ("no provider has a model 'qqqqqqqq'",)


def test_every_reason_is_told() -> None:
    """A model that is out for three reasons is told all of them."""
    offers = [offer("zoo/m", access="offline", obstacle="no key", facts={"tools": False})]
    ((rejection,),) = [select(offers, needs=Needs("tools")).rejected]
    assert len(rejection.reasons) == 3
    told = select(offers, needs=Needs("tools")).explain()
    assert all(reason in told for reason in rejection.reasons)
    assert "candidates: none" in told


def test_public_is_last_whatever_the_order_says() -> None:
    """A public host stands behind every other, the user's order counts inside each group, then the name."""
    offers = [offer("pub/m", access="public", consent=False), offer("a/m"), offer("b/m"), offer("c/m")]
    order = Preferences(order=("pub", "c"))
    assert names(select(offers, preferences=order)) == ["c/m", "a/m", "b/m", "pub/m"]
    local = [offer("pub/m", access="public", local=True), offer("zoo/m")]
    assert names(select(local)) == ["pub/m", "zoo/m"]


def test_a_hint_says_how_to_consent_only_where_nothing_else_is_left() -> None:
    """Beside a candidate that may be asked there is nothing to consent to."""
    public = offer("pub/m", access="public", consent=False)
    assert "[providers.pub]" in select([public]).hints[0]
    assert select([public, offer("a/m")]).hints == ()
    assert select([public], model="pub/m").hints == ()
    assert select([public], model="pub").candidates[0].consent


def test_offline_is_never_selected_only_named() -> None:
    """Neither a need nor a model's bare name leads to an offline provider; its own name does."""
    offers = [offer("stage/m", access="offline")]
    assert names(select(offers)) == names(select(offers, model="m")) == []
    assert names(select(offers, needs=Needs("working"))) == []
    assert names(select(offers, model="stage")) == names(select(offers, model="stage/m")) == ["stage/m"]


def test_a_fact_that_is_not_known_comes_last() -> None:
    """Ordered by price a model with half a price is as one with none."""
    offers = [
        offer("a/m", facts={"input_price": 0}),
        offer("b/m", facts={"input_price": 9, "output_price": 9}),
        offer("c/m", facts={"input_price": 1, "output_price": 1}),
    ]
    assert names(select(offers, preferences=Preferences(order_by="price"))) == ["c/m", "b/m", "a/m"]


def test_the_first_model_that_will_do_answers_for_its_provider() -> None:
    """With needs a provider's name alone is the first of its models that meets them."""
    offers = [offer("zoo/small", facts={"tools": False}), offer("zoo/large", facts={"tools": True})]
    assert names(select(offers, model="zoo", needs=Needs("tools"))) == ["zoo/large"]


@pytest.mark.parametrize("address", ["http://127.0.0.1:8080", "http://[::1]:8080", "http://localhost"])
def test_an_address_on_this_machine_is_consent(address: str) -> None:
    """A public provider whose address is loopback is asked as any other."""
    spec = ProviderSpec("pub", load="a:b", models=["m"], access="public", base_url_env="PUB_URL")
    client = Client(providers=[spec], plugins=False, config=False, environ={"PUB_URL": address})
    (candidate,) = client.select().candidates
    assert (candidate.consent, candidate.public) == (True, False)


@pytest.mark.parametrize("address", ["http://localhost.example", "http://127.0.0.1.example", "http://127.0.0.1@b", ""])
def test_an_address_that_only_looks_local_is_none(address: str) -> None:
    """A name that begins like loopback is not believed."""
    spec = ProviderSpec("pub", load="a:b", models=["m"], access="public", base_url_env="PUB_URL")
    client = Client(providers=[spec], plugins=False, config=False, environ={"PUB_URL": address})
    with pytest.raises(NoCandidateError, match=r"add \[providers\.pub\] to segue\.toml"):
        client.stream("x", needs=Needs())
    assert not client.select().candidates[0].consent


def _many(providers: int, models: int, **options: Any) -> list[Offer]:
    return [offer(f"p{place:03}/m{number}", **options) for place in range(providers) for number in range(models)]


def test_a_selection_is_explained_by_provider_and_reason() -> None:
    """What holds for all models of a provider, then for how many of them what else does; of a single one its name."""
    key = {"obstacle": "no key: set ZOO_KEY (get one at https://zoo.example)", "short": "no key: set ZOO_KEY"}
    ended = {"working": False, "deprecated": True}
    offers = [
        *(offer(f"zoo/m{number}", facts={"context": 8_000 + number, "tools": True}, **key) for number in range(3)),
        offer("zoo/old", facts={"context": 200_000, "tools": True, **ended}, **key),
        offer("zoo/new", facts={"context": 200_000}, **key),
        offer("ant/m", facts={"context": 1_000, "tools": True}),
        offer("bee/m", facts={"context": 200_000, "tools": True}),
    ]
    offers += [offer(f"{name}/m", facts={"context": 4_000, "tools": True}) for name in "cdefg"]
    selection = select(offers, needs=Needs("tools, context>=128k"))
    assert selection.explain().splitlines() == [
        "wanted: context>=128k, tools",
        "candidates, in order:",
        "  1. bee/m",
        "not candidates:",
        "  - zoo (5 models): no key: set ZOO_KEY; context>=128k not met (3); retired (1); tools unknown (1)",
        "  - ant/m: context>=128k not met",
        *(f"  - {name}/m: context>=128k not met" for name in "cdefg"),
        "to list each model: `segue explain --all`",
    ]
    full = selection.explain(full=True).splitlines()
    assert len(full) == 4 + len(offers) - 1
    assert full[5] == (
        "  - zoo/m1: context is 8001, needs >=128k; no key: set ZOO_KEY (get one at https://zoo.example)"
    )


@pytest.mark.parametrize(("providers", "models"), [(1, 300), (300, 1), (40, 40), (3, 2)])
@pytest.mark.parametrize("out", [True, False])
def test_an_explanation_has_at_most_so_many_lines(providers: int, models: int, out: bool) -> None:
    """However many candidates there are and however many are out; with ``full`` there is a line for each of them."""
    offers = [offer("zz/first"), *_many(providers, models, **({"obstacle": "no key"} if out else {}))]
    selection = select(offers)
    for lines in (24, 14, 8):
        assert len(selection.explain(lines=lines).splitlines()) <= lines
    full = selection.explain(full=True)
    assert all(f"{one.provider}/{one.model.name}" in full for one in offers)


def test_many_candidates_are_counted_after_the_first() -> None:
    """The first five, in their order, and how many more."""
    told = select(_many(2, 10)).explain().splitlines()
    assert told[1].startswith("candidates, in order")
    assert len(told) == 8
    assert told[2].startswith("  1. ")
    assert told[6].startswith("  5. ")
    assert told[7] == "  and 15 more"


def test_what_a_provider_that_can_be_asked_leaves_out_is_told_first() -> None:
    """There the model is what stands in the way, not a key."""
    without = {"facts": {"tools": False}}
    offers = [*_many(30, 2, obstacle="no key"), offer("zoo/m"), offer("zoo/n", **without), offer("zoo/o", **without)]
    lines = select(offers, needs=Needs("tools?")).explain().splitlines()
    assert lines[2] == "  1. zoo/m"
    assert lines[lines.index("not candidates:") + 1] == "  - zoo (2 models): tools? not met"


def test_the_reason_is_one_line() -> None:
    """Why nothing is asked: a hint, the one model that is out, or the first of the many; nothing where one is asked."""
    assert select([offer("a/m")]).reason == ""
    assert select([]).reason == "no provider is installed"
    assert select([offer("a/m", obstacle="no key")]).reason == "a/m: no key"
    assert select(OFFERS, model="qqqqqqqq").reason == "no provider has a model 'qqqqqqqq'"
    assert select(_many(9, 2, obstacle="no key")).reason == (
        "p000 (2 models): no key; and 8 more providers: p001, p002, p003, p004, p005, p006, p007, p008"
    )
    assert select([offer("pub/m", access="public", consent=False)]).reason.startswith(
        "a public host gets a request only if you name it"
    )


# ── what to do first ─────────────────────────────────────────────────────────────────────────────────


def _keyed(name: str, **more: Any) -> ProviderSpec:
    facts = {"tools": True, **more}
    key = f"{name.upper()}_KEY"
    return ProviderSpec(
        name, load="a:b", models=["m"], capabilities=facts, env=[key], key_url=f"https://{name}.example/keys"
    )


async def _answer(client: Client, way: str, **asked: Any) -> None:
    call = getattr(client, way)("x", **asked)
    await (call.reply() if way == "stream" else call)


_ONE = "one has no key: set ONE_KEY (get one at https://one.example/keys)"
_TWO = "two has no key: set TWO_KEY (get one at https://two.example/keys)"


@pytest.mark.parametrize(
    ("asked", "first"),
    [
        ({"model": "one/m"}, _ONE),
        ({"model": "one"}, _ONE),
        ({"model": "m"}, "no key is set for a model that fits: set one of ONE_KEY, TWO_KEY"),
        ({"needs": "tools"}, "no key is set for a model that fits: set one of ONE_KEY, TWO_KEY"),
        ({"needs": "vision"}, _TWO),
        ({}, "no key is set for a model that fits: set one of ONE_KEY, TWO_KEY"),
        ({"chain": ["one/m"]}, _ONE),
        ({"chain": ["one/m", "two/m"]}, f"{_ONE}; or {_TWO}"),
        ({"needs": "audio"}, "no model can get this request"),
        ({"needs": "tools, !tools"}, "no model can get this request"),
        ({"model": "one/m", "needs": "!tools"}, "no model can get this request"),
    ],
)
@pytest.mark.parametrize("way", ["chat", "stream", "embed"])
async def test_the_missing_key_comes_first(way: str, asked: dict[str, Any], first: str) -> None:
    """Where a key is all that is missing, the first line says which; the explanation follows."""
    specs = [_keyed("one", embeddings=True), _keyed("two", vision=True, embeddings=True)]
    async with Client(providers=specs, plugins=False, config=False, environ={}) as client:
        with pytest.raises(NoCandidateError) as caught:
            await _answer(client, way, **asked)
    lines = str(caught.value).splitlines()
    assert lines[0] == first
    assert "no target has a candidate" in lines[:2] or "no model can get this request" in lines[:2]
    assert caught.value.explanation in str(caught.value)
