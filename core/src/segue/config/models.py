"""The schema of ``segue.toml``, key by key; the reference of the configuration is generated from it.

All messages about a wrong file come from here; they never contain a value from the file.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any, ClassVar, Final, Literal, Self, TypeAlias

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
    is_address,
    is_base_url,
    is_header_name,
    is_header_text,
)
from ..display import closest
from ..errors import NeedsSyntaxError
from ..json_text import JSON
from ..messages import SETTING_NAMES, Settings
from ..observation import MidStream  # noqa: TC001 - pydantic looks it up
from ..resilience import Balance, Breaker, Budget, Hedge, Retry
from ..selection import OrderBy  # noqa: TC001 - pydantic looks it up
from ..wire.openai_chat.quirks import QUIRKS
from .lines import Path  # noqa: TC001 - as above
from .secrets import Key, Reference
from .settings import PluginRule, PluginRules

_BARE: Final = re.compile(r"[A-Za-z0-9_-]+")
_PROVIDER: Final = re.compile(r"[a-z0-9][a-z0-9_.-]*")
_FACT: Final = re.compile(r"[a-z][a-z0-9_]*")
_WORD: Final = re.compile(r"[A-Za-z0-9_./:-]+")
_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_MOST_SHOWN: Final = 60


# ── kinds of values ──────────────────────────────────────────────────────────────────────────────────


def _wrong(reason: str) -> PydanticCustomError:
    # Braces would be read as places for values.
    return PydanticCustomError("segue", "{reason}", {"reason": reason})


def _fitting(fits: Callable[[str], object], reason: str) -> AfterValidator:
    def check(text: str) -> str:
        if not fits(text):
            raise _wrong(reason)
        return text

    return AfterValidator(check)


def _matching(pattern: re.Pattern[str], reason: str) -> AfterValidator:
    return _fitting(pattern.fullmatch, reason)


def _read_needs(value: object) -> Needs:
    if not isinstance(value, str) or not value:
        raise _wrong("must be text")
    try:
        return Needs(value)
    except NeedsSyntaxError as error:
        # Its own text would show the value.
        place = error.position + 1
    raise _wrong(f"cannot be read as needs from character {place} on; `segue explain --needs …` shows why")


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
    if not is_base_url(url):
        raise _wrong(
            "must be an address that begins with http:// or https://, without user, password, query or fragment"
        )
    return url


def _check_options(options: dict[str, JsonValue]) -> dict[str, JsonValue]:
    fault = JSON.fault(options)
    if fault is not None:
        raise _wrong("has a value that JSON cannot express, such as nan or inf")
    return options


def _check_proxy(url: str) -> str:
    if not is_address(url):
        raise _wrong("must be an address that begins with http:// or https://")
    return url


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
        near = closest(name, QUIRKS)
        raise _wrong(
            f"is not a quirk; did you mean {near!r}?"
            if near
            else f"is not a quirk; expected one of {', '.join(QUIRKS)}"
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

_FACTS_NAME: Final = "is not a fact name: use lower-case letters, digits and '_', with a letter first"

Text: TypeAlias = Annotated[str, Field(min_length=1)]
NeedsText: TypeAlias = Annotated[Needs, PlainValidator(_read_needs, json_schema_input_type=str)]
FactName: TypeAlias = Annotated[str, _matching(_FACT, _FACTS_NAME)]
FactValue: TypeAlias = Annotated[
    bool | int | float | str, PlainValidator(_read_fact, json_schema_input_type=bool | int | float | str)
]
ProviderName: TypeAlias = Annotated[
    str, _matching(_PROVIDER, "is not a provider name: use lower-case letters, digits, '-', '_' and '.'")
]
ModelName: TypeAlias = Annotated[str, _matching(re.compile(r"[^/]+/.+"), "must be provider/model")]
Address: TypeAlias = Annotated[str, AfterValidator(_check_base_url)]
Options: TypeAlias = Annotated[dict[str, JsonValue], AfterValidator(_check_options)]
Proxy: TypeAlias = Annotated[str, AfterValidator(_check_proxy)]
Rule: TypeAlias = Annotated[PluginRule, PlainValidator(_read_rule, json_schema_input_type=str)]
DistributionName: TypeAlias = Annotated[
    str, _matching(re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*"), "must be the name of a distribution")
]
Quirk: TypeAlias = Annotated[str, AfterValidator(_check_quirk)]
VariableName: TypeAlias = Annotated[str, _matching(_VARIABLE, "must be the name of a variable")]
HeaderName: TypeAlias = Annotated[str, _fitting(is_header_name, "is not a header name")]
HeaderText: TypeAlias = Annotated[str, _fitting(is_header_text, "contains characters that are not allowed in a header")]


# ── tables ───────────────────────────────────────────────────────────────────────────────────────────


class _Table(BaseModel):
    model_config: ClassVar[ConfigDict] = ConfigDict(
        frozen=True, extra="forbid", hide_input_in_errors=True, strict=True, defer_build=True
    )


SHORT: Final[Mapping[str, str]] = {
    "timeout": "total", "retry": "count", "breaker": "enabled", "downloads": "enabled",
}  # fmt: skip
"""Tables that may be written as one value, and the key that this value sets."""


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
    """Timeouts in seconds, one for each phase."""

    connect: Seconds | None = Field(default=None, description="Name, socket and TLS. 10 if not set.")
    first_event: Seconds | None = Field(
        default=None, description="From sending the request until the first content. 120 if not set."
    )
    idle: Seconds | None = Field(
        default=None, description="The longest silence after the first content. 60 if not set."
    )
    total: Seconds | None = Field(default=None, description="The whole call with all attempts. No limit if not set.")


def _limits_kind(value: object) -> str:
    return "<table>" if isinstance(value, Mapping | BaseModel) else "<number>"


Limits: TypeAlias = Annotated[
    Annotated[Seconds, Tag("<number>")] | Annotated[TimeoutTable, Tag("<table>")], Discriminator(_limits_kind)
]
"""Timeouts, or a number, which sets only the total."""


class TargetTable(_Table):
    """A target of a chain: a `model`, `needs` or another `chain`, with settings for this target only."""

    model: Text | None = Field(default=None, description="`provider/model`, or the name of a model.")
    needs: NeedsText | None = Field(default=None, description="The needs that a model must satisfy.")
    chain: Text | None = Field(default=None, description="Another chain of this file.")
    weight: Share = Field(default=1.0, description='Its weight, for `balance = "weight"`.')
    timeout: Limits | None = Field(
        default=None,
        description="Timeouts of one attempt, which override the call's; `connect` is ignored. A number is the total.",
    )
    settings: dict[str, JsonValue] = Field(
        default_factory=dict, description="Settings such as `temperature`, used if a call does not set them."
    )
    options: Options = Field(
        default_factory=dict, repr=False, description="Options of its provider, used if a call does not set them."
    )
    concurrency: Positive | None = Field(
        default=None, description="Maximum number of its calls at the same time; no limit if not set."
    )

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.model is not None) + (self.needs is not None) + (self.chain is not None) != 1:
            raise _wrong("must have exactly one of model, needs and chain")
        for name in self.settings:
            if name not in SETTING_NAMES:
                raise _wrong(f"has unknown settings; expected some of {', '.join(SETTING_NAMES)}")
        try:
            Settings.model_validate(self.settings)
        except ValidationError as error:
            names = sorted({str(fault["loc"][0]) for fault in error.errors(include_input=False, include_url=False)})
        else:
            return self
        raise _wrong(f"has settings with invalid values: {', '.join(names)}")


Target: TypeAlias = Annotated[
    Annotated[Text, Tag("<text>")] | Annotated[TargetTable, Tag("<table>")], Discriminator(_kind)
]


def _not_empty(targets: tuple[Target, ...]) -> tuple[Target, ...]:
    if not targets:
        raise _wrong("must have at least one target")
    return targets


def _chain(value: object) -> object:
    return {"targets": value} if isinstance(value, list) else value


class HedgeTable(_Table):
    """Sends the request to the next target too if the first content is late."""

    after: Pause | None = Field(
        default=None, description="The delay in seconds; learned from recent answers if not set."
    )
    quantile: Quantile = Field(
        default=_HEDGE.quantile, description="Learned delay: the time in which this share of recent answers began."
    )
    factor: Factor = Field(default=_HEDGE.factor, description="The learned delay is multiplied by this number.")


class ChainTable(_Table):
    """A chain: targets that get the request one after the other, until one answers."""

    targets: Annotated[tuple[Target, ...], Field(strict=False), AfterValidator(_not_empty)] = Field(
        description="The targets in order: `provider/model`, the name of a provider or a model, or a table."
    )
    balance: Balance = Field(default="order", description="How the order of the targets is decided for each call.")
    mid_stream: MidStream = Field(
        default="continue", description="What follows if an answer breaks off after a part of it was returned."
    )
    hedge: Annotated[HedgeTable | None, _short("after", Pause, HedgeTable)] = Field(
        default=None,
        description="When the next target gets the request too: a number is the delay, true the default delay. "
        "Never if not set.",
    )
    reject: Annotated[tuple[Literal["empty", "refusal", "content_filter", "truncated"], ...], Field(strict=False)] = (
        Field(default=(), description="Answers that count as failures.")
    )
    timeout: Limits | None = Field(
        default=None,
        description="Timeouts that override the client's; `connect` is ignored. A number is the total.",
    )


class ModelTable(BaseModel):
    """A model of your own host: its name and its facts."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        frozen=True, extra="allow", hide_input_in_errors=True, strict=True, defer_build=True
    )
    __pydantic_extra__: dict[FactName, FactValue]  # pyright: ignore[reportIncompatibleVariableOverride] - as pydantic has it

    name: Text = Field(description="The model's name at the host; every other key is a fact.")


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
    """`[providers.NAME]`: an installed provider, or with `wire` your own host."""

    api_key: _Key | None = Field(
        default=None,
        description="`env:NAME`, `file:PATH` (its first line; other users must not be able to read it), "
        "`keyring:NAME`, or the key itself.",
    )
    base_url: Address | None = Field(default=None, description="Its address, instead of the usual one.")
    options: Options = Field(
        default_factory=dict, repr=False, description="Options for every call; they depend on the provider."
    )
    headers: dict[HeaderName, HeaderText] = Field(
        default_factory=dict, repr=False, description="Headers for every call, in addition to those of the wire."
    )
    proxy: Proxy | None = Field(default=None, repr=False, description="The proxy for its calls.")
    concurrency: Positive | None = Field(
        default=None, description="Maximum number of its calls at the same time; no limit if not set."
    )
    wire: Literal["openai_chat", "openai_responses"] | None = Field(
        default=None, description="The wire of the host. It makes this table your own host, which needs a `base_url`."
    )
    models: Annotated[tuple[ListedModel, ...], Field(strict=False)] = Field(
        default=(), description="Own host: its models, as names or as tables `{ name = …, FACT = … }`."
    )
    capabilities: dict[FactName, FactValue] = Field(
        default_factory=dict, description="Own host: facts of each of its models."
    )
    quirks: Annotated[tuple[Quirk, ...], Field(strict=False)] = Field(
        default=(), description="Own host: the names of its differences from OpenAI."
    )
    env: VariableName | None = Field(
        default=None, description="Own host: the variable with its key, `NAME_API_KEY` if not set."
    )
    key_required: bool | None = Field(
        default=None,
        description="Own host: whether it needs a key. If not set, it needs one unless it is on this machine and has "
        "no `env`.",
    )

    @model_validator(mode="after")
    def _own_host(self) -> Self:
        if self.wire is not None:
            if self.base_url is None:
                raise _wrong("has a wire, so it is your own host and needs a base_url")
            if sum(quirk.endswith("_back") for quirk in self.quirks) > 1:
                raise _wrong("has several quirks that end in _back; use only one of them")
            return self
        own = self.model_fields_set & {"models", "capabilities", "quirks", "env", "key_required"}
        if own:
            raise _wrong(f'has {", ".join(sorted(own))}, which only your own host can have; add wire = "openai_chat"')
        return self


