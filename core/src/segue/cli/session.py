"""Sends and shows a turn of a conversation, with the tools that are called in it."""

from __future__ import annotations

import asyncio
from dataclasses import field
from typing import TYPE_CHECKING, Any, Final, Self, TypedDict, cast

from ..chain.targets import LeftOut, Lineup
from ..client.arguments import request_of
from ..client.client import Client
from ..errors import ProviderError
from ..events import Handover, Notice, ReasoningDelta, RefusalDelta, TextDelta, is_content
from ..observation import Observer
from ..selection import no_candidate
from ..values import dataclass
from .faults import as_argument
from .progress import PROGRESS
from .schemas import plain
from .targets import remark_who
from .terminal import one_line, reserved, write_json
from .waiting import Waiting, observing

if TYPE_CHECKING:
    from collections.abc import Awaitable, Mapping, Sequence

    from ..capabilities import NeedsInput
    from ..client.arguments import Asking, SchemaInput
    from ..client.client import ChainInput
    from ..events import Event, Reply, Source
    from ..messages import Message, Request
    from ..observation import Attempt, CircuitChange
    from ..selection import Selection
    from .targets import Target
    from .terminal import Page
    from .tools import Tools

_MOST_LINES: Final = 14
"""The largest number of lines of a selection in a trace."""
_SHORTEST: Final = 1e-8  # USD; less is shown as less


@dataclass(frozen=True, slots=True)
class Manner:
    """How answers are requested and shown; ``rounds`` limits the rounds of tool calls in one turn."""

    settings: Mapping[str, Any] = field(default_factory=dict)
    schema: SchemaInput | None = None
    whole: bool = False
    reasoning: bool = False
    trace: bool = False
    as_json: bool = False
    rounds: int = 20


class _Said(TypedDict):
    model: str | None
    needs: NeedsInput | None
    chain: ChainInput | None


