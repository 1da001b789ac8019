"""The form of ``segue.toml``, key by key; the reference of the configuration is made from it.

Everything that is said of a wrong file comes from here, in words that hold no value of it.
"""

from __future__ import annotations

import difflib
import json
import math
import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar, Final, Literal, Self, TypeAlias
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    JsonValue,
    PlainSerializer,
    PlainValidator,
    SecretStr,
    Tag,
    ValidationError,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import PydanticCustomError

from ..capabilities import Needs, fact_fault
from ..constraints import (
    Count,
    Factor,
    Pause,
    Port,
    Positive,
    Quantile,
    Seconds,
    Share,
    constraint_of,
)
from ..errors import NeedsSyntaxError
from ..messages import SETTING_NAMES, Settings
from ..observation import MidStream  # noqa: TC001 - pydantic looks it up
from ..resilience import Balance, Breaker, Budget, Hedge, Retry
from ..secrets import Key, Reference
from ..selection import OrderBy  # noqa: TC001 - pydantic looks it up
from ..wire.openai_chat.quirks import QUIRKS
from .lines import Path  # noqa: TC001 - as above
from .settings import PluginRule, PluginRules

_BARE: Final = re.compile(r"[A-Za-z0-9_-]+")
_PROVIDER: Final = re.compile(r"[a-z0-9][a-z0-9_.-]*")
_FACT: Final = re.compile(r"[a-z][a-z0-9_]*")
_WORD: Final = re.compile(r"[A-Za-z0-9_./:-]+")
_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_HEADER: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")  # RFC 9110 5.6.2, token
_HEADER_TEXT: Final = re.compile(r"[\t -~\xa0-\xff]*")
_MOST_SHOWN: Final = 60


# ── kinds of values ──────────────────────────────────────────────────────────────────────────────────


def _wrong(reason: str) -> PydanticCustomError:
    # Braces would be read as places for values.
    return PydanticCustomError("segue", "{reason}", {"reason": reason})


def _matching(pattern: re.Pattern[str], reason: str) -> AfterValidator:
    def check(text: str) -> str:
        if not pattern.fullmatch(text):
            raise _wrong(reason)
        return text

    return AfterValidator(check)


def _read_needs(value: object) -> Needs:
    if not isinstance(value, str) or not value:
        raise _wrong("must be text")
    try:
        return Needs(value)
    except NeedsSyntaxError as error:
        # Its own text would show the value.
        place = error.position + 1
    raise _wrong(f"cannot be read as needs from character {place} on; `segue explain --needs …` says why")


def _read_key(value: object) -> Key:
    if isinstance(value, (Key, SecretStr)):  # as code may give it
        value = value.get_secret_value()
    if not isinstance(value, str):
        raise _wrong("must be text")
    try:
        Reference(value)
    except ValueError as error:
        fault = str(error)
    else:
        return Key(value)
    raise _wrong(fault)


