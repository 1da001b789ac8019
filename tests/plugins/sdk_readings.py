"""What the vendors' own SDKs make of an answer, in the words of a cassette's ``expected``.

Each asks a loopback host that plays the cassette, so that its transport and its stream reader are tried too.
"""

from __future__ import annotations

import json
import warnings
from contextlib import ExitStack
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from segue.testing import ScriptedHost, in_thread

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from segue.testing import Cassette

Told = dict[str, Any]

ASKED = [{"role": "user", "content": "Hello"}]


def reading(cassette: Cassette) -> Told:
    """The SDK's reading, with the SDK's name; AssertionError where the SDK says nothing of what it should."""
    read = READERS[cassette.api]
    with in_thread(ScriptedHost(script=[cassette.step()])) as host, warnings.catch_warnings(), ExitStack() as stack:
        warnings.simplefilter("ignore")  # the SDKs' own
        told = read(host.url, cassette.response.is_stream, stack)
    return {name: value for name, value in told.items() if value is not None}


def _joined(pieces: Iterable[str | None]) -> str:
    return "".join(piece for piece in pieces if piece)


def _call(name: str, arguments: Any, call_id: str | None = None) -> Told:
    """A tool call whose arguments are a text of the wire, or an object."""
    if isinstance(arguments, str):
        told = {"name": name, "arguments": json.loads(arguments or "{}"), "arguments_raw": arguments}
    else:
        told = {"name": name, "arguments": dict(arguments or {})}
    return told if call_id is None else {**told, "id": call_id}


# ── Cohere ───────────────────────────────────────────────────────────────────────────────────────────


def _cohere(url: str, stream: bool, stack: ExitStack) -> Told:
    import cohere

    client = stack.enter_context(cohere.ClientV2(api_key="k", base_url=url))
    asked: Any = {"model": "m", "messages": ASKED}
    told: Told = {"oracle": f"cohere {version('cohere')}: ClientV2.chat{'_stream' if stream else ''}"}
    if not stream:
        whole = client.chat(**asked)
        parts = whole.message.content or []
        calls = whole.message.tool_calls or []
        tokens = whole.usage.tokens if whole.usage else None
        return told | {
            "text": _joined(getattr(part, "text", None) for part in parts),
            "reasoning_text": _joined(getattr(part, "thinking", None) for part in parts),
            "tool_plan": whole.message.tool_plan,
            "tool_calls": [_call(call.function.name, call.function.arguments or "", call.id) for call in calls],
            "finish_reason": whole.finish_reason,
            "response_id": whole.id,
            "input_tokens": tokens and int(tokens.input_tokens or 0),
            "output_tokens": tokens and int(tokens.output_tokens or 0),
        }
    text, thinking, plan = "", "", ""
    calls_of: dict[int, list[str]] = {}
    for event in client.chat_stream(**asked):
        match event.type:
            case "message-start":
                told["response_id"] = event.id
            case "content-start" | "content-delta":
                content = event.delta.message.content
                text += content.text or ""
                thinking += content.thinking or ""
            case "tool-plan-delta":
                plan += event.delta.message.tool_plan
            case "tool-call-start":
                call = event.delta.message.tool_calls
                calls_of[event.index] = [call.id, call.function.name, call.function.arguments]
            case "tool-call-delta":
                calls_of[event.index][2] += event.delta.message.tool_calls.function.arguments
            case "message-end":
                told["finish_reason"] = event.delta.finish_reason
                if event.delta.error:
                    told["error"] = event.delta.error
                if event.delta.usage is not None and event.delta.usage.tokens is not None:
                    told["input_tokens"] = int(event.delta.usage.tokens.input_tokens)
                    told["output_tokens"] = int(event.delta.usage.tokens.output_tokens)
            case _:
                pass
    return told | {
        "text": text,
        "reasoning_text": thinking,
        "tool_plan": plan or None,
        "tool_calls": [_call(name, arguments, call_id) for call_id, name, arguments in calls_of.values()],
    }


def _cohere_embed(url: str, _: bool, stack: ExitStack) -> Told:
    import cohere

    client = stack.enter_context(cohere.ClientV2(api_key="k", base_url=url))
    given = client.embed(model="m", texts=["Hello"], input_type="search_document", embedding_types=["float"])
    assert given.meta is not None
    assert given.meta.billed_units is not None
    return {
        "oracle": f"cohere {version('cohere')}: ClientV2.embed",
        "embeddings": _vectors(given.embeddings.float_),
        "input_tokens": int(given.meta.billed_units.input_tokens),
    }


def _vectors(vectors: Any) -> Told:
    return {"count": len(vectors), "dims": len(vectors[0]), "first8": list(vectors[0][:8])}


