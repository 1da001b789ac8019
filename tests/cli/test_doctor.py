"""``segue doctor``."""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING

import pytest

import segue

if TYPE_CHECKING:
    from .conftest import CommandLine

_LAZY = """
from segue.plugin import ProviderSpec, hookimpl

@hookimpl
def segue_providers():
    return [ProviderSpec(name="lazy", load="no_such_module:Lazy", models=["lazy-1"])]
"""


async def test_a_sound_installation_is_all_well(cli: CommandLine) -> None:
    """Versions, plugins and keys are named; exit code 0."""
    ended = await cli("doctor")
    assert (ended.code, ended.err) == (0, "")
    assert f"segue {segue.__version__}, Python {platform.python_version()}" in ended.out
    assert "cromicle of segue-cromicle 0.2.0: cromicle" in ended.out
    assert "openai: OPENAI_API_KEY is not set (get one at https://platform.openai.com/api-keys)" in ended.out
    assert ended.out.endswith("no problems found\n")


async def test_a_key_is_told_to_be_set_and_never_shown(cli: CommandLine) -> None:
    """Neither the environment's nor the file's key is printed."""
    cli.environ["OPENAI_API_KEY"] = "k-secret"
    from_environment = await cli("doctor")
    config = cli.config('[providers.openai]\napi_key = "k-other"\n')
    from_file = await cli("doctor", "--config", config)
    assert "openai: OPENAI_API_KEY is set" in from_environment.out
    assert "openai: set in the configuration" in from_file.out
    assert f"read: {config}" in from_file.out
    assert "k-secret" not in from_environment.out + from_file.out
    assert "k-other" not in from_file.out


async def test_a_plugin_that_raises_is_named_with_its_cause_and_place(cli: CommandLine) -> None:
    """Type, message, file and line of what went wrong; exit code 1."""
    cli.plugin("acme", "import json\n\nSETTINGS = json.loads('{')\n")
    ended = await cli("doctor")
    assert ended.code == 1
    assert "broken: acme of acme-dist 1.0: JSONDecodeError: Expecting property name" in ended.out
    assert f'File "{cli.plugins / "acme.py"}", line 3, in <module>' in ended.out
    assert "openai of segue-openai 0.2.0: openai" in ended.out


async def test_a_plugin_that_is_no_python_is_named_with_its_line(cli: CommandLine) -> None:
    """The place of a syntax error is that of the error."""
    cli.plugin("acme", "fine = 1\nbroken = (\n")
    ended = await cli("doctor")
    assert ended.code == 1
    assert f'File "{cli.plugins / "acme.py"}", line 2' in ended.out


async def test_a_plugin_that_exits_is_named(cli: CommandLine) -> None:
    """``sys.exit(3)`` at import ends the plugin, not the program."""
    cli.plugin("acme", "import sys\nsys.exit(3)\n")
    ended = await cli("doctor")
    assert ended.code == 1
    assert "broken: acme of acme-dist 1.0: SystemExit: 3" in ended.out


async def test_a_plugin_of_another_api_is_named(cli: CommandLine) -> None:
    """What the registry refuses is broken, with what to do about it."""
    cli.plugin("acme", "segue_api = 99\n")
    ended = await cli("doctor")
    assert ended.code == 1
    assert "segue_api 99" in ended.out


async def test_an_implementation_that_cannot_be_loaded_is_found(cli: CommandLine) -> None:
    """A declaration may be well where the code behind it is not: doctor loads it."""
    cli.plugin("lazy", _LAZY)
    assert "lazy" in (await cli("providers")).out
    ended = await cli("doctor")
    assert ended.code == 1
    assert "ModuleNotFoundError: No module named 'no_such_module'" in ended.out


async def test_a_name_with_two_claimants_is_told_with_both(cli: CommandLine) -> None:
    """Both distributions are named, once each."""
    for module in ("lazy_one", "lazy_two"):
        cli.plugin("lazy", _LAZY, module=module)
    ended = await cli("doctor")
    assert ended.code == 1
    (line,) = [line for line in ended.out.splitlines() if "claimed by" in line]
    assert "lazy_one-dist and lazy_two-dist" in line


async def test_a_wrong_configuration_hides_nothing_else(cli: CommandLine) -> None:
    """A file that cannot be read is told, and so is all the rest."""
    ended = await cli("doctor", "--config", cli.config("provders = 1\n"))
    assert ended.code == 1
    assert "unknown key 'provders'; did you mean 'providers'?" in ended.out
    assert "cromicle of segue-cromicle 0.2.0: cromicle" in ended.out


@pytest.mark.parametrize("text", ["orders = 1\n", "x = \n", "[plugins]\nallow = 3\n", "[providers.own]\nwire = 7\n"])
async def test_a_wrong_configuration_is_the_only_problem_that_it_causes(cli: CommandLine, text: str) -> None:
    """That no plugin was loaded because of it does not mean that none is installed."""
    ended = await cli("doctor", "--config", cli.config(text))
    assert ended.code == 1
    assert ended.out.endswith("problems found: 1, see 'broken:' above\n")
    assert "no provider" not in ended.out.replace("no provider needs one", "")


async def test_provider_packages_that_are_not_used_are_not_missing(cli: CommandLine) -> None:
    """If each one is denied or switched off, doctor names the reason instead of a package to install."""
    config = cli.config("[plugins]\nallow = []\n")
    ended = await cli("doctor", "--config", config)
    assert ended.code == 1
    assert "broken: no installed provider package is used: segue-anthropic, segue-bedrock, " in ended.out
    assert "no provider package is installed" not in ended.out
    ended = await cli("explain", "--config", config)
    assert "hint: no installed provider package is used: segue-anthropic" in ended.out


async def test_a_provider_that_is_configured_but_not_installed_is_told(cli: CommandLine) -> None:
    """A table for nobody would be dropped in silence."""
    ended = await cli("doctor", "--config", cli.config("[providers.acme]\nbase_url = 'http://localhost'\n"))
    assert ended.code == 1
    assert ":1: [providers.acme] needs wire = \"openai_chat\", because no provider 'acme' is installed" in ended.out
