"""The page a provider author reads: what a provider is, what it declares, what it is given."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Literal, NoReturn, Protocol, TypeAlias, cast, get_args, runtime_checkable

from .capabilities import CAPABILITIES, Capabilities, Fact, fact_fault
from .constraints import (
    ANY_TEXT,
    CALLABLE,
    FLAG,
    NAME,
    NOTHING,
    Anything,
    Either,
    Fault,
    Items,
    Number,
    Of,
    Table,
    Text,
    Word,
    check,
)
from .values import dataclass

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from pydantic import BaseModel

    from .constraints import Constraint
    from .events import Embeddings, Event
    from .messages import EmbedRequest, FilePart, ImagePart, Request
    from .transport import Transport

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

    def __post_init__(self) -> None:
        if self.name.__class__ is not str or self.capabilities.__class__ is not Capabilities:
            check("Model", "name", self.name, ANY_TEXT)
            check("Model", "capabilities", self.capabilities, CAPABILITIES)


class Secret(Protocol):
    """A key as a provider is given it: shown nowhere, as pydantic's SecretStr, which is one too."""

    def get_secret_value(self) -> str:
        """The key in clear."""
        ...


@dataclass(frozen=True, slots=True)
class ProviderSettings:
    """What the user configured for one provider; None and empty where nothing was. It is not pickled: it holds keys."""

    api_key: Secret | None = None
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
    """What a provider claims before ``segue conform``, and what the kit needs to try it.

    ``wire`` is the wire that its host speaks, where `segue.testing` has a scripted host for it
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

    def __post_init__(self) -> None:
        for name, constraint in _CONFORMANCE.items():
            check("Conformance", name, getattr(self, name), constraint)


@dataclass(frozen=True, slots=True)
class ProviderSpec:
    """A provider declared as cheap data; its implementation is imported when it is first used.

    ``load`` is ``"module:attribute"``: a class or object that is a `Provider`. ``capabilities`` hold
    for every model; a model's own stand above them. ``env`` names the variables that may hold its
    key, the first one set wins; without any it needs none. ``key_url`` is where to get a key. ``start`` is, of a host
    on this machine, the command that starts it, which a person is told when nothing listens there. ``options``
    is the pydantic model, its import string, or what gives it, of what it takes in ``options={name: {…}}``.
    ``without_key`` is of a host that takes other credentials too: by the environment and the configured options it
    tells why it cannot be asked without a key, or None where it can; it looks at files at most. ``conformance`` is
    what it claims before ``segue conform``.

    The order of ``models`` is the provider's recommendation: where several will do, the first is asked. ``ambient``
    are those variables of ``env`` that are usually set for another purpose, such as ``GITHUB_TOKEN``: with one of
    them, or with what ``without_key`` finds, the provider is asked only where it is named, or configured with a
    ``[providers.NAME]`` table.
    """

    name: str
    load: str | Callable[[], object]
    models: Sequence[Model | str] = ()
    capabilities: Capabilities | Mapping[str, bool | float | str] = field(default_factory=Capabilities)
    env: Sequence[str] = ()
    base_url_env: str | None = None
    url: str | None = None
    key_url: str | None = None
    start: str | None = None
    access: Access = "open"
    options: str | type[BaseModel] | Callable[[], type[BaseModel] | None] | None = None
    without_key: Callable[[Mapping[str, str], Mapping[str, object]], str | None] | None = None
    conformance: Conformance | None = None
    ambient: Sequence[str] = ()

    def __post_init__(self) -> None:
        for name, constraint in _SPEC.items():
            check("ProviderSpec", name, getattr(self, name), constraint)

    def shared(self) -> Capabilities:
        """What is known of every model."""
        return self.capabilities if isinstance(self.capabilities, Capabilities) else Capabilities(self.capabilities)

    def keyless(self, environ: Mapping[str, str], options: Mapping[str, object]) -> str | None:
        """What ``without_key`` tells; where that fails, so much, as a reason not to ask it."""
        assert self.without_key is not None
        try:
            return self.without_key(environ, options)
        except Exception as error:  # a plugin's code may raise anything, and its text may hold a secret
            return f"no key, and whether it can do without one cannot be told ({type(error).__name__})"

    def offers(self) -> tuple[Model, ...]:
        """Its models, each with all that is known of it."""
        shared = self.shared()
        if not shared:
            return tuple(Model(model, shared) if isinstance(model, str) else model for model in self.models)
        return tuple(
            Model(model, shared) if isinstance(model, str) else Model(model.name, shared.merged(model.capabilities))
            for model in self.models
        )


class _Models:
    """A list of models; of thousands only the classes are looked at, where these are the usual ones."""

    wanted: str = "a list of models, each a Model or its name"

    def fault(self, value: object) -> Fault | None:
        if isinstance(value, (list, tuple)) and all(one.__class__ in _MODEL_CLASSES for one in value):
            return None
        return _ANY_MODELS.fault(value)


_MODEL_CLASSES: Final = frozenset({str, Model})
_ANY_MODELS: Final = Items(Either(Of(Model), ANY_TEXT, wanted="a Model or its name"), _Models.wanted)
_FACT: Final = Either(
    FLAG, Number(), ANY_TEXT, NOTHING, Of(Fact), wanted="True, False, a finite number, a word or None"
)
PROVIDER_NAME: Final = Text("the name of a provider")
MODELS: Final = _Models()


class _Facts:
    """A `Capabilities`, or a dict of facts; those of well-known names have their types."""

    wanted: str = "a Capabilities, or a dict of facts by name"

    def fault(self, value: object) -> Fault | None:
        if not isinstance(value, Mapping):
            return Fault(TypeError, self.wanted, value)
        fault = None if isinstance(value, Capabilities) else _FACT_TABLE.fault(value)
        if fault is not None:
            return fault
        for name, fact in value.items():
            told = fact.value if isinstance(fact, Fact) else fact
            wanted = fact_fault(name, told)
            if wanted is not None:
                return Fault(ValueError, wanted, told, f"[{name!r}]")
        return None


_FACT_TABLE: Final = Table(_FACT)
FACTS: Final = _Facts()
NAMES: Final = Items(NAME, "a list of names")
TEXTS: Final = Table(ANY_TEXT, "a dict of text by name")
OPTIONAL_NAME: Final = Either(NAME, NOTHING)
_CONFORMANCE: Final[Mapping[str, Constraint]] = {
    "level": Word(*get_args(Level)),
    "wire": OPTIONAL_NAME,
    "cassettes": OPTIONAL_NAME,
    "options": Table(Anything(), "a dict of options by name"),
    "expected_failures": TEXTS,
}
_SPEC: Final[Mapping[str, Constraint]] = {
    "name": PROVIDER_NAME,
    "load": Either(NAME, CALLABLE, wanted="'module:attribute', or a function that returns the provider"),
    "models": MODELS,
    "capabilities": FACTS,
    "env": NAMES,
    "base_url_env": OPTIONAL_NAME,
    "url": OPTIONAL_NAME,
    "key_url": OPTIONAL_NAME,
    "access": Word(*get_args(Access)),
    "options": Either(NAME, CALLABLE, NOTHING, wanted="'module:attribute', a pydantic model or a function, or None"),
    "without_key": Either(CALLABLE, NOTHING),
    "conformance": Either(Of(Conformance), NOTHING),
}


def options_model(spec: ProviderSpec) -> type[BaseModel] | None:
    """The model of a provider's own options, imported now; None where it declares none."""
    if not isinstance(spec.options, str):
        return spec.options if spec.options is None or isinstance(spec.options, type) else spec.options()
    module, _, attribute = spec.options.partition(":")
    return cast("type[BaseModel]", getattr(importlib.import_module(module), attribute))