# ── Google ───────────────────────────────────────────────────────────────────────────────────────────


def _google(url: str, stream: bool, stack: ExitStack) -> Told:
    from google import genai
    from google.genai import errors, types

    client = stack.enter_context(genai.Client(api_key="k", http_options=types.HttpOptions(base_url=url)))
    name = f"generate_content{'_stream' if stream else ''}"
    told: Told = {"oracle": f"google-genai {version('google-genai')}: {name}"}
    text, thinking, calls, signatures = "", "", [], 0
    try:
        asked = {"model": "m", "contents": "Hello"}
        chunks = client.models.generate_content_stream(**asked) if stream else [client.models.generate_content(**asked)]
        for chunk in chunks:
            candidate = (chunk.candidates or [None])[0]
            for part in (candidate.content.parts if candidate and candidate.content else None) or []:
                if part.function_call is not None:
                    calls.append(_call(part.function_call.name, part.function_call.args, part.function_call.id))
                elif part.thought:
                    thinking += part.text or ""
                else:
                    text += part.text or ""
                signatures += part.thought_signature is not None
            if candidate and candidate.finish_reason:
                told["finish_reason"] = candidate.finish_reason.value
            if chunk.usage_metadata is not None:
                counts = chunk.usage_metadata
                told |= {
                    "input_tokens": counts.prompt_token_count, "output_tokens": counts.candidates_token_count,
                    "total_tokens": counts.total_token_count, "reasoning_tokens": counts.thoughts_token_count,
                }  # fmt: skip
            told |= {"model": chunk.model_version, "response_id": chunk.response_id}
    except errors.APIError as error:
        told |= {"error": error.message, "status": error.code}
    if signatures:
        told["n_signatures"] = signatures
    return told | {"text": text, "reasoning_text": thinking, "tool_calls": calls}


def _google_embed(url: str, _: bool, stack: ExitStack) -> Told:
    from google import genai
    from google.genai import types

    client = stack.enter_context(genai.Client(api_key="k", http_options=types.HttpOptions(base_url=url)))
    given = client.models.embed_content(model="gemini-embedding-001", contents="Hello")
    vectors = [one.values for one in given.embeddings or []]
    return {"oracle": f"google-genai {version('google-genai')}: embed_content", "embeddings": _vectors(vectors)}


# ── Bedrock ──────────────────────────────────────────────────────────────────────────────────────────


def _bedrock(url: str, stream: bool, stack: ExitStack) -> Told:
    import botocore.session
    from botocore.config import Config

    client = botocore.session.get_session().create_client(
        "bedrock-runtime", region_name="us-east-1", endpoint_url=url, aws_access_key_id="k", aws_secret_access_key="s",
        config=Config(retries={"max_attempts": 0}, proxies={}),
    )  # fmt: skip
    stack.callback(client.close)
    asked: Any = {"modelId": "m", "messages": [{"role": "user", "content": [{"text": "Hello"}]}]}
    name = "converse_stream + event accumulation" if stream else "converse"
    told: Told = {"oracle": f"botocore {version('botocore')}: {name}"}
    text, thinking, calls = "", "", []
    for block in _converse(client, asked, stream, told):
        if "text" in block:
            text += block["text"]
        elif "reasoningContent" in block:
            thinking += block["reasoningContent"]["reasoningText"]["text"]
        else:
            call = block["toolUse"]
            calls.append(_call(call["name"], call["input"], call["toolUseId"]))
    return told | {"text": text, "reasoning_text": thinking, "tool_calls": calls}


def _converse(client: Any, asked: Any, stream: bool, told: Told) -> Iterable[Any]:
    """The blocks of the answer's content, whole."""
    if not stream:
        whole = client.converse(**asked)
        told["finish_reason"] = whole["stopReason"]
        _counts(whole["usage"], told)
        yield from whole["output"]["message"]["content"]
        return
    from botocore.exceptions import EventStreamError

    blocks: dict[int, Any] = {}
    try:
        for event in client.converse_stream(**asked)["stream"]:
            _take(event, blocks, told)
    except EventStreamError as error:
        told["error"] = error.response["Error"]["Message"]
    yield from blocks.values()


