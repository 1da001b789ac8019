"""``segue record``: a cassette of a real exchange, which holds no secret and plays again."""

from __future__ import annotations

import base64
import json
import os
import signal
import struct
import zlib
from asyncio.subprocess import DEVNULL, PIPE
from typing import TYPE_CHECKING, Any

import pytest

from segue import Client
from segue.testing import Answer, Body, Cassette, CromicleHost, Cut, OpenAIHost, ScriptedHost, Stall, Status

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from segue import Event

    from .conftest import CommandLine

CANARY = "sk-canary/0123+456789=abcdef"
NOISE = {
    "openai-organization": "acme-organization-1",
    "set-cookie": "__cf=cookie-0123456789; path=/; domain=.acme.example",
    "x-ratelimit-remaining-tokens": "1000",
    "x-internal": "of nobody's business",
}


def configured(cli: CommandLine, url: str, more: str = "") -> str:
    return cli.config(f'[providers.openai]\nbase_url = "{url}"\n{more}')


def only(cli: CommandLine) -> tuple[Path, Cassette]:
    """The one cassette that was written."""
    (path,) = cli.folder.glob("*.json")
    return path, Cassette.read(path)


async def replayed(cassette: Cassette, name: str, *, stream: bool = True, **provider: Any) -> tuple[str, list[Event]]:
    """What a client reads where a host plays the cassette."""
    async with ScriptedHost(script=[cassette.step(split=5)]) as host:
        config = {"providers": {name.partition("/")[0]: {"base_url": host.url, **provider}}}
        async with Client(config=config, environ={}) as client:
            if not stream:
                reply = await client.chat("Hello", model=name)
                return reply.text, []
            async with client.stream("Hello", model=name) as events:
                came = [event async for event in events]
                return (await events.reply()).text, came


async def test_a_stream_is_recorded_and_plays_again(cli: CommandLine) -> None:
    """What was streamed stands in a file under the provider's name; played again it gives equal events."""
    cli.environ["OPENAI_API_KEY"] = CANARY
    async with OpenAIHost(script=[Answer("Grüße, 世界", headers=NOISE)]) as host:
        ended = await cli("record", "-m", "openai/gpt-4o-mini", "Hello", "--config", configured(cli, host.url))
        async with (
            Client(config={"providers": {"openai": {"base_url": host.url, "api_key": CANARY}}}, environ={}) as client,
            client.stream("Hello", model="openai/gpt-4o-mini") as stream,
        ):
            asked = [event async for event in stream]
        body = host.requests[0].json
    assert (ended.code, ended.out.split("\t")[0]) == (0, only(cli)[0].name)
    assert "removed: the headers authorization, openai-organization, set-cookie, x-internal" in ended.err
    path, cassette = only(cli)
    assert path.stem == cassette.id
    assert path.stat().st_mode & 0o777 == 0o644
    assert cassette.request.json == body
    assert cassette.request.url == "http://example-host/v1/chat/completions"
    assert (cassette.response.framing, cassette.response.fidelity) == ("sse", "exact")
    assert cassette.response.headers["x-ratelimit-remaining-tokens"] == "1000"
    assert cassette.expected["text"] == "Grüße, 世界"
    assert (cassette.expected["finish_reason"], cassette.expected["n_events"]) == ("stop", 5)
    assert cassette.expected["oracle"].startswith("segue ")
    assert {"stream", "text", "usage", "non_ascii"} == cassette.features
    text, came = await replayed(cassette, "openai/gpt-4o-mini", api_key="another-key")
    assert text == cassette.expected["text"]
    assert [_same(event) for event in came] == [_same(event) for event in asked]


def _same(event: Event) -> str:
    """An event without what numbers its answer."""
    return repr(event).replace("-2'", "-1'").replace("_2'", "_1'")


