"""Messages and their parts, tools, settings, and the request that a provider gets.

Dictionaries in the OpenAI form are accepted in place of every value of this module.
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
from .constraints import CALLABLE, HEADERS, Anything, Either, Fault, Items, Of, check, shown
from .errors import InvalidOutputError
from .json_schema import closed_schema_of, identifier, parameters_of
from .json_text import JSON, from_json
from .validation import Before, Check, Limits, OneOf, Value, defaults, filled, refusal_of, unset

if TYPE_CHECKING:
    from pydantic import BaseModel

Role: TypeAlias = Literal["system", "developer", "user", "assistant", "tool"]
Detail: TypeAlias = Literal["auto", "low", "high"]
ReasoningEffort: TypeAlias = Literal["none", "minimal", "low", "medium", "high", "xhigh"]


def _as_dict(value: object) -> object:
    """Any mapping as a dict, which JSON writes."""
    return value if isinstance(value, dict) or not isinstance(value, Mapping) else dict(value)


def _as_dicts(value: object) -> object:
    """The same for mappings in a mapping."""
    return {name: _as_dict(each) for name, each in value.items()} if isinstance(value, Mapping) else value


# Strict: text is not a number, a number is not a flag, and bytes are not text.
_Text: TypeAlias = Annotated[str, Limits(strict=True, min_length=0)]  # with a limit, lone surrogates are found
_Flag: TypeAlias = Annotated[bool, Limits(strict=True)]
_Whole: TypeAlias = Annotated[int, Limits(strict=True)]
_Json: TypeAlias = Annotated[Mapping[str, Any], Before(_as_dict), Check(JSON)]
_Headers: TypeAlias = Annotated[Mapping[str, _Text], Before(_as_dict), Check(HEADERS)]
_Options: TypeAlias = Annotated[Mapping[str, Mapping[str, Any]], Before(_as_dicts), Check(JSON)]


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
    """An image: its bytes with their media type, or a URL that the host fetches itself.

    A ``data:`` URL is read into bytes. ``detail`` is the level of detail for OpenAI's models.
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
        _check_url(self.url, "ImagePart")
        if self.data is not None and self.media_type is None:
            media_type = image_type(self.data)
            if media_type is None:
                raise ValueError("the data is not a PNG, JPEG, GIF or WebP image: give its media_type")
            object.__setattr__(self, "media_type", media_type)
        return self

    @classmethod
    def from_file(cls, path: str | PathLike[str], *, detail: Detail | None = None) -> ImagePart:
        """The image in a file; its first bytes decide its media type."""
        check("ImagePart.from_file", "path", path, _PATH)
        return cls(data=Path(path).read_bytes(), detail=detail)


def _check_url(url: str | None, kind: str) -> None:
    """Refuse what no host can fetch: a path, and bare base64."""
    if url is not None and ("://" not in url or url.startswith("file:")):
        told = "a URL starts with data: or with a scheme such as https://"
        raise ValueError(f"{told}; to send a file of this machine write {kind}.from_file(path)")


class AudioPart(Value):
    """Recorded audio; ``format`` is the name of its file format, such as ``wav`` or ``mp3``."""

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
        """The audio in a file; its format is the file's suffix."""
        check("AudioPart.from_file", "path", path, _PATH)
        path = Path(path)
        return cls(data=path.read_bytes(), format=path.suffix.lower().removeprefix("."))


class FilePart(Value):
    """A document: its bytes with their media type and a name, a URL, or the id of a file at the host.

    The host fetches the URL itself, like that of an `ImagePart`. ``citations`` requests that the answer cites places
    of the document; they are in ``reply.sources``.
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
        _check_url(self.url, "FilePart")
        if self.data is not None and self.media_type is None:
            guessed = mimetypes.guess_type(self.name or "")[0]
            if guessed is None:
                raise ValueError("media_type is missing, and the suffix of the name is unknown")
            object.__setattr__(self, "media_type", guessed)
        return self

    @classmethod
    def from_file(cls, path: str | PathLike[str]) -> FilePart:
        """The document in a file; the file's suffix decides its media type."""
        check("FilePart.from_file", "path", path, _PATH)
        path = Path(path)
        return cls(data=path.read_bytes(), name=path.name)


class ReasoningPart(Value):
    """A model's reasoning before its answer.

    ``opaque`` is data that its host needs back unchanged (a signature, encrypted reasoning), in the form
    of its wire; ``origin`` is the provider that it came from, and the only one that it is sent to.
    """

    type: Literal["reasoning"] = "reasoning"
    text: _Text = ""
    opaque: _Text | None = field(default=None, repr=False)
    origin: _Text | None = None


