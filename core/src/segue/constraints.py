"""The constraints of arguments: declared once, and checked when an argument is given.

A setting's type has its constraints in ``Annotated``. `check_fields` reads them when a value is made in code, without
pydantic; pydantic reads the same ones for the file.
"""

from __future__ import annotations

import functools
import inspect
import math
import re
import sys
import types
import typing
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    Final,
    Literal,
    NamedTuple,
    NoReturn,
    ParamSpec,
    Protocol,
    TypeAlias,
    TypeVar,
)

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")
R = TypeVar("R")
_MOST_SHOWN: Final = 40
_LARGEST: Final = sys.float_info.max  # up to it every whole number is a float too
_LONGEST: Final = 10**18
_FUNCTIONS: Final = (types.FunctionType, types.MethodType, types.BuiltinFunctionType)


class Fault(NamedTuple):
    """Why a value is wrong: the type of the error, what is expected, and which part of the value is wrong."""

    kind: type[TypeError | ValueError]
    wanted: str
    value: object
    place: str = ""


class Constraint(Protocol):
    """Decides whether a value is allowed."""

    @property
    def wanted(self) -> str:
        """What is expected, as the end of the sentence "it must be …"."""
        ...

    def fault(self, value: object) -> Fault | None:
        """Why the value is wrong, or None."""
        ...


# ── the check ────────────────────────────────────────────────────────────────────────────────────────


def check(where: str, name: str, value: object, constraint: Constraint, *, secret: bool = False) -> None:
    """Raise a TypeError or ValueError of one line if the argument is wrong; a ``secret`` value is not shown."""
    fault = constraint.fault(value)
    if fault is not None:
        refuse(where, name, value, fault, secret=secret)


def refuse(where: str, name: str, value: object, fault: Fault, *, secret: bool = False) -> NoReturn:
    """Raise the error for a wrong argument."""
    told = f"{where}({name}={shown(value, secret=secret)}): {name}{fault.place} must be {fault.wanted}"
    if fault.place:
        told += f", not {shown(fault.value, secret=secret)}"
    raise fault.kind(told)


def check_fields(value: object) -> None:
    """Check every field of a new dataclass value, by the annotations of its class."""
    kind = type(value)
    checks = _checks.get(kind)
    if checks is None:
        checks = _checks[kind] = _checks_of(kind)
    for name, constraint in checks:
        given = getattr(value, name)
        fault = constraint.fault(given)
        if fault is not None:
            refuse(kind.__name__, name, given, fault)


def shown(value: object, *, secret: bool = False) -> str:
    """A value in a few words; if it may be long or secret, only its type."""
    match value:
        case None | bool() | float():
            return repr(value)
        case int():
            return repr(value) if abs(value) < _LONGEST else "<int>"
        case str():
            is_short = len(value) <= _MOST_SHOWN and value.isprintable() and not secret
            return repr(value) if is_short else "<str>"
        case type():
            return f"<class {value.__name__}>"
        case _ if isinstance(value, _FUNCTIONS):
            return f"<{'async ' * is_async(value)}function {value.__name__}>"
        case _:
            return f"<{type(value).__name__}>"


def is_async(function: object) -> bool:
    """Whether a call of it returns a coroutine or an async generator instead of a result."""
    return any(
        inspect.iscoroutinefunction(one) or inspect.isasyncgenfunction(one)
        for one in (function, getattr(type(function), "__call__", None))  # noqa: B004 - its code is looked at
    )


def can_take(function: Callable[..., object], count: int) -> bool:
    """Whether a function can be called with this number of positional arguments; True if that is not known."""
    if not isinstance(function, types.FunctionType):
        try:
            inspect.signature(function).bind(*range(count))
        except TypeError:
            return False
        except ValueError:  # of C, without a signature
            return True
        return True
    code = function.__code__
    needed = code.co_argcount - len(function.__defaults__ or ())
    needs_names = code.co_kwonlyargcount > len(function.__kwdefaults__ or ())
    takes_more = bool(code.co_flags & inspect.CO_VARARGS)
    return needed <= count and (takes_more or code.co_argcount >= count) and not needs_names


