"""Requests of the Chat Completions wire: what recorded clients sent is read, and written again as the same request."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from corpus import Exchange, exchanges
from openai.types.chat import completion_create_params
from pydantic_core import to_json
from sdk_types import misfits

from segue.messages import CachePart, NativePart, Request
from segue.wire.openai_chat import dialect, encode
from segue.wire.openai_chat.server import read

# Fields of a message that are no part of the wire, by the clients that sent them: what such a request says elsewhere
# than in its messages' own fields nobody else would read either.
REFUSED = {
    "ollama-openai-chat-28b04cc672": "images",  # Ollama's own field, sent to its compatible address
    "writer-chat-553cad593d": "tool_calls[0].id",  # a call without an id, which its result could not name
}


def in_one_form(body: dict[str, Any]) -> dict[str, Any]:
    """A request without what makes no difference, or is written otherwise by us; this is the documented list.

    * null, empty lists, ``stream: false``, an empty description of a tool and ``response_format`` of type text say
      nothing, nor does empty text beside calls or reasoning; ``parsed`` is of the client's SDK;
    * one text as the only part is that text, one word of ``stop`` a list of it, and parts that are nothing but text
      beside reasoning are one text;
    * a mark of the cache beside the content is one at its last part;
    * a stream is asked for its usage; the name of a schema that has none is ``answer``;
    * a call or a choice of a tool without its type is one of a function;
    * reasoning stands in one field: ``reasoning`` beside ``reasoning_content`` or ``reasoning_details`` is left out.
    """
    told = {name: value for name, value in body.items() if value not in (None, [], False)}
    told.pop("stream_options", None)
    if told.get("response_format") == {"type": "text"}:
        del told["response_format"]
    form = told.get("response_format", {}).get("json_schema")
    if form is not None:
        told["response_format"] = {"type": "json_schema", "json_schema": {"name": "answer", **_filled(form)}}
    if isinstance(told.get("stop"), str):
        told["stop"] = [told["stop"]]
    if isinstance(told.get("tool_choice"), dict):
        told["tool_choice"] = {"type": "function", **told["tool_choice"]}
    if "tools" in told:
        told["tools"] = [_tool(tool) for tool in told["tools"]]
    told["messages"] = [_message(message) for message in told["messages"]]
    return told


def _filled(table: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in table.items() if value is not None}


def _tool(tool: dict[str, Any]) -> dict[str, Any]:
    if "function" not in tool:
        return tool
    function = {name: value for name, value in tool["function"].items() if value is not None and value != ""}
    function.setdefault("parameters", {"type": "object", "properties": {}})
    return {**tool, "function": function}


def _message(message: dict[str, Any]) -> dict[str, Any]:
    told = {name: value for name, value in message.items() if value not in (None, [], "") and name != "parsed"}
    content = told.pop("content", [])
    parts = [{"type": "text", "text": content}] if isinstance(content, str) else [_filled(part) for part in content]
    if "cache_control" in told:
        parts[-1] = {**parts[-1], "cache_control": told.pop("cache_control")}
    thought = [name for name in ("reasoning_details", "reasoning_content", "reasoning") if name in told]
    for name in thought[1:]:
        del told[name]
    if thought and all(part.keys() == {"type", "text"} for part in parts):
        parts = [{"type": "text", "text": "".join(part["text"] for part in parts)}]
    told["content"] = [part for part in parts if part != {"type": "text", "text": ""}]
    if "tool_calls" in told:
        told["tool_calls"] = [_call(call) for call in told["tool_calls"]]
    return told


def _call(call: dict[str, Any]) -> dict[str, Any]:
    told = {"type": "function", **{name: value for name, value in call.items() if name != "index"}}
    if "function" in told:  # what was parsed is of the client's SDK
        told["function"] = {name: value for name, value in told["function"].items() if name != "parsed_arguments"}
    return told


def written(request: Request, model: str, asked: dict[str, Any]) -> dict[str, Any]:
    """The request in the dialect of the host that the recorded client spoke to."""
    quirks = ["cache_control", "file_urls", "top_k"]
    if "max_completion_tokens" in asked:
        quirks.append("max_completion_tokens")
    fields = {name for message in asked["messages"] for name in message if message[name]}
    backs = [name for name in ("reasoning_details", "reasoning_content", "reasoning") if name in fields]
    quirks += [f"{name}_back" for name in backs[:1]]
    call = encode(request, model=model, base_url="https://h.example/v1", headers={}, dialect=dialect(quirks))
    # What was thought in a field of its own and in none that this host takes back is the one thing that is said.
    assert {notice.subject for notice in call.notices} <= {"parallel_tool_calls"}
    body: dict[str, Any] = json.loads(call.body)
    return body


@pytest.mark.parametrize("exchange", exchanges(lambda exchange: exchange.api == "openai-chat"))
def test_a_recorded_request_is_read_and_written_again(exchange: Exchange) -> None:
    """``encode(read(recorded))`` is the same request but for the documented list."""
    asked = exchange.recording["request"].get("json")
    if asked is None:
        return  # the answer alone was recorded
    if exchange.id in REFUSED:
        with pytest.raises(ValueError, match=re.escape(REFUSED[exchange.id])):
            read(to_json(asked))
        return
    # On Azure's older addresses the deployment is named in the path alone.
    deployment = re.search(r"/deployments/([^/]+)/", exchange.recording["request"]["url"])
    model, request = read(to_json(asked), model=None if deployment is None else deployment[1])
    assert in_one_form(written(request, model, asked)) == in_one_form({**asked, "model": model})


# ── bytes of our own ─────────────────────────────────────────────────────────────────────────────────

HI = [{"role": "user", "content": "hi"}]
CITY = {"type": "object", "properties": {"city": {"type": "string"}}}
FUNCTION = {"type": "function", "function": {"name": "f", "parameters": CITY}}


def again(**body: Any) -> dict[str, Any]:
    """A body that was read and written again."""
    asked = {"model": "m", "messages": HI, **body}
    model, request = read(to_json(asked))
    return written(request, model, asked)


@pytest.mark.parametrize(
    "tools",
    [
        [FUNCTION],
        [{**FUNCTION, "cache_control": {"type": "ephemeral"}}],
        [{"type": "web_search"}, FUNCTION],
        [{"type": "custom", "custom": {"name": "sum"}}],
    ],
    ids=["a function", "with a mark of the cache", "of the host", "custom"],
)
def test_tools_of_any_kind_go_on(tools: list[dict[str, Any]]) -> None:
    """What a tool of ours has no words for goes on as it came."""
    assert again(tools=tools)["tools"] == tools


@pytest.mark.parametrize(
    "choice",
    [
        "auto", "none", "required", {"type": "function", "function": {"name": "f"}},
        {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": []}},
        {"type": "custom", "custom": {"name": "sum"}},
    ],
    ids=str,
)  # fmt: skip
def test_choices_of_tools_of_any_kind_go_on(choice: Any) -> None:
    """Those that we know, and those that the wire has beside them."""
    tools = [FUNCTION, {"type": "custom", "custom": {"name": "sum"}}]
    assert again(tools=tools, tool_choice=choice)["tool_choice"] == choice


def test_an_effort_that_we_do_not_know_goes_on() -> None:
    """Groq has one called ``default``."""
    assert again(reasoning_effort="default")["reasoning_effort"] == "default"
    assert again(reasoning_effort="low")["reasoning_effort"] == "low"


def test_a_mark_beside_the_content_is_one_after_it() -> None:
    """OpenRouter takes it there; so it is read, and written inside the content."""
    message = {"role": "system", "content": "Be brief.", "cache_control": {"type": "ephemeral"}}
    _, request = read(to_json({"model": "m", "messages": [message, *HI]}))
    assert request.messages[0].parts[1:] == (CachePart(),)


def test_a_part_of_a_kind_that_is_not_known_goes_on_whole() -> None:
    """To hosts of this wire alone."""
    part = {"type": "video_url", "video_url": {"url": "https://a.example/v.mp4"}}
    _, request = read(to_json({"model": "m", "messages": [{"role": "user", "content": [part]}]}))
    assert request.messages[0].parts == (NativePart(wire="openai_chat", block=part),)
    assert again(messages=[{"role": "user", "content": [part]}])["messages"][0]["content"] == [part]


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"{", "not JSON"),
        (b"[]", "not a JSON object"),
        (b'{"messages":[{"role":"user","content":"x"}]}', "model is missing"),
        (b'{"model":"m","messages":[]}', "messages"),
        (b'{"model":"m","messages":[7]}', "not an object"),
        (b'{"model":"m","messages":[{"role":"robot","content":"x"}]}', "role"),
        (b'{"model":"m","messages":[{"role":"user","content":"x","secret-field":"canary"}]}', "secret-field"),
        (b'{"model":"m","messages":[{"role":"user","content":"x"}],"tools":{"a":1}}', "tools is not a list"),
        (b'{"model":"m","messages":[{"role":"user","content":"x"}],"response_format":{"type":"x"}}', "response_format"),
        (b'{"model":"m","messages":[{"role":"user","content":"x"}],"temperature":"canary"}', "temperature"),
    ],
)
def test_a_body_that_is_no_request_is_a_value_error(body: bytes, told: str) -> None:
    """It names the place on one line, and shows nothing of what stood there."""
    with pytest.raises(ValueError, match=re.escape(told)) as caught:
        read(body)
    assert type(caught.value) is ValueError
    assert "canary" not in str(caught.value)
    assert "\n" not in str(caught.value)


# A value of each field that OpenAI's SDK knows.
EVERY: dict[str, Any] = {
    "model": "m",
    "messages": HI,
    "audio": {"format": "wav", "voice": "alloy"},
    "frequency_penalty": 0.5,
    "function_call": "none",
    "functions": [{"name": "f"}],
    "logit_bias": {"50256": -100},
    "logprobs": True,
    "max_completion_tokens": 9,
    "max_tokens": 9,
    "metadata": {"a": "b"},
    "modalities": ["text", "audio"],
    "moderation": {"model": "omni-moderation-latest"},
    "n": 2,
    "parallel_tool_calls": True,
    "prediction": {"type": "content", "content": "x"},
    "presence_penalty": 0.5,
    "prompt_cache_key": "k",
    "prompt_cache_options": {"ttl": "30m"},
    "prompt_cache_retention": "24h",
    "reasoning_effort": "low",
    "response_format": {"type": "json_object"},
    "safety_identifier": "u",
    "seed": 7,
    "service_tier": "flex",
    "stop": ["x"],
    "store": True,
    "stream": True,
    "stream_options": {"include_usage": True},
    "temperature": 0.5,
    "tool_choice": "auto",
    "tools": [FUNCTION],
    "top_logprobs": 2,
    "top_p": 0.5,
    "user": "u",
    "verbosity": "low",
    "web_search_options": {"search_context_size": "low"},
}


def test_every_field_of_the_sdk_comes_back() -> None:
    """None that OpenAI's SDK has is lost, and a new one of a later SDK is missing in the list above."""
    params = completion_create_params.CompletionCreateParamsStreaming
    assert set(EVERY) == set(params.__required_keys__ | params.__optional_keys__)
    assert misfits(params, EVERY) == []
    body = again(**EVERY)
    lost = {name for name in EVERY if body.get(name) != EVERY[name]} - {"max_tokens"}
    assert lost == set()  # of the two names of one limit the newer one stands
    assert body["max_completion_tokens"] == 9
