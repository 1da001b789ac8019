"""Whether a word on the command line was meant as a command: a question that is sent by mistake costs money."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

_LEAST: Final = 3
_LONG: Final = 6
_ALIKE: Final = 0.74
_ORDINARY: Final = frozenset({
    "cat", "chart", "cheat", "competition", "complain", "complete", "confirm", "expand", "hat", "plain", "prove",
    "provide", "recorder", "reverse", "robe", "second", "that", "what",
})  # fmt: skip
_PUNCTUATION: Final = re.compile(r"[\W_]+")
_ENDS: Final = ("?", "!", ".", ",", "…")
_SENTENCE: Final = 3
"""Words that begin a sentence more often than they are a mistyped command."""


def near_command(words: Sequence[str], names: Sequence[str]) -> str | None:
    """The command that the first of these words was meant to be; None if it is not close to one.

    The beginning of a name is close, and so is a name with a few wrong, missing, doubled or exchanged letters, with any
    punctuation. A common word with the punctuation of a sentence ("What?") is not a command.
    """
    typed = words[0].strip().casefold()
    word = _PUNCTUATION.sub("-", typed).strip("-")
    if not word:
        return None
    if word in _ORDINARY and (len(words) >= _SENTENCE or typed.endswith(_ENDS)):
        return None
    parts = [name for name in names if name in word.split("-")]  # list-models
    if parts:
        return parts[0]
    found = [(distance, name) for name in names if (distance := _distance(word, name.lower())) is not None]
    return min(found)[1] if found else None


def _distance(word: str, name: str) -> int | None:
    """The distance between the word and a name; None if they are too different."""
    if len(word) >= _LEAST and (name.startswith(word) or (word.startswith(name) and len(name) > _LEAST)):
        return 1 if word != name else 0
    # One wrong letter in four, but a short name changed in two places is another word.
    distance = edits(word, name)
    if distance <= max(1, (len(name) + 1) // 4):
        return distance
    if min(len(word), len(name)) < _LONG:
        return None
    import difflib  # slow to import: only where nothing else told

    return distance if difflib.SequenceMatcher(None, word, name).ratio() >= _ALIKE else None


def edits(one: str, other: str) -> int:
    """The number of letters that are wrong, missing, superfluous, or exchanged with the next one."""
    before: list[int] = []
    last = list(range(len(other) + 1))
    for i, letter in enumerate(one, 1):
        row = [i]
        for j, wanted in enumerate(other, 1):
            cost = min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (letter != wanted))
            if i > 1 and j > 1 and letter == other[j - 2] and one[i - 2] == wanted:
                cost = min(cost, before[j - 2] + 1)
            row.append(cost)
        before, last = last, row
    return last[-1]
