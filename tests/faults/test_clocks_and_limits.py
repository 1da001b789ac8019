"""Clocks that jump, F54, loops that stall, F55, and machines that run out of something, F56 of the catalogue."""

from __future__ import annotations

import asyncio
import email.utils
import json
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from matrix import KEYS, LIMIT, NO_RETRY, PLACES, WHOLE, Fault, Host, check, client_of, meet

from segue import Breaker, Client, OverloadedError, RateLimitError, Retry, Timeout
from segue.plugin import AsyncGeneratorProvider
from segue.testing import Answer, OpenAIHost, Stall, Status, in_thread
from segue.transport import retry_after

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from matrix import Met, Place

    from segue.observation import Attempt, AttemptStart, CircuitChange, Fallback

both = pytest.mark.parametrize("stream", [True, False], ids=["stream", "chat"])
places = pytest.mark.parametrize("place", PLACES)

YEARS = 10 * 365.25 * 86_400.0
jumps = pytest.mark.parametrize("jump", [3600.0, -3600.0, YEARS, -YEARS], ids=["+1 h", "-1 h", "+10 y", "-10 y"])


class Wall:
    """The wall clock, set wrong by so many seconds."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.wrong = 0.0
        real = time.time
        self.now: Callable[[], float] = lambda: real() + self.wrong
        monkeypatch.setattr(time, "time", self.now)
        assert retry_after.__kwdefaults__ is not None
        monkeypatch.setitem(retry_after.__kwdefaults__, "now", self.now)


@pytest.fixture
def wall(monkeypatch: pytest.MonkeyPatch) -> Wall:
    """The wall clock of the test."""
    return Wall(monkeypatch)


def outcomes(met: Met) -> list[tuple[str, str]]:
    """Who was asked or passed by, and what it came to."""
    return [(attempt.provider, attempt.outcome) for attempt in met.attempts]


# ── F54: the wall clock ──────────────────────────────────────────────────────────────────────────────


class Jumping:
    """Sets the clock wrong with everything that it is told."""

    def __init__(self, wall: Wall, jump: float) -> None:
        self._wall = wall
        self._jump = jump

    def _set(self) -> None:
        self._wall.wrong = self._jump - self._wall.wrong

    def attempt_started(self, start: AttemptStart, /) -> None:
        """Jump."""
        self._set()

    def attempt_ended(self, attempt: Attempt, /) -> None:
        """Jump."""
        self._set()

    def fell_back(self, fallback: Fallback, /) -> None:
        """Jump."""
        self._set()

    def circuit_changed(self, change: CircuitChange, /) -> None:
        """Jump."""
        self._set()


@jumps
@both
@places
async def test_f54_a_jump_is_not_seen(jump: float, stream: bool, place: Place, wall: Wall) -> None:
    """F54: a wall clock that jumps between any two steps of a call changes nothing of it."""
    options = {"observers": [Jumping(wall, jump)]}
    limits = Timeout(connect=5.0, first_event=5.0, idle=5.0, total=20.0)
    fault = Fault(
        "F54", lambda _: Host(script=[Status(503)]), OverloadedError, "headers", options=options, timeout=limits
    )
    await check(fault, stream=stream, place=place)


@jumps
async def test_f54_durations_are_of_the_other_clock(jump: float, wall: Wall) -> None:
    """F54: the times of attempts are of a clock that does not jump."""
    async with Host(script=[Status(503)]) as one, Host(answer=WHOLE) as last:
        urls = {"faulty": one.url, "last": last.url}
        async with client_of(urls, options={"observers": [Jumping(wall, jump)]}) as client:
            met = await meet(client, list(urls), stream=True)
    assert met.whole == WHOLE
    assert all(0 <= attempt.duration < LIMIT for attempt in met.attempts)
    assert 0 <= (met.attempts[-1].first_event or 0) < LIMIT


@jumps
@both
async def test_f54_a_timeout_is_kept_to(jump: float, stream: bool, wall: Wall) -> None:
    """F54: a limit is neither over at once nor put off by a jump while it runs."""
    async with Host(script=[Stall("headers")]) as host:
        async with client_of({"faulty": host.url}, timeout=Timeout(first_event=0.2)) as client:
            loop = asyncio.get_running_loop()
            begun = loop.time()
            task = asyncio.create_task(meet(client, ["faulty"], stream=stream))
            await asyncio.wait_for(host.until_requests(), LIMIT)
            wall.wrong = jump
            met = await asyncio.wait_for(task, LIMIT)
            assert 0.19 < loop.time() - begun < LIMIT
    assert met.error is not None
    assert met.error.attempts[0].duration == pytest.approx(0.2, abs=LIMIT / 2)  # type: ignore[attr-defined]


@jumps
async def test_f54_a_breaker_is_not_stuck(jump: float, wall: Wall, monkeypatch: pytest.MonkeyPatch) -> None:
    """F54: a breaker that opened opens no sooner and no later when the wall clock jumps."""
    loop = asyncio.get_running_loop()
    real, ahead = loop.time, [0.0]
    monkeypatch.setattr(loop, "time", lambda: real() + ahead[0])
    rows: dict[str, Any] = {}
    async with Host(answer=WHOLE, script=[Status(500), Answer()]) as host:
        rows["faulty"] = {"wire": "openai_chat", "base_url": host.url, "models": ["m"], "api_key": KEYS["faulty"]}
        breaker = Breaker(failures=1, interval=15.0)
        config = {"providers": rows}
        async with Client(config=config, plugins=False, environ={}, breaker=breaker, retry=NO_RETRY) as client:
            assert outcomes(await meet(client, ["faulty"], stream=False)) == [("faulty", "failed")]
            wall.wrong = jump
            assert outcomes(await meet(client, ["faulty"], stream=False)) == [("faulty", "skipped")]
            ahead[0] += 16.0
            assert outcomes(await meet(client, ["faulty"], stream=False)) == [("faulty", "answered")]


@jumps
async def test_f54_a_date_to_wait_for(jump: float, wall: Wall, monkeypatch: pytest.MonkeyPatch) -> None:
    """F54: a host's date read by a clock that is wrong makes no wait below nothing, nor one above the cap."""
    pauses: list[float] = []

    class Watching(Client):
        def _run(self, *, whole: bool) -> Any:
            run = super()._run(whole=whole)

            async def pause(seconds: float) -> None:
                pauses.append(seconds)

            run.sleep = pause
            return run

    date = email.utils.formatdate(time.time() + 20, usegmt=True)
    wall.wrong = jump
    rows: dict[str, Any] = {}
    async with Host(answer=WHOLE, script=[Status(429, retry_after=date), Answer()]) as host:
        rows["faulty"] = {"wire": "openai_chat", "base_url": host.url, "models": ["m"], "api_key": KEYS["faulty"]}
        retry = Retry(count=1, cap=30.0)
        config = {"providers": rows}
        async with Watching(config=config, plugins=False, environ={}, retry=retry) as client:
            met = await meet(client, ["faulty"], stream=False)
    failed = met.attempts[0].error
    assert isinstance(failed, RateLimitError)
    assert failed.retry_after is not None
    assert failed.retry_after >= 0
    assert all(0 <= pause <= 30.5 for pause in pauses)
    # A clock that is behind sees a date that is too far off to be waited for; one that is ahead sees one gone by.
    assert (met.whole == WHOLE) is (jump > 0)


