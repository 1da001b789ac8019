"""Applications test themselves with fixtures that pytest finds by itself: a host in a thread, and the way to it."""

from __future__ import annotations

import json
import math
import os
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

import segue.sync
from segue import Client, ConfigError, Host, OverloadedError, RateLimitError, Tool
from segue.plugin import Context, Model
from segue.plugins.registry import Registry
from segue.testing import Answer, CromicleHost, Drop, OpenAIHost, Stall, in_thread
from segue.transport import exchange
from segue.wire import openai_chat

if TYPE_CHECKING:
    from pathlib import Path

APPLICATION = """
from segue import Client


async def capital(country: str) -> str:
    async with Client() as client:
        reply = await client.chat(f"The capital of {country}?", model="gpt-5.4-mini")
    return reply.text


async def words(question: str) -> list[str]:
    async with Client() as client, client.stream(question, model="gpt-5.4-mini") as stream:
        return [text async for text in stream.text()]
"""

ITS_TESTS = """
import asyncio

import pytest
from geography import capital, words
from segue import OverloadedError

pytestmark = pytest.mark.usefixtures("segue_environment")


def test_the_country_is_asked_for(segue_host):
    segue_host.answers("Paris")
    assert asyncio.run(capital("France")) == "Paris"
    assert segue_host.requests[0].json["messages"][-1]["content"] == "The capital of France?"


def test_a_short_outage_is_got_over(segue_host):
    segue_host.fails(503, times=2)
    segue_host.answers("Paris")
    assert asyncio.run(capital("France")) == "Paris"
    assert len(segue_host.requests) == 3


def test_a_long_outage_is_told(segue_host):
    segue_host.fails(503)
    with pytest.raises(OverloadedError):
        asyncio.run(capital("France"))


def test_words_come_one_by_one(segue_host):
    segue_host.answers("a b c")
    assert asyncio.run(words("x")) == ["a", " b", " c"]
"""


def ask(host: OpenAIHost, **body: Any) -> tuple[int, Any]:
    data = json.dumps({"messages": [{"role": "user", "content": "Hello"}], **body}).encode()
    request = Request(f"{host.url}/chat/completions", data, {"connection": "close"})
    try:
        with urlopen(request, timeout=30) as response:
            return response.status, json.load(response)
    except HTTPError as error:
        with error:
            return error.code, json.load(error)


def said(host: OpenAIHost) -> int | str:
    status, told = ask(host)
    return str(told["choices"][0]["message"]["content"]) if status == 200 else status


def pytest_run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """pytest as a user runs it in a folder, in a home of its own; warnings are errors."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("SEGUE_", "PYTEST_"))}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider", *arguments],
        cwd=folder,
        env=environ | {"HOME": str(folder)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


# ── the plugin ────────────────────────────────────────────────────────────────────────────────────────────


def test_pytest_finds_the_fixtures_by_itself() -> None:
    """The fixtures are an entry point of pytest's, under the project's name."""
    assert {entry.value for entry in entry_points(group="pytest11", name="segue")} == {"segue.testing.fixtures"}


def test_a_run_that_needs_no_fixture_pays_nothing() -> None:
    """What every run of pytest imports is two packages, the loader of their names and the fixtures."""
    program = (
        "import sys, importlib, pytest; before = set(sys.modules);"
        "import segue.testing.fixtures; print(*sorted(set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["segue", "segue._lazy", "segue.testing", "segue.testing.fixtures"]


def test_every_fixture_has_the_projects_name(pytestconfig: pytest.Config) -> None:
    """The plugin adds no name that could be an application's own."""
    plugin = pytestconfig.pluginmanager.get_plugin("segue")
    fixtures = {name for name, value in vars(plugin).items() if type(value).__name__ == "FixtureFunctionDefinition"}
    assert fixtures == {"segue_host", "segue_environment"}


WITHOUT_ASYNCIO = ("-p", "no:asyncio")
WITH_ASYNCIO = ("-o", "asyncio_default_fixture_loop_scope=function")


@pytest.mark.parametrize("arguments", [WITHOUT_ASYNCIO, WITH_ASYNCIO])
def test_an_applications_own_tests(arguments: tuple[str, ...], tmp_path: Path) -> None:
    """An application that knows nothing of tests is tested with the fixtures, with pytest-asyncio and without."""
    (tmp_path / "geography.py").write_text(APPLICATION)
    (tmp_path / "test_geography.py").write_text(ITS_TESTS)
    done = pytest_run(tmp_path, *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1].startswith("4 passed")


