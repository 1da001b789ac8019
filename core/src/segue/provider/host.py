"""A host of a known wire, described as a row of data: its address, its keys, its models and their facts."""

from __future__ import annotations

from dataclasses import field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, get_args

from ..constraints import ANY_TEXT, BASE_URL, HEADERS, NAME, Items, Word, check
from ..errors import ConfigError
from ..values import dataclass
from .contract import FACTS, MODELS, NAMES, OPTIONAL_NAME, PROVIDER_NAME, TEXTS, Conformance, ProviderSpec
from .listing import list_openai_models

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from ..capabilities import Capabilities
    from ..constraints import Constraint
    from ..events import Embeddings, Event
    from ..messages import EmbedRequest, FilePart, ImagePart, Request
    from ..wire.openai_chat import Dialect
    from .contract import Context, Model

Wire: TypeAlias = Literal["openai_chat", "openai_responses"]
"""The wires that a row can have."""

# The wires by the word that the option ``wire`` has for each, as of OpenAI's own.
_BY_WORD: Final[Mapping[str, Wire]] = {"chat": "openai_chat", "responses": "openai_responses"}


def _nothing() -> Mapping[str, Any]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Host:
    """A host of a known wire; ``url`` is its base URL, which usually ends in ``/v1``.

    A name in braces in the URL, such as ``{account}``, is a placeholder: the user must then configure a ``base_url``.
    ``wire`` is the default wire, ``wires`` are others that the host supports; ``options={name: {"wire": "responses"}}``
    selects one.

    ``env`` are the environment variables that may hold its key; a host without them needs no key. ``start`` is the
    command that starts a host on this machine. ``quirks`` are the differences from the original API of the wire (for
    ``openai_chat`` the names of ``segue.wire.openai_chat.QUIRKS``). ``options`` is the import string of the pydantic
    model for ``options={name: {…}}``. ``source`` and ``checked`` (YYYY-MM-DD) are the source of these data and its
    date. ``expected_failures`` are those of `Conformance`. ``models`` are in the recommended order, and ``ambient`` are
    variables of ``env`` that are usually set for another purpose, as in `ProviderSpec`.
    """

    name: str
    url: str
    env: Sequence[str] = ()
    models: Sequence[Model | str] = ()
    capabilities: Capabilities | Mapping[str, bool | float | str] = field(default_factory=_nothing)
    wire: Wire = "openai_chat"
    wires: Sequence[Wire] = ()
    quirks: Sequence[str] = ()
    headers: Mapping[str, str] = field(default_factory=_nothing)
    base_url_env: str | None = None
    key_url: str | None = None
    start: str | None = None
    options: str | None = None
    source: str = ""
    checked: str = ""
    expected_failures: Mapping[str, str] = field(default_factory=_nothing)
    ambient: Sequence[str] = ()

    def __post_init__(self) -> None:
        for name, constraint in _HOST.items():
            check("Host", name, getattr(self, name), constraint, secret=self._is_secret(name))

    def _is_secret(self, name: str) -> bool:
        """Whether an error may not show this field."""
        return name == "headers" or (name == "url" and isinstance(self.url, str) and bool({*"@?#"} & {*self.url}))

    def check_quirks(self) -> None:
        """Raise ValueError for a quirk that the wire does not have; separate, because it imports the wire."""
        if self.quirks:
            from ..wire import openai_chat

            openai_chat.dialect(self.quirks)

    def spec(self) -> ProviderSpec:
        """The provider for this host."""
        return ProviderSpec(
            name=self.name,
            load=lambda: HostProvider(self),
            models=self.models,
            capabilities=self.capabilities,
            env=self.env,
            base_url_env=self.base_url_env,
            url=self.url,
            key_url=self.key_url,
            start=self.start,
            options=self.options,
            conformance=Conformance("full", wire=self.wire, expected_failures=self.expected_failures),
            ambient=self.ambient,
        )


