"""What each simulated host does: faults by their names in the catalogue, and the file that says when they happen."""

from __future__ import annotations

import tomllib
from dataclasses import field
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from ..errors import ConfigError, ProviderError
from ..errors import ConnectError as _Connect
from ..errors import DNSError as _Name
from ..errors import ProtocolError as _Protocol
from ..errors import StreamBrokenError as _Broken
from ..errors import TLSError as _Trust
from ..values import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

TEXT: Final = "Here is an answer that is long enough to break off somewhere, and short enough to be read at a glance."


@dataclass(frozen=True, slots=True)
class Fault:
    """One way to fail: where in a call, and with a status, an error, or (without both) silence."""

    title: str
    at: Literal["connect", "headers", "first_event", "middle", "end"]
    status: int | None = None
    fields: Mapping[str, object] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    error: Callable[[], ProviderError] | None = None


def _says(error: type[ProviderError], message: str, **fields: Any) -> Callable[[], ProviderError]:
    return lambda: error(message, **fields)


FAULTS: Final[Mapping[str, Fault]] = {
    "F01": Fault("the connection is refused", "connect", error=_says(_Connect, "cannot connect")),
    "F02": Fault("the connection is not answered", "connect"),
    "F03": Fault("the name does not resolve", "connect", error=_says(_Name, "the host's name does not resolve")),
    "F04": Fault("no trusted TLS connection", "connect", error=_says(_Trust, "no trusted TLS connection")),
    "F05": Fault(
        "the host disconnects while the request is sent", "headers", error=_says(_Connect, "closed", phase="send")
    ),
    "F07": Fault(
        "the host disconnects inside its headers", "headers", error=_says(_Connect, "closed", phase="headers")
    ),
    "F08": Fault("silence before the headers", "headers"),
    "F09": Fault("silence after the headers", "first_event"),
    "F10": Fault("silence in the middle", "middle"),
    "F12": Fault("the answer is cut in the middle", "middle", error=_says(_Broken, "the connection broke")),
    "F20": Fault("a line without an end", "middle", error=_says(_Protocol, "a line is too long")),
    "F22": Fault("broken JSON in the middle", "middle", error=_says(_Protocol, "an event is not JSON")),
    "F27": Fault("an answer without an end marker", "end", error=_says(_Broken, "the end marker is missing")),
    "F31": Fault(
        "an HTML page instead of an answer", "first_event", error=_says(_Protocol, "the body is not an answer")
    ),
    "F32": Fault("an error inside the stream", "middle", 529, {"type": "overloaded_error"}),
    "F35": Fault("429, retry after 20 s", "headers", 429, headers={"retry-after": "20"}),
    "F36": Fault("429, the quota is used up", "headers", 429, {"code": "insufficient_quota"}),
    "F37": Fault("401, the key is refused", "headers", 401),
    "F38": Fault("404, the model does not exist", "headers", 404),
    "F39": Fault("400, the request is wrong", "headers", 400),
    "F40": Fault("400, the context is too long", "headers", 400, {"code": "context_length_exceeded"}),
    "F41": Fault("413, the body is too large", "headers", 413),
    "F42": Fault("400, the content filter", "headers", 400, {"code": "content_filter"}),
    "F43": Fault("500", "headers", 500),
    "F44": Fault("503, overloaded", "headers", 503),
    "F45": Fault("409", "headers", 409),
    "F46": Fault("a redirect", "headers", 307),
    "F47": Fault(
        "a response that is not HTTP", "headers", error=_says(_Protocol, "the answer is not HTTP", phase="headers")
    ),
}
"""Faults by their ids in the catalogue."""

ANSWERS: Final[Mapping[str, str]] = {
    "ok": "a normal answer",
    "slow": "a normal answer whose first word takes ten times as long",
    "empty": "an empty answer",
    "truncated": "half an answer, ended by the token limit",
    "filtered": "half an answer, ended by the content filter",
}
"""The other steps, which are not failures of a host."""


class _Table(BaseModel):
    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Step(_Table):
    """What a simulated host does with one call; ``after`` is the number of words before a fault in the middle."""

    does: str
    after: Annotated[int, Field(ge=0)] = 6


def _step(given: object) -> object:
    return {"does": given} if isinstance(given, str) else given


class Part(_Table):
    """The behavior of a target: its steps, one for each request; the last one is repeated.

    ``first`` is the time in seconds until the first word, ``gap`` the time between two words.
    """

    steps: tuple[Annotated[Step, BeforeValidator(_step)], ...] = (Step(does="ok"),)
    first: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.4
    gap: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.05

    def step(self, request: int) -> Step:
        """The step for a request, counted from 0."""
        return self.steps[min(request, len(self.steps) - 1)]


class Script(_Table):
    """The script of a rehearsal: the whole answer, and the part of each target, by ``provider/model`` or provider."""

    text: Annotated[str, Field(min_length=1)] = TEXT
    targets: dict[str, Part] = Field(default_factory=dict)


def checked(script: Script) -> Script:
    """The script; ConfigError if it has an unknown step."""
    for name, part in script.targets.items():
        if not part.steps:
            raise ConfigError(f"{name}: expected at least one step")
        for step in part.steps:
            if step.does not in FAULTS and step.does not in ANSWERS:
                raise ConfigError(
                    f"{name}: unknown step {step.does!r}; expected one of {', '.join([*ANSWERS, *FAULTS])}"
                )
    return script


def read_script(path: Path) -> Script:
    """Read the script from a file; ConfigError if it cannot be read or is not a script."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ConfigError(f"{path}: {reason}") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: {error}") from None
    try:
        return checked(Script.model_validate(table))
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(str(place) for place in first["loc"])
        raise ConfigError(f"{path}: {where}: {first['msg']}") from None


def with_faults(script: Script, faults: Mapping[str, tuple[str, ...]]) -> Script:
    """The script with these steps, by target, instead of its own."""
    parts = dict(script.targets)
    for name, steps in faults.items():
        part = parts.get(name, Part())
        parts[name] = part.model_copy(update={"steps": tuple(Step(does=step) for step in steps)})
    return checked(script.model_copy(update={"targets": parts}))
