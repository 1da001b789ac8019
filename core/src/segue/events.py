"""What comes back: a closed union of events, and the reply that they fold into."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import field, fields
from typing import TYPE_CHECKING, Any, Final, Generic, Literal, Never, TypeAlias

from typing_extensions import TypeVar

from .errors import ProtocolError
from .frames import forget_locals
from .values import dataclass

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator, Sequence
    from types import TracebackType

    from .messages import Message, ToolCall
    from .observation import Attempt
    from .pricing import Pricing, SharedPricing

FinishReason: TypeAlias = Literal["stop", "length", "tool_calls", "content_filter", "unknown"]
ToolKind: TypeAlias = Literal["function", "custom"]

T = TypeVar("T", default=None)


@dataclass(frozen=True, slots=True)
class RateLimits:
    """What the host says is left of a key's limits; times are in seconds from the answer, None is not said."""

    requests: int | None = None
    requests_left: int | None = None
    requests_reset: float | None = None
    tokens: int | None = None
    tokens_left: int | None = None
    tokens_reset: float | None = None


@dataclass(frozen=True, slots=True)
class Start:
    """The host began to answer; each field is None where it did not say."""

    model: str | None = None
    response_id: str | None = None
    request_id: str | None = None
    limits: RateLimits | None = None


@dataclass(frozen=True, slots=True)
class TextDelta:
    """The next piece of the answer's text; never empty. ``choice`` is which of several answers."""

    text: str
    choice: int = 0


@dataclass(frozen=True, slots=True)
class ReasoningDelta:
    """The next piece of what the model thinks; ``opaque`` is what its host wants back, and ends a part."""

    text: str
    opaque: str | None = field(default=None, repr=False)
    choice: int = 0


@dataclass(frozen=True, slots=True)
class RefusalDelta:
    """The next piece of the model's words for why it does not answer."""

    text: str
    choice: int = 0


@dataclass(frozen=True, slots=True)
class ToolCallDelta:
    """The next piece of a tool call, told from others by ``index``.

    A call's first piece has its ``id`` and ``name``; ``arguments`` of all its pieces, joined, are its JSON text.
    ``opaque`` is what its host wants back with it.
    """

    index: int
    id: str | None = None
    name: str | None = None
    arguments: str = ""
    kind: ToolKind = "function"
    choice: int = 0
    opaque: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class AudioDelta:
    """The next piece of spoken answer: its bytes, and the words in them."""

    data: bytes = field(default=b"", repr=False)
    transcript: str = ""
    id: str | None = None
    choice: int = 0


@dataclass(frozen=True, slots=True)
class Source:
    """Something that the answer rests on; ``start`` and ``end`` are places in its text, in characters.

    ``url`` is its address, or its host's id of a file.
    """

    url: str
    title: str | None = None
    start: int | None = None
    end: int | None = None
    choice: int = 0


@dataclass(frozen=True, slots=True)
class TokenLogprob:
    """A token and its natural log probability; ``top`` are the likeliest in its place."""

    token: str
    logprob: float
    top: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Logprobs:
    """The log probabilities of the tokens of the text just given."""

    tokens: tuple[TokenLogprob, ...]
    choice: int = 0


@dataclass(frozen=True, slots=True)
class Notice:
    """Something was left out or could not be known; ``subject`` is the setting or field it is about."""

    subject: str
    message: str

    def __str__(self) -> str:
        return f"{self.subject}: {self.message}"


@dataclass(frozen=True, slots=True)
class Handover:
    """The host before failed in the middle of its answer, and this one takes over.

    ``continue``: what comes next goes on where the text stopped, ``text_length`` characters in. ``restart``: all
    that came before, of every kind, is to be thrown away. ``cause`` is the type of what went wrong.
    """

    mode: Literal["continue", "restart"]
    provider: str
    model: str
    text_length: int
    cause: str


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens as the host counts them; None where it did not say. The last one of a stream holds.

    The same of every wire: ``input_tokens`` are all of the input, with ``cached_tokens`` and
    ``cache_write_tokens`` among them; ``output_tokens`` all of the output, with ``reasoning_tokens`` among them.
    ``cost`` is in USD, where the host itself tells it.
    """

    input_tokens: int | None = None
    output_tokens: int | None = None
    total_tokens: int | None = None
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None
    cache_write_tokens: int | None = None
    input_audio_tokens: int | None = None
    output_audio_tokens: int | None = None
    cost: float | None = None

    def plus(self, other: Usage) -> Usage:
        """Both together; what only one of them tells is taken as it is."""
        sums: dict[str, Any] = {}
        for each in fields(Usage):
            one, another = getattr(self, each.name), getattr(other, each.name)
            sums[each.name] = (
                one + another if one is not None and another is not None else another if one is None else one
            )
        return Usage(**sums)


@dataclass(frozen=True, slots=True)
class ChoiceFinish:
    """One of several answers is whole, one beside the first."""

    choice: int
    reason: FinishReason
    raw: str | None = None


@dataclass(frozen=True, slots=True)
class Finish:
    """The answer is whole; ``raw`` is the host's own word for the reason, None where it gave none."""

    reason: FinishReason
    raw: str | None = None


