"""The command line, for tests."""

from command_line import CommandLine, cli

__all__ = ["CommandLine", "cli"]
