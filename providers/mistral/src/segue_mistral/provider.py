"""Mistral on its own wire."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from segue.plugin import list_openai_models
from segue.transport import exchange, fetch
from segue.wire import openai_chat, openai_embeddings

from .decode import Decoder
from .encode import MISTRAL
from .models import MODELS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from segue.plugin import Context, Embeddings, EmbedRequest, Event, FilePart, ImagePart, Model, Request

_ADDRESS: Final = "https://api.mistral.ai/v1"


class Mistral:
    """Calls Mistral, or another host of its wire at the configured address."""

    name = "mistral"

    def models(self) -> Sequence[Model]:
        """The declared models."""
        return MODELS

    def stream(self, request: Request, context: Context) -> AsyncIterator[Event]:
        """The events of the answer."""
        call = openai_chat.encode(
            request,
            model=context.model,
            base_url=context.address(_ADDRESS),
            headers=context.bearer(),
            dialect=MISTRAL,
            options=context.options(request),
        )
        return exchange(context.transport, call, Decoder())

    def takes_address(self, part: ImagePart | FilePart, request: Request, context: Context) -> bool:  # noqa: ARG002
        """Whether Mistral downloads it."""
        return openai_chat.takes_address(part, MISTRAL)

    async def embed(self, request: EmbedRequest, context: Context) -> Embeddings:
        """The embeddings of the inputs."""
        options = dict(request.options.get(context.provider, {}))
        if request.dimensions is not None:
            options["output_dimension"] = request.dimensions  # its own word for it
            request = request.model_copy(update={"dimensions": None})
        call = openai_embeddings.encode(
            request,
            model=context.model,
            base_url=context.address(_ADDRESS),
            headers=context.bearer(),
            options=options,
        )
        return openai_embeddings.decode(await fetch(context.transport, call), notices=call.notices, call=call)

    async def list_models(self, context: Context) -> Sequence[Model]:
        """The models that the host lists for this key."""
        return await list_openai_models(context, context.address(_ADDRESS), context.bearer())