# ── names of arguments ───────────────────────────────────────────────────────────────────────────────


def unknown_argument(where: str, name: str, known: Sequence[str]) -> TypeError:
    """The error for an argument that ``where`` does not have, with what to write instead."""
    from .display import nearest

    told = f"{where}({name}=…): unknown argument {name!r}"
    instead = _INSTEAD.get(where, {}).get(name)
    return TypeError(told + (nearest(name, known) if instead is None else f"; {instead}"))


def known_arguments(
    where: str, unknown: Callable[[str, str, Sequence[str]], TypeError] = unknown_argument
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """A decorator: an argument with an unknown name is a TypeError that says what to write instead."""

    def decorated(function: Callable[P, R]) -> Callable[P, R]:
        code = function.__code__
        names = tuple(name for name in code.co_varnames[: code.co_argcount + code.co_kwonlyargcount] if name != "self")
        known = frozenset(names)
        most = math.inf if code.co_flags & inspect.CO_VARARGS else code.co_argcount
        by_name = ", ".join(
            f"{name}=…" for name in code.co_varnames[code.co_argcount :][: min(code.co_kwonlyargcount, 4)]
        )

        @functools.wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            if len(args) > most:
                raise TypeError(f"{where}: too many arguments without a name; give these by name: {by_name}")
            if not kwargs.keys() <= known:
                raise unknown(where, next(name for name in kwargs if name not in known), names)
            return function(*args, **kwargs)

        return call

    return decorated


_SEVERAL: Final = "a target is one model; a chain has several: Chain('a/m', 'b/m')"
_OF_CLIENT: Final = "set it for the client: Client({}=…)"
_INSTEAD: Final[Mapping[str, Mapping[str, str]]] = {
    "Timeout": {
        **dict.fromkeys(("first", "first_token", "first_byte", "start", "read_first"), "use first_event="),
        **dict.fromkeys(("read", "read_timeout", "sock_read"), "use idle= (the longest silence) or first_event="),
        **dict.fromkeys(("connect_timeout", "sock_connect", "connection"), "use connect="),
        **dict.fromkeys(("timeout", "default", "all", "overall", "seconds", "deadline", "max"), "use total="),
        **dict.fromkeys(("write", "pool"), "this limit does not exist; use connect=, first_event=, idle= or total="),
    },
    "Retry": {
        **dict.fromkeys(
            ("max_retries", "retries", "max_attempts", "attempts", "times", "total", "num_retries", "stop"),
            "use count=",
        ),
        **dict.fromkeys(("backoff", "backoff_factor", "delay", "initial", "initial_delay", "wait", "min"), "use base="),
        **dict.fromkeys(("max_delay", "max_backoff", "max_wait", "max", "maximum"), "use cap="),
        "ratio": _OF_CLIENT.format("budget") + ", a Budget",
        "reserve": _OF_CLIENT.format("budget") + ", a Budget",
    },
    "Hedge": {
        **dict.fromkeys(("delay", "timeout", "seconds", "wait"), "use after="),
        **dict.fromkeys(("percentile", "p"), "use quantile=, from 0 to 1"),
        "multiplier": "use factor=",
    },
    "Breaker": {
        **dict.fromkeys(
            ("threshold", "failure_threshold", "fail_max", "max_failures", "count", "errors"), "use failures="
        ),
        **dict.fromkeys(
            ("cooldown", "reset_timeout", "recovery_timeout", "timeout", "pause", "open_seconds"), "use interval="
        ),
        "max_interval": "use longest=",
        "enabled": "use Client(breaker=False)",
    },
    "Budget": {"budget": "use reserve=", "max": "use reserve=", "size": "use reserve=", "rate": "use ratio="},
    "Telemetry": {"tracer": "use tracer_provider=", "meter": "use meter_provider="},
    "Downloads": {
        "enabled": "use Client(downloads=True)",
        "max_size": "use max_bytes=",
        "redirects": "use hops=",
        "max_redirects": "use hops=",
        "port": "use ports=",
    },
    "Target": {
        **dict.fromkeys(("model", "name", "target", "needs", "chain", "provider"), "use what=, the first argument"),
        **dict.fromkeys(("models", "targets"), _SEVERAL),
        **dict.fromkeys(("temperature", "max_tokens", "top_p", "seed", "stop"), "use settings={…}"),
        **dict.fromkeys(("extra_body", "params", "parameters"), "use options={…}, or settings={…}"),
        "retry": _OF_CLIENT.format("retry"),
        "hedge": "set it for the chain: Chain(…, hedge=…)",
        "max_concurrency": "use concurrency=",
    },
    "Chain": {
        **dict.fromkeys(
            ("targets", "models", "fallbacks", "providers", "chain"), "give the targets one by one: Chain('a/m', 'b/m')"
        ),
        **dict.fromkeys(("model", "needs", "target"), "give it as the first argument: Chain('a/m')"),
        **dict.fromkeys(("strategy", "order", "routing", "policy"), "use balance="),
        **dict.fromkeys(("weight", "weights"), "set it for each target: Target('a/m', weight=2)"),
        **dict.fromkeys(("retry", "retries", "max_retries"), _OF_CLIENT.format("retry")),
        "breaker": _OF_CLIENT.format("breaker"),
        **dict.fromkeys(("settings", "options", "concurrency"), "set it for each target: Target('a/m', …)"),
        **dict.fromkeys(
            ("temperature", "max_tokens", "top_p", "seed", "stop"),
            "give it in the call, or for each target: Target('a/m', settings={…})",
        ),
        "name": "name it in the configuration: [chains.NAME]",
    },
    "Host": {
        **dict.fromkeys(("base_url", "address", "endpoint", "api_base"), "use url="),
        **dict.fromkeys(("api_key", "key", "token"), "use env= (the variable with the key), or Client(api_keys={…})"),
        **dict.fromkeys(("model", "default_model"), "use models=[…]"),
        **dict.fromkeys(("facts", "needs", "features"), "use capabilities={…}"),
        "api": "use wire=",
        "extra_headers": "use headers=",
        "default_headers": "use headers=",
        "proxy": _OF_CLIENT.format("proxy"),
        "timeout": _OF_CLIENT.format("timeout"),
    },
}
"""What to write instead of the names that other libraries have for arguments of these classes."""


# ── kinds of constraints ─────────────────────────────────────────────────────────────────────────────


class Nothing:
    """None."""

    wanted: str = "None"

    def fault(self, value: object) -> Fault | None:
        return None if value is None else Fault(TypeError, self.wanted, value)


class Flag:
    """True or False."""

    wanted: str = "True or False"

    def fault(self, value: object) -> Fault | None:
        return None if value is True or value is False else Fault(TypeError, self.wanted, value)


class Number:
    """A finite number within its limits; a bool is not a number, and neither is text.

    ``unit`` is the unit of the number. In ``Annotated`` pydantic reads it too.
    """

    def __init__(
        self,
        *,
        gt: float | None = None,
        ge: float | None = None,
        le: float | None = None,
        whole: bool = False,
        infinite: bool = False,
        unit: str = "",
    ) -> None:
        self._low = -math.inf if ge is None else ge
        self._above = -math.inf if gt is None else gt
        self._high = math.inf if le is None else le
        self._whole = whole
        self._infinite = infinite
        self._schema: dict[str, Any] = {"type": "integer" if whole else "number"}
        words = "a whole number" if whole else "a number"
        if unit:
            words += f" of {unit}"
        limits = []
        if gt is not None:
            limits.append(f"greater than {gt:g}")
            self._schema["exclusiveMinimum"] = gt
        if ge is not None:
            limits.append(f"of at least {ge:g}")
            self._schema["minimum"] = ge
        if le is not None:
            limits.append(f"at most {le:g}")
            self._schema["maximum"] = le
        self.wanted: Final[str] = " ".join(part for part in (words, " and ".join(limits)) if part)

    def fault(self, value: object) -> Fault | None:
        if isinstance(value, bool) or not isinstance(value, int if self._whole else (int, float)):
            return Fault(TypeError, self.wanted, value)
        is_finite = abs(value) <= _LARGEST or (self._infinite and abs(value) == math.inf)
        if is_finite and self._low <= value <= self._high and (value > self._above or self._above == -math.inf):
            return None
        return Fault(ValueError, self.wanted, value)

    def __get_pydantic_core_schema__(self, source: object, handler: object) -> Any:
        from pydantic_core import PydanticCustomError, core_schema

        def read(value: object) -> object:
            if self.fault(value) is None:
                return value if self._whole else float(value)  # type: ignore[arg-type]
            # Braces would be read as places for values.
            raise PydanticCustomError("segue", "{reason}", {"reason": f"must be {self.wanted}"})

        return core_schema.no_info_plain_validator_function(read)

    def __get_pydantic_json_schema__(self, schema: object, handler: object) -> dict[str, Any]:
        return dict(self._schema)


class Text:
    """Text that is not empty; with ``empty`` any text."""

    def __init__(self, wanted: str = "text", *, empty: bool = False, fits: Callable[[str], bool] | None = None) -> None:
        self.wanted: Final[str] = wanted if empty else f"{wanted}, not empty"
        self._empty = empty
        self._fits = fits

    def fault(self, value: object) -> Fault | None:
        if not isinstance(value, str):
            return Fault(TypeError, self.wanted, value)
        if (value or self._empty) and (self._fits is None or self._fits(value)):
            return None
        return Fault(ValueError, self.wanted, value)


class Word:
    """One of these words."""

    def __init__(self, *words: str) -> None:
        self._words = words
        self.wanted: Final[str] = _listed([repr(word) for word in words])

    def fault(self, value: object) -> Fault | None:
        if not isinstance(value, str):
            return Fault(TypeError, self.wanted, value)
        return None if value in self._words else Fault(ValueError, self.wanted, value)


class Of:
    """An instance of this class, not the class itself."""

    def __init__(self, kind: type[Any] | tuple[type[Any], ...], wanted: str = "") -> None:
        self._kind = kind
        kinds = kind if isinstance(kind, tuple) else (kind,)
        self.wanted: Final[str] = wanted or _listed([_with_article(one.__name__) for one in kinds])

    def fault(self, value: object) -> Fault | None:
        return None if isinstance(value, self._kind) else Fault(TypeError, self.wanted, value)


class Function:
    """A function or callable object that is neither async nor a generator function nor a class.

    ``takes`` is the number of positional arguments that it gets.
    """

    def __init__(self, wanted: str, *, takes: int = 1) -> None:
        self.wanted: Final[str] = wanted
        self._takes = takes

    def fault(self, value: object) -> Fault | None:
        if not callable(value) or isinstance(value, type) or is_async(value) or inspect.isgeneratorfunction(value):
            return Fault(TypeError, self.wanted, value)
        return None if can_take(value, self._takes) else Fault(TypeError, self.wanted, value)


class _Callable:
    """Anything that can be called."""

    wanted: str = "a function"

    def fault(self, value: object) -> Fault | None:
        return None if callable(value) else Fault(TypeError, self.wanted, value)


_NO_COUNTS: Final[Mapping[str, int]] = types.MappingProxyType({})


class Methods:
    """An object with these methods, or with at least one of ``any_of``; not a class.

    None of them may be a coroutine function; those in ``generators`` may be async generators. ``takes`` are the numbers
    of positional arguments that they get; ``instead`` is what an async method must be.
    """

    def __init__(
        self,
        wanted: str,
        *needed: str,
        any_of: Sequence[str] = (),
        generators: Sequence[str] = (),
        takes: Mapping[str, int] = _NO_COUNTS,
        instead: str = "a function that is not async",
    ) -> None:
        self.wanted: Final[str] = wanted
        self._needed = needed
        self._any_of = any_of
        self._generators = generators
        self._takes = takes
        self._instead = instead

    def fault(self, value: object) -> Fault | None:
        found = [name for name in (*self._needed, *self._any_of) if callable(getattr(value, name, None))]
        if isinstance(value, type) or not set(self._needed) <= set(found) or not (found or not self._any_of):
            return Fault(TypeError, self.wanted, value)
        for name in found:
            method = getattr(value, name)
            if name in self._generators:
                if inspect.iscoroutinefunction(method):
                    return Fault(
                        TypeError, "an async generator function (it awaits, but never yields)", method, f".{name}"
                    )
            elif is_async(method):
                return Fault(TypeError, self._instead, method, f".{name}")
            count = self._takes.get(name)
            if count is not None and not can_take(method, count):
                words = "no arguments" if count == 0 else f"{count} positional argument{'s' * (count > 1)}"
                return Fault(TypeError, f"a method that takes {words}", method, f".{name}")
        return None


class Items:
    """A list, a tuple or another sequence of such values; neither text nor a mapping.

    ``once`` also accepts an iterator, such as a generator; its values are not checked here.
    """

    def __init__(self, each: Constraint, wanted: str = "", *, empty: bool = True, once: bool = False) -> None:
        self._each = each
        self._empty = empty
        self._once = once
        self.wanted: Final[str] = wanted or f"a list of values, each {each.wanted}"

    def fault(self, value: object) -> Fault | None:
        if isinstance(value, (str, bytes, bytearray, Mapping)) or not isinstance(value, Iterable):
            return Fault(TypeError, self.wanted, value)
        if not isinstance(value, (Sequence, AbstractSet)):
            return None if self._once else Fault(TypeError, self.wanted, value)
        if not self._empty and not value:
            return Fault(ValueError, f"{self.wanted}, not empty", value)
        for place, one in enumerate(value):
            fault = self._each.fault(one)
            if fault is not None:
                return fault._replace(place=f"[{place}]{fault.place}")
        return None


class Table:
    """A mapping with text as keys, and such values."""

    def __init__(self, each: Constraint, wanted: str = "", *, key: Constraint | None = None) -> None:
        self._each = each
        self._key = key or Text()
        self.wanted: Final[str] = wanted or f"a dict of names and values, each value {each.wanted}"

    def fault(self, value: object) -> Fault | None:
        if not isinstance(value, Mapping):
            return Fault(TypeError, self.wanted, value)
        for name, one in value.items():
            fault = self._key.fault(name)
            if fault is not None:
                wanted = "text" if fault.kind is TypeError else fault.wanted
                return Fault(fault.kind, wanted, name, " (a key)")
            fault = self._each.fault(one)
            if fault is not None:
                return fault._replace(place=f"[{shown(name)}]{fault.place}")
        return None


class Anything:
    """Any value."""

    wanted: str = "anything"

    def fault(self, value: object) -> Fault | None:  # noqa: ARG002 - as all constraints have it
        return None


class Either:
    """A value that at least one of these constraints allows."""

    def __init__(self, *constraints: Constraint, wanted: str = "") -> None:
        self._constraints = constraints
        words = [constraint.wanted for constraint in constraints]
        self.wanted: Final[str] = wanted or (f"{', '.join(words[:-1])}, or {words[-1]}" if len(words) > 1 else words[0])

    def fault(self, value: object) -> Fault | None:
        kind: type[TypeError | ValueError] = TypeError
        for constraint in self._constraints:
            fault = constraint.fault(value)
            if fault is None:
                return None
            if fault.place:  # the right kind of value, of which one part is wrong
                return fault
            if fault.kind is ValueError:
                kind = ValueError
        return Fault(kind, self.wanted, value)


def _listed(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


def _with_article(name: str) -> str:
    return f"{'an' if name[0] in 'AEIOU' else 'a'} {name}"


# ── those that settings are made of ──────────────────────────────────────────────────────────────────

Seconds: TypeAlias = Annotated[float, Number(gt=0, unit="seconds")]
Pause: TypeAlias = Annotated[float, Number(ge=0, unit="seconds")]
"""A number of seconds; 0 is allowed."""
Count: TypeAlias = Annotated[int, Number(ge=0, whole=True)]
Positive: TypeAlias = Annotated[int, Number(ge=1, whole=True)]
Share: TypeAlias = Annotated[float, Number(ge=0)]
Quantile: TypeAlias = Annotated[float, Number(gt=0, le=1)]
Factor: TypeAlias = Annotated[float, Number(ge=1)]
Port: TypeAlias = Annotated[int, Number(ge=1, le=65535, whole=True)]

NAME: Final = Text()
ANY_TEXT: Final = Text(empty=True)
SECONDS: Final = Number(gt=0, unit="seconds")
FLAG: Final = Flag()
CALLABLE: Final = _Callable()
NOTHING: Final = Nothing()


# ── addresses and headers, of the file and of code ───────────────────────────────────────────────────


def is_address(url: str) -> bool:
    """Whether a text is an http:// or https:// address with a host, and without spaces and control characters."""
    from urllib.parse import urlsplit

    try:
        parts = urlsplit(url)
        is_whole = parts.scheme in {"http", "https"} and bool(parts.hostname) and (parts.port or 0) >= 0
    except ValueError:
        return False
    return is_whole and url.isprintable() and " " not in url


def is_base_url(url: str) -> bool:
    """Whether paths and credentials may be added to this address: without a user, a password, a query, a fragment."""
    return is_address(url) and "@" not in url.partition("://")[2].partition("/")[0] and not {"?", "#"} & {*url}


_HEADER: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")  # RFC 9110 5.6.2, token
_HEADER_TEXT: Final = re.compile(r"[\t -~\xa0-\xff]*")


def is_header_name(name: str) -> bool:
    """Whether a header may have this name."""
    return _HEADER.fullmatch(name) is not None


def is_header_text(text: str) -> bool:
    """Whether a header may have this value."""
    return _HEADER_TEXT.fullmatch(text) is not None


BASE_URL: Final = Text(
    "a URL that starts with http:// or https://, without user, password, query or fragment",
    empty=True,
    fits=is_base_url,
)
HEADERS: Final = Table(
    Text("text without line breaks, in Latin-1", empty=True, fits=is_header_text),
    "a dict of headers by name, each text",
    key=Text("the name of a header", empty=True, fits=is_header_name),
)


# ── from annotations ─────────────────────────────────────────────────────────────────────────────────

_checks: Final[dict[type[Any], tuple[tuple[str, Constraint], ...]]] = {}


def _checks_of(kind: type[Any]) -> tuple[tuple[str, Constraint], ...]:
    import dataclasses

    found = []
    for owner in reversed(kind.__mro__):
        names = vars(sys.modules[owner.__module__])
        for name, annotation in inspect.get_annotations(owner).items():
            field = getattr(kind, "__dataclass_fields__", {}).get(name)
            if isinstance(field, dataclasses.Field) and field.init:
                told = eval(annotation, names) if isinstance(annotation, str) else annotation  # noqa: S307 - our own text
                found.append((name, constraint_of(told)))
    return tuple(found)


def constraint_of(annotation: Any) -> Constraint:
    """The constraint of an annotation."""
    if typing.get_origin(annotation) is Annotated:
        return next(one for one in annotation.__metadata__ if hasattr(one, "fault"))  # type: ignore[no-any-return]
    arguments = typing.get_args(annotation)
    match typing.get_origin(annotation):
        case typing.Union | types.UnionType:
            return Either(*map(constraint_of, arguments))
        case origin if origin is Literal:
            return Word(*arguments)
        case origin if origin is tuple:
            return Items(constraint_of(arguments[0]), empty=False)
        case _:
            pass
    if annotation in {None, type(None)}:
        return NOTHING
    if annotation is bool:
        return FLAG
    if annotation is str:
        return ANY_TEXT
    raise TypeError(f"there is no constraint for {annotation!r}")