class RetryTable(_Table):
    """Retries of the same candidate, if no other is left and a retry may help. The pause is random up to a limit."""

    count: Count = Field(default=_RETRY.count, description="Maximum number of retries.")
    base: Pause = Field(
        default=_RETRY.base, description="Limit of the first pause in seconds; it doubles with each retry."
    )
    cap: Pause = Field(default=_RETRY.cap, description="Limit of every pause in seconds.")
    ratio: Share = Field(
        default=_BUDGET.ratio,
        description="What each answer adds to the budget of all calls; a retry costs 1, a hedge 1.8.",
    )
    reserve: Share = Field(
        default=_BUDGET.reserve, description="The largest budget, which is also the budget at the start."
    )


class BreakerTable(_Table):
    """Skips a host after repeated failures."""

    enabled: bool = Field(default=True, description="Whether failing hosts are skipped.")
    failures: Positive = Field(
        default=_BREAKER.failures, description="Number of failures in a row after which a host is skipped."
    )
    silence: Pause = Field(
        default=_BREAKER.silence,
        description="From two failures on, it is also skipped if its last answer is this many seconds old.",
    )
    interval: Pause = Field(
        default=_BREAKER.interval,
        description="Seconds until one call tries it again. Each time that this call fails, the next wait is four "
        "times as long.",
    )
    longest: Pause = Field(default=_BREAKER.longest, description="The longest of these waits in seconds.")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.longest < self.interval:
            raise _wrong("has a longest that is smaller than its interval")
        return self


