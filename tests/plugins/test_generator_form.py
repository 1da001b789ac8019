"""Provider files of the gpt4free form, which run once their imports are changed."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import re
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from segue import (
    AuthenticationError,
    Chain,
    Client,
    ConnectError,
    HTTPError,
    NoCandidateError,
    PhaseTimeoutError,
    ProtocolError,
    ProviderError,
    RateLimitError,
    Retry,
    ServerError,
    StreamBrokenError,
    TextDelta,
    Timeout,
)
from segue import generator as form
from segue.plugin import AsyncGeneratorProvider
from segue.testing import Answer, Body, Cut, Garbage, ProxyHost, ScriptedHost, Stall, Status, refused_url
from segue.testing.conformance import conform, origins_of
from segue.testing.hosts import Told
from segue.transport import Call, answered

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import ModuleType

    from segue.testing import Received
    from segue.transport import Transport

FOLDER = Path(__file__).parent / "generator_form"
IMPORT = re.compile(r"^from \.+[\w.]* import ", re.MULTILINE)
MESSAGES = [
    {"role": "system", "content": "Be kind."},
    {"role": "user", "content": "Hello"},
    {"role": "assistant", "content": "Good day."},
    {"role": "user", "content": "Who are you?"},
]


class TextHost(ScriptedHost):
    """Answers with the text alone."""

    def told(self, received: Received, tokens: Sequence[str], answer: Answer) -> Told:
        return Told([token.encode() for token in tokens], "text/plain; charset=utf-8")

    def error(self, step: Status) -> Told:
        return Told([step.message.encode()], "text/plain", status=step.status)


class EventHost(TextHost):
    """Answers with events that end in ``[DONE]``."""

    def told(self, received: Received, tokens: Sequence[str], answer: Answer) -> Told:
        told: list[dict[str, Any]] = [{"thinking": answer.reasoning}] if answer.reasoning else []
        told += [{"text": token} for token in tokens]
        told.append({"sources": [{"url": "https://a.example", "title": "A"}]})
        usage = {"prompt_tokens": 3, "completion_tokens": 4, "prompt_tokens_details": {"cached_tokens": 1}}
        told.append({"usage": usage, "finish_reason": answer.finish_reason or "stop"})
        pieces = [f"data: {json.dumps(one)}\n\n".encode() for one in told]
        return Told([*pieces, b"data: [DONE]\n\n"], "text/event-stream")


class LineHost(TextHost):
    """Answers with a line of JSON a token."""

    def told(self, received: Received, tokens: Sequence[str], answer: Answer) -> Told:
        return Told([json.dumps({"content": token}).encode() + b"\r\n" for token in tokens], "application/x-ndjson")


@dataclass(frozen=True)
class File:
    """A file, the model that it is asked for here, and who speaks its host's wire."""

    name: str
    model: str
    host: type[ScriptedHost]


FILES = [
    File("Quokka", "quokka-7b", TextHost),
    File("Numbat", "numbat", EventHost),
    File("Wombat", "gpt-3.5-turbo", LineHost),
]
every_file = pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)


def changed(text: str) -> str:
    return IMPORT.sub("from segue.generator import ", text)


