"""The Messages wire: recorded traffic, the SDK against what we write, calls through the front door, Vertex."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import anthropic
import pytest
from corpus import Exchange, cut, exchanges
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import to_json

from segue import (
    AudioPart,
    BadRequestError,
    Client,
    ConfigError,
    Event,
    FilePart,
    Finish,
    HTTPError,
    ImagePart,
    Message,
    Notice,
    Output,
    OverloadedError,
    ProtocolError,
    RateLimitError,
    ReasoningDelta,
    ReasoningPart,
    RefusalDelta,
    RefusalPart,
    Reply,
    Request,
    Retry,
    SegueError,
    ServerError,
    Settings,
    Source,
    Start,
    StreamBrokenError,
    TextDelta,
    TextPart,
    Tool,
    ToolCall,
    ToolCallDelta,
    ToolName,
    UnsupportedError,
    Usage,
)
from segue.events import Collector
from segue.messages import CachePart, NativePart, Policy
from segue.testing import Body, ScriptedHost
from segue.wire import openai_chat
from segue.wire.anthropic_messages import Decoder, encode
from segue.wire.anthropic_messages.server import read, render, render_stream
from segue_anthropic.models import MODELS
from segue_anthropic.provider import most_of, takes_system_turns, version_of

if TYPE_CHECKING:
    from collections.abc import Sequence


def decoded(*pieces: bytes, delimited: bool = True) -> list[Event]:
    decoder = Decoder()
    events = [event for piece in pieces for event in decoder.feed(piece)]
    return [*events, *decoder.end(delimited=delimited)]


def collected(events: Sequence[Event], provider: str = "") -> Reply[Any]:
    collector = Collector()
    for event in events:
        collector.add(event)
    return collector.reply(provider=provider)


# ── recorded requests ────────────────────────────────────────────────────────────────────────────────


def in_one_form(body: dict[str, Any]) -> dict[str, Any]:
    """A request without what makes no difference, or is written otherwise by us; this is the documented list.

    * a text is a list of one block of it; turns of one side in a row are one turn;
    * ``is_error: false``, the citations of an assistant's text, those of a document that are not wanted, and a
      caller that is the model itself are left out; a mark of the cache in the last block of a tool's result is one
      of the result;
    * ``output_format`` of the beta is ``output_config.format``;
    * null, empty lists, ``stream: false`` and an empty description of a tool say nothing.
    """
    told = {name: value for name, value in body.items() if value not in (None, [], False)}
    told["messages"] = []
    for turn in body["messages"]:
        blocks = in_blocks(turn["content"])
        if told["messages"] and told["messages"][-1]["role"] == turn["role"]:
            told["messages"][-1]["content"] += blocks
        else:
            told["messages"].append({"role": turn["role"], "content": blocks})
    if isinstance(told.get("system"), str):
        told["system"] = [{"type": "text", "text": told["system"]}]
    if "output_format" in told:
        told["output_config"] = {**told.get("output_config", {}), "format": told.pop("output_format")}
    empty = ("description", "")
    told["tools"] = [dict(pair for pair in tool.items() if pair != empty) for tool in told.get("tools", [])]
    return told


def in_blocks(content: str | list[dict[str, Any]]) -> list[dict[str, Any]]:
    if isinstance(content, str):
        return [{"type": "text", "text": content}] if content else []
    blocks = []
    for block in content:
        dropped = {"citations"} if block["type"] == "text" else set()
        told = {name: value for name, value in block.items() if name not in dropped and value is not None}
        if told.get("citations") == {"enabled": False}:
            del told["citations"]
        if told.get("caller") == {"type": "direct"}:
            del told["caller"]
        if told["type"] == "tool_result":
            if not told.get("is_error"):
                told.pop("is_error", None)
            told["content"] = in_blocks(told["content"])
        blocks.append(told)
    return blocks


@pytest.mark.parametrize("exchange", exchanges(lambda exchange: exchange.api == "anthropic-messages"))
def test_a_recorded_request_is_read_and_written_again(exchange: Exchange) -> None:
    """``encode(read(recorded))`` is the same request but for the documented list, and nothing is left to say."""
    recording = exchange.recording
    asked = recording["request"].get("json")
    if asked is None:
        assert recording["source"]["kind"] == "fixture"  # of these the answer alone was recorded
        return
    url = recording["request"]["url"].partition("?")[0]
    vertex = re.match(r"(.+/publishers/anthropic)/models/(.+):", url)
    model, request = read(to_json(asked), model=None if vertex is None else vertex[2])
    base_url = "https://api.anthropic.com" if vertex is None else vertex[1]
    call = encode(request, model=model, base_url=base_url, headers={}, system_turns=True, vertex=vertex is not None)
    assert call.notices == ()
    assert in_one_form(json.loads(call.body)) == in_one_form(asked)
    # One recorder kept Vertex's address of whole answers for streams too, and the other way round.
    assert call.url.rpartition(":")[0] == url.rpartition(":")[0] if vertex else call.url == url


# ── bytes of our own ─────────────────────────────────────────────────────────────────────────────────


def sse(*events: dict[str, Any]) -> bytes:
    return b"".join(b"event: %b\ndata: %b\n\n" % (event["type"].encode(), to_json(event)) for event in events)


THINKING = {"type": "thinking", "thinking": "So. 世", "signature": "c2ln"}
REDACTED = {"type": "redacted_thinking", "data": "c2VhbGVk"}
SEARCH = {"type": "server_tool_use", "id": "srv_1", "name": "web_search", "input": {"query": "x"}}
FOUND = {"type": "web_search_tool_result", "tool_use_id": "srv_1", "content": []}
PAGE = {"type": "web_search_result_location", "url": "https://a.example", "title": "A", "cited_text": "…"}
DOCUMENT = {"type": "char_location", "document_index": 2, "document_title": "b.txt", "cited_text": "…"}
TEXT = {"type": "text", "text": "Grüße, "}
CITED = {"type": "text", "text": "世界 🎭", "citations": [PAGE, DOCUMENT]}
CALL = {"type": "tool_use", "id": "toolu_a", "name": "look", "input": {"at": "世"}, "caller": {"type": "direct"}}
CALLER = {"type": "code_execution_20260120", "tool_id": "srv_1"}
OTHER = {"type": "tool_use", "id": "toolu_b", "name": "look", "input": {}, "caller": CALLER}
CONTENT = [THINKING, REDACTED, SEARCH, FOUND, TEXT, CITED, CALL, OTHER]
USAGE = {
    "input_tokens": 5,
    "cache_read_input_tokens": 3,
    "cache_creation_input_tokens": 1,
    "output_tokens": 7,
    "output_tokens_details": {"thinking_tokens": 2},
}
MESSAGE: dict[str, Any] = {
    "id": "msg_1", "type": "message", "role": "assistant", "model": "m-1", "content": [], "stop_reason": None,
    "stop_sequence": None, "usage": {"input_tokens": 5, "output_tokens": 1},
}  # fmt: skip
WHOLE = to_json({**MESSAGE, "content": CONTENT, "stop_reason": "tool_use", "usage": USAGE})
BEGUN = {"type": "message_start", "message": MESSAGE}
STOP = {"type": "message_stop"}


def begun(index: int, block: dict[str, Any], **emptied: Any) -> dict[str, Any]:
    return {"type": "content_block_start", "index": index, "content_block": {**block, **emptied}}


def delta(index: int, kind: str, field: str, value: Any) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": index, "delta": {"type": kind, field: value}}


def done(index: int) -> dict[str, Any]:
    return {"type": "content_block_stop", "index": index}


def ended(reason: str | None, **more: Any) -> dict[str, Any]:
    return {"type": "message_delta", "delta": {"stop_reason": reason, **more}, "usage": USAGE}


EVENTS = [
    BEGUN,
    begun(0, THINKING, thinking="", signature=""),
    {"type": "ping"},
    delta(0, "thinking_delta", "thinking", "So. "),
    delta(0, "thinking_delta", "thinking", "世"),
    delta(0, "signature_delta", "signature", "c2ln"),
    done(0),
    begun(1, REDACTED),
    done(1),
    begun(2, SEARCH, input={}),
    delta(2, "input_json_delta", "partial_json", ""),
    delta(2, "input_json_delta", "partial_json", '{"query":'),
    delta(2, "input_json_delta", "partial_json", '"x"}'),
    done(2),
    begun(3, FOUND),
    done(3),
    begun(4, TEXT, text=""),
    delta(4, "text_delta", "text", "Grüße, "),
    done(4),
    begun(5, CITED, text="", citations=[]),
    delta(5, "citations_delta", "citation", PAGE),
    delta(5, "text_delta", "text", "世界 "),
    delta(5, "text_delta", "text", "🎭"),
    delta(5, "citations_delta", "citation", DOCUMENT),
    done(5),
    begun(6, CALL, input={}),
    delta(6, "input_json_delta", "partial_json", ""),
    delta(6, "input_json_delta", "partial_json", '{"at":'),
    delta(6, "input_json_delta", "partial_json", '"世"}'),
    done(6),
    begun(7, OTHER, input={}),
    done(7),
    ended("tool_use", stop_sequence=None),
    STOP,
]
STREAM = sse(*EVENTS)
BACK = "Segue does not read it, but sends it back with the message"


def written(block: dict[str, Any]) -> str:
    return to_json(block).decode()


SIGNED = written({"type": "thinking", "signature": "c2ln"})


def test_the_events_of_a_stream_come_in_its_order() -> None:
    """Each event of the wire is an event of ours, with what goes back to the host in its place."""
    assert decoded(STREAM) == [
        Start("m-1", "msg_1"),
        Usage(5, 1, 6),
        ReasoningDelta("So. "),
        ReasoningDelta("世"),
        ReasoningDelta("", SIGNED),
        ReasoningDelta("", written(REDACTED)),
        Notice("content of type server_tool_use", BACK),
        ReasoningDelta("", written(SEARCH)),
        Notice("content of type web_search_tool_result", BACK),
        ReasoningDelta("", written(FOUND)),
        TextDelta("Grüße, "),
        TextDelta("世界 "),
        TextDelta("🎭"),
        Source("https://a.example", "A", 7, 11),
        Source("document_2", "b.txt", 7, 11),
        ToolCallDelta(0, "toolu_a", "look"),
        ToolCallDelta(0, arguments='{"at":'),
        ToolCallDelta(0, arguments='"世"}'),
        ToolCallDelta(1, "toolu_b", "look", opaque=written({"caller": CALLER})),
        ToolCallDelta(1, arguments="{}"),
        Usage(9, 7, 16, cached_tokens=3, reasoning_tokens=2, cache_write_tokens=1),
        Finish("tool_calls", "tool_use"),
    ]


def test_a_whole_answer_says_the_same_as_a_stream() -> None:
    """One decoder reads both forms, and they fold into the same reply."""
    assert collected(decoded(WHOLE)) == collected(decoded(STREAM))


@given(places=st.lists(st.integers(0, len(STREAM)), max_size=12), bom=st.booleans(), crlf=st.booleans())
def test_the_split_of_a_stream_changes_nothing(places: list[int], bom: bool, crlf: bool) -> None:
    """The same events for every cut, with a BOM or without, whichever way lines end."""
    data = (b"\xef\xbb\xbf" if bom else b"") + (STREAM.replace(b"\n", b"\r\n") if crlf else STREAM)
    assert decoded(*cut(data, places)) == decoded(STREAM)


@given(places=st.lists(st.integers(0, len(WHOLE)), max_size=12))
def test_the_split_of_a_whole_answer_changes_nothing(places: list[int]) -> None:
    """The same events for every cut of a whole answer."""
    assert decoded(*cut(b" \n" + WHOLE, places)) == decoded(WHOLE)


@pytest.mark.parametrize("body", [STREAM, WHOLE], ids=["stream", "whole"])
def test_a_cut_answer_is_never_whole(body: bytes) -> None:
    """Cut at any place, by a host that just closes, there is no Finish but a StreamBrokenError."""
    end = body.rindex(b"}") + (1 if body is WHOLE else 2)
    for place in range(end):
        decoder = Decoder()
        events = list(decoder.feed(body[:place]))
        with pytest.raises(StreamBrokenError):
            events += decoder.end(delimited=False)
        assert not any(isinstance(event, Finish) for event in events)


@given(
    at=st.integers(0, len(STREAM) - 1),
    junk=st.one_of(
        st.binary(max_size=6), st.sampled_from([b"null", b"[]", b"{}", b"-1", b'""', b"\n\n", b"data: 1\n\n"])
    ),
    gone=st.integers(0, 40),
    whole=st.booleans(),
)
def test_a_mutated_answer_gives_events_or_an_error_of_ours(at: int, junk: bytes, gone: int, whole: bool) -> None:
    """Whatever comes, nothing but events and a SegueError leaves the decoder."""
    body = WHOLE if whole else STREAM
    data = body[:at] + junk + body[at + gone :]
    try:
        events = decoded(data)
    except SegueError:
        return
    assert isinstance(events[-1], Finish)


@given(events=st.permutations(EVENTS), length=st.integers(0, len(EVENTS)))
def test_events_out_of_order_give_events_or_an_error_of_ours(events: list[dict[str, Any]], length: int) -> None:
    """A host that mixes its events up makes no other exception."""
    try:
        decoded(sse(*events[:length]))
    except SegueError:
        return


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("tool_use", "tool_calls"),
        ("refusal", "content_filter"),
        ("pause_turn", "unknown"),
        ("compaction", "unknown"),
        ("new_reason", "unknown"),
        (None, "unknown"),
    ],
)
def test_a_stop_reason_is_one_of_ours(raw: str | None, reason: str) -> None:
    """Each word of the host has its reason; one that ends nothing, or is not known, says so."""
    events = decoded(sse(BEGUN, ended(raw), STOP))
    assert events[-1] == Finish(reason, raw)  # type: ignore[arg-type]
    told = [event for event in events if isinstance(event, Notice)]
    assert [notice.subject for notice in told] == (["stop_reason"] if reason == "unknown" else [])


def test_what_is_told_of_an_end_is_passed_on() -> None:
    """A refusal's explanation, the sequence that stopped the answer and the container of its tools are told."""
    details = {"type": "refusal", "category": "cyber", "explanation": "That I may not."}
    end = ended("refusal", stop_details=details, stop_sequence="END", container={"id": "container_1"})
    events = decoded(sse(BEGUN, end, STOP))
    assert RefusalDelta("That I may not.") in events
    assert [event.subject for event in events if isinstance(event, Notice)] == ["container", "stop_sequence"]


