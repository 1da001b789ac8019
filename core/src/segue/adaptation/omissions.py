"""Parts of a request that a model or its wire does not support: left out with a notice, or refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from ..errors import UnsupportedError
from ..events import Notice
from ..messages import AudioPart, FilePart, ImagePart, ReasoningPart
from .structured import by_tool, in_words

if TYPE_CHECKING:
    from ..capabilities import Capabilities
    from ..messages import CachePart, Message, NativePart, Part, Policy, Request

# Settings without which the answer is another one, not only a differently tuned one.
_MEANINGFUL: Final = frozenset({"n", "logprobs", "top_logprobs", "stop"})

# The fact that tells of a setting, where it has another name than the setting.
_FACT_OF: Final = {
    "n": "choices",
    "top_logprobs": "logprobs",
    "reasoning_effort": "reasoning",
    "parallel_tool_calls": "parallel_tools",
}


class Omissions:
    """Decides by the policy of a request about each part that is not supported; collects the notices."""

    __slots__ = ("notices", "policy")

    def __init__(self, policy: Policy) -> None:
        self.policy: Policy = policy
        self.notices: list[Notice] = []

    def tuning(self, subject: str, reason: str) -> bool:
        """Whether to leave out a part that only tunes the answer; UnsupportedError if the policy is ``error``."""
        return self._decide(self.policy.tuning, subject, reason)

    def meaning(self, subject: str, reason: str) -> bool:
        """Whether to leave out a part that changes the meaning; UnsupportedError if the policy is ``error``."""
        return self._decide(self.policy.meaning, subject, reason)

    def setting(self, name: str, reason: str) -> bool:
        """Whether to leave out a setting; UnsupportedError if the policy is ``error``."""
        return (self.meaning if name in _MEANINGFUL else self.tuning)(name, reason)

    def no_address(self, subject: str, host: str) -> None:
        """Leave out a part with a URL that the host does not accept; or raise UnsupportedError."""
        reason = (
            f"{host} does not accept this URL, only bytes: give the bytes, or allow downloads "
            "(Client(downloads=True), or enabled = true in [downloads])"
        )
        if not self.meaning(subject, reason):
            # A policy of sending it has no words for it here either.
            self.notices.append(Notice(subject, f"{reason}; it was not sent"))

    def no_words(self, part: CachePart | NativePart) -> None:
        """Leave out a part that this wire does not support: a cache mark, or a block of another wire."""
        if part.type == "cache":
            if all(notice.subject != "cache" for notice in self.notices):
                self.tuning("cache", "this wire does not support cache marks")
            return
        reason = f"it is a block for the wire {part.wire}"
        if not self.meaning(str(part.block.get("type")), reason):
            self.notices.append(Notice(str(part.block.get("type")), f"{reason}; it was not sent"))

    def no_citations(self, part: Part) -> None:
        """Add one notice that documents are sent without the request to cite them."""
        wanted = isinstance(part, FilePart) and part.citations
        if wanted and all(notice.subject != "citations" for notice in self.notices):
            self.tuning("citations", "this wire does not support citations of documents")

    def no_mark(self, message: Message) -> None:
        """Add one notice that a tool result is sent without the mark that the tool failed."""
        if message.is_error and all(notice.subject != "is_error" for notice in self.notices):
            self.tuning(
                "is_error", "this wire does not support a mark for a failed tool: only the text says that it failed"
            )

    def without_reasoning(self, reason: str) -> None:
        """Add a notice that earlier reasoning is not sent; hosts expect that, so no policy refuses it."""
        self.notices.append(Notice("reasoning", f"the reasoning of earlier messages is not sent: {reason}"))

    def without_reasoning_once(self, told: set[str], reason: str) -> None:
        """The same, once for all messages."""
        if "reasoning" not in told:
            told.add("reasoning")
            self.without_reasoning(reason)

    def _decide(self, rule: str, subject: str, reason: str) -> bool:
        if rule == "error":
            raise UnsupportedError(f"{subject}: {reason}; nothing was sent", subject=subject)
        if rule == "notice":
            self.notices.append(Notice(subject, f"{reason}; it was not sent"))
        return rule == "notice"


def plain_messages(
    request: Request, omissions: Omissions, reason: str = "this provider supports only text"
) -> list[dict[str, str]]:
    """The messages as ``role`` and ``content``; tools, a schema and parts that are not text are left out or refused."""
    lacking = {
        "tools": bool(request.tools) and request.tool_choice != "none",
        "schema": request.output is not None,
    }
    for message in request.messages:
        omissions.no_mark(message)
        if message.tool_calls or message.role == "tool":
            lacking["tool_calls"] = True
        for part in message.parts:
            if part.type == "reasoning":
                lacking.setdefault("reasoning", True)
            elif part.type == "cache":
                omissions.no_words(part)
            elif part.type != "text":
                lacking[part.type] = True
    if lacking.pop("reasoning", False):
        omissions.without_reasoning(reason)
    for subject in (name for name, is_lacking in lacking.items() if is_lacking):
        omissions.meaning(subject, reason)
    return [{"role": message.role, "content": message.text} for message in request.messages]


class Adapted(NamedTuple):
    """A request adapted to a model; ``answer_tool`` is the tool that receives the structured answer, if any."""

    request: Request
    notices: tuple[Notice, ...]
    answer_tool: str | None


def adapt(request: Request, capabilities: Capabilities, *, provider: str) -> Adapted:
    """The request adapted to this model, with notices about parts that were left out or are requested in another way.

    A part is left out only if a fact says that the model does not support it; if the fact is unknown, it is sent.
    Reasoning from another provider is always removed, with any policy: it is useless there, and no other provider
    should read it.
    """
    given = request.settings.given()
    if not given and not request.tools and request.output is None and _is_text(request.messages):
        return Adapted(request, (), None)
    omissions = Omissions(request.policy)
    changes: dict[str, object] = {}
    if given and (lacking := [name for name in given if _denied(capabilities, _FACT_OF.get(name, name))]):
        kept = dict(given)
        for name in lacking:
            if name == "n" and given["n"] == 1:
                continue
            if omissions.setting(name, "the model does not support this setting"):
                del kept[name]
        if len(kept) < len(given):
            changes["settings"] = type(request.settings)(**kept)
    if (
        request.tools
        and _denied(capabilities, "tools")
        and omissions.meaning("tools", "the model does not support tools")
    ):
        changes |= {"tools": (), "tool_choice": None}
    messages = _messages(request.messages, capabilities, provider, omissions)
    if messages is not None:
        changes["messages"] = messages
    if changes:
        # Not validated again: what is left of a checked request is as right as it was.
        request = request.model_copy(update=changes)
    request, answer_tool = _structured(request, capabilities, omissions)
    return Adapted(request, tuple(omissions.notices), answer_tool)


def _structured(request: Request, capabilities: Capabilities, omissions: Omissions) -> tuple[Request, str | None]:
    """The request with its schema in another form, where the model takes none; and the tool that takes the answer.

    A tool is the surer form; but many a model that reasons cannot be made to call one.
    """
    output = request.output
    if output is None or output.json_schema is None or not _denied(capabilities, "json_schema"):
        return request, None
    can_force = capabilities.fact("tools").value is True and capabilities.fact("reasoning").value is not True
    if can_force and not request.tools:
        omissions.notices.append(
            Notice("schema", "the model does not support JSON schemas: a tool call is used for the answer")
        )
        return by_tool(request), output.name
    omissions.notices.append(
        Notice("schema", "the model does not support JSON schemas: the schema is added to the prompt")
    )
    return in_words(request, json_mode=not _denied(capabilities, "json_object")), None


def _is_text(messages: tuple[Message, ...]) -> bool:
    """Whether nothing but text is said."""
    for message in messages:  # noqa: SIM110 - of most requests it is one, and a generator costs more than the look
        if message.content.__class__ is not str or message.tool_calls:
            return False
    return True


def _denied(capabilities: Capabilities, fact: str) -> bool:
    return capabilities.fact(fact).value is False


def _messages(
    messages: tuple[Message, ...], capabilities: Capabilities, provider: str, omissions: Omissions
) -> tuple[Message, ...] | None:
    """The messages without the parts that are not supported; None if all are."""
    if _is_text(messages):
        return None
    told: set[str] = set()
    changed = False
    adapted = []
    for message in messages:
        if isinstance(message.content, tuple):
            parts = tuple(
                part for part in message.content if not _lacking(part, capabilities, provider, omissions, told)
            )
            if len(parts) < len(message.content):
                changed = True
                message = message.model_copy(update={"content": parts or ""})  # noqa: PLW2901 - the one that is kept
        if any(call.opaque is not None and call.origin not in {None, provider} for call in message.tool_calls):
            changed = True
            omissions.without_reasoning_once(told, f"it is not from {provider}")
            calls = tuple(call.model_copy(update={"opaque": None, "origin": None}) for call in message.tool_calls)
            message = message.model_copy(update={"tool_calls": calls})  # noqa: PLW2901 - as above
        adapted.append(message)
    return tuple(adapted) if changed else None


def _lacking(part: Part, capabilities: Capabilities, provider: str, omissions: Omissions, told: set[str]) -> bool:
    match part:
        case ReasoningPart() if part.origin is not None and part.origin != provider:
            omissions.without_reasoning_once(told, f"it is from {part.origin}, not from {provider}")
            return True
        case ImagePart():
            fact, what = "vision", "the model does not support images"
        case AudioPart():
            fact, what = "audio", "the model does not support audio"
        case FilePart():
            fact, what = "files", "the model does not support files"
        case _:
            return False
    return _denied(capabilities, fact) and omissions.meaning(part.type, what)