class RefusalPart(Value):
    """The text in which a model says why it does not answer."""

    type: Literal["refusal"] = "refusal"
    refusal: _Text


class CachePart(Value):
    """A cache mark: the host may cache the prompt up to this place, with tools and system text, and charge less for it.

    ``ttl`` is how long it is cached, if the host supports that. Hosts that cache by themselves, or not at all, do not
    get the mark.
    """

    type: Literal["cache"] = "cache"
    ttl: Literal["5m", "30m", "1h", "12h"] | None = None


class NativePart(Value):
    """A block of one wire for which there is no other part; it is sent unchanged, and only to hosts of that wire.

    ``wire`` is the wire's name: ``anthropic_messages``, ``openai_chat``, ``openai_responses``.
    """

    type: Literal["native"] = "native"
    wire: _Text
    block: _Json = field(repr=False)


_THEIR_TYPES: Final = {"image_url": "image", "input_audio": "audio"}


def _kind(value: object) -> str | None:
    kind = value.get("type") if isinstance(value, Mapping) else getattr(value, "type", None)
    return _THEIR_TYPES.get(kind, kind) if isinstance(kind, str) else None


_Part: TypeAlias = TextPart | ImagePart | AudioPart | FilePart | ReasoningPart | RefusalPart | CachePart | NativePart
Part: TypeAlias = Annotated[_Part, OneOf({kind.type: kind for kind in get_args(_Part)}, _kind)]


# ── tools ────────────────────────────────────────────────────────────────────────────────────────────


class ToolCall(Value):
    """A model's request to call a tool; ``arguments`` is JSON text, or the input of a custom tool.

    ``opaque`` and ``origin`` are as in a `ReasoningPart`: data that its host needs back, and the provider it came from.
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
            raise ValueError("the type of a tool call must be function or custom, with a dict of that name")
        return {
            "id": value.get("id"),
            "name": inner.get("name"),
            "arguments": inner.get("arguments" if kind == "function" else "input", ""),
            "kind": kind,
        }

    @property
    def args(self) -> dict[str, Any]:
        """The arguments by name; InvalidOutputError if the model did not write a JSON object."""
        if not self.arguments.strip():
            return {}
        try:
            value = from_json(self.arguments)
        except ValueError:
            value = None
        if not isinstance(value, dict):
            raise InvalidOutputError(
                f"the arguments for the tool {self.name!r} are not a JSON object", text=self.arguments
            )
        return value


class Tool(Value):
    """A function that a model can call; ``parameters`` is the JSON schema of an object.

    ``strict`` requests that the host enforces the schema; None is the host's default.
    """

    name: Annotated[str, Limits(strict=True, min_length=1)]
    description: _Text = ""
    parameters: _Json = field(default_factory=lambda: {"type": "object", "properties": {}})
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
    """The name of the tool that the model must call."""

    name: _Text


ToolChoice: TypeAlias = Literal["auto", "none", "required"] | ToolName
"""Whether the model calls tools: it decides, none, at least one, or this one."""


# ── structured output ────────────────────────────────────────────────────────────────────────────────


class Output(Value):
    """The required form of the answer: a JSON schema, or any JSON object if ``json_schema`` is None.

    ``strict`` requests that the host enforces the schema.
    """

    name: Annotated[str, Limits(strict=True, pattern=r"^[A-Za-z0-9_-]{1,64}$")] = "answer"
    json_schema: _Json | None = None
    description: _Text | None = None
    strict: _Flag | None = None

    @classmethod
    def of(cls, schema: type[BaseModel] | Mapping[str, Any]) -> Output:
        """The form that a pydantic model or a JSON schema describes.

        For a pydantic model every field is required and no other field is allowed, because strict hosts need that;
        except if the model has dicts with any keys. A JSON schema is sent unchanged; its ``title`` is its name.
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
    """One message of a conversation: its role and content; the field names are those of the OpenAI form.

    Only an assistant's message has ``tool_calls``. Only a tool's message has ``tool_call_id`` (the call that it
    answers) and ``is_error`` (the tool failed; the content is the error). ``cache_control`` of a part becomes a
    `CachePart` after it.
    """

    _wanted: ClassVar[Mapping[str, str]] = {"content": "text or a list of parts"}

    role: Role
    content: _Text | tuple[Part, ...] = ""
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: _Text | None = None
    name: _Text | None = None
    is_error: _Flag = False

    @classmethod
    def _read(cls, value: object) -> object:
        """The OpenAI form: empty content is null, a refusal is a part."""
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
        if not isinstance(given["content"], str) and _is_content(given["content"]):
            given["content"] = tuple(_with_marks(_parts(given["content"])))
        return given

    def _check(self) -> Self:
        if self.tool_calls and self.role != "assistant":
            raise ValueError("only an assistant's message can have tool_calls")
        if (self.tool_call_id is not None) is not (self.role == "tool"):
            raise ValueError(
                "a tool's message must have the tool_call_id that it answers; other messages must not have one"
            )
        if self.is_error and self.role != "tool":
            raise ValueError("only a tool's message can have is_error")
        return self

    @property
    def parts(self) -> tuple[Part, ...]:
        """The content as parts; an empty text is omitted."""
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
    """The mark for a ``cache_control``; ValueError if it is not valid."""
    if not isinstance(told, Mapping) or told.get("type") != "ephemeral" or not told.keys() <= {"type", "ttl"}:
        raise ValueError('cache_control must be {"type": "ephemeral"}; a ttl is optional')
    return CachePart.model_validate({"ttl": told.get("ttl")})


