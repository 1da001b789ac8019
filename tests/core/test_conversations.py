"""Conversations through the front door, over sockets: tools, forms, images, several answers, and what a model lacks."""

from __future__ import annotations

from typing import Annotated, Any

import pytest
from pydantic import BaseModel

from segue import (
    AllFailedError,
    Capabilities,
    Chain,
    ChoiceFinish,
    Client,
    Finish,
    ImagePart,
    InvalidOutputError,
    Message,
    NoCandidateError,
    Policy,
    ReasoningDelta,
    ReasoningPart,
    RefusalDelta,
    Reply,
    Request,
    Retry,
    Start,
    TextDelta,
    TextPart,
    ToolCallDelta,
    UnsupportedError,
    Usage,
)
from segue.adaptation.omissions import adapt
from segue.events import Collector, Event
from segue.plugin import AsyncGeneratorProvider, Host, Model
from segue.testing import Body, OpenAIHost
from segue.wire.openai_chat.server import render, render_stream

USAGE = Usage(input_tokens=1000, output_tokens=100, total_tokens=1100)


def whole(*events: Event) -> Body:
    """A whole answer that says these events."""
    collector = Collector()
    for event in (Start("m-1", "r-1"), *events):
        collector.add(event)
    return Body(render(collector.reply()), content_type="application/json")


def streamed(*events: Event) -> Body:
    return Body(b"".join(render_stream([Start("m-1", "r-1"), *events])))


def says(text: str) -> Body:
    return whole(TextDelta(text), USAGE, Finish("stop", "stop"))


def row(host: OpenAIHost, name: str = "acme", **facts: Any) -> Host:
    return Host(name, host.url, models=[Model("m", _facts(facts))])


def _facts(facts: dict[str, Any]) -> Any:
    return Capabilities({"tools": True, "json_schema": True, "vision": True, **facts})


def client_of(*rows: object, **more: Any) -> Client:
    return Client(config=False, plugins=False, providers=rows, environ={}, retry=Retry(count=0), **more)


def weather(city: Annotated[str, "where"], days: int = 1) -> str:
    """Tell the weather of a city."""
    return f"{days} sunny days in {city}"


CALLS = whole(
    ReasoningDelta("I must look."),
    ToolCallDelta(0, "call-1", "weather", '{"city":"Köln","days":2}'),
    USAGE,
    Finish("tool_calls", "tool_calls"),
)


async def test_a_conversation_with_a_tool_goes_on_with_the_replys_message() -> None:
    """The function is declared, the model's call read, its result sent back with the turn that asked, in order."""
    async with OpenAIHost(script=[CALLS, says("Take no coat.")]) as host, client_of(row(host)) as client:
        messages: list[Any] = [{"role": "user", "content": "Do I need a coat in Köln?"}]
        reply = await client.chat(messages, model="acme/m", tools=[weather])
        assert (reply.finish_reason, reply.raw_finish_reason) == ("tool_calls", "tool_calls")
        [call] = reply.tool_calls
        messages += [
            reply.message,
            Message(role="tool", tool_call_id=call.id, content=weather(**call.args)),
        ]
        last = await client.chat(messages, model="acme/m", tools=[weather], tool_choice="none")
    assert last.text == "Take no coat."
    declared, went_on = host.requests[0].json, host.requests[1].json
    assert declared["tools"][0]["function"]["name"] == "weather"
    assert declared["tools"][0]["function"]["parameters"]["properties"]["city"]["description"] == "where"
    assert went_on["tool_choice"] == "none"
    assert went_on["messages"][1:] == [
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {
                    "id": "call-1",
                    "type": "function",
                    "function": {"name": "weather", "arguments": '{"city":"Köln","days":2}'},
                }
            ],
        },
        {"role": "tool", "content": "2 sunny days in Köln", "tool_call_id": "call-1"},
    ]


class Invoice(BaseModel):
    """What is owed."""

    number: str
    total: float
    note: str | None = None


async def test_an_answer_in_the_form_of_a_model_is_parsed() -> None:
    """The model's schema is sent closed and strict, and the answer read into an object of it."""
    async with (
        OpenAIHost(script=[says('{"number":"A-1","total":9.5,"note":null}')]) as host,
        client_of(row(host)) as client,
    ):
        reply = await client.chat("Read it.", model="acme/m", schema=Invoice)
    assert reply.parsed == Invoice(number="A-1", total=9.5)
    sent = host.requests[0].json["response_format"]["json_schema"]
    assert (sent["name"], sent["strict"], sent["schema"]["additionalProperties"]) == ("Invoice", True, False)
    assert sent["schema"]["required"] == ["number", "total", "note"]


