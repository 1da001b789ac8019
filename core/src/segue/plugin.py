"""Everything that the author of a provider imports."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .adaptation.omissions import Omissions as Omissions
    from .adaptation.omissions import plain_messages as plain_messages
    from .capabilities import Capabilities as Capabilities
    from .capabilities import Fact as Fact
    from .errors import ConfigError as ConfigError
    from .errors import HTTPError as HTTPError
    from .errors import InvalidOutputError as InvalidOutputError
    from .errors import ProtocolError as ProtocolError
    from .errors import ProviderError as ProviderError
    from .errors import StreamBrokenError as StreamBrokenError
    from .errors import UnsupportedError as UnsupportedError
    from .events import AudioDelta as AudioDelta
    from .events import ChoiceFinish as ChoiceFinish
    from .events import Embeddings as Embeddings
    from .events import Event as Event
    from .events import Finish as Finish
    from .events import Logprobs as Logprobs
    from .events import Notice as Notice
    from .events import RateLimits as RateLimits
    from .events import ReasoningDelta as ReasoningDelta
    from .events import RefusalDelta as RefusalDelta
    from .events import Source as Source
    from .events import Start as Start
    from .events import TextDelta as TextDelta
    from .events import ToolCallDelta as ToolCallDelta
    from .events import Usage as Usage
    from .generator import AsyncGeneratorProvider as AsyncGeneratorProvider
    from .generator import AsyncResult as AsyncResult
    from .generator import FinishReason as FinishReason
    from .generator import Messages as Messages
    from .generator import ProviderModelMixin as ProviderModelMixin
    from .generator import format_prompt as format_prompt
    from .generator import get_last_user_message as get_last_user_message
    from .hookspecs import hookimpl as hookimpl
    from .messages import CachePart as CachePart
    from .messages import EmbedRequest as EmbedRequest
    from .messages import FilePart as FilePart
    from .messages import ImagePart as ImagePart
    from .messages import Message as Message
    from .messages import NativePart as NativePart
    from .messages import Request as Request
    from .messages import Settings as Settings
    from .messages import TextPart as TextPart
    from .messages import Tool as Tool
    from .messages import ToolCall as ToolCall
    from .observation import Observer as Observer
    from .plugins.middleware import Middleware as Middleware
    from .provider.contract import Conformance as Conformance
    from .provider.contract import Context as Context
    from .provider.contract import Embedder as Embedder
    from .provider.contract import Model as Model
    from .provider.contract import ModelLister as ModelLister
    from .provider.contract import Provider as Provider
    from .provider.contract import ProviderSettings as ProviderSettings
    from .provider.contract import ProviderSpec as ProviderSpec
    from .provider.contract import TakesAddresses as TakesAddresses
    from .provider.host import Host as Host
    from .provider.listing import declared_models as declared_models
    from .provider.listing import list_openai_models as list_openai_models
    from .provider.listing import list_pages as list_pages
    from .selection import Candidate as Candidate
    from .selection import Veto as Veto
    from .transport import raise_for_status as raise_for_status

# Loaded on first use: a plugin that only declares a ProviderSpec must not cost pydantic's import.
_HOME = {
    "AsyncGeneratorProvider": "generator",
    "AsyncResult": "generator",
    "AudioDelta": "events",
    "CachePart": "messages",
    "Candidate": "selection",
    "Capabilities": "capabilities",
    "ChoiceFinish": "events",
    "ConfigError": "errors",
    "Conformance": "provider.contract",
    "Context": "provider.contract",
    "EmbedRequest": "messages",
    "Embedder": "provider.contract",
    "Embeddings": "events",
    "Event": "events",
    "Fact": "capabilities",
    "FilePart": "messages",
    "Finish": "events",
    "FinishReason": "generator",
    "HTTPError": "errors",
    "Host": "provider.host",
    "ImagePart": "messages",
    "InvalidOutputError": "errors",
    "Logprobs": "events",
    "Message": "messages",
    "Messages": "generator",
    "Middleware": "plugins.middleware",
    "Model": "provider.contract",
    "ModelLister": "provider.contract",
    "NativePart": "messages",
    "Notice": "events",
    "Observer": "observation",
    "Omissions": "adaptation.omissions",
    "ProtocolError": "errors",
    "Provider": "provider.contract",
    "ProviderError": "errors",
    "ProviderModelMixin": "generator",
    "ProviderSettings": "provider.contract",
    "ProviderSpec": "provider.contract",
    "RateLimits": "events",
    "ReasoningDelta": "events",
    "RefusalDelta": "events",
    "Request": "messages",
    "Settings": "messages",
    "Source": "events",
    "Start": "events",
    "StreamBrokenError": "errors",
    "TakesAddresses": "provider.contract",
    "TextDelta": "events",
    "TextPart": "messages",
    "Tool": "messages",
    "ToolCall": "messages",
    "ToolCallDelta": "events",
    "UnsupportedError": "errors",
    "Usage": "events",
    "Veto": "selection",
    "declared_models": "provider.listing",
    "format_prompt": "generator",
    "get_last_user_message": "generator",
    "hookimpl": "hookspecs",
    "list_openai_models": "provider.listing",
    "list_pages": "provider.listing",
    "plain_messages": "adaptation.omissions",
    "raise_for_status": "transport",
}

__all__ = [
    "AsyncGeneratorProvider",
    "AsyncResult",
    "AudioDelta",
    "CachePart",
    "Candidate",
    "Capabilities",
    "ChoiceFinish",
    "ConfigError",
    "Conformance",
    "Context",
    "EmbedRequest",
    "Embedder",
    "Embeddings",
    "Event",
    "Fact",
    "FilePart",
    "Finish",
    "FinishReason",
    "HTTPError",
    "Host",
    "ImagePart",
    "InvalidOutputError",
    "Logprobs",
    "Message",
    "Messages",
    "Middleware",
    "Model",
    "ModelLister",
    "NativePart",
    "Notice",
    "Observer",
    "Omissions",
    "ProtocolError",
    "Provider",
    "ProviderError",
    "ProviderModelMixin",
    "ProviderSettings",
    "ProviderSpec",
    "RateLimits",
    "ReasoningDelta",
    "RefusalDelta",
    "Request",
    "Settings",
    "Source",
    "Start",
    "StreamBrokenError",
    "TakesAddresses",
    "TextDelta",
    "TextPart",
    "Tool",
    "ToolCall",
    "ToolCallDelta",
    "UnsupportedError",
    "Usage",
    "Veto",
    "declared_models",
    "format_prompt",
    "get_last_user_message",
    "hookimpl",
    "list_openai_models",
    "list_pages",
    "plain_messages",
    "raise_for_status",
]


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f".{_HOME[name]}", __package__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
