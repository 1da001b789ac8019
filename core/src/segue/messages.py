"""What is said: messages and their parts, tools, settings, and the request that carries them to a provider.

Dictionaries in the OpenAI form are read wherever a value of this module is wanted.
"""

from __future__ import annotations

import base64
import binascii
import inspect
import mimetypes
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import field, fields
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, Literal, Self, TypeAlias, get_args

from .capabilities import Need, Needs
from .constraints import CALLABLE, Anything, Either, Fault, Items, Of, check
from .errors import InvalidOutputError
from .json_schema import closed_schema_of, identifier, parameters_of
from .json_text import from_json
from .validation import Before, Limits, OneOf, Value, defaults, faults_of, filled, unset

if TYPE_CHECKING:
    from pydantic import BaseModel

Role: TypeAlias = Literal["system", "developer", "user", "assistant", "tool"]
Detail: TypeAlias = Literal["auto", "low", "high"]
ReasoningEffort: TypeAlias = Literal["none", "minimal", "low", "medium", "high", "xhigh"]


# Strict: text is not a number, a number is not a flag, and bytes are not text.
_Text: TypeAlias = Annotated[str, Limits(strict=True)]
_Flag: TypeAlias = Annotated[bool, Limits(strict=True)]
_Whole: TypeAlias = Annotated[int, Limits(strict=True)]


class _Named:
    """A function with a name, which a tool has too."""

    wanted: str = "a function with a name"

    def fault(self, value: object) -> Fault | None:
        return None if callable(value) and hasattr(value, "__name__") else Fault(TypeError, self.wanted, value)


class _Model:
    """A pydantic model, the class."""

    wanted: str = "a pydantic model (the class) or a JSON schema (a dict)"

    def fault(self, value: object) -> Fault | None:
        is_model = isinstance(value, type) and hasattr(value, "model_json_schema")
        return None if is_model else Fault(TypeError, self.wanted, value)


_FUNCTION: Final = _Named()
_SCHEMA: Final = _Model()
_PATH: Final = Of((str, PathLike), "the path of a file")

# ── parts of a message ───────────────────────────────────────────────────────────────────────────────


class TextPart(Value):
    """A piece of text in a message made of parts."""

    type: Literal["text"] = "text"
    text: _Text


class ImagePart(Value):
    """An image: its bytes with their media type, or an address that the host fetches itself.

    A ``data:`` address is read into bytes. ``detail`` is how closely OpenAI's models look at it.
    """

    _bytes: ClassVar[tuple[str, ...]] = ("data",)
    type: Literal["image"] = "image"
    url: _Text | None = None
    data: bytes | None = field(default=None, repr=False)
    media_type: _Text | None = None
    detail: Detail | None = None

    @classmethod
    def _read(cls, value: object) -> object:
        given = _own_form(value, "image_url", {"url": "url", "detail": "detail"})
        return _with_data(given)

    def _check(self) -> Self:
        _either(self, "url", "data")
        if self.data is not None and self.media_type is None:
            media_type = image_type(self.data)
            if media_type is None:
                raise ValueError("the data is no PNG, JPEG, GIF or WebP: give its media_type")
            object.__setattr__(self, "media_type", media_type)
        return self

    @classmethod
    def from_file(cls, path: str | PathLike[str], *, detail: Detail | None = None) -> ImagePart:
        """The image in a file; its kind is told by its first bytes."""
        check("ImagePart.from_file", "path", path, _PATH)
        return cls(data=Path(path).read_bytes(), detail=detail)


class AudioPart(Value):
    """Recorded sound; ``format`` is the name of its file format, such as ``wav`` or ``mp3``."""

    _bytes: ClassVar[tuple[str, ...]] = ("data",)
    type: Literal["audio"] = "audio"
    data: bytes = field(repr=False)
    format: _Text

    @classmethod
    def _read(cls, value: object) -> object:
        given = _own_form(value, "input_audio", {"data": "data", "format": "format"})
        if given is not value and isinstance(given, dict) and isinstance(given.get("data"), str):
            given["data"] = _from_base64(given["data"])
        return given

    @classmethod
    def from_file(cls, path: str | PathLike[str]) -> AudioPart:
        """The sound in a file; its format is the file's suffix."""
        check("AudioPart.from_file", "path", path, _PATH)
        path = Path(path)
        return cls(data=path.read_bytes(), format=path.suffix.lower().removeprefix("."))


