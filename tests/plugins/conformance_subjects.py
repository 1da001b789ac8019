"""Providers to try the kit on: a good one, and for each item one that is spoilt in that one respect."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import socket
import sys
import threading
import time
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

from segue.errors import ConnectError, PhaseTimeoutError, ProviderError, ServerError
from segue.plugin import (
    AsyncGeneratorProvider,
    Capabilities,
    Conformance,
    EmbedRequest,
    Finish,
    HTTPError,
    Model,
    ProtocolError,
    ProviderSpec,
    Request,
    TextDelta,
    ToolCallDelta,
    Usage,
)
from segue.transport import Call, fetch, raise_for_status
from segue.wire import openai_chat, openai_embeddings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from segue.plugin import Context, Embeddings, Event
    from segue.transport import Response

FACTS = dict.fromkeys(
    (
        "tools", "parallel_tools", "vision", "files", "audio", "json_schema", "json_object", "reasoning", "logprobs",
        "choices", "prefill", "embeddings",
    ),
    True,
)  # fmt: skip
KEPT: list[Any] = []
"""What the leaking ones never let go."""


@dataclass(slots=True)
class Seen:
    """What came of an answer."""

    response: Response | None = None
    data: bytes = b""
    pieces: int = 0


class Good:
    """Asks a host of the Chat Completions wire, by hand."""

    name = "subject"
    spec: ClassVar[dict[str, Any]] = {}
    """What its declaration has otherwise."""
    told: ClassVar[dict[str, Any]] = {}
    """What it tells the kit otherwise."""

    def models(self) -> Sequence[Model]:
        return [Model("subject-1", Capabilities(FACTS))]

    async def stream(self, request: Request, context: Context) -> AsyncIterator[Event]:
        call = self.call(self.asked(request), context)
        seen = Seen()
        for notice in call.notices:
            yield notice
        try:
            async with context.transport.open(call) as response:
                seen.response = response
                await self.judge(response, call, context)
                decoder = openai_chat.Decoder()
                async with aclosing(response.chunks()) as chunks:
                    async for data in chunks:
                        seen.data += data
                        seen.pieces += 1
                        for event in decoder.feed(self.read(data, seen)):
                            yield self.said(event, seen)
                        if decoder.finished:
                            return
                self.ended(seen)
                for event in decoder.end(delimited=response.delimited):
                    yield self.said(event, seen)
        except BaseException as error:
            if not self.hides(error, seen):
                raise
            if isinstance(error, asyncio.CancelledError):
                # An end alone would not pass for one: the framework knows that the time was up.
                yield TextDelta("…")
            yield Finish("stop")

    async def embed(self, request: EmbedRequest, context: Context) -> Embeddings:
        call = openai_embeddings.encode(
            request, model=context.model, base_url=self.url(context), headers=self.headers(context)
        )
        return openai_embeddings.decode(await fetch(context.transport, call))

    # ── what the others spoil ─────────────────────────────────────────────────────────────────────────

    def url(self, context: Context) -> str:
        return context.settings.base_url or "https://subject.example"

    def headers(self, context: Context) -> dict[str, str]:
        key = context.settings.api_key
        return {} if key is None else {"authorization": f"Bearer {key.get_secret_value()}"}

    def asked(self, request: Request) -> Request:
        return request

    def call(self, request: Request, context: Context) -> Call:
        dialect = openai_chat.dialect(["file_urls"])
        return openai_chat.encode(
            request, model=context.model, base_url=self.url(context), headers=self.headers(context), dialect=dialect
        )

    async def judge(self, response: Response, call: Call, context: Context) -> None:
        await raise_for_status(response, call)

    def read(self, data: bytes, seen: Seen) -> bytes:
        return data

    def said(self, event: Event, seen: Seen) -> Event:
        return event

    def ended(self, seen: Seen) -> None:
        """After a body that ended without the last mark."""

    def hides(self, error: BaseException, seen: Seen) -> bool:
        """Whether an error is told as the end of a whole answer."""
        return False


def spec_of(cls: type[Good]) -> ProviderSpec:
    """The declaration of one of them."""
    given: dict[str, Any] = {
        "name": "subject",
        "load": cls,
        "models": [Model("subject-1", Capabilities(FACTS))],
        "env": ("SUBJECT_API_KEY",),
        "url": "https://subject.example",
        "conformance": Conformance("full", wire="openai_chat", **cls.told),
    }
    return ProviderSpec(**{**given, **cls.spec})


@dataclass(frozen=True)
class Bad:
    """A provider that is spoilt, and the items that it fails: no other of those that are tried on it."""

    cls: type[Good]
    fails: frozenset[str]
    alone: bool
    """Whether it is to be tried in a process of its own."""


BAD: dict[str, Bad] = {}
"""By the item that each is made for."""


def bad(item: str, *also: str, alone: bool = False) -> Callable[[type[Good]], type[Good]]:
    """Enter a spoilt provider, with the items that fail because of the same fault."""

    def enter(cls: type[Good]) -> type[Good]:
        assert item not in BAD, item
        BAD[item] = Bad(cls, frozenset({item, *also}), alone)
        return cls

    return enter


def hiding(item: str, *also: str, when: Callable[[Any, Seen], bool]) -> None:
    """Enter one that takes this error for the end of an answer."""
    hides = staticmethod(when)
    BAD[item] = Bad(
        type("Hiding", (Good,), {"hides": lambda _, error, seen: hides(error, seen)}), frozenset({item, *also}), False
    )


# ── the declaration ──────────────────────────────────────────────────────────────────────────────────


@bad("declaration")
class _ImpossibleFact(Good):
    spec: ClassVar[dict[str, Any]] = {"capabilities": {"context": 10, "max_output": 100}}


@bad("wire", "declaration", "fault F12 chunked", "fault F37 401", "close early", "chunks sevens")
class _NoWire(Good):
    spec: ClassVar[dict[str, Any]] = {"conformance": Conformance("wire")}


# ── streams ──────────────────────────────────────────────────────────────────────────────────────────


@bad("lifecycle")
class _FinishesTwice(Good):
    async def stream(self, request: Request, context: Context) -> AsyncIterator[Event]:
        async with aclosing(super().stream(request, context)) as events:  # type: ignore[type-var]
            async for event in events:
                yield event
        yield event


@bad("output", alone=True)
class _Prints(Good):
    def asked(self, request: Request) -> Request:
        print("asking")
        return request


@bad("request unchanged")
class _Mutates(Good):
    def asked(self, request: Request) -> Request:
        if request.extra_body:
            request.extra_body["segue_extra"]["deep"].append(4)
        return request


@bad("cancellation", "fault F08", "fault F09", "fault F10", "fault F11", "leak tasks")
class _SwallowsCancellation(Good):
    def hides(self, error: BaseException, seen: Seen) -> bool:
        return isinstance(error, asyncio.CancelledError)


@bad("loop")
class _Blocks(Good):
    def asked(self, request: Request) -> Request:
        time.sleep(0.15)
        return request


@bad("leak tasks", "leak timers", "leak warnings")
class _LeavesATask(Good):
    def asked(self, request: Request) -> Request:
        KEPT.append(asyncio.create_task(asyncio.sleep(3600), name="left"))
        return request


@bad("leak timers")
class _LeavesATimer(Good):
    def asked(self, request: Request) -> Request:
        asyncio.get_running_loop().call_later(3600, KEPT.clear)
        return request


@bad("leak threads")
class _LeavesAThread(Good):
    def asked(self, request: Request) -> Request:
        stop = threading.Event()
        KEPT.append(stop)
        threading.Thread(target=stop.wait, daemon=True).start()
        return request


@bad("leak descriptors")
class _LeavesASocket(Good):
    def asked(self, request: Request) -> Request:
        KEPT.append(socket.socket())
        return request


@bad("leak warnings", alone=True)
class _NeverAwaits(Good):
    def asked(self, request: Request) -> Request:
        _ = asyncio.sleep(0)
        return request


@bad("process unchanged")
class _ChangesTheEnvironment(Good):
    def asked(self, request: Request) -> Request:
        os.environ["SUBJECT_WAS_HERE"] = str(time.perf_counter())
        return request


# ── secrets ──────────────────────────────────────────────────────────────────────────────────────────


def _secret(context: Context) -> str:
    assert context.settings.api_key is not None
    return context.settings.api_key.get_secret_value()


@bad("secret request", alone=True)
class _KeyInTheAddress(Good):
    def call(self, request: Request, context: Context) -> Call:
        call = super().call(request, context)
        return replace(call, url=f"{call.url}?key={_secret(context)}")


@bad("secret logs", alone=True)
class _KeyInTheLog(Good):
    def call(self, request: Request, context: Context) -> Call:
        logging.getLogger("subject").debug("asking with %s", _secret(context))
        return super().call(request, context)


@bad("secret output", "output", alone=True)
class _KeyOnStderr(Good):
    def call(self, request: Request, context: Context) -> Call:
        sys.stderr.write(f"{_secret(context)}\n")
        return super().call(request, context)


@bad("secret errors", alone=True)
class _KeyInAnError(Good):
    async def judge(self, response: Response, call: Call, context: Context) -> None:
        try:
            await super().judge(response, call, context)
        except HTTPError as error:
            error.hint = f"asked with {_secret(context)}"  # type: ignore[attr-defined]
            raise


@bad("secret events", alone=True)
class _KeyInTheProvider(Good):
    def call(self, request: Request, context: Context) -> Call:
        self.last = _secret(context)
        return super().call(request, context)


# ── faults ───────────────────────────────────────────────────────────────────────────────────────────


def _is(*types: type[BaseException], phase: str | None = None) -> Callable[[Any, Seen], bool]:
    return lambda error, _: type(error) in types and phase in {None, getattr(error, "phase", None)}


def _header(seen: Seen, name: str) -> str:
    return "" if seen.response is None else seen.response.headers.get(name, "")


def _cut(framing: str) -> Callable[[Any, Seen], bool]:
    def cut(error: Any, seen: Seen) -> bool:
        told = (
            "chunked"
            if _header(seen, "transfer-encoding")
            else "length"
            if _header(seen, "content-length")
            else "close"
        )
        return type(error).__name__ == "StreamBrokenError" and told == framing and bool(seen.data)

    return cut


def _status(*statuses: int) -> Callable[[Any, Seen], bool]:
    return lambda error, _: isinstance(error, HTTPError) and error.status in statuses


def _code(code: str) -> Callable[[Any, Seen], bool]:
    return lambda error, _: isinstance(error, HTTPError) and error.code == code


hiding("fault F01", when=lambda error, _: isinstance(error, ConnectError) and error.is_refused)
hiding("fault F02", when=_is(PhaseTimeoutError, phase="connect"))
hiding("fault F03", when=lambda error, _: type(error).__name__ == "DNSError")
hiding("fault F04", when=lambda error, _: type(error).__name__ == "TLSError")
hiding("fault F05", "fault F07", when=_is(ConnectError, phase="headers"))
hiding("fault F07", "fault F05", when=_is(ConnectError, phase="headers"))
hiding(
    "fault F08", "cancellation",
    when=lambda error, seen: isinstance(error, asyncio.CancelledError) and seen.response is None,
)  # fmt: skip
hiding(
    "fault F09", "cancellation",
    when=lambda error, seen: isinstance(error, asyncio.CancelledError) and seen.response is not None and not seen.data,
)  # fmt: skip
hiding(
    "fault F10", "fault F11", "cancellation",
    when=lambda error, seen: isinstance(error, asyncio.CancelledError) and bool(seen.data),
)  # fmt: skip
hiding(
    "fault F11", "fault F10", "cancellation",
    when=lambda error, seen: isinstance(error, asyncio.CancelledError) and seen.pieces >= 1,
)  # fmt: skip
hiding("fault F12 chunked", "fault F33", when=_cut("chunked"))
hiding("fault F12 length", when=_cut("length"))
hiding("fault F13", when=_cut("close"))
hiding("fault F22", when=lambda error, seen: isinstance(error, ProviderError) and b'{"a": ' in seen.data)
hiding("fault F23", when=lambda error, seen: isinstance(error, ProviderError) and b"[[]]" in seen.data)
hiding("fault F24", when=lambda error, seen: isinstance(error, ProviderError) and b"[[[[" in seen.data)
hiding(
    "fault F27",
    when=lambda error, seen: isinstance(error, ProviderError) and seen.response is not None
    and seen.response.status == 200 and not seen.data and not _header(seen, "content-encoding"),
)  # fmt: skip
hiding("fault F31", when=lambda error, seen: isinstance(error, ProviderError) and b"<html" in seen.data)
hiding("fault F32", when=lambda error, seen: isinstance(error, HTTPError) and error.status == 200)
hiding("fault F34", when=lambda error, seen: bool(_header(seen, "content-encoding")))
hiding("fault F36 insufficient_quota", when=_code("insufficient_quota"))
hiding("fault F37 401", when=_status(401))
hiding("fault F37 403", when=_status(403))
hiding("fault F38 404", when=_status(404))
hiding(
    "fault F39 400",
    when=lambda error, _: isinstance(error, HTTPError) and error.status == 400 and error.code == "scripted",
)
hiding("fault F40 context_length_exceeded", when=_code("context_length_exceeded"))
hiding("fault F41 413", when=_status(413))
hiding("fault F43 502", when=_status(502))
hiding("fault F44 503", when=_status(503))
hiding("fault F44 529", when=_status(529))
hiding("fault F47", when=_is(ProtocolError, phase="headers"))


@bad("fault F14")
class _ReadsToTheEnd(Good):
    async def stream(self, request: Request, context: Context) -> AsyncIterator[Event]:
        call = self.call(request, context)
        async with context.transport.open(call) as response:
            await raise_for_status(response, call)
            decoder, last = openai_chat.Decoder(), Finish("unknown")
            async with aclosing(response.chunks()) as chunks:
                async for data in chunks:
                    for event in decoder.feed(data):
                        if isinstance(event, Finish):
                            last = event
                        else:
                            yield event
            for event in decoder.end(delimited=response.delimited):
                yield event
            yield last


@bad("fault F16")
class _NoCarriageReturns(Good):
    def read(self, data: bytes, seen: Seen) -> bytes:
        if b"\r" in data:
            raise ProtocolError("a line ends otherwise")
        return data


@bad("fault F17")
class _NoMarks(Good):
    def read(self, data: bytes, seen: Seen) -> bytes:
        if b"\xef\xbb\xbf" in data:
            raise ProtocolError("this is no event")
        return data


@bad("fault F18")
class _NoComments(Good):
    def read(self, data: bytes, seen: Seen) -> bytes:
        if b": ping" in data:
            raise ProtocolError("this is no event")
        return data


@bad("fault F06")
class _TrustsNoConnectionTwice(Good):
    last: Any = None

    def call(self, request: Request, context: Context) -> Call:
        if context.transport is self.last:
            raise ConnectError("the connection was used before")
        self.last = context.transport
        return super().call(request, context)


@bad("fault F20")
class _SkipsWhatIsLong(Good):
    def read(self, data: bytes, seen: Seen) -> bytes:
        return data.partition(b"xxxxxxxx")[0]


@bad("fault F21")
class _NoOtherBytes(Good):
    def read(self, data: bytes, seen: Seen) -> bytes:
        if b"\xff" in data:
            raise ValueError("this is no UTF-8")
        return data


@bad("fault F26")
class _WantsTheLastMark(Good):
    def ended(self, seen: Seen) -> None:
        if seen.response is not None and "event-stream" in seen.response.headers["content-type"]:
            raise ProtocolError("[DONE] is missing")


@bad("fault F28")
class _LooksBehindTheEnd(Good):
    def said(self, event: Event, seen: Seen) -> Event:
        behind = seen.data.partition(b"[DONE]")[2].strip()
        return replace(event, reason="unknown") if isinstance(event, Finish) and behind else event


@bad("fault F29")
class _CountsByItself(Good):
    async def stream(self, request: Request, context: Context) -> AsyncIterator[Event]:
        counted = False
        async with aclosing(super().stream(request, context)) as events:  # type: ignore[type-var]
            async for event in events:
                counted = counted or isinstance(event, Usage)
                if isinstance(event, Finish) and not counted:
                    yield Usage(1, 1)
                yield event


@bad("fault F30")
class _OneCallAfterTheOther(Good):
    last = 0

    def said(self, event: Event, seen: Seen) -> Event:
        if not isinstance(event, ToolCallDelta):
            return event
        if event.name:
            self.last = event.index
        return replace(event, index=self.last)


@bad("fault F42")
class _FiltersNothing(Good):
    def said(self, event: Event, seen: Seen) -> Event:
        filtered = isinstance(event, Finish) and event.reason == "content_filter"
        return replace(event, reason="stop") if filtered else event


@bad("fault F45")
class _NeverAgain(Good):
    async def judge(self, response: Response, call: Call, context: Context) -> None:
        try:
            await super().judge(response, call, context)
        except HTTPError as error:
            error.retryable = error.retryable and error.status > 409
            raise


@bad("fault F33")
class _StreamsOnly(Good):
    async def judge(self, response: Response, call: Call, context: Context) -> None:
        await super().judge(response, call, context)
        if b'"stream":true' in call.body and "json" in response.headers.get("content-type", ""):
            raise KeyError("data")


@bad("fault F35 429")
class _ForgetsTheWait(Good):
    async def judge(self, response: Response, call: Call, context: Context) -> None:
        try:
            await super().judge(response, call, context)
        except HTTPError as error:
            error.retry_after = None
            raise


@bad("fault F43 500", "fault F43 large body", "leak warnings", "leak tasks")
class _RaisesItsOwn(Good):
    async def judge(self, response: Response, call: Call, context: Context) -> None:
        if response.status == 500:
            raise RuntimeError("the host failed")
        await super().judge(response, call, context)


@bad("fault F43 large body")
class _KeepsTheBody(Good):
    async def judge(self, response: Response, call: Call, context: Context) -> None:
        if response.status == 500:
            body = b""
            async for data in response.chunks():
                body += data
            raise ServerError("the host failed", status=500, body=body.decode())
        await super().judge(response, call, context)


@bad("fault F46")
class _Follows(Good):
    async def judge(self, response: Response, call: Call, context: Context) -> None:
        if response.status in {302, 307, 308}:
            elsewhere = replace(call, url=response.headers["location"])
            async with context.transport.open(elsewhere) as response_there:
                await raise_for_status(response_there)
            raise HTTPError("redirected", status=response.status)
        await super().judge(response, call, context)


# ── chunks, closing, addresses ───────────────────────────────────────────────────────────────────────


class _NoMemory(Good):
    """Takes each chunk of the network for a whole number of lines, and of characters."""

    def read(self, data: bytes, seen: Seen) -> bytes:
        return data.decode(errors="replace").encode() + b"\n"


_CHUNKS = ("chunks bytes", "chunks sevens", "chunks random", "chunks halves")
for _one in _CHUNKS:
    BAD[_one] = Bad(_NoMemory, frozenset(_CHUNKS), False)


@bad("close early", "leak descriptors", "cancellation")
class _KeepsTheConnection(Good):
    async def stream(self, request: Request, context: Context) -> AsyncIterator[Event]:
        call = self.call(request, context)
        opened = context.transport.open(call)
        KEPT.append(opened)
        response = await opened.__aenter__()
        await raise_for_status(response, call)
        decoder = openai_chat.Decoder()
        chunks = response.chunks()
        KEPT.append(chunks)
        async for data in chunks:
            for event in decoder.feed(data):
                yield event
            if decoder.finished:
                await opened.__aexit__(None, None, None)
                return


@bad("address", alone=True)
class _AsksSomebodyElse(Good):
    async def judge(self, response: Response, call: Call, context: Context) -> None:
        try:
            _, writer = await asyncio.open_connection("telemetry.example", 443)
            writer.close()
        except OSError:
            pass
        await super().judge(response, call, context)


# ── abilities ────────────────────────────────────────────────────────────────────────────────────────


class _Rewriting(Good):
    """Changes the body that it sends."""

    def call(self, request: Request, context: Context) -> Call:
        call = super().call(request, context)
        body = json.loads(call.body)
        self.rewrite(body)
        return replace(call, body=json.dumps(body).encode())

    def rewrite(self, body: dict[str, Any]) -> None:
        raise NotImplementedError


@bad(
    "capability text",
    "capability system",
    "capability vision",
    "capability files",
    "capability audio",
    "capability prefill",
)
class _LosesThePrompt(_Rewriting):
    def rewrite(self, body: dict[str, Any]) -> None:
        said = json.dumps(body["messages"]).replace("segue-prompt-", "")
        body["messages"] = json.loads(said)


@bad("capability whole")
class _ForgetsTheWhole(Good):
    async def stream(self, request: Request, context: Context) -> AsyncIterator[Event]:
        async with aclosing(super().stream(request, context)) as events:  # type: ignore[type-var]
            async for event in events:
                if request.stream or not isinstance(event, TextDelta):
                    yield event


@bad("capability streaming", "close early", "fault F10")
class _Gathers(Good):
    async def stream(self, request: Request, context: Context) -> AsyncIterator[Event]:
        async with aclosing(super().stream(request, context)) as events:  # type: ignore[type-var]
            gathered = [event async for event in events]
        for event in gathered:
            yield event


@bad("capability system")
class _NoSystem(_Rewriting):
    def rewrite(self, body: dict[str, Any]) -> None:
        body["messages"] = [one for one in body["messages"] if one["role"] != "system"]


@bad("capability settings")
class _NoTemperature(_Rewriting):
    def rewrite(self, body: dict[str, Any]) -> None:
        body.pop("temperature", None)


@bad("capability tools", "capability parallel_tools")
class _LosesArguments(Good):
    def said(self, event: Event, seen: Seen) -> Event:
        return replace(event, arguments="") if isinstance(event, ToolCallDelta) else event


@bad("capability parallel_tools")
class _OneIdForAll(Good):
    def said(self, event: Event, seen: Seen) -> Event:
        return replace(event, id=event.id and "call") if isinstance(event, ToolCallDelta) else event


@bad("capability tool results")
class _LosesResults(_Rewriting):
    def rewrite(self, body: dict[str, Any]) -> None:
        for message in body["messages"]:
            if message["role"] == "tool":
                message["content"] = ""


def _losing(kind: str) -> type[Good]:
    """One that leaves out parts of this kind."""

    class Losing(_Rewriting):
        def rewrite(self, body: dict[str, Any]) -> None:
            for message in body["messages"]:
                if isinstance(message["content"], list):
                    message["content"] = [part for part in message["content"] if part["type"] != kind]

    return Losing


bad("capability vision")(_losing("image_url"))
bad("capability files")(_losing("file"))
bad("capability audio")(_losing("input_audio"))


def _without(name: str) -> type[Good]:
    """One that leaves out this field."""

    class Without(_Rewriting):
        def rewrite(self, body: dict[str, Any]) -> None:
            body.pop(name, None)

    return Without


bad("capability json_schema", "capability json_object")(_without("response_format"))
bad("capability logprobs")(_without("logprobs"))


@bad("capability json_object")
class _OnlySchemas(_Rewriting):
    def rewrite(self, body: dict[str, Any]) -> None:
        if body.get("response_format", {}).get("type") == "json_object":
            del body["response_format"]


@bad("capability reasoning")
class _SpeaksItsThoughts(Good):
    def said(self, event: Event, seen: Seen) -> Event:
        return TextDelta(event.text) if type(event).__name__ == "ReasoningDelta" else event


@bad("capability choices")
class _OneChoice(Good):
    def said(self, event: Event, seen: Seen) -> Event:
        return replace(event, choice=0) if isinstance(event, TextDelta) else event


@bad("capability prefill")
class _StartsOver(_Rewriting):
    def rewrite(self, body: dict[str, Any]) -> None:
        if body["messages"][-1]["role"] == "assistant":
            del body["messages"][-1]


@bad("capability embeddings")
class _TurnsVectorsRound(Good):
    async def embed(self, request: EmbedRequest, context: Context) -> Embeddings:
        given = await super().embed(request, context)
        return replace(given, vectors=given.vectors[::-1])


@bad("capability other")
class _Levitates(Good):
    spec: ClassVar[dict[str, Any]] = {"capabilities": {"levitation": True}}


# ── for tests of the process ─────────────────────────────────────────────────────────────────────────


class Hangs(Good):
    """Blocks the loop for good."""

    def asked(self, request: Request) -> Request:
        while True:
            time.sleep(60)


class Dies(Good):
    """Takes its process with it."""

    def asked(self, request: Request) -> Request:
        os._exit(3)


class Expects(_NoTemperature):
    """Says what it cannot, and of one thing wrongly."""

    told: ClassVar[dict[str, Any]] = {
        "expected_failures": {
            "capability settings": "its host refuses a temperature",
            "lifecycle": "it used to end twice",
        }
    }


class Words(AsyncGeneratorProvider):
    """Asks no host."""

    models = ("words-1",)
    working = True

    @classmethod
    async def create_async_generator(  # type: ignore[override]
        cls, model: str, messages: Any, proxy: str | None = None, **kwargs: Any
    ) -> AsyncIterator[str]:
        for word in ("one ", "two ", "three"):
            await asyncio.sleep(0)
            yield word


def good() -> ProviderSpec:
    """The good one."""
    return spec_of(Good)


GOOD = spec_of(Good)
HANGS, DIES, EXPECTS = spec_of(Hangs), spec_of(Dies), spec_of(Expects)
ALONE = {item.replace(" ", "_"): spec_of(one.cls) for item, one in BAD.items() if one.alone}
globals().update({f"ALONE_{item}": spec for item, spec in ALONE.items()})  # so that an import string can name each
