"""Opens a host on loopback for one answer, calls it over a real socket, and closes it again."""

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
    """Answers with the text of the request, word by word."""

    name = "rehearsal"

    def models(self) -> Sequence[Model]:
        """The only model."""
        return [Model("rehearsal")]

    async def stream(self, request: Request, context: Context) -> AsyncGenerator[Event, None]:
        """The events of the answer, on the Chat Completions wire."""
        said = request.messages[-1].text
        async with OpenAIHost(answer=lambda _: rehearsed(said)) as host:
            call = openai_chat.encode(request, model=context.model, base_url=host.url, headers={})
            async with aclosing(exchange(context.transport, call, openai_chat.Decoder())) as events:
                async for event in events:
                    yield event
