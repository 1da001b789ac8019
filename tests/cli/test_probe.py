"""``segue probe``."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from segue.testing import OpenAIHost, Status

if TYPE_CHECKING:
    from .conftest import CommandLine


def configured(cli: CommandLine, *hosts: OpenAIHost) -> str:
    """A file with these hosts, and a chain of all."""
    rows = [
        f'[providers.{name}]\nwire = "openai_chat"\nbase_url = "{host.url}"\nmodels = ["m"]\napi_key = "canary-key"\n'
        for name, host in zip("abc", hosts, strict=False)
    ]
    targets = ", ".join(f'"{name}/m"' for name, _ in zip("abc", hosts, strict=False))
    return cli.config("\n".join([*rows, f"[chains]\nmain = [{targets}]\n"]))


async def test_all_are_well(cli: CommandLine) -> None:
    """A line for each, and exit code 0; the configured chain is what is asked."""
    async with OpenAIHost() as one, OpenAIHost() as other:
        ended = await cli("probe", "--config", configured(cli, one, other))
    assert (ended.code, ended.err) == (0, "")
    head, *lines = ended.out.splitlines()
    assert head.split("\t") == ["model", "outcome", "first content", "total", "cost", "what is wrong"]
    assert [line.split("\t")[:2] for line in lines] == [["a/m", "answered"], ["b/m", "answered"]]


async def test_one_is_not(cli: CommandLine) -> None:
    """What is wrong stands in its line; exit code 1; no key is shown."""
    async with OpenAIHost() as one, OpenAIHost(script=[Status(401)]) as other:
        ended = await cli("probe", "main", "--config", configured(cli, one, other))
    assert ended.code == 1
    assert "b/m\tfailed\t" in ended.out
    assert "AuthenticationError at headers" in ended.out
    assert ended.err == "1 of 2 did not answer\n"
    assert "canary" not in ended.out + ended.err


async def test_as_json(cli: CommandLine) -> None:
    """Each as an object."""
    async with OpenAIHost(script=[Status(503)]) as host:
        ended = await cli("probe", "a/m", "--json", "--config", configured(cli, host))
    assert (ended.code, ended.err) == (1, "")
    (one,) = json.loads(ended.out)
    assert (one["provider"], one["outcome"], one["error"], one["phase"]) == (
        "a",
        "failed",
        "OverloadedError",
        "headers",
    )


async def test_on_a_terminal_it_is_a_table(cli: CommandLine) -> None:
    """With headings, for a person."""
    async with OpenAIHost() as host:
        ended = await cli.on_terminal("probe", "a/m", "--config", configured(cli, host))
    assert ended.code == 0
    heading = re.sub(r"\x1b\[[\d;]*m", "", ended.out.split("\r\n")[1])
    columns = ["model", "outcome", "first content", "total", "cost", "what is wrong"]
    assert re.split(" {2,}", heading.strip()) == columns


async def test_nobody(cli: CommandLine) -> None:
    """A target that nobody is, and a time that is none, are wrong input."""
    nobody = await cli("probe", "nowhere/m")
    wrong = await cli("probe", "--timeout", "0")
    assert (nobody.code, wrong.code) == (2, 2)
    assert "Traceback" not in nobody.err


async def test_a_target_that_nobody_is_does_not_pass(cli: CommandLine) -> None:
    """A misspelt name beside one that answers is told of, and the exit code is 1."""
    async with OpenAIHost() as host:
        ended = await cli("probe", "a/m", "aa/m", "--config", configured(cli, host))
    assert ended.code == 1
    assert [line.split("\t")[:2] for line in ended.out.splitlines()[1:]] == [["a/m", "answered"], ["aa/m", "skipped"]]
    assert ended.err == "1 of 2 did not answer\n"


async def test_a_chain_of_the_working_directory_is_no_consent(cli: CommandLine) -> None:
    """A cloned file that names a public host has nothing sent to it, whether it is named or not."""
    (cli.folder / "segue.toml").write_text('[chains]\nmain = ["cromicle/gpt-3.5-turbo"]\n')
    cli.environ["SEGUE_NO_NETWORK"] = "1"
    named = await cli("probe", "main")
    assert (named.code, named.out) == (2, "")
    assert "does not permit requests to a public host" in named.err