def _take(event: Any, blocks: dict[int, Any], told: Told) -> None:
    match event:
        case {"contentBlockStart": {"contentBlockIndex": index, "start": start}}:
            blocks[index] = {"toolUse": {**start["toolUse"], "input": ""}}
        case {"contentBlockDelta": {"contentBlockIndex": index, "delta": {"text": piece}}}:
            blocks[index] = {"text": blocks.get(index, {"text": ""})["text"] + piece}
        case {"contentBlockDelta": {"contentBlockIndex": index, "delta": {"toolUse": {"input": piece}}}}:
            blocks[index]["toolUse"]["input"] += piece
        case {"contentBlockDelta": {"contentBlockIndex": index, "delta": {"reasoningContent": {"text": piece}}}}:
            before = blocks.get(index, {"reasoningContent": {"reasoningText": {"text": ""}}})
            whole_text = before["reasoningContent"]["reasoningText"]["text"] + piece
            blocks[index] = {"reasoningContent": {"reasoningText": {"text": whole_text}}}
        case {"messageStop": {"stopReason": reason}}:
            told["finish_reason"] = reason
        case {"metadata": {"usage": usage}}:
            _counts(usage, told)
        case _:
            pass


def _counts(usage: Any, told: Told) -> None:
    told |= {
        "input_tokens": usage["inputTokens"], "output_tokens": usage["outputTokens"],
        "total_tokens": usage["totalTokens"],
    }  # fmt: skip


# ── Mistral ──────────────────────────────────────────────────────────────────────────────────────────


def _mistral(url: str, stream: bool, stack: ExitStack) -> Told:
    from mistralai.client import Mistral

    told: Told = {"oracle": f"mistralai {version('mistralai')}: chat.{'stream' if stream else 'complete'}"}
    text, thinking = "", ""
    calls: dict[str, Told] = {}
    client = stack.enter_context(Mistral(api_key="k", server_url=url))
    asked: Any = {"model": "m", "messages": ASKED}
    chunks = (event.data for event in client.chat.stream(**asked)) if stream else [client.chat.complete(**asked)]
    for chunk in chunks:
        choice = chunk.choices[0]
        said = choice.delta if stream else choice.message
        for part in [said.content] if isinstance(said.content, str) else said.content or []:
            if isinstance(part, str):
                text += part
            elif part.type == "thinking":
                thinking += "".join(piece.text for piece in part.thinking)
            else:
                text += part.text
        for call in said.tool_calls or []:
            calls[call.id] = _call(call.function.name, call.function.arguments, call.id)
        if choice.finish_reason:
            told["finish_reason"] = str(choice.finish_reason)
        if chunk.usage is not None:
            told |= {
                "input_tokens": chunk.usage.prompt_tokens, "output_tokens": chunk.usage.completion_tokens,
                "total_tokens": chunk.usage.total_tokens,
            }  # fmt: skip
        told |= {"model": chunk.model, "response_id": chunk.id}
    return told | {"text": text, "reasoning_text": thinking, "tool_calls": list(calls.values())}


def _openai_embed(url: str, _: bool, stack: ExitStack) -> Told:
    from openai import OpenAI

    client = stack.enter_context(OpenAI(api_key="k", base_url=url, max_retries=0))
    given = client.embeddings.create(model="m", input="Hello", encoding_format="float")
    return {
        "oracle": f"openai {version('openai')}: CreateEmbeddingResponse",
        "embeddings": _vectors([one.embedding for one in given.data]),
        "model": given.model,
        "input_tokens": given.usage.prompt_tokens,
        "total_tokens": given.usage.total_tokens,
    }


# ── Ollama ───────────────────────────────────────────────────────────────────────────────────────────


def _ollama(url: str, stream: bool, stack: ExitStack) -> Told:
    import ollama

    told: Told = {"oracle": f"ollama {version('ollama')}: Client"}
    text, thinking, calls = "", "", []
    client = stack.enter_context(ollama.Client(host=url))
    try:
        answer: Any = client.chat(model="m", messages=ASKED, stream=stream)
        for chunk in answer if stream else [answer]:
            text += chunk.message.content or ""
            thinking += chunk.message.thinking or ""
            calls += [_call(call.function.name, call.function.arguments) for call in chunk.message.tool_calls or []]
            told["model"] = chunk.model
            if chunk.done:
                told |= {
                    "finish_reason": chunk.done_reason, "input_tokens": chunk.prompt_eval_count,
                    "output_tokens": chunk.eval_count,
                }  # fmt: skip
    except ollama.ResponseError as error:
        told["error"] = error.error
    return told | {"text": text, "reasoning_text": thinking, "tool_calls": calls}


READERS: dict[str, Callable[[str, bool, ExitStack], Told]] = {
    "bedrock-converse": _bedrock,
    "cohere-chat-v2": _cohere,
    "cohere-embed": _cohere_embed,
    "gemini-embeddings": _google_embed,
    "gemini-generate": _google,
    "mistral-chat": _mistral,
    "ollama-chat": _ollama,
    "openai-embeddings": _openai_embed,
}
