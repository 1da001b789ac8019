"""Faults of answers that are whole, or say that they are, F26 to F34 of the catalogue."""

from __future__ import annotations

import gzip
import json
import tracemalloc
import zlib
from typing import TYPE_CHECKING, Any

import pytest
from matrix import NO_RETRY, PLACES, SHORT, WHOLE, Fault, Host, check, check_continued, check_retried, client_of, meet

from segue import (
    Chain,
    Client,
    ContentFilterError,
    ContextLengthError,
    HTTPError,
    InvalidOutputError,
    OverloadedError,
    ProtocolError,
    RateLimitError,
    ServerError,
    StreamBrokenError,
    TextDelta,
    ToolCallDelta,
)
from segue.testing import Answer, Body, Raw
from segue.transport import AiohttpTransport

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from matrix import Place

    from segue import Reply
    from segue.errors import ProviderError
    from segue.testing import Step

both = pytest.mark.parametrize("stream", [True, False], ids=["stream", "chat"])
places = pytest.mark.parametrize("place", PLACES)

TOKENS = ["one", " two", " three", " four", " five"]
JSON = "application/json"


def line(value: object) -> bytes:
    """An event of a stream."""
    return b"data: %b\n\n" % (value if isinstance(value, bytes) else json.dumps(value).encode())


def chunk(delta: dict[str, Any], finish: str | None = None, **beside: Any) -> bytes:
    """An event of the Chat Completions wire, written by hand."""
    return line({"id": "c1", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}], **beside})


DONE = line(b"[DONE]")
STOP = chunk({}, "stop")
SAID = b"".join(chunk({"content": token}) for token in TOKENS)
TWO = b"".join(chunk({"content": token}) for token in TOKENS[:2])


def message(content: str | None = WHOLE, finish: str | None = "stop", **fields: Any) -> bytes:
    """A whole answer, written by hand."""
    told = {"role": "assistant", "content": content, **fields.pop("message", {})}
    return json.dumps(
        {"id": "c1", "choices": [{"index": 0, "message": told, "finish_reason": finish}], **fields}
    ).encode()


def told(streamed: bytes, whole: bytes | None = None, **fields: Any) -> Callable[[bool], Host]:
    """A host that says the one where a stream is asked for, and the other where not; or the stream both times."""

    def inject(stream: bool) -> Host:
        if stream or whole is None:
            return Host(script=[Body(streamed, **fields)])
        return Host(script=[Body(whole, content_type=JSON, **fields)])

    return inject


async def one_reply(*steps: Step, stream: bool) -> Reply[Any]:
    """What a single host's answer comes to."""
    async with Host(script=steps) as host, client_of({"faulty": host.url}) as client:
        if not stream:
            return await client.chat("hi", model="faulty/m")
        async with client.stream("hi", model="faulty/m") as events:
            return await events.reply()


# ── the end of an answer ─────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("framing", ["chunked", "length"])
@both
@places
async def test_f26_a_finish_without_done(framing: Any, stream: bool, place: Place) -> None:
    """F26: a finish reason without [DONE] is an answer where the framing proves the body whole."""
    await check(Fault("F26", told(SAID + STOP, framing=framing), None), stream=stream, place=place)


@both
@places
async def test_f26_a_finish_without_done_or_framing(stream: bool, place: Place) -> None:
    """F26: where only the connection ends, a finish reason without [DONE] proves nothing."""
    fault = Fault("F26", told(SAID + STOP, framing="close"), StreamBrokenError, "stream", text=WHOLE)
    await check(fault, stream=stream, place=place)


@pytest.mark.parametrize("framing", ["chunked", "length", "close"])
@both
@places
async def test_f27_neither_finish_nor_done(framing: Any, stream: bool, place: Place) -> None:
    """F27: text without any end marker is StreamBrokenError in every framing, with the exact text."""
    fault = Fault("F27", told(TWO, framing=framing), StreamBrokenError, "stream", text="one two")
    await check(fault, stream=stream, place=place)
    if stream:
        await check_continued(fault, place=place)