async def test_f54_a_machine_that_slept(monkeypatch: pytest.MonkeyPatch) -> None:
    """F54: where the loop's own clock leaps, as in a suspend, a silent host times out, and the next call answers."""
    loop = asyncio.get_running_loop()
    real, ahead = loop.time, [0.0]
    monkeypatch.setattr(loop, "time", lambda: real() + ahead[0])
    async with Host(answer=WHOLE, script=[Stall("headers"), Answer()]) as host:
        async with client_of({"faulty": host.url}, timeout=Timeout(first_event=60.0)) as client:
            task = asyncio.create_task(meet(client, ["faulty"], stream=True))
            await asyncio.wait_for(host.until_requests(), LIMIT)
            ahead[0] += 86_400.0
            loop.call_soon(lambda: None)  # a loop that sleeps in its selector looks at its clock when it is woken
            met = await task
            assert type(met.error).__name__ == "PhaseTimeoutError"
            assert (await meet(client, ["faulty"], stream=True)).whole == WHOLE


# ── F55: a loop that stalls ──────────────────────────────────────────────────────────────────────────


class Blocking:
    """Blocks the loop for longer than any limit at one of the things that it is told."""

    def __init__(self, at: str) -> None:
        self._at = at

    def _block(self, at: str) -> None:
        if at == self._at:
            time.sleep(0.7)

    def attempt_started(self, start: AttemptStart, /) -> None:
        """May block."""
        self._block("attempt_started")

    def attempt_ended(self, attempt: Attempt, /) -> None:
        """May block."""
        self._block("attempt_ended")

    def fell_back(self, fallback: Fallback, /) -> None:
        """May block."""
        self._block("fell_back")

    def circuit_changed(self, change: CircuitChange, /) -> None:
        """May block."""
        self._block("circuit_changed")


TIGHT = Timeout(connect=0.5, first_event=0.5, idle=0.5)


