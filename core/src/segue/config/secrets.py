"""Keys: where they are stored, and how they are read when needed and never shown.

A reference is ``env:NAME``, ``file:PATH``, ``keyring:NAME``, or the key itself. The key is looked up only
when it is used, so a wrong reference is an error only for code that uses that key.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, NoReturn, Self, TypeAlias

from ..errors import ConfigError
from ..frames import forgetful

if TYPE_CHECKING:
    from collections.abc import Mapping

Kind: TypeAlias = Literal["env", "file", "keyring", "given"]
"""The kind of a reference; ``given`` is the key itself."""

KEYRING_SERVICE: Final = "segue"
MAX_BYTES: Final = 64 * 1024
"""Maximum size of a file with a secret."""

_KINDS: Final[tuple[Kind, ...]] = ("env", "file", "keyring")
_VARIABLE: Final = re.compile(r"[^\s=\0]+")
# Only such a name is shown: a key that was written after "env:" by mistake is hardly in capitals.
_SHOWN_VARIABLE: Final = re.compile(r"[A-Z_][A-Z0-9_]*")
_STORE_HEAD: Final = "# Keys of Segue, written by `segue keys`. Other users must not be able to read this file.\n"


class Key:
    """A key that no log, repr or traceback shows. It cannot be pickled: the pickle would contain it in plain text.

    It has the interface of pydantic's SecretStr, without the import of pydantic.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text: Final = text

    def get_secret_value(self) -> str:
        """The key in plain text."""
        return self._text

    def __repr__(self) -> str:
        return f"Key({str(self)!r})"

    def __str__(self) -> str:
        return "**********" if self._text else ""

    def __len__(self) -> int:
        return len(self._text)

    def __eq__(self, other: object) -> bool:
        return self._text == other._text if isinstance(other, Key) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._text)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a key cannot be pickled: the pickle would contain it in plain text")

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self


class Reference:
    """Where a key is stored. `resolve` looks it up each time, but reads the keyring once, as it may ask the user.

    ``where`` is the place of the reference, for errors. ``obstacle`` is why there is no key, as far as this is
    known before anything is opened, else None. ValueError, without the text, if the text is not a valid
    reference.
    """

    __slots__ = ("_environ", "_key", "_last", "_target", "kind", "where")

    def __init__(self, text: str, *, where: str = "", environ: Mapping[str, str] | None = None) -> None:
        kind, target = _split(text)
        self.kind: Final[Kind] = kind
        self.where: Final = where
        self._target: Final = target if kind != "given" else ""
        self._environ: Final = os.environ if environ is None else environ
        self._key = Key(target) if kind == "given" else None
        self._last: Key | None = None  # what it led to last time

    def __repr__(self) -> str:
        return f"<key {self.shown}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a reference to a key cannot be pickled: the pickle could contain the key in plain text")

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self

    @property
    def shown(self) -> str:
        """What may be shown about it: ``env:NAME``, ``file``, ``keyring``, or ``set``."""
        match self.kind:
            case "env":
                return f"env:{self._variable}" if self._variable else "env"
            case "given":
                return "set"
            case kind:
                return kind

    @property
    def obstacle(self) -> str | None:
        if self.kind == "env" and not self._environ.get(self._target):
            return f"{self._place}names the variable {self._variable or '(its name is not shown)'}, which is not set"
        return None

    def resolve(self) -> Key:
        """Look up the key; ConfigError, with ``where``, if it does not exist or must not be used."""
        if self._key is not None:
            return self._key
        match self.kind:
            case "env":
                text = self._environ.get(self._target)
                if not text:
                    raise ConfigError(self.obstacle or f"{self._place}is not set")
                return self._checked(text)
            case "file":
                return self._checked(_first_line(_expanded(self._target), self._place))
            case _:
                self._key = self._checked(self._of_keyring(self._target))
                return self._key

    def forget(self) -> None:
        """Remove the key from the keyring, if it is stored there."""
        if self.kind == "keyring":
            self._key = None
            remove_from_keyring(self._target)

    @property
    def _place(self) -> str:
        return f"{self.where} " if self.where else "it "

    @property
    def _variable(self) -> str | None:
        return self._target if _SHOWN_VARIABLE.fullmatch(self._target) else None

    def _of_keyring(self, name: str) -> str:
        keyring = _keyring()
        from keyring.errors import KeyringError

        try:
            found: str | None = keyring.get_password(KEYRING_SERVICE, name)
        except KeyringError as error:
            raise ConfigError(f"{self._place}cannot be read from the keyring: {type(error).__name__}") from None
        if not found:
            raise ConfigError(
                f"{self._place}names an entry that does not exist in the keyring; "
                "`segue keys set PROVIDER --keyring` creates one"
            )
        return found

    def _checked(self, text: str) -> Key:
        """The key of this text; the same one for as long as the text is, so that who keeps one sees that it changed."""
        last = self._last
        if last is None or last.get_secret_value() != text:
            fault = key_fault(text)
            if fault is not None:
                raise ConfigError(f"{self._place}does not give a valid key: {fault}")
            last = self._last = Key(text)
        return last


