"""Options of Ollama: ``options={"ollama": {…}}``."""

from __future__ import annotations

from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field


class Options(BaseModel):
    """Fields of Ollama's chat that no setting covers.

    Sources: docs.ollama.com/api/chat; docs.ollama.com/modelfile, for the table ``options``.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    keep_alive: str | float | None = Field(
        default=None, description="how long the model stays loaded: 10m, or seconds; 0 unloads it, -1 keeps it"
    )
    shift: bool | None = Field(default=None, description="whether a full context drops its beginning")
    think: bool | str | None = Field(
        default=None, description="whether the model thinks, or the level; overrides reasoning_effort"
    )
    truncate: bool | None = Field(default=None, description="true to cut a prompt that is too long, false to refuse it")

    num_ctx: int | None = Field(default=None, description="the size of the context, in tokens", ge=1)
    num_keep: int | None = Field(default=None, description="how many tokens of the beginning a shift keeps")
    num_batch: int | None = Field(default=None, description="how many tokens of the prompt are read at once", ge=1)
    num_gpu: int | None = Field(default=None, description="how many layers are on the GPU")
    main_gpu: int | None = Field(default=None, description="the GPU for the parts that are not split", ge=0)
    num_thread: int | None = Field(default=None, description="how many threads to use", ge=1)
    use_mmap: bool | None = Field(default=None, description="whether to map the file of the model into memory")
    min_p: float | None = Field(
        default=None, description="the least probability of a token, relative to the likeliest one"
    )
    typical_p: float | None = Field(default=None, description="typical sampling; 1 is off")
    repeat_last_n: int | None = Field(
        default=None, description="how many tokens back to look for repetition; -1 is all"
    )
    repeat_penalty: float | None = Field(default=None, description="penalty for repeated tokens; 1 turns it off")
