"""What holds for every test: nothing leaves this machine, no secret shows, and no example is judged by the clock."""

from __future__ import annotations

import atexit
import inspect
import ipaddress
import os
import pickle
import shutil
import signal
import socket
import tempfile
import traceback
from typing import TYPE_CHECKING, Any
from unittest.mock import Mock

import aiohttp
import hypothesis
import pydantic.types
import pytest
from aioresponses import core as aioresponses_core

from segue import SegueError
from segue.plugins import Entry, declared_here

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator
    from importlib.metadata import EntryPoint

# No deadline: a shared machine is slow at random, and how many examples an assumption leaves out is random too. In CI
# the same examples each time, so that a failure is the change's.
_ALWAYS = {
    "deadline": None,
    "suppress_health_check": (hypothesis.HealthCheck.filter_too_much, hypothesis.HealthCheck.too_slow),
}
hypothesis.settings.register_profile("here", **_ALWAYS)
hypothesis.settings.register_profile("ci", derandomize=True, **_ALWAYS)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "here")
# For the Pythons after the first: what is the same on each of them was tried at length there.
hypothesis.settings.register_profile("again", derandomize=bool(os.environ.get("CI")), max_examples=20, **_ALWAYS)

# What plugins declare is kept for the whole run, and not in the home of whoever runs it; pytest's workers inherit it.
if "SEGUE_CACHE" not in os.environ:
    os.environ["SEGUE_CACHE"] = tempfile.mkdtemp(prefix="segue-tests-")
    atexit.register(shutil.rmtree, os.environ["SEGUE_CACHE"], ignore_errors=True)


# Where pytest was started with SIGINT ignored, as shells start what runs in the background, the commands that tests
# start and interrupt would ignore it too.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


class _ResponseWithWriter(aiohttp.ClientResponse):
    """The response that aioresponses makes: 0.7.9 leaves out ``stream_writer``, which aiohttp 3.14 requires."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, stream_writer=Mock(), **kwargs)


# The shim expires with the first aioresponses that knows the argument, and says so.
if "stream_writer" in inspect.getsource(aioresponses_core):
    raise RuntimeError("aioresponses passes stream_writer itself now: take the shim out of tests/conftest.py")
aioresponses_core.ClientResponse = _ResponseWithWriter


def _is_here(host: str | bytes) -> bool:
    """Whether an address is this machine's; of names only localhost is, wherever another may lead."""
    name = host.decode() if isinstance(host, bytes) else host
    try:
        return name in ("", "localhost") or ipaddress.ip_address(name.partition("%")[0]).is_loopback
    except ValueError:
        return False


@pytest.fixture(autouse=True)
def _nothing_beyond_loopback(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Fail a test that connects or looks up a name beyond this machine, also where the code under test hides it."""
    attempts: list[str] = []

    def refuse(what: str) -> None:
        attempts.append(what)
        pytest.fail(f"a test tried to {what}, beyond this machine")

    def guarded(original: Callable[..., Any]) -> Callable[..., Any]:
        def connect(self: socket.socket, address: Any) -> Any:
            if self.family in (socket.AF_INET, socket.AF_INET6) and not _is_here(address[0]):
                refuse(f"connect to {address[0]}")
            return original(self, address)

        return connect

    resolve = socket.getaddrinfo

    def getaddrinfo(host: Any, *args: Any, **kwargs: Any) -> Any:
        if isinstance(host, str) and host.endswith(".invalid"):  # reserved to have no address: no need to ask for it
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        if host is not None and not _is_here(host):
            refuse(f"look up {host}")
        return resolve(host, *args, **kwargs)

    # asyncio's loops connect through these two methods as well, and resolve through this function.
    monkeypatch.setattr(socket.socket, "connect", guarded(socket.socket.connect))
    monkeypatch.setattr(socket.socket, "connect_ex", guarded(socket.socket.connect_ex))
    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    yield
    assert not attempts, f"beyond this machine: {attempts}"


@pytest.fixture
def plugins_here(monkeypatch: pytest.MonkeyPatch) -> Callable[[Iterable[EntryPoint]], None]:
    """Makes these entry points all that is installed; they are imported in this process."""

    def put(entries: Iterable[EntryPoint]) -> None:
        there = [Entry.of(entry) for entry in entries]
        monkeypatch.setattr(
            "segue.plugins.registry.catalogued", lambda allowed, **_: list(declared_here(filter(allowed, there)))
        )

    return put


# ── no secret shows ──────────────────────────────────────────────────────────────────────────────────

MARKS = ("sk-", "canary")
"""What a key of the tests has in it; other values that are held as secrets may stand in a text by chance."""

SECRETS: pytest.StashKey[set[str]] = pytest.StashKey()


def shows(secrets: Iterable[str], *texts: str) -> list[str]:
    """The secrets that stand in a text."""
    return [secret for secret in secrets if any(secret in text for text in texts)]


def texts_of(error: BaseException) -> Iterator[str]:
    """Every text that an error gives of itself, pickled too."""
    yield str(error)
    yield repr(error)
    yield repr(error.args)
    yield repr(vars(error))
    yield "".join(traceback.format_exception(error))
    try:
        yield pickle.dumps(error).decode("latin-1")
    except (TypeError, AttributeError, pickle.PicklingError):
        return  # what cannot be pickled leaks nothing so


@pytest.fixture(autouse=True)
def _no_secret_shows(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Fail a test in whose errors, logs at DEBUG or output a secret stands that was made while it ran."""
    secrets: set[str] = request.node.stash.setdefault(SECRETS, set())
    errors: list[SegueError] = []
    hold = pydantic.types._SecretBase.__init__

    def holding(self: Any, secret_value: Any) -> None:
        hold(self, secret_value)
        if isinstance(secret_value, str) and any(mark in secret_value for mark in MARKS):
            secrets.add(secret_value)

    def raising(self: SegueError, *args: Any) -> None:
        super(SegueError, self).__init__(*args)
        if secrets and len(errors) < 200:
            errors.append(self)

    monkeypatch.setattr(pydantic.types._SecretBase, "__init__", holding)
    monkeypatch.setattr(SegueError, "__init__", raising)
    yield
    if secrets:
        for error in errors:
            assert not shows(secrets, *texts_of(error)), f"a {type(error).__name__} shows a secret"
    errors.clear()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Look at all that a test logged and printed, once it is over."""
    report = yield
    if report.when == "teardown":
        secrets = item.stash.get(SECRETS, set())
        if secrets and shows(secrets, *(text for _, text in report.sections)):
            report.outcome = "failed"
            report.longrepr = "a secret stands in what the test logged or printed"
    return report
