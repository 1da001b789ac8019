"""What each API supports. The page is generated from the encoders, so that it cannot become outdated."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from segue import (
    AudioPart,
    CachePart,
    FilePart,
    ImagePart,
    Message,
    Output,
    ReasoningPart,
    Request,
    Settings,
    TextPart,
    Tool,
    ToolCall,
    ToolName,
    UnsupportedError,
)
from segue.wire import anthropic_messages, openai_chat, openai_responses
from segue_bedrock.encode import encode as bedrock
from segue_cohere.encode import encode as cohere
from segue_google.encode import encode as google
from segue_mistral.encode import MISTRAL
from segue_ollama.encode import encode as ollama

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from segue.wire import Call

HERE: dict[str, Any] = {"base_url": "https://host.example", "headers": {}, "options": {}}
WIRES: Mapping[str, Callable[[Request], Call]] = {
    "Chat": partial(openai_chat.encode, model="m", **HERE),
    "Responses": partial(openai_responses.encode, model="m", **HERE),
    "Messages": partial(anthropic_messages.encode, model="claude-sonnet-5", max_tokens=4096, **HERE),
    "Gemini": partial(google, model="gemini-3.8-flash", **HERE),
    "Converse": partial(bedrock, model="anthropic.claude-sonnet-4-6", **HERE),
    "Cohere": partial(cohere, model="m", **HERE),
    "Mistral": partial(openai_chat.encode, model="m", dialect=MISTRAL, **HERE),
    "Ollama": partial(ollama, model="m", **HERE),
}

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
PNG = b"\x89PNG\r\n\x1a\n"
HI = Message(role="user", content="hi")
TOOL = Tool(name="look", parameters=SCHEMA)
CALL = Message(role="assistant", tool_calls=(ToolCall(id="call_1", name="look", arguments="{}"),))


def said(*parts: Any) -> Request:
    """A request whose one turn of the user has these parts."""
    return Request(messages=(Message(role="user", content=(TextPart(text="x"), *parts)),))


def answered(*parts: Any, **result: Any) -> Request:
    """A request in which a tool was called, with what it gave."""
    content = (TextPart(text="x"), *parts)
    told = Message(role="tool", tool_call_id="call_1", content=content, **result)
    return Request(messages=(HI, CALL, told), tools=(TOOL,))


def settings(**given: Any) -> Request:
    """A request with these settings."""
    return Request(messages=(HI,), settings=Settings(**given))


PROBES: Mapping[str, Request] = {
    "image, bytes": said(ImagePart(data=PNG)),
    "image, address": said(ImagePart(url="https://a.example/a.png")),
    "image, detail": said(ImagePart(data=PNG, detail="low")),
    "PDF, bytes": said(FilePart(data=b"%PDF-1.7", media_type="application/pdf", name="a.pdf")),
    "PDF, address": said(FilePart(url="https://a.example/a.pdf")),
    "PDF, id at the host": said(FilePart(id="file-1")),
    "text file": said(FilePart(data=b"x", media_type="text/plain", name="a.txt")),
    "citations of a file": said(FilePart(data=b"x", media_type="text/plain", citations=True)),
    "audio": said(AudioPart(data=b"x", format="wav")),
    "cache mark": said(CachePart()),
    "speaker name": Request(messages=(Message(role="user", content="x", name="Ada"),)),
    "system text in the middle of a conversation": Request(messages=(HI, Message(role="system", content="x"))),
    "tools": Request(messages=(HI,), tools=(TOOL,)),
    "call of a given tool required": Request(messages=(HI,), tools=(TOOL,), tool_choice=ToolName(name="look")),
    "tools, at least one call required": Request(messages=(HI,), tools=(TOOL,), tool_choice="required"),
    "strict tool": Request(messages=(HI,), tools=(TOOL.model_copy(update={"strict": True}),)),
    "image in a tool result": answered(ImagePart(data=PNG)),
    "tool error": answered(is_error=True),
    "tool call with free text": Request(
        messages=(HI, Message(role="assistant", tool_calls=(ToolCall(id="c", name="f", arguments="x", kind="custom"),)))
    ),
    "JSON schema": Request(messages=(HI,), output=Output(json_schema=SCHEMA)),
    "JSON without schema": Request(messages=(HI,), output=Output()),
    "readable reasoning, sent back": Request(
        messages=(HI, Message(role="assistant", content=(ReasoningPart(text="hm"), TextPart(text="x"))), HI)
    ),
    **{
        f"`{name}`": settings(**{name: value})
        for name, value in {
            "temperature": 0.5, "top_p": 0.5, "top_k": 4, "max_tokens": 9, "stop": ("x",), "seed": 1,
            "frequency_penalty": 0.5, "presence_penalty": 0.5, "n": 2, "logprobs": True,
            "reasoning_effort": "low",
        }.items()
    },
    "`parallel_tool_calls`": Request(messages=(HI,), tools=(TOOL,), settings=Settings(parallel_tool_calls=False)),
}  # fmt: skip


HEAD = """\
# Supported APIs

