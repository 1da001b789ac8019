"""Which provider packages of this project there are, for those that are not installed: what to say of them.

It is data, beside this file, and nothing but words is made of it.
"""

from __future__ import annotations

import json
import pkgutil
from functools import cache
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping, Sequence

_OPEN: Final = "open"
"""Who looks for a model to ask is not sent to a rehearsal, or to a public host that nobody named."""


@cache
def _packages() -> Mapping[str, Mapping[str, Any]]:
    data = pkgutil.get_data(__package__, "packages.json")
    if data is None:
        raise FileNotFoundError("segue.installation has no packages.json")
    table: Mapping[str, Mapping[str, Any]] = json.loads(data)
    return table


def how_to_install(distributions: Iterable[str]) -> str:
    """What to do to have one of these packages; the one place that says it."""
    return f"install {' or '.join(f'{one} ({_command(one)})' for one in distributions)}"


def one_of(distributions: Sequence[str]) -> str:
    """The same of many packages, of which anyone may do."""
    *others, last = distributions
    also = f"; others: {', '.join(_extra(one) for one in others)}" if others else ""
    return f"install one, for example {last} ({_command(last)}{also})"


def _command(distribution: str) -> str:
    # Segue is not on a package index: a bare name could be another project's there. A folder cannot.
    return f"in a checkout of Segue: pip install ./providers/{_extra(distribution)}"


def _extra(distribution: str) -> str:
    return distribution.removeprefix("segue-")


def package_of(provider: str) -> str | None:
    """The package that brings a provider, or None."""
    return next((package for package, providers in _packages().items() if provider in providers), None)


def packages_with(model: str) -> dict[str, Sequence[str]]:
    """The packages that bring a model of this bare name, each with those of its providers that have it."""
    found = {
        package: [name for name, one in providers.items() if model in one["models"] and one["access"] == _OPEN]
        for package, providers in _packages().items()
    }
    return {package: names for package, names in found.items() if names}


def unused_keys(environ: Mapping[str, str], installed: Container[str]) -> dict[str, Sequence[str]]:
    """The variables that hold a key of a provider that is not installed, each with the packages that would use it."""
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
    """The packages with a provider that answers whoever has a key, or runs on this machine."""
    table = _packages()
    return tuple(name for name in table if any(one["access"] == _OPEN for one in table[name].values()))
