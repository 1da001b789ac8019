"""The events of a streamed answer, and the reply that they form."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import field, fields
from typing import TYPE_CHECKING, Any, Final, Generic, Literal, Never, TypeAlias, get_args

from typing_extensions import TypeVar

from .errors import ProtocolError, StreamBrokenError
from .frames import forget_locals
from .values import absent, dataclass

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator, Sequence
    from types import TracebackType

    from .messages import Message, ToolCall
    from .observation import Attempt
    from .pricing import Pricing, SharedPricing

StopReason: TypeAlias = Literal["stop", "length", "tool_calls", "content_filter", "unknown"]
ToolKind: TypeAlias = Literal["function", "custom"]

T = TypeVar("T", default=None)


@dataclass(frozen=True, slots=True)
class RateLimits:
    """The rest of a key's rate limits, from the host; times are in seconds from the response; None is unknown."""

    requests: int | None = None
    requests_left: int | None = None
    requests_reset: float | None = None
    tokens: int | None = None
    tokens_left: int | None = None
    tokens_reset: float | None = None


@dataclass(frozen=True, slots=True)
class Start:
    """The host began to answer; a field is None if the host did not send it."""

    model: str | None = None
    response_id: str | None = None
    request_id: str | None = None
    limits: RateLimits | None = None


@dataclass(frozen=True, slots=True)
class TextDelta:
    """The next piece of the answer's text; never empty. ``choice`` is the number of the answer if there are several."""

    text: str
    choice: int = 0


@dataclass(frozen=True, slots=True)
class ReasoningDelta:
    """The next piece of the model's reasoning; ``opaque`` is data that its host needs back, and ends a part."""

    text: str
    opaque: str | None = field(default=None, repr=False)
    choice: int = 0


@dataclass(frozen=True, slots=True)
class RefusalDelta:
    """The next piece of the model's refusal: the text that says why it does not answer."""

    text: str
    choice: int = 0


@dataclass(frozen=True, slots=True)
class ToolCallDelta:
    """The next piece of a tool call; ``index`` is the number of the call.

    The first piece of a call has its ``id`` and ``name``; the ``arguments`` of all pieces, joined, are its JSON text.
    ``opaque`` is data that its host needs back with the call.
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
    """The next piece of a spoken answer: its bytes, and their transcript."""

    data: bytes = field(default=b"", repr=False)
    transcript: str = ""
    id: str | None = None
    choice: int = 0


@dataclass(frozen=True, slots=True)
class Source:
    """A source of the answer; ``start`` and ``end`` are positions in the answer's text, in characters.

    ``url`` is the address of the source, or the host's id of a file.
    """

    url: str
    title: str | None = None
    start: int | None = None
    end: int | None = None
    choice: int = 0


@dataclass(frozen=True, slots=True)
class TokenLogprob:
    """A token and its natural log probability; ``top`` are the most likely tokens at its position."""

    token: str
    logprob: float
    top: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Logprobs:
    """The log probabilities of the tokens of the text before this event."""

    tokens: tuple[TokenLogprob, ...]
    choice: int = 0


@dataclass(frozen=True, slots=True)
class Notice:
    """Something was left out or is unknown; ``subject`` is the setting or field."""

    subject: str
    message: str

    def __str__(self) -> str:
        return f"{self.subject}: {self.message}"


@dataclass(frozen=True, slots=True)
class Handover:
    """The previous host failed in the middle of its answer, and this one takes over.

    ``continue``: the next text continues the text so far, which has ``text_length`` characters. ``restart``: discard
    all earlier events, of every type. ``cause`` is the type of the error.
    """

    mode: Literal["continue", "restart"]
    provider: str
    model: str
    text_length: int
    cause: str


@dataclass(frozen=True, slots=True)
class Usage:
    """The token counts of the host; None if the host did not send one. The last one of a stream counts.

    The same for every wire: ``input_tokens`` are all tokens of the input, including ``cached_tokens`` and
    ``cache_write_tokens``; ``output_tokens`` are all tokens of the output, including ``reasoning_tokens``.
    ``cost`` is in USD, if the host itself sends it.
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

    def __repr__(self) -> str:
        """The counts that the host sent, without the others."""
        counts = ((each.name, getattr(self, each.name, None)) for each in fields(self))
        return f"Usage({', '.join(f'{name}={count!r}' for name, count in counts if count is not None)})"

    def plus(self, other: Usage) -> Usage:
        """The sum of both; a count that only one of them has is used unchanged."""
        sums: dict[str, Any] = {}
        for each in fields(Usage):
            one, another = getattr(self, each.name), getattr(other, each.name)
            sums[each.name] = (
                one + another if one is not None and another is not None else another if one is None else one
            )
        return Usage(**sums)


