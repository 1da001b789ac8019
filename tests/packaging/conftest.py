"""Wheels to install from, made once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import wheelhouse

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="session")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheels of this repository, and of all that they need."""
    return wheelhouse.made(tmp_path_factory.mktemp("index") / "wheels")
