"""Frozen values whose fields are checked when they are made.

pydantic checks them, as pydantic dataclasses; it is imported, and its validators are built, when the first value is
checked. A process that only sends plain text never needs that.
"""

from __future__ import annotations

import copy
import dataclasses
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal, NoReturn, Self, TypeVar, cast, dataclass_transform

from .constraints import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pydantic import TypeAdapter
    from pydantic_core import CoreConfig, SchemaValidator

__all__ = ["Before", "Limits", "Value", "faults_of", "filled", "like", "unset"]

V = TypeVar("V", bound="Value")


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(dataclasses.field,))
class Value:
    """A frozen value with checked keyword fields; wrong fields raise a ValueError of one line.

    It is a standard dataclass, so that it can be a field of pydantic models, and of everything that uses them. A
    subclass may have ``_read``, which gets the input before it is checked, and ``_check``, which gets the value
    afterwards and returns it.
    """

    # hide_input_in_errors: a validation error would otherwise print what stands beside the fault.
    __pydantic_config__: ClassVar[Any] = {
        "extra": "forbid", "hide_input_in_errors": True, "ser_json_bytes": "base64", "val_json_bytes": "base64",
        "arbitrary_types_allowed": True,
    }  # fmt: skip

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        # Its methods would be text that is compiled for each class: those below do for all.
        dataclasses.dataclass(init=False, repr=False, eq=False, kw_only=True)(cls)

    _bytes: ClassVar[tuple[str, ...]] = ()
    """The fields with bytes; text is allowed for them only in JSON."""

    def __init__(self, /, **fields: Any) -> None:
        for name in self._bytes:
            if isinstance(fields.get(name), str):
                raise TypeError(f"{type(self).__name__}({name}=<str>): {name} must be bytes")
        try:
            _validator(type(self)).validate_python(fields, self_instance=self)
        except ValueError as error:
            told = faults_of(error)
        else:
            return
        raise ValueError(told)  # without pydantic's own, which fills a page

    @classmethod
    def model_validate(cls, value: object) -> Self:
        """The value from a mapping of its fields, or the value itself; ValidationError for anything else."""
        return _validator(cls).validate_python(value)  # type: ignore[no-any-return]

    @classmethod
    def model_validate_json(cls, text: str | bytes) -> Self:
        """The value from JSON text, as `model_dump_json` writes it; ValidationError for anything else."""
        return _validator(cls).validate_json(text)  # type: ignore[no-any-return]

    @classmethod
    def model_json_schema(cls) -> dict[str, Any]:
        """The JSON schema of the value."""
        return _adapter(cls).json_schema()

    def model_dump(self, *, mode: Literal["python", "json"] = "python", **options: Any) -> dict[str, Any]:
        """The fields as dicts and lists; ``options`` are those of pydantic's ``TypeAdapter.dump_python``."""
        return _adapter(type(self)).dump_python(self, mode=mode, **options)  # type: ignore[no-any-return]

    def model_dump_json(self, **options: Any) -> str:
        """The fields as JSON; ``options`` are those of pydantic's ``TypeAdapter.dump_json``."""
        return _adapter(type(self)).dump_json(self, **options).decode()

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """A copy with these fields replaced, without a check; ``deep`` makes a deep copy."""
        return like(copy.deepcopy(self) if deep else self, update or {})

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        from pydantic_core import core_schema

        schema = handler(source)
        if (read := getattr(cls, "_read", None)) is not None:
            schema = core_schema.no_info_before_validator_function(read, schema)
        if (check := getattr(cls, "_check", None)) is not None:
            schema = core_schema.no_info_after_validator_function(check, schema)
        return schema

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r}")

    def __delattr__(self, name: str) -> NoReturn:
        raise dataclasses.FrozenInstanceError(f"cannot delete field {name!r}")

    def __eq__(self, other: object) -> bool:
        return self.__dict__ == other.__dict__ if other.__class__ is self.__class__ else NotImplemented

    def __hash__(self) -> int:
        return hash((self.__class__, *self.__dict__.values()))

    def __repr__(self) -> str:
        shown = (field.name for field in dataclasses.fields(self) if field.repr)  # type: ignore[arg-type]
        return f"{type(self).__name__}({', '.join(f'{name}={self.__dict__[name]!r}' for name in shown)})"


