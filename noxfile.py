"""The project's tasks. ``python3 noxfile.py`` installs what it needs and runs every check.

It creates ``.venv`` from the hash-locked requirements, with the interpreter that started it, and
runs nox in it: ``python3 noxfile.py -s walk``, ``-s lint types``, ``-l`` for the list.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import venv
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent
ENVIRONMENT = ROOT / ".venv"
REQUIREMENTS = ROOT / "requirements.txt"
MEMBERS = ["core", *sorted(str(path.parent.relative_to(ROOT)) for path in ROOT.glob("providers/*/pyproject.toml"))]

# Where this is set, as in many images of containers, each process of each run would compile all that it imports anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


def binary(environment: Path, name: str = "python") -> Path:
    """The path of a program in a virtual environment."""
    return environment / ("Scripts" if os.name == "nt" else "bin") / name


def wanted_state() -> str:
    """A digest of what the environment is made from; if it changes, the environment is made again."""
    digest = hashlib.sha256(f"{ROOT}\n{sys.version}".encode())
    for path in [REQUIREMENTS, *(ROOT / member / "pyproject.toml" for member in MEMBERS)]:
        digest.update(path.read_bytes())
    return digest.hexdigest()


def bootstrap() -> None:
    """Create ``.venv`` from the requirements, unless it is up to date."""
    if sys.version_info < (3, 11):  # noqa: UP036 - whoever types the command may have an older one
        sys.exit(f"error: Segue needs Python 3.11 or newer; this is {sys.version.split()[0]}")
    stamp = ENVIRONMENT / "made-from"
    if stamp.is_file() and stamp.read_text() == wanted_state():
        return
    print(f"creating .venv with Python {sys.version.split()[0]} and the locked requirements …", flush=True)
    venv.create(ENVIRONMENT, with_pip=True, clear=True)
    pip = [str(binary(ENVIRONMENT)), "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    locked_uv = re.search(r"^uv==.*(?:\n .*)*", REQUIREMENTS.read_text(), re.MULTILINE)
    if locked_uv is None:
        sys.exit("error: requirements.txt does not lock uv")
    only_uv = ENVIRONMENT / "uv.txt"
    only_uv.write_text(locked_uv.group().rstrip("\\\n ") + "\n")
    # uv takes a tenth of pip's time, and what it has fetched is there for the environments of the tests.
    uv = [str(binary(ENVIRONMENT, "uv")), "pip", "install", "--quiet", "--no-config"]
    uv += ["--python", str(binary(ENVIRONMENT))]
    editable = [argument for member in MEMBERS for argument in ("-e", str(ROOT / member))]
    # The lock is whole, so nothing is resolved: older pips ask for the newest `name[extra]` of a name that is
    # locked without its extra, and end over the hash that it has not.
    locked = ["--no-deps", "--require-hashes", "-r"]
    environ = {**os.environ, "UV_SYSTEM_CERTS": "1"}

    said: list[str] = []

    def done(*command: str) -> bool:
        ended = subprocess.run(command, check=False, cwd=ROOT, env=environ, capture_output=True, text=True)
        said.append(ended.stdout + ended.stderr)  # shown only where the environment could not be made
        return ended.returncode == 0

    # pip again where an index is told to pip alone.
    if not (
        done(*pip, *locked, str(only_uv))
        and (done(*uv, *locked, str(REQUIREMENTS)) or done(*pip, *locked, str(REQUIREMENTS)))
        and done(*uv, "--no-deps", "--no-build-isolation", *editable)
    ):
        sys.stderr.write("".join(said))
        sys.exit("error: .venv could not be created; the output of uv and pip is above")
    stamp.write_text(wanted_state())


if __name__ == "__main__":
    bootstrap()
    program = str(binary(ENVIRONMENT))
    try:
        code = subprocess.run([program, "-m", "nox", "-f", str(ROOT / "noxfile.py"), *sys.argv[1:]], check=False)
    except KeyboardInterrupt:
        sys.exit(130)
    sys.exit(code.returncode)


import nox  # noqa: E402 - it is not there before the environment is

nox.needs_version = ">=2025.10"
nox.options.sessions = ["lint", "types", "imports", "tests", "docs"]
nox.options.default_venv_backend = "none"


def python() -> str:
    """The interpreter of ``.venv``, if ``python3 noxfile.py`` created it; else the one that runs nox."""
    return str(binary(ENVIRONMENT)) if binary(ENVIRONMENT).exists() else sys.executable


@nox.session
def lint(session: nox.Session) -> None:
    """Check style with ruff."""
    session.run(python(), "-m", "ruff", "check", ".", external=True)
    session.run(python(), "-m", "ruff", "format", "--check", ".", external=True)


@nox.session
def types(session: nox.Session) -> None:
    """Check types with mypy (strict) and pyright."""
    typing_tests = ["tests/typing"] if (ROOT / "tests" / "typing").is_dir() else []
    sources = [str(Path(member) / "src") for member in MEMBERS]
    # Every public type is known: below 100 % the command fails.
    known = ("pyright", "--verifytypes", "segue", "--ignoreexternal")
    environ = {**os.environ, "PYTHONPATH": str(ROOT / "core" / "src")}  # pyright looks for the package where it is

    def checked(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [python(), "-m", *words], cwd=ROOT, env=environ if words == known else None, check=False,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip

    # Each uses one core.
    commands = [("mypy", *sources, *typing_tests), ("pyright",), known]
    with ThreadPoolExecutor(len(commands)) as threads:
        ended = list(threads.map(lambda words: checked(*words), commands))
    for words, one in zip(commands, ended, strict=True):
        session.log(" ".join(words))
        print(one.stdout, end="", flush=True)
    if any(one.returncode for one in ended):
        session.error("the type check failed")


@nox.session
def imports(session: nox.Session) -> None:
    """Check the layers of imports with import-linter; print the structure, and check that it has no cycle."""
    session.run(str(binary(Path(python()).parents[1], "lint-imports")), external=True)
    session.run(python(), "tests/structure.py", external=True)


HEAVY = (
    "tests/packaging", "tests/plugins/test_conformance_running.py", "tests/plugins/test_zoo.py",
    "tests/plugins/test_conformance.py", "tests/simulation", "tests/core/test_every_offset.py",
    "tests/wires/test_every_recording.py", "tests/faults/test_every_byte.py",
    "tests/plugins/test_conformance_imports.py",
)  # fmt: skip
"""Tests with many bytes, calls or processes; they run on the newest Python only, without coverage.

