"""Replaces providers while an application is tested: whichever it names, a scripted host gets the requests."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ..config import is_loopback, secret
from ..plugins import loaded
from ..provider.contract import Embedder, ProviderSpec
from ..transport import exchange, fetch
from ..wire import openai_chat, openai_embeddings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from ..events import Embeddings, Event
    from ..messages import EmbedRequest, Request
    from ..provider.contract import Context, Model, Provider

KEY = "segue-test-key"


def stand_in(spec: ProviderSpec, url: str) -> ProviderSpec:
    """The declaration of a provider with this name and these models that calls the host at ``url`` and needs no key.

    An offline provider is not replaced.
    """
    if spec.access == "offline":
        return spec
    return replace(
        spec, load=lambda: StandIn(spec, url), env=(), base_url_env=None, url=url, access="open", without_key=None
    )


class StandIn:
    """Calls a host of the Chat Completions wire in place of the provider's own host.

    A provider that uses this wire encodes its requests itself. For any other provider, requests are encoded for this
    wire, without the provider's own options.
    """

    def __init__(self, spec: ProviderSpec, url: str) -> None:
        self._spec = spec
        self._url = url
        conformance = spec.conformance
        self._own: Provider | None = None
        if conformance is not None and conformance.wire == "openai_chat":
            self._own = loaded(spec)

    @property
    def name(self) -> str:
        """The name of the provider."""
        return self._spec.name

    def models(self) -> Sequence[Model]:
        """The models of the provider."""
        return self._spec.offers()

    def stream(self, request: Request, context: Context) -> AsyncIterator[Event]:
        """The events of the answer."""
        context = self._led(context)
        if self._own is not None:
            return self._own.stream(request, context)
        call = openai_chat.encode(request, model=context.model, base_url=self._address(context), headers={})
        return exchange(context.transport, call, openai_chat.Decoder())

    async def embed(self, request: EmbedRequest, context: Context) -> Embeddings:
        """The embeddings of the inputs."""
        context = self._led(context)
        own: object = self._own
        if isinstance(own, Embedder):
            return await own.embed(request, context)
        call = openai_embeddings.encode(
            request, model=context.model, base_url=self._address(context), headers={}, options={}
        )
        return openai_embeddings.decode(await fetch(context.transport, call), notices=call.notices)

    def _address(self, context: Context) -> str:
        return context.settings.base_url or self._url

    def _led(self, context: Context) -> Context:
        """The context with the scripted host's address, unless a test configured another host of this machine."""
        settings = context.settings
        address = settings.base_url if is_loopback(settings.base_url) else self._url
        return replace(context, settings=replace(settings, base_url=address, api_key=settings.api_key or secret(KEY)))
