"""What Cohere alone takes: ``options={"cohere": {…}}``."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field


class Options(BaseModel):
    """Fields of Cohere's wires that no setting stands for.

    Source: docs.cohere.com/reference/chat and /embed.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    citation_options: dict[str, Any] | None = Field(
        default=None, description="whether, and how exactly, sources are cited"
    )
    documents: list[str | dict[str, Any]] | None = Field(
        default=None, description="what an answer may rest on, and cite; files of text are added to them"
    )
    embedding_types: list[Literal["float", "int8", "uint8", "binary", "ubinary"]] | None = Field(
        default=None, description="of vectors: what their numbers are; floats, unless said", max_length=1
    )
    input_type: Literal["search_document", "search_query", "classification", "clustering"] | None = Field(
        default=None, description="of vectors: what they are for; above purpose"
    )
    priority: int | None = Field(default=None, description="0 is served first, 999 last", ge=0, le=999)
    safety_mode: Literal["CONTEXTUAL", "STRICT", "OFF"] | None = Field(
        default=None, description="what the model is told of what it must not say"
    )
    thinking: dict[str, Any] | None = Field(
        default=None, description="whether the model thinks, and its token_budget; above reasoning_effort"
    )
    truncate: Literal["NONE", "START", "END"] | None = Field(
        default=None, description="of vectors: which end of a text that is too long is left out; none, unless said"
    )