@dataclass(frozen=True, slots=True)
class ChoiceFinish:
    """One answer, other than the first of several, is whole."""

    choice: int
    reason: StopReason
    raw: str | None = None


@dataclass(frozen=True, slots=True)
class Finish:
    """The answer is whole; ``raw`` is the host's own name for the reason, or None."""

    reason: StopReason
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
    """Whether this event contains a part of the answer; the first such event is the commit point."""
    return isinstance(event, _CONTENT)


@dataclass(frozen=True, slots=True)
class Reasoning:
    """A piece of the model's reasoning, with the data that its host needs back."""

    text: str
    opaque: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Audio:
    """A spoken answer, in the requested format."""

    data: bytes = field(repr=False)
    transcript: str
    id: str | None = None


@dataclass(frozen=True, slots=True)
class Choice:
    """One answer; there is more than one only if the setting ``n`` is more than 1."""

    text: str
    finish_reason: StopReason
    raw_finish_reason: str | None = None
    reasoning_parts: tuple[Reasoning, ...] = ()
    tool_calls: tuple[ToolCall, ...] = ()
    refusal: str | None = None
    audio: Audio | None = None
    logprobs: tuple[TokenLogprob, ...] | None = None

    @property
    def reasoning(self) -> str:
        """The model's reasoning, as one text."""
        return "".join(part.text for part in self.reasoning_parts)


@dataclass(frozen=True, slots=True)
class Reply(Generic[T]):
    """A whole answer.

    ``text``, ``tool_calls`` and the other properties are those of the first choice. ``parsed`` is the answer parsed
    with the requested schema, None without one. ``model`` is the requested model, ``response_model`` is the model that
    answered, as reported by the host. If several hosts wrote the answer, ``handovers`` says where one took over from
    another, ``provider`` and ``model`` are those of the last host, and ``usage`` and ``cost`` are sums.
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
        """The cost in USD; None if it is unknown (never 0 in that case)."""
        if self.pricing is not None:
            return self.pricing.cost(self.usage)
        return None if self.usage is None else self.usage.cost

    @property
    def text(self) -> str:
        """The answer's text."""
        return self.choices[0].text

    @property
    def reasoning(self) -> str:
        """The model's reasoning, if the host shows it."""
        return self.choices[0].reasoning

    @property
    def tool_calls(self) -> tuple[ToolCall, ...]:
        """The tool calls that the model requests, in order."""
        return self.choices[0].tool_calls

    @property
    def refusal(self) -> str | None:
        """The text in which the model says why it does not answer; None if it answered."""
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
    def finish_reason(self) -> StopReason:
        """The reason why the answer ended; the same names for all hosts."""
        return self.choices[0].finish_reason

    @property
    def raw_finish_reason(self) -> str | None:
        """The reason why the answer ended, as sent by the host."""
        return self.choices[0].raw_finish_reason

    @property
    def message(self) -> Message:
        """The answer as a message, for the next request of the conversation."""
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
    """A host's response to an embedding request: one vector for each input, in order."""

    vectors: list[list[float]] = field(repr=False)
    usage: Usage | None = None
    model: str | None = None
    response_id: str | None = None
    notices: tuple[Notice, ...] = ()


