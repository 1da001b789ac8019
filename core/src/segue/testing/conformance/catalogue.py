"""All tests of the kit, in the order in which they run."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .items import Item


@cache
def all_items() -> tuple[Item, ...]:
    """Every test once."""
    from . import abilities, declaring, faults, secrecy, streaming  # they import the whole library

    return (
        *declaring.ITEMS,
        *streaming.ITEMS,
        *secrecy.ITEMS,
        declaring.wire,
        *faults.ITEMS,
        *streaming.NETWORK,
        *abilities.ITEMS,
    )
