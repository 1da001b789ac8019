"""Where there is a shorter way and a plain one, both come to the same."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import dataclasses
import importlib
import inspect
import itertools
import pickle
import pkgutil
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic_core import to_json

import segue.transport
from segue import Capabilities, Client, Message, Needs, Request, SegueError, Settings
from segue.client.arguments import request_of
from segue.config import load
from segue.events import Collector, Finish, Start, TextDelta, Usage, collect
from segue.messages import read_messages, request_with
from segue.observation import Health, HealthSnapshot
from segue.provider.contract import Model, ProviderSpec
from segue.selection import Offer, Offers, Preferences
from segue.testing import OpenAIHost
from segue.transport import AiohttpTransport, Call, exchange
from segue.transport.deadlines import _Clock
from segue.transport.pool import _ConnectionProtocol
from segue.transport.shortcut import _IS_AS_KNOWN, all_there
from segue.validation import like
from segue.values import dataclass, maker
from segue.wire.openai_chat import Decoder, decode

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping, Sequence
    from pathlib import Path

    from segue.events import Event

# ── sending ──────────────────────────────────────────────────────────────────────────────────────────


async def sent(call: Call, *, shorter: bool) -> tuple[bytes, str]:
    """The bytes that a host is sent of a call, without its port, and what went wrong."""
    received = bytearray()
    answering: list[Any] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answering.append(asyncio.current_task())
        with contextlib.suppress(asyncio.IncompleteReadError):  # of a head that is refused when it is written
            received.extend(await reader.readuntil(b"\r\n\r\n"))
            received.extend(await reader.readexactly(len(call.body)))
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
            await writer.drain()
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    failure = ""
    async with server, AiohttpTransport() as transport:
        session = transport._session()
        session._is_open = shorter
        here = dataclasses.replace(call, url=call.url.replace("PORT", str(port)))
        try:
            async with transport.open(here) as response:
                assert response.status == 200
        except SegueError as error:
            failure = f"{type(error).__name__}: {error}"
        await asyncio.gather(*answering)
    return bytes(received).replace(str(port).encode(), b"PORT"), failure


names = st.sampled_from(
    ["Accept", "X-A", "x-b", "authorization", "content-type", "User-Agent", "accept-encoding", "Host"]
)
values = st.text(st.characters(max_codepoint=0x2FF, exclude_categories=("Cs",)), max_size=12) | st.just(
    "Bearer sk-plain"
)
paths = st.text(st.sampled_from("abc/%20 ä?=&+é"), max_size=12).map(lambda text: f"http://127.0.0.1:PORT/v1/{text}")


@settings(max_examples=150)
@given(paths, st.dictionaries(names, values, max_size=5), st.binary(min_size=1, max_size=40))
def test_the_shorter_way_sends_what_aiohttps_session_sends(url: str, headers: dict[str, str], body: bytes) -> None:
    """To the byte, and what cannot be sent is the same error, with nothing sent."""
    call = Call(url, headers, body)

    async def both() -> None:
        assert await sent(call, shorter=True) == await sent(call, shorter=False)

    asyncio.run(both())


async def test_a_plain_call_takes_the_shorter_way() -> None:
    """All that it knows of aiohttp's insides is there: else every call would cost twice as much, unseen."""
    assert _IS_AS_KNOWN
    async with AiohttpTransport() as transport:
        ready = transport._session().prepared(Call("http://127.0.0.1:1/v1", {"authorization": "Bearer sk-a"}, b"{}"))
        assert ready is not None
        assert "sk-a" not in repr(ready)
        assert ready.message(b"{}").endswith(b"Content-Length: 2\r\nContent-Type: application/octet-stream\r\n\r\n{}")


@pytest.mark.parametrize(
    "call",
    [
        Call("http://127.0.0.1:1/", {}, b""),
        Call("http://127.0.0.1:1/", {}, b"{}", method="PUT"),
        Call("http://me:secret@127.0.0.1:1/", {}, b"{}"),
        Call("http://127.0.0.1:1/", {"Transfer-Encoding": "chunked"}, b"{}"),
        Call("http://127.0.0.1:1/", {"a": "1", "A": "2"}, b"{}"),
        Call("http://127.0.0.1:1/", {"a": "1\r\nb: 2"}, b"{}"),
        Call("http://127.0.0.1:1/", {}, bytes(1024 * 1024)),
        Call("ftp://127.0.0.1:1/", {}, b"{}"),
        Call("http://[", {}, b"{}"),
    ],
)
async def test_what_only_aiohttps_session_can_send_goes_through_it(call: Call) -> None:
    """Another method, framing by hand, a key in the address, a header that would be two, a body that is not at hand."""
    async with AiohttpTransport() as transport:
        assert transport._session().prepared(call) is None


