"""What a configuration file may say, and what is said of a wrong one."""

from __future__ import annotations

import copy
import os
import pickle
import subprocess
import sys
import tomllib
import traceback
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import SecretStr, ValidationError

from segue import Capabilities, ConfigError, Fact, Needs, Retry, Timeout
from segue.config import (
    VARIABLES,
    ChainConfig,
    ProviderConfig,
    TargetConfig,
    find_key,
    is_loopback,
    key_sources,
    load,
    models,
    read,
    secret,
    unknown_variables,
    user_file,
)
from segue.config.lines import MAX_DEPTH, DepthError, key_lines
from segue.config.secrets import KeyStore
from segue.provider.contract import Model
from segue.provider.host import Host
from segue.selection import Preferences

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CANARY = "canary-5f1e9b"


def write(folder: Path, text: str) -> Path:
    path = folder / "segue.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def fault_of(source: Any, **arguments: Any) -> str:
    """The message of the ConfigError, once it is sure that nothing about it holds the canary."""
    with pytest.raises(ConfigError) as caught:
        load(source, **{"environ": {}, **arguments})
    error = caught.value
    told = [str(error), repr(error), "".join(traceback.format_exception(error)), str(pickle.dumps(error))]
    seen: BaseException | None = error
    while seen is not None:
        told += [str(seen), repr(seen.__dict__)]
        if isinstance(seen, ValidationError):
            told += [str(seen.errors()), seen.json()]
        seen = seen.__context__
    assert CANARY not in " ".join(told)
    return str(error)


# ── what stands above what ───────────────────────────────────────────────────────────────────────────


def test_the_users_file_stands_above_the_working_directorys(tmp_path: Path) -> None:
    """Chains, needs and order of the working directory are read under those of the user's own file."""
    environ = {"XDG_CONFIG_HOME": str(tmp_path / "home"), "MY_KEY": "canary-key"}
    write(
        tmp_path / "here",
        '[chains]\na = ["x/y"]\nb = ["x/z"]\n[needs]\nfast = "latency<=1"\n[models."x/y"]\ncontext = 5\n',
    )
    write(
        tmp_path / "home" / "segue",
        'order = ["x"]\nproxy = "http://127.0.0.1:1"\n[timeout]\nidle = 3\n[chains]\nb = [{ needs = "tools" }]\n'
        '[providers.x]\napi_key = "env:MY_KEY"\nbase_url = "http://127.0.0.1:2"\n',
    )
    config = load(True, environ=environ, directory=tmp_path / "here")
    assert config.chains == {
        "a": ChainConfig((TargetConfig("x/y"),)),
        "b": ChainConfig((TargetConfig(Needs("tools")),)),
    }
    assert config.needs == {"fast": Needs("latency<=1")}
    assert (config.preferences, config.timeout) == (Preferences(order=("x",)), Timeout(idle=3))
    assert len(config.sources) == 2
    assert config.local_chains == {"a", "b"}
    assert config.models["x/y"]["context"].value == 5
    key = config.providers["x"].api_key
    assert key is not None
    assert key.get_secret_value() == "canary-key"
    assert "canary" not in repr(config)


def test_the_environment_stands_above_the_files(tmp_path: Path) -> None:
    """Each variable replaces its own key and leaves the rest of the table to the file."""
    path = write(tmp_path, "concurrency = 3\norder = ['a']\n[timeout]\nidle = 3\ntotal = 9\n[retry]\ncount = 7\n")
    environ = {
        "SEGUE_PROXY": "http://127.0.0.1:8",
        "SEGUE_CA_FILE": "/ca.pem",
        "SEGUE_ENVIRONMENT_PROXIES": "1",
        "SEGUE_ORDER": " openai , groq/x,",
        "SEGUE_ORDER_BY": "price",
        "SEGUE_CONCURRENCY": "5",
        "SEGUE_TIMEOUT_CONNECT": "1",
        "SEGUE_TIMEOUT_FIRST_EVENT": "2.5",
        "SEGUE_TIMEOUT_IDLE": "4",
        "SEGUE_RETRY_BASE": "0.1",
        "SEGUE_RETRY_CAP": "2",
    }
    config = load(path, environ=environ, directory=tmp_path)
    assert (config.proxy, config.ca_file, config.environment_proxies) == ("http://127.0.0.1:8", "/ca.pem", True)
    assert config.preferences == Preferences(order=("openai", "groq/x"), order_by="price")
    assert config.timeout == Timeout(connect=1, first_event=2.5, idle=4, total=9)
    assert (config.retry, config.concurrency) == (Retry(count=7, base=0.1, cap=2), 5)


