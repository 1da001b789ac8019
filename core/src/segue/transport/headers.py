"""What the headers of a response say: the request's id, how long to wait, and the rate limits."""

from __future__ import annotations

import math
import re
import time
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final

from ..events import RateLimits

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def request_id_of(headers: Mapping[str, str]) -> str | None:
    for name in _REQUEST_IDS:
        if value := headers.get(name):
            return value
    return None


_REQUEST_IDS: Final = ("x-request-id", "request-id", "x-amzn-requestid")


_DURATION: Final = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m(?!s))?(?:(\d+(?:\.\d+)?)s)?(?:(\d+(?:\.\d+)?)ms)?")


def retry_after(headers: Mapping[str, str], *, now: Callable[[], float] = time.time) -> float | None:
    """The time to wait that the host sent, in seconds from now; None if it did not, or if the value is not valid.

    Read in this order: ``retry-after-ms`` (OpenAI, Azure), ``retry-after`` as seconds or as an HTTP date
    (RFC 9110 10.2.3), ``x-ratelimit-reset-requests`` and ``-tokens`` as durations like ``6m0s``
    (OpenAI), the longer of the two whose ``remaining`` is 0. A past date is 0; negative, infinite and
    unreadable values are ignored.
    """
    value = headers.get("retry-after-ms")
    if value is not None and (milliseconds := _number(value)) is not None:
        return milliseconds / 1000
    value = headers.get("retry-after")
    if value is not None:
        if (seconds := _number(value)) is not None:
            return seconds
        try:
            return max(0.0, parsedate_to_datetime(value).timestamp() - now())
        except (ValueError, OverflowError):
            pass
    waits = [
        wait
        for kind in ("requests", "tokens")
        if headers.get(f"x-ratelimit-remaining-{kind}") == "0"
        and (wait := _duration(headers.get(f"x-ratelimit-reset-{kind}", ""))) is not None
    ]
    return max(waits, default=None)


def says_page(headers: Mapping[str, str]) -> bool:
    """Whether the content type is that of a web page."""
    return headers.get("content-type", "").lstrip().lower().startswith(_PAGES)


_PAGES: Final = ("text/html", "application/xhtml")


def rate_limits(headers: Mapping[str, str]) -> RateLimits | None:
    """The key's rate limits from the ``x-ratelimit-`` headers of OpenAI and similar hosts; None if there are none."""
    if "x-ratelimit-limit-requests" not in headers and "x-ratelimit-limit-tokens" not in headers:
        return None
    counts = [
        _count(headers.get(f"x-ratelimit-{what}-{kind}"))
        for kind in ("requests", "tokens")
        for what in ("limit", "remaining")
    ]
    resets = [_reset(headers.get(f"x-ratelimit-reset-{kind}")) for kind in ("requests", "tokens")]
    return RateLimits(counts[0], counts[1], resets[0], counts[2], counts[3], resets[1])


def _count(text: str | None) -> int | None:
    return int(text) if text is not None and text.isascii() and text.isdecimal() and len(text) < 16 else None


def _reset(text: str | None) -> float | None:
    """Seconds, as a duration like ``6m0s`` (OpenAI, Groq) or as a number."""
    if text is None:
        return None
    duration = _duration(text)
    return _number(text) if duration is None else duration


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if 0 <= number < math.inf else None


def _duration(text: str) -> float | None:
    match = _DURATION.fullmatch(text)
    if not text or match is None:
        return None
    parts = (float(part) if part else 0.0 for part in match.groups())
    return sum(part * unit for part, unit in zip(parts, (86_400, 3_600, 60, 1, 0.001), strict=True))
