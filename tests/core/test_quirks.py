"""Each quirk of a host does to a request what it says, and nothing is left out in silence."""

from __future__ import annotations

import json
from typing import Any

import pytest

from segue import (
    FilePart,
    ImagePart,
    Message,
    Output,
    Policy,
    Request,
    Settings,
    TextPart,
    Tool,
    ToolName,
    UnsupportedError,
)
from segue.messages import read_messages
from segue.wire.openai_chat import QUIRKS, dialect, encode, takes_address

EVERYTHING = Request(
    messages=(Message(role="developer", content="d"), Message(role="user", content="x", name="ann")),
    tools=(Tool(name="f", strict=True), Tool(name="g", strict=True)),
    tool_choice="required",
    output=Output(name="a", json_schema={"type": "object"}),
    settings=Settings(
        max_tokens=9,
        seed=1,
        n=2,
        logprobs=True,
        top_logprobs=2,
        stop=("END",),
        frequency_penalty=1,
        presence_penalty=1,
        parallel_tool_calls=True,
        reasoning_effort="low",
        top_k=4,
    ),
    policy=Policy(meaning="notice"),
)


def sent(request: Request, *quirks: str) -> tuple[dict[str, Any], set[str]]:
    call = encode(request, model="m", base_url="http://127.0.0.1", headers={}, dialect=dialect(quirks))
    return json.loads(call.body), {notice.subject for notice in call.notices}


PLAIN_BODY, PLAIN_NOTICES = sent(EVERYTHING)


@pytest.mark.parametrize(
    ("quirk", "gone", "there", "noticed"),
    [
        ("any_for_required", {}, {"tool_choice": "any"}, set()),
        ("auto_for_required", {}, {"tool_choice": "auto"}, {"tool_choice"}),
        ("json_object_only", {}, {"response_format": {"type": "json_object"}}, {"schema"}),
        ("max_completion_tokens", {"max_tokens"}, {"max_completion_tokens": 9}, set()),
        ("no_logprobs", {"logprobs", "top_logprobs"}, {}, {"logprobs", "top_logprobs"}),
        ("no_n", {"n"}, {}, {"n"}),
        ("no_parallel_tool_calls", {"parallel_tool_calls"}, {}, {"parallel_tool_calls"}),
        ("no_penalties", {"frequency_penalty", "presence_penalty"}, {}, {"frequency_penalty", "presence_penalty"}),
        ("no_reasoning_effort", {"reasoning_effort"}, {}, {"reasoning_effort"}),
        ("no_seed", {"seed"}, {}, {"seed"}),
        ("no_stop", {"stop"}, {}, {"stop"}),
        ("no_stream_options", {"stream_options"}, {}, set()),
        ("random_seed", {"seed"}, {"random_seed": 1}, set()),
        ("reasoning_object", {"reasoning_effort"}, {"reasoning": {"effort": "low"}}, set()),
        ("top_k", set(), {"top_k": 4}, set()),
    ],
)
def test_a_quirk_changes_what_it_names_and_no_more(
    quirk: str, gone: set[str], there: dict[str, Any], noticed: set[str]
) -> None:
    """Beside what the quirk is about the body is the plain one; what was left out is told."""
    body, notices = sent(EVERYTHING, quirk)
    assert not gone & body.keys()
    assert {name: body[name] for name in there} == there
    rest = body.keys() - there.keys()
    assert {name: body[name] for name in rest} == {name: PLAIN_BODY[name] for name in rest}
    assert PLAIN_BODY.keys() - body.keys() == set(gone)
    wanted = PLAIN_NOTICES | noticed
    assert notices == (wanted - {"top_k"} if quirk == "top_k" else wanted)


def test_quirks_of_messages_and_tools() -> None:
    """Developer turns, names of speakers and strict tools are changed where they stand."""
    body, notices = sent(EVERYTHING, "system_for_developer", "no_names", "no_strict_tools")
    assert [message["role"] for message in body["messages"]] == ["system", "user"]
    assert "name" not in body["messages"][1]
    assert not any("strict" in tool["function"] for tool in body["tools"])
    assert notices == PLAIN_NOTICES | {"name", "strict"}


def test_a_json_mode_without_schema_may_be_lacking() -> None:
    """Where only schemas are taken, the bare mode is left out and told."""
    request = Request(messages=read_messages("x"), output=Output(), policy=Policy(meaning="notice"))
    body, notices = sent(request, "no_json_object")
    assert "response_format" not in body
    assert notices == {"schema"}


