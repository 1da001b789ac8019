"""Tests of the capabilities that a provider advertises, each with a host that has the capability."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import struct
import zlib
from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote_plus

from ...errors import SegueError, UnsupportedError
from ...events import Notice, is_content
from ...messages import (
    AudioPart,
    EmbedRequest,
    FilePart,
    ImagePart,
    Message,
    Output,
    Settings,
    TextPart,
    Tool,
    ToolCall,
)
from ...provider.contract import Embedder
from ...values import dataclass
from ..faults import Stall
from .bench import PATIENCE, PROMPT, Met, asking, told
from .items import FailureError, NotApplicableError, UntriedError, holds, item
from .scenes import meant_by, scene_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ...events import Reply
    from ...messages import Request
    from ...provider.contract import Model
    from ..loopback import Received
    from .bench import Bench
    from .items import Item
    from .scenes import Meant, Scene

SYSTEM: Final = "segue-system-41aa"
RESULT: Final = "segue-result-77c0"
DESCRIPTION: Final = "segue-tool-9e12"
FIELD: Final = "segue_field"
BEGUN: Final = "segue-prefill-0b6d"


# ── what is sent ─────────────────────────────────────────────────────────────────────────────────────


def _png() -> bytes:
    """One red point, as a PNG (PNG 1.2, 11.2)."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(b"\x00\xff\x00\x00")) + chunk(b"IEND", b"")


PICTURE: Final = _png()
SOUND: Final = b"RIFF" + struct.pack("<I", 52) + b"WAVEfmt " + struct.pack("<IHHIIHH", 16, 1, 1, 8000, 16000, 2, 16) + (
    b"data" + struct.pack("<I", 16) + bytes(range(16))
)  # fmt: skip
DOCUMENT: Final = b"%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF segue-document"


def said_in(received: Received, what: str | bytes) -> bool:
    """Whether a request contains a text or bytes: unchanged, in JSON or in base64."""
    if isinstance(what, bytes):
        plain = base64.b64encode(what)
        forms = [what, plain, plain.replace(b"/", b"\\/"), plain.rstrip(b"="), base64.urlsafe_b64encode(what)]
        return any(form in received.body for form in forms)
    if what.encode() in received.body or what in unquote_plus(received.path):
        return True
    return what in unquote_plus(received.body.decode("latin-1"))


def _tool(name: str) -> Tool:
    parameters = {"type": "object", "properties": {"place": {"type": "string"}, "days": {"type": "integer"}}}
    return Tool(name=name, description=DESCRIPTION, parameters=parameters)


# ── what is read ─────────────────────────────────────────────────────────────────────────────────────


def differences(meant: Meant, reply: Reply[Any]) -> list[str]:
    """The differences between a reply and the expected answer."""
    found: list[str] = []

    def differ(name: str, told: object, wanted: object) -> None:
        found.append(f"{name} is {_short(told)}; expected {_short(wanted)}")

    if meant.text is not None and reply.text != meant.text:
        differ("text", reply.text, meant.text)
    if meant.reasoning and _squeezed(reply.reasoning) != _squeezed(meant.reasoning):
        differ("reasoning", reply.reasoning, meant.reasoning)
    if meant.calls is not None:
        calls = [(call.name, _arguments(call)) for call in reply.tool_calls]
        wanted = [(name, arguments) for name, arguments in meant.calls]
        if calls != wanted:
            differ("tool calls", calls, wanted)
        if len({call.id for call in reply.tool_calls}) < len(reply.tool_calls):
            found.append("two tool calls have the same id")
    if meant.finish is not None and reply.finish_reason != meant.finish:
        differ("finish_reason", reply.finish_reason, meant.finish)
    if meant.raw_finish is not None and reply.raw_finish_reason != meant.raw_finish:
        differ("raw_finish_reason", reply.raw_finish_reason, meant.raw_finish)
    for name in ("input_tokens", "output_tokens"):
        numbers: frozenset[int] | None = getattr(meant, name)
        count = None if reply.usage is None else getattr(reply.usage, name)
        if numbers is not None and count not in numbers:
            differ(f"usage.{name}", count, min(numbers))
    if meant.choices is not None and [choice.text for choice in reply.choices] != list(meant.choices):
        differ("choices", [choice.text for choice in reply.choices], meant.choices)
    if meant.logprobs and not reply.logprobs:
        found.append("the reply has no logprobs")
    return found


def _arguments(call: ToolCall) -> object:
    try:
        return json.loads(call.arguments or "{}")
    except ValueError:
        return call.arguments


