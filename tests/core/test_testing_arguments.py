"""A scripted host refuses a wrong argument in the line of the test that gives it."""

from __future__ import annotations

import math
from typing import Any

import pytest

from segue.testing import Answer, Body, Cut, Drop, Garbage, OpenAIHost, Raw, ScriptedHost, Stall, Status, in_thread

WRONG: list[tuple[str, tuple[Any, ...], dict[str, Any], str]] = [
    ("does", ("503",), {}, r"does\(steps=<tuple>\): steps\[0\] must be a step: Answer\(…\), .*, not '503'"),
    ("does", (503,), {}, r"steps\[0\] must be a step"),
    ("does", (Stall,), {}, r"steps\[0\] must be a step: .*, not <class Stall>"),
    ("does", ([Status(503)],), {}, r"steps\[0\] must be a step: .*, not <list>"),
    ("does", (), {}, "steps must be one or more steps"),
    ("does", (Status(503),), {"times": 0}, r"does\(times=0\): times must be a whole number of at least 1"),
    ("does", (Status(503),), {"times": "2"}, "times must be a whole number"),
    ("does", (Status(503),), {"time": 2}, "unknown argument 'time'; did you mean 'times'"),
    ("answers", ({"a": 1},), {}, r"answers\(texts=<tuple>\): texts\[0\] must be text, not <dict>"),
    ("answers", (["a", "b"],), {}, r"texts\[0\] must be text, not <list>"),
    ("answers", ("a", 5), {}, r"texts\[1\] must be text, not 5"),
    ("answers", (b"a",), {}, r"texts\[0\] must be text, not <bytes>"),
    ("answers", (None,), {}, r"texts\[0\] must be text, not None"),
    ("answers", (), {}, "texts must be one or more texts"),
    ("fails", (99,), {}, r"fails\(status=99\): status must be a whole number of at least 300"),
    ("fails", (200,), {}, "status must be a whole number of at least 300"),
    ("fails", (600,), {}, "status must be a whole number .* at most 599"),
    ("fails", ("503",), {}, "status must be a whole number"),
    ("fails", (True,), {}, "status must be a whole number"),
    ("fails", (503,), {"times": -1}, "times must be a whole number"),
    ("fails", (503,), {"retry_after": 2}, r"fails\(retry_after=2\): retry_after must be text, as in the header"),
    ("fails", (503,), {"code": 5}, "code must be text, or None"),
    ("fails", (503,), {"message": None}, "message must be text"),
    ("fails", (503,), {"count": 2}, "unknown argument 'count'"),
    ("calls_tool", (lambda: 1,), {}, r"calls_tool\(name=<function <lambda>>\): name must be text"),
    ("calls_tool", ("",), {}, "name must be text, not empty"),
    ("calls_tool", ("f", 5), {}, "arguments must be text, or a dict of values that JSON can express"),
    ("calls_tool", ("f", [1]), {}, "arguments must be text, or a dict"),
    ("calls_tool", ("f", {"a": object()}), {}, r"arguments\['a'\] must be a value that JSON can express, not <object>"),
    ("calls_tool", ("f", {"a": math.nan}), {}, r"arguments\['a'\] must be a number that JSON can express, not nan"),
]
MADE: list[tuple[Any, tuple[Any, ...], dict[str, Any], str]] = [
    (Answer, (5,), {}, r"Answer\(text=5\): text must be text, or None"),
    (Answer, (), {"tokens": "abc"}, "tokens must be a list of texts"),
    (Answer, (), {"tokens": [1]}, r"tokens\[0\] must be text"),
    (Answer, (), {"framing": "chunks"}, "framing must be 'chunked', 'length' or 'close'"),
    (Answer, (), {"tool_calls": ["f"]}, r"tool_calls\[0\] must be a tuple of the name"),
    (Answer, (), {"tool_calls": [("f", 5)]}, r"tool_calls\[0\]\[1\] must be text, or a dict"),
    (Answer, (), {"headers": {"x": 5}}, r"headers\['x'\] must be text"),
    (Answer, (), {"cached_tokens": -1}, "cached_tokens must be a whole number"),
    (Status, (99,), {}, r"Status\(status=99\): status must be a whole number of at least 100"),
    (Status, ("503",), {}, "status must be a whole number"),
    (Status, (503,), {"body": "text"}, "body must be bytes"),
    (Status, (503,), {"retry_after": 2}, "retry_after must be text"),
    (Stall, ("head",), {}, "where must be 'headers', 'first_event' or 'middle'"),
    (Stall, ("middle",), {"after_tokens": -1}, "after_tokens must be a whole number"),
    (Cut, (-1,), {}, "after must be a whole number"),
    (Cut, (1,), {"how": "fin"}, "how must be 'close' or 'reset'"),
    (Drop, ("later",), {}, "when must be 'accept' or 'request'"),
    (Garbage, ("text",), {}, "body must be bytes"),
    (Raw, ("text",), {}, "data must be bytes"),
    (Body, ("text",), {}, "body must be bytes"),
    (Body, (b"x",), {"split": 0}, "split must be a number of bytes, a list of offsets, or None"),
    (OpenAIHost, (), {"answer": 5}, r"OpenAIHost\(answer=5\): answer must be text, a list of texts, or a function"),
    (OpenAIHost, (), {"answer": lambda: "x"}, "answer must be text"),
    (OpenAIHost, (), {"script": Status(503)}, "script must be a list of at least one step"),
    (OpenAIHost, (), {"script": []}, "script must be a list of at least one step"),
    (OpenAIHost, (), {"script": ["503"]}, r"script\[0\] must be a step"),
    (OpenAIHost, (), {"framing": "none"}, "framing must be"),
    (OpenAIHost, (), {"pace": -1}, "pace must be a number of seconds"),
    (lambda: in_thread(OpenAIHost).__enter__(), (), {}, "host must be a host, such as OpenAIHost"),  # type: ignore[type-var]
]


