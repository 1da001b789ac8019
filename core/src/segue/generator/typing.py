"""Names of types for the signatures of such files; Segue does not pass values of these types."""

from __future__ import annotations

from typing import TypeAlias

Cookies: TypeAlias = dict[str, str]
ImageType: TypeAlias = object
MediaListType: TypeAlias = list[tuple[object, str | None]]
