"""``segue providers``, ``models`` and ``explain``."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .conftest import CommandLine

_ACME = """
from segue.plugin import AsyncGeneratorProvider, hookimpl

class Acme(AsyncGeneratorProvider):
    url = "https://acme.example"
    working = True
    supports_gpt_35_turbo = True
    models = ["acme-1"]

    @classmethod
    async def create_async_generator(cls, model, messages, proxy=None, **kwargs):
        yield "hello "
        yield "from acme"

@hookimpl
def segue_providers():
    return [Acme]
"""


async def test_providers_say_what_they_lack(cli: CommandLine) -> None:
    """A missing key is told by its variable and where to get it; public and offline ones by what they want."""
    ended = await cli("providers")
    rows = {line.split()[0]: line for line in ended.out.splitlines()}
    assert (ended.code, ended.err) == (0, "")
    assert "set OPENAI_API_KEY (get one at https://platform.openai.com/api-keys)" in rows["openai"]
    assert rows["cromicle"].split()[1:6] == ["public", "1", "full", "ready,", "only"]
    assert rows["rehearsal"].split()[1] == "offline"
    assert "segue-rehearsal 0.2.0" in rows["rehearsal"]


async def test_providers_with_a_key_are_ready(cli: CommandLine) -> None:
    """A key that is set makes its provider ready, and is not shown."""
    cli.environ["OPENAI_API_KEY"] = "k-secret"
    ended = await cli("providers", "--json")
    by_name = {entry["name"]: entry for entry in json.loads(ended.out)["providers"]}
    assert (by_name["openai"]["ready"], by_name["openai"]["missing"]) == (True, None)
    assert by_name["openai"]["distribution"] == "segue-openai"
    assert "k-secret" not in ended.out


async def test_broken_and_conflicting_plugins_are_listed_with_the_rest(cli: CommandLine) -> None:
    """What is broken takes nothing else with it, and both claimants of a name are named."""
    cli.plugin("broken", "import sys; sys.exit(3)")
    cli.plugin("acme", _ACME, module="acme_one")
    cli.plugin("acme", _ACME, module="acme_two")
    as_json = await cli("providers", "--json")
    listed = json.loads(as_json.out)
    assert {"cromicle", "openai", "rehearsal"} <= {entry["name"] for entry in listed["providers"]}
    assert [(one["plugin"], one["distribution"]) for one in listed["broken"]] == [("broken", "broken-dist")]
    assert "acme-one-dist" in listed["conflicts"][0]["error"].replace("_", "-")
    assert "acme-two-dist" in listed["conflicts"][0]["error"].replace("_", "-")
    ended = await cli("providers")
    assert ended.code == 0
    assert ended.err.count("note: ") == 2


async def test_models_are_those_that_meet_the_needs(cli: CommandLine) -> None:
    """Ready or not, a model stands there if its facts do."""
    ended = await cli("models", "--needs", "context>=1m, max_output=32768")
    assert [line.split()[0] for line in ended.out.splitlines()] == ["model", "openai/gpt-4.1", "openai/gpt-4.1-mini"]
    assert "1,047,576" in ended.out


async def test_models_as_json_have_facts_with_their_source(cli: CommandLine) -> None:
    """Every fact says what and who says so."""
    ended = await cli("models", "--json", "--needs", "input_price<=0.2, max_output=16384")
    (model,) = json.loads(ended.out)
    assert (model["name"], model["ready"]) == ("openai/gpt-4o-mini", False)
    assert model["facts"]["context"]["value"] == 128_000
    assert model["facts"]["context"]["source"]


@pytest.mark.parametrize(("key", "told"), [("", "missing"), ("k-secret", "set")])
async def test_models_as_json_say_whether_there_is_a_key(cli: CommandLine, key: str, told: str) -> None:
    """Missing, set, or not wanted; never the key itself."""
    cli.environ["OPENAI_API_KEY"] = key
    ended = await cli("models", "--json", "--needs", "supports_gpt_35_turbo")
    keys = {model["name"]: model["key"] for model in json.loads(ended.out)}
    assert (keys["openai/gpt-3.5-turbo"], keys["cromicle/gpt-3.5-turbo"]) == (told, "not wanted")
    assert "k-secret" not in ended.out


async def test_a_drawn_list_keeps_one_line_for_each_model(cli: CommandLine) -> None:
    """What has no room on a terminal is left out, and that is said; the ready ones stand first."""
    cli.environ["OPENAI_API_KEY"] = "k-secret"
    cli.environ["COLUMNS"] = "98"
    models = json.loads((await cli("models", "--needs", "tools", "--json")).out)
    ended = await cli.on_terminal("models", "--needs", "tools")
    shown = re.sub(r"\x1b\[\d*m", "", ended.out)
    rows = [line for line in shown.splitlines() if line.rstrip().endswith(("ready", "no key"))]
    assert {row.split()[0] for row in rows} == {model["name"] for model in models}
    assert len(rows) == len(models)
    assert [row.rstrip().endswith("ready") for row in rows] == sorted(
        (row.rstrip().endswith("ready") for row in rows), reverse=True
    )
    assert "not shown: 'output', 'can'; use a wider terminal, or --json" in shown
    assert "`segue providers` shows which keys are missing" in shown


async def test_a_wide_terminal_shows_what_each_can_do(cli: CommandLine) -> None:
    """With room for it every column is there."""
    ended = await cli.on_terminal("models", "--needs", "context>=1m, max_output=32768")
    assert "tools vision" in ended.out
    assert "wider terminal" not in ended.out


async def test_a_drawn_list_of_providers_says_which_key_is_wanted(cli: CommandLine) -> None:
    """The variable stands in it; the address where to get one only where there is room."""
    wide = await cli.on_terminal("providers")
    cli.environ["COLUMNS"] = "90"
    narrow = await cli.on_terminal("providers")
    assert "no key: set OPENAI_API_KEY" in narrow.out
    assert "https://platform.openai.com/api-keys" in wide.out
    assert "https://" not in narrow.out


async def test_a_provider_that_lists_no_models_is_ready_by_name(cli: CommandLine) -> None:
    """It says how such a one is asked."""
    ended = await cli("providers")
    rows = {line.split()[0]: line for line in ended.out.splitlines()}
    assert "ready, as ollama/MODEL" in rows["ollama"]


async def test_no_model_is_told_on_stderr(cli: CommandLine) -> None:
    """An empty list is empty on stdout."""
    ended = await cli("models", "--needs", "context>=100m")
    assert (ended.code, ended.out) == (0, "")
    assert "explain" in ended.err


async def test_a_table_in_a_pipe_is_plain_and_loads_no_rich(cli: CommandLine) -> None:
    """Programs read aligned text, without lines or colours."""
    ended = await cli.python(
        "import sys\nfrom segue.cli import main\n"
        "try: main(['models'])\nfinally: print('rich' in sys.modules)"
    )  # fmt: skip
    assert ended.out.splitlines()[-1] == "False"
    assert "\x1b" not in ended.out
    assert "─" not in ended.out


async def test_a_table_on_a_terminal_is_drawn_and_shows_names_as_they_are(cli: CommandLine) -> None:
    """Brackets in a name are no markup, control characters do not come through."""
    cli.plugin("acme", _ACME.replace('"acme-1"', '"acme[red]\\x1b]0;title\\x07-1"'))
    ended = await cli.on_terminal("models", "--needs", "supports_gpt_35_turbo")
    assert ended.code == 0
    assert "acme/acme[red]-1" in ended.out
    assert "title" not in ended.out
    assert "─" in ended.out


async def test_explain_shows_the_public_candidate_and_why_the_others_are_out(cli: CommandLine) -> None:
    """With no key set only Cromicle is left: it needs consent, so it has no number; each other has its reason."""
    ended = await cli("explain", "--needs", "working, supports_gpt_35_turbo")
    assert ended.code == 0
    assert ended.out.splitlines()[1:5] == [
        "candidates: none",
        "only with your consent:",
        "  - cromicle/gpt-3.5-turbo  [public: nothing is sent to it without your consent]",
        (
            "hint: a public host gets a request only if you name it (cromicle/gpt-3.5-turbo) "
            "or add [providers.cromicle] to segue.toml"
        ),
    ]
    every = await cli("explain", "--all", "--needs", "working, supports_gpt_35_turbo")
    out = [line for line in every.out.partition("not candidates:\n")[2].splitlines() if line.startswith("  - ")]
    assert [line.split()[1] for line in out if "OPENAI_API_KEY" in line and "unknown" not in line] == [
        "openai/gpt-3.5-turbo:"
    ]
    assert any(line.startswith("  - rehearsal/rehearsal:") and "offline" in line for line in out)
    assert len(ended.out.splitlines()) <= 25


async def test_a_public_host_stands_behind_the_candidates(cli: CommandLine) -> None:
    """It has no number where others can get the request, and one where the user has configured it."""
    config = "".join(f'[providers.{name}]\nbase_url = "http://{name}.invalid"\n' for name in ("cromicle", "openai"))
    ended = await cli("explain", "--needs", "supports_gpt_35_turbo", "--config", cli.config(config))
    assert "  1. cromicle/gpt-3.5-turbo  [public]\n" in ended.out
    cli.environ["OPENAI_API_KEY"] = "sk-0123456789"
    ended = await cli("explain", "-m", "gpt-3.5-turbo")
    assert ended.out.splitlines()[1:5] == [
        "candidates, in order:",
        "  1. openai/gpt-3.5-turbo",
        "only with your consent:",
        "  - cromicle/gpt-3.5-turbo  [public: nothing is sent to it without your consent]",
    ]


_NO_KEY = """\
wanted: context>=100m
candidates: none
not candidates:
  - anthropic (18 models): context>=100m not met; no key: set ANTHROPIC_API_KEY; retired (4)