def _parts(content: object) -> tuple[object, ...]:
    if isinstance(content, str):
        return _text_parts(content)
    return tuple(content) if isinstance(content, Sequence) else (content,)


def _is_content(content: object) -> bool:
    """Whether it may be a list of parts, or one part; what it is not is wrong as a whole."""
    return isinstance(content, (Sequence, Mapping, Value)) and not isinstance(content, (bytes, bytearray))


# ── settings and the request ─────────────────────────────────────────────────────────────────────────


def _as_sequence(stop: object) -> object:
    return (stop,) if isinstance(stop, str) else stop


_Positive: TypeAlias = Annotated[int, Limits(ge=1, strict=True)]
_Finite: TypeAlias = Annotated[float, Limits(allow_inf_nan=False, strict=True)]


class Settings(Value):
    """Settings of the answer; None is the model's default."""

    _shows_text: ClassVar[bool] = True
    _wanted: ClassVar[Mapping[str, str]] = {"stop": "text or a list of texts"}

    temperature: _Finite | None = None
    """Randomness: 0 is the most predictable; most hosts accept up to 2."""
    top_p: _Finite | None = None
    """Sample from the most likely tokens that together have this probability."""
    top_k: _Whole | None = None
    """Sample from this number of the most likely tokens."""
    max_tokens: _Positive | None = None
    """The maximum length of the answer, including its reasoning."""
    stop: Annotated[tuple[_Text, ...] | None, Before(_as_sequence)] = None
    """End the answer before any of these texts."""
    seed: _Whole | None = None
    """With the same seed the host tries to return the same answer."""
    frequency_penalty: _Finite | None = None
    """Reduces the probability of tokens by how often they occurred, -2 to 2."""
    presence_penalty: _Finite | None = None
    """Reduces the probability of tokens that occurred, -2 to 2."""
    n: _Positive | None = None
    """The number of answers, in ``reply.choices``."""
    logprobs: _Flag | None = None
    """Return the log probability of each token."""
    top_logprobs: Annotated[int, Limits(ge=0, strict=True)] | None = None
    """And of this number of alternative tokens at its position."""
    parallel_tool_calls: _Flag | None = None
    """Whether the model may call several tools at once."""
    reasoning_effort: ReasoningEffort | None = None
    """How much reasoning a model does before it answers."""

    def given(self) -> dict[str, Any]:
        """The settings that were set, by name."""
        if self is NO_SETTINGS:
            return {}
        return {name: value for name, value in self.__dict__.items() if value is not None}


NO_SETTINGS: Final = unset(Settings)
SETTING_NAMES: Final = tuple(each.name for each in fields(Settings))


class Policy(Value):
    """What to do if a model or its wire does not support a part of a request.

    ``tuning`` is for settings that only tune the answer; ``meaning`` is for parts that change its meaning:
    tools, a schema, images, stop, several choices. ``notice`` leaves the part out and adds a notice, ``error``
    rejects the candidate before anything is sent, ``send`` sends the part if the wire can express it.
    """

    tuning: Literal["notice", "error", "send"] = "notice"
    meaning: Literal["notice", "error", "send"] = "error"


def _tool_choice(value: object) -> object:
    if isinstance(value, str) and value not in {"auto", "none", "required"}:
        return ToolName(name=value)
    if isinstance(value, Mapping) and isinstance(value.get("function"), Mapping):
        return {"name": value["function"].get("name")}
    return value