Event: TypeAlias = (
    Start
    | TextDelta
    | ReasoningDelta
    | RefusalDelta
    | ToolCallDelta
    | AudioDelta
    | Source
    | Logprobs
    | Notice
    | Handover
    | Usage
    | ChoiceFinish
    | Finish
)

_CONTENT = (TextDelta, ReasoningDelta, ToolCallDelta, RefusalDelta, AudioDelta)


def is_content(event: Event) -> bool:
    """Whether a caller has seen something of the answer with this event: the commit point."""
    return isinstance(event, _CONTENT)


@dataclass(frozen=True, slots=True)
class Reasoning:
    """A piece of what the model thought, with what its host wants back of it."""

    text: str
    opaque: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Audio:
    """A spoken answer, in the format that was asked for."""

    data: bytes = field(repr=False)
    transcript: str
    id: str | None = None


@dataclass(frozen=True, slots=True)
class Choice:
    """One answer; there is more than one only where the setting ``n`` asked for it."""

    text: str
    finish_reason: FinishReason
    raw_finish_reason: str | None = None
    reasoning_parts: tuple[Reasoning, ...] = ()
    tool_calls: tuple[ToolCall, ...] = ()
    refusal: str | None = None
    audio: Audio | None = None
    logprobs: tuple[TokenLogprob, ...] | None = None

    @property
    def reasoning(self) -> str:
        """What the model thought, as one text."""
        return "".join(part.text for part in self.reasoning_parts)


@dataclass(frozen=True, slots=True)
class Reply(Generic[T]):
    """A whole answer.

    What is asked of it without saying of which choice is of the first. ``parsed`` is the answer in the
    form of the schema that was asked for, None without one. ``model`` is the model that was asked,
    ``response_model`` the one that the host says answered. Where several hosts wrote it, ``handovers`` says where
    one took over from another, ``provider`` and ``model`` are of the last, and ``usage`` and ``cost`` of all of them.
    """

    choices: tuple[Choice, ...]
    usage: Usage | None = None
    sources: tuple[Source, ...] = ()
    notices: tuple[Notice, ...] = ()
    handovers: tuple[Handover, ...] = ()
    provider: str = ""
    model: str = ""
    response_model: str | None = None
    response_id: str | None = None
    request_id: str | None = None
    limits: RateLimits | None = None
    attempts: tuple[Attempt, ...] = ()
    parsed: T = None  # type: ignore[assignment]
    pricing: Pricing | SharedPricing | None = field(default=None, repr=False, compare=False)

    @property
    def cost(self) -> float | None:
        """What it cost in USD; None where that is not known, never 0 for it."""
        if self.pricing is not None:
            return self.pricing.cost(self.usage)
        return None if self.usage is None else self.usage.cost

    @property
    def text(self) -> str:
        """The answer's text."""
        return self.choices[0].text

    @property
    def reasoning(self) -> str:
        """What the model thought, as far as the host shows it."""
        return self.choices[0].reasoning

    @property
    def tool_calls(self) -> tuple[ToolCall, ...]:
        """The tools that the model wishes to be called, in order."""
        return self.choices[0].tool_calls

    @property
    def refusal(self) -> str | None:
        """The model's words for why it does not answer."""
        return self.choices[0].refusal

    @property
    def audio(self) -> Audio | None:
        """The spoken answer."""
        return self.choices[0].audio

    @property
    def logprobs(self) -> tuple[TokenLogprob, ...] | None:
        """The log probabilities of the text's tokens."""
        return self.choices[0].logprobs

    @property
    def finish_reason(self) -> FinishReason:
        """Why the answer ended, in our words."""
        return self.choices[0].finish_reason

    @property
    def raw_finish_reason(self) -> str | None:
        """Why the answer ended, in the host's own word."""
        return self.choices[0].raw_finish_reason

    @property
    def message(self) -> Message:
        """The answer as a message, to go on with."""
        from .messages import Message, Part, ReasoningPart, RefusalPart, TextPart, said  # not for events alone

        choice = self.choices[0]
        if not (choice.reasoning_parts or choice.refusal or choice.tool_calls):
            return said("assistant", choice.text)
        content: str | tuple[Part, ...] = choice.text
        if choice.reasoning_parts or choice.refusal:
            origin = self.provider or None
            parts: list[Part] = [
                ReasoningPart(text=part.text, opaque=part.opaque, origin=origin) for part in choice.reasoning_parts
            ]
            if choice.text:
                parts.append(TextPart(text=choice.text))
            if choice.refusal:
                parts.append(RefusalPart(refusal=choice.refusal))
            content = tuple(parts)
        calls = tuple(
            call if call.opaque is None else call.model_copy(update={"origin": self.provider or None})
            for call in choice.tool_calls
        )
        return Message(role="assistant", content=content, tool_calls=calls)


