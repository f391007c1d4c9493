"""The kinds of work, their sizes, and a measured server."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec

SMALL: Final = 4 << 10
LARGE: Final = 1 << 20
RANGE: Final = 64 << 10
HUGE: Final = 1 << 30
READ: Final = 64  # There are this many objects of each size to read.
BUCKET: Final = "files"
MILLION: Final = "million"
GROUPS: Final = 1000
IN_GROUP: Final = 1000
LISTS: Final = 30  # requests of each kind of list
REGION: Final = "us-east-1"
BYTES: Final = "application/octet-stream"


class Target(msgspec.Struct, frozen=True):
    """One port of a server. `key`: the project's key for the HTTP API, or empty for S3."""

    name: str
    url: str
    access_key: str = ""
    secret: str = ""
    key: str = ""

    @property
    def is_s3(self) -> bool:
        return not self.key


class Server(msgspec.Struct, frozen=True):
    """A measured server. `process`: a text in the command lines or the environments of its processes.

    `raw`: true if its rates are measured without an SDK. `has_million`: true if it has the bucket MILLION. `beats`: the
    file with the late turns of its event loop, if it is BunBase. `resting`: the memory of each process, in MiB, before
    the first measurement.
    """

    name: str
    process: str
    targets: tuple[Target, ...]
    notes: str
    raw: bool = True
    has_million: bool = True
    beats: Path | None = None
    resting: dict[str, float] = msgspec.field(default_factory=dict)

    @property
    def s3(self) -> Target:
        return next(target for target in self.targets if target.is_s3)
