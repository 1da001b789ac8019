"""Cohere on its wires for chat and for embeddings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from segue.plugin import list_pages
from segue.transport import exchange, fetch

from . import embedding
from .decode import Decoder
from .encode import encode
from .listing import read_models
from .models import MODELS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from segue.plugin import Context, Embeddings, EmbedRequest, Event, FilePart, ImagePart, Model, Request

_ADDRESS: Final = "https://api.cohere.com"


class Cohere:
    """Calls Cohere, or another host of its wire at the configured address."""

    name = "cohere"

    def models(self) -> Sequence[Model]:
        """The declared models."""
        return MODELS

    def stream(self, request: Request, context: Context) -> AsyncIterator[Event]:
        """The events of the answer."""
        call = encode(
            request,
            model=context.model,
            base_url=context.address(_ADDRESS),
            headers=context.bearer(),
            options=context.options(request),
        )
        return exchange(context.transport, call, Decoder(prices=prices_of(context.model)))

    def takes_address(self, part: ImagePart | FilePart, request: Request, context: Context) -> bool:  # noqa: ARG002
        """Whether Cohere downloads it: images, but not documents."""
        return part.type == "image"

    async def embed(self, request: EmbedRequest, context: Context) -> Embeddings:
        """The embeddings of the inputs."""
        call = embedding.encode(
            request,
            model=context.model,
            base_url=context.address(_ADDRESS),
            headers=context.bearer(),
            options=request.options.get(context.provider, {}),
        )
        return embedding.decode(await fetch(context.transport, call), notices=call.notices)

    async def list_models(self, context: Context) -> Sequence[Model]:
        """The models that the host lists for this key."""
        url = f"{(context.address(_ADDRESS)).rstrip('/')}/v1/models?page_size=1000"
        return await list_pages(context, url, context.bearer(), read_models, token="page_token")  # noqa: S106 - no secret


def prices_of(model: str) -> tuple[float, float] | None:
    """The price of a model's input and output, in USD per million billed units; None if no fact says it."""
    for known in MODELS:
        if known.name == model:
            prices = [known.capabilities.fact(name).value for name in ("input_price", "output_price")]
            numbers = [price for price in prices if isinstance(price, float)]
            return (numbers[0], numbers[1]) if len(numbers) == len(prices) else None
    return None
