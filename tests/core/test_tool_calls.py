"""Fragments of tool calls are put together as their host meant them."""

from __future__ import annotations

from typing import Any, TypeAlias

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segue.events import Collector, Finish
from segue.wire.tool_calls import ToolCallAssembler

Fragment: TypeAlias = tuple[int | None, str | None, str, str]
"""index, id, name, arguments"""


def put_together(*fragments: Fragment) -> list[tuple[str, str, str]]:
    """What the fragments come to: (id, name, arguments) of each call."""
    assembler, collector = ToolCallAssembler(), Collector()
    for index, call_id, name, arguments in fragments:
        delta = assembler.take(index=index, call_id=call_id, name=name, arguments=arguments)
        if delta is not None:
            collector.add(delta)
    collector.add(Finish("tool_calls"))
    return [(call.id, call.name, call.arguments) for call in collector.reply().tool_calls]


@pytest.mark.parametrize(
    ("fragments", "calls"),
    [
        pytest.param(
            [(0, "a", "f", ""), (0, None, "", '{"x"'), (0, None, "", ":1}")],
            [("a", "f", '{"x":1}')],
            id="as OpenAI does",
        ),
        pytest.param(
            [(0, "a", "f", ""), (1, "b", "g", ""), (0, None, "", "{"), (1, None, "", "[1]"), (0, None, "", "}")],
            [("a", "f", "{}"), ("b", "g", "[1]")],
            id="two interleaved",
        ),
        pytest.param(
            [(None, "a", "f", "{"), (None, None, "", "}"), (None, "b", "g", "{"), (None, None, "", "}")],
            [("a", "f", "{}"), ("b", "g", "{}")],
            id="no index",
        ),
        pytest.param(
            [(0, "a", "f", "{}"), (0, "b", "g", "{"), (0, None, "", "}")],
            [("a", "f", "{}"), ("b", "g", "{}")],
            id="same index, new id",
        ),
        pytest.param(
            [(0, "a", "f", "{"), (0, "a", "f", "}"), (0, "a", "f", "")], [("a", "f", "{}")], id="id and name repeated"
        ),
        pytest.param(
            [(0, "a", "get_", ""), (0, None, "weather", ""), (0, None, "", "{}")],
            [("a", "get_weather", "{}")],
            id="name split",
        ),
        pytest.param(
            [(0, None, "f", "{}"), (0, None, "g", "{}")],
            [("call_0", "f", "{}"), ("call_1", "g", "{}")],
            id="one index for all and no id, as Gemini's compatible host",
        ),
        pytest.param(
            [(0, None, "f", '{"x":1}'), (0, None, "f", '{"x":2}')],
            [("call_0", "f", '{"x":1}'), ("call_1", "f", '{"x":2}')],
            id="the same tool twice at one index",
        ),
        pytest.param(
            [(None, None, "f", "{}"), (None, None, "g", "{}")],
            [("call_0", "f", "{}"), ("call_1", "g", "{}")],
            id="neither",
        ),
        pytest.param(
            [(0, "x", "f", "{}"), (1, "x", "g", "{}")], [("x", "f", "{}"), ("x", "g", "{}")], id="one id for two"
        ),
        pytest.param(
            [(3, "a", "f", "{}"), (1, "b", "g", "{}")], [("a", "f", "{}"), ("b", "g", "{}")], id="odd indices"
        ),
        pytest.param([(0, "", "", ""), (1, "a", "f", "{}")], [("a", "f", "{}")], id="an empty one, as Snowflake's"),
        pytest.param([(0, "a", "f", '{"x":'), (0, None, "", "")], [("a", "f", '{"x":')], id="never finished"),
    ],
)
def test_fragments_come_to_the_calls_that_were_meant(
    fragments: list[Fragment], calls: list[tuple[str, str, str]]
) -> None:
    """Whatever tells calls apart, each has its own id, name and arguments, in the order in which they began."""
    assert put_together(*fragments) == calls


pieces = st.lists(st.text("{}:,1a", min_size=1, max_size=4), max_size=4)


@given(
    st.lists(st.tuples(st.sampled_from("fgh"), pieces), min_size=1, max_size=4), st.booleans(), st.booleans(), st.data()
)
def test_calls_with_an_index_or_an_id_come_out_whole_in_any_interleaving(
    calls: list[tuple[str, list[str]]], by_id: Any, name_again: Any, data: st.DataObject
) -> None:
    """With an index on each fragment, or an id on each, no interleaving mixes two calls up."""
    queues = []
    for number, (name, arguments) in enumerate(calls):
        index, call_id = (None, f"id{number}") if by_id else (number, None)
        first: Fragment = (index, f"id{number}", name, "")
        queues.append([first, *((index, call_id, name if name_again and by_id else "", piece) for piece in arguments)])
    fragments: list[Fragment] = [queue.pop(0) for queue in queues]
    while any(queues):
        queue = data.draw(st.sampled_from([queue for queue in queues if queue]))
        fragments.append(queue.pop(0))
    wanted = [(f"id{number}", name, "".join(arguments)) for number, (name, arguments) in enumerate(calls)]
    assert put_together(*fragments) == wanted