async def test_who_puts_their_own_in_place_of_aiohttps_request_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Mocks and tracers of aiohttp see every call."""
    seen: list[str] = []
    original = aiohttp.ClientSession._request

    async def watched(self: aiohttp.ClientSession, method: str, url: Any, **options: Any) -> aiohttp.ClientResponse:
        seen.append(str(url))
        return await original(self, method, url, **options)

    monkeypatch.setattr(aiohttp.ClientSession, "_request", watched)
    async with OpenAIHost() as host, AiohttpTransport() as transport:
        call = Call(f"{host.url}/chat/completions", {}, b'{"model":"m","messages":[]}')
        async with transport.open(call) as response:
            assert response.status == 200
    assert seen == [call.url]


# ── reading a body ───────────────────────────────────────────────────────────────────────────────────


class Wire(asyncio.Transport):
    """The lower end of a connection: notes whether it is read from."""

    def __init__(self) -> None:
        super().__init__()
        self.is_paused = False

    def is_closing(self) -> bool:
        return False

    def close(self) -> None:
        return

    def pause_reading(self) -> None:
        self.is_paused = True

    def resume_reading(self) -> None:
        self.is_paused = False


async def bodies(pieces: Sequence[bytes], cuts: Sequence[int], limit: int, *, shorter: bool) -> list[bytes]:
    """What is read of a chunked body after each cut of its bytes, and whether more is let in."""
    protocol = _ConnectionProtocol(asyncio.get_running_loop())
    wire = Wire()
    protocol.connection_made(wire)
    protocol.set_response_params(read_until_eof=True, read_bufsize=limit)
    protocol.data_received(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
    _, content = await protocol.read()
    framed = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
    told: list[bytes] = []
    edges = sorted({0, len(framed), *(cut % (len(framed) + 1) for cut in cuts)})
    for start, end in itertools.pairwise(edges):
        protocol.data_received(framed[start:end])
        if content._buffer or content.is_eof():
            told.append(await (all_there(content) if shorter else content.readany()))
            assert not wire.is_paused or content._buffer  # else nobody would ever let the rest in
    while not content.at_eof():
        assert content._buffer or content.is_eof()
        told.append(await (all_there(content) if shorter else content.readany()))
    return told


@given(
    st.lists(st.binary(min_size=1, max_size=30), max_size=12), st.lists(st.integers(0, 1000), max_size=6),
    st.sampled_from([4, 64, 2**18]),
)  # fmt: skip
def test_a_body_read_at_once_is_the_body_read_piece_by_piece(pieces: list[bytes], cuts: list[int], limit: int) -> None:
    """However it is cut, and where more comes than is let in as well."""

    async def both() -> None:
        one, other = [b"".join(await bodies(pieces, cuts, limit, shorter=each)) for each in (True, False)]
        assert one == other == b"".join(pieces)

    asyncio.run(both())


# ── decoding ─────────────────────────────────────────────────────────────────────────────────────────

_some = st.sampled_from([None, "", "x", 0, 1, [], {}, [{}], {"a": 1}])
_index = st.sampled_from([None, 0, 1, "0"])
_usages = st.sampled_from([None, {}, {"prompt_tokens": 3, "completion_tokens": 4}, {"cost": 0.5}, [], "x"])
_reasons = st.sampled_from([None, "stop", "length", "error", "other", "", 7])


def _tables(required: dict[str, Any], optional: dict[str, Any]) -> Any:
    return st.fixed_dictionaries(required, optional=optional)


_words = st.sampled_from(["hello", "", None, 5, [{"type": "text", "text": "t"}]])
_kept = ("refusal", "tool_calls", "audio", "reasoning", "images", "function_call", "annotations", "more")
_messages = _tables({"content": _words}, {"role": st.just("assistant"), **dict.fromkeys(_kept, _some)})
_beside = {"usage": _usages, "error": _some, "citations": _some, "x_groq": _some, "search_results": _some}
_ends = {"finish_reason": _reasons, "logprobs": _some, "index": _index}


def _answers(name: str) -> Any:
    choices = st.lists(_tables({name: _messages | _some}, _ends), max_size=2) | _some
    return _tables({"choices": choices}, {"id": _some, "model": _some, **_beside})


def decoded(bodies: Sequence[bytes]) -> list[Any]:
    """The events, and the error at their end."""
    decoder = Decoder()
    told: list[Any] = []
    try:
        for body in bodies:
            told += decoder.feed(body)
        told += decoder.end(delimited=True)
    except SegueError as error:
        told.append((type(error), str(error)))
    return told


def _json(value: object) -> bytes:
    return to_json(value)


@settings(max_examples=300)
@given(_answers("message"))
def test_a_whole_answer_read_in_one_step_gives_the_same_events(value: dict[str, Any]) -> None:
    """Whatever else stands in it."""
    body = [_json(value)]
    short = decoded(body)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(decode, "_told_alone", lambda _: None)
        assert short == decoded(body)


@settings(max_examples=300)
@given(st.lists(_answers("delta"), max_size=3), st.booleans())
def test_a_chunk_read_in_one_step_gives_the_same_events(chunks: list[dict[str, Any]], done: bool) -> None:
    """Whatever else stands in it, and whatever came before."""
    body = b"".join(b"data: %b\n\n" % _json(chunk) for chunk in chunks) + (b"data: [DONE]\n\n" if done else b"")
    short = decoded([body])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(decode, "_text_alone", lambda _: None)
        assert short == decoded([body])


def test_the_usual_answers_are_read_in_one_step() -> None:
    """Else the tests above would compare one way with itself."""
    assert decode._text_alone({"choices": [{"index": 0, "delta": {"content": "x"}, "finish_reason": None}]}) == "x"
    message = {"role": "assistant", "content": "x", "refusal": None}
    assert decode._told_alone({"choices": [{"message": message, "finish_reason": "stop"}]}) == ("x", "stop", None)


# ── events on their way ──────────────────────────────────────────────────────────────────────────────


class Read:
    """An answer whose bytes come in these pieces."""

    status = 200
    headers: Mapping[str, str] = {}
    delimited = True

    def __init__(self, pieces: Sequence[bytes]) -> None:
        self._pieces = pieces

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        for piece in self._pieces:
            yield piece


class Pieces:
    """A transport that gives them to every call."""

    def __init__(self, pieces: Sequence[bytes]) -> None:
        self._pieces = pieces
        self.open_now = 0

    def open(self, call: Call) -> Any:
        return self

    async def __aenter__(self) -> Read:
        self.open_now += 1
        return Read(self._pieces)

    async def __aexit__(self, *_: object) -> None:
        self.open_now -= 1


_STREAM = (
    b"".join(
        b"data: %b\n\n" % _json({"id": "1", "choices": [{"delta": {"content": word}}]}) for word in ("a", "b", "ü")
    )
    + b'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
)


@pytest.mark.parametrize("broken", [b"", b"data: {\n\n"])
@given(cuts=st.lists(st.integers(0, len(_STREAM)), max_size=8))
def test_events_taken_in_batches_are_the_events_taken_one_by_one(broken: bytes, cuts: list[int]) -> None:
    """However the bytes are cut, and also where they end in an error, which comes after what stands before it."""
    body = _STREAM.replace(b"data: [DONE]\n\n", broken) if broken else _STREAM
    edges = [0, *sorted(cut for cut in cuts if cut < len(body)), len(body)]
    transport = Pieces([body[start:end] for start, end in itertools.pairwise(edges)])

    async def both() -> None:
        told: list[list[Any]] = [[], [], []]
        flow = exchange(transport, Call("", {}, b""), Decoder())
        try:
            while batch := await flow.batch():
                told[0] += batch
        except SegueError as error:
            told[0].append(str(error))
        try:
            async for event in exchange(transport, Call("", {}, b""), Decoder()):
                told[1].append(event)
        except SegueError as error:
            told[1].append(str(error))
        told[2] = decoded([body])
        assert told[0] == told[1]
        assert told[0] == told[2] or told[2][-1][1] == told[0][-1]
        assert transport.open_now == 0

    asyncio.run(both())


async def test_one_who_leaves_between_two_events_of_a_batch_closes_all_that_is_open() -> None:
    """What was read and not taken is dropped with it."""
    transport = Pieces([_STREAM])
    flow = exchange(transport, Call("", {}, b""), Decoder())
    async for event in flow:
        assert isinstance(event, Start)
        break
    assert transport.open_now == 1
    await flow.aclose()
    assert transport.open_now == 0
    assert await flow.batch() == ()


_events = st.lists(
    st.sampled_from([TextDelta("a"), TextDelta("b", 1), Usage(1, 2), Start("m"), Finish("stop")]), max_size=8
)


@given(_events)
def test_a_collector_that_takes_many_has_what_one_has_that_adds_each(events: list[Event]) -> None:
    """Up to the end; what stands behind it is no part of the answer."""
    one, other = Collector(), Collector()
    count = one.take(events)
    for event in events[:count]:
        other.add(event)
    assert one.beginning() == other.beginning()
    assert count == next((place for place, event in enumerate(events, 1) if isinstance(event, Finish)), len(events))


# ── far deadlines ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("seconds", [0.01, _Clock.TICK, _Clock.TICK + 0.01, 3.7 * _Clock.TICK])
def test_a_deadline_is_kept_to_the_moment_however_far_it_is(seconds: float) -> None:
    """Also where one timer looks after all of a loop's that are far off."""
    from segue.testing import ImpatientLoop

    async def wait() -> float:
        watchdog = segue.transport.Watchdog()
        loop = asyncio.get_running_loop()
        began = loop.time()
        watchdog.arm("idle", seconds)
        with pytest.raises(asyncio.CancelledError):
            await loop.create_future()
        assert watchdog.expired(asyncio.current_task())
        watchdog.close()
        return loop.time() - began

    with asyncio.Runner(loop_factory=ImpatientLoop) as runner:
        assert runner.run(wait()) == pytest.approx(seconds, abs=0.05)


