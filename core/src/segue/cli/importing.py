"""Import what the command line names as ``module:name``."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import pkgutil
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ..display import closest
from ..errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec

REFERENCE: Final = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*")


def imported(option: str, reference: str) -> object:
    """The object; ConfigError, in one line, if there is none.

    The working directory is searched only if it has a module of that name, because only then the user meant it:
    other files in it cannot replace an installed module.
    """
    if REFERENCE.fullmatch(reference) is None:
        raise ConfigError(f"{option} {reference!r}: expected module:name")
    module_name, _, path = reference.partition(":")
    look_here(module_name)
    try:
        found: object = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
            raise ConfigError(
                f"{option} {reference}: {module_name} needs the module {error.name!r}, which is not installed"
            ) from error
        raise ConfigError(
            f"{option} {reference}: the module {error.name!r} is not in the working directory and not installed"
        ) from error
    except (Exception, SystemExit) as error:  # any code may run at an import
        raise ConfigError(f"{option} {reference}: its import failed with {type(error).__name__}: {error}") from error
    for name in path.split("."):
        if not hasattr(found, name):
            near = _near(name, [one for one in dir(found) if not one.startswith("_")])
            raise ConfigError(f"{option} {reference}: the module has no {name!r}{near}")
        found = getattr(found, name)
    return found


def check_reference(option: str, reference: str) -> None:
    """ConfigError, with the nearest name, if there is no such module, or if it has no such name.

    Nothing is imported. If the source of the module does not show which names it has, there is no error.
    """
    module_name, _, path = reference.partition(":")
    if path and REFERENCE.fullmatch(reference) is None:
        raise ConfigError(f"{option} {reference!r}: expected module:name")
    look_here(module_name)
    importlib.invalidate_caches()
    places: Sequence[str] | None = None
    spec: ModuleSpec | None = None
    before = ""
    for part in module_name.split("."):
        name = f"{before}{part}"
        if name in sys.modules:
            spec = sys.modules[name].__spec__
        else:
            found = (finder.find_spec(name, places) for finder in sys.meta_path)
            spec = next((one for one in found if one is not None), None)
        if spec is None:
            there = [module.name for module in pkgutil.iter_modules(places)]
            told = f"the module {name!r} is not in the working directory and not installed"
            raise ConfigError(f"{option} {reference}: {told}{_near(name, [f'{before}{one}' for one in there])}")
        places, before = spec.submodule_search_locations or [], f"{name}."
    names = None if spec is None else _names_in(spec.origin)
    first = path.partition(".")[0]
    if first and names is not None and first not in names:
        raise ConfigError(f"{option} {reference}: the module has no {first!r}{_near(first, sorted(names))}")


def _near(name: str, names: Sequence[str]) -> str:
    near = closest(name, names, sure=True)
    return f"; did you mean {near!r}?" if near else ""


def _names_in(file: str | None) -> set[str] | None:
    """The names that a module's source binds, anywhere in it; None if the source does not show all of them."""
    if file is None or not file.endswith(".py"):
        return None
    try:
        tree = ast.parse(Path(file).read_bytes())
    except (OSError, SyntaxError, ValueError):
        return None
    names: set[str] = set()
    for node in ast.walk(tree):
        match node:
            case ast.alias(name="*") | ast.FunctionDef(name="__getattr__"):
                return None
            case ast.Name(id="globals" | "exec" | "vars" | "setattr" | "locals"):
                return None
            case ast.alias(name=name, asname=other):
                names.add(other or name.partition(".")[0])
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                names.add(name)
            case ast.Name(id=name, ctx=ast.Store()):
                names.add(name)
            case _:
                pass
    return names


def look_here(module_name: str) -> None:
    """Let Python find a module of this name in the working directory, if there is one."""
    here, top = Path.cwd(), module_name.partition(".")[0]
    if top not in sys.stdlib_module_names and ((here / f"{top}.py").is_file() or (here / top).is_dir()):
        sys.path.insert(0, str(here))
