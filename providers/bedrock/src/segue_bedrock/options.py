"""What Bedrock alone takes: ``options={"bedrock": {…}}``."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field


class Options(BaseModel):
    """Where and as whom to ask, and fields of Converse that no setting stands for.

    Source: the service model of botocore 1.44.5.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    additional_model_request_fields: dict[str, Any] | None = Field(
        default=None, description="fields of the model itself, such as its own names of settings"
    )
    additional_model_response_field_paths: list[str] | None = Field(
        default=None, description="fields of the model's own answer to be told in a notice, such as /stop_sequence"
    )
    cache: list[Literal["messages", "system", "tools"]] | None = Field(
        default=None, description="ends of what the host is to keep for the next call"
    )
    cache_ttl: Literal["5m", "1h"] | None = Field(default=None, description="how long it keeps that")
    document_citations: bool | None = Field(default=None, description="tell what of the documents the answer rests on")
    guardrail: dict[str, str] | None = Field(
        default=None, description='a guardrail, as {"guardrailIdentifier": …, "guardrailVersion": …, "trace": …}'
    )
    instance_role: bool | None = Field(
        default=None, description="ask the EC2 machine that this runs on for the credentials of its role"
    )
    latency: Literal["standard", "optimized"] | None = Field(default=None, description="how fast the answer is to come")
    profile: str | None = Field(default=None, description="the profile of AWS's own files to ask as")
    prompt_variables: dict[str, str] | None = Field(
        default=None, description="what stands for the variables of a prompt that is kept at AWS"
    )
    region: str | None = Field(default=None, description="the region that answers, such as eu-central-1")
    request_metadata: dict[str, str] | None = Field(default=None, description="pairs for the log of invocations")
    service_tier: Literal["default", "flex", "priority", "reserved"] | None = Field(
        default=None, description="how the call is served, and at which price"
    )
    system_tools: list[str] | None = Field(default=None, description="tools of the host's own, such as nova_grounding")
