"""Cassettes are files of recorded exchanges, read and written as frozen values, and played by scripted hosts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from corpus import FOLDER

from segue import Client, ConfigError
from segue.testing import Cassette, ScriptedHost, cassettes_of

if TYPE_CHECKING:
    from pathlib import Path

CHUNKS = (
    'data: {"id":"c1","model":"m","choices":[{"index":0,"delta":{"role":"assistant","content":"Grüße, "}}]}\n\n'
    'data: {"id":"c1","model":"m","choices":[{"index":0,"delta":{"content":"世界"},"finish_reason":"stop"}]}\n\n'
    "data: [DONE]\n\n"
)
EXCHANGE: dict[str, Any] = {
    "id": "acme-text",
    "provider": "acme",
    "api": "openai-chat",
    "source": {"kind": "scripted"},
    "recorded": "2026-01-31",
    "request": {
        "method": "POST",
        "url": "https://api.acme.example/v1/chat/completions",
        "headers": {"content-type": "application/json"},
        "json": {"model": "m", "messages": [{"role": "user", "content": "hi"}], "stream": True},
        "fidelity": "exact",
    },
    "response": {
        "status": 200,
        "headers": {"content-type": "text/event-stream", "x-request-id": "r1"},
        "is_stream": True,
        "framing": "sse",
        "fidelity": "exact",
        "body_encoding": "utf-8",
        "body": CHUNKS,
    },
    "features": ["stream", "text"],
    "expected": {"oracle": "by hand", "text": "Grüße, 世界", "tool_calls": [], "finish_reason": "stop"},
}


def changed(path: str, value: object = ...) -> str:
    """The exchange as text with one field changed, or without it."""
    exchange = json.loads(json.dumps(EXCHANGE))
    *inside, last = path.split("/")
    place = exchange
    for name in inside:
        place = place[name]
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return json.dumps(exchange)


@pytest.mark.skipif(not FOLDER.is_dir(), reason="no corpus in ../shared/wire")
def test_every_recording_of_the_corpus_is_a_cassette() -> None:
    """Each file of the corpus is read, and written again byte for byte."""
    files = sorted(FOLDER.glob("*/*.json"))
    assert len(files) > 1000
    for file in files:
        assert Cassette.read(file).write() == file.read_text("utf-8"), file.name


def test_a_cassette_is_what_its_file_says() -> None:
    """Every field comes from the file, the body as bytes."""
    cassette = Cassette.read(json.dumps(EXCHANGE))
    assert (cassette.id, cassette.provider, cassette.api) == ("acme-text", "acme", "openai-chat")
    assert (cassette.recorded, cassette.source) == ("2026-01-31", {"kind": "scripted"})
    assert (cassette.features, cassette.expected["text"]) == ({"stream", "text"}, "Grüße, 世界")
    assert (cassette.request.method, cassette.request.url) == ("POST", EXCHANGE["request"]["url"])
    assert (cassette.request.json, cassette.request.body) == (EXCHANGE["request"]["json"], None)
    assert (cassette.response.status, cassette.response.framing) == (200, "sse")
    assert cassette.response.body == CHUNKS.encode()
    assert Cassette.read(cassette.write()) == cassette


def test_what_is_no_text_is_base64() -> None:
    """A body that is no UTF-8, and every AWS event stream, is written as base64 and read as it was."""
    exchange = changed("response/body", "AP9h")
    bytes_ = Cassette.read(exchange.replace('"body_encoding": "utf-8"', '"body_encoding": "base64"'))
    assert bytes_.response.body == b"\0\xffa"
    assert json.loads(bytes_.write())["response"]["body"] == "AP9h"
    assert Cassette.read(bytes_.write()) == bytes_
    half = Cassette.read(changed("request/json", {"half": "\ud83d"}))
    assert Cassette.read(half.write().encode()) == half


async def test_a_host_plays_a_cassette() -> None:
    """The step answers with its status, headers and bytes, and a client reads the recorded text."""
    cassette = Cassette.read(json.dumps(EXCHANGE))
    for split in (None, 1, 7):
        async with ScriptedHost(script=[cassette.step(split=split)]) as host:
            config = {"providers": {"acme": {"wire": "openai_chat", "base_url": host.url, "api_key": "k-12345678"}}}
            async with Client(config=config, environ={}, plugins=False) as client:
                async with client.stream("hi", model="acme/m") as stream:
                    reply = await stream.reply()
        assert (reply.text, reply.raw_finish_reason) == (cassette.expected["text"], "stop")


WRONG = [
    ("{", "line 1, column 2: not JSON (Expecting property name enclosed in double quotes)"),
    (b"\xff{}", "byte 0 is not UTF-8 text"),
    ("[]", "must be an object, not a list"),
    ('{"id": NaN}', "not JSON (NaN is not a JSON number)"),
    (changed("id"), "id is missing"),
    (changed("id", "../up"), "id must consist of letters, digits, '.', '_' and '-', not '../up'"),
    (changed("provider", ""), "provider must not be empty"),
    (changed("recorded", "yesterday"), "recorded must be a date such as 2026-01-31, not 'yesterday'"),
    (changed("features", "text"), "features must be a list of words, not 'text'"),
    (changed("features", ["text", 1]), "features must be a list of words"),
    (changed("expected", []), "expected must be an object, not a list"),
    (changed("request"), "request is missing"),
    (changed("request/url", "/v1"), "request.url must be an address that begins with http:// or https://, not '/v1'"),
    (
        changed("request/url", "http://u:p@a.example"),
        "request.url contains a user name or a password, which a cassette must not",
    ),
    (changed("request/body", "x"), "request.body must be null if json is set"),
    (changed("request/headers", {"n": 1}), "request.headers.n must be text, not 1"),
    (
        changed("request/headers", {"X-Api-Key": "k"}),
        "request.headers.X-Api-Key is a credential, which a cassette must not contain",
    ),
    (changed("response/status", 99), "response.status must be a number from 200 to 599, not 99"),
    (changed("response/status", True), "response.status must be a number, not true"),
    (changed("response/framing", "xml"), "response.framing must be sse, ndjson, aws-eventstream, json-array or null"),
    (changed("response/is_stream", False), "response.framing must be null if is_stream is false, not 'sse'"),
    (changed("response/headers", {"Set-Cookie": "k"}), "response.headers.Set-Cookie is a credential"),
    (changed("response/body", None), "response.body must be text, not null"),
    (changed("response/body", "\ud83d"), "response.body contains half a surrogate pair at character 0"),
    (changed("response/body_encoding", "base64"), "response.body is not base64, as body_encoding says"),
    (changed("response/body_encoding", "latin-1"), "response.body_encoding must be utf-8 or base64, not 'latin-1'"),
]


@pytest.mark.parametrize(("text", "said"), WRONG, ids=[said[:40] for _, said in WRONG])
def test_what_is_wrong_with_a_file_is_one_line(text: str | bytes, said: str, tmp_path: Path) -> None:
    """A file that is no cassette is an error that names the file, the field and the fault, in one line."""
    file = tmp_path / "x.json"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ConfigError) as caught:
        Cassette.read(file)
    assert str(caught.value).startswith(f"{file}: {said}")
    assert "\n" not in str(caught.value)


ODD = (None, True, 0, -1, 10**30, 0.5, "", "x", "\x00\n", "\ud800", [], [[]], [{}], {}, {"": ""}, {"a": {"b": []}})


def test_whatever_stands_in_a_field_is_read_or_told_in_one_line() -> None:
    """Each field is replaced by values of every kind: what comes is a cassette or that error, and nothing else."""
    fields = [
        *EXCHANGE,
        *(f"request/{name}" for name in (*EXCHANGE["request"], "body", "recorded")),
        *(f"response/{name}" for name in (*EXCHANGE["response"], "status_recorded", "content_type_inferred")),
    ]
    told: dict[str, list[str]] = {}
    for field in fields:
        for value in ODD:
            try:
                cassette = Cassette.read(changed(field, value))
            except ConfigError as error:
                told.setdefault(field.replace("/", "."), []).append(str(error))
            else:
                assert Cassette.read(cassette.write()) == cassette
    for name, lines in told.items():
        assert [line for line in lines if "\n" in line or not line.startswith(f"the cassette: {name}")] == []
    assert sum(map(len, told.values())) > len(fields) * len(ODD) / 2


def test_a_file_that_is_not_there_is_named() -> None:
    """No file is an error of its own, with the system's reason."""
    with pytest.raises(ConfigError, match=r"nowhere\.json: No such file or directory"):
        Cassette.read(FOLDER / "nowhere.json")


