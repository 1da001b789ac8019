"""A host that knows the whole answer and goes on with it from any beginning, on three wires.

Nothing of the library is used here: requests are read and answers written by hand, as the vendors' pages have them.
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Self, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Wire: TypeAlias = Literal["chat", "messages", "gemini"]
Framing: TypeAlias = Literal["chunked", "length", "close"]
End: TypeAlias = Literal["close", "reset"]

INPUT, OUTPUT = 1_000, 50
"""What a continuing host counts of itself."""


class RefusedError(Exception):
    """The host answers with status 400."""


def beginning(wire: Wire, asked: Mapping[str, Any]) -> str:
    """The text that the assistant is said to have said already; empty where the last word is the user's."""
    match wire:
        case "chat":
            last = asked["messages"][-1]
            return str(last["content"]) if last["role"] == "assistant" else ""
        case "messages":
            last = asked["messages"][-1]
            if last["role"] != "assistant":
                return ""
            content = last["content"]
            text = content if isinstance(content, str) else "".join(block["text"] for block in content)
            if text != text.rstrip():
                raise RefusedError("messages: final assistant content cannot end with trailing whitespace")
            return text
        case "gemini":
            last = asked["contents"][-1]
            return "".join(part["text"] for part in last["parts"]) if last["role"] == "model" else ""


def rest(wire: Wire, asked: Mapping[str, Any], whole: str) -> bytes:
    """The body of the answer that goes on from there to the end of ``whole``."""
    said = beginning(wire, asked)
    if not whole.startswith(said):
        raise RefusedError(f"{said!r} is no beginning of the answer")
    left = whole[len(said) :]
    third = len(left) // 3
    pieces = [piece for piece in (left[:third], left[third : 2 * third], left[2 * third :]) if piece]
    return b"".join(WRITERS[wire](pieces))


def _event(payload: object, name: str = "") -> bytes:
    named = f"event: {name}\n" if name else ""
    return f"{named}data: {json.dumps(payload)}\n\n".encode()


def _chat(pieces: list[str]) -> list[bytes]:
    def chunk(delta: dict[str, Any], finish: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        return _event({"id": "c2", "object": "chat.completion.chunk", "model": "whole", "choices": [choice]})

    usage = {"prompt_tokens": INPUT, "completion_tokens": OUTPUT, "total_tokens": INPUT + OUTPUT}
    return [
        chunk({"role": "assistant", "content": ""}),
        *(chunk({"content": piece}) for piece in pieces),
        chunk({}, "stop"),
        _event({"id": "c2", "object": "chat.completion.chunk", "model": "whole", "choices": [], "usage": usage}),
        b"data: [DONE]\n\n",
    ]


def _messages(pieces: list[str]) -> list[bytes]:
    message = {
        "id": "m2", "type": "message", "role": "assistant", "model": "whole", "content": [], "stop_reason": None,
        "stop_sequence": None, "usage": {"input_tokens": INPUT, "output_tokens": 1},
    }  # fmt: skip
    delta = {"stop_reason": "end_turn", "stop_sequence": None}
    block = {"type": "text", "text": ""}
    return [
        _event({"type": "message_start", "message": message}, "message_start"),
        _event({"type": "content_block_start", "index": 0, "content_block": block}, "content_block_start"),
        *(
            _event(
                {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": piece}},
                "content_block_delta",
            )
            for piece in pieces
        ),
        _event({"type": "content_block_stop", "index": 0}, "content_block_stop"),
        _event({"type": "message_delta", "delta": delta, "usage": {"output_tokens": OUTPUT}}, "message_delta"),
        _event({"type": "message_stop"}, "message_stop"),
    ]


def _gemini(pieces: list[str]) -> list[bytes]:
    def chunk(text: str, finish: str | None = None) -> bytes:
        candidate: dict[str, Any] = {"content": {"role": "model", "parts": [{"text": text}]}, "index": 0}
        payload: dict[str, Any] = {"candidates": [candidate], "modelVersion": "whole", "responseId": "g2"}
        if finish is not None:
            candidate["finishReason"] = finish
            payload["usageMetadata"] = {
                "promptTokenCount": INPUT, "candidatesTokenCount": OUTPUT, "totalTokenCount": INPUT + OUTPUT,
            }  # fmt: skip
        return _event(payload)

    return [*(chunk(piece) for piece in pieces), chunk("", "STOP")]


WRITERS: Mapping[Wire, Callable[[list[str]], list[bytes]]] = {"chat": _chat, "messages": _messages, "gemini": _gemini}


def is_for_the_cut_one(path: str, asked: Mapping[str, Any]) -> bool:
    """Whether the model that breaks off is asked, and not the one that goes on."""
    return asked.get("model") == "cut" or "/models/cut:" in path


@dataclass
class Sockets:
    """Both hosts behind one address: the model ``cut`` sends so many bytes of a body, ``whole`` goes on with it."""

    wire: Wire
    whole: str
    body: bytes = b""
    at: int = 0
    framing: Framing = "chunked"
    end: End = "close"
    requests: int = 0
    refused: str | None = None

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self._tasks: set[asyncio.Task[None]] = set()
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.sockets[0].getsockname()[1])

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            while await self._answered(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the client has left, as it may
        finally:
            writer.close()

    async def _answered(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer one request; whether the connection can have another."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        lines = head.split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
        asked = json.loads(await reader.readexactly(int(headers["content-length"])))
        self.requests += 1
        if is_for_the_cut_one(lines[0].split()[1], asked):
            await self._cut(writer)
            return False
        try:
            body, status = rest(self.wire, asked, self.whole), "200 OK"
        except RefusedError as refused:
            self.refused = str(refused)
            body, status = json.dumps({"error": {"message": str(refused)}}).encode(), "400 Bad Request"
        kind = "text/event-stream" if status.startswith("200") else "application/json"
        head = f"HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body)
        await writer.drain()
        return True

    async def _cut(self, writer: asyncio.StreamWriter) -> None:
        told = {
            "chunked": b"transfer-encoding: chunked\r\n",
            "length": b"content-length: %d\r\n" % len(self.body),
            "close": b"",
        }[self.framing]
        data = self.body[: self.at]
        if self.framing == "chunked" and data:
            data = b"%x\r\n%b\r\n" % (len(data), data)
        head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n" + told
        writer.write(head + b"\r\n" + data)
        await writer.drain()
        if self.end == "reset":
            # Linger for no time: the kernel then resets in place of closing.
            socket_of(writer).setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort() if self.end == "reset" else writer.close()


def socket_of(writer: asyncio.StreamWriter) -> socket.socket:
    """The socket under a writer."""
    given: socket.socket = writer.get_extra_info("socket")
    return given
