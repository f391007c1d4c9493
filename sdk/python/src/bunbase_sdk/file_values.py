"""The values of downloads and uploads."""

from __future__ import annotations

from collections.abc import AsyncIterable, Iterable
from dataclasses import dataclass
from typing import Protocol, TypeAlias


class Readable(Protocol):
    """A file that is open for reading bytes."""

    def read(self, size: int = ..., /) -> bytes: ...


# a text is sent as UTF-8; only AsyncClient takes an AsyncIterable
FileContent: TypeAlias = bytes | bytearray | memoryview | str | Readable | Iterable[bytes] | AsyncIterable[bytes]


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