def key_fault(text: str) -> str | None:
    """Why a text is not a valid key, in words that do not contain it; None if it is valid."""
    if not text:
        return "it is empty"
    if any(character.isspace() for character in text):
        return "it contains white space"
    if not all("!" <= character <= "~" or "\xa1" <= character <= "\xff" for character in text):
        return "it contains characters that are not allowed in a header"
    return None


def _split(text: str) -> tuple[Kind, str]:
    """Kind and target of a reference; ValueError, without the text, for what can be none."""
    for kind in _KINDS:
        if not text.startswith(f"{kind}:"):
            continue
        target = text.removeprefix(f"{kind}:")
        if kind == "env" and not _VARIABLE.fullmatch(target):
            raise ValueError("must have the name of a variable after 'env:'")
        if kind == "file" and not (target.startswith("~") or Path(target).is_absolute()):
            raise ValueError("must have a path that begins with '/' or '~' after 'file:'")
        if kind == "keyring" and not target:
            raise ValueError("must have a name after 'keyring:'")
        return kind, target
    fault = key_fault(text)
    if fault is not None:
        raise ValueError(f"is not a valid key: {fault}")
    return "given", text


# ── files that only their owner may read ─────────────────────────────────────────────────────────────


def _expanded(target: str) -> Path:
    path = Path(target)
    try:
        return path.expanduser()
    except RuntimeError:  # "~name" of a user that is not there; opening it will say so
        return path


def _first_line(path: Path, place: str) -> str:
    try:
        data = _read_private(path)
    except OSError as error:
        raise ConfigError(f"{place}names the file {path}: {error.strerror or type(error).__name__}") from None
    except ValueError as error:
        raise ConfigError(f"{place}names the file {path}: {error}") from None
    # utf-8-sig: some editors put a mark first. What is no UTF-8 becomes what no key may hold.
    return data.decode("utf-8-sig", "replace").partition("\n")[0].rstrip("\r")


def _read_private(path: Path, *, follow: bool = True) -> bytes:
    """What is in a file that only its owner may read or write; OSError, or ValueError with the reason."""
    # Without O_NONBLOCK a pipe by that name would be waited for.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
    if not follow:
        flags |= getattr(os, "O_NOFOLLOW", 0)
    descriptor = os.open(path, flags)
    try:
        # Of the opened file, not of the name: what stands there may change in between.
        _check_private(os.fstat(descriptor), path)
        with open(descriptor, "rb", closefd=False) as file:
            data = file.read(MAX_BYTES + 1)
    finally:
        os.close(descriptor)
    if len(data) > MAX_BYTES:
        raise ValueError(f"it is larger than {MAX_BYTES // 1024} KiB")
    return data


def _check_private(status: os.stat_result, path: Path) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise ValueError("it is not a regular file")
    if os.name != "posix":
        return  # the modes of other systems say nothing of who may read
    if status.st_uid != os.geteuid():
        raise ValueError("it belongs to another user; it must belong to the user who runs this program")
    if status.st_mode & 0o077:
        import shlex

        raise ValueError(f"other users may read or write it; run `chmod 600 {shlex.quote(str(path))}`")


# ── the keyring ──────────────────────────────────────────────────────────────────────────────────────


def _keyring() -> Any:
    try:
        import keyring  # an extra, and slow: it looks for its backends
    except ImportError:
        raise ConfigError("the keyring needs the package keyring: pip install keyring") from None
    return keyring


def put_in_keyring(name: str, key: Key) -> None:
    """Store a key in the keyring; ConfigError if there is no keyring."""
    keyring = _keyring()
    from keyring.errors import KeyringError

    try:
        keyring.set_password(KEYRING_SERVICE, name, key.get_secret_value())
    except KeyringError as error:
        fault = type(error).__name__
    else:
        return
    # Outside of the handler: the keyring's own frames hold the key.
    raise ConfigError(f"the keyring cannot store the key: {fault}")


