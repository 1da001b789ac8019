"""Function calls, whole or with arguments in pieces."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from segue.plugin import ProtocolError
from segue.wire import to_json
from segue.wire.reading import objects, string, table, text_of
from segue.wire.tool_calls import ToolCallAssembler

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from segue.plugin import ToolCallDelta

_MAX_DEPTH: Final = 64  # what is nested deeper cannot be written as JSON again
_STEP: Final = re.compile(r"""\.([^.\[\]]+)|\[(\d{1,6})\]|\['([^']*)'\]|\["([^"]*)"\]""")


class _Open:
    """A call whose arguments are still coming: those that came whole, and by their path those in pieces."""

    __slots__ = ("arguments", "number", "pieces")

    def __init__(self, number: int, arguments: dict[str, Any]) -> None:
        self.number = number
        self.arguments = arguments
        self.pieces: dict[str, list[Any]] = {}

    def take(self, pieces: object) -> None:
        for piece in objects(pieces, "functionCall.partialArgs"):
            path = text_of(piece.get("jsonPath"), "functionCall.partialArgs[].jsonPath")
            value = piece.get("stringValue", piece.get("numberValue", piece.get("boolValue")))
            if isinstance(value, str):
                self.pieces.setdefault(path, []).append(value)
            elif value is None or isinstance(value, (int, float)):
                self.pieces[path] = [value]
            else:
                raise ProtocolError("functionCall.partialArgs[] has a value that is neither text nor number")

    def whole(self) -> str:
        for path, pieces in self.pieces.items():
            texts = [piece for piece in pieces if isinstance(piece, str)]
            _put(self.arguments, path, "".join(texts) if texts else pieces[-1])
        return to_json(self.arguments).decode()


class Calls:
    """The calls of one answer, in their order; a call without an id gets a generated one."""

    __slots__ = ("_assembler", "_choice", "_open", "number")

    def __init__(self, choice: int) -> None:
        self.number = 0
        self._choice = choice
        self._assembler = ToolCallAssembler(choice)
        self._open: _Open | None = None

    def take(self, call: Mapping[str, Any], *, opaque: str | None, response_id: str | None) -> Iterator[ToolCallDelta]:
        """The pieces of calls in this part; arguments are passed on when they are complete.

        If they are streamed (``streamFunctionCallArguments``, on Vertex), a part without a name continues the open
        call, and one without ``willContinue`` ends it.
        """
        name, more = string(call.get("name")), bool(call.get("willContinue"))
        if name is not None:
            yield from self.close()
            yield from self._begin(name, call, opaque, response_id, more=more)
        elif self._open is None:
            raise ProtocolError("functionCall has no name")
        if self._open is not None:
            self._open.take(call.get("partialArgs") or [])
            if not more:
                yield from self.close()

    def close(self) -> Iterator[ToolCallDelta]:
        """The arguments of the open call, if there is one."""
        if self._open is not None:
            call, self._open = self._open, None
            delta = self._assembler.take(index=call.number, call_id=None, name="", arguments=call.whole())
            if delta is not None:
                yield delta

    def _begin(
        self, name: str, call: Mapping[str, Any], opaque: str | None, response_id: str | None, *, more: bool
    ) -> Iterator[ToolCallDelta]:
        arguments = table(call.get("args") or {}, "functionCall.args")
        number, self.number = self.number, self.number + 1
        open_ = more or bool(call.get("partialArgs"))
        if open_:
            self._open = _Open(number, arguments)
        # The assembler's own ids are unique in an answer; with the answer's they are in a conversation.
        made = None if response_id is None else f"call_{response_id}_{number}"
        delta = self._assembler.take(
            index=number,
            call_id=string(call.get("id")) or made,
            name=name,
            arguments="" if open_ else to_json(arguments).decode(),
        )
        if delta is not None:
            yield delta if opaque is None else replace(delta, opaque=opaque)


def _put(root: dict[str, Any], path: str, value: object) -> None:
    """Set the value at a JSON path (RFC 9535) of names and places; ProtocolError for one that leads nowhere."""
    steps = _steps(path)
    node: Any = root
    for step, after in zip(steps, [*steps[1:], None], strict=True):
        below = value if after is None else [] if isinstance(after, int) else {}
        if isinstance(node, list) and isinstance(step, int) and step <= len(node):
            if step == len(node):
                node.append(below)
            elif after is None:
                node[step] = value
            node = node[step]
        elif isinstance(node, dict) and isinstance(step, str):
            if after is None or step not in node:
                node[step] = below
            node = node[step]
        else:
            raise _no_path()


def _steps(path: str) -> list[str | int]:
    steps: list[str | int] = []
    place = 1
    while place < len(path) and len(steps) < _MAX_DEPTH:
        match = _STEP.match(path, place)
        if match is None:
            break
        place = match.end()
        number = match[2]
        steps.append(int(number) if number is not None else match[1] or match[3] or match[4] or "")
    if not path.startswith("$") or place < len(path) or not steps:
        raise _no_path()
    return steps


def _no_path() -> ProtocolError:
    return ProtocolError("functionCall.partialArgs[].jsonPath does not match the arguments")
