"""The view of a request for plugins and middleware: without possible credentials, and with read-only dicts.

The parts for single hosts (``options``, ``extra_body``, ``extra_headers``) are where callers put keys that no
configuration contains, and nothing marks the keys in them. So these parts are removed, and restored afterwards.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, NoReturn

from .messages import NativePart, Request
from .validation import faults_of

if TYPE_CHECKING:
    from .messages import Message


class _ReadOnlyError(TypeError):
    """What a hook is given is not its own to change."""


def _refuse(*_: object, **__: object) -> NoReturn:
    raise _ReadOnlyError("hooks and middleware get read-only values: make a new value")


class _Table(dict[str, Any]):
    """A dict that is only read: as a mapping proxy it would be neither copied nor written as JSON."""

    __slots__ = ()
    __setitem__ = __delitem__ = __ior__ = clear = pop = popitem = setdefault = update = _refuse

    def __reduce__(self) -> tuple[Any, ...]:
        return dict, (dict(self),)


class _List(list[Any]):
    """A list that is only read."""

    __slots__ = ()
    __setitem__ = __delitem__ = __iadd__ = __imul__ = append = clear = extend = insert = pop = remove = _refuse
    reverse = sort = _refuse

    def __reduce__(self) -> tuple[Any, ...]:
        return list, (list(self),)


_NOTHING: Final = _Table()


def _read_only(value: object) -> Any:
    if isinstance(value, Mapping):
        return _Table((name, _read_only(item)) for name, item in value.items())
    if isinstance(value, (list, tuple)):
        return _List(map(_read_only, value))
    return value


def _own(value: object) -> Any:
    """The same, as plain tables."""
    if isinstance(value, Mapping):
        return {name: _own(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_own(item) for item in value]
    return value


def shown(request: Request) -> Request:
    """The request without possible credentials, and with read-only dicts."""
    return _with_tables(request, _read_only, {"options": _NOTHING, "extra_body": _NOTHING, "extra_headers": _NOTHING})


def given_back(request: Request, changed: object) -> Request:
    """The changed request, checked, with the removed parts restored.

    Entries that were added to the removed parts do not override the caller's own. ValueError, in one line, if it is
    not a valid request.
    """
    if not isinstance(changed, Request):
        raise ValueError(f"returned {type(changed).__name__}, not a Request")
    if changed.stream is not request.stream:
        raise ValueError("changed stream, which only the caller can set")
    told = dict(vars(changed))
    told["options"] = {
        name: {**changed.options.get(name, {}), **request.options.get(name, {})}
        for name in (*changed.options, *(name for name in request.options if name not in changed.options))
    }
    told["extra_body"] = {**changed.extra_body, **request.extra_body}
    told["extra_headers"] = {**changed.extra_headers, **request.extra_headers}
    try:
        return _with_tables(Request.model_validate(told), _own, {})
    except ValueError as error:
        told_faults = faults_of(error)
    raise ValueError(f"returned a wrong Request ({told_faults})")


def _with_tables(request: Request, form: Any, changed: dict[str, Any]) -> Request:
    """The request with every table of free keys in another form."""
    if request.tools:
        changed["tools"] = tuple(
            tool.model_copy(update={"parameters": form(tool.parameters)}) for tool in request.tools
        )
    output = request.output
    if output is not None and output.json_schema is not None:
        changed["output"] = output.model_copy(update={"json_schema": form(output.json_schema)})
    if any(_has_block(message) for message in request.messages):
        changed["messages"] = tuple(
            message.model_copy(update={"content": tuple(_part(part, form) for part in message.content)})
            if _has_block(message)
            else message
            for message in request.messages
        )
    return request.model_copy(update=changed) if changed else request


def _has_block(message: Message) -> bool:
    return isinstance(message.content, tuple) and any(isinstance(part, NativePart) for part in message.content)


def _part(part: Any, form: Any) -> Any:
    return part.model_copy(update={"block": form(part.block)}) if isinstance(part, NativePart) else part