def remove_from_keyring(name: str) -> None:
    """Remove a key from the keyring, if it is stored there."""
    keyring = _keyring()
    from keyring.errors import KeyringError, PasswordDeleteError

    try:
        keyring.delete_password(KEYRING_SERVICE, name)
    except PasswordDeleteError:
        return  # it is not there
    except KeyringError as error:
        raise ConfigError(f"the keyring cannot remove the key: {type(error).__name__}") from None


# ── the key store ────────────────────────────────────────────────────────────────────────────────────


class KeyStore:
    """A file of keys or references by provider. ConfigError if other users may read it.

    It is read at each call, so that it contains what another process wrote.
    """

    def __init__(self, path: Path, *, environ: Mapping[str, str] | None = None) -> None:
        self.path: Final = path
        self._environ = environ

    def __repr__(self) -> str:
        return f"KeyStore({str(self.path)!r})"

    @forgetful
    def names(self) -> tuple[str, ...]:
        """The providers that have a key here."""
        return tuple(sorted(self._read()))

    @forgetful
    def get(self, name: str) -> Reference | None:
        """The reference to the key of a provider; the key is not looked up yet."""
        text = self._read().get(name)
        if text is None:
            return None
        where = f"{self.path}: {name}"
        try:
            return Reference(text, where=where, environ=self._environ)
        except ValueError as error:
            fault = str(error)
        raise ConfigError(f"{where} {fault}")

    @forgetful
    def set(self, name: str, text: str) -> None:
        """Store a key, or a reference to one, and replace the old one; ValueError if it is not valid."""
        _split(text)
        self._write({**self._read(), name: text})

    @forgetful
    def remove(self, name: str) -> bool:
        """Remove the key of a provider; True if there was one."""
        keys = self._read()
        if keys.pop(name, None) is None:
            return False
        self._write(keys)
        return True

    def _read(self) -> dict[str, str]:
        import tomllib  # only where there may be a store

        table: dict[str, str] = {}
        try:
            data = _read_private(self.path, follow=False)
            table = tomllib.loads(data.decode())
            fault = None if all(isinstance(value, str) for value in table.values()) else "each value must be text"
        except FileNotFoundError:
            return table
        except OSError as error:
            fault = "it is a link" if self.path.is_symlink() else error.strerror or type(error).__name__
        except UnicodeDecodeError:
            fault = "it is not UTF-8 text"
        except tomllib.TOMLDecodeError:
            fault = "it is not valid TOML"
        except RecursionError:
            fault = "it is nested too deeply"
        except ValueError as error:
            fault = str(error)
        # Outside of the handlers: the context of the error would hold the text, and so the keys.
        if fault is not None:
            raise ConfigError(f"the key store {self.path}: {fault}")
        return table

    def _write(self, keys: Mapping[str, str]) -> None:
        text = _STORE_HEAD + "".join(f"{_quoted(name)} = {_quoted(keys[name])}\n" for name in sorted(keys))
        try:
            _replace_private(self.path, text)
        except OSError as error:
            raise ConfigError(f"the key store {self.path}: {error.strerror or type(error).__name__}") from None


def _replace_private(path: Path, text: str) -> None:
    """Write a file that only its owner may read, whole or not at all."""
    folder = path.parent
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    mode = folder.stat().st_mode
    if os.name == "posix" and mode & 0o022 and not mode & stat.S_ISVTX:
        import shlex

        raise ConfigError(f"other users may write in {folder}; run `chmod 700 {shlex.quote(str(folder))}`")
    import tempfile

    # mkstemp opens with O_EXCL and mode 0600, whatever the umask is.
    descriptor, name = tempfile.mkstemp(dir=folder, prefix=f".{path.name}.")
    try:
        with open(descriptor, "w", encoding="utf-8") as file:  # noqa: PTH123 - a descriptor has no path
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)  # noqa: PTH105 - a link by that name is replaced, not followed
    except BaseException:  # an interrupt too must leave no copy of the keys
        with contextlib.suppress(OSError):
            os.unlink(name)  # noqa: PTH108
        raise
    _sync_folder(folder)


def _sync_folder(folder: Path) -> None:
    """Make a rename last; not every system can."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _quoted(text: str) -> str:
    # What comes here is checked to hold no control character.
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
