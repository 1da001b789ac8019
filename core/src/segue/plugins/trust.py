"""Which distributions' plugins are imported, by the configuration (allow, deny) and the environment."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

from ..config import PluginRule, PluginRules
from ..errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .entries import Entry

VARIABLE: Final = "SEGUE_PLUGINS"


class Trust:
    """Decides whether an entry point is imported, and says why not."""

    def __init__(self, rules: PluginRules, environ: Mapping[str, str]) -> None:
        self.rules = rules
        named = environ.get(VARIABLE)
        self._named = None if named is None else _named(named)
        self._records: dict[str, str] = {}

    def obstacle(self, entry: Entry) -> str | None:
        """Why it is not imported; None if it may be imported."""
        if self.rules.unread:
            return "the configuration that decides whether it may be imported is not valid"
        if self._named is not None and not self._any(self._named, entry):
            return f"{VARIABLE} does not name it"
        if self._any(self.rules.deny, entry):
            return "[plugins] deny names it"
        if self.rules.allow is None or self._any(self.rules.allow, entry):
            return None
        if any(rule.names(entry.distribution) for rule in self.rules.allow):
            return "[plugins] allow names another version or other contents of it"
        return "[plugins] allow does not name it"

    def allows(self, entry: Entry) -> bool:
        """Whether it may be imported."""
        return self.obstacle(entry) is None

    def _any(self, rules: tuple[PluginRule, ...], entry: Entry) -> bool:
        return any(
            rule.names(entry.distribution)
            and rule.version in {None, entry.version}
            and (rule.record is None or rule.record == self._record(entry))
            for rule in rules
        )

    def _record(self, entry: Entry) -> str:
        if entry.distribution not in self._records:
            self._records[entry.distribution] = record_of(entry) or ""
        return self._records[entry.distribution]


def record_of(entry: Entry) -> str | None:
    """The SHA-256 of the list of installed files with their hashes (RECORD); None without that list."""
    from importlib.metadata import PackageNotFoundError, distribution

    try:
        text = distribution(entry.distribution).read_text("RECORD")
    except PackageNotFoundError:
        return None
    return None if text is None else hashlib.sha256(text.encode()).hexdigest()


def _named(text: str) -> tuple[PluginRule, ...]:
    try:
        return tuple(PluginRule.read(name) for name in text.split(",") if name.strip())
    except ValueError as error:
        raise ConfigError(f"{VARIABLE}: {error}") from None
