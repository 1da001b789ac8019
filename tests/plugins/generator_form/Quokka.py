from __future__ import annotations

import time

from aiohttp import ClientSession

from ..typing import AsyncResult, Messages
from ..requests.raise_for_status import raise_for_status
from ..requests.aiohttp import get_connector
from ..providers.response import FinishReason, JsonConversation
from .base_provider import AsyncGeneratorProvider, ProviderModelMixin
from .helper import format_prompt


class Conversation(JsonConversation):
    user_id: str = None
    message_history: Messages = []

    def __init__(self, model: str):
        self.model = model
        self.user_id = f"#/chat/{int(time.time() * 1000)}"


class Quokka(AsyncGeneratorProvider, ProviderModelMixin):
    label = "Quokka Chat"
    url = "https://quokka.example"
    api_endpoint = "https://quokka.example/api/generate"

    working = True
    supports_stream = True
    supports_system_message = True
    supports_message_history = True

    default_model = "quokka-7b"
    models = [default_model]

    @classmethod
    async def create_async_generator(
        cls,
        model: str,
        messages: Messages,
        proxy: str = None,
        connector=None,
        conversation: Conversation = None,
        return_conversation: bool = True,
        **kwargs,
    ) -> AsyncResult:
        model = cls.get_model(model)
        headers = {
            "accept": "text/plain, */*",
            "content-type": "application/json",
            "origin": cls.url,
            "referer": f"{cls.url}/",
        }
        if conversation is None:
            conversation = Conversation(model)
            conversation.message_history = messages
        async with ClientSession(headers=headers, connector=get_connector(connector, proxy)) as session:
            data = {
                "prompt": format_prompt(conversation.message_history),
                "model": model,
                "userId": conversation.user_id,
                "stream": True,
            }
            async with session.post(cls.api_endpoint, json=data) as response:
                await raise_for_status(response)
                buffer = b""
                async for chunk in response.content.iter_any():
                    buffer += chunk
                    try:
                        yield buffer.decode("utf-8")
                        buffer = b""
                    except UnicodeDecodeError:
                        continue
        if return_conversation:
            yield conversation
        yield FinishReason("stop")
