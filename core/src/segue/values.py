"""Frozen values that are fast to define and fast to make."""

from __future__ import annotations

import dataclasses
import functools
from operator import attrgetter
from reprlib import recursive_repr
from types import FunctionType
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeVar

from .frames import forget_locals, forgetful

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from dataclasses import dataclass
    from inspect import Signature
else:

    def dataclass(kind=None, /, **options):
        """Like `dataclasses.dataclass`, but frozen values with slots are defined at a tenth of the cost.

        The standard library writes and compiles six methods for each class, which takes a tenth of a second for a
        hundred classes. Here methods that differ only in the names of fields are shared, and ``__init__`` is written
        when the first value is made. It also does not set each field with ``object.__setattr__``, which costs more for
        eight fields than all the work for one event of an answer. A test shows that these values equal those of the
        standard library, which makes all other classes itself: with bases, order, keyword-only fields.
        """
        if kind is None:
            return lambda kind: dataclass(kind, **options)
        if _is_plain(kind, options):
            return _made(kind, options)
        made = dataclasses.dataclass(**options)(kind)
        if hasattr(made, "__post_init__"):
            made.__init__ = forgetful(made.__init__)
        return made


__all__ = ["absent", "dataclass", "maker"]

T = TypeVar("T")
_Fields = tuple[dataclasses.Field[Any], ...]
_set: Final = object.__setattr__


def _is_plain(kind: type[Any], options: dict[str, bool]) -> bool:
    """Whether nothing is asked for but a frozen value with slots, whose fields are given alike: by place or by name."""
    declared = " ".join(map(str, vars(kind).get("__annotations__", {}).values()))
    return (
        options.keys() <= {"frozen", "slots", "init", "repr", "eq", "kw_only"}
        and bool(options.get("frozen") and options.get("slots"))
        and "KW_ONLY" not in declared
        and "InitVar" not in declared
        and not any(hasattr(base, "__dataclass_fields__") for base in kind.__bases__)
        and not any(
            isinstance(value, dataclasses.Field) and (not value.init or value.hash is not None or value.kw_only is True)
            for value in vars(kind).values()
        )
    )


def _made(kind: type[Any], options: dict[str, bool]) -> type[Any]:
    own = {name for name, method in vars(kind).items() if method is not None}
    kind.__doc__ = kind.__doc__ or kind.__name__  # else the standard library writes a signature into it, at some cost
    by_name = options.get("kw_only", False)
    made: Any = dataclasses.dataclass(init=False, repr=False, eq=False, slots=True, kw_only=by_name)(kind)
    made.__dataclass_params__.frozen = True  # as who inherits from it is to be told
    fields = dataclasses.fields(made)
    compared = tuple(field.name for field in fields if field.compare)
    methods: dict[str, Any] = {
        "__setattr__": _setattr(made), "__delattr__": _delattr(made),
        "__getstate__": _getstate, "__setstate__": _setstate,
    }  # fmt: skip
    if options.get("init", True):
        methods |= {"__init__": _init(made, fields, by_name=by_name), "__signature__": _Signature()}
    if options.get("repr", True):
        methods["__repr__"] = _repr(tuple(field.name for field in fields if field.repr))
    if options.get("eq", True):
        methods |= {"__eq__": _eq(compared), "__hash__": _hash(compared)}
    for name, method in methods.items():
        if name not in own:
            if isinstance(method, FunctionType):
                method.__qualname__ = f"{made.__qualname__}.{name}"
                method.__module__ = made.__module__
            setattr(made, name, method)
    return made  # type: ignore[no-any-return]


class _Absent:
    """An attribute that a class does not have, with what to write instead."""

    __slots__ = ("_instead", "_name")

    def __init__(self, name: str, instead: str) -> None:
        self._name = name
        self._instead = instead

    def __get__(self, value: object, kind: type[object]) -> object:
        if value is None:
            return self
        raise AttributeError(f"{kind.__name__!r} object has no attribute {self._name!r}: {self._instead}")


