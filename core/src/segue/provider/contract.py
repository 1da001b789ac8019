"""The interface of a provider: what it implements, what it declares, what it gets."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Literal, NoReturn, Protocol, TypeAlias, cast, get_args, runtime_checkable

from ..capabilities import CAPABILITIES, Capabilities, Fact, fact_fault
from ..constraints import (
    ANY_TEXT,
    CALLABLE,
    FLAG,
    NAME,
    NOTHING,
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
from ..errors import ConfigError
from ..json_text import JSON
from ..values import dataclass

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from pydantic import BaseModel

    from ..constraints import Constraint
    from ..events import Embeddings, Event
    from ..messages import EmbedRequest, FilePart, ImagePart, Request
    from ..transport import Transport

Access: TypeAlias = Literal["open", "public", "offline"]
"""When a host can get a request.

``open``: if its key is set, or if it needs no key. ``public``: a host that accepts calls from anyone, without a key;
it gets a request only if it is named, configured, or on this machine. ``offline``: not a model; never selected, used
only if it is named.
"""


def _nothing() -> Mapping[str, Any]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Model:
    """One model of a provider, and its facts."""

    name: str
    capabilities: Capabilities = field(default_factory=Capabilities)

    def __post_init__(self) -> None:
        if self.name.__class__ is not str or self.capabilities.__class__ is not Capabilities:
            check("Model", "name", self.name, ANY_TEXT)
            check("Model", "capabilities", self.capabilities, CAPABILITIES)


class Secret(Protocol):
    """A key as a provider gets it: it is never shown; pydantic's ``SecretStr`` is one too."""

    def get_secret_value(self) -> str:
        """The key in plain text."""
        ...


@dataclass(frozen=True, slots=True)
class ProviderSettings:
    """The user's configuration of one provider; None or empty if not set. It holds keys, so it cannot be pickled."""

    api_key: Secret | None = None
    base_url: str | None = None
    proxy: str | None = field(default=None, repr=False)
    options: Mapping[str, object] = field(default_factory=_nothing, repr=False)
    headers: Mapping[str, str] = field(default_factory=_nothing, repr=False)

    def __reduce__(self) -> NoReturn:
        raise TypeError("settings cannot be pickled: the pickle could contain a key in plain text")


@dataclass(frozen=True, slots=True)
class Context:
    """What a provider gets next to the request; ``deadline`` is a time of the running event loop, or None.

    ``provider`` is the name under which it was called, ``spec`` its declaration.
    """

    model: str
    transport: Transport
    settings: ProviderSettings = field(default_factory=ProviderSettings)
    deadline: float | None = None
    provider: str = ""
    spec: ProviderSpec | None = field(default=None, repr=False)

    def options(self, request: Request) -> dict[str, Any]:
        """The provider's own options for a request, in a new dict: the request's override the configured ones."""
        return {**self.settings.options, **request.options.get(self.provider, {})}

    def address(self, default: str | None = None) -> str:
        """The configured address, or else the default; ConfigError if there is neither."""
        address = self.settings.base_url or default
        if address is None:
            variable = self.spec.base_url_env if self.spec is not None else None
            place = f"base_url in [providers.{self.provider}]"
            raise ConfigError(f"{self.provider} has no address: set {f'{variable}, or {place}' if variable else place}")
        return address

    def key(self) -> str:
        """The key in plain text; ConfigError that says how to set it if there is none."""
        key = self.settings.api_key
        if key is None:
            missing = "no key" if self.spec is None else self.spec.no_key()
            raise ConfigError(f"{self.provider or 'the provider'} has {missing}")
        return key.get_secret_value()

    def bearer(self) -> dict[str, str]:
        """The configured headers with the key as ``authorization: Bearer …``; ConfigError without a key."""
        return {**self.settings.headers, "authorization": f"Bearer {self.key()}"}


@runtime_checkable
class Provider(Protocol):
    """Anything that answers requests."""

    @property
    def name(self) -> str: ...

    def models(self) -> Sequence[Model]:
        """The models and their facts; no I/O."""
        ...

    def stream(self, request: Request, context: Context) -> AsyncIterator[Event]:
        """The answer's events, ending with one ``Finish``; or raises a ProviderError."""
        ...


@runtime_checkable
class Embedder(Protocol):
    """A provider that also supports embeddings."""

    async def embed(self, request: EmbedRequest, context: Context) -> Embeddings:
        """An embedding for each input, in order; or raises a ProviderError."""
        ...


@runtime_checkable
class TakesAddresses(Protocol):
    """A provider that says which URLs of images and files its host fetches itself.

    The other URLs are downloaded first, if the caller allows that. Without this method no URL is downloaded.
    """

    def takes_address(self, part: ImagePart | FilePart, request: Request, context: Context) -> bool:
        """Whether this part is sent with its URL."""
        ...