EMPTY: dict[str, tuple[Body, type[ProviderError], str]] = {
    "nothing": (Body(b""), ProtocolError, "decode"),
    "nothing, by length": (Body(b"", framing="length"), ProtocolError, "decode"),
    "nothing, by the connection": (Body(b"", framing="close"), StreamBrokenError, "stream"),
    "white space": (Body(b" \r\n\n "), ProtocolError, "decode"),
    "comments": (Body(b": hello\n\n: still there\n\n"), ProtocolError, "decode"),
    "an empty object": (Body(b"{}", content_type=JSON), ProtocolError, "decode"),
    "no choices": (Body(b'{"id":"c1","choices":[]}', content_type=JSON), ProtocolError, "decode"),
}


@pytest.mark.parametrize("empty", EMPTY)
@both
@places
async def test_f27_an_empty_answer(empty: str, stream: bool, place: Place) -> None:
    """F27: a 200 with nothing in it is an error, and the next target answers."""
    step, error, phase = EMPTY[empty]
    await check(Fault("F27", lambda _: Host(script=[step]), error, phase), stream=stream, place=place)


@both
async def test_f27_is_retried_before_any_text(stream: bool) -> None:
    """F27: an answer that broke off is tried again where nothing of it was given, and not after that."""
    await check_retried(
        Fault("F27", told(TWO), StreamBrokenError, "stream", text="one two", retried=True), stream=stream
    )


@both
async def test_f27_no_finish_is_invented(stream: bool) -> None:
    """F27: an end marker without a reason is the reason unknown, with a notice, and never stop."""
    step = Body(SAID + DONE) if stream else Body(message(finish=None), content_type=JSON)
    reply = await one_reply(step, stream=stream)
    assert (reply.text, reply.finish_reason, reply.raw_finish_reason) == (WHOLE, "unknown", None)
    assert [notice.subject for notice in reply.notices] == ["finish_reason"]


AGAIN: dict[str, bytes] = {
    "a second finish": SAID + STOP + chunk({}, "length") + DONE,
    "content after the finish": SAID + STOP + chunk({"content": " six"}) + DONE,
    "the finish with content after": SAID + STOP + chunk({"content": " six"}, "length") + DONE,
    "events after the end": SAID + STOP + DONE + chunk({"content": " six"}) + line({"error": {"message": "late"}}),
    "a second end": SAID + STOP + DONE + DONE,
}


@pytest.mark.parametrize("again", AGAIN)
@both
@places
async def test_f28_the_first_end_wins(again: str, stream: bool, place: Place) -> None:
    """F28: what comes after the first end is dropped, and the first reason stands."""
    await check(Fault("F28", told(AGAIN[again]), None), stream=stream, place=place)
    reply = await one_reply(Body(AGAIN[again]), stream=stream)
    assert (reply.text, reply.finish_reason) == (WHOLE, "stop")


def counted(**counts: Any) -> dict[str, Any]:
    """A usage as this wire tells it."""
    return {"usage": {f"{name}_tokens": value for name, value in counts.items()}}


def usage_line(**counts: Any) -> bytes:
    """A usage in an event of its own."""
    return line({"id": "c1", "choices": [], **counted(**counts)})


GOOD = counted(prompt=2, completion=5, total=7)
USAGES: dict[str, tuple[bytes, bytes, tuple[int | None, ...]]] = {
    "missing": (SAID + STOP + DONE, message(), ()),
    "null": (SAID + STOP + line({"id": "c1", "choices": [], "usage": None}) + DONE, message(usage=None), ()),
    "late": (SAID + STOP + usage_line(prompt=2, completion=5, total=7) + DONE, message(**GOOD), (2, 5, 7)),
    "with the finish": (SAID + chunk({}, "stop", **GOOD) + DONE, message(**GOOD), (2, 5, 7)),
    "twice": (
        usage_line(prompt=2, completion=0, total=2) + SAID + STOP + usage_line(prompt=2, completion=5, total=7) + DONE,
        message(**GOOD),
        (2, 5, 7),
    ),
    "negative": (
        SAID + STOP + usage_line(prompt=-2, completion=5, total=-7) + DONE,
        message(**counted(prompt=-2, completion=5, total=-7)),
        (None, 5, None),
    ),
    "no numbers": (
        SAID + STOP + usage_line(prompt="2", completion=5.5, total=True) + DONE,
        message(**counted(prompt="2", completion=5.5, total=True)),
        (None, None, None),
    ),
}