@dataclass(frozen=True, slots=True)
class Embeddings:
    """What a host answers to a wish for vectors: one for each input, in their order."""

    vectors: list[list[float]] = field(repr=False)
    usage: Usage | None = None
    model: str | None = None
    response_id: str | None = None
    notices: tuple[Notice, ...] = ()


@dataclass(frozen=True, slots=True)
class EmbedReply:
    """The vectors of the inputs, in their order, with who gave them."""

    vectors: list[list[float]] = field(repr=False)
    usage: Usage | None = None
    notices: tuple[Notice, ...] = ()
    provider: str = ""
    model: str = ""
    response_model: str | None = None
    request_id: str | None = None
    attempts: tuple[Attempt, ...] = ()
    pricing: Pricing | SharedPricing | None = field(default=None, repr=False, compare=False)

    @property
    def cost(self) -> float | None:
        """What it cost in USD; None where that is not known."""
        if self.pricing is not None:
            return self.pricing.cost(self.usage)
        return None if self.usage is None else self.usage.cost


# ── folding events ───────────────────────────────────────────────────────────────────────────────────


class _Call:
    __slots__ = ("arguments", "id", "kind", "name", "opaque")

    def __init__(self, first: ToolCallDelta) -> None:
        self.opaque = first.opaque
        self.id = first.id
        self.name = first.name or ""
        self.kind: ToolKind = first.kind
        self.arguments = [first.arguments]


class _Choice:
    """One answer while it comes."""

    __slots__ = ("audio", "audio_id", "calls", "finish", "logprobs", "reasoning", "refusal", "text", "transcript")

    def __init__(self) -> None:
        self.text: list[str] = []
        self.reasoning: list[tuple[list[str], str | None]] = []  # (pieces, opaque): a part ends with its opaque
        self.refusal: list[str] = []
        self.calls: dict[int, _Call] = {}
        self.audio: list[bytes] = []
        self.transcript: list[str] = []
        self.audio_id: str | None = None
        self.logprobs: list[TokenLogprob] | None = None
        self.finish: tuple[FinishReason, str | None] | None = None

    def think(self, event: ReasoningDelta) -> None:
        if self.reasoning and self.reasoning[-1][1] is None:
            self.reasoning[-1][0].append(event.text)
            if event.opaque is not None:
                self.reasoning[-1] = (self.reasoning[-1][0], event.opaque)
        else:
            self.reasoning.append(([event.text], event.opaque))

    def call(self, event: ToolCallDelta) -> None:
        call = self.calls.get(event.index)
        if call is None:
            self.calls[event.index] = _Call(event)
            return
        call.id = call.id or event.id
        call.name += event.name or ""
        call.opaque = call.opaque or event.opaque
        call.arguments.append(event.arguments)

    def speak(self, event: AudioDelta) -> None:
        self.audio.append(event.data)
        self.transcript.append(event.transcript)
        self.audio_id = event.id or self.audio_id

    def whole(self, reason: FinishReason, raw: str | None) -> Choice:
        calls: tuple[ToolCall, ...] = ()
        if self.calls:
            from .messages import ToolCall  # and with it pydantic: only where a tool is called

            calls = tuple(
                ToolCall(
                    id=call.id or f"call_{index}",
                    name=call.name,
                    arguments="".join(call.arguments),
                    kind=call.kind,
                    opaque=call.opaque,
                )
                for index, call in sorted(self.calls.items())
            )
        thought: tuple[Reasoning, ...] = ()
        if self.reasoning:
            thought = tuple(Reasoning("".join(pieces), opaque) for pieces, opaque in self.reasoning)
        return Choice(
            "".join(self.text),
            reason,
            raw,
            thought,
            calls,
            ("".join(self.refusal) or None) if self.refusal else None,
            Audio(b"".join(self.audio), "".join(self.transcript), self.audio_id) if self.audio else None,
            None if self.logprobs is None else tuple(self.logprobs),
        )


