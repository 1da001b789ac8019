"""The settings as values, read and checked."""

from __future__ import annotations

import re
from dataclasses import field
from ipaddress import ip_address
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NoReturn
from urllib.parse import urlsplit

from ..capabilities import Capabilities, Needs
from ..constraints import is_address
from ..display import single_line
from ..provider.host import Host
from ..resilience import Breaker, Budget, Retry
from ..selection import Preferences
from ..values import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ..observation import MidStream
    from ..provider.contract import Model, Secret
    from ..provider.host import Wire
    from ..resilience import Balance, Hedge, Rejection
    from ..transport import Timeout
    from ..transport.downloads import Downloads
    from .secrets import Reference


def _nothing() -> Mapping[str, Any]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True)
class ProviderConfig:
    """One ``[providers.NAME]`` table, at ``where``; ``key`` refers to its key, which is not looked up yet.

    With ``wire`` it is the user's own host, see `host`.
    """

    key: Reference | None = None
    base_url: str | None = None
    options: Mapping[str, object] = field(default_factory=_nothing, repr=False)
    headers: Mapping[str, str] = field(default_factory=_nothing, repr=False)
    proxy: str | None = field(default=None, repr=False)
    concurrency: int | None = None
    wire: Wire | None = None
    models: tuple[Model, ...] = ()
    capabilities: Capabilities = field(default_factory=Capabilities)
    quirks: tuple[str, ...] = ()
    env: tuple[str, ...] = ()
    where: str = ""

    @property
    def api_key(self) -> Secret | None:
        """Look up the key; ConfigError if it cannot be read."""
        return None if self.key is None else self.key.resolve()

    def host(self, name: str) -> Host | None:
        """The row of the user's own host; None for a table of an installed provider."""
        if self.wire is None or self.base_url is None:
            return None
        return Host(
            name=name,
            url=self.base_url,
            env=self.env,
            models=self.models,
            capabilities=self.capabilities,
            wire=self.wire,
            quirks=self.quirks,
            source=self.where,
        )

    def __reduce__(self) -> NoReturn:
        raise TypeError("settings cannot be pickled: the pickle could contain secrets in plain text")


@dataclass(frozen=True, slots=True)
class TargetConfig:
    """One target of a configured chain: a name or needs, or another chain of the file if ``chain`` is set."""

    what: str | Needs
    chain: str | None = None
    weight: float = 1.0
    timeout: Timeout | float | None = None
    settings: Mapping[str, object] = field(default_factory=_nothing)
    options: Mapping[str, object] = field(default_factory=_nothing, repr=False)
    concurrency: int | None = None

    def __str__(self) -> str:
        return str(self.what)


@dataclass(frozen=True, slots=True)
class ChainConfig:
    """One ``[chains.NAME]`` table."""

    targets: tuple[TargetConfig, ...]
    balance: Balance = "order"
    mid_stream: MidStream = "continue"
    hedge: Hedge | None = None
    reject: tuple[Rejection, ...] = ()
    timeout: Timeout | float | None = None


_RULE: Final = re.compile(
    r"(?P<name>[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)"
    r"(?:==(?P<version>[A-Za-z0-9.!+_-]+))?(?:@sha256:(?P<record>[0-9a-f]{64}))?"
)


@dataclass(frozen=True, slots=True)
class PluginRule:
    """A distribution; optionally only one version, and only the content whose RECORD has this SHA-256."""

    distribution: str
    version: str | None = None
    record: str | None = None

    @classmethod
    def read(cls, text: str) -> PluginRule:
        """``NAME``, ``NAME==VERSION`` or ``NAME==VERSION@sha256:…``; ValueError for anything else."""
        found = _RULE.fullmatch(text.strip())
        if found is None:
            raise ValueError("must be the name of a distribution, NAME, NAME==VERSION or NAME==VERSION@sha256:…")
        return cls(found["name"], found["version"], found["record"])

    def names(self, distribution: str) -> bool:
        """Whether the rule is about this distribution."""
        return PluginRules.is_same(self.distribution, distribution)


@dataclass(frozen=True, slots=True)
class PluginRules:
    """``[plugins]``: which distributions' plugins are imported (all if ``allow`` is None), and who gets a claimed name.

    With ``strict``, a broken plugin is an error at the start. ``time_limit`` is in seconds, for the declaration of a
    plugin, and ``hook_time_limit`` for a call of any other hook. ``unread`` means that the file with these rules is
    not valid: then no plugin is imported.
    """

    allow: tuple[PluginRule, ...] | None = None
    deny: tuple[PluginRule, ...] = ()
    prefer: Mapping[str, str] = field(default_factory=_nothing)
    strict: bool = False
    time_limit: float = 10.0
    hook_time_limit: float = 1.0
    unread: bool = False

    @staticmethod
    def is_same(one: str, other: str) -> bool:
        """Whether two names mean one distribution: case is ignored, and ``-``, ``_`` and ``.`` are the same."""
        return _normal(one) == _normal(other)


