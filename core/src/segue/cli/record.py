"""``segue record``: a cassette of one exchange with a real host, without secrets."""

from __future__ import annotations

import asyncio
import contextlib
import os
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypedDict

from ..errors import ConfigError, HTTPError
from ..messages import Message, TextPart
from ..resilience import Retry
from ..selection import no_candidate
from ..testing.recording import Reading, RecordingClient, cassette_of
from ..values import dataclass
from .attachments import read_attachments
from .faults import as_argument
from .progress import PROGRESS
from .schemas import read_schema
from .targets import Choice, find_target, remark_broken
from .terminal import Page, one_line, output, reserved
from .tools import Tools
from .waiting import Waiting, observing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..testing import Cassette
    from ..testing.recording import Take

_OF_THE_CONNECTION: Final = frozenset({"connection", "content-encoding", "content-length", "transfer-encoding"})


@dataclass(frozen=True, slots=True)
class Exchange:
    """The request that the command line describes."""

    message: str
    model: str | None
    needs: str | None
    settings: Mapping[str, Any]
    system: str | None = None
    schema: str | None = None
    images: tuple[str, ...] = ()
    audio: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    tools: tuple[str, ...] = ()
    whole: bool = False
    embed: bool = False


@dataclass(frozen=True, slots=True)
class Keeping:
    """Where the cassette is written, and what it may contain."""

    to: str | None = None
    api: str | None = None
    force: bool = False
    allow_error: bool = False


class _Asked(TypedDict):
    features: list[str]
    messages: list[Message]
    schema: Any
    asking: dict[str, Any]


def record(exchange: Exchange, keeping: Keeping, *, config: str | None) -> None:
    """Send the request, and write the cassette; failures are raised, and leave no file."""
    place = _Place(keeping)
    asked = _asked(exchange)
    page = Page()
    # Asked once: a second try would be another exchange.
    waiting = Waiting()
    observers = (observing(waiting),)
    with reserved(), PROGRESS.during("loading plugins"):
        client = RecordingClient(
            config=True if config is None else config, retry=Retry(count=0), breaker=None, observers=observers
        )
    with asyncio.Runner() as runner:
        try:
            name = _name(client, exchange, page)
            with PROGRESS.during(waiting):
                reading = runner.run(_reading(client, name, exchange, asked, allow_error=keeping.allow_error))
        finally:
            runner.run(client.aclose())
    provider = name.partition("/")[0]
    if not client.takes:
        raise ConfigError(f"{provider} made no call that can be recorded: it does not use Segue's transport")
    take = client.takes[-1]
    scrubber = client.scrubber(provider, take)
    cassette = cassette_of(
        take,
        reading,
        scrubber,
        provider=provider,
        api=keeping.api or client.wire_of(provider, take),
        url=client.address(provider, take),
    )
    cassette, path = place.of(cassette)
    _write(path, cassette.write(), force=keeping.force)
    if len(client.takes) > 1:
        page.remark(f"note: {len(client.takes)} calls were made; the last one is kept")
    _remark_left_out(take, cassette, scrubber.touched, page)
    output().write(f"{path}\t{_told(cassette)}\n")


def _asked(exchange: Exchange) -> _Asked:
    """What is sent, and the words for it."""
    attached = read_attachments(exchange.images, exchange.audio, exchange.files)
    schema = None if exchange.schema is None else read_schema(exchange.schema)
    tools = Tools(exchange.tools, ask_first=False).declared  # declared alone: what is called is only recorded
    content = (TextPart(text=exchange.message), *attached) if attached else exchange.message
    beginning = [] if exchange.system is None else [Message(role="system", content=exchange.system)]
    asking = dict(exchange.settings)
    if tools:
        asking["tools"] = tools
    holds = {
        "system_prompt": exchange.system is not None,
        "structured_output": schema is not None,
        "images_in": bool(exchange.images),
        "audio": bool(exchange.audio),
        "files": bool(exchange.files),
        "tools_offered": bool(tools),
        "reasoning_requested": "reasoning_effort" in exchange.settings,
    }
    return {
        "features": [name for name, there in holds.items() if there],
        "messages": [*beginning, Message(role="user", content=content)],
        "schema": schema,
        "asking": asking,
    }


