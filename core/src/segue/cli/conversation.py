"""The prompt loop: a conversation of several turns on a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..display import closest
from ..errors import ConfigError, SegueError
from ..messages import Message, TextPart
from .faults import tell
from .progress import PROGRESS
from .targets import Choice, find_target
from .terminal import one_line, output, say

if TYPE_CHECKING:
    from ..messages import Part
    from .history import History
    from .session import Session
    from .targets import Target

_PROMPT: Final = "> "
_COMMANDS: Final = {
    "/help": ("/help", "this list"),
    "/model": ("/model NAME", "use this model from now on; without a name: show the current model"),
    "/clear": ("/clear", "start a new conversation"),
    "/quit": ("/quit", "end the conversation; Ctrl-D does the same"),
}
_OTHER: Final = (
    ("//TEXT", "send a message that begins with a slash"),
    ("Ctrl-C", "stop the answer; twice at the prompt: end the conversation"),
)


class Conversation:
    """The messages so far, and the target of the next one; ``attached`` is sent with the first message."""

    def __init__(
        self, session: Session, target: Target, history: History, *, system: str | None, attached: tuple[Part, ...]
    ) -> None:
        self._session = session
        self._target = target
        self._history = history
        self._attached = attached
        self._beginning = [] if system is None else [Message(role="system", content=system)]
        self._messages = list(self._beginning)

    def talk(self) -> None:
        """Read, send and show until the user ends the conversation; KeyboardInterrupt if that is by Ctrl-C."""
        self._session.page.remark(one_line(f"talking to {self._target.shown}; /help lists the commands"), faint=True)
        while (line := self._next_line()) is not None:
            if line.startswith("/") and not line.startswith("//"):
                if not self._command(line):
                    return
            else:
                self._say(line.removeprefix("/") if line.startswith("//") else line)
            say("")  # an empty line before the next prompt

    def _next_line(self) -> str | None:
        """The next line that says something; None at its end."""
        was_interrupted = False
        while True:
            try:
                line = input(_PROMPT).strip()
                line.encode()
            except EOFError:
                output().write("\n")
                return None
            except UnicodeError:
                say("error: this is not UTF-8 text")
                continue
            except KeyboardInterrupt:
                output().write("\n")
                if self._history.typed():
                    was_interrupted = False
                elif was_interrupted:
                    raise
                else:
                    was_interrupted = True
                    say("press Ctrl-C again to end the conversation")
                continue
            was_interrupted = False
            PROGRESS.clear()
            if line:
                self._history.add(line)
                return line

    # ── a turn ────────────────────────────────────────────────────────────────────────────────────────

    def _say(self, text: str) -> None:
        content = (TextPart(text=text), *self._attached) if self._attached else text
        messages = [*self._messages, Message(role="user", content=content)]
        try:
            self._session.turn(messages, self._target)
        except KeyboardInterrupt:
            came = self._session.came
            if not came:
                say("note: stopped; the conversation continues without this message")
                return
            # What came was read, and may be talked about.
            messages.append(Message(role="assistant", content=came))
            say("note: stopped")
        except SegueError as error:
            tell(error)
            return
        except OSError:
            raise  # the terminal itself
        except Exception as error:  # whatever it is, the conversation so far is not lost
            tell(error)
            return
        self._messages = messages
        self._attached = ()

    # ── commands ──────────────────────────────────────────────────────────────────────────────────────

    def _command(self, line: str) -> bool:
        """Do what a line with a slash says; whether the conversation goes on."""
        name, _, argument = line.partition(" ")
        match name:
            case "/quit" | "/exit":
                return False
            case "/help":
                for what, meaning in (*_COMMANDS.values(), *_OTHER):
                    say(f"  {what:<12}  {meaning}")
            case "/clear":
                self._messages = list(self._beginning)
                say("new conversation")
            case "/model":
                self._change_model(argument.strip())
            case _:
                near = closest(name, _COMMANDS)
                hint = f"did you mean {near}?" if near else "/help lists them"
                say(f"error: unknown command {one_line(name)}; {hint}")
        return True

    def _change_model(self, name: str) -> None:
        if name:
            try:
                self._target = self._found(name)
            except SegueError as error:
                tell(error)
                return
        say(one_line(f"talking to {self._target.shown}"))

    def _found(self, name: str) -> Target:
        session = self._session
        if " " in name:
            raise ConfigError(f"{name!r} is not the name of a model: it contains a space")
        target, _ = find_target(session.client, Choice(models=(name,)), session.page)
        session.check(target, [*self._messages, Message(role="user", content="Hello")])
        return target
