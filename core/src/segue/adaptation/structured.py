"""Structured output from a model that does not support JSON schemas: with a tool call, or with a text in the prompt."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING, Final

from ..events import ChoiceFinish, Finish, Notice, TextDelta, ToolCallDelta
from ..json_text import to_json
from ..messages import Message, Output, Tool, ToolName

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from ..events import Event
    from ..messages import Request

_WORDS: Final = "Answer with JSON alone, without any other text, that fits this JSON schema:\n"


def by_tool(request: Request) -> Request:
    """The request with its schema as a tool that the model must call; `answered` turns the call into the answer."""
    output = request.output
    assert output is not None
    assert output.json_schema is not None
    tool = Tool(
        name=output.name,
        description=output.description or "Takes the answer.",
        parameters=output.json_schema,
        strict=output.strict,
    )
    return request.model_copy(update={"tools": (tool,), "tool_choice": ToolName(name=tool.name), "output": None})


def in_words(request: Request, *, json_mode: bool) -> Request:
    """The request with its schema in a system message; ``json_mode`` is whether the model supports JSON mode."""
    output = request.output
    assert output is not None
    said = Message(role="system", content=_WORDS + to_json(output.json_schema).decode())
    after = next((place for place, turn in enumerate(request.messages) if turn.role not in {"system", "developer"}), 0)
    messages = (*request.messages[:after], said, *request.messages[after:])
    return request.model_copy(update={"messages": messages, "output": Output() if json_mode else None})


async def answered(events: AsyncIterator[Event], tool: str) -> AsyncGenerator[Event, None]:
    """The events of an answer through this tool; the arguments of the call become the answer's text.

    Other text of the model is left out with a notice; if the model did not call the tool, the text is the answer.
    """
    choices: dict[int, _Choice] = {}
    try:
        async for event in events:
            match event:
                case ToolCallDelta() | TextDelta():
                    choice = choices.setdefault(event.choice, _Choice(tool))
                    for told in choice.take(event):
                        yield told
                case Finish() | ChoiceFinish():
                    number = event.choice if isinstance(event, ChoiceFinish) else 0
                    choice = choices.setdefault(number, _Choice(tool))
                    for told in choice.end(number):
                        yield told
                    yield choice.finish(event)
                case _:
                    yield event
    finally:
        if isinstance(events, AsyncGenerator):
            with contextlib.suppress(StopAsyncIteration):
                await events.aclose()


class _Choice:
    """One answer while it comes."""

    __slots__ = ("_beside", "_call", "_other", "_tool")

    def __init__(self, tool: str) -> None:
        self._tool = tool
        self._call: int | None = None  # the index of the call that is the answer
        self._beside: list[str] = []
        self._other = False  # whether it called another tool, or this one again

    def take(self, event: ToolCallDelta | TextDelta) -> Iterator[Event]:
        if isinstance(event, TextDelta):
            self._beside.append(event.text)
            return
        if self._call is None and event.name == self._tool:
            self._call = event.index
        if event.index != self._call:
            self._other = True
        elif event.arguments:
            yield TextDelta(event.arguments, event.choice)

    def end(self, number: int) -> Iterator[Event]:
        text = "".join(self._beside)
        if self._call is None and text:
            yield TextDelta(text, number)
        elif text.strip():
            yield Notice("text", "the model's text next to its structured answer is left out")
        if self._other:
            yield Notice("tool_calls", "the model's other tool calls next to its structured answer are left out")

    def finish(self, event: Finish | ChoiceFinish) -> Finish | ChoiceFinish:
        if event.reason != "tool_calls" or self._call is None:
            return event
        if isinstance(event, ChoiceFinish):
            return ChoiceFinish(event.choice, "stop", event.raw)
        return Finish("stop", event.raw)
