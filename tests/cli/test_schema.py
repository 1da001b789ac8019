"""``segue chat --schema``."""

from __future__ import annotations

import json
from fnmatch import fnmatch
from typing import TYPE_CHECKING

import pytest

from segue.testing import Answer, Cut, OpenAIHost

if TYPE_CHECKING:
    from .conftest import CommandLine

_SCHEMA = {"title": "City", "type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
_MODELS = """
from pydantic import BaseModel
import datetime
from collections.abc import Callable

class City(BaseModel):
    name: str
    founded: datetime.date

TABLE = {"type": "object"}
OTHER = 3

class Odd(BaseModel):
    f: Callable[[], int]
"""


def _options(cli: CommandLine, host: OpenAIHost) -> list[str]:
    (cli.folder / "forms.py").write_text(_MODELS)
    config = cli.config(f'[providers.openai]\napi_key = "k-secret"\nbase_url = "{host.url}"\n')
    return ["chat", "--config", config, "-m", "openai/gpt-5.4"]


@pytest.mark.parametrize("inline", [True, False])
async def test_a_json_schema_is_sent_and_the_answer_printed_as_json(cli: CommandLine, inline: bool) -> None:
    """From a file or from the argument itself; into a pipe it is one line."""
    (cli.folder / "city.json").write_text(json.dumps(_SCHEMA))
    async with OpenAIHost(answer='{"name":\n "Rome"}') as host:
        given = json.dumps(_SCHEMA) if inline else "city.json"
        ended = await cli(*_options(cli, host), "--schema", given, "Hi")
    assert (ended.code, ended.out, ended.err) == (0, '{"name": "Rome"}\n', "")
    sent = host.requests[0].json["response_format"]["json_schema"]
    assert (sent["name"], sent["schema"]) == ("City", _SCHEMA)


async def test_a_pydantic_model_is_named_by_import_string(cli: CommandLine) -> None:
    """Its schema is sent, and the answer is read by it."""
    async with OpenAIHost(answer='{"name": "Rome", "founded": "0001-04-21"}') as host:
        ended = await cli(*_options(cli, host), "--schema", "forms:City", "Hi")
    assert (ended.code, json.loads(ended.out)) == (0, {"name": "Rome", "founded": "0001-04-21"})
    assert host.requests[0].json["response_format"]["json_schema"]["name"] == "City"


async def test_on_a_terminal_it_is_indented(cli: CommandLine) -> None:
    """A person reads it line by line."""
    async with OpenAIHost(answer='{"name": "Rome"}') as host:
        ended = await cli.on_terminal(*_options(cli, host), "--schema", "forms:TABLE", "Hi")
    assert (ended.code, ended.out) == (0, '{\r\n  "name": "Rome"\r\n}\r\n')


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("Rome, I think", ": it is not JSON (expected value at line 1 column 1)"),
        (
            '{"name": "Rome", "founded": "0001-04-21"',
            ": it is not JSON (EOF while parsing an object at line 1 column 40)",
        ),
        ('{"name": "Rome", "founded": "long ago"}', ": founded: Input should be a valid date or datetime, *"),
        ('{"name": 1}', ": name: Input should be a valid string; founded: Field required"),
        ("[1]", ": Input should be an object"),
    ],
)
async def test_an_answer_that_does_not_fit_is_a_failure(cli: CommandLine, answer: str, reason: str) -> None:
    """Nothing is printed but the reason, on one line, with exit code 1."""
    async with OpenAIHost(answer=answer) as host:
        ended = await cli(*_options(cli, host), "--schema", "forms:City", "Hi")
    assert (ended.code, ended.out, ended.err.count("\n")) == (1, "", 1)
    assert fnmatch(ended.err, f"error: *: the answer does not match the schema{reason.replace('[', '[[]')}\n")


async def test_a_cut_answer_is_asked_for_again(cli: CommandLine) -> None:
    """Nobody saw its beginning."""
    script = [Cut(200), Answer('{"name": "Rome"}')]
    cli.environ["SEGUE_RETRY_COUNT"] = "1"
    async with OpenAIHost(answer='{"name": "Rome"}', script=script) as host:
        ended = await cli(*_options(cli, host), "--schema", "forms:TABLE", "Hi")
    assert (ended.code, json.loads(ended.out), len(host.requests)) == (0, {"name": "Rome"}, 2)


async def test_json_holds_what_was_read(cli: CommandLine) -> None:
    """``--json`` has it in ``parsed``, beside the text."""
    async with OpenAIHost(answer='{"name": "Rome", "founded": "0001-04-21"}') as host:
        ended = await cli(*_options(cli, host), "--schema", "forms:City", "--json", "Hi")
    assert json.loads(ended.out)["parsed"] == {"name": "Rome", "founded": "0001-04-21"}


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        ("nowhere.json", "the file does not exist; expected a file, JSON, or module:Model"),
        ('{"type": ', "it is not JSON: Expecting value at line 1, column 10"),
        ("list.json", "a JSON schema must be an object"),
        ("wrong.json", "it is not UTF-8 text"),
        ("forms:Citty", "the module has no 'Citty'; did you mean 'City'?"),
        ("forms:OTHER", "it is not a pydantic model or a dictionary with a JSON schema"),
        ("forms:Odd", "Cannot generate a JsonSchema"),
        ("x" * 5000, "the file does not exist"),
    ],
)
async def test_a_schema_that_cannot_be_used_is_one_line(cli: CommandLine, given: str, fault: str) -> None:
    """It names the fault, with exit code 2, before anything is sent."""
    (cli.folder / "forms.py").write_text(_MODELS)
    (cli.folder / "list.json").write_text("[]")
    (cli.folder / "wrong.json").write_bytes(b"\xff")
    ended = await cli("chat", "-m", "rehearsal", "--schema", given, "Hi")
    assert (ended.code, ended.out, ended.err.count("\n")) == (2, "", 1)
    assert fault in ended.err
