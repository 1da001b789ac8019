"""Names of types that files of this form have in their signatures; nothing here gives them such a value."""

from __future__ import annotations

from typing import TypeAlias

Cookies: TypeAlias = dict[str, str]
ImageType: TypeAlias = object
MediaListType: TypeAlias = list[tuple[object, str | None]]
