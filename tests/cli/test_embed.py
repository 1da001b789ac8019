"""``segue embed``."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from .conftest import CommandLine


class Vectors:
    """A host of vectors: the length of the text, and how many models it has been asked for before."""

    def __init__(self) -> None:
        self.requests: list[dict[str, Any]] = []
        self.statuses: list[int] = []
        """Of the next requests; 200 once they are over."""
        self.url = ""
        self.came = asyncio.Event()

    async def answer(self, request: web.Request) -> web.Response:
        body = await request.json()
        self.requests.append(body)
        self.came.set()
        status = self.statuses.pop(0) if self.statuses else 200
        if status != 200:
            return web.json_response({"error": {"message": "no"}}, status=status)
        data = [{"index": place, "embedding": [len(text), 0.5]} for place, text in enumerate(body["input"])]
        usage = {"prompt_tokens": len(data), "total_tokens": len(data)}
        return web.json_response({"data": data, "model": body["model"], "usage": usage})


@asynccontextmanager
async def hosting() -> AsyncIterator[Vectors]:
    host = Vectors()
    app = web.Application(client_max_size=2**24)
    app.router.add_post("/v1/embeddings", host.answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    try:
        yield host
    finally:
        await runner.cleanup()


def _rows(**hosts: Vectors) -> str:
    return "".join(
        f'[providers.{name}]\nwire = "openai_chat"\nbase_url = "{host.url}"\n'
        f'models = [{{ name = "{name}-small", embeddings = true, input_price = 0.02, output_price = 0 }}]\n'
        for name, host in hosts.items()
    )


def _vectors(out: str) -> list[Any]:
    return [json.loads(line) for line in out.splitlines()]


async def test_each_text_has_a_line_with_its_vector(cli: CommandLine) -> None:
    """Texts are arguments, in their order, and one request holds them all."""
    async with hosting() as host:
        ended = await cli("embed", "-m", "row/row-small", "--config", cli.config(_rows(row=host)), "one", "three")
    assert (ended.code, ended.err) == (0, "")
    assert _vectors(ended.out) == [[3, 0.5], [5, 0.5]]
    assert [request["input"] for request in host.requests] == [["one", "three"]]


@pytest.mark.parametrize("source", ["a pipe", "--file -", "--file texts.txt"])
async def test_each_line_is_a_text(cli: CommandLine, source: str) -> None:
    """Of a file, of stdin; an empty line is null, so that lines of input and output belong together."""
    text = "\ufeffone\r\nt\u00e9\u2028x\n\n \nlast".encode()
    (cli.folder / "texts.txt").write_bytes(text)
    arguments = [] if source == "a pipe" else source.split()
    async with hosting() as host:
        config = cli.config(_rows(row=host))
        ended = await cli("embed", "-m", "row/row-small", "--config", config, *arguments, stdin=text)
    assert (ended.code, ended.err) == (0, "note: 2 empty lines: null is printed instead of a vector\n")
    assert _vectors(ended.out) == [[3, 0.5], [4, 0.5], None, None, [4, 0.5]]
    assert [request["input"] for request in host.requests] == [["one", "t\u00e9\u2028x", "last"]]


async def test_many_lines_are_sent_in_batches_and_printed_as_they_come(cli: CommandLine) -> None:
    """The vectors of a batch are there before the next lines are read; a long text does not wait for others."""
    async with hosting() as host:
        process = await cli.start(
            "embed", "-m", "row/row-small", "--config", cli.config(_rows(row=host)),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        assert process.stdin is not None
        assert process.stdout is not None
        async with asyncio.timeout(60):
            process.stdin.write(b"x\n" * 97)
            first = [await process.stdout.readline() for _ in range(96)]
            out, _ = await process.communicate(b"y" * 50_000 + b"\n" + b"z" * 50_000 + b"\n")
    assert len(first) == 96
    assert _vectors(out.decode()) == [[1, 0.5], [50_000, 0.5], [50_000, 0.5]]
    assert [len(request["input"]) for request in host.requests] == [96, 2, 1]
    assert process.returncode == 0


async def test_json_is_one_object_with_all_that_is_known(cli: CommandLine) -> None:
    """The vectors, who gave them, the usage and cost of every batch together, and the attempts."""
    async with hosting() as host:
        config = cli.config(_rows(row=host))
        ended = await cli("embed", "--json", "-m", "row-small", "--config", config, stdin=b"x\n" * 100 + b"\ny\n")
    told = json.loads(ended.out)
    assert (ended.code, told["provider"], told["model"], told["response_model"]) == (0, "row", "row-small", "row-small")
    assert (told["usage"]["input_tokens"], told["cost"]) == (101, 0.00000202)
    assert told["vectors"] == [[1, 0.5]] * 100 + [None, [1, 0.5]]
    assert [attempt["outcome"] for attempt in told["attempts"]] == ["answered"] * 2


@pytest.mark.parametrize("arguments", [["--dimensions", "2"], ["--purpose", "query"], []])
async def test_options_reach_the_host(cli: CommandLine, arguments: list[str]) -> None:
    """What the wire has words for is sent; of what it lacks a note tells."""
    async with hosting() as host:
        config = cli.config(_rows(row=host))
        ended = await cli("embed", "-m", "row/row-small", "--config", config, *arguments, "x")
    assert ended.code == 0
    assert host.requests[0].get("dimensions") == (2 if "--dimensions" in arguments else None)
    assert ("note: " in ended.err) == ("--purpose" in arguments)


@pytest.mark.parametrize("by", [[], ["--needs", "embeddings"]])
async def test_every_batch_goes_to_the_model_that_gave_the_first(cli: CommandLine, by: list[str]) -> None:
    """Vectors of two models cannot be compared: where that model fails later, the command does."""
    async with hosting() as one, hosting() as other:
        one.statuses = [200, 500]
        config = cli.config(_rows(one=one, other=other))
        ended = await cli("embed", *by, "--config", config, stdin=b"x\n" * 100)
    assert (ended.code, len(ended.out.splitlines())) == (1, 96)
    assert "note: 96 lines of output before this error\n" in ended.err
    assert other.requests == []


async def test_who_was_asked_is_said_where_nothing_was_named(cli: CommandLine) -> None:
    """One model is asked, the first that gives vectors, and its name is on stderr."""
    async with hosting() as one, hosting() as other:
        ended = await cli("embed", "--config", cli.config(_rows(one=one, other=other)), "x")
    assert (ended.code, ended.err) == (0, "one/one-small\n")


async def test_a_chain_of_two_models_does_not_mix_them(cli: CommandLine) -> None:
    """Where the second batch is answered by another model, the command ends before it is printed."""
    async with hosting() as one, hosting() as other:
        one.statuses = [200, 500]
        chain = '[chains.both]\ntargets = ["one/one-small", "other/other-small"]\n'
        config = cli.config(_rows(one=one, other=other) + chain)
        ended = await cli("embed", "--chain", "both", "--config", config, stdin=b"x\n" * 100)
    assert (ended.code, len(ended.out.splitlines())) == (1, 96)
    assert "other/other-small answered from text 97 on" in ended.err


@pytest.mark.parametrize(
    ("arguments", "stdin", "told"),
    [
        (["one", ""], b"", "Error: text 2 is empty: it has no vector"),
        (["one", "--file", "-"], b"", "Error: give either TEXTS or --file, not both"),
        (["--file", "nowhere.txt"], b"", "error: --file nowhere.txt: it cannot be read: No such file or directory"),
        ([], b"one\n\xff\n", "error: stdin:2: it is not UTF-8 text"),
        (["--chain", "c", "-m", "m", "x"], b"", "Error: --chain cannot be combined with --model or --needs"),
        (["--dimensions", "0", "x"], b"", "Error: Invalid value for '--dimensions'"),
        (["-m", "rehearsal", "--needs", "tols", "x"], b"", "error: "),
    ],
)
async def test_a_wrong_argument_exits_2_and_asks_nobody(
    cli: CommandLine, arguments: list[str], stdin: bytes, told: str
) -> None:
    """Each is one line that says what is wrong; of a wrong line in a file nothing before it was sent."""
    async with hosting() as host:
        ended = await cli("embed", "--config", cli.config(_rows(row=host)), *arguments, stdin=stdin)
    assert (ended.code, ended.out, host.requests) == (2, "", [])
    assert told in ended.err


async def test_on_a_terminal_without_a_text_it_says_where_texts_come_from(cli: CommandLine) -> None:
    """Nobody is kept waiting for lines that were not meant to be typed."""
    ended = await cli.on_terminal("embed")
    assert ended.code == 2
    assert "give texts as arguments or with --file FILE, or pipe in one text per line" in ended.out


async def test_a_host_that_fails_exits_1(cli: CommandLine) -> None:
    """As every command does."""
    async with hosting() as host:
        host.statuses = [401]
        ended = await cli("embed", "-m", "row/row-small", "--config", cli.config(_rows(row=host)), "x")
    assert (ended.code, ended.out) == (1, "")
    assert ended.err.startswith("error: ")
