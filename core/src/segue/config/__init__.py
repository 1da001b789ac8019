"""``segue.toml`` and the environment → settings.

The file in the user's folder (or the one given) holds everything. One in the working directory may
have come with a cloned repository, so it may only say which models are wanted: chains, needs, order,
facts of models.
"""

from .environment import FILE_NAME, VARIABLES, Variable, keys_file, unknown_variables, user_file
from .keys import KeySource, find_key, key_sources
from .reading import Fault, Reading, Source, load, read, secret
from .settings import (
    PLACEHOLDER,
    ChainConfig,
    Config,
    PluginRule,
    PluginRules,
    ProviderConfig,
    TargetConfig,
    address_fault,
    is_loopback,
    is_placeholder,
)

__all__ = [
    "FILE_NAME",
    "PLACEHOLDER",
    "VARIABLES",
    "ChainConfig",
    "Config",
    "Fault",
    "KeySource",
    "PluginRule",
    "PluginRules",
    "ProviderConfig",
    "Reading",
    "Source",
    "TargetConfig",
    "Variable",
    "address_fault",
    "find_key",
    "is_loopback",
    "is_placeholder",
    "key_sources",
    "keys_file",
    "load",
    "read",
    "secret",
    "unknown_variables",
    "user_file",
]
