"""Everything that a provider author imports."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .capabilities import Capabilities as Capabilities
    from .capabilities import Fact as Fact
    from .errors import ConfigError as ConfigError
    from .errors import HTTPError as HTTPError
    from .errors import ProtocolError as ProtocolError
    from .errors import ProviderError as ProviderError
    from .errors import StreamBrokenError as StreamBrokenError
    from .events import Event as Event
    from .events import Finish as Finish
    from .events import Notice as Notice
    from .events import Start as Start
    from .events import TextDelta as TextDelta
    from .events import Usage as Usage
    from .hookspecs import hookimpl as hookimpl
    from .messages import Message as Message
    from .messages import Request as Request
    from .provider import AsyncGeneratorProvider as AsyncGeneratorProvider
    from .provider import AsyncResult as AsyncResult
    from .provider import Context as Context
    from .provider import Messages as Messages
    from .provider import Model as Model
    from .provider import Provider as Provider
    from .provider import ProviderSettings as ProviderSettings
    from .provider import ProviderSpec as ProviderSpec

# Loaded on first use: a plugin that only declares a ProviderSpec must not cost pydantic's import.
_HOME = {
    "AsyncGeneratorProvider": "provider",
    "AsyncResult": "provider",
    "Capabilities": "capabilities",
    "ConfigError": "errors",
    "Context": "provider",
    "Event": "events",
    "Fact": "capabilities",
    "Finish": "events",
    "HTTPError": "errors",
    "Message": "messages",
    "Messages": "provider",
    "Model": "provider",
    "Notice": "events",
    "ProtocolError": "errors",
    "Provider": "provider",
    "ProviderError": "errors",
    "ProviderSettings": "provider",
    "ProviderSpec": "provider",
    "Request": "messages",
    "Start": "events",
    "StreamBrokenError": "errors",
    "TextDelta": "events",
    "Usage": "events",
    "hookimpl": "hookspecs",
}

__all__ = [
    "AsyncGeneratorProvider",
    "AsyncResult",
    "Capabilities",
    "ConfigError",
    "Context",
    "Event",
    "Fact",
    "Finish",
    "HTTPError",
    "Message",
    "Messages",
    "Model",
    "Notice",
    "ProtocolError",
    "Provider",
    "ProviderError",
    "ProviderSettings",
    "ProviderSpec",
    "Request",
    "Start",
    "StreamBrokenError",
    "TextDelta",
    "Usage",
    "hookimpl",
]


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f".{_HOME[name]}", __package__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