Segue speaks the HTTP APIs below; a page of this documentation that says *wire* means one of them. `openai_chat` is
the name of OpenAI's Chat Completions API, `openai_responses` of its Responses API, `anthropic_messages` of
Anthropic's Messages API. Gemini, Bedrock's Converse, Cohere's Chat, Mistral and Ollama have their own packages.
Many other hosts use Chat Completions or Responses, with [quirks](reference/configuration.md#quirks).

| column | package | providers |
|---|---|---|
| Chat, Responses | `segue-openai`, `segue-hosts` | `openai`, `azure`, and hosts with the same API |
| Messages | `segue-anthropic` | `anthropic`, also on Vertex AI |
| Gemini | `segue-google` | `google`, `vertex` |
| Converse | `segue-bedrock` | `bedrock` |
| Cohere | `segue-cohere` | `cohere` |
| Mistral | `segue-mistral` | `mistral` |
| Ollama | `segue-ollama` | `ollama` |

## What each API supports

The encoder of each API generated this table.

- **yes**: the API supports it.
- **notice**: the request is sent, and a notice in `reply.notices` says what was left out or done in another way.
- **refused**: leaving it out would change the question, so nothing is sent, unless the call's `policy` allows it.

The facts of a *model* say what the model lacks ([models](models.md)). A schema that a model does not support is
requested through a tool or in the prompt."""
TAIL = """\
Some parts go back only to the host that sent them: signatures, encrypted or redacted reasoning, calls and results
of the host's own tools, and blocks that Segue has no part for (`NativePart`, only with its own API). If an answer
contains something that Segue does not read, one notice says so.

## Messages of the encoders
"""


def outcome(encode: Callable[[Request], Call], request: Request) -> tuple[str, str]:
    """The result of encoding a request: ``yes``, ``notice`` or ``refused``; and why."""
    try:
        call = encode(request)
    except UnsupportedError as error:
        return "refused", str(error).removesuffix("; nothing was sent")
    # Converse adds this notice to every named file, whatever the row is about.
    notices = [notice for notice in call.notices if notice.subject != "file name"]
    return ("notice", "; ".join(notice.message for notice in notices)) if notices else ("yes", "")


def wires_page() -> str:
    """The page."""
    lines = [
        *HEAD.splitlines(),
        "",
        "| | " + " | ".join(WIRES) + " |",
        "|---|" + "---|" * len(WIRES),
    ]
    reasons: list[str] = []
    for name, request in PROBES.items():
        found = {wire: outcome(encode, request) for wire, encode in WIRES.items()}
        cells = ["yes" if what == "yes" else f"*{what}*" for what, _ in found.values()]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
        why: dict[str, list[str]] = {}
        for wire, (what, reason) in found.items():
            if what != "yes":
                why.setdefault(f"{what}: {reason}", []).append(wire)
        if why:
            reasons += [f"- **{name}**", *(f"    - {', '.join(of)}: {reason}" for reason, of in why.items())]
    return "\n".join([*lines, "", *TAIL.splitlines(), "", *reasons, ""])