# ── values ───────────────────────────────────────────────────────────────────────────────────────────


def _made_quickly() -> list[type[Any]]:
    """Every class that `segue.values` makes, but those that look at what they are given or are not pickled."""
    modules = [
        importlib.import_module(found.name)
        for found in pkgutil.walk_packages(segue.__path__, "segue.")
        if not found.name.endswith("__main__")
    ]
    kinds = {
        kind
        for module in modules
        for kind in vars(module).values()
        if isinstance(kind, type) and dataclasses.is_dataclass(kind) and "__signature__" in vars(kind)
    }
    plain = [kind for kind in kinds if not hasattr(kind, "__post_init__") and "__reduce__" not in vars(kind)]
    assert len(plain) > 90
    return sorted(plain, key=lambda kind: (kind.__module__, kind.__name__))


MADE = _made_quickly()


@pytest.mark.parametrize("kind", MADE, ids=lambda kind: f"{kind.__module__}.{kind.__name__}")
def test_a_quick_value_is_the_dataclass_that_it_was(kind: type[Any]) -> None:
    """Made by place or by name, compared, hashed, shown, copied and pickled; it cannot be changed."""
    names = [each.name for each in dataclasses.fields(kind)]
    plain = dataclasses.make_dataclass(
        kind.__name__,
        [
            (each.name, Any, dataclasses.field(default=each.default, default_factory=each.default_factory))  # type: ignore[call-overload]
            for each in dataclasses.fields(kind)
        ],
        frozen=True,
    )
    assert list(inspect.signature(kind).parameters) == list(inspect.signature(plain).parameters)
    given = {name: f"{name}'s" for name in names}
    by_name, by_place = kind(**given), kind(*given.values())
    made = maker(kind)(*given.values())
    assert type(made) is kind
    assert made == by_name == by_place == pickle.loads(pickle.dumps(by_name)) == copy.copy(by_name)
    assert {name: getattr(by_name, name) for name in names} == given == dataclasses.asdict(plain(**given))
    assert hash(by_name) == hash(by_place)
    assert type(by_name) is kind
    assert type(dataclasses.replace(by_name, **{names[0]: "else"})) is kind
    required = {each.name: 1 for each in dataclasses.fields(kind) if _is_required(each)}
    least, expected = kind(**required), plain(**required)
    assert all(getattr(least, name) == getattr(expected, name) for name in names)
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(by_name, names[0], "else")
    with pytest.raises(dataclasses.FrozenInstanceError):
        delattr(by_name, names[0])
    with pytest.raises(TypeError):
        kind(**given, unknown=1)