async def test_a_whole_answer_with_a_tool_is_recorded(cli: CommandLine) -> None:
    """Whole, with a function offered that is not run, under a name of one's own and with settings."""
    (cli.folder / "plugins").mkdir()
    (cli.folder / "plugins" / "shop.py").write_text(
        'def price(item: str) -> str:\n    """A price."""\n    raise SystemExit(3)\n'
    )
    cli.environ["OPENAI_API_KEY"] = CANARY
    call = Answer(tool_calls=[("price", {"item": "tea"}), ("price", {})])
    async with OpenAIHost(script=[call]) as host:
        ended = await cli(
            "record", "-m", "openai/gpt-4o-mini", "--no-stream", "--tool", "shop:price", "--system", "Be brief.",
            "--temperature", "0", "-o", "tea time.json", "--config", configured(cli, host.url), "Hello", "there",
        )  # fmt: skip
    assert ended.code == 0, ended.err
    path, cassette = only(cli)
    assert (path.name, cassette.id) == ("tea time.json", "tea-time")
    assert (cassette.response.is_stream, cassette.response.framing) == (False, None)
    assert cassette.request.json["messages"][1]["content"] == "Hello there"
    calls = cassette.expected["tool_calls"]
    assert [(one["name"], one["arguments"]) for one in calls] == [("price", {"item": "tea"}), ("price", {})]
    assert {"tools_offered", "system_prompt", "tool_calls", "parallel_tool_calls", "tool_call_no_args"} < (
        cassette.features
    )


async def test_vectors_are_recorded(cli: CommandLine) -> None:
    """With --embed a vector is asked for, and its beginning stands in what is expected."""
    cli.environ["OPENAI_API_KEY"] = CANARY
    told = {"object": "list", "model": "m", "data": [{"index": 0, "embedding": [0.5, -1.0]}],
            "usage": {"prompt_tokens": 1, "total_tokens": 1}}  # fmt: skip
    async with OpenAIHost(script=[Body(json.dumps(told).encode(), content_type="application/json")]) as host:
        config = configured(cli, host.url)
        ended = await cli("record", "--embed", "-m", "openai/text-embedding-3-small", "Hello", "--config", config)
    assert ended.code == 0, ended.err
    cassette = only(cli)[1]
    assert cassette.expected["embeddings"] == {"count": 1, "dims": 2, "first8": [0.5, -1.0]}
    assert ({"embeddings", "usage"}, cassette.api) == (cassette.features, "openai-embeddings")


# ── secrets ──────────────────────────────────────────────────────────────────────────────────────────


def _environment(cli: CommandLine) -> str:
    cli.environ["OPENAI_API_KEY"] = CANARY
    return ""


def _variable(cli: CommandLine) -> str:
    cli.environ["MY_OWN_KEY"] = CANARY
    return 'api_key = "env:MY_OWN_KEY"'


def _file(cli: CommandLine) -> str:
    path = cli.folder / "the-key"
    path.write_text(CANARY + "\n")
    path.chmod(0o600)
    return f'api_key = "file:{path}"'


def _store(cli: CommandLine) -> str:
    folder = cli.folder / ".config" / "segue"
    folder.mkdir(parents=True, mode=0o700)
    (folder / "keys.toml").write_text(f'openai = "{CANARY}"\n')
    (folder / "keys.toml").chmod(0o600)
    return ""


def _toml(cli: CommandLine) -> str:
    return f'api_key = "{CANARY}"'


def _header(cli: CommandLine) -> str:
    cli.environ["OPENAI_API_KEY"] = "sk-another-0123456789"
    return f'headers = {{ "X-Gateway" = "{CANARY}" }}'


def _version_header(cli: CommandLine) -> str:
    cli.environ["OPENAI_API_KEY"] = "sk-another-0123456789"
    return f'headers = {{ "OpenAI-Beta" = "{CANARY}" }}'


SLOTS = [_environment, _variable, _file, _store, _toml, _header, _version_header]
QUOTING = {
    "an answer": Answer("hello", headers=NOISE),
    "a whole answer that quotes it": Body(
        json.dumps({"id": "r", "model": "m", "choices": [{"index": 0, "finish_reason": "stop", "message": {
            "role": "assistant", "content": f"{CANARY} or {base64.b64encode(CANARY.encode()).decode()}"}}]}).encode(),
        content_type="application/json",
    ),
    "an error that quotes it": Status(401, message=f"Incorrect API key provided: {CANARY}."),
    "an error that is no JSON": Status(500, body=f"<b>{CANARY}</b>".encode(), headers={"content-type": "text/html"}),
    "a header that quotes it": Answer("hello", headers={"x-request-id": CANARY, "x-echo": CANARY}),
}  # fmt: skip


CASES = [*((slot, "an answer") for slot in SLOTS), *((_environment, told) for told in QUOTING if told != "an answer")]


