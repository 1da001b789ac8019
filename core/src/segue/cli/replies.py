"""A reply as JSON."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from ..pricing import rounded
from .schemas import plain
from .terminal import clean

if TYPE_CHECKING:
    from ..events import Choice, Reply, Usage
    from ..observation import Attempt


def reply_as_json(reply: Reply[Any]) -> dict[str, Any]:
    """A reply as JSON; the fields outside of ``choices`` are those of the first choice."""
    return {
        "text": reply.text,
        "parsed": plain(reply.parsed),
        "reasoning": reply.reasoning,
        "refusal": reply.refusal,
        "tool_calls": _tool_calls(reply.choices[0]),
        "provider": reply.provider,
        "model": reply.model,
        "response_model": reply.response_model,
        "finish_reason": reply.finish_reason,
        "raw_finish_reason": reply.raw_finish_reason,
        "usage": usage_as_json(reply.usage),
        "cost": rounded(reply.cost),
        "sources": [asdict(source) for source in reply.sources],
        "notices": [asdict(notice) for notice in reply.notices],
        "limits": None if reply.limits is None else asdict(reply.limits),
        "choices": [_choice(choice) for choice in reply.choices],
        "attempts": [attempt_as_json(attempt) for attempt in reply.attempts],
        "response_id": reply.response_id,
        "request_id": reply.request_id,
    }


def _choice(choice: Choice) -> dict[str, Any]:
    return {
        "text": choice.text,
        "reasoning": choice.reasoning,
        "refusal": choice.refusal,
        "tool_calls": _tool_calls(choice),
        "finish_reason": choice.finish_reason,
        "raw_finish_reason": choice.raw_finish_reason,
    }


def _tool_calls(choice: Choice) -> list[dict[str, Any]]:
    """As the host said them: the arguments are JSON in a text, which a model may have written wrong."""
    return [call.model_dump() for call in choice.tool_calls]


def usage_as_json(usage: Usage | None) -> dict[str, Any] | None:
    """The token counts that a host reported."""
    return None if usage is None else {**asdict(usage), "cost": rounded(usage.cost)}


def attempt_as_json(attempt: Attempt) -> dict[str, Any]:
    """One attempt of a call as JSON."""
    error = attempt.error
    return {
        "provider": attempt.provider,
        "model": attempt.model,
        "outcome": attempt.outcome,
        "duration": round(attempt.duration, 6),
        "first_event": None if attempt.first_event is None else round(attempt.first_event, 6),
        "phase": None if error is None else error.phase,
        "error": None if error is None else type(error).__name__,
        "status": getattr(error, "status", None),  # of an HTTPError alone
        "code": getattr(error, "code", None),
        "message": None if error is None else clean(str(error)),
        "host_message": None if error is None else error.host_message,
    }
