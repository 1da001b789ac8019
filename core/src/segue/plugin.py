"""Everything that the author of a provider imports."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._lazy import attach

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
    from .events import StopReason as StopReason
    from .events import TextDelta as TextDelta
    from .events import TokenLogprob as TokenLogprob
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
    from .messages import AudioPart as AudioPart
    from .messages import CachePart as CachePart
    from .messages import EmbedRequest as EmbedRequest
    from .messages import FilePart as FilePart
    from .messages import ImagePart as ImagePart
    from .messages import Message as Message
    from .messages import NativePart as NativePart
    from .messages import Output as Output
    from .messages import Part as Part
    from .messages import ReasoningPart as ReasoningPart
    from .messages import Request as Request
    from .messages import Settings as Settings
    from .messages import TextPart as TextPart
    from .messages import Tool as Tool
    from .messages import ToolCall as ToolCall
    from .messages import ToolChoice as ToolChoice
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
attach(
    __name__,
    {
        ".adaptation.omissions": "Omissions plain_messages",
        ".capabilities": "Capabilities Fact",
        ".errors": (
            "ConfigError HTTPError InvalidOutputError ProtocolError ProviderError StreamBrokenError UnsupportedError"
        ),
        ".events": (
            "AudioDelta ChoiceFinish Embeddings Event Finish Logprobs Notice RateLimits ReasoningDelta "
            "RefusalDelta Source Start StopReason TextDelta TokenLogprob ToolCallDelta Usage"
        ),
        ".generator": (
            "AsyncGeneratorProvider AsyncResult FinishReason Messages ProviderModelMixin format_prompt "
            "get_last_user_message"
        ),
        ".hookspecs": "hookimpl",
        ".messages": (
            "AudioPart CachePart EmbedRequest FilePart ImagePart Message NativePart Output Part ReasoningPart "
            "Request Settings TextPart Tool ToolCall ToolChoice"
        ),
        ".observation": "Observer",
        ".plugins.middleware": "Middleware",
        ".provider.contract": (
            "Conformance Context Embedder Model ModelLister Provider ProviderSettings ProviderSpec TakesAddresses"
        ),
        ".provider.host": "Host",
        ".provider.listing": "declared_models list_openai_models list_pages",
        ".selection": "Candidate Veto",
        ".transport": "raise_for_status",
    },
)
