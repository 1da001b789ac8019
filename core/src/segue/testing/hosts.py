"""Scripted hosts that use the wire of a provider over a real socket, and fail as scripted.

They do not use the codecs of Segue: tests would not find a mistake that both sides make.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import accumulate, pairwise
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, TypeAlias, assert_never, get_args

from ..constraints import (
    ANY_TEXT,
    NAME,
    NOTHING,
    Either,
    Function,
    Items,
    Number,
    Word,
    check,
    known_arguments,
)
from ..values import dataclass
from .chat_completions import LLAMA_CPP, OPENAI, Telling, embeddings, models, to_json, tokens_of, words
from .faults import ARGUMENTS, SPLIT, STEP, TOKENS, Answer, Body, Cut, Drop, Framing, Garbage, Raw, Stall, Status, Step
from .loopback import Connection, Loopback, Received

if TYPE_CHECKING:
    import ssl

    from ..constraints import Constraint
    from .faults import End, Split

Script: TypeAlias = str | Sequence[str] | Callable[[Received], Sequence[str]]
"""The answer of a host: a text, its tokens, or a function that makes tokens from a request."""

_DIMENSIONS = 8
_NONE: Mapping[str, Any] = MappingProxyType({})


_TEXT: Final = Either(ANY_TEXT, NOTHING)
_TIMES: Final = Either(Number(ge=1, whole=True), NOTHING)
_FAILURE: Final = Number(ge=300, le=599, whole=True)
_RETRY_AFTER: Final = Either(ANY_TEXT, NOTHING, wanted="text, as in the header (such as '2'), or None")
_STEPS: Final = Items(STEP, f"one or more steps, each {STEP.wanted.removeprefix('a step: ')}", empty=False)
_ANSWERS: Final = Items(ANY_TEXT, "one or more texts (for JSON use json.dumps)", empty=False)
_HOST: Final[Mapping[str, Constraint]] = {
    "answer": Either(
        ANY_TEXT, TOKENS, Function("a function"), wanted="text, a list of texts, or a function of the request"
    ),
    "script": Either(
        Items(STEP, "a list of steps", empty=False), NOTHING, wanted="a list of at least one step, or None"
    ),
    "framing": Word(*get_args(Framing)),
    "split": SPLIT,
    "pace": Number(ge=0, unit="seconds"),
}


def rehearsed(messages_text: str) -> list[str]:
    """The answer of a rehearsal, token by token: always the same for the same text."""
    return tokens_of(f"This is a rehearsal: no model was asked. You said: {messages_text}")


@dataclass(frozen=True, slots=True)
class Told:
    """A body in the pieces in which it is sent; the first token comes after ``lead`` pieces."""

    pieces: Sequence[bytes]
    content_type: str
    lead: int = 0
    status: int = 200


class _Script:
    """The steps to come, added and taken from any thread."""

    def __init__(self, steps: Sequence[Step]) -> None:
        self._lock = threading.Lock()
        self._coming: deque[tuple[Step, bool]] = deque((step, True) for step in steps)
        self._lasting: Step = Answer()

    def add(self, steps: Sequence[Step], times: int | None) -> None:
        with self._lock:
            self._coming.extend((step, times is None) for step in steps for _ in range(1 if times is None else times))

    def take(self) -> Step:
        with self._lock:
            return self._take()

    def take_drop(self) -> Drop | None:
        """The next step, if it is one for a connection just accepted."""
        with self._lock:
            coming = self._coming[0][0] if self._coming else self._lasting
            if isinstance(coming, Drop) and coming.when == "accept":
                self._take()
                return coming
            return None

    def _take(self) -> Step:
        if not self._coming:
            return self._lasting
        step, lasts = self._coming.popleft()
        if lasts:
            self._lasting = step
        return step


class ScriptedHost(Loopback):
    """A server on loopback that follows a script: one step per request, and then the last step again and again.

    `does`, `answers` and `fails` add to the script, from any thread, also while the host is open.
    ``requests`` are the requests so far; ``connections`` is the number of accepted connections,
    ``open_connections`` the number that are open now, and ``clients_gone`` the number that the client ended.
    ``pace`` is the time between two writes, in seconds.
    """

    _numbered = False  # whether answers carry the request's number as its id

    def __init__(
        self,
        *,
        answer: Script = "hello from the host",
        script: Sequence[Step] | None = None,
        framing: Framing = "chunked",
        split: Split = None,
        pace: float = 0.0,
        ssl: ssl.SSLContext | None = None,
    ) -> None:
        for name, value in (
            ("answer", answer),
            ("script", script),
            ("framing", framing),
            ("split", split),
            ("pace", pace),
        ):
            check(type(self).__name__, name, value, _HOST[name])
        super().__init__(ssl=ssl)
        self._answer = answer
        self._script = _Script(script or ())
        self._framing: Framing = framing
        self._split = split
        self._pace = pace

    @property
    def url(self) -> str:
        """The address for the provider."""
        return self.address

    # ── the script ────────────────────────────────────────────────────────────────────────────────────

    @known_arguments("does")
    def does(self, *steps: Step, times: int | None = None) -> None:
        """Add steps after the earlier ones, one per request.

        With ``times`` each step is used that many times. Without it, each is used once, and the last step of the
        script is repeated.
        """
        check("does", "steps", steps, _STEPS)
        check("does", "times", times, _TIMES)
        self._script.add(steps, times)

    def answers(self, *texts: str) -> None:
        """Answer the next requests with these texts, one each, and all later requests with the last one."""
        check("answers", "texts", texts, _ANSWERS)
        self.does(*map(Answer, texts))

    @known_arguments("fails")
    def fails(
        self,
        status: int = 500,
        *,
        times: int | None = None,
        code: str | None = None,
        message: str = "scripted",
        retry_after: str | None = None,
    ) -> None:
        """Answer this many requests with this status, or all later ones; ``retry_after`` is the header."""
        check("fails", "status", status, _FAILURE)
        check("fails", "times", times, _TIMES)
        check("fails", "code", code, _TEXT)
        check("fails", "message", message, ANY_TEXT)
        check("fails", "retry_after", retry_after, _RETRY_AFTER)
        self.does(Status(status, code=code, message=message, retry_after=retry_after), times=times)

    def _dropped(self) -> End | None:
        drop = self._script.take_drop()
        return None if drop is None else drop.how

    async def _serve(self, connection: Connection) -> None:
        keep = True
        while keep:
            received = self._record(await connection.request())
            keep = await self._perform(connection, received) and not received.closes

    async def _perform(self, connection: Connection, received: Received) -> bool:
        """Take the next step; False where it ended the connection."""
        match self._script.take():
            case Answer() as step:
                told = self.told(received, self._tokens(received, step), step)
                return await self._send(connection, received, told, framing=step.framing, headers=step.headers)
            case Status() as step:
                told = self.error(step)
                if step.body is not None:
                    told = replace(told, pieces=[step.body])
                headers = dict(step.headers)
                if step.retry_after is not None:
                    headers["retry-after"] = step.retry_after
                return await self._send(connection, received, told, framing="length", headers=headers)
            case Body() as step:
                told = Told([step.body], step.content_type, status=step.status)
                return await self._send(
                    connection, received, told, framing=step.framing, headers=step.headers, split=step.split
                )
            case Garbage() as step:
                return await self._send(connection, received, Told([step.body], step.content_type))
            case Cut() as step:
                told = self.told(received, self._tokens(received), Answer())
                body = b"".join(told.pieces)[: step.after]
                offsets = accumulate(map(len, told.pieces), initial=0)
                await self._send(connection, received, told, only=[body[start:end] for start, end in pairwise(offsets)])
                await connection.end(step.how)
                return False
            case Drop() as step:
                await connection.end(step.how)
                return False
            case Raw() as step:
                await connection.write(step.data)
                await connection.end(step.how)
                return False
            case Stall() as step:
                if step.where != "headers":
                    told = self.told(received, self._tokens(received), Answer())
                    kept = told.lead + (step.after_tokens if step.where == "middle" else 0)
                    kept = min(kept, len(told.pieces) - 1)
                    await self._send(connection, received, told, only=told.pieces[:kept])
                await connection.until_client_leaves()
                return False
            case step:
                assert_never(step)

    async def _send(
        self,
        connection: Connection,
        received: Received,
        told: Told,
        *,
        framing: Framing | None = None,
        headers: Mapping[str, str] | None = None,
        split: Split = None,
        only: Sequence[bytes] | None = None,
    ) -> bool:
        """Write an answer, or ``only`` these pieces of it and no end; False where the connection is its end."""
        framing = framing or self._framing
        lines = {"content-type": told.content_type}
        if self._numbered:
            lines["x-request-id"] = f"req_{received.number}"
        if received.closes:
            lines["connection"] = "close"
        match framing:
            case "chunked":
                lines["transfer-encoding"] = "chunked"
            case "length":
                lines["content-length"] = str(sum(map(len, told.pieces)))
            case "close":
                lines["connection"] = "close"
        lines.update((name.lower(), value) for name, value in (headers or {}).items())
        await connection.write_head(told.status, lines)
        pieces = _split(told.pieces if only is None else only, self._split if split is None else split)
        await connection.write_body(pieces, framing, pace=self._pace)
        if framing == "chunked" and only is None:
            await connection.write(b"0\r\n\r\n")
        return framing != "close"

    def _tokens(self, received: Received, step: Answer | None = None) -> Sequence[str]:
        answer: Script = self._answer
        if step is not None and step.text is not None:
            answer = step.text
        elif step is not None and step.tokens is not None:
            answer = step.tokens
        elif step is not None and (step.tool_calls or step.refusal is not None):
            answer = ()
        if isinstance(answer, str):
            return tokens_of(answer)
        return answer(received) if callable(answer) else answer

    # ── the wire ──────────────────────────────────────────────────────────────────────────────────────

    def told(self, received: Received, tokens: Sequence[str], answer: Answer) -> Told:
        """These tokens in the format of this wire, or the error for a request that it cannot answer.

        It uses the parts of ``answer`` that the wire supports.
        """
        raise NotImplementedError

    def error(self, step: Status) -> Told:
        """An error in the format of this wire."""
        raise NotImplementedError


class CromicleHost(ScriptedHost):
    """Uses the wire of Cromicle: ``POST /chat``, answered in plain text, one piece per token."""

    def told(self, received: Received, tokens: Sequence[str], answer: Answer) -> Told:  # noqa: ARG002
        """The tokens, unchanged."""
        if (received.method, received.path) != ("POST", "/chat"):
            return self.error(Status(404, message=f"{received.method} {received.path} does not exist on this host"))
        if not {"message", "token", "hash"} <= _asked(received).keys():
            return self.error(Status(400, message="message, token and hash are required"))
        return Told([token.encode() for token in tokens], "text/plain; charset=utf-8")

    def error(self, step: Status) -> Told:
        """Only the message."""
        return Told([step.message.encode()], "text/plain; charset=utf-8", status=step.status)


class OpenAIHost(ScriptedHost):
    """Uses the Chat Completions wire under any prefix, streamed or whole as requested; ``/embeddings`` and ``/models``.

    The same text always has the same vector, with 8 numbers, or as many as requested. It checks neither keys nor the
    names of models.
    """

    _numbered = True
    _manner = OPENAI

    @property
    def url(self) -> str:
        """The address with ``/v1``."""
        return f"{self.address}/v1"

    @known_arguments("calls_tool")
    def calls_tool(self, name: str, arguments: Mapping[str, Any] | str = _NONE) -> None:
        """Answer one request with a call of this tool; arguments that are a text are sent unchanged."""
        check("calls_tool", "name", name, NAME)
        check("calls_tool", "arguments", arguments, ARGUMENTS)
        self.does(
            Answer(tool_calls=[(name, dict(arguments) if isinstance(arguments, Mapping) else arguments)]), times=1
        )

    def told(self, received: Received, tokens: Sequence[str], answer: Answer) -> Told:
        """Chunks ending in ``[DONE]``, or one JSON body."""
        path = received.path.partition("?")[0]
        if received.method == "GET" and path.endswith("/models"):
            return _whole(models(self._manner))
        if received.method == "POST" and path.endswith("/embeddings"):
            return self._embedded(_asked(received))
        if received.method != "POST" or not path.endswith(("/chat/completions", "/chat")):
            unknown = f"Unknown request URL: {received.method} {path}"
            return self.error(Status(404, message=unknown, type="invalid_request_error", code="unknown_url"))
        asked = _asked(received)
        fault = _fault(asked)
        if fault is not None:
            return self.error(Status(400, message=fault, type="invalid_request_error"))
        streamed = asked.get("stream") is True
        limit = _limit(asked)
        options = asked.get("stream_options")
        telling = Telling(
            answer,
            tokens[:limit],
            model=str(asked.get("model", "scripted")),
            finish=_finish(answer, cut=limit is not None and limit < len(tokens)),
            prompt_tokens=words(asked["messages"]),
            number=received.number,
            n=asked.get("n") or 1,
            usage=isinstance(options, dict) and options.get("include_usage") is True,
            top_logprobs=asked.get("top_logprobs") or 0 if asked.get("logprobs") is True else None,
            manner=self._manner,
        )
        if not streamed:
            return _whole(telling.whole())
        return Told(telling.events(), "text/event-stream; charset=utf-8", lead=1)

    def _embedded(self, asked: Mapping[str, Any]) -> Told:
        inputs, dimensions = asked.get("input"), asked.get("dimensions")
        texts: list[Any] = [inputs] if isinstance(inputs, str) else inputs if isinstance(inputs, list) else []
        fault = None
        if not texts or not all(isinstance(text, str) for text in texts):
            fault = "input is neither a text nor a list of texts"
        elif not _is_count(dimensions):
            fault = "dimensions is not a positive integer"
        if fault is not None:
            return self.error(Status(400, message=fault, type="invalid_request_error"))
        base64 = asked.get("encoding_format") == "base64"
        model = self._manner.model or str(asked.get("model", "scripted"))
        return _whole(embeddings(texts, model=model, dimensions=dimensions or _DIMENSIONS, base64=base64))

    def error(self, step: Status) -> Told:
        """The error object."""
        error = {"message": step.message, "type": step.type, "param": None, "code": step.code}
        return Told([to_json({"error": error})], "application/json", status=step.status)

    @staticmethod
    def sse_body(
        tokens: Sequence[str],
        *,
        model: str = "scripted",
        usage: bool = True,
        finish_reason: str = "stop",
        prompt_tokens: int = 1,
        number: int = 1,
    ) -> bytes:
        """The exact bytes of a streamed answer to the request with this number and this many words in its messages."""
        telling = Telling(Answer(), tokens, model, finish_reason, prompt_tokens, number, usage=usage)
        return b"".join(telling.events())


class LlamaCppHost(OpenAIHost):
    """Uses that wire like the server of llama.cpp.

    It always sends the name of its own model, leaves out fields without a value, and adds its timings.
    """

    _manner = LLAMA_CPP


def _asked(received: Received) -> dict[str, Any]:
    try:
        asked = received.json
    except ValueError:
        return {}
    return asked if isinstance(asked, dict) else {}


def _fault(asked: Mapping[str, Any]) -> str | None:
    """What this wire does not take."""
    if not isinstance(asked.get("messages"), list):
        return "The body is not a JSON object with a list of messages"
    if not _is_count(_limit(asked)):
        return "max_tokens is not a positive integer"
    if not _is_count(asked.get("n")):
        return "n is not a positive integer"
    top = asked.get("top_logprobs")
    if top is not None and (not isinstance(top, int) or not 0 <= top <= 20 or asked.get("logprobs") is not True):
        return "top_logprobs is not an integer from 0 to 20, or logprobs is not true"
    return None


def _limit(asked: Mapping[str, Any]) -> Any:
    return asked.get("max_completion_tokens", asked.get("max_tokens"))


def _is_count(value: object) -> bool:
    return value is None or (isinstance(value, int) and value >= 1)


def _finish(answer: Answer, *, cut: bool) -> str:
    if answer.finish_reason is not None:
        return answer.finish_reason
    if cut:
        return "length"
    return "tool_calls" if answer.tool_calls else "stop"


def _whole(body: bytes) -> Told:
    return Told([body[: len(body) // 2], body[len(body) // 2 :]], "application/json")


def _split(pieces: Sequence[bytes], split: Split) -> Sequence[bytes]:
    if split is None:
        return pieces
    body = b"".join(pieces)
    wanted = range(split, len(body), split) if isinstance(split, int) else sorted(split)
    offsets = [offset for offset in wanted if 0 < offset < len(body)]
    return [body[start:end] for start, end in pairwise([0, *offsets, len(body)])]
