"""Embeddings of Cohere: /v2/embed (docs.cohere.com/reference/embed); answers of version 1 have the same format."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from segue.plugin import Embeddings, Omissions, ProtocolError, Usage
from segue.wire import Call, to_json
from segue.wire.failures import failure_of
from segue.wire.reading import count, json_object, numbers, string, table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from segue.plugin import EmbedRequest, Notice

_PURPOSES: Final[Mapping[str, str]] = {"query": "search_query", "document": "search_document"}


def encode(
    request: EmbedRequest, *, model: str, base_url: str, headers: Mapping[str, str], options: Mapping[str, Any]
) -> Call:
    """The call that requests an embedding of each input; ``options`` are fields of the wire."""
    omissions = Omissions(request.policy)
    purpose = _PURPOSES.get(request.purpose or "")
    if purpose is None and "input_type" not in options:
        purpose = "search_document"
        omissions.tuning("purpose", "Cohere requires a purpose of embeddings: search_document was sent")
    body: dict[str, Any] = {
        "model": model,
        "texts": request.inputs,
        "input_type": purpose,
        "embedding_types": ["float"],
    }
    if request.dimensions is not None:
        body["output_dimension"] = request.dimensions
    body |= {**options, **request.extra_body}
    return Call(
        url=f"{base_url.rstrip('/')}/v2/embed",
        headers={"content-type": "application/json", **headers, **request.extra_headers},
        body=to_json(body),
        notices=tuple(omissions.notices),
    )


def decode(body: bytes, *, notices: tuple[Notice, ...] = ()) -> Embeddings:
    """The embeddings of an answer, in the order of the inputs; of several types, the first one.

    ``notices`` are those of the call. Raises ProtocolError, or the HTTPError that the body contains.
    """
    value = json_object(body)
    if "embeddings" not in value and "message" in value:
        raise failure_of(value)
    told = value.get("embeddings")
    kinds = [vectors for vectors in told.values() if vectors] if isinstance(told, dict) else [told]
    vectors = kinds[0] if kinds else None
    if not isinstance(vectors, list) or not vectors:
        raise ProtocolError("the answer contains no embeddings")
    meta = table(value.get("meta") or {}, "meta")
    units = table(meta.get("billed_units") or {}, "meta.billed_units")
    read = [count(units.get(name)) for name in ("input_tokens", "image_tokens")]
    tokens = None if read[0] is None else read[0] + (read[1] or 0)
    return Embeddings(
        vectors=[numbers(vector, "embeddings") for vector in vectors],
        usage=None if tokens is None else Usage(input_tokens=tokens, output_tokens=0, total_tokens=tokens),
        response_id=string(value.get("id")),
        notices=notices,
    )
