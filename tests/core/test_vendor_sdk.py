"""OpenAI's own SDK, pointed at a loopback host that answers with what our wire renders, reads what was meant."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import openai
import pytest

from segue import (
    ChoiceFinish,
    Finish,
    Logprobs,
    ReasoningDelta,
    RefusalDelta,
    Source,
    Start,
    TextDelta,
    TokenLogprob,
    ToolCallDelta,
    Usage,
)
from segue.events import Collector, Event, Reply
from segue.testing import Body, OpenAIHost
from segue.wire.openai_chat.server import read, render, render_stream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from openai.types.chat import ChatCompletion

START = Start("m-1", "chatcmpl-7")
USAGE = Usage(
    input_tokens=5,
    output_tokens=7,
    total_tokens=12,
    cached_tokens=3,
    reasoning_tokens=2,
    input_audio_tokens=1,
    output_audio_tokens=0,
)

ANSWERS: dict[str, list[Event]] = {
    "text": [START, TextDelta("Grüße, "), TextDelta("Welt 🎭"), USAGE, Finish("stop", "stop")],
    "nothing": [START, USAGE, Finish("stop", "stop")],
    "cut": [START, TextDelta("Grü"), USAGE, Finish("length", "length")],
    "filtered": [START, TextDelta("G"), Finish("content_filter", "content_filter")],
    "reasoning": [START, ReasoningDelta("hm "), ReasoningDelta("so"), TextDelta("yes"), USAGE, Finish("stop", "stop")],
    "refusal": [START, RefusalDelta("I had "), RefusalDelta("rather not"), USAGE, Finish("stop", "stop")],
    "parallel tools": [
        START,
        TextDelta("I shall look."),
        ToolCallDelta(0, "call-a", "weather", ""),
        ToolCallDelta(1, "call-b", "time", '{"zone"'),
        ToolCallDelta(0, None, None, '{"city":"Köln"}'),
        ToolCallDelta(1, None, None, ':"CET"}'),
        USAGE,
        Finish("tool_calls", "tool_calls"),
    ],
    "two choices": [
        START,
        TextDelta("a"),
        TextDelta("b", 1),
        ChoiceFinish(1, "length", "length"),
        USAGE,
        Finish("stop", "stop"),
    ],
    "logprobs": [
        START,
        TextDelta("yes"),
        Logprobs((TokenLogprob("yes", -0.25, (("yes", -0.25), ("no", -1.5))),)),
        USAGE,
        Finish("stop", "stop"),
    ],
    "sources": [START, TextDelta("It is so."), Source("https://a.example", "A", 0, 9), USAGE, Finish("stop", "stop")],
    "of another wire": [START, TextDelta("a"), USAGE, Finish("stop", "end_turn")],
}


def collected(events: list[Event]) -> Reply[Any]:
    collector = Collector()
    for event in events:
        collector.add(event)
    return collector.reply()


@pytest.fixture(params=ANSWERS)
def answer(request: pytest.FixtureRequest) -> list[Event]:
    return ANSWERS[request.param]


def sdk(host: OpenAIHost) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(api_key="sk-test", base_url=host.url, max_retries=0)


def is_as_meant(choice: Any, message: Any, reply: Reply[Any], place: int = 0) -> None:
    meant = reply.choices[place]
    assert (message.content or "") == meant.text
    assert message.refusal == meant.refusal
    assert [(call.id, call.function.name, call.function.arguments) for call in message.tool_calls or ()] == [
        (call.id, call.name, call.arguments) for call in meant.tool_calls
    ]
    assert choice.finish_reason == meant.finish_reason
    assert (getattr(message, "reasoning_content", None) or "") == meant.reasoning
    logprobs = choice.logprobs.content if choice.logprobs is not None else None
    assert [
        (token.token, token.logprob, [(t.token, t.logprob) for t in token.top_logprobs]) for token in logprobs or ()
    ] == [(token.token, token.logprob, list(token.top)) for token in meant.logprobs or ()]


def is_usage(told: Any, usage: Usage | None) -> None:
    if usage is None:
        assert told is None
        return
    assert (told.prompt_tokens, told.completion_tokens, told.total_tokens) == (5, 7, 12)
    assert (told.prompt_tokens_details.cached_tokens, told.prompt_tokens_details.audio_tokens) == (3, 1)
    assert (told.completion_tokens_details.reasoning_tokens, told.completion_tokens_details.audio_tokens) == (2, 0)


async def test_the_sdk_reads_a_whole_answer_as_it_was_meant(answer: list[Event]) -> None:
    """Text, refusal, tools, usage, finish, choices, logprobs and sources of `render` arrive in the SDK's objects."""
    reply = collected(answer)
    body = Body(render(reply, created=1), content_type="application/json")
    async with OpenAIHost(script=[body]) as host, sdk(host) as client:
        told: ChatCompletion = await client.chat.completions.create(
            model="m", messages=[{"role": "user", "content": "x"}]
        )
    assert (told.id, told.model, told.object, told.created) == ("chatcmpl-7", "m-1", "chat.completion", 1)
    assert len(told.choices) == len(reply.choices)
    for place, choice in enumerate(told.choices):
        is_as_meant(choice, choice.message, reply, place)
    is_usage(told.usage, reply.usage)
    annotations = told.choices[0].message.annotations or []
    assert [(a.url_citation.url, a.url_citation.title) for a in annotations] == [
        (s.url, s.title) for s in reply.sources
    ]


