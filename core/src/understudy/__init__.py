"""Talk to language models through many providers: select by capability, add your own, fall back."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .capabilities import Capabilities as Capabilities
    from .capabilities import Fact as Fact
    from .capabilities import Needs as Needs
    from .chain import Chain as Chain
    from .client import Client as Client
    from .client import Stream as Stream
    from .errors import AllFailedError as AllFailedError
    from .errors import AuthenticationError as AuthenticationError
    from .errors import BadRequestError as BadRequestError
    from .errors import ConfigError as ConfigError
    from .errors import ConnectError as ConnectError
    from .errors import ContentFilterError as ContentFilterError
    from .errors import ContextLengthError as ContextLengthError
    from .errors import DNSError as DNSError
    from .errors import HTTPError as HTTPError
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
    from .errors import RequestTooLargeError as RequestTooLargeError
    from .errors import ServerError as ServerError
    from .errors import StreamBrokenError as StreamBrokenError
    from .errors import TLSError as TLSError
    from .errors import UnderstudyError as UnderstudyError
    from .events import Event as Event
    from .events import Finish as Finish
    from .events import Notice as Notice
    from .events import Reply as Reply
    from .events import Start as Start
    from .events import TextDelta as TextDelta
    from .events import Usage as Usage
    from .messages import Message as Message
    from .messages import Request as Request
    from .messages import Settings as Settings
    from .messages import TextPart as TextPart
    from .observation import Attempt as Attempt
    from .observation import Observer as Observer
    from .selection import Candidate as Candidate
    from .selection import Rejection as Rejection
    from .selection import Selection as Selection
    from .transport import Timeout as Timeout

__version__ = "0.1.0"

# Loaded on first use: `from understudy import Needs` must cost neither aiohttp nor pydantic.
_HOME = {
    "AllFailedError": "errors",
    "Attempt": "observation",
    "AuthenticationError": "errors",
    "BadRequestError": "errors",
    "Candidate": "selection",
    "Capabilities": "capabilities",
    "Chain": "chain",
    "Client": "client",
    "ConfigError": "errors",
    "ConnectError": "errors",
    "ContentFilterError": "errors",
    "ContextLengthError": "errors",
    "DNSError": "errors",
    "Event": "events",
    "Fact": "capabilities",
    "Finish": "events",
    "HTTPError": "errors",
    "Message": "messages",
    "ModelNotFoundError": "errors",
    "Needs": "capabilities",
    "NeedsSyntaxError": "errors",
    "NoCandidateError": "errors",
    "Notice": "events",
    "Observer": "observation",
    "OverloadedError": "errors",
    "PermissionDeniedError": "errors",
    "PhaseTimeoutError": "errors",
    "PluginError": "errors",
    "ProtocolError": "errors",
    "ProviderError": "errors",
    "ProxyError": "errors",
    "QuotaExhaustedError": "errors",
    "RateLimitError": "errors",
    "Rejection": "selection",
    "Reply": "events",
    "Request": "messages",
    "RequestTooLargeError": "errors",
    "Selection": "selection",
    "ServerError": "errors",
    "Settings": "messages",
    "Start": "events",
    "Stream": "client",
    "StreamBrokenError": "errors",
    "TLSError": "errors",
    "TextDelta": "events",
    "TextPart": "messages",
    "Timeout": "transport",
    "UnderstudyError": "errors",
    "Usage": "events",
}

__all__ = [
    "AllFailedError",
    "Attempt",
    "AuthenticationError",
    "BadRequestError",
    "Candidate",
    "Capabilities",
    "Chain",
    "Client",
    "ConfigError",
    "ConnectError",
    "ContentFilterError",
    "ContextLengthError",
    "DNSError",
    "Event",
    "Fact",
    "Finish",
    "HTTPError",
    "Message",
    "ModelNotFoundError",
    "Needs",
    "NeedsSyntaxError",
    "NoCandidateError",
    "Notice",
    "Observer",
    "OverloadedError",
    "PermissionDeniedError",
    "PhaseTimeoutError",
    "PluginError",
    "ProtocolError",
    "ProviderError",
    "ProxyError",
    "QuotaExhaustedError",
    "RateLimitError",
    "Rejection",
    "Reply",
    "Request",
    "RequestTooLargeError",
    "Selection",
    "ServerError",
    "Settings",
    "Start",
    "Stream",
    "StreamBrokenError",
    "TLSError",
    "TextDelta",
    "TextPart",
    "Timeout",
    "UnderstudyError",
    "Usage",
]


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f".{_HOME[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
