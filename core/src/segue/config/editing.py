"""Change one key of the user's ``segue.toml``; the rest of the file, also its comments, stays unchanged."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ..errors import ConfigError
from .environment import named_file, user_file
from .lines import Spans, spans_of
from .reading import MAX_BYTES

if TYPE_CHECKING:
    from collections.abc import Mapping

_MARK: Final = "\N{ZERO WIDTH NO-BREAK SPACE}"  # which some editors put first
_TABLE: Final = ("default",)
_KEY: Final = ("default", "model")


def writable_file(given: str | None, environ: Mapping[str, str]) -> Path:
    """The user's file, or the file that replaces it; ConfigError if ``SEGUE_CONFIG`` switches the file off."""
    named = named_file(environ) if given is None else Path(given)
    if named is False:
        raise ConfigError("SEGUE_CONFIG is empty or 0, which means that there is no file: give a file with --config")
    return user_file(environ) if named is None else named


def write_default(path: Path, name: str) -> None:
    """Set ``[default] model`` in this file, which is created if it does not exist; ConfigError if this fails."""
    try:
        text = _read(path)
        changed = with_default(text, name)
        _replace(path, changed)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or type(error).__name__}") from None
    except ValueError as error:
        raise ConfigError(f"{path}: {error}; set model in [default] by hand") from None


def remove_default(path: Path) -> bool:
    """Remove ``[default] model`` from this file; False if it is not set there; ConfigError if this fails."""
    try:
        text = _read(path)
        changed = without_default(text)
        if changed != text:
            _replace(path, changed)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or type(error).__name__}") from None
    except ValueError as error:
        raise ConfigError(f"{path}: {error}; delete model in [default] by hand") from None
    return changed != text


def without_default(text: str) -> str:
    """The text of a file without a default; ValueError if it is not TOML, or if the default cannot be removed."""
    mark, text = (_MARK, text[1:]) if text.startswith(_MARK) else ("", text)
    before = _parsed(text)
    if "model" not in before.get("default", {}):
        return mark + text
    spans = spans_of(text)
    start, end = spans.values[_TABLE if _TABLE in spans.values else _KEY]
    changed = _without_header(_without_lines(text, start, end))
    left = {name: value for name, value in before["default"].items() if name != "model"}
    with contextlib.suppress(tomllib.TOMLDecodeError):
        if {"default": {}, **tomllib.loads(changed)} == {**before, "default": left}:
            return mark + changed
    raise ValueError("the default cannot be removed from it")


def _without_lines(text: str, start: int, end: int) -> str:
    """The text without the whole lines from one place to another."""
    after = text.find("\n", end)
    return text[: text.rfind("\n", 0, start) + 1] + ("" if after < 0 else text[after + 1 :])


def _without_header(text: str) -> str:
    """The text without the header of the default's table, if nothing else is in the table, not even a comment."""
    end = spans_of(text).headers.get(_TABLE)
    if end is None:
        return text
    after = text[end:].lstrip()
    if after and not (after.startswith("[") and text[end:].startswith(("\n", "\r\n"))):
        return text
    if after:
        return _without_lines(text, end, end)
    head = text[: text.rfind("\n", 0, end) + 1]
    newline = "\r\n" if "\r\n" in head else "\n"
    return head.removesuffix(newline) if head.endswith(newline * 2) else head


def _parsed(text: str) -> dict[str, Any]:
    try:
        parsed = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError):
        raise ValueError("it is not valid TOML") from None
    if not isinstance(parsed.get("default", {}), dict):
        raise ValueError("its default is not a table")
    return parsed


def with_default(text: str, name: str) -> str:
    """The text of a file with this default; ValueError if it is not TOML, or if the default cannot be inserted."""
    mark, text = (_MARK, text[1:]) if text.startswith(_MARK) else ("", text)
    before = _parsed(text)
    changed = _changed(text, spans_of(text), json.dumps(name, ensure_ascii=False))
    wanted: dict[str, Any] = {**before, "default": {**before.get("default", {}), "model": name}}
    with contextlib.suppress(tomllib.TOMLDecodeError):
        if tomllib.loads(changed) == wanted:
            return mark + changed
    raise ValueError("the default cannot be inserted into it")


def _changed(text: str, spans: Spans, value: str) -> str:
    """The text with the value in place of the old one, in its table, or in a new table at the end."""
    newline = "\r\n" if "\r\n" in text else "\n"
    if _KEY in spans.values:
        start, end = spans.values[_KEY]
        return text[:start] + value + text[end:]
    if _TABLE in spans.values:  # an inline table, and nothing in it
        start, end = spans.values[_TABLE]
        return f"{text[:start]}{{ model = {value} }}{text[end:]}"
    if _TABLE in spans.headers:
        end = text.find("\n", spans.headers[_TABLE])
        head, rest = (f"{text}{newline}", "") if end < 0 else (text[: end + 1], text[end + 1 :])
        return f"{head}model = {value}{newline}{rest}"
    joint = "" if not text else newline if text.endswith("\n") else newline * 2
    return f"{text}{joint}[default]{newline}model = {value}{newline}"


def _read(path: Path) -> str:
    try:
        data = path.read_bytes() if path.stat().st_size <= MAX_BYTES else None
    except FileNotFoundError:
        return ""
    if data is None:
        raise ValueError(f"it is larger than {MAX_BYTES // 1024} KiB")
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise ValueError("it is not UTF-8 text") from None


def _replace(path: Path, text: str) -> None:
    """Write the file whole or not at all, with the rights that it had; behind a link, where that leads."""
    path = path.resolve()
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with open(descriptor, "w", encoding="utf-8", newline="") as file:  # noqa: PTH123 - a descriptor has no path
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileNotFoundError):  # a new one, which may hold keys one day, is its owner's alone
            Path(name).chmod(path.stat().st_mode & 0o7777)
        Path(name).replace(path)
    except BaseException:  # an interrupt too must leave no copy of what may hold keys
        Path(name).unlink(missing_ok=True)
        raise
