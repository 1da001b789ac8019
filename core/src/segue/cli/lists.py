"""``segue providers``, ``models`` and ``explain``: what is installed, and what would be selected."""

from __future__ import annotations

import asyncio
import os
import shutil
import textwrap
from typing import TYPE_CHECKING, Any, Final, Literal

from ..client.client import Client
from ..client.live import UNDECLARED, UNLISTED
from ..config import find_key
from ..errors import AllFailedError, NoCandidateError, ProviderError
from . import faults
from .progress import PROGRESS
from .targets import shown_number
from .terminal import clean, dim, is_terminal, one_line, output, reserved, say, write_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..capabilities import Capabilities
    from ..client.live import LiveModels
    from ..selection import Candidate, Rejection

# Facts that have a column, each with its heading; prices are in USD per million tokens.
_NUMBERS: Final = {"context": "context", "max_output": "output", "input_price": "in $/M", "output_price": "out $/M"}

# A terminal has no room for all that a model can do: what one looks for in a list, and from which width on.
_ABILITIES: Final = ("tools", "vision", "audio", "files", "json_schema", "reasoning")
# Why a model in a drawn list is not ready, by its provider's key; with a key it is public or offline.
_SHORT: Final = {"missing": "no key", "broken": "key broken"}
_HEAD: Final = ("model", *_NUMBERS.values(), "can", "state")
_RIGHT: Final = frozenset({*_NUMBERS.values(), "models"})
_INSIDE: Final = "\u2007"
_WIDTHS: Final = {"output": 100, "can": 132, "from": 100, "get a key at": 132}


def _client(config: str | None) -> Client:
    # It opens no connection before it asks, so it needs no closing here.
    with reserved(), PROGRESS.during("loading plugins"):
        return Client(config=True if config is None else config)


# ── providers ────────────────────────────────────────────────────────────────────────────────────────


def list_providers(*, config: str | None, as_json: bool) -> None:
    """Print every installed provider and what it lacks, also broken and conflicting ones."""
    client = _client(config)
    registry = client.registry
    consent = {candidate.provider: candidate.consent for candidate in client.models()}
    ambient = {name for name in registry.installed if client.is_ambient(name)}
    versions = {plugin.distribution: plugin.version for plugin in registry.plugins}
    entries = [
        _provider(client, name, consent.get(name, True) and name not in ambient, one.origin, versions.get(one.origin))
        for name, one in sorted(registry.installed.items())
    ]
    broken = [
        {
            "plugin": plugin.name,
            "distribution": plugin.distribution,
            "version": plugin.version,
            "error": str(plugin.error),
        }
        for plugin in registry.broken
    ]
    conflicts = [{"name": name, "error": str(error)} for name, error in registry.conflicts.items()]
    if as_json:
        write_json({"providers": entries, "broken": broken, "conflicts": conflicts})
        return
    if is_terminal(output()):
        rows = [
            (
                one["name"],
                one["access"],
                str(one["models"]),
                one["level"] or "-",
                _short_state(one),
                _origin(one),
                one["key_url"] or "",
            )
            for one in sorted(entries, key=lambda one: not one["ready"])
        ]
        _draw_table(("provider", "access", "models", "level", "state", "from", "get a key at"), rows)
    else:
        _write_table(
            ("provider", "access", "models", "level", "state", "from"),
            [
                (one["name"], one["access"], str(one["models"]), one["level"] or "-", _state(one), _origin(one))
                for one in entries
            ],
        )
    for one in (*broken, *conflicts):
        say(f"note: {one_line(one['error'])} (see `segue doctor`)")
    say_what_to_install(client, lacking=False)


def say_what_to_install(client: Client, *, lacking: bool) -> None:
    """Print on stderr which provider packages would help."""
    for text in client.registry.what_to_install(lacking=lacking):
        say(f"note: {text}")


def _provider(client: Client, name: str, consent: bool, origin: str, version: str | None) -> dict[str, Any]:
    spec = client.registry.installed[name].spec
    models = len(spec.offers())
    # By its name, which a public and an offline one want; one that lists no models takes any.
    selection = client.select(model=name if models else f"{name}/MODEL")
    reasons = dict.fromkeys(reason for rejection in selection.rejected for reason in rejection.reasons)
    return {
        "name": name,
        "access": spec.access,
        "ready": bool(selection.candidates),
        "missing": None if selection.candidates else "; ".join(reasons),
        "key": _key(client, name),
        "variables": list(spec.env),
        "key_url": spec.key_url,
        "only_when_named": spec.access == "offline" or not consent,
        "models": models,
        "level": None if spec.conformance is None else spec.conformance.level,
        "distribution": origin,
        "version": version,
        "where": _where(client, name, origin),
    }


def _where(client: Client, name: str, origin: str) -> str | None:
    """The file and line of a provider that the configuration describes; None for one of a package."""
    table = client.config.providers.get(name)
    return table.where if origin == "code" and table is not None else None


