"""What is said: messages, settings and the request that carries them to a provider."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, InstanceOf, StrictBool

from .capabilities import Needs

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Role: TypeAlias = Literal["system", "developer", "user", "assistant"]


class _Frozen(BaseModel):
    # hide_input_in_errors: a validation error would otherwise print what stands beside the fault.
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class TextPart(_Frozen):
    """A piece of text in a message made of parts."""

    type: Literal["text"] = "text"
    text: str


class Message(_Frozen):
    """One turn: who speaks, and what; the field names are those of the OpenAI form."""

    role: Role
    content: str | tuple[TextPart, ...]

    @property
    def text(self) -> str:
        """The content as one string."""
        return self.content if isinstance(self.content, str) else "".join(part.text for part in self.content)


def _as_sequence(stop: object) -> object:
    return (stop,) if isinstance(stop, str) else stop


class Settings(_Frozen):
    """How to answer; None leaves it to the model."""

    temperature: Annotated[float | None, "0 is the most predictable; most hosts take up to 2"] = None
    top_p: float | None = None
    max_tokens: int | None = None
    stop: Annotated[tuple[str, ...] | None, BeforeValidator(_as_sequence)] = None
    seed: int | None = None

    def given(self) -> dict[str, Any]:
        """The settings that were set, by name."""
        return {name: value for name, value in self.__dict__.items() if value is not None}


SETTING_NAMES = tuple(Settings.model_fields)


class Request(_Frozen):
    """All that a provider is told of a call.

    ``stream`` is whether the answer is wanted as it comes; a wire without streaming may ignore it.
    """

    messages: tuple[Message, ...]
    settings: Settings = Settings()
    needs: InstanceOf[Needs] = Needs()
    stream: StrictBool = True


MessagesInput: TypeAlias = "str | Message | Sequence[Message | Mapping[str, Any]]"


def read_messages(value: MessagesInput) -> tuple[Message, ...]:
    """Messages from a string, dictionaries in the OpenAI form, or messages; ValueError for none or wrong ones."""
    if isinstance(value, str):
        return (Message(role="user", content=value),)
    if isinstance(value, Message):
        return (value,)
    messages = tuple(item if isinstance(item, Message) else Message.model_validate(item) for item in value)
    if not messages:
        raise ValueError("messages is empty: give at least one")
    return messages
