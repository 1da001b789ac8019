"""The Responses wire of OpenAI and of the other hosts that use it.

As a client: `encode` and `Decoder`; as a server: ``segue.wire.openai_responses.server``.

Sources: platform.openai.com/docs/api-reference/responses and the recorded traffic that the tests read.
"""

from __future__ import annotations

from .decode import Decoder
from .encode import encode

__all__ = ["Decoder", "encode"]
