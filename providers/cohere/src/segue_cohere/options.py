"""Options of Cohere: ``options={"cohere": {…}}``."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field


class Options(BaseModel):
    """Fields of Cohere's wires that no setting covers.

    Source: docs.cohere.com/reference/chat and /embed.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    citation_options: dict[str, Any] | None = Field(default=None, description="whether and how exactly to cite sources")
    documents: list[str | dict[str, Any]] | None = Field(
        default=None, description="documents that the answer may use and cite; text files of the request are added"
    )
    embedding_types: list[Literal["float", "int8", "uint8", "binary", "ubinary"]] | None = Field(
        default=None, description="embeddings: the type of the numbers; float by default", max_length=1
    )
    input_type: Literal["search_document", "search_query", "classification", "clustering"] | None = Field(
        default=None, description="embeddings: what they are for; overrides purpose"
    )
    priority: int | None = Field(default=None, description="0 is served first, 999 last", ge=0, le=999)
    safety_mode: Literal["CONTEXTUAL", "STRICT", "OFF"] | None = Field(
        default=None, description="the safety instructions for the model"
    )
    thinking: dict[str, Any] | None = Field(
        default=None, description="whether the model thinks, and its token_budget; overrides reasoning_effort"
    )
    truncate: Literal["NONE", "START", "END"] | None = Field(
        default=None, description="embeddings: the end at which a text that is too long is cut; no cut by default"
    )
