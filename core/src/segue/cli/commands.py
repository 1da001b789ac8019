"""The commands and their options; what does the work is imported when it is to be done."""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING, Any, Final

import click

from .. import __version__
from . import completion
from .plugins import Commands

if TYPE_CHECKING:
    from collections.abc import Callable

_EPILOG = """\b
Exit codes:
    0  done
    1  the providers failed, or input or output did;
       doctor found something broken
    2  a wrong argument or configuration, a missing key, no candidate
  130  interrupted (Ctrl-C)
  141  the reader of the output went away (| head -1)

\b
Configuration: segue.toml in the user's folder, or --config FILE.
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
    help="Leave installed plugins alone.",
)  # fmt: skip
@click.option("--debug", is_flag=True, help="Show where an error happened, not only the line that tells of it.")
def segue(debug: bool) -> None:
    """Talk to language models through many providers: select by capability, fall back when one fails."""


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
        "--config", metavar="FILE", help="Read this file instead of the one in the user's folder."
    )(command)  # fmt: skip


def _json(command: Callable[..., Any]) -> Callable[..., Any]:
    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(command)


def _needs(command: Callable[..., Any]) -> Callable[..., Any]:
    return click.option(
        "--needs", metavar="TEXT", callback=_text, help='What the model must be able to do: "tools, context>=128k".'
    )(command)


_EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh")
"""Those of `segue.messages.ReasoningEffort`, which only a whole pydantic could tell here."""


def _settings(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that are settings of a request, by the names that they have there."""
    options = (
        click.option(
            "--temperature", type=float, metavar="NUMBER", callback=_finite, help="0 is the most predictable."
        ),
        click.option(
            "--top-p", type=float, metavar="NUMBER", callback=_finite,
            help="Only the likeliest tokens that together have this probability.",
        ),
        click.option("--top-k", type=int, metavar="NUMBER", help="Only so many of the likeliest tokens."),
        click.option("--max-tokens", type=click.IntRange(min=1), metavar="NUMBER", help="The longest answer."),
        click.option(
            "--stop", metavar="TEXT", multiple=True, callback=_text, help="End the answer before this text; repeatable."
        ),
        click.option("--seed", type=int, metavar="NUMBER", help="The same seed, the same answer, if the host can."),
        click.option(
            "--frequency-penalty", type=float, metavar="NUMBER", callback=_finite,
            help="Against tokens by how often they came, -2 to 2.",
        ),
        click.option(
            "--presence-penalty", type=float, metavar="NUMBER", callback=_finite,
            help="Against tokens that came at all, -2 to 2.",
        ),
        click.option("--reasoning-effort", type=click.Choice(_EFFORTS), help="How much a reasoning model thinks."),
    )  # fmt: skip
    for option in reversed(options):
        command = option(command)
    return command


_SETTINGS = (
    "temperature", "top_p", "top_k", "max_tokens", "stop", "seed", "frequency_penalty", "presence_penalty",
    "reasoning_effort",
)  # fmt: skip


