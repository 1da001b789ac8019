"""Hosts in a process of their own, so that what is measured is the client's alone; written without the library.

The first part of a path says what the host does: ``good`` answers, ``down`` is status 503, ``cut`` closes in the middle
of its answer, ``long`` says a hundred words. It prints its port.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

WORDS = ("one", " two", " three", " four", " five")


def _event(delta: dict[str, str], finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return b"data: %b\n\n" % json.dumps({"id": "c1", "model": "m", "choices": [choice]}).encode()


def _streamed(words: tuple[str, ...]) -> bytes:
    return b"".join(_event({"content": word}) for word in words)


END = _event({}, "stop") + b"data: [DONE]\n\n"
MESSAGE = {"role": "assistant", "content": "".join(WORDS)}
WHOLE = json.dumps({"id": "c1", "model": "m", "choices": [{"index": 0, "message": MESSAGE, "finish_reason": "stop"}]})


def _answer(status: str, body: bytes, kind: str, length: int | None = None) -> bytes:
    size = len(body) if length is None else length
    return f"HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {size}\r\n\r\n".encode() + body


SSE = "text/event-stream"
STREAMED = {
    "good": _answer("200 OK", _streamed(WORDS) + END, SSE),
    "long": _answer("200 OK", _streamed(WORDS * 20) + END, SSE),
    "cut": _answer("200 OK", _streamed(WORDS[:2]), SSE, 4096),
}
ASKED_WHOLE = {
    "good": _answer("200 OK", WHOLE.encode(), "application/json"),
    "cut": _answer("200 OK", WHOLE.encode()[:60], "application/json", 4096),
}
ASKED_WHOLE["long"] = ASKED_WHOLE["good"]
DOWN = _answer("503 Service Unavailable", b'{"error":{"message":"down"}}', "application/json")


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            what = head.split(b"/", 2)[1].decode()
            length = int(head.split(b"content-length:")[1].split(b"\r\n")[0])
            body = await reader.readexactly(length)
            answers = STREAMED if b'"stream":true' in body.replace(b" ", b"") else ASKED_WHOLE
            writer.write(answers.get(what, DOWN))
            await writer.drain()
            if what == "cut":
                break
    writer.close()


async def _main() -> None:
    server = await asyncio.start_server(_serve, "127.0.0.1", 0, backlog=512)
    print(server.sockets[0].getsockname()[1], flush=True)
    async with server:
        await server.serve_forever()


@contextlib.contextmanager
def running() -> Iterator[str]:
    """Their address, while they run."""
    process = subprocess.Popen([sys.executable, __file__], stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


if __name__ == "__main__":
    asyncio.run(_main())
