"""Hints for errors: which key was used, what is wrong with an address, which server is not running."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from ..config import is_loopback, is_placeholder
from ..display import origin, shown_address
from ..errors import (
    ConnectError,
    DNSError,
    HTTPError,
    ModelNotFoundError,
    PermissionDeniedError,
    ProtocolError,
    ProxyError,
    message_of,
)
from ..plugins.places import place_of
from ..values import dataclass

if TYPE_CHECKING:
    from ..config import KeySource
    from ..errors import ProviderError
    from ..provider.contract import ProviderSpec

_VERSION: Final = re.compile(r"/v\d+[a-z0-9]*(?=/|$)")
_CAPITAL: Final = re.compile(r"/V\d+[A-Za-z0-9]*(?=/|$)")
NO_MODEL: Final = "model_not_found"
"""The code of an error that says that the host does not have the model."""

# What wires add to a base address; somebody who copies a whole address has it already.
_RESERVED: Final = (".invalid", ".example")
_ADDED: Final = ("/chat/completions", "/completions", "/responses", "/embeddings", "/messages", "/models")


@dataclass(frozen=True, slots=True)
class Asked:
    """The provider of a request, with its key and address.

    ``base_url`` is the address that the user set, at the place ``base_url_from``; None if it is the provider's own.
    """

    name: str
    spec: ProviderSpec
    key: KeySource | None = None
    base_url: str | None = None
    base_url_from: str = ""
    is_configured: bool = False
    """Whether the address was set in a file or a variable, which the user may have forgotten."""
    origin: str = ""
    """The distribution of the provider."""
    headers: tuple[str, ...] = ()
    """The headers that the user configured, at the place ``headers_from``."""
    headers_from: str = ""
    extra_headers: tuple[str, ...] = ()
    """The headers of the call itself."""


def may_have_hints(error: ProviderError) -> bool:
    """Whether `add_hints` may know something about this kind of error: not about a host that is overloaded or slow."""
    if isinstance(error, HTTPError):
        is_about_address = 200 <= error.status <= 399 or error.status in {404, 405, 410}
        return is_about_address or error.refuses_credential or isinstance(error, _OF_NAMES)
    return isinstance(error, (ConnectError, ProtocolError)) or error.refuses_credential


_OF_NAMES: Final = (PermissionDeniedError, ModelNotFoundError)


def add_hints(error: ProviderError, asked: Asked) -> None:
    """Add notes to the error that help the user who configured the provider."""
    for hint in (_key_of(error, asked), _address_of(error, asked)):
        if hint:
            error.add_note(hint)


# ── keys ─────────────────────────────────────────────────────────────────────────────────────────────


def _key_of(error: ProviderError, asked: Asked) -> str | None:
    if not (error.refuses_credential or isinstance(error, PermissionDeniedError)):
        return None
    name, spec, key = asked.name, asked.spec, asked.key
    elsewhere = _credentials_of(error, asked)
    if key is None:
        if elsewhere:
            return f"the credential used was {' and '.join(elsewhere)}"
        if spec.without_key is not None:
            return f"no key was set, so {name} used the credentials that it found on this machine"
        variable = f"{' or '.join(spec.env)}, or " if spec.env else ""
        return f"no key was sent: set {variable}api_key in [providers.{name}]"
    through = "" if key.shown in {"set", "broken"} else f" ({key.shown})"
    match key.kind:
        case "code":
            place = f"api_keys[{name!r}] of the Client{through}"
        case "config":
            place = f"api_key of [providers.{name}] in {key.where}{through}"
        case "environment":
            place = f"{key.where} of the environment"
        case "store":
            place = f"{name} in the key store {key.where}{through}"
    beside = f"; also sent: {' and '.join(elsewhere)}" if elsewhere else ""
    return f"the key used was {place}{beside}"


def _credentials_of(error: ProviderError, asked: Asked) -> list[str]:
    """The credentials of the request besides the key, each with the place where it was set."""
    if not isinstance(error, HTTPError):
        return []
    given, configured = ({name.lower() for name in names} for names in (asked.extra_headers, asked.headers))
    found: list[str] = []
    for name in error.sent_credentials:
        if name == "url":
            place = asked.base_url_from or f"the address of {asked.name!r}"
            found.append(f"the user and password or the key in {place}")
        elif name in given:
            found.append(f"the header {name!r} (extra_headers of the call)")
        elif name in configured:
            found.append(f"the header {name!r} ({asked.headers_from})")
        elif asked.key is None:
            found.append(f"the header {name!r} (set by the provider {asked.name!r})")
    return found


# ── addresses ────────────────────────────────────────────────────────────────────────────────────────


def _address_of(error: ProviderError, asked: Asked) -> str | None:
    if isinstance(error, ConnectError):
        if error.is_refused and is_loopback(error.address):
            return _start(error, asked)
        if isinstance(error, DNSError) and is_placeholder(asked.base_url or asked.spec.url, _RESERVED):
            return _placeholder(asked)
    elif isinstance(error, (HTTPError, ProtocolError)) and not isinstance(error, PermissionDeniedError):
        if error.refuses_credential or (isinstance(error, HTTPError) and error.code == NO_MODEL):
            return None  # an address that knows which models there are is right
        wrong = _wrong_base(error, asked)
        if wrong is not None:
            return wrong
    may_be_wrong = isinstance(error, (ConnectError, HTTPError)) or (isinstance(error, ProtocolError) and error.is_page)
    is_named = may_be_wrong and message_of(error) != message_of(error, address="")
    if asked.is_configured and is_named and not isinstance(error, ProxyError):
        return f"hint: the address comes from {asked.base_url_from}"
    return None


def _placeholder(asked: Asked) -> str:
    address = asked.base_url or asked.spec.url or ""
    place = asked.base_url_from or place_of(asked.origin, address) or f"the code of {asked.origin}"
    return f"hint: {shown_address(address)} is a placeholder: set the address of the host in {place}"


def _start(error: ConnectError, asked: Asked) -> str:
    place = asked.base_url_from
    if not place:
        variable = f"{asked.spec.base_url_env} or " if asked.spec.base_url_env else ""
        place = f"{variable}base_url in [providers.{asked.name}]"
    change = f"{'correct' if asked.base_url_from else 'set'} {place}"
    program = f"start it with {asked.spec.start}" if asked.spec.start else "start the server"
    return f"hint: no program listens at {origin(error.address or '')}: {program}, or {change}"


def _wrong_base(error: HTTPError | ProtocolError, asked: Asked) -> str | None:
    """What is wrong with a base address, by what it has and lacks; None if it looks right."""
    if not _is_of_address(error):
        return None
    base = shown_address(asked.base_url or asked.spec.url)
    if base is None:
        return None
    base = base.rstrip("/")
    path = urlsplit(base).path
    added = next((end for end in _ADDED if path.endswith(end)), None)
    if added is not None:
        shorter = base.removesuffix(added)
        if not _VERSION.search(shorter) and _wants_version(asked):
            shorter += "/v1"
        return _written(f"ends in {added}, which Segue adds by itself", shorter, asked)
    sent = urlsplit(error.address or "").path
    if not sent.startswith(f"{path}/"):
        return None
    rest = sent.removeprefix(path)
    begins = _VERSION.match(rest)
    if begins is not None and path.endswith(begins[0]):
        return _written(f"has {begins[0]} twice", base.removesuffix(begins[0]), asked)
    capital = _CAPITAL.search(path)
    if begins is None and capital is not None:
        lower = base.replace(capital[0], capital[0].lower())
        return _written(f"has {capital[0]} with a capital letter, which most hosts do not know", lower, asked)
    if begins is None and rest in _ADDED and not _VERSION.search(path) and _wants_version(asked):
        return _written("lacks /v1, which most hosts with this API need", f"{base}/v1", asked)
    return None


def _is_of_address(error: HTTPError | ProtocolError) -> bool:
    """Whether a wrong address may be the cause."""
    if not isinstance(error, HTTPError):
        return True
    if error.status == 200:
        return error.code is None  # some hosts answer a wrong path so
    return error.status in {404, 405} and error.code != NO_MODEL


def _wants_version(asked: Asked) -> bool:
    """Whether hosts of this kind have a version in their address, by the provider's own, or else by the wire."""
    own, conformance = asked.spec.url, asked.spec.conformance
    if asked.base_url is None:
        return False
    if own is not None and shown_address(own) != shown_address(asked.base_url):
        return _VERSION.search(urlsplit(own).path) is not None
    return conformance is not None and conformance.wire is not None and conformance.wire.startswith("openai_")


def _written(fault: str, base_url: str, asked: Asked) -> str:
    place = asked.base_url_from or f"base_url in [providers.{asked.name}]"
    return f"hint: the address {fault}: set {place} to {base_url}"
