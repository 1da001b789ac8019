"""The page a provider author reads: what a provider is, what it declares, what it is given."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NoReturn, Protocol, TypeAlias, cast, runtime_checkable

from .capabilities import Capabilities
from .errors import ProtocolError
from .events import Finish, TextDelta

if TYPE_CHECKING:
    from pydantic import BaseModel, SecretStr

    from .events import Embeddings, Event
    from .messages import EmbedRequest, FilePart, ImagePart, Request
    from .omissions import Omissions
    from .transport import Transport

Messages: TypeAlias = Sequence[Mapping[str, Any]]
"""Messages as an `AsyncGeneratorProvider` gets them: dictionaries in the OpenAI form."""

AsyncResult: TypeAlias = AsyncIterator[str]
"""What ``create_async_generator`` gives: pieces of text as they arrive."""

Access: TypeAlias = Literal["open", "public", "offline"]
"""Who may be sent something, and when.

``open``: once its key is there, or at once where it needs none. ``public``: a host that takes
anonymous calls from anybody; it is sent something only when it was named, configured or is on this
machine. ``offline``: no model at all; never selected, only named.
"""


def _nothing() -> Mapping[str, Any]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Model:
    """One model on offer and what is known of it."""

    name: str
    capabilities: Capabilities = field(default_factory=Capabilities)


@dataclass(frozen=True, slots=True)
class ProviderSettings:
    """What the user configured for one provider; None and empty where nothing was. It is not pickled: it holds keys."""

    api_key: SecretStr | None = None
    base_url: str | None = None
    proxy: str | None = field(default=None, repr=False)
    options: Mapping[str, object] = field(default_factory=_nothing, repr=False)
    headers: Mapping[str, str] = field(default_factory=_nothing, repr=False)

    def __reduce__(self) -> NoReturn:
        raise TypeError("settings are not pickled: the pickle could hold a key in clear")


@dataclass(frozen=True, slots=True)
class Context:
    """What a provider is given beside the request; ``deadline`` is a time of the running loop, or None.

    ``provider`` is the name under which it was asked.
    """

    model: str
    transport: Transport
    settings: ProviderSettings = field(default_factory=ProviderSettings)
    deadline: float | None = None
    provider: str = ""


@runtime_checkable
class Provider(Protocol):
    """Anything that can be asked."""

    @property
    def name(self) -> str: ...

    def models(self) -> Sequence[Model]:
        """The models on offer; facts only, no I/O."""
        ...

    def stream(self, request: Request, context: Context) -> AsyncIterator[Event]:
        """The answer's events, ending with one ``Finish``; or raises a ProviderError."""
        ...


@runtime_checkable
class Embedder(Protocol):
    """A provider that gives vectors too."""

    async def embed(self, request: EmbedRequest, context: Context) -> Embeddings:
        """A vector for each input, in their order; or raises a ProviderError."""
        ...


@runtime_checkable
class TakesAddresses(Protocol):
    """A provider that says which addresses of images and files its host fetches itself.

    Of the others the bytes are downloaded first, where the caller allows that; for a provider that does not say,
    none are.
    """

    def takes_address(self, part: ImagePart | FilePart, request: Request, context: Context) -> bool:
        """Whether this part, which has an address, is sent as such."""
        ...


@runtime_checkable
class ModelLister(Protocol):
    """A provider whose host lists its models."""

    async def list_models(self, context: Context) -> Sequence[Model]:
        """The models that the host has now, with the facts that it tells of them; or raises a ProviderError.

        ``context.model`` is empty.
        """
        ...


Level: TypeAlias = Literal["text", "wire", "full"]
"""What a provider claims before the conformance kit; each holds what stands before it.

``text``: its declaration, its import and the life of its streams are sound, nothing leaks and no key shows.
``wire``: every fault of a host becomes the right error, and the same bytes the same events however they are cut.
``full``: every capability that it advertises was tried.
"""