@pytest.mark.parametrize(("slot", "told"), CASES, ids=[f"{slot.__name__.strip('_')}, {told}" for slot, told in CASES])
async def test_a_key_is_in_no_file(slot: Callable[[CommandLine], str], told: str, cli: CommandLine) -> None:
    """From each place of a key, however the host quotes it: it is in no file that is written, nor in what is said."""
    async with OpenAIHost(script=[QUOTING[told]]) as host:
        config = configured(cli, host.url, slot(cli))
        ended = await cli(
            "record",
            "-m",
            "openai/gpt-4o-mini",
            f"my key is {CANARY}",
            "--no-stream",
            "--allow-error",
            "--config",
            config,
        )
        assert any(CANARY in value for _, value in host.requests[0].headers)
    assert ended.code == 0, ended.err
    text = only(cli)[0].read_text("utf-8")
    for form in (CANARY, "canary", base64.b64encode(CANARY.encode()).decode(), "acme-organization-1", "cookie-01234"):
        assert form not in text + ended.out + ended.err
    assert only(cli)[1].request.fidelity == "scrubbed"


async def test_a_key_that_is_streamed_in_pieces_is_refused(cli: CommandLine) -> None:
    """In pieces nothing could replace it: nothing is written, and the place is told, not the key."""
    cli.environ["OPENAI_API_KEY"] = CANARY
    tokens = [CANARY[:9], CANARY[9:14], CANARY[14:]]
    async with OpenAIHost(script=[Answer(tokens=tokens)]) as host:
        ended = await cli("record", "-m", "openai/gpt-4o-mini", "Hello", "--config", configured(cli, host.url))
    assert (ended.code, ended.out) == (2, "")
    assert ended.err == ("error: the recording still contains a secret, at expected.text: nothing was written\n")
    assert not list(cli.folder.glob("*.json"))


def frame(kind: str, payload: dict[str, Any], *, message: str = "event") -> bytes:
    """A message of an AWS event stream, with its lengths and checksums."""
    headers = b""
    named = {":event-type" if message == "event" else ":exception-type": kind, ":message-type": message,
             ":content-type": "application/json"}  # fmt: skip
    for name, value in named.items():
        headers += bytes([len(name)]) + name.encode() + b"\7" + struct.pack(">H", len(value)) + value.encode()
    body = json.dumps(payload).encode()
    prelude = struct.pack(">II", 16 + len(headers) + len(body), len(headers))
    told = prelude + struct.pack(">I", zlib.crc32(prelude)) + headers + body
    return told + struct.pack(">I", zlib.crc32(told))


def converse(text: str) -> bytes:
    return b"".join([
        frame("messageStart", {"role": "assistant"}),
        frame("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": text}}),
        frame("contentBlockStop", {"contentBlockIndex": 0}),
        frame("messageStop", {"stopReason": "end_turn"}),
        frame("metadata", {"usage": {"inputTokens": 1, "outputTokens": 2, "totalTokens": 3}}),
    ])  # fmt: skip


async def test_an_event_stream_of_aws_is_recorded_as_base64(cli: CommandLine) -> None:
    """Its bytes are kept as they are and play again; one in which the key stands is refused, for it has checksums."""
    cli.environ["AWS_BEARER_TOKEN_BEDROCK"] = CANARY
    kind = "application/vnd.amazon.eventstream"
    async with ScriptedHost(script=[Body(converse("Grüße"), content_type=kind)]) as host:
        config = cli.config(f'[providers.bedrock]\nbase_url = "{host.url}"\noptions = {{ region = "eu-central-1" }}\n')
        model = "bedrock/amazon.nova-lite-v1:0"
        ended = await cli("record", "-m", model, "Hello", "--api", "bedrock-converse", "--config", config)
        host.does(Body(converse(f"{CANARY}"), content_type=kind))
        refused = await cli("record", "-m", model, "Hello", "--config", config)
    assert ended.code == 0, ended.err
    path, cassette = only(cli)
    assert json.loads(path.read_text())["response"]["body_encoding"] == "base64"
    assert cassette.response.body == converse("Grüße")
    assert (cassette.api, cassette.response.framing) == ("bedrock-converse", "aws-eventstream")
    assert (cassette.expected["text"], cassette.expected["n_events"]) == ("Grüße", 5)
    text, _ = await replayed(cassette, model, api_key="another-key", options={"region": "eu-central-1"})
    assert text == "Grüße"
    assert refused.code == 2
    assert "the recording still contains a secret, at " in refused.err


# ── failures ─────────────────────────────────────────────────────────────────────────────────────────


