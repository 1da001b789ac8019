"""Google's Gemini, at the Gemini API with a key or on Vertex AI with a token."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from segue.plugin import ConfigError, list_pages
from segue.transport import exchange, fetch

from . import embedding
from .decode import Decoder
from .encode import encode, takes_address
from .listing import read_models
from .models import MODELS, VERTEX_MODELS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from segue.plugin import Context, Embeddings, EmbedRequest, Event, FilePart, ImagePart, Model, Request

# What becomes part of an address that is sent a token leads nowhere else.
_NAME: Final = re.compile(r"[\w.:-]+", re.ASCII)

_ADDRESS: Final = "https://generativelanguage.googleapis.com/v1beta"


class Google:
    """Calls the Gemini API, or another host of its wire at the configured address."""

    name = "google"

    def models(self) -> Sequence[Model]:
        """The declared models."""
        return MODELS

    def stream(self, request: Request, context: Context) -> AsyncIterator[Event]:
        """The events of the answer."""
        call = encode(
            request,
            model=context.model,
            base_url=context.address(_ADDRESS),
            headers=_headers(context),
            options=context.options(request),
        )
        return exchange(context.transport, call, Decoder())

    def takes_address(self, part: ImagePart | FilePart, request: Request, context: Context) -> bool:  # noqa: ARG002
        """Whether the Gemini API downloads it."""
        return takes_address(part, context.model, context.address(_ADDRESS))

    async def embed(self, request: EmbedRequest, context: Context) -> Embeddings:
        """The embeddings of the inputs."""
        call = embedding.encode(
            request,
            model=context.model,
            base_url=context.address(_ADDRESS),
            headers=_headers(context),
            options=request.options.get(context.provider, {}),
        )
        return embedding.decode(await fetch(context.transport, call))

    async def list_models(self, context: Context) -> Sequence[Model]:
        """The models that the host lists for this key."""
        url = f"{context.address(_ADDRESS).rstrip('/')}/models?pageSize=1000"
        return await list_pages(context, url, _headers(context), read_models, token="pageToken")  # noqa: S106 - no secret


class Vertex:
    """Calls the models of a project on Vertex AI."""

    name = "vertex"

    def models(self) -> Sequence[Model]:
        """The declared models."""
        return VERTEX_MODELS

    def stream(self, request: Request, context: Context) -> AsyncIterator[Event]:
        """The events of the answer."""
        options = context.options(request)
        call = encode(
            request,
            model=context.model if "/" in context.model else f"publishers/google/models/{context.model}",
            base_url=_place(context.settings.base_url, options),
            headers=context.bearer(),
            options=options,
        )
        return exchange(context.transport, call, Decoder())

    def takes_address(self, part: ImagePart | FilePart, request: Request, context: Context) -> bool:
        """Whether Vertex AI downloads it."""
        return takes_address(part, context.model, _place(context.settings.base_url, context.options(request)))


def _headers(context: Context) -> dict[str, str]:
    """With the key in a header: in the address, where Google takes it too, logs and proxies would see it."""
    return {**context.settings.headers, "x-goog-api-key": context.key()}


def _place(base_url: str | None, options: Mapping[str, Any]) -> str:
    """The address of a project's location; a configured one that names a project is unchanged."""
    project, location = options.get("project"), str(options.get("location") or "global")
    if base_url is not None and "/projects/" in base_url:
        return base_url
    if project is None:
        raise ConfigError('vertex has no project: set project = "…" in [providers.vertex.options]')
    if not _NAME.fullmatch(location) or not _NAME.fullmatch(str(project)):
        raise ConfigError("vertex: project or location is not valid; expected letters, digits, '.', ':', '_' and '-'")
    host = "aiplatform.googleapis.com" if location == "global" else f"{location}-aiplatform.googleapis.com"
    root = (base_url or f"https://{host}/v1").rstrip("/")
    return f"{root}/projects/{project}/locations/{location}"
