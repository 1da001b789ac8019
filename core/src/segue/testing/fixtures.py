"""Fixtures for the tests of applications, which pytest finds automatically if Segue is installed.

Every run of pytest imports this module, so it imports only pytest until a test uses a fixture.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from .hosts import OpenAIHost


@pytest.fixture
def segue_host() -> Iterator[OpenAIHost]:
    """A host on this machine that uses the Chat Completions wire and does what the test says.

    It runs in a separate thread, so it works in sync and async tests: `answers`, `fails`, `calls_tool` and `does`
    script it at any time; ``requests`` are the requests that it received.
    """
    from .hosts import OpenAIHost
    from .threads import in_thread

    with in_thread(OpenAIHost()) as host:
        yield host


@pytest.fixture
def segue_environment(
    segue_host: OpenAIHost, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Send the requests of every `Client` in the test to ``segue_host``, whichever provider they name.

    Each installed provider and each row uses this host and needs no key; without a name, ``openai`` is first.
    Only provider classes that the application passes to a client keep their own host. Keys and addresses in the
    environment, and the user's configuration, are hidden; waits before retries are very short; no call leaves
    this machine. Returns the path of the user's ``segue.toml``, which a test can write.
    """
    import os

    from ..config import load, user_file
    from ..plugins.registry import Installed, Registry
    from .stand_in import KEY, stand_in

    for installed in Registry(rules=load().plugins).installed.values():
        for name in (*installed.spec.env, installed.spec.base_url_env):
            if name is not None:
                monkeypatch.delenv(name, raising=False)
    for name in [name for name in os.environ if name.startswith("SEGUE_") and name != "SEGUE_CACHE"]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("SEGUE_NO_NETWORK", "1")
    monkeypatch.setenv("SEGUE_ORDER", "openai")
    monkeypatch.setenv("SEGUE_RETRY_BASE", "0.001")
    monkeypatch.setenv("OPENAI_BASE_URL", segue_host.url)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setattr(Installed, "replacement", lambda spec: stand_in(spec, segue_host.url))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("config")))
    file = user_file(os.environ)
    file.parent.mkdir()
    return file
