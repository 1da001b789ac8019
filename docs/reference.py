"""The pages that are made from the code when the site is built: what they say cannot grow old."""

from __future__ import annotations

import inspect
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from mkdocs.structure.files import File

import segue
from segue import errors
from segue.cli.commands import segue as command_line
from segue.config import VARIABLES, models
from segue.wire.openai_chat import QUIRKS

sys.path.insert(0, str(Path(__file__).parent))  # mkdocs and the tests load this file by its path

from wires import wires_page

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files

# What to do, by class: the page of errors wants an entry for each, and a test holds that there is one.
ADVICE = {
    "SegueError": "Catch it where any of the others will do.",
    "ConfigError": "Mend what the message names: a file and its line, a variable, an argument.",
    "PluginError": "`segue doctor` shows the plugin's own error; update or uninstall it.",
    "NeedsSyntaxError": "Look at the place under the `^`.",
    "NoCandidateError": "Read the explanation: set a key, name a model, ask for less; so says `segue explain`.",
    "ProviderError": "`retryable`, `next_may_help` and `retry_after` say what may help; `attempts` what was tried.",
    "ConnectError": "Check address and network. It is tried again, and the next candidate is asked.",
    "DNSError": "Check the host's name.",
    "TLSError": "Trust the host's authority with `ca_file`. Checking cannot be switched off.",
    "ProxyError": "Check `proxy`.",
    "PhaseTimeoutError": "Raise the limit of the phase in `Timeout`, or let a chain go on to the next.",
    "StreamBrokenError": "Ask again: `text` is only the beginning of an answer. In `chat()` that is done for you.",
    "ProtocolError": "Is there really a host of this wire at the address? Then tell its makers, or us.",
    "InvalidOutputError": "Raise `max_tokens` where the answer was cut; else another model, or a simpler schema.",
    "UnsupportedError": "Leave out what `subject` names, ask another model, or change the `policy`.",
    "RejectedError": "Nothing, where another target answered; else look at `reason`, and at `reject` in your call.",
    "DownloadError": "Give the bytes, or an address that is public and https; raise the limits in `Downloads`.",
    "HTTPError": "Look at `status`, `code` and `body`.",
    "BadRequestError": "Mend the request; another provider would be sent the same.",
    "ContextLengthError": "Send less, or name a model with a larger context.",
    "ContentFilterError": "Say it in another way.",
    "RequestTooLargeError": "Send smaller images or files.",
    "AuthenticationError": "Set another key: `segue keys list` says which one counts.",
    "PermissionDeniedError": "Ask the key's owner for what it may not do yet.",
    "ModelNotFoundError": "Check the model's name; hosts retire models.",
    "RateLimitError": "Wait `retry_after` seconds. It is tried again, and the next candidate is asked.",
    "QuotaExhaustedError": "Top up the account, or use another key.",
    "OverloadedError": "Ask later, or let a chain go on.",
    "ServerError": "Ask later, or let a chain go on.",
    "AllFailedError": "`except*` takes it apart; `attempts` has the whole story.",
}


def exported_errors() -> list[type[Exception]]:
    """Every error class that users may meet, the tree's root first."""
    classes = [getattr(errors, name) for name in dir(errors) if name in segue.__all__]
    return sorted(
        (cls for cls in classes if isinstance(cls, type) and issubclass(cls, errors.SegueError)),
        key=lambda cls: inspect.getsourcelines(cls)[1],
    )


def errors_page() -> str:
    """The tree, and for each error what it means and what to do."""
    tree = (errors.__doc__ or "").partition("::\n\n")[2].partition("\n\n")[0]
    rows = [
        f"| `{cls.__name__}` | {_sentence(cls)} | {ADVICE[cls.__name__]} |" for cls in exported_errors()
    ]  # fmt: skip
    return "\n".join(
        [
            "# Errors",
            "",
            "Whatever goes wrong is one of these types. They are decided by status and fields, never by the text of a",
            "message; no message, `repr` or log holds a key, a prompt or an answer.",
            "",
            "```text",
            inspect.cleandoc("\n".join(re.sub(r"(?<=\w) {2,}.*", "", line) for line in tree.splitlines())),
            "```",
            "",
            "| error | what it means | what to do |",
            "|---|---|---|",
            *rows,
            "",
            "A single candidate raises its own error; from two on it is `AllFailedError`. On the command line each is",
            "one line; `segue --debug …` shows where it came from. Exit codes: 1 where providers failed, 2 where",
            "something of yours is to be mended.",
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
        "The file in your own folder (`~/.config/segue/`, or what `--config` or `SEGUE_CONFIG` names) may",
        "hold everything. One in the working directory may have come with a repository: it may hold "
        + ", ".join(f"`{key}`" for key in sorted(models.LOCAL_KEYS))
        + " only.",
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
        "A variable stands above the file.",
        "",
        "| variable | what it says |",
        "|---|---|",
    ]
    lines += [f"| `{variable.name}` | {variable.meaning} |" for variable in VARIABLES]
    lines += ["", "## Quirks", "", "In what a host differs from OpenAI, for `quirks` of a host of your own.", ""]
    lines += ["| quirk | what it says of the host |", "|---|---|"]
    lines += [f"| `{name}` | {told} |" for name, (told, _) in QUIRKS.items()]
    return "\n".join(lines)


def _keys(table: dict[str, Any], tables: dict[str, Any]) -> Iterator[str]:
    yield "| key | form | what it says |"
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
    lines = ["# Commands", ""]
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


# ── the API ──────────────────────────────────────────────────────────────────────────────────────────

API = {
    "reference/segue.md": "segue",
    "reference/plugin.md": "segue.plugin",
    "reference/errors.md": "segue.errors",
    "reference/sync.md": "segue.sync",
    "reference/testing.md": "segue.testing",
}


def api_page(module: str) -> str:
    """Each public name of a module, by where it stands."""
    loaded = __import__(module, fromlist=["__all__"])
    names = getattr(loaded, "__all__", None) or [cls.__name__ for cls in exported_errors()]
    lines = [f"# {module}", "", inspect.cleandoc(loaded.__doc__ or "").partition("\n")[0], ""]
    if module == "segue":
        lines += ["What `chat()` and `stream()` take besides:", "", "::: segue.asking.Asking", ""]
    for name in names:
        value = getattr(loaded, name)
        home = getattr(value, "__module__", module)
        # Aliases of types are named where they are used; they have no docstring to show.
        if home.startswith("segue") and (isinstance(value, type) or inspect.isfunction(value)):
            lines += [f"::: {home}.{name}", ""]
    return "\n".join(lines)


# ── what mkdocs calls ────────────────────────────────────────────────────────────────────────────────


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages."""
    pages = {
        "errors.md": errors_page(),
        "wires.md": wires_page(),
        "reference/configuration.md": configuration_page(),
        "reference/commands.md": commands_page(),
        **{path: api_page(module) for path, module in API.items()},
    }
    for path, text in pages.items():
        files.append(File.generated(config, path, content=text))
    return files