def test_usage_is_cumulative_and_what_is_not_told_again_stays() -> None:
    """Counts of the beginning hold until the end tells others."""
    start = {**MESSAGE, "usage": {**USAGE, "output_tokens": 1}}
    end = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 9}}
    events = decoded(sse({"type": "message_start", "message": start}, end, STOP))
    assert Usage(9, 9, 18, cached_tokens=3, reasoning_tokens=2, cache_write_tokens=1) in events


def test_what_is_not_known_is_told_once() -> None:
    """Unknown events, blocks and deltas are one notice each; an unknown block does not go back."""
    unknown = {"type": "hologram", "data": "x"}
    events = decoded(
        sse(
            BEGUN,
            {"type": "weather", "wind": 3},
            {"type": "weather", "wind": 4},
            begun(0, unknown),
            delta(0, "light_delta", "light", "x"),
            done(0),
            begun(1, unknown),
            done(1),
            ended("end_turn"),
            STOP,
        )
    )
    subjects = [event.subject for event in events if isinstance(event, Notice)]
    assert subjects == ["event of type weather", "content of type hologram", "delta of type light_delta"]
    assert not any(isinstance(event, ReasoningDelta) for event in events)


@pytest.mark.parametrize(
    ("kind", "cls", "passing"),
    [
        ("overloaded_error", OverloadedError, True),
        ("rate_limit_error", RateLimitError, True),
        ("api_error", ServerError, True),
        ("timeout_error", ServerError, True),
        ("invalid_request_error", BadRequestError, False),
    ],
)
def test_an_error_inside_a_stream_has_its_type(kind: str, cls: type[HTTPError], passing: bool) -> None:
    """After text has come, the error event raises what its status would; the text was given."""
    error = {"type": "error", "error": {"type": kind, "message": "…"}, "request_id": "req_1"}
    decoder = Decoder()
    events = decoder.feed(sse(BEGUN, begun(0, {"type": "text", "text": "half"}), error))
    assert [next(events), next(events), next(events)] == [
        Start("m-1", "msg_1"),
        Usage(5, 1, 6),
        TextDelta("half"),
    ]
    with pytest.raises(HTTPError) as caught:
        next(events)
    told = caught.value
    assert (type(told), told.status, told.code, told.phase) == (cls, 200, kind, "stream")
    assert (told.retryable, told.request_id) == (passing, "req_1")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"hello",
        b"<html></html>",
        b"{",
        b"[1]",
        b'{"type":"message","content":3}',
        sse(BEGUN, delta(0, "text_delta", "text", "x")),
        sse(BEGUN, begun(0, TEXT), delta(0, "text_delta", "text", 3)),
        sse(BEGUN, {"type": "content_block_start", "index": -1, "content_block": TEXT}),
        sse(BEGUN, begun(0, SEARCH), delta(0, "input_json_delta", "partial_json", "{"), done(0)),
    ],
)
def test_what_is_no_answer_is_a_protocol_error(body: bytes) -> None:
    """A body that HTTP proves whole and that holds no answer names what is wrong, and does not show it."""
    with pytest.raises((ProtocolError, StreamBrokenError)) as caught:
        decoded(body)
    assert "hello" not in str(caught.value)


