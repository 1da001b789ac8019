"""Options of Anthropic: ``options={"anthropic": {…}}``."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field


class Options(BaseModel):
    """Fields of the Messages wire that no setting covers, and where to call it.

    Source: platform.claude.com/docs/en/api/messages.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    betas: list[str] | None = Field(default=None, description="beta features, such as context-1m-2025-08-07")
    cache_control: dict[str, Any] | None = Field(
        default=None, description='cache the request up to its last block: {"type": "ephemeral", "ttl": "5m"}'
    )
    container: str | dict[str, Any] | None = Field(
        default=None, description="the container in which Anthropic's tools ran in an earlier call"
    )
    context_management: dict[str, Any] | None = Field(
        default=None, description="what to remove from a conversation that has become long"
    )
    inference_geo: str | None = Field(default=None, description="where the model may run")
    mcp_servers: list[dict[str, Any]] | None = Field(
        default=None, description="MCP servers whose tools Anthropic calls itself"
    )
    metadata: dict[str, Any] | None = Field(default=None, description='the user, as a hash: {"user_id": "…"}')
    service_tier: Literal["auto", "standard_only"] | None = Field(
        default=None, description="whether the call may use reserved capacity"
    )
    thinking: dict[str, Any] | None = Field(default=None, description="how to think; overrides reasoning_effort")
    tools: list[dict[str, Any]] | None = Field(
        default=None,
        description='Anthropic\'s own tools, such as {"type": "web_search_20250305", "name": "web_search"}',
    )
    vertex_project: str | None = Field(
        default=None, description="use this project on Vertex AI; the key is an access token"
    )
    vertex_location: str = Field(default="global", description="the location on Vertex AI, such as us-east5")