@pytest.mark.parametrize("schema", [{"title": "any", "type": "object"}, "json"])
async def test_an_answer_in_json_is_parsed(schema: Any) -> None:
    """Of a JSON schema, or of JSON alone, the answer's value is given."""
    async with OpenAIHost(script=[says('{"a":[1]}')]) as host, client_of(row(host)) as client:
        assert (await client.chat("x", model="acme/m", schema=schema)).parsed == {"a": [1]}


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (says('{"number":"A-1"}'), "total: Field required"),
        (says("Sure! Here it is:"), r"the schema: it is not JSON \(expected value at line 1 column 1\)$"),
        (whole(TextDelta('{"number":"A'), Finish("length", "length")), "longer than max_tokens"),
        (whole(RefusalDelta("No."), Finish("stop", "stop")), "refused"),
    ],
)
async def test_an_answer_that_does_not_fit_is_an_error_that_says_why(answer: Body, told: str) -> None:
    """What does not fit the schema is InvalidOutputError with the reason, and the answer beside it."""
    async with OpenAIHost(script=[answer]) as host, client_of(row(host)) as client:
        with pytest.raises(InvalidOutputError, match=told) as caught:
            await client.chat("x", model="acme/m", schema=Invoice)
    assert caught.value.text
    assert [attempt.outcome for attempt in caught.value.attempts] == ["failed"]


async def test_an_answer_that_does_not_fit_is_asked_of_the_next() -> None:
    """In a chain the next target may give an answer that fits."""
    async with OpenAIHost(script=[says("no")]) as one, OpenAIHost(script=[says('{"number":"B","total":1}')]) as two:
        async with client_of(row(one), row(two, "other")) as client:
            reply = await client.chat("x", chain=Chain("acme/m", "other/m"), schema=Invoice)
    assert (reply.provider, reply.parsed.number) == ("other", "B")
    assert [type(attempt.error) for attempt in reply.attempts] == [InvalidOutputError, type(None)]


async def test_a_streamed_answer_is_parsed_at_its_end() -> None:
    """A stream's reply has the object too; its pieces were given as they came."""
    body = streamed(TextDelta('{"number":'), TextDelta('"A","total":1}'), Finish("stop", "stop"))
    async with OpenAIHost(script=[body]) as host, client_of(row(host)) as client:
        async with client.stream("x", model="acme/m", schema=Invoice) as stream:
            pieces = [piece async for piece in stream.text()]
            reply = await stream.reply()
    assert len(pieces) == 2
    assert reply.parsed.total == 1


async def test_tool_calls_before_an_answer_are_no_wrong_answer() -> None:
    """With tools and a schema the turn that calls a tool has nothing parsed yet."""
    async with OpenAIHost(script=[CALLS]) as host, client_of(row(host)) as client:
        reply = await client.chat("x", model="acme/m", schema=Invoice, tools=[weather])
    assert reply.parsed is None
    assert reply.tool_calls


async def test_several_choices_are_told_apart() -> None:
    """With n the reply has each choice with its own finish; what is asked of the reply is of the first."""
    body = streamed(TextDelta("a"), TextDelta("b", 1), ChoiceFinish(1, "length", "length"), Finish("stop", "stop"))
    async with OpenAIHost(script=[body]) as host, client_of(row(host, choices=True)) as client:
        async with client.stream("x", model="acme/m", n=2) as stream:
            assert [piece async for piece in stream.text()] == ["a"]
            reply = await stream.reply()
    assert [(choice.text, choice.finish_reason) for choice in reply.choices] == [("a", "stop"), ("b", "length")]
    assert reply.text == "a"


async def test_an_image_goes_only_to_a_model_that_sees() -> None:
    """What a request contains adds needs by itself: a blind model is refused before anything is sent."""
    image = Message(role="user", content=(TextPart(text="?"), ImagePart(url="https://a.example/cat.png")))
    async with OpenAIHost(script=[says("a cat")]) as host:
        async with client_of(row(host, "blind", vision=False), row(host, "sees")) as client:
            reply = await client.chat([image], needs="tools")
            assert reply.provider == "sees"
            with pytest.raises(NoCandidateError, match="vision is false"):
                await client.chat([image], model="blind/m")
    assert len(host.requests) == 1


async def test_what_a_model_lacks_is_left_out_where_the_policy_says_so() -> None:
    """With meaning="notice" a blind model is asked without the image, and the reply says so."""
    image = Message(role="user", content=(TextPart(text="?"), ImagePart(url="https://a.example/cat.png")))
    async with OpenAIHost(script=[says("what cat?")]) as host, client_of(row(host, vision=False)) as client:
        reply = await client.chat([image], model="acme/m", policy=Policy(meaning="notice"))
    assert [notice.subject for notice in reply.notices] == ["image"]
    assert host.requests[0].json["messages"][0]["content"] == [{"type": "text", "text": "?"}]


