"""``segue chat``: one message and its answer, or, without a message, a conversation."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TYPE_CHECKING, Any, Final

import click

from ..errors import NoCandidateError
from ..messages import Message, TextPart
from ..values import dataclass
from .attachments import read_attachments
from .progress import PROGRESS
from .replies import reply_as_json
from .schemas import read_schema
from .session import Manner, Session
from .targets import find_target, remark_broken
from .terminal import Page, is_terminal, write_json
from .tools import Tools

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ..client.client import Client
    from ..messages import Part
    from .targets import Choice


@dataclass(frozen=True, slots=True)
class Question:
    """What the command line asks for; ``message`` comes from the arguments only."""

    message: str
    choice: Choice
    settings: Mapping[str, Any]
    system: str | None = None
    schema: str | None = None
    images: tuple[str, ...] = ()
    audio: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    tools: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Form:
    """How the request is sent and the answer is shown."""

    as_json: bool = False
    trace: bool = False
    whole: bool = False
    reasoning: bool = False
    yes: bool = False
    rounds: int = 20
    history: bool = True


def ask(question: Question, form: Form, *, config: str | None, needed: bool = True) -> bool:
    """Send the question and print the answer, or start a conversation; failures are raised.

    False if there is nothing to send, which is an error if a message is ``needed``.
    """
    page = Page()  # before anything is read or asked: nobody is asked where no answer could be shown
    attached = read_attachments(question.images, question.audio, question.files)
    schema = None if question.schema is None else read_schema(question.schema)
    tools = Tools(question.tools, ask_first=not form.yes)
    manner = Manner(
        settings=question.settings,
        schema=schema,
        whole=form.whole or form.as_json or schema is not None,
        reasoning=form.reasoning,
        trace=form.trace,
        as_json=form.as_json,
        rounds=form.rounds,
    )
    said = "\n\n".join(part for part in (question.message, _piped()) if part.strip())
    talks = not said and not form.as_json and is_terminal(sys.stdin) and is_terminal(sys.stdout)
    if not said and not talks:
        if not needed:
            return False
        raise click.UsageError("there is no message: give one as an argument, or pipe one in")
    with Session(config, page, manner, tools) as session:
        target, _ = find_target(session.client, question.choice, page)
        if talks:
            from .conversation import Conversation
            from .history import History, history_file

            with _remarking(session.client, page):
                session.check(target, _messages(question.system, "Hello", attached))
            history = History(history_file(os.environ) if form.history else None)
            Conversation(session, target, history, system=question.system, attached=attached).talk()
            return True
        with _remarking(session.client, page):
            reply = session.turn(_messages(question.system, said, attached), target)
    if form.as_json:
        write_json(reply_as_json(reply))
    return True


@contextlib.contextmanager
def _remarking(client: Client, page: Page) -> Iterator[None]:
    """If there is no candidate, say which plugins are broken: the wanted provider may be one of them."""
    try:
        yield
    except NoCandidateError:
        remark_broken(client, page)
        raise


def _messages(system: str | None, said: str, attached: tuple[Part, ...]) -> list[Message]:
    content = (TextPart(text=said), *attached) if attached else said
    beginning = [] if system is None else [Message(role="system", content=system)]
    return [*beginning, Message(role="user", content=content)]


_MOST_PIPED: Final = 16 * 1024 * 1024
"""A message above this size is a mistake: no model reads as much."""


def _piped() -> str:
    """What is piped in; empty on a terminal."""
    if sys.stdin is None or is_terminal(sys.stdin):  # None after `<&-`
        return ""
    try:
        # Whoever started it may have left a pipe open that says nothing: then it waits for ever, and says so.
        with PROGRESS.during("reading the message from stdin, up to its end", always=True):
            piped = sys.stdin.buffer.read(_MOST_PIPED + 1)
        if len(piped) > _MOST_PIPED:
            raise click.UsageError(f"the piped input is larger than {_MOST_PIPED >> 20} MiB")
        # A message is UTF-8, whatever the locale says of other files.
        return piped.decode()
    except UnicodeDecodeError:
        raise click.UsageError("the piped input is not UTF-8 text") from None
