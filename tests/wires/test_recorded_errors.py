"""Recorded failures of every host have the right type, status, code and chances."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from understudy import (
    AuthenticationError,
    BadRequestError,
    Client,
    ContextLengthError,
    HTTPError,
    ModelNotFoundError,
    PermissionDeniedError,
    QuotaExhaustedError,
    RateLimitError,
    Retry,
    ServerError,
)
from understudy.plugin import Host
from understudy.testing import Body, OpenAIHost

FOLDER = Path(os.environ.get("UNDERSTUDY_WIRE", Path(__file__).parents[3] / "shared" / "wire"))
APIS = {
    "anthropic-messages", "bedrock-converse", "cohere-chat-v2", "cohere-embed", "gemini-embeddings", "gemini-generate",
    "mistral-chat", "ollama-chat", "openai-chat", "openai-embeddings", "openai-responses",
}  # fmt: skip
BY_STATUS: dict[int, type[HTTPError]] = {
    400: BadRequestError,
    401: AuthenticationError,
    403: PermissionDeniedError,
    404: ModelNotFoundError,
    422: BadRequestError,
    429: RateLimitError,
    500: ServerError,
}
# Where a field, or the one phrase, says more than the status.
FINER: dict[str, type[HTTPError]] = {
    "API_KEY_INVALID": AuthenticationError,
    "TOO_MANY_TOKENS": ContextLengthError,
    "context_length_exceeded": ContextLengthError,
    "insufficient_quota": QuotaExhaustedError,
    "maximum context length is": ContextLengthError,
    "model_not_found": ModelNotFoundError,
    "too_many_prompt_tokens": ContextLengthError,
}


def _recorded() -> list[Any]:
    index = FOLDER / "index.jsonl"
    if not index.is_file():
        return [pytest.param(None, id="corpus", marks=pytest.mark.skip(reason="no corpus in ../shared/wire"))]
    entries = map(json.loads, index.read_text("utf-8").splitlines())
    return [
        pytest.param(entry["file"], id=entry["id"])
        for entry in entries
        if entry["api"] in APIS and entry["status"] not in {200, 201}
    ]


@pytest.mark.parametrize("file", _recorded())
async def test_a_recorded_failure_has_its_type(file: str) -> None:
    """Answered over a socket, the error's class, status, code and chances are those of the recording."""
    recording = json.loads((FOLDER / file).read_text("utf-8"))
    response, wanted = recording["response"], recording["expected"]["error"]
    headers = {
        name: value for name, value in response["headers"].items() if name.lower() in {"retry-after", "x-should-retry"}
    }
    step = Body(response["body"].encode(), content_type="application/json", status=response["status"], headers=headers)
    async with OpenAIHost(script=[step]) as host:
        row = Host("recorded", host.url, models=["m"])
        async with Client(providers=[row], config=False, plugins=False, environ={}, retry=Retry(count=0)) as client:
            with pytest.raises(HTTPError) as caught:
                await client.chat("x", model="recorded/m")
    error = caught.value
    finer = [cls for mark, cls in FINER.items() if mark in response["body"]]
    assert type(error) is (finer[0] if finer else BY_STATUS[response["status"]])
    assert error.status == response["status"]
    if isinstance(wanted["code"] or wanted["type"], str) and not str(wanted["code"] or wanted["type"]).isdecimal():
        assert error.code in {wanted["code"], wanted["type"], None}
    assert error.next_may_help is not (type(error) is BadRequestError)
    passing = isinstance(error, RateLimitError | ServerError) and not isinstance(error, QuotaExhaustedError)
    assert error.retryable is (passing and headers.get("x-should-retry") != "false")


async def test_a_failure_in_a_list_is_read() -> None:
    """Google answers a stream in the form of a list with a list of one failure."""
    body = b'[{"error": {"code": 400, "message": "no", "status": "INVALID_ARGUMENT"}}]'
    async with OpenAIHost(script=[Body(body, content_type="application/json", status=400)]) as host:
        row = Host("listed", host.url, models=["m"])
        async with Client(providers=[row], config=False, plugins=False, environ={}) as client:
            with pytest.raises(BadRequestError) as caught:
                await client.chat("x", model="listed/m")
    assert caught.value.code == "INVALID_ARGUMENT"