@segue.command(short_help="Ask, and print the answer as it comes; talk, with nothing to ask.")
@click.argument("message", nargs=-1, callback=_text)
@click.option(
    "-m", "--model", "models", metavar="NAME", multiple=True, callback=_text, shell_complete=completion.models,
    help="provider/model, a model's or a provider's name. Several are asked in this order until one answers.",
)  # fmt: skip
@_needs
@click.option("--choose", is_flag=True, help="List the models that can be asked, and ask for one.")
@click.option(
    "--chain", metavar="NAME", callback=_text, shell_complete=completion.chains, help="A chain of the configuration."
)
@click.option("--system", metavar="TEXT", callback=_text, help="What the model is told before the message.")
@click.option(
    "--image", "images", type=click.Path(), metavar="FILE|URL", multiple=True,
    help="An image to go with the message; repeatable.",
)  # fmt: skip
@click.option("--audio", type=click.Path(), metavar="FILE", multiple=True, help="Sound to go with it; repeatable.")
@click.option(
    "--file", "files", type=click.Path(), metavar="FILE", multiple=True, help="A document to go with it; repeatable."
)
@click.option(
    "--schema", type=click.Path(), metavar="FILE|JSON|MODULE:MODEL", callback=_text,
    help="The form of the answer: a JSON schema, or a pydantic model. It is printed as JSON.",
)  # fmt: skip
@click.option(
    "--tool", "tools", metavar="MODULE:FUNCTION", multiple=True, callback=_text,
    help="A Python function that the model may call; you are asked before each call. Repeatable.",
)  # fmt: skip
@click.option("--yes", is_flag=True, help="Run tools without asking.")
@click.option(
    "--tool-rounds", "rounds", type=click.IntRange(min=1), default=20, show_default=True, metavar="NUMBER",
    help="How often tools may be called for one answer.",
)  # fmt: skip
@click.option("--no-stream", "whole", is_flag=True, help="Print the answer when it is whole; a cut one is asked again.")
@click.option(
    "--reasoning", is_flag=True, help="Show what the model thinks; it goes to stderr if stdout is no terminal."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object at the end instead of the text.")
@click.option(
    "--trace", is_flag=True, help="Tell on stderr what is selected, each attempt, who answered, and its cost."
)
@click.option(
    "--no-history", "history", is_flag=True, flag_value=False, default=True, help="Keep nothing that is typed."
)
@_settings
@_config
def chat(*, message: tuple[str, ...], config: str | None, **given: Any) -> int:
    """Send MESSAGE, or what is piped in, and print the answer as it comes.

    With both, the piped text follows the message after an empty line. With neither, on a terminal, it is a
    conversation: /help says how.
    """
    models, needs, chain = given["models"], given["needs"], given["chain"]
    if chain is not None and (models or needs is not None or given["choose"]):
        raise click.UsageError("give either --chain, or --model, --needs and --choose")
    if len(models) > 1 and (needs is not None or given["choose"]):
        raise click.UsageError("--needs and --choose go with one --model at most")
    from .chat import Form, Question, ask
    from .targets import Choice

    choice = Choice(**{name: given.pop(name) for name in ("models", "needs", "chain", "choose")})
    settings = {name: value for name in _SETTINGS if (value := given.pop(name)) not in (None, ())}
    form = Form(
        **{name: given.pop(name) for name in ("as_json", "trace", "whole", "reasoning", "yes", "rounds", "history")}
    )
    ask(Question(" ".join(message), choice, settings, **given), form, config=config)
    return 0


@segue.command()
@_json
@_config
def providers(as_json: bool, config: str | None) -> int:
    """List what is installed, and what each provider still lacks."""
    from .lists import list_providers

    list_providers(config=config, as_json=as_json)
    return 0


@segue.command(short_help="List the models that meet the needs.")
@_needs
@click.option("--live", is_flag=True, help="Ask the hosts which models they have now, and what they tell of them.")
@click.option("--provider", metavar="NAME", callback=_text, help="Of this provider alone.")
@_json
@_config
def models(needs: str | None, live: bool, provider: str | None, as_json: bool, config: str | None) -> int:
    """List the models that meet the needs, ready to be asked or not.

    With --live every host is asked that has a key or needs none, a public one only where it is named or
    configured. What a host tells stands above what is declared. Exits with 1 where a host failed, with 2 where
    none could be asked.
    """
    from .lists import list_live_models, list_models

    if live:
        return list_live_models(needs, provider, config=config, as_json=as_json)
    list_models(needs, provider, config=config, as_json=as_json)
    return 0


@segue.command(short_help="Say what would be asked, and why nothing else.")
@_needs
@click.option(
    "-m", "--model", metavar="NAME", callback=_text, shell_complete=completion.models,
    help="provider/model, a model's or a provider's name.",
)  # fmt: skip
@_json
@_config
def explain(needs: str | None, model: str | None, as_json: bool, config: str | None) -> int:
    """Say which models would be asked, in which order, and why the others would not.

    Exits with 2 where there is no candidate.
    """
    from .lists import explain_selection

    return 0 if explain_selection(needs, model, config=config, as_json=as_json) else 2


@segue.command(short_help="Look at the installation; 1 if something is broken.")
@click.option("--pins", is_flag=True, help="Print each plugin's version and content, as [plugins] allow takes them.")
@_config
def doctor(pins: bool, config: str | None) -> int:
    """Look at the installation: versions, files, plugins, keys (never their values).

    Plugins are imported in a process of their own. Exits with 1 where something is broken.
    """
    from .doctor import examine, print_pins

    if pins:
        print_pins(config=config)
        return 0
    return 0 if examine(config=config) else 1


@segue.command(short_help="Ask each model a small question, and say how it did.")
@click.argument("targets", nargs=-1, callback=_text, shell_complete=completion.models)
@click.option(
    "--timeout", type=click.FloatRange(min=0, min_open=True), default=30.0, show_default=True, metavar="SECONDS",
    callback=_finite, help="How long until each begins to answer.",
)  # fmt: skip
@_json
@_config
def probe(targets: tuple[str, ...], timeout: float, as_json: bool, config: str | None) -> int:
    """Ask each of TARGETS for a few tokens, side by side, and say how it did: it costs what that costs.

    A target is a chain, provider/model, a model's or a provider's name. Without any: those of the configured
    chains; without chains the first model of each provider that is ready. Exits with 1 where one did not answer.
    """
    from .probe import probe as probe_all

    return 0 if probe_all(targets, timeout, config=config, as_json=as_json) else 1


@segue.command(short_help="Play a chain against stand-ins that fail on cue; no host is asked.")
@click.argument("chain", required=False, callback=_text, shell_complete=completion.chains)
@click.option(
    "-m", "--model", "models", metavar="NAME", multiple=True, callback=_text, shell_complete=completion.models,
    help="A target, in place of a chain of the configuration; repeatable, in order.",
)  # fmt: skip
@click.option(
    "--fault", "faults", metavar="TARGET=STEP[,STEP …]", multiple=True, callback=_text,
    help="What a target does, request by request; the last step is repeated. Repeatable.",
)  # fmt: skip
@click.option("--script", type=click.Path(), metavar="FILE", help="A TOML file with the part of each target.")
@click.option("--prompt", metavar="TEXT", default="Hello", callback=_text, help="What is asked.")
@click.option(
    "--calls", type=click.IntRange(min=1, max=1000), default=1, metavar="NUMBER", help="How often it is asked."
)
@click.option(
    "--every", type=click.FloatRange(min=0), default=1.0, metavar="SECONDS", callback=_finite,
    help="The time between two calls.",
)  # fmt: skip
@click.option("--no-stream", "whole", is_flag=True, help="Ask for whole answers; a cut one is asked again.")
@click.option("--svg", type=click.Path(), metavar="FILE", help="Write the timeline as a picture.")
@click.option("--seed", type=int, metavar="NUMBER", help="The same draws of waits and weights again.")
@click.option("--steps", is_flag=True, help="List the steps that there are.")
@_json
@_config
def rehearse(steps: bool, as_json: bool, config: str | None, **given: Any) -> int:
    r"""Play CHAIN of the configuration against stand-ins, and show who was asked when and what came of it.

    No key is read and no host is asked; the clock jumps, so that a minute of silence takes no time. Exits with 1
    where a caller got no whole answer.

    \b
    segue rehearse main --fault openai=F08
    segue rehearse -m openai/gpt-4o-mini -m anthropic --fault openai=F12 --svg timeline.svg
    """
    from .rehearse import Play, list_steps, play

    if steps:
        list_steps()
        return 0
    if (given["chain"] is None) == (not given["models"]):
        raise click.UsageError("give either a CHAIN or --model")
    return 0 if play(Play(**given), config=config, as_json=as_json) else 1


@segue.command(short_help="Make a cassette of a real exchange, its secrets taken out.")
@click.argument("message", nargs=-1, required=True, callback=_text)
@click.option(
    "-m", "--model", metavar="NAME", callback=_text, shell_complete=completion.models,
    help="provider/model, a model's or a provider's name.",
)  # fmt: skip
@_needs
@click.option("--system", metavar="TEXT", callback=_text, help="What the model is told before the message.")
@click.option("--image", "images", type=click.Path(), metavar="FILE|URL", multiple=True, help="An image; repeatable.")
@click.option("--audio", type=click.Path(), metavar="FILE", multiple=True, help="Sound; repeatable.")
@click.option("--file", "files", type=click.Path(), metavar="FILE", multiple=True, help="A document; repeatable.")
@click.option(
    "--schema", type=click.Path(), metavar="FILE|JSON|MODULE:MODEL", callback=_text, help="The form of the answer."
)
@click.option(
    "--tool", "tools", metavar="MODULE:FUNCTION", multiple=True, callback=_text,
    help="A Python function that the model may call; it is offered, never run. Repeatable.",
)  # fmt: skip
@click.option("--no-stream", "whole", is_flag=True, help="Ask for a whole answer.")
@click.option("--embed", is_flag=True, help="Ask for the vector of MESSAGE.")
@click.option(
    "-o", "--output", "to", type=click.Path(), metavar="FILE|FOLDER", help="Where it goes; here if not given."
)
@click.option("--api", metavar="NAME", callback=_text, help="The wire, where its provider does not say.")
@click.option(
    "--allow-error", is_flag=True, help="Keep the host's error too, as 400 or 429, where it answers with one."
)
@click.option("--force", is_flag=True, help="Write over a file that is there.")
@_settings
@_config
def record(*, message: tuple[str, ...], config: str | None, **given: Any) -> int:
    """Ask one model MESSAGE, and write request and answer into a file that tests play again.

    Keys, credentials and names of accounts are taken out; where one would be left, nothing is written. The host is
    asked once, and it costs what that costs.
    """
    if given["model"] is None and given["needs"] is None:
        raise click.UsageError("name whom to ask: give --model, or --needs")
    from .record import Exchange, Keeping
    from .record import record as record_exchange

    keeping = Keeping(**{name: given.pop(name) for name in ("to", "api", "force", "allow_error")})
    settings = {name: value for name in _SETTINGS if (value := given.pop(name)) not in (None, ())}
    record_exchange(Exchange(" ".join(message), settings=settings, **given), keeping, config=config)
    return 0


@segue.command(short_help="Try providers against the conformance kit; 1 if an item fails.")
@click.argument("targets", nargs=-1, callback=_text)
@click.option("--all", "everything", is_flag=True, help="Every provider that is installed.")
@click.option(
    "--item", "patterns", metavar="PATTERN", multiple=True, callback=_text,
    help='The items of this name alone: "secret *". Repeatable.',
)  # fmt: skip
@click.option(
    "--level", type=click.Choice(("text", "wire", "full")), help="Hold it to this level, not to the one it declares."
)
@click.option(
    "--timeout", type=click.FloatRange(min=0, min_open=True), default=120.0, show_default=True, metavar="SECONDS",
    callback=_finite, help="How long all items of a provider may take.",
)  # fmt: skip
@click.option("--list", "listed", is_flag=True, help="List the items, each with its level and what it says.")
@_json
@_config
def conform(targets: tuple[str, ...], listed: bool, as_json: bool, **given: Any) -> int:
    """Try each of TARGETS, on this machine alone, with a made-up key: imports, streams, faults, secrets, abilities.

    A target is the name of an installed provider or of a row of the configuration, or MODULE:CLASS. What it cannot
    pass a provider declares, with the reason, which is shown; what it passes all the same is a failure.
    """
    from .conform import list_items, try_providers

    if listed:
        list_items(given["patterns"], as_json=as_json)
        return 0
    if bool(targets) == given["everything"]:
        raise click.UsageError("name one provider at least, or give --all")
    return 0 if try_providers(targets, as_json=as_json, **given) else 1


@segue.command(name="new-provider", short_help="Write a package for a provider of your own.")
@click.argument("name", callback=_text)
@click.option(
    "--kind", type=click.Choice(("text", "host", "wire")), default="text", show_default=True,
    help="A generator of text, a host of a known wire, or a wire of its own.",
)  # fmt: skip
@click.option("--url", metavar="URL", callback=_text, help="Where the host is: https://NAME.example if not given.")
@click.option(
    "--wire",
    type=click.Choice(("openai_chat", "openai_responses")),
    help="The wire of a host that speaks a known one: openai_chat if not given.",
)
@click.option(
    "--folder",
    type=click.Path(),
    metavar="DIR",
    callback=_text,
    help="The folder to make: ./segue-NAME if not given.",
)
@_config
def new_provider(config: str | None, **given: Any) -> int:
    """Write a package that gives the provider NAME, and passes `segue conform NAME` as it is.

    It has an entry point, one source file with four marked places, a test on recorded bytes, a README and a file for
    CI. Nothing that is there is ever changed.
    """
    from .new_provider import NewProvider, write_provider

    write_provider(NewProvider(**given), config=config)
    return 0


@segue.command(name="completion", short_help="Print the script that makes a shell complete commands.")
@click.argument("shell", type=click.Choice(completion.SHELLS))
def completion_script(shell: str) -> int:
    r"""Print the script that makes SHELL complete commands, options, models and chains.

    \b
    bash: put into ~/.bashrc:   eval "$(segue completion bash)"
    zsh:  put into ~/.zshrc:    eval "$(segue completion zsh)"
    fish: segue completion fish > ~/.config/fish/completions/segue.fish
    """
    completion.print_script(segue, shell)
    return 0


@segue.group(name="keys")
def keys_group() -> None:
    """Keep keys, and say where each one comes from; none is ever shown."""


@keys_group.command(name="set", short_help="Keep a key, from a hidden prompt or from stdin.")
@click.argument("name", callback=_text)
@click.option("--keyring", "in_keyring", is_flag=True, help="Keep it in the system's keyring instead of a file.")
@click.option("--force", is_flag=True, help="Also for a provider that is not installed.")
def keys_set(name: str, in_keyring: bool, force: bool) -> int:
    """Keep the key of provider NAME; it is asked for without showing it, or read from stdin."""
    from .keys import set_key

    set_key(name, in_keyring=in_keyring, force=force)
    return 0


@keys_group.command(name="list")
@_json
def keys_list(as_json: bool) -> int:
    """List the providers that have a key, and where it comes from."""
    from .keys import list_keys

    list_keys(as_json=as_json)
    return 0


@keys_group.command(name="remove")
@click.argument("name", callback=_text)
def keys_remove(name: str) -> int:
    """Drop the key of provider NAME from the key store and the keyring."""
    from .keys import remove_key

    remove_key(name)
    return 0


@segue.group(name="config")
def config_group() -> None:
    """Say whether the configuration is sound, and what it comes to."""


@config_group.command(name="check", short_help="Name each fault; 2 if there is one.")
@_config
def config_check(config: str | None) -> int:
    """Read the whole configuration, look up every key, and name each fault with its file and line.

    Exits with 2 where there is one.
    """
    from .configuration import check_configuration

    return 0 if check_configuration(config=config) else 2


@config_group.command(name="show")
@_json
@_config
def config_show(as_json: bool, config: str | None) -> int:
    """Print the settings that count, and where each was set; of a secret only its kind."""
    from .configuration import show_configuration

    show_configuration(config=config, as_json=as_json)
    return 0