def test_every_declared_variable_of_a_key_is_one_of_the_form() -> None:
    """A variable stands above a key that the file has."""
    tables = {"timeout": models.TimeoutTable, "retry": models.RetryTable, "downloads": models.DownloadsTable}
    for variable in VARIABLES:
        match variable.key:
            case ():
                continue
            case (key,):
                assert key in models.KEYS
            case (table, key):
                assert key in tables[table].model_fields


def test_the_file_is_named_by_a_variable_or_is_none(tmp_path: Path) -> None:
    """SEGUE_CONFIG names the file to read, empty or 0 no file at all; one that is missing is told."""
    other = tmp_path / "other.toml"
    other.write_text("concurrency = 4\n")
    write(tmp_path / "segue", "concurrency = 3\n")
    write(tmp_path / "here", "order = ['a']\n")
    home, here = {"XDG_CONFIG_HOME": str(tmp_path)}, tmp_path / "here"
    assert load(environ=home, directory=here).concurrency == 3
    assert load(environ={**home, "SEGUE_CONFIG": str(other)}, directory=here).concurrency == 4
    for nothing in ("", "0"):
        assert load(environ={**home, "SEGUE_CONFIG": nothing}, directory=here).sources == ()
    named = {**home, "SEGUE_CONFIG": str(tmp_path / "none")}
    assert fault_of(True, environ=named, directory=here) == f"{tmp_path / 'none'}: the file does not exist"


@pytest.mark.parametrize("source", [False, {}])
def test_without_files_nothing_of_ours_is_read_from_the_environment(source: Any, tmp_path: Path) -> None:
    """With False, as with a mapping, neither variables nor the key store are looked at."""
    config = load(source, environ={"SEGUE_PROXY": "http://127.0.0.1:8", "HOME": str(tmp_path)})
    assert (config.proxy, config.keys_file) == (None, None)


def test_a_wrong_variable_is_named_without_its_value() -> None:
    """Of a variable that cannot be read its name is told."""
    for name, text in [
        ("SEGUE_TIMEOUT_IDLE", "must be a number"),
        ("SEGUE_CONCURRENCY", "must be a whole number"),
        ("SEGUE_ENVIRONMENT_PROXIES", "must be 1 or 0"),
        ("SEGUE_PROXY", "must be an address"),
        ("SEGUE_ORDER_BY", "must be 'price', 'latency', 'context' or 'weight'"),
    ]:
        told = fault_of(True, environ={"SEGUE_CONFIG": "0", name: CANARY})
        assert told.startswith(f"{name}: ")
        assert text in told


def test_unknown_variables_come_with_the_nearest_name() -> None:
    """What looks like a variable of ours and is none is found."""
    environ = {"SEGUE_PROXI": "", "SEGUE_NO_NETWORK": "1", "OTHER": "", "SEGUE_": ""}
    assert unknown_variables(environ)[-1] == ("SEGUE_PROXI", "SEGUE_PROXY")
    assert [name for name, _ in unknown_variables(environ)] == ["SEGUE_", "SEGUE_PROXI"]


def test_a_relative_folder_for_configuration_is_none() -> None:
    """A relative XDG_CONFIG_HOME would lead into the working directory, so it does not count."""
    assert user_file({"XDG_CONFIG_HOME": "here", "HOME": "/home/me"}).as_posix() == (
        "/home/me/.config/segue/segue.toml"
    )


def test_certificates_are_looked_for_beside_the_file_that_names_them(tmp_path: Path) -> None:
    """A relative ca_file is not the working directory's."""
    path = write(tmp_path / "a", 'ca_file = "ca.pem"')
    assert load(path, environ={}, directory=tmp_path).ca_file == str(tmp_path / "a" / "ca.pem")


