"""Text from others, made safe to show: one line without control characters, an address without secrets."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

MOST_CHARACTERS: Final = 300
_MOST_READ: Final = 8000
_LONGEST_ADDRESS: Final = 200

# ECMA-48: a control sequence, a string with its end (or up to the end of the line), and what else follows ESC.
_SEQUENCE: Final = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?"
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c\r\n]*(?:\x07|\x1b\\|\x9c)?"
    r"|\x1b[ -/]*[0-~]?"
)
# Between letters these two are part of how Persian, Indian scripts and emoji are written.
_JOINERS: Final = frozenset("\u200c\u200d")
_HIDDEN: Final = frozenset({"Cf", "Cs", "Co"})


def single_line(text: str, *, most: int = MOST_CHARACTERS) -> str:
    """The text on one line, cut to ``most`` characters, without control and invisible characters."""
    text = text[:_MOST_READ]
    if not (text.isascii() and text.isprintable()):
        text = _without_controls(_SEQUENCE.sub("", text))
    text = " ".join(text.split())
    return text if len(text) <= most else f"{text[: most - 1].rstrip()}…"


def _without_controls(text: str) -> str:
    import unicodedata  # only where something failed

    shown: list[str] = []
    for character in text:
        category = unicodedata.category(character)
        if category in {"Cc", "Zl", "Zp"}:
            shown.append(" ")
        elif category not in _HIDDEN or character in _JOINERS:
            shown.append(character)
    return "".join(shown)


def shown_address(url: str | None) -> str | None:
    """Scheme, host, port and path of a URL, without its user and query; None if it cannot be parsed."""
    from urllib.parse import urlsplit  # as above

    try:
        parts = urlsplit(url or "")
        known = parts.scheme in {"http", "https"} and parts.hostname
    except ValueError:
        return None
    if not known:
        return None
    return single_line(f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}", most=_LONGEST_ADDRESS)


def origin(address: str) -> str:
    """Scheme, host and port of a URL."""
    return "/".join(address.split("/")[:3])


_NEAR: Final = 0.6
_SURE: Final = 0.75


def closest(name: str, known: Iterable[str], *, sure: bool = False) -> str | None:
    """The known name that was probably meant; None if no name is similar.

    ``sure`` is for a name that may be intended: then the other one must be more similar.
    """
    return next(iter(several_close(name, known, most=1, sure=sure)), None)


def several_close(name: str, known: Iterable[str], *, most: int, sure: bool = False) -> list[str]:
    """The known names that are similar, the most similar one first."""
    import difflib  # slow to import: only where something is wrong

    return difflib.get_close_matches(name[:MOST_CHARACTERS], list(known), n=most, cutoff=_SURE if sure else _NEAR)


def nearest(name: str, known: Sequence[str]) -> str:
    """A suggestion of the nearest name, as the end of a sentence; or the list of known names."""
    near = closest(name, known)
    if near is not None:
        return f"; did you mean {near!r}?"
    return f"; known are {', '.join(known)}" if known else ""