@dataclass(frozen=True, slots=True)
class Conformance:
    """What a provider claims before ``understudy conform``, and what the kit needs to try it.

    ``wire`` is the wire that its host speaks, where `understudy.testing` has a scripted host for it
    (``openai_chat``, ``openai_responses``, ``anthropic_messages``); for any other wire ``cassettes`` names the package
    in whose folder ``cassettes`` exchanges of its own are kept. ``options`` are its own options, as in
    ``[providers.NAME] options``, without which it cannot be asked. ``expected_failures`` are items of the kit that it
    does not pass, each with the reason, which the report shows.
    """

    level: Level = "text"
    wire: str | None = None
    cassettes: str | None = None
    options: Mapping[str, Any] = field(default_factory=_nothing)
    expected_failures: Mapping[str, str] = field(default_factory=_nothing)


@dataclass(frozen=True, slots=True)
class ProviderSpec:
    """A provider declared as cheap data; its implementation is imported when it is first used.

    ``load`` is ``"module:attribute"``: a class or object that is a `Provider`. ``capabilities`` hold
    for every model; a model's own stand above them. ``env`` names the variables that may hold its
    key, the first one set wins; without any it needs none. ``key_url`` is where to get a key. ``options``
    is the pydantic model, its import string, or what gives it, of what it takes in ``options={name: {…}}``.
    ``without_key`` is of a host that takes other credentials too: by the environment and the configured options it
    tells why it cannot be asked without a key, or None where it can; it looks at files at most. ``conformance`` is
    what it claims before ``understudy conform``.
    """

    name: str
    load: str | Callable[[], object]
    models: Sequence[Model | str] = ()
    capabilities: Capabilities | Mapping[str, bool | float | str] = field(default_factory=Capabilities)
    env: Sequence[str] = ()
    base_url_env: str | None = None
    url: str | None = None
    key_url: str | None = None
    access: Access = "open"
    options: str | type[BaseModel] | Callable[[], type[BaseModel] | None] | None = None
    without_key: Callable[[Mapping[str, str], Mapping[str, object]], str | None] | None = None
    conformance: Conformance | None = None

    def shared(self) -> Capabilities:
        """What is known of every model."""
        return self.capabilities if isinstance(self.capabilities, Capabilities) else Capabilities(self.capabilities)

    def offers(self) -> tuple[Model, ...]:
        """Its models, each with all that is known of it."""
        shared = self.shared()
        return tuple(
            Model(model, shared) if isinstance(model, str) else Model(model.name, shared.merged(model.capabilities))
            for model in self.models
        )


def options_model(spec: ProviderSpec) -> type[BaseModel] | None:
    """The model of a provider's own options, imported now; None where it declares none."""
    if not isinstance(spec.options, str):
        return spec.options if spec.options is None or isinstance(spec.options, type) else spec.options()
    module, _, attribute = spec.options.partition(":")
    return cast("type[BaseModel]", getattr(importlib.import_module(module), attribute))


class AsyncGeneratorProvider:
    """A provider that is one async generator of text pieces; the form that gpt4free's providers have.

    Class attributes: ``url``; ``working`` and every ``supports_*`` are capability flags by that name;
    ``models`` names its models. ``supports_gpt_35_turbo`` without any offers ``gpt-3.5-turbo``. Its
    name is ``name``, or else the class's in lower case. ``public = True`` marks a host that takes
    anonymous calls from anybody; ``conformance`` is what it claims before ``understudy conform``.
    """

    name: ClassVar[str] = ""
    url: ClassVar[str] = ""
    working: ClassVar[bool] = False
    public: ClassVar[bool] = False
    models: ClassVar[Sequence[str]] = ()
    conformance: ClassVar[Conformance | None] = None

    @classmethod
    def create_async_generator(
        cls, model: str, messages: Messages, proxy: str | None = None, **kwargs: Any
    ) -> AsyncResult:
        """The answer's text, piece by piece; its return is the end of the answer."""
        raise NotImplementedError(f"{cls.__name__} has no create_async_generator")

    @classmethod
    async def stream_events(cls, request: Request, context: Context) -> AsyncGenerator[Event, None]:
        """The answer's events; what the generator does not take is left out or refused, by the request's policy."""
        from .omissions import Omissions  # and with it pydantic, which a plugin's declaration must not cost

        omissions = Omissions(request.policy)
        given = {**request.settings.given(), **context.settings.options, **request.options.get(context.provider, {})}
        taken = _parameters(cls.create_async_generator)
        if taken is not None:
            for name in sorted(given.keys() - taken):
                omissions.tuning(name, "this provider does not take the setting")
            given = {name: value for name, value in given.items() if name in taken}
        messages = _as_text(request, omissions)
        for notice in omissions.notices:
            yield notice
        pieces = cls.create_async_generator(context.model, messages, proxy=context.settings.proxy, **given)
        try:
            async for piece in pieces:
                if not isinstance(piece, str):
                    # Typed as text, but a plugin may yield anything.
                    raise ProtocolError(f"the provider yielded {type(piece).__name__}, not text", phase="plugin")
                if piece:
                    yield TextDelta(piece)
        finally:
            if isinstance(pieces, AsyncGenerator):
                await pieces.aclose()
        yield Finish("stop")


