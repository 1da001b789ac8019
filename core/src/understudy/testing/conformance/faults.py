"""Items of faults: each that a host can have becomes the right error. The numbers are those of the catalogue."""

from __future__ import annotations

from typing import Final

from .items import Item

ITEMS: Final[tuple[Item, ...]] = ()
