"""The variables ``SEGUE_…``, and the paths of the user's files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from ..display import closest
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
    """An environment variable and its meaning; it overrides ``key`` of the file."""

    name: str
    meaning: str
    key: tuple[str, ...] = ()
    form: _Form = "text"


VARIABLES: Final[tuple[Variable, ...]] = (
    Variable("SEGUE_CONFIG", "The file to read instead of the usual ones; empty or 0: no file."),
    Variable("SEGUE_KEYS", "The file of the key store; empty or 0: no key store."),
    Variable("SEGUE_NO_NETWORK", "1: forbid every address that is not on this machine."),
    Variable("SEGUE_NO_PLUGINS", "1: do not load installed plugins."),
    Variable(
        "SEGUE_PLUGINS",
        "The only distributions whose plugins are imported, separated by commas; empty: none.",
    ),
    Variable("SEGUE_CACHE", "The folder where the declarations of plugins are cached; empty or 0: no cache."),
    Variable("SEGUE_PROXY", "The proxy for every call.", ("proxy",)),
    Variable("SEGUE_CA_FILE", "A file of certificate authorities to trust.", ("ca_file",)),
    Variable(
        "SEGUE_ENVIRONMENT_PROXIES",
        "1: use HTTP_PROXY, HTTPS_PROXY and NO_PROXY.",
        ("environment_proxies",),
        "flag",
    ),
    Variable("SEGUE_ORDER", "Providers and models that come first, separated by commas.", ("order",), "list"),
    Variable("SEGUE_ORDER_BY", "The order of the rest: price, latency, context, weight.", ("order_by",)),
    Variable("SEGUE_CONCURRENCY", "Maximum number of calls at the same time.", ("concurrency",), "count"),
    Variable("SEGUE_TIMEOUT_CONNECT", "Timeout in seconds for name, socket and TLS.", ("timeout", "connect"), "number"),
    Variable(
        "SEGUE_TIMEOUT_FIRST_EVENT", "Timeout in seconds for the first content.", ("timeout", "first_event"), "number"
    ),
    Variable(
        "SEGUE_TIMEOUT_IDLE", "Timeout in seconds for silence after the first content.", ("timeout", "idle"), "number"
    ),
    Variable("SEGUE_TIMEOUT_TOTAL", "Timeout in seconds for the whole call.", ("timeout", "total"), "number"),
    Variable(
        "SEGUE_DOWNLOADS",
        "1: download images and files for hosts that do not accept addresses.",
        ("downloads", "enabled"),
        "flag",
    ),
    Variable("SEGUE_RETRY_COUNT", "Number of retries of the same candidate.", ("retry", "count"), "count"),
    Variable("SEGUE_RETRY_BASE", "Limit in seconds of the pause before the first retry.", ("retry", "base"), "number"),
    Variable("SEGUE_RETRY_CAP", "Limit in seconds of every pause.", ("retry", "cap"), "number"),
)
"""Every ``SEGUE_…`` variable; those with a key override the files."""


def user_file(environ: Mapping[str, str]) -> Path:
    """The path of the user's file: in ``$XDG_CONFIG_HOME/segue/``, else in ``~/.config/segue/``."""
    # A relative folder counts as none (XDG base directories): it would be the working directory's.
    folder = Path(environ.get("XDG_CONFIG_HOME") or "")
    home = folder if folder.is_absolute() else Path(environ.get("HOME") or Path.home()) / ".config"
    return home / "segue" / FILE_NAME


def keys_file(environ: Mapping[str, str]) -> Path | None:
    """The path of the key store: next to the user's file, or the value of ``SEGUE_KEYS``; None if there is none."""
    named = environ.get("SEGUE_KEYS")
    if named is None:
        return user_file(environ).with_name(KEYS_NAME)
    return None if named in _NOWHERE else Path(named).expanduser()


def named_file(environ: Mapping[str, str]) -> Path | Literal[False] | None:
    """The value of ``SEGUE_CONFIG``: a file, False for no file, or None if it is not set."""
    named = environ.get("SEGUE_CONFIG")
    if named is None:
        return None
    return False if named in _NOWHERE else Path(named).expanduser()


def variables_set(environ: Mapping[str, str]) -> list[Variable]:
    """The `VARIABLES` that are set and override a key."""
    return [variable for variable in VARIABLES if variable.key and environ.get(variable.name)]


def read_value(variable: Variable, text: str) -> object:
    """The value of a variable in the form of the file; ValueError, without the text, if it is not valid."""
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
    """``SEGUE_…`` variables that do not exist, each with the nearest existing name."""
    known = [variable.name for variable in VARIABLES]
    return [(name, closest(name, known)) for name in sorted(environ) if name.startswith(PREFIX) and name not in known]