@pytest.mark.parametrize("kind", MADE, ids=lambda kind: f"{kind.__module__}.{kind.__name__}")
def test_a_class_may_inherit_from_a_quick_one(kind: type[Any]) -> None:
    """With attributes of its own, or as a frozen dataclass of the standard library; neither turns into its base."""
    names = [each.name for each in dataclasses.fields(kind)]
    given = {name: f"{name}'s" for name in names}

    class Loose(kind):  # type: ignore[misc]
        more = 1

    one, other = Loose(**given), Loose(**given)
    one.own = 2
    assert (type(one), one.own, one.more) == (Loose, 2, 1)
    assert one == other != kind(**given)
    assert {name: getattr(one, name) for name in names} == given
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(one, names[0], "else")

    @dataclasses.dataclass(frozen=True)
    class Longer(kind):  # type: ignore[misc]
        last: int = 3

    assert dataclasses.replace(Longer(**given), last=4) == Longer(**given, last=4)


def _is_required(each: dataclasses.Field[Any]) -> bool:
    return each.default is dataclasses.MISSING and each.default_factory is dataclasses.MISSING


def test_each_quick_value_makes_its_own_default() -> None:
    """What a factory gives is nobody else's."""

    @dataclass(frozen=True, slots=True)
    class Kept:
        one: int
        many: list[int] = dataclasses.field(default_factory=list)

    @dataclass(frozen=True, slots=True)
    class Named:
        one: int
        two: dataclasses.InitVar[int] = 2
        _: dataclasses.KW_ONLY
        three: int = 3

    told = "(one: 'int', two: 'dataclasses.InitVar[int]' = 2, *, three: 'int' = 3) -> None"
    assert str(inspect.signature(Named)) == told
    Kept(1).many.append(1)
    assert Kept(1).many == []
    assert Kept(1, [2]).many == [2]