@pytest.mark.parametrize("usage", USAGES)
@both
@places
async def test_f29_usage(usage: str, stream: bool, place: Place) -> None:
    """F29: what a host does not tell of its usage, or cannot mean, is unknown; of two tellings the last holds."""
    streamed, whole, expected = USAGES[usage]
    await check(Fault("F29", told(streamed, whole), None), stream=stream, place=place)
    reply = await one_reply(Body(streamed) if stream else Body(whole, content_type=JSON), stream=stream)
    counts = reply.usage
    seen = () if counts is None else (counts.input_tokens, counts.output_tokens, counts.total_tokens)
    assert seen == expected
    assert reply.cost is None


# ── tool calls ───────────────────────────────────────────────────────────────────────────────────────


def piece(
    index: int | None = None, call_id: str | None = None, name: str | None = None, arguments: str | None = None
) -> dict[str, Any]:
    """A fragment of a tool call, with what it has."""
    function = {key: value for key, value in (("name", name), ("arguments", arguments)) if value is not None}
    fragment: dict[str, Any] = {"type": "function", "function": function}
    fragment |= {} if index is None else {"index": index}
    return fragment | ({} if call_id is None else {"id": call_id})


A, B = '{"city": "Bern"}', '{"city": "Rome"}'
BOTH = [("a", "weather", A), ("b", "weather", B)]
SHAPES: dict[str, tuple[list[list[dict[str, Any]]], list[tuple[str, str, str]]]] = {
    "interleaved": (
        [
            [piece(0, "a", "weather", "")],
            [piece(1, "b", "weather", "")],
            [piece(0, None, None, A[:8])],
            [piece(1, None, None, B[:8])],
            [piece(1, None, None, B[8:])],
            [piece(0, None, None, A[8:])],
        ],
        BOTH,
    ),
    "without an index": (
        [
            [piece(None, "a", "weather", A[:8])],
            [piece(None, None, None, A[8:])],
            [piece(None, "b", "weather", B[:8])],
            [piece(None, None, None, B[8:])],
        ],
        BOTH,
    ),
    "the same index for a new id": (
        [
            [piece(0, "a", "weather", A[:8])],
            [piece(0, None, None, A[8:])],
            [piece(0, "b", "weather", B[:8])],
            [piece(0, None, None, B[8:])],
        ],
        BOTH,
    ),
    "the id in every piece": (
        [
            [piece(0, "a", "weather", "")],
            [piece(0, "a", None, A[:8])],
            [piece(0, "a", None, A[8:])],
            [piece(1, "b", "weather", "")],
            [piece(1, "b", None, B)],
        ],
        BOTH,
    ),
    "the name in pieces": (
        [[piece(0, "a", "wea")], [piece(0, None, "ther")], [piece(0, None, None, A)], [piece(1, "b", "weather", B)]],
        BOTH,
    ),
    "arguments that end too soon": ([[piece(0, "a", "weather", '{"city": ')]], [("a", "weather", '{"city": ')]),
}


def fragments(shape: str) -> bytes:
    """The stream of a shape."""
    return b"".join(chunk({"tool_calls": calls}) for calls in SHAPES[shape][0])


@pytest.mark.parametrize("shape", SHAPES)
@both
@places
async def test_f30_fragments_of_tool_calls(shape: str, stream: bool, place: Place) -> None:
    """F30: each fragment comes to the call that was meant, and none is lost, merged or completed."""
    body = fragments(shape) + chunk({}, "tool_calls") + DONE
    await check(Fault("F30", told(body), None, answer=""), stream=stream, place=place)
    reply = await one_reply(Body(body), stream=stream)
    assert [(call.id, call.name, call.arguments) for call in reply.tool_calls] == SHAPES[shape][1]
    assert reply.finish_reason == "tool_calls"


async def test_f30_arguments_that_are_no_json_are_told_not_run() -> None:
    """F30: arguments that end too soon are given as they came, and reading them is an error."""
    body = fragments("arguments that end too soon") + chunk({}, "tool_calls") + DONE
    (call,) = (await one_reply(Body(body), stream=True)).tool_calls
    with pytest.raises(InvalidOutputError):
        call.args  # noqa: B018 - a property that reads


