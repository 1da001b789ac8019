"""Print provider × feature: how many recorded exchanges are read as the vendor's own SDK reads them, of how many.

``python3 noxfile.py -s wires``. It fails where one is read otherwise, and where there is no corpus.
"""

from __future__ import annotations

import asyncio
import sys
from collections import Counter, defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).parent))

import corpus

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

# Columns, each with the features of the corpus that it counts.
ANSWERS: Mapping[str, frozenset[str]] = {
    "stream": frozenset({"stream"}),
    "text": frozenset({"text"}),
    "tools": frozenset({"tool_calls"}),
    "parallel": frozenset({"parallel_tool_calls"}),
    "reasoning": frozenset({"reasoning"}),
    "opaque": frozenset({"reasoning_signature", "encrypted_reasoning"}),
    "sources": frozenset({"citations"}),
    "server": frozenset({"server_tools"}),
    "cached": frozenset({"cached_tokens", "cache_write"}),
    "cut": frozenset({"truncated"}),
}
REST: Mapping[str, frozenset[str]] = {
    "results": frozenset({"tool_results_in"}),
    "schema": frozenset({"structured_output"}),
    "images": frozenset({"images_in"}),
    "files": frozenset({"files"}),
    "audio": frozenset({"audio"}),
    "choices": frozenset({"multi_choice", "logprobs"}),
    "vectors": frozenset({"embeddings"}),
    "refused": frozenset({"refusal", "content_filter"}),
    "4xx": frozenset({"error_400", "error_401", "error_403", "error_404", "error_429"}),
    "5xx": frozenset({"error_500", "error_5xx"}),
    "in 200": frozenset({"in_stream_error"}),
}
Tally = dict[str, Counter[str]]


def differences(exchange: corpus.Exchange) -> list[str]:
    """What is read otherwise than it must be."""
    try:
        return asyncio.run(corpus.failure(exchange)) if exchange.failed else corpus.differences(exchange)
    except Exception as error:  # a fault of a decoder, or of this reading: a line of the table's end, not its end
        return [f"{type(error).__name__}: {error}"]


def table(rows: Mapping[str, Tally], columns: Iterable[str]) -> list[str]:
    """The lines of a table: passed/total in each cell, a dot where nothing was recorded."""
    wanted = [column for column in columns if any(tally["total"][column] for tally in rows.values())]
    width = max(map(len, rows))
    lines = [" " * width + "".join(f"{column:>10}" for column in wanted)]
    for name, tally in rows.items():
        cells = [
            f"{tally['passed'][column]}/{tally['total'][column]}" if tally["total"][column] else "·"
            for column in wanted
        ]
        lines.append(f"{name:<{width}}" + "".join(f"{cell:>10}" for cell in cells))
    return lines


def main(arguments: Sequence[str]) -> int:
    """Read all, or the providers that are named; the exit status."""
    if not corpus.index():
        print(f"no corpus: {corpus.FOLDER / 'index.jsonl'} does not exist; SEGUE_WIRE says where it is")
        return 1
    rows: dict[str, Tally] = defaultdict(lambda: {"passed": Counter(), "total": Counter()})
    unread: Counter[str] = Counter()
    faults: list[str] = []
    for exchange in corpus.index():
        if arguments and exchange.provider not in arguments:
            continue
        if exchange.api not in corpus.APIS:
            unread[exchange.provider] += 1
            continue
        found = differences(exchange)
        faults += [f"{exchange.id}: {line}"[:2000] for line in found]
        features = set(exchange.features)
        columns = ["all", *(name for name, of in {**ANSWERS, **REST}.items() if of & features)]
        for tally in (rows[exchange.provider], rows["· all ·"]):
            tally["total"].update(columns)
            if not found:
                tally["passed"].update(columns)
    shown = dict(sorted(rows.items(), key=lambda row: (row[0] == "· all ·", row[0])))
    if shown:
        print("\n".join([*table(shown, ["all", *ANSWERS]), "", *table(shown, ["all", *REST])]))
    if unread:
        print("\nnot read: " + ", ".join(f"{provider} ({number})" for provider, number in sorted(unread.items())))
    if faults:
        print("\n" + "\n".join(faults))
    total = rows["· all ·"]
    print(f"\n{total['passed']['all']} of {total['total']['all']} are read as the vendor's SDK reads them")
    return 1 if faults or not total["total"]["all"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
