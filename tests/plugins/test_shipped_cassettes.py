"""The cassettes that providers of this repository ship: what they expect is what the vendor's SDK and we read."""

from __future__ import annotations

import importlib.util
import zipfile
from pathlib import Path
from typing import Any

import corpus
import pytest
from flit_core import buildapi

from segue import HTTPError
from segue.testing import Cassette, cassettes_of

from . import sdk_readings

PACKAGES = ("segue_bedrock", "segue_cohere", "segue_google", "segue_mistral", "segue_ollama")
SHIPPED = [
    pytest.param(package, cassette, id=cassette.id) for package in PACKAGES for cassette in cassettes_of(package)
]
LARGEST = 8 * 1024
"""Bytes of a file; they are installed with every provider."""

TRIED = {
    "text", "stream", "tool_calls", "structured_output", "reasoning_text", "images_in", "embeddings", "usage",
}  # fmt: skip
"""Features that each package has a cassette of."""


def file_of(package: str, cassette: Cassette) -> Path:
    spec = importlib.util.find_spec(package)
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "cassettes" / f"{cassette.id.partition('-')[2]}.json"


@pytest.mark.parametrize(("package", "cassette"), SHIPPED)
def test_what_is_expected_is_what_the_vendors_sdk_reads(package: str, cassette: Cassette) -> None:
    """The SDK, asking a host that plays the cassette, says what stands in ``expected``; its version may be another."""
    told, expected = sdk_readings.reading(cassette), dict(cassette.expected)
    assert _sdk(told.pop("oracle")) == _sdk(expected.pop("oracle"))
    if expected["error"] is not None:
        assert told.pop("error") == expected["error"]["message"]
        told.pop("status", None)
    for name, value in told.items():
        assert value == (expected[name] if expected.get(name) is not None else type(value)()), name
    assert not {name for name, value in expected.items() if value} - told.keys() - {"error", "n_events"}


def _sdk(oracle: str) -> tuple[str, str]:
    """The SDK and what of it was called, without its version."""
    return oracle.partition(" ")[0], oracle.partition(": ")[2]


@pytest.mark.parametrize(("package", "cassette"), SHIPPED)
def test_what_is_expected_is_what_we_read(package: str, cassette: Cassette) -> None:
    """Our decoder reads it as it is expected, however its bytes are cut."""
    exchange = corpus.Exchange(
        cassette.id,
        cassette.provider,
        cassette.api,
        cassette.response.status,
        tuple(cassette.features),
        file_of(package, cassette),
    )
    assert exchange.body == cassette.response.body
    if cassette.expected["error"] is None:
        assert corpus.differences(exchange) == []
        return
    reading = corpus.read(exchange)
    assert isinstance(reading.error, HTTPError)
    assert (reading.error.status, reading.reply().text) == (200, cassette.expected["text"])
    assert [name for name, pieces in corpus.splits(exchange, exchange.body) if _read(exchange, pieces) != reading] == []


def _read(exchange: corpus.Exchange, pieces: Any) -> corpus.Reading:
    return corpus.Reading(corpus.DECODERS[exchange.api](), pieces)


@pytest.mark.parametrize(("package", "cassette"), SHIPPED)
def test_a_cassette_is_small_and_says_that_nobody_recorded_it(package: str, cassette: Cassette) -> None:
    """It is written by hand and says so, in the stable form of its file, with no more than a few kilobytes."""
    file = file_of(package, cassette)
    assert file.stat().st_size < LARGEST
    assert file.read_text("utf-8") == cassette.write()
    assert cassette.source["kind"] == "scripted"
    assert "no host said this" in cassette.source["note"]
    assert (cassette.recorded, cassette.response.fidelity) == (None, "scripted")


@pytest.mark.parametrize("package", PACKAGES)
def test_a_wheel_has_the_cassettes(package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are installed with the provider."""
    monkeypatch.chdir(Path(__file__).parents[2] / "providers" / package.removeprefix("segue_"))
    wheel = tmp_path / buildapi.build_wheel(str(tmp_path))
    wanted = {f"{package}/cassettes/{file_of(package, one).name}" for one in cassettes_of(package)}
    assert wanted <= set(zipfile.ZipFile(wheel).namelist())


@pytest.mark.parametrize("package", PACKAGES)
def test_every_package_has_what_is_to_be_tried(package: str) -> None:
    """Text and tools as a stream and as a whole, a form, a thought, an image, vectors where it gives any."""
    cassettes = cassettes_of(package)
    features = frozenset[str]().union(*(cassette.features for cassette in cassettes))
    assert features >= TRIED - ({"embeddings"} if package == "segue_bedrock" else set())
    for feature in ("text", "tool_calls", "structured_output", "reasoning_text"):
        forms = {one.response.is_stream for one in cassettes if feature in one.features and not one.expected["error"]}
        assert forms == {False, True}, feature