@pytest.mark.parametrize(("method", "args", "named", "told"), WRONG)
def test_a_wrong_step_is_refused_in_the_line_of_the_test(
    segue_host: OpenAIHost, method: str, args: tuple[Any, ...], named: dict[str, Any], told: str
) -> None:
    """In one line, with the argument, what came and what is wanted; the script stays as it was."""
    with pytest.raises((TypeError, ValueError), match=told) as caught:
        getattr(segue_host, method)(*args, **named)
    assert "\n" not in str(caught.value)
    assert segue_host._script.take() == Answer()


@pytest.mark.parametrize(("kind", "args", "named", "told"), MADE)
def test_a_wrong_step_cannot_be_made(kind: Any, args: tuple[Any, ...], named: dict[str, Any], told: str) -> None:
    """Nor a host."""
    with pytest.raises((TypeError, ValueError), match=told):
        kind(*args, **named)


def test_every_field_of_a_step_is_checked() -> None:
    """A new field is too: no object is right for one."""
    for kind, good in (
        (Answer, {}), (Status, {"status": 500}), (Stall, {"where": "middle"}), (Cut, {"after": 1}), (Drop, {}),
        (Garbage, {}), (Raw, {"data": b""}), (Body, {"body": b""}),
    ):  # fmt: skip
        make: Any = kind
        for name in kind.__dataclass_fields__:
            if name != "_":
                with pytest.raises((TypeError, ValueError), match=name):
                    make(**{**good, name: object()})


def test_right_steps_are_taken() -> None:
    """Each form that the documentation shows."""
    host = ScriptedHost(answer=lambda received: [received.path], script=[Answer("x")], split=[3, 7], pace=0.1)
    host.does(Status(503), Drop("accept", how="reset"), times=2)
    host.answers("", "b")
    host.fails(429, times=1, code="rate", retry_after="2")
    OpenAIHost(answer=["a", "b"]).calls_tool("f", "not JSON")
    assert host._script.take() == Answer("x")