class FilePart(Value):
    """A document: its bytes with their media type and a name, an address, or the id of one that the host has.

    An address is one that the host fetches itself, as of an `ImagePart`. ``citations`` asks the answer to say
    which places of it it rests on, in ``reply.sources``.
    """

    _bytes: ClassVar[tuple[str, ...]] = ("data",)
    type: Literal["file"] = "file"
    url: _Text | None = None
    data: bytes | None = field(default=None, repr=False)
    media_type: _Text | None = None
    name: _Text | None = None
    id: _Text | None = None
    citations: _Flag = False

    @classmethod
    def _read(cls, value: object) -> object:
        names = {"file_data": "url", "filename": "name", "file_id": "id"}
        given = _own_form(value, "file", names) if isinstance(value, Mapping) and "file" in value else value
        return _with_data(given)

    def _check(self) -> Self:
        _either(self, "data", "url", "id")
        if self.url is not None and "://" not in self.url:
            raise ValueError("an address is data:…, or has a scheme as https://… has")  # and no bare base64
        if self.data is not None and self.media_type is None:
            guessed = mimetypes.guess_type(self.name or "")[0]
            if guessed is None:
                raise ValueError("media_type is missing, and the name tells none")
            object.__setattr__(self, "media_type", guessed)
        return self

    @classmethod
    def from_file(cls, path: str | PathLike[str]) -> FilePart:
        """The document in a file; its media type is that of the file's suffix."""
        check("FilePart.from_file", "path", path, _PATH)
        path = Path(path)
        return cls(data=path.read_bytes(), name=path.name)


class ReasoningPart(Value):
    """What a model thought before it answered.

    ``opaque`` is what its host wants back unchanged (a signature, encrypted reasoning), in the form
    of its wire; ``origin`` is the provider that gave it, and the only one that it is ever sent to.
    """

    type: Literal["reasoning"] = "reasoning"
    text: _Text = ""
    opaque: _Text | None = field(default=None, repr=False)
    origin: _Text | None = None


class RefusalPart(Value):
    """A model's words for why it does not answer."""

    type: Literal["refusal"] = "refusal"
    refusal: _Text


class CachePart(Value):
    """A mark: the host may keep what stands before it, tools and system text included, and bill it for less.

    ``ttl`` is how long it is kept, where the host leaves a choice. A host that keeps by itself, or not at all, is
    sent no mark.
    """

    type: Literal["cache"] = "cache"
    ttl: Literal["5m", "30m", "1h", "12h"] | None = None


class NativePart(Value):
    """A block of one wire that no other part stands for; hosts of that wire are sent it as it is, others are not.

    ``wire`` is the wire's name: ``anthropic_messages``, ``openai_chat``, ``openai_responses``.
    """

    type: Literal["native"] = "native"
    wire: _Text
    block: Mapping[str, Any] = field(repr=False)


_THEIR_TYPES: Final = {"image_url": "image", "input_audio": "audio"}


def _kind(value: object) -> str | None:
    kind = value.get("type") if isinstance(value, Mapping) else getattr(value, "type", None)
    return _THEIR_TYPES.get(kind, kind) if isinstance(kind, str) else None


_Part: TypeAlias = TextPart | ImagePart | AudioPart | FilePart | ReasoningPart | RefusalPart | CachePart | NativePart
Part: TypeAlias = Annotated[_Part, OneOf({kind.type: kind for kind in get_args(_Part)}, _kind)]


# ── tools ────────────────────────────────────────────────────────────────────────────────────────────


