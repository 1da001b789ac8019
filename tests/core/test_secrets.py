"""Where keys are kept, and that they show nowhere."""

from __future__ import annotations

import copy
import os
import pickle
import sys
import tomllib
from typing import TYPE_CHECKING

import keyring.backend
import keyring.errors
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segue import ConfigError
from segue.config.secrets import MAX_BYTES, Key, KeyStore, Reference, key_fault, put_in_keyring, remove_from_keyring

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CANARY = "canary-77ab31"


class _Keyring(keyring.backend.KeyringBackend):
    """A keyring in memory, which may be out of order."""

    priority = 1  # type: ignore[assignment]

    def __init__(self) -> None:
        self.held: dict[tuple[str, str], str] = {}
        self.asked = 0
        self.error: Exception | None = None

    def get_password(self, service: str, username: str) -> str | None:
        self.asked += 1
        if self.error is not None:
            raise self.error
        return self.held.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        if self.error is not None:
            raise self.error
        self.held[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        if self.error is not None:
            raise self.error
        if self.held.pop((service, username), None) is None:
            raise keyring.errors.PasswordDeleteError


@pytest.fixture
def memory() -> Iterator[_Keyring]:
    """A keyring in memory in place of the system's."""
    backend, previous = _Keyring(), keyring.core._keyring_backend
    keyring.set_keyring(backend)
    yield backend
    keyring.core._keyring_backend = previous


def private(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    path.chmod(0o600)
    return path


def resolved(text: str, **environ: str) -> str:
    return Reference(text, where="here", environ=environ).resolve().get_secret_value()


def fault_of(text: str, **environ: str) -> str:
    """Why a reference leads to no key."""
    with pytest.raises(ConfigError) as caught:
        resolved(text, **environ)
    assert CANARY not in str(caught.value)
    assert str(caught.value).startswith("here ")
    return str(caught.value)


# ── references ───────────────────────────────────────────────────────────────────────────────────────


def test_a_reference_leads_to_a_key(tmp_path: Path) -> None:
    """It may name a variable or a file's first line, or be the key itself."""
    path = private(tmp_path / "key", "sk-file\r\nsecond line\n")
    assert resolved("env:MY_KEY", MY_KEY="sk-env") == "sk-env"
    assert resolved(f"file:{path}") == "sk-file"
    assert resolved("sk-given") == "sk-given"


def test_a_reference_in_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``~`` is the user's home; a user who is not there has none."""
    private(tmp_path / "key", "sk-home")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert resolved("file:~/key") == "sk-home"
    assert "No such file" in fault_of("file:~nobody-of-that-name/key")


def test_what_is_told_of_a_reference_is_its_kind(tmp_path: Path) -> None:
    """A repr holds neither key nor path, and a variable's name only if it cannot be a key."""
    texts = ["env:MY_KEY", f"env:{CANARY}", f"file:{tmp_path}", f"keyring:{CANARY}", CANARY]
    assert [repr(Reference(text)) for text in texts] == [
        "<key env:MY_KEY>",
        "<key env>",
        "<key file>",
        "<key keyring>",
        "<key set>",
    ]


def test_nothing_is_looked_up_before_it_is_needed(tmp_path: Path) -> None:
    """Only of a variable it is known without looking anywhere that it is missing."""
    assert Reference(f"file:{tmp_path / 'none'}").obstacle is None
    assert Reference("keyring:none").obstacle is None
    environ: dict[str, str] = {}
    reference = Reference("env:LATER", where="here", environ=environ)
    assert reference.obstacle == "here names the variable LATER, which is not set"
    assert fault_of("env:LATER") == reference.obstacle
    environ["LATER"] = "sk-later"
    assert (reference.obstacle, reference.resolve().get_secret_value()) == (None, "sk-later")


@pytest.mark.parametrize("mode", [0o604, 0o640, 0o602, 0o620, 0o610, 0o644, 0o666])
def test_a_file_that_others_may_use_is_refused_with_its_cure(mode: int, tmp_path: Path) -> None:
    """Whoever else may read or write it, the error names the command that mends it."""
    path = private(tmp_path / "a key", CANARY)
    path.chmod(mode)
    assert fault_of(f"file:{path}").endswith(f"other users may read or write it; run `chmod 600 '{path}'`")


def test_a_file_of_somebody_else_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its owner could put another key there."""
    path = private(tmp_path / "key", CANARY)
    monkeypatch.setattr(os, "geteuid", lambda: path.stat().st_uid + 1)
    assert "belongs to another user" in fault_of(f"file:{path}")


def test_a_link_to_a_private_file_is_followed(tmp_path: Path) -> None:
    """The file at its end is what is looked at."""
    path = private(tmp_path / "key", "sk-linked")
    (tmp_path / "link").symlink_to(path)
    assert resolved(f"file:{tmp_path / 'link'}") == "sk-linked"
    path.chmod(0o644)
    assert "chmod 600" in fault_of(f"file:{tmp_path / 'link'}")


def test_files_that_hold_no_key(tmp_path: Path) -> None:
    """Missing, empty, huge, no file at all, or text that can be no key: each is told, none is waited for."""
    os.mkfifo(tmp_path / "pipe", 0o600)
    assert "No such file" in fault_of(f"file:{tmp_path / 'none'}")
    assert "not a regular file" in fault_of(f"file:{tmp_path}")
    assert "not a regular file" in fault_of(f"file:{tmp_path / 'pipe'}")
    assert "larger than" in fault_of(f"file:{private(tmp_path / 'huge', CANARY * MAX_BYTES)}")
    assert "it is empty" in fault_of(f"file:{private(tmp_path / 'empty', '')}")
    assert "not allowed in a header" in fault_of(f"file:{private(tmp_path / 'bytes', CANARY.encode() + bytes([255]))}")
    assert "null" in fault_of("file:/a\0b")


@pytest.mark.parametrize("text", ["", "two words", "tab\t", "line\n", "nul\0", "漢", "\x85", "\xa0"])
def test_what_can_be_no_key_is_refused(text: str) -> None:
    """White space, control characters and what is not Latin-1 are in no key."""
    assert key_fault(text) is not None
    with pytest.raises(ValueError, match=r"^is not a valid key: it (is empty|contains)"):
        Reference(text)


@given(st.text(st.characters(min_codepoint=1, max_codepoint=300), min_size=7, max_size=30))
def test_the_words_about_a_wrong_key_do_not_hold_it(text: str) -> None:
    """Whatever the text is, its fault is the same sentence."""
    assert key_fault(text) in {
        None,
        "it contains white space",
        "it contains characters that are not allowed in a header",
    }


@pytest.mark.parametrize("text", ["env:", "env:a b", "file:", "file:relative", "keyring:"])
def test_a_reference_that_leads_nowhere_is_refused_at_once(text: str) -> None:
    """What follows the kind must be a name or a whole path."""
    with pytest.raises(ValueError, match=r"^must have "):
        Reference(text)


def test_a_variable_with_a_wrong_key_is_named() -> None:
    """The key's place is told, not the key."""
    assert fault_of("env:MY_KEY", MY_KEY=f"{CANARY}\n") == "here does not give a valid key: it contains white space"


# ── pickles and copies ───────────────────────────────────────────────────────────────────────────────


def test_keys_and_references_are_not_pickled() -> None:
    """A pickle would hold them in clear; a copy is the thing itself."""
    for secret in (Key(CANARY), Reference(CANARY)):
        assert CANARY not in repr(secret) + str(secret) + f"{secret}"
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
            with pytest.raises(TypeError, match="cannot be pickled"):
                pickle.dumps(secret, protocol)
        assert copy.copy(secret) is secret
        assert copy.deepcopy([secret])[0] is secret


# ── the keyring ──────────────────────────────────────────────────────────────────────────────────────


def test_the_keyring_is_asked_once(memory: _Keyring) -> None:
    """It may ask its user each time, so a reference remembers what it was told."""
    put_in_keyring("openai", Key("sk-ring"))
    assert memory.held == {("segue", "openai"): "sk-ring"}
    reference = Reference("keyring:openai")
    assert [reference.resolve().get_secret_value() for _ in range(3)] == ["sk-ring"] * 3
    assert memory.asked == 1


def test_a_key_that_is_taken_out_of_the_keyring_is_gone(memory: _Keyring) -> None:
    """What was remembered goes with it; taking out what is not there is no error."""
    put_in_keyring("openai", Key("sk-ring"))
    reference = Reference("keyring:openai", where="here")
    reference.resolve()
    reference.forget()
    reference.forget()
    assert memory.held == {}
    with pytest.raises(ConfigError, match="here names an entry that does not exist in the keyring; `segue keys set"):
        reference.resolve()


def test_other_references_have_nothing_to_forget(memory: _Keyring) -> None:
    """Only what is in the keyring is taken out of it."""
    put_in_keyring("openai", Key("sk-ring"))
    Reference("openai").forget()
    assert memory.held


def test_a_keyring_out_of_order_is_a_fault_of_configuration(memory: _Keyring) -> None:
    """What it says is not told, only what kind of error it was: it may hold anything."""
    memory.error = keyring.errors.KeyringLocked(CANARY)
    assert fault_of("keyring:openai") == "here cannot be read from the keyring: KeyringLocked"
    key = Key(CANARY)
    with pytest.raises(ConfigError, match="cannot store the key: KeyringLocked"):
        put_in_keyring("openai", key)
    with pytest.raises(ConfigError, match="cannot remove the key: KeyringLocked"):
        remove_from_keyring("openai")


def test_without_the_extra_the_command_that_adds_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """The keyring package is optional."""
    monkeypatch.setitem(sys.modules, "keyring", None)
    with pytest.raises(ConfigError, match="pip install keyring"):
        Reference("keyring:openai").resolve()


# ── the key store ────────────────────────────────────────────────────────────────────────────────────


def test_the_key_store_keeps_keys_for_its_owner_alone(tmp_path: Path) -> None:
    """Folder and file are made so that nobody else can look in, whatever the umask is."""
    store = KeyStore(tmp_path / "new" / "keys.toml")
    before = os.umask(0)
    try:
        store.set("openai", "sk-one")
        store.set("groq", "env:GROQ")
        store.set("openai", "sk-two")
    finally:
        os.umask(before)
    assert store.path.stat().st_mode & 0o777 == 0o600
    assert store.path.parent.stat().st_mode & 0o777 == 0o700
    assert store.names() == ("groq", "openai")
    kept = store.get("openai")
    assert kept is not None
    assert kept.resolve().get_secret_value() == "sk-two"
    assert [path.name for path in store.path.parent.iterdir()] == ["keys.toml"]
    assert "sk-two" not in repr(store)


def test_a_key_is_removed_once(tmp_path: Path) -> None:
    """Whether there was one is told."""
    store = KeyStore(tmp_path / "keys.toml")
    store.set("openai", "sk-one")
    assert [store.remove("openai"), store.remove("openai")] == [True, False]
    assert (store.names(), store.get("openai")) == ((), None)


@given(
    st.dictionaries(
        st.from_regex(r"[a-z0-9][a-z0-9_.-]{0,8}", fullmatch=True),
        st.text(st.characters(min_codepoint=0x21, max_codepoint=0xFF), min_size=1).filter(
            lambda text: key_fault(text) is None and not text.startswith(("env:", "file:", "keyring:"))
        ),
    )
)
def test_every_key_reads_back_as_it_was_kept(tmp_path_factory: pytest.TempPathFactory, keys: dict[str, str]) -> None:
    """Quotes and backslashes are no danger to the file."""
    store = KeyStore(tmp_path_factory.mktemp("store") / "keys.toml")
    for name, key in keys.items():
        store.set(name, key)
    assert store.names() == tuple(sorted(keys))
    if keys:
        assert tomllib.loads(store.path.read_text("utf-8")) == keys


def test_a_key_store_that_others_may_use_is_refused(tmp_path: Path) -> None:
    """For reading as for writing, and the command that mends it is told."""
    store = KeyStore(tmp_path / "keys.toml")
    store.set("openai", "sk-one")
    store.path.chmod(0o640)
    for use in (store.names, lambda: store.get("openai"), lambda: store.set("x", "k"), lambda: store.remove("openai")):
        with pytest.raises(ConfigError, match=f"the key store {store.path}: .*`chmod 600 "):
            use()


def test_a_link_in_place_of_the_key_store_is_not_followed(tmp_path: Path) -> None:
    """Neither reading nor writing goes where somebody else points."""
    target = private(tmp_path / "target", "")
    store = KeyStore(tmp_path / "keys.toml")
    store.path.symlink_to(target)
    with pytest.raises(ConfigError, match="it is a link"):
        store.set("openai", "sk-one")
    assert target.read_bytes() == b""


def test_a_folder_that_others_may_write_in_is_refused(tmp_path: Path) -> None:
    """They could put another file in its place."""
    folder = tmp_path / "open"
    folder.mkdir()
    folder.chmod(0o777)
    with pytest.raises(ConfigError, match="chmod 700"):
        KeyStore(folder / "keys.toml").set("openai", "sk-one")
    folder.chmod(0o1777)  # as /tmp: there others cannot replace it
    KeyStore(folder / "keys.toml").set("openai", "sk-one")


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"openai = 5", "each value must be text"),
        (f'openai = "{CANARY}" {CANARY}'.encode(), "it is not valid TOML"),
        (b"openai = '\xff'", "not UTF-8"),
        (b"a = " + b"[" * 20_000, "nested too deeply"),
        (b"#" * (MAX_BYTES + 1), "larger than"),
    ],
    ids=["number", "syntax", "bytes", "deep", "huge"],
)
def test_a_key_store_that_cannot_be_read_is_told_without_what_it_holds(
    content: bytes, told: str, tmp_path: Path
) -> None:
    """The error and what hangs on it show no line of the file."""
    store = KeyStore(private(tmp_path / "keys.toml", content))
    with pytest.raises(ConfigError, match=told) as caught:
        store.names()
    assert caught.value.__context__ is None
    assert CANARY not in str(caught.value)


def test_a_line_that_can_be_no_key_is_a_fault_of_its_own_provider(tmp_path: Path) -> None:
    """The others are still there."""
    store = KeyStore(private(tmp_path / "keys.toml", f'a = "{CANARY} two"\nb = "sk-b"\n'))
    with pytest.raises(ConfigError, match=r"keys\.toml: a is not a valid key: it contains white space"):
        store.get("a")
    assert store.get("b") is not None
    with pytest.raises(ValueError, match="is not a valid key"):
        store.set("c", f"{CANARY} two")


def test_a_write_that_fails_leaves_the_old_store_and_no_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The old keys are there, the new one is nowhere."""
    store = KeyStore(tmp_path / "keys.toml")
    store.set("openai", "sk-one")

    def fail(*paths: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(ConfigError, match="No space left"):
        store.set("openai", "sk-two")
    assert [path.name for path in tmp_path.iterdir()] == ["keys.toml"]
    assert "sk-one" in store.path.read_text()
