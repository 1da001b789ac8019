"""The variables ``SEGUE_…`` and where the user's files are."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from ..values import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping

FILE_NAME: Final = "segue.toml"
KEYS_NAME: Final = "keys.toml"
PREFIX: Final = "SEGUE_"

_Form: TypeAlias = Literal["text", "list", "flag", "count", "number"]
_NOWHERE: Final = frozenset({"", "0"})
_FLAGS: Final[Mapping[str, bool]] = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable that is read, and what it says; ``key`` is the key of the file that it stands above."""

    name: str
    meaning: str
    key: tuple[str, ...] = ()
    form: _Form = "text"


VARIABLES: Final[tuple[Variable, ...]] = (
    Variable("SEGUE_CONFIG", "The file to read instead of the usual ones; empty or 0 is none at all."),
    Variable("SEGUE_KEYS", "The file of the key store; empty or 0 is none at all."),
    Variable("SEGUE_NO_NETWORK", "1 forbids every address that is not on this machine."),
    Variable("SEGUE_NO_PLUGINS", "1 leaves installed plugins alone."),
    Variable(
        "SEGUE_PLUGINS",
        "The distributions whose plugins are imported and no others, separated by commas; empty is none.",
    ),
    Variable("SEGUE_CACHE", "The folder where it is kept what plugins declare; empty or 0 is none."),
    Variable("SEGUE_PROXY", "The proxy of every call.", ("proxy",)),
    Variable("SEGUE_CA_FILE", "A file of certificate authorities to trust.", ("ca_file",)),
    Variable(
        "SEGUE_ENVIRONMENT_PROXIES",
        "1 uses HTTP_PROXY, HTTPS_PROXY and NO_PROXY.",
        ("environment_proxies",),
        "flag",
    ),
    Variable("SEGUE_ORDER", "Providers and models to ask first, separated by commas.", ("order",), "list"),
    Variable("SEGUE_ORDER_BY", "What to order the rest by: price, latency, context, weight.", ("order_by",)),
    Variable("SEGUE_CONCURRENCY", "How many calls may run at the same time.", ("concurrency",), "count"),
    Variable("SEGUE_TIMEOUT_CONNECT", "Seconds for name, socket and TLS.", ("timeout", "connect"), "number"),
    Variable("SEGUE_TIMEOUT_FIRST_EVENT", "Seconds until the first content.", ("timeout", "first_event"), "number"),
    Variable("SEGUE_TIMEOUT_IDLE", "Seconds of silence after it.", ("timeout", "idle"), "number"),
    Variable("SEGUE_TIMEOUT_TOTAL", "Seconds for the whole call.", ("timeout", "total"), "number"),
    Variable(
        "SEGUE_DOWNLOADS",
        "1 downloads images and files for hosts that take no addresses.",
        ("downloads", "enabled"),
        "flag",
    ),
    Variable("SEGUE_RETRY_COUNT", "How often the same candidate is asked again.", ("retry", "count"), "count"),
    Variable("SEGUE_RETRY_BASE", "Seconds of the first pause at most.", ("retry", "base"), "number"),
    Variable("SEGUE_RETRY_CAP", "Seconds of any pause at most.", ("retry", "cap"), "number"),
)
"""Every variable of our own that is read; those with a key stand above the files."""


def user_file(environ: Mapping[str, str]) -> Path:
    """Where the user's own file is: ``$XDG_CONFIG_HOME/segue/``, else ``~/.config/segue/``."""
    # A relative folder counts as none (XDG base directories): it would be the working directory's.
    folder = Path(environ.get("XDG_CONFIG_HOME") or "")
    home = folder if folder.is_absolute() else Path(environ.get("HOME") or Path.home()) / ".config"
    return home / "segue" / FILE_NAME


def keys_file(environ: Mapping[str, str]) -> Path | None:
    """Where the key store is: beside the user's file, or where ``SEGUE_KEYS`` says; None is nowhere."""
    named = environ.get("SEGUE_KEYS")
    if named is None:
        return user_file(environ).with_name(KEYS_NAME)
    return None if named in _NOWHERE else Path(named).expanduser()


def named_file(environ: Mapping[str, str]) -> Path | Literal[False] | None:
    """What ``SEGUE_CONFIG`` says: a file, no file at all (False), or nothing (None)."""
    named = environ.get("SEGUE_CONFIG")
    if named is None:
        return None
    return False if named in _NOWHERE else Path(named).expanduser()


def variables_set(environ: Mapping[str, str]) -> list[Variable]:
    """Those of `VARIABLES` that stand above a key and say something."""
    return [variable for variable in VARIABLES if variable.key and environ.get(variable.name)]


def read_value(variable: Variable, text: str) -> object:
    """What a variable's text says, as the file would have it; ValueError, without the text, if nothing."""
    match variable.form:
        case "text":
            return text
        case "list":
            return [name.strip() for name in text.split(",") if name.strip()]
        case "flag":
            flag = _FLAGS.get(text.strip().lower())
            if flag is None:
                raise ValueError("must be 1 or 0")
            return flag
        case "count":
            return _number(text, int, "must be a whole number")
        case "number":
            return _number(text, float, "must be a number")


def _number(text: str, kind: type[int | float], fault: str) -> int | float:
    try:
        return kind(text)
    except ValueError:
        pass  # its message holds the text
    raise ValueError(fault)


def unknown_variables(environ: Mapping[str, str]) -> list[tuple[str, str | None]]:
    """Variables that look like ours and are not, each with the nearest that is."""
    import difflib  # slow to import: only where a nearest name is wanted

    known = [variable.name for variable in VARIABLES]
    return [
        (name, next(iter(difflib.get_close_matches(name, known, n=1)), None))
        for name in sorted(environ)
        if name.startswith(PREFIX) and name not in known
    ]
