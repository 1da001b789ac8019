"""Frozen values whose fields are checked when they are made.

pydantic checks them, as pydantic dataclasses; it is imported, and its validators are built, when the first value is
checked. A process that only sends plain text never needs that.
"""

from __future__ import annotations

import copy
import dataclasses
import re
from typing import (
    TYPE_CHECKING,
    Any,
    ClassVar,
    Final,
    Literal,
    NamedTuple,
    NoReturn,
    Self,
    TypeVar,
    cast,
    dataclass_transform,
)

from .constraints import shown
from .display import closest
from .frames import forget_locals

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pydantic import TypeAdapter
    from pydantic_core import CoreConfig, SchemaValidator

    from .constraints import Constraint, Fault

__all__ = ["Before", "Check", "Limits", "Value", "faults_of", "filled", "like", "made", "refusal_of", "unset"]

V = TypeVar("V", bound="Value")


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(dataclasses.field,))
class Value:
    """A frozen value with checked keyword fields; wrong ones raise a TypeError or ValueError of one line.

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

    _shows_text: ClassVar[bool] = False
    """Whether errors show short texts that it was given; not where these may be prompts or keys."""

    _wanted: ClassVar[Mapping[str, str]] = {}
    """What is expected of a field, where pydantic does not say it well."""

    def __init__(self, /, *places: object, **fields: Any) -> None:
        try:
            if places:
                raise TypeError(_by_name(type(self), places))
            self._fill(type(self).__name__, fields)
        except BaseException as error:  # raised again
            del self, places, fields
            forget_locals(error)
            raise

    def _fill(self, where: str, fields: dict[str, Any]) -> None:
        for name in self._bytes:
            if isinstance(fields.get(name), str):
                raise TypeError(f"{where}({name}=<str>): {name} must be bytes")
        try:
            _validator(type(self)).validate_python(fields, self_instance=self)
        except ValueError as error:
            refusal = _refusal(type(self), error, where, fields)
        else:
            return
        raise refusal  # without pydantic's own, which fills a page

    @classmethod
    def model_validate(cls, value: object) -> Self:
        """The value from a mapping of its fields, or the value itself; ValidationError for anything else."""
        try:
            return _validator(cls).validate_python(value)  # type: ignore[no-any-return]
        finally:
            del value  # an error keeps this frame

    @classmethod
    def model_validate_json(cls, text: str | bytes) -> Self:
        """The value from JSON text, as `model_dump_json` writes it; ValidationError for anything else."""
        try:
            return _validator(cls).validate_json(text)  # type: ignore[no-any-return]
        finally:
            del text  # as above

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
        given = self.__dict__  # not every field, while it is made
        shown = (field.name for field in dataclasses.fields(self) if field.repr)  # type: ignore[arg-type]
        return f"{type(self).__name__}({', '.join(f'{name}={given[name]!r}' for name in shown if name in given)})"


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


class Check:
    """In ``Annotated``: a constraint that the value must satisfy too; the error names the part that is wrong."""

    def __init__(self, constraint: Constraint) -> None:
        self._constraint: Final = constraint

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        from pydantic_core import PydanticCustomError, core_schema

        def check(value: object) -> object:
            fault = self._constraint.fault(value)
            if fault is None:
                return value
            # A function: pydantic writes the values here as text, and the wrong one may be long or secret.
            told = {"fault": lambda: fault, "place": fault.place, "wanted": fault.wanted}
            raise PydanticCustomError("segue_fault", "it{place} must be {wanted}", told)

        return core_schema.no_info_after_validator_function(check, handler(source))


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
        _tags.update(kinds)

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        from pydantic_core import core_schema

        choices = {name: handler.generate_schema(kind) for name, kind in self._kinds.items()}
        return core_schema.tagged_union_schema(choices, discriminator=self._tag)


def made(where: str, kind: type[V], fields: dict[str, Any]) -> V:
    """The value that arguments of the call ``where`` make; the TypeError or ValueError of one line names the call."""
    value = object.__new__(kind)
    value._fill(where, fields)
    return value


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

_WANTED: Final[Mapping[str, str]] = {
    "bool_parsing": "True or False",
    "bool_type": "True or False",
    "bytes_type": "bytes",
    "dict_type": "a dict",
    "finite_number": "a finite number",
    "float_parsing": "a number",
    "float_type": "a number",
    "int_from_float": "a whole number",
    "int_parsing": "a whole number",
    "int_type": "a whole number",
    "list_type": "a list",
    "mapping_type": "a dict",
    "string_sub_type": "text",
    "string_type": "text",
    "string_unicode": "text without lone surrogates",
    "too_short": "a list that is not empty",
    "tuple_type": "a list",
}
"""What pydantic expects, by the type of its error, as the end of the sentence "it must be …"."""

_LIMITS: Final = (("ge", "of at least"), ("gt", "greater than"), ("le", "of at most"), ("lt", "less than"))
_A_WORD: Final = re.compile(r"[A-Za-z][A-Za-z_]{0,19}")
_tags: Final[set[str]] = set()
"""The tags of every `OneOf`, which are in the places of errors, but not in the value."""


def _by_name(kind: type[Value], places: tuple[object, ...]) -> str:
    """That the fields are given by name."""
    names = [field.name for field in dataclasses.fields(kind) if field.name != "type"][:2]  # type: ignore[arg-type]
    told = ", ".join(shown(value, secret=True) for value in places)
    form = ", ".join(f"{name}=…" for name in names)
    return f"{kind.__name__}({told}): give the fields by name: {kind.__name__}({form})"


def _refusal(kind: type[Value], error: ValueError, where: str, given: Mapping[str, object]) -> TypeError | ValueError:
    """The error for these arguments of ``where``."""
    names = {field.name for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    unknown = next((name for name in given if name not in names), None)
    if unknown is None:
        return _arguments_fault(kind, error, where, given)
    near = closest(unknown, sorted(names))
    known = ", ".join(sorted(names - {"type"}))
    help_ = f"did you mean {near!r}?" if near else f"known are {known}"
    return TypeError(f"{where}({unknown}=…): unknown argument {unknown!r}; {help_}")


class _Wrong(NamedTuple):
    """One fault of a value: its place, the value there, what is expected or else the whole sentence."""

    place: str
    value: object
    wanted: str
    sentence: str
    is_word: bool
    """Whether one of a few words is expected, so that a wrong one cannot be a prompt or a key."""

    is_type: bool = False
    """Whether the value has a wrong type, which is a TypeError."""


def faults_of(error: ValueError, where: str = "", place: str = "") -> str:
    """The faults on one line, each with its place below ``place``; texts in the value are not shown."""
    faults = _faults(error)
    told = [_told(fault, place, of_text=False) for fault in faults] if faults else [_below(place, str(error), ": ")]
    line = "; ".join(dict.fromkeys(told))
    return f"{where}: {line}" if where else line


def refusal_of(error: ValueError, where: str = "", place: str = "") -> TypeError | ValueError:
    """The error with the text of `faults_of`: a TypeError if a value has a wrong type."""
    faults = _faults(error)
    return (TypeError if faults and faults[0].is_type else ValueError)(faults_of(error, where, place))


def _arguments_fault(
    kind: type[Value], error: ValueError, where: str, given: Mapping[str, object]
) -> TypeError | ValueError:
    """What is wrong with arguments, on one line, as `segue.constraints.check` writes it."""
    of_text = kind._shows_text  # noqa: SLF001 - its own kind
    faults = [
        fault if fault.sentence else fault._replace(wanted=kind._wanted.get(fault.place, fault.wanted))  # noqa: SLF001
        for fault in _faults(error)
    ]
    told = [_told(fault, "", of_text=of_text) for fault in faults]
    first = faults[0]
    is_missing = first.sentence == _MISSING and first.place not in given and first.place.isidentifier()
    of_kind = TypeError if first.is_type or is_missing else ValueError
    name = re.split(r"[.\[ ]", told[0], maxsplit=1)[0]  # a sentence begins with it too
    if name not in given:
        return of_kind(f"{where}: {'; '.join(dict.fromkeys(told))}")
    value = shown(given[name], secret=not of_text)
    if first.place == name and not first.sentence:
        value = _value_of(first, of_text=of_text)
        told[0] = f"{name} must be {first.wanted}"
    return of_kind(f"{where}({name}={value}): {'; '.join(dict.fromkeys(told))}")


def _faults(error: ValueError) -> list[_Wrong]:
    """What pydantic found, each place once; empty for another error."""
    from pydantic import ValidationError

    if not isinstance(error, ValidationError):
        return []
    found: dict[str, list[_Wrong]] = {}
    for told in error.errors(include_url=False):
        wrong = _read(told)
        found.setdefault(wrong.place, []).append(wrong)
    # Of a value that may have several forms, the one that fits in part tells the most.
    deepest = {place for place in found if not any(_is_below(other, place) for other in found)}
    return [_merged(each) for place, each in found.items() if place in deepest]


def _is_below(place: str, above: str) -> bool:
    return place.startswith((f"{above}.", f"{above}[")) if above else False


def _merged(faults: list[_Wrong]) -> _Wrong:
    """One fault of a value for which several forms are allowed."""
    first = faults[0]
    if len(faults) == 1 or any(fault.sentence for fault in faults):
        return next((fault for fault in faults if fault.sentence), first)
    wanted = list(dict.fromkeys(fault.wanted for fault in faults))
    return first._replace(wanted=" or ".join(wanted), is_type=all(fault.is_type for fault in faults))


def _read(told: Any) -> _Wrong:
    kind, place, given, context = told["type"], _place(told["loc"]), told["input"], told.get("ctx", {})
    wanted, sentence, is_word = _WANTED.get(kind, ""), "", False
    is_type = kind.endswith("_type") or kind in _OF_TYPES
    match kind:
        case "segue_fault":
            fault: Fault = context["fault"]()
            wanted, given, is_type = fault.wanted, fault.value, fault.kind is TypeError
            place += fault.place
        case "missing":
            sentence = _MISSING
        case "extra_forbidden" | "unexpected_keyword_argument":
            sentence = "is not a known field"
        case "literal_error":
            wanted, is_word, is_type = str(context["expected"]), True, not isinstance(given, str)
        case "union_tag_invalid":
            wanted, is_word = str(context["expected_tags"]), True
            given, place = str(context["tag"]), f"{place}.type"
        case "union_tag_not_found":
            wanted = "a part, such as TextPart(text=…), or a dict such as {'type': 'text', 'text': …}"
            is_type = not hasattr(given, "keys")
        case "dataclass_type" | "model_type":
            wanted = f"a {context['class_name']} or a dict"
        case "is_instance_of":
            wanted = f"a {context['class']}"
        case "string_pattern_mismatch":
            wanted = f"text that matches {context['pattern']}"
        case "string_too_short":
            wanted = "text, not empty"
        case _ if not wanted:
            limit = next((f"{words} {context[name]:g}" for name, words in _LIMITS if name in context), None)
            message = told["msg"].removeprefix("Value error, ")
            if kind in _OF_LIMITS and limit is not None:
                wanted = f"a number {limit}"
            else:
                sentence = f": {message}"
    return _Wrong(place, given, wanted, sentence, is_word, is_type)


_MISSING: Final = "is missing"
_OF_TYPES: Final = frozenset({"is_instance_of", "int_from_float"})
_OF_LIMITS: Final = frozenset({"greater_than_equal", "greater_than", "less_than_equal", "less_than"})


def _place(parts: tuple[int | str, ...]) -> str:
    """A place as Python writes it; the names of forms are left out."""
    place = ""
    for at, part in enumerate(parts):
        if isinstance(part, int):
            place += f"[{part}]"
        elif not _is_form(parts, at):
            place += f".{part}" if place else part
    return place


def _is_form(parts: tuple[int | str, ...], at: int) -> bool:
    """Whether this part of a place is the name of a form of the value, as pydantic names it, and not of a field."""
    part = str(parts[at])
    if "[" in part or part[:1].isupper() or (part in {"str", "constrained-str"} and at == len(parts) - 1):
        return True
    return part in _tags and at > 0 and isinstance(parts[at - 1], int)


def _below(place: str, rest: str, sign: str) -> str:
    return f"{place}{sign}{rest}" if place and rest else place or rest


def _told(fault: _Wrong, place: str, *, of_text: bool) -> str:
    sign = "" if fault.place.startswith("[") else "."
    at = _below(place, fault.place, sign)
    if fault.sentence:
        if fault.sentence.startswith(": "):
            return _below(at, fault.sentence.removeprefix(": "), ": ")
        return f"{at} {fault.sentence}"
    return f"{at or 'it'} must be {fault.wanted}, not {_value_of(fault, of_text=of_text)}"


def _value_of(fault: _Wrong, *, of_text: bool) -> str:
    is_word = fault.is_word and isinstance(fault.value, str) and _A_WORD.fullmatch(fault.value) is not None
    return shown(fault.value, secret=not (of_text or is_word))
