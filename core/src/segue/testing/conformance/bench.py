"""The bench on which a provider is tested: hosts that play a scene, and ways to send requests."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import socket
import sys
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from dataclasses import field
from typing import TYPE_CHECKING, Any, Final, TypeVar

from ...client.client import Client
from ...events import Collector, is_content
from ...messages import Message, Request
from ...provider.contract import Conformance, Context, Model, ProviderSettings
from ...resilience import Retry
from ...transport import AiohttpTransport, Timeout
from ...values import dataclass
from ..hosts import ScriptedHost, Told
from ..loopback import Loopback
from .items import FailureError, NotApplicableError, UntriedError
from .scenes import Scene, TextWire, wire_of

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence

    from ...events import Event, Reply
    from ...provider.contract import Level, Provider, ProviderSpec
    from ...transport import Transport
    from ..faults import Answer, Framing, Split, Status, Step
    from ..loopback import Received
    from .scenes import Wire

CANARY: Final = "segue-canary-key-5d81f0c2"
"""The key of the tested provider; the kit searches for it where it must not appear."""

PROMPT: Final = "segue-prompt-93b7"
MODEL: Final = "conformance-model"
"""The model in requests if the provider declares none."""

PATIENCE: Final = 5.0
"""Seconds that are enough for anything that is fast on this machine."""

SOON: Final = 0.2
"""The limit of a phase in which the host is silent on purpose."""

UNHURRIED: Final = Timeout(connect=PATIENCE, first_event=PATIENCE, idle=PATIENCE)

T = TypeVar("T")
H = TypeVar("H", bound=Loopback)


# ── who is asked ─────────────────────────────────────────────────────────────────────────────────────


class Guard:
    """Keeps a process on this machine: refuses and records connections and look-ups beyond it."""

    def __init__(self) -> None:
        self.beyond: list[str] = []
        self.connected: list[tuple[str, int]] = []
        self._on = False

    def install(self) -> None:
        """Start, until the process ends: an audit hook cannot be removed."""
        if not self._on:
            self._on = True
            sys.addaudithook(self._hook)

    def _hook(self, event: str, args: tuple[Any, ...]) -> None:
        if event == "socket.getaddrinfo":
            self._looked_up(args[0])
        elif event in {"socket.connect", "socket.sendto"}:
            address = args[1]
            if isinstance(address, tuple):
                self._reached(str(address[0]), int(address[1]))

    def _looked_up(self, name: object) -> None:
        text = name.decode("latin-1") if isinstance(name, bytes) else name
        if text is None or not isinstance(text, str) or _is_here(text):
            return
        if not text.endswith(".invalid"):  # which is nobody's, and asked for on purpose
            self.beyond.append(text)
        raise socket.gaierror(socket.EAI_NONAME, "the conformance kit allows connections to this machine only")

    def _reached(self, host: str, port: int) -> None:
        if not _is_here(host):
            self.beyond.append(f"{host}:{port}")
            raise ConnectionRefusedError("the conformance kit allows connections to this machine only")
        self.connected.append((host, port))


def _is_here(host: str) -> bool:
    return host in {"", "localhost", "::1", "0.0.0.0", "::"} or host.startswith("127.")  # noqa: S104 - looked for


# ── hosts ────────────────────────────────────────────────────────────────────────────────────────────


class SceneHost(ScriptedHost):
    """A host that plays a scene, streamed or as one body, as the request says."""

    def __init__(
        self,
        scene: Scene,
        wire: Wire,
        *,
        script: Sequence[Step] | None = None,
        framing: Framing = "chunked",
        split: Split = None,
        pace: float = 0.0,
    ) -> None:
        super().__init__(script=script, framing=framing, split=split, pace=pace)
        self._scene = scene
        self._wire = wire

    def told(self, received: Received, tokens: Sequence[str], answer: Answer) -> Told:  # noqa: ARG002
        """The pieces of the scene, or its whole body."""
        scene = self._scene
        if scene.whole is not None and not _wants_stream(received):
            half = len(scene.whole) // 2
            return Told([scene.whole[:half], scene.whole[half:]], scene.whole_type, status=scene.status)
        return Told(scene.pieces, scene.content_type, lead=scene.lead, status=scene.status)

    def error(self, step: Status) -> Told:
        """An error in the format of the wire."""
        body, content_type = self._wire.error(step.status, step.code)
        return Told([body], content_type, status=step.status)


def _wants_stream(received: Received) -> bool:
    """Whether a request asks for a stream, as the wires of core do; one that does not say so may get one."""
    try:
        asked = received.json
    except ValueError:
        return True
    # Some wires say it in the address alone, such as …:streamGenerateContent and …/converse-stream.
    place = received.path.partition("?")[0].replace(":", "/").rpartition("/")[2]
    return not isinstance(asked, dict) or asked.get("stream") is True or "stream" in place.lower()


class Backstage:
    """A thread with a separate loop for the hosts, so that they answer a provider that blocks its loop."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="segue-hosts", daemon=True)
        self._thread.start()

    async def run(self, work: Coroutine[Any, Any, T], within: float = PATIENCE) -> T:
        """Run this in the thread; TimeoutError if it takes longer."""
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        return await asyncio.wait_for(asyncio.wrap_future(future), within)

    @contextlib.asynccontextmanager
    async def hosted(self, host: H) -> AsyncIterator[H]:
        """Open a host in the thread."""
        await self.run(host.__aenter__())
        try:
            yield host
        finally:
            await self.run(host.__aexit__(None))


