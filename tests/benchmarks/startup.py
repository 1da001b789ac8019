"""What installed plugins cost each start: none, 10, 100, 1,000 of them, light ones and ones that import much.

Every kind has a fresh environment with the wheels of this repository and so many distributions more, each a plugin with
three models. A light one imports nothing else; a heavy one a private package of 30 modules, as a vendor's SDK would be.
Commands are run in turn, environment by environment, and again; medians are compared: of the processor's time, which
what else runs on the machine does not stretch, and by the clock. Cold is without a catalogue.

With ``--peers`` the same plugins are made for llm, and ``llm models`` is run beside.

Run: ``python3 noxfile.py -s startup``; ``-- --peers`` for llm, ``-- --rounds 5 --counts 0,100`` for less.
"""

from __future__ import annotations

import argparse
import compileall
import os
import shutil
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "plugins"))

import zoo

ROOT = Path(__file__).resolve().parents[2]
MODULES = 30
MOST_RATIO = 1.3
"""What `segue models` and a first selection may cost with a hundred heavy plugins, by what they cost with none."""

MOST_OF_THE_ZOO = 50.0
"""Milliseconds by which the zoo of bad plugins may slow either down."""

SELECT = "from segue import Client; assert Client().select('tools').candidates or True"

PLUGIN = '''"""A vendor's plugin."""
{imports}
from segue.plugin import AsyncGeneratorProvider, Capabilities, Model, ProviderSpec, hookimpl


class Vendor(AsyncGeneratorProvider):
    @classmethod
    async def create_async_generator(cls, model, messages, proxy=None, **kwargs):
        yield "hello"


@hookimpl
def segue_providers():
    facts = {{"tools": True, "vision": False, "context": 128_000, "input_price": 0.5, "output_price": 1.5}}
    models = [Model(name, Capabilities(facts, source="the vendor's page")) for name in ("large", "small", "tiny")]
    return [ProviderSpec(name={name!r}, load=lambda: Vendor, models=models, env=[{variable!r}])]
'''

LLM_PLUGIN = '''"""A vendor's plugin."""
{imports}
import llm


class Vendor(llm.KeyModel):
    needs_key = {name!r}
    key_env_var = {variable!r}
    can_stream = True

    def __init__(self, model_id):
        self.model_id = model_id

    def execute(self, prompt, stream, response, conversation, key):
        yield "hello"


@llm.hookimpl
def register_models(register):
    for model in ("large", "small", "tiny"):
        register(Vendor({name!r} + "/" + model))
'''

SDK_MODULE = '''"""Part {number} of a vendor's SDK."""
from __future__ import annotations

import dataclasses
import enum
import re
import typing


class Kind{number}(enum.Enum):
    ONE = "one"
    TWO = "two"
    THREE = "three"


PATTERN = re.compile(r"(?P<head>[a-z]{{{number},}})-(?P<rest>[0-9]+)")
TABLE = {{f"key-{{place}}": place for place in range(200)}}
'''

SDK_CLASS = '''

@dataclasses.dataclass
class Resource{number}{letter}:
    """A resource of the API."""

    id: str
    created: int = 0
    kind: Kind{number} = Kind{number}.ONE
    tags: list[str] = dataclasses.field(default_factory=list)
    parent: typing.Optional[str] = None

    def path(self, *parts: str) -> str:
        """Where it is."""
        return "/".join(("v1", self.kind.value, self.id, *parts))

    def matches(self, text: str) -> bool:
        """Whether a text is about it."""
        found = PATTERN.search(text)
        return found is not None and found["head"] == self.id
'''


# ── environments ─────────────────────────────────────────────────────────────────────────────────────