def test_an_answer_of_another_form_says_so() -> None:
    """A JSON object that is no message finishes as unknown, with notices."""
    events = decoded(b'{"choices":[]}')
    assert [event.subject for event in events if isinstance(event, Notice)] == ["content", "stop_reason"]
    assert events[-1] == Finish("unknown", None)


def test_a_whole_error_is_raised() -> None:
    """An error's body under the status 200 is an error as well."""
    with pytest.raises(OverloadedError):
        decoded(b'{"type":"error","error":{"type":"overloaded_error","message":"x"}}')


# ── requests of our own ──────────────────────────────────────────────────────────────────────────────


def asked(request: Request, **how: Any) -> tuple[dict[str, Any], list[str]]:
    call = encode(request, model="m", base_url="https://h.example", headers={}, **{"max_tokens": 9, **how})
    return json.loads(call.body), [notice.subject for notice in call.notices]


def user(*parts: Any) -> Message:
    return Message(role="user", content=tuple(parts) if len(parts) != 1 or not isinstance(parts[0], str) else parts[0])


def test_a_conversation_is_written_as_turns_of_blocks() -> None:
    """System text stands apart, results of tools are one user's turn, and what was thought goes back."""
    messages = (
        Message(role="system", content="Be brief."),
        user(TextPart(text="What?"), ImagePart(url="https://i.example/a.png")),
        *[collected(decoded(STREAM), provider="anthropic").message],
        Message(role="tool", content="a cat", tool_call_id="toolu_a"),
        Message(role="tool", content=(TextPart(text="b"), ImagePart(data=b"GIF89a")), tool_call_id="toolu_b"),
        user("And?"),
    )
    body, notices = asked(Request(messages=messages, stream=False))
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/gif", "data": "R0lGODlh"}}
    assert notices == []
    assert body == {
        "model": "m",
        "max_tokens": 9,
        "system": "Be brief.",
        "messages": [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "What?"},
                    {"type": "image", "source": {"type": "url", "url": "https://i.example/a.png"}},
                ],
            },
            {
                "role": "assistant",
                "content": [
                    THINKING,
                    REDACTED,
                    SEARCH,
                    FOUND,
                    {"type": "text", "text": "Grüße, 世界 🎭"},
                    {name: value for name, value in CALL.items() if name != "caller"},
                    OTHER,
                ],
            },
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": "toolu_a", "content": "a cat"},
                    {
                        "type": "tool_result",
                        "tool_use_id": "toolu_b",
                        "content": [{"type": "text", "text": "b"}, image],
                    },
                    {"type": "text", "text": "And?"},
                ],
            },
        ],
    }