# ── a file of the working directory ──────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "text",
    [
        "[providers.x]",
        'proxy = "http://a"',
        'ca_file = "x"',
        "[timeout]\nidle = 1",
        "environment_proxies = true",
        "[retry]\ncount = 99",
        "concurrency = 1",
        '[providers.openai]\nbase_url = "http://evil.example"',
    ],
)
def test_a_cloned_file_can_neither_redirect_nor_trust(text: str, tmp_path: Path) -> None:
    """A file of the working directory may hold no address, secret, proxy or the like; its line and the fix are told."""
    write(tmp_path, f"order = ['x']\n\n{text}")
    told = fault_of(True, environ={"HOME": str(tmp_path / "none")}, directory=tmp_path)
    assert told.startswith(f"{tmp_path / 'segue.toml'}:3: ")
    assert "working directory" in told
    assert str(tmp_path / "none" / ".config" / "segue" / "segue.toml") in told


def test_what_may_not_stand_in_a_cloned_file_is_not_used_either(tmp_path: Path) -> None:
    """Its faults are told and its tables left alone, also where nobody raises them."""
    write(tmp_path, 'order = ["x"]\n[providers.openai]\nbase_url = "http://evil.example"\n')
    reading = read(True, environ={"HOME": str(tmp_path / "none")}, directory=tmp_path)
    assert reading.config.providers == {}
    assert len(reading.faults) == 1


def test_a_link_in_the_working_directory_is_refused(tmp_path: Path) -> None:
    """Otherwise its errors would tell the names in a file that somebody else chose."""
    target = tmp_path / "secret.toml"
    target.write_text(f'{CANARY} = "{CANARY}"')
    (tmp_path / "segue.toml").symlink_to(target)
    assert "a link" in fault_of(True, environ={"HOME": str(tmp_path / "none")}, directory=tmp_path)


def test_the_users_own_file_is_itself_in_its_own_folder(tmp_path: Path) -> None:
    """Where the working directory is the user's folder, its file is the trusted one; so is one that was named."""
    path = write(tmp_path / "segue", "concurrency = 2")
    config = load(True, environ={"XDG_CONFIG_HOME": str(tmp_path)}, directory=path.parent)
    assert (config.concurrency, len(config.sources)) == (2, 1)
    assert load(path, environ={}, directory=path.parent).concurrency == 2


def test_what_is_no_regular_file_is_left_alone(tmp_path: Path) -> None:
    """A pipe by that name in the working directory is not waited for; named, it is refused."""
    os.mkfifo(tmp_path / "segue.toml")
    assert load(True, environ={"HOME": str(tmp_path / "none")}, directory=tmp_path).sources == ()
    assert "not a regular file" in fault_of(tmp_path / "segue.toml", directory=tmp_path / "none")


def test_a_huge_file_is_refused(tmp_path: Path) -> None:
    """More than a mebibyte is not read."""
    write(tmp_path, "#" * (1024 * 1024 + 1))
    assert "larger than 1024 KiB" in fault_of(True, environ={"HOME": str(tmp_path / "none")}, directory=tmp_path)


@pytest.mark.parametrize(
    "text",
    ["a = " + "[" * 20_000, "a = " + "{a=" * 20_000, "a." * 200_000 + "b = 1", "[" + "a." * 200_000 + "b]"],
)
def test_deep_nesting_is_refused_with_its_line(text: str, tmp_path: Path) -> None:
    """What would break or busy the parser is refused before it."""
    write(tmp_path, "\n" + text)
    told = fault_of(True, environ={"HOME": str(tmp_path / "none")}, directory=tmp_path)
    assert told == f"{tmp_path / 'segue.toml'}:2: nested deeper than {MAX_DEPTH}"


