"""A refused credential: the note says where it was set, and never what it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from segue import Client, HTTPError
from segue.plugin import AsyncGeneratorProvider, Host
from segue.testing import Body, OpenAIHost, Status, Step

if TYPE_CHECKING:
    from collections.abc import Mapping

VALUE = "Bearer canary-0123456789"
FILE = "(headers of [providers.a] in config)"
CALL = "(extra_headers of the call)"
NONE = "no key was sent: set api_key in [providers.a]"
USED = "the credential used was"
KEY = "the key used was api_key of [providers.a] in config"
SOURCES: dict[str, tuple[Mapping[str, Any], Mapping[str, Any], str]] = {
    # by name: the table of the provider, the arguments of the call, the note
    "nothing": ({}, {}, NONE),
    "a plain header": ({"headers": {"x-title": "My application"}}, {}, NONE),
    "headers": ({"headers": {"Authorization": VALUE}}, {}, f"{USED} the header 'authorization' {FILE}"),
    "an odd header": ({"headers": {"x-acme-key": "k1"}}, {}, f"{USED} the header 'x-acme-key' {FILE}"),
    "extra_headers": ({}, {"extra_headers": {"x-api-key": "k1"}}, f"{USED} the header 'x-api-key' {CALL}"),
    "a key and extra_headers": (
        {"api_key": "canary-0123456789"}, {"extra_headers": {"x-api-key": "k1"}},
        f"{KEY}; also sent: the header 'x-api-key' {CALL}",
    ),
    "a key alone": ({"api_key": "canary-0123456789"}, {}, KEY),
}  # fmt: skip
REFUSALS: dict[str, Step] = {
    "401": Status(401, message="no"),
    "403": Status(403, message="no"),
    "in the stream": Body(b'data: {"error": {"code": "invalid_api_key", "message": "no"}}\n\n'),
}


async def _ask(client: Client, call: str, asking: Mapping[str, Any]) -> object:
    if call == "chat":
        return await client.chat("hi", model="a/m", **asking)
    if call == "stream":
        async with client.stream("hi", model="a/m", **asking) as stream:
            return await stream.reply()
    if call == "embed":
        return await client.embed("hi", model="a/m", **asking)
    raise (await client.live_models(provider="a")).failures["a"]


CALLS = [
    (source, call, refusal)
    for source, (_, asking, _) in SOURCES.items()
    for call in ("chat", "stream", "embed", "live models")
    for refusal in REFUSALS
    if not ((call == "live models" and asking) or (refusal == "in the stream" and call != "stream"))
]


@pytest.mark.parametrize(("source", "call", "refusal"), CALLS)
async def test_the_note_says_where_the_credential_was_set(source: str, call: str, refusal: str) -> None:
    """Whether it was a key, a header of the file or of the call, or part of the address."""
    table, asking, note = SOURCES[source]
    async with OpenAIHost(script=[REFUSALS[refusal]]) as host:
        told: dict[str, Any] = {"wire": "openai_chat", "base_url": host.url, "models": ["m"], **table}
        async with Client(config={"providers": {"a": told}}, plugins=False, environ={}) as client:
            with pytest.raises(HTTPError) as caught:
                await _ask(client, call, asking)
    assert note in caught.value.__notes__
    assert "canary" not in f"{caught.value!r}{caught.value.__notes__}{caught.value.sent_credentials}"


@pytest.mark.parametrize(
    ("given", "user", "told"),
    [
        ({"headers": {"authorization": VALUE}}, "", "the header 'authorization' (set by the provider 'a')"),
        ({}, "me:pw@", "the user and password or the key in A_URL in the environment"),
        ({}, ":canary-0123456789@", "the user and password or the key in A_URL in the environment"),
    ],
)
async def test_a_row_in_code_is_named_by_its_provider(given: Any, user: str, told: str) -> None:
    """The headers of a row are set by the provider of that name; the address in a variable may hold a password."""
    async with OpenAIHost(script=[Status(401, message="no")]) as host:
        row = Host("a", host.url, models=["m"], base_url_env="A_URL", **given)
        environ = {"A_URL": host.url.replace("http://", f"http://{user}")}
        async with Client(providers=[row], config=False, plugins=False, environ=environ) as client:
            with pytest.raises(HTTPError) as caught:
                await client.chat("hi", model="a/m")
    assert f"{USED} {told}" in caught.value.__notes__


async def test_a_providers_own_session_is_looked_at_too() -> None:
    """A provider that sends a header with aiohttp itself is not told that no key was sent."""

    class Own(AsyncGeneratorProvider):
        models = ("m",)

        @classmethod
        async def create_async_generator(cls, model: str, messages: Any, *args: Any, **kwargs: Any) -> Any:
            from segue.transport import StreamSession, raise_for_status

            async with StreamSession() as session:
                async with session.post(f"{host.url}/chat/completions", headers={"x-api-key": "k1"}, json={}) as answer:
                    await raise_for_status(answer)
            yield "never"

    async with OpenAIHost(script=[Status(401, message="no")]) as host:
        async with Client(providers=[Own], config=False, plugins=False, environ={}) as client:
            with pytest.raises(HTTPError) as caught:
                await client.chat("hi", model="own/m")
    assert "the credential used was the header 'x-api-key' (set by the provider 'own')" in caught.value.__notes__
