"""A command that the tests fork is what a shell would start."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest
from fork_server import ForkServer

if TYPE_CHECKING:
    from command_line import CommandLine


@pytest.mark.parametrize(
    ("arguments", "stdin"),
    [
        (["--version"], b""),
        (["models", "--json"], b""),
        (["chat", "-m", "rehearsal", "Hello"], b""),
        (["chat", "-m", "rehearsal"], "Grüße\n".encode()),
        (["no-such-command"], b""),
        (["chat", "-m", "broken/1", "Hello"], b""),
        (["chat", "-m", "nobody/nothing", "Hello", "--json"], b""),
    ],
)
async def test_it_prints_and_ends_as_a_process_of_its_own(cli: CommandLine, arguments: list[str], stdin: bytes) -> None:
    """Output, errors and exit code are the same to the letter."""
    cli.plugin("broken", "raise ValueError('on purpose')")
    alone = await cli.alone(*arguments, stdin=stdin)
    assert await cli(*arguments, stdin=stdin) == alone


async def test_the_end_by_a_signal_is_reported(cli: CommandLine) -> None:
    """A command that was killed ends with the negative number of the signal."""
    server = ForkServer()
    read, write = os.pipe()
    try:
        process = await server.run(["chat", "-m", "rehearsal"], cli.folder, cli.environ, (read, 2, 2))
        process.send_signal(signal.SIGKILL)
        assert await process.wait() == -signal.SIGKILL
    finally:
        os.close(read)
        os.close(write)


def test_another_start_is_not_forked(cli: CommandLine) -> None:
    """What Python or a library reads only at its start is not changed by a fork."""
    server = ForkServer()
    assert server.serves(cli.environ)
    assert server.serves(cli.environ | {"OPENAI_API_KEY": "sk-1", "PYTHONPATH": str(cli.folder)})
    assert not server.serves(cli.environ | {"PYTHONIOENCODING": "latin-1"})
    assert not server.serves(cli.environ | {"LC_ALL": "C"})
