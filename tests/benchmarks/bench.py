"""What Segue costs above the floor, beside what it must and should cost; exit status 1 where a must is missed.

The floor (``shared/bench/floor.py``: aiohttp and orjson by hand, no validation, no types) and its loopback host
(``upstream.py``) are found beside the checkout or in ``SEGUE_BENCH``. Each of our figures stands between two of
the floor's, taken right before and right after, in the same process on the same processor; the median of the ratios
counts, and its quartiles stand beside. All that is on without a setting is on: chain, breaker, budget, timeouts,
attempts, usage.

With ``--peers DIRECTORY`` the peers whose environments are there are measured in the same run, and with ``--write`` the
tables and plots of docs/performance are written.

Run: ``python3 noxfile.py -s bench``; ``-- --peers`` for the peers, ``-- --write`` for the documentation
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import importlib.util
import json
import logging
import math
import os
import re
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from segue import Breaker, Chain, Client, TextDelta

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
ROUNDS = 9
CALLS = 192
CHUNKS = 4000
STREAMS = 500

Work = Callable[[], Awaitable[object]]


@dataclass(frozen=True)
class Row:
    """One figure: what it is of, what it must and should be at most, and what it is."""

    name: str
    unit: str
    must: float
    aim: float
    value: float
    spread: tuple[float, float] | None = None
    floor: str = ""
    ours: str = ""

    @property
    def verdict(self) -> str:
        """How it stands."""
        if self.must == math.inf:
            return ""
        return "goal met" if self.value <= self.aim else "within limit" if self.value <= self.must else "MISSED"

    def cells(self) -> list[str]:
        """The row of a table."""
        shown = f"{self.value:.2f} ×" if self.unit == "×" else f"{self.value:,.0f} {self.unit}"
        spread = "" if self.spread is None else f"{self.spread[0]:.2f}–{self.spread[1]:.2f}"
        limits = [f"≤ {limit:g}" if limit < math.inf else "" for limit in (self.must, self.aim)]
        return [self.name, self.floor, self.ours, shown, spread, *limits, self.verdict]


TITLES = ["", "floor", "ours", "measured", "quartiles", "limit", "goal", ""]


def bench_folder() -> Path | None:
    """The folder with floor.py and upstream.py, or None."""
    places = [os.environ.get("SEGUE_BENCH"), ROOT.parent / "shared" / "bench"]
    return next((Path(place) for place in places if place and (Path(place) / "floor.py").is_file()), None)


@contextlib.contextmanager
def host(*command: str | Path) -> Iterator[int]:
    """A host in a process of its own; its port."""
    process = subprocess.Popen([sys.executable, *map(str, command)], stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        found = re.search(rb"(?:127\.0\.0\.1:)?(\d{4,5})", process.stdout.readline())
        assert found is not None
        yield int(found[1])
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


async def cpu(work: Work, count: int) -> float:
    """CPU microseconds of this process a unit of work."""
    gc.collect()
    before = time.process_time()
    await work()
    return (time.process_time() - before) / count * 1e6


async def compared(name: str, floor: Work, ours: Work, count: int, must: float, aim: float) -> Row:  # noqa: PLR0917
    """The row of our work by the floor's, both of so many units."""
    for warm in (floor, ours, floor, ours):
        await warm()
    floors, figures, ratios = [], [], []
    for _ in range(ROUNDS):
        before = await cpu(floor, count)
        figure = await cpu(ours, count)
        after = await cpu(floor, count)
        floors.append((before + after) / 2)
        figures.append(figure)
        ratios.append(figure / floors[-1])
    low, _, high = statistics.quantiles(ratios, n=4)
    told = [f"{statistics.median(each):.1f} µs" for each in (floors, figures)]
    row = Row(name, "×", must, aim, statistics.median(ratios), (low, high), *told)
    print("  ".join(row.cells()), flush=True)
    return row


def told(row: Row) -> Row:
    """The row, once it was printed."""
    print("  ".join(row.cells()), flush=True)
    return row


# ── calls and streams ────────────────────────────────────────────────────────────────────────────────


