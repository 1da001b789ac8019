"""The provider packages of this project, and messages that say which one to install.

It is data, in a file next to this one, and is used only for messages.
"""

from __future__ import annotations

import json
import pkgutil
from functools import cache
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Mapping, Sequence

_OPEN: Final = "open"
"""Only these hosts are suggested: not a rehearsal, and not a public host that is not named."""


@cache
def _packages() -> Mapping[str, Mapping[str, Any]]:
    data = pkgutil.get_data(__name__.rpartition(".")[0], "packages.json")
    if data is None:
        raise FileNotFoundError("segue.plugins has no packages.json")
    table: Mapping[str, Mapping[str, Any]] = json.loads(data)
    return table


def how_to_install(distributions: Iterable[str]) -> str:
    """How to install one of these packages; the only place that says it."""
    return f"install {' or '.join(f'{one} ({_command(one)})' for one in distributions)}"


def one_of(distributions: Sequence[str]) -> str:
    """The same for many packages, any of which is enough."""
    *others, last = distributions
    also = f"; others: {', '.join(_extra(one) for one in others)}" if others else ""
    return f"install one, for example {last} ({_command(last)}{also})"


def _command(distribution: str) -> str:
    # Segue is not on a package index: a bare name could be another project's there. A folder cannot.
    return f"in a checkout of Segue: pip install ./providers/{_extra(distribution)}"


def _extra(distribution: str) -> str:
    return distribution.removeprefix("segue-")


def package_of(provider: str) -> str | None:
    """The package that contains a provider, or None."""
    return next((package for package, providers in _packages().items() if provider in providers), None)


def owner_of(name: str, *, same: Callable[[str], str]) -> str | None:
    """The package that is called ``segue-NAME``, or has a provider of this name; names with the same key are equal."""
    for package, providers in _packages().items():
        if same(name) in {same(_extra(package)), *map(same, providers)}:
            return package
    return None


def packages_with(model: str) -> dict[str, Sequence[str]]:
    """The packages with a model of this name, each with its providers that have the model."""
    found = {
        package: [name for name, one in providers.items() if model in one["models"] and one["access"] == _OPEN]
        for package, providers in _packages().items()
    }
    return {package: names for package, names in found.items() if names}


def unused_keys(environ: Mapping[str, str], installed: Container[str]) -> dict[str, Sequence[str]]:
    """The variables with a key for a provider that is not installed, each with the packages that use it."""
    found: dict[str, list[str]] = {}
    used: set[str] = set()
    for package, providers in _packages().items():
        for name, one in providers.items():
            for variable in one["keys"]:
                if not environ.get(variable):
                    continue
                if name in installed:
                    used.add(variable)
                elif package not in found.setdefault(variable, []):
                    found[variable].append(package)
    return {variable: packages for variable, packages in found.items() if variable not in used}


def package_names() -> tuple[str, ...]:
    """The packages with a provider that needs a key, or whose host runs on this machine."""
    table = _packages()
    return tuple(name for name in table if any(one["access"] == _OPEN for one in table[name].values()))


def has_hosts(distribution: str) -> bool:
    """Whether a package has such a provider; of a package of another project it is assumed."""
    return distribution not in _packages() or distribution in package_names()
