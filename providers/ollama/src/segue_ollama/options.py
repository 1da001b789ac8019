"""What Ollama alone takes: ``options={"ollama": {…}}``."""

from __future__ import annotations

from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field


class Options(BaseModel):
    """Fields of Ollama's chat that no setting stands for.

    Sources: docs.ollama.com/api/chat; docs.ollama.com/modelfile, of the table ``options``.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    keep_alive: str | float | None = Field(
        default=None, description="how long the model stays loaded: 10m, or seconds; 0 unloads it, -1 keeps it"
    )
    shift: bool | None = Field(default=None, description="whether a full context lets go of its beginning")
    think: bool | str | None = Field(
        default=None, description="whether the model thinks, or how much, in its own word; above reasoning_effort"
    )
    truncate: bool | None = Field(default=None, description="whether a prompt that is too long is cut, or refused")

    num_ctx: int | None = Field(default=None, description="the size of the context, in tokens", ge=1)
    num_keep: int | None = Field(default=None, description="how many tokens of the beginning a shift keeps")
    num_batch: int | None = Field(default=None, description="how many tokens of the prompt are read at once", ge=1)
    num_gpu: int | None = Field(default=None, description="how many layers are on the GPU")
    main_gpu: int | None = Field(default=None, description="the GPU for what is not split", ge=0)
    num_thread: int | None = Field(default=None, description="how many threads compute", ge=1)
    use_mmap: bool | None = Field(default=None, description="whether the model's file is mapped into memory")
    min_p: float | None = Field(default=None, description="only tokens that are so likely, beside the likeliest")
    typical_p: float | None = Field(default=None, description="only tokens that are about as likely as is typical")
    repeat_last_n: int | None = Field(default=None, description="how far back repetition is looked for; -1 is all")
    repeat_penalty: float | None = Field(default=None, description="against repeated tokens; 1 is none")