@pytest.mark.parametrize("at", ["attempt_started", "attempt_ended", "fell_back", "circuit_changed"])
@both
@places
async def test_f55_an_observer_that_blocks(at: str, stream: bool, place: Place) -> None:
    """F55: an observer that blocks the loop longer than every limit makes no timeout of any host."""
    options = {"observers": [Blocking(at)], "breaker": Breaker(failures=1)}
    fault = Fault(
        "F55", lambda _: Host(script=[Status(503)]), OverloadedError, "headers", options=options, timeout=TIGHT
    )
    await check(fault, stream=stream, place=place)


class Blocker(AsyncGeneratorProvider):
    """Blocks the loop before each piece."""

    models = ("m",)

    @classmethod
    async def create_async_generator(cls, *_: Any, **__: Any) -> AsyncIterator[str]:  # type: ignore[override]
        for piece in ("one", " two"):
            time.sleep(0.7)  # noqa: ASYNC251 - it is the fault
            yield piece


async def test_f55_a_provider_that_blocks() -> None:
    """F55: a plugin that blocks the loop and then gives its text has answered."""
    async with Client(providers=[Blocker], config=False, plugins=False, environ={}, timeout=TIGHT) as client:
        async with client.stream("hi", model="blocker/m") as stream:
            assert [text async for text in stream.text()] == ["one", " two"]


@both
async def test_f55_a_stall_is_not_the_hosts(stream: bool) -> None:
    """F55: where something else blocked the loop while a host answered in time, the answer counts."""
    with in_thread(OpenAIHost(answer=WHOLE)) as host:
        async with client_of({"faulty": host.url}, timeout=Timeout(first_event=0.5, idle=0.5)) as client:
            await meet(client, ["faulty"], stream=stream)  # all that is made once is there
            task = asyncio.create_task(meet(client, ["faulty"], stream=stream))
            async with asyncio.timeout(LIMIT):
                while len(host.requests) < 2:  # noqa: ASYNC110 - the host is in another loop
                    await asyncio.sleep(0)
            time.sleep(0.8)  # noqa: ASYNC251 - it is the fault
            met = await task
    assert (met.error, met.whole) == (None, WHOLE)


# ── F56: out of descriptors, of space, of a home ─────────────────────────────────────────────────────

HUNGRY = """
import asyncio, json, os, resource, sys
from segue import Client, Breaker
from segue.errors import SegueError
from segue.transport import AiohttpTransport

async def ask(client):
    try:
        return (await client.chat("hi", model="h/m")).text
    except SegueError as error:
        return f"{type(error).__name__} at {error.phase}"

async def main(url, failures):
    rows = {"h": {"wire": "openai_chat", "base_url": url, "models": ["m"]}}
    breaker = Breaker(failures=failures)
    transport = AiohttpTransport()
    async with transport, Client(
        config={"providers": rows}, plugins=False, environ={}, retry=None, breaker=breaker, transport=transport
    ) as client:
        said = [await ask(client)]
        await transport.aclose()
        held = []
        try:
            while True:
                held.append(os.open(os.devnull, os.O_RDONLY))
        except OSError:
            pass
        said += [await ask(client) for _ in range(3)]
        for descriptor in held:
            os.close(descriptor)
        said.append(await ask(client))
    print(json.dumps(said))

soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard))
asyncio.run(main(sys.argv[1], int(sys.argv[2])))
"""


async def ended(*command: str, **environ: str) -> tuple[int, str, str]:
    """A program's exit code and what it wrote."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("SEGUE_", "XDG_"))}
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**inherited, **environ},
    )
    out, err = await asyncio.wait_for(process.communicate(), 2 * LIMIT)
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


async def test_f56_out_of_descriptors() -> None:
    """F56: without a descriptor left a call is ConnectError, and once there are some again the next is answered."""
    async with Host(answer=WHOLE) as host:
        code, out, err = await ended(sys.executable, "-W", "error", "-c", HUNGRY, host.url, "100")
    assert (code, err) == (0, "")
    assert json.loads(out) == [WHOLE, *["ConnectError at connect"] * 3, WHOLE]


async def test_f56_what_is_missing_here_is_not_the_hosts() -> None:
    """F56: what this machine has run out of opens no host's breaker."""
    async with Host(answer=WHOLE) as host:
        _, out, _ = await ended(sys.executable, "-W", "error", "-c", HUNGRY, host.url, "2")
    assert json.loads(out)[-1] == WHOLE


def _configured(folder: Path, url: str) -> str:
    path = folder / "given.toml"
    path.write_text(f'[providers.h]\nwire = "openai_chat"\nbase_url = "{url}"\nmodels = ["m"]\n')
    return str(path)


CHAT = ("-m", "segue", "chat", "-m", "h/m", "--config")


