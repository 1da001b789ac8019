"""Makes one prompt from several messages; and other small functions that such files use."""

from __future__ import annotations

import random
import string
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .provider import Messages


def text_of(content: object) -> str:
    """The text of a message's content: text, or a list of parts in the OpenAI form."""
    match content:
        case None:
            return ""
        case list():
            return "".join(text_of(part) for part in content)
        case {"text": str(text), **other} if other.get("type", "text") == "text":
            return text
        case dict():
            return ""
        case _:
            return str(content)


def format_prompt(
    messages: Messages, add_special_tokens: bool = False, do_continue: bool = False, include_system: bool = True
) -> str:
    """One prompt from several messages: the content of a single message, otherwise ``Role: content`` lines.

    Empty contents are left out; a last line ``Assistant:`` is added, except with ``do_continue``.
    ``add_special_tokens`` makes lines from a single message too. ValueError if there are no messages.
    """
    if not messages:
        raise ValueError("messages is empty: give at least one")
    if len(messages) == 1 and not add_special_tokens:
        return text_of(messages[0]["content"])
    lines = [
        f"{str(message['role']).capitalize()}: {text}"
        for message in messages
        if (include_system or message["role"] not in {"developer", "system"})
        and (text := text_of(message["content"])).strip()
    ]
    return "\n".join(lines if do_continue else [*lines, "Assistant:"])


def get_system_prompt(messages: Messages) -> str:
    """The contents of the system messages, line by line."""
    return "\n".join(text_of(one["content"]) for one in messages if one["role"] in {"developer", "system"})


def get_last_user_message(messages: Messages) -> str:
    """The contents of the user's messages after the last message of another role, line by line."""
    said: list[str] = []
    for message in reversed(messages):
        if message["role"] == "user":
            said.append(text_of(message["content"]).strip())
        elif said:
            break
    return "\n".join(text for text in reversed(said) if text)


def get_last_message(messages: Messages, prompt: str | None = None) -> str:
    """The last content that is not empty; or the ``prompt``, if one is given."""
    if prompt is not None:
        return prompt
    return next((text for one in reversed(messages) if (text := text_of(one["content"]).strip())), "")


def format_media_prompt(messages: Messages, prompt: str | None = None) -> str:
    """The ``prompt``, or the last user message."""
    return get_last_user_message(messages) if prompt is None else prompt


def get_random_string(length: int = 10) -> str:
    """Lower-case letters and digits; not for secrets."""
    return "".join(random.choices(string.ascii_lowercase + string.digits, k=length))  # noqa: S311 - as said


def get_random_hex(length: int = 32) -> str:
    """Hexadecimal digits; not for secrets."""
    return "".join(random.choices("0123456789abcdef", k=length))  # noqa: S311 - as said


def get_cookies(domain: str, *args: object, **kwargs: object) -> dict[str, str]:  # noqa: ARG001 - files give them
    """Always empty: Segue does not read a browser's cookies."""
    return {}


def filter_none(**given: Any) -> dict[str, Any]:
    """The arguments that are not None."""
    return {name: value for name, value in given.items() if value is not None}
