"""``segue chat --image``, ``--audio``, ``--file``."""

from __future__ import annotations

import base64
import os
from typing import TYPE_CHECKING

import pytest

from segue.testing import OpenAIHost

if TYPE_CHECKING:
    from .conftest import CommandLine

_PNG = b"\x89PNG\r\n\x1a\nrest"
_WEBP = b"RIFF\0\0\0\0WEBPrest"


def _options(cli: CommandLine, host: OpenAIHost) -> list[str]:
    config = cli.config(f'[providers.openai]\napi_key = "k-secret"\nbase_url = "{host.url}"\n')
    return ["chat", "--config", config]


async def test_images_from_files_and_addresses_go_with_the_message(cli: CommandLine) -> None:
    """A file is sent as its bytes with the kind that they tell, an address as it is."""
    (cli.folder / "wrongly-named.txt").write_bytes(_PNG)
    (cli.folder / "second").write_bytes(_WEBP)
    async with OpenAIHost() as host:
        images = ["wrongly-named.txt", "second", "https://example.org/cat.jpg"]
        options = [option for image in images for option in ("--image", image)]
        ended = await cli(*_options(cli, host), "-m", "openai/gpt-4o", *options, "What is it?")
    assert ended.code == 0
    text, *sent = host.requests[0].json["messages"][0]["content"]
    assert text == {"type": "text", "text": "What is it?"}
    assert [part["image_url"]["url"] for part in sent] == [
        f"data:image/png;base64,{base64.b64encode(_PNG).decode()}",
        f"data:image/webp;base64,{base64.b64encode(_WEBP).decode()}",
        "https://example.org/cat.jpg",
    ]


async def test_sound_goes_with_the_message(cli: CommandLine) -> None:
    """The format is that of the file's name."""
    (cli.folder / "hello.WAV").write_bytes(b"RIFF")
    async with OpenAIHost() as host:
        ended = await cli(*_options(cli, host), "-m", "openai/gpt-audio-1.5", "--audio", "hello.WAV", "What is said?")
    assert ended.code == 0
    assert host.requests[0].json["messages"][0]["content"][1]["input_audio"]["format"] == "wav"


async def test_a_document_may_be_named_by_its_address(cli: CommandLine) -> None:
    """Where the wire has no words for it nothing is sent, and the error says what would let it be downloaded."""
    async with OpenAIHost() as host:
        ended = await cli(*_options(cli, host), "-m", "openai/gpt-4o", "--file", "https://a.example/a.pdf", "Sum it up")
        assert host.requests == []
    assert ended.code != 0
    assert "enabled = true in [downloads]" in ended.err


async def test_a_document_goes_with_the_message(cli: CommandLine) -> None:
    """It has its name and the media type that the name tells."""
    (cli.folder / "a.pdf").write_bytes(b"%PDF-")
    async with OpenAIHost() as host:
        ended = await cli(*_options(cli, host), "-m", "openai/gpt-4o", "--file", str(cli.folder / "a.pdf"), "Sum it up")
    assert ended.code == 0
    sent = host.requests[0].json["messages"][0]["content"][1]["file"]
    assert sent == {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERi0="}


async def test_a_model_that_cannot_see_is_not_chosen_for_an_image(cli: CommandLine) -> None:
    """What is attached is a need; with nobody who meets it nothing is sent."""
    (cli.folder / "a.png").write_bytes(_PNG)
    async with OpenAIHost() as host:
        ended = await cli(*_options(cli, host), "-m", "openai/gpt-3.5-turbo", "--image", "a.png", "What is it?")
    assert (ended.code, host.requests) == (2, [])
    assert "vision" in ended.err


@pytest.mark.parametrize(
    ("option", "name", "fault"),
    [
        ("--image", "nowhere.png", "the file does not exist"),
        ("--image", "plain.txt", "it is not a PNG, JPEG, GIF or WebP image; convert it to one of them"),
        ("--image", "folder", "it is a folder; give a file"),
        ("--audio", "plain.txt", "expected a file name that ends in one of .wav, .mp3"),
        ("--file", "no-suffix", "expected a file name that ends in .pdf, .txt or similar"),
        ("--file", "pipe.txt", "it is not a regular file; copy it into one"),
        ("--file", "huge.txt", "it is larger than 100 MiB, which no host accepts"),
    ],
)
async def test_a_file_that_cannot_be_sent_is_one_line(cli: CommandLine, option: str, name: str, fault: str) -> None:
    """It names the option, the file and the fix, with exit code 2."""
    (cli.folder / "plain.txt").write_text("text")
    (cli.folder / "no-suffix").write_text("text")
    (cli.folder / "folder").mkdir()
    os.mkfifo(cli.folder / "pipe.txt")
    (cli.folder / "huge.txt").touch()
    os.truncate(cli.folder / "huge.txt", 100 * 1024 * 1024 + 1)
    ended = await cli("chat", "-m", "rehearsal", option, name, "Hi")
    assert (ended.code, ended.out, ended.err.count("\n")) == (2, "", 1)
    assert ended.err.startswith(f"error: {option} {name}: ")
    assert fault in ended.err


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
async def test_a_file_that_may_not_be_read_is_one_line(cli: CommandLine) -> None:
    """Its permissions are named as what to mend."""
    (cli.folder / "a.txt").touch(mode=0o000)
    ended = await cli("chat", "-m", "rehearsal", "--file", "a.txt", "Hi")
    assert (ended.code, ended.err.count("\n")) == (2, 1)
    assert "check its permissions" in ended.err
