"""What a file of this form tells while it is looked at: it goes to the log, at its lowest level."""

from __future__ import annotations

import logging

_log = logging.getLogger("segue.plugins")


def log(*texts: object) -> None:
    """Tell it."""
    _log.debug("%s", " ".join(map(str, texts)))


def error(*errors: object) -> None:
    """Tell of an error that the provider got over."""
    _log.debug(
        "%s", " ".join(f"{type(one).__name__}: {one}" if isinstance(one, Exception) else str(one) for one in errors)
    )