def test_documents_are_written_by_their_kind() -> None:
    """A PDF goes as data, text as text, a file of the host by its id with the beta that it needs."""
    parts = (
        FilePart(data=b"%PDF", media_type="application/pdf", name="a.pdf"),
        FilePart(data="Grüße".encode(), media_type="text/markdown", name="b.md"),
        FilePart(id="file_1"),
    )
    request = Request(messages=(user(*parts),))
    call = encode(request, model="m", base_url="https://h.example", headers={}, options={"betas": ["other"]})
    sources = [(block["source"], block.get("title")) for block in json.loads(call.body)["messages"][0]["content"]]
    assert sources == [
        ({"type": "base64", "media_type": "application/pdf", "data": "JVBERg=="}, "a.pdf"),
        ({"type": "text", "media_type": "text/plain", "data": "Grüße"}, "b.md"),
        ({"type": "file", "file_id": "file_1"}, None),
    ]
    assert call.headers["anthropic-beta"] == "files-api-2025-04-14,other"
    assert call.headers["anthropic-version"] == "2023-06-01"


@pytest.mark.parametrize(
    ("message", "subject"),
    [
        (user(AudioPart(data=b"x", format="wav"), TextPart(text="hi")), "audio"),
        (user(FilePart(data=b"x", media_type="application/zip"), TextPart(text="hi")), "file"),
    ],
)
def test_what_the_wire_cannot_take_is_refused_or_told(message: Message, subject: str) -> None:
    """By default nothing is sent; with the policy of notices the rest is."""
    with pytest.raises(UnsupportedError) as caught:
        asked(Request(messages=(message,)))
    assert caught.value.subject == subject
    for policy in (Policy(meaning="notice"), Policy(meaning="send")):
        body, notices = asked(Request(messages=(message,), policy=policy))
        assert body["messages"] == [{"role": "user", "content": "hi"}]
        assert notices == [subject]


LOOK = Tool(name="look", description="Look.", parameters={"type": "object"}, strict=True)
HI = (user("hi"),)


@pytest.mark.parametrize(
    ("choice", "parallel", "told"),
    [
        (None, None, None),
        ("auto", None, {"type": "auto"}),
        ("required", False, {"type": "any", "disable_parallel_tool_use": True}),
        ("none", False, {"type": "none"}),
        (ToolName(name="look"), True, {"type": "tool", "name": "look", "disable_parallel_tool_use": False}),
        (None, False, {"type": "auto", "disable_parallel_tool_use": True}),
    ],
)
def test_a_choice_of_tools_has_its_form(choice: Any, parallel: bool | None, told: Any) -> None:
    """Whether, which and how many at once; and it is read again as it was written."""
    settings = Settings(parallel_tool_calls=parallel)
    request = Request(messages=HI, tools=(LOOK,), tool_choice=choice, settings=settings)
    body, _ = asked(request)
    assert body.get("tool_choice") == told
    assert body["tools"] == [
        {"name": "look", "description": "Look.", "input_schema": {"type": "object"}, "strict": True}
    ]
    _, again = read(to_json(body))
    assert again.tools == request.tools
    assert again.tool_choice == (choice or ("auto" if told else None))


def test_without_tools_nothing_is_said_of_their_choice() -> None:
    """The wire refuses a choice where there is nothing to choose."""
    body, _ = asked(Request(messages=HI, tool_choice="none", settings=Settings(parallel_tool_calls=False)))
    assert "tool_choice" not in body


@pytest.mark.parametrize(
    ("effort", "how", "told"),
    [
        ("none", {}, {"thinking": {"type": "disabled"}}),
        ("high", {}, {"thinking": {"type": "adaptive"}, "output_config": {"effort": "high"}}),
        ("minimal", {}, {"thinking": {"type": "adaptive"}, "output_config": {"effort": "low"}}),
        ("medium", {"max_tokens": 8000}, {"thinking": {"type": "enabled", "budget_tokens": 4000}}),
        ("low", {"max_tokens": 2000}, {"thinking": {"type": "enabled", "budget_tokens": 1024}}),
        ("high", {"max_tokens": 1024}, {}),
    ],
)
def test_an_effort_has_the_form_of_its_model(effort: Any, how: dict[str, Any], told: dict[str, Any]) -> None:
    """Adaptive with an effort, or a budget below the limit; where there is no room, or no such word, it is said."""
    request = Request(messages=HI, settings=Settings(reasoning_effort=effort))
    body, notices = asked(request, budgets=bool(how), **how)
    assert {name: body[name] for name in ("thinking", "output_config") if name in body} == told
    assert notices == (["reasoning_effort"] if effort == "minimal" or not told else [])


def test_a_schema_and_an_effort_share_their_field() -> None:
    """Structured output is native, beside the effort; both are read again."""
    output = Output(json_schema={"type": "object"}, description="An answer.")
    body, notices = asked(Request(messages=HI, output=output, settings=Settings(reasoning_effort="low")))
    schema = {"type": "object", "description": "An answer."}
    assert body["output_config"] == {"format": {"type": "json_schema", "schema": schema}, "effort": "low"}
    assert notices == []
    _, again = read(to_json(body))
    assert again.output == Output(json_schema=schema)
    assert (again.settings.reasoning_effort, again.extra_body) == ("low", {})


def test_json_without_a_schema_is_asked_for_in_words() -> None:
    """The wire has no field for it: the system text asks, and a notice says so."""
    body, notices = asked(Request(messages=HI, output=Output()))
    assert body["system"] == "Answer with one JSON object and nothing else."
    assert notices == ["output"]


