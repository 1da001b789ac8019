"""The rows, by name.

Every fact of a model names who says so. Where sources disagree on a size the smaller stands; a price on
which they disagree is left out. Prices are those of the shortest prompts, where they grow with the length.
``checked`` is the day on which a row was held against a stored copy of the page it names, and against the
recorded traffic in which the tests look for its address; no row was tried with a key.

Of a developer turn only OpenRouter's recordings tell (taken). DeepSeek answers one with 400, Cerebras
documents that it has none, and the others document system turns, so those are sent.
"""

from __future__ import annotations

from typing import Final

from understudy.plugin import Capabilities, Host, declared_models

_CHECKED: Final = "2026-11-24"
_LITELLM: Final = "litellm 1.109.1, 2026-11"
_OPENROUTER: Final = "ruby_llm@fb5a49b, 2026-08-19"

_MODELS: Final = declared_models("understudy_hosts")

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
        models=_MODELS["cerebras"],
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
        models=_MODELS["deepseek"],
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
        models=_MODELS["fireworks"],
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
        models=_MODELS["groq"],
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
        models=_MODELS["nvidia"],
    ),
    Host(
        name="openrouter",
        url="https://openrouter.ai/api/v1",
        env=("OPENROUTER_API_KEY",),
        key_url="https://openrouter.ai/settings/keys",
        # Files by their addresses: openrouter.ai/docs/guides/overview/multimodal/pdfs.
        quirks=("file_urls", "reasoning_details_back", "reasoning_object", "top_k"),
        source="https://openrouter.ai/docs/use-cases/reasoning-tokens",
        checked=_CHECKED,
        capabilities=Capabilities({"tools": True, "json_object": True, "reasoning": True}, source=_OPENROUTER),
        models=_MODELS["openrouter"],
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
        models=_MODELS["together"],
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
        models=_MODELS["xai"],
    ),
)
"""The hosts, by name."""
