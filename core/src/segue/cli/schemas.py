"""The schema of an answer: in a file, in the argument itself, or a pydantic model."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, PydanticUserError

from ..errors import ConfigError
from ..messages import Output
from .faults import as_argument
from .importing import REFERENCE, imported

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..client.arguments import SchemaInput


def read_schema(given: str) -> SchemaInput:
    """The schema that ``--schema`` names, in the form that the client accepts; ConfigError names the fix."""
    if given.lstrip().startswith("{"):
        return _read("--schema", given)
    path = Path(given).expanduser()
    try:
        is_there = path.is_file()
    except (OSError, ValueError):  # a name too long, or with a null character
        is_there = False
    if is_there:
        try:
            return _read(f"--schema {given}", path.read_text("utf-8"))
        except OSError as error:
            raise ConfigError(
                f"--schema {given}: it cannot be read: {error.strerror}; check its permissions"
            ) from error
        except UnicodeDecodeError:
            raise ConfigError(f"--schema {given}: it is not UTF-8 text") from None
    if REFERENCE.fullmatch(given) is None:
        raise ConfigError(f"--schema {given}: the file does not exist; expected a file, JSON, or module:Model")
    model = imported("--schema", given)
    if isinstance(model, dict):
        return model
    if not (isinstance(model, type) and issubclass(model, BaseModel)):
        raise ConfigError(f"--schema {given}: it is not a pydantic model or a dictionary with a JSON schema")
    with describing(f"--schema {given}"):
        Output.of(model)  # not every model has a schema, and here it is known which one is meant
    return model


def _read(where: str, text: str) -> dict[str, Any]:
    try:
        schema = json.loads(text)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise ConfigError(f"{where}: it is not JSON: {error.msg} at {place}") from None
    except RecursionError:
        raise ConfigError(f"{where}: it is nested too deeply") from None
    if not isinstance(schema, dict):
        raise ConfigError(f'{where}: a JSON schema must be an object, such as {{"type": "object", …}}')
    return schema


@contextlib.contextmanager
def describing(argument: str) -> Iterator[None]:
    """Report a type that pydantic cannot describe as a JSON schema as an error of the argument."""
    try:
        with as_argument(argument):
            yield
    except PydanticUserError as error:  # its further lines are for who wrote the model
        raise ConfigError(f"{argument}: {str(error).partition(chr(10))[0]}") from error


def plain(parsed: Any) -> Any:
    """A parsed answer as plain JSON values."""
    return parsed.model_dump(mode="json") if isinstance(parsed, BaseModel) else parsed
