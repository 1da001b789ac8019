"""Items of what a provider advertises: each is tried with a host that answers so."""

from __future__ import annotations

from typing import Final

from .items import Item

ITEMS: Final[tuple[Item, ...]] = ()
