"""One request walks through the house: needs → registry → selection → chain → provider → sockets → text.

Three hosts are asked in turn, each a real server on this machine: the first refuses, the second says
503, the third answers. Run: ``python3 noxfile.py -s walk``
"""

from __future__ import annotations

import asyncio

from segue import Attempt, Chain, Client, Needs
from segue.testing import OpenAIHost, Status, refused_url


class Trace:
    """Prints each attempt as it begins and ends."""

    def attempt_started(self, provider: str, model: str) -> None:
        print(f"  → {provider}/{model}")

    def attempt_ended(self, attempt: Attempt) -> None:
        print(f"\n  ← {attempt}" if attempt.error is None else f"  ✗ {attempt}")


async def main() -> None:
    async with OpenAIHost(script=[Status(503, code="overloaded_error")]) as overloaded:
        config = {"providers": {"cromicle": {"base_url": refused_url()}, "openai": {"base_url": overloaded.url}}}
        async with Client(config=config, api_keys={"openai": "sk-loopback-only"}, observers=[Trace()]) as client:
            needs = Needs("working, supports_gpt_35_turbo")
            print("needs → registry → selection:")
            print(client.select(needs).explain())
            print("\nchain → provider → sockets:")
            async with client.stream("Hello from a fresh clone!", chain=Chain(needs, "rehearsal")) as stream:
                print("    ", end="")
                async for piece in stream.text():
                    print(piece, end="", flush=True)
                reply = await stream.reply()
            print(f"\nanswered by {reply.provider}/{reply.model}, {len(reply.attempts)} attempts")


if __name__ == "__main__":
    asyncio.run(main())