class _Trace(Observer):
    """Tells who may be asked, each time that it changes; of each attempt as it ends, and of what follows it."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._explained: dict[str, None] = {}

    def selected(self, selection: Selection, /) -> None:
        explanation = selection.explain(lines=_MOST_LINES)
        if explanation not in self._explained:  # as it is in each turn of a conversation
            self._explained[explanation] = None
            for line in explanation.splitlines():
                self._page.remark(f"trace: {line}")

    def attempt_ended(self, attempt: Attempt, /) -> None:
        self._page.remark(f"trace: {one_line(str(attempt))}")

    def circuit_changed(self, change: CircuitChange, /) -> None:
        who = f"{change.provider}/{change.model}"
        self._page.remark(f"trace: {one_line(who)} breaker {change.before} → {change.after}")


class Session:
    """A client with an event loop that runs only while an answer arrives.

    Questions to the user and tools run outside of the loop: inside it, Ctrl-C would only reach a task
    that waits for its turn.
    """

    def __init__(self, config: str | None, page: Page, manner: Manner, tools: Tools) -> None:
        self._waiting = Waiting()
        observers: list[Observer] = [_Trace(page)] if manner.trace else []
        observers.append(observing(self._waiting))
        with reserved(), PROGRESS.during("loading plugins"):
            self.client: Client = Client(config=True if config is None else config, observers=observers)
        self.page = page
        self.manner = manner
        self.came: str = ""  # of an answer that was not whole when it was stopped
        self._tools = tools
        self._runner = asyncio.Runner()
        self._told_who: str | None = None
        self._told: set[Notice] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        try:
            self._runner.run(self.client.aclose())
        finally:
            self._runner.close()

    def turn(self, messages: list[Message], target: Target) -> Reply[Any]:
        """Send the messages, run the tools that the model calls, show the answer and add it to the messages."""
        made = 0
        while True:
            reply = self._round(messages, target)
            messages.append(reply.message)
            if not (self._tools.declared and reply.tool_calls):
                return reply
            if made == self.manner.rounds:
                raise ProviderError(
                    f"the model still calls tools after {made} rounds; --tool-rounds N allows more rounds"
                )
            made += 1
            messages += [self._tools.answer(call, self.page, self._run) for call in reply.tool_calls]

    def check(self, target: Target, messages: Sequence[Message]) -> None:
        """PluginError or NoCandidateError if no model can get these messages; nothing is sent."""
        client = self.client
        request: Request | None
        with as_argument():
            request = request_of(messages, cast("Any", self.manner.schema), self._asking(), stream=True)
        default = client.config.default if target.names_nothing else None
        model, chain = target.model or default, target.chain
        if default is not None:
            request = None  # what the default model lacks the first of the others is asked for
            chain = client.config.default_chain
        if chain is None:
            if model is not None:
                client.resolve(model)  # which raises where its plugin is not to be had
            selection = client.select(target.needs, model=model, request=request)
            if selection.reason:
                raise no_candidate(selection)
            return
        left_out = []
        for one in (client.chain(chain) if isinstance(chain, str) else chain).leaves():
            needs, name = (None, one) if isinstance(one, str) else (one, None)
            selection = client.select(needs, model=name, request=request)
            if not selection.reason:
                return
            left_out.append(LeftOut(str(one), selection.explain(), selection.reason))
        Lineup((), tuple(left_out)).checked()

    def _asking(self) -> Asking:
        asking = cast("Asking", dict(self.manner.settings))
        if self._tools.declared:
            asking["tools"] = self._tools.declared
        return asking

    def _run(self, result: Awaitable[Any]) -> Any:
        async def wait() -> Any:
            return await result

        return self._runner.run(wait())

    def _round(self, messages: Sequence[Message], target: Target) -> Reply[Any]:
        self.came = ""
        self._waiting.begin()
        try:
            with PROGRESS.during(self._waiting):
                reply = self._runner.run(self._answer(messages, target))
        finally:
            self.page.end()
        self.came = ""
        self._show_end(reply, target)
        return reply

    async def _answer(self, messages: Sequence[Message], target: Target) -> Reply[Any]:
        said: _Said = {"model": target.model, "needs": target.needs, "chain": target.chain}
        schema = cast("Any", self.manner.schema)  # the overloads tell its forms apart, this need not
        asking = self._asking()
        with as_argument():
            if self.manner.whole:
                whole: Reply[Any] = await self.client.chat(messages, **said, schema=schema, **asking)
                return whole
            stream = self.client.stream(messages, **said, schema=schema, **asking)
        async with stream:
            async for event in stream:
                if is_content(event):
                    self._waiting.came(reasoning=isinstance(event, ReasoningDelta))
                    self._tell_who(f"{stream.provider}/{stream.model}", target)
                self._show(event)
            return await stream.reply()

    # ── showing ───────────────────────────────────────────────────────────────────────────────────────

    def _tell_who(self, name: str, target: Target) -> None:
        if name != self._told_who:
            self._told_who = name
            remark_who(name, target, self.page)

    def _show(self, event: Event) -> None:
        match event:
            case TextDelta(text=text, choice=0):
                self.came += text
                self.page.write(text)
            case RefusalDelta(text=text, choice=0):
                self.page.write(text)
            case ReasoningDelta(text=text, choice=0) if self.manner.reasoning:
                self.page.think(text)
            case Notice():
                if event.subject != "default" or event not in self._told:  # once is enough for a conversation
                    self.page.remark(f"note: {one_line(str(event))}")
                self._told.add(event)
            case Handover():
                self._told_who = f"{event.provider}/{event.model}"
                self.page.remark(f"note: {one_line(self._told_who)} continues after {event.cause}")
            case _:
                pass  # of the rest the whole reply tells

    def _show_whole(self, reply: Reply[Any]) -> None:
        for notice in reply.notices:
            self._show(notice)
        if self.manner.reasoning and reply.reasoning:
            self.page.think(reply.reasoning)
        if self.manner.schema is not None and not reply.tool_calls:
            self.page.end()
            write_json(plain(reply.parsed))
        else:
            self.page.write(reply.text or reply.refusal or "")
        self.page.end()

    def _show_end(self, reply: Reply[Any], target: Target) -> None:
        page = self.page
        if self.manner.whole:
            self._tell_who(f"{reply.provider}/{reply.model}", target)
        if not self.manner.as_json:
            if self.manner.whole:
                self._show_whole(reply)
            for line in _sources(reply.sources):
                page.remark(line)
            if reply.finish_reason not in {"stop", "tool_calls", "unknown"}:  # of an unknown one a notice has told
                page.remark(f"note: the answer ended with finish reason {reply.finish_reason!r}")
        if self.manner.trace:
            page.remark(f"trace: answered by {one_line(f'{reply.provider}/{reply.model}')}")
            page.remark(f"trace: {_used(reply)}")


def _sources(sources: Sequence[Source]) -> list[str]:
    titles: dict[str, str | None] = {}
    for source in sources:  # a source is told again for each place that rests on it
        titles[source.url] = titles.get(source.url) or source.title
    lines = [
        one_line(f"[{place}] {title}: {url}" if title else f"[{place}] {url}")
        for place, (url, title) in enumerate(titles.items(), 1)
    ]
    return ["sources:", *lines] if lines else []


def _used(reply: Reply[Any]) -> str:
    usage = reply.usage
    counts = [] if usage is None else [("in", usage.input_tokens), ("out", usage.output_tokens)]
    told = ", ".join(f"{count:,} {name}" for name, count in counts if count is not None)
    return f"tokens: {told or 'not reported'}; cost: {_dollars(reply.cost)}"


def _dollars(cost: float | None) -> str:
    if cost is None:
        return "unknown"
    return (
        f"${f'{cost:.8f}'.rstrip('0').rstrip('.')}" if cost == 0 or cost >= _SHORTEST else f"less than ${_SHORTEST:.8f}"
    )
