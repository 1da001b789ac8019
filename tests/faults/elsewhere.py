"""A call that is made in another process, which imports it by this name."""

from __future__ import annotations

import asyncio

from segue import Chain, Client, Retry
from segue.plugin import Host


def ask(url: str, targets: tuple[str, ...], streamed: bool) -> None:
    """Ask the host at this address as each of these targets."""

    async def asked() -> None:
        rows = [Host(name, url, models=["m"]) for name in ("a", "b")]
        async with Client(providers=rows, plugins=False, config=False, retry=Retry(count=0)) as client:
            async with client.stream("hello", chain=Chain(*targets)) as stream:
                if streamed:
                    async for _ in stream:
                        pass
                await stream.reply()

    asyncio.run(asked())
