"""``segue embed``: a vector for each text, one JSON array per line."""

from __future__ import annotations

import asyncio
import functools
import sys
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from ..client.client import Client
from ..errors import ConfigError, InvalidOutputError
from ..events import Usage
from ..pricing import rounded
from ..selection import no_candidate
from ..values import dataclass
from .faults import as_argument
from .progress import PROGRESS
from .replies import attempt_as_json, usage_as_json
from .terminal import Page, is_terminal, json_line, one_line, output, reserved, write_json
from .waiting import Waiting, observing

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import BinaryIO, Literal

    from ..events import EmbedReply

_MOST_TEXTS: Final = 96  # the least that a host of ours takes in one request
_MOST_CHARACTERS: Final = 60_000  # in every script fewer tokens than the least that one takes
_STDIN: Final = "-"


@dataclass(frozen=True, slots=True)
class Embedding:
    """What the command line asks for; ``file`` is ``-`` for stdin."""

    texts: tuple[str, ...]
    file: str | None = None
    model: str | None = None
    needs: str | None = None
    chain: str | None = None
    dimensions: int | None = None
    purpose: Literal["query", "document"] | None = None


def embed(wish: Embedding, *, config: str | None, as_json: bool) -> None:
    """Request the vectors, and print them as they arrive; failures are raised."""
    page = Page()
    waiting = Waiting()
    with ExitStack() as opened, asyncio.Runner() as runner:
        texts = _texts(wish, opened)
        with reserved(), PROGRESS.during("loading plugins"):
            observers = (observing(waiting),)
            client = Client(config=True if config is None else config, observers=observers)
        try:
            embedding = _Embedder(client, wish, runner, waiting, page)
            if as_json:
                embedding.all(texts)
            else:
                embedding.each(texts)
        finally:
            runner.run(client.aclose())


class _Embedder:
    """Asks for batches, and adds up what they came to."""

    def __init__(self, client: Client, wish: Embedding, runner: asyncio.Runner, waiting: Waiting, page: Page) -> None:
        self._client = client
        self._wish = wish
        self._runner = runner
        self._waiting = waiting
        self._page = page
        self._model = wish.model
        self._needs = wish.needs
        self._names_nothing = wish.model is wish.needs is wish.chain is None
        self._first: EmbedReply | None = None
        self._usage: list[Usage | None] = []
        self._costs: list[float | None] = []
        self._notices: dict[str, Any] = {}
        self._attempts: list[Any] = []
        self._given = 0

    def each(self, texts: Iterable[str | None]) -> None:
        """Print the vectors of each batch when it is there: a line each, null for an empty text."""
        empty = 0
        try:
            for batch in _read(texts):
                vectors = self._asked(batch)
                out = output()
                for text in batch:
                    empty += text is None
                    out.write(json_line(None if text is None else next(vectors)) + "\n")
                out.flush()
                self._given += len(batch)
        except BaseException:  # an interrupt too: what was written can be used
            if self._given:
                self._page.remark(f"note: {_counted(self._given, 'line')} of output before this error")
            raise
        if empty:
            self._page.remark(f"note: {_counted(empty, 'empty line')}: null is printed instead of a vector")

    def all(self, texts: Iterable[str | None]) -> None:
        """Print one object with every vector, and with usage, cost and notices."""
        vectors: list[list[float] | None] = []
        for batch in _read(texts):
            given = self._asked(batch)
            vectors += [None if text is None else next(given) for text in batch]
        first = self._first
        write_json({
            "provider": None if first is None else first.provider,
            "model": None if first is None else first.model,
            "response_model": None if first is None else first.response_model,
            "usage": usage_as_json(_sum(self._usage)),
            "cost": None if None in self._costs else rounded(sum(cost for cost in self._costs if cost is not None)),
            "notices": [asdict(notice) for notice in self._notices.values()],
            "attempts": self._attempts,
            "vectors": vectors,
        })  # fmt: skip

    def _asked(self, batch: Sequence[str | None]) -> Iterator[list[float]]:
        """The vectors of the texts that are not empty."""
        texts = [text for text in batch if text is not None]
        if not texts:
            return iter(())
        if self._names_nothing and self._model is None:
            self._model = self._usual()
        self._waiting.begin()
        with PROGRESS.during(self._waiting), as_argument():
            reply = self._runner.run(self._reply(texts))
        self._note(reply)
        return iter(reply.vectors)

    async def _reply(self, texts: list[str]) -> EmbedReply:
        wish = self._wish
        return await self._client.embed(
            texts,
            model=self._model,
            needs=self._needs,
            chain=wish.chain,
            dimensions=wish.dimensions,
            purpose=wish.purpose,
        )

    def _usual(self) -> str:
        """The model for a command that names none: the first one that supports embeddings."""
        selection = self._client.select("embeddings")
        name = next((one.name for one in selection.candidates if one.consent), None)
        if name is None:
            raise no_candidate(selection)
        return name

    def _note(self, reply: EmbedReply) -> None:
        first = self._first
        if first is None:
            self._first = reply
            name = f"{reply.provider}/{reply.model}"
            if self._names_nothing or (self._wish.needs is not None and is_terminal(sys.stderr)):
                self._page.remark(one_line(name), faint=True)
            if self._wish.chain is None:  # the same model to the end: those of two cannot be compared
                self._model, self._needs = name, None
        elif (reply.model, len(reply.vectors[0])) != (first.model, len(first.vectors[0])):
            raise InvalidOutputError(
                f"{first.provider}/{first.model} answered first, but {reply.provider}/{reply.model} answered from text"
                f" {self._given + 1:,} on: vectors of different models cannot be compared; use one model, or a chain"
                " of hosts that have the same model"
            )
        self._usage.append(reply.usage)
        self._costs.append(reply.cost)
        self._attempts += map(attempt_as_json, reply.attempts)
        for notice in reply.notices:
            if str(notice) not in self._notices:
                self._notices[str(notice)] = notice
                self._page.remark(f"note: {one_line(str(notice))}")


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _sum(usages: Sequence[Usage | None]) -> Usage | None:
    """The sum of all; None if one is unknown."""
    known = [usage for usage in usages if usage is not None]
    return functools.reduce(Usage.plus, known) if known and len(known) == len(usages) else None


