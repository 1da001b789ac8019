"""What a command prints when something is wrong: a row for each situation, with its exact output and exit code.

In a row's texts ``{url}`` is the address of its loopback host (with ``/v1``), ``{root}`` the same without it,
``{port}`` its port, ``{home}`` the home folder, whose ``segue.toml`` is the row's ``config``, and ``{refused}`` an
address where nothing listens. The host does the steps in turn, the last one again and again; ``requests`` is how many
it got.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
import trustme

from segue.testing import Answer, Body, Drop, Garbage, OpenAIHost, Raw, Status, refused_url

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from command_line import CommandLine

    from segue.testing import Step

KEY = "sk-canary-0123456789abcdef"


@dataclass(frozen=True)
class Row:
    """One situation: what is typed, what is there, and what is printed.

    ``out`` and ``err`` are exact, but for a ``*``, which stands for anything; a key of ``error`` is looked at in the
    JSON of stdout, in place of ``out``.
    """

    name: str
    arguments: Sequence[str]
    err: str = ""
    out: str = ""
    code: int = 1
    host: Sequence[Step] = (Answer("hello"),)
    requests: int | None = None
    environ: Mapping[str, str] = field(default_factory=dict)
    config: str = ""
    stdin: bytes = b""
    tls: bool = False
    error: Mapping[str, object] | None = None


OPENAI = {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": "{url}"}
ASK = ("chat", "-m", "openai/m", "Hi")
OWN = '[providers.own]\nwire = "openai_chat"\nbase_url = "{url}"\nmodels = ["m", "n"]\n'


def refusal(status: int, message: str, code: str | None = None) -> Status:
    """An answer in OpenAI's form."""
    return Status(status, body=json.dumps({"error": {"message": message, "code": code}}).encode())


