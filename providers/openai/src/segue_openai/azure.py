"""Azure OpenAI: the same wires at your own resource; the name of a model is the name of a deployment.

Source: learn.microsoft.com/azure/foundry/openai/api-version-lifecycle and …/openai/reference.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from segue.transport import exchange, fetch
from segue.wire import openai_embeddings

from .provider import OPENAI, ask, takes_address

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from segue.plugin import Context, Embeddings, EmbedRequest, Event, FilePart, ImagePart, Model, Request
    from segue.wire import Call


class Azure:
    """Calls a resource of Azure OpenAI."""

    name = "azure"

    def models(self) -> Sequence[Model]:
        """None: the owner chooses the names of deployments."""
        return ()

    def stream(self, request: Request, context: Context) -> AsyncIterator[Event]:
        """The events of the answer."""
        options = context.options(request)
        version = options.pop("api_version", None)
        call, decoder = ask(
            request,
            context,
            base_url=_base_url(context, version, has_model=options.get("wire") == "responses"),
            headers=_headers(context),
            dialect=OPENAI,
            options=options,
        )
        return exchange(context.transport, _dated(call, version), decoder)

    def takes_address(self, part: ImagePart | FilePart, request: Request, context: Context) -> bool:
        """Whether Azure downloads it."""
        return takes_address(part, request, context)

    async def embed(self, request: EmbedRequest, context: Context) -> Embeddings:
        """The embeddings of the inputs."""
        options = dict(request.options.get(context.provider, {}))
        version = options.pop("api_version", None) or context.settings.options.get("api_version")
        call = openai_embeddings.encode(
            request,
            model=context.model,
            base_url=_base_url(context, version, has_model=False),
            headers=_headers(context),
            options=options,
        )
        answer = await fetch(context.transport, _dated(call, version))
        return openai_embeddings.decode(answer, notices=call.notices, call=call)


def _base_url(context: Context, version: Any, *, has_model: bool) -> str:
    """The address that a wire's path is put to: v1, or of a dated version the deployment's.

    Of a dated version the Responses wire has the model in its body (``has_model``), not in its address.
    """
    root = context.address().rstrip("/").removesuffix("/v1").removesuffix("/openai")
    if not str(version or "")[:1].isdecimal():  # none, or "preview", which is one of v1
        return f"{root}/openai/v1"
    return f"{root}/openai" if has_model else f"{root}/openai/deployments/{quote(context.model, safe='')}"


def _dated(call: Call, version: Any) -> Call:
    return call if version is None else replace(call, url=f"{call.url}?api-version={quote(str(version), safe='')}")


def _headers(context: Context) -> dict[str, str]:
    """With a key of the resource, or a token of Entra ID: a token (RFC 7519) has three parts with dots between them."""
    key = context.key()
    return context.bearer() if key.count(".") == 2 else {**context.settings.headers, "api-key": key}
