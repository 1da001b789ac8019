"""Amazon Bedrock on its Converse wire, with a Bedrock API key or signed with AWS credentials."""

from __future__ import annotations

import contextlib
import os
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from segue.plugin import ConfigError, HTTPError
from segue.transport import exchange

from .decode import Decoder
from .encode import answer_tool, encode, takes_address
from .models import MODELS
from .signing import Signer

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping, Sequence

    from segue.plugin import Context, Event, FilePart, ImagePart, Model, Request
    from segue.wire import Call

# What becomes part of an address that is sent a signature leads nowhere else.
_REGION: Final = re.compile(r"[a-z]{2,}(?:-[a-z0-9]+)+")
# bedrock-runtime.us-east-1.amazonaws.com, with -fips, or inside a private endpoint's name
_IN_ADDRESS: Final = re.compile(r"^https?://(?:[\w-]+\.)*bedrock-runtime(?:-fips)?\.([a-z0-9-]+)\.")

# An expired token is 403 here; by then the files may have another.
_REFUSED: Final = frozenset({401, 403})


class Bedrock:
    """Calls Bedrock in a region, or another host of its wire at the configured address."""

    name = "bedrock"

    def __init__(self) -> None:
        self._signer = Signer()

    def models(self) -> Sequence[Model]:
        """The declared models."""
        return MODELS

    def takes_address(self, part: ImagePart | FilePart, request: Request, context: Context) -> bool:  # noqa: ARG002
        """Whether the host downloads it."""
        return takes_address(part)

    async def stream(self, request: Request, context: Context) -> AsyncGenerator[Event, None]:
        """The events of the answer."""
        options = context.options(request)
        base_url, region = await self._place(context, options)
        call = encode(
            request, model=context.model, base_url=base_url, headers=context.settings.headers, options=options
        )
        call = await self._authorised(call, context, options, region)
        decoder = Decoder(answer_tool=answer_tool(request, context.model))
        try:
            async with contextlib.aclosing(exchange(context.transport, call, decoder)) as events:
                async for event in events:
                    yield event
        except HTTPError as error:
            if error.status in _REFUSED:
                self._signer.forget()
            raise

    async def _place(self, context: Context, options: Mapping[str, Any]) -> tuple[str, str]:
        """The address, and the region to sign for; with a key and an address of its own it needs none."""
        base_url, region = context.settings.base_url, options.get("region")
        if region is None and base_url is not None:
            found = _IN_ADDRESS.match(base_url)
            region = None if found is None else found[1]
        region = region or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
        if region is None and base_url is not None and context.settings.api_key is not None:
            return base_url, ""
        region = region or await self._signer.region(options.get("profile"))
        if region is None:
            raise ConfigError('bedrock has no region: set AWS_REGION, or region = "…" in [providers.bedrock.options]')
        if not _REGION.fullmatch(region):
            raise ConfigError("bedrock: the region is not a valid AWS region; expected a name such as eu-central-1")
        suffix = ".cn" if region.startswith("cn-") else ""
        return base_url or f"https://bedrock-runtime.{region}.amazonaws.com{suffix}", region

    async def _authorised(self, call: Call, context: Context, options: Mapping[str, Any], region: str) -> Call:
        if context.settings.api_key is not None:
            return replace(call, headers={**call.headers, "authorization": f"Bearer {context.key()}"})
        return await self._signer.signed(
            call, region=region, profile=options.get("profile"), instance_role=bool(options.get("instance_role"))
        )
