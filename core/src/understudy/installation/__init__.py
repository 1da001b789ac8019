"""What is installed: found, read in another process, kept, and imported here only when it is asked."""

from .catalogue import catalogue_file, catalogued, installed
from .entries import COMMANDS, PROVIDERS, Entry
from .loading import Declared, Late, cause_of, declared_here, given_as_spec
from .trust import Trust, record_of

__all__ = [
    "COMMANDS",
    "PROVIDERS",
    "Declared",
    "Entry",
    "Late",
    "Trust",
    "catalogue_file",
    "catalogued",
    "cause_of",
    "declared_here",
    "given_as_spec",
    "installed",
    "record_of",
]
