"""What the command line names as ``module:name``."""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import re
import sys
from pathlib import Path
from typing import Final

from ..errors import ConfigError

REFERENCE: Final = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*")


def imported(option: str, reference: str) -> object:
    """The object; ConfigError, in one line, where there is none.

    The working directory counts only where it has a module of that name, for only then the user meant
    something in it: what else lies in there cannot stand in for an installed module.
    """
    if REFERENCE.fullmatch(reference) is None:
        raise ConfigError(f"{option} {reference!r}: write it as module:name")
    module_name, _, path = reference.partition(":")
    look_here(module_name)
    try:
        found: object = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
            raise ConfigError(f"{option} {reference}: {module_name} wants the module {error.name!r}") from error
        raise ConfigError(f"{option} {reference}: there is no module {error.name!r}, here or installed") from error
    except (Exception, SystemExit) as error:  # any code may run at an import
        raise ConfigError(f"{option} {reference}: its import failed with {type(error).__name__}: {error}") from error
    for name in path.split("."):
        if not hasattr(found, name):
            near = difflib.get_close_matches(name, [one for one in dir(found) if not one.startswith("_")], n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise ConfigError(f"{option} {reference}: there is no {name!r} in it{hint}")
        found = getattr(found, name)
    return found


def look_here(module_name: str) -> None:
    """Let a module of the working directory be found, where it has one of this name."""
    here, top = Path.cwd(), module_name.partition(".")[0]
    if top not in sys.stdlib_module_names and ((here / f"{top}.py").is_file() or (here / top).is_dir()):
        sys.path.insert(0, str(here))
