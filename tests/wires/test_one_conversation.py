"""One conversation with two tools, an image and reasoning goes from wire to wire, turn by turn."""

from __future__ import annotations

import json
import struct
import zlib
from contextlib import AsyncExitStack
from typing import Any

import pytest
from anthropic.types.message_create_params import MessageCreateParamsNonStreaming
from botocore.session import Session
from botocore.validate import ParamValidator
from google.genai import types
from openai.types.chat.completion_create_params import CompletionCreateParamsNonStreaming
from openai.types.responses.response_create_params import ResponseCreateParamsNonStreaming
from sdk_types import misfits

from segue import Client, Message, Tool
from segue.messages import ImagePart, TextPart
from segue.testing import Body, ScriptedHost

PNG = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 0) + b"IEND" + struct.pack(">I", zlib.crc32(b"IEND"))
CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOLS = [
    Tool(name="weather", description="The weather of a city.", parameters=CITY),
    Tool(name="time", description="The time in a city.", parameters=CITY),
]
SECRETS = {
    "openai": "b3BlbmFpLW9wYXF1ZQ==",
    "anthropic": "YW50aHJvcGljLW9wYXF1ZQ==",
    "google": "Z29vZ2xlLW9wYXF1ZQ==",
    "bedrock": "YmVkcm9jay1vcGFxdWU=",
}
"""What each host wants back, and no other may see."""

JSON = "application/json"


def _json(value: dict[str, Any]) -> Body:
    return Body(json.dumps(value).encode(), content_type=JSON)


