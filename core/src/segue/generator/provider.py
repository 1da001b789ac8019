"""Providers that are one async generator of text pieces: their parent class, and its adapter."""

from __future__ import annotations

import inspect
import random
import re
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Final, TypeAlias

from ..capabilities import Capabilities
from ..constraints import Methods, shown
from ..errors import ProtocolError, ProviderError
from ..events import Finish, TextDelta
from ..provider.contract import Provider, ProviderSpec
from ..values import dataclass
from .pieces import FinishReason, Piece

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..adaptation.omissions import Omissions
    from ..events import Event
    from ..messages import Request
    from ..provider.contract import Conformance, Context, Model

Messages: TypeAlias = Sequence[Mapping[str, Any]]
"""Messages as an `AsyncGeneratorProvider` gets them: dictionaries in the OpenAI form."""

AsyncResult: TypeAlias = AsyncIterator[str]
"""The result of ``create_async_generator``: pieces of text, as they arrive."""


class AsyncGeneratorProvider:
    """A provider that is one async generator of text pieces, like the providers of gpt4free.

    Class attributes: ``url``; ``working`` and every ``supports_*`` are facts with these names; ``models`` are the names
    of its models. ``supports_gpt_35_turbo`` without ``models`` adds the model ``gpt-3.5-turbo``. Its name is ``name``,
    or else the name of the class in lower case. ``public = True`` is for a host that accepts calls from anyone, without
    a key; ``needs_auth = True`` is for a host that needs a key, which is read from ``NAME_API_KEY``; ``login_url`` is
    where to get one. ``conformance`` is what it claims for ``segue conform``.
    """

    name: ClassVar[str] = ""
    url: ClassVar[str] = ""
    working: ClassVar[bool] = False
    public: ClassVar[bool] = False
    needs_auth: ClassVar[bool] = False
    login_url: ClassVar[str | None] = None
    models: ClassVar[Sequence[str]] = ()
    conformance: ClassVar[Conformance | None] = None

    @classmethod
    def create_async_generator(cls, model: str, messages: Messages, *args: Any, **kwargs: Any) -> AsyncResult:
        """Yield the answer's text, piece by piece; return at the end of the answer.

        ``proxy`` and each setting of the request are keyword arguments; for settings without a parameter there is a
        notice. With parameters named ``api_key`` or ``transport`` it gets the key or the client's transport.
        """
        raise NotImplementedError(f"{cls.__name__} does not define create_async_generator")

    @classmethod
    async def stream_events(cls, request: Request, context: Context) -> AsyncGenerator[Event, None]:
        """The answer's events; what the generator does not support is left out or refused, by the request's policy."""
        # And with it pydantic, which a plugin's declaration must not cost.
        from ..adaptation.omissions import Omissions, plain_messages

        omissions = Omissions(request.policy)
        given = _given(cls.create_async_generator, request, context, omissions)
        messages = plain_messages(request, omissions)
        for notice in omissions.notices:
            yield notice
        finish = Finish("stop")
        given["proxy"] = context.settings.proxy
        pieces = _asked(cls.create_async_generator, context.model, messages, given)
        try:
            async for piece in pieces:
                if not isinstance(piece, str):
                    # Typed as text, but a plugin may yield anything.
                    raise ProtocolError(f"the provider yielded {type(piece).__name__}, not text", phase="plugin")
                if isinstance(piece, FinishReason):
                    finish = piece.finish()
                if isinstance(piece, Piece):
                    for event in piece.events():
                        yield event
                elif piece:
                    yield TextDelta(piece)
        finally:
            if isinstance(pieces, AsyncGenerator):
                await pieces.aclose()
        yield finish