class DownloadsTable(_Table):
    """Downloads of images and files for hosts that do not accept addresses."""

    enabled: bool = Field(default=False, description="Whether anything is downloaded.")
    max_bytes: Positive | None = Field(default=None, description="Maximum size of each. 20 MiB if not set.")
    total_bytes: Positive | None = Field(
        default=None, description="Maximum size of all downloads of a call. 50 MiB if not set."
    )
    timeout: Seconds | None = Field(default=None, description="Seconds for all downloads of a call. 10 if not set.")
    hops: Count | None = Field(default=None, description="Maximum number of redirects. 3 if not set.")
    ports: Annotated[tuple[Port, ...], Field(strict=False, min_length=1)] | None = Field(
        default=None, description="The allowed ports. Only 443 if not set."
    )


class PluginsTable(_Table):
    """Which installed plugins are imported."""

    allow: Annotated[tuple[Rule, ...], Field(strict=False)] | None = Field(
        default=None,
        description="The only distributions whose plugins are imported, each as `NAME`, `NAME==VERSION` or "
        "`NAME==VERSION@sha256:…` (of its RECORD, see `segue doctor --pins`). All if not set.",
    )
    deny: Annotated[tuple[Rule, ...], Field(strict=False)] = Field(
        default=(), description="The distributions whose plugins are not imported, in the same form."
    )
    prefer: dict[ProviderName, DistributionName] = Field(
        default_factory=dict,
        description="By name: the distribution that gets a name which several distributions claim.",
    )
    strict: bool = Field(default=False, description="Whether a broken plugin is an error at the start.")
    time_limit: Seconds = Field(
        default=_RULES.time_limit, description="Time limit in seconds for the import and the declaration of a plugin."
    )
    hook_time_limit: Seconds = Field(
        default=_RULES.hook_time_limit, description="Time limit in seconds for a call of any other hook."
    )


