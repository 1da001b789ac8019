"""Scripted hosts that speak a provider's wire over a real socket, and fail on cue.

They are written without the project's own codecs: a mistake made on both sides would not show.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any, TypeAlias, assert_never

from .faults import Answer, Body, Cut, Drop, Garbage, Raw, Stall, Status, Step
from .loopback import Connection, Loopback, Received

if TYPE_CHECKING:
    import ssl

    from .faults import End, Framing, Split

Script: TypeAlias = str | Sequence[str] | Callable[[Received], Sequence[str]]
"""What a host answers: a text, its tokens, or what makes tokens of a request."""

_CREATED = 1_735_689_600  # 2025-01-01: an answer's bytes are the same on every run
_FINGERPRINT = "fp_understudy"


def tokens_of(text: str) -> list[str]:
    """A text word by word, each with the space before it; joined they are the text."""
    return re.findall(r"\s*\S+|\s+", text)


def rehearsed(messages_text: str) -> list[str]:
    """The answer of a rehearsal, token by token: always the same one to the same text."""
    return tokens_of(f"This is a rehearsal: no model was asked. You said: {messages_text}")


@dataclass(frozen=True, slots=True)
class Told:
    """A body in the pieces in which it is written, of which ``lead`` come before the first token."""

    pieces: Sequence[bytes]
    content_type: str
    lead: int = 0
    status: int = 200


class ScriptedHost(Loopback):
    """A loopback server that goes through a script: a step a request, the last one again and again.

    ``requests`` is what came so far; ``connections`` how many were accepted, ``open_connections`` how many
    are open now, ``clients_gone`` how many the client ended. ``pace`` is in seconds between two writes.
    """

    _numbered = False  # whether answers carry the request's number as its id

    def __init__(
        self,
        *,
        answer: Script = "hello from the host",
        script: Sequence[Step] = (Answer(),),
        framing: Framing = "chunked",
        split: Split = None,
        pace: float = 0.0,
        ssl: ssl.SSLContext | None = None,
    ) -> None:
        if not script:
            raise ValueError("script is empty: give at least one step")
        super().__init__(ssl=ssl)
        self._answer = answer
        self._script = tuple(script)
        self._framing: Framing = framing
        self._split = split
        self._pace = pace
        self._taken = 0

    @property
    def url(self) -> str:
        """What a provider's address is set to."""
        return self.address

    # ── the script ────────────────────────────────────────────────────────────────────────────────────

    def _step(self) -> Step:
        step = self._script[min(self._taken, len(self._script) - 1)]
        self._taken += 1
        return step

    def _dropped(self) -> End | None:
        match self._script[min(self._taken, len(self._script) - 1)]:
            case Drop(when="accept", how=how):
                self._taken += 1
                return how
            case _:
                return None

    async def _serve(self, connection: Connection) -> None:
        keep = True
        while keep:
            received = self._record(await connection.request())
            keep = await self._perform(connection, received) and not received.closes

    async def _perform(self, connection: Connection, received: Received) -> bool:
        """Take the next step; False where it ended the connection."""
        match self._step():
            case Answer() as step:
                told = self.told(received, self._tokens(received, step))
                return await self._send(connection, received, told, framing=step.framing)
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
                told = self.told(received, self._tokens(received))
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
                    told = self.told(received, self._tokens(received))
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
        if isinstance(answer, str):
            return tokens_of(answer)
        return answer(received) if callable(answer) else answer

    # ── the wire ──────────────────────────────────────────────────────────────────────────────────────

    def told(self, received: Received, tokens: Sequence[str]) -> Told:
        """These tokens as this wire tells them, or what it says of a request that it cannot answer."""
        raise NotImplementedError

    def error(self, step: Status) -> Told:
        """An error as this wire tells it."""
        raise NotImplementedError


class CromicleHost(ScriptedHost):
    """Speaks Cromicle's wire: ``POST /chat``, answered in plain text, a piece a token."""

    def told(self, received: Received, tokens: Sequence[str]) -> Told:
        """The tokens as they are."""
        if (received.method, received.path) != ("POST", "/chat"):
            return self.error(Status(404, message=f"no {received.method} {received.path} here"))
        if not {"message", "token", "hash"} <= _asked(received).keys():
            return self.error(Status(400, message="message, token and hash are wanted"))
        return Told([token.encode() for token in tokens], "text/plain; charset=utf-8")

    def error(self, step: Status) -> Told:
        """The message alone."""
        return Told([step.message.encode()], "text/plain; charset=utf-8", status=step.status)