@dataclass
class Environment:
    """A virtual environment with plugins in it."""

    name: str
    folder: Path
    plugins: int
    command: str = "segue"
    times: dict[str, list[float]] = field(default_factory=dict)
    processor: dict[str, list[float]] = field(default_factory=dict)

    @property
    def python(self) -> Path:
        return self.folder / ("Scripts" if os.name == "nt" else "bin") / "python"

    @property
    def site(self) -> Path:
        told = [str(self.python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
        return Path(subprocess.run(told, check=True, capture_output=True, text=True).stdout.strip())

    @property
    def cache(self) -> Path:
        return self.folder / "cache"

    def environ(self) -> dict[str, str]:
        """Nothing of ours: no key, no home, no path."""
        kept = {name: value for name, value in os.environ.items() if name in {"PATH", "LANG", "TMPDIR", "SYSTEMROOT"}}
        return kept | {"HOME": str(self.folder), "SEGUE_CACHE": str(self.cache)}

    def run(self, what: str) -> None:
        """Run it once, and note how long it took, and how long the processor worked."""
        kind = "models" if what in {"cold", "second"} else what
        began = time.perf_counter()
        process = subprocess.Popen(self.arguments(kind), env=self.environ(), cwd=self.folder, stdout=subprocess.DEVNULL)
        _, status, used = os.wait4(process.pid, 0)  # with all its children that have ended
        took = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        assert process.returncode == 0, f"{self.name}: {what} ends with {process.returncode}"
        self.times.setdefault(what, []).append(took * 1000)
        self.processor.setdefault(what, []).append((used.ru_utime + used.ru_stime) * 1000)

    def arguments(self, what: str) -> list[str]:
        """The command line of what is measured."""
        program = str(self.python.with_name(self.command))
        return {
            "models": [program, "models"],
            "--help": [program, "--help"],
            "select": [str(self.python), "-c", SELECT],
        }[what]

    def median(self, what: str) -> float:
        """Of the processor's time."""
        return statistics.median(self.processor[what])


def made(folder: Path, uv: str, *packages: str) -> None:
    """A fresh environment with these packages."""
    shutil.rmtree(folder, ignore_errors=True)
    environ = os.environ | {"UV_SYSTEM_CERTS": "1"}
    quiet = (uv, "--quiet", "--no-config")
    subprocess.run([*quiet, "venv", "--python", sys.executable, str(folder)], check=True, env=environ)
    python = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    install_all = [*quiet, "pip", "install", "--compile-bytecode", "--python", str(python)]  # as pip does by itself
    subprocess.run([*install_all, *packages], check=True, env=environ)


def distribution(site: Path, name: str, version: str, points: str) -> None:
    """What pip leaves of a distribution, beside its modules."""
    info = site / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    (info / "entry_points.txt").write_text(points)
    (info / "INSTALLER").write_text("pip\n")


def install(site: Path, count: int, *, heavy: bool, peer: bool = False) -> None:
    """So many plugins, as pip lays them out, compiled."""
    for number in range(count):
        name = f"vendor-{number:04}"
        module = name.replace("-", "_")
        imports = ""
        if heavy:
            package = site / f"{module}_sdk"
            package.mkdir()
            imports = f"import {module}_sdk"
            (package / "__init__.py").write_text("".join(f"from . import part_{part}\n" for part in range(MODULES)))
            for part in range(MODULES):
                text = SDK_MODULE.format(number=part) + "".join(
                    SDK_CLASS.format(number=part, letter=letter) for letter in "AB"
                )
                (package / f"part_{part}.py").write_text(text)
            compileall.compile_dir(package, quiet=2)
        source = LLM_PLUGIN if peer else PLUGIN
        file = site / f"{module}.py"
        file.write_text(source.format(imports=imports, name=name, variable=f"VENDOR_{number:04}_KEY"))
        compileall.compile_file(file, quiet=2)
        group = "llm" if peer else "segue"
        distribution(site, name, "1.0", f"[{group}]\n{name} = {module}\n")


def environments(
    work: Path, counts: list[int], *, kinds: tuple[str, ...] = ("light", "heavy"), with_zoo: bool = True, peers: bool
) -> list[Environment]:
    """All that are compared; of each kind the plugins grow in number."""
    uv = str(Path(sys.executable).with_name("uv"))
    wheels = work / "wheels"
    shutil.rmtree(wheels, ignore_errors=True)
    members = [ROOT / "core", *sorted(path.parent for path in ROOT.glob("providers/*/pyproject.toml"))]
    for member in members:
        build = [uv, "--quiet", "--no-config", "build", "--wheel", "--no-build-isolation", "--out-dir", str(wheels)]
        subprocess.run([*build, "--python", sys.executable, str(member)], check=True)
    ours = [str(path) for path in sorted(wheels.glob("*.whl"))]
    constraints = ("-c", str(locked(work)))
    found: list[Environment] = []
    for count in counts:
        for kind in kinds if count else ("none",):
            one = Environment(f"{count} {kind}" if count else "none", work / f"{kind}-{count}", count)
            made(one.folder, uv, *constraints, *ours)
            install(one.site, count, heavy=kind == "heavy")
            found.append(one)
    if with_zoo:
        one = Environment("the zoo", work / "zoo", len(zoo.ALL))
        made(one.folder, uv, *constraints, *ours)
        for bad in zoo.ALL:
            # With a list of entry points that cannot be decoded pydantic itself cannot be imported.
            if bad.points is None:
                bad.install(one.site)
        (one.folder / "config.toml").write_text("[plugins]\ntime_limit = 3\n")
        found.append(one)
    for count in counts if peers else ():
        for kind in ("light", "heavy") if count else ("none",):
            name = f"llm, {count} {kind}" if count else "llm, none"
            one = Environment(name, work / f"llm-{kind}-{count}", count, "llm")
            made(one.folder, uv, "llm==0.36")
            install(one.site, count, heavy=kind == "heavy", peer=True)
            found.append(one)
    return found


def locked(work: Path) -> Path:
    """The locked versions without their hashes, which constraints cannot have."""
    path = work / "constraints.txt"
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    pins = [line.rstrip(" \\") for line in lines if "==" in line and not line.startswith((" ", "#"))]
    path.write_text("\n".join(pins) + "\n")
    return path


# ── measuring ────────────────────────────────────────────────────────────────────────────────────────


def measure(found: list[Environment], rounds: int) -> None:
    """Cold, then warm in turn."""
    for one in found:
        for _ in range(1 if one.plugins >= 100 or one.command == "llm" else 3):
            shutil.rmtree(one.cache, ignore_errors=True)
            one.run("cold")
        time.sleep(0.2)  # what changed more lately is not kept
        one.run("second")
        print(f"{one.name}: cold", file=sys.stderr, flush=True)
    for number in range(rounds):
        for one in found:
            for what in ("models", "select", "--help"):
                if one.command == "llm" and (what == "select" or (one.plugins >= 1000 and number >= 2)):
                    continue
                one.run(what)
        print(f"round {number + 1} of {rounds}", file=sys.stderr, flush=True)


def shown(times: dict[str, list[float]], what: str, base: dict[str, list[float]]) -> str:
    """The median, the middle half, and by what it is more."""
    if what not in times:
        return "–"
    found = sorted(times[what])
    middle = statistics.median(found)
    told = f"{middle:,.0f} ms"
    if len(found) > 2:
        told += f" ({found[len(found) // 4]:,.0f}–{found[-1 - len(found) // 4]:,.0f})"
    return told if times is base else f"{told} ×{middle / statistics.median(base[what]):.2f}"


def report(found: list[Environment]) -> bool:
    """Print the tables; whether the limits hold."""
    bases = {one.command: one for one in found if not one.plugins}
    columns = {"models": "`models`", "select": "first selection", "--help": "`--help`", "cold": "`models`, cold"}
    for title in ("processor", "times"):
        print(f"\n{'By the processor' if title == 'processor' else 'By the clock'}:\n")
        print(f"| plugins | {' | '.join(columns.values())} |\n|{'---|' * (len(columns) + 1)}")
        for one in found:
            base = getattr(bases[one.command], title)
            print(f"| {one.name} | {' | '.join(shown(getattr(one, title), what, base) for what in columns)} |")
    print()
    base, holds = bases["segue"], True
    for one in found:
        for what in ("models", "select"):
            if one.name == "100 heavy":
                ratio = one.median(what) / base.median(what)
                ok = ratio <= MOST_RATIO
                print(
                    f"{what} with 100 heavy plugins: ×{ratio:.2f}, limit ×{MOST_RATIO:g}   {'ok' if ok else 'MISSED'}"
                )
            elif one.name == "the zoo":
                grown = one.median(what) - base.median(what)
                ok = grown <= MOST_OF_THE_ZOO
                print(
                    f"{what} with the zoo: {grown:+.0f} ms, limit {MOST_OF_THE_ZOO:g} ms   {'ok' if ok else 'MISSED'}"
                )
            else:
                continue
            holds = holds and ok
    return holds


def main() -> int:
    """The exit status."""
    parser = argparse.ArgumentParser(description="Measure what plugins cost each start.")
    parser.add_argument("--rounds", type=int, default=15, help="how often each is measured, warm")
    parser.add_argument("--counts", default="0,10,100,1000", help="how many plugins")
    parser.add_argument("--peers", action="store_true", help="llm as well")
    parser.add_argument("--work", type=Path, default=ROOT / ".nox" / "startup", help="where the environments are made")
    given = parser.parse_args()
    given.work = given.work.resolve()
    given.work.mkdir(parents=True, exist_ok=True)
    counts = sorted({0, *map(int, given.counts.split(","))})
    found = environments(given.work, counts, peers=given.peers)
    print(f"Python {sys.version.split()[0]}, {os.cpu_count()} cores, {given.rounds} rounds", flush=True)
    measure(found, given.rounds)
    return 0 if report(found) else 1


if __name__ == "__main__":
    sys.exit(main())
