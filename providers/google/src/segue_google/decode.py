"""Decodes an answer of Google into events.

A stream of server-sent events has no end marker: its last chunk has a ``finishReason``, but older models and
gateways also have one in earlier chunks (songquanpeng/one-api#1477, Chevey339/kelivo#1003). So an answer is
complete if it has a ``finishReason`` and the framing of HTTP proves that the body is complete; neither alone is
enough. The other formats of the wire, an array of chunks and a whole answer, end with their own bracket.
"""

from __future__ import annotations

import binascii
from typing import TYPE_CHECKING, Any, Final

from segue.plugin import (
    AudioDelta,
    ChoiceFinish,
    Finish,
    Logprobs,
    Notice,
    ProtocolError,
    ReasoningDelta,
    Start,
    StreamBrokenError,
    TextDelta,
    Usage,
)
from segue.wire import to_json
from segue.wire.failures import failure_of
from segue.wire.logprobs import token_of
from segue.wire.reading import count, json_object, objects, string, table, text_of
from segue.wire.sse import SSEDecoder

from .calls import Calls
from .grounding import Grounding
from .json_stream import JSONStream

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from segue.plugin import Event, RateLimits, StopReason, TokenLogprob

MAX_CHUNK_BYTES: Final = 32 * 1024 * 1024
"""The largest chunk, or whole answer, that is read: it may contain an image."""

_TAIL: Final = 16 * 1024

FINISH: Final[Mapping[str, StopReason]] = {
    "STOP": "stop",
    "MAX_TOKENS": "length",
    "SAFETY": "content_filter",
    "RECITATION": "content_filter",
    "BLOCKLIST": "content_filter",
    "PROHIBITED_CONTENT": "content_filter",
    "SPII": "content_filter",
    "MODEL_ARMOR": "content_filter",
    "IMAGE_SAFETY": "content_filter",
    "IMAGE_PROHIBITED_CONTENT": "content_filter",
    "IMAGE_RECITATION": "content_filter",
}

# What stands in a part beside what the part is.
_BESIDE: Final = frozenset({"thought", "thoughtSignature", "partMetadata", "videoMetadata"})


class _Answer:
    """One of the candidates while it comes."""

    __slots__ = ("calls", "grounding", "index", "message", "reason")

    def __init__(self, index: int) -> None:
        self.index = index
        self.calls = Calls(index)
        self.grounding = Grounding()
        self.reason: str | None = None
        self.message: str | None = None

    def finish(self) -> tuple[StopReason, str | None]:
        ours: StopReason = FINISH.get(self.reason or "", "unknown")
        if ours == "stop" and self.calls.number:
            ours = "tool_calls"  # Google has no word of its own for it
        return ours, self.reason


