"""Everything that a provider file for gpt4free imports, under the same names.

Such a file works after each of its relative imports is replaced by an import from here; its other imports stay. The
names of errors are those of Segue, or mean one of Segue's errors: ``MissingAuthError`` is an `AuthenticationError`,
``ResponseStatusError`` an `HTTPError`; the others, which do not identify the host's fault, are a `ProviderError`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator as AsyncGenerator
    from collections.abc import AsyncIterator as AsyncIterator
    from typing import Any as Any
    from typing import Dict as Dict  # noqa: UP035 - such files have it
    from typing import List as List  # noqa: UP035 - as above
    from typing import Optional as Optional
    from typing import Union as Union

    from ..errors import AuthenticationError as MissingAuthError
    from ..errors import BadRequestError as BadRequestError
    from ..errors import HTTPError as ResponseStatusError
    from ..errors import ModelNotFoundError as ModelNotFoundError
    from ..errors import ModelNotFoundError as ModelNotSupportedError
    from ..errors import PermissionDeniedError as CloudflareError
    from ..errors import ProviderError as MissingRequirementsError
    from ..errors import ProviderError as ResponseError
    from ..errors import QuotaExhaustedError as PaymentRequiredError
    from ..errors import RateLimitError as RateLimitError
    from ..transport import StreamSession as StreamSession
    from ..transport import get_connector as get_connector
    from ..transport import raise_for_status as raise_for_status
    from . import debug as debug
    from .pieces import FinishReason as FinishReason
    from .pieces import ImageResponse as ImageResponse
    from .pieces import JsonConversation as BaseConversation
    from .pieces import JsonConversation as JsonConversation
    from .pieces import Reasoning as Reasoning
    from .pieces import Sources as Sources
    from .pieces import TitleGeneration as TitleGeneration
    from .pieces import Usage as Usage
    from .prompts import filter_none as filter_none
    from .prompts import format_media_prompt as format_image_prompt
    from .prompts import format_media_prompt as format_media_prompt
    from .prompts import format_prompt as format_prompt
    from .prompts import get_cookies as get_cookies
    from .prompts import get_last_message as get_last_message
    from .prompts import get_last_user_message as get_last_user_message
    from .prompts import get_random_hex as get_random_hex
    from .prompts import get_random_string as get_random_string
    from .prompts import get_system_prompt as get_system_prompt
    from .provider import AsyncGeneratorProvider as AsyncGeneratorProvider
    from .provider import AsyncResult as AsyncResult
    from .provider import Messages as Messages
    from .provider import ProviderModelMixin as ProviderModelMixin
    from .typing import Cookies as Cookies
    from .typing import ImageType as ImageType
    from .typing import MediaListType as MediaListType

# Where each is, and by which name; loaded on first use: aiohttp and the wires are not for who only declares.
_HOME = {
    "Any": "typing:Any",
    "AsyncGenerator": "collections.abc:AsyncGenerator",
    "AsyncGeneratorProvider": ".provider:AsyncGeneratorProvider",
    "AsyncIterator": "collections.abc:AsyncIterator",
    "AsyncResult": ".provider:AsyncResult",
    "BadRequestError": "..errors:BadRequestError",
    "BaseConversation": ".pieces:JsonConversation",
    "CloudflareError": "..errors:PermissionDeniedError",
    "Cookies": ".typing:Cookies",
    "Dict": "typing:Dict",
    "FinishReason": ".pieces:FinishReason",
    "ImageResponse": ".pieces:ImageResponse",
    "ImageType": ".typing:ImageType",
    "JsonConversation": ".pieces:JsonConversation",
    "List": "typing:List",
    "MediaListType": ".typing:MediaListType",
    "Messages": ".provider:Messages",
    "MissingAuthError": "..errors:AuthenticationError",
    "MissingRequirementsError": "..errors:ProviderError",
    "ModelNotFoundError": "..errors:ModelNotFoundError",
    "ModelNotSupportedError": "..errors:ModelNotFoundError",
    "Optional": "typing:Optional",
    "PaymentRequiredError": "..errors:QuotaExhaustedError",
    "ProviderModelMixin": ".provider:ProviderModelMixin",
    "RateLimitError": "..errors:RateLimitError",
    "Reasoning": ".pieces:Reasoning",
    "ResponseError": "..errors:ProviderError",
    "ResponseStatusError": "..errors:HTTPError",
    "Sources": ".pieces:Sources",
    "StreamSession": "..transport:StreamSession",
    "TitleGeneration": ".pieces:TitleGeneration",
    "Union": "typing:Union",
    "Usage": ".pieces:Usage",
    "filter_none": ".prompts:filter_none",
    "format_image_prompt": ".prompts:format_media_prompt",
    "format_media_prompt": ".prompts:format_media_prompt",
    "format_prompt": ".prompts:format_prompt",
    "get_connector": "..transport:get_connector",
    "get_cookies": ".prompts:get_cookies",
    "get_last_message": ".prompts:get_last_message",
    "get_last_user_message": ".prompts:get_last_user_message",
    "get_random_hex": ".prompts:get_random_hex",
    "get_random_string": ".prompts:get_random_string",
    "get_system_prompt": ".prompts:get_system_prompt",
    "raise_for_status": "..transport:raise_for_status",
}

__all__ = [
    "Any",
    "AsyncGenerator",
    "AsyncGeneratorProvider",
    "AsyncIterator",
    "AsyncResult",
    "BadRequestError",
    "BaseConversation",
    "CloudflareError",
    "Cookies",
    "Dict",
    "FinishReason",
    "ImageResponse",
    "ImageType",
    "JsonConversation",
    "List",
    "MediaListType",
    "Messages",
    "MissingAuthError",
    "MissingRequirementsError",
    "ModelNotFoundError",
    "ModelNotSupportedError",
    "Optional",
    "PaymentRequiredError",
    "ProviderModelMixin",
    "RateLimitError",
    "Reasoning",
    "ResponseError",
    "ResponseStatusError",
    "Sources",
    "StreamSession",
    "TitleGeneration",
    "Union",
    "Usage",
    "debug",
    "filter_none",
    "format_image_prompt",
    "format_media_prompt",
    "format_prompt",
    "get_connector",
    "get_cookies",
    "get_last_message",
    "get_last_user_message",
    "get_random_hex",
    "get_random_string",
    "get_system_prompt",
    "raise_for_status",
]


def __getattr__(name: str) -> object:
    if name == "debug":
        return importlib.import_module(".debug", __name__)
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, _, attribute = _HOME[name].partition(":")
    value = getattr(importlib.import_module(module, __name__), attribute)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
