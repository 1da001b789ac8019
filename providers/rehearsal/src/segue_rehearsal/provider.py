"""A host on loopback is opened for one answer, asked over a real socket, and closed again."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING

from segue.plugin import Model
from segue.testing import OpenAIHost, rehearsed
from segue.transport import exchange
from segue.wire import openai_chat

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from segue.plugin import Context, Event, Request


class Rehearsal:
    """Answers with what it was told, word by word."""

    name = "rehearsal"

    def models(self) -> Sequence[Model]:
        """Its one model."""
        return [Model("rehearsal")]

    async def stream(self, request: Request, context: Context) -> AsyncGenerator[Event, None]:
        """The answer's events, as the Chat Completions wire carries them."""
        said = request.messages[-1].text
        async with OpenAIHost(answer=lambda _: rehearsed(said)) as host:
            call = openai_chat.encode(request, model=context.model, base_url=host.url, headers={})
            async with aclosing(exchange(context.transport, call, openai_chat.Decoder())) as events:
                async for event in events:
                    yield event
