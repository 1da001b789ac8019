"""Options of Bedrock: ``options={"bedrock": {…}}``."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field


class Options(BaseModel):
    """The region and the credentials, and fields of Converse that no setting covers.

    Source: the service model of botocore 1.44.5.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    additional_model_request_fields: dict[str, Any] | None = Field(
        default=None, description="fields that only the model has, such as its own settings"
    )
    additional_model_response_field_paths: list[str] | None = Field(
        default=None, description="fields of the model's own answer to report in a notice, such as /stop_sequence"
    )
    cache: list[Literal["messages", "system", "tools"]] | None = Field(
        default=None, description="parts of the request that the host caches up to their end"
    )
    cache_ttl: Literal["5m", "1h"] | None = Field(default=None, description="how long the host caches them")
    document_citations: bool | None = Field(
        default=None, description="cite the passages of the documents that the answer uses"
    )
    guardrail: dict[str, str] | None = Field(
        default=None, description='a guardrail, such as {"guardrailIdentifier": …, "guardrailVersion": …, "trace": …}'
    )
    instance_role: bool | None = Field(
        default=None, description="get the credentials from the role of this EC2 instance"
    )
    latency: Literal["standard", "optimized"] | None = Field(
        default=None, description="standard, or optimized for low latency"
    )
    profile: str | None = Field(default=None, description="the profile in the files of AWS")
    prompt_variables: dict[str, str] | None = Field(
        default=None, description="values for the variables of a prompt that is stored at AWS"
    )
    region: str | None = Field(default=None, description="the region to call, such as eu-central-1")
    request_metadata: dict[str, str] | None = Field(default=None, description="pairs for the invocation log")
    service_tier: Literal["default", "flex", "priority", "reserved"] | None = Field(
        default=None, description="the tier of speed and price"
    )
    system_tools: list[str] | None = Field(default=None, description="the host's own tools, such as nova_grounding")
