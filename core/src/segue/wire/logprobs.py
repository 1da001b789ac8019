"""Log probabilities in the format of OpenAI, which other wires use too."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import ProtocolError
from ..events import TokenLogprob
from .reading import objects

if TYPE_CHECKING:
    from collections.abc import Mapping


def token_of(value: Mapping[str, object]) -> TokenLogprob:
    """A token with its log probability, and the likeliest alternatives; ProtocolError if it is not one."""
    token, number = value.get("token"), value.get("logprob")
    if not isinstance(token, str) or not isinstance(number, (int, float)):
        raise ProtocolError("an item of logprobs[] is not a token with its logprob")
    top = (token_of(other) for other in objects(value.get("top_logprobs") or [], "top_logprobs"))
    return TokenLogprob(token, float(number), tuple((other.token, other.logprob) for other in top))