# ── choosing ─────────────────────────────────────────────────────────────────────────────────────────

_facts = st.fixed_dictionaries(
    {},
    optional={
        "tools": st.booleans() | st.none(),
        "context": st.sampled_from([8_000, 128_000, "long"]),
        "chat": st.booleans(),
        "embeddings": st.booleans(),
        "working": st.booleans(),
        "deprecated": st.booleans(),
        "retires": st.just("2999-01-01"),
        "input_price": st.sampled_from([0, 1.5]),
    },
)
_offer = st.builds(
    lambda provider, model, facts, *more: Offer(provider, Model(model, Capabilities(facts)), *more),
    st.sampled_from(["a", "b", "m"]), st.sampled_from(["m", "n", "a"]), _facts,
    st.sampled_from(["open", "public", "offline"]), st.sampled_from([None, "no key"]), st.booleans(), st.booleans(),
    st.integers(0, 2), st.sampled_from([None, None, "A_TOKEN"]),
)  # fmt: skip
_needs = st.sampled_from(
    ["", "tools", "!tools?", "context>=32k", "tools?, context>=8k?", "embeddings", "working", "speed"]
)
_health = st.dictionaries(
    st.tuples(st.sampled_from(["a", "b"]), st.sampled_from(["m", "n", "*"])),
    st.builds(Health, st.booleans(), st.just("seen")),
    max_size=2,
)
_preferences = st.builds(
    Preferences,
    st.sampled_from([(), ("b",), ("b/n", "a")]),
    st.sampled_from([None, "price", "context", "weight"]),
    st.just((("b", 2.0),)),
    st.sampled_from([(), ("b",), ("m", "a")]),
)
_models = st.sampled_from([None, "a", "m", "n", "a/m", "a/x", "b/n", "c", "c/m", "c/x", "z", "z/m"])


_different = st.lists(_offer, max_size=6, unique_by=lambda offer: (offer.provider, offer.model.name))


@settings(max_examples=300)
@given(_different, st.lists(st.tuples(_needs, _health), min_size=1, max_size=4), _models, _preferences)
def test_what_was_observed_corrects_a_kept_selection_as_if_all_offers_were_read_again(
    offers: list[Offer],
    wishes: list[tuple[str, dict[tuple[str, str], Health]]],
    model: str | None,
    how: Preferences,
) -> None:
    """Candidates in their order, every reason against the others, hints; also where it is selected again and again."""
    undeclared = [Offer("c", Model("", Capabilities({"tools": True})))]
    kept = Offers(offers, how, undeclared)
    for text, states in wishes:
        needs, health = Needs(text), HealthSnapshot(states)
        fresh = Offers(offers, how, undeclared)
        scope = fresh._scope(model, vectors="embeddings" in text)
        plain, found = fresh._match(scope, needs, model, health), kept.matched(needs, model, health=health)
        assert found.alone == plain.alone
        assert found.selection() == plain.selection()
        assert tuple(found.rejected) == tuple(plain.rejected)
        assert pickle.loads(pickle.dumps(found.selection())) == plain.selection()