@pytest.mark.parametrize("home", ["/proc/nowhere", "/nonexistent"])
async def test_f56_a_home_that_cannot_be_written(home: str, tmp_path: Path) -> None:
    """F56: a command answers where neither home nor state is there or can be made."""
    code, out, err = await _chat_at(home, tmp_path)
    assert (code, out) == (0, f"{WHOLE}\n"), err
    assert "Traceback" not in err


async def test_f56_a_home_that_is_no_folder(tmp_path: Path) -> None:
    """F56: a store of keys that cannot be looked at is an error that names it: a key may stand in it."""
    code, out, err = await _chat_at("/dev/null", tmp_path)
    assert (code, out) == (2, "")
    assert "the key store /dev/null/segue/keys.toml: Not a directory" in err
    assert "Traceback" not in err


async def _chat_at(home: str, folder: Path) -> tuple[int, str, str]:
    async with Host(answer=WHOLE) as host:
        command = (sys.executable, *CHAT, _configured(folder, host.url), "hi")
        return await ended(*command, HOME=home, XDG_CONFIG_HOME=home, XDG_STATE_HOME=home)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a device that is full")
async def test_f56_no_space_left(tmp_path: Path) -> None:
    """F56: an answer that cannot be written is one line on stderr, exit code 1, and the host is left."""
    async with Host(answer=WHOLE) as host:
        config = _configured(tmp_path, host.url)
        command = " ".join([sys.executable, *CHAT, config, "hi", ">", "/dev/full"])
        code, _, err = await ended("/bin/sh", "-c", command, HOME=str(tmp_path))
        await asyncio.wait_for(host.until_closed(), LIMIT)
    assert code == 1
    assert err.startswith("error: input or output failed: ")
    assert "No space left" in err
    assert err.count("\n") == 1


CROWDED = """
import asyncio, json, os, resource, sys
from segue import Chain, Client

async def ask(client, names, stream):
    chain, pieces = Chain(*(f"{name}/m" for name in names)), []
    if stream:
        async with client.stream("hi", chain=chain) as events:
            pieces = [piece async for piece in events.text()]
            reply = await events.reply()
        assert "".join(pieces) == reply.text
    else:
        reply = await client.chat("hi", chain=chain)
    told = [[one.provider, one.outcome, type(one.error).__name__, getattr(one.error, "is_local", None)]
            for one in reply.attempts]
    return [reply.text, told]

async def main(rows, names, stream):
    open_before = len(os.listdir("/proc/self/fd"))
    async with Client(config={"providers": rows}, plugins=False, environ={}, retry=None) as client:
        for name in names:
            if name != "faulty":  # the others have a connection that is kept
                await client.chat("hi", model=f"{name}/m")
        held = []
        try:
            while True:
                held.append(os.open(os.devnull, os.O_RDONLY))
        except OSError:
            pass
        said = [await ask(client, names, stream)]
        for descriptor in held:
            os.close(descriptor)
        said.append(await ask(client, ["faulty"], stream))
    await asyncio.sleep(0)
    left = [len(asyncio.all_tasks()), len(os.listdir("/proc/self/fd")) - open_before]
    print(json.dumps([*said, left]))

rows, names, stream = json.loads(sys.argv[1])
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard))
asyncio.run(main(rows, names, stream))
"""


@both
@places
async def test_f56_goes_on_where_a_connection_is_kept(stream: bool, place: Place) -> None:
    """F56: without a descriptor the next target answers over a kept connection, and the host keeps its place."""
    journal: list[str] = []
    refusing = Host(answer=WHOLE, script=[Answer(), Status(404)])
    async with refusing as before, Host(answer=WHOLE) as faulty, Host(answer=WHOLE) as last:
        hosts = {"before": before, "faulty": faulty, "last": last}
        for name, host in hosts.items():
            host.journal, host.name = journal, name
        names = [name for name in hosts if place == "middle" or name != "before"]
        rows = {
            name: {"wire": "openai_chat", "base_url": hosts[name].url, "models": ["m"], "api_key": KEYS[name]}
            for name in names
        }
        asked = json.dumps([rows, names, stream])
        code, out, err = await ended(sys.executable, "-W", "error", "-c", CROWDED, asked)
    assert (code, err) == (0, "")
    crowded, after, left = json.loads(out)
    first = [["before", "failed", "ModelNotFoundError", None]] if place == "middle" else []
    assert crowded == [
        WHOLE,
        [*first, ["faulty", "failed", "ConnectError", True], ["last", "answered", "NoneType", None]],
    ]
    assert after == [WHOLE, [["faulty", "answered", "NoneType", None]]]
    others = [name for name in names if name != "faulty"]
    assert journal == [*others, *others, "faulty"]
    assert left == [1, 0]
    assert not any(key in out + err for key in KEYS.values())
