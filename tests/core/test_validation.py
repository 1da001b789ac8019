"""What is said is checked by pydantic where it must be, and costs nothing of it where it need not."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import os
import pickle
import subprocess
import sys
from typing import Any

import pytest
from pydantic import BaseModel, TypeAdapter, ValidationError

import segue.messages
from segue import (
    ImagePart,
    Message,
    Needs,
    Request,
    Settings,
    TextPart,
    Tool,
    ToolCall,
)
from segue.testing import OpenAIHost
from segue.validation import Value, filled, unset

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 8

VALUES = (
    Message(role="user", content=[TextPart(text="a"), ImagePart(data=PNG)]),
    Message(role="assistant", tool_calls=[ToolCall(id="c", name="f", arguments="{}", opaque="x", origin="openai")]),
    Tool(name="f", parameters={"type": "object", "properties": {"a": {"type": "string"}}}),
    Settings(temperature=0.5, stop="END"),
)

KINDS = [
    kind
    for kind in vars(segue.messages).values()
    if isinstance(kind, type) and issubclass(kind, Value) and kind is not Value
]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_a_value_is_kept_as_json_and_read_again(value: Any) -> None:
    """As a conversation that is stored; also pickled, copied, and as tables."""
    kind = type(value)
    assert kind.model_validate_json(value.model_dump_json()) == value
    assert kind.model_validate(value.model_dump()) == value
    assert kind.model_validate(value) is value
    assert pickle.loads(pickle.dumps(value)) == copy.deepcopy(value) == value.model_copy(deep=True) == value
    assert dataclasses.replace(value) == value


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_no_value_can_be_changed(kind: type[Value]) -> None:
    """Nor can one lose a field, or be given one that it has not."""
    value = filled(kind, {field.name: None for field in dataclasses.fields(kind)})  # type: ignore[arg-type]
    with pytest.raises(dataclasses.FrozenInstanceError):
        value.text = "x"  # type: ignore[attr-defined]
    with pytest.raises(dataclasses.FrozenInstanceError):
        del value.text  # type: ignore[attr-defined]
    with pytest.raises(TypeError, match="unknown"):
        kind(unknown=1)
    assert hash(value) == hash(filled(kind, dict(vars(value))))
    assert repr(value).startswith(f"{kind.__name__}(")


def test_a_value_is_a_field_of_models_of_others() -> None:
    """As FastAPI and pydantic's own models take dataclasses: read from the OpenAI form, written as ours."""

    class Thread(BaseModel):
        title: str
        messages: list[Message]

    told = {"title": "t", "messages": [{"role": "user", "content": [{"type": "text", "text": "a"}]}]}
    thread = Thread.model_validate(told)
    assert thread.messages == [Message(role="user", content=(TextPart(text="a"),))]
    assert Thread.model_validate_json(thread.model_dump_json()) == thread
    assert "role" in TypeAdapter(Message).json_schema()["properties"]
    assert Message.model_json_schema()["required"] == ["role"]
    with pytest.raises(ValidationError, match="only a tool"):
        Thread.model_validate({"title": "t", "messages": [{"role": "user", "content": "x", "is_error": True}]})


def test_what_is_wrong_does_not_show_what_stands_beside_it() -> None:
    """A validation error goes into logs."""
    with pytest.raises(ValueError, match=r"^Message\(role='robot'\): role must be 'system', .*$") as caught:
        Message(role="robot", content="canary")  # type: ignore[arg-type]
    assert "canary" not in str(caught.value)
    assert caught.value.__context__ is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("temperature", float("nan")),
        ("top_p", float("inf")),
        ("max_tokens", 0),
        ("n", 0),
        ("top_logprobs", -1),
        ("reasoning_effort", "huge"),
    ],
)
def test_a_setting_outside_of_its_limits_is_refused(name: str, value: Any) -> None:
    """The error names it."""
    with pytest.raises(ValueError, match=rf"^Settings\({name}=[^\n]*\): {name} must be [^\n]*$"):
        Settings(**{name: value})


def test_what_is_unset_is_what_a_check_of_nothing_gives() -> None:
    """And each has tables of its own."""
    assert unset(Settings) == Settings()
    assert unset(Settings).given() == {}
    one, other = (Request(messages=(Message(role="user", content="x"),)) for _ in range(2))
    assert one == other
    assert one.options is not other.options
    assert one.needs == Needs()


def test_fields_are_given_by_name() -> None:
    """As the type checker has it."""
    with pytest.raises(TypeError):
        TextPart("x")  # type: ignore[misc]
    assert [field.name for field in dataclasses.fields(TextPart)] == ["type", "text"]  # type: ignore[arg-type]
    assert "fields" in inspect.signature(TextPart).parameters


SAY = """
import asyncio, sys
from segue import Client

async def main():
    async with Client() as client:
        async with client.stream("Hello", model="openai/m", temperature={temperature}) as stream:
            async for event in stream:
                pass
            reply = await stream.reply()
        assert reply.text and reply.message.text, reply
    print(sorted({{name.partition(".")[0] for name in sys.modules}} & {{{names}}}))

asyncio.run(main())
"""


async def test_who_says_plain_text_imports_no_pydantic(tmp_path: Any) -> None:
    """Nor what else only others need: they would be half of what a first answer costs. A setting is checked by it."""
    import asyncio

    names = '"pydantic", "pydantic_core", "click", "rich", "tomllib", "difflib", "configparser"'
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("COVERAGE", "SEGUE"))}
    async with OpenAIHost() as host:
        environ |= {"OPENAI_API_KEY": "sk-x", "OPENAI_BASE_URL": host.url, "HOME": str(tmp_path)}
        for temperature, expected in ((None, "[]"), (0.5, "['pydantic', 'pydantic_core']")):
            code = SAY.format(temperature=temperature, names=names)
            if temperature is None:
                code = code.replace(", temperature=None", "")
            told = await asyncio.to_thread(
                subprocess.run,
                [sys.executable, "-c", code],
                check=False, capture_output=True, text=True, env=environ, cwd=tmp_path,
            )  # fmt: skip
            assert (told.returncode, told.stdout.strip()) == (0, expected), told.stderr
