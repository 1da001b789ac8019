"""What a peer costs above the floor, measured inside its own environment, which `bench.py` starts: ratios as JSON.

The peer is named on the command line, then the host and the path of floor.py. Each does what its documentation shows
for an application that makes many calls: one client, kept. What it cannot do is left out. With ``--first`` it gives one
answer and ends, to be measured from outside.
"""

from __future__ import annotations

import asyncio
import gc
import importlib.util
import json
import logging
import os
import statistics
import sys
import time
import warnings
from importlib.metadata import version
from typing import Any

CALLS, CHUNKS, ROUNDS = 32, 400, 3
TEXT = "Say something short."
MESSAGES: list[Any] = [{"role": "user", "content": TEXT}]


class Peer:
    """How a peer is asked; what it cannot do stays None."""

    distribution = ""
    stream: Any = None
    fallback: Any = None

    def __init__(self, base: str) -> None:
        self.base = base

    async def call(self) -> None:
        raise NotImplementedError


class OpenAI(Peer):
    """With aiohttp below it, which its documentation recommends for many calls."""

    distribution = "openai"

    def __init__(self, base: str) -> None:
        from openai import AsyncOpenAI, DefaultAioHttpClient

        self.client = AsyncOpenAI(api_key="sk-bench", base_url=base, http_client=DefaultAioHttpClient(), max_retries=0)

    async def call(self) -> None:
        await self.client.chat.completions.create(model="bench", messages=MESSAGES)

    async def stream(self, model: str, count: int) -> int:  # type: ignore[override]
        seen = 0
        async for chunk in await self.client.chat.completions.create(
            model=model, messages=MESSAGES, stream=True, max_tokens=count
        ):
            seen += bool(chunk.choices and chunk.choices[0].delta.content)
        return seen


class GPT4Free(Peer):
    """Its provider of hosts that speak OpenAI's wire, and its own iteration over providers."""

    distribution = "g4f"

    def __init__(self, base: str) -> None:
        from g4f.Provider.template import OpenaiTemplate

        class Bench(OpenaiTemplate):  # type: ignore[misc]
            base_url = api_base = base
            working = True
            needs_auth = False
            default_model = "bench"
            models = ["bench", "each", "fail500"]  # noqa: RUF012

        self.bench = Bench

    async def call(self) -> None:
        async for _ in self.bench.create_async_generator("bench", MESSAGES, stream=False, api_key="sk-bench"):
            pass

    async def stream(self, model: str, count: int) -> int:  # type: ignore[override]
        seen = 0
        async for piece in self.bench.create_async_generator(
            model, MESSAGES, stream=True, api_key="sk-bench", max_tokens=count
        ):
            seen += isinstance(piece, str)
        return seen


class PydanticAI(Peer):
    distribution = "pydantic-ai-slim"

    def __init__(self, base: str) -> None:
        from openai import AsyncOpenAI
        from pydantic_ai import Agent
        from pydantic_ai.models.fallback import FallbackModel
        from pydantic_ai.models.openai import OpenAIChatModel
        from pydantic_ai.providers.openai import OpenAIProvider

        client = AsyncOpenAI(base_url=base, api_key="sk-bench", max_retries=0)
        provider = OpenAIProvider(openai_client=client)
        names = ("bench", "each", "fail500")
        models = {name: OpenAIChatModel(name, provider=provider) for name in names}
        self.agents = {name: Agent(model) for name, model in models.items()}
        self.falling = Agent(FallbackModel(models["fail500"], models["bench"]))

    async def call(self) -> None:
        await self.agents["bench"].run(TEXT)

    async def stream(self, model: str, count: int) -> int:  # type: ignore[override]
        seen = 0
        async with self.agents[model].run_stream(TEXT, model_settings={"max_tokens": count}) as result:
            async for _ in result.stream_text(delta=True, debounce_by=None):
                seen += 1
        return seen

    async def fallback(self) -> None:  # type: ignore[override]
        await self.falling.run(TEXT)


class LiteLLM(Peer):
    distribution = "litellm"

    def __init__(self, base: str) -> None:
        import litellm

        litellm.suppress_debug_info = True
        self.litellm = litellm
        self.options = {"api_base": base, "api_key": "sk-bench", "messages": MESSAGES, "num_retries": 0}
        listed = [
            {"model_name": name, "litellm_params": {"model": f"openai/{name}", "api_base": base, "api_key": "sk-bench"}}
            for name in ("fail500", "bench")
        ]
        self.router = litellm.Router(
            model_list=listed, fallbacks=[{"fail500": ["bench"]}], num_retries=0, disable_cooldowns=True
        )

    async def call(self) -> None:
        await self.litellm.acompletion(model="openai/bench", **self.options)

    async def stream(self, model: str, count: int) -> int:  # type: ignore[override]
        seen = 0
        async for chunk in await self.litellm.acompletion(
            model=f"openai/{model}", stream=True, max_tokens=count, **self.options
        ):
            seen += bool(chunk.choices and chunk.choices[0].delta.content)
        return seen

    async def fallback(self) -> None:  # type: ignore[override]
        await self.router.acompletion(model="fail500", messages=MESSAGES)


