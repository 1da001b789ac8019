import json
from typing import AsyncGenerator

from ..typing import Messages, Cookies
from ..requests import StreamSession
from .base_provider import AsyncGeneratorProvider
from ..providers.helper import get_last_user_message, get_random_string


class Wombat(AsyncGeneratorProvider):
    url = "https://wombat.example"
    working = True
    supports_gpt_35_turbo = True
    supports_message_history = False

    @classmethod
    async def create_async_generator(
        cls,
        model: str,
        messages: Messages,
        proxy: str = None,
        timeout: int = 120,
        cookies: Cookies = None,
        **kwargs,
    ) -> AsyncGenerator:
        if not model:
            model = "gpt-3.5-turbo"
        async with StreamSession(
            headers={"referer": f"{cls.url}/chat"},
            cookies=cookies,
            proxies={"all": proxy},
            impersonate="chrome",
            timeout=timeout,
        ) as session:
            payload = {
                "id": get_random_string(),
                "model": model,
                "message": get_last_user_message(messages),
            }
            async with session.post(f"{cls.url}/api/ask", json=payload) as response:
                response.raise_for_status()
                async for line in response.iter_lines():
                    if line:
                        yield json.loads(line)["content"]


class Thylacine(Wombat):
    url = "https://thylacine.example"
    working = False
