"""The rows, by name.

Every fact of a model names who says so. Where sources disagree on a size the smaller stands; a price on
which they disagree is left out. Prices are those of the shortest prompts, where they grow with the length.
``checked`` is the day on which a row was held against a stored copy of the page it names, and against the
recorded traffic in which the tests look for its address; no row was tried with a key.

Of a developer turn only OpenRouter's recordings tell (taken). DeepSeek answers one with 400, Cerebras
documents that it has none, and the others document system turns, so those are sent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from understudy.plugin import Capabilities, Fact, Host, Model

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_CHECKED: Final = "2026-11-24"
_BOTH: Final = "litellm 1.109.1, genai-prices 0.2.3; 2026-11"
_LITELLM: Final = "litellm 1.109.1, 2026-11"
_PEAK: Final = "api-docs.deepseek.com/quick_start/pricing, 2026-10-27: peak hours, else half of it"
_OPENROUTER: Final = "ruby_llm@fb5a49b, 2026-08-19; prices: genai-prices 0.2.3, 2026-11"


# What many models at OpenRouter lack, by the parameters that it lists of each.
_UNTUNED: Final = ("frequency_penalty", "presence_penalty", "logprobs")


def _told_by(source: str) -> Callable[..., Model]:
    """A maker of models whose facts this source tells; ``lacks`` are facts that it denies."""

    def model(name: str, *, lacks: Sequence[str] = (), **facts: Fact | bool | float) -> Model:
        return Model(name, Capabilities({"working": True, **facts, **dict.fromkeys(lacks, False)}, source=source))

    return model


_both = _told_by(_BOTH)
_openrouter = _told_by(_OPENROUTER)
_nvidia = _told_by("models.dev@f3fc692, 2026-07-02")


def _peak(price: float) -> Fact:
    return Fact(price, _PEAK)


HOSTS: Final[tuple[Host, ...]] = (
    Host(
        name="cerebras",
        url="https://api.cerebras.ai/v1",
        env=("CEREBRAS_API_KEY",),
        key_url="https://cloud.cerebras.ai",
        # The page's list of what is answered with 400: penalties, parallel_tool_calls (and what we never send).
        # Reasoning is sent back in a recorded request of pydantic-ai, which was answered with 200.
        quirks=("no_parallel_tool_calls", "no_penalties", "reasoning_back", "system_for_developer"),
        source="https://inference-docs.cerebras.ai/resources/openai",
        checked=_CHECKED,
        models=(
            # Accounts that pay nothing have a context of 65,536.
            _both(
                "gpt-oss-120b",
                context=131_072,
                max_output=32_768,
                input_price=0.35,
                output_price=0.75,
                tools=True,
                json_schema=True,
                reasoning=True,
            ),
            _both(
                "qwen-3.8-27b",
                context=65_536,
                max_output=32_768,
                input_price=0.99,
                output_price=1.49,
                tools=True,
                json_schema=True,
                reasoning=True,
                vision=True,
            ),
        ),
    ),
    Host(
        name="deepseek",
        url="https://api.deepseek.com",
        env=("DEEPSEEK_API_KEY",),
        key_url="https://platform.deepseek.com/api_keys",
        # Without the reasoning of earlier turns that called tools, the answer is 400 (guides/thinking_mode).
        quirks=("json_object_only", "reasoning_content_back", "system_for_developer"),
        source="https://api-docs.deepseek.com/quick_start/pricing",
        checked=_CHECKED,
        capabilities=Capabilities(
            {
                "context": 1_000_000,
                "max_output": 384_000,
                "tools": True,
                "json_object": True,
                "json_schema": False,
                "reasoning": True,
            },
            source="api-docs.deepseek.com/quick_start/pricing",
        ),
        models=(
            _both(
                "deepseek-flash",
                input_price=_peak(0.30),
                output_price=_peak(1.20),
                cached_input_price=_peak(0.006),
                vision=True,
            ),
            _both(
                "deepseek-v4-pro",
                input_price=_peak(1.32),
                output_price=_peak(3.96),
                cached_input_price=_peak(0.044),
                vision=False,
            ),
        ),
    ),
    Host(
        name="fireworks",
        url="https://api.fireworks.ai/inference/v1",
        env=("FIREWORKS_API_KEY",),
        key_url="https://app.fireworks.ai/settings/users/api-keys",
        quirks=("reasoning_content_back", "system_for_developer", "top_k"),
        source="https://docs.fireworks.ai/tools-sdks/openai-compatibility",
        checked=_CHECKED,
        capabilities=Capabilities({"tools": True, "json_schema": True}, source=_LITELLM),
        models=(
            _both(
                "accounts/fireworks/models/deepseek-v4p1-flash",
                context=1_048_576,
                max_output=393_216,
                input_price=0.30,
                output_price=1.20,
                cached_input_price=0.006,
                reasoning=True,
                vision=True,
            ),
            _both(
                "accounts/fireworks/models/glm-5p3",
                context=1_048_576,
                max_output=128_000,
                input_price=1.40,
                output_price=4.40,
                cached_input_price=0.26,
                reasoning=True,
                vision=False,
            ),
            _both(
                "accounts/fireworks/models/glm-5p3-flash",
                context=1_048_576,
                input_price=0.15,
                output_price=0.50,
                cached_input_price=0.03,
                vision=True,
            ),
            _both(
                "accounts/fireworks/models/gpt-oss-20b",
                context=131_072,
                max_output=32_768,
                input_price=0.07,
                output_price=0.30,
                cached_input_price=0.035,
                reasoning=True,
                vision=False,
            ),
            _both(
                "accounts/fireworks/models/kimi-k3",
                context=1_040_000,
                max_output=131_072,
                input_price=3.00,
                output_price=15.00,
                cached_input_price=0.30,
                reasoning=True,
                vision=True,
            ),
            _both(
                "accounts/fireworks/models/qwen3p8-max",
                context=262_144,
                input_price=2.00,
                output_price=6.00,
                cached_input_price=0.25,
                reasoning=True,
                vision=True,
            ),
        ),
    ),
    Host(
        name="github",
        url="https://models.github.ai/inference",
        env=("GITHUB_TOKEN",),
        quirks=("system_for_developer",),
        source="https://github.com/orgs/community/discussions/203602",
        checked=_CHECKED,
        capabilities=Capabilities(
            {"working": False}, source="GitHub Models ended on 2026-07-30: github.com/orgs/community/discussions/203602"
        ),
    ),
    Host(
        name="groq",
        url="https://api.groq.com/openai/v1",
        env=("GROQ_API_KEY",),
        key_url="https://console.groq.com/keys",
        # The page's list of what is answered with 400: logprobs, n above 1 (and names of messages).
        quirks=("no_logprobs", "no_n", "no_names", "system_for_developer"),
        source="https://console.groq.com/docs/openai",
        checked=_CHECKED,
        capabilities=Capabilities({"logprobs": False, "choices": False}, source="console.groq.com/docs/openai"),
        models=(
            _both(
                "openai/gpt-oss-120b",
                context=131_072,
                max_output=65_536,
                input_price=0.15,
                output_price=0.60,
                cached_input_price=0.075,
                tools=True,
                json_schema=True,
                reasoning=True,
            ),
            _both(
                "openai/gpt-oss-20b",
                context=131_072,
                max_output=65_536,
                input_price=0.075,
                output_price=0.30,
                cached_input_price=0.0375,
                tools=True,
                json_schema=True,
                reasoning=True,
            ),
            _both(
                "qwen/qwen3.8-27b",
                context=131_072,
                max_output=16_384,
                input_price=0.80,
                output_price=4.00,
                tools=True,
                json_schema=True,
                reasoning=True,
                vision=True,
            ),
        ),
    ),
    Host(
        name="llamacpp",
        url="http://127.0.0.1:8080/v1",
        quirks=("reasoning_content_back", "system_for_developer", "top_k"),
        source="https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md",
        checked=_CHECKED,
    ),
    Host(
        name="lmstudio",
        url="http://127.0.0.1:1234/v1",
        # The page lists the fields that are taken; n, logprobs and reasoning_effort are not among them.
        quirks=("no_json_object", "no_logprobs", "no_n", "no_reasoning_effort", "system_for_developer", "top_k"),
        source="https://lmstudio.ai/docs/developer/openai-compat/chat-completions",
        checked=_CHECKED,
        capabilities=Capabilities(
            {"json_schema": True, "json_object": False},
            source="github.com/lmstudio-ai/lmstudio-bug-tracker/issues/189",
        ),
    ),
    Host(
        name="nvidia",
        url="https://integrate.api.nvidia.com/v1",
        env=("NVIDIA_API_KEY",),
        key_url="https://build.nvidia.com/settings/api-keys",
        quirks=("system_for_developer",),
        source="https://docs.api.nvidia.com/nim/reference/llm-apis",
        checked=_CHECKED,
        models=(
            _nvidia("moonshotai/kimi-k2.6", context=262_144, tools=True, json_schema=True, reasoning=True, vision=True),
            _nvidia("nvidia/nemotron-3-super-120b-a12b", context=262_144, tools=True, reasoning=True, vision=False),
            _nvidia(
                "nvidia/nemotron-3-ultra-550b-a55b",
                context=1_000_000,
                max_output=65_536,
                tools=True,
                json_schema=True,
                reasoning=True,
                vision=False,
            ),
            _nvidia("openai/gpt-oss-120b", context=128_000, tools=True, json_schema=True, reasoning=True, vision=False),
        ),
    ),
    Host(
        name="openrouter",
        url="https://openrouter.ai/api/v1",
        env=("OPENROUTER_API_KEY",),
        key_url="https://openrouter.ai/settings/keys",
        quirks=("reasoning_details_back", "reasoning_object", "top_k"),
        source="https://openrouter.ai/docs/use-cases/reasoning-tokens",
        checked=_CHECKED,
        capabilities=Capabilities({"tools": True, "json_object": True, "reasoning": True}, source=_OPENROUTER),
        models=(
            _openrouter(
                "anthropic/claude-opus-5",
                context=1_000_000,
                max_output=128_000,
                input_price=5.00,
                output_price=25.00,
                cached_input_price=0.50,
                json_schema=True,
                vision=True,
                files=True,
                lacks=(*_UNTUNED, "top_p", "top_k", "seed"),
            ),
            _openrouter(
                "anthropic/claude-sonnet-5",
                context=1_000_000,
                max_output=128_000,
                input_price=2.00,
                output_price=10.00,
                cached_input_price=0.20,
                json_schema=True,
                vision=True,
                files=True,
                lacks=(*_UNTUNED, "temperature", "top_p", "top_k", "seed"),
            ),
            _openrouter(
                "google/gemini-3.7-flash",
                context=1_048_576,
                max_output=65_536,
                input_price=0.75,
                output_price=3.75,
                cached_input_price=0.075,
                json_schema=True,
                vision=True,
                audio=True,
                files=True,
                lacks=(*_UNTUNED, "top_k"),
            ),
            _openrouter(
                "moonshotai/kimi-k3",
                context=1_048_576,
                input_price=3.00,
                output_price=15.00,
                cached_input_price=0.30,
                json_schema=True,
                vision=True,
                logprobs=True,
            ),
            _openrouter(
                "openai/gpt-5.4-mini",
                context=400_000,
                max_output=128_000,
                input_price=0.75,
                output_price=4.50,
                cached_input_price=0.075,
                json_schema=True,
                vision=True,
                files=True,
                lacks=(*_UNTUNED, "temperature", "top_p", "top_k", "stop"),
            ),
            _openrouter(
                "z-ai/glm-5.3",
                context=1_048_576,
                max_output=131_072,
                input_price=1.40,
                output_price=4.40,
                cached_input_price=0.26,
                vision=False,
                lacks=(*_UNTUNED, "seed", "stop", "json_schema"),
            ),
        ),
    ),
    Host(
        name="perplexity",
        url="https://api.perplexity.ai",
        env=("PERPLEXITY_API_KEY",),
        key_url="https://www.perplexity.ai/settings/api",
        quirks=("no_logprobs", "no_seed", "no_stop", "system_for_developer"),
        source="https://docs.perplexity.ai/docs/agent-api/migrate-from-sonar/overview",
        checked=_CHECKED,
        capabilities=Capabilities(
            {"working": False, "tools": False},
            source="Sonar's Chat Completions ended on 2026-09-27: github.com/vercel/ai, @ai-sdk/perplexity 3.1.0",
        ),
    ),
    Host(
        name="together",
        url="https://api.together.ai/v1",
        env=("TOGETHER_API_KEY",),
        key_url="https://api.together.ai/settings/api-keys",
        quirks=("system_for_developer", "top_k"),
        source="https://docs.together.ai/docs/inference/openai-compatibility",
        checked=_CHECKED,
        capabilities=Capabilities({"tools": True, "json_schema": True}, source=_LITELLM),
        models=(
            _both(
                "deepseek-ai/DeepSeek-V4-Pro-0813",
                context=1_048_576,
                input_price=1.32,
                output_price=3.96,
                cached_input_price=0.13,
                parallel_tools=True,
            ),
            _both(
                "deepseek-ai/DeepSeek-V4.1-Flash",
                context=1_000_000,
                input_price=0.30,
                output_price=1.20,
                cached_input_price=0.006,
            ),
            _both(
                "moonshotai/Kimi-K3",
                context=1_048_576,
                input_price=3.00,
                output_price=15.00,
                cached_input_price=0.30,
                parallel_tools=True,
                reasoning=True,
                vision=True,
            ),
            _both(
                "openai/gpt-oss-120b",
                context=131_072,
                input_price=0.15,
                output_price=0.60,
                parallel_tools=True,
                reasoning=True,
            ),
            _both(
                "zai-org/GLM-5.3",
                context=1_048_575,
                max_output=128_000,
                input_price=1.40,
                output_price=4.40,
                cached_input_price=0.26,
                parallel_tools=True,
                reasoning=True,
            ),
            _both(
                "zai-org/GLM-5.3-Flash",
                context=1_048_575,
                max_output=128_000,
                input_price=0.15,
                output_price=0.50,
                cached_input_price=0.03,
                parallel_tools=True,
                reasoning=True,
                vision=True,
            ),
        ),
    ),
    Host(
        name="vllm",
        url="http://127.0.0.1:8000/v1",
        quirks=("reasoning_back", "system_for_developer", "top_k"),
        source="https://docs.vllm.ai/en/v0.26.0/features/reasoning_outputs/",
        checked=_CHECKED,
    ),
    Host(
        name="xai",
        url="https://api.x.ai/v1",
        env=("XAI_API_KEY",),
        key_url="https://console.x.ai",
        # Reasoning is sent back in recorded requests, which were answered with 200.
        quirks=("reasoning_content_back", "system_for_developer"),
        source="https://docs.x.ai/docs/models",
        checked=_CHECKED,
        capabilities=Capabilities(
            {"tools": True, "json_schema": True, "vision": True, "stop": False, "frequency_penalty": False},
            source=_LITELLM,
        ),
        models=(
            _both(
                "grok-4.20-0309-non-reasoning",
                context=1_000_000,
                input_price=1.25,
                output_price=2.50,
                cached_input_price=0.20,
                reasoning=False,
            ),
            _both(
                "grok-4.3",
                context=1_000_000,
                input_price=1.25,
                output_price=2.50,
                cached_input_price=0.20,
                reasoning=True,
            ),
            _both(
                "grok-4.5",
                context=500_000,
                input_price=2.00,
                output_price=6.00,
                cached_input_price=0.30,
                reasoning=True,
            ),
            _both(
                "grok-4.6",
                context=500_000,
                input_price=2.00,
                output_price=6.00,
                cached_input_price=0.50,
                reasoning=True,
            ),
            _both(
                "grok-4.7",
                context=500_000,
                input_price=2.00,
                output_price=6.00,
                cached_input_price=0.50,
                reasoning=True,
            ),
        ),
    ),
)
"""The hosts, by name."""
