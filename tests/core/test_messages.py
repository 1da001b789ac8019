"""Messages, parts, tools and schemas as callers write them, and what is wrong with them in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import pytest
from pydantic import BaseModel

from segue import (
    AudioPart,
    FilePart,
    ImagePart,
    InvalidOutputError,
    Message,
    Output,
    Policy,
    RefusalPart,
    Request,
    TextPart,
    Tool,
    ToolCall,
    ToolName,
)
from segue.messages import read_messages, read_tools

if TYPE_CHECKING:
    from pathlib import Path

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 8


@pytest.mark.parametrize(
    ("data", "media_type"),
    [
        (PNG, "image/png"),
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"GIF87a", "image/gif"),
        (b"GIF89a", "image/gif"),
        (b"RIFF\0\0\0\0WEBP", "image/webp"),
    ],
)
def test_an_images_kind_is_told_by_its_first_bytes(data: bytes, media_type: str, tmp_path: Path) -> None:
    """Also where the file's name lies."""
    path = tmp_path / "picture.txt"
    path.write_bytes(data)
    assert ImagePart.from_file(path).media_type == media_type


def test_sound_and_documents_are_read_from_files(tmp_path: Path) -> None:
    """Sound has its suffix for a format, a document its name and media type."""
    (tmp_path / "a.WAV").write_bytes(b"RIFF")
    (tmp_path / "b.pdf").write_bytes(b"%PDF")
    assert AudioPart.from_file(tmp_path / "a.WAV") == AudioPart(data=b"RIFF", format="wav")
    document = FilePart.from_file(tmp_path / "b.pdf")
    assert (document.name, document.media_type, document.data) == ("b.pdf", "application/pdf", b"%PDF")


def test_no_part_shows_its_bytes() -> None:
    """A repr in a log is short, and holds no picture."""
    parts = (ImagePart(data=PNG), AudioPart(data=PNG, format="wav"), FilePart(data=PNG, media_type="a/b"))
    assert not any("PNG" in repr(part) for part in parts)


OPENAI_FORM: list[tuple[dict[str, Any], Any]] = [
    ({"type": "text", "text": "a"}, TextPart(text="a")),
    (
        {"type": "image_url", "image_url": {"url": "https://a.example/b.png", "detail": "low"}},
        ImagePart(url="https://a.example/b.png", detail="low"),
    ),
    ({"type": "image_url", "image_url": "https://a.example/b.png"}, ImagePart(url="https://a.example/b.png")),
    (
        {"type": "image_url", "image_url": {"url": "data:image/webp;base64,AAAA"}},
        ImagePart(data=b"\0\0\0", media_type="image/webp"),
    ),
    (
        {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "mp3"}},
        AudioPart(data=b"\0\0\0", format="mp3"),
    ),
    (
        {"type": "file", "file": {"file_data": "data:application/pdf;base64,AAAA", "filename": "a.pdf"}},
        FilePart(data=b"\0\0\0", media_type="application/pdf", name="a.pdf"),
    ),
    ({"type": "file", "file": {"file_id": "f-1"}}, FilePart(id="f-1")),
    (
        {"type": "file", "file": {"file_data": "https://a.example/b.pdf", "filename": "b.pdf"}},
        FilePart(url="https://a.example/b.pdf", name="b.pdf"),
    ),
    ({"type": "refusal", "refusal": "no"}, RefusalPart(refusal="no")),
]


@pytest.mark.parametrize(("given", "part"), OPENAI_FORM)
def test_parts_in_the_openai_form_are_read(given: dict[str, Any], part: Any) -> None:
    """Each is the same as our own part."""
    [message] = read_messages([{"role": "assistant", "content": [given]}])
    assert message.content == (part,)


def test_a_dumped_answer_of_the_sdk_is_a_message() -> None:
    """With its empty fields, its refusal and its calls."""
    given = {
        "role": "assistant",
        "content": None,
        "refusal": "no",
        "audio": None,
        "annotations": [],
        "function_call": None,
        "tool_calls": [{"id": "c", "type": "custom", "custom": {"name": "f", "input": "x"}}],
    }
    [message] = read_messages([given])
    assert message.parts == (RefusalPart(refusal="no"),)
    assert message.tool_calls == (ToolCall(id="c", name="f", arguments="x", kind="custom"),)
    assert read_messages([{"role": "assistant", "content": "x", "tool_calls": None}])[0].text == "x"