def _state(entry: dict[str, Any]) -> str:
    if not entry["ready"]:
        return str(entry["missing"])
    if entry["only_when_named"]:
        return "ready, only when named"
    return "ready" if entry["models"] else f"ready, as {entry['name']}/MODEL"


def _short_state(entry: dict[str, Any]) -> str:
    if not entry["ready"] and entry["key"] == "missing":
        return f"no key: set {' or '.join(entry['variables'])}"
    return _state(entry)


def _origin(entry: dict[str, Any]) -> str:
    return f"{entry['where'] or entry['distribution']} {entry['version'] or ''}".strip()


def _key(client: Client, name: str) -> str:
    """Whether a provider's key is there; it is not looked up."""
    spec = client.registry.installed[name].spec
    source = find_key(client.config, name, spec.env, environ=os.environ)
    if source is None and spec.without_key is not None:
        table = client.config.providers.get(name)
        told = spec.keyless(os.environ, {} if table is None else table.options)
        return "not wanted" if told is None else "missing"
    if source is None:
        return "missing" if spec.env else "not wanted"
    return "set" if source.obstacle is None else "broken"


# ── models ───────────────────────────────────────────────────────────────────────────────────────────


def list_models(needs: str | None, provider: str | None, *, config: str | None, as_json: bool) -> None:
    """Print every model that satisfies the needs, with its main facts and why it is not ready."""
    client = _client(config)
    found = client.models(needs, provider=provider)
    selection = client.select(needs)
    states = {candidate.name: "; ".join(candidate.notes) or "ready" for candidate in selection.candidates}
    states |= {rejection.name: "; ".join(rejection.reasons) for rejection in selection.rejected}
    ready = {candidate.name for candidate in selection.candidates if candidate.consent}
    keys = {name: _key(client, name) for name in dict.fromkeys(model.provider for model in found)}
    if as_json:
        write_json(
            [
                {
                    "name": model.name,
                    "provider": model.provider,
                    "model": model.model,
                    "key": keys[model.provider],
                    "ready": model.name in ready,
                    "state": states.get(model.name),
                    "facts": _facts(model.capabilities),
                }
                for model in found
            ]
        )
        return
    if not found:
        say("note: no model satisfies these needs; `segue explain --needs …` shows why")
        say_what_to_install(client, lacking=True)
        return
    drawn = is_terminal(output())
    rows = []
    for model in sorted(found, key=lambda model: model.name not in ready):
        state = states.get(model.name, "")
        if drawn and model.name in ready:
            # That one is deprecated has no room here: who asks it is told, and the JSON has it.
            state = "ready" if state.startswith("deprecated") else state
        elif drawn:
            state = _SHORT.get(keys[model.provider], "when named")
        rows.append(_row(model, state, drawn=drawn))
    if not drawn:
        _write_table(_HEAD, rows)
        return
    _draw_table(_HEAD, rows)
    if any(row[-1] in _SHORT.values() for row in rows):
        say(dim("`segue providers` shows which keys are missing"))


def list_live_models(needs: str | None, provider: str | None, *, config: str | None, as_json: bool) -> int:
    """Print the models that hosts list now; the exit code: 1 if a host failed, 2 if no host got a request."""
    client = _client(config)

    async def ask() -> LiveModels:
        async with client:
            return await client.live_models(needs, provider=provider)

    output()  # no host is asked where nobody could see what it says
    whose = "the lists of models" if provider is None else f"the list of models of {one_line(provider)}"
    with PROGRESS.during(f"waiting for {whose}"):
        told = asyncio.run(ask())
    drawn = is_terminal(output()) and not as_json
    rows = [_row(model, _live_state(model), drawn=drawn) for model in told.models]
    if as_json:
        write_json([_live_entry(model) for model in told.models] if told.answered else _live_failure(told))
    elif drawn and rows:
        _draw_table(_HEAD, rows)
    elif rows:
        _write_table(_HEAD, rows)
    for line in _skipped(client, told) if provider is None else map(_why, told.skipped.items()):
        say(line)
    for error in told.failures.values():
        say(f"error: {faults.told(error)}")
    if told.failures:
        return 1
    if not told.answered:
        say_what_to_install(client, lacking=False)
        say(f"error: {_NOBODY}")
        return 2
    if not told.models:
        say("note: no listed model satisfies these needs")
    return 0


_NOBODY: Final = "no host could get a request"


def _live_failure(told: LiveModels) -> dict[str, Any]:
    """The failure of a command for which no host answered."""
    failures = list(told.failures.values())
    if len(failures) > 1 and all(isinstance(error, ProviderError) for error in failures):
        errors = [error for error in failures if isinstance(error, ProviderError)]
        return faults.failure_as_json(AllFailedError(f"all {len(errors)} hosts failed", errors))
    return faults.failure_as_json(failures[0] if failures else NoCandidateError(_NOBODY))