_NAMES = [
    "openai", "openai/gpt-4o", "openai/nobody-declared-this", "openai/", "cromicle", "cromicle/gpt-3.5-turbo", "azure",
    "ollama/llama3", "rehearsal", "gpt-4o", "nobody/has-this", "vague/a/b", "vague/z", "vague", "openai/gpt-4o/x",
]  # fmt: skip


@pytest.mark.parametrize("name", _NAMES)
@pytest.mark.parametrize("needs", ["", "tools", "context>=1000m", "embeddings", "working?"])
def test_a_name_comes_to_the_same_with_and_without_all_other_offers(name: str, needs: str) -> None:
    """Whoever names a provider does not look at the others; candidates, reasons, hints and order are the same."""
    vague = ProviderSpec("vague", "x:Y", models=[Model("a/b"), Model("openai")])
    environ = {"OPENAI_API_KEY": "sk-x"}
    config = {"order_by": "price", "models": {"openai/mine": {"tools": True}}}
    one, other = (Client(config=config, providers=[vague], environ=environ) for _ in range(2))
    assert other.models()  # and with them all offers
    for wish in (Needs(needs), None):
        short, plain = (client.select(wish, model=name) for client in (one, other))
        assert short.candidates == plain.candidates
        assert tuple(short.rejected) == tuple(plain.rejected)
        assert short.explain() == plain.explain()


def test_the_offers_of_a_provider_that_is_asked_by_name_are_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is needed of it, and however often; and those of nobody else."""
    client = Client(config=False, environ={"OPENAI_API_KEY": "sk-x"})
    made: list[str] = []
    offers_of = client._offers_of
    monkeypatch.setattr(client, "_offers_of", lambda name: made.append(name) or offers_of(name))
    for needs in ("", "tools", "context>=8k", "tools"):
        assert client.select(needs, model="openai/gpt-4o").candidates
    assert made == ["openai"]


def test_settings_of_no_table_are_those_of_an_empty_one(tmp_path: Path) -> None:
    """The defaults stand in two places: as values, and in the tables that pydantic checks."""
    (tmp_path / "empty.toml").write_text("[providers]\n")
    (tmp_path / "none.toml").write_text("# nothing\n")
    assert load({}, environ={}) == load({"providers": {}}, environ={})
    one, other = (load(tmp_path / f"{name}.toml", environ={"HOME": "/"}) for name in ("none", "empty"))
    assert dataclasses.replace(one, sources=()) == dataclasses.replace(other, sources=())


# ── requests ─────────────────────────────────────────────────────────────────────────────────────────


def _same(one: Any, other: Any) -> None:
    assert one == other
    assert list(vars(one)) == list(vars(other))
    assert one.model_dump() == other.model_dump()
    assert repr(one) == repr(other)
    assert pickle.loads(pickle.dumps(one)) == other
    assert one.model_copy(update={}) == other


@given(st.text(min_size=1, max_size=20), st.booleans())
def test_a_request_of_plain_text_is_the_validated_one(text: str, stream: bool) -> None:
    """In every field."""
    (message,) = read_messages(text)
    checked = Message(role="user", content=text)
    _same(message, checked)
    for chosen in (Settings(), Settings(temperature=0.5)):
        _same(
            request_with((message,), chosen, stream=stream),
            Request(messages=(checked,), settings=chosen, stream=stream),
        )
    one, other = (request_of(text, None, {}, stream=stream) for _ in range(2))
    assert one.options is not other.options


def test_a_value_with_other_fields_is_as_model_copy_gives_it() -> None:
    """Also in which of them were given."""
    settings = Settings(temperature=0.5)
    _same(like(settings, {"top_p": 0.1}), settings.model_copy(update={"top_p": 0.1}))
    request = request_of("hi", None, {}, stream=True)
    _same(like(request, {"options": {"a": {}}}), request.model_copy(update={"options": {"a": {}}}))


async def test_collecting_batches_is_collecting_events() -> None:
    """The fold does not see how they came."""
    transport = Pieces([_STREAM])
    assert (await collect(exchange(transport, Call("", {}, b""), Decoder()))).text == "abü"