# ── what is wrong ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ({"provders": {}}, "unknown key 'provders'; did you mean 'providers'"),
        ({"zzz": 1}, "expected one of"),
        ({"providers": 1}, "providers must be a table"),
        ({"providers": {"x": 1}}, "providers.x must be a table"),
        ({"providers": {"x": {"apikey": CANARY}}}, "providers.x: unknown key 'apikey'; did you mean 'api_key'"),
        ({"providers": {"x": {"base_url": 1}}}, "providers.x.base_url must be text"),
        ({"providers": {"x": {"base_url": f"http://{CANARY}@host"}}}, "without user"),
        ({"providers": {"x": {"base_url": f"https://host?key={CANARY}"}}}, "without user"),
        ({"providers": {"x": {"base_url": f"ftp://{CANARY}"}}}, "must be an address"),
        ({"providers": {"x": {"base_url": f"http://[{CANARY}"}}}, "must be an address"),
        ({"providers": {"x": {"api_key": ""}}}, "it is empty"),
        ({"providers": {"x": {"api_key": f"{CANARY} two"}}}, "white space"),
        ({"providers": {"x": {"api_key": f"{CANARY}\x00"}}}, "not allowed in a header"),
        ({"providers": {"x": {"api_key": f"{CANARY}é漢"}}}, "not allowed in a header"),
        ({"providers": {"x": {"api_key": f"file:{CANARY}"}}}, "begins with"),
        ({"providers": {"x": {"api_key": "env:"}}}, "name of a variable"),
        ({"providers": {"x": {"api_key": "keyring:"}}}, "must have a name"),
        ({"providers": {"x": {"api_key": 5}}}, "must be text"),
        ({"providers": {"x": {"proxy": CANARY}}}, "must be an address"),
        ({"providers": {"x": {"headers": {"a": f"{CANARY}\r\nb: c"}}}}, "not allowed in a header"),
        ({"providers": {"x": {"headers": {"a b": CANARY}}}}, "is not a header name"),
        ({"providers": {"x": {"concurrency": 0}}}, "must be a whole number of at least 1"),
        ({"providers": {"x": {"concurrency": True}}}, "must be a whole number"),
        ({"providers": {"X Y": {}}}, "is not a provider name"),
        ({"providers": {"x": {"quirks": ["no_sed"]}}}, "did you mean 'no_seed'"),
        ({"providers": {"x": {"quirks": [CANARY]}}}, r"quirks\[0\] is not a quirk"),
        ({"providers": {"x": {"wire": CANARY}}}, "must be 'openai_chat'"),
        ({"providers": {"x": {"wire": "openai_chat"}}}, "needs a base_url"),
        ({"providers": {"x": {"models": ["a"]}}}, "add wire = "),
        ({"providers": {"x": {"models": [{"context": 1}]}}}, r"models\[0\].name is missing"),
        ({"providers": {"x": {"models": [{"name": "a", "context": [CANARY]}]}}}, "true, false, a number or a word"),
        ({"providers": {"x": {"capabilities": {"Vision": True}}}}, "is not a fact name"),
        ({"providers": {"x": {"env": "a b"}}}, "name of a variable"),
        ({"models": {"x": {}}}, "must be provider/model"),
        ({"models": {"x/y": {"context": float("nan")}}}, 'models."x/y".context must be'),
        ({"order": CANARY}, "order must be a list"),
        ({"order_by": CANARY}, "order_by must be 'price', 'latency', 'context' or 'weight'"),
        ({"weights": {"x": True}}, "weights.x must be a number"),
        ({"weights": {"x": float("inf")}}, "weights.x must be a finite number"),
        ({"order": [1]}, r"order\[0\] must be text"),
        ({"order": [""]}, "must be text, and not empty"),
        ({"chains": {"a": []}}, "at least one target"),
        ({"chains": {"a": {"target": ["x"]}}}, "did you mean 'targets'"),
        (
            {"chains": {"a": [{"needs": f"{CANARY},,"}]}},
            r"chains.a\[0\].needs cannot be read as needs from character 7",
        ),
        ({"chains": {"a": [{"need": "tools"}]}}, "did you mean 'needs'"),
        ({"needs": {"a": 1}}, "needs.a must be text"),
        ({"timeout": {"idle": True}}, "timeout.idle must be a number of seconds greater than 0"),
        ({"timeout": {"idle": -1}}, "seconds greater than 0"),
        ({"timeout": {"idel": 1}}, "timeout: unknown key 'idel'; did you mean 'idle'"),
        ({"retry": {"count": -1}}, "at least 0"),
        ({"environment_proxies": "yes"}, "must be true or false"),
        ({"ca_file": ""}, "must be text, and not empty"),
    ],
)
def test_a_wrong_setting_names_the_place_and_the_fix(table: dict[str, Any], told: str) -> None:
    """A wrong setting is a ConfigError that names where it stands and what would do, and shows no value."""
    message = fault_of(table)
    assert message.startswith("config: ")
    with pytest.raises(ConfigError, match=told):
        load(table, environ={})