WRONG_KEY = refusal(401, f"Incorrect API key provided: {KEY}.", "invalid_api_key")
ROWS = (
    # ── what the host says ───────────────────────────────────────────────────────────────────────────
    Row(
        "the host's sentence",
        ASK,
        environ=OPENAI,
        host=[refusal(400, "'temperature' does not support 0.5.", "unsupported_value")],
        err="error: openai: HTTP 400 (unsupported_value)\n  the host says: 'temperature' does not support 0.5.\n",
    ),
    Row(
        "its sentence with what steers a terminal",
        ASK,
        environ=OPENAI,
        host=[refusal(400, "a\x1b[31mb\x1b]0;title\x07\nc \u202ed\u200b \x9b1me", "x")],
        err="error: openai: HTTP 400 (x)\n  the host says: ab c d e\n",
    ),
    Row(
        "a page of a proxy in between",
        ASK,
        environ=OPENAI,
        host=[Body(b"<html><head><title>502 Bad Gateway</title></head>nginx</html>", status=502)],
        err="error: openai: HTTP 502\n  the host says: 502 Bad Gateway\n",
    ),
    Row(
        "an error inside the stream",
        ASK,
        environ=OPENAI,
        host=[Body(b'data: {"error": {"message": "The engine died.", "code": "server_error"}}\n\n')],
        err="error: openai: error inside the stream (server_error)\n  the host says: The engine died.\n",
    ),
    Row(
        "no sentences, where the file wants none",
        ASK,
        environ=OPENAI,
        config="host_messages = false\n",
        host=[refusal(400, "You wrote: a canary prompt.", "x")],
        err="error: openai: HTTP 400 (x)\n",
    ),
    # ── as JSON ──────────────────────────────────────────────────────────────────────────────────────
    Row(
        "a failure as JSON",
        (*ASK, "--json"),
        environ=OPENAI,
        host=[refusal(400, "Wrong.", "x")],
        error={
            "type": "BadRequestError",
            "status": 400,
            "code": "x",
            "message": "openai: HTTP 400 (x)",
            "host_message": "Wrong.",
        },
        err="error: openai: HTTP 400 (x)\n  the host says: Wrong.\n",
    ),
    Row(
        "a wrong argument as JSON",
        ("explain", "--needs", "a>>", "--json"),
        code=2,
        error={
            "type": "NeedsSyntaxError",
            "status": None,
            "code": None,
            "message": "expected a number after '>'\n  a>>\n    ^",
            "host_message": None,
        },
        err="error: expected a number after '>'\n  a>>\n    ^\n",
    ),
    Row(
        "a wrong option as JSON, whatever comes first",
        ("probe", "--timeout", "soon", "--json"),
        code=2,
        error={
            "type": "BadParameter",
            "status": None,
            "code": None,
            "message": "Invalid value for '--timeout': 'soon' is not a valid float range.",
            "host_message": None,
        },
        err=(
            "Usage: segue probe [OPTIONS] [TARGETS]...\nTry 'segue probe --help' for help.\n\n"
            "Error: Invalid value for '--timeout': 'soon' is not a valid float range.\n"
        ),
    ),
    Row(
        "a wrong file as JSON",
        ("models", "--json"),
        config="nonsense = 1\n",
        code=2,
        error={"type": "ConfigError", "host_message": None},
        err="*",
    ),
    # ── keys ─────────────────────────────────────────────────────────────────────────────────────────
    Row(
        "a wrong key of the environment",
        ASK,
        environ=OPENAI,
        host=[WRONG_KEY],
        requests=1,
        err=(
            "error: openai: HTTP 401 (invalid_api_key)\n  the host says: Incorrect API key provided: ….\n"
            "  the key used was OPENAI_API_KEY of the environment\n"
        ),
    ),
    Row(
        "a wrong key of the file",
        ("chat", "-m", "own/m", "Hi"),
        config=f'{OWN}api_key = "{KEY}"\n',
        host=[refusal(401, "Go away.")],
        err=(
            "error: own: HTTP 401\n  the host says: Go away.\n"
            "  the key used was api_key of [providers.own] in {home}/.config/segue/segue.toml:5\n"
        ),
    ),
    Row(
        "a wrong key that the file refers to",
        ("chat", "-m", "own/m", "Hi"),
        config=f'{OWN}api_key = "env:WORK_KEY"\n',
        environ={"WORK_KEY": KEY},
        host=[Status(401, body=b"")],
        err=(
            "error: own: HTTP 401\n  the key used was api_key of [providers.own] in "
            "{home}/.config/segue/segue.toml:5 (env:WORK_KEY)\n"
        ),
    ),
    Row(
        "a key is wanted where none was sent",
        ("chat", "-m", "own/m", "Hi"),
        config=OWN,
        host=[Status(401, body=b'{"error": "Unauthorized"}')],
        err=(
            "error: own: HTTP 401\n  the host says: Unauthorized\n  no key was sent: set api_key in [providers.own]\n"
        ),
    ),
    Row(
        "a wrong key, asked for each model of its host once",
        ("chat", "--needs", "tools", "Hi"),
        environ=OPENAI,
        host=[WRONG_KEY],
        requests=1,
        err="*error: all * candidates failed: openai (* models): HTTP 401 (invalid_api_key)\n*",
    ),
    Row(
        "an account without money, asked once",
        ("chat", "-m", "own/m", "-m", "own/n", "Hi", "--json"),
        config=OWN,
        host=[refusal(402, "Top up.")],
        requests=1,
        error={
            "type": "AllFailedError",
            "status": 402,
            "message": "all 2 candidates failed: own (2 models): HTTP 402",
            "host_message": "Top up.",
        },
        err=(
            "error: all 2 candidates failed: own (2 models): HTTP 402\n  the host says: Top up.\n"
            "  no key was sent: set api_key in [providers.own]\n"
        ),
    ),
    Row(
        "equal causes, once",
        ("chat", "-m", "own/m", "-m", "own/n", "-m", "openai/m", "Hi"),
        environ=OPENAI,
        config=OWN,
        host=[refusal(500, "One."), refusal(500, "One."), refusal(503, "Two.")],
        requests=3,
        err=(
            "error: all 3 candidates failed: own (2 models): HTTP 500; openai/m: HTTP 503\n"
            "  own: the host says: One.\n  openai: the host says: Two.\n"
        ),
    ),
    # ── addresses ────────────────────────────────────────────────────────────────────────────────────
    Row(
        "an address without /v1",
        ASK,
        environ=OPENAI | {"OPENAI_BASE_URL": "{root}"},
        host=[Status(404, body=b'{"detail": "Not Found"}')],
        err=(
            "error: openai: HTTP 404: {root}/chat/completions\n  the host says: Not Found\n"
            "  hint: the address lacks /v1, which most hosts with this API need: "
            "set OPENAI_BASE_URL in the environment to {url}\n"
        ),
    ),
    Row(
        "an address without /v1, of a host that answers it with a page",
        ("chat", "-m", "own/m", "Hi"),
        config=OWN.replace("{url}", "{root}"),
        host=[Garbage(b"<html>Welcome</html>", content_type="text/html")],
        err=(
            "error: own: *: {root}/chat/completions\n"
            "  hint: the address lacks /v1, which most hosts with this API need: "
            "set base_url of [providers.own] in {home}/.config/segue/segue.toml:1 to {url}\n"
        ),
    ),
    Row(
        "an address that is a whole one",
        ("chat", "-m", "own/m", "Hi"),
        config=OWN.replace("{url}", "{url}/chat/completions"),
        host=[refusal(404, "Invalid URL", "unknown_url")],
        err=(
            "error: own: HTTP 404 (unknown_url): {url}/chat/completions/chat/completions\n"
            "  the host says: Invalid URL\n"
            "  hint: the address ends in /chat/completions, which Segue adds by itself: "
            "set base_url of [providers.own] in {home}/.config/segue/segue.toml:1 to {url}\n"
        ),
    ),
    Row(
        "a model that is not there, at the right address",
        ("chat", "-m", "own/m", "Hi"),
        config=OWN,
        host=[refusal(404, "No such model.", "model_not_found")],
        err=(
            "error: own: HTTP 404 (model_not_found): {url}/chat/completions\n  the host says: No such model.\n"
            "  hint: the address comes from base_url of [providers.own] in {home}/.config/segue/segue.toml:1\n"
        ),
    ),
    Row(
        "plain HTTP where TLS is spoken",
        ("chat", "-m", "own/m", "Hi"),
        config=OWN.replace("{url}", "http://127.0.0.1:{port}/v1"),
        tls=True,
        err=(
            "error: own: the host closed the connection without an answer: "
            "http://127.0.0.1:{port}/v1/chat/completions\n"
            "  hint: if the host uses TLS at this port, write https:// in place of http://\n"
            "  hint: the address comes from base_url of [providers.own] in {home}/.config/segue/segue.toml:1\n"
        ),
    ),
    Row(
        "a TLS alert in answer to plain HTTP",
        ("chat", "-m", "own/m", "Hi"),
        config=OWN,
        host=[Raw(b"\x15\x03\x01\x00\x02\x02\x46")],
        err=(
            "error: own: the answer is not HTTP: {url}/chat/completions\n"
            "  hint: the host uses TLS at this port: write https:// in place of http://\n"
        ),
    ),
    Row(
        "TLS where plain HTTP is spoken, by a host that hangs up",
        ("chat", "-m", "own/m", "Hi"),
        config=OWN.replace("{url}", "https://127.0.0.1:{port}/v1"),
        host=[Drop("accept")],
        err=(
            "error: own: cannot connect (*): https://127.0.0.1:{port}/v1/chat/completions\n"
            "  hint: if the host uses plain HTTP at this port, write http:// in place of https://\n"
            "  hint: the address comes from base_url of [providers.own] in {home}/.config/segue/segue.toml:1\n"
        ),
    ),
    Row(
        "an address with a query",
        ASK,
        environ={"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": "{refused}/v1?token=canary-token"},
        err=(
            "error: openai: cannot connect (connection refused): {refused}/v1\n"
            "  hint: no program listens at {refused}: start the server, or correct OPENAI_BASE_URL in the environment\n"
        ),
    ),
    # ── programs of this machine ─────────────────────────────────────────────────────────────────────
    Row(
        "Ollama is not running",
        ("chat", "-m", "ollama/m", "Hi"),
        environ={"OLLAMA_HOST": "{refused}"},
        err=(
            "error: ollama: cannot connect (connection refused): {refused}/api/chat\n"
            "  hint: no program listens at {refused}: start it with `ollama serve`, "
            "or correct OLLAMA_HOST in the environment\n"
        ),
    ),
    *(
        Row(
            f"{name} is not running",
            ("chat", "-m", f"{name}/m", "Hi"),
            config=f'[providers.{name}]\nbase_url = "{{refused}}/v1"\n',
            err=(
                f"error: {name}: cannot connect (connection refused): {{refused}}/v1/chat/completions\n"
                f"  hint: no program listens at {{refused}}: start it with `{start}`, "
                f"or correct base_url of [providers.{name}] in {{home}}/.config/segue/segue.toml:1\n"
            ),
        )
        for name, start in (
            ("llamacpp", "llama-server -m MODEL.gguf"),
            ("lmstudio", "lms server start"),
            ("vllm", "vllm serve MODEL"),
        )
    ),
    Row(
        "a host of the user's own is not running",
        ("models", "--live", "--provider", "own"),
        config=OWN.replace("{url}", "{refused}/v1"),
        err=(
            "error: own: cannot connect (connection refused): {refused}/v1/models\n"
            "  hint: no program listens at {refused}: start the server, "
            "or correct base_url of [providers.own] in {home}/.config/segue/segue.toml:1\n"
        ),
    ),
)  # fmt: skip