def test_settings_have_their_names_here() -> None:
    """What the wire has is sent by its name, what it lacks is told."""
    settings = Settings(temperature=0.5, top_p=0.9, top_k=4, stop=("END",), max_tokens=7, seed=3, n=1, logprobs=False)
    body, notices = asked(Request(messages=HI, settings=settings))
    names = ("temperature", "top_p", "top_k", "stop_sequences", "max_tokens")
    assert {name: body[name] for name in names} == {
        "temperature": 0.5, "top_p": 0.9, "top_k": 4, "stop_sequences": ["END"], "max_tokens": 7,
    }  # fmt: skip
    assert "seed" not in body
    assert notices == ["seed"]
    with pytest.raises(UnsupportedError, match="logprobs"):
        asked(Request(messages=HI, settings=Settings(logprobs=True)))


def test_a_limit_is_always_sent() -> None:
    """The model's where it is known; a guess with a notice where it is not; the caller's above both."""
    request = Request(messages=HI)
    assert asked(request, max_tokens=64_000) == (
        {"model": "m", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 64_000, "stream": True},
        [],
    )
    body, notices = asked(request, max_tokens=None)
    assert (body["max_tokens"], notices) == (4096, ["max_tokens"])
    body, notices = asked(request.model_copy(update={"extra_body": {"max_tokens": 5}}), max_tokens=None)
    assert (body["max_tokens"], notices) == (5, [])


def test_system_text_amid_a_conversation_is_moved_where_it_must() -> None:
    """Models that take it get it in its place; for others it goes to the front, with one notice."""
    later = Message(role="developer", content="Now rhyme.")
    request = Request(messages=(Message(role="system", content="Be brief."), user("hi"), later, user("on")))
    body, notices = asked(request, system_turns=True)
    assert [turn["role"] for turn in body["messages"]] == ["user", "system", "user"]
    assert (body["system"], notices) == ("Be brief.", [])
    body, notices = asked(request)
    assert [block["text"] for block in body["system"]] == ["Be brief.", "Now rhyme."]
    assert notices == ["system"]


@pytest.mark.parametrize(
    "opaque",
    [
        None,
        "no json",
        '{"type":"reasoning","id":"rs_1","encrypted_content":"x"}',
        '{"type":"web_search_call","id":"ws_1"}',
        '{"type":"compaction","encrypted_content":"x"}',
        '{"reasoningText":{"text":"x"}}',
    ],
)
def test_what_another_wire_thought_is_not_sent(opaque: str | None) -> None:
    """What no host of this wire gave does not go to one; it is said once."""
    part = ReasoningPart(text="hm", opaque=opaque)
    message = Message(role="assistant", content=(part, part, TextPart(text="yes"), RefusalPart(refusal="no")))
    body, notices = asked(Request(messages=(user("a"), message, user("b"))))
    assert body["messages"][1]["content"] == [{"type": "text", "text": "yes"}, {"type": "text", "text": "no"}]
    assert notices == ["reasoning"]


def test_calls_of_other_wires_get_a_form_that_this_one_takes() -> None:
    """Ids lose the characters that are refused here, in call and result alike; arguments are an object."""
    calls = (
        ToolCall(id="fc|1.2", name="look", arguments="{"),
        ToolCall(id="c2", name="sum", arguments="4 + 4", kind="custom"),
        ToolCall(id="c3", name="look", arguments=""),
    )
    turns = (
        user("a"),
        Message(role="assistant", tool_calls=calls),
        Message(role="tool", content="x", tool_call_id="fc|1.2"),
    )
    body, _ = asked(Request(messages=turns))
    assert [(block["id"], block["input"]) for block in body["messages"][1]["content"]] == [
        ("fc_1_2", {"INVALID_JSON": "{"}),
        ("c2", {"input": "4 + 4"}),
        ("c3", {}),
    ]
    assert body["messages"][2]["content"][0]["tool_use_id"] == "fc_1_2"


@pytest.mark.parametrize("base_url", ["https://h.example", "https://h.example/", "https://h.example/v1/"])
def test_an_address_ends_before_its_version_or_with_it(base_url: str) -> None:
    """As Anthropic's own variable has it, or as other hosts' addresses end."""
    call = encode(Request(messages=HI), model="m", base_url=base_url, headers={})
    assert call.url == "https://h.example/v1/messages"


def test_results_of_tools_keep_their_place_in_a_turn() -> None:
    """Text before, between and after results comes back where it stood."""
    result = {"type": "tool_result", "tool_use_id": "a", "content": "x"}
    content = [{"type": "text", "text": "1"}, result, {"type": "text", "text": "2"}, result]
    _, request = read(to_json({"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": content}]}))
    assert [message.role for message in request.messages] == ["user", "tool", "user", "tool"]
    assert asked(request)[0]["messages"] == [{"role": "user", "content": content}]


def test_options_are_added_to_what_the_request_has() -> None:
    """The host's own tools stand beside the caller's, caching at the top; the body's extras above all."""
    search = {"type": "web_search_20250305", "name": "web_search"}
    cache = {"type": "ephemeral"}
    request = Request(messages=HI, tools=(LOOK,), extra_body={"metadata": {"user_id": "u"}})
    body, _ = asked(request, options={"tools": [search], "cache_control": cache})
    assert [tool["name"] for tool in body["tools"]] == ["look", "web_search"]
    assert (body["cache_control"], body["metadata"]) == (cache, {"user_id": "u"})
    _, again = read(to_json(body))
    assert again.tools == (LOOK,)
    assert again.extra_body == {"metadata": {"user_id": "u"}, "cache_control": cache, "tools": body["tools"]}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b'{"model":"m"}',
        b'{"model":"m","messages":[]}',
        b'{"model":"m","messages":[3]}',
        b'{"model":"m","messages":[{"role":"user","content":3}]}',
        b'{"model":"m","messages":[{"role":"user","content":[{"type":"text"}]}]}',
        b'{"model":"m","messages":[{"role":"user","content":[{"type":"image","source":{"type":"base64"}}]}]}',
        b'{"model":"m","messages":[{"role":"assistant","content":[{"type":"tool_use","id":"a","name":"b"}]}]}',
        b'{"model":"m","messages":[{"role":"user","content":"x"}],"output_config":{"format":{"type":"yaml"}}}',
        b'{"model":"m","messages":[{"role":"user","content":"x"}],"tools":[{"name":"x"}]}',
    ],
)
def test_a_body_that_is_no_request_is_a_value_error(body: bytes) -> None:
    """Whatever a client sends, `read` raises ValueError and nothing else."""
    with pytest.raises(ValueError, match=r".+"):
        read(body)


