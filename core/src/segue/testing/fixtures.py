"""Fixtures for the tests of applications, which pytest finds by itself wherever Segue is installed.

Every run of pytest imports this, so nothing but pytest is imported before a fixture is asked for.
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
    """A host on this machine that speaks the Chat Completions wire and does as the test says.

    It runs in a thread of its own, for sync and async tests alike: `answers`, `fails`, `calls_tool` and `does`
    script it at any time, ``requests`` is what came.
    """
    from .hosts import OpenAIHost
    from .threads import in_thread

    with in_thread(OpenAIHost()) as host:
        yield host


@pytest.fixture
def segue_environment(
    segue_host: OpenAIHost, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Lead every `Client` of the test to ``segue_host``, whichever provider it names.

    Each installed provider, and each row of data, asks the host and needs no key; ``openai`` goes first where none
    is named. Only classes that the application itself gives to a client are asked as they are. Keys and addresses
    of the environment and the user's configuration are hidden; the waits before retries are too short to notice;
    no call leaves this machine. Returns the path of the user's ``segue.toml``, for a test to write.
    """
    import os

    from ..config import load, user_file
    from ..registry import Installed, Registry
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
