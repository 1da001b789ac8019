"""Errors that are pickled and copied: from a pool of processes, as from Celery or Ray, they come with all they tell."""

from __future__ import annotations

import asyncio
import copy
import multiprocessing
import pickle
import threading
from concurrent.futures import ProcessPoolExecutor
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any

import pytest
from elsewhere import ask

import segue.errors
from segue import AllFailedError, Chain, Client, Host, ProviderError, RateLimitError, Retry, SegueError
from segue.errors import HTTPError, NeedsSyntaxError
from segue.events import Usage
from segue.observation import Attempt
from segue.testing import OpenAIHost, Status

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def _classes(cls: type[SegueError] = SegueError) -> Iterator[type[SegueError]]:
    yield cls
    for sub in cls.__subclasses__():
        if sub.__module__ == segue.errors.__name__:
            yield from _classes(sub)


def _made(cls: type[SegueError]) -> SegueError:
    """One of this class as a call raises it: with attempts, of which the last has it itself."""
    if issubclass(cls, AllFailedError):
        failed = [_made(RateLimitError), _made(HTTPError)]
        made: Any = cls("all 2 candidates failed", failed)  # type: ignore[arg-type]
        made.attempts = tuple(attempt for error in failed for attempt in error.attempts)  # type: ignore[attr-defined]
    elif issubclass(cls, NeedsSyntaxError):
        made = cls("wrong", text="a b", position=1)
    else:
        made = cls("it failed")
    if isinstance(made, ProviderError):
        made.provider, made.model, made.retry_after, made.text = "a", "m", 3.0, "so far"
        made.attempts = (Attempt("a", "m", "failed", 0.5, error=made, usage=Usage(1, 2)),)
    made.of_mine = {"set": "by a handler"}
    made.add_note("a note")
    return made  # type: ignore[no-any-return]


def _told(value: object, seen: tuple[int, ...] = ()) -> object:
    """All that is in a value, so that two may be compared; an error inside itself is a mark."""
    if id(value) in seen:
        return "…"
    seen = (*seen, id(value))
    if isinstance(value, BaseException):
        own = {name: _told(one, seen) for name, one in vars(value).items()}
        inner = [_told(one, seen) for one in getattr(value, "exceptions", ())]
        return type(value), str(value), own, inner, _told(value.__cause__, seen)
    if isinstance(value, (list, tuple)):
        return [_told(one, seen) for one in value]
    if is_dataclass(value):
        return type(value), [_told(getattr(value, each.name), seen) for each in fields(value)]
    return value


def _pickled(protocol: int) -> Callable[[Any], Any]:
    return lambda value: pickle.loads(pickle.dumps(value, protocol))


