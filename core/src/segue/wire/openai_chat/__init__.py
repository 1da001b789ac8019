"""The Chat Completions wire of OpenAI and of the many other hosts that use it.

As a client: `encode` and `Decoder`; as a server: ``segue.wire.openai_chat.server``. The
differences between a host and OpenAI have names, its quirks; `dialect` makes a `Dialect` from them.

Sources: platform.openai.com/docs/api-reference/chat and the recorded traffic that the tests read.
"""

from __future__ import annotations

from .decode import Decoder
from .encode import encode, takes_address
from .quirks import PLAIN, QUIRKS, Dialect, dialect

__all__ = ["PLAIN", "QUIRKS", "Decoder", "Dialect", "dialect", "encode", "takes_address"]
