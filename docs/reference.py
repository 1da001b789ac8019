"""The pages that are generated from the code when the site is built, so that they cannot become outdated."""

from __future__ import annotations

import ast
import inspect
import re
import sys
import tomllib
from pathlib import Path
from textwrap import shorten
from typing import TYPE_CHECKING, Any

import click
from mkdocs.structure.files import File

import segue
from segue import errors
from segue.cli.commands import segue as command_line
from segue.config import VARIABLES, models
from segue.testing.conformance import all_items
from segue.wire.openai_chat import QUIRKS

sys.path.insert(0, str(Path(__file__).parent))  # mkdocs and the tests load this file by its path

from wires import wires_page

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]
LAYERS = "<!-- The layers are inserted here when the site is built, from the contract in pyproject.toml. -->"

# What to do about each error. A test checks that every exported class has an entry.
ADVICE = {
    "SegueError": "Catch it to catch any of the others.",
    "ConfigError": "Fix what the message names: a file and its line, a variable, an argument.",
    "PluginError": "`segue doctor` shows the plugin's own error. Update or uninstall the plugin.",
    "NeedsSyntaxError": "Look at the place that the `^` points to.",
    "NoCandidateError": "Read the explanation (also in `segue explain`): set a key, name a model, or ask for less.",
    "ClosedError": "Nothing failed: the client, or the stream, was closed. Make calls inside of `async with`.",
    "ProviderError": "`retryable`, `next_may_help` and `retry_after` say what may help, `attempts` what was tried.",
    "ConnectError": "Check the address and the network. Segue retries, and tries the next candidate.",
    "DNSError": "Check the host name.",
    "TLSError": "Trust the host's certificate authority with `ca_file`. You cannot switch off the check.",
    "ProxyError": "Check `proxy`.",
    "PhaseTimeoutError": "Raise the limit of the phase in `Timeout`, or let a chain continue with the next target.",
    "StreamBrokenError": "Try again: `text` is only the beginning of an answer. `chat()` does this for you.",
    "ProtocolError": "Check that the server at this address has the expected API. If it does, report a bug.",
    "InvalidOutputError": "Raise `max_tokens` if the answer was cut. Else use another model or a simpler schema.",
    "UnsupportedError": "Leave out what `subject` names, use another model, or change the `policy`.",
    "RejectedError": "Look at `reason`, and at `reject` in your call or chain.",
    "DownloadError": "Pass the bytes, or a public https address; or raise the limits in `Downloads`.",
    "HTTPError": "Look at `status`, `code` and `body`.",
    "BadRequestError": "Fix the request. Another provider would get the same request.",
    "ContextLengthError": "Send less, or name a model with a larger context.",
    "ContentFilterError": "Change the prompt.",
    "RequestTooLargeError": "Send smaller images or files.",
    "AuthenticationError": "Set another key. `segue keys list` says which key is used.",
    "PermissionDeniedError": "Ask the owner of the key for the missing permission.",
    "ModelNotFoundError": "Check the model's name. Hosts retire models.",
    "RateLimitError": "Wait `retry_after` seconds. Segue retries, and tries the next candidate.",
    "QuotaExhaustedError": "Top up the account, or use another key.",
    "OverloadedError": "Try later, or let a chain continue with the next target.",
    "ServerError": "Try later, or let a chain continue with the next target.",
    "AllFailedError": "Take it apart with `except*`. `attempts` lists every attempt.",
}