def _why(skipped: tuple[str, str]) -> str:
    return f"skipped: {skipped[0]}: {one_line(skipped[1])}"


def _skipped(client: Client, told: LiveModels) -> list[str]:
    """Those that were not asked, by reason: of those without a key only which one is missing."""
    installed = client.registry.installed
    keyless = {name: installed[name].spec.env[0] for name in told.skipped if _key(client, name) == "missing"}
    reasons: dict[str, list[str]] = {}
    for name, reason in told.skipped.items():
        if keyless.get(name, "") not in reason:
            del keyless[name]  # it would not be asked with a key either
        if name not in keyless:
            reasons.setdefault(reason, []).append(name)
    lines = [_why((", ".join(names), reason)) for reason, names in reasons.items()]
    if keyless:
        # Wrapped between two providers only: a space inside of one is put back afterwards.
        each = ", ".join(one_line(f"{name} ({variable})").replace(" ", _INSIDE) for name, variable in keyless.items())
        text = f"skipped, no key: {each}; `segue providers` shows where to get one"
        wrapped = textwrap.wrap(text, _width(), subsequent_indent="  ", break_on_hyphens=False)
        lines += [line.replace(_INSIDE, " ") for line in wrapped]
    return lines


def _live_state(model: Candidate) -> str:
    """Where it stands, if not on both sides."""
    if UNLISTED in model.notes:
        return "not listed"
    return "undeclared" if UNDECLARED in model.notes else "listed"


def _live_entry(model: Candidate) -> dict[str, Any]:
    return {
        "name": model.name,
        "provider": model.provider,
        "model": model.model,
        "listed": UNLISTED not in model.notes,
        "declared": UNDECLARED not in model.notes,
        "facts": _facts(model.capabilities),
    }


def _row(model: Candidate, state: str, *, drawn: bool) -> tuple[str, ...]:
    can = _abilities(model.capabilities) if drawn else _flags(model.capabilities)
    return (model.name, *(shown_number(model.capabilities, name) for name in _NUMBERS), can, state)


def _facts(capabilities: Capabilities) -> dict[str, Any]:
    return {name: {"value": fact.value, "source": fact.source} for name, fact in capabilities.items()}


def _flags(capabilities: Capabilities) -> str:
    return " ".join(sorted(name for name, fact in capabilities.items() if fact.value is True)) or "?"


def _abilities(capabilities: Capabilities) -> str:
    return " ".join(name for name in _ABILITIES if capabilities.fact(name).value is True) or "?"


# ── explain ──────────────────────────────────────────────────────────────────────────────────────────


def explain_selection(
    needs: str | None, model: str | None, *, config: str | None, as_json: bool, everything: bool
) -> bool:
    """Print the selection, with ``everything`` each model of it; True if there is a candidate."""
    selection = _client(config).select(needs, model=model)
    if as_json:
        write_json(
            {
                "wanted": selection.wanted,
                "candidates": [_candidate(candidate) for candidate in selection.candidates],
                "rejected": [_rejection(rejection) for rejection in selection.rejected],
                "hints": list(selection.hints),
            }
        )
    else:
        output().write(clean(selection.explain(full=everything)) + "\n")
    return bool(selection.candidates)


def _candidate(candidate: Candidate) -> dict[str, Any]:
    return {
        "name": candidate.name,
        "provider": candidate.provider,
        "model": candidate.model,
        "public": candidate.public,
        "consent": candidate.consent,
        "notes": list(candidate.notes),
    }


def _rejection(rejection: Rejection) -> dict[str, Any]:
    return {
        "name": rejection.name,
        "provider": rejection.provider,
        "model": rejection.model,
        "reasons": list(rejection.reasons),
    }


def _width() -> int:
    return min(120, shutil.get_terminal_size((120, 24)).columns)


# ── tables ───────────────────────────────────────────────────────────────────────────────────────────


def _write_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Aligned text, which loads nothing."""
    out = output()
    cells = [[one_line(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(head, *cells, strict=True)]
    for row in (head, *cells):
        out.write("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() + "\n")


def _draw_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Drawn with the columns that the terminal has room for; what was left out is said."""
    from rich import box  # only here: it is slow to import, and a pipe needs none of it
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(file=output())
    kept = [place for place, name in enumerate(head) if console.width >= _WIDTHS.get(name, 0)]
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for place in kept:
        justify: Literal["left", "right"] = "right" if head[place] in _RIGHT else "left"
        table.add_column(head[place], overflow="fold", justify=justify)  # fold: of a name nothing is left out
    for row in rows:
        table.add_row(*(Text(one_line(row[place])) for place in kept))  # as Text: a name with brackets is no markup
    console.print(table)
    if len(kept) < len(head):
        missing = ", ".join(repr(name) for place, name in enumerate(head) if place not in kept)
        say(dim(f"not shown: {missing}; use a wider terminal, or --json"))
