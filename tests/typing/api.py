"""The public API as users use it; never run, checked by mypy and pyright."""

from __future__ import annotations

from typing import assert_type

from understudy import Attempt, Chain, Client, Event, Needs, Notice, Reply, Selection, Stream, Timeout, Usage


async def use() -> None:
    async with Client(config=False, plugins=False, timeout=Timeout(first_event=10)) as client:
        reply = await client.chat("Hello", model="openai/gpt-4o-mini", temperature=0.5)
        assert_type(reply, Reply)
        assert_type(reply.text, str)
        assert_type(reply.usage, Usage | None)
        assert_type(reply.notices, tuple[Notice, ...])
        assert_type(reply.attempts, tuple[Attempt, ...])
        assert_type(client.select(Needs("tools", working=True)), Selection)
        stream = client.stream([{"role": "user", "content": "Hello"}], chain=Chain("a/b", Needs("tools")))
        assert_type(stream, Stream)
        async with stream:
            async for event in stream:
                assert_type(event, Event)
            async for text in stream.text():
                assert_type(text, str)
            assert_type(await stream.reply(), Reply)
