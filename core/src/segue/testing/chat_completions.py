"""An answer in the format of a host of the Chat Completions wire, streamed or whole.

It follows the documentation of vendors and recordings, and does not use the codecs of Segue: tests would not find
a mistake that both sides make.
"""

from __future__ import annotations

import json
import math
import re
import struct
from base64 import b64encode
from hashlib import shake_128
from itertools import chain, zip_longest
from typing import TYPE_CHECKING, Any, Final

from ..values import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .faults import Answer

_CREATED: Final = 1_735_689_600  # 2025-01-01: an answer's bytes are the same on every run
_FRAGMENT: Final = 6  # characters of a tool call's arguments in one chunk


def tokens_of(text: str) -> list[str]:
    """The words of a text, each with the space before it; joined, they are the text."""
    return re.findall(r"\s*\S+|\s+", text)


@dataclass(frozen=True, slots=True)
class Manner:
    """The differences between hosts of this wire."""

    fingerprint: str = "fp_segue"
    model: str | None = None
    """The model name in the answer, for every requested model."""
    nulls: bool = True
    """Whether fields without a value are sent as null."""
    timings: bool = False


OPENAI: Final = Manner()

# llama.cpp's server-task.cpp: to_json_oaicompat_chat, to_json_oaicompat_chat_stream.
LLAMA_CPP: Final = Manner(fingerprint="b6881-8b11deea4", model="scripted.gguf", nulls=False, timings=True)


@dataclass(frozen=True, slots=True)
class Telling:
    """An answer to one request: the request, and the text of each of the ``n`` choices."""

    answer: Answer
    tokens: Sequence[str]
    model: str
    finish: str
    prompt_tokens: int
    number: int = 1
    n: int = 1
    usage: bool = True
    top_logprobs: int | None = None
    """How many alternatives to send for each token; None if the request does not ask for logprobs."""
    manner: Manner = OPENAI

    # ── whole ─────────────────────────────────────────────────────────────────────────────────────────

    def whole(self) -> bytes:
        """The JSON body."""
        told = self._head("chat.completion")
        told |= {"choices": [self._choice(index) for index in range(self.n)], "usage": self._usage()}
        if self.manner.timings:
            told["timings"] = self._timings()
        return to_json(told)

    def _choice(self, index: int) -> dict[str, Any]:
        answer = self.answer
        message: dict[str, Any] = {"role": "assistant", "content": None if self._textless else "".join(self.tokens)}
        if answer.refusal is not None or self.manner.nulls:
            message["refusal"] = answer.refusal
        if answer.reasoning is not None:
            message[answer.reasoning_field] = answer.reasoning
        if answer.tool_calls:
            message["tool_calls"] = [
                {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}
                for call_id, name, arguments in self._calls(index)
            ]
        return {"index": index, "message": message, **self._logprobs(self.tokens), "finish_reason": self.finish}

    # ── streamed ──────────────────────────────────────────────────────────────────────────────────────

    def events(self) -> list[bytes]:
        """The pieces of the event stream; several choices take turns, piece by piece."""
        each = zip_longest(*(self._deltas(index) for index in range(self.n)))
        choices = [choice for choice in chain.from_iterable(each) if choice is not None]
        chunks = [self._chunk([choice]) for choice in choices]
        if self.usage:
            for chunk in chunks if self.manner.nulls else ():
                chunk["usage"] = None
            chunks.append({**self._chunk([]), "usage": self._usage()})
        if self.manner.timings:
            chunks[-1]["timings"] = self._timings()
        return [*(b"data: %b\n\n" % to_json(chunk) for chunk in chunks), b"data: [DONE]\n\n"]

    def _chunk(self, choices: list[dict[str, Any]]) -> dict[str, Any]:
        return {**self._head("chat.completion.chunk"), "choices": choices}

    def _deltas(self, index: int) -> Iterator[dict[str, Any]]:
        answer = self.answer
        begin: dict[str, Any] = {"role": "assistant"}
        if self.manner.nulls:
            begin |= {"content": None if self._textless else "", "refusal": None}
        else:
            begin["content"] = None
        yield self._delta(index, begin)
        for piece in tokens_of(answer.reasoning or ""):
            yield self._delta(index, {answer.reasoning_field: piece})
        for token in self.tokens:
            yield self._delta(index, {"content": token}, said=[token])
        for piece in tokens_of(answer.refusal or ""):
            yield self._delta(index, {"refusal": piece})
        for fragment in self._fragments(index):
            yield self._delta(index, {"tool_calls": [fragment]})
        yield self._delta(index, {}, finish=self.finish)

    def _delta(
        self, index: int, delta: dict[str, Any], *, said: Sequence[str] = (), finish: str | None = None
    ) -> dict[str, Any]:
        return {"index": index, "delta": delta, **self._logprobs(said), "finish_reason": finish}

    def _fragments(self, index: int) -> list[dict[str, Any]]:
        """A call's id and name first, then its arguments in pieces; one call after the other, or all in turn."""
        each: list[list[dict[str, Any]]] = []
        for place, (call_id, name, arguments) in enumerate(self._calls(index)):
            begin = {"index": place, "id": call_id, "type": "function", "function": {"name": name, "arguments": ""}}
            pieces = [arguments[at : at + _FRAGMENT] for at in range(0, len(arguments), _FRAGMENT)]
            each.append([begin, *({"index": place, "function": {"arguments": piece}} for piece in pieces)])
        in_order = zip_longest(*each) if self.answer.interleaved else each
        return [fragment for fragment in chain.from_iterable(in_order) if fragment is not None]

    # ── what both have ────────────────────────────────────────────────────────────────────────────────

    @property
    def _textless(self) -> bool:
        return not self.tokens and (bool(self.answer.tool_calls) or self.answer.refusal is not None)

    def _calls(self, index: int) -> list[tuple[str, str, str]]:
        return [
            (f"call_{self.number}_{index}_{place}", name, arguments if isinstance(arguments, str) else _text(arguments))
            for place, (name, arguments) in enumerate(self.answer.tool_calls)
        ]

    def _head(self, kind: str) -> dict[str, Any]:
        return {
            "id": f"chatcmpl-{self.number}",
            "object": kind,
            "created": _CREATED,
            "model": self.manner.model or self.model,
            "system_fingerprint": self.manner.fingerprint,
        }

    def _completion_tokens(self) -> int:
        answer = self.answer
        thought = len(tokens_of(answer.reasoning or "")) if answer.reasoning_tokens is None else answer.reasoning_tokens
        said = len(self.tokens) + len(tokens_of(answer.refusal or "")) + len(self._fragments(0))
        return self.n * (thought + said)

    def _usage(self) -> dict[str, Any]:
        prompt, completion = self.prompt_tokens, self._completion_tokens()
        usage: dict[str, Any] = {
            "prompt_tokens": prompt,
            "completion_tokens": completion,
            "total_tokens": prompt + completion,
        }
        if self.answer.cached_tokens is not None:
            usage["prompt_tokens_details"] = {"cached_tokens": self.answer.cached_tokens}
        if self.answer.reasoning_tokens is not None:
            usage["completion_tokens_details"] = {"reasoning_tokens": self.answer.reasoning_tokens}
        return usage

    def _timings(self) -> dict[str, float]:
        """As if every token took 10 ms."""
        timings: dict[str, float] = {}
        for what, count in (("prompt", self.prompt_tokens), ("predicted", self._completion_tokens())):
            timings |= {
                f"{what}_n": count,
                f"{what}_ms": count * 10.0,
                f"{what}_per_token_ms": 10.0,
                f"{what}_per_second": 100.0,
            }
        return timings

    def _logprobs(self, tokens: Sequence[str]) -> dict[str, Any]:
        """The field for these tokens; without tokens it is null or missing."""
        if self.top_logprobs is None or not tokens:
            return {"logprobs": None} if self.manner.nulls else {}
        content = [
            {
                **_logprob(token, 0),
                "top_logprobs": [
                    _logprob(token if place == 0 else f"{token}~{place}", place) for place in range(self.top_logprobs)
                ],
            }
            for token in tokens
        ]
        return {"logprobs": {"content": content, "refusal": None}}