class DefaultTable(_Table):
    """The default for calls that name no model, needs or chain."""

    model: Text | None = Field(
        default=None,
        description="A model, as `provider/model`, or a chain of this file. The first candidate if not set.",
    )


class File(_Table):
    """`segue.toml`."""

    default: DefaultTable = Field(
        default_factory=DefaultTable,
        description="The default for calls that name no model, needs or chain; `segue models default NAME` writes it.",
    )
    providers: dict[ProviderName, ProviderTable] = Field(
        default_factory=dict, description="Settings of providers, by name."
    )
    chains: dict[str, Annotated[ChainTable, BeforeValidator(_chain, json_schema_input_type=ChainTable | list[Any])]] = (
        Field(default_factory=dict, description="Chains by name; a list contains the targets.")
    )
    needs: dict[str, NeedsText] = Field(
        default_factory=dict, description="Needs by name; the name can be used instead of the text."
    )
    order: Annotated[tuple[Text, ...], Field(strict=False)] = Field(
        default=(), description="Names of providers or `provider/model` that come first, in this order."
    )
    order_by: OrderBy | None = Field(default=None, description="The order of the rest.")
    weights: dict[str, Annotated[float, Field(allow_inf_nan=False)]] = Field(
        default_factory=dict, description='For `order_by = "weight"`, by provider or `provider/model`: heavier first.'
    )
    models: dict[ModelName, dict[FactName, FactValue]] = Field(
        default_factory=dict, description="Facts by `provider/model`, which override the advertised ones."
    )
    proxy: Proxy | None = Field(default=None, repr=False, description="The proxy for every call.")
    ca_file: Text | None = Field(
        default=None,
        description="A file of certificate authorities to trust; the path is relative to the file that names it.",
    )
    environment_proxies: bool = Field(
        default=False, description="Whether the variables HTTP_PROXY, HTTPS_PROXY and NO_PROXY are used."
    )
    timeout: Annotated[TimeoutTable, _short("total", Seconds, TimeoutTable)] = Field(
        default_factory=TimeoutTable, description="Timeouts; a number is `total`."
    )
    downloads: Annotated[DownloadsTable, _short("enabled", bool, DownloadsTable)] = Field(
        default_factory=DownloadsTable,
        description="Downloads for hosts that do not accept addresses; true or false is `enabled`.",
    )
    retry: Annotated[RetryTable, _short("count", Count, RetryTable)] = Field(
        default_factory=RetryTable, description="Retries of the same candidate; a number is `count`."
    )
    breaker: Annotated[BreakerTable, _short("enabled", bool, BreakerTable)] = Field(
        default_factory=BreakerTable, description="When a failing host is skipped; true or false is `enabled`."
    )
    concurrency: Positive | None = Field(
        default=None, description="Maximum number of calls at the same time; no limit if not set."
    )
    host_messages: bool = Field(
        default=True,
        description="Whether errors show the host's own sentence, which may quote a prompt.",
    )
    plugins: PluginsTable = Field(default_factory=PluginsTable, description="Which plugins are imported, and how.")


KEYS: Final = tuple(File.model_fields)
LOCAL_KEYS: Final = ("chains", "needs", "order", "order_by", "weights", "models")
"""The keys that a file in the working directory may contain, because it may come from a cloned repository."""


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
    """The settings of a table of plain values; or each fault with its place, in words without a value.

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
                reason = _REASONS.get(kind, "has an invalid value").format_map(one.get("ctx", {}))
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
    near = closest(key, known)
    where = f"{shown(path[:-1])}: " if len(path) > 1 else ""
    return f"{where}unknown key {_cut(key)!r}" + (
        f"; did you mean {near!r}?" if near else f"; expected one of {', '.join(known)}"
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
    """A place in the syntax of TOML: ``models."openai/gpt-5.4".context``, ``order[0]``."""
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
