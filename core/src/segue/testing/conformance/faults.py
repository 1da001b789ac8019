"""Tests of faults: each fault of a host becomes the right error. The numbers are those of the catalogue."""

from __future__ import annotations

import asyncio
import gzip
import socket
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from ...errors import (
    AuthenticationError,
    BadRequestError,
    ConnectError,
    ContextLengthError,
    HTTPError,
    ModelNotFoundError,
    OverloadedError,
    PermissionDeniedError,
    PhaseTimeoutError,
    ProtocolError,
    ProviderError,
    QuotaExhaustedError,
    RateLimitError,
    RequestTooLargeError,
    ServerError,
    StreamBrokenError,
    TLSError,
)
from ...events import Finish, Notice
from ...transport import AiohttpTransport, Timeout
from ..faults import Body, Cut, Drop, Raw, Stall, Status, refused_url
from ..loopback import Loopback, Received
from .abilities import differences
from .bench import PATIENCE, PROMPT, SOON, UNHURRIED, told
from .items import FailureError, NotApplicableError, UntriedError, holds, item
from .scenes import CORE_WIRES
from .streaming import joined

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ..faults import Framing, Step
    from ..loopback import Connection
    from .bench import Bench, Met
    from .items import Item
    from .scenes import Scene

Errors = type[BaseException] | tuple[type[BaseException], ...]

_BOTH: Final = (True, False)


def _right(met: Met, errors: Errors, *, exactly: bool = False, where: str = "") -> BaseException:
    """The error that came, if it is the right one."""
    wanted = errors if isinstance(errors, tuple) else (errors,)
    names = " or ".join(one.__name__ for one in wanted)
    of = f"{where}: " if where else ""
    if met.error is None:
        ended = " with a whole answer" if any(isinstance(one, Finish) for one in met.events) else ""
        raise FailureError(f"{of}it ended{ended}; expected {names}")
    is_right = type(met.error) in wanted if exactly else isinstance(met.error, wanted)
    if not is_right:
        cause = f", from {told(met.error.__cause__)}" if met.error.__cause__ is not None else ""
        raise FailureError(f"{of}{told(met.error)}{cause}; expected {names}") from met.error
    return met.error


async def _meets(
    bench: Bench,
    step: Step | None,
    errors: Errors,
    *,
    exactly: bool = False,
    stream: Sequence[bool] = _BOTH,
    limits: Timeout = UNHURRIED,
    framing: Framing = "chunked",
    where: str = "",
    pace: float = 0.0,
) -> list[BaseException]:
    """What it raises, streamed and not, where its host does this."""
    await bench.asks()
    raised = []
    for streamed in stream:
        async with bench.host(None, *(() if step is None else (step,)), framing=framing, pace=pace) as host:
            met = await bench.call(host.url, stream=streamed, limits=limits)
        form = "streamed" if streamed else "whole"
        raised.append(_right(met, errors, exactly=exactly, where=f"{form}, {where}" if where else form))
        whole = bench.scene().meant.text
        if whole is not None and not whole.startswith(met.text):
            raise FailureError(f"{form}: the text before the error is not what the host sent")
    return raised


# ── connecting ───────────────────────────────────────────────────────────────────────────────────────


@item("fault F01", "wire")
async def refused(bench: Bench) -> None:
    """A refused connection is a ConnectError."""
    await bench.asks()
    for stream in _BOTH:
        _right(await bench.call(refused_url(), stream=stream), ConnectError)


@contextmanager
def _black_hole() -> Iterator[str]:
    """An address whose listener's backlog is full: the kernel answers no further SYN."""
    sockets = [socket.socket()]
    try:
        sockets[0].bind(("127.0.0.1", 0))
        sockets[0].listen(0)
        for _ in range(4):
            filler = socket.socket()
            sockets.append(filler)
            filler.settimeout(0)
            filler.connect_ex(sockets[0].getsockname())
        yield f"http://127.0.0.1:{sockets[0].getsockname()[1]}"
    finally:
        for one in sockets:
            one.close()


@item("fault F02", "wire")
async def black_hole(bench: Bench) -> None:
    """A connection that gets no reply is a PhaseTimeoutError after the limit of its phase."""
    await bench.asks()
    with _black_hole() as url:
        _right(await bench.call(url, limits=Timeout(connect=SOON, first_event=2 * SOON)), PhaseTimeoutError)


