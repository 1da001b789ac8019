"""How much a model of Google thinks: levels since Gemini 3, numbers of tokens before.

Sources, as stored by public indexes up to 2026-11-24: ai.google.dev/gemini-api/docs/openai (how Google
maps OpenAI's reasoning_effort), …/docs/thinking, docs.cloud.google.com for the thinking levels of each model.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from segue.plugin import Notice

if TYPE_CHECKING:
    from collections.abc import Mapping

    from segue.plugin import Omissions

_BUDGETS: Final[Mapping[str, int]] = {"none": 0, "minimal": 1024, "low": 1024, "medium": 8192, "high": 24576}

# «Thinking level MINIMAL is not supported»: it is of 3 Flash, 3.5 Flash and the Lite models.
_NO_MINIMAL: Final = ("gemini-3-pro", "gemini-3.1-pro", "gemini-3.7", "gemini-3.8", "gemini-4")


def is_before_3(model: str) -> bool:
    """Whether a model is older than Gemini 3; an alias such as ``gemini-flash-latest`` is not."""
    return model.startswith(("gemini-1", "gemini-2", "gemini-pro"))


def thinking_config(effort: str | None, model: str, omissions: Omissions) -> dict[str, Any]:
    """``thinkingConfig`` for the setting ``reasoning_effort``; with one, the reasoning is returned too."""
    if effort is None:
        return {}
    asked = effort
    if effort == "xhigh":
        effort = "high"
    if is_before_3(model):
        if effort == "none" and "pro" in model:
            omissions.tuning("reasoning_effort", "this model always thinks")
            return {}
        config: dict[str, Any] = {"thinkingBudget": _BUDGETS[effort]}
    elif effort == "none":
        omissions.tuning("reasoning_effort", "since Gemini 3, models always think")
        return {}
    else:
        if effort == "minimal" and model.startswith(_NO_MINIMAL):
            effort = "low"
        config = {"thinkingLevel": effort}
    if effort != asked:
        omissions.notices.append(Notice("reasoning_effort", f"the model has no level {asked}: {effort} was sent"))
    return config if effort == "none" else {**config, "includeThoughts": True}