_adapters: Final[dict[object, TypeAdapter[Any]]] = {}
_validators: Final[dict[object, SchemaValidator]] = {}


def _adapter(kind: type[Value]) -> TypeAdapter[Any]:
    if kind not in _adapters:
        from pydantic import TypeAdapter

        _adapters[kind] = TypeAdapter(kind)
    return _adapters[kind]


def _validator(kind: type[Value]) -> SchemaValidator:
    if kind not in _validators:
        from pydantic_core import SchemaValidator

        # That of the adapter itself would not be so configured: what is told of errors is the outermost's to say.
        config = cast("CoreConfig", {**Value.__pydantic_config__, "title": kind.__name__})
        _validators[kind] = SchemaValidator(_adapter(kind).core_schema, config)
    return _validators[kind]


# ── annotations ──────────────────────────────────────────────────────────────────────────────────────


class Before:
    """In ``Annotated``: a function that converts the input first."""

    def __init__(self, function: Callable[[object], object]) -> None:
        self._function: Final = function

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        from pydantic_core import core_schema

        return core_schema.no_info_before_validator_function(self._function, handler(source))


class Limits:
    """In ``Annotated``: limits with pydantic's names, ``ge``, ``min_length``, ``pattern``, ``strict``, …"""

    def __init__(self, **limits: Any) -> None:
        self._limits: Final = limits

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        return {**handler(source), **self._limits}


class OneOf:
    """In ``Annotated``: one of these values; ``tag`` decides by the input which one."""

    def __init__(self, kinds: Mapping[str, type[Value]], tag: Callable[[object], str | None]) -> None:
        self._kinds: Final = kinds
        self._tag: Final = tag

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        from pydantic_core import core_schema

        choices = {name: handler.generate_schema(kind) for name, kind in self._kinds.items()}
        return core_schema.tagged_union_schema(choices, discriminator=self._tag)


# ── values that are known to be right ────────────────────────────────────────────────────────────────


def filled(kind: type[V], fields: dict[str, Any]) -> V:
    """A value with all these fields, which must be valid: they are not checked.

    Tests show that the result equals that of a check.
    """
    value = object.__new__(kind)
    object.__setattr__(value, "__dict__", fields)
    return value


def like(value: V, changes: Mapping[str, Any]) -> V:
    """The value with these fields replaced, which must be valid: they are not checked."""
    return filled(value.__class__, {**value.__dict__, **changes})


def unset(kind: type[V]) -> V:
    """The value with no field given."""
    return filled(kind, defaults(kind))


def defaults(kind: type[Value]) -> dict[str, Any]:
    """The optional fields of a kind, each with its default."""
    given = {}
    for field in dataclasses.fields(kind):  # type: ignore[arg-type]
        if field.default is not dataclasses.MISSING:
            given[field.name] = field.default
        elif field.default_factory is not dataclasses.MISSING:
            given[field.name] = field.default_factory()
    return given


# ── what is wrong ────────────────────────────────────────────────────────────────────────────────────


def faults_of(error: ValueError, where: str = "") -> str:
    """The faults on one line, each with its place; of the given values it shows only numbers and types."""
    from pydantic import ValidationError

    if not isinstance(error, ValidationError):
        return f"{where}: {error}" if where else str(error)
    faults = error.errors(include_url=False, include_context=False)
    # Of a value that may have several forms the last one tells the most: content that is no text is parts.
    deep = [fault for fault in faults if fault["loc"][-1:] != ("str",)] or faults
    told = []
    for fault in deep:
        place = ".".join(str(part) for part in fault["loc"] if not (isinstance(part, str) and "[" in part))
        message = fault["msg"].removeprefix("Value error, ")
        if fault["type"].endswith("_type") and not isinstance(fault["input"], str):
            message += f", not {shown(fault['input'], secret=True)}"
        told.append(": ".join(part for part in (where, place, message) if part))
    return "; ".join(dict.fromkeys(told))
