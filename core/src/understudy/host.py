"""A host that speaks a known wire, as a row of data: where it is, who may ask, what its models can do."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from .errors import ConfigError
from .listing import list_openai_models
from .provider import ProviderSpec

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from .capabilities import Capabilities
    from .events import Embeddings, Event
    from .messages import EmbedRequest, FilePart, ImagePart, Request
    from .provider import Context, Model
    from .wire.openai_chat import Dialect

Wire: TypeAlias = Literal["openai_chat"]
"""The wires that a row may name."""


def _nothing() -> Mapping[str, Any]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Host:
    """A host of a known wire; ``url`` is its base address, ending in ``/v1`` or the like.

    ``env`` names the variables that may hold its key; without any it needs none. ``quirks`` say in what
    it differs from the wire as its maker has it (for ``openai_chat`` the names of
    ``understudy.wire.openai_chat.QUIRKS``). ``options`` is the import string of the pydantic model of
    what it takes in ``options={name: {…}}``. ``source`` and ``checked`` (YYYY-MM-DD) say who says so, and when.
    """

    name: str
    url: str
    env: Sequence[str] = ()
    models: Sequence[Model | str] = ()
    capabilities: Capabilities | Mapping[str, bool | float | str] = field(default_factory=_nothing)
    wire: Wire = "openai_chat"
    quirks: Sequence[str] = ()
    headers: Mapping[str, str] = field(default_factory=_nothing)
    base_url_env: str | None = None
    key_url: str | None = None
    options: str | None = None
    source: str = ""
    checked: str = ""

    def spec(self) -> ProviderSpec:
        """The provider that asks this host."""
        return ProviderSpec(
            name=self.name,
            load=lambda: HostProvider(self),
            models=self.models,
            capabilities=self.capabilities,
            env=self.env,
            base_url_env=self.base_url_env,
            url=self.url,
            key_url=self.key_url,
            options=self.options,
        )


class HostProvider:
    """Asks the host of a row; ValueError for a quirk that the wire does not know."""

    def __init__(self, host: Host) -> None:
        from .wire import openai_chat  # the codec: only where the host is asked

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
        from .transport import exchange
        from .wire import openai_chat

        call = openai_chat.encode(
            request,
            model=context.model,
            base_url=context.settings.base_url or self._host.url,
            headers=self._headers(context),
            dialect=self._dialect,
            options={**context.settings.options, **request.options.get(self._host.name, {})},
        )
        return exchange(context.transport, call, openai_chat.Decoder())

    def takes_address(self, part: ImagePart | FilePart, request: Request, context: Context) -> bool:  # noqa: ARG002
        """Whether the host fetches it."""
        from .wire import openai_chat

        return openai_chat.takes_address(part, self._dialect)

    async def embed(self, request: EmbedRequest, context: Context) -> Embeddings:
        """The vectors of the inputs."""
        from .transport import fetch
        from .wire import openai_embeddings

        call = openai_embeddings.encode(
            request,
            model=context.model,
            base_url=context.settings.base_url or self._host.url,
            headers=self._headers(context),
            options=request.options.get(self._host.name, {}),
        )
        return openai_embeddings.decode(await fetch(context.transport, call), notices=call.notices)

    async def list_models(self, context: Context) -> Sequence[Model]:
        """The models that the host lists."""
        base_url = context.settings.base_url or self._host.url
        return await list_openai_models(context, base_url, self._headers(context))

    def _headers(self, context: Context) -> dict[str, str]:
        host, settings = self._host, context.settings
        headers = {**host.headers, **settings.headers}
        if settings.api_key is not None:
            headers["authorization"] = f"Bearer {settings.api_key.get_secret_value()}"
        elif host.env:
            raise ConfigError(f"{host.name} has no key: set {' or '.join(host.env)}")
        return headers
