"""The values of downloads and uploads."""

from __future__ import annotations

from collections.abc import AsyncIterable, Iterable
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias, TypedDict


class Readable(Protocol):
    """A file that is open for reading bytes."""

    def read(self, size: int = ..., /) -> bytes: ...


# a text is sent as UTF-8; only AsyncClient takes an AsyncIterable
FileContent: TypeAlias = bytes | bytearray | memoryview | str | Readable | Iterable[bytes] | AsyncIterable[bytes]


class ImageTransform(TypedDict, total=False):
    """A variant of an image: another size or format, without metadata, and never larger than the image.

    `width`, `height`: in pixels, at most 4096; if only one is given, the other one follows.
    `fit`: `cover` (the default) fills the box and cuts the rest, `contain` fits into the box, `fill` stretches.
    `format`: `auto` (the default) is WebP if the reader accepts it, otherwise `origin`, the format of the file.
    `quality`: 20 to 100.
    """

    width: int
    height: int
    fit: Literal["cover", "contain", "fill"]
    format: Literal["auto", "origin", "webp", "avif", "jpeg", "png"]
    quality: int


@dataclass(frozen=True, slots=True)
class FileInfo:
    """The properties that an answer to a download has. `size`: the size of the whole file in bytes.

    `etag`: the MD5 of the bytes, in hexadecimal digits. `updated_at`: the time of the last write, as HTTP shows it.
    """

    bucket: str
    key: str
    size: int
    etag: str
    content_type: str
    cache_control: str
    metadata: dict[str, str]
    updated_at: str


@dataclass(frozen=True, slots=True)
class SignedLink:
    """A link that works without a key, for everybody who has it. `url`: the whole address."""

    url: str
    method: str
    expires_at: str