def test_a_test_that_fails_in_the_middle_of_a_call_ends_at_once(tmp_path: Path) -> None:
    """A failure with a connection open and an answer stalled is one failure: no hang, no warning of leftovers."""
    (tmp_path / "test_broken.py").write_text(
        "import socket\n"
        "from segue.testing import Stall\n"
        "def test_broken(segue_host, segue_environment):\n"
        "    segue_host.does(Stall('middle'))\n"
        "    with socket.create_connection(('127.0.0.1', int(segue_host.address.rpartition(':')[2]))) as sock:\n"
        "        sock.sendall(b'POST /v1/chat/completions HTTP/1.1\\r\\ncontent-length: 27\\r\\n\\r\\n'\n"
        '                     b\'{"messages":[],"stream":true\')\n'
        "        assert not sock.recv(10)\n"
    )
    done = pytest_run(tmp_path, *WITHOUT_ASYNCIO)
    assert done.returncode == 1, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1].startswith("1 failed in")


# ── the host ──────────────────────────────────────────────────────────────────────────────────────────────


def test_an_unscripted_host_answers(segue_host: OpenAIHost) -> None:
    """Without a word of script there is an answer, again and again."""
    assert [said(segue_host) for _ in range(2)] == ["hello from the host"] * 2


def test_answers_come_in_turn_and_the_last_one_stays(segue_host: OpenAIHost) -> None:
    """Each request gets the next text; when there is none, the last one again."""
    segue_host.answers("one", "two")
    assert [said(segue_host) for _ in range(3)] == ["one", "two", "two"]


def test_a_failure_that_is_counted_is_over_after_so_many(segue_host: OpenAIHost) -> None:
    """After a counted failure the host does what it did before."""
    segue_host.answers("as before")
    assert said(segue_host) == "as before"
    segue_host.fails(503, times=2)
    assert [said(segue_host) for _ in range(3)] == [503, 503, "as before"]


def test_a_failure_that_is_not_counted_stays(segue_host: OpenAIHost) -> None:
    """Without a count a failure stays until something else is scripted."""
    segue_host.fails(401, code="invalid_api_key", message="no")
    assert [said(segue_host) for _ in range(2)] == [401, 401]
    assert ask(segue_host)[1]["error"] == {
        "message": "no",
        "type": None,
        "param": None,
        "code": "invalid_api_key",
    }
    segue_host.answers("again")
    assert said(segue_host) == "again"


def test_a_tool_is_called_once(segue_host: OpenAIHost) -> None:
    """A scripted call comes once, so that a loop over tools ends."""
    segue_host.calls_tool("get_weather", {"city": "Köln"})
    _, told = ask(segue_host)
    assert told["choices"][0]["finish_reason"] == "tool_calls"
    assert told["choices"][0]["message"]["content"] is None
    assert [call["function"] for call in told["choices"][0]["message"]["tool_calls"]] == [
        {"name": "get_weather", "arguments": '{"city":"Köln"}'}
    ]
    assert said(segue_host) == "hello from the host"


def test_any_step_can_be_scripted(segue_host: OpenAIHost) -> None:
    """What has no method of its own is a step, counted or not; a drop on accept counts as one too."""
    segue_host.does(Drop("accept"), times=1)
    segue_host.does(Answer("odd", headers={"X-Odd": "1"}))
    with pytest.raises(OSError, match=r"."):
        ask(segue_host)
    with urlopen(Request(f"{segue_host.url}/chat/completions", b'{"messages":[]}'), timeout=30) as response:
        assert response.headers["x-odd"] == "1"


def test_the_script_may_be_written_from_any_thread(segue_host: OpenAIHost) -> None:
    """Of steps added and requests made by eight threads at once none is lost and none comes twice."""

    def work(number: int) -> list[str]:
        seen: list[str] = []
        for turn in range(25):
            segue_host.does(Answer(f"{number}-{turn}"), times=1)
            seen.append(str(said(segue_host)))
        return seen

    with ThreadPoolExecutor(8) as pool:
        seen = [text for texts in pool.map(work, range(8)) for text in texts]
    assert sorted(seen) == sorted(f"{number}-{turn}" for number in range(8) for turn in range(25))
    assert len(segue_host.requests) == 200


async def test_waiting_in_another_loop_is_refused(segue_host: OpenAIHost) -> None:
    """What is awaited of a host belongs to its own loop; elsewhere it would be waited for in vain."""
    with pytest.raises(RuntimeError, match="another event loop"):
        await segue_host.until_requests(1)


def test_a_thread_ends_with_its_host() -> None:
    """After the ``with`` neither thread nor connection is left, also of an answer that stalls."""
    before = set(threading.enumerate())
    with in_thread(OpenAIHost(script=[Stall("headers")])) as host:
        assert {thread.name for thread in set(threading.enumerate()) - before} == {"segue-host"}
        port = int(host.address.rpartition(":")[2])
        sock = socket.create_connection(("127.0.0.1", port))
        sock.sendall(b"POST /v1/chat/completions HTTP/1.1\r\n\r\n")
    assert set(threading.enumerate()) == before
    with sock, pytest.raises(OSError, match=r"."):
        socket.create_connection(("127.0.0.1", port))


