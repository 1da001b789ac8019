"""Joins the fragments of streamed tool calls, for every wire that streams them.

Hosts distinguish their calls in different ways: by an index, by an id, by both, or only by their order.
Sources: the recorded streams that the tests read, and the shapes of fragments that other clients have
merged wrongly (microsoft/agent-framework#8336, langchain-ai/langchain#35281, continuedev/continue#13223).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..events import ToolCallDelta
from ..json_text import from_json

if TYPE_CHECKING:
    from ..events import ToolKind


class _Known:
    """A call that has begun: the number that we gave it, and how its host tells it apart."""

    __slots__ = ("arguments", "id", "index", "name", "number")

    def __init__(self, number: int, index: int | None, call_id: str | None, name: str) -> None:
        self.number = number
        self.index = index
        self.id = call_id
        self.name = name
        self.arguments: list[str] = []

    def is_whole(self) -> bool:
        """Whether its arguments are a whole JSON object already."""
        try:
            return isinstance(from_json("".join(self.arguments)), dict)
        except ValueError:
            return False


class ToolCallAssembler:
    """Finds the call that a fragment belongs to; calls are numbered in the order in which they begin."""

    __slots__ = ("_calls", "_latest", "choice")

    def __init__(self, choice: int = 0) -> None:
        self.choice: int = choice
        self._calls: list[_Known] = []
        self._latest: dict[int, _Known] = {}  # by the host's own index, the last call that had it

    def take(
        self, *, index: int | None, call_id: str | None, name: str, arguments: str, kind: ToolKind = "function"
    ) -> ToolCallDelta | None:
        """The fragment with the number of its call; None if it contains nothing new.

        The first fragment of a call has its id and name. A name can be split: later fragments continue it,
        but a repeated name does not. A call without an id gets one.
        """
        known = self._find(index, call_id, name, arguments)
        first = known is None
        if known is None:
            if not (call_id or name or arguments):
                return None  # Snowflake's answers without calls hold an empty one
            known = _Known(len(self._calls), index, call_id, name)
            self._calls.append(known)
            if index is not None:
                self._latest[index] = known
        elif known.arguments or name == known.name:
            name = ""  # said again
        else:
            known.name += name
        if arguments:
            known.arguments.append(arguments)
        if first:
            call_id = call_id or f"call_{known.number}"
            return ToolCallDelta(known.number, call_id, name, arguments, kind, self.choice)
        if not name and not arguments:
            return None
        return ToolCallDelta(known.number, None, name or None, arguments, kind, self.choice)

    def _find(self, index: int | None, call_id: str | None, name: str, arguments: str) -> _Known | None:
        """The call that the fragment continues; None if it begins one."""
        if call_id:
            for begun in self._calls:
                if begun.id == call_id and (index is None or begun.index in {None, index}):
                    return begun
            return None
        known = self._latest.get(index) if index is not None else self._calls[-1] if self._calls else None
        if known is None:
            return None
        # A name after arguments begins a call, unless its host says the name with each fragment.
        if name and known.arguments and (name != known.name or (arguments[:1] == "{" and known.is_whole())):
            return None
        return known