class ProviderModelMixin:
    """Names of models: a default model, and aliases.

    ``default_model`` is the first model, and is used if only the provider is named. A name in ``model_aliases`` is a
    model too, and means the model, or any of the models, that it maps to. If ``get_models`` of the class fails, for
    example because it calls a host that is down, the models of the attributes are used.
    """

    default_model: ClassVar[str | None] = None
    models: ClassVar[Sequence[str]] = ()
    model_aliases: ClassVar[Mapping[str, str | Sequence[str]] | None] = None

    @classmethod
    def get_models(cls, **kwargs: Any) -> Sequence[str]:  # noqa: ARG003 - files give it what they have
        """The names of its models."""
        return list(cls.models) or ([cls.default_model] if cls.default_model else [])

    @classmethod
    def get_model(cls, model: str | None, **kwargs: Any) -> str:  # noqa: ARG003 - as above
        """The host's own name of a model; without ``model`` that of the default model."""
        name = model or cls.default_model or ""
        meant = (cls.model_aliases or {}).get(name, name)
        return meant if isinstance(meant, str) else random.choice(meant)  # noqa: S311 - whichever


def _given(function: Callable[..., object], request: Request, context: Context, omissions: Omissions) -> dict[str, Any]:
    """The keyword arguments of a generator: the settings, options and names of Segue that it has as parameters."""
    settings = context.settings
    given = {**request.settings.given(), **settings.options, **request.options.get(context.provider, {})}
    named, takes_any = _parameters(function)
    if not takes_any:
        for name in sorted(given.keys() - named):
            omissions.tuning(name, "this provider does not support this setting")
        given = {name: value for name, value in given.items() if name in named}
    for subject in ("extra_body", "extra_headers"):
        if getattr(request, subject):
            omissions.meaning(subject, "this provider does not support it")
    if "api_key" in named and settings.api_key is not None:
        given.setdefault("api_key", settings.api_key.get_secret_value())
    if "transport" in named:
        given["transport"] = context.transport
    return given


def _asked(function: Callable[..., Any], model: str, messages: Messages, given: dict[str, Any]) -> AsyncIterator[str]:
    """The generator; ProviderError if the function is not one, or has other parameters."""
    try:
        pieces = function(model, messages, **given)
    except TypeError:
        fault = _fault_of_parameters(function, given)
        if fault is None:
            raise  # from its own code
    else:
        if not hasattr(pieces, "__aiter__"):
            raise not_a_generator(pieces, _FUNCTION)
        made: AsyncIterator[str] = pieces
        return made
    raise ProviderError(fault, phase="plugin")


def not_a_generator(given: object, name: str) -> ProviderError:
    """The error of a method with this name that returned something else than an async iterator."""
    if inspect.iscoroutine(given):
        given.close()  # else it would warn that nobody awaited it
        return ProviderError(f"{name} {USE_YIELD}", phase="plugin")
    told = f"{name} must be an async generator (use async def and yield): it returned {type(given).__name__}"
    return ProviderError(told, phase="plugin")


_FUNCTION: Final = "create_async_generator"
USE_YIELD: Final = "must be an async generator (use yield)"


def _fault_of_parameters(
    function: Callable[..., object], given: Mapping[str, object], *, some: bool = False
) -> str | None:
    """What is wrong with the parameters of a generator that gets these; None if nothing is.

    With ``some`` a call adds others.
    """
    signature = inspect.signature(function)
    try:
        (signature.bind_partial if some else signature.bind)("", (), **given)
    except TypeError as error:
        named, _ = _parameters(function)
        if "proxy" not in named and "proxy" in given:
            return f"{_FUNCTION} has no parameter proxy: write {_FUNCTION}(cls, model, messages, proxy=None, **kwargs)"
        return f"{_FUNCTION} does not fit a call with model, messages, proxy and settings: {error}"
    return None


def _parameters(function: Callable[..., object]) -> tuple[set[str], bool]:
    """The names of the keyword parameters of a function, and whether it takes any other."""
    parameters = inspect.signature(function).parameters.values()
    takes_any = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters)
    return {parameter.name for parameter in parameters if parameter.kind is not parameter.VAR_KEYWORD}, takes_any


@dataclass(frozen=True, slots=True)
class GeneratorAdapter:
    """An `AsyncGeneratorProvider` class as a `Provider`."""

    cls: type[AsyncGeneratorProvider]

    name: str

    def models(self) -> Sequence[Model]:
        """The models of the class's attributes."""
        return spec_of(self.cls).offers()

    def stream(self, request: Request, context: Context) -> AsyncIterator[Event]:
        """The class's events; for a configured base URL a subclass is made, the class itself is never changed."""
        cls, base_url = self.cls, context.settings.base_url
        if base_url is not None:
            cls = type(cls.__name__, (cls,), {**_moved(cls, base_url.rstrip("/")), "__module__": cls.__module__})
        return cls.stream_events(request, context)