def absent(kind: type[Any], instead: Mapping[str, str]) -> None:
    """Say in the AttributeError for each of these names what to write instead; a name that the class has stays.

    They are names that the libraries of hosts have. Type checkers and ``dir()`` of a value do not see them, and what a
    class has costs no more than before, unlike with ``__getattr__``.
    """
    for name in instead:
        if not hasattr(kind, name):
            setattr(kind, name, _Absent(name, instead[name]))
    kind.__dir__ = _dir_of_present  # type: ignore[assignment]


def _dir_of_present(self: Any) -> list[str]:
    kind = self.__class__
    return [name for name in object.__dir__(self) if getattr(kind, name, None).__class__ is not _Absent]


# ── methods that all share ───────────────────────────────────────────────────────────────────────────


def _getstate(self: Any) -> list[Any]:
    return [getattr(self, field.name) for field in dataclasses.fields(self)]


def _setstate(self: Any, state: list[Any]) -> None:
    for field, value in zip(dataclasses.fields(self), state, strict=True):
        _set(self, field.name, value)


class _Signature:
    """The `inspect.signature` of a class whose ``__init__`` may not be written yet."""

    def __get__(self, value: object, kind: Any) -> Signature:
        import inspect

        if (write := getattr(kind.__init__, "write", None)) is not None:
            write()
        whole = inspect.signature(kind.__init__)
        own = [each for each in list(whole.parameters.values())[1:] if each.kind is not each.VAR_KEYWORD]
        return whole.replace(parameters=own, return_annotation=inspect.Signature.empty)


# ── methods of one class ─────────────────────────────────────────────────────────────────────────────


def _setattr(kind: type[Any]) -> Callable[[Any, str, Any], None]:
    def __setattr__(self: Any, name: str, value: object) -> None:  # noqa: N807 - it becomes one
        if self.__class__ is kind or name in kind.__slots__:
            raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r}")
        super(kind, self).__setattr__(name, value)

    return __setattr__


def _delattr(kind: type[Any]) -> Callable[[Any, str], None]:
    def __delattr__(self: Any, name: str) -> None:  # noqa: N807 - it becomes one
        if self.__class__ is kind or name in kind.__slots__:
            raise dataclasses.FrozenInstanceError(f"cannot delete field {name!r}")
        super(kind, self).__delattr__(name)

    return __delattr__


def _values(names: tuple[str, ...]) -> Callable[[Any], Any]:
    """What gives the tuple of these fields."""
    match names:
        case ():
            return lambda _: ()
        case (name,):
            return lambda value: (getattr(value, name),)
        case _:
            return attrgetter(*names)


def _eq(names: tuple[str, ...]) -> Callable[[Any, Any], Any]:
    values = _values(names)

    def __eq__(self: Any, other: Any) -> Any:  # noqa: N807 - it becomes one
        return values(self) == values(other) if other.__class__ is self.__class__ else NotImplemented

    return __eq__


def _hash(names: tuple[str, ...]) -> Callable[[Any], int]:
    values = _values(names)

    def __hash__(self: Any) -> int:  # noqa: N807 - it becomes one
        return hash(values(self))

    return __hash__


def _repr(names: tuple[str, ...]) -> Callable[[Any], str]:
    @recursive_repr()
    def __repr__(self: Any) -> str:  # noqa: N807 - it becomes one
        # Of a value whose fields are not set yet, those that are.
        told = ", ".join(f"{name}={getattr(self, name)!r}" for name in names if hasattr(self, name))
        return f"{self.__class__.__qualname__}({told})"

    return __repr__


def _init(kind: Any, fields: _Fields, *, by_name: bool) -> Any:
    """An ``__init__`` that writes another in its place when it is called first."""

    def write() -> Any:
        kind.__init__ = _written_init(kind, fields, by_name=by_name)
        return kind.__init__

    def __init__(self: Any, *args: Any, **named: Any) -> None:  # noqa: N807 - it becomes one
        try:
            write()(self, *args, **named)
        except BaseException:  # raised again
            del self, args, named
            raise

    __init__.write = write  # type: ignore[attr-defined]
    return __init__