def test_marks_of_the_cache_stand_where_they_were_set() -> None:
    """At a text, a document and its citations, a result and a whole turn with calls; what was thought takes none."""
    mark = {"type": "ephemeral"}
    conversation = [
        Message(role="system", content=(TextPart(text="Be brief."), CachePart(ttl="1h"))),
        user(FilePart(data=b"%PDF", media_type="application/pdf", citations=True), CachePart(), TextPart(text="Look.")),
        Message(
            role="assistant",
            content=(ReasoningPart(text="hm", opaque=SIGNED), CachePart()),
            tool_calls=(ToolCall(id="a", name="look", arguments="{}"), ToolCall(id="b", name="look", arguments="{}")),
        ),
        Message(role="tool", tool_call_id="a", content=(TextPart(text="no"), CachePart()), is_error=True),
        Message(role="tool", tool_call_id="b", content="yes"),
    ]
    body, notices = asked(Request(messages=tuple(conversation)))
    assert notices == []
    assert body["system"] == [{"type": "text", "text": "Be brief.", "cache_control": {**mark, "ttl": "1h"}}]
    document, text = body["messages"][0]["content"]
    assert (document["cache_control"], document["citations"]) == (mark, {"enabled": True})
    assert "cache_control" not in text
    thought, first, second = body["messages"][1]["content"]
    assert "cache_control" not in thought | first
    assert second["cache_control"] == mark
    failed, fine = body["messages"][2]["content"]
    assert failed == {
        "type": "tool_result", "tool_use_id": "a", "content": "no", "is_error": True, "cache_control": mark,
    }  # fmt: skip
    assert "is_error" not in fine
    assert read(to_json({"max_tokens": 9, **body}))[1].messages == tuple(conversation)


@pytest.mark.parametrize(
    ("parts", "subject"),
    [((CachePart(),), "cache"), ((TextPart(text="x"), CachePart(ttl="12h")), "ttl")],
    ids=["nothing before it", "a time of another wire"],
)
def test_a_mark_that_cannot_stand_is_told(parts: tuple[Any, ...], subject: str) -> None:
    """It only makes a call cheaper: what it was set for is sent."""
    _, notices = asked(Request(messages=(user(*parts),)))
    assert notices == [subject]


def test_a_block_that_no_part_stands_for_goes_to_its_wire_alone() -> None:
    """It is read whole, and written as it came; another wire refuses it, or leaves it out and says so."""
    block = {"type": "search_result", "source": "https://a.example", "title": "A", "content": []}
    told = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": [block]}]}
    request = read(to_json(told))[1]
    assert request.messages[0].parts == (NativePart(wire="anthropic_messages", block=block),)
    assert asked(request)[0]["messages"] == told["messages"]
    with pytest.raises(UnsupportedError, match="search_result"):
        openai_chat.encode(request, model="m", base_url="https://h.example", headers={})
    lenient = request.model_copy(update={"policy": Policy(meaning="notice")})
    call = openai_chat.encode(lenient, model="m", base_url="https://h.example", headers={})
    assert [notice.subject for notice in call.notices] == ["search_result"]


# ── as a server ──────────────────────────────────────────────────────────────────────────────────────

START = Start("m-1", "msg_7")
COUNTED = Usage(9, 7, 16, cached_tokens=3, reasoning_tokens=2, cache_write_tokens=1)
ANSWERS: dict[str, list[Event]] = {
    "text": [START, TextDelta("Grüße, "), TextDelta("世界"), COUNTED, Finish("stop", "end_turn")],
    "thinking and tools": [
        START,
        ReasoningDelta("So"),
        ReasoningDelta(".", SIGNED),
        ReasoningDelta("", written(REDACTED)),
        TextDelta("I look."),
        ToolCallDelta(0, "a", "look", '{"at":'),
        ToolCallDelta(1, "b", "look", ""),
        ToolCallDelta(0, arguments='"世"}'),
        COUNTED,
        Finish("tool_calls", "tool_calls"),
    ],
    "another wire's reasoning": [
        START,
        ReasoningDelta("hm", '{"type":"reasoning","id":"rs_1"}'),
        TextDelta("yes"),
        Finish("length", "max_output_tokens"),
    ],
    "the host's tools and sources": [
        START,
        ReasoningDelta("", written(SEARCH)),
        ReasoningDelta("", written(FOUND)),
        TextDelta("cited"),
        Source("https://a.example", "A", 0, 5),
        Source("file-7", "b.pdf", 0, 5),
        COUNTED,
        Finish("stop", "stop"),
    ],
    "a refusal": [START, RefusalDelta("That "), RefusalDelta("I may not."), COUNTED, Finish("stop", "stop")],
    "no usage": [START, TextDelta("x"), Finish("content_filter", "content_filter")],
    "an open end": [START, TextDelta("x"), Finish("unknown", "pause_turn")],
}


@pytest.fixture(params=ANSWERS.values(), ids=ANSWERS.keys())
def answer(request: pytest.FixtureRequest) -> list[Event]:
    events: list[Event] = request.param
    return events


def without_words(reply: Reply[Any]) -> dict[str, Any]:
    """What this wire has words for; signatures that its own hosts gave, and those of others, are opaque."""
    choice = reply.choices[0]
    return {
        "text": reply.text,
        "refusal": reply.refusal,
        "reasoning": [part.text for part in choice.reasoning_parts],
        "calls": [(call.id, call.name, call.args) for call in reply.tool_calls],
        "sources": [(source.url, source.title, source.start, source.end) for source in reply.sources],
        "usage": reply.usage or Usage(0, 0, 0),
        "finish": "content_filter" if reply.refusal else reply.finish_reason,
        "id": reply.response_id,
        "model": reply.response_model,
    }


def test_what_is_rendered_is_decoded_again(answer: list[Event]) -> None:
    """A stream and a whole answer that we write say to our own decoder what was meant."""
    meant = without_words(collected(answer))
    stream = b"".join(render_stream(answer))
    assert without_words(collected(decoded(stream))) == meant
    assert decoded(*(stream[at : at + 5] for at in range(0, len(stream), 5))) == decoded(stream)
    assert without_words(collected(decoded(render(collected(answer))))) == meant