async def test_an_error_is_recorded_only_where_it_is_wanted(cli: CommandLine) -> None:
    """Without --allow-error it is told and nothing is written; with it, it is a cassette."""
    cli.environ["OPENAI_API_KEY"] = CANARY
    limited = Status(429, code="rate_limit_exceeded", type="requests", retry_after="7")
    async with OpenAIHost(script=[limited]) as host:
        config = configured(cli, host.url)
        told = await cli("record", "-m", "openai/gpt-4o-mini", "Hello", "--config", config)
        assert (told.code, list(cli.folder.glob("*.json"))) == (1, [])
        kept = await cli("record", "-m", "openai/gpt-4o-mini", "Hello", "--allow-error", "--config", config)
    assert kept.code == 0, kept.err
    cassette = only(cli)[1]
    assert (cassette.response.status, cassette.response.is_stream) == (429, False)
    assert cassette.response.headers["retry-after"] == "7"
    assert cassette.expected["error"] == {
        "status": 429, "type": "requests", "code": "rate_limit_exceeded", "class": "RateLimitError",
    }  # fmt: skip
    assert cassette.features == {"error_429"}
    assert len(host.requests) == 2  # each was asked once


async def test_an_error_inside_a_stream_is_recorded(cli: CommandLine) -> None:
    """An error behind a success is the host's error too, with what had come before it."""
    cli.environ["OPENAI_API_KEY"] = CANARY
    piece = {"choices": [{"index": 0, "delta": {"content": "so far"}}]}
    error = {"error": {"message": "it broke", "type": "server_error", "code": None}}
    body = "".join(f"data: {json.dumps(each)}\n\n" for each in (piece, error)).encode()
    async with ScriptedHost(script=[Body(body)]) as host:
        config = configured(cli, host.url)
        ended = await cli("record", "-m", "openai/gpt-4o-mini", "Hello", "--allow-error", "--config", config)
    assert ended.code == 0, ended.err
    cassette = only(cli)[1]
    assert cassette.features == {"stream", "text", "in_stream_error"}
    assert (cassette.expected["text"], cassette.response.body) == ("so far", body)
    assert cassette.expected["error"] == {
        "status": 200, "type": "server_error", "code": "server_error", "class": "ServerError", "in_stream": True,
    }  # fmt: skip


async def test_a_cut_answer_is_not_recorded(cli: CommandLine) -> None:
    """What is no whole answer is no cassette, whatever is allowed."""
    cli.environ["OPENAI_API_KEY"] = CANARY
    async with OpenAIHost(script=[Cut(300)]) as host:
        config = configured(cli, host.url)
        ended = await cli("record", "-m", "openai/gpt-4o-mini", "Hello", "--allow-error", "--config", config)
    assert (ended.code, ended.out, list(cli.folder.glob("*.json"))) == (1, "", [])


async def test_a_file_that_is_there_stays(cli: CommandLine) -> None:
    """It is refused before anything is sent; --force writes it anew. A folder that is not there is told too."""
    cli.environ["OPENAI_API_KEY"] = CANARY
    (cli.folder / "there.json").write_text("mine")
    async with OpenAIHost() as host:
        config = configured(cli, host.url)
        common = ("record", "-m", "openai/gpt-4o-mini", "Hello", "--config", config)
        refused = await cli(*common, "-o", "there.json")
        nowhere = await cli(*common, "-o", "none/there.json")
        assert not host.requests
        assert (cli.folder / "there.json").read_text() == "mine"
        forced = await cli(*common, "-o", "there.json", "--force")
        (cli.folder / "tapes").mkdir()
        inside = await cli(*common, "-o", "tapes")
    assert (refused.code, refused.err) == (2, "error: there.json already exists; --force overwrites it\n")
    assert (nowhere.code, nowhere.err) == (2, "error: -o none/there.json: the folder none does not exist\n")
    assert (forced.code, inside.code) == (0, 0)
    assert Cassette.read(cli.folder / "there.json").id == "there"
    assert [path.name for path in (cli.folder / "tapes").iterdir()] == [inside.out.split("\t")[0].rpartition("/")[2]]


async def test_an_interrupt_leaves_nothing(cli: CommandLine) -> None:
    """Ctrl-C in the middle of an answer ends it with 130, and there is no file, not half of one either."""
    cli.environ["OPENAI_API_KEY"] = CANARY
    async with OpenAIHost(script=[Stall("middle")]) as host:
        config = configured(cli, host.url)
        pipes = {"stdin": DEVNULL, "stdout": PIPE, "stderr": PIPE}
        process = await cli.start("record", "-m", "openai/gpt-4o-mini", "Hello", "--config", config, **pipes)
        await host.until_requests()
        process.send_signal(signal.SIGINT)
        await process.communicate()
    assert process.returncode == 130
    assert sorted(path.name for path in cli.folder.iterdir() if path.suffix == ".json" or path.name[0] == ".") == []