async def _events(stream: Any) -> AsyncIterator[Any]:
    async for event in stream:
        yield event


async def test_the_sdk_puts_a_stream_together_as_it_was_meant(answer: list[Event]) -> None:
    """The SDK's own accumulator makes of `render_stream` the same text, refusal, tools, usage, finish and choices."""
    reply = collected(answer)
    body = Body(b"".join(render_stream(answer)), split=5)
    async with (
        OpenAIHost(script=[body]) as host,
        sdk(host) as client,
        client.chat.completions.stream(
            model="m", messages=[{"role": "user", "content": "x"}], stream_options={"include_usage": True}
        ) as stream,
    ):
        if reply.finish_reason in {"length", "content_filter"} or any(
            c.finish_reason == "length" for c in reply.choices
        ):
            async for _ in stream:
                pass
            told = stream.current_completion_snapshot
        else:
            told = await stream.get_final_completion()
    assert (told.id, told.model) == ("chatcmpl-7", "m-1")
    assert len(told.choices) == len(reply.choices)
    for place, choice in enumerate(told.choices):
        is_as_meant(choice, choice.message, reply, place)
    is_usage(told.usage, reply.usage)


async def test_what_the_sdk_sends_is_read_as_a_request() -> None:
    """A request with tools, an image, a schema and settings, written by the SDK, is read with all of it."""
    body = Body(render(collected(ANSWERS["text"])), content_type="application/json")
    async with OpenAIHost(script=[body]) as host, sdk(host) as client:
        await client.chat.completions.create(
            model="m",
            messages=[
                {"role": "developer", "content": "Be brief."},
                {
                    "role": "user",
                    "content": [
                        {"type": "text", "text": "What is it?"},
                        {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGFsbG8=", "detail": "low"}},
                    ],
                },
                {
                    "role": "assistant",
                    "tool_calls": [{"id": "c", "type": "function", "function": {"name": "look", "arguments": "{}"}}],
                },
                {"role": "tool", "tool_call_id": "c", "content": "a cat"},
            ],
            tools=[{"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}],
            tool_choice={"type": "function", "function": {"name": "look"}},
            response_format={"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "object"}}},
            max_completion_tokens=9,
            temperature=0.5,
            stop=["END"],
        )
        model, request = read(json.dumps(host.requests[0].json).encode())
    assert model == "m"
    assert [message.role for message in request.messages] == ["developer", "user", "assistant", "tool"]
    assert [need.name for need in request.implied_needs()] == ["vision", "tools", "json_schema"]
    assert request.settings.given() == {"max_tokens": 9, "temperature": 0.5, "stop": ("END",)}
    assert request.extra_body == {}
    assert not request.stream