class ToolCall(Value):
    """A model's wish that a tool be called; ``arguments`` is its JSON text, or the input of a custom tool.

    ``opaque`` and ``origin`` are as of a `ReasoningPart`: what its host wants back with the call, and whose it is.
    """

    id: _Text
    name: _Text
    arguments: _Text = ""
    kind: Literal["function", "custom"] = "function"
    opaque: _Text | None = field(default=None, repr=False)
    origin: _Text | None = None

    @classmethod
    def _read(cls, value: object) -> object:
        """The OpenAI form, ``{"id", "type", "function": {"name", "arguments"}}``, as ours."""
        if not isinstance(value, Mapping) or "type" not in value:
            return value
        kind = value["type"]
        inner = value.get(kind) if isinstance(kind, str) else None
        if kind not in {"function", "custom"} or not isinstance(inner, Mapping):
            raise ValueError("a tool call is of type function or custom, with a table of that name")
        return {
            "id": value.get("id"),
            "name": inner.get("name"),
            "arguments": inner.get("arguments" if kind == "function" else "input", ""),
            "kind": kind,
        }

    @property
    def args(self) -> dict[str, Any]:
        """The arguments by name; InvalidOutputError where the model wrote no JSON object."""
        if not self.arguments.strip():
            return {}
        try:
            value = from_json(self.arguments)
        except ValueError:
            value = None
        if not isinstance(value, dict):
            raise InvalidOutputError(
                f"the arguments for the tool {self.name!r} are no JSON object", text=self.arguments
            )
        return value


class Tool(Value):
    """A function that a model may ask to be called; ``parameters`` is a JSON schema of an object.

    ``strict`` asks the host to hold the model to the schema; None leaves it to the host.
    """

    name: Annotated[str, Limits(strict=True, min_length=1)]
    description: _Text = ""
    parameters: Mapping[str, Any] = field(default_factory=lambda: {"type": "object", "properties": {}})
    strict: _Flag | None = None

    @classmethod
    def _read(cls, value: object) -> object:
        """The OpenAI form, ``{"type": "function", "function": {…}}``, as ours."""
        if (
            isinstance(value, Mapping)
            and value.get("type") == "function"
            and isinstance(value.get("function"), Mapping)
        ):
            return {name: item for name, item in value["function"].items() if item is not None}
        return value

    @classmethod
    def of(cls, function: Callable[..., object]) -> Tool:
        """The declaration of a Python function: its name, its docstring, the types of its parameters.

        A parameter is described by ``Annotated[type, "what it is"]``. TypeError for ``*args``, ``**kwargs``
        and parameters without a type.
        """
        check("Tool.of", "function", function, _FUNCTION)
        return cls(
            name=function.__name__, description=inspect.getdoc(function) or "", parameters=parameters_of(function)
        )


class ToolName(Value):
    """The one tool that must be called."""

    name: _Text


ToolChoice: TypeAlias = Literal["auto", "none", "required"] | ToolName
"""Whether tools are called: as the model likes, not at all, at least one, or this one."""


# ── structured output ────────────────────────────────────────────────────────────────────────────────


class Output(Value):
    """The form that the answer must have: a JSON schema, or any JSON object where ``json_schema`` is None.

    ``strict`` asks the host to hold the model to the schema.
    """

    name: Annotated[str, Limits(strict=True, pattern=r"^[A-Za-z0-9_-]{1,64}$")] = "answer"
    json_schema: Mapping[str, Any] | None = None
    description: _Text | None = None
    strict: _Flag | None = None

    @classmethod
    def of(cls, schema: type[BaseModel] | Mapping[str, Any]) -> Output:
        """The form that a pydantic model or a JSON schema describes.

        Of a model every field is asked for and no other allowed, as strict hosts want it, unless the
        model has tables with free keys. A schema is sent as it is; its ``title`` is its name.
        """
        if isinstance(schema, Mapping):
            title = schema.get("title")
            return cls(name=identifier(title) if isinstance(title, str) else "answer", json_schema=dict(schema))
        check("Output.of", "schema", schema, _SCHEMA)
        written, strict = closed_schema_of(schema)
        description = inspect.cleandoc(schema.__doc__) if schema.__doc__ else None
        return cls(name=identifier(schema.__name__), json_schema=written, description=description, strict=strict)


# ── a turn ───────────────────────────────────────────────────────────────────────────────────────────


