"""The conformance kit: tests that every provider must pass, without a line of test code.

``segue conform NAME`` runs it as a command, ``pytest --segue-conform NAME`` as tests.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..._lazy import attach

if TYPE_CHECKING:
    from .catalogue import all_items as all_items
    from .items import Item as Item
    from .origin import Origin as Origin
    from .origin import installed_origins as installed_origins
    from .origin import origins_of as origins_of
    from .report import Outcome as Outcome
    from .report import Report as Report
    from .report import Result as Result
    from .running import conform as conform

# Loaded on first use: the child that looks at an import must not have the whole kit loaded before it.
attach(
    __name__,
    {
        ".catalogue": "all_items",
        ".items": "Item",
        ".origin": "Origin installed_origins origins_of",
        ".report": "Outcome Report Result",
        ".running": "conform",
    },
)