class Decoder:
    """Reads a stream of either framing, or a whole answer; the first bytes show which one it is."""

    __slots__ = (
        "_answers", "_blocked", "_first", "_json", "_response_id", "_sse", "_started", "_tail", "_told",
        "finished", "limits", "request_id",
    )  # fmt: skip

    def __init__(self) -> None:
        self.request_id: str | None = None
        self.limits: RateLimits | None = None
        self.finished: bool = False
        self._first = b""  # what came before the form was known: white space, half a BOM
        self._sse: SSEDecoder | None = None
        self._json: JSONStream | None = None
        self._tail = bytearray()  # the last of a stream of events
        self._started = False
        self._response_id: str | None = None
        self._answers: dict[int, _Answer] = {}
        self._blocked = False
        self._told: set[str] = set()

    def feed(self, data: bytes) -> Iterator[Event]:
        """The events that these bytes complete; raises ProtocolError, or the HTTPError that they contain."""
        if self._sse is None and self._json is None:
            data = self._head(data)
        if self._sse is not None:
            self._tail += data
            if len(self._tail) > 2 * _TAIL:
                del self._tail[:-_TAIL]
            for _, payload in self._sse.feed(data):
                yield from self._chunk(json_object(payload))
        elif self._json is not None and not self.finished:
            for text in self._json.feed(data):
                yield from self._chunk(json_object(text))
            if self._json.closed:
                yield from self._close()

    def _head(self, data: bytes) -> bytes:
        """The bytes from which on the form is known; empty as long as it is not."""
        data = self._first + data
        head = data.removeprefix(b"\xef\xbb\xbf").lstrip()
        if not head or (len(head) < 3 and b"\xef\xbb\xbf".startswith(head)):
            self._first = data[-1024:]
            return b""
        if head[:1] in {b"{", b"["}:
            self._json = JSONStream(max_bytes=MAX_CHUNK_BYTES)
            return head
        self._sse = SSEDecoder(max_event_bytes=MAX_CHUNK_BYTES)
        return data

    def end(self, *, delimited: bool) -> Iterator[Event]:
        """The events that the end of the body completes; raises StreamBrokenError if it came too early."""
        if self.finished:
            return
        if self._sse is not None:
            self._sse.feed(b"")  # raises where the last event was too large
            self._raise_for_tail()
        if self._json is None and not self._started and delimited:
            raise ProtocolError("the body does not contain an answer: it is neither JSON nor an event stream")
        if self._json is not None or not delimited or not self._ended():
            raise StreamBrokenError("the answer is not complete: expected a finishReason in a complete body")
        yield from self._close()

    def _raise_for_tail(self) -> None:
        """Raise the error that stands as bare lines of JSON after the events.

        So Google's own SDK expects it: «When API returns an error message, it comes line by line».
        """
        start = self._tail.rfind(b"\n{") + 1
        if self._tail[start : start + 1] == b"{":
            try:
                told = json_object(bytes(self._tail[start:]))
            except ProtocolError:
                return  # half an error, or none: the answer is broken off, which is said anyway
            if told.get("error"):
                raise failure_of(told, request_id=self.request_id)

    def _ended(self) -> bool:
        first = self._answers.get(0)
        return self._blocked or (first is not None and first.reason is not None)

    # ── a chunk, or a whole answer, which is a stream of one ──────────────────────────────────────────

    def _chunk(self, value: Mapping[str, Any]) -> Iterator[Event]:
        if value.get("error"):
            raise failure_of(value, request_id=self.request_id)
        if not self._started:
            self._started = True
            self._response_id = string(value.get("responseId"))
            yield Start(string(value.get("modelVersion")), self._response_id, self.request_id, self.limits)
        if value.get("promptFeedback"):
            yield from self._feedback(table(value["promptFeedback"], "promptFeedback"))
        for place, candidate in enumerate(objects(value.get("candidates") or [], "candidates")):
            yield from self._candidate(candidate, self._answer(candidate.get("index", place)))
        if value.get("usageMetadata"):
            counts = table(value["usageMetadata"], "usageMetadata")
            if counts.keys() & _COUNTED:  # chunks before the last may only say how they are billed
                yield _usage(counts)

    def _answer(self, index: object) -> _Answer:
        number = count(index)
        if number is None or number >= 1024:
            raise ProtocolError("candidates[].index is not a whole number of at least 0")
        answer = self._answers.get(number)
        if answer is None:
            answer = self._answers[number] = _Answer(number)
        return answer

    def _feedback(self, feedback: Mapping[str, Any]) -> Iterator[Event]:
        reason = string(feedback.get("blockReason"))
        if reason is not None and not self._blocked:
            self._blocked = True
            message = string(feedback.get("blockReasonMessage")) or "the prompt was blocked"
            yield Notice("promptFeedback", f"{reason}: {message}")

    def _candidate(self, candidate: Mapping[str, Any], answer: _Answer) -> Iterator[Event]:
        content = table(candidate.get("content") or {}, "candidates[].content")
        for part in objects(content.get("parts") or [], "candidates[].content.parts"):
            yield from self._part(part, answer)
        if candidate.get("logprobsResult"):
            tokens = _logprobs(table(candidate["logprobsResult"], "logprobsResult"))
            if tokens:
                yield Logprobs(tokens, answer.index)
        answer.grounding.read(candidate)
        if candidate.get("finishReason"):
            answer.reason = text_of(candidate["finishReason"], "candidates[].finishReason")
            answer.message = string(candidate.get("finishMessage"))

    def _part(self, part: Mapping[str, Any], answer: _Answer) -> Iterator[Event]:
        signature = string(part.get("thoughtSignature"))
        if part.get("functionCall") is not None:
            yield from answer.calls.take(
                table(part["functionCall"], "functionCall"),
                opaque=None if signature is None else _text({"thoughtSignature": signature}),
                response_id=self._response_id,
            )
        elif "text" in part or part.keys() <= _BESIDE:
            yield from _said(part, signature, answer)
        elif part.get("inlineData") is not None:
            yield from self._data(table(part["inlineData"], "inlineData"), answer.index)
        else:
            # Google's own tools and what they found; it wants all of it back where it was.
            yield ReasoningDelta("", _text(part), answer.index)
            yield from self._unread(next(name for name in part if name not in _BESIDE))

    def _data(self, data: Mapping[str, Any], index: int) -> Iterator[Event]:
        kind = text_of(data.get("mimeType") or "", "inlineData.mimeType")
        if not kind.startswith("audio/"):
            yield from self._unread(f"inlineData of type {kind:.40}")
            return
        try:
            sound = binascii.a2b_base64(text_of(data.get("data") or "", "inlineData.data"), strict_mode=True)
        except ValueError:
            raise ProtocolError("inlineData.data is not base64") from None
        if sound:
            yield AudioDelta(sound, choice=index)

    def _unread(self, subject: str) -> Iterator[Notice]:
        if subject not in self._told:
            self._told.add(subject)
            yield Notice(subject, "the answer contains this, but Segue does not read it")

    # ── the end ───────────────────────────────────────────────────────────────────────────────────────

    def _close(self) -> Iterator[Event]:
        if not self._blocked and 0 not in self._answers:
            raise ProtocolError("the answer has no candidates")
        answers = [answer for _, answer in sorted(self._answers.items())]
        for answer in answers:
            yield from answer.calls.close()
            yield from answer.grounding.sources(answer.index)
            if answer.message is not None and answer.reason != "STOP":
                yield Notice("finishReason", answer.message)
        for answer in answers:
            if answer.index > 0:
                yield ChoiceFinish(answer.index, *answer.finish())
        self.finished = True
        if self._blocked:
            yield Finish("content_filter")  # a prompt that was blocked has no finishReason
            return
        if not self._ended():
            yield Notice("finishReason", "the host gave no reason for the end of the answer")
        yield Finish(*self._answers[0].finish())


