"""Imports a provider in a separate process, and records with Python's audit events what it does."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
import sysconfig
import time
from dataclasses import field
from json import dumps  # by itself: a plugin may replace what the module has under the name
from os import _exit, getpid  # as dumps
from typing import TYPE_CHECKING, Any, Final

from ...values import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from ...provider.contract import Model, Provider
    from .origin import Origin

WITHIN: Final = 20.0
"""The most seconds that an import may take."""

_BOOT: Final = (
    "import sys, json; told = json.loads(sys.stdin.buffer.readline()); sys.path[:] = told['path']; "
    "from segue.testing.conformance.importing import main; main(told)"
)
_MOST_TOLD: Final = 20
_PRINTED: Final = 200


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import did.

    ``declaration`` and ``implementation`` are the seconds of processor time that each took. Each line of
    ``network``, ``files`` and ``processes`` is one access; ``error`` is the reason of a failure. ``models`` are
    the accesses of `Provider.models`, and ``unsteady`` is the difference between two calls of it.
    """

    declaration: float = 0.0
    implementation: float = 0.0
    network: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    processes: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    unsteady: str = ""
    printed: str = ""
    error: str = ""


def imported(origin: Origin) -> Imported:
    """Import the provider in a child process, and list its models twice."""
    told = {"path": sys.path, "origin": origin.plain()}
    try:
        done = subprocess.run(  # noqa: S603 - our own interpreter, and a program of ours
            [sys.executable, "-P", "-c", _BOOT],
            input=json.dumps(told).encode() + b"\n",
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=WITHIN,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Imported(error=f"its import took more than {WITHIN:g} s")
    line = done.stdout.strip().rpartition(b"\n")[2]
    if not line:
        return Imported(error=f"its import ended the process with exit code {done.returncode}")
    try:
        plain: dict[str, Any] = json.loads(line)
    except ValueError:
        return Imported(error="it wrote to a file descriptor that does not belong to it")
    fields: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in plain.items()}
    return Imported(**fields)


# ── in the child ─────────────────────────────────────────────────────────────────────────────────────


@dataclass(slots=True)
class Audit:
    """Records accesses; each is returned once."""

    network: list[str] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    processes: list[str] = field(default_factory=list)
    listening: bool = False

    def hook(self, event: str, args: tuple[Any, ...]) -> None:
        """Python's audit hook."""
        if not self.listening:
            return
        kind = _KINDS.get(event)
        if kind is None:
            return
        self.listening = False  # what is done to tell of it is not the plugin's
        try:
            told = kind(event, args)
            if told is not None:
                into, what = told
                lines: list[str] = getattr(self, into)
                if len(lines) < _MOST_TOLD and what not in lines:
                    lines.append(what)
        finally:
            self.listening = True

    @contextlib.contextmanager
    def on(self) -> Iterator[None]:
        """Record during the ``with``."""
        self.listening = True
        try:
            yield
        finally:
            self.listening = False

    def taken(self) -> tuple[str, ...]:
        """Return the recorded accesses of one kind, and forget them."""
        lines = (*self.network, *self.files, *self.processes)
        for each in (self.network, self.files, self.processes):
            each.clear()
        return lines


def _network(event: str, args: tuple[Any, ...]) -> tuple[str, str] | None:
    if event == "socket.bind" and args[1:] and args[1] in {("::1", 0), ("127.0.0.1", 0), ("::1", 0, 0, 0)}:
        return None  # how some libraries (urllib3) find out, as they are imported, whether there is IPv6 at all
    shown = args[1] if event in {"socket.connect", "socket.bind", "socket.sendto"} else args[0]
    return "network", f"{event} {shown!r}"


def _process(event: str, args: tuple[Any, ...]) -> tuple[str, str]:
    return "processes", f"{event} {args[0]!r}" if args else event


def _opened(_event: str, args: tuple[Any, ...]) -> tuple[str, str] | None:
    path, mode, flags = (*args, None, None, None)[:3]
    if isinstance(path, int):
        return None  # a descriptor that is open already
    name = os.path.abspath(os.fsdecode(path)) if isinstance(path, (str, bytes, os.PathLike)) else repr(path)  # noqa: PTH100 - no object made of it: this runs inside open()
    writes = any(letter in str(mode or "") for letter in "wax+")
    if isinstance(flags, int) and mode is None:
        writes = bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND))
    if "__pycache__" in name or name == os.devnull:
        return None
    if writes:
        return "files", f"open {name} for writing"
    return None if name.startswith(_READABLE) else ("files", f"open {name}")


