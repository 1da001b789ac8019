"""Use language models of many providers: select by capability, add your own, fall back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._lazy import attach

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
attach(
    __name__,
    {
        ".capabilities": "Capabilities Fact Needs",
        ".chain.targets": "Chain Target",
        ".client.client": "Client Stream",
        ".client.live": "LiveModels",
        ".errors": (
            "AllFailedError AuthenticationError BadRequestError ClosedError ConfigError ConnectError "
            "ContentFilterError ContextLengthError DNSError DownloadError HTTPError InvalidOutputError "
            "ModelNotFoundError NeedsSyntaxError NoCandidateError OverloadedError PermissionDeniedError "
            "PhaseTimeoutError PluginError ProtocolError ProviderError ProxyError QuotaExhaustedError "
            "RateLimitError RejectedError RequestTooLargeError SegueError ServerError StreamBrokenError TLSError "
            "UnsupportedError"
        ),
        ".events": (
            "Audio AudioDelta Choice ChoiceFinish EmbedReply Event Finish Handover Logprobs Notice RateLimits "
            "Reasoning ReasoningDelta RefusalDelta Reply Source Start TextDelta TokenLogprob ToolCallDelta Usage"
        ),
        ".messages": (
            "AudioPart CachePart FilePart ImagePart Message NativePart Output Policy ReasoningPart RefusalPart "
            "Request Settings TextPart Tool ToolCall ToolName"
        ),
        ".observation": "Attempt AttemptStart CircuitChange Fallback Observer Wait",
        ".plugins.middleware": "Middleware",
        ".provider.host": "Host",
        ".resilience": "Breaker Budget Hedge Retry",
        ".selection": "Candidate Rejection Selection Veto",
        ".transport": "Timeout",
        ".transport.downloads": "Downloads",
    },
)
