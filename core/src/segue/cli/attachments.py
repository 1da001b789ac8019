"""Images, sound and documents that go with a message."""

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
    """The parts of a message, in the order images, sound, documents; ConfigError names the file and the fix."""
    return (*map(_image, images), *map(_sound, audio), *map(_document, files))


def _image(given: str) -> ImagePart:
    if given.startswith(("https://", "http://")):
        return ImagePart(url=given)  # the host fetches it
    data = _read("--image", given)
    try:
        return ImagePart(data=data)
    except ValueError:
        raise ConfigError(f"--image {given}: it is no PNG, JPEG, GIF or WebP; convert it to one of them") from None


def _sound(given: str) -> AudioPart:
    suffix = Path(given).suffix.lower().removeprefix(".")
    data = _read("--audio", given)
    if suffix not in _SOUND:
        known = ", ".join(f".{name}" for name in _SOUND)
        raise ConfigError(f"--audio {given}: its name tells no format; let it end in one of {known}")
    return AudioPart(data=data, format=suffix)


def _document(given: str) -> FilePart:
    if given.startswith(("https://", "http://")):
        return FilePart(url=given)  # as above
    data = _read("--file", given)
    name = os.fsencode(Path(given).name).decode("utf-8", "replace")
    media_type = mimetypes.guess_type(name)[0]
    if media_type is None:
        raise ConfigError(f"--file {given}: its name tells no kind; let it end in a suffix such as .pdf or .txt")
    return FilePart(data=data, media_type=media_type, name=name)


def _read(option: str, given: str) -> bytes:
    path = Path(given).expanduser()
    try:
        if path.is_dir():
            raise ConfigError(f"{option} {given}: it is a folder; name a file in it")
        if not path.is_file():
            fault = "it is no regular file; copy it to one" if path.exists() else "there is no such file"
            raise ConfigError(f"{option} {given}: {fault}")
        if path.stat().st_size > _MOST:
            raise ConfigError(f"{option} {given}: it is larger than {_MOST // 1024**2} MiB, which no host takes")
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{option} {given}: it cannot be read: {error.strerror}; check its permissions") from error
    except ValueError:  # a name with a null character
        raise ConfigError(f"{option}: {given!r} is no file name") from None
