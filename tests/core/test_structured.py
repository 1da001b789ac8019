"""Structured output from models that take no JSON schema: through a tool, or asked for in words."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import BaseModel

from segue import Capabilities, Client, Finish, InvalidOutputError, Notice, Tool
from segue.adaptation.structured import answered
from segue.events import ChoiceFinish, Event, TextDelta, ToolCallDelta
from segue.plugin import Host, Model
from segue.testing import Body, OpenAIHost

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class City(BaseModel):
    """A city."""

    name: str


def chat(message: dict[str, Any], reason: str = "stop") -> Body:
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": reason}
    return Body(json.dumps({"id": "c", "model": "m", "choices": [choice]}).encode(), content_type="application/json")


def called(arguments: str, name: str = "City") -> dict[str, Any]:
    return {"content": None, "tool_calls": [
        {"id": "c1", "type": "function", "function": {"name": name, "arguments": arguments}}
    ]}  # fmt: skip


def row(host: OpenAIHost, **facts: bool) -> Host:
    return Host("acme", host.url, models=[Model("m", Capabilities({"json_schema": False, **facts}))])


def client_of(row: Host) -> Client:
    return Client(providers=[row], config=False, plugins=False, environ={})


async def test_a_tool_takes_the_answer_where_tools_are_known() -> None:
    """It is offered with the schema and forced; the call's arguments are the answer, and a notice says so."""
    async with (
        OpenAIHost(script=[chat(called('{"name": "Łódź"}'), "tool_calls")]) as host,
        client_of(row(host, tools=True)) as client,
    ):
        reply = await client.chat("Which city?", model="acme/m", schema=City)
    assert reply.parsed == City(name="Łódź")
    assert (reply.text, reply.finish_reason, reply.tool_calls) == ('{"name": "Łódź"}', "stop", ())
    assert [notice.subject for notice in reply.notices] == ["schema"]
    sent = host.requests[0].json
    assert "response_format" not in sent
    assert sent["tool_choice"] == {"type": "function", "function": {"name": "City"}}
    assert sent["tools"][0]["function"]["parameters"]["required"] == ["name"]


@pytest.mark.parametrize(
    ("facts", "tools", "form"),
    [
        ({}, [], {"type": "json_object"}),
        ({"json_object": False}, [], None),
        ({"tools": True, "reasoning": True}, [], {"type": "json_object"}),
        ({"tools": True}, [Tool(name="f")], {"type": "json_object"}),
    ],
    ids=["tools unknown", "no JSON mode", "it reasons", "it has tools of its own"],
)
async def test_else_it_is_asked_for_in_words(facts: dict[str, bool], tools: list[Tool], form: object) -> None:
    """The schema stands after the caller's own words to the system; the JSON mode is asked for where there is one."""
    said = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Which city?"}]
    async with (
        OpenAIHost(script=[chat({"content": '```json\n{"name": "Łódź"}\n```'})]) as host,
        client_of(row(host, **facts)) as client,
    ):
        reply = await client.chat(said, model="acme/m", schema=City, tools=tools)
    assert reply.parsed == City(name="Łódź")
    assert [notice.subject for notice in reply.notices] == ["schema"]
    sent = host.requests[0].json
    assert sent.get("response_format") == form
    assert [message["role"] for message in sent["messages"]] == ["system", "system", "user"]
    assert '"required":["name"]' in sent["messages"][1]["content"]


async def test_an_answer_that_does_not_fit_is_refused_all_the_same() -> None:
    """Words hold no model to anything."""
    async with OpenAIHost(script=[chat({"content": "Łódź, I think."})]) as host, client_of(row(host)) as client:
        with pytest.raises(InvalidOutputError):
            await client.chat("Which city?", model="acme/m", schema=City)


async def _given(*events: Event) -> AsyncIterator[Event]:
    for event in events:
        yield event


async def read(*events: Event) -> list[Event]:
    return [event async for event in answered(_given(*events), "City")]


async def test_what_is_said_beside_the_call_is_left_out_and_told() -> None:
    """The answer is JSON alone."""
    assert await read(
        TextDelta("Let me see."), ToolCallDelta(0, "a", "City"), ToolCallDelta(0, arguments="{}"), Finish("tool_calls")
    ) == [
        TextDelta("{}"),
        Notice("text", "the model's text next to its structured answer is left out"),
        Finish("stop"),
    ]


async def test_a_model_that_does_not_call_has_answered_in_text() -> None:
    """Its text may be the JSON all the same."""
    assert await read(TextDelta("{"), TextDelta("}"), Finish("stop")) == [TextDelta("{}"), Finish("stop")]


async def test_a_second_call_is_told_of() -> None:
    """One answer is wanted."""
    events = await read(
        ToolCallDelta(0, "a", "City", "{}"), ToolCallDelta(1, "b", "City", "{}"), Finish("tool_calls", "tool_use")
    )
    assert [event for event in events if isinstance(event, TextDelta)] == [TextDelta("{}")]
    assert [event.subject for event in events if isinstance(event, Notice)] == ["tool_calls"]
    assert events[-1] == Finish("stop", "tool_use")


async def test_each_choice_has_an_answer_of_its_own() -> None:
    """Told by its number, with its own end."""
    assert await read(
        ToolCallDelta(0, "a", "City", "{}"), ToolCallDelta(0, "b", "City", "[]", choice=1),
        ChoiceFinish(1, "tool_calls"), Finish("length"),
    ) == [TextDelta("{}"), TextDelta("[]", 1), ChoiceFinish(1, "stop"), Finish("length")]  # fmt: skip