def _read_fact(value: object) -> object:
    if isinstance(value, bool | int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    if isinstance(value, str) and _WORD.fullmatch(value):
        return value
    raise _wrong("must be true, false, a number or a word")


def _check_base_url(url: str) -> str:
    if _url_fault(url) is not None or _has_user(url) or urlsplit(url).query or urlsplit(url).fragment:
        raise _wrong("must be an address, http://… or https://…, without user, password, query or fragment")
    return url


def _check_proxy(url: str) -> str:
    if _url_fault(url) is not None:
        raise _wrong("must be an address, http://… or https://…")
    return url


def _url_fault(url: str) -> str | None:
    try:
        parts = urlsplit(url)
        is_well = parts.scheme in {"http", "https"} and parts.hostname and (parts.port or 0) >= 0
    except ValueError:
        is_well = False
    return None if is_well and url.isprintable() and " " not in url else "no address"


def _has_user(url: str) -> bool:
    return "@" in urlsplit(url).netloc


def _read_rule(value: object) -> PluginRule:
    if not isinstance(value, str):
        raise _wrong("must be text")
    try:
        return PluginRule.read(value)
    except ValueError as error:
        fault = str(error)
    raise _wrong(fault)


def _check_quirk(name: str) -> str:
    if name not in QUIRKS:
        near = difflib.get_close_matches(name[:_MOST_SHOWN], QUIRKS, n=1)
        raise _wrong(
            f"is no quirk; did you mean {near[0]!r}?" if near else f"is no quirk; there are {', '.join(QUIRKS)}"
        )
    return name


def _kind(value: object) -> str:
    return "<table>" if isinstance(value, Mapping | BaseModel) else "<text>"


# Where the defaults stand.
_RETRY: Final = Retry()
_BUDGET: Final = Budget()
_BREAKER: Final = Breaker()
_HEDGE: Final = Hedge()
_RULES: Final = PluginRules()

_FACTS_NAME: Final = "is no name of a fact: lower-case letters, digits and '_', a letter first"

Text: TypeAlias = Annotated[str, Field(min_length=1)]
NeedsText: TypeAlias = Annotated[Needs, PlainValidator(_read_needs, json_schema_input_type=str)]
FactName: TypeAlias = Annotated[str, _matching(_FACT, _FACTS_NAME)]
FactValue: TypeAlias = Annotated[
    bool | int | float | str, PlainValidator(_read_fact, json_schema_input_type=bool | int | float | str)
]
ProviderName: TypeAlias = Annotated[
    str, _matching(_PROVIDER, "is no name of a provider: lower-case letters, digits, '-', '_' and '.'")
]
ModelName: TypeAlias = Annotated[str, _matching(re.compile(r"[^/]+/.+"), "must be provider/model")]
Address: TypeAlias = Annotated[str, AfterValidator(_check_base_url)]
Proxy: TypeAlias = Annotated[str, AfterValidator(_check_proxy)]
Rule: TypeAlias = Annotated[PluginRule, PlainValidator(_read_rule, json_schema_input_type=str)]
DistributionName: TypeAlias = Annotated[
    str, _matching(re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*"), "must be the name of a distribution")
]
Quirk: TypeAlias = Annotated[str, AfterValidator(_check_quirk)]
VariableName: TypeAlias = Annotated[str, _matching(_VARIABLE, "must be the name of a variable")]
HeaderName: TypeAlias = Annotated[str, _matching(_HEADER, "is no name of a header")]
HeaderText: TypeAlias = Annotated[str, _matching(_HEADER_TEXT, "holds characters that no header can carry")]


# ── tables ───────────────────────────────────────────────────────────────────────────────────────────


class _Table(BaseModel):
    model_config: ClassVar[ConfigDict] = ConfigDict(
        frozen=True, extra="forbid", hide_input_in_errors=True, strict=True, defer_build=True
    )


SHORT: Final[Mapping[str, str]] = {
    "timeout": "total", "retry": "count", "breaker": "enabled", "downloads": "enabled",
}  # fmt: skip
"""Tables that may be written as one value, and the key that it then is."""


def _short(key: str, kind: Any, table: Any) -> BeforeValidator:
    """Reads one value in place of a table as the table with this key; of a delay also true and false."""
    constraint = constraint_of(kind)
    is_hedge = key == "after"

    def read(value: object) -> object:
        if value is None or isinstance(value, Mapping | BaseModel):
            return value
        if is_hedge and isinstance(value, bool):
            return {} if value else None
        if constraint.fault(value) is None:
            return {key: value}
        words = constraint.wanted.replace("True or False", "true or false")
        raise _wrong(f"must be {words}, {'true, false, ' * is_hedge}or a table")

    return BeforeValidator(read, json_schema_input_type=table | kind | bool if is_hedge else table | kind)


class TimeoutTable(_Table):
    """Limits in seconds, one a phase."""

    connect: Seconds | None = Field(default=None, description="Name, socket and TLS. 10 if not set.")
    first_event: Seconds | None = Field(
        default=None, description="From sending until the first content. 120 if not set."
    )
    idle: Seconds | None = Field(default=None, description="The longest silence after it. 60 if not set.")
    total: Seconds | None = Field(default=None, description="The whole call with every attempt. No limit if not set.")


def _limits_kind(value: object) -> str:
    return "<table>" if isinstance(value, Mapping | BaseModel) else "<number>"


Limits: TypeAlias = Annotated[
    Annotated[Seconds, Tag("<number>")] | Annotated[TimeoutTable, Tag("<table>")], Discriminator(_limits_kind)
]
"""Limits of time, or a number, which changes the total alone."""


class TargetTable(_Table):
    """A target of a chain: a `model`, `needs` or another `chain`, with what is true of it alone."""

    model: Text | None = Field(default=None, description="`provider/model`, or a model's name.")
    needs: NeedsText | None = Field(default=None, description="What a model must be able to do.")
    chain: Text | None = Field(default=None, description="Another chain of this file.")
    weight: Share = Field(default=1.0, description='For `balance = "weight"`.')
    timeout: Limits | None = Field(
        default=None,
        description="Limits of one attempt, in place of the call's; `connect` is not looked at. A number is the total.",
    )
    settings: dict[str, JsonValue] = Field(
        default_factory=dict, description="Settings of an answer, as `temperature`, where a call leaves them open."
    )
    options: dict[str, JsonValue] = Field(
        default_factory=dict, repr=False, description="Options of its provider, where a call leaves them open."
    )
    concurrency: Positive | None = Field(
        default=None, description="How many of its calls may run at the same time; any number if not set."
    )

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.model is not None) + (self.needs is not None) + (self.chain is not None) != 1:
            raise _wrong("needs one of model, needs and chain")
        for name in self.settings:
            if name not in SETTING_NAMES:
                raise _wrong(f"has settings that do not exist; there are {', '.join(SETTING_NAMES)}")
        try:
            Settings.model_validate(self.settings)
        except ValidationError as error:
            names = sorted({str(fault["loc"][0]) for fault in error.errors(include_input=False, include_url=False)})
        else:
            return self
        raise _wrong(f"has settings with a wrong value: {', '.join(names)}")


Target: TypeAlias = Annotated[
    Annotated[Text, Tag("<text>")] | Annotated[TargetTable, Tag("<table>")], Discriminator(_kind)
]


def _not_empty(targets: tuple[Target, ...]) -> tuple[Target, ...]:
    if not targets:
        raise _wrong("needs at least one target")
    return targets


def _chain(value: object) -> object:
    return {"targets": value} if isinstance(value, list) else value


class HedgeTable(_Table):
    """Asking the next target too when the first content is late."""

    after: Pause | None = Field(
        default=None, description="Late is after so many seconds; learned from the latest answers if not set."
    )
    quantile: Quantile = Field(
        default=_HEDGE.quantile, description="Learned: late is later than this share of the latest answers began,"
    )
    factor: Factor = Field(default=_HEDGE.factor, description="times so much.")


class ChainTable(_Table):
    """A chain: who is asked, one after the other, until one answers."""

    targets: Annotated[tuple[Target, ...], Field(strict=False), AfterValidator(_not_empty)] = Field(
        description="`provider/model`, a provider's or a model's name, or a table, in order."
    )
    balance: Balance = Field(default="order", description="The order in which they are asked.")
    mid_stream: MidStream = Field(
        default="continue", description="What follows when an answer breaks off after something of it was given."
    )
    hedge: Annotated[HedgeTable | None, _short("after", Pause, HedgeTable)] = Field(
        default=None,
        description="When the next one is asked too: a number is the delay, true the usual one. Never if not set.",
    )
    reject: Annotated[tuple[Literal["empty", "refusal", "content_filter", "truncated"], ...], Field(strict=False)] = (
        Field(default=(), description="Answers that are no answers.")
    )
    timeout: Limits | None = Field(
        default=None,
        description="Limits in place of the client's; `connect` is not looked at. A number is the total.",
    )


class ModelTable(BaseModel):
    """A model of a host of one's own: its name, and what is known of it."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        frozen=True, extra="allow", hide_input_in_errors=True, strict=True, defer_build=True
    )
    __pydantic_extra__: dict[FactName, FactValue]  # pyright: ignore[reportIncompatibleVariableOverride] - as pydantic has it

    name: Text = Field(description="The name by which the host knows it; every other key is a fact.")


ListedModel: TypeAlias = Annotated[
    Annotated[Text, Tag("<text>")] | Annotated[ModelTable, Tag("<table>")], Discriminator(_kind)
]


_Key: TypeAlias = Annotated[
    Key,
    PlainValidator(_read_key),
    PlainSerializer(str),
    WithJsonSchema({"type": "string", "format": "password", "writeOnly": True}),
]


class ProviderTable(_Table):
    """`[providers.NAME]`: an installed provider, or with `wire` a host of one's own."""

    api_key: _Key | None = Field(
        default=None,
        description="`env:NAME`, `file:PATH` (its first line; only you may be able to read it), `keyring:NAME`, "
        "or the key itself.",
    )
    base_url: Address | None = Field(default=None, description="Its address, in place of the usual one.")
    options: dict[str, JsonValue] = Field(
        default_factory=dict, repr=False, description="Options of every call, as this provider has them."
    )
    headers: dict[HeaderName, HeaderText] = Field(
        default_factory=dict, repr=False, description="Headers of every call, beside those that the wire needs."
    )
    proxy: Proxy | None = Field(default=None, repr=False, description="The proxy of its calls.")
    concurrency: Positive | None = Field(
        default=None, description="How many of its calls may run at the same time; any number if not set."
    )
    wire: Literal["openai_chat", "openai_responses"] | None = Field(
        default=None, description="What the host speaks; this makes it a host of one's own, which needs a `base_url`."
    )
    models: Annotated[tuple[ListedModel, ...], Field(strict=False)] = Field(
        default=(), description="Own host: its models, as names or as tables `{ name = …, FACT = … }`."
    )
    capabilities: dict[FactName, FactValue] = Field(
        default_factory=dict, description="Own host: facts of each of its models."
    )
    quirks: Annotated[tuple[Quirk, ...], Field(strict=False)] = Field(
        default=(), description="Own host: in what it differs from OpenAI, by name."
    )
    env: VariableName | None = Field(
        default=None, description="Own host: the variable that may hold its key, `NAME_API_KEY` if not set."
    )
    key_required: bool | None = Field(
        default=None,
        description="Own host: whether it needs a key; if not set it does, unless it is on this machine and has no "
        "`env`.",
    )

    @model_validator(mode="after")
    def _own_host(self) -> Self:
        if self.wire is not None:
            if self.base_url is None:
                raise _wrong("is a host of one's own (it has a wire) and needs a base_url")
            if sum(quirk.endswith("_back") for quirk in self.quirks) > 1:
                raise _wrong("has several quirks that end in _back, which exclude each other")
            return self
        own = self.model_fields_set & {"models", "capabilities", "quirks", "env", "key_required"}
        if own:
            raise _wrong(f'says of a host of one\'s own its {", ".join(sorted(own))}; add wire = "openai_chat"')
        return self


class RetryTable(_Table):
    """Asking the same candidate again, where no other is left and it may help; the pause is random up to a limit."""

    count: Count = Field(default=_RETRY.count, description="How often.")
    base: Pause = Field(
        default=_RETRY.base, description="The limit of the first pause in seconds; it doubles each time."
    )
    cap: Pause = Field(default=_RETRY.cap, description="The highest limit of a pause in seconds.")
    ratio: Share = Field(
        default=_BUDGET.ratio, description="What an answer earns; a retry costs 1, a hedge 1.8, of all calls together."
    )
    reserve: Share = Field(
        default=_BUDGET.reserve, description="How much of it is saved at most, and there at the start."
    )


class BreakerTable(_Table):
    """Leaving a host alone that fails."""

    enabled: bool = Field(default=True, description="Whether any is.")
    failures: Positive = Field(default=_BREAKER.failures, description="After so many failures in a row,")
    silence: Pause = Field(
        default=_BREAKER.silence, description="or from two on, so many seconds after its last answer."
    )
    interval: Pause = Field(
        default=_BREAKER.interval,
        description="For so many seconds; then one call tries it, and each time it fails "
        "the next wait is four times as long,",
    )
    longest: Pause = Field(default=_BREAKER.longest, description="up to so many seconds.")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.longest < self.interval:
            raise _wrong("has a longest wait that is shorter than its interval")
        return self


class DownloadsTable(_Table):
    """Downloading images and files for hosts that take no addresses."""

    enabled: bool = Field(default=False, description="Whether anything is downloaded.")
    max_bytes: Positive | None = Field(default=None, description="How large each may be. 20 MiB if not set.")
    total_bytes: Positive | None = Field(
        default=None, description="How large those of a call may be. 50 MiB if not set."
    )
    timeout: Seconds | None = Field(default=None, description="For those of a call. 10 if not set.")
    hops: Count | None = Field(default=None, description="How many redirects are followed. 3 if not set.")
    ports: Annotated[tuple[Port, ...], Field(strict=False, min_length=1)] | None = Field(
        default=None, description="The ports that may be asked. 443 alone if not set."
    )


class PluginsTable(_Table):
    """Which installed plugins are imported."""

    allow: Annotated[tuple[Rule, ...], Field(strict=False)] | None = Field(
        default=None,
        description="The distributions whose plugins are imported, each as `NAME`, `NAME==VERSION` or "
        "`NAME==VERSION@sha256:…` (of its RECORD, see `segue doctor --pins`). All if not set.",
    )
    deny: Annotated[tuple[Rule, ...], Field(strict=False)] = Field(
        default=(), description="Those whose plugins are not, in the same form."
    )
    prefer: dict[ProviderName, DistributionName] = Field(
        default_factory=dict, description="The distribution that has a name which several claim, by that name."
    )
    strict: bool = Field(default=False, description="Whether a broken plugin stops the start.")
    time_limit: Seconds = Field(
        default=_RULES.time_limit, description="How many seconds the import and the declaration of one may take."
    )
    hook_time_limit: Seconds = Field(
        default=_RULES.hook_time_limit, description="How many seconds a call of any other of its hooks may take."
    )


class DefaultTable(_Table):
    """What is asked where a call names neither a model nor needs nor a chain."""

    model: Text | None = Field(
        default=None,
        description="A model, as `provider/model`, or a chain of this file. The first of the order if not set.",
    )


class File(_Table):
    """`segue.toml`."""

    default: DefaultTable = Field(
        default_factory=DefaultTable,
        description="What is asked where nothing is named; `segue models default NAME` writes it.",
    )
    providers: dict[ProviderName, ProviderTable] = Field(
        default_factory=dict, description="What is to be known of a provider, by its name."
    )
    chains: dict[str, Annotated[ChainTable, BeforeValidator(_chain, json_schema_input_type=ChainTable | list[Any])]] = (
        Field(default_factory=dict, description="Chains by name; a list is its targets.")
    )
    needs: dict[str, NeedsText] = Field(default_factory=dict, description="Needs by name, to be used for the text.")
    order: Annotated[tuple[Text, ...], Field(strict=False)] = Field(
        default=(), description="Names of providers or of `provider/model` that are asked first, in this order."
    )
    order_by: OrderBy | None = Field(default=None, description="What the rest is ordered by.")
    weights: dict[str, Annotated[float, Field(allow_inf_nan=False)]] = Field(
        default_factory=dict, description='For `order_by = "weight"`, by provider or `provider/model`: heavier first.'
    )
    models: dict[ModelName, dict[FactName, FactValue]] = Field(
        default_factory=dict, description="Facts by `provider/model`, which stand above what is advertised."
    )
    proxy: Proxy | None = Field(default=None, repr=False, description="The proxy of every call.")
    ca_file: Text | None = Field(
        default=None, description="A file of certificate authorities to trust; relative to the file that names it."
    )
    environment_proxies: bool = Field(
        default=False, description="Whether HTTP_PROXY, HTTPS_PROXY and NO_PROXY of the environment are used."
    )
    timeout: Annotated[TimeoutTable, _short("total", Seconds, TimeoutTable)] = Field(
        default_factory=TimeoutTable, description="Limits of time; a number is `total`."
    )
    downloads: Annotated[DownloadsTable, _short("enabled", bool, DownloadsTable)] = Field(
        default_factory=DownloadsTable,
        description="What is downloaded for hosts that take no addresses; true or false is `enabled`.",
    )
    retry: Annotated[RetryTable, _short("count", Count, RetryTable)] = Field(
        default_factory=RetryTable, description="Asking the same candidate again; a number is `count`."
    )
    breaker: Annotated[BreakerTable, _short("enabled", bool, BreakerTable)] = Field(
        default_factory=BreakerTable, description="When a failing host is not asked; true or false is `enabled`."
    )
    concurrency: Positive | None = Field(
        default=None, description="How many calls may run at the same time; any number if not set."
    )
    host_messages: bool = Field(
        default=True,
        description="Whether errors show the host's own sentence, which may quote a prompt.",
    )
    plugins: PluginsTable = Field(default_factory=PluginsTable, description="Whose plugins are imported, and how.")


KEYS: Final = tuple(File.model_fields)
LOCAL_KEYS: Final = ("chains", "needs", "order", "order_by", "weights", "models")
"""What a file of the working directory may hold, which may have come with a cloned repository."""


# ── what is wrong ────────────────────────────────────────────────────────────────────────────────────

_REASONS: Final[Mapping[str, str]] = {
    "bool_type": "must be true or false",
    "dict_type": "must be a table",
    "finite_number": "must be a finite number",
    "float_type": "must be a number",
    "greater_than_equal": "must be at least {ge}",
    "int_type": "must be a whole number",
    "less_than_equal": "must be at most {le}",
    "literal_error": "must be {expected}",
    "model_type": "must be a table",
    "string_too_short": "must be text, and not empty",
    "string_type": "must be text",
    "too_short": "must not be empty",
    "tuple_type": "must be a list",
    "segue": "{reason}",
}


MOST_FAULTS: Final = 20


def check(table: Mapping[str, Any]) -> tuple[File | None, list[tuple[Path, str]]]:
    """The settings of a table of plain values; or each fault with its place, in words that hold no value.

    After `MOST_FAULTS` the rest is only counted: a hostile file could have a hundred thousand.
    """
    try:
        file = File.model_validate(table)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)
    else:
        wrong = list(_wrong_facts(table))
        return (None, wrong) if wrong else (file, [])
    faults = []
    for one in found[:MOST_FAULTS]:
        path = _place(one["loc"], table)
        match one["type"]:
            case "extra_forbidden":
                faults.append((path, _unknown(path)))
            case "missing":
                faults.append((path, f"{shown((*path, one['loc'][-1]))} is missing"))
            case kind:
                # The sentences of the library are not ours to vouch for: none is shown.
                reason = _REASONS.get(kind, "cannot be what it is").format_map(one.get("ctx", {}))
                faults.append((path, f"{shown(path)} {reason}"))
    if len(found) > MOST_FAULTS:
        faults.append(((), f"and {len(found) - MOST_FAULTS} more"))
    return None, faults


