"""Items of the import and of cassettes, on providers that are made of files."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING, Any

import pytest

from segue.testing.conformance import Origin, conform, origins_of

if TYPE_CHECKING:
    from segue.testing.conformance import Report

IMPORTING = ["declaration", "import", "import *", "models *", "lifecycle", "capability text"]


PROVIDER = """
import asyncio
{first}
from segue.plugin import Finish, Model, TextDelta

class Filed:
    name = "filed"

    def models(self):
        {models}

    async def stream(self, request, context):
        yield TextDelta("hello")
        yield Finish("stop")
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Writes a module that declares one provider, with this at its beginning and this as its models."""
    folder = tmp_path / "code"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)

    def write(first: str = "", models: str = 'return [Model("filed-1")]') -> Origin:
        code = PROVIDER.format(first=first, models=models.replace("\n", "\n        "))
        (folder / "filed.py").write_text(code)
        return Origin("", module="filed:Filed")

    return write


def failed(report: Report) -> set[str]:
    return {one.item for one in report.failed}


def test_a_plain_module_passes(module: Any) -> None:
    """A module that only declares passes every item of its import, and asks no host."""
    report = conform(module(), items=IMPORTING)
    assert report.failed == ()
    assert (report.declared, report.level) == (None, "text")


FIRST = {
    "import": 'raise RuntimeError("not today")',
    "import network": 'import socket; socket.gethostbyname("localhost")',
    "import files": 'import pathlib; pathlib.Path("/etc/passwd").read_bytes()',
    "import processes": 'import subprocess; subprocess.run(["true"])',
    "import output": 'print("hello")',
    "import time": "import time; began = time.process_time()\nwhile time.process_time() < began + 0.4: pass",
}


@pytest.mark.parametrize("item", FIRST)
def test_an_import_that_does_more_than_import(item: str, module: Any) -> None:
    """An import that reaches for the network, a file, a process, a terminal or much time fails that item alone."""
    if item == "import":
        report = conform(module(FIRST[item]), items=IMPORTING)
        assert failed(report) == {one.item for one in report.results}
        told = {one.item: one.reason for one in report.failed}
        assert told["import"] == "RuntimeError: not today"
        assert all("not tested" in reason for name, reason in told.items() if name != "import")
        return
    assert failed(conform(module(FIRST[item]), items=IMPORTING)) == {item}


WRITES = {
    "a file": "open({path!r}, 'w').close()",
    "a folder": "import os; os.makedirs({path!r}, exist_ok=True)",
    "a descriptor": "import os; os.close(os.open({path!r}, os.O_CREAT | os.O_WRONLY))",
    "a database": "import sqlite3; sqlite3.connect({path!r}).close()",
    "more of a file": "open({path!r}, 'a').close()",
}


@pytest.mark.parametrize("what", WRITES)
def test_an_import_that_writes(what: str, module: Any, tmp_path: Path) -> None:
    """An import that writes anything fails, in whatever way it does."""
    report = conform(module(WRITES[what].format(path=str(tmp_path / "written"))), items=IMPORTING)
    assert failed(report) == {"import files"}
    assert str(tmp_path / "written") in report.failed[0].reason


def test_an_import_may_read_its_own_data(module: Any) -> None:
    """A file beside the module is part of it."""
    report = conform(module("import pathlib; data = pathlib.Path(__file__).read_text()"), items=IMPORTING)
    assert failed(report) == set()


MODELS = {
    "models offline": 'open("/etc/passwd").close()\nreturn [Model("filed-1")]',
    "models constant": 'self.times = getattr(self, "times", 0) + 1\nreturn [Model(f"filed-{self.times}")]',
}


@pytest.mark.parametrize("item", MODELS)
def test_models_that_are_looked_up(item: str, module: Any) -> None:
    """Models that are read from somewhere, or are others each time, fail that item."""
    report = conform(module(models=MODELS[item]), items=["models *"])
    assert failed(report) == {item}


def test_an_import_that_hangs_is_told_of(module: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """An import that never ends costs the time that was given, and is named."""
    monkeypatch.setattr("segue.testing.conformance.running.READY_WITHIN", 3.0)
    report = conform(module("import time; time.sleep(3600)"), items=["import", "lifecycle"])
    assert failed(report) == {"import", "lifecycle"}
    assert "took more than" in report.failed[0].reason


def test_an_import_that_ends_the_process_is_told_of(module: Any) -> None:
    """An import that takes the process with it fails, and the kit does not."""
    report = conform(module("import os; os._exit(7)"), items=["import", "lifecycle"])
    assert failed(report) == {"import", "lifecycle"}
    assert "exit code 7" in report.failed[0].reason


# ── cassettes ────────────────────────────────────────────────────────────────────────────────────────

TALKER = """
import json
from segue.plugin import Conformance, Finish, Model, ProviderSpec, TextDelta, Usage
from segue.plugin import ProtocolError, StreamBrokenError
from segue.transport import Call, raise_for_status