def _normal(name: str) -> str:
    # https://packaging.python.org/en/latest/specifications/name-normalization/
    return re.sub(r"[-_.]+", "-", name).lower()


@dataclass(frozen=True, slots=True)
class Config:
    """All settings, read and checked.

    ``models`` are facts by ``provider/model`` that override the advertised ones; ``local_chains`` are the names of
    the chains that the file in the working directory defines; ``keys_file`` is the key store, None if there is
    none; ``sources`` are the files that were read; ``downloads`` is None if downloads are not allowed. ``default``
    is the model or chain for calls that name none, ``default_origin`` is where it was set.
    """

    providers: Mapping[str, ProviderConfig] = field(default_factory=_nothing)
    chains: Mapping[str, ChainConfig] = field(default_factory=_nothing)
    needs: Mapping[str, Needs] = field(default_factory=_nothing)
    preferences: Preferences = field(default_factory=Preferences)
    proxy: str | None = field(default=None, repr=False)
    ca_file: str | None = None
    timeout: Timeout | None = None
    sources: tuple[str, ...] = ()
    models: Mapping[str, Capabilities] = field(default_factory=_nothing)
    environment_proxies: bool = False
    retry: Retry = field(default_factory=Retry)
    budget: Budget = field(default_factory=Budget)
    breaker: Breaker | None = field(default_factory=Breaker)
    concurrency: int | None = None
    keys_file: Path | None = None
    local_chains: frozenset[str] = frozenset()
    downloads: Downloads | None = None
    host_messages: bool = True
    plugins: PluginRules = field(default_factory=PluginRules)
    default: str | None = None
    default_origin: str = ""

    @property
    def default_chain(self) -> str | None:
        """The default if it is a chain, else None; a chain of the working directory's file is never the default."""
        return self.default if self.default in self.chains and self.default not in self.local_chains else None

    def __reduce__(self) -> NoReturn:
        raise TypeError("settings cannot be pickled: the pickle could contain secrets in plain text")


def address_fault(variable: str, address: str) -> str | None:
    """What is wrong with the address in an environment variable, in one line; None if it is a URL.

    It shows the address without a user and a password, and not at all if it does not look like an address.
    """
    if is_address(address):
        sign = next((sign for sign in address if sign in "?#"), None)
        if sign is None:
            return None
        # The path of each request is put at the end of it.
        kind = "query" if sign == "?" else "fragment"
        return f"{variable} in the environment must be a URL without a {kind}: remove {sign!r} and what follows it"
    if address != address.strip() and address_fault(variable, address.strip()) is None:
        return f"{variable} in the environment has spaces or line breaks around its URL: remove them"
    told = f"{variable} in the environment must be a URL such as http://127.0.0.1:8080/v1"
    scheme, sign, rest = address.rpartition("://")
    place = re.split(r"[?#]", rest.rpartition("@")[2], maxsplit=1)[0]
    looks_right = re.search(r"[.:/]", place) is not None or place == "localhost"
    if not looks_right or ("@" in rest and re.search(r"[?#]", rest)):  # it may be a key, or hold a password anywhere
        return f"{told}; its value is not shown"
    came = single_line(f"{scheme}{sign}{place}" if sign else place, most=_LONGEST_ADDRESS)
    told = f"{told}, not {came!r}"
    is_whole = not sign and came == rest and not place.startswith(("http", "/"))
    if not is_whole or address_fault(variable, f"http://{place}") is not None:
        return told
    return f"{told}: set it to {'http' if is_loopback(place) else 'https'}://{place}"


_LONGEST_ADDRESS: Final = 100


def is_loopback(url: str | None) -> bool:
    """Whether an address, with or without its scheme, is on this machine; of names, only localhost is."""
    try:
        host = urlsplit(url if url and "://" in url else f"//{url or ''}").hostname or ""
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


PLACEHOLDER: Final = ".placeholder.invalid"
"""The end of the host of an address that its author has to replace: such a name never resolves (RFC 2606)."""


def is_placeholder(url: str | None, ends: tuple[str, ...] = (PLACEHOLDER,)) -> bool:
    """Whether nothing can have this address, because the name of its host is reserved for that."""
    if url is None or not any(end in url for end in ends):  # for each provider, so a quick look first
        return False
    try:
        return (urlsplit(url).hostname or "").endswith(ends)
    except ValueError:
        return False
