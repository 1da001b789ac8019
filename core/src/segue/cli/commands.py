"""The commands and their options. The code of a command is imported only when it runs."""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING, Any, Final

import click

from .. import __version__
from . import completion
from .faults import as_json_option
from .plugins import Commands, is_only_piped
from .progress import PROGRESS

if TYPE_CHECKING:
    import contextlib
    from collections.abc import Callable

_EPILOG = """\b
Exit codes:
    0  done
    1  the providers failed, or input or output failed;
       doctor found something broken
    2  a wrong argument or configuration, a missing key, no candidate
  130  interrupted (Ctrl-C)
  141  the reader of the output closed it (| head -1)

\b
Configuration: ~/.config/segue/segue.toml, or --config FILE.
"""


def _without_plugins(_context: click.Context, _parameter: click.Parameter, value: bool) -> None:
    if value:
        os.environ["SEGUE_NO_PLUGINS"] = "1"  # and so for what a command starts


@click.group(
    cls=Commands, epilog=_EPILOG, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(__version__, prog_name="segue")
@click.option(
    "--no-plugins", is_flag=True, is_eager=True, expose_value=False, callback=_without_plugins,
    help="Do not load installed plugins.",
)  # fmt: skip
@click.option("--debug", is_flag=True, help="Show where in the code an error happened.")
def segue(debug: bool) -> None:
    """Send requests to language models of many providers: select a model by capability, fall back if one fails.

    \b
    segue "What is a segue?"    sends a message, like segue chat
    """  # noqa: D301 - click reads the character


def _loading() -> contextlib.AbstractContextManager[None]:
    """Say that the code of a command is imported: the first time after an installation that takes seconds."""
    return PROGRESS.during("loading Segue")


def _text(context: click.Context, parameter: click.Parameter, value: Any) -> Any:
    """Refuse what no request can carry: bytes of the command line that are not UTF-8 (they come as surrogates)."""
    for text in value if isinstance(value, tuple) else (value or "",):
        try:
            text.encode()
        except UnicodeEncodeError:
            raise click.BadParameter("it is not UTF-8 text", context, parameter) from None
        if not text and value is not None and parameter.name in _NAMED:
            raise click.BadParameter("it is empty: give a name", context, parameter)
    return value


_NAMED: Final = frozenset({"model", "models", "provider", "chain"})


def _finite(context: click.Context, parameter: click.Parameter, value: float | None) -> float | None:
    if value is not None and not math.isfinite(value):
        raise click.BadParameter(f"{value} is not a finite number", context, parameter)
    return value


def _config(command: Callable[..., Any]) -> Callable[..., Any]:
    return click.option(
        "--config", metavar="FILE", help="Read this file instead of ~/.config/segue/segue.toml."
    )(command)  # fmt: skip


def _json(command: Callable[..., Any]) -> Callable[..., Any]:
    return _json_option("Print JSON.")(command)


def _json_option(meaning: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    # Eager: a wrong value of another option is a failure that is JSON too.
    return click.option("--json", "as_json", is_flag=True, is_eager=True, callback=as_json_option, help=meaning)


def _needs(command: Callable[..., Any]) -> Callable[..., Any]:
    return click.option(
        "--needs",
        metavar="TEXT",
        callback=_text,
        shell_complete=completion.needs,
        help='What the model must support, such as "tools, context>=128k".',
    )(command)


_EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh")
"""The values of `segue.messages.ReasoningEffort`; importing it here would import pydantic."""


def _settings(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that are settings of a request, by the names that they have there."""
    options = (
        click.option(
            "--temperature", type=float, metavar="NUMBER", callback=_finite,
            help="Sampling temperature; 0 gives the most predictable answers.",
        ),
        click.option(
            "--top-p", type=float, metavar="NUMBER", callback=_finite,
            help="Sample from the most likely tokens that together have this probability.",
        ),
        click.option("--top-k", type=int, metavar="NUMBER", help="Sample from this many of the most likely tokens."),
        click.option(
            "--max-tokens", type=click.IntRange(min=1), metavar="NUMBER", help="Maximum length of the answer."
        ),
        click.option(
            "--stop", metavar="TEXT", multiple=True, callback=_text, help="End the answer before this text. Repeatable."
        ),
        click.option("--seed", type=int, metavar="NUMBER", help="Same seed, same answer, if the host supports it."),
        click.option(
            "--frequency-penalty", type=float, metavar="NUMBER", callback=_finite,
            help="Penalty for tokens by how often they occurred, -2 to 2.",
        ),
        click.option(
            "--presence-penalty", type=float, metavar="NUMBER", callback=_finite,
            help="Penalty for tokens that already occurred, -2 to 2.",
        ),
        click.option("--reasoning-effort", type=click.Choice(_EFFORTS), help="How much the model reasons."),
    )  # fmt: skip
    for option in reversed(options):
        command = option(command)
    return command


_SETTINGS = (
    "temperature", "top_p", "top_k", "max_tokens", "stop", "seed", "frequency_penalty", "presence_penalty",
    "reasoning_effort",
)  # fmt: skip


@segue.command(short_help="Send a message and print the answer; without a message, start a conversation.")
@click.argument("message", nargs=-1, callback=_text)
@click.option(
    "-m", "--model", "models", metavar="NAME", multiple=True, callback=_text, shell_complete=completion.models,
    help="provider/model, or the name of a model or a provider. Repeatable: tried in this order until one answers.",
)  # fmt: skip
@_needs
@click.option("--choose", is_flag=True, help="List the candidates and ask you to choose one.")
@click.option(
    "--chain", metavar="NAME", callback=_text, shell_complete=completion.chains, help="Name of a configured chain."
)
@click.option("-s", "--system", metavar="TEXT", callback=_text, help="System message, sent before MESSAGE.")
@click.option(
    "--image", "images", type=click.Path(), metavar="FILE|URL", multiple=True,
    help="Image to attach. Repeatable.",
)  # fmt: skip
@click.option("--audio", type=click.Path(), metavar="FILE", multiple=True, help="Audio file to attach. Repeatable.")
@click.option(
    "--file", "files", type=click.Path(), metavar="FILE", multiple=True, help="Document to attach. Repeatable."
)
@click.option(
    "--schema", type=click.Path(), metavar="FILE|JSON|MODULE:MODEL", callback=_text,
    help="Schema of the answer: a JSON schema or a pydantic model. The answer is printed as JSON.",
)  # fmt: skip
@click.option(
    "--tool", "tools", metavar="MODULE:FUNCTION", multiple=True, callback=_text,
    help="Python function that the model may call. You are asked before each call. Repeatable.",
)  # fmt: skip
@click.option("--yes", is_flag=True, help="Run tools without asking you.")
@click.option(
    "--tool-rounds", "rounds", type=click.IntRange(min=1), default=20, show_default=True, metavar="NUMBER",
    help="Maximum number of rounds of tool calls for one answer.",
)  # fmt: skip
@click.option(
    "--no-stream", "whole", is_flag=True,
    help="Wait for the whole answer. If it is cut, the request is sent again.",
)  # fmt: skip
@click.option("--reasoning", is_flag=True, help="Show the model's reasoning; on stderr if stdout is not a terminal.")
@_json_option("Print one JSON object at the end instead of the text.")
@click.option(
    "--trace", is_flag=True, help="Show the selection, each attempt, the model that answered, and the cost on stderr."
)
@click.option(
    "--no-history", "history", is_flag=True, flag_value=False, default=True, help="Do not save what you type."
)
@_settings
@_config
def chat(*, message: tuple[str, ...], config: str | None, **given: Any) -> int:
    """Send MESSAGE, or piped text, and print the answer as it arrives.

    With both, the piped text follows the message after an empty line. With neither, on a terminal, a conversation
    starts; /help lists its commands.
    """
    models, needs, chain = given["models"], given["needs"], given["chain"]
    if chain is not None and (models or needs is not None or given["choose"]):
        raise click.UsageError("--chain cannot be combined with --model, --needs or --choose")
    if len(models) > 1 and (needs is not None or given["choose"]):
        raise click.UsageError("--needs and --choose accept at most one --model")
    with _loading():
        from .chat import Form, Question, ask
        from .targets import Choice

    choice = Choice(**{name: given.pop(name) for name in ("models", "needs", "chain", "choose")})
    settings = {name: value for name in _SETTINGS if (value := given.pop(name)) not in (None, ())}
    form = Form(
        **{name: given.pop(name) for name in ("as_json", "trace", "whole", "reasoning", "yes", "rounds", "history")}
    )
    if not ask(Question(" ".join(message), choice, settings, **given), form, config=config, needed=not is_only_piped()):
        raise click.exceptions.NoArgsIsHelpError(click.get_current_context().find_root())
    return 0


@segue.command(short_help="Print a vector for each text, one JSON array per line.")
@click.argument("texts", nargs=-1, callback=_text)
@click.option(
    "-m", "--model", metavar="NAME", callback=_text, shell_complete=completion.models,
    help="provider/model, or the name of a model or a provider.",
)  # fmt: skip
@_needs
@click.option(
    "--chain", metavar="NAME", callback=_text, shell_complete=completion.chains,
    help="Name of a configured chain whose hosts have the same model.",
)  # fmt: skip
@click.option("--dimensions", type=click.IntRange(min=1), metavar="NUMBER", help="Number of dimensions of each vector.")
@click.option(
    "--purpose", type=click.Choice(("query", "document")), help="Purpose of the vectors, for hosts that need it."
)
@click.option("--file", type=click.Path(), metavar="FILE", help="File with one text per line; - is stdin.")
@_json_option("Print one JSON object at the end, with usage and cost, instead of lines.")
@_config
def embed(texts: tuple[str, ...], as_json: bool, config: str | None, **given: Any) -> int:
    """Print a vector for each of TEXTS, one JSON array per line.

    Without TEXTS, each line of --file or of piped input is a text. The texts are sent in batches, and the vectors of
    each batch are printed as soon as they arrive. For an empty line, null is printed, so that line N of the output
    belongs to line N of the input. All vectors come from one model, the first that answers.
    """
    if given["chain"] is not None and (given["model"] is not None or given["needs"] is not None):
        raise click.UsageError("--chain cannot be combined with --model or --needs")
    with _loading():
        from .embed import Embedding
        from .embed import embed as embed_texts

    embed_texts(Embedding(texts, **given), config=config, as_json=as_json)
    return 0


@segue.command()
@_json
@_config
def providers(as_json: bool, config: str | None) -> int:
    """List the installed providers, and what each one still lacks."""
    with _loading():
        from .lists import list_providers

    list_providers(config=config, as_json=as_json)
    return 0


@segue.group(invoke_without_command=True, short_help="List the models that satisfy the needs.")
@_needs
@click.option("--live", is_flag=True, help="Ask the hosts for their current models and facts.")
@click.option(
    "--provider",
    metavar="NAME",
    callback=_text,
    shell_complete=completion.providers,
    help="List the models of this provider only.",
)
@_json
@_config
@click.pass_context
def models(
    context: click.Context, *, needs: str | None, live: bool, provider: str | None, as_json: bool, config: str | None
) -> int:
    """List the models that satisfy the needs, whether or not they can get a request now.

    With --live, every host that has a key or needs none gets a request for its list; a public host only if it is
    named or configured. The facts that a host reports override the declared ones. The exit code is 1 if a host
    failed, and 2 if no host could get a request.
    """
    if context.invoked_subcommand is not None:
        return 0
    with _loading():
        from .lists import list_live_models, list_models

    if live:
        return list_live_models(needs, provider, config=config, as_json=as_json)
    list_models(needs, provider, config=config, as_json=as_json)
    return 0


@models.command(name="default", short_help="Show, set or remove the default model.")
@click.argument("name", required=False, callback=_text, shell_complete=completion.targets)
@click.option("--unset", is_flag=True, help="Remove the default from segue.toml.")
@_json
@_config
@click.pass_context
def models_default(context: click.Context, name: str | None, unset: bool, as_json: bool, config: str | None) -> int:
    """Write NAME, a model or a chain, into segue.toml as the default.

    The default is used if a command or a call names no model, needs or chain. Without NAME, print the default and
    where it was set.
    """
    with _loading():
        from .default import set_default, show_default, unset_default

    if unset and name is not None:
        raise click.UsageError("give either NAME or --unset")
    if config is None and context.parent is not None:
        config = context.parent.params["config"]
    if unset:
        unset_default(config=config)
    elif name is None:
        show_default(config=config, as_json=as_json)
    else:
        set_default(name, config=config)
    return 0


@segue.command(
    short_help="Show which models are candidates, and why the others are not.",
    instead='give needs with --needs "tools, vision", or a model with --model NAME',
)
@_needs
@click.option(
    "-m", "--model", metavar="NAME", callback=_text, shell_complete=completion.models,
    help="provider/model, or the name of a model or a provider.",
)  # fmt: skip
@click.option("--all", "everything", is_flag=True, help="Print one line per model instead of one per provider.")
@_json
@_config
def explain(needs: str | None, model: str | None, everything: bool, as_json: bool, config: str | None) -> int:
    """Show which models would get the request, in which order, and why the others would not.

    Without --all, at most 24 lines are printed: the first candidates, and one line for each provider whose models
    are not candidates. JSON has every model. The exit code is 2 if there is no candidate.
    """
    with _loading():
        from .lists import explain_selection

    return 0 if explain_selection(needs, model, config=config, as_json=as_json, everything=everything) else 2


@segue.command(short_help="Check the installation; exit code 1 if something is broken.")
@click.option("--pins", is_flag=True, help="Print each plugin's version and hash, in the form of [plugins] allow.")
@_config
def doctor(pins: bool, config: str | None) -> int:
    """Check the installation: versions, files, plugins, keys (never their values).

    Plugins are imported in a separate process. The exit code is 1 if something is broken.
    """
    with _loading():
        from .doctor import examine, print_pins

    if pins:
        print_pins(config=config)
        return 0
    return 0 if examine(config=config) else 1


@segue.command(short_help="Send a small question to each model, and report the results.")
@click.argument("targets", nargs=-1, callback=_text, shell_complete=completion.targets)
@click.option(
    "--timeout", type=click.FloatRange(min=0, min_open=True), default=30.0, show_default=True, metavar="SECONDS",
    callback=_finite, help="How long to wait until each begins to answer.",
)  # fmt: skip
@_json
@_config
def probe(targets: tuple[str, ...], timeout: float, as_json: bool, config: str | None) -> int:
    """Request a few tokens from each of TARGETS at the same time, and report the results.

    A target is a chain, provider/model, or the name of a model or a provider. Without TARGETS: the targets of the
    configured chains, or, without chains, the first model of each provider that is ready. The hosts may charge for
    these calls. The exit code is 1 if a target did not answer.
    """
    with _loading():
        from .probe import probe as probe_all

    return 0 if probe_all(targets, timeout, config=config, as_json=as_json) else 1


@segue.command(short_help="Play a chain against simulated hosts that fail; no host gets a request.")
@click.argument("chain", required=False, callback=_text, shell_complete=completion.chains)
@click.option(
    "-m", "--model", "models", metavar="NAME", multiple=True, callback=_text, shell_complete=completion.models,
    help="Target, instead of a configured chain. Repeatable, in order.",
)  # fmt: skip
@click.option(
    "--fault", "faults", metavar="TARGET=STEP[,STEP …]", multiple=True, callback=_text,
    help="What a target does, request by request; the last step is repeated. Repeatable.",
)  # fmt: skip
@click.option("--script", type=click.Path(), metavar="FILE", help="TOML file with the steps of each target.")
@click.option("--prompt", metavar="TEXT", default="Hello", callback=_text, help="Prompt of each call.")
@click.option("--calls", type=click.IntRange(min=1, max=1000), default=1, metavar="NUMBER", help="Number of calls.")
@click.option(
    "--every", type=click.FloatRange(min=0), default=1.0, metavar="SECONDS", callback=_finite,
    help="Time between the starts of two calls.",
)  # fmt: skip
@click.option("--no-stream", "whole", is_flag=True, help="Request whole answers. A cut one is requested again.")
@click.option("--svg", type=click.Path(), metavar="FILE", help="Write the timeline as an SVG picture.")
@click.option("--seed", type=int, metavar="NUMBER", help="Same seed, same random pauses and weights.")
@click.option("--steps", is_flag=True, help="List all steps.")
@_json
@_config
def rehearse(steps: bool, as_json: bool, config: str | None, **given: Any) -> int:
    """Play the configured CHAIN against simulated hosts, and show when each attempt started and how it ended.

    No key is read and no host gets a request. The clock is simulated, so that a minute of silence takes no time.
    The exit code is 1 if a caller did not get a whole answer.

    \b
    segue rehearse main --fault openai=F08
    segue rehearse -m openai -m anthropic --fault openai=F12 --svg timeline.svg
    """  # noqa: D301 - click reads the character
    with _loading():
        from .rehearse import Play, list_steps, play

    if steps:
        list_steps()
        return 0
    if (given["chain"] is None) == (not given["models"]):
        raise click.UsageError("give either CHAIN or --model")
    return 0 if play(Play(**given), config=config, as_json=as_json) else 1


@segue.command(short_help="Record an exchange with a real host as a cassette, without secrets.")
@click.argument("message", nargs=-1, required=True, callback=_text)
@click.option(
    "-m", "--model", metavar="NAME", callback=_text, shell_complete=completion.models,
    help="provider/model, or the name of a model or a provider.",
)  # fmt: skip
@_needs
@click.option("-s", "--system", metavar="TEXT", callback=_text, help="System message, sent before MESSAGE.")
@click.option(
    "--image", "images", type=click.Path(), metavar="FILE|URL", multiple=True, help="Image to attach. Repeatable."
)
@click.option("--audio", type=click.Path(), metavar="FILE", multiple=True, help="Audio file to attach. Repeatable.")
@click.option(
    "--file", "files", type=click.Path(), metavar="FILE", multiple=True, help="Document to attach. Repeatable."
)
@click.option(
    "--schema",
    type=click.Path(),
    metavar="FILE|JSON|MODULE:MODEL",
    callback=_text,
    help="Schema of the answer: a JSON schema or a pydantic model.",
)
@click.option(
    "--tool", "tools", metavar="MODULE:FUNCTION", multiple=True, callback=_text,
    help="Python function to offer to the model; it never runs. Repeatable.",
)  # fmt: skip
@click.option("--no-stream", "whole", is_flag=True, help="Request a whole answer.")
@click.option("--embed", is_flag=True, help="Request the embedding of MESSAGE.")
@click.option(
    "-o",
    "--output",
    "to",
    type=click.Path(),
    metavar="FILE|FOLDER",
    help="Where to write the cassette; here if not given.",
)
@click.option("--api", metavar="NAME", callback=_text, help="Name of the wire, if the provider does not name it.")
@click.option("--allow-error", is_flag=True, help="Also keep an error of the host, such as 400 or 429.")
@click.option("--force", is_flag=True, help="Overwrite an existing file.")
@_settings
@_config
def record(*, message: tuple[str, ...], config: str | None, **given: Any) -> int:
    """Send MESSAGE to one model, and write the request and the response into a file that tests replay.

    Keys, credentials and names of accounts are removed. If one cannot be removed, nothing is written. The host gets
    exactly one request, and may charge for it.
    """
    if given["model"] is None and given["needs"] is None:
        raise click.UsageError("no model is named: give --model or --needs")
    with _loading():
        from .record import Exchange, Keeping
        from .record import record as record_exchange

    keeping = Keeping(**{name: given.pop(name) for name in ("to", "api", "force", "allow_error")})
    settings = {name: value for name in _SETTINGS if (value := given.pop(name)) not in (None, ())}
    record_exchange(Exchange(" ".join(message), settings=settings, **given), keeping, config=config)
    return 0


@segue.command(short_help="Test providers with the conformance kit; exit code 1 if a test fails.")
@click.argument("targets", nargs=-1, callback=_text, shell_complete=completion.providers)
@click.option("--all", "everything", is_flag=True, help="Test every installed provider.")
@click.option(
    "--item", "patterns", metavar="PATTERN", multiple=True, callback=_text,
    help='Run only the tests with such a name: "secret *". Repeatable.',
)  # fmt: skip
@click.option(
    "--level", type=click.Choice(("text", "wire", "full")), help="Test for this level, not for the declared one."
)
@click.option(
    "--timeout", type=click.FloatRange(min=0, min_open=True), default=120.0, show_default=True, metavar="SECONDS",
    callback=_finite, help="Time limit for all tests of one provider.",
)  # fmt: skip
@click.option("--list", "listed", is_flag=True, help="List the tests, each with its level and its promise.")
@_json
@_config
def conform(targets: tuple[str, ...], listed: bool, as_json: bool, **given: Any) -> int:
    """Test each of TARGETS, on this machine only, with a made-up key: imports, streams, faults, secrets, capabilities.

    A target is the name of an installed provider or of a row in the configuration, or MODULE:CLASS. A provider
    declares the tests that it cannot pass, each with a reason, which is shown. If it passes such a test, that is a
    failure.
    """
    with _loading():
        from .conform import list_items, try_providers

    if listed:
        list_items(given["patterns"], as_json=as_json)
        return 0
    if bool(targets) == given["everything"]:
        raise click.UsageError("give either TARGETS or --all")
    return 0 if try_providers(targets, as_json=as_json, **given) else 1


@segue.command(name="new-provider", short_help="Write a package for your own provider.")
@click.argument("name", callback=_text)
@click.option(
    "--kind", type=click.Choice(("text", "host", "wire")), default="text", show_default=True,
    help="text: a generator of text; host: a host with a known wire; wire: a host with its own wire.",
)  # fmt: skip
@click.option("--url", metavar="URL", callback=_text, help="Address of the host; a placeholder if not given.")
@click.option(
    "--wire",
    type=click.Choice(("openai_chat", "openai_responses")),
    help="Wire of the host, for --kind host; openai_chat if not given.",
)
@click.option(
    "--folder",
    type=click.Path(),
    metavar="DIR",
    callback=_text,
    help="Folder to create; ./segue-NAME if not given.",
)
@_config
def new_provider(config: str | None, **given: Any) -> int:
    """Write a package with the provider NAME. It passes `segue conform NAME` without changes.

    It has an entry point, one source file with four marked places, a test on recorded bytes, a README and a CI
    workflow. Existing files are never changed.
    """
    with _loading():
        from .new_provider import NewProvider, write_provider

    write_provider(NewProvider(**given), config=config)
    return 0


@segue.command(name="completion", short_help="Print the completion script for a shell.")
@click.argument("shell", type=click.Choice(completion.SHELLS))
def completion_script(shell: str) -> int:
    """Print the script with which SHELL completes commands, options, models and chains.

    \b
    bash: put into ~/.bashrc:   eval "$(segue completion bash)"
    zsh:  put into ~/.zshrc:    eval "$(segue completion zsh)"
    fish: segue completion fish > ~/.config/fish/completions/segue.fish
    """  # noqa: D301 - click reads the character
    completion.print_script(segue, shell)
    return 0


@segue.group(name="keys")
def keys_group() -> None:
    """Store keys, and show where each key comes from. A key is never shown."""


@keys_group.command(name="set", short_help="Store a key, from a hidden prompt or from stdin.")
@click.argument("name", callback=_text, shell_complete=completion.providers)
@click.option("--keyring", "in_keyring", is_flag=True, help="Store the key in the system's keyring instead of a file.")
@click.option("--force", is_flag=True, help="Also store the key of a provider that is not installed.")
def keys_set(name: str, in_keyring: bool, force: bool) -> int:
    """Store the key of provider NAME. It is read from a hidden prompt, or from stdin."""
    with _loading():
        from .keys import set_key

    set_key(name, in_keyring=in_keyring, force=force)
    return 0


@keys_group.command(name="list")
@_json
def keys_list(as_json: bool) -> int:
    """List the providers that have a key, and where it comes from."""
    with _loading():
        from .keys import list_keys

    list_keys(as_json=as_json)
    return 0


@keys_group.command(name="remove")
@click.argument("name", callback=_text, shell_complete=completion.providers)
def keys_remove(name: str) -> int:
    """Remove the key of provider NAME from the key store and the keyring."""
    with _loading():
        from .keys import remove_key

    remove_key(name)
    return 0


@segue.group(name="config")
def config_group() -> None:
    """Check or show the configuration."""


@config_group.command(name="check", short_help="Report each problem in the configuration; exit code 2 if there is one.")
@_config
def config_check(config: str | None) -> int:
    """Read the whole configuration, look up every key, and report each problem with its file and line.

    The exit code is 2 if there is one.
    """
    with _loading():
        from .configuration import check_configuration

    return 0 if check_configuration(config=config) else 2


@config_group.command(name="show")
@_json
@_config
def config_show(as_json: bool, config: str | None) -> int:
    """Print the effective settings, and where each one was set. Of a secret, only its kind is shown."""
    with _loading():
        from .configuration import show_configuration

    show_configuration(config=config, as_json=as_json)
    return 0
