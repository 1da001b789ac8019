"""What a call may say: the arguments of `Client.chat` and its kin, read and checked."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, TypedDict

from .capabilities import Needs
from .messages import (
    NO_SETTINGS,
    SETTING_NAMES,
    Output,
    Policy,
    Request,
    Settings,
    read_messages,
    read_tools,
    request_with,
)
from .validation import faults_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pydantic import BaseModel

    from .capabilities import Need
    from .messages import MessagesInput, ReasoningEffort, ToolInput, ToolName
    from .observation import MidStream
    from .resilience import Hedge, Rejection
    from .transport import Timeout

NeedsInput: TypeAlias = "str | Needs"
SchemaInput: TypeAlias = "type[BaseModel] | Mapping[str, Any] | Literal['json']"

NO_NEEDS: Final = Needs()
NO_REQUEST: Final = request_with((), NO_SETTINGS, stream=True)
"""What a call for vectors carries through a chain."""

_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})
_CHOSEN: Final = ("model", "needs", "chain", "schema")
_HOW: Final = ("timeout", "mid_stream", "reject", "hedge", "hold_back")
_SAID: Final = ("tools", "tool_choice", "options", "extra_body", "extra_headers", "policy")


class Asking(TypedDict, total=False):
    """What else a call may say; the settings are those of `Settings`.

    ``tools`` are declarations, Python functions or dictionaries in the OpenAI form. ``tool_choice`` is
    ``"auto"``, ``"none"``, ``"required"`` or a tool's name. ``options`` are settings of one provider
    alone, by its name. ``extra_body`` and ``extra_headers`` are added to the call as they are.

    How it is made stands above what its chain and the client say: ``timeout``, ``mid_stream``, ``hedge``, ``reject``
    as in `Chain`; ``hold_back`` is how many characters a stream keeps back, so that ``reject`` can look at them.
    """

    tools: Sequence[ToolInput]
    tool_choice: str | ToolName | Mapping[str, Any] | None
    options: Mapping[str, Mapping[str, Any]]
    extra_body: Mapping[str, Any]
    extra_headers: Mapping[str, str]
    policy: Policy
    timeout: Timeout
    mid_stream: MidStream
    reject: Sequence[Rejection] | Rejection
    hedge: Hedge | None
    hold_back: float
    temperature: float | None
    top_p: float | None
    top_k: int | None
    max_tokens: int | None
    stop: str | Sequence[str] | None
    seed: int | None
    frequency_penalty: float | None
    presence_penalty: float | None
    n: int | None
    logprobs: bool | None
    top_logprobs: int | None
    parallel_tool_calls: bool | None
    reasoning_effort: ReasoningEffort | None


def request_of(messages: MessagesInput, schema: SchemaInput | None, asking: Asking, *, stream: bool) -> Request:
    """The request that the arguments make; TypeError for an unknown one, ValueError for a wrong one."""
    settings, said = _read(asking, schema) if asking or schema is not None else (NO_SETTINGS, _NOTHING)
    try:
        if not said:
            return request_with(read_messages(messages), settings, stream=stream)
        return Request(messages=read_messages(messages), settings=settings, stream=stream, **said)
    except ValueError as error:
        told = faults_of(error)
    raise ValueError(told)  # as `named`, which costs as much as the rest of a plain request


def _read(asking: Asking, schema: SchemaInput | None) -> tuple[Settings, Mapping[str, Any]]:
    """The settings, and what else is said beside the messages."""
    given: dict[str, Any] = dict(asking)
    said = {name: value for name in _SAID if (value := given.pop(name, None)) is not None}
    for name in _HOW:
        given.pop(name, None)
    for name in given:
        if name not in SETTING_NAMES:
            raise TypeError(f"there is no setting {name!r}{nearest(name, (*SETTING_NAMES, *_SAID, *_HOW, *_CHOSEN))}")
    if "tools" in said:
        said["tools"] = read_tools(said["tools"])
    if schema is not None:
        said["output"] = Output() if isinstance(schema, str) else Output.of(schema)
    with named(""):
        return Settings(**given) if given else NO_SETTINGS, said


@contextlib.contextmanager
def named(where: str) -> Iterator[None]:
    """Turn pydantic's page of errors into a ValueError of one line."""
    try:
        yield
    except ValueError as error:
        told = faults_of(error, where)
    else:
        return
    raise ValueError(told)


def with_implied(needs: Needs, implied: Sequence[Need], *, lenient: bool) -> Needs:
    """The needs, and those that the request implies.

    Of a model that was named what is unknown will do, and a schema that it does not take is asked for in another form.
    """
    if lenient:
        implied = [replace(need, unknown_ok=True) for need in implied if need.name != "json_schema"]
    return needs & Needs(implied) if implied else needs


def nearest(name: str, known: Sequence[str]) -> str:
    """What may have been meant, as the end of a sentence; or what there is."""
    import difflib  # slow to import: only where something is wrong

    near = difflib.get_close_matches(name, known, n=1)
    if near:
        return f"; did you mean {near[0]!r}?"
    return f"; there are {', '.join(known)}" if known else ""
