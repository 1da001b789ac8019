"""Python functions that a model may call: named on the command line, confirmed before each call."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from pydantic import PydanticUserError, ValidationError, validate_call

from ..errors import ConfigError, InvalidOutputError
from ..json_text import to_json
from ..messages import Message, Tool
from ..validation import faults_of
from .importing import imported
from .schemas import describing
from .terminal import ask, can_ask, json_line, one_line

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from ..messages import ToolCall
    from .terminal import Page

_REFUSED = "The user did not allow this call."


class Tools:
    """The functions by name; each call is shown, and runs only if the user allows it.

    They run outside of the event loop, one after the other; ``run`` waits for the result of an async
    function.
    """

    def __init__(self, references: Iterable[str], *, ask_first: bool) -> None:
        self._functions: dict[str, Callable[..., Any]] = {}
        self.declared: list[Tool] = []
        for reference in references:
            self._add(reference)
        self._ask_first = ask_first
        self._always: set[str] = set()
        if self.declared and ask_first and not can_ask():
            raise ConfigError(
                "--tool asks you before each call, and there is no terminal: give --yes to run tools without asking"
            )

    def _add(self, reference: str) -> None:
        function = imported("--tool", reference)
        if not callable(function) or not hasattr(function, "__name__"):
            raise ConfigError(f"--tool {reference}: it is not a function")
        with describing(f"--tool {reference}"):
            tool = Tool.of(function)
        if tool.name in self._functions:
            raise ConfigError(f"--tool {reference}: the tool {tool.name!r} is given twice")
        try:
            self._functions[tool.name] = validate_call(function)
        except PydanticUserError:  # such as one that is written in C
            raise ConfigError(
                f"--tool {reference}: it must be a function written in Python with def; write one that calls it"
            ) from None
        self.declared.append(tool)

    def answer(self, call: ToolCall, page: Page, run: Callable[[Awaitable[Any]], Any]) -> Message:
        """Run the call if it is allowed; the message for the model with its result, or why there is none."""
        try:
            content = self._made(call, page, run)
        # A tool is anybody's code, and may do anything; the model is told, and may go on without it.
        except (Exception, SystemExit) as error:
            told = faults_of(error) if isinstance(error, ValidationError) else str(error)
            content = one_line(f"{type(error).__name__}: {told}")
            page.remark(f"tool {one_line(call.name)} failed: {content}")
            content = f"Error: {content}"
        return Message(role="tool", tool_call_id=call.id, content=content)

    def _made(self, call: ToolCall, page: Page, run: Callable[[Awaitable[Any]], Any]) -> str:
        function = self._functions.get(call.name)
        if function is None:
            raise InvalidOutputError(f"unknown tool {call.name!r}; expected one of {', '.join(self._functions)}")
        arguments = call.args
        # What is shown is what is passed, and all of it: whoever allows it must see it.
        given = ", ".join(f"{one_line(name)}={json_line(value)}" for name, value in arguments.items())
        page.remark(f"tool {call.name}({given})")
        if not self._may_run(call.name):
            page.remark(f"tool {call.name}: not run")
            return _REFUSED
        result = function(**arguments)
        if inspect.isawaitable(result):
            result = run(result)
        # What is no Unicode text could not be sent.
        return result.encode("utf-8", "replace").decode() if isinstance(result, str) else to_json(result).decode()

    def _may_run(self, name: str) -> bool:
        if not self._ask_first or name in self._always:
            return True
        answer = (ask("run it? [y/N, a = always run this tool]") or "").lower()
        if answer in {"a", "always"}:
            self._always.add(name)
        return answer in {"a", "always", "y", "yes"}