# ── the texts ────────────────────────────────────────────────────────────────────────────────────────


def _texts(wish: Embedding, opened: ExitStack) -> Iterator[str | None]:
    """Each text to embed, None for an empty line; wrong arguments raise at once."""
    if wish.texts:
        if wish.file is not None:
            raise click.UsageError("give either TEXTS or --file, not both")
        for place, text in enumerate(wish.texts, 1):
            if not text.strip():
                raise click.UsageError(f"text {place} is empty: it has no vector")
        return iter(wish.texts)
    if wish.file is None and (sys.stdin is None or is_terminal(sys.stdin)):
        raise click.UsageError(
            "there is no text: give texts as arguments or with --file FILE, or pipe in one text per line"
        )
    if wish.file in {None, _STDIN}:
        if sys.stdin is None:
            raise click.UsageError("stdin is closed: give texts as arguments or with --file FILE")
        return _lines(sys.stdin.buffer, "stdin")
    assert wish.file is not None
    path = Path(wish.file).expanduser()
    try:
        file = opened.enter_context(path.open("rb"))
    except OSError as error:
        raise ConfigError(f"--file {wish.file}: it cannot be read: {error.strerror or error}") from error
    return _lines(file, wish.file)


def _lines(file: BinaryIO, name: str) -> Iterator[str | None]:
    """The lines of a file in UTF-8."""
    number = 0
    while True:
        line = file.readline()
        if not line:
            if not number:
                raise click.UsageError(f"there is no text: {name} is empty")
            return
        number += 1
        try:
            # Of the file's beginning a byte order mark is no text.
            text = line.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n")
        except UnicodeDecodeError:
            raise ConfigError(f"{name}:{number}: it is not UTF-8 text") from None
        yield text if text.strip() else None


def _read(texts: Iterable[str | None]) -> Iterator[list[str | None]]:
    """The batches, each read when the one before was embedded."""
    batches = _batches(texts)
    while True:
        with PROGRESS.during("reading the texts"):
            batch = next(batches, None)
        if batch is None:
            return
        yield batch


def _batches(texts: Iterable[str | None]) -> Iterator[list[str | None]]:
    """As many texts at a time as every host takes in a request; a text that is longer is alone."""
    batch: list[str | None] = []
    size = 0
    for text in texts:
        length = len(text or "")
        if batch and (len(batch) == _MOST_TEXTS or size + length > _MOST_CHARACTERS):
            yield batch
            batch, size = [], 0
        batch.append(text)
        size += length
    if batch:
        yield batch