def _as_text(request: Request, omissions: Omissions) -> list[dict[str, Any]]:
    """The messages as dictionaries of role and text; all else that is in the request is lacking here."""
    lacking = {
        "tools": bool(request.tools) and request.tool_choice != "none",
        "schema": request.output is not None,
        "extra_body": bool(request.extra_body),
        "extra_headers": bool(request.extra_headers),
    }
    for message in request.messages:
        omissions.no_mark(message)
        if message.tool_calls or message.role == "tool":
            lacking["tool_calls"] = True
        for part in message.parts:
            if part.type == "reasoning":
                lacking.setdefault("reasoning", True)
            elif part.type == "cache":
                omissions.no_words(part)
            elif part.type != "text":
                lacking[part.type] = True
    if lacking.pop("reasoning", False):
        omissions.without_reasoning("this provider takes text alone")
    for subject in (name for name, is_lacking in lacking.items() if is_lacking):
        omissions.meaning(subject, "this provider takes text alone")
    return [{"role": message.role, "content": message.text} for message in request.messages]


def _parameters(function: Callable[..., object]) -> set[str] | None:
    """The names of the keyword parameters of a function; None where it takes any."""
    parameters = inspect.signature(function).parameters.values()
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        return None
    return {parameter.name for parameter in parameters}


@dataclass(frozen=True, slots=True)
class GeneratorAdapter:
    """An `AsyncGeneratorProvider` class as a `Provider`."""

    cls: type[AsyncGeneratorProvider]

    name: str

    def models(self) -> Sequence[Model]:
        """The models of the class's attributes."""
        return spec_of(self.cls).offers()

    def stream(self, request: Request, context: Context) -> AsyncIterator[Event]:
        """The class's events; a configured address makes a subclass, the class itself is never changed."""
        cls, base_url = self.cls, context.settings.base_url
        if base_url is not None:
            cls = type(cls.__name__, (cls,), {"url": base_url.rstrip("/"), "__module__": cls.__module__})
        return cls.stream_events(request, context)


def spec_of(cls: type[AsyncGeneratorProvider]) -> ProviderSpec:
    """What a class's attributes declare."""
    flags = {name: value for name in dir(cls) if _is_flag(name) and isinstance(value := getattr(cls, name), bool)}
    if isinstance(cls.models, str):
        raise TypeError("models is a list of names, not one name")  # a string would be read letter by letter
    models = list(cls.models)
    if not models and flags.get("supports_gpt_35_turbo"):
        models = ["gpt-3.5-turbo"]
    return ProviderSpec(
        name=cls.name or cls.__name__.lower(),
        load=lambda: cls,
        models=models,
        capabilities=Capabilities(flags, source=f"declared by {cls.__name__}"),
        url=cls.url or None,
        access="public" if cls.public else "open",
        conformance=cls.conformance,
    )


def _is_flag(name: str) -> bool:
    return name == "working" or name.startswith("supports_")


def as_provider(loaded: object, name: str) -> Provider:
    """What an import string or a hook gave, as an object that can be asked; TypeError where it is none."""
    if isinstance(loaded, type) and issubclass(loaded, AsyncGeneratorProvider):
        return GeneratorAdapter(loaded, name)
    candidate = loaded() if isinstance(loaded, type) else loaded
    if isinstance(candidate, Provider):
        return candidate
    raise TypeError(f"{loaded!r} is no provider: it has no name, models() and stream()")
