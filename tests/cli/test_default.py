"""``segue models default``, and what ``segue chat`` asks and says where nothing is named."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from segue.testing import OpenAIHost

if TYPE_CHECKING:
    from .conftest import CommandLine

_TWO = """
from segue.plugin import AsyncGeneratorProvider, hookimpl

class Ant(AsyncGeneratorProvider):
    working = True
    models = ["big", "alpha"]

    @classmethod
    async def create_async_generator(cls, model, messages, proxy=None, **kwargs):
        yield f"{cls.__name__.lower()} says {model}"

class Bee(Ant):
    pass

@hookimpl
def segue_providers():
    return [Bee, Ant]
"""


def _openai(cli: CommandLine, host: OpenAIHost) -> None:
    cli.environ |= {"OPENAI_API_KEY": "sk-0123456789abcdef", "OPENAI_BASE_URL": host.url}


@pytest.mark.parametrize("options", [(), ("--no-stream",), ("--json",), ("--schema", '{"type": "object"}')])
async def test_with_one_key_its_provider_is_asked_as_it_recommends(cli: CommandLine, options: tuple[str, ...]) -> None:
    """The model is the first that the provider recommends, and stderr is the line that says which one answered."""
    async with OpenAIHost(answer="{}") as host:
        _openai(cli, host)
        ended = await cli("chat", *options, "Hello")
    assert (ended.code, ended.err) == (0, "openai/gpt-5.4-mini\n")
    assert host.requests[0].json["model"] == "gpt-5.4-mini"


async def test_with_two_providers_the_other_one_is_named(cli: CommandLine) -> None:
    """A note says who else could be asked, and how to choose; in JSON it stands among the notices."""
    cli.plugin("two", _TWO)
    config = cli.config("[providers.bee]\n[providers.ant]\n")
    ended = await cli("chat", "--config", config, "Hello")
    assert (ended.code, ended.out) == (0, "bee says big\n")
    assert sorted(ended.err.splitlines()) == [
        "bee/big",
        "note: default: bee/big is used; also configured: ant; `segue models default NAME` sets the default",
    ]
    as_json = await cli("chat", "--config", config, "--json", "Hello")
    assert [notice["subject"] for notice in json.loads(as_json.out)["notices"]] == ["default"]


async def test_on_a_terminal_the_line_is_faint(cli: CommandLine) -> None:
    """It stands before the answer."""
    async with OpenAIHost(answer="fine") as host:
        _openai(cli, host)
        ended = await cli.on_terminal("chat", "Hello")
    assert ended.out == "\x1b[2mopenai/gpt-5.4-mini\x1b[0m\r\nfine\r\n"


async def test_a_conversation_says_once_who_is_asked(cli: CommandLine) -> None:
    """The note about the others comes with the first answer alone."""
    cli.plugin("two", _TWO)
    config = cli.config("[providers.bee]\n[providers.ant]\n")
    ended = await cli.on_terminal(
        "chat", "--config", config, "--no-history",
        steps=[("talking to bee/big", ""), ("> ", "one\n"), ("bee says big", ""), ("> ", "two\n"), ("bee says big", ""),
               ("> ", "/quit\n")],
    )  # fmt: skip
    assert (ended.code, ended.out.count("also configured")) == (0, 1)


async def test_the_default_is_written_shown_and_asked(cli: CommandLine) -> None:
    """What is set is kept in the user's file with all that stands there, and is what the next question asks."""
    cli.plugin("two", _TWO)
    file = cli.folder / ".config" / "segue" / "segue.toml"
    before = await cli("models", "default")
    assert (before.code, before.out) == (0, "ant/big\n")
    assert before.err == "not set: this is the first candidate; `segue models default NAME` sets one\n"
    file.parent.mkdir(parents=True)
    file.write_text("# mine\norder = ['ant'] # first\n\n[chains] # all of them\nmain = ['bee/alpha', 'ant']\n")
    written = await cli("models", "default", "bee/alpha")
    assert (written.code, written.out, written.err) == (0, "", f"bee/alpha is now the default, in {file}\n")
    assert file.read_text() == (
        "# mine\norder = ['ant'] # first\n\n[chains] # all of them\nmain = ['bee/alpha', 'ant']\n"
        '\n[default]\nmodel = "bee/alpha"\n'
    )
    shown = await cli("models", "default")
    assert (shown.out, shown.err) == ("bee/alpha\n", f"set in {file}:8\n")
    asked = await cli("chat", "Hello")
    assert (asked.out, asked.err) == ("bee says alpha\n", "bee/alpha\n")
    assert (await cli("models", "default", "main")).code == 0
    told = json.loads((await cli("models", "default", "--json")).out)
    assert told == {"default": "main", "kind": "chain", "where": f"{file}:8"}
    asked = await cli("chat", "Hello")
    assert (asked.out, asked.err) == ("bee says alpha\n", "bee/alpha\n")