class AnyLLM(Peer):
    distribution = "any-llm-sdk"

    def __init__(self, base: str) -> None:
        from any_llm import AnyLLM as Their

        self.client = Their.create("openai", api_key="sk-bench", api_base=base)

    async def call(self) -> None:
        await self.client.acompletion(model="bench", messages=MESSAGES)

    async def stream(self, model: str, count: int) -> int:  # type: ignore[override]
        seen = 0
        async for chunk in await self.client.acompletion(model=model, messages=MESSAGES, stream=True, max_tokens=count):
            seen += bool(chunk.choices and chunk.choices[0].delta.content)
        return seen


class Aisuite(Peer):
    """It is not asynchronous; its calls are made one after the other in this thread."""

    distribution = "aisuite"

    def __init__(self, base: str) -> None:
        import aisuite

        self.client = aisuite.Client({"openai": {"api_key": "sk-bench", "base_url": base}})

    async def call(self) -> None:
        self.client.chat.completions.create(model="openai:bench", messages=MESSAGES)


class LLM(Peer):
    """Its asynchronous model of a host that speaks OpenAI's wire; it makes a client for each call."""

    distribution = "llm"

    def __init__(self, base: str) -> None:
        from llm.default_plugins.openai_models import AsyncChat

        self.models = {
            name: AsyncChat(name, model_name=name, api_base=base, key="sk-bench") for name in ("bench", "each")
        }

    async def call(self) -> None:
        await (await self.models["bench"].prompt(TEXT, stream=False, key="sk-bench")).text()

    async def stream(self, model: str, count: int) -> int:  # type: ignore[override]
        seen = 0
        async for _ in self.models[model].prompt(TEXT, stream=True, key="sk-bench", max_tokens=count):
            seen += 1
        return seen


class LangChain(Peer):
    distribution = "langchain-openai"

    def __init__(self, base: str) -> None:
        from langchain_openai import ChatOpenAI

        def model(name: str, **options: Any) -> Any:
            return ChatOpenAI(model=name, base_url=base, api_key="sk-bench", max_retries=0, **options)

        self.model = model
        self.bench = model("bench")
        self.falling = model("fail500").with_fallbacks([self.bench])

    async def call(self) -> None:
        await self.bench.ainvoke(TEXT)

    async def stream(self, model: str, count: int) -> int:  # type: ignore[override]
        seen = 0
        async for chunk in self.model(model, max_tokens=count).astream(TEXT):
            seen += bool(chunk.content)
        return seen

    async def fallback(self) -> None:  # type: ignore[override]
        await self.falling.ainvoke(TEXT)


PEERS: dict[str, type[Peer]] = {
    "openai": OpenAI, "gpt4free": GPT4Free, "pydantic-ai": PydanticAI, "litellm": LiteLLM, "any-llm": AnyLLM,
    "aisuite": Aisuite, "llm": LLM, "langchain": LangChain,
}  # fmt: skip


async def cpu(work: Any, count: int) -> float:
    """CPU seconds of this process a unit of work."""
    gc.collect()
    before = time.process_time()
    await work()
    return (time.process_time() - before) / count


async def ratio(floor: Any, work: Any, count: int) -> str:
    """The median of its cost by the floor's; why not, where it fails."""
    try:
        await floor()
        await work()
        ratios = []
        for _ in range(ROUNDS):
            before = await cpu(floor, count)
            figure = await cpu(work, count)
            ratios.append(figure / ((before + await cpu(floor, count)) / 2))
    except Exception as error:  # a peer may raise anything, and the table says so
        return f"{type(error).__name__}"
    return f"{statistics.median(ratios):.1f} ×"


async def measure(peer: Peer, base: str, path: str) -> dict[str, str]:
    """All that it can do."""
    spec = importlib.util.spec_from_file_location("floor", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    call, stream, fallback = await module.make(base)

    def times(work: Any, at_once: int = 1) -> Any:
        async def all_of_it() -> None:
            for _ in range(max(1, CALLS // at_once)):
                await asyncio.gather(*(work() for _ in range(at_once))) if at_once > 1 else await work()

        return all_of_it

    def chunks(model: str) -> Any:
        async def read() -> None:
            seen = await peer.stream(model, CHUNKS)
            assert seen >= CHUNKS * 0.9, seen

        return read

    found = {"call": await ratio(times(call), times(peer.call), CALLS)}
    if not isinstance(peer, Aisuite):
        found["many"] = await ratio(times(call, 32), times(peer.call, 32), CALLS)
    if peer.stream is not None:
        for key, model in (("chunk", "bench"), ("each", "each")):
            found[key] = await ratio(lambda model=model: stream(model, CHUNKS), chunks(model), CHUNKS)
    if peer.fallback is not None:
        found["fallback"] = await ratio(times(fallback), times(peer.fallback), CALLS)
    return found


def main() -> None:
    """Print them."""
    name, base, path = (word for word in sys.argv[1:] if word != "--first")
    os.environ.setdefault("OPENAI_API_KEY", "sk-bench")
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    kind = PEERS[name]

    async def run() -> dict[str, str]:
        return await measure(kind(base), base, path)

    async def first() -> None:
        await kind(base).call()

    if "--first" in sys.argv:
        asyncio.run(first())
        os._exit(0)
    found = asyncio.run(run())
    print("\n" + json.dumps({"name": f"{kind.distribution} {version(kind.distribution)}", **found}), flush=True)
    os._exit(0)  # some leave threads behind


if __name__ == "__main__":
    main()