# ── what is tried ────────────────────────────────────────────────────────────────────────────────────


@dataclass(slots=True)
class Met:
    """The result of a request: events, or an error."""

    events: list[Event] = field(default_factory=list)
    error: BaseException | None = None
    requests: Sequence[Received] = ()
    connections: int = 0

    @property
    def text(self) -> str:
        """The text so far."""
        collector = Collector()
        for event in self.events:
            collector.add(event)
        return collector.text

    def reply(self) -> Reply[None]:
        """The whole answer; FailureError if there is none."""
        if self.error is not None:
            raise FailureError(f"the answer failed: {told(self.error)}") from self.error
        collector = Collector()
        for event in self.events:
            collector.add(event)
        if collector.finish is None:
            raise FailureError("the events ended without a Finish")
        return collector.reply()


class Bench:
    """A provider, with everything that its tests need."""

    def __init__(
        self,
        spec: ProviderSpec,
        *,
        level: Level,
        guard: Guard,
        load: Callable[[], Provider],
        imported: Callable[[], Any],
        printed: Callable[[], bytes] = bytes,
    ) -> None:
        self.spec = spec
        self.level: Level = level
        self.guard = guard
        self.conformance: Conformance = spec.conformance or Conformance()
        self.printed: Callable[[], bytes] = printed
        """Everything that was printed so far."""
        self.heard: Any = None
        self.given: ProviderSettings | None = None
        """The settings that the provider got last."""
        self._load = load
        self._imported = imported
        self._later: list[AiohttpTransport] = []
        self._provider: Provider | None = None
        self._wire: Wire | None = None
        self._backstage: Backstage | None = None
        self._kept: dict[str, Any] = {}
        self._tried: tuple[Met, bool] | None = None

    @property
    def provider(self) -> Provider:
        """The provider, loaded once."""
        if self._provider is None:
            self._provider = self._load()
        return self._provider

    @property
    def wire(self) -> Wire:
        """The wire that the provider declares; UntriedError if it declares none."""
        if self._wire is None:
            self._wire = wire_of(self.conformance)
        if self._wire is None:
            raise UntriedError("it declares neither a wire nor cassettes")
        return self._wire

    @property
    def has_wire(self) -> bool:
        """Whether the kit can make a host for the provider."""
        try:
            return self.wire is not None
        except UntriedError:
            return False

    @property
    def backstage(self) -> Backstage:
        """The thread of the hosts."""
        if self._backstage is None:
            self._backstage = Backstage()
        return self._backstage

    def kept(self, name: str, make: Callable[[], T]) -> T:
        """A value that several tests use, made once."""
        if name not in self._kept:
            self._kept[name] = make()
        value: T = self._kept[name]
        return value

    @property
    def imported(self) -> Any:
        """What the import of the provider did, in a separate process."""
        return self.kept("imported", self._imported)

    def reimported(self) -> Any:
        """The result of the same import, run again."""
        return self._imported()

    @staticmethod
    def transport() -> AiohttpTransport:
        """A separate transport."""
        return AiohttpTransport(timeout=UNHURRIED)

    def later(self, transport: AiohttpTransport) -> None:
        """Close this when the test is over."""
        self._later.append(transport)

    async def close(self) -> None:
        """Close everything that was kept open for the test."""
        while self._later:
            await self._later.pop().aclose()

    # ── models ────────────────────────────────────────────────────────────────────────────────────────

    def model(self, fact: str | None = None) -> Model:
        """A model with this fact, or the first model that answers; NotApplicableError if there is none."""
        offers = self.spec.offers()
        if fact is None:
            chats = [one for one in offers if one.capabilities.fact("chat").value is not False]
            return chats[0] if chats else Model(MODEL, self.spec.shared())
        for one in offers or (Model(MODEL, self.spec.shared()),):
            if one.capabilities.fact(fact).value is True:
                return one
        raise NotApplicableError(f"it declares no model with {fact}")

    # ── asking ────────────────────────────────────────────────────────────────────────────────────────

    def scene(self, name: str = "text") -> Scene:
        """A scene of the provider's wire; UntriedError if there is none."""
        return self.wire.scene(name)

    @contextlib.asynccontextmanager
    async def host(
        self,
        scene: Scene | None = None,
        *script: Step,
        framing: Framing = "chunked",
        split: Split = None,
        pace: float = 0.0,
    ) -> AsyncIterator[SceneHost]:
        """A host that plays this scene, or follows this script."""
        wire = self.wire if self.has_wire else TextWire()
        host = SceneHost(
            scene or wire.scene("text"), wire, script=script or None, framing=framing, split=split, pace=pace
        )
        async with self.backstage.hosted(host):
            yield host

    def settings(self, url: str | None) -> ProviderSettings:
        """The settings of the provider: the address of its host, and the key."""
        from pydantic import SecretStr

        options = copy.deepcopy(dict(self.conformance.options))
        self.given = ProviderSettings(SecretStr(CANARY), url, options=options, headers={"x-segue-given": "1"})
        return self.given

    def context(self, url: str | None, transport: Transport, model: Model | None = None) -> Context:
        """The context of a request."""
        return Context(
            (model or self.model()).name, transport, self.settings(url), provider=self.spec.name, spec=self.spec
        )

    @contextlib.asynccontextmanager
    async def events(
        self,
        url: str | None,
        request: Request,
        *,
        model: Model | None = None,
        transport: AiohttpTransport | None = None,
    ) -> AsyncIterator[AsyncIterator[Event]]:
        """The events of a request to the provider itself; closed at the end of the ``with``."""
        own = transport or AiohttpTransport(timeout=UNHURRIED)
        try:
            events = self.provider.stream(request, self.context(url, own, model))
            try:
                yield events
            finally:
                if isinstance(events, AsyncGenerator):
                    await events.aclose()
        finally:
            await own.aclose()

    async def ask(
        self,
        host: SceneHost | None,
        request: Request | None = None,
        *,
        model: Model | None = None,
        transport: AiohttpTransport | None = None,
        within: float = PATIENCE,
    ) -> Met:
        """Request a whole answer from the provider itself, and keep all events."""
        met = Met()
        request = request or asking()
        try:
            async with (
                asyncio.timeout(within),
                self.events(None if host is None else host.url, request, model=model, transport=transport) as events,
            ):
                async for event in events:
                    met.events.append(event)
        except Exception as error:  # whatever it raises is what is looked at
            met.error = error
        if host is not None:
            met.requests, met.connections = tuple(host.requests), host.connections
        return met

    def client(self, url: str | None, *, timeout: Timeout = UNHURRIED, transport: Transport | None = None) -> Client:
        """A client with this provider only, and without retries."""
        name = self.spec.name
        table: dict[str, Any] = {"api_key": CANARY}
        if url is not None:
            table["base_url"] = url
        if self.conformance.options:
            table["options"] = dict(self.conformance.options)
        return Client(
            config={"providers": {name: table}},
            plugins=False,
            providers=(self.spec,),
            environ={},
            timeout=timeout,
            retry=Retry(count=0),
            breaker=None,
            transport=transport,
        )

    async def call(
        self,
        url: str | None,
        *,
        stream: bool = True,
        limits: Timeout = UNHURRIED,
        model: Model | None = None,
        within: float = PATIENCE,
        **settings: Any,
    ) -> Met:
        """Send a request through a client, like a user."""
        met = Met()
        target = f"{self.spec.name}/{(model or self.model()).name}"
        try:
            async with asyncio.timeout(within), self.client(url, timeout=limits) as client:
                if stream:
                    async with client.stream(PROMPT, model=target, **settings) as events:
                        async for event in events:
                            met.events.append(event)
                else:
                    reply = await client.chat(PROMPT, model=target, **settings)
                    met.events += events_of(reply)
        except Exception as error:  # whatever it raises is what is looked at
            met.error = error
        return met

    async def answers(self) -> None:
        """Check that the provider answers, so that there is something to test; else raise NotApplicableError.

        Without a wire it sends one request, to a host that answers with plain text.
        """
        if self.has_wire:
            return
        met, asked = await self._unscripted()
        if met.error is not None and asked:
            raise NotApplicableError("it calls a host, and declares neither a wire nor cassettes")
        if met.error is not None:
            raise FailureError(f"it calls no host, and failed: {told(met.error)}")

    async def asks(self) -> None:
        """Raises NotApplicableError if the provider calls no host, UntriedError if the kit cannot make a host."""
        if not self.has_wire and not (await self._unscripted())[1]:
            raise NotApplicableError("it calls no host")
        _ = self.wire

    async def _unscripted(self) -> tuple[Met, bool]:
        """The outcome of a request without a script, and whether a host got it."""
        if self._tried is None:
            before = len(self.guard.beyond)
            async with self.host() as host:
                met = await self.ask(None if self.spec.access == "offline" else host)
                self._tried = met, bool(host.connections) or len(self.guard.beyond) > before
        return self._tried

    @contextlib.asynccontextmanager
    async def stage(self, *script: Step) -> AsyncIterator[SceneHost | None]:
        """A host that sends the text of the wire; None if the provider takes no address."""
        if not self.has_wire and self.spec.access == "offline":
            yield None
            return
        async with self.host(None, *script) as host:
            yield host