def _squeezed(text: str) -> str:
    return "".join(text.split())


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}…"


# ── the abilities ────────────────────────────────────────────────────────────────────────────────────


async def _given(bench: Bench, name: str, request: Request, model: Model | None) -> tuple[Met, Scene]:
    """What an asking came to where the host plays this scene."""
    await bench.asks()
    scene = bench.scene(name)
    async with bench.host(scene) as host:
        met = await bench.ask(host, request, model=_asked(bench, scene, model))
    return met, scene


def _asked(bench: Bench, scene: Scene, model: Model | None) -> Model | None:
    """The model to ask for: of a provider that declares none, the one that was recorded."""
    if model is None or scene.model is None or bench.spec.models:
        return model
    return type(model)(scene.model, model.capabilities)


def _judged(met: Met, scene: Scene) -> Reply[None]:
    reply = met.reply()
    found = differences(scene.meant, reply)
    holds(not found, "; ".join(found))
    return reply


@dataclass(frozen=True, slots=True)
class Ability:
    """A fact, and how it is tested: with this request, which must contain all of ``sent`` when it is sent."""

    fact: str
    sentence: str
    request: Callable[[Scene], Request]
    sent: Sequence[str | bytes] = ()
    scene: str | None = None


def _with_tools(scene: Scene) -> Request:
    names = list(dict.fromkeys(name for name, _ in scene.meant.calls or ())) or ["look_up_weather"]
    return asking(tools=tuple(map(_tool, names)))


def _with_part(part: Any) -> Callable[[Scene], Request]:
    return lambda _: asking(Message(role="user", content=(TextPart(text=PROMPT), part)))


def _with_schema(_: Scene) -> Request:
    schema = {
        "title": "answer",
        "type": "object",
        "properties": {FIELD: {"type": "string"}},
        "required": [FIELD],
        "additionalProperties": False,
    }
    return asking(output=Output.of(schema))


ABILITIES: Final = (
    Ability("tools", "A tool is sent with its name and description, and its call has the name and the arguments.",
            _with_tools, (DESCRIPTION,)),
    Ability("parallel_tools", "Each of several tool calls in one answer has its own name, arguments and id.",
            _with_tools, (DESCRIPTION,)),
    Ability("vision", "The host receives an image with its bytes.",
            _with_part(ImagePart(data=PICTURE)), (PICTURE, PROMPT), "text"),
    Ability("files", "The host receives a document with its bytes.",
            _with_part(FilePart(data=DOCUMENT, media_type="application/pdf", name="segue.pdf")),
            (DOCUMENT, PROMPT), "text"),
    Ability("audio", "The host receives audio with its bytes.",
            _with_part(AudioPart(data=SOUND, format="wav")), (SOUND, PROMPT), "text"),
    Ability("json_schema", "The host receives a schema, and the answer is JSON.", _with_schema, (FIELD,)),
    Ability("json_object", "The host receives the request for JSON, and the answer is JSON.",
            lambda _: asking(output=Output()), ("json",)),
    Ability("reasoning", "The reasoning of the model is separate from its text.", lambda _: asking()),
    Ability("logprobs", "The reply has the log probabilities of the text.",
            lambda _: asking(settings=Settings(logprobs=True)), ("logprobs",)),
    Ability("choices", "Each of several answers is a separate choice.",
            lambda _: asking(settings=Settings(n=2))),
    Ability("prefill", "The host receives the beginning of an answer.",
            lambda _: asking(Message(role="user", content=PROMPT), Message(role="assistant", content=BEGUN)),
            (BEGUN, PROMPT), "text"),
)  # fmt: skip
"""The capabilities that are facts, each with its test."""

_NEUTRAL: Final = frozenset({
    "working", "deprecated", "chat", "embeddings", "streaming", "public",
    "temperature", "top_p", "top_k", "seed", "stop", "stop_sequences", "frequency_penalty", "presence_penalty",
    "reasoning_effort", "max_tokens",
})  # fmt: skip
"""Facts that a test with another name covers, or that cannot be tested."""


def _ability(one: Ability) -> Item:
    async def trial(bench: Bench) -> None:
        model = bench.model(one.fact)
        await bench.asks()
        scene = _scene_for(bench, one)
        request = one.request(scene)
        async with bench.host(scene) as host:
            met = await bench.ask(host, request, model=_asked(bench, scene, model))
        _judged(met, scene)
        holds(met.requests, "it sent no request to its host")
        for what in one.sent:
            shown = what if isinstance(what, str) else one.fact
            arrived = any(said_in(received, what) for received in met.requests)
            holds(arrived, f"the request does not contain {shown!r}" if isinstance(what, str) else _missing(one.fact))

    trial.__doc__ = one.sentence
    return item(f"capability {one.fact}", "full")(trial)


