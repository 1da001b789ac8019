"""A provider's declaration as plain data and back, so that it can be read without its code."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any, Final

from ..capabilities import Capabilities, known_fact
from ..provider.contract import Conformance, Model, ProviderSpec
from ..provider.host import Host

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .loading import Late

Plain = dict[str, Any]

_TEXTS: Final = ("name", "base_url_env", "url", "key_url", "start", "access", "bare_base_url")
_ROW_TEXTS: Final = tuple(
    field.name
    for field in fields(Host)
    if field.name not in {"env", "models", "capabilities", "wires", "quirks", "headers", "ambient"}
)


class Sources:
    """The sources of facts, each name once; facts refer to them by index."""

    def __init__(self, names: Sequence[str] = ()) -> None:
        self.names: list[str] = list(names)
        self._places = {name: place for place, name in enumerate(names)}

    def place(self, name: str) -> int:
        """The index of a name, which is added if it is new."""
        place = self._places.get(name)
        if place is None:
            place = self._places[name] = len(self.names)
            self.names.append(name)
        return place

    def plain(self, capabilities: Capabilities) -> Plain:
        """Facts as plain data."""
        return {name: [fact.value, self.place(fact.source)] for name, fact in capabilities.items()}

    def facts(self, plain: Mapping[str, Any]) -> Capabilities:
        """Plain data as facts."""
        return Capabilities({name: known_fact(value, self.names[place]) for name, (value, place) in plain.items()})

    def plain_models(self, models: Sequence[Model | str]) -> list[Any]:
        """Models as plain data."""
        return [one if isinstance(one, str) else [one.name, self.plain(one.capabilities)] for one in models]

    def models(self, plain: Sequence[Any]) -> tuple[Model | str, ...]:
        """Plain data as models."""
        return tuple(one if isinstance(one, str) else Model(one[0], self.facts(one[1])) for one in plain)


def to_plain(given: ProviderSpec | Host) -> Plain:
    """A declaration as JSON data; code in it is replaced by a mark."""
    sources = Sources()
    if isinstance(given, Host):
        plain = {name: getattr(given, name) for name in _ROW_TEXTS}
        plain |= {name: list(getattr(given, name)) for name in ("env", "wires", "quirks", "ambient")}
        shared = given.spec().shared()
        plain |= {"row": True} | {name: dict(getattr(given, name)) for name in ("headers", "expected_failures")}
    else:
        shared = given.shared()
        plain = {name: getattr(given, name) for name in _TEXTS}
        plain |= {name: list(getattr(given, name)) for name in ("env", "ambient")}
        plain["load"] = given.load if isinstance(given.load, str) else None
        plain["options"] = given.options if isinstance(given.options, str) or given.options is None else True
        plain["without_key"] = given.without_key is not None
        plain["conformance"] = None if given.conformance is None else _plain_conformance(given.conformance)
    plain["capabilities"] = sources.plain(shared)
    plain["models"] = sources.plain_models(given.models)
    plain["sources"] = sources.names
    return plain


def from_plain(plain: Mapping[str, Any], late: Late) -> ProviderSpec:
    """The declaration; code in it is imported from ``late`` when it is needed."""
    if plain.get("row"):
        return row_of(plain).spec()
    told = _with_facts(plain)
    name = told["name"]
    if told["load"] is None:
        told["load"] = lambda: late.implementation(name)
    if told["options"] is True:
        told["options"] = lambda: late.options(name)
    told["without_key"] = (
        (lambda environ, options: late.obstacle(name, environ, options)) if told["without_key"] else None
    )
    if told["conformance"] is not None:
        told["conformance"] = Conformance(**told["conformance"])
    return ProviderSpec(**told)


def row_of(plain: Mapping[str, Any]) -> Host:
    """The row that was passed to `to_plain`."""
    told = _with_facts(plain)
    del told["row"]
    return Host(**told)


def _with_facts(plain: Mapping[str, Any]) -> Plain:
    told = dict(plain)
    sources = Sources(told.pop("sources"))
    return told | {"models": sources.models(told["models"]), "capabilities": sources.facts(told["capabilities"])}


def _plain_conformance(given: Conformance) -> Plain:
    plain = {field.name: getattr(given, field.name) for field in fields(Conformance)}
    return plain | {name: dict(plain[name]) for name in ("options", "expected_failures")}
