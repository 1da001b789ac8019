"""The embeddings wire of OpenAI and of the many other hosts that use it.

Source: platform.openai.com/docs/api-reference/embeddings, and the recorded answers that the tests read.
"""

from __future__ import annotations

import binascii
import sys
from array import array
from typing import TYPE_CHECKING, Any, Final

from ..adaptation.omissions import Omissions
from ..errors import ProtocolError, http_error
from ..events import Embeddings, Usage
from ..json_text import to_json
from . import Call, error_body
from .blotting import blot, secrets_of
from .reading import count, json_object, numbers, objects, string, table, usd

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..events import Notice
    from ..messages import EmbedRequest

_NO_OPTIONS: Final[dict[str, object]] = {}


def encode(
    request: EmbedRequest,
    *,
    model: str,
    base_url: str,
    headers: Mapping[str, str],
    base64: bool = False,
    options: Mapping[str, object] = _NO_OPTIONS,
) -> Call:
    """The call that requests the embeddings of the inputs; ``base64`` is for hosts that support this shorter format."""
    omissions = Omissions(request.policy)
    body: dict[str, object] = {"model": model, "input": request.inputs}
    if base64:
        body["encoding_format"] = "base64"
    if request.dimensions is not None:
        body["dimensions"] = request.dimensions
    if request.purpose is not None:
        omissions.tuning("purpose", "this wire does not support this setting")
    body.update(options)
    body.update(request.extra_body)
    return Call(
        url=f"{base_url.rstrip('/')}/embeddings",
        headers={"content-type": "application/json", **headers, **request.extra_headers},
        body=to_json(body),
        notices=tuple(omissions.notices),
    )


def decode(
    body: bytes, *, int8: bool = False, notices: tuple[Notice, ...] = (), call: Call | None = None
) -> Embeddings:
    """The embeddings of an answer, in the order of the inputs; ``int8`` if its base64 contains bytes, not floats.

    ``notices`` are those of the call, whose credentials are removed from the text of an error. Raises ProtocolError,
    or the HTTPError that the body contains.
    """
    value = json_object(body)
    if value.get("error"):
        error = http_error(
            200, error_body.fields_of(value), body=error_body.shown(to_json(value["error"])), phase="stream"
        )
        if call is not None:
            blot(error, secrets_of(url=call.url, headers=call.headers))
        raise error
    data = objects(value.get("data"), "data")
    vectors: list[list[float]] = [[] for _ in data]
    for place, item in enumerate(data):
        index = item.get("index", place)
        if not isinstance(index, int) or not 0 <= index < len(data) or vectors[index]:
            raise ProtocolError("data[].index is not the index of an input, or is repeated")
        vectors[index] = _vector(item.get("embedding"), int8=int8)
    return Embeddings(
        vectors=vectors,
        usage=_usage(value.get("usage")),
        model=string(value.get("model")),
        response_id=string(value.get("id")),
        notices=notices,
    )


def _vector(value: object, *, int8: bool) -> list[float]:
    if not isinstance(value, str) or not value:
        return numbers(value, "data[].embedding")
    read: array[Any] = array("b" if int8 else "f")
    try:
        read.frombytes(binascii.a2b_base64(value))
    except ValueError:
        raise ProtocolError("data[].embedding is not valid base64, or ends in the middle of a number") from None
    if sys.byteorder == "big":
        read.byteswap()  # the wire's floats are little-endian
    return [float(number) for number in read]


def _usage(value: object) -> Usage | None:
    if value is None:
        return None
    usage = table(value, "usage")
    return Usage(
        input_tokens=count(usage.get("prompt_tokens")),
        output_tokens=0,  # vectors are no tokens
        total_tokens=count(usage.get("total_tokens")),
        cost=usd(usage),
    )