class OpenAIHost(ScriptedHost):
    """Speaks the Chat Completions wire under any prefix, streamed or whole as it is asked; and ``GET /models``."""

    _numbered = True

    @property
    def url(self) -> str:
        """The address with ``/v1``."""
        return f"{self.address}/v1"

    def told(self, received: Received, tokens: Sequence[str]) -> Told:
        """Chunks ending in ``[DONE]``, or one JSON body."""
        path = received.path.partition("?")[0]
        if received.method == "GET" and path.endswith("/models"):
            listed = {"id": "scripted", "object": "model", "created": _CREATED, "owned_by": "understudy"}
            return _whole({"object": "list", "data": [listed]})
        if received.method != "POST" or not path.endswith("/chat/completions"):
            unknown = f"Unknown request URL: {received.method} {path}"
            return self.error(Status(404, message=unknown, type="invalid_request_error", code="unknown_url"))
        asked = _asked(received)
        if not isinstance(asked.get("messages"), list):
            wanted = "The body is no JSON object with a list of messages"
            return self.error(Status(400, message=wanted, type="invalid_request_error"))
        limit = asked.get("max_completion_tokens", asked.get("max_tokens"))
        if limit is not None and (not isinstance(limit, int) or limit < 1):
            return self.error(Status(400, message="max_tokens is no positive integer", type="invalid_request_error"))
        finish = "length" if limit is not None and limit < len(tokens) else "stop"
        tokens = tokens[:limit]
        model = str(asked.get("model", "scripted"))
        if asked.get("stream") is True:
            options = asked.get("stream_options")
            usage = isinstance(options, dict) and options.get("include_usage") is True
            events = _events(tokens, model, finish, usage=usage, prompt_tokens=_words(asked), number=received.number)
            return Told(events, "text/event-stream; charset=utf-8", lead=1)
        message: dict[str, Any] = {"role": "assistant", "content": "".join(tokens), "refusal": None}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish}
        told = _head(received.number, "chat.completion", model)
        return _whole({**told, "choices": [choice], "usage": _usage(_words(asked), len(tokens))})

    def error(self, step: Status) -> Told:
        """The error object."""
        error = {"message": step.message, "type": step.type, "param": None, "code": step.code}
        return Told([_json({"error": error})], "application/json", status=step.status)

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
        """The very bytes of a streamed answer to the request of this number, whose messages have so many words."""
        return b"".join(_events(tokens, model, finish_reason, usage=usage, prompt_tokens=prompt_tokens, number=number))


def _asked(received: Received) -> dict[str, Any]:
    try:
        asked = received.json
    except ValueError:
        return {}
    return asked if isinstance(asked, dict) else {}


def _words(asked: Mapping[str, Any]) -> int:
    contents = (message.get("content") for message in asked["messages"] if isinstance(message, dict))
    return sum(len(content.split()) for content in contents if isinstance(content, str))


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def _whole(value: object) -> Told:
    body = _json(value)
    return Told([body[: len(body) // 2], body[len(body) // 2 :]], "application/json")


def _head(number: int, kind: str, model: str) -> dict[str, Any]:
    told = {"id": f"chatcmpl-{number}", "object": kind, "created": _CREATED, "model": model}
    return {**told, "system_fingerprint": _FINGERPRINT}


def _usage(prompt: int, completion: int) -> dict[str, int]:
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}


def _events(
    tokens: Sequence[str], model: str, finish: str, *, usage: bool, prompt_tokens: int, number: int
) -> list[bytes]:
    def event(choices: list[dict[str, Any]], used: dict[str, int] | None = None) -> bytes:
        told = {**_head(number, "chat.completion.chunk", model), "choices": choices}
        return b"data: %b\n\n" % _json({**told, "usage": used} if usage else told)

    def choice(delta: dict[str, Any], reason: str | None = None) -> list[dict[str, Any]]:
        return [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}]

    events = [event(choice({"role": "assistant", "content": "", "refusal": None}))]
    events += [event(choice({"content": token})) for token in tokens]
    events.append(event(choice({}, finish)))
    if usage:
        events.append(event([], _usage(prompt_tokens, len(tokens))))
    return [*events, b"data: [DONE]\n\n"]


def _split(pieces: Sequence[bytes], split: Split) -> Sequence[bytes]:
    if split is None:
        return pieces
    body = b"".join(pieces)
    wanted = range(split, len(body), split) if isinstance(split, int) else sorted(split)
    offsets = [offset for offset in wanted if 0 < offset < len(body)]
    return [body[start:end] for start, end in pairwise([0, *offsets, len(body)])]
