"""The command line, and a place of its own to install plugins in, for tests."""

from command_line import CommandLine, cli
from sites import Site, site

__all__ = ["CommandLine", "Site", "cli", "site"]
