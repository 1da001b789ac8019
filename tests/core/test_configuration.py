"""What a configuration file may say, and what is said of a wrong one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from understudy import ConfigError, Needs, Timeout
from understudy.config import load
from understudy.selection import Preferences

if TYPE_CHECKING:
    from pathlib import Path


def write(folder: Path, text: str) -> Path:
    path = folder / "understudy.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_the_users_file_stands_above_the_working_directorys(tmp_path: Path) -> None:
    """Chains, needs and order of the working directory are read under those of the user's own file."""
    environ = {"XDG_CONFIG_HOME": str(tmp_path / "home"), "MY_KEY": "canary-key"}
    write(tmp_path / "here", '[chains]\na = ["x/y"]\nb = ["x/z"]\n[needs]\nfast = "latency<=1"\n')
    write(
        tmp_path / "home" / "understudy",
        'order = ["x"]\nproxy = "http://127.0.0.1:1"\n[timeout]\nidle = 3\n[chains]\nb = [{ needs = "tools" }]\n'
        '[providers.x]\napi_key = "env:MY_KEY"\nbase_url = "http://127.0.0.1:2"\n',
    )
    config = load(True, environ=environ, directory=tmp_path / "here")
    assert config.chains == {"a": ("x/y",), "b": (Needs("tools"),)}
    assert config.needs == {"fast": Needs("latency<=1")}
    assert (config.preferences, config.timeout) == (Preferences(order=("x",)), Timeout(idle=3))
    assert len(config.sources) == 2
    key = config.providers["x"].api_key
    assert key is not None
    assert key.get_secret_value() == "canary-key"
    assert "canary" not in repr(config)


@pytest.mark.parametrize("text", ["[providers.x]", 'proxy = "http://a"', 'ca_file = "x"', "[timeout]\nidle = 1"])
def test_a_cloned_file_can_neither_redirect_nor_trust(text: str, tmp_path: Path) -> None:
    """A file of the working directory may hold no address, secret, proxy or the like."""
    write(tmp_path, text)
    with pytest.raises(ConfigError, match="working directory"):
        load(True, environ={"HOME": str(tmp_path / "none")}, directory=tmp_path)


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ({"provders": {}}, "did you mean 'providers'"),
        ({"zzz": 1}, "known are"),
        ({"providers": 1}, "must be a table"),
        ({"providers": {"x": {"api_key": "env:NOT_SET"}}}, "NOT_SET, which is not set"),
        ({"providers": {"x": {"base_url": 1}}}, "must be text"),
        ({"order": "x"}, "must be a list"),
        ({"order_by": "luck"}, "one of price, latency, context, weight"),
        ({"weights": {"x": True}}, "weights.x must be a number"),
        ({"order": [1]}, "must be text"),
        ({"chains": {"a": []}}, "at least one target"),
        ({"chains": {"a": [{"needs": "tools,,"}]}}, "chains.a"),
        ({"timeout": {"idle": True}}, "seconds above 0"),
        ({"timeout": {"idel": 1}}, "did you mean 'idle'"),
    ],
)
def test_a_wrong_setting_names_the_place_and_the_fix(table: dict[str, Any], told: str) -> None:
    """A wrong setting is a ConfigError that names where it stands and what would do."""
    with pytest.raises(ConfigError, match=told):
        load(table, environ={})


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    """A named file that is missing, or is no TOML, is an error; config=False reads none."""
    with pytest.raises(ConfigError, match="no such file"):
        load(tmp_path / "none.toml", environ={})
    with pytest.raises(ConfigError, match=r"understudy\.toml"):
        load(write(tmp_path, "a = = 1"), environ={})
    assert load(False).sources == ()
