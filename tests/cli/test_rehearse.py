"""``segue rehearse``: one's own chain against stand-ins, without a key and without a connection."""

from __future__ import annotations

import json
import socket
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING, Any

import pytest

from segue import Chain, ConfigError
from segue.client.client import Client
from segue.rehearsal import FAULTS, Part, Rehearsal, Script, Step, read_script, rehearse
from segue.rehearsal.script import ANSWERS, with_faults

if TYPE_CHECKING:
    from pathlib import Path

    from .conftest import CommandLine

FIRST, SECOND = "openai/gpt-5.4-mini", "anthropic/claude-haiku-4-5"
MAIN = f"""
[models."{SECOND}"]
prefill = true

[chains.main]
targets = ["{FIRST}", "{SECOND}"]
"""
FACTS: dict[str, Any] = {"models": {SECOND: {"prefill": True, "context": 200_000}, FIRST: {"context": 128_000}}}


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a socket nor a key is to be had."""

    def no(*_: object, **__: object) -> None:
        raise AssertionError("a rehearsal asks nobody")

    monkeypatch.setattr(socket.socket, "connect", no)
    monkeypatch.setattr(socket, "getaddrinfo", no)
    monkeypatch.setattr("segue.client.client.find_key", no)


def played(*steps: str, chain: Chain | None = None, **options: Any) -> Rehearsal:
    """The first target does these, the second answers."""
    script = with_faults(Script(), {"openai": steps})
    given = chain or Chain(FIRST, SECOND)
    return rehearse(given, script, config=FACTS, environ={}, **options)


OUTCOMES = {
    "F01": "ConnectError", "F02": "PhaseTimeoutError", "F03": "DNSError", "F04": "TLSError", "F05": "ConnectError",
    "F07": "ConnectError", "F08": "PhaseTimeoutError", "F09": "PhaseTimeoutError", "F10": "PhaseTimeoutError",
    "F12": "StreamBrokenError", "F20": "ProtocolError", "F22": "ProtocolError", "F27": "StreamBrokenError",
    "F31": "ProtocolError", "F32": "OverloadedError", "F35": "RateLimitError", "F36": "QuotaExhaustedError",
    "F37": "AuthenticationError", "F38": "ModelNotFoundError", "F39": "BadRequestError", "F40": "ContextLengthError",
    "F41": "RequestTooLargeError", "F42": "ContentFilterError", "F43": "ServerError", "F44": "OverloadedError",
    "F45": "BadRequestError", "F46": "HTTPError", "F47": "ProtocolError",
}  # fmt: skip


@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize("fault", OUTCOMES)
@pytest.mark.parametrize("stream", [True, False], ids=["stream", "chat"])
def test_each_fault_is_what_the_real_one_is(fault: str, stream: bool) -> None:
    """A stand-in's fault has the class that a host's has, and the chain does with it what it would do."""
    (call,) = played(fault, stream=stream).calls
    first = call.lanes[0]
    assert (first.provider, first.outcome, first.error) == ("openai", "failed", OUTCOMES[fault])
    assert call.whole is (fault not in {"F39", "F42"})
    if call.whole:
        assert call.text == Script().text
        assert call.lanes[-1].provider == "anthropic"


def test_no_fault_is_without_a_test() -> None:
    """The table of outcomes names each fault of the catalogue that a stand-in knows."""
    assert OUTCOMES.keys() == FAULTS.keys()


@pytest.mark.usefixtures("alone")
def test_a_stream_that_breaks_off_is_gone_on_with() -> None:
    """The caller sees one handover, after what it has, and what both cost as far as they told it."""
    (call,) = played("F12").calls
    assert [turn.what for turn in call.turns] == ["first text", "handover"]
    assert "continue at anthropic/claude-haiku-4-5 after 25 characters" in call.turns[1].about
    assert call.cost is not None
    assert call.lanes[1].way == "continue"


@pytest.mark.usefixtures("alone")
def test_silence_takes_as_long_as_it_would() -> None:
    """A host that says nothing costs its whole limit on the rehearsal's clock, and the next calls go past it."""
    first, second, third = played("F08", calls=3, every=130.0).calls
    assert first.ended - first.started == pytest.approx(120 + 1.45)
    assert [turn.about for turn in second.turns if turn.what == "breaker"] == ["openai/gpt-5.4-mini: open for 15 s"]
    assert third.started == pytest.approx(260)
    assert third.lanes[0].outcome in {"failed", "skipped"}


@pytest.mark.usefixtures("alone")
def test_steps_come_in_their_order() -> None:
    """Each request takes the next step of a part, and the last is repeated."""
    outcomes = [call.lanes[0].outcome for call in played("F43", "ok", calls=3).calls]
    assert outcomes == ["failed", "answered", "answered"]


@pytest.mark.usefixtures("alone")
def test_a_wait_without_a_limit_is_given_up() -> None:
    """Where no timeout ends a call the rehearsal says so, in place of waiting for ever."""
    from segue import Timeout

    (call,) = played("F08", timeout=Timeout(first_event=None), chain=Chain(FIRST)).calls
    assert (call.whole, call.error) == (False, "PhaseTimeoutError")
    assert "no timeout ends this call" in call.message