def _wrong_facts(table: Mapping[str, Any]) -> Iterator[tuple[Path, str]]:
    """The facts of well-known names that have a value of another type, which no need could ever meet."""
    tables: list[tuple[Path, Mapping[str, Any]]] = [
        (("models", name), facts) for name, facts in table.get("models", {}).items()
    ]
    for name, provider in table.get("providers", {}).items():
        tables.append((("providers", name, "capabilities"), provider.get("capabilities", {})))
        tables += [
            (("providers", name, "models", place), model)
            for place, model in enumerate(provider.get("models", ()))
            if isinstance(model, Mapping)
        ]
    for path, facts in tables:
        for name, value in facts.items():
            wanted = fact_fault(name, value)
            if wanted is not None:
                words = wanted.replace("True or False", "true or false")
                yield (*path, name), f"{shown((*path, name))} must be {words}"


def _place(loc: tuple[str | int, ...], table: Any) -> Path:
    """What of a validator's place is in the table; it also names the branches that it took."""
    path: Path = ()
    for part in loc:
        if _has(table, part):
            table = table[part]
            path = (*path, part)
    return path


def _has(table: object, part: str | int) -> bool:
    match table:
        case Mapping():
            return part in table
        case list():
            return isinstance(part, int) and part < len(table)
        case _:
            return False