def test_what_a_client_was_given_it_gives_back() -> None:
    """Another wire's opaque part comes back from the client as it was; a block of this wire stays one."""
    foreign = '{"type":"reasoning","id":"rs_1"}'
    events: list[Event] = [START, ReasoningDelta("hm", foreign), ReasoningDelta("So", SIGNED)]
    events += [ReasoningDelta("", written(SEARCH)), ReasoningDelta("", written(FOUND))]
    content = json.loads(render(collected([*events, TextDelta("yes"), Finish("stop")])))["content"]
    turns = [{"role": "assistant", "content": content}, {"role": "user", "content": "on"}]
    _, request = read(to_json({"model": "m", "messages": turns}))
    assert request.messages[0].parts == (
        ReasoningPart(text="hm", opaque=foreign),
        ReasoningPart(text="So", opaque=SIGNED),
        ReasoningPart(opaque=written(SEARCH)),
        ReasoningPart(opaque=written(FOUND)),
        TextPart(text="yes"),
    )


def sdk(host: ScriptedHost) -> anthropic.AsyncAnthropic:
    return anthropic.AsyncAnthropic(api_key="sk-test-test", base_url=host.url, max_retries=0)


def is_as_meant(told: Any, reply: Reply[Any]) -> None:
    """Whether the SDK's message says what the reply says."""
    assert (told.id, told.model, told.type, told.role) == ("msg_7", "m-1", "message", "assistant")
    blocks = [(block.type, block) for block in told.content]
    assert "".join(block.text for kind, block in blocks if kind == "text") == reply.text
    assert "".join(block.thinking for kind, block in blocks if kind == "thinking") == reply.reasoning
    opaque = [part.opaque for part in reply.choices[0].reasoning_parts]
    signatures = ["c2ln" if told == SIGNED else told for told in opaque if told and '"thinking"' in told]
    signatures += [told for told in opaque if told and '"type":"reasoning"' in told]
    assert [block.signature for kind, block in blocks if kind == "thinking"] == signatures
    assert [(b.id, b.name, b.input) for kind, b in blocks if kind == "tool_use"] == [
        (call.id, call.name, call.args) for call in reply.tool_calls
    ]
    assert [block.input for kind, block in blocks if kind == "server_tool_use"] == [
        json.loads(told)["input"] for told in opaque if told and "server_tool_use" in told
    ]
    cited = [note for kind, block in blocks if kind == "text" for note in block.citations or ()]
    assert [getattr(note, "url", None) or note.file_id for note in cited] == [s.url for s in reply.sources]
    if reply.refusal:
        assert (told.stop_reason, told.stop_details.explanation) == ("refusal", reply.refusal)
    else:
        reasons = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use", "content_filter": "refusal"}
        assert told.stop_reason == reasons.get(reply.finish_reason, "pause_turn")
    if reply.usage is not None:
        counts = (told.usage.input_tokens, told.usage.cache_read_input_tokens, told.usage.cache_creation_input_tokens)
        assert counts == (5, 3, 1)
        assert (told.usage.output_tokens, told.usage.output_tokens_details.thinking_tokens) == (7, 2)


async def test_the_sdk_reads_a_whole_answer_as_it_was_meant(answer: list[Event]) -> None:
    """Text, thinking, tools, sources, refusal, usage and end of `render` arrive in the SDK's message."""
    reply = collected(answer)
    body = Body(render(reply), content_type="application/json")
    async with ScriptedHost(script=[body]) as host, sdk(host) as client:
        told = await client.messages.create(model="m", max_tokens=9, messages=[{"role": "user", "content": "x"}])
    is_as_meant(told, reply)


async def test_the_sdk_puts_a_stream_together_as_it_was_meant(answer: list[Event]) -> None:
    """The SDK's own accumulator makes of `render_stream` the same message, and its deltas are the text."""
    reply = collected(answer)
    body = Body(b"".join(render_stream(answer)), split=5)
    async with ScriptedHost(script=[body]) as host, sdk(host) as client:
        asking: Any = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "x"}]}
        async with client.messages.stream(**asking) as stream:
            text = "".join([piece async for piece in stream.text_stream])
            told = await stream.get_final_message()
    assert text == reply.text
    is_as_meant(told, reply)


