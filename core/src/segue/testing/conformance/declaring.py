"""Tests of the declaration and of the import."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Final, get_args
from urllib.parse import urlsplit

from ...capabilities import FLAGS, PRICES, SIZES
from ...errors import ConfigError
from ...provider.contract import Access, Conformance, options_model
from .items import LEVELS, NAMES, FailureError, UntriedError, holds, item
from .scenes import wire_of

if TYPE_CHECKING:
    from ...capabilities import Capabilities
    from ...provider.contract import Model, ProviderSpec
    from .bench import Bench
    from .importing import Imported

BUDGET: Final = 0.25
"""Seconds of processor time that the import of a declaration may take, without the import of Segue."""

IMPLEMENTATION_BUDGET: Final = 1.5
"""The same for the implementation, which may need the SDK of a vendor."""

_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@item("declaration")
def declaration(bench: Bench) -> None:
    """The declaration is valid: its names, models, facts, addresses, and what it declares for this kit."""
    spec = bench.spec
    _address(spec)
    for name in (*spec.env, *(() if spec.base_url_env is None else (spec.base_url_env,))):
        holds(isinstance(name, str) and _VARIABLE.fullmatch(name), f"{name!r} is not a valid name of a variable")
    holds(len(set(spec.env)) == len(spec.env), "env contains a variable twice")
    holds(spec.access in get_args(Access), f"access is {spec.access!r}; expected {', '.join(get_args(Access))}")
    holds(not (spec.access == "public" and spec.env), "a public host takes anonymous calls, but env names a key")
    _models(spec)
    _told(spec.conformance, bench)


def _address(spec: ProviderSpec) -> None:
    for name, url in (("url", spec.url), ("key_url", spec.key_url)):
        if url is None:
            continue
        holds(isinstance(url, str), f"{name} is {url!r}; expected a string")
        parts = urlsplit(url)
        holds(parts.scheme in {"http", "https"} and parts.netloc, f"{name} is not an http or https address: {url!r}")
        holds(parts.username is None and parts.password is None, f"{name} contains a user name or a password")


def _models(spec: ProviderSpec) -> None:
    offers = spec.offers()
    names = [model.name for model in offers]
    for name in names:
        is_name = isinstance(name, str) and name and name == name.strip() and name.isprintable()
        holds(is_name, f"{name!r} is not a valid name of a model")
    twice = {name for name in names if names.count(name) > 1}
    holds(not twice, f"the model {next(iter(twice), '')!r} is declared twice")
    for model in offers:
        _facts(model.capabilities, model)
    _facts(spec.shared(), None)


def _facts(facts: Capabilities, model: Model | None) -> None:
    of = "" if model is None else f" of {model.name}"
    for name, fact in facts.items():
        value = fact.value
        if value is None:
            continue
        if name in {*PRICES, *SIZES}:
            is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
            holds(is_number, f"{name}{of} is {value!r}; expected a number")
            holds(
                isinstance(value, (int, float)) and math.isfinite(value),
                f"{name}{of} is {value!r}; expected a finite number",
            )
            least = 0 if name in PRICES else 1
            holds(
                isinstance(value, (int, float)) and value >= least,
                f"{name}{of} is {value!r}; expected at least {least}",
            )
            if name in SIZES:
                holds(float(value) == int(value), f"{name}{of} is {value!r}; expected a whole number")
            most = 100_000 if name in PRICES else 10**9
            holds(
                isinstance(value, (int, float)) and value <= most, f"{name}{of} is {value!r}; expected at most {most:,}"
            )
        elif name in FLAGS or name.startswith("supports_"):
            holds(isinstance(value, bool), f"{name}{of} is {value!r}; expected true or false")
    context, output = facts.fact("context").value, facts.fact("max_output").value
    if isinstance(context, (int, float)) and isinstance(output, (int, float)):
        holds(output <= context, f"max_output{of} is {output}, which is more than its context, {context}")


def _told(conformance: Conformance | None, bench: Bench) -> None:
    """What it tells this kit."""
    if conformance is None:
        return
    holds(
        isinstance(conformance, Conformance),
        f"conformance is of type {type(conformance).__name__}; expected Conformance",
    )
    holds(conformance.level in LEVELS, f"level is {conformance.level!r}; expected {', '.join(LEVELS)}")
    for name, reason in conformance.expected_failures.items():
        holds(name in NAMES, f"expected_failures contains {name!r}, which is not a test of the kit")
        holds(isinstance(reason, str) and reason.strip(), f"expected_failures gives no reason for {name!r}")
    try:
        wire = wire_of(conformance)
    except ConfigError as error:
        raise FailureError(str(error)) from error
    holds(wire or conformance.level == "text", f"level {conformance.level} requires a wire or cassettes")
    if conformance.options:
        model = options_model(bench.spec)
        if model is not None:
            try:
                model.model_validate(dict(conformance.options))
            except ValueError:  # its text may hold what was given
                raise FailureError("the options for this kit are not valid options of the provider") from None


# ── import ───────────────────────────────────────────────────────────────────────────────────────────


def _imported(bench: Bench) -> Imported:
    done: Imported = bench.imported
    if done.error:
        raise FailureError(done.error)
    return done


@item("import")
def import_works(bench: Bench) -> None:
    """Its declaration and its implementation can be imported, in a separate process."""
    _imported(bench)


@item("import network")
def import_network(bench: Bench) -> None:
    """Its import opens no connection and looks up no name."""
    lines = bench.imported.network
    holds(not lines, "; ".join(lines))


@item("import files")
def import_files(bench: Bench) -> None:
    """Its import writes no file, and reads files only where Python looks for modules and their data."""
    lines = bench.imported.files
    holds(not lines, "; ".join(lines))


@item("import processes")
def import_processes(bench: Bench) -> None:
    """Its import starts no process."""
    lines = bench.imported.processes
    holds(not lines, "; ".join(lines))


@item("import output")
def import_output(bench: Bench) -> None:
    """Its import prints nothing."""
    printed = bench.imported.printed
    holds(not printed, f"it printed {printed!r}")


@item("import time")
def import_time(bench: Bench) -> None:
    """Its import takes at most 0.25 s of processor time for the declaration, and 1.5 s for the rest.

    The time for Segue itself does not count; of three imports the fastest counts.
    """
    done = _imported(bench)
    late: list[str] = []
    for again in range(3):
        late = [
            f"{name} took {took:.2f} s; the limit is {budget:g} s"
            for name, took, budget in (
                ("the declaration", done.declaration, BUDGET),
                ("the implementation", done.implementation, IMPLEMENTATION_BUDGET),
            )
            if took > budget
        ]
        if not late or again == 2:
            break
        done = bench.reimported()
    holds(not late, "; ".join(late))


@item("models offline")
def models_offline(bench: Bench) -> None:
    """Listing its models opens no connection and no file, and starts no process."""
    lines = _imported(bench).models
    holds(not lines, "; ".join(lines))


@item("models constant")
def models_constant(bench: Bench) -> None:
    """Its models are the same each time, and no two have the same name."""
    why = _imported(bench).unsteady
    holds(not why, why)


@item("wire", "wire")
def wire(bench: Bench) -> None:
    """It declares a wire for which the kit has a host, or its own cassettes."""
    if bench.conformance.wire is None and bench.conformance.cassettes is None:
        raise UntriedError("it declares neither a wire nor cassettes")
    _ = bench.wire


ITEMS: Final = (
    declaration, import_works, import_network, import_files, import_processes, import_output, import_time,
    models_offline, models_constant,
)  # fmt: skip
