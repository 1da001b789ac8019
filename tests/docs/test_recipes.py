"""Each recipe does what it says, as it stands, against hosts on this machine that answer as the real ones would."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import re
import sys
from pathlib import Path

import pytest

from segue import Finish, Start, TextDelta, ToolCallDelta, Usage
from segue.events import Collector, Event
from segue.testing import Body, OpenAIHost, Status
from segue.wire.openai_chat.server import render

RECIPES = Path(__file__).parents[2] / "docs" / "recipes"
FENCE = re.compile(r"^```(\w+)(?: title=\"([^\"]+)\")?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
USAGE = Usage(input_tokens=10, output_tokens=5, total_tokens=15)
# One white pixel.
PIXEL = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGP4DwABAQEAsTjW4QAAAABJRU5ErkJggg==")


def fences(recipe: str, language: str) -> list[str]:
    return [code for kind, _, code in FENCE.findall((RECIPES / f"{recipe}.md").read_text("utf-8")) if kind == language]


def titled(recipe: str) -> list[tuple[str, str]]:
    """The files of a recipe by their names."""
    return [(title, code) for _, title, code in FENCE.findall((RECIPES / f"{recipe}.md").read_text("utf-8")) if title]


def whole(*events: Event) -> Body:
    collector = Collector()
    for event in (Start("m", "r"), *events, USAGE):
        collector.add(event)
    return Body(render(collector.reply()), content_type="application/json")


def says(text: str) -> Body:
    return whole(TextDelta(text), Finish("stop", "stop"))


async def run(code: str, folder: Path, **variables: str) -> str:
    """What a recipe prints, run in an empty home with these variables alone; warnings are errors."""
    environ = {
        name: value
        for name, value in os.environ.items()
        if not name.endswith(("_API_KEY", "_BASE_URL")) and not name.startswith("SEGUE_")
    }
    environ |= {"HOME": str(folder), "XDG_CONFIG_HOME": str(folder), "SEGUE_NO_NETWORK": "1", **variables}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-W", "error", "-c", code),
        cwd=folder,
        env=environ,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    assert err == b""
    return out.decode()


def headers(host: OpenAIHost) -> dict[str, str]:
    """The headers of the first request, by their names in lower case."""
    return {name.lower(): value for name, value in host.requests[0].headers}


def openai(host: OpenAIHost) -> dict[str, str]:
    return {"OPENAI_BASE_URL": host.url, "OPENAI_API_KEY": "sk-canary-recipe"}


def configured(folder: Path, toml: str) -> None:
    file = folder / "segue" / "segue.toml"
    file.parent.mkdir()
    file.write_text(toml)


def test_every_recipe_has_its_test() -> None:
    """No page of recipes is without a test here."""
    named = {path.stem for path in RECIPES.glob("*.md")} - {"index"}
    source = Path(__file__).read_text("utf-8")
    assert named
    tested = set(re.findall(r'(?:fences|titled)\("(\w[\w-]*)"', source))
    assert not named - tested


async def test_a_conversation_with_tools(tmp_path: Path) -> None:
    """Two parallel calls are run and answered, and the last answer is printed."""
    calls = whole(
        ToolCallDelta(0, "c1", "weather", '{"city":"Oslo"}'),
        ToolCallDelta(1, "c2", "weather", '{"city":"Rome","days":2}'),
        Finish("tool_calls", "tool_calls"),
    )
    async with OpenAIHost(script=[calls, says("In neither.")]) as host:
        assert await run(fences("tools", "python")[0], tmp_path, **openai(host)) == "In neither.\n"
    assert [message["content"] for message in host.requests[1].json["messages"][2:]] == [
        "Oslo: 1 sunny days",
        "Rome: 2 sunny days",
    ]


@pytest.mark.parametrize(
    ("answer", "printed"),
    [('{"number":"A-17","total":120.5,"due":"1 March"}', "A-17 120.5\n"), ("Sure!", "not an invoice:")],
)
async def test_structured_output(answer: str, printed: str, tmp_path: Path) -> None:
    """The object's fields are printed; or, of an answer that does not fit, that none did."""
    async with OpenAIHost(script=[says(answer)]) as host:
        code = fences("structured-output", "python")[0]
        assert (await run(code, tmp_path, **openai(host))).startswith(printed)
    assert host.requests[0].json["response_format"]["json_schema"]["name"] == "Invoice"


async def test_an_image(tmp_path: Path) -> None:
    """The picture's bytes arrive at the host with the question."""
    (tmp_path / "photo.png").write_bytes(PIXEL)
    async with OpenAIHost(script=[says("A white dot.")]) as host:
        assert await run(fences("images", "python")[0], tmp_path, **openai(host)) == "A white dot.\n"
    image = host.requests[0].json["messages"][0]["content"][1]["image_url"]
    assert base64.b64decode(image["url"].partition(",")[2]) == PIXEL
    assert image["detail"] == "low"


