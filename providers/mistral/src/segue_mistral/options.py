"""What Mistral alone takes: ``options={"mistral": {…}}``."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field


class Options(BaseModel):
    """Fields of Mistral's chat that no setting stands for.

    Sources: docs.mistral.ai/api; the request of mistralai 3.7.0.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    guardrails: list[dict[str, Any]] | None = Field(default=None, description="what looks at prompt and answer")
    metadata: dict[str, Any] | None = Field(default=None, description="pairs that are kept with the answer")
    min_tokens: int | None = Field(default=None, description="the shortest answer", ge=0)
    prediction: dict[str, Any] | None = Field(default=None, description="what most of the answer is known to be")
    prompt_cache_key: str | None = Field(default=None, description="what calls with the same beginning have in common")
    prompt_mode: Literal["reasoning"] | None = Field(
        default=None, description="the system prompt of Magistral models, which makes them think"
    )
    repetition_penalty: float | None = Field(default=None, description="against repeated tokens; 1 is none")
    safe_prompt: bool | None = Field(
        default=None, description="whether Mistral puts its own safety prompt before the messages"
    )
    service_tier: Literal["auto", "standard_only"] | None = Field(default=None, description="how the call is served")
