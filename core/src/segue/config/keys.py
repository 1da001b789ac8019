"""Which key a provider uses: from code, else the file, else the environment, else the key store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

from ..errors import ConfigError
from ..values import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from ..provider.contract import Secret
    from .secrets import Reference
    from .settings import Config

Kind: TypeAlias = Literal["code", "config", "environment", "store"]


@dataclass(frozen=True, slots=True)
class KeySource:
    """One source of a provider's key; ``where`` is a file with its line, or a variable.

    ``fault`` is why the source cannot be used, such as a key store that other users may read.
    """

    kind: Kind
    where: str
    reference: Reference | None
    fault: str | None = None

    @property
    def obstacle(self) -> str | None:
        """Why there is no key, as far as this is known before the key is looked up; else None."""
        return self.fault if self.reference is None else self.reference.obstacle

    @property
    def shown(self) -> str:
        """What may be shown about the key: ``env:NAME``, ``file``, ``keyring``, ``set``."""
        return "broken" if self.reference is None else self.reference.shown

    def resolve(self) -> Secret:
        """Look up the key; ConfigError if it cannot be read."""
        if self.reference is None:
            raise ConfigError(self.fault or f"{self.where}: there is no key")
        return self.reference.resolve()


def find_key(
    config: Config,
    name: str,
    variables: Iterable[str] = (),
    *,
    environ: Mapping[str, str],
    given: str | Secret | None = None,
) -> KeySource | None:
    """The source of the key of provider ``name``; None if there is none."""
    return next(key_sources(config, name, variables, environ=environ, given=given), None)


def key_sources(
    config: Config,
    name: str,
    variables: Iterable[str] = (),
    *,
    environ: Mapping[str, str],
    given: str | Secret | None = None,
) -> Iterator[KeySource]:
    """Every source of the key of provider ``name``; the first one is used.

    ``given`` is the key from code, ``variables`` are the ones that the provider declares. The key store is opened
    only if no earlier source is enough.
    """
    from .secrets import KeyStore, Reference  # only where a key is looked for

    if given:
        text = given if isinstance(given, str) else given.get_secret_value()
        where = f"the key of {name!r} in code"
        try:
            if not isinstance(text, str):
                raise ValueError("is not text")
            yield KeySource("code", where, Reference(text, where=where, environ=environ))
        except ValueError as error:
            yield KeySource("code", where, None, f"{where} {error}")
    provider = config.providers.get(name)
    if provider is not None and provider.key is not None:
        yield KeySource("config", provider.key.where.partition(": ")[0], provider.key)
    for variable in variables:
        if environ.get(variable):
            yield KeySource("environment", variable, Reference(f"env:{variable}", where=variable, environ=environ))
    if config.keys_file is None:
        return
    path = str(config.keys_file)
    try:
        reference = KeyStore(config.keys_file, environ=environ).get(name)
    except ConfigError as error:
        yield KeySource("store", path, None, str(error))
        return
    if reference is not None:
        yield KeySource("store", path, reference)