def _no_event(event: Never) -> ProtocolError:
    """Of what a plugin yields against all types."""
    return ProtocolError(f"the provider yielded {type(event).__name__}, which is no event", phase="plugin")


_NO_START: Final = Start()


class Collector:
    """Folds events into a reply, one by one."""

    __slots__ = ("_choices", "_finish", "_first", "_handovers", "_notices", "_sources", "_start", "_usage")

    def __init__(self) -> None:
        self._first = _Choice()
        self._choices: dict[int, _Choice] = {0: self._first}
        self._notices: list[Notice] = []
        self._handovers: list[Handover] = []
        self._sources: list[Source] = []
        self._start = _NO_START
        self._usage: Usage | None = None
        self._finish: Finish | None = None

    def add(self, event: Event) -> None:
        """Take the next event."""
        match event:
            case TextDelta():
                (self._first if event.choice == 0 else self._choice(event.choice)).text.append(event.text)
            case Start():
                self._start = event
            case Finish():
                self._finish = event
            case Usage():
                self._usage = event
            case ReasoningDelta():
                self._choice(event.choice).think(event)
            case ToolCallDelta():
                self._choice(event.choice).call(event)
            case RefusalDelta():
                self._choice(event.choice).refusal.append(event.text)
            case AudioDelta():
                self._choice(event.choice).speak(event)
            case Logprobs():
                choice = self._choice(event.choice)
                choice.logprobs = [*(choice.logprobs or ()), *event.tokens]
            case Source():
                self._sources.append(event)
            case Notice():
                self._notices.append(event)
            case Handover():
                self._hand_over(event)
            case ChoiceFinish():
                self._choice(event.choice).finish = (event.reason, event.raw)
            case _:
                raise _no_event(event)

    def take(self, events: Sequence[Event]) -> int:
        """Take the next events, up to the end if it is among them; how many those are."""
        text = self._first.text
        for place, event in enumerate(events, 1):
            if type(event) is TextDelta and event.choice == 0:
                text.append(event.text)
            else:
                self.add(event)
                if type(event) is Finish:
                    return place
                text = self._first.text  # another one, where an answer starts over
        return len(events)

    def resumed(self) -> Collector:
        """Another one that goes on from here, while this one stays as it is."""
        other = Collector()
        other._first.text = ["".join(self._first.text)]
        other._notices = list(self._notices)
        other._handovers = list(self._handovers)
        other._sources = list(self._sources)
        other._start, other._usage = self._start, self._usage
        return other

    def _hand_over(self, event: Handover) -> None:
        if event.mode == "restart":
            self._first = _Choice()
            self._choices = {0: self._first}
            self._sources.clear()
            self._notices.clear()
            self._usage = None
        self._handovers.append(event)

    def _choice(self, index: int) -> _Choice:
        choice = self._choices.get(index)
        if choice is None:
            choice = self._choices[index] = _Choice()
        return choice

    @property
    def text(self) -> str:
        """The text so far."""
        return "".join(self._first.text)

    @property
    def is_plain_text(self) -> bool:
        """Whether nothing but text of the first choice has come."""
        first = self._first
        other = first.reasoning or first.refusal or first.calls or first.audio or first.logprobs
        return len(self._choices) == 1 and not other

    @property
    def usage(self) -> Usage | None:
        """The usage as last told."""
        return self._usage

    @property
    def finish(self) -> Finish | None:
        """The end, once it came."""
        return self._finish

    def reply(
        self,
        *,
        provider: str = "",
        model: str = "",
        attempts: tuple[Attempt, ...] = (),
        parsed: Any = None,
        pricing: Pricing | SharedPricing | None = None,
    ) -> Reply[Any]:
        """The whole answer; ValueError where no ``Finish`` came, for then it is not whole."""
        if self._finish is None:
            raise ValueError("the answer has not ended: no Finish event came")
        self._first.finish = (self._finish.reason, self._finish.raw)
        return self._reply(provider, model, attempts, parsed, pricing)

    def beginning(self) -> Reply[Any]:
        """What there is of an answer that has not ended; its reason to end is ``unknown``."""
        return self._reply("", "", (), None, None)

    def _reply(
        self,
        provider: str,
        model: str,
        attempts: tuple[Attempt, ...],
        parsed: Any,
        pricing: Pricing | SharedPricing | None,
        /,
    ) -> Reply[Any]:
        choices, start = self._choices, self._start
        ordered = [self._first] if len(choices) == 1 else [choices[index] for index in sorted(choices)]
        return Reply(
            tuple([choice.whole(*(choice.finish or ("unknown", None))) for choice in ordered]),
            self._usage,
            tuple(self._sources),
            tuple(self._notices),
            tuple(self._handovers),
            provider,
            model,
            start.model,
            start.response_id,
            start.request_id,
            start.limits,
            attempts,
            parsed,
            pricing,
        )


