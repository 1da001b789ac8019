"""The command line: ``understudy``, or ``python -m understudy``.

Exit codes, the same for every command:

===  ================================================================================================
  0  done
  1  the providers failed, or input or output did; ``doctor`` found something broken
  2  a wrong argument or configuration, a missing key, no candidate
130  interrupted (Ctrl-C)
141  the reader of the output went away (``| head -1``): nothing more is asked for or said
===  ================================================================================================
"""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TYPE_CHECKING, Final, NoReturn

import click

from ..errors import AllFailedError, NeedsSyntaxError, NoCandidateError, ProviderError, UnderstudyError
from .commands import understudy
from .terminal import clean, say

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]

OK: Final = 0
FAILED: Final = 1
WRONG: Final = 2
INTERRUPTED: Final = 130
READER_GONE: Final = 141


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Run a command (``argv`` without the program's name) and leave with its exit code."""
    try:
        code = _run(sys.argv[1:] if argv is None else argv)
        if sys.stdout is not None:
            sys.stdout.flush()
    except BrokenPipeError:
        _drop_output()
        code = READER_GONE
    except OSError as error:
        # What the network raises was turned into our types far below: this is input or output of ours.
        _drop_output()
        say(f"error: input or output failed: {clean(str(error))}")
        code = FAILED
    except KeyboardInterrupt:
        code = INTERRUPTED
    sys.exit(code)


def _run(argv: Sequence[str]) -> int:
    # Not click's own main: it makes an interrupt and a closed pipe exit codes of its own.
    try:
        with understudy.make_context("understudy", list(argv)) as context:
            code = understudy.invoke(context)
    except click.exceptions.Exit as leave:
        return leave.exit_code
    except click.Abort:
        say("")  # the prompt's line is open
        return INTERRUPTED
    except click.ClickException as error:
        error.show()
        return WRONG
    except UnderstudyError as error:
        say(f"error: {_shown(error)}")
        return FAILED if isinstance(error, (ProviderError, AllFailedError)) else WRONG
    return code if isinstance(code, int) else OK


def _shown(error: UnderstudyError) -> str:
    """One line, but where the lines are the message: an explanation, a caret under its place."""
    if isinstance(error, (NoCandidateError, NeedsSyntaxError)):
        return clean(str(error))
    if isinstance(error.__context__, NeedsSyntaxError):
        return clean(str(error))
    text = " ".join(clean(str(error)).split())
    wait = error.retry_after if isinstance(error, ProviderError) else None
    return text if wait is None else f"{text}; it asks to wait {wait:g} s"


def _drop_output() -> None:
    """Let what is still buffered go nowhere, or Python would complain of it while it ends."""
    with contextlib.suppress(OSError, ValueError, AttributeError):  # no descriptor behind it: nothing to do
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
