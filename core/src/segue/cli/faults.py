"""How a failure is printed: the error, the host's message, hints, and with ``--debug`` where it happened."""

from __future__ import annotations

import contextlib
import itertools
import traceback
from typing import TYPE_CHECKING, Any, Final

import click

from ..errors import (
    AllFailedError,
    ConfigError,
    NeedsSyntaxError,
    NoCandidateError,
    PluginError,
    ProviderError,
    SegueError,
    UnsupportedError,
    leaves,
)
from .terminal import clean, one_line, say, write_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_MOST_NOTES: Final = 5
"""How many notes of an error are shown below it."""

_JSON: Final = "segue.as_json"
_OPTION: Final = "--json"


def tell(error: BaseException) -> None:
    """Print the failure on stderr and, with ``--json``, as an object on stdout."""
    _tell_json(error)
    if debugging():
        say(clean("".join(traceback.format_exception(error))).rstrip())
    else:
        say(f"error: {told(error)}")


def told(error: BaseException) -> str:
    """The error on one line, unless its lines are the message; below it each note on a line."""
    notes = list(dict.fromkeys(_notes(error)))
    if _is_of_a_plugin(error):
        notes.append("hint: `segue --debug …` shows the traceback of the plugin's error")
    more = len(notes) - _MOST_NOTES
    if more > 0:
        notes = [*notes[: _MOST_NOTES - 1], f"… {more + 1} more notes; --debug shows them"]
    return "\n".join([_message(error), *(f"  {note}" for note in notes)])


def _is_of_a_plugin(error: BaseException) -> bool:
    """Whether code of a plugin raised another error, whose traceback says more."""
    if isinstance(error, AllFailedError):
        return any(map(_is_of_a_plugin, leaves(error)))
    is_plugins = isinstance(error, PluginError) or (isinstance(error, ProviderError) and error.phase == "plugin")
    return is_plugins and error.__cause__ is not None and not isinstance(error.__cause__, SegueError)


def _notes(error: BaseException) -> Iterator[str]:
    """The notes of an error, and of a group those of each, with the name of whose they are."""
    for note in getattr(error, "__notes__", ()):
        yield one_line(str(note))
    if isinstance(error, AllFailedError):
        groups = [(one.provider, list(_notes(one))) for one in leaves(error)]
        several = len({provider for provider, _ in groups}) > 1
        for provider, notes in groups:
            for note in notes:
                yield f"{one_line(provider)}: {note}" if provider and several else note


def _message(error: BaseException) -> str:
    """One line, but where the lines are the message: an explanation, a caret under its place."""
    if isinstance(error, NoCandidateError):
        return clean(str(error))
    if isinstance(error, NeedsSyntaxError) or isinstance(error.__context__, NeedsSyntaxError):
        return clean(str(error))
    if isinstance(error, ConfigError):  # a line for each fault of a file
        return "\n".join(" ".join(clean(line).split()) for line in str(error).splitlines())
    text = " ".join(clean(str(error)).split())
    if not isinstance(error, SegueError):
        return f"{type(error).__name__}: {text} (this is a bug of Segue or of a plugin: --debug shows where)"
    made = len(getattr(error, "attempts", ()))
    if made > 1 and isinstance(error, ProviderError):
        text = f"{text} (after {made} attempts)"
    wait = error.retry_after if isinstance(error, ProviderError) else None
    return text if wait is None else f"{text}; the host asks to wait {wait:g} s"


def is_failure(error: BaseException) -> bool:
    """Whether a provider or Segue failed; False if an argument or the configuration is wrong.

    What a model or its wire does not support was never sent: its request was wrong.
    """
    if isinstance(error.__cause__, ConfigError):
        return False  # a key that is not to be had
    each = leaves(error) if isinstance(error, AllFailedError) else [error]
    if all(isinstance(one, UnsupportedError) for one in each):
        return False
    return isinstance(error, (ProviderError, AllFailedError)) or not isinstance(error, SegueError)


def failure_as_json(error: BaseException) -> dict[str, Any]:
    """What ``--json`` prints for a failure; a field in which several failures differ is null."""
    if isinstance(error, click.exceptions.NoArgsIsHelpError):  # its message is the whole help
        error = click.UsageError("no command and no message was given")
    of = leaves(error) if isinstance(error, AllFailedError) else [error]
    status, code, said = (
        _common([getattr(one, name, None) for one in of]) for name in ("status", "code", "host_message")
    )
    text = error.format_message() if isinstance(error, click.ClickException) else str(error)
    return {
        "error": {
            "type": type(error).__name__,
            "status": status,
            "code": code,
            "message": clean(text).strip(),
            "host_message": said,
        }
    }


def _common(values: Sequence[object]) -> object:
    return values[0] if all(value == values[0] for value in values) else None


def as_json_option(context: click.Context, _parameter: click.Parameter, value: bool) -> bool:
    """The callback of ``--json``: a failure of this command is printed as JSON too."""
    if value:
        context.meta[_JSON] = True
    return value


def is_json(arguments: Sequence[str]) -> bool:
    """Whether a command line asks for JSON, also one that cannot be parsed."""
    return _OPTION in itertools.takewhile(lambda argument: argument != "--", arguments)


def _tell_json(error: BaseException) -> None:
    """Print the failure as an object on stdout, if ``--json`` was given."""
    context = click.get_current_context(silent=True)
    if context is not None and context.meta.get(_JSON):
        write_json(failure_as_json(error))


def debugging() -> bool:
    """Whether ``--debug`` was given."""
    context = click.get_current_context(silent=True)
    return context is not None and bool(context.find_root().params.get("debug"))


@contextlib.contextmanager
def as_argument(name: str = "") -> Iterator[None]:
    """Report a wrong value or type as an error of the argument of this name."""
    try:
        yield
    except SegueError:
        raise  # some are ValueErrors too
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{name}: {error}" if name else str(error)) from error