def openai_responses(*calls: tuple[str, str, str], text: str = "") -> Body:
    """An answer of the Responses wire that has thought, and calls these tools."""
    output: list[dict[str, Any]] = [
        {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": SECRETS["openai"]}
    ]
    if text:
        content = [{"type": "output_text", "text": text, "annotations": []}]
        output.append({"type": "message", "id": "m_1", "role": "assistant", "status": "completed", "content": content})
    output += [
        {"type": "function_call", "id": f"fc_{id_}", "call_id": id_, "name": name, "arguments": arguments}
        for id_, name, arguments in calls
    ]
    return _json({"id": "resp_1", "object": "response", "model": "m", "status": "completed", "output": output})


def openai_chat(*calls: tuple[str, str, str], text: str = "") -> Body:
    """An answer of the Chat wire, with readable reasoning and an opaque part of it."""
    message: dict[str, Any] = {"role": "assistant", "content": text or None, "reasoning": "hm"}
    message["reasoning_details"] = [{"type": "reasoning.encrypted", "data": SECRETS["openai"]}]
    message["tool_calls"] = [
        {"id": id_, "type": "function", "function": {"name": name, "arguments": arguments}}
        for id_, name, arguments in calls
    ]
    reason = "tool_calls" if calls else "stop"
    return _json({"id": "c", "model": "m", "choices": [{"index": 0, "message": message, "finish_reason": reason}]})


def anthropic(*calls: tuple[str, str, str], text: str = "") -> Body:
    """An answer of the Messages wire that has thought."""
    content: list[dict[str, Any]] = [{"type": "thinking", "thinking": "hm", "signature": SECRETS["anthropic"]}]
    content += [{"type": "text", "text": text}] if text else []
    content += [
        {"type": "tool_use", "id": id_, "name": name, "input": json.loads(arguments)} for id_, name, arguments in calls
    ]
    told = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": content}
    usage = {"input_tokens": 1, "output_tokens": 1}
    return _json({**told, "stop_reason": "tool_use" if calls else "end_turn", "usage": usage})


def google(*calls: tuple[str, str, str], text: str = "") -> Body:
    """An answer of generateContent; its first call is signed."""
    parts: list[dict[str, Any]] = [{"text": "hm", "thought": True}]
    parts += [{"text": text}] if text else []
    parts += [{"functionCall": {"id": id_, "name": name, "args": json.loads(told)}} for id_, name, told in calls]
    parts[-1]["thoughtSignature"] = SECRETS["google"]
    candidate = {"content": {"role": "model", "parts": parts}, "finishReason": "STOP", "index": 0}
    return _json({"candidates": [candidate], "modelVersion": "m", "responseId": "r"})


def bedrock(*calls: tuple[str, str, str], text: str = "") -> Body:
    """An answer of Converse that has thought."""
    content: list[dict[str, Any]] = [
        {"reasoningContent": {"reasoningText": {"text": "hm", "signature": SECRETS["bedrock"]}}}
    ]
    content += [{"text": text}] if text else []
    content += [{"toolUse": {"toolUseId": id_, "name": name, "input": json.loads(told)}} for id_, name, told in calls]
    return _json(
        {
            "output": {"message": {"role": "assistant", "content": content}},
            "stopReason": "tool_use" if calls else "end_turn",
            "usage": {"inputTokens": 1, "outputTokens": 1, "totalTokens": 2},
            "metrics": {"latencyMs": 1},
        }
    )


def takes_responses(body: dict[str, Any]) -> None:
    """The type wants ``detail`` and ``strict``, to which its own words give defaults; recorded hosts do without."""
    tools = [{"strict": None, **tool} for tool in body["tools"]]
    turns = [
        {**turn, "content": [{"detail": "auto", **part} if part["type"] == "input_image" else part for part in content]}
        if isinstance(content := turn.get("content"), list) else turn
        for turn in body["input"]
    ]  # fmt: skip
    assert not misfits(ResponseCreateParamsNonStreaming, {**body, "input": turns, "tools": tools})


def takes_chat(body: dict[str, Any]) -> None:
    """The SDK's type."""
    assert not misfits(CompletionCreateParamsNonStreaming, body)


def takes_messages(body: dict[str, Any]) -> None:
    """The SDK's type."""
    assert not misfits(MessageCreateParamsNonStreaming, body)


def takes_google(body: dict[str, Any]) -> None:
    """The SDK's types forbid what they do not know."""
    for content in (*body["contents"], *filter(None, [body.get("systemInstruction")])):
        types.Content.model_validate(content)
    for tool in body["tools"]:
        types.Tool.model_validate(tool)
    assert body.keys() <= {"contents", "systemInstruction", "tools", "toolConfig", "generationConfig"}


def takes_bedrock(body: dict[str, Any]) -> None:
    """Botocore's validator, against the service's own description."""
    operation = Session().get_service_model("bedrock-runtime").operation_model("Converse")
    report = ParamValidator().validate({"modelId": "m", **body}, operation.input_shape)
    assert not report.has_errors(), report.generate_report()
    assert body.keys() <= set(operation.input_shape.members)


WIRES: dict[str, tuple[str, dict[str, Any], Any, Any]] = {
    "openai responses": (
        "openai", {"wire": "responses"}, openai_responses, takes_responses,
    ),
    "openai chat": ("openai", {}, openai_chat, takes_chat),
    "anthropic": ("anthropic", {}, anthropic, takes_messages),
    "google": ("google", {}, google, takes_google),
    "bedrock": ("bedrock", {"region": "eu-west-1"}, bedrock, takes_bedrock),
}  # fmt: skip
MODELS = {
    "openai": "gpt-6-of-a-test", "anthropic": "claude-sonnet-4-5", "google": "gemini-3.8-flash",
    "bedrock": "anthropic.claude-sonnet-4-5-20250929-v1:0",
}  # fmt: skip


async def _carried(order: list[str]) -> tuple[list[tuple[str, dict[str, Any]]], list[tuple[str, ...]], list[Message]]:
    """The requests that the hosts saw, the subjects of each turn's notices, and the conversation."""
    seen: list[tuple[str, dict[str, Any]]] = []
    notices: list[tuple[str, ...]] = []
    question = (TextPart(text="What is it like there, and how late?"), ImagePart(data=PNG))
    said = [Message(role="system", content="Be brief."), Message(role="user", content=question)]
    for turn, wire in enumerate(order):
        provider, options, answer, accepts = WIRES[wire]
        last = turn == len(order) - 1
        calls = [
            (f"call_{turn}_{number}", tool.name, json.dumps({"city": "Łódź"})) for number, tool in enumerate(TOOLS)
        ]
        step = answer(*([] if last else calls), text="Sunny, noon." if last else "")
        async with AsyncExitStack() as stack:
            host = await stack.enter_async_context(ScriptedHost(script=[step]))
            table = {"base_url": host.url, "api_key": "key-of-a-test-0123456789", "options": options}
            config = {"providers": {provider: table}}
            client = await stack.enter_async_context(Client(config=config, environ={}))
            reply = await client.chat(said, model=f"{provider}/{MODELS[provider]}", tools=TOOLS)
            body = host.requests[0].json
        accepts(body)
        seen.append((provider, body))
        notices.append(tuple(notice.subject for notice in reply.notices))
        assert [call.name for call in reply.tool_calls] == ([] if last else ["weather", "time"]), wire
        said.append(reply.message)
        said += [
            Message(role="tool", tool_call_id=call.id, content=f"{call.name} of {call.args['city']}")
            for call in reply.tool_calls
        ]
    return seen, notices, said


@pytest.mark.parametrize("first", ["openai responses", "openai chat"])
async def test_a_conversation_goes_from_host_to_host(first: str) -> None:
    """Each sees a valid request of its wire with all that was said; what is opaque goes where it came from alone."""
    order = [first, "anthropic", "google", "bedrock", first, "anthropic", "google", "bedrock"]
    seen, notices, said = await _carried(order)
    for turn, (provider, body) in enumerate(seen):
        written = json.dumps(body, ensure_ascii=False)
        for owner, secret in SECRETS.items():
            came_before = any(who == owner for who, _ in seen[:turn])
            wanted = owner == provider and came_before and order[turn] != "openai chat"  # which takes no reasoning back
            assert (secret in written) is wanted, (turn, provider, owner)
        # Whatever wire it came over: what was asked, each call with its arguments, each result.
        assert "What is it like there, and how late?" in written
        assert written.count("weather of Łódź") == written.count("time of Łódź") == turn
        for before in range(turn):
            ids = [f"call_{before}_{number}" for number in (0, 1)]
            assert all(written.count(id_) >= 2 or provider == "google" for id_ in ids), (turn, provider)
        assert ("reasoning" in notices[turn]) is (turn > 0), (turn, notices[turn])
    assert said[-1].text == "Sunny, noon."


async def test_no_image_is_lost_on_the_way() -> None:
    """Each wire has the image's bytes in its own place."""
    seen, _, _ = await _carried(["openai responses", "openai chat", "anthropic", "google", "bedrock"])
    for _, body in seen:
        assert "iVBORw0KGgo" in json.dumps(body)
