"""Ollama on its own wire."""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from segue.plugin import ConfigError
from segue.transport import exchange, fetch
from segue.wire import openai_embeddings

from .decode import Decoder
from .encode import encode
from .listing import list_pulled

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from segue.plugin import Context, Embeddings, EmbedRequest, Event, FilePart, ImagePart, Model, Request

_PORT: Final = 11434


class Ollama:
    """Calls the Ollama on this machine, or at the configured address."""

    name = "ollama"

    def models(self) -> Sequence[Model]:
        """None: only the user knows which models were pulled."""
        return ()

    def stream(self, request: Request, context: Context) -> AsyncIterator[Event]:
        """The events of the answer."""
        call = encode(
            request,
            model=context.model,
            base_url=address(context.settings.base_url),
            headers=_headers(context),
            options=context.options(request),
        )
        return exchange(context.transport, call, Decoder())

    def takes_address(self, part: ImagePart | FilePart, request: Request, context: Context) -> bool:  # noqa: ARG002
        """False: Ollama downloads nothing, and does not support files."""
        return part.type == "file"

    async def embed(self, request: EmbedRequest, context: Context) -> Embeddings:
        """The embeddings of the inputs, on the wire of OpenAI, which Ollama also has."""
        call = openai_embeddings.encode(
            request,
            model=context.model,
            base_url=f"{address(context.settings.base_url)}/v1",
            headers=_headers(context),
            options=request.options.get(context.provider, {}),
        )
        return openai_embeddings.decode(await fetch(context.transport, call), notices=call.notices, call=call)

    async def list_models(self, context: Context) -> Sequence[Model]:
        """The pulled models, each with the capabilities that Ollama reports."""
        return await list_pulled(context, address(context.settings.base_url), _headers(context))


def address(told: str | None) -> str:
    """The base address for a configured address or ``OLLAMA_HOST``; ConfigError if it is not valid.

    It reads the variable like Ollama's own clients: a host, ``host:port``, ``:port`` or a URL; the default scheme is
    http, the default port 11434. The address of all interfaces (``0.0.0.0``) becomes the loopback address. A ``/v1``
    at the end, which is for Ollama's other wire, is removed.
    """
    told = (told or "").strip().strip("\"'")
    scheme, separator, rest = told.partition("://")
    if not separator:
        scheme, rest = "http", told
    try:
        parts = urlsplit(f"{scheme}://{rest}")
        host, port = parts.hostname or "127.0.0.1", parts.port
    except ValueError:
        raise ConfigError(_wrong(told)) from None
    if scheme not in {"http", "https"} or parts.username is not None or parts.query:
        raise ConfigError(_wrong(told))
    try:
        ip = ip_address(host)
    except ValueError:
        pass
    else:
        if ip.is_unspecified:
            ip = ip_address("::1" if ip.version == 6 else "127.0.0.1")
        host = f"[{ip}]" if isinstance(ip, IPv6Address) else str(ip)
    if port is None and not separator:
        port = _PORT
    place = host if port is None else f"{host}:{port}"
    return f"{scheme}://{place}{parts.path.rstrip('/').removesuffix('/v1')}"


def _wrong(told: str) -> str:
    """What is wrong with the address, which is shown without a user, a password and a query."""
    scheme, sign, rest = told.rpartition("://")
    fault = "ollama: the address (OLLAMA_HOST) must be a host, host:port or http URL"
    if "@" in rest and "?" in rest:
        return f"{fault}; its value is not shown"
    place = rest.rpartition("@")[2].partition("?")[0]
    return f"{fault}, not {scheme + sign + place!r:.100}"


def _headers(context: Context) -> dict[str, str]:
    """No key is needed; a configured one is for a proxy in front of a server, or for ollama.com."""
    return dict(context.settings.headers) if context.settings.api_key is None else context.bearer()