@pytest.mark.parametrize("prefill", [True, False])
async def test_f30_a_call_that_breaks_off_is_nobodys_to_go_on_with(prefill: bool) -> None:
    """F30: a stream cut inside a tool call is an error, and no next target is asked, whatever it takes."""
    cut = Host(script=[Body(TWO + chunk({"tool_calls": [piece(0, "a", "weather", A[:8])]}))])
    async with cut, Host() as last:
        async with client_of({"faulty": cut.url, "last": last.url}, prefill=prefill) as client:
            met = await meet(client, ["faulty", "last"], stream=True)
        assert isinstance(met.error, StreamBrokenError)
        assert (met.text, met.error.text, len(last.requests)) == ("one two", "one two", 0)


async def test_f30_a_call_that_breaks_off_in_a_whole_answer_is_discarded() -> None:
    """F30: where nothing was given the next target starts again, and nothing of the cut call stands in its answer."""
    cut = Host(script=[Body(chunk({"tool_calls": [piece(0, "a", "weather", A[:8])]}))])
    async with cut, Host(script=[Answer(tool_calls=[("weather", {"city": "Rome"})])]) as last:
        async with client_of({"faulty": cut.url, "last": last.url}) as client:
            reply = await client.chat("hi", chain=Chain("faulty/m", "last/m"))
    assert [json.loads(call.arguments) for call in reply.tool_calls] == [{"city": "Rome"}]
    assert [attempt.outcome for attempt in reply.attempts] == ["failed", "answered"]


# ── other things with status 200 ─────────────────────────────────────────────────────────────────────

HTML = b"<!DOCTYPE html><html><body>Sign in to continue: canary-faulty-body</body></html>"
OTHER: dict[str, tuple[Body, type[ProviderError], str]] = {
    "HTML": (Body(HTML, content_type="text/html"), ProtocolError, "decode"),
    "HTML, by the connection": (Body(HTML, content_type="text/html", framing="close"), ProtocolError, "decode"),
    "HTML that says it is a stream": (Body(HTML), ProtocolError, "decode"),
    "HTML that says it is JSON": (Body(HTML, content_type=JSON), ProtocolError, "decode"),
    "text": (Body(b"upstream is fine\n", content_type="text/plain"), ProtocolError, "decode"),
    "a list": (Body(b"[]", content_type=JSON), ProtocolError, "decode"),
    "bytes": (Body(bytes(range(256)), content_type="application/octet-stream"), ProtocolError, "decode"),
    "202 and nothing": (Body(b"", status=202, framing="length"), ProtocolError, "decode"),
}


@pytest.mark.parametrize("other", OTHER)
@both
@places
async def test_f31_a_page_in_place_of_an_answer(other: str, stream: bool, place: Place) -> None:
    """F31: a success that is no answer is an error, and nothing of its body is shown as one."""
    step, error, phase = OTHER[other]
    await check(Fault("F31", lambda _: Host(script=[step]), error, phase), stream=stream, place=place)