def test_a_forced_tool_is_only_offered_where_it_cannot_be_forced() -> None:
    """Naming one tool is another meaning: refused, unless the policy says otherwise."""
    request = Request(messages=read_messages("x"), tools=(Tool(name="f"),), tool_choice=ToolName(name="f"))
    with pytest.raises(UnsupportedError, match="tool_choice"):
        sent(request, "auto_for_required")


def test_one_answer_is_what_every_host_gives() -> None:
    """``n=1`` is no wish that a host without ``n`` could not meet."""
    body, notices = sent(Request(messages=read_messages("x"), settings=Settings(n=1)), "no_n")
    assert "n" not in body
    assert not notices


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (["no_sed"], "did you mean 'no_seed'"),
        (["zzz"], "there are any_for_required"),
        (["reasoning_back", "reasoning_content_back"], "exclude each other"),
    ],
)
def test_a_wrong_quirk_is_named(names: list[str], told: str) -> None:
    """An unknown one with the nearest, two of a kind together."""
    with pytest.raises(ValueError, match=told):
        dialect(names)


IMAGE = ImagePart(url="https://a.example/b.png")
FILE = FilePart(url="https://a.example/b.pdf")


@pytest.mark.parametrize(
    ("part", "quirks", "written"),
    [
        (IMAGE, (), {"type": "image_url", "image_url": {"url": IMAGE.url}}),
        (IMAGE, ("no_image_urls",), None),
        (FILE, (), None),
        (FILE, ("file_urls",), {"type": "file", "file": {"file_data": FILE.url}}),
    ],
)
def test_an_address_is_sent_to_hosts_that_take_it(
    part: ImagePart | FilePart, quirks: tuple[str, ...], written: dict[str, Any] | None
) -> None:
    """To any other host it is refused, in words that name the ways out; or left out, where the policy has it so."""
    messages = (Message(role="user", content=(TextPart(text="x"), part)),)
    assert takes_address(part, dialect(quirks)) is (written is not None)
    if written is None:
        with pytest.raises(UnsupportedError, match=r"give the bytes, or allow downloads") as caught:
            sent(Request(messages=messages), *quirks)
        assert caught.value.subject == part.type
    for meaning in ("notice", "send"):
        body, notices = sent(Request(messages=messages, policy=Policy(meaning=meaning)), *quirks)
        assert body["messages"][0]["content"][1:] == ([] if written is None else [written])
        assert notices == ({part.type} if written is None else set())


def test_marks_of_the_cache_go_where_they_are_taken() -> None:
    """At the part before them, in Anthropic's form; elsewhere they are left out, and that is told."""
    content = [{"type": "text", "text": "x", "cache_control": {"type": "ephemeral", "ttl": "1h"}}]
    request = Request(messages=read_messages([{"role": "user", "content": content}]))
    body, notices = sent(request, "cache_control")
    assert body["messages"] == [{"role": "user", "content": content}]
    assert notices == set()
    body, notices = sent(request)
    assert body["messages"] == [{"role": "user", "content": [{"type": "text", "text": "x"}]}]
    assert notices == {"cache"}


def test_an_address_may_end_with_chat() -> None:
    """Writer's does; the others' goes on with completions."""
    for quirks, end in (((), "/v1/chat/completions"), (("short_path",), "/v1/chat")):
        call = encode(EVERYTHING, model="m", base_url="http://127.0.0.1/v1", headers={}, dialect=dialect(quirks))
        assert call.url == f"http://127.0.0.1{end}"


def test_every_quirk_has_its_test() -> None:
    """None is without one in this file."""
    from pathlib import Path

    source = Path(__file__).read_text("utf-8")
    missing = [name for name in QUIRKS if f'"{name}"' not in source and not name.endswith("_back")]
    assert not missing


@pytest.mark.parametrize(
    ("quirk", "marks", "beside"),
    [
        ("prefill_prefix", {"prefix": True}, {}),
        ("prefill_partial", {"partial": True}, {}),
        ("prefill_continue", {}, {"continue_final_message": True, "add_generation_prompt": False}),
    ],
)
def test_a_beginning_of_the_answer_is_marked_as_its_host_wants(
    quirk: str, marks: dict[str, bool], beside: dict[str, bool]
) -> None:
    """A last turn of the model's has the host's own mark, and no other request has it."""
    asked = Message(role="user", content="hi")
    begun = Request(messages=(asked, Message(role="assistant", content="one two")))
    told, _ = sent(begun, quirk)
    assert told["messages"][-1] == {"role": "assistant", "content": "one two", **marks}
    assert {name: told[name] for name in ("continue_final_message", "add_generation_prompt") if name in told} == beside
    plain, _ = sent(Request(messages=(asked,)), quirk)
    assert plain["messages"] == [{"role": "user", "content": "hi"}]
    assert not beside.keys() & plain.keys()