# ── packages ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An importable package of its own, without cassettes."""
    folder = tmp_path / "taped"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "taped", raising=False)
    return folder


def test_the_cassettes_of_a_package_come_in_the_order_of_their_files(package: Path) -> None:
    """All ``*.json`` of its folder ``cassettes``, nothing else."""
    tapes = package / "cassettes"
    tapes.mkdir()
    (tapes / "b.json").write_text(changed("id", "one"))
    (tapes / "a.json").write_text(changed("id", "two"))
    (tapes / "README.md").write_text("no cassette")
    assert [cassette.id for cassette in cassettes_of("taped")] == ["two", "one"]


def test_a_package_without_cassettes_is_told_so(package: Path) -> None:
    """No package, no folder, no file, a file that is none, and an id twice are each an error of one line."""
    tapes = package / "cassettes"
    said = []

    def look(name: str = "taped") -> None:
        with pytest.raises(ConfigError) as caught:
            cassettes_of(name)
        said.append(str(caught.value))

    look("not_installed")
    look()
    tapes.mkdir()
    look()
    (tapes / "a.json").write_text(json.dumps(EXCHANGE))
    (tapes / "b.json").write_text(json.dumps(EXCHANGE))
    look()
    (tapes / "b.json").write_text("{}")
    look()
    assert said == [
        "cassettes of not_installed: no package with this name is installed",
        "cassettes of taped: the package has no folder 'cassettes'",
        "cassettes of taped: its folder 'cassettes' contains no *.json file",
        "cassettes of taped: b.json: another file also has the id 'acme-text'",
        "cassettes of taped: b.json: id is missing",
    ]


def test_reading_cassettes_needs_no_network_library() -> None:
    """Importing the module brings neither aiohttp nor pydantic."""
    code = "import sys, segue.testing.cassettes as c; print([n for n in ('aiohttp', 'pydantic') if n in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=dict(os.environ))
    assert ran.stdout.strip() == "[]"