@pytest.mark.parametrize(
    ("message", "told"),
    [
        ({"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x", "size": 1}}]}, "field 'size'"),
        ({"role": "user", "content": [{"type": "image_url", "image_url": 7}]}, "must be a dict"),
        ({"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:a;base64,?"}}]}, "not base64"),
        ({"role": "user", "content": [{"type": "image", "data": b"?"}]}, "media_type"),
        ({"role": "user", "content": [{"type": "file", "file": {"file_data": "JVBERi0="}}]}, "a URL starts with data:"),
        ({"role": "user", "content": [{"type": "file", "data": b"?", "name": "a"}]}, "media_type"),
        ({"role": "user", "content": [{"type": "file"}]}, "either data or url or id"),
        ({"role": "user", "content": [{"type": "film"}]}, "content"),
        ({"role": "user", "content": "x", "tool_calls": [{"id": "c", "name": "f"}]}, "only an assistant"),
        ({"role": "tool", "content": "x"}, "tool_call_id"),
        ({"role": "user", "content": "x", "tool_call_id": "c"}, "tool_call_id"),
        ({"role": "assistant", "tool_calls": [{"id": "c", "type": "magic"}]}, "function or custom"),
        ({"role": "user", "contents": "x"}, "contents"),
    ],
)
def test_a_wrong_message_says_what_is_wrong(message: dict[str, Any], told: str) -> None:
    """On one line, with its place."""
    with pytest.raises(ValueError, match=told) as caught:
        read_messages([message])
    assert str(caught.value).startswith("read_messages(messages=<list>): messages[0]")
    assert "\n" not in str(caught.value)


def test_no_messages_are_refused() -> None:
    """An empty list says nothing."""
    with pytest.raises(ValueError, match="empty"):
        read_messages([])


def look(where: Annotated[str, "the place"], far: bool = False, /) -> str:
    return where


def listen(*what: str) -> str:
    return "".join(what)


def smell(what) -> str:  # type: ignore[no-untyped-def]
    return str(what)


@pytest.mark.parametrize("function", [look, listen, smell])
def test_a_function_that_is_no_tool_is_refused(function: Any) -> None:
    """Parameters need names and types."""
    with pytest.raises(TypeError, match=function.__name__):
        Tool.of(function)


def test_tools_come_in_three_forms() -> None:
    """A declaration, the OpenAI form, a function."""

    def ring(times: int) -> None:
        """Ring the bell."""

    table = {"type": "function", "function": {"name": "sing", "parameters": {"type": "object"}, "strict": None}}
    tools = read_tools([Tool(name="dance"), table, ring])
    assert [tool.name for tool in tools] == ["dance", "sing", "ring"]
    assert tools[2].description == "Ring the bell."
    assert tools[2].parameters["required"] == ["times"]


def test_a_choice_of_a_tool_may_be_its_name() -> None:
    """Or the OpenAI form of it."""
    for choice in ("sing", {"type": "function", "function": {"name": "sing"}}, ToolName(name="sing")):
        request = Request(messages=read_messages("x"), tools=(Tool(name="sing"),), tool_choice=choice)  # type: ignore[arg-type]
        assert request.tool_choice == ToolName(name="sing")


def test_arguments_are_a_table_or_an_error() -> None:
    """None at all are an empty one."""
    assert ToolCall(id="c", name="f", arguments=" ").args == {}
    assert ToolCall(id="c", name="f", arguments='{"a":1}').args == {"a": 1}
    with pytest.raises(InvalidOutputError, match="'f'"):
        _ = ToolCall(id="c", name="f", arguments="[1]").args


class Open(BaseModel):
    """Has a table with any keys."""

    counts: dict[str, int]
    rest: list[dict[str, int]] = []


class Closed(BaseModel):
    properties: int = 1
    default: str | None = None


def test_a_model_with_free_keys_is_not_called_strict() -> None:
    """A strict host would refuse its schema; of a closed one every field is asked for."""
    assert Output.of(Open).strict is False
    closed = Output.of(Closed)
    assert closed.strict is True
    assert closed.json_schema is not None
    assert closed.json_schema["required"] == ["properties", "default"]
    assert "default" not in closed.json_schema["properties"]["properties"]


def test_a_schemas_title_is_its_name() -> None:
    """In letters that hosts take."""
    assert Output.of({"title": "Größe & Form", "type": "object"}).name == "Gr__e___Form"
    assert Output.of({"type": "object"}).name == "answer"


def test_a_request_says_what_it_needs() -> None:
    """By what it contains: sound, images, documents, tools that may be called, a schema."""
    content = (TextPart(text="?"), ImagePart(url="https://a"), AudioPart(data=b"", format="wav"), FilePart(id="f"))
    request = Request(
        messages=(Message(role="user", content=content),),
        tools=(Tool(name="f"),),
        output=Output.of(Closed),
        policy=Policy(tuning="send"),
    )
    assert [need.name for need in request.implied_needs()] == ["vision", "audio", "files", "tools", "json_schema"]
    silent = request.model_copy(update={"tool_choice": "none", "output": Output()})
    assert [need.name for need in silent.implied_needs()] == ["vision", "audio", "files"]
