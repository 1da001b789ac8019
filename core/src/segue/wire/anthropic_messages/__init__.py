"""The Messages wire of Anthropic and of the other hosts that use it.

As a client: `encode` and `Decoder`; as a server: ``segue.wire.anthropic_messages.server``.

Sources: docs.anthropic.com/en/api/messages, the types of the anthropic SDK 2.12, and the recorded traffic
that the tests read.
"""

from __future__ import annotations

from .decode import Decoder
from .encode import encode, takes_address

__all__ = ["Decoder", "encode", "takes_address"]
