"""The command that writes what public tables say into the files of models."""

from __future__ import annotations

import datetime as dt
import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from segue import Fact
from segue.provider.listing import declared_models

_ROOT = Path(__file__).parents[2]
_SCRIPT = _ROOT / "providers" / "refresh_models.py"
_FILES = sorted(_ROOT.glob("providers/*/src/*/models.json"))
_DAY = dt.date(2026, 11, 24)


def _script() -> Any:
    spec = importlib.util.spec_from_file_location("refresh_models", _SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


refresh = _script()


def data(**facts: dict[str, Any]) -> dict[str, Any]:
    models = [{"at": ["openai"], "name": "m", "facts": {name.replace("_", "-"): told for name, told in facts.items()}}]
    return {"sources": {"hand": "a page, 2026-01-01"}, "models": models}


def table(**facts: Any) -> dict[str, Any]:
    return {
        "genai-prices": (
            "genai-prices 9",
            lambda provider, model: facts if (provider, model) == ("openai", "m") else {},
        )
    }


def told_of(data: dict[str, Any]) -> dict[str, dict[str, Any]]:
    facts: dict[str, dict[str, Any]] = data["models"][0]["facts"]
    return facts


def test_what_a_table_tells_is_written_with_its_version_and_day() -> None:
    """A new fact, a changed one, and one that the table no longer tells."""
    old = data(genai_prices={"context": 1, "input_price": 2.0})
    new, changes, remarks = refresh.refreshed(old, table(context=8, output_price=3.0), day=_DAY)
    assert told_of(new) == {"genai-prices": {"context": 8, "output_price": 3.0}}
    assert new["sources"]["genai-prices"] == "genai-prices 9, read 2026-11-24"
    assert changes == [
        "openai/m: context 1 → 8 (genai-prices)",
        "openai/m: input_price 2.0 → unknown (genai-prices)",
        "openai/m: output_price unknown → 3.0 (genai-prices)",
    ]
    assert remarks == []


def test_what_is_written_by_hand_stays() -> None:
    """Also where it says that nothing is known; a table that says otherwise is only quoted."""
    old = data(hand={"context": 4, "input_price": None})
    new, changes, remarks = refresh.refreshed(old, table(context=8, input_price=1.0), day=_DAY)
    assert (told_of(new), changes) == (told_of(old), [])
    assert remarks == ["openai/m: context is 4 in the file, written by hand, but 8 in genai-prices"]


def test_a_second_run_changes_nothing() -> None:
    """Not even on another day: the day is that on which the table last told something new."""
    tables = table(context=8)
    once, _, _ = refresh.refreshed(data(), tables, day=_DAY)
    again, changes, _ = refresh.refreshed(once, tables, day=_DAY + dt.timedelta(days=9))
    assert (again, changes) == (once, [])


def test_a_table_that_is_not_given_keeps_what_it_told() -> None:
    """models.dev is read only where its file is named."""
    dev = {"models.dev": ("models.dev", lambda provider, model: {"tools": True, "context": 7})}
    both, _, _ = refresh.refreshed(data(), {**table(context=8), **dev}, day=_DAY)
    assert told_of(both) == {"genai-prices": {"context": 8}, "models.dev": {"tools": True}}
    alone, changes, _ = refresh.refreshed(both, table(context=8), day=_DAY)
    assert (alone, changes) == (both, [])


def test_a_model_that_no_table_has_is_named() -> None:
    """Its facts are by hand, and so is looking after them."""
    _, _, remarks = refresh.refreshed(data(hand={"context": 4}), table_of_nothing(), day=_DAY)
    assert remarks == ["openai/m: it is in no table, all its facts were written by hand"]


def table_of_nothing() -> dict[str, Any]:
    return {"genai-prices": ("genai-prices 9", lambda provider, model: {})}


def test_models_dev_tells_limits_prices_and_capabilities() -> None:
    """A price of 0 is no price, a field that is not there no fact."""
    entry = {
        "attachment": True,
        "reasoning": False,
        "tool_call": True,
        "temperature": False,
        "structured_output": True,
        "modalities": {"input": ["text", "image", "pdf"], "output": ["text"]},
        "limit": {"context": 1000, "output": 0},
        "cost": {"input": 2, "output": 8, "cache_read": 0},
        "status": "deprecated",
    }
    look_up = refresh.models_dev({"openai": {"models": {"m": entry, "bare": {}}}})
    assert look_up("openai", "m") == {
        "context": 1_000, "input_price": 2.0, "output_price": 8.0, "tools": True, "reasoning": False,
        "json_schema": True, "temperature": False, "deprecated": True, "vision": True, "audio": False, "files": True,
    }  # fmt: skip
    assert look_up("openai", "bare") == look_up("openai", "other") == look_up("xai", "m") == {}


def test_genai_prices_tells_context_and_prices_of_the_day() -> None:
    """Of a price in tiers the first, of one that changed that of the day, of one that depends on the hour none."""
    look_up = refresh.prices_of(_DAY)
    assert look_up("openai", "gpt-5.4") == {
        "context": 1_050_000, "input_price": 2.5, "output_price": 15.0, "cached_input_price": 0.25,
    }  # fmt: skip
    assert refresh.prices_of(dt.date(2026, 7, 1))("openai", "gpt-5.6-luna")["input_price"] == 1.0
    assert look_up("openai", "gpt-5.6-luna")["input_price"] == 0.2
    assert look_up("deepseek", "deepseek-flash") == {"context": 1_000_000}
    assert look_up("nvidia", "m") == look_up("openai", "no-such-model") == {}


def test_what_is_recommended_stays_as_it_was_written() -> None:
    """The tables know nothing of it: neither the order, nor the reason, nor the day is touched."""
    recommended = {"openai": {"models": ["b", "a"], "why": "it is better", "checked": "2026-01-02"}}
    old = {"sources": {}, "recommended": recommended, "models": [{"at": ["openai"], "name": "gpt-5.4", "facts": {}}]}
    new, changes, _ = refresh.refreshed(old, {"genai-prices": ("genai-prices 1", refresh.prices_of(_DAY))}, day=_DAY)
    assert changes
    assert new["recommended"] == recommended
    assert json.loads(refresh.written(new))["recommended"] == recommended


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    file = tmp_path / "openai" / "src" / "segue_openai" / "models.json"
    file.parent.mkdir(parents=True)
    file.write_text('{"sources": {}, "models": [{"at": ["openai"], "name": "gpt-4o", "facts": {}}]}')
    return tmp_path


def test_check_says_what_would_change_and_writes_nothing(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It fails where something would, so that a job may ask it."""
    (file,) = folder.glob("*/src/*/models.json")
    before = file.read_text()
    assert refresh.main(["--check", "--folder", str(folder)]) == 1
    assert file.read_text() == before
    assert "openai/gpt-4o: context unknown → 128000 (genai-prices)" in capsys.readouterr().out
    assert refresh.main(["--folder", str(folder)]) == 0
    assert refresh.main(["--check", "--folder", str(folder)]) == 0
    assert capsys.readouterr().out.endswith("nothing changed\n")


def test_a_file_of_models_dev_is_read_where_it_is_given(folder: Path, tmp_path: Path) -> None:
    """Its version stands in the source."""
    api = tmp_path / "api.json"
    api.write_text('{"openai": {"models": {"gpt-4o": {"tool_call": true, "cost": {"input": 99}}}}}')
    arguments = ["--folder", str(folder), "--models-dev", str(api), "--models-dev-version", "of 2026-11-20"]
    assert refresh.main(arguments) == 0
    (file,) = folder.glob("*/src/*/models.json")
    written = json.loads(file.read_text())
    assert written["models"][0]["facts"]["models.dev"] == {"tools": True}
    assert written["sources"]["models.dev"].startswith("models.dev of 2026-11-20, read ")


@pytest.mark.parametrize("file", _FILES, ids=lambda file: file.parent.name)
def test_the_files_are_as_the_command_writes_them(file: Path) -> None:
    """A model on a line, its sources and facts in order; every source by name is explained, and is used."""
    text = file.read_text("utf-8")
    told = json.loads(text)
    assert refresh.written(told) == text
    used = {source for model in told["models"] for source in model["facts"]}
    assert set(told["sources"]) <= used | {"genai-prices"}
    assert not [source for source in used - set(told["sources"]) if len(source.split()) < 2 and "/" not in source]


def test_the_files_are_all_there() -> None:
    """Each provider that declares models in a file is looked after."""
    assert {file.parent.name for file in _FILES} >= {
        "segue_anthropic", "segue_cohere", "segue_google", "segue_hosts", "segue_mistral",
        "segue_openai",
    }  # fmt: skip


def test_a_fact_of_a_file_has_its_source() -> None:
    """By name what stands under ``sources``, or else the text itself."""
    (model,) = (model for model in declared_models("segue_openai")["openai"] if model.name == "gpt-6.1-terra")
    context, tools = model.capabilities.fact("context"), model.capabilities.fact("tools")
    assert context.value == 1_050_000
    assert context.source.startswith("genai-prices ")
    assert tools == Fact(None, "developers.openai.com: with reasoning_effort 'none', or on /v1/responses")


def test_declaring_models_costs_no_heavy_library() -> None:
    """A plugin's declaration loads neither pydantic nor aiohttp nor a codec."""
    code = (
        "import sys, segue_openai\nsegue_openai.segue_providers()\n"
        "print([name for name in ('pydantic', 'aiohttp', 'segue.wire') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