class Request(Value):
    """The request that a provider gets.

    ``stream`` is whether the answer is streamed; a wire without streaming may ignore it. ``options`` are settings for
    single providers, by the provider's name; the provider's own model validates them. ``extra_body`` and
    ``extra_headers`` are added to the HTTP request unchanged, and override everything else.
    """

    _wanted: ClassVar[Mapping[str, str]] = {"tool_choice": "'auto', 'none', 'required' or the name of a tool"}

    messages: tuple[Message, ...]
    tools: tuple[Tool, ...] = ()
    tool_choice: Annotated[ToolChoice | None, Before(_tool_choice)] = None
    output: Output | None = None
    settings: Settings = NO_SETTINGS
    needs: Needs = Needs()
    stream: _Flag = True
    options: _Options = field(default_factory=dict)
    extra_body: _Json = field(default_factory=dict)
    extra_headers: _Headers = field(default_factory=dict, repr=False)
    policy: Policy = unset(Policy)

    def _check(self) -> Self:
        names = {tool.name for tool in self.tools}
        if len(names) < len(self.tools):
            raise ValueError("tools has two tools with the same name")
        if isinstance(self.tool_choice, ToolName) and self.tool_choice.name not in names:
            raise ValueError(f"tool_choice is {self.tool_choice.name!r}, but there is no tool with this name")
        if self.tool_choice == "required" and not names:
            raise ValueError("tool_choice is 'required', but there are no tools")
        return self

    def implied_needs(self) -> tuple[Need, ...]:
        """The needs that follow from the contents of this request."""
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
    """An embedding request; ``purpose`` is the use of the embeddings, for hosts that distinguish it."""

    inputs: Annotated[tuple[_Text, ...], Limits(min_length=1)]
    dimensions: _Positive | None = None
    purpose: Literal["query", "document"] | None = None
    options: _Options = field(default_factory=dict)
    extra_body: _Json = field(default_factory=dict)
    extra_headers: _Headers = field(default_factory=dict, repr=False)
    policy: Policy = unset(Policy)


_TURN: Final = {**dict.fromkeys(each.name for each in fields(Message)), **defaults(Message)}
_REQUEST: Final = defaults(Request)


def said(role: Role, text: str) -> Message:
    """A message of plain text; ValueError if the text contains a lone surrogate."""
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
    """A request with only messages and settings; both were checked when they were made."""
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

    TypeError or ValueError if there is none or one is wrong; the error names the function ``where``.
    """
    if isinstance(value, str):
        try:
            return (said("user", value),)
        except ValueError:
            pass  # its message names the field of the Message
        raise ValueError(f"{where}(messages=<str>): messages must be text without lone surrogates")
    if isinstance(value, Message):
        return (value,)
    if value.__class__ is not list:
        check(where, "messages", value, _TURNS, secret=True)
    messages: list[Message] = []
    for place, item in enumerate(value):
        try:
            messages.append(item if isinstance(item, Message) else Message.model_validate(item))
        except ValueError as error:
            refusal = refusal_of(error, f"{where}(messages={shown(value, secret=True)})", f"messages[{place}]")
        else:
            continue
        raise refusal
    if not messages:
        raise ValueError(f"{where}(messages={shown(value)}): messages is empty: give at least one")
    return tuple(messages)


def read_tools(tools: Sequence[ToolInput], *, where: str = "read_tools") -> tuple[Tool, ...]:
    """Tools from `Tool` values, Python functions, or dictionaries in the OpenAI form."""
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
            head, at = f"{where}(tools={shown(tools)})", f"tools[{place}]"
            of_type = TypeError(f"{head}: {at}: {error}")
            refusal = refusal_of(error, head, at) if isinstance(error, ValueError) else of_type
        else:
            continue
        raise refusal
    return tuple(read)


# ── reading parts ────────────────────────────────────────────────────────────────────────────────────


def _own_form(value: object, kind: str, names: Mapping[str, str]) -> object:
    """A part of the OpenAI form, ``{"type": kind, kind: {…}}``, as ours; anything else is unchanged."""
    if not isinstance(value, Mapping) or kind not in value:
        return value
    inner = value[kind]
    if isinstance(inner, str):  # some clients write the address alone
        inner = {"url": inner}
    if not isinstance(inner, Mapping):
        raise ValueError(f"{kind} must be a dict")
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
        raise ValueError("a data: URL has the form data:MEDIA-TYPE;base64,DATA")
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
    """The media type of a PNG, JPEG, GIF or WebP image, from its first bytes; None for anything else."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    for signature, media_type in _SIGNATURES:
        if data.startswith(signature):
            return media_type
    return None
