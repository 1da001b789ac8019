"""Options of Mistral: ``options={"mistral": {…}}``."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field


class Options(BaseModel):
    """Fields of Mistral's chat that no setting covers.

    Sources: docs.mistral.ai/api; the request of mistralai 3.7.0.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    guardrails: list[dict[str, Any]] | None = Field(default=None, description="checks of the prompt and the answer")
    metadata: dict[str, Any] | None = Field(default=None, description="pairs that are stored with the answer")
    min_tokens: int | None = Field(default=None, description="the least tokens of an answer", ge=0)
    prediction: dict[str, Any] | None = Field(
        default=None, description="text that is expected in the answer, to speed it up"
    )
    prompt_cache_key: str | None = Field(default=None, description="a key for calls with the same beginning")
    prompt_mode: Literal["reasoning"] | None = Field(
        default=None, description="the system prompt that makes Magistral models think"
    )
    repetition_penalty: float | None = Field(default=None, description="penalty for repeated tokens; 1 turns it off")
    safe_prompt: bool | None = Field(
        default=None, description="whether Mistral adds its safety prompt before the messages"
    )
    service_tier: Literal["auto", "standard_only"] | None = Field(
        default=None, description="the service tier of the call"
    )