WAYS: dict[str, Callable[[Any], Any]] = {
    **{f"pickle {protocol}": _pickled(protocol) for protocol in range(pickle.HIGHEST_PROTOCOL + 1)},
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("cls", [*_classes()], ids=lambda cls: cls.__name__)
def test_every_error_comes_over_whole(cls: type[SegueError], way: str) -> None:
    """Of each class: its type, its text, what is in it, its attempts with their errors, its notes."""
    error = _made(cls)
    copied = WAYS[way](error)
    assert copied is not error
    assert (type(copied), repr(copied), str(copied)) == (type(error), repr(error), str(error))
    if way == "copy":
        assert vars(copied) == vars(error)
        return
    assert _told(copied) == _told(error)
    if isinstance(copied, ProviderError):
        assert copied.attempts[0].error is copied


@pytest.mark.parametrize("way", WAYS)
def test_a_cause_of_ours_comes_along(way: str) -> None:
    """Somebody else's is left out of a pickle: whether it can be read again nobody knows."""
    error = _made(ProviderError)
    error.__cause__ = _made(HTTPError)
    copied = WAYS[way](error)
    assert _told(copied.__cause__) == _told(error.__cause__)
    error.__cause__ = OSError(threading.Lock())
    copied = WAYS[way](error)
    assert str(copied) == str(error)


class OwnError(RateLimitError):
    """A user's own, with fields and an ``__init__`` of its own."""

    def __init__(self, first: str, second: int) -> None:
        super().__init__(f"{first} {second}")
        self.second = second
        self.lock = threading.Lock()


class Unreadable:
    """It is pickled, and cannot be read again."""

    def __reduce__(self) -> Any:
        return int, ("no number",)


@pytest.mark.parametrize("way", WAYS)
def test_what_cannot_be_pickled_is_left_out_alone(way: str) -> None:
    """A lock, a value that cannot be read again, a class that a function made: all else comes over."""

    class LocalError(OwnError):
        pass

    error = LocalError("a", 2)
    error.attempts = (Attempt("a", "m", "failed", 0.5, error=error),)
    error.__dict__["unreadable"], error.__dict__["itself"] = Unreadable(), [error]
    copied = WAYS[way](error)
    assert (str(copied), copied.status, copied.second) == ("a 2", 429, 2)
    assert copied.attempts[0].provider == "a"
    assert isinstance(copied, OwnError)
    if "copy" in way:
        assert type(copied) is LocalError
        assert copied.lock is error.lock
    else:
        assert not hasattr(copied, "lock")
        assert not hasattr(copied, "unreadable")
        assert copied.attempts[0].error is copied
    group = AllFailedError("all", [error, _made(HTTPError)])  # type: ignore[list-item]
    assert [str(one) for one in WAYS[way](group).exceptions] == ["a 2", "a: it failed"]


def test_args_that_cannot_be_pickled_are_their_text() -> None:
    """An error whose text is made of them has a text still."""
    error = ProviderError("it failed")
    error.args = (threading.Lock(),)
    assert "lock" in str(pickle.loads(pickle.dumps(error)))


GROUPS: dict[str, Callable[[Any], Any]] = {
    "alone": lambda error: error,
    "in a group": lambda error: ExceptionGroup("some", [ValueError("another"), error]),
    "in a group of groups": lambda error: ExceptionGroup("more", [ExceptionGroup("some", [error])]),
}


def _found(error: Any) -> Any:
    """The error of all targets, wherever in groups it is."""
    while not isinstance(error, AllFailedError):
        error = error.exceptions[-1]
    return error


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("group", GROUPS)
async def test_what_hosts_said_comes_along_in_groups(group: str, way: str) -> None:
    """Of a real call: each body, message and note of a host, each attempt with its error, the notes of groups."""
    async with OpenAIHost() as host:
        host.does(Status(503, code="overloaded", message="Busy."), times=None)
        rows = [Host(name, host.url, models=["m"]) for name in ("a", "b")]
        async with Client(providers=rows, config=False, plugins=False, environ={}, retry=Retry(count=0)) as client:
            with pytest.raises(AllFailedError) as caught:
                await client.chat("hi", chain=Chain("a/m", "b/m"))
    caught.value.add_note("of all")
    error = GROUPS[group](caught.value)
    if error is not caught.value:
        error.add_note("of the group")
    copied = WAYS[way](error)
    assert (type(copied), copied.__notes__) == (type(error), error.__notes__)
    all_failed = _found(copied)
    assert (str(all_failed), all_failed.__notes__) == (str(caught.value), ["of all"])
    assert [attempt.outcome for attempt in all_failed.attempts] == ["failed", "failed"]
    for attempt, one in zip(all_failed.attempts, all_failed.exceptions, strict=True):
        assert attempt.error is one
        assert (one.status, one.code, one.host_message) == (503, "overloaded", "Busy.")
        assert one.__notes__ == ["the host says: Busy."]
        assert "Busy." in one.body
        one.host_message = None
        assert one.__notes__ == []


# ── from another process ─────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def pool() -> Iterator[ProcessPoolExecutor]:
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as executor:
        yield executor


@pytest.mark.parametrize("targets", [("a/m",), ("a/m", "b/m")], ids=["one", "all"])
@pytest.mark.parametrize("streamed", [False, True])
async def test_an_error_that_a_call_raised_comes_out_of_a_process(
    targets: tuple[str, ...], streamed: bool, pool: ProcessPoolExecutor
) -> None:
    """With the host's status, code, body and hint, and every attempt."""
    async with OpenAIHost() as host:
        host.does(Status(503, code="overloaded", message="busy", headers={"retry-after": "3"}), times=None)
        with pytest.raises(SegueError) as caught:
            await asyncio.get_running_loop().run_in_executor(pool, ask, host.url, targets, streamed)
    error: Any = caught.value
    assert type(error) is (AllFailedError if len(targets) > 1 else segue.errors.OverloadedError)
    assert [attempt.provider for attempt in error.attempts] == [name.partition("/")[0] for name in targets]
    for one in getattr(error, "exceptions", (error,)):
        assert (one.status, one.code, one.retry_after, one.model) == (503, "overloaded", 3.0, "m")
        assert "busy" in one.body
        assert "HTTP 503 (overloaded)" in str(one)
        assert any(attempt.error is one for attempt in error.attempts)


@pytest.mark.parametrize("address", ["http://user:canary-password@{}/v1", "http://:canary-password@{}/v1"])
@pytest.mark.parametrize("script", [None, [Status(503)]])
async def test_a_pickle_holds_no_secret_of_an_address(address: str, script: list[Status] | None) -> None:
    """What an error or a reply keeps of its attempts does not have the password of an address."""
    async with OpenAIHost(script=script) as host:
        row = Host("a", host.url, models=["m"], base_url_env="A_URL")
        environ = {"A_URL": address.format(host.url.removeprefix("http://").removesuffix("/v1"))}
        async with Client(providers=[row], config=False, plugins=False, environ=environ, retry=0) as client:
            try:
                kept: object = await client.chat("Hello", model="a/m")
            except HTTPError as error:
                kept = error
    assert b"canary" not in pickle.dumps(kept)
