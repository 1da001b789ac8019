"""Differences between the models of different makers, by name: reasoning, ``top_k``, and the schema of an answer.

A name may have a region before it (``us.``, ``global.``) and may be the end of an ARN; the name of an application
inference profile does not contain its model, so it belongs to none of these families.

Sources, as stored by public indexes up to 2026-11-24: docs.aws.amazon.com/bedrock/latest/userguide (adaptive and
extended thinking, structured output), …/nova/latest/nova2-userguide; recorded requests; botocore 1.44.5.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from segue.plugin import Notice

if TYPE_CHECKING:
    from collections.abc import Mapping

    from segue.plugin import Omissions

# anthropic.claude-sonnet-4-5-20250929-v1:0, anthropic.claude-3-7-sonnet-20250219-v1:0: the number stands behind a
# family's name, or before it.
_CLAUDE: Final = re.compile(r"anthropic\.claude-(?:[a-z]+-)?(\d)(?:-(\d{1,2})(?!\d))?")
_THINKS: Final = (3, 7)
_ADAPTS: Final = (4, 6)
_TAKES_FORMS: Final = (4, 5)

# Those that structured output is not told of. Of Mistral the models of 2024 and Pixtral.
_TAKE_NO_FORM: Final = re.compile(
    r"\b(?:(?:amazon|meta|cohere|ai21|writer)\.|deepseek\.r1|mistral\.(?:mistral-7b|mixtral|mistral-\w+-24|pixtral))"
)

# Of the tokens of an answer so much may go to thinking, on models that are told a budget of it.
_SHARE: Final = {"minimal": 0.1, "low": 0.2, "medium": 0.5, "high": 0.8, "xhigh": 0.9}
_LEAST_BUDGET: Final = 1024
# Without a limit the host's is the model's own, of these models 32,000 or more.
_LIMIT: Final = 32_000

_THREE: Final = {"minimal": "low", "xhigh": "high"}


def claude_version(model: str) -> tuple[int, int] | None:
    """The number of the generation of a Claude model; None for other models."""
    found = _CLAUDE.search(model)
    return None if found is None else (int(found[1]), int(found[2] or 0))


def takes_forms(model: str) -> bool:
    """Whether the request has a field for the schema of an answer; an unknown model is assumed to have it."""
    version = claude_version(model)
    if version is None and "anthropic.claude" in model:
        return False
    return version >= _TAKES_FORMS if version is not None else _TAKE_NO_FORM.search(model) is None


def with_top_k(top_k: int, model: str, omissions: Omissions) -> dict[str, Any]:
    """The model's own fields for ``top_k``."""
    if "anthropic.claude" in model:
        return {"top_k": top_k}
    if "amazon.nova" in model:
        return {"inferenceConfig": {"topK": top_k}}
    omissions.tuning("top_k", "this wire supports it only for Claude and Nova")
    return {}


def with_effort(effort: str, model: str, limit: int | None, omissions: Omissions) -> tuple[dict[str, Any], str | None]:
    """The model's own fields for reasoning, and the effort for the field of the wire."""
    version = claude_version(model)
    if version is not None and version >= _ADAPTS:
        if effort == "none":
            return {"thinking": {"type": "disabled"}}, None
        return {"thinking": {"type": "adaptive"}}, _level(effort, {"minimal": "low"}, omissions)
    if version is not None and version >= _THINKS:
        return _budget(effort, limit or _LIMIT, omissions), None
    if "amazon.nova-2" in model:
        if effort == "none":
            return {"reasoningConfig": {"type": "disabled"}}, None
        level = _level(effort, _THREE, omissions)
        return {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": level}}, None
    if "openai.gpt-oss" in model and effort != "none":
        return {"reasoning_effort": _level(effort, _THREE, omissions)}, None
    if "openai.gpt" in model and "gpt-oss" not in model:
        return {"reasoning_effort": effort}, None
    omissions.tuning("reasoning_effort", "Segue does not know the field of this model for it")
    return {}, None


def _level(effort: str, known: Mapping[str, str], omissions: Omissions) -> str:
    level = known.get(effort, effort)
    if level != effort:
        omissions.notices.append(Notice("reasoning_effort", f"the model has no level {effort}: {level} was sent"))
    return level


def _budget(effort: str, limit: int, omissions: Omissions) -> dict[str, Any]:
    if effort == "none":
        return {}  # these think only where they are told to
    if limit <= _LEAST_BUDGET:
        omissions.tuning(
            "reasoning_effort", f"max_tokens is too small for thinking, which needs at least {_LEAST_BUDGET} tokens"
        )
        return {}
    return {"thinking": {"type": "enabled", "budget_tokens": max(_LEAST_BUDGET, int(limit * _SHARE[effort]))}}
