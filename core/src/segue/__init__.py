"""Use language models of many providers: select by capability, add your own, fall back."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .capabilities import Capabilities as Capabilities
    from .capabilities import Fact as Fact
    from .capabilities import Needs as Needs
    from .chain.targets import Chain as Chain
    from .chain.targets import Target as Target
    from .client.client import Client as Client
    from .client.client import Stream as Stream
    from .client.live import LiveModels as LiveModels
    from .errors import AllFailedError as AllFailedError
    from .errors import AuthenticationError as AuthenticationError
    from .errors import BadRequestError as BadRequestError
    from .errors import ClosedError as ClosedError
    from .errors import ConfigError as ConfigError
    from .errors import ConnectError as ConnectError
    from .errors import ContentFilterError as ContentFilterError
    from .errors import ContextLengthError as ContextLengthError
    from .errors import DNSError as DNSError
    from .errors import DownloadError as DownloadError
    from .errors import HTTPError as HTTPError
    from .errors import InvalidOutputError as InvalidOutputError
    from .errors import ModelNotFoundError as ModelNotFoundError
    from .errors import NeedsSyntaxError as NeedsSyntaxError
    from .errors import NoCandidateError as NoCandidateError
    from .errors import OverloadedError as OverloadedError
    from .errors import PermissionDeniedError as PermissionDeniedError
    from .errors import PhaseTimeoutError as PhaseTimeoutError
    from .errors import PluginError as PluginError
    from .errors import ProtocolError as ProtocolError
    from .errors import ProviderError as ProviderError
    from .errors import ProxyError as ProxyError
    from .errors import QuotaExhaustedError as QuotaExhaustedError
    from .errors import RateLimitError as RateLimitError
    from .errors import RejectedError as RejectedError
    from .errors import RequestTooLargeError as RequestTooLargeError
    from .errors import SegueError as SegueError
    from .errors import ServerError as ServerError
    from .errors import StreamBrokenError as StreamBrokenError
    from .errors import TLSError as TLSError
    from .errors import UnsupportedError as UnsupportedError
    from .events import Audio as Audio
    from .events import AudioDelta as AudioDelta
    from .events import Choice as Choice
    from .events import ChoiceFinish as ChoiceFinish
    from .events import EmbedReply as EmbedReply
    from .events import Event as Event
    from .events import Finish as Finish
    from .events import Handover as Handover
    from .events import Logprobs as Logprobs
    from .events import Notice as Notice
    from .events import RateLimits as RateLimits
    from .events import Reasoning as Reasoning
    from .events import ReasoningDelta as ReasoningDelta
    from .events import RefusalDelta as RefusalDelta
    from .events import Reply as Reply
    from .events import Source as Source
    from .events import Start as Start
    from .events import TextDelta as TextDelta
    from .events import TokenLogprob as TokenLogprob
    from .events import ToolCallDelta as ToolCallDelta
    from .events import Usage as Usage
    from .messages import AudioPart as AudioPart
    from .messages import CachePart as CachePart
    from .messages import FilePart as FilePart
    from .messages import ImagePart as ImagePart
    from .messages import Message as Message
    from .messages import NativePart as NativePart
    from .messages import Output as Output
    from .messages import Policy as Policy
    from .messages import ReasoningPart as ReasoningPart
    from .messages import RefusalPart as RefusalPart
    from .messages import Request as Request
    from .messages import Settings as Settings
    from .messages import TextPart as TextPart
    from .messages import Tool as Tool
    from .messages import ToolCall as ToolCall
    from .messages import ToolName as ToolName
    from .observation import Attempt as Attempt
    from .observation import AttemptStart as AttemptStart
    from .observation import CircuitChange as CircuitChange
    from .observation import Fallback as Fallback
    from .observation import Observer as Observer
    from .observation import Wait as Wait
    from .plugins.middleware import Middleware as Middleware
    from .provider.host import Host as Host
    from .resilience import Breaker as Breaker
    from .resilience import Budget as Budget
    from .resilience import Hedge as Hedge
    from .resilience import Retry as Retry
    from .selection import Candidate as Candidate
    from .selection import Rejection as Rejection
    from .selection import Selection as Selection
    from .selection import Veto as Veto
    from .transport import Timeout as Timeout
    from .transport.downloads import Downloads as Downloads

__version__ = "0.2.0"

# Loaded on first use: `from segue import Needs` must cost neither aiohttp nor pydantic.
_HOME = {
    "AllFailedError": "errors",
    "Attempt": "observation",
    "AttemptStart": "observation",
    "Audio": "events",
    "AudioDelta": "events",
    "AudioPart": "messages",
    "AuthenticationError": "errors",
    "BadRequestError": "errors",
    "Breaker": "resilience",
    "Budget": "resilience",
    "CachePart": "messages",
    "Candidate": "selection",
    "Capabilities": "capabilities",
    "Chain": "chain.targets",
    "Choice": "events",
    "ChoiceFinish": "events",
    "CircuitChange": "observation",
    "Client": "client.client",
    "ClosedError": "errors",
    "ConfigError": "errors",
    "ConnectError": "errors",
    "ContentFilterError": "errors",
    "ContextLengthError": "errors",
    "DNSError": "errors",
    "DownloadError": "errors",
    "Downloads": "transport.downloads",
    "EmbedReply": "events",
    "Event": "events",
    "Fact": "capabilities",
    "Fallback": "observation",
    "FilePart": "messages",
    "Finish": "events",
    "HTTPError": "errors",
    "Handover": "events",
    "Hedge": "resilience",
    "Host": "provider.host",
    "ImagePart": "messages",
    "InvalidOutputError": "errors",
    "LiveModels": "client.live",
    "Logprobs": "events",
    "Message": "messages",
    "Middleware": "plugins.middleware",
    "ModelNotFoundError": "errors",
    "NativePart": "messages",
    "Needs": "capabilities",
    "NeedsSyntaxError": "errors",
    "NoCandidateError": "errors",
    "Notice": "events",
    "Observer": "observation",
    "Output": "messages",
    "OverloadedError": "errors",
    "PermissionDeniedError": "errors",
    "PhaseTimeoutError": "errors",
    "PluginError": "errors",
    "Policy": "messages",
    "ProtocolError": "errors",
    "ProviderError": "errors",
    "ProxyError": "errors",
    "QuotaExhaustedError": "errors",
    "RateLimitError": "errors",
    "RateLimits": "events",
    "Reasoning": "events",
    "ReasoningDelta": "events",
    "ReasoningPart": "messages",
    "RefusalDelta": "events",
    "RefusalPart": "messages",
    "RejectedError": "errors",
    "Rejection": "selection",
    "Reply": "events",
    "Request": "messages",
    "RequestTooLargeError": "errors",
    "Retry": "resilience",
    "SegueError": "errors",
    "Selection": "selection",
    "ServerError": "errors",
    "Settings": "messages",
    "Source": "events",
    "Start": "events",
    "Stream": "client.client",
    "StreamBrokenError": "errors",
    "TLSError": "errors",
    "Target": "chain.targets",
    "TextDelta": "events",
    "TextPart": "messages",
    "Timeout": "transport",
    "TokenLogprob": "events",
    "Tool": "messages",
    "ToolCall": "messages",
    "ToolCallDelta": "events",
    "ToolName": "messages",
    "UnsupportedError": "errors",
    "Usage": "events",
    "Veto": "selection",
    "Wait": "observation",
}

__all__ = [
    "AllFailedError",
    "Attempt",
    "AttemptStart",
    "Audio",
    "AudioDelta",
    "AudioPart",
    "AuthenticationError",
    "BadRequestError",
    "Breaker",
    "Budget",
    "CachePart",
    "Candidate",
    "Capabilities",
    "Chain",
    "Choice",
    "ChoiceFinish",
    "CircuitChange",
    "Client",
    "ClosedError",
    "ConfigError",
    "ConnectError",
    "ContentFilterError",
    "ContextLengthError",
    "DNSError",
    "DownloadError",
    "Downloads",
    "EmbedReply",
    "Event",
    "Fact",
    "Fallback",
    "FilePart",
    "Finish",
    "HTTPError",
    "Handover",
    "Hedge",
    "Host",
    "ImagePart",
    "InvalidOutputError",
    "LiveModels",
    "Logprobs",
    "Message",
    "Middleware",
    "ModelNotFoundError",
    "NativePart",
    "Needs",
    "NeedsSyntaxError",
    "NoCandidateError",
    "Notice",
    "Observer",
    "Output",
    "OverloadedError",
    "PermissionDeniedError",
    "PhaseTimeoutError",
    "PluginError",
    "Policy",
    "ProtocolError",
    "ProviderError",
    "ProxyError",
    "QuotaExhaustedError",
    "RateLimitError",
    "RateLimits",
    "Reasoning",
    "ReasoningDelta",
    "ReasoningPart",
    "RefusalDelta",
    "RefusalPart",
    "RejectedError",
    "Rejection",
    "Reply",
    "Request",
    "RequestTooLargeError",
    "Retry",
    "SegueError",
    "Selection",
    "ServerError",
    "Settings",
    "Source",
    "Start",
    "Stream",
    "StreamBrokenError",
    "TLSError",
    "Target",
    "TextDelta",
    "TextPart",
    "Timeout",
    "TokenLogprob",
    "Tool",
    "ToolCall",
    "ToolCallDelta",
    "ToolName",
    "UnsupportedError",
    "Usage",
    "Veto",
    "Wait",
]


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f".{_HOME[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
