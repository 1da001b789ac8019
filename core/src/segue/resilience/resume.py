"""Continues an answer of another host at the place where it stopped."""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from ..errors import ProtocolError
from ..events import Notice, Source, TextDelta, Usage
from ..messages import Message

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from ..capabilities import Value
    from ..events import Collector, Event
    from ..messages import Request

_CHARACTERS_A_TOKEN: Final = 4


def obstacle(request: Request, collector: Collector) -> str | None:
    """Why no other model can continue an answer that has begun; None if one can.

    Only plain text can be continued: other content is unknown to another model.
    """
    settings = request.settings
    last = request.messages[-1] if request.messages else None
    if not collector.is_plain_text:
        return "the answer has more than plain text"
    if request.output is not None:
        return "the answer has a schema"
    if (settings.n or 1) > 1 or settings.logprobs:
        return "the answer has several choices, or log probabilities"
    if last is not None and last.role == "assistant" and (last.tool_calls or not isinstance(last.content, str)):
        return "the last message of the conversation has more than plain text"
    return None


class Resumption:
    """The continuation of an answer: the request for the next host, and how its answer is joined to the text so far.

    ``text`` is the text that the caller has; ``usage`` is the sum of the attempts before. The next host gets the text
    as the last message of the assistant, without white space at its end: some hosts refuse that (Anthropic, status 400:
    "final assistant content cannot end with trailing whitespace"), and a model begins its tokens with it.
    ``takes`` is the fact ``prefill`` of its model; ``"echoes"`` means that the model repeats the text first.
    """

    def __init__(self, request: Request, *, text: str, usage: Usage | None, takes: Value) -> None:
        self.text_length: int = len(text)
        self.usage: Usage | None = None
        """The usage that this host sent."""
        self.is_silent: bool = True
        """Whether it has not added any text yet."""
        self._before = usage
        self._said = text.rstrip()
        self._echo = self._said if takes == "echoes" else ""
        self._white = text[len(self._said) :]
        self._shift = 0 if takes == "echoes" else len(self._said)
        self.notices: tuple[Notice, ...] = ()
        self.request: Request = self._asked(request)

    def _asked(self, request: Request) -> Request:
        changed: dict[str, object] = {}
        if self._said:
            *before, last = request.messages
            if last.role == "assistant":
                changed["messages"] = (*before, last.model_copy(update={"content": f"{last.content}{self._said}"}))
            else:
                changed["messages"] = (*request.messages, Message(role="assistant", content=self._said))
        limit = request.settings.max_tokens
        if limit is not None:
            told = None if self._before is None else self._before.output_tokens
            used = math.ceil(self.text_length / _CHARACTERS_A_TOKEN) if told is None else told
            left = max(1, limit - used)
            changed["settings"] = request.settings.model_copy(update={"max_tokens": left})
            about = "" if told is not None else " (estimated from its length)"
            self.notices = (Notice("max_tokens", f"{used} of {limit} tokens were used{about}; {left} are left"),)
        return request.model_copy(update=changed) if changed else request

    async def joined(self, events: AsyncIterator[Event]) -> AsyncGenerator[Event, None]:
        """The next host's events, continued from the text so far."""
        try:
            async for event in events:
                match event:
                    case TextDelta():
                        text = self._new(event.text)
                        if text:
                            self.is_silent = False
                            yield replace(event, text=text)
                    case Source():
                        start = None if event.start is None else event.start + self._shift
                        end = None if event.end is None else event.end + self._shift
                        yield replace(event, start=start, end=end)
                    case Usage():
                        self.usage = event
                        yield event if self._before is None else self._before.plus(event)
                    case _:
                        yield event
        finally:
            if isinstance(events, AsyncGenerator):
                await events.aclose()

    def _new(self, text: str) -> str:
        """What of a piece the caller does not have yet."""
        if self._echo:
            length = min(len(self._echo), len(text))
            if self._echo[:length] != text[:length]:
                raise ProtocolError(
                    "the host was expected to repeat the text before continuing it, but returned another text"
                )
            self._echo, text = self._echo[length:], text[length:]
        if self._white and text:
            same = 0
            while same < min(len(self._white), len(text)) and self._white[same] == text[same]:
                same += 1
            # Where they part the rest of the white space will not come: it stands in the text already.
            self._white = self._white[same:] if same == len(text) else ""
            text = text[same:]
        return text
