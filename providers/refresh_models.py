"""Writes facts from public tables into the models.json of each provider: ``python3 noxfile.py -s models``.

The tables are the data of the installed package genai-prices, and of models.dev if its api.json is given. Only
models that are already in a file are updated. Facts that were written by hand, also nulls, do not change; if a table
disagrees with one, the difference is printed. If both tables have a fact, genai-prices is used. Nothing is downloaded.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import sys
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

Facts: TypeAlias = dict[str, Any]
Lookup: TypeAlias = "Callable[[str, str], Facts]"
"""The facts of a model in a table, by the names of provider and model; empty for an unknown model."""

PRICES: Final = "genai-prices"
MODELS_DEV: Final = "models.dev"

# By provider, its name in genai-prices and in models.dev.
NAMES: Final = {
    "anthropic": ("anthropic", "anthropic"),
    "cerebras": ("cerebras", "cerebras"),
    "cohere": ("cohere", "cohere"),
    "deepseek": ("deepseek", "deepseek"),
    "fireworks": ("fireworks", "fireworks-ai"),
    "google": ("google", "google"),
    "groq": ("groq", "groq"),
    "mistral": ("mistral", "mistral"),
    "nvidia": (None, "nvidia"),
    "openai": ("openai", "openai"),
    "openrouter": ("openrouter", "openrouter"),
    "together": ("together", "togetherai"),
    "vertex": ("google", "google-vertex"),
    "xai": ("x-ai", "xai"),
}


# ── tables ───────────────────────────────────────────────────────────────────────────────────────────


def prices_of(day: dt.date) -> Lookup:
    """The context and the prices of genai-prices on this day.

    Prices are for the shortest prompts if they grow with the length. A price that depends on the time of day is left
    out: write it by hand.
    """
    # By its name: a type checker takes a minute to find out what stands in 30,000 lines of data.
    providers: Any = import_module("genai_prices.data").providers
    from genai_prices.types import ModelPrice, TieredPrices, TimeOfDateConstraint

    known = {provider.id: provider for provider in providers}
    now = dt.datetime.combine(day, dt.time(12), tzinfo=dt.UTC)
    words = {"input_mtok": "input_price", "output_mtok": "output_price", "cache_read_mtok": "cached_input_price"}

    def prices(priced: ModelPrice) -> Iterator[tuple[str, float]]:
        for word, fact in words.items():
            price = getattr(priced, word, None)
            if isinstance(price, TieredPrices):
                price = price.base
            if price:
                yield fact, float(price)

    def look_up(provider: str, model: str) -> Facts:
        table = known.get(NAMES[provider][0] or "")
        found = None if table is None else table.find_model(model)
        if found is None:
            return {}
        facts: Facts = {} if found.context_window is None else {"context": found.context_window}
        options = found.prices if isinstance(found.prices, list) else []
        if not any(isinstance(option.constraint, TimeOfDateConstraint) for option in options):
            facts |= prices(found.get_prices(now))
        return facts

    return look_up


def models_dev(table: Mapping[str, Any]) -> Lookup:
    """The facts of an api.json of models.dev."""

    def look_up(provider: str, model: str) -> Facts:
        found = table.get(NAMES[provider][1], {}).get("models", {}).get(model)
        if found is None:
            return {}
        limit, cost = found.get("limit", {}), found.get("cost", {})
        taken = found.get("modalities", {}).get("input")
        facts: Facts = {
            "context": limit.get("context") or None,
            "max_output": limit.get("output") or None,
            "input_price": _price(cost.get("input")),
            "output_price": _price(cost.get("output")),
            "cached_input_price": _price(cost.get("cache_read")),
            "tools": found.get("tool_call"),
            "reasoning": found.get("reasoning"),
            "json_schema": found.get("structured_output"),
            "temperature": False if found.get("temperature") is False else None,
            "deprecated": True if found.get("status") == "deprecated" else None,
        }
        if taken is not None:
            facts |= {"vision": "image" in taken, "audio": "audio" in taken, "files": "pdf" in taken}
        return {fact: value for fact, value in facts.items() if value is not None}

    return look_up


def _price(price: float | None) -> float | None:
    return float(price) if price else None


# ── refreshing ───────────────────────────────────────────────────────────────────────────────────────


def refreshed(
    data: Mapping[str, Any], tables: Mapping[str, tuple[str, Lookup]], *, day: dt.date
) -> tuple[dict[str, Any], list[str], list[str]]:
    """The data with the facts of the tables; the changes; and what to check by hand.

    ``tables`` has the version and the facts of each table by its name, first one preferred. The date of a table
    changes only if its facts change, so that a second run changes nothing.
    """
    sources: dict[str, str] = dict(data["sources"])
    models = []
    changes: list[str] = []
    remarks: list[str] = []
    touched: set[str] = set()
    for entry in data["models"]:
        provider, name = entry["at"][0], entry["name"]
        by_hand = {source: facts for source, facts in entry["facts"].items() if source not in {PRICES, MODELS_DEV}}
        own = {fact: value for facts in by_hand.values() for fact, value in facts.items()}
        taken = set(own)
        told: dict[str, Facts] = {}
        known = False
        for table in (PRICES, MODELS_DEV):
            if table in tables:
                found = tables[table][1](provider, name)
                known = known or bool(found)
            else:
                found = entry["facts"].get(table, {})  # not given this time
            remarks += [
                f"{provider}/{name}: {fact} is {own[fact]} in the file, written by hand, but {value} in {table}"
                for fact, value in sorted(found.items())
                if own.get(fact, value) not in {None, value}
            ]
            told[table] = {fact: value for fact, value in sorted(found.items()) if fact not in taken}
            taken |= told[table].keys()
            lines = _changes(f"{provider}/{name}", entry["facts"].get(table, {}), told[table], table)
            if lines:
                touched.add(table)
                changes += lines
        if not known:
            remarks.append(f"{provider}/{name}: it is in no table, all its facts were written by hand")
        models.append({**entry, "facts": {**{table: facts for table, facts in told.items() if facts}, **by_hand}})
    for table, (label, _) in tables.items():
        if table in touched or not sources.get(table, "").startswith(f"{label}, read "):
            sources[table] = f"{label}, read {day}"
    return {**data, "sources": sources, "models": models}, changes, remarks


def _changes(model: str, old: Facts, new: Facts, table: str) -> list[str]:
    return [
        f"{model}: {fact} {old.get(fact, 'unknown')} → {new.get(fact, 'unknown')} ({table})"
        for fact in sorted({*old, *new})
        if old.get(fact) != new.get(fact)
    ]


def written(data: Mapping[str, Any]) -> str:
    """The data as text: one line for each source, recommendation and model."""

    def lines(values: Sequence[str]) -> str:
        return ",\n".join(values)

    sources = lines([f"{_json(name)}: {_json(text)}" for name, text in sorted(data["sources"].items())])
    recommended = lines([f"{_json(name)}: {_json(one)}" for name, one in sorted(data.get("recommended", {}).items())])
    middle = f'"recommended": {{\n{recommended}\n}},\n' if recommended else ""
    models = lines([_json({"at": one["at"], "name": one["name"], "facts": _sorted(one)}) for one in data["models"]])
    return f'{{\n"sources": {{\n{sources}\n}},\n{middle}"models": [\n{models}\n]\n}}\n'


def _sorted(model: Mapping[str, Any]) -> dict[str, Facts]:
    facts: dict[str, Facts] = model["facts"]
    return {source: dict(sorted(facts[source].items())) for source in sorted(facts)}


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


# ── the command ──────────────────────────────────────────────────────────────────────────────────────


def main(arguments: Sequence[str] | None = None) -> int:
    """Refresh every file; returns 1 if ``--check`` finds a file that would change."""
    parser = argparse.ArgumentParser(prog="python3 noxfile.py -s models --", description=__doc__)
    parser.add_argument("--check", action="store_true", help="print the changes and write nothing")
    parser.add_argument("--models-dev", type=Path, metavar="FILE", help="an api.json of models.dev")
    parser.add_argument("--models-dev-version", default="", metavar="TEXT", help="its commit or date")
    parser.add_argument("--folder", type=Path, default=Path(__file__).parent, help="where the providers are")
    given = parser.parse_args(arguments)
    day = dt.datetime.now(dt.UTC).date()
    tables: dict[str, tuple[str, Lookup]] = {PRICES: (f"genai-prices {version('genai-prices')}", prices_of(day))}
    if given.models_dev is not None:
        label = f"models.dev {given.models_dev_version}".strip()
        tables[MODELS_DEV] = (label, models_dev(json.loads(given.models_dev.read_bytes())))
    changed = False
    for file in sorted(given.folder.glob("*/src/*/models.json")):
        text = file.read_text("utf-8")
        data, changes, remarks = refreshed(json.loads(text), tables, day=day)
        for line in (*changes, *remarks):
            print(line)
        new = written(data)
        if new != text:
            changed = True
            if not given.check:
                file.write_text(new, "utf-8")
    print("changed" if changed else "nothing changed")
    return 1 if changed and given.check else 0


if __name__ == "__main__":
    sys.exit(main())