@dataclass(frozen=True, slots=True)
class EmbedReply:
    """The embeddings of the inputs, in order, with the provider and model that returned them."""

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
        """The cost in USD; None if it is unknown."""
        if self.pricing is not None:
            return self.pricing.cost(self.usage)
        return None if self.usage is None else self.usage.cost


# ── names of other libraries ──────────────────────────────────────────────────────────────────────────

_AS_DICT = "use its fields, such as reply.text; dataclasses.asdict(reply) makes a dict of all"
_EMBEDDED = "use reply.vectors, a list with a vector for each input"

absent(
    Usage,
    {
        **dict.fromkeys(("prompt_tokens", "prompt_eval_count"), "use usage.input_tokens"),
        **dict.fromkeys(("completion_tokens", "eval_count"), "use usage.output_tokens"),
        **dict.fromkeys(("prompt_tokens_details", "input_tokens_details"), "use usage.cached_tokens"),
        **dict.fromkeys(("completion_tokens_details", "output_tokens_details"), "use usage.reasoning_tokens"),
        "cache_read_input_tokens": "use usage.cached_tokens",
        "cache_creation_input_tokens": "use usage.cache_write_tokens",
    },
)
absent(
    Choice,
    {
        **dict.fromkeys(("message", "delta"), "use choice.text; reply.message is the first answer as a message"),
        "content": "use choice.text",
        "index": "use its place in reply.choices",
        "reasoning_content": "use choice.reasoning",
        "stop_reason": "use choice.finish_reason",
    },
)
absent(
    Reply,
    {
        **dict.fromkeys(("content", "output_text", "output", "answer", "result", "response"), "use reply.text"),
        **dict.fromkeys(("messages", "delta", "data"), "use reply.text, or reply.message for the whole message"),
        **dict.fromkeys(("dict", "json", "model_dump", "model_dump_json", "to_dict", "to_json"), _AS_DICT),
        **dict.fromkeys(("reasoning_content", "thinking", "thoughts"), "use reply.reasoning"),
        **dict.fromkeys(("output_parsed", "structured", "object"), "use reply.parsed"),
        **dict.fromkeys(("citations", "annotations", "grounding_metadata"), "use reply.sources"),
        **dict.fromkeys(("usage_metadata", "usageMetadata"), "use reply.usage"),
        "candidates": "use reply.choices",
        "function_call": "use reply.tool_calls",
        "id": "use reply.response_id",
        "stop_reason": "use reply.finish_reason",
    },
)
absent(
    EmbedReply,
    {
        **dict.fromkeys(("data", "embedding", "embeddings", "values", "vector"), _EMBEDDED),
        **dict.fromkeys(("dict", "json", "model_dump", "model_dump_json", "to_dict", "to_json"), _AS_DICT),
    },
)
_NOT_OF_ALL = "only a TextDelta has text: iterate over stream.text(), or check isinstance(event, TextDelta)"

for _kind in get_args(Event):
    absent(
        _kind,
        {
            **dict.fromkeys(("choices", "content", "delta"), "use event.text of a TextDelta, or stream.text()"),
            "text": _NOT_OF_ALL,
            "type": "use isinstance(event, TextDelta), or match",
        },
    )


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
        self.finish: tuple[StopReason, str | None] | None = None

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

    def whole(self, reason: StopReason, raw: str | None) -> Choice:
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
    return ProtocolError(f"the provider yielded {type(event).__name__}, which is not an event", phase="plugin")


_NO_START: Final = Start()