def _name(client: RecordingClient, exchange: Exchange, page: Page) -> str:
    """The one candidate that is asked, as provider/model."""
    needs = exchange.needs
    if exchange.embed:
        # Of a model that is named it need not be known; of the others it must be.
        needs = ", ".join(filter(None, ["embeddings?" if exchange.model else "embeddings", needs]))
    models = () if exchange.model is None else (exchange.model,)
    _, selections = find_target(client, Choice(models=models, needs=needs), page)
    ready = [candidate for candidate in selections[-1].candidates if candidate.consent or len(selections) > 1]
    if not ready:
        remark_broken(client, page)
        raise no_candidate(selections[-1])
    name = ready[0].provider
    if client.registry.installed[name].spec.access == "offline":
        raise ConfigError(f"{name} is offline: it has no exchange with a host that could be recorded")
    return ready[0].name


async def _reading(
    client: RecordingClient, name: str, exchange: Exchange, asked: _Asked, *, allow_error: bool
) -> Reading:
    features, streams = asked["features"], not (exchange.whole or exchange.embed)
    try:
        with as_argument():
            if exchange.embed:
                return Reading(vectors=await client.embed(exchange.message, model=name))
            messages, schema, asking = asked["messages"], asked["schema"], asked["asking"]
            if exchange.whole:
                return Reading(await client.chat(messages, model=name, schema=schema, **asking), asked=features)
            stream = client.stream(messages, model=name, schema=schema, **asking)
        async with stream:
            return Reading(await stream.reply(), asked=features, streams=True)
    except HTTPError as error:
        if not allow_error:
            raise
        return Reading(error=error, asked=features, streams=streams)


# ── the file ─────────────────────────────────────────────────────────────────────────────────────────


class _Place:
    """The file of the cassette; if it cannot be written, the error comes before any request."""

    def __init__(self, keeping: Keeping) -> None:
        given = Path(keeping.to or ".").expanduser()
        self._force = keeping.force
        is_folder = given.is_dir() or (keeping.to or "").endswith(("/", os.sep))
        self._folder = given if is_folder else given.parent
        self._file = None if is_folder else given
        if not self._folder.is_dir():
            raise ConfigError(f"-o {keeping.to}: the folder {self._folder} does not exist")
        if not os.access(self._folder, os.W_OK):
            raise ConfigError(f"-o {keeping.to}: the folder {self._folder} is not writable; check its permissions")
        if self._file is not None:
            self._refuse_old(self._file)

    def _refuse_old(self, path: Path) -> None:
        if not self._force and path.exists():
            raise ConfigError(f"{path} already exists; --force overwrites it")

    def of(self, cassette: Cassette) -> tuple[Cassette, Path]:
        """The cassette under its own name, and its file."""
        if self._file is None:
            path = self._folder / f"{cassette.id}.json"
            self._refuse_old(path)
            return cassette, path
        named = "".join(character if (character.isascii() and character.isalnum()) or character in "._-" else "-"
                        for character in self._file.stem).lstrip("._-")  # fmt: skip
        return (replace(cassette, id=named) if named else cassette), self._file


def _write(path: Path, text: str, *, force: bool) -> None:
    """Write the whole file or nothing; an existing file is replaced only with ``force``."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:100]}.")
    try:
        with open(descriptor, "w", encoding="utf-8", newline="\n") as file:  # noqa: PTH123 - a descriptor has no path
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, 0o644)  # noqa: PTH101 - it holds no secret, and is meant for a repository
        if force:
            os.replace(name, path)  # noqa: PTH105
            return
        try:
            os.link(name, path)
        except FileExistsError:
            raise ConfigError(f"{path} already exists; --force overwrites it") from None
        except OSError:  # a file system without links
            os.replace(name, path)  # noqa: PTH105
    finally:  # an interrupt too must leave nothing
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)  # noqa: PTH108


# ── what is told ─────────────────────────────────────────────────────────────────────────────────────


def _told(cassette: Cassette) -> str:
    response = cassette.response
    framing = response.framing or ("text" if response.is_stream else "whole")
    features = ", ".join(sorted(cassette.features))
    return one_line(f"{cassette.api}, {response.status}, {framing}, {len(response.body):,} bytes: {features}")


def _remark_left_out(take: Take, cassette: Cassette, touched: list[str], page: Page) -> None:
    kept = {*cassette.request.headers, *cassette.response.headers, *_OF_THE_CONNECTION}
    dropped = sorted({name for name, _ in (*take.sent, *take.headers)} - kept)
    if dropped:
        page.remark(one_line(f"removed: the headers {', '.join(dropped)}"))
    if touched:
        page.remark(one_line(f"replaced: keys or accounts in {', '.join(dict.fromkeys(touched))}"))
