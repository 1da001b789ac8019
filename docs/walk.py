"""One request from needs to text, while its first two hosts fail.

Each host is a real server on this machine: the first refuses the connection, the second dies in the middle of a
sentence, the third continues it. Run: ``python3 noxfile.py -s walk``
"""

from __future__ import annotations

import asyncio

from segue import Attempt, AttemptStart, Chain, Client, Handover, Host, Needs, Observer, Retry, TextDelta
from segue.testing import Answer, Body, OpenAIHost, refused_url

NEEDS = Needs("tools, context>=100k")
BEGINNING = ["When one provider", " cannot go on,", " the next"]
REST = [" one does:", " without a pause,", " in mid-sentence if need be."]


class Trace(Observer):
    """Prints each attempt as it begins and ends."""

    def attempt_started(self, start: AttemptStart, /) -> None:
        print(f"   → {start.provider}/{start.model} at {start.address}")

    def attempt_ended(self, attempt: Attempt, /) -> None:
        if attempt.error is not None:
            print(f"   ✗ {type(attempt.error).__name__}: {attempt.error.args[0]}")


def row(name: str, url: str, context: int) -> Host:
    """A host of the Chat Completions wire, and the facts of its models."""
    return Host(name, url, models=["m-1"], capabilities={"tools": True, "context": context, "prefill": True})


async def main() -> None:
    # The bytes of a streamed answer, up to where the second host dies: its end marker never comes.
    whole = OpenAIHost.sse_body(BEGINNING, usage=False)
    begun = whole[: whole.index(b'"finish_reason":"stop"')].rpartition(b"data:")[0]
    async with OpenAIHost(script=[Body(begun)]) as dying, OpenAIHost(script=[Answer(tokens=REST)]) as healthy:
        hosts = [
            row("alto", f"{refused_url()}/v1", 128_000),
            row("bass", dying.url, 128_000),
            row("cello", healthy.url, 200_000),
            row("flute", healthy.url, 8_000),
        ]
        async with Client(
            providers=hosts, config=False, plugins=False, observers=[Trace()], retry=Retry(count=0)
        ) as client:
            print("1. Select: which models meet the needs, and why the others do not")
            print(client.select(NEEDS).explain())
            print("\n2. Ask: each attempt, and the text as it arrives")
            async with client.stream("What is a segue?", chain=Chain(NEEDS, mid_stream="continue")) as stream:
                async for event in stream:
                    match event:
                        case TextDelta():
                            print(f"     {event.text.strip()}")
                        case Handover():
                            print(f"   ⤷ {event.provider} continues after {event.text_length} characters")
                        case _:
                            pass
                reply = await stream.reply()
            print(f"\n3. The whole answer, from {reply.provider}/{reply.model} after {len(reply.attempts)} attempts")
            print(f"   {reply.text}")


if __name__ == "__main__":
    asyncio.run(main())