def times(work: Callable[[], Awaitable[object]], count: int, at_once: int = 1) -> Work:
    """So many of it, so many at once."""

    async def all_of_it() -> None:
        if at_once == 1:
            for _ in range(count):
                await work()
        for _ in range(count // at_once if at_once > 1 else 0):
            await asyncio.gather(*(work() for _ in range(at_once)))

    return all_of_it


def client_of(base: str, **options: Any) -> Client:
    os.environ.update(OPENAI_API_KEY="sk-bench", OPENAI_BASE_URL=base)
    return Client(config=False, **options)


def streamed(client: Client, count: int, **asking: Any) -> Work:
    """A stream of so many pieces, read event by event."""

    async def read() -> None:
        seen = 0
        async with client.stream("Say something short.", max_tokens=count, **asking) as events:
            async for event in events:
                if isinstance(event, TextDelta):
                    seen += 1
        assert seen == count, seen

    return read


async def by_hand(session: Any, url: str, kind: bytes, field: str, count: int) -> None:
    """The floor of another wire: what floor.py does, with the same libraries, for events that have a name."""
    import orjson

    seen, rest = 0, b""
    body = orjson.dumps({"model": "m", "input": "Say something short.", "stream": True, "max_tokens": count})
    async with session.post(url, data=body) as response:
        async for data in response.content.iter_any():
            *events, rest = (rest + data).split(b"\n\n")
            for event in events:
                told_event = orjson.loads(event.partition(b"\ndata: ")[2])
                if told_event["type"] == kind.decode():
                    delta = told_event["delta"]
                    seen += bool(delta[field] if field else delta)
    assert seen == count, seen


async def calls_and_chunks(base: str, folder: Path) -> list[Row]:
    """The rows of one process: calls, streams, the fallback."""
    call, stream, fallback = await _module(folder / "floor.py").make(base)
    rows: list[Row] = []
    async with client_of(base) as client, client_of(base, breaker=Breaker(failures=10**9, silence=10**9)) as patient:
        chain = Chain("openai/fail500", "openai/bench")

        async def ours() -> None:
            await client.chat("Say something short.", model="openai/bench")

        async def falling() -> None:
            # The host fails at each call here, for ever: a breaker would leave it alone from the fifth on.
            await patient.chat("Say something short.", chain=chain)

        rows += [
            await compared("one call", times(call, CALLS), times(ours, CALLS), CALLS, 1.6, 1.25),
            await compared("one call, 64 at once", times(call, CALLS, 64), times(ours, CALLS, 64), CALLS, 1.6, 1.25),
            await compared(
                "one chunk, many a write", lambda: stream("bench", CHUNKS),
                streamed(client, CHUNKS, model="openai/bench"), CHUNKS, 2.5, 1.6,
            ),
            await compared(
                "one chunk, one a write", lambda: stream("each", CHUNKS),
                streamed(client, CHUNKS, model="openai/each"), CHUNKS, 2.5, 1.6,
            ),
            await compared("500, then an answer", times(fallback, CALLS), times(falling, CALLS), CALLS, 1.5, 1.2),
        ]  # fmt: skip
    return rows


async def other_wires() -> list[Row]:
    """The chunk of the wires that upstream.py does not speak."""
    import aiohttp

    rows = []
    with host(HERE / "wire_hosts.py", "--chunks", str(CHUNKS)) as port:
        base = f"http://127.0.0.1:{port}/v1"
        providers = {
            "anthropic": {"base_url": base},
            "openai": {"base_url": base, "options": {"wire": "responses"}},
        }
        keys = dict.fromkeys(providers, "sk-bench")
        async with (
            aiohttp.ClientSession(headers={"content-type": "application/json"}) as session,
            Client(config={"providers": providers}, api_keys=keys, environ={}) as client,
        ):
            for name, path, kind, field in (
                ("anthropic", "messages", b"content_block_delta", "text"),
                ("openai", "responses", b"response.output_text.delta", ""),
            ):

                async def floor(path: str = path, kind: bytes = kind, field: str = field) -> None:
                    await by_hand(session, f"{base}/{path}", kind, field, CHUNKS)

                ours = streamed(client, CHUNKS, model=f"{name}/m")
                rows.append(await compared(f"one chunk, {path}", floor, ours, CHUNKS, 3.5, 2.0))
    return rows


def _module(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location("floor", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# ── processes ────────────────────────────────────────────────────────────────────────────────────────


def printed(*command: str | Path) -> list[float]:
    """The numbers that a process prints."""
    done = subprocess.run([sys.executable, *map(str, command)], capture_output=True, text=True, check=True)
    return [float(number) for number in done.stdout.split()]


def used(*command: str | Path, environ: dict[str, str] | None = None) -> float:
    """Milliseconds of the processor that a command takes."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    quiet: Any = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    subprocess.run(list(map(str, command)), **quiet, check=True, env=environ)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) * 1e3


def processes(base: str, folder: Path) -> list[Row]:
    """The rows that want a process each: memory, start, choice."""
    costs, floor = HERE / "costs.py", folder / "floor.py"
    rows = []
    with host(folder / "upstream.py", "--port", "0", "--hold", "120") as port:
        held = {
            who: statistics.median(
                printed(costs, "memory", who, f"http://127.0.0.1:{port}/v1", str(STREAMS), floor)[0] for _ in range(3)
            )
            for who in ("floor", "ours")
        }
    shown = [f"{held[who]:.1f} KiB" for who in ("floor", "ours")]
    rows.append(
        told(
            Row(
                "memory of an open stream, above the floor's", "KiB", 40, 20, held["ours"] - held["floor"], None, *shown
            )
        )
    )
    rows += starts(base, costs, floor)
    chosen = [printed(costs, "select", "1000") for _ in range(3)]
    rows.append(told(Row("first selection, 1,000 models", "ms", 8, 5, statistics.median(first for first, _ in chosen))))
    rows.append(told(Row("the same selection again", "µs", 50, 20, statistics.median(again for _, again in chosen))))
    return rows


def starts(base: str, costs: Path, floor: Path) -> list[Row]:
    """The rows of a process's start, in an environment with the wheels of this repository, as a user has it."""
    import startup

    work = ROOT / ".nox" / "bench"
    work.mkdir(parents=True, exist_ok=True)
    none, hundred = startup.environments(work, [0, 100], kinds=("heavy",), with_zoo=False, peers=False)
    python, program, environ = none.python, none.python.with_name("segue"), none.environ()

    def first(who: str) -> float:
        return used(python, costs, "first", who, base, floor, environ=environ)

    (none.folder / "bench.toml").write_text(f'[providers.openai]\nbase_url = "{base}"\n')
    for who in ("floor", "ours", "configured"):  # so that what is kept from one start to the next is there
        first(who)
    for one in (none, hundred):
        one.run("cold")
    time.sleep(0.3)  # what changed more lately is not kept
    bare, ours, helps, firsts = [], [], [], {"ours": [], "configured": []}
    for _ in range(ROUNDS):
        bare.append(used(python, "-c", "pass", environ=environ))
        ours.append(used(python, "-c", "import segue", environ=environ))
        helps.append(used(program, "--help", environ=environ))
        for one in (none, hundred):
            one.run("models")
        for who, found in firsts.items():
            before, mine, after = first("floor"), first(who), first("floor")
            found.append((mine, (before + after) / 2))
    rows = [
        told(
            Row(
                "import segue, above a bare interpreter", "ms", 40, 25,
                statistics.median(ours) - statistics.median(bare), None,
                *(f"{statistics.median(each):.0f} ms" for each in (bare, ours)),
            )
        )
    ]  # fmt: skip
    for who, name, must, aim in (
        ("ours", "a fresh process to its first answer", 1.5, 1.2),
        ("configured", "the same, with a configuration file", math.inf, math.inf),
    ):
        ratios = [mine / its for mine, its in firsts[who]]
        shown = [f"{statistics.median(figure[place] for figure in firsts[who]):.0f} ms" for place in (1, 0)]
        low, _, high = statistics.quantiles(ratios, n=4)
        rows.append(told(Row(name, "×", must, aim, statistics.median(ratios), (low, high), *shown)))
    rows.append(told(Row("segue --help", "ms", 200, 120, statistics.median(helps))))
    shown = [f"{one.median('models'):.0f} ms" for one in (none, hundred)]
    ratio = hundred.median("models") / none.median("models")
    rows.append(told(Row("segue models with 100 plugins, by none", "×", 1.3, 1.1, ratio, None, *shown)))
    return rows


def instructions(base: str, folder: Path) -> str:
    """The instructions of one call and of 1,000 chunks, which no other process on the machine changes."""
    calls, chunks = 60, 1000
    if shutil.which("valgrind") is None:
        return "instruction counts: skipped, there is no valgrind"
    with tempfile.TemporaryDirectory() as place:
        command = ["valgrind", "--tool=callgrind", "--dump-before=getloadavg", f"--callgrind-out-file={place}/out"]
        counting = [HERE / "costs.py", "count", base, str(calls), str(chunks), folder / "floor.py"]
        subprocess.run(
            [*command, sys.executable, *map(str, counting)], check=True, stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONHASHSEED": "0"},
        )  # fmt: skip
        dumps = sorted(Path(place).glob("out.*"), key=lambda path: int(path.suffix[1:]))
        found = [re.search(r"^totals: (\d+)", path.read_text(), re.MULTILINE) for path in dumps]
        totals = [int(each[1]) for each in found if each is not None]
    floor_call, our_call, floor_chunks, our_chunks = (totals[place] for place in (1, 3, 5, 7))
    return (
        f"instructions of one call: floor {floor_call // calls:,}, ours {our_call // calls:,}"
        f" ({our_call / floor_call:.2f} ×)\n"
        f"instructions of 1,000 chunks: floor {floor_chunks:,}, ours {our_chunks:,} ({our_chunks / floor_chunks:.2f} ×)"
    )


# ── growth ───────────────────────────────────────────────────────────────────────────────────────────


async def growth(base: str) -> dict[str, list[tuple[float, float]]]:
    """CPU microseconds a unit, as the work grows: streams at once, chunks, kibibytes of a message, tools."""
    found: dict[str, list[tuple[float, float]]] = {}
    async with client_of(base) as client:

        async def best(work: Work, count: float) -> float:
            await work()
            return min([await cpu(work, 1) for _ in range(3)]) / count

        def at_once(number: int) -> Work:
            return times(streamed(client, 20, model="openai/bench"), number, number)

        found["streams at once"] = [(number, await best(at_once(number), number)) for number in (1, 10, 100, 1000)]
        found["chunks"] = [
            (number, await best(streamed(client, number, model="openai/bench"), number))
            for number in (10, 100, 1000, 10_000, 100_000)
        ]
        found["KiB of a message"] = [
            (size, await best(lambda size=size: client.chat("x" * 1024 * size, model="openai/bench"), size))  # type: ignore[misc]
            for size in (1, 16, 128, 1024)
        ]
        tool = {"type": "function", "function": {"name": "t", "description": "d", "parameters": {"type": "object"}}}
        found["tools"] = [
            (
                number,
                await best(
                    lambda number=number: client.chat(  # type: ignore[misc]
                        "x",
                        model="openai/bench",
                        tools=[{**tool, "function": {**tool["function"], "name": f"t{n}"}} for n in range(number)],  # type: ignore[dict-item]
                    ),
                    number,
                ),
            )
            for number in (1, 8, 32, 128)
        ]
    return found


def curves(found: dict[str, list[tuple[float, float]]]) -> dict[str, str]:
    """A plot of each, by the name of its file: the cost of all of it, which is a straight line where it is linear."""
    sys.path.insert(0, str(ROOT / "tests" / "simulation"))
    import plots

    drawn = {}
    for name, points in found.items():
        whole = [(size, each * size / 1000) for size, each in points]
        most_x, most_y = whole[-1][0], max(y for _, y in whole) * 1.1
        x = plots.Axis(name, 0, most_x, [most_x * share / 4 for share in range(5)])
        y = plots.Axis("ms of the processor", 0, most_y, [round(most_y * share / 4, 2) for share in range(5)])
        drawn[f"growth-{name.replace(' ', '-').lower()}.svg"] = plots.plot(
            f"Cost of {name}", x, y, {"Segue": whole}, stepped=False
        )
    return drawn


# ── peers ────────────────────────────────────────────────────────────────────────────────────────────


def peers(base: str, folder: Path, environments: Path) -> list[list[str]]:
    """The rows of each peer whose environment is there, measured by `peers.py` inside of it, now."""
    rows = []
    for environment in sorted(environments.iterdir()):
        program, name = environment / "bin" / "python", environment.name
        environ = {"PATH": os.environ["PATH"], "HOME": str(environment)}
        asked = [str(program), str(HERE / "peers.py"), name, base, str(folder / "floor.py")]
        done = subprocess.run(asked, capture_output=True, text=True, check=False, env=environ)
        try:
            told_by = json.loads(done.stdout.splitlines()[-1])
        except (IndexError, ValueError):
            reason = (done.stderr.strip().splitlines() or ["it printed nothing"])[-1]
            rows.append([name, f"not measured: {reason[:90]}", *[""] * (len(_OF_PEERS) - 1)])
        else:
            told_by["first"] = _first_of(asked, environ, base, folder)
            rows.append([told_by["name"], *(told_by.get(key, "–") for key in _OF_PEERS)])
        print("  ".join(rows[-1]), flush=True)
    return rows


_OF_PEERS = ("call", "many", "chunk", "each", "fallback", "first")


def _first_of(asked: list[str], environ: dict[str, str], base: str, folder: Path) -> str:
    """What the first answer of a fresh process of a peer costs, by that of the floor in the same environment."""
    floor = [asked[0], str(HERE / "costs.py"), "first", "floor", base, str(folder / "floor.py")]
    ratios = []
    try:
        for number in range(4):
            before = used(*floor, environ=environ)
            figure = used(*asked, "--first", environ=environ)
            if number:  # the first one writes byte code
                ratios.append(figure / ((before + used(*floor, environ=environ)) / 2))
    except subprocess.CalledProcessError:
        return "–"
    return f"{statistics.median(ratios):.1f} ×"


def table(titles: list[str], rows: list[list[str]]) -> str:
    """A table of Markdown."""
    lines = [titles, ["---"] * len(titles), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


PEERS = [
    "peer",
    "one call",
    "64 at once",
    "chunk, many a write",
    "chunk, one a write",
    "500, then an answer",
    "first answer",
]


def main() -> int:
    """The exit status."""
    parser = argparse.ArgumentParser(description="Measure what Segue costs above the floor.")
    parser.add_argument("--peers", type=Path, help="the folder with the environments of peers")
    parser.add_argument("--write", action="store_true", help="write the tables and plots of docs/performance")
    parser.add_argument("--only", choices=("calls", "wires", "processes", "growth", "instructions"))
    given = parser.parse_args()
    folder = bench_folder()
    if folder is None:
        print("skipped: no floor.py beside the checkout (../shared/bench) and SEGUE_BENCH is not set")
        return 0
    logging.getLogger("segue").setLevel(logging.ERROR)
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)  # the floor leaves its session open

    def wanted(part: str) -> bool:
        return given.only in {None, part}

    # This process and what it starts on one processor, the hosts on the others where there are any.
    processors = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    heading = f"Python {sys.version.split()[0]}, {ROUNDS} rounds, {os.cpu_count()} processors; CPU time of the client"
    print(heading, flush=True)
    rows: list[Row] = []
    notes, found, others = "", {}, []
    with host(folder / "upstream.py", "--port", "0") as port:
        base = f"http://127.0.0.1:{port}/v1"
        if len(processors) > 1:
            os.sched_setaffinity(0, {processors[-1]})
        if wanted("calls"):
            rows += asyncio.run(calls_and_chunks(base, folder))
        if wanted("wires"):
            rows += asyncio.run(other_wires())
        if wanted("processes"):
            rows += processes(base, folder)
        if wanted("growth"):
            found = asyncio.run(growth(base))
            for name, points in found.items():
                print(f"µs a unit, {name}: " + ", ".join(f"{size:g}: {each:.1f}" for size, each in points), flush=True)
        if wanted("instructions"):
            notes = instructions(base, folder)
            print(notes, flush=True)
        if given.peers is not None:
            others = peers(base, folder, given.peers)
    print()
    print(table(TITLES, [row.cells() for row in rows]), flush=True)
    if given.write:
        _write(heading, rows, notes, found, others)
    return 1 if any(row.value > row.must for row in rows) else 0


def _write(
    heading: str, rows: list[Row], notes: str, found: dict[str, list[tuple[float, float]]], others: list[list[str]]
) -> None:
    """Put the tables between the marks of docs/performance.md, and the plots beside it."""
    page = ROOT / "docs" / "performance.md"
    folder = ROOT / "docs" / "performance"
    folder.mkdir(exist_ok=True)
    text = page.read_text()
    parts = {
        "rows": f"{heading}.\n\n{table(TITLES, [row.cells() for row in rows])}\n\n" + notes.replace("\n", "\n\n"),
        "peers": table(PEERS, others) if others else "",
    }
    for name, part in parts.items():
        if part:
            begin, end = f"<!-- {name}: made by tests/benchmarks/bench.py -->", f"<!-- end of {name} -->"
            before, _, rest = text.partition(begin)
            text = f"{before}{begin}\n\n{part}\n\n{end}{rest.partition(end)[2]}"
    page.write_text(text)
    for name, plot in curves(found).items():
        (folder / name).write_text(plot)


if __name__ == "__main__":
    sys.exit(main())
