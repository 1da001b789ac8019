"""Where in the code of an installed plugin a text is, for messages that say what to edit."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from .entries import PROVIDERS

_MOST_BYTES: Final = 1024 * 1024


def place_of(distribution: str, text: str) -> str | None:
    """``FILE:LINE`` of the first line with this text in the modules of a distribution's plugins; None if there is none.

    No plugin is imported.
    """
    from importlib.metadata import entry_points  # slow to import: only where something is wrong
    from importlib.util import find_spec

    for point in entry_points(group=PROVIDERS):
        if point.dist is None or point.dist.name != distribution:
            continue
        try:
            found = find_spec(point.module.partition(".")[0])
            if found is None or found.origin is None:
                continue
            file = Path(found.origin)
            others = file.parent.rglob("*.py") if found.submodule_search_locations else ()
            for path in (file, *sorted(others)):
                if path.stat().st_size <= _MOST_BYTES:
                    for number, line in enumerate(path.read_text("utf-8", "replace").splitlines(), 1):
                        if text in line:
                            return f"{path}:{number}"
        except (OSError, ValueError, ImportError):  # a file that went away, a module in a form of its own
            continue
    return None