def _moved(cls: type[AsyncGeneratorProvider], address: str) -> dict[str, str]:
    """The attributes of a class as they are at another address: its url, and each text that begins with it."""
    moved = {"url": address}
    if cls.url:
        begin = f"{cls.url.rstrip('/')}/"
        for name in dir(cls):
            value = getattr(cls, name, None)
            if name != "url" and isinstance(value, str) and value.startswith(begin):
                moved[name] = f"{address}/{value[len(begin) :]}"
    return moved


def spec_of(cls: type[AsyncGeneratorProvider]) -> ProviderSpec:
    """The declaration from a class's attributes; ``working = False`` means that the host does not exist any more."""
    flags = {name: value for name in dir(cls) if _is_flag(name) and isinstance(value := getattr(cls, name), bool)}
    if not cls.working and any("working" in vars(one) for one in cls.__mro__ if one is not AsyncGeneratorProvider):
        flags["deprecated"] = True
    if isinstance(cls.models, str):
        raise TypeError("models must be a list of names, not one name")  # a string would be read letter by letter
    own = {name for base in cls.__mro__ if base not in {AsyncGeneratorProvider, object} for name in vars(base)}
    if not own & {"create_async_generator", "stream_events"}:
        raise TypeError(f"{cls.__name__} does not define create_async_generator")
    if inspect.iscoroutinefunction(cls.create_async_generator):
        raise TypeError(f"{_FUNCTION} of {cls.__name__} {USE_YIELD}")
    fault = _fault_of_parameters(cls.create_async_generator, {"proxy": None}, some=True)
    if fault is not None:
        raise TypeError(f"{cls.__name__}: {fault}")
    models = _models_of(cls)
    if not models and flags.get("supports_gpt_35_turbo"):
        models = ["gpt-3.5-turbo"]
    if issubclass(cls, ProviderModelMixin):
        models += [name for name in cls.model_aliases or () if name not in models]
    name = cls.name or cls.__name__.lower()
    return ProviderSpec(
        name=name,
        load=lambda: cls,
        models=models,
        capabilities=Capabilities(flags, source=f"declared by {cls.__name__}"),
        env=(f"{re.sub('[^A-Z0-9]', '_', name.upper())}_API_KEY",) if cls.needs_auth else (),
        url=cls.url or None,
        key_url=cls.login_url,
        access="public" if cls.public else "open",
        conformance=cls.conformance,
    )


def _models_of(cls: type[AsyncGeneratorProvider]) -> list[str]:
    """The names of a class's models, the default one first."""
    if not issubclass(cls, ProviderModelMixin):
        return list(cls.models)
    try:
        names = list(cls.get_models())
    except Exception:  # the file's own code, which may ask a host, and raise anything
        names = list(cls.models)
    default = [cls.default_model] if cls.default_model else []
    return list(dict.fromkeys([*default, *names]))


def _is_flag(name: str) -> bool:
    return name == "working" or name.startswith("supports_")


def as_provider(loaded: object, name: str) -> Provider:
    """The object from an import string or a hook as a provider; TypeError if it is not one."""
    if isinstance(loaded, type) and issubclass(loaded, AsyncGeneratorProvider):
        return GeneratorAdapter(loaded, name)
    candidate = loaded() if isinstance(loaded, type) else loaded
    if not isinstance(candidate, Provider):
        raise TypeError(f"{shown(loaded)} is not a provider: name, models() or stream() is missing")
    fault = _METHODS.fault(candidate)
    if fault is not None:
        raise TypeError(f"{shown(loaded)}{fault.place} must be {fault.wanted}, not {shown(fault.value)}")
    return candidate


_METHODS: Final = Methods(
    "a provider", "models", "stream", generators=("stream",), takes={"models": 0, "stream": 2},
)  # fmt: skip
