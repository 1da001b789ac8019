"""Debug output of such a file; it goes to the log, at level DEBUG."""

from __future__ import annotations

import logging

_log = logging.getLogger("segue.plugins")


def log(*texts: object) -> None:
    """Log these texts."""
    _log.debug("%s", " ".join(map(str, texts)))


def error(*errors: object) -> None:
    """Log an error after which the provider continues."""
    _log.debug(
        "%s", " ".join(f"{type(one).__name__}: {one}" if isinstance(one, Exception) else str(one) for one in errors)
    )