class Talker:
    name = "talker"

    def models(self):
        return [Model("talker-1")]

    async def stream(self, request, context):
        headers = {"authorization": "Bearer " + context.settings.api_key.get_secret_value()}
        said = [message.text for message in request.messages]
        given = {k: v for k, v in request.settings.given().items()}
        body = json.dumps({"say": said, **given}, default=list).encode()
        call = Call(context.settings.base_url + "/talk", headers, body)
        async with context.transport.open(call) as response:
            await raise_for_status(response, call)
            rest = b""
            chunks = response.chunks()
            async for data in chunks:
                *lines, rest = (rest + data).split(b"\\n")
                if len(rest) > 1_000_000:
                    raise ProtocolError("a line is too long")
                for line in lines:
                    try:
                        told = json.loads(line)
                        if not isinstance(told, dict):
                            raise ValueError
                    except (ValueError, RecursionError):
                        raise ProtocolError("no object") from None
                    if "w" in told:
                        yield TextDelta(told["w"]{spoilt})
                    if "end" in told:
                        yield Usage(told["in"], told["out"])
                        yield Finish("stop", told["end"])
                        await chunks.aclose()
                        return
            raise StreamBrokenError("it ended too soon")

SPEC = ProviderSpec(
    "talker", load=Talker, models=["talker-1"], env=("TALKER_KEY",), url="https://talker.example",
    conformance=Conformance("full", cassettes="talker"),
)
"""


@pytest.fixture
def talker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Writes a package with a wire of its own, and a cassette of it."""
    package = tmp_path / "talker"
    (package / "cassettes").mkdir(parents=True)
    monkeypatch.syspath_prepend(tmp_path)
    lines = [{"w": "Grüße, "}, {"w": "Welt "}, {"w": "und "}, {"w": "alle"}, {"end": "done", "in": 3, "out": 4}]
    body = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    cassette = {
        "id": "talker-1",
        "provider": "talker",
        "api": "talk",
        "source": {},
        "recorded": None,
        "request": {"method": "POST", "url": "https://talker.example/talk", "headers": {}, "json": {"say": ["hi"]}},
        "response": {
            "status": 200, "headers": {"content-type": "application/x-ndjson"}, "is_stream": True,
            "framing": "ndjson", "fidelity": "exact", "body_encoding": "utf-8", "body": body,
        },
        "features": ["stream", "text", "usage"],
        "expected": {
            "text": "Grüße, Welt und alle", "finish_reason": "done", "input_tokens": 3, "output_tokens": 4,
            "tool_calls": [], "error": None,
        },
    }  # fmt: skip

    def write(spoilt: str = "", **features: Any) -> Origin:
        (package / "__init__.py").write_text(dedent(TALKER).replace("{spoilt}", spoilt))
        (package / "cassettes" / "talker-1.json").write_text(json.dumps(cassette | features))
        return origins_of("talker:SPEC")[0]

    return write


def test_a_wire_of_its_own_is_tried_with_its_cassettes(talker: Any) -> None:
    """A provider with one small cassette of its own wire passes every item at the level full."""
    report = conform(talker())
    assert report.failed == ()
    passed = {one.item for one in report.results if one.outcome == "passed"}
    assert {"cassettes", "capability text", "fault F10", "fault F22", "chunks bytes", "close early"} <= passed


def test_an_answer_that_is_not_read_as_recorded_fails(talker: Any) -> None:
    """A cassette whose answer is read otherwise than it says fails, by its name."""
    report = conform(talker('.replace("alle", "viele")'), items=["cassettes", "lifecycle", "secret request"])
    assert failed(report) == {"cassettes"}
    assert report.failed[0].reason.startswith("talker-1: text is ")


def test_a_fact_that_no_cassette_shows_fails_at_the_level_full(talker: Any) -> None:
    """What is advertised and cannot be tried is a failure at full, and not applicable below it."""
    origin = talker()
    path = Path(sys.path[0]) / "talker" / "__init__.py"
    declared = path.read_text().replace("import Conformance,", "import Capabilities, Conformance,")
    declared = declared.replace('"talker-1"]', 'Model("talker-1", Capabilities({"tools": True}))]')
    path.write_text(declared)
    full = conform(origin, items=["capability tools"])
    assert failed(full) == {"capability tools"}
    wire = conform(origin, items=["capability tools"], level="wire")
    assert [one.outcome for one in wire.results] == ["not applicable"]