MORE_ABOUT_ERRORS = """\
A single candidate raises its own error; two or more raise `AllFailedError`. The command line prints one line;
`segue --debug …` shows where the error happened. The exit code is 1 if providers failed, and 2 if an argument, the
configuration or a key is wrong.

## The host's message

Every error of a provider has `host_message`: the host's own sentence, in one line of at most 300 characters,
without control characters, escape sequences and keys. It is `None` if the host sent none. It is also a note of the
error, so that a traceback shows it and the command line prints it below the error. It is never part of `str()`,
`repr()` or `args`, and never in Segue's log.

```py
import asyncio

from segue import Client, ProviderError


async def main():
    async with Client() as client:
        try:
            await client.chat("Hi", model="openai/gpt-5.4-mini", temperature=5)
        except ProviderError as error:
            print(error)  # openai: HTTP 400 (decimal_above_max_value)
            print(error.host_message)  # Invalid 'temperature': …


asyncio.run(main())
```

A host may quote your prompt in its message: see [Security](security.md#what-an-error-contains).

## Address and hints

`error.address` is scheme, host, port and path, never the query or user. `str()` contains it if the address may be
the cause: for errors of the network, a redirect, 404, 405 and 410, and an answer that Segue cannot read.

Notes of the error say what you can do:

- After 401, 402, 403 and with an empty account: which key was used and where it comes from, such as `the key used
  was OPENAI_API_KEY of the environment`. The note never shows the key.
- If the base address lacks `/v1`, has it twice, or ends in `/chat/completions`: the address to set, and where.
- If `https://` meets a port that speaks plain HTTP, or `http://` one that speaks TLS: this mismatch.
- If no program listens at an address of this machine: the command that starts it (`ollama serve`), and where the
  address is set.

## Several candidates

`AllFailedError` reports equal causes once: `all 20 candidates failed: openai (20 models): HTTP 401
(invalid_api_key)`. A key that was refused, or whose account has no money left, is not tried with another model in
the same call. These candidates are `skipped` in `error.attempts`.

## Errors from another process

You can pickle and copy errors, so they come out of a process pool, Celery or Ray with their fields, notes and
attempts. A pickle leaves out attributes that cannot be pickled, and a `__cause__` that is not an error of Segue. A
class that is defined inside a function becomes the nearest base class that can be imported.

```py
import pickle

from segue import RateLimitError

error = RateLimitError("HTTP 429", retry_after=3.0)
copy = pickle.loads(pickle.dumps(error))
print(copy.status, copy.retry_after)  # 429 3.0
```"""


def exported_errors() -> list[type[Exception]]:
    """Every exported error class, the root of the tree first."""
    classes = [getattr(errors, name) for name in dir(errors) if name in dir(segue)]
    return sorted(
        (cls for cls in classes if isinstance(cls, type) and issubclass(cls, errors.SegueError)),
        key=lambda cls: inspect.getsourcelines(cls)[1],
    )


def errors_page() -> str:
    """The tree of errors, and for each one what it means and what to do."""
    tree = (errors.__doc__ or "").partition("::\n\n")[2].partition("\n\n")[0]
    rows = [
        f"| `{cls.__name__}` | {_sentence(cls)} | {ADVICE[cls.__name__]} |" for cls in exported_errors()
    ]  # fmt: skip
    return "\n".join(
        [
            "# Errors",
            "",
            "Every error has one of these types. Status and fields of the response decide the type, never the text of",
            "a message. No message, `repr` or log contains a key, a prompt or an answer.",
            "",
            "```text",
            inspect.cleandoc("\n".join(re.sub(r"(?<=\w) {2,}.*", "", line) for line in tree.splitlines())),
            "```",
            "",
            "| error | what it means | what to do |",
            "|---|---|---|",
            *rows,
            "",
            *MORE_ABOUT_ERRORS.splitlines(),
        ]
    )


def _sentence(cls: type) -> str:
    return " ".join((cls.__doc__ or "").partition("\n\n")[0].split()).replace("``", "`").replace("|", "\\|")


# ── configuration ────────────────────────────────────────────────────────────────────────────────────