async def collect(events: AsyncIterable[Event]) -> Reply[None]:
    """Fold a stream of events into a reply; ValueError where it ends without a ``Finish``."""
    collector = Collector()
    async for event in events:
        collector.add(event)
    return collector.reply()


# ── events on their way ──────────────────────────────────────────────────────────────────────────────


class Flow(AsyncGenerator[Event, None]):
    """Events on their way, to be taken one by one as of any generator, or all that are there at once.

    What one read of a socket brings is handed up in one list through every layer that may stand between, so that an
    event costs what is done with it and no more. Who takes one by one gets the same events.
    """

    __slots__ = ("_one_by_one",)

    def __init__(self) -> None:
        self._one_by_one: AsyncGenerator[Event, None] | None = None

    async def batch(self) -> Sequence[Event]:
        """The next events, as many as are there; none at the end."""
        raise NotImplementedError

    async def close(self) -> None:
        """Give up what is held; what was not taken yet is not asked for."""
        raise NotImplementedError

    async def _singly(self) -> AsyncGenerator[Event, None]:
        try:
            while True:
                try:
                    batch = await self.batch()
                except BaseException as error:  # only looked at
                    forget_locals(error)
                    raise
                if not batch:
                    return
                for event in batch:
                    yield event
        finally:
            await self.close()

    def _single(self) -> AsyncGenerator[Event, None]:
        if self._one_by_one is None:
            self._one_by_one = self._singly()
        return self._one_by_one

    def __aiter__(self) -> AsyncIterator[Event]:
        return self._single()

    def __anext__(self) -> Any:
        return self._single().__anext__()

    def asend(self, value: None) -> Any:
        return self._single().asend(value)

    def athrow(self, typ: Any, val: Any = None, tb: TracebackType | None = None) -> Any:
        single = self._single()
        return single.athrow(typ) if val is None and tb is None else single.athrow(typ, val, tb)

    async def rest(self) -> None:
        """Take all that is left, of which only the end is of interest."""
        if self._one_by_one is None:
            try:
                while await self.batch():
                    pass
            except BaseException as error:  # only looked at
                forget_locals(error)
                raise
        else:
            async for _ in self._one_by_one:
                pass

    async def aclose(self) -> None:
        """Give up, also what one by one was taken of it."""
        if self._one_by_one is not None:
            await self._one_by_one.aclose()
        await self.close()


class _Singles(Flow):
    """Somebody's events, each a batch of its own."""

    __slots__ = ("_events", "_source")

    def __init__(self, source: AsyncIterator[Event]) -> None:
        super().__init__()
        self._source = source
        self._events = aiter(source)

    async def batch(self) -> Sequence[Event]:
        try:
            return (await anext(self._events),)
        except StopAsyncIteration:
            return ()

    async def close(self) -> None:
        if isinstance(self._source, AsyncGenerator):
            await self._source.aclose()


def flow_of(events: AsyncIterator[Event]) -> Flow:
    """These events as a `Flow`."""
    return events if isinstance(events, Flow) else _Singles(events)
