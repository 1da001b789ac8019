"""The kit from outside: the command, its report, pytest's tests, and providers that hang or die."""

from __future__ import annotations

import importlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from segue.cli import main
from segue.testing.conformance import Origin, all_items, conform, installed_origins
from segue.testing.conformance.report import OUTCOMES, Report, Result, with_expected

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HERE = Path(__file__).parent


@pytest.fixture(autouse=True)
def _subjects(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(HERE)


def subject(name: str) -> str:
    return f"conformance_subjects:{name}"


def run(*argv: str) -> int:
    """The exit code of a command."""
    with pytest.raises(SystemExit) as left:
        main(["conform", *argv])
    assert isinstance(left.value.code, int)
    return left.value.code


# ── the command ──────────────────────────────────────────────────────────────────────────────────────


def test_the_command_reports_each_item(capsys: pytest.CaptureFixture[str]) -> None:
    """A line an item, a summary at the end, and 0 where nothing failed."""
    assert run(subject("GOOD"), "--item", "secret *", "--item", "cassettes") == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0] == subject("GOOD")
    assert out[1:6] == [f"  ok       secret {what}" for what in ("request", "logs", "output", "errors", "events")]
    assert out[6].startswith("  n/a      cassettes: it declares no cassettes")
    assert re.fullmatch(r"  5 passed, 1 not applicable in \d+\.\d s; level full", out[7])


def test_the_command_exits_with_1_where_an_item_fails(capsys: pytest.CaptureFixture[str]) -> None:
    """What failed is shown with its reason."""
    assert run(subject("ALONE_address"), "--item", "address") == 1
    out = capsys.readouterr().out
    assert "  FAILED   address: it tried to reach telemetry.example" in out
    assert "1 failed in" in out


def test_the_report_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    """The same as JSON, with every field that the documentation names."""
    assert run(subject("EXPECTS"), "--json", "--item", "capability settings", "--item", "lifecycle") == 1
    told = json.loads(capsys.readouterr().out)
    assert told["passed"] is False
    (one,) = told["providers"]
    assert (one["provider"], one["declared"], one["level"], one["passed"]) == ("subject", "full", "full", False)
    assert one["counts"] == {"passed": 0, "failed": 1, "expected": 1, "not_applicable": 0}
    by_name = {item["item"]: item for item in one["items"]}
    assert by_name["capability settings"]["outcome"] == "expected"
    assert by_name["capability settings"]["reason"].startswith("its host refuses a temperature (")
    assert by_name["lifecycle"]["outcome"] == "failed"
    assert by_name["lifecycle"]["reason"] == "the test passes: remove it from expected_failures"
    assert set(by_name["lifecycle"]) == {"item", "outcome", "reason", "seconds"}
    page = (HERE.parents[1] / "docs" / "conformance.md").read_text()
    assert all(f"`{field}`" in page for field in (*told, *one, *by_name["lifecycle"]))


def test_the_list_of_items(capsys: pytest.CaptureFixture[str]) -> None:
    """--list names each item with its level and what it says; nothing is tried."""
    assert run("--list") == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(all_items())
    assert lines[0].split()[:2] == ["declaration", "text"]