def configuration_page() -> str:
    """Every key of the file, and every variable."""
    schema = models.File.model_json_schema()
    tables = schema["$defs"]
    lines = [
        "# segue.toml",
        "",
        "The file in your own folder (`~/.config/segue/`, or the file that `--config` or `SEGUE_CONFIG` names) may",
        "contain every key. A file in the working directory may come from a cloned repository, so it may contain only "
        + ", ".join(f"`{key}`" for key in sorted(models.LOCAL_KEYS))
        + ".",
        "",
        "## The top level",
        "",
        *_keys(schema, tables),
    ]
    for title, name in (
        ("[default]", "DefaultTable"),
        ("[providers.NAME]", "ProviderTable"),
        ("[chains.NAME]", "ChainTable"),
        ("[timeout]", "TimeoutTable"),
        ("[downloads]", "DownloadsTable"),
        ("[retry]", "RetryTable"),
    ):
        lines += ["", f"## {title}", "", tables[name].get("description", ""), "", *_keys(tables[name], tables)]
    lines += [
        "",
        "## Variables",
        "",
        "A variable overrides the file.",
        "",
        "| variable | meaning |",
        "|---|---|",
    ]
    lines += [f"| `{variable.name}` | {variable.meaning} |" for variable in VARIABLES]
    lines += ["", "## Quirks", "", "Ways in which a host differs from OpenAI, for `quirks` of your own host.", ""]
    lines += ["| quirk | meaning |", "|---|---|"]
    lines += [f"| `{name}` | {told} |" for name, (told, _) in QUIRKS.items()]
    return "\n".join(lines)


def _keys(table: dict[str, Any], tables: dict[str, Any]) -> Iterator[str]:
    yield "| key | type | meaning |"
    yield "|---|---|---|"
    for key, value in table.get("properties", {}).items():
        yield f"| `{key}` | {_form(value, tables)} | {value.get('description', '').replace('|', chr(92) + '|')} |"


def _form(value: dict[str, Any], tables: dict[str, Any]) -> str:
    """A JSON schema's type in a word or two."""
    if "$ref" in value:
        return _form(tables[value["$ref"].rpartition("/")[2]], tables)
    if "const" in value:
        return f'`"{value["const"]}"`'
    if "enum" in value:
        return ", ".join(f'`"{word}"`' for word in value["enum"])
    for several in ("anyOf", "oneOf"):
        if several in value:
            forms = [_form(one, tables) for one in value[several] if one.get("type") != "null"]
            return " or ".join(dict.fromkeys(forms))
    match value.get("type"):
        case "array":
            return f"list of {_form(value.get('items', {}), tables)}"
        case "object":
            return "table"
        case "string":
            return "text"
        case "integer" | "number":
            return "number"
        case "boolean":
            return "true or false"
        case _:
            return "anything"


# ── commands ─────────────────────────────────────────────────────────────────────────────────────────


def commands_page() -> str:
    """Every command with its help, as it prints it."""
    lines = ["# Commands", "", "Every command of `segue`, with the help that it prints.", ""]
    for name, command, context in _walk(command_line, None, "segue"):
        lines += [f"## {name}", "", "```text", command.get_help(context).strip(), "```", ""]
    return "\n".join(lines)


def _walk(
    command: click.Command, parent: click.Context | None, name: str
) -> Iterator[tuple[str, click.Command, click.Context]]:
    context = click.Context(
        command, info_name=name.rpartition(" ")[2], parent=parent, max_content_width=78, terminal_width=78
    )
    yield name, command, context
    if isinstance(command, click.Group):
        for inner in sorted(command.list_commands(context)):
            found = command.get_command(context, inner)
            if found is not None and not found.hidden:
                yield from _walk(found, context, f"{name} {inner}")


# ── the conformance kit ──────────────────────────────────────────────────────────────────────────────


def conformance_page() -> str:
    """Every test of the kit, with its level."""
    lines = [
        "# Conformance tests",
        "",
        "The tests of [the conformance kit](../conformance.md). The numbers of faults are the same as in",
        "[a rehearsal](../rehearse.md).",
        "",
        "| test | level | promise |",
        "|---|---|---|",
    ]
    return "\n".join([*lines, *(f"| `{one.name}` | {one.level} | {one.sentence} |" for one in all_items())])


# ── the API ──────────────────────────────────────────────────────────────────────────────────────────