async def test_two_hosts_by_row_in_code(tmp_path: Path) -> None:
    """The first row's host is overloaded, the second's answers, with its key and its own name for the limit."""
    async with OpenAIHost(script=[Status(503)]) as one, OpenAIHost(script=[says("hello")]) as two:
        code = fences("hosts", "python")[0]
        printed = await run(code, tmp_path, FAST_URL=one.url, CLEVER_URL=two.url, CLEVER_KEY="sk-canary-clever")
    assert printed == "clever hello\n"
    assert headers(two)["authorization"] == "Bearer sk-canary-clever"
    assert "authorization" not in headers(one)


async def test_two_hosts_by_row_in_the_file(tmp_path: Path) -> None:
    """The rows of the file are providers like any other: selected by needs, asked by name, with their own keys."""
    async with OpenAIHost(script=[says("small")]) as one, OpenAIHost(script=[says("large")]) as two:
        toml = fences("hosts", "toml")[0].replace("http://127.0.0.1:8001/v1", one.url)
        configured(tmp_path, toml.replace("http://127.0.0.1:8002/v1", two.url))
        code = (
            "from segue.sync import Client\n"
            "with Client() as client:\n"
            "    print(client.chat('x', needs='context>=100k, tools').text, client.chat('x', model='fast/small').text)"
        )
        assert await run(code, tmp_path, CLEVER_KEY="sk-canary-clever") == "large small\n"
    assert headers(two)["authorization"] == "Bearer sk-canary-clever"


async def test_a_host_on_this_machine(tmp_path: Path) -> None:
    """A server like llama.cpp's is asked without a key at the address of the file, and its answer streamed."""
    async with OpenAIHost(answer="Once upon a time.") as host:
        first, second = fences("local", "toml")
        configured(tmp_path, first.replace("http://127.0.0.1:8099/v1", host.url) + second)
        printed = await run(fences("local", "python")[0], tmp_path)
    assert printed.startswith("Once upon a time.\nUsage(")
    assert printed.endswith(" 0.0\n")
    assert host.requests[0].json["max_tokens"] == 200
    assert "authorization" not in headers(host)


async def test_a_chain_by_needs(tmp_path: Path) -> None:
    """The preferred model's host fails; one that meets the needs answers, and every attempt is told."""
    async with OpenAIHost(script=[Status(500), says("hi")]) as host:
        printed = await run(fences("fallback", "python")[0], tmp_path, **openai(host))
    answered, *attempts = printed.splitlines()
    assert answered.endswith(": hi")
    assert not answered.startswith("openai/gpt-5.4-mini:")
    assert attempts[0].startswith("- openai/gpt-5.4-mini failed at headers: ServerError")
    assert len(attempts) == 2


async def test_the_chain_of_the_file(tmp_path: Path) -> None:
    """The same chain, written in the file, is found by its name."""
    async with OpenAIHost(script=[says("hi")]) as host:
        configured(tmp_path, fences("fallback", "toml")[0])
        code = "from segue.sync import Client\nwith Client() as client: print(client.chat('x', chain='main').model)"
        assert await run(code, tmp_path, **openai(host)) == "gpt-5.4-mini\n"


async def test_a_script_without_a_loop(tmp_path: Path) -> None:
    """Both forms of asking work in a plain script, which ends without a warning."""
    async with OpenAIHost(answer=lambda received: ["Titan", "."]) as host:
        printed = await run(fences("sync", "python")[0], tmp_path, **openai(host))
    assert printed.splitlines()[:2] == ["Titan.", "Titan."]
    assert [json.loads(received.body).get("stream", False) for received in host.requests] == [False, True]


async def test_an_applications_own_tests(tmp_path: Path) -> None:
    """The application of the page passes the tests of the page."""
    for title, code in titled("testing"):
        (tmp_path / title).write_text(code)
    code = "import sys, pytest; sys.exit(pytest.main(['-q', '-p', 'no:asyncio', '-p', 'no:cacheprovider']))"
    assert "4 passed" in await run(code, tmp_path, SEGUE_NO_NETWORK="0")  # the mock answers, not the network


async def test_vectors(tmp_path: Path) -> None:
    """The cat is nearer to the kitten than to the bus."""
    vectors = [[1.0, 0.1], [0.9, 0.2], [0.0, 1.0]]
    data = [{"index": place, "embedding": vector} for place, vector in enumerate(vectors)]
    body = json.dumps({"data": data, "model": "e", "usage": {"prompt_tokens": 6, "total_tokens": 6}}).encode()
    async with OpenAIHost(script=[Body(body, content_type="application/json")]) as host:
        assert await run(fences("embeddings", "python")[0], tmp_path, **openai(host)) == "True\n6\n"
    assert host.requests[0].json["model"] == "text-embedding-3-small"
