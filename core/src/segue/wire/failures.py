"""The error that a host reports inside a response with status 200, for the wires of every provider."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import http_error
from ..json_text import to_json
from . import error_body

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..errors import HTTPError


def failure_of(told: Mapping[str, object], *, request_id: str | None = None) -> HTTPError:
    """The error in a decoded object, its type decided by the fields; its status is 200, its phase ``stream``."""
    return http_error(
        200,
        error_body.fields_of(told),
        body=error_body.shown(to_json(told)),
        phase="stream",
        request_id=request_id,
    )