API = {
    "reference/segue.md": "segue",
    "reference/plugin.md": "segue.plugin",
    "reference/errors.md": "segue.errors",
    "reference/sync.md": "segue.sync",
    "reference/testing.md": "segue.testing",
}

API_TITLES = {
    "segue": "the Python API",
    "segue.plugin": "the API for providers and plugins",
    "segue.errors": "the classes of errors",
    "segue.sync": "the synchronous client",
    "segue.testing": "hosts and fixtures for tests",
}


def api_page(module: str) -> str:
    """Each public name of a module."""
    loaded = __import__(module, fromlist=["__all__"])
    names = getattr(loaded, "__all__", None) or [cls.__name__ for cls in exported_errors()]
    about = inspect.cleandoc(loaded.__doc__ or "").partition("\n")[0].replace("``", "`")
    lines = [f"# {module}: {API_TITLES[module]}", "", about, ""]
    if module == "segue":
        lines += ["Further arguments of `chat()` and `stream()`:", "", "::: segue.client.arguments.Asking", ""]
    for name in names:
        value = getattr(loaded, name)
        home = getattr(value, "__module__", module)
        # Aliases of types are named where they are used; they have no docstring to show.
        if home.startswith("segue") and (isinstance(value, type) or inspect.isfunction(value)):
            lines += [f"::: {home}.{name}", ""]
    return "\n".join(lines)


def layers_section() -> str:
    """The layers of core, from the top down, with the first sentence of each of their modules and packages."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"]
    (layers,) = (one["layers"] for one in contracts if one["type"] == "layers")
    lines = ["| layer | modules and packages |", "|---|---|"]
    for number, layer in enumerate(layers, 1):
        told = []
        for name in re.findall(r"\w+", layer):
            package = ROOT / "core" / "src" / "segue" / name
            file = package / "__init__.py" if package.is_dir() else package.with_suffix(".py")
            if file.exists():
                sentence = (ast.get_docstring(ast.parse(file.read_text("utf-8"))) or "").partition("\n\n")[0]
                told.append(f"`{name}`: " + " ".join(sentence.split()))
        if told:
            lines.append(f"| {number} | {'<br>'.join(told)} |")
    return "\n".join(lines)


# ── what mkdocs calls ────────────────────────────────────────────────────────────────────────────────


def on_page_markdown(markdown: str, page: Page, **_: object) -> str:
    """Fill in what a page takes from the code, and give it its own description."""
    if page.file.src_path == "design.md":
        markdown = markdown.replace(LAYERS, layers_section())
    page.meta.setdefault("description", description(markdown, page.file.src_path))
    # The lexer of consoles takes a command without a prompt for output, and shows it in grey.
    return re.sub(r"^```console$", "```sh", markdown, flags=re.MULTILINE)


def description(markdown: str, path: str) -> str:
    """What search engines show of a page: its title and the first sentences of its prose, without marks."""
    if path == "index.md":
        return "Segue talks to language models through many providers. Select by capability; fall back when one fails."
    title, _, rest = markdown.partition("\n")
    rest = re.sub(r"^```.*?^```$|<!--.*?-->", "", rest, flags=re.MULTILINE | re.DOTALL)
    paragraphs = (" ".join(one.split()) for one in re.split(r"\n\s*\n", rest))
    prose = next((_plain(one) for one in paragraphs if re.match(r"[\w`\[\"]", one)), "")
    return shorten(f"Segue, {_plain(title.lstrip('# '))}: {prose}".rstrip(": "), width=160, placeholder=" …")


def _plain(text: str) -> str:
    text = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", text)
    return re.sub(r"[`*\"<>]", "", text).strip()


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages."""
    pages = {
        "errors.md": errors_page(),
        "supported-apis.md": wires_page(),
        "reference/configuration.md": configuration_page(),
        "reference/commands.md": commands_page(),
        "reference/conformance.md": conformance_page(),
        **{path: api_page(module) for path, module in API.items()},
    }
    for path, text in pages.items():
        files.append(File.generated(config, path, content=text))
    return files
