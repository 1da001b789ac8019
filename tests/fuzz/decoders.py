"""Fuzz the decoders with atheris: any bytes, in any pieces, give events or an error of ours, and the same ones.

``python3 noxfile.py -s fuzz -- sse 600`` runs one target for so many seconds: ``sse``, ``event_stream`` or ``json``.
Recorded bodies are the seeds where there is a corpus. What was found is written to a file, and the run fails.
"""

from __future__ import annotations

import struct
import sys
import tempfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import atheris

sys.path.insert(0, str(Path(__file__).parents[1] / "wires"))

with atheris.instrument_imports(include=["segue", "segue_bedrock", "segue_cohere", "segue_google"]):
    import corpus

    from segue import SegueError
    from segue.wire.sse import SSEDecoder
    from segue_bedrock.event_stream import EventStreamDecoder

if TYPE_CHECKING:
    from collections.abc import Callable

APIS = tuple(sorted(corpus.DECODERS))


def pieces(data: bytes) -> tuple[bytes, list[bytes]]:
    """The bytes, and the same in three pieces; the first two say where they are cut."""
    head, body = data[:2].ljust(2, b"\0"), data[2:]
    places = [byte * (len(body) + 1) // 256 for byte in head]
    return body, corpus.cut(body, places)


def _events(decoder: SSEDecoder | EventStreamDecoder, parts: list[bytes]) -> tuple[list[object], str]:
    found: list[object] = []
    try:
        for part in parts:
            found.extend(decoder.feed(part))
    except SegueError as error:
        return found, repr(error)
    return found, ""


def sse(data: bytes) -> None:
    """An event stream of text."""
    body, cut = pieces(data)
    whole, error = _events(SSEDecoder(max_event_bytes=4096), [body])
    told, again = _events(SSEDecoder(max_event_bytes=4096), cut)
    assert error == again
    assert error or whole == told


def event_stream(data: bytes) -> None:
    """Frames, and the wire that is told in them: as they come, and with the checksums that they must have."""
    body, cut = pieces(data)
    assert _events(EventStreamDecoder(), cut) == _events(EventStreamDecoder(), [body])
    stream = b"".join(map(frame, body.split(b"\n")))
    _read("bedrock-converse", *pieces(data[:2] + stream))


KINDS = (
    "messageStart", "contentBlockStart", "contentBlockDelta", "contentBlockStop", "messageStop", "metadata",
    "throttlingException", "other",
)  # fmt: skip


def frame(line: bytes) -> bytes:
    """A frame with right checksums; the line's first byte says of which kind, the rest is its payload."""
    kind = KINDS[(line[0] if line else 0) % len(KINDS)]
    told = "exception" if kind.endswith("Exception") else "event"
    headers = b"".join(
        bytes([len(name)]) + name.encode() + b"\7" + struct.pack(">H", len(value)) + value.encode()
        for name, value in ((":message-type", told), (f":{told}-type", kind))
    )
    prelude = struct.pack(">II", 16 + len(headers) + len(line[1:]), len(headers))
    message = prelude + struct.pack(">I", zlib.crc32(prelude)) + headers + line[1:]
    return message + struct.pack(">I", zlib.crc32(message))


def json(data: bytes) -> None:
    """Whole answers and streams of every wire; the first byte says which."""
    api = APIS[(data[0] if data else 0) % len(APIS)]
    _read(api, *pieces(data[1:]))


def _read(api: str, body: bytes, cut: list[bytes]) -> None:
    make = corpus.DECODERS[api]
    whole, told = corpus.Reading(make(), [body]), corpus.Reading(make(), cut)
    # The words of an error may be of what was seen first; its kind may not change.
    assert (told.events, type(told.error)) == (whole.events, type(whole.error))


def seeds(target: str, folder: Path) -> None:
    """What the fuzzer begins with: the smallest recordings of each wire."""
    wanted = ("bedrock-converse",) if target == "event_stream" else APIS
    for api in wanted:
        bodies = [exchange.body for exchange in corpus.index() if exchange.api == api and not exchange.failed]
        for number, body in enumerate(sorted(bodies, key=len)[:40]):
            head = bytes([APIS.index(api), 80, 160]) if target == "json" else bytes([80, 160])
            if target == "event_stream" and not body.startswith(b"{"):
                (folder / f"lines-{number}").write_bytes(head + b"\n".join(_lines(body)))
            (folder / f"{api}-{number}").write_bytes(head + body[:20_000])


def _lines(body: bytes) -> list[bytes]:
    return [
        bytes([KINDS.index(found.text(":event-type"))]) + found.payload
        for found in EventStreamDecoder().feed(body)
        if found.text(":event-type") in KINDS
    ]


TARGETS: dict[str, Callable[[bytes], None]] = {"sse": sse, "event_stream": event_stream, "json": json}

if __name__ == "__main__":
    name, seconds = sys.argv[1], int(sys.argv[2])
    with tempfile.TemporaryDirectory() as kept:
        seeds(name, Path(kept))
        options = [f"-max_total_time={seconds}", "-max_len=20003", "-timeout=20", "-rss_limit_mb=4096"]
        atheris.Setup([sys.argv[0], *options, "-print_final_stats=1", kept], TARGETS[name])
        atheris.Fuzz()
