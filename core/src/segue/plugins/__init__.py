"""Installed plugins: found, inspected in another process, cached, and imported only for their first request."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._lazy import attach

if TYPE_CHECKING:
    from .catalogue import catalogue_file as catalogue_file
    from .catalogue import catalogued as catalogued
    from .catalogue import installed as installed
    from .entries import COMMANDS as COMMANDS
    from .entries import PROVIDERS as PROVIDERS
    from .entries import Entry as Entry
    from .loading import Declared as Declared
    from .loading import Late as Late
    from .loading import cause_of as cause_of
    from .loading import declared_here as declared_here
    from .loading import given_as_spec as given_as_spec
    from .loading import loaded as loaded
    from .loading import told_trace as told_trace
    from .trust import Trust as Trust
    from .trust import record_of as record_of

# Loaded on first use: the names of what is installed, which ``--help`` shows, cost neither providers nor configuration.
attach(
    __name__,
    {
        ".catalogue": "catalogue_file catalogued installed",
        ".entries": "COMMANDS PROVIDERS Entry",
        ".loading": "Declared Late cause_of declared_here given_as_spec loaded told_trace",
        ".trust": "Trust record_of",
    },
)