async def test_who_is_asked_has_to_be_named(cli: CommandLine) -> None:
    """Without a model or needs nobody is asked; a public host wants to be named; what is offline has no exchange."""
    async with CromicleHost(answer="hello from plain text") as host:
        nobody = await cli("record", "Hello")
        public = await cli("record", "--needs", "supports_gpt_35_turbo", "Hello")
        offline = await cli("record", "-m", "rehearsal", "Hello")
        config = cli.config(f'[providers.cromicle]\nbase_url = "{host.url}"\n')
        named = await cli("record", "-m", "cromicle/gpt-3.5-turbo", "Hello", "--config", config)
    assert (nobody.code, public.code, offline.code) == (2, 2, 2)
    assert "no model is named" in nobody.err
    assert "offline: it has no exchange" in offline.err
    assert named.code == 0, named.err
    cassette = only(cli)[1]
    assert (cassette.response.is_stream, cassette.response.framing) == (True, None)
    assert cassette.expected["text"] == "hello from plain text"
    text, _ = await replayed(cassette, "cromicle/gpt-3.5-turbo")
    assert text == "hello from plain text"


async def test_what_does_not_use_our_transport_is_told(cli: CommandLine) -> None:
    """A provider that opens sockets of its own cannot be recorded, and the line says why."""
    cli.plugin(
        "own",
        "from segue.plugin import AsyncGeneratorProvider, hookimpl\n"
        "class Own(AsyncGeneratorProvider):\n"
        "    models = ['m']\n"
        "    @classmethod\n"
        "    async def create_async_generator(cls, model, messages, proxy=None, **kwargs):\n"
        "        yield 'hello'\n"
        "@hookimpl\n"
        "def segue_providers():\n"
        "    return [Own]\n",
    )
    ended = await cli("record", "-m", "own/m", "Hello")
    assert ended.code == 2
    assert ended.err.startswith("error: own made no call that can be recorded")


@pytest.mark.parametrize("force", [False, True])
def test_an_interrupted_write_leaves_nothing(force: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Interrupted between writing and naming the file, there is neither the file nor what was to become it."""
    from segue.cli import record

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace" if force else "link", interrupt)
    with pytest.raises(KeyboardInterrupt):
        record._write(tmp_path / "x.json", "text", force=force)
    assert list(tmp_path.iterdir()) == []


ACME = """
from segue.plugin import Conformance, ProviderSpec, hookimpl
from segue.transport import exchange
from segue.wire import openai_chat


class Acme:
    name = "acme"

    def models(self):
        return ()

    def stream(self, request, context):
        key = context.settings.api_key.get_secret_value()
        call = openai_chat.encode(
            request, model=context.model, base_url=context.settings.base_url, headers={"x-acme-key": key}
        )
        return exchange(context.transport, call, openai_chat.Decoder())


@hookimpl
def segue_providers():
    conformance = Conformance("full", cassettes="acme")
    return [ProviderSpec(name="acme", load="acme:Acme", env=("ACME_KEY",), conformance=conformance)]
"""


async def test_the_kit_replays_what_was_recorded(cli: CommandLine) -> None:
    """A plugin's cassettes are recorded, streamed and whole, and the conformance kit tries the plugin with them."""
    cli.plugin("acme", "")
    (cli.plugins / "acme.py").unlink()
    tapes = cli.plugins / "acme" / "cassettes"
    tapes.mkdir(parents=True)
    (cli.plugins / "acme" / "__init__.py").write_text(ACME)
    cli.environ["ACME_KEY"] = CANARY
    async with OpenAIHost(answer="Grüße, 世界, and a few words more") as host:
        config = cli.config(f'[providers.acme]\nbase_url = "{host.url}"\n')
        for form in ([], ["--no-stream"]):
            ended = await cli("record", "-m", "acme/m", "Hello", *form, "--config", config, "-o", str(tapes))
            assert ended.code == 0, ended.err
            assert "removed: the headers x-acme-key" in ended.err
    tried = ("capability text", "capability streaming", "capability whole", "chunks bytes", "cassettes")
    ended = await cli("conform", "acme", "--json", *(word for name in tried for word in ("--item", name)))
    assert ended.code == 0, ended.out
    (report,) = json.loads(ended.out)["providers"]
    assert {one["item"]: one["outcome"] for one in report["items"]} == dict.fromkeys(tried, "passed")