@pytest.mark.parametrize(
    ("argv", "told"),
    [
        (["nobody"], "no provider 'nobody' is installed"),
        (
            ["nope:Nope"],
            "error: conform nope:Nope: the module 'nope' is not in the working directory and not installed\n",
        ),
        (["conformance_subject:GOOD"], "and not installed; did you mean 'conformance_subjects'?\n"),
        (["me=segue_openai.provider:OpenAy"], "the module has no 'OpenAy'; did you mean 'OpenAI'?\n"),
        (["segue_openai.provder:OpenAI"], "did you mean 'segue_openai.provider'?\n"),
        (["a b:c"], "error: conform 'a b:c': expected module:name\n"),
        (["openia"], "did you mean 'openai'?"),
        ([], "give either TARGETS or --all"),
        (["openai", "--all"], "give either TARGETS or --all"),
        (["openai", "--item", "nothing"], "no test is named nothing"),
        (["openai", "--level", "gold"], "'gold' is not one of"),
    ],
)
def test_a_wrong_command(argv: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    """What is not there, or says nothing, is exit code 2, and no provider is tried."""
    assert run(*argv) == 2
    shown = capsys.readouterr()
    assert told in shown.err
    assert shown.out == ""


def test_what_does_not_apply_is_one_line(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """And so are the failures that have one reason; with --item each is shown."""
    results = (
        Result("import", "failed", "ImportError: no"),
        *(Result(f"wire {number}", "failed", "not tested: it cannot be imported") for number in range(9)),
        *(Result(f"capability {number}", "not applicable", f"no model has it: {number}") for number in range(7)),
        Result("address", "passed"),
    )

    def tried(_: Origin, *, on_result: Callable[[Result], None], **__: object) -> Report:
        for result in results:
            on_result(result)
        return Report("subject", "", "", "full", "full", results, 1.0)

    monkeypatch.setattr("segue.cli.conform.conform", tried)
    assert run(subject("GOOD")) == 1
    assert capsys.readouterr().out.splitlines() == [
        "conformance_subjects:GOOD",
        "  FAILED   import: ImportError: no",
        "  FAILED   wire 0: not tested: it cannot be imported",
        "  ok       address",
        "  FAILED   and 8 more for the same reason: not tested: it cannot be imported",
        "  n/a      7 tests; `--json` and `--item` show the reasons",
        "  1 passed, 10 failed, 7 not applicable in 1.0 s; level full",
    ]
    assert run(subject("GOOD"), "--item", "capability *") == 1
    assert "  n/a      capability 3: no model has it: 3" in capsys.readouterr().out.splitlines()


def test_several_providers(capsys: pytest.CaptureFixture[str]) -> None:
    """Of several each has its summary, and what failed is named at the end."""
    assert run(subject("GOOD"), subject("ALONE_address"), "--item", "address") == 1
    told = capsys.readouterr()
    assert told.out.count("level full") == 2
    assert "  ok " not in told.out
    assert told.err.strip() == "1 of 2 failed: subject"


def test_the_documentation_lists_every_item(monkeypatch: pytest.MonkeyPatch) -> None:
    """The generated page names every item with its level and its sentence, and no other."""
    monkeypatch.syspath_prepend(HERE.parents[1] / "docs")
    page = importlib.import_module("reference").conformance_page()
    rows = re.findall(r"^\| `([^`]+)` \| (text|wire|full) \| (.+) \|$", page, re.MULTILINE)
    assert rows == [(one.name, one.level, one.sentence) for one in all_items()]


def test_a_row_of_the_configuration(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A host that stands in the configuration alone is tried by its name."""
    file = tmp_path / "segue.toml"
    file.write_text('[providers.attic]\nwire = "openai_chat"\nbase_url = "https://attic.example/v1"\nmodels = ["a"]\n')
    assert run("attic", "--config", str(file), "--item", "capability text", "--item", "address") == 0
    assert "2 passed in" in capsys.readouterr().out


# ── expected failures ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("outcome", "becomes"), [("failed", "expected"), ("passed", "failed"), ("not applicable", "failed")]
)
def test_an_expected_failure_is_one_or_is_a_failure(outcome: Any, becomes: str) -> None:
    """A failure that is declared is expected; one that does not happen fails, so that no mark outlives its reason."""
    result = Result("lifecycle", outcome, "because")
    assert with_expected(result, {"lifecycle": "its host"}).outcome == becomes
    assert with_expected(result, {"output": "its host"}) == result
    assert outcome in OUTCOMES


# ── providers that hang or die ───────────────────────────────────────────────────────────────────────


def test_a_provider_that_hangs() -> None:
    """One that blocks its loop for good fails the items in which it does, and the others are tried all the same."""
    names = ["declaration", "lifecycle", "models constant", "secret logs", "wire"]
    report = conform(Origin("", module=subject("HANGS")), items=names, item_timeout=2.0)
    told = {one.item: (one.outcome, one.reason) for one in report.results}
    assert told["declaration"] == ("passed", "")
    assert told["lifecycle"] == ("failed", "it took more than 2 s")
    assert told["secret logs"] == ("failed", "it took more than 2 s")
    assert told["wire"][0] == "failed"
    assert set(told) == set(names)


def test_a_provider_that_ends_the_process() -> None:
    """One that ends the process fails the item in which it does, and the others are tried all the same."""
    report = conform(Origin("", module=subject("DIES")), items=["lifecycle", "wire"])
    told = {one.item: (one.outcome, one.reason) for one in report.results}
    assert told == {"lifecycle": ("failed", "it ended the process with exit code 3"), "wire": ("passed", "")}


def test_the_time_for_all_items() -> None:
    """Once the time is up what is left is not tried, and says so."""
    report = conform(Origin("", module=subject("HANGS")), items=["lifecycle", "wire"], timeout=4.0)
    assert [one.reason for one in report.failed] == ["the time was over"] * 2
    assert report.seconds < 8


def test_a_provider_that_asks_no_host() -> None:
    """A generator of words passes at the level text, and what needs a host does not apply."""
    report = conform(Origin("", module=subject("Words")))
    assert report.failed == ()
    told = {one.item: one for one in report.results}
    assert (report.declared, report.level) == (None, "text")
    assert told["lifecycle"].outcome == "passed"
    assert told["fault F01"].reason == "it calls no host"


# ── what is installed ────────────────────────────────────────────────────────────────────────────────


def test_every_provider_of_this_repository_declares_a_level() -> None:
    """Every installed provider is found, each once; each has told the kit what it claims."""
    names = [origin.name for origin in installed_origins()]
    assert names == sorted(set(names))
    assert {"anthropic", "azure", "bedrock", "cohere", "cromicle", "google", "mistral", "ollama", "openai"} <= set(
        names
    )


@pytest.mark.parametrize("origin", installed_origins(), ids=lambda origin: origin.name)
def test_every_provider_of_this_repository_passes(origin: Origin) -> None:
    """Every provider passes the kit; what it expects to fail is not in lifecycle, errors, closing or secrets."""
    report = conform(origin)
    assert report.failed == ()
    assert report.declared is not None
    expected = {one.item for one in report.results if one.outcome == "expected"}
    assert not [one for one in expected if one.startswith(("fault", "secret", "close", "lifecycle", "cancel"))]


# ── pytest ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def tests(tmp_path: Path) -> Iterator[Any]:
    """Runs pytest in an empty folder with this configuration."""

    def go(configuration: str, *argv: str) -> tuple[int, str]:
        (tmp_path / "pytest.ini").write_text(f"[pytest]\n{configuration}\n")
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-rA", *argv],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(HERE), "PYTEST_ADDOPTS": ""},
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr

    return go


def test_one_line_of_configuration_makes_tests(tests: Any) -> None:
    """With one line in pytest.ini every item is a test, with an expected failure as xfail and what fails in words."""
    code, told = tests(f"segue_conform = {subject('EXPECTS')}", "-k", "capability or lifecycle or cassettes")
    assert code == 1
    name = f"conform/{subject('EXPECTS')}"
    assert f"PASSED {name}::capability text" in told
    assert f"XFAIL {name}::capability settings - its host refuses a temperature" in told
    assert f"FAILED {name}::lifecycle" in told
    assert "Failed: the test passes: remove it from expected_failures" in told
    assert "it declares no cassettes: the kit has hosts for its wire" in told


def test_an_option_makes_tests(tests: Any) -> None:
    """The same from the command line, beside the tests that are there; without either there is none."""
    code, told = tests("", "--segue-conform", subject("GOOD"), "-k", "secret")
    assert code == 0
    assert f"PASSED conform/{subject('GOOD')}::secret logs" in told
    assert "5 passed" in told
    assert tests("")[0] == 5


def test_a_provider_that_is_not_there_is_an_error_of_usage(tests: Any) -> None:
    """A name that nobody has is told before anything runs."""
    code, told = tests("segue_conform = nobody")
    assert code == 4
    assert "no provider 'nobody' is installed" in told


def test_pytest_without_it_imports_nothing_of_it() -> None:
    """Every run of pytest imports the plugin, which imports nothing of ours but itself and the loader of names."""
    program = "import sys, segue.testing.conforming; print(*(n for n in sys.modules if n.startswith('segue')))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) == {"segue", "segue._lazy", "segue.testing", "segue.testing.conforming"}