def _missing(fact: str) -> str:
    return f"the request does not contain the bytes for {fact!r}"


def _scene_for(bench: Bench, one: Ability) -> Scene:
    """The scene of the ability itself; where only what is sent counts, that of a text does as well."""
    try:
        return bench.scene(one.fact)
    except UntriedError:
        if one.scene is None:
            raise
        return bench.scene(one.scene)


@item("capability text", "full")
async def text(bench: Bench) -> None:
    """The host receives the prompt, and the text of the reply is the text that the host sent."""
    met, scene = await _given(bench, "text", asking(), bench.model())
    _judged(met, scene)
    holds(met.requests, "it sent no request to its host")
    holds(any(said_in(received, PROMPT) for received in met.requests), "the request does not contain the prompt")


@item("capability whole", "full")
async def whole(bench: Bench) -> None:
    """A whole answer has the same content as a streamed one."""
    met, scene = await _given(bench, "text", asking(stream=False), bench.model())
    _judged(met, scene)


@item("capability streaming", "full")
async def streaming(bench: Bench) -> None:
    """Text is passed on while the host still sends, not only at the end."""
    await bench.asks()
    if bench.model().capabilities.fact("streaming").value is False:
        raise NotApplicableError("it declares that it does not stream")
    if not bench.scene().streams:
        raise UntriedError("it has no cassette with a streamed text")
    scene = bench.scene()
    async with bench.host(scene, Stall("middle", after_tokens=max(len(scene.pieces) - 2, 1))) as host:
        async with bench.events(host.url, asking(), model=_asked(bench, scene, bench.model())) as events:
            try:
                async with asyncio.timeout(PATIENCE / 2):
                    async for event in events:
                        if is_content(event):
                            return
            except TimeoutError:
                raise FailureError("no part of the answer was passed on before its end") from None
            except SegueError as error:
                raise FailureError(told(error)) from error
            finally:
                if isinstance(events, AsyncGenerator):
                    await events.aclose()
    raise FailureError("no part of the answer was passed on before its end")


@item("capability system", "full")
async def system(bench: Bench) -> None:
    """The host receives the system message and the earlier messages."""
    turns = (
        Message(role="system", content=SYSTEM),
        Message(role="user", content="segue-first-turn"),
        Message(role="assistant", content="segue-first-answer"),
        Message(role="user", content=PROMPT),
    )
    met, scene = await _given(bench, "text", asking(*turns), bench.model())
    _judged(met, scene)
    for what in (SYSTEM, "segue-first-turn", "segue-first-answer", PROMPT):
        arrived = any(said_in(received, what) for received in met.requests)
        holds(arrived or _noticed(met, "system", "messages"), f"the request does not contain {what!r}")


def _noticed(met: Met, *subjects: str) -> bool:
    return any(isinstance(event, Notice) and event.subject in subjects for event in met.events)


@item("capability tool results", "full")
async def tool_results(bench: Bench) -> None:
    """The result of a tool is sent with its call in a second request, and the host answers."""
    model = bench.model("tools")
    await bench.asks()
    scene = bench.scene("tools")
    request = _with_tools(scene)
    async with bench.host(scene) as host:
        reply = (await bench.ask(host, request, model=_asked(bench, scene, model))).reply()
    holds(reply.tool_calls, "the reply has no tool call")
    results = [Message(role="tool", content=RESULT, tool_call_id=call.id) for call in reply.tool_calls]
    second = request.model_copy(update={"messages": (*request.messages, reply.message, *results)})
    spoken = bench.scene("text")
    async with bench.host(spoken) as host:
        met = await bench.ask(host, second, model=_asked(bench, scene, model))
    _judged(met, spoken)
    for what in (RESULT, reply.tool_calls[0].name):
        holds(
            any(said_in(received, what) for received in met.requests), f"the second request does not contain {what!r}"
        )


