"""The wire of Cromicle: it sends one prompt as JSON, and receives plain text as it is generated.

The public host has been reported as retired. The ``hash`` is a checksum that the wire requires. It is not a security
feature: the token is the same for everyone.
"""

from __future__ import annotations

import codecs
import json
from contextlib import aclosing
from hashlib import sha256
from typing import TYPE_CHECKING, Any, ClassVar

from segue.plugin import AsyncGeneratorProvider, Finish, Notice, TextDelta
from segue.transport import NO_TIMEOUT, AiohttpTransport, Call, answered

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from segue.plugin import AsyncResult, Context, Event, Messages, Request
    from segue.transport import Response

_TOKEN = "abc"  # noqa: S105 - no secret: the wire wants it of everybody


class Cromicle(AsyncGeneratorProvider):
    """A public host that accepts anonymous calls and answers with plain text only."""

    url: ClassVar[str] = "https://cromicle.top"
    working = True
    supports_gpt_35_turbo = True
    public = True

    @classmethod
    async def create_async_generator(
        cls,
        model: str,  # noqa: ARG003 - the contract has it
        messages: Messages,
        proxy: str | None = None,
        **kwargs: Any,  # noqa: ARG003 - the contract has it
    ) -> AsyncResult:
        """The pieces of the answer as they arrive; ``model`` and ``kwargs`` are not sent, and there is no timeout."""
        call = _call(cls.url, messages)
        transport = AiohttpTransport(timeout=NO_TIMEOUT, proxy=proxy)
        del messages, proxy  # an error keeps this frame
        async with transport, answered(call, transport=transport) as answer, aclosing(_pieces(answer)) as pieces:
            async for piece in pieces:
                yield piece

    @classmethod
    async def stream_events(cls, request: Request, context: Context) -> AsyncGenerator[Event, None]:
        """The events of the answer; without an end marker, only the framing of HTTP can prove that it is complete."""
        for name in request.settings.given():
            yield Notice(name, "Cromicle does not support settings; it was not sent")
        messages = [{"role": message.role, "content": message.text} for message in request.messages]
        async with answered(_call(cls.url, messages), transport=context.transport) as answer:
            async with aclosing(_pieces(answer)) as pieces:
                async for piece in pieces:
                    yield TextDelta(piece)
            if answer.delimited:
                yield Finish("stop")
            else:
                yield Notice(
                    "finish_reason", "the answer ended with the connection, which does not prove that it is complete"
                )
                yield Finish("unknown")


def _call(url: str, messages: Messages) -> Call:
    return Call(f"{url}/chat", _create_header(), json.dumps(_create_payload(format_prompt(messages))).encode())


async def _pieces(answer: Response) -> AsyncGenerator[str, None]:
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    async with aclosing(answer.chunks()) as chunks:
        async for data in chunks:
            if piece := decoder.decode(data):
                yield piece
    if piece := decoder.decode(b"", final=True):
        yield piece


def _create_header() -> dict[str, str]:
    return {"accept": "*/*", "content-type": "application/json"}


def _create_payload(message: str) -> dict[str, str]:
    return {"message": message, "token": _TOKEN, "hash": sha256(_TOKEN.encode() + message.encode()).hexdigest()}


def format_prompt(messages: Messages) -> str:
    """One prompt from several messages: the content of a single message, else ``Role: content`` lines.

    Empty contents are left out; a last line ``Assistant:`` asks for the answer. ValueError if there are no messages.
    """
    if not messages:
        raise ValueError("messages is empty: give at least one")
    if len(messages) == 1:
        return str(messages[0]["content"])
    lines = [f"{str(message['role']).capitalize()}: {message['content']}" for message in messages if message["content"]]
    return "\n".join([*lines, "Assistant:"])