def test_an_error_in_the_script_is_raised_at_the_end() -> None:
    """An exception of the answer's own function comes out where the ``with`` ends."""

    def broken(_: object) -> list[str]:
        raise LookupError("in the test's own function")

    with pytest.raises(LookupError, match="own function"), in_thread(OpenAIHost(answer=broken)) as host:
        with pytest.raises(OSError, match=r"."):
            ask(host)


def test_an_error_in_the_script_does_not_hide_the_tests_own() -> None:
    """The failure of the test itself goes before what the script did."""

    def broken(_: object) -> list[str]:
        raise LookupError

    with pytest.raises(OSError, match=r"."), in_thread(OpenAIHost(answer=broken)) as host:
        ask(host)


def test_a_host_that_cannot_be_opened_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """What goes wrong at the beginning is raised where the ``with`` begins."""

    def refuse(*args: object, **kwargs: object) -> None:
        raise PermissionError("no sockets here")

    monkeypatch.setattr(socket, "create_server", refuse)
    with pytest.raises(PermissionError, match="no sockets"), in_thread(CromicleHost()):
        pass


# ── the environment ───────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def _a_developers_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Keys, addresses and settings of somebody who uses the library every day."""
    file = tmp_path / "segue" / "segue.toml"
    file.parent.mkdir()
    file.write_text('order = ["groq"]\n[providers.openai]\nbase_url = "https://elsewhere.example/v1"\n')
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("SEGUE_CONFIG", str(file))
    monkeypatch.setenv("SEGUE_PROXY", "http://proxy.example:3128")
    monkeypatch.setenv("GROQ_API_KEY", "gsk-canary-groq")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-canary-real")
    monkeypatch.setenv("OPENAI_BASE_URL", "https://api.openai.com/v1")


@pytest.mark.usefixtures("_a_developers_machine", "segue_environment")
async def test_a_client_of_the_application_asks_the_host(segue_host: OpenAIHost) -> None:
    """A plain ``Client()`` comes to the host, with the test's key, whatever the machine is set up for."""
    async with Client() as client:
        assert (await client.chat("Hello", model="gpt-5.4-mini")).text == "hello from the host"
        assert (await client.chat("Hello", needs="tools")).provider == "openai"
    assert {received.header["authorization"] for received in segue_host.requests} == {"Bearer segue-test-key"}


@pytest.mark.usefixtures("_a_developers_machine", "segue_environment")
def test_code_without_a_loop_asks_the_host(segue_host: OpenAIHost) -> None:
    """The sync client takes the same way."""
    with segue.sync.Client() as client:
        assert client.chat("Hello", model="gpt-5.4-mini").text == "hello from the host"
    assert len(segue_host.requests) == 1


@pytest.mark.usefixtures("_a_developers_machine", "segue_environment")
async def test_the_developers_own_keys_are_not_sent(segue_host: OpenAIHost) -> None:
    """Another provider is asked with the test's key: the developer's is hidden during the test."""
    assert "GROQ_API_KEY" not in os.environ
    async with Client() as client:
        assert (await client.chat("Hello", model="groq/llama-3.1-8b-instant")).provider == "groq"
    assert segue_host.requests[0].header["authorization"] == "Bearer segue-test-key"


def installed() -> list[str]:
    return sorted(name for name, one in Registry().installed.items() if one.spec.access != "offline")


@pytest.mark.parametrize("name", installed())
@pytest.mark.usefixtures("segue_environment")
async def test_whichever_provider_is_named_the_host_answers(name: str, segue_host: OpenAIHost) -> None:
    """Each installed provider leads to the scripted host, whole and streamed, without configuration."""
    segue_host.answers("one two", "one two")
    async with Client() as client:
        reply = await client.chat([{"role": "user", "content": "Hello"}], model=f"{name}/some-model", max_tokens=5)
        assert (reply.text, reply.provider) == ("one two", name)
        async with client.stream("Hello", model=f"{name}/some-model") as stream:
            assert [text async for text in stream.text()] == ["one", " two"]
    assert [request.json["messages"][-1]["content"] for request in segue_host.requests] == ["Hello", "Hello"]


