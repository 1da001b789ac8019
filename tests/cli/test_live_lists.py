"""``segue models --live``: what hosts list just now."""

from __future__ import annotations

import json
import re
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from segue.testing import Body, ScriptedHost

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from .conftest import CommandLine

_LIST = {"data": [{"id": "openai/gpt-oss-120b", "context_window": 4096}, {"id": "new[red]\x1b]0;title\x07"}]}


def _body(told: Any, status: int = 200) -> Body:
    return Body(json.dumps(told).encode(), content_type="application/json", status=status)


@asynccontextmanager
async def _hosts(cli: CommandLine, **told: Body) -> AsyncIterator[str]:
    """A configuration with a host for each of these providers; nothing but this machine can be reached."""
    cli.environ["SEGUE_NO_NETWORK"] = "1"
    hosts = {name: ScriptedHost() for name in told}
    lines = []
    for name, host in hosts.items():
        await host.__aenter__()
        host.does(told[name], times=1)
        lines.append(f'[providers.{name}]\nbase_url = "{host.address}"\napi_key = "k-secret-1234"\n')
    try:
        yield cli.config("".join(lines))
    finally:
        for host in hosts.values():
            await host.__aexit__(None, None, None)


async def test_a_live_list_is_what_hosts_tell_above_what_is_declared(cli: CommandLine) -> None:
    """What stands on both sides, on the host's alone and on ours alone; who was not asked, and why."""
    async with _hosts(cli, groq=_body(_LIST)) as config:
        ended = await cli("models", "--live", "--config", config)
    rows = {line.split()[0]: line.rstrip() for line in ended.out.splitlines()}
    assert ended.code == 0
    assert re.search(r" 4,096 .* listed$", rows["groq/openai/gpt-oss-120b"])
    assert rows["groq/openai/gpt-oss-20b"].endswith("not listed")
    assert rows["groq/new[red]"].endswith("undeclared")
    assert "openai (OPENAI_API_KEY)" in ended.err
    assert "skipped: cromicle: a public host" in ended.err
    assert "\x1b" not in ended.out + ended.err
    assert "k-secret" not in ended.out + ended.err


async def test_a_failure_is_a_line_and_the_exit_code(cli: CommandLine) -> None:
    """The others' models are there all the same."""
    async with _hosts(cli, groq=_body(_LIST), xai=_body({"error": "k-secret-1234"}, 401)) as config:
        ended = await cli("models", "--live", "--json", "--config", config)
    assert ended.code == 1
    assert {model["provider"] for model in json.loads(ended.out)} == {"groq"}
    assert "error: xai: HTTP 401" in ended.err
    assert "k-secret" not in ended.err


async def test_a_live_list_as_json_says_on_which_side_a_model_stands(cli: CommandLine) -> None:
    """And which fact the host told."""
    async with _hosts(cli, groq=_body(_LIST)) as config:
        ended = await cli("models", "--live", "--json", "--needs", "context<=5k", "--config", config)
    (model,) = json.loads(ended.out)
    assert (model["name"], model["listed"], model["declared"]) == ("groq/openai/gpt-oss-120b", True, True)
    assert model["facts"]["context"]["value"] == 4096
    assert re.fullmatch(r"listed by groq, \d{4}-\d\d-\d\d", model["facts"]["context"]["source"])
    assert model["facts"]["tools"]["source"].startswith("litellm")


async def test_a_live_list_is_drawn_on_a_terminal(cli: CommandLine) -> None:
    """Who was not asked stands below it."""
    cli.environ["COLUMNS"] = "110"
    async with _hosts(cli, groq=_body(_LIST)) as config:
        ended = await cli.on_terminal("models", "--live", "--config", config)
    assert ended.code == 0
    assert "─" in ended.out
    assert "groq/new[red]" in ended.out
    assert "title" not in ended.out
    assert "skipped, no key: " in ended.out


@pytest.mark.parametrize("columns", ["80", "200"])
async def test_who_was_not_asked_fits_a_screen(cli: CommandLine, columns: str) -> None:
    """With every provider installed and no key: those without one together, each with its variable."""
    cli.environ |= {"COLUMNS": columns, "SEGUE_NO_NETWORK": "1"}
    ended = await cli("models", "--live")
    lines = ended.err.splitlines()
    assert (ended.code, ended.out) == (2, "")
    assert len(lines) <= 25
    told = " ".join(line.strip() for line in lines)
    assert "groq (GROQ_API_KEY), " in told
    assert "skipped: rehearsal: offline: it does not have a host" in lines
    assert "github (" not in told  # which a key would not help
    assert lines[-1] == "error: no host could get a request"


async def test_one_provider_says_why_it_was_not_asked(cli: CommandLine) -> None:
    """Where nobody could be asked the code is that of a missing key."""
    ended = await cli("models", "--live", "--provider", "openai")
    assert (ended.code, ended.out) == (2, "")
    assert "skipped: openai: no key: set OPENAI_API_KEY" in ended.err
    assert "error: no host could get a request" in ended.err


async def test_a_list_of_which_nothing_will_do_is_told(cli: CommandLine) -> None:
    """It is no failure."""
    async with _hosts(cli, groq=_body(_LIST)) as config:
        ended = await cli("models", "--live", "--needs", "context>=100m", "--config", config)
    assert (ended.code, ended.out) == (0, "")
    assert "no listed model satisfies these needs" in ended.err


async def test_the_models_of_one_provider_without_asking_it(cli: CommandLine) -> None:
    """Without --live nothing is asked, whatever is configured."""
    async with _hosts(cli, groq=_body(_LIST)) as config:
        ended = await cli("models", "--provider", "groq", "--config", config)
    names = [line.split()[0] for line in ended.out.splitlines()[1:]]
    assert names
    assert all(name.startswith("groq/") for name in names)
    assert "groq/new[red]" not in names


@pytest.mark.parametrize("live", [["--live"], []])
async def test_a_provider_that_is_not_there_is_a_wrong_argument(cli: CommandLine, live: list[str]) -> None:
    """With the nearest name."""
    ended = await cli("models", "--provider", "grok", *live)
    assert ended.code == 2
    assert "groq" in ended.err
