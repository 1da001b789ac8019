"""``segue keys``: kept, listed, removed, and never shown."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from .conftest import CommandLine

KEY = "canary-41c07d"

_KEYRING = """
import json, pathlib
from keyring.backend import KeyringBackend
from keyring.errors import PasswordDeleteError

class Folder(KeyringBackend):
    priority = 1
    path = pathlib.Path(__file__).with_name("held.json")

    def held(self):
        return json.loads(self.path.read_text()) if self.path.exists() else {}

    def get_password(self, service, username):
        return self.held().get(f"{service}/{username}")

    def set_password(self, service, username, password):
        self.path.write_text(json.dumps(self.held() | {f"{service}/{username}": password}))

    def delete_password(self, service, username):
        held = self.held()
        if held.pop(f"{service}/{username}", None) is None:
            raise PasswordDeleteError
        self.path.write_text(json.dumps(held))
"""


def store_of(cli: CommandLine) -> Path:
    return cli.folder / ".config" / "segue" / "keys.toml"


def keyring_of(cli: CommandLine) -> Path:
    """Give the commands a keyring; the file that has what it holds."""
    cli.plugins.mkdir(exist_ok=True)
    (cli.plugins / "ring.py").write_text(_KEYRING)
    cli.environ["PYTHON_KEYRING_BACKEND"] = "ring.Folder"
    return cli.plugins / "held.json"


async def test_a_key_from_a_pipe_is_kept_and_used(cli: CommandLine) -> None:
    """Its newline is not part of it, its owner alone may read it, and nothing shows it."""
    kept = await cli("keys", "set", "openai", stdin=f"{KEY}\n".encode())
    assert (kept.code, kept.out, kept.err) == (0, "", f"openai: stored in {store_of(cli)}\n")
    assert f'"openai" = "{KEY}"\n' in store_of(cli).read_text()
    assert store_of(cli).stat().st_mode & 0o777 == 0o600
    listed = await cli("keys", "list")
    assert (listed.code, listed.out, listed.err) == (0, f"openai: {store_of(cli)} (store)\n", "")


async def test_a_key_typed_on_a_terminal_is_not_shown(cli: CommandLine) -> None:
    """The prompt names the provider and hides what is typed."""
    kept = await cli.on_terminal("keys", "set", "openai", wait_for="not shown", then=f"{KEY}\n")
    assert kept.code == 0
    assert "The key of openai" in kept.out
    assert KEY not in kept.out
    assert KEY in store_of(cli).read_text()


async def test_a_prompt_that_is_left_keeps_nothing(cli: CommandLine) -> None:
    """The end of input at the prompt is no key."""
    left = await cli.on_terminal("keys", "set", "openai", wait_for="not shown", then="\x04")
    assert left.code == 130
    assert not store_of(cli).exists()


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        (b"", "the input is not a valid key: it is empty"),
        (b" \n", "the input is not a valid key: it is empty"),
        (f"{KEY} two\n".encode(), "the input is not a valid key: it contains white space"),
        (f"{KEY}\n{KEY}\n".encode(), "the input is not a valid key: it contains white space"),
        (
            KEY.encode() + b"\xff",
            "the input is not a valid key: it contains characters that are not allowed in a header",
        ),
        (b"file:relative", "the input must have a path that begins with '/' or '~' after 'file:'"),
        (b"k" * 70_000, "the input is not a valid key: it is too long"),
    ],
    ids=["nothing", "blank", "two-words", "two-lines", "no-text", "nowhere", "long"],
)
async def test_what_can_be_no_key_is_refused_unseen(cli: CommandLine, typed: bytes, told: str) -> None:
    """An empty or wrong key is an error that does not show it, and nothing is kept."""
    ended = await cli("keys", "set", "openai", stdin=typed)
    assert (ended.code, ended.out, ended.err) == (2, "", f"error: {told}\n")
    assert not store_of(cli).exists()


async def test_a_key_is_no_argument(cli: CommandLine) -> None:
    """On the command line others could read it."""
    ended = await cli("keys", "set", "openai", "a-key")
    assert (ended.code, ended.out) == (2, "")
    assert not store_of(cli).exists()


async def test_a_provider_that_is_not_there_must_be_forced(cli: CommandLine) -> None:
    """A slip of the pen is told with the nearest name; a name that can be none is always refused."""
    wrong = await cli("keys", "set", "opnai", stdin=b"sk-key")
    assert wrong.code == 2
    assert "no provider 'opnai' is installed; did you mean 'openai'? (--force" in wrong.err
    forced = await cli("keys", "set", "opnai", "--force", stdin=b"sk-key")
    assert forced.code == 0
    assert "opnai" in (await cli("keys", "list")).out
    assert (await cli("keys", "set", "Open AI", "--force", stdin=b"sk-key")).code == 2


async def test_a_host_of_ones_own_is_a_provider(cli: CommandLine) -> None:
    """A row of the user's file may have a key, also in its variable."""
    cli.environ["SEGUE_CONFIG"] = cli.config(
        '[providers.mine]\nwire = "openai_chat"\nbase_url = "https://mine.invalid/v1"\n'
    )
    cli.environ["MINE_API_KEY"] = KEY
    kept = await cli("keys", "set", "mine", stdin=b"sk-key")
    assert kept.code == 0
    assert "note: MINE_API_KEY overrides it" in kept.err