@runtime_checkable
class ModelLister(Protocol):
    """A provider whose host lists its models."""

    async def list_models(self, context: Context) -> Sequence[Model]:
        """The current models of the host, with the facts that the host sends; or raises a ProviderError.

        ``context.model`` is empty.
        """
        ...


Level: TypeAlias = Literal["text", "wire", "full"]
"""The level that a provider claims for the conformance kit; each level includes the ones before it.

``text``: its declaration, its import and its streams are correct; no resource leaks and no key is shown.
``wire``: every fault of a host becomes the right error, and the same bytes give the same events, however they are cut.
``full``: every capability that it declares is tested.
"""


@dataclass(frozen=True, slots=True)
class Conformance:
    """What a provider claims for ``segue conform``, and what the kit needs to test it.

    ``wire`` is the wire of its host, if `segue.testing` has a scripted host for it (``openai_chat``,
    ``openai_responses``, ``anthropic_messages``); for any other wire ``cassettes`` is the package whose folder
    ``cassettes`` has recorded exchanges. ``options`` are the options that it requires, as in
    ``[providers.NAME] options``. ``expected_failures`` are items of the kit that it does not pass, each with the
    reason, which the report shows.
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
    """The declaration of a provider; its implementation is imported for the first request.

    ``load`` is ``"module:attribute"``: a class or object that is a `Provider`. ``capabilities`` are facts of every
    model; a model's own facts override them. ``env`` are the environment variables that may hold its key; the first
    one that is set is used; a provider without them needs no key. ``key_url`` is where to get a key. ``start`` is the
    command that starts a host on this machine; errors show it if no server listens there. ``options`` is the pydantic
    model for ``options={name: {…}}``, its import string, or a function that returns it. ``without_key`` is for a host
    that also accepts other credentials: a function of the environment and the configured options that returns the
    reason why the host cannot be called without a key, or None if it can; it may read files, but do nothing slower.
    ``conformance`` is what it claims for ``segue conform``.

    The order of ``models`` is the recommended order: if several satisfy the needs, the first one is used. ``ambient``
    are the variables of ``env`` that are usually set for another purpose, such as ``GITHUB_TOKEN``: with one of them,
    or with credentials that ``without_key`` finds, the provider is used only if it is named, or configured with a
    ``[providers.NAME]`` table. ``bare_base_url`` is whether ``base_url_env`` may hold an address without a scheme, such
    as ``host:port``, which the provider completes; otherwise it must hold a URL.
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
    bare_base_url: bool = False

    def __post_init__(self) -> None:
        for name, constraint in _SPEC.items():
            check("ProviderSpec", name, getattr(self, name), constraint)

    def shared(self) -> Capabilities:
        """The facts of every model."""
        return self.capabilities if isinstance(self.capabilities, Capabilities) else Capabilities(self.capabilities)

    def no_key(self, *, short: bool = False) -> str:
        """``no key: set X or Y (get one at …)``, how to set its key; ``short`` leaves out where to get one."""
        text = f"no key: set {' or '.join(self.env) or f'api_key in [providers.{self.name}]'}"
        return f"{text} (get one at {self.key_url})" if self.key_url and not short else text

    def keyless(self, environ: Mapping[str, str], options: Mapping[str, object]) -> str | None:
        """The result of ``without_key``; if that fails, a reason that says so."""
        assert self.without_key is not None
        try:
            return self.without_key(environ, options)
        except Exception as error:  # a plugin's code may raise anything, and its text may hold a secret
            return f"no key, and the check for other credentials failed ({type(error).__name__})"

    def offers(self) -> tuple[Model, ...]:
        """Its models, each with all its facts."""
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
    "options": Table(JSON, "a dict of options by name"),
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
    "start": OPTIONAL_NAME,
    "access": Word(*get_args(Access)),
    "options": Either(NAME, CALLABLE, NOTHING, wanted="'module:attribute', a pydantic model or a function, or None"),
    "without_key": Either(CALLABLE, NOTHING),
    "conformance": Either(Of(Conformance), NOTHING),
    "ambient": NAMES,
    "bare_base_url": FLAG,
}


def options_model(spec: ProviderSpec) -> type[BaseModel] | None:
    """The pydantic model of a provider's own options, imported now; None if it does not declare one."""
    if not isinstance(spec.options, str):
        return spec.options if spec.options is None or isinstance(spec.options, type) else spec.options()
    module, _, attribute = spec.options.partition(":")
    return cast("type[BaseModel]", getattr(importlib.import_module(module), attribute))
