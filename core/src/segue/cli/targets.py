"""The target of a question: the command line's choice, in the form that the client's ``stream()`` accepts."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import click

from ..chain.targets import Chain
from ..errors import ConfigError
from ..selection import no_candidate
from ..values import dataclass
from .incomplete import what_is_incomplete
from .progress import PROGRESS
from .terminal import ask, can_ask, one_line, say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..capabilities import Capabilities, NeedsInput
    from ..client.client import Client
    from ..selection import Candidate, Selection
    from .terminal import Page

REHEARSAL = (
    "note: no provider is configured: this is a rehearsal, no model got the request"
    " (`segue providers` shows what each one lacks)"
)


@dataclass(frozen=True, slots=True)
class Choice:
    """The choice of a target on the command line."""

    models: tuple[str, ...] = ()
    needs: str | None = None
    chain: str | None = None
    choose: bool = False

    @property
    def names_nothing(self) -> bool:
        """Whether neither model, needs nor chain is given."""
        return not self.models and self.needs is None and self.chain is None


@dataclass(frozen=True, slots=True)
class Target:
    """The target of a question; ``first`` is the first candidate, ``meeting`` says how many satisfy the needs.

    ``default`` means that nothing was named, so the client chooses; ``named`` is the one model that was named, if only
    that one can answer.
    """

    model: str | None = None
    needs: NeedsInput | None = None
    chain: Chain | str | None = None
    first: str = "no model"
    meeting: str | None = None
    default: bool = False
    named: str | None = None

    @property
    def names_nothing(self) -> bool:
        """Whether the configured default, or else the order, decides."""
        return self.model is None and self.needs is None and self.chain is None

    @property
    def shown(self) -> str:
        """The target in a few words."""
        match self.chain:
            case None:
                return self.first if self.meeting is None else f"{self.first} ({self.meeting})"
            case str():
                return f"the chain {self.chain}"
            case _:
                return " or else ".join(map(str, self.chain.targets))


def find_target(client: Client, choice: Choice, page: Page) -> tuple[Target, list[Selection]]:
    """The target, and the selections that it comes from; asks the user if necessary."""
    if choice.names_nothing and not choice.choose and client.config.default is not None:
        chain = client.config.default_chain
        configured = Choice(models=() if chain else (client.config.default,), chain=chain)
        target, selections = find_target(client, configured, page)
        return replace(
            target, model=None, needs=None, chain=None, first=chain or target.first, default=True, named=None
        ), selections
    selections = _selections(client, choice)
    candidates = [candidate for selection in selections for candidate in selection.candidates]
    if choice.choose:
        name = _chosen(selections[0])
        return Target(name, choice.needs, first=name, named=name), [
            *selections,
            client.select(choice.needs, model=name),
        ]
    ready = [candidate for candidate in candidates if candidate.consent]
    if not ready:
        offline = next((name for name, one in client.registry.installed.items() if one.spec.access == "offline"), None)
        if choice.names_nothing and offline is not None:
            if incomplete := what_is_incomplete(client):
                raise ConfigError("\n".join(incomplete))
            page.remark(REHEARSAL)
            for text in client.registry.what_to_install(lacking=False):
                page.remark(f"note: {text}")
            remark_broken(client, page)
            only = client.select(model=offline)
            return Target(offline, first=offline, named=_only(only, offline)), [*selections, only]
        if candidates and _may_send(candidates[0]):
            name = candidates[0].name
            return Target(name, choice.needs, first=name, named=name), [
                *selections,
                client.select(choice.needs, model=name),
            ]
    if choice.chain is not None or len(choice.models) > 1:
        return Target(chain=choice.chain or Chain(*choice.models)), selections
    meeting = None
    if choice.needs is not None and not choice.models:
        meeting = (
            f"of {len(ready)} that satisfy {choice.needs}"
            if len(ready) > 1
            else f"the one that satisfies {choice.needs}"
        )
    model = next(iter(choice.models), None)
    first = ready[0].name if ready else "no model"
    named = _only(selections[0], model) if model is not None and choice.needs is None else None
    target = Target(model, choice.needs, first=first, meeting=meeting, default=choice.names_nothing, named=named)
    return target, selections


def _only(selection: Selection, model: str) -> str | None:
    """The name of the only candidate, if ``model`` names this model and not just its provider."""
    names = [candidate.name for candidate in selection.candidates]
    return names[0] if len(names) == 1 and model in {names[0], names[0].partition("/")[2]} else None


def remark_broken(client: Client, page: Page) -> None:
    """List broken plugins: if there is no candidate, the intended one may be among them."""
    if broken := [plugin.name for plugin in client.registry.broken]:
        page.remark(f"note: broken plugins: {', '.join(broken)} (see `segue doctor`)")


def _selections(client: Client, choice: Choice) -> list[Selection]:
    """The selection of each target of the choice, in order."""
    if choice.chain is not None:
        targets = client.chain(choice.chain).leaves()
        return [client.select(model=target) if isinstance(target, str) else client.select(target) for target in targets]
    return [client.select(choice.needs, model=model) for model in choice.models or (None,)]


def _may_send(candidate: Candidate) -> bool:
    """Ask whether a public host may get the message; if no user can answer, it may not."""
    if not can_ask():
        return False
    who = one_line(candidate.provider)
    may = click.confirm(f"{who} is a public host that takes anonymous calls; send your message to it?", err=True)
    PROGRESS.clear()
    return may


# ── shown with rich ──────────────────────────────────────────────────────────────────────────────────


def remark_who(name: str, target: Target, page: Page) -> None:
    """Print the model that answers, unless exactly this one was named."""
    if target.meeting is not None:
        page.remark(one_line(f"{name} answers ({target.meeting})"), faint=True)
    elif name != target.named:
        page.remark(one_line(name), faint=True)


def _chosen(selection: Selection) -> str:
    """The name of the candidate that a person picks from a table."""
    if not selection.candidates:
        raise no_candidate(selection)
    if not can_ask():
        raise ConfigError("--choose needs a terminal: name a model with --model")
    _print_candidates(selection.candidates)
    while True:
        answer = ask(f"Which one? [1-{len(selection.candidates)}, Enter for 1]")
        if answer is None:
            raise click.Abort
        if not answer:
            return selection.candidates[0].name
        if answer.isascii() and answer.isdigit() and 1 <= int(answer) <= len(selection.candidates):
            return selection.candidates[int(answer) - 1].name
        say(f"enter a number from 1 to {len(selection.candidates)}")


def _print_candidates(candidates: Sequence[Candidate]) -> None:
    from rich import box  # only here: it is slow to import
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("", justify="right", style="dim", no_wrap=True)
    table.add_column("model", overflow="fold")
    for heading in ("context", "in $/M", "out $/M"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("", overflow="fold", style="dim")
    for place, candidate in enumerate(candidates, 1):
        facts = candidate.capabilities
        numbers = (shown_number(facts, name) for name in ("context", "input_price", "output_price"))
        # As Text: a name with brackets is no markup.
        name, notes = Text(one_line(candidate.name)), Text(one_line("; ".join(candidate.notes)))
        table.add_row(str(place), name, *numbers, notes)
    Console(stderr=True).print(table)


def shown_number(capabilities: Capabilities, name: str) -> str:
    """The number of a fact, a price with its cents; ``?`` if it is unknown."""
    value = capabilities.fact(name).value
    if not isinstance(value, float):
        return "?" if value is None else f"{value:,}" if isinstance(value, int) else str(value)
    cents = f"{value:.2f}"
    return cents if float(cents) == value else f"{value:g}"
