"""Options of Google: ``options={"google": {…}}``."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field


class Options(BaseModel):
    """Fields of generateContent that no setting covers.

    Sources: ai.google.dev/api/generate-content; the request of google-genai 3.4.0.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    cached_content: str | None = Field(default=None, description="the name of cached content at Google")
    image_config: dict[str, Any] | None = Field(
        default=None, description="size and aspect ratio of images in the answer"
    )
    include_server_side_tool_invocations: bool | None = Field(
        default=None, description="return the calls and results of Google's own tools"
    )
    include_thoughts: bool | None = Field(
        default=None, description="return the reasoning; true by default if reasoning_effort is set"
    )
    media_resolution: Literal["MEDIA_RESOLUTION_LOW", "MEDIA_RESOLUTION_MEDIUM", "MEDIA_RESOLUTION_HIGH"] | None = (
        Field(default=None, description="the detail in which images and video are read")
    )
    response_modalities: list[Literal["TEXT", "IMAGE", "AUDIO"]] | None = Field(
        default=None, description="the types of content in the answer"
    )
    retrieval_config: dict[str, Any] | None = Field(default=None, description="location and language of searches")
    safety_settings: list[dict[str, str]] | None = Field(
        default=None, description='what is blocked, such as {"category": …, "threshold": …}'
    )
    service_tier: Literal["standard", "flex", "priority"] | None = Field(
        default=None, description="the tier of speed and price"
    )
    speech_config: dict[str, Any] | None = Field(default=None, description="the voice of a spoken answer")
    task_type: str | None = Field(
        default=None, description="embeddings: what they are for, other than query and document, such as CLUSTERING"
    )
    thinking_budget: int | None = Field(
        default=None, description="how many tokens to think, -1 if the model decides; before Gemini 3", ge=-1
    )
    tools: list[dict[str, Any]] | None = Field(
        default=None, description='Google\'s own tools, such as {"googleSearch": {}}'
    )


class VertexOptions(Options):
    """The same on Vertex AI, with the project and the location."""

    labels: dict[str, str] | None = Field(default=None, description="labels on the bill")
    location: str | None = Field(
        default=None, description="the region to call, such as europe-west4; global if not set"
    )
    project: str | None = Field(default=None, description="the id of the project that pays")
