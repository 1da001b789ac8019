"""``segue config``: every fault with its place, and what the settings come to."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .conftest import CommandLine

KEY = "canary-c2d88e"


async def test_a_sound_configuration_names_what_was_read(cli: CommandLine) -> None:
    """Files, variables and the key store; exit code 0."""
    config = cli.config('order = ["openai"]\n[providers.openai]\napi_key = "env:MY_KEY"\n')
    cli.environ |= {"SEGUE_RETRY_COUNT": "3", "MY_KEY": KEY}
    await cli("keys", "set", "openai", stdin=b"sk-key")
    (cli.folder / "segue.toml").write_text('[chains]\na = ["openai"]\n')
    ended = await cli("config", "check", "--config", config)
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.splitlines() == [
        f"read: {cli.folder / 'segue.toml'}",
        f"read: {config}",
        "read: SEGUE_RETRY_COUNT",
        f"read: {cli.folder / '.config' / 'segue' / 'keys.toml'}",
        "no problems found",
    ]


async def test_without_any_file_all_is_well(cli: CommandLine) -> None:
    """Nothing is needed."""
    cli.environ = {name: value for name, value in cli.environ.items() if not name.startswith("SEGUE_")}
    ended = await cli("config", "check")
    assert (ended.code, ended.out, ended.err) == (0, "no problems found\n", "")


async def test_every_fault_is_a_line_with_its_place(cli: CommandLine) -> None:
    """Wrong keys and values, references that lead nowhere, unknown providers; exit code 2."""
    key = cli.folder / "key"
    key.write_text(KEY)
    key.chmod(0o644)
    config = cli.config(
        f'ca_file = "{key}"\n[providers.openai]\napi_key = "file:{key}"\n[providers.opnai]\n[providers.cromicle]\n'
        'api_key = "env:NOT_SET"\n'
    )
    (cli.folder / "segue.toml").write_text(f'proxy = "http://{KEY}.example"\norders = 1\n')
    cli.environ["SEGUE_TIMEOUT_IDLE"] = "soon"
    ended = await cli("config", "check", "--config", config)
    local = cli.folder / "segue.toml"
    told = ended.out.splitlines()
    assert ended.code == 2
    assert [line.partition(": ")[0] for line in told] == [
        f"{local}:1",
        f"{local}:2",
        "SEGUE_TIMEOUT_IDLE",
        f"{config}:3",
        f"{config}:4",
        f"{config}:6",
        f"{config}:1",
    ]
    assert "is not allowed in a file in the working directory" in told[0]
    assert "did you mean 'order'" in told[1]
    assert f"run `chmod 600 {key}`" in told[3]
    assert "no provider 'opnai' is installed; did you mean 'openai'?" in told[4]
    assert "NOT_SET, which is not set" in told[5]
    assert "ca_file cannot be used: it contains no certificates" in told[6]
    assert KEY not in ended.out + ended.err


async def test_a_key_store_that_leads_nowhere_is_a_fault(cli: CommandLine) -> None:
    """Its references are looked up like those of the file, and so are its rights."""
    await cli("keys", "set", "openai", stdin=b"env:NOT_SET")
    store = cli.folder / ".config" / "segue" / "keys.toml"
    ended = await cli("config", "check")
    assert (ended.code, ended.out) == (
        2,
        f"{store}: openai names the variable NOT_SET, which is not set\n",
    )
    store.chmod(0o666)
    ended = await cli("config", "check")
    assert (ended.code, ended.out.count("\n")) == (2, 1)
    assert "chmod 600" in ended.out


async def test_what_is_only_doubtful_is_a_note(cli: CommandLine) -> None:
    """A variable that is none, a key that others may read, an address without encryption: exit code 0."""
    cli.environ["SEGUE_PROXI"] = "x"
    config = cli.config(f'[providers.openai]\napi_key = "{KEY}"\nbase_url = "http://192.0.2.1/v1"\n')
    (cli.folder / "given.toml").chmod(0o644)
    ended = await cli("config", "check", "--config", config)
    assert ended.code == 0
    assert ended.err.splitlines() == [
        "note: SEGUE_PROXI is not a variable of Segue; did you mean SEGUE_PROXY?",
        f"note: {config} contains a key, and other users may read it: run chmod 600, or use `segue keys set`",
        f"note: {config}:1: requests to openai are not encrypted: others can read its key and messages",
    ]


async def test_references_that_lead_nowhere_are_faults_with_their_line(cli: CommandLine) -> None:
    """Targets that nobody has, chains that are not there or contain themselves; exit code 2."""
    config = cli.config(
        "[chains]\n"
        'a = [\n  "openai/gpt-5.4-mini",\n  "opnai/gpt-5.4-mini",\n  "zzz",\n]\n'
        'b = [{ chain = "c" }]\nc = [{ chain = "b" }, { chain = "aa" }]\n'
        '[chains.d]\nbalance = "weight"\ntargets = [\n  "a",\n  { model = "mine/other" },\n]\n'
        '[providers.mine]\nwire = "openai_chat"\nbase_url = "http://127.0.0.1:1/v1"\nmodels = ["one"]\n'
    )
    ended = await cli("config", "check", "--config", config)
    assert ended.code == 2
    assert ended.out.splitlines() == [
        f"{config}:4: 'opnai/gpt-5.4-mini' names a provider that is not installed, 'opnai'; did you mean 'openai'?",
        f"{config}:5: 'zzz' is not the name of a provider or a model",
        f"{config}:8: no chain 'aa' is configured; did you mean 'a'?",
        f"{config}:12: 'a' is not the name of a provider or a model; a chain is written as {{ chain = \"a\" }}",
        f"{config}:7: the chain 'b' contains itself: b → c → b",
    ]
    assert f"note: {config}:13: mine does not declare the model 'other'; its facts are unknown" in ended.err


async def test_names_that_may_be_meant_are_notes_with_the_nearest(cli: CommandLine) -> None:
    """A model that is not declared may be asked, and what is not installed may be ordered and denied: exit code 0."""
    config = cli.config(
        'order = ["openai", "opnai"]\n'
        '[chains]\na = ["openai/gpt-5.4-mni"]\n'
        "[weights]\nanthropik = 2\n"
        '[models."openai/gpt-5.4-mni"]\ncontext = 5\n'
        '[plugins]\nallow = ["segue-openai", "segue-anthropc"]\ndeny = ["segue_cromicel"]\n'
    )
    ended = await cli("config", "check", "--config", config)
    assert (ended.code, ended.out.splitlines()[-1]) == (0, "no problems found")
    assert ended.err.splitlines() == [
        f"note: {config}:1: no provider 'opnai' is installed; did you mean 'openai'?",
        f"note: {config}:5: no provider 'anthropik' is installed",
        f"note: {config}:6: openai does not declare the model 'gpt-5.4-mni'; did you mean 'gpt-5.4-mini'?",
        f"note: {config}:9: no distribution 'segue-anthropc' is installed; did you mean 'segue-anthropic'?",
        f"note: {config}:10: no distribution 'segue_cromicel' is installed; did you mean 'segue-cromicle'?",
    ]


async def test_a_fact_of_a_wrong_type_is_a_fault_with_its_line(cli: CommandLine) -> None:
    """No need could ever meet it."""
    config = cli.config(
        '[models."openai/gpt-5.4-mini"]\ncontext = "big"\nvision = "yes"\nfamily = "gpt"\n'
        '[providers.mine]\nwire = "openai_chat"\nbase_url = "http://127.0.0.1:1/v1"\n'
        'capabilities = { tools = 1 }\nmodels = [\n  { name = "m", input_price = true },\n]\n'
    )
    ended = await cli("config", "check", "--config", config)
    assert ended.code == 2
    assert ended.out.splitlines() == [
        f'{config}:2: models."openai/gpt-5.4-mini".context must be a whole number of at least 1',
        f'{config}:3: models."openai/gpt-5.4-mini".vision must be true or false',
        f"{config}:8: providers.mine.capabilities.tools must be true or false",
        f"{config}:10: providers.mine.models[0].input_price must be a number of at least 0",
    ]


async def test_the_facts_of_needs_are_looked_up(cli: CommandLine) -> None:
    """A need that no model can ever satisfy is a fault with its line; a fact that may be meant is a note."""
    config = cli.config(
        '[needs]\nfast = "toolz, context>=1k"\nodd = "tools>=3"\nword = "context=big"\nown = "mine_only"\n'
        'mine = "of_my_host"\n'
        '[chains]\na = [\n  { needs = "visoin" },\n  { needs = "fast" },\n  "chain:a",\n  "chain/zzz",\n]\n'
        '[default]\nmodel = "chain:a"\n'
        '[models."openai/gpt-5.4-mini"]\ntool = true\nsomething = true\n'
        '[providers.row]\nwire = "openai_chat"\nbase_url = "http://127.0.0.1:1/v1"\n'
        "capabilities = { of_my_host = true, visio = true }\n"
        'models = [\n  { name = "m", contex = 5 },\n]\n'
    )
    ended = await cli("config", "check", "--config", config)
    assert ended.code == 2
    never = "is never satisfied"
    assert ended.out.splitlines() == [
        f"{config}:9: no model has the fact 'visoin'; did you mean 'vision'?",
        (
            f"{config}:10: 'fast' is the name of needs, which other needs and chains cannot use: "
            "write 'context>=1k, toolz' instead"
        ),
        f"{config}:11: 'chain:a' does not name a chain; write {{ chain = \"a\" }}",
        (
            f"{config}:12: 'chain/zzz' does not name a chain; write {{ chain = \"zzz\" }}; "
            "no chain 'zzz' is configured; expected one of a"
        ),
        f"{config}:15: 'chain:a' does not name a chain; write \"a\"",
        f"{config}:2: no model has the fact 'toolz'; did you mean 'tools'?",
        f"{config}:3: the need 'tools>=3' {never}: tools is true or false, so write 'tools' or '!tools'",
        f"{config}:4: the need 'context=big' {never}: context is a number, so compare it: 'context>=128k'",
    ]
    assert ended.err.splitlines() == [
        f"note: {config}:5: no model has the fact 'mine_only'",
        f"note: {config}:17: no installed model has the fact 'tool'; did you mean 'tools'?",
        f"note: {config}:22: no installed model has the fact 'visio'; did you mean 'vision'?",
        f"note: {config}:24: no installed model has the fact 'contex'; did you mean 'context'?",
    ]


_SHOWN = f"""
order = ["openai", "groq"]
proxy = "http://user:{KEY}@127.0.0.1:8080"
[timeout]
idle = 5
[chains]
main = ["openai/gpt-4o", {{ needs = "tools" }}]
[needs]
cheap = "input_price<=1"
[weights]
openai = 2
[models."openai/gpt-4o"]
context = 9
[providers.openai]
api_key = "env:MY_KEY"
headers = {{ x-team = "{KEY}" }}
options = {{ user = "{KEY}" }}
[providers.mine]
wire = "openai_chat"
base_url = "https://mine.invalid/v1"
models = ["a"]
capabilities = {{ tools = true }}
api_key = "{KEY}"
"""


async def test_settings_are_shown_with_their_sources_and_without_secrets(cli: CommandLine) -> None:
    """Of keys, headers, options and a proxy's user it is only told that they are there."""
    config = cli.config(_SHOWN)
    cli.environ |= {"SEGUE_RETRY_COUNT": "0", "MY_KEY": KEY}
    ended = await cli("config", "show", "--config", config)
    assert (ended.code, ended.err) == (0, "")
    assert {
        f"providers.openai.api_key = env:MY_KEY ({config}:14)",
        f"providers.openai.headers = x-team ({config}:14)",
        f"providers.openai.options = user ({config}:14)",
        f"providers.mine.api_key = set ({config}:18)",
        f"providers.mine.capabilities.tools = true ({config}:18)",
        f"chains.main = openai/gpt-4o, tools ({config}:7)",
        f"needs.cheap = input_price<=1 ({config}:9)",
        f'models."openai/gpt-4o".context = 9 ({config}:12)',
        f"weights.openai = 2.0 ({config}:11)",
        f"order = openai, groq ({config}:2)",
        f"proxy = http://127.0.0.1:8080 ({config}:3)",
        f"timeout.idle = 5.0 ({config}:5)",
        "timeout.connect = 10.0 (default)",
        "retry.count = 0 (SEGUE_RETRY_COUNT)",
        "order_by = not set (default)",
        "environment_proxies = false (default)",
    } <= set(ended.out.splitlines())
    assert KEY not in ended.out


async def test_settings_as_json(cli: CommandLine) -> None:
    """Each has its key, value and source."""
    cli.environ["SEGUE_ORDER"] = "openai,groq"
    ended = await cli("config", "show", "--json")
    assert {"key": "order", "value": ["openai", "groq"], "source": "SEGUE_ORDER"} in json.loads(ended.out)


async def test_settings_that_are_not_sound_are_not_shown(cli: CommandLine) -> None:
    """What would be shown is not what would count."""
    ended = await cli("config", "show", "--config", cli.config("orders = 1"))
    assert (ended.code, ended.out) == (2, "")
    assert "did you mean 'order'" in ended.err