@pytest.mark.parametrize("name", installed())
@pytest.mark.usefixtures("segue_environment")
async def test_whichever_provider_is_named_the_host_embeds(name: str, segue_host: OpenAIHost) -> None:
    """A vector for each text, always the same for the same text, and as long as requested."""
    async with Client() as client:
        reply = await client.embed(["a", "b", "a"], model=f"{name}/some-model")
        short = await client.embed("a", model=f"{name}/some-model", dimensions=3)
    assert reply.vectors[0] == reply.vectors[2] != reply.vectors[1]
    assert [len(vector) for vector in (*reply.vectors, *short.vectors)] == [8, 8, 8, 3]
    assert all(math.hypot(*vector) == pytest.approx(1, abs=1e-4) for vector in (*reply.vectors, *short.vectors))
    assert reply.provider == name
    assert [request.path.rpartition("/")[2] for request in segue_host.requests] == ["embeddings"] * 2


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param({"providers": [Host("mine", "https://llm.mine.example/v1", env=["MINE_KEY"])]}, id="code"),
        pytest.param(
            {"config": {"providers": {"mine": {"wire": "openai_chat", "base_url": "https://llm.mine.example/v1"}}}},
            id="config",
        ),
    ],
)
@pytest.mark.usefixtures("segue_environment")
def test_a_row_of_the_application_leads_to_the_host(arguments: dict[str, Any], segue_host: OpenAIHost) -> None:
    """A row that the application has in code or configuration keeps its name and leads to the scripted host."""
    with segue.sync.Client(**arguments) as client:
        reply = client.chat("Hello", model="mine/m")
    assert (reply.provider, len(segue_host.requests)) == ("mine", 1)


class Own:
    """A provider that the application wrote."""

    name = "own"

    def models(self) -> list[Model]:
        return [Model("m")]

    def stream(self, request: object, context: Context) -> Any:
        call = openai_chat.encode(request, model="m", base_url="https://api.own.example/v1", headers={})  # type: ignore[arg-type]
        return exchange(context.transport, call, openai_chat.Decoder())


@pytest.mark.usefixtures("segue_environment")
async def test_no_call_leaves_the_machine(segue_host: OpenAIHost) -> None:
    """A provider of the application's own is asked as it is, and its call to another machine is refused."""
    async with Client(providers=[Own()]) as client:
        with pytest.raises(ConfigError, match=r"SEGUE_NO_NETWORK is set: api\.own\.example"):
            await client.chat("Hello", model="own/m")
    assert not segue_host.requests


async def test_a_test_may_configure_more(segue_environment: Path, segue_host: OpenAIHost) -> None:
    """The path that the fixture gives is the user's file, which a test may write."""
    segue_environment.write_text(  # noqa: ASYNC240 - the loop has nothing else to do
        f'[providers.own]\nwire = "openai_chat"\nbase_url = "{segue_host.url}"\nmodels = ["here"]\n'
    )
    async with Client() as client:
        assert (await client.chat("Hello", model="own/here")).provider == "own"


@pytest.mark.usefixtures("segue_environment")
async def test_retries_do_not_make_a_test_wait(segue_host: OpenAIHost) -> None:
    """An outage is retried as often as ever, after pauses of a millisecond or two."""
    segue_host.fails(503)
    async with Client() as client:
        with pytest.raises(OverloadedError) as caught:
            await client.chat("Hello", model="openai/gpt-5.4-mini")
    assert len(caught.value.attempts) == client.config.retry.count + 1 == 3
    assert client.config.retry.longest(1) == 0.002


@pytest.mark.usefixtures("segue_environment")
async def test_a_limit_is_told_with_its_hint(segue_host: OpenAIHost) -> None:
    """A 429 with a hint beyond all patience comes out as the application would see it."""
    segue_host.fails(429, retry_after="600")
    async with Client() as client:
        with pytest.raises(RateLimitError) as caught:
            await client.chat("Hello", model="openai/gpt-5.4-mini")
    assert caught.value.retry_after == 600


@pytest.mark.usefixtures("segue_environment")
async def test_a_loop_over_tools(segue_host: OpenAIHost) -> None:
    """A scripted call arrives as a tool call, streamed too, and the next answer ends the loop."""
    tool = Tool(name="get_weather", parameters={"type": "object", "properties": {"city": {"type": "string"}}})
    segue_host.calls_tool("get_weather", {"city": "Paris"})
    segue_host.answers("Sunny.")
    async with Client() as client:
        async with client.stream("Weather?", model="gpt-5.4-mini", tools=[tool]) as stream:
            reply = await stream.reply()
        assert [(call.name, json.loads(call.arguments)) for call in reply.tool_calls] == [
            ("get_weather", {"city": "Paris"})
        ]
        assert (await client.chat("Weather?", model="gpt-5.4-mini")).text == "Sunny."


def test_everything_is_put_back(tmp_path: Path) -> None:
    """After the test the environment is as it was before."""
    (tmp_path / "test_twice.py").write_text(
        "import os, pytest\n"
        "before = dict(os.environ)\n"
        "def test_within(segue_environment): assert dict(os.environ) != before\n"
        "def test_after():\n"
        "    now = dict(os.environ); now.pop('PYTEST_CURRENT_TEST'); assert now == before\n"
    )
    done = pytest_run(tmp_path, *WITHOUT_ASYNCIO)
    assert done.returncode == 0, done.stdout + done.stderr