def _logprob(token: str, place: int) -> dict[str, Any]:
    return {"token": token, "logprob": -0.25 * (place + 1), "bytes": list(token.encode())}


def words(messages: Sequence[object]) -> int:
    """The number of words in the messages of a request."""
    texts: list[object] = []
    for message in messages:
        match message:
            case {"content": str(text)}:
                texts.append(text)
            case {"content": list(parts)}:
                texts += [part.get("text") for part in parts if isinstance(part, dict)]
            case _:
                pass  # a message without text
    return sum(len(text.split()) for text in texts if isinstance(text, str))


def to_json(value: object) -> bytes:
    """The value in the format of this host."""
    return _text(value).encode()


def _text(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def embeddings(inputs: Sequence[str], *, model: str, dimensions: int, base64: bool) -> bytes:
    """A vector of length 1 for each input: the same text always has the same vector."""
    data = [
        {"object": "embedding", "index": place, "embedding": _packed(vector) if base64 else vector}
        for place, vector in enumerate(_vector(text, dimensions) for text in inputs)
    ]
    count = sum(len(text.split()) for text in inputs)
    usage = {"prompt_tokens": count, "total_tokens": count}
    return to_json({"object": "list", "data": data, "model": model, "usage": usage})


def _vector(text: str, dimensions: int) -> list[float]:
    digest = shake_128(text.encode()).digest(2 * dimensions)
    numbers = [int.from_bytes(digest[2 * at : 2 * at + 2], "big") - 32767.5 for at in range(dimensions)]
    length = math.hypot(*numbers)
    return [round(number / length, 6) for number in numbers]


def _packed(vector: Sequence[float]) -> str:
    return b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()


def models(manner: Manner) -> bytes:
    """The list of models."""
    owner = "llamacpp" if manner.model else "segue"
    listed = {"id": manner.model or "scripted", "object": "model", "created": _CREATED, "owned_by": owner}
    return to_json({"object": "list", "data": [listed]})