_WIRE: Final = Word(*get_args(Wire))
_HOST: Final[Mapping[str, Constraint]] = {
    "name": PROVIDER_NAME,
    "url": BASE_URL,
    "env": NAMES,
    "models": MODELS,
    "capabilities": FACTS,
    "wire": _WIRE,
    "wires": Items(_WIRE),
    "quirks": Items(NAME, "a list of names of quirks"),
    "headers": HEADERS,
    "base_url_env": OPTIONAL_NAME,
    "key_url": OPTIONAL_NAME,
    "start": OPTIONAL_NAME,
    "options": OPTIONAL_NAME,
    "source": ANY_TEXT,
    "checked": ANY_TEXT,
    "expected_failures": TEXTS,
    "ambient": NAMES,
}


class HostProvider:
    """Sends requests to the host of a row; ValueError for a quirk that the wire does not have."""

    def __init__(self, host: Host) -> None:
        from ..wire import openai_chat  # the codec: only where the host is asked

        self._host = host
        self._dialect: Dialect = openai_chat.dialect(host.quirks)

    @property
    def name(self) -> str:
        """The row's name."""
        return self._host.name

    def models(self) -> Sequence[Model]:
        """The models of the row."""
        return self._host.spec().offers()

    def stream(self, request: Request, context: Context) -> AsyncIterator[Event]:
        """The answer's events."""
        from ..transport import exchange
        from ..wire import openai_chat

        options = context.options(request)
        wire = self._wire(options.pop("wire", None))
        model, base_url, headers = context.model, self._base_url(context), self._headers(context)
        if wire == "openai_responses":
            from ..wire import openai_responses

            call = openai_responses.encode(request, model=model, base_url=base_url, headers=headers, options=options)
            return exchange(context.transport, call, openai_responses.Decoder())
        call = openai_chat.encode(
            request, model=model, base_url=base_url, headers=headers, dialect=self._dialect, options=options
        )
        return exchange(context.transport, call, openai_chat.Decoder())

    def takes_address(self, part: ImagePart | FilePart, request: Request, context: Context) -> bool:
        """Whether the host fetches the URL: always on the Responses wire, otherwise as its quirks say."""
        from ..wire import openai_chat

        wire = self._wire(context.options(request).get("wire"))
        return wire == "openai_responses" or openai_chat.takes_address(part, self._dialect)

    async def embed(self, request: EmbedRequest, context: Context) -> Embeddings:
        """The embeddings of the inputs."""
        from ..transport import fetch
        from ..wire import openai_embeddings

        call = openai_embeddings.encode(
            request,
            model=context.model,
            base_url=self._base_url(context),
            headers=self._headers(context),
            options=request.options.get(context.provider, {}),
        )
        return openai_embeddings.decode(await fetch(context.transport, call), notices=call.notices, call=call)

    async def list_models(self, context: Context) -> Sequence[Model]:
        """The models that the host lists."""
        return await list_openai_models(context, self._base_url(context), self._headers(context))

    def _wire(self, word: object) -> Wire:
        """The wire of this name, or the row's own; ConfigError for one that the host does not speak."""
        if word is None:
            return self._host.wire
        wire = _BY_WORD.get(word) if isinstance(word, str) else None
        if wire not in {self._host.wire, *self._host.wires}:
            spoken = [name for name, known in _BY_WORD.items() if known in {self._host.wire, *self._host.wires}]
            raise ConfigError(f"{self._host.name}: the option wire must be {' or '.join(spoken)}")
        assert wire is not None
        return wire

    def _base_url(self, context: Context) -> str:
        url = context.address(self._host.url)
        if "{" in url:
            name = self._host.name
            raise ConfigError(f'{name} needs your own address: set base_url = "{url}" in [providers.{name}]')
        return url

    def _headers(self, context: Context) -> dict[str, str]:
        needs_key = context.settings.api_key is not None or self._host.env
        return {**self._host.headers, **(context.bearer() if needs_key else context.settings.headers)}
