"""The constraints of the arguments of `Client` and its methods, and the meaning of plain values."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ..capabilities import NEEDS, Needs
from ..chain.targets import MID_STREAM, PROBED
from ..constraints import (
    ANY_TEXT,
    FLAG,
    NAME,
    NOTHING,
    SECONDS,
    Anything,
    Either,
    Fault,
    Items,
    Methods,
    Number,
    Of,
    Table,
    Text,
    Word,
    check,
    shown,
)
from ..observation import TOLD
from ..plugins.middleware import CHANGES
from ..resilience import CONCURRENCY, Budget, hedge_of, rejections
from ..transport.addresses import PROXY
from ..transport.deadlines import TIMEOUT, limits_with
from .arguments import NO_NEEDS, TABLES

if TYPE_CHECKING:
    from ..capabilities import NeedsInput
    from ..chain.attempt import Run
    from ..chain.targets import Chain
    from ..constraints import Constraint
    from ..transport import Timeout
    from .arguments import Asking

__all__ = [
    "CLIENT",
    "EMBED",
    "PROBE",
    "TARGET",
    "check_arguments",
    "check_client",
    "check_model",
    "check_provider",
    "direct",
    "needs_given",
]


class _Downloads:
    """A `Downloads`, whose class is imported only if one is given."""

    wanted: str = "a Downloads, True or False"

    def fault(self, value: object) -> Fault | None:
        if value is None or isinstance(value, bool):
            return None
        from ..transport.downloads import Downloads

        return None if isinstance(value, Downloads) else Fault(TypeError, self.wanted, value)


class _Environ:
    """Environment variables: text by name."""

    wanted: str = "a dict of variables by name, each text"

    def fault(self, value: object) -> Fault | None:
        return None if value is os.environ else _VARIABLES.fault(value)


class _File:
    """The path of an existing file."""

    wanted: str = "the path of a file that exists"

    def fault(self, value: object) -> Fault | None:
        if not isinstance(value, (str, os.PathLike)):
            return Fault(TypeError, self.wanted, value)
        return None if Path(value).is_file() else Fault(ValueError, self.wanted, value)


_VARIABLES: Final = Table(ANY_TEXT, _Environ.wanted)
_OBSERVER: Final = Methods(
    f"an observer: an object with one or more of the methods {', '.join(TOLD)}",
    any_of=TOLD,
    takes=dict.fromkeys(TOLD, 1),
)
_MIDDLEWARE: Final = Methods(
    f"middleware: an object with one or both of the methods {' and '.join(CHANGES)}",
    any_of=CHANGES,
    generators=("events",),
    takes={"request": 1, "events": 2},
)
_HEALTH: Final = Methods(
    "a health store: an object with get, put and items",
    *("get", "put", "items"),
    takes={"get": 1, "put": 2, "items": 0},
)
_TRANSPORT: Final = Methods(
    "a transport: an object with open",
    "open",
    takes={"open": 1},
    instead="a function that returns an async context manager (decorate it with contextlib.asynccontextmanager)",
)
_KEY: Final = Either(ANY_TEXT, Methods("a secret", "get_secret_value"), wanted="text or a pydantic SecretStr")
_SETTINGS: Final = Of((os.PathLike, Mapping), "a path or a mapping")

CLIENT: Final[Mapping[str, Constraint]] = {
    "config": Either(FLAG, NAME, _SETTINGS, wanted="True, False, the path of a file, or a dict like the file"),
    "plugins": FLAG,
    "providers": Items(Anything(), "a list of providers", once=True),
    "api_keys": Either(Table(_KEY, "a dict of keys by the provider's name"), NOTHING),
    "timeout": TIMEOUT,
    "concurrency": CONCURRENCY,
    "budget": Either(Of(Budget), NOTHING),
    "health": Either(_HEALTH, NOTHING),
    "proxy": Either(PROXY, NOTHING),
    "ca_file": Either(_File(), NOTHING),
    "environment_proxies": Either(FLAG, NOTHING),
    "downloads": Either(_Downloads(), NOTHING),
    "host_messages": Either(FLAG, NOTHING),
    "observers": Items(_OBSERVER, "a list of observers"),
    "middleware": Items(_MIDDLEWARE, "a list of middleware"),
    "transport": Either(_TRANSPORT, NOTHING),
    "environ": Either(_Environ(), NOTHING),
}
"""Those of `Client` itself; ``retry`` and ``breaker`` are read where they are defined."""

_SECRET: Final = frozenset({
    "config", "api_keys", "proxy", "environ", "extra_body", "extra_headers", "options", "messages", "inputs",
})  # fmt: skip
"""Arguments that may hold keys or messages."""

_INPUT: Final = Text("text that is not empty", empty=True, fits=bool)
EMBED: Final[Mapping[str, Constraint]] = {
    "inputs": Either(_INPUT, Items(_INPUT, empty=False), wanted="text or a list of texts, not empty"),
    "dimensions": Either(Number(ge=1, whole=True), NOTHING),
    "purpose": Either(Word("query", "document"), NOTHING),
    "timeout": TIMEOUT,
    **{name: Either(constraint, NOTHING) for name, constraint in TABLES.items()},
}
"""Those of `Client.embed`."""

_MODEL: Final = Either(Text("the name of a model"), NOTHING)
_PROVIDER: Final = Either(Text("the name of a provider"), NOTHING)
_HOLD_BACK: Final = Either(Number(ge=0, infinite=True), NOTHING)
PROBE: Final[Mapping[str, Constraint]] = {"targets": PROBED, "within": SECONDS}
"""Those of `Client.probe`."""

TARGET: Final = Either(NAME, Of(Needs), wanted="'provider/model', a model's name, or a Needs")


def check_arguments(where: str, given: Mapping[str, Any], constraints: Mapping[str, Constraint]) -> None:
    """Check the arguments that have a constraint; TypeError or ValueError for the first that is wrong."""
    for name, constraint in constraints.items():
        check(where, name, given[name], constraint, secret=name in _SECRET)


def check_client(given: Mapping[str, Any]) -> None:
    """Check the arguments of `Client`."""
    check_arguments("Client", given, CLIENT)
    _check_keys(given["api_keys"] or {})


def _check_keys(keys: Mapping[str, Any]) -> None:
    """ValueError, without the key, for what the file would not accept as a key; empty text is not a key."""
    if not keys:
        return
    from ..config.secrets import Reference

    models = sys.modules.get("pydantic")  # a SecretStr can only be there if this is
    for name, given in keys.items():
        key = given
        if models is not None and isinstance(key, models.SecretStr):
            key = key.get_secret_value()
        if not isinstance(key, str) or not key:
            continue
        try:
            Reference(key)
        except ValueError as error:
            told = f"Client(api_keys=<dict>): api_keys[{shown(name)}] {error}"
        else:
            continue
        raise ValueError(told)


def check_model(where: str, model: object) -> None:
    """Check the argument ``model``."""
    if isinstance(model, (list, tuple)):
        advice = "; for several models use chain=[…]" if where in {"chat", "stream", "embed"} else ""
        raise TypeError(f"{where}(model={shown(model)}): model must be {_MODEL.wanted}{advice}")
    if model is not None and (model.__class__ is not str or not model):
        check(where, "model", model, _MODEL)


def check_provider(where: str, provider: str | None) -> None:
    """Check the argument ``provider``."""
    check(where, "provider", provider, _PROVIDER)


def needs_given(where: str, given: NeedsInput | None, configured: Mapping[str, Needs]) -> Needs:
    """The needs of the argument ``needs``; text may be the name of configured needs."""
    if given is None:
        return NO_NEEDS
    if isinstance(given, Needs):
        return given
    if given.__class__ is not str:
        check(where, "needs", given, NEEDS)
    if isinstance(given, str):
        return configured.get(given) or Needs(given)
    if isinstance(given, Mapping):
        return Needs(given)
    each = [(configured.get(one) or Needs(one)) if isinstance(one, str) else (one,) for one in given]
    return Needs([term for terms in each for term in terms])


def direct(where: str, run: Run, chain: Chain | None, asking: Asking) -> None:
    """Set how the candidates are tried: by the call, or else the chain, or else the client."""
    if chain is not None:
        run.mid_stream, run.hedge, run.reject = chain.mid_stream, chain.hedge, chain.reject
        run.timeout = limits_with(chain.timeout, run.timeout)
        run.usual = None if run.usual is None else limits_with(chain.timeout, run.usual)
    if not asking:
        return
    if "timeout" in asking:
        run.timeout = limits_given(where, asking["timeout"], run.timeout)
    if "mid_stream" in asking:
        check(where, "mid_stream", asking["mid_stream"], MID_STREAM)
        run.mid_stream = asking["mid_stream"]
    if "hedge" in asking:
        run.hedge = hedge_of(where, asking["hedge"])
    if "reject" in asking:
        run.reject = rejections(where, asking["reject"])
    if "hold_back" in asking:
        check(where, "hold_back", asking["hold_back"], _HOLD_BACK)
        run.hold_back = max(run.hold_back, asking["hold_back"] or 0.0)


def limits_given(where: str, given: Timeout | float | None, usual: Timeout) -> Timeout:
    """The timeout from the argument ``timeout`` and the default one."""
    check(where, "timeout", given, TIMEOUT)
    return limits_with(given, usual)