The longest ones are first, so that no process is left with one at the end.
"""


def versions() -> list[str]:
    """The Python versions in core's classifiers, which are the only list of them."""
    text = (ROOT / "core" / "pyproject.toml").read_text()
    return re.findall(r"Programming Language :: Python :: (3\.\d+)", text)


def interpreter(version: str) -> str | None:
    """An interpreter of this version that really runs; a name on the PATH may be a shim without an interpreter."""
    uv = binary(Path(python()).parents[1], "uv")
    found = subprocess.run(
        [uv, "python", "find", "--no-python-downloads", "--no-project", version],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    candidates = [
        found.stdout.strip(),
        shutil.which(f"python{version}"),
        *sorted(str(path) for path in pyenv.glob(f"{version}.*/bin/python{version}")),
    ]
    for candidate in candidates:
        if candidate:
            asked = [candidate, "-c", "import sys; print(sys.version.split()[0])"]
            told = subprocess.run(asked, capture_output=True, text=True, check=False)
            if told.returncode == 0 and told.stdout.startswith(f"{version}."):
                return candidate
    return None


@nox.session
def tests(session: nox.Session) -> None:
    """Run the tests on each installed Python, with coverage on the newest; ``-- 3.12`` selects a version."""
    chosen = [argument for argument in session.posargs if re.fullmatch(r"3\.\d+", argument)]
    arguments = [argument for argument in session.posargs if argument not in chosen]
    ran: list[str] = []
    missing: list[str] = []
    # The newest first: since 3.12 Python itself can report which lines run, which costs next to nothing. On 3.11
    # coverage takes more than the tests.
    wanted = sorted(chosen or versions(), key=lambda version: int(version.partition(".")[2]), reverse=True)
    try:
        for version in wanted:
            found = interpreter(version)
            if found is None:
                missing.append(version)
                continue
            environment = ROOT / ".nox" / f"tests-{version}"
            uv = str(binary(Path(python()).parents[1], "uv"))
            session.env["UV_SYSTEM_CERTS"] = "1"  # as pip: the machine's certificates, also those of a company's proxy
            session.run(uv, "venv", "--quiet", "--clear", "--python", found, str(environment), external=True)
            inside = str(binary(environment))
            install = (uv, "pip", "install", "--quiet", "--no-config", "--python", inside)
            editable = [argument for member in MEMBERS for argument in ("-e", str(ROOT / member))]
            session.run(*install, "--require-hashes", "-r", str(REQUIREMENTS), external=True)
            session.run(*install, "--no-deps", "--no-build-isolation", *editable, external=True)
            # Two processes for each core, for many tests wait; each test file whole in one of them. By itself xdist
            # leaves the files with the fewest tests for the end, and these are the slowest: they start processes.
            pytest = ("pytest", "-n", str(2 * (os.cpu_count() or 1)), "--dist", "loadfile", "--no-loadscope-reorder")
            pytest += ("--ignore=tests/docs",)
            ignored = [f"--ignore={each}" for each in HEAVY]
            if arguments:
                session.run(inside, "-m", *pytest, *arguments, external=True)
            elif ran:
                # What reads bytes or simulates is the same on each Python; it is the client that may differ, and how
                # the oldest differs from the newest is nearly all of it.
                chosen_tests = ["tests/resilience", *(OF_PYTHON if version == wanted[-1] else ())]
                ignored += [f"--ignore={each}" for each in SLOW]
                session.run(inside, "-m", *pytest, "--hypothesis-profile=again", *chosen_tests, *ignored, external=True)
            else:
                if version != "3.11":
                    session.env["COVERAGE_CORE"] = "sysmon"
                session.run(inside, "-m", "coverage", "erase", external=True)
                session.run(inside, "-m", "coverage", "run", "-m", *pytest, *ignored, external=True)
                # These cover nothing that others do not.
                session.run(inside, "-m", *pytest, *HEAVY, external=True)
                session.run(inside, "-m", "coverage", "combine", "--quiet", external=True)
                session.run(inside, "-m", "coverage", "report", external=True)
            ran.append(subprocess.run([inside, "-V"], capture_output=True, text=True, check=True).stdout.split()[1])
    finally:
        session.log(f"tests: passed on {', '.join(ran) or 'no Python'}; missing: {', '.join(missing) or 'none'}")
    if not ran:
        session.error("no supported Python is installed")


SLOW = (
    "tests/cli", "tests/docs", "tests/plugins", "tests/providers/test_refresh_models.py", "tests/core/test_sync.py",
    "tests/core/test_no_network.py", "tests/core/test_testing_fixtures.py",
)  # fmt: skip
"""Tests that start many processes; with `HEAVY` they are what `quick` leaves out."""


OF_PYTHON = (
    *(f"tests/core/test_{name}.py" for name in (
        "arguments", "call_arguments", "canaries", "client", "client_configuration", "concurrency", "configuration",
        "conversations", "downloads", "errors_travel", "lifecycle", "messages", "mocked_aiohttp", "probe", "registry",
        "retry", "secrets", "sockets", "structured", "telemetry", "validation", "what_errors_keep",
    )),
    *(f"tests/faults/test_{name}.py" for name in (
        "blocked_loops", "clocks_and_limits", "leaving", "pausing_readers", "ways",
    )),
)  # fmt: skip
"""Tests in which the version of Python counts: asyncio's cancellation, timers and closing, types, pickles, frames."""


@nox.session
def quick(session: nox.Session) -> None:
    """Check style and types, and run the tests of one Python without the heavy ones, in a few minutes."""
    lint(session)
    types(session)
    left_out = [f"--ignore={each}" for each in (*HEAVY, *SLOW)]
    workers = ("-n", str(2 * (os.cpu_count() or 1)), "--dist", "loadfile")
    session.run(python(), "-m", "pytest", "-q", *workers, *left_out, "tests", *session.posargs, external=True)


@nox.session
def docs(session: nox.Session) -> None:
    """Run the snippets and recipes of README and docs, and build the site."""
    # The page for authors makes environments of its own: about as long as all the others take.
    spread = ("-n", "2", "--dist", "loadfile")
    session.run(python(), "-m", "pytest", *spread, "tests/docs", external=True)


@nox.session
def site(session: nox.Session) -> None:
    """Build the documentation's site into site/."""
    session.env["NO_MKDOCS_2_WARNING"] = "1"
    session.run(python(), "-m", "mkdocs", "build", "--strict", *session.posargs, external=True)


@nox.session
def wheels(session: nox.Session) -> None:
    """Build every distribution into dist/, or ``-- DIR``; ``-- --dependencies`` adds the wheels that they need."""
    named = [word for word in session.posargs if word != "--dependencies"]
    folder = Path(named[0]).resolve() if named else ROOT / "dist"
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("segue*.whl"):
        old.unlink()
    for member in MEMBERS:
        session.run(
            python(), "-m", "flit_core.wheel", "--outdir", str(folder), str(ROOT / member), external=True, silent=True
        )
    if "--dependencies" in session.posargs:
        # The locked versions with their hashes, for pip: each block of the lock whose distribution ours need.
        needed = subprocess.run(
            [python(), str(ROOT / "tests" / "packaging" / "wheelhouse.py")],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        blocks = re.findall(r"^[^ \n].*(?:\n .*)*", REQUIREMENTS.read_text(), re.MULTILINE)
        locked = [block for block in blocks if re.split("[=;\\[ ]", block)[0] in needed.stdout.split()]
        (folder / "requirements.txt").write_text("\n".join(locked) + "\n")
        download = ("pip", "--disable-pip-version-check", "download", "--quiet", "--no-deps", "--require-hashes")
        session.run(python(), "-m", *download, "-d", str(folder), "-r", str(folder / "requirements.txt"), external=True)
    session.log(f"{len(list(folder.glob('*.whl')))} wheels are in {folder}")


@nox.session
def models(session: nox.Session) -> None:
    """Update the models.json of each provider from public tables; ``-- --check`` only shows the differences."""
    session.run(python(), str(ROOT / "providers" / "refresh_models.py"), *session.posargs, external=True)


@nox.session
def walk(session: nox.Session) -> None:
    """Show one request from needs to text over loopback sockets, while two of its hosts fail."""
    session.run(python(), str(ROOT / "docs" / "walk.py"), *session.posargs, external=True)


PEERS = {
    "aisuite": "aisuite[openai]", "any-llm": "any-llm-sdk[openai]", "gpt4free": "g4f", "langchain": "langchain-openai",
    "litellm": "litellm", "llm": "llm", "openai": "openai[aiohttp]", "pydantic-ai": "pydantic-ai-slim[openai]",
}  # fmt: skip
"""The packages to compare with, each in its own environment and in its latest version."""


@nox.session
def bench(session: nox.Session) -> None:
    """Print all costs with their limits; ``-- --peers`` adds other packages, ``-- --write`` updates the docs."""
    arguments = [argument for argument in session.posargs if argument != "--peers"]
    if len(arguments) < len(session.posargs):
        uv = str(binary(Path(python()).parents[1], "uv"))
        session.env["UV_SYSTEM_CERTS"] = "1"
        for name, wanted in PEERS.items():
            environment = ROOT / ".nox" / "peers" / name
            if not binary(environment).exists():
                session.run(uv, "venv", "--quiet", "--clear", "--python", python(), str(environment), external=True)
                install = (uv, "pip", "install", "--quiet", "--no-config", "--python", str(binary(environment)))
                session.run(*install, "aiohttp", "orjson", wanted, external=True, success_codes=[0, 1, 2])
        arguments += ["--peers", str(ROOT / ".nox" / "peers")]
    session.run(python(), str(ROOT / "tests" / "benchmarks" / "bench.py"), *arguments, external=True)


@nox.session
def failover(session: nox.Session) -> None:
    """Measure how much time a fallback adds before the first content, and check the limits."""
    session.run(python(), str(ROOT / "tests" / "benchmarks" / "failover.py"), *session.posargs, external=True)


@nox.session
def startup(session: nox.Session) -> None:
    """Measure the cost of 0 to 1,000 plugins at each start, and check the limits; ``-- --peers`` adds llm."""
    session.run(python(), str(ROOT / "tests" / "benchmarks" / "startup.py"), *session.posargs, external=True)


@nox.session
def soak(session: nox.Session) -> None:
    """Make 50,000 calls, and check that nothing leaks."""
    session.run(python(), str(ROOT / "tests" / "benchmarks" / "soak.py"), *session.posargs, external=True)


@nox.session
def cuts(session: nox.Session) -> None:
    """Cut answers at every byte, in process and on sockets, and print the results."""
    session.run(python(), "-W", "error", str(ROOT / "tests" / "faults" / "cuts.py"), *session.posargs, external=True)


@nox.session
def simulate(session: nox.Session) -> None:
    """Simulate at least 100,000 calls on a simulated clock, and check the limits of the results."""
    program = str(ROOT / "tests" / "simulation" / "simulate.py")
    session.run(python(), "-W", "error", program, *session.posargs, external=True)


@nox.session
def wires(session: nox.Session) -> None:
    """Print passed / total of the recorded traffic by provider and feature; ``-- NAME`` selects a provider."""
    session.run(python(), str(ROOT / "tests" / "wires" / "table.py"), *session.posargs, external=True)


def environment_with(session: nox.Session, name: str, tool: str) -> str:
    """Create an environment with the packages of ``.venv`` and one more tool; return its interpreter."""
    environment = ROOT / ".nox" / name
    uv = str(binary(Path(python()).parents[1], "uv"))
    session.env["UV_SYSTEM_CERTS"] = "1"
    session.run(uv, "venv", "--quiet", "--clear", "--python", python(), str(environment), external=True)
    inside = str(binary(environment))
    editable = [argument for member in MEMBERS for argument in ("-e", str(ROOT / member))]
    install = (uv, "pip", "install", "--quiet", "--no-config", "--python", inside)
    session.run(*install, "--require-hashes", "-r", str(REQUIREMENTS), external=True)
    session.run(*install, "--no-deps", "--no-build-isolation", *editable, external=True)
    session.run(*install, tool, external=True)
    return inside


@nox.session
def fuzz(session: nox.Session) -> None:
    """Fuzz a decoder with atheris: ``-- sse 600``, ``-- event_stream 600`` or ``-- json 600``, in seconds."""
    inside = environment_with(session, "fuzz", "atheris==3.0.0")  # by itself: it is built for few platforms
    session.run(inside, str(ROOT / "tests" / "fuzz" / "decoders.py"), *session.posargs, external=True)


@nox.session
def mutants(session: nox.Session) -> None:
    """Mutate breaker, budget, retry and resume with cosmic-ray; the tests must detect nine of ten mutants."""
    inside = environment_with(session, "mutants", "cosmic-ray==8.7.0")
    session.run(inside, str(ROOT / "tests" / "mutants.py"), *session.posargs, external=True)


@nox.session
def lock(session: nox.Session) -> None:
    """Resolve all requirements again and write requirements.txt: every hash, no address."""
    uv = str(binary(Path(python()).parents[1], "uv"))
    session.env["UV_SYSTEM_CERTS"] = "1"
    session.run(uv, "lock", "--upgrade", external=True)
    session.run(
        uv, "export", "--quiet", "--no-emit-workspace", "--all-packages", "--all-extras", "--group", "dev",
        "--no-header", "--no-annotate", "--format", "requirements-txt", "-o", str(REQUIREMENTS), external=True,
    )  # fmt: skip