def _changed(event: str, args: tuple[Any, ...]) -> tuple[str, str] | None:
    if any("__pycache__" in os.fsdecode(one) for one in args if isinstance(one, (str, bytes))):
        return None
    return "files", f"{event} {args[0]!r}"


_KINDS: Final[Mapping[str, Callable[[str, tuple[Any, ...]], tuple[str, str] | None]]] = {
    **dict.fromkeys(
        (
            "socket.connect", "socket.bind", "socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr",
            "socket.getnameinfo", "socket.sendto", "socket.sendmsg",
        ),
        _network,
    ),
    **dict.fromkeys(
        (
            "subprocess.Popen", "os.system", "os.exec", "os.fork", "os.forkpty", "os.spawn", "os.posix_spawn",
            "os.startfile", "pty.spawn",
        ),
        _process,
    ),
    "open": _opened,
    **dict.fromkeys(
        (
            "os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link", "os.symlink", "os.truncate", "os.chmod",
            "os.chown", "tempfile.mkstemp", "tempfile.mkdtemp", "shutil.copyfile", "shutil.move", "shutil.rmtree",
            "sqlite3.connect",
        ),
        _changed,
    ),
}  # fmt: skip

_READABLE: tuple[str, ...] = ()
"""Where an import may read: where Python looks for modules and their data, and files that are not on a disk."""


def _readable() -> tuple[str, ...]:
    places = {os.path.abspath(place) for place in sys.path if place}  # noqa: PTH100 - as in _opened
    places |= {sys.prefix, sys.base_prefix, sys.exec_prefix, *sysconfig.get_paths().values()}
    system = ("/proc/", "/sys/", "/dev/", "/usr/share/zoneinfo", "/etc/localtime", "/etc/mime.types", "/etc/ssl")
    return (*sorted(places), *system)


def main(told: Mapping[str, Any]) -> None:
    """Import the given provider, print what that did, and end the process even if something still runs."""
    global _READABLE  # set once, before anything is heard
    from ... import plugin
    from ...messages import Request  # noqa: F401 - as above
    from ...plugins import loaded
    from ...provider import host, listing  # noqa: F401 - so that their time is not the plugin's
    from ...transport import exchange  # noqa: F401 - as above, and aiohttp
    from ...wire import anthropic_messages, openai_chat, openai_responses  # noqa: F401 - as above
    from .origin import Origin

    _ = plugin.ProviderSpec, plugin.hookimpl, plugin.Model, plugin.AsyncGeneratorProvider, plugin.Host
    origin = Origin.of_plain(told["origin"])
    channel, process = os.fdopen(os.dup(1), "w", encoding="utf-8"), getpid()
    audit = Audit()
    result: dict[str, Any] = {}
    printed = os.memfd_create("printed") if hasattr(os, "memfd_create") else os.open(os.devnull, os.O_RDWR)
    os.dup2(printed, 1)
    os.dup2(printed, 2)
    sys.addaudithook(audit.hook)
    _READABLE = _readable()
    try:
        began = time.process_time()
        with audit.on():
            spec = origin.spec()
        result["declaration"] = time.process_time() - began
        began = time.process_time()
        with audit.on():
            provider = loaded(spec)
        result["implementation"] = time.process_time() - began
        result |= {name: list(getattr(audit, name)) for name in ("network", "files", "processes")}
        audit.taken()
        with audit.on():
            result["unsteady"] = _unsteady(provider)
        result["models"] = list(audit.taken())
    except BaseException as error:  # a plugin's import may raise anything
        result["error"] = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        for name in ("network", "files", "processes"):
            result.setdefault(name, list(getattr(audit, name)))
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, io.UnsupportedOperation):  # a plugin may have closed it
            stream.flush()
    with contextlib.suppress(OSError):
        result["printed"] = os.pread(printed, _PRINTED, 0).decode(errors="replace")
    if getpid() == process:  # else it forked while it was imported, and this is its other half
        channel.write(dumps(result) + "\n")
        channel.flush()
    _exit(0)


def _unsteady(provider: Provider) -> str:
    """Why two calls of `models` do not give the same; empty where they do."""
    first, second = (_named(provider.models()) for _ in range(2))
    if len(set(first)) < len(first):
        return "models() returns a model twice"
    return "" if first == second else "two calls of models() return different models"


def _named(models: object) -> list[tuple[str, object]]:
    if not isinstance(models, (list, tuple)):
        raise TypeError(f"models() returns {type(models).__name__}; expected a list of models")
    named: list[tuple[str, object]] = []
    for one in models:
        model: Model = one
        named.append((model.name, model.capabilities))
    return named
