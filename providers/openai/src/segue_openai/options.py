"""Options of OpenAI and Azure: ``options={"openai": {…}}``."""

from __future__ import annotations

from typing import Any, ClassVar, Final, Literal

from pydantic import BaseModel, ConfigDict, Field


class Options(BaseModel):
    """The wire to use, and its fields that no setting covers.

    Sources: platform.openai.com/docs/api-reference/chat/create and …/responses/create.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    wire: Literal["chat", "responses"] = Field(default="chat", description="Chat Completions or Responses")
    audio: dict[str, Any] | None = Field(default=None, description="voice and format of a spoken answer; chat")
    conversation: str | dict[str, str] | None = Field(
        default=None, description="the stored conversation to continue; responses"
    )
    include: list[str] | None = Field(default=None, description="what else to include in the answer; responses")
    logit_bias: dict[str, float] | None = Field(
        default=None, description="bias of tokens by token id, -100 to 100; chat"
    )
    max_tool_calls: int | None = Field(default=None, description="the most calls of OpenAI's own tools; responses")
    metadata: dict[str, str] | None = Field(default=None, description="up to 16 pairs that are stored with the answer")
    modalities: list[Literal["text", "audio"]] | None = Field(
        default=None, description="the types of content in the answer; chat"
    )
    prediction: dict[str, Any] | None = Field(
        default=None, description="text that is expected in the answer, to speed it up; chat"
    )
    previous_response_id: str | None = Field(
        default=None, description="the stored answer to continue, see store; responses"
    )
    prompt_cache_key: str | None = Field(default=None, description="a key for calls with the same beginning")
    reasoning: dict[str, Any] | None = Field(
        default=None, description='in addition to reasoning_effort, such as {"summary": "auto"}; responses'
    )
    safety_identifier: str | None = Field(default=None, description="the user, as a hash")
    service_tier: Literal["auto", "default", "flex", "scale", "priority"] | None = Field(
        default=None, description="the tier of speed and price"
    )
    store: bool | None = Field(default=None, description="whether OpenAI stores the answer; false if not set")
    tools: list[dict[str, Any]] | None = Field(
        default=None, description='OpenAI\'s own tools, such as {"type": "web_search"}; responses'
    )
    truncation: Literal["auto", "disabled"] | None = Field(
        default=None, description="whether to cut the beginning of a conversation that is too long; responses"
    )
    user: str | None = Field(default=None, description="the older name of safety_identifier")
    verbosity: Literal["low", "medium", "high"] | None = Field(default=None, description="how long answers are")
    web_search_options: dict[str, Any] | None = Field(default=None, description="options of the search models; chat")


class AzureOptions(Options):
    """The same at Azure, with the version of its API."""

    api_version: str | None = Field(
        default=None,
        description="the API version, such as 2024-10-21, for addresses of a deployment; the v1 address if not set",
    )


CHAT_ALONE: Final = frozenset({"audio", "logit_bias", "modalities", "prediction", "web_search_options"})
"""Options that only Chat Completions supports."""

RESPONSES_ALONE: Final = frozenset(
    {
        "conversation", "include", "max_tool_calls", "previous_response_id", "reasoning", "tools", "truncation",
    }
)  # fmt: skip
"""Options that only Responses supports."""
