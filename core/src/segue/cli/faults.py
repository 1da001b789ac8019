"""How a failure is told: one line that names the fix; with ``--debug`` where it happened."""

from __future__ import annotations

import contextlib
import traceback
from typing import TYPE_CHECKING

import click

from ..errors import AllFailedError, ConfigError, NeedsSyntaxError, NoCandidateError, ProviderError, SegueError
from .terminal import clean, say

if TYPE_CHECKING:
    from collections.abc import Iterator


def tell(error: BaseException) -> None:
    """The failure on stderr."""
    if debugging():
        say(clean("".join(traceback.format_exception(error))).rstrip())
    else:
        say(f"error: {told(error)}")


def told(error: BaseException) -> str:
    """One line, but where the lines are the message: an explanation, a caret under its place."""
    if isinstance(error, NoCandidateError):
        return clean(str(error))
    if isinstance(error, NeedsSyntaxError) or isinstance(error.__context__, NeedsSyntaxError):
        return clean(str(error))
    if isinstance(error, ConfigError):  # a line for each fault of a file
        return "\n".join(" ".join(clean(line).split()) for line in str(error).splitlines())
    text = " ".join(clean(str(error)).split())
    if not isinstance(error, SegueError):
        return f"{type(error).__name__}: {text} (a fault of Segue's or of a plugin's: --debug shows where)"
    wait = error.retry_after if isinstance(error, ProviderError) else None
    return text if wait is None else f"{text}; it asks to wait {wait:g} s"


def is_failure(error: BaseException) -> bool:
    """Whether it is a provider's failure or a fault of ours, not of an argument or the configuration."""
    if isinstance(error.__cause__, ConfigError):
        return False  # a key that is not to be had
    return isinstance(error, (ProviderError, AllFailedError)) or not isinstance(error, SegueError)


def debugging() -> bool:
    """Whether ``--debug`` was given."""
    context = click.get_current_context(silent=True)
    return context is not None and bool(context.find_root().params.get("debug"))


@contextlib.contextmanager
def as_argument(name: str = "") -> Iterator[None]:
    """Make a wrong value or type a fault of the argument of this name."""
    try:
        yield
    except SegueError:
        raise  # some are ValueErrors too
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{name}: {error}" if name else str(error)) from error
