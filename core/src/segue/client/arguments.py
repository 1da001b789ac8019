"""Reads and checks the arguments of `Client.chat`, `Client.stream` and the other calls."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, TypedDict

from ..capabilities import Needs
from ..constraints import HEADERS, Anything, Of, Table, check, shown
from ..json_text import check_json
from ..messages import (
    NO_SETTINGS,
    SETTING_NAMES,
    CachePart,
    Output,
    Policy,
    Request,
    Settings,
    TextPart,
    read_messages,
    read_tools,
    request_with,
)
from ..validation import made, refusal_of
from .misnamed import unknown_argument

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydantic import BaseModel

    from ..capabilities import Need
    from ..messages import Message, MessagesInput, ReasoningEffort, ToolInput, ToolName
    from ..observation import MidStream
    from ..resilience import Hedge, Rejection
    from ..transport import Timeout

SchemaInput: TypeAlias = "type[BaseModel] | Mapping[str, Any] | Literal['json']"

NO_NEEDS: Final = Needs()
NO_REQUEST: Final = request_with((), NO_SETTINGS, stream=True)
"""The request that an embedding call passes through a chain."""

_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})
_HOW: Final = ("timeout", "mid_stream", "reject", "hedge", "hold_back")
_SAID: Final = ("tools", "tool_choice", "options", "extra_body", "extra_headers", "policy")


class Asking(TypedDict, total=False):
    """The other arguments of a call; the settings are those of `Settings`.

    ``tools`` are `Tool` values, Python functions or dictionaries in the OpenAI form. ``tool_choice`` is
    ``"auto"``, ``"none"``, ``"required"`` or a tool's name. ``options`` are settings for single providers, by the
    provider's name. ``extra_body`` and ``extra_headers`` are added to the HTTP request unchanged.

    These override the chain and the client: ``timeout`` (a number is the total in seconds), ``mid_stream``, ``hedge``
    (a number is the delay in seconds) and ``reject``, as in `Chain`. ``hold_back`` is the number of characters that a
    stream holds back, so that ``reject`` can check them.
    """

    tools: Sequence[ToolInput]
    tool_choice: str | ToolName | Mapping[str, Any] | None
    options: Mapping[str, Mapping[str, Any]]
    extra_body: Mapping[str, Any]
    extra_headers: Mapping[str, str]
    policy: Policy
    timeout: Timeout | float | None
    mid_stream: MidStream
    reject: Sequence[Rejection] | Rejection
    hedge: Hedge | float | bool | None
    hold_back: float | None
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
    """The request from the arguments; TypeError for an unknown one, TypeError or ValueError for a wrong one."""
    where = "stream" if stream else "chat"
    settings, said = _read(where, asking, schema) if asking or schema is not None else (NO_SETTINGS, _NOTHING)
    turns = read_messages(messages, where=where)
    for place, turn in enumerate(turns):
        if turn.role == "user" and (not turn.content or (turn.content.__class__ is tuple and _is_empty(turn))):
            raise ValueError(_empty(where, messages, place))
    if not said:
        return request_with(turns, settings, stream=stream)
    return made(where, Request, {"messages": turns, "settings": settings, "stream": stream, **said})


def _is_empty(turn: Message) -> bool:
    """Whether no part of a message says anything."""
    return all(isinstance(part, CachePart) or (isinstance(part, TextPart) and not part.text) for part in turn.parts)


def _empty(where: str, messages: object, place: int) -> str:
    told = f"{where}(messages={shown(messages, secret=bool(messages))}): messages"
    if isinstance(messages, str):
        return f"{told} must not be empty"
    return f"{told}[{place}].content must not be empty: a message of the user needs text or a part"


NOTHING_SAID: Final[Any] = object()
"""The default of the argument ``messages``, which has to be given."""


def nothing_said(where: str, asking: Asking) -> TypeError:
    """The error for a call without messages; they may have been given under another name."""
    unknown = next((name for name in asking if name not in {*_HOW, *_SAID, *SETTING_NAMES}), None)
    if unknown is not None:
        return TypeError(unknown_argument(where, unknown))
    return TypeError(f"{where}(): messages is missing: give text or a list of messages as the first argument")


def _read(where: str, asking: Asking, schema: SchemaInput | None) -> tuple[Settings, Mapping[str, Any]]:
    """The settings, and what else is said beside the messages."""
    given: dict[str, Any] = dict(asking)
    said = {name: value for name in _SAID if (value := given.pop(name, None)) is not None}
    for name in _HOW:
        given.pop(name, None)
    for name in given:
        if name not in SETTING_NAMES:
            raise TypeError(unknown_argument(where, name))
    for name, constraint in TABLES.items():
        if name in said:
            check(where, name, said[name], constraint, secret=True)
    if "tools" in said:
        said["tools"] = read_tools(said["tools"], where=where)
    if schema is not None:
        said["output"] = _output(where, schema)
    return made(where, Settings, given) if given else NO_SETTINGS, said


TABLES: Final = {
    "options": Table(Of(Mapping, "a dict"), "a dict of options by the provider's name, each a dict"),
    "extra_body": Table(Anything(), "a dict"),
    "extra_headers": HEADERS,
}
"""The arguments that are dicts and may hold secrets."""


def _output(where: str, schema: SchemaInput) -> Output:
    """The form of the answer that the argument ``schema`` says."""
    if schema == "json":
        return Output()
    told = f"{where}(schema={shown(schema)}): schema"
    if isinstance(schema, Mapping):
        check_json(where, "schema", schema)
        return Output.of(schema)
    if isinstance(schema, type) and hasattr(schema, "model_json_schema") and hasattr(schema, "model_validate_json"):
        try:
            return Output.of(schema)
        except TypeError as error:
            told = f"{told}: {error}"
        raise TypeError(told)
    kind = ValueError if isinstance(schema, str) else TypeError
    raise kind(f"{told} must be a pydantic model (the class), a JSON schema (a dict), or 'json'")


def options_read(model: type[BaseModel], values: Mapping[str, Any], where: str, place: str) -> dict[str, Any]:
    """The options as the provider's own model reads them; a TypeError or ValueError of one line if it refuses them."""
    try:
        return model.model_validate(dict(values)).model_dump(exclude_unset=True)
    except ValueError as error:
        refusal = refusal_of(error, where, place)
    raise refusal  # outside the except block: the frames of the other error hold the values


def with_implied(needs: Needs, implied: Sequence[Need], *, lenient: bool) -> Needs:
    """The needs, together with the needs that the request implies.

    For a named model an unknown fact is enough, and a schema that it does not support is requested in another way.
    """
    if lenient:
        implied = [replace(need, unknown_ok=True) for need in implied if need.name != "json_schema"]
    return needs & Needs(implied) if implied else needs
