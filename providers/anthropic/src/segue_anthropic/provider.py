"""Anthropic on its Messages wire, at its own address or on Vertex AI."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from segue.plugin import ConfigError, UnsupportedError, list_pages
from segue.transport import exchange
from segue.wire import anthropic_messages

from .listing import read_models
from .models import MODELS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from segue.plugin import Context, Event, FilePart, ImagePart, Model, Request

_ADDRESS: Final = "https://api.anthropic.com"

# claude-sonnet-4-5-20250929, claude-3-7-sonnet@20250219: a family's number stands behind its name, or before it.
_VERSION: Final = re.compile(r"claude-(?:[a-z]+-)?(\d)(?:-(\d{1,2})(?!\d))?")
_DATE: Final = re.compile(r"[-@]\d{8}$")

# What becomes part of an address that is sent a token leads nowhere else.
_PROJECT: Final = re.compile(r"[a-z0-9][\w.:-]*", re.ASCII)
_LOCATION: Final = re.compile(r"[a-z0-9-]+")


class Anthropic:
    """Calls Anthropic, or another host of its wire at the configured address."""

    name = "anthropic"

    def models(self) -> Sequence[Model]:
        """The declared models."""
        return MODELS

    def stream(self, request: Request, context: Context) -> AsyncIterator[Event]:
        """The events of the answer."""
        options = context.options(request)
        project, location = options.pop("vertex_project", None), options.pop("vertex_location", "global")
        version = version_of(context.model)
        call = anthropic_messages.encode(
            request,
            model=context.model,
            base_url=_address(context, project, location),
            headers=_headers(context, vertex=project is not None),
            options=options,
            max_tokens=most_of(context.model),
            budgets=version is not None and version < (4, 6),
            system_turns=version is not None and takes_system_turns(context.model, version),
            vertex=project is not None,
        )
        return exchange(context.transport, call, anthropic_messages.Decoder())

    def takes_address(self, part: ImagePart | FilePart, request: Request, context: Context) -> bool:
        """Whether Anthropic, or Google in its place, downloads it."""
        return anthropic_messages.takes_address(part, vertex="vertex_project" in context.options(request))

    async def list_models(self, context: Context) -> Sequence[Model]:
        """The models that the host lists for this key."""
        if "vertex_project" in context.settings.options:
            raise UnsupportedError("Vertex AI does not list the models of Anthropic", subject="models")
        url = f"{context.address(_ADDRESS).rstrip('/')}/v1/models?limit=1000"
        headers = {**_headers(context, vertex=False), "anthropic-version": "2023-06-01"}
        return await list_pages(context, url, headers, read_models, token="after_id")  # noqa: S106 - no secret


def version_of(model: str) -> tuple[int, int] | None:
    """The number of a model's generation; None if its name contains none."""
    found = _VERSION.match(model)
    return None if found is None else (int(found[1]), int(found[2] or 0))


def takes_system_turns(model: str, version: tuple[int, int]) -> bool:
    """Whether system text may be in the middle of a conversation: since Opus 4.8 and the fifth generation."""
    return version >= ((4, 8) if model.startswith("claude-opus") else (5, 0))


def most_of(model: str) -> int | None:
    """The most tokens that a model writes; None if no fact says it."""
    name = _DATE.sub("", model)
    for known in MODELS:
        if known.name == name:
            most = known.capabilities.fact("max_output").value
            return most if isinstance(most, int) else None
    return None


def _address(context: Context, project: str | None, location: str) -> str:
    if project is None:
        return context.address(_ADDRESS)
    if not (_PROJECT.fullmatch(project) and _LOCATION.fullmatch(location)):
        raise ConfigError("vertex_project or vertex_location is not a valid name of a Google project or location")
    host = "aiplatform.googleapis.com" if location == "global" else f"{location}-aiplatform.googleapis.com"
    root = context.address(f"https://{host}/v1").rstrip("/")
    return f"{root}/projects/{project}/locations/{location}/publishers/anthropic"


def _headers(context: Context, *, vertex: bool) -> Mapping[str, str]:
    return context.bearer() if vertex else {**context.settings.headers, "x-api-key": context.key()}