def asking(*messages: Message, stream: bool = True, **more: Any) -> Request:
    """A request; without messages it contains the prompt."""
    return Request(messages=messages or (Message(role="user", content=PROMPT),), stream=stream, **more)


def events_of(reply: Reply[Any]) -> list[Event]:
    """The events of a reply, as far as the tests check them."""
    from ...events import ChoiceFinish, Finish, ReasoningDelta, TextDelta, ToolCallDelta

    events: list[Event] = list(reply.notices)
    for place, choice in enumerate(reply.choices):
        events += [ReasoningDelta(part.text, part.opaque, place) for part in choice.reasoning_parts]
        events += [TextDelta(choice.text, place)] if choice.text else []
        events += [
            ToolCallDelta(index, call.id, call.name, call.arguments, call.kind, place)
            for index, call in enumerate(choice.tool_calls)
        ]
        if place:
            events.append(ChoiceFinish(place, choice.finish_reason, choice.raw_finish_reason))
    if reply.usage is not None:
        events.append(reply.usage)
    events.append(Finish(reply.finish_reason, reply.raw_finish_reason))
    return events


def told(error: BaseException) -> str:
    """An error in one line."""
    text = " ".join(str(error).split())[:200]
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def first_content(events: Sequence[Event]) -> bool:
    """Whether the events contain a part of the answer."""
    return any(is_content(event) for event in events)