@both
@places
async def test_f31_no_content(stream: bool, place: Place) -> None:
    """F31: a 204 is no answer, and the next target answers."""
    raw = Raw(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n")
    await check(Fault("F31", lambda _: Host(script=[raw]), StreamBrokenError, "stream"), stream=stream, place=place)


@both
async def test_f31_shows_nothing_of_the_page(stream: bool) -> None:
    """F31: the error does not show the page that came."""
    with pytest.raises(ProtocolError) as caught:
        await one_reply(Body(HTML, content_type="text/html"), stream=stream)
    assert "Sign in" not in f"{caught.value} {caught.value!r} {vars(caught.value)}"


@pytest.mark.parametrize("kind", ["text/plain", "text/html", "application/octet-stream", ""])
@both
@places
async def test_f31_an_answer_with_a_wrong_content_type(kind: str, stream: bool, place: Place) -> None:
    """F31: an answer is one by its body, whatever its content type says."""

    def inject(stream: bool) -> Host:
        return Host(script=[Body(SAID + STOP + DONE if stream else message(), content_type=kind)])

    await check(Fault("F31", inject, None), stream=stream, place=place)


# ── errors inside a success ──────────────────────────────────────────────────────────────────────────

CODES: dict[str, tuple[dict[str, Any], type[HTTPError], bool]] = {
    "overloaded": ({"type": "overloaded_error", "message": "busy"}, OverloadedError, True),
    "rate limit": ({"code": "rate_limit_exceeded", "message": "slow"}, RateLimitError, True),
    "by its status": ({"code": 429, "message": "slow"}, RateLimitError, True),
    "server": ({"type": "server_error", "message": "oops"}, ServerError, True),
    "unknown": ({"message": "oops"}, ServerError, True),
    "context": ({"code": "context_length_exceeded", "message": "long"}, ContextLengthError, False),
    "filter": ({"code": "content_filter", "message": "no"}, ContentFilterError, False),
}


def failing(error: dict[str, Any], *, after: int) -> Callable[[bool], Host]:
    """A host that tells an error after so many tokens, or in place of a whole answer."""
    said = b"".join(chunk({"content": token}) for token in TOKENS[:after])
    return told(said + line({"error": error}) + DONE, json.dumps({"error": error}).encode())


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("after", [0, 2])
@both
async def test_f32_an_error_inside_a_chat_answer(code: str, after: int, stream: bool) -> None:
    """F32: an error object inside a 200 is the error of its code, with what the host said of it."""
    error, kind, retryable = CODES[code]
    async with failing(error, after=after)(stream) as host, client_of({"faulty": host.url}) as client:
        met = await meet(client, ["faulty"], stream=stream)
    assert type(met.error) is kind
    assert isinstance(met.error, HTTPError)
    assert (met.error.status, met.error.phase, met.error.retryable) == (200, "stream", retryable)
    assert error["message"] in met.error.body
    assert met.text == ("".join(TOKENS[:after]) if stream else "")


@pytest.mark.parametrize("code", ["overloaded", "rate limit", "by its status", "server", "unknown"])
@pytest.mark.parametrize("after", [0, 2])
@both
@places
async def test_f32_goes_on_after_an_error_inside_an_answer(code: str, after: int, stream: bool, place: Place) -> None:
    """F32: before any text the next target answers; after it the text stands in the error, or is gone on with."""
    error, kind, _ = CODES[code]
    fault = Fault("F32", failing(error, after=after), kind, "stream", text="".join(TOKENS[:after]))
    await check(fault, stream=stream, place=place)
    if stream and after:
        await check_continued(fault, place=place)


@both
@places
async def test_f32_a_filter_inside_an_answer_is_final(stream: bool, place: Place) -> None:
    """F32: a content filter told inside a 200 asks nobody else."""
    fault = Fault("F32", failing(CODES["filter"][0], after=0), ContentFilterError, "stream", goes_on=False)
    await check(fault, stream=stream, place=place)


def _event(kind: str, **fields: Any) -> bytes:
    return b"event: %b\n%b" % (kind.encode(), line({"type": kind, **fields}))


A_START = _event(
    "message_start",
    message={
        "id": "m1", "type": "message", "role": "assistant", "model": "m", "content": [], "stop_reason": None,
        "usage": {"input_tokens": 1, "output_tokens": 0},
    },
) + _event("content_block_start", index=0, content_block={"type": "text", "text": ""})  # fmt: skip
A_TWO = b"".join(
    _event("content_block_delta", index=0, delta={"type": "text_delta", "text": text}) for text in TOKENS[:2]
)
R_START = _event("response.created", sequence_number=0, response={"id": "r1", "model": "m", "status": "in_progress"})
R_TWO = b"".join(
    _event("response.output_text.delta", sequence_number=n, item_id="i1", output_index=0, content_index=0, delta=text)
    for n, text in enumerate(TOKENS[:2], 1)
)


def _responses_failed(code: str) -> bytes:
    failed = {"id": "r1", "model": "m", "status": "failed", "error": {"code": code, "message": "said"}}
    return _event("response.failed", sequence_number=9, response=failed)


def _anthropic_error(kind: str) -> bytes:
    return _event("error", error={"type": kind, "message": "said"})


def _responses_error(code: str) -> bytes:
    return _event("error", sequence_number=9, code=code, message="said", param=None)


WIRES: dict[str, tuple[str, bytes, bytes, bytes, type[HTTPError]]] = {
    "anthropic overloaded": ("anthropic", A_START, A_TWO, _anthropic_error("overloaded_error"), OverloadedError),
    "anthropic rate": ("anthropic", A_START, A_TWO, _anthropic_error("rate_limit_error"), RateLimitError),
    "anthropic api": ("anthropic", A_START, A_TWO, _anthropic_error("api_error"), ServerError),
    "responses error": ("responses", R_START, R_TWO, _responses_error("server_error"), ServerError),
    "responses rate": ("responses", R_START, R_TWO, _responses_error("rate_limit_exceeded"), RateLimitError),
    "responses failed": ("responses", R_START, R_TWO, _responses_failed("server_error"), ServerError),
    "responses failed, rate": ("responses", R_START, R_TWO, _responses_failed("rate_limit_exceeded"), RateLimitError),
}


def client_on(wire: str, url: str, last: str) -> Client:
    """A client of a host on this wire, and another on the Chat Completions wire."""
    row: dict[str, Any] = {"base_url": url, "api_key": "canary-faulty-0123456789"}
    name = "anthropic" if wire == "anthropic" else "faulty"
    if wire == "responses":
        row |= {"wire": "openai_responses", "models": ["m"]}
    rest = {"wire": "openai_chat", "base_url": last, "models": ["m"]}
    return Client(config={"providers": {name: row, "last": rest}}, environ={}, timeout=SHORT, retry=NO_RETRY)


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("place", ["first", "after its start", "nth"])
@both
async def test_f32_an_error_event_on_other_wires(wire: str, place: str, stream: bool) -> None:
    """F32: error events of Anthropic's and of the Responses wire are the errors of their types, wherever they come."""
    name, start, text, error, kind = WIRES[wire]
    body = {"first": b"", "after its start": start, "nth": start + text}[place] + error
    given = "one two" if place == "nth" else ""
    provider = "anthropic" if name == "anthropic" else "faulty"
    async with Host(script=[Body(body)]) as host, Host(answer=WHOLE) as last:
        base = host.address if name == "anthropic" else host.url
        async with client_on(name, base, last.url) as client:
            met = await meet(client, [provider, "last"], stream=stream)
        assert len(host.requests) == 1
        failed = met.attempts[0].error
        assert isinstance(failed, HTTPError)
        assert type(failed) is kind
        assert failed.phase == "stream"
        assert "said" in failed.body
        if stream and given:
            assert (met.error, met.text, failed.text) == (failed, given, given)
            assert len(last.requests) == 0
        else:
            assert (met.error, met.whole, len(last.requests)) == (None, WHOLE, 1)


# ── the other form ───────────────────────────────────────────────────────────────────────────────────


@both
@places
async def test_f33_the_form_that_was_not_asked_for(stream: bool, place: Place) -> None:
    """F33: a whole answer where a stream was asked for, and the reverse, are read as what they are."""

    def inject(stream: bool) -> Host:
        return Host(script=[Body(message(), content_type=JSON) if stream else Body(SAID + STOP + DONE)])

    await check(Fault("F33", inject, None), stream=stream, place=place)


@both
async def test_f33_gives_the_same_reply(stream: bool) -> None:
    """F33: the reply is the same in either form."""
    reply = await one_reply(Body(message(**GOOD), content_type=JSON), stream=stream)
    other = await one_reply(Body(SAID + STOP + usage_line(prompt=2, completion=5, total=7) + DONE), stream=stream)
    assert (reply.text, reply.finish_reason, reply.usage) == (other.text, other.finish_reason, other.usage)


# ── codings ──────────────────────────────────────────────────────────────────────────────────────────

STREAMED = SAID + STOP + DONE


def coded(coding: str, data: Callable[[bytes], bytes], streamed: bytes = STREAMED) -> Callable[[bool], Host]:
    """A host whose answer has a content coding."""
    return told(data(streamed), data(message()), headers={"content-encoding": coding})


def members(data: bytes) -> bytes:
    """Gzip in two members."""
    half = len(data) // 2
    return gzip.compress(data[:half]) + gzip.compress(data[half:])


@pytest.mark.parametrize(
    ("coding", "data"),
    [("gzip", gzip.compress), ("deflate", zlib.compress), ("gzip", members)],
    ids=["gzip", "deflate", "members"],
)
@both
@places
async def test_f34_codings_that_are_read(coding: str, data: Any, stream: bool, place: Place) -> None:
    """F34: gzip, also in several members, and deflate are read, whatever was asked for."""
    await check(Fault("F34", coded(coding, data), None), stream=stream, place=place)


@pytest.mark.parametrize("coding", ["compress", "x-unheard-of", "gzip, br"])
@both
@places
async def test_f34_codings_that_nobody_reads(coding: str, stream: bool, place: Place) -> None:
    """F34: a coding that was not asked for is ProtocolError, and the next target answers."""
    await check(Fault("F34", coded(coding, bytes), ProtocolError, "decode"), stream=stream, place=place)


@pytest.mark.parametrize("coding", ["br", "zstd"])
@both
async def test_f34_codings_that_were_not_asked_for(coding: str, stream: bool) -> None:
    """F34: so is one that the HTTP library could read: at which phase depends on what is installed beside it."""
    async with coded(coding, bytes)(stream) as host, Host(answer=WHOLE) as last:
        async with client_of({"faulty": host.url, "last": last.url}) as client:
            met = await meet(client, ["faulty", "last"], stream=stream)
    assert met.whole == WHOLE
    assert [type(attempt.error) for attempt in met.attempts] == [ProtocolError, type(None)]
    assert len(host.requests) == 1


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
@both
@places
async def test_f34_what_is_not_in_its_coding(coding: str, stream: bool, place: Place) -> None:
    """F34: a body that is not in the coding that it names is ProtocolError."""
    fault = Fault("F34", coded(coding, lambda data: b"\xff\x00" + data), ProtocolError, "decode")
    await check(fault, stream=stream, place=place)


@both
@places
async def test_f34_a_coded_body_that_ends_early(stream: bool, place: Place) -> None:
    """F34: a coded body that ends early inside a framing that is whole is no whole answer."""

    def cut(data: bytes) -> bytes:
        """Gzip without compression: 15 bytes, and then the data as they are."""
        return gzip.compress(data, 0)[: 15 + len(TWO if stream else data[:40])]

    fault = Fault("F34", coded("gzip", cut), StreamBrokenError, "stream", text="one two")
    await check(fault, stream=stream, place=place)


def bomb(size: int) -> bytes:
    """So many bytes in few, without a line's end."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    piece = bytes(1024 * 1024)
    packed = [packer.compress(b"data: ")]
    packed += [packer.compress(piece.replace(b"\0", b"x")) for _ in range(size // len(piece))]
    return b"".join([*packed, packer.flush()])


BOMB = bomb(64 * 1024 * 1024)


@both
@places
async def test_f34_a_bomb(stream: bool, place: Place) -> None:
    """F34: 64 MiB in a few bytes are ProtocolError, and are never all in memory."""

    def inject(_: bool) -> Host:
        return Host(script=[Body(BOMB, headers={"content-encoding": "gzip"})])

    tracemalloc.start()
    try:
        await check(Fault("F34", inject, ProtocolError, "decode"), stream=stream, place=place)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 32 * 1024 * 1024


@both
@places
async def test_f34_more_than_the_transport_takes(stream: bool, place: Place) -> None:
    """F34: the limit of a transport counts what was decoded, in any number of events."""
    many = line({"id": "c1", "choices": []}) * 100_000
    fault = Fault(
        "F34",
        lambda _: Host(script=[Body(gzip.compress(many), headers={"content-encoding": "gzip"})]),
        ProtocolError,
        "decode",
        transport=lambda: AiohttpTransport(max_bytes=1024 * 1024),
    )
    await check(fault, stream=stream, place=place)


def _pieces(events: Sequence[object]) -> list[str]:
    return [event.text for event in events if isinstance(event, TextDelta)]


async def test_f30_pieces_are_given_as_they_come() -> None:
    """F30: the pieces of interleaved calls are told apart by their index, as they come."""
    body = fragments("interleaved") + chunk({}, "tool_calls") + DONE
    async with Host(script=[Body(body)]) as host, client_of({"faulty": host.url}) as client:
        async with client.stream("hi", model="faulty/m") as stream:
            events = [event async for event in stream]
    assert [event.index for event in events if isinstance(event, ToolCallDelta)] == [0, 1, 0, 1, 1, 0]
    assert _pieces(events) == []
