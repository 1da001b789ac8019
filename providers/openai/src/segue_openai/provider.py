"""OpenAI on the Chat Completions wire, or on Responses."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from segue.plugin import ConfigError, Omissions, list_openai_models
from segue.transport import exchange, fetch
from segue.wire import openai_chat

from .models import MODELS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from segue.plugin import Context, Embeddings, EmbedRequest, Event, FilePart, ImagePart, Model, Request
    from segue.wire import Call, Decoder

_ADDRESS: Final = "https://api.openai.com/v1"
# OpenAI's own name of the limit since 2024-09; other hosts of this wire know the older one.
OPENAI: Final = openai_chat.dialect(["max_completion_tokens"])

_WIRES: Final = ("chat", "responses")

# Models that give what they thought encrypted; others refuse to be asked («Encrypted content is not supported»).
_THINKING: Final = frozenset(model.name for model in MODELS if model.capabilities.fact("reasoning").value is True)


class OpenAI:
    """Calls OpenAI, or the host at the configured address."""

    name = "openai"

    def models(self) -> Sequence[Model]:
        """The declared models."""
        return MODELS

    def stream(self, request: Request, context: Context) -> AsyncIterator[Event]:
        """The events of the answer."""
        own = context.settings.base_url is None
        options = context.options(request)
        if own and options.get("wire") == "responses":
            options = {**_stateless(context.model, options), **options}
        call, decoder = ask(
            request,
            context,
            base_url=context.address(_ADDRESS),
            headers=context.bearer(),
            dialect=OPENAI if own else openai_chat.PLAIN,
            options=options,
        )
        return exchange(context.transport, call, decoder)

    def takes_address(self, part: ImagePart | FilePart, request: Request, context: Context) -> bool:
        """Whether OpenAI downloads it."""
        return takes_address(part, request, context)

    async def embed(self, request: EmbedRequest, context: Context) -> Embeddings:
        """The embeddings of the inputs."""
        from segue.wire import openai_embeddings  # as the next: where it is spoken

        settings = context.settings
        call = openai_embeddings.encode(
            request,
            model=context.model,
            base_url=context.address(_ADDRESS),
            headers=context.bearer(),
            base64=settings.base_url is None,
            options=request.options.get(context.provider, {}),
        )
        return openai_embeddings.decode(await fetch(context.transport, call), notices=call.notices, call=call)

    async def list_models(self, context: Context) -> Sequence[Model]:
        """The models that the host lists for this key."""
        return await list_openai_models(context, context.address(_ADDRESS), context.bearer())


def takes_address(part: ImagePart | FilePart, request: Request, context: Context) -> bool:
    """Whether the wire in the options supports addresses: Responses for images and files, Chat for images."""
    return context.options(request).get("wire") == "responses" or openai_chat.takes_address(part)


def ask(
    request: Request,
    context: Context,
    *,
    base_url: str,
    headers: Mapping[str, str],
    dialect: openai_chat.Dialect,
    options: Mapping[str, Any],
) -> tuple[Call, Decoder]:
    """The call on the wire in the options, and its decoder; an option of the other wire is not supported."""
    options = dict(options)
    wire = options.pop("wire", "chat")
    if wire not in _WIRES:
        raise ConfigError(f"{context.provider}: wire is {wire!r:.40}; expected {' or '.join(_WIRES)}")
    omissions = Omissions(request.policy)
    if options:
        from .options import CHAT_ALONE, RESPONSES_ALONE  # and with it pydantic, which most calls need not

        for name in sorted(options.keys() & (RESPONSES_ALONE if wire == "chat" else CHAT_ALONE)):
            if omissions.meaning(name, f"the {wire} wire does not support this field"):
                del options[name]
    call: Call
    decoder: Decoder
    if wire == "chat":
        call = openai_chat.encode(
            request, model=context.model, base_url=base_url, headers=headers, dialect=dialect, options=options
        )
        decoder = openai_chat.Decoder()
    else:
        from segue.wire import openai_responses

        if "verbosity" in options:
            options["text"] = {"verbosity": options.pop("verbosity")}
        call = openai_responses.encode(
            request, model=context.model, base_url=base_url, headers=headers, options=options
        )
        decoder = openai_responses.Decoder()
    if omissions.notices:
        call = replace(call, notices=(*omissions.notices, *call.notices))
    return call, decoder


def _stateless(model: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Fields with which OpenAI stores nothing, as in Chat Completions; empty if the options use a stored response."""
    if options.get("store") or options.get("previous_response_id") or options.get("conversation"):
        return {}
    return {"store": False, **({"include": ["reasoning.encrypted_content"]} if model in _THINKING else {})}