def test_all_faults_are_told_at_once_each_with_its_line(tmp_path: Path) -> None:
    """A line of the message for each fault, in every file and variable."""
    user = write(tmp_path / "segue", 'orders = 1\n\n[providers.x]\nbase_url = 5\n"api key" = "k"\n')
    local = write(tmp_path / "here", 'order = [\n  "x",\n  7,\n]\n')
    environ = {"XDG_CONFIG_HOME": str(tmp_path), "SEGUE_RETRY_CAP": "soon"}
    told = fault_of(True, environ=environ, directory=local.parent).splitlines()
    assert {line.partition(": ")[0] for line in told} == {
        f"{local}:3",
        f"{user}:1",
        f"{user}:4",
        f"{user}:5",
        "SEGUE_RETRY_CAP",
    }


def test_a_thousand_faults_are_not_a_thousand_lines() -> None:
    """After twenty the rest is counted."""
    told = fault_of({f"key{number}": 1 for number in range(1000)}).splitlines()
    assert (len(told), told[-1]) == (21, "config: and 980 more")


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    """A named file that is missing, or is no TOML or text, is an error with its line; config=False reads none."""
    assert "does not exist" in fault_of(tmp_path / "none.toml")
    path = write(tmp_path, f'a = 1\nb = "{CANARY}" {CANARY}\n')
    assert fault_of(path, directory=tmp_path).startswith(f"{path}:2: it is not valid TOML: ")
    write(tmp_path, f'a = 1\nb = "{CANARY}')
    assert fault_of(path, directory=tmp_path).startswith(f"{path}:2: it is not valid TOML: ")
    write(tmp_path, "a = 1" + "0" * 5000)
    assert "too long" in fault_of(path, directory=tmp_path)
    path.write_bytes(b"a = 1\n\nb = '\xff'")
    assert fault_of(path, directory=tmp_path) == f"{path}:3: it is not UTF-8 text"
    assert load(False).sources == ()


def test_a_mapping_in_itself_is_refused() -> None:
    """What code gives may have no end, unlike a file."""
    table: dict[str, Any] = {}
    table["providers"] = table
    assert fault_of(table) == "config: nested too deeply"


def test_a_mapping_may_be_of_any_kind() -> None:
    """Tuples are lists and any Mapping is a table."""
    config = load(MappingProxyType({"order": ("a", "b"), "chains": MappingProxyType({"c": ("a",)})}), environ={})
    assert (config.preferences.order, config.chains["c"]) == (("a", "b"), ChainConfig((TargetConfig("a"),)))


_VALUES = st.recursive(
    st.one_of(st.booleans(), st.integers(-5, 5), st.floats(), st.just(CANARY), st.text(max_size=3).map(CANARY.__add__)),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from([*models.KEYS, "x", "a/b"]), inner),
    max_leaves=8,
)
_TABLES = st.dictionaries(st.sampled_from([*models.KEYS, "x"]), _VALUES | st.dictionaries(
    st.sampled_from(["x", "a/b", *models.ProviderTable.model_fields, "idle", "count", "targets"]),
    _VALUES | st.dictionaries(st.sampled_from([*models.ProviderTable.model_fields, "context", "targets"]), _VALUES),
))  # fmt: skip


@given(_TABLES)
def test_no_value_of_a_wrong_configuration_is_ever_shown(table: dict[str, Any]) -> None:
    """Whatever is wrong, the error and all that hangs on it hold key names only."""
    try:
        load(table, environ={})
    except ConfigError:
        fault_of(table)


# ── lines ────────────────────────────────────────────────────────────────────────────────────────────