async def test_a_setting_that_a_model_lacks_is_left_out_with_a_notice() -> None:
    """A tuning that a fact denies is not sent, and told; under "error" it refuses the candidate, "send" sends it."""
    async with OpenAIHost(script=[says("a")]) as host, client_of(row(host, temperature=False)) as client:
        reply = await client.chat("x", model="acme/m", temperature=0.5, top_p=0.5)
        assert [notice.subject for notice in reply.notices] == ["temperature"]
        with pytest.raises(UnsupportedError, match="temperature"):
            await client.chat("x", model="acme/m", temperature=0.5, policy=Policy(tuning="error"))
        await client.chat("x", model="acme/m", temperature=0.5, policy=Policy(tuning="send"))
    assert [received.json.get("temperature") for received in host.requests] == [None, 0.5]


async def test_a_candidate_that_lacks_something_is_overcome_by_the_next() -> None:
    """In a chain a refused candidate is a failed attempt, and the next one is asked."""
    async with OpenAIHost(script=[says("a")]) as host:
        async with client_of(row(host, stop=False), row(host, "other")) as client:
            reply = await client.chat("x", chain=Chain("acme/m", "other/m"), stop="END")
    assert reply.provider == "other"
    assert isinstance(reply.attempts[0].error, UnsupportedError)


async def test_reasoning_of_one_provider_is_never_sent_to_another() -> None:
    """The opaque reasoning of a reply goes back to its own provider, and is stripped with a notice for another."""
    thought = whole(
        ReasoningDelta("hm", '{"type":"reasoning.text","signature":"sig-1"}'), TextDelta("a"), Finish("stop", "stop")
    )
    async with OpenAIHost(script=[thought, says("b")]) as one, OpenAIHost(script=[says("c")]) as two:
        own = Host("acme", one.url, models=["m"], quirks=["reasoning_details_back"])
        other = Host("other", two.url, models=["m"], quirks=["reasoning_details_back"])
        async with client_of(own, other) as client:
            first = await client.chat("x", model="acme/m")
            turns: list[Any] = [{"role": "user", "content": "x"}, first.message, {"role": "user", "content": "y"}]
            again = await client.chat(turns, model="acme/m")
            moved = await client.chat(turns, model="other/m")
    assert isinstance(first.message.parts[0], ReasoningPart)
    assert one.requests[1].json["messages"][1]["reasoning_details"][0]["signature"] == "sig-1"
    assert b"sig-1" not in two.requests[0].body
    assert not again.notices
    assert [notice.subject for notice in moved.notices] == ["reasoning"]


async def test_options_and_extras_reach_the_call() -> None:
    """Options under the provider's name, extra fields and extra headers are sent; those of others are not."""
    async with OpenAIHost(script=[says("a")]) as host, client_of(row(host), row(host, "other")) as client:
        await client.chat(
            "x",
            model="acme/m",
            options={"acme": {"tier": "flex"}, "other": {"tier": "no"}},
            extra_body={"seed_of": 1},
            extra_headers={"X-Extra": "yes"},
        )
        with pytest.raises(TypeError, match="did you mean 'acme'"):
            await client.chat("x", model="acme/m", options={"acmee": {}})
    assert host.requests[0].json["tier"] == "flex"
    assert host.requests[0].json["seed_of"] == 1
    assert dict(host.requests[0].headers)["X-Extra"] == "yes"


class Options(BaseModel, extra="forbid"):
    """What acme takes."""

    tier: int


async def test_options_are_checked_by_the_providers_own_model() -> None:
    """A wrong option is a ValueError that names it, before anything is sent."""
    async with OpenAIHost(script=[says("a")]) as host:
        row_ = Host("acme", host.url, models=["m"], options=f"{__name__}:Options")
        spec = row_.spec()
        object.__setattr__(spec, "options", Options)
        async with client_of(spec) as client:
            with pytest.raises(ValueError, match=r"options\['acme'\].tier must be"):
                await client.chat("x", model="acme/m", options={"acme": {"tier": "x"}})
            await client.chat("x", model="acme/m", options={"acme": {"tier": 2}})
    assert [received.json["tier"] for received in host.requests] == [2]


async def test_cost_is_that_of_the_declared_prices_or_none() -> None:
    """1,000 tokens in at 2 and 100 out at 10 USD a million are 0.003 USD; without prices it is None, never 0."""
    async with OpenAIHost(script=[says("a")]) as host:
        async with client_of(row(host, input_price=2, output_price=10), row(host, "other")) as client:
            known = await client.chat("x", model="acme/m")
            unknown = await client.chat("x", model="other/m")
    assert known.cost == pytest.approx(0.003)
    assert unknown.cost is None