class Message(Value):
    """One turn: who speaks, and what; the field names are those of the OpenAI form.

    Only an assistant's turn has ``tool_calls``; only a tool's has ``tool_call_id``, the call that it answers, and
    ``is_error``, where the tool failed and its content says how. ``cache_control`` of a part is a `CachePart` after it.
    """

    role: Role
    content: _Text | tuple[Part, ...] = ""
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: _Text | None = None
    name: _Text | None = None
    is_error: _Flag = False

    @classmethod
    def _read(cls, value: object) -> object:
        """The OpenAI form: no content is none, a refusal is a part."""
        if not isinstance(value, Mapping):
            return value
        given = dict(value)
        if given.get("content") is None:
            given["content"] = ""
        if given.get("tool_calls", ()) is None:
            given["tool_calls"] = ()
        for ignored in ("audio", "annotations", "function_call"):
            # An answer of the openai SDK, dumped, has these with None in them.
            if ignored in given and not given[ignored]:
                del given[ignored]
        refusal = given.pop("refusal", None)
        if refusal is not None:
            given["content"] = (*_parts(given["content"]), {"type": "refusal", "refusal": refusal})
        if not isinstance(given["content"], str):
            given["content"] = tuple(_with_marks(_parts(given["content"])))
        return given

    def _check(self) -> Self:
        if self.tool_calls and self.role != "assistant":
            raise ValueError("only an assistant's message has tool_calls")
        if (self.tool_call_id is not None) is not (self.role == "tool"):
            raise ValueError("a tool's message, and no other, has the tool_call_id that it answers")
        if self.is_error and self.role != "tool":
            raise ValueError("only a tool's message has is_error")
        return self

    @property
    def parts(self) -> tuple[Part, ...]:
        """The content as parts; no text is no part."""
        return self.content if isinstance(self.content, tuple) else _text_parts(self.content)

    @property
    def text(self) -> str:
        """The text of the content as one string."""
        if isinstance(self.content, str):
            return self.content
        return "".join(part.text for part in self.content if isinstance(part, TextPart))


def _text_parts(text: str) -> tuple[TextPart, ...]:
    return (TextPart(text=text),) if text else ()


def _with_marks(parts: tuple[object, ...]) -> Iterator[object]:
    """The parts, with the mark that Anthropic and OpenRouter write inside a part as a part of its own."""
    for part in parts:
        if isinstance(part, Mapping) and "cache_control" in part and part.get("type") != "native":
            yield {name: value for name, value in part.items() if name != "cache_control"}
            if part["cache_control"] is not None:
                yield cache_mark(part["cache_control"])
        else:
            yield part


def cache_mark(told: object) -> CachePart:
    """The mark that a ``cache_control`` is; ValueError where it is none."""
    if not isinstance(told, Mapping) or told.get("type") != "ephemeral" or not told.keys() <= {"type", "ttl"}:
        raise ValueError('cache_control is {"type": "ephemeral"}, with a ttl where one is wanted')
    return CachePart.model_validate({"ttl": told.get("ttl")})


def _parts(content: object) -> tuple[object, ...]:
    if isinstance(content, str):
        return _text_parts(content)
    return tuple(content) if isinstance(content, Sequence) else (content,)


# ── settings and the request ─────────────────────────────────────────────────────────────────────────


def _as_sequence(stop: object) -> object:
    return (stop,) if isinstance(stop, str) else stop


_Positive: TypeAlias = Annotated[int, Limits(ge=1, strict=True)]
_Finite: TypeAlias = Annotated[float, Limits(allow_inf_nan=False, strict=True)]


class Settings(Value):
    """How to answer; None leaves it to the model."""

    temperature: _Finite | None = None
    """0 is the most predictable; most hosts take up to 2."""
    top_p: _Finite | None = None
    """Only the likeliest tokens that together have this probability."""
    top_k: _Whole | None = None
    """Only so many of the likeliest tokens."""
    max_tokens: _Positive | None = None
    """The longest answer, its reasoning included."""
    stop: Annotated[tuple[_Text, ...] | None, Before(_as_sequence)] = None
    """End the answer before any of these."""
    seed: _Whole | None = None
    """The same seed, as far as the host can, the same answer."""
    frequency_penalty: _Finite | None = None
    """Against tokens by how often they came, -2 to 2."""
    presence_penalty: _Finite | None = None
    """Against tokens that came at all, -2 to 2."""
    n: _Positive | None = None
    """How many answers to give, in ``reply.choices``."""
    logprobs: _Flag | None = None
    """Tell the log probability of each token."""
    top_logprobs: Annotated[int, Limits(ge=0, strict=True)] | None = None
    """And of so many others in its place."""
    parallel_tool_calls: _Flag | None = None
    """Whether several tools may be called at once."""
    reasoning_effort: ReasoningEffort | None = None
    """How much a reasoning model thinks."""

    def given(self) -> dict[str, Any]:
        """The settings that were set, by name."""
        if self is NO_SETTINGS:
            return {}
        return {name: value for name, value in self.__dict__.items() if value is not None}


