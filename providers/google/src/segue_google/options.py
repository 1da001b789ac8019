"""What Google alone takes: ``options={"google": {…}}``."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field


class Options(BaseModel):
    """Fields of generateContent that no setting stands for.

    Sources: ai.google.dev/api/generate-content; the request of google-genai 3.4.0.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    cached_content: str | None = Field(default=None, description="a beginning that is kept at Google, by its name")
    image_config: dict[str, Any] | None = Field(default=None, description="size and form of images in the answer")
    include_server_side_tool_invocations: bool | None = Field(
        default=None, description="tell what Google's own tools were asked and found, beside functions"
    )
    include_thoughts: bool | None = Field(
        default=None, description="tell what was thought; so it is where reasoning_effort is set"
    )
    media_resolution: Literal["MEDIA_RESOLUTION_LOW", "MEDIA_RESOLUTION_MEDIUM", "MEDIA_RESOLUTION_HIGH"] | None = (
        Field(default=None, description="how closely images and video are looked at")
    )
    response_modalities: list[Literal["TEXT", "IMAGE", "AUDIO"]] | None = Field(
        default=None, description="what the answer consists of"
    )
    retrieval_config: dict[str, Any] | None = Field(default=None, description="place and language of searches")
    safety_settings: list[dict[str, str]] | None = Field(
        default=None, description='what is blocked, as {"category": …, "threshold": …}'
    )
    service_tier: Literal["standard", "flex", "priority"] | None = Field(
        default=None, description="how the call is served, and at which price"
    )
    speech_config: dict[str, Any] | None = Field(default=None, description="voice of a spoken answer")
    task_type: str | None = Field(
        default=None, description="what vectors are for, beyond query and document, such as CLUSTERING; embeddings"
    )
    thinking_budget: int | None = Field(
        default=None, description="how many tokens to think, -1 for as many as it takes; before Gemini 3", ge=-1
    )
    tools: list[dict[str, Any]] | None = Field(
        default=None, description='Google\'s own tools, such as {"googleSearch": {}}'
    )


class VertexOptions(Options):
    """The same on Vertex AI, and whose models to ask where."""

    labels: dict[str, str] | None = Field(default=None, description="pairs that stand on the bill")
    location: str | None = Field(
        default=None, description="the region that answers, such as europe-west4; global if not set"
    )
    project: str | None = Field(default=None, description="the project that pays, by its id")
