"""The rows, by name.

Every fact of a model names its source. If sources disagree on a size, the smaller one is used; a price on which
they disagree is left out. Prices are for the shortest prompts if they grow with the length. ``checked`` is the day on
which a row was compared with a stored copy of the page that it names, and with the recorded traffic in which the
tests look for its address; no row was tested with a key.

Only the recordings of OpenRouter contain a developer message (it is accepted). DeepSeek answers one with 400, Cerebras
documents that it does not support them, and the others document system messages, so those are sent.
"""

from __future__ import annotations

from typing import Final

from segue.plugin import Capabilities, Host, declared_models

_CHECKED: Final = "2026-11-24"
_LITELLM: Final = "litellm 1.109.1, 2026-11"
_OPENROUTER: Final = "ruby_llm@fb5a49b, 2026-08-19"

_MODELS: Final = declared_models("segue_hosts")

HOSTS: Final[tuple[Host, ...]] = (
    Host(
        name="alibaba",
        url="https://dashscope-intl.aliyuncs.com/compatible-mode/v1",
        env=("DASHSCOPE_API_KEY",),
        key_url="https://www.alibabacloud.com/help/en/model-studio/get-api-key",
        wires=("openai_responses",),
        # https://www.alibabacloud.com/help/en/model-studio/user-guide/partial-mode; which models take it is declared
        # by whoever uses them.
        quirks=("prefill_partial", "system_for_developer"),
        source="https://www.alibabacloud.com/help/en/model-studio/compatibility-with-openai-responses-api",
        checked=_CHECKED,
    ),
    Host(
        name="avian",
        url="https://api.avian.io/v1",
        env=("AVIAN_API_KEY",),
        key_url="https://avian.io",
        quirks=("system_for_developer",),
        source="https://avian.io",
        checked=_CHECKED,
    ),
    Host(
        name="bedrock-mantle",
        url="https://bedrock-mantle.us-east-1.api.aws/v1",
        env=("AWS_BEARER_TOKEN_BEDROCK",),
        key_url="https://console.aws.amazon.com/bedrock/home#/api-keys",
        wire="openai_responses",
        # The region stands in the address: base_url leads to another.
        source="https://docs.aws.amazon.com/bedrock/latest/userguide/bedrock-mantle.html",
        checked=_CHECKED,
    ),
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
        name="cloudflare",
        url="https://api.cloudflare.com/client/v4/accounts/{account}/ai/v1",
        env=("CLOUDFLARE_API_TOKEN", "CLOUDFLARE_API_KEY"),
        ambient=("CLOUDFLARE_API_TOKEN", "CLOUDFLARE_API_KEY"),
        key_url="https://dash.cloudflare.com/profile/api-tokens",
        wires=("openai_responses",),
        quirks=("system_for_developer",),
        source="https://developers.cloudflare.com/workers-ai/configuration/open-ai-compatibility/",
        checked=_CHECKED,
    ),
    Host(
        name="crusoe",
        url="https://api.inference.crusoecloud.com/v1",
        env=("CRUSOE_API_KEY",),
        key_url="https://console.crusoecloud.com",
        quirks=("system_for_developer",),
        source="https://docs.crusoecloud.com/managed-inference/overview",
        checked=_CHECKED,
    ),
    Host(
        name="databricks",
        url="https://{workspace}/serving-endpoints",
        env=("DATABRICKS_TOKEN",),
        ambient=("DATABRICKS_TOKEN",),
        key_url="https://docs.databricks.com/aws/en/dev-tools/auth/pat",
        wires=("openai_responses",),
        quirks=("system_for_developer",),
        source="https://docs.databricks.com/aws/en/machine-learning/foundation-model-apis/api-reference",
        checked=_CHECKED,
    ),
    Host(
        name="deepseek",
        url="https://api.deepseek.com",
        env=("DEEPSEEK_API_KEY",),
        key_url="https://platform.deepseek.com/api_keys",
        # Without the reasoning of earlier turns that called tools, the answer is 400 (guides/thinking_mode).
        quirks=("json_object_only", "reasoning_content_back", "system_for_developer"),
        wires=("openai_responses",),
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
        name="gemini-openai",
        url="https://generativelanguage.googleapis.com/v1beta/openai",
        env=("GEMINI_API_KEY",),
        key_url="https://aistudio.google.com/apikey",
        # What this wire leaves out, signatures of thoughts among it, the provider google has.
        quirks=("system_for_developer",),
        source="https://ai.google.dev/gemini-api/docs/openai",
        checked=_CHECKED,
    ),
    Host(
        name="github",
        url="https://models.github.ai/inference",
        env=("GITHUB_TOKEN",),
        ambient=("GITHUB_TOKEN",),
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
        name="heroku",
        url="https://us.inference.heroku.com/v1",
        env=("INFERENCE_KEY",),
        key_url="https://devcenter.heroku.com/articles/heroku-inference",
        quirks=("system_for_developer",),
        source="https://devcenter.heroku.com/articles/heroku-inference-api-v1-chat-completions",
        checked=_CHECKED,
    ),
    Host(
        name="huggingface",
        url="https://router.huggingface.co/v1",
        env=("HF_TOKEN",),
        ambient=("HF_TOKEN",),
        key_url="https://huggingface.co/settings/tokens",
        quirks=("system_for_developer",),
        source="https://huggingface.co/docs/inference-providers/en/tasks/chat-completion",
        checked=_CHECKED,
    ),
    Host(
        name="llamacpp",
        url="http://127.0.0.1:8080/v1",
        start="`llama-server -m MODEL.gguf`",
        quirks=("reasoning_content_back", "system_for_developer", "top_k"),
        source="https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md",
        checked=_CHECKED,
    ),
    Host(
        name="lmstudio",
        url="http://127.0.0.1:1234/v1",
        start="`lms server start`",
        # The page lists the fields that are taken; n, logprobs and reasoning_effort are not among them.
        quirks=("no_json_object", "no_logprobs", "no_n", "no_reasoning_effort", "system_for_developer", "top_k"),
        wires=("openai_responses",),
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
        name="ollama-cloud",
        url="https://ollama.com/v1",
        env=("OLLAMA_API_KEY",),
        key_url="https://ollama.com/settings/keys",
        quirks=("reasoning_back", "system_for_developer"),
        source="https://docs.ollama.com/cloud",
        checked=_CHECKED,
    ),
    Host(
        name="openrouter",
        url="https://openrouter.ai/api/v1",
        env=("OPENROUTER_API_KEY",),
        key_url="https://openrouter.ai/settings/keys",
        # Files by their addresses: openrouter.ai/docs/guides/overview/multimodal/pdfs.
        quirks=("cache_control", "file_urls", "reasoning_details_back", "reasoning_object", "top_k"),
        wires=("openai_responses",),
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
        name="snowflake",
        url="https://{account}.snowflakecomputing.com/api/v2/cortex/v1",
        env=("SNOWFLAKE_PAT", "SNOWFLAKE_CORTEX_PAT"),
        ambient=("SNOWFLAKE_PAT",),
        key_url="https://docs.snowflake.com/en/user-guide/programmatic-access-tokens",
        quirks=("max_completion_tokens", "system_for_developer"),
        source="https://docs.snowflake.com/en/user-guide/snowflake-cortex/cortex-rest-api",
        checked=_CHECKED,
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
        name="vercel",
        url="https://ai-gateway.vercel.sh/v1",
        env=("AI_GATEWAY_API_KEY",),
        key_url="https://vercel.com/docs/ai-gateway/authentication",
        quirks=("cache_control", "reasoning_details_back", "system_for_developer"),
        source="https://vercel.com/docs/ai-gateway/sdks-and-apis/openai-chat-completions/advanced",
        checked=_CHECKED,
    ),
    Host(
        name="vllm",
        url="http://127.0.0.1:8000/v1",
        start="`vllm serve MODEL`",
        quirks=("reasoning_back", "system_for_developer", "top_k"),
        source="https://docs.vllm.ai/en/v0.26.0/features/reasoning_outputs/",
        checked=_CHECKED,
    ),
    Host(
        name="voyage",
        url="https://api.voyageai.com/v1",
        env=("VOYAGE_API_KEY",),
        key_url="https://dashboard.voyageai.com",
        source="https://docs.voyageai.com/reference/embeddings-api",
        checked=_CHECKED,
    ),
    Host(
        name="writer",
        url="https://api.writer.com/v1",
        env=("WRITER_API_KEY",),
        key_url="https://app.writer.com",
        quirks=("short_path", "system_for_developer"),
        source="https://dev.writer.com/api-reference/completion-api/chat-completion",
        checked=_CHECKED,
    ),
    Host(
        name="xai",
        url="https://api.x.ai/v1",
        env=("XAI_API_KEY",),
        key_url="https://console.x.ai",
        # Reasoning is sent back in recorded requests, which were answered with 200.
        quirks=("reasoning_content_back", "system_for_developer"),
        wires=("openai_responses",),
        source="https://docs.x.ai/docs/models",
        checked=_CHECKED,
        capabilities=Capabilities(
            {"tools": True, "json_schema": True, "vision": True, "stop": False, "frequency_penalty": False},
            source=_LITELLM,
        ),
        models=_MODELS["xai"],
    ),
    Host(
        name="zai",
        url="https://api.z.ai/api/paas/v4",
        env=("ZAI_API_KEY", "ZHIPU_API_KEY"),
        key_url="https://z.ai/manage-apikey/apikey-list",
        quirks=("reasoning_content_back", "system_for_developer"),
        source="https://docs.z.ai/guides/capabilities/thinking",
        checked=_CHECKED,
    ),
)
"""The hosts, by name."""
