"""What is sent as JSON is checked where it is given: in each place that takes it, with the place of what is wrong."""

from __future__ import annotations

import dataclasses
import datetime as dt
import decimal
import enum
import math
import types
import uuid
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import BaseModel

from segue import Client, ConfigError, Host, Message, NativePart, Output, Request, Target, Tool
from segue.plugin import Conformance, EmbedRequest
from segue.testing import OpenAIHost

if TYPE_CHECKING:
    from collections.abc import Callable

_SAID = (Message(role="user", content="x"),)
CYCLE: dict[str, Any] = {}
CYCLE["again"] = [CYCLE]


def _deep(levels: int) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _ in range(levels):
        value = {"in": value}
    return value


class _Form(BaseModel):
    size: float


@dataclasses.dataclass
class _Record:
    size: float


# fmt: off
WRONG: dict[str, tuple[Any, str]] = {
    "nan": (math.nan, "{}['a'][1] must be a number that JSON can express, not nan"),
    "infinity": (-math.inf, "{}['a'][1] must be a number that JSON can express, not -inf"),
    "object": (object(), "{}['a'][1] must be a value that JSON can express, not <object>"),
    "function": (print, "{}['a'][1] must be a value that JSON can express, not <function print>"),
    "class": (_Form, "{}['a'][1] must be a value that JSON can express, not <class _Form>"),
    "bytes": (b"canary", "{}['a'][1] must be a value that JSON can express, not <bytes>"),
    "set": ({"canary"}, "{}['a'][1] must be a value that JSON can express, not <set>"),
    "generator": (iter(()), "{}['a'][1] must be a value that JSON can express, not <tuple_iterator>"),
    "decimal": (decimal.Decimal("1.5"), "{}['a'][1] must be a value that JSON can express, not <Decimal>"),
    "key": ({5: "canary"}, "{}['a'][1] (a key) must be text, not 5"),
    "cycle": (CYCLE, "{}['a'][1]['again'][0] must be a value that does not contain itself, not <dict>"),
    "depth": (_deep(300), "{} must be nested at most 200 levels deep"),
    "surrogate": ("canary \ud800", "{}['a'][1] must be text without lone surrogates, not <str>"),
    "key with a surrogate": ({"\ud800": 1}, "{}['a'][1] (a key) must be text without lone surrogates, not <str>"),
    "very long number": (10**5000, "{}['a'][1] must be a number of at most 4,000 digits, not <int>"),
    "in a dataclass": (_Record(math.nan), "{}['a'][1]['size'] must be a number that JSON can express, not nan"),
    "in a model": (_Form(size=math.nan), "{}['a'][1]['size'] must be a number that JSON can express, not nan"),
}
# fmt: on

CONSTRUCTED: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "Tool": (lambda given: Tool(name="f", parameters=given), "parameters"),
    "Output": (lambda given: Output(json_schema=given), "json_schema"),
    "Output.of": (Output.of, "json_schema"),
    "NativePart": (lambda given: NativePart(wire="openai_chat", block=given), "block"),
    "Message": (lambda given: Message(role="user", content=(_native(given),)), "content[0].block"),  # type: ignore[arg-type]
    "Target": (lambda given: Target("a/m", options=given), "options"),
    "Conformance": (lambda given: Conformance(options=given), "options"),
    "Request options": (lambda given: Request(messages=_SAID, options={"a": given}), "options['a']"),
    "Request extra_body": (lambda given: Request(messages=_SAID, extra_body=given), "extra_body"),
    "EmbedRequest options": (lambda given: EmbedRequest(inputs=("x",), options={"a": given}), "options['a']"),
    "EmbedRequest extra_body": (lambda given: EmbedRequest(inputs=("x",), extra_body=given), "extra_body"),
}
ASKED: dict[str, tuple[Callable[[dict[str, Any]], dict[str, Any]], str]] = {
    "options": (lambda given: {"options": {"a": given}}, "options['a']"),
    "extra_body": (lambda given: {"extra_body": given}, "extra_body"),
    "schema": (lambda given: {"schema": given}, "schema"),
    "tools": (lambda given: {"tools": [{"name": "f", "parameters": given}]}, "tools[0].parameters"),
    "messages": (
        lambda given: {"messages": [{"role": "user", "content": [_native(given)]}]}, "messages[0].content[0].block",
    ),
}  # fmt: skip