@item("fault F03", "wire")
async def no_name(bench: Bench) -> None:
    """A name that does not resolve is a ConnectError."""
    await bench.asks()
    _right(await bench.call("http://segue-conformance.invalid"), ConnectError)


class _InClear(Loopback):
    """A host that answers a greeting of TLS in clear."""

    async def _serve(self, connection: Connection) -> None:
        greeting = await connection.reader.read(65536)
        if greeting[:1] != b"\x16":  # RFC 8446, 5.1: a handshake begins so
            self.requests.append(Received("?", "/", (), greeting, connection.number))
        await connection.write(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n")


@item("fault F04", "wire")
async def no_tls(bench: Bench) -> None:
    """A host without TLS, or without a trusted certificate, is a TLSError, and gets no request."""
    await bench.asks()
    async with bench.backstage.hosted(_InClear()) as host:
        _right(await bench.call(host.address.replace("http:", "https:")), TLSError)
        holds(not host.requests, "it sent a request without encryption")


@item("fault F05", "wire")
async def gone_at_once(bench: Bench) -> None:
    """A host that disconnects before it has read the request is a ConnectError."""
    for how in ("close", "reset"):
        await _meets(bench, Drop("accept", how=how), ConnectError, stream=(True,), where=how)


@item("fault F07", "wire")
async def cut_head(bench: Bench) -> None:
    """A response that ends before its body is a ConnectError or a ProtocolError."""
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
    for at in (0, 1, 12, 20, len(head)):
        step: Step = Raw(head[:at]) if at else Drop("request")
        await _meets(bench, step, (ConnectError, ProtocolError), stream=(True,), where=f"cut after {at} bytes")


@item("fault F06", "wire")
async def stale(bench: Bench) -> None:
    """A kept connection that the host has closed is replaced, and the call succeeds."""
    await bench.asks()
    scene = bench.scene()
    raw = Raw(_head(scene, len(scene.body)) + scene.body)
    target = f"{bench.spec.name}/{bench.model().name}"
    async with bench.host(None, raw) as host, bench.client(host.url) as client:
        for number in ("first", "second"):
            try:
                async with asyncio.timeout(PATIENCE):
                    reply = await client.chat(PROMPT, model=target)
            except Exception as error:  # whatever it raises
                raise FailureError(f"the {number} call: {told(error)}") from error
            holds(reply.text == (scene.meant.text or ""), f"the {number} call: the text is not what the host sent")
            await bench.backstage.run(host.until_closed())


def _head(scene: Scene, length: int) -> bytes:
    lines = {"content-type": scene.content_type, "content-length": length, **scene.headers}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"HTTP/1.1 200 OK\r\n{head}\r\n".encode("latin-1")


# ── silence ──────────────────────────────────────────────────────────────────────────────────────────

_SHORT: Final = Timeout(connect=PATIENCE, first_event=SOON, idle=PATIENCE)
_IDLE: Final = Timeout(connect=PATIENCE, first_event=PATIENCE, idle=SOON)


@item("fault F08", "wire")
async def silent_before_headers(bench: Bench) -> None:
    """A host that sends nothing is a PhaseTimeoutError."""
    await _meets(bench, Stall("headers"), PhaseTimeoutError, limits=_SHORT)


@item("fault F09", "wire")
async def silent_after_headers(bench: Bench) -> None:
    """A host that sends nothing after its headers is a PhaseTimeoutError."""
    await _meets(bench, Stall("first_event"), PhaseTimeoutError, limits=_SHORT)


@item("fault F10", "wire")
async def silent_in_the_middle(bench: Bench) -> None:
    """A host that stops in the middle is a PhaseTimeoutError, after the events so far."""
    limits = replace(_IDLE, first_event=5 * SOON)
    await _meets(bench, Stall("middle"), PhaseTimeoutError, stream=(True,), limits=limits)


@item("fault F11", "wire")
async def never_silent(bench: Bench) -> None:
    """An answer that takes longer than the limit of the whole call is a PhaseTimeoutError."""
    await _meets(
        bench, None, PhaseTimeoutError, stream=(True,), limits=replace(UNHURRIED, total=SOON), pace=SOON,
    )  # fmt: skip


# ── cuts ─────────────────────────────────────────────────────────────────────────────────────────────


def _cut_item(number: str, framing: Framing, sentence: str) -> Item:
    async def trial(bench: Bench) -> None:
        await bench.asks()
        scene = bench.scene()
        size = len(scene.body)
        for how in ("close", "reset"):
            for at in (1, size // 4, size // 2):
                step = Cut(at, how=how)
                where = f"cut after {at} of {size} bytes by {how}"
                if framing == "close" and not bench.wire.marked:
                    await _not_silently(bench, step, where)
                    continue
                await _meets(
                    bench, step, (StreamBrokenError, ProtocolError), stream=(True,), framing=framing, where=where
                )
        whole = scene.whole or scene.body
        if framing != "close" or bench.wire.marked:
            step = Cut(len(whole) // 2)
            await _meets(bench, step, (StreamBrokenError, ProtocolError), stream=(False,), framing=framing)

    trial.__doc__ = sentence
    return item(f"fault {number} {framing}" if framing != "close" else f"fault {number}", "wire")(trial)


async def _not_silently(bench: Bench, step: Step, where: str) -> None:
    """Without an end marker, a body that ends with its connection is not reported as whole."""
    async with bench.host(None, step, framing="close") as host:
        met = await bench.call(host.url)
    if met.error is not None:
        _right(met, StreamBrokenError, where=where)
        return
    finish = met.events[-1]
    is_told = isinstance(finish, Finish) and finish.reason == "unknown"
    holds(is_told and any(isinstance(event, Notice) for event in met.events), f"{where}: it was reported as complete")


CUTS: Final = (
    _cut_item("F12", "chunked", "A chunked body that is cut is a StreamBrokenError, with the text so far."),
    _cut_item("F12", "length", "A body that is shorter than its length is a StreamBrokenError, with the text so far."),
    _cut_item(
        "F13", "close", "A body that ends with its connection, without an end marker, is not reported as complete."
    ),
)


# ── bodies that are none ─────────────────────────────────────────────────────────────────────────────


def _needs_form(bench: Bench) -> None:
    """NotApplicableError if every body is an answer."""
    if not bench.wire.marked and bench.wire.framing is None:
        raise NotApplicableError("in plain text, every body is an answer")


def _stream_of(bench: Bench) -> str:
    return bench.scene().content_type


def _events(bench: Bench) -> list[bytes]:
    if bench.wire.framing != "sse":
        raise NotApplicableError("its wire does not use server-sent events")
    return list(bench.scene().pieces)


async def _odd(bench: Bench, body: bytes) -> None:
    """These bytes are the same answer as that of the scene."""
    scene = bench.scene()
    async with bench.host(None, Body(scene.body, content_type=scene.content_type, headers=scene.headers)) as host:
        plain = await bench.ask(host)
    async with bench.host(None, Body(body, content_type=scene.content_type, headers=scene.headers)) as host:
        met = await bench.ask(host)
    if met.error is not None:
        raise FailureError(told(met.error))
    holds(joined(met.events) == joined(plain.events), "the answer is not the same as without the change")


@item("fault F14", "wire")
async def more_bytes(bench: Bench) -> None:
    """Bytes after a whole answer change nothing; neither does a length that is too large if the end is marked."""
    await bench.asks()
    scene = bench.scene()
    extra = {"bytes after the answer": (0, b"HTTP/1.1 999 what\r\n\r\n")}
    if bench.wire.name in CORE_WIRES:
        extra["a length that is too large"] = (100, b"")
    for name, (more, behind) in extra.items():
        async with bench.host(None, Raw(_head(scene, len(scene.body) + more) + scene.body + behind)) as host:
            met = await bench.call(host.url)
        if met.error is not None:
            raise FailureError(f"{name}: {told(met.error)}")
        holds(met.text == (scene.meant.text or ""), f"{name}: the text is not what the host sent")


@item("fault F16", "wire")
async def other_line_ends(bench: Bench) -> None:
    """Lines that end with LF, CRLF or CR are the same lines."""
    await bench.asks()
    body = b"".join(_events(bench))
    lines = body.replace(b"\r\n", b"\n")
    for end in (b"\n", b"\r\n", b"\r"):
        await _odd(bench, lines.replace(b"\n", end))


@item("fault F17", "wire")
async def byte_order_mark(bench: Bench) -> None:
    """A byte order mark does not change the answer."""
    await bench.asks()
    await _odd(bench, b"\xef\xbb\xbf" + b"".join(_events(bench)))


@item("fault F18", "wire")
async def comments(bench: Bench) -> None:
    """Comments and unknown fields are ignored."""
    await bench.asks()
    odd = b": ping\n\nid: 7\nretry: 10\nwhat: else\n\n:\n\n"
    await _odd(bench, odd + b"".join(piece + odd for piece in _events(bench)))


@item("fault F20", "wire")
async def endless_line(bench: Bench) -> None:
    """A line without an end is a ProtocolError before it fills the memory."""
    await bench.asks()
    if bench.wire.framing not in {"sse", "ndjson"}:
        raise NotApplicableError("its wire does not use lines")
    begin = b"data: " if bench.wire.framing == "sse" else b""
    some = b"".join(bench.scene().pieces[:2])
    endless = Body(some + begin + b"x" * 40_000_000, content_type=_stream_of(bench))
    await _meets(bench, endless, ProtocolError, stream=(True,))


@item("fault F21", "wire")
async def no_utf8(bench: Bench) -> None:
    """Bytes that are not UTF-8 become a replacement character in the text, or are a ProtocolError."""
    await bench.asks()
    scene = bench.scene()
    whole = scene.meant.text or ""
    words = [word for word in whole.split() if len(word) > 3 and word.isascii() and word.isalpha()]
    word = max(words, key=len, default="")
    if not word or word.encode() not in scene.body:
        raise NotApplicableError("its answer has no word in which the kit can change a byte")
    broken = scene.body.replace(word.encode(), word[0].encode() + b"\xff" + word[2:].encode())
    async with bench.host(None, Body(broken, content_type=scene.content_type, headers=scene.headers)) as host:
        met = await bench.call(host.url)
    if met.error is not None:
        _right(met, ProtocolError)
        return
    holds(met.text == whole.replace(word, f"{word[0]}\ufffd{word[2:]}"), "the text is not the expected one")


@item("fault F26", "wire")
async def no_done(bench: Bench) -> None:
    """An answer with a finish reason is complete, with or without an end marker after it."""
    await bench.asks()
    body, done = b"".join(_events(bench)), b"data: [DONE]\n\n"
    if not body.endswith(done):
        raise NotApplicableError("its wire sends nothing after the end")
    scene = bench.scene()
    async with bench.host(None, Body(body.removesuffix(done), content_type=scene.content_type)) as host:
        met = await bench.call(host.url)
    holds(met.error is None, "" if met.error is None else told(met.error))
    holds(met.text == scene.meant.text, "the text is not what the host sent")


@item("fault F28", "wire")
async def after_the_end(bench: Bench) -> None:
    """Bytes after the end of an answer are not a part of it."""
    await bench.asks()
    pieces = _events(bench)
    if bench.wire.name not in CORE_WIRES:
        raise NotApplicableError("the kit does not know where an answer ends in its wire")
    await _odd(bench, b"".join((*pieces, *pieces[1:3])))


@item("fault F29", "wire")
async def no_usage(bench: Bench) -> None:
    """Missing usage is unknown usage, and the answer is complete."""
    await bench.asks()
    if bench.wire.name not in CORE_WIRES:
        raise NotApplicableError("the kit does not know the format of its wire without usage")
    scene = bench.scene("no usage")
    async with bench.host(scene) as host:
        reply = (await bench.call(host.url)).reply()
    holds(reply.text == scene.meant.text, "the text is not what the host sent")
    counts = None if reply.usage is None else (reply.usage.input_tokens, reply.usage.output_tokens)
    holds(not counts or not any(counts), f"the host sent no usage, but the reply has {counts}")


@item("fault F30", "wire")
async def pieces_in_turns(bench: Bench) -> None:
    """Tool calls whose pieces alternate each have their own name and arguments."""
    model = bench.model("parallel_tools")
    await bench.asks()
    if bench.wire.name not in CORE_WIRES:
        raise NotApplicableError("the kit does not know how its wire sends them")
    scene = bench.scene("tools in turns")
    async with bench.host(scene) as host:
        met = await bench.ask(host, model=model)
    found = differences(scene.meant, met.reply())
    holds(not found, "; ".join(found))


def _body_item(number: str, sentence: str, body: Callable[[Bench], tuple[bytes, str]], *, whole: bool = True) -> Item:
    async def trial(bench: Bench) -> None:
        await bench.asks()
        _needs_form(bench)
        data, content_type = body(bench)
        errors = (ProtocolError, StreamBrokenError)
        await _meets(bench, Body(data, content_type=content_type), errors, stream=_BOTH if whole else (True,))

    trial.__doc__ = sentence
    return item(f"fault {number}", "wire")(trial)


def _event_with(payload: bytes) -> Callable[[Bench], tuple[bytes, str]]:
    """A stream whose first event is this."""

    def make(bench: Bench) -> tuple[bytes, str]:
        match bench.wire.framing:
            case "sse":
                first = _events(bench)[0]
                name = first.partition(b"data:")[0]  # with an event's name, where it has one
                return name + b"data: " + payload + b"\n\n", _stream_of(bench)
            case "ndjson":
                return payload + b"\n", _stream_of(bench)
            case None:
                return payload, _stream_of(bench)
            case framing:
                raise NotApplicableError(f"its wire does not stream JSON events ({framing})")

    return make


BODIES: Final = (
    _body_item("F22", "An event that is not JSON is a ProtocolError.", _event_with(b'{"a": ')),
    _body_item("F23", "JSON with an unexpected structure is a ProtocolError.", _event_with(b"[[]]")),
    _body_item("F24", "JSON with 20,000 levels is a ProtocolError.", _event_with(b"[" * 20_000 + b"]" * 20_000)),
    _body_item(
        "F27",
        "A response with status 200 and no body is an error, and never an answer.",
        lambda bench: (b"", _stream_of(bench)),
    ),
    _body_item(
        "F31",
        "An HTML page with status 200 is an error, and never an answer.",
        lambda _: (b"<!doctype html><html><body>Sign in</body></html>", "text/html; charset=utf-8"),
    ),
)


@item("fault F32", "wire")
async def error_in_a_stream(bench: Bench) -> None:
    """An error inside a response with status 200 is an HTTPError."""
    await bench.asks()
    try:
        scene = bench.scene("in-stream error")
    except UntriedError as why:
        raise NotApplicableError(str(why)) from why
    step = Body(scene.body, content_type=scene.content_type, headers=scene.headers)
    (error,) = await _meets(bench, step, HTTPError, stream=(True,))
    holds(isinstance(error, HTTPError) and error.status == 200, "the status of the error is not 200")


@item("fault F33", "wire")
async def whole_for_a_stream(bench: Bench) -> None:
    """A whole body instead of a stream is the same answer, or a ProtocolError."""
    await bench.asks()
    scene = bench.scene()
    if scene.whole is None:
        raise NotApplicableError("the kit does not know the format of a whole body in its wire")
    async with bench.host(None, Body(scene.whole, content_type=scene.whole_type, framing="length")) as host:
        met = await bench.call(host.url)
    if met.error is not None:
        _right(met, (ProtocolError, StreamBrokenError))
    else:
        holds(met.text == scene.meant.text, "the text is not what the host sent")


@item("fault F34", "wire")
async def bomb(bench: Bench) -> None:
    """A compressed body that becomes too large, or has an encoding that was not requested, is a ProtocolError."""
    await bench.asks()
    scene = bench.scene()
    bombs = {
        "a compression bomb": (gzip.compress(b"0" * 8_000_000), "gzip"),
        "an unknown encoding": (scene.body, "segue"),
    }
    for name, (body, coding) in bombs.items():
        step = Body(body, content_type=scene.content_type, headers={"content-encoding": coding})
        async with (
            bench.host(None, step) as host,
            AiohttpTransport(timeout=UNHURRIED, max_bytes=1_000_000) as transport,
        ):
            met = await bench.ask(host, transport=transport)
        _right(met, (ProtocolError, StreamBrokenError) if name == "a compression bomb" else ProtocolError, where=name)


# ── statuses ─────────────────────────────────────────────────────────────────────────────────────────


def _status_item(number: str, status: int, error: type[ProviderError], **fields: Any) -> Item:
    code = fields.get("code")

    async def trial(bench: Bench) -> None:
        await bench.asks()
        if code is not None and bench.wire.name not in {"openai_chat", "openai_responses"}:
            raise NotApplicableError(f"only the wires of OpenAI have the code {code}")
        raised = await _meets(bench, Status(status, **fields), error, exactly=True)
        for one in raised:
            told_status = getattr(one, "status", None)
            holds(told_status == status, f"the status of the error is {told_status}; expected {status}")
            if "retry_after" in fields:
                wait = getattr(one, "retry_after", None)
                holds(
                    wait == float(fields["retry_after"]),
                    f"retry_after of the error is {wait}; expected {fields['retry_after']}",
                )

    with_code = f" with the code {code}" if code is not None else ""
    trial.__doc__ = f"Status {status}{with_code} is {_article(error.__name__)}."
    return item(f"fault {number} {code or status}", "wire")(trial)


def _article(name: str) -> str:
    return f"an {name}" if name[0] in "AEIOU" or name.startswith("HTTP") else f"a {name}"


@item("fault F42", "wire")
async def filtered(bench: Bench) -> None:
    """The finish reason of an answer that a content filter ended is content_filter."""
    await bench.asks()
    if bench.wire.name not in CORE_WIRES:
        raise NotApplicableError("the kit does not know how its wire reports a content filter")
    scene = bench.scene("filtered")
    async with bench.host(scene) as host:
        reply = (await bench.ask(host)).reply()
    holds(
        reply.finish_reason == "content_filter", f"finish_reason is {reply.finish_reason!r}; expected 'content_filter'"
    )


@item("fault F45", "wire")
async def passing(bench: Bench) -> None:
    """A retry is allowed for the statuses in the catalogue; the header of a host overrides this."""
    steps = {
        "408": (Status(408), True),
        "409": (Status(409), True),
    }
    if bench.wire.name in CORE_WIRES:  # whose makers have the header
        steps["a 500 with x-should-retry: false"] = (Status(500, headers={"x-should-retry": "false"}), False)
    for name, (step, retryable) in steps.items():
        for error in await _meets(bench, step, HTTPError, stream=(True,), where=name):
            is_so = getattr(error, "retryable", None) is retryable
            holds(is_so, f"{name}: retryable of the error is not {retryable}")


STATUSES: Final = (
    _status_item("F35", 429, RateLimitError, retry_after="12"),
    _status_item("F36", 429, QuotaExhaustedError, code="insufficient_quota"),
    _status_item("F37", 401, AuthenticationError),
    _status_item("F37", 403, PermissionDeniedError),
    _status_item("F38", 404, ModelNotFoundError),
    _status_item("F39", 400, BadRequestError),
    _status_item("F40", 400, ContextLengthError, code="context_length_exceeded"),
    _status_item("F41", 413, RequestTooLargeError),
    _status_item("F43", 500, ServerError),
    _status_item("F43", 502, ServerError),
    _status_item("F44", 503, OverloadedError),
    _status_item("F44", 529, OverloadedError),
)


@item("fault F43 large body", "wire")
async def large_error(bench: Bench) -> None:
    """An error with a body of many megabytes has the right type, and keeps only a small part of the body."""
    body = b'{"error": "' + b"x" * 16_000_000 + b'"}'
    for error in await _meets(bench, Status(500, body=body), ServerError, exactly=True, stream=(True,)):
        kept = len(getattr(error, "body", "")) + len(str(error))
        holds(kept <= 10_000, f"the error keeps {kept} characters of the body")


@item("fault F46", "wire")
async def redirect(bench: Bench) -> None:
    """A redirect is not followed: it is an error, and the other host gets no request."""
    await bench.asks()
    async with bench.host() as other:
        for status in (302, 307, 308):
            step = Status(status, headers={"location": f"{other.url}/elsewhere"})
            await _meets(bench, step, HTTPError, stream=(True,), where=f"status {status}")
        holds(not other.connections, "it followed the redirect: it connected to the other host")


@item("fault F47", "wire")
async def odd_head(bench: Bench) -> None:
    """Headers that are too large, too many or not valid are an error."""
    heads = {
        "a header of one megabyte": b"HTTP/1.1 200 OK\r\nx-long: " + b"x" * 1_000_000 + b"\r\n\r\n",
        "100,000 headers": b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 100_000 + b"\r\n",
        "an invalid status": b"HTTP/1.1 abc OK\r\n\r\n",
    }
    for name, head in heads.items():
        await _meets(bench, Raw(head), (ProtocolError, ConnectError), stream=(True,), where=name)
    flood = b"HTTP/1.1 102 Processing\r\n\r\n" * 2_000
    async with bench.host(None, Raw(flood)) as host:
        met = await bench.call(host.url, limits=replace(UNHURRIED, first_event=5 * SOON))
    _right(met, ProviderError, where="2,000 interim responses")


ITEMS: Final[tuple[Item, ...]] = (
    refused, black_hole, no_name, no_tls, gone_at_once, stale, cut_head,
    silent_before_headers, silent_after_headers, silent_in_the_middle, never_silent,
    *CUTS, more_bytes, other_line_ends, byte_order_mark, comments, endless_line, no_utf8, *BODIES,
    no_done, after_the_end, no_usage, pieces_in_turns, error_in_a_stream, whole_for_a_stream, bomb,
    *STATUSES, filtered, large_error, passing, redirect, odd_head,
)  # fmt: skip
