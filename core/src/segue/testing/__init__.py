"""Real servers on loopback that use the wire of a provider and fail as scripted; for tests and rehearsals."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._lazy import attach

if TYPE_CHECKING:
    from .cassettes import Cassette as Cassette
    from .cassettes import RecordedRequest as RecordedRequest
    from .cassettes import RecordedResponse as RecordedResponse
    from .cassettes import cassettes_of as cassettes_of
    from .chat_completions import tokens_of as tokens_of
    from .clock import ImpatientLoop as ImpatientLoop
    from .clock import run_virtually as run_virtually
    from .faults import Answer as Answer
    from .faults import Body as Body
    from .faults import Cut as Cut
    from .faults import Drop as Drop
    from .faults import Garbage as Garbage
    from .faults import Raw as Raw
    from .faults import Stall as Stall
    from .faults import Status as Status
    from .faults import Step as Step
    from .faults import refused_url as refused_url
    from .hosts import CromicleHost as CromicleHost
    from .hosts import LlamaCppHost as LlamaCppHost
    from .hosts import OpenAIHost as OpenAIHost
    from .hosts import ScriptedHost as ScriptedHost
    from .hosts import rehearsed as rehearsed
    from .lifecycle import Lifecycle as Lifecycle
    from .lifecycle import LifecycleError as LifecycleError
    from .lifecycle import checked as checked
    from .loopback import Received as Received
    from .proxy import ProxyHost as ProxyHost
    from .threads import in_thread as in_thread

# Loaded on first use: every run of pytest imports this package for its fixtures.
attach(
    __name__,
    {
        ".cassettes": "Cassette RecordedRequest RecordedResponse cassettes_of",
        ".chat_completions": "tokens_of",
        ".clock": "ImpatientLoop run_virtually",
        ".faults": "Answer Body Cut Drop Garbage Raw Stall Status Step refused_url",
        ".hosts": "CromicleHost LlamaCppHost OpenAIHost ScriptedHost rehearsed",
        ".lifecycle": "Lifecycle LifecycleError checked",
        ".loopback": "Received",
        ".proxy": "ProxyHost",
        ".threads": "in_thread",
    },
)