async def test_a_file_that_is_named_is_the_one_that_is_written(cli: CommandLine) -> None:
    """Before or behind the word; without any file it is said that there is none."""
    cli.plugin("two", _TWO)
    for place, arguments in enumerate((["models", "default", "--config"], ["models", "--config"])):
        file = cli.folder / f"own{place}.toml"
        file.write_text("")
        rest = ["default", "ant"] if arguments[1] == "--config" else ["ant"]
        assert (await cli(*arguments, str(file), *rest)).code == 0
        assert file.read_text() == '[default]\nmodel = "ant"\n'
    assert not (cli.folder / ".config").exists()
    cli.environ["SEGUE_CONFIG"] = "0"
    ended = await cli("models", "default", "ant")
    assert (ended.code, "give a file with --config" in ended.err) == (2, True)


async def test_the_default_is_removed_again(cli: CommandLine) -> None:
    """The file is as it was before, also if the default was not set in it, and a name beside --unset is refused."""
    cli.plugin("two", _TWO)
    file = cli.folder / ".config" / "segue" / "segue.toml"
    assert (await cli("models", "default", "bee/alpha")).code == 0
    removed = await cli("models", "default", "--unset")
    assert (removed.code, removed.out, removed.err) == (0, "", f"the default was removed from {file}\n")
    assert file.read_text() == ""
    removed = await cli("models", "default", "--unset")
    assert (removed.code, removed.out, removed.err) == (0, "", f"no default is set in {file}\n")
    both = await cli("models", "default", "--unset", "bee")
    assert (both.code, both.err.splitlines()[-1]) == (2, "Error: give either NAME or --unset")


@pytest.mark.parametrize("name", ["gpt-5.4-mimi", "nobody/m", "two words", ""])
async def test_a_name_that_leads_nowhere_is_not_written(cli: CommandLine, name: str) -> None:
    """An unknown one is refused with what is near, and the file stays as it is."""
    ended = await cli("models", "default", name)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith("error: ")
    assert not (cli.folder / ".config").exists()


async def test_a_default_without_its_key_is_written_and_said(cli: CommandLine) -> None:
    """The key may come later; a question until then says where the default is set, and is no rehearsal."""
    ended = await cli("models", "default", "openai/gpt-5.4-mini")
    assert ended.code == 0
    assert "note: it cannot get requests: no key: set OPENAI_API_KEY" in ended.err
    asked = await cli("chat", "Hello")
    assert (asked.code, asked.out) == (2, "")
    assert "no key: set OPENAI_API_KEY" in asked.err
    assert "openai/gpt-5.4-mini is the default model of" in asked.err


async def test_with_nothing_to_ask_there_is_no_default(cli: CommandLine) -> None:
    """It is exit code 2, with the reasons."""
    ended = await cli("models", "default")
    assert (ended.code, ended.out) == (2, "")
    assert "no model can get requests" in ended.err


@pytest.mark.parametrize("name", ["ollama", "vllm", "azure", "mine"])
async def test_a_provider_without_models_says_how_to_name_one(cli: CommandLine, name: str) -> None:
    """A question to it alone is refused with the way to name a model, and to list them."""
    config = cli.config('[providers.mine]\nwire = "openai_chat"\nbase_url = "http://127.0.0.1:9/v1"\n')
    ended = await cli("chat", "--config", config, "-m", name, "Hello")
    assert (ended.code, ended.out) == (2, "")
    assert (
        f"{name} does not declare models: name one as {name}/MODEL; `segue models --live --provider {name}`"
        in ended.err
    )


async def test_an_ambient_token_alone_is_a_rehearsal(cli: CommandLine) -> None:
    """A token that is set for something else configures nobody; the list of providers says how it is asked."""
    cli.environ |= {"GOOGLE_OAUTH_ACCESS_TOKEN": "ya29-canary-token"}
    ended = await cli("chat", "Hello")
    assert (ended.code, "this is a rehearsal" in ended.err) == (0, True)
    listed = json.loads((await cli("providers", "--json")).out)["providers"]
    (vertex,) = (one for one in listed if one["name"] == "vertex")
    assert (vertex["ready"], vertex["only_when_named"]) == (True, True)


async def test_a_default_is_not_taken_from_the_working_directory(cli: CommandLine) -> None:
    """A file that came with a repository may not say it."""
    (cli.folder / "segue.toml").write_text('[default]\nmodel = "rehearsal"\n')
    ended = await cli("chat", "Hello")
    assert (ended.code, "'default' is not allowed in a file in the working directory" in ended.err) == (2, True)
