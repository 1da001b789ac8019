"""The command line: ``segue``, or ``python -m segue``.

Exit codes, the same for every command:

===  ================================================================================================
  0  done
  1  the providers failed, or input or output failed; ``doctor`` found something broken
  2  a wrong argument or configuration, a missing key, no candidate
130  interrupted (Ctrl-C)
141  the reader of the output closed it (``| head -1``): nothing more is requested or printed
===  ================================================================================================
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from typing import TYPE_CHECKING, Final, NoReturn

import click

from ..errors import SegueError
from .commands import segue
from .completion import complete, completing
from .faults import failure_as_json, is_failure, is_json, tell
from .terminal import clean, say, tell_interrupt, write_json

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
    # Else pydantic, for plugins of its own, reads the entry points of all that is installed at each start, and fails
    # where one list is damaged.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    _hold_descriptors()
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
        tell_interrupt()
        code = INTERRUPTED
    _leave_interrupts_to_the_system()
    sys.exit(code)


def _hold_descriptors() -> None:
    """Keep our files and sockets away from the numbers of closed standard streams: other code writes there."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            with contextlib.suppress(OSError):
                os.open(os.devnull, os.O_RDWR)  # the lowest free number, which is this one


def _leave_interrupts_to_the_system() -> None:
    """What is left to do is Python's own, which would print where it was interrupted."""
    with contextlib.suppress(ValueError):  # not in the main thread
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, signal.SIG_DFL)


def _run(argv: Sequence[str]) -> int:
    if completing():
        return complete(segue)
    # Not click's own main: it makes an interrupt and a closed pipe exit codes of its own.
    try:
        with segue.make_context("segue", list(argv)) as context:
            return _invoked(context)
    except click.exceptions.Exit as leave:
        return leave.exit_code
    except click.ClickException as error:
        if is_json(argv):
            write_json(failure_as_json(error))
        error.show()
        return WRONG


def _invoked(context: click.Context) -> int:
    try:
        code = segue.invoke(context)
    except click.Abort:
        tell_interrupt(after_prompt=True)
        return INTERRUPTED
    except SegueError as error:
        tell(error)
        return FAILED if is_failure(error) else WRONG
    except (click.ClickException, click.exceptions.Exit, OSError):
        raise
    except Exception as error:  # whatever it is, a user is told of it in one line
        tell(error)
        return FAILED
    return code if isinstance(code, int) else OK


def _drop_output() -> None:
    """Let what is still buffered go nowhere, or Python would complain of it while it ends."""
    with contextlib.suppress(OSError, ValueError, AttributeError):  # no descriptor behind it: nothing to do
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
