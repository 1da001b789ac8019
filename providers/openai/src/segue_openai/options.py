"""What OpenAI and Azure alone take: ``options={"openai": {…}}``."""

from __future__ import annotations

from typing import Any, ClassVar, Final, Literal

from pydantic import BaseModel, ConfigDict, Field


class Options(BaseModel):
    """The wire to speak, and fields of it that no setting stands for.

    Sources: platform.openai.com/docs/api-reference/chat/create and …/responses/create.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    wire: Literal["chat", "responses"] = Field(default="chat", description="Chat Completions or Responses")
    audio: dict[str, Any] | None = Field(default=None, description="voice and format of a spoken answer; chat")
    conversation: str | dict[str, str] | None = Field(
        default=None, description="the conversation at OpenAI that this goes on with; responses"
    )
    include: list[str] | None = Field(default=None, description="what else to tell in the answer; responses")
    logit_bias: dict[str, float] | None = Field(
        default=None, description="bias of tokens by their number, -100 to 100; chat"
    )
    max_tool_calls: int | None = Field(default=None, description="how often OpenAI's own tools are called; responses")
    metadata: dict[str, str] | None = Field(default=None, description="up to 16 pairs that are kept with the answer")
    modalities: list[Literal["text", "audio"]] | None = Field(
        default=None, description="what the answer consists of; chat"
    )
    prediction: dict[str, Any] | None = Field(default=None, description="what most of the answer is known to be; chat")
    previous_response_id: str | None = Field(
        default=None, description="the answer that this goes on with, kept there by store; responses"
    )
    prompt_cache_key: str | None = Field(default=None, description="what calls with the same beginning have in common")
    reasoning: dict[str, Any] | None = Field(
        default=None, description='beside the setting, such as {"summary": "auto"}; responses'
    )
    safety_identifier: str | None = Field(default=None, description="who the user is, as a hash")
    service_tier: Literal["auto", "default", "flex", "scale", "priority"] | None = Field(
        default=None, description="how the call is served, and at which price"
    )
    store: bool | None = Field(default=None, description="whether the answer is kept at OpenAI; not, if not set")
    tools: list[dict[str, Any]] | None = Field(
        default=None, description='OpenAI\'s own tools, such as {"type": "web_search"}; responses'
    )
    truncation: Literal["auto", "disabled"] | None = Field(
        default=None, description="whether too long a conversation loses its beginning; responses"
    )
    user: str | None = Field(default=None, description="the older name of safety_identifier")
    verbosity: Literal["low", "medium", "high"] | None = Field(default=None, description="how long answers are")
    web_search_options: dict[str, Any] | None = Field(default=None, description="of the search models; chat")


class AzureOptions(Options):
    """The same at Azure, and which version of its interface to speak."""

    api_version: str | None = Field(
        default=None, description="such as 2024-10-21, for addresses of a deployment; the v1 address if not set"
    )


CHAT_ALONE: Final = frozenset({"audio", "logit_bias", "modalities", "prediction", "web_search_options"})
"""Options that only Chat Completions has words for."""

RESPONSES_ALONE: Final = frozenset(
    {
        "conversation", "include", "max_tool_calls", "previous_response_id", "reasoning", "tools", "truncation",
    }
)  # fmt: skip
"""Options that only Responses has words for."""
