"""Every byte: a stream cut there never ends as a whole answer, in process and on sockets; a split changes nothing."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from short_stream import BODY, TEXT, TOKENS, read, told

from segue import Finish, ProtocolError, ProviderError, StreamBrokenError
from segue.testing import Cut, OpenAIHost, Raw
from segue.transport import NO_TIMEOUT, AiohttpTransport, exchange
from segue.wire import Call
from segue.wire.openai_chat import Decoder

if TYPE_CHECKING:
    from segue import Event

ASKED = (
    b'{"model":"m","messages":[{"role":"user","content":"x"}],"stream":true,"stream_options":{"include_usage":true}}'
)


def recorded() -> list[Any]:
    """Short recorded streams of OpenAI itself, where the corpus is there."""
    folder = Path(os.environ.get("SEGUE_WIRE", Path(__file__).parents[3] / "shared" / "wire")) / "openai-chat"
    found = [pytest.param(BODY, {"text": TEXT}, id="ours")]
    for path in sorted(folder.glob("*.json")):
        exchange_ = json.loads(path.read_text("utf-8"))
        response = exchange_["response"]
        if response["is_stream"] and response["status"] == 200 and len(response["body"]) < 6000:
            found.append(pytest.param(response["body"].encode(), exchange_["expected"], id=path.stem))
    if len(found) == 1:
        found.append(pytest.param(b"", {}, marks=pytest.mark.skip(reason="no corpus in ../shared/wire"), id="corpus"))
    return found


FRAMINGS = ["chunked", "length", "close"]


@pytest.mark.parametrize("framing", FRAMINGS)
@pytest.mark.parametrize("how", ["close", "reset"])
async def test_a_cut_stream_is_never_whole_on_a_socket(framing: Any, how: Any) -> None:
    """Cut at each offset, the text so far is a prefix of the answer and an error says that it is not whole."""
    end = BODY.index(b"[DONE]\n\n") + len(b"[DONE]\n\n")
    # Each framing has every third offset, the three together each one; `nox -s cuts` has each of every framing.
    offsets = range(FRAMINGS.index(framing), end, len(FRAMINGS))
    script = [Cut(offset, how=how) for offset in offsets]
    cut = 0
    async with (
        OpenAIHost(answer=TOKENS, script=script, framing=framing) as host,
        AiohttpTransport(timeout=NO_TIMEOUT) as transport,
    ):
        call = Call(f"{host.url}/chat/completions", {"content-type": "application/json"}, ASKED)
        for offset in offsets:
            events: list[Event] = []
            try:
                async for event in exchange(transport, call, Decoder()):
                    events.append(event)
            except ProviderError:
                cut += 1
            assert TEXT.startswith(told(events))
            assert not any(isinstance(event, Finish) for event in events), offset
    assert cut == len(offsets)


@pytest.mark.parametrize(("body", "expected"), recorded())
def test_a_cut_recording_is_never_whole(body: bytes, expected: dict[str, Any]) -> None:
    """Recorded streams of OpenAI, cut at each offset and ended by the connection, raise."""
    whole = read(body)
    assert told(whole) == (expected["text"] or "")
    end = body.rindex(b"[DONE]") + len(b"[DONE]")
    for offset in range(end):
        with pytest.raises((StreamBrokenError, ProtocolError)):
            read(body[:offset], delimited=False)


@pytest.mark.parametrize(("body", "expected"), recorded())
def test_a_recording_reads_the_same_in_every_split(body: bytes, expected: dict[str, Any]) -> None:
    """Each split in two, and byte by byte, gives the events of the whole."""
    whole = read(body)
    assert read(*(body[place : place + 1] for place in range(len(body)))) == whole
    for place in range(0, len(body), 7):
        assert read(body[:place], body[place:]) == whole


def cut_answer(body: bytes, offset: int, framing: str) -> bytes:
    """An HTTP answer in this framing whose body ends after so many bytes."""
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
    match framing:
        case "chunked":
            return head + b"transfer-encoding: chunked\r\n\r\n%x\r\n%b" % (len(body), body[:offset])
        case "length":
            return head + b"content-length: %d\r\n\r\n%b" % (len(body), body[:offset])
        case _:
            return head + b"connection: close\r\n\r\n" + body[:offset]


@pytest.mark.parametrize("framing", FRAMINGS)
@pytest.mark.parametrize("how", ["close", "reset"])
async def test_the_shortest_recording_cut_on_a_socket_is_never_whole(framing: Any, how: Any) -> None:
    """The shortest recorded stream of OpenAI, cut at each offset on a real socket, always ends in an error."""
    bodies = [param.values[0] for param in recorded()[1:] if param.values[0]]
    if not bodies:
        pytest.skip("no corpus in ../shared/wire")
    body = min(bodies, key=len)
    offsets = range(FRAMINGS.index(framing), body.rindex(b"[DONE]") + len(b"[DONE]"), len(FRAMINGS))  # as above
    script = [Raw(cut_answer(body, offset, framing), how=how) for offset in offsets]
    async with OpenAIHost(script=script) as host, AiohttpTransport(timeout=NO_TIMEOUT) as transport:
        call = Call(f"{host.url}/chat/completions", {"content-type": "application/json"}, ASKED)
        for offset in offsets:
            with pytest.raises(ProviderError):  # noqa: PT012 - every event of the cut answer is looked at
                async for event in exchange(transport, call, Decoder()):
                    assert not isinstance(event, Finish), offset
        assert len(host.requests) == len(offsets)
