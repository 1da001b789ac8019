"""``understudy providers``, ``models`` and ``explain``: what is there, and what would be chosen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..client import Client
from .terminal import clean, is_terminal, one_line, output, say, write_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..capabilities import Capabilities
    from ..selection import Candidate, Rejection

# Facts that have a column, each with its heading; prices are in USD per million tokens.
_NUMBERS = {"context": "context", "max_output": "output", "input_price": "in $/M", "output_price": "out $/M"}


def _client(config: str | None) -> Client:
    # It opens no connection before it asks, so it needs no closing here.
    return Client(config=True if config is None else config)


# ── providers ────────────────────────────────────────────────────────────────────────────────────────


def list_providers(*, config: str | None, as_json: bool) -> None:
    """Every installed provider and what it lacks; broken and conflicting ones too."""
    client = _client(config)
    registry = client.registry
    consent = {candidate.provider: candidate.consent for candidate in client.models()}
    versions = {plugin.distribution: plugin.version for plugin in registry.plugins}
    entries = [
        _provider(client, name, consent.get(name, True), one.origin, versions.get(one.origin))
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
    _print_table(
        ("provider", "access", "models", "state", "from"),
        [
            (
                entry["name"],
                entry["access"],
                str(entry["models"]),
                _state(entry),
                f"{entry['distribution']} {entry['version'] or ''}",
            )
            for entry in entries
        ],
    )
    for one in (*broken, *conflicts):
        say(f"note: {one_line(one['error'])} (see `understudy doctor`)")


def _provider(client: Client, name: str, consent: bool, origin: str, version: str | None) -> dict[str, Any]:
    spec = client.registry.installed[name].spec
    selection = client.select(model=name)  # by its name, which a public and an offline one want
    reasons = dict.fromkeys(reason for rejection in selection.rejected for reason in rejection.reasons)
    models = len(spec.offers())
    return {
        "name": name,
        "access": spec.access,
        "ready": bool(selection.candidates),
        "missing": None if selection.candidates else "; ".join(reasons) or "it declares no model",
        "variables": list(spec.env),
        "key_url": spec.key_url,
        "only_when_named": spec.access == "offline" or not consent,
        "models": models,
        "distribution": origin,
        "version": version,
    }


def _state(entry: dict[str, Any]) -> str:
    if not entry["ready"]:
        return str(entry["missing"])
    return "ready, only when named" if entry["only_when_named"] else "ready"


# ── models ───────────────────────────────────────────────────────────────────────────────────────────


def list_models(needs: str | None, *, config: str | None, as_json: bool) -> None:
    """Every model that meets the needs, with its main facts and what stands in its way."""
    client = _client(config)
    found = client.models(needs)
    selection = client.select(needs)
    states = {candidate.name: "; ".join(candidate.notes) or "ready" for candidate in selection.candidates}
    states |= {rejection.name: "; ".join(rejection.reasons) for rejection in selection.rejected}
    ready = {candidate.name for candidate in selection.candidates if candidate.consent}
    if as_json:
        write_json(
            [
                {
                    "name": model.name,
                    "provider": model.provider,
                    "model": model.model,
                    "ready": model.name in ready,
                    "state": states.get(model.name),
                    "facts": {
                        name: {"value": fact.value, "source": fact.source} for name, fact in model.capabilities.items()
                    },
                }
                for model in found
            ]
        )
        return
    if not found:
        say("note: no model meets this; `understudy explain --needs …` says why")
        return
    _print_table(
        ("model", *_NUMBERS.values(), "can", "state"),
        [
            (
                model.name,
                *(_number(model.capabilities, name) for name in _NUMBERS),
                _flags(model.capabilities),
                states.get(model.name, ""),
            )
            for model in found
        ],
    )


def _number(capabilities: Capabilities, name: str) -> str:
    value = capabilities.fact(name).value
    return "?" if value is None else f"{value:,}" if isinstance(value, int) else str(value)


def _flags(capabilities: Capabilities) -> str:
    return " ".join(sorted(name for name, fact in capabilities.items() if fact.value is True)) or "?"


# ── explain ──────────────────────────────────────────────────────────────────────────────────────────


def explain_selection(needs: str | None, model: str | None, *, config: str | None, as_json: bool) -> bool:
    """Print the selection; whether there is a candidate."""
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
        output().write(clean(selection.explain()) + "\n")
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


# ── tables ───────────────────────────────────────────────────────────────────────────────────────────


def _print_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Drawn on a terminal, aligned text elsewhere."""
    out = output()
    cells = [[one_line(cell) for cell in row] for row in rows]
    if not is_terminal(out):
        widths = [max(map(len, column)) for column in zip(head, *cells, strict=True)]
        for row in (head, *cells):
            out.write("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() + "\n")
        return
    from rich import box  # only here: it is slow to import, and a pipe needs none of it
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*head, box=box.SIMPLE_HEAD, pad_edge=False)
    for column in table.columns:
        column.overflow = "fold"  # on a narrow terminal nothing is left out
    for row in cells:
        table.add_row(*(Text(cell) for cell in row))  # as Text: a name with brackets is no markup
    Console(file=out).print(table)