async def test_what_the_sdk_sends_is_read_as_a_request() -> None:
    """A request with tools, an image, a schema and settings, written by the SDK, is read with all of it."""
    body = Body(render(collected(ANSWERS["text"])), content_type="application/json")
    async with ScriptedHost(script=[body]) as host, sdk(host) as client:
        image: Any = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGFsbG8="}}
        await client.messages.create(
            model="m",
            max_tokens=9,
            system="Be brief.",
            messages=[
                {"role": "user", "content": [{"type": "text", "text": "What is it?"}, image]},
                {"role": "assistant", "content": [{"type": "tool_use", "id": "c", "name": "look", "input": {}}]},
                {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c", "content": "a cat"}]},
            ],
            tools=[{"name": "look", "input_schema": {"type": "object"}}],
            tool_choice={"type": "tool", "name": "look"},
            output_config={"format": {"type": "json_schema", "schema": {"type": "object"}}},
            stop_sequences=["END"],
        )
        model, request = read(host.requests[0].body)
    assert model == "m"
    assert [message.role for message in request.messages] == ["system", "user", "assistant", "tool"]
    assert [need.name for need in request.implied_needs()] == ["vision", "tools", "json_schema"]
    assert request.settings.given() == {"max_tokens": 9, "stop": ("END",)}
    assert request.extra_body == {}
    assert not request.stream


# ── through the front door ───────────────────────────────────────────────────────────────────────────


def front_door(host: ScriptedHost, **options: object) -> Client:
    settings = {"base_url": host.url, "options": options}
    return Client(config={"providers": {"anthropic": settings}}, environ={"ANTHROPIC_API_KEY": "sk-ant-test"})


async def test_a_stream_and_a_whole_answer_are_asked_for_and_read() -> None:
    """The key goes in its header, the model's limit in the body; both forms fold into the same answer."""
    script = [Body(STREAM, split=3), Body(WHOLE, content_type="application/json")]
    async with ScriptedHost(script=script) as host:
        async with front_door(host, service_tier="auto") as client:
            async with client.stream("hi", model="anthropic/claude-haiku-4-5", reasoning_effort="low") as stream:
                assert [text async for text in stream.text()] == ["Grüße, ", "世界 ", "🎭"]
                streamed = await stream.reply()
            whole = await client.chat("hi", model="anthropic/claude-sonnet-5-5", reasoning_effort="low")
        first, second = host.requests
    assert first.path == second.path == "/v1/messages"
    assert first.header["x-api-key"] == "sk-ant-test"
    assert "authorization" not in first.header
    assert first.json == {
        "model": "claude-haiku-4-5",
        "messages": [{"role": "user", "content": "hi"}],
        "max_tokens": 64_000,
        "thinking": {"type": "enabled", "budget_tokens": 12_800},
        "stream": True,
        "service_tier": "auto",
    }
    assert (second.json["thinking"], second.json["output_config"]) == ({"type": "adaptive"}, {"effort": "low"})
    assert "stream" not in second.json
    assert (streamed.text, streamed.tool_calls, streamed.usage) == (whole.text, whole.tool_calls, whole.usage)
    assert streamed.usage == COUNTED


async def test_a_conversation_goes_on_with_what_the_host_gave() -> None:
    """The reply's message, sent back, holds the thinking with its signature and the blocks of the host's tools."""
    async with ScriptedHost(script=[Body(WHOLE, content_type="application/json")]) as host:
        async with front_door(host) as client:
            reply = await client.chat("hi", model="anthropic/claude-sonnet-5")
            results = [Message(role="tool", content="x", tool_call_id=call.id) for call in reply.tool_calls]
            await client.chat([user("hi"), reply.message, *results], model="anthropic/claude-sonnet-5")
        sent = host.requests[1].json["messages"]
    assert [block["type"] for block in sent[1]["content"]] == [
        "thinking", "redacted_thinking", "server_tool_use", "web_search_tool_result", "text", "tool_use", "tool_use",
    ]  # fmt: skip
    assert sent[1]["content"][0] == THINKING
    assert [block["tool_use_id"] for block in sent[2]["content"]] == ["toolu_a", "toolu_b"]


async def test_an_overloaded_host_says_how_long_to_wait() -> None:
    """Status 529 is OverloadedError, passing, with the host's own delay and request id."""
    body = b'{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"},"request_id":"req_1"}'
    headers = {"retry-after": "7", "request-id": "req_1"}
    step = Body(body, content_type="application/json", status=529, headers=headers)
    async with ScriptedHost(script=[step]) as host:
        settings = {"base_url": host.url}
        environ = {"ANTHROPIC_API_KEY": "sk-ant-test"}
        async with Client(
            config={"providers": {"anthropic": settings}}, environ=environ, retry=Retry(count=0)
        ) as client:
            with pytest.raises(OverloadedError) as caught:
                await client.chat("hi", model="anthropic/claude-sonnet-5")
    told = caught.value
    assert (told.status, told.code, told.retryable) == (529, "overloaded_error", True)
    assert (told.retry_after, told.request_id) == (7.0, "req_1")


async def test_vertex_is_asked_with_a_token() -> None:
    """The address has project, place and model; the body its version in the model's stead; the token is a bearer."""
    script = [Body(STREAM), Body(WHOLE, content_type="application/json")]
    async with ScriptedHost(script=script) as host:
        options = {"vertex_project": "example-project", "vertex_location": "us-east5"}
        async with front_door(host, **options) as client:
            async with client.stream("hi", model="anthropic/claude-sonnet-4-5@20250929") as stream:
                await stream.reply()
            await client.chat("hi", model="anthropic/claude-sonnet-4-5@20250929")
        first, second = host.requests
    root = "/projects/example-project/locations/us-east5/publishers/anthropic/models/claude-sonnet-4-5@20250929"
    assert (first.path, second.path) == (f"{root}:streamRawPredict", f"{root}:rawPredict")
    assert first.header["authorization"] == "Bearer sk-ant-test"
    assert not {"x-api-key", "anthropic-version"} & first.header.keys()
    assert first.json == {
        "messages": [{"role": "user", "content": "hi"}],
        "max_tokens": 64_000,
        "stream": True,
        "anthropic_version": "vertex-2023-10-16",
    }


@pytest.mark.parametrize("configured", [True, False])
@pytest.mark.parametrize(
    "options",
    [
        *({"vertex_project": project} for project in ("a/b", "a?b", "a b", "..", "..%2f", "")),
        *({"vertex_project": "a", "vertex_location": place} for place in ("evil.example/", "a.b", "A", "")),
    ],
)
async def test_a_project_leads_nowhere_else(options: dict[str, str], configured: bool) -> None:
    """What is no name of a project or a place is refused before a token is sent anywhere."""
    async with ScriptedHost(script=[Body(WHOLE)]) as host:
        async with front_door(host, **(options if configured else {})) as client:
            with pytest.raises(ConfigError, match="not a valid name of a Google project or location"):
                await client.chat(
                    "hi", model="anthropic/claude-sonnet-5", options={"anthropic": {} if configured else options}
                )
    assert host.requests == []


@pytest.mark.parametrize(
    ("model", "version", "most", "turns"),
    [
        ("claude-3-7-sonnet@20250219", (3, 7), None, False),
        ("claude-sonnet-4-20250514", (4, 0), None, False),
        ("claude-haiku-4-5-20251001", (4, 5), 64_000, False),
        ("claude-sonnet-4-6", (4, 6), 64_000, False),
        ("claude-opus-4-8", (4, 8), None, True),
        ("claude-sonnet-5", (5, 0), 128_000, True),
        ("claude-fable-5-1", (5, 1), 128_000, True),
    ],
)
def test_a_models_name_tells_its_generation(
    model: str, version: tuple[int, int], most: int | None, turns: bool
) -> None:
    """By it goes how thinking is asked for, where system text may stand, and the limit that is sent."""
    assert (version_of(model), most_of(model), takes_system_turns(model, version)) == (version, most, turns)


def test_another_name_tells_nothing() -> None:
    """Of a model that is none of Anthropic's nothing is taken for known."""
    assert (version_of("deepseek-chat"), most_of("deepseek-chat")) == (None, None)


def test_which_models_take_the_beginning_of_an_answer() -> None:
    """Up to Claude 4.5 it is declared that they do, from 4.6 on that they do not; of the retired nothing is."""
    facts = {model.name: model.capabilities.fact("prefill") for model in MODELS}
    assert {name for name, fact in facts.items() if fact.value is True} == {
        "claude-opus-4-5", "claude-sonnet-4-5", "claude-haiku-4-5",
    }  # fmt: skip
    assert facts["claude-opus-4-6"].value is False
    assert facts["claude-3-opus-20240229"].value is None
    assert "platform.claude.com" in facts["claude-sonnet-5"].source