def _unknown(path: Path) -> str:
    key, known = str(path[-1]), _known_at(path[:-1])
    near = difflib.get_close_matches(key[:_MOST_SHOWN], known, n=1)
    where = f"{shown(path[:-1])}: " if len(path) > 1 else ""
    return f"{where}unknown key {_cut(key)!r}" + (
        f"; did you mean {near[0]!r}?" if near else f"; known are {', '.join(known)}"
    )


def _known_at(path: Path) -> tuple[str, ...]:
    match path:
        case ():
            return KEYS
        case ("providers", _):
            return tuple(ProviderTable.model_fields)
        case ("default",):
            return tuple(DefaultTable.model_fields)
        case (*_, "timeout"):
            return tuple(TimeoutTable.model_fields)
        case (*_, "hedge"):
            return tuple(HedgeTable.model_fields)
        case ("breaker",):
            return tuple(BreakerTable.model_fields)
        case ("downloads",):
            return tuple(DownloadsTable.model_fields)
        case ("retry",):
            return tuple(RetryTable.model_fields)
        case ("plugins",):
            return tuple(PluginsTable.model_fields)
        case ("chains", _):
            return tuple(ChainTable.model_fields)
        case _:
            return tuple(TargetTable.model_fields)


def shown(path: Path) -> str:
    """A place as TOML writes it: ``models."openai/gpt-5.4".context``, ``order[0]``."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            name = part if _BARE.fullmatch(part) and len(part) <= _MOST_SHOWN else json.dumps(_cut(part))
            text += f".{name}" if text else name
    return text or "the file"


def _cut(key: str) -> str:
    return key if len(key) <= _MOST_SHOWN else f"{key[:_MOST_SHOWN]}…"