def paths(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Every place in a parsed document."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield (*path, key)
        yield from paths(inner, (*path, key))


def test_lines_of_every_way_to_write_a_key() -> None:
    """Headers, arrays of tables, dotted and quoted keys, inline tables, multi-line text and lists keep their lines."""
    text = '''# a comment = 1
a.b."c.d" = """
x = 1
[no.table]""" # y = 2
'q k' = [ # [
  1, "]",
  { t = [2,
    3] },
]
[t.u]
"\\u0061\\"" = \'\'\'it''s
k = 1\'\'\'\'
when = 1979-05-27 07:32:00
[[l]]
n = 1
[[l]]
[l.sub]
m = { x = {}, y.z = "\\"}" }
[[l.inner]]
[[l.inner]]
o = ""
'''
    assert set(key_lines(text)) == set(paths(tomllib.loads(text)))
    lines = key_lines(text)
    assert lines["a",] == lines["a", "b"] == lines["a", "b", "c.d"] == 2
    assert (lines["q k",], lines["q k", 0], lines["q k", 2], lines["q k", 2, "t", 1]) == (5, 6, 7, 8)
    assert (lines["t", "u"], lines["t", "u", 'a"'], lines["t", "u", "when"]) == (10, 11, 13)
    assert (lines["l", 0], lines["l", 0, "n"], lines["l", 1], lines["l", 1, "sub"]) == (14, 15, 16, 17)
    assert (lines["l", 1, "sub", "m", "y", "z"], lines["l", 1, "inner", 1], lines["l", 1, "inner", 1, "o"]) == (
        18,
        20,
        21,
    )


_KEY_TEXTS = st.sampled_from(["a", "b-1", '"q k"', "'l.k'", '"\\u0063\\""', "a.b", 'a . "x"', "1"])
_GAPS = st.sampled_from(["", " ", "\n", " # c ] } \" '\n", "\r\n"])
_SCALARS = st.sampled_from(
    ["1", "-1.5e3", "true", "inf", "1979-05-27 07:32:00Z", '""', "''", '"a\\"b # [" ', "'x = 1'", '"""\n[t]\nk = 1"""',
     "'''\n\"\n'''", '""""q""""', '"""\\\n  x"""', "''''q''''"]
)  # fmt: skip
_INLINE = st.recursive(
    _SCALARS,
    lambda inner: (
        st.builds(lambda parts, gap: "[" + gap + f",{gap}".join(parts) + gap + "]", st.lists(inner, max_size=3), _GAPS)
        | st.builds(
            lambda pairs: "{ " + ", ".join(f"{key} = {value}" for key, value in pairs) + " }",
            st.lists(st.tuples(_KEY_TEXTS, inner), max_size=3),
        )
    ),
    max_leaves=6,
)
_LINES = st.one_of(
    st.builds(lambda key, value: f"{key} = {value}", _KEY_TEXTS, _INLINE),
    st.builds(lambda key: f"[{key}]", _KEY_TEXTS),
    st.builds(lambda key: f"[[{key}]]", _KEY_TEXTS),
    st.sampled_from(["", "# [c]"]),
)


@given(st.lists(_LINES, max_size=8), st.sampled_from(["\n", "\r\n"]))
def test_every_key_of_a_document_has_a_line_on_which_it_can_be_written(lines: list[str], end: str) -> None:
    """Of what the parser reads exactly each key and element is found, and a header or pair where it was written."""
    text = end.join(lines)
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        key_lines(text)  # finds what it can
        return
    found = key_lines(text)
    assert set(found) == set(paths(document))
    written = text.split("\n")
    for path, line in found.items():
        name = path[-1]
        if name in {"a", "b-1", "q k", "l.k", "x"}:
            assert str(name) in written[line - 1]
        if len(path) > 1:
            assert line >= found[path[:-1]]


@given(st.lists(_LINES, min_size=1, max_size=6), st.data())
def test_the_line_of_each_statement_is_where_it_stands(lines: list[str], data: st.DataObject) -> None:
    """A key of its own is found on the line where it was put, whatever stands before it."""
    place = data.draw(st.integers(0, len(lines)))
    before = "\n".join(lines[:place])
    text = "\n".join([before, "only_here = 1", *lines[place:]])
    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return
    (line,) = [line for path, line in key_lines(text).items() if path[-1] == "only_here"]
    assert text.split("\n")[line - 1] == "only_here = 1"


@given(st.text(st.sampled_from("ab=.[]{},\"'\\#\n\r \t1_-é")))
@example('"""' + '"' * 50)
@example('a = "\\')
def test_no_text_breaks_the_search_for_lines(text: str) -> None:
    """It finds all that the parser reads, and of anything else what it can."""
    found = key_lines(text)
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return
    assert set(found) == set(paths(document))


def test_the_depth_that_is_refused_is_one_more_than_the_depth_that_is_read() -> None:
    """Keys and lists count alike."""
    deepest = "a = " + "[" * (MAX_DEPTH - 1) + "]" * (MAX_DEPTH - 1)
    assert key_lines(deepest)
    with pytest.raises(DepthError, match=str(MAX_DEPTH)):
        key_lines("a = " + "[" * MAX_DEPTH + "1" + "]" * MAX_DEPTH)


# ── providers ────────────────────────────────────────────────────────────────────────────────────────


def test_a_table_with_a_wire_is_a_host_of_ones_own(tmp_path: Path) -> None:
    """Models, facts, quirks and the key's variable come from the table, and say where it stands."""
    path = write(
        tmp_path,
        '[providers.my-host]\nwire = "openai_chat"\nbase_url = "https://host.example/v1"\nquirks = ["no_seed"]\n'
        'models = ["a", { name = "b", context = 8000, vision = false, kind = "chat" }]\n'
        "capabilities = { tools = true }\n",
    )
    host = load(path, environ={}, directory=tmp_path).providers["my-host"].host("my-host")
    source = f"{path}:1"
    assert host == Host(
        name="my-host",
        url="https://host.example/v1",
        env=("MY_HOST_API_KEY",),
        models=(
            Model("a"),
            Model("b", Capabilities({"context": 8000, "vision": False, "kind": "chat"}, source=source)),
        ),
        capabilities=Capabilities({"tools": Fact(True, source)}),
        quirks=("no_seed",),
        source=source,
    )
    assert [model.name for model in host.spec().offers()] == ["a", "b"]


@pytest.mark.parametrize(
    ("address", "rest", "variables"),
    [
        ("https://host.example/v1", {}, ("X_API_KEY",)),
        ("https://host.example/v1", {"env": "OTHER"}, ("OTHER",)),
        ("https://host.example/v1", {"key_required": False}, ()),
        ("http://127.0.0.1:8000/v1", {}, ()),
        ("http://localhost/v1", {"key_required": True}, ("X_API_KEY",)),
        ("http://localhost/v1", {"env": "OTHER"}, ("OTHER",)),
    ],
)
def test_a_host_needs_a_key_unless_it_is_here_or_says_otherwise(
    address: str, rest: dict[str, Any], variables: tuple[str, ...]
) -> None:
    """On this machine no key is needed, unless the table names one."""
    table = {"wire": "openai_chat", "base_url": address, **rest}
    assert load({"providers": {"x": table}}, environ={}).providers["x"].env == variables


def test_a_provider_that_is_installed_is_no_row() -> None:
    """Without a wire there is no host."""
    assert ProviderConfig(base_url="http://localhost").host("x") is None


@pytest.mark.parametrize(
    ("url", "here"),
    [("http://127.0.0.1:1", True), ("http://[::1]/", True), ("http://localhost", True),
     ("http://localhost.evil", False), (None, False), ("http://[", False),
     ("127.0.0.1:11434", True), ("localhost", True), ("evil.example:11434", False)],
)  # fmt: skip
def test_what_is_on_this_machine(url: str | None, here: bool) -> None:
    """Loopback addresses and localhost are."""
    assert is_loopback(url) is here


def test_facts_of_models_tell_their_place(tmp_path: Path) -> None:
    """What the user states of a model names the file and line."""
    path = write(tmp_path, '\n[models."openai/gpt-4o"]\ncontext = 9\nvision = true\n')
    facts = load(path, environ={}, directory=tmp_path).models["openai/gpt-4o"]
    assert facts.fact("context") == Fact(9, f"{path}:2")


# ── keys ─────────────────────────────────────────────────────────────────────────────────────────────


def test_code_stands_above_the_file_the_environment_and_the_key_store(tmp_path: Path) -> None:
    """The sources of a key come in that order, and the first of them counts."""
    path = write(tmp_path, '[providers.x]\napi_key = "from-file"\n')
    environ = {"XDG_CONFIG_HOME": str(tmp_path), "X_KEY": "from-environment"}
    config = load(path, environ=environ, directory=tmp_path)
    assert config.keys_file is not None
    KeyStore(config.keys_file).set("x", "from-store")
    sources = list(key_sources(config, "x", ["NOT_SET", "X_KEY"], environ=environ, given=SecretStr("from-code")))
    assert [(source.kind, source.resolve().get_secret_value()) for source in sources] == [
        ("code", "from-code"),
        ("config", "from-file"),
        ("environment", "from-environment"),
        ("store", "from-store"),
    ]
    assert [source.where for source in sources[1:]] == [f"{path}:2", "X_KEY", str(config.keys_file)]
    first = find_key(config, "x", ["X_KEY"], environ=environ)
    assert first is not None
    assert first.kind == "config"
    assert find_key(config, "y", environ=environ) is None


def test_a_broken_reference_stops_nobody_who_does_not_want_it(tmp_path: Path) -> None:
    """It is read without a word, known to be an obstacle, and raised, with its place, when it is looked up."""
    path = write(tmp_path, '[providers.a]\napi_key = "env:NOT_SET"\n[providers.b]\napi_key = "k"\n')
    config = load(path, environ={}, directory=tmp_path)
    told = f"{path}:2: providers.a.api_key names the variable NOT_SET, which is not set"
    source = find_key(config, "a", environ={})
    assert source is not None
    assert source.obstacle == told
    with pytest.raises(ConfigError) as caught:
        source.resolve()
    assert str(caught.value) == told
    assert find_key(config, "b", environ={}).resolve().get_secret_value() == "k"  # type: ignore[union-attr]


def test_a_key_store_that_cannot_be_used_is_an_obstacle_of_those_who_need_it(tmp_path: Path) -> None:
    """It stops neither reading nor a provider whose key stands elsewhere."""
    store = tmp_path / "keys.toml"
    store.write_text('x = "k"')
    store.chmod(0o644)
    config = load(True, environ={"SEGUE_KEYS": str(store), "SEGUE_CONFIG": "0"})
    source = find_key(config, "x", environ={})
    assert source is not None
    assert source.shown == "broken"
    assert "chmod 600" in str(source.obstacle)
    with pytest.raises(ConfigError, match="chmod 600"):
        source.resolve()
    assert find_key(config, "x", ["A"], environ={"A": "k"}).obstacle is None  # type: ignore[union-attr]


def test_a_wrong_key_in_code_is_an_obstacle_without_its_text() -> None:
    """What can be no key is told by its provider."""
    source = find_key(load(False), "x", environ={}, given=f"{CANARY} two")
    assert source is not None
    assert (source.reference, source.obstacle) == (
        None,
        "the key of 'x' in code is not a valid key: it contains white space",
    )


def test_settings_show_and_pickle_no_secret() -> None:
    """Keys, headers, options and proxies are in no repr, and settings are not pickled at all."""
    config = load(
        {
            "proxy": f"http://u:{CANARY}@127.0.0.1:1",
            "providers": {
                "x": {
                    "api_key": SecretStr(CANARY),
                    "headers": {"x-key": CANARY},
                    "options": {"key": CANARY},
                    "proxy": f"http://u:{CANARY}@127.0.0.1:1",
                }
            },
        },
        environ={},
    )
    assert CANARY not in repr(config) + str(config) + repr(config.providers["x"])
    for value in (config, config.providers["x"], config.providers["x"].key, config.providers["x"].api_key):
        with pytest.raises(TypeError, match="pickled"):
            pickle.dumps(value)
    assert copy.deepcopy(config.providers["x"].key) is config.providers["x"].key
    assert (repr(secret(CANARY)), secret(CANARY).get_secret_value()) == ("Key('**********')", CANARY)
    table = models.File.model_validate({"providers": {"x": {"api_key": CANARY, "headers": {"a": CANARY}}}})
    assert CANARY not in repr(table) + table.model_dump_json(exclude={"providers": {"x": {"headers"}}})


def test_every_key_of_the_form_says_what_it_is() -> None:
    """The reference can be made from the models: no key is without a description."""
    schema = models.File.model_json_schema()
    for table in (schema, *(schema["$defs"][name] for name in schema["$defs"] if name.endswith(("Table", "Target")))):
        assert table["description"]
        assert all(field.get("description") for field in table["properties"].values())


def test_reading_nothing_loads_nothing_heavy() -> None:
    """Who names the settings, or reads none, pays for neither pydantic nor aiohttp."""
    code = (
        "import sys, segue.config as config; config.load(False); "
        "print(sorted({'pydantic', 'aiohttp', 'keyring'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