NO_SETTINGS: Final = unset(Settings)
SETTING_NAMES: Final = tuple(each.name for each in fields(Settings))


class Policy(Value):
    """What to do where a model or its wire lacks what a request asks for.

    ``tuning`` is about settings that only steer the answer; ``meaning`` about what makes it another
    answer: tools, a schema, images, stop, several choices. ``notice`` leaves it out and says so, ``error``
    refuses the candidate before anything is sent, ``send`` sends it where the wire has words for it.
    """

    tuning: Literal["notice", "error", "send"] = "notice"
    meaning: Literal["notice", "error", "send"] = "error"


def _tool_choice(value: object) -> object:
    if isinstance(value, str) and value not in {"auto", "none", "required"}:
        return ToolName(name=value)
    if isinstance(value, Mapping) and isinstance(value.get("function"), Mapping):
        return ToolName(name=value["function"].get("name"))
    return value


class Request(Value):
    """All that a provider is told of a call.

    ``stream`` is whether the answer is wanted as it comes; a wire without streaming may ignore it.
    ``options`` are settings of one provider alone, by its name, checked by its own model;
    ``extra_body`` and ``extra_headers`` are added to the call as they are, above all else.
    """

    messages: tuple[Message, ...]
    tools: tuple[Tool, ...] = ()
    tool_choice: Annotated[ToolChoice | None, Before(_tool_choice)] = None
    output: Output | None = None
    settings: Settings = NO_SETTINGS
    needs: Needs = Needs()
    stream: _Flag = True
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    extra_body: Mapping[str, Any] = field(default_factory=dict)
    extra_headers: Mapping[str, _Text] = field(default_factory=dict, repr=False)
    policy: Policy = unset(Policy)

    def _check(self) -> Self:
        names = {tool.name for tool in self.tools}
        if len(names) < len(self.tools):
            raise ValueError("two tools have the same name")
        if isinstance(self.tool_choice, ToolName) and self.tool_choice.name not in names:
            raise ValueError(f"tool_choice names {self.tool_choice.name!r}, which is none of the tools")
        if self.tool_choice == "required" and not names:
            raise ValueError("tool_choice is 'required', but there are no tools")
        return self

    def implied_needs(self) -> tuple[Need, ...]:
        """What a model must be able to do for this request, by what it contains."""
        implied: dict[str, None] = {}
        for message in self.messages:
            if not isinstance(message.content, str):
                for part in message.content:
                    match part:
                        case ImagePart():
                            implied["vision"] = None
                        case AudioPart():
                            implied["audio"] = None
                        case FilePart():
                            implied["files"] = None
                        case _:
                            pass
        if self.tools and self.tool_choice != "none":
            implied["tools"] = None
        if self.output is not None and self.output.json_schema is not None:
            implied["json_schema"] = None
        return tuple(map(Need, implied)) if implied else ()


class EmbedRequest(Value):
    """A wish for vectors; ``purpose`` is what they are for, where a host makes a difference."""

    inputs: Annotated[tuple[_Text, ...], Limits(min_length=1)]
    dimensions: _Positive | None = None
    purpose: Literal["query", "document"] | None = None
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    extra_body: Mapping[str, Any] = field(default_factory=dict)
    extra_headers: Mapping[str, _Text] = field(default_factory=dict, repr=False)
    policy: Policy = unset(Policy)


_TURN: Final = {**dict.fromkeys(each.name for each in fields(Message)), **defaults(Message)}
_REQUEST: Final = defaults(Request)


def said(role: Role, text: str) -> Message:
    """A turn of plain text, which is all that there is to check; ValueError where it is none, a lone surrogate."""
    if text.__class__ is str and (text.isascii() or _is_text(text)):
        return filled(Message, {**_TURN, "role": role, "content": text})
    return Message(role=role, content=text)