def module_of(name: str, folder: Path) -> ModuleType:
    path = folder / f"{name}.py"
    path.write_text(changed((FOLDER / f"{name}.py").read_text()))
    spec = importlib.util.spec_from_file_location(f"changed_{name.lower()}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


Made = "Callable[..., Client]"


@pytest.fixture
def made(tmp_path: Path) -> Made:
    """Makes a client of the three classes, all of them at one address but for ``others``."""
    classes = [getattr(module_of(file.name, tmp_path), file.name) for file in FILES]

    def make(url: str, others: Mapping[str, str] = {}, **settings: Any) -> Client:
        providers = {name: {"base_url": others.get(name, url)} for name in (cls.__name__.lower() for cls in classes)}
        providers["numbat"]["api_key"] = "sk-numbat"
        settings.setdefault("retry", Retry(count=0))
        return Client(providers=classes, config={"providers": providers}, plugins=False, environ={}, **settings)

    return make


@every_file
def test_only_import_lines_are_changed(file: File) -> None:
    """Between a file as it was and as it runs, no line differs but those that import from gpt4free."""
    old = (FOLDER / f"{file.name}.py").read_text().splitlines()
    new = changed("\n".join(old)).splitlines()
    differing = [(one, other) for one, other in zip(old, new, strict=True) if one != other]
    assert len(differing) >= 3
    for one, other in differing:
        assert one.startswith("from .")
        assert one.partition(" import ")[2] == other.removeprefix("from segue.generator import ")
    assert not [line for line in new if line.startswith("from .") or "g4f" in line]


@every_file
async def test_text_arrives(made: Made, file: File) -> None:
    """The answer's text arrives in pieces, a character cut between two chunks included."""
    async with file.host(answer="grüße 世界 🎭", split=3) as host, made(host.url) as client:
        name = f"{file.name.lower()}/{file.model}"
        async with client.stream(MESSAGES, model=name) as stream:
            pieces = [text async for text in stream.text()]
            reply = await stream.reply()
        assert "".join(pieces) == reply.text == "grüße 世界 🎭"
        assert len(pieces) > 1
        assert reply.finish_reason == "stop"
        assert not reply.notices


async def test_the_hosts_get_what_the_files_send(made: Made) -> None:
    """Prompt, last message, aliases, settings and key arrive as the files put them, at the configured address."""
    async with TextHost() as host, EventHost() as events, LineHost() as lines:
        async with made(host.url, others={"numbat": events.url, "wombat": lines.url}) as client:
            await client.chat(MESSAGES, model="quokka")
            await client.chat(MESSAGES, model="numbat/numbat", temperature=0.5)
            await client.chat(MESSAGES, model="wombat")
    (quokka, numbat, wombat) = (*host.requests, *events.requests, *lines.requests)
    assert quokka.path == "/api/generate"
    assert quokka.header["origin"] == host.url
    prompt = ["System: Be kind.", "User: Hello", "Assistant: Good day.", "User: Who are you?", "Assistant:"]
    assert quokka.json["prompt"] == "\n".join(prompt)
    assert numbat.path == "/v2/chat"
    assert numbat.header["authorization"] == "Bearer sk-numbat"
    assert numbat.json == {"model": "numbat-large", "messages": MESSAGES, "temperature": 0.5, "stream": True}
    assert wombat.path == "/api/ask"
    assert (wombat.json["message"], wombat.json["model"]) == ("Who are you?", "gpt-3.5-turbo")
    assert len(wombat.json["id"]) == 10


async def test_flags_are_capabilities(made: Made) -> None:
    """The classes' flags select and reject, with the reason."""
    async with made("http://127.0.0.1:1") as client:
        selection = client.select("supports_message_history, working")
        found = [(one.provider, one.model) for one in selection.candidates]
        assert found == [
            ("quokka", "quokka-7b"),
            ("numbat", "numbat-large"),
            ("numbat", "numbat-small"),
            ("numbat", "numbat"),
        ]
        (rejected,) = selection.rejected
        assert rejected.provider == "wombat"
        assert "declared by Wombat" in "".join(rejected.reasons)
        old = client.select("supports_gpt_35_turbo, working")
        assert [(one.provider, one.model) for one in old.candidates] == [("wombat", "gpt-3.5-turbo")]


async def test_what_does_not_work_is_not_selected(tmp_path: Path) -> None:
    """A class that says itself that it does not work is selected by no need; named, it is asked."""
    thylacine = module_of("Wombat", tmp_path).Thylacine
    async with LineHost(answer="still here") as host:
        config = {"providers": {"thylacine": {"base_url": host.url}}}
        async with Client(providers=[thylacine], config=config, plugins=False, environ={}) as client:
            for model in (None, "gpt-3.5-turbo"):
                assert not client.select("supports_gpt_35_turbo", model=model).candidates
            with pytest.raises(NoCandidateError, match="retired"):
                await client.chat("Hello", model="gpt-3.5-turbo")
            assert (await client.chat("Hello", model="thylacine")).text == "still here"


async def test_a_key_is_wanted_where_the_file_needs_auth(tmp_path: Path) -> None:
    """Without its key such a provider is no candidate, and the reason names the variable; with it it is asked."""
    numbat = module_of("Numbat", tmp_path).Numbat
    make = partial(Client, providers=[numbat], config=False, plugins=False)
    async with make(environ={}) as client:
        assert "NUMBAT_API_KEY" in client.select(model="numbat").explain()
        assert not client.select(model="numbat").candidates
    async with make(environ={"NUMBAT_API_KEY": "sk-1"}) as client:
        assert client.select(model="numbat").candidates
    with pytest.raises(AuthenticationError, match="settings/keys") as caught:
        async with aclosing(numbat.create_async_generator("numbat", MESSAGES)) as pieces:
            await anext(pieces)
    assert caught.value.status == 401


@every_file
async def test_the_proxy_is_used(made: Made, file: File) -> None:
    """A configured proxy carries the call, in whichever way the file hands it to its session."""
    async with file.host(answer="through") as host, ProxyHost() as proxy, made(host.url, proxy=proxy.url) as client:
        reply = await client.chat("Hello", model=f"{file.name.lower()}/{file.model}")
        assert reply.text == "through"
        assert len(proxy.requests) == 1


@every_file
@pytest.mark.parametrize(("status", "error"), [(429, RateLimitError), (401, AuthenticationError), (500, ServerError)])
async def test_a_status_is_its_error(made: Made, file: File, status: int, error: type[HTTPError]) -> None:
    """A status beyond success is its error, with the wait that the host asks for, and holds nothing of aiohttp's."""
    async with file.host(script=[Status(status, retry_after="7")]) as host, made(host.url) as client:
        with pytest.raises(error) as caught:
            await client.chat("Hello", model=f"{file.name.lower()}/{file.model}")
        assert (caught.value.status, caught.value.retry_after) == (status, 7)
        assert caught.value.__cause__ is None
        assert caught.value.__context__ is None


@every_file
async def test_a_chain_goes_on_past_each(made: Made, file: File) -> None:
    """After a file whose host refuses, a chain asks the next target."""
    other = next(one for one in FILES if one is not file)
    async with file.host(script=[Status(429)]) as host, other.host(answer="from the second") as second:
        async with made(host.url, others={other.name.lower(): second.url}) as client:
            chain = Chain(*(f"{one.name.lower()}/{one.model}" for one in (file, other)))
            reply = await client.chat("Hello", chain=chain)
    assert (reply.text, reply.provider) == ("from the second", other.name.lower())
    assert isinstance(reply.attempts[0].error, RateLimitError)


@every_file
@pytest.mark.parametrize("framing", ["chunked", "length"])
async def test_a_cut_answer_is_broken(made: Made, file: File, framing: Any) -> None:
    """An answer cut short inside its framing is a StreamBrokenError with the text that came."""
    after = {"Quokka": 6, "Numbat": 40, "Wombat": 40}[file.name]
    script = [Cut(after)]
    async with file.host(answer="one two three four", script=script, framing=framing) as host, made(host.url) as client:
        name = f"{file.name.lower()}/{file.model}"
        with pytest.raises(StreamBrokenError) as caught:  # noqa: PT012 - what came before it is asserted too
            async with client.stream("Hello", model=name) as stream:
                seen = [text async for text in stream.text()]
                pytest.fail(f"it ended with {seen}")
    assert caught.value.text
    assert "one two three four".startswith(caught.value.text)


@every_file
async def test_no_connection(made: Made, file: File) -> None:
    """Where nothing listens it is a ConnectError, worth another try."""
    async with made(refused_url()) as client:
        with pytest.raises(ConnectError) as caught:
            await client.chat("Hello", model=f"{file.name.lower()}/{file.model}")
    assert caught.value.retryable
    assert caught.value.__cause__ is None


@every_file
async def test_a_silent_host_is_late(made: Made, file: File) -> None:
    """A host that says nothing is late by the client's own limits, and its connection is closed."""
    async with file.host(script=[Stall("headers")]) as host:
        async with made(host.url, timeout=Timeout(first_event=0.05)) as client:
            with pytest.raises(PhaseTimeoutError) as caught:
                await client.chat("Hello", model=f"{file.name.lower()}/{file.model}")
        assert caught.value.phase == "first_event"
        await asyncio.wait_for(host.until_closed(), 5)


@every_file
async def test_leaving_early_closes_the_connection(made: Made, file: File) -> None:
    """Leaving a stream closes the session that the file made, and with it its connection."""
    async with file.host(script=[Stall("middle")], answer="one two three four") as host, made(host.url) as client:
        async with client.stream("Hello", model=f"{file.name.lower()}/{file.model}") as stream:
            async for _ in stream.text():
                break
        await asyncio.wait_for(host.until_closed(), 5)


async def test_what_is_no_text_becomes_events(made: Made) -> None:
    """Reasoning, sources, usage and the reason of the end arrive as ours do."""
    async with EventHost(script=[Answer("four", reasoning="two and two", finish_reason="length")]) as host:
        async with made(host.url) as client:
            reply = await client.chat("Hello", model="numbat")
    assert (reply.text, reply.reasoning, reply.finish_reason) == ("four", "two and two", "length")
    assert [(one.url, one.title) for one in reply.sources] == [("https://a.example", "A")]
    assert reply.usage is not None
    counted = (reply.usage.input_tokens, reply.usage.output_tokens, reply.usage.total_tokens, reply.usage.cached_tokens)
    assert counted == (3, 4, 7, 1)


async def test_an_error_inside_the_answer(made: Made) -> None:
    """What a file raises itself is a failed attempt, and what it cannot read is a ProtocolError."""
    said = Body(b'data: {"error": "no luck"}\n\n')
    async with EventHost(script=[said, Garbage(b"data: <html>\n\n")]) as host, made(host.url) as client:
        with pytest.raises(ProviderError, match="no luck"):
            await client.chat("Hello", model="numbat")
        with pytest.raises(ProtocolError, match="JSONDecodeError") as caught:
            await client.chat("Hello", model="numbat")
        assert "<html>" not in repr(caught.value.__context__)


CLAIM = """
from segue.plugin import Conformance

class Claiming(Quokka):
    conformance = Conformance("full", wire="text", expected_failures={
        "fault F13": "it ends where its connection does",
        "fault F21": "it waits for a whole character that never comes, and loses the rest",
        "fault F34": "aiohttp reads a body of any length",
        "fault F46": "aiohttp follows redirects",
        "capability settings": "they end in kwargs",
    })
"""


async def test_the_kit_finds_what_is_such_a_files_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that knows only aiohttp meets every fault with the right error, but for what is aiohttp's own doing."""
    (tmp_path / "claiming.py").write_text(changed((FOLDER / "Quokka.py").read_text()) + CLAIM)
    monkeypatch.syspath_prepend(str(tmp_path))
    (origin,) = origins_of("claiming:Claiming")
    report = await asyncio.to_thread(conform, origin)
    outcomes = {one.item: (one.outcome, one.reason) for one in report.results}
    assert not {name: told for name, told in outcomes.items() if told[0] == "failed"}
    assert sorted(name for name, told in outcomes.items() if told[0] == "expected") == [
        "capability settings", "fault F13", "fault F21", "fault F34", "fault F46",
    ]  # fmt: skip
    assert sum(told[0] == "passed" for told in outcomes.values()) > 50


def test_pieces_are_texts_without_letters() -> None:
    """Whoever reads the pieces as text reads the answer alone."""
    conversation = form.JsonConversation(user="a", turns=[1])
    pieces = ["a", form.FinishReason("stop"), form.Usage(prompt_tokens=1), form.Sources(["https://a.example"])]
    pieces += [form.Reasoning("hm"), form.TitleGeneration("Greeting"), conversation, "b"]
    assert "".join(pieces) == "ab"
    image = form.ImageResponse(["https://a.example/1.png"], "a cat")
    assert (image, list(image.events())) == ("![a cat](https://a.example/1.png)", [TextDelta(image)])
    assert form.JsonConversation.from_dict(conversation.get_dict()).get_dict() == {"user": "a", "turns": [1]}


def test_prompts() -> None:
    """The prompts of the form, from texts and from lists of parts."""
    parts = [{"type": "text", "text": "Look: "}, {"type": "image_url", "image_url": {"url": "x"}}, {"text": "this"}]
    messages = [*MESSAGES, {"role": "user", "content": parts}]
    assert form.get_last_user_message(messages) == "Who are you?\nLook: this"
    assert form.get_last_message([*messages, {"role": "assistant", "content": ""}]) == "Look: this"
    assert form.get_system_prompt(messages) == "Be kind."
    assert form.format_prompt(messages[-1:]) == "Look: this"
    assert form.format_prompt(messages[-1:], add_special_tokens=True) == "User: Look: this\nAssistant:"
    assert form.format_prompt(MESSAGES[:2], include_system=False, do_continue=True) == "User: Hello"
    assert form.format_media_prompt(MESSAGES) == "Who are you?"
    assert form.format_media_prompt(MESSAGES, "a cat") == form.get_last_message(MESSAGES, "a cat") == "a cat"
    assert (len(form.get_random_string()), len(form.get_random_hex(8))) == (10, 8)
    assert form.filter_none(a=1, b=None) == {"a": 1}
    assert form.get_cookies("a.example", False) == {}
    with pytest.raises(ValueError, match="empty"):
        form.format_prompt([])


def test_an_alias_may_stand_for_several() -> None:
    """An alias is one of the models that it stands for; no name is the default's."""

    class Several(form.ProviderModelMixin):
        default_model = "a"
        model_aliases: ClassVar[dict[str, list[str]]] = {"any": ["b", "c"]}

    assert Several.get_models() == ["a"]
    assert Several.get_model("any") in {"b", "c"}
    assert (Several.get_model(""), Several.get_model("x")) == ("a", "x")


def test_the_names_of_the_form_are_there() -> None:
    """Every name of the list can be imported, and the list is sorted."""
    assert form.__all__ == sorted(form.__all__) == dir(form)
    assert all(getattr(form, name) is not None for name in form.__all__)
    with pytest.raises(AttributeError, match="no attribute 'x'"):
        form.x  # noqa: B018


class Own(AsyncGeneratorProvider):
    """Asks by whichever transport it is given."""

    models = ("own-1",)
    url = "http://127.0.0.1:9"

    @classmethod
    async def create_async_generator(
        cls,
        model: str,
        messages: form.Messages,
        proxy: str | None = None,
        *,
        transport: Transport | None = None,
        api_key: str | None = None,
        max_tokens: int | None = None,
    ) -> form.AsyncResult:
        call = Call(f"{cls.url}/ask", {"authorization": f"Bearer {api_key}"}, str(max_tokens).encode())
        async with answered(call, transport=transport, proxy=proxy) as response, aclosing(response.chunks()) as chunks:
            async for data in chunks:
                yield data.decode()
            if not response.delimited:
                yield form.FinishReason("unknown")


async def test_what_a_generator_names_it_is_given() -> None:
    """One that names them gets the key, the settings and the client's transport, whose connection is kept."""
    async with TextHost(answer="hi") as host:
        config = {"providers": {"own": {"base_url": host.url, "api_key": "sk-own"}}}
        async with Client(providers=[Own], config=config, plugins=False, environ={}) as client:
            reply = await client.chat("Hello", model="own", max_tokens=3, temperature=1)
            await client.chat("Hello", model="own")
        assert [notice.subject for notice in reply.notices] == ["temperature"]
        assert [one.header["authorization"] for one in host.requests] == ["Bearer sk-own"] * 2
        assert [one.body for one in host.requests] == [b"3", b"None"]
        assert host.connections == 1


async def test_without_a_client_it_asks_by_itself() -> None:
    """Called as it stands, without a client, it goes over a transport of its own, through the proxy if there is one."""
    async with TextHost(script=[Answer("alone"), Status(404)]) as host, ProxyHost() as proxy:
        here = type("Own", (Own,), {"url": host.url})
        assert "".join([piece async for piece in here.create_async_generator("own-1", [], proxy=proxy.url)]) == "alone"
        assert len(proxy.requests) == 1
        with pytest.raises(HTTPError):
            [piece async for piece in here.create_async_generator("own-1", [])]


async def test_an_end_that_proves_nothing_is_told() -> None:
    """A generator that does not know whether its answer is whole says so, and the reply has it."""
    async with TextHost(answer="hi", framing="close") as host:
        config = {"providers": {"own": {"base_url": host.url}}}
        async with Client(providers=[Own], config=config, plugins=False, environ={}) as client:
            reply = await client.chat("Hello", model="own")
    assert (reply.finish_reason, reply.raw_finish_reason) == ("unknown", None)
    assert [notice.subject for notice in reply.notices] == ["finish_reason"]


async def test_a_stream_session_reads_in_every_way() -> None:
    """Its answers can be read by lines, pieces, events and as JSON; its time is limited as a whole, or in a pair."""
    told = [
        Body(b"a\r\nb\n"),
        Body(b"abc"),
        Body(b'data: {"n": 1}\n\ndata: [DONE]\n\ndata: {"n": 2}\n\n'),
        Body(b'{"n": 3}'),
    ]
    async with TextHost(script=[*told, Stall("headers")]) as host:
        async with form.StreamSession(timeout=(5, 60), proxies={"all": None}) as session:
            ways: list[Any] = []
            async with session.get(host.url) as response:
                ways.append([line async for line in response.iter_lines()])  # type: ignore[attr-defined]
            async with session.get(host.url) as response:
                ways.append(b"".join([data async for data in response.iter_content()]))  # type: ignore[attr-defined]
            async with session.get(host.url) as response:
                ways.append([event async for event in response.sse()])  # type: ignore[attr-defined]
            async with session.get(host.url) as response:
                ways.append(await response.json())
        assert ways == [[b"a", b"b"], b"abc", [{"n": 1}], {"n": 3}]
        async with form.StreamSession(timeout=0.05) as session:
            with pytest.raises(TimeoutError):
                await session.get(host.url)