@item("capability embeddings", "full")
async def embeddings(bench: Bench) -> None:
    """Each input gets the embedding that the host sent for it, in order."""
    model = bench.model("embeddings")
    await bench.asks()
    provider = bench.provider
    if not isinstance(provider, Embedder):
        raise FailureError("it declares a model with embeddings, but has no embed()")
    scene = bench.scene("embeddings")
    count = len(scene.meant.vectors or ()) or 1
    inputs = tuple(f"{PROMPT}-{number}" for number in range(count))
    async with bench.host(scene) as host, contextlib.AsyncExitStack() as stack:
        transport = await stack.enter_async_context(bench.transport())
        try:
            async with asyncio.timeout(PATIENCE):
                given = await provider.embed(EmbedRequest(inputs=inputs), bench.context(host.url, transport, model))
        except Exception as error:  # whatever it raises
            raise FailureError(f"embed() failed: {told(error)}") from error
        requests = list(host.requests)
    for what in inputs:
        holds(any(said_in(received, what) for received in requests), f"the request does not contain {what!r}")
    if scene.meant.vectors is not None:
        vectors = [[round(number, 5) for number in vector[:8]] for vector in given.vectors]
        wanted = [[round(number, 5) for number in vector[:8]] for vector in scene.meant.vectors]
        holds(vectors[: len(wanted)] == wanted, "the embeddings are not those that the host sent")


SETTINGS: Final[Mapping[str, Any]] = {
    "temperature": 0.734375,
    "top_p": 0.640625,
    "max_tokens": 4321,
    "stop": ("segue-stop-6d",),
    "seed": 417593,
}
"""Settings, with values that do not occur elsewhere in a request."""


@item("capability settings", "full")
async def settings(bench: Bench) -> None:
    """The host receives each setting, or a notice or an UnsupportedError says that it does not."""
    await bench.asks()
    for name, value in SETTINGS.items():
        async with bench.host() as host:
            met = await bench.call(host.url, **{name: value})
            requests = list(host.requests)
        if isinstance(met.error, UnsupportedError):
            holds(not requests, f"{name}: UnsupportedError was raised after a request was sent")
            continue
        met.reply()
        shown = value[0] if isinstance(value, tuple) else str(value)
        arrived = any(said_in(received, shown) for received in requests)
        noticed = any(isinstance(event, Notice) and name in event.subject for event in met.events)
        holds(arrived or noticed, f"the request does not contain {name}, and no notice says so")


@item("capability other", "full")
async def other(bench: Bench) -> None:
    """The kit can test every other fact that the provider declares."""
    known = {one.fact for one in ABILITIES} | _NEUTRAL
    facts = {name for model in bench.spec.offers() for name, fact in model.capabilities.items() if fact.value is True}
    facts |= {name for name, fact in bench.spec.shared().items() if fact.value is True}
    unknown = sorted(name for name in facts - known if not name.startswith("supports_"))
    if unknown:
        raise UntriedError(f"the kit has no test for {', '.join(unknown)}")


@item("cassettes", "full")
async def cassettes(bench: Bench) -> None:
    """The result of each cassette is the one in its ``expected``."""
    from .scenes import CassetteWire

    await bench.asks()
    wire = bench.wire
    if not isinstance(wire, CassetteWire):
        raise NotApplicableError("it declares no cassettes: the kit has hosts for its wire")
    wrong: list[str] = []
    for cassette in wire.cassettes:
        found = await _played(bench, cassette)
        wrong += [f"{cassette.id}: {one}" for one in found]
    holds(not wrong, "; ".join(wrong)[:600])


async def _played(bench: Bench, cassette: Any) -> list[str]:
    scene = scene_of(cassette)
    meant = meant_by(cassette)
    if meant.vectors is not None or "embeddings" in cassette.features:
        return []  # the item of embeddings reads it
    model = _asked(bench, scene, bench.model())
    request = _with_tools(scene) if meant.calls else asking(stream=cassette.response.is_stream)
    async with bench.host(scene, cassette.step()) as host:
        met = await bench.ask(host, request, model=model)
    if meant.error:
        return [] if isinstance(met.error, SegueError) else ["the response is an error, but was decoded as an answer"]
    if met.error is not None:
        return [told(met.error)]
    return differences(meant, met.reply())


@item("address", "wire")
async def address(bench: Bench) -> None:
    """It sends requests to the configured address and to no other."""
    await bench.asks()
    before, reached = len(bench.guard.beyond), len(bench.guard.connected)
    async with bench.host() as host:
        port = int(host.address.rpartition(":")[2])
        await bench.ask(host)
        beyond = bench.guard.beyond[before:]
        others = {one for _, one in bench.guard.connected[reached:]} - {port}
        holds(host.requests, "it sent no request to the configured address")
    holds(not beyond, f"it tried to reach {', '.join(beyond)}")
    holds(not others, f"it connected to other ports: {', '.join(map(str, sorted(others)))}")


ITEMS: Final[tuple[Item, ...]] = (
    address, text, whole, streaming, system, settings, *map(_ability, ABILITIES), tool_results, embeddings, other,
    cassettes,
)  # fmt: skip
