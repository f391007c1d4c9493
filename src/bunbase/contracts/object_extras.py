"""The properties that only clients of S3 give to objects: a few headers, tags and a checksum."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

HEADERS: Final = ("content-encoding", "content-disposition", "content-language", "expires")
MAX_HEADER: Final = 1024  # characters of one of these headers
MAX_TAGS: Final = 10

ChecksumKind = Literal["FULL_OBJECT", "COMPOSITE"]


class Checksum(msgspec.Struct, frozen=True):
    """`algorithm`: its name in S3, such as `CRC32`. `value`: the checksum in base64. `kind`: FULL_OBJECT is the
    checksum of all bytes; COMPOSITE is that of the checksums of the parts.
    """

    algorithm: str
    value: str
    kind: ChecksumKind = "FULL_OBJECT"


class ObjectExtras(msgspec.Struct, frozen=True, omit_defaults=True):
    """`headers`: values of HEADERS, by their names in lower case."""

    headers: dict[str, str] = {}
    tags: dict[str, str] = {}
    checksum: Checksum | None = None


NO_EXTRAS: Final = ObjectExtras()