async def test_what_stands_above_a_kept_key_is_told(cli: CommandLine) -> None:
    """The file and the variable are used before the key store, and the list says so."""
    config = cli.config(f'\n[providers.openai]\napi_key = "{KEY}"\n')
    cli.environ |= {"SEGUE_CONFIG": config, "OPENAI_API_KEY": KEY}
    kept = await cli("keys", "set", "openai", stdin=b"sk-key")
    assert kept.err.splitlines()[1:] == [f"note: {config}:3 overrides it", "note: OPENAI_API_KEY overrides it"]
    listed = await cli("keys", "list", "--json")
    assert [(entry["source"], entry["where"], entry["used"]) for entry in json.loads(listed.out)] == [
        ("config", f"{config}:3", True),
        ("environment", "OPENAI_API_KEY", False),
        ("store", str(store_of(cli)), False),
    ]
    assert KEY not in kept.out + kept.err + listed.out + listed.err


async def test_the_keyring_keeps_the_key_and_the_store_its_name(cli: CommandLine) -> None:
    """The file holds no key; what takes its place, or removes it, takes it out of the keyring."""
    held = keyring_of(cli)
    kept = await cli("keys", "set", "openai", "--keyring", stdin=KEY.encode())
    assert (kept.code, kept.out) == (0, "")
    assert json.loads(held.read_text()) == {"segue/openai": KEY}
    assert '"openai" = "keyring:openai"\n' in store_of(cli).read_text()
    assert (await cli("keys", "list")).out == f"openai: {store_of(cli)} (keyring)\n"
    removed = await cli("keys", "remove", "openai")
    assert (removed.code, json.loads(held.read_text())) == (0, {})
    await cli("keys", "set", "openai", "--keyring", stdin=KEY.encode())
    await cli("keys", "set", "openai", stdin=b"sk-key")
    assert json.loads(held.read_text()) == {}


async def test_a_removed_key_is_gone(cli: CommandLine) -> None:
    """One that is not there is told, with the nearest that is."""
    await cli("keys", "set", "openai", stdin=KEY.encode())
    wrong = await cli("keys", "remove", "opnai")
    assert (wrong.code, wrong.err) == (
        2,
        f"error: {store_of(cli)} has no key for 'opnai'; did you mean 'openai'?\n",
    )
    assert (await cli("keys", "remove", "openai")).code == 0
    assert KEY not in store_of(cli).read_text()
    listed = await cli("keys", "list")
    assert (listed.code, listed.out) == (0, "")
    assert "segue keys set" in listed.err


async def test_a_line_that_can_be_no_key_can_be_removed(cli: CommandLine) -> None:
    """It is listed as broken, without what it says."""
    await cli("keys", "set", "openai", stdin=b"sk-key")
    store_of(cli).write_text(f'openai = "{KEY} two"\n')
    listed = await cli("keys", "list")
    assert "broken: " in listed.out
    assert KEY not in listed.out
    assert (await cli("keys", "remove", "openai")).code == 0
    assert store_of(cli).read_text().endswith("read this file.\n")


async def test_a_store_that_others_may_read_is_refused_before_a_key_is_asked_for(cli: CommandLine) -> None:
    """The command that mends it is told, by each command."""
    await cli("keys", "set", "openai", stdin=b"sk-key")
    store_of(cli).chmod(0o644)
    for arguments in (["set", "openai"], ["list"], ["remove", "openai"]):
        ended = await cli("keys", *arguments, stdin=b"sk-key")
        assert ended.code == 2
        assert f"run `chmod 600 {store_of(cli)}`" in ended.err


async def test_the_store_is_where_the_variable_says_or_nowhere(cli: CommandLine) -> None:
    """SEGUE_KEYS moves it; 0 is none."""
    cli.environ["SEGUE_KEYS"] = str(cli.folder / "elsewhere" / "mine.toml")
    await cli("keys", "set", "openai", stdin=KEY.encode())
    assert KEY in (cli.folder / "elsewhere" / "mine.toml").read_text()
    cli.environ["SEGUE_KEYS"] = "0"
    ended = await cli("keys", "set", "openai", stdin=KEY.encode())
    assert (ended.code, ended.err) == (2, "error: there is no key store: SEGUE_KEYS switches it off\n")
    assert (await cli("keys", "list")).code == 0


async def test_a_configuration_that_is_not_sound_does_not_keep_a_key_from_being_kept(cli: CommandLine) -> None:
    """It is only remarked."""
    cli.environ["SEGUE_CONFIG"] = cli.config("orders = 1")
    kept = await cli("keys", "set", "openai", stdin=b"sk-key")
    assert kept.code == 0
    assert kept.err.startswith("note: the configuration has problems, see `segue config check`\n")


async def test_without_input_there_is_no_key(cli: CommandLine) -> None:
    """A closed stdin is an error."""
    ended = await cli.shell("segue keys set openai <&-")
    assert (ended.code, ended.err) == (2, "error: stdin is closed: the key cannot be read\n")