def _is(shown: str, wanted: str) -> bool:
    """Whether it is exactly this; a ``*`` stands for anything."""
    first, *rest = wanted.split("*")
    if not rest:
        return shown == wanted
    if not (shown.startswith(first) and shown.endswith(rest[-1])):
        return False
    place = len(first)
    for part in rest:
        place = shown.find(part, place)
        if place < 0:
            return False
        place += len(part)
    return True


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
async def test_what_a_person_sees(cli: CommandLine, row: Row) -> None:
    """Each situation has exactly this output and exit code, and no key is shown."""
    async with AsyncExitStack() as stack:
        context = None
        if row.tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
        host = await stack.enter_async_context(OpenAIHost(script=list(row.host), ssl=context))
        places = {
            "{url}": host.url,
            "{root}": host.address,
            "{port}": host.address.rpartition(":")[2],
            "{home}": str(cli.folder),
            "{refused}": refused_url(),
        }

        def placed(text: str) -> str:
            for name, value in places.items():
                text = text.replace(name, value)
            return text

        if row.config:
            file = cli.folder / ".config" / "segue" / "segue.toml"
            await asyncio.to_thread(file.parent.mkdir, parents=True)
            await asyncio.to_thread(file.write_text, placed(row.config))
        cli.environ |= {name: placed(value) for name, value in row.environ.items()}
        ended = await cli(*map(placed, row.arguments), stdin=row.stdin)
        asked = len(host.requests)
    assert _is(ended.err, placed(row.err)), ended.err
    assert ended.code == row.code
    if row.error is None:
        assert _is(ended.out, placed(row.out)), ended.out
    else:
        error = json.loads(ended.out)["error"]
        assert set(error) == {"type", "status", "code", "message", "host_message"}
        assert {name: error[name] for name in row.error} == row.error
    assert row.requests in {None, asked}
    assert "canary" not in ended.out + ended.err
