"""A stranger's way, outside the repository and from wheels alone: new-provider, install, conform, select, chain."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from wheelhouse import Environment

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.packaging

KINDS = ("text", "host", "wire")

PROGRAM = """
import asyncio, json, sys
import segue
from segue import Chain, Client, Needs, Retry
from segue.testing import Body, ScriptedHost, cassettes_of

def recorded(kind):
    return next(one for one in cassettes_of(f"segue_acme_{kind}") if one.id == f"acme-{kind}-text")

async def main():
    wire = recorded("wire")
    async with (
        ScriptedHost(script=[Body(b"no", status=503)]) as first,
        ScriptedHost(script=[Body(b"no", status=429)]) as second,
        ScriptedHost(script=[wire.step(split=7)]) as third,
    ):
        hosts = {"acme-text": first, "acme-host": second, "acme-wire": third}
        config = {"providers": {name: {"base_url": one.url, "api_key": "sk-1"} for name, one in hosts.items()}}
        async with Client(config=config, retry=Retry(count=0)) as client:
            asked = ("working", "working, supports_message_history")
            selected = [sorted(one.provider for one in client.select(needs).candidates) for needs in asked]
            chain = Chain(Needs("supports_message_history"), "acme-host/acme-host-1", "acme-wire/acme-wire-1")
            reply = await client.chat("Who are you?", chain=chain)
        print(json.dumps({
            "file": segue.__file__, "selected": selected, "text": reply.text, "provider": reply.provider,
            "attempts": [[one.provider, type(one.error).__name__] for one in reply.attempts],
            "expected": wire.expected["text"],
        }))

asyncio.run(main())
"""


@pytest.fixture(scope="module")
def environment(index: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """A fresh environment with Segue from its wheels, and three packages that it wrote."""
    made = Environment(tmp_path_factory.mktemp("fresh"), index)
    made.run("pip", "install", "segue")
    for kind in KINDS:
        made.run("segue", "new-provider", f"acme-{kind}", "--kind", kind)
        made.run("pip", "install", f"./segue-acme-{kind}[test]")
    return made


@pytest.mark.parametrize("kind", KINDS)
def test_it_passes_the_kit_at_once(environment: Environment, kind: str) -> None:
    """As it was written and installed, each kind passes every item of the highest level, none as expected."""
    done = environment.run("segue", "conform", f"acme-{kind}", "--json")
    (report,) = json.loads(done.stdout)["providers"]
    assert (report["declared"], report["level"]) == ("full", "full")
    outcomes: dict[str, Any] = {one["item"]: one for one in report["items"]}
    assert not [one for one in outcomes.values() if one["outcome"] in {"failed", "expected"}]
    for name in ("declaration", "fault F12 chunked", "close early", "chunks bytes", "capability text"):
        assert outcomes[name]["outcome"] == "passed", name


@pytest.mark.parametrize("kind", KINDS)
def test_its_own_tests_pass(environment: Environment, kind: str) -> None:
    """The tests that were written with it pass."""
    done = environment.run("python", "-m", "pytest", "-q", f"segue-acme-{kind}")
    assert " passed" in done.stdout
    assert "failed" not in done.stdout


def test_they_are_selected_by_capability_and_used_in_a_chain(environment: Environment) -> None:
    """Needs select them by what they declare, and a chain goes from one that fails to the next."""
    told = json.loads(environment.run("python", "-c", PROGRAM).stdout)
    assert told["file"].startswith(str(environment.folder))
    assert told["selected"] == [["acme-host", "acme-text", "acme-wire"], ["acme-text"]]
    assert told["attempts"] == [
        ["acme-text", "OverloadedError"], ["acme-host", "RateLimitError"], ["acme-wire", "NoneType"],
    ]  # fmt: skip
    assert (told["provider"], told["text"]) == ("acme-wire", told["expected"])


def test_nothing_is_broken(environment: Environment) -> None:
    """The doctor finds all three, and nothing that is broken."""
    told = environment.run("segue", "doctor").stdout
    for kind in KINDS:
        assert f"segue-acme-{kind}" in told


RECORD = """
import asyncio, sys
from pathlib import Path
from segue.testing import ScriptedHost, cassettes_of

async def main(kind):
    source = Path(f"segue-acme-{kind}", "src", f"segue_acme_{kind}", "cassettes", f"acme-{kind}-text.json")
    made = next(one for one in cassettes_of(f"segue_acme_{kind}") if one.id == f"acme-{kind}-text")
    async with ScriptedHost(script=[made.step()]) as host:
        Path("host.toml").write_text(f'[providers.acme-{kind}]\\nbase_url = "{host.url}"\\napi_key = "sk-canary-123"')
        recording = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "segue", "record", "--config", "host.toml", "-m", f"acme-{kind}/acme-{kind}-1",
            "-o", str(source), "--force", "Who are you?",
        )
        assert await recording.wait() == 0
    assert '"kind": "cassette"' in source.read_text()
    assert "sk-canary" not in source.read_text()

asyncio.run(main(sys.argv[1]))
"""


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_recorded_takes_the_place_of_what_was_made_up(environment: Environment, kind: str) -> None:
    """`segue record` asks through it and keeps the exchange; its tests and the kit then play that."""
    environment.run("python", "-c", RECORD, kind)
    environment.run("pip", "install", "--force-reinstall", "--no-deps", f"./segue-acme-{kind}")
    assert "failed" not in environment.run("python", "-m", "pytest", "-q", f"segue-acme-{kind}").stdout
    done = environment.run("segue", "conform", f"acme-{kind}", "--item", "c*", "--json")
    assert json.loads(done.stdout)["passed"]
