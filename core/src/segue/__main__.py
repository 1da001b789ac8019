"""``python -m segue`` is the command line."""

from __future__ import annotations

import os
import sys

# `python -m` puts the working directory first: what lies there may have come with a repository, and is no plugin.
if not sys.flags.safe_path and sys.path[:1] == [os.getcwd()]:  # noqa: PTH109 - pathlib is not needed for this
    del sys.path[0]

from .cli import main  # from here on nothing is found there

main()
