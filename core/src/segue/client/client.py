"""`Client`: send requests, stream answers, select candidates, list models."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import hashlib
import math
import os
import time
from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Generic, Literal, Self, TypeAlias, Unpack, cast, overload

from typing_extensions import TypeVar

from ..adaptation.omissions import adapt
from ..adaptation.output import parser
from ..adaptation.structured import answered
from ..capabilities import Need, Needs
from ..chain.attempt import Ready, Run, next_number
from ..chain.calls import Calls
from ..chain.targets import Chain, Lineup, Resolution, Target, chain_of, joined
from ..chain.walk import in_turn
from ..config import (
    Config,
    ProviderConfig,
    Source,
    address_fault,
    find_key,
    is_loopback,
    is_placeholder,
    key_sources,
    load,
    secret,
)
from ..constraints import NAME, Of, check
from ..display import closest, nearest, shown_address
from ..errors import (
    ClosedError,
    ConfigError,
    ConnectError,
    HTTPError,
    InvalidOutputError,
    ModelNotFoundError,
    PhaseTimeoutError,
    PluginError,
    ProtocolError,
    ProviderError,
    SegueError,
    TimeIsUpError,
    UnsupportedError,
    forget_code,
    is_known_code,
)
from ..events import Embeddings, EmbedReply, Finish, Notice, Start, TextDelta, flow_of
from ..frames import forget_locals, forgetful, forgetful_async, raised_at
from ..generator.provider import not_a_generator
from ..messages import EmbedRequest, MessagesInput, Policy, Request
from ..observation import HealthSnapshot, Observers
from ..plugins.layers import Layer, Layers
from ..plugins.registry import Registry
from ..pricing import Pricing
from ..provider.contract import Context, Embedder, Model, ModelLister, ProviderSettings, TakesAddresses
from ..redaction import shown
from ..resilience import Breaker, Budget, Concurrency, Endpoint, Fleet, breaker_of, retry_of
from ..selection import (
    LINES_OF_ERROR,
    NO_HEALTH,
    Candidate,
    Offer,
    Offers,
    Rejection,
    as_of,
    can_be_met,
    nearest_model,
    no_candidate,
    offers_like,
)
from ..transport import AiohttpTransport, Timeout, at_most, foreign_error, limits_with
from ..validation import made
from ..values import dataclass
from ..wire.blotting import blot, blotted, secrets_in, secrets_of
from .arguments import (
    NO_NEEDS,
    NO_REQUEST,
    NOTHING_SAID,
    Asking,
    SchemaInput,
    nothing_said,
    options_read,
    request_of,
    with_implied,
)
from .constraints import (
    EMBED,
    PROBE,
    TARGET,
    check_arguments,
    check_client,
    check_model,
    check_provider,
    direct,
    needs_given,
)
from .hints import NO_MODEL, Asked, add_hints, may_have_hints
from .misnamed import known_arguments, mark_client, mark_stream, refused

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Mapping
    from contextlib import AbstractAsyncContextManager

    from pydantic import BaseModel

    from ..capabilities import NeedsInput
    from ..config import KeySource, TargetConfig
    from ..events import Collector, Event, Flow, Reply
    from ..observation import Attempt, Observer
    from ..plugins.layers import Crossing
    from ..plugins.middleware import Middleware
    from ..provider.contract import Provider, ProviderSpec, Secret
    from ..resilience import HealthStore, Retry
    from ..selection import Matched, Selection
    from ..transport import Response, Transport
    from ..transport.downloads import Downloading, Downloads, Fetcher
    from ..wire import Call
    from .live import LiveModels

ChainInput: TypeAlias = "Chain | str | Sequence[str | Needs | Target | Chain]"
"""A chain, the name of a configured one, or a list of its targets."""

T = TypeVar("T", default=None)
M = TypeVar("M", bound="BaseModel")

_MOST_RESOLUTIONS = 1024
_REQUEST = Of(Request)


class Client:
    """Finds plugins, reads the configuration and the environment, and sends requests to models.

    ``config`` is True (the default files), False (no file), a path, or a mapping with the contents of a file.
    ``providers`` are added to the installed ones, or replace them with ``plugins=False``. With
    ``config=False, plugins=False`` the client reads only the keys in the environment.
    All other arguments override the configuration: ``api_keys`` by provider, ``timeout``, ``retry``,
    ``breaker`` (None: no circuit breaker), ``budget`` (for retries and hedges), ``concurrency`` (calls at the same
    time in each event loop, None: no limit), ``proxy`` and ``ca_file``. ``health`` is the store for the state of
    hosts; the default is in memory.
    Proxies from the environment are used only with ``environment_proxies=True``. ``downloads`` allows or forbids
    downloading images and files for hosts that do not accept URLs. Downloads never use a proxy or the ``transport``,
    so ``downloads`` together with ``proxy`` is a ConfigError. With ``host_messages=False`` errors and their notes do
    not contain the host's message, which may quote a prompt. ``middleware`` runs outside the middleware of plugins;
    the first one is the outermost.
    """

    @forgetful
    @known_arguments("Client")
    def __init__(
        self,
        *,
        config: Source = True,
        plugins: bool = True,
        providers: Iterable[object] = (),
        api_keys: Mapping[str, str | Secret] | None = None,
        timeout: Timeout | float | None = None,
        retry: Retry | int | None = None,
        breaker: Breaker | bool | Literal["configured"] | None = "configured",
        budget: Budget | None = None,
        health: HealthStore | None = None,
        concurrency: int | None = None,
        proxy: str | None = None,
        ca_file: str | os.PathLike[str] | None = None,
        environment_proxies: bool | None = None,
        downloads: Downloads | bool | None = None,
        host_messages: bool | None = None,
        observers: Sequence[Observer] = (),
        middleware: Sequence[Middleware] = (),
        transport: Transport | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        check_client(locals())
        retry = retry_of("Client", retry)
        self._environ = os.environ if environ is None else environ
        self._config: Config = load(config, environ=self._environ)
        rows = (provider.host(name) for name, provider in self._config.providers.items())
        self._registry = Registry(
            plugins=plugins,
            providers=(*providers, *(row for row in rows if row is not None)),
            rules=self._config.plugins,
            environ=self._environ,
        )
        self._own_rows = {name for name, provider in self._config.providers.items() if provider.wire is not None}
        self._api_keys = {
            name: secret(key) if isinstance(key, str) else key for name, key in (api_keys or {}).items() if key
        }
        self._preferences = replace(self._config.preferences, tables=tuple(self._config.providers))
        self._observers = Observers(
            observers, of_plugins=self._registry.hooks.observers, time_limit=self._config.plugins.hook_time_limit
        )
        self._layers = self._layers_of(middleware)
        self._timeout = limits_with(timeout, self._config.timeout or Timeout())
        self._retry = self._config.retry if retry is None else retry
        self._fleet = Fleet(
            breaker=breaker_of("Client", breaker, self._config.breaker),
            budget=budget or self._config.budget,
            store=health,
        )
        self._concurrency = Concurrency(self._config.concurrency if concurrency is None else concurrency)
        self._limits = {
            name: Concurrency(provider.concurrency)
            for name, provider in self._config.providers.items()
            if provider.concurrency is not None
        }
        self._host_messages = self._config.host_messages if host_messages is None else host_messages
        self._proxy = proxy or self._config.proxy
        self._ca_file = self._config.ca_file if ca_file is None else os.fspath(ca_file)
        self._environment_proxies = (
            self._config.environment_proxies if environment_proxies is None else environment_proxies
        )
        # The process's own variable is looked at with each call.
        self._loopback_only = self._environ is not os.environ and self._environ.get("SEGUE_NO_NETWORK", "0") not in {
            "",
            "0",
        }
        self._fetcher = self._fetcher_of(downloads)
        self._calls = Calls()
        self._given_transport = transport
        self._transports: dict[str | None, AiohttpTransport] = {}  # by proxy
        self._transport(self._proxy)  # a wrong proxy is told now
        self._keys: dict[str, KeySource | None] = {}
        self._told: dict[str, ProviderSettings] = {}
        self._known_secrets: dict[str, tuple[ProviderSettings, list[str]]] = {}
        self._endpoints: dict[tuple[str, str], tuple[ProviderSettings, Endpoint]] = {}
        self._salt = os.urandom(16)  # so that what tells keys apart tells nothing of them
        self._offers: Offers | None = None
        self._alone: dict[str, Offers] = {}  # by provider, for as long as nobody wanted all of them
        self._chains: dict[str, Chain] = {}
        self._resolutions: dict[tuple[str | None, Needs], Resolution] = {}
        self._firsts: dict[tuple[Needs, str], Resolution] = {}
        self._check_names()

    async def __aenter__(self) -> Self:
        self._calls.check()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.aclose()

    if not TYPE_CHECKING:  # which knows it
        __enter__ = __exit__ = refused(
            "Client: write `async with Client() as client`; without async use segue.sync.Client"
        )

    async def aclose(self) -> None:
        """Close all connections; calls under way, and all later ones, raise ClosedError."""
        await self._calls.close()
        for transport in self._transports.values():
            await transport.aclose()

    def _layers_of(self, middleware: Sequence[Middleware]) -> Layers:
        hooks, limit = self._registry.hooks, self._config.plugins.hook_time_limit
        layers = [*(Layer(one) for one in middleware), *(Layer(one, name, limit) for name, one in hooks.middleware)]
        return Layers(layers, hooks.refusal)

    def _fetcher_of(self, downloads: Downloads | bool | None) -> Fetcher | None:
        limits = self._config.downloads if downloads is None else downloads
        if limits is None or limits is False:
            return None
        if self._proxy is not None:
            # Behind a proxy a name is resolved where it cannot be checked; past it, the user's wish is ignored.
            raise ConfigError("downloads cannot use a proxy: switch downloads off, or remove the proxy")
        from ..transport.downloads import Downloads, Fetcher  # only where they are allowed

        return Fetcher(
            Downloads() if limits is True else limits, ca_file=self._ca_file, loopback_only=self._loopback_only
        )

    def _transport(self, proxy: str | None) -> Transport:
        """The transport of calls through this proxy."""
        self._calls.check()
        if self._given_transport is not None:
            return self._given_transport
        transport = self._transports.get(proxy)
        if transport is None:
            transport = self._transports[proxy] = AiohttpTransport(
                # Connecting is the transport's to watch; from there on the chain does, by events.
                timeout=replace(self._timeout, first_event=None, idle=None),
                proxy=proxy,
                ca_file=self._ca_file,
                environment_proxies=self._environment_proxies,
                loopback_only=self._loopback_only,
            )
            transport.owner = "Client"
        return transport

    @property
    def registry(self) -> Registry:
        """The installed providers and plugins, and the ones that cannot be loaded."""
        return self._registry

    @property
    def config(self) -> Config:
        """The settings from the configuration and the environment."""
        return self._config

    # ── asking ────────────────────────────────────────────────────────────────────────────────────────

    @overload
    async def chat(
        self,
        messages: MessagesInput,
        *,
        model: str | None = None,
        needs: NeedsInput | None = None,
        chain: ChainInput | None = None,
        schema: None = None,
        **asking: Unpack[Asking],
    ) -> Reply[None]: ...

    @overload
    async def chat(
        self,
        messages: MessagesInput,
        *,
        model: str | None = None,
        needs: NeedsInput | None = None,
        chain: ChainInput | None = None,
        schema: type[M],
        **asking: Unpack[Asking],
    ) -> Reply[M]: ...

    @overload
    async def chat(
        self,
        messages: MessagesInput,
        *,
        model: str | None = None,
        needs: NeedsInput | None = None,
        chain: ChainInput | None = None,
        schema: Mapping[str, Any] | Literal["json"],
        **asking: Unpack[Asking],
    ) -> Reply[Any]: ...

    async def chat(
        self,
        messages: MessagesInput = NOTHING_SAID,
        *,
        model: str | None = None,
        needs: NeedsInput | None = None,
        chain: ChainInput | None = None,
        schema: SchemaInput | None = None,
        **asking: Unpack[Asking],
    ) -> Reply[Any]:
        """Return the whole answer; if an answer breaks off, the next candidate gets the request.

        Without ``model``, ``needs`` and ``chain`` only one model gets the request: the configured default, or else the
        first candidate.
        ``schema`` is the required form of the answer: a pydantic model, a JSON schema (the answer is parsed as JSON,
        but not validated), or ``"json"`` for any JSON object. The parsed answer is in ``reply.parsed``.
        Raises the candidate's error if there is only one candidate, AllFailedError if two or more fail,
        NoCandidateError if no model can get the request.
        """
        try:
            stream = self._ask(messages, model, needs, chain, schema, asking, whole=True)
        except BaseException as error:  # only looked at
            forget_locals(error)
            raise
        finally:
            del messages, schema, asking  # an error keeps this frame
        try:
            return await stream.reply()
        finally:
            await stream.aclose()

    @overload
    def stream(
        self,
        messages: MessagesInput,
        *,
        model: str | None = None,
        needs: NeedsInput | None = None,
        chain: ChainInput | None = None,
        schema: None = None,
        **asking: Unpack[Asking],
    ) -> Stream[None]: ...

    @overload
    def stream(
        self,
        messages: MessagesInput,
        *,
        model: str | None = None,
        needs: NeedsInput | None = None,
        chain: ChainInput | None = None,
        schema: type[M],
        **asking: Unpack[Asking],
    ) -> Stream[M]: ...

    @overload
    def stream(
        self,
        messages: MessagesInput,
        *,
        model: str | None = None,
        needs: NeedsInput | None = None,
        chain: ChainInput | None = None,
        schema: Mapping[str, Any] | Literal["json"],
        **asking: Unpack[Asking],
    ) -> Stream[Any]: ...

    def stream(
        self,
        messages: MessagesInput = NOTHING_SAID,
        *,
        model: str | None = None,
        needs: NeedsInput | None = None,
        chain: ChainInput | None = None,
        schema: SchemaInput | None = None,
        **asking: Unpack[Asking],
    ) -> Stream[Any]:
        """Return a stream of events: ``async with client.stream(…) as stream``, then iterate over it.

        Wrong arguments raise at once; all other errors are raised during the iteration.
        """
        try:
            return self._ask(messages, model, needs, chain, schema, asking, whole=False)
        except BaseException as error:  # only looked at
            forget_locals(error)
            raise
        finally:
            del messages, schema, asking  # as in chat()

    def _ask(  # noqa: PLR0917 - what both forms of asking take
        self,
        messages: MessagesInput,
        model: str | None,
        needs: NeedsInput | None,
        chain: ChainInput | None,
        schema: SchemaInput | None,
        asking: Asking,
        *,
        whole: bool,
    ) -> Stream[Any]:
        if self._calls.is_closed:
            self._calls.check()
        where = "chat" if whole else "stream"
        if messages is NOTHING_SAID:
            raise nothing_said(where, asking)
        check_model(where, model)
        if chain is not None and (model is not None or needs is not None):
            raise TypeError(f"{where}: give either chain=, or model= and needs=")
        wanted = NO_NEEDS if needs is None else needs_given(where, needs, self._config.needs)
        chosen = None if chain is None else self._chain(where, chain)
        run = self._run(whole=whole)
        direct(where, run, chosen, asking)
        request = request_of(messages, schema, asking, stream=not whole)
        crossing = None
        if self._layers:
            request, crossing = self._layers.asked(request)
        if request.options:
            request = request.model_copy(update={"options": self._checked_options(request.options, where)})
        downloading = None
        if self._fetcher is not None:
            downloading = self._fetcher.downloading(request)
        run.parse = None if schema is None else parser(schema)
        implied = _implied(request)
        seen = shown(request) if self._registry.hooks.choose else None
        resolution = None
        if chosen is None and model is None and needs is None:
            default = self._default(implied, downloading, seen)
            if isinstance(default, Resolution):
                resolution = default
            else:
                chosen = default
                direct(where, run, chosen, asking)
        if chosen is not None:

            def resolve(target: str | Needs) -> Resolution:
                return self._target(target, implied, downloading, seen)

            return self._seen(chosen.stream(request, resolve=resolve, run=run), run, crossing)
        if resolution is None:
            resolution = self._resolution(
                model, with_implied(wanted, implied, lenient=model is not None), downloading, seen
            )
        if resolution.selection is not None:
            self._observers.selected(resolution.selection)
        if not resolution.ready:
            raise no_candidate(resolution.selection, explanation=resolution.explanation)
        return self._seen(in_turn(resolution.ready, request, run), run, crossing)

    @staticmethod
    def _seen(events: Flow, run: Run, crossing: Crossing | None) -> Stream[Any]:
        """The answer as the caller sees it."""
        if crossing is None:
            return Stream(events, run)

        def ended(collector: Collector) -> None:
            if run.parse is not None:
                try:
                    run.parsed = run.parse(collector.reply().choices[0])
                except InvalidOutputError as error:
                    error.add_note(f"the host's own output fits; middleware changed it: {crossing.names}")
                    raise
            run.collector = collector

        return Stream(flow_of(crossing.events(events, ended, given=run.hold_back < math.inf)), run)

    def _checked_options(self, options: Mapping[str, Mapping[str, Any]], where: str) -> dict[str, dict[str, Any]]:
        """The options of the call ``where`` as each provider's own model reads them."""
        checked: dict[str, dict[str, Any]] = {}
        for name, values in options.items():
            installed = self._registry.installed.get(name)
            if installed is None:
                raise TypeError(f"{where}(options=<dict>): {self._registry.not_installed(name)}")
            model = self._registry.options(name)
            checked[name] = dict(values)
            if model is not None:
                checked[name] = options_read(model, values, f"{where}(options=<dict>)", f"options[{name!r}]")
        return checked

    @forgetful_async
    @known_arguments("embed")
    async def embed(
        self,
        inputs: str | Sequence[str],
        *,
        model: str | None = None,
        needs: NeedsInput | None = None,
        chain: ChainInput | None = None,
        dimensions: int | None = None,
        purpose: Literal["query", "document"] | None = None,
        options: Mapping[str, Mapping[str, Any]] | None = None,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        policy: Policy | None = None,
        timeout: Timeout | float | None = None,  # noqa: ASYNC109 - as in chat(): by phase, and over several hosts
    ) -> EmbedReply:
        """Return an embedding (a vector) for each input, in order, from the first candidate that answers.

        Embeddings of two models cannot be compared: name one model, or a chain of hosts with the same model. Without
        ``model``, ``needs`` and ``chain`` only the first model that supports embeddings gets the request.
        ``timeout`` overrides the chain's and the client's; a number is the total in seconds.
        """
        self._calls.check()
        check_arguments("embed", locals(), EMBED)
        check_model("embed", model)
        if chain is not None and (model is not None or needs is not None):
            raise TypeError("embed: give either chain=, or model= and needs=")
        wanted = needs_given("embed", needs, self._config.needs)
        chosen = None if chain is None else self._chain("embed", chain)
        said = {
            "inputs": (inputs,) if isinstance(inputs, str) else tuple(inputs),
            "dimensions": dimensions,
            "purpose": purpose,
            "options": self._checked_options(options or {}, "embed"),
            "extra_body": extra_body or {},
            "extra_headers": extra_headers or {},
            "policy": Policy() if policy is None else policy,
        }
        request = made("embed", EmbedRequest, said)
        wish = _Wish(request)

        def resolve(target: str | Needs) -> Resolution:
            return self._to_embed(target, NO_NEEDS, wish)

        run = self._run(whole=True)
        run.usual = run.timeout if chosen is None else limits_with(chosen.timeout, run.timeout)
        run.timeout = limits_with(timeout, run.usual)
        if chosen is None:
            resolution = self._to_embed(model, wanted, wish)
            if resolution.selection is not None:
                self._observers.selected(resolution.selection)
            if not resolution.ready:
                raise no_candidate(resolution.selection, explanation=resolution.explanation)
            lineup = Lineup(resolution.ready[:1] if model is None and needs is None else resolution.ready)
        else:
            lineup = chosen.lineup(resolve=resolve, run=run).checked()
        async with contextlib.aclosing(in_turn(lineup.ready, NO_REQUEST, run, lineup.notices())) as events:
            await events.rest()
        reply = run.reply()
        assert wish.given is not None
        return EmbedReply(
            vectors=wish.given.vectors,
            usage=reply.usage,
            notices=reply.notices,
            provider=reply.provider,
            model=reply.model,
            response_model=reply.response_model,
            request_id=reply.request_id,
            attempts=reply.attempts,
            pricing=reply.pricing,
        )

    def _to_embed(self, target: str | Needs | None, needs: Needs, wish: _Wish) -> Resolution:
        """The candidates that support embeddings."""
        embeds = Needs([Need("embeddings", unknown_ok=isinstance(target, str))])
        if isinstance(target, Needs):
            selection = self._selection(None, target & embeds)
        else:
            selection = self._selection(target, needs & embeds)
        ready = tuple(self._ready(candidate, wish) for candidate in selection.candidates if candidate.consent)
        return _resolution(ready, selection)

    def _run(self, *, whole: bool) -> Run:
        return Run(
            timeout=self._timeout,
            usual=self._timeout,
            retry=self._retry,
            concurrency=self._concurrency,
            fleet=self._fleet,
            observers=self._observers,
            hold_back=math.inf if whole else 0.0,
            calls=self._calls,
        )

    def _chain(self, where: str, chain: ChainInput) -> Chain:
        given = chain_of(where, chain)
        return self._configured_chain(given, ()) if isinstance(given, str) else given

    @property
    def chains(self) -> tuple[str, ...]:
        """The names of the configured chains."""
        return tuple(self._config.chains)

    def chain(self, name: str) -> Chain:
        """The configured chain with this name; ConfigError if it does not exist."""
        check("chain", "name", name, NAME)
        return self._configured_chain(name, ())

    def _configured_chain(self, name: str, inside: tuple[str, ...]) -> Chain:
        """The chain of this name; one object for as long as the client lives, for its turns are counted."""
        chain = self._chains.get(name)
        if chain is None:
            configured = self._config.chains.get(name)
            if configured is None:
                known = sorted(self._config.chains)
                told = f"no chain {name!r} is configured"
                if name.partition("/")[0] in self._registry.installed:
                    raise ConfigError(f"{told}; a model or a provider is named with model= (--model)")
                raise ConfigError(told + nearest(name, known))
            if name in inside:
                raise ConfigError(f"the chain {name!r} is inside itself: {' → '.join((*inside, name))}")
            chain = self._chains[name] = Chain(
                *(self._configured_target(target, (*inside, name)) for target in configured.targets),
                balance=configured.balance,
                mid_stream=configured.mid_stream,
                hedge=configured.hedge,
                reject=configured.reject,
                timeout=configured.timeout,
            )
            if name in self._config.local_chains:
                chain.permitted = self._consented
        return chain

    def _configured_target(self, target: TargetConfig, inside: tuple[str, ...]) -> Target:
        what = target.what if target.chain is None else self._configured_chain(target.chain, inside)
        return Target(
            what,
            weight=target.weight,
            timeout=target.timeout,
            settings=target.settings,
            options=target.options,
            concurrency=target.concurrency,
        )

    # ── choosing ──────────────────────────────────────────────────────────────────────────────────────

    @forgetful
    def select(
        self, needs: NeedsInput | None = None, *, model: str | None = None, request: Request | None = None
    ) -> Selection:
        """Return the candidates for a call, in order, and the reason for each model that is not a candidate. No I/O.

        With a ``request`` its implied needs count too: an image implies ``vision``. Models that only support
        embeddings (the fact ``chat`` is false) are considered only if the needs contain ``embeddings``.
        If a plugin that chooses candidates fails, all candidates are rejected.
        """
        check_model("select", model)
        if request is not None:
            check("select", "request", request, _REQUEST)
        wanted = needs_given("select", needs, self._config.needs)
        seen = None
        if request is not None:
            wanted = with_implied(wanted, _implied(request), lenient=model is not None)
            seen = shown(request)
        match = self._matched(model, wanted, self.health)
        try:
            return self._registry.hooks.chosen(match, wanted, seen)
        except PluginError as error:
            out = [Rejection(one.provider, one.model, (str(error),)) for one in match.candidates]
            return match.selection((), out)

    def _selection(self, model: str | None, needs: Needs, seen: Request | None = None) -> Selection:
        """The selection for a call; PluginError if a plugin that can change it fails."""
        match = self._matched(model, needs, self.health if self._may_change(needs) else NO_HEALTH)
        hooks = self._registry.hooks
        return hooks.chosen(match, needs, seen) if hooks.choose else match.selection()

    def _matched(self, model: str | None, needs: Needs, health: HealthSnapshot) -> Matched:
        if self._offers is None and model is not None:
            match = self._matched_alone(model, needs, health)
            if match is not None and match.candidates:
                return match
        match = self._all_offers().matched(needs, model, health=health)
        if match.candidates and match.candidates[0].consent:
            return match
        return self._with_packages(match, needs, model)

    def _with_packages(self, match: Matched, needs: Needs, model: str | None) -> Matched:
        """The same for a call without a candidate, with the packages to install that would help."""
        offers = self._all_offers().all
        lacking = (
            bool(needs)
            and all(needs.missing(offer.model.capabilities) for offer in offers)
            and can_be_met(needs, offers)
        )
        told = self._registry.what_to_install(model, lacking=lacking)
        if model is None:
            told = [*match.hints, *told]
        elif (meant := self._meant_chain(model)) is not None:
            told = [f"did you mean the chain {meant!r}?", *(told or match.hints)]
        return replace(match, hints=tuple(told)) if told else match

    def _meant_chain(self, name: str) -> str | None:
        """The configured chain with this name or one near to it."""
        return closest(name, self._config.chains, sure=True)

    def _matched_alone(self, model: str, needs: Needs, health: HealthSnapshot) -> Matched | None:
        """The match if the name contains the provider, so that only its offers are needed; or else None.

        A process that uses one model does no work for the others; a test compares the result with that of all offers.
        """
        installed = self._registry.installed
        name = next((name for name in (model, model.partition("/")[0]) if name in installed), None)
        if name is None:
            return None
        offers = self._alone.get(name)
        if offers is None:
            offers = self._alone[name] = self._offers_by([name])
        return offers.matched(needs, model, health=health)

    @property
    def health(self) -> HealthSnapshot:
        """The observed state of models: which one answered last, and which ones are skipped because they fail."""
        try:
            now = asyncio.get_running_loop().time()
        except RuntimeError:
            now = time.monotonic()  # the clock of loops
        return self._fleet.snapshot(now)

    @forgetful
    def models(self, needs: NeedsInput | None = None, *, provider: str | None = None) -> list[Candidate]:
        """Every model (of this provider) that satisfies the needs, whether it can be called now or not.

        ConfigError if the provider is not installed.
        """
        check_provider("models", provider)
        wanted = needs_given("models", needs, self._config.needs)
        offers = self._all_offers().all
        if provider is not None:
            name = self._installed(provider)
            offers = tuple(offer for offer in offers if offer.provider == name)
        return [
            Candidate(
                offer.provider, offer.model.name, offer.model.capabilities, offer.access == "public", offer.consent
            )
            for offer in offers
            if not wanted.missing(offer.model.capabilities)
        ]

    @forgetful_async
    async def live_models(self, needs: NeedsInput | None = None, *, provider: str | None = None) -> LiveModels:
        """Request the current model lists of all hosts (or of this provider); return models that satisfy the needs.

        If a host fails, its error is in the result, next to the models of the other hosts. Public hosts get a request
        only if they are named or configured. ConfigError if the provider is not installed.
        """
        from .live import LiveModels

        self._calls.check()
        check_provider("live_models", provider)
        wanted = needs_given("live_models", needs, self._config.needs)
        names = sorted(self._registry.installed) if provider is None else [self._installed(provider)]
        async with self._calls.one(next_number()):
            told = await asyncio.gather(*(self._live(name, named=provider is not None) for name in names))
        models: list[Candidate] = []
        answered: list[str] = []
        skipped: dict[str, str] = {}
        failures: dict[str, SegueError] = {}
        for name, answer in zip(names, told, strict=True):
            if isinstance(answer, str):
                skipped[name] = answer
            elif isinstance(answer, SegueError):
                forget_locals(answer)
                failures[name] = answer
            else:
                answered.append(name)
                models += [one for one in answer if not wanted.missing(one.capabilities)]
        return LiveModels(tuple(models), tuple(answered), skipped, failures)

    @forgetful_async
    async def probe(self, *targets: str | Needs | Chain, within: float = 30.0) -> tuple[Attempt, ...]:
        """Send a short question to every candidate of these targets, in parallel, and return how each attempt ended.

        Without targets the targets of the configured chains are used; without chains the first candidate of each
        provider that is ready. Each candidate gets one request, even if its breaker is open; an answer closes the
        breaker. The cost is that of a short answer. ``within`` is the limit in seconds for the first event, and again
        for the rest of the answer. A target without candidates is ``skipped``, with the reason; NoCandidateError if
        no target has a candidate.
        """
        from .probing import probed

        self._calls.check()
        check_arguments("probe", locals(), PROBE)
        usual = targets or self._usual()
        if not usual:
            selection = self.select()
            raise no_candidate(selection)
        chains = [target if isinstance(target, Chain) else Chain(target) for target in usual]
        run = self._run(whole=False)
        lineup = joined([chain.lineup(resolve=self.resolve, run=run) for chain in chains]).checked()
        async with self._calls.one(run.call):
            return await probed(lineup, lambda: self._run(whole=False), within=within)

    def _usual(self) -> list[str | Needs | Chain]:
        """The targets of a probe that names nothing."""
        chains: list[str | Needs | Chain] = [
            self.chain(name) for name in self._config.chains if name not in self._config.local_chains
        ]
        if chains:
            return chains
        first: dict[str, str | Needs | Chain] = {}
        for candidate in self.select().candidates:
            if candidate.consent:
                first.setdefault(candidate.provider, candidate.name)
        return list(first.values())

    def _installed(self, provider: str) -> str:
        if provider not in self._registry.installed:
            raise ConfigError(self._registry.not_installed(provider))
        return provider

    async def _live(self, name: str, *, named: bool) -> list[Candidate] | str | SegueError:
        """The models of one host; or why it was not asked, or what went wrong."""
        spec = self._registry.installed[name].spec
        offer = self._offer(name, Model(""))
        obstacle = _unasked(spec, offer, named=named)
        if obstacle is not None:
            return obstacle
        try:
            listed = await self._listed(name)
        except UnsupportedError as error:
            return str(error)
        except ConnectError as error:
            if offer.local and not (named or name in self._config.providers):
                return f"no server answers at {self._base_url(name) or spec.url}"
            return error
        except SegueError as error:
            return error
        if listed is None:
            return "it does not list models"
        from .live import merged

        source = f"listed by {name}, {dt.datetime.now(dt.UTC).date()}"
        declared = [one.model for one in self._offers_of(name)]
        return [
            Candidate(name, one.name, self._declared(name, one).capabilities, offer.access == "public", notes=notes)
            for one, notes in merged(declared, listed, shared=spec.shared(), source=source)
        ]

    async def _listed(self, name: str) -> Sequence[Model] | None:
        """The list of a host; None if its provider does not request one."""
        limit = self._timeout.first_event
        sent: _Sent | None = None
        try:
            lister = self._registry.provider(name)
            if not isinstance(lister, ModelLister):
                return None
            settings = await asyncio.to_thread(self._settings, name)  # a keyring may ask its user
            sent = _Sent(self._transport(settings.proxy))
            context = Context("", sent, settings, provider=name, spec=self._registry.installed[name].spec)
            try:
                async with at_most("first_event", limit):
                    listed = await lister.list_models(context)
            except BaseException as error:  # only looked at: a provider's frames hold the key
                forget_locals(error, of_all=True)
                raise
            if not isinstance(listed, Sequence) or not all(isinstance(model, Model) for model in listed):
                raise ProtocolError("list_models of the provider did not return a list of Models", phase="plugin")
            return listed
        except ProviderError as error:
            error.provider = error.provider or name
            if sent is not None:
                error.address = error.address or shown_address(sent.url)
            self._explain(error, name)
            blot(error, self._secrets(name))
            raise
        except SegueError:
            raise
        except TimeIsUpError:
            message = f"the list of models did not arrive within {limit:g} s"
            late = PhaseTimeoutError(message, phase="first_event", provider=name)
            late.address = None if sent is None else shown_address(sent.url)
            self._explain(late, name)
            raise late from None
        except Exception as error:  # a provider's code may raise anything; the caller is promised our types
            translated = foreign_error(error, begun=False)
            message = f"the provider raised {type(error).__name__}{raised_at(error)}"
            failure = translated or ProviderError(message, phase="plugin")
            if translated is None:
                failure.__cause__ = error
            failure.provider = name
            if sent is not None:
                failure.address = failure.address or shown_address(sent.url)
            self._explain(failure, name)
            blot(failure, self._secrets(name))
        # Outside the except block: an error of aiohttp has headers, and one of JSON has the body.
        raise failure

    def _all_offers(self) -> Offers:
        if self._offers is None:
            self._offers = self._offers_by(list(self._registry.installed))
        return self._offers

    def _offers_by(self, names: Sequence[str]) -> Offers:
        """The offers of these providers."""
        offers: list[Offer] = []
        undeclared: list[Offer] = []
        for name in names:
            found = self._offers_of(name)
            offers += found
            if not found:
                undeclared.append(self._offer(name, Model("", self._registry.installed[name].spec.shared())))
        return Offers(offers, self._preferences, undeclared)

    def _offers_of(self, name: str) -> list[Offer]:
        like = self._offer(name, Model(""))
        spec = self._registry.installed[name].spec
        offered = {model.name: model for model in spec.offers()}
        for declared in self._config.models:
            provider, _, model = declared.partition("/")
            if provider == name and model not in offered:
                # What the user knows of a model that its provider does not declare makes it an offer too.
                offered[model] = Model(model, spec.shared())
        for model, facts in self._registry.hooks.facts(name, tuple(offered.values())).items():
            if model in offered:
                offered[model] = Model(model, offered[model].capabilities.merged(facts))
        models = as_of(tuple(offered.values()), dt.datetime.now(dt.UTC).date().isoformat())
        if self._config.models:
            models = [self._declared(name, one) for one in models]
        return offers_like(like, models)

    def _declared(self, provider: str, model: Model) -> Model:
        """A model with all its facts; those of the user's configuration override the others."""
        declared = self._config.models.get(f"{provider}/{model.name}")
        return model if declared is None else Model(model.name, model.capabilities.merged(declared))

    def _offer(self, name: str, model: Model) -> Offer:
        spec = self._registry.installed[name].spec
        key = self._key(name)
        local = is_loopback(self._base_url(name) or spec.url)
        obstacle = short = None
        if key is not None:
            obstacle = key.obstacle
        elif spec.without_key is not None:
            configured = self._config.providers.get(name, ProviderConfig())
            obstacle = spec.keyless(self._environ, configured.options)
        elif spec.env:
            short, obstacle = spec.no_key(short=True), spec.no_key()
        consent = spec.access != "public" or name in self._config.providers or local
        ambient = None if obstacle is not None else self._ambient(name, key)
        keyless = (
            key is None
            and spec.access == "open"
            and not (local or spec.env or spec.without_key or name in self._config.providers)
            and self._registry.installed[name].origin != "code"
        )
        is_code = self._registry.installed[name].origin == "code"
        given = self._base_url(name) or (spec.url if is_code else None)
        address = None if given is None else shown_address(given)
        placeholder = shown_address(spec.url) if given is None and is_placeholder(spec.url) else None
        return Offer(
            name, model, spec.access, obstacle, local, consent,
            ambient=ambient, short=short, keyless=keyless, placeholder=placeholder, address=address,
        )  # fmt: skip

    def is_ambient(self, provider: str) -> bool:
        """Whether this provider's credential may be set for another purpose; then it is used only when named."""
        return self._offer(self._installed(provider), Model("")).ambient is not None

    def placeholder(self, provider: str) -> str | None:
        """The provider's address if it is a placeholder, so that the provider is used only when named; else None."""
        return self._offer(self._installed(provider), Model("")).placeholder

    def _ambient(self, name: str, key: KeySource | None) -> str | None:
        """The credential of a provider that may be set for another purpose; None if its key is meant for it."""
        spec = self._registry.installed[name].spec
        if name in self._config.providers:
            return None
        if key is None:
            return None if spec.without_key is None else "the credentials on this machine"
        if not _is_ambient(spec, key):
            return None
        every = key_sources(self._config, name, spec.env, environ=self._environ)
        return key.where if all(_is_ambient(spec, one) for one in every) else None

    def _key(self, name: str) -> KeySource | None:
        """Where the provider's key is: in code, in the file, in the environment, in the key store."""
        if name not in self._keys:
            spec = self._registry.installed[name].spec
            given = self._api_keys.get(name)
            # Kept, for a keyring may ask its user each time; a variable's value is read anew with each call.
            self._keys[name] = find_key(self._config, name, spec.env, environ=self._environ, given=given)
        return self._keys[name]

    def _base_url(self, name: str) -> str | None:
        spec = self._registry.installed[name].spec
        configured = self._config.providers.get(name, ProviderConfig()).base_url
        if configured is None and spec.base_url_env is not None:
            return self._environ.get(spec.base_url_env) or None
        return configured

    def _settings(self, name: str) -> ProviderSettings:
        """The settings for a provider; ConfigError if its key cannot be read."""
        source = self._key(name)
        key = None if source is None else source.resolve()
        settings = self._told.get(name)
        if settings is None or settings.api_key is not key:
            settings = self._told[name] = self._settings_with(name, key)
        return settings

    def _settings_with(self, name: str, key: Secret | None) -> ProviderSettings:
        config = self._config.providers.get(name, ProviderConfig())
        spec, base_url = self._registry.installed[name].spec, self._base_url(name)
        if config.base_url is None and base_url is not None and spec.base_url_env and not spec.bare_base_url:
            fault = address_fault(spec.base_url_env, base_url)
            if fault is not None:
                raise ConfigError(fault)
        return ProviderSettings(
            api_key=key,
            base_url=base_url,
            proxy=config.proxy or self._proxy,
            options=config.options,
            headers=config.headers,
        )

    def _check_names(self) -> None:
        """ConfigError for a key or an address of an unknown provider, which would have no effect."""
        known = {*self._registry.installed, *self._registry.conflicts}
        broken = {plugin.name: plugin.error for plugin in self._registry.broken if plugin.error is not None}
        for name in (*self._api_keys, *self._config.providers):
            if name in known:
                continue
            if name in broken:
                raise broken[name]
            if name in self._api_keys:
                raise ConfigError(f"api_keys: {self._registry.not_installed(name)}")
            raise ConfigError(self._registry.unknown_table(name, self._config.providers[name]))

    # ── what a chain asks of us ───────────────────────────────────────────────────────────────────────

    def resolve(self, target: str | Needs) -> Resolution:
        """The candidates of a chain's target, ready to be called."""
        check("resolve", "target", target, TARGET)
        return self._target(target, ())

    def _target(
        self,
        target: str | Needs,
        implied: Sequence[Need],
        downloading: Downloading | None = None,
        seen: Request | None = None,
    ) -> Resolution:
        if isinstance(target, Needs):
            return self._resolution(None, with_implied(target, implied, lenient=False), downloading, seen)
        return self._resolution(target, with_implied(NO_NEEDS, implied, lenient=True), downloading, seen)

    def _default(
        self, implied: Sequence[Need], downloading: Downloading | None, seen: Request | None
    ) -> Chain | Resolution:
        """The candidates of a call that names nothing: the configured default, or else the first of the order.

        The first of the order is used too if the configured default lacks what the request implies.
        """
        name = self._config.default
        if name is None:
            return self._first(implied, downloading, seen)
        chain = None if self._config.default_chain is None else self.chain(name)
        targets: Sequence[str | Needs] = (name,) if chain is None else chain.leaves()

        def reach(wanted: Sequence[Need]) -> list[Resolution]:
            return [self._target(target, wanted, downloading, seen) for target in targets]

        reached = reach(implied) if chain is None or implied else []
        if implied and not any(one.ready for one in reached) and any(one.ready for one in reach(())):
            return self._first(implied, downloading, seen, instead_of=name)
        if chain is not None:
            return chain
        (resolution,) = reached
        if not resolution.ready:
            told = f"{resolution.explanation}\nhint: {name} is the default model of {self._config.default_origin}"
            return replace(resolution, explanation=told)
        return resolution

    def _first(
        self, implied: Sequence[Need], downloading: Downloading | None, seen: Request | None, *, instead_of: str = ""
    ) -> Resolution:
        """The first of the order alone, with a notice that names the other configured providers."""
        needs = with_implied(NO_NEEDS, implied, lenient=False)
        changes = downloading is not None or self._registry.hooks.choose or self._may_change(needs)
        kept = None if changes else self._firsts.get((needs, instead_of))
        if kept is not None:
            return kept
        selection = self._selection(None, needs, seen)
        first = next((candidate for candidate in selection.candidates if candidate.consent), None)
        if first is None:
            return _resolution((), selection)
        told = []
        if instead_of:
            told.append(f"{instead_of} does not support {needs}, so {first.name} is used")
        elif others := self._configured(besides=first.provider):
            told.append(
                f"{first.name} is used; also configured: {', '.join(others)}; "
                f"`segue models default NAME` sets the default"
            )
        notices = [Notice("default", text) for text in told]
        ready = (self._ready(first, downloading=downloading, told=notices),)
        resolution = _resolution(ready, replace(selection, candidates=(first,)))
        if not changes:
            if len(self._firsts) >= _MOST_RESOLUTIONS:
                self._firsts.clear()
            self._firsts[needs, instead_of] = resolution
        return resolution

    def _configured(self, *, besides: str) -> list[str]:
        """The other providers that the user gave a key, a table or in code; of those that share a key the first."""
        installed = self._registry.installed
        found: list[str] = []
        keys: set[tuple[str, str]] = set()
        names = sorted(installed, key=lambda name: (name != besides, not installed[name].spec.models, name))
        for name in names:
            key, offer = self._key(name), self._offer(name, Model(""))
            given = key is not None or name in self._config.providers or installed[name].origin == "code"
            unusable = offer.obstacle or offer.ambient or offer.placeholder or offer.access == "offline"
            if not given or unusable or not offer.consent:
                continue
            if key is not None and key.kind == "environment":
                if (key.kind, key.where) in keys:
                    continue
                keys.add((key.kind, key.where))
            found.append(name)
        return sorted(name for name in found if name != besides)

    def _consented(self, resolution: Resolution) -> Resolution:
        """Without public hosts that only a file of the working directory names: it may have come with a repository."""
        ready = tuple(one for one in resolution.ready if self._offer(one.provider, Model("")).consent)
        if len(ready) == len(resolution.ready):
            return resolution
        told = "a chain from a file in the working directory does not permit requests to a public host"
        return replace(resolution, ready=ready, explanation=f"{resolution.explanation}\n{told}".strip(), reason=told)

    def _may_change(self, needs: Needs) -> bool:
        """Whether the result for these needs depends on the current health of hosts."""
        return any(need.name == "working" for need in needs) and bool(self.health.states)

    def _resolution(
        self, model: str | None, needs: Needs, downloading: Downloading | None, seen: Request | None
    ) -> Resolution:
        if downloading is not None or self._registry.hooks.choose or self._may_change(needs):
            return self._resolve(model, needs, downloading, seen)
        # What is installed and configured does not change under a client, so neither does this.
        resolution = self._resolutions.get((model, needs))
        if resolution is None:
            if len(self._resolutions) >= _MOST_RESOLUTIONS:
                self._resolutions.clear()
            resolution = self._resolutions[model, needs] = self._resolve(model, needs)
        return resolution

    def _resolve(
        self,
        model: str | None,
        needs: Needs,
        downloading: Downloading | None = None,
        seen: Request | None = None,
    ) -> Resolution:
        if model is not None:
            conflict = self._registry.conflicts.get(model.partition("/")[0])
            if conflict is not None:
                raise conflict
            provider = model.partition("/")[0]
            for plugin in self._registry.broken:
                if plugin.name == provider and plugin.error is not None and provider not in self._registry.installed:
                    raise plugin.error
        selection = self._selection(model, needs, seen)
        ready = tuple(
            self._ready(candidate, downloading=downloading) for candidate in selection.candidates if candidate.consent
        )
        return _resolution(ready, selection)

    def _ready(
        self,
        candidate: Candidate,
        wish: _Wish | None = None,
        *,
        downloading: Downloading | None = None,
        told: Sequence[Notice] = (),
    ) -> Ready:
        name = candidate.provider
        notices = (
            *told,
            *self._registry.hooks.notices(),
            *(Notice("model", note) for note in candidate.notes if note != "public"),
        )
        spec = self._registry.installed[name].spec
        url = self._base_url(name) or spec.url
        priced = "input_price" in self._config.models.get(candidate.name, ()) or name in self._own_rows

        def stream(request: Request, deadline: float | None) -> AsyncIterator[Event]:
            try:
                settings = self._settings(name)
                provider = self._registry.provider(name)
            except (ConfigError, PluginError) as error:
                # To a chain a provider whose key or code is not to be had is one that failed: the next may do.
                raise ProviderError(str(error), phase="plugin") from error
            context = Context(candidate.model, self._transport(settings.proxy), settings, deadline, name, spec)
            if wish is not None:
                return _vectors(provider, wish, context)
            adapted, lacking, answer_tool = adapt(request, candidate.capabilities, provider=name)
            if downloading is not None and isinstance(provider, TakesAddresses):
                events: AsyncIterator[Event] = _filled(provider, adapted, context, downloading)
            else:
                given: Any = provider.stream(adapted, context)
                if not hasattr(given, "__aiter__"):
                    raise not_a_generator(given, "stream")
                events = given
            if answer_tool is not None:
                events = answered(events, answer_tool)
            return _after(lacking, events) if lacking else events

        def secrets(request: Request) -> list[str]:
            asked = request if wish is None else wish.request
            said = {**asked.options.get(name, {}), **asked.extra_body}
            return [*self._secrets(name), *secrets_of(headers=asked.extra_headers), *secrets_in(said)]

        def explain(error: ProviderError, request: Request) -> None:
            asked = request if wish is None else wish.request
            code = error.code if isinstance(error, HTTPError) else None
            if code and not is_known_code(code) and _says(asked, code):
                forget_code(cast("HTTPError", error))
            self._explain(error, name, candidate.model, asked.extra_headers)

        source = self._key(name)
        asks_its_user = source is not None and source.shown == "keyring"
        limit = self._limits.get(name)

        async def stream_later(request: Request, deadline: float | None) -> AsyncGenerator[Event, None]:
            with contextlib.suppress(ConfigError):  # raised again, and told, where the key is wanted
                await asyncio.to_thread(self._settings, name)
            async with contextlib.aclosing(_after((), stream(request, deadline))) as events:
                async for event in events:
                    yield event

        ask = stream_later if asks_its_user else stream
        # An address may hold a password or a key, and pricing is part of what errors and replies keep.
        address = shown_address(url) if url is not None and ("@" in url or "?" in url) else url
        pricing = Pricing(candidate.capabilities, candidate.model, address, priced)
        return Ready(
            name,
            candidate.model,
            ask,
            notices,
            pricing,
            facts=candidate.capabilities,
            check_options=lambda options: self._checked_options({name: options}, "Target")[name],
            endpoint_now=lambda: self._endpoint(name, candidate.model, ask=not asks_its_user),
            secrets=secrets,
            explain=explain,
            limits=() if limit is None else (limit,),
        )

    def _secrets(self, name: str) -> list[str]:
        """The credentials that a provider got."""
        settings = self._told.get(name)
        if settings is None:
            return []
        kept = self._known_secrets.get(name)
        if kept is None or kept[0] is not settings:
            key = [] if settings.api_key is None else [settings.api_key.get_secret_value()]
            address = settings.base_url or self._registry.installed[name].spec.url or ""
            found = [
                *key,
                *secrets_of(url=address, headers=settings.headers),
                *secrets_of(url=settings.proxy or ""),
                *secrets_in(settings.options),
            ]
            kept = self._known_secrets[name] = (settings, found)
        return kept[1]

    def _explain(
        self, error: ProviderError, name: str, model: str = "", extra_headers: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        """Take out of an error what may not be in it, and add what its user can do about it."""
        secrets = self._secrets(name)
        caused: BaseException | None = error
        while caused is not None:
            said = caused.host_message if isinstance(caused, ProviderError) else None
            # The error itself is blotted as a whole afterwards.
            if isinstance(caused, ProviderError) and said and not (caused is error and self._host_messages):
                # Of what came inside a stream, or with vectors, the layers below do not know the key.
                text = blotted(said, secrets) if self._host_messages else None
                if text != said:
                    caused.host_message = text
            caused = caused.__cause__ or caused.__context__
        if not may_have_hints(error):
            return
        base_url, place = self._base_url(name), ""
        spec, is_configured = self._registry.installed[name].spec, base_url is not None
        configured = self._config.providers.get(name)
        if configured is not None and configured.base_url is not None:
            place = f"base_url of [providers.{name}] in {configured.where}"
        elif base_url is not None:
            place = f"{spec.base_url_env} in the environment"
        elif self._registry.installed[name].origin == "code":
            base_url, place = spec.url, f"the address of {name!r} in code"
        if isinstance(error, ModelNotFoundError):
            meant = nearest_model(model, [offer.model.name for offer in self._offers_of(name)])
            if meant is not None:
                error.add_note(f"hint: {name} does not declare the model {model!r}; did you mean {meant!r}?")
            elif error.code == NO_MODEL and isinstance(self._registry.provider(name), ModelLister):
                error.add_note(f"hint: `segue models --live --provider {name}` lists the models of this host")
        headers: tuple[str, ...] = ()
        headers_from = ""
        if configured is not None and configured.headers:
            headers = tuple(configured.headers)
            headers_from = f"headers of [providers.{name}] in {configured.where}"
        key, origin = self._key(name), self._registry.installed[name].origin
        add_hints(
            error,
            Asked(name, spec, key, base_url, place, is_configured, origin, headers, headers_from, tuple(extra_headers)),
        )

    def _endpoint(self, name: str, model: str, *, ask: bool) -> Endpoint:
        """Under what the health of this candidate is kept; with another key it is another one."""
        try:
            settings = self._settings(name) if ask else self._told.get(name)
        except ConfigError:
            settings = None  # told where the key is wanted
        if settings is None:
            return Endpoint(name, "", "", model)
        kept = self._endpoints.get((name, model))
        if kept is None or kept[0] is not settings:
            address = settings.base_url or self._registry.installed[name].spec.url or ""
            key = "" if settings.api_key is None else settings.api_key.get_secret_value()
            digest = hashlib.blake2b(key.encode(), digest_size=8, key=self._salt).hexdigest()
            kept = self._endpoints[name, model] = (
                settings, Endpoint(name, _without_user(address.partition("?")[0]), digest if key else "", model),
            )  # fmt: skip
        return kept[1]


def _without_user(address: str) -> str:
    """An address without its user and password."""
    scheme, sign, rest = address.partition("://")
    place, slash, path = rest.partition("/")
    return f"{scheme}{sign}{place.rpartition('@')[2]}{slash}{path}"


def _resolution(ready: tuple[Ready, ...], selection: Selection) -> Resolution:
    """The candidates of a selection; it is explained only if there is none, because that takes time."""
    if ready:
        return Resolution(ready, selection=selection)
    return Resolution(ready, selection.explain(lines=LINES_OF_ERROR), selection.reason, selection)


class _Sent:
    """A transport that remembers where its last call went: what is read after a response was read has no address."""

    __slots__ = ("_transport", "url")

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self.url: str | None = None

    def open(self, call: Call) -> AbstractAsyncContextManager[Response]:
        """Send the call."""
        self.url = call.url
        return self._transport.open(call)


@dataclass(slots=True)
class _Wish:
    """Vectors that are wanted, and once they came those that were given."""

    request: EmbedRequest
    given: Embeddings | None = None


async def _vectors(provider: Provider, wish: _Wish, context: Context) -> AsyncGenerator[Event, None]:
    """The events of an embedding request; the vectors are passed separately."""
    if not isinstance(provider, Embedder):
        raise UnsupportedError("this provider does not support embeddings", subject="embeddings")
    sent = _Sent(context.transport)
    try:
        given: object = await provider.embed(wish.request, replace(context, transport=sent))
    except ProviderError as error:
        error.address = error.address or shown_address(sent.url)
        raise
    if not isinstance(given, Embeddings):
        told = f"embed of the provider returned {type(given).__name__}, not Embeddings"
        raise ProtocolError(told, phase="plugin")
    wish.given = given
    for notice in given.notices:
        yield notice
    yield Start(given.model, given.response_id)
    if given.usage is not None:
        yield given.usage
    yield Finish("stop")


async def _filled(
    provider: Provider, request: Request, context: Context, downloading: Downloading
) -> AsyncGenerator[Event, None]:
    """The events of a request whose addresses the host does not take, once their bytes are there."""
    assert isinstance(provider, TakesAddresses)
    takes = provider.takes_address
    filled = await downloading.filled(request, lambda part: not takes(part, request, context))
    async with contextlib.aclosing(_after((), provider.stream(filled, context))) as events:
        async for event in events:
            yield event


async def _after(notices: Sequence[Notice], events: AsyncIterator[Event]) -> AsyncGenerator[Event, None]:
    """Events with notices before them."""
    try:
        for notice in notices:
            yield notice
        async for event in events:
            yield event
    finally:
        if isinstance(events, AsyncGenerator):
            await events.aclose()


EXHAUSTED = "the stream was already read to its end, or closed; stream.reply() returns the whole answer"


class Stream(Generic[T]):
    """A streamed answer; leaving the ``async with`` block early closes the connection to the host."""

    def __init__(self, events: Flow, run: Run) -> None:
        self._events = events
        self._run = run
        self._is_closed = False

    async def __aenter__(self) -> Self:
        self._check_open()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.aclose()

    if not TYPE_CHECKING:  # which knows it
        __enter__ = __exit__ = refused(
            "stream: write `async with client.stream(…) as stream`; without async use segue.sync.Client"
        )
        __iter__ = refused("stream: write `async for event in stream`; without async use segue.sync.Client")

    async def aclose(self) -> None:
        """Stop the stream; the rest of the answer is not read, and reading it is a ClosedError."""
        self._is_closed = True
        await self._events.aclose()

    def _check_open(self) -> None:
        if self._is_closed:
            raise ClosedError("the stream is closed: read it inside its `async with` block")

    def __aiter__(self) -> AsyncIterator[Event]:
        self._check_open()
        return aiter(self._events)

    async def text(self) -> AsyncGenerator[str, None]:
        """The pieces of text as they arrive; RuntimeError if the stream was already read to its end."""
        self._refuse_text()
        self._check_open()
        event: Event | None = None
        async for event in self._events:
            if isinstance(event, TextDelta) and event.choice == 0:
                yield event.text
        if event is None:
            raise RuntimeError(EXHAUSTED)

    def _refuse_text(self) -> None:
        """TypeError if the text alone would not be the answer: after a restart its beginning would be in it twice."""
        if self._run.mid_stream == "restart":
            raise TypeError(
                'mid_stream="restart" can discard text that you already have: iterate over the events, not the text'
            )

    async def reply(self) -> Reply[T]:
        """Read the rest of the stream and return the whole answer; RuntimeError while another task reads it."""
        if self._is_closed and not self._run.is_whole:
            self._check_open()
        await self._events.rest()
        return cast("Reply[T]", self._run.reply())

    @property
    def attempts(self) -> tuple[Attempt, ...]:
        """The attempts that have ended, in the order in which they began."""
        return tuple(self._run.attempts)

    @property
    def provider(self) -> str | None:
        """The provider that is answering; None before the first attempt."""
        return None if self._run.answering is None else self._run.answering.provider

    @property
    def model(self) -> str | None:
        """The model that is answering; None before the first attempt."""
        return None if self._run.answering is None else self._run.answering.model


mark_client(Client)
mark_stream(Stream)


def _is_ambient(spec: ProviderSpec, key: KeySource) -> bool:
    return key.kind == "environment" and key.where in spec.ambient


def _unasked(spec: ProviderSpec, offer: Offer, *, named: bool) -> str | None:
    """Why a host gets no request for its models; None if it gets one."""
    ended = spec.shared().fact("working")
    if ended.value is False and not named:
        return ended.source
    if offer.access == "offline":
        return "offline: it does not have a host"
    if not (offer.consent or named):
        return "a public host, used only if it is named or configured"
    if offer.ambient is not None and not named:
        return f"{offer.ambient} may be set for another purpose: used only if it is named or configured"
    if offer.placeholder is not None and not named:
        return f"its address {offer.placeholder} is a placeholder"
    return offer.obstacle


def _says(request: Request | EmbedRequest, word: str) -> bool:
    """Whether a text of the request has this word, in upper or lower case."""
    word = word.lower()
    if isinstance(request, EmbedRequest):
        return any(word in text.lower() for text in request.inputs)
    for message in request.messages:
        content = message.content
        parts = (content,) if isinstance(content, str) else [getattr(part, "text", "") for part in content]
        if any(word in text.lower() for text in parts if isinstance(text, str)):
            return True
    return False


def _implied(request: Request) -> tuple[Need, ...]:
    """What the request needs of a model by itself, unless what is lacking may be left out or sent all the same."""
    return request.implied_needs() if request.policy.meaning == "error" else ()