def _written_init(kind: Any, fields: _Fields, *, by_name: bool) -> Any:
    """An ``__init__`` in which the value is of a class that is not frozen for as long as its fields are set.

    A value of a class that inherits from it may be laid out differently, and is not turned into another.
    """
    names: dict[str, Any] = {
        "__name__": kind.__module__, "_of": _set, "_open": _open(kind), "_kind": kind, "_missing": dataclasses.MISSING,
    }  # fmt: skip
    is_checked = hasattr(kind, "__post_init__")
    parameters: list[str] = ["*"] if by_name and fields else []
    defaults: list[str] = []
    lines: list[str] = []
    inherited: list[str] = []
    for each in fields:
        default = f"_default_{each.name}"
        parameter = each.name
        if each.default is not dataclasses.MISSING:
            names[default] = each.default
            parameter = f"{each.name}={default}"
        elif each.default_factory is not dataclasses.MISSING:
            names[default] = each.default_factory
            parameter = f"{each.name}=_missing"
            defaults.append(f"if {each.name} is _missing: {each.name} = {default}()")
        parameters.append(parameter)
        lines.append(f"    self.{each.name} = {each.name}")
        inherited.append(f"    _of(self, {each.name!r}, {each.name})")
    if is_checked:  # one that users make; events and records are not
        parameters.append("**_more")
        names["_refuse"] = functools.partial(_refuse, kind, [each.name for each in fields])
        names["_forget"] = forget_locals
        defaults[:0] = ["if _more:", "    try:", "        _refuse(_more)"]
        defaults[3:3] = [f"    {line}" for line in _forgotten(fields)]
    lines = ["if self.__class__ is _kind:", "    _of(self, '__class__', _open)", *lines, "    self.__class__ = _kind"]
    lines += ["else:", *(inherited or ["    pass"])]
    if is_checked:
        lines += ["try:", "    self.__post_init__()", *_forgotten(fields)]
    body = "\n    ".join(defaults + lines)
    exec(f"def __init__(self, {', '.join(parameters)}):\n    {body}\n", names)  # noqa: S102 - as dataclasses makes its own
    made = names["__init__"]
    made.__qualname__ = f"{kind.__qualname__}.__init__"
    made.__module__ = kind.__module__
    made.__annotations__ = {each.name: each.type for each in fields} | {"return": None}
    return made


def _refuse(kind: Any, known: list[str], given: dict[str, object]) -> NoReturn:
    """The error for arguments that a class does not have."""
    from .constraints import unknown_argument  # only where something is wrong

    raise unknown_argument(kind.__name__, next(iter(given)), known)


def _forgotten(fields: _Fields) -> list[str]:
    """The end of a ``try``: an error is raised again, and its frames hold nothing that was given."""
    given = ", ".join(["self", *(each.name for each in fields), "_more"])
    return ["except BaseException as _error:", f"    del {given}", "    _forget(_error)", "    raise"]


def maker(kind: Callable[..., T]) -> Callable[..., T]:
    """A function that makes values of one of our classes from positional fields, at half the cost."""
    fields = [field.name for field in dataclasses.fields(kind)]  # type: ignore[arg-type]
    names: dict[str, Any] = {"_new": object.__new__, "_open": _open(kind), "_kind": kind}
    lines = [f"_made.{name} = {name}" for name in fields]
    body = "\n    ".join(["_made = _new(_open)", *lines, "_made.__class__ = _kind", "return _made"])
    exec(f"def make({', '.join(fields)}):\n    {body}\n", names)  # noqa: S102 - as above
    return names["make"]  # type: ignore[no-any-return]


def _open(kind: Any) -> type[Any]:
    """The class, but that its values can be changed."""
    same = {name: vars(kind)[name] for name in ("__slots__", "__orig_bases__") if name in vars(kind)}
    return type(kind.__name__, kind.__bases__, same)