class Collector:
    """Builds a reply from events, one by one."""

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
        """Add the next event."""
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
        """Add the next events, up to the finish; return how many were added."""
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
        """A copy that continues from here; this one stays unchanged."""
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
        """Whether only text of the first choice has arrived."""
        first = self._first
        other = first.reasoning or first.refusal or first.calls or first.audio or first.logprobs
        return len(self._choices) == 1 and not other

    @property
    def usage(self) -> Usage | None:
        """The last usage that arrived."""
        return self._usage

    @property
    def finish(self) -> Finish | None:
        """The finish; None before it arrived."""
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
        """The whole answer; ValueError if no ``Finish`` arrived, because then it is not whole."""
        if self._finish is None:
            raise ValueError("the answer is not whole: no Finish event arrived")
        self._first.finish = (self._finish.reason, self._finish.raw)
        return self._reply(provider, model, attempts, parsed, pricing)

    def beginning(self) -> Reply[Any]:
        """The part of the answer so far; its ``finish_reason`` is ``unknown``."""
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
    """Read a stream of events into a reply; ValueError if it ends without a ``Finish``."""
    collector = Collector()
    async for event in events:
        collector.add(event)
    return collector.reply()


# ── events on their way ──────────────────────────────────────────────────────────────────────────────


class Flow(AsyncGenerator[Event, None]):
    """A stream of events; read them one by one like any generator, or in batches.

    All events from one read of the socket pass through every layer in one list, so that the cost of an event does not
    grow with the number of layers. Reading one by one returns the same events.
    """

    __slots__ = ("_one_by_one",)

    def __init__(self) -> None:
        self._one_by_one: AsyncGenerator[Event, None] | None = None

    async def batch(self) -> Sequence[Event]:
        """The next events that are available; an empty sequence at the end."""
        raise NotImplementedError

    async def close(self) -> None:
        """Release all resources; the rest of the events is not read."""
        raise NotImplementedError

    async def _singly(self) -> AsyncGenerator[Event, None]:
        try:
            while True:
                batch: Sequence[Event] = ()  # an error keeps no event that came before it
                event = None
                try:
                    batch = await self.batch()
                except BaseException as error:  # only looked at
                    if not isinstance(error, Exception):
                        # Cancelled: whoever reads on must not take the end of this generator for the answer's.
                        self._one_by_one = _cut_off()
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
        return self

    def __anext__(self) -> Any:
        return (self._one_by_one or self._single()).__anext__()

    def asend(self, value: None) -> Any:
        return self._single().asend(value)

    def athrow(self, typ: Any, val: Any = None, tb: TracebackType | None = None) -> Any:
        single = self._single()
        return single.athrow(typ) if val is None and tb is None else single.athrow(typ, val, tb)

    async def rest(self) -> None:
        """Read and discard the remaining events; RuntimeError while another task reads them."""
        if self._one_by_one is None:
            in_use = self._one_by_one = _InUse()
            try:
                while await self.batch():
                    pass
            except BaseException as error:  # only looked at
                forget_locals(error)
                raise
            finally:
                if self._one_by_one is in_use:
                    self._one_by_one = None
        else:
            async for _ in self._one_by_one:
                pass

    async def aclose(self) -> None:
        """Close the stream, also while it is read one by one."""
        if self._one_by_one is not None:
            await self._one_by_one.aclose()
        await self.close()


class _InUse(AsyncGenerator[Event, None]):
    """What a second reader of a stream gets while the first one reads it to its end."""

    async def _refuse(self) -> Event:
        raise RuntimeError("the stream is read by another task: one task reads a stream")

    def __anext__(self) -> Any:
        return self._refuse()

    def asend(self, value: None) -> Any:  # noqa: ARG002 - as the others have it
        return self._refuse()

    def athrow(self, typ: Any, val: Any = None, tb: TracebackType | None = None) -> Any:  # noqa: ARG002 - as above
        return self._refuse()

    async def aclose(self) -> None:
        """Nothing: the first reader has it."""


async def _cut_off() -> AsyncGenerator[Event, None]:
    """The rest of a stream whose reader was cancelled while it waited for the next event."""
    never: tuple[Event, ...] = ()
    for event in never:  # what makes it a generator
        yield event
    raise StreamBrokenError("the reader was cancelled while it waited, which closed the stream: it is not complete")


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