class Plain(AsyncGeneratorProvider):
    """Takes text and a temperature."""

    name = "plain"
    models = ("m",)

    @classmethod
    async def create_async_generator(
        cls, model: str, messages: Any, proxy: str | None = None, temperature: float = 1
    ) -> Any:
        """Say what it was told."""
        yield f"{messages} at {temperature}"


async def test_a_generator_provider_refuses_what_it_cannot_say() -> None:
    """A provider of text alone is not given tools in silence: it is refused, or asked without them and told."""
    async with client_of(Plain) as client:
        with pytest.raises(UnsupportedError, match="tools"):
            await client.chat("x", model="plain/m", tools=[weather])
        reply = await client.chat(
            "x", model="plain/m", tools=[weather], temperature=0, seed=1, policy=Policy(meaning="notice")
        )
    assert reply.text == "[{'role': 'user', 'content': 'x'}] at 0.0"
    assert sorted(notice.subject for notice in reply.notices) == ["seed", "tools"]


@pytest.mark.parametrize(
    ("asking", "told"),
    [
        ({"temperature": "hot"}, "temperature must be a number"),
        ({"max_tokens": 0}, "max_tokens must be a number of at least 1"),
        ({"tools": [weather, weather]}, "two tools with the same name"),
        ({"tool_choice": "wether", "tools": [weather]}, "tool_choice is 'wether'"),
        ({"tool_choice": "required"}, "there are no tools"),
        ({"reasoning_effort": "much"}, "reasoning_effort must be 'none'"),
    ],
)
async def test_a_wrong_argument_is_one_line_that_names_it(asking: dict[str, Any], told: str) -> None:
    """Wrong settings are a TypeError or ValueError of one line, not pydantic's page."""
    async with client_of(Plain) as client:
        with pytest.raises((TypeError, ValueError), match=told) as caught:
            await client.chat("x", model="plain/m", **asking)
    assert "\n" not in str(caught.value)
    assert "pydantic" not in str(caught.value)


async def test_a_wrong_message_is_one_line_that_names_its_place() -> None:
    """Of a wrong message the place is named, not what was in it."""
    async with client_of(Plain) as client:
        with pytest.raises(ValueError, match=r"messages\[1\]"):
            await client.chat(
                [Message(role="user", content="x"), {"role": "user", "content": [{"type": "image"}]}], model="plain/m"
            )
        with pytest.raises(ValueError, match=r"messages\[0\].*role"):
            await client.chat([{"role": "robot", "content": "secret"}], model="plain/m")


async def test_a_tool_whose_arguments_are_no_json_is_not_called_by_accident() -> None:
    """Arguments that are not a JSON object raise InvalidOutputError where they are read."""
    broken = whole(ToolCallDelta(0, "c", "weather", '{"city":'), Finish("length", "length"))
    async with OpenAIHost(script=[broken]) as host, client_of(row(host)) as client:
        reply: Reply[None] = await client.chat("x", model="acme/m", tools=[weather])
    with pytest.raises(InvalidOutputError, match="weather"):
        _ = reply.tool_calls[0].args


async def test_all_that_fail_to_fit_are_one_error() -> None:
    """From two candidates on, answers that do not fit are one AllFailedError."""
    async with OpenAIHost(script=[says("no")]) as host, client_of(row(host), row(host, "other")) as client:
        with pytest.raises(AllFailedError) as caught:
            await client.chat("x", model="m", schema=Invoice)
    assert {type(error) for error in caught.value.exceptions} == {InvalidOutputError}


def test_what_comes_back_with_a_tool_call_goes_to_its_own_host_alone() -> None:
    """A call's opaque part stands in the reply's message with its origin, and is taken out for another provider."""
    collector = Collector()
    for event in (Start(), ToolCallDelta(0, "c", "f", "{}", opaque='{"signature":"s"}'), Finish("tool_calls")):
        collector.add(event)
    message = collector.reply(provider="acme").message
    assert (message.tool_calls[0].opaque, message.tool_calls[0].origin) == ('{"signature":"s"}', "acme")
    request = Request(messages=(message,))
    own, notices, _ = adapt(request, Capabilities(), provider="acme")
    assert own == request
    assert not notices
    moved, notices, _ = adapt(request, Capabilities(), provider="other")
    assert moved.messages[0].tool_calls[0].opaque is None
    assert [notice.subject for notice in notices] == ["reasoning"]
