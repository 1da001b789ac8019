"""What a command prints when something is wrong: a row for each situation, with its exact output and exit code.

In a row's texts ``{url}`` is the address of its loopback host (with ``/v1``), ``{root}`` the same without it,
``{port}`` its port, ``{home}`` the home folder, whose ``segue.toml`` is the row's ``config``, and ``{refused}`` an
address where nothing listens. The host does the steps in turn, the last one again and again; ``requests`` is how many
it got.
"""

from __future__ import annotations

import asyncio
import json
import shlex
import ssl
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

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
    JSON of stdout, in place of ``out``. In the way ``shell`` the arguments are one line of shell; on a ``terminal``
    ``out`` has both streams.
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
    way: Literal["pipes", "shell", "terminal"] = "pipes"


OPENAI = {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": "{url}"}
ASK = ("chat", "-m", "openai/m", "Hi")
OWN = '[providers.own]\nwire = "openai_chat"\nbase_url = "{url}"\nmodels = ["m", "n"]\n'


MANY = OWN.replace('["m", "n"]', '["a", "b", "c", "d", "e", "f"]')
FILE = "{home}/.config/segue/segue.toml"
MORE = (
    "to list each model: `segue explain --all`; to find where to get a key: `segue providers`; "
    "to store a key: `segue keys set NAME`\n"
)


def usage(command: str, takes: str, message: str) -> str:
    """What is printed for a wrong argument or option of a command."""
    return f"Usage: {command} {takes}\nTry '{command} --help' for help.\n\nError: {message}\n"


def no_option(option: str, hint: str) -> Row:
    """An option of another program, and what replaces it."""
    message = f"No such option '{option}'; {hint}"
    name = f"the option {option}, which does not exist"
    return Row(name, ("chat", option, "1", "Hi"), code=2, err=usage("segue chat", "[OPTIONS] [MESSAGE]...", message))


def mistaken(word: str, hint: str) -> Row:
    """A word that is close to a command, which is never sent as a question."""
    quoted = shlex.quote(word)
    message = (
        f"No such command {word!r}; did you mean 'segue {hint}'? Or, to send it as a question: segue chat {quoted}"
    )
    err = usage("segue", "[OPTIONS] COMMAND [ARGS]...", message)
    return Row(f"the word {word}, close to a command", (word,), code=2, requests=0, environ=OPENAI, err=err)


def checked(name: str, config: str, *faults: str, notes: Sequence[str] = ()) -> Row:
    """A configuration with a problem, by its line; or one that may be intended, with notes."""
    read = f"read: {FILE}\nread: SEGUE_RETRY_COUNT\nno problems found\n"
    return Row(
        f"config check: {name}", ("config", "check"), config=config, code=2 if faults else 0,
        out="".join(f"{FILE}:{fault}\n" for fault in faults) or read,
        err="".join(f"note: {FILE}:{note}\n" for note in notes),
    )  # fmt: skip


def refusal(status: int, message: str, code: str | None = None) -> Status:
    """An answer in OpenAI's form."""
    return Status(status, body=json.dumps({"error": {"message": message, "code": code}}).encode())


WRONG_KEY = refusal(401, f"Incorrect API key provided: {KEY}.", "invalid_api_key")
ANSWER = b'{"choices": [{"message": {"content": "hello"}, "finish_reason": "stop"}]}'
NO_MODEL = refusal(404, "No.", "model_not_found")
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
    Row(
        "a failure after retries",
        ASK,
        environ=OPENAI | {"SEGUE_RETRY_COUNT": "2", "SEGUE_RETRY_BASE": "0.001"},
        host=[refusal(500, "No.")],
        requests=3,
        err="error: openai: HTTP 500 (after 3 attempts)\n  the host says: No.\n",
    ),
    Row(
        "failures of several models after retries",
        ("chat", "-m", "own/m", "-m", "own/n", "-m", "openai/m", "Hi"),
        config=OWN,
        environ=OPENAI | {"SEGUE_RETRY_COUNT": "1", "SEGUE_RETRY_BASE": "0.001"},
        host=[refusal(500, "No.")],
        requests=6,
        err=(
            "error: all 3 candidates failed: own (2 models): HTTP 500 (after 4 attempts); "
            "openai/m: HTTP 500 (after 2 attempts)\n  own: the host says: No.\n  openai: the host says: No.\n"
        ),
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
    *(
        Row(
            f"an address with /V1: {arguments[0]}",
            arguments,
            environ=OPENAI | {"OPENAI_BASE_URL": "{root}/V1"},
            host=[Status(404, body=b"{}")],
            err=(
                f"error: openai: HTTP 404: {{root}}/V1/{path}\n  hint: the address has /V1 with a capital letter, "
                "which most hosts do not know: set OPENAI_BASE_URL in the environment to {url}\n"
            ),
        )
        for arguments, path in ((ASK, "chat/completions"), (("models", "--live", "--provider", "openai"), "models"))
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
    *(
        Row(
            f"a page with status 200 at the right address: {' '.join(arguments)}",
            arguments,
            environ=OPENAI,
            host=[Garbage(b"\n<html><title>Sign in</title></html>", content_type="text/html; charset=utf-8")],
            err=(
                f"error: openai: the host sent a web page (HTML) instead of JSON: {{url}}/{path}\n"
                "  the host says: Sign in\n  hint: the address comes from OPENAI_BASE_URL in the environment\n"
            ),
        )
        for arguments, path in (
            (ASK, "chat/completions"),
            (("chat", "--no-stream", "-m", "openai/m", "Hi"), "chat/completions"),
            (("embed", "-m", "openai/text-embedding-3-small", "Hi"), "embeddings"),
            (("models", "--live", "--provider", "openai"), "models"),
        )
    ),
    Row(
        "JSON that is sent as a page",
        ("chat", "-m", "own/m", "Hi"),
        config=OWN,
        code=0,
        host=[Garbage(ANSWER, content_type="text/html")],
        out="hello\n",
    ),
    Row(
        "a list of models that is not JSON",
        ("models", "--live", "--provider", "openai"),
        environ=OPENAI,
        host=[Garbage(b"hello", content_type="text/plain")],
        err="error: openai: the list of models is not JSON: {url}/models\n",
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
            "  hint: `segue models --live --provider own` lists the models of this host\n"
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
        code=2,
        err=(
            "error: openai: OPENAI_BASE_URL in the environment must be a URL without a query: "
            "remove '?' and what follows it\n"
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
    # ── nobody can be asked ──────────────────────────────────────────────────────────────────────────
    Row(
        "explain, by provider and reason",
        ("--no-plugins", "explain", "--needs", "toolz"),
        code=2,
        config=MANY,
        out=(
            "wanted: toolz\ncandidates: none\nhint: no installed model has the fact 'toolz'; did you mean 'tools'?\n"
            f"not candidates:\n  - own (6 models): toolz unknown\n{MORE}"
        ),
    ),
    Row(
        "no candidate, by provider and reason",
        ("--no-plugins", "chat", "--needs", "vision", "Hi"),
        code=2,
        requests=0,
        config=MANY,
        err=(
            "error: no model can get this request\nwanted: vision\ncandidates: none\n"
            "hint: no installed model has the fact 'vision'\nnot candidates:\n"
            f"  - own (6 models): vision unknown\n{MORE}"
        ),
    ),
    *(
        Row(
            f"plugins are switched off: {' '.join(arguments)}",
            ("--no-plugins", *arguments),
            code=2,
            requests=0,
            environ=OPENAI,
            err=(
                f"error: no model can get this request\nwanted: {wanted}\ncandidates: none\n"
                "hint: plugins are switched off (--no-plugins, or SEGUE_NO_PLUGINS)\n"
            ),
        )
        for arguments, wanted in (
            (("hi",), "anything"),
            (("-m", "openai/gpt-5.4-mini", "hi"), "openai/gpt-5.4-mini"),
            (("--needs", "tools", "hi"), "tools"),
            (("embed", "hi"), "embeddings"),
            (("probe",), "anything"),
        )
    ),
    *(
        Row(
            f"plugins are switched off, and nothing is listed: {' '.join(arguments)}",
            ("--no-plugins", *arguments),
            code=code,
            requests=0,
            environ=OPENAI,
            out="*",
            err="*note: plugins are switched off (--no-plugins, or SEGUE_NO_PLUGINS)\n*",
        )
        for arguments, code in ((("models",), 0), (("providers",), 0), (("models", "--live"), 2))
    ),
    Row(
        "a provider of a plugin, where plugins are switched off and the file has another one",
        ("--no-plugins", "-m", "openai", "hi"),
        code=2,
        requests=0,
        config=OWN,
        err=(
            "error: no model can get this request\nwanted: openai\ncandidates: none\n"
            "hint: plugins are switched off (--no-plugins, or SEGUE_NO_PLUGINS)\n"
        ),
    ),
    Row(
        "explain, with only a public host left",
        ("explain",),
        config='[plugins]\nallow = ["segue-cromicle", "segue-ollama"]\n',
        code=0,
        out=(
            "wanted: anything\ncandidates: none\nonly with your consent:\n"
            "  - cromicle/gpt-3.5-turbo  [public: nothing is sent to it without your consent]\n"
            "hint: a public host gets a request only if you name it (cromicle/gpt-3.5-turbo) "
            "or add [providers.cromicle] to segue.toml\n"
        ),
    ),
    Row(
        "several models without a key, each with its reason once",
        ("chat", "-m", "openai/gpt-5.4-mini", "-m", "nobody/m", "Hi"),
        code=2,
        err=(
            "error: openai has no key: set OPENAI_API_KEY (get one at https://platform.openai.com/api-keys)\n"
            "no target has a candidate\n"
            "  1. openai/gpt-5.4-mini: no key: set OPENAI_API_KEY (get one at https://platform.openai.com/api-keys)\n"
            "  2. nobody/m: no provider has a model 'nobody/m'\n"
        ),
    ),
    Row(
        "a model that was retired, with the day on which that was read",
        ("explain", "-m", "claude-opus-4-20250514"),
        code=2,
        environ={"ANTHROPIC_API_KEY": KEY},
        out=(
            "wanted: claude-opus-4-20250514\ncandidates: none\nnot candidates:\n"
            "  - anthropic/claude-opus-4-20250514: retired on 2026-06-15 "
            "(platform.claude.com/docs/en/about-claude/model-deprecations, read on *)\n"
        ),
    ),
    Row(
        "providers, with the file and line of a row",
        ("--no-plugins", "providers"),
        config=OWN,
        code=0,
        out=(
            "provider  access  models  level  state  from\n"
            "own       open    2       full   ready  {home}/.config/segue/segue.toml:1\n"
        ),
    ),
    *(
        Row(
            f"vectors of a provider that has none: {' '.join(models)}",
            ("embed", *(word for model in models for word in ("-m", model)), "Hi"),
            code=2,
            err="error: rehearsal: this provider does not support embeddings\n",
        )
        for models in (("rehearsal",), ("rehearsal/rehearsal",))
    ),
    Row(
        "rehearse, with what happened in the order of time",
        ("rehearse", "-m", "openai/gpt-5.4-mini", "-m", "groq/openai/gpt-oss-20b", "--fault", "openai=F12"),
        out=(
            "call 1, 0.00 s\n  openai/gpt-5.4-mini *✗\n      0.40 s  first text\n"
            "    StreamBrokenError (stream) after 0.70 s: the connection broke\n  groq/openai/gpt-oss-20b *"
        ),
    ),
    Row(
        "a probe has a heading",
        ("probe", "own/m"),
        config=OWN,
        code=0,
        out="model\toutcome\tfirst content\ttotal\tcost\twhat is wrong\nown/m\tanswered\t* ms\t* ms\t\t\n",
    ),
    *(
        Row(
            f"help of a word that is not a command: {' '.join(arguments)}",
            arguments,
            code=2,
            err=usage("segue", "[OPTIONS] COMMAND [ARGS]...", message),
        )
        for arguments, message in (
            (
                ("trace", "--help"),
                "No such command 'trace'; '--trace' is an option of 'segue chat'; 'segue --help' lists the commands",
            ),
            (("plugins", "--help"), "No such command 'plugins'; 'segue --help' lists the commands"),
            (("plugins", "list", "-h"), "No such command 'plugins'; 'segue --help' lists the commands"),
            (
                ("modles", "--help"),
                (
                    "No such command 'modles'; did you mean 'segue models'? "
                    "Or, to send it as a question: segue chat modles"
                ),
            ),
        )
    ),
    Row(
        "words where explain takes options",
        ("explain", "tools", "vision"),
        code=2,
        err=usage(
            "segue explain",
            "[OPTIONS]",
            "segue explain takes only options, not 'tools vision': "
            'give needs with --needs "tools, vision", or a model with --model NAME',
        ),
    ),
    Row(
        "forty rows of one address, on one line",
        ("--no-plugins", "chat", "--needs", "tools", "Hi"),
        code=2,
        requests=0,
        config="".join(OWN.replace("[providers.own]", f"[providers.h{number}]") for number in range(40)),
        err=(
            "error: no model can get this request\nwanted: tools\ncandidates: none\n"
            "hint: no installed model has the fact 'tools'\nnot candidates:\n"
            "  - h0 and 39 more with the address {url} (80 models): tools unknown\n"
            f"{MORE}"
        ),
    ),
    Row(
        "needs that are given twice, each hint once",
        ("--no-plugins", "embed", "--needs", "embeddings?, toolz, toolz?", "-m", "own", "Hi"),
        code=2,
        requests=0,
        config=OWN,
        err=(
            "error: no model can get this request\nwanted: own (embeddings?, toolz, toolz?)\ncandidates: none\n"
            "hint: no installed model has the fact 'toolz'; did you mean 'tools'?\nnot candidates:\n"
            "  - own/m: toolz unknown\n  - own/n: toolz unknown\n"
        ),
    ),
    Row(
        "a model's name with a typing error",
        ("chat", "-m", "gpt-5.4-mni", "Hi"),
        code=2,
        err=(
            "error: no model can get this request\nwanted: gpt-5.4-mni\ncandidates: none\n"
            "hint: no provider has a model 'gpt-5.4-mni'; the nearest are gpt-5.4-mini, *\n"
        ),
    ),
    Row(
        "a model without its key",
        ("chat", "-m", "openai/gpt-5.4-mini", "Hi"),
        code=2,
        err=(
            "error: openai has no key: set OPENAI_API_KEY (get one at https://platform.openai.com/api-keys)\n"
            "no model can get this request\nwanted: openai/gpt-5.4-mini\ncandidates: none\n"
        ),
    ),
    Row(
        "a conversation without the key of its model, refused before the prompt",
        ("chat", "-m", "openai/gpt-5.4-mini"),
        way="terminal",
        code=2,
        out=(
            "error: openai has no key: set OPENAI_API_KEY (get one at https://platform.openai.com/api-keys)\n"
            "no model can get this request\nwanted: openai/gpt-5.4-mini\ncandidates: none\n"
        ).replace("\n", "\r\n"),
    ),
    Row(
        "Ollama, which declares no models",
        ("chat", "-m", "ollama", "Hi"),
        code=2,
        err=(
            "error: no model can get this request\nwanted: ollama\ncandidates: none\n"
            "hint: ollama does not declare models: name one as ollama/MODEL; "
            "`segue models --live --provider ollama` lists the models of its host, if the host supports that\n"
        ),
    ),
    Row(
        "a model with a typing error that the host has not",
        ("chat", "-m", "openai/gpt-5.4-mnii", "Hi"),
        environ=OPENAI,
        host=[NO_MODEL],
        err=(
            "error: openai: HTTP 404 (model_not_found): {url}/chat/completions\n  the host says: No.\n"
            "  hint: openai does not declare the model 'gpt-5.4-mnii'; did you mean 'gpt-5.4-mini'?\n"
        ),
    ),
    Row(
        "a model with a typing error that the host has",
        ("chat", "-m", "openai/gpt-5.4-mnii", "Hi"),
        environ=OPENAI,
        code=0,
        out="hello\n",
        err=(
            "note: model: openai does not declare the model 'gpt-5.4-mnii': its facts are unknown; "
            "did you mean 'openai/gpt-5.4-mini'?\n"
        ),
    ),
    Row(
        "a model that is not declared, and has no name near it, and the host has it",
        ("chat", "-m", "openai/zzz", "Hi"),
        environ=OPENAI,
        code=0,
        out="hello\n",
        err="note: model: openai does not declare the model 'zzz': its facts are unknown\n",
    ),
    Row(
        "a model that has no name near it, and the host has not",
        ("chat", "-m", "openai/zzz", "Hi"),
        environ=OPENAI,
        host=[NO_MODEL],
        err=(
            "error: openai: HTTP 404 (model_not_found): {url}/chat/completions\n  the host says: No.\n"
            "  hint: `segue models --live --provider openai` lists the models of this host\n"
        ),
    ),
    *(
        Row(
            f"a chain with a typing error: {arguments[0]}",
            arguments,
            config=f'{OWN}[chains]\nmain = ["own/m"]\n',
            code=2,
            requests=0,
            err=err,
        )
        for arguments, err in (
            (("probe", "mian"), "error: *hint: did you mean the chain 'main'?\n*"),
            (
                ("chat", "--chain", "openai", "Hi"),
                "error: no chain 'openai' is configured; a model or a provider is named with model= (--model)\n",
            ),
        )
    ),
    *(
        Row(
            f"a provider with a typing error: {name}",
            ("chat", "-m", name, "Hi"),
            environ=OPENAI,
            code=2,
            requests=0,
            err="error: *hint: no provider 'openia'; did you mean 'openai'?\n",
        )
        for name in ("openia", "openia/gpt-5.4-mini")
    ),
    Row(
        "credentials of this machine that are set for another purpose",
        ("chat", "--needs", "tools", "Hi"),
        config='[plugins]\nallow = ["segue-bedrock"]\n',
        environ={"AWS_ACCESS_KEY_ID": "AKIA-canary", "AWS_SECRET_ACCESS_KEY": "canary-0123", "AWS_REGION": "us-east-1"},
        code=2,
        err=(
            "error: no model can get this request\nwanted: tools\ncandidates: none\n"
            "hint: bedrock: the credentials on this machine may be set for another purpose: "
            "name bedrock/MODEL, or add [providers.bedrock] to segue.toml\n*"
        ),
    ),
    Row(
        "a chain that is not configured",
        ("chat", "--chain", "main", "Hi"),
        code=2,
        config=OWN,
        err="error: no chain 'main' is configured\n",
    ),
    Row(
        "live lists without any key",
        ("models", "--live"),
        config='[plugins]\nallow = ["segue-openai"]\n',
        code=2,
        err=(
            "skipped, no key: azure (AZURE_OPENAI_API_KEY), openai (OPENAI_API_KEY); "
            "`segue providers` shows where to get one\nerror: no host could get a request\n"
        ),
    ),
    Row(
        "live lists without any key, as JSON",
        ("--no-plugins", "models", "--live", "--json"),
        code=2,
        error={"type": "NoCandidateError", "status": None, "message": "no host could get a request"},
        err=(
            "note: plugins are switched off (--no-plugins, or SEGUE_NO_PLUGINS)\n"
            "error: no host could get a request\n"
        ),
    ),
    Row(
        "a live list that fails, as JSON",
        ("models", "--live", "--provider", "own", "--json"),
        config=f'{OWN}api_key = "{KEY}"\n',
        host=[WRONG_KEY],
        error={"type": "AuthenticationError", "status": 401, "code": "invalid_api_key"},
        err=(
            "error: own: HTTP 401 (invalid_api_key)\n  the host says: Incorrect API key provided: ….\n"
            f"  the key used was api_key of [providers.own] in {FILE}:5\n"
        ),
    ),
    *(
        Row(
            f"who answers: {name}",
            ("chat", *target, "Hi"),
            config=f'{OWN}capabilities = {{ cheap = true }}\n[chains]\nmain = ["own/m", "own/n"]\n',
            host=host,
            code=0,
            out="hello\n",
            err=err,
        )
        for name, target, host, err in (
            ("needs", ("--needs", "cheap"), [Answer("hello")], "own/m answers (of 2 that satisfy cheap)\n"),
            ("a chain after a failure", ("--chain", "main"), [NO_MODEL, Answer("hello")], "own/n\n"),
            ("the second of two", ("-m", "own/m", "-m", "own/n"), [NO_MODEL, Answer("hello")], "own/n\n"),
            ("the first of two, whole", ("-m", "own/m", "-m", "own/n", "--no-stream"), [Answer("hello")], "own/m\n"),
            ("a provider", ("-m", "own"), [Answer("hello")], "own/m\n"),
            ("exactly the named model", ("-m", "own/m"), [Answer("hello")], ""),
        )
    ),
    # ── what is configured, but incomplete ───────────────────────────────────────────────────────────
    Row(
        "a key that refers to a variable that is not set, and nothing named",
        ("chat", "Hi"),
        config='[providers.openai]\napi_key = "env:MY_KEY"\n',
        code=2,
        requests=0,
        err=(
            f"error: openai has no key: {FILE}:2: providers.openai.api_key names the variable MY_KEY, "
            "which is not set\n"
        ),
    ),
    *(
        Row(
            f"a conversation with {name}",
            (*question, "Hi"),
            environ=environ,
            config=config,
            code=2,
            requests=0,
            err=f"error: {told}\n",
        )
        for name, question, environ, config, told in (
            (
                "an empty key variable", (), {"OPENAI_API_KEY": ""}, "",
                "openai has no key: OPENAI_API_KEY is set, but empty",
            ),
            (
                "an address and no key", ("chat",), {"OPENAI_BASE_URL": "{url}"}, "",
                "openai has no key: set OPENAI_API_KEY; OPENAI_BASE_URL is set",
            ),
            (
                "a table without a key", ("chat",), {}, "[providers.openai]\nconcurrency = 3\n",
                f"openai has no key: set OPENAI_API_KEY; it is configured in {FILE}:1",
            ),
        )
    ),
    # ── what answers ─────────────────────────────────────────────────────────────────────────────────
    Row(
        "the default model, beside another configured provider",
        ("chat", "Hi"),
        config=OWN,
        environ={"OPENAI_API_KEY": KEY},
        code=0,
        requests=1,
        out="hello\n",
        err=(
            "note: default: own/m is used; also configured: openai; `segue models default NAME` sets the default\n"
            "own/m\n"
        ),
    ),
    Row(
        "a deprecated model",
        ("chat", "-m", "own/m", "Hi"),
        config=OWN.replace('"m"', '{ name = "m", deprecated = true, retires = "2999-01-01" }'),
        code=0,
        out="hello\n",
        err=f"note: model: deprecated, retires on 2999-01-01 ({FILE}:1)\n",
    ),
    Row(
        "a cost, without the digits that binary arithmetic adds",
        ("chat", "-m", "own/m", "Hi", "--json"),
        config=OWN.replace('"m"', '{ name = "m", input_price = 0.1, output_price = 0.2 }'),
        code=0,
        out='{"text": "hello", *"cost": 3e-07, *}\n',
    ),
    Row(
        "a terminal that is dumb",
        ("chat", "-m", "own/m", "--trace", "Hi"),
        way="terminal",
        config=OWN,
        environ={"TERM": "dumb"},
        code=0,
        out=(
            "trace: wanted: own/m\r\ntrace: candidates, in order:\r\ntrace:   1. own/m\r\nhello\r\n"
            "trace: own/m answered, *\r\ntrace: answered by own/m\r\n"
            "trace: tokens: 1 in, 1 out; cost: unknown\r\n"
        ),
    ),
    Row(
        "a closed stdout, for which nobody is asked",
        ("segue chat -m own/m Hi >&-",),
        way="shell",
        config=OWN,
        requests=0,
        err=(
            "error: input or output failed: stdout is closed, so the output cannot be shown (>/dev/null discards it)\n"
        ),
    ),
    Row(
        "a tool that is not written in Python",
        ("chat", "--yes", "--tool", "os:getcwd", "-m", "own/m", "Hi"),
        config=OWN,
        code=2,
        requests=0,
        err="error: --tool os:getcwd: it must be a function written in Python with def; write one that calls it\n",
    ),
    # ── what is typed ────────────────────────────────────────────────────────────────────────────────
    mistaken("modles", "models"),
    mistaken("models?", "models"),
    mistaken("EXPLAIN!", "explain"),
    no_option("--timeout", "set SEGUE_TIMEOUT_TOTAL=SECONDS, or timeout = SECONDS in segue.toml"),
    no_option("--temp", "did you mean '--temperature'?"),
    no_option("--modle", "did you mean '--model'?"),
    no_option(
        "--key",
        "a key is never an option: use `segue keys set NAME`, or set the provider's variable (`segue providers`)",
    ),
    no_option("--provider", "use --model PROVIDER or --model PROVIDER/MODEL"),
    no_option(
        "--url",
        "set base_url in [providers.NAME] of segue.toml, or the provider's variable, such as OPENAI_BASE_URL",
    ),
    no_option("--live", "it is an option of `segue models`"),
    no_option("--debug", "write it before the command: segue --debug chat …"),
    Row(
        "an option that nothing is like",
        ("chat", "--foo", "Hi"),
        code=2,
        err=usage("segue chat", "[OPTIONS] [MESSAGE]...", "No such option '--foo'."),
    ),
    Row(
        "an option that does not exist, as JSON",
        ("chat", "--json", "--modle", "m", "Hi"),
        code=2,
        error={"type": "NoSuchOption", "status": None, "message": "No such option '--modle'; did you mean '--model'?"},
        err="Usage: *",
    ),
    Row(
        "a word that is close to a command, as JSON",
        ("modles", "--json"),
        code=2,
        error={"type": "UsageError", "code": None},
        err="Usage: *",
    ),
    Row(
        "words where a command takes options",
        ("providers", "openai"),
        code=2,
        err=usage("segue providers", "[OPTIONS]", "segue providers takes only options, not 'openai'"),
    ),
    Row(
        "a command that a group does not have",
        ("keys", "lst"),
        code=2,
        err=usage("segue keys", "[OPTIONS] COMMAND [ARGS]...", "segue keys has no command 'lst'; did you mean 'list'?"),
    ),
    Row(
        "a limit of no seconds",
        ASK,
        environ=OPENAI | {"SEGUE_TIMEOUT_TOTAL": "0"},
        code=2,
        requests=0,
        err="error: SEGUE_TIMEOUT_TOTAL: timeout.total must be a number of seconds greater than 0\n",
    ),
    Row(
        "nothing to embed",
        ("embed",),
        code=2,
        err=usage("segue embed", "[OPTIONS] [TEXTS]...", "there is no text: stdin is empty"),
    ),
    Row(
        "an empty text to embed",
        ("embed", "-m", "own/m", "one", ""),
        config=OWN,
        code=2,
        requests=0,
        err=usage("segue embed", "[OPTIONS] [TEXTS]...", "text 2 is empty: it has no vector"),
    ),
    Row(
        "a file to embed that is not there",
        ("embed", "--file", "texts.txt"),
        code=2,
        err="error: --file texts.txt: it cannot be read: No such file or directory\n",
    ),
    Row(
        "a module to conform that is not there",
        ("conform", "nope:Nope"),
        code=2,
        err="error: conform nope:Nope: the module 'nope' is not in the working directory and not installed\n",
    ),
    Row(
        "a class to conform with a typing error",
        ("conform", "segue_openai.provider:OpenAi"),
        code=2,
        err="error: conform segue_openai.provider:OpenAi: the module has no 'OpenAi'; did you mean 'OpenAI'?\n",
    ),
    Row(
        "a provider with a typing error",
        ("conform", "opnai"),
        code=2,
        err="error: no provider 'opnai' is installed; did you mean 'openai'?\n",
    ),
    # ── the configuration ────────────────────────────────────────────────────────────────────────────
    checked(
        "a target of a provider that is not installed",
        f'{OWN}[chains]\na = ["own/m", "opnai/x"]\n',
        "6: 'opnai/x' names a provider that is not installed, 'opnai'; did you mean 'openai'?",
    ),
    *(
        Row(
            f"a table of a provider that does not exist: {told}",
            ("chat", "-m", "openai/m", "Hi"),
            environ=OPENAI,
            config=f"{table}\n",
            code=2,
            requests=0,
            err=f"error: {FILE}:1: {told}\n",
        )
        for table, told in (
            (
                '[providers.local]\nbase_url = "{url}"',
                "[providers.local] needs wire = \"openai_chat\", because no provider 'local' is installed",
            ),
            (
                "[providers.local]\nconcurrency = 2",
                "[providers.local] needs wire = \"openai_chat\" and base_url, because no provider 'local' is installed",
            ),
            (
                "[providers.openia]\nconcurrency = 2",
                "[providers.openia]: no provider 'openia' is installed; did you mean 'openai'?",
            ),
        )
    ),
    checked(
        "a chain inside itself",
        '[chains]\na = [{ chain = "b" }]\nb = [{ chain = "a" }]\n',
        "2: the chain 'a' contains itself: a → b → a",
    ),
    checked(
        "a chain in a form of another program",
        f'{OWN}[chains]\na = [\n  "own/m",\n  "chain:b",\n]\nb = ["own/n"]\n',
        "8: 'chain:b' does not name a chain; write { chain = \"b\" }",
    ),
    checked(
        "a fact of a wrong type",
        '[models."openai/gpt-5.4-mini"]\ncontext = 5\ntools = "yes"\n',
        '3: models."openai/gpt-5.4-mini".tools must be true or false',
    ),
    *(
        checked(
            f"a fact with a value that it cannot have: {fact}",
            f'[models."openai/gpt-5.4-mini"]\ntools = true\n{fact}\n',
            f'3: models."openai/gpt-5.4-mini".{fact.partition(" ")[0]} must be {wanted}',
        )
        for fact, wanted in (
            ('retires = "soon"', "a day such as '2026-01-31'"),
            ('retires = "2026-13-01"', "a day such as '2026-01-31'"),
            ("retires = 2026", "a day such as '2026-01-31'"),
            ('context = "128k"', "a whole number of at least 1"),
            ("input_price = -3.0", "a number of at least 0"),
            ("latency = -1", "a number of at least 0"),
            ('deprecated = "yes"', "true or false"),
        )
    ),
    checked(
        "options that the provider does not have, or of a wrong type",
        '[providers.openai.options]\nlogit_bais = {}\nwire = "canary"\n'
        '[chains]\na = [\n  { model = "openai/gpt-5.4-mini", options = { max_tool_calls = "canary" } },\n]\n',
        "3: the option 'wire' of openai must be 'chat' or 'responses'",
        "2: the option 'logit_bais' of openai does not exist; did you mean 'logit_bias'?",
        "6: the option 'max_tool_calls' of openai must be a valid integer, unable to parse string as an integer",
    ),
    checked("options that are right", '[providers.openai.options]\nwire = "responses"\n'),
    checked(
        "distributions without a plugin",
        '[plugins]\ndeny = [\n  "groq",\n  "pytest",\n  "hots",\n]\n',
        notes=[
            "3: no distribution 'groq' is installed; 'groq' is a provider of the distribution 'segue-hosts'",
            "4: the distribution 'pytest' has no plugin",
            "5: no distribution 'hots' is installed; did you mean 'segue-hosts'?",
        ],
    ),
    checked(
        "a fact in needs that no model has",
        '[needs]\nfast = "toolz"\n',
        "2: no model has the fact 'toolz'; did you mean 'tools'?",
    ),
    checked(
        "a fact in the needs of a chain that is compared wrongly",
        '[chains]\na = [{ needs = "tools>=3" }]\n',
        "2: the need 'tools>=3' is never satisfied: tools is true or false, so write 'tools' or '!tools'",
    ),
    checked("no seconds", "timeout = 0\n", "1: timeout must be a number of seconds greater than 0, or a table"),
    checked(
        "names with typing errors that may be intended",
        'order = ["opnai"]\n[models."openai/gpt-5.4-mni"]\ntool = true\n[plugins]\ndeny = ["segue-opnai"]\n',
        notes=[
            "1: no provider 'opnai' is installed; did you mean 'openai'?",
            "2: openai does not declare the model 'gpt-5.4-mni'; did you mean 'gpt-5.4-mini'?",
            "3: no installed model has the fact 'tool'; did you mean 'tools'?",
            "5: no distribution 'segue-opnai' is installed; did you mean 'segue-openai'?",
        ],
    ),
    Row(
        "doctor, where only the file is wrong",
        ("--no-plugins", "doctor"),
        config="orders = 1\n",
        out=(
            f"*\nconfiguration\n  broken: {FILE}:1: unknown key 'orders'; did you mean 'order'?\n"
            "plugins\n  no plugin is installed, or plugins are switched off\n"
            "keys\n  not checked: the configuration is not valid\n\n"
            "  problems found: 1, see 'broken:' above\n"
        ),
    ),
    Row(
        "doctor, where several lines of the file are wrong",
        ("--no-plugins", "doctor"),
        config="orders = 1\ntimeout = 0\n",
        out=(
            f"*\nconfiguration\n  broken: {FILE}:1: unknown key 'orders'; did you mean 'order'?\n"
            f"  broken: {FILE}:2: timeout must be a number of seconds greater than 0, or a table\n"
            "plugins\n*\n  problems found: 2, see 'broken:' above\n"
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
        arguments = [placed(argument) for argument in row.arguments]
        if row.way == "pipes":
            ended = await cli(*arguments, stdin=row.stdin)
        else:
            ended = await (cli.shell if row.way == "shell" else cli.on_terminal)(*arguments)
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


@pytest.mark.parametrize("needs", ["tools", "vision", "embeddings", "toolz", "context>=9m"])
@pytest.mark.parametrize("command", ["explain", "chat", "embed", "probe"])
async def test_with_forty_hosts_of_a_users_own_an_explanation_fits_a_screen(
    cli: CommandLine, command: str, needs: str
) -> None:
    """Each at an address of its own: there are at most 25 lines."""
    hosts = (
        OWN.replace("own", f"h{number}").replace("{url}", f"http://127.0.0.1:9/{number}/v1") for number in range(40)
    )
    config = cli.config("".join(hosts) + f'[chains]\nall = [{{ needs = "{needs}" }}]\n')
    arguments = ["all"] if command == "probe" else ["--needs", needs, *(["Hi"] if command != "explain" else [])]
    cli.environ["SEGUE_NO_NETWORK"] = "1"
    ended = await cli(command, "--config", config, *arguments)
    assert (ended.code, len((ended.out + ended.err).splitlines()) <= 25) == (2, True), ended
