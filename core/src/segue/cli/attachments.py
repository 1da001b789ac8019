"""Images, audio and documents that are attached to a message."""

from __future__ import annotations

import mimetypes
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ..errors import ConfigError
from ..messages import AudioPart, FilePart, ImagePart

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..messages import Part

# What the hosts take as sound, by the suffix that names it.
_SOUND: Final = ("wav", "mp3", "flac", "ogg", "opus", "m4a", "aac", "webm")
_MOST: Final = 100 * 1024 * 1024


def read_attachments(images: Iterable[str], audio: Iterable[str], files: Iterable[str]) -> tuple[Part, ...]:
    """The parts of a message, in the order images, audio, documents; ConfigError names the file and the fix."""
    return (*map(_image, images), *map(_sound, audio), *map(_document, files))


def _image(given: str) -> ImagePart:
    if given.startswith(("https://", "http://")):
        return ImagePart(url=given)  # the host fetches it
    data = _read("--image", given)
    try:
        return ImagePart(data=data)
    except ValueError:
        raise ConfigError(
            f"--image {given}: it is not a PNG, JPEG, GIF or WebP image; convert it to one of them"
        ) from None


def _sound(given: str) -> AudioPart:
    suffix = Path(given).suffix.lower().removeprefix(".")
    data = _read("--audio", given)
    if suffix not in _SOUND:
        known = ", ".join(f".{name}" for name in _SOUND)
        raise ConfigError(f"--audio {given}: the format is unknown; expected a file name that ends in one of {known}")
    return AudioPart(data=data, format=suffix)


def _document(given: str) -> FilePart:
    if given.startswith(("https://", "http://")):
        return FilePart(url=given)  # as above
    data = _read("--file", given)
    name = os.fsencode(Path(given).name).decode("utf-8", "replace")
    media_type = mimetypes.guess_type(name)[0]
    if media_type is None:
        raise ConfigError(
            f"--file {given}: the type is unknown; expected a file name that ends in .pdf, .txt or similar"
        )
    return FilePart(data=data, media_type=media_type, name=name)


def _read(option: str, given: str) -> bytes:
    path = Path(given).expanduser()
    try:
        if path.is_dir():
            raise ConfigError(f"{option} {given}: it is a folder; give a file")
        if not path.is_file():
            fault = "it is not a regular file; copy it into one" if path.exists() else "the file does not exist"
            raise ConfigError(f"{option} {given}: {fault}")
        if path.stat().st_size > _MOST:
            raise ConfigError(f"{option} {given}: it is larger than {_MOST // 1024**2} MiB, which no host accepts")
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{option} {given}: it cannot be read: {error.strerror}; check its permissions") from error
    except ValueError:  # a name with a null character
        raise ConfigError(f"{option}: {given!r} is not a file name") from None
