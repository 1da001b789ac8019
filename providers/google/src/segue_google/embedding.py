"""Embeddings of Google: batchEmbedContents (ai.google.dev/api/embeddings)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from segue.plugin import Embeddings, Usage
from segue.wire import Call, to_json
from segue.wire.failures import failure_of
from segue.wire.reading import count, json_object, numbers, objects, table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from segue.plugin import EmbedRequest

_TASKS: Final[Mapping[str, str]] = {"query": "RETRIEVAL_QUERY", "document": "RETRIEVAL_DOCUMENT"}


def encode(
    request: EmbedRequest, *, model: str, base_url: str, headers: Mapping[str, str], options: Mapping[str, Any]
) -> Call:
    """The call that requests an embedding of each input; it uses the option ``task_type``."""
    path = model if "/" in model else f"models/{model}"
    asked: dict[str, Any] = {"model": path}
    if request.dimensions is not None:
        asked["outputDimensionality"] = request.dimensions
    task = options.get("task_type") or _TASKS.get(request.purpose or "")
    if task is not None:
        asked["taskType"] = task
    body = {"requests": [{**asked, "content": {"parts": [{"text": text}]}} for text in request.inputs]}
    return Call(
        url=f"{base_url.rstrip('/')}/{quote(path, safe='/')}:batchEmbedContents",
        headers={"content-type": "application/json", **headers, **request.extra_headers},
        body=to_json({**body, **request.extra_body}),
    )


def decode(body: bytes) -> Embeddings:
    """The embeddings of an answer, in the order of the inputs; raises ProtocolError, or the HTTPError in it."""
    value = json_object(body)
    if value.get("error"):
        raise failure_of(value)
    usage = value.get("usageMetadata")
    read = None if usage is None else count(table(usage, "usageMetadata").get("promptTokenCount"))
    return Embeddings(
        vectors=[
            numbers(item.get("values"), "embeddings[].values")
            for item in objects(value.get("embeddings"), "embeddings")
        ],
        usage=None if read is None else Usage(input_tokens=read, output_tokens=0, total_tokens=read),
    )
