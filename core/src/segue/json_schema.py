"""JSON schemas of Python functions and pydantic models, in the form that hosts accept."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Annotated, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic import BaseModel


def parameters_of(function: Callable[..., object]) -> dict[str, Any]:
    """The schema of a function's parameters; TypeError for one without a type, or one that has no keyword."""
    from pydantic import ConfigDict, create_model
    from pydantic.errors import PydanticUserError

    name = f"the function {getattr(function, '__name__', 'of the tool')}"
    try:
        signature = inspect.signature(function, eval_str=True)
    except (NameError, ValueError) as error:  # a type that is not defined, a function of C without a signature
        raise TypeError(f"{name}: the parameters cannot be read: {error}") from None
    fields: dict[str, Any] = {}
    for parameter in signature.parameters.values():
        if parameter.kind in {parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD, parameter.POSITIONAL_ONLY}:
            raise TypeError(f"{name}: a tool's parameters must be keywords, but {parameter.name!r} is not")
        if parameter.annotation is parameter.empty:
            raise TypeError(f"{name}: the parameter {parameter.name!r} has no type")
        default = ... if parameter.default is parameter.empty else parameter.default
        fields[parameter.name] = (_described(parameter.annotation), default)
    try:
        model: type[BaseModel] = create_model("parameters", __config__=ConfigDict(extra="forbid"), **fields)
        return _untitled(model.model_json_schema())
    except (PydanticUserError, NameError) as error:
        told = f"{name}: no JSON schema can express the types of its parameters: {_first_line(error)}"
    raise TypeError(told)


def closed_schema_of(model: type[BaseModel]) -> tuple[dict[str, Any], bool]:
    """A model's schema, and whether it is closed: every field is required and no other field is allowed.

    OpenAI's strict mode requires this (platform.openai.com/docs/guides/structured-outputs, "Supported schemas"). A
    model that has a dict with any keys cannot be closed.
    """
    from pydantic.errors import PydanticUserError

    try:
        schema = model.model_json_schema()
    except PydanticUserError as error:
        told = f"no JSON schema can express {model.__name__}: {_first_line(error)}"
        raise TypeError(told) from None
    return (schema, False) if _has_free_keys(schema) else (_closed(schema), True)


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]


def identifier(text: str) -> str:
    """A name that hosts accept: letters, digits, ``_`` and ``-``, at most 64 characters."""
    kept = (letter if letter.isascii() and (letter.isalnum() or letter in "_-") else "_" for letter in text)
    return "".join(kept)[:64] or "answer"


def _described(annotation: Any) -> Any:
    """``Annotated[type, "text"]`` as in pydantic: the text is the description."""
    from pydantic import Field

    texts = [item for item in getattr(annotation, "__metadata__", ()) if isinstance(item, str)]
    return Annotated[annotation, Field(description=texts[0])] if texts else annotation


def _untitled(schema: dict[str, Any]) -> dict[str, Any]:
    """Without the titles that pydantic makes of the names: they only cost tokens."""
    properties = {
        name: {key: item for key, item in value.items() if key != "title"}
        for name, value in schema.get("properties", {}).items()
    }
    return {**{key: item for key, item in schema.items() if key != "title"}, "properties": properties}


def _has_free_keys(schema: object) -> bool:
    """Whether somewhere in it an object may have any keys."""
    match schema:
        case {"type": "object", **rest} if "properties" not in rest or rest.get("additionalProperties"):
            return True
        case dict():
            return any(map(_has_free_keys, schema.values()))
        case list():
            return any(map(_has_free_keys, schema))
        case _:
            return False


_OF_NAMES = ("properties", "$defs")  # tables whose keys are names, not words of JSON schema


def _closed(schema: Any) -> Any:
    match schema:
        case dict():
            closed = {
                key: {name: _closed(value) for name, value in item.items()} if key in _OF_NAMES else _closed(item)
                for key, item in schema.items()
                if key != "default"
            }
            if closed.get("type") == "object":
                closed |= {"additionalProperties": False, "required": list(closed["properties"])}
            return closed
        case list():
            return [_closed(item) for item in schema]
        case _:
            return schema
