"""Whose plugins are imported: allow, deny, prefer, strict, and the switches of the environment."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest

from segue.config import Config, PluginRule, PluginRules, load, read
from segue.errors import ConfigError
from segue.plugins import Entry, Trust

if TYPE_CHECKING:
    from pathlib import Path

    from command_line import CommandLine

_PLUGIN = """
import pathlib
pathlib.Path(__file__).with_suffix(".imported").touch()
from segue.plugin import AsyncGeneratorProvider, hookimpl

class {cls}(AsyncGeneratorProvider):
    working = True
    models = ["{name}-1"]

    @classmethod
    async def create_async_generator(cls, model, messages, proxy=None, **kwargs):
        yield "from {name}"

@hookimpl
def segue_providers():
    return [{cls}]
"""


def plugin(cli: CommandLine, name: str, *, module: str | None = None) -> Path:
    """Install a plugin that leaves a file where it was imported; that file."""
    module = module or name
    cli.plugin(name, _PLUGIN.format(cls=name.title(), name=name), module=module)
    return cli.plugins / f"{module}.imported"


def entry(distribution: str = "acme-dist", version: str = "1.0") -> Entry:
    return Entry("segue", "acme", "acme", distribution, version)


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("acme", PluginRule("acme")),
        ("acme_llm.x", PluginRule("acme_llm.x")),
        ("acme==1.0", PluginRule("acme", "1.0")),
        ("acme==1!2.0.post1+local", PluginRule("acme", "1!2.0.post1+local")),
        (f"acme==1.0@sha256:{'a' * 64}", PluginRule("acme", "1.0", "a" * 64)),
        (f"acme@sha256:{'a' * 64}", PluginRule("acme", None, "a" * 64)),
    ],
)
def test_a_rule_is_a_name_a_version_and_a_content(text: str, rule: PluginRule) -> None:
    """Each of the three forms is read as it stands."""
    assert PluginRule.read(text) == rule


@pytest.mark.parametrize("text", ["", "acme*", "acme>=1", "acme ==1", "-acme", "acme==", "acme@sha256:abc", "a/b"])
def test_what_is_no_rule_is_refused(text: str) -> None:
    """There are no patterns and no ranges: a name is exact."""
    with pytest.raises(ValueError, match="name of a distribution"):
        PluginRule.read(text)


@pytest.mark.parametrize(
    ("rules", "environ", "obstacle"),
    [
        (PluginRules(), {}, None),
        (PluginRules(allow=()), {}, "allow does not name it"),
        (PluginRules(allow=(PluginRule("Acme_Dist"),)), {}, None),
        (PluginRules(allow=(PluginRule("acme-dist", "1.0"),)), {}, None),
        (PluginRules(allow=(PluginRule("acme-dist", "1.1"),)), {}, "another version"),
        (PluginRules(allow=(PluginRule("acme-dist", None, "0" * 64),)), {}, "other contents"),
        (PluginRules(deny=(PluginRule("acme.dist"),)), {}, "deny names it"),
        (PluginRules(allow=(PluginRule("acme-dist"),), deny=(PluginRule("acme-dist"),)), {}, "deny names it"),
        (PluginRules(deny=(PluginRule("acme-dist", "2.0"),)), {}, None),
        (PluginRules(), {"SEGUE_PLUGINS": ""}, "SEGUE_PLUGINS does not name it"),
        (PluginRules(), {"SEGUE_PLUGINS": "other, acme-dist"}, None),
        (PluginRules(deny=(PluginRule("acme-dist"),)), {"SEGUE_PLUGINS": "acme-dist"}, "deny names it"),
        (PluginRules(unread=True), {}, "is not valid"),
    ],
)
def test_deny_stands_above_allow_and_names_are_exact(
    rules: PluginRules, environ: dict[str, str], obstacle: str | None
) -> None:
    """What is denied is denied; what is allowed has that name, version and content; '-', '_', '.' and case are one."""
    found = Trust(rules, environ).obstacle(entry())
    assert (found is None) == (obstacle is None)
    assert (obstacle or "") in (found or "")


def test_a_name_that_begins_like_an_allowed_one_is_another() -> None:
    """Neither a prefix nor a longer name stands for the one that is allowed."""
    trust = Trust(PluginRules(allow=(PluginRule("acme"),)), {})
    assert not trust.allows(entry("acme-extra"))
    assert not trust.allows(entry("acm"))


def test_a_wrong_variable_is_told() -> None:
    """A rule that cannot be read allows nothing in silence."""
    with pytest.raises(ConfigError, match="SEGUE_PLUGINS"):
        Trust(PluginRules(), {"SEGUE_PLUGINS": "acme*"})


def test_rules_are_read_from_the_users_file(tmp_path: Path) -> None:
    """Each key of ``[plugins]`` comes to the rules."""
    file = tmp_path / "segue.toml"
    file.write_text(
        f'[plugins]\nallow = ["a", "b==1@sha256:{"0" * 64}"]\ndeny = ["c"]\nprefer = {{ openai = "a" }}\n'
        "strict = true\ntime_limit = 2\n"
    )
    assert load(file, environ={}, directory=tmp_path / "nowhere").plugins == PluginRules(
        allow=(PluginRule("a"), PluginRule("b", "1", "0" * 64)),
        deny=(PluginRule("c"),),
        prefer={"openai": "a"},
        strict=True,
        time_limit=2.0,
    )


def test_a_file_of_the_working_directory_has_no_say(tmp_path: Path) -> None:
    """It may have come with a cloned repository: it can neither allow nor prefer, and says so."""
    (tmp_path / "segue.toml").write_text('[plugins]\nprefer = { openai = "evil" }\n')
    reading = read(environ={"HOME": str(tmp_path / "home")}, directory=tmp_path)
    assert reading.config.plugins == PluginRules()
    assert "'plugins' is not allowed in a file in the working directory" in str(reading.faults[0])


@pytest.mark.parametrize(
    ("text", "rules"),
    [
        ('[plugins]\ndeny = ["acme"]\n[nonsense]\n', PluginRules(deny=(PluginRule("acme"),))),
        ("nonsense = 1\n[plugins]\nallow = []\n", PluginRules(allow=())),
        ('[plugins]\ndeny = ["acme*"]\n', PluginRules(unread=True)),
        ('[plugins]\ndeny = ["acme"]\n[', PluginRules(unread=True)),
        ("nonsense = 1\n", PluginRules()),
    ],
)
def test_what_is_denied_stays_denied_in_a_file_with_faults(tmp_path: Path, text: str, rules: PluginRules) -> None:
    """Rules that are sound count; where they cannot be read nothing is imported."""
    file = tmp_path / "given.toml"
    file.write_text(text)
    reading = read(file, environ={}, directory=tmp_path)
    assert reading.faults
    assert reading.config.plugins == rules
    assert Config().plugins == PluginRules()


async def test_what_is_denied_is_imported_nowhere(cli: CommandLine) -> None:
    """Neither listing nor doctor nor its child process runs a line of it, and doctor says why."""
    acme, other = plugin(cli, "acme"), plugin(cli, "other")
    config = cli.config('[plugins]\ndeny = ["acme-dist"]\n')
    listed = await cli("providers", "--config", config)
    looked = await cli("doctor", "--config", config)
    assert "acme" not in listed.out
    assert "other" in listed.out
    assert "acme of acme-dist 1.0: not loaded: [plugins] deny names it" in looked.out
    assert (acme.exists(), other.exists()) == (False, True)


async def test_only_what_is_allowed_is_imported(cli: CommandLine) -> None:
    """A list of names is a list of all that may be imported."""
    acme, other = plugin(cli, "acme"), plugin(cli, "other")
    listed = await cli("providers", "--config", cli.config('[plugins]\nallow = ["acme-dist==1.0"]\n'))
    assert [line.split()[0] for line in listed.out.splitlines()[1:]] == ["acme"]
    assert (acme.exists(), other.exists()) == (True, False)


async def test_no_plugins_is_none_at_all(cli: CommandLine) -> None:
    """``--no-plugins`` and an empty SEGUE_PLUGINS import nothing."""
    acme = plugin(cli, "acme")
    by_option = await cli("--no-plugins", "providers", "--json")
    cli.environ["SEGUE_PLUGINS"] = ""
    by_variable = await cli("providers", "--json")
    assert (by_option.code, by_variable.code) == (0, 0)
    assert '"providers": []' in by_option.out
    assert '"providers": []' in by_variable.out
    assert not acme.exists()


async def test_a_pin_holds_the_content(cli: CommandLine) -> None:
    """What ``doctor --pins`` prints allows that content, and no other under the same version."""
    plugin(cli, "acme")
    record = cli.plugins / "acme_dist-1.0.dist-info" / "RECORD"
    record.write_text("acme.py,sha256=abc,1\n")
    pins = await cli("doctor", "--pins")
    assert f'"acme-dist==1.0@sha256:{hashlib.sha256(record.read_bytes()).hexdigest()}",' in pins.out
    config = cli.config(pins.out)
    assert "acme" in (await cli("providers", "--config", config)).out
    record.write_text("acme.py,sha256=abd,1\n")
    assert "acme" not in (await cli("providers", "--config", config)).out
    assert "another version or other contents" in (await cli("doctor", "--config", config)).out


async def test_a_name_that_two_claim_goes_to_the_preferred(cli: CommandLine) -> None:
    """Without ``prefer`` nobody has it; with it that distribution, and no other."""
    plugin(cli, "acme")
    plugin(cli, "acme", module="acme_two")
    unsettled = await cli("chat", "-m", "acme/acme-1", "Hello")
    assert unsettled.code == 2
    assert "claimed by acme-dist and acme_two-dist" in unsettled.err
    config = cli.config('[plugins]\nprefer = { acme = "acme-two-dist" }\n')
    settled = await cli("providers", "--json", "--config", config)
    assert '"distribution": "acme_two-dist"' in settled.out
    assert '"conflicts": []' in settled.out


async def test_strict_starts_with_nothing_broken(cli: CommandLine) -> None:
    """One broken plugin stops every command that needs plugins, named; doctor still tells of all."""
    plugin(cli, "good")
    cli.plugin("bad", "raise RuntimeError('no such luck')\n")
    config = cli.config("[plugins]\nstrict = true\n")
    for command in (["providers"], ["models"], ["chat", "-m", "good", "Hello"]):
        ended = await cli(*command, "--config", config)
        assert ended.code != 0
        assert "plugin 'bad' of bad-dist: RuntimeError: no such luck" in ended.err
    looked = await cli("doctor", "--config", config)
    assert "broken: bad of bad-dist 1.0: RuntimeError: no such luck" in looked.out
    assert "good of good-dist 1.0: good" in looked.out