def _said(part: Mapping[str, Any], signature: str | None, answer: _Answer) -> Iterator[Event]:
    """Text, or a thought; the signature of a text goes before it, that of an empty one is said to stand alone."""
    text = text_of(part.get("text") or "", "parts[].text")
    if part.get("thought"):
        opaque = None if signature is None else _text({"thought": True, "thoughtSignature": signature})
        if text or opaque:
            yield ReasoningDelta(text, opaque, answer.index)
        return
    if signature is not None:
        alone = {} if text else {"text": ""}
        yield ReasoningDelta("", _text({**alone, "thoughtSignature": signature}), answer.index)
    if text:
        answer.grounding.say(text)
        yield TextDelta(text, answer.index)


def _text(value: Mapping[str, Any]) -> str:
    return to_json(value).decode()


def _logprobs(result: Mapping[str, Any]) -> tuple[TokenLogprob, ...]:
    chosen = objects(result.get("chosenCandidates") or [], "logprobsResult.chosenCandidates")
    likeliest = objects(result.get("topCandidates") or [], "logprobsResult.topCandidates")
    tops = [objects(top.get("candidates") or [], "logprobsResult.topCandidates[].candidates") for top in likeliest]
    tops += [[] for _ in chosen[len(tops) :]]
    return tuple(
        token_of({**_token(token), "top_logprobs": [_token(other) for other in top]})
        for token, top in zip(chosen, tops, strict=False)
    )


def _token(value: Mapping[str, Any]) -> dict[str, Any]:
    """A token in OpenAI's words; what is empty or 0 is left out on this wire."""
    return {"token": value.get("token", ""), "logprob": value.get("logProbability", 0.0)}


_COUNTED: Final = frozenset(
    {
        "cachedContentTokenCount", "candidatesTokenCount", "promptTokenCount", "thoughtsTokenCount",
        "toolUsePromptTokenCount", "totalTokenCount",
    }
)  # fmt: skip


def _usage(counts: Mapping[str, Any]) -> Usage:
    """Google counts what its own tools read beside the prompt, and thoughts beside the candidates."""
    read = _sum(counts, "promptTokenCount", "toolUsePromptTokenCount")
    written = _sum(counts, "candidatesTokenCount", "thoughtsTokenCount")
    total = count(counts.get("totalTokenCount"))
    if total is None and read is not None and written is not None:
        total = read + written
    return Usage(
        input_tokens=read,
        output_tokens=written,
        total_tokens=total,
        cached_tokens=count(counts.get("cachedContentTokenCount")),
        reasoning_tokens=count(counts.get("thoughtsTokenCount")),
        input_audio_tokens=_heard(counts.get("promptTokensDetails")),
        output_audio_tokens=_heard(counts.get("candidatesTokensDetails")),
    )


def _sum(counts: Mapping[str, Any], *names: str) -> int | None:
    told = [number for name in names if (number := count(counts.get(name))) is not None]
    return sum(told) if told else None


def _heard(details: object) -> int | None:
    """The tokens of audio; None if there are none."""
    told = [
        number
        for detail in objects(details or [], "usageMetadata")
        if detail.get("modality") == "AUDIO" and (number := count(detail.get("tokenCount"))) is not None
    ]
    return sum(told) if told else None
