"""The answer in the requested form: JSON text → a pydantic model's object, or plain JSON."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, TypeAlias, cast

from ..errors import InvalidOutputError
from ..json_text import from_json

if TYPE_CHECKING:
    from pydantic import BaseModel
    from pydantic_core import ErrorDetails

    from ..events import Choice

_NOT_JSON: Final = "it is not JSON"
_MOST_FAULTS: Final = 5

Parse: TypeAlias = "Callable[[Choice], Any]"
"""Parses an answer; InvalidOutputError if it does not match."""


def parser(schema: type[BaseModel] | Mapping[str, Any] | str) -> Parse:
    """A parser for answers in this form; an answer with tool calls, which come before the final answer, gives None."""
    read = _json if isinstance(schema, (Mapping, str)) else _of(schema)

    def parse(choice: Choice) -> Any:
        if choice.tool_calls:
            return None
        if choice.refusal is not None:
            raise InvalidOutputError(
                "the model refused to answer", text=choice.refusal, finish_reason=choice.finish_reason
            )
        try:
            return read(_unfenced(choice.text))
        except ValueError as error:
            told = _NOT_JSON if read is _json else _told(error)
        cut = ", because it is longer than max_tokens" if choice.finish_reason == "length" else ""
        raise InvalidOutputError(
            f"the answer does not match the schema{cut}: {told}", text=choice.text, finish_reason=choice.finish_reason
        )

    return parse


def _told(error: ValueError) -> str:
    from pydantic import ValidationError  # which a model that is to be read has imported

    if not isinstance(error, ValidationError):
        return str(error)
    faults = error.errors(include_url=False, include_context=False, include_input=False)
    return "; ".join(map(_of_fault, faults[:_MOST_FAULTS]))


def _of_fault(fault: ErrorDetails) -> str:
    if fault["type"] == "json_invalid":
        return f"{_NOT_JSON} ({fault['msg'].partition(': ')[2]})"
    place = ".".join(map(str, fault["loc"]))
    return f"{place}: {fault['msg']}" if place else fault["msg"]


def _unfenced(text: str) -> str:
    """The text without the fence that models often put around JSON if the API does not enforce the format."""
    told = text.strip()
    if told.startswith("```") and told.endswith("```") and "\n" in told:
        return told[told.index("\n") : -3]
    return text


def _of(model: type[BaseModel]) -> Callable[[str], BaseModel]:
    return cast("Callable[[str], BaseModel]", model.model_validate_json)


def _json(text: str) -> Any:
    return from_json(text, allow_inf_nan=False)