def _native(given: dict[str, Any]) -> dict[str, Any]:
    return {"type": "native", "wire": "openai_chat", "block": given}


def _told(error: BaseException, place: str, told: str) -> None:
    """That the error is one line with the place of what is wrong."""
    expected = told.format(place)
    if "200 levels" in told:  # one level more or less is around it
        assert "must be nested at most 200 levels deep" in str(error)
    else:
        assert expected in str(error)
    assert "\n" not in str(error)
    assert "canary" not in str(error)
    assert len(str(error)) < 250


@pytest.mark.parametrize("place", CONSTRUCTED)
@pytest.mark.parametrize("wrong", WRONG)
def test_what_is_not_json_is_refused_where_a_value_is_made(place: str, wrong: str) -> None:
    """Of each value that holds JSON, with the path to what is wrong."""
    make, name = CONSTRUCTED[place]
    value, told = WRONG[wrong]
    with pytest.raises((TypeError, ValueError)) as caught:
        make({"a": ["right", value]})
    _told(caught.value, name, told)


@pytest.mark.parametrize("wrong", WRONG)
async def test_what_is_not_json_is_refused_in_the_call(wrong: str) -> None:
    """Of chat, stream and embed: nothing is sent, no attempt is made, and no host is blamed."""
    value, told = WRONG[wrong]
    async with OpenAIHost() as host:
        row = Host("a", host.url, models=["m"])
        async with Client(config=False, plugins=False, providers=[row]) as client:
            for place, (arguments, name) in ASKED.items():
                for method in ("chat", "stream", "embed"):
                    given = arguments({"a": ["right", value]})
                    if method == "embed" and place not in {"options", "extra_body"}:
                        continue
                    with pytest.raises((TypeError, ValueError)) as caught:
                        await getattr(client, method)(given.pop("messages", "x"), model="a/m", **given)
                    _told(caught.value, name, told)
                    assert str(caught.value).startswith(f"{method}(")
                    assert not hasattr(caught.value, "attempts")
            assert not client.health.states
        assert not host.requests


async def test_what_json_can_express_is_sent() -> None:
    """Also tuples, long numbers, dates, enumerations, dataclasses, models, and mappings that are not dicts."""
    color = enum.Enum("color", {"RED": "red"})
    number = uuid.UUID(int=1)
    given = {
        "tuple": (1, 2), "long": 2**80, "date": dt.date(2026, 1, 2), "color": color.RED, "id": number,
        "record": _Record(1.5), "model": _Form(size=1.5), "nested": _deep(60), "twice": [_SHARED, _SHARED],
    }  # fmt: skip
    async with OpenAIHost() as host:
        row = Host("a", host.url, models=["m"])
        async with Client(config=False, plugins=False, providers=[row]) as client:
            await client.chat("x", model="a/m", extra_body=types.MappingProxyType(given))
            await client.chat(
                "x", model="a/m", options=types.MappingProxyType({"a": types.MappingProxyType({"top_a": 1})})
            )
            await client.chat(
                "x",
                model="a/m",
                tools=[Tool(name="f", parameters=types.MappingProxyType({"type": "object", "properties": {}}))],
            )
        sent = host.requests[0].json
        assert (sent["tuple"], sent["long"], sent["date"], sent["color"]) == ([1, 2], 2**80, "2026-01-02", "red")
        assert (sent["record"], sent["model"], sent["id"]) == ({"size": 1.5}, {"size": 1.5}, str(number))
        assert len(host.requests) == 3


_SHARED = {"the same": "value twice is not a cycle"}


@pytest.mark.parametrize("value", [math.nan, [{"deep": math.inf}]])
def test_options_of_a_file_are_json_too(value: Any) -> None:
    """TOML can express nan and inf, which no host could get."""
    with pytest.raises(ConfigError, match=r"^config: providers\.a\.options has a value that JSON cannot express"):
        Client(config={"providers": {"a": {"options": {"x": value}}}}, plugins=False)
    with pytest.raises(ConfigError, match=r"chains\.main.*options has a value that JSON cannot express"):
        Client(config={"chains": {"main": [{"model": "a/m", "options": {"x": value}}]}}, plugins=False)