def _is_text(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def request_with(messages: tuple[Message, ...], settings: Settings, *, stream: bool) -> Request:
    """The request of nothing but messages and settings, both of which were checked when they were made."""
    told = {"messages": messages, **_REQUEST, "settings": settings, "stream": stream}
    told["options"], told["extra_body"], told["extra_headers"] = {}, {}, {}
    return filled(Request, told)


MessagesInput: TypeAlias = "str | Message | Sequence[Message | Mapping[str, Any]]"
ToolInput: TypeAlias = "Tool | Callable[..., object] | Mapping[str, Any]"


_TURNS: Final = Items(
    Anything(), "text, a Message, or a list of messages (each a Message or a dict with role and content)", once=True
)
_TOOLS: Final = Items(
    Either(Of((Tool, Mapping)), CALLABLE, wanted="a Tool, a Python function, or a dict in the OpenAI form"),
    "a list of tools",
)


def read_messages(value: MessagesInput, *, where: str = "read_messages") -> tuple[Message, ...]:
    """Messages from a string, dictionaries in the OpenAI form, or messages.

    TypeError or ValueError for none or wrong ones, with the argument of ``where``.
    """
    if isinstance(value, str):
        return (said("user", value),)
    if isinstance(value, Message):
        return (value,)
    if value.__class__ is not list:
        check(where, "messages", value, _TURNS, secret=True)
    messages: list[Message] = []
    for place, item in enumerate(value):
        try:
            messages.append(item if isinstance(item, Message) else Message.model_validate(item))
        except ValueError as error:
            told = faults_of(error, f"messages[{place}]")
            raise ValueError(told) from None
    if not messages:
        raise ValueError("messages is empty: give at least one")
    return tuple(messages)


def read_tools(tools: Sequence[ToolInput], *, where: str = "read_tools") -> tuple[Tool, ...]:
    """Tools from declarations, Python functions, or dictionaries in the OpenAI form."""
    check(where, "tools", tools, _TOOLS)
    read: list[Tool] = []
    for place, tool in enumerate(tools):
        try:
            read.append(
                tool
                if isinstance(tool, Tool)
                else Tool.model_validate(tool)
                if isinstance(tool, Mapping)
                else Tool.of(tool)
            )
        except (TypeError, ValueError) as error:
            kind = ValueError if isinstance(error, ValueError) else TypeError
            told = faults_of(error, f"tools[{place}]") if isinstance(error, ValueError) else f"tools[{place}]: {error}"
        else:
            continue
        raise kind(told)
    return tuple(read)


# ── reading parts ────────────────────────────────────────────────────────────────────────────────────


def _own_form(value: object, kind: str, names: Mapping[str, str]) -> object:
    """A part of the OpenAI form, ``{"type": kind, kind: {…}}``, as ours; anything else as it is."""
    if not isinstance(value, Mapping) or kind not in value:
        return value
    inner = value[kind]
    if isinstance(inner, str):  # some clients write the address alone
        inner = {"url": inner}
    if not isinstance(inner, Mapping):
        raise ValueError(f"{kind} must be a table")
    unknown = [name for name in inner if name not in names]
    if unknown:
        raise ValueError(f"{kind} has the unknown field {unknown[0]!r}")
    return {names[name]: item for name, item in inner.items() if item is not None}


def _with_data(value: object) -> object:
    """With a ``data:`` address (RFC 2397, base64) read into bytes and their media type."""
    if not isinstance(value, Mapping):
        return value
    url = value.get("url")
    if not isinstance(url, str) or not url.startswith("data:"):
        return value
    head, comma, body = url.removeprefix("data:").partition(",")
    media_type, semicolon, coding = head.rpartition(";")
    if not comma or not semicolon or coding != "base64" or not media_type:
        raise ValueError("a data: address is data:MEDIA-TYPE;base64,DATA")
    return {
        **{name: item for name, item in value.items() if name != "url"},
        "data": _from_base64(body),
        "media_type": media_type,
    }


def _from_base64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        raise ValueError("the data is not base64") from None


def _either(part: Value, *names: str) -> None:
    if sum(getattr(part, name) is not None for name in names) != 1:
        raise ValueError(f"give either {' or '.join(names)}")


# The first bytes of the formats that the hosts take (PNG 1.2 3.1, JPEG, GIF89a 17, RIFF WebP).
_SIGNATURES: Final = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
)


def image_type(data: bytes) -> str | None:
    """The media type of a PNG, JPEG, GIF or WebP, told by its first bytes; None for anything else."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    for signature, media_type in _SIGNATURES:
        if data.startswith(signature):
            return media_type
    return None