"""


@pytest.mark.parametrize("options", [(), ("--needs", "tools"), ("--needs", "vision, context>=100m"), ("-m", "openai")])
async def test_explain_fits_a_screen(cli: CommandLine, options: tuple[str, ...]) -> None:
    """With every provider installed and no key a provider is one line, with the variable of its key."""
    ended = await cli("explain", *options)
    lines = ended.out.splitlines()
    assert len(lines) <= 25
    (line,) = [line for line in lines if line.startswith("  - openai (")]
    assert "no key: set OPENAI_API_KEY" in line
    every = await cli("explain", "--all", *options)
    assert len(every.out.splitlines()) > len(lines)
    assert "openai/gpt-4o-mini: " in every.out
    as_json = await cli("explain", "--json", *options)
    assert {one["name"] for one in json.loads(as_json.out)["rejected"]} > {"openai/gpt-4o", "openai/gpt-4o-mini"}


async def test_an_error_without_a_candidate_fits_a_screen(cli: CommandLine) -> None:
    """It holds what `explain` prints."""
    explained = await cli("explain", "--needs", "context>=100m")
    ended = await cli("chat", "--needs", "context>=100m", "Hi")
    assert ended.err == f"error: no model can get this request\n{explained.out}"
    assert explained.out.startswith(_NO_KEY)
    assert len(ended.err.splitlines()) <= 25


async def test_explain_as_json_has_the_same_decision(cli: CommandLine) -> None:
    """Candidates with their marks, the rest with their reasons."""
    ended = await cli("explain", "--json", "--needs", "working, supports_gpt_35_turbo")
    told = json.loads(ended.out)
    assert [(one["name"], one["public"], one["consent"]) for one in told["candidates"]] == [
        ("cromicle/gpt-3.5-turbo", True, False)
    ]
    assert all(one["reasons"] for one in told["rejected"])
    assert told["hints"]


@pytest.mark.parametrize("options", [["--needs", "context>=100m"], ["-m", "no-such-model"]])
async def test_explain_without_a_candidate_exits_2(cli: CommandLine, options: list[str]) -> None:
    """The code says what ``chat`` would have said."""
    ended = await cli("explain", *options)
    assert ended.code == 2
    assert "candidates: none" in ended.out


async def test_the_smallest_plugin_is_listed_selected_and_used(cli: CommandLine) -> None:
    """A class and a hook in another distribution are a provider."""
    cli.plugin("acme", _ACME)
    assert "acme/acme-1" in (await cli("models")).out
    assert "  1. acme/acme-1" in (await cli("explain", "--needs", "working, supports_gpt_35_turbo")).out
    ended = await cli("chat", "--needs", "supports_gpt_35_turbo", "Hi")
    assert (ended.code, ended.out) == (0, "hello from acme\n")