@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize("step", ANSWERS)
def test_answers_of_other_kinds(step: str) -> None:
    """What is no failure of a host is an answer, and ends the chain."""
    (call,) = played(step).calls
    assert [lane.outcome for lane in call.lanes] == ["answered"]
    assert Script().text.startswith(call.text)
    assert (call.text == Script().text) is (step in {"ok", "slow"})


def test_a_part_for_nobody_is_refused() -> None:
    """A part of a target that the chain has not would be dropped in silence."""
    script = with_faults(Script(), {"opena": ("F12",)})
    with pytest.raises(
        ConfigError, match=r"no target 'opena'; expected one of anthropic/claude-haiku-4-5, openai/gpt-5.4-mini"
    ):
        rehearse(Chain(FIRST, SECOND), script, config=FACTS, environ={})


WRONG = {
    "an unknown step": ('[targets.openai]\nsteps = ["F99"]\n', "unknown step 'F99'"),
    "an unknown key": ("[targets.openai]\nstep = []\n", "targets.openai.step"),
    "no steps": ("[targets.openai]\nsteps = []\n", "at least one step"),
    "no TOML": ("targets =", "script.toml"),
    "a time below nothing": ("[targets.openai]\nfirst = -1\n", "targets.openai.first"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_script_that_is_none(wrong: str, tmp_path: Path) -> None:
    """A file with a fault is refused by the name of what is wrong in it."""
    text, told = WRONG[wrong]
    path = tmp_path / "script.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=told):
        read_script(path)


def test_a_script_of_a_file(tmp_path: Path) -> None:
    """Steps are names, or tables that say after how many words."""
    path = tmp_path / "script.toml"
    path.write_text(
        'text = "one two three"\n[targets."a/m"]\nsteps = ["ok", { does = "F12", after = 2 }]\nfirst = 1.5\n'
    )
    part = Part(steps=(Step(does="ok"), Step(does="F12", after=2)), first=1.5)
    assert read_script(path) == Script(text="one two three", targets={"a/m": part})


# ── the command ──────────────────────────────────────────────────────────────────────────────────────


async def test_the_command_shows_the_timeline(cli: CommandLine, tmp_path: Path) -> None:
    """Who was asked, what failed how, and what the caller got; a picture where one is wanted; exit code 0."""
    picture = tmp_path / "timeline.svg"
    config = cli.config(MAIN)
    ended = await cli("rehearse", "main", "--fault", "openai=F12", "--svg", str(picture), "--config", config)
    assert (ended.code, ended.err) == (0, "")
    assert "StreamBrokenError (stream) after 0.70 s: the connection broke" in ended.out
    assert "continue: answered in 1.15 s" in ended.out
    assert "the caller: a whole answer, 102 characters in 1.85 s" in ended.out
    assert "━✗" in ended.out
    assert "\x1b" not in ended.out
    texts = [one.text for one in ET.fromstring(picture.read_text()).iter("{http://www.w3.org/2000/svg}text")]
    assert "openai/gpt-5.4-mini" in texts
    assert "the caller" in texts


async def test_the_command_as_json(cli: CommandLine) -> None:
    """The whole record, also of a call that failed, with exit code 1."""
    ended = await cli("rehearse", "-m", FIRST, "--fault", "openai=F37", "--json")
    assert (ended.code, ended.err) == (1, "")
    (call,) = json.loads(ended.out)["calls"]
    assert (call["whole"], call["error"], call["text"]) == (False, "AuthenticationError", "")
    assert call["lanes"][0]["phase"] == "headers"


async def test_the_command_reads_no_key(cli: CommandLine) -> None:
    """A key of the environment stands nowhere, and one that is missing is not missed."""
    cli.environ["OPENAI_API_KEY"] = "canary-0123456789"
    ended = await cli("rehearse", "-m", FIRST, "-m", SECOND, "--fault", "openai=F44", "--json")
    assert ended.code == 0
    assert "canary" not in ended.out + ended.err


async def test_the_command_lists_its_steps(cli: CommandLine) -> None:
    """Every step is named with what it does."""
    ended = await cli("rehearse", "--steps")
    assert ended.code == 0
    assert [line.split()[0] for line in ended.out.splitlines()] == [*ANSWERS, *FAULTS]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "give either CHAIN or --model"),
        (("main", "-m", "x"), "give either CHAIN or --model"),
        (("nobody",), "no chain 'nobody' is configured"),
        (("-m", FIRST, "--fault", "F12"), "--fault must be TARGET=STEP"),
        (("-m", FIRST, "--fault", "openai=F99"), "unknown step 'F99'"),
        (("-m", FIRST, "--script", "nowhere.toml"), "nowhere.toml: No such file or directory"),
    ],
)
async def test_wrong_input_is_said_and_ends_with_2(cli: CommandLine, arguments: tuple[str, ...], told: str) -> None:
    """What cannot be played is said in a line."""
    ended = await cli("rehearse", *arguments)
    assert (ended.code, ended.out) == (2, "")
    assert told in ended.err
    assert "Traceback" not in ended.err


def test_the_stage_is_a_client() -> None:
    """What the stage overrides is still there to be overridden."""
    assert {"_key", "_offer", "_ready"} <= vars(Client).keys()
