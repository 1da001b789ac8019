"""A host in a process of its own that streams pre-rendered answers on other wires; written without the library.

``/messages`` is Anthropic's wire, ``/responses`` OpenAI's newer one. The answer has so many pieces as ``--chunks``
says, each an HTTP chunk, all in one write. It prints its port.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json


def _event(name: str, told: dict[str, object]) -> bytes:
    event = b"event: %b\ndata: %b\n\n" % (name.encode(), json.dumps({"type": name, **told}).encode())
    return b"%x\r\n%b\r\n" % (len(event), event)


def _messages(count: int) -> bytes:
    usage = {"input_tokens": 12, "output_tokens": 1}
    message = {"id": "m1", "type": "message", "role": "assistant", "model": "m", "content": [], "usage": usage}
    text = {"type": "text", "text": ""}
    return b"".join([
        _event("message_start", {"message": message}),
        _event("content_block_start", {"index": 0, "content_block": text}),
        *(
            _event("content_block_delta", {"index": 0, "delta": {"type": "text_delta", "text": f" tok{place}"}})
            for place in range(count)
        ),
        _event("content_block_stop", {"index": 0}),
        _event("message_delta", {"delta": {"stop_reason": "end_turn", "stop_sequence": None}, "usage": usage}),
        _event("message_stop", {}),
    ])  # fmt: skip


def _responses(count: int) -> bytes:
    begun = {"id": "r1", "object": "response", "model": "m", "status": "in_progress", "output": []}
    place = {"item_id": "i1", "output_index": 0, "content_index": 0}
    item = {"id": "i1", "type": "message", "role": "assistant", "status": "in_progress", "content": []}
    part = {"type": "output_text", "text": "", "annotations": []}
    text = "".join(f" tok{number}" for number in range(count))
    whole = {**item, "status": "completed", "content": [{**part, "text": text}]}
    usage = {"input_tokens": 12, "output_tokens": count, "total_tokens": 12 + count}
    ended = {**begun, "status": "completed", "output": [whole], "usage": usage}
    return b"".join([
        _event("response.created", {"response": begun}),
        _event("response.output_item.added", {"output_index": 0, "item": item}),
        _event("response.content_part.added", {**place, "part": part}),
        *(_event("response.output_text.delta", {**place, "delta": f" tok{number}"}) for number in range(count)),
        _event("response.output_text.done", {**place, "text": text}),
        _event("response.content_part.done", {**place, "part": {**part, "text": text}}),
        _event("response.output_item.done", {"output_index": 0, "item": whole}),
        _event("response.completed", {"response": ended}),
    ])  # fmt: skip


HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


async def _main(count: int) -> None:
    bodies = {b"messages": _messages(count), b"responses": _responses(count)}

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                await reader.readexactly(int(head.split(b"content-length:")[1].split(b"\r\n")[0]))
                writer.write(HEAD + bodies[head.split(b" ", 2)[1].rpartition(b"/")[2]] + b"0\r\n\r\n")
                await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--chunks", type=int, default=4000)
    asyncio.run(_main(parser.parse_args().chunks))
