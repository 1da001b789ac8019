from __future__ import annotations

import json
from aiohttp import ClientSession

from ..typing import AsyncResult, Messages, Optional
from ..providers.response import (
    FinishReason,
    Reasoning,
    Sources,
    Usage,
)
from ..errors import MissingAuthError, ResponseError
from ..requests.raise_for_status import raise_for_status
from .base_provider import AsyncGeneratorProvider, ProviderModelMixin
from .helper import filter_none
from .. import debug


class Numbat(AsyncGeneratorProvider, ProviderModelMixin):
    url = "https://numbat.example"
    login_url = "https://numbat.example/settings/keys"
    api_base = "https://numbat.example/v2"

    working = True
    needs_auth = True
    supports_stream = True
    supports_system_message = True
    supports_message_history = True

    default_model = "numbat-large"
    models = [
        default_model,
        "numbat-small",
    ]
    model_aliases = {
        "numbat": "numbat-large",
    }

    @classmethod
    async def create_async_generator(
        cls,
        model: str,
        messages: Messages,
        proxy: str = None,
        api_key: str = None,
        temperature: Optional[float] = None,
        max_tokens: Optional[int] = None,
        **kwargs,
    ) -> AsyncResult:
        if not api_key:
            raise MissingAuthError('Add a "api_key" from ' + cls.login_url)
        headers = {
            "accept": "text/event-stream",
            "authorization": f"Bearer {api_key}",
        }
        data = filter_none(
            model=cls.get_model(model),
            messages=messages,
            temperature=temperature,
            max_tokens=max_tokens,
            stream=True,
        )
        async with ClientSession(headers=headers) as session:
            async with session.post(f"{cls.api_base}/chat", json=data, proxy=proxy) as response:
                await raise_for_status(response)
                finish = None
                async for line in response.content:
                    if not line.startswith(b"data: "):
                        continue
                    line = line[6:].strip()
                    if line == b"[DONE]":
                        break
                    chunk = json.loads(line)
                    if "error" in chunk:
                        raise ResponseError(f"Error: {chunk['error']}")
                    if chunk.get("thinking"):
                        yield Reasoning(chunk["thinking"])
                    if chunk.get("text"):
                        yield chunk["text"]
                    if chunk.get("sources"):
                        yield Sources(chunk["sources"])
                    if chunk.get("usage"):
                        yield Usage(**chunk["usage"])
                    finish = chunk.get("finish_reason", finish)
                else:
                    debug.log("Numbat: no end marker")
                if finish:
                    yield FinishReason(finish)
